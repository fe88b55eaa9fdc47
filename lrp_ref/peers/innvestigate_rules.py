"""The rules of iNNvestigate by the names of this package's."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..layers import Conv, Dense, Unweighted
from ..network.network import Node
from ..rules import LRP0, AlphaBeta, Epsilon, Flat, Pass, WSquare, ZBox, ZPlus
from ..rules.edits import EXACT
from ..rules.rule import Rule, WithBias
from .named_rules import require_no_strength
from .task import NoRule, Task

NOTES = (
    "average pools and additions go by the z-rule, whatever rule is asked for",
    "only ε is a parameter; other rules replace denominators of exactly 0 by 1e-7",
)


def weighted(node: Node) -> bool:
    """Return whether a node has a rule of its own; others go one way."""
    return isinstance(node.layer, Dense | Conv)


def require_rule(task: Task, node: Node) -> None:
    """Raise unless the program has the rule that is asked for at a node.

    Raises:
        NoRule: it has not.
    """
    asked = task.rules.get(node.name)
    if weighted(node):
        rule_of(task, node)
        return
    summed = isinstance(asked, Rule) and isinstance(node.layer, Unweighted)
    if not (asked is None or isinstance(asked, Pass) or summed):
        raise NoRule(f"it has no {asked!r} for a {type(node.layer).__name__}")


def rule_of(task: Task, node: Node) -> Any:
    """Return the class that reverses a dense layer or a convolution, with its parameters.

    Raises:
        NoRule: there is none of that name.
    """
    import innvestigate.analyzer.relevance_based.relevance_rule as rules

    asked, kind = task.rules.get(node.name), type(node.layer).__name__
    bias, rule = True, asked
    if isinstance(asked, WithBias) and asked.policy == "ignore" and isinstance(asked.rule, LRP0 | Epsilon | AlphaBeta):
        bias, rule = False, asked.rule
    if getattr(node.layer, "groups", 1) != 1:
        raise NoRule("TensorFlow on a CPU has no gradient of grouped convolutions, by which it goes back")
    if isinstance(rule, AlphaBeta | ZPlus | WSquare | Flat | ZBox):
        require_no_strength(rule)
    match rule:
        case Epsilon(bias_share=0, stabiliser_share=None | 0):
            return _epsilon(rules, float(rule.epsilon), bias)
        case LRP0() if rule.stabiliser == EXACT or rule.stabiliser.kind == "add":
            return _epsilon(rules, float(rule.stabiliser.epsilon), bias)
        case AlphaBeta():
            return partial(rules.AlphaBetaRule, alpha=float(rule.alpha), beta=float(rule.beta), bias=bias)
        case ZPlus():
            return rules.ZPlusRule
        case WSquare():
            return rules.WSquareRule
        case Flat():
            return rules.FlatRule
        case ZBox(low=low, high=high) if low is not None and high is not None and max(np.ndim(low), np.ndim(high)) < 2:
            return partial(rules.BoundedRule, low=np.asarray(low), high=np.asarray(high))
    raise NoRule(f"it has no {'rule by default' if asked is None else repr(asked)} for a {kind}")


def _epsilon(rules: Any, epsilon: float, bias: bool) -> Any:
    if epsilon == 0:
        return partial(rules.ZRule, bias=bias)
    return partial(rules.EpsilonRule, epsilon=epsilon, bias=bias)
