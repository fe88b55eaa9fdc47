"""One-class SVMs and kernel densities: stored numbers, the formulas one by one, and where the constants go."""

import math

import literal_clusters as literal
import numpy as np
import pytest
from golden_nonneural import Golden, needed

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.neuralise.one_class import (
    decision,
    density,
    log_density,
    one_class,
    outlier_threshold,
    score_samples,
)

RNG = np.random.default_rng(0)
POINTS, WEIGHTS = RNG.normal(size=(7, 4)), RNG.random(7) + 0.1


@needed
def test_stored_one_class() -> None:
    g = Golden("oneclass_svm_rbf")
    gamma, rho = g.about["gamma"], -float(g["intercept"][0])
    net = one_class(g["support_vectors"], g["dual_coef"], gamma, threshold=rho)
    column = lrp.explain(net, g["x"], trace=True)
    g.agrees(column.output[:, 0], "output")
    g.agrees(column.trace.relevance["distances"], "relevance_support")
    g.agrees(column.relevance, "relevance_column")
    g.agrees(sum(row.bias for row in column.ledger), "bias_column")
    g.agrees(lrp.explain(net, g["x"], bias="ignore").relevance, "relevance_absorb")
    g.agrees(score_samples(column.output[:, 0], g["dual_coef"], gamma), "score_samples")
    g.agrees(decision(column.output[:, 0], g["dual_coef"], gamma, rho), "decision_function")
    assert outlier_threshold(g["dual_coef"], gamma, rho) == pytest.approx(float(g["threshold"]), rel=1e-12)
    assert np.array_equal(column.output[:, 0] > float(g["threshold"]), g["decision_function"] < 0)
    assert column.ledger.residual <= 1e-12


@needed
def test_stored_density() -> None:
    g = Golden("kernel_density_gaussian")
    net = density(g["points"], g.about["bandwidth"], weights=g["weights"])
    column = lrp.explain(net, g["x"])
    g.agrees(column.output[:, 0], "output")
    g.agrees(column.relevance, "relevance_column")
    g.agrees(sum(row.bias for row in column.ledger), "bias_column")
    g.agrees(lrp.explain(net, g["x"], bias="ignore").relevance, "relevance_absorb")
    g.agrees(log_density(column.output[:, 0], g.about["bandwidth"], 64), "score_samples")


@pytest.mark.parametrize("kind", ["one_class", "gaussian", "exponential"])
def test_every_number_is_that_of_the_formula(kind: str) -> None:
    x, b = RNG.normal(size=(5, 4)), 0.7
    gamma = {"one_class": 0.3, "gaussian": 1 / (2 * b**2), "exponential": 1.0}[kind]
    made = {
        "one_class": lambda: one_class(POINTS, WEIGHTS, gamma),
        "gaussian": lambda: density(POINTS, b, weights=WEIGHTS),
        "exponential": lambda: density(POINTS, b, weights=WEIGHTS, kernel="exponential"),
    }[kind]()
    root = kind == "exponential"
    e, absorbed = lrp.explain(made, x), lrp.explain(made, x, bias="ignore")
    for n in range(5):
        o, shared, bias, all_of_it = literal.one_class(
            x[n], POINTS, WEIGHTS, gamma, root=root, factor=1 / b if root else 1.0
        )
        assert e.output[n, 0] == pytest.approx(o, rel=1e-12)
        np.testing.assert_allclose(e.relevance[n], shared, rtol=1e-11)
        assert sum(row.bias[n] for row in e.ledger) == pytest.approx(bias, rel=1e-11)
        np.testing.assert_allclose(absorbed.relevance[n], all_of_it, rtol=1e-11)
    assert e.ledger.residual <= 1e-12
    assert (absorbed.relevance >= 0).all()


@pytest.mark.parametrize("kernel", ["gaussian", "exponential"])
@pytest.mark.parametrize(("features", "steps"), [(1, 4001), (2, 241), (3, 61)])
def test_the_density_integrates_to_one(kernel: str, features: int, steps: int) -> None:
    axis = np.linspace(-12, 12, steps)
    grid = np.stack(np.meshgrid(*[axis] * features, indexing="ij"), axis=-1).reshape(-1, features)
    net = density(POINTS[:, :features], 0.8, weights=WEIGHTS, kernel=kernel)
    logs = log_density(net.forward(grid)[:, 0], 0.8, features, kernel=kernel)
    assert np.exp(logs).sum() * (axis[1] - axis[0]) ** features == pytest.approx(1, abs=1e-2)


def test_the_coefficients_may_have_any_sum_and_zeros_are_left_out() -> None:
    x = RNG.normal(size=(3, 4))
    o = one_class(POINTS, WEIGHTS, 0.4).forward(x)
    np.testing.assert_allclose(one_class(POINTS, 18.3 * WEIGHTS, 0.4).forward(x), o, rtol=1e-12)
    more = np.concatenate([POINTS, x])
    with_zeros = one_class(more, np.concatenate([WEIGHTS, np.zeros(3)]).reshape(1, -1), 0.4)
    np.testing.assert_array_equal(with_zeros.forward(x), o)
    direct = (WEIGHTS * np.exp(-0.4 * ((x[:, None] - POINTS) ** 2).sum(2))).sum(1)
    np.testing.assert_allclose(score_samples(o[:, 0], WEIGHTS, 0.4), direct, rtol=1e-12)
    assert (o >= 0).all()


def test_a_sample_that_is_a_support_vector() -> None:
    net, x = one_class(POINTS, WEIGHTS, 0.4), POINTS[:1]
    h = ((x - POINTS) ** 2).sum(1) - np.log(WEIGHTS / WEIGHTS.sum()) / 0.4
    o, p = literal.soft_minimum(list(h), 0.4)
    column, absorbed = lrp.explain(net, x), lrp.explain(net, x, bias="ignore")
    assert absorbed.ledger[-1].dropped[0] == pytest.approx(p[0] * o)
    assert absorbed.relevance.sum() == pytest.approx((1 - p[0]) * o)
    assert column.ledger[-1].dropped[0] == 0  # its constant takes it
    assert column.ledger.residual <= 1e-13
    assert absorbed.ledger.residual <= 1e-13


def test_one_support_vector() -> None:
    net = one_class(POINTS[:1], np.array([3.0]), 0.4)
    x = np.concatenate([POINTS[:1], POINTS[1:2]])
    e = lrp.explain(net, x)
    np.testing.assert_allclose(e.output[:, 0], [0, ((POINTS[1] - POINTS[0]) ** 2).sum()])
    np.testing.assert_allclose(e.relevance, [np.zeros(4), (POINTS[1] - POINTS[0]) ** 2])


def test_far_away_nothing_underflows() -> None:
    e = lrp.explain(one_class(POINTS, WEIGHTS, 2.0), POINTS[:2] + 1e4)
    assert np.isfinite(e.relevance).all()
    assert e.output.min() > 1e8
    assert e.ledger.residual <= 1e-12


def test_the_relevance_of_given_supports_is_exact_on_rationals() -> None:
    net = lrp.arithmetic.rational(one_class(POINTS, WEIGHTS, 0.4)).until("distances")
    x = lrp.arithmetic.rational(RNG.normal(size=(2, 4)).round(2))
    start = lrp.arithmetic.rational(RNG.normal(size=(2, 7)).round(3))
    e, points, constants = lrp.explain(net, x, start=start), *net.parameters
    assert e.ledger.residual == 0
    for n in range(2):
        square = (x[n] - points) ** 2
        expected = (square * (start[n] / (square.sum(axis=1) + constants)).reshape(7, 1)).sum(axis=0)
        assert (e.relevance[n] == expected).all()


def test_single_precision_stays_single() -> None:
    for net in (
        one_class(POINTS.astype("float32"), WEIGHTS, 0.4),
        density(POINTS.astype("float32"), 0.5, kernel="exponential"),
    ):
        e = lrp.explain(net, POINTS.astype("float32") + 1)
        assert e.output.dtype == e.relevance.dtype == np.float32


@pytest.mark.parametrize("kernel", ["one_class", "exponential"])
def test_a_sample_alone_is_what_it_is_in_a_batch(kernel: str) -> None:
    net = one_class(POINTS, WEIGHTS, 0.4) if kernel == "one_class" else density(POINTS, 0.6, kernel=kernel)
    x = RNG.normal(size=(6, 4))
    together = lrp.explain(net, x).relevance
    for n in range(6):
        np.testing.assert_array_equal(lrp.explain(net, x[n : n + 1]).relevance[0], together[n])
    assert lrp.explain(net, x[:0]).relevance.shape == (0, 4)


def test_notes_say_what_the_output_is() -> None:
    notes = one_class(POINTS, np.ones(7), 0.5, threshold=2.0).notes
    assert notes == (
        "the output o is an outlier score: that of the SVM itself is 7·exp(−0.5·o)",
        f"outliers are samples with an output above {2 * math.log(3.5):.6g}",
    )
    assert one_class(POINTS, np.ones(7), 0.5, threshold=0.0).notes[-1] == "no sample is an outlier"
    assert density(POINTS, 1.0).notes == (
        f"the output o is an outlier score: the log density is {-2 * math.log(2 * math.pi):.6g} − 0.5·o",
    )


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: one_class(POINTS, WEIGHTS[:3], 1.0), ShapeError, "coefficients must be (7,)"),
        (lambda: one_class(POINTS, -WEIGHTS, 1.0), ParameterError, "coefficients must be finite and ≥ 0, got -"),
        (lambda: one_class(POINTS, WEIGHTS * np.nan, 1.0), ParameterError, "coefficients must be finite"),
        (lambda: one_class(POINTS, 0 * WEIGHTS, 1.0), ParameterError, "none of 7 is above 0"),
        (lambda: one_class(POINTS[:0], WEIGHTS[:0], 1.0), ParameterError, "none of 0 is above 0"),
        (lambda: one_class(POINTS, WEIGHTS, 0.0), ParameterError, "gamma must be > 0, got 0.0"),
        (lambda: one_class(POINTS, WEIGHTS, math.nan), ParameterError, "gamma must be > 0, got nan"),
        (lambda: one_class(POINTS[0], WEIGHTS, 1.0), ShapeError, "support_vectors must be floats (S, D)"),
        (
            lambda: one_class(POINTS.astype(int), WEIGHTS, 1.0),
            ParameterError,
            "support_vectors must be an array of floats, got int64",
        ),
        (
            lambda: one_class(POINTS.tolist(), WEIGHTS, 1.0),
            ParameterError,
            "support_vectors must be an array of floats, got list",
        ),
        (lambda: density(POINTS, -1.0), ParameterError, "bandwidth must be > 0, got -1.0"),
        (lambda: density(POINTS, 1.0, kernel="tophat"), ParameterError, "is 0 from some distance on"),
        (lambda: density(POINTS, 1.0, kernel="gauss"), ParameterError, "did you mean 'gaussian'?"),
        (lambda: log_density(np.zeros(1), 1.0, 2, kernel="cosine"), ParameterError, "is 0 from some distance on"),
    ],
)
def test_refusals(call, error, words) -> None:
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
