"""Networks of products: attention, gated layers and state spaces under the rules of AttnLRP, CP-LRP, MambaLRP and RelP.

Rules are given node by node; each family is a table of rules for kinds of layers, as published.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.errors import require

from . import direct
from .attention_cases import TAYLOR, ZERO, product, spread_alike
from .cases import COLUMNS, ULP, Case, balls_to_json, to_json
from .explain import errors, fractions
from .formulas import Rule
from .kinds import BITS, Measured, ball, certain, converted
from .layers import MATRIX_LAYERS, Layer
from .networks import Net, NodeSpec, caught, node
from .values import Array, Draw, array_to_json, scale_to_json

EPSILON = Fraction(1, 2**6)
LINEAR: Rule = {"name": "Epsilon", "epsilon": EPSILON}
PASS: Rule = {"name": "Pass"}
SIGNAL = product("signal")
FAMILIES: dict[str, dict[str, Rule]] = {  # kinds of layers that are not named pass, or have their own way
    "attnlrp": {
        "linear": LINEAR,
        "Multiply": product("half", stabiliser={"kind": "add", "epsilon": EPSILON}),
        "MatMul": product("half", stabiliser={"kind": "add", "epsilon": EPSILON}),
        "Softmax": TAYLOR,
        "SelectiveScan": {"name": "Selection", "product": "half", "epsilon": EPSILON},
    },
    "cp-lrp": {"linear": LINEAR, "Multiply": SIGNAL, "MatMul": SIGNAL, "Softmax": ZERO},
    "mamba-lrp": {
        "linear": LINEAR,
        "Multiply": product("half"),
        "MatMul": SIGNAL,
        "Softmax": ZERO,
        "SelectiveScan": {"name": "Selection", "product": "signal", "epsilon": EPSILON},
    },
    "relp": {"linear": {"name": "LRP0"}, "Multiply": product("half"), "MatMul": SIGNAL, "Softmax": ZERO},
}
SAID = {
    "attnlrp": "AttnLRP: ½ to each factor of a product, Taylor terms of the softmax.",
    "cp-lrp": "CP-LRP: weights and gates are constants.",
    "mamba-lrp": "MambaLRP: the selection is a constant, ½ to each factor of the gate's product.",
    "relp": "RelP: ½ to each factor of a product, constant weights, no ε.",
}


def rules_of(family: str, nodes: list[NodeSpec]) -> dict[str, Rule]:
    """Return the rules of a family, node by node."""
    table, found = FAMILIES[family], {}
    for n in nodes:
        kind = n["layer"]["type"]
        if kind in (*MATRIX_LAYERS, "Normalize"):
            found[n["name"]] = table["linear"]
        elif kind in table:
            undeclared = kind == "MatMul" and n["layer"]["gate"] is None and table[kind] == SIGNAL
            found[n["name"]] = product("half") if undeclared else table[kind]
        elif kind in ("HardSwish", "ReLU"):
            found[n["name"]] = PASS
    return found


def run(nodes: list[NodeSpec], layers: list[Layer], x: Array) -> dict[str, Array]:
    """Return the values by name."""
    values = {"input": x}
    for n, layer in zip(nodes, layers, strict=True):
        samples = [direct.forward(layer, [values[i][k] for i in n["inputs"]]) for k in range(len(x))]
        values[n["name"]] = np.stack(samples)
    return values


Walked = tuple[dict[str, Array], dict[str, Array], dict[str, dict[str, Array]]]


def walk(nodes: list[NodeSpec], rules: dict[str, Rule], x: Array, start: Array, convert: Any) -> Walked:
    """Return values, relevance and ledgers by name for a batch, on numbers of one kind.

    A measured start has the error of its size, so that what passes unchanged has a tolerance.
    """
    layers = [converted(n["layer"], convert) for n in nodes]
    values, relevance = run(nodes, layers, converted(x, convert)), {nodes[-1]["name"]: converted(start, convert)}
    if convert is Measured:
        for number in relevance[nodes[-1]["name"]].reshape(-1):
            number.error = abs(float(number.value))
    ledgers: dict[str, dict[str, Array]] = {}
    for n, layer in reversed(list(zip(nodes, layers, strict=True))):
        rule = converted(rules.get(n["name"], {"name": "own"}), convert)
        above = relevance[n["name"]]
        told = [direct.back(layer, rule, [values[i][k] for i in n["inputs"]], above[k]) for k in range(len(x))]
        for place, i in enumerate(n["inputs"]):
            arrived = np.stack([np.asarray(t.inputs[place]) for t in told])
            relevance[i] = relevance[i] + arrived if i in relevance else arrived
        ledgers[n["name"]] = {c: np.array([getattr(t, c) for t in told], dtype=object) for c in COLUMNS}
    return values, relevance, ledgers


def family_case(name: str, family: str, nodes: list[NodeSpec], x: Array, start: Array, note: str) -> Case:
    """Return a case of the group networks under the rules of a family."""
    rules = rules_of(family, nodes)
    values, relevance, ledgers = walk(nodes, rules, x, start, Fraction)
    sized, order = walk(nodes, rules, x, start, Measured)[1], ["input", *(n["name"] for n in nodes)]
    scale = {k: errors(sized[k]) for k in order}
    answer = fractions(relevance["input"])
    arrived = [part for ledger in ledgers.values() for part in ledger.values()]
    whole = answer.reshape(len(x), -1).sum(axis=1) + sum(arrived)
    if (whole != start.reshape(len(x), -1).sum(axis=1)).any():
        raise ArithmeticError(f"the ledger of {name} does not close")
    inexact: set[str] = set()
    if any(direct.leaves_the_rationals(n["layer"]) for n in nodes):
        inexact = set(order) - {"input"}
        flint = require("flint", extra="exact", purpose="generate the vectors with exp and tanh")
        with flint.ctx.workprec(BITS):
            of_balls = walk(nodes, rules, x, start, ball)
            for v in of_balls[0].values():
                certain(v)
            printed = {
                "values": {k: balls_to_json(of_balls[0][k], values[k]) for k in inexact} | _given("input", x),
                "relevance": {k: balls_to_json(of_balls[1][k], relevance[k]) for k in order},
                "ledger": {
                    k: {c: balls_to_json(v, ledgers[k][c]) for c, v in told.items()} for k, told in of_balls[2].items()
                },
            }
    else:
        printed = {
            "values": {k: array_to_json(values[k]) for k in order},
            "relevance": {k: array_to_json(relevance[k]) for k in order},
            "ledger": {k: {c: array_to_json(v) for c, v in told.items()} for k, told in ledgers.items()},
        }
    net = Net(nodes, rules, {k: fractions(v) for k, v in values.items()}, start)
    return {
        "id": f"networks/{name}",
        "network": {"inputs": ["input"], "nodes": to_json(nodes), "output": nodes[-1]["name"]},
        "inputs": _given("input", x),
        "rules": {n["name"]: to_json(net.rule(n["name"])) for n in nodes},
        "values": {k: printed["values"][k] for k in order},
        "start": array_to_json(start),
        "relevance": printed["relevance"],
        "ledger": {n["name"]: printed["ledger"][n["name"]] for n in nodes},
        "tolerance": {"ulp": ULP, "scale": {k: scale_to_json(scale[k]) for k in order}},
        "catches": caught(net, answer, scale["input"]),
        "choice": None,
        "note": f"{note} {SAID[family]}",
    }


def _given(name: str, x: Array) -> dict[str, Any]:
    return {name: array_to_json(x)}


# Networks --------------------------------------------------------------------------------------------------------


def dense(draw: Draw, inputs: int, outputs: int, bias: bool = True) -> Layer:
    """Return a dense layer on the last axis."""
    b = draw(outputs, nonzero=True, low=-2, high=3) if bias else None
    return {"type": "Dense", "weight": draw(inputs, outputs, low=-2, high=6, nonzero=True), "bias": b}


def attention(draw: Draw, weights: Layer) -> list[NodeSpec]:
    """Return one head of attention with a residual connection: three tokens of four numbers, a head of two."""
    heads = [node(name, dense(draw, 4, 2), "input") for name in ("query", "key", "value")]
    return [
        *heads,
        node("turned", {"type": "Transpose", "axes": [0, 2, 1]}, "key"),
        node("scores", {"type": "MatMul", "gate": None}, "query", "turned"),
        node("weights", weights, "scores"),
        node("mixed", {"type": "MatMul", "gate": 0}, "weights", "value"),
        node("out", dense(draw, 2, 4), "mixed"),
        node("sum", {"type": "Add"}, "input", "out"),
    ]


def drawn(name: str, family: str, make: Callable[[Draw], tuple[list[NodeSpec], Array]], note: str) -> Case:
    """Return a case of a network, drawn again until no denominator is 0 and errors stay small."""
    for attempt in range(400):
        draw = Draw(f"networks/{name}/{attempt}")
        nodes, x = make(draw)
        values = run(nodes, [n["layer"] for n in nodes], x)
        start = draw(*values[nodes[-1]["name"]].shape, low=-7, nonzero=True)
        live = [n["name"] for n in nodes if n["layer"]["type"] not in ("ReLU", "HardSwish", "Softmax")]
        if any((v == 0).any() for v in (values[k] for k in live)):
            continue
        relevance = walk(nodes, rules_of(family, nodes), x, start, Measured)[1]
        largest = max(abs(float(v.value)) for v in relevance["input"].reshape(-1))
        if max(v.error for v in relevance["input"].reshape(-1)) <= 2000 * largest:
            return family_case(name, family, nodes, x, start, note)
    raise ArithmeticError(f"no draw for {name} has small errors")


def attention_cases() -> Iterator[Case]:
    """Yield attention with a softmax, with weights that are rational, and with weights that are fixed."""
    softmax: Layer = {"type": "Softmax", "axis": 2}
    for family in ("attnlrp", "cp-lrp"):
        note = "One head of attention and a residual connection; exp leaves the rationals: decimals."
        yield drawn(f"attention/softmax/{family}", family, lambda d: _tokens(d, attention(d, softmax)), note)
        note = "Weights without a softmax, a ReLU of the scores: all numbers are rational."
        yield drawn(f"attention/relu/{family}", family, lambda d: _tokens(d, attention(d, {"type": "ReLU"})), note)

        def fixed(draw: Draw) -> tuple[list[NodeSpec], Array]:
            constant = {"type": "Constant", "value": draw(3, 3, low=1, high=6, parts=8)}
            return _tokens(
                draw,
                [
                    node("weights", constant, "input"),
                    node("value", dense(draw, 4, 2), "input"),
                    node("mixed", {"type": "MatMul", "gate": 0}, "weights", "value"),
                    node("out", dense(draw, 2, 3), "mixed"),
                ],
            )

        note = "Weights that are a constant: what they receive is in the ledger as bias."
        yield drawn(f"attention/fixed/{family}", family, fixed, note)


def _tokens(draw: Draw, nodes: list[NodeSpec]) -> tuple[list[NodeSpec], Array]:
    return nodes, draw(1, 3, 4, nonzero=True)


def gated_cases() -> Iterator[Case]:
    """Yield a gated layer (as SwiGLU, with a hard swish) behind an RMSNorm, with a residual connection."""

    def gated(draw: Draw) -> tuple[list[NodeSpec], Array]:
        groups, epsilon = spread_alike(draw, 2, 4, centre=False)
        norm = {"type": "Normalize", "axes": [-1], "epsilon": epsilon, "centre": False, "groups": 1}
        nodes = [
            node("norm", norm, "input"),
            node("gate", dense(draw, 4, 3), "norm"),
            node("swish", {"type": "HardSwish"}, "gate"),
            node("up", dense(draw, 4, 3), "norm"),
            node("product", {"type": "Multiply", "gate": 0}, "swish", "up"),
            node("down", dense(draw, 3, 4), "product"),
            node("sum", {"type": "Add"}, "input", "down"),
        ]
        return nodes, groups.reshape(1, 2, 4)

    for family in ("attnlrp", "cp-lrp", "relp"):
        note = "RMSNorm, two dense layers of which one gates the other through a hard swish, and a third; residual."
        yield drawn(f"gated/rms-norm/{family}", family, gated, note)


def state_space_cases() -> Iterator[Case]:
    """Yield a block of a state space: the input selects Δ, B and C, and a gate multiplies what the scan returns."""

    def block(draw: Draw) -> tuple[list[NodeSpec], Array]:
        scan: Layer = {"type": "SelectiveScan", "a": draw(3, 2, low=-6, high=-1), "skip": draw(3, nonzero=True)}
        scan |= {"decay": "linear", "state": False}
        nodes = [
            node("signal", dense(draw, 2, 3), "input"),
            node("delta", dense(draw, 2, 3), "input"),
            node("step", {"type": "ReLU"}, "delta"),
            node("feed", dense(draw, 2, 2), "input"),
            node("read", dense(draw, 2, 2), "input"),
            node("scan", scan, "signal", "step", "feed", "read"),
            node("gate", dense(draw, 2, 3), "input"),
            node("swish", {"type": "HardSwish"}, "gate"),
            node("product", {"type": "Multiply", "gate": 0}, "swish", "scan"),
            node("out", dense(draw, 3, 2), "product"),
        ]
        return nodes, draw(1, 3, 2, nonzero=True)

    note = "The input selects step, feed and reading of a scan, whose decay is 1 + Δ a, and gates what it returns."
    for family in ("mamba-lrp", "attnlrp"):
        yield drawn(f"state-space/block/{family}", family, block, note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "networks/attention.json": attention_cases,
    "networks/gated.json": gated_cases,
    "networks/state-space.json": state_space_cases,
}
