"""Frozen values that hold arrays: equality, repr, and a copy with every array mapped."""

from __future__ import annotations

import dataclasses
import decimal
import math
import numbers
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..arithmetic import Number
from ..errors import ParameterError
from .arrays import Array, namespace, to_numpy, tuples

V = TypeVar("V", bound="Value")


class _Frozen:
    """Refuses every assignment. A dataclass that is frozen does so itself, but only for fields of its own."""

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot assign to '{name}': {type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(f"cannot delete '{name}': {type(self).__name__} is frozen")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Value(_Frozen):
    """Base of frozen dataclasses with array fields: comparable, printable, mappable.

    Dataclass equality would compare arrays elementwise, and a generated repr would print whole weights;
    subclasses are declared with ``eq=False, repr=False`` and inherit these instead. One without fields of its own
    needs no declaration (each takes a quarter of a millisecond of the import).

    Class attributes:
        shows_defaults: whether the repr also prints fields that have their default value.
    """

    shows_defaults: ClassVar[bool] = False

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in dataclasses.fields(self))

    def __hash__(self) -> int:
        return hash((type(self), tuple(_key(getattr(self, f.name)) for f in dataclasses.fields(self))))

    def __repr__(self) -> str:
        shown = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not field.repr or ((not self.shows_defaults or value is None) and _same(value, field.default)):
                continue
            shown.append(f"{field.name}={short(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def arrays(self) -> list[Array]:
        """Return every array that :meth:`map_arrays` would map, in its order."""
        found: list[Array] = []

        def collect(array: Array) -> Array:
            found.append(array)
            return array

        self.map_arrays(collect)
        return found

    def map_arrays(self: V, function: Callable[[Array], Array]) -> V:
        """Return a copy in which every array field, also in nested values and tuples, is ``function(array)``."""
        fields = [f for f in dataclasses.fields(self) if f.init]
        changes = {f.name: _map(getattr(self, f.name), function) for f in fields}
        return dataclasses.replace(self, **changes)


def is_array(value: Any) -> bool:
    """Return whether ``value`` is an array (of any library), not a scalar or a list."""
    return hasattr(value, "dtype") and hasattr(value, "shape")


def frozen(value: Any) -> Any:
    """Return numbers that nobody can write into: lists, and lists in lists, as tuples, and arrays as read-only copies.

    A value that is the key of a memory must stay what it was, whatever becomes of the array that it was made of. Only
    NumPy's arrays can be read-only; those of others are copied alone.
    """
    if isinstance(value, np.ndarray):
        if not value.flags.writeable and value.base is None:
            return value
        value = value.copy()
        value.flags.writeable = False
        return value
    if hasattr(value, "dtype") and hasattr(value, "copy"):
        return value.copy()
    return tuples(value)


def real(what: str, value: Any) -> Any:
    """Return a parameter that is one finite real number; that of an array without axes as a Python number.

    NaN is returned too: it fails every comparison with the range that the parameter has.

    Raises:
        ParameterError: ``what`` it is, and that it is no number.

    Example:
        >>> real("epsilon", np.array(0.5)), real("epsilon", 1)
        (0.5, 1)
    """
    number = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if isinstance(number, Number) or (type(number) in (int, float) and number not in (math.inf, -math.inf)):
        return number  # at once: to ask whether something is Real takes a while
    if not isinstance(number, numbers.Real | decimal.Decimal) or number in (math.inf, -math.inf):
        raise ParameterError(f"{what} must be a finite real number, got {value!r}")
    return number


def whole(what: str, value: Any, least: int | None = None, most: int | None = None) -> int:
    """Return a parameter that is one whole number, of Python or NumPy, as one of Python; no True or False.

    Raises:
        ParameterError: ``what`` it is, and that it is none, or none from ``least`` to ``most``.

    Example:
        >>> whole("seed", np.int64(3), 0)
        3
    """
    number = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    outside = isinstance(number, bool) or not isinstance(number, int)
    if outside or (least is not None and number < least) or (most is not None and number > most):
        span = "" if least is None else f", {least} or more" if most is None else f" from {least} to {most}"
        raise ParameterError(f"{what} is {short(number)}: give a whole number{span}")
    return int(number)


def wholes(what: str, values: Any, least: int | None = None) -> tuple[int, ...]:
    """Return a parameter that is several whole numbers, of any iterable, as a tuple: it may be read once only.

    Raises:
        ParameterError: ``what`` they are, and that one is none, or below ``least``; or what holds no numbers.

    Example:
        >>> wholes("units", np.array([2, 0]))
        (2, 0)
    """
    try:
        several = None if isinstance(values, str | bytes) else tuple(values)
    except TypeError:  # an array without axes says that it can be iterated over
        several = None
    if several is None:
        raise ParameterError(f"{what}: {short(values)} given; expected several whole numbers, such as a list")
    return tuple(whole(f"one of {what}", value, least) for value in several)


def reals(what: str, value: Any) -> Any:
    """Return a parameter of real numbers, one or an array of any library or lists of them, as :func:`frozen` does.

    Raises:
        BackendError: an array of a library that is not known.
        ParameterError: ``what`` it is, and that it is no number, or not finite.

    Example:
        >>> reals("x0", [0, 1]), reals("x0", 0.5)
        ((0, 1), 0.5)
    """
    try:
        host = to_numpy(value) if is_array(value) and namespace(value) else np.asarray(value)
    except ValueError:  # rows of different lengths
        host = np.asarray(None)
    if host.dtype.kind == "O":
        fine = all(isinstance(v, Number | numbers.Real | decimal.Decimal) for v in host.flat)
    else:
        fine = host.dtype.kind in "biuf"
    if not fine:
        raise ParameterError(f"{what} must be real numbers, got {short(value)}")
    if host.dtype.kind == "f" and not np.isfinite(host).all():
        raise ParameterError(f"{what} must be finite, got {short(value)}")
    return frozen(value)


def real_array(what: str, values: Any) -> np.ndarray[Any, Any]:
    """Return real numbers as an array, exact ones as floats.

    Raises:
        ParameterError: ``what`` it is, and that it is no array of numbers.

    Example:
        >>> real_array("values", [1, True])
        array([1, 1])
    """
    try:
        host = to_numpy(values if hasattr(values, "dtype") else np.asarray(values))
        host = host.astype(float) if host.dtype == object else host
    except (ValueError, TypeError):  # rows of different lengths, or no numbers
        host = np.asarray("")
    if host.dtype.kind not in "biuf":
        raise ParameterError(f"{what}: {short(values)} given; expected an array of real numbers")
    return host


def _same(a: Any, b: Any) -> bool:
    if is_array(a) or is_array(b):
        if not (is_array(a) and is_array(b)) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        return bool((to_numpy(a) == to_numpy(b)).all())
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _key(value: Any) -> Any:
    if is_array(value):
        return (str(value.dtype), tuple(value.shape))
    if isinstance(value, tuple):
        return tuple(_key(v) for v in value)
    return value


def short(value: Any) -> str:
    """Return a value as its repr, but of an array only dtype and shape."""
    if is_array(value):
        return f"{value.dtype}[{', '.join(map(str, value.shape))}]"
    return repr(value)


def _map(value: Any, function: Callable[[Array], Array]) -> Any:
    if isinstance(value, Value):
        return value.map_arrays(function)
    if is_array(value):
        return function(value)
    if isinstance(value, tuple):
        return tuple(_map(v, function) for v in value)
    return value
