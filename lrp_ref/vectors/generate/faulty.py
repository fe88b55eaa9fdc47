"""The group faulty: inputs with one thing wrong, which an implementation must refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction as F
from typing import Any

from .cases import Case, to_json
from .core import RULES
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array_to_json


def faulty(name: str, layer: Layer, rule: Rule, inputs: list[Array], R: Array, note: str) -> Case:
    """Return a case of the group faulty."""
    return {
        "id": f"faulty/{name}",
        "layer": to_json(layer),
        "inputs": to_json(inputs),
        "rule": to_json(rule),
        "relevance_out": array_to_json(R),
        "expect": "refuse",
        "note": note,
    }


def dense_cases() -> Iterator[Case]:
    """Yield dense layers with a wrong shape or parameter."""
    draw = Draw("faulty/dense")
    layer: Layer = {"type": "Dense", "weight": draw(3, 2), "bias": draw(2)}
    x, R = draw(2, 3), draw(2, 2)
    yield faulty("dense/relevance-shape", layer, RULES["epsilon"], [x], draw(2, 3), "The relevance has three units, the layer two.")
    yield faulty("dense/relevance-batch", layer, RULES["epsilon"], [x], draw(1, 2), "The relevance has one sample, the input two.")
    yield faulty("dense/input-units", layer, RULES["epsilon"], [draw(2, 4)], R, "The input has four units, the weight three rows.")
    rules: dict[str, tuple[Any, str]] = {
        "epsilon-negative": ({"name": "Epsilon", "epsilon": F(-1, 4)}, "A negative epsilon."),
        "alpha-beta-two": ({"name": "AlphaBeta", "alpha": F(2), "beta": F(2)}, "alpha - beta is 0, not 1."),
        "zbox-low-high": ({"name": "ZBox", "low": F(1), "high": F(-1)}, "The lower bound is above the upper one."),
    }
    for name, (rule, note) in rules.items():
        yield faulty(f"rule/{name}", layer, rule, [x], R, note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {"faulty/dense.json": dense_cases}
