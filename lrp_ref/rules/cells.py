"""The rules of particular layers: products of two signals, and recurrent cells."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ParameterError
from .linear import Epsilon
from .rule import AnyRule, Rule

PRODUCT_RULES = ("signal", "prop", "abs", "half")
EPSILON = Epsilon(1e-3)


@dataclass(frozen=True, eq=False, repr=False)
class Product(AnyRule):
    """How a product of two signals shares its relevance: signal, prop, abs or half (see ``layers.Multiply``).

    Source: Arras et al. 2017 (LRP-all), 2019 (LRP-prop, -abs, -half).
    """

    product: str = "signal"

    def __post_init__(self) -> None:
        if self.product not in PRODUCT_RULES:
            raise ParameterError(f"Product: rule must be one of {', '.join(PRODUCT_RULES)}, got {self.product!r}")

    def formula(self) -> str:
        """Return the formula."""
        return {
            "signal": "R_signal = R, R_gate = 0",
            "prop": "R_k = x_k/(x_0 + x_1)·R",
            "abs": "R_k = |x_k|/(|x_0| + |x_1|)·R",
            "half": "R_k = R/2",
        }[self.product]


@dataclass(frozen=True, eq=False, repr=False)
class Recurrent(AnyRule):
    """Rules inside a recurrent cell; a product of gate and signal gives all to the signal (LRP-all).

    ``Epsilon(ε, bias_share=δ)`` on a recurrent layer is short for ``Recurrent(Epsilon(ε, δ), Epsilon(ε, δ))``.

    Args:
        dense: rule of the cell-input pre-activations: of g in an LSTM, n in a GRU, h_t itself in a simple RNN.
        state: rule of the cell's sum: c_t = i⊙g + f⊙c_{t−1} of an LSTM, h_t = (1 − z)⊙n + z⊙h_{t−1} of a GRU; a simple
            RNN has none.

    Source: Arras et al. 2017, §2; 2019, §11.3.
    """

    dense: Rule = EPSILON
    state: Rule = EPSILON

    def with_bias(self, policy: str) -> Recurrent:
        """Return the rules under a bias policy, see ``Rule.with_bias``; the cell's sum has no bias.

        Raises:
            ParameterError: another policy.
        """
        return replace(self, dense=self.dense.with_bias(policy))

    def formula(self) -> str:
        """Return the formulas."""
        return f"cell input: {self.dense.formula()}; sum: {self.state.formula()}; products: R_signal = R, R_gate = 0"
