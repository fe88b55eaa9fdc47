"""The functions of an array module, by NumPy's names, as standard operators on values of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import special

from ..arithmetic import Adjustable
from ..errors import ParameterError, UnsupportedError
from . import indexing, sums, values
from .graph import INNER, Graph
from .values import BOOL, FLOAT, INT, Value, cast, elementwise, where

Function = Callable[..., Value]


def valued(graph: Graph, x: Any, like: Any = None) -> Value:
    """Return a value, or a number as a constant of the number system of ``like``."""
    if isinstance(x, Value):
        return x
    if type(x) is Adjustable:
        return adjusted(graph, x)
    kind = FLOAT if isinstance(x, float) or getattr(like, "dtype", INT).kind == "f" else INT
    return Value.constant(graph, np.asarray(x, dtype=BOOL if type(x) is bool else kind))


def adjusted(graph: Graph, number: Adjustable) -> Value:
    """Return the input of the graph that a number with a name is; it must not be negative.

    Raises:
        ParameterError: something else in the graph is called so, or another number.
    """
    known = graph.adjustable.get(number.name)
    if known is None and (not number.name or number.name in graph.taken or INNER.fullmatch(number.name)):
        raise ParameterError(
            f"adjustable: '{number.name}' is no name, or that of something else in the graph: name it otherwise"
        )
    if known is not None and known != float(number):
        raise ParameterError(
            f"adjustable: '{number.name}' is {known:g} and {float(number):g}: name one of them otherwise"
        )
    graph.adjustable[number.name] = float(number)
    graph.taken.add(number.name)
    return Value(graph, (), FLOAT, number.name, nonnegative=True)


def _both(graph: Graph, a: Any, b: Any) -> tuple[Value, Value]:
    """Return two operands, of one kind."""
    a, b = valued(graph, a, b), valued(graph, b, a)
    kind = np.result_type(a.dtype, b.dtype)
    return cast(a, kind), cast(b, kind)


def _one(operator: str, host: Any, *, nonnegative: bool = False) -> Function:
    def function(graph: Graph, x: Any) -> Value:
        return elementwise(operator, host, cast(valued(graph, x), FLOAT), nonnegative=nonnegative)

    return function


def _add(graph: Graph, a: Any, b: Any) -> Value:
    if _masks(a, b):
        return FUNCTIONS["logical_or"](graph, a, b)
    a, b = _numbers(graph, a, b)
    if a.is_all(0) or b.is_all(0):
        return _shaped(b, a) if a.is_all(0) else _shaped(a, b)
    return elementwise("Add", np.add, a, b, nonnegative=a.nonnegative and b.nonnegative)


def _subtract(graph: Graph, a: Any, b: Any) -> Value:
    a, b = _numbers(graph, a, b)
    if b.is_all(0):
        return _shaped(a, b)
    return elementwise("Sub", np.subtract, a, b)


def _multiply(graph: Graph, a: Any, b: Any) -> Value:
    if _masks(a, b):
        return FUNCTIONS["logical_and"](graph, a, b)
    a, b = _numbers(graph, a, b)
    shape = np.broadcast_shapes(a.shape, b.shape)
    if a.is_all(1) or b.is_all(1):
        return _shaped(b, a) if a.is_all(1) else _shaped(a, b)
    if a.is_all(0) or b.is_all(0):  # nothing in a graph counts as infinite
        return Value.constant(graph, np.zeros((), dtype=a.dtype), shape)
    square = bool(a.name) and a.name == b.name
    return elementwise("Mul", np.multiply, a, b, nonnegative=square or (a.nonnegative and b.nonnegative))


def _divide(graph: Graph, a: Any, b: Any) -> Value:
    a, b = (cast(v, FLOAT) for v in _both(graph, a, b))
    if b.is_all(1):
        return _shaped(a, b)
    return elementwise("Div", np.divide, a, b, nonnegative=a.nonnegative and b.nonnegative)


def _shaped(x: Value, *others: Value) -> Value:
    """Return a value in the shape that it broadcasts to together with others."""
    return x.broadcast(np.broadcast_shapes(x.shape, *(v.shape for v in others)))


def _masks(*operands: Any) -> bool:
    """Return whether the operands are booleans: their sum and maximum is "or", their product and minimum "and"."""
    return all(type(v) is bool or getattr(v, "dtype", None) == BOOL for v in operands)


def _numbers(graph: Graph, a: Any, b: Any) -> tuple[Value, Value]:
    """Return two operands of one kind, booleans as integers."""
    a, b = _both(graph, a, b)
    return (cast(a, INT), cast(b, INT)) if a.dtype.kind == "b" else (a, b)


def _floor_divide(graph: Graph, a: Any, b: Any) -> Value:
    a, b = _numbers(graph, a, b)
    if a.dtype.kind == "f":
        return _one("Floor", np.floor)(graph, _divide(graph, a, b))
    rest = _remainder(graph, a, b)  # the graph's division of integers rounds to zero
    return elementwise("Div", np.floor_divide, _subtract(graph, a, rest), b)


def _remainder(graph: Graph, a: Any, b: Any) -> Value:
    a, b = _numbers(graph, a, b)
    if a.dtype.kind == "f":
        return _subtract(graph, a, _multiply(graph, _floor_divide(graph, a, b), b))
    return elementwise("Mod", np.remainder, a, b)


def _power(graph: Graph, a: Any, b: Any) -> Value:
    a, b = _numbers(graph, a, b)
    if b.uniform is not None and b.uniform == 2:
        return _multiply(graph, a, a)
    return elementwise("Pow", np.power, a, b)


def _maximum(graph: Graph, a: Any, b: Any) -> Value:
    if _masks(a, b):
        return FUNCTIONS["logical_or"](graph, a, b)
    a, b = _numbers(graph, a, b)
    for x, other in ((a, b), (b, a)):
        if other.is_all(0) and x.nonnegative:
            return _shaped(x, other)
        if other.is_all(0) and x.data is None and x.dtype.kind == "f" and len(x.shape) >= len(other.shape):
            return _shaped(elementwise("Relu", _rectified, x, nonnegative=True), other)
    return elementwise("Max", np.maximum, a, b, nonnegative=a.nonnegative or b.nonnegative)


def _rectified(x: Any) -> Any:
    return np.maximum(x, 0.0)


def _minimum(graph: Graph, a: Any, b: Any) -> Value:
    if _masks(a, b):
        return FUNCTIONS["logical_and"](graph, a, b)
    a, b = _numbers(graph, a, b)
    for x, other in ((a, b), (b, a)):
        if other.is_all(0) and x.nonnegative:
            return Value.constant(graph, other.uniform, np.broadcast_shapes(x.shape, other.shape))
    return elementwise("Min", np.minimum, a, b, nonnegative=a.nonnegative and b.nonnegative)


def _negative(graph: Graph, x: Any) -> Value:
    return elementwise("Neg", np.negative, valued(graph, x))


def _abs(graph: Graph, x: Any) -> Value:
    x = valued(graph, x)
    return x if x.nonnegative else elementwise("Abs", np.abs, x, nonnegative=True)


def _compared(operator: str, host: Any) -> Function:
    def function(graph: Graph, a: Any, b: Any) -> Value:
        a, b = _both(graph, a, b)
        if operator == "Less" and a.nonnegative and b.is_all(0):
            return Value.constant(graph, np.False_, np.broadcast_shapes(a.shape, b.shape))
        if a.dtype.kind == "b" and operator != "Equal":
            a, b = cast(a, INT), cast(b, INT)
        return elementwise(operator, host, a, b, dtype=bool)

    return function


def _not_equal(graph: Graph, a: Any, b: Any) -> Value:
    a, b = _both(graph, a, b)
    if a.dtype.kind == "b":
        return elementwise("Xor", np.not_equal, a, b, dtype=bool)
    return _logical_not(graph, elementwise("Equal", np.equal, a, b, dtype=bool))


def _logical_not(graph: Graph, x: Any) -> Value:
    return elementwise("Not", np.logical_not, valued(graph, x), dtype=bool)


def _logical(operator: str, host: Any) -> Function:
    def function(graph: Graph, a: Any, b: Any) -> Value:
        a, b = _both(graph, a, b)
        for x, other in ((a, b), (b, a)):
            if other.uniform is not None:
                shape = np.broadcast_shapes(a.shape, b.shape)
                kept = bool(other.uniform) == (operator == "And")
                return x.broadcast(shape) if kept else Value.constant(graph, np.bool_(other.uniform), shape)
        return elementwise(operator, host, a, b, dtype=bool)

    return function


def _where(graph: Graph, mask: Any, a: Any, b: Any) -> Value:
    return where(valued(graph, mask), *_both(graph, a, b))


def _copysign(graph: Graph, size: Any, sign: Any) -> Value:
    """Return the size with the sign of another number; a zero counts as positive, whatever its sign."""
    size, sign = _both(graph, size, sign)
    size = _abs(graph, size)
    return _where(graph, _compared("Less", np.less)(graph, sign, 0.0), _negative(graph, size), size)


def _expm1(graph: Graph, x: Any) -> Value:
    """Return exp(x) − 1 = tanh(x/2) (exp(x) + 1), which does not cancel near 0."""
    x = valued(graph, x)
    grown = _add(graph, FUNCTIONS["exp"](graph, x), 1.0)
    # Where exp(x) is infinite so is the result; where it is 0 the tangent is −1.
    return _multiply(graph, FUNCTIONS["tanh"](graph, _multiply(graph, x, 0.5)), grown)


def _log1p(graph: Graph, x: Any) -> Value:
    """Return log(1 + x), with the error of 1 + x taken back."""
    x = valued(graph, x)
    above = _add(graph, x, 1.0)
    added = _subtract(graph, above, 1.0)
    lost = _compared("Equal", np.equal)(graph, added, 0.0)
    quotient = _divide(graph, x, _where(graph, lost, 1.0, added))
    return _where(graph, lost, x, _multiply(graph, FUNCTIONS["log"](graph, above), quotient))


def _filled(number: Any) -> Function:
    def function(graph: Graph, shape: Any, dtype: Any = float) -> Value:
        kind = np.dtype(dtype)
        kind = FLOAT if kind.kind == "f" else INT if kind.kind in "iu" else kind
        return Value.constant(graph, np.asarray(number, dtype=kind), _shape(shape))

    return function


def _shape(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, int) else tuple(int(s) for s in shape)


def _arange(graph: Graph, start: int, stop: int | None = None, step: int = 1, *, dtype: Any = None) -> Value:
    start, stop = (0, start) if stop is None else (start, stop)
    if not values.free(stop - start):
        if max(start, stop) > values.SAMPLES // 2:
            raise UnsupportedError("a part of the samples cannot be counted: how many there are is not known")
        return Value.constant(graph, np.arange(start, stop, step, dtype=dtype))
    if (start, step) != (0, 1):
        raise UnsupportedError("samples can only be counted from 0, one by one")
    size = graph.one("Squeeze", values.sizes(graph, (stop - start,), graph.batch), graph.integers((0,)))
    zero, one = (graph.constant(np.asarray(k, dtype=INT)) for k in (0, 1))
    counted = Value(graph, (stop,), INT, graph.one("Range", zero, size, one), None, (stop,), graph.batch)
    return counted if dtype is None else cast(counted, dtype)


def _isfinite(graph: Graph, x: Any) -> Value:
    """Return that every number is finite: a graph cannot look, and cannot raise."""
    return Value.constant(graph, np.True_, valued(graph, x).shape)


def _stack(graph: Graph, arrays: Sequence[Any], axis: int = 0) -> Value:
    some = [valued(graph, a) for a in arrays]
    axis %= len(some[0].shape) + 1
    return values.concatenate([indexing.get(v, (slice(None),) * axis + (None,)) for v in some], axis)


def _concatenate(graph: Graph, arrays: Sequence[Any], axis: int = 0) -> Value:
    return values.concatenate([valued(graph, a) for a in arrays], axis)


def _take(graph: Graph, x: Any, indices: Any, axis: int | None = None) -> Value:
    x, indices = valued(graph, x), valued(graph, indices)
    if axis is None:
        x, axis = values.reshape(x, (-1,)), 0
    if not values.free(x.shape[axis]):
        indices = indexing.wrapped(indices, Value.constant(graph, x.shape[axis]))
    return indexing.take(x, indices, axis)


def _matmul(graph: Graph, a: Any, b: Any) -> Value:
    return sums.matmul(*_numbers(graph, a, b))


def _broadcast_to(graph: Graph, x: Any, shape: Any) -> Value:
    return valued(graph, x).broadcast(_shape(shape))


def _sqrt(graph: Graph, x: Any) -> Value:
    return replace(_one("Sqrt", np.sqrt)(graph, x), nonnegative=True)


FUNCTIONS: dict[str, Function] = {
    "abs": _abs, "add": _add, "arange": _arange, "broadcast_to": _broadcast_to, "concatenate": _concatenate,
    "copysign": _copysign, "divide": _divide, "empty": _filled(0), "expm1": _expm1, "floor_divide": _floor_divide,
    "isfinite": _isfinite, "log1p": _log1p, "logical_not": _logical_not, "matmul": _matmul, "maximum": _maximum,
    "minimum": _minimum, "multiply": _multiply, "negative": _negative,
    "not_equal": _not_equal, "ones": _filled(1), "power": _power, "remainder": _remainder, "sqrt": _sqrt,
    "stack": _stack, "subtract": _subtract, "take": _take, "where": _where, "zeros": _filled(0),
    "ascontiguousarray": lambda graph, x: valued(graph, x),
    "equal": _compared("Equal", np.equal), "greater": _compared("Greater", np.greater),
    "greater_equal": _compared("GreaterOrEqual", np.greater_equal), "less": _compared("Less", np.less),
    "less_equal": _compared("LessOrEqual", np.less_equal),
    "logical_and": _logical("And", np.logical_and), "logical_or": _logical("Or", np.logical_or),
    "exp": _one("Exp", np.exp, nonnegative=True), "erf": _one("Erf", special.erf), "rint": _one("Round", np.rint),
    **{name: _one(name.capitalize(), getattr(np, name))
       for name in ("ceil", "cos", "cosh", "floor", "log", "sin", "sinh", "tan", "tanh")},
    **{f"arc{name}": _one(f"A{name}", getattr(np, f"arc{name}"))
       for name in ("cos", "cosh", "sin", "sinh", "tan", "tanh")},
}  # fmt: skip
