"""Where units are active at the resolution of masks, and how far that and the concepts' masks overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..base.frozen import Value
from ..errors import ShapeError
from ..methods.upsampling import upsampled
from .feeding import Host

CHUNK = 1 << 22  # numbers of upsampled maps at a time
EXACT = 1 << 24  # whole numbers up to here are exact in float32


def activated(maps: Host, threshold: Host, size: Sequence[int], *, upsample: str = "half_pixel") -> Host:
    """Return where the units of maps exceed their thresholds at another size: M = upsample(A) > T.

    Args:
        maps: activations (N, U, *grid).
        threshold: T of each unit (U,).
        size: along each axis of the grid, none smaller than the grid's.
        upsample: a convention of :func:`lrp_ref.methods.upsampled`.

    Returns:
        booleans (N, U, *size).

    Raises:
        ShapeError: another number of thresholds than of units, or a size smaller than the maps'.
        ParameterError: another convention.

    Example:
        >>> activated(np.array([[[0.0, 4.0]]]), np.array([0.5]), (4,))
        array([[[False,  True,  True,  True]]])
    """
    found = np.zeros((*maps.shape[:2], *size), dtype=bool)
    for sample, one in enumerate(maps):
        for units, active in active_units(one, threshold, size, upsample):
            found[sample, units] = active
    return found


def active_units(maps: Host, threshold: Host, size: Sequence[int], upsample: str) -> Iterator[tuple[Host, Host]]:
    """Return the units of one sample's maps (U, *grid) that are active anywhere, some at a time, with where (k, *size).

    No number of an upsampled map is above the map's largest, so a unit whose largest is not above T is passed over.
    """
    if len(threshold) != len(maps):
        raise ShapeError(f"{len(threshold)} thresholds for {len(maps)} units")
    alive = np.flatnonzero(maps.reshape(len(maps), -1).max(axis=1) > threshold)
    step = max(CHUNK // max(math.prod(size), 1), 1)
    for first in range(0, len(alive), step):
        units = alive[first : first + step]
        fine = upsampled(maps[None, units], size, upsample)[0]
        yield units, fine > threshold[units].reshape(-1, *(1,) * len(size))


@dataclass(frozen=True, eq=False, repr=False)
class Overlap(Value):
    """Pixels of units and of concepts, counted over images; the counts of two sets of images add up.

    Attributes:
        unit: where a unit is active (U,).
        concept: that a concept has (C,).
        both: where a unit is active and the concept is (U, C).
        unit_with_category: where a unit is active, in images that carry the concept's category (U, C).
        pixels: that count.
    """

    unit: Host
    concept: Host
    both: Host
    unit_with_category: Host
    pixels: int

    @staticmethod
    def none(units: int, concepts: int) -> Overlap:
        """Return the counts over no image."""
        one, many = np.zeros(units, dtype=np.int64), np.zeros((units, concepts), dtype=np.int64)
        return Overlap(one, np.zeros(concepts, dtype=np.int64), many, many, 0)

    def __add__(self, other: Overlap) -> Overlap:
        return Overlap(
            self.unit + other.unit, self.concept + other.concept, self.both + other.both,
            self.unit_with_category + other.unit_with_category, self.pixels + other.pixels,
        )  # fmt: skip

    @property
    def iou(self) -> Host:
        """The intersection over the union, both summed over the images (U, C); 0 where both are empty."""
        return _quotient(self.both, self.unit[:, None] + self.concept - self.both)

    @property
    def iou_images_with_category(self) -> Host:
        """The same over the images that carry the concept's category (U, C)."""
        return _quotient(self.both, self.unit_with_category + self.concept - self.both)


def _quotient(above: Host, below: Host) -> Host:
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)


def overlap(active: Host, masks: Host, valid: Host | None = None, carried: Host | None = None) -> Overlap:
    """Count over images where units are active and where concepts are.

    Args:
        active: booleans (N, U, *S), such as :func:`activated` returns.
        masks: booleans (N, C, *S).
        valid: the pixels that count (N, *S); None for all.
        carried: whether an image carries the category of a concept (N, C); None for: all concepts are one category.

    Raises:
        ShapeError: arrays that do not fit each other.

    Example:
        >>> overlap(np.array([[[True, True, False]]]), np.array([[[False, True, True]]])).iou
        array([[0.33333333]])
    """
    n, size = len(active), active.shape[2:]
    if len(masks) != n or masks.shape[2:] != size or (valid is not None and valid.shape != (n, *size)):
        raise ShapeError(f"masks {masks.shape} of units that are active at {active.shape}: images and pixels differ")
    units, concepts = active.shape[1], masks.shape[1]
    found = Overlap.none(units, concepts)
    for k in range(n):
        seen = Seen(
            masks[k],
            np.ones(size, dtype=bool) if valid is None else valid[k],
            np.full(concepts, masks[k].any()) if carried is None else carried[k],
        )
        found += overlaps_of_one([(np.arange(units), active[k])], units, [seen])[0]
    return found


class Seen(NamedTuple):
    """What is in an image: masks of concepts (C, *S), the pixels that count (*S), whose category is there (C,)."""

    masks: Host
    valid: Host
    carried: Host


def overlaps_of_one(active: Iterable[tuple[Host, Host]], units: int, seen: Sequence[Seen]) -> list[Overlap]:
    """Count in one image, and once more for each of several masks that it is taken to have.

    Args:
        active: some units, and where they are active (k, *S); the others are active nowhere.
        units: U, how many there are.
        seen: the masks.
    """
    rows = [np.concatenate([one.masks & one.valid, one.valid[None]]).reshape(len(one.masks) + 1, -1) for one in seen]
    flat = np.concatenate(rows)
    counting: Any = np.float32 if flat.shape[1] < EXACT else np.float64  # whole numbers stay exact, and BLAS counts
    columns = flat.T.astype(counting)
    found = np.zeros((units, len(flat)), dtype=np.int64)
    for which, where in active:
        found[which] = where.reshape(len(where), -1).astype(counting) @ columns
    ends = np.cumsum([len(row) for row in rows])
    return [
        Overlap(
            found[:, end - 1], row[:-1].sum(axis=1), found[:, end - len(row) : end - 1],
            np.where(one.carried, found[:, end - 1 : end], 0), int(row[-1].sum()),
        )
        for row, one, end in zip(rows, seen, ends, strict=True)
    ]  # fmt: skip
