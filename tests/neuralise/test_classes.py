"""Names of classes: which output is which, in networks, in files, and where explanations ask for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ParameterError
from lrp_ref.neuralise import Fitted, from_fitted

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
NAMES = np.array(["ant", "bee", "cat"])


def logistic(classes: object, rows: int) -> Fitted:
    weights = np.random.default_rng(1).normal(size=(rows, 3))
    return Fitted("LogisticRegression", {"coef_": weights, "intercept_": np.ones(rows), "classes_": classes})


def machine(classes: object, kernel: str = "rbf") -> Fitted:
    rng, many = np.random.default_rng(2), len(classes)  # type: ignore[arg-type]
    counts = np.full(many, 2, dtype=np.int32)
    held = {
        "support_vectors_": rng.normal(size=(2 * many, 3)), "dual_coef_": rng.normal(size=(many - 1, 2 * many)),
        "intercept_": np.zeros(many * (many - 1) // 2), "n_support_": counts, "_n_support": counts,
        "kernel": kernel, "_gamma": 0.5, "gamma": "scale", "classes_": classes,
    }  # fmt: skip
    return Fitted("SVC", held)


def behind_a_scaler(model: Fitted) -> Fitted:
    scaler = Fitted("StandardScaler", {"mean_": np.arange(3.0), "scale_": np.ones(3), "with_mean": True})
    return Fitted("Pipeline", {"steps": (("scaler", scaler), ("model", model))})


@pytest.mark.parametrize(
    ("fitted", "output", "names"),
    [
        (logistic(NAMES, 3), None, ("ant", "bee", "cat")),
        (logistic(NAMES[:2], 1), None, ("bee",)),
        (logistic(NAMES[:2], 1), "logodds", ("ant", "bee")),
        (logistic(np.array([3, 5, 7]), 3), None, ("class 3", "class 5", "class 7")),
        (logistic(np.array([0, 1, 2]), 3), None, ()),
        (logistic(np.array([0, 1]), 1), None, ("class 1",)),
        (logistic(NAMES, 3), ("pair", 0, 2), ()),
        (behind_a_scaler(logistic(NAMES, 3)), None, ("ant", "bee", "cat")),
        (machine(NAMES), None, ("ant", "bee", "cat")),
        (machine(NAMES), "pairs", ()),
        (machine(NAMES[:2]), None, ("bee",)),
        (machine(NAMES[:2]), "margin", ("ant", "bee")),
        (machine(NAMES[:2]), "pairs", ()),
    ],
)
def test_outputs_have_the_names_of_their_classes(fitted: Fitted, output: object, names: tuple[str, ...]) -> None:
    net = from_fitted(fitted, output)
    assert net.classes == names
    if names:
        assert net.forward(X).shape == (4, len(names))


def test_the_machine_says_which_class_is_positive() -> None:
    assert from_fitted(machine(NAMES[:2])).notes[-1] == "the output is > 0 for class 'bee' and < 0 for class 'ant'"


def test_files_keep_names_and_parts_lose_them(tmp_path: Path) -> None:
    net = from_fitted(behind_a_scaler(logistic(NAMES, 3)))
    lrp.save(net, tmp_path / "net.npz")
    assert lrp.load(tmp_path / "net.npz") == net
    assert lrp.load(tmp_path / "net.npz").classes == ("ant", "bee", "cat")
    assert net.until("scaler").classes == ()
    assert net.until(net.outputs).classes == net.classes


def test_a_target_may_be_a_name() -> None:
    net = from_fitted(logistic(NAMES, 3))
    named, counted = lrp.explain(net, X, target="cat"), lrp.explain(net, X, target=2)
    np.testing.assert_array_equal(named.relevance, counted.relevance)
    assert (named.relevance != lrp.explain(net, X, target="ant").relevance).any()
    between = lrp.explain(net, X, target="cat", start="difference", against="ant").relevance
    np.testing.assert_array_equal(between, lrp.explain(net, X, target=2, start="difference", against=0).relevance)
    made = lrp.attribute(net, X, "gradient_x_input", target="bee", against="ant").relevance
    np.testing.assert_array_equal(made, lrp.attribute(net, X, "gradient_x_input", target=1, against=0).relevance)
    for ask in (lrp.explain, lrp.attribute):
        with pytest.raises(ParameterError, match="unknown class 'cats': did you mean 'cat'"):
            ask(net, X, target="cats")
        with pytest.raises(ParameterError, match="target 'cat': the network has no class names"):
            ask(from_fitted(logistic(None, 3)), X, target="cat")


def test_pairs_of_names() -> None:
    for fitted in (logistic(NAMES, 3), behind_a_scaler(machine(NAMES))):
        named, placed = from_fitted(fitted, ("pair", "cat", "ant")), from_fitted(fitted, ("pair", 2, 0))
        np.testing.assert_array_equal(named.forward(X), placed.forward(X))
        with pytest.raises(ParameterError, match=r"unknown class of .* 'dog'"):
            from_fitted(fitted, ("pair", "cat", "dog"))
    with pytest.raises(ParameterError, match="it has no classes_"):
        from_fitted(logistic(None, 3), ("pair", "cat", "ant"))


class Estimator:
    def fit(self) -> None: ...

    def get_params(self) -> None: ...


@pytest.mark.parametrize(
    ("given", "way"),
    [
        (Estimator(), "lrp.neuralise.from_sklearn"),
        ("net.skops", r"lrp.load\('net.skops'\)"),
        (None, r"lrp.load\(path\)"),
    ],
)
def test_what_is_no_network(given: object, way: str) -> None:
    for ask in (lrp.explain, lrp.attribute):
        with pytest.raises(ParameterError, match=rf"{ask.__name__} takes a Network, got a .*{way}"):
            ask(given, X)  # type: ignore[arg-type]


def test_a_reference_is_told_only_where_relevance_depends_on_it() -> None:
    """Relevance of kernels and distances does not change with what a scaler takes away; that of weights does."""
    held = {"cluster_centers_": RNG.normal(size=(3, 3))}
    for model, told in ((logistic(NAMES, 3), True), (machine(NAMES), False), (Fitted("KMeans", held), False)):
        net = from_fitted(behind_a_scaler(model))
        assert any("relative to the reference of node scaler" in note for note in net.notes) is told
        shift = np.arange(3.0)
        alone = lrp.explain(from_fitted(model), X - shift, target=1).relevance
        np.testing.assert_allclose(lrp.explain(net, X, target=1).relevance, alone, rtol=1e-9, atol=1e-12)
        if not told:  # with another reference the same points, and the same relevance
            moved = _moved(model, shift)
            np.testing.assert_allclose(lrp.explain(moved, X, target=1).relevance, alone, rtol=1e-6, atol=1e-9)


def _moved(model: Fitted, shift: np.ndarray) -> lrp.Network:
    """Return the model that reads what is not shifted: its points are."""
    key = "support_vectors_" if model.kind == "SVC" else "cluster_centers_"
    return from_fitted(Fitted(model.kind, dict(model.attributes) | {key: model[key] + shift}))
