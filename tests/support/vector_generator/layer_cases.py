"""Core cases of the other layers: affine maps, merges, routes; batches, units that cancel, bounds per channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from .cases import Case, layer_case
from .core import FEW, RULES
from .explain import value
from .formulas import Rule
from .layers import Layer
from .values import Draw, array
from .window_cases import OWN, Made, Make, under


def affine(parameter: tuple[int, ...], shape: tuple[int, ...], shift: bool = True) -> Make:
    """Return a maker of affine maps."""

    def make(draw: Draw) -> Made:
        t = draw(*parameter, nonzero=True) if shift else None
        return {"type": "Affine", "scale": draw(*parameter, nonzero=True), "shift": t}, [draw(2, *shape, nonzero=True)]

    return make


def affine_cases() -> Iterator[Case]:
    """Yield affine maps: a constant factor and term per channel or per element."""
    keys = ("lrp0", "epsilon")
    units = "One factor and term per unit: the shift is a bias."
    yield from under("affine", "units", units, tuple(k for k in FEW if k != "gamma"), affine((3,), (3,)))
    yield from under("affine", "channels", "Per channel of an image.", keys, affine((2,), (2, 2, 2)))
    yield from under("affine", "elements", "Per element of a signal.", keys, affine((2, 3), (2, 3)))
    yield from under(
        "affine",
        "no-shift",
        "A factor alone: all relevance goes to the input.",
        keys,
        affine((3,), (3,), shift=False),
    )
    layer = {"type": "Affine", "scale": array([2, "1/2"]), "shift": array([1, 3])}
    note = "Positive factor, shift and input: the bias takes its part under the γ-rule too."
    x, R = array([["3/2", 4]]), array([[-3, 2]])
    yield layer_case("core/affine/gamma/positive", layer, RULES["gamma"], [x], R, note)
    yield layer_case("core/affine/pass/units", layer, {"name": "Pass"}, [x], R, "Relevance passes: R_i = R_j.")


def add(operands: int, *shape: int) -> Make:
    """Return a maker of sums."""

    def make(draw: Draw) -> Made:
        return {"type": "Add"}, [draw(2, *shape, nonzero=True) for _ in range(operands)]

    return make


def add_cases() -> Iterator[Case]:
    """Yield sums of several signals."""
    keys = ("lrp0", "epsilon")
    note = "Two operands of both signs, as in a residual connection."
    yield from under("add", "two", note, (*FEW[:-1], "epsilon-small"), add(2, 3))
    yield from under("add", "three", "Three operands.", keys, add(3, 2))
    yield from under("add", "image", "Two images.", keys, add(2, 2, 2, 2))


def product_cases() -> Iterator[Case]:
    """Yield products of two signals under the four rules."""
    for gate in (0, 1, None):
        for kind in ("signal", "prop", "abs", "half"):
            if gate is None and kind == "signal":
                continue
            name = f"core/multiply/{kind}/gate-{'none' if gate is None else gate}"
            draw = Draw(name)
            x, y = draw(2, 3, nonzero=True), draw(2, 3, nonzero=True, parts=8)
            y = np.where(x + y == 0, y + Fraction(1, 8), y)
            if gate == 1:
                x, y = y, x
            note = (
                "Product of a gate and a signal; which is which is declared."
                if gate is not None
                else "No gate declared."
            )
            rule = {"name": "Product", "product": kind}
            yield layer_case(name, {"type": "Multiply", "gate": gate}, rule, [x, y], draw(2, 3, nonzero=True), note)


ROUTES: dict[str, tuple[str, Layer, list[tuple[int, ...]]]] = {
    "concat": ("Each operand gets the part that it gave.", {"type": "Concat", "axis": 1}, [(2, 2), (1, 2)]),
    "concat-axis2": ("Along the last axis.", {"type": "Concat", "axis": 2}, [(2, 2), (2, 2)]),
    "concat-three": ("Three operands.", {"type": "Concat", "axis": 1}, [(1,), (3,), (2,)]),
    "flatten": ("C order: the last axis runs fastest.", {"type": "Flatten"}, [(2, 2, 3)]),
    "transpose": ("Axes are permuted back.", {"type": "Transpose", "axes": [0, 3, 1, 2]}, [(2, 3, 2)]),
    "slice": (
        "Every second number from the first on; what is cut off gets nothing.",
        {"type": "Slice", "axes": [2], "starts": [0], "stops": [5], "steps": [2]},
        [(2, 6)],
    ),
    "pad": (
        "Relevance of constant padding has no source and is dropped.",
        {"type": "Pad", "amounts": [[0, 0], [1, 2]], "mode": "constant", "value": Fraction(1, 2)},
        [(2, 3)],
    ),
    "pad-edge": (
        "Padding copies the border, which gets the relevance of its copies.",
        {"type": "Pad", "amounts": [[0, 0], [2, 1]], "mode": "edge"},
        [(1, 3)],
    ),
    "pad-reflect": (
        "Mirrored padding without the border itself.",
        {"type": "Pad", "amounts": [[0, 0], [2, 1]], "mode": "reflect"},
        [(2, 4)],
    ),
    "upsample": ("Every value is repeated, and gets the sum.", {"type": "Upsample", "factors": [2, 3]}, [(1, 2, 2)]),
}  # fmt: skip


def route_cases() -> Iterator[Case]:
    """Yield layers that only move numbers; one input is 0, which must not matter."""
    for config, (note, layer, shapes) in ROUTES.items():
        name = f"core/route/{config}"
        draw = Draw(name)
        inputs = [draw(2, *shape, nonzero=True) for shape in shapes]
        inputs[0].reshape(-1)[0] = Fraction(0)
        R = draw(*value(layer, inputs).shape, low=-7, nonzero=True)
        yield layer_case(name, layer, OWN, inputs, R, note)
    draw = Draw("core/route/relu")
    x = draw(2, 4)
    x[0, 0] = Fraction(-1)
    note = "An activation passes relevance unchanged, also where it is not active."
    yield layer_case("core/route/relu", {"type": "ReLU"}, {"name": "Pass"}, [x], draw(2, 4, nonzero=True), note)


def batch_cases() -> Iterator[Case]:
    """Yield a batch of eight: every sample is explained on its own."""
    for key in ("epsilon", "alpha2-beta1", "zplus"):

        def make(draw: Draw) -> Made:
            layer = {"type": "Dense", "weight": draw(3, 2, nonzero=True), "bias": draw(2, nonzero=True)}
            return layer, [draw(8, 3, nonzero=True)]

        yield from under("batch", "BATCH-1", "Eight samples: each has the relevance it has alone.", (key,), make)


def degenerate_cases() -> Iterator[Case]:
    """Yield units without any contribution, units that nearly cancel, and relevance of 0."""
    dead: Layer = {"type": "Dense", "weight": array([[1, 0, -2], [2, 0, 1], [-1, 0, 1]]), "bias": array([1, 0, 0])}
    x, R = array([[1, 2, "1/2"], [-1, 3, 2]]), array([[2, 3, -1], [1, -2, 4]])
    note = "The second unit has no connection other than 0: its relevance is dropped (0/0 = 0)."
    for key in ("lrp0", "alpha2-beta1", "alpha1-beta0", "zplus", "wsquare"):
        yield layer_case(f"core/degenerate/{key}/dead-unit", dead, RULES[key], [x], R, note)
    note = "The first sample is 0 everywhere and there is no bias: all of its relevance is dropped."
    layer: Layer = {"type": "Dense", "weight": array([[1, 3], [2, -1], [-1, 2]]), "bias": None}
    x, R = array([[0, 0, 0], [1, 2, -1]]), array([[2, 3], [1, -2]])
    for key in ("lrp0", "alpha2-beta1", "alpha1-beta0", "zplus", "flat", "wsquare"):
        yield layer_case(f"core/degenerate/{key}/zero-input", layer, RULES[key], [x], R, note)
    note = "Contributions cancel to 1/64 of their size: rounding grows by that factor, and so does the tolerance."
    layer = {"type": "Dense", "weight": array([[4, 1], [-4, 2], ["1/16", -3]]), "bias": array([0, "1/32"])}
    x, R = array([[1, 1, 1], [2, 2, 2]]), array([[1, 2], [-1, 3]])
    for key in ("lrp0", "epsilon", "epsilon-small", "alpha2-beta1", "generalized-gamma"):
        yield layer_case(f"core/degenerate/{key}/cancelling", layer, RULES[key], [x], R, note)
    note = "Relevance is 0 for one sample and one unit of the other."
    R = array([[0, 0], [0, 3]])
    for key in ("epsilon", "alpha2-beta1", "flat"):
        yield layer_case(f"core/degenerate/{key}/zero-relevance", layer, RULES[key], [x], R, note)
    note = "A unit with a negative part alone and one with a positive part alone."
    layer = {"type": "Dense", "weight": array([[1, -1], [2, -2]]), "bias": array([1, -1])}
    x, R = array([[1, 2], [3, 1]]), array([[2, 3], [-1, 4]])
    for key in ("alpha2-beta1", "alpha1-beta0", "zplus", "zbox"):
        yield layer_case(f"core/degenerate/{key}/one-sided", layer, {**RULES[key], **_bounds(key)}, [x], R, note)


def _bounds(key: str) -> Rule:
    return {"low": Fraction(0), "high": Fraction(4)} if key == "zbox" else {}


def box_cases() -> Iterator[Case]:
    """Yield z^B with bounds per channel, as after normalising an image."""
    low, high = array(["-2", "-3/2"]), array(["2", "5/2"])
    for bias in (True, False):
        name = f"core/zbox/channels/{'bias' if bias else 'no-bias'}"
        draw = Draw(name)
        layer: Layer = {"type": "Conv", "weight": draw(2, 2, 2, 2, nonzero=True), "bias": draw(2) if bias else None}
        layer |= {"stride": [1, 1], "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1}
        x = np.clip(draw(1, 2, 3, 3), low.reshape(1, 2, 1, 1), high.reshape(1, 2, 1, 1))
        note = "Bounds per channel; the bias has no part."
        yield layer_case(
            name, layer, {"name": "ZBox", "low": low, "high": high}, [x], draw(1, 2, 2, 2, nonzero=True), note
        )
    name = "core/zbox/padding"
    draw = Draw(name)
    layer = {"type": "Conv", "weight": draw(2, 1, 3, nonzero=True), "bias": draw(2), "stride": [1], "padding": [[1, 1]]}
    layer |= {"dilation": [1], "groups": 1}
    rule = {"name": "ZBox", "low": Fraction(-1), "high": Fraction(2)}
    note = "Padding has no bounds: l and h of padded positions do not exist."
    yield layer_case(name, layer, rule, [np.clip(draw(2, 1, 4), -1, 2)], draw(2, 2, 4, nonzero=True), note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "core/affine.json": affine_cases,
    "core/add.json": add_cases,
    "core/multiply.json": product_cases,
    "core/route.json": route_cases,
    "core/batch.json": batch_cases,
    "core/degenerate.json": degenerate_cases,
    "core/zbox.json": box_cases,
}
