"""Morphs: blends of two registered faces, of all of a face or of one of four regions, as detectors see them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ...evaluate import relevance_mass
from . import faces

CROP = (slice(20, 108), slice(10, 82))  # of a face: rows and columns from hairline to chin
SOFT, WIDER = 0.2, 1.2  # the edge of a region in its radii, and these over those of the part of a face
NAMES = tuple(faces.PARTS)
MASKS = np.stack(
    [faces.ellipse(middle, (WIDER * high, WIDER * wide), soft=SOFT) for middle, (high, wide) in faces.PARTS.values()]
)
INSIDE = MASKS[:, *CROP] > 0  # the regions as they lie in what a detector sees, (4, 88, 72)

PART = 500  # faces that are blended at once, which bounds memory

Faces = NDArray[np.float32]


def densities(maps: NDArray[Any], part: str) -> NDArray[Any]:
    """Return the part of the relevance of each map (N, 88, 72) in each region, over the region's part of the area.

    Args:
        maps: of relevance.
        part: "positive" or "absolute", as of :func:`lrp_ref.evaluate.relevance_mass`; a map without any has 0.

    Returns:
        (N, 4).
    """
    each = [relevance_mass(maps, np.broadcast_to(m, maps.shape), part=part) / m.mean() for m in INSIDE]
    return np.asarray(np.nan_to_num(np.stack(each, axis=1)))


def drawn(rng: np.random.Generator, images: Faces, persons: NDArray[Any], count: int, *, one_region: bool) -> Any:
    """Return faces (N, 1, 88, 72) as detectors see them, half of them morphs, and the blended region of each (N,).

    Args:
        rng: draws faces, mirror images, brightness, contrast and regions.
        images: registered faces (M, 112, 92).
        persons: whose they are; the two of a blend are of different persons.
        count: how many.
        one_region: whether one region is blended, else all of the face. The region is 0 for a genuine face and 1…4 for
            a morph, which says nothing where all is blended.
    """
    first, second = rng.integers(len(images), size=(2, count))
    while (same := persons[first] == persons[second]).any():
        second[same] = rng.integers(len(images), size=same.sum())
    region = rng.integers(1, 5, size=count) * (rng.random(count) < 0.5)
    found = []
    for start in range(0, count, PART):
        some = slice(start, start + PART)
        a, b = varied(rng, images[first[some]]), varied(rng, images[second[some]])
        blend = (region[some] > 0)[:, None, None] * (MASKS[region[some] - 1] if one_region else np.float32(1))
        found.append(seen(blended(a, b, blend)))
    return np.concatenate(found), region


def varied(rng: np.random.Generator, images: Faces) -> Faces:
    """Return faces of which half are mirrored, of other brightness and contrast."""
    mirrored = np.where(rng.random((len(images), 1, 1)) < 0.5, images, images[:, :, ::-1])
    contrast, brightness = rng.uniform(0.8, 1.2, (len(images), 1, 1)), rng.uniform(-0.1, 0.1, (len(images), 1, 1))
    return np.asarray(mirrored * contrast + brightness, np.float32)


def blended(a: Faces, b: Faces, mask: Faces) -> Faces:
    """Return a (N, H, W) where the mask is 0 and the mean of both where it is 1; b takes mean and contrast of a."""
    (mean, b_mean), (scale, b_scale) = ([f(x, axis=(1, 2), keepdims=True) for x in (a, b)] for f in (np.mean, np.std))
    return np.asarray(a + mask / 2 * ((b - b_mean) / b_scale * scale + mean - a), np.float32)


def seen(images: Faces) -> Faces:
    """Return faces as detectors see them, (N, 1, 88, 72): inner part, without coarse shades, standard deviation 1."""
    inner = images[:, None, *CROP]
    fine = inner - gaussian_filter(inner, (0, 0, 4, 4))
    return np.asarray(fine / fine.std(axis=(2, 3), keepdims=True), np.float32)


def shifted(rng: np.random.Generator, x: Faces) -> Faces:
    """Return pictures (N, 1, H, W), all moved by the same whole pixels, up to two each way; edges are repeated."""
    down, right = rng.integers(0, 5, size=2)
    around = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    return around[:, :, down : down + x.shape[2], right : right + x.shape[3]]
