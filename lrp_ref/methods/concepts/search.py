"""RelMax and ActMax: the samples of a data set in which a channel has most relevance, or is most active."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ...base.arrays import Array, by_name, to_numpy
from ...base.frozen import whole
from ...errors import ParameterError, ShapeError
from ...network.network import Network
from ...propagation.targets import is_tuple
from .arrived import Asked
from .conditional import channel_sums, on_host
from .strongest import BY, Host, Strongest
from .table import normalised, require_norm

MOST = 40


def relmax(
    net: Network,
    x: Any,
    *,
    at: str,
    k: int = MOST,
    by: str = "sum",
    norm: str | None = None,
    target: Any = None,
    composite: Any = "epsilon_plus",
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    progress: Callable[[int], object] | None = None,
    **parameters: Any,
) -> Strongest:
    """Return for each channel of a value the samples in which it has most relevance, Σ_yx R_k or max_yx R_k.

    Of equal samples the one of the lower number comes first, whatever the batches are.

    Args:
        net, composite, start, against, output, canonize, xp: as of :func:`lrp_ref.explain`.
        x: the data set (N, ...), or an iterable of batches of it, of which one at a time is in memory.
        at: name of the value; its channels are axis 1.
        k: how many samples to keep for each channel.
        by: "sum" over the positions of a channel, or the "max" of them.
        norm: None, or "crp" to divide by Σ_k |R_k| + 1e-10 of each sample.
        target: what is explained: None for each sample's largest output, one index for all, or one per sample of the
            data set, such as its labels.
        progress: is called after each batch with how many samples are done.
        parameters: of the composite.

    Raises:
        ParameterError: a value that is not there, another choice of ``by`` or ``norm``, or no batch at all.
        ShapeError: another number of targets than of samples.

    Source: Achtibat et al. 2023 (RelMax).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [("fc1", lrp.layers.Dense(np.array([[1.0, 2.0], [3.0, 1.0]]))), ("relu", lrp.layers.ReLU()),
        ...           ("fc2", lrp.layers.Dense(np.ones((2, 1))))]
        >>> x = np.array([[1.0, 1.0], [0.0, 1.0], [2.0, 0.0]])
        >>> lrp.methods.relmax(lrp.Network.sequential(layers), x, at="fc1", k=2, composite="lrp0")
        relevance of 'fc1' by sum: 2 samples for each of 2 channels
        channel  strongest samples
        ──────────────────────────
        0        0: 4, 1: 3
        1        2: 4, 0: 3
    """
    asked = Strongest(at, "relevance", by, norm, *_nothing())
    targets = None if target is None or np.ndim(target) == 0 or is_tuple(target) else to_numpy(np.asarray(target))
    net = net if xp is None else net.to(by_name(xp))

    def measured(few: Any, first: int, count: int) -> list[tuple[Host, Host]]:
        chosen = target if targets is None else targets[first : first + count]
        arrived = Asked(composite, chosen, start, against, output, canonize, xp, parameters).of(net, few, (at,))
        return arrived.each(lambda walked: _measured(walked.relevance[at], asked))

    return _search(net, x, measured, asked, k, targets, progress)


def actmax(
    net: Network,
    x: Any,
    *,
    at: str,
    k: int = MOST,
    by: str = "sum",
    norm: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    progress: Callable[[int], object] | None = None,
) -> Strongest:
    """Return for each channel of a value the samples in which it is most active, by Σ_yx a_k or max_yx a_k.

    A value means what it means to :func:`lrp_ref.explain`: of a convolution that BatchNorm is merged into, what that
    makes of it. Of equal samples the one of the lower number comes first.

    Args:
        net, x, at, k, by, norm, canonize, xp, progress: as of :func:`relmax`.

    Raises:
        ParameterError: a value that is not there, another choice of ``by`` or ``norm``, or no batch at all.

    Source: Achtibat et al. 2023 (ActMax, beside RelMax).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([("fc1", lrp.layers.Dense(np.array([[1.0, 2.0], [3.0, 1.0]])))])
        >>> lrp.methods.actmax(net, np.array([[1.0, 1.0], [0.0, 1.0]]), at="fc1", k=1).samples
        array([[0, 0]])
    """
    asked = Strongest(at, "activation", by, norm, *_nothing())
    net = net if xp is None else net.to(by_name(xp))

    def measured(few: Any, first: int, count: int) -> list[tuple[Host, Host]]:
        arrived = Asked("gradient", start="output", canonize=canonize, xp=xp).of(net, few, (at,))
        return arrived.active(lambda value: _measured(value, asked))

    return _search(net, x, measured, asked, k, None, progress)


def _nothing() -> tuple[Host, Host, Host]:
    return np.zeros((0, 0), dtype=int), np.zeros((0, 0)), np.zeros((0, 0), dtype=int)


def _measured(value: Array, asked: Strongest) -> tuple[Host, Host]:
    """Return how strong each channel of each sample is (n, C), and at which position its largest number is."""
    n, c = value.shape[:2]
    host = on_host(value).reshape(n, c, math.prod(value.shape[2:]))
    positions = host.argmax(axis=2)
    strength = on_host(channel_sums(value)) if asked.by == "sum" else host.max(axis=2)
    return normalised(strength, asked.norm), positions


def _search(
    net: Network,
    x: Any,
    measured: Callable[[Any, int, int], list[tuple[Host, Host]]],
    asked: Strongest,
    k: int,
    targets: Host | None,
    progress: Callable[[int], object] | None,
) -> Strongest:
    """Return the strongest samples of all batches, of which the k best so far are kept."""
    require_norm(asked.norm)
    if asked.by not in BY:
        raise ParameterError(f"by={asked.by!r}: give 'sum' or 'max' over the positions of a channel")
    if whole("k", k) < 1:
        raise ParameterError(f"k={k}: keep at least one sample, k=1")
    found: Strongest | None = None
    first = 0
    for few, count in _batches(net, x):
        if targets is not None and first + count > len(targets):
            raise ShapeError(f"target has {len(targets)} entries and the data set more samples: give one per sample")
        values, positions = (np.concatenate(parts) for parts in zip(*measured(few, first, count), strict=True))
        samples = np.broadcast_to(np.arange(first, first + count)[:, None], values.shape)
        one = asked.of(samples, values, positions, k)
        found = one if found is None else found.merged(one, k)
        first += count
        if progress is not None:
            progress(first)
    if found is None:
        raise ParameterError("the data set has no batches: give x (N, ...), or an iterable that was not gone through")
    if targets is not None and first != len(targets):
        raise ShapeError(f"target has {len(targets)} entries and the data set {first} samples: give one per sample")
    return found


def _batches(net: Network, x: Any) -> Iterator[tuple[Any, int]]:
    """Go through the batches of a data set, each with its number of samples."""
    given: Iterable[Any] = [x] if hasattr(x, "shape") or isinstance(x, Mapping) else x
    for few in given:
        arrays = net.feed(few)
        yield few, len(next(iter(arrays.values())))
