"""The rules of particular layers: products of two signals, and recurrent cells."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import ParameterError
from .edits import EXACT, Stabiliser
from .linear import Epsilon
from .rule import AnyRule, Rule

EPSILON = Epsilon(1e-3)
FACTORS = {  # what the two factors x_0 and x_1 of a product receive
    "signal": "R_signal = R, R_gate = 0",
    "prop": "R_k = x_k/(x_0 + x_1)·R",
    "abs": "R_k = |x_k|/(|x_0| + |x_1|)·R",
    "half": "R_k = R/2",
}
GATED = {  # the same for a gate g and a signal s
    "signal": "R_signal = R, R_gate = 0",
    "prop": "R_g = g/(g + s)·R, R_s = s/(g + s)·R",
    "abs": "R_g = |g|/(|g| + |s|)·R, R_s = |s|/(|g| + |s|)·R",
    "half": "R_g = R_s = R/2",
}
PRODUCT_RULES = tuple(FACTORS)


def require_gate(name: str, gate: object) -> None:
    """Raise unless ``gate`` counts an operand of a product, 0 or 1, or is None; 1.0 and True count nothing."""
    if gate is not None and (isinstance(gate, bool) or not isinstance(gate, int) or gate not in (0, 1)):
        raise ParameterError(f"{name}: gate must be 0, 1 or None, got {gate!r}")


@dataclass(frozen=True, eq=False, repr=False)
class Product(AnyRule):
    """How a product of two signals shares its relevance: signal, prop, abs or half (see ``layers.Multiply``).

    "signal" is the primitive *detach*: the gate is a constant, and all relevance is the signal's. "half" gives ½ to
    each factor. On a product of matrices they hold for every summand of it, in proportion (see ``layers.MatMul``).

    Args:
        product: one of these names.
        gate: which operand (0 or 1) is the gate, where the layer does not declare one or another one; None for the
            layer's own. Only "signal" looks at it.
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
            raise ParameterError(f"Product: product must be one of {', '.join(PRODUCT_RULES)}, got {self.product!r}")
        require_gate("Product", self.gate)

    def formula(self) -> str:
        """Return the formula."""
        gate = "" if self.gate is None or self.product != "signal" else f"; the gate is operand {self.gate}"
        denominator = self.stabiliser.formula("z")
        return FACTORS[self.product] + gate + ("" if denominator == "z" else f"; denominators {denominator}")


@dataclass(frozen=True, eq=False, repr=False)
class Recurrent(AnyRule):
    """Rules inside a recurrent cell: of its dense layers, of its sum, and of its products of gate and signal.

    ``Epsilon(ε, bias_share=δ)`` on a recurrent layer is short for ``Recurrent(Epsilon(ε, δ), Epsilon(ε, δ))``.

    What a gate receives passes unchanged through its σ (and through a 1 − z or 1 − i) to its pre-activation, and the
    dense rule takes it from there to x_t and h_{t−1}; through peepholes also to the c that the gate reads. A product
    whose denominator is 0 is dropped, as in ``layers.Multiply``. A simple RNN has no product.

    Args:
        dense: rule of the cell-input pre-activations, of g in an LSTM, n in a GRU, h_t itself in a simple RNN; and of
            those of the gates, where they receive something.
        state: rule of the cell's sum: c_t = i⊙g + f⊙c_{t−1} of an LSTM, h_t = (1 − z)⊙n + z⊙h_{t−1} of a GRU; a simple
            RNN has none.
        product: how each product of gate and signal shares its relevance, as in ``Product``: "signal" (LRP-all),
            "prop", "abs" or "half". It holds for i⊙g, f⊙c_{t−1} and o⊙tanh(c_t) of an LSTM, for (1 − z)⊙n, z⊙h_{t−1}
            and the product with the reset gate of a GRU.

    Raises:
        ParameterError: another product, or no rule.

    Source: Arras et al. 2017, §2; 2019, §11.3 (LRP-all, -prop, -abs, -half).

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import LSTM
        >>> layer = LSTM(np.ones((1, 4, 1, 1)), np.ones((1, 4, 1, 1)), np.ones((1, 4, 1)), returns="last")
        >>> x, r = np.array([[[1.0], [2.0]]]), np.ones((1, 1))
        >>> for product in ("signal", "half"):
        ...     print(product, layer.relevance_backward(x, r, Recurrent(product=product)).ravel().round(3))
        signal [0.275 0.299]
        half [0.132 0.49 ]
    """

    dense: Rule = EPSILON
    state: Rule = EPSILON
    product: str = "signal"

    def __post_init__(self) -> None:
        if self.product not in PRODUCT_RULES:
            raise ParameterError(f"Recurrent: product must be one of {', '.join(PRODUCT_RULES)}, got {self.product!r}")
        for name in ("dense", "state"):
            if not isinstance(rule := getattr(self, name), Rule):
                raise ParameterError(
                    f"Recurrent: {name} must be a rule of linear layers, such as Epsilon(), got {rule!r}"
                )

    def with_bias(self, policy: str) -> Recurrent:
        """Return the rules under a bias policy, see ``Rule.with_bias``; the cell's sum has no bias.

        Raises:
            ParameterError: another policy.
        """
        return replace(self, dense=self.dense.with_bias(policy))

    def formula(self) -> str:
        """Return the formulas."""
        gates = "" if self.product == "signal" else " and gates"
        return (
            f"cell input{gates}: {self.dense.formula()}; sum: {self.state.formula()}; products: {GATED[self.product]}"
        )
