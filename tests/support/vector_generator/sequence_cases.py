"""Core cases of sequences: GRU, simple RNN, LSTM in its general form, and selective scan, on rational functions.

A hard sigmoid and a ReLU keep a cell on the rationals; a few cases have the usual sigmoid and tanh, as decimals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from .cases import Case, layer_case
from .cells import DIRECTIONS
from .core import RULES
from .explain import Answer, explain, value
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array, zeros

PRODUCTS = ("signal", "prop", "abs", "half")
HARD: dict[str, Any] = {"gate": ["hardsigmoid", Fraction(1, 4), Fraction(1, 2)], "activation": "relu"}
SHARED: Rule = {"name": "Epsilon", "epsilon": Fraction(1, 4), "bias_share": Fraction(1)}
STEADY = 4000  # how many times the largest relevance the scale of a tolerance may be


def cell_rule(product: str, key: str = "epsilon") -> Rule:
    """Return one rule for dense layers and the sum, with a product rule."""
    rule = SHARED if key == "bias-share" else RULES[key]
    return {"name": "Recurrent", "dense": rule, "state": rule, "product": product}


def steady(answer: Answer) -> bool:
    """Return whether single precision can tell the answer: the errors of the steps do not swamp it."""
    largest = max(abs(r).max() for r in answer.relevance)
    return bool(largest > 0 and max(s.max() for s in answer.scale) <= STEADY * largest)


def drawn(name: str, rule: Rule, make: Callable[[Draw], tuple[Layer, list[Array]]]) -> tuple[Layer, list[Array], Array]:
    """Return layer, inputs and relevance, drawn again until errors stay small and no state is all 0."""
    for attempt in range(400):
        draw = Draw(f"{name}/{attempt}")
        layer, inputs = make(draw)
        y = value(layer, inputs)
        R = draw(*y.shape, low=-7, nonzero=True)
        alive = y.size // (5 if layer.get("lengths") else 2)  # outputs after a sample's end are 0
        if (y != 0).sum() >= alive and steady(explain(layer, rule, inputs, R)):
            return layer, inputs, R
    raise ArithmeticError(f"no draw for {name} has small errors")


def cell(kind: str, *, steps: int = 3, n: int = 2, functions: Any = None, **how: Any) -> Any:
    """Return a maker of recurrent layers of two units over two features."""
    blocks = {"GRU": 3, "RNN": 1}.get(kind, 4)
    full = {"direction": "forward", "returns": "sequence", "lengths": False, "state": False, **how}
    told = {"lengths": [], **full}.pop("lengths")

    def make(draw: Draw) -> tuple[Layer, list[Array]]:
        count, units, features = len(DIRECTIONS[full["direction"]]), 2, 2
        layer: Layer = {"type": kind}
        for name, shape in (("weight_input", (units, features)), ("weight_hidden", (units, units)), ("bias", (units,))):
            layer[name] = draw(count, blocks, *shape, low=-4, high=6, nonzero=True)
        if kind == "GRU":
            layer["reset_after"] = full.get("reset_after", True)
        if layer.get("reset_after"):
            layer["bias_hidden"] = draw(count, units, nonzero=True)
        if full.get("peephole"):
            layer["peephole"] = draw(count, 3, units, nonzero=True)
        layer |= {k: v for k, v in full.items() if k != "peephole"} | {"lengths": bool(told)}
        layer |= _functions(kind, functions)
        states = (2 if blocks == 4 else 1) * bool(full["state"])
        inputs = [draw(n, steps, features, nonzero=True), *([array(told)] if told else [])]
        return layer, inputs + [draw(n, count, units, nonzero=True) for _ in range(states)]

    return make


def _functions(kind: str, functions: Any) -> dict[str, Any]:
    told = HARD if functions is None else functions
    if kind == "LSTM":
        return {}
    if kind == "RNN":
        return {"activation": told["activation"]}
    return {**told, "output_activation": told["activation"]} if kind == "GeneralLSTM" else dict(told)


SMOOTH = {"gate": "sigmoid", "activation": "tanh"}
TANH = "The usual sigmoid and tanh: decimals."
CONVENTIONS = {"after": True, "before": False}


def cases(topic: str, key: str, config: str, rule: Rule, make: Any, note: str) -> Case:
    """Return one case of a cell."""
    name = f"core/{topic}/{key}/{config}"
    layer, inputs, R = drawn(name, rule, make)
    return layer_case(name, layer, rule, inputs, R, note)


def gru_cases() -> Iterator[Case]:
    """Yield GRUs in both conventions, under the four product rules."""
    for word, after in CONVENTIONS.items():
        where = f"The reset gate comes {word} the product with the weights"
        how: dict[str, Any] = {"reset_after": after}
        for product in PRODUCTS:
            rule = cell_rule(product)
            yield cases("gru", product, f"reset-{word}", rule, cell("GRU", **how), f"{where}; rational functions.")
            smooth = cell("GRU", steps=2, functions=SMOOTH, **how)
            yield cases("gru", product, f"reset-{word}-tanh", rule, smooth, f"{where}. {TANH}")
        for product in ("signal", "half"):
            both: dict[str, Any] = {"direction": "bidirectional", "returns": "last", "state": True, "steps": 2}
            note = f"{where}; both directions, last states alone, initial states."
            yield cases("gru", product, f"reset-{word}-both-last", cell_rule(product), cell("GRU", **both, **how), note)
            note = f"{where}; δ = 1: biases and ε are spread evenly over the inputs of each sum."
            rule = cell_rule(product, "bias-share")
            yield cases("gru", product, f"reset-{word}-bias-share", rule, cell("GRU", steps=2, **how), note)
    for product in ("signal", "prop"):
        note = "The sequence is read from its end."
        make = cell("GRU", direction="reverse", n=1)
        yield cases("gru", product, "reverse", cell_rule(product), make, note)
    for product in ("signal", "half"):
        lengths: dict[str, Any] = {"lengths": [3, 1, 0], "n": 3, "direction": "bidirectional", "state": True}
        note = "Samples of 3, 1 and 0 steps in both directions: what arrives after a sample's end is dropped."
        yield cases("gru", product, "lengths", cell_rule(product), cell("GRU", **lengths), note)
        note = "Samples of 2 and 0 steps, last states: of no steps, relevance is the initial state's."
        lengths = {"lengths": [2, 0], "state": True, "returns": "last"}
        yield cases("gru", product, "lengths-last", cell_rule(product), cell("GRU", **lengths), note)
        yield cases("gru", product, "lrp0", cell_rule(product, "lrp0"), cell("GRU", n=1), "No stabiliser.")
        small = cell_rule(product, "epsilon-small")
        yield cases("gru", product, "epsilon-small", small, cell("GRU", n=1), "A small ε.")
    hard = {"gate": HARD["gate"], "activation": "linear"}
    note = "A hard tanh, as a linear function of what is clipped to ±3/2."
    clipped = cell("GRU", functions=hard, clip=Fraction(3, 2), n=1)
    yield cases("gru", "prop", "clip", cell_rule("prop"), clipped, note)
    rule = {**cell_rule("abs"), "dense": RULES["alpha2-beta1"]}
    yield cases("gru", "abs", "alpha2-beta1", rule, cell("GRU", steps=2), "αβ in the dense layers, ε in the sum.")


def rnn_cases() -> Iterator[Case]:
    """Yield simple recurrent layers."""
    configs: dict[str, tuple[str, Any]] = {
        "sequence": ("Three steps with a ReLU.", cell("RNN")),
        "last": ("Relevance on the last state alone.", cell("RNN", returns="last")),
        "reverse": ("The sequence is read from its end.", cell("RNN", direction="reverse")),
        "both": ("Both directions, from given states.", cell("RNN", direction="bidirectional", state=True)),
        "lengths": ("Samples of 3, 1 and 0 steps.", cell("RNN", lengths=[3, 1, 0], n=3, state=True)),
        "tanh": (TANH, cell("RNN", functions=SMOOTH)),
    }
    for config, (note, make) in configs.items():
        yield cases("rnn", "epsilon", config, RULES["epsilon"], make, note)
    for key in ("lrp0", "epsilon-small", "alpha2-beta1", "zplus"):
        note = "Another rule for the dense layer, which is all there is."
        yield cases("rnn", key, "sequence", cell_rule("signal", key), cell("RNN", steps=2), note)
    note = "δ = 1: the bias and ε are spread evenly over the inputs of each sum."
    yield cases("rnn", "bias-share", "sequence", SHARED, cell("RNN"), note)


def lstm_cases() -> Iterator[Case]:
    """Yield LSTMs in their general form, and the usual one, under the four product rules."""
    forms: dict[str, tuple[str, dict[str, Any]]] = {
        "plain": ("No peepholes.", {}),
        "peephole": ("Peepholes: i and f look at the old cell, o at the new one.", {"peephole": True}),
        "coupled": ("The forget gate is 1 − i.", {"coupled": True}),
    }
    for form, (note, how) in forms.items():
        for product in PRODUCTS:
            rule = cell_rule(product)
            yield cases(
                "lstm-general", product, form, rule, cell("GeneralLSTM", n=1, **how), f"{note} Rational functions."
            )
    everything: dict[str, Any] = {
        "direction": "bidirectional",
        "returns": "last",
        "state": True,
        "peephole": True,
        "steps": 2,
    }
    for product in ("signal", "half"):
        note = "Both directions with peepholes, last states, initial states."
        yield cases("lstm-general", product, "both-last", cell_rule(product), cell("GeneralLSTM", **everything), note)
        note = "Samples of 3, 1 and 0 steps read from the end, with peepholes."
        lengths: dict[str, Any] = {
            "lengths": [3, 1, 0],
            "n": 3,
            "direction": "reverse",
            "peephole": True,
            "state": True,
        }
        yield cases("lstm-general", product, "lengths", cell_rule(product), cell("GeneralLSTM", **lengths), note)
        note = "δ = 1: a share goes to the inputs of each sum, with a peephole also to the cell."
        shared = cell("GeneralLSTM", peephole=True, steps=2)
        yield cases("lstm-general", product, "bias-share", cell_rule(product, "bias-share"), shared, note)
    for product in ("prop", "abs", "half"):
        note = f"The usual LSTM: gates take relevance. {TANH}"
        yield cases("lstm-general", product, "usual", cell_rule(product), cell("LSTM", steps=2), note)


def scan(*, steps: int = 3, skip: bool = True, state: bool = False, decay: str = "linear", n: int = 2) -> Any:
    """Return a maker of selective scans of two channels with two states each."""

    def make(draw: Draw) -> tuple[Layer, list[Array]]:
        a = draw(2, 2, low=-7, high=-1)
        layer: Layer = {"type": "SelectiveScan", "a": a, "skip": draw(2, nonzero=True) if skip else None}
        layer |= {"decay": decay, "state": state}
        inputs = [draw(n, steps, 2, nonzero=True), draw(n, steps, 2, low=1, high=4)]
        inputs += [draw(n, steps, 2, nonzero=True), draw(n, steps, 2, nonzero=True)]
        return layer, inputs + ([draw(n, 2, 2, nonzero=True)] if state else [])

    return make


def scan_cases() -> Iterator[Case]:
    """Yield selective scans: selection as a constant (MambaLRP), and half to each factor."""
    configs: dict[str, tuple[str, Any]] = {
        "skip": ("Three steps with a skip.", scan()),
        "no-skip": ("Three steps without a skip.", scan(skip=False)),
        "state": ("From a given state, which gets relevance.", scan(state=True)),
    }
    for product in ("signal", "half"):
        for config, (note, make) in configs.items():
            for key, epsilon in (("exact", Fraction(0)), ("epsilon", Fraction(1, 4))):
                rule = {"name": "Selection", "product": product, "epsilon": epsilon}
                yield cases("scan", f"{product}-{key}", config, rule, make, f"{note} The decay is 1 + Δ a.")
        rule = {"name": "Selection", "product": product, "epsilon": Fraction(1, 4)}
        note = "The decay is exp(Δ a), as in Mamba: decimals."
        yield cases("scan", f"{product}-epsilon", "exp", rule, scan(decay="exp", steps=2), note)
        layer: Layer = {"type": "SelectiveScan", "a": array([[-1]]), "skip": None, "decay": "linear", "state": False}
        x, ones = array([[[2], [-1], [3]], [[0], [1], [-2]]]), zeros((2, 3, 1)) + 1
        delta, c = np.array(ones / 2), array([[[1], [1], [1]], [[1], [1], [0]]])
        R = array([[[2], [3], [-1]], [[1], [-2], [4]]])
        note = "States and outputs that are 0: what they get is dropped."
        rule = {**rule, "epsilon": Fraction(0)}
        yield layer_case(f"core/scan/{product}-exact/zeros", layer, rule, [x, delta, ones, c], R, note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "core/gru.json": gru_cases,
    "core/rnn.json": rnn_cases,
    "core/lstm-general.json": lstm_cases,
    "core/scan.json": scan_cases,
}
