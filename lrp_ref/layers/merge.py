"""Layers with several operands: Add, Multiply, Concat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, sample_sum
from ..errors import ParameterError, ShapeError
from ..fast.quotient import divide
from ..rules.cells import PRODUCT_RULES
from ..rules.edits import Edit
from ..rules.rule import AnyRule, Redistribution
from .base import Layer, Route, Unweighted, pull_broadcast, same_shape
from .promises import Promises


@dataclass(frozen=True, eq=False, repr=False)
class Add(Unweighted):
    """Sum of signals: y = Σ_k c_k x_k.

    A residual connection is a linear layer over its operands: R_k = c_k x_k / y · R by LRP-0.

    Args:
        coefficients: one number per operand; empty for all ones. A subtraction is (1, −1).

    Example:
        >>> import numpy as np
        >>> one, three = np.array([[1.0]]), np.array([[3.0]])
        >>> Add().relevance_backward((one, three), np.array([[8.0]]))
        (array([[2.]]), array([[6.]]))
    """

    operands: ClassVar[int | None] = None

    coefficients: tuple[Any, ...] = ()

    def _coefficients(self, xs: tuple[Array, ...]) -> tuple[Any, ...]:
        if self.coefficients and len(self.coefficients) != len(xs):
            raise ShapeError(f"Add: {len(self.coefficients)} coefficients for {len(xs)} operands")
        return self.coefficients or (1,) * len(xs)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs) and all(c >= 0 for c in self.coefficients)

    def forward(self, *xs: Array) -> Array:
        """Return y; operands broadcast as in NumPy."""
        namespace(*xs)
        terms = [x if c == 1 else scalar(c, x) * x for c, x in zip(self._coefficients(xs), xs, strict=True)]
        try:
            total = terms[0]
            for term in terms[1:]:
                total = total + term
        except ValueError as error:
            raise ShapeError(f"Add: operands of shapes {[x.shape for x in xs]} do not broadcast") from error
        return total

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return c_k g, summed over broadcast axes."""
        return pull_broadcast(xs, [g if c == 1 else scalar(c, g) * g for c in self._coefficients(xs)])

    def edited(self, weights: Edit, bias: Edit) -> Add:
        """Return the sum with edited coefficients."""
        if self.coefficients:
            return replace(self, coefficients=tuple(weights.number(c) for c in self.coefficients))
        return _Uniform(common=weights.number(1))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class _Uniform(Add):
    """Sum whose operands, however many, all have one edited coefficient."""

    common: Any

    def _coefficients(self, xs: tuple[Array, ...]) -> tuple[Any, ...]:
        return (self.common,) * len(xs)


@dataclass(frozen=True, eq=False, repr=False)
class Multiply(Layer):
    """Product of two signals y = x_0·x_1.

    Which operand is the gate is declared here, never guessed from values (``lrp.canonize`` declares the operand that
    comes out of a sigmoid or softmax). Its own rule is "signal" where a gate is declared, else "half".

    ========  ==============================================  =============================
    signal    the operand that is not the gate takes all      Arras et al. 2017 (LRP-all)
    prop      R_k = x_k/(x_0 + x_1)·R                         Arras et al. 2019 (LRP-prop)
    abs       R_k = abs(x_k)/(abs(x_0) + abs(x_1))·R          Arras et al. 2019 (LRP-abs)
    half      R_k = R/2                                       Arras et al. 2019 (LRP-half)
    ========  ==============================================  =============================

    Args:
        gate: index (0 or 1) of the operand that gates the other, or None if neither does.

    Example:
        >>> import numpy as np
        >>> gate, signal = np.array([[0.5]]), np.array([[4.0]])
        >>> Multiply(gate=0).relevance_backward((gate, signal), np.array([[2.0]]))
        (array([[0.]]), array([[2.]]))
    """

    operands: ClassVar[int | None] = 2
    own_rule: ClassVar[str | None] = "'signal' with a declared gate, else 'half'"
    promises: ClassVar[Promises] = Promises(tells_sign=True)

    gate: int | None = None

    def __post_init__(self) -> None:
        if self.gate not in (None, 0, 1):
            raise ParameterError(f"Multiply: gate must be 0, 1 or None, got {self.gate!r}")

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def forward(self, *xs: Array) -> Array:
        """Return x_0·x_1; operands broadcast as in NumPy."""
        namespace(*xs)
        try:
            return xs[0] * xs[1]
        except ValueError as error:
            raise ShapeError(f"Multiply: operands of shapes {[x.shape for x in xs]} do not broadcast") from error

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return (x_1 g, x_0 g)."""
        return pull_broadcast(xs, (g * xs[1], g * xs[0]))

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        (relevance,) = relevances
        same_shape(self, relevance, self.forward(*xs) if z is None else z)
        kind = getattr(rule, "product", None) if rule is not None else ("half" if self.gate is None else "signal")
        if kind not in PRODUCT_RULES:
            raise self._refuse(rule)
        xp = namespace(relevance)
        if kind == "signal":
            if self.gate is None:
                raise ParameterError("Multiply: the rule 'signal' needs a declared gate: Multiply(gate=0) or (gate=1)")
            nothing = xp.zeros(relevance.shape, dtype=relevance.dtype)
            parts = (relevance, nothing) if self.gate else (nothing, relevance)
            return Redistribution.routed(pull_broadcast(xs, parts), relevance)
        if kind == "half":
            half = relevance / scalar(2, relevance)
            return Redistribution.routed(pull_broadcast(xs, (half, half)), relevance)
        a, b = xs if kind == "prop" else (xp.abs(xs[0]), xp.abs(xs[1]))
        message, dead = divide(relevance, a + b, xp)
        dropped = sample_sum(xp.where(dead, relevance, scalar(0, relevance)))
        return Redistribution.routed(pull_broadcast(xs, (a * message, b * message)), relevance, dropped=dropped)


@dataclass(frozen=True, eq=False, repr=False)
class Concat(Route):
    """Concatenate along an axis (1, the channels, by default).

    Example:
        >>> import numpy as np
        >>> Concat().forward(np.array([[1.0]]), np.array([[2.0, 3.0]]))
        array([[1., 2., 3.]])
    """

    operands: ClassVar[int | None] = None

    axis: int = 1

    def forward(self, *xs: Array) -> Array:
        """Return the concatenation."""
        xp, axis = namespace(*xs), self._axis(xs)
        try:
            return xp.concatenate(xs, axis=axis)
        except ValueError as error:
            raise ShapeError(f"Concat: shapes {[x.shape for x in xs]} differ outside axis {axis}") from error

    def _axis(self, xs: tuple[Array, ...]) -> int:
        ndim: int = xs[0].ndim
        if not -ndim < self.axis < ndim or self.axis == 0:
            raise ShapeError(f"Concat: axis {self.axis} of shape {xs[0].shape} is the batch, or does not exist")
        return self.axis % ndim

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return the parts of g."""
        axis, start, parts = self._axis(xs), 0, []
        for x in xs:
            stop = start + x.shape[axis]
            parts.append(g[(slice(None),) * axis + (slice(start, stop),)])
            start = stop
        return tuple(parts)
