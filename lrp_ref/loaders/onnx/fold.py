"""Evaluate nodes whose inputs are all constants, with the onnx package's reference evaluator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...base.arrays import unwarned
from ...errors import require
from ..limits import LEAST, bound
from .file import Op
from .values import AXES, Refusal

STRING = 8  # ONNX's number of its type of texts
ITEM = 8  # bytes of one element of a result, at most
NARROW = ("int2", "int4", "uint2", "uint4")
# How many times ITEM is there for each element while an operator is evaluated, its result among it. onnx's Sigmoid has
# four arrays of that size at once, and its Erf makes Python objects of every number; the others were measured at 3.2
# or less.
WHILE = {"Erf": 9, "Gelu": 10, "LayerNormalization": 6, "Sigmoid": 5}
USUAL = 4
ONE_BY_ONE = ("Max", "Min", "Sum")  # the whole result is made again for each of as many operands as the file likes
SLOW = {"Erf": 20, "Gelu": 24}  # as how many numbers one counts: such an object takes at least that many times as long

Arrays = Sequence[Any]


class TooLarge(Refusal):
    """What is made of constants would be larger than the file may have it."""


class Allowance:
    """What may be made of a file's constants, in all: bytes of memory, and work.

    Args:
        size: of the file, in bytes.

    Attributes:
        left: bytes that may still be made; at first half of :func:`~lrp_ref.loaders.limits.bound`.
        spare: the other half: bytes for what is there only while one is made, besides what is left.
        work: numbers that may still be read or written.
    """

    def __init__(self, size: int) -> None:
        self.spare = bound(size) // 2
        self.left = self.spare
        self.work = max(LEAST, 4 * size)

    def take(self, elements: int, what: str = "a constant", *, times: int = USUAL) -> None:
        """Count an array before it is made.

        Args:
            elements: of the array, at most.
            what: the array, as errors have it.
            times: how many arrays of its size are there while it is made, itself among them.

        Raises:
            Refusal: it would be more than is left.
        """
        self.require(elements, what, times=times)
        self.left -= elements * ITEM

    def require(self, elements: int, what: str = "a constant", *, times: int = USUAL) -> None:
        """Refuse an array that would be more than is left, or would take more than the whole bound while it is made.

        Args:
            elements, what, times: as for :meth:`take`.

        Raises:
            TooLarge: it would.
        """
        most = min(self.left, (self.left + self.spare) // times) // ITEM
        if elements > most:
            raise TooLarge(f"{what} of up to {elements} elements would be made; {most} are allowed")

    def spend(self, work: int) -> None:
        """Count numbers that are read or written.

        Raises:
            Refusal: more than is left.
        """
        if work > self.work:
            raise TooLarge(f"work on {work} numbers for a constant; {self.work} are left for the whole file")
        self.work -= work


def _sizes(array: Any) -> list[int]:
    """Return an array that is a shape as Python integers, whose product cannot overflow."""
    values = np.asarray(array).reshape(-1)
    if values.size > AXES:
        raise Refusal(f"a shape of {values.size} sizes; arrays have at most {AXES} axes")
    return [int(v) for v in values.tolist()]


def _broadcast(op: Op, xs: Arrays) -> int:
    return math.prod(np.broadcast_shapes(*(x.shape for x in xs if x is not None)))


def _expand(op: Op, xs: Arrays) -> int:
    return math.prod(np.broadcast_shapes(xs[0].shape, tuple(_sizes(xs[1]))))


def _product(op: Op, xs: Arrays) -> int:
    return math.prod(_sizes(xs[0]))


def _tile(op: Op, xs: Arrays) -> int:
    # NumPy repeats one axis after the other, and so makes the others' copies before it comes to one that has none.
    return int(xs[0].size) * math.prod(max(1, n) for n in _sizes(xs[1]))


def _range(op: Op, xs: Arrays) -> int:
    start, stop, step = (float(np.asarray(x).reshape(-1)[0]) for x in xs)
    return max(0, math.ceil((stop - start) / step)) if step else 0


def _gather(op: Op, xs: Arrays) -> int:
    axis = int(op.attributes.get("axis", 0))
    return int(xs[0].size) // max(1, int(xs[0].shape[axis])) * int(xs[1].size)


def _total(op: Op, xs: Arrays) -> int:
    return sum(int(x.size) for x in xs if x is not None) + 1


def _modulo(op: Op, xs: Arrays) -> int:
    if any(x.dtype.name in NARROW for x in xs):
        raise Refusal("integers of less than 8 bits")  # ml_dtypes ends the process where one of many divisors is 0
    return _broadcast(op, xs)


def _quantised(op: Op, xs: Arrays) -> int:
    repeated = max(int(x.size) for x in xs[1:] if x is not None) * int(op.attributes.get("block_size", 0))
    return max(_total(op, xs), repeated)  # the scales are repeated before it is seen whether they fit


def _places(op: Op, xs: Arrays) -> int:
    return int(xs[0].size) * max(1, int(xs[0].ndim))


def _padded(op: Op, xs: Arrays) -> int:
    amounts = [max(0, n) for n in _sizes(xs[1] if len(xs) > 1 else op.attributes["pads"])]
    if len(amounts) == 2 * xs[0].ndim:
        pairs = zip(amounts[: xs[0].ndim], amounts[xs[0].ndim :], strict=True)
        return math.prod(int(n) + sum(pair) for n, pair in zip(xs[0].shape, pairs, strict=True))
    return math.prod(int(n) + sum(amounts) for n in xs[0].shape)  # of some axes only


def _parts(op: Op, xs: Arrays) -> int:
    if int(op.attributes.get("num_outputs", 0)) > len(op.outputs):
        raise Refusal(f"{op.attributes['num_outputs']} parts for {len(op.outputs)} outputs")
    return _total(op, xs)


def _matmul(op: Op, xs: Arrays) -> int:
    a, b = (x.shape if x.ndim > 1 else (*(1,) * k, *x.shape, *(1,) * (1 - k)) for k, x in zip((1, 0), xs, strict=True))
    lead = math.prod(int(n) for n in np.broadcast_shapes(a[:-2], b[:-2]))
    return lead * int(a[-2]) * int(b[-1])


def _gemm(op: Op, xs: Arrays) -> int:
    (a, b), turned = (x.shape for x in xs[:2]), (op.attributes.get("transA", 0), op.attributes.get("transB", 0))
    return int(a[1 if turned[0] else 0]) * int(b[0 if turned[1] else 1])


def _einsum(op: Op, xs: Arrays) -> int:
    """Return how many products are formed, which are at least as many as there are sums of them."""
    read = str(op.attributes["equation"]).replace(" ", "").split("->")[0].split(",")
    if "." in "".join(read) or [len(axes) for axes in read] != [x.ndim for x in xs]:
        raise Refusal("an equation whose axes are not named one by one")
    sizes = {axis: int(n) for axes, x in zip(read, xs, strict=True) for axis, n in zip(axes, x.shape, strict=True)}
    return math.prod(sizes.values())


def _cast(op: Op, xs: Arrays) -> int:
    if op.attributes.get("to") == STRING:
        raise Refusal("numbers as texts")
    return _total(op, xs)


# Operators that are folded, and a bound on how many elements their output has.
SIZES: dict[str, Callable[[Op, Arrays], int]] = {
    **dict.fromkeys(
        (
            "Abs", "Ceil", "Clip", "Concat", "Constant", "Cos", "DequantizeLinear", "Erf", "Exp", "Flatten", "Floor",
            "Gelu", "Identity", "IsInf", "IsNaN", "LayerNormalization", "Log", "LogSoftmax", "Neg", "Not",
            "Reciprocal", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
            "ReduceSumSquare", "Relu", "Reshape", "Round", "Shape", "Sigmoid", "Sign", "Sin", "Size", "Slice",
            "Softmax", "Sqrt", "Squeeze", "Tanh", "Transpose", "Trilu", "Unsqueeze",
        ),
        _total,
    ),
    **dict.fromkeys(
        (
            "Add", "And", "CastLike", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min",
            "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor",
        ),
        _broadcast,
    ),
    "Cast": _cast,
    "ConstantOfShape": _product,
    "Einsum": _einsum,
    "Expand": _expand,
    "Gather": _gather,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Mod": _modulo,
    "NonZero": _places,
    "Pad": _padded,
    "QuantizeLinear": _quantised,
    "Range": _range,
    "Split": _parts,
    "Tile": _tile,
}  # fmt: skip


def longest_of(op: Op, inputs: Sequence[Any]) -> int | None:
    """Return the length of a table in the file, if a node takes more rows of it for a free size than there are.

    Args:
        op: a Slice or Gather, or any other node.
        inputs: its operands, as :class:`~lrp_ref.loaders.onnx.values.Constant`.
    """
    table = inputs[0] if op.kind in ("Gather", "Slice") else None
    if table is None or not table.is_fixed or not table.probes[0].ndim:
        return None
    shape, lengths = table.probes[0].shape, []
    if op.kind == "Gather":
        axis = int(op.attributes.get("axis", 0))
        lengths = [shape[axis] for p in inputs[1].probes if p.size and int(p.max()) >= shape[axis]]
    elif len(inputs) > 3 and inputs[3] is not None:
        ends = zip(*(p.reshape(-1).tolist() for p in inputs[2].probes), strict=True)
        for axis, end in zip(inputs[3].probes[0].reshape(-1).tolist(), ends, strict=True):
            lengths += [shape[axis]] if len(set(end)) > 1 and max(end) > shape[axis] else []
    return min(lengths, default=None)


def evaluate(op: Op, inputs: Arrays, opset: int, allowance: Allowance) -> list[np.ndarray[Any, Any]]:
    """Return the outputs of a node for constant inputs.

    Args:
        op: the node.
        inputs: one array per input, None for one left out.
        opset: version of ONNX's operators.
        allowance: what may still be made of the file's constants; what is made here is taken from it.

    Raises:
        Refusal: an operator that is not folded, an output that would be huge, or inputs that do not fit.
    """
    if op.kind not in SIZES:
        raise Refusal("operator on constants that is not supported")
    onnx = require("onnx", extra="onnx", purpose="read ONNX files")
    evaluator = require("onnx.reference", extra="onnx", purpose="read ONNX files").ReferenceEvaluator
    try:
        if any(x is not None and x.dtype.kind in "OSU" for x in inputs):
            raise Refusal("a constant of texts")
        elements = SIZES[op.kind](op, inputs)
        allowance.require(elements, times=WHILE.get(op.kind, USUAL))
        summed = 0 if op.kind == "Gemm" and op.attributes.get("transA", 0) else -1
        depth = int(inputs[0].shape[summed]) if op.kind in ("Gemm", "MatMul") and inputs[0].ndim else 1
        depth = len(inputs) if op.kind in ONE_BY_ONE else depth
        work = elements * depth + sum(int(x.size) for x in inputs if x is not None)
        allowance.spend(work * SLOW.get(op.kind, 1))
        names = {name: array for name, array in zip(op.inputs, inputs, strict=True) if array is not None}
        graph = onnx.helper.make_graph(
            [op.proto],
            "constant",
            [onnx.helper.make_empty_tensor_value_info(name) for name in names],
            [onnx.helper.make_empty_tensor_value_info(name) for name in op.outputs if name],
        )
        with unwarned():  # the logarithm of a distance of 0, which another branch is chosen for
            found = evaluator(graph, opsets={"": opset}).run(None, names)
    except Refusal:
        raise
    except Exception as error:  # whatever an evaluator raises on inputs that do not fit
        text = " ".join(str(error).split())[:120]
        raise Refusal(f"cannot be evaluated on its constants: {text or type(error).__name__}") from error
    arrays = [np.asarray(array) for array in found]
    for array in arrays:
        if not any(x is not None and np.may_share_memory(array, x) for x in inputs):
            allowance.take(-(-array.nbytes // ITEM), times=1)
    results = iter(arrays)
    return [next(results) if name else np.zeros(0) for name in op.outputs]
