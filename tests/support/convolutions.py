"""Convolution and its transpose by their definition, index by index, and the geometries they are compared on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lrp_ref.fast import convolution as kernels

Pads = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Geometry:
    """One convolution: what its arrays and its windows look like."""

    name: str
    image: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int = 1
    inner: int = 2  # input channels of a group
    outs: int = 2  # output channels of a group
    samples: int = 3

    @property
    def lies(self) -> kernels.Geometry:
        return kernels.Geometry(self.stride, self.pads, self.dilation, self.groups)

    @property
    def out(self) -> tuple[int, ...]:
        """Output positions per axis, counted: every start whose window stays inside the padded input."""
        spans = zip(self.image, self.kernel, self.stride, self.pads, self.dilation, strict=True)
        return tuple(len(range(0, n + a + b - d * (k - 1), s)) for n, k, s, (a, b), d in spans)

    def draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return x, w, b and g of small whole numbers, on which floats compute exactly."""
        rng = np.random.default_rng(len(self.name))
        channels, outs = self.groups * self.inner, self.groups * self.outs
        shapes = ((self.samples, channels, *self.image), (outs, self.inner, *self.kernel), (outs,),
                  (self.samples, outs, *self.out))  # fmt: skip
        x, w, b, g = (rng.integers(-4, 5, shape).astype(float) for shape in shapes)
        return x, w, b, g

    def terms(self) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
        """Yield the indices (o, p), (c, q) and (o, c in its group, k) of every product of the sum."""
        for o in range(self.groups * self.outs):
            for p in itertools.product(*map(range, self.out)):
                for c in range(self.inner):
                    for k in itertools.product(*map(range, self.kernel)):
                        at = zip(p, self.stride, k, self.dilation, self.pads, strict=True)
                        q = tuple(i * s + j * d - a for i, s, j, d, (a, _) in at)
                        if all(0 <= i < n for i, n in zip(q, self.image, strict=True)):
                            yield (o, *p), (o // self.outs * self.inner + c, *q), (o, c, *k)

    def convolved(self, x: Any, w: Any, b: Any) -> Any:
        """z[n, o, p] = Σ x[n, c, p·stride + k·dilation − pad] w[o, c, k] + b[o]."""
        z = np.zeros((len(x), self.groups * self.outs, *self.out))
        for o, c, k in self.terms():
            z[(slice(None), *o)] += x[(slice(None), *c)] * w[k]
        return z + b.reshape((-1,) + (1,) * len(self.image))

    def transposed(self, g: Any, w: Any) -> Any:
        """y[n, c, q] = Σ g[n, o, p] w[o, c, k] over all o, p, k with q = p·stride + k·dilation − pad."""
        y = np.zeros((len(g), self.groups * self.inner, *self.image))
        for o, c, k in self.terms():
            y[(slice(None), *c)] += g[(slice(None), *o)] * w[k]
        return y


def _one(
    name: str, image: Any, kernel: Any, stride: Any = 1, pads: Any = 0, dilation: Any = 1, **rest: int
) -> Geometry:
    axes = len(image)
    per_axis = [(v,) * axes if isinstance(v, int) else v for v in (stride, pads, dilation)]
    around = tuple((v, v) if isinstance(v, int) else v for v in per_axis[1])
    return Geometry(name, image, kernel, per_axis[0], around, per_axis[2], **rest)


GEOMETRIES = [
    _one("line", (9,), (3,), pads=((2, 1),)),
    _one("line, stride and dilation", (13,), (3,), 2, ((0, 3),), 3, groups=2),
    _one("picture", (7, 6), (2, 3), pads=((0, 1), (2, 0))),
    _one("picture, other strides", (9, 5), (3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2)),
    _one("picture, other strides turned", (5, 9), (2, 3), (1, 3), ((0, 1), (1, 2)), (2, 1), outs=3),
    _one("picture, tall kernel", (8, 3), (4, 1), pads=((1, 0), (0, 0)), dilation=(2, 1)),
    _one("picture, flat kernel", (5, 8), (1, 4), stride=(3, 2), dilation=(3, 2)),
    _one("groups", (5, 4), (2, 2), 1, ((1, 0), (0, 1)), groups=3, inner=3),
    _one("groups, strided", (7, 4), (2, 2), 2, ((1, 0), (0, 1)), groups=2, inner=3),
    _one("more outputs", (5, 4), (2, 2), groups=2, outs=4),
    _one("one output", (5, 4), (2, 2), inner=3, outs=1),
    _one("pointwise", (5, 4), (1, 1), groups=2, outs=3),
    _one("pointwise, strided", (7, 4), (1, 1), (3, 1), pads=1),
    _one("pointwise, strided, nothing around", (7, 4), (1, 1), (3, 2), inner=3),
    _one("strips in the padding", (8, 2), (2, 1), (3, 1), ((6, 3), (0, 0))),
    _one("windows in the padding", (3, 3), (1, 2), pads=((2, 3), (3, 1))),
    _one("depthwise", (6, 5), (3, 2), (1, 2), ((1, 0), (0, 2)), (2, 1), groups=4, inner=1, outs=1),
    _one("depthwise, two outputs each", (6, 5), (2, 2), (2, 1), groups=3, inner=1, outs=2, samples=4),
    _one("one channel", (6, 5), (2, 2), inner=1, outs=3),
    _one("volume", (4, 3, 5), (2, 1, 2), (1, 2, 1), ((1, 0), (0, 1), (0, 0)), (1, 1, 2)),
]  # fmt: skip
