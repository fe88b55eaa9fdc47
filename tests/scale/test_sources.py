"""Samples of .npy files: the same numbers as of the whole array, in any order of bytes and axes, a slice at a time."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import PIXELS, X, anything, npy, photos, rows, sidecar, two, words

import lrp_ref as lrp
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, ShapeError
from lrp_ref.scale.sources import batches, fingerprints, npy_rows, source
from lrp_ref.scale.sources.fingerprints import BLOCK, BLOCKS, fingerprint


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">f2", "<f8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_slice_is_that_of_the_array(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.asarray(X, dtype=dtype, order=order)
    found = source(npy(tmp_path / "x.npy", array), rows(), None)
    read = found.read(2, 7)
    (x,) = read.x.values()
    wide = "float64" if np.dtype(dtype).itemsize == 8 else "float32"
    assert (found.samples, list(read.x), read.refused) == (10, ["x"], {})
    assert x.dtype == np.dtype(wide)
    assert x.dtype.isnative
    assert x.flags.c_contiguous
    assert x.flags.owndata
    np.testing.assert_array_equal(x, array[2:7].astype(wide))
    zeros = found.zeros()["x"]
    assert (zeros.shape, zeros.dtype, zeros.any()) == ((1, 3), np.dtype(wide), np.False_)


@pytest.mark.parametrize("apart", [0, npy_rows.APART])
@pytest.mark.parametrize("span", [1, npy_rows.SPAN])
@pytest.mark.parametrize("shape", [(6,), (6, 2), (6, 2, 3, 4), (6, 0), (1, 5), (6, 1, 7)])
def test_columns_that_lie_apart(monkeypatch: Any, tmp_path: Path, apart: int, span: int, shape: Any) -> None:
    monkeypatch.setattr(npy_rows, "APART", apart)
    monkeypatch.setattr(npy_rows, "SPAN", span)
    array = np.asfortranarray(np.random.default_rng(0).normal(size=shape))
    file = npy_rows.NpyRows.of(npy(tmp_path / "x.npy", array))
    assert file.column_major == (not array.flags.c_contiguous)
    for start, stop in [(0, shape[0]), (shape[0] // 2, shape[0]), (0, 1), (1, 1)]:
        np.testing.assert_array_equal(file.read(start, stop), array[start:stop])


@pytest.mark.parametrize("channels", ["RGB", "BGR", "L"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_bytes_are_scaled_as_the_sidecar_says(tmp_path: Path, channels: str, layout: str) -> None:
    pixels = PIXELS if len(channels) == 3 else PIXELS[..., 0]
    found = source(npy(tmp_path / "x.npy", pixels), photos(len(channels), layout), sidecar(channels, layout))
    planes = pixels.reshape(7, 4, 5, -1).astype(float)
    planes = planes[..., ::-1] if channels == "BGR" else planes
    mean = [100.0, 110.0, 120.0] if len(channels) == 3 else 100.0
    expected = (planes - np.array(mean)) * 0.25
    expected = expected.transpose(0, 3, 1, 2) if layout == "NCHW" else expected
    np.testing.assert_array_equal(found.read(0, 7).x["x"], expected.astype(np.float32))
    assert found.zeros()["x"].shape == (1, *expected.shape[1:])
    assert found.attributes()["pixels"]["channels"] == channels


def test_pixels_are_of_the_networks_precision_or_of_that_which_is_asked(tmp_path: Path) -> None:
    file = npy(tmp_path / "x.npy", PIXELS)
    assert source(file, photos().astype("float64"), sidecar()).zeros()["x"].dtype == np.float64
    fine = source(file, photos(), sidecar(), dtype="float64").read(0, 7).x["x"]
    np.testing.assert_array_equal(fine, ((PIXELS - np.array([100.0, 110, 120])) * 0.25).transpose(0, 3, 1, 2))


@pytest.mark.parametrize("dtype", ["<i4", ">i8", "u1", "?"])
def test_tokens_are_integers(tmp_path: Path, dtype: str) -> None:
    ids = (np.arange(20).reshape(5, 4) % 6).astype(dtype)
    read = source(npy(tmp_path / "ids.npy", ids), words(), None).read(1, 4).x["ids"]
    assert read.dtype.kind in "iu"
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, ids[1:4].astype(int))


def test_the_batch_is_in_front_wherever_the_model_has_it(tmp_path: Path) -> None:
    turned = lrp.network.inputs.Input("x", (3, None), batch_axis=1)
    net = lrp.Network(rows().nodes, (turned,), ("fc",))
    np.testing.assert_array_equal(source(npy(tmp_path / "x.npy", X), net, None).read(4, 6).x["x"], X[4:6])


def test_several_inputs_are_a_file_each(tmp_path: Path) -> None:
    npy(tmp_path / "a.npy", X)
    npy(tmp_path / "b.npy", np.asfortranarray(2 * X))
    read = source(tmp_path, two(), None).read(3, 5).x
    np.testing.assert_array_equal(read["a"], X[3:5])
    np.testing.assert_array_equal(read["b"], 2 * X[3:5])
    (few,) = batches(source(tmp_path, two(), None), 10)
    np.testing.assert_array_equal(few["b"], 2 * X)


def test_samples_that_are_not_there(tmp_path: Path) -> None:
    found = source(npy(tmp_path / "x.npy", X), rows(), None)
    assert found.read(10, 10).x["x"].shape == (0, 3)
    for start, stop in [(-1, 3), (3, 2), (0, 11)]:
        with pytest.raises(ParameterError, match="the data set has 10, from 0"):
            found.read(start, stop)


# -- which data they are ----------------------------------------------------------------------------------------------


def test_what_says_which_data_they_are_does_not_say_where(tmp_path: Path) -> None:
    there, here = npy(tmp_path / "one" / "x.npy", X), tmp_path / "other" / "y.npy"
    here.parent.mkdir()
    shutil.copy(there, here)
    os.utime(here, (0, 0))
    one, other = (source(file, rows(), None).attributes() for file in (there, here))
    assert one | {"name": "y.npy"} == other
    assert "/" not in json.dumps(one)
    assert one["kind"] == "npy"
    changed = X.copy()
    changed[9, 2] += 1
    for array in (changed, X[:9], X.astype(">f4"), np.asfortranarray(X), X.reshape(5, 6)[:, :3]):
        assert source(npy(here, array), rows(), None).attributes()["fingerprint"] != one["fingerprint"]


def test_of_a_large_file_a_few_blocks_are_read(monkeypatch: Any, tmp_path: Path) -> None:
    file = tmp_path / "large"
    size = 3 * BLOCKS * BLOCK + 12345
    with file.open("wb") as stream:
        stream.truncate(size)
    read = []
    honest = fingerprints.fill
    monkeypatch.setattr(
        fingerprints, "fill", lambda s, start, room, w: read.append((start, len(room))) or honest(s, start, room, w)
    )
    before = fingerprint([], [("", str(file), size)])
    assert len(read) == BLOCKS
    assert read[0][0] == 0
    assert sum(read[-1]) == size
    assert {n for _, n in read} == {BLOCK}
    for place in (0, size - 1, read[17][0] + 5):
        with file.open("r+b") as stream:
            stream.seek(place)
            stream.write(b"x")
        after = fingerprint([], [("", str(file), size)])
        assert after != before
        before = after
    read.clear()
    fingerprint([], [("", str(file), BLOCKS * BLOCK)])
    assert sum(n for _, n in read) == BLOCKS * BLOCK  # a file that is no longer is read whole
    read.clear()
    fingerprint([], [("", str(file), 10 * BLOCK + 5)])
    assert sum(n for _, n in read) == 10 * BLOCK + 5


def test_of_many_files_names_and_sizes_count_and_contents_of_some(tmp_path: Path) -> None:
    files = []
    for k in range(200):
        (tmp_path / str(k)).write_bytes(bytes([k]) * 10)
        files.append((f"{k:03}", str(tmp_path / str(k)), 10))
    one = fingerprint([], files)
    assert one == fingerprint([], files) != fingerprint(["more"], files)
    assert one != fingerprint([], [("0", *files[0][1:]), *files[1:]])
    assert one != fingerprint([], [*files[:57], (*files[57][:2], 9), *files[58:]])
    assert one != fingerprint([], files[::-1])
    (tmp_path / "199").write_bytes(b"another 10")
    assert one != fingerprint([], files)


@pytest.mark.parametrize("array", [X[:9], X.astype(np.float64), np.asfortranarray(X), X.ravel()])
def test_a_file_that_has_changed_since_is_refused(tmp_path: Path, array: Any) -> None:
    found = source(npy(tmp_path / "x.npy", X), rows(), None)
    npy(tmp_path / "x.npy", array)
    with pytest.raises(ModelFormatError, match=r"^x\.npy: the file has changed .* since the job was made"):
        found.read(0, 1)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-1])
    with pytest.raises(ModelFormatError, match=r"^x\.npy is no array"):
        found.read(0, 1)
    (tmp_path / "x.npy").unlink()
    with pytest.raises(ModelFormatError, match=r"^x\.npy: there is no such file"):
        found.read(0, 1)


def test_a_source_is_a_small_value(tmp_path: Path) -> None:
    found = source(npy(tmp_path / "x.npy", X), rows(), None)
    sent = pickle.dumps(found)
    assert len(sent) < 2000
    arrived = pickle.loads(sent)  # noqa: S301 - our own bytes
    assert arrived == found
    assert hash(arrived) == hash(found)
    with pytest.raises(AttributeError):
        found.path = "other"  # type: ignore[misc]


PEAK = """
import resource, sys, numpy as np
sys.path.insert(0, {support!r})
from data_sets import rows, anything
from lrp_ref.scale.sources import source
found = source({file!r}, anything(), None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for k in range(40):
    (x,) = found.read(k * found.samples // 40, k * found.samples // 40 + {size}).x.values()
    assert x.shape == ({size}, 1000) and not x.any()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is the system's")
def test_slices_of_a_file_much_larger_than_they_are_take_little_memory(tmp_path: Path) -> None:
    file, n = tmp_path / "x.npy", 500_000
    with file.open("wb") as stream:  # 2 GB, of which the system stores the header
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": (n, 1000)})
        stream.truncate(stream.tell() + n * 4000)
    assert file.stat().st_size > 2_000_000_000
    code = PEAK.format(support=str(Path(__file__).parents[1] / "support"), file=str(file), size=2500)  # 10 MB a slice
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100_000  # kB; all slices together have 400 MB


# -- batches ----------------------------------------------------------------------------------------------------------


def test_batches_can_be_gone_through_again(tmp_path: Path) -> None:
    few = batches(source(npy(tmp_path / "x.npy", X), anything(), None), 4)
    assert len(few) == 3
    for _ in range(2):
        parts = list(few)
        assert [len(part) for part in parts] == [4, 4, 2]
        np.testing.assert_array_equal(np.concatenate(parts), X)
    with pytest.raises(ParameterError, match="size"):
        batches(few.source, 0)


def test_relmax_of_batches_is_that_of_the_array(tmp_path: Path) -> None:
    few = batches(source(npy(tmp_path / "x.npy", X), rows(), None), 3)
    found, whole = (lrp.methods.relmax(rows(), x, at="fc", k=4, composite="lrp0") for x in (few, X))
    np.testing.assert_array_equal(found.samples, whole.samples)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-5)


def test_samples_that_cannot_be_read_end_the_batches_or_are_left_out(tmp_path: Path) -> None:
    for k, one in enumerate(X):
        npy(tmp_path / f"{k}.npy", one[:2] if k in (2, 3, 7) else one)
    found = source(tmp_path, rows(), None)
    reason = f"{tmp_path.name}: sample 2 cannot be read: 2.npy: 'x' has shape"
    with pytest.raises(ModelFormatError) as error:
        list(batches(found, 2))
    assert str(error.value).startswith(reason)
    few = batches(found, 2, leave_out=True)
    assert few.refused == {}
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(few)), X[[0, 1, 4, 5, 6, 8, 9]])
        assert [len(part) for part in few] == [2, 2, 1, 2]  # the batch of 2 and 3 is none
        assert list(few.refused) == [2, 3, 7]


def test_errors_are_ours(tmp_path: Path) -> None:
    for net, array, kind in [(rows(), X[:, :2], ShapeError), (two(), X, ShapeError), (rows(), X[:0], ShapeError)]:
        with pytest.raises(kind) as error:
            source(npy(tmp_path / "x.npy", array), net, None)
        assert isinstance(error.value, LrpError)
        assert "x.npy" in str(error.value)
