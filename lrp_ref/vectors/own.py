"""lrp_ref as an implementation among others: the adapter that the vectors are run with where none is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import __version__
from ..errors import ParameterError, unknown
from ..layers import LAYERS, Affine, Layer
from ..network.inputs import Input
from ..network.network import Network, Node
from ..propagation.composites import Composite
from ..propagation.explaining import explain
from ..rules import RULES, AnyRule
from ..rules.edits import Stabiliser
from ..rules.rule import WithBias

NAMED: dict[str, type[AnyRule]] = {**RULES, WithBias.__name__: WithBias}  # the rules that a case can ask for by name

about = {"name": "lrp_ref", "version": __version__}


def relevance(case: Mapping[str, Any]) -> Any:
    """Return lrp_ref's relevance for the question of a case.

    Args:
        case: see ``Case.question``.

    Returns:
        One array per operand, or for a network a dict by name.

    Raises:
        LrpError: lrp_ref refuses the case.

    Example:
        >>> dense = {"type": "Dense", "weight": np.array([[1.0], [1.0]]), "bias": None}
        >>> case = {"layer": dense, "inputs": [np.array([[1.0, 3.0]])], "rule": {"name": "LRP0"}}
        >>> relevance({**case, "relevance_out": np.array([[1.0]])})
        [array([[0.25, 0.75]])]
    """
    if "network" in case:
        return _network(case)
    layer, rule, xs, above = layer_question(case)
    received = layer.relevance_backward(xs, above, rule)
    for array in received:
        if not np.isfinite(array).all():
            raise ParameterError("the relevance is not finite")
    return list(received)


def layer_question(case: Mapping[str, Any]) -> tuple[Layer, Any, tuple[Any, ...], Any]:
    """Return layer, rule, operands and the relevance from above of the question of a case of one layer.

    Raises:
        ParameterError: a layer or a rule that is not known, or parameters that are not its.
    """
    layer, rule = make_layer(case["layer"], case.get("rule")), make_rule(case.get("rule"))
    choice = case.get("choice") or {}
    if choice.get("topic") == "bias-policy":  # this implementation has every option
        rule = rule.with_bias(choice["option"])
    xs = tuple(case["inputs"])
    if case["layer"].get("lengths") and (xs[1] % 1 == 0).all():  # whole numbers, which the files write like all others
        xs = (xs[0], xs[1].astype(np.int64), *xs[2:])
    return layer, rule, xs, case["relevance_out"]


def make_layer(spec: Mapping[str, Any], rule: Mapping[str, Any] | None = None) -> Layer:
    """Return the layer of a case; options of a layer's own way that the rule holds belong to the layer.

    Raises:
        ParameterError: a layer that is not known, or parameters that are not its.
    """
    parameters = {k: _tuples(v) for k, v in spec.items() if k != "type"}
    if rule is not None and rule.get("name") == "own":
        parameters |= {k: _tuples(v) for k, v in rule.items() if k != "name"}
    if spec["type"] == "BatchNorm":  # which is a scale and a shift
        return Affine.batch_norm(**parameters)
    return _build("layer", LAYERS, str(spec["type"]), parameters)  # type: ignore[no-any-return]


def make_rule(spec: Mapping[str, Any] | None) -> Any:
    """Return the rule of a case; None for a layer's own way.

    Raises:
        ParameterError: a rule that is not known, or parameters that are not its.
    """
    if spec is None or spec["name"] == "own":
        return None
    parameters = {k: _parameter(v) for k, v in spec.items() if k != "name"}
    return _build("rule", NAMED, str(spec["name"]), parameters)


def rule_spec(rule: AnyRule | None) -> dict[str, Any]:
    """Return a rule as a case has it, the inverse of :func:`make_rule`; arrays stay arrays, tuples become lists.

    Raises:
        ParameterError: a rule that has no name, such as one of groups.

    Example:
        >>> from lrp_ref import rules
        >>> rule_spec(rules.Epsilon(0.25).with_bias("ignore"))["rule"]
        {'name': 'Epsilon', 'epsilon': 0.25, 'bias_share': 0, 'stabiliser_share': None}
        >>> make_rule(rule_spec(rules.AlphaBeta(2, 1)))
        AlphaBeta(alpha=2, beta=1, stabiliser=exact)
        >>> rule_spec(None)
        {'name': 'own'}
    """
    if rule is None:
        return {"name": "own"}
    name = type(rule).__name__
    if NAMED.get(name) is not type(rule):
        raise ParameterError(f"{rule!r} is no rule that a case can name; there are: {', '.join(NAMED)}")
    return {"name": name, **{f.name: _spec(getattr(rule, f.name)) for f in dataclasses.fields(rule) if f.init}}


def _spec(value: Any) -> Any:
    if isinstance(value, AnyRule):
        return rule_spec(value)
    if isinstance(value, Stabiliser):
        return {"kind": value.kind, "epsilon": value.epsilon}
    return [_spec(v) for v in value] if isinstance(value, tuple) else value


def _build(kind: str, known: Mapping[str, Any], name: str, parameters: dict[str, Any]) -> Any:
    if name not in known:
        raise unknown(kind, name, known)
    try:
        return known[name](**parameters)
    except TypeError as error:
        raise ParameterError(f"{kind} {name}: {error}") from error


def _parameter(value: Any) -> Any:
    if isinstance(value, Mapping):
        return make_rule(value) if "name" in value else Stabiliser(**value)
    return _tuples(value)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def make_network(case: Mapping[str, Any]) -> Network:
    """Return the network of a case.

    Raises:
        ParameterError: a layer that is not known, or parameters that are not its.
    """
    spec, rules = case["network"], case["rules"]
    nodes = tuple(
        Node(n["name"], make_layer(n["layer"], rules.get(n["name"])), tuple(n["inputs"])) for n in spec["nodes"]
    )
    return Network(nodes, tuple(Input(name) for name in spec["inputs"]), (spec["output"],))


def _network(case: Mapping[str, Any]) -> dict[str, Any]:
    spec, rules, net = case["network"], case["rules"], make_network(case)
    named = [(name, make_rule(rule)) for name, rule in rules.items()]
    composite = Composite([(name, rule) for name, rule in named if rule is not None])
    fed = {name: case["inputs"][name] for name in spec["inputs"]}
    e = explain(net, fed, composite=composite, start=case["start"], canonize=False, trace=True)
    received = e.relevance if isinstance(e.relevance, Mapping) else {spec["inputs"][0]: e.relevance}
    return {**e.trace.relevance, **received}
