"""Targets: which outputs are explained, as numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.arrays import to_numpy
from ..errors import ParameterError, unknown


def indices(target: Any, samples: int, shape: Sequence[int], what: str = "target") -> Any:
    """Return targets in any form but None as integers (N, T), or (1, T) for all samples.

    Args:
        target: as in :func:`lrp_ref.propagation.start.start_relevance`.
        samples: N.
        shape: of one sample's output.
        what: how the argument is called in messages.

    Raises:
        ParameterError: what does not fit N and the shape.

    Example:
        >>> indices((1, 0, 2), 3, (2, 2, 4)).tolist(), indices([1, 0, 2], 3, (2, 2, 4)).tolist()
        ([[10]], [[1], [0], [2]])
    """
    host, size = to_numpy(as_indices(target)), math.prod(shape)
    if samples and not host.size:
        raise _no_index(target)
    if is_tuple(target) and len(target) == len(shape):
        if any(not 0 <= int(k) < n for k, n in zip(target, shape, strict=True)):
            shown = target[0] if len(target) == 1 else target
            raise ParameterError(f"{what} {shown} is out of range: {_range(shape)}")
        return np.array([[np.ravel_multi_index(tuple(map(int, target)), tuple(shape))]])
    if is_tuple(target) and len(target) != samples:
        axes = f"{len(shape)} numbers" if len(shape) != 1 else "1 number"
        raise ParameterError(
            f"{what} {target}: a tuple is one index into a sample's output, here of shape {tuple(shape)} ({axes}), or "
            f"one index per sample (here {samples}); it has {len(target)} numbers"
        )
    if host.ndim == 0:
        host = host.reshape(1, 1)
    elif host.ndim == 1:
        if host.shape[0] != samples:
            raise ParameterError(
                f"{host.shape[0]} {_many(what)} for {samples} samples: give one number, one per sample, or (N, T)"
            )
        host = host.reshape(samples, 1)
    if host.ndim != 2 or host.shape[0] not in (1, samples):
        raise ParameterError(f"{_many(what)} of shape {host.shape} do not fit {samples} samples")
    if ((host < 0) | (host >= size)).any():
        wrong = host[(host < 0) | (host >= size)][0]
        raise ParameterError(f"{what} {wrong} is out of range: {_range((size,))}")
    return host


def _many(what: str) -> str:
    return "targets" if what == "target" else f"numbers of {what}"


def _range(shape: Sequence[int]) -> str:
    if len(shape) == 1:
        return f"the output has {shape[0]} classes, 0 to {shape[0] - 1}"
    return f"a sample's output has the shape {tuple(shape)}"


def class_number(target: Any, classes: Sequence[str], what: str = "target") -> Any:
    """Return the number of the output that a text names; any other target as it is.

    Raises:
        ParameterError: no output has this name.

    Example:
        >>> class_number("dog", ("cat", "dog")), class_number([1, 0], ())
        (1, [1, 0])
    """
    if not isinstance(target, str):
        return target
    if not classes:
        raise ParameterError(f"{what} {target!r}: the network has no class names, only numbers of outputs")
    if target not in classes:
        raise unknown("class", target, classes)
    return classes.index(target)


def is_tuple(target: Any) -> bool:
    """Whether the target is a tuple of numbers, which may be one index of several numbers."""
    return isinstance(target, tuple) and not any(hasattr(k, "__len__") for k in target)


def some_targets(target: Any, cut: slice, samples: int, what: str = "target") -> Any:
    """Return the targets of the samples ``cut`` of N; what holds for all samples stays as it is.

    Raises:
        ParameterError: neither one, nor one per sample.
    """
    if target is None or samples == 1 or not getattr(target, "ndim", hasattr(target, "__len__")):
        return target
    if not hasattr(target, "dtype") and not isinstance(target, Sequence):  # a set has no order, a dict no rows
        raise _no_index(target)
    if len(target) == samples:
        return target[cut]
    if len(target) != 1 or not hasattr(target[0], "__len__"):
        raise ParameterError(
            f"{len(target)} {_many(what)} for {samples} samples: give one number, one per sample, or (N, T)"
        )
    return target


def as_indices(target: Any) -> Any:
    """Return targets as an integer array, refusing anything that is no index."""
    try:
        host = target if hasattr(target, "dtype") else np.asarray(target)
    except ValueError as error:
        raise ParameterError(f"targets {target!r} have rows of different lengths: give (N, T)") from error
    if isinstance(target, list | tuple) and not host.size:  # of no samples; NumPy makes floats of it
        host = host.astype(int)
    if host.dtype.kind not in "iu":
        raise _no_index(target)
    return host


def _no_index(target: Any) -> ParameterError:
    return ParameterError(f"a target is a class index (integer), got {target!r}")


def described(targets: Any, against: Any, shape: Sequence[int], classes: Sequence[str] = ()) -> str:
    """Return what is explained of one sample, in words.

    Args:
        targets: (T,), numbers of outputs.
        against: the number of the output that they are set against, or None.
        shape: of the sample's output.
        classes: names of the outputs, as far as they are known.

    Example:
        >>> described([3], None, (10,)), described([3, 9], None, (10,)), described([3], 9, (10,))
        ('output 3', 'sum of outputs 3, 9', '3 against 9')
        >>> described([1], 0, (2,), ["cat", "dog"]), described([5], None, (2, 3))
        ('dog against cat', 'output (1, 2)')
    """

    def name(k: Any) -> str:
        if classes:
            return classes[int(k)] or f"output {int(k)}"
        return str(int(k)) if len(shape) < 2 else str(tuple(map(int, np.unravel_index(int(k), tuple(shape)))))

    names = [name(k) for k in targets]
    if against is not None:
        return f"{names[0]} against {name(against)}"
    if len(names) == 1:
        return names[0] if classes else f"output {names[0]}"
    return f"sum of {'' if classes else 'outputs '}{', '.join(names)}"


def listed(targets: Any, against: Any, shape: Sequence[int] = (), most: int = 4) -> str:
    """Return the targets (N, T) of a batch, and what they are set against (N,) or None, in one short line.

    Args:
        targets: numbers of outputs.
        against: what they are set against.
        shape: of one sample's output.
        most: samples that are shown.

    Example:
        >>> listed(np.array([[3], [9]]), None), listed(np.array([[3, 9]] * 6), None)
        ('target [[3], [9]]', 'sum of outputs 3, 9')
        >>> listed(np.arange(6).reshape(6, 1), np.array([9] * 6))
        'target [[0], [1], [2], [3], … 2 more] against 9'
    """
    rows = np.asarray(targets)
    same = len(rows) > 0 and bool((rows == rows[0]).all())
    if same and against is None and rows.shape[1] > 1:
        return described(rows[0], None, shape)
    if same and against is not None and (np.asarray(against) == against[0]).all():
        return described(rows[0], against[0], shape)
    more = f", … {len(rows) - most} more]" if len(rows) > most else "]"
    shown = str(rows[:most].tolist())[:-1] + more
    if against is None:
        return f"target {shown}" if rows.shape[1] == 1 else f"sum of outputs {shown}"
    others = np.asarray(against)
    if (others == others[:1]).all():
        return f"target {shown} against {others[:1].tolist()[0] if len(others) else others.tolist()}"
    return f"target {shown} against {str(others[:most].tolist())[:-1]}{more}"
