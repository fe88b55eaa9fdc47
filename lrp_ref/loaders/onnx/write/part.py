"""One layer as nodes of an ONNX graph: what the functions of the table are given, and the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....layers import (
    AdditiveKernel,
    Distance,
    FeatureDistance,
    FisherVector,
    KernelMachine,
    Layer,
    LogCount,
    SelectiveScan,
    SoftAssign,
    Step,
    UnitNorm,
)
from ..values import Refusal

Writer = Callable[["Part"], None]
WRITERS: dict[type[Layer], Writer] = {}
# Layers that standard operators cannot express, with what an error says of them.
NOT_WRITTEN: dict[type[Layer], str] = {
    AdditiveKernel: "a kernel machine is no standard operator of ONNX",
    KernelMachine: "a kernel machine is no standard operator of ONNX",
    Distance: "only squared distances are written",
    FeatureDistance: "only squared distances are written",
    LogCount: "a logarithm that leaves 0 as it is is no standard operator of ONNX",
    Step: "a step is no standard operator of ONNX",
    UnitNorm: "a norm of which zeros are left as they are is no standard operator of ONNX",
    FisherVector: "a Gaussian mixture of descriptors is no standard operator of ONNX",
    SoftAssign: "an assignment of descriptors to words is no standard operator of ONNX",
    SelectiveScan: "only ONNX's Scan goes through such steps, with a graph of its own, which is not written",
}

Shape = tuple[int | None, ...]  # None for a free size; the batch, at axis 0, is one


def writes(*kinds: type[Layer]) -> Callable[[Writer], Writer]:
    """Enter a function into the table as the one that writes these layers; a subclass needs an entry of its own."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(kinds, writer))
        return writer

    return register


@dataclass
class Part:
    """The nodes of one layer.

    Attributes:
        name: of the network's node; that of the ONNX node that computes its value, the others have "/" and a tag behind
            it, which is "." and the tag for whoever reads the file.
        layer: the layer.
        reads: tensors that it reads, with the batch first.
        makes: tensors for its outputs.
        shapes: of the tensors that it reads, with the batch in front.
        out: of the tensors that it makes.
        dtype: of the network.
        opset: version of ONNX's operators.
        onnx: the package.
    """

    name: str
    layer: Any
    reads: tuple[str, ...]
    makes: tuple[str, ...]
    shapes: tuple[Shape, ...]
    out: tuple[Shape, ...]
    dtype: np.dtype[Any]
    opset: int
    onnx: Any
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)

    @property
    def rank(self) -> int:
        """Number of axes of the first operand."""
        return len(self.shapes[0])

    def add(self, kind: str, *inputs: str, tag: str, **attributes: Any) -> str:
        """Add a helper node, and return the tensor that it makes."""
        made = f"{self.name}/{tag}"
        self._node(kind, inputs, (made,), made, attributes)
        return made

    def end(self, kind: str, *inputs: str, **attributes: Any) -> None:
        """Add the node that computes the layer's outputs, and has its name."""
        self._node(kind, inputs, self.makes, self.name, attributes)

    def _node(
        self, kind: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: dict[str, Any]
    ) -> None:
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), list(outputs), name=name, **given))

    def weight(self, array: Any, tag: str) -> str:
        """Return the tensor of a parameter, which has the network's type."""
        if not isinstance(array, np.ndarray):
            raise Refusal(f"its {tag} is no NumPy array: network.to('numpy')")
        if array.dtype != self.dtype:
            raise Refusal(f"its {tag} is {array.dtype} in a network of {self.dtype}: network.astype(...)")
        return self._constant(array, tag)

    def fitted(self, parameter: Any, tag: str) -> str:
        """Return a parameter of a sample, one per channel or of a shape that broadcasts, as ONNX broadcasts it."""
        if parameter.ndim == 1:
            parameter = parameter.reshape(parameter.shape + (1,) * (self.rank - 2))
        return self.weight(parameter, tag)

    def number(self, value: Any, tag: str, shape: Sequence[int] = ()) -> str:
        """Return a tensor of one number in the network's type."""
        return self._constant(np.full(tuple(shape), value, dtype=self.dtype), tag)

    def integers(self, values: Any, tag: str) -> str:
        """Return a tensor of integers."""
        return self._constant(np.asarray(values, dtype=np.int64), tag)

    def floats(self, values: Any, tag: str) -> str:
        """Return a tensor of float32, which some operators want in any network."""
        return self._constant(np.asarray(values, dtype=np.float32), tag)

    def _constant(self, array: Any, tag: str) -> str:
        name = f"{self.name}/{tag}"
        self.weights.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return name

    def attribute(self, value: Any, what: str, default: float) -> float | None:
        """Return a number as an attribute, which has single precision; None for the operator's own default.

        Raises:
            Refusal: the network has double precision, and the number would be rounded.
        """
        if value == default:
            return None
        if self.dtype != np.float32 and float(np.float32(value)) != value:
            raise Refusal(f"its {what} {value} is no number of single precision, which is all that ONNX has there")
        return float(value)

    def size(self, axis: int, operand: int = 0) -> int:
        """Return the size of an axis of an operand, which must not be free."""
        size = self.shapes[operand][axis]
        if size is None:
            raise Refusal(f"axis {axis} of its input is free: fix it with save(..., shapes=...)")
        return size
