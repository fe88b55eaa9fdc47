"""The faces of AT&T Laboratories Cambridge: read from their archive, registered to their mean, and parts of a face.

All is in pixels of the archive's pictures, 112 rows and 92 columns.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ...errors import ModelFormatError
from ..application import Need
from . import given

HEIGHT, WIDTH = 112, 92
INNER = (slice(14, 50), slice(8, 38))  # rows and columns from the brows to the chin, in the picture of half the size
REACH = 6  # pixels of that picture that a face is moved by at most, each way
LARGEST = 1 << 20  # bytes of one picture

# Centre and radii (row, column), in pixels of a registered face.
PARTS = {
    "left eye": ((51.5, 28.5), (9.0, 13.0)),
    "right eye": ((51.5, 62.5), (9.0, 13.0)),
    "nose": ((69.5, 45.5), (10.0, 10.0)),
    "mouth": ((86.5, 45.5), (9.0, 18.0)),
}
HEAD = ((58.5, 45.5), (50.0, 37.0))  # hairline, ears, chin

NEED = Need(
    "att_faces.tar.xz",
    "400 grey faces, sPERSON/NUMBER.pgm in a tar archive",
    "AT&T Laboratories Cambridge, 'The Database of Faces' (cam-orl.co.uk/facedatabase.html)",
    "none stated",
)


def read(path: Path, *, persons: int, each: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the faces (N, 112, 92) in 0…1 and whose each is (N,), from ``sPERSON/NUMBER.pgm`` in a tar archive.

    Args:
        path: of the archive.
        persons: that are to be in it.
        each: how many faces of each.

    Raises:
        ModelFormatError: other faces than these, or one that is too large.
    """
    found = []
    with given.tar(path) as archive:
        for member in archive:
            name = re.search(r"s(\d{1,4})/(\d{1,4})\.pgm$", member.name)
            if name is None:
                continue
            what = f"{path}: {member.name}"
            picture = given.picture(archive.content(member, LARGEST), what, "PPM", WIDTH * HEIGHT).convert("L")
            if picture.size != (WIDTH, HEIGHT):
                raise ModelFormatError(f"{what} is {picture.size} pixels; {(WIDTH, HEIGHT)} are read")
            found.append((int(name[1]), int(name[2]), np.asarray(picture, np.float32) / 255))
    found.sort(key=lambda one: one[:2])
    names, whose, count = np.unique([person for person, _, _ in found], return_inverse=True, return_counts=True)
    if len(names) != persons or (count != each).any():
        raise ModelFormatError(
            f"{path}: {len(found)} sPERSON/NUMBER.pgm of {len(names)} persons; needed: {each} of each of {persons}"
        )
    return np.stack([face for _, _, face in found]), whose.astype(np.int64)


def registered(images: NDArray[np.float32], *, rounds: int = 5) -> NDArray[np.float32]:
    """Return faces (N, 112, 92), each moved to where its inner part is most like the mean of all.

    Likeness is the correlation of band-passed pictures (Gaussians of 1 and 4 pixels) of half the size, so that faces
    move by two pixels; the mean is taken again in each round. What a moved picture lacks is its edge, repeated.
    """
    from scipy.ndimage import gaussian_filter

    half = halved(images)
    band = gaussian_filter(half, (0, 1, 1)) - gaussian_filter(half, (0, 4, 4))
    moved = _moved(band, REACH)[:, :, :, *INNER]
    norm = np.maximum(np.sqrt(np.einsum("nyxij,nyxij->nyx", moved, moved)), 1e-9)
    each, best = np.arange(len(images)), np.full((2, len(images)), REACH)
    for _ in range(rounds):
        likeness = np.einsum("nyxij,ij->nyx", moved, moved[each, best[0], best[1]].mean(axis=0)) / norm
        best = np.array(np.unravel_index(likeness.reshape(len(images), -1).argmax(axis=1), likeness.shape[1:]))
    return np.ascontiguousarray(_moved(images, 2 * REACH)[each, 2 * best[0], 2 * best[1]])


def _moved(images: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return each picture (N, H, W) moved by every number of pixels, (N, 2·reach + 1, 2·reach + 1, H, W), a view."""
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    return np.asarray(sliding_window_view(padded, images.shape[1:], axis=(1, 2)))


def halved(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return pictures (N, H, W) at half their size, (N, H/2, W/2): the means of 2 × 2 pixels."""
    count, height, width = images.shape
    return np.asarray(images.reshape(count, height // 2, 2, width // 2, 2).mean(axis=(2, 4)), np.float32)


def ellipse(centre: tuple[float, float], radii: tuple[float, float], *, soft: float = 0.0) -> NDArray[np.float32]:
    """Return an ellipse (112, 92): 1 inside, 0 outside, between them a slope of ``soft`` radii on each side.

    Example:
        >>> ellipse((10, 10), (3, 3))[10, 6:12].tolist()
        [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot((rows - centre[0]) / radii[0], (columns - centre[1]) / radii[1])
    inside = distance <= 1 if soft == 0 else np.clip((1 + soft - distance) / (2 * soft), 0, 1)
    return np.asarray(inside, np.float32)


def regions() -> dict[str, NDArray[np.bool_]]:
    """Return masks (112, 92) that divide a registered face: eyes, nose, mouth, outline, skin, background."""
    part = {name: ellipse(*place) > 0 for name, place in PARTS.items()}
    (centre, (high, wide)) = HEAD
    inner, outer = (ellipse(centre, (high * k, wide * k)) > 0 for k in (0.85, 1.1))
    found = {"eyes": part["left eye"] | part["right eye"], "nose": part["nose"], "mouth": part["mouth"] & ~part["nose"]}
    features = np.logical_or.reduce(list(found.values()))
    return found | {"outline": outer & ~inner & ~features, "skin": inner & ~features, "background": ~(outer | features)}


def outlines(axes: Any, *, bold: str = "", origin: tuple[int, int] = (0, 0), scale: float = 1.0) -> None:
    """Draw the outlines of the parts of a face and of the head over a map.

    Args:
        axes: with the map.
        bold: name of a part with a thicker line.
        origin: row and column of the map's first pixel.
        scale: pixels of the map per pixel of a face.
    """
    from matplotlib.patches import Ellipse

    for name, ((row, column), (high, wide)) in {**PARTS, "head": HEAD}.items():
        middle = (scale * (column - origin[1]), scale * (row - origin[0]))
        width = 2.5 if name == bold else 0.8
        axes.add_patch(Ellipse(middle, 2 * scale * wide, 2 * scale * high, fill=False, linewidth=width))
