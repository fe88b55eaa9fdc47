"""The group networks: small whole networks with the relevance of every node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .cases import ULP, Case, to_json
from .core import RULES
from .explain import explain, value
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array_to_json, scale_to_json

OWN: Rule = {"name": "own"}


def node(name: str, layer: Layer, *inputs: str) -> dict[str, Any]:
    """Return a node of a network."""
    return {"name": name, "layer": layer, "inputs": list(inputs)}


def network_case(
    name: str, nodes: list[dict[str, Any]], rules: dict[str, Rule], x: Array, start: Array | None, note: str
) -> Case:
    """Return a case of the group networks; start None is the output itself, and rules not given are "own"."""
    values: dict[str, Array] = {"input": x}
    for n in nodes:
        values[n["name"]] = value(n["layer"], [values[i] for i in n["inputs"]])
    output = nodes[-1]["name"]
    start = values[output] if start is None else start
    relevance, scale, ledger = {output: start}, {output: abs(start)}, {}
    for n in reversed(nodes):
        answer = explain(
            n["layer"], rules.get(n["name"], OWN), [values[i] for i in n["inputs"]], relevance[n["name"]], scale[n["name"]]
        )
        for i, r, s in zip(n["inputs"], answer.relevance, answer.scale, strict=True):
            relevance[i] = relevance[i] + r if i in relevance else r
            scale[i] = scale[i] + s if i in scale else s
        ledger[n["name"]] = {c: array_to_json(getattr(answer, c)) for c in ("bias", "stabiliser", "dropped")}
    order = ["input", *(n["name"] for n in nodes)]
    return {
        "id": name,
        "network": {"inputs": ["input"], "nodes": to_json(nodes), "output": output},
        "inputs": {"input": array_to_json(x)},
        "rules": {n["name"]: to_json(rules.get(n["name"], OWN)) for n in nodes},
        "values": {k: array_to_json(values[k]) for k in order},
        "start": array_to_json(start),
        "relevance": {k: array_to_json(relevance[k]) for k in order},
        "ledger": ledger,
        "tolerance": {"ulp": ULP, "scale": {k: scale_to_json(scale[k]) for k in order}},
        "catches": [],
        "choice": None,
        "note": note,
    }


def dense_layer(draw: Draw, inputs: int, outputs: int) -> Layer:
    """Return a dense layer with small weights."""
    return {"type": "Dense", "weight": draw(inputs, outputs, low=-3, high=4, parts=2), "bias": draw(outputs, low=-1, high=2, parts=2)}


def dense_cases() -> Iterator[Case]:
    """Yield dense–ReLU–dense networks."""
    for key in ("epsilon", "alpha2-beta1", "zplus"):
        draw = Draw(f"networks/dense/{key}")
        nodes = [
            node("fc1", dense_layer(draw, 4, 5), "input"),
            node("relu", {"type": "ReLU"}, "fc1"),
            node("fc2", dense_layer(draw, 5, 2), "relu"),
        ]
        rules = {"fc1": RULES[key], "fc2": RULES["epsilon"]}
        note = "Dense, ReLU, dense, started at the output itself."
        yield network_case(f"networks/dense/{key}", nodes, rules, draw(2, 4, parts=2), None, note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {"networks/dense.json": dense_cases}
