"""Recurrent layers apart: as the textbook's loop over one sample and direction, and as a graph of primitive nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from walks import walk

from lrp_ref import layers, rules
from lrp_ref.literal import gru, lstm, recurrent, rnn
from lrp_ref.network import Input, Network, Node

READS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
PRODUCTS = ("signal", "prop", "abs", "half")


def hard(z: Any) -> Any:
    return np.minimum(np.maximum(z / 4 + Fraction(1, 2) if z.dtype == object else z / 4 + 0.5, 0), 1)


# Names of a cell's functions, with what they are here, and as layers of a graph.
FUNCTIONS: dict[Any, tuple[Any, Any]] = {
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), layers.Sigmoid()),
    "tanh": (np.tanh, layers.Tanh()),
    "linear": (lambda z: z, layers.Identity()),
    "relu": (lambda z: np.maximum(z, 0), layers.ReLU()),
    ("hardsigmoid", 0.25, 0.5): (hard, layers.HardSigmoid(0.25, 0.5)),
}


@dataclass
class Told:
    """What a sample's inputs received: x (steps, features), each initial state (D, hidden); and the account."""

    x: Any
    states: list[list[Any]]
    account: Any


def functions_of(layer: Any) -> tuple[Any, Any, Any]:
    """Return the functions of gates, of the new and of c_t, each as (function, layer)."""
    named = (getattr(layer, name, usual) for name, usual in
             (("gate", "sigmoid"), ("activation", "tanh"), ("output_activation", "tanh")))  # fmt: skip
    gate, new, out = (FUNCTIONS[name] for name in named)
    return gate, new, out


# The textbook ------------------------------------------------------------------------------------------------------


def gate_of(layer: Any, k: int, gate: int, *, peephole: Any = None, inner: Any = None) -> recurrent.Gate:
    """Return one gate of direction k; the bias inside the recurrent product is ``inner``, or 0."""
    bias = layer.bias[k, gate]
    second = bias * 0 if inner is None else inner
    return recurrent.Gate(layer.weight_input[k, gate].T, layer.weight_hidden[k, gate].T, bias, second, peephole)


def by_loop(layer: Any, k: int, x: Any, initial: list[Any], put: Any, last: list[Any], rule: Any, kind: str) -> Told:
    """Return what direction k makes of relevance at its states, in reading order.

    Args:
        layer, k: of which the direction is read.
        x: (steps, features).
        initial: the states before the first step, (hidden,) each.
        put: relevance at h_t, (steps, hidden).
        last: more of it at each state after the last step.
        rule: the textbook's rules of dense layers and of the sum.
        kind: of product.
    """
    (dense, state), (sigma, new, out) = rule, (f for f, _ in functions_of(layer))
    put = put.copy()
    put[-1] += last[0]
    name = type(layer).__name__
    if name == "RNN":
        cell = gate_of(layer, k, 0)
        told: Any = rnn.relevance(cell, x, rnn.forward(cell, x, initial[0], tanh=new), put, dense=dense)
        return Told(told.x, [told.h0], columns(told))
    if name == "GRU":
        inner = None if layer.bias_hidden is None else layer.bias_hidden[k]
        r, z, n = gate_of(layer, k, 0), gate_of(layer, k, 1), gate_of(layer, k, 2, inner=inner)
        whole = gru.Cell(r, z, n, layer.reset_after)
        states = gru.forward(whole, x, initial[0], sigmoid=sigma, tanh=new)
        told = gru.relevance(whole, x, states, put, dense=dense, state=state, product=kind)
        return Told(told.x, [told.h0], columns(told))
    peepholes = getattr(layer, "peephole", None)
    p_i, p_f, p_o = (None,) * 3 if peepholes is None else peepholes[k]
    f = None if getattr(layer, "coupled", False) else gate_of(layer, k, 1, peephole=p_f)
    four = lstm.Cell(gate_of(layer, k, 0, peephole=p_i), gate_of(layer, k, 2), f, gate_of(layer, k, 3, peephole=p_o))
    steps = lstm.forward(four, x, *initial, sigmoid=sigma, tanh=new, tanh_of_c=out)
    told = lstm.relevance(
        four, x, steps, put, last[1], epsilon=0, input_rule=dense, sum_rule=state, product=kind
    )  # fmt: skip
    return Told(told.x, [told.h0, told.c0], columns(told))


def columns(told: Any) -> Any:
    return np.array([told.bias.sum(), told.stabiliser.sum(), told.dropped.sum()], told.x.dtype)


# The graph -----------------------------------------------------------------------------------------------------------


@dataclass
class Graph:
    """Direction k of a layer over ``steps`` steps as nodes; ``outputs`` are h_t in reading order and the last c."""

    layer: Any
    k: int
    steps: int
    nodes: list[Node] = field(default_factory=list)

    def node(self, name: str, layer: Any, *inputs: str) -> str:
        self.nodes.append(Node(name, layer, inputs))
        return name

    def dense(self, name: str, weights: list[Any], bias: Any, *reads: str) -> str:
        joint = reads[0] if len(reads) == 1 else self.node(f"joint_{name}", layers.Concat(), *reads)
        return self.node(f"pre_{name}", layers.Dense(np.concatenate(weights), bias), joint)

    def gate(self, name: str, gate: int, *reads: str, peephole: Any = None) -> str:
        w, u, b = (a[self.k, gate] for a in (self.layer.weight_input, self.layer.weight_hidden, self.layer.bias))
        looks = [] if peephole is None else [np.diag(peephole)]
        return self.dense(name, [w.T, u.T, *looks], b, *reads)

    def times(self, name: str, gate: str, signal: str) -> str:
        return self.node(f"times_{name}", layers.Multiply(gate=0), gate, signal)

    def rest(self, name: str, gate: str) -> str:
        one = self.layer.bias[0, 0] * 0 + 1
        return self.node(f"rest_{name}", layers.Affine(-one, one), gate)

    def network(self) -> Network:
        order = range(self.steps)[::-1] if READS[self.layer.direction][self.k] else range(self.steps)
        states, found = [f"{name}_start" for name in self.layer.states], []
        for t in order:
            x = self.node(f"x{t}", layers.Gather(t, axis=1), "x")
            states = getattr(self, type(self.layer).__name__.lower().replace("general", ""))(t, x, *states)
            found.append(states[0])
        end = self.node("end", layers.Concat(), *found, *states)
        inputs = ("x", *(f"{name}_start" for name in self.layer.states))
        return Network(tuple(self.nodes), tuple(map(Input, inputs)), (end,))

    def rnn(self, t: int, x: str, h: str) -> list[str]:
        return [self.node(f"h{t}", functions_of(self.layer)[1][1], self.gate(f"h{t}", 0, x, h))]

    def gru(self, t: int, x: str, h: str) -> list[str]:
        layer, k, ((_, sigma), (_, new), _) = self.layer, self.k, functions_of(self.layer)
        r, z = (self.node(f"{g}{t}", sigma, self.gate(f"{g}{t}", j, x, h)) for j, g in enumerate("rz"))
        w, u, b = layer.weight_input[k, 2].T, layer.weight_hidden[k, 2].T, layer.bias[k, 2]
        if layer.reset_after:
            inner = None if layer.bias_hidden is None else layer.bias_hidden[k]
            q = self.times(f"q{t}", r, self.dense(f"whole{t}", [u], inner, h))
            pre = self.dense(f"n{t}", [w, np.diag(b * 0 + 1)], b, x, q)
        else:
            pre = self.dense(f"n{t}", [w, u], b, x, self.times(f"q{t}", r, h))
        made = self.times(f"new{t}", self.rest(f"z{t}", z), self.node(f"n{t}", new, pre))
        return [self.node(f"sum_{t}", layers.Add(), made, self.times(f"kept{t}", z, h))]

    def lstm(self, t: int, x: str, h: str, c: str) -> list[str]:
        layer, k, ((_, sigma), (_, new), (_, out)) = self.layer, self.k, functions_of(self.layer)
        peepholes = getattr(layer, "peephole", None)
        p_i, p_f, p_o = (None,) * 3 if peepholes is None else peepholes[k]
        looks = () if peepholes is None else (c,)
        i = self.node(f"i{t}", sigma, self.gate(f"i{t}", 0, x, h, *looks, peephole=p_i))
        if getattr(layer, "coupled", False):
            f = self.rest(f"i{t}", i)
        else:
            f = self.node(f"f{t}", sigma, self.gate(f"f{t}", 1, x, h, *looks, peephole=p_f))
        g = self.node(f"g{t}", new, self.gate(f"g{t}", 2, x, h))
        now = self.node(f"sum_{t}", layers.Add(), self.times(f"new{t}", i, g), self.times(f"kept{t}", f, c))
        looks = () if peepholes is None else (now,)
        o = self.node(f"o{t}", sigma, self.gate(f"o{t}", 3, x, h, *looks, peephole=p_o))
        return [self.times(f"h{t}", o, self.node(f"tanh{t}", out, now)), now]


def by_graph(layer: Any, k: int, x: Any, initial: list[Any], put: Any, last: list[Any], rule: Any, kind: str) -> Told:
    """Return the same as :func:`by_loop` by a walk through the graph; ``x`` in the order of time, and what it gets.

    ``rule`` are rules of ``lrp_ref``; a share of bias or stabiliser in that of the sum is another one in a graph.
    """
    dense, state = rule
    net = Graph(layer, k, len(x)).network()

    def chosen(node: Node) -> Any:
        if node.name.startswith("pre_"):
            return dense
        if node.name.startswith(("times_", "rest_")):
            return rules.Product(kind) if node.name.startswith("times_") else rules.Pass()
        return state if node.name.startswith("sum_") else None

    starts = [f"{name}_start" for name in layer.states]
    fed = {"x": x[None], **{name: state[None] for name, state in zip(starts, initial, strict=True)}}
    end = np.concatenate([*put, *last])[None]
    found, totals = walk(net, fed, end, chosen)
    account = np.array([np.sum(totals[c]) for c in ("bias", "stabiliser", "dropped")], x.dtype)
    return Told(found["x"][0], [found[name][0] for name in starts], account)
