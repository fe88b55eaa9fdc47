"""Products of two signals, element by element or as matrices, and which of the two gates the other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, sample_sum, unbroadcast
from ..errors import ParameterError, ShapeError, UnsupportedError
from ..fast import blocks
from ..fast.quotient import Sent, quotients
from ..rules.cells import PRODUCT_RULES, Product, require_gate
from ..rules.rescale import Rescale
from ..rules.rule import AnyRule, Group, Redistribution, Run, Seen
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
        held: whether the gate is no signal at all, but a constant, a mask made of integers, or a divisor: then a
            composite's rule for products in general is not for this one.
    """

    operands: ClassVar[int | None] = 2
    own_rule: ClassVar[str | None] = "'signal' with a declared gate, else 'half'"

    gate: int | None = None
    held: bool = False

    def __post_init__(self) -> None:
        name = type(self).__name__
        require_gate(name, self.gate)
        if self.held and self.gate is None:
            raise ParameterError(f"{name}: say which operand is held: {name}(gate=0, held=True) or (gate=1, held=True)")

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return the derivative half-way: Δ(xy) = Δx (y + y_b)/2 + (x + x_b)/2 Δy."""
        pairs = list(zip(here.xs, there.xs, strict=True))
        if rule.products == "refuse":
            n = max(x.shape[0] for x in here.xs)
            differs = [(x != b).reshape(len(x), math.prod(x.shape[1:])).any(axis=1) for x, b in pairs]
            if n and bool((differs[0] & differs[1]).any()):
                raise UnsupportedError(
                    f"{type(self).__name__}: both factors differ from the reference, and the rescale rule has no "
                    "multipliers for a product; give products='midpoint', its derivative half-way, which closes as well"
                )
        return self.pull(tuple((x + b) / scalar(2, x) for x, b in pairs), gs[0])

    def _chosen(self, rule: AnyRule | None, known: tuple[str, ...]) -> Product:
        """Return which of the product rules is meant, with its gate."""
        own = Product("half" if self.gate is None else "signal")
        chosen = own if rule is None else rule
        if not isinstance(chosen, Product) or chosen.product not in known:
            raise self._refuse(rule)
        gate = self.gate if chosen.gate is None else chosen.gate
        if chosen.product == "signal" and gate is None:
            name = type(self).__name__
            raise ParameterError(
                f"{name}: the rule 'signal' needs a declared gate: {name}(gate=0) or (gate=1), or a rule that says "
                "which, lrp.rules.Product('signal', gate=0) (lrp-ref explain --rule 'NODE=Product(gate=0)')"
            )
        return replace(chosen, gate=gate)


@dataclass(frozen=True, eq=False, repr=False)
class Multiply(Bilinear):
    """Product of two signals y = x_0·x_1, element by element.

    ========  ==============================================  =============================
    signal    the operand that is not the gate takes all      Arras et al. 2017 (LRP-all)
    prop      R_k = x_k/(x_0 + x_1)·R                         Arras et al. 2019 (LRP-prop)
    abs       R_k = abs(x_k)/(abs(x_0) + abs(x_1))·R          Arras et al. 2019 (LRP-abs)
    half      R_k = R/2                                       Arras et al. 2019 (LRP-half)
    ========  ==============================================  =============================

    The denominators of "prop" and "abs" are stabilised as the rule says; where they are 0, relevance is dropped.

    Args:
        gate: index (0 or 1) of the operand that gates the other, or None if neither does.
        held: whether the gate is a constant, a mask or a divisor.

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
        chosen, xp = self._chosen(rule, PRODUCT_RULES), namespace(relevance)
        if chosen.product == "signal":
            nothing = xp.zeros(relevance.shape, dtype=relevance.dtype)
            parts = (relevance, nothing) if chosen.gate else (nothing, relevance)
            return Redistribution.routed(pull_broadcast(xs, parts), relevance)
        if chosen.product == "half":
            half = relevance / scalar(2, relevance)
            return Redistribution.routed(pull_broadcast(xs, (half, half)), relevance)
        a, b = xs if chosen.product == "prop" else (xp.abs(xs[0]), xp.abs(xs[1]))
        sent = quotients(_sum_of_terms(chosen), relevance, a + b, None)
        received = pull_broadcast(xs, (a * sent.message, b * sent.message))
        return _told(received, relevance, sent)


@dataclass(frozen=True, eq=False, repr=False)
class MatMul(Bilinear):
    """Matrix product of two signals y = A·B over their last two axes: y_jk = Σ_i a_ji b_ik.

    What each y_jk sends down goes in proportion to its terms, m_jk = R_jk/stabilise(y_jk) (0 where that is 0, and
    dropped); the stabiliser is the rule's, none in the layer's own:

    ========  ===============================================================================================
    signal    the operand that is not the gate takes all: R_ik = b_ik Σ_j a_ji m_jk, or R_ji = a_ji Σ_k b_ik m_jk
    half      both take half of that
    ========  ===============================================================================================

    Args:
        gate: index (0 or 1) of the operand that gates the other, or None if neither does. The weights of an attention
            are the gate of what they add up.
        held: whether the gate is a constant, a mask or a divisor.

    Operands are (N, ..., rows, inner) and (N, ..., inner, columns), with the same number of axes; those in front of the
    matrices broadcast as in NumPy.

    Source: Achtibat et al. 2024 (AttnLRP), §3.2, its rule for matrix products.

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
        return tuple(self._pulled(k, xs, g) for k in range(2))

    def _pulled(self, operand: int, xs: tuple[Array, ...], g: Array) -> Array:
        (a, b), xp = xs, namespace(g)
        pulled = xp.matmul(_transposed(a), g) if operand else xp.matmul(g, _transposed(b))
        return unbroadcast(pulled, xs[operand].shape)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        (relevance,) = relevances
        z = self.forward(*xs) if z is None else z
        same_shape(self, relevance, z)
        chosen, xp = self._chosen(rule, OF_MATRICES), namespace(relevance)
        takes = (0, 1) if chosen.product == "half" else (1 - int(chosen.gate or 0),)
        sent = quotients(_sum_of_terms(chosen, Fraction(1, len(takes))), relevance, z, None)
        received: list[Array] = [xp.zeros(0)] * 2
        totals: list[Array | None] = [None] * 2
        for k, x in enumerate(xs):
            if k in takes:
                pulled = self._pulled(k, xs, sent.message)
                received[k], totals[k] = blocks.add_product(x, pulled, None, sign=1, keep=sent.message)
            else:
                received[k] = xp.zeros(x.shape, dtype=relevance.dtype)
        return _told(tuple(received), relevance, sent, len(takes), tuple(totals))


def _sum_of_terms(rule: Product, weight: Any = 1) -> Group:
    """Return how the terms of a sum share its relevance under a rule for products."""
    return Group((Run(),), weight=weight, stabiliser=rule.stabiliser)


def _told(
    received: tuple[Array, ...], relevance: Array, sent: Sent, times: int = 1, totals: tuple[Array | None, ...] = ()
) -> Redistribution:
    """Return the redistribution of what was sent down ``times``; the stabiliser took its part, units of 0 sent none."""
    factor, none = scalar(times, relevance), namespace(relevance).zeros(relevance.shape[0], dtype=relevance.dtype)
    dropped = none if sent.mass is None else sample_sum(relevance - factor * sent.mass)
    return Redistribution(received, none, factor * sent.taken, dropped, totals)


def _transposed(a: Array) -> Array:
    return namespace(a).moveaxis(a, -1, -2)
