"""Core cases of layers with windows: transposed convolutions and pools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from .cases import Case, layer_case
from .core import FEW, RULES, drawn
from .explain import value
from .formulas import Rule
from .layers import Layer
from .values import Array, Draw, array

Made = tuple[Layer, list[Array]]
Make = Callable[[Draw], Made]
OWN: Rule = {"name": "own"}


def under(topic: str, config: str, note: str, keys: tuple[str, ...], make: Make) -> Iterator[Case]:
    """Yield one layer under several rules."""
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
    "1d-stride": (
        "Stride 2 with a kernel of 3: some outputs see one input, some two.",
        transpose((2, 3), (2, 1, 3), stride=[2]),
    ),
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
        yield from under("conv-transpose", config, note, FEW, make)


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
                    row[k] += Fraction(1, 8)
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
        every = config in ("average-1d", "sum-1d")
        yield from under("pool", config, note, FEW if every else keys, make)
    yield from under("pool", "global-average", "The mean over all of space.", FEW, global_pool)
    layer: Layer = {
        "type": "SumPool",
        "kernel": [2, 2],
        "stride": [2, 2],
        "padding": [[0, 0], [0, 0]],
        "ceil_mode": False,
    }
    note = "One window with a negative value, with R = 2: the negative part is multiplied by R once."
    x, rule = array([[[[1, 2], [-1, 3]]]]), RULES["alpha2-beta1"]
    yield layer_case("core/pool/alpha2-beta1/sum-negative", layer, rule, [x], array([[[[2]]]]), note)


MAXIMA: dict[str, tuple[str, Make]] = {
    "1d": ("The winner takes all; inputs of both signs.", pool("MaxPool", (2, 4), [2], dilation=[1])),
    "overlap": (
        "A pixel wins several windows and gets the sum.",
        pool("MaxPool", (2, 5), [3], stride=[1], dilation=[1]),
    ),
    "padding": (
        "Positive inputs, padding on both sides.",
        pool("MaxPool", (1, 4), [3], stride=[2], padding=[[1, 1]], dilation=[1], positive=True),
    ),
    "stride-over-kernel": (
        "Pixels that no window sees get nothing.",
        pool("MaxPool", (1, 6), [2], stride=[4], dilation=[1]),
    ),
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


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "core/conv-transpose.json": transpose_cases,
    "core/pool.json": pool_cases,
    "core/max-pool.json": max_pool_cases,
}
