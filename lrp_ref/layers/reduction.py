"""Linear reductions over whole axes: sums and means."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from ..arithmetic import scalar
from ..base.arrays import Array, namespace
from ..errors import ShapeError
from ..rules.edits import Edit
from .base import Unweighted


def reduced_axes(layer: Any, x: Array) -> tuple[int, ...]:
    """Return the layer's axes for ``x``, counted from the front; None means the spatial axes."""
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
        return x.sum(axis=reduced_axes(self, x), keepdims=self.keepdims) * self.weight(x)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g repeated over the reduced axes."""
        (x,) = xs
        axes = reduced_axes(self, x)
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
        count = math.prod(x.shape[a] for a in reduced_axes(self, x))
        weight = scalar(self.factor, x) / max(count, 1)
        return weight if self.weight_edit is None else self.weight_edit.number(weight)

    def edited(self, weights: Edit, bias: Edit) -> Mean:
        """Return the mean with its weight 1/n edited."""
        return replace(self, weight_edit=weights)


class GlobalAveragePool(Mean):
    """Mean over all spatial axes: :class:`Mean` under the name that networks give it."""
