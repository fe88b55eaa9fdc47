"""Concept relevance: the explanation by some channels alone, and the maps of all channels of a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from ...arithmetic import scalar
from ...base.arrays import Array, namespace, to_numpy
from ...errors import ParameterError
from ...network.network import Network
from ...propagation.explaining import explain
from ...propagation.explanation import Explanation
from ..scored import joined
from .arrived import Arrived, Asked, Walked

MEMORY = 2 << 30  # bytes of the maps of all channels, unless it is said otherwise
STREAMED = 64 << 20  # bytes of the maps of the channels that are made at a time
Progress = Callable[[int, int], object]


def concept_relevance(
    net: Network, x: Any, target: Any = None, *, conditions: Any, composite: Any = "epsilon_plus", **options: Any
) -> Explanation:
    """Explain by some channels alone: R of all other channels of the named values is dropped where it arrives.

    With a condition θ = {value: channels}, R(x | θ) is the map of what the prediction owes to these concepts;
    conditions on several values hold along every path. Σ_k R(x | {value: k}) over all channels of a value through
    which all paths go is R(x).

    Args:
        net, x, target, composite: as of :func:`lrp_ref.explain`.
        conditions: name of a value → its channels (axis 1): a list of numbers, or booleans (C,), (N, C) per sample, or
            (N, C, ...) of the whole value. Names are those of the network as it is explained: without merged nodes.
        options: any other argument of :func:`lrp_ref.explain`.

    Raises:
        ParameterError: no conditions, a name that is not there, or a channel out of range.
        LrpError: whatever :func:`lrp_ref.explain` raises.

    Source: Achtibat et al. 2023, "From attribution maps to human-understandable explanations through concept relevance
    propagation".

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [("fc1", lrp.layers.Dense(np.array([[1.0, 2.0], [3.0, 1.0]]))), ("relu", lrp.layers.ReLU()),
        ...           ("fc2", lrp.layers.Dense(np.ones((2, 1))))]
        >>> net, x = lrp.Network.sequential(layers), np.array([[1.0, 1.0]])
        >>> one, other = (lrp.concept_relevance(net, x, conditions={"fc1": [k]}, composite="lrp0") for k in (0, 1))
        >>> one.relevance, other.relevance, lrp.explain(net, x, composite="lrp0").relevance
        (array([[1., 3.]]), array([[2., 1.]]), array([[3., 4.]]))
    """
    if not conditions:
        raise ParameterError("concept_relevance needs conditions={'name of a value': [channels]}; without, lrp.explain")
    return explain(net, x, target=target, composite=composite, conditions=conditions, **options)


@dataclass(frozen=True, eq=False, repr=False)
class ConditionalMaps:
    """The map of each channel of a value.

    Attributes:
        relevance: (N, K, ...) for K channels; by name for several inputs.
        at: the value.
        channels: their numbers.
        concepts: the relevance of the channels themselves, Σ over their positions (N, K).
        output: of the network (N, ...).
        notes: what has to be known to read the maps.
    """

    relevance: Any
    at: str
    channels: tuple[int, ...]
    concepts: Array
    output: Array
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parts = self.relevance.values() if isinstance(self.relevance, Mapping) else (self.relevance,)
        shapes = ", ".join(str(tuple(part.shape)) for part in parts)
        notes = "".join(f"; {note}" for note in self.notes)
        return f"ConditionalMaps({len(self.channels)} channels of '{self.at}': relevance {shapes}{notes})"


def conditional_maps(
    net: Network,
    x: Any,
    *,
    at: str,
    channels: Any = None,
    target: Any = None,
    composite: Any = "epsilon_plus",
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    memory: int = MEMORY,
    progress: Progress | None = None,
    **parameters: Any,
) -> ConditionalMaps:
    """Return the map of what goes through each channel of a value; all of them add up to what goes through the value.

    The samples go forward once and back to the value once; from there the relevance of every channel goes down by
    itself, of as many channels at a time as an explanation of the batch takes memory for. Where relevance goes around
    the value, as in a residual block, that is in none of the maps, and ``notes`` says so.

    Args:
        net, x, target, composite, start, against, output, canonize, xp: as of :func:`lrp_ref.explain`.
        at: name of the value; its channels are axis 1.
        channels: their numbers; None for all.
        memory: bytes that the maps may take.
        progress: is called with how many maps are made, and how many there will be.
        parameters: of the composite.

    Raises:
        ParameterError: a value or channel that is not there, or maps that take more than ``memory``.
        LrpError: whatever :func:`lrp_ref.explain` raises.

    Source: Achtibat et al. 2023.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [("fc1", lrp.layers.Dense(np.array([[1.0, 2.0], [3.0, 1.0]]))), ("relu", lrp.layers.ReLU()),
        ...           ("fc2", lrp.layers.Dense(np.ones((2, 1))))]
        >>> maps = lrp.methods.conditional_maps(
        ...     lrp.Network.sequential(layers), np.array([[1.0, 1.0]]), at="fc1", composite="lrp0")
        >>> maps.relevance.tolist(), maps.concepts
        ([[[1.0, 3.0], [2.0, 1.0]]], array([[4., 3.]]))
    """
    arrived = Asked(composite, target, start, against, output, canonize, xp, parameters).of(net, x, (at,))
    chosen = chosen_channels(at, channels, arrived.shapes[at])
    size = _bytes(arrived) * len(chosen)
    if size > memory:
        raise ParameterError(
            f"the maps of {len(chosen)} channels of {len(arrived)} samples take {size:,} bytes, more than memory="
            f"{memory:,}: give fewer channels= or samples at a time, or memory={size}, or go through "
            "lrp.methods.stream_conditional_maps"
        )
    return _made(arrived, at, chosen, _Counted(len(arrived) * len(chosen), progress))


def stream_conditional_maps(
    net: Network, x: Any, *, at: str, channels: Any = None, memory: int = STREAMED, progress: Progress | None = None,
    **options: Any,
) -> Iterator[ConditionalMaps]:  # fmt: skip
    """Go through the maps of the channels of a value, as many channels at a time as ``memory`` bytes hold.

    Each time the samples go forward once more. Of N samples with maps of B bytes these are memory // (N·B) channels,
    and never less than one.

    Args:
        net, x, at, channels, progress: as of :func:`conditional_maps`.
        memory: bytes that the maps of one time may take.
        options: any other argument of :func:`conditional_maps`.

    Raises:
        ParameterError: a value or channel that is not there.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [("fc1", lrp.layers.Dense(np.ones((2, 5)))), ("fc2", lrp.layers.Dense(np.ones((5, 1))))]
        >>> net, x = lrp.Network.sequential(layers), np.ones((1, 2))
        >>> [some.channels for some in lrp.methods.stream_conditional_maps(net, x, at="fc1", memory=32)]
        [(0, 1), (2, 3), (4,)]
    """
    arrived = Asked.given(options).of(net, x, (at,))
    chosen = chosen_channels(at, channels, arrived.shapes[at])
    counted = _Counted(len(arrived) * len(chosen), progress)
    count = max(1, memory // max(_bytes(arrived), 1))
    for first in range(0, len(chosen), count):
        yield _made(arrived, at, chosen[first : first + count], counted)


def _made(arrived: Arrived, at: str, chosen: tuple[int, ...], counted: _Counted) -> ConditionalMaps:
    """Return the maps of some channels."""
    parts = arrived.each(lambda walked: _maps(walked, at, chosen, arrived, counted))
    maps = {name: joined([few[name] for few, _, _ in parts]) for name in arrived.receivers}
    around = arrived.around(at)
    notes = (f"relevance that goes around '{at}' to {', '.join(around)} is in no map",) if around else ()
    relevance = maps if len(arrived.fed) > 1 else next(iter(maps.values()))
    concepts, out = joined([sums for _, sums, _ in parts]), joined([out for _, _, out in parts])
    return ConditionalMaps(relevance, at, chosen, concepts, out, notes)


def _bytes(arrived: Arrived) -> int:
    """Return how many bytes the maps of one channel of all samples take."""
    numbers = sum(math.prod(arrived.fed[name].shape) for name in arrived.receivers)
    return int(numbers * arrived.prepared.net.like(arrived.fed).dtype.itemsize)


class _Counted:
    """Counts maps for a bar of progress; several threads may tell of theirs."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.done, self.total, self.progress, self.lock = 0, total, progress, Lock()

    def more(self, maps: int) -> None:
        """Tell of maps that are made."""
        with self.lock:
            self.done += maps
            if self.progress is not None:
                self.progress(self.done, self.total)


def chosen_channels(at: str, channels: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the channels that were asked for, a number or several; all for None.

    Raises:
        ParameterError: a channel that is not there.
    """
    if channels is None:
        return tuple(range(shape[0]))
    given = np.asarray(channels)
    if given.ndim > 1 or (given.size and given.dtype.kind not in "iu"):
        raise ParameterError(f"channels={channels!r}: give the numbers of channels of '{at}'")
    chosen = tuple(int(k) for k in given.reshape(-1))
    for k in chosen:
        if not 0 <= k < shape[0]:
            raise ParameterError(f"'{at}' has no channel {k}; it has {shape[0]}, from 0")
    return chosen


def alone(relevance: Array, channels: Sequence[int]) -> Array:
    """Return relevance (n, C, ...) once for each of k channels, in which the others are 0 (n·k, C, ...)."""
    xp = namespace(relevance)
    n, c, *rest = relevance.shape
    mask = xp.asarray(np.asarray(channels, dtype=int).reshape(-1, 1) == np.arange(c))
    mask = mask.reshape(1, len(channels), c, *(1,) * len(rest))
    kept = xp.where(mask, relevance.reshape(n, 1, c, *rest), scalar(0, relevance)).astype(relevance.dtype)
    return kept.reshape(n * len(channels), c, *rest)


def channel_sums(relevance: Array) -> Array:
    """Return the sums of relevance (n, C, ...) over the positions of each channel (n, C)."""
    n, c = relevance.shape[:2]
    return relevance if relevance.ndim == 2 else relevance.reshape(n, c, math.prod(relevance.shape[2:])).sum(axis=2)


def _maps(
    walked: Walked, at: str, channels: Sequence[int], arrived: Arrived, counted: _Counted
) -> tuple[dict[str, Array], Array, Array]:
    """Return the maps (n, K, ...) of some samples by name of the input, the sums of the channels, and the output."""
    xp, n = namespace(walked.output), len(walked.output)
    shapes = {name: arrived.fed[name].shape[1:] for name in arrived.receivers}
    maps = {name: xp.zeros((n, len(channels), *shape), dtype=walked.output.dtype) for name, shape in shapes.items()}
    together = arrived.starts(n)
    for first in range(0, len(channels), together):
        some = channels[first : first + together]
        found = walked.below(at, alone(walked.relevance[at], some))
        for name, array in maps.items():
            if name in found:
                array[:, first : first + len(some)] = found[name].reshape(n, len(some), *array.shape[2:])
        counted.more(n * len(some))
    sums = xp.take(channel_sums(walked.relevance[at]), xp.asarray(np.asarray(channels, dtype=int)), axis=1)
    return maps, sums, walked.output


def on_host(array: Array) -> Any:
    """Return an array on the host, exact numbers as floats."""
    host = to_numpy(array)
    return host.astype(float) if host.dtype == object else host
