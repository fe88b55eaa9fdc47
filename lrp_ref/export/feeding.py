"""What is fed to a compiled explanation: inputs and targets, checked, in the kinds of numbers that the graph takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..base.arrays import Array, is_float, to_numpy
from ..errors import BackendError, NonFiniteError, ParameterError, ShapeError
from ..network.network import Network
from ..propagation.explaining import at_the_door
from ..propagation.targets import class_number, indices, is_tuple


def fed(net: Network, blank: Mapping[str, Array], x: Any) -> dict[str, Array]:
    """Return checked inputs, floats as float32 and integers as the graph takes them.

    Args:
        net: the network.
        blank: what the graph takes, one array without samples per input.
        x: inputs in the layout of the network.

    Raises:
        ShapeError, BackendError, NonFiniteError: other sizes, other kinds, or numbers that float32 does not hold.
    """
    _, given = at_the_door(net, x, None)
    ready = {}
    for name, array in given.items():
        if array.dtype.kind not in "fiub":
            raise BackendError(
                f"input '{name}' holds {array.dtype}, a compiled explanation computes in float32: use lrp.explain"
            )
        if array.shape[1:] != blank[name].shape[1:]:
            raise ShapeError(
                f"input '{name}' has samples of shape {array.shape[1:]}, compiled for {blank[name].shape[1:]}: "
                "compile once more, with these sizes in shapes="
            )
        kind = np.dtype(np.float32) if is_float(blank[name]) else blank[name].dtype
        if not is_float(blank[name]) and is_float(array):
            raise ShapeError(f"input '{name}' takes integers, got {array.dtype}")
        with np.errstate(over="ignore"):
            ready[name] = np.ascontiguousarray(to_numpy(array), dtype=kind)
        if kind.kind == "f" and not np.isfinite(ready[name]).all():
            raise NonFiniteError(f"input '{name}' has numbers that float32 cannot hold")
        if kind.kind == "f":
            _require_size(name, array, ready[name])
    return ready


def numbered(net: Network, target: Any, n: int, *, sizes: tuple[int, ...], classes: Sequence[str]) -> Array:
    """Return one target per sample, or several of one sample; −1 for the largest output.

    Args:
        net: the network.
        target: as a compiled explanation takes it.
        n: the number of samples.
        sizes: of one sample's output.
        classes: names of the outputs.

    Raises:
        ParameterError: targets that are no outputs, that add up, or that the network's arrays have no place for.
    """
    target = class_number(target, classes)
    if isinstance(target, list | tuple | range):
        numbers = [class_number(t, classes) for t in target]
        # A tuple with a number per axis is one index into an output, for all samples.
        target = tuple(numbers) if is_tuple(target) and len(target) == len(sizes) else numbers
    if target is None:
        return np.full(n, -1, dtype=np.int64)
    several = len(target) if isinstance(target, list) or getattr(target, "ndim", False) else 1
    found = to_numpy(indices(target, several if n == 1 and several else n, sizes))
    if found.shape[1] != 1:
        raise ParameterError(
            f"targets of shape {found.shape} add up, which a compiled explanation does not: explain them with "
            "lrp.explain, or add explanations of one target each"
        )
    if len(found) > n and any(i.batch_axis is None for i in net.inputs):
        raise ParameterError(
            f"{len(found)} targets of a network whose arrays are one sample, without an axis for several "
            "explanations: explain one at a time"
        )
    return np.ascontiguousarray(np.broadcast_to(found[:, 0], (max(len(found), n) if n == 1 else n,)), dtype=np.int64)


def _require_size(name: str, given: Array, rounded: Array) -> None:
    """Raise if what is left of a sample in float32 has lost most digits, as below 1e-38, or all."""
    if given.dtype.itemsize <= rounded.dtype.itemsize or not given.size:
        return
    axes = tuple(range(1, given.ndim))
    largest, left = np.abs(to_numpy(given)).max(axis=axes), np.abs(rounded).max(axis=axes)
    lost = (largest > 0) & (left < np.finfo(np.float32).tiny)
    if lost.any():
        k = int(lost.argmax())
        raise BackendError(
            f"input '{name}' has in sample {k} no number above {largest[k]:.1e}, which float32 rounds to 0 or to a few "
            "digits: scale it, or use lrp.explain in float64"
        )
