"""Integrated gradients: what the gradients along a straight line from a baseline to the input sum to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..base.arrays import Array, like, namespace
from ..base.quadrature import SUMS, points
from ..errors import ParameterError
from .checks import count
from .method import Made, Method
from .parameters import comparable
from .pieces import pieces_between
from .scored import Scored

SINGLE = (None, "positions", "weights")


@dataclass(frozen=True, eq=False, repr=False)
class IntegratedGradients(Method):
    """R_i = (x_i − b_i) ∫₀¹ ∂f/∂x_i(b + α (x − b)) dα, which sums to f(x) − f(b) for a baseline b.

    The integral is a sum over positions α_k with weights w_k, :func:`lrp_ref.base.quadrature.points`. What a sum
    misses is ``completeness``; of a network of ReLUs it falls as 1/n for "left" and "right", and no rule falls faster
    for certain, as the gradient jumps. "exact" finds where it jumps and sums between: of a piecewise linear network
    that misses nothing, on exact numbers not even a rounding.

    ``found`` has f(b) as "baseline_score" and, of "exact", the number of "pieces", per sample.

    Args:
        baseline: b: a number, or an array of a sample's shape or of the samples', or a dict of such by input.
        steps: n, of the sum; 20 by default. "exact" finds its steps itself.
        rule: "midpoint", "left", "right", "trapezoid", "gauss" (Gauss-Legendre), "exact"; or "trapezoid/n", whose
            weights sum to (n − 1)/n.
        pieces: of "exact": how many pieces a sample may have; 10,000 by default.
        single: what is rounded to float32 first, as other programs do: "positions", "weights" or None.

    Raises:
        ParameterError: another rule, or steps or pieces below 1 or where there are none.
        ShapeError: a baseline that does not fit.
        UnsupportedError: "exact" of a network that is not piecewise linear, with the node; "gauss" on exact numbers.

    Source: Sundararajan et al. 2017.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2), np.array([-1.0, 0.0])), lrp.layers.ReLU()]
        >>> net = lrp.Network.sequential([*layers, lrp.layers.Dense(np.array([[2.0], [-1.0]]))])
        >>> x = np.array([[4.0, 1.0]])
        >>> lrp.attribute(net, x, "integrated_gradients", rule="exact").relevance
        array([[ 6., -1.]])
        >>> a = lrp.attribute(net, x, "integrated_gradients", steps=10, rule="right")
        >>> a.relevance, a.completeness
        (array([[ 6.4, -1. ]]), array([0.4]))
    """

    name: ClassVar[str] = "integrated_gradients"

    baseline: Any = 0
    steps: int | None = None
    rule: str = "midpoint"
    pieces: int | None = None
    single: str | None = None

    def __post_init__(self) -> None:
        if self.rule not in (*SUMS, "exact"):
            raise ParameterError(f"{self.name}: rule must be one of {', '.join(SUMS)}, exact; got {self.rule!r}")
        exact = self.rule == "exact"
        for key, default, takes in (("steps", 20, not exact), ("pieces", 10_000, exact)):
            given = getattr(self, key)
            if given is not None and not takes:
                only = "the steps of rule='exact' are found" if exact else "only rule='exact' has pieces"
                raise ParameterError(f"{self.name}: {key}={given!r}: {only}: leave {key} out")
            if takes:
                fewest = 1 if exact else SUMS[self.rule][0]
                object.__setattr__(self, key, count(self.name, key, default if given is None else given, fewest))
        if self.single not in SINGLE or (self.single and exact):
            raise ParameterError(
                f"{self.name}: single={self.single!r}: give 'positions' or 'weights' of a sum, or leave it out"
            )
        object.__setattr__(self, "baseline", comparable(self.baseline))

    def with_parameters(self, **given: Any) -> Method:
        """Return the method with other parameters: what belongs to a sum goes where "exact" takes its place."""
        exact = given.get("rule", self.rule) == "exact"
        follows: dict[str, Any] = {"steps": None, "single": None} if exact else {"pieces": None}
        return super().with_parameters(**(follows | given))

    def run(self, scored: Scored) -> Made:
        x, b = scored.movable, scored.like_x(self.baseline, "baseline")
        found: dict[str, Array] = {}
        if self.rule == "exact":
            assert self.pieces is not None
            positions, weights = pieces_between(scored, b, self.pieces)
            found["pieces"] = (weights != 0).sum(axis=1)
        else:
            positions, weights = self._sum(next(iter(x.values())))
        total = _along(scored, b, positions, weights)
        start = scored.score_at(b)
        relevance = {name: total[name] * (a - b[name]) for name, a in x.items()}
        return Made(relevance, scored.score - start, {"baseline_score": start, **found})

    def _sum(self, x: Array) -> tuple[Array, Array]:
        """Return positions and weights of the sum (1, steps), as numbers like those of x."""
        assert self.steps is not None
        exact = x.dtype == object
        made = dict(zip(("positions", "weights"), points(self.rule, self.steps, exact=exact), strict=True))
        if self.single:
            made[self.single] = [float(np.float32(v)) for v in made[self.single]]
        positions, weights = ([v if exact else float(v) for v in values] for values in made.values())
        return like([positions], x), like([weights], x)

    def formula(self) -> str:
        rule = "between its jumps" if self.rule == "exact" else f"as the {self.rule} sum of {self.steps} gradients"
        return f"R_i = (x_i − b_i)·∫₀¹ ∂f/∂x_i(b + α·(x − b)) dα, {rule}"


def _along(scored: Scored, b: Mapping[str, Array], positions: Array, weights: Array) -> dict[str, Array]:
    """Return Σ_k w_k ∂f/∂x(b + α_k (x − b)) by input (N, ...).

    Args:
        scored: the score and its samples.
        b: where the lines begin, by input (N, ...).
        positions, weights: α_k and w_k (N, steps), or (1, steps) for all samples.
    """
    x, total = scored.movable, scored.nothing()
    for block in scored.blocks(positions.shape[1]):
        rows = block.rows
        alpha, w = (a[rows if len(a) > 1 else slice(None), block.steps] for a in (positions, weights))
        found = scored.gradients({name: _between(b[name][rows], a[rows], alpha) for name, a in x.items()}, block)
        for name in list(found):
            add_weighted(total[name][rows], found.pop(name), w)
    return total


def _between(b: Array, x: Array, alpha: Array) -> Array:
    """Return b + α (x − b) (n, s, ...) for b and x (n, ...) and α (n, s) or (1, s)."""
    between = (x - b)[:, None] * alpha.reshape(*alpha.shape, *(1,) * (x.ndim - 1))
    between += b[:, None]
    return between


def add_weighted(total: Array, g: Array, weights: Array) -> None:
    """Add Σ_k w_k g_k to a total (n, ...), for g (n, s, ...) and weights (n, s) or (1, s)."""
    n, s = g.shape[:2]
    if n:
        total += namespace(g).matmul(weights[:, None], g.reshape(n, s, -1)).reshape(total.shape)
