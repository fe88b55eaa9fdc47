"""Network → Network: merge BatchNorm into its neighbours, drop a final softmax. Every step is checked.

Each merge is verified on random inputs of the merged layers themselves: the pair and the merged layer must give
the same output to rounding, or the step is refused with an error (it would be a bug).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from .arrays import Array, convert, namespace, to_numpy
from .errors import GraphError, LrpError
from .layers import Affine, Conv, ConvTranspose, Dense, Layer, Softmax
from .network import Network, Node


def canonize(net: Network, *, merge: bool = True, drop_softmax: bool = True) -> Network:
    """Return an equivalent network on which the rules mean what the papers mean.

    - An Affine (BatchNorm) behind a dense, convolution or transposed convolution layer that only it reads is merged
      into that layer; the merged node keeps the weighted layer's name.
    - An Affine in front of one is merged too, if the layer alone reads it. With zero padding its shift meets only the
      taps inside the image: then the bias becomes one per output position, which needs the input size to be known
      (``explain`` knows it from its inputs). Where it is not, the Affine stays.
    - Beside a dense layer over more axes than (N, features), where channels and features differ, an Affine stays; a
      dense layer whose input is of unknown shape counts as one over (N, features).
    - Consecutive Affines become one.
    - A final softmax (or its logarithm) is dropped: the output becomes the logits.

    Source: merging as used throughout the LRP literature, e.g. Montavon et al. 2019, §10.3 (BatchNorm).

    Raises:
        GraphError: a merged layer does not reproduce the pair's output.

    Example:
        >>> from lrp_ref.layers import ReLU
        >>> one = np.ones(1)
        >>> net = Network.sequential([Dense(np.ones((2, 1)), one), Affine(2 * one, one), Softmax()])
        >>> canonize(net)
        Network input → output dense1
          dense1  Dense(weight=float64[2, 1], bias=float64[1])  ← input
        >>> canonize(net)["dense1"].layer.bias
        array([3.])
    """
    if drop_softmax:
        net = _drop_softmax(net)
    while merge:
        merged = _merge_one(net)
        if merged is None:
            break
        net = merged
    return net


def _drop_softmax(net: Network) -> Network:
    """Return the network without the softmax nodes that only provide an output."""
    outputs = list(net.outputs)
    for k, name in enumerate(outputs):
        nodes = [n for n in net.nodes if n.name == name]
        if nodes and isinstance(nodes[0].layer, Softmax) and not net.consumers(name) and len(net) > 1:
            outputs[k] = nodes[0].inputs[0]
    return net if tuple(outputs) == net.outputs else replace(net.until(outputs), output_axes=net.output_axes)


def _merge_one(net: Network) -> Network | None:
    """Return the network with one pair merged, or None if there is nothing to merge."""
    for node in net.nodes:
        source = next((n for n in net.nodes if n.name == node.inputs[0]), None)
        if source is None or len(net.consumers(source.name)) != 1 or source.name in net.outputs:
            continue
        first, second = source.layer, node.layer
        layer: Layer | None = None
        shape: tuple[int, ...] | None = None
        if isinstance(second, Affine) and isinstance(first, Dense | Conv | ConvTranspose):
            shape = _shape(net, source.inputs[0]) if isinstance(first, Dense) else None
            layer, name = _after(first, second, shape), source.name
        elif isinstance(second, Affine) and isinstance(first, Affine):
            layer, name = _affines(first, second), source.name
        elif isinstance(first, Affine) and isinstance(second, Dense | Conv):
            free = source.inputs[0] in {i.name for i in net.inputs}
            if free or isinstance(second, Dense) or _shift_meets_padding(first, second):
                shape = _shape(net, source.inputs[0])
            layer, name = _before(first, second, shape), node.name
        if layer is not None:
            _check(first, second, layer, shape, f"{source.name} + {node.name}")
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


def _channel_vector(parameter: Array | None, channels: int) -> Array | None:
    """Return a parameter of an Affine as (channels,), or None if it is not one number per channel."""
    if parameter is None or math.prod(parameter.shape) not in (1, channels):
        return None
    place = parameter.ndim == 1 or parameter.shape[0] == math.prod(parameter.shape) or math.prod(parameter.shape) == 1
    if not place:
        return None
    return namespace(parameter).broadcast_to(parameter.reshape(-1), (channels,))


def _parameters(affine: Affine, channels: int, like: Array) -> tuple[Array, Array] | None:
    """Return (scale, shift) of an Affine per channel, missing ones filled in, or None."""
    xp, parts = namespace(like), []
    for parameter, default in ((affine.scale, 1), (affine.shift, 0)):
        if parameter is None:
            vector = xp.zeros((channels,), dtype=like.dtype) + default
        else:
            vector = _channel_vector(parameter, channels)
            if vector is None:
                return None
        parts.append(vector)
    return parts[0], parts[1]


def _along(vector: Array, axis: int, ndim: int) -> Array:
    return vector.reshape(tuple(-1 if k == axis else 1 for k in range(ndim)))


def _after(layer: Dense | Conv | ConvTranspose, affine: Affine, shape: tuple[int, ...] | None) -> Layer | None:
    """Merge y = s·(layer x) + t: W' = s W, b' = s b + t; ``shape`` is that of a dense layer's input, if known."""
    weight = layer.weight
    transposed = isinstance(layer, ConvTranspose)
    if shape is not None and len(shape) != 2:
        return None
    if transposed and layer.bias is not None and layer.bias.ndim > 1:
        return None
    channels = (
        weight.shape[1]
        if isinstance(layer, Dense)
        else weight.shape[1] * layer.groups
        if transposed
        else weight.shape[0]
    )
    found = _parameters(affine, channels, weight)
    if found is None:
        return None
    scale, shift = found
    if isinstance(layer, Dense):
        scaled = weight * scale
    elif transposed:
        # Output channel o of group g is column o of the rows of that group.
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        scaled = (by_group * scale.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))).reshape(weight.shape)
    else:
        scaled = weight * _along(scale, 0, weight.ndim)
    bias = shift if layer.bias is None else layer.bias * _along(scale, 0, layer.bias.ndim)
    bias = bias if layer.bias is None else bias + _along(shift, 0, bias.ndim)
    return replace(layer, weight=scaled, bias=bias)


def _affines(first: Affine, second: Affine) -> Layer | None:
    """Merge two Affines with one number per channel each."""
    sizes = [p.shape for a in (first, second) for p in (a.scale, a.shift) if p is not None]
    if len(set(sizes)) != 1:
        return None
    like = next(p for p in (first.scale, first.shift) if p is not None)
    one = namespace(like).ones(like.shape, dtype=like.dtype)
    s1, t1 = (one if first.scale is None else first.scale), (0 * one if first.shift is None else first.shift)
    s2, t2 = (one if second.scale is None else second.scale), (0 * one if second.shift is None else second.shift)
    return Affine(s1 * s2, t1 * s2 + t2)


def _shift_meets_padding(affine: Affine, layer: Dense | Conv) -> bool:
    return isinstance(layer, Conv) and affine.shift is not None and any(map(any, layer.padding))


def _before(affine: Affine, layer: Dense | Conv, shape: tuple[int, ...] | None) -> Layer | None:
    """Merge layer(s·x + t): W' = W s, b' = b + what the layer makes of t (inside the image only, where it pads)."""
    weight = layer.weight
    channels = weight.shape[0] if isinstance(layer, Dense) else weight.shape[1] * layer.groups
    found = _parameters(affine, channels, weight)
    if found is None:
        return None
    if shape is not None and (len(shape) != weight.ndim or shape[1] != channels):
        return None
    scale, shift = found
    xp = namespace(weight)
    if isinstance(layer, Dense):
        through = xp.matmul(shift.reshape(1, -1), weight).reshape(-1)
        bias = layer.bias if affine.shift is None else _sum(layer.bias, through)
        return replace(layer, weight=weight * scale.reshape(-1, 1), bias=bias)
    grouped = scale.reshape(layer.groups, 1, -1, *(1,) * (weight.ndim - 2))
    scaled = (weight.reshape(layer.groups, -1, *weight.shape[1:]) * grouped).reshape(weight.shape)
    if affine.shift is None:
        return replace(layer, weight=scaled)
    if not _shift_meets_padding(affine, layer):
        per_tap = weight.reshape(layer.groups, -1, *weight.shape[1:]) * shift.reshape(grouped.shape)
        through = per_tap.reshape(weight.shape[0], -1).sum(axis=1)
        return replace(layer, weight=scaled, bias=_sum(layer.bias, through))
    if shape is None:
        return None
    constant = xp.zeros((1, *shape[1:]), dtype=weight.dtype) + _along(shift, 1, weight.ndim)
    through = replace(layer, bias=None).forward(constant)[0]
    bias = (
        through
        if layer.bias is None
        else through + _along(layer.bias, 0, through.ndim)
        if layer.bias.ndim == 1
        else None
    )
    return None if bias is None else replace(layer, weight=scaled, bias=bias)


def _sum(bias: Array | None, through: Array) -> Array:
    return through if bias is None else bias + _along(through, 0, bias.ndim)


def _shape(net: Network, name: str) -> tuple[int, ...] | None:
    """Return the shape of a value for a batch of one, or None where it depends on an input of unknown size."""
    like, inputs = net.parameters[0], [i for i in net.inputs if i.name == name]
    if not inputs:
        net = net.until(name)
        inputs = list(net.inputs)
    feed = {}
    for spec in inputs:
        if spec.sample is None or None in spec.sample:
            return None
        feed[spec.name] = namespace(like).zeros((1, *spec.sample), dtype=like.dtype)
    if name in feed:
        return tuple(feed[name].shape)
    try:
        return tuple(net.values(feed, check=False)[name].shape)
    except (LrpError, IndexError):
        # Zeros are no valid input of every network (an LSTM's lengths are integers): the size stays unknown.
        return None


def _check(first: Layer, second: Layer, merged: Layer, shape: tuple[int, ...] | None, where: str) -> None:
    """Raise unless ``merged`` reproduces ``second(first(x))`` on a random input."""
    x = _probe(merged, shape)
    if x.dtype == object:
        return
    pair, one = to_numpy(second.forward(first.forward(x))), to_numpy(merged.forward(x))
    scale = float(np.abs(pair).max()) or 1.0
    allowed = 1e4 * float(np.finfo(pair.dtype).eps)
    if not np.abs(pair - one).max() <= allowed * scale:
        raise GraphError(f"merging {where} changes the output by {np.abs(pair - one).max():.3g} of {scale:.3g}")


def _probe(merged: Any, shape: tuple[int, ...] | None) -> Array:
    """Return a small random input for ``merged``; ``shape`` is that of its input where it is known."""
    rng = np.random.default_rng(0)
    parameter = merged.weight if hasattr(merged, "weight") else merged.scale
    if isinstance(merged, Affine):
        sample: tuple[int, ...] = tuple(parameter.shape)
    elif isinstance(merged, Dense):
        sample = (parameter.shape[0],)
    elif isinstance(merged, ConvTranspose):
        sample = (parameter.shape[0], *(3,) * (parameter.ndim - 2))
    elif shape is not None and merged.bias is not None and merged.bias.ndim > 1:
        sample = shape[1:]
    elif merged.bias is not None and merged.bias.ndim > 1:
        # Any input size whose output has the size of this bias.
        axes = zip(
            merged.bias.shape[1:], parameter.shape[2:], merged.stride, merged.dilation, merged.padding, strict=True
        )
        spatial = tuple(max(1, (o - 1) * s + d * (k - 1) + 1 - a - b) for o, k, s, d, (a, b) in axes)
        sample = (parameter.shape[1] * merged.groups, *spatial)
    else:
        sizes = zip(parameter.shape[2:], merged.stride, merged.dilation, strict=True)
        sample = (parameter.shape[1] * merged.groups, *(2 * s + d * (k - 1) + 1 for k, s, d in sizes))
    return _like(rng.normal(size=(2, *sample)), parameter)


def _like(host: Any, parameter: Array) -> Array:
    if parameter.dtype == object:
        return host.astype(object)
    return convert(host.astype(to_numpy(parameter).dtype), namespace(parameter))
