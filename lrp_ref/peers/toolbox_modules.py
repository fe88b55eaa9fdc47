"""The modules of the LRP toolbox that stand for a network's layers, and what it lacks, computed outside of it.

Its images have the channels last and two spatial axes, and its windows stay inside of them: before and after each of
its spatial modules the axes are turned, and padding is a module of its own. These modules compute no relevance: they
hand on what they get, zeros that were put around excepted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import layers as of
from ..layers.conv import pairs, per_axis
from ..rules import LRP0, AlphaBeta, Epsilon, Flat, Pass, WSquare
from ..rules.edits import EXACT
from .named_rules import require_no_strength
from .padding import frames
from .task import NoRule

Function = Callable[[Any], Any]


class Outside:
    """A module that is none of the toolbox: what it does to values, and to relevances on the way back."""

    def __init__(self, forward: Function, back: Function, *, pads: bool = False) -> None:
        self._forward, self._back, self.pads = forward, back, pads

    def forward(self, x: Any, *args: Any, **more: Any) -> Any:
        """Return the values."""
        return self._forward(x)

    def lrp(self, r: Any, *args: Any) -> Any:
        """Return the relevances."""
        return self._back(r)

    def to_numpy(self) -> None:
        """Stay as it is."""


def is_padded(layer: Any, made: list[Any]) -> bool:
    """Return whether one of a layer's modules puts zeros around, for a layer that does so itself."""
    return not isinstance(layer, of.Pad) and any(getattr(module, "pads", False) for module in made)


def modules(tb: Any, layer: Any, rule: Any, x: Any) -> list[Any]:
    """Return the modules for a layer that reads x, with its rule set.

    Args:
        tb: the toolbox.
        layer: of the network.
        rule: as it was asked for; None for the layer's own way.
        x: (N, ...).

    Raises:
        NoRule: it has no such module, or no such rule.
    """
    kind = type(layer).__name__
    match layer:
        case of.Dense() if x.ndim == 2:
            made = _weighted(tb.Linear(*layer.weight.shape), layer.weight, layer.bias)
            return [_ruled(made, rule, kind)]
        case of.Conv(groups=1) if layer.weight.ndim <= 4 and set(per_axis(layer.dilation, x.ndim - 2, kind)) == {1}:
            n = x.ndim - 2
            kernel = np.moveaxis(layer.weight, (0, 1), (-1, -2))
            kernel = kernel.reshape((1,) * (2 - n) + kernel.shape)
            made = tb.Convolution(kernel.shape, _two(per_axis(layer.stride, n, kind)))
            around = pairs(layer.padding, n, kind)
            return _spatial([_ruled(_weighted(made, kernel, layer.bias), rule, kind)], around, 1)
        case of.MaxPool() | of.SumPool() if x.ndim <= 4 and not layer.ceil_mode:
            return _pool(tb, layer, rule, x)
        case of.Flatten(start=1):
            return [_passing(tb.Flatten(), rule, kind)]
        case of.ReLU():
            return [_passing(tb.Rect(), rule, kind)]
        case of.Tanh():
            return [_passing(tb.Tanh(), rule, kind)]
        case of.Softmax() if x.ndim == 2 and not layer.log:
            return [_passing(tb.SoftMax(), rule, kind)]
        case of.Pad() if 3 <= x.ndim <= 4 and frames(layer, x.ndim):
            return [_passing(module, rule, kind) for module in _spatial([], layer.amounts[1:], 1)]
        case of.Identity():
            return [_passing(Outside(_same, _same), rule, kind)]
    raise NoRule(f"it has no module for {layer!r}")


def _pool(tb: Any, layer: Any, rule: Any, x: Any) -> list[Any]:
    n, kind = x.ndim - 2, type(layer).__name__
    kernel = per_axis(layer.kernel, n, kind)
    stride = per_axis(layer.kernel if layer.stride is None else layer.stride, n, kind)
    around = pairs(layer.padding, n, kind)
    padded = any(map(any, around))
    if set(per_axis(layer.dilation, n, kind)) != {1} or (padded and isinstance(layer, of.MaxPool)):
        raise NoRule(f"it has no module for {layer!r}")
    if isinstance(layer, of.MaxPool):
        return _spatial([_ruled(tb.MaxPool(_two(kernel), _two(stride)), rule or LRP0(), kind)], around, 1)
    if padded and not getattr(layer, "count_include_pad", True):
        raise NoRule("its windows lie in the image, and all have one size")
    # Its sums are divided by the root of the window's size.
    whole, factor = math.prod(kernel), float(layer.factor)
    scale = math.sqrt(whole) * factor / (whole if isinstance(layer, of.AveragePool) else 1)
    return _spatial([_ruled(tb.SumPool(_two(kernel), _two(stride)), rule or LRP0(), kind)], around, scale)


def _spatial(made: list[Any], around: Any, scale: float) -> list[Any]:
    """Return modules between those that turn axes, pad, and scale."""
    widths = ((0, 0), *((0, 0),) * (2 - len(around)), *around, (0, 0))
    inner = tuple(slice(before, None if not after else -after) for before, after in widths)
    line = len(around) == 1

    def last(x: Any) -> Any:
        x = x[:, :, None] if line else x
        return np.moveaxis(x, 1, -1)

    def first(x: Any) -> Any:
        x = np.moveaxis(x, -1, 1)
        return x[:, :, 0] if line else x

    before = Outside(lambda x: np.pad(last(x), widths), lambda r: first(r[inner]), pads=any(map(any, around)))
    return [before, *made, Outside(lambda x: first(x) * scale, last)]


def _weighted(module: Any, weight: Any, bias: Any) -> Any:
    module.W = weight
    if bias is not None:
        module.B = bias
    return module


def _ruled(module: Any, rule: Any, kind: str) -> Any:
    """Return the module with the variant of the same name."""
    variant: tuple[str, float | None]
    if isinstance(rule, AlphaBeta | Flat | WSquare):
        require_no_strength(rule)
    match rule:
        case LRP0() if rule.stabiliser == EXACT:
            variant = ("simple", None)
        case LRP0() if rule.stabiliser.kind == "add":
            variant = ("epsilon", float(rule.stabiliser.epsilon))
        case Epsilon(bias_share=0, stabiliser_share=None | 0):
            variant = ("epsilon", float(rule.epsilon))
        case AlphaBeta():
            variant = ("alphabeta", float(rule.alpha))
        case Flat():
            variant = ("flat", None)
        case WSquare():
            variant = ("ww", None)
        case _:
            raise NoRule(f"it has no {'own way' if rule is None else rule!r} for a {kind}")
    module.set_lrp_parameters(*variant)
    return module


def _passing(module: Any, rule: Any, kind: str) -> Any:
    if not (rule is None or isinstance(rule, Pass)):
        raise NoRule(f"a {kind} hands relevance on, whatever rule it is given; asked for is {rule!r}")
    return module


def _two(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (2 - len(sizes)) + sizes


def _same(x: Any) -> Any:
    return x
