"""What each registered layer promises of its ``forward`` is asked of it, on numbers; no check believes a lie."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from samples import BY_NAME, SAMPLES, Draw, Sample, arrays_of
from watched import Watched

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.base.arrays import unwarned
from lrp_ref.layers import LAYERS
from lrp_ref.layers.base import Layer
from lrp_ref.layers.promises import Promises
from lrp_ref.network import Network
from lrp_ref.rules.rule import Redistribution
from lrp_ref.rules.share import Given

FIELDS = [field.name for field in dataclasses.fields(Promises)]


# What is fed ----------------------------------------------------------------------------------------------------


def outputs(layer: Layer, xs: tuple[Any, ...]) -> tuple[Any, ...]:
    with unwarned():
        out = layer.forward(*xs)
    return out if isinstance(out, tuple) else (out,)


def floats(xs: tuple[Any, ...], change: Callable[[Any], Any]) -> tuple[Any, ...]:
    return tuple(change(x) if x.dtype.kind == "f" else x for x in xs)


def extremes(sample: Sample, dtype: Any) -> Iterator[tuple[Any, ...]]:
    """Yield inputs of the largest, the smallest, and zeros of both signs, mixed and each alone."""
    info = np.finfo(dtype)
    values = np.array([info.max, -info.max, info.smallest_subnormal, -info.smallest_subnormal, 0.0, -0.0], dtype)
    for some in (values, *values[:, None]):
        yield floats(sample.inputs(), lambda x, v=some: np.resize(v, x.shape))


def signed(sample: Sample, kind: str = "normal") -> Iterator[tuple[tuple[bool, ...], tuple[Any, ...]]]:
    """Yield which operands are ≥ 0, and operands of these signs, some of them 0; all signs where nothing is said."""
    draw = Draw(f"{sample.name} zeros", "grid")

    def of(x: Any, positive: bool) -> Any:
        if x.dtype.kind != "f" or sample.positive:
            return x
        return np.where(draw.rng.random(x.shape) < 0.2, 0.0, np.abs(x) if positive else x)

    xs = sample.inputs(4, kind)
    for signs in itertools.product((True, False), repeat=len(xs)):
        yield signs, tuple(of(x, positive) for x, positive in zip(xs, signs, strict=True))
        if not sample.positive:
            low = (x if positive or x.dtype.kind != "f" else -np.abs(x) for x, positive in zip(xs, signs, strict=True))
            yield signs, tuple(of(x, positive) for x, positive in zip(low, signs, strict=True))


def same_bits(a: Any, b: Any) -> bool:
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


# The proofs -----------------------------------------------------------------------------------------------------


def stays_finite(layer: Layer, sample: Sample) -> None:
    for dtype in (np.float64, np.float32):
        cast = layer.map_arrays(lambda a, to=dtype: a.astype(to))
        for xs in extremes(sample, dtype):
            assert all(np.isfinite(out).all() for out in outputs(cast, xs))


def makes_new(layer: Layer, sample: Sample) -> None:
    """Inputs, parameters and earlier outputs have no memory of it, and writing into it changes none of them."""
    for n in (0, 1, 3):
        xs = sample.inputs(n)
        expected = tuple(a.copy() for a in outputs(layer, xs))
        earlier: tuple[Any, ...] = ()
        for _ in range(2):
            held = (*xs, *arrays_of(layer), *earlier)
            before = [a.copy() for a in held]
            made = outputs(layer, xs)
            assert all(map(same_bits, made, expected))
            assert not any(a is b or np.shares_memory(a, b) for a in made for b in held)
            for array in made:
                array[...] = np.nan
            assert all(map(same_bits, held, before))
            earlier = made


def writes_over(layer: Layer, sample: Sample) -> None:
    for dtype in (np.float64, np.float32):
        drawn = (tuple(a.astype(dtype) for a in sample.inputs(n, "normal")) for n in (0, 1, 3))
        for xs in (*drawn, *extremes(sample, dtype)):
            (expected,), (x,) = outputs(layer, xs), xs
            over = x.copy()
            assert layer.forward_over(over) is None
            assert same_bits(over, expected)


CHEAP = {
    "maximum",
    "minimum",
    "multiply",
    "add",
    "subtract",
    "negative",
    "absolute",
    "greater",
    "less",
    "where",
    "take",
}
PASSES = 3  # over all numbers: a comparison, a product and a choice; reading a value that was kept is one


def cheap(layer: Layer, sample: Sample) -> None:
    """No more than its only input has, and made of it by views or by few passes over its numbers, none of functions."""
    (x,) = sample.inputs(3, "normal")
    Watched.calls.clear()
    (out,) = outputs(layer, (x.view(Watched),))
    calls = list(Watched.calls)
    assert type(out) is Watched, "the layer took the numbers out of sight"
    assert out.size <= x.size
    assert set(calls) <= CHEAP, calls
    assert len(calls) <= PASSES, calls


def rectifies(layer: Layer, sample: Sample) -> None:
    for xs in (*(x for _, x in signed(sample)), *(x for _, x in signed(sample, "grid")), *extremes(sample, np.float64)):
        (out,), (x,) = outputs(layer, xs), xs
        assert out.shape == x.shape
        assert same_bits(out[x > 0], x[x > 0])
        assert (out[x <= 0] == 0).all()


TAPED = [rules.Epsilon(0.25), rules.Recurrent(rules.Epsilon(1e-3), rules.Epsilon(1e-2)), rules.LRP0()]


def leaves_tape(layer: Layer, sample: Sample) -> None:
    for n in (1, 3):
        xs = sample.inputs(n, "normal")
        rs = tuple(Draw(f"{sample.name} tape", "normal")(*out.shape) for out in outputs(layer, xs))
        for rule in TAPED:
            plain = layer.redistribute(xs, rs, rule)
            z, tape = layer.forward_taped(*xs)
            assert tape is not None
            assert all(map(same_bits, z if isinstance(z, tuple) else (z,), outputs(layer, xs)))
            for given in (Given(tape=tape), Given(z=z, tape=layer.forward_taped(*xs)[1])):
                taped = layer.redistribute(xs, rs, rule, given=given)
                for one, other in zip(columns(taped), columns(plain), strict=True):
                    assert one is other is None or same_bits(np.asarray(one), np.asarray(other))


def columns(found: Any) -> list[Any]:
    return [*found.relevances, *(getattr(found, f.name) for f in dataclasses.fields(found) if f.name != "relevances")]


def tells_sign(layer: Layer, sample: Sample) -> None:
    for kind in ("normal", "grid"):
        for signs, xs in signed(sample, kind):
            out = outputs(layer, xs)
            if layer.nonnegative(signs):
                assert all((a >= 0).all() for a in out) or sample.name in EMPTY_WINDOWS
            for above in (True, False):
                if layer.vanishes(above):
                    _vanishes(layer, xs, out, above)


def _vanishes(layer: Layer, xs: tuple[Any, ...], out: tuple[Any, ...], above: bool) -> None:
    draw = Draw("vanishes", "normal")
    rs = tuple(np.where(a > 0, r, 0.0) if above else r for a, r in ((a, draw(*a.shape)) for a in out))
    for x, received in zip(xs, layer.redistribute(xs, rs).relevances, strict=True):
        assert (received[x <= 0] == 0).all()


# A window that lies in the padding altogether has the maximum −∞; no unit is there to receive anything.
EMPTY_WINDOWS = {"MaxPool-window-in-padding"}

PROOFS: dict[str, Callable[[Layer, Sample], None]] = {
    proof.__name__: proof
    for proof in (stays_finite, makes_new, writes_over, cheap, rectifies, leaves_tape, tells_sign)
}  # fmt: skip
PROMISED = [(s, name) for s in SAMPLES for name in FIELDS if getattr(s.layer().promises, name)]


def test_there_is_a_proof_of_every_promise_and_a_layer_that_makes_it() -> None:
    assert list(PROOFS) == FIELDS
    assert {name for _, name in PROMISED} == set(FIELDS)
    assert {type(s.layer()) for s in SAMPLES} >= set(LAYERS.values())


@pytest.mark.parametrize(("sample", "promise"), PROMISED, ids=lambda v: v if isinstance(v, str) else v.name)
def test_what_a_layer_promises_holds(sample: Sample, promise: str) -> None:
    PROOFS[promise](sample.layer("normal"), sample)
    PROOFS[promise](sample.layer("grid"), sample)


# What is not said -----------------------------------------------------------------------------------------------

# What is never negative, and does not say so, costs the rules that read it one pass more than they need.
UNSAID_OF_POSITIVE = {"CELU", "Swish", "ELU", "GELU", "HardSwish", "LeakyReLU", "Power", "SELU", "SiLU", "Tanh"}
UNSAID_OF_ALL: set[str] = set()


def unsaid(positive: bool) -> set[str]:
    """Return the kinds of layers none of whose samples has a negative output, and that do not say so.

    Args:
        positive: whether all operands are ≥ 0; otherwise they have both signs.
    """
    silent, negative = set(), set()
    for sample in SAMPLES:
        layer = sample.layer("normal")
        for signs, xs in signed(sample):
            if set(signs) == {positive}:
                if not (layer.promises.tells_sign and layer.nonnegative(signs)):
                    silent.add(sample.kind)
                if not all((a >= 0).all() for a in outputs(layer, xs)):
                    negative.add(sample.kind)
    return silent - negative


def test_layers_that_are_never_negative_and_do_not_say_so_are_known_by_name() -> None:
    assert unsaid(positive=True) == UNSAID_OF_POSITIVE
    assert unsaid(positive=False) == UNSAID_OF_ALL


def test_what_leaves_a_tape_says_so() -> None:
    """Nobody asks a layer that does not say so for its tape."""
    for sample in SAMPLES:
        layer, xs = sample.layer(), sample.inputs()
        assert (layer.forward_taped(*xs)[1] is not None) == layer.promises.leaves_tape, sample.name


# Lies -----------------------------------------------------------------------------------------------------------

ALL = Promises(**dict.fromkeys(FIELDS, True))


@dataclass(frozen=True)
class Lie:
    """A layer that promises what it does not keep, on the operands of a sample."""

    promise: str
    sample: str
    kind: Callable[..., Layer]

    def layer(self) -> Layer:
        return self.kind(*(getattr(BY_NAME[self.sample].layer(), name) for name in self.fields()))

    def fields(self) -> list[str]:
        return [f.name for f in dataclasses.fields(BY_NAME[self.sample].layer())]


class Squared(layers.ReLU):
    promises = ALL

    def forward(self, *xs: Any) -> Any:
        return np.maximum(xs[0], 0) ** 2


class Summed(layers.Flatten):
    promises = ALL

    def forward(self, *xs: Any) -> Any:
        return super().forward(*xs).sum(axis=1, keepdims=True)


class Same(layers.Identity):
    promises = ALL


class Held(layers.Dense):
    promises = ALL

    def forward(self, *xs: Any) -> Any:
        return self.weight[: len(xs[0])]


class Remembered(layers.Dense):
    """Gives the same array out at every call, as work memory would be."""

    promises = ALL
    rooms: ClassVar[dict[Any, Any]] = {}

    def forward(self, *xs: Any) -> Any:
        z = super().forward(*xs)
        room = self.rooms.setdefault(z.shape, np.empty_like(z))
        room[...] = z
        return room


class OverLate(layers.ReLU):
    promises = ALL

    def forward_over(self, x: Any) -> None:
        x[:1] = np.maximum(x[:1], 0)


class OverNothing(layers.ReLU):
    promises = ALL

    def forward_over(self, x: Any) -> None:
        x = np.maximum(x, 0)


class Grown(layers.Upsample):
    promises = ALL


class Curved(layers.Exp):
    promises = ALL


class Multiplied(layers.Dense):
    promises = ALL


class Leaking(layers.ReLU):
    promises = ALL

    def forward(self, *xs: Any) -> Any:
        return np.where(xs[0] > 0, xs[0], 1e-300 * xs[0])


class Capped(layers.ReLU):
    promises = ALL

    def forward(self, *xs: Any) -> Any:
        return np.minimum(np.maximum(xs[0], 0), 6)


class Raised(layers.ReLU):
    promises = ALL

    def forward(self, *xs: Any) -> Any:
        return np.maximum(xs[0], 5e-324)


class Torn(layers.LSTM):
    """Its tape is that of other operands."""

    promises = ALL

    def forward_taped(self, *xs: Any) -> Any:
        return self.forward(*xs), super().forward_taped(xs[0] * 2, *xs[1:])[1]


class Tapeless(layers.LSTM):
    promises = ALL

    def forward_taped(self, *xs: Any) -> Any:
        return self.forward(*xs), None


class Shifted(layers.LSTM):
    promises = ALL

    def forward_taped(self, *xs: Any) -> Any:
        z, tape = super().forward_taped(*xs)
        return np.nextafter(z, 1), tape


class Negative(layers.Tanh):
    promises = ALL

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True


class OneOfTwo(layers.Add):
    promises = ALL

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return any(inputs)


class Lowered(layers.Pad):
    promises = ALL

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)


class NoLonger(layers.Sigmoid):
    promises = ALL

    def vanishes(self, above: bool) -> bool:
        return above


class Anyway(layers.ReLU):
    promises = ALL

    def vanishes(self, above: bool) -> bool:
        return True


LIES = [
    Lie("stays_finite", "ReLU-0", Squared),
    Lie("stays_finite", "Flatten-all", Summed),
    Lie("makes_new", "Identity-0", Same),
    Lie("makes_new", "Dense", Held),
    Lie("makes_new", "Dense", Remembered),
    Lie("writes_over", "ReLU-0", OverLate),
    Lie("writes_over", "ReLU-0", OverNothing),
    Lie("cheap", "Upsample-1d", Grown),
    Lie("cheap", "Exp-0", Curved),
    Lie("cheap", "Dense-no-bias", Multiplied),
    Lie("rectifies", "ReLU-0", Leaking),
    Lie("rectifies", "ReLU-0", Capped),
    Lie("rectifies", "ReLU-0", Raised),
    Lie("leaves_tape", "LSTM-sequence", Torn),
    Lie("leaves_tape", "LSTM-sequence", Tapeless),
    Lie("leaves_tape", "LSTM-sequence", Shifted),
    Lie("tells_sign", "Tanh-0", Negative),
    Lie("tells_sign", "Add-two", OneOfTwo),
    Lie("tells_sign", "Pad-channels", Lowered),
    Lie("tells_sign", "Sigmoid-0", NoLonger),
    Lie("tells_sign", "ReLU-0", Anyway),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: f"{lie.promise}-{lie.kind.__name__}")
def test_no_proof_believes_a_lie(lie: Lie) -> None:
    assert getattr(lie.layer().promises, lie.promise)
    with pytest.raises(AssertionError):
        PROOFS[lie.promise](lie.layer(), BY_NAME[lie.sample])


def test_every_promise_is_lied_about() -> None:
    assert {lie.promise for lie in LIES} == set(FIELDS)


@pytest.mark.parametrize("kind", LAYERS.values(), ids=lambda kind: kind.__name__)
def test_a_layer_with_a_forward_of_its_own_promises_nothing(kind: type[Layer]) -> None:
    class Own(kind):
        def forward(self, *xs: Any) -> Any:
            return super().forward(*xs)

    class Renamed(kind):
        pass

    assert Own.promises == Promises()
    assert Renamed.promises == kind.promises


def test_a_layer_with_a_way_back_of_its_own_promises_nothing() -> None:
    """Relevance may arrive where its input is negative, so that its output cannot stand for what it reads."""

    class Smooth(layers.ReLU):
        def _redistribute(self, xs: Any, relevances: Any, rule: Any, z: Any) -> Any:
            mean = relevances[0].mean(axis=1, keepdims=True)
            return Redistribution.routed((0 * xs[0] + mean,), relevances[0])

    assert Smooth.promises == Promises()
    first, last = layers.Dense(np.array([[1.0, -1.0], [1.0, -2.0]])), layers.Dense(np.array([[1.0], [3.0]]))
    net, x = Network.sequential([first, Smooth(), last]), np.array([[1.0, 2.0]])
    for composite in ("lrp0", "epsilon"):
        e = lrp.explain(net, x, composite=composite)
        np.testing.assert_allclose(e.relevance, [[0.8, 2.2]], rtol=1e-5)
        np.testing.assert_allclose(e.relevance, lrp.plain.explain(net, x, composite=composite).relevance, rtol=1e-12)
