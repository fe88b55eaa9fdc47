"""Sums, products and concatenations of signals, by their formulas in rationals: what every operand receives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exact_numbers import EDITED, F, exact

from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Add, Concat, MatMul, Multiply
from lrp_ref.rules import AlphaBeta, Epsilon, Flat, Gamma, Product
from lrp_ref.rules.edits import ZERO
from lrp_ref.rules.share import Given

XS = (exact([2, -3, 0], [1, 5, -4]), exact([-1, 4, 6], [7, "1/2", 3]), exact([3, 0, -2], ["1/3", -6, 8]))
G = exact([1, -2, 3], ["1/4", 5, -6])
WEIGHTS = [(1, 1, 1), (2, 3, -1), (F(1, 2), 0, 1), (1, -1, 2), (-2, 1, F(3, 2)), (0, 0, 0)]


def total(coefficients: Any, k: tuple[int, int]) -> F:
    return sum((c * x[k] for c, x in zip(coefficients, XS, strict=True)), F(0))


# Sums ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
def test_a_weighted_sum_and_its_transpose(weights: tuple[Any, ...]) -> None:
    layer = Add(weights)
    y, back = layer.forward(*XS), layer.vjp(XS, G)
    for k in np.ndindex(2, 3):
        assert y[k] == total(weights, k)
        assert [part[k] for part in back] == [c * G[k] for c in weights]


@pytest.mark.parametrize("weights", [(), *WEIGHTS], ids=str)
def test_lrp0_on_a_sum(weights: tuple[Any, ...]) -> None:
    """R_k = c_k x_k / y · R; where y = 0 the relevance is dropped."""
    cs = weights or (1, 1, 1)
    told = Add(weights).redistribute(XS, G)
    for k in np.ndindex(2, 3):
        y = total(cs, k)
        expected = [c * x[k] / y * G[k] if y else 0 for c, x in zip(cs, XS, strict=True)]
        assert [part[k] for part in told.relevances] == expected
    assert told.dropped.tolist() == [sum(G[n, j] for j in range(3) if total(cs, (n, j)) == 0) for n in range(2)]


@pytest.mark.parametrize(("edit", "changed"), EDITED, ids=lambda e: getattr(e, "name", ""))
@pytest.mark.parametrize("weights", [(), *WEIGHTS], ids=str)
def test_a_sum_with_edited_coefficients(weights: tuple[Any, ...], edit: Any, changed: Any) -> None:
    cs = [changed(c) for c in weights or (1, 1, 1)]
    layer = Add(weights).edited(edit, ZERO)
    y, back = layer.forward(*XS), layer.vjp(XS, G)
    for k in np.ndindex(2, 3):
        assert y[k] == total(cs, k)
        assert [part[k] for part in back] == [c * G[k] for c in cs]
    if not weights:
        assert layer.forward(XS[0], XS[1])[0, 1] == cs[0] * (XS[0][0, 1] + XS[1][0, 1]), "of any number of operands"


def by_sign(v: F, values: list[F]) -> F:
    """αβ(2, 1): twice among the positive operands, minus once among the negative ones."""
    same = sum(w for w in values if w * v > 0)
    return (2 if v > 0 else -1) * v / same if same else F(0)


def damped(v: F, values: list[F]) -> F:
    return v / (sum(values) + F(1, 8) * (1 if sum(values) >= 0 else -1))


@pytest.mark.parametrize(
    ("rule", "share"),
    [
        (Epsilon(F(1, 8)), damped),
        (Gamma(F(1, 2)), lambda v, values: v / sum(values) if sum(values) else F(0)),
        (AlphaBeta(2, 1), by_sign),
        (Flat(), lambda v, values: F(1, 3)),
    ],
    ids=["ε", "γ", "αβ", "flat"],
)
def test_rules_on_a_plain_sum(rule: Any, share: Any) -> None:
    told = Add().relevance_backward(XS, G, rule)
    for k in np.ndindex(2, 3):
        values = [x[k] for x in XS]
        assert [part[k] for part in told] == [share(v, values) * G[k] for v in values]


def test_operands_that_broadcast() -> None:
    """The gradient of a repeated operand is summed over its copies."""
    row, block = exact([[2], [3]]), exact([[1, -2], [4, 5]], [[0, 7], [6, 8]])
    small = row.reshape(2, 1, 1)
    g = exact([[1, 2], [3, 4]], [[5, 6], [7, 8]])
    assert np.array_equal(Add((3, 1)).forward(small, block), 3 * small + block)
    back = Add((3, 1)).vjp((small, block), g)
    assert back[0].tolist() == [[[30]], [[78]]]
    assert np.array_equal(back[1], g)
    one, other = Multiply().vjp((small, block), g)
    assert one.tolist() == [[[1 - 4 + 12 + 20]], [[0 + 42 + 42 + 64]]]
    assert np.array_equal(other, g * small)
    halves = Multiply().relevance_backward((small, block), g)
    assert halves[0].tolist() == [[[5]], [[13]]]
    assert np.array_equal(halves[1], g / 2)


def test_an_operand_of_one_sample_goes_with_all() -> None:
    one, many = exact([2, 3]), exact([1, -2], [4, 5], [0, 7])
    g = exact([1, 2], [3, 4], [5, 6])
    for xs in ((one, many), (many, one)):
        back = dict(zip(map(len, xs), Add().vjp(xs, g), strict=True))
        assert back[1].tolist() == [[9, 12]]
        assert back[3].tolist() == g.tolist()
        assert Add().vjp(tuple(x[:1] for x in xs), g[:1])[0].tolist() == [[1, 2]]
        for wrong in (g[:1], g[:2]):
            with pytest.raises(ShapeError, match=r"Add: the output has shape \(3, 2\), its gradient has shape"):
                Add().vjp(xs, wrong)
    assert [a.shape for a in Add().vjp((one, many[:0]), g[:0])] == [(1, 2), (0, 2)]


@pytest.mark.parametrize(("weights", "operands"), [((1,), 2), ((1, 2), 3), ((1, 2), 1), ((1, 2, 3), 2)])
def test_a_coefficient_for_every_operand(weights: tuple[int, ...], operands: int) -> None:
    with pytest.raises(ShapeError, match=f"{len(weights)} coefficients for {operands} operands"):
        Add(weights).forward(*XS[:operands])
    with pytest.raises(ShapeError, match="coefficients"):
        Add(weights).vjp(XS[:operands], G)


# Products ------------------------------------------------------------------------------------------------------

A = exact([2, -3, 0, 4], [1, -1, 5, 0])
B = exact([-1, 3, 6, 4], [7, 1, -2, 0])
R = exact([3, 5, -7, "1/2"], [-1, 2, 4, 9])


def halves(a: F, b: F) -> tuple[F, F]:
    return F(1, 2), F(1, 2)


def proportions(a: F, b: F) -> tuple[F, F]:
    return (a / (a + b), b / (a + b)) if a + b else (F(0), F(0))


def sizes(a: F, b: F) -> tuple[F, F]:
    return proportions(abs(a), abs(b))


PRODUCTS = [
    (None, None, halves),
    (0, None, lambda a, b: (0, 1)),
    (1, None, lambda a, b: (1, 0)),
    (0, Product("signal"), lambda a, b: (0, 1)),
    (1, Product("signal"), lambda a, b: (1, 0)),
    *((gate, Product("half"), halves) for gate in (None, 0, 1)),
    *((gate, Product("prop"), proportions) for gate in (None, 0, 1)),
    *((gate, Product("abs"), sizes) for gate in (None, 0, 1)),
]


@pytest.mark.parametrize(("gate", "rule", "shares"), PRODUCTS, ids=lambda v: repr(v) if not callable(v) else "")
def test_product_rules(gate: int | None, rule: Any, shares: Any) -> None:
    """The table of Multiply's docstring, operand by operand; where x_0 + x_1 (or their sizes) is 0, R is dropped."""
    layer = Multiply(gate)
    for z in (None, A * B):
        told = layer.redistribute((A, B), R, rule, given=Given(z=z))
        for k in np.ndindex(2, 4):
            one, other = shares(A[k], B[k])
            assert (told.relevances[0][k], told.relevances[1][k]) == (one * R[k], other * R[k])
        kept = [sum(sum(shares(A[n, j], B[n, j])) * R[n, j] for j in range(4)) for n in range(2)]
        assert told.dropped.tolist() == [sum(R[n]) - kept[n] for n in range(2)]
        assert not told.bias.any()
        assert not told.stabiliser.any()


def test_a_product_and_its_transpose() -> None:
    assert np.array_equal(Multiply().forward(A, B), A * B)
    one, other = Multiply().vjp((A, B), R)
    assert np.array_equal(one, R * B)
    assert np.array_equal(other, R * A)


@pytest.mark.parametrize("gate", [-1, 2, 3, 1.0, True, "1"])
def test_a_gate_is_one_of_two(gate: Any) -> None:
    for make in (Multiply, MatMul, lambda gate: Product("signal", gate=gate)):
        with pytest.raises(ParameterError, match=rf"gate must be 0, 1 or None, got {gate!r}"):
            make(gate)


def test_what_a_product_refuses() -> None:
    with pytest.raises(ParameterError, match="needs a declared gate"):
        Multiply().relevance_backward((A, B), R, Product("signal"))
    with pytest.raises(UnsupportedError, match="is not a rule for Multiply"):
        Multiply().relevance_backward((A, B), R, Epsilon(1))
    for z in (None, A * B):
        with pytest.raises(ShapeError, match="the output has shape"):
            Multiply().redistribute((A, B), R[:, :3], given=Given(z=z))


@pytest.mark.parametrize("layer", [Multiply(), Multiply(0), Add(), Add((1, 2)), Concat()], ids=repr)
def test_a_known_output_is_not_computed_again(layer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    z, calls = layer.forward(A, B), []
    real = type(layer).forward
    monkeypatch.setattr(type(layer), "forward", lambda self, *xs: calls.append(len(xs)) or real(self, *xs))
    r = np.ones(z.shape, dtype=object)
    layer.redistribute((A, B), r, given=Given(z=z))
    assert calls == []
    layer.redistribute((A, B), r)
    assert calls == [2]


# Concatenation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [1, 2, -1, -2])
def test_every_part_goes_back_to_its_operand(axis: int) -> None:
    rng, there = np.random.default_rng(axis + 5), axis % 3
    shapes = [[2, 3, 4] for _ in range(3)]
    for shape, size in zip(shapes, (2, 1, 3), strict=True):
        shape[there] = size
    xs = tuple(rng.normal(size=shape) for shape in shapes)
    layer = Concat(axis)
    whole = layer.forward(*xs)
    assert np.array_equal(whole, np.concatenate(xs, axis=there))
    for back in (layer.vjp(xs, whole), layer.relevance_backward(xs, whole)):
        assert len(back) == 3
        assert all(np.array_equal(a, b) for a, b in zip(back, xs, strict=True))


def test_one_operand_is_its_own_concatenation() -> None:
    assert np.array_equal(Concat().forward(A), A)
    assert np.array_equal(Concat().vjp((A,), R)[0], R)
    with pytest.raises(ShapeError, match="takes at least 1 inputs, got 0"):
        Concat().vjp((), R)


def test_the_axis_is_one_of_the_first_operand() -> None:
    flat, deep = np.ones((1, 2)), np.ones((1, 2, 3))
    for axis in (2, -2):
        with pytest.raises(ShapeError, match=rf"axis {axis} of shape \(1, 2\) is the batch, or does not exist"):
            Concat(axis).forward(flat, deep)
    with pytest.raises(ShapeError, match="differ outside axis 1"):
        Concat(-1).forward(flat, deep)
    with pytest.raises(ShapeError, match="differ outside axis 2"):
        Concat(-1).forward(deep, flat)
