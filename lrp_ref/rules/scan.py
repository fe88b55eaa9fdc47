"""The rule of selective scans: what becomes of the products of selection and signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from .edits import Stabiliser, add
from .linear import at_least_zero
from .rule import AnyRule

SELECTION_RULES = ("signal", "half")


@dataclass(frozen=True, eq=False, repr=False)
class Selection(AnyRule):
    """How a selective scan shares relevance (see ``layers.SelectiveScan``): at its products, and at its sums.

    ======  =====================================================================================================
    signal  Δ, B, C and the decay are constants (*detach*): x and the states take all; with ε = 0 it is the
            derivative times the input
    half    every product of two signals gives ½ to each of them
    ======  =====================================================================================================

    The sums h_t and y_t are shared in proportion to their parts, R_part = part/(z + ε sgn(z))·R with sgn(0) = +1; a sum
    that is exactly 0 hands nothing on where ε = 0, which is in the ledger as dropped.

    Args:
        product: "signal" or "half".
        epsilon: ε ≥ 0 of both sums; what it takes is in the ledger's column of the stabiliser.

    Raises:
        ParameterError: another product, or an ε that is no number ≥ 0.

    Source: Rezaei Jafari et al. 2024 (MambaLRP) for "signal"; Arras et al. 2019 (LRP-half) for "half".

    Example:
        >>> Selection(epsilon=0.5).formula()
        'products: R_signal = R, R_selection = 0; sums: R_k = z_k / (Σ_k z_k + 0.5·sgn(z_j))·R'
    """

    product: str = "signal"
    epsilon: Any = 0

    def __post_init__(self) -> None:
        at_least_zero(self, "epsilon")
        if self.product not in SELECTION_RULES:
            raise ParameterError(
                f"Selection: product must be one of {', '.join(SELECTION_RULES)}, got {self.product!r}"
            )

    @property
    def stabiliser(self) -> Stabiliser:
        """What keeps the sums away from 0."""
        return add(self.epsilon)

    def formula(self) -> str:
        """Return the formulas."""
        shares = "R_signal = R, R_selection = 0" if self.product == "signal" else "R_k = R/2"
        return f"products: {shares}; sums: R_k = z_k / ({self.stabiliser.formula('Σ_k z_k')})·R"
