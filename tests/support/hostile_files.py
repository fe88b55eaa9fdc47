"""Hostile files, each made for one reason; what makes one takes a folder and returns the file's path."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile
import numpy as np
import pytest

from lrp_ref.errors import LrpError
from lrp_ref.loaders import load

onnx = pytest.importorskip("onnx")
helper = onnx.helper
Make = Callable[[Path], Path]


def nothing(*_: Any, **__: Any) -> None:
    return None


def written(folder: Path, model: Any) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def graph(*steps: tuple[Any, ...], shape: tuple[Any, ...] = ("N", 3), opset: int = 17, **weights: Any) -> Make:
    return lambda folder: written(folder, hostile.onnx_model(steps, weights, shape, opset))


def edited(change: Callable[[Any], Any]) -> Make:
    """A product with a weight of shape (3, 2), changed."""

    def make(folder: Path) -> Path:
        weight = np.arange(6, dtype=np.float32).reshape(3, 2)
        model = hostile.onnx_model([("MatMul", ["x", "w"], {})], {"w": weight}, ("N", 3))
        changed = change(model)
        return written(folder, changed if isinstance(changed, bytes) else model)

    return make


def weight(change: Callable[[Any], Any]) -> Make:
    return edited(lambda model: change(model.graph.initializer[0]) and None)


def outside(prepare: Callable[[Path], Any], location: str, **entries: str) -> Make:
    """A weight whose data lie elsewhere."""

    def make(folder: Path) -> Path:
        inner = folder / "model"
        inner.mkdir()
        (folder / "secret.bin").write_bytes(bytes(24))
        (inner / "weights.bin").write_bytes(bytes(24))
        prepare(inner)

        def change(tensor: Any) -> None:
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, text in {"location": location.format(folder=folder), **entries}.items():
                tensor.external_data.add(key=key, value=text)

        return weight(change)(inner)

    return make


def calls(depth: int, *, last: str = "Relu") -> Make:
    """Functions of which each calls the next one twice."""

    def make(folder: Path) -> Path:
        model = hostile.onnx_model([("f0", ["x"], {})], {}, ("N", 3))
        model.graph.node[0].domain = "local"
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
        for k in range(depth):
            name = f"f{k + 1}" if k + 1 < depth else last
            domain = "local" if name.startswith("f") else ""
            nodes = [helper.make_node(name, [a], [c], domain=domain) for a, c in (("a", "b"), ("b", "c"))]
            model.functions.append(helper.make_function("local", f"f{k}", ["a"], ["c"], nodes, opsets))
        model.opset_import.append(opsets[1])
        return written(folder, model)

    return make


def nested(depth: int) -> Make:
    def change(model: Any) -> None:
        inner = helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "g", [], [])
        for _ in range(depth):
            inner = helper.make_graph([helper.make_node("If", ["x"], ["z"], then_branch=inner)], "g", [], [])
        model.graph.node.append(helper.make_node("Strange", ["x"], ["unused"], body=inner))

    return edited(change)


def twice(part: str) -> Make:
    return edited(lambda model: getattr(model.graph, part).append(getattr(model.graph, part)[0]))


def raw(change: Callable[[bytes], bytes]) -> Make:
    return edited(lambda model: change(model.SerializeToString()))


def sparse(dims: list[int], place: int) -> Make:
    def change(model: Any) -> None:
        del model.graph.initializer[:]
        made = [helper.make_tensor("w", 1, (1,), [1.0]), helper.make_tensor("places", 7, (1,), [place])]
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(*made, dims))

    return edited(change)


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "net.npz"
        path.write_bytes(hostile.npz_seeds()[0])
        with zipfile.ZipFile(path, "a", method) as made:
            for name, data in entries:
                made.writestr(name, data)
        return path

    return make


def array(header: bytes, data: bytes) -> tuple[str, bytes]:
    return "z.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def header(text: bytes) -> Make:
    def make(folder: Path) -> Path:
        np.savez(folder / "net.npz", header=np.frombuffer(text, np.uint8))
        return folder / "net.npz"

    return make


def said(path: Path) -> str:
    try:
        load(path)
    except Exception as error:  # without a rule anything may happen
        return str(error) if isinstance(error, LrpError) else f"{type(error).__name__} left load"
    return "loaded"
