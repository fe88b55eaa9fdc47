"""Products of two signals, element by element or as matrices, and which of the two gates the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, sample_sum
from ..errors import ParameterError, ShapeError
from ..fast.quotient import divide
from ..rules.cells import PRODUCT_RULES, Product
from ..rules.rule import AnyRule, Redistribution
from .base import Layer, pull_broadcast, same_shape
from .promises import Promises

OF_MATRICES = ("signal", "half")


@dataclass(frozen=True, eq=False, repr=False)
class Bilinear(Layer):
    """A product of two signals, linear in each of them.

    Which operand is the gate is declared here, never guessed from values (``lrp.canonize`` declares the operand that
    comes out of a sigmoid or softmax). The product's own rule is "signal" where a gate is declared, else "half".

    Args:
        gate: index (0 or 1) of the operand that gates the other, or None if neither does.
    """

    operands: ClassVar[int | None] = 2
    own_rule: ClassVar[str | None] = "'signal' with a declared gate, else 'half'"

    gate: int | None = None

    def __post_init__(self) -> None:
        if self.gate not in (None, 0, 1):
            raise ParameterError(f"{type(self).__name__}: gate must be 0, 1 or None, got {self.gate!r}")

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def _kind(self, rule: AnyRule | None, known: tuple[str, ...]) -> str:
        """Return which of the product rules is meant."""
        chosen = Product("half" if self.gate is None else "signal") if rule is None else rule
        if not isinstance(chosen, Product) or chosen.product not in known:
            raise self._refuse(rule)
        kind = chosen.product
        if kind == "signal" and self.gate is None:
            name = type(self).__name__
            raise ParameterError(f"{name}: the rule 'signal' needs a declared gate: {name}(gate=0) or (gate=1)")
        return kind


@dataclass(frozen=True, eq=False, repr=False)
class Multiply(Bilinear):
    """Product of two signals y = x_0·x_1, element by element.

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

    promises: ClassVar[Promises] = Promises(tells_sign=True)

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
        kind = self._kind(rule, PRODUCT_RULES)
        xp = namespace(relevance)
        if kind == "signal":
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
class MatMul(Bilinear):
    """Matrix product of two signals y = A·B over their last two axes: y_jk = Σ_i a_ji b_ik.

    What each y_jk sends down goes in proportion to its terms, m_jk = R_jk/y_jk (0 where y_jk = 0; that is dropped):

    ========  ===============================================================================================
    signal    the operand that is not the gate takes all: R_ik = b_ik Σ_j a_ji m_jk, or R_ji = a_ji Σ_k b_ik m_jk
    half      both take half of that
    ========  ===============================================================================================

    Args:
        gate: index (0 or 1) of the operand that gates the other, or None if neither does. The weights of an attention
            are the gate of what they add up.

    Operands are (N, ..., rows, inner) and (N, ..., inner, columns), with the same number of axes; those in front of the
    matrices broadcast as in NumPy.

    Source: Achtibat et al. 2024 (AttnLRP), §3.2, its rule for matrix products, without a stabiliser.

    Example:
        >>> import numpy as np
        >>> weights, values = np.array([[[0.5, 0.5]]]), np.array([[[1.0], [3.0]]])
        >>> MatMul(gate=0).relevance_backward((weights, values), np.array([[[2.0]]]))[1].ravel()
        array([0.5, 1.5])
    """

    promises: ClassVar[Promises] = Promises(tells_sign=True)

    def products(self, read: tuple[int, ...], made: tuple[int, ...]) -> tuple[int, int]:
        """Numbers of A and columns of B."""
        return math.prod(read[1:]), made[-1]

    def forward(self, *xs: Array) -> Array:
        """Return A·B."""
        xp = namespace(*xs)
        a, b = xs
        if a.ndim != b.ndim or a.ndim < 3 or a.shape[-1] != b.shape[-2]:
            raise ShapeError(
                f"MatMul: operands of shapes {a.shape} and {b.shape} are not (N, ..., rows, inner) and "
                "(N, ..., inner, columns)"
            )
        try:
            return xp.matmul(a, b)
        except ValueError as error:
            raise ShapeError(f"MatMul: operands of shapes {a.shape} and {b.shape} do not broadcast") from error

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return (g Bᵀ, Aᵀ g)."""
        a, b = xs
        xp = namespace(g)
        return pull_broadcast(xs, (xp.matmul(g, _transposed(b)), xp.matmul(_transposed(a), g)))

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        (relevance,) = relevances
        z = self.forward(*xs) if z is None else z
        same_shape(self, relevance, z)
        kind, xp = self._kind(rule, OF_MATRICES), namespace(relevance)
        message, dead = divide(relevance, z, xp)
        dropped = sample_sum(xp.where(dead, relevance, scalar(0, relevance)))
        if kind == "half":
            message = message / scalar(2, message)
        received = [
            x * m if kind == "half" or self.gate != k else xp.zeros(x.shape, dtype=relevance.dtype)
            for k, (x, m) in enumerate(zip(xs, self.pull(xs, message), strict=True))
        ]
        return Redistribution.routed(tuple(received), relevance, dropped=dropped)


def _transposed(a: Array) -> Array:
    return namespace(a).moveaxis(a, -1, -2)
