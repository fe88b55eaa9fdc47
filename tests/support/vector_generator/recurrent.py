"""LSTM cases: the literal formulas on rigorous real balls, printed where every digit is certain.

exp and tanh leave the rationals, so that there is no exact fraction: ``exact`` is null, and all digits of a decimal are
those of the true number, rounded.
"""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from lrp_ref.errors import require
from lrp_ref.literal import lstm, rules
from lrp_ref.literal.matrices import Matrix

from . import lstm_errors as error_of
from .cases import ULP, Case, to_json
from .dialects import Seen, visible
from .explain import Answer
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array_to_json, decimal, scale_to_json, zeros

BITS, GATES = 320, "ifgo"  # the order of the vectors' weights
WRONG = ("no-bias-in-denominator", "recurrence-ignored", "lstm-eps-share")
ORDERS = {"lstm-order-igfo": "igfo", "lstm-order-iofg": "iofg", "lstm-order-ofig": "ofig"}


@dataclass(frozen=True, eq=False)
class Result:
    """Relevance of x, h_0 and c_0, hidden states and ledger of a batch, all of them balls."""

    x: Array
    h0: Array
    c0: Array
    h: Array
    ledger: dict[str, Array]


def balls(values: Array) -> Array:
    """Return an array of Fractions as balls of ``BITS`` bits."""
    flint = require("flint", extra="exact", purpose="generate the LSTM vectors")
    result = np.empty(values.shape, dtype=object)
    for index in np.ndindex(*values.shape):
        v: Any = values[index]
        result[index] = flint.arb(v.numerator) / v.denominator
    return result


def digits(ball: Any) -> tuple[str, Fraction]:
    """Return the decimal of a ball and its middle; raises ArithmeticError where a digit is uncertain."""
    middle, radius = rational(ball), Fraction(0) if isinstance(ball, int) else rational(ball.rad())
    low, high = decimal(middle - radius), decimal(middle + radius)
    if low != high:
        raise ArithmeticError(f"the digits of {ball} are not certain")
    return low, middle


def rational(ball: Any) -> Fraction:
    """Return the middle of a ball, exactly; object arrays hold plain zeros next to balls."""
    if isinstance(ball, int):
        return Fraction(ball)
    mantissa, exponent = (int(part) for part in ball.mid().man_exp())
    return Fraction(mantissa) * Fraction(2) ** exponent


def balls_to_json(values: Array) -> dict[str, Any]:
    """Return NUMBERS with decimals and without fractions."""
    return {"shape": list(values.shape), "decimal": [digits(v)[0] for v in values.reshape(-1)], "exact": None}


def middles(values: Array) -> Array:
    """Return the middles of balls as Fractions."""
    result = zeros(values.shape)
    for index in np.ndindex(*values.shape):
        result[index] = rational(values[index])
    return result


def cell_of(layer: Layer, order: str = GATES) -> lstm.Cell:
    """Return the cell of a layer of one direction; another order reads the blocks of weights wrongly."""
    w, u, b = (balls(layer[name][0]) for name in ("weight_input", "weight_hidden", "bias"))
    units = w.shape[1]
    w, u, b = w.reshape(-1, w.shape[-1]), u.reshape(-1, units), b.reshape(-1)
    return lstm.split_gates(w, u, b, None, order)


def run(layer: Layer, rule: Rule, inputs: list[Array], R: Array, order: str = GATES, wrong: str = "") -> Result:
    """Return the answer for a batch; ``wrong`` names a fault of the cell-input rule, see ``_faulty``."""
    cell, rows = cell_of(layer, order), []
    epsilon = balls(np.array([rule["epsilon"]]))[0]
    sum_rule = partial(rules.epsilon, epsilon=epsilon)
    for n in range(len(inputs[0])):
        x, state = balls(inputs[0][n]), [balls(s[n, 0]) for s in inputs[1:]]
        states = lstm.forward(cell, x, *state)
        Rh = (
            balls(R[n])
            if layer["returns"] == "sequence"
            else balls(np.concatenate([zeros((len(x) - 1, R.shape[1])), R[n : n + 1]]))
        )
        told = lstm.relevance(cell, x, states, Rh, epsilon=epsilon, input_rule=_faulty(sum_rule, wrong, x.shape[1]))
        _certain(states)
        rows.append((told, states))
    told_all = [told for told, _ in rows]
    names = ("bias", "stabiliser", "dropped")
    return Result(
        np.stack([t.x for t in told_all]),
        np.stack([t.h0 for t in told_all])[:, None],
        np.stack([t.c0 for t in told_all])[:, None],
        np.stack([states.h[1:] for _, states in rows]),
        {name: np.array([getattr(t, name).sum() for t in told_all], dtype=object) for name in names},
    )


def _faulty(rule: partial[rules.Messages], wrong: str, features: int) -> rules.Rule:
    """Return the rule of the cell input, or a faulty one."""
    shared = partial(rule, epsilon_share=1)

    def faulty(a: Array, matrix: Matrix, R: Array) -> rules.Messages:
        if wrong == "no-bias-in-denominator":
            matrix = replace(matrix, bias=matrix.bias * 0)
        if wrong == "lstm-eps-share":
            return shared(a, matrix, R)
        told = rule(a, matrix, R)
        if wrong == "recurrence-ignored":
            told.messages[features:] = 0
        return told

    return faulty if wrong else rule


def _certain(states: lstm.States) -> None:
    """Raise ArithmeticError where the sign of a denominator is not certain."""
    for z in (*states.pre_g.reshape(-1), *states.c[1:].reshape(-1)):
        if not (z > 0 or z < 0):
            raise ArithmeticError(f"the sign of {z} is not certain")


def caught(
    layer: Layer, rule: Rule, inputs: list[Array], R: Array, right: list[Array], scale: list[Array]
) -> dict[str, Seen]:
    """Return what the faults answer that change the answer visibly, by their ids."""
    ask: dict[str, Callable[[], Result]] = {
        **{name: partial(run, layer, rule, inputs, R, order=order) for name, order in ORDERS.items()},
        **{name: partial(run, layer, rule, inputs, R, wrong=name) for name in WRONG},
        "epsilon-ignored": partial(run, layer, {**rule, "epsilon": Fraction(0)}, inputs, R),
        "eps-default": partial(run, layer, {**rule, "epsilon": Fraction(1, 10)}, inputs, R),
        "relevance-clipped": partial(run, layer, rule, inputs, np.maximum(R, zeros(R.shape))),
    }

    def operands(made: Callable[[], Result]) -> list[Array]:
        other = made()
        return [middles(v) for v in (other.x, other.h0, other.c0)][: len(right)]

    others: dict[str, Callable[[], Any]] = {name: partial(operands, made) for name, made in ask.items()}
    others["lstm-time-reversed"] = lambda: [right[0][:, ::-1], *right[1:]]
    return visible(others, Answer(right, scale, *(zeros(()),) * 3))


def scales(layer: Layer, rule: Rule, inputs: list[Array], R: Array) -> list[Array]:
    """Return the scale of the rounding error of x, h_0 and c_0: errors of first order, carried from step to step.

    Every operation adds the size of its terms to what it inherits through its derivatives; for one sum this is the
    formula of a linear layer, |R_j| s_ij / |st_j| (1 + sum_k s_kj / |st_j|).
    """
    found = [zeros(x.shape) for x in inputs]
    for n in range(len(inputs[0])):
        parts = error_of.scales(layer, float(rule["epsilon"]), [x[n] for x in inputs], R[n])
        for target, part in zip(found, parts, strict=False):
            target[n] = np.array([Fraction(float(v)) for v in part.reshape(-1)], dtype=object).reshape(part.shape)
    return found


def lstm_case(name: str, layer: Layer, rule: Rule, inputs: list[Array], R: Array, note: str) -> Case:
    """Return a case of an LSTM of one direction."""
    told = run(layer, rule, inputs, R)
    with_state = len(inputs) > 1
    exact = [told.x, told.h0, told.c0] if with_state else [told.x]
    ledger = dict(told.ledger)
    if not with_state:  # what arrives at an initial state that is no input is dropped
        ledger["dropped"] = ledger["dropped"] + told.h0.sum(axis=(1, 2)) + told.c0.sum(axis=(1, 2))
    relevance, scale = [middles(v) for v in exact], scales(layer, rule, inputs, R)
    output = told.h if layer["returns"] == "sequence" else told.h[:, -1]
    return {
        "id": name,
        "layer": to_json(layer),
        "inputs": to_json(inputs),
        "output": balls_to_json(output),
        "rule": to_json(rule),
        "relevance_out": array_to_json(R),
        "relevance_in": [balls_to_json(v) for v in exact],
        "ledger": {column: balls_to_json(v) for column, v in ledger.items()},
        "tolerance": {"ulp": ULP, "scale": [scale_to_json(s) for s in scale]},
        "catches": caught(layer, rule, inputs, R, relevance, scale),
        "choice": None,
        "note": note,
    }


def lstm_cases() -> Iterator[Case]:
    """Yield single steps and sequences, with and without an initial state."""
    flint = require("flint", extra="exact", purpose="generate the LSTM vectors")
    shapes = {
        "step": (1, False, "last", "One step from a state of zeros."),
        "step-state": (1, True, "last", "One step from a given state: relevance reaches h_0 and c_0."),
        "sequence": (4, False, "sequence", "Four steps, relevance on every hidden state."),
        "last": (3, False, "last", "Three steps, relevance on the last hidden state alone."),
        "sequence-state": (3, True, "sequence", "Three steps from a given state."),
    }
    for config, (steps, state, returns, note) in shapes.items():
        for key, epsilon in (("epsilon", Fraction(1, 4)), ("epsilon-small", Fraction(1, 2**10))):
            name = f"core/lstm/{key}/{config}"
            draw, units, features = Draw(name), 2, 3
            layer: Layer = {"type": "LSTM", "weight_input": draw(1, 4, units, features, low=-6, high=6, nonzero=True)}
            layer |= {
                "weight_hidden": draw(1, 4, units, units, low=-6, high=6, nonzero=True),
                "bias": draw(1, 4, units),
            }
            layer |= {"direction": "forward", "returns": returns, "lengths": False, "state": state}
            inputs = [
                draw(2, steps, features, nonzero=True),
                *(draw(2, 1, units, nonzero=True) for _ in range(2 * state)),
            ]
            R = (
                draw(2, steps, units, low=-7, nonzero=True)
                if returns == "sequence"
                else draw(2, units, low=-7, nonzero=True)
            )
            with flint.ctx.workprec(BITS):
                case = lstm_case(name, layer, {"name": "Epsilon", "epsilon": epsilon}, inputs, R, note)
            yield case


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {"core/lstm.json": lstm_cases}
