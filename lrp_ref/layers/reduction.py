"""Reductions over whole axes: sums, means, global pooling."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace
from ..errors import ParameterError, ShapeError
from ..rules.edits import Edit
from ..rules.rule import AnyRule, Redistribution
from .base import Layer, Unweighted, same_shape
from .promises import Promises


def _reduced_axes(layer: Any, x: Array) -> tuple[int, ...]:
    """Normalise the layer's axes for ``x``; None means the spatial axes."""
    given = tuple(range(2, x.ndim)) if layer.axes is None else layer.axes
    axes = tuple(a % x.ndim for a in given if a and -x.ndim < a < x.ndim)
    if not axes or len(set(axes)) < len(given):
        raise ShapeError(
            f"{type(layer).__name__}: axes {layer.axes} of shape {x.shape} must exist, differ, and not be the batch"
        )
    return axes


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Unweighted):
    """Sum over whole axes.

    Formula: z = Σ_{i in axes} a_i.

    Args:
        axes: which axes, never the batch; None for all spatial axes (2 and up).
        keepdims: whether the reduced axes stay with size 1.
        factor: common weight; rules edit it.

    Example:
        >>> import numpy as np
        >>> Sum().forward(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
        array([[[3.],
                [7.]]])
    """

    axes: tuple[int, ...] | None = None
    keepdims: bool = True
    factor: Any = 1

    def weight(self, x: Array) -> Any:
        """Return the common weight of all inputs."""
        return scalar(self.factor, x)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return self.factor >= 0 and all(inputs)

    def forward(self, *xs: Array) -> Array:
        """Return the reduced array."""
        (x,) = xs
        return x.sum(axis=_reduced_axes(self, x), keepdims=self.keepdims) * self.weight(x)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g repeated over the reduced axes."""
        (x,) = xs
        axes = _reduced_axes(self, x)
        kept = g.reshape(tuple(1 if k in axes else n for k, n in enumerate(x.shape)))
        return (namespace(x, g).broadcast_to(kept * self.weight(x), x.shape),)

    def edited(self, weights: Edit, bias: Edit) -> Sum:
        """Return the sum with the edited common weight."""
        return replace(self, factor=weights.number(self.factor))


@dataclass(frozen=True, eq=False, repr=False)
class Mean(Sum):
    """Mean over whole axes.

    Formula: z = (1/n) Σ_{i in axes} a_i; 0 where there is none to sum.

    Example:
        >>> import numpy as np
        >>> Mean(keepdims=False).forward(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
        array([[1.5, 3.5]])
    """

    weight_edit: Any = None

    def weight(self, x: Array) -> Any:
        """Return factor/n, edited."""
        count = math.prod(x.shape[a] for a in _reduced_axes(self, x))
        weight = scalar(self.factor, x) / max(count, 1)
        return weight if self.weight_edit is None else self.weight_edit.number(weight)

    def edited(self, weights: Edit, bias: Edit) -> Mean:
        """Return the mean with its weight 1/n edited."""
        return replace(self, weight_edit=weights)


class GlobalAveragePool(Mean):
    """Mean over all spatial axes: :class:`Mean` under the name that networks give it."""


@dataclass(frozen=True, eq=False, repr=False)
class GlobalMaxPool(Layer):
    """Maximum over all spatial axes; the winner takes all the relevance.

    Args:
        keepdims: whether the spatial axes stay with size 1.
        ties: "first" (row-major) or "share".

    Example:
        >>> import numpy as np
        >>> GlobalMaxPool(keepdims=False).forward(np.array([[[1.0, 2.0], [4.0, 3.0]]]))
        array([[2., 4.]])
    """

    own_rule: ClassVar[str | None] = "the winner takes all"
    promises: ClassVar[Promises] = Promises(tells_sign=True)

    keepdims: bool = True
    ties: str = "first"

    def __post_init__(self) -> None:
        if self.ties not in ("first", "share"):
            raise ParameterError(f"GlobalMaxPool: ties must be 'first' or 'share', got {self.ties!r}")

    def _require_spatial(self, x: Array) -> None:
        if x.ndim < 3:
            raise ShapeError(f"GlobalMaxPool: input of shape {x.shape} has no spatial axis; expected (N, C, size, ...)")

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def vanishes(self, above: bool) -> bool:
        return above

    def compared(self, x: Array, beyond: object) -> Array:
        """Return one array (N, C, 1, ...) per position."""
        flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]), *(1,) * (x.ndim - 2))
        return namespace(x).moveaxis(flat, 2, 0)

    def forward(self, *xs: Array) -> Array:
        """Return z (N, C, 1, ...), or (N, C) without keepdims."""
        (x,) = xs
        self._require_spatial(x)
        return x.max(axis=tuple(range(2, x.ndim)), keepdims=self.keepdims)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g at the winners."""
        (x,) = xs
        self._require_spatial(x)
        xp, zero = namespace(x, g), scalar(0, g)
        flat = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
        message = g.reshape(*g.shape[:2], 1)
        best = flat.max(axis=2, keepdims=True)
        if self.ties == "first":
            place = xp.arange(flat.shape[2])
            wins = place == xp.where(flat == best, place, flat.shape[2]).min(axis=2, keepdims=True)
        else:
            wins = flat == best
            message = message / xp.where(wins, scalar(1, g), zero).sum(axis=2, keepdims=True)
        return (xp.where(wins, message, zero).astype(g.dtype).reshape(x.shape),)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        if rule is not None:
            raise self._refuse(rule)
        (relevance,) = relevances
        same_shape(self, relevance, self.forward(*xs) if z is None else z)
        return Redistribution.routed(self.pull(xs, relevance), relevance)
