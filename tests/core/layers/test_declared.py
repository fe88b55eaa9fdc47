"""What a layer declares of itself besides its promises: asked of every registered layer, silence too."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from samples import BY_NAME, SAMPLES, Sample
from watched import Watched

from lrp_ref import layers
from lrp_ref.base.arrays import unwarned
from lrp_ref.layers.base import Layer

battery = pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
STEP = 2.0**-30


def outputs(layer: Layer, xs: tuple[Any, ...]) -> tuple[Any, ...]:
    with unwarned():
        out = layer.forward(*xs)
    return out if isinstance(out, tuple) else (out,)


def slopes(layer: Layer, xs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the derivative of the outputs' sum, weighted by their places."""
    gs = tuple(1 + np.arange(a.size, dtype=float).reshape(a.shape) / a.size for a in outputs(layer, xs))
    with unwarned():
        return tuple(layer.vjp(xs, gs if len(gs) > 1 else gs[0]))


# Kinks and winners ----------------------------------------------------------------------------------------------

# Where alpha x + beta is 0 or 1: no float in general, so that no float can be found to lie on it.
NO_FLOAT = {"HardSigmoid"}


ACTIVATIONS = [s for s in SAMPLES if isinstance(s.layer(), layers.Elementwise)]


@pytest.mark.parametrize("sample", ACTIVATIONS, ids=lambda s: s.name)
def test_an_activation_says_where_its_derivative_jumps(sample: Sample) -> None:
    layer = sample.layer()
    places = np.arange(1 if sample.positive else -64, 65) / 8
    jumps = set()
    for place in places:
        (shape,) = sample.shapes
        if not np.isfinite(outputs(layer, (np.full((1, *shape), place),))[0]).all():
            continue  # outside the domain, or at its end
        below, above = (slopes(layer, (np.full((1, *shape), place + side),))[0] for side in (-STEP, STEP))
        if np.abs(above - below).max() > 1e-3:
            jumps.add(float(place))
    if sample.kind in NO_FLOAT:
        assert layer.kinks == ()
        return
    assert jumps <= set(layer.kinks)
    sign = layers.Function("sign")
    # With alpha 1 the branches of an ELU meet without a jump; a sign or a step jumps itself, with derivatives of 0.
    if not isinstance(layer, layers.ELU | layers.Step) and layer != sign:
        assert jumps == set(layer.kinks)


@battery
def test_a_layer_that_takes_the_largest_says_what_it_compares(sample: Sample) -> None:
    """One of equal inputs that grows or shrinks a little changes the derivative of such a layer only."""
    layer = sample.layer()
    xs = tuple(np.full_like(x, 0.3) if x.dtype.kind == "f" else x for x in sample.inputs(2))
    compared = layer.compared(xs[0], -np.inf)
    jumps = False
    for place in np.ndindex(xs[0].shape):
        moved = [xs[0].copy(), xs[0].copy()]
        for x, side in zip(moved, (-STEP, STEP), strict=True):
            x[place] += side
        found = [slopes(layer, (x, *xs[1:])) for x in moved]
        jumps = jumps or any(np.abs(a - b).max() > 1e-3 for a, b in zip(*found, strict=True) if a.dtype.kind == "f")
    assert not jumps or compared is not None or sample.name == "UnitNorm-max"  # divides by it, no output is the largest
    if compared is not None:
        assert jumps or len(compared) == 1 or sample.name == "MaxPool-window-in-padding"
        (x,) = sample.inputs(3, "normal")
        (out,) = outputs(layer, (x,))
        sign = -1 if isinstance(layer, layers.SoftMin) else 1  # of negatives the largest
        assert np.array_equal(layer.compared(x, -np.inf).max(axis=0).reshape(out.shape), sign * out)
        held = layer.compared(x.astype(object), None)
        assert held.dtype == object
        assert held.shape == (len(compared), *layer.compared(x, 0.0).shape[1:])
        assert {v for v in held.flat if v is not None} <= set((sign * x).flat)


# Products -------------------------------------------------------------------------------------------------------


@battery
def test_a_layer_whose_weights_are_multiplied_with_columns_says_so(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, n, matmul = sample.layer("normal"), 3, np.matmul
    Watched.calls.clear()

    def counted(*args: Any, **options: Any) -> Any:
        Watched.calls.append("matmul")
        return matmul(*args, **options)

    monkeypatch.setattr(np, "matmul", counted)
    xs = tuple(x.view(Watched) if x.dtype.kind == "f" else x for x in sample.inputs(n, "normal"))
    outputs(layer.map_arrays(lambda a: a.view(Watched)), xs)
    products = any("matmul" in call or call in ("dot", "einsum", "tensordot", "vecdot") for call in Watched.calls)
    said = layer.products(xs[0].shape, outputs(layer, sample.inputs(n))[0].shape)
    assert not products or said is not None or layer.recurrent
    assert said is None or not layer.recurrent
    if said is not None:
        weights, columns = said
        if isinstance(layer, layers.MatMul):  # its weights are a signal
            assert (weights, columns) == (math.prod(xs[0].shape[1:]), xs[1].shape[-1])
            return
        if isinstance(layer, layers.SquaredDistance):  # its matrices: of each centre, or one for all
            assert weights == layer.precision.size
            assert weights * columns == layer.centers.shape[0] * layer.centers.shape[1] ** 2
            return
        assert weights == layer.arrays()[0].size
        assert columns == multiplied(layer, sample)
    if layer.recurrent:
        assert products


def multiplied(layer: Layer, sample: Sample) -> float:
    """Return how often each weight is used for one sample, positions in the padding and what is cropped counted."""
    if isinstance(layer, layers.AdditiveKernel | layers.KernelMachine):
        return 1  # of every support, before the outputs are summed
    wide = {"padding": 0, "output_padding": 0, "bias": None}
    bare = {k: v for k, v in wide.items() if hasattr(layer, k)}
    weight, shape = layer.arrays()[0], sample.shapes[0]
    if isinstance(layer, layers.Conv):
        shape = (shape[0], *(n + a + b for n, (a, b) in zip(shape[1:], layer.padding, strict=True)))
    made = type(layer)(np.ones_like(weight), **{f: getattr(layer, f) for f in ("stride", "dilation", "groups")
                                                if hasattr(layer, f)}, **bare)  # fmt: skip
    return float(made.forward(np.ones((1, *shape))).sum() / weight.size)


# Routes ---------------------------------------------------------------------------------------------------------


def sources(layer: Layer, xs: tuple[Any, ...]) -> list[Any] | None:
    """Return the number of the input that each output is, −1 for none of them; None where a number changed."""
    places = {float(v): k for k, v in enumerate(np.concatenate([x.ravel() for x in xs]))}
    return [[places.get(float(v), -1) for v in out.ravel()] for out in outputs(layer, xs)]


@battery
def test_a_layer_that_only_moves_values_says_so(sample: Sample) -> None:
    """Whatever the numbers are, each output is the same one of them, or the same constant."""
    layer = sample.layer()
    if sample.more is not None:
        assert not layer.moves
        return
    total = sum(x.size for x in sample.inputs(2))
    numbers = np.random.default_rng(3).permutation(total) + 0.375
    drawn = (numbers, 1000 - 1.5 * numbers) if sample.positive else (numbers, -1.75 * numbers)
    found, constants = [], []
    for some in drawn:
        parts = np.split(some, np.cumsum([x.size for x in sample.inputs(2)])[:-1])
        xs = tuple(part.reshape(x.shape) for part, x in zip(parts, sample.inputs(2), strict=True))
        found.append(sources(layer, xs))
        constants.append(
            [np.where(np.array(f) < 0, out.ravel(), 0) for f, out in zip(found[-1], outputs(layer, xs), strict=True)]
        )
    moves = found[0] == found[1] and all(map(np.array_equal, *constants))
    assert layer.moves <= moves
    if moves:
        assert layer.moves or sample.name in MOVED_BY_CHANCE


# With these numbers or options they change nothing, others of their kind do; or what they return is of no input.
MOVED_BY_CHANCE = {
    "Add-one", "Affine-number", "Clip-3", "Compare-equal", "Compare-not_equal", "Compare-signals", "Constant-number",
    "Constant-token", "LogSumExp-one", "MaxPool-window-in-padding", "SoftMin-one", "Where-broadcast", "Where-masks",
}  # fmt: skip


@battery
def test_a_layer_that_says_so_keeps_channels(sample: Sample) -> None:
    """Each of the output's channels has the values of one channel of the input, in their order, or constants."""
    layer = sample.layer()
    if not layer.keeps_channels:
        return
    assert layer.moves
    (x,) = sample.inputs(2)
    axis = layer.axes[1] if isinstance(layer, layers.Transpose) else 1
    size = x.shape[axis]
    told = np.broadcast_to(np.arange(size).reshape([-1 if k == axis else 1 for k in range(x.ndim)]) + 100.0, x.shape)
    (out,) = outputs(layer, (told,))
    assert out.shape[1] == size
    for k in range(size):
        assert set(out[:, k].flat) - {100.0 + k} <= {float(v) for v in np.ravel(getattr(layer, "value", ()))}


# Silence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sample", "asked"),
    [
        ("kinks", "ReLU-0", test_an_activation_says_where_its_derivative_jumps),
        ("kinks", "Clip-0", test_an_activation_says_where_its_derivative_jumps),
        ("compared", "MaxPool-1d", test_a_layer_that_takes_the_largest_says_what_it_compares),
        ("compared", "SoftMin-hard", test_a_layer_that_takes_the_largest_says_what_it_compares),
        ("compared", "GlobalMaxPool-share", test_a_layer_that_takes_the_largest_says_what_it_compares),
        ("moves", "Slice-one", test_a_layer_that_only_moves_values_says_so),
        ("moves", "Identity-0", test_a_layer_that_only_moves_values_says_so),
    ],
)
def test_silence_is_noticed(name: str, sample: str, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = BY_NAME[sample]
    asked(one)
    monkeypatch.setattr(type(one.layer()), name, getattr(Layer, name), raising=False)
    with pytest.raises(AssertionError):
        asked(one)


@pytest.mark.parametrize("sample", ["Dense-no-bias", "Conv-2d", "ConvTranspose-1d", "SquaredDistance-full"])
def test_silence_about_products_is_noticed(sample: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(BY_NAME[sample].layer()), "products", Layer.products)
    with pytest.raises(AssertionError), monkeypatch.context() as inner:
        test_a_layer_whose_weights_are_multiplied_with_columns_says_so(BY_NAME[sample], inner)


def test_silence_about_steps_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers.LSTM, "recurrent", False)
    with pytest.raises(AssertionError), monkeypatch.context() as inner:
        test_a_layer_whose_weights_are_multiplied_with_columns_says_so(BY_NAME["LSTM-sequence"], inner)


@pytest.mark.parametrize(("kind", "sample"), [(layers.ReLU, "ReLU-0"), (layers.MaxPool, "MaxPool-1d")])
def test_who_says_that_it_moves_values_and_does_not_is_noticed(
    kind: type[Layer], sample: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "moves", True)
    with pytest.raises(AssertionError):
        test_a_layer_that_only_moves_values_says_so(BY_NAME[sample])


def test_who_says_that_it_keeps_channels_and_does_not_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers.Flatten, "keeps_channels", True)
    with pytest.raises(AssertionError):
        test_a_layer_that_says_so_keeps_channels(BY_NAME["Flatten-all"])
