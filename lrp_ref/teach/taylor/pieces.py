"""Linear pieces of a ReLU network: its value and slope along a line, its gradient, and where the piece ends.

On rationals everything here is exact. In floats a unit within 1e-12 of the largest one of its layer counts as 0,
so that a walk from piece to piece does not stand still at a border.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arithmetic import scalar
from ...base.arrays import Array, like, namespace
from ...errors import ShapeError, UnsupportedError
from ...layers import ReLU
from ...layers.base import Linear, Route
from ...network.network import Network, Node
from ...rules.edits import KEEP, ZERO

_NEAR_ZERO = 1e-12


@dataclass(frozen=True, eq=False)
class Piece:
    """The linear piece of a network in which a line goes on from a point.

    Attributes:
        net: the network.
        values: of every node at the point (N, ...), by name.
        slopes: their derivatives along the direction (N, ...), by name.
        masks: of each ReLU, where it is open on this piece.
    """

    net: Network
    values: Mapping[str, Array]
    slopes: Mapping[str, Array]
    masks: Mapping[str, Array]

    def gradient(self, target: int) -> Array:
        """Return the gradient of output ``target`` with respect to the input, of its shape (N, ...)."""
        name = self.net.outputs[0]
        out = self.values[name]
        start = np.zeros(out.shape)
        start.reshape(len(start), -1)[:, target] = 1
        flows = {name: like(start, out)}
        for node in reversed(self.net.nodes):
            g = flows.pop(node.name, None)
            if g is None:
                continue
            xs = tuple(self.values[i] for i in node.inputs)
            if node.name in self.masks:
                pulled: tuple[Array, ...] = (namespace(g).where(self.masks[node.name], g, scalar(0, g)),)
            else:
                pulled = node.layer.pull(xs, g)
            for source, part in zip(node.inputs, pulled, strict=True):
                flows[source] = flows[source] + part if source in flows else part
        source = self.net.inputs[0].name
        return flows[source] if source in flows else 0 * self.values[source]

    def length(self) -> Any:
        """Return the least step along the line, of one sample, at which a unit opens or closes; None if none does."""
        nearest = None
        for node in self.net.nodes:
            if node.name not in self.masks:
                continue
            v, slope = (table[node.inputs[0]].reshape(-1) for table in (self.values, self.slopes))
            border = _tolerance(v)
            turns = ((v > border) & (slope < 0)) | ((v < -border) & (slope > 0))
            if turns.any():
                step = (-v[turns] / slope[turns]).min()
                nearest = step if nearest is None else min(nearest, step)
        return nearest


def piece(net: Network, x: Array, direction: Array) -> Piece:
    """Return the piece in which the line from ``x`` along ``direction`` goes on, both (N, ...).

    A unit that is 0 at ``x`` is open where it grows along the direction.

    Raises:
        UnsupportedError: the network has a layer that is neither linear nor a route nor a ReLU, or several inputs.
    """
    source = net.inputs[0].name
    values = net.like_input({source: x}).values(net.feed(x))
    slopes, masks = {source: direction}, {}
    for node in net.nodes:
        incoming = tuple(slopes[i] for i in node.inputs if i in slopes)
        if isinstance(node.layer, ReLU):
            v, slope = values[node.inputs[0]], incoming[0]
            border = _tolerance(v)
            masks[node.name] = (v > border) | ((v >= -border) & (slope > 0))
            slopes[node.name] = namespace(slope).where(masks[node.name], slope, scalar(0, slope))
        else:
            slopes[node.name] = _linear_part(node, incoming)
    return Piece(net, values, slopes, masks)


def require_pieces(net: Network) -> None:
    """Raise unless the network is made of linear layers, routes and ReLUs, with one input and one (N, K) output."""
    if len(net.inputs) != 1:
        raise UnsupportedError(f"a Taylor decomposition needs one input, the network has {len(net.inputs)}")
    if net.batch_first() is not net:
        raise UnsupportedError("a Taylor decomposition needs arrays with the batch first: give it net.batch_first()")
    for node in net.nodes:
        if not isinstance(node.layer, Linear | Route | ReLU) or any(":" in name for name in node.inputs):
            raise UnsupportedError(
                f"a Taylor decomposition walks linear layers, routes of one output and ReLUs, not {node.layer!r}"
            ).at(node.name)


def _linear_part(node: Node, slopes: tuple[Array, ...]) -> Array:
    """Return what the layer without its bias makes of the slopes."""
    if isinstance(node.layer, Linear):
        return node.layer.edited(KEEP, ZERO).forward(*slopes)
    moved = node.layer.forward(*slopes)
    if isinstance(moved, tuple):
        raise ShapeError("a Taylor decomposition walks routes of one output").at(node.name)
    return moved - node.layer.forward(*(0 * slope for slope in slopes))  # what a Pad fills in has no slope


def _tolerance(values: Array) -> Any:
    """Return below which size a value counts as 0: exactly 0 for exact numbers."""
    if values.dtype.kind != "f":
        return scalar(0, values)
    return _NEAR_ZERO * abs(values).max() if values.size else 0.0
