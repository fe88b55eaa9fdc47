"""Samples in zarr arrays: any chunks, formats and codecs of numbers; nothing that a file says is believed or run."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import X, npy, rows, two, without_waiting

from lrp_ref.errors import LrpError, ModelFormatError
from lrp_ref.scale.sources import source, zarr_rows

zarr = pytest.importorskip("zarr")


def made(path: Path, array: Any = X, **how: Any) -> Path:
    """Write a zarr array and return its path."""
    zarr.create_array(path, shape=array.shape, dtype=array.dtype, **how)[:] = array
    return path


@pytest.mark.parametrize(
    "how",
    [
        {"chunks": (4, 2)}, {"chunks": (1, 3)}, {"chunks": (100, 100)}, {"chunks": (2, 3), "shards": (6, 3)},
        {"chunks": (3, 3), "zarr_format": 2}, {"chunks": (3, 1), "zarr_format": 2, "order": "F"},
        {"chunks": (5, 3), "compressors": None}, {"chunks": (7, 3), "compressors": zarr.codecs.BloscCodec()},
        {"chunks": (7, 3), "filters": [zarr.codecs.TransposeCodec(order=(1, 0))]},
    ],
)  # fmt: skip
def test_a_slice_is_that_of_the_array(tmp_path: Path, how: Any) -> None:
    found = source(made(tmp_path / "x.zarr", **how), rows(), None)
    assert (found.samples, found.attributes()["kind"]) == (10, "zarr")
    for start, stop in [(0, 10), (3, 4), (2, 9), (10, 10)]:
        read = found.read(start, stop)
        np.testing.assert_array_equal(read.x["x"], X[start:stop])
        assert read.refused == {}


@pytest.mark.parametrize("dtype", [">f4", "<f2", ">f8"])
def test_floats_are_in_the_order_of_the_machine(tmp_path: Path, dtype: str) -> None:
    read = source(made(tmp_path / "x.zarr", X.astype(dtype), zarr_format=2), rows(), None).read(1, 5).x["x"]
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, X.astype(dtype)[1:5].astype(float))


def test_a_group_has_an_array_for_each_input(tmp_path: Path) -> None:
    for version in (2, 3):
        path = tmp_path / f"group{version}"
        group = zarr.create_group(path, zarr_format=version)
        group.create_array("a", data=X, chunks=(3, 3))
        group.create_array("b", data=2 * X, chunks=(4, 3))
        group.create_array("labels", data=np.arange(10))
        read = source(path, two(), None).read(2, 8).x
        np.testing.assert_array_equal(read["a"], X[2:8])
        np.testing.assert_array_equal(read["b"], 2 * X[2:8])
        np.testing.assert_array_equal(source(path, rows("b"), None).read(0, 4).x["b"], 2 * X[:4])
        with pytest.raises(ModelFormatError, match="inputs are x; the zarr group holds a, b, labels: call its arrays"):
            source(path, rows(), None)


def test_chunks_that_are_not_there_are_the_fill_value(tmp_path: Path) -> None:
    array = zarr.create_array(tmp_path / "x.zarr", shape=(10, 3), chunks=(4, 3), dtype="f4", fill_value=7.0)
    array[:4] = X[:4]
    read = source(tmp_path / "x.zarr", rows(), None).read(2, 10)
    np.testing.assert_array_equal(read.x["x"], np.concatenate([X[2:4], np.full((6, 3), 7.0)]))


def test_a_group_with_one_array_needs_no_names(tmp_path: Path) -> None:
    zarr.create_group(tmp_path / "x.zarr").create_array("images", data=X)
    np.testing.assert_array_equal(source(tmp_path / "x.zarr", rows(), None).read(2, 5).x["x"], X[2:5])


def test_chunks_may_lie_elsewhere(tmp_path: Path) -> None:
    path = made(tmp_path / "x.zarr", chunks=(2, 3))
    before = source(path, rows(), None).attributes()
    (path / "c").rename(tmp_path / "chunks")
    (path / "c").symlink_to(tmp_path / "chunks")
    assert source(path, rows(), None).attributes() == before
    (tmp_path / "chunks" / "around").symlink_to(tmp_path / "chunks")  # in a circle
    (tmp_path / "chunks" / "again").symlink_to(path)
    with without_waiting():
        np.testing.assert_array_equal(source(path, rows(), None).read(0, 10).x["x"], X)


def test_a_damaged_chunk_takes_its_own_samples_alone(tmp_path: Path) -> None:
    path = made(tmp_path / "x.zarr", chunks=(2, 3))
    (path / "c" / "1" / "0").write_bytes(b"\xff" * 30)
    read = source(path, rows(), None).read(1, 7)
    np.testing.assert_array_equal(read.x["x"], X[[1, 4, 5, 6]])
    assert sorted(read.refused) == [2, 3]
    assert all(reason.startswith("x.zarr: a chunk of it cannot be read: ") for reason in read.refused.values())
    found = source(path, rows(), None)
    (path / "c" / "2" / "0").unlink()
    (path / "c" / "2" / "0").symlink_to("0")
    read = found.read(4, 7)
    assert sorted(read.refused) == [4, 5]
    assert "Too many levels of symbolic links" in read.refused[4]
    assert str(tmp_path) not in str(read.refused)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: b"",
        lambda raw: raw[:7],
        lambda raw: raw[:-1],
        lambda raw: raw[:4] + b"\xff\xff\xff\x7f" + raw[8:],  # more bytes than there are blocks for
        lambda raw: raw[:4] + b"\xff\xff\xff\xff" + raw[8:],
        lambda raw: raw[:8] + b"\x01\0\0\0" + raw[12:],
        lambda raw: raw[:8] + b"\0\0\0\0" + raw[12:],
        lambda raw: raw[:12] + b"\xff\xff\xff\x7f" + raw[16:],
    ],
)
def test_what_a_chunk_of_blosc_says_of_itself_is_not_believed(tmp_path: Path, version: int, damage: Any) -> None:
    numcodecs = pytest.importorskip("numcodecs")
    compressor = numcodecs.Blosc("lz4") if version == 2 else zarr.codecs.BloscCodec(cname="lz4")
    array = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    path = made(tmp_path / "x.zarr", array, chunks=(500, 3), zarr_format=version, compressors=compressor)
    chunk = path / ("1.0" if version == 2 else "c/1/0")
    chunk.write_bytes(damage(chunk.read_bytes()))
    read = source(path, rows(), None).read(498, 502)  # in a process of its own it would end, with no error to be seen
    np.testing.assert_array_equal(read.x["x"], array[498:500])
    assert all("a chunk of Blosc of" in read.refused[k] for k in (500, 501))


def test_which_data_they_are(tmp_path: Path) -> None:
    path, there = made(tmp_path / "x.zarr", chunks=(2, 3)), tmp_path / "there.zarr"
    before = source(path, rows(), None).attributes()
    shutil.copytree(path, there)
    (there / ".DS_Store").write_bytes(b"somebody looked")
    zarr.open_array(there, mode="r+").attrs["note"] = "a name that somebody adds"
    os.utime(there / "c" / "1" / "0", (0, 0))
    assert source(there, rows(), None).attributes() == before | {"name": "there.zarr"}
    zarr.open_array(there, mode="r+")[7, 1] += 1
    assert source(there, rows(), None).attributes()["fingerprint"] != before["fingerprint"]
    (path / "c" / "3" / "0").unlink()
    lacking = source(path, rows(), None).attributes()["fingerprint"]
    assert lacking != before["fingerprint"]
    (path / "zarr.json").write_text((path / "zarr.json").read_text().replace('"fill_value": 0.0', '"fill_value": 1.0'))
    assert source(path, rows(), None).attributes()["fingerprint"] != lacking


def test_an_array_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    found = source(made(tmp_path / "x.zarr"), rows(), None)
    zarr.open_array(tmp_path / "x.zarr", mode="r+").resize((12, 3))
    with pytest.raises(ModelFormatError, match=r"^x\.zarr: the zarr array has changed since the job was made"):
        found.read(0, 1)


@pytest.mark.parametrize("version", [2, 3])
def test_no_codec_runs_what_a_file_says(tmp_path: Path, version: int) -> None:
    path, file = made(tmp_path / "x.zarr", zarr_format=version), ".zarray" if version == 2 else "zarr.json"
    content = json.loads((path / file).read_text())
    if version == 2:
        content["filters"] = [{"id": "pickle"}]
    else:
        content["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}, *content["codecs"]]
    (path / file).write_text(json.dumps(content))
    (tmp_path / ".zmetadata").write_text("{}")
    with pytest.raises(ModelFormatError, match=r"coded by '(numcodecs\.)?pickle', which is not read here"):
        source(path, rows(), None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.pop("shape"), "metadata of the zarr array are damaged: KeyError 'shape'"),
        (lambda m: m.update(shape=[-3, 3]), r"has the shape \(-3, 3\): sizes are integers from 0 on"),
        (lambda m: m.update(shape=[10**18, 3]), "which no array can have"),
        (lambda m: m.update(shape=["10", 3]), "sizes are integers"),
        (lambda m: m.update(shape=[10]), r"chunks of \(10, 3\) do not fit an array of \(10,\)"),
        (lambda m: m.update(chunk_grid=None), "metadata of the zarr array are damaged"),
        (lambda m: m["chunk_grid"]["configuration"].update(chunk_shape=[0, 3]), r"chunks of \(0, 3\) do not fit"),
        (lambda m: m["chunk_grid"]["configuration"].update(chunk_shape=[10**9, 3]), "is read as a whole; 2147483648"),
        (lambda m: m["codecs"].append({"name": "evil"}), "coded by 'evil', which is not read here"),
        (lambda m: m["codecs"].append(None), "metadata of the zarr array are damaged"),
        (lambda m: m.update(data_type="string"), "holds objects or texts, no real numbers"),
        (lambda m: m.update(data_type={"name": "numpy.datetime64"}), "holds objects or texts, no real numbers"),
        (lambda m: m.update(data_type="complex64"), "holds complex64, no real numbers"),
        (lambda m: m.update(data_type="int32"), "holds int32 .*the network takes floats: save x.astype"),
        (lambda m: m.update(zarr_format=9), "zarr does not open the array: "),
        (lambda m: m.update(fill_value="everything"), "zarr does not open the array: "),
    ],
)
def test_metadata_that_cannot_be_are_one_line(tmp_path: Path, change: Any, reason: str) -> None:
    path = made(tmp_path / "x.zarr")
    content = json.loads((path / "zarr.json").read_text())
    change(content)
    (path / "zarr.json").write_text(json.dumps(content))
    with pytest.raises(LrpError, match=rf"^{path}.*{reason}"):
        source(path, rows(), None)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"zarr_format": 3, "zarr_format": 3}', "\xff"])
def test_damaged_json_is_one_line(tmp_path: Path, text: str) -> None:
    path = made(tmp_path / "x.zarr")
    (path / "zarr.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelFormatError, match=r"x\.zarr/zarr\.json"):
        source(path, rows(), None)


def test_what_is_no_file_in_an_array_is_not_waited_for(tmp_path: Path) -> None:
    path = made(tmp_path / "x.zarr", chunks=(2, 3))
    (path / "c" / "1" / "0").unlink()
    os.mkfifo(path / "c" / "1" / "0")
    with without_waiting(), pytest.raises(ModelFormatError, match=r"x\.zarr, chunk c/1/0: a pipe or a device"):
        source(path, rows(), None)
    (path / "zarr.json").unlink()
    os.mkfifo(path / "zarr.json")
    with without_waiting(), pytest.raises(ModelFormatError, match=r"x\.zarr/zarr\.json: a pipe or a device"):
        source(path, rows(), None)


def test_a_chunk_is_read_once_for_a_batch_of_its_size(monkeypatch: Any, tmp_path: Path) -> None:
    found = source(made(tmp_path / "x.zarr", chunks=(5, 3)), rows(), None)
    read = []
    honest = zarr_rows.ZarrRows.read
    monkeypatch.setattr(zarr_rows.ZarrRows, "read", lambda r, a, b, w="": read.append((a, b)) or honest(r, a, b, w))
    found.read(0, 5)
    found.read(5, 10)
    assert read == [(0, 5), (5, 10)]


def test_what_is_called_zarr_and_is_none(tmp_path: Path) -> None:
    npy(tmp_path / "x.zarr" / "x.npy", X)
    with pytest.raises(ModelFormatError, match=r"no zarr array: it has neither zarr\.json, \.zarray nor \.zgroup"):
        source(tmp_path / "x.zarr", rows(), None)
