"""What units send down: quotients of relevance and denominators, with their sums, block by block.

Several elementwise passes are made over one block of a large array, so that all but the first find its numbers in the
cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ..arithmetic import scalar
from ..base.arrays import Array, Namespace, namespace, only, sample_dot, sample_sum
from ..errors import UndecidedError
from . import blocks, buffers, threads
from .own import kernels


class Stabilises(Protocol):
    """How a denominator is kept away from 0."""

    @property
    def kind(self) -> str:
        """Its name; "relative" looks at all units of a sample."""

    def offset(self, z: Array) -> Array | None:
        """Return what is added to every z, or None where nothing is."""

    def constant(self, z: Array) -> Any:
        """Return the number that is added to every z, or None where it may differ."""

    def never_zero(self, z: Array) -> bool:
        """Return whether no stabilised z can be 0."""


class Division(Protocol):
    """How the relevance of units is divided: m_j = weight gate_j R_j / stabilise(total_j)."""

    @property
    def weight(self) -> Any:
        """The factor of all messages."""

    @property
    def gate(self) -> str | None:
        """The sign of z_j that a unit must have to send anything: "positive" or "negative"; None for either."""

    @property
    def stabiliser(self) -> Stabilises:
        """How the denominators are kept away from 0."""

    @property
    def stabiliser_share(self) -> Any:
        """Whether (not 0) the stabiliser's relevance is needed unit by unit."""


@dataclass(frozen=True, eq=False)
class Sent:
    """What the units of a layer send down for one group.

    Attributes:
        message: m_j, per unit.
        mass: the part of R_j that is covered; None where that is the group's weight times all of it.
        offset: what the stabiliser adds to the denominators, per unit, or None where nobody needs it per unit.
        taken: the stabiliser's relevance Σ_j m_j offset_j, per sample (N,).
        sums: Σ m_j over the units of a channel (N, C), or None where nobody formed them on the way.
    """

    message: Array
    mass: Array | None
    offset: Array | None
    taken: Array
    sums: Array | None = None


def divide(numerator: Array, denominator: Array, xp: Namespace) -> tuple[Array, Array]:
    """Return numerator / denominator with 0 where the denominator is 0, and the mask of those dead units."""
    own = kernels(xp)
    if own is not None:
        return own.divide(numerator, denominator)
    dead = denominator == 0
    quotient = numerator / xp.where(dead, scalar(1, denominator), denominator)
    return only(quotient, ~dead), dead


def quotients(division: Division, relevance: Array, total: Array, z: Array | None) -> Sent:
    """Return what units with the denominators ``total`` send down.

    Args:
        division: weight, gate and stabiliser.
        relevance: of the units, (N, ...).
        total: their denominators, of the same shape or (1, ...).
        z: what the gate looks at; None where there is none.
    """
    xp, n, stabiliser = namespace(relevance, total), relevance.shape[0], division.stabiliser
    whole = z is None and stabiliser.never_zero(total)  # no unit is left out
    entire = stabiliser.kind == "relative" or division.stabiliser_share  # what looks at all units, or each offset later
    entire = entire or total.shape != relevance.shape  # denominators that are the same for every sample
    entire = entire or kernels(xp) is not None  # which has no cache to hit
    if total.dtype.kind != "f" or total.nbytes <= blocks.BLOCK_BYTES or entire:
        message, mass, offset = _each(division, (relevance, z, total), None)
        taken = xp.zeros(n, dtype=relevance.dtype) if offset is None else _taken(message, offset, None)
        return Sent(message, None if whole else mass, offset, taken)
    message = buffers.empty(total.shape, total.dtype, xp)
    mass = None if whole else buffers.empty(total.shape, total.dtype, xp)
    channels = total.shape[1] if total.ndim > 2 else 1
    rows, size = n * channels, math.prod(total.shape[1:]) // max(channels, 1)
    flat = [None if a is None else a.reshape(rows, size) for a in (relevance, z, total, message, mass)]
    sums, taken = (xp.zeros(rows, dtype=total.dtype) for _ in range(2))

    def fill(parts: Iterator[slice]) -> None:
        for part in parts:
            views: list[Any] = [None if a is None else a[part] for a in flat]
            r, gate, t, m, kept = views
            _, covered, offset = _each(division, (r, gate, t), m)
            if not whole:
                kept[...] = covered
            sums[part] = sample_sum(m)
            if offset is not None:
                taken[part] = _taken(m, offset, sums[part])

    threads.each(blocks.blocks(rows, size * total.dtype.itemsize, xp), fill)
    return Sent(message, mass, None, sample_sum(taken.reshape(n, channels)), sums.reshape(n, channels))


def _taken(message: Array, offset: Any, summed: Array | None) -> Array:
    """Return Σ_j m_j offset_j per sample (N,).

    Args:
        message: m (N, ...).
        offset: of the shape of m, or one number for all units.
        summed: Σ_j m_j (N,) where it is known.
    """
    if offset.shape:
        return sample_dot(message, offset)
    return (sample_sum(message) if summed is None else summed) * offset


def _each(division: Division, arrays: tuple[Array, Array | None, Array], out: Array | None) -> tuple[Array, Array, Any]:
    """Return message, covered relevance and offset of every unit, or one offset for all.

    Args:
        division: weight, gate and stabiliser.
        arrays: relevance, what the gate looks at or None, and denominators, of one shape.
        out: where the message is to stand, if the caller has a place for it.
    """
    relevance, z, total = arrays
    xp, stabiliser, mass = namespace(relevance, total), division.stabiliser, relevance
    if division.weight != 1:
        mass = buffers.computed(xp.multiply, relevance, scalar(division.weight, relevance))
    try:
        if z is not None:
            mass = only(mass, z > 0 if division.gate == "positive" else z < 0)
        offset = stabiliser.constant(total)
        offset = stabiliser.offset(total) if offset is None else offset
        stable = total if offset is None else buffers.computed(xp.add, total, offset, out=out)
        if stabiliser.never_zero(total):
            return buffers.computed(xp.divide, mass, stable, out=out), mass, offset
        message, dead = divide(mass, stable, xp)
    except UndecidedError as error:
        raise error.among("the denominator", total) from error
    if out is not None:
        out[...] = message
    return message, only(mass, ~dead), offset
