"""Activations that exporters write as several nodes: SiLU, GELU, HardSwish, sigmoid, found from the graph.

Two kinds of facts follow the values: *polynomials* (this value is Σ c_k x^k of that one) and *bells*
(this value is factor·(s(x) + plus)·x^{0 or 1} with a saturating s). A bell that is complete is one activation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ...layers import GELU, HardSwish, Layer, SiLU
from .values import Signal

DEGREE = 3
CLOSE = 1e-6  # relative: the constants are written in single precision


@dataclass(frozen=True)
class Bell:
    """factor·x^times·(s(x) + plus·1), where s is named by ``kind`` and x is ``source``."""

    kind: str
    source: Signal
    factor: float = 1.0
    times: bool = False
    plus: bool = False


# kind: the factor that completes it, whether s + 1 is meant, and the activation
COMPLETE: dict[str, tuple[float, bool, Layer]] = {
    "erf": (0.5, True, GELU()),
    "tanh": (0.5, True, GELU("tanh")),
    "relu6": (1 / 6, False, HardSwish()),
    "hardsigmoid": (1.0, False, HardSwish()),
    "sigmoid": (1.0, False, SiLU()),
}
TANH = {1: math.sqrt(2 / math.pi), 3: math.sqrt(2 / math.pi) * 0.044715}
INNER: dict[str, dict[int, float]] = {
    "erf": {1: math.sqrt(0.5)},
    "tanh": TANH,
    "relu6": {0: 3.0, 1: 1.0},
    "hardsigmoid": {1: 1.0},
    "sigmoid": {1: 1.0},
}

Polynomial = dict[int, float]


class Patterns:
    """The facts known about the values of one graph."""

    def __init__(self) -> None:
        self._polynomials: dict[str, tuple[Signal, Polynomial]] = {}
        self._bells: dict[str, Bell] = {}
        self._gates: set[str] = set()
        self._softplus: dict[str, Signal] = {}
        self._exponentials: dict[str, Signal] = {}

    # -- gates --------------------------------------------------------------------------------------------------

    def mark_gate(self, signal: Signal) -> None:
        """Note that a value comes directly from a sigmoid or softmax."""
        self._gates.add(signal.value)

    def is_gate(self, signal: Signal) -> bool:
        """Return whether the value comes from a sigmoid or softmax, possibly through reshapes."""
        return signal.value in self._gates

    # -- softplus -----------------------------------------------------------------------------------------------

    def note_softplus(self, result: Signal, signal: Signal) -> None:
        """Note that ``result`` is softplus of ``signal``."""
        self._softplus[result.value] = signal

    def is_softplus(self, signal: Signal) -> bool:
        """Return whether the value is a softplus."""
        return signal.value in self._softplus

    def softplus_of(self, result: Signal, x: Signal, inner: Signal) -> bool:
        """Return whether ``result`` is softplus(β·x)/β and ``inner`` is β·x."""
        top, outer = self.polynomial(result)
        source = self._softplus.get(top.value)
        if source is None or source.value != inner.value or set(outer) != {1}:
            return False
        (base, scale), (same, one) = self.polynomial(inner), self.polynomial(x)
        if base.value != same.value or set(scale) != {1} or set(one) != {1}:
            return False
        return math.isclose(outer[1] * scale[1], one[1], rel_tol=CLOSE)

    # -- sigmoids written out -----------------------------------------------------------------------------------

    def note_exponential(self, result: Signal, signal: Signal) -> None:
        """Note that ``result`` is exp of ``signal``."""
        self._exponentials[result.value] = signal

    def inverse_sigmoid(self, signal: Signal) -> tuple[Signal, bool] | None:
        """Return z and True if the value is 1 + exp(−z), so that its inverse is σ(z); x and False if 1 + exp(x)."""
        power, terms = self.polynomial(signal)
        x = self._exponentials.get(power.value)
        if x is None or terms != {0: 1.0, 1: 1.0} or x.sizes != signal.sizes:
            return None
        z, inner = self.polynomial(x)
        return (z, True) if inner == {1: -1.0} and z.sizes == x.sizes else (x, False)

    # -- polynomials --------------------------------------------------------------------------------------------

    def polynomial(self, signal: Signal) -> tuple[Signal, Polynomial]:
        """Return x and the coefficients of the value as a polynomial in x."""
        return self._polynomials.get(signal.value, (signal, {1: 1.0}))

    def note_polynomial(self, result: Signal, source: Signal, coefficients: Polynomial) -> None:
        """Note that ``result`` is a polynomial in ``source``."""
        if coefficients and max(coefficients) <= DEGREE:
            self._polynomials[result.value] = (source, coefficients)

    def note_affine(self, result: Signal, signal: Signal, scale: float, shift: float) -> None:
        """Note result = scale·signal + shift."""
        source, terms = self.polynomial(signal)
        scaled = {k: c * scale for k, c in terms.items()}
        if shift:
            scaled[0] = scaled.get(0, 0.0) + shift
        self.note_polynomial(result, source, scaled)

    def note_power(self, result: Signal, signal: Signal, exponent: float) -> None:
        """Note result = signal^exponent for whole exponents of a plain value."""
        source, terms = self.polynomial(signal)
        if terms == {1: 1.0} and exponent in (2, 3):
            self.note_polynomial(result, source, {int(exponent): 1.0})

    def note_sum(self, result: Signal, a: Signal, b: Signal) -> None:
        """Note result = a + b."""
        (x, left), (y, right) = self.polynomial(a), self.polynomial(b)
        if x.value == y.value and x.sizes == y.sizes:
            total = {k: left.get(k, 0.0) + right.get(k, 0.0) for k in {*left, *right}}
            self.note_polynomial(result, x, total)

    def note_product(self, result: Signal, a: Signal, b: Signal) -> None:
        """Note result = a·b."""
        (x, left), (y, right) = self.polynomial(a), self.polynomial(b)
        if x.value == y.value and x.sizes == y.sizes:
            total: Polynomial = {}
            for i, c in left.items():
                for j, d in right.items():
                    total[i + j] = total.get(i + j, 0.0) + c * d
            self.note_polynomial(result, x, total)

    # -- bells --------------------------------------------------------------------------------------------------

    def start(self, kind: str, result: Signal, signal: Signal) -> bool:
        """Note that ``result`` is s(x), if ``signal`` is the inner polynomial of that kind."""
        source, terms = self.polynomial(signal)
        wanted = INNER[kind]
        if set(terms) != set(wanted) or not all(math.isclose(terms[k], wanted[k], rel_tol=CLOSE) for k in wanted):
            return False
        self._bells[result.value] = Bell(kind, source)
        return True

    def bell(self, signal: Signal) -> Bell | None:
        """Return what is known of the value as a bell."""
        return self._bells.get(signal.value)

    def note_bell(self, result: Signal, bell: Bell | None) -> None:
        """Note that ``result`` is this bell."""
        if bell is not None:
            self._bells[result.value] = bell

    def scaled(self, signal: Signal, factor: float) -> Bell | None:
        """Return the bell of factor·signal."""
        bell = self.bell(signal)
        return None if bell is None else replace(bell, factor=bell.factor * factor)

    def shifted(self, signal: Signal, shift: float) -> Bell | None:
        """Return the bell of signal + shift, if the shift is the missing 1."""
        bell = self.bell(signal)
        if bell is None or bell.times or bell.plus or not math.isclose(shift, bell.factor, rel_tol=CLOSE):
            return None
        return replace(bell, plus=True)

    def multiplied(self, a: Signal, b: Signal) -> Bell | None:
        """Return the bell of a·b, if one is a bell in x and the other a multiple of x."""
        for one, other in ((a, b), (b, a)):
            bell = self.bell(one)
            source, terms = self.polynomial(other)
            if bell is None or bell.times or set(terms) != {1}:
                continue
            if source.value == bell.source.value and source.sizes == bell.source.sizes:
                return replace(bell, times=True, factor=bell.factor * terms[1])
        return None


def activation(bell: Bell | None) -> Layer | None:
    """Return the activation that a bell is, if it is complete."""
    if bell is None or not bell.times:
        return None
    factor, plus, layer = COMPLETE[bell.kind]
    return layer if bell.plus == plus and math.isclose(bell.factor, factor, rel_tol=CLOSE) else None
