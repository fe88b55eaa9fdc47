"""Simple Taylor decomposition: the gradient at a root of the score, times the way from the root to the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, require_range, to_numpy
from ..errors import ParameterError
from .method import Made, Method
from .parameters import comparable
from .roots import Looker, Roots, column, descended, distance, dot, on_segment, scanned
from .scored import Scored, joined

SEARCHES = ("segment", "descent")
TOLERANCE = {8: 1e-9, 4: 1e-4}  # by the bytes of a float, as a part of f(x)


@dataclass(frozen=True, eq=False, repr=False)
class SimpleTaylor(Method):
    """R_i = ∂f/∂x_i(x̃)·(x_i − x̃_i) at a root x̃ near x, f(x̃) = 0: the linear terms of the Taylor series of f there.

    ``found`` has the root, its distance ‖x − x̃‖ and score f(x̃), the remainder f(x) − Σ_i R_i (which ``completeness``
    is the negative of), whether the root exists, and the distance within which was looked (tried). Of a linear f the
    remainder is 0; of a deep network the nearest root is often far from any input, and the remainder as large as f.

    ==========  ==============================================================================================
    segment     the root nearest to x between x and ``towards``: the score is looked at in ``steps`` points, and
                its first change of sign is halved and followed along tangents; exact on rationals where f is
                piecewise linear
    descent     x̃ ← x̃ − f g/‖g‖², Newton's steps down f², halved once where f comes no nearer to 0
    ==========  ==============================================================================================

    Samples without a root have NaN as relevance, and a note says which. The root is that of each sample alone.

    Args:
        search: "segment" or "descent".
        towards: the other end of the segment: a number, or an array of a sample's shape or of the samples'.
        steps: points of the segment's scan, 64, or steps of the descent, 200.
        tolerance: how far from 0 f(x̃) may be, as a part of abs(f(x)); None for 1e-9, of float32 for 1e-4, and for
            exactly 0 of exact numbers.
        root: x̃ itself, in the forms of ``towards``: nothing is searched, and nothing is said of f(x̃).
        bounds: (low, high) between which the descent keeps the numbers of the input; None for any.

    Raises:
        ParameterError: an unknown search, no steps, a tolerance below 0, bounds that are none; no sample has a root, or
            one of exact numbers, among which there is no NaN.
        ShapeError: a point that does not fit.

    Source: Montavon et al. 2017, §2.2; 2018, §4.2.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[2.0], [-1.0]]), np.array([-2.0]))])
        >>> a = lrp.attribute(net, np.array([[4.0, 2.0]]), "simple_taylor")
        >>> a.relevance, a.found["root"], a.found["distance"].round(2)
        (array([[ 5.33333333, -1.33333333]]), array([[1.33333333, 0.66666667]]), array([2.98]))
    """

    name: ClassVar[str] = "simple_taylor"

    search: str = "segment"
    towards: Any = 0
    steps: int | None = None
    tolerance: float | None = None
    root: Any = None
    bounds: tuple[Any, Any] | None = None

    def __post_init__(self) -> None:
        for key in ("towards", "root", "bounds"):
            object.__setattr__(self, key, comparable(getattr(self, key)))
        if self.search not in SEARCHES:
            raise ParameterError(f"simple_taylor: search must be 'segment' or 'descent', got {self.search!r}")
        if self.steps is not None and not (isinstance(self.steps, int) and self.steps > 0):
            raise ParameterError(f"simple_taylor: steps must be a whole number above 0, got {self.steps!r}")
        if self.tolerance is not None and not self.tolerance >= 0:
            raise ParameterError(f"simple_taylor: tolerance must be ≥ 0, got {self.tolerance!r}")
        if self.bounds is not None:
            if not isinstance(self.bounds, tuple | list) or len(self.bounds) != 2:
                raise ParameterError(f"simple_taylor: bounds are (low, high), got {self.bounds!r}")
            require_range("simple_taylor: bounds", *self.bounds)

    def run(self, scored: Scored) -> Made:
        x, f = scored.movable, scored.score
        given = None if self.root is None else scored.like_x(self.root, "root")
        b = scored.like_x(self.towards, "towards")
        along = self.root is None and self.search == "segment"
        seen = scanned(scored, x, b, self.steps or 64) if along else f.reshape(-1, 1)
        parts: list[dict[str, Array]] = []
        for block in scored.blocks(1):
            look = Looker(scored, block, abs(f[block.rows]) * self._part(f))
            here, there = ({name: a[block.rows] for name, a in point.items()} for point in (x, b))
            if given is not None:
                point = {name: a[block.rows] for name, a in given.items()}
                far, score = distance(here, point), look.score(point)
                exists = namespace(far).ones(far.shape, dtype=bool)
                roots = Roots(point, score, exists, far)
            elif along:
                roots = on_segment(look, here, there, f[block.rows], seen[block.rows])
            else:
                roots = descended(look, here, f[block.rows], self.steps or 200, self.bounds)
            parts.append(_expanded(look, here, f[block.rows], roots))
        found = {name: joined([part[name] for part in parts]) for name in parts[0]}
        relevance = {name: found.pop(f"relevance/{name}") for name in x}
        if len(x) == 1:
            found["root"] = found.pop(f"root/{next(iter(x))}")
        return Made(relevance, f, found, self._notes(found, f))

    def _part(self, f: Array) -> Any:
        """Return the tolerance in the number system of f."""
        if self.tolerance is None:
            return scalar(0 if f.dtype == object else TOLERANCE.get(f.dtype.itemsize, 1e-2), f)
        return scalar(self.tolerance, f)

    def _notes(self, found: dict[str, Array], f: Array) -> tuple[str, ...]:
        """Return which samples have no root, or raise where none has."""
        exists = to_numpy(found["exists"])
        if exists.all():
            return ()
        without = [k for k, there in enumerate(exists.tolist()) if not there]
        far = max(float(to_numpy(found["tried"])[k]) for k in without)
        how = f"in {self.steps or 64} steps on the segment" if self.search == "segment" else "by descent"
        told = f"no root of f was found {how}, within a distance of {far:.3g}"
        if not exists.any() or f.dtype == object:
            other = "search='descent'" if self.search == "segment" else "search='segment'"
            some = "for any sample" if not exists.any() else f"for samples {_listed(without)}"
            raise ParameterError(
                f"simple_taylor: {told}, {some}: give {other}, another point towards=, or the root itself"
            )
        return (f"{told}, for samples {_listed(without)}: their relevance is NaN",)

    def formula(self) -> str:
        return "R_i = ∂f/∂x_i(x̃)·(x_i − x̃_i), f(x̃) = 0"


def _listed(numbers: list[int], most: int = 8) -> str:
    more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + more


def _expanded(look: Looker, x: dict[str, Array], f: Array, roots: Roots) -> dict[str, Array]:
    """Return the linear terms at the roots and what else is told of them; NaN where there is no root."""
    gradient = look.gradient(roots.point)
    terms = {name: g * (x[name] - roots.point[name]) for name, g in gradient.items()}
    found = {f"relevance/{name}": _unless(roots.exists, r) for name, r in terms.items()}
    found |= {f"root/{name}": _unless(roots.exists, a) for name, a in roots.point.items()}
    ones = {name: namespace(r).ones(r.shape, dtype=r.dtype) for name, r in terms.items()}
    return found | {
        "exists": roots.exists,
        "distance": _unless(roots.exists, distance(x, roots.point)),
        "tried": roots.tried,
        "score_at_root": roots.score,
        "remainder": _unless(roots.exists, f - dot(terms, ones)),
    }


def _unless(exists: Array, a: Array) -> Array:
    """Return what there is where the root exists, and NaN elsewhere; exact numbers stay as they are."""
    if a.dtype == object:
        return a
    xp = namespace(a)
    return xp.where(column(exists, a), a, float("nan")).astype(a.dtype)
