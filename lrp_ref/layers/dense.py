"""Fully connected layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from ..base.arrays import Array, namespace, require_dtype
from ..errors import ShapeError
from ..fast import convolution as kernels
from ..rules.edits import Edit
from .base import Linear
from .promises import Promises


@dataclass(frozen=True, eq=False, repr=False)
class Dense(Linear):
    """Fully connected layer on the last axis.

    Formula: z_j = Σ_i a_i w_ij + b_j.

    Args:
        weight: (in, out).
        bias: (out,), or None.

    Raises:
        ShapeError: weight is not a matrix, or the bias does not fit it.

    Example:
        >>> import numpy as np
        >>> from lrp_ref import rules
        >>> layer = Dense(np.array([[1.0], [-0.25]]), np.array([0.5]))
        >>> a = np.array([[1.0, 2.0]])
        >>> layer.forward(a)
        array([[1.]])
        >>> layer.relevance_backward(a, np.array([[1.0]]), rules.LRP0())
        array([[ 1. , -0.5]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True)

    weight: Array
    bias: Array | None = None

    def __post_init__(self) -> None:
        if self.weight.ndim != 2:
            raise ShapeError(f"Dense: weight must be (in, out), got shape {self.weight.shape}")
        if self.bias is not None and self.bias.shape != (self.weight.shape[1],):
            raise ShapeError(f"Dense: bias must be ({self.weight.shape[1]},), got shape {self.bias.shape}")

    def forward(self, *xs: Array) -> Array:
        """Return z (N, ..., out) for an input (N, ..., in)."""
        (x,) = xs
        xp = namespace(x, self.weight)
        if x.ndim < 2 or x.shape[-1] != self.weight.shape[0]:
            raise ShapeError(f"Dense: input of shape {x.shape} does not end in {self.weight.shape[0]} features")
        require_dtype(x, self.weight, "Dense")
        z = kernels.product(x, self.weight, xp)
        return z if self.bias is None else z + self.bias

    def products(self, read: tuple[int, ...], made: tuple[int, ...]) -> tuple[int, int]:
        """Return the weights, and the positions between batch and features."""
        return self.weight.size, math.prod(made[1:-1])

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return Σ_j w_ij g_j."""
        return (kernels.product(g, self.weight.T, namespace(g, self.weight)),)

    def edited(self, weights: Edit, bias: Edit) -> Dense:
        """Return the layer with edited weight and bias."""
        return replace(self, weight=weights(self.weight), bias=None if self.bias is None else bias(self.bias))

    def bias_map(self, z: Array) -> Array | None:
        """Return the bias (out,)."""
        return self.bias
