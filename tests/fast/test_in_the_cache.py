"""What is done to parts of an array while they are in the cache: the same as to the whole afterwards, and once."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from convolutions import GEOMETRIES, Geometry
from exact_numbers import F, exact
from readied import known, ready
from strict import STRICT

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.errors import NonFiniteError, ShapeError
from lrp_ref.fast import blocks, threads
from lrp_ref.fast import convolution as kernels
from lrp_ref.layers.promises import Promises
from lrp_ref.network import Input, Network, Node
from lrp_ref.propagation import prepare, workload
from lrp_ref.rules.prepared import PreparedRule
from lrp_ref.rules.rule import Rule
from lrp_ref.rules.share import share

# Convolutions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda g: g.name)
@pytest.mark.parametrize("strip", [1, 500, 2600, 1 << 21])
@pytest.mark.parametrize("summands", [1, 10**6])
def test_every_part_of_a_convolution_is_finished_once(
    geometry: Geometry, strip: int, summands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Channel by channel and all at once, in strips of a row and of everything: 1 − 2z, and each z seen once."""
    monkeypatch.setattr(kernels, "STRIP_BYTES", strip)
    monkeypatch.setattr(kernels, "SUMMANDS", summands)
    x, w, b, _ = geometry.draw()
    z, seen = geometry.convolved(x, w, b), []

    def finish(part: Any) -> None:
        seen.extend(part.ravel().tolist())
        part *= -2
        part += 1

    found = kernels.convolve(x, w, geometry.lies, np, kernels.Ending(b, finish))
    assert np.array_equal(found, 1 - 2 * z)
    assert sorted(seen) == sorted(z.ravel().tolist())


@pytest.mark.parametrize("bias", [None, np.array([1.0, -2.0]), np.arange(8.0).reshape(2, 4)], ids=["no", "one", "each"])
@pytest.mark.parametrize("kind", [layers.Conv, layers.ConvTranspose, layers.Dense])
def test_layers_finish_what_has_its_bias(kind: Any, bias: Any) -> None:
    weight = np.array([[[1.0], [3.0]], [[-2.0], [1.0]]])
    x = np.arange(8.0).reshape(1, 2, 4)
    if kind is layers.Dense:
        layer, x = layers.Dense(weight[..., 0], None if bias is None else bias.ravel()[:2]), x[:, :, 0]
    elif kind is layers.ConvTranspose and bias is not None and bias.ndim > 1:
        layer = kind(weight, bias[:, 0])
    else:
        layer = kind(weight, bias)
    expected, seen = layer.forward(x), []

    def finish(part: Any) -> None:
        seen.extend(part.ravel().tolist())
        part += 100

    assert np.array_equal(layer.forward_then(finish, x), expected + 100)
    assert sorted(seen) == sorted(expected.ravel().tolist())


@pytest.mark.parametrize(("inner", "parts"), [(1, [1]), (2, [1, 1]), (3, [2, 1]), (7, [4, 3])])
def test_the_channels_of_a_small_map_are_two_parts(inner: int, parts: list[int]) -> None:
    """Small is what is one strip; else all pieces are added up one after another."""
    pieces = [slice(k, k + 1) for k in range(inner)]
    found = kernels._parts(pieces, kernels.STRIP_BYTES)
    assert [len(part) for part in found] == parts
    assert [p for part in found for p in part] == pieces
    assert kernels._parts(pieces, kernels.STRIP_BYTES + 1) == [pieces]


def test_the_bytes_of_one_sample_decide_about_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Per position the windows of one piece, the sum and its next part, in all samples alike."""
    asked, whole = [], kernels._parts
    monkeypatch.setattr(kernels, "_parts", lambda pieces, size: asked.append(size) or whole(pieces, size))
    monkeypatch.setattr(kernels, "SUMMANDS", 18)
    geometry = kernels.Geometry((1, 1), ((0, 0),) * 2, (1, 1), groups=2)
    for dtype in (np.float32, np.float64):
        for n in (1, 3):
            x, weight = np.ones((n, 10, 6, 7), dtype), np.ones((4, 5, 3, 3), dtype)
            assert (kernels.convolve(x, weight, geometry, np) == 45).all()
            assert asked.pop() == (2 * 2 * 9 + 2 * 4) * 4 * 5 * np.dtype(dtype).itemsize


# A reader that writes over what it reads ------------------------------------------------------------------------


def chain(*chained: Any) -> Network:
    names = [f"n{k}" for k in range(len(chained))]
    nodes = tuple(Node(n, layer, (before,)) for n, layer, before in zip(names, chained, ["x", *names], strict=False))
    return Network(nodes, (Input("x", None),), (names[-1],))


WEIGHT = np.array([[[1.0], [-1.0]], [[-2.0], [1.0]], [[1.0], [1.0]]])
X = np.arange(8.0).reshape(1, 2, 4) - 3


def test_a_relu_is_done_with_the_convolution_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither runs on its own; who keeps z gets z."""
    net = chain(layers.Conv(WEIGHT), layers.ReLU(), layers.GlobalAveragePool())
    z = layers.Conv(WEIGHT).forward(X)
    calls: list[str] = []
    for kind in (layers.Conv, layers.ReLU):
        run = kind.forward
        monkeypatch.setattr(kind, "forward", lambda self, *xs, run=run: calls.append("forward") or run(self, *xs))
    values = net.values({"x": X}, keep=lambda name: name == "n1")
    assert calls == []
    assert np.array_equal(values["n1"], np.maximum(z, 0))
    assert "n0" not in values
    values = net.values({"x": X}, keep=lambda name: True)
    assert np.array_equal(values["n0"], z)
    assert np.array_equal(values["n1"], np.maximum(z, 0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_before_the_relu_is_named(bad: float) -> None:
    """A ReLU makes −∞ a 0, but the convolution is named with the place."""
    net = chain(layers.Conv(WEIGHT, np.array([0.0, bad, 0.0])), layers.ReLU(), layers.GlobalAveragePool())
    with pytest.raises(NonFiniteError, match=rf"n0.*the output has 4 values .* the first is {bad} at \(0, 1, 0\)"):
        net.forward(X)
    assert np.isfinite(net.values({"x": X}, keep=lambda name: False, check=False)["n2"][0, [0, 2]]).all()


def test_a_sum_that_overflows_is_no_error() -> None:
    largest = np.finfo(np.float32).max
    net = chain(layers.Conv(np.ones((3, 1, 1), np.float32)), layers.ReLU())
    x = np.full((1, 1, 4), largest, np.float32)
    assert (net.values({"x": x}, keep=lambda name: False)["n1"] == largest).all()


def test_exact_numbers_and_other_modules_are_written_over_where_they_can_be() -> None:
    net = chain(layers.Conv(WEIGHT), layers.ReLU())
    expected = np.maximum(layers.Conv(WEIGHT).forward(X), 0)
    rational = lrp.arithmetic.rational(net)
    assert np.array_equal(rational.forward(lrp.arithmetic.rational(X)), expected)
    assert np.array_equal(net.map_arrays(STRICT.asarray).forward(STRICT.asarray(X)).get(), expected)
    assert np.array_equal(net.forward(X[:0]), expected[:0])


def made_over() -> Any:
    """Return layers that were made from others by a forward pass of their own."""

    class Shifted(layers.Conv):
        def forward(self, *xs: Any) -> Any:
            return super().forward(*xs) - 10

    class Threshold(layers.ReLU):
        """x where it is above -3, else -3."""

        def forward(self, *xs: Any) -> Any:
            return np.maximum(xs[0], -3)

    class Same(layers.ReLU):
        def forward(self, *xs: Any) -> Any:
            return super().forward(*xs) * 1

        def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
            return True

    class Mixed:
        def forward(self, *xs: Any) -> Any:
            return xs[0] - 10

    class Lowered(Mixed, layers.ReLU):
        pass

    class Reversed(layers.LSTM):
        def forward(self, *xs: Any) -> Any:
            return super().forward(*xs)[:, ::-1]

    return SimpleNamespace(**{kind.__name__: kind for kind in (Shifted, Threshold, Same, Lowered, Reversed)})


def test_a_layer_with_a_forward_pass_of_its_own_is_asked_for_it() -> None:
    """Nothing that was said of the layer it was made from stands in for it: neither strips nor writing over."""
    own, z = made_over(), layers.Conv(WEIGHT).forward(X)
    assert (z < -3).any()
    assert ((z > -3) & (z < 0)).any()
    for kind, act, expected in (
        (own.Shifted, layers.ReLU, np.maximum(z - 10, 0)),
        (layers.Conv, own.Threshold, np.maximum(z, -3)),
        (own.Shifted, own.Threshold, np.maximum(z - 10, -3)),
        (layers.Conv, own.Lowered, z - 10),
        (layers.Conv, own.Same, np.maximum(z, 0)),
    ):
        net = chain(kind(WEIGHT), act())
        assert np.array_equal(net.values({"x": X}, keep=lambda name: False)["n1"], expected)


def test_what_holds_for_a_kind_of_layer_holds_for_those_that_only_complete_it() -> None:
    class Doubled(layers.base.Route):
        def forward(self, *xs: Any) -> Any:
            return 2 * xs[0]

    class Renamed(layers.ReLU):
        pass

    assert Doubled.promises.tells_sign
    assert Doubled().nonnegative((True,))
    assert not Doubled().nonnegative((False,))
    assert Renamed.promises.writes_over
    assert Renamed.promises.stays_finite
    assert Renamed.promises.tells_sign
    assert Renamed().nonnegative((False,))


def test_a_layer_with_a_forward_pass_of_its_own_says_again_what_holds() -> None:
    own = made_over()
    for kind in (own.Threshold, own.Lowered):
        assert not kind.promises.writes_over
        assert not kind.promises.stays_finite
        assert not kind.promises.tells_sign
    assert own.Same.promises == Promises()
    assert not own.Same.promises.writes_over
    assert not own.Shifted.promises.makes_new
    rng = np.random.default_rng(10)
    lstm = own.Reversed(rng.standard_normal((1, 4, 2, 3)), rng.standard_normal((1, 4, 2, 2)), np.ones((1, 4, 2)))
    x = rng.standard_normal((2, 5, 3))
    assert not own.Reversed.promises.leaves_tape
    reversed_net = chain(lstm)
    assert np.array_equal(reversed_net.values({"x": x}, tapes={})["n0"], lstm.forward(x))


def test_layers_that_do_not_write_over_say_so() -> None:
    assert not layers.Identity.promises.writes_over
    with pytest.raises(NotImplementedError):
        layers.Identity().forward_over(X)


# Constants in denominators --------------------------------------------------------------------------------------

BOX = rules.ZBox(F(-4), F(5))


def test_what_constants_add_to_a_denominator_is_made_once() -> None:
    layer, x, r = layers.Dense(exact([1, -2], [3, 1]), exact(1, 2)), exact([1, -2], [4, 3]), exact([5, 7], [-2, 1])
    made = PreparedRule(layer, BOX).with_constants((x[:1],)).constants
    (total,) = made.values()
    assert total.tolist() == [[-(1 + 3) * -4 - 0, -(0 + 1) * -4 - -2 * 5]], "−l w⁺ − h w⁻"
    expected = share(layer, (x,), r, BOX)
    for more in ({"constants": made}, {"constants": {}}, {"constants": made, "z": layer.forward(x)}):
        found = share(layer, (x,), r, BOX, known(layer, BOX, **more))
        for name in ("bias", "stabiliser", "dropped"):
            assert getattr(found, name).tolist() == getattr(expected, name).tolist()
        assert found.relevances[0].tolist() == expected.relevances[0].tolist()
    wrong = dict.fromkeys(made, total + 1)
    changed = share(layer, (x,), r, BOX, known(layer, BOX, constants=wrong)).relevances[0]
    assert changed.tolist() != expected.relevances[0].tolist()
    assert PreparedRule(layer, rules.ZPlus()).with_constants((x[:1],)).constants == {}
    (group,) = BOX.groups
    turned = Rule((replace(group, runs=group.runs[::-1]),))  # the constants first
    made = PreparedRule(layer, turned).with_constants((x[:1],)).constants
    found = share(layer, (x,), r, turned, known(layer, turned, constants=made))
    assert found.relevances[0].tolist() == expected.relevances[0].tolist()


def box_net() -> tuple[Network, Any]:
    rng = np.random.default_rng(6)
    net = Network.sequential([
        layers.Conv(rng.standard_normal((3, 2, 3)), rng.standard_normal(3)), layers.ReLU(), layers.Flatten(),
        layers.Dense(rng.standard_normal((12, 2)), rng.standard_normal(2)),
    ])  # fmt: skip
    return net, rng.uniform(-1, 1, (3, 2, 6))


def test_an_explanation_remembers_the_constants() -> None:
    net, x = box_net()
    composite = lrp.composites.get("epsilon_gamma_box", low=-1.0, high=1.0)
    first = lrp.explain(net, x, composite=composite, target=1)
    made = ready(net, {i.name: x for i in net.inputs}, composite)
    found = [step.ready.constants for step in made.steps if step.ready is not None]
    assert [len(c) for c in found if c] == [1], "only the layer at the input has bounds"
    (total,) = next(c for c in found if c).values()
    conv = net.nodes[0].layer
    low, high = np.full((1, 2, 6), -1.0), np.full((1, 2, 6), 1.0)
    positive, negative = np.maximum(conv.weight, 0), np.minimum(conv.weight, 0)
    expected = -layers.Conv(positive).forward(low) - layers.Conv(negative).forward(high)
    np.testing.assert_allclose(total, expected, rtol=1e-13)
    assert any(a is total for a in prepare.cached_arrays(made))
    # Without them: node by node with shapes that are not known at the door.
    behind = Network((Node("same", layers.Identity(), ("x",)), *(
        replace(n, inputs=tuple("same" if i == net.inputs[0].name else i for i in n.inputs)) for n in net.nodes
    )), (Input("x", None),), net.outputs)  # fmt: skip
    later = lrp.explain(behind, x, composite=composite, target=1, canonize=False)
    np.testing.assert_allclose(later.relevance, first.relevance, rtol=1e-12, atol=1e-15)


def test_bounds_that_do_not_fit_are_refused_with_the_node() -> None:
    net, x = box_net()
    composite = lrp.Composite([(layers.Conv, rules.ZBox(np.zeros(3), 1.0)), (layers.Dense, rules.Epsilon(1e-6))])
    with pytest.raises(ShapeError, match=rf"{net.nodes[0].name}.*does not fit inputs of shape"):
        lrp.explain(net, x, composite=composite, target=0)


# Sums on the way ------------------------------------------------------------------------------------------------

RULES = [rules.Epsilon(1e-3), rules.AlphaBeta(2, 1), rules.GeneralizedGamma(0.25), rules.ZBox(-2.0, 2.0)]


@pytest.mark.parametrize("rule", [*RULES, rules.Epsilon(1e-3, bias_share=1)], ids=repr)
@pytest.mark.parametrize("bytes_", [8, 100, 1 << 20])
def test_sums_that_were_formed_on_the_way_are_those_of_the_relevance(
    rule: Any, bytes_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", bytes_)
    rng = np.random.default_rng(7)
    layer, x = layers.Conv(rng.standard_normal((3, 2, 2)), rng.standard_normal(3)), rng.standard_normal((4, 2, 5))
    found = layer.redistribute(x, rng.standard_normal((4, 3, 4)), rule)
    (total,), (relevance,) = found.totals, found.relevances
    formed = bytes_ < x.nbytes and not isinstance(rule, rules.ZBox) and "bias_share=1" not in repr(rule)
    assert (total is not None) == formed
    if total is not None:
        np.testing.assert_allclose(total, relevance.sum(axis=(1, 2)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1"])
@pytest.mark.parametrize("count", [1, 3])
def test_threads_that_share_the_blocks_change_nothing(
    composite: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(8)
    net = Network.sequential([
        layers.Conv(rng.standard_normal((5, 3, 3, 3)), rng.standard_normal(5), padding=1), layers.ReLU(),
        layers.MaxPool(2), layers.Conv(rng.standard_normal((4, 5, 3, 3)), rng.standard_normal(4), padding=1),
        layers.ReLU(), layers.MaxPool(3, stride=2, padding=1), layers.Flatten(),
        layers.Dense(rng.standard_normal((16, 3)), rng.standard_normal(3)),
    ])  # fmt: skip
    x = rng.uniform(-1, 1, (count, 3, 8, 8))
    bounds = {"low": -1.0, "high": 1.0} if composite == "epsilon_gamma_box" else {}
    chosen = lrp.composites.get(composite, **bounds)
    alone = lrp.explain(net, x, composite=chosen, target=1)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 256)
    monkeypatch.setattr(kernels, "SUMMANDS", 18)
    monkeypatch.setattr(kernels, "STRIP_BYTES", 4096)
    monkeypatch.setattr(kernels, "WINDOW_PRODUCTS", 0)
    monkeypatch.setattr(prepare.PreparedNetwork, "divided", lambda self, fed, whole: workload.Divided.SAMPLES)
    monkeypatch.setattr(threads._Team, "enter", divided_by_three)
    shared = lrp.explain(net, x, composite=chosen, target=1)
    np.testing.assert_allclose(shared.relevance, alone.relevance, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(shared.ledger.residual, 0, atol=1e-10)
    for row, other in zip(shared.ledger, alone.ledger, strict=True):
        for name in ("bias", "stabiliser", "dropped"):
            np.testing.assert_allclose(getattr(row, name), getattr(other, name), rtol=1e-9, atol=1e-12)


def divided_by_three(self: Any, *, several: bool, enter: Any = threads._Team.enter) -> int:
    """Work with three threads, however many the BLAS has."""
    from concurrent.futures import ThreadPoolExecutor

    enter(self, several=several)
    if self.pool is None:
        self.pool = ThreadPoolExecutor(threads.MOST - 1)
    self.members = 3
    return 3


# Edited layers that are kept ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "kept"), [(None, [4, 2, 0]), (700, [2, 0, 0]), (0, [0, 0, 0])])
def test_edited_layers_take_no_more_than_three_quarters_of_those_they_come_from(
    most: int | None, kept: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """αβ needs four edits where inputs have both signs, else two; one of the large last layer would be too much."""
    rng = np.random.default_rng(9)
    shapes = [(4, 8), (8, 4), (4, 200)]  # with their biases 320, 288 and 8000 bytes
    net = chain(*(
        part for shape in shapes
        for part in (layers.Dense(rng.standard_normal(shape), rng.standard_normal(shape[1])), layers.ReLU())
    ))  # fmt: skip
    if most is not None:
        monkeypatch.setattr(prepare, "CACHED_BYTES", most)
    x = rng.standard_normal((2, 4))
    plan = rules.AlphaBeta(2, 1)
    made = ready(net, {"x": x}, plan, canonize=False)
    assert [len(step.ready.edited) for step in made.steps[::2] if step.ready] == kept
    found = lrp.explain(net, x, composite=plan, target=0).relevance
    monkeypatch.setattr(prepare, "CACHED_BYTES", 1 << 40)
    monkeypatch.setattr(prepare, "EDITED_PART", 100)
    afresh = net.map_arrays(lambda a: a.copy())
    again = ready(afresh, {"x": x}, plan, canonize=False)
    assert [len(step.ready.edited) for step in again.steps[::2] if step.ready] == [4, 2, 2]
    whole = lrp.explain(afresh, x, composite=plan, target=0).relevance
    np.testing.assert_allclose(found, whole, rtol=1e-12)
