"""Estimators in skops files, with neither scikit-learn nor skops; with both where they are installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import command
import numpy as np
import pytest
import skops_files
from skops_files import DOCUMENTS, FOLDER

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, UnsupportedError
from lrp_ref.loaders import skops
from lrp_ref.neuralise.fitted import Fitted, Opaque

with np.load(FOLDER / "expected.npz") as file:
    EXPECTED = {name: file[name] for name in file.files}
SCORES = [name for name in EXPECTED if name.partition("/")[2] not in ("x", "label", "largest")]
NAMES = sorted(path.stem for path in FOLDER.glob("*.skops"))


def close(actual: Any, expected: Any) -> None:
    """All numbers here are sums of a few terms of one size, in another order."""
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= 1e-12 * np.abs(expected).max()


def test_every_file_has_its_numbers() -> None:
    assert sorted({name.partition("/")[0] for name in EXPECTED}) == NAMES
    assert len(SCORES) == 13


@pytest.mark.parametrize("name", SCORES)
def test_the_network_computes_what_scikit_learn_did(name: str) -> None:
    case, _, output = name.partition("/")
    net = lrp.load(FOLDER / f"{case}.skops", output=output)
    close(net.forward(EXPECTED[f"{case}/x"]), EXPECTED[name])


def test_the_largest_margin_of_k_means_is_that_of_the_sample_s_cluster() -> None:
    margins = lrp.load(FOLDER / "kmeans.skops").forward(EXPECTED["kmeans/x"])
    assert margins.argmax(axis=1).tolist() == EXPECTED["kmeans/label"].tolist()
    close(margins.max(axis=1), EXPECTED["kmeans/largest"])


@pytest.mark.parametrize("name", [n for n in NAMES if n != "forest"])
def test_the_ledger_closes(name: str) -> None:
    e = lrp.explain(lrp.load(FOLDER / f"{name}.skops"), EXPECTED[f"{name}/x"])
    assert e.relevance.shape == EXPECTED[f"{name}/x"].shape
    assert e.ledger.residual <= 1e-12


def test_neither_package_is_imported() -> None:
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *rest):\n"
        "        assert name.partition('.')[0] not in ('sklearn', 'skops', 'joblib', 'pickle5'), name\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import lrp_ref as lrp\n"
        "for path in sys.argv[1:]: print(len(lrp.load(path)))\n"
    )
    files = [str(FOLDER / f"{name}.skops") for name in NAMES if name != "forest"]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) == len(files)


# What is read ------------------------------------------------------------------------------------------------------


def test_a_pipeline_of_texts_has_its_words() -> None:
    (_, words), (name, svm) = skops.read(FOLDER / "tfidf_linear_svc.skops")["steps"]
    assert (words.kind, name, svm.kind) == ("TfidfVectorizer", "linearsvc", "LinearSVC")
    assert sorted(words["vocabulary_"]) == sorted({w for text in DOCUMENTS for w in text.split() if len(w) > 1})
    assert sorted(words["vocabulary_"].values()) == list(range(len(words["vocabulary_"])))
    assert words["ngram_range"] == (1, 1)
    assert words["token_pattern"] == r"(?u)\b\w\w+\b"
    assert words["dtype"] == Opaque("numpy.float64")
    assert words["stop_words"] is None
    assert words["sublinear_tf"] is True
    assert words["_tfidf"].kind == "TfidfTransformer"
    assert svm["coef_"].shape == (1, len(words["vocabulary_"]))


def test_attributes_have_the_types_that_they_had() -> None:
    held = skops.read(FOLDER / "logistic_objects.skops")
    assert held["classes_"].tolist() == ["ham", "spam"]
    assert held["classes_"].dtype == object
    assert held["class_weight"] == {"ham": 1.0, "spam": 2.0}
    assert type(held["C"]) is float
    assert type(held["max_iter"]) is int
    assert "_sklearn_version" not in held
    sparse = skops.read(FOLDER / "svc_sparse.skops")
    assert type(sparse["support_vectors_"]).__name__ == "csr_array"
    assert sparse["dual_coef_"].shape == (1, sparse["support_vectors_"].shape[0])
    assert isinstance(skops.read(FOLDER / "svc_rbf.skops")["_gamma"], float | np.floating)
    tree = skops.read(FOLDER / "kernel_density.skops")["tree_"]
    assert (tree.kind, tree["data"].shape, tree["sample_weight"]) == ("KDTree", (24, 3), None)
    assert not tree["data"].flags.writeable


def test_a_node_s_value_can_be_asked_for() -> None:
    path, x = FOLDER / "scaler_pca_logistic.skops", EXPECTED["scaler_pca_logistic/x"]
    scaler = skops.read(path)["steps"][0][1]
    assert lrp.load(path, output="scaler").outputs == ("scaler",)
    close(lrp.load(path, output="scaler").forward(x), (x - scaler["mean_"]) / scaler["scale_"])
    both = lrp.load(path, output=["pca", "scores"])
    assert both.outputs == ("pca", "scores")
    close(both.forward(x)["scores"], EXPECTED["scaler_pca_logistic/decision"])
    assert lrp.load(path, output=["logodds"]) == lrp.load(path, output="logodds")
    for wrong in (["pca", "nowhere"], ["logodds", "decision"]):
        with pytest.raises(ParameterError, match=r"logistic\.skops: unknown output of LogisticRegression"):
            lrp.load(path, output=wrong)
    with pytest.raises(ParameterError, match=r"logistic\.skops: unknown output of LogisticRegression 'logods'"):
        lrp.load(path, output="logods")
    with pytest.raises(ParameterError, match=r"logistic\.skops: .*class 9 of a pair"):
        lrp.load(path, output=("pair", 0, 9))


def test_options_are_those_of_the_converter() -> None:
    path, x = FOLDER / "scaler_pca_logistic.skops", EXPECTED["scaler_pca_logistic/x"]
    net = lrp.load(path, reference="zero")
    assert len(net) == 1
    close(net.forward(x), EXPECTED["scaler_pca_logistic/decision"])
    pair = lrp.load(path, output=("pair", 2, 0)).forward(x)
    decision = EXPECTED["scaler_pca_logistic/decision"]
    close(pair, decision[:, [2]] - decision[:, [0]])
    with pytest.raises(ParameterError, match=r"logistic\.skops: unknown option of LogisticRegression 'beta'"):
        lrp.load(path, beta=1)
    with pytest.raises(ParameterError, match="its architecture is in the file"):
        lrp.load(path, architecture="net.json")


def test_a_forest_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match=r"forest\.skops: RandomForestClassifier is not supported: .*TreeSHAP"):
        lrp.load(FOLDER / "forest.skops")
    assert skops.read(FOLDER / "forest.skops")["estimators_"][0]["tree_"] == Opaque("sklearn.tree._tree.Tree")


# The command line ----------------------------------------------------------------------------------------------------


def test_the_commands_take_a_file(tmp_path: Path) -> None:
    model = FOLDER / "scaler_pca_logistic.skops"
    x = command.array(tmp_path / "x.npy", EXPECTED["scaler_pca_logistic/x"])
    shown = command.run("show", model)
    assert shown.exit_code == 0
    assert [name in shown.stdout for name in ("scaler", "pca", "scores")] == [True] * 3
    done = command.run("explain", model, x, "--target", 1, "-o", tmp_path / "out")
    assert (done.exit_code, (tmp_path / "out" / "x_0.npz").exists()) == (0, True)
    with np.load(tmp_path / "out" / "x_4.npz") as saved:
        (relevance,) = (saved[k] for k in saved.files if k.startswith("input_relevance/"))
    expected = lrp.explain(lrp.load(model), EXPECTED["scaler_pca_logistic/x"], target=1).relevance
    close(relevance, expected[4:])
    checked = command.run("check", model, x, "--output", "logodds")
    assert checked.exit_code == 0
    assert "checks hold" in checked.stdout


def test_the_commands_refuse_in_one_line(tmp_path: Path) -> None:
    x = command.array(tmp_path / "x.npy", np.ones((1, 3)))
    (tmp_path / "broken.skops").write_bytes(b"PK\x03\x04 and nothing more")
    for path in (tmp_path / "broken.skops", FOLDER / "forest.skops"):
        done = command.run("explain", path, x)
        assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert path.name in done.stderr


# The same estimators, fitted anew ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_file_is_the_estimator_in_memory(seed: int, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    io = pytest.importorskip("skops.io")
    count = 0
    for case in skops_files.cases(seed):
        io.dump(case.estimator, path := tmp_path / f"{case.name}.skops")
        assert skops.read(path) == Fitted.of(case.estimator)
        for output, expected in case.expected.items():
            if output not in ("label", "largest"):
                close(lrp.load(path, output=output).forward(case.x), expected)
                count += 1
    assert count == len(SCORES)
