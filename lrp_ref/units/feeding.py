"""A data set in batches, and the maps that the units of a value have on one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import namespace
from ..base.frozen import short, whole, wholes
from ..errors import ParameterError, ShapeError
from ..methods.concepts.arrived import Asked
from ..methods.concepts.conditional import on_host
from ..network.network import Network

Host = NDArray[Any]
BATCH = 32
MEMORY = 1 << 28  # bytes of maps that are kept, so that they need not be made again


def batches(x: Any, size: int = BATCH) -> Iterable[Any]:
    """Return a data set as batches: an array (N, ...), or several by name, is cut; batches stay what they are.

    Raises:
        ParameterError: batches of no samples.
    """
    if whole("batch", size) < 1:
        raise ParameterError(f"batch={size}: take at least one sample at a time")
    if not is_whole(x):
        given: Iterable[Any] = x
        return given
    return (cut(x, slice(first, first + size)) for first in range(0, length(x), size))


def is_whole(x: Any) -> bool:
    """Return whether a data set is given as a whole, not in batches.

    Raises:
        ParameterError: what is neither.
    """
    if not isinstance(x, Iterable) or isinstance(x, str | bytes):
        raise ParameterError(
            f"the data set is {short(x)}: give an array (N, ...), several by name, or an iterable of batches"
        )
    return hasattr(x, "shape") or isinstance(x, Mapping)


def length(x: Any) -> int:
    """Return the number of samples of an array, or of arrays by name.

    Raises:
        BackendError: no array.
        ShapeError: an array of one number.
    """
    first: Any = next(iter(x.values()), None) if isinstance(x, Mapping) else x
    if first is None:
        raise ParameterError("the data set is arrays by name, and there is none")
    namespace(first)
    if not first.shape:
        raise ShapeError("the samples are one number: give an array (N, ...)")
    return len(first)


def cut(x: Any, which: slice) -> Any:
    """Return some samples of an array, or of arrays by name."""
    return {name: array[which] for name, array in x.items()} if isinstance(x, Mapping) else x[which]


def require_again(x: Any, why: str) -> None:
    """Raise unless a data set can be gone through more than once.

    Raises:
        ParameterError: an iterator, which is used up by the first time; ``why`` says what it is gone through for.
    """
    if isinstance(x, Iterator):
        raise ParameterError(f"the batches come from a {type(x).__name__}, which can be read once: {why}")


def maps_of(net: Network, few: Any, at: str, canonize: bool) -> Host:
    """Return the maps (n, U, ...) of the units of a value on one batch, on the host.

    An input of the network is a value too, such as maps that were computed before.

    Raises:
        ParameterError: no such value, or one without units.
        NonFiniteError: NaN or infinity in them.
    """
    if at in {i.name for i in net.inputs}:
        fed: Host = on_host(net.feed(few)[at])
        if fed.ndim < 2:
            raise ParameterError(f"'{at}' is one number for each sample and has no units")
        return fed
    arrived = Asked("gradient", start="output", canonize=canonize).of(net, few, (at,))
    return np.concatenate(arrived.active(on_host))


def some_numbers(what: str, value: Any, least: int | None = None) -> tuple[int, ...]:
    """Return a parameter that is one whole number or several as a tuple; () for None.

    Raises:
        ParameterError: ``what`` it is, and that one is no whole number, or below ``least``.
    """
    if value is None:
        return ()
    return wholes(what, value, least) if is_several(value) else (whole(what, value, least),)


def is_several(value: Any) -> bool:
    """Return whether a parameter is several values, not one."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes) and getattr(value, "ndim", 1) > 0


def named(net: Network, at: Any) -> Network:
    """Return the network as the wing feeds it, (N, ...): the batch in front, wherever the network's own inputs have it.

    Raises:
        ParameterError: what cannot be the name of a value.
    """
    if not isinstance(at, str):
        raise ParameterError(f"at is {short(at)}: give the name of a value")
    return net.batch_first()


@dataclass(frozen=True, eq=False)
class DataSet:
    """A value of a network on a data set.

    Attributes:
        net: the network.
        x: the samples (N, ...), several arrays by name, or batches of them.
        at: name of the value.
        batch: samples at a time, where ``x`` is no batches.
        canonize: as of :func:`lrp_ref.explain`.
        samples: N.
        memory: bytes of maps that may be kept from the first time on.
        kept: the maps of all batches, when they have been made and take no more than that.
    """

    net: Network
    x: Any
    at: str
    batch: int
    canonize: bool
    samples: int
    memory: int = 0
    kept: list[tuple[int, Host]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        whole("samples", self.samples)
        whole("memory", self.memory)
        object.__setattr__(self, "net", named(self.net, self.at))

    def maps(self) -> Iterator[tuple[int, Host]]:
        """Go through the samples: the number of a batch's first one, and the maps (n, U, ...) of the units.

        Batches without samples are passed over. Maps that were kept are not made again.

        Raises:
            ShapeError: maps of different shapes, or another number of samples than ``samples``.
        """
        if self.kept:
            yield from self.kept
            return
        kept: list[tuple[int, Host]] = []
        first, size, shape = 0, 0, None
        for few in batches(self.x, self.batch):
            n = length(few)
            if first + n > self.samples:
                raise self._count(f"{first + n} samples or more")
            if not n:
                continue
            maps = maps_of(self.net, few, self.at, self.canonize)
            shape = maps.shape[1:] if shape is None else shape
            if maps.shape[1:] != shape:
                raise ShapeError(
                    f"'{self.at}' is {shape} for the first samples and {maps.shape[1:]} from sample {first} on: "
                    "all samples need one size"
                )
            size += maps.nbytes
            kept = [*kept, (first, maps)] if size <= self.memory else []
            yield first, maps
            first += n
        if first != self.samples:
            raise self._count(f"{first} samples")
        self.kept.extend(kept)

    def _count(self, found: str) -> ShapeError:
        return ShapeError(f"the data set has {found} where {self.samples} were said, or have masks")
