"""Skops files that lie: each is one right file with one change, and refused for that change."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import command
import hostile
import numpy as np
import pytest
import scipy.sparse
from skops_nodes import Node, estimator, many, node, npy, plain, stored, table, write

import lrp_ref as lrp
from lrp_ref.errors import LONGEST, LrpError, ModelFormatError, UnsupportedError
from lrp_ref.loaders import archive, limits, skops
from lrp_ref.neuralise.fitted import Fitted, Opaque


def npz(**entries: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **entries)
    return stream.getvalue()


MATRIX = {
    "format": np.array(b"csr"), "shape": np.array([2, 3]), "data": np.array([1.0, 2.0]), "indices": np.array([2, 0]),
    "indptr": np.array([0, 1, 2]),
}  # fmt: skip
ARRAYS = {"w.npy": npy(np.array([[1.0, -2.0]])), "b.npy": npy(np.array([0.5])), "s.npz": npz(**MATRIX)}
SPARSE = node("SparseMatrix", "csr_matrix", "scipy.sparse", type="scipy", file="s.npz")
OBJECTS = node("NdArray", "ndarray", "numpy", type="json", content=[plain("ham"), plain("spam")],
               shape=node("Tuple", "tuple", content=[plain(2)]))  # fmt: skip
RIGHT = {
    **estimator("LinearSVC", coef_=stored("w.npy"), intercept_=stored("b.npy"), classes_=OBJECTS, C=plain(1.5),
                weights=table({"0": plain(1.0), "2": plain(None)}, "int", "int"), matrix=SPARSE,
                names=many(plain("a"), plain(True)),
                rate=node("NdArray", "float64", "numpy", type="numpy", file="r.npy"),
                random=node("RandomState", "RandomState", "numpy.random", content={"anything": 1})),
    "protocol": 2,
}  # fmt: skip
ARRAYS["r.npy"] = npy(np.float64(0.25))


def written(folder: Path, schema: Any, **entries: bytes | None) -> Path:
    """Write a file of a schema, as JSON or as bytes, and arrays, of which None leaves one out."""
    return write(folder / "model.skops", schema, {**ARRAYS, **entries})


def changed(*place: Any, to: Any) -> Any:
    """Return the right schema with what is at a place of the first estimator's attributes replaced; ``...`` deletes."""
    schema = copy.deepcopy(RIGHT)
    at: Any = schema if place[:1] == ("top",) else schema["content"]["content"]
    *way, last = place[1:] if place[:1] == ("top",) else place
    for key in way:
        at = at[key]
    if to is ...:
        del at[last]
        if not way and place[0] == last:
            schema["content"]["key_types"]["content"].pop()
    else:
        at[last] = to
    return schema


def refused(path: Path) -> str:
    with pytest.raises(LrpError) as caught:
        skops.read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert text.isprintable()
    assert len(text) <= 600
    assert type(caught.value) in (ModelFormatError, UnsupportedError)
    return text


def test_the_right_file_is_read(tmp_path: Path) -> None:
    held = skops.read(written(tmp_path, RIGHT))
    assert held == Fitted(
        "LinearSVC",
        {
            "coef_": np.array([[1.0, -2.0]]), "intercept_": np.array([0.5]), "C": 1.5, "names": ("a", True),
            "classes_": np.array(["ham", "spam"], object), "weights": {0: 1.0, 2: None}, "rate": np.float64(0.25),
            "matrix": scipy.sparse.csr_array([[0.0, 0.0, 1.0], [2.0, 0.0, 0.0]]),
            "random": Opaque("numpy.random.RandomState"),
        },
    )  # fmt: skip
    assert type(held["rate"]) is np.float64


SCHEMAS: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "no JSON that can be read"),
    "a list": ([], "schema.json is no object"),
    "no protocol": (changed("top", "protocol", to=...), "no protocol number"),
    "a protocol that is a truth value": (changed("top", "protocol", to=True), "no protocol number"),
    "a protocol before the first": (changed("top", "protocol", to=-1), "no protocol number"),
    "a newer protocol": (changed("top", "protocol", to=3), "has protocol 3 of skops; 2 is the newest that is read"),
    "deep JSON": (changed("deep", to=json.loads("[" * 70 + "]" * 70)), "nested more than 64 deep"),
    "a key twice": (json.dumps(RIGHT).replace('"protocol"', '"protocol": 1, "protocol"').encode(), "a key twice"),
    "no loader": (changed("top", "__loader__", to=...), "schema.json is no node of skops"),
    "a loader that is a list": (changed("C", "__loader__", to=["JsonNode"]), "at C is no node of skops"),
    "a text for a node": (changed("C", to="JsonNode"), "at C is no node of skops"),
    "an __id__ that is a text": (changed("C", "__id__", to="1"), "at C has an __id__ that is no integer"),
    "an __id__ that is a truth value": (changed("C", "__id__", to=True), "at C has an __id__ that is no integer"),
    "an __id__ that is a list": (changed("C", "__id__", to=[1]), "at C has an __id__ that is no integer"),
    "no class": (changed("top", "__class__", to=...), "schema.json has no __class__"),
    "a module that is null": (changed("random", "__module__", to=None), "at random has no __module__"),
    "a class of one's own": (changed("top", "__module__", to="mine.svm"), "holds a mine.svm.LinearSVC"),
    "a module with a name like it": (changed("top", "__module__", to="sklearnex"), "holds a sklearnex.LinearSVC"),
    "a class of 10⁵ letters": (changed("top", "__class__", to="x" * 10**5), "has a __class__ of 100000 characters"),
    "a module of 201 letters": (changed("random", "__module__", to="x" * 201), "random has a __module__ of 201"),
    "a file of 201 letters": (changed("coef_", "file", to="x" * 201), "coef_ names a file of 201 characters"),
    "an array alone": ({**stored("w.npy"), "protocol": 2}, "holds a ndarray, not an estimator"),
    "numbers in a JSON node": (changed("C", "content", to=1.5), "at C is no JSON in a text"),
    "a list in a JSON node": (changed("C", "content", to="[1]"), "at C is nested more than 0 deep"),
    "half a number": (changed("C", "content", to="1."), "at C is no JSON that can be read"),
    "a number of 5000 digits": (changed("C", "content", to="9" * 5000), "at C is no JSON that can be read"),
    "a text of half a character": (changed("C", "content", to='"\ud800"'), "at C is no JSON that can be read"),
    "a text of 2 MB": (changed("C", "content", to=json.dumps("".join(map(str, range(200_000))))), "1048576 are"),
    "a list that is an object": (changed("names", "content", to={}), "at names has no list of nodes"),
    "a set of dictionaries": (
        changed("names", to=node("Set", "set", content=[table({})])), "at names is a set of what no set can hold",
    ),
    "a dictionary that is a list": (changed("weights", "content", to=[]), "at weights has no object of nodes"),
    "no types of keys": (changed("weights", "key_types", to=...), "no types of its keys"),
    "types that are a text": (changed("weights", "key_types", "content", to="int"), "2 keys and types of other ones"),
    "one type too few": (changed("weights", "key_types", "content", 1, to=...), "2 keys and types of other ones"),
    "a type that is not known": (
        changed("weights", "key_types", "content", 0, "__class__", to="Path"), "its key '0' is not of the type",
    ),
    "a type that is a list": (
        changed("weights", "key_types", "content", 0, "__class__", to=["int"]), "its key '0' is not of the type",
    ),
    "a type that is null": (changed("weights", "key_types", "content", 0, to=None), "its key '0' is not of the type"),
    "a key of another type": (changed("weights", "content", "a", to=plain(1)), "3 keys and types of other ones"),
    "keys that are one number": (
        changed("weights", to=table({"1": plain(1), "01": plain(2)}, "int", "int")), "at weights has a key twice",
    ),
    "a number that is no key": (
        changed("weights", to=table({"one": plain(1)}, "int")), "its key 'one' is not of the type that is declared",
    ),
    "a truth value that is no key": (changed("weights", to=table({"yes": plain(1)}, "bool")), "its key 'yes' is not"),
    "a dictionary with a default and nothing": (
        changed("names", to=node("DefaultDict", "defaultdict")), "at names has no content",
    ),
    "a dictionary with a default that is a text": (
        changed("names", to=node("DefaultDict", "defaultdict", content={"main": "x"})), "at names is no node",
    ),
    "an array of another kind": (changed("coef_", "type", to="memmap"), "an array of type 'memmap'"),
    "an array in no file": (changed("coef_", "file", to=...), "at coef_ names no file of the archive"),
    "an array in the schema": (changed("coef_", "file", to="schema.json"), "at coef_ names no file of the archive"),
    "an array in a list": (changed("coef_", "file", to=["w.npy"]), "at coef_ names no file of the archive"),
    "an array that is not there": (changed("coef_", "file", to="../w.npy"), "entry '../w.npy' is missing"),
    "a matrix for an array": (changed("coef_", "file", to="s.npz"), "entry 's.npz' is no array"),
    "an array for a matrix": (changed("matrix", "file", to="w.npy"), "at matrix: entry 'w.npy': not a zip file"),
    "objects of another number": (changed("classes_", "content", 0, to=...), "has 1 items and the shape (2,)"),
    "objects without a shape": (changed("classes_", "shape", to=...), "at classes_.shape is no node"),
    "objects of 2⁶⁰ items": (changed("classes_", "shape", "content", 0, to=plain(1 << 60)), "has 2 items and"),
    "an object that is not there": (
        changed("C", to={"__loader__": "CachedNode", "__id__": 77}), "at C stands for an object that is not there",
    ),
    "a cached object without a number": (changed("C", to={"__loader__": "CachedNode"}), "at C stands for an object"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_that_lies_is_refused(name: str, tmp_path: Path) -> None:
    schema, reason = SCHEMAS[name]
    path = written(tmp_path, schema)
    assert reason in refused(path)
    assert hostile.fault(path) is None


def matrix(**entries: Any) -> dict[str, bytes]:
    return {"s.npz": npz(**{**MATRIX, **entries})}


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


HUGE = (
    b"\x93NUMPY\x01\x00\x76\x00"
    + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 8), }".ljust(117)
    + b"\n"
)
ENTRIES: dict[str, tuple[dict[str, bytes | None], str]] = {
    "no array": ({"w.npy": b"no array at all"}, "entry 'w.npy' is no array"),
    "no file": ({"w.npy": None}, "entry 'w.npy' is missing"),
    "half an array": ({"w.npy": ARRAYS["w.npy"][:-8]}, "does not fit its 8 bytes"),
    "a shape of terabytes": ({"w.npy": HUGE + bytes(64)}, "does not fit its 64 bytes"),
    "a bomb": ({"w.npy": npy(np.zeros(1_000_000))}, "refused above 200 times"),
    "objects in a pickle": ({"w.npy": npy(np.array([{}]), pickled=True)}, "pickled objects, which are never read"),
    "33 axes": ({"w.npy": npy(np.zeros((1,) * 33))}, "33 axes"),
    "a matrix that is cut": ({"s.npz": ARRAYS["s.npz"][:-30]}, "at matrix: entry 's.npz': not a zip file"),
    "a matrix without its numbers": ({"s.npz": npz(format=np.array(b"csr"))}, "entry 'shape.npy' is missing"),
    "a matrix of three axes": (matrix(shape=np.array([2, 3, 1])), "no shape of two integers"),
    "a matrix of half a line": (matrix(shape=np.array([2.5, 3])), "no shape of two integers"),
    "a matrix of less than nothing": (matrix(shape=np.array([-2, 3])), "sizes are integers from 0 on"),
    "a matrix that no memory could hold": (matrix(shape=np.array([1 << 60, 3])), "which no array can have"),
    "a matrix of other lines": (matrix(shape=np.array([3, 3])), "no sparse matrix of 3 lines"),
    "numbers for no place": (matrix(data=np.ones(3)), "no sparse matrix of 2 lines"),
    "places that are floats": (matrix(indices=np.array([2.0, 0.0])), "no sparse matrix of 2 lines"),
    "numbers in a square": (matrix(data=np.ones((2, 1))), "no sparse matrix of 2 lines"),
    "a place behind the last": (matrix(indices=np.array([3, 0])), "its indices are not from 0 to 2"),
    "a place before the first": (matrix(indices=np.array([2, -1])), "its indices are not from 0 to 2"),
    "lines that go back": (matrix(indptr=np.array([0, 3, 2])), "does not rise from 0 to 2"),
    "lines that begin later": (matrix(indptr=np.array([1, 1, 2])), "does not rise from 0 to 2"),
    "lines that end behind the last": (matrix(indptr=np.array([0, 1, 1 << 40])), "does not rise from 0 to 2"),
    "pickled numbers": (matrix(data=np.array([None, None])), "pickled objects, which are never read"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_arrays_that_lie_are_refused(name: str, tmp_path: Path) -> None:
    entries, reason = ENTRIES[name]
    path = written(tmp_path, RIGHT, **entries)
    assert reason in refused(path)
    assert hostile.fault(path) is None


def test_a_matrix_by_columns_is_the_same(tmp_path: Path) -> None:
    dense = np.array([[0.0, 0.0, 1.0], [2.0, 0.0, 0.0]])
    stream = io.BytesIO()
    scipy.sparse.save_npz(stream, scipy.sparse.csc_matrix(dense))
    held = skops.read(written(tmp_path, RIGHT, **{"s.npz": stream.getvalue()}))["matrix"]
    assert (held.toarray() == dense).all()
    scipy.sparse.save_npz(stream := io.BytesIO(), scipy.sparse.dia_matrix(dense))
    held = skops.read(written(tmp_path, RIGHT, **{"s.npz": stream.getvalue()}))["matrix"]
    assert held == Opaque("scipy.sparse.csr_matrix")


@pytest.mark.parametrize(
    ("array", "held"),
    [
        (np.array([1 + 2j]), Opaque("numpy.ndarray of complex128")),
        (np.zeros(2, [("a", "f8")]), Opaque("numpy.ndarray of [('a', '<f8')]")),
        (np.array([1.5, -2.0], ">f8"), np.array([1.5, -2.0])),
        (np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 2.0], [3.0, 4.0]])),
        (np.array(["a", "é"]), np.array(["a", "é"])),
    ],
)
def test_other_arrays_are_named_or_turned(array: Any, held: Any, tmp_path: Path) -> None:
    read = skops.read(written(tmp_path, RIGHT, **{"w.npy": npy(array)}))
    assert read.get("coef_") == held if isinstance(held, Opaque) else np.array_equal(read["coef_"], held)
    assert isinstance(held, Opaque) or read["coef_"].dtype == held.dtype


# Objects that stand for others ---------------------------------------------------------------------------------------


def test_a_number_stands_for_the_object_that_was_first_of_it(tmp_path: Path) -> None:
    """As skops reads it: what is written a second time is not looked at."""
    schema = changed("C", "__id__", to=5)
    attributes = schema["content"]["content"]
    attributes["names"] = many({**plain("other"), "__id__": 5}, {"__loader__": "CachedNode", "__id__": 5})
    assert skops.read(written(tmp_path, schema))["names"] == (1.5, 1.5)


@pytest.mark.parametrize("loader", ["ListNode", "CachedNode"])
def test_an_object_inside_itself_is_refused(loader: str, tmp_path: Path) -> None:
    inner = {"__loader__": loader, "__class__": "list", "__module__": "builtins", "__id__": 5}
    schema = changed("names", to={**many(many(inner)), "__id__": 5})
    assert "at names[0][0] is inside itself" in refused(written(tmp_path, schema))


def doubling(levels: int, *, of: int) -> Node:
    """Lists of which each holds the one before it so many times: a few lines, and of**levels values."""
    made = [{**many(plain(1)), "__id__": 100}]
    for k in range(levels):
        made.append({**many(*[{"__loader__": "CachedNode", "__id__": 100 + k}] * of), "__id__": 101 + k})
    return many(*made)


def test_objects_in_objects_are_counted_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = skops.read(written(tmp_path, changed("names", to=doubling(10, of=2))))["names"]
    assert right[10][0][0] == right[8]
    for levels in (30, 60):
        path = written(tmp_path, changed("names", to=doubling(levels, of=2)))
        assert "with those before it" in refused(path)
        assert hostile.fault(path) is None
    long = written(tmp_path, changed("names", to=doubling(70, of=1)))
    assert "nested more than 64 deep" in refused(long)
    monkeypatch.setattr(skops, "DEEPEST", 80)
    assert len(skops.read(long)["names"]) == 71


def test_the_depth_of_an_object_is_that_of_its_deepest_part(tmp_path: Path) -> None:
    deep = doubling(40, of=1)["content"]
    both = {**many({"__loader__": "CachedNode", "__id__": 140}, plain(1)), "__id__": 500}
    for levels, fits in ((10, True), (30, False)):
        chain = [{**many({"__loader__": "CachedNode", "__id__": 500 + k}), "__id__": 501 + k} for k in range(levels)]
        path = written(tmp_path, changed("names", to=many(*deep, both, *chain)))
        if fits:
            assert len(skops.read(path)["names"]) == 42 + levels
        else:
            assert "nested more than 64 deep" in refused(path)


@pytest.mark.parametrize(
    ("entries", "needs"),
    [
        ({"w.npy": npy(np.zeros(18_000))}, "entry 'w.npy' needs 144128 bytes"),
        (
            {"s.npz": npz(**{**MATRIX, "data": np.zeros(9_000), "indices": np.zeros(9_000, int)})},
            "entry 'indices.npy' needs 72128 bytes",
        ),
    ],
)
def test_schema_and_arrays_are_counted_together(
    entries: dict[str, bytes], needs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TIMES", 1)
    monkeypatch.setattr(limits, "LEAST", 160_000)
    assert skops.read(written(tmp_path, RIGHT))["C"] == 1.5
    assert needs in refused(written(tmp_path, RIGHT, **entries))


# Memory and time -----------------------------------------------------------------------------------------------------

BIG: dict[str, bytes] = {
    "lists": b"[" + b"[]," * 300_000 + b"[]]",
    "objects": b"[" + b"{}," * 200_000 + b"{}]",
    "keys": b"{" + b",".join(b'"%x":0' % k for k in range(200_000)) + b"}",
    "small objects": b"[" + b'{"a":0},' * 150_000 + b"0]",
    "texts": b"[" + b'"ab",' * 300_000 + b"0]",
    "a long text of wide characters": b'["' + b"a" * 4_000_000 + '😀"]'.encode(),
}


@pytest.mark.parametrize("name", BIG)
def test_a_schema_that_would_fill_the_memory_is_refused_before_it_is_parsed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEAST", limits.LEAST // 10)
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("schema.json", b'{"protocol": 2, "x": ' + BIG[name] + b"}")
    tracemalloc.start()
    try:
        text = refused(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "are allowed" in text or "refused above 200 times" in text
    monkeypatch.setattr(skops, "TAKEN", {})
    monkeypatch.setattr(archive, "RATIO", 10**6)
    monkeypatch.setattr(skops, "json_value", lambda text, what, longest: {})
    assert "no protocol" in refused(path) or name.startswith("a long")
    assert peak < limits.bound(path.stat().st_size)


@pytest.mark.parametrize(
    "text", [b'"' + b'a\\"' * 300_000, b'"' * 600_001, b'["' + b'\\"' * 300_000 + b"\\", b"a " * 300_000]
)
def test_the_nesting_of_what_is_no_json_is_counted_at_once(text: bytes) -> None:
    """A string without its end was looked through again from each of its quotes, 18 s for 60,000 bytes."""
    tracemalloc.start()
    try:
        assert limits._depth(text) <= 1
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_the_nesting_is_that_of_the_brackets_outside_of_strings() -> None:
    for text, depth in (
        (b"", 0), (b"[]", 1), (b"[[]{}]", 2), (b'["[["]', 1), (b'["\\"[[", [[]]]', 3), (b'{"a\\\\": {"]": [1]}}', 3),
        (b"]]]][[", 0), (b'"[[[', 0), (b"[" * 99 + b"]" * 99, 99),
    ):  # fmt: skip
        assert limits._depth(text) == depth, text


# Attributes that no estimator has ------------------------------------------------------------------------------------

WRONG: dict[str, tuple[Any, dict[str, bytes], str]] = {
    "weights that are a text": (changed("coef_", to=plain("w")), {}, "LinearSVC: coef_"),
    "weights that are a function": (changed("coef_", to=node("Function", "system", "os")), {}, "LinearSVC"),
    "weights that are not there": (changed("coef_", to=...), {}, "LinearSVC: it has no coef_"),
    "weights of texts": (RIGHT, {"w.npy": npy(np.array([["a", "b"]]))}, "LinearSVC: coef_"),
    "weights of another shape": (RIGHT, {"w.npy": npy(np.zeros((3, 2, 2)))}, "LinearSVC: coef_"),
    "a bias of another length": (RIGHT, {"b.npy": npy(np.zeros(7))}, "LinearSVC: intercept_"),
    "a bias that is a dictionary": (changed("intercept_", to=table({})), {}, "LinearSVC"),
}


@pytest.mark.parametrize("name", WRONG)
def test_attributes_that_no_estimator_has_are_one_line(name: str, tmp_path: Path) -> None:
    schema, entries, reason = WRONG[name]
    path = written(tmp_path, schema, **entries)
    with pytest.raises(LrpError) as caught:
        lrp.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)


def test_what_is_no_number_is_told_before_it_is_computed_with(tmp_path: Path) -> None:
    """Of a perceptron and of partial least squares, whose attributes are no weights of a linear model."""
    texts = {"two.npy": npy(np.array(["a", "b"])), "w.npy": npy(np.ones((1, 2)))}
    perceptron = estimator("MLPRegressor", coefs_=many(stored("w.npy")), intercepts_=many(stored("two.npy")),
                           activation=plain("relu"), out_activation_=plain("identity"))  # fmt: skip
    squares = estimator("PLSRegression", coef_=stored("w.npy"), _x_mean=node("Function", "system", "os"))
    for schema, name in ((perceptron, "MLPRegressor"), (squares, "PLSRegression")):
        with pytest.raises(LrpError, match=f"{name}: node '.*' would have what is no number"):
            lrp.load(written(tmp_path, {**schema, "protocol": 2}, **texts))


def test_a_name_of_any_length_is_one_short_line(tmp_path: Path) -> None:
    """No time is spent on what a name of 10⁶ letters may mean, and nobody has to read it."""
    kernel = estimator("SVC", kernel=plain("linear " * 10**5), n_support_=stored("b.npy"))
    squash = estimator("MLPRegressor", coefs_=many(stored("w.npy")), intercepts_=many(stored("two.npy")),
                       activation=plain("relu"), out_activation_=plain("x" * 10**6))  # fmt: skip
    for schema, reason in ((kernel, "unknown kernel of SVC 'linear linear"), (squash, "its outputs go through 'xxx")):
        with pytest.raises(LrpError, match=reason) as caught:
            lrp.load(written(tmp_path, {**schema, "protocol": 2}, **{"two.npy": npy(np.zeros(2))}))
        assert len(str(caught.value)) <= LONGEST


def test_the_right_file_is_a_network(tmp_path: Path) -> None:
    net = lrp.load(written(tmp_path, RIGHT))
    assert net.forward(np.array([[3.0, 1.0]])).tolist() == [[1.5]]


def test_a_converter_s_surprise_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprised(*_: Any, **__: Any) -> None:
        raise IndexError("index 7 is out of bounds")

    monkeypatch.setattr("lrp_ref.neuralise.from_fitted", surprised)
    with pytest.raises(ModelFormatError, match="a LinearSVC whose attributes are not those of a fitted one: index 7"):
        lrp.load(written(tmp_path, RIGHT))


# Pickles -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib", ".PKL"])
def test_a_pickle_is_refused_by_name_and_nothing_runs(suffix: str, tmp_path: Path) -> None:
    path, made = tmp_path / f"model{suffix}", tmp_path / "made"
    path.write_bytes(pickle.dumps(Malicious(made)))
    with pytest.raises(UnsupportedError) as caught:
        lrp.load(path)
    assert "pickled objects run code and are never read" in str(caught.value)
    assert 'skops.io.dump(model, "model.skops")' in str(caught.value)
    done = command.run("show", path)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert not made.exists()
    pickle.loads(path.read_bytes())  # noqa: S301 - our own: this is what loading it would have done
    assert made.exists()


def test_a_pickle_in_a_skops_file_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    bad = np.array([Malicious(made)], dtype=object)
    path = written(tmp_path, RIGHT, **{"w.npy": npy(bad, pickled=True)})
    assert "pickled objects, which are never read" in refused(path)
    path = written(tmp_path, RIGHT, **{"s.npz": npz(**{**MATRIX, "data": bad})})
    assert "pickled objects, which are never read" in refused(path)
    path.write_bytes(pickle.dumps(Malicious(made)))
    assert "not a zip file" in refused(path)
    assert not made.exists()


Load = Callable[[Path], Any]


@pytest.mark.parametrize("load", [skops.read, lrp.load])
def test_other_zip_files_are_refused(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", ARRAYS["w.npy"])
    with pytest.raises(ModelFormatError, match=r"a zip file without schema\.json, which skops did not write"):
        load(path)
