"""Maxima over whole axes: the winner takes all the relevance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace
from ..errors import ParameterError, ShapeError
from ..rules.rescale import Rescale
from ..rules.rule import Seen
from . import winners
from .base import OwnWay
from .promises import Promises
from .reduction import reduced_axes


class _Maximum(OwnWay):
    """What the maxima below have in common; each says which axes it reduces."""

    own_rule: ClassVar[str | None] = "the winner takes all"
    promises: ClassVar[Promises] = Promises(tells_sign=True)

    keepdims: bool
    ties: str

    def __post_init__(self) -> None:
        if self.ties not in ("first", "share"):
            raise ParameterError(f"{type(self).__name__}: ties must be 'first' or 'share', got {self.ties!r}")

    def reduced(self, x: Array) -> tuple[int, ...]:
        """Return the axes that are reduced, in their order."""
        raise NotImplementedError

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def vanishes(self, above: bool) -> bool:
        return above

    def _order(self, x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the axes that stay, and those that are reduced."""
        axes = self.reduced(x)
        return tuple(k for k in range(x.ndim) if k not in axes), axes

    def compared(self, x: Array, beyond: object) -> Array:
        """Return one array of the output's shape, the reduced axes kept, per position."""
        rest, axes = self._order(x)
        kept = tuple(1 if k in axes else n for k, n in enumerate(x.shape))
        return x.transpose((*axes, *rest)).reshape(math.prod(x.shape[a] for a in axes), *kept)

    def forward(self, *xs: Array) -> Array:
        """Return the maxima; the reduced axes stay with size 1, or are gone without keepdims."""
        (x,) = xs
        axes = self.reduced(x)
        if not math.prod(x.shape[a] for a in axes):
            raise ShapeError(f"{type(self).__name__}: no value to take the largest of in an input of shape {x.shape}")
        return x.max(axis=axes, keepdims=self.keepdims)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g at the winners, divided among ties where ``ties`` says so."""
        (x,) = xs
        xp, zero = namespace(x, g), scalar(0, g)
        rest, axes = self._order(x)
        order, count = (*rest, *axes), math.prod(x.shape[a] for a in axes)
        turned = x.transpose(order)
        stay = tuple(x.shape[k] for k in rest)
        flat, message = turned.reshape(*stay, count), g.reshape(*stay, 1)
        best = flat.max(axis=-1, keepdims=True)
        if self.ties == "first":
            place = xp.arange(count)
            wins = place == xp.where(flat == best, place, count).min(axis=-1, keepdims=True)
        else:
            wins = flat == best
            message = message / xp.where(wins, scalar(1, g), zero).sum(axis=-1, keepdims=True)
        received = xp.where(wins, message, zero).astype(g.dtype).reshape(turned.shape)
        return (received.transpose(tuple(order.index(k) for k in range(x.ndim))),)

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return those of the winners of samples and reference."""
        return winners.multipliers(self, here, there, gs[0], rule)


@dataclass(frozen=True, eq=False, repr=False)
class GlobalMaxPool(_Maximum):
    """Maximum over all spatial axes; the winner takes all the relevance.

    Args:
        keepdims: whether the spatial axes stay with size 1.
        ties: "first" (row-major) or "share".

    Example:
        >>> import numpy as np
        >>> GlobalMaxPool(keepdims=False).forward(np.array([[[1.0, 2.0], [4.0, 3.0]]]))
        array([[2., 4.]])
    """

    keepdims: bool = True
    ties: str = "first"

    def reduced(self, x: Array) -> tuple[int, ...]:
        """Return all spatial axes."""
        if x.ndim < 3:
            raise ShapeError(f"GlobalMaxPool: input of shape {x.shape} has no spatial axis; expected (N, C, size, ...)")
        return tuple(range(2, x.ndim))


@dataclass(frozen=True, eq=False, repr=False)
class Max(_Maximum):
    """Maximum over any axes but the batch; the winner takes all the relevance.

    Formula: z = max_{i in axes} a_i; R_i = R [i wins].

    Args:
        axes: which axes, never the batch; None for all spatial axes (2 and up).
        keepdims: whether the reduced axes stay with size 1.
        ties: "first" (row-major) or "share".

    Raises:
        ShapeError: axes that do not exist, or none to take the largest of.

    Source: Bach et al. 2015 (max pooling as a winner-takes-all mapping).

    Example:
        >>> import numpy as np
        >>> x = np.array([[[1.0, 2.0], [4.0, 3.0]]])
        >>> Max((1,), keepdims=False).forward(x)
        array([[4., 3.]])
        >>> Max((1,), keepdims=False).relevance_backward(x, np.array([[5.0, 6.0]]))
        array([[[0., 0.],
                [5., 6.]]])
    """

    axes: tuple[int, ...] | None = None
    keepdims: bool = True
    ties: str = "first"

    def reduced(self, x: Array) -> tuple[int, ...]:
        """Return the axes, counted from the front."""
        return tuple(sorted(reduced_axes(self, x)))
