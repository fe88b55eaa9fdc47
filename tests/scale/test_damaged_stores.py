"""Stores that are damaged, half there, of another format or of somebody else: one line, and no memory taken."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from number_stores import KINDS, files, layout, made_at, numbers, write

from lrp_ref.errors import ModelFormatError
from lrp_ref.scale.stores import stated
from lrp_ref.scale.stores.making import Store, create, open_store

zarr = pytest.importorskip("zarr")


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return made_at(tmp_path / request.param)


def json_file(store: Path) -> Path:
    return store / ("zarr.json" if store.suffix else "attributes.json")


def restated(**changed: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        content = json.loads(json_file(store).read_text())
        attributes = content["attributes"] if store.suffix else content
        for key, value in changed.items():
            if value == "missing":
                del attributes[key]
            else:
                attributes[key] = value
        json_file(store).write_text(json.dumps(content))

    return change


def replaced(data: bytes) -> Callable[[Path], None]:
    return lambda store: json_file(store).write_bytes(data) and None  # type: ignore[return-value]


EITHER: dict[str, tuple[Callable[[Path], None], str]] = {
    "no attributes": (lambda store: json_file(store).unlink(), "is missing: not a store of explanations"),
    "empty": (replaced(b""), "no JSON"),
    "no text": (replaced(b"\xff\xfe\x00{"), "no JSON"),
    "a list": (replaced(b"[1, 2]"), "no object of JSON"),
    "nested": (replaced(b"[" * 100_000), "no JSON"),
    "an object": (replaced(b"{}"), "not a store of explanations"),
    "format 2": (restated(format=2), "a store of format 2, and this version reads 1"),
    "no format": (restated(format="missing"), "not a store of explanations"),
    "format true": (restated(format=True), "of format True"),
    "format text": (restated(format="1"), "of format '1'"),
    "batch text": (restated(batch="3"), "'batch' is '3'"),
    "batch 0": (restated(batch=0), "'batch' is 0"),
    "batch true": (restated(batch=True), "'batch' is True"),
    "batch none": (restated(batch=None), "'batch' is None"),
    "batch other": (restated(batch=4), "damaged"),
    "batch huge": (restated(batch=10**30), "damaged"),
    "together": (restated(together=[1]), r"'together' is \[1\]"),
    "samples": (restated(samples=12), "damaged"),
    "samples huge": (restated(samples=10**18), "damaged"),
    "arrays text": (restated(arrays="relevance"), "'arrays' is no list of names"),
    "arrays none": (restated(arrays=[]), "'arrays' is no list of names"),
    "arrays numbers": (restated(arrays=[1, 2]), "'arrays' is no list of names"),
    "arrays outside": (restated(arrays=["../../etc"]), "'arrays' is no list of names"),
    "arrays absolute": (restated(arrays=["/etc/passwd"]), "'arrays' is no list of names"),
    "arrays twice": (restated(arrays=["target", "target"]), "names one twice"),
    "arrays more": (restated(arrays=["relevance", "nothing"]), "nothing.* is missing"),
    "arrays the states": (restated(arrays=["done"]), "damaged"),
    "composite": (restated(composite=["epsilon"]), r"'composite' is \['epsilon'\]"),
    "reduce": (restated(reduce=None), "'reduce' is None"),
    "inputs": (restated(inputs="x"), "'inputs' is 'x'"),
    "at": (restated(at=[1]), r"'at' is \[1\]"),
    "classes": (restated(classes={"a": 1}), "'classes' is"),
    "input": (restated(input="x.npy"), "'input' is 'x.npy'"),
    "shapes": (restated(inputs=["x"], shapes=[["2"]]), "'shapes' is"),
    "shapes negative": (restated(inputs=["x"], shapes=[[-2, -3]]), "'shapes' is"),
    "shapes huge": (restated(inputs=["x"], shapes=[[10**6, 10**6]]), "'shapes' is"),
    "shapes of other inputs": (restated(inputs=["x"], shapes=[[2], [3]]), "'shapes' is"),
}  # fmt: skip


def metadata(name: str = "output", **changed: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        file = store / name / "zarr.json"
        content = json.loads(file.read_text())
        file.write_text(json.dumps({k: v for k, v in {**content, **changed}.items() if v != "missing"}))

    return change


def chunked(*sizes: int) -> dict[str, Any]:
    return {"name": "regular", "configuration": {"chunk_shape": list(sizes)}}


def other_zarr(store: Path) -> None:
    import shutil

    shutil.rmtree(store)
    zarr.create_array(store, shape=(4,), chunks=(2,), dtype="float32")


ZARR: dict[str, tuple[Callable[[Path], None], str]] = {
    "another array": (other_zarr, "not a store of explanations"),
    "no array": (lambda store: (store / "ledger" / "zarr.json").unlink(), "ledger/zarr.json is missing"),
    "no states": (lambda store: (store / "done" / "zarr.json").unlink(), "done/zarr.json is missing"),
    "no JSON": (lambda store: (store / "output/zarr.json").write_bytes(b"{") and None, "output/zarr.json is damaged"),
    "a group": (metadata(node_type="group"), "output/zarr.json is damaged"),
    "shape huge": (metadata(shape=[11, 10**15]), "damaged"),
    "shape beyond": (metadata(shape=[11, 10**40]), "damaged"),
    "shape negative": (metadata(shape=[11, -4]), "damaged"),
    "shape text": (metadata(shape="11"), "damaged"),
    "shape floats": (metadata(shape=[11.0, 4]), "damaged"),
    "more samples": (metadata(shape=[10**12, 4]), "damaged: 'output' is float64"),
    "states huge": (metadata("done", shape=[10**14]), "damaged: states"),
    "states of another type": (metadata("done", data_type="int64"), "damaged"),
    "states in one chunk": (metadata("done", chunk_grid=chunked(4)), "damaged: 'done' is uint8"),
    "objects": (metadata(data_type="string"), "damaged|not a readable"),
    "bool": (metadata(data_type="bool"), "damaged|not a readable"),
    "unknown type": (metadata(data_type="float9000"), "not a readable"),
    "chunks": (metadata(chunk_grid=chunked(11, 4)), "damaged: 'output' is cut into"),
    "chunks zero": (metadata(chunk_grid=chunked(0, 0)), "damaged|not a readable"),
    "chunks huge": (metadata(chunk_grid=chunked(10**12, 4)), "damaged: 'output' is cut into"),
    "no chunks": (metadata(chunk_grid="missing"), "not a readable"),
    "a codec of others": (metadata(codecs=[{"name": "numcodecs.pickle"}]), "output/zarr.json is damaged"),
    "no codecs": (metadata(codecs="missing"), "output/zarr.json is damaged"),
    "codecs text": (metadata(codecs=["bytes"]), "output/zarr.json is damaged"),
    "other names": (metadata(chunk_key_encoding={"name": "default", "configuration": {"separator": "/"}}), "damaged"),
    "no names": (metadata(chunk_key_encoding=None), "damaged"),
    "fill of another type": (metadata(fill_value=[]), "not a readable"),
    "version 2": (metadata(zarr_format=2), "not a readable|damaged"),
    "attributes a list": (lambda store: json_file(store).write_text(json.dumps(
        {"zarr_format": 3, "node_type": "group", "attributes": [1]})) and None, "not a store of explanations"),
}  # fmt: skip


def header(name: str, **changed: Any) -> Callable[[Path], None]:
    """Change what the header of an .npy file says, and nothing else."""

    def change(store: Path) -> None:
        data = (store / name).read_bytes()
        said = {"descr": "<f8", "fortran_order": False, "shape": (11, 4), **changed}
        text = repr(said).encode()
        (store / name).write_bytes(data[:10] + text.ljust(117) + b"\n" + data[128:])

    return change


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda store: (store / name).write_bytes((store / name).read_bytes()[:size]) and None  # type: ignore[return-value]


def longer(store: Path) -> None:
    (store / "output.npy").write_bytes((store / "output.npy").read_bytes() + b"x" * 8)


def pickled(store: Path) -> None:
    np.save(store / "output.npy", np.array([{}] * 11, dtype=object), allow_pickle=True)


NPY: dict[str, tuple[Callable[[Path], None], str]] = {
    "no array": (lambda store: (store / "ledger.npy").unlink(), "ledger.npy is missing"),
    "no states": (lambda store: (store / "done.npy").unlink(), "done.npy is missing"),
    "empty": (cut("output.npy", 0), "output.npy is damaged"),
    "half a header": (cut("output.npy", 40), "output.npy is damaged"),
    "cut": (cut("output.npy", 200), "output.npy is damaged"),
    "longer": (longer, "as many bytes as its header says"),
    "huge": (header("output.npy", shape=(11, 10**15)), "output.npy is damaged"),
    "beyond": (header("output.npy", shape=(11, 10**30)), "output.npy is damaged"),
    "negative": (header("output.npy", shape=(11, -4)), "output.npy is damaged"),
    "columns first": (header("output.npy", fortran_order=True), "output.npy is damaged"),
    "other type": (header("output.npy", descr=">f8"), "'output' is >f8"),
    "whole numbers": (header("output.npy", descr="<u8"), "'output' is uint64"),
    "records": (header("output.npy", descr=[("a", "<f8")]), "damaged"),
    "code": (header("output.npy", shape="__import__('os').abort()"), "output.npy is damaged"),
    "objects": (pickled, "output.npy is damaged"),
    "one number": (lambda store: np.save(store / "output.npy", np.float64(1)), "damaged"),
    "fewer samples": (lambda store: np.save(store / "output.npy", np.zeros((10, 4))), "'output' is float64"),
    "states of another type": (lambda store: np.save(store / "done.npy", np.zeros(4)), "done.npy is damaged"),
    "more states": (lambda store: np.save(store / "done.npy", np.zeros(5, np.uint8)), r"states \(5,\) of 4 chunks"),
}  # fmt: skip

DAMAGED = (
    [(kind, f"{kind}: {what}", *case) for kind in KINDS for what, case in EITHER.items()]
    + [("set.zarr", f"zarr: {what}", *case) for what, case in ZARR.items()]
    + [("set", f"npy: {what}", *case) for what, case in NPY.items()]
)


@pytest.mark.parametrize(
    ("name", "change", "reason"), [(k, *rest) for k, _, *rest in DAMAGED], ids=[d[1] for d in DAMAGED]
)
def test_a_damaged_store_is_one_line(tmp_path: Path, name: str, change: Callable[[Path], None], reason: str) -> None:
    create(tmp_path / name, layout(11, 3), {})
    change(tmp_path / name)
    before = files(tmp_path / name)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError) as caught:
            open_store(tmp_path / name)
        taken = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert re.search(reason, said), said
    assert said.startswith(str(tmp_path / name))
    assert "\n" not in said
    assert taken < 30_000_000
    assert files(tmp_path / name) == before


def test_a_file_of_attributes_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create(tmp_path / "set", layout(11, 3), {"rules": "x" * 2000})
    monkeypatch.setattr(stated, "LARGEST", 1000)
    with pytest.raises(ModelFormatError, match=r"attributes\.json has 2,\d+ bytes; 1,000 are allowed"):
        open_store(tmp_path / "set")


@pytest.mark.parametrize("name", KINDS)
def test_what_is_no_folder_is_one_line(tmp_path: Path, name: str) -> None:
    for reason, make in {
        "there is no such store": lambda path: None,
        "a file; a store of explanations is a folder": lambda path: path.write_bytes(b"x"),
    }.items():
        make(tmp_path / name)
        with pytest.raises(ModelFormatError, match=reason):
            open_store(tmp_path / name)
    with pytest.raises(ModelFormatError, match=r"cannot be read: File name too long|no such store"):
        open_store(tmp_path / f"{'n' * 300}{name}")
    (tmp_path / f"empty_{name}").mkdir()
    with pytest.raises(ModelFormatError, match="not a store of explanations"):
        open_store(tmp_path / f"empty_{name}")


@pytest.mark.parametrize("data", [b"", b"\x03", b"\x01\x00", b"\xff"])
def test_a_damaged_state_is_one_line(made: Store, data: bytes) -> None:
    if made.suffix:
        (made.path / "done" / "c.1").write_bytes(data)
    elif len(data) == 1:
        made._put("done.npy", made._begin["done.npy"] + 1, data)  # type: ignore[attr-defined]
    else:
        (made.path / "done.npy").write_bytes(data)
    with pytest.raises(ModelFormatError, match="damaged"):
        made.states()
    if made.suffix:
        (made.path / "done" / "c.1").unlink()
        (made.path / "done" / "c.4").write_bytes(b"\x01")
        with pytest.raises(ModelFormatError, match=r"done/c\.4 is damaged"):
            made.states()


def huge_frame() -> bytes:
    """A frame of zstd that says it holds 2⁶⁰ bytes."""
    return bytes([0x28, 0xB5, 0x2F, 0xFD, 0xE0]) + (1 << 60).to_bytes(8, "little") + b"\x01\x00\x00"


@pytest.mark.parametrize("data", [b"", b"x", b"\x28\xb5\x2f\xfd", huge_frame()])
@pytest.mark.parametrize("together", [1, 2])
def test_a_damaged_chunk_is_one_line(tmp_path: Path, data: bytes, together: int) -> None:
    of = layout(12, 3, together)
    store, arrays = create(tmp_path / "set.zarr", of, {}), numbers(of)
    for chunk in range(of.chunks):
        write(store, arrays, chunk)
    for name, file in (("relevance", "c.1.0.0"), ("output", "c.1.0")):
        (store.path / name / file).write_bytes(data)
        first = store.part(1).start
        with pytest.raises(ModelFormatError, match=f"'{name}' cannot be read, a file of it is damaged") as caught:
            store[name][first : first + 1]
        assert "\n" not in str(caught.value)
        assert np.array_equal(store[name][:first], arrays[name][:first], equal_nan=True)


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'{"chunk": 1}', b'{"chunk": "2"}', b'{"chunk": true}'])
def test_a_damaged_reason_is_one_line(made: Store, data: bytes) -> None:
    (made.path / "errors" / "0002.json").write_bytes(data)
    with pytest.raises(ModelFormatError, match=r"errors/0002\.json is damaged"):
        made.errors()


def test_an_attribute_that_is_not_there(made: Store) -> None:
    with pytest.raises(ModelFormatError, match="lacks the attribute 'shapes'"):
        made.attributes["shapes"]
    assert made.attributes["composite"] == "epsilon"
    assert made.attributes.get("shapes") is None
    assert "shapes" not in made.attributes


def test_an_array_that_is_not_there(made: Store) -> None:
    with pytest.raises(
        ModelFormatError, match="there is no array 'relevance_1'; it has relevance, output, target, ledger"
    ):
        made["relevance_1"]
