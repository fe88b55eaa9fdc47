"""What Quantus returns where it explains again."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ...base.arrays import Array, convert, namespace, to_numpy
from ...errors import ParameterError, ShapeError, UnsupportedError, require
from ...layers import Conv
from ...network.network import Network
from ...rules.edits import KEEP, ZERO
from ..explainers import Asking, Explainer
from ..given import Host
from .maps import normalised


def input_invariance(net: Network, explain: Explainer, x: Array, target: Any = None, *, shift: float = -1.0) -> Host:
    """Return as 0 or 1 whether every number of R(x; f) and R(x'; f') agrees to 10⁻⁴ (N,).

    Instead of :func:`lrp_ref.evaluate.input_invariance`: the first number of x is not shifted; with zero padding the
    bias of f' takes off the *smallest* of the values that the shift has in a channel, wrong at the border or inside.
    The plain gradient is then judged not to be invariant.

    Args:
        net: a network whose first node is a convolution.
        explain: (net, x, target) → a map of each row of x.
        x: (N, C, ...).
        target: as of :func:`lrp_ref.explain`; None for each sample's largest output.
        shift: m, a number.

    Raises:
        UnsupportedError: another first node.

    Example:
        >>> from lrp_ref.layers import Flatten
        >>> net = Network.sequential([Conv(np.ones((1, 1, 1))), Flatten()])
        >>> input_invariance(net, lambda net, x, target: x * 0 + 1.0, np.ones((1, 1, 1)), 0)
        array([1.])
    """
    first = net.nodes[0]
    if not isinstance(first.layer, Conv):
        raise UnsupportedError(f"node '{first.name}' is a {type(first.layer).__name__}: this is of a convolution first")
    asking, xp = Asking.of(net, explain, x, target), namespace(x)
    moved = np.array(to_numpy(x)).reshape(len(x), -1)
    moved[:, 1:] += shift
    z = to_numpy(first.layer.edited(KEEP, ZERO).forward(x[:1] * 0 + shift))[0]
    each = convert(np.asarray(z.reshape(len(z), -1).min(axis=1), dtype=x.dtype), xp)
    layer = replace(first.layer, bias=-each if first.layer.bias is None else first.layer.bias - each)
    again = asking.maps(convert(moved.reshape(x.shape), xp), net=net.replaced({first.name: layer}))
    a, b = (to_numpy(maps).astype(float).reshape(len(x), -1) for maps in (asking.maps(), again))
    return np.asarray(np.isclose(a, b, atol=1e-4).all(axis=1).astype(float))


def random_logit(
    net: Network, explain: Explainer, x: Array, target: Any = None, *, others: Any = None, num_classes: int = 1000,
    seed: int = 42, normalise: bool = True,
) -> Host:  # fmt: skip
    """Return the SSIM of the maps of the target and of another class as *vectors* (N,): neighbours are those in a row.

    Instead of :func:`lrp_ref.evaluate.random_logit`: pictures are flattened, and a window of 7 numbers goes over the
    end of each line into the next. Each batch of maps is divided by its own maximum. The other class is drawn among
    ``num_classes``, also of a network that has fewer, and depends on the place in the batch.

    Args:
        net, explain, x, target: as of :func:`input_invariance`, for any network.
        others: the other classes (N,) themselves.
        num_classes: among which one is drawn.
        seed: of the draw, by the generator of old that Quantus uses.
        normalise: divide each batch by its largest |R|.

    Raises:
        MissingExtraError: scikit-image is not installed.
        ParameterError: a class that the network does not have.

    Example:
        >>> random_logit.__name__
        'random_logit'
    """
    metrics = require("skimage.metrics", extra="evaluate", purpose="compare maps (ssim)")
    asking = Asking.of(net, explain, x, target)
    chosen, count = asking.targets[:, 0], math.prod(net.forward(x[:1]).shape[1:])
    if others is None:
        drawn = np.random.RandomState(seed).randint(0, num_classes - 1, len(x))
        other = drawn + (drawn >= chosen)
    else:
        other = np.broadcast_to(np.asarray(others), chosen.shape)
    if ((other < 0) | (other >= count)).any():
        raise ParameterError(f"class {int(other.max())} is not one of the network's {count}: give num_classes={count}")
    maps = [asking.maps(), replace(asking, targets=np.ascontiguousarray(other[:, None])).maps()]
    flat = [(normalised(m) if normalise else to_numpy(m).astype(float)).reshape(len(x), -1) for m in maps]
    found = []
    for a, b in zip(*flat, strict=True):
        span = float(max(a.max(), b.max()) - min(a.min(), b.min()))
        found.append(metrics.structural_similarity(a, b, data_range=span))
    return np.array(found, dtype=float)


def local_lipschitz(
    net: Network, explain: Explainer, x: Array, target: Any = None, *, noise: Array, sigma: float = 0.1,
    normalise: bool = True,
) -> Host:  # fmt: skip
    """Return max ‖R(x)/m − R(x')/m'‖/(‖x − x'‖ + 10⁻¹⁰) (N,) with the largest |R| of each batch, m and m'.

    Instead of :func:`lrp_ref.evaluate.local_lipschitz`: R(x) and R(x') are divided by different numbers, so that a map
    that only grows does not move, and the result has no unit to compare with.

    Args:
        net, explain, x, target: as of :func:`random_logit`.
        noise: the draws ξ (draws, N, ...), one for each sample, standard normal; Quantus takes 200.
        sigma: σ of x' = x + σ ξ.
        normalise: divide each batch by its largest |R|.

    Raises:
        ShapeError: noise of another shape.

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net, x = Network.sequential([Dense(np.array([[2.0], [3.0]]))]), np.array([[1.0, 2.0]])
        >>> grows = lambda net, x, target: x * 5
        >>> local_lipschitz(net, grows, x, 0, noise=x[None], normalise=False).round(6)
        array([5.])
        >>> local_lipschitz(net, grows, x, 0, noise=x[None]).round(6)
        array([0.])
    """
    way, moves, _ = _moves(net, explain, x, target, noise, sigma, normalise)
    return np.asarray(np.fmax.reduce(moves / (way + 1e-10)))


def max_sensitivity(
    net: Network, explain: Explainer, x: Array, target: Any = None, *, noise: Array, radius: float = 0.2,
    normalise: bool = False,
) -> Host:  # fmt: skip
    """Return max ‖R(x') − R(x)‖/‖R(x)‖ (N,) with r = 0.2, or of R(x)/m and R(x')/m', the largest |R| of each batch.

    Instead of :func:`lrp_ref.evaluate.max_sensitivity`: every sample has draws of its own, and with ``normalise``, as
    of :func:`local_lipschitz`, R(x) and R(x') are divided by different numbers, so that a sample's result depends on
    the others. A map of zeros gives ∞, or NaN where it does not move.

    Args:
        net, explain, x, target: as of :func:`random_logit`.
        noise: the draws (draws, N, ...), one for each sample, uniform within ±1; Quantus takes 200.
        radius: r, that multiplies them; ten times what captum takes.
        normalise: divide each batch by its largest |R|.

    Raises:
        ShapeError: noise of another shape.

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net, x = Network.sequential([Dense(np.array([[2.0], [3.0]]))]), np.array([[1.0, 2.0]])
        >>> grows = lambda net, x, target: x * 5
        >>> max_sensitivity(net, grows, x, 0, noise=x[None] / 2).round(6)
        array([0.1])
        >>> max_sensitivity(net, grows, x, 0, noise=x[None] / 2, normalise=True).round(6)
        array([0.])
    """
    _, moves, still = _moves(net, explain, x, target, noise, radius, normalise)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.fmax.reduce(moves / still))


def _moves(
    net: Network, explain: Explainer, x: Array, target: Any, noise: Array, size: float, normalise: bool
) -> tuple[Host, Host, Host]:
    """Return ‖x − x'‖ and ‖R(x) − R(x')‖ (draws, N), and ‖R(x)‖ (N,), of maps divided by the largest of their batch."""
    if not len(noise) or tuple(noise.shape[1:]) != tuple(x.shape):
        raise ShapeError(f"noise has shape {tuple(noise.shape)}: give (draws, {', '.join(map(str, x.shape))})")
    asking = Asking.of(net, explain, x, target)

    def scaled(maps: Array) -> Host:
        host = normalised(maps) if normalise else to_numpy(maps).astype(float)
        return host.reshape(len(x), -1)

    still, ways, moves = scaled(asking.maps()), [], []
    for one in noise:
        moved = x + size * one
        ways.append(np.linalg.norm(to_numpy(moved - x).astype(float).reshape(len(x), -1), axis=1))
        moves.append(np.linalg.norm(still - scaled(asking.maps(moved)), axis=1))
    return np.stack(ways), np.stack(moves), np.linalg.norm(still, axis=1)
