"""Departures of the forward pass: which node, and which other layer gives the other program's values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ...errors import LrpError
from ...layers import (
    GELU,
    Add,
    AveragePool,
    Conv,
    ConvTranspose,
    Dense,
    Elementwise,
    Flatten,
    Identity,
    Layer,
    MaxPool,
    SumPool,
)
from ...layers.conv import pairs
from ...layers.pooling import Geometry
from ...network.network import Node, value_name
from .agreement import LEAST, Limits, gaps, off, scale
from .recorded import Recorded

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class OtherLayer:
    """A layer that may have been computed in place of another.

    Attributes:
        id: its name.
        layer: the layer.
        says: what it is, a part of a sentence.
    """

    id: str
    layer: Layer
    says: str


@dataclass(frozen=True, eq=False)
class ValueDeparture:
    """A node whose value is not what its layer makes of what it reads.

    Attributes:
        node: the node.
        limits: from where on numbers depart.
        plain, got: what the layer makes, and what was recorded.
        explained: other layers that make it, each at a node: the node itself, or one above it that is not shown.
        weak: whether too few numbers differ to name one of them.
    """

    node: str
    limits: Limits
    plain: Array
    got: Array
    explained: tuple[tuple[str, OtherLayer], ...]
    weak: bool

    @property
    def differing(self) -> int:
        """How many numbers clearly differ."""
        if self.plain.shape != self.got.shape:
            return int(self.got.size)
        return int((gaps(self.plain, self.got) > self.limits.agrees * scale(self.plain, self.got)).sum())


def run(recorded: Recorded) -> list[ValueDeparture]:
    """Fill in the values that are not shown, and return the nodes whose values depart, in the order of execution.

    Where another layer is found to make the other program's values, its relevance is judged by that layer.
    """
    found = []
    for node in recorded.network.nodes:
        try:
            made = recorded.forward(node, {})
        except LrpError as error:
            raise error.at(node.name) from error
        names = [node.name, *(value_name(node.name, k) for k in range(1, len(made)))]
        for name, plain in zip(names, made, strict=True):
            got = recorded.given.get(name)
            recorded.values[name] = plain if got is None or got.shape != plain.shape else got
            if got is None or off(plain, got) <= recorded.limits["value", name].departs:
                continue
            departure = _departure(recorded, node, names.index(name), plain, got)
            found.append(departure)
            if got.shape != plain.shape:
                recorded.given.pop(name)
            for other, way in departure.explained[:1]:
                recorded.layers[other] = way.layer
    return found


def _departure(recorded: Recorded, node: Node, place: int, plain: Array, got: Array) -> ValueDeparture:
    name = node.name if not place else value_name(node.name, place)
    limits = recorded.limits["value", name]
    explained = []
    for other in sorted(recorded.unseen(node.name), key=list(recorded.nodes).index, reverse=True):
        for way in other_layers(recorded, recorded.nodes[other]):
            try:
                predicted = recorded.forward(node, {other: way.layer})[place]
            except (LrpError, ArithmeticError, ValueError):
                continue
            if off(predicted, got) <= limits.agrees and off(predicted, plain) > limits.agrees:
                explained.append((other, way))
    departure = ValueDeparture(node.name, limits, plain, got, tuple(explained), False)
    if departure.differing < LEAST:
        return replace(departure, explained=(), weak=bool(explained))
    return departure


def other_layers(recorded: Recorded, node: Node) -> Iterator[OtherLayer]:
    """Yield layers that programs have computed in place of a node's by mistake, or by another convention."""
    layer, xs = node.layer, [recorded.values.get(name) for name in node.inputs]
    x = xs[0]
    if x is None or any(v is None for v in xs):
        return
    names = {f.name for f in fields(layer)}
    if getattr(layer, "bias", None) is not None:
        yield OtherLayer("bias-forgotten", replace(layer, bias=None), "the bias is missing")  # type: ignore[call-arg]
        double = replace(layer, bias=2 * layer.bias)  # type: ignore[attr-defined, call-arg]
        yield OtherLayer("bias-twice", double, "the bias is added twice")
    if isinstance(layer, Dense):
        yield from _dense(layer)
    if isinstance(layer, Conv | ConvTranspose):
        yield from _convolution(layer)
    if isinstance(layer, Conv | ConvTranspose | SumPool | MaxPool):
        yield from _shifted(layer, x.ndim - 2)
    if isinstance(layer, AveragePool):
        other = not layer.count_include_pad
        says = f"padding {'counts' if other else 'does not count'} in the mean"
        yield OtherLayer("count-include-pad", replace(layer, count_include_pad=other), says)
        yield OtherLayer("sum-for-mean", _sum(layer), "a sum over the window in place of the mean")
    elif isinstance(layer, SumPool):
        size = float(np.prod(Geometry.of(layer, x).kernel))
        root = f"the sum is scaled by 1/√{size:g}"
        yield OtherLayer("sumpool-scale", replace(layer, factor=layer.factor / size**0.5), root)
        yield OtherLayer("mean-for-sum", replace(layer, factor=layer.factor / size), "the mean in place of the sum")
    if isinstance(layer, MaxPool):
        mean = AveragePool(layer.kernel, layer.stride, layer.padding, layer.dilation, layer.ceil_mode)
        yield OtherLayer("mean-for-max", mean, "the mean over the window in place of the maximum")
    if isinstance(layer, GELU):
        other_form = "tanh" if layer.approximate == "none" else "none"
        says = f"the {'tanh approximation' if other_form == 'tanh' else 'exact form'} of GELU"
        yield OtherLayer("gelu-form", replace(layer, approximate=other_form), says)
    if isinstance(layer, Elementwise) and not isinstance(layer, Identity) and "scale" not in names:
        yield OtherLayer("activation-forgotten", Identity(), "the activation is missing")
    if isinstance(layer, Flatten) and x.ndim > 2:
        yield OtherLayer("channels-last", _ChannelsLast(), "flattened with the channels running fastest")
    if isinstance(layer, Add) and len(xs) > 1:
        yield from _sums(layer, len(xs))


def _dense(layer: Dense) -> Iterator[OtherLayer]:
    if layer.weight.shape[0] == layer.weight.shape[1]:
        yield OtherLayer("weight-transposed", replace(layer, weight=layer.weight.T), "the weight is transposed")


def _convolution(layer: Conv | ConvTranspose) -> Iterator[OtherLayer]:
    weight, axes = layer.weight, layer.weight.ndim - 2
    spatial = tuple(range(2, weight.ndim))
    if weight.shape[2:] != (1,) * axes:
        flipped = np.ascontiguousarray(np.flip(weight, axis=spatial))
        yield OtherLayer("kernel-flipped", replace(layer, weight=flipped), "the kernel is mirrored")
    if axes == 2 and weight.shape[2] == weight.shape[3]:
        turned = np.ascontiguousarray(np.swapaxes(weight, 2, 3))
        yield OtherLayer("kernel-transposed", replace(layer, weight=turned), "height and width of the kernel exchanged")
    if weight.shape[0] == weight.shape[1] > 1:
        turned = np.ascontiguousarray(np.swapaxes(weight, 0, 1))
        yield OtherLayer("channels-transposed", replace(layer, weight=turned), "channels in and out exchanged")
    if any(d > 1 for d in layer.dilation):
        grown = tuple((d - 1) * (k - 1) for d, k in zip(layer.dilation, weight.shape[2:], strict=True))
        kept = [replace(layer, dilation=1)]
        if isinstance(layer, Conv):  # a size that stays the same tells that the padding went with the dilation
            less = tuple((a - g // 2, b - (g - g // 2)) for (a, b), g in zip(layer.padding, grown, strict=True))
            kept += [replace(layer, dilation=1, padding=less)] if min(map(min, less)) >= 0 else []
        yield from (OtherLayer("dilation-forgotten", other, "dilation 1") for other in kept)
    if isinstance(layer, Conv) and any(s > 1 for s in layer.stride):
        yield OtherLayer("stride-forgotten", replace(layer, stride=1), "stride 1")


def _shifted(layer: Any, axes: int) -> Iterator[OtherLayer]:
    """Yield the layer with its windows one position off, at the same number of windows."""
    padding = pairs(layer.padding, axes, "padding")
    for step in (1, -1):
        for moved in ({*range(axes)}, *({k} for k in range(axes) if axes > 1)):
            changed = tuple((a + step, b - step) if k in moved else (a, b) for k, (a, b) in enumerate(padding))
            if min(map(min, changed)) >= 0:
                yield OtherLayer(
                    "padding-shifted", replace(layer, padding=changed), f"windows lie {step:+d} position off"
                )
    mirrored = tuple((b, a) for a, b in padding)
    if mirrored != padding:
        yield OtherLayer("padding-shifted", replace(layer, padding=mirrored), "padding before and after exchanged")


def _sum(layer: AveragePool) -> SumPool:
    return SumPool(layer.kernel, layer.stride, layer.padding, layer.dilation, layer.ceil_mode, layer.factor)


def _sums(layer: Add, count: int) -> Iterator[OtherLayer]:
    given = layer.coefficients or (1,) * count
    for k in range(count):
        less = tuple(0 if i == k else c for i, c in enumerate(given))
        yield OtherLayer("operand-forgotten", replace(layer, coefficients=less), f"operand {k} is missing from the sum")


class _ChannelsLast(Flatten):
    """Flatten in the order height, width, channels."""

    def forward(self, *xs: Array) -> Any:
        (x,) = xs
        return np.moveaxis(x, 1, -1).reshape(len(x), -1)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        (x,) = xs
        return (np.moveaxis(g.reshape(len(x), *x.shape[2:], x.shape[1]), -1, 1),)
