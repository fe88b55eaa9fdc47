"""The group networks: small whole networks with the relevance of every node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from .cases import ULP, Case, to_json
from .core import RULES
from .dialects import DIALECTS, NONFINITE, Call, Seen, nonfinite, visible
from .explain import Answer, explain, received, value
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array, array_to_json, scale_to_json, zeros

OWN: Rule = {"name": "own"}
NodeSpec = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Net:
    """A network with its rules and one batch: nodes in order, values by name, the relevance of the last node."""

    nodes: list[NodeSpec]
    rules: dict[str, Rule]
    values: dict[str, Array]
    start: Array

    def rule(self, name: str) -> Rule:
        """Return the rule of a node; layers that need none have their own way."""
        return self.rules.get(name, OWN)

    def operands(self, node: NodeSpec) -> list[Array]:
        """Return the inputs of a node."""
        return [self.values[i] for i in node["inputs"]]


def node(name: str, layer: Layer, *inputs: str) -> NodeSpec:
    """Return a node of a network."""
    return {"name": name, "layer": layer, "inputs": list(inputs)}


def walk(net: Net) -> tuple[dict[str, Array], dict[str, Array], dict[str, Answer]]:
    """Return relevance and scale by name, and the answer of each node."""
    last = net.nodes[-1]["name"]
    relevance, scale, answers = {last: net.start}, {last: abs(net.start)}, {}
    for n in reversed(net.nodes):
        name = n["name"]
        answers[name] = explain(n["layer"], net.rule(name), net.operands(n), relevance[name], scale[name])
        for i, r, s in zip(n["inputs"], answers[name].relevance, answers[name].scale, strict=True):
            relevance[i] = relevance[i] + r if i in relevance else r
            scale[i] = scale[i] + s if i in scale else s
    return relevance, scale, answers


def walk_wrong(net: Net, dialect: str) -> Any:
    """Return the relevance of the input where a dialect computes every node that it applies to, None if it has none."""
    relevance, applied = {net.nodes[-1]["name"]: net.start}, dialect == "branch-overwritten"
    for n in reversed(net.nodes):
        call = Call(n["layer"], net.rule(n["name"]), net.operands(n), relevance[n["name"]])
        theirs = None if dialect not in DIALECTS else DIALECTS[dialect](call)
        if nonfinite(theirs):
            return NONFINITE
        applied = applied or theirs is not None
        found = theirs if theirs is not None else received(call.layer, call.rule, call.inputs, call.R)
        for i, r in zip(n["inputs"], found, strict=True):
            relevance[i] = relevance[i] + r if i in relevance and dialect != "branch-overwritten" else r
    return relevance["input"] if applied else None


def caught(net: Net, relevance: Array, scale: Array) -> dict[str, Seen]:
    """Return what each dialect answers that changes the relevance of the input visibly, by its id."""

    def ask(name: str) -> Any:
        theirs = walk_wrong(net, name)
        return theirs if theirs is None or isinstance(theirs, str) else [theirs]

    right = Answer([relevance], [scale], *(zeros(()),) * 3)
    return visible({name: partial(ask, name) for name in (*DIALECTS, "branch-overwritten")}, right)


def network_case(
    name: str, nodes: list[NodeSpec], rules: dict[str, Rule], x: Array, start: Array | None, note: str
) -> Case:
    """Return a case of the group networks; start None is the output itself, and rules not given are "own"."""
    values: dict[str, Array] = {"input": x}
    for n in nodes:
        values[n["name"]] = value(n["layer"], [values[i] for i in n["inputs"]])
    net = Net(nodes, rules, values, values[nodes[-1]["name"]] if start is None else start)
    relevance, scale, answers = walk(net)
    order = ["input", *(n["name"] for n in nodes)]
    return {
        "id": f"networks/{name}",
        "network": {"inputs": ["input"], "nodes": to_json(nodes), "output": nodes[-1]["name"]},
        "inputs": {"input": array_to_json(x)},
        "rules": {n["name"]: to_json(net.rule(n["name"])) for n in nodes},
        "values": {k: array_to_json(values[k]) for k in order},
        "start": array_to_json(net.start),
        "relevance": {k: array_to_json(relevance[k]) for k in order},
        "ledger": {
            n["name"]: {c: array_to_json(getattr(answers[n["name"]], c)) for c in ("bias", "stabiliser", "dropped")}
            for n in nodes
        },
        "tolerance": {"ulp": ULP, "scale": {k: scale_to_json(scale[k]) for k in order}},
        "catches": caught(net, relevance["input"], scale["input"]),
        "choice": None,
        "note": note,
    }


def dense_layer(draw: Draw, inputs: int, outputs: int, bias: bool = True) -> Layer:
    """Return a dense layer with small weights."""
    b = draw(outputs, low=-1, high=2, parts=2) if bias else None
    return {"type": "Dense", "weight": draw(inputs, outputs, low=-3, high=4, parts=2), "bias": b}


def conv_layer(draw: Draw, *weight: int, **how: Any) -> Layer:
    """Return a convolution with small weights."""
    axes = len(weight) - 2
    full = {"stride": [1] * axes, "padding": [[0, 0]] * axes, "dilation": [1] * axes, "groups": 1, **how}
    layer = {"weight": draw(*weight, low=-3, high=4, parts=2), "bias": draw(weight[0], low=-1, high=2, parts=2)}
    return {"type": "Conv", **layer, **full}


def dense_cases() -> Iterator[Case]:
    """Yield dense–ReLU–dense networks."""
    for key in ("lrp0", "epsilon", "alpha1-beta0", "alpha2-beta1", "zplus", "wsquare", "flat"):
        draw = Draw(f"networks/dense/{key}")
        nodes = [
            node("fc1", dense_layer(draw, 4, 5), "input"),
            node("relu", {"type": "ReLU"}, "fc1"),
            node("fc2", dense_layer(draw, 5, 2), "relu"),
        ]
        note = "Dense, ReLU, dense, started at the output itself."
        rules = {"fc1": RULES[key], "fc2": RULES["epsilon"]}
        yield network_case(f"dense/{key}", nodes, rules, draw(2, 4, parts=2), None, note)
    for key in ("epsilon", "zplus", "alpha2-beta1"):
        draw = Draw(f"networks/dense/deep-{key}")
        nodes = [
            node("fc1", dense_layer(draw, 3, 4), "input"),
            node("relu1", {"type": "ReLU"}, "fc1"),
            node("fc2", dense_layer(draw, 4, 4), "relu1"),
            node("relu2", {"type": "ReLU"}, "fc2"),
            node("fc3", dense_layer(draw, 4, 2), "relu2"),
        ]
        start = array([[1, 0]])
        rules = dict.fromkeys(("fc1", "fc2", "fc3"), RULES[key])
        note = "Three dense layers, one rule, a start relevance of 1 on the first output."
        yield network_case(f"dense/deep-{key}", nodes, rules, draw(1, 3, parts=2), start, note)


def _image_net(draw: Draw) -> list[NodeSpec]:
    pool = {"kernel": [2, 2], "stride": [2, 2], "padding": [[0, 0], [0, 0]], "ceil_mode": False}
    return [
        node("conv", conv_layer(draw, 2, 1, 2, 2), "input"),
        node("relu", {"type": "ReLU"}, "conv"),
        node("pool", {"type": "AveragePool", **pool}, "relu"),
        node("flat", {"type": "Flatten"}, "pool"),
        node("fc", dense_layer(draw, 8, 2), "flat"),
    ]


def image_cases() -> Iterator[Case]:
    """Yield small convolutional networks with usual compositions of rules."""
    composites: dict[str, tuple[str, str]] = {
        "epsilon": ("epsilon", "epsilon"),
        "epsilon-plus": ("zplus", "epsilon"),
        "epsilon-alpha2-beta1": ("alpha2-beta1", "epsilon"),
        "epsilon-flat": ("flat", "epsilon"),
        "epsilon-box": ("zbox", "epsilon"),
        "epsilon-wsquare": ("wsquare", "epsilon"),
    }
    for name, (first, last) in composites.items():
        draw = Draw(f"networks/image/{name}")
        rules = {"conv": RULES[first], "pool": RULES["epsilon"], "fc": RULES[last]}
        note = "Convolution, ReLU, average pool, dense; another rule in the first layer."
        x = draw(1, 1, 5, 5, low=-4, high=4, parts=2)
        yield network_case(f"image/{name}", _image_net(draw), rules, x, None, note)
    for name, key in (("max-pool-epsilon", "epsilon"), ("max-pool-zplus", "zplus")):
        draw = Draw(f"networks/image/{name}")
        nodes = _image_net(draw)
        nodes[1]["inputs"], nodes[2]["inputs"] = ["pool"], ["conv"]
        nodes[2]["layer"] = {**nodes[2]["layer"], "type": "MaxPool", "dilation": [1, 1]}
        nodes[1], nodes[2] = nodes[2], nodes[1]
        nodes[3]["inputs"] = ["relu"]
        rules = {"conv": RULES[key], "fc": RULES["epsilon"]}
        x = _without_ties(draw, nodes)
        yield network_case(f"image/{name}", nodes, rules, x, None, "A max pool whose winners are unique.")


def _without_ties(draw: Draw, nodes: list[NodeSpec]) -> Array:
    """Return an input for which no two numbers in a channel before the max pool are equal."""
    for _ in range(1000):
        x = draw(1, 1, 5, 5, low=-24, high=24, parts=8)
        z = value(nodes[0]["layer"], [x])
        if all(len(set(channel.reshape(-1))) == channel.size for channel in z[0]):
            return x
    raise ArithmeticError("no input without ties")


def branch_cases() -> Iterator[Case]:
    """Yield networks that branch: RES-1, REUSE-1, a concatenation, a gate, a BatchNorm as an affine map."""
    for key in ("lrp0", "epsilon-small"):
        draw = Draw(f"networks/branch/RES-1-{key}")
        nodes = [
            node("A", dense_layer(draw, 3, 3, bias=False), "input"),
            node("relu", {"type": "ReLU"}, "A"),
            node("add", {"type": "Add"}, "input", "relu"),
            node("o", dense_layer(draw, 3, 1, bias=False), "add"),
        ]
        x = draw(2, 3, low=1, high=8, parts=2)
        note = "y = o·(x + relu(A x)) without bias: a residual connection splits in proportion."
        yield network_case(f"branch/RES-1/{key}", nodes, dict.fromkeys(("A", "add", "o"), RULES[key]), x, None, note)
    shared: Layer = {"type": "Dense", "weight": array([[1, 1], [0, 1]]), "bias": None}
    nodes = [node("one", shared, "input"), node("relu", {"type": "ReLU"}, "one"), node("two", shared, "relu")]
    note = "One layer used twice: relevance per use."
    rules = dict.fromkeys(("one", "two"), RULES["lrp0"])
    yield network_case("branch/REUSE-1", nodes, rules, array([[1, 2]]), array([[0, 4]]), note)
    draw = Draw("networks/branch/concat")
    nodes = [
        node("left", dense_layer(draw, 3, 2), "input"),
        node("right", dense_layer(draw, 3, 3), "input"),
        node("relu", {"type": "ReLU"}, "right"),
        node("both", {"type": "Concat", "axis": 1}, "left", "relu"),
        node("o", dense_layer(draw, 5, 2), "both"),
    ]
    rules = dict.fromkeys(("left", "right", "o"), RULES["epsilon"])
    note = "Two branches, concatenated; the input gets the sum of both."
    yield network_case("branch/concat", nodes, rules, draw(2, 3, parts=2), None, note)
    draw = Draw("networks/branch/gate")
    nodes = [
        node("gate", dense_layer(draw, 3, 3), "input"),
        node("signal", dense_layer(draw, 3, 3), "input"),
        node("product", {"type": "Multiply", "gate": 0}, "gate", "signal"),
        node("o", dense_layer(draw, 3, 1), "product"),
    ]
    rules = {
        **dict.fromkeys(("gate", "signal", "o"), RULES["epsilon"]),
        "product": {"name": "Product", "product": "signal"},
    }
    note = "The signal of a product takes all, the gate's branch gets nothing."
    yield network_case("branch/gate", nodes, rules, draw(2, 3, parts=2), None, note)
    draw = Draw("networks/branch/affine")
    affine = {"type": "Affine", "scale": array([2, "1/2", -1]), "shift": array([1, "-1/2", "1/4"])}
    nodes = [
        node("fc", dense_layer(draw, 3, 3), "input"),
        node("norm", affine, "fc"),
        node("relu", {"type": "ReLU"}, "norm"),
        node("o", dense_layer(draw, 3, 2), "relu"),
    ]
    rules = dict.fromkeys(("fc", "norm", "o"), RULES["epsilon"])
    note = "A BatchNorm as what it is in inference, an affine map, by the ε-rule."
    yield network_case("branch/affine", nodes, rules, draw(2, 3, parts=2, nonzero=True), None, note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "networks/dense.json": dense_cases,
    "networks/image.json": image_cases,
    "networks/branch.json": branch_cases,
}
