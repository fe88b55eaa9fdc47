"""Photos with boxes out of a tar archive: what is read, and what is refused."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lrp_ref.errors import ModelFormatError
from lrp_ref.gallery.sources import voc
from lrp_ref.loaders.preprocess import EXAMPLE, parse_sidecar

BOX = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


def jpeg(width: int, height: int, level: int = 200) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (level, level, level)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def annotation(*objects: tuple[object, ...]) -> bytes:
    return ("<annotation>" + "".join(BOX.format(*one) for one in objects) + "</annotation>").encode()


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_photos_come_by_name_with_their_boxes(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", {
        "annots/b.xml": annotation(("cat", 2, 1, 9, 5), ("dog", -3, 0, 99, 4), ("flea", 4, 4, 4, 4)),
        "images/b.jpg": jpeg(20, 10), "images/a.jpg": jpeg(8, 6, 10), "annots/a.xml": annotation(),
        "images/alone.jpg": jpeg(3, 3), "../README": b"not read",
    })  # fmt: skip
    first, second = voc.photos(path)
    assert (first.name, first.image.shape, first.objects) == ("a", (6, 8, 3), [])
    assert second.objects == [("cat", (1, 2, 5, 9)), ("dog", (0, 0, 4, 20))]  # cut; that without an area is left out
    assert abs(second.image.astype(int) - 200).max() <= 2


def test_what_a_truncated_photo_lacks_is_grey(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).save(stream, "JPEG", quality=95)
    whole, part = stream.getvalue(), stream.getvalue()[:-3000]
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(part)).load()
    seen, complete = voc.pixels(part, "x"), voc.pixels(whole, "x")
    assert (complete == np.asarray(Image.open(io.BytesIO(whole)))).all()
    assert (seen[:8] == complete[:8]).all()
    assert (seen[-8:, -8:] == 128).all()


def test_photos_are_squeezed_into_the_input_and_boxes_with_them() -> None:
    left, right = np.zeros((40, 80, 3), np.uint8), np.full((30, 20, 3), 255, np.uint8)
    given = [
        voc.Photo("wide", left, [("cat", (10, 20, 30, 60)), ("cat", (0, 0, 40, 10))]),
        voc.Photo("high", right, [("cat", (15, 0, 30, 20))]),
    ]
    found = voc.seen(given, replace(parse_sidecar(json.loads(EXAMPLE)), size=(20, 20)))
    assert found.names == ("wide", "high")
    assert found.x.shape == (2, 3, 20, 20)
    assert (found.x[0] == (0 - 127) / 128).all()
    assert (found.x[1] == 1).all()
    assert found.boxes.tolist() == [[[5, 5, 15, 15], [0, 0, 20, 2]], [[10, 0, 20, 20], [0, 0, 0, 0]]]
    assert found.masks.sum(axis=(1, 2)).tolist() == [100 + 40, 200]
    assert found.masks[0, 5:15, 5:15].all()
    assert found.some(np.array([False, True])).names == ("high",)


DOCTYPE = b'<!DOCTYPE a [<!ENTITY x "xxxx">]><a>&x;</a>'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (DOCTYPE, "document type"),
        (DOCTYPE.decode().encode("utf-16"), "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"<a>&x;</a>", "not XML"),
        (b"<a>", "not XML"),
        (b"", "not XML"),
        (b"<a><object><name>cat</name></object></a>", "xmin, ymin"),
        (annotation(("cat", "1.5", 1, 9, 5)), "whole pixels"),
    ],
)
def test_annotations_that_are_refused(content: bytes, says: str) -> None:
    with pytest.raises(ModelFormatError, match=says):
        voc.objects(content, "cat.xml")


def test_files_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(ModelFormatError, match=r"no\.tar: not a tar archive"):
        list(voc.photos(tmp_path / "no.tar"))
    with pytest.raises(ModelFormatError, match="not a JPEG"):
        voc.pixels(b"no photo", "x.jpg")
    path = archive(tmp_path / "a.tar", {"a.xml": annotation(), "a.jpg": jpeg(40, 40)})
    monkeypatch.setattr(voc, "PIXELS", 100)
    with pytest.raises(ModelFormatError, match=r"a\.jpg: 40 × 40 pixels"):
        list(voc.photos(path))
    monkeypatch.setitem(voc.MOST, ".jpg", 100)
    with pytest.raises(ModelFormatError, match=r"a\.jpg has \d+ bytes"):
        list(voc.photos(path))
