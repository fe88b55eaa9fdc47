"""Two traces side by side: by how much each array departs, where first, and which layer and rule are there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base import tables
from ..base.arrays import unwarned
from ..errors import ParameterError, unknown
from ..network.network import owner
from .alignment import agreeing, align

Arrays = Mapping[str, np.ndarray[Any, Any]]

# Relative differences from which on two arrays depart, by the less precise dtype of the two. In float32 rounding leaves
# some 1e-6 in the shipped networks of up to ten layers and 2e-5 in the values of EfficientNet; its relevances, in whose
# denominators numbers cancel, depart by more, which float64 tells from a fault.
TOLERANCES = {"float16": 5e-2, "float32": 1e-4, "float64": 1e-9}


@dataclass(frozen=True)
class TracedNode:
    """What a trace knows of one node.

    Attributes:
        layer: kind of the layer, such as "Conv".
        rule: as in the ledger.
        reads: the names of the values it reads.
    """

    layer: str
    rule: str
    reads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One name at which two traces were compared.

    Attributes:
        kind: "value" (forward) or "relevance" (backward).
        name: of the value.
        absolute: max abs(a − b).
        relative: the same divided by max abs(a); infinite if a is 0 and b is not, or the shapes differ.
        note: what cannot be compared, if anything.
        tolerance: relative difference from which on the two depart.
        dtype: the less precise dtype of the two.
        other: the name in the second trace.
        source: the node that made it, or those that handed the relevance back, with layer and rule; "" if not known.
        ulps: max abs(a − b) in units of the distance between max abs(a) and the next number of ``dtype``; infinite
            where ``relative`` is.
    """

    kind: str
    name: str
    absolute: float
    relative: float
    note: str = ""
    tolerance: float = TOLERANCES["float64"]
    dtype: str = "float64"
    other: str = ""
    source: str = ""
    ulps: float = 0.0

    @property
    def departs(self) -> bool:
        """Whether the two arrays differ by more than the tolerance; what is no number always departs."""
        return not self.relative <= self.tolerance

    @property
    def label(self) -> str:
        """The name, and that in the second trace where it is another."""
        return self.name if self.other in ("", self.name) else f"{self.name} = {self.other}"


@dataclass(frozen=True, repr=False)
class TraceDiff:
    """The comparison of two traces, in the order of execution: forward values, then relevances backward.

    Attributes:
        rows: one per pair of arrays.
        only_a, only_b: names that one trace has and the other has not.
        tolerance: relative difference from which on two arrays depart; None for that of each pair's dtype.
        aligned: names of the first trace that were found in the second under another name, by order, shape and
            values: name → name there.
    """

    rows: tuple[Difference, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    tolerance: float | None
    aligned: Mapping[str, str] = field(default_factory=dict)

    @property
    def first(self) -> Difference | None:
        """The first comparison that departs, or None."""
        return next((r for r in self.rows if r.departs), None)

    @property
    def equal(self) -> bool:
        """Whether every pair agrees and no name is missing on either side."""
        return self.first is None and not self.only_a and not self.only_b

    @property
    def limits(self) -> str:
        """The tolerance as text, and where it comes from."""
        if self.tolerance is not None:
            return f"{self.tolerance:g}"
        used = {r.tolerance: r.dtype for r in self.rows} or {TOLERANCES["float64"]: "float64"}
        return ", ".join(f"{tolerance:g} ({used[tolerance]})" for tolerance in sorted(used))

    @property
    def verdict(self) -> str:
        """What was found, without the names that are missing."""
        first = self.first
        if not self.rows:
            return "nothing was compared: the traces have no array in common"
        if first is None:
            return f"no difference above {self.limits} in {len(self.rows)} arrays"
        note, source = (f" ({first.note})" if first.note else ""), (f"; from {first.source}" if first.source else "")
        return (
            f"first departs at {first.kind} '{first.label}': max |a − b| = {first.absolute:.4g}, "
            f"relative {first.relative:.4g}{note}{source}"
        )

    def __repr__(self) -> str:
        missing = "".join(
            f"; only in {side}: {', '.join(names)}" for side, names in (("a", self.only_a), ("b", self.only_b)) if names
        )
        return self.verdict + missing

    headers = ("kind", "name", "max |a − b|", "relative", "", "from")

    def cells(self) -> list[list[str]]:
        """Return the table's cells."""
        return [
            [
                r.kind, r.label, tables.number(r.absolute), tables.number(r.relative),
                r.note or ("departs" if r.departs else ""), r.source,
            ]
            for r in self.rows
        ]  # fmt: skip

    def table(self) -> str:
        """Return the comparison as text."""
        return tables.text(self.headers, self.cells(), right=(2, 3))

    def _repr_html_(self) -> str:
        return tables.html(self.headers, self.cells(), title=repr(self), right=(2, 3))


@dataclass(frozen=True, eq=False)
class Side:
    """One of two traces that are compared, on the host.

    Attributes:
        values, relevance: name → array.
        nodes: what is known of the nodes, by name.
    """

    values: Arrays
    relevance: Arrays
    nodes: Mapping[str, TracedNode]

    def parts(self) -> Iterator[tuple[str, Arrays]]:
        """Yield the values, then the relevances, each with their kind."""
        yield from (("value", self.values), ("relevance", self.relevance))

    def names(self) -> dict[str, None]:
        """Return every name, in order."""
        return dict.fromkeys((*self.values, *self.relevance))

    def kind(self, name: str) -> str:
        """Return the kind of layer that makes a value, or ""."""
        node = self.nodes.get(owner(name, self.nodes))
        return node.layer if node else ""

    def sources(self, kind: str, name: str) -> list[tuple[str, TracedNode]]:
        """Return the nodes from which an array comes: that which made a value, those that handed a relevance back."""
        if kind == "relevance":
            return [(key, node) for key, node in self.nodes.items() if name in node.reads]
        key = owner(name, self.nodes)
        return [(key, self.nodes[key])] if key in self.nodes else []


def compare(a: Side, b: Side, *, tolerance: float | None, mapping: Mapping[str, str]) -> TraceDiff:
    """Compare two traces: forward values first, then relevances in the order of the walk back.

    Args:
        a, b: the traces.
        tolerance: as in :class:`TraceDiff`.
        mapping: names of ``a`` → names of ``b``, where they differ and are known.

    Raises:
        ParameterError: a name in ``mapping`` that is not there, or one that is used twice.
    """
    _check(mapping, a, b)
    pairs: dict[str, str] = dict(mapping)
    aligned: dict[str, str] = {}
    for (_, one), (_, other) in zip(a.parts(), b.parts(), strict=True):
        found = _pairs(one, other, pairs, lambda m, n: a.kind(m) == b.kind(n) != "")
        aligned |= {m: n for m, n in found.items() if m != n and m not in mapping}
        pairs |= found
    rows, only_a, only_b = [], [], []
    for (kind, one), (_, other) in zip(a.parts(), b.parts(), strict=True):
        together = {m: pairs[m] for m in one if pairs.get(m) in other}
        for m, n in together.items():
            dtype = precision(one[m], other[n])
            limit = TOLERANCES[dtype] if tolerance is None else tolerance
            source = _source(kind, m, n, a, b)
            rows.append(_difference(kind, (m, n), (one[m], other[n]), limit, dtype, source))
        only_a += [f"{kind} {name}" for name in one if name not in together]
        only_b += [f"{kind} {name}" for name in other if name not in together.values()]
    return TraceDiff(tuple(rows), tuple(only_a), tuple(only_b), tolerance, aligned)


def _check(mapping: Mapping[str, str], a: Side, b: Side) -> None:
    for name, other in mapping.items():
        for key, side, which in ((name, a, "first"), (other, b, "second")):
            if key not in side.names():
                raise unknown(f"name in the {which} trace", key, side.names())
    twice = [n for n in mapping.values() if list(mapping.values()).count(n) > 1]
    if twice:
        names = ", ".join(f"'{m}'" for m, n in mapping.items() if n == twice[0])
        raise ParameterError(f"'{twice[0]}' of the second trace is given for {names}: each name belongs to one other")


def _pairs(a: Arrays, b: Arrays, known: Mapping[str, str], same_kind: Any) -> dict[str, str]:
    """Return which array of ``b`` belongs to which of ``a``: as given, by equal names, else by order and shape."""
    given = {m: n for m, n in known.items() if m in a and n in b}
    # A name that belongs to one that is not here belongs to no other.
    elsewhere = known.keys() - given.keys(), set(known.values()) - set(given.values())
    a, b = ({k: v for k, v in part.items() if k not in out} for part, out in zip((a, b), elsewhere, strict=True))
    named = given | {m: m for m in a if m in b and m not in given and m not in given.values()}
    if len(named) in (len(a), len(b)):
        return named
    named |= align(a, b, named, same_kind)
    # Equal names may mean different nodes (relu_1 of one program is relu_2 of another): where order and shape pair
    # more arrays, and more of them agree, they are believed.
    blind = given | align(a, b, given, same_kind)
    better = len(blind) > len(named) and agreeing(a, b, blind) > agreeing(a, b, named)
    return blind if better else named


def _source(kind: str, name: str, other: str, a: Side, b: Side) -> str:
    """Return the nodes from which two arrays come, as text: those whose layers or rules differ, if any do."""
    ours, theirs = a.sources(kind, name), b.sources(kind, other)
    texts: dict[str, bool] = {}
    for k, (key, node) in enumerate(ours or theirs):
        twin = theirs[k][1] if len(ours) == len(theirs) else node
        parts = [_both(node.layer, twin.layer)]
        if kind == "relevance":
            parts.append(_both(node.rule, twin.rule))
        where = key if ours else f"{key} in b"
        texts[f"{where}: {', '.join(p for p in parts if p)}"] = (node.layer, node.rule) != (twin.layer, twin.rule)
    shown = [text for text, differs in texts.items() if differs or not any(texts.values())]
    return "; ".join(shown[:4]) + (f"; and {len(shown) - 4} more" if len(shown) > 4 else "")


def _both(one: str, other: str) -> str:
    return one if one == other else f"{one} in a and {other} in b"


def precision(*arrays: np.ndarray[Any, Any]) -> str:
    """Return the least precise dtype among arrays; what is no float counts as float64."""
    names = {a.dtype.name for a in arrays}
    return next((name for name in TOLERANCES if name in names), "float64")


def _difference(
    kind: str, names: tuple[str, str], arrays: tuple[Any, Any], limit: float, dtype: str, source: str
) -> Difference:
    """Return by how much two arrays differ."""
    absolute, relative, note = _distance(*arrays)
    ulps = math.inf if math.isinf(relative) else in_ulps(absolute, arrays[0], dtype)
    return Difference(kind, names[0], absolute, relative, note, limit, dtype, names[1], source, ulps)


def in_ulps(absolute: float, array: np.ndarray[Any, Any], dtype: str) -> float:
    """Return a difference in units in the last place of an array's largest number.

    d / s, with s the distance between max abs(a) and the next larger number of ``dtype``: half a unit is what rounding
    that largest number may change. 0 for a difference of 0, infinite where the array is 0 throughout.

    Args:
        absolute: the difference d.
        array: a.
        dtype: in which the numbers are counted: "float16", "float32" or "float64".

    Example:
        >>> in_ulps(2.0**-51, np.array([1.0, -0.5]), "float64"), in_ulps(2.0**-22, np.array([-1.5]), "float32")
        (2.0, 2.0)
    """
    if absolute == 0:
        return 0.0
    largest = float(np.abs(array.astype(np.float64)).max())
    with unwarned():
        return absolute / float(np.spacing(np.dtype(dtype).type(largest))) if largest else math.inf


def _distance(a: Any, b: Any) -> tuple[float, float, str]:
    """Return the absolute and the relative difference of two arrays, and what cannot be compared, if anything."""
    if a.shape != b.shape:
        return float("inf"), float("inf"), f"shapes {a.shape} and {b.shape}"
    if not a.size:
        return 0.0, 0.0, ""
    # Unsigned integers and booleans would wrap around, or have no difference.
    a, b = (v.astype(np.float64) if v.dtype.kind in "iub" else v for v in (a, b))
    with unwarned():
        absolute = float(np.abs(a - b).max())
        scale = float(np.abs(a).max())
        relative = 0.0 if absolute == 0 else (absolute / scale if scale else float("inf"))
    if not (math.isfinite(absolute) and math.isfinite(scale)):
        # NaN and infinity depart even where both have them: nothing agrees that is not a number.
        return absolute, float("inf"), "not finite"
    return absolute, relative, ""
