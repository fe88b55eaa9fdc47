"""The heavy primitives of a recording: convolutions, pools and guarded division, each as a few standard operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..fast import convolution as host
from . import functions, indexing, values
from .values import FLOAT, INT, Value, free


class Kernels:
    """What the functions of ``fast/`` ask an array module for before they compute with its small functions.

    Each answers None where its operators do not serve; then the general way is recorded.

    Args:
        xp: the array module, a ``Recorder``.
    """

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        # Turned weights by the memory and shape of those that they were made of, which are held, so that both stay.
        self._flipped: dict[tuple[int, tuple[int, ...]], tuple[np.ndarray, Value]] = {}

    # Convolutions ----------------------------------------------------------------------------------------------------

    def convolve(self, x: Array, weight: Array, geometry: host.Geometry) -> Array | None:
        """Return z[n, o, p] = Σ x[n, c, p·stride + k·dilation − pad] w[o, c, k]."""
        shape = (x.shape[0], weight.shape[0], *geometry.output(x.shape[2:], weight.shape[2:]))
        if 0 in shape:
            return self.xp.zeros(shape)
        return self.xp.wrapped(_convolved(x.value, weight.value.whole(), geometry, shape))

    def convolve_adjoint(
        self, g: Array, weight: Array, geometry: host.Geometry, spatial: Sequence[int]
    ) -> Array | None:
        """Return the transpose of a convolution, applied to g (N, O, *out)."""
        shape = (g.shape[0], weight.shape[1] * geometry.groups, *spatial)
        if 0 in g.shape or 0 in shape:
            return self.xp.zeros(shape)
        bank = weight.value.whole()
        reach = [d * (k - 1) for d, k in zip(geometry.dilation, weight.shape[2:], strict=True)]
        rows = zip(reach, geometry.pads, spatial, g.shape[2:], strict=True)
        around = tuple((r - a, n - m + a) for r, (a, _), n, m in rows)
        slides = all(s == 1 for s in geometry.stride) and min(map(min, around)) >= 0
        if self.xp.graph.flips and slides and bank.data is not None:
            turned = self._turned(weight.value, geometry.groups)
            return self.xp.wrapped(_convolved(g.value, turned, replace(geometry, pads=around), shape))
        return self.xp.wrapped(_scattered(g.value, bank, geometry, shape))

    def _turned(self, weight: Value, groups: int) -> Value:
        """Return constant weights (O, C/groups, *kernel) as those (C, O/groups, *kernel) of the flipped kernel."""
        outs, inner, *kernel = weight.shape
        key = (id(weight.data), (groups, *weight.shape))
        if key not in self._flipped:
            data = weight.whole().data
            assert data is not None
            assert weight.data is not None
            turned = np.moveaxis(data.reshape(groups, outs // groups, inner, *kernel), 1, 2)
            turned = np.flip(turned, tuple(range(3, turned.ndim)))
            turned = np.ascontiguousarray(turned).reshape(groups * inner, outs // groups, *kernel)
            self._flipped[key] = (weight.data, Value.constant(weight.graph, turned).whole())
        return self._flipped[key][1]

    # Division --------------------------------------------------------------------------------------------------------

    def divide(self, numerator: Any, denominator: Array) -> tuple[Array, Array]:
        """Return numerator / denominator, 0 where the denominator is 0, and the mask of those."""
        graph, below = self.xp.graph, denominator.value
        dead = functions.FUNCTIONS["equal"](graph, below, 0.0)
        stable = functions.FUNCTIONS["where"](graph, dead, math.inf, below)  # of what is finite that makes 0
        quotient = functions.FUNCTIONS["divide"](graph, self.xp.opened(numerator), stable)
        return self.xp.wrapped(quotient), self.xp.wrapped(dead)

    # Windows ---------------------------------------------------------------------------------------------------------

    def sum_windows(self, x: Array, windows: Any) -> Array | None:
        """Return the sums over windows."""
        gaps = any(d != 1 for d in windows.dilation)
        if _left_out(x.value, windows) or (gaps and x.value.graph.opset < 19):
            return None
        value, pads = _surrounded(x.value, windows, 0.0)
        how = {"kernel_shape": windows.kernel, "strides": windows.stride, "pads": pads, "count_include_pad": 1}
        if gaps:
            how["dilations"] = windows.dilation
        name = value.graph.one("AveragePool", value.name, **how)
        shape = (*x.shape[:2], *windows.out)
        mean = value.made(name, shape, (value.tensor[0], *shape[1:]), nonnegative=value.nonnegative)
        return self.xp.wrapped(mean) * float(math.prod(windows.kernel))

    def spread_windows(self, g: Array, windows: Any, spatial: Sequence[int]) -> Array | None:
        """Return the transpose of :meth:`sum_windows`, applied to g (N, C, *out)."""
        if g.value.data is not None or 0 in g.shape:
            return None
        n, channels, *out = g.shape
        if windows.stride == windows.kernel and all(d == 1 for d in windows.dilation):
            return self.xp.wrapped(_cropped(_repeated(g.value, windows.kernel), windows, spatial))
        # Sums that overlap are a convolution of every channel with a kernel of ones.
        flat = values.reshape(g.value, (n * channels, 1, *out))
        ones = Value.constant(g.value.graph, 1.0, (1, 1, *windows.kernel)).whole()
        geometry = host.Geometry(windows.stride, windows.pads, windows.dilation)
        made = _scattered(flat, ones, geometry, (n * channels, 1, *spatial))
        return self.xp.wrapped(values.reshape(made, (n, channels, *spatial)))

    def greatest(self, x: Array, windows: Any) -> Array | None:
        """Return the maxima of windows."""
        found = _winners(x.value, windows)
        return None if found is None else self.xp.wrapped(found[0])

    def hand_back(self, x: Array, g: Array, windows: Any) -> Array | None:
        """Return g at the first winner of each window of x, added up where one wins several times."""
        found = _winners(x.value, windows)
        if found is None:
            return None
        _, places, room = found
        n, graph = g.shape[0], self.xp.graph
        size, each = math.prod(room[1:]), math.prod(g.shape[1:])
        # The places count over all samples; those of one sample begin at 0, so that they serve for other targets too.
        within = values.elementwise("Mod", np.mod, places, Value.constant(graph, size), dtype=INT)
        given = values.reshape(g.value.whole(), (n, each))

        def alike(x: Value) -> Value:
            return values.per_sample(x, given.batch) if free(n) else x.whole()

        at, blank = alike(values.reshape(within, (n, each))), alike(Value.constant(graph, 0.0, (n, size)))
        name = graph.one(
            "ScatterElements", blank.reference(), at.reference(), given.reference(), axis=1, reduction="add"
        )
        made = given.made(name, (n, size), nonnegative=given.nonnegative)
        inner = (slice(a, a + s) for a, s in zip(_before(room, x, windows), x.shape[2:], strict=True))
        whole = values.reshape(made, (n, *room[1:]))
        return self.xp.wrapped(indexing.get(whole, (slice(None), slice(None), *inner)))


def _left_out(x: Value, windows: Any) -> bool:
    """Return whether a pool is not the operators' matter: of constants, of nothing, or along more than three axes."""
    return x.data is not None or 0 in x.shape or len(windows.kernel) > 3


def _before(room: Sequence[int], x: Array, windows: Any) -> list[int]:
    """Return how much lies before the input in the room that places count in: nothing where that is the input."""
    return [0] * len(windows.around) if tuple(room) == x.shape else [a for a, _ in windows.around]


def _convolved(x: Value, weight: Value, geometry: host.Geometry, shape: tuple[int, ...]) -> Value:
    """Return a convolution of a known shape."""
    x = x.whole(but_samples=True)
    if x.data is not None and weight.data is not None:
        made = host.convolve(np.ascontiguousarray(x.numbers), np.ascontiguousarray(weight.numbers), geometry, np)
        return Value.constant(x.graph, made, shape)
    name = x.graph.one("Conv", x.reference(), weight.reference(), **_attributes(geometry, geometry.pads))
    positive = x.nonnegative and weight.nonnegative
    return Value(x.graph, shape, FLOAT, name, None, (x.tensor[0], *shape[1:]), x.batch or weight.batch, positive)


def _scattered(g: Value, weight: Value, geometry: host.Geometry, shape: tuple[int, ...]) -> Value:
    """Return the transposed convolution of a known shape, with zeros where no window reaches."""
    g, spatial = g.whole(but_samples=True), shape[2:]
    if g.data is not None and weight.data is not None:
        arrays = np.ascontiguousarray(g.numbers), np.ascontiguousarray(weight.numbers)
        return Value.constant(g.graph, host.convolve_adjoint(*arrays, geometry, spatial, np), shape)
    sizes = zip(g.shape[2:], geometry.stride, geometry.dilation, weight.shape[2:], strict=True)
    whole = [(m - 1) * s + d * (k - 1) + 1 for m, s, d, k in sizes]
    # What windows reach behind the input is cropped. What they do not reach of it is padding of the output, which has
    # to be smaller than a stride; where it is not, they are zeros of their own.
    behind = [w - a - n for w, (a, _), n in zip(whole, geometry.pads, spatial, strict=True)]
    missed = [max(0, -b) for b in behind]
    added = [m if m < s else 0 for m, s in zip(missed, geometry.stride, strict=True)]
    reached = [n - m + a for n, m, a in zip(spatial, missed, added, strict=True)]
    how = _attributes(geometry, [(a, max(0, b)) for (a, _), b in zip(geometry.pads, behind, strict=True)])
    if any(added):
        how["output_padding"] = added
    name = g.graph.one("ConvTranspose", g.reference(), weight.reference(), **how)
    positive = g.nonnegative and weight.nonnegative
    channels, batch = shape[1], g.batch or weight.batch
    made = Value(g.graph, (*shape[:2], *reached), FLOAT, name, None, (g.tensor[0], channels, *reached), batch, positive)
    return made if made.shape == shape else _laid(made, shape)


def _laid(x: Value, shape: tuple[int, ...]) -> Value:
    """Return a value of a larger shape with zeros behind it."""
    return indexing.put(Value.constant(x.graph, 0.0, shape), (..., *(slice(0, n) for n in x.shape[2:])), x)


def _surrounded(x: Value, windows: Any, number: float) -> tuple[Value, list[int]]:
    """Return the input with what lies around it, and the pads, in which the operator counts as number by itself.

    It takes pads smaller than a kernel only; where they are larger, the input has them all.
    """
    x, around = x.whole(but_samples=True), windows.around
    pads = [a for a, _ in around] + [b for _, b in around]
    if all(max(pair) < k for pair, k in zip(around, windows.kernel, strict=True)):
        return x, pads
    whole = [n + a + b for n, (a, b) in zip(x.shape[2:], around, strict=True)]
    inner = (slice(a, n - b) for n, (a, b) in zip(whole, around, strict=True))
    blank = Value.constant(x.graph, number, (*x.shape[:2], *whole))
    return indexing.put(blank, (slice(None), slice(None), *inner), x), [0] * len(pads)


def _winners(x: Value, windows: Any) -> tuple[Value, Value, tuple[int, ...]] | None:
    """Return the maxima of windows, the flat places of the winners, and the shape that these count in."""
    if _left_out(x, windows):
        return None
    if any(map(any, windows.pads)) and any(d != 1 for d in windows.dilation):
        return None  # a window may lie in the padding altogether
    inside, pads = _surrounded(x, windows, -math.inf)
    best, places = inside.graph.call(
        "MaxPool", inside.name, outputs=2, kernel_shape=windows.kernel, strides=windows.stride,
        dilations=windows.dilation, pads=pads,
    )  # fmt: skip
    shape = (*x.shape[:2], *windows.out)
    tensor = (inside.tensor[0], *shape[1:])
    largest = inside.made(best, shape, tensor, nonnegative=x.nonnegative)
    return largest, inside.made(places, shape, tensor, dtype=INT), inside.shape


def _repeated(g: Value, kernel: Sequence[int]) -> Value:
    """Return every number of g (N, C, *out) as often as a kernel has positions, side by side.

    Runtimes repeat along two axes many times faster when they are told to enlarge a picture.
    """
    n, channels, *out = g.shape
    if len(out) == 2 and g.data is None and g.dtype == FLOAT and g.graph.dtype == np.float32 and 0 not in g.shape:
        small, large = g.whole(but_samples=True), tuple(m * k for m, k in zip(out, kernel, strict=True))
        scales = g.graph.constant(np.array([1.0, 1.0, *kernel]))
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        name = g.graph.one("Resize", small.name, "", scales, **how)
        return small.made(name, (n, channels, *large), (*small.tensor[:2], *large), nonnegative=g.nonnegative)
    apart = [size for m in out for size in (m, 1)]
    wide = [size for m, k in zip(out, kernel, strict=True) for size in (m, k)]
    spread = values.reshape(g, (n, channels, *apart)).broadcast((n, channels, *wide)).whole(but_samples=True)
    return values.reshape(spread, (n, channels, *(m * k for m, k in zip(out, kernel, strict=True))))


def _cropped(padded: Value, windows: Any, spatial: Sequence[int]) -> Value:
    """Return what lies on the input, with zeros where no window reaches."""
    sizes = zip(padded.shape[2:], windows.pads, spatial, strict=True)
    inner = [slice(a, a + min(m - a, n)) for m, (a, _), n in sizes]
    cut = indexing.get(padded, (slice(None), slice(None), *inner))
    shape = (*padded.shape[:2], *spatial)
    return cut if cut.shape == shape else _laid(cut, shape)


def _attributes(geometry: host.Geometry, pads: Any) -> dict[str, Any]:
    return {
        "strides": geometry.stride,
        "dilations": geometry.dilation,
        "group": geometry.groups,
        "pads": [a for a, _ in pads] + [b for _, b in pads],
    }
