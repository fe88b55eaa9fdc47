"""What holds by the graph alone: where values are ≥ 0, and where relevance must be 0.

Nobody looks at numbers for this: it follows from the layers and the plan. Rules use it to leave out passes that are
empty by the graph (a⁻ behind a ReLU; the z_j < 0 half of the generalised γ-rule below one).
"""

from __future__ import annotations

from ..layers import Layer
from ..network.network import Network, owner
from ..rules.edits import KEEP, NEG, POS
from ..rules.prepared import Facts
from ..rules.rule import AnyRule, Rule
from .plan import Plan


def facts(net: Network, plan: Plan, start_vanishes: bool = False) -> tuple[Facts, ...]:
    """Return what holds at every node of a network under a plan.

    Args:
        net: the network.
        plan: its rules, node by node.
        start_vanishes: whether the start relevance is 0 wherever the output is ≤ 0.
    """
    positive: dict[str, bool] = {}
    for node in net.nodes:
        inputs = tuple(positive.get(name, False) for name in node.inputs)
        positive[node.name] = node.layer.promises.tells_sign and node.layer.nonnegative(inputs)
    # The way back is asked next: does the relevance of a value vanish where the value is ≤ 0, at every use of it?
    vanishes = dict.fromkeys(net.outputs, start_vanishes)
    active: dict[str, bool] = {}
    for node, planned in zip(reversed(net.nodes), reversed(plan), strict=True):
        above = vanishes.get(node.name, True)
        active[node.name] = above
        for name in node.inputs:
            source = owner(name, positive)
            here = _vanishes(node.layer, planned.rule, above, positive.get(source, False))
            vanishes[source] = vanishes.get(source, True) and here
    return tuple(Facts(all(positive.get(n, False) for n in node.inputs), active[node.name]) for node in net.nodes)


def _vanishes(layer: Layer, rule: AnyRule | None, above: bool, positive: bool) -> bool:
    """Return whether R_i = 0 wherever a_i ≤ 0, given whether the same holds of the layer's output."""
    if isinstance(rule, Rule):
        # R_i is a_i times something: 0 at a_i = 0, and a_i < 0 does not occur.
        plain = all(r.inputs in (KEEP, POS, NEG) for g in rule.groups for r in g.runs)
        even = any(g.bias_share or g.stabiliser_share for g in rule.groups)
        return positive and plain and not even
    return rule is None and layer.promises.tells_sign and layer.vanishes(above)
