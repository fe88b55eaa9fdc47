"""Scale and shift per channel or per element: BatchNorm in inference, constants added or multiplied, scalers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ..base.arrays import Array, fits, namespace, require_dtype, unbroadcast
from ..errors import ShapeError
from ..fast import blocks
from ..rules.edits import Edit
from .base import Elementwise, Linear
from .promises import Promises


@dataclass(frozen=True, eq=False, repr=False)
class Affine(Linear):
    """y = scale·x + shift.

    Args:
        scale: (C,) per channel, or a shape that broadcasts to the sample's shape (C, ...); one number (1,) for samples
            without axes; None for 1.
        shift: likewise; None for 0. It is the bias of the layer's rules.
        cut: axes of the input (1 and up) along which the parameters may be longer than a sample, of which then their
            beginning is taken: a table of positions, a causal mask.

    Raises:
        ShapeError: no parameter, an input that they do not fit, or a sample that is longer than what is to be cut.

    Example:
        >>> import numpy as np
        >>> from lrp_ref import rules
        >>> bn = Affine.batch_norm(*(np.array([v]) for v in (2.0, 1.0, 0.5, 4.0)), epsilon=0.0)
        >>> bn
        Affine(scale=float64[1], shift=float64[1])
        >>> bn.relevance_backward(np.array([[1.5]]), np.array([[1.0]]), rules.LRP0())
        array([[0.75]])
    """

    own_rule: ClassVar[str | None] = None
    promises: ClassVar[Promises] = Promises(makes_new=True)

    scale: Array | None = None
    shift: Array | None = None
    cut: tuple[int, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if self.scale is None and self.shift is None:
            raise ShapeError("Affine: give a scale, a shift or both")
        for name in ("scale", "shift"):
            parameter = getattr(self, name)
            if parameter is not None and parameter.ndim == 0:  # an edit of a 0-d object array would be a bare number
                object.__setattr__(self, name, parameter.reshape(1))

    @staticmethod
    def batch_norm(gamma: Array, beta: Array, mean: Array, variance: Array, *, epsilon: float) -> Affine:
        """Return BatchNorm in inference: scale = γ/sqrt(σ² + ε), shift = β − μ·scale (all (C,))."""
        scale = gamma / namespace(variance).sqrt(variance + epsilon)
        return Affine(scale.astype(gamma.dtype), (beta - mean * scale).astype(gamma.dtype))

    def _fit(self, parameter: Array, x: Array) -> Array:
        if x.ndim == 1 and parameter.shape == (1,):
            return parameter.reshape(())  # samples without axes, (N,), and one number for all of them
        if parameter.ndim == 1:
            parameter = parameter.reshape(parameter.shape + (1,) * (x.ndim - 2))
        if parameter.ndim >= x.ndim:
            raise ShapeError(f"Affine: parameter of shape {parameter.shape} has more axes than a sample of {x.shape}")
        return self._as_long(parameter, x) if self.cut else parameter

    def _as_long(self, parameter: Array, x: Array) -> Array:
        """Return as much of a parameter as the sample is long."""
        for axis in self.cut:
            if not 0 < axis < x.ndim:
                raise ShapeError(f"Affine: axis {axis} to cut its parameters at is none of an input of shape {x.shape}")
            place = axis - (x.ndim - parameter.ndim)
            if place < 0 or parameter.shape[place] in (1, x.shape[axis]):
                continue
            if parameter.shape[place] < x.shape[axis]:
                raise ShapeError(
                    f"Affine: an input of shape {x.shape} is longer than {parameter.shape[place]} along axis {axis}, "
                    "which is as far as its parameters are known"
                )
            parameter = parameter[(slice(None),) * place + (slice(x.shape[axis]),)]
        return parameter

    def forward(self, *xs: Array) -> Array:
        """Return scale·x + shift; parameters larger than the sample enlarge it as NumPy broadcasts."""
        return self.forward_then(lambda part: None, *xs)

    def forward_then(self, finish: Callable[[Array], object], *xs: Array) -> Array:
        """Return the same after ``finish`` was called on each part of it."""
        (x,) = xs
        for parameter in (self.scale, self.shift):
            if parameter is not None:
                require_dtype(x, parameter, "Affine")
        scale, shift = (None if p is None else self._fit(p, x) for p in (self.scale, self.shift))
        try:
            return blocks.scaled(x, scale, shift, finish)
        except ValueError as error:
            raise ShapeError(f"Affine: {self!r} does not fit an input of shape {x.shape}") from error

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return scale·g."""
        (x,) = xs
        pulled = g if self.scale is None else g * self._fit(self.scale, x)
        return (unbroadcast(pulled, x.shape),)

    def edited(self, weights: Edit, bias: Edit) -> Linear:
        """Return the layer with edited scale and shift; a missing scale is 1."""
        shift = None if self.shift is None else bias(self.shift)
        if self.scale is not None:
            return replace(self, scale=weights(self.scale), shift=shift)
        if weights.name in ("keep", "ones", "square", "pos"):
            return replace(self, shift=shift)
        assert self.shift is not None
        one = namespace(self.shift).ones((1,) * self.shift.ndim, dtype=self.shift.dtype)
        return replace(self, scale=weights(one), shift=shift)

    def bias_map(self, z: Array) -> Array | None:
        """Return the shift so that it broadcasts against z."""
        return None if self.shift is None else self._fit(self.shift, z)


@dataclass(frozen=True, eq=False, repr=False)
class Centred(Elementwise):
    """y = (x − reference)·scale: a scaler, below which relevance is relative to its reference.

    Relevance passes, R_i = R_j: with LRP-0 on a dense layer above it, R_i = (x_i − reference_i) scale_i w_i, and not
    x_i scale_i w_i with the reference in the bias, as an :class:`Affine` merged into that layer would have it. It is
    never merged.

    Args:
        reference: (C,) per channel, or a shape that broadcasts to the sample's shape.
        scale: likewise; None for 1.

    Raises:
        ShapeError: an input that the parameters do not fit.

    Source: Montavon et al. 2018, §3 (relevance relative to a reference point).

    Example:
        >>> import numpy as np
        >>> Centred(np.array([1.0, 2.0]), np.array([0.5, 1.0])).forward(np.array([[5.0, 2.0]]))
        array([[2., 0.]])
    """

    own_rule = "R_i = R_j, relative to the reference"
    promises: ClassVar[Promises] = Promises(makes_new=True)

    reference: Array
    scale: Array | None = None

    def _fit(self, parameter: Array, x: Array) -> Array:
        require_dtype(x, parameter, "Centred")
        if parameter.ndim == 1:
            parameter = parameter.reshape(parameter.shape + (1,) * (x.ndim - 2))
        if not fits(parameter.shape, x.shape[1:]):
            raise ShapeError(f"Centred: {self!r} does not fit an input of shape {x.shape}")
        return parameter

    def forward(self, *xs: Array) -> Array:
        """Return (x − reference)·scale, same shape."""
        (x,) = xs
        y = x - self._fit(self.reference, x)
        return y if self.scale is None else y * self._fit(self.scale, x)

    def slope(self, x: Array) -> Array:
        """Return the scale."""
        one = namespace(x).ones(x.shape, dtype=x.dtype)
        return one if self.scale is None else one * self._fit(self.scale, x)
