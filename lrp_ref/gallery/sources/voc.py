"""Photos with boxes of objects: a tar archive of JPEGs and of annotations in Pascal VOC's XML, one of each name.

for photo in voc.photos("kangaroo.tar"):
    photo.name, photo.image, photo.objects

An archive comes from anywhere: it is read and never unpacked, sizes are bounded, XML has no document type and so no
entities, and pictures are JPEGs of a bounded size.
"""

from __future__ import annotations

import io
import tarfile
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFormatError
from ...loaders.preprocess import Sidecar, resized, scaled
from ..application import Need
from . import given

Box = tuple[int, int, int, int]  # y0, x0, y1, x1 in pixels, half-open
MOST = {".xml": 1 << 20, ".jpg": 1 << 24}  # bytes of a file by its ending
PIXELS = 1 << 25  # of a photo
TOGETHER = 1 << 30  # bytes of all photos
KANGAROOS = Need(
    "kangaroo.tar", "164 photos with boxes of kangaroos", "https://github.com/experiencor/kangaroo as a tar archive",
    "none stated", showable=False,
)  # fmt: skip
END = b"\xff\xd9"  # of a JPEG


class Photo(NamedTuple):
    """A photo and what is on it.

    Attributes:
        name: of its file, without the ending.
        image: its pixels as they lie in the file, uint8 (H, W, 3).
        objects: (label, box) of each object; a box is y0, x0, y1, x1 in pixels, half-open.
    """

    name: str
    image: NDArray[np.uint8]
    objects: list[tuple[str, Box]]


def photos(path: str | Path) -> Iterator[Photo]:
    """Yield the photos of an archive that have an annotation, sorted by name; each is read when it is asked for.

    Of a JPEG that ends too early, what is there is shown, and the rest is grey, as browsers do. Boxes are cut to the
    photo; those without an area are left out.

    Args:
        path: of the archive; it may be compressed, but then is slow.

    Raises:
        ModelFormatError: not an archive; a file in it that is none of what it should be. Says which.
    """
    with given.tar(path) as archive:
        files = _files(archive)
        both = sorted(name for name, ending in files if ending == ".xml" and (name, ".jpg") in files)
        for name in both:
            picture, annotation = files[name, ".jpg"], files[name, ".xml"]
            image = pixels(archive.content(picture, MOST[".jpg"]), f"{path}: {picture.name}")
            found = objects(archive.content(annotation, MOST[".xml"]), f"{path}: {annotation.name}")
            cut = [(label, _cut(box, image.shape)) for label, box in found]
            yield Photo(name, image, [(label, box) for label, box in cut if box[0] < box[2] and box[1] < box[3]])


def some(path: str | Path, count: int) -> list[Photo]:
    """Return the first photos of an archive, of which each shows an object.

    Raises:
        ModelFormatError: fewer, one without an object, or photos that are too large to be held together; and as of
            :func:`photos`.
    """
    found: list[Photo] = []
    for photo in islice(photos(path), count):
        found.append(photo)
        if not photo.objects:
            raise ModelFormatError(f"{path}: nothing is marked with a box on {photo.name}.jpg")
        if sum(one.image.size for one in found) > TOGETHER:
            raise ModelFormatError(f"{path}: its photos have more than {TOGETHER} bytes together, unpacked")
    if len(found) < count:
        raise ModelFormatError(f"{path}: {len(found)} photos NAME.jpg with boxes NAME.xml; {count} are needed")
    return found


@dataclass(frozen=True, eq=False)
class Seen:
    """Photos as a network sees them.

    Attributes:
        names: of the photos, N.
        x: what the network is given, float32, by the sidecar's layout.
        images: the same as pictures, uint8 (N, H, W, 3).
        boxes: of the objects in those pictures, (N, K, 4), filled up with empty boxes (0, 0, 0, 0).
        masks: where the objects' boxes are (N, H, W).
    """

    names: tuple[str, ...]
    x: NDArray[np.float32]
    images: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    masks: NDArray[np.bool_]

    def some(self, rows: NDArray[Any]) -> Seen:
        """Return some of the photos, by their numbers or by truth values."""
        names = tuple(np.array(self.names)[rows].tolist())
        return Seen(names, self.x[rows], self.images[rows], self.boxes[rows], self.masks[rows])


def seen(shown: Iterable[Photo], sidecar: Sidecar) -> Seen:
    """Return photos as a network sees them, with their boxes, whose sides are rounded to whole pixels.

    A photo is squeezed into the input's size, whatever the sidecar says, as cutting out the centre would cut objects.

    Args:
        shown: the photos.
        sidecar: of the network, of kind "image".
    """
    sidecar, many = replace(sidecar, resize="stretch"), list(shown)
    assert sidecar.size is not None, "an image has a size"
    images = np.stack([resized(photo.image, sidecar) for photo in many])
    boxes = np.zeros((len(many), max(len(photo.objects) for photo in many), 4), dtype=np.int64)
    masks = np.zeros((len(many), *sidecar.size), dtype=bool)
    for k, photo in enumerate(many):
        sides = np.array([box for _, box in photo.objects], dtype=np.float64).reshape(-1, 4)
        boxes[k, : len(sides)] = np.rint(sides * np.tile(np.divide(sidecar.size, photo.image.shape[:2]), 2))
        for y0, x0, y1, x1 in boxes[k]:
            masks[k, y0:y1, x0:x1] = True
    return Seen(tuple(photo.name for photo in many), scaled(images, sidecar), images, boxes, masks)


def _files(archive: given.Tar) -> dict[tuple[str, str], tarfile.TarInfo]:
    """Return the photos and annotations by name and ending."""
    files: dict[tuple[str, str], tarfile.TarInfo] = {}
    for member in archive:
        place = PurePosixPath(member.name)
        if place.suffix in MOST:
            if (place.stem, place.suffix) in files:
                raise ModelFormatError(f"{archive.path}: two files are called {place.name}")
            files[place.stem, place.suffix] = member
    return files


def _cut(box: Box, shape: tuple[int, ...]) -> Box:
    y0, x0, y1, x1 = box
    return max(y0, 0), max(x0, 0), min(y1, shape[0]), min(x1, shape[1])


def pixels(content: bytes, what: str) -> NDArray[np.uint8]:
    """Return the pixels (H, W, 3) of a JPEG; where it ends too early, the rest is grey.

    Args:
        content: of the file.
        what: the file, as errors have it.

    Raises:
        ModelFormatError: no JPEG, a damaged or an oversized one.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks about metadata
        try:
            # Pillow refuses a file without its end, unless told otherwise for the whole process. With an end appended,
            # the decoder itself fills up what is missing; behind a complete file nothing is read.
            with Image.open(io.BytesIO(content + END), formats=("JPEG",)) as picture:
                if picture.width * picture.height > PIXELS:
                    raise ModelFormatError(f"{what}: {picture.width} × {picture.height} pixels; {PIXELS} at most")
                return np.asarray(picture.convert("RGB"))
        except ModelFormatError:
            raise
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ModelFormatError(f"{what}: not a JPEG that can be read: {' '.join(str(error).split())}") from error


def objects(content: bytes, what: str) -> list[tuple[str, Box]]:
    """Return label and box (y0, x0, y1, x1) of the objects of an annotation.

    Args:
        content: of the file, XML.
        what: the file, as errors have it.

    Raises:
        ModelFormatError: no XML, a document type, a box without its four numbers.

    Example:
        >>> objects(b"<a><object><name>cell</name><bndbox><xmin>2</xmin><ymin>1</ymin><xmax>9</xmax><ymax>5</ymax>"
        ...         b"</bndbox></object></a>", "cell.xml")
        [('cell', (1, 2, 5, 9))]
    """
    found = []
    for one in tree(content, what).iter("object"):
        try:
            y0, x0, y1, x1 = (int(one.findtext(f"bndbox/{side}", "")) for side in ("ymin", "xmin", "ymax", "xmax"))
        except ValueError as error:
            raise ModelFormatError(f"{what}: an object without xmin, ymin, xmax and ymax in whole pixels") from error
        found.append((one.findtext("name", ""), (y0, x0, y1, x1)))
    return found


def tree(content: bytes, what: str) -> Element:
    """Return the root of an XML file that declares no document type: no entity can grow, and no other file is read.

    Args:
        content: of the file.
        what: the file, as errors have it.

    Raises:
        ModelFormatError: no XML, or XML with a document type.
    """

    def refuse(*_: object) -> None:
        raise ModelFormatError(f"{what}: XML with a document type, which may hold entities; annotations need none")

    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = builder.data, refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ModelFormatError(f"{what}: not XML: {error}") from error
    return builder.close()
