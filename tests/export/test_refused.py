"""Forms of exported graphs, and how what they do not take is refused: one clear line each."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from compiled_cases import IMAGES, SIZES, D, X, close, conv, deep, mlp, run, single

import lrp_ref as lrp
from lrp_ref import layers as L  # noqa: N812
from lrp_ref.errors import (
    BackendError,
    GraphError,
    LrpError,
    MissingExtraError,
    NonFiniteError,
    ParameterError,
    ShapeError,
    UnsupportedError,
)
from lrp_ref.network import Network

# Forms of the graph --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", range(17, 24))
@pytest.mark.parametrize("composite", ["epsilon", "epsilon_alpha2_beta1"])
def test_every_opset_and_both_ways_of_writing(composite: str, opset: int, tmp_path: Path) -> None:
    wanted = lrp.explain(conv(), IMAGES, target=1, composite=composite).relevance
    for optimize in ("size", "speed"):
        path = tmp_path / f"{optimize}.onnx"
        lrp.export_onnx(conv(), composite, path, targets="input", opset=opset, optimize=optimize, **SIZES)
        assert onnx.load(path).opset_import[0].version == opset
        close(run(path, {"input": single(IMAGES), "target": np.ones(5, dtype=int)})["relevance"], wanted)


def test_float64(tmp_path: Path) -> None:
    from onnx.reference import ReferenceEvaluator

    path = tmp_path / "e.onnx"
    lrp.export_onnx(conv(), "epsilon", path, dtype="float64", **SIZES)
    graph, e = ReferenceEvaluator(str(path)), lrp.explain(conv(), IMAGES)
    found = dict(zip(graph.output_names, graph.run(None, {"input": IMAGES}), strict=True))
    np.testing.assert_allclose(found["relevance"], e.relevance, rtol=1e-9, atol=1e-12 * np.abs(e.relevance).max())


@pytest.mark.parametrize(
    "form", [{"opset": 16}, {"opset": 24}, {"opset": "17"}, {"opset": 17.0}, {"optimize": "fast"}, {"dtype": "float16"}]
)
def test_forms_that_are_none(form: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="must be"):
        lrp.export_onnx(mlp(), "epsilon", tmp_path / "e.onnx", **form)


def test_epsilon_and_gamma_stay_adjustable(tmp_path: Path) -> None:
    path, box = tmp_path / "e.onnx", {"composite": "epsilon_gamma_box", "low": -3, "high": 3}
    lrp.export_onnx(deep(), path=path, targets="input", adjustable=("epsilon", "gamma"), forward=True, **box, **SIZES)
    feeds = {"input": single(IMAGES), "target": np.ones(5, dtype=int)}
    with pytest.raises(ValueError, match="missing from input feed"):
        run(path, feeds)
    for epsilon, gamma in ((1e-6, 1.0), (0.5, 0.25), (2.0, 0.0)):
        found = run(path, {**feeds, "epsilon": single(epsilon), "gamma": single(gamma)})
        wanted = lrp.explain(deep(), IMAGES, target=1, epsilon=epsilon, gamma=gamma, **box)
        close(found["relevance"], wanted.relevance)
    assert set(run(tmp_path / "e.forward.onnx", {"input": single(IMAGES)})) == {"output"}
    for adjustable, message in (
        ("gamma", "has epsilon to adjust"), (("bias",), "has epsilon to adjust"), (("epsilon",), "epsilon is 0"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=message):
            lrp.export_onnx(mlp(), "epsilon", path, adjustable=adjustable, epsilon=0 if "0" in message else None)


# What is refused -----------------------------------------------------------------------------------------------------


class Looking(L.ReLU):
    """A layer that branches on what it reads."""

    def forward(self, *xs: Any) -> Any:
        if bool((xs[0] > 1e30).any()):
            raise NonFiniteError("too large")
        return super().forward(*xs)


def test_all_nodes_that_cannot_be_written_are_named_at_once(tmp_path: Path) -> None:
    dense = [L.Dense(D(4, 4)) for _ in range(3)]
    net = Network.sequential([dense[0], ("first", Looking()), dense[1], ("second", Looking()), dense[2]])
    for made in (
        lambda: lrp.export_onnx(net, "epsilon", tmp_path / "e.onnx", shapes=(4,)),
        lambda: lrp.compile(net, "epsilon", shapes=(4,)),
    ):
        with pytest.raises(UnsupportedError, match=r"^2 nodes .*'first' \(Looking.*'second' \(Looking"):
            made()
    with pytest.raises(UnsupportedError, match=r"^node cannot be written as a graph: 'first'"):
        lrp.compile(net.until("first"), "epsilon", shapes=(4,))
    assert not (tmp_path / "e.onnx").exists()


@pytest.mark.parametrize(
    ("made", "kind", "message"),
    [
        (lambda: np.ones((2, 4), dtype=int), BackendError, "nothing to give relevance to"),
        (lambda: np.ones((2, 4), dtype=bool), BackendError, "nothing to give relevance to"),
        (lambda: np.ones((2, 4), dtype=complex), BackendError, "nothing to give relevance to"),
        (lambda: np.ones((2, 4), dtype=object), BackendError, "holds object.*use lrp.explain"),
        (lambda: "text", BackendError, "not a NumPy or CuPy array"),
        (lambda: [[1.0, 2.0, 3.0, 4.0]], BackendError, "not a NumPy or CuPy array"),
        (lambda: np.full((2, 4), np.nan), NonFiniteError, "not finite"),
        (lambda: np.full((2, 4), 1e300), NonFiniteError, "float32 cannot hold"),
        (lambda: np.ones((2, 5)), ShapeError, r"expects \(N, 4\)"),
        (lambda: np.ones(4), ShapeError, r"expects \(N, 4\)"),
        (lambda: {"y": X}, GraphError, "inputs are input; given: y"),
        (dict, GraphError, "inputs are input"),
    ],
)  # fmt: skip
def test_inputs_that_are_none(made: Callable[[], Any], kind: type[LrpError], message: str) -> None:
    compiled = lrp.compile(mlp(), "epsilon")
    with pytest.raises(kind, match=message):
        compiled(made())


def test_floats_of_any_type_are_rounded_to_float32() -> None:
    compiled, x = lrp.compile(mlp(), "epsilon"), X.astype(np.float16)
    assert compiled(x).relevance.dtype == np.float32
    close(compiled(x).relevance, lrp.explain(mlp(), x.astype(float)).relevance)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"composite": "epsilonn"}, "did you mean 'epsilon'"), ({"composite": 3}, "is no composite"),
        ({"gama": 2}, "not 'gama'"), ({"xp": "numpy"}, "not 'xp'"), ({"target": 1}, "at the call"),
        ({"conditions": {}}, "not 'conditions'"), ({"start": "zz"}, "unknown start"), ({"epsilon": -1}, "must be ≥ 0"),
        ({"example": np.full((1, 4), np.nan)}, "not finite"), ({"example": np.ones((1, 5))}, r"expects \(N, 4\)"),
        ({"example": np.ones((0, 4))}, "no sample"), ({"example": "text"}, "not a NumPy or CuPy array"),
    ],
)  # fmt: skip
def test_questions_that_are_none(how: dict[str, Any], message: str) -> None:
    with pytest.raises(LrpError, match=message):
        lrp.compile(mlp(), **{"composite": "epsilon", **how})


def test_numbers_that_float32_cannot_hold(tmp_path: Path) -> None:
    for size in (4, 4000):
        large = Network.sequential([L.Dense(np.full((size, 3), 1e60))])
        for made in (
            lambda net=large, n=size: lrp.compile(net, "epsilon", shapes=(n,)),
            lambda net=large, n=size: lrp.export_onnx(net, "epsilon", tmp_path / "e.onnx", shapes=(n,)),
        ):
            with pytest.raises(NonFiniteError, match=r"1e\+60, which float32 cannot hold"):
                made()
        lrp.export_onnx(large, "epsilon", tmp_path / "e.onnx", shapes=(size,), dtype="float64")


def test_what_is_not_a_network_and_files_that_cannot_be_written(tmp_path: Path) -> None:
    for function in (lrp.compile, lrp.export_onnx):
        with pytest.raises(ParameterError, match="takes a Network, got a str"):
            function("model.onnx", "epsilon")
    for path in (tmp_path, tmp_path / "none" / "e.onnx"):
        with pytest.raises(ParameterError, match="cannot be written"):
            lrp.export_onnx(mlp(), "epsilon", path)
    exact = lrp.arithmetic.rational(mlp())
    with pytest.raises(BackendError, match="exact numbers"):
        lrp.compile(exact, "epsilon")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_packages_that_are_missing(missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=f"{missing} is needed to .*pip install"):
        lrp.compile(mlp(), "epsilon")
    if missing == "onnx":
        with pytest.raises(MissingExtraError, match="onnx is needed to write a graph"):
            lrp.export_onnx(mlp(), "epsilon", tmp_path / "e.onnx")
    else:
        assert lrp.export_onnx(mlp(), "epsilon", tmp_path / "e.onnx").nodes


def test_an_explanation_without_its_ledger() -> None:
    e = lrp.compile(mlp(), "epsilon")(X, target=1)
    assert "no ledger; computed by onnxruntime" in repr(e)
    assert "lrp.compile(..., ledger=True)" in repr(e.ledger)
    assert "lrp.compile(..., ledger=True)" in e.ledger._repr_html_()
    assert e.sample(2).relevance.shape == (1, 4)
    assert repr(pickle.loads(pickle.dumps(e))) == repr(e)  # noqa: S301
    with pytest.raises(UnsupportedError, match="compiled without its ledger"):
        list(e.ledger)
    assert e.trace.relevance["a"].shape == (5, 5)


def test_no_ledger_is_not_a_ledger_that_fails(tmp_path: Path) -> None:
    with_one, without = (lrp.compile(mlp(), "epsilon", ledger=ledger)(X) for ledger in (True, False))
    assert with_one.checks()["ledger"]
    assert "ledger" not in without.checks()
    assert "ledger_residual" in lrp.load_relevance(with_one.save(tmp_path / "with.npz"))
    assert "ledger_residual" not in lrp.load_relevance(without.save(tmp_path / "without.npz"))
