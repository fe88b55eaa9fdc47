"""Does a map depend on where the zero of the input is, which the network's answer does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, channelwise, fits, namespace, to_numpy
from ..errors import ShapeError, UnsupportedError
from ..layers import Conv, Dense, Flatten, Reshape, Squeeze, Transpose, Unsqueeze
from ..network.network import Network
from ..rules.edits import KEEP, ZERO
from .explainers import Asking, Explainer
from .given import Host, quotient

MOVES = (Flatten, Reshape, Squeeze, Transpose, Unsqueeze)  # what may stand before the first layer with weights


def input_invariance(net: Network, explain: Explainer, x: Array, target: Any = None, *, shift: Any = 1.0) -> Host:
    """Return max |R(x; f) − R(x + m; f')| / max |R(x; f)| (N,), where f' takes m off again: f'(x + m) = f(x).

    The first layer of f' has the bias b − W m, so that all further values are the same, and the range that f declares
    for its input is moved by m as well. 0 where the map does not depend on where the zero of the input is, up to the
    rounding of x + m; NaN where R is 0 throughout. A map that multiplies by x is not invariant, nor one that
    compares with a fixed baseline.

    Args:
        net: a network whose input is read by one dense layer, or one convolution without padding, perhaps behind
            layers that only give it another shape.
        explain: (net, x, target) → a map of each row of x.
        x: (N, ...).
        target: as of :func:`lrp_ref.explain`; None for each sample's largest output.
        shift: m: a number, an array (C,) with one for each channel, or one of the sample's shape. The bias of a layer
            that is applied at several positions takes only what is the same at all of them.

    Raises:
        UnsupportedError: a first layer that has no bias to take the shift: padded, or of another kind.
        ShapeError: m that does not fit x, or differs from position to position.

    Source: Kindermans et al. 2019, "The (un)reliability of saliency methods", doi:10.1007/978-3-030-28954-6_14.

    Example:
        >>> net, x = Network.sequential([Dense(np.array([[2.0], [3.0]]))]), np.array([[1.0, 2.0]])
        >>> input_invariance(net, lambda net, x, target: x * np.array([[2.0, 3.0]]), x, 0)
        array([0.5])
    """
    asking = Asking.of(net, explain, x, target)
    m = channelwise(shift, x)
    m = m[None] if m.ndim == x.ndim - 1 and m.ndim > 0 else m
    if not fits(tuple(m.shape), (1, *x.shape[1:])):
        raise ShapeError(f"shift has shape {tuple(m.shape)}, and x {tuple(x.shape)}: give a number, or one per channel")
    shifted = _shifted(net, namespace(x).broadcast_to(m, (1, *x.shape[1:])))
    still, moved = (to_numpy(maps).astype(float) for maps in (asking.maps(), asking.maps(x + m, net=shifted)))
    axes = tuple(range(1, still.ndim))
    return quotient(abs(moved - still).max(axis=axes, initial=0), abs(still).max(axis=axes, initial=0))


def _shifted(net: Network, whole: Array) -> Network:
    """Return f', which takes off again what was added to the input: m, as one sample ``whole`` (1, ...)."""
    name, value = net.inputs[0].name, whole
    while True:
        readers = net.consumers(name)
        layer = readers[0].layer if len(readers) == 1 else None
        if not isinstance(layer, MOVES):
            break
        name, value = readers[0].name, layer.forward(value)
    if not isinstance(layer, Dense | Conv):
        kinds = ", ".join(f"'{n.name}' ({type(n.layer).__name__})" for n in readers) or "none"
        raise UnsupportedError(
            "input_invariance shifts the bias of the one dense layer or convolution that reads the input; "
            f"here it is read by {kinds}"
        )
    if isinstance(layer, Conv) and np.any(np.asarray(layer.padding) != 0):
        raise UnsupportedError(
            f"node '{readers[0].name}' pads with zeros, which a shifted input does not have: no bias undoes the shift "
            "at the border"
        )
    flat = to_numpy(value).reshape(*value.shape[:2], -1) if isinstance(layer, Conv) else _positions(to_numpy(value))
    if bool((flat != flat[:, :, :1]).any()):
        raise ShapeError(
            f"shift differs between the positions at which node '{readers[0].name}' is applied, and it has one bias "
            "for all of them: give one number per channel"
        )
    z = layer.edited(KEEP, ZERO).forward(value)
    each = z.reshape(*z.shape[:2], -1)[0, :, 0] if isinstance(layer, Conv) else z.reshape(-1, z.shape[-1])[0]
    bias = -each if layer.bias is None else layer.bias - each
    first = net.inputs[0]
    low, high = _moved((first.low, first.high), whole)
    made = net.replaced({readers[0].name: replace(layer, bias=bias)})
    return replace(made, inputs=(replace(first, low=low, high=high),))


def _positions(value: Host) -> Host:
    """Return (1, ..., in) as (1, in, positions)."""
    return np.moveaxis(value.reshape(1, -1, value.shape[-1]), 1, 2)


def _moved(bounds: tuple[Any, Any], whole: Array) -> list[Host | None]:
    """Return the bounds of the input moved by m: both as numbers, per channel, or per place, as few as say it."""
    moved = [None if b is None else to_numpy(channelwise(b, whole) + whole) for b in bounds]
    given = [b for b in moved if b is not None]
    each = [b.reshape(*b.shape[:2], -1)[0, :, :1] for b in given]
    if any(bool((b.reshape(*b.shape[:2], -1)[0] != e).any()) for b, e in zip(given, each, strict=True)):
        return [None if b is None else b[0] for b in moved]
    same = all(bool((e == e[0]).all()) for e in each)
    return [None if b is None else b.reshape(-1)[0] if same else b.reshape(*b.shape[:2], -1)[0, :, 0] for b in moved]
