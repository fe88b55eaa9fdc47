"""A strict stand-in for a GPU array library: NumPy inside, and nothing that a CuPy array would not do.

``STRICT`` is the array module: the functions of ``ARRAY_FUNCTIONS`` and no others. A :class:`StrictArray` refuses
to meet a NumPy array or scalar, is read on the host only by ``get``, and counts what would synchronise the device.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf as host_erf

from lrp_ref.base.arrays import ARRAY_FUNCTIONS

# What a cupy.ndarray has, as far as it is offered here (CuPy reference, "cupy.ndarray").
METHODS = ("all", "any", "argmax", "astype", "max", "mean", "min", "prod", "sum", "transpose")
# What the module cupy has (CuPy reference, "Routines"); ARRAY_FUNCTIONS has to stay inside.
CUPY_FUNCTIONS = frozenset((
    "abs", "add", "all", "any", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "argmax",
    "argmin", "argsort", "array", "asarray", "ascontiguousarray", "broadcast_to", "ceil", "clip", "concatenate",
    "copysign", "cos", "cosh", "cumsum", "divide", "dot", "empty", "empty_like", "equal", "exp", "expand_dims",
    "expm1", "flip", "floor", "full", "full_like", "isfinite", "isnan", "log", "log1p", "logical_and", "logical_not",
    "logical_or", "matmul", "max", "maximum", "mean", "min", "minimum", "moveaxis", "multiply", "ones", "ones_like",
    "pad", "power", "prod", "repeat", "reshape", "rint", "roll", "sign", "sin", "sinh", "sort", "sqrt", "square",
    "squeeze", "stack", "subtract", "sum", "swapaxes", "take", "tan", "tanh", "tensordot", "transpose", "where",
    "zeros", "zeros_like",
))  # fmt: skip


class Synchronisations:
    """How often the device had to wait for the host: bool(x), float(x), x.get()."""

    count = 0


def _scalar(value: Any) -> bool:
    """Whether ``value`` is a Python number (NumPy's float64 is a float by inheritance, and is none)."""
    return isinstance(value, bool | int | float) and not isinstance(value, np.generic)


def _open(value: Any, what: str) -> Any:
    """Return the NumPy value behind a strict array, a Python scalar, or a sequence of these."""
    if isinstance(value, StrictArray):
        return value._a
    if isinstance(value, np.ndarray | np.generic):
        raise TypeError(f"{what}: unsupported operand of type {type(value).__name__} next to a strict array")
    if isinstance(value, list | tuple):
        return type(value)(_open(v, what) for v in value)
    return value


def _wrap(value: Any) -> Any:
    return StrictArray(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


def _index(key: Any) -> Any:
    """Return an index, refusing host arrays, and masks, whose result has a shape that only the device knows."""
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        if isinstance(part, StrictArray):
            if part.dtype.kind not in "iu":
                raise TypeError(f"index of dtype {part.dtype}: only integers are asynchronous")
        elif not (part is None or part is Ellipsis or isinstance(part, slice) or type(part) is int):
            raise TypeError(f"index of type {type(part).__name__} is not on the device")
    return tuple(part._a if isinstance(part, StrictArray) else part for part in parts)


class StrictArray:
    """An array that only computes with its own kind and with Python numbers."""

    __array_ufunc__ = None
    __hash__ = None
    __iter__ = None

    def __init__(self, array: np.ndarray) -> None:
        self._a = array

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed; use .get()")

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        return STRICT

    def get(self) -> np.ndarray:
        Synchronisations.count += 1
        return self._a.copy()

    dtype = property(lambda self: self._a.dtype)
    shape = property(lambda self: self._a.shape)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    T = property(lambda self: StrictArray(self._a.T))

    def __len__(self) -> int:
        return len(self._a)

    def __bool__(self) -> bool:
        Synchronisations.count += 1
        return bool(self._a)

    def __float__(self) -> float:
        Synchronisations.count += 1
        return float(self._a)

    def __int__(self) -> int:
        Synchronisations.count += 1
        return int(self._a)

    def __getitem__(self, key: Any) -> StrictArray:
        return _wrap(self._a[_index(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if not (_scalar(value) or isinstance(value, StrictArray)):
            raise TypeError(f"assignment of a {type(value).__name__} into a strict array")
        self._a[_index(key)] = _open(value, "assignment")

    def __repr__(self) -> str:
        return f"StrictArray({self._a!r})"

    def reshape(self, *shape: Any) -> StrictArray:
        """The array API knows -1 for the one length that follows from the others; NumPy takes any negative number."""
        lengths = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        if any(n < -1 for n in lengths):
            raise ValueError(f"negative dimensions are not allowed: {lengths}")
        return StrictArray(self._a.reshape(lengths))


def _method(name: str) -> Callable[..., Any]:
    def method(self: StrictArray, *args: Any, **options: Any) -> Any:
        return _wrap(getattr(self._a, name)(*_open(args, name), **{k: _open(v, name) for k, v in options.items()}))

    return method


def _binary(name: str, *, swapped: bool = False, in_place: bool = False) -> Callable[..., Any]:
    function = getattr(operator, name)

    def apply(self: StrictArray, other: Any) -> Any:
        if not (_scalar(other) or isinstance(other, StrictArray)):
            raise TypeError(f"{name}: unsupported operand of type {type(other).__name__} next to a strict array")
        a, b = self._a, _open(other, name)
        result = function(b, a) if swapped else function(a, b)
        if in_place:
            assert result is a
            return self
        return _wrap(result)

    return apply


def _unary(name: str) -> Callable[..., Any]:
    function = getattr(operator, name)
    return lambda self: _wrap(function(self._a))


for _name in METHODS:
    setattr(StrictArray, _name, _method(_name))
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"):
    setattr(StrictArray, f"__{_name}__", _binary(_name))
    setattr(StrictArray, f"__r{_name}__", _binary(_name, swapped=True))
for _name in ("add", "sub", "mul", "truediv", "xor"):
    setattr(StrictArray, f"__i{_name}__", _binary(f"i{_name}", in_place=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne", "and_", "or_"):
    setattr(StrictArray, f"__{_name.rstrip('_')}__", _binary(_name))
for _name in ("neg", "abs", "invert"):
    setattr(StrictArray, f"__{_name}__", _unary(_name))


class _Module:
    """The array module: ``ARRAY_FUNCTIONS``, erf, and nothing else."""

    __name__ = "strict"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the array module has no function '{name}': is it missing in ARRAY_FUNCTIONS?")

    def __repr__(self) -> str:
        return "<array module strict>"

    @staticmethod
    def asarray(value: Any, dtype: Any = None) -> StrictArray:
        """Copy from the host, explicitly; a strict array is returned as it is."""
        if isinstance(value, StrictArray):
            return value if dtype in (None, value.dtype) else value.astype(dtype)
        return StrictArray(np.array(value, dtype=dtype))

    @staticmethod
    def erf(x: StrictArray) -> StrictArray:
        return StrictArray(host_erf(x._a))


def _function(name: str) -> Callable[..., Any]:
    host = getattr(np, name)

    def call(*args: Any, **options: Any) -> Any:
        return _wrap(host(*_open(args, name), **{k: _open(v, name) for k, v in options.items()}))

    return call


STRICT = _Module()
for _name in ARRAY_FUNCTIONS:
    if _name != "asarray":
        setattr(STRICT, _name, _function(_name))


def to_strict(value: Any) -> Any:
    """Move arrays, layers and tuples of them to the strict module, explicitly."""
    if isinstance(value, tuple):
        return tuple(to_strict(v) for v in value)
    if isinstance(value, np.ndarray):
        return STRICT.asarray(value)
    return None if value is None else value.map_arrays(STRICT.asarray)
