"""Where units are active at the resolution of masks, and how far that and the concepts' masks overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import require_finite
from ..base.frozen import Value, real_array, wholes
from ..errors import ParameterError, ShapeError
from ..methods.upsampling import require_convention, upsampled
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
        ParameterError: another convention, or what are no numbers.
        NonFiniteError: NaN or infinity in the maps.

    Example:
        >>> activated(np.array([[[0.0, 4.0]]]), np.array([0.5]), (4,))
        array([[[False,  True,  True,  True]]])
    """
    maps, limits, sizes = real_array("maps", maps), limits_of(threshold), wholes("size", size, 0)
    require_convention(upsample)
    require_finite(maps, "maps")
    grid = maps.shape[2:]
    if maps.ndim < 2 or limits.shape != maps.shape[1:2]:
        raise ShapeError(f"thresholds {limits.shape} for maps {maps.shape}: expected (U,) and (N, U, *grid)")
    if len(sizes) != len(grid) or any(m < n or (m and not n) for n, m in zip(grid, sizes, strict=True)):
        raise ShapeError(f"maps of {grid} cannot be upsampled to {sizes}, which is smaller or has other axes")
    found = np.zeros((*maps.shape[:2], *sizes), dtype=bool)
    if not found.size:
        return found
    for sample, one in enumerate(maps):
        for units, active in active_units(one, limits, sizes, upsample):
            found[sample, units] = active
    return found


def limits_of(threshold: Any) -> Host:
    """Return thresholds (U,) as an array; infinity is a threshold that nothing exceeds.

    Raises:
        ParameterError: what are no numbers, or NaN.
    """
    host = real_array("threshold", threshold)
    if np.isnan(host).any():
        raise ParameterError("threshold: NaN among them, which no number exceeds or falls short of")
    return host


def _booleans(what: str, values: Any, shape: tuple[int | None, ...]) -> Host:
    """Return True and False, or 0 and 1, as booleans of a shape, in which None is any size.

    Raises:
        ParameterError: other numbers.
        ShapeError: another shape.
    """
    host = real_array(what, values)
    if host.ndim != len(shape) or any(m not in (None, n) for n, m in zip(host.shape, shape, strict=True)):
        raise ShapeError(f"{what} of shape {host.shape}: images, units, concepts or pixels differ; expected {shape}")
    if not ((host == 0) | (host == 1)).all():
        raise ParameterError(f"{what}: True and False are counted, or 0 and 1, no other numbers")
    return host.astype(bool)


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
        """Return the counts over the images of both.

        Raises:
            ShapeError: other units or concepts.
        """
        if self.both.shape != other.both.shape:
            raise ShapeError(f"counts of {self.both.shape} units and concepts do not add up with {other.both.shape}")
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
        ParameterError: other numbers than 0 and 1.

    Example:
        >>> overlap(np.array([[[True, True, False]]]), np.array([[[False, True, True]]])).iou
        array([[0.33333333]])
    """
    given = real_array("active", active)
    n, size = (len(given), given.shape[2:]) if given.ndim > 1 else (None, ())
    active = _booleans("active", given, (n, None, *size))
    masks = _booleans("masks", masks, (n, None, *size))
    units, concepts = active.shape[1], masks.shape[1]
    valid = None if valid is None else _booleans("valid", valid, (n, *size))
    carried = None if carried is None else _booleans("carried", carried, (n, concepts))
    found = Overlap.none(units, concepts)
    for k in range(len(active)):
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
