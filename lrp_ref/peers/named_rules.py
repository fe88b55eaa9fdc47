"""What a rule asks of another program: the name of a layer's own way, and the one ε in its denominators."""

from __future__ import annotations

from typing import Any

from ..layers import Bilinear, Elementwise, Layer, Normalize, Unweighted
from ..network.network import Node
from ..rules import LRP0, AnyRule, Epsilon, Pass, Product
from .task import NoRule, Task

PRESETS = 1e-6  # the ε of this package's presets, in every denominator


def named(layer: Layer, rule: AnyRule | None) -> AnyRule | None:
    """Return the rule, or the name of the layer's own way where no rule is asked for; None where that has no name.

    Example:
        >>> from lrp_ref.layers import Add, MaxPool, ReLU
        >>> named(Add(), None), named(ReLU(), None), named(MaxPool(2), None)
        (LRP0(stabiliser=exact), Pass(), None)
    """
    if rule is not None:
        return rule
    if isinstance(layer, Bilinear):
        return Product("half" if layer.gate is None else "signal")
    if isinstance(layer, Unweighted | Normalize):
        return LRP0()
    return Pass() if isinstance(layer, Elementwise) else None


def only_gates(task: Task, name: str) -> bool:
    """Return whether a value does nothing but gate products whose rule is "signal", so that nothing arrives at it."""
    readers = task.network.consumers(name)
    return bool(readers) and all(_gates(node, named(node.layer, task.rules.get(node.name)), name) for node in readers)


def _gates(node: Node, rule: AnyRule | None, name: str) -> bool:
    if not isinstance(rule, Product) or rule.product != "signal":
        return False
    gate = node.layer.gate if rule.gate is None and isinstance(node.layer, Bilinear) else rule.gate
    return gate is not None and node.inputs[gate] == name and node.inputs[1 - gate] != name


def strength(rule: Any) -> float:
    """Return the ε of a rule's denominators, 0 where they are taken as they are.

    Raises:
        NoRule: a stabiliser that is no number added with the sign of z, or an ε-rule that spreads the bias.

    Example:
        >>> from lrp_ref import rules
        >>> strength(rules.Epsilon(0.25)), strength(rules.ZPlus())
        (0.25, 0.0)
    """
    if isinstance(rule, Epsilon):
        if rule.bias_share or rule.stabiliser_share:
            raise NoRule("it has no ε-rule that spreads the bias over the inputs")
        return float(rule.epsilon)
    if rule.stabiliser.kind not in ("exact", "add"):
        raise NoRule(f"it stabilises by adding ε, not by '{rule.stabiliser.kind}'")
    return float(rule.stabiliser.epsilon)


def strength_or(rule: Any, own: float) -> float:
    """Return the ε of a rule's denominators, the program's own where the rule takes them as they are.

    Raises:
        NoRule: as :func:`strength` does.

    Example:
        >>> from lrp_ref import rules
        >>> strength_or(rules.Epsilon(0), 1e-5), strength_or(rules.ZPlus(), 1e-5)
        (0.0, 1e-05)
    """
    given = strength(rule)
    return given if isinstance(rule, Epsilon) or given else own


def require_no_strength(rule: Any) -> None:
    """Raise where a rule asks for an ε of more than presets have, 1e-6, of a program that has none in such a rule.

    Raises:
        NoRule: it does.

    Example:
        >>> from lrp_ref import rules
        >>> from lrp_ref.rules.edits import add
        >>> require_no_strength(rules.ZPlus(add(0.25)))
        Traceback (most recent call last):
        lrp_ref.peers.task.NoRule: its ZPlus has no ε that can be set; asked for is ZPlus(stabiliser=add(0.25))
    """
    if rule.stabiliser.kind not in ("exact", "add") or float(rule.stabiliser.epsilon) > PRESETS:
        raise NoRule(f"its {type(rule).__name__} has no ε that can be set; asked for is {rule!r}")
