"""What ``share`` does block by block, and which array takes the product: by the formula in rationals, and counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.errors import UndecidedError
from lrp_ref.fast import blocks
from lrp_ref.layers import Conv, Dense, Mean
from lrp_ref.network import Network
from lrp_ref.rules import edits
from lrp_ref.rules.rule import Group, Rule, Run
from lrp_ref.rules.share import share

A = [[F(2), F(-1), F(3)], [F(-1), F(4), F(1, 2)], [F(1), F(1), F(2)]]
W = [[F(1), F(-2), F(1), F(-1), F(3)], [F(3), F(1), F(1), F(1, 2), F(-4)], [F(-1, 3), F(5), F(-1), F(2), F(1, 4)]]
B = [F(1, 2), F(-7), F(0), F(1, 4), F(1, 2)]  # z of the third unit is -2, 5/2 and 0, that of the last 0 in the third
R = [[F(3), F(-5), F(2), F(1), F(-4)], [F(7), F(2), F(-1), F(4), F(5)], [F(-6), F(1), F(8), F(-3), F(9)]]
N, UNITS, INPUTS = 3, 5, 3
WHOLE = N * UNITS * 8  # bytes of the outputs in double precision

STABILISERS = {
    "exact": (edits.EXACT, lambda z: F(0)),
    "add": (edits.add(0.25), lambda z: F(1, 4) if z >= 0 else F(-1, 4)),
    "clip": (edits.clip(3.0), lambda z: max(z, F(3)) - z if z >= 0 else min(z, F(-3)) - z),
}
GATES: dict[Any, Any] = {None: lambda z: True, "positive": lambda z: z > 0, "negative": lambda z: z < 0}


def by_hand(groups: tuple[Group, ...], n: int) -> tuple[list[F], F, F, F]:
    """Relevances, bias, stabiliser and dropped of one sample by the formula, one unit at a time."""
    received, bias, stabiliser, dropped = [F(0)] * INPUTS, F(0), F(0), sum(R[n], F(0))
    for group in groups:
        delta, taken = F(group.bias_share), F(group.stabiliser_share)
        for j in range(UNITS):
            z = sum((A[n][i] * W[i][j] for i in range(INPUTS)), B[j])
            offset = STABILISERS[group.stabiliser.kind][1](z)
            if not GATES[group.gate](z) or z + offset == 0:
                continue
            mass = F(group.weight) * R[n][j]
            message = mass / (z + offset)
            dropped -= mass
            bias += (1 - delta) * message * B[j]
            stabiliser += (1 - taken) * message * offset
            for i in range(INPUTS):
                received[i] += message * (A[n][i] * W[i][j] + (delta * B[j] + taken * offset) / INPUTS)
    return received, bias, stabiliser, dropped


def check(groups: tuple[Group, ...]) -> None:
    layer, relevance = Dense(exact(*W).astype(float), exact(*B).astype(float)), exact(*R).astype(float)
    relevance.flags.writeable = False
    before = relevance.copy()
    found = share(layer, (exact(*A).astype(float),), relevance, Rule(groups))
    assert np.array_equal(relevance, before)
    assert found.bias.shape == found.stabiliser.shape == found.dropped.shape == (N,)
    for n in range(N):
        received, *columns = by_hand(groups, n)
        got = [*found.relevances[0][n], found.bias[n], found.stabiliser[n], found.dropped[n]]
        np.testing.assert_allclose(got, [float(v) for v in (*received, *columns)], rtol=1e-12, atol=1e-12)


@pytest.fixture(params=[8, 16, 39, 40, 80, WHOLE - 1, WHOLE, 4 * WHOLE], ids=lambda v: f"{v} bytes")
def block(request: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of one unit, of several, of one sample, of two, of all but the whole, and of more."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", request.param)
    return int(request.param)


@pytest.mark.parametrize("weights", [(1,), (2,), (0,), (-1,), (0.5,), (1, 1), (2, -1), (0.5, 1)])
@pytest.mark.parametrize("kind", STABILISERS)
@pytest.mark.usefixtures("block")
def test_groups_of_every_weight_and_stabiliser(kind: str, weights: tuple[float, ...]) -> None:
    check(tuple(Group((Run(),), weight=w, stabiliser=STABILISERS[kind][0]) for w in weights))


@pytest.mark.parametrize("gates", [("positive",), ("negative",), ("positive", "negative"), ("negative", None)])
@pytest.mark.parametrize("kind", STABILISERS)
@pytest.mark.usefixtures("block")
def test_gates_of_every_stabiliser(kind: str, gates: tuple[str | None, ...]) -> None:
    check(tuple(Group((Run(),), gate=gate, stabiliser=STABILISERS[kind][0]) for gate in gates))


@pytest.mark.parametrize("weight", [1, 2, -1, 0.5])
@pytest.mark.usefixtures("block")
def test_groups_of_every_unit_beside_groups_of_some(weight: float) -> None:
    """What every unit hands on whole, and what only those with an open gate or a denominator do, add up."""
    every, some = STABILISERS["add"][0], STABILISERS["exact"][0]
    check((
        Group((Run(),), weight=weight, stabiliser=every), Group((Run(),), weight=3, gate="positive", stabiliser=some),
        Group((Run(),), weight=0.25, stabiliser=every), Group((Run(),), weight=-2, gate="negative", stabiliser=every),
    ))  # fmt: skip


@pytest.mark.parametrize("shares", [(0.5, 0), (0, 0.5), (1, 1), (0, 1), (1, 0)])
@pytest.mark.parametrize("kind", STABILISERS)
@pytest.mark.usefixtures("block")
def test_shares_of_bias_and_stabiliser(kind: str, shares: tuple[float, float]) -> None:
    group = Group((Run(),), bias_share=shares[0], stabiliser_share=shares[1], stabiliser=STABILISERS[kind][0])
    check((group,))


# What is taken at once -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Watching(edits.Stabiliser):
    """A stabiliser that keeps a record of the denominators it saw."""

    seen: list[Any] = field(default_factory=list)

    def constant(self, z: Any) -> None:
        """It may differ."""

    def offset(self, z: Any) -> Any:
        self.seen.append(z)
        return super().offset(z)


def shapes(group_of: Any, layer: Any, xs: Any, kind: str = "add") -> list[tuple[int, ...]]:
    watching = Watching(kind, F(1, 4))
    share(layer, (xs,), layer.forward(xs), Rule((group_of(watching),)))
    return [z.shape for z in watching.seen]


def plain(stabiliser: edits.Stabiliser) -> Group:
    return Group((Run(),), stabiliser=stabiliser)


ROWS = {8: [1, 1, 1], 16: [1, 1, 1], 39: [1, 1, 1], 40: [1, 1, 1], 80: [2, 1], WHOLE - 1: [2, 1], WHOLE: [3]}
ROWS[4 * WHOLE] = ROWS[WHOLE]


def test_as_many_samples_at_a_time_as_fit_into_a_block(block: int) -> None:
    layer, a = Dense(exact(*W).astype(float), exact(*B).astype(float)), exact(*A).astype(float)
    expected = [(rows, UNITS) for rows in ROWS[block]]
    assert shapes(plain, layer, a) == shapes(plain, layer, a, "clip") == expected
    assert shapes(lambda s: Group((Run(),), bias_share=1, stabiliser=s), layer, a) == expected
    assert shapes(plain, layer, a[:, None]) == ([(N, 1, UNITS)] if block >= WHOLE else expected)


def test_channels_of_maps_are_rows(block: int) -> None:
    """Two samples of three channels with four positions each: a block holds whole channels."""
    layer, x = Conv(np.ones((3, 1, 1)), np.arange(3.0)), np.arange(1.0, 9.0).reshape(2, 1, 4)
    channels = {8: 1, 16: 1, 39: 1, 40: 1, 80: 2, WHOLE - 1: 3, WHOLE: 3}.get(block)
    expected = [(channels, 4)] * (6 // channels) if channels else [(2, 3, 4)]
    assert shapes(plain, layer, x) == expected


@pytest.mark.usefixtures("block")
def test_what_looks_at_whole_samples_is_not_taken_apart() -> None:
    layer, a = Dense(exact(*W).astype(float), exact(*B).astype(float)), exact(*A).astype(float)
    assert shapes(plain, layer, a, "relative") == [(N, UNITS)]
    assert shapes(lambda s: Group((Run(),), stabiliser_share=1, stabiliser=s), layer, a) == [(N, UNITS)]
    assert shapes(plain, Dense(exact(*W), exact(*B)), exact(*A)) == [(N, UNITS)]


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, -1)], ids=["positive", "both", "negative"])
@pytest.mark.parametrize("bias", [None, (3,), (3, 1), (3, 4)], ids=str)
@pytest.mark.parametrize("stabiliser", [edits.add(0.5), edits.add(0), edits.clip(40.0), edits.EXACT], ids=str)
@pytest.mark.usefixtures("block")
def test_columns_of_maps_are_those_of_the_formula(signs: Any, bias: Any, stabiliser: Any) -> None:
    """Σ_j m_j b_j and Σ_j m_j (stabilise(z_j) − z_j), with denominators of one sign and of both."""
    rng = np.random.default_rng(4)
    weight = np.array([signs[0], signs[1], signs[0]]) * rng.integers(1, 5, 3).astype(float)
    shift = None if bias is None else signs[1] * rng.integers(1, 4, bias).astype(float)
    layer = Conv(weight.reshape(3, 1, 1), shift)
    x, r = rng.integers(1, 6, (2, 1, 4)).astype(float), rng.integers(-9, 9, (2, 3, 4)).astype(float)
    each = np.zeros((3, 4)) + (0 if shift is None else shift.reshape(3, -1))
    z = weight[:, None] * x + each
    offset = {
        "add": np.where(z < 0, -1, 1) * float(stabiliser.epsilon),
        "clip": np.where(z < 0, np.minimum(z, -40), np.maximum(z, 40)) - z,
        "exact": 0 * z,
    }[stabiliser.kind]
    message = np.where(z + offset == 0, 0, r / np.where(z + offset == 0, 1, z + offset))
    found = share(layer, (x,), r, Rule((Group((Run(),), stabiliser=stabiliser),)))
    np.testing.assert_allclose(found.relevances[0][:, 0], x[:, 0] * (message * weight[:, None]).sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(found.bias, (message * each).sum(axis=(1, 2)), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found.stabiliser, (message * offset).sum(axis=(1, 2)), rtol=1e-13, atol=1e-13)


@pytest.mark.usefixtures("block")
def test_one_number_per_sample() -> None:
    """z = 3/2 and −2 without any axis but the batch's; R_i = a_i/2 · R/(z ± 1/2)."""
    layer, x = Mean((1,), keepdims=False), np.array([[1.0, 2.0], [3.0, -7.0]])
    found = share(layer, (x,), np.array([4.0, 5.0]), Rule((Group((Run(),), stabiliser=edits.add(0.5)),)))
    assert found.relevances[0].tolist() == [[1.0, 2.0], [-3.0, 7.0]]
    assert found.stabiliser.tolist() == [1.0, 1.0]
    assert found.bias.tolist() == [0.0, 0.0]


class Unsure(edits.Stabiliser):
    """A stabiliser that cannot tell the sign of the second sample's first denominator."""

    def offset(self, z: Any) -> Any:
        raise UndecidedError("on which side of 0 is not known", (z[1, 0],))


@pytest.mark.usefixtures("block")
def test_a_denominator_without_a_sign_is_named_by_its_unit() -> None:
    with pytest.raises(UndecidedError, match=r"^the denominator of unit \(1, 0\): on which side of 0 is not known$"):
        share(Dense(exact(*W), exact(*B)), (exact(*A),), exact(*R), rules.LRP0(Unsure("add", F(1, 2))))


# Which array takes the product ---------------------------------------------------------------------------------


class Sum:
    """z = Σ_k x_k + b, with a transpose that returns a new array for each operand, one for all, or what it got."""

    def __init__(self, bias: float, transpose: str) -> None:
        self.bias, self.transpose, self.pulled = bias, transpose, []  # type: ignore[var-annotated]

    def forward(self, *xs: Any) -> Any:
        return sum(xs) + self.bias

    def pull(self, xs: Any, g: Any) -> Any:
        one = g.copy()
        found = {"new": [g.copy() for _ in xs], "one": [one] * len(xs), "same": [g] * len(xs)}[self.transpose]
        self.pulled += found
        return tuple(found)

    def bias_map(self, z: Any) -> Any:
        return np.broadcast_to(np.array([self.bias]), z.shape[1:])


@pytest.mark.parametrize("signs", [(1,), (1, 1, -1), (-1, 1, 1)])
@pytest.mark.parametrize("transpose", ["new", "one", "same"])
def test_no_array_is_written_that_is_read_again(transpose: str, signs: tuple[int, ...]) -> None:
    """R_k = x_k R/z and Σ_j b R_j/z_j, whatever memory the transpose returns; z − z + z = z."""
    one, two, r = np.array([[3.0, -2.0]]), np.array([[4.0, 17.0]]), np.array([[4.0, -8.0]])
    rule, layer = Rule((Group(tuple(Run(sign=s) for s in signs)),)), Sum(1.0, transpose)
    found = share(layer, (one, two), r, rule)  # z = (8, 16), m = (1/2, −1/2)
    assert [v.tolist() for v in found.relevances] == [[[1.5, 1.0]], [[2.0, -8.5]]]
    assert found.bias.tolist() == [0.0]
    found = share(layer, (one,), r, rule)  # z = (4, −1), m = (1, 8)
    assert found.relevances[0].tolist() == [[3.0, -16.0]]
    assert found.bias.tolist() == [9.0]
    assert [v.tolist() for v in (one, two, r)] == [[[3.0, -2.0]], [[4.0, 17.0]], [[4.0, -8.0]]]


@pytest.mark.parametrize("runs", [1, 2])
def test_a_product_takes_the_place_of_what_the_transpose_made(runs: int) -> None:
    layer, x = Sum(1.0, "new"), np.array([[3.0, -2.0]])
    share(layer, (x,), np.array([[4.0, -8.0]]), Rule((Group(tuple(Run() for _ in range(runs))),)))  # z = runs·(4, −1)
    assert [g.tolist() for g in layer.pulled] == [[[3.0 / runs, -16.0 / runs]]] * runs


def test_denominators_that_are_the_same_for_every_sample() -> None:
    """A group whose only run is over a constant, on a layer taken block by block: its total is of one sample."""
    rng = np.random.default_rng(4)
    net = Network.sequential([Conv(rng.normal(size=(3, 2, 3, 3)))])
    x, start = rng.normal(size=(2, 2, 240, 240)), rng.normal(size=(2, 3, 238, 238))
    rule = Rule((Group((Run(edits.Const(0.5, "l_i"), edits.SQUARE, edits.ZERO),)),))
    e = lrp.explain(net, x, composite=rule, start=start)
    weight = net.nodes[0].layer.edited(edits.SQUARE, edits.ZERO)
    expected = 0.5 * weight.vjp(x, start / weight.forward(np.full(x.shape, 0.5)))
    np.testing.assert_allclose(e.relevance, expected, rtol=1e-9, atol=1e-12)


# Scale and shift -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 4, 2, 5), (1, 4, 6), (2, 4, 1), (0, 4, 3), (2, 4, 0), (3, 4)])
@pytest.mark.parametrize("given", ["scale", "shift", "both"])
@pytest.mark.parametrize("bytes_", [8, 90, 1 << 20])
def test_scale_and_shift_are_applied_to_every_part_once(
    shape: tuple[int, ...], given: str, bytes_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", bytes_)
    random = np.random.default_rng(0)
    x = random.standard_normal(shape)
    own = (4, *(1,) * (len(shape) - 2))
    scale = random.standard_normal(own) if given != "shift" else None
    shift = random.standard_normal(own) if given != "scale" else None
    expected, seen = (x if scale is None else x * scale) + (0 if shift is None else shift), []
    before = x.copy()

    def finish(part: Any) -> None:
        seen.extend(part.ravel().tolist())
        part *= -2

    found = blocks.scaled(x, scale, shift, finish)
    assert np.array_equal(found, -2 * expected)
    assert sorted(seen) == sorted(expected.ravel().tolist())
    assert np.array_equal(x, before)


def test_what_lies_otherwise_is_scaled_as_numpy_broadcasts() -> None:
    x, scale = np.arange(24.0).reshape(2, 3, 4), np.arange(3.0).reshape(3, 1)
    turned = x.transpose(0, 2, 1)
    assert np.array_equal(blocks.scaled(turned, scale.ravel(), None), turned * scale.ravel())
    assert np.array_equal(blocks.scaled(x[:, :1], scale, scale), x[:, :1] * scale + scale)
    assert blocks.scaled(exact([1, 2], [3, 4]), exact(F(1, 2), 3), None).tolist() == [[F(1, 2), 6], [F(3, 2), 12]]


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("into", [False, True])
def test_a_product_that_may_not_be_written_over_gets_a_place_of_its_own(
    sign: int, into: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operands of a sum have one g: it is left as it is, and the sums are formed all the same."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    random = np.random.default_rng(1)
    x, g, whole = (random.standard_normal((2, 3, 7)) for _ in range(3))
    before, expected = g.copy(), sign * x * g + (whole if into else 0)
    found, sums = blocks.add_product(x, g, whole if into else None, sign=sign, keep=g)
    assert np.array_equal(g, before)
    assert not np.may_share_memory(found, g)
    assert np.array_equal(found, expected)
    assert sums is not None
    np.testing.assert_allclose(sums, expected.sum(axis=(1, 2)), rtol=1e-12)
