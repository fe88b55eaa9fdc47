"""Conditions: which channels of named values hand on relevance; that of the others is dropped where it arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, namespace, to_numpy
from ..errors import GraphError, ParameterError, ShapeError, unknown
from ..network.network import Network, owner
from .plan import Plan
from .prepare import PreparedNetwork


@dataclass(frozen=True, eq=False)
class Conditions:
    """Conditions that fit a network and N samples.

    Attributes:
        masks: by name of the value, whether its numbers hand on relevance: (N or 1, ...), broadcast to its shape.
        told: what they are, by name, in words.
    """

    masks: Mapping[str, Array]
    told: Mapping[str, str]

    def some(self, cut: slice, samples: int) -> Conditions:
        """Return the conditions of the samples ``cut`` of N."""
        return Conditions({n: m[cut] if len(m) == samples else m for n, m in self.masks.items()}, self.told)

    def noted(self, plan: Plan) -> Plan:
        """Return a plan that says them."""
        return Plan(plan, note="; ".join(filter(None, (plan.note, f"only {self}"))))

    def __str__(self) -> str:
        return ", ".join(f"{name}: {text}" for name, text in self.told.items())


def conditions(given: Any, net: Network, prepared: PreparedNetwork, fed: Mapping[str, Array]) -> Conditions | None:
    """Return the conditions that were given by name, as masks; None for none.

    Args:
        given: name of a value → its channels: a number, a list of numbers, or booleans (C,), (N, C), or (N, C, ...) of
            the whole value, whose sizes may also be 1. ``Conditions`` stay what they are.
        net: as it was given; names that only it has were merged away.
        prepared: the network made ready.
        fed: its inputs by name (N, ...).

    Raises:
        GraphError: a name of no value of the network as it is explained, or of an input.
        ParameterError: a channel that is not there.
        ShapeError: booleans that do not fit.
    """
    if given is None or isinstance(given, Conditions):
        return given
    if not isinstance(given, Mapping):
        raise ParameterError(
            f"conditions={given!r}: give the channels by the name of their value, {{'conv4': [7, 12]}}"
        )
    shapes = prepared.shapes(fed)
    n, xp = len(next(iter(fed.values()))), namespace(*fed.values())
    masks, told = {}, {}
    for name, value in given.items():
        if name in fed:
            raise GraphError(f"conditions on the input '{name}': relevance ends there, choose from e.relevance instead")
        if name not in shapes:
            raise _missing(name, net, prepared)
        mask, told[name] = _mask(name, value, shapes[name], n)
        masks[name] = convert(mask, xp)
    return Conditions(masks, told) if masks else None


def _missing(name: str, net: Network, prepared: PreparedNetwork) -> GraphError | ParameterError:
    """Return the error for a name that the network, as it is explained, has not."""
    there = [n.name for n in prepared.net.nodes]
    known = {i.name for i in net.inputs} | {n.name for n in net.nodes}
    if owner(name, known) not in known:
        return unknown("node in conditions", name, there)
    output = prepared.head.output
    if output in net.outputs and owner(name, known) not in {n.name for n in net.until(output).nodes}:
        return GraphError(f"node '{name}' of conditions is not on the way to the output '{output}': leave it out")
    near = _survivors(name, net, set(there))
    hint = f": name {' or '.join(repr(n) for n in near)} instead" if near else ""
    return GraphError(
        f"node '{name}' of conditions is not in the network as it is explained, without merged and left out nodes{hint}"
        ", or give canonize=False"
    )


def _survivors(name: str, net: Network, there: set[str]) -> list[str]:
    """Return the nearest nodes below a node that are still there."""
    found: list[str] = []
    names = [name]
    while names:
        known = {n.name for n in net.nodes}
        here = owner(names.pop(0), known)
        if here in there and here not in found:
            found.append(here)
        elif here in known:
            names += net[here].inputs
    return found


def _mask(name: str, value: Any, shape: tuple[int, ...], n: int) -> tuple[np.ndarray[Any, Any], str]:
    """Return the mask of a value of shape (n, *shape), with as many axes, and what it is in words."""
    if not shape:
        raise ShapeError(f"conditions on '{name}': it is one number for each sample and has no channels")
    array = to_numpy(value) if hasattr(value, "dtype") else np.asarray(value)
    if array.dtype == bool:
        return _booleans(name, array, shape, n), "a mask"
    if array.ndim > 1 or (array.size and array.dtype.kind not in "iu"):
        raise ParameterError(f"conditions on '{name}': give numbers of channels, or booleans; got {value!r}")
    channels = [int(k) for k in array.reshape(-1)]
    for k in channels:
        if not 0 <= k < shape[0]:
            raise ParameterError(f"conditions on '{name}': there is no channel {k}; it has {shape[0]}, from 0")
    mask = np.zeros((1, shape[0], *(1,) * (len(shape) - 1)), dtype=bool)
    mask[0, channels] = True
    return mask, ", ".join(map(str, channels)) or "none"


def _booleans(name: str, array: np.ndarray[Any, Any], shape: tuple[int, ...], n: int) -> np.ndarray[Any, Any]:
    whole = (n, *shape)
    ones = (1,) * (len(whole) - 2)
    if array.shape == (shape[0],):
        return array.reshape(1, shape[0], *ones)
    if array.ndim == 2 and array.shape[0] in (1, n) and array.shape[1] == shape[0]:
        return array.reshape(*array.shape, *ones)
    if array.ndim == len(whole) and all(a in (1, size) for a, size in zip(array.shape, whole, strict=True)):
        return array
    raise ShapeError(
        f"conditions on '{name}': booleans of shape {array.shape} do not fit its shape {whole}: give ({shape[0]},), "
        f"({n}, {shape[0]}) or the whole shape"
    )
