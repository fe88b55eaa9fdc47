"""The street scenes that are dissected: what is read, and when a claim holds."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lrp_ref.errors import ModelFormatError
from lrp_ref.gallery import Record
from lrp_ref.gallery.applications import dissection_streets
from lrp_ref.gallery.sources import street_scenes
from lrp_ref.units import Dissection

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parents[3] / "shared" / "data" / "camvid_117.tar"


def test_the_page_on_units_has_the_numbers_of_the_run() -> None:
    told = Record.read(ROOT / "docs" / "gallery" / "dissection-streets.json").sentence
    page = (ROOT / "docs" / "units.md").read_text(encoding="utf-8")
    units, by_chance = re.findall(r"threshold ([\d,]+), ([\d,]+) by chance", told)[0]
    assert f"{units} of 1,280 units" in page
    assert f"{by_chance} by chance" in page


def archive(path: Path, members: dict[str, Any]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, array in members.items():
            stream = io.BytesIO()
            Image.fromarray(array).save(stream, "png")
            info = tarfile.TarInfo(name)
            info.size = len(stream.getvalue())
            tar.addfile(info, io.BytesIO(stream.getvalue()))
    return path


def streets(path: Path, count: int = 5) -> Path:
    members = {}
    for k in range(count):
        members[f"CamVid/test/{k}.png"] = np.full((6, 8, 3), 10 * k, dtype=np.uint8)
        members[f"CamVid/testannot/{k}.png"] = np.repeat(np.arange(3, dtype=np.uint8) + k, 2)[:, None].repeat(8, axis=1)
    return archive(path, members)


def test_frames_and_labels_are_read_in_their_order(tmp_path: Path) -> None:
    frames, labels = street_scenes.read(streets(tmp_path / "a.tar"), 3, side=3)
    assert frames.shape == (3, 6, 8, 3)
    assert frames[:, 0, 0, 0].tolist() == [0, 20, 40]  # the first, the middle and the last
    assert labels[:, :, 0].tolist() == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]


@pytest.mark.parametrize("wrong", ["no archive", "no outlines", "no frames"])
def test_other_files_are_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "a.tar"
    if wrong == "no archive":
        path.write_bytes(b"nothing")
    else:
        frame = {"CamVid/test/0.png": np.zeros((4, 4, 3), dtype=np.uint8)}
        archive(path, frame if wrong == "no outlines" else {"other.png": np.zeros((4, 4), dtype=np.uint8)})
    with pytest.raises(ModelFormatError, match=r"not a tar archive|not an archive of CamVid/test and CamVid/testannot"):
        street_scenes.read(path, 1, side=2)


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
def test_the_street_scenes() -> None:
    frames, labels = street_scenes.read(DATA, 2, side=112)
    assert frames.shape == (2, 360, 480, 3)
    assert labels.shape == (2, 112, 112)
    assert labels.max() <= street_scenes.VOID == len(street_scenes.CONCEPTS)


def dissection(own: list[int], *chance: list[int], quantile: float = 0.995) -> Dissection:
    """Of 100 units, so many detectors of the first concepts, and so many under each permutation."""

    def overlaps(counts: list[int]) -> Any:
        iou = np.zeros((100, 11))
        ends = np.cumsum(counts)
        for concept, (end, count) in enumerate(zip(ends, counts, strict=True)):
            iou[end - count : end, concept] = 0.1
        return iou

    row, names = np.full(11, 0.05), street_scenes.CONCEPTS
    control = np.stack([overlaps(counts) for counts in chance])
    iou = overlaps(own)
    return Dissection("at", quantile, names, np.zeros(100), iou, iou, np.ones(100), row, 9, control, (0, 1))


@pytest.mark.parametrize(
    ("early", "late", "often", "held"),
    [
        (([1], [0], [0]), ([9, 2], [3, 0], [2, 1]), ([9], [0], [0]), ("yes", "yes", "yes")),
        (([1], [0], [0]), ([9, 2], [3, 2], [2, 1]), ([9], [0], [0]), ("yes", "yes", "no")),
        (([1], [0], [0]), ([9, 2], [30, 0], [2, 1]), ([9], [0], [0]), ("no", "no", "no")),
        (([20], [0], [0]), ([9, 2], [3, 0], [2, 1]), ([9, 9], [0, 9], [0, 0]), ("yes", "no", "no")),
    ],
)
def test_claims_hold_when_more_units_detect_than_under_every_permutation(
    early: Any, late: Any, often: Any, held: tuple[str, ...]
) -> None:
    findings = dissection_streets._findings(dissection(*early), dissection(*late), dissection(*often, quantile=0.95))
    assert tuple(finding.held for finding in findings) == held
    assert f"{sum(late[0])} of 100 units" in findings[0].measured
