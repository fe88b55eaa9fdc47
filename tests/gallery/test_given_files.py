"""Files of users: whatever is wrong with one is said in one line that names it, at once and in little memory."""

from __future__ import annotations

import io
import json
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import run
from PIL import Image

from lrp_ref import gallery
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError
from lrp_ref.gallery import running
from lrp_ref.gallery.applications import cleaner_heatmap, gait, negation
from lrp_ref.gallery.sources import eeg, faces, given, haxby, newsgroups, speech, street_scenes, voc

HUGE = 8 << 30
Read = Callable[[Path], Any]
TARS: dict[str, Read] = {
    "voc": lambda path: voc.some(path, 1), "streets": lambda path: street_scenes.read(path, 1, side=2),
    "faces": lambda path: faces.read(path, persons=1, each=1), "news": newsgroups.read, "fmri": haxby.read,
    "negation": negation.read,
}  # fmt: skip
OTHERS: dict[str, Read] = {
    "eeg": eeg.read, "speech": speech.read, "gait": gait.read, "pictures": given.pictures,
    "wheel": lambda path: cleaner_heatmap.labelled(path, 1),
}  # fmt: skip
# A name in an archive that each reader would read.
NAMES = ("a.xml", "a.jpg", "CamVid/test/1.png", "s1/1.pgm", "20news-bydate-train/a/1", "SST2/dev.tsv",
         f"{haxby.FOLDER}/model/model001/onsets/task001_run001/cond001.txt")  # fmt: skip


def header(name: str, kind: bytes = b"0", size: int = 0, **pax: str) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.pax_headers, member.linkname = kind, size, dict(pax), "/etc/passwd"
    return member.tobuf(tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT)


def archive(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def damaged_archives() -> Iterator[tuple[str, bytes]]:
    end, garbage = bytes(10240), archive(*((name, b"\0\xff garbage\n") for name in NAMES))
    yield from {"empty": b"", "text": b"no archive", "zeros": end, "garbage": garbage}.items()
    yield "cut at a header", garbage[:1024]
    yield "damaged header", garbage[:1027] + b"?" + garbage[1028:]
    yield "absolute names", archive(("/etc/passwd", b"x"), ("../../evil", b"x"))
    yield "xz that is cut off", lzma.compress(garbage)[:-20]
    yield "xz of zeros", lzma.compress(bytes(1 << 22), preset=0)
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE):
        yield f"entries of type {kind!r}", b"".join(header(name, kind) for name in NAMES) + end
    for kind in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.REGTYPE):
        yield f"8 GB of type {kind!r}", header(NAMES[0], kind, HUGE) + end
    yield "a negative size", b"".join(header(name, size="-512") for name in NAMES) + end
    yield "a sparse file", b"".join(header(n, **{"GNU.sparse.map": "0,1", "GNU.sparse.size": "9" * 12}) for n in NAMES)


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def declared(shape: tuple[int, ...]) -> bytes:
    stream, entry = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(entry, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(stream, "w") as file:
        for name in ("images", "labels", "samples", "length", "digit", "speaker", "X"):
            file.writestr(f"{name}.npy", entry.getvalue())
    return stream.getvalue()


def damaged_files() -> Iterator[tuple[str, bytes]]:
    yield from {"empty": b"", "text": b"no file", "zeros": bytes(4096), "pickle": b"\x80\x04N."}.items()
    good = npz(images=np.zeros((10, 28, 28), np.uint8), labels=np.arange(10))
    yield "cut off", good[:-30]
    yield "damaged", good[:200] + b"?" + good[201:]
    yield "arrays too large", declared((1 << 40, 28, 28))
    yield "others", npz(other=np.zeros(3))
    yield "xz of text", lzma.compress(b"@relation x\n@attribute a relational\n@data\n")
    yield "xz of zeros", lzma.compress(bytes((1 << 24) + 1), preset=0)
    yield "electrodes only", lzma.compress(b"@relation x\n@attribute AF3 numeric\n@data\n1\n?\nx\n")


def refused(read: Read, path: Path, what: str) -> None:
    before = set(path.parent.parent.rglob("*"))
    with pytest.raises(LrpError) as caught:
        read(path)
    said = str(caught.value)
    assert path.name in said, (what, said)
    assert len(said.splitlines()) == 1
    assert set(path.parent.parent.rglob("*")) == before, what


@pytest.mark.parametrize("reader", TARS)
def test_a_damaged_archive_is_refused_in_a_line(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "in" / "file.tar"
    path.parent.mkdir()
    for what, content in damaged_archives():
        path.write_bytes(content)
        refused(TARS[reader], path, what)


@pytest.mark.parametrize("reader", OTHERS)
def test_a_damaged_file_is_refused_in_a_line(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "in" / "file.npz"
    path.parent.mkdir()
    for what, content in damaged_files():
        path.write_bytes(content)
        refused(OTHERS[reader], path, what)


IMAGES, LABELS = np.zeros((10, 28, 28), np.uint8), np.arange(10)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES[:5], LABELS), (IMAGES[..., None], LABELS), (IMAGES[:, :27], LABELS), (IMAGES[:0], LABELS[:0]),
        (IMAGES.astype(float), LABELS), (IMAGES * np.nan, LABELS), (np.array([{}] * 10), LABELS),
        (IMAGES, LABELS + 1), (IMAGES, LABELS * 0), (IMAGES, LABELS.astype(float)), (IMAGES, LABELS.astype(str)),
        (IMAGES, np.array(3)),
    ],
)  # fmt: skip
def test_arrays_of_another_kind_are_refused(images: Any, labels: Any, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(npz(images=images, labels=labels))
    with pytest.raises(ModelFormatError, match=r"a\.npz: .*(images|labels)"):
        given.pictures(tmp_path / "a.npz")


def test_pictures_of_another_format_or_too_many_pixels_are_not_decoded() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\n"
    stream = io.BytesIO()
    Image.new("L", (300, 300)).save(stream, "PNG")
    for content, kind in ((postscript, "PNG"), (stream.getvalue(), "PPM"), (stream.getvalue()[:60], "PNG")):
        with pytest.raises(ModelFormatError, match="x: not a picture"):
            given.picture(content, "x", kind, 1 << 20)
    for content in (stream.getvalue(), b"P5\n60000 60000\n255\n"):
        with pytest.raises(ModelFormatError, match="pixels"):
            given.picture(content, "x", "PNG" if content[1:4] == b"PNG" else "PPM", 1 << 10)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nowhere"])
def test_what_is_no_file_is_refused_and_no_other_one_taken(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "fashion_cnn.onnx"
    try:
        {"folder": place.mkdir, "pipe": lambda: os.mkfifo(place), "link to nowhere": lambda: place.symlink_to("no")}[
            kind
        ]()
    except (OSError, AttributeError):
        pytest.skip("not on this system")
    asked = gallery.Run(gallery.find("methods-on-one-scale"), (tmp_path,))
    with pytest.raises(ParameterError, match=r"fashion_cnn\.onnx: no file that can be read"):
        asked.file("fashion_cnn.onnx")


def test_what_an_application_cannot_use_names_what_it_read() -> None:
    application = gallery.find("three-against-nine")
    for error in (ValueError("need at least one array"), IndexError("index 0"), ParameterError("limit is 0.0")):

        def fails(asked: gallery.Run, error: Exception = error) -> Any:
            raise error

        asked = gallery.Run(replace(application, run=fails))
        with pytest.raises(LrpError, match=r"digits_test200\.npz"):
            running._found(asked)


RECORD = {
    "name": "digits", "sentence": "a", "findings": [{"claim": "a", "measured": "b", "held": "yes"}], "numbers": {},
    "alt": "a", "quick": False, "withheld": False, "seed": 0, "seconds": 1.0, "peak_memory_mb": 1,
    "versions": {"a": "1"},
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        "[", "[" * 100_000, "[]", '"findings"', "{}", '{"findings": 3}', {"more": 1}, {"sentence": 3},
        {"versions": []}, {"versions": {"a": 1}}, {"quick": "no"}, {"seconds": "1"}, {"findings": []},
        {"findings": [{"claim": 1, "measured": "b", "held": "yes"}]}, {"findings": ["a"]}, {"name": "game"},
        {"findings": [{"claim": "a", "measured": "b", "held": "perhaps"}]},
    ],
)  # fmt: skip
def test_the_wall_takes_no_damaged_results(wrong: Any, tmp_path: Path) -> None:
    (tmp_path / "digits.json").write_text(wrong if isinstance(wrong, str) else json.dumps(RECORD | wrong))
    for ending in ("png", "md"):
        (tmp_path / f"digits.{ending}").touch()
    done = run("gallery", "--wall", "-o", tmp_path)
    assert done.exit_code == 2, done.output
    assert "digits.json" in done.output
    assert len(done.output.splitlines()) == 1
    assert not (tmp_path / "README.md").exists()


def test_the_wall_wants_pictures_and_pages_of_applications_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "digits.json").write_text(json.dumps(RECORD))
    assert "digits.png, digits.md missing" in run("gallery", "--wall", "-o", tmp_path).output
    (tmp_path / "former.json").write_text(json.dumps(RECORD | {"name": "former"}))
    assert "there are not here: former" in run("gallery", "--wall", "-o", tmp_path).output


def test_a_place_for_results_is_looked_at_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(asked: gallery.Run) -> None:
        raise AssertionError("it was run")

    monkeypatch.setattr("lrp_ref.cli.gallery.run", never)
    (tmp_path / "file").touch()
    (tmp_path / "digits.png").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for place in ("file", "file/in", "link", "."):
        done = run("gallery", "digits", "-o", tmp_path / place)
        assert done.exit_code == 2, done.output
        assert "is no f" in done.output
        assert len(done.output.splitlines()) == 1
    assert run("gallery", "digits", "--seed", "9" * 30).exit_code == 2


def test_a_file_that_the_system_refuses_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(asked: gallery.Run) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lrp_ref.cli.gallery.run", full)
    done = run("gallery", "digits", "game", "digits", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "2 of 2 could not be run: digits, game" in done.output
