"""Why two traces differ: every node's own step judged, and the smallest set of switches that gives the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import LrpError
from ...network.network import Network, owner
from ...propagation.trace import Trace
from . import forward
from .agreement import off
from .changes import Switches, called
from .choosing import chosen
from .focusing import searched
from .recorded import Recorded, Rules
from .reproducer import Reproduction
from .result import Diagnosis, Step
from .searching import Explained, Spot, departure

Array = np.ndarray[Any, Any]


def diagnose(
    network: Network,
    rules: Rules,
    ours: Trace,
    theirs: Trace,
    *,
    tolerance: float | None = None,
    mapping: Mapping[str, str] | None = None,
    switches: Switches | None = None,
) -> Diagnosis:
    """Find the nodes at which another program departs, and what it computes there.

    Every step is judged by the other program's own numbers: a value by what the node reads there, a relevance by what
    arrived there at the nodes that hand it back. A reason is named only where it predicts all numbers at a name, to
    1e-9 of the sample's largest in float64 (2e-5 in float32), and at least two of them differ clearly from what the
    rule gives; a number that was found in the numbers themselves (an ε) needs two more of them that do not follow from
    each other. Tried are the rule as it was asked for, each switch, a number in the place of another, other rules,
    pairs of switches, and a switch with a number; where several predict the same, the other nodes of the trace decide,
    and what they leave open is told as alternatives.

    Args:
        network: as it is explained, its nodes those of both traces.
        rules: node → rule as it was asked for; None, or no entry, for the layer's own way.
        ours: this package's trace.
        theirs: the other program's; names that differ are found as :meth:`.Trace.diff` finds them.
        tolerance: relative difference from which on numbers depart; None for that of their dtype.
        mapping: names of ``ours`` → names of ``theirs``, where they differ and are known.
        switches: those that are tried; None for all of ``lrp_ref.dialects.SWITCHES``.

    Raises:
        ParameterError: a name in ``mapping`` that is not there, or an input whose values neither trace has.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> from lrp_ref.layers import Dense
        >>> net = Network.sequential([Dense(np.array([[1.0, 2.0], [-0.25, 1.0]]), np.array([0.5, 1.0]))])
        >>> x, start = np.array([[1.0, 2.0], [2.0, 1.0]]), np.ones((2, 2))
        >>> asked, computed = lrp.rules.ZPlus(), lrp.rules.AlphaBeta(1, 0)
        >>> ours, theirs = (lrp.explain(net, x, composite=r, start=start).trace for r in (asked, computed))
        >>> diagnose(net, {"dense1": asked}, ours, theirs).switches
        ('zplus-bias',)
    """
    if switches is None:
        from ...dialects import SWITCHES

        switches = SWITCHES
    difference = ours.diff(theirs, tolerance=tolerance, mapping=mapping)
    other = _renamed(theirs, {r.other: r.name for r in difference.rows})
    recorded = Recorded(network, rules, ours, other, tolerance)
    steps = [_value_step(recorded, d) for d in forward.run(recorded)]
    starts = list(_starts(recorded))
    spots, agreeing = list[Spot](), list[str]()
    notes = dict[str, str]()
    for name in recorded.back:
        if name not in recorded.readers or (name in network.outputs and name in recorded.start):
            continue
        try:
            found = departure(recorded, name)
        except LrpError as error:
            notes[name] = str(error)
            continue
        if found is None:
            agreeing.append(name)
        else:
            seen = tuple(e for s in spots for e in s.explained)
            spots.append(searched(found, switches, seen))
    steps += starts + _relevance_steps(recorded, spots, agreeing, switches)
    summary = _summary(difference.equal or difference.first is None, difference.verdict, notes)
    return Diagnosis(tuple(steps), summary, _reproduction(recorded, spots, steps))


def _renamed(trace: Trace, names: Mapping[str, str]) -> Trace:
    """Return a trace by other names, as far as they are known."""
    values, relevance = ({names.get(k, k): v for k, v in p.items()} for p in (trace.values, trace.relevance))
    return Trace(values, relevance, trace.nodes)


def _summary(equal: bool, verdict: str, notes: Mapping[str, str]) -> str:
    left = "".join(f"; '{name}' was not judged: {why}" for name, why in notes.items())
    if equal:
        return f"{verdict}{left}"
    return f"no node's own step departs: what differs adds up on the way ({verdict}){left}"


# Values and start -------------------------------------------------------------------------------------------------


def _value_step(recorded: Recorded, found: forward.ValueDeparture) -> Step:
    """Return the step of a node whose value departs."""
    layer = type(recorded.nodes[found.node].layer).__name__
    note = "too few numbers differ to name a reason" if found.weak else ""
    if found.plain.shape != found.got.shape:
        note = f"its shape is {found.got.shape}, not {found.plain.shape}"
    made = Step(
        found.node, layer, "", "value", found.node, (), relative=off(found.plain, found.got), count=int(found.got.size),
        differing=found.differing, note=note,
    )  # fmt: skip
    if not found.explained:
        return made
    node, way = found.explained[0]
    others = tuple(dict.fromkeys((w.id,) for _, w in found.explained[1:] if w.id != way.id))
    best = off(recorded.forward(recorded.nodes[found.node], {node: way.layer})[0], found.got)
    return replace(
        made, node=node, layer=type(recorded.nodes[node].layer).__name__, switches=(way.id,), alternatives=others,
        says=(way.says,), off=best, note="" if node == found.node else f"'{node}' itself is not shown",
    )  # fmt: skip


def _starts(recorded: Recorded) -> Iterator[Step]:
    """Yield where the relevance that starts is another one."""
    for name, ours in recorded.start.items():
        theirs = recorded.relevance.get(name)
        if theirs is None or name in recorded.readers:
            continue
        if off(ours, theirs) <= recorded.limits["relevance", name].departs:
            continue
        step = Step(
            owner(name, recorded.nodes), "", "", "relevance", name, (), relative=off(ours, theirs),
            count=int(theirs.size), differing=int((ours != theirs).sum()),
        )  # fmt: skip
        found = next(_other_starts(recorded, name, ours, theirs), None)
        if found is None:
            yield step
        else:
            says, made = found
            yield replace(step, switches=("start",), says=(says,), off=off(made, theirs))


def _other_starts(recorded: Recorded, name: str, ours: Array, theirs: Array) -> Iterator[tuple[str, Array]]:
    """Yield the starts of programs that are the other one here, with what they are."""
    if ours.shape != theirs.shape:
        return
    value = recorded.values[name]
    chosen = (ours != 0).astype(float)
    shown = value.reshape(len(value), -1)
    exponents = np.exp(shown - shown.max(axis=1, keepdims=True, initial=-np.inf))
    softmax = (exponents / exponents.sum(axis=1, keepdims=True)).reshape(value.shape)
    ways = {
        "1 at the explained outputs": chosen,
        "the value of the explained outputs": value * chosen,
        "the values of all outputs": value,
        "1 at every output": np.ones(value.shape),
        "the softmax of the explained outputs": softmax * chosen,
        "the softmax of all outputs": softmax,
        "nothing where it would be negative": np.maximum(ours, 0),
    }
    limit = recorded.limits["relevance", name].agrees
    yield from ((f"it starts at {says}", made) for says, made in ways.items() if off(made, theirs) <= limit)


# Relevances -------------------------------------------------------------------------------------------------------


def _relevance_steps(
    recorded: Recorded, spots: Sequence[Spot], agreeing: Sequence[str], switches: Switches
) -> list[Step]:
    """Return the steps of all names whose relevance departs."""
    picks = chosen(recorded, spots, agreeing, switches)
    return [_step(recorded, spot, *pick, spots) for spot, pick in zip(spots, picks, strict=True)]


def _step(
    recorded: Recorded, spot: Spot, pick: Explained | None, others: tuple[Explained, ...], spots: Sequence[Spot]
) -> Step:
    names = list(pick.changes) if pick is not None else _suspects(recorded, spot, spots)
    node = recorded.nodes[names[0]]
    rule = recorded.rules[names[0]]
    made = Step(
        names[0], type(node.layer).__name__,
        called(node.layer, rule) if rule is not None or node.layer.own_rule else "", "relevance", spot.name, (),
        relative=off(spot.plain, spot.got), count=int(spot.got.size),
        differing=int(spot.differing.sum()) if spot.plain.shape == spot.got.shape else int(spot.got.size),
        note=_note(spot, names[1:]),
    )  # fmt: skip
    if pick is None:
        return made
    note = "" if len(names) == 1 else f"at {', '.join(names)}"
    alternatives = tuple(dict.fromkeys(o.ids for o in others if o.ids != pick.ids))
    return replace(
        made,
        switches=pick.ids,
        alternatives=alternatives,
        numbers=pick.numbers,
        says=pick.says,
        off=pick.off,
        note=note,
    )


def _note(spot: Spot, others: Sequence[str]) -> str:
    if spot.plain.shape != spot.got.shape:
        return f"its shape is {spot.got.shape}, not {spot.plain.shape}"
    if spot.weak:
        names = " or ".join(dict.fromkeys(" + ".join(e.ids) for e in spot.weak))
        return f"{names} would give it, but too few numbers differ to tell it from chance"
    if others:
        return f"or by {' or '.join(repr(n) for n in others)}: the numbers do not tell which of them departs"
    return ""


def _suspects(recorded: Recorded, spot: Spot, spots: Sequence[Spot]) -> list[str]:
    """Return the nodes of which one hands back what nothing explains, the last of the forward pass first.

    A node that reads several values is cleared where the others get what its rule gives, and guilty where one of them,
    which it alone hands relevance to, does not.
    """
    names = [n.name for n in spot.cone.nodes]
    alone = {s.cone.nodes[0].name for s in spots if s is not spot and len(s.cone.nodes) == 1}
    guilty = [n for n in names if n in alone]
    if len(names) == 1 or guilty:
        return guilty[:1] or names
    departing = {s.name for s in spots}
    cleared = {
        n.name
        for n in spot.cone.nodes
        if any(name in recorded.relevance and name not in departing for name in n.inputs if name != spot.name)
    }
    return [n for n in names if n not in cleared] or names


def _reproduction(recorded: Recorded, spots: Sequence[Spot], steps: Sequence[Step]) -> Reproduction | None:
    """Return what a case is made of: the first relevance that nothing explains, else the first that departs."""
    told = [s for s in steps if s.kind == "relevance" and s.layer]
    pairs = list(zip(spots, told, strict=True))
    for spot, step in [*(p for p in pairs if p[1].unexplained), *pairs]:
        node = recorded.nodes[step.node]
        if spot.plain.shape == spot.got.shape and node.name in {n.name for n, _ in spot.cone.direct}:
            return Reproduction.of(recorded, spot, node, step)
    return None
