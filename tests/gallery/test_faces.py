"""Faces out of an archive: what is read and refused, how they are registered, and the parts of a face."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrp_ref.errors import ModelFormatError
from lrp_ref.gallery.sources import faces


def archive(path: Path, pictures: dict[str, np.ndarray]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, pixels in pictures.items():
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "PPM")
            member = tarfile.TarInfo(name)
            member.size = len(stream.getvalue())
            tar.addfile(member, io.BytesIO(stream.getvalue()))
    return path


def test_faces_are_sorted_by_person_and_number(tmp_path: Path) -> None:
    grey = {
        f"faces/s{p}/{k}.pgm": np.full((112, 92), 10 * p + k, np.uint8) for p, k in ((12, 1), (3, 10), (3, 2), (12, 0))
    }
    images, persons = faces.read(archive(tmp_path / "faces.tar", grey), persons=2, each=2)
    assert images.shape == (4, 112, 92)
    assert np.round(images[:, 0, 0] * 255).tolist() == [32, 40, 120, 121]
    assert persons.tolist() == [0, 0, 1, 1]


def test_archives_without_such_pictures_are_refused(tmp_path: Path) -> None:
    grey = {f"s{p}/{k}.pgm": np.zeros((112, 92), np.uint8) for p, k in ((1, 1), (1, 2), (2, 1))}
    for pictures, told in (
        ({"other/1.pgm": grey["s1/1.pgm"]}, "0 sPERSON/NUMBER.pgm of 0"),
        (grey, "3 .* of 2 persons"),
    ):
        with pytest.raises(ModelFormatError, match=f"{told}.*needed: 2 of each of 2"):
            faces.read(archive(tmp_path / "none.tar", pictures), persons=2, each=2)
    with pytest.raises(ModelFormatError, match="pixels"):
        faces.read(archive(tmp_path / "small.tar", {"s1/1.pgm": np.zeros((11, 92), np.uint8)}), persons=1, each=1)


def test_moved_pictures_come_back_to_each_other() -> None:
    rng = np.random.default_rng(0)
    large = rng.random((136, 116)).astype(np.float32)
    moves = [(0, 0), (4, -6), (-2, 8), (0, 2), (0, 0), (0, 0)]
    images = np.stack([large[12 + y : 124 + y, 12 + x : 104 + x] for y, x in moves])
    found = faces.registered(images)
    assert max(float(np.abs(one - found[0])[20:90, 20:70].max()) for one in found) == 0


def test_regions_divide_a_face() -> None:
    masks = faces.regions()
    assert (np.sum(list(masks.values()), axis=0) == 1).all()
    assert masks["eyes"][51, 28]
    assert masks["eyes"][51, 62]
    assert masks["mouth"][86, 45]
    assert masks["background"][0, 0]


def test_the_edge_of_an_ellipse_may_be_soft() -> None:
    hard, soft = (faces.ellipse((50, 40), (10, 20), soft=soft) for soft in (0.0, 0.5))
    assert (hard[50, 20], hard[50, 19], hard[60, 40], hard[61, 40]) == (1, 0, 1, 0)
    assert (soft[50, 50], soft[50, 60], soft[50, 70]) == (1, 0.5, 0)
    assert faces.halved(np.arange(16, dtype=np.float32).reshape(1, 4, 4)).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
