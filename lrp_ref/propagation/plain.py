"""The method as it is read, on the layers, rules and ledger of the fast code: linear layers and the walk, plainly."""

from __future__ import annotations

from typing import Any

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, only, sample_sum
from ..fast.quotient import divide
from ..layers import Linear
from ..network.network import Network, value_name
from ..rules.edits import ONES, ZERO
from ..rules.rule import LinearMap, Redistribution, Rule
from .composites import usual
from .explaining import as_given
from .explanation import Explanation
from .ledger import Ledger, Row
from .plan import Planned
from .prepare import Question, prepare
from .start import start_relevance


def share(layer: LinearMap, xs: tuple[Array, ...], relevance: Array, rule: Rule) -> Redistribution:
    """Redistribute a linear layer's ``relevance`` over its operands ``xs`` (a tuple): R_i += ã_i Σ_j w̃_ij m_j.

    Per group of the rule m_j = weight gate_j R_j / stabilise(total_j), total_j = Σ_runs ± (Σ_i ã_i w̃_ij + b̃_j).
    """
    xp, zero = namespace(relevance), relevance * 0
    received, bias, stabiliser, covered = [x * 0 for x in xs], sample_sum(zero), sample_sum(zero), zero
    for group in rule.groups:
        passes = [(run, layer.edited(run.weights, run.bias), tuple(map(run.inputs, xs))) for run in group.runs]
        total = sum((run.signed(edited.forward(*inputs)) for run, edited, inputs in passes), start=zero)
        offset = zero if (added := group.stabiliser.offset(total)) is None else added
        taken = group.covered(relevance, layer.forward(*xs))  # weight gate_j R_j; a gate looks at the sign of z_j
        message, dead = divide(taken, total + offset, xp)  # m_j, and 0 where the denominator is: dropped
        for run, edited, inputs in passes:
            pulled = edited.pull(xs, message)
            received = [r + run.signed(x * g) for r, x, g in zip(received, inputs, pulled, strict=True)]
        biases = [run.signed(b) for run, e, _ in passes if run.bias != ZERO and (b := e.bias_map(total)) is not None]
        to_bias, to_stabiliser = message * sum(biases, start=zero), message * offset
        counted = [only(ONES(x), (p != 0) | (not group.present)) for x, p in zip(xs, layer.present(xs), strict=True)]
        fan_in = layer.evenly().forward(*counted)  # N_j inputs of unit j; a part δ of both goes evenly to them
        parts = (to_bias, group.bias_share), (to_stabiliser, group.stabiliser_share)
        even = [xp.where(fan_in == 0, zero, scalar(part, mass) * mass) for mass, part in parts]
        spread = layer.evenly().pull(xs, divide(even[0] + even[1], fan_in, xp)[0])
        received = [r + one * g for r, one, g in zip(received, counted, spread, strict=True)]
        bias, stabiliser = bias + sample_sum(to_bias - even[0]), stabiliser + sample_sum(to_stabiliser - even[1])
        covered = covered + xp.where(dead, zero, taken)
    return Redistribution(tuple(received), bias, stabiliser, sample_sum(relevance - covered))


def explain(net: Network, x: Any, *, target: Any = None, composite: Any = None, start: Any = "logit") -> Explanation:
    """Explain as :func:`lrp_ref.explain` does, in one walk that checks nothing; an array as start is batch first."""
    fed = net.feed(x)
    prepared = prepare(net, fed, Question(composite or usual(net), start=start))  # canonized, a rule for every node
    values = prepared.net.values({i.name: fed[i.name] for i in prepared.net.inputs})  # forward, by name
    (name,), chance = prepared.net.outputs, prepared.probability(values)
    begin, targets, how = start_relevance(values[name], target, start, probability=chance)
    relevance, rows, xp = {name: begin}, list[Row](), namespace(begin)
    for node, planned in zip(reversed(prepared.net.nodes), reversed(prepared.plan), strict=True):
        outputs = [v for k in range(len(values)) if (v := value_name(node.name, k)) in values]  # node, node:1, …
        arrived = tuple(relevance.get(n, xp.zeros(values[n].shape, dtype=begin.dtype)) for n in outputs)
        xs = tuple(values[n] for n in node.inputs)
        shared = _redistributed(planned, xs, arrived).only(planned.layer.takes(xs))  # what integers get is dropped
        for source, part in zip(node.inputs, shared.relevances, strict=True):
            relevance[source] = relevance[source] + part if source in relevance else part
        rows.append(Row.of(planned, sum(map(sample_sum, arrived)), sum(map(sample_sum, shared.relevances)), shared))
    told = (targets, how, prepared.composite, prepared.plan, begin, None, prepared.head, chance, prepared.bias)
    received = {n: relevance.get(n, 0 * a) for n, a in fed.items() if net.receives(n, a)}
    return as_given(Explanation(values[name], received, Ledger(rows), *told, prepared.notes(fed)), net)


def _redistributed(planned: Planned, xs: tuple[Array, ...], arrived: tuple[Array, ...]) -> Redistribution:
    """Return what a layer makes of the relevance that arrived: by ``share`` if it is linear, else in its own file."""
    layer, rule = planned.layer, planned.rule
    if isinstance(layer, Linear) and isinstance(chosen := layer.default() if rule is None else rule, Rule):
        return share(layer, xs, arrived[0], chosen)
    if rule is None and layer.own_rule is None and not any((r != 0).any() for r in arrived):
        return Redistribution.routed([0 * x for x in xs], arrived[0])  # nothing arrives at the softmax of a gate
    return layer.redistribute(xs, arrived if len(arrived) > 1 else arrived[0], rule)
