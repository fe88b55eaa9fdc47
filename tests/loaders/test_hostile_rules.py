"""A hostile file for every rule that keeps one out.

It is refused for its reason, and no longer when the rule is taken away: so that every rule is needed, and a test fails
without it.
"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_files import (
    Make,
    array,
    calls,
    edited,
    graph,
    header,
    nested,
    nothing,
    outside,
    raw,
    said,
    sparse,
    twice,
    weight,
    written,
    zipped,
)

from lrp_ref.loaders import archive, limits, native, npy, shapes
from lrp_ref.loaders.onnx import (
    elementwise,
    external,
    file,
    fold,
    functions,
    resize,
    starts,
    tensors,
    values,
    wire,
)

onnx = pytest.importorskip("onnx")
convert = import_module("lrp_ref.loaders.onnx.convert")  # the package has a function of that name
helper = onnx.helper


@dataclass(frozen=True)
class Rule:
    """A rule, a file that it keeps out, and how it is taken away.

    Attributes:
        make: writes the file into a folder and returns its path.
        reason: a part of the error.
        without: (owner, name, value) that takes the rule away.
        limit: likewise, what makes the file of the test small: it holds with the rule and without.
    """

    make: Make
    reason: str
    without: tuple[tuple[Any, str, Any], ...]
    limit: tuple[tuple[Any, str, Any], ...] = field(default=())


def doubled(folder: Path) -> Any:
    model = onnx.ModelProto.FromString(calls(2)(folder).read_bytes())
    model.functions.append(model.functions[0])
    return model


def unchecked(self: Any, location: str, what: str) -> tuple[str, ...]:
    return Path(location.replace("\\", "/")).parts


STRANGE = ("Strange", ["x"], {"makes": ["unused"]})  # behind it onnx's own checker looks at nothing
ONE = np.ones((1, 1), np.float32)
NARROW = np.ones(2, helper.tensor_dtype_to_np_dtype(onnx.TensorProto.INT4))
MANY = (*(("Add", [f"t{k - 1}" if k else "w", "w"], {}) for k in range(20)), ("MatMul", ["x", "t19"], {}))
SHAPE = "{'descr': '<f8', 'fortran_order': False, 'shape': %s}\n"
SMALL = ((limits, "LEAST", 10_000),)

RULES: dict[str, Rule] = {
    # the bytes
    "number of messages": Rule(
        edited(lambda m: m.metadata_props.extend([onnx.StringStringEntryProto()] * 100)),
        "more than 39 parts",
        ((wire, "MESSAGE", 1),),
        SMALL,
    ),
    "depth of messages": Rule(nested(27), "parts inside each other", ((wire, "DEEPEST", 1000),)),
    "names that are no text": Rule(
        raw(lambda b: b.replace(b"node0", b"n\xff\xfe\xfd0")), "no text in UTF-8", ((wire, "_check_text", nothing),)
    ),
    "kinds of fields": Rule(raw(lambda b: b + b"\x0b"), "unknown kind 3", ((file, "scan", nothing),)),
    "ends of messages": Rule(raw(lambda b: b[:-9]), "behind what it is part of", ((file, "scan", nothing),)),
    "numbers that do not end": Rule(raw(lambda b: b + b"\xff"), "inside a number", ((file, "scan", nothing),)),
    "size of the file": Rule(edited(nothing), "less than 2 GB", ((file, "LARGEST", 1 << 31),), ((file, "LARGEST", 9),)),
    # functions and graphs
    "graphs inside each other": Rule(nested(17), "graphs inside each other", ((functions, "DEEPEST", 99),)),
    "functions inside each other": Rule(
        calls(17, last="Relu"), "more than 16 deep", ((functions, "DEEPEST", 18),), ((functions, "NODES", 1),)
    ),
    "a function that calls itself": Rule(calls(1, last="f0"), "calls itself", ((file, "inlined", lambda m, *_: m),)),
    "functions that call each other": Rule(calls(3, last="f0"), "calls itself", ((file, "inlined", lambda m, *_: m),)),
    "nodes of functions": Rule(
        calls(6),
        "127 nodes with those of its functions; 100 are allowed",
        ((functions, "NODES", 10**6),),
        ((functions, "NODES", 100),),
    ),
    "bytes of functions": Rule(
        calls(9),
        "its functions become",
        ((limits, "LEAST", 10**8),),
        ((limits, "LEAST", 20_000), (limits, "TIMES", 0)),
    ),
    "functions of one name": Rule(
        lambda folder: written(folder, doubled(folder)),
        "two functions are called",
        ((file, "inlined", lambda m, *_: m),),
    ),
    # tensors
    "declared sizes": Rule(
        weight(lambda t: t.dims.__setitem__(0, 10**15)), "are allowed", ((tensors, "bound", lambda size: 1 << 99),)
    ),
    "negative sizes": Rule(
        weight(lambda t: t.dims.__setitem__(slice(None), [-3, -2])),
        "sizes are integers from 0 on",
        ((tensors, "size_of", lambda dims, item, what: int(np.prod(dims)) * item),),
    ),
    "number of axes": Rule(weight(lambda t: t.dims.extend([1] * 31)), "33 axes; 32", ((tensors, "RANK", 64),)),
    "length of data": Rule(
        weight(lambda t: setattr(t, "raw_data", bytes(20))),
        "has 20 bytes of data",
        ((tensors, "_check_data", nothing),),
    ),
    "number of typed data": Rule(
        weight(lambda t: (t.ClearField("raw_data"), t.float_data.extend([1.0] * 7))),
        "7 numbers of data",
        ((tensors, "_check_data", nothing),),
    ),
    "data in two places": Rule(
        weight(lambda t: t.float_data.extend([1.0] * 6)), "in several places", ((tensors, "_check_data", nothing),)
    ),
    "type of a tensor": Rule(
        weight(lambda t: setattr(t, "data_type", 99)),
        "unknown type 99",
        ((tensors, "check_declared", nothing), (file, "check_declared", lambda *_: 0)),
    ),
    "size of a sparse tensor": Rule(
        sparse([10**8, 10**8], 0),
        "are allowed",
        ((file, "bound", lambda size: 1 << 99),),
    ),
    "places of a sparse tensor": Rule(
        sparse([3, 2], 6), "outside its shape", ((file, "dense", lambda *_: ONE),), ((file, "CHECKED", 0),)
    ),
    # other files
    "absolute paths": Rule(
        outside(nothing, "{folder}/secret.bin"), "outside the model's folder", ((external.Folder, "_parts", unchecked),)
    ),
    "paths upwards": Rule(
        outside(nothing, "../secret.bin"), "outside the model's folder", ((external.Folder, "_parts", unchecked),)
    ),
    "paths with backslashes": Rule(
        outside(nothing, "..\\secret.bin"), "outside the model's folder", ((external.Folder, "_parts", unchecked),)
    ),
    "paths with NUL": Rule(
        outside(nothing, "weights.bin\0x"),
        "cannot be a file",
        ((external.Folder, "_parts", lambda s, location, w: (location.partition("\0")[0],)),),
    ),
    "links": Rule(
        outside(lambda inner: (inner / "link").symlink_to("../secret.bin"), "link"),
        "a link",
        ((external.stat, "S_ISLNK", lambda mode: False), (external.os, "O_NOFOLLOW", 0)),
    ),
    "a link put there meanwhile": Rule(
        outside(lambda inner: (inner / "link").symlink_to("../secret.bin"), "link"),
        "cannot be read",
        ((external.os, "O_NOFOLLOW", 0),),
        ((external.stat, "S_ISLNK", lambda mode: False),),
    ),
    "links to folders": Rule(
        outside(lambda inner: (inner / "up").symlink_to(".."), "up/secret.bin"),
        "a link",
        ((external.stat, "S_ISLNK", lambda mode: False),),
    ),
    "files with two names": Rule(
        outside(lambda inner: os.link(inner / "../secret.bin", inner / "hard"), "hard"),
        "2 names",
        ((external, "NAMES", 2),),
    ),
    "what is no file": Rule(
        outside(lambda inner: os.mkfifo(inner / "pipe"), "pipe"),
        "is not a file",
        ((external.stat, "S_ISREG", lambda mode: True),),
    ),
    "data in front of the file": Rule(
        outside(nothing, "weights.bin", offset="-8"),
        "24 bytes at -8",
        ((external.Folder, "read", lambda *_: bytes(24)),),
    ),
    "data behind the file": Rule(
        outside(nothing, "weights.bin", offset="8"), "24 bytes at 8", ((external.Folder, "read", lambda *_: bytes(24)),)
    ),
    "length of other data": Rule(
        outside(nothing, "weights.bin", length="16"),
        "needs 24 bytes",
        ((external.Folder, "read", lambda *_: bytes(24)),),
    ),
    # names and order
    "tensors of one name": Rule(
        twice("initializer"),
        "there twice",
        ((file, "_add", lambda f, n, a, p: f.update({n: a})),),
        ((file, "CHECKED", 0),),
    ),
    "inputs of one name": Rule(
        twice("input"), "there 2 times", ((file, "_check_names", nothing),), ((file, "CHECKED", 0),)
    ),
    "circles": Rule(
        graph(STRANGE, ("Relu", ["t2"], {}), ("Relu", ["t1"], {}), ("Relu", ["t2"], {})),
        "before any node makes it",
        ((file, "_check_order", nothing), (convert.Converter, "tensor", lambda self, name: values.Refused())),
    ),
    "an attribute twice": Rule(
        edited(lambda m: m.graph.node[0].attribute.extend([helper.make_attribute("a", 1)] * 2)),
        "an attribute twice",
        ((file, "_op", lambda n, p, o: file.Op(n.op_type, n.name, tuple(n.input), tuple(n.output), {}, n)),),
        ((file, "CHECKED", 0),),
    ),
    # constants that are computed
    "memory of one constant": Rule(
        graph(("ConstantOfShape", ["s"], {}), ("MatMul", ["x", "t0"], {}), s=np.array([3, 10**5])),
        "elements would be made",
        ((fold.Allowance, "require", nothing),),
        ((limits, "LEAST", 1_000_000), (fold, "LEAST", 10**9)),
    ),
    "memory of all constants": Rule(
        graph(*MANY, w=np.ones((3, 40), np.float32)),
        "elements would be made",
        ((fold.Allowance, "take", nothing),),
        ((limits, "LEAST", 6_000), (limits, "TIMES", 0), (wire, "MESSAGE", 1)),
    ),
    "memory while a constant is made": Rule(
        graph(("Erf", ["w"], {}), ("MatMul", ["x", "t0"], {}), w=np.ones((3, 50), np.float32)),
        "elements would be made",
        ((fold, "WHILE", {}),),
        ((limits, "LEAST", 6_000), (limits, "TIMES", 0), (wire, "MESSAGE", 1)),
    ),
    "copies along an axis of which there are none": Rule(
        graph(
            ("Tile", ["w", "r"], {}),
            ("ReduceSum", ["t0"], {"keepdims": 0}),
            ("Add", ["x", "t1"], {}),
            w=ONE,
            r=np.array([10**5, 0]),
        ),
        "elements would be made",
        ((fold, "SIZES", {**fold.SIZES, "Tile": lambda op, xs: 0}),),
        ((limits, "LEAST", 1_000_000), (fold, "LEAST", 10**9)),
    ),
    "scales for blocks": Rule(
        graph(
            ("QuantizeLinear", ["w", "s"], {"axis": 0, "block_size": 10**5}),
            ("Cast", ["t0"], {"to": 1}),
            ("Add", ["x", "t1"], {}),
            w=np.ones(3, np.float32),
            s=np.ones(2, np.float32),
            opset=21,
        ),
        "elements would be made",
        ((fold, "SIZES", {**fold.SIZES, "QuantizeLinear": fold._total}),),
        ((limits, "LEAST", 1_000_000), (fold, "LEAST", 10**9)),
    ),
    "remainders of narrow integers": Rule(  # two numbers, of which none is 0, do no harm without the rule
        graph(
            ("Mod", ["a", "a"], {}),
            ("Cast", ["t0"], {"to": 1}),
            ("Add", ["x", "t1"], {}),
            shape=("N", 2),
            a=NARROW,
            opset=21,
        ),
        "integers of less than 8 bits",
        ((fold, "NARROW", ()),),
    ),
    "work on constants": Rule(
        graph(*MANY, w=np.ones((3, 40), np.float32)),
        "are left for the whole file",
        ((fold.Allowance, "spend", nothing),),
        ((fold, "LEAST", 1),),
    ),
    "work on many operands": Rule(
        graph(
            ("Max", ["w", *["o"] * 50], {}),
            ("MatMul", ["x", "t0"], {}),
            w=np.ones((3, 50), np.float32),
            o=np.ones(1, np.float32),
        ),
        "are left for the whole file",
        ((fold, "ONE_BY_ONE", ()),),
        ((fold, "LEAST", 5000),),
    ),
    "work on Python objects": Rule(
        graph(("Erf", ["w"], {}), ("MatMul", ["x", "t0"], {}), w=np.ones((3, 50), np.float32)),
        "are left for the whole file",
        ((fold, "SLOW", {}),),
        ((fold, "LEAST", 1),),
    ),
    "texts as constants": Rule(
        graph(("Cast", ["w"], {"to": 8}), ("MatMul", ["x", "t0"], {}), w=np.ones((3, 2), np.float32)),
        "numbers as texts",
        ((fold, "STRING", -1),),
    ),
    "sizes of a shape": Rule(
        graph(("ConstantOfShape", ["s"], {}), ("MatMul", ["x", "t0"], {}), s=np.ones(65, np.int64)),
        "at most 64 axes",
        ((fold, "AXES", 99),),
    ),
    "loops": Rule(
        graph(
            STRANGE,
            ("Loop", ["n", "c", "w"], {}),
            ("Add", ["x", "t1"], {}),
            n=np.array(1 << 62),
            c=np.array(True),
            w=ONE,
        ),
        "on constants that is not supported",
        ((fold, "SIZES", {**fold.SIZES, "Loop": fold._total}),),
    ),
    # what attributes make
    "samples": Rule(
        graph(("Pad", ["x", "p"], {}), p=np.array([0, 0, 0, 1 << 40])),
        "larger than any memory",
        ((starts, "LARGEST", 1 << 60), (shapes, "LARGEST", 1 << 60)),
    ),
    "numbers along channels": Rule(
        graph(("Mul", ["x", "c"], {}), shape=("N", 99), c=np.ones(1, np.float32)),
        "one number for 99 channels",
        ((elementwise, "LONGEST", 99),),
        ((elementwise, "LONGEST", 98),),
    ),
    "factors": Rule(
        graph(("Resize", ["x", "", "f"], {"mode": "nearest"}), shape=("N", 1, 2, 2), f=np.array([1, 1, 1, 99], "f4")),
        "it repeats every value 99 times",
        ((resize, "LARGEST", 99),),
        ((resize, "LARGEST", 98),),
    ),
    "repeated positions": Rule(
        graph(("Tile", ["x", "r"], {}), r=np.array([1, 10**6])),
        "are allowed",
        ((fold.Allowance, "take", nothing),),
        ((limits, "LEAST", 10**6),),
    ),
    # zip archives and arrays in them
    "number of entries": Rule(
        zipped(("b", b"")), "entries; 2 are allowed", ((archive, "MEMBERS", 9),), ((archive, "MEMBERS", 2),)
    ),
    "entries of one name": Rule(zipped(("header.npy", b"")), "is there twice", ((archive.Archive, "_check", nothing),)),
    "ratio": Rule(zipped(("z", bytes(2 << 20))), "200 times", ((archive, "RATIO", 2000),)),
    "bytes of all entries": Rule(
        zipped(("z", bytes(99_000))),
        "are allowed",
        ((archive, "bound", lambda size: 1 << 40),),
        ((limits, "LEAST", 30_000),),
    ),
    "methods": Rule(zipped(("z", b"1"), method=zipfile.ZIP_BZIP2), "by method 12", ((archive, "METHODS", range(99)),)),
    "bytes of the header": Rule(
        header(b"{}" + b" " * 999),
        "1129 bytes; 99 are allowed",
        ((archive.Archive, "read", lambda s, n, limit=None: bytearray(s._zip.read(n))),),
        ((native, "HEADER_LIMIT", 99),),
    ),
    "depth of JSON": Rule(
        header(b"[" * 99 + b"]" * 99), "nested more than 64 deep", ((limits, "_BRACKET", limits.re.compile(b"$^")),)
    ),
    "keys twice": Rule(
        header(b'{"format": 1, "format": 2}'), "a key twice", ((limits.json, "loads", lambda text, **_: {}),)
    ),
    "texts in an array": Rule(
        zipped(array(b"{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}\n", bytes(4))),
        "no numbers",
        ((npy, "KINDS", "fiubU"),),
    ),
    "axes of an array": Rule(zipped(array((SHAPE % ((1,) * 33,)).encode(), bytes(8))), "33 axes", ((npy, "RANK", 64),)),
    "bytes of an array": Rule(
        zipped(array((SHAPE % "(2,)").encode(), bytes(8))),
        "does not fit its 8 bytes",
        ((npy, "size_of", lambda shape, item, what: 8),),
    ),
    "length of an array's header": Rule(
        zipped(array((SHAPE % "(1,)").encode() + b" " * 10_000, bytes(8))), "is no array", ((npy, "HEADER", 20_000),)
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", RULES)
def test_every_rule_refuses_what_gets_in_without_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = RULES[name]
    path = rule.make(tmp_path)
    for owner, attribute, value in rule.limit:
        monkeypatch.setattr(owner, attribute, value)
    text = said(path)
    assert rule.reason in text
    assert path.name in text
    assert len(text) <= 600
    for owner, attribute, value in rule.without:
        monkeypatch.setattr(owner, attribute, value)
    assert rule.reason not in said(path)


def test_nothing_of_a_link_or_a_pipe_is_waited_for(tmp_path: Path) -> None:
    path = outside(lambda inner: os.mkfifo(inner / "pipe"), "pipe")(tmp_path)
    assert "not a file" in said(path)
    assert "cannot be a file" in said(outside(nothing, "n" * 300)(_fresh(tmp_path)))


def _fresh(folder: Path) -> Path:
    (folder / "again").mkdir()
    return folder / "again"


def test_one_refused_node_does_not_silence_what_lies_behind_it(tmp_path: Path) -> None:
    steps = [("Strange", ["x"], {}), ("Relu", ["t0"], {}), ("Stranger", ["t1"], {}), ("Loop", ["", "", "t2"], {})]
    text = said(graph(*steps)(tmp_path))
    assert "3 unsupported nodes: Strange 'node0' (operator not supported); Stranger 'node2'" in text
    assert "Loop 'node3'" in text
