"""The heavy primitives of a recording: convolutions, pools and guarded division, each as a few standard operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..fast import convolution as host
from . import functions, indexing, values
from .values import BOOL, FLOAT, INT, Value, free

if TYPE_CHECKING:
    from .recorded import Recorded, Recorder


class Kernels:
    """What the functions of ``fast/`` ask an array module for before they compute with its small functions.

    Each answers None where its operators do not serve; then the general way is recorded.
    """

    def __init__(self, xp: Recorder) -> None:
        self.xp = xp

    def convolve(self, x: Recorded, weight: Recorded, geometry: host.Geometry) -> Recorded | None:
        """Return z[n, o, p] = Σ x[n, c, p·stride + k·dilation − pad] w[o, c, k]."""
        out = geometry.output(x.shape[2:], weight.shape[2:])
        shape = (x.shape[0], weight.shape[0], *out)
        if 0 in shape:
            return self.xp.zeros(shape)
        return self._convolved(x.value, weight.value, geometry, shape)

    def _convolved(self, x: Value, weight: Value, geometry: host.Geometry, shape: tuple[int, ...]) -> Recorded:
        x, weight = x.whole(but_samples=True), weight.whole()
        if x.data is not None and weight.data is not None:
            made = host.convolve(np.ascontiguousarray(x.numbers), np.ascontiguousarray(weight.numbers), geometry, np)
            return self.xp.wrapped(Value.constant(x.graph, made, shape))
        name = x.graph.one("Conv", x.reference(), weight.reference(), **_attributes(geometry, geometry.pads))
        tensor = (x.tensor[0], *shape[1:])
        positive = x.nonnegative and weight.nonnegative
        return self.xp.wrapped(Value(x.graph, shape, FLOAT, name, None, tensor, x.batch or weight.batch, positive))

    def convolve_adjoint(
        self, g: Recorded, weight: Recorded, geometry: host.Geometry, spatial: Sequence[int]
    ) -> Recorded | None:
        """Return the transpose of a convolution, applied to g (N, O, *out)."""
        inner, groups = weight.shape[1], geometry.groups
        shape = (g.shape[0], inner * groups, *spatial)
        if 0 in g.shape or 0 in shape:
            return self.xp.zeros(shape)
        reach = [d * (k - 1) for d, k in zip(geometry.dilation, weight.shape[2:], strict=True)]
        turned = [
            (r - a, n - m + a) for r, (a, _), n, m in zip(reach, geometry.pads, spatial, g.shape[2:], strict=True)
        ]
        ahead = all(s == 1 for s in geometry.stride) and min(map(min, turned)) >= 0
        if ahead and weight.value.data is not None and self.xp.graph.flips:
            kernel = weight.value.whole()
            assert kernel.data is not None
            outs = weight.shape[0] // groups
            data = np.moveaxis(kernel.data.reshape(groups, outs, *kernel.shape[1:]), 1, 2)
            data = data[(..., *(slice(None, None, -1),) * len(spatial))].reshape(
                groups * inner, outs, *kernel.shape[2:]
            )
            flipped = self._kept(data, weight.value)
            around = host.Geometry(geometry.stride, tuple(turned), geometry.dilation, groups)
            return self._convolved(g.value, flipped, around, shape)
        return self._scattered(g.value, weight.value, geometry, shape)

    def _kept(self, data: np.ndarray, of: Value) -> Value:
        """Return a constant that is made of another only once."""
        key = ("flipped", id(of.data), data.shape)
        if key not in self._made:
            self._made[key] = (Value.constant(of.graph, np.ascontiguousarray(data)), of.data)
        return self._made[key][0]

    @property
    def _made(self) -> dict[Any, Any]:
        return self.__dict__.setdefault("_cache", {})

    def _scattered(self, g: Value, weight: Value, geometry: host.Geometry, shape: tuple[int, ...]) -> Recorded:
        """Return the transposed convolution, with zeros where no window reaches."""
        g, weight, spatial = g.whole(but_samples=True), weight.whole(), shape[2:]
        if g.data is not None and weight.data is not None:
            made = host.convolve_adjoint(
                np.ascontiguousarray(g.numbers), np.ascontiguousarray(weight.numbers), geometry, spatial, np
            )
            return self.xp.wrapped(Value.constant(g.graph, made, shape))
        sizes = zip(g.shape[2:], geometry.stride, geometry.dilation, weight.shape[2:], strict=True)
        whole = [(m - 1) * s + d * (k - 1) + 1 for m, s, d, k in sizes]
        # What lies behind the last window is cropped less, or is padding of the output, or zeros of its own.
        behind = [w - a - n for w, (a, _), n in zip(whole, geometry.pads, spatial, strict=True)]
        extra = [max(0, -b) for b in behind]
        added = [e if e < s else 0 for e, s in zip(extra, geometry.stride, strict=True)]
        beyond = [e - a for e, a in zip(extra, added, strict=True)]
        pads = tuple((a, max(0, b)) for (a, _), b in zip(geometry.pads, behind, strict=True))
        tensor = (g.tensor[0], shape[1], *(n - b for n, b in zip(spatial, beyond, strict=True)))
        how = _attributes(geometry, pads)
        if any(added):
            how["output_padding"] = added
        name = g.graph.one("ConvTranspose", g.reference(), weight.reference(), **how)
        positive = g.nonnegative and weight.nonnegative
        made_shape = (shape[0], *tensor[1:])
        value = Value(g.graph, made_shape, FLOAT, name, None, tensor, g.batch or weight.batch, positive)
        if any(beyond):
            blank = Value.constant(g.graph, 0.0, shape)
            value = indexing.put(blank, (..., *(slice(0, n) for n in made_shape[2:])), value)
        return self.xp.wrapped(value)

    def divide(self, numerator: Any, denominator: Recorded) -> tuple[Recorded, Recorded]:
        """Return numerator / denominator, 0 where the denominator is 0, and the mask of those."""
        graph, below = self.xp.graph, denominator.value
        dead = functions.FUNCTIONS["equal"](graph, below, 0.0)
        stable = functions.FUNCTIONS["where"](graph, dead, math.inf, below)  # of what is finite that makes 0
        quotient = functions.FUNCTIONS["divide"](graph, self.xp.opened(numerator), stable)
        return self.xp.wrapped(quotient), self.xp.wrapped(dead)

    # -- windows ------------------------------------------------------------------------------------------------

    def sum_windows(self, x: Recorded, windows: Any) -> Recorded | None:
        """Return the sums over windows."""
        value = x.value
        if value.data is not None or 0 in value.shape or not self._serves(windows):
            return None
        value, pads = self._inside(value, windows, 0.0)
        how: dict[str, Any] = {"kernel_shape": windows.kernel, "strides": windows.stride, "count_include_pad": 1}
        if any(d != 1 for d in windows.dilation):
            how["dilations"] = windows.dilation
        name = value.graph.one("AveragePool", value.name, pads=pads, **how)
        shape = (*x.shape[:2], *windows.out)
        mean = value.made(name, shape, (value.tensor[0], *shape[1:]), nonnegative=value.nonnegative)
        return self.xp.wrapped(mean) * float(math.prod(windows.kernel))

    def _serves(self, windows: Any) -> bool:
        return self.xp.graph.opset >= 19 or all(d == 1 for d in windows.dilation)

    def _inside(self, x: Value, windows: Any, number: float) -> tuple[Value, list[int]]:
        """Return the input with all that lies around it, and the pads that are left to the operator."""
        x = x.whole(but_samples=True)
        around = windows.around
        pads = [a for a, _ in around] + [b for _, b in around]
        if all(max(pair) < k for pair, k in zip(around, windows.kernel, strict=True)):
            return x, pads
        whole = [n + a + b for n, (a, b) in zip(x.shape[2:], around, strict=True)]
        inner = tuple(slice(a, n - b) for n, (a, b) in zip(whole, around, strict=True))
        blank = Value.constant(x.graph, number, (*x.shape[:2], *whole))
        return indexing.put(blank, (slice(None), slice(None), *inner), x), [0] * len(pads)

    def spread_windows(self, g: Recorded, windows: Any, spatial: Sequence[int]) -> Recorded | None:
        """Return the transpose of :meth:`sum_windows`, applied to g (N, C, *out)."""
        value = g.value
        if value.data is not None or 0 in value.shape:
            return None
        n, channels, *out = g.shape
        if windows.stride == windows.kernel and all(d == 1 for d in windows.dilation):
            apart = [s for m in out for s in (m, 1)]
            wide = [s for m, k in zip(out, windows.kernel, strict=True) for s in (m, k)]
            spread = values.reshape(value, (n, channels, *apart)).broadcast((n, channels, *wide))
            whole = [m * k for m, k in zip(out, windows.kernel, strict=True)]
            made = values.reshape(spread.whole(but_samples=True), (n, channels, *whole))
            return self.xp.wrapped(self._cropped(made, windows, spatial))
        flat = self.xp.wrapped(value).reshape(n * channels, 1, *out)
        ones = self.xp.ones((1, 1, *windows.kernel))
        geometry = host.Geometry(windows.stride, windows.pads, windows.dilation)
        return self._scattered(flat.value, ones.value, geometry, (n * channels, 1, *spatial)).reshape(
            n, channels, *spatial
        )

    def _cropped(self, padded: Value, windows: Any, spatial: Sequence[int]) -> Value:
        """Return what lies on the input, with zeros where no window reaches."""
        reached = [min(m - a, n) for m, (a, _), n in zip(padded.shape[2:], windows.pads, spatial, strict=True)]
        inner = tuple(slice(a, a + r) for (a, _), r in zip(windows.pads, reached, strict=True))
        cut = indexing.get(padded, (slice(None), slice(None), *inner))
        if tuple(reached) == tuple(spatial):
            return cut
        blank = Value.constant(padded.graph, 0.0, (*padded.shape[:2], *spatial))
        return indexing.put(blank, (slice(None), slice(None), *(slice(0, r) for r in reached)), cut)

    def greatest(self, x: Recorded, windows: Any) -> Recorded | None:
        """Return the maxima of windows."""
        made = self._winners(x, windows)
        return None if made is None else self.xp.wrapped(made[0])

    def _winners(self, x: Recorded, windows: Any) -> tuple[Value, Value, Value, list[int]] | None:
        """Return the maxima of windows, the flat places of the winners, and the input and pads that they count in."""
        value = x.value
        if value.data is not None or 0 in value.shape:
            return None
        if any(map(any, windows.pads)) and any(d != 1 for d in windows.dilation):
            return None  # windows that lie in the padding altogether
        inside, pads = self._inside(value, windows, -math.inf)
        name, places = inside.graph.call(
            "MaxPool", inside.name, outputs=2, kernel_shape=windows.kernel, strides=windows.stride,
            dilations=windows.dilation, pads=pads,
        )  # fmt: skip
        shape = (*x.shape[:2], *windows.out)
        tensor = (inside.tensor[0], *shape[1:])
        best = inside.made(name, shape, tensor, nonnegative=value.nonnegative)
        return best, inside.made(places, shape, tensor, dtype=INT), inside, pads

    def hand_back(self, x: Recorded, g: Recorded, windows: Any) -> Recorded | None:
        """Return g at the first winner of each window of x, added up where one wins several times."""
        found = self._winners(x, windows)
        if found is None:
            return None
        _, places, inside, pads = found
        n, channels = g.shape[:2]
        size, each = math.prod(inside.shape[1:]), math.prod(g.shape[1:])
        graph = inside.graph
        # The places count over all samples; those of one sample begin at 0, so that they serve for other targets too.
        within = values.elementwise("Mod", np.mod, places, Value.constant(graph, size), dtype=INT)
        value = values.reshape(g.value.whole(but_samples=False), (n, each))
        index = values.reshape(within, (n, each))
        if index.tensor != value.tensor or index.batch != value.batch:
            index = values._per_sample(index, value.batch) if free(n) else index.whole()
        blank = (
            values._per_sample(Value.constant(graph, 0.0, (n, size)), value.batch)
            if free(n)
            else (Value.constant(graph, np.zeros((n, size))))
        )
        name = graph.one(
            "ScatterElements", blank.reference(), index.reference(), value.reference(), axis=1, reduction="add"
        )
        made = Value(graph, (n, size), FLOAT, name, None, (n, size), value.batch, value.nonnegative)
        whole = self.xp.wrapped(values.reshape(made, (n, *inside.shape[1:])))
        if inside.shape == x.shape:
            return whole
        inner = tuple(slice(a, a + s) for (a, _), s in zip(windows.around, x.shape[2:], strict=True))
        return whole[(slice(None), slice(None), *inner)]


def _attributes(geometry: host.Geometry, pads: Any) -> dict[str, Any]:
    return {
        "strides": geometry.stride,
        "dilations": geometry.dilation,
        "group": geometry.groups,
        "pads": [a for a, _ in pads] + [b for _, b in pads],
    }
