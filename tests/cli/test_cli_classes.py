"""Models that bring the names of their classes: on the command line they are asked for and told by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import run

import lrp_ref as lrp
from lrp_ref.neuralise import Fitted, from_fitted

X = np.array([[1.0, 2.0, -1.0], [0.5, -1.0, 0.25]])
WEIGHT = np.array([[1.0, -2.0, 0.5], [0.25, 1.0, 1.0], [-1.0, 0.5, 2.0]])


def kept(folder: Path, fitted: Fitted, output: object = None) -> Path:
    np.save(folder / "x.npy", X)
    lrp.save(from_fitted(fitted, output), folder / "model.npz")
    return folder / "model.npz"


def linear(rows: int) -> Fitted:
    return Fitted(
        "LogisticRegression", {"coef_": WEIGHT[:rows], "classes_": np.array(["ant", "bee", "cat"][: rows + (rows < 2)])}
    )


def test_classes_by_name(tmp_path: Path) -> None:
    model = kept(tmp_path, linear(3))
    done = run("explain", model, tmp_path / "x.npy", "-t", "cat", "--against", "ant", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "cat against ant" in done.stdout
    found = lrp.load_relevance(tmp_path / "out" / "x_0.npz")["relevance"]
    np.testing.assert_allclose(found, [X[0] * (WEIGHT[2] - WEIGHT[0])], rtol=1e-12)
    assert "1  bee" in run("show", model, "--classes").stdout
    wrong = run("explain", model, tmp_path / "x.npy", "-t", "cats")
    assert wrong.exit_code == 2
    assert "did you mean 'cat' (2)?" in wrong.stderr


def test_the_class_that_has_no_output(tmp_path: Path) -> None:
    model = kept(tmp_path, linear(1))
    wrong = run("explain", model, tmp_path / "x.npy", "-t", "ant")
    assert wrong.exit_code == 2
    assert "the model has one output, > 0 for 'bee'" in wrong.stderr
    done = run("explain", model, tmp_path / "x.npy", "-t", "bee", "-o", tmp_path / "out")
    assert done.exit_code == 0
    assert "x_0: bee: -3.5" in done.stdout  # 1 − 4 − 0.5


def test_probabilities_are_those_of_the_model(tmp_path: Path) -> None:
    """Of log-odds it is σ, which is the posterior; of margins there is none."""
    model = kept(tmp_path, linear(3), "logodds")
    np.save(tmp_path / "one.npy", X[:1])
    scores = WEIGHT @ X[0]
    posterior = np.exp(scores) / np.exp(scores).sum()
    out = run("explain", model, tmp_path / "one.npy", "-o", tmp_path / "out").stdout
    assert "σ" in out or f", {100 * posterior.max():.0f} %" in out
    assert f"{100 * posterior.max():.0f}" in out
    centres = Fitted("KMeans", {"cluster_centers_": WEIGHT})
    out = run("explain", kept(tmp_path, centres), tmp_path / "x.npy", "-o", tmp_path / "out").stdout
    assert "x_0: output " in out
    assert "%" not in out.split("relevance")[0]


def test_other_names_of_bias_policies(tmp_path: Path) -> None:
    model = kept(tmp_path, Fitted("LinearSVC", {"coef_": WEIGHT[:1], "intercept_": np.array([3.0])}))
    run("explain", model, tmp_path / "x.npy", "--bias", "uniform", "-o", tmp_path / "out")
    found = lrp.load_relevance(tmp_path / "out" / "x_0.npz")["relevance"]
    np.testing.assert_allclose(found, [X[0] * WEIGHT[0] + 1.0], rtol=1e-12)


@pytest.mark.parametrize(("suffix", "sign"), [("csv", ","), ("tsv", "\t")])
def test_a_table_is_refused_with_advice_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, sign: str
) -> None:
    monkeypatch.chdir(tmp_path)
    model = kept(tmp_path, linear(3))
    np.savetxt(f"table.{suffix}", X, delimiter=sign)
    wrong = run("explain", model, f"table.{suffix}")
    assert wrong.exit_code == 2
    code = wrong.stderr[wrong.stderr.index("numpy.save(") : wrong.stderr.index("; a first")]
    exec(code, {"numpy": np})  # noqa: S102 - our own advice
    np.testing.assert_array_equal(np.load("table.npy"), X)
    assert run("explain", model, "table.npy").exit_code == 0


def test_compare_takes_the_composite_of_the_model(tmp_path: Path) -> None:
    done = run("compare", kept(tmp_path, linear(3)), tmp_path / "x.npy", "--measures", "gini", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "\nlrp0 " in done.stdout
    assert "epsilon_plus" not in done.stdout
