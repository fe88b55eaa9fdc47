"""What a conversion starts from: the graph's inputs as signals, its constants, and the precision of the network."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ParameterError, unknown
from ..notes import HALF
from ..shapes import LARGEST
from .batches import FreeSizes
from .file import Graph, GraphInput, Op
from .values import Refusal, Refused, Signal, Tensor, count


def network_dtype(graph: Graph) -> np.dtype[Any]:
    """Return float64 if an input or a weight is float64, else float32."""
    arrays = [i.dtype for i in graph.inputs] + [a.dtype for a in graph.constants.values() if a.ndim]
    return np.dtype("float64" if np.dtype("float64") in arrays else "float32")


def constant_value(op: Op) -> np.ndarray[Any, Any]:
    """Return the value of a Constant."""
    kinds = {"value_float": "float32", "value_floats": "float32", "value_int": "int64", "value_ints": "int64"}
    for key, dtype in kinds.items():
        if key in op.attributes:
            return np.asarray(op.attributes[key], dtype=dtype)
    if "value" not in op.attributes:
        raise Refusal(f"a constant given as {', '.join(op.attributes) or 'nothing'}")
    return np.asarray(op.attributes["value"])


def fixed_input(graph: Graph, name: str, value: Any) -> np.ndarray[Any, Any]:
    """Return the value of an input that is the same for every sample.

    Raises:
        ParameterError: no such input, or a value that it cannot have.
    """
    spec = next((i for i in graph.inputs if i.name == name), None)
    if spec is None:
        raise unknown(f"input of {graph.path}", name, [i.name for i in graph.inputs])
    try:
        array = np.asarray(value).astype(spec.dtype, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{graph.path}: input '{name}' is {spec.dtype}, which {value!r:.60} is not") from error
    shape = spec.shape or ()
    if len(shape) != array.ndim or any(isinstance(n, int) and n != m for n, m in zip(shape, array.shape, strict=False)):
        raise ParameterError(f"{graph.path}: input '{name}' has shape {shape}, the value given for it {array.shape}")
    return array


def input_signal(spec: GraphInput, batch: int, free: FreeSizes) -> Tensor:
    """Return an input as a signal, or why it cannot be one."""
    if spec.shape is None and spec.name not in free.choices.shapes:
        return Refused(f"input '{spec.name}' has no declared shape: give it with load(..., shapes=...)")
    known = spec.dtype.kind in "fiub" and not spec.dtype.name.startswith("float8")
    if not known and spec.dtype.name not in HALF:
        return Refused(
            f"input '{spec.name}' is {spec.dtype}; only float16 and wider, integers and truth values are supported"
        )
    sizes = free.sizes(spec, batch)
    if sizes is None:
        said = f"load(..., constants={{'{spec.name}': value}})"
        return Refused(f"input '{spec.name}' is a single number, without a batch axis: say which, with {said}")
    if max(map(count, sizes)) > LARGEST:
        return Refused(f"input '{spec.name}' of shape {spec.shape} is larger than any memory")
    return Signal(f"@{spec.name}", batch, sizes, sizes, integer=spec.dtype.kind in "iub")
