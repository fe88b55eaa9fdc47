"""What few ask of an exported or compiled explanation: the answer of ``lrp.explain``, or a line that says why not."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import command
import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime as runtime
from samples import Draw

import lrp_ref as lrp
from lrp_ref import layers as L  # noqa: N812
from lrp_ref import rules
from lrp_ref.errors import BackendError, LrpError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.export.checking import example_of
from lrp_ref.network import Network

D = Draw("unusual", "normal")
X = D(3, 4)


def mlp(name: str = "input", outputs: int = 3) -> Network:
    draw = Draw("unusual mlp", "normal")
    layers: Sequence[L.Layer] = [L.Dense(draw(4, 5), draw(5)), L.ReLU(), L.Dense(draw(5, outputs), draw(outputs))]
    return Network.sequential(layers, input_name=name)


def single(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32)


def maps() -> Network:
    """A network whose output has several axes."""
    draw = Draw("unusual maps", "normal")
    return Network.sequential([L.Conv(draw(4, 2, 3, 3), padding=1), L.ReLU(), L.Conv(draw(3, 4, 3, 3), padding=1)])


IMAGES, SIZES = D(2, 2, 5, 5), {"shapes": (2, 5, 5)}


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    lrp.export_onnx(mlp(), "epsilon", pipe, shapes=(4,))
    reader.join(timeout=20)
    assert pipe.is_fifo()
    assert runtime.InferenceSession(read[0], providers=["CPUExecutionProvider"]).get_outputs()[0].name == "output"


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    there, link = tmp_path / "folder" / "e.onnx", tmp_path / "link.onnx"
    link.symlink_to(there)
    for _ in range(2):  # what it names is not there yet, and is
        lrp.export_onnx(mlp(), "epsilon", link, shapes=(4,))
        assert link.is_symlink()
        assert there.stat().st_size > 1000
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["e.onnx"]


@pytest.mark.parametrize("path", [None, 3, b"e.onnx", "", ".", "a\0b"])
def test_paths_that_name_no_file(path: Any) -> None:
    with pytest.raises(ParameterError, match="names no file"):
        lrp.export_onnx(mlp(), "epsilon", path, shapes=(4,))


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ({"adjustable": 3}, ParameterError, "3 is no name of a parameter"),
        ({"shapes": (1 << 30, 1 << 30)}, ShapeError, "no computer holds a sample"),
        ({"epsilon": 1e-300}, NonFiniteError, "1e-300, which float32 rounds to 0"),
    ],
)
def test_questions_that_no_graph_answers(how: dict[str, Any], kind: type[LrpError], message: str) -> None:
    with pytest.raises(kind, match=message):
        lrp.export_onnx(mlp(), "epsilon", "none.onnx", **{"shapes": (4,), **how})


def test_an_input_without_a_name(tmp_path: Path) -> None:
    for made in (
        lambda: lrp.export_onnx(mlp(""), "epsilon", tmp_path / "e.onnx", shapes=(4,)),
        lambda: lrp.compile(mlp(""), "epsilon", shapes=(4,)),
    ):
        with pytest.raises(ParameterError, match="has the name ''"):
            made()


@pytest.mark.parametrize("name", ["a/b", "a b", "é", "input:0", "relevance", "v0", "c1", "a\nb", "0", "N", "🙂"])
def test_names_of_inputs(name: str, tmp_path: Path) -> None:
    lrp.export_onnx(mlp(name), "epsilon", tmp_path / "e.onnx", shapes=(4,))
    session = runtime.InferenceSession(tmp_path / "e.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {name: X.astype(np.float32)})[1]
    wanted = lrp.explain(mlp(name), X, composite="epsilon").relevance
    assert np.abs(found - wanted).max() <= 2e-6 * np.abs(wanted).max()


# Targets and starts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [(1, 2, 3), (2, 4, 4), 7, [3, 50], [(1,), (5,)], None])
def test_a_tuple_is_one_index_into_an_output(target: Any) -> None:
    compiled = lrp.compile(maps(), "epsilon", **SIZES)
    for x in (IMAGES, IMAGES[:1]):
        if isinstance(target, list) and len(x) == 1:
            continue
        found, wanted = compiled(x, target=target), lrp.explain(maps(), x, composite="epsilon", target=target)
        assert found.target.tolist() == wanted.target.tolist()
        assert np.abs(found.relevance - wanted.relevance).max() <= 2e-6 * np.abs(wanted.relevance).max()


def test_an_index_of_several_numbers_is_written(tmp_path: Path) -> None:
    lrp.export_onnx(maps(), "epsilon", tmp_path / "e.onnx", targets=(1, 2, 3), **SIZES)
    session = runtime.InferenceSession(tmp_path / "e.onnx", providers=["CPUExecutionProvider"])
    found = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, {"input": single(IMAGES[:1])}), strict=True)
    )
    assert found["explained"].tolist() == [[1 * 25 + 2 * 5 + 3]]
    wanted = lrp.explain(maps(), IMAGES[:1], composite="epsilon", target=(1, 2, 3)).relevance
    assert np.abs(found["relevance"] - wanted).max() <= 2e-6 * np.abs(wanted).max()
    with pytest.raises(ParameterError, match="out of range"):
        lrp.export_onnx(maps(), "epsilon", tmp_path / "e.onnx", targets=(1, 2, 9), **SIZES)


def test_several_indices_and_differences_are_written(tmp_path: Path) -> None:
    path, x = tmp_path / "e.onnx", IMAGES[:1]
    for start in ("logit", lrp.start.Difference(5), lrp.start.Difference((1, 1, 1))):
        for targets in ([(1, 2, 3), (0, 0, 0), 7], "argmax"):
            lrp.export_onnx(maps(), "epsilon", path, targets=targets, start=start, **SIZES)
            session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
            found = dict(
                zip([o.name for o in session.get_outputs()], session.run(None, {"input": single(x)}), strict=True)
            )
            if targets != "argmax":
                assert found["explained"].tolist() == [[38], [0], [7]]
            many = np.repeat(x, len(found["explained"]), axis=0)
            wanted = lrp.explain(maps(), many, composite="epsilon", target=found["explained"], start=start).relevance
            assert np.abs(found["relevance"] - wanted).max() <= 2e-6 * np.abs(wanted).max()
    for targets, against in (([3, 5], 5), ((1, 2, 3), (1, 2, 3))):
        with pytest.raises(ParameterError, match="also what it is set against"):
            lrp.export_onnx(maps(), "epsilon", path, targets=targets, start=lrp.start.Difference(against), **SIZES)


@pytest.mark.parametrize("against", range(3))
def test_a_difference_is_compiled_whatever_the_example_would_choose(against: int) -> None:
    start, target = lrp.start.Difference(against), (against + 1) % 3
    compiled = lrp.compile(mlp(), "epsilon", shapes=(4,), start=start)
    wanted = lrp.explain(mlp(), X, composite="epsilon", start=start, target=target).relevance
    assert np.abs(compiled(X, target=target).relevance - wanted).max() <= 2e-6 * np.abs(wanted).max()
    with pytest.raises(ParameterError, match="also what it is set against"):
        compiled(X, target=against)


def test_a_difference_needs_two_outputs() -> None:
    with pytest.raises(ParameterError, match="also what it is set against"):
        lrp.compile(mlp(outputs=1), "epsilon", shapes=(4,), start=lrp.start.Difference(0))
    with pytest.raises(ParameterError, match="against 3 is out of range"):
        lrp.compile(mlp(), "epsilon", shapes=(4,), start=lrp.start.Difference(3))


def test_arrays_of_one_sample_hold_one_explanation() -> None:
    net = Network(mlp().nodes, (lrp.Input("input", (4,), batch_axis=None),), mlp().outputs, output_axes=(None,))
    compiled = lrp.compile(net, "epsilon")
    for target in (None, 2, [1]):
        found = compiled(X[0], target=target)
        wanted = lrp.explain(net, X[0], composite="epsilon", target=target)
        assert found.relevance.shape == wanted.relevance.shape == (4,)
        assert np.abs(found.relevance - wanted.relevance).max() <= 2e-6 * np.abs(wanted.relevance).max()
    with pytest.raises(ParameterError, match="without an axis for several explanations"):
        compiled(X[0], target=[0, 1, 2])


# Numbers -------------------------------------------------------------------------------------------------------------


def test_samples_of_which_float32_keeps_nothing_are_refused() -> None:
    compiled = lrp.compile(mlp(), "epsilon", shapes=(4,))
    for size in (1e-42, 1e-300):
        with pytest.raises(BackendError, match="in sample 1 no number above"):
            compiled(X * np.array([[1.0], [size], [1.0]]))
    x = np.concatenate([np.where(X > 0, X, X * 1e-100), np.zeros((1, 4))])  # what matters is kept
    found, wanted = compiled(x), lrp.explain(mlp(), x, composite="epsilon")
    assert np.abs(found.relevance - wanted.relevance).max() <= 2e-6 * np.abs(wanted.relevance).max()


def test_an_explanation_that_float32_does_not_hold_is_not_compiled() -> None:
    small = Network.sequential([L.Dense(D(4, 5) * 1e-25), L.ReLU(), L.Dense(D(5, 3) * 1e-25)])
    assert np.abs(lrp.explain(small, X, composite="lrp0").relevance).max() > 0
    with pytest.raises(LrpError, match="float32 does not hold this explanation"):
        lrp.compile(small, "lrp0", shapes=(4,))


def test_where_random_numbers_do_not_serve_the_error_says_what_does() -> None:
    net = Network.sequential([L.Log(), L.Dense(D(4, 2))])
    with pytest.raises(LrpError, match="one sample of random numbers: give one of your own, example="):
        lrp.compile(net, [("*", rules.Gradient())], shapes=(4,))
    compiled = lrp.compile(net, [("*", rules.Gradient())], example=np.abs(X))
    assert compiled.difference is not None
    assert compiled.difference < 2e-6


def test_sequences_are_compared_over_all_of_their_steps() -> None:
    layer = L.LSTM(D(1, 4, 3, 2), D(1, 4, 3, 3), D(1, 4, 3), returns="last", lengths=True)
    inputs = lrp.Input("x", (None, 6, 2)), lrp.Input("n", (None,))
    net = Network((lrp.Node("r", layer, ("x", "n")), lrp.Node("d", L.Dense(D(3, 2)), ("r",))), inputs, ("d",))
    compiled = lrp.compile(net, "epsilon", ledger=True)
    assert example_of(compiled.net, compiled._program.asked.blank)["n"].tolist() == [6]
    fed = {"x": D(4, 6, 2), "n": np.array([6, 1, 0, 3])}
    found, wanted = compiled(fed).relevance, lrp.explain(net, fed, composite="epsilon").relevance
    assert set(found) == set(wanted)
    assert np.abs(found["x"] - wanted["x"]).max() <= 4e-6 * np.abs(wanted["x"]).max()
    assert not found["x"][2].any()


# Objects -------------------------------------------------------------------------------------------------------------


def test_copies_and_pickles() -> None:
    compiled = lrp.compile(mlp(), "epsilon_plus", shapes=(4,), ledger=True, start=lrp.start.Difference(0))
    assert copy.copy(compiled) is compiled
    assert copy.deepcopy(compiled) is compiled
    again = pickle.loads(pickle.dumps(compiled))  # noqa: S301
    assert again is not compiled
    assert repr(again) == repr(compiled)
    e, wanted = again(X, target=1), compiled(X, target=1)
    assert np.array_equal(e.relevance, wanted.relevance)
    assert e.ledger.residual == wanted.ledger.residual


def test_weights_that_change_afterwards_change_nothing() -> None:
    for dtype in ("float32", "float64"):  # large ones, which might be shared
        weight = D(64, 2, 5, 5).astype(dtype)
        net = Network.sequential(
            [L.Conv(weight, padding=2), L.ReLU(), L.Flatten(), L.Dense(D(64 * 25, 2).astype(dtype))]
        )
        compiled = lrp.compile(net, "epsilon", shapes=(2, 5, 5))
        before = compiled(IMAGES).relevance
        weight *= 2
        assert np.array_equal(compiled(IMAGES).relevance, before)


def test_threads_share_one() -> None:
    compiled, found = lrp.compile(mlp(), "epsilon", shapes=(4,)), {}
    batches = [D(k % 3 + 1, 4) for k in range(12)]

    def ask(k: int) -> None:
        found[k] = [compiled(x).relevance for x in batches]

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        for x, relevance in zip(batches, found[k], strict=True):
            wanted = lrp.explain(mlp(), x, composite="epsilon").relevance
            assert np.abs(relevance - wanted).max() <= 2e-6 * np.abs(wanted).max()


# The command line ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (["-t", "1+2"], "a graph explains no sums"), (["-t", "1,2"], "targets must be"),
        (["-o", "."], "'.' names no file"),
        (["--against", "2", "-t", "2"], "two different outputs"), (["--epsilon", "1e-300"], "rounds to 0"),
    ],
)  # fmt: skip
def test_the_command_line_answers_in_a_line(how: list[str], message: str, tmp_path: Path) -> None:
    model = tmp_path / "net.npz"
    lrp.save(Network(mlp().nodes, (lrp.Input("input", (None, 4)),), mlp().outputs), model)
    found = command.run("export", model, "-o", tmp_path / "e.onnx", *how)
    assert found.exit_code == 2
    assert message in found.output
    assert found.output.count("\n") == 1
    assert not (tmp_path / "e.onnx").exists()


def test_the_command_line_sets_every_prediction_against_one_output(tmp_path: Path) -> None:
    model, path = tmp_path / "net.npz", tmp_path / "e.onnx"
    lrp.save(Network(mlp().nodes, (lrp.Input("input", (None, 4)),), mlp().outputs), model)
    assert command.run("export", model, "-o", path, "--against", 2).exit_code == 0
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = dict(zip([o.name for o in session.get_outputs()], session.run(None, {"input": single(X)}), strict=True))
    output, rows = lrp.explain(mlp(), X).output, np.arange(len(X))
    begun = found["start"].sum(axis=1)
    assert np.allclose(begun, output.max(axis=1) - output[rows, 2], rtol=1e-5, atol=1e-5)
    assert not found["relevance"][output.argmax(axis=1) == 2].any()
