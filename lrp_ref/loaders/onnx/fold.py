"""Evaluate nodes whose inputs are all constants, with the onnx package's reference evaluator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import require
from .file import Op
from .values import Refusal

LIMIT = 1 << 27  # elements of one folded constant: larger ones are refused, not allocated

Arrays = Sequence[Any]


def _broadcast(xs: Arrays) -> int:
    return math.prod(np.broadcast_shapes(*(x.shape for x in xs if x is not None)))


def _expand(xs: Arrays) -> int:
    return math.prod(np.broadcast_shapes(xs[0].shape, tuple(int(v) for v in xs[1])))


def _product(xs: Arrays) -> int:
    return math.prod(int(v) for v in np.asarray(xs[0]).reshape(-1).tolist())


def _tile(xs: Arrays) -> int:
    return int(xs[0].size) * math.prod(int(v) for v in np.asarray(xs[1]).reshape(-1).tolist())


def _range(xs: Arrays) -> int:
    start, stop, step = (float(np.asarray(x).reshape(-1)[0]) for x in xs)
    return max(0, math.ceil((stop - start) / step)) if step else 0


def _gather(xs: Arrays) -> int:
    return int(xs[0].size) * max(1, int(xs[1].size))


def _total(xs: Arrays) -> int:
    return sum(int(x.size) for x in xs if x is not None) + 1


def _matmul(xs: Arrays) -> int:
    return int(xs[0].size) * int(xs[1].shape[-1] if xs[1].ndim else 1)


# Operators that are folded, and a bound on how many elements their output has.
SIZES: dict[str, Callable[[Arrays], int]] = {
    **dict.fromkeys(
        (
            "Abs", "Cast", "Ceil", "Concat", "Constant", "Cos", "DequantizeLinear", "Exp", "Flatten", "Floor",
            "Identity", "IsNaN", "Log", "Neg", "NonZero", "Not", "QuantizeLinear", "Reciprocal", "ReduceMax",
            "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Round", "Shape", "Sigmoid",
            "Sign", "Sin", "Size", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Tanh", "Transpose", "Unsqueeze",
        ),
        _total,
    ),
    **dict.fromkeys(
        (
            "Add", "And", "CastLike", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min",
            "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor",
        ),
        _broadcast,
    ),
    "ConstantOfShape": _product,
    "Expand": _expand,
    "Gather": _gather,
    "MatMul": _matmul,
    "Range": _range,
    "Tile": _tile,
}  # fmt: skip


def evaluate(op: Op, inputs: Arrays, opset: int) -> list[np.ndarray[Any, Any]]:
    """Return the outputs of a node for constant inputs.

    Args:
        op: the node.
        inputs: one array per input, None for one left out.
        opset: version of ONNX's operators.

    Raises:
        Refusal: an operator that is not folded, an output that would be huge, or inputs that do not fit.
    """
    if op.kind not in SIZES:
        raise Refusal("operator on constants that is not supported")
    onnx = require("onnx", extra="onnx", purpose="read ONNX files")
    evaluator = require("onnx.reference", extra="onnx", purpose="read ONNX files").ReferenceEvaluator
    try:
        elements = SIZES[op.kind](inputs)
        if elements > LIMIT:
            raise Refusal(f"a constant of up to {elements} elements would be made; the limit is {LIMIT}")
        names = {name: array for name, array in zip(op.inputs, inputs, strict=True) if array is not None}
        graph = onnx.helper.make_graph(
            [op.proto],
            "constant",
            [onnx.helper.make_empty_tensor_value_info(name) for name in names],
            [onnx.helper.make_empty_tensor_value_info(name) for name in op.outputs if name],
        )
        found = evaluator(graph, opsets={"": opset}).run(None, names)
    except Refusal:
        raise
    except Exception as error:  # whatever an evaluator raises on inputs that do not fit
        text = " ".join(str(error).split())[:120]
        raise Refusal(f"cannot be evaluated on its constants: {text or type(error).__name__}") from error
    results = iter(found)
    return [np.asarray(next(results)) if name else np.zeros(0) for name in op.outputs]
