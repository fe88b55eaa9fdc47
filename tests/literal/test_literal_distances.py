"""Distances, differences and minima as layers against their terms in loops, and the models that papers make of them."""

from __future__ import annotations

import math
from typing import Any

import checks
import numpy as np
import pytest
from exact_numbers import F, exact, rationals
from samples import SAMPLES, Sample, exactly
from textbook import LINEAR_RULES, RuleSample

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.arithmetic import rational
from lrp_ref.layers import PairDifference, SoftMin, SquaredDistance
from lrp_ref.literal import Matrix, distances
from lrp_ref.network import Network
from lrp_ref.rules.rule import WithBias

DISTANCES = [s for s in SAMPLES if s.kind == "SquaredDistance"]
MINIMA = [s for s in SAMPLES if s.kind == "SoftMin"]
POLICIES = ("absorb", "ignore", "spread", "nonzero")


def precisions(layer: Any) -> list[Any]:
    """Return the precision of every centre as a matrix (D, D), by index."""
    (many, inputs), given = layer.centers.shape, layer.precision
    found = []
    for k in range(many):
        matrix = np.zeros((inputs, inputs), layer.centers.dtype)
        for i in range(inputs):
            for j in range(inputs):
                if given is None:
                    matrix[i, j] = 1 if i == j else 0
                elif given.ndim == 3:
                    matrix[i, j] = given[k if given.shape[0] > 1 else 0, i, j]
                elif i == j:
                    matrix[i, j] = given[k if given.shape[0] > 1 else 0, i if given.shape[1] > 1 else 0]
        found.append(matrix)
    return found


def terms(layer: Any, x: Any, factor: Any) -> Any:
    """Return the terms (D, K) of one sample."""
    return np.array([distances.terms(x, c, p, factor) for c, p in zip(layer.centers, precisions(layer), strict=True)]).T


def drawn(sample: Sample, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return the layer with rationals, its factor, samples of which one is a centre and one is 0, and relevance."""
    layer, (x,) = exactly(sample.layer()), exactly(sample.inputs(5))
    x[1], x[2] = layer.centers[0], 0 * x[2]
    return layer, F(layer.factor), x, rationals(np.random.default_rng(seed), 5, layer.size)


# Squared distances ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", DISTANCES, ids=lambda s: s.name)
def test_a_distance_is_the_sum_of_its_terms(sample: Sample) -> None:
    layer, factor, x, _ = drawn(sample, 0)
    offset = [0] * layer.size if layer.offset is None else layer.offset
    found = layer.forward(x)
    for n in range(len(x)):
        assert found[n].tolist() == [sum(t) + b for t, b in zip(terms(layer, x[n], factor).T, offset, strict=True)]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("sample", DISTANCES, ids=lambda s: s.name)
def test_the_shares_of_a_distance_under_every_policy(sample: Sample, policy: Any) -> None:
    """A sample on a centre and one that is 0 among them; the ledger's columns too, to the digit."""
    layer, factor, x, r = drawn(sample, 1)
    told = layer.redistribute(x, r, rules.LRP0().with_bias(policy))
    checks.check_ledger(told, (r,))
    some = False
    for n in range(len(x)):
        said = distances.squared_distances(x[n], r[n], layer.centers, precisions(layer), layer.offset, factor, policy)
        assert told.relevances[0][n].tolist() == said.relevance.tolist()
        assert (told.bias[n], told.dropped[n]) == (said.bias.sum(), said.dropped.sum())
        assert told.stabiliser[n] == 0
        some = some or bool(said.dropped.any())
    if layer.offset is None:
        assert some, "the sample on a centre has no distance"


@pytest.mark.parametrize(
    "sample", [s for s in DISTANCES if s.name.endswith(("full", "-diagonal"))], ids=lambda s: s.name
)
@pytest.mark.parametrize("rule", [r for r in LINEAR_RULES if r.exact and r.kind not in ("ZBox", "Reference")],
                         ids=lambda r: r.name)  # fmt: skip
def test_every_rule_sees_the_terms_as_weights_of_ones(sample: Sample, rule: RuleSample) -> None:
    layer, factor, x, r = drawn(sample, 2)
    told = layer.redistribute(x, r, rule.rule)
    for n in range(len(x)):
        there = np.ones((x.shape[1], layer.size), bool)
        if isinstance(rule.rule, WithBias) and rule.rule.policy == "nonzero":
            there &= (x[n] != 0)[:, None]
        matrix = Matrix(terms(layer, x[n], factor), layer.offset, there)
        said = rule.messages(exact(*[1] * x.shape[1]), matrix, r[n], True)
        assert told.relevances[0][n].tolist() == said.relevance.tolist()
        for column in ("bias", "stabiliser", "dropped"):
            assert getattr(told, column)[n] == getattr(said, column).sum()


def test_the_terms_off_a_diagonal_may_be_negative() -> None:
    """P = ((1, −2), (−2, 5)) is positive definite; at (2, 1) the terms are 2·(2 − 2) and 1·(−4 + 5)."""
    layer = SquaredDistance(exact([0, 0]), exact([[1, -2], [-2, 5]])[None].reshape(1, 2, 2))
    assert layer.forward(exact([2, 1])).tolist() == [[1]]
    assert layer.relevance_backward(exact([4, 1]), exact([5])).tolist() == [[4 * (4 - 2), -3]]
    assert layer.forward(exact([4, 1])).tolist() == [[4 * 2 - 3]]


# Differences and minima ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("many", [2, 3, 5])
def test_differences_share_by_their_two_outputs(many: int) -> None:
    """With outputs that are 0, and differences that are 0, whose relevance is dropped."""
    rng = np.random.default_rng(many)
    f, r = rationals(rng, 6, many), rationals(rng, 6, many, many - 1)
    f[0], f[1, 0] = 2 * f[0] * 0 + 3, 0
    told = PairDifference().redistribute(f, r)
    checks.check_ledger(told, (r,))
    for n in range(len(f)):
        said = distances.differences(f[n], r[n].reshape(-1))
        assert told.relevances[0][n].tolist() == said.relevance.tolist()
        assert told.dropped[n] == said.dropped.sum()
    assert told.dropped[0] == r[0].sum()
    assert not told.relevances[0][1, 0]


@pytest.mark.parametrize("sample", MINIMA, ids=lambda s: s.name)
def test_a_minimum_and_its_shares(sample: Sample) -> None:
    layer, (h,), (r,) = sample.layer(), sample.inputs(4), sample.relevances(4)
    h[0] = 1.5  # all alike
    if sample.exact:
        h, r = exactly(h), exactly(r)
    o, told = layer.forward(h), layer.redistribute(h, r)
    rows, width = r.reshape(len(h), -1), h.shape[-1]
    for n in range(len(h)):
        bias = dropped = 0
        for place, some in enumerate(h[n].reshape(-1, width)):
            said, to_bias, nobody = distances.minimum(some, rows[n, place], layer.gamma, layer.hard, layer.share)
            found = told.relevances[0][n].reshape(-1, width)[place]
            wanted = distances.soft_minimum(some, layer.gamma, layer.hard)
            if sample.exact:
                assert found.tolist() == said
                assert o[n].reshape(-1)[place] == wanted
            else:
                np.testing.assert_allclose(found, said, rtol=1e-12, atol=1e-14 * abs(rows[n]).max())
                np.testing.assert_allclose(o[n].reshape(-1)[place], wanted, rtol=1e-13, atol=1e-14)
            bias, dropped = bias + to_bias, dropped + nobody
        if sample.exact:
            assert (told.bias[n], told.dropped[n]) == (bias, dropped)
        else:
            np.testing.assert_allclose([told.bias[n], told.dropped[n]], [bias, dropped], rtol=1e-11, atol=1e-12)


def test_a_minimum_of_0_drops_the_relevance_of_its_mean() -> None:
    h, r = exact([0, 2], [3, 3]), exact([5], [7])
    told = SoftMin(math.inf, share="mean").redistribute(h, r)
    assert told.dropped.tolist() == [5, 0]
    assert told.relevances[0].tolist() == [[0, 0], [F(7, 2), F(7, 2)]]
    assert SoftMin(math.inf).redistribute(h, r).relevances[0].tolist() == [[5, 0], [F(7, 2), F(7, 2)]]


# Models --------------------------------------------------------------------------------------------------------------


def explained(net: Network, x: Any, target: Any = None, bias: str = "absorb") -> Any:
    return lrp.explain(net, x, composite="lrp0", target=target, bias=bias)


@pytest.mark.parametrize("gamma", [0.25, 1.0, 4.0])
def test_one_class_models_ignore_their_constants(gamma: float) -> None:
    rng = np.random.default_rng(3)
    points, alpha, x = rng.normal(size=(6, 4)), rng.random(6) + 0.1, rng.normal(size=(5, 4))
    alpha, x[1] = alpha / alpha.sum(), points[2]
    net = Network.sequential([SquaredDistance(points, offset=-np.log(alpha) / gamma), SoftMin(gamma)])
    ignored, absorbed = (explained(net, x, bias=bias) for bias in ("ignore", "absorb"))
    for n in range(len(x)):
        o, said = distances.one_class(x[n], points, alpha, gamma)
        np.testing.assert_allclose(ignored.output[n, 0], o, rtol=1e-13)
        np.testing.assert_allclose(ignored.relevance[n], said, rtol=1e-11, atol=1e-13 * o)
    assert (ignored.relevance >= 0).all()
    np.testing.assert_allclose(ignored.ledger.residual, 0, atol=1e-12)
    np.testing.assert_allclose(absorbed.ledger.residual, 0, atol=1e-12)
    constant = sum(row.bias for row in absorbed.ledger)
    assert (constant > 0).all()
    np.testing.assert_allclose(absorbed.relevance.sum(axis=1) + constant, absorbed.output[:, 0], rtol=1e-12)
    dropped = sum(row.dropped for row in ignored.ledger)
    assert dropped[1] > 0
    assert not dropped[[0, 2, 3, 4]].any()


def clustered(centers: Any, beta: float) -> Network:
    return Network.sequential([SquaredDistance(centers, factor=-1), PairDifference(), SoftMin(beta, hard=True)])


@pytest.mark.parametrize("beta", [0.1, 1.0, 5.0])
def test_clusters_by_their_midpoints(beta: float) -> None:
    rng = np.random.default_rng(4)
    centers, x = rng.normal(size=(5, 3)), rng.normal(size=(6, 3))
    x[1] = centers[3]
    e = [explained(clustered(centers, beta), x, target=c) for c in range(5)]
    for c in range(5):
        for n in range(len(x)):
            f, said = distances.cluster(x[n], centers, beta, c)
            np.testing.assert_allclose(e[c].output[n, c], f, rtol=1e-12)
            np.testing.assert_allclose(e[c].relevance[n], said, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(e[c].relevance.sum(axis=1), e[c].output[:, c], rtol=1e-11)
        np.testing.assert_allclose(e[c].ledger.residual, 0, atol=1e-12)


def test_clusters_with_the_nearest_alone_are_exact() -> None:
    """γ = ∞: to the digit, with a sample half-way between two centres and one that has two nearest others."""
    centers = exact([0, 0], [4, 0], [0, 4], [6, 6])
    x = exact([1, 1], [2, 0], [3, 5], [0, 0], [4, 0])
    net = clustered(centers, math.inf)
    for c in range(4):
        e = explained(net, x, target=c)
        assert e.ledger.residual == 0
        for n in range(len(x)):
            f, said = distances.cluster(x[n], centers, math.inf, c)
            assert e.output[n, c] == f
            assert e.relevance[n].tolist() == said
            assert e.relevance[n].sum() == f


FORMS = {"full": (3, 4, 4), "tied": (1, 4, 4), "diagonal": (3, 4), "spherical": (3, 1)}


@pytest.mark.parametrize("form", FORMS)
def test_mixtures_by_their_log_odds(form: str) -> None:
    rng = np.random.default_rng(5)
    centers, constants, x = rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=(5, 4))
    given = rng.normal(size=FORMS[form])
    precision = given**2 + 0.5 if given.ndim == 2 else given @ given.transpose(0, 2, 1) + np.eye(4)
    layer = SquaredDistance(centers, precision, constants, factor=-0.5)
    net = Network.sequential([layer, PairDifference(), SoftMin(1.0)])
    matrices, negative = precisions(layer), False
    for c in range(3):
        e = explained(net, x, target=c)
        for n in range(len(x)):
            q = [distances.terms(x[n], centers[k], matrices[k]) for k in range(3)]
            negative = negative or any(t < 0 for part in q for t in part)
            scores = [constants[k] - sum(q[k]) / 2 for k in range(3)]
            o, said = distances.mixture(x[n], scores, q, c)
            np.testing.assert_allclose(e.output[n, c], o, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(e.relevance[n], said, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(e.ledger.residual, 0, atol=1e-11)
    assert negative is (form in ("full", "tied"))


def test_log_odds_are_those_of_the_posterior() -> None:
    """o_c = log r_c/(1 − r_c) of r = softmax(f), on numbers of which one or all are far apart."""
    rng = np.random.default_rng(6)
    f = rng.normal(size=(7, 4)) * np.array([1, 3, 10, 1])
    powers = np.exp(f)
    r = powers / powers.sum(axis=1, keepdims=True)
    others = np.array([[np.delete(row, c).sum() for c in range(4)] for row in r])
    found = Network.sequential([PairDifference(), SoftMin()]).forward(f)
    np.testing.assert_allclose(found, np.log(r) - np.log(others), rtol=1e-9, atol=1e-12)


# Independence and faults ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_a_row_alone_is_what_it_is_in_a_batch(policy: str) -> None:
    rng = np.random.default_rng(7)
    net = Network.sequential([
        SquaredDistance(rng.normal(size=(9, 5)), rng.normal(size=(9, 5, 5)), rng.normal(size=9)), PairDifference(),
        SoftMin(0.5, share="mean"),
    ])  # fmt: skip
    x = rng.normal(size=(8, 5))
    x[3] = 0
    e = explained(net, x, target=2, bias=policy)
    for n in range(len(x)):
        alone = explained(net, x[n : n + 1], target=2, bias=policy)
        size = abs(e.relevance[n]).max()
        np.testing.assert_allclose(alone.relevance[0], e.relevance[n], rtol=1e-11, atol=1e-12 * size)
    assert explained(net, x[:0], target=2, bias=policy).relevance.shape == (0, 5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_single_precision_stays_single(dtype: Any) -> None:
    rng = np.random.default_rng(8)
    net = clustered(rng.normal(size=(4, 3)), 2.0).astype(dtype)
    e = explained(net, rng.normal(size=(2, 3)).astype(dtype), target=1)
    assert e.relevance.dtype == e.output.dtype == dtype


def test_a_term_that_is_another_inputs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = SquaredDistance.terms
    monkeypatch.setattr(SquaredDistance, "terms", lambda self, x, part: stated(self, x, part)[:, :, ::-1])
    with pytest.raises(AssertionError):
        test_the_shares_of_a_distance_under_every_policy(DISTANCES[0], "absorb")


def test_a_transposed_precision_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = SquaredDistance._times
    monkeypatch.setattr(SquaredDistance, "_times", lambda self, a, w, turned=False: stated(self, a, w, turned=True))
    (full,) = (s for s in DISTANCES if s.name.endswith("full"))
    with pytest.raises(AssertionError):
        test_the_shares_of_a_distance_under_every_policy(full, "ignore")


def test_a_score_of_exactly_0_hands_nothing_to_its_own_terms() -> None:
    """Two layers, two steps: where f_c = 0 with a distance and a constant that cancel, LRP-0 has nothing to share.

    The formula for the whole model goes on: its share of f_c's terms sums to minus that of the constant. The ledger
    closes either way.
    """
    layer = SquaredDistance(exact([0, 0], [3, 0]), offset=exact([2])[0].repeat(2), factor=F(-1))
    x = exact([1, 1])
    f = layer.forward(x)
    assert f.tolist() == [[0, -3]]
    net = Network.sequential([layer, PairDifference(), SoftMin(math.inf)])
    e = explained(net, x, target=0)
    assert e.ledger.residual == 0
    assert e.relevance.tolist() == [[4, 1]]  # of the other centre alone, its constant −2 in the ledger
    assert sum(row.bias for row in e.ledger).tolist() == [-2]


def test_a_network_of_them_is_explained_alike_by_the_page() -> None:
    from lrp_ref.propagation import plain

    rng = np.random.default_rng(9)
    net = rational(Network.sequential([SquaredDistance(rng.integers(-3, 4, (3, 2)) / 2), PairDifference()]))
    x = exact([1, 2], [F(1, 2), 0])
    composite = [(PairDifference, rules.LRP0()), (SquaredDistance, rules.Epsilon(F(1, 4)))]
    start = rationals(rng, 2, 3, 2)
    one = plain.explain(net, x, composite=composite, start=start)
    other = lrp.explain(net, x, composite=composite, start=start)
    assert one.relevance.tolist() == other.relevance.tolist()
    assert [row.bias.tolist() for row in one.ledger] == [row.bias.tolist() for row in other.ledger]
