"""Support vector machines as networks: stored answers, the textbook, scikit-learn's own scores, and what is refused."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import AdditiveKernel, Dense, KernelMachine
from lrp_ref.literal import kernels as literal
from lrp_ref.neuralise.estimators import svm
from lrp_ref.neuralise.fitted import Fitted
from lrp_ref.neuralise.svc import svc

GOLDEN = Path(__file__).parents[3] / "shared" / "golden-nonneural"
RNG = np.random.default_rng(21)


def golden(name: str) -> Any:
    path = GOLDEN / f"{name}.npz"
    if not path.exists():
        pytest.skip("the stored answers of models that are no networks are not here")
    return np.load(path)


def near(actual: Any, expected: Any, tolerance: float) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, abs(expected).max()))


@pytest.mark.parametrize("kernel", ["intersection", "hellinger", "chi2"])
def test_stored_answers_of_sums_over_features(kernel: str) -> None:
    z = golden(f"kernel_svm_{kernel}")
    net = svc(z["support_vectors"], z["dual_coef"], z["bias"], kernel=kernel)
    e = lrp.explain(net, z["x"])
    near(e.output[:, 0], z["output"], 1e-11)
    near(e.relevance, z["relevance"], 1e-11)
    near(e.ledger[0].bias, np.full(12, z["bias"][0]), 1e-11)
    assert e.ledger.residual < 1e-12


def test_stored_answers_of_log_ratios() -> None:
    z = golden("svc_rbf")
    arrays, options = (z["support_vectors"], z["dual_coef"], z["bias"]), {"kernel": "rbf", "gamma": 0.05}
    near(svc(*arrays, **options).forward(z["x"])[:, 0], z["output"], 1e-10)
    for rule in ("midpoint", "input"):
        e = lrp.explain(svc(*arrays, **options, output="logodds", rule=rule, intercept=False), z["x"])
        near(e.output[:, 0], z["logratio"], 1e-10)
        near(e.relevance, z[f"relevance_{rule}"], 1e-10)
        taken = {row.node: row.bias for row in e.ledger}
        entropy = taken["pool_plus"] + taken["pool_minus"]
        near(entropy, z["constant_entropy"], 1e-10)
        if rule == "midpoint":
            near(taken["distances_plus"] + taken["distances_minus"], z["constant_log_alpha"], 1e-10)
        else:
            near(taken["products_plus"] + taken["products_minus"] + entropy, z["constant_input"], 1e-10)
        assert e.ledger.residual < 1e-12
        with_intercept = svc(*arrays, **options, output="logodds", rule=rule)
        u = with_intercept.forward(z["x"])[:, 0]
        near(u, z["logratio_with_intercept"], 1e-10)
        assert (np.sign(u) == np.sign(z["output"])).all()


# Log ratios --------------------------------------------------------------------------------------------------------

DISTANCES: dict[str, Any] = {
    "rbf": lambda x, v: (x - v) ** 2,
    "laplacian": lambda x, v: abs(x - v),
    "chi2_rbf": lambda x, v: (x - v) ** 2 / (x + v) if x + v else 0.0,
}


def drawn(*shape: int) -> Any:
    """Multiples of 1/4 with zeros and ties, none negative."""
    return RNG.integers(0, 9, size=shape) / 4


@pytest.mark.parametrize("kernel", DISTANCES)
@pytest.mark.parametrize("bias", [None, 0.75, -1.5, 1.0])
def test_log_ratios_are_the_textbooks(kernel: str, bias: float | None) -> None:
    """A neuron of kernel 1 is, in the textbook, a support whose distance is 0 from everywhere."""
    v, x, a = drawn(7, 3), drawn(6, 3), np.array([1.0, -1.0, 0.5, -2.0, 0.0, 1.0, -0.25])
    x[0], x[1] = v[0], v[1]  # samples that are supports, of coefficients ±1
    e = lrp.explain(svc(v, a, bias, kernel=kernel, gamma=0.75, output="logodds"), x)
    kept = a != 0
    centers, coefficients, distance = v[kept], a[kept], DISTANCES[kernel]
    if bias is not None:
        centers = np.concatenate([centers, np.full((1, 3), np.nan)])
        coefficients = np.append(coefficients, bias)
    for n in range(6):
        u, relevance, logs, entropies = literal.log_ratio(
            x[n], centers, coefficients, 0.75, lambda p, q: 0.0 if math.isnan(q) else distance(p, q)
        )
        np.testing.assert_allclose(e.output[n, 0], u, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(e.relevance[n], relevance, rtol=1e-11, atol=1e-13)
        took = sum(row.bias[n] for row in e.ledger)
        np.testing.assert_allclose(took, logs + entropies, rtol=1e-11, atol=1e-12)
        f = sum(
            c * math.exp(-0.75 * sum(distance(p, q) for p, q in zip(x[n], w, strict=True)))
            for c, w in zip(a, v, strict=True)
        ) + (bias or 0)
        assert np.sign(f) == np.sign(u)
    assert e.ledger.residual < 1e-12


def test_the_input_rule_with_an_intercept() -> None:
    v, x, a = drawn(5, 3), drawn(4, 3), np.array([1.0, -1.0, 0.5, -2.0, 3.0])
    for b in (0.5, -0.5):
        e = lrp.explain(svc(v, a, b, kernel="rbf", gamma=0.5, output="logodds", rule="input"), x)
        other = lrp.explain(svc(v, a, b, kernel="rbf", gamma=0.5, output="logodds"), x)
        np.testing.assert_allclose(e.output, other.output, rtol=1e-12)
        k = np.exp(-0.5 * ((x[:, None] - v) ** 2).sum(axis=2)) * abs(a)
        pools = {s: k * (s * a > 0) for s in (1, -1)}
        total = {s: pools[s].sum(axis=1) + abs(b) * (s * b > 0) for s in (1, -1)}
        means = {s: pools[s] @ v / total[s][:, None] for s in (1, -1)}
        one = np.sign(b) * abs(b) / total[int(np.sign(b))]
        expected = 2 * 0.5 * x * (means[1] - means[-1]) + 0.5 * one[:, None] * x**2
        np.testing.assert_allclose(e.relevance, expected, rtol=1e-11, atol=1e-13)


def test_the_log_ratio_says_what_the_decision_is() -> None:
    v, x, a = drawn(5, 3), drawn(4, 3), np.array([1.0, -1.0, 0.5, -2.0, 3.0])
    net = svc(v, a, 0.25, kernel="rbf", gamma=0.5, output="logodds")
    minus = np.exp(-0.5 * ((x[:, None] - v) ** 2).sum(axis=2)) @ np.maximum(-a, 0)
    f = svc(v, a, 0.25, kernel="rbf", gamma=0.5).forward(x)[:, 0]
    np.testing.assert_allclose(minus * np.expm1(net.forward(x)[:, 0]), f, rtol=1e-12)
    assert "it has the sign of the decision" in net.notes[0]
    bare = svc(v, a, 0.25, kernel="rbf", gamma=0.5, output="logodds", intercept=False)
    np.testing.assert_allclose(minus * np.expm1(bare.forward(x)[:, 0]), f - 0.25, rtol=1e-12)
    assert "its sign may differ from the decision's" in bare.notes[0]


# Several classes ---------------------------------------------------------------------------------------------------


def machine(kernel: str = "intersection") -> tuple[Any, Any, Any, list[int]]:
    """Supports in blocks of three classes, dual coefficients (2, S) and an intercept for each pair."""
    counts = [3, 2, 4]
    return drawn(9, 3), RNG.normal(size=(2, 9)), RNG.normal(size=3), counts


def pair(x: Any, v: Any, dual: Any, b: Any, counts: list[int], i: int, j: int, kernel: Any) -> tuple[float, Any]:
    """f_i − f_j and its terms, in plain loops as libsvm's documentation has them."""
    classes = np.repeat(np.arange(3), counts)
    a = np.zeros(9)
    for s in range(9):
        if classes[s] == i:
            a[s] = dual[j - 1, s]
        if classes[s] == j:
            a[s] = dual[i, s]
    q = list(combinations(range(3), 2)).index((i, j))
    terms = literal.terms(kernel, x, v, a)
    return terms.sum() + b[q], terms


def test_pairs_and_margins() -> None:
    v, dual, b, counts = machine()
    x = drawn(5, 3)
    options: dict[str, Any] = {"kernel": "intersection", "n_support": counts}
    f = {
        (i, j): np.array([pair(z, v, dual, b, counts, i, j, "intersection")[0] for z in x])
        for i, j in combinations(range(3), 2)
    }
    np.testing.assert_allclose(svc(v, dual, b, output="pairs", **options).forward(x), np.stack([*f.values()], axis=1))
    for (i, j), scores in f.items():
        net = svc(v, dual, b, output=("pair", i, j), **options)
        e = lrp.explain(net, x)
        np.testing.assert_allclose(e.output[:, 0], scores, rtol=1e-12)
        terms = [pair(z, v, dual, b, counts, i, j, "intersection")[1] for z in x]
        np.testing.assert_allclose(e.relevance, terms, rtol=1e-10)
        layer = net.nodes[0].layer
        assert isinstance(layer, AdditiveKernel)
        assert len(layer.supports) == counts[i] + counts[j]  # the third class has no part in it
        turned = svc(v, dual, b, output=("pair", j, i), **options).forward(x)[:, 0]
        np.testing.assert_allclose(turned, -scores, rtol=1e-12)
    margin = svc(v, dual, b, output="margin", **options).forward(x)
    np.testing.assert_allclose(margin[:, 0], f[0, 1] + f[0, 2], rtol=1e-12)
    np.testing.assert_allclose(margin[:, 1], f[1, 2] - f[0, 1], rtol=1e-12)
    np.testing.assert_allclose(margin[:, 2], -f[0, 2] - f[1, 2], rtol=1e-12)


def test_a_pair_has_a_log_ratio() -> None:
    v, dual, b, counts = machine()
    x = drawn(4, 3)
    net = svc(v, dual, b, kernel="rbf", gamma=0.5, n_support=counts, output=("logodds", 2, 0))
    f = svc(v, dual, b, kernel="rbf", gamma=0.5, n_support=counts, output=("pair", 2, 0)).forward(x)
    assert (np.sign(net.forward(x)) == np.sign(f)).all()
    assert lrp.explain(net, x).ledger.residual < 1e-12


def test_two_classes_are_a_pair() -> None:
    v, a, x = drawn(5, 3), RNG.normal(size=5), drawn(4, 3)
    f = svc(v, a, 0.5, kernel="chi2").forward(x)
    for outputs, expected in (
        (("pair", 1, 0), f), (("pair", 0, 1), -f), ("pairs", -f), ("margin", np.concatenate([-f, f], axis=1)),
    ):  # fmt: skip
        np.testing.assert_allclose(svc(v, a, 0.5, kernel="chi2", output=outputs).forward(x), expected, rtol=1e-12)
    for shape in ((5,), (1, 5), (5, 1)):
        np.testing.assert_array_equal(svc(v, a.reshape(shape), 0.5, kernel="chi2").forward(x), f)


# Kernels, numbers ----------------------------------------------------------------------------------------------------


def test_each_kernel_is_its_layer() -> None:
    v, a, x = drawn(5, 3), RNG.normal(size=5), drawn(4, 3)
    linear = svc(v, a, 0.5, kernel="linear")
    assert isinstance(linear.nodes[0].layer, Dense)
    e = lrp.explain(linear, x)
    np.testing.assert_allclose(e.relevance, x * (a @ v), rtol=1e-12)
    assert isinstance(svc(v, a, kernel="chi2").nodes[0].layer, AdditiveKernel)
    for kernel in ("rbf", "poly", "sigmoid", "chi2_rbf", "laplacian", "cosine"):
        layer = svc(v, a, kernel=kernel, gamma=0.5, degree=2, coef0=1.5, towards=x, way="taylor").nodes[0].layer
        assert isinstance(layer, KernelMachine)
        assert (layer.kernel, layer.way, layer.reference is x) == (kernel, "taylor", True)
        assert layer.degree == (2 if kernel == "poly" else 3)
        assert layer.coef0 == (1.5 if kernel in ("poly", "sigmoid") else 0.0)


def test_exact_numbers_leave_no_residual() -> None:
    v, a, x = rational(drawn(5, 3)), rational(drawn(5) - 1), rational(drawn(4, 3))
    for kernel in ("linear", "intersection", "chi2", "additive_chi2"):
        e = lrp.explain(svc(v, a, Fraction(1, 3), kernel=kernel), x)
        assert all((row.residual == 0).all() for row in e.ledger)
        expected = [literal.terms(kernel, z, v, a) for z in x]  # type: ignore[arg-type]
        alive = [n for n in range(4) if e.output[n, 0] != 0]
        assert (e.relevance[alive] == np.array(expected)[alive]).all()
        assert isinstance(e.relevance[0, 0], Fraction)


def test_single_precision_and_rows_alone() -> None:
    v, a, x = (drawn(6, 3), RNG.normal(size=6), drawn(4, 3))
    v[1] = v[0] + 1
    settings: list[dict[str, Any]] = [
        {"kernel": "chi2"}, {"kernel": "linear"}, {"kernel": "rbf", "gamma": 0.5, "output": "logodds"},
        {"kernel": "rbf", "gamma": 0.5, "output": "logodds", "rule": "input"},
        {"kernel": "laplacian", "gamma": 0.5, "output": "logodds"},
    ]  # fmt: skip
    for options in settings:
        e = lrp.explain(svc(v, a, 0.25, **options), x)
        single = svc(v.astype(np.float32), a.astype(np.float32), 0.25, **options)
        f = lrp.explain(single, x.astype(np.float32))
        assert f.relevance.dtype == f.output.dtype == np.float32
        np.testing.assert_allclose(f.relevance, e.relevance, rtol=1e-3, atol=1e-4)
        for n in range(4):
            alone = lrp.explain(svc(v, a, 0.25, **options), x[n : n + 1])
            np.testing.assert_allclose(alone.relevance[0], e.relevance[n], rtol=1e-10, atol=1e-12)


# scikit-learn --------------------------------------------------------------------------------------------------------


def data(classes: int, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    centers = 2 * rng.random((classes, 6))
    y = np.arange(40 * classes) % classes
    return abs(centers[y] + 0.5 * rng.normal(size=(len(y), 6))), y


@pytest.mark.parametrize("kind", ["SVC", "NuSVC"])
@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid"])
@pytest.mark.parametrize("sparse", [False, True])
def test_classifiers_of_scikit_learn(kind: str, kernel: str, sparse: bool) -> None:
    sklearn = pytest.importorskip("sklearn.svm")
    from scipy.sparse import csr_array

    for seed in (0, 1):
        (x, y), new = data(2, seed), data(2, seed + 2)[0]
        model = getattr(sklearn, kind)(kernel=kernel, coef0=0.5).fit(csr_array(x) if sparse else x, y)
        net = svm.svc(Fitted.of(model))
        expected = model.decision_function(csr_array(new) if sparse else new)
        near(net.forward(new)[:, 0], expected, 1e-11)
        near(svm.svc(Fitted.of(model), ("pair", 0, 1)).forward(new)[:, 0], -expected, 1e-11)
        e = lrp.explain(net, new)
        assert e.ledger.residual < 1e-12
        if kernel == "rbf":
            u = svm.svc(Fitted.of(model), "logodds").forward(new)[:, 0]
            assert (np.sign(u) == np.sign(expected)).all()
        x, y = data(4, seed)
        model = getattr(sklearn, kind)(kernel=kernel, decision_function_shape="ovo").fit(x, y)
        pairs = model.decision_function(new)
        near(svm.svc(Fitted.of(model), "decision").forward(new), pairs, 1e-11)
        near(svm.svc(Fitted.of(model), "pairs").forward(new), pairs, 1e-11)
        names = list(combinations(range(4), 2))
        for q, (i, j) in enumerate(names):
            near(svm.svc(Fitted.of(model), ("pair", i, j)).forward(new)[:, 0], pairs[:, q], 1e-11)
        margin = svm.svc(Fitted.of(model)).forward(new)
        for c in range(4):
            total = sum(pairs[:, q] * ((i == c) - float(j == c)) for q, (i, j) in enumerate(names))
            near(margin[:, c], total, 1e-11)
        votes = getattr(sklearn, kind)(kernel=kernel).fit(x, y)
        with pytest.raises(UnsupportedError, match=r"4 classes \('ovr'\) counts votes of pairs.*'margin'"):
            svm.svc(Fitted.of(votes), "decision")


@pytest.mark.parametrize("kind", ["SVR", "NuSVR"])
@pytest.mark.parametrize("kernel", ["linear", "poly", "rbf", "sigmoid"])
def test_regressors_of_scikit_learn(kind: str, kernel: str) -> None:
    sklearn = pytest.importorskip("sklearn.svm")
    (x, _), new = data(2), data(2, 2)[0]
    y = x @ np.arange(-2.0, 4.0) - 5
    model = getattr(sklearn, kind)(kernel=kernel, gamma="auto").fit(x, y)
    net = svm.svr(Fitted.of(model))
    near(net.forward(new)[:, 0], model.predict(new), 1e-11)
    assert lrp.explain(net, new).ledger.residual < 1e-12
    with pytest.raises(UnsupportedError, match=f"{kind} predicts numbers, and has no output 'logodds'"):
        svm.svr(Fitted.of(model), "logodds")


@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ("linear", {}), ("poly", {}), ("polynomial", {"degree": 2, "gamma": 0.5, "coef0": 2}), ("rbf", {}),
        ("laplacian", {}), ("sigmoid", {"gamma": 0.1}), ("cosine", {}), ("chi2", {"gamma": 0.5}), ("additive_chi2", {}),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:Singular matrix")
def test_kernel_ridge_of_scikit_learn(kernel: str, options: dict[str, Any]) -> None:
    ridge = pytest.importorskip("sklearn.kernel_ridge")
    (x, _), new = data(2), data(2, 2)[0]
    y = x @ np.arange(-2.0, 4.0) - 5
    for target in (y, np.stack([y, -y + 1], axis=1)):
        model = ridge.KernelRidge(kernel=kernel, **options).fit(x, target)
        net = svm.kernel_ridge(Fitted.of(model))
        near(net.forward(new), model.predict(new).reshape(len(new), -1), 1e-11)


def test_classes_are_told_and_gamma_is_that_of_the_fit() -> None:
    sklearn = pytest.importorskip("sklearn.svm")
    (x, y), new = data(2), data(2, 3)[0]
    model = sklearn.SVC(gamma=0.5).fit(x, np.array(["ham", "spam"])[y])
    net, expected = svm.svc(Fitted.of(model)), model.decision_function(new)
    assert net.notes == ("the output is > 0 for class 'spam' and < 0 for class 'ham'",)
    assert np.array_equal(net.forward(new)[:, 0] > 0, model.predict(new) == "spam")
    assert svm.svc(Fitted.of(model), "logodds").notes[0] == net.notes[0]
    assert len(svm.svc(Fitted.of(model), "logodds", intercept=False).notes) == 1  # its sign is not the class
    for gamma in (5.0, "auto"):  # parameters that are set after a fit do not count for scikit-learn either
        changed = model.set_params(gamma=gamma)
        near(changed.decision_function(new), expected, 1e-15)
        near(svm.svc(Fitted.of(changed)).forward(new)[:, 0], expected, 1e-11)
    x, y = data(3)
    model = sklearn.SVC().fit(x, np.array(["a", "b", "c"])[y])
    assert svm.svc(Fitted.of(model)).notes == ("outputs 0, 1, 2 are the classes 'a', 'b', 'c'",)
    net = svm.svc(Fitted.of(model), "pairs")
    assert net.notes == ("each output is > 0 for the first of two classes: ('a', 'b'), ('a', 'c'), ('b', 'c')",)
    first = net.forward(model.support_vectors_)[:, 0] > 0
    assert first[: model.n_support_[0]].mean() > 0.5 > first[model.n_support_[0] : model.n_support_[:2].sum()].mean()


def test_fitted_values_without_scikit_learn() -> None:
    """The attributes that an SVC has after its fit, as they come out of a file."""
    v, x = drawn(4, 2), drawn(3, 2)
    attributes = {
        "kernel": "rbf", "gamma": "scale", "_gamma": 0.5, "degree": 3, "coef0": 0.0, "support_vectors_": v,
        "dual_coef_": np.array([[1.0, -1.0, 0.5, -0.5]]), "intercept_": np.array([0.25]),
        "_n_support": np.array([2, 2], dtype=np.int32), "decision_function_shape": "ovr",
    }  # fmt: skip
    f = np.exp(-0.5 * ((x[:, None] - v) ** 2).sum(axis=2)) @ [1.0, -1.0, 0.5, -0.5] + 0.25
    np.testing.assert_allclose(svm.svc(Fitted("SVC", attributes)).forward(x)[:, 0], f, rtol=1e-12)
    for missing in ("support_vectors_", "dual_coef_", "_n_support", "_gamma"):
        fewer = {k: value for k, value in attributes.items() if k != missing}
        with pytest.raises(ParameterError, match=f"SVC: it has no {missing.replace('_n_support', 'n_support_')}"):
            svm.svc(Fitted("SVC", fewer))
    for kernel, words in (
        ("precomputed", "SVC: its kernel is precomputed.*lrp.neuralise.svc"),
        (len, "SVC: its kernel is a function, len, whose formula is not known"),
        ("rfb", "kernel of SVC.*did you mean 'rbf'"),
    ):
        with pytest.raises(LrpError, match=words):
            svm.svc(Fitted("SVC", {**attributes, "kernel": kernel}))


# What is refused -----------------------------------------------------------------------------------------------------

V, A = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 0.0]]), np.array([-1.0, 1.0, 0.5])
DUAL = {"n_support": [1, 1, 1]}
REFUSED: list[tuple[Any, type[Exception], str]] = [
    (lambda: svc(V, A, kernel="rfb", gamma=1.0), ParameterError, "did you mean 'rbf'"),
    (lambda: svc(V, A), ParameterError, "the rbf kernel needs gamma="),
    (lambda: svc(V, A[:2], gamma=1.0), ShapeError, r"coefficients must be \(3,\), one for each.*got shape \(2,\)"),
    (lambda: svc(V, np.ones((2, 3)), gamma=1.0), ShapeError, "are those of 3 classes: give n_support="),
    (lambda: svc(V[0], A, gamma=1.0), ShapeError, r"support_vectors must be \(S, D\)"),
    (lambda: svc(V.astype(int), A, gamma=1.0), ParameterError, "support_vectors must be an array of floats, got int"),
    (lambda: svc(V, [1.0, 2.0, 3.0], gamma=1.0), ParameterError, "coefficients must be an array of floats"),
    (lambda: svc(V, A, np.ones(2), gamma=1.0), ShapeError, r"bias must be \(1,\), got shape \(2,\)"),
    (lambda: svc(V, np.ones((2, 3)), np.ones(3), **{"n_support": [1, 1, 2]}), ShapeError, "n_support says 4 support"),
    (lambda: svc(V, A, gamma=1.0, output="logods"), ParameterError, "did you mean 'logodds'"),
    (lambda: svc(V, A, gamma=1.0, output=("pair", 0, 2)), ParameterError, "no class 2: the 2 classes are 0 to 1"),
    (lambda: svc(V, A, gamma=1.0, output=("pair", 0, -1)), ParameterError, "there is no class -1"),
    (lambda: svc(V, A, gamma=1.0, output=("pair", 1, 1)), ParameterError, "compares class 1 with itself"),
    (lambda: svc(V, A, gamma=1.0, output=("pear", 1, 0)), ParameterError, r"or \('pair', i, j\), got \('pear', 1, 0\)"),
    (lambda: svc(V, np.ones((2, 3)), np.ones(3), gamma=1.0, **DUAL), UnsupportedError, "counts votes.*'margin'"),
    (
        lambda: svc(V, np.ones((2, 3)), np.ones(3), gamma=1.0, output="logodds", **DUAL),
        UnsupportedError,
        r"3 classes have a log ratio for each pair: give output=\('logodds', i, j\)",
    ),
    (lambda: svc(V, np.ones((3, 2)), gamma=1.0, output="margin"), ParameterError, "2 columns of coefficients are not"),
    (lambda: svc(V, np.ones((3, 2)), gamma=1.0, output=("pair", 0, 1)), ParameterError, "these coefficients are not"),
    (lambda: svc(V, A, kernel="chi2", output="logodds"), UnsupportedError, "chi2, a sum over features, is none"),
    (
        lambda: svc(V, A, kernel="poly", gamma=1.0, output="logodds"),
        UnsupportedError,
        r"rbf, laplacian, chi2_rbf; poly, \(γ x·v \+ c₀\)\^d, is none: give output='decision'",
    ),
    (lambda: svc(V, A, kernel="laplacian", gamma=1.0, output="logodds", rule="input"), UnsupportedError, "for rbf"),
    (lambda: svc(V, A, gamma=1.0, output="logodds", rule="middle"), ParameterError, "rule of svc"),
    (lambda: svc(V, A, output="logodds"), ParameterError, "gamma must be > 0, got None"),
    (lambda: svc(V, abs(A), gamma=1.0, output="logodds"), ParameterError, "no coefficient is < 0.*output='decision'"),
    (lambda: svc(V, -abs(A), -1.0, gamma=1.0, output="logodds"), ParameterError, "no coefficient is > 0"),
    (lambda: svc(V, A, kernel="chi2", way="taylor"), ParameterError, "way= is about the roots.*the kernel chi2 is one"),
    (lambda: svc(V, A, kernel="linear", towards=V), ParameterError, "towards= is about the roots"),
    (lambda: svc(V, A, gamma=1.0, output="logodds", towards=V), ParameterError, "output='logodds' has none"),
    (lambda: svc(V, A, gamma=1.0, towards=V[:, :1]), ShapeError, r"reference must be \(M, 2\)"),
    (lambda: svc(-V, A, kernel="chi2"), ParameterError, "supports of the chi2 kernel must not be negative"),
]


@pytest.mark.parametrize(("call", "error", "words"), REFUSED)
def test_what_is_refused(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_one_pool_may_be_the_intercept_alone() -> None:
    net = svc(V, abs(A), -0.5, gamma=1.0, output="logodds")
    f = svc(V, abs(A), -0.5, gamma=1.0).forward(V)
    assert (np.sign(net.forward(V)) == np.sign(f)).all()
    assert lrp.explain(net, V).ledger.residual < 1e-12
