"""The sums that stand for an integral over 0 … 1: their positions and weights, in the exact numbers that they are."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import UnsupportedError

Points = tuple[list[Any], list[Any]]  # positions and weights


def _left(n: int) -> Points:
    return [Fraction(k, n) for k in range(n)], [Fraction(1, n)] * n


def _right(n: int) -> Points:
    return [Fraction(k + 1, n) for k in range(n)], [Fraction(1, n)] * n


def _midpoint(n: int) -> Points:
    return [Fraction(2 * k + 1, 2 * n) for k in range(n)], [Fraction(1, n)] * n


def _ends(n: int, weight: Fraction) -> Points:
    """Return ``n`` positions from one end to the other, of which the ends count half."""
    weights = [weight / 2, *[weight] * (n - 2), weight / 2]
    return [Fraction(k, n - 1) for k in range(n)], weights


def _gauss(n: int) -> Points:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return ((1 + nodes) / 2).tolist(), (weights / 2).tolist()


# Every sum by its name, with the fewest positions that it has.
SUMS: dict[str, tuple[int, Callable[[int], Points]]] = {
    "midpoint": (1, _midpoint),
    "left": (1, _left),
    "right": (1, _right),
    "trapezoid": (2, lambda n: _ends(n, Fraction(1, n - 1))),
    "trapezoid/n": (2, lambda n: _ends(n, Fraction(1, n))),
    "gauss": (1, _gauss),
}


def polynomial(degree: int) -> Points:
    """Return rational positions and weights of a sum that misses nothing of polynomials up to a degree.

    Positions are α = (k + ½)/n, n = degree + 1, and weights the integrals of the polynomials that are 1 at one of them
    and 0 at the others (open Newton-Cotes): for exact numbers, as some weights are negative where n > 8.

    Args:
        degree: ≥ 0.

    Example:
        >>> polynomial(2)
        ([Fraction(1, 6), Fraction(1, 2), Fraction(5, 6)], [Fraction(3, 8), Fraction(1, 4), Fraction(3, 8)])
    """
    at, _ = _midpoint(degree + 1)
    weights = []
    for own in at:
        coefficients = [Fraction(1)]  # of the powers of α
        for other in at:
            if other != own:
                raised = [Fraction(0), *coefficients]
                lower = [*(-other * c for c in coefficients), Fraction(0)]
                coefficients = [(a + b) / (own - other) for a, b in zip(raised, lower, strict=True)]
        weights.append(sum((c / (k + 1) for k, c in enumerate(coefficients)), Fraction(0)))
    return at, weights


def points(rule: str, steps: int, *, exact: bool = False) -> Points:
    """Return positions and weights of a sum of ``steps`` terms: ∫₀¹ h(α) dα ≈ Σ_k w_k h(α_k).

    ============  ===========================  =========================================
    midpoint      α = (k + ½)/n                w = 1/n, k = 0 … n − 1
    left, right   α = k/n, α = (k + 1)/n       w = 1/n
    trapezoid     α = k/(n − 1)                w = 1/(n − 1), half of that at both ends
    trapezoid/n   the same                     w = 1/n, half of that at both ends: these sum to (n − 1)/n, not to 1
    gauss         Gauss-Legendre nodes         exact where h is a polynomial of degree < 2 n
    ============  ===========================  =========================================

    Args:
        rule: name of the sum.
        steps: n.
        exact: whether they are for exact numbers.

    Raises:
        UnsupportedError: Gauss-Legendre nodes in exact numbers, which they are not.

    Example:
        >>> points("trapezoid", 3)
        ([Fraction(0, 1), Fraction(1, 2), Fraction(1, 1)], [Fraction(1, 4), Fraction(1, 2), Fraction(1, 4)])
    """
    if exact and rule == "gauss":
        raise UnsupportedError(
            "integrated_gradients: Gauss-Legendre nodes are irrational, so there is no exact sum over them: take "
            "rule='midpoint', 'left', 'right', 'trapezoid' or 'exact'"
        )
    return SUMS[rule][1](steps)
