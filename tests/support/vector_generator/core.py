"""The group core: what every implementation of a rule must compute, whatever its conventions."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from . import formulas
from .cases import Case, layer_case
from .explain import value
from .formulas import Rule
from .layers import Layer, matrix_of
from .values import Array, Draw, array, zeros

SMALL = Fraction(1, 2**10)
RULES: dict[str, Rule] = {
    "lrp0": {"name": "LRP0"},
    "lrp0-add": {"name": "LRP0", "stabiliser": {"kind": "add", "epsilon": SMALL}},
    "lrp0-clip": {"name": "LRP0", "stabiliser": {"kind": "clip", "epsilon": Fraction(1, 2)}},
    "epsilon": {"name": "Epsilon", "epsilon": Fraction(1, 4)},
    "epsilon-small": {"name": "Epsilon", "epsilon": SMALL},
    "gamma": {"name": "Gamma", "gamma": Fraction(1, 4)},
    "generalized-gamma": {"name": "GeneralizedGamma", "gamma": Fraction(1, 2)},
    "alpha1-beta0": {"name": "AlphaBeta", "alpha": Fraction(1), "beta": Fraction(0)},
    "alpha2-beta1": {"name": "AlphaBeta", "alpha": Fraction(2), "beta": Fraction(1)},
    "alpha2-beta1-add": {
        "name": "AlphaBeta",
        "alpha": Fraction(2),
        "beta": Fraction(1),
        "stabiliser": {"kind": "add", "epsilon": Fraction(1, 4)},
    },
    "zplus": {"name": "ZPlus"},
    "zplus-add": {"name": "ZPlus", "stabiliser": {"kind": "add", "epsilon": Fraction(1, 4)}},
    "wsquare": {"name": "WSquare"},
    "flat": {"name": "Flat"},
    "zbox": {"name": "ZBox", "low": Fraction(-2), "high": Fraction(2)},
}
FEW = (
    "lrp0",
    "epsilon",
    "gamma",
    "generalized-gamma",
    "alpha1-beta0",
    "alpha2-beta1",
    "zplus",
    "wsquare",
    "flat",
    "zbox",
)


def plain(rule: Rule, layer: Layer, inputs: list[Array]) -> bool:
    """Return whether no convention is touched: no z = 0 under a rule that needs its sign, γ where its forms agree."""
    for n in range(len(inputs[0])):
        matrix = matrix_of(layer, [x.shape[1:] for x in inputs])
        a = np.concatenate([x[n].reshape(-1) for x in inputs])
        z, shape = matrix.forward(a), inputs[0].shape[1:]
        told = formulas.messages(rule, matrix, a, zeros(z.shape) + 1, shape)
        name = rule["name"]
        if name in ("LRP0", "Epsilon", "GeneralizedGamma") and (z == 0).any():
            return False
        if name == "Gamma" and ((a < 0).any() or (z <= 0).any()):
            return False
        if name in ("Gamma", "GeneralizedGamma", "WSquare", "Flat", "ZBox") and (told.dropped != 0).any():
            return False
    return True


def drawn(name: str, rule: Rule, make: Callable[[Draw], tuple[Layer, list[Array]]]) -> tuple[Layer, list[Array], Array]:
    """Return layer, inputs and relevance drawn under the case's name, again until the draw touches no convention."""
    for attempt in range(400):
        draw = Draw(f"{name}/{attempt}")
        layer, inputs = make(draw)
        if rule["name"] == "Gamma":
            inputs = [abs(x) for x in inputs]
            if layer.get("bias") is not None:
                layer["bias"] = abs(layer["bias"]) + Fraction(attempt // 20, 2)
        if rule["name"] == "ZBox":
            inputs = [np.clip(x, rule["low"], rule["high"]) for x in inputs]
        if plain(rule, layer, inputs):
            R = draw(*value(layer, inputs).shape, low=-7, high=8, nonzero=True)
            return layer, inputs, R
    raise ArithmeticError(f"no draw for {name} is free of conventions")


def dense(
    draw: Draw, n: int = 2, inputs: int = 4, outputs: int = 3, bias: bool = True, **how: Any
) -> tuple[Layer, list[Array]]:
    """Return a dense layer with mixed signs and its input."""
    b = draw(outputs, nonzero=True) if bias else None
    return {"type": "Dense", "weight": draw(inputs, outputs, nonzero=True), "bias": b}, [
        draw(n, inputs, nonzero=True, **how)
    ]


def dense_cases() -> Iterator[Case]:
    """Yield dense layers under every rule and sign pattern."""
    patterns: dict[str, tuple[str, Callable[[Draw], tuple[Layer, list[Array]]]]] = {
        "mixed-signs": ("Inputs, weights and biases of both signs.", dense),
        "positive-inputs": ("Inputs as after a ReLU: positive or zero.", lambda d: _relu_inputs(dense(d))),
        "no-bias": (
            "No bias at all (null), so that nothing but the stabiliser may be lost.",
            lambda d: dense(d, bias=False),
        ),
        "square": (
            "As many outputs as inputs: a forgotten transpose has a shape that fits.",
            lambda d: dense(d, 3, 3, 3),
        ),
        "negative-inputs": ("All inputs are negative.", lambda d: _negative_inputs(dense(d))),
        "zero-inputs": (
            "Some inputs are exactly zero and must get nothing where the rule multiplies by the input.",
            lambda d: _zeroed(dense(d)),
        ),
    }
    for pattern, (note, make) in patterns.items():
        for key in RULES if pattern == "mixed-signs" else FEW:
            if key == "gamma" and pattern in ("negative-inputs", "mixed-signs"):
                continue
            name = f"core/dense/{key}/{pattern}"
            layer, inputs, R = drawn(name, RULES[key], make)
            yield layer_case(name, layer, RULES[key], inputs, R, note)


def _relu_inputs(made: tuple[Layer, list[Array]]) -> tuple[Layer, list[Array]]:
    layer, (x,) = made
    return layer, [np.maximum(x, 0)]


def _negative_inputs(made: tuple[Layer, list[Array]]) -> tuple[Layer, list[Array]]:
    layer, (x,) = made
    return layer, [-abs(x)]


def _zeroed(made: tuple[Layer, list[Array]]) -> tuple[Layer, list[Array]]:
    layer, (x,) = made
    x[:, 1] = Fraction(0)
    x[1:, 2] = Fraction(0)
    return layer, [x]


def conv(
    shape: tuple[int, ...], weight: tuple[int, ...], bias: bool = True, n: int = 2, **how: Any
) -> Callable[[Draw], tuple[Layer, list[Array]]]:
    """Return a maker of convolutions: shape is (channels, *space), weight (out, in/groups, *kernel)."""
    axes = len(shape) - 1
    full = {"stride": [1] * axes, "padding": [[0, 0]] * axes, "dilation": [1] * axes, "groups": 1, **how}

    def make(draw: Draw) -> tuple[Layer, list[Array]]:
        b = draw(weight[0], nonzero=True) if bias else None
        return {"type": "Conv", "weight": draw(*weight, nonzero=True), "bias": b, **full}, [
            draw(n, *shape, nonzero=True)
        ]

    return make


CONVS: dict[str, tuple[str, Callable[[Draw], tuple[Layer, list[Array]]]]] = {
    "1d": ("One axis, two channels in and out.", conv((2, 5), (2, 2, 3))),
    "1d-no-bias": ("No bias (null).", conv((2, 4), (2, 2, 2), bias=False)),
    "1d-stride": ("Stride 2.", conv((2, 6), (2, 2, 3), stride=[2])),
    "1d-padding": ("Padding on both sides: padding taps do not exist.", conv((2, 4), (2, 2, 3), padding=[[1, 1]])),
    "1d-uneven-padding": ("Two positions of padding before and none after.", conv((1, 4), (2, 1, 3), padding=[[2, 0]])),
    "1d-dilation": ("Dilation 2.", conv((2, 5), (2, 2, 2), dilation=[2])),
    "1d-groups": ("Two groups: each output channel sees its own input channels.", conv((4, 3), (4, 2, 2), groups=2)),
    "1d-depthwise": ("Depth-wise: as many groups as channels, two outputs each.", conv((2, 4), (4, 1, 2), groups=2)),
    "2d": ("Two axes, a kernel that is not square.", conv((2, 3, 4), (2, 2, 2, 3), n=1)),
    "2d-all": (
        "Stride, padding and dilation differ by axis.",
        conv((1, 4, 5), (2, 1, 2, 2), stride=[2, 1], padding=[[1, 0], [0, 1]], dilation=[1, 2], n=1),
    ),
    "3d": ("Three axes.", conv((1, 2, 3, 2), (2, 1, 2, 2, 2), n=1)),
}


def conv_cases() -> Iterator[Case]:
    """Yield convolutions of every geometry under every rule."""
    for config, (note, make) in CONVS.items():
        for key in FEW:
            name = f"core/conv/{key}/{config}"
            layer, inputs, R = drawn(name, RULES[key], make)
            yield layer_case(name, layer, RULES[key], inputs, R, note)


def one_unit(name: str, a: Any, w: Any, b: Any, rule: Rule, R: Any, note: str, choice: Any = None) -> Case:
    """Return a case of one output unit, from numbers or strings such as "1/2"."""
    layer = {"type": "Dense", "weight": array([[v] for v in w]), "bias": array([b])}
    return layer_case(name, layer, rule, [array([a])], array([[R]]), note, choice)


def small_cases() -> Iterator[Case]:
    """Yield the cases that can be checked by hand, known to part implementations."""
    ab = {(1, 0): RULES["alpha1-beta0"], (2, 1): RULES["alpha2-beta1"]}
    third, quarter = {"name": "Gamma", "gamma": Fraction(1, 4)}, Fraction(-1, 4)
    note = "A unit with a negative pre-activation and a negative bias: the positive part has no bias."
    yield one_unit("core/small/AB-1/alpha1-beta0", [1, 1], [1, -1], -1, ab[1, 0], -1, note)
    yield one_unit("core/small/AB-1/alpha2-beta1", [1, 1], [1, -1], -1, ab[2, 1], -1, note)
    note = "A negative input meets a positive weight: only the other contribution and the bias are positive."
    yield one_unit("core/small/AB-2", [1, -2], [1, 1], Fraction(1, 2), ab[1, 0], Fraction(-1, 2), note)
    for k, (a, part) in enumerate({(0, 1): "negative", (1, 0): "positive", (2, 4): "no"}.items()):
        note = f"The unit has {part + ' part without contributor' if part != 'no' else 'both parts'}: see dropped."
        yield one_unit(f"core/small/AB-3/{'abc'[k]}", list(a), [-1, 1], 0, ab[2, 1], 1, note)
    note = "z⁺ has no bias in its denominator, αβ(1,0) has b⁺."
    yield one_unit("core/small/AB-4/zplus", [1, 2], [1, quarter], Fraction(1, 2), RULES["zplus"], 1, note)
    yield one_unit("core/small/AB-4/alpha1-beta0", [1, 2], [1, quarter], Fraction(1, 2), ab[1, 0], 1, note)
    note = "The bias is a weight of the γ-rule: b + γb⁺."
    yield one_unit("core/small/G-1", [1, 2], [1, quarter], Fraction(1, 2), third, 1, note)
    note = "The bias has no part in the w²-rule."
    yield one_unit("core/small/W-1", [1, 2], [1, 2], 1, RULES["wsquare"], 1, note)
    note = "z = ε and z = −ε: the stabiliser takes half."
    for sign, word in ((1, "plus"), (-1, "minus")):
        yield one_unit(f"core/small/E-1/{word}-epsilon", [Fraction(1, 4)], [sign], 0, RULES["epsilon"], 1, note)
    note = "Two contributions cancel to 2^-10: the condition number is two thousand."
    yield one_unit("core/small/E-2", [1, 1], [1, -1 + SMALL], 0, RULES["lrp0"], 1, note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "core/small.json": small_cases,
    "core/dense.json": dense_cases,
    "core/conv.json": conv_cases,
}
