"""``lrp-ref dissect``: the numbers of the library, and files of them."""

from __future__ import annotations

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
