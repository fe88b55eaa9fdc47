"""What a change inside a window changes above it: in maps of convolutions and pools a box, and all else stays.

The variants of a sample in which one window differs share everything outside the window's reach. Layer by layer the box
that changes is computed for every variant, from a crop of the sample's own map with the box below put in; once it is no
longer small, the rest of the network takes whole maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..base.arrays import Array, Namespace, like, namespace
from ..layers import AveragePool, Conv, MaxPool, SumPool
from ..layers.base import Elementwise, Layer
from ..layers.conv import pairs, per_axis
from ..layers.pooling import Geometry
from .inside import Inside, values_of
from .scored import Block, Scored
from .windows import Windows

MOVED = 16  # numbers that a layer reads in the time in which one is put into a crop or a map
COLUMNS = 16  # output channels whose products with what a convolution reads take as long as reading it


@dataclass(frozen=True, eq=False)
class Local:
    """The layers above an input whose maps change in a box only, for the samples of a score.

    Attributes:
        windows: over the input's positions.
        stages: the layers, each of which reads the one before alone.
        maps: what each stage reads (N, C, *sizes), of the samples as they are; None where only its box is looked at.
        inside: the last stage's value, and the score above it.
    """

    windows: Windows
    stages: tuple[_Stage, ...]
    maps: tuple[Array | None, ...]
    inside: Inside

    @staticmethod
    def of(scored: Scored, name: str, windows: Windows) -> Local | None:
        """Return the layers above an input that are worth it; None where there are none.

        Args:
            scored: the samples.
            name: of an input with its channels in front.
            windows: over its positions; none of them goes on at the other end.
        """
        stages = _stages(scored, name, windows)
        if not stages:
            return None
        reads = (name, *(stage.name for stage in stages[:-1]))
        wanted = [name, *(read for read, stage in zip(reads, stages, strict=True) if stage.reach)]
        values = values_of(scored, tuple(dict.fromkeys(wanted)))
        maps = tuple(values.get(read) for read in reads)
        return Local(windows, stages, maps, Inside.of(scored, stages[-1].name))

    def values(self, fill: Array, block: Block) -> Array:
        """Return the score (n, s) of samples of which one window each is filled.

        Args:
            fill: what stands in a window (N, C, *sizes).
            block: all samples, and some of the windows.
        """
        xp, x = namespace(fill), self.maps[0]
        box, inside = _first(self.windows, block.steps, xp)
        part = xp.where(inside, _cropped(fill, box), _cropped(x, box))
        for stage, read in zip(self.stages, self.maps, strict=True):
            if stage.reach:
                out, crop = stage.boxes(box)
                part, box = _put(_cropped(read, crop, stage.beyond), crop, part, box), out
            part = stage.forward(part)
        value = self.inside.value
        begin = tuple(xp.zeros(block.shape[1], dtype=int) for _ in value.shape[2:])
        wide = xp.broadcast_to(value[:, None], (*block.shape, *value.shape[1:]))
        whole = _put(wide, _Box(begin, tuple(value.shape[2:])), part, box)
        return self.inside.above.values({self.inside.at: whole}, block)


@dataclass(frozen=True, eq=False)
class _Box:
    """A box of positions in each of s variants: where it begins along each axis (s,), and how wide it is."""

    begin: tuple[Array, ...]
    width: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Stage:
    """A layer whose output at a position depends on a window of its input; without ``reach`` on that position alone.

    Attributes:
        name: of its node.
        layer: as it is run on crops, which have their padding already.
        reach, stride, before: of its windows along each axis, and the padding in front.
        size: of its output along each axis.
        beyond: what the padding holds.
        each: how long a position of the output takes, in numbers that are read.
    """

    name: str
    layer: Layer
    each: float
    reach: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    beyond: float = 0

    def forward(self, part: Array) -> Array:
        """Return the output (n, s, C, *out) for crops (n, s, C, *read)."""
        out: Array = self.layer.forward(part.reshape(-1, *part.shape[2:]) if part.size else part[:, 0])
        return out.reshape(*part.shape[:2], *out.shape[1:])

    def width(self, read: Sequence[int]) -> tuple[int, ...]:
        """Return how many positions along each axis may depend on a box of the input."""
        each = zip(read, self.reach, self.stride, self.size, strict=True)
        return tuple(min(o, (m + r - 2) // s + 1) for m, r, s, o in each) if self.reach else tuple(read)

    def boxes(self, box: _Box) -> tuple[_Box, _Box]:
        """Return the box of the output that depends on one of the input, and the crop of the input that it reads."""
        begins, crops, widths = [], [], self.width(box.width)
        for b, w, r, s, p, o in zip(box.begin, widths, self.reach, self.stride, self.before, self.size, strict=True):
            xp = namespace(b)
            first = -((r - 1 - p - b) // s)  # the ceiling of the quotient with the opposite sign
            begin = xp.minimum(xp.maximum(first, 0), o - w)
            begins.append(begin)
            crops.append(begin * s - p)
        return _Box(tuple(begins), widths), _Box(tuple(crops), self.crop(box.width))

    def crop(self, read: Sequence[int]) -> tuple[int, ...]:
        """Return how wide the crop is that the box of the output reads."""
        return tuple((w - 1) * s + r for w, s, r in zip(self.width(read), self.stride, self.reach, strict=True))


def _stages(scored: Scored, name: str, windows: Windows) -> tuple[_Stage, ...]:
    """Return the layers above an input whose boxes take less time than their maps; none where there are no such."""
    net, shapes = scored.prepared.net, scored.prepared.shapes(scored.fed)
    found, width, last, best, worth, saved = list[_Stage](), windows.patch, name, 0.0, 0, 0.0
    while True:
        readers = net.consumers(last)
        if len(readers) != 1 or last in net.outputs or len(readers[0].inputs) != 1 or readers[0].name in net.outputs:
            break
        node, channels = readers[0], shapes[last][0]
        stage = _stage(node.name, node.layer, shapes[last], shapes.get(node.name, ()), scored.fed[name])
        if stage is None or (stage.reach and math.prod(stage.width(width)) == math.prod(stage.size)):
            break
        crop = math.prod(stage.crop(width)) if stage.reach else 0
        width = stage.width(width)
        made, *size = shapes[node.name]
        saved += stage.each * (math.prod(size) - math.prod(width)) - MOVED * channels * crop
        found.append(stage)
        last = node.name
        gain = saved - MOVED * made * math.prod(size)  # of the last stage whole maps are made
        best, worth = (gain, len(found)) if gain > best else (best, worth)
    return tuple(found[:worth])


def _stage(name: str, layer: Layer, read: tuple[int, ...], made: tuple[int, ...], x: Array) -> _Stage | None:
    """Return a layer as a stage; None where its boxes are not known."""
    if isinstance(layer, Elementwise) and not layer.arrays() and len(read) > 1:
        return _Stage(name, layer, read[0])
    axes = len(read) - 1
    if isinstance(layer, Conv) and (layer.bias is None or layer.bias.ndim == 1):
        dilation = per_axis(layer.dilation, axes, name)
        reach = tuple(d * (k - 1) + 1 for d, k in zip(dilation, layer.weight.shape[2:], strict=True))
        before = tuple(pad for pad, _ in pairs(layer.padding, axes, name))
        each = read[0] * math.prod(layer.weight.shape[2:]) * (1 + made[0] / layer.groups / COLUMNS)
        return _Stage(
            name, replace(layer, padding=0), each, reach, per_axis(layer.stride, axes, name), before, made[1:]
        )
    if isinstance(layer, MaxPool | SumPool | AveragePool):
        pool = Geometry.of(layer, namespace(x).zeros((0, *read), dtype=x.dtype))
        padded = any(p for pads in pool.pads for p in pads)
        if any(pool.overhang) or (padded and not (isinstance(layer, MaxPool) and x.dtype.kind == "f")):
            return None
        before = tuple(pad for pad, _ in pool.pads)
        beyond = -math.inf if padded else 0
        each = read[0] * math.prod(pool.kernel)
        return _Stage(name, replace(layer, padding=0), each, pool.reach, pool.stride, before, made[1:], beyond)
    return None


def _first(windows: Windows, steps: slice, xp: Namespace) -> tuple[_Box, Array]:
    """Return some windows as boxes of one width, and which positions of these are inside (s, 1, *width).

    Where the last window of an axis is cut, its box begins before it.
    """
    index, inner, begins = xp.arange(steps.start, steps.stop), len(windows), []
    inside = xp.ones((len(index),) + (1,) * len(windows.sizes), dtype=bool)
    axes = zip(windows.counts, windows.stride, windows.patch, windows.sizes, strict=True)
    for axis, (count, stride, patch, size) in enumerate(axes):
        inner //= count
        start = index // inner % count * stride
        begins.append(xp.minimum(start, size - patch))
        place = (begins[-1].reshape(-1, 1) + xp.arange(patch)) >= start.reshape(-1, 1)
        inside = xp.logical_and(inside, _along(place, axis, len(windows.sizes)))
    return _Box(tuple(begins), windows.patch), inside[:, None]


def _along(rows: Array, axis: int, axes: int) -> Array:
    """Return rows (s, width) so that they run along one of some axes (s, 1, width, 1)."""
    return rows.reshape(rows.shape[0], *(rows.shape[1] if k == axis else 1 for k in range(axes)))


def _taken(places: Sequence[Array], sizes: Sequence[int]) -> tuple[Array, Array]:
    """Return the flat index of the places (s, width) along each axis, and which are on the grid (s, *width)."""
    xp, axes = namespace(*places), len(places)
    index, there = xp.zeros((1,) * (axes + 1), dtype=int), xp.ones((1,) * (axes + 1), dtype=bool)
    for axis, (place, size) in enumerate(zip(places, sizes, strict=True)):
        on_it = xp.logical_and(place >= 0, place < size)
        there = xp.logical_and(there, _along(on_it, axis, axes))
        index = index * size + _along(xp.minimum(xp.maximum(place, 0), size - 1), axis, axes)
    return index, there


def _cropped(maps: Array, box: _Box, beyond: float = 0) -> Array:
    """Return maps (n, C, *sizes) in the box of each variant (n, s, C, *width), and ``beyond`` outside of them."""
    xp, (n, channels) = namespace(maps), maps.shape[:2]
    places = [b.reshape(-1, 1) + xp.arange(w) for b, w in zip(box.begin, box.width, strict=True)]
    index, there = _taken(places, maps.shape[2:])
    found = xp.take(maps.reshape(n, channels, math.prod(maps.shape[2:])), index.reshape(-1), axis=2)
    found = xp.moveaxis(found.reshape(n, channels, *index.shape), 2, 1)
    return xp.where(there[:, None], found, like(beyond, maps))


def _put(around_it: Array, frame: _Box, part: Array, box: _Box) -> Array:
    """Return arrays (n, s, C, *frame) in which the box of each variant is its part (n, s, C, *box)."""
    xp, (n, s, channels) = namespace(part), part.shape[:3]
    steps = zip(frame.begin, frame.width, box.begin, strict=True)
    places = [(f - b).reshape(-1, 1) + xp.arange(w) for f, w, b in steps]
    index, there = _taken(places, box.width)
    size = math.prod(box.width)
    index = index + (xp.arange(s) * size).reshape(s, *(1,) * len(places))
    flat = xp.moveaxis(part, 2, 1).reshape(n, channels, s * size)
    found = xp.moveaxis(xp.take(flat, index.reshape(-1), axis=2).reshape(n, channels, *index.shape), 2, 1)
    return xp.where(there[:, None], found, around_it)
