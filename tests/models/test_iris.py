"""The network of irises: right about its samples, exact on rationals, and small enough for formulas that are read."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.arithmetic import rational
from lrp_ref.loaders.preprocess import load_sidecar, parse_sidecar

MODELS = Path(__file__).parents[2] / "models"
SAMPLES, IRIS = MODELS / "samples", MODELS / "iris_mlp.npz"
SPECIES = ("setosa", "versicolor", "virginica")
F = Fraction


def flower(species: str) -> Any:
    return np.load(SAMPLES / f"iris_{species}.npy")


# Every shipped model ----------------------------------------------------------------------------------------------


def test_the_readme_has_a_row_and_the_checksum_of_every_model() -> None:
    text = (MODELS / "README.md").read_text()
    sums = dict(reversed(line.split("  ")) for line in re.findall(r"^[0-9a-f]{64}  \S+$", text, re.M))  # type: ignore[arg-type]
    files = {p.name: p for p in MODELS.iterdir() if p.suffix in (".onnx", ".npz")}
    assert set(sums) == set(files)
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[name], name
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert row.rstrip(" |").endswith(f"{path.stat().st_size:,}"), name
        assert load_sidecar(path) is not None, name


# The network ------------------------------------------------------------------------------------------------------


def test_it_is_right_about_its_samples() -> None:
    net = lrp.load(IRIS)
    held = np.load(SAMPLES / "iris_test30.npz")
    assert (net.forward(held["flower"]).argmax(axis=1) == held["labels"]).all()
    assert [int(net.forward(flower(s)).argmax()) for s in SPECIES] == [0, 1, 2]
    assert load_sidecar(IRIS).classes == SPECIES  # type: ignore[union-attr]


def test_its_weights_are_sixteenths_and_the_same_in_every_dtype() -> None:
    net = lrp.load(IRIS)
    assert sum(p.size for p in net.parameters) == 24
    for p in net.parameters:
        assert (p * 16 == np.round(p * 16)).all()
        assert (p.astype(np.float32).astype(np.float64) == p).all()


def test_its_making_repeats() -> None:
    """The script's own training, where scikit-learn is installed."""
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_iris

    spec = importlib.util.spec_from_file_location("make_iris", MODELS / "make" / "iris.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    data = load_iris()
    held = np.arange(150) % 50 >= 40
    made = script.train(data.data[~held].astype(float), data.target[~held])
    for a, b in zip(made, lrp.load(IRIS).parameters, strict=True):
        assert np.array_equal(a, b)


def by_hand(x: Any, target: int, epsilon: Fraction) -> list[Fraction]:
    """R_i of the ε-rule in fractions: two layers, R_j = a_j v_jt/(z_t ± ε)·z_t, R_i = Σ_j x_i w_ij/(z_j ± ε)·R_j."""
    first, second = (n.layer for n in lrp.load(IRIS).nodes[::2])
    w, b, v = ([F(float(n)) for n in a.reshape(-1)] for a in (first.weight, first.bias, second.weight))  # type: ignore[attr-defined]
    x = [F(float(n)) for n in x[0]]
    z = [sum((x[i] * w[3 * i + j] for i in range(4)), b[j]) for j in range(3)]
    a = [max(n, F(0)) for n in z]
    out = sum((a[j] * v[3 * j + target] for j in range(3)), F(0))

    def stable(n: Fraction) -> Fraction:
        return n + (epsilon if n >= 0 else -epsilon)

    hidden = [a[j] * v[3 * j + target] / stable(out) * out for j in range(3)]
    return [sum((x[i] * w[3 * i + j] / stable(z[j]) * hidden[j] for j in range(3)), F(0)) for i in range(4)]


@pytest.mark.parametrize("target", range(3))
@pytest.mark.parametrize("species", SPECIES)
def test_its_relevances_by_hand(species: str, target: int) -> None:
    e = lrp.explain(rational(lrp.load(IRIS)), rational(flower(species)), target=target, composite=rules.Epsilon(0.25))
    assert list(e.relevance[0]) == by_hand(flower(species), target, F(1, 4))
    assert e.ledger.residual == 0


@pytest.mark.parametrize("species", SPECIES)
def test_the_formulas_of_its_relevances_are_right(species: str) -> None:
    """The numbers of the input and of the weights, put into the printed formulas, give the relevances by hand."""
    pytest.importorskip("sympy")
    made = lrp.symbolic(lrp.load(IRIS), flower(species), composite=rules.Epsilon(0.25), numbers=True)
    assert made.residual == 0
    (arrived,) = made.inputs.values()
    lines = {line.symbol: line for step in made.steps for line in (*step.gathered, *step.relevances)} | {
        line.symbol: line for line in made.gathered
    }
    found = [made.letters[s].value if s in made.letters else F(0) for s in arrived.flat]
    assert lines
    assert found == by_hand(flower(species), SPECIES.index(species), F(1, 4))


@pytest.mark.parametrize("form", ["", "--latex", "--markdown", "--numbers"])
def test_the_formula_command_reads_it(form: str) -> None:
    pytest.importorskip("sympy")
    for given in ([], [SAMPLES / "iris_versicolor.npy"]):
        done = run("formula", IRIS, *given, *([form] if form else []))
        assert (done.exit_code, done.stderr) == (0, "")
    if form in ("", "--numbers"):
        assert "R_1^(flower) = x_1·w_11/(z_1 + ε)·R_1^(dense1) + " in done.stdout
        assert "conservation: ΣR_out − ΣR_in − bias − stabiliser − dropped = 0" in done.stdout
        assert max(map(len, done.stdout.splitlines())) < 400


def test_explain_and_check_take_it(tmp_path: Path) -> None:
    done = run("explain", IRIS, SAMPLES / "iris_virginica.npy", "-t", "virginica", "-o", tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[2].split()[:2] == ["2", "virginica"]
    assert run("check", IRIS, SAMPLES / "iris_test30.npz", "-c", "epsilon").exit_code == 0
    assert "sidecar: vector, 3 classes, composite epsilon" in run("show", IRIS).stdout


# The sidecar of a vector ------------------------------------------------------------------------------------------


def test_the_sidecar_of_a_vector() -> None:
    names = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
    found = load_sidecar(IRIS)
    assert found is not None
    assert (found.kind, found.layout, found.shape(), list(found.feature_names)) == ("vector", "NF", (1, 4), names)
    assert parse_sidecar({"input": {"kind": "vector"}}).shape() is None
    with pytest.raises(lrp.LrpError, match="this model's input is a vector"):
        found.bounds()
    with pytest.raises(lrp.LrpError, match=r"key 'input\.size' is not known"):
        parse_sidecar({"input": {"kind": "vector", "size": [2, 2]}})
