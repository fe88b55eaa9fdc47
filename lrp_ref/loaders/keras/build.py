"""The network that is being built, and one use of one layer of Keras, which the handlers read and emit through.

Keras has the channels last, the network has them first. A signal whose channels were brought to the front stays so for
as long as layers do not care, and goes back where one does: a chain of convolutions has one transpose in front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...layers import Layer, Transpose
from ...network.network import Node, value_name
from ..shapes import Sizes, shapes_of
from .config import Spec, shown
from .weights import Weights

Array = np.ndarray[Any, Any]
PROBES = 2  # a model is read for two sizes of each axis whose size is free
FREE = "depends on a free size of the input: fix it with load(..., shapes=...)"


class Refusal(Exception):  # noqa: N818  it is collected, and reported as one UnsupportedError
    """Why a layer cannot be converted."""


@dataclass(frozen=True)
class Signal:
    """A value that depends on the input.

    Attributes:
        value: its name in the network.
        sizes: for each probe, the shape of a sample as Keras has it.
        moved: whether the network's value has Keras's last axis in front of the others.
        masked: the tokens where Keras skips steps of it, as it comes from an Embedding with mask_zero; "lost" where
            that is not known any more.
    """

    value: str
    sizes: tuple[Sizes, ...]
    moved: bool = False
    masked: Signal | str | None = None

    @property
    def rank(self) -> int:
        """Number of axes, with the batch."""
        return len(self.sizes[0]) + 1

    def size(self, axis: int) -> int | None:
        """Return the size of an axis of Keras's array (1 and up, or from the end), None where it is free."""
        found = {sizes[axis - 1 if axis > 0 else axis] for sizes in self.sizes}
        return found.pop() if len(found) == 1 else None

    @property
    def channels(self) -> int:
        """The size of the last axis."""
        size = self.size(-1)
        if size is None:
            raise Refusal(f"the number of its channels {FREE}")
        return size

    def axis(self, axis: Any) -> int:
        """Return the network's axis (1 and up) of an axis of Keras's array."""
        if isinstance(axis, bool) or not isinstance(axis, int) or not -self.rank <= axis < self.rank:
            raise Refusal(f"axis {shown(axis)} of an array with {self.rank} axes does not exist")
        axis %= self.rank
        if axis == 0:
            raise Refusal("axis 0 is the batch: samples would be mixed")
        if self.moved:
            return 1 if axis == self.rank - 1 else int(axis) + 1
        return int(axis)

    def stored(self, probe: int) -> Sizes:
        """Return the shape of a sample in the network."""
        sizes = self.sizes[probe]
        return (sizes[-1], *sizes[:-1]) if self.moved else sizes


def front(rank: int) -> tuple[int, ...]:
    """Return the permutation that brings the last of ``rank`` axes behind the batch."""
    return (0, rank - 1, *range(1, rank - 1))


def back(rank: int) -> tuple[int, ...]:
    """Return the permutation that undoes :func:`front`."""
    return (0, *range(2, rank), 1)


@dataclass
class Builder:
    """The nodes of a network, in order.

    Attributes:
        dtype: of all weights.
        version: of Keras, the first number: activations changed with it.
        reserved: the names of Keras's layers, which no helper may take.
        rows: of each value that is looked up where 0 is masked, the rows of its table.
        packings: what was made of their masks.
    """

    weights: Weights
    dtype: np.dtype[Any]
    version: int
    reserved: frozenset[str]
    nodes: list[Node] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    turned: dict[str, Signal] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    packings: dict[str, Any] = field(default_factory=dict)

    def unique(self, name: str, own: str) -> str:
        """Return a name that nobody has, and that is no name of another layer."""
        found, k = name, 1
        while found in self.used or (found in self.reserved and found != own):
            k += 1
            found = f"{name}_{k}"
        self.used.add(found)
        return found


@dataclass(frozen=True)
class Site:
    """One use of one layer: its settings and weights, what it reads, and what it adds to the network.

    Attributes:
        spec: the layer.
        name: of the nodes, with those of the models around it.
        inputs: the signals among its arguments, in their order.
        arguments: all of them, where a function of Keras is called.
        named: those by name.
    """

    builder: Builder
    spec: Spec
    name: str
    inputs: tuple[Signal, ...]
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = field(default_factory=dict)

    @property
    def only(self) -> Signal:
        """The one input."""
        if len(self.inputs) != 1:
            raise Refusal(f"{len(self.inputs)} inputs instead of one")
        return self.inputs[0]

    # -- settings -------------------------------------------------------------------------------------------------

    def setting(self, key: str, default: Any = None) -> Any:
        """Return a setting as it is in the config; the default where it is missing or null."""
        value = self.spec.settings.get(key)
        return default if value is None else value

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a setting that is true or false."""
        value = self.setting(key, default)
        if not isinstance(value, bool):
            raise Refusal(f"{key} is {shown(value)}, neither true nor false")
        return value

    def text(self, key: str, default: str, known: Iterable[str]) -> str:
        """Return a setting that is one of some words."""
        value = self.setting(key, default)
        words = tuple(known)
        if value not in words:
            raise Refusal(f"{key} is {shown(value)}; supported: {', '.join(words)}")
        return str(value)

    def number(self, key: str, default: float | None = None) -> float:
        """Return a setting that is a number."""
        return number(self.setting(key, default), key)

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a setting that is an integer."""
        return integer(self.setting(key, default), key)

    def integers(self, key: str, count: int, default: Any = None) -> tuple[int, ...]:
        """Return a setting that is one integer for each of ``count`` axes, or one for all."""
        return integers(self.setting(key, default), count, key)

    # -- weights --------------------------------------------------------------------------------------------------

    def weights(self, *names: str, inside: Sequence[str] = ()) -> list[Array]:
        """Return weights of the layer by the names that Keras gives them, in its order."""
        found = []
        for name, array in zip(names, self.builder.weights.of(self.spec, names, inside), strict=True):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise Refusal(f"its {name} has values that are not finite")
            found.append(array.astype(self.builder.dtype, copy=False))
        return found

    def parameter(self, values: Any) -> Array:
        """Return numbers as a parameter of the network."""
        return np.asarray(values).astype(self.builder.dtype)

    # -- layers ---------------------------------------------------------------------------------------------------

    def emit(self, layer: Layer, reads: Sequence[Signal], tag: str = "", *, moved: bool | None = None) -> Signal:
        """Add a layer with one output; see :meth:`emit_all`."""
        return self.emit_all(layer, reads, tag, moved=moved)[0]

    def emit_all(
        self, layer: Layer, reads: Sequence[Signal], tag: str = "", *, moved: bool | None = None
    ) -> list[Signal]:
        """Add a layer and return its outputs.

        Args:
            layer: it is run on an empty batch, so that shapes that do not fit are found here.
            reads: its operands.
            tag: of a helper, for its name.
            moved: whether the channels of its output are in front; as in its operand by default.
        """
        probes = shapes_of(layer, [[s.stored(k) for k in range(PROBES)] for s in reads], self.builder.dtype)
        name = self.builder.unique(f"{self.name}.{tag}" if tag else self.name, self.name)
        self.builder.nodes.append(Node(name, layer, tuple(s.value for s in reads)))
        turned = reads[0].moved if moved is None else moved
        made = []
        for k, sizes in enumerate(zip(*probes, strict=True)):
            kept = tuple((*one[1:], one[0]) if turned else tuple(one) for one in sizes)
            made.append(Signal(value_name(name, k), kept, turned))
        return made

    def each(self, layer: Layer, x: Signal, tag: str = "") -> Signal:
        """Add a layer that treats every number alike."""
        return self.emit(layer, [x], tag)

    def first(self, x: Signal) -> Signal:
        """Return a signal with its channels in front, as layers with positions want it."""
        return x if x.moved else self._turned(x, front(x.rank), moved=True)

    def last(self, x: Signal) -> Signal:
        """Return a signal as Keras has it."""
        return self._turned(x, back(x.rank), moved=False) if x.moved else x

    def _turned(self, x: Signal, axes: tuple[int, ...], *, moved: bool) -> Signal:
        if x.rank < 3:
            return replace(x, moved=moved)
        if x.value in self.builder.turned:
            return replace(self.builder.turned[x.value], masked=x.masked)
        turned = replace(self.emit(Transpose(axes), [x], "transpose"), moved=moved, sizes=x.sizes, masked=x.masked)
        self.builder.turned[x.value] = turned
        self.builder.turned[turned.value] = x
        return turned


Handler = Callable[[Site], Sequence[Signal]]
HANDLERS: dict[str, Handler] = {}


def layer(*kinds: str) -> Callable[[Handler], Handler]:
    """Register a function as the converter of some classes of Keras."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def number(value: Any, what: str) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(float(value)):
        raise Refusal(f"{what} is {shown(value)}, not a number")
    return float(value)


def integer(value: Any, what: str) -> int:
    """Return an integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal(f"{what} is {shown(value)}, not an integer")
    return value


def integers(value: Any, count: int, what: str) -> tuple[int, ...]:
    """Return one integer for each of ``count`` axes, from a list or from one for all."""
    values = [value] * count if isinstance(value, int) else value
    if not isinstance(values, list | tuple) or len(values) != count:
        raise Refusal(f"{what} is {shown(value)}, not one integer for each of {count} axes")
    return tuple(integer(v, what) for v in values)
