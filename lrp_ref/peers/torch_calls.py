"""Layers that torch has as functions and not as modules: sums, products, and values that change places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from ..layers import Add, Affine, Concat, Constant, Flatten, Layer
from ..layers.route import Gather, Pad, Slice, Split, Unsqueeze, Upsample
from .task import NoRule, PeerError


def call(function: Callable[..., Any], name: str, *arrays: Any) -> Any:
    """Return a module that calls a function of its operands and of arrays that it keeps."""
    return _calls()(function, name, arrays)


@cache
def _calls() -> Any:
    from torch import nn

    class Call(nn.Module):
        def __init__(self, function: Callable[..., Any], name: str, arrays: Sequence[Any]) -> None:
            super().__init__()
            self.function, self.name = function, name
            for k, array in enumerate(arrays):
                self.register_buffer(f"array{k}", tensor(array))

        def forward(self, *xs: Any) -> Any:
            return self.function(*xs, *self.buffers())

        def extra_repr(self) -> str:
            return self.name

    return Call


def opaque(layer: Layer) -> Callable[..., Any]:
    """Return what computes a layer by this package, as one step of torch's graph that hands nothing down."""
    return partial(_opaque().apply, layer)


@cache
def _opaque() -> Any:
    import torch

    class Opaque(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, layer: Layer, *xs: Any) -> Any:
            ctx.read = [(x.shape, x.dtype) for x in xs]
            made = layer.forward(*(x.detach().numpy() for x in xs))
            return tuple(map(tensor, made)) if isinstance(made, tuple) else tensor(made)

        @staticmethod
        def backward(ctx: Any, *arrived: Any) -> Any:
            return None, *(
                torch.zeros(shape, dtype=kind) if kind.is_floating_point else None for shape, kind in ctx.read
            )

    return Opaque


def tensor(array: Any) -> Any:
    """Return a copy of a NumPy array as a tensor: of the same dtype, and nobody else's memory.

    Raises:
        PeerError: exact numbers.
    """
    import torch

    if array.dtype == object:
        raise PeerError("torch has no exact numbers: ask with lrp.arithmetic.to_float(network)")
    return torch.from_numpy(np.ascontiguousarray(array).copy())


def added(layer: Add) -> Any:
    """Return the sum of operands, with their coefficients."""
    return call(partial(_sum, coefficients=layer.coefficients), "add")


def stacked(total: Any) -> Any:
    """Return a sum of operands as ``total``, a module that sums one tensor along its last axis, of all of them."""
    return _stacks()(total)


@cache
def _stacks() -> Any:
    import torch

    class Stack(torch.nn.Module):
        def __init__(self, total: Any) -> None:
            super().__init__()
            self.total = total

        def forward(self, *xs: Any) -> Any:
            broadcast: Any = torch.broadcast_tensors
            return self.total(torch.stack(broadcast(*xs), dim=-1))

    return Stack


def _sum(*xs: Any, coefficients: Sequence[Any]) -> Any:
    terms = [x if c == 1 else x * float(c) for x, c in zip(xs, coefficients or (1,) * len(xs), strict=True)]
    return sum(terms[1:], terms[0])


def scaled(layer: Affine) -> Any:
    """Return a scale and a shift of any shape."""
    if layer.scale is None:
        return call(lambda x, shift: x + shift, "shift", layer.shift)
    if layer.shift is None:
        return call(lambda x, scale: x * scale, "scale", layer.scale)
    return call(lambda x, scale, shift: x * scale + shift, "affine", layer.scale, layer.shift)


def concatenated(layer: Concat) -> Any:
    """Return what lays its operands side by side."""
    import torch

    return call(lambda *xs: torch.cat(xs, layer.axis), "concatenate")


def constant(layer: Constant) -> Any:
    """Return what gives every sample the same value."""
    if layer.cut:
        raise NoRule("torch has no constant that is cut")
    return call(lambda x, value: value.expand(x.shape[0], *value.shape), "constant", layer.value)


def flattened(layer: Flatten) -> Any:
    """Return what joins axes."""
    return call(lambda x: x.flatten(layer.start) if x.ndim > layer.start else x.unsqueeze(-1), "flatten")


def split(layer: Split) -> Any:
    """Return what cuts into parts."""
    return call(lambda x: tuple(x.split(list(layer.sizes), layer.axis)), "split")


def unsqueezed(layer: Unsqueeze) -> Any:
    """Return what inserts axes of size 1."""

    def run(x: Any) -> Any:
        for axis in sorted(a % (x.ndim + len(layer.axes)) for a in layer.axes):
            x = x.unsqueeze(axis)
        return x

    return call(run, "unsqueeze")


def sliced(layer: Slice) -> Any:
    """Return what takes parts; steps may be negative, which torch's own slices may not."""
    steps = layer.steps or (1,) * len(layer.axes)
    parts = [slice(*bounds) for bounds in zip(layer.starts, layer.stops, steps, strict=True)]

    def run(x: Any) -> Any:
        for axis, part in zip(layer.axes, parts, strict=True):
            x = _taken(x, axis, range(x.shape[axis])[part])
        return x

    return call(run, "slice")


def gathered(layer: Gather) -> Any:
    """Return what takes positions."""
    if isinstance(layer.indices, int):
        return call(lambda x: x.select(layer.axis, layer.indices), "select")
    return call(lambda x: _taken(x, layer.axis, [k % x.shape[layer.axis] for k in layer.indices]), "gather")


def _taken(x: Any, axis: int, places: Sequence[int]) -> Any:
    import torch

    return torch.index_select(x, axis, torch.tensor(list(places), dtype=torch.long))


def padded(layer: Pad) -> Any:
    """Return what puts one constant around."""
    from torch.nn import functional

    if layer.mode != "constant" or not isinstance(layer.value, int | float):
        raise NoRule("torch pads any axis with one constant, not with reflections or values per channel")
    around = [n for pair in reversed(layer.amounts) for n in pair]
    return call(lambda x: functional.pad(x, around, value=float(layer.value)), "pad")


def repeated(layer: Upsample) -> Any:
    """Return what repeats every value."""

    def run(x: Any) -> Any:
        for axis, factor in enumerate(layer.factors, start=2):
            x = x.repeat_interleave(factor, dim=axis)
        return x

    return call(run, "upsample")
