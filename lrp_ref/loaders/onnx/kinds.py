"""What kinds of numbers the values of a graph hold, whatever the input is: whole ones, and stand-ins for −∞."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...layers import (
    Abs,
    Add,
    Affine,
    Compare,
    Dense,
    Embedding,
    Exp,
    Layer,
    MatMul,
    Mean,
    Multiply,
    Pad,
    ReLU,
    Sigmoid,
    Softmax,
    Sum,
    Where,
)
from ...layers import Constant as ConstantLayer
from .file import Graph
from .values import Signal, lowest

# Operators of which the output is of integers, and those whose other inputs say what kind of numbers it holds.
COUNTING = ("ArgMax", "ArgMin", "NonZero", "Shape", "Size")
LIKE = {"CastLike": 1, "DequantizeLinear": 1, "OneHot": 2, "Where": 1}
INTEGERS = (2, 3, 4, 5, 6, 7, 12, 13)  # from uint8 to uint64, as the standard counts them
# Of these, those that do not hold every int32.
NARROW = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 12: "uint32", 13: "uint64"}


def of_integers(graph: Graph, name: str) -> bool:
    """Return whether the file computes a tensor in integers, whatever the network computes it in."""
    while (op := graph.makers.get(name)) is not None:
        if op.kind in COUNTING:
            return True
        if op.kind == "Cast":
            return op.attributes.get("to") in INTEGERS
        place = LIKE.get(op.kind, 0)
        if place >= len(op.inputs):
            value = op.attributes.get("value")
            return isinstance(value, np.ndarray) and value.dtype.kind in "iu"
        name = op.inputs[place]
    kinds = [i.dtype.kind for i in graph.inputs if i.name == name]
    if name in graph.constants:
        kinds.append(graph.constants[name].dtype.kind)
    return any(kind in "iu" for kind in kinds)


class Kinds:
    """The values of one graph that hold whole numbers, and those that have numbers in place of −∞."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._whole: set[str] = set()
        self._truth: set[str] = set()
        self._masked: set[str] = set()

    def is_whole(self, x: Signal) -> bool:
        """Return whether a signal holds whole numbers only."""
        return x.integer or x.value in self._whole

    def is_truth(self, x: Signal) -> bool:
        """Return whether a signal holds 0 and 1 only."""
        return x.value in self._truth

    def is_masked(self, x: Signal) -> bool:
        """Return whether a signal has numbers in place of −∞."""
        return x.value in self._masked

    def mark_whole(self, x: Signal) -> None:
        """Note that a signal holds whole numbers only."""
        self._whole.add(x.value)

    def mark_truth(self, x: Signal) -> None:
        """Note that a signal holds 0 and 1 only."""
        self._whole.add(x.value)
        self._truth.add(x.value)

    def note(self, layer: Layer, reads: Sequence[Signal], made: Sequence[Signal]) -> None:
        """Note what a layer makes of the kinds that it reads."""
        if all(map(self.is_whole, reads)) and keeps_whole(layer):  # looking at weights takes longer
            self._whole.update(s.value for s in made)
        if all(map(self.is_truth, reads)) and keeps_truth(layer):
            self._truth.update(s.value for s in made)
        if self._masks(layer, reads):
            self._masked.update(s.value for s in made)

    def _masks(self, layer: Layer, reads: Sequence[Signal]) -> bool:
        """Return whether a layer's output has numbers in place of −∞, which an exponential makes 0 of."""
        if isinstance(layer, Affine | ConstantLayer) and any((a <= lowest(self.dtype)).any() for a in layer.arrays()):
            return True
        hides = isinstance(layer, Exp | ReLU | Sigmoid | Compare) or (isinstance(layer, Softmax) and not layer.log)
        return not hides and any(map(self.is_masked, reads))


def moves_integers(layer: Layer) -> bool:
    """Return whether a layer can be given an array of integers, of any type, and makes one of the same type."""
    return layer.moves and not (isinstance(layer, Pad) and np.any(layer.value))


def keeps_truth(layer: Layer) -> bool:
    """Return whether a layer makes 0 and 1 of 0 and 1."""
    if isinstance(layer, Pad):
        return bool(np.isin(layer.value, (0, 1)).all())
    return layer.moves or isinstance(layer, Multiply)


def keeps_whole(layer: Layer) -> bool:
    """Return whether a layer makes whole numbers of whole numbers."""
    if isinstance(layer, Pad):
        return bool(np.all(np.asarray(layer.value) % 1 == 0))
    if layer.moves or isinstance(layer, MatMul | Multiply | Where | ReLU | Abs):
        return True
    if isinstance(layer, Mean):
        return False
    if isinstance(layer, Add):
        return all(float(c).is_integer() for c in layer.coefficients)
    if isinstance(layer, Sum):
        return float(layer.factor).is_integer()
    return isinstance(layer, Affine | Dense | ConstantLayer | Embedding) and all(
        (a % 1 == 0).all() for a in layer.arrays()
    )
