"""The graph under construction: nodes of standard operators, constants, and what of it the outputs need."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import NonFiniteError, require

OPSETS = range(17, 24)  # with every operator that is written, in every one of its versions
INNER = re.compile(r"[vc]\d+(_\d+)?_*")  # names of values within a graph
SMALL = 4096  # bytes: constants up to this size are compared by their numbers, larger ones by their memory


@dataclass(frozen=True)
class Call:
    """One node: an operator with the names of what it reads and makes, and its attributes."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: tuple[tuple[str, Any], ...]


@dataclass(eq=False)
class Graph:
    """Nodes in the order in which they were asked for; the same question is not asked twice.

    Attributes:
        opset: of the standard operators.
        dtype: of the floats; what was computed before the graph runs is rounded to it once.
        flips: whether the transpose of a convolution of stride 1 is a convolution with a second copy of the weights,
            which runs faster, or a transposed one, which keeps the file small.
        batch: the value that has the number of samples now: an input, and on the way back what starts.
        adjustable: numbers that are inputs, with those that the composite has. They are no defaults of the inputs:
            runtimes for JavaScript refuse, or do not look at, what is fed for an input that has one.
        start: what starts, which may have more samples than the inputs: several targets of one sample.
        taken: names of inputs and outputs, which no value within the graph has.
    """

    opset: int = 17
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    flips: bool = False
    batch: str = ""
    start: str = ""
    taken: set[str] = field(default_factory=set)
    adjustable: dict[str, float] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    _known: dict[Any, tuple[str, ...]] = field(default_factory=dict)
    _held: list[Any] = field(default_factory=list)  # what is known by its memory must not go away

    def call(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> tuple[str, ...]:
        """Return the names of what an operator makes of named values, "" for one that is left out."""
        frozen = tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in attributes.items()))
        key = (operator, inputs, frozen, outputs)
        if key not in self._known:
            stem = f"v{len(self.calls)}"
            made = tuple(self.unused(stem + (f"_{k}" if k else "")) for k in range(outputs))
            self.calls.append(Call(operator, inputs, made, frozen))
            self._known[key] = made
        return self._known[key]

    def unused(self, name: str) -> str:
        """Return the name, or a longer one where an input or output is called so.

        Example:
            >>> Graph(taken={"v0", "v0_"}).unused("v0")
            'v0__'
        """
        while name in self.taken:
            name += "_"
        return name

    def one(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Return the name of the only value that an operator makes."""
        return self.call(operator, *inputs, **attributes)[0]

    def constant(self, array: np.ndarray) -> str:
        """Return the name of a constant; floats have the graph's dtype there."""
        dtype = self.dtype if array.dtype.kind == "f" else array.dtype
        key: Any = (dtype.str, array.shape)
        if array.nbytes <= SMALL:
            array = self._rounded(array, dtype)
            key = (*key, array.tobytes())
        else:
            key = (*key, array.__array_interface__["data"][0], array.strides, array.dtype.str)
            self._held.append(array)
        if key not in self._known:
            name = self.unused(f"c{len(self.constants)}")
            self.constants[name] = array if array.nbytes <= SMALL else self._rounded(array, dtype)
            self._known[key] = (name,)
        return self._known[key][0]

    def _rounded(self, array: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        """Return a constant in the graph's dtype.

        Raises:
            NonFiniteError: a finite number that the dtype cannot hold, or numbers that it rounds to 0, all of them.
        """
        with np.errstate(over="ignore"):
            made = np.asarray(array, dtype=dtype, order="C").reshape(array.shape)
        if made.dtype.kind == "f" and not np.isfinite(made).all() and (np.isinf(made) & np.isfinite(array)).any():
            size = float(np.abs(array[np.isfinite(array)]).max())
            raise NonFiniteError(f"the graph needs the number {size:.2g}, which {dtype} cannot hold: use lrp.explain")
        if made.dtype.kind == "f" and made.dtype != array.dtype and not made.any() and array.any():
            size = float(np.abs(array).max())
            raise NonFiniteError(
                f"the graph needs the number {size:.2g}, which {dtype} rounds to 0: take a larger one, or lrp.explain"
            )
        return made

    def integers(self, values: Iterable[int]) -> str:
        """Return the name of a constant vector of integers."""
        return self.constant(np.array(list(values), dtype=np.int64))

    def needed(self, outputs: Sequence[str]) -> list[Call]:
        """Return the nodes that the named values need, in order."""
        wanted, kept = set(outputs), []
        for call in reversed(self.calls):
            if wanted.intersection(call.outputs):
                kept.append(call)
                wanted.update(call.inputs)
        return kept[::-1]

    def model(
        self,
        inputs: Sequence[tuple[str, np.dtype[Any], Sequence[Any]]],
        outputs: Sequence[tuple[str, str, np.dtype[Any], Sequence[Any]]],
        metadata: dict[str, str],
        beside: dict[str, np.ndarray] | None = None,
    ) -> Any:
        """Return the graph as an ``onnx.ModelProto``.

        Args:
            inputs: name, dtype and shape of what is fed; texts in the shape name free sizes.
            outputs: the name that is shown, that in the graph, dtype and shape.
            metadata: texts that stand in the file.
            beside: where large constants go that whoever loads the model brings along, as data outside of it; None for
                a model that holds all of them.

        Raises:
            MissingExtraError: onnx is not installed.
        """
        onnx = require("onnx", extra="onnx", purpose="write a graph")
        helper = onnx.helper
        calls = self.needed([inner for _, inner, _, _ in outputs])
        # What a node makes is called as it is shown, which spares a copy; what is shown twice, or is fed, is copied.
        made = {name for c in calls for name in c.outputs}
        called = {inner: name for name, inner, _, _ in reversed(outputs) if inner in made}
        copies = [(called.get(inner, inner), name) for name, inner, _, _ in outputs if called.get(inner) != name]
        shown = [helper.make_node("Identity", [inner], [name]) for inner, name in copies]
        nodes = [
            helper.make_node(
                c.operator, *([called.get(n, n) for n in part] for part in (c.inputs, c.outputs)), **dict(c.attributes)
            )
            for c in calls
        ]
        read = {name for c in calls for name in c.inputs} | {inner for _, inner, _, _ in outputs}

        known = {name: a for name, a in self.constants.items() if name in read}

        def described(name: str, dtype: np.dtype[Any], shape: Sequence[Any]) -> Any:
            return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), list(shape))

        graph = helper.make_graph(
            [*nodes, *shown],
            "explanation",
            [described(*each) for each in inputs],
            [described(name, dtype, shape) for name, _, dtype, shape in outputs],
            [self._tensor(a, name, beside) for name, a in known.items()],
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10, producer_name="lrp_ref"
        )
        helper.set_model_props(model, metadata)
        return model

    def _tensor(self, array: np.ndarray, name: str, beside: dict[str, np.ndarray] | None) -> Any:
        """Return a constant as the model holds it: its numbers, or that they are brought along."""
        import onnx

        if beside is None or array.nbytes <= SMALL:
            return onnx.numpy_helper.from_array(array, name)
        beside[name] = array
        kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = onnx.TensorProto(name=name, data_type=kind, dims=array.shape)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="beside")
        return tensor
