"""Cases as they are written to the files: everything that a reader in any language needs."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.errors import require

from . import dialects, direct
from .explain import Answer, explain, value, whole_numbers
from .formulas import Rule
from .kinds import BITS, ball, certain, converted, digits
from .layers import Layer
from .values import Array, array_to_json, number_to_json, scale_to_json

ULP = 8
COLUMNS = ("bias", "stabiliser", "dropped")
Case = dict[str, Any]


def to_json(entry: Any) -> Any:
    """Return a layer, a rule or a part of one with its numbers as NUMBER and NUMBERS; integers and words stay.

    Names with a leading underscore are the generator's own: which option of a topic it follows.
    """
    if isinstance(entry, dict):
        return {name: to_json(part) for name, part in entry.items() if not name.startswith("_")}
    if isinstance(entry, Fraction):
        return number_to_json(entry)
    if isinstance(entry, np.ndarray):
        return array_to_json(entry)
    if isinstance(entry, list | tuple):
        return [to_json(part) for part in entry]
    return entry


def layer_case(
    name: str, layer: Layer, rule: Rule, inputs: list[Array], R: Array, note: str, choice: Any = None
) -> Case:
    """Return a case of the groups core and alternatives.

    Args:
        name: its id, group/topic/….
        layer, rule: dictionaries with Fractions.
        inputs: one array per operand, batch first.
        R: relevance of the output.
        note: what is special, one sentence.
        choice: (topic, option) of an alternative, or None.
    """
    answer = explain(layer, rule, inputs, R)
    faults = {} if rule.get("_unflagged") else dialects.caught(layer, rule, inputs, R, answer)
    if direct.leaves_the_rationals(layer):
        printed = certain_digits(layer, rule, inputs, R, answer)
    else:
        printed = {
            "output": array_to_json(value(layer, inputs)),
            "relevance_in": to_json(answer.relevance),
            "ledger": {column: array_to_json(getattr(answer, column)) for column in COLUMNS},
        }
    return {
        "id": name,
        "layer": to_json(layer),
        "inputs": to_json(inputs),
        "output": printed["output"],
        "rule": to_json(rule),
        "relevance_out": array_to_json(R),
        "relevance_in": printed["relevance_in"],
        "ledger": printed["ledger"],
        "tolerance": {"ulp": ULP, "scale": [scale_to_json(s) for s in answer.scale]},
        "catches": faults,
        "choice": None if choice is None else dict(zip(("topic", "option"), choice, strict=True)),
        "note": note,
    }


def certain_digits(layer: Layer, rule: Rule, inputs: list[Array], R: Array, nearly: Answer) -> dict[str, Any]:
    """Return output, relevance and ledger where exp or tanh leave the rationals: the digits that balls are certain of.

    ``nearly`` is the answer on fractions of 128 bits: what is 0 there is so by the formula, and is printed as 0.
    """
    flint = require("flint", extra="exact", purpose="generate the vectors with exp and tanh")
    with flint.ctx.workprec(BITS):
        balls, asked = converted(layer, ball), converted(rule, ball)
        ys, told = [], []
        for n in range(len(R)):
            sample = [np.asarray(x[n]) for x in inputs]
            given = [x if whole_numbers(layer, k) else converted(x, ball) for k, x in enumerate(sample)]
            ys.append(direct.forward(balls, given))
            certain(ys[-1])
            told.append(direct.back(balls, asked, given, converted(R[n], ball)))
        relevance = [np.stack([np.asarray(t.inputs[k]) for t in told]) for k in range(len(inputs))]
        ledger = {c: np.array([getattr(t, c) for t in told], dtype=object) for c in COLUMNS}
        return {
            "output": balls_to_json(np.stack(ys), value(layer, inputs)),
            "relevance_in": [balls_to_json(v, r) for v, r in zip(relevance, nearly.relevance, strict=True)],
            "ledger": {c: balls_to_json(v, getattr(nearly, c)) for c, v in ledger.items()},
        }


def balls_to_json(values: Array, nearly: Array) -> dict[str, Any]:
    """Return NUMBERS with decimals and without fractions; raises ArithmeticError where a digit is not certain."""
    found = []
    for v, near in zip(values.reshape(-1), nearly.reshape(-1), strict=True):
        if near == 0 and not (v > 0 or v < 0):
            found.append("0")
            continue
        found.append(digits(v))
        if abs(Fraction(found[-1]) - near) > abs(near) / 10**18:
            raise ArithmeticError(f"balls say {found[-1]}, fractions {float(near)}")
    return {"shape": list(values.shape), "decimal": found, "exact": None}
