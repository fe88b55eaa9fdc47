"""What a tensor of an ONNX graph is to the converter: a constant, or a signal that depends on the input.

A graph is read for two batch sizes and, where sizes are free, for two sizes of each: the *probes*. Whatever is the
same in both is fixed; what varies depends on the sizes. Batches of size 0 run through the layers to find shapes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...errors import LONGEST, one_line
from ..refusals import Entry, told

PROBES = 2
AXES = 64  # NumPy's arrays have no more
WHOLE = -1  # in place of a batch axis: the whole array is one sample
Sizes = tuple[int, ...]


class Refusal(Exception):  # noqa: N818  it is collected, and reported as one UnsupportedError
    """Why a node cannot be converted, or several of them.

    Args:
        reason: of one node; what is wrong with several of them is told by ``nodes``.
        nodes: (operator, name, reason) of each.
    """

    def __init__(self, reason: str = "", nodes: Sequence[Entry] = ()) -> None:
        super().__init__(reason)
        self.nodes = tuple(nodes)

    def told(self, longest: int = LONGEST // 2) -> str:
        """Return all of it on one line of at most so many characters."""
        return told(self.nodes, longest) if self.nodes else one_line(str(self), longest)


@dataclass(frozen=True)
class Constant:
    """A tensor that depends on weights and shapes only.

    Attributes:
        probes: its value for each probe; all the same array when it does not depend on free sizes.
    """

    probes: tuple[np.ndarray[Any, Any], ...]

    @staticmethod
    def fixed(array: np.ndarray[Any, Any]) -> Constant:
        """Return a constant that is the same for every probe."""
        return Constant((array,) * PROBES)

    @property
    def is_fixed(self) -> bool:
        """Whether it is the same for every probe."""
        first = self.probes[0]
        return all(
            a is first or (a.dtype == first.dtype and np.array_equal(a, first, equal_nan=a.dtype.kind == "f"))
            for a in self.probes
        )

    def array(self) -> np.ndarray[Any, Any]:
        """Return the value, which must not depend on free sizes."""
        if not self.is_fixed:
            raise Refusal("a parameter depends on a free size of the input: fix it with load(..., shapes=...)")
        return self.probes[0]

    def once(self, place: int) -> Constant:
        """Return what is the same for every sample, once; ``place`` is where samples would lie, from the end (< 0).

        Exporters write zeros for each sample of a batch whose size is free, such as the first state of a loop.
        """
        if self.is_fixed or not -self.probes[0].ndim <= place < 0:
            return self
        if any(p.ndim != self.probes[0].ndim or not p.shape[place] for p in self.probes):
            return self
        first = tuple(p.take([0], axis=place) for p in self.probes)
        alike = all((p == one).all() for p, one in zip(self.probes, first, strict=True))
        return Constant(first) if alike else self

    def integers(self) -> list[int]:
        """Return the value as a flat list of integers."""
        return [int(v) for v in self.array().reshape(-1).tolist()]


@dataclass(frozen=True)
class Signal:
    """A tensor that depends on the input, and where its values are in the network that is being built.

    The network has the batch first; the ONNX tensor has it at axis ``batch``, its other axes in the same order.

    Attributes:
        value: name of the network's value.
        batch: the ONNX tensor's batch axis; WHOLE where it has none.
        sizes: for each probe, the sample's shape: the ONNX shape without the batch.
        stored: for each probe, the sample's shape that the network's value has; it differs from ``sizes`` while a
            reshape is pending.
        integer: whether the network's value is an array of integers: an input that holds tokens or counts.
        merged: from which to before which of its axes are one axis of the file, in which samples are counted together
            with something else (N·heads); None where none are. All else is said of the axes apart.
    """

    value: str
    batch: int
    sizes: tuple[Sizes, ...]
    stored: tuple[Sizes, ...]
    integer: bool = False
    merged: tuple[int, int] | None = None

    @property
    def rank(self) -> int:
        """Number of axes of the ONNX tensor."""
        return len(self.sizes[0]) + (self.batch != WHOLE)

    @property
    def depth(self) -> int:
        """Number of axes of the network's value, whose first is the batch."""
        return len(self.sizes[0]) + 1

    @property
    def pending(self) -> bool:
        """Whether the value still has to be reshaped before a layer reads it."""
        return self.sizes != self.stored

    def axis(self, axis: int) -> int:
        """Return the network's axis (1 and up) of an axis of the ONNX tensor; the batch is refused."""
        if not -self.rank <= axis < self.rank:
            raise Refusal(f"axis {axis} of a tensor with {self.rank} axes does not exist")
        axis %= self.rank
        if axis == self.batch:
            raise Refusal(f"axis {axis} is the batch: samples would be mixed")
        return network_axis(axis, self.batch)

    def shape(self, probe: int, n: int) -> Sizes:
        """Return the ONNX tensor's shape for a batch of ``n``."""
        sizes = self.sizes[probe]
        if self.batch == WHOLE:
            return sizes
        return (*sizes[: self.batch], n, *sizes[self.batch :])

    def file_shape(self, probe: int, n: int) -> Sizes:
        """Return the ONNX tensor's shape as the file has it, with what is merged as one axis."""
        shape = self.shape(probe, n)
        if self.merged is None:
            return shape
        first, last = self.merged
        return (*shape[:first], count(shape[first:last]), *shape[last:])

    def size(self, axis: int) -> int | None:
        """Return the size of the network's axis ``axis`` (1 and up), or None where it is free."""
        found = {sizes[axis - 1] for sizes in self.sizes}
        return found.pop() if len(found) == 1 else None

    def behind(self, axis: int) -> int:
        """Return the batch axis after the ONNX tensor's axis ``axis`` (0 and up, not the batch) was removed."""
        return self.batch - 1 if axis < self.batch else self.batch

    def moved(self, batch: int) -> Signal:
        """Return the same signal with the ONNX batch axis elsewhere."""
        return replace(self, batch=batch)


@dataclass(frozen=True)
class Refused:
    """A tensor that a refused node should have made; whoever reads it is not reported again."""

    reason: str | None = None


@dataclass(frozen=True)
class Above:
    """Where a signal is above a number, or is not; a layer is made of it unless a rectifier is recognised in it.

    Attributes:
        signal: what is compared.
        threshold: the number.
        comparison: of the signal with the number, as ``Compare`` calls it.
        maker: the ONNX tensor.
    """

    signal: Signal
    threshold: float
    comparison: str
    maker: str

    @property
    def negated(self) -> bool:
        """Whether it is true below the number."""
        return self.comparison.startswith("less")


class Special:
    """A tensor that only some operators can read, or that others read in a way of its own."""

    @property
    def described(self) -> str:
        """What is said of it where it cannot be read: "holds …"."""
        raise NotImplementedError

    def read_by(self, ctx: Any, op: Any) -> Any:
        """Return what a node that reads it makes."""
        raise NotImplementedError


Tensor = Constant | Signal | Refused | Above | Special


def network_axis(axis: int, batch: int) -> int:
    """Return the network's axis (1 and up) of an axis (0 and up) of an ONNX tensor with its batch at ``batch``."""
    return axis if 0 <= batch < axis else axis + 1


def merge_sizes(sizes: tuple[Sizes, ...]) -> Sizes:
    """Return one sample shape for a Reshape layer: −1 for the size that varies between the probes."""
    merged = tuple(a[0] if len(set(a)) == 1 else -1 for a in zip(*sizes, strict=True))
    if merged.count(-1) > 1:
        raise Refusal(f"a shape with {merged.count(-1)} free sizes: fix them with load(..., shapes=...)")
    return merged


def lowest(dtype: np.dtype[Any]) -> float:
    """Return the number that stands for −∞ in a mask; two of them may be added."""
    return float(np.finfo(dtype).min / 4)


def count(shape: Sizes) -> int:
    """Return the number of elements; a shape from a file may have a million sizes, whose product takes forever."""
    if len(shape) > AXES:
        raise Refusal(f"a shape of {len(shape)} sizes; arrays have at most {AXES} axes")
    return math.prod(shape)


def owner_of(value: str) -> str:
    """Return the provisional name of the layer ("#3" of "#3:1") or input ("@name") that provides a value."""
    return value if value.startswith("@") else value.partition(":")[0]
