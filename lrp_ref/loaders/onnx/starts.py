"""What a conversion starts from: the graph's inputs as signals, its constants, and the precision of the network."""

from __future__ import annotations

from typing import Any

import numpy as np

from .batches import FreeSizes
from .file import Graph, GraphInput, Op
from .notes import HALF
from .values import LARGEST, Refusal, Refused, Signal, Tensor, count


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
        return Refused(f"input '{spec.name}' is a single number, without a batch axis")
    if max(map(count, sizes)) > LARGEST:
        return Refused(f"input '{spec.name}' of shape {spec.shape} is larger than any memory")
    return Signal(f"@{spec.name}", batch, sizes, sizes, integer=spec.dtype.kind in "iub")
