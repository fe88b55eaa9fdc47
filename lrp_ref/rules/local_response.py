"""The rules of local response normalisation."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ParameterError
from .rule import AnyRule

RESPONSE_RULES = ("taylor", "path", "toolbox")


@dataclass(frozen=True, eq=False, repr=False)
class ResponseNorm(AnyRule):
    """How a local response normalisation shares the relevance of channel k among the channels of its window.

    ========  ===========================================================================================
    taylor    in proportion to the terms of a Taylor expansion of y_k; what x_k = 0 receives is dropped
    path      in proportion to terms that sum to y_k; what x_k = 0 receives is dropped
    toolbox   the terms of the expansion times the relevance, undivided: nothing is conserved, and what is
              missing is in the ledger as dropped
    ========  ===========================================================================================

    The terms of ``layers.LocalResponseNorm``, with a = alpha/size, S_k the sum of squares over the window and z_kk the
    value of y_k where all but x_k are 0:

    z_kk = x_k/(bias + a x_k²)^β; z_jk = −2aβ x_k x_j²/(bias + a S_k)^(β+1) for taylor and toolbox, which is
    x_j ∂y_k/∂x_j at x; z_jk = x_j²/(S_k − x_k²)·(y_k − z_kk) for path.

    Under "taylor" a denominator has the sign of x_k (for bias > 0, alpha ≥ 0): Σ_j z_jk/z_kk ≥
    1 − 2 (β/(1+β))^(β+1) > 1 − 2/e, so that no stabiliser is needed and no channel takes more than 1.84 times its
    relevance for itself where β = 3/4.

    Args:
        kind: "taylor", "path" or "toolbox"; ``Pass()`` lets the relevance through as if nothing were normalised.

    Raises:
        ParameterError: another kind.

    Source: Binder et al. 2016, §3 (taylor); the LRP toolbox's Caffe program (toolbox). "path" is not published: the
    way from x_k alone to x is given to the neighbours in proportion to their squares, which is what the normalisation
    sees of them.

    Example:
        >>> ResponseNorm("toolbox").formula()
        'R_i = Σ_k z_ik·R_k'
    """

    kind: str = "taylor"

    def __post_init__(self) -> None:
        if self.kind not in RESPONSE_RULES:
            raise ParameterError(f"ResponseNorm: kind must be one of {', '.join(RESPONSE_RULES)}, got {self.kind!r}")

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = Σ_k z_ik·R_k" if self.kind == "toolbox" else "R_i = Σ_k z_ik/(Σ_j z_jk)·R_k"
