"""What the kinds of layer do and refuse before any number is computed; dense and affine layers at their borders."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from checks import outputs
from exact_numbers import exact

from lrp_ref import rules
from lrp_ref.errors import BackendError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import (
    LSTM,
    Add,
    Affine,
    Concat,
    Conv,
    Dense,
    Flatten,
    LeakyReLU,
    Multiply,
    Power,
    ReLU,
    Slice,
    Split,
    SumPool,
)
from lrp_ref.layers.base import Elementwise, Layer, Linear, Route, Unweighted, pull_broadcast
from lrp_ref.rules import Universal, edits
from lrp_ref.rules.rule import Redistribution
from lrp_ref.rules.share import Given

X = np.array([[1.0, -2.0, 3.0, 0.5], [2.0, 0.0, -1.0, 4.0]])
R = np.array([[1.0, 2.0, -4.0, 8.0], [3.0, 5.0, 7.0, -9.0]])

# one layer of each kind with one output, its rule, and the relevance of X when R arrives
SINGLE: list[tuple[Layer, Any]] = [
    (ReLU(), None), (Flatten(), None), (Dense(np.eye(4)), rules.LRP0()), (Affine(np.full(4, 2.0)), rules.LRP0()),
]  # fmt: skip


# Numbers of operands and of relevances -------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "rule"), SINGLE, ids=lambda v: repr(v))
def test_one_operand_comes_alone_or_as_a_tuple(layer: Layer, rule: Any) -> None:
    dead = X == 0 if isinstance(layer, Linear) else np.zeros(X.shape, bool)
    alone, whole = layer.relevance_backward(X, R, rule), layer.relevance_backward((X,), (R,), rule)
    assert isinstance(whole, tuple)
    assert len(whole) == 1
    assert np.array_equal(alone, np.where(dead, 0.0, R))
    assert np.array_equal(alone, whole[0])
    derivative = layer.vjp((X,), R)
    assert isinstance(derivative, tuple)
    assert np.array_equal(layer.vjp(X, R), derivative[0])


@pytest.mark.parametrize(("layer", "rule"), SINGLE, ids=lambda v: repr(v))
def test_one_output_has_one_relevance(layer: Layer, rule: Any) -> None:
    for wrong in ((), (R, R), (R, R, R)):
        with pytest.raises(ShapeError, match=f"outputs is 1, that of their relevances {len(wrong)}"):
            layer.redistribute((X,), wrong, rule)


def test_several_outputs_have_as_many_relevances() -> None:
    layer = Split((1, 3))
    parts = layer.forward(X)
    assert np.array_equal(layer.relevance_backward(X, tuple(parts)), X)
    for wrong in (parts[:1], (*parts, parts[0])):
        with pytest.raises(ShapeError, match="outputs is 2"):
            layer.relevance_backward(X, wrong)


@pytest.mark.parametrize("layer", [layer for layer, _ in SINGLE], ids=repr)
@pytest.mark.parametrize("rule", [rules.Pass(), rules.Zero(), rules.Gradient()], ids=repr)
def test_a_rule_for_every_layer_asks_for_the_outputs_shape(layer: Layer, rule: Any) -> None:
    assert layer.relevance_backward(X, R, rule).shape == X.shape
    for shape in ((2, 5), (2, 3), (1, 4), (3, 4), (2, 4, 1), (4,)):
        with pytest.raises(
            ShapeError, match=rf"output has shape \(2, 4\), its relevance has shape {re.escape(str(shape))}"
        ):
            layer.relevance_backward(X, np.ones(shape), rule)
    for wrong in ((), (R, R)):
        with pytest.raises(ShapeError, match=f"outputs is 1, that of their relevances {len(wrong)}"):
            layer.relevance_backward((X,), wrong, rule)


@pytest.mark.parametrize("layer", [layer for layer, _ in SINGLE], ids=repr)
@pytest.mark.parametrize("shape", [(2, 5), (2, 3), (1, 4), (3, 4), (2, 4, 1), (4,)])
def test_a_gradient_has_the_outputs_shape(layer: Layer, shape: tuple[int, ...]) -> None:
    """Neither larger nor smaller, nor one that would broadcast."""
    with pytest.raises(ShapeError, match=rf"output has shape \(2, 4\), its gradient has shape {re.escape(str(shape))}"):
        layer.vjp(X, np.ones(shape))


@pytest.mark.parametrize("layer", [layer for layer, _ in SINGLE], ids=repr)
def test_one_output_has_one_gradient(layer: Layer) -> None:
    assert np.array_equal(layer.vjp(X, (R,)), layer.vjp(X, R))
    for wrong in ((), (R, R)):
        with pytest.raises(ShapeError, match=f"outputs is 1, that of their gradients {len(wrong)}"):
            layer.vjp(X, wrong)


@pytest.mark.parametrize("spatial", [(5,), (3,), (4, 1), ()])
def test_a_gradient_on_another_map(spatial: tuple[int, ...]) -> None:
    layer = Conv(np.ones((3, 2, 2)))
    assert layer.vjp(np.ones((2, 2, 5)), np.ones((2, 3, 4))).shape == (2, 2, 5)
    with pytest.raises(ShapeError, match=r"Conv: the output has shape \(2, 3, 4\), its gradient has shape"):
        layer.vjp(np.ones((2, 2, 5)), np.ones((2, 3, *spatial)))


@pytest.mark.parametrize(("returns", "shapes"), [
    ("sequence", [(2, 5, 6)]), ("last", [(2, 6)]), ("all", [(2, 5, 6), (2, 2, 3), (2, 2, 3)]),
])  # fmt: skip
@pytest.mark.parametrize("steps", [5, 0])
def test_the_gradients_of_an_lstm(returns: str, shapes: list[tuple[int, ...]], steps: int) -> None:
    layer = LSTM(np.ones((2, 4, 3, 4)), np.ones((2, 4, 3, 3)), np.ones((2, 4, 3)), "bidirectional", returns)
    x = np.ones((2, steps, 4))
    fitting = [np.ones(tuple(steps if n == 5 else n for n in shape)) for shape in shapes]
    assert [g.shape for g in fitting] == [a.shape for a in outputs(layer.forward(x))]
    whole: Any = tuple(fitting) if returns == "all" else fitting[0]
    assert layer.vjp(x, whole).shape == x.shape
    for k, g in enumerate(fitting):
        wrong = [*fitting[:k], np.ones((*g.shape[:-1], g.shape[-1] + 1)), *fitting[k + 1 :]]
        with pytest.raises(ShapeError, match="LSTM: the output has shape"):
            layer.vjp(x, tuple(wrong))
    with pytest.raises(ShapeError, match=f"outputs is {len(shapes)}, that of their gradients {len(shapes) + 1}"):
        layer.vjp(x, (*fitting, fitting[0]))


def test_several_outputs_have_as_many_gradients() -> None:
    layer = Split((1, 3))
    parts = layer.forward(X)
    assert np.array_equal(layer.vjp(X, tuple(parts)), X)
    for wrong in (parts[:1], (*parts, parts[0])):
        with pytest.raises(ShapeError, match=f"outputs is 2, that of their gradients {len(wrong)}"):
            layer.vjp(X, wrong)
    with pytest.raises(ShapeError, match=r"the output has shape \(2, 1\), its gradient has shape \(2, 3\)"):
        layer.vjp(X, parts[::-1])


@pytest.mark.parametrize(("layer", "rule"), SINGLE, ids=lambda v: repr(v))
@pytest.mark.parametrize("shape", [(2, 5), (2, 3), (1, 4), (3, 4), (2, 4, 1), (4,)])
def test_a_relevance_has_the_outputs_shape(layer: Layer, rule: Any, shape: tuple[int, ...]) -> None:
    """Neither larger nor smaller, nor one that would broadcast."""
    with pytest.raises(ShapeError, match="its relevance has shape"):
        layer.relevance_backward(X, np.ones(shape), rule)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_layers_count_their_operands(count: int) -> None:
    xs = (X,) * count
    for layer, wanted in ((ReLU(), 1), (Flatten(), 1), (Dense(np.eye(4)), 1), (Multiply(), 2)):
        if count == wanted:
            assert len(layer.vjp(xs, R)) == count
            continue
        with pytest.raises(ShapeError, match=f"takes {wanted} inputs, got {count}"):
            layer.vjp(xs, R)
        with pytest.raises(ShapeError, match=f"takes {wanted} inputs, got {count}"):
            layer.redistribute(xs, R, rules.LRP0())
    if count:
        assert len(Add().vjp(xs, R)) == count
    else:
        for any_number in (Add(), Concat()):
            with pytest.raises(ShapeError, match="takes at least 1 inputs, got 0"):
                any_number.vjp(xs, R)


def test_arrays_of_two_libraries_are_refused() -> None:
    with pytest.raises(BackendError):
        ReLU().relevance_backward(X, R.tolist())


# Own rules -----------------------------------------------------------------------------------------------------


def test_what_a_layer_does_without_a_rule() -> None:
    assert np.array_equal(SumPool(2).relevance_backward(X[:, None], R[:, None, ::2]),
                          SumPool(2).relevance_backward(X[:, None], R[:, None, ::2], rules.LRP0()))  # fmt: skip
    for layer in (Dense(np.eye(4)), Affine(np.ones(4))):
        with pytest.raises(ParameterError, match="has no rule of its own"):
            layer.relevance_backward(X, R)
    for layer, words in (
        (ReLU(), "R_i = R_j"), (Flatten(), "relevance goes where the value came from"),
    ):  # fmt: skip
        with pytest.raises(
            UnsupportedError, match=f"is not a rule for {type(layer).__name__}: its own way is {words};"
        ):
            layer.relevance_backward(X, R, rules.LRP0())
    with pytest.raises(UnsupportedError, match="its own way is LRP-0: in proportion to the inputs;"):
        SumPool(2).relevance_backward(X[:, None], R[:, None, ::2], "LRP-0")
    with pytest.raises(UnsupportedError, match="'LRP-0' is not a rule for Dense: its own way is none;"):
        Dense(np.eye(4)).relevance_backward(X, R, "LRP-0")


def test_a_known_output_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for layer, rule in (*SINGLE[1:], (SumPool(1), None)):
        x, r = (X[:, None], R[:, None]) if isinstance(layer, SumPool) else (X, R)
        z, forward = layer.forward(x), type(layer).forward

        def counted(self: Any, *xs: Any, forward: Any = forward) -> Any:
            calls.append(type(self).__name__)
            return forward(self, *xs)

        monkeypatch.setattr(type(layer), "forward", counted)
        expected = layer.redistribute(x, r, rule).relevances[0]
        before = len(calls)
        assert before
        assert np.array_equal(layer.redistribute(x, r, rule, given=Given(z=z)).relevances[0], expected)
        assert len(calls) == before, "the output was given"
    # It is believed, too: a rule divides by what it is told.
    doubled = Dense(np.eye(4)).redistribute(X, R, rules.LRP0(), given=Given(z=2 * X))
    assert np.array_equal(doubled.relevances[0], np.where(X == 0, 0, R / 2))


def test_a_rule_for_every_layer_brings_its_own_way() -> None:
    class Half(Universal):
        def run(self, layer: Layer, xs: Any, relevances: Any) -> Redistribution:
            return Redistribution.routed(tuple(r / 2 for r in relevances), relevances[0])

    for layer, _ in SINGLE:
        assert np.array_equal(layer.relevance_backward(X, R, Half()), R / 2)


def test_the_parameters_of_a_rule_for_every_layer_are_shown() -> None:
    """Also those that have their default value, so that a report names what was done."""
    assert Universal.shows_defaults is True
    assert repr(rules.AllToOne(0)) == "AllToOne(index=0)"


@pytest.mark.parametrize("kind", [Layer, Linear, Unweighted, Elementwise, Route])
def test_bases_compute_nothing(kind: Any) -> None:
    base = kind()
    assert base.operands == 1
    with pytest.raises(NotImplementedError):
        base.forward(X)
    with pytest.raises(NotImplementedError):
        base.vjp(X, R)
    assert base.nonnegative((False,)) is False
    assert base.nonnegative((True,)) is (kind in (Unweighted, Route))
    if issubclass(kind, Linear):
        assert base.bias_map(X) is None
        assert (base.default() is None) == (kind is Linear)
        with pytest.raises(NotImplementedError):
            base.evenly()
    if kind is Layer:
        with pytest.raises(NotImplementedError):
            base._redistribute((X,), (R,), None, None)


def test_an_activation_hands_on_its_slope_times_g() -> None:
    x, g = np.array([[-2.0, 3.0]]), np.array([[5.0, 7.0]])
    assert LeakyReLU(0.25).vjp(x, g).tolist() == [[1.25, 7.0]]
    assert Power(3).vjp(x, g).tolist() == [[60.0, 189.0]]


def test_a_broadcast_operand_receives_the_sum() -> None:
    a, b = np.ones((2, 1)), np.ones((1, 3))
    g = np.arange(6.0).reshape(2, 3)
    found = pull_broadcast((a, b), (g, 10 * g))
    assert [f.tolist() for f in found] == [[[3.0], [12.0]], [[30.0, 50.0, 70.0]]]
    for gs in ((g,), (g, g, g)):
        with pytest.raises(ValueError, match="zip"):
            pull_broadcast((a, b), gs)


def test_cropped_values_receive_nothing() -> None:
    found = Slice((1,), (1,), (3,)).redistribute(X, R[:, :2])
    assert found.relevances[0].tolist() == [[0.0, 1.0, 2.0, 0.0], [0.0, 3.0, 5.0, 0.0]]
    assert found.dropped.tolist() == [0.0, 0.0]


# Dense -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (2,), (4,), (3, 1), (1, 3)])
def test_dense_biases_have_one_entry_per_output(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"bias must be \(3,\)"):
        Dense(np.ones((2, 3)), np.ones(shape))
    with pytest.raises(ShapeError, match=r"weight must be \(in, out\)"):
        Dense(np.ones((*shape, 2, 2) if len(shape) else ()))


def test_dense_inputs_end_in_the_features() -> None:
    layer = Dense(exact([1, 2, 3], [-1, 0, 5]), exact("1/2", 0, -1))
    x = exact([[1, 2], ["1/3", 0]], [[0, 0], [-1, 4]])
    expected = [[[Fraction(sum(Fraction(w) * v for w, v in zip(column, a, strict=True))) + b for column, b in zip(
        ((1, -1), (2, 0), (3, 5)), (Fraction(1, 2), 0, -1), strict=True)] for a in row] for row in x]  # fmt: skip
    assert layer.forward(x).tolist() == expected
    for wrong in ((2,), (2, 1), (2, 3), (2, 2, 3), (2, 2, 1)):
        with pytest.raises(ShapeError, match="does not end in 2 features"):
            layer.forward(np.full(wrong, Fraction(1), object))


# Affine ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (1,), (3, 1), (1, 4), (3, 4), (4,)])
def test_affine_parameters_are_per_channel_or_broadcast(shape: tuple[int, ...]) -> None:
    """One axis means the channels, also where it could be read as the last axis."""
    x, p = np.arange(24.0).reshape(2, 3, 4), np.arange(2.0, 2.0 + np.prod(shape)).reshape(shape)
    if shape == (4,):
        with pytest.raises(ShapeError, match="does not fit"):
            Affine(p).forward(x)
        assert np.array_equal(Affine(p, p).forward(x[:, 0]), x[:, 0] * p + p)
        return
    spread = p[:, None] if len(shape) == 1 else p
    assert np.array_equal(Affine(p).forward(x), x * spread)
    assert np.array_equal(Affine(shift=p).forward(x), x + spread)
    layer = Affine(p, -p)
    assert np.array_equal(layer.forward(x), x * spread - spread)
    assert np.array_equal(layer.vjp(x, x), x * spread)
    assert np.array_equal(np.broadcast_to(layer.bias_map(x), x.shape), np.broadcast_to(-spread, x.shape))
    assert np.array_equal(Affine(shift=p).vjp(x, x), x)


def test_affine_parameters_have_fewer_axes_than_a_batch() -> None:
    x = np.ones((1, 2, 3))
    for wrong in ((1, 2, 3), (1, 1, 2, 3)):
        for layer in (Affine(np.ones(wrong)), Affine(shift=np.ones(wrong))):
            with pytest.raises(ShapeError, match="more axes than a sample"):
                layer.forward(x)
    with pytest.raises(ShapeError, match="more axes than a sample"):
        Affine(np.ones(3)).forward(np.ones(3))


def test_affine_parameters_have_the_inputs_dtype() -> None:
    for layer in (Affine(np.ones(4)), Affine(shift=np.ones(4)), Affine(np.ones(4, np.float32), np.ones(4))):
        with pytest.raises(BackendError, match="float32"):
            layer.forward(X.astype(np.float32))


def test_a_number_scales_everything() -> None:
    layer = Affine(np.array(2.0), np.array(-1.0))
    assert layer.scale.shape == layer.shift.shape == (1,)
    assert layer.forward(X).tolist() == (2 * X - 1).tolist()
    assert Affine(shift=np.array(3.0)).forward(X[:, None]).tolist() == (X[:, None] + 3).tolist()


def test_larger_parameters_enlarge_the_output_and_the_transpose_sums() -> None:
    layer, x = Affine(np.array([[1.0, 2.0, 3.0]])), np.array([[[5.0]], [[7.0]]])
    assert layer.forward(x).tolist() == [[[5.0, 10.0, 15.0]], [[7.0, 14.0, 21.0]]]
    assert layer.vjp(x, np.ones((2, 1, 3))).tolist() == [[[6.0]], [[6.0]]]


def test_batch_norm_by_hand() -> None:
    """scale = γ/√(σ² + ε), shift = β − μ·scale, with numbers whose root is whole, and the dtype of γ."""
    given = [np.array(v, np.float32) for v in ([6.0, -1.0], [1.0, 2.0], [3.0, 4.0], [8.0, 3.0])]
    layer = Affine.batch_norm(*given, epsilon=1.0)
    assert layer.scale.tolist() == [2.0, -0.5]
    assert layer.shift.tolist() == [-5.0, 4.0]
    assert layer.scale.dtype == layer.shift.dtype == np.float32
    assert layer.batch_norm(*given, epsilon=1.0) == layer, "it belongs to the class, not to one layer"


@pytest.mark.parametrize("edit", ["KEEP", "POS", "NEG", "ZERO", "ONES", "SQUARE"])
@pytest.mark.parametrize("shape", [(1,), (3,), (1, 1), (3, 4)])
def test_a_missing_scale_is_edited_as_one(edit: str, shape: tuple[int, ...]) -> None:
    weights, factor = getattr(edits, edit), {"NEG": 0.0, "ZERO": 0.0}.get(edit, 1.0)
    x, shift = np.arange(1.0, 25.0).reshape(2, 3, 4), np.full(shape, 5.0)
    found = Affine(shift=shift).edited(weights, edits.SQUARE)
    assert np.array_equal(found.forward(x), factor * x + 25)
    assert np.array_equal(found.vjp(x, x), factor * x)
    assert Affine(np.full(shape, -2.0)).edited(weights, edits.SQUARE).shift is None
    scaled = Affine(np.full(shape, -2.0), shift).edited(edits.NEG, edits.ZERO)
    assert np.array_equal(scaled.forward(x), -2 * x)


def test_edits_take_weight_and_bias_apart() -> None:
    """Weight and bias of every layer that has them; a layer without a bias stays without."""
    w, b = np.array([[1.0, -2.0], [3.0, -4.0]]), np.array([-5.0, 6.0])
    for layer, weight in ((Dense(w, b), w), (Conv(w[:, :, None], b), w[:, :, None])):
        found = layer.edited(edits.POS, edits.NEG)
        assert np.array_equal(found.weight, np.maximum(weight, 0))
        assert found.bias.tolist() == [-5.0, 0.0]
        assert type(layer)(layer.weight).edited(edits.POS, edits.NEG).bias is None


def test_recurrent_layers_take_more_than_one_operand() -> None:
    layer = LSTM(np.ones((1, 4, 2, 3)), np.ones((1, 4, 2, 2)), np.zeros((1, 4, 2)))
    with pytest.raises(ShapeError, match="inputs"):
        layer.relevance_backward((), np.ones((1, 2)))
