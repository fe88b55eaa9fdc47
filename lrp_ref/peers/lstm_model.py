"""The one network that LRP_for_LSTM has, found in a Network: two LSTMs in opposite directions and a layer of scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..layers import LSTM, Concat, Dense, Embedding, Identity
from ..network.network import Node
from ..rules import LRP0, Epsilon, Pass, Recurrent
from ..rules.edits import EXACT
from .task import NoRule, Task

SIDES = {"forward": "Left", "reverse": "Right"}
GATES = [0, 2, 1, 3]  # there i, g, f, o; here i, f, g, o
SHAPE = "its one model is a bidirectional LSTM whose last states give the scores, without a bias"


@dataclass(frozen=True, eq=False)
class Model:
    """Such a network, by its nodes.

    Attributes:
        scores: the last layer.
        states: the node whose output the scores are made of.
        sides: the LSTMs, one of both directions or one of each.
        words: value that they read, (N, time, features).
        through: side → names of the values between the words and the LSTM that reads them.
        source: what the words were looked up from, "" for nothing.
    """

    scores: Node
    states: Node
    sides: tuple[Node, ...]
    words: str
    through: dict[str, tuple[str, ...]]
    source: str

    def weights(self) -> dict[str, Any]:
        """Return the attributes of the program's model."""
        held, half = {}, self.scores.layer.weight.shape[0] // 2  # type: ignore[attr-defined]
        for node in self.sides:
            layer: Any = node.layer
            names = ["Left", "Right"] if layer.direction == "bidirectional" else [SIDES[layer.direction]]
            for k, side in enumerate(names):
                for key, array in (("Wxh", layer.weight_input), ("Whh", layer.weight_hidden), ("bxh", layer.bias)):
                    turned = array[k][GATES]
                    held[f"{key}_{side}"] = turned.reshape(-1, *turned.shape[2:])
                held[f"bhh_{side}"] = np.zeros_like(held[f"bxh_{side}"])
        weight = self.scores.layer.weight.T  # type: ignore[attr-defined]
        return {**held, "Why_Left": weight[:, :half], "Why_Right": weight[:, half:]}

    def named(self, read: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
        """Return arrays of the program by the names of values.

        Args:
            read: side, or "both" → what stands for the words.
            last: side → what stands for the last state.
        """
        found = {self.states.name: np.concatenate([last["Left"], last["Right"]]), self.words: read["both"]}
        if len(self.sides) == 2:
            found |= {node.name: last[side] for node, side in zip(self.sides, ("Left", "Right"), strict=True)}
        return found | {name: read[side] for side, names in self.through.items() for name in names}


def find_model(task: Task) -> Model:
    """Return the model that a network is.

    Raises:
        NoRule: it is another one.
    """
    nodes = {node.name: node for node in task.network.nodes}
    scores = nodes[task.network.outputs[0]]
    states = nodes.get(scores.inputs[0])
    if not isinstance(scores.layer, Dense) or states is None:
        raise NoRule(SHAPE)
    if scores.layer.bias is not None and scores.layer.bias.any():
        raise NoRule(SHAPE)
    names = states.inputs if isinstance(states.layer, Concat) and len(states.inputs) == 2 else (states.name,)
    sides = tuple(node for node in map(nodes.get, names) if node is not None and isinstance(node.layer, LSTM))
    order = [node.layer.direction for node in sides]  # type: ignore[attr-defined]
    if order not in (["forward", "reverse"], ["bidirectional"]) or len(sides) != len(names):
        raise NoRule(SHAPE)
    if any(n.layer.returns != "last" or n.layer.lengths or n.layer.state for n in sides):  # type: ignore[attr-defined]
        raise NoRule(f"{SHAPE}; it has no sequences of states, lengths or initial states")
    through, words = {}, set()
    for node, side in zip(sides, ["Left", "Right"] if len(sides) == 2 else ["both"], strict=True):
        read, passed = node.inputs[0], []
        while read in nodes and isinstance(nodes[read].layer, Identity):
            passed.append(read)
            read = nodes[read].inputs[0]
        through[side] = tuple(passed)
        words.add(read)
    source = ""
    for name in words & nodes.keys():
        source = nodes[name].inputs[0] if isinstance(nodes[name].layer, Embedding) else name
        if source == name or source in nodes:
            raise NoRule(f"{SHAPE}; what lies below it, '{name}', it does not have")
    if len(words) > 1:
        raise NoRule(SHAPE)
    return Model(scores, states, sides, words.pop(), through, source)


def strength(task: Task, model: Model) -> tuple[float, float]:
    """Return the program's ε and bias factor, of which it has one each for all layers.

    Raises:
        NoRule: rules that it has not, or that differ.
    """
    asked = {_one(task.rules.get(node.name)) for node in (*model.sides, model.scores)}
    if len(asked) != 1:
        raise NoRule(f"it has one ε and one bias factor for all layers, not {sorted(asked)}")
    return asked.pop()


def single(task: Task, node: Node) -> tuple[Any, Any, tuple[float, float]]:
    """Return weight, bias, ε and bias factor for a dense layer alone.

    Raises:
        NoRule: inputs that are no rows of numbers, or another rule than the program's.
    """
    layer: Any = node.layer
    if np.ndim(task.inputs[node.inputs[0]]) != 2:
        raise NoRule("its layer reads one row of numbers a sample")
    bias = np.zeros(layer.weight.shape[1], layer.weight.dtype) if layer.bias is None else layer.bias
    return layer.weight, bias, _one(task.rules.get(node.name))


def _one(rule: Any) -> tuple[float, float]:
    match rule:
        case Recurrent(product="signal") if rule.dense == rule.state:
            return _one(rule.dense)
        case Epsilon() if rule.stabiliser_share in (None, rule.bias_share):
            return float(rule.epsilon), float(rule.bias_share)
        case LRP0() if rule.stabiliser == EXACT:
            return 0.0, 0.0
    raise NoRule(f"its one rule is ε with a bias factor, as Epsilon(ε, bias_share); asked for is {rule!r}")


def one_class(start: Any, scores: Any) -> int:
    """Return the class whose score is a sample's start relevance (classes,).

    Raises:
        NoRule: the start is something else, from which the program cannot be started.
    """
    given = np.flatnonzero(start)
    if len(given) != 1 or not np.isclose(start[given[0]], scores[given[0]], rtol=1e-6, atol=0):
        raise NoRule("it starts from the score of one class; ask for one target with start='logit'")
    return int(given[0])


def passes(task: Task, model: Model) -> None:
    """Raise unless the layers that only hand relevance on are asked to do so."""
    names = [name for some in model.through.values() for name in some]
    names += [] if model.states in model.sides else [model.states.name]
    for name in names:
        if not (task.rules.get(name) is None or isinstance(task.rules.get(name), Pass)):
            raise NoRule(f"node '{name}' hands relevance on; asked for is {task.rules[name]!r}")
