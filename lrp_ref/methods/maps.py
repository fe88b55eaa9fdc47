"""Where a map inside the network is looked at: the last one before the output, and the input whose positions it has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import Array, is_float, namespace
from ..errors import ParameterError, ShapeError
from ..layers import AveragePool, Linear, Mean, Route
from ..layers.elementwise import Identity
from ..network.network import owner
from .inside import Inside, around, require_value
from .positions import Axes
from .scored import Scored
from .upsampling import upsampled


@dataclass(frozen=True, eq=False)
class Maps:
    """The maps A (N, K, *grid) of a node, and the input that has more positions of the same kind.

    Attributes:
        inside: the node's value, and the score above it.
        input: the input's name, and the axes of its samples; None where the maps stay at their size.
        notes: which node it is, where nobody named it.
    """

    inside: Inside
    input: tuple[str, Axes] | None
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(scored: Scored, at: str | None, what: str, *, onto: bool, axis: Any = "channels") -> Maps:
        """Return the maps of a node, or the last before the output.

        Args:
            scored: the samples.
            at: the node's name; None for the last map that all paths to the output lead through.
            what: the method, for messages.
            onto: whether the maps are brought to the positions of an input.
            axis: of the channels of the input's samples.

        Raises:
            ParameterError: an unknown name; no map, or several beside each other, where none is named.
            ShapeError: a value that is no map, or without an input of as many axes.
        """
        shapes, notes = scored.prepared.shapes(scored.fed), tuple[str, ...]()
        if at is None:
            at = _last(scored, what, shapes)
            notes = (f"at='{at}', the last map before the output",)
        require_value(at, scored.prepared.net, scored.net)
        if len(shapes[at]) < 2:
            known = ", ".join(f"'{name}' {shapes[name]}" for name in _candidates(scored, shapes)[-3:])
            raise ShapeError(
                f"{what}: '{at}' is no map, its samples have the shape {shapes[at]}, and (channels, *positions) is "
                f"needed: {'name one such as ' + known if known else 'the network has none'}"
            )
        chosen = _input(scored, at, shapes, what, axis) if onto else None
        return Maps(Inside.of(scored, at), chosen, notes)

    @property
    def count(self) -> int:
        """The number of positions of a map."""
        return math.prod(self.inside.value.shape[2:])

    def brought(self, maps: Array, convention: str | None) -> tuple[str, Array]:
        """Return the name of what maps (N, 1, *grid) are laid over, and the maps at its size, in its layout."""
        if self.input is None or convention is None:
            return self.inside.at, maps
        name, axes = self.input
        large = upsampled(maps, axes.sizes, convention)
        return name, namespace(large).moveaxis(large, 1, 1 + (axes.channels or 0))


def _candidates(scored: Scored, shapes: dict[str, tuple[int, ...]]) -> list[str]:
    """Return the nodes whose values have as many axes of positions as an input, and more than one position."""
    net = scored.prepared.net
    wanted = {len(shapes[i.name]) for i in net.inputs if len(shapes[i.name]) >= 2} or {2, 3, 4}
    return [n.name for n in net.nodes if len(shapes[n.name]) in wanted and math.prod(shapes[n.name][1:]) > 1]


def _last(scored: Scored, what: str, shapes: dict[str, tuple[int, ...]]) -> str:
    """Return the last map, if every path from the inputs to the output leads through it."""
    net = scored.prepared.net
    found = [name for name in _candidates(scored, shapes) if name not in net.outputs]
    if not found:
        raise ParameterError(f"{what}: no node below output '{net.outputs[0]}' is a map (channels, *positions)")
    last = found[-1]
    if around(net, last):
        raise ParameterError(
            f"{what}: several maps lead to output '{net.outputs[0]}' beside each other: name one, at='{last}' or "
            f"another of {', '.join(found[-4:])}"
        )
    return last


def _input(scored: Scored, at: str, shapes: dict[str, tuple[int, ...]], what: str, axis: Any) -> tuple[str, Axes]:
    """Return the input whose positions the maps have: the only one below them with real numbers and as many axes."""
    below = {i.name for i in scored.prepared.net.until(at).inputs} if at not in scored.fed else {at}
    specs = {i.name: i for i in scored.net.inputs}
    found = [
        name for name, x in scored.fed.items() if name in below and is_float(x) and len(x.shape) == len(shapes[at]) + 1
    ]
    if len(found) != 1:
        given = ", ".join(f"'{name}' {tuple(scored.fed[name].shape)}" for name in below)
        raise ShapeError(
            f"{what}: the map '{at}' {shapes[at]} has the positions of {'no' if not found else 'more than one'} input "
            f"({given}): give upsample=None, which leaves it at its own size"
        )
    return found[0], Axes.of(shapes[found[0]], axis, specs[found[0]].axes[1:], f"{what}: axis")


def require_mean_then_linear(inside: Inside) -> None:
    """Raise unless all that stands above a map is its mean over the positions, and then linear layers.

    Raises:
        ParameterError: with the node that is something else.
    """
    net, shapes = inside.above.prepared.net, inside.above.prepared.shapes(inside.above.fed)
    if around(net, inside.at):
        _refuse(inside.at, "another path leads around it to the output")
    averaged = False
    for node in net.nodes:
        read = shapes[owner(node.inputs[0], shapes)]
        layer, kind = node.layer, f"'{node.name}' ({type(node.layer).__name__})"
        if isinstance(layer, Identity):
            continue
        if len(node.inputs) > 1 or len(net.consumers(node.inputs[0])) > 1:
            _refuse(inside.at, f"{kind} joins or divides paths")
        if not averaged:
            if not _averages(layer, read):
                _refuse(inside.at, f"{kind} is no mean over all positions")
            averaged = True
        elif not isinstance(layer, Linear | Route):
            _refuse(inside.at, f"{kind} is not linear")
    if not averaged:
        _refuse(inside.at, "no mean over its positions follows")


def _averages(layer: Any, read: tuple[int, ...]) -> bool:
    """Return whether a layer takes the mean over all positions of a map (channels, *positions), each as much."""
    if isinstance(layer, AveragePool):
        kernel = layer.kernel if isinstance(layer.kernel, tuple | list) else (layer.kernel,) * len(read[1:])
        return tuple(kernel) == tuple(read[1:]) and not np.any(layer.padding)
    if isinstance(layer, Mean):
        rank = len(read) + 1
        axes = range(2, rank) if layer.axes is None else (a % rank for a in layer.axes)
        return sorted(axes) == list(range(2, rank)) and layer.factor == 1
    return False


def _refuse(at: str, reason: str) -> None:
    raise ParameterError(
        f"cam at '{at}': a class activation map needs the mean over the positions and then linear layers up to the "
        f"output, and {reason}: take grad_cam, which needs neither"
    )
