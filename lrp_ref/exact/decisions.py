"""Which comparisons of a walk are exact ties, and which are closer than the rounding of the floats they compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..errors import UndecidedError
from ..layers import Layer, Linear
from ..network.network import Network
from ..propagation.composites import Plan
from ..rules.edits import KEEP
from ..rules.rule import Rule
from .enclosure import Enclosure, Floats
from .rows import Decision

Bools = NDArray[np.bool_]


def decisions(
    net: Network,
    plan: Plan,
    values: Mapping[str, Array],
    enclosures: Mapping[str, Enclosure],
    bounds: Mapping[str, float],
    relevance: Mapping[str, Enclosure],
) -> Iterator[Decision]:
    """Yield what was compared at every node.

    Args:
        net: as it was walked.
        plan: the rule of every node.
        values: exact values by name.
        enclosures: of the same.
        bounds: the largest error of the float values by name.
        relevance: enclosures of the relevance that arrived, by name.
    """
    for node, planned in zip(net.nodes, plan, strict=True):
        source, layer = node.inputs[0], node.layer
        silent = relevance[node.name].zero if node.name in relevance else None
        for kink in layer.kinks:
            margin, tie = _from(enclosures[source], values[source], kink)
            yield _decision(node.name, "kink", margin, tie, bounds[source], silent)
        numbers = layer.compared(values[source], None)
        if numbers is not None:
            margin, tie = _winners(layer, enclosures[source], numbers)
            yield _decision(node.name, "winner", margin, tie, 2 * bounds[source], silent)
        if isinstance(layer, Linear) and _divides(planned.rule):
            margin, tie = _from(enclosures[node.name], values[node.name], 0.0)
            yield _decision(node.name, "denominator", margin, tie, bounds[node.name], silent)


def _divides(rule: Any) -> bool:
    """Whether the sign of the unedited z_j decides something: a stabiliser's side, a gate, or 0/0."""
    if not isinstance(rule, Rule):
        return False
    return any(g.gate is not None or any((r.inputs, r.weights) == (KEEP, KEEP) for r in g.runs) for g in rule.groups)


def _from(enclosure: Enclosure, exact: Array, point: float) -> tuple[Floats, Bools]:
    """Return lower bounds of the distance from ``point``, and where the value is exactly there."""
    margin = np.maximum(np.abs(enclosure.midpoint - point) - enclosure.radius, 0.0)
    tie = np.zeros(margin.shape, dtype=bool)
    for index in np.argwhere(margin == 0):
        key = tuple(index)
        tie[key] = _equal(exact[key], point)
    return margin, tie


def _equal(one: Any, other: Any) -> bool:
    """Whether two numbers are certainly equal; what cannot be decided here did not have to be on the walk."""
    try:
        return bool(one == other)
    except UndecidedError:
        return False


def _winners(layer: Layer, enclosure: Enclosure, numbers: Array) -> tuple[Floats, Bools]:
    """Return lower bounds of the distance between the best and the second of every window, and where they tie.

    Args:
        layer: says what it compares.
        enclosure: of its input.
        numbers: what it compares (K, N, ...), exact.
    """
    flat, radii = layer.compared(enclosure.midpoint, -np.inf), layer.compared(enclosure.radius, 0.0)
    assert flat is not None
    assert radii is not None
    radii = np.abs(radii)  # of negatives too
    shape = flat.shape[1:]
    if flat.shape[0] == 1:
        return np.full(shape, np.inf), np.zeros(shape, dtype=bool)
    order = np.argsort(-flat, axis=0, kind="stable")[:2]
    first, second = (np.take_along_axis(flat, order[k : k + 1], axis=0)[0] for k in (0, 1))
    wide = sum(np.take_along_axis(radii, order[k : k + 1], axis=0)[0] for k in (0, 1))
    margin = np.maximum(first - second - wide, 0.0)
    tie = np.zeros(margin.shape, dtype=bool)
    for index in np.argwhere(margin == 0):
        one, other = (numbers[(order[(k, *index)], *index)] for k in (0, 1))
        tie[tuple(index)] = _equal(one, other)
    return margin, tie


def _decision(node: str, kind: str, margin: Floats, tie: Bools, bound: float, silent: Bools | None) -> Decision:
    counted = tie if silent is None or silent.shape != tie.shape else tie & ~silent
    apart = np.where(tie, np.inf, margin)
    least = counted.argmax() if counted.any() else apart.argmin() if apart.size else 0
    unit = tuple(int(k) for k in np.unravel_index(int(least), margin.shape)) if margin.size else ()
    close = int((apart <= bound).sum())
    return Decision(node, kind, margin.size, close, int(counted.sum()), float(apart.min(initial=np.inf)), unit)
