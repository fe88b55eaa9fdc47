"""Concept relevance: the explanation by some channels alone, and the maps of all channels of a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...arithmetic import scalar
from ...base.arrays import Array, namespace, to_numpy
from ...errors import ParameterError
from ...network.network import Network
from ...propagation.explaining import explain
from ...propagation.explanation import Explanation
from ..scored import joined
from .arrived import Arrived, Asked, Walked

MEMORY = 2 << 30  # bytes of the maps of all channels, unless it is said otherwise


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
    channels: Sequence[int] | None = None,
    target: Any = None,
    composite: Any = "epsilon_plus",
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    memory: int = MEMORY,
    progress: Callable[[int, int], object] | None = None,
    **parameters: Any,
) -> ConditionalMaps:
    """Return the map of what goes through each channel of a value; all of them add up to what goes through the value.

    One pass forward and back, and one more from the value down for each channel. Where relevance goes around the value,
    as in a residual block, that is in none of the maps, and ``notes`` says so.

    Args:
        net, x, target, composite, start, against, output, canonize, xp: as of :func:`lrp_ref.explain`.
        at: name of the value; its channels are axis 1.
        channels: which; None for all.
        memory: bytes that the maps may take.
        progress: is called with how many maps are made, and how many there will be.
        parameters: of the composite.

    Raises:
        ParameterError: a value or channel that is not there, or maps that take more than ``memory``.

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
    asked = Asked(composite, target, start, against, output, canonize, xp, parameters)
    arrived = asked.of(net, x, (at,))
    chosen = chosen_channels(at, channels, arrived.shapes[at])
    n = len(arrived)
    sizes = {name: math.prod(arrived.fed[name].shape) * len(chosen) for name in arrived.receivers}
    like = arrived.prepared.net.like(arrived.fed)
    size = sum(sizes.values()) * like.dtype.itemsize
    if size > memory:
        raise ParameterError(
            f"the maps of {len(chosen)} channels of {n} samples take {size:,} bytes, more than memory={memory:,}: give "
            "fewer channels= or samples at a time, or memory="
        )
    done = [0]

    def tell() -> None:
        done[0] += 1
        if progress is not None:
            progress(done[0], len(chosen) * len(parts))

    parts = arrived.walked()
    made = [_maps(part, at, chosen, arrived, tell) for part in parts]
    maps = {name: joined([few[name] for few in made]) for name in arrived.receivers}
    concepts = joined([channel_sums(part.relevance[at])[:, list(chosen)] for part in parts])
    around = arrived.goes_around.get(at, ())
    notes = (f"relevance that goes around '{at}' to {', '.join(around)} is in no map",) if around else ()
    relevance = maps if len(net.inputs) > 1 else next(iter(maps.values()))
    return ConditionalMaps(relevance, at, chosen, concepts, joined([part.output for part in parts]), notes)


def chosen_channels(at: str, channels: Sequence[int] | None, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the channels that were asked for, all for None.

    Raises:
        ParameterError: a value without channels, or a channel that is not there.
    """
    if not shape:
        raise ParameterError(f"'{at}' is one number for each sample and has no channels")
    chosen = tuple(range(shape[0])) if channels is None else tuple(int(k) for k in channels)
    for k in chosen:
        if not 0 <= k < shape[0]:
            raise ParameterError(f"'{at}' has no channel {k}; it has {shape[0]}, from 0")
    return chosen


def channel(relevance: Array, k: int) -> Array:
    """Return relevance (N, C, ...) of one channel, 0 in the others."""
    xp = namespace(relevance)
    shape = (1, relevance.shape[1], *(1,) * (relevance.ndim - 2))
    alone = (xp.arange(relevance.shape[1]) == k).reshape(shape)
    return xp.where(alone, relevance, scalar(0, relevance)).astype(relevance.dtype)


def channel_sums(relevance: Array) -> Array:
    """Return the sums of relevance (N, C, ...) over the positions of each channel (N, C)."""
    n, c = relevance.shape[:2]
    return relevance if relevance.ndim == 2 else relevance.reshape(n, c, math.prod(relevance.shape[2:])).sum(axis=2)


def _maps(
    part: Walked, at: str, channels: Sequence[int], arrived: Arrived, tell: Callable[[], None]
) -> dict[str, Array]:
    """Return the maps (n, K, ...) of some samples, by name of the input."""
    xp, n = namespace(part.output), len(part.output)
    shapes = {name: arrived.fed[name].shape[1:] for name in arrived.receivers}
    maps = {name: xp.zeros((n, len(channels), *shape), dtype=part.output.dtype) for name, shape in shapes.items()}
    for place, k in enumerate(channels):
        found = part.below(at, channel(part.relevance[at], k))
        for name, array in maps.items():
            if name in found:
                array[:, place] = found[name]
        tell()
    return maps


def on_host(array: Array) -> Any:
    """Return an array on the host, exact numbers as floats."""
    host = to_numpy(array)
    return host.astype(float) if host.dtype == object else host
