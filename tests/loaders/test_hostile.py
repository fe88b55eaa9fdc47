"""Hostile files: changed at random, and those that were found so.

A format is entered in ``tests/support/hostile.py``; a long run is ``tests/support/fuzz.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest
from hostile_files import Make, array, edited, graph, said, sparse, zipped

from lrp_ref.errors import LrpError, ModelFormatError
from lrp_ref.loaders import load

onnx = pytest.importorskip("onnx")
helper = onnx.helper
FILES = 150  # of each format; a second or two


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_changed_files_do_no_harm(name: str, tmp_path: Path) -> None:
    path = hostile.prepared(tmp_path, name)
    for number in range(FILES):
        path.write_bytes(hostile.changed(name, number))
        assert hostile.fault(path) is None, f"{name} {number}"


@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_files_that_were_not_changed_load(name: str, tmp_path: Path) -> None:
    path = hostile.prepared(tmp_path, name)
    for content in hostile.HOSTILE[name].seeds():
        path.write_bytes(content)
        assert len(load(path)) > 0


def test_a_file_has_the_same_changes_in_every_run() -> None:
    assert hostile.changed("onnx", 5) == hostile.changed("onnx", 5) != hostile.changed("onnx", 6)


@pytest.mark.parametrize(
    ("raises", "said"),
    [
        (KeyError("k"), "KeyError is not the package's own"),
        (LrpError("model.onnx: no kind"), "LrpError: "),
        (ModelFormatError("no file is named"), "its error is not one line"),
        (ModelFormatError("model.onnx: Unable to allocate 7 TiB"), "an allocation beyond memory was tried"),
    ],
)
def test_the_fuzz_finds_what_it_looks_for(
    raises: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise raises

    monkeypatch.setattr(hostile, "load", refuse)
    (tmp_path / "model.onnx").write_bytes(b"")
    assert str(hostile.fault(tmp_path / "model.onnx")).startswith(said)


def test_the_fuzz_finds_memory_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    monkeypatch.setattr(hostile, "bound", lambda size: 1 << 20)
    monkeypatch.setattr(hostile, "load", lambda path: np.ones(1 << 18))
    assert "bytes were allocated, 1048576 are allowed" in str(hostile.fault(tmp_path / "model.onnx"))
    monkeypatch.setattr(hostile, "SECONDS", -1.0)
    assert str(hostile.fault(tmp_path / "model.onnx")).startswith("it took ")


# Files that the fuzz found -------------------------------------------------------------------------------------------


def _uncalled(model: Any) -> None:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    body = [helper.make_node("f", ["a"], ["c"], domain="local")]
    model.functions.append(helper.make_function("local", "f", ["a"], ["c"], body, opsets))
    model.opset_import.append(opsets[1])


# With fewer than some hundred numbers NumPy keeps the interpreter's lock, and such a remainder is only 0.
NARROW = np.ones(1000, helper.tensor_dtype_to_np_dtype(onnx.TensorProto.INT4))

FOUND: dict[str, tuple[Make, str]] = {
    "a text attribute that is a list of numbers": (
        graph(("ConvTranspose", ["x", "w"], {"auto_pad": [0.5]}), shape=(1, 2, 4), w=np.ones((2, 1, 3), np.float32)),
        "do not fit each other",
    ),
    "a function that calls itself and that nobody calls": (edited(_uncalled), "calls itself"),
    "a window of a hundred million places": (
        graph(("MaxPool", ["x"], {"kernel_shape": [10**4, 10**4]}), shape=("N", 1, 10**5, 10**5)), "a window of",
    ),
    "an average over a map beyond memory": (
        graph(("AveragePool", ["x"], {"kernel_shape": [1, 1]}), shape=("N", 1, 4, 1 << 30)), "a map for counting",
    ),
    "a border over a billion positions": (
        graph(("Pad", ["x", "p"], {"mode": "edge"}), p=np.array([0, 0, 0, 1 << 30])), "positions of up to",
    ),
    "an empty sparse tensor that no memory could hold": (sparse([1 << 62, 1 << 62, 0], 0), "which no array can have"),
    "a join of nothing": (
        edited(lambda m: (setattr(m.graph.node[0], "op_type", "QLinearConcat"),
                          setattr(m.graph.node[0], "domain", "com.microsoft"),
                          m.opset_import.append(helper.make_opsetid("com.microsoft", 1)))), "it joins nothing",
    ),
    "a product of a billion factors": (
        graph(("ReduceProd", ["x"], {"axes": [1]}), shape=("N", 1 << 30)), "65536 factors are allowed",
    ),
    "an array header that ends inside a bracket": (zipped(array(b"{'descr': ((((\n", bytes(8))), "is no array"),
    "a remainder by 0 of narrow integers, which ended the process": (
        graph(("Mod", ["a", "b"], {}), ("Cast", ["t0"], {"to": 1}), ("Add", ["x", "t1"], {}), shape=("N", 1000),
              a=NARROW, b=0 * NARROW, opset=21), "integers of less than 8 bits",
    ),
    "copies that a later axis has none of": (
        graph(("Tile", ["w", "r"], {}), ("ReduceSum", ["t0"], {"keepdims": 0}), ("Add", ["x", "t1"], {}),
              w=np.ones((4, 4), np.float32), r=np.array([10**7, 0])), "elements would be made",
    ),
    "scales repeated two hundred million times": (
        graph(("QuantizeLinear", ["w", "s"], {"axis": 0, "block_size": 2 * 10**8}), ("Cast", ["t0"], {"to": 1}),
              ("Add", ["x", "t1"], {}), w=np.ones(3, np.float32), s=np.ones(2, np.float32), opset=21),
        "elements would be made",
    ),
    "a table of probabilities that reads nothing": (
        edited(lambda m: (m.graph.node[0].ClearField("input"), setattr(m.graph.node[0], "op_type", "ZipMap"),
                          setattr(m.graph.node[0], "domain", "ai.onnx.ml"))), "ZipMap",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_the_fuzz_found_is_one_line(name: str, tmp_path: Path) -> None:
    make, reason = FOUND[name]
    path = make(tmp_path)
    assert reason in said(path)
    assert hostile.fault(path) is None
