"""Layers of this package by their own names and fields: ``{"layer": "Dense", "weight": {"tensor": "w"}}``.

What PyTorch's modules have no name for, and weights of other programs. A field that is an array is written as

    {"tensor": NAME}                the tensor as it is in the file
    {"sum": [FIELD, ...]}           the sum of several, such as two biases of one layer
    {"stack": [FIELD, ...]}         several of one shape along a new first axis, such as the directions of an LSTM

and may be followed by changes, which are made in the order in which they are written:

    "transpose": true or [AXES]     all axes turned around, or in this order
    "reshape": [SIZES]              the same numbers in another shape; one size may be -1
    "take": [AXIS, [INDICES]]       these places of an axis, each at most once, such as gates in another order
    "slice": [AXIS, START, STOP]    a part of an axis
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...errors import LrpError, ModelFormatError, ParameterError, unknown
from ...layers import LAYERS, Layer
from .entry import Floats, Missing, Weights, shown_value
from .tensors import shown

WINDOW = 1 << 16  # positions of a window, which are gone through one by one
_SOURCES = ("tensor", "sum", "stack")


def layer(kind: Any, given: Mapping[str, Any], weights: Weights) -> Layer:
    """Return a layer of this package.

    Args:
        kind: its class, by name.
        given: its fields.
        weights: of the file.

    Raises:
        Missing: a tensor is not in the file.
        LrpError: no such layer or field, or a value that does not fit it.
    """
    if not isinstance(kind, str) or kind not in LAYERS:
        raise unknown("layer", str(kind)[:80], LAYERS)
    fields = {f.name: str(f.type) for f in dataclasses.fields(LAYERS[kind])}
    for key in given:
        if key not in fields:
            raise unknown(f"field of {kind}", key[:80], fields)
    values = {key: _value(value, weights) for key, value in given.items()}
    for key, value in values.items():
        if not _fits(fields[key], value):
            raise ParameterError(f"{key} must be {fields[key]}, got {shown_value(value)}")
    try:
        return LAYERS[kind](**values)
    except LrpError:
        raise
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise ModelFormatError(f"the fields do not make a {kind}: {error}") from error


def wanted(value: Any) -> list[str]:
    """Return the names of the tensors in a value.

    Example:
        >>> wanted({"sum": [{"tensor": "a"}, {"tensor": "b", "transpose": True}]})
        ['a', 'b']
    """
    if isinstance(value, list | tuple):
        return [name for part in value for name in wanted(part)]
    if not isinstance(value, Mapping):
        return []
    named = [value["tensor"]] if isinstance(value.get("tensor"), str) else []
    return named + [name for key in ("sum", "stack") for name in wanted(value.get(key))]


def check_window(made: Layer) -> None:
    """Refuse windows of so many positions that going through them would not end."""
    kernel = getattr(made, "kernel", None)
    count = 1
    for size in kernel if isinstance(kernel, tuple) else (kernel,):
        count *= max(size, 1) if isinstance(size, int) else 1
    if count > WINDOW:
        raise ParameterError(f"a window of {count} positions; {WINDOW} are allowed")


def _fits(kind: str, value: Any) -> bool:
    """Return whether a value is of a kind, as fields declare it."""
    if value is None:
        return "None" in kind or kind == "Any"
    if isinstance(value, np.ndarray):
        return kind.startswith(("Array", "Any"))
    if isinstance(value, tuple):
        return kind.startswith(("tuple", "Any")) and all(_fits("int | None | Any", part) for part in value)
    if isinstance(value, bool):
        return kind.startswith("bool")
    if isinstance(value, int | float):
        return kind.startswith(("float", "Any")) or "Any" in kind or (kind.startswith("int") and isinstance(value, int))
    return kind.startswith("str")


def _value(value: Any, weights: Weights) -> Any:
    if isinstance(value, Mapping):
        return _array(value, weights)
    if isinstance(value, list | tuple):
        return tuple(_value(part, weights) for part in value)
    return value


def _array(value: Any, weights: Weights) -> Floats:
    """Return the array that a field describes."""
    if not isinstance(value, Mapping) or len(source := [key for key in value if key in _SOURCES]) != 1:
        raise ParameterError(f"an array is written with one of {', '.join(_SOURCES)}, got {shown_value(value)}")
    changes = {key: change for key, change in value.items() if key not in _SOURCES}
    for key in changes:
        if key not in _CHANGES:
            raise unknown("change of a tensor", key[:80], _CHANGES)
    array = _source(source[0], value[source[0]], weights)
    for key, change in changes.items():
        try:
            array = _CHANGES[key](array, change)
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise ParameterError(f"{key} {shown_value(change)} does not fit an array of shape {array.shape}") from error
    return np.ascontiguousarray(array) if array.ndim else array


def _source(key: str, value: Any, weights: Weights) -> Floats:
    if key == "tensor":
        array = weights.take(value) if isinstance(value, str) else None
        if not isinstance(value, str):
            raise ParameterError(f"a tensor's name is a text, got {shown_value(value)}")
        if array is None:
            raise Missing
        if array.dtype.kind != "f":
            raise ModelFormatError(f"tensor {shown(value)} is of {array.dtype}, not of floats")
        return array
    if not isinstance(value, list | tuple) or not value:
        raise ParameterError(f"{key} is a list of arrays, got {shown_value(value)}")
    parts = [_array(part, weights) for part in value]
    if len({part.shape for part in parts}) > 1:
        raise ParameterError(f"{key} of arrays of different shapes: {shown_value([p.shape for p in parts])}")
    return sum(parts[1:], start=parts[0]) if key == "sum" else np.stack(parts)


def _transpose(array: Floats, axes: Any) -> Floats:
    return array.T if axes is True else array.transpose(tuple(axes))


def _reshape(array: Floats, sizes: Any) -> Floats:
    return array.reshape(tuple(sizes))


def _take(array: Floats, change: Any) -> Floats:
    axis, places = change
    if len(set(places)) != len(places):
        raise ValueError("a place twice")
    return array.take(np.array(places, dtype=int), axis=axis)


def _slice(array: Floats, change: Any) -> Floats:
    axis, start, stop = change
    if not 0 <= start <= stop <= array.shape[axis]:
        raise ValueError("not a part of the axis")
    return array.take(range(start, stop), axis=axis)


_CHANGES: dict[str, Callable[[Floats, Any], Floats]] = {
    "transpose": _transpose,
    "reshape": _reshape,
    "take": _take,
    "slice": _slice,
}
