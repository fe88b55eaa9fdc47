"""Samples in many files: pictures and arrays of folders and lists; one that is bad does not take the others along."""

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
from data_sets import PIXELS, X, anything, npy, photos, rows, sidecar, without_waiting
from PIL import Image

import lrp_ref as lrp
from lrp_ref.errors import ModelFormatError
from lrp_ref.loaders.preprocess import read_image
from lrp_ref.scale.sources import files, source

EXACT = ((PIXELS - np.array([100.0, 110, 120])) * 0.25).transpose(0, 3, 1, 2).astype(np.float32)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Seven pictures without loss, of the network's size, in another order than they were written in."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in (3, 0, 6, 1, 5, 2, 4):
        Image.fromarray(PIXELS[k]).save(folder / f"{k}.png")
    return folder


def test_pictures_are_read_in_the_order_of_their_names(pictures: Path) -> None:
    (pictures / "README.md").write_text("no picture")
    (pictures / "5.png.d").mkdir()
    (pictures / "9.png").mkdir()
    found = source(pictures, photos(), sidecar())
    read = found.read(2, 6)
    assert (found.samples, read.refused) == (7, {})
    np.testing.assert_array_equal(read.x["x"], EXACT[2:6])
    assert (found.zeros()["x"].shape, found.zeros()["x"].dtype) == ((1, 3, 4, 5), np.float32)
    told = found.attributes()
    assert (told["name"], told["kind"]) == ("pictures", "folder of pictures")
    assert told["pixels"] == {
        "size": [4, 5], "channels": "RGB", "layout": "NCHW", "mean": [100.0, 110.0, 120.0], "scale": [0.25],
        "resize": "stretch", "resample": "bilinear",
    }  # fmt: skip


def test_pictures_of_any_size_are_those_of_a_single_picture(pictures: Path) -> None:
    large = np.random.default_rng(2).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    Image.fromarray(large).save(pictures / "large.jpg")
    Image.fromarray(large[..., 0]).save(pictures / "grey.gif")
    found = source(pictures, photos(), sidecar())
    read = found.read(7, 9).x["x"]
    for x, name in zip(read, ["grey.gif", "large.jpg"], strict=True):
        np.testing.assert_array_equal(x, read_image(pictures / name, sidecar())[0][0])


def test_a_bad_picture_is_refused_alone(pictures: Path) -> None:
    whole = (pictures / "1.png").read_bytes()
    (pictures / "1.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "2.png").write_text("no picture")
    (pictures / "4.png").write_bytes(b"")
    os.mkfifo(pictures / "7.png")
    (pictures / "8.png").symlink_to("/dev/zero")
    (pictures / "9.png").symlink_to("nowhere")
    (pictures / "91.png").symlink_to("91.png")
    Image.fromarray(PIXELS[0]).save(pictures / "a\nb\x1b.png")
    with without_waiting():
        found = source(pictures, photos(), sidecar())
        read = found.read(0, found.samples)
    np.testing.assert_array_equal(read.x["x"], EXACT[[0, 3, 5, 6, 0]])
    assert {k: reason.partition(": ")[::2] for k, reason in read.refused.items() if k != 1} == {
        2: ("2.png", "not a picture that Pillow can read"),
        4: ("4.png", "not a picture that Pillow can read"),
        7: ("7.png", "a pipe or a device, not a file"),
        8: ("8.png", "a pipe or a device, not a file"),
        9: ("9.png", "there is no such file"),
        10: ("91.png", "it cannot be read: Too many levels of symbolic links"),
    }
    assert read.refused[1].startswith("1.png: the picture cannot be read: ")
    assert str(pictures) not in str(read.refused)
    assert all("\n" not in reason for reason in read.refused.values())
    assert found.read(1, 3).x["x"].shape == (0, 3, 4, 5)


def test_a_picture_that_goes_or_comes(pictures: Path) -> None:
    found = source(pictures, photos(), sidecar())
    (pictures / "3.png").unlink()
    read = found.read(2, 5)
    assert read.refused == {3: "3.png: there is no such file"}
    np.testing.assert_array_equal(read.x["x"], EXACT[[2, 4]])
    os.mkfifo(pictures / "3.png")
    with without_waiting():
        assert found.read(3, 4).refused == {3: "3.png: a pipe or a device, not a file"}
    (pictures / "3.png").unlink()
    Image.fromarray(PIXELS[0]).resize((9, 9)).save(pictures / "3.png")
    assert found.read(3, 4).refused[3].startswith("3.png: the file has changed since the job was made")
    (pictures / "3.png").unlink()
    files._LOOKED_UP.clear()  # as in another process, which cannot tell which sample is which
    with pytest.raises(ModelFormatError, match=r"^pictures: files have come, gone or changed since the job was made"):
        found.read(0, 1)
    Image.fromarray(PIXELS[3]).save(pictures / "3.png")
    assert found.read(2, 5).refused == {}


def test_another_process_reads_the_same(pictures: Path) -> None:
    found = source(pictures, photos(), sidecar())
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).read(1, 7).x['x'].sum(dtype='f8'))"
    sent = pickle.dumps(found)
    assert len(sent) < 2000
    done = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=True)
    assert float(done.stdout) == EXACT[1:].sum(dtype=np.float64)


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (lambda p: shutil.copy(p / "0.png", p / "7.png"), False),
        (lambda p: (p / "0.png").rename(p / "00.png"), False),
        (lambda p: (p / "0.png").unlink(), False),
        (lambda p: (p / "0.png").write_bytes((p / "0.png").read_bytes() + b"x"), False),
        (lambda p: (p / "0.png").write_bytes((p / "0.png").read_bytes()[:-1] + b"x"), False),
        (lambda p: (p / "notes.txt").write_text("no picture"), True),
        (lambda p: os.utime(p / "0.png", (0, 0)), True),
    ],
)
def test_which_pictures_they_are(pictures: Path, changed: Any, same: bool) -> None:
    before = source(pictures, photos(), sidecar()).attributes()
    there = pictures.with_name("elsewhere")
    shutil.copytree(pictures, there)
    changed(there)
    after = source(there, photos(), sidecar()).attributes()
    assert (before["fingerprint"] == after["fingerprint"]) == same
    assert "/" not in json.dumps(after)


def test_a_few_folders_are_kept_in_memory(pictures: Path) -> None:
    there = [shutil.copytree(pictures, pictures.with_name(f"copy{k}")) for k in range(files.MOST + 2)]
    found = [source(path, photos(), sidecar()) for path in there]
    assert len(files._LOOKED_UP) == files.MOST
    for one in (*found, *found):
        np.testing.assert_array_equal(one.read(0, 1).x["x"], EXACT[:1])


# -- lists ------------------------------------------------------------------------------------------------------------


def test_a_list_has_one_path_a_line(pictures: Path) -> None:
    given = pictures.parent / "list.txt"
    folder = pictures / "more"
    folder.mkdir()
    Image.fromarray(PIXELS[6]).save(folder / "ö  x.png")
    lines = [
        "\ufeff# seven pictures", "", "pictures/4.png\r", f"  {pictures / '1.png'}", "pictures/4.png",
        "pictures/more/../0.png", "#pictures/2.png", "pictures/gone.png", "pictures/more",
        "pictures/more/ö  x.png", "list.txt",
    ]  # fmt: skip
    given.write_bytes("\n".join(lines).encode())
    found = source(given, photos(), sidecar())
    read = found.read(0, found.samples)
    np.testing.assert_array_equal(read.x["x"], EXACT[[4, 1, 4, 0, 6]])
    assert read.refused == {
        4: "pictures/gone.png: there is no such file",
        5: "pictures/more: a folder, not a file",
        7: "list.txt: not a picture that Pillow can read",
    }
    assert found.attributes()["kind"] == "list of pictures"


def test_names_of_files_are_bytes(pictures: Path) -> None:
    name = os.fsdecode(b"\xff\xe9.png")
    Image.fromarray(PIXELS[2]).save(pictures / name, format="PNG")
    (pictures / "list.txt").write_bytes(b"0.png\n\xff\xe9.png\n\xfe.png\n")
    read = source(pictures / "list.txt", photos(), sidecar()).read(0, 3)
    np.testing.assert_array_equal(read.x["x"], EXACT[[0, 2]])
    json.dumps(read.refused).encode()  # what a store writes
    assert read.refused[2].isprintable()
    assert source(pictures, photos(), sidecar()).samples == 8


def test_lists_of_the_same_files_are_the_same_data(pictures: Path) -> None:
    def of(lines: list[Any], folder: Path = pictures) -> str:
        (folder / "list.txt").write_text("\n".join(map(str, lines)))
        told: str = source(folder / "list.txt", photos(), sidecar()).attributes()["fingerprint"]
        return told

    names = ["0.png", "1.png", "2.png"]
    relative = of(names)
    assert of([pictures / name for name in names]) == relative
    assert of([f"pictures/{name}" for name in names], pictures.parent) == relative
    assert of(names[::-1]) != relative != of([*names, "2.png"])
    (pictures / "0.png").unlink()
    assert of(names) != relative


# -- .npy files -------------------------------------------------------------------------------------------------------


def test_arrays_with_one_or_more_samples_each(tmp_path: Path) -> None:
    npy(tmp_path / "0.npy", X[:4])
    npy(tmp_path / "1.npy", X[4])  # a sample alone
    npy(tmp_path / "2.npy", np.asfortranarray(X[5:9]))
    npy(tmp_path / "3.npy", X[9:].astype(">f4"))
    found = source(tmp_path, rows(), None)
    assert (found.samples, found.attributes()["kind"]) == (10, "folder of npy")
    for start, stop in [(0, 10), (3, 6), (4, 5), (6, 8), (2, 2)]:
        read = found.read(start, stop)
        np.testing.assert_array_equal(read.x["x"], X[start:stop])
        assert read.x["x"].dtype == np.float32 and read.refused == {}  # noqa: PT018
    (tmp_path / "list.txt").write_text("2.npy\n0.npy\n")
    np.testing.assert_array_equal(source(tmp_path / "list.txt", rows(), None).read(2, 6).x["x"], X[[7, 8, 0, 1]])


def test_a_bad_array_is_refused_alone(tmp_path: Path) -> None:
    npy(tmp_path / "0.npy", X[:2])
    npy(tmp_path / "1.npy", X[:2, :2])
    npy(tmp_path / "2.npy", X[:3].astype(int))
    (tmp_path / "3.npy").write_bytes((tmp_path / "0.npy").read_bytes()[:-1])
    npy(tmp_path / "4.npy", X[:0])
    os.mkfifo(tmp_path / "5.npy")
    npy(tmp_path / "6.npy", X[2:4].astype(np.float64))
    with without_waiting():
        found = source(tmp_path, rows(), None)
        read = found.read(0, found.samples)
    np.testing.assert_array_equal(read.x["x"], X[:4].astype(np.float64))
    assert read.x["x"].dtype == np.float64  # of the widest file
    assert {k: reason.partition(":")[0] for k, reason in read.refused.items()} == {
        2: "1.npy", 3: "1.npy", 4: "2.npy", 5: "2.npy", 6: "2.npy", 7: "3.npy is no array", 8: "4.npy", 9: "5.npy",
    }  # fmt: skip
    npy(tmp_path / "0.npy", X[:3])
    assert found.read(0, 3).refused[0].startswith("0.npy: the file has changed since the job was made")


def test_sizes_that_the_network_leaves_free_are_those_of_the_first(tmp_path: Path) -> None:
    for k, n in enumerate([3, 3, 2, 3]):
        npy(tmp_path / f"{k}.npy", X[k : k + 1, :n])
    for net in (anything(), rows(width=None)):
        found = source(tmp_path, net, None)
        read = found.read(0, 4)
        assert found.zeros()[net.inputs[0].name].shape == (1, 3)
        np.testing.assert_array_equal(read.x[net.inputs[0].name], X[[0, 1, 3]])
        assert read.refused == {
            2: "2.npy: a sample is <f4 (2,), the first <f4 (3,): all samples of a data set need one shape and kind of "
            "number"
        }


def test_a_sidecar_tells_what_one_sample_is_where_the_network_does_not(tmp_path: Path) -> None:
    npy(tmp_path / "0.npy", EXACT[0])
    npy(tmp_path / "1.npy", EXACT[1:4])
    silent = lrp.Network.sequential([lrp.layers.Flatten()])
    np.testing.assert_array_equal(source(tmp_path, silent, sidecar()).read(0, 4).x["input"], EXACT[:4])
    assert source(tmp_path, silent, None).read(0, 3).x["input"].shape == (3, 4, 5)  # every first axis is the samples


@pytest.mark.parametrize("channels", ["RGB", "L"])
def test_arrays_of_pixels(tmp_path: Path, channels: str) -> None:
    pixels = PIXELS if channels == "RGB" else PIXELS[..., 0]
    npy(tmp_path / "0.npy", pixels[:3])
    npy(tmp_path / "1.npy", pixels[3])
    net, how = photos(len(channels)), sidecar(channels)
    found = source(tmp_path, net, how)
    whole = source(npy(tmp_path.with_suffix(".npy"), pixels[:4]), net, how)
    assert found.samples == 4
    np.testing.assert_array_equal(found.read(0, 4).x["x"], whole.read(0, 4).x["x"])


def test_a_job_on_a_folder_explains_what_can_be_read(pictures: Path, tmp_path: Path) -> None:
    (pictures / "2.png").write_text("no picture")
    lrp.save(photos(), tmp_path / "net.npz")
    inner = {
        "kind": "image",
        "size": [4, 5],
        "channels": "RGB",
        "layout": "NCHW",
        "mean": [100, 110, 120],
        "scale": 0.25,
    }
    (tmp_path / "net.json").write_text(json.dumps({"input": {**inner, "resize": "stretch"}}))
    done = lrp.scale.run(lrp.scale.job(tmp_path / "net.npz", pictures, composite="lrp0", batch=3), tmp_path / "out")
    expected = lrp.explain(photos(), EXACT, composite="lrp0").relevance
    there = [0, 1, 3, 4, 5, 6]
    np.testing.assert_allclose(done.store["relevance"][there], expected[there], rtol=1e-4, atol=1e-4)
    assert (done.done, done.failed) == (2, 1)
    assert done.store.errors()[0]["samples"] == {"2": "2.png: not a picture that Pillow can read"}
