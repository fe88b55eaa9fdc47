"""The axioms as numbers: on rationals, against loops, on linear models with known answers, and stored numbers."""

from __future__ import annotations

import itertools
from typing import Any

import golden_methods
import numpy as np
import pytest
from scipy import stats
from strict import STRICT, StrictArray

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.evaluate import completeness, non_sensitivity, sensitivity_n
from lrp_ref.layers import Dense, ReLU
from lrp_ref.network import Network

RNG = np.random.default_rng(41)
X = RNG.normal(size=(5, 2, 3, 4))
R = RNG.normal(size=X.shape)
W, B = RNG.normal(size=(24, 3)), RNG.normal(size=3)
TARGET = [0, 2, 1, 1, 0]


def f(x: Any) -> Any:
    """Not linear, and of both signs."""
    z = x.reshape(len(x), -1) @ W.astype(x.dtype) + B.astype(x.dtype)
    return z + abs(z[:, ::-1])


def linear(x: Any) -> Any:
    return x.reshape(len(x), -1) @ W.astype(x.dtype) + B.astype(x.dtype)


def one(k: int, x: Any) -> float:
    """f's target of sample k, of a single sample x."""
    return float(f(x[None])[0, TARGET[k]])


def without(k: int, pixels: Any, fill: Any, per: str = "pixel") -> Any:
    made = X[k].copy()
    if per == "pixel":
        made.reshape(2, 12)[:, pixels] = np.broadcast_to(fill, (2, 1))
    else:
        made.reshape(24)[pixels] = fill
    return made


# Completeness -------------------------------------------------------------------------------------------------------


def test_completeness_is_exactly_zero_where_a_map_is_complete() -> None:
    """LRP-0 of a network without biases, on rationals; and of one with biases it is what they took."""
    layers = [Dense(RNG.integers(-9, 9, (4, 5)) / 8), ReLU(), Dense(RNG.integers(-9, 9, (5, 2)) / 8)]
    x = rational(RNG.integers(-9, 9, (6, 4)) / 4)
    net = Network.sequential(layers).map_arrays(rational)
    made = lrp.explain(net, x, target=1, composite="lrp0")
    found = completeness(net.forward, x, made.relevance, 1)
    assert found.dtype == object
    assert (found == 0).all()
    biased = Network.sequential([Dense(layers[0].weight, RNG.integers(1, 9, 5) / 8), *layers[1:]]).map_arrays(rational)
    made = lrp.explain(biased, x, target=1, composite="lrp0")
    taken = biased.forward(x)[:, 1] - made.relevance.sum(axis=1)
    assert (completeness(biased.forward, x, made.relevance, 1) == abs(taken)).all()
    assert (taken != 0).any()


@pytest.mark.parametrize("baseline", [None, 0.0, 0.7, [0.5, -1.0], "mean", RNG.normal(size=X.shape)], ids=str)
def test_completeness_is_that_of_a_loop(baseline: Any) -> None:
    found = completeness(f, X, R, TARGET, baseline=baseline)
    for k in range(5):
        if isinstance(baseline, str):
            other = np.broadcast_to(X[k].mean(axis=(1, 2), keepdims=True), X[k].shape)
        elif isinstance(baseline, list):
            other = np.broadcast_to(np.array(baseline)[:, None, None], X[k].shape)
        else:
            other = baseline[k] if isinstance(baseline, np.ndarray) else np.full(X[k].shape, baseline)
        explained = one(k, X[k]) - (0 if baseline is None else one(k, other))
        assert found[k] == pytest.approx(abs(R[k].sum() - explained), abs=1e-12)
        assert completeness(
            f, X[k : k + 1], R[k : k + 1], TARGET[k],
            baseline=baseline[k : k + 1] if isinstance(baseline, np.ndarray) else baseline,
        )[0] == pytest.approx(found[k], abs=1e-14)  # fmt: skip


def test_completeness_of_the_prediction_and_of_the_probability() -> None:
    best = f(X).argmax(axis=1)
    np.testing.assert_array_equal(completeness(f, X, R), completeness(f, X, R, best))
    z = f(X)
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p = (p / p.sum(axis=1, keepdims=True))[np.arange(5), TARGET]
    expected = abs(R.reshape(5, -1).sum(axis=1) - p)
    np.testing.assert_allclose(completeness(f, X, R, TARGET, softmax=True), expected, atol=1e-12)
    assert completeness(f, X[:0], R[:0], []).shape == (0,)
    x32 = X.astype(np.float32)
    assert completeness(f, x32, R.astype(np.float32), TARGET).dtype == np.float32


# Sensitivity-n ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 7, 11])
@pytest.mark.parametrize("per", ["pixel", "number"])
def test_sensitivity_n_is_one_for_gradient_times_input_of_a_linear_model(n: int, per: str) -> None:
    relevance = (W[:, TARGET].T * X.reshape(5, -1)).reshape(X.shape)
    np.testing.assert_allclose(sensitivity_n(linear, X, relevance, TARGET, n=n, per=per), 1, atol=1e-12)
    np.testing.assert_allclose(sensitivity_n(linear, X, -relevance, TARGET, n=n, per=per), -1, atol=1e-12)
    assert (sensitivity_n(linear, X, R, TARGET, n=n, per=per) < 0.9).all()


@pytest.mark.parametrize("fill", [0.0, 0.7])
def test_sensitivity_n_is_that_of_loops(fill: float) -> None:
    subsets = np.stack([RNG.permutation(12)[:4] for _ in range(30)])
    found = sensitivity_n(f, X, R, TARGET, subsets=subsets, fill=fill)
    for k in range(5):
        sums = [R[k].reshape(2, 12)[:, s].sum() for s in subsets]
        falls = [one(k, X[k]) - one(k, without(k, s, fill)) for s in subsets]
        assert found[k] == pytest.approx(stats.pearsonr(sums, falls)[0], abs=1e-12)


def test_sensitivity_n_where_one_side_does_not_vary() -> None:
    same = np.full(X.shape, 0.1)
    assert np.isnan(sensitivity_n(linear, X, same, TARGET)).all()
    assert np.isnan(sensitivity_n(linear, X, R, TARGET, n=12)).all()  # there is one set of all
    assert np.isnan(sensitivity_n(lambda x: linear(x) * 0 + 0.3, X, R, TARGET)).all()
    # 0.1 added up in another order differs by rounding, from one set to the next
    equal, ones = Network.sequential([Dense(np.full((30, 1), 0.1))]), np.ones((2, 30))
    assert np.isnan(sensitivity_n(equal.forward, ones, RNG.normal(size=(2, 30)), 0, n=7)).all()
    small = ones.astype(np.float32)
    net32 = Network.sequential([Dense(np.full((30, 1), 0.1, dtype=np.float32))])
    assert np.isnan(sensitivity_n(net32.forward, small, RNG.normal(size=(2, 30)).astype(np.float32), 0, n=7)).all()


def test_the_sets_are_of_the_seed_and_the_same_for_all_samples() -> None:
    whole = sensitivity_n(f, X, R, TARGET, seed=3, draws=20)
    assert (whole == sensitivity_n(f, X, R, TARGET, seed=3, draws=20)).all()
    assert (whole != sensitivity_n(f, X, R, TARGET, seed=4, draws=20)).all()
    for k in range(5):
        alone = sensitivity_n(f, X[k : k + 1], R[k : k + 1], TARGET[k], seed=3, draws=20)
        assert alone[0] == pytest.approx(whole[k], abs=1e-12)
    for batch in (1, 3, 7, 1000):
        np.testing.assert_allclose(sensitivity_n(f, X, R, TARGET, seed=3, draws=20, batch=batch), whole, atol=1e-12)
    assert sensitivity_n(f, X[:0], R[:0], []).shape == (0,)


def test_a_set_has_each_unit_once() -> None:
    """Over sets of one unit, each drawn number of the unit is there: the correlation is that of all units."""
    relevance = R.sum(axis=1).reshape(5, 12)
    falls = np.array([[one(k, X[k]) - one(k, without(k, [p], 0.0)) for p in range(12)] for k in range(5)])
    every = sensitivity_n(f, X, R, TARGET, subsets=np.arange(12)[:, None])
    np.testing.assert_allclose(every, [stats.pearsonr(a, b)[0] for a, b in zip(relevance, falls, strict=True)])


def test_exact_numbers_give_the_same() -> None:
    x, r = rational(X.round(2)), rational(R.round(2))
    w = rational(W.round(2))
    exact = sensitivity_n(lambda x: x.reshape(len(x), -1) @ w, x, r, TARGET, draws=9)
    floats = sensitivity_n(lambda x: x.reshape(len(x), -1) @ W.round(2), X.round(2), R.round(2), TARGET, draws=9)
    np.testing.assert_allclose(exact, floats, atol=1e-12)


# Non-sensitivity ----------------------------------------------------------------------------------------------------


def half(x: Any) -> Any:
    """Does not look at the last six pixels."""
    z = x.reshape(len(x), 2, 12)[:, :, :6].reshape(len(x), -1)
    return z @ W[:12, :1].astype(x.dtype) + 1


def test_non_sensitivity_counts_where_map_and_output_disagree() -> None:
    right = np.zeros((5, 2, 12))
    right[:, :, :6] = RNG.normal(size=(5, 2, 6))
    assert (non_sensitivity(half, X, right.reshape(X.shape), 0) == 0).all()
    wrong = right.copy()
    wrong[1, :, 7] = 1.0  # relevant, and f does not look at it
    wrong[2, :, :3] = 0.0  # not relevant, and f does
    wrong[3] = 0.0
    found = non_sensitivity(half, X, wrong.reshape(X.shape), 0)
    assert found.tolist() == [0, 1, 3, 6, 0]
    numbers = non_sensitivity(half, X, wrong.reshape(X.shape), 0, per="number")
    assert numbers.tolist() == [0, 2, 6, 12, 0]
    for batch in (1, 2, 50):
        assert (non_sensitivity(half, X, wrong.reshape(X.shape), 0, batch=batch) == found).all()
    for k in range(5):
        one_map = wrong.reshape(X.shape)[k : k + 1]
        assert non_sensitivity(half, X[k : k + 1], one_map, 0)[0] == found[k]
    assert non_sensitivity(half, X[:0], R[:0], []).shape == (0,)


def test_what_is_replaced_by_itself_says_nothing() -> None:
    x = X.copy()
    x.reshape(5, 2, 12)[:, :, 1] = 0.25
    assert (non_sensitivity(half, x, np.ones(x.shape), 0, fill=0.25) == 6).all()
    x.reshape(5, 2, 12)[:, :, 8] = 0.25
    assert (non_sensitivity(half, x, np.ones(x.shape), 0, fill=0.25) == 5).all()


def test_the_tolerances_are_parts_of_the_largest_number() -> None:
    x, w = np.ones((1, 3)), np.array([[1e6], [1e-2], [0.0]])
    scores = np.array([[1e9, 1.0, 0.0]])
    g = lambda x: x @ w  # noqa: E731
    assert non_sensitivity(g, x, scores, 0, tolerance=0, change=0).tolist() == [0]
    assert non_sensitivity(g, x, scores, 0, tolerance=0).tolist() == [1]  # f's change of 10⁻² is 10⁻⁸ of the largest
    assert non_sensitivity(g, x, scores, 0).tolist() == [0]
    assert non_sensitivity(g, x, scores, 0, change=1e-9).tolist() == [1]


# All ----------------------------------------------------------------------------------------------------------------


@golden_methods.needed
def test_stored_numbers() -> None:
    stored = golden_methods.arrays("metrics")
    w, b, x, relevance = (stored[f"linear/{key}"] for key in ("weight", "bias", "input", "gradient_x_input"))
    target = stored["linear/target"].astype(int)

    def net(x: Any) -> Any:
        return x.reshape(len(x), -1) @ w.T + b

    found = sensitivity_n(net, x, relevance, target, subsets=stored["linear/subsets"])
    np.testing.assert_allclose(found, stored["literal/sensitivity_9_random_subsets"], atol=1e-12, rtol=0)
    error = completeness(net, x, relevance, target, baseline=0.0)
    np.testing.assert_allclose(error, stored["literal/completeness_error"], atol=1e-12, rtol=0)


def test_a_strict_array_module() -> None:
    weight = STRICT.asarray(W)

    def there(x: Any) -> Any:
        z = STRICT.matmul(x.reshape(len(x), 24), weight)
        return STRICT.abs(z) + z

    def here(x: Any) -> Any:
        z = x.reshape(len(x), 24) @ W
        return abs(z) + z

    x, relevance = STRICT.asarray(X), STRICT.asarray(R)
    for measure, options in itertools.product((completeness, sensitivity_n, non_sensitivity), ({}, {"softmax": True})):
        for more in ({"baseline": 0.5},) if measure is completeness else ({"fill": 0.5}, {"fill": "mean"}):
            found = measure(there, x, relevance, TARGET, **options, **more)
            assert isinstance(found, StrictArray) == (measure is completeness)
            expected = measure(here, X, R, TARGET, **options, **more)
            np.testing.assert_allclose(found.get() if measure is completeness else found, expected, atol=1e-12)


@pytest.mark.parametrize("measure", [sensitivity_n, non_sensitivity])
def test_progress_counts_samples_times_sets(measure: Any) -> None:
    seen: list[tuple[int, int]] = []
    options = {"draws": 12} if measure is sensitivity_n else {}
    measure(f, X, R, TARGET, batch=7, progress=lambda done, total: seen.append((done, total)), **options)
    assert seen[-1] == (60, 60)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert all(total == 60 for _, total in seen)


def test_no_call_has_more_rows_than_the_batch() -> None:
    rows: list[int] = []

    def watched(x: Any) -> Any:
        rows.append(len(x))
        return f(x)

    sensitivity_n(watched, X, R, TARGET, batch=3)
    non_sensitivity(watched, X, R, TARGET, batch=3)
    assert max(rows) == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: completeness(f, X, R[:3], TARGET), ShapeError, "one map per sample"),
        (lambda: completeness(f, X, R * np.nan, TARGET), NonFiniteError, "relevance"),
        (lambda: completeness(f, X.astype(int), R, TARGET), ParameterError, "cast it"),
        (lambda: completeness(f, X, R, 3), ParameterError, "target 3 is out of range"),
        (lambda: completeness(f, X, R, 0, baseline=np.ones(7)), ShapeError, "expected a number"),
        (lambda: sensitivity_n(f, X, R, 0, n=0), ParameterError, "from 1 to all 12 units"),
        (lambda: sensitivity_n(f, X, R, 0, n=13), ParameterError, "from 1 to all 12 units"),
        (lambda: sensitivity_n(f, X, R, 0, draws=1), ParameterError, "at least two sets"),
        (lambda: sensitivity_n(f, X, R, 0, subsets=[[0, 12]]), ParameterError, "numbers of units from 0 to 11"),
        (lambda: sensitivity_n(f, X, R, 0, subsets=[[0.5, 2]]), ParameterError, "numbers of units from 0 to 11"),
        (lambda: sensitivity_n(f, X, R, 0, subsets=[0, 2]), ParameterError, "numbers of units from 0 to 11"),
        (lambda: sensitivity_n(f, X, R, 0, subsets=[["a"]]), ParameterError, "numbers of units from 0 to 11"),
        (lambda: sensitivity_n(f, X, R, 0, subsets=[[3, 3]]), ParameterError, "names one unit twice"),
        (lambda: non_sensitivity(f, X, R, 0, tolerance=-1), ParameterError, "tolerance is -1"),
        (lambda: non_sensitivity(f, X, R, 0, change=float("nan")), ParameterError, "change is nan"),
        (lambda: non_sensitivity(f, X, R, 0, fill="grey"), ParameterError, "unknown fill"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(call: Any, error: type[LrpError], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
