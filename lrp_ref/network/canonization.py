"""Network → Network: merge BatchNorm into its neighbours, leave out a final sigmoid or softmax. Every merge is checked.

Each merge is verified on random inputs of the merged layers themselves: the pair and the merged layer must give
the same output to rounding, or the step is refused with an error (it would be a bug).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, namespace, to_numpy
from ..errors import GraphError, LrpError
from ..layers import Affine, Conv, ConvTranspose, Dense, Layer
from .heads import Bare, bare, gated, heads
from .network import Network, Node

Shape = tuple[int | None, ...]


def canonize(net: Network, *, merge: bool = True, drop_softmax: bool = True) -> Network:
    """Return an equivalent network on which the rules mean what the papers mean.

    - An Affine (BatchNorm) behind a dense, convolution or transposed convolution layer that only it reads is merged
      into that layer; the merged node keeps the weighted layer's name.
    - An Affine in front of one is merged too, if the layer alone reads it. Where its shift does not meet every output
      alike (zero padding around a convolution; taps, borders and output padding of a transposed one), the bias becomes
      one per output position, which needs the input size to be known (``explain`` knows it from its inputs). Where it
      is not, the Affine stays.
    - Beside a dense layer over more axes than (N, features), where channels and features differ, an Affine stays; a
      dense layer whose input has an unknown number of axes counts as one over (N, features).
    - Consecutive Affines, of which only the second reads the first, become one if their parameters have one shape,
      single numbers aside.
    - An Affine whose parameters are not one number, or one per channel, stays; so does one in front of a layer that
      enlarges its input. Behind a layer with one output channel, one per channel gives the layer that many.
    - A final softmax (or its logarithm) or sigmoid is left out, also behind layers that only move values or keep their
      order: the output becomes the logits, and 1 − σ(z) becomes −z (:mod:`lrp_ref.network.heads`). The names of
      outputs may change, their order does not.
    - A product of a signal with what comes out of a sigmoid or softmax gets that as its declared gate.

    Args:
        net: the network.
        merge: whether Affines are merged.
        drop_softmax: whether a final softmax or sigmoid is left out.

    Source: merging as used throughout the LRP literature, e.g. Montavon et al. 2019, §10.3 (BatchNorm).

    Raises:
        GraphError: a merged layer does not reproduce the pair's output.

    Example:
        >>> from lrp_ref.layers import Softmax
        >>> one = np.ones(1)
        >>> net = Network.sequential([Dense(np.ones((2, 1)), one), Affine(2 * one, one), Softmax()])
        >>> canonize(net)
        Network input → output dense1
          dense1  Dense(weight=float64[2, 1], bias=float64[1])  ← input
        >>> canonize(net)["dense1"].layer.bias
        array([3.])
    """
    return canonized(net, merge=merge, leave_out=drop_softmax).net


def canonized(net: Network, *, merge: bool = True, leave_out: bool = True, chance: int | None = None) -> Bare:
    """Return the canonized network with what was found at its outputs; arguments as for :func:`.heads.bare`."""
    # BatchNorms first, so that the head is a sigmoid of what the weighted layer gives; then what turns signs there.
    found = bare(gated(_merged(net, frozenset()) if merge else net), leave_out=leave_out, chance=chance)
    if not merge:
        return found
    stated = zip(heads(net), found.heads, strict=True)  # with the nodes that the network has
    found = replace(found, heads=tuple(a if bool(a.lost) == bool(b.lost) else b for a, b in stated))
    return replace(found, net=_merged(found.net, found.signs)) if found.signs else found


def _merged(net: Network, signs: frozenset[str]) -> Network:
    """Return the network with all pairs merged; ``signs`` are Affines that take a copy of a layer that others read."""
    shapes: dict[str, Shape | None] = {}
    while (less := _merge_one(net, signs, shapes)) is not None:
        net = less
    return net


def _merge_one(net: Network, signs: frozenset[str], shapes: dict[str, Shape | None]) -> Network | None:
    """Return the network with one pair merged, or None if there is nothing to merge; no merge changes a shape."""

    def shape_of(name: str) -> Shape | None:
        if name not in shapes:
            shapes[name] = _shape(net, name)
        return shapes[name]

    for node in net.nodes:
        source = next((n for n in net.nodes if n.name == node.inputs[0]), None)
        if source is None:
            continue
        alone = len(net.consumers(source.name)) == 1 and source.name not in net.outputs
        if not alone and node.name not in signs:
            continue
        first, second = source.layer, node.layer
        layer: Layer | None = None
        shape: Shape | None = None
        if isinstance(second, Affine) and isinstance(first, Dense | Conv | ConvTranspose):
            shape = shape_of(source.inputs[0]) if isinstance(first, Dense) else None
            layer, name = _after(first, second, shape), source.name
        elif isinstance(second, Affine) and isinstance(first, Affine):
            layer, name = _affines(first, second), source.name
        elif isinstance(first, Affine) and isinstance(second, Dense | Conv | ConvTranspose):
            shape = shape_of(source.inputs[0])
            layer, name = _before(first, second, shape), node.name
        if layer is not None:
            _check(first, second, layer, shape, f"{source.name} + {node.name}")
            if not alone:
                copy = Node(node.name, layer, source.inputs)
                return replace(net, nodes=tuple(copy if n is node else n for n in net.nodes))
            return _replace_pair(net, source, node, Node(name, layer, source.inputs))
    return None


def _replace_pair(net: Network, source: Node, node: Node, merged: Node) -> Network:
    """Return the network with ``source`` and ``node`` as one node; who read ``node`` now reads the merged one."""

    def renamed(name: str) -> str:
        return merged.name if name == node.name else name

    nodes = [
        merged if n.name == node.name else replace(n, inputs=tuple(map(renamed, n.inputs)))
        for n in net.nodes
        if n.name != source.name
    ]
    return replace(net, nodes=tuple(nodes), outputs=tuple(map(renamed, net.outputs)))


def _channel_vector(parameter: Array, channels: int, axes: int) -> Array | None:
    """Return a parameter of an Affine as (channels,), or None if it is not one number, or one per channel.

    Args:
        parameter: (channels,), or with the ``axes`` of a sample, of which only the channels' may be longer than 1.
        channels: their number.
        axes: of a sample.
    """
    size = math.prod(parameter.shape)
    per_channel = parameter.ndim == 1 or (parameter.ndim == axes and parameter.shape[0] == size)
    if parameter.ndim > axes or size not in (1, channels) or not (size == 1 or per_channel):
        return None
    return namespace(parameter).broadcast_to(parameter.reshape(-1), (channels,))


def _parameters(affine: Affine, channels: int, like: Array) -> tuple[Array, Array] | None:
    """Return (scale, shift) of an Affine beside a layer with weight ``like``, missing ones filled in, or None."""
    xp, parts = namespace(like), []
    for parameter, default in ((affine.scale, 1), (affine.shift, 0)):
        if parameter is None:
            vector = xp.zeros((channels,), dtype=like.dtype) + default
        else:
            vector = _channel_vector(parameter, channels, like.ndim - 1)
            if vector is None:
                return None
        parts.append(vector)
    return parts[0], parts[1]


def _along(vector: Array, axis: int, ndim: int) -> Array:
    return vector.reshape(tuple(-1 if k == axis else 1 for k in range(ndim)))


def _after(layer: Dense | Conv | ConvTranspose, affine: Affine, shape: Shape | None) -> Layer | None:
    """Merge y = s·(layer x) + t: W' = s W, b' = s b + t; ``shape`` is that of a dense layer's input, if known."""
    weight = layer.weight
    transposed = isinstance(layer, ConvTranspose)
    if shape is not None and len(shape) != 2:
        return None
    channels = (
        weight.shape[1]
        if isinstance(layer, Dense)
        else weight.shape[1] * layer.groups
        if transposed
        else weight.shape[0]
    )
    if channels == 1:  # one number for several channels: then the layer gets that many
        channels = max(math.prod(p.shape) for p in (affine.scale, affine.shift) if p is not None)
    found = _parameters(affine, channels, weight)
    if found is None:
        return None
    scale, shift = found
    if isinstance(layer, Dense):
        scaled = weight * scale
    elif transposed:
        # Output channel o of group g is column o of the rows of that group.
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        scaled = by_group * scale.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))
        scaled = scaled.reshape(weight.shape[0], *scaled.shape[2:])
    else:
        scaled = weight * _along(scale, 0, weight.ndim)
    bias = layer.bias if layer.bias is None else layer.bias * _along(scale, 0, layer.bias.ndim)
    return replace(layer, weight=scaled, bias=bias if affine.shift is None else _sum(bias, shift))


def _affines(first: Affine, second: Affine) -> Layer | None:
    """Merge two Affines whose parameters have one shape, single numbers aside."""
    given = [p for a in (first, second) for p in (a.scale, a.shift) if p is not None]
    if len({p.shape for p in given} - {(1,)}) > 1:
        return None
    like = next((p for p in given if p.shape != (1,)), given[0])
    one = namespace(like).ones(like.shape, dtype=like.dtype)
    s1, t1 = (one if first.scale is None else first.scale), (0 * one if first.shift is None else first.shift)
    s2, t2 = (one if second.scale is None else second.scale), (0 * one if second.shift is None else second.shift)
    return Affine(s1 * s2, t1 * s2 + t2)


def _before(affine: Affine, layer: Dense | Conv | ConvTranspose, shape: Shape | None) -> Layer | None:
    """Merge layer(s·x + t): W' = W s, b' = b + what the layer makes of t, which may be another number at each place."""
    weight = layer.weight
    channels = weight.shape[1] * layer.groups if isinstance(layer, Conv) else weight.shape[0]
    found = _parameters(affine, channels, weight)
    if found is None:
        return None
    if shape is not None and (len(shape) != weight.ndim or shape[1] not in (None, channels)):
        return None
    scale, shift = found
    if isinstance(layer, Conv):
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        scaled = (by_group * scale.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))).reshape(weight.shape)
    else:
        scaled = weight * _along(scale, 0, weight.ndim)
    if affine.shift is None:
        return replace(layer, weight=scaled)
    through = _through(shift, layer, shape)
    if through is None:
        return None
    return replace(layer, weight=scaled, bias=_sum(layer.bias, through))


def _through(shift: Array, layer: Dense | Conv | ConvTranspose, shape: Shape | None) -> Array | None:
    """Return what the layer's weights make of a shift: (out,), or (out, *size) where it meets places unlike.

    None where the latter would need a size of the input that is not known.
    """
    weight, xp = layer.weight, namespace(layer.weight)
    if isinstance(layer, Dense):
        return xp.matmul(shift.reshape(1, -1), weight).reshape(-1)
    if isinstance(layer, Conv) and not any(map(any, layer.padding)):
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        per_tap = by_group * shift.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))
        return per_tap.reshape(weight.shape[0], -1).sum(axis=1)
    if isinstance(layer, ConvTranspose) and _one_tap(layer):
        matrices = weight.reshape(layer.groups, -1, weight.shape[1])
        return xp.matmul(shift.reshape(layer.groups, 1, -1), matrices).reshape(-1)
    if shape is None or None in shape:
        return None
    constant = xp.zeros((1, *shape[1:]), dtype=weight.dtype) + _along(shift, 1, weight.ndim)
    through: Array = replace(layer, bias=None).forward(constant)[0]
    return through


def _one_tap(layer: ConvTranspose) -> bool:
    """Whether every output of a transposed convolution sees one position of the input through one tap."""
    return all(n == 1 for n in (*layer.weight.shape[2:], *layer.stride)) and not any(layer.output_padding)


def _sum(bias: Array | None, more: Array) -> Array:
    """Add two biases, of which either may be one number per output channel."""
    if bias is None:
        return more
    ndim = max(bias.ndim, more.ndim)
    aligned = (b if b.ndim == ndim else _along(b, 0, ndim) for b in (bias, more))
    total: Array = sum(aligned)
    return total


def _shape(net: Network, name: str) -> Shape | None:
    """Return the shape of a value for a batch of one, or None where it depends on an input of unknown size.

    Of an input whose shape is known in part, None stands for each size that is not.
    """
    like, inputs = net.parameters[0], [i for i in net.inputs if i.name == name]
    if inputs:
        shape = inputs[0].shape
        return None if shape is None else (1, *shape[1:])
    net = net.until(name)
    feed = {}
    for spec in net.inputs:
        if spec.sample is None or None in spec.sample:
            return None
        feed[spec.name] = namespace(like).zeros((1, *spec.sample), dtype=like.dtype)
    try:
        return tuple(net.values(feed, check=False)[name].shape)
    except (LrpError, IndexError):
        # Zeros are no valid input of every network (an LSTM's lengths are integers): the size stays unknown.
        return None


def _check(first: Layer, second: Layer, merged: Layer, shape: Shape | None, where: str) -> None:
    """Raise unless ``merged`` reproduces ``second(first(x))`` on a random input."""
    x = _probe(merged, shape)
    if x.dtype == object:
        return
    pair, one = to_numpy(second.forward(first.forward(x))), to_numpy(merged.forward(x))
    scale = float(np.abs(pair).max()) or 1.0
    allowed = 1e4 * float(np.finfo(pair.dtype).eps)
    if not np.abs(pair - one).max() <= allowed * scale:
        raise GraphError(f"merging {where} changes the output by {np.abs(pair - one).max():.3g} of {scale:.3g}")


def _probe(merged: Any, shape: Shape | None) -> Array:
    """Return a small random input for ``merged``; ``shape`` is that of its input where it is known."""
    rng = np.random.default_rng(0)
    parameter = merged.weight if hasattr(merged, "weight") else merged.scale
    if isinstance(merged, Affine):
        sample: tuple[int, ...] = tuple(parameter.shape)
    elif isinstance(merged, Dense):
        sample = (parameter.shape[0],)
    else:
        transposed = isinstance(merged, ConvTranspose)
        channels = parameter.shape[0] if transposed else parameter.shape[1] * merged.groups
        by_place = merged.bias is not None and merged.bias.ndim > 1
        if by_place and shape is not None and None not in shape:
            sample = tuple(n for n in shape[1:] if n is not None)
        elif by_place:
            sample = (channels, *map(_input_size, *_geometry(merged), merged.bias.shape[1:]))
        elif transposed:
            sample = (channels, *(max(3, a + b + 1) for a, b in merged.padding))
        else:
            sizes = zip(parameter.shape[2:], merged.stride, merged.dilation, strict=True)
            sample = (channels, *(2 * s + d * (k - 1) + 1 for k, s, d in sizes))
    return _like(rng.normal(size=(2, *sample)), parameter)


def _geometry(layer: Conv | ConvTranspose) -> tuple[tuple[Any, ...], ...]:
    """Return kernel, stride, dilation, padding and output padding (None for a convolution), one entry per axis."""
    extra = layer.output_padding if isinstance(layer, ConvTranspose) else (None,) * (layer.weight.ndim - 2)
    return layer.weight.shape[2:], layer.stride, layer.dilation, layer.padding, extra


def _input_size(kernel: int, stride: int, dilation: int, padding: tuple[int, int], extra: int | None, size: int) -> int:
    """Return a size of the input along an axis for which the output has ``size``."""
    reach = dilation * (kernel - 1) + 1
    if extra is None:
        return max(1, (size - 1) * stride + reach - sum(padding))
    return (size + sum(padding) - extra - reach) // stride + 1


def _like(host: Any, parameter: Array) -> Array:
    if parameter.dtype == object:
        return host.astype(object)
    return convert(host.astype(to_numpy(parameter).dtype), namespace(parameter))
