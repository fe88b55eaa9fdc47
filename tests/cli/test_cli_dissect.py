"""``lrp-ref dissect``: the numbers of the library, and files of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run

import lrp_ref as lrp

RNG = np.random.default_rng(0)
LABELS = np.zeros((12, 16, 16), dtype=int)
IMAGES = RNG.normal(0, 0.1, (12, 2, 16, 16)).astype(np.float32)
for _image, _label in zip(IMAGES, LABELS, strict=True):
    _y, _x = RNG.integers(0, 13, 2)
    _image[0, _y : _y + 3, _x : _x + 3] += 1
    _label[_y : _y + 3, _x : _x + 3] = 1
NET = lrp.Network.sequential([("units", lrp.layers.Conv(np.eye(2, dtype=np.float32)[:, :, None, None], None))])


@pytest.fixture
def files(tmp_path: Path) -> list[Any]:
    lrp.save(NET, tmp_path / "net.npz")
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "masks.npy", LABELS)
    return ["dissect", tmp_path / "net.npz", tmp_path / "images.npy", tmp_path / "masks.npy"]


def test_the_numbers_of_the_library_are_printed_and_written(files: list[Any], tmp_path: Path) -> None:
    asked = ["--at", "units", "--names", ",spot", "--quantile", "0.97", "--minimum", "0.5"]
    done = run(*files, *asked, "-o", tmp_path / "out", "--cards", "2")
    assert (done.exit_code, done.stderr) == (0, "")
    expected = lrp.units.dissect(
        NET, IMAGES, LABELS, at="units", quantile=0.97, concepts=[None, "spot"], permuted=range(5)
    )
    assert lrp.units.Dissection.load(tmp_path / "out" / "dissection.npz") == expected
    assert done.stdout.startswith(expected.summary(0.5))
    assert "\nmore detectors than under any of 5 permutations: spot\n" in done.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "dissection.npz", "chart.png", "unit_0000.png", "unit_0001.png",
    }  # fmt: skip


def test_masks_of_booleans_in_an_archive_without_a_control(files: list[Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "masks.npz", masks=LABELS[:, None] == 1)
    done = run(*files[:3], tmp_path / "masks.npz", "--at", "units", "--permutations", "0", "--quantile", "0.9")
    assert done.exit_code == 0
    assert "–" in done.stdout
    assert "permutations" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--at", "unit"], "unknown node 'unit': did you mean 'units'?"),
        (["--at", "units", "--names", "paper"], "give more names, or leave labels out (ignore=LABEL, --ignore LABEL)"),
        (["--at", "units", "--cards", "2"], "--cards are files: say where to, -o DIRECTORY"),
        (["--at", "units", "--quantile", "2"], "quantile is 2.0"),
    ],
)
def test_what_cannot_be_done_is_one_line(files: list[Any], arguments: list[str], reason: str) -> None:
    done = run(*files, *arguments)
    assert done.exit_code == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x80\x04 a pickle"])
def test_damaged_masks_are_one_line(files: list[Any], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "masks.npy").write_bytes(content)
    done = run(*files, "--at", "units")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "not a readable .npy or .npz file of masks" in done.stderr
    np.savez(tmp_path / "two.npz", a=LABELS, b=LABELS)
    assert "holds a, b: give one array of masks" in run(*files[:3], tmp_path / "two.npz", "--at", "units").stderr
    assert run(*files[:3], tmp_path / "none.npy", "--at", "units").exit_code == 2


@pytest.mark.parametrize("place", [2, 3], ids=["images", "masks"])
def test_a_damaged_compressed_stream_is_one_line(files: list[Any], tmp_path: Path, place: int) -> None:
    np.savez_compressed(tmp_path / "broken.npz", a=np.random.default_rng(0).integers(0, 9, (200, 40)))
    content = bytearray((tmp_path / "broken.npz").read_bytes())
    content[60:400] = b"\xff" * 340  # within the stream: the archive's list of entries is whole
    (tmp_path / "broken.npz").write_bytes(content)
    done = run(*files[:place], tmp_path / "broken.npz", *files[place + 1 :], "--at", "units")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "broken.npz: not a readable .npz file" in done.stderr or "not a readable .npy or .npz file" in done.stderr


def as_zarr(place: Path) -> Path:
    zarr = pytest.importorskip("zarr")
    zarr.create_array(place / "images.zarr", shape=IMAGES.shape, dtype="f4", chunks=(5, 2, 16, 16))[:] = IMAGES
    return place / "images.zarr"


def as_folder(place: Path) -> Path:
    (place / "images").mkdir()
    for k, image in enumerate(IMAGES):
        np.save(place / "images" / f"{k:02}.npy", image[None])
    return place / "images"


def as_list(place: Path) -> Path:
    np.save(place / "first.npy", IMAGES[:7])
    np.save(place / "rest.npy", IMAGES[7:])
    (place / "images.txt").write_text("first.npy\nrest.npy\n")
    return place / "images.txt"


def as_columns(place: Path) -> Path:
    np.save(place / "columns.npy", np.asfortranarray(IMAGES).astype(">f4"))
    return place / "columns.npy"


@pytest.mark.parametrize("made", [as_zarr, as_folder, as_list, as_columns])
def test_a_data_set_of_any_kind_has_the_numbers_of_the_array(files: list[Any], tmp_path: Path, made: Any) -> None:
    asked = ["--at", "units", "--names", ",spot", "--quantile", "0.97", "--batch", "5", "--cards", "2"]
    done = run(*files[:2], made(tmp_path), files[3], *asked, "-o", tmp_path / "out")
    assert (done.exit_code, done.stderr) == (0, "")
    expected = lrp.units.dissect(
        NET, IMAGES, LABELS, at="units", quantile=0.97, concepts=[None, "spot"], permuted=range(5)
    )
    assert lrp.units.Dissection.load(tmp_path / "out" / "dissection.npz") == expected
    for card in lrp.units.unit_cards(NET, IMAGES, [0, 1], at="units", dissection=expected):
        lrp.heatmap.save(card.picture(), tmp_path / "card.png")
        assert (tmp_path / "card.png").read_bytes() == (tmp_path / "out" / f"unit_{card.unit:04}.png").read_bytes()


def test_a_large_file_is_read_a_batch_at_a_time(files: list[Any], monkeypatch: Any) -> None:
    from lrp_ref.scale.sources.npy_rows import NpyRows

    read: list[int] = []
    honest = NpyRows.read
    monkeypatch.setattr(NpyRows, "read", lambda rows, a, b, where="": read.append(b - a) or honest(rows, a, b, where))
    assert run(*files, "--at", "units", "--batch", "5", "--permutations", "0").exit_code == 0
    assert read[:3] == [5, 5, 2]
    assert max(read) == 5


def test_pictures_are_read_as_the_sidecar_says(files: list[Any], tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(3).integers(0, 256, (12, 16, 16)).astype(np.uint8)
    grey = lrp.Network.sequential([("units", lrp.layers.Conv(np.ones((1, 1, 1, 1), dtype=np.float32), None))])
    lrp.save(grey, tmp_path / "net.npz")
    how = {"kind": "image", "size": [16, 16], "channels": "L", "layout": "NCHW", "mean": 0, "scale": 0.25}
    (tmp_path / "net.json").write_text(json.dumps({"input": {**how, "resize": "stretch"}}))
    (tmp_path / "pictures").mkdir()
    for k, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / "pictures" / f"{k:02}.png")
    np.save(tmp_path / "pixels.npy", pixels)
    expected = lrp.units.dissect(grey, pixels[:, None] * np.float32(0.25), LABELS, at="units", permuted=range(5))
    for images in (tmp_path / "pictures", tmp_path / "pixels.npy"):
        assert run(*files[:2], images, files[3], "--at", "units", "-o", tmp_path / "out").exit_code == 0
        assert lrp.units.Dissection.load(tmp_path / "out" / "dissection.npz") == expected
    (tmp_path / "pictures" / "07.png").write_text("no picture")
    done = run(*files[:2], tmp_path / "pictures", files[3], "--at", "units")
    assert done.exit_code == 2
    assert (
        done.stderr == "lrp-ref: error: pictures: sample 7 cannot be read: 07.png: not a picture that Pillow can read\n"
    )


def test_labels_of_mapped_masks_are_found_image_by_image(files: list[Any], tmp_path: Path) -> None:
    labels = LABELS.copy()
    labels[3, 0, 0], labels[7, 0, 0] = -3, 2
    np.save(tmp_path / "masks.npy", labels)
    done = run(*files, "--at", "units", "-o", tmp_path / "out", "--permutations", "0")
    assert done.exit_code == 0
    assert lrp.units.Dissection.load(tmp_path / "out" / "dissection.npz").concepts == ("-3", "0", "1", "2")
    assert "masks have labels [-3, 2] that none of the 2 names" in run(*files, "--at", "units", "--names", "a,b").stderr
