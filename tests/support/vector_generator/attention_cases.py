"""Core cases of what attention and norms are made of: products of matrices, softmax, norms, response normalisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from .cases import Case, layer_case
from .core import RULES
from .explain import value
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array, square_root

QUARTER = {"kind": "add", "epsilon": Fraction(1, 4)}
CLIP = {"kind": "clip", "epsilon": Fraction(1, 2)}
TAYLOR: Rule = {"name": "Taylor"}
ZERO: Rule = {"name": "Zero"}


def product(kind: str, **more: Any) -> Rule:
    """Return a rule for products."""
    return {"name": "Product", "product": kind, **more}


def started(draw: Draw, layer: Layer, inputs: list[Array]) -> Array:
    """Return relevance of the output, none of it 0."""
    return draw(*value(layer, inputs).shape, low=-7, nonzero=True)


def without_zeros(name: str, layer: Layer, *shapes: tuple[int, ...]) -> tuple[list[Array], Array]:
    """Return operands and relevance, drawn again until no number of the output is 0."""
    for attempt in range(400):
        draw = Draw(f"{name}/{attempt}")
        inputs = [draw(*shape, nonzero=True) for shape in shapes]
        if (value(layer, inputs) != 0).all():
            return inputs, started(draw, layer, inputs)
    raise ArithmeticError(f"no draw for {name} without a zero")


def matmul_cases() -> Iterator[Case]:
    """Yield products of matrices: which factor takes, stabilisers, heads, axes that broadcast, outputs of 0."""
    shapes = {
        "matrices": ("Two matrices a sample.", (2, 3, 4), (2, 4, 2)),
        "square": ("Square matrices: a forgotten transpose has a shape that fits.", (2, 3, 3), (2, 3, 3)),
        "heads": ("Two heads a sample, each with matrices of its own.", (2, 2, 2, 3), (2, 2, 3, 2)),
        "shared": ("Two heads share the matrix on the right, which gets the sum.", (2, 2, 2, 3), (2, 1, 3, 2)),
    }
    ways: dict[str, tuple[int | None, Rule]] = {
        "signal-gate-0": (0, product("signal")),
        "signal-gate-1": (1, product("signal")),
        "half": (None, product("half")),
        "signal-gate-0-add": (0, product("signal", stabiliser=QUARTER)),
        "signal-gate-1-clip": (1, product("signal", stabiliser=CLIP)),
        "half-add": (None, product("half", stabiliser=QUARTER)),
    }
    for config, (note, *operands) in shapes.items():
        for way, (gate, rule) in ways.items():
            if config not in ("matrices", "heads") and way.endswith("clip"):
                continue
            name, layer = f"core/matmul/{way}/{config}", {"type": "MatMul", "gate": gate}
            inputs, R = without_zeros(name, layer, *operands)
            yield layer_case(name, layer, rule, inputs, R, note)
    layer = {"type": "MatMul", "gate": None}
    inputs, R = without_zeros("core/matmul/told", layer, (2, 2, 3), (2, 3, 2))
    note = "The rule says which operand is the gate, the layer does not."
    yield layer_case("core/matmul/signal/gate-of-the-rule", layer, product("signal", gate=1), inputs, R, note)
    a, b = array([[[1, 2], [1, -1]], [[0, 0], [2, 1]]]), array([[[2, 1], [-1, 1]], [[1, 3], [-2, 1]]])
    R = array([[[2, 3], [-1, 4]], [[1, -2], [3, 5]]])
    note = "Sums that cancel, and a row of zeros: what y = 0 gets is dropped without a stabiliser."
    for way, (gate, rule) in ways.items():
        if way.endswith("clip"):
            continue
        yield layer_case(f"core/matmul/{way}/zeros", {"type": "MatMul", "gate": gate}, rule, [a, b], R, note)


def softmax_cases() -> Iterator[Case]:
    """Yield softmaxes under the Taylor terms of AttnLRP and as the constant of CP-LRP; exp leaves the rationals."""
    configs: dict[str, tuple[int, tuple[int, ...], str]] = {
        "classes": (1, (2, 4), "Over the classes."),
        "weights": (3, (1, 2, 2, 3), "Weights of an attention: over the last axis, for two heads."),
    }
    for config, (axis, shape, note) in configs.items():
        for key, rule in (("taylor", TAYLOR), ("zero", ZERO)):
            name = f"core/softmax/{key}/{config}"
            draw, layer = Draw(name), {"type": "Softmax", "axis": axis}
            x = draw(*shape, low=-10, high=10, nonzero=True)
            yield layer_case(name, layer, rule, [x], draw(*shape, low=-7, nonzero=True), note)
    layer = {"type": "Softmax", "axis": 1}
    x, R = array([[0, 1, 0, 1], [20, 0, -20, "1/2"]]), array([[1, -2, 3, 4], [2, 1, -3, 5]])
    note = "Ties and zeros, and a sample whose largest score leaves the others next to nothing."
    yield layer_case("core/softmax/taylor/extremes", layer, TAYLOR, [x], R, note)


def spread_alike(draw: Draw, count: int, size: int, centre: bool) -> tuple[Array, Fraction]:
    """Return groups (count, size) of one mean square around their means (or 0), and epsilon that makes it a square."""
    numbers = list(draw(size, low=-8, high=8, nonzero=True))
    groups = []
    for _ in range(count):
        left = list(numbers)
        row = [left.pop(draw.integer(0, len(left) - 1)) for _ in range(size)]
        sign, shift = draw.integer(0, 1) * 2 - 1, Fraction(draw.integer(-4, 4), 4) if centre else Fraction(0)
        groups.append([sign * v + shift for v in row])
    mean = sum(numbers) / size if centre else Fraction(0)
    square = sum((v - mean) ** 2 for v in numbers) / size
    eighths = 1
    while Fraction(eighths, 8) ** 2 <= square:
        eighths += 1
    epsilon = Fraction(eighths, 8) ** 2 - square
    square_root(square + epsilon)
    return array(groups), epsilon


NORMS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {  # axes of a group last, then where they belong
    "layer-norm": ("LayerNorm over the features of each of three steps.", {"axes": [-1], "centre": True}, (2, 3, 4)),
    "rms-norm": ("RMSNorm: no mean is taken away, and relevance passes.", {"axes": [-1], "centre": False}, (2, 3, 4)),
    "two-axes": ("One mean and deviation over two axes.", {"axes": [1, 2], "centre": True}, (2, 2, 4)),
    "groups": ("GroupNorm: four channels in two groups.", {"axes": [1, 2], "centre": True, "groups": 2}, (2, 4, 2)),
}


def norm_cases() -> Iterator[Case]:
    """Yield norms of a sample whose deviation is a constant to their rules, and rational here."""
    keys = ("lrp0", "epsilon", "lrp0-add", "alpha2-beta1", "zplus", "generalized-gamma", "flat")
    for config, (note, how, shape) in NORMS.items():
        size = shape[-1] if how["axes"] == [-1] else int(np.prod(shape[1:])) // how.get("groups", 1)
        for key in keys if config in ("layer-norm", "rms-norm") else keys[:2]:
            name = f"core/norm/{key}/{config}"
            for attempt in range(400):
                draw = Draw(f"{name}/{attempt}")
                groups, epsilon = spread_alike(draw, int(np.prod(shape)) // size, size, how["centre"])
                x = groups.reshape(shape)
                layer: Layer = {"type": "Normalize", "groups": 1, **how, "epsilon": epsilon}
                if (value(layer, [x]) != 0).all():
                    break
            else:
                raise ArithmeticError(f"no draw for {name} without a zero")
            yield layer_case(name, layer, RULES[key], [x], draw(*shape, low=-7, nonzero=True), note)
    layer = {"type": "Normalize", "groups": 1, "axes": [-1], "centre": True, "epsilon": Fraction(4)}
    x, R = array([[1, 3, 5, 7], [4, 4, 4, 4]]), array([[0, 0, 0, 6], [1, 2, 3, 4]])
    note = "The second sample has no deviation: its output is 0, and its relevance dropped."
    yield layer_case("core/norm/lrp0/constant", layer, RULES["lrp0"], [x], R, note)
    yield layer_case("core/norm/epsilon/constant", layer, RULES["epsilon"], [x], R, note)


def response_cases() -> Iterator[Case]:
    """Yield local response normalisations with whole powers, so that their terms are rational."""
    base: Layer = {"type": "LocalResponseNorm", "size": 3, "alpha": Fraction(3, 2), "beta": Fraction(1)}
    base |= {"bias": Fraction(1), "window": "onnx"}
    configs: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
        "three": ("Windows of three channels.", {}, (2, 5)),
        "squared": ("The power is 2 and the constant 1/2.", {"beta": Fraction(2), "bias": Fraction(1, 2)}, (2, 4)),
        "even-onnx": ("Windows of four, one more channel behind than before.", {"size": 4}, (2, 6)),
        "even-torch": ("Windows of four, one more channel before.", {"size": 4, "window": "torch"}, (2, 6)),
        "image": ("Positions do not see each other.", {"alpha": Fraction(3, 4)}, (1, 3, 2, 2)),
    }
    for kind in ("taylor", "path", "toolbox"):
        rule = {"name": "ResponseNorm", "kind": kind}
        for config, (note, how, shape) in configs.items():
            name = f"core/response-norm/{kind}/{config}"
            draw, layer = Draw(name), {**base, **how}
            x = draw(*shape, nonzero=True)
            yield layer_case(name, layer, rule, [x], started(draw, layer, [x]), note)
        x, R = array([[0, 2, 0, 0, -1], [0, 0, 0, 0, 0]]), array([[3, 1, -2, 4, 2], [1, -1, 2, -2, 3]])
        note = "Channels of 0: what they get is dropped, and a neighbour of 0 takes nothing."
        yield layer_case(f"core/response-norm/{kind}/zeros", base, rule, [x], R, note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "core/matmul.json": matmul_cases,
    "core/softmax.json": softmax_cases,
    "core/norm.json": norm_cases,
    "core/response-norm.json": response_cases,
}
