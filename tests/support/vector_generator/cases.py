"""Cases as they are written to the files: everything that a reader in any language needs."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from . import dialects
from .explain import explain, value
from .formulas import Rule
from .layers import Layer
from .values import Array, array_to_json, number_to_json, scale_to_json

ULP = 8
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
    return {
        "id": name,
        "layer": to_json(layer),
        "inputs": to_json(inputs),
        "output": array_to_json(value(layer, inputs)),
        "rule": to_json(rule),
        "relevance_out": array_to_json(R),
        "relevance_in": to_json(answer.relevance),
        "ledger": {column: array_to_json(getattr(answer, column)) for column in ("bias", "stabiliser", "dropped")},
        "tolerance": {"ulp": ULP, "scale": [scale_to_json(s) for s in answer.scale]},
        "catches": [] if rule.get("_unflagged") else dialects.caught(layer, rule, inputs, R, answer),
        "choice": None if choice is None else dict(zip(("topic", "option"), choice, strict=True)),
        "note": note,
    }
