"""What is no data set is refused in one line, with the file's name and advice that works; nothing waits or runs."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_sets import PIXELS, X, npy, photos, rows, sidecar, two, without_waiting
from PIL import Image

import lrp_ref as lrp
from lrp_ref.errors import LrpError, MissingExtraError, ModelFormatError, ParameterError, UnsupportedError
from lrp_ref.scale.sources import source


def refused(path: Path, net: Any = None, how: Any = None) -> str:
    """Return why a data set is refused: one line with its name."""
    with without_waiting(), pytest.raises(LrpError) as error:
        source(path, rows() if net is None else net, how)
    text = str(error.value)
    assert "\n" not in text
    assert text.isprintable()
    return text


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (X[:0], "no sample in it (the first axis has length 0)"),
        (np.float32(3), "'x' is a single number; the first axis must be the samples"),
        (X[0], "'x' has shape (3,); the network expects (N, 3); one sample is saved as x[None]"),
        (X[:, :2], "'x' has shape (10, 2); the network expects (N, 3)"),
        (X > 0, "'x' holds bool; the network takes floats: save x.astype('float32')"),
        (
            np.arange(30).reshape(10, 3),
            "'x' holds int64 from 0 to 2; the network takes floats: save x.astype('float32')",
        ),
        (X.astype(complex), "holds complex128, no numbers"),
        (X.astype(str), "holds <U32, no numbers"),
        (X.astype("S9"), "holds |S9, no numbers"),
        (np.zeros((10, 3), "M8[s]"), "holds datetime64[s], no numbers"),
        (np.zeros(10, [("a", "f4"), ("b", "f4")]), "no numbers"),
        (np.array([[{}, 1, 2]], dtype=object), "is no array: it holds pickled objects, which are never read"),
    ],
    ids=lambda value: str(getattr(value, "dtype", ""))[:8],
)
def test_arrays_that_no_network_takes(tmp_path: Path, array: Any, reason: str) -> None:
    path = npy(tmp_path / "x.npy", array)
    text = refused(path)
    assert text.startswith(str(path))
    assert reason in text


HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': %s}"


def headed(text: str, *, version: int = 1, length: int | None = None, more: int = 0) -> bytes:
    """An .npy file with any header."""
    wide = 2 if version == 1 else 4
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + (length or len(text)).to_bytes(wide, "little")
        + text.encode()
        + bytes(more)
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no array: EOF"),
        (b"\x93NUMPY", "is no array: EOF"),
        (b"P" * 500, "is no array: the magic string is not correct"),
        (headed(HEADER % "(2, 3)", more=23), "shape (2, 3) of float32 does not fit its 23 bytes"),
        (headed(HEADER % "(2, 3)", more=25), "shape (2, 3) of float32 does not fit its 25 bytes"),
        (headed(HEADER % "(-2, 3)", more=24), "has the shape (-2, 3): sizes are integers from 0 on"),
        (headed(HEADER % "(True, 3)", more=12), "sizes are integers from 0 on"),
        (headed(HEADER % f"({10**20}, 3)", more=24), "which no array can have"),
        (headed(HEADER % f"(0, {10**20})"), "which no array can have"),
        (headed(HEADER % "(" + "1, " * 40 + ")", more=4), "is no array"),
        (headed(HEADER % ("(" + "1, " * 40 + ")"), more=4), "has 40 axes; 32 are allowed"),
        (headed(HEADER % "(2, 3)", length=60_000, more=24), "is no array: EOF: reading array header"),
        (headed(HEADER % "(2, 3)", version=2, length=2**32 - 1, more=24), "is no array: EOF: reading array header"),
        (headed(HEADER % "(2, 3)", version=9, more=24), "is no array: version (9, 0)"),
        (headed("(" * 5000), "is no array"),
        (headed(" " * 20_000), "is no array"),
        (headed("__import__('os').abort()"), "is no array: malformed node or string"),
    ],
)
def test_files_that_are_no_array(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    text = refused(path)
    assert text.startswith(str(path))
    assert reason in text


def test_what_is_no_file(tmp_path: Path) -> None:
    npy(tmp_path / "x.npy", X)
    (tmp_path / "link.npy").symlink_to("x.npy")
    assert source(tmp_path / "link.npy", rows(), None).samples == 10
    os.mkfifo(tmp_path / "pipe.npy")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "device.npy").symlink_to("/dev/zero")
    (tmp_path / "gone.npy").symlink_to("nowhere")
    (tmp_path / "loop.npy").symlink_to("loop.npy")
    (tmp_path / "folder.npy").mkdir()
    for name, reason in [
        ("pipe.npy", "a pipe or a device, not a file"), ("pipe.txt", "a pipe or a device, not a file"),
        ("device.npy", "a pipe or a device, not a file"), ("gone.npy", "there is no such file"),
        ("loop.npy", "it cannot be read: Too many levels of symbolic links"), ("none.npy", "there is no such file"),
        ("folder.npy", "a folder without pictures or .npy"), ("a\0b.npy", "it cannot be read: embedded null byte"),
        ("a" * 300 + ".npy", "it cannot be read: File name too long"), ("x.npy/y.npy", "Not a directory"),
    ]:  # fmt: skip
        assert reason in refused(tmp_path / name)
    assert refused(npy(tmp_path / "a\n\x1b[2J.npy", X[:, :2])).startswith(f"{tmp_path}/a \\x1b[2J.npy: 'x' has shape")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_may_not_be_read(tmp_path: Path) -> None:
    npy(tmp_path / "x.npy", X).chmod(0)
    assert "it cannot be read: Permission denied" in refused(tmp_path / "x.npy")


def test_folders_that_are_no_data_set(tmp_path: Path) -> None:
    assert "a folder without pictures or .npy files; of files in folders inside it, write a list" in refused(tmp_path)
    np.savez(tmp_path / "x.npz", x=X)
    assert ".npz files are archives: save each array in them as an .npy file" in refused(tmp_path)
    Image.fromarray(PIXELS[0]).save(tmp_path / "0.png")
    assert "to read pictures, the model needs a sidecar that says how" in refused(tmp_path)
    assert "as the model's sidecar says: 'x' has shape (1, 3, 4, 5); the network expects (N, 3)" in refused(
        tmp_path, rows(), sidecar()
    )
    npy(tmp_path / "x.npy", X)
    assert "it has 1 pictures and 1 .npy files: which are the samples?" in refused(tmp_path, photos(), sidecar())
    npy(tmp_path / "all" / "0.npy", X[:, :2])
    npy(tmp_path / "all" / "1.npy", X[:, :1])
    assert refused(tmp_path / "all").startswith(f"{tmp_path}/all, 0.npy: 'x' has shape (10, 2)")


def test_one_array_for_several_inputs(tmp_path: Path) -> None:
    advice = (
        "the network's inputs are a, b{}: give a folder with a.npy, b.npy, or a zarr group with an array of each name"
    )
    assert advice.format("") in refused(npy(tmp_path / "a.npy", X), two())
    assert advice.format("; the folder holds a") in refused(tmp_path, two())
    npy(tmp_path / "b.npy", X[:9])
    assert "its arrays have different numbers of samples: [9, 10]" in refused(tmp_path, two())
    npy(tmp_path / "c.npy", X)
    assert advice.format("; the folder holds a, b, c") in refused(tmp_path, two())
    for name in ("a", "b"):
        npy(tmp_path / "whole" / f"{name}.npy", X.astype(int))
    assert "'a' holds int64; the network takes floats" in refused(tmp_path / "whole", two())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a list of no file: write one path a line"),
        ("\n# nothing\n", "a list of no file"),
        (
            "A sentence.\nAnother.",
            "none of the 2 files that it names is there, the first is 'A sentence.': a list has one",
        ),
        ("x.npy\n0.png", "it names 1 .npy files and 1 others: write a list of each kind"),
        ("a\0b\n", "none of the 1 files"),
    ],
)
def test_lists_that_are_no_data_set(tmp_path: Path, text: str, reason: str) -> None:
    npy(tmp_path / "x.npy", X)
    (tmp_path / "list.txt").write_text(text)
    assert reason in refused(tmp_path / "list.txt", photos(), sidecar())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x.png", "one picture: give the folder that it is in, or a list of pictures (.txt)"),
        ("x.json", "text is no data set"), ("x.md", "text is no data set"), ("x.zip", "an archive: unpack it"),
        ("x.onnx", "a model, not a data set: give an .npy file, a folder"), ("x.pkl", "a model, not a data set"),
        ("x.pth", "a model, not a data set"), ("x.parquet", "no kind of file that samples are read of: give an .npy"),
        ("x", "no kind of file that samples are read of"),
    ],
)  # fmt: skip
def test_other_files(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / name).write_text("anything")
    assert reason in refused(tmp_path / name)


# -- advice that works ------------------------------------------------------------------------------------------------


def advised(text: str) -> str:
    """Return the code that an error advises."""
    return re.search(r"numpy\.save\(.*\)", text.partition("; a first")[0].partition(", and so")[0])[0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("x.npz", lambda path: np.savez(path, x=X)),
        ("y.npz", lambda path: np.savez_compressed(path, other=X)),
        ("x.csv", lambda path: np.savetxt(path, X, delimiter=",")),
        ("x.tsv", lambda path: np.savetxt(path, X, delimiter="\t")),
    ],
)
def test_a_file_of_another_kind_becomes_a_data_set(
    tmp_path: Path, monkeypatch: Any, name: str, write: Callable[[Path], Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(name))
    exec(advised(refused(Path(name))), {"numpy": np})  # noqa: S102 - the advice
    np.testing.assert_allclose(source(name[0] + ".npy", rows(), None).read(0, 10).x["x"], X, rtol=1e-6)


def test_an_archive_of_several_inputs_becomes_a_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", a=X, b=2 * X)
    code = advised(refused(Path("x.npz"), two()))
    Path("FOLDER").mkdir()
    for one in (code, code.replace("a.npy", "b.npy").replace("['a']", "['b']")):
        exec(one, {"numpy": np})  # noqa: S102 - the advice
    np.testing.assert_array_equal(source("FOLDER", two(), None).read(0, 3).x["b"], 2 * X[:3])
    Path("x.npz").write_bytes(b"PK")
    assert "an .npz file, which is no data set, and damaged" in refused(Path("x.npz"))


def test_hdf5_becomes_a_data_set(tmp_path: Path, monkeypatch: Any) -> None:
    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(tmp_path)
    with h5py.File("x.h5", "w") as file:
        file["images"] = X
    exec(advised(refused(Path("x.h5"))).replace("NAME", "images"), {"numpy": np, "h5py": h5py})  # noqa: S102 - the advice
    np.testing.assert_array_equal(source("x.npy", rows(), None).read(2, 4).x["x"], X[2:4])


@pytest.mark.parametrize("name", ["out", "out.zarr"])
def test_a_store_is_no_data_set_and_its_maps_are(tmp_path: Path, name: str) -> None:
    if name.endswith(".zarr"):
        pytest.importorskip("zarr")
    lrp.save(rows(), tmp_path / "net.npz")
    asked = lrp.scale.job(tmp_path / "net.npz", npy(tmp_path / "x.npy", X), composite="lrp0", batch=4)
    lrp.scale.run(asked, tmp_path / name)
    text = refused(tmp_path / name)
    assert "a store of explanations, not a data set: the samples come first, then the store" in text
    found = source(tmp_path / text.rpartition(" ")[2], rows(), None)
    expected = lrp.explain(rows(), X, composite="lrp0").relevance
    np.testing.assert_allclose(found.read(0, 10).x["x"], expected, rtol=1e-5, atol=1e-6)


def test_without_zarr(tmp_path: Path, monkeypatch: Any) -> None:
    zarr = pytest.importorskip("zarr")
    zarr.save_array(tmp_path / "x.zarr", X)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r"zarr is needed to read zarr arrays .*pip install 'lrp-ref\[scale\]'"):
        source(tmp_path / "x.zarr", rows(), None)
    assert source(npy(tmp_path / "x.npy", X), rows(), None).samples == 10


def test_each_refusal_is_of_its_class(tmp_path: Path) -> None:
    for path, kind in [("none.npy", ModelFormatError), ("", ParameterError), ("x.csv", UnsupportedError)]:
        (tmp_path / "x.csv").write_text("1")
        with pytest.raises(kind):
            source(tmp_path / path, rows(), None)
