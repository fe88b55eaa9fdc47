"""Answers of lrp_ref itself with switches of dialects: whole networks, and pairs of switches on a layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..dialects import SWITCHES, Switch
from ..errors import LrpError
from ..layers import Layer
from ..propagation.composites import Composite
from ..propagation.explaining import explain
from .cases import Case
from .own import layer_question, make_network, make_rule
from .places import Place, layers_of

Arrays = dict[str, np.ndarray[Any, Any]]


def network_answer(case: Case, reasons: Mapping[Place, Iterable[str]]) -> Arrays | None:
    """Return the relevance of a network's inputs where each layer is computed by the faults found at its place.

    None where one of them is no switch, or nothing changes.

    Args:
        case: of a network.
        reasons: ids of faults by place.
    """
    question, another = case.question(), False
    net, rows = make_network(question), []
    for node, place in zip(net.nodes, layers_of(case), strict=True):
        rule = make_rule(question["rules"].get(node.name))
        for name in reasons.get(place, ()):
            switch = SWITCHES.get(name)
            if switch is None:
                return None
            other = switch(node.layer, rule)
            another, rule = another or other is not None, rule if other is None else other
        rows += [(node.name, rule)] if rule is not None else []
    if not another:
        return None
    try:
        with np.errstate(all="ignore"):
            e = explain(net, question["inputs"], composite=Composite(rows), start=question["start"], canonize=False)
    except LrpError:  # a rule that does not fit is no explanation
        return None
    found = e.relevance if isinstance(e.relevance, Mapping) else {case.inputs[0]: e.relevance}
    return {name: np.asarray(found[name], dtype=np.float64) for name in case.inputs}


UNFIT = (LrpError, ArithmeticError, AttributeError, TypeError, ValueError)  # two switches need not fit


def changed(layer: Layer, rule: Any, switches: Iterable[Switch]) -> Any:
    """Return the rule of a layer after some switches; None where one of them does not concern what is there."""
    for switch in switches:
        try:
            rule = switch(layer, rule)
        except UNFIT:
            return None
        if rule is None:
            return None
    return rule


def layer_answer(case: Case, switches: Iterable[Switch]) -> Arrays | None:
    """Return the relevance of a layer's operands by some switches, one after another; None where one is idle."""
    layer, rule, operands, R = layer_question(case.question())
    rule = changed(layer, rule, switches)
    if rule is None:
        return None
    try:
        with np.errstate(all="ignore"):
            received = layer.relevance_backward(operands, R, rule)
    except UNFIT:
        return None
    return {name: np.asarray(received[int(name)], dtype=np.float64) for name in case.inputs}


def pairs(case: Case) -> Iterator[tuple[Switch, Switch]]:
    """Yield the pairs of programs' ways, in the order in which they act, that concern the layer of a case."""
    layer, rule, *_ = layer_question(case.question())
    ways = [switch for switch in SWITCHES.values() if not switch.is_fault]
    first = [switch for switch in ways if changed(layer, rule, (switch,)) is not None]
    for one in first:
        for other in ways:
            if other is not one and changed(layer, rule, (one, other)) is not None:
                yield one, other
