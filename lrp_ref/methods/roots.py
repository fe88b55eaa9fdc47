"""Roots: where near a sample the score is 0, on a segment towards another point or down the square of the score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..arithmetic import scalar, to_float
from ..base.arrays import Array, namespace, sample_dot
from ..base.functions import same_side
from .scored import Block, Scored, joined

Point = dict[str, Array]  # by name of the input (n, ...)
SHORTEST = 2  # times shorter than the whole step: shorter ones stay in front of a kink, whole ones go far
REFINED = 200  # halvings and tangents after the scan; of doubles some sixty halvings leave nothing between


@dataclass(frozen=True, eq=False)
class Roots:
    """What a search ends with, for n samples.

    Attributes:
        point: the root by name of the input (n, ...); where none was found, the last point that was looked at.
        score: f there (n,).
        exists: whether f is 0 there to the tolerance (n,).
        tried: the distance from the sample within which was looked (n,), as floats.
    """

    point: Point
    score: Array
    exists: Array
    tried: Array


def dot(a: Mapping[str, Array], b: Mapping[str, Array]) -> Array:
    """Return the inner product over all inputs, per sample (n,)."""
    return sum(sample_dot(a[name], b[name]) for name in a)


def distance(a: Mapping[str, Array], b: Mapping[str, Array]) -> Array:
    """Return ‖a − b‖ over all inputs, per sample (n,), as floats."""
    far = {name: a[name] - b[name] for name in a}
    squared = dot(far, far)
    return to_float(squared) ** 0.5 if squared.dtype == object else namespace(squared).sqrt(squared)


def column(values: Array, like: Array) -> Array:
    """Return one number per sample (n,) so that it broadcasts to (n, ...)."""
    return values.reshape(len(values), *(1,) * (like.ndim - 1))


@dataclass(frozen=True, eq=False)
class Looker:
    """The score at one point per sample of a block.

    Attributes:
        scored: the score.
        block: of one variant of each of its samples.
        near: how far from 0 a score may be and count as a root (n,).
    """

    scored: Scored
    block: Block
    near: Array

    def score(self, point: Point) -> Array:
        """Return f (n,)."""
        return self.scored.values(self._variants(point), self.block).reshape(-1)

    def gradient(self, point: Point) -> Point:
        """Return ∂f/∂x by name of the input (n, ...)."""
        found = self.scored.gradients(self._variants(point), self.block)
        return {name: g.reshape(g.shape[0], *g.shape[2:]) for name, g in found.items()}

    def found(self, score: Array) -> Array:
        """Return where a score is 0 to the tolerance."""
        return abs(score) <= self.near

    def _variants(self, point: Point) -> Point:
        return {name: a.reshape(*self.block.shape, *a.shape[1:]) for name, a in point.items()}


# On the segment ----------------------------------------------------------------------------------------------------


def scanned(scored: Scored, x: Point, b: Point, steps: int) -> Array:
    """Return f (N, steps) at b + (1 − k/steps)(x − b), k = 1 … steps: from the sample to the other point."""
    rows: dict[int, list[Array]] = {}
    for block in scored.blocks(steps):
        variants = {}
        for name, a in x.items():
            here, there = (p[name][block.rows] for p in (x, b))
            n, shape = len(here), here.shape[1:]
            k = namespace(a).arange(block.steps.start, block.steps.stop) + 1
            part = scalar(1, a) - k * (scalar(1, a) / scalar(steps, a))
            alpha = part.astype(a.dtype).reshape(1, -1, *(1,) * len(shape))
            variants[name] = there.reshape(n, 1, *shape) + alpha * (here - there).reshape(n, 1, *shape)
        rows.setdefault(block.rows.start, []).append(scored.values(variants, block))
    xp = namespace(scored.output)
    return joined([parts[0] if len(parts) == 1 else xp.concatenate(parts, axis=1) for parts in rows.values()])


def on_segment(look: Looker, x: Point, b: Point, f: Array, seen: Array) -> Roots:
    """Return the root nearest to x between x and b of which the scan told.

    A tangent from the side of x is exact once x's side of the bracket lies in the same linear piece as the root; the
    halvings between bring it there. On exact numbers and a piecewise linear network the root is exact.

    Args:
        look: the score.
        x, b: the ends.
        f: the score at x (n,).
        seen: the score at the points of the scan (n, steps).
    """
    xp, one, zero = namespace(f), scalar(1, f), scalar(0, f)
    way = {name: x[name] - b[name] for name in x}
    high, low, exists = _bracket(f, seen)
    at_high = xp.where(exists, _score_before(f, seen), f).astype(f.dtype)
    best = xp.where(look.found(f), one, high).astype(f.dtype)
    score = xp.where(look.found(f), f, at_high).astype(f.dtype)
    done = look.found(score)
    for k in range(REFINED):
        if bool((done | ~exists).all()):
            break
        middle = (high + low) / scalar(2, f)
        trial = middle
        if k % 2 == 0:
            slope = dot(look.gradient(_on(b, way, high)), way)
            flat = slope == zero
            tangent = high - at_high / xp.where(flat, one, slope)
            inside = ~flat & (tangent >= low) & (tangent < high)
            trial = xp.where(inside, tangent, middle).astype(f.dtype)
        new = look.score(_on(b, way, trial))
        # A trial on x's side becomes the upper end, unless it is the root; one beyond the root the lower end.
        above = same_side(new, f)
        high, at_high = (
            xp.where(above, changed, kept).astype(f.dtype) for changed, kept in ((trial, high), (new, at_high))
        )
        low = xp.where(above, low, trial).astype(f.dtype)
        better = ~done & (abs(new) <= abs(score))
        best, score = (
            xp.where(better, changed, kept).astype(f.dtype) for changed, kept in ((trial, best), (new, score))
        )
        done = done | look.found(score)
    exists = done
    last = xp.where(exists, best, zero).astype(f.dtype)
    at_last = xp.where(exists, score, seen[:, -1]).astype(f.dtype)
    return Roots(_on(b, way, last), at_last, exists, distance(x, b))


def _on(b: Point, way: Point, alpha: Array) -> Point:
    """Return b + α·way."""
    return {name: b[name] + column(alpha, w) * w for name, w in way.items()}


def _first_change(f: Array, seen: Array) -> Array:
    """Return the number of the scan's first point that is not on the side of f (n,); that of its points for none."""
    steps = seen.shape[1]
    changed = ~same_side(seen, f.reshape(-1, 1))
    xp = namespace(f)
    return xp.where(changed, xp.arange(steps), steps).min(axis=1)


def _bracket(f: Array, seen: Array) -> tuple[Array, Array, Array]:
    """Return α (n,) before and after the first change of the sign, and where there is one."""
    steps, first = seen.shape[1], _first_change(f, seen)
    exists = first < steps
    place = namespace(f).where(exists, first, 0)
    one, unit = scalar(1, f), scalar(1, f) / scalar(steps, f)
    high, low = ((one - (place + k) * unit).astype(f.dtype) for k in (0, 1))
    return high, low, exists


def _score_before(f: Array, seen: Array) -> Array:
    """Return the score at the point before the first change of the sign (n,)."""
    xp, first = namespace(f), _first_change(f, seen)
    before = xp.concatenate((f.reshape(-1, 1), seen), axis=1)
    chosen = xp.arange(seen.shape[1] + 1) == first.reshape(-1, 1)
    return xp.where(chosen, before, scalar(0, f)).sum(axis=1).astype(f.dtype)


# Down the square of the score --------------------------------------------------------------------------------------


def descended(look: Looker, x: Point, f: Array, steps: int, bounds: tuple[Any, Any] | None) -> Roots:
    """Return the root that steps x ← x − t f g/‖g‖² lead to, the nearest one of the tangent for t = 1.

    A step that does not bring the score nearer to 0 is tried again with half of t, and then taken anyway, as it may
    lead over a kink to where f falls on.

    Args:
        look: the score.
        x: the samples.
        f: the score there (n,).
        steps: at most.
        bounds: between which the numbers of the input stay, or None.
    """
    xp, one, zero = namespace(f), scalar(1, f), scalar(0, f)
    here, score, gradient = x, f, look.gradient(x)
    t, shortest = xp.ones(f.shape, dtype=f.dtype), one / scalar(SHORTEST, f)
    for _ in range(steps):
        norm = dot(gradient, gradient)
        stuck = norm == zero
        if bool((look.found(score) | stuck).all()):
            break
        length = xp.where(stuck, zero, t * score / xp.where(stuck, one, norm)).astype(f.dtype)
        trial = {name: _within(here[name] - column(length, g) * g, bounds) for name, g in gradient.items()}
        new, slope = look.score(trial), look.gradient(trial)
        taken = ((abs(new) < abs(score)) | (t <= shortest)) & ~look.found(score)
        here, gradient = (
            {name: xp.where(column(taken, a), a, old[name]).astype(a.dtype) for name, a in changed.items()}
            for changed, old in ((trial, here), (slope, gradient))
        )
        score = xp.where(taken, new, score).astype(f.dtype)
        t = xp.where(taken, one, t / scalar(2, f)).astype(f.dtype)
    return Roots(here, score, look.found(score), distance(x, here))


def _within(a: Array, bounds: tuple[Any, Any] | None) -> Array:
    if bounds is None:
        return a
    xp = namespace(a)
    return xp.minimum(xp.maximum(a, scalar(bounds[0], a)), scalar(bounds[1], a))
