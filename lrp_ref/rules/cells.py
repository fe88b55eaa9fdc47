"""The rules of particular layers: products of two signals, and recurrent cells."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ParameterError
from .edits import EXACT, Stabiliser
from .linear import Epsilon
from .rule import AnyRule, Rule

PRODUCT_RULES = ("signal", "prop", "abs", "half")
EPSILON = Epsilon(1e-3)


@dataclass(frozen=True, eq=False, repr=False)
class Product(AnyRule):
    """How a product of two signals shares its relevance: signal, prop, abs or half (see ``layers.Multiply``).

    "signal" is the primitive *detach*: the gate is a constant, and all relevance is the signal's. "half" gives ½ to
    each factor. On a product of matrices they hold for every summand of it, in proportion (see ``layers.MatMul``).

    Args:
        product: one of these names.
        gate: which operand (0 or 1) is the gate, where the layer does not declare one or another one; None for the
            layer's own.
        stabiliser: of the denominators, where there are any: x_0 + x_1 of "prop", the sum of sizes of "abs", and y of a
            product of matrices.

    Raises:
        ParameterError: another name, or another gate.

    Source: Arras et al. 2017 (LRP-all), 2019 (LRP-prop, -abs, -half); Achtibat et al. 2024 (half, of matrices).

    Example:
        >>> Product("half")
        Product(product='half', stabiliser=exact)
        >>> Product("signal", gate=1).formula()
        'R_signal = R, R_gate = 0; the gate is operand 1'
    """

    product: str = "signal"
    gate: int | None = None
    stabiliser: Stabiliser = EXACT

    def __post_init__(self) -> None:
        if self.product not in PRODUCT_RULES:
            raise ParameterError(f"Product: rule must be one of {', '.join(PRODUCT_RULES)}, got {self.product!r}")
        if self.gate not in (None, 0, 1):
            raise ParameterError(f"Product: gate must be 0, 1 or None, got {self.gate!r}")

    def formula(self) -> str:
        """Return the formula."""
        text = {
            "signal": "R_signal = R, R_gate = 0",
            "prop": "R_k = x_k/(x_0 + x_1)·R",
            "abs": "R_k = |x_k|/(|x_0| + |x_1|)·R",
            "half": "R_k = R/2",
        }[self.product]
        gate = "" if self.gate is None or self.product != "signal" else f"; the gate is operand {self.gate}"
        denominator = self.stabiliser.formula("z")
        return text + gate + ("" if denominator == "z" else f"; denominators {denominator}")


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
