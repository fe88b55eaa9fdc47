"""Core cases of the other layers: transposed convolutions, pools, affine maps, merges, routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction as F
from typing import Any

import numpy as np

from .cases import Case, layer_case
from .core import FEW, RULES, drawn
from .explain import value
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array

Made = tuple[Layer, list[Array]]
Make = Callable[[Draw], Made]
OWN: Rule = {"name": "own"}


def _under(topic: str, config: str, note: str, keys: tuple[str, ...], make: Make) -> Iterator[Case]:
    for key in keys:
        name = f"core/{topic}/{key}/{config}"
        layer, inputs, R = drawn(name, RULES[key], make)
        yield layer_case(name, layer, RULES[key], inputs, R, note)


def transpose(shape: tuple[int, ...], weight: tuple[int, ...], bias: bool = True, n: int = 2, **how: Any) -> Make:
    """Return a maker of transposed convolutions: weight (in, out/groups, *kernel)."""
    axes, zero = len(shape) - 1, [[0, 0]]
    full = {"stride": [1] * axes, "padding": zero * axes, "output_padding": [0] * axes, "dilation": [1] * axes}
    full |= {"groups": 1, **how}

    def make(draw: Draw) -> Made:
        b = draw(weight[1] * full["groups"], nonzero=True) if bias else None  # type: ignore[operator]
        layer = {"type": "ConvTranspose", "weight": draw(*weight, nonzero=True), "bias": b, **full}
        return layer, [draw(n, *shape, nonzero=True)]

    return make


TRANSPOSES: dict[str, tuple[str, Make]] = {
    "1d": ("One axis.", transpose((2, 3), (2, 2, 2))),
    "1d-stride": ("Stride 2 with a kernel of 3: some outputs see one input, some two.", transpose((2, 3), (2, 1, 3), stride=[2])),
    "1d-cropped": (
        "Cropped on both sides, extended by one at the end.",
        transpose((1, 4), (1, 2, 3), bias=False, stride=[2], padding=[[1, 1]], output_padding=[1]),
    ),
    "1d-groups-dilation": ("Two groups, dilation 2.", transpose((4, 2), (4, 1, 2), groups=2, dilation=[2])),
    "2d": ("Two axes, strides differ.", transpose((1, 2, 2), (1, 2, 2, 3), stride=[2, 1], n=1)),
}


def transpose_cases() -> Iterator[Case]:
    """Yield transposed convolutions."""
    for config, (note, make) in TRANSPOSES.items():
        yield from _under("conv-transpose", config, note, FEW, make)


def pool(kind: str, shape: tuple[int, ...], kernel: list[int], n: int = 2, positive: bool = False, **how: Any) -> Make:
    """Return a maker of pools over inputs without ties."""
    axes = len(kernel)
    full = {"kernel": kernel, "stride": kernel, "padding": [[0, 0]] * axes, "ceil_mode": False, **how}

    def make(draw: Draw) -> Made:
        x = draw(n, *shape, nonzero=True)
        flat = x.reshape(n * shape[0], -1)
        for row in flat:  # no two equal numbers in a channel
            seen: set[Any] = set()
            for k in range(len(row)):
                while row[k] in seen:
                    row[k] += F(1, 8)
                seen.add(row[k])
        return {"type": kind, **full}, [abs(x) if positive else x]

    return make


AVERAGES: dict[str, tuple[str, Make]] = {
    "average-1d": ("Means of two.", pool("AveragePool", (2, 4), [2])),
    "average-overlap": ("Windows that overlap.", pool("AveragePool", (1, 5), [3], stride=[1])),
    "average-padding-counts": (
        "Padding counts in the divisor; it is no input.",
        pool("AveragePool", (1, 4), [3], stride=[2], padding=[[1, 1]], count_include_pad=True),
    ),
    "average-padding-ignored": (
        "Padding does not count in the divisor.",
        pool("AveragePool", (1, 4), [3], stride=[2], padding=[[1, 1]], count_include_pad=False),
    ),
    "average-ceil": ("A last window that hangs over the end.", pool("AveragePool", (1, 5), [2], ceil_mode=True)),
    "average-2d": ("Two axes.", pool("AveragePool", (1, 4, 4), [2, 2], n=1)),
    "sum-1d": ("Sums of two.", pool("SumPool", (2, 4), [2])),
    "sum-2d": ("Two axes, windows of four.", pool("SumPool", (1, 4, 4), [2, 2], n=1)),
    "sum-overlap": ("Sums that overlap.", pool("SumPool", (1, 5), [3], stride=[1])),
}


def global_pool(draw: Draw) -> Made:
    """Return the mean over all space."""
    return {"type": "GlobalAveragePool"}, [draw(2, 2, 2, 2, nonzero=True)]


def pool_cases() -> Iterator[Case]:
    """Yield average and sum pools."""
    keys = ("lrp0", "epsilon", "zplus", "alpha2-beta1", "flat")
    for config, (note, make) in AVERAGES.items():
        yield from _under("pool", config, note, keys, make)
    yield from _under("pool", "global-average", "The mean over all of space.", keys, global_pool)
    layer: Layer = {"type": "SumPool", "kernel": [2, 2], "stride": [2, 2], "padding": [[0, 0], [0, 0]], "ceil_mode": False}
    note = "One window with a negative value, with R = 2: the negative part is multiplied by R once."
    x, rule = array([[[[1, 2], [-1, 3]]]]), RULES["alpha2-beta1"]
    yield layer_case("core/pool/alpha2-beta1/sum-negative", layer, rule, [x], array([[[[2]]]]), note)


MAXIMA: dict[str, tuple[str, Make]] = {
    "1d": ("The winner takes all; inputs of both signs.", pool("MaxPool", (2, 4), [2], dilation=[1])),
    "overlap": ("A pixel wins several windows and gets the sum.", pool("MaxPool", (2, 5), [3], stride=[1], dilation=[1])),
    "padding": ("Positive inputs, padding on both sides.", pool("MaxPool", (1, 4), [3], stride=[2], padding=[[1, 1]], dilation=[1], positive=True)),
    "stride-over-kernel": ("Pixels that no window sees get nothing.", pool("MaxPool", (1, 6), [2], stride=[4], dilation=[1])),
    "dilation": ("Dilation 2.", pool("MaxPool", (1, 5), [2], stride=[1], dilation=[2])),
    "ceil": ("A last window that hangs over the end.", pool("MaxPool", (1, 5), [2], ceil_mode=True, dilation=[1])),
    "2d": ("Two axes, overlapping.", pool("MaxPool", (1, 3, 4), [2, 2], stride=[1, 2], dilation=[1, 1])),
    "3d": ("Three axes.", pool("MaxPool", (1, 2, 2, 4), [2, 2, 2], n=1, dilation=[1, 1, 1])),
}


def max_pool_cases() -> Iterator[Case]:
    """Yield max pools without ties."""
    for config, (note, make) in MAXIMA.items():
        name = f"core/max-pool/{config}"
        draw = Draw(name)
        layer, inputs = make(draw)
        R = draw(*value(layer, inputs).shape, low=-7, nonzero=True)
        yield layer_case(name, layer, OWN, inputs, R, note)
    layer = {"type": "MaxPool", "kernel": [2], "stride": [2], "padding": [[0, 0]], "dilation": [1], "ceil_mode": False}
    note = "The maximum is exactly 0: the winner gets all the same."
    yield layer_case("core/max-pool/zero", layer, OWN, [array([[[0, -1, -2, 0]]])], array([[[3, -2]]]), note)


def affine(parameter: tuple[int, ...], shape: tuple[int, ...], shift: bool = True) -> Make:
    """Return a maker of affine maps."""

    def make(draw: Draw) -> Made:
        t = draw(*parameter, nonzero=True) if shift else None
        return {"type": "Affine", "scale": draw(*parameter, nonzero=True), "shift": t}, [draw(2, *shape, nonzero=True)]

    return make


def affine_cases() -> Iterator[Case]:
    """Yield affine maps: a constant factor and term per channel or per element."""
    keys = ("lrp0", "epsilon", "gamma", "alpha1-beta0", "alpha2-beta1", "zplus", "flat")
    units = "One factor and term per unit: the shift is a bias."
    yield from _under("affine", "units", units, tuple(k for k in keys if k != "gamma"), affine((3,), (3,)))
    yield from _under("affine", "channels", "Per channel of an image.", keys[:2], affine((2,), (2, 2, 2)))
    yield from _under("affine", "elements", "Per element of a signal.", keys[:2], affine((2, 3), (2, 3)))
    yield from _under("affine", "no-shift", "A factor alone: all relevance goes to the input.", ("lrp0", "epsilon"), affine((3,), (3,), shift=False))
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
    keys = ("lrp0", "epsilon", "epsilon-small", "alpha2-beta1", "zplus", "flat")
    yield from _under("add", "two", "Two operands of both signs, as in a residual connection.", keys, add(2, 3))
    yield from _under("add", "three", "Three operands.", keys[:2], add(3, 2))
    yield from _under("add", "image", "Two images.", keys[:2], add(2, 2, 2, 2))


def product_cases() -> Iterator[Case]:
    """Yield products of two signals under the four rules."""
    for gate in (0, 1, None):
        for kind in ("signal", "prop", "abs", "half"):
            if gate is None and kind == "signal":
                continue
            name = f"core/multiply/{kind}/gate-{'none' if gate is None else gate}"
            draw = Draw(name)
            x, y = draw(2, 3, nonzero=True), draw(2, 3, nonzero=True, parts=8)
            y = np.where(x + y == 0, y + F(1, 8), y)
            if gate == 1:
                x, y = y, x
            note = "Product of a gate and a signal; which is which is declared." if gate is not None else "No gate declared."
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
        {"type": "Pad", "amounts": [[0, 0], [1, 2]], "mode": "constant", "value": F(1, 2)},
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
        inputs[0].reshape(-1)[0] = F(0)
        R = draw(*value(layer, inputs).shape, low=-7, nonzero=True)
        yield layer_case(name, layer, OWN, inputs, R, note)
    draw = Draw("core/route/relu")
    x = draw(2, 4)
    x[0, 0] = F(-1)
    note = "An activation passes relevance unchanged, also where it is not active."
    yield layer_case("core/route/relu", {"type": "ReLU"}, {"name": "Pass"}, [x], draw(2, 4, nonzero=True), note)


def batch_cases() -> Iterator[Case]:
    """Yield a batch of eight: every sample is explained on its own."""
    for key in ("epsilon", "alpha2-beta1", "zplus"):

        def make(draw: Draw) -> Made:
            layer = {"type": "Dense", "weight": draw(3, 2, nonzero=True), "bias": draw(2, nonzero=True)}
            return layer, [draw(8, 3, nonzero=True)]

        yield from _under("batch", "BATCH-1", "Eight samples: each has the relevance it has alone.", (key,), make)


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
    return {"low": F(0), "high": F(4)} if key == "zbox" else {}


def box_cases() -> Iterator[Case]:
    """Yield z^B with bounds per channel, as after normalising an image."""
    low, high = array(["-2", "-3/2"]), array(["2", "5/2"])
    for bias in (True, False):
        name = f"core/zbox/channels/{'bias' if bias else 'no-bias'}"
        draw = Draw(name)
        layer = {"type": "Conv", "weight": draw(2, 2, 2, 2, nonzero=True), "bias": draw(2) if bias else None}
        layer |= {"stride": [1, 1], "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1}
        x = np.clip(draw(1, 2, 3, 3), low.reshape(1, 2, 1, 1), high.reshape(1, 2, 1, 1))
        note = "Bounds per channel; the bias has no part."
        yield layer_case(name, layer, {"name": "ZBox", "low": low, "high": high}, [x], draw(1, 2, 2, 2, nonzero=True), note)
    name = "core/zbox/padding"
    draw = Draw(name)
    layer = {"type": "Conv", "weight": draw(2, 1, 3, nonzero=True), "bias": draw(2), "stride": [1], "padding": [[1, 1]]}
    layer |= {"dilation": [1], "groups": 1}
    rule = {"name": "ZBox", "low": F(-1), "high": F(2)}
    note = "Padding has no bounds: l and h of padded positions do not exist."
    yield layer_case(name, layer, rule, [np.clip(draw(2, 1, 4), -1, 2)], draw(2, 2, 4, nonzero=True), note)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "core/conv-transpose.json": transpose_cases,
    "core/pool.json": pool_cases,
    "core/max-pool.json": max_pool_cases,
    "core/affine.json": affine_cases,
    "core/add.json": add_cases,
    "core/multiply.json": product_cases,
    "core/route.json": route_cases,
    "core/batch.json": batch_cases,
    "core/degenerate.json": degenerate_cases,
    "core/zbox.json": box_cases,
}
