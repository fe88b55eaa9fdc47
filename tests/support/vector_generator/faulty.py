"""The group faulty: inputs with one thing wrong, which an implementation must refuse."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from . import sequence_cases as sequences
from .cases import Case, to_json
from .core import RULES
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array_to_json

OWN: Rule = {"name": "own"}


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


def spoiled(case: Case, where: str, word: str) -> Case:
    """Return a case with its second number of inputs, weight or relevance replaced by NaN, Infinity or -Infinity."""
    place = {"input": lambda: case["inputs"][0], "weight": lambda: case["layer"]["weight"]}
    numbers = place.get(where, lambda: case["relevance_out"])()
    numbers["decimal"][1] = numbers["exact"][1] = word
    return case


def dense_cases() -> Iterator[Case]:
    """Yield dense layers with a wrong shape, or a number that is none."""
    draw = Draw("faulty/dense")
    layer: Layer = {"type": "Dense", "weight": draw(3, 2, nonzero=True), "bias": draw(2)}
    x, R, rule = draw(2, 3, nonzero=True), draw(2, 2, nonzero=True), RULES["epsilon"]
    yield faulty("dense/relevance-units", layer, rule, [x], draw(2, 3), "The relevance has three units, the layer two.")
    yield faulty("dense/relevance-batch", layer, rule, [x], draw(1, 2), "The relevance has one sample, the input two.")
    yield faulty("dense/relevance-axes", layer, rule, [x], draw(2, 2, 1), "The relevance has an axis too many.")
    yield faulty("dense/input-units", layer, rule, [draw(2, 4)], R, "The input has four units, the weight three rows.")
    wrong = {**layer, "bias": draw(3)}
    yield faulty("dense/bias-length", wrong, rule, [x], R, "The bias has three numbers for two units.")
    for where in ("input", "weight", "relevance"):
        for word in ("NaN", "Infinity"):
            case = faulty(f"dense/{where}-{word.lower()}", layer, rule, [x], R, f"A number of the {where} is {word}.")
            yield spoiled(case, where, word)


def rule_cases() -> Iterator[Case]:
    """Yield parameters of rules out of their range."""
    draw = Draw("faulty/rule")
    layer: Layer = {"type": "Dense", "weight": draw(3, 2), "bias": draw(2)}
    rules: dict[str, tuple[Rule, str]] = {
        "epsilon-negative": ({"name": "Epsilon", "epsilon": Fraction(-1, 4)}, "A negative epsilon."),
        "stabiliser-negative": (
            {"name": "LRP0", "stabiliser": {"kind": "add", "epsilon": Fraction(-1, 4)}},
            "A negative epsilon of a stabiliser.",
        ),
        "gamma-negative": ({"name": "Gamma", "gamma": Fraction(-1, 4)}, "A negative gamma."),
        "generalized-gamma-negative": ({"name": "GeneralizedGamma", "gamma": Fraction(-1)}, "A negative gamma."),
        "alpha-beta-two": (
            {"name": "AlphaBeta", "alpha": Fraction(2), "beta": Fraction(2)},
            "alpha - beta is 0, not 1.",
        ),
        "beta-negative": ({"name": "AlphaBeta", "alpha": Fraction(1, 2), "beta": Fraction(-1, 2)}, "beta is negative."),
        "zbox-low-high": (
            {"name": "ZBox", "low": Fraction(1), "high": Fraction(-1)},
            "The lower bound is above the upper one.",
        ),
        "bias-share": ({"name": "Epsilon", "epsilon": Fraction(1, 4), "bias_share": Fraction(2)}, "A share above 1."),
        "unknown": ({"name": "NoSuchRule"}, "A rule that does not exist."),
        "pass-shape": ({"name": "Pass"}, "Relevance of two units cannot pass to three."),
    }
    x, R = draw(2, 3), draw(2, 2)
    for name, (rule, note) in rules.items():
        yield faulty(f"rule/{name}", layer, rule, [x], R, note)


def window_cases() -> Iterator[Case]:
    """Yield convolutions and pools whose shapes do not fit."""
    draw = Draw("faulty/window")
    base: dict[str, Any] = {
        "type": "Conv",
        "bias": None,
        "stride": [1],
        "padding": [[0, 0]],
        "dilation": [1],
        "groups": 1,
    }
    layer, x, R = {**base, "weight": draw(2, 2, 3)}, draw(1, 2, 5), draw(1, 2, 3)
    rule = RULES["epsilon"]
    yield faulty("conv/channels", layer, rule, [draw(1, 3, 5)], R, "Three channels for a weight of two.")
    yield faulty("conv/relevance-size", layer, rule, [x], draw(1, 2, 4), "Four positions where the output has three.")
    yield faulty("conv/axes", layer, rule, [draw(1, 2, 5, 5)], R, "An image for a convolution of signals.")
    yield faulty(
        "conv/kernel-larger", layer, rule, [draw(1, 2, 2)], draw(1, 2, 1), "The kernel is larger than the input."
    )
    wrong: Layer = {**base, "weight": draw(3, 1, 3), "groups": 2}
    yield faulty("conv/groups", wrong, rule, [x], draw(1, 3, 3), "Three outputs in two groups.")
    wrong = {**layer, "stride": [0]}
    yield faulty("conv/stride-zero", wrong, rule, [x], R, "A stride of 0.")
    wrong = {**layer, "padding": [[-1, 0]]}
    yield faulty("conv/padding-negative", wrong, rule, [x], draw(1, 2, 2), "Negative padding.")
    pool: Layer = {
        "type": "MaxPool",
        "kernel": [2],
        "stride": [2],
        "padding": [[0, 0]],
        "dilation": [1],
        "ceil_mode": False,
    }
    yield faulty("max-pool/relevance-size", pool, OWN, [x], draw(1, 2, 3), "Three windows where there are two.")
    wrong = {**pool, "kernel": [0]}
    yield faulty("max-pool/kernel-zero", wrong, OWN, [x], draw(1, 2, 2), "A kernel of 0.")


def merge_cases() -> Iterator[Case]:
    """Yield sums, products and concatenations whose operands do not fit."""
    draw = Draw("faulty/merge")
    x, y = draw(2, 3), draw(2, 4)
    yield faulty(
        "add/shapes", {"type": "Add"}, RULES["epsilon"], [x, y], draw(2, 3), "Operands of three and four units."
    )
    yield faulty(
        "add/relevance", {"type": "Add"}, RULES["epsilon"], [x, x], draw(2, 4), "Relevance of four units for three."
    )
    product = {"name": "Product", "product": "half"}
    yield faulty(
        "multiply/shapes", {"type": "Multiply", "gate": None}, product, [x, y], draw(2, 4), "Three units times four."
    )
    note = "'signal' without a declared gate."
    rule = {"name": "Product", "product": "signal"}
    yield faulty("multiply/no-gate", {"type": "Multiply", "gate": None}, rule, [x, x], draw(2, 3), note)
    layer = {"type": "Concat", "axis": 1}
    yield faulty("concat/batch", layer, OWN, [x, draw(1, 2)], draw(2, 5), "Operands of two samples and of one.")
    yield faulty("concat/relevance", layer, OWN, [x, y], draw(2, 6), "Relevance of six units for seven.")


def sequence_cases() -> Iterator[Case]:
    """Yield products, norms and sequences with one thing wrong."""
    draw = Draw("faulty/sequences")
    a, b, R = draw(2, 2, 3), draw(2, 3, 2), draw(2, 2, 2)
    half, signal = {"name": "Product", "product": "half"}, {"name": "Product", "product": "signal"}
    matmul: Layer = {"type": "MatMul", "gate": None}
    yield faulty("matmul/inner", matmul, half, [a, draw(2, 2, 2)], R, "Three columns times two rows.")
    yield faulty("matmul/relevance", matmul, half, [a, b], draw(2, 2, 3), "Relevance of three columns for two.")
    yield faulty("matmul/no-gate", matmul, signal, [a, b], R, "'signal' without a declared gate.")
    yield faulty("matmul/abs", matmul, {"name": "Product", "product": "abs"}, [a, b], R, "A rule of numbers alone.")
    layer, (x, lengths, state) = sequences.cell("GRU", lengths=[3, 1, 2], n=3, state=True)(draw)
    R, rule = draw(3, 3, 2), sequences.cell_rule("half")
    note = "A sample of four steps in an array of three."
    yield faulty("gru/lengths", layer, rule, [x, lengths + 1, state], R, note)
    yield faulty("gru/lengths-fraction", layer, rule, [x, lengths / 2, state], R, "A sample of one step and a half.")
    yield faulty("gru/state", layer, rule, [x, lengths, state[:, :, :1]], R, "An initial state of one unit for two.")
    yield faulty("gru/product", layer, {**rule, "product": "third"}, [x, lengths, state], R, "An unknown product rule.")
    wrong = {**layer, "weight_hidden": layer["weight_hidden"][:, :2]}
    yield faulty("gru/blocks", wrong, rule, [x, lengths, state], R, "Two blocks of weights where there are three.")
    wrong = {**layer, "reset_after": False}
    note = "Two biases of n where the reset gate comes before the product."
    yield faulty("gru/bias-hidden", wrong, rule, [x, lengths, state], R, note)
    layer, inputs = sequences.cell("GeneralLSTM", peephole=True)(draw)
    wrong = {**layer, "peephole": layer["peephole"][:, :2]}
    yield faulty("lstm-general/peephole", wrong, rule, inputs, draw(2, 3, 2), "Peepholes of two gates.")
    layer, inputs = sequences.scan()(draw)
    chosen = {"name": "Selection", "product": "signal", "epsilon": Fraction(0)}
    R = draw(2, 3, 2)
    yield faulty("scan/states", layer, chosen, [*inputs[:3], draw(2, 3, 3)], R, "C reads three states of two.")
    yield faulty("scan/epsilon", layer, {**chosen, "epsilon": Fraction(-1, 4)}, inputs, R, "A negative epsilon.")
    norm: Layer = {"type": "Normalize", "axes": [1], "epsilon": Fraction(1), "centre": True, "groups": 3}
    x, R = draw(2, 4), draw(2, 4)
    yield faulty("norm/groups", norm, RULES["lrp0"], [x], R, "Four channels in three groups.")
    wrong = {**norm, "groups": 1, "epsilon": Fraction(-1)}
    yield faulty("norm/epsilon", wrong, RULES["lrp0"], [x], R, "A negative epsilon.")
    norm = {"type": "LocalResponseNorm", "size": 0, "alpha": Fraction(1), "beta": Fraction(1), "bias": Fraction(1)}
    kind = {"name": "ResponseNorm", "kind": "taylor"}
    yield faulty("response-norm/size", {**norm, "window": "onnx"}, kind, [x], R, "A window of no channel.")
    softmax = {"type": "Softmax", "axis": 0}
    yield faulty("softmax/batch", softmax, {"name": "Taylor"}, [x], R, "A softmax over the batch.")


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "faulty/dense.json": dense_cases,
    "faulty/rule.json": rule_cases,
    "faulty/window.json": window_cases,
    "faulty/merge.json": merge_cases,
    "faulty/sequences.json": sequence_cases,
}
