"""First-order rounding errors of an LSTM and of its relevance in units of eps: the scale of a tolerance."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .layers import Layer
from .values import Array


@dataclass(frozen=True, eq=False)
class Value:
    """An array of numbers and the size of the error of each, in units of epsilon."""

    value: Array
    error: Array

    def __mul__(self, other: Value) -> Value:
        value = self.value * other.value
        return Value(value, abs(value) + self.error * abs(other.value) + abs(self.value) * other.error)

    def __add__(self, other: Value) -> Value:
        return Value(self.value + other.value, abs(self.value) + abs(other.value) + self.error + other.error)

    def __truediv__(self, other: Value) -> Value:
        value = self.value / other.value
        return Value(value, abs(value) + self.error / abs(other.value) + abs(value / other.value) * other.error)

    def after(self, value: Array, slope: Array) -> Value:
        """Return the value of a function at this one, from its value and derivative."""
        return Value(value, abs(value) + abs(slope) * self.error)

    def tanh(self) -> Value:
        """Return tanh."""
        y = np.tanh(self.value)
        return self.after(y, 1 - y * y)

    def sigmoid(self) -> Value:
        """Return 1 / (1 + exp(−x))."""
        y = 1 / (1 + np.exp(-self.value))
        return self.after(y, y * (1 - y))

    def stabilised(self, epsilon: float) -> Value:
        """Return x + ε sgn x."""
        return Value(self.value + np.where(self.value >= 0, epsilon, -epsilon), abs(self.value) + self.error)


def exactly(values: Any) -> Value:
    """Return numbers without error."""
    value = np.array(values, dtype=float)
    return Value(value, np.zeros(value.shape))


def terms(weight: Array, x: Value) -> Value:
    """Return all products w_ji x_i (J, I)."""
    return exactly(weight) * Value(x.value[None], x.error[None])


def total(*parts: Value) -> Value:
    """Return the sum over the last axis of all parts, whose error grows with the sizes of the terms."""
    value = sum(p.value.sum(axis=-1) for p in parts)
    return Value(np.asarray(value), np.asarray(sum((abs(p.value) + p.error).sum(axis=-1) for p in parts)))


def scales(layer: Layer, epsilon: float, inputs: list[Array], R: Array) -> list[Array]:
    """Return the errors of the relevance of x (T, features), h_0 and c_0 (1, hidden) of one sample."""
    w, u, b = (np.array(layer[name][0], dtype=float) for name in ("weight_input", "weight_hidden", "bias"))
    x, units = exactly(inputs[0]), b.shape[1]
    h, c = (exactly(s[0]) for s in inputs[1:]) if len(inputs) > 1 else (exactly(np.zeros(units)),) * 2
    tape = []
    for t in range(len(x.value)):
        step = Value(x.value[t], x.error[t])
        pre = [total(terms(w[k], step), terms(u[k], h), exactly(b[k][:, None])) for k in range(4)]
        new, kept = pre[0].sigmoid() * pre[2].tanh(), pre[1].sigmoid() * c
        tape.append((terms(w[2], step), terms(u[2], h), pre[2], new, kept))
        c = new + kept
        h = pre[3].sigmoid() * c.tanh()
    given = np.array(R, dtype=float)
    r_h, r_c, found = exactly(np.zeros(units)), exactly(np.zeros(units)), np.zeros(x.value.shape)
    for t in reversed(range(len(tape))):
        from_x, from_h, pre_g, new, kept = tape[t]
        at_t = given[t] if given.ndim == 2 else given * (t == len(tape) - 1)
        share = (r_c + r_h + exactly(at_t)) / (new + kept).stabilised(epsilon)
        r_g, r_c = new * share, kept * share
        share = r_g / pre_g.stabilised(epsilon)
        column = Value(share.value[:, None], share.error[:, None])
        down, r_h = from_x * column, _down(from_h * column)
        found[t] = _down(down).error
    return [found, r_h.error[None], r_c.error[None]]


def _down(messages: Value) -> Value:
    """Return the sum over the outputs, (J, I) to (I,)."""
    return total(Value(messages.value.T, messages.error.T))
