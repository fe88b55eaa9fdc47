"""Estimators of scikit-learn as skl2onnx wrote them: each is what scikit-learn and onnxruntime say, or refused by name.

The files and both programs' answers are made by tests/support/sklearn_files.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import lrp_ref as lrp
from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import load

FOLDER = Path(__file__).parent / "sklearn"
ANSWERS = dict(np.load(FOLDER / "answers.npz"))
X = ANSWERS["x"]
NAMES = [name for name in ANSWERS if name != "x" and not name.endswith(" onnxruntime")]
MACHINES = [n for n in NAMES if n.startswith(("sv", "nusv", "one_class", "scaler_svc"))]


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_as_scikit_learn_and_as_onnxruntime(name: str) -> None:
    """The file rounds parameters to float32: numbers agree to the rounding of the terms that cancel in them."""
    net = load(FOLDER / f"{name}.onnx")
    found, theirs = net.forward(X), ANSWERS[f"{name} onnxruntime"]
    size = max(1.0, float(np.abs(ANSWERS[name]).max()))
    assert found.dtype == np.float32
    assert found.shape == ANSWERS[name].shape
    np.testing.assert_allclose(found, theirs, rtol=0, atol=5e-6 * size)
    double = net.astype(np.float64).forward(X.astype(np.float64))
    np.testing.assert_allclose(double, ANSWERS[name], rtol=0, atol=2e-5 * size)
    for few in (X[:0], X[:1]):
        np.testing.assert_allclose(net.forward(few), found[: len(few)], rtol=0, atol=5e-6 * size)


@pytest.mark.parametrize("name", MACHINES)
def test_check_compares_the_scores(name: str) -> None:
    pytest.importorskip("onnxruntime")
    (told,) = lrp.loaders.check_against_onnxruntime(FOLDER / f"{name}.onnx", X)
    size = float(np.abs(ANSWERS[name]).max())
    assert told.difference <= 5e-6 * max(size, 1)


@pytest.mark.parametrize("name", [n for n in MACHINES if not n.startswith(("svr", "nusvr")) and "sigmoid" not in n])
def test_the_ledger_of_a_machine_closes(name: str) -> None:
    net = load(FOLDER / f"{name}.onnx").astype(np.float64)
    e = lrp.explain(net, X.astype(np.float64), composite="lrp0")
    assert e.ledger.residual < 1e-12
    assert np.abs(e.relevance).max() > 0


def test_a_linear_machine_is_explained_by_its_primal_weights() -> None:
    """Σ_s a_s v_si x_i, from the file's own attributes; of three classes pair by pair."""
    import onnx

    for name, classes in (("svc2_linear", 2), ("svc3_linear", 3)):
        (node,) = (n for n in onnx.load(FOLDER / f"{name}.onnx").graph.node if n.op_type == "SVMClassifier")
        a = {k.name: onnx.helper.get_attribute_value(k) for k in node.attribute}
        vectors = np.array(a["support_vectors"]).reshape(-1, 3)
        dual, counts = np.array(a["coefficients"]).reshape(classes - 1, -1), a["vectors_per_class"]
        ends = np.cumsum([0, *counts])
        net, target = load(FOLDER / f"{name}.onnx").astype(np.float64), 0
        for i in range(classes):
            for j in range(i + 1, classes):
                w = sum(dual[j - 1, s] * vectors[s] for s in range(ends[i], ends[i + 1]))
                w = w + sum(dual[i, s] * vectors[s] for s in range(ends[j], ends[j + 1]))
                e = lrp.explain(net, X.astype(np.float64), target=target if classes > 2 else 1, composite="lrp0")
                np.testing.assert_allclose(e.relevance, X * w, rtol=1e-6, atol=1e-6)
                target += 1


def test_votes_are_left_out_and_pairs_are_named() -> None:
    net = load(FOLDER / "svc3_strings.onnx")
    told = dict(net.left_out)
    assert "votes of pairs of classes are counted" in told["output_probability"]
    assert "in its place stands 'SVM02'" in told["output_probability"]
    assert "a label" in told["output_label"]
    (note,) = net.notes
    assert note.endswith("above 0 for the first one: 'ant' against 'bee', 'ant' against 'cat', 'bee' against 'cat'")
    assert len(net) == 1, "none of the nodes of the vote"
    for name in ("svc3_ovo", "svc2_rbf", "linear_svc"):  # which compare no scores
        assert [left for left, _ in load(FOLDER / f"{name}.onnx").left_out] in (["output_label"], ["label"]), name


def test_votes_can_be_asked_for() -> None:
    """They are computed as the file does, with comparisons that no relevance passes."""
    pytest.importorskip("onnxruntime")
    path = FOLDER / "svc3_rbf.onnx"
    (told,) = lrp.loaders.check_against_onnxruntime(path, X, output="output_probability")
    assert told.shape == (24, 3)
    assert told.difference < 1e-5
    assert load(path, output="SVM02").forward(X).shape == (24, 3)


def test_the_numbers_of_two_classes_are_said_to_be_turned_round() -> None:
    net = load(FOLDER / "svc2_rbf.onnx")
    (note,) = net.notes
    assert "its two numbers are −s and s, and s above 0 votes for the first class, '0'" in note
    assert (np.argmin(net.forward(X), axis=1) == (ANSWERS["svc2_rbf"][:, 0] > 0)).all(), "the smaller one wins"


@pytest.mark.parametrize("name", ["svc3_probability", "svc2_probability"])
def test_probabilities_are_scores_and_it_is_said(name: str) -> None:
    net = load(FOLDER / f"{name}.onnx")
    assert "its probabilities are not computed" in net.notes[0]
    twin = load(FOLDER / ("svc3_ovo.onnx" if "3" in name else "svc2_rbf.onnx"))
    assert net.forward(X).shape == twin.forward(X).shape
    assert "probabilities" not in "".join(twin.notes)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("forest", ("TreeEnsembleClassifier", "TreeSHAP is the method for them")),
        ("boosting", ("TreeEnsembleRegressor", "TreeSHAP is the method for them")),
        ("text", ("StringNormalizer", "Tokenizer", "TfIdfVectorizer", "load the pipeline from a skops file")),
    ],
)
def test_other_estimators_are_refused_by_name_with_a_way_out(name: str, words: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedError) as caught:
        load(FOLDER / f"{name}.onnx")
    for word in words:
        assert word in str(caught.value)
    assert "can be loaded" not in str(caught.value), "what comes before has no use"
