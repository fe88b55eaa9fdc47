"""A switch, the table of all of them, and what several of them look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ...layers import Layer, Linear, Unweighted
from ...rules import linear
from ...rules.edits import ZERO
from ...rules.groups import Group
from ...rules.rule import AnyRule, Rule, WithBias
from ..foreign import Switched, grouped

Change = Callable[[Any, Any], Any]  # (layer, rule or None) → rule or None


@dataclass(frozen=True, eq=False)
class Switch:
    """One thing that programs compute otherwise.

    Attributes:
        id: the name that it is told by.
        statement: what is computed, and what is published.
        who: the programs that are known to do it; "" for a mistake that any program may have.
        change: (layer, rule) → the rule that is computed, None where it does not concern them.
    """

    id: str
    statement: str
    who: str
    change: Change = field(repr=False)

    @property
    def is_fault(self) -> bool:
        """Whether it is a mistake that any program may have, rather than a program's way."""
        return not self.who

    def __call__(self, layer: Layer, rule: AnyRule | None) -> AnyRule | None:
        """Return the rule that is computed at a layer in place of ``rule``, or None.

        The bias policy of ``rule`` holds for what takes its place too.
        """
        if isinstance(rule, WithBias):
            changed = self.change(layer, rule.rule)
            return changed.with_bias(rule.policy) if isinstance(changed, Rule) else changed
        return self.change(layer, rule)  # type: ignore[no-any-return]


SWITCHES: dict[str, Switch] = {}


def switch(name: str, statement: str, who: str = "") -> Callable[[Change], Change]:
    """Register a function as a switch."""

    def register(change: Change) -> Change:
        SWITCHES[name] = Switch(name, statement, who, change)
        return change

    return register


def is_named(rule: Any, *names: str) -> bool:
    """Return whether a rule is, or was asked for as, one of the named rules for linear layers."""
    asked = rule.asked if isinstance(rule, Switched) else rule
    return isinstance(rule, Rule) and isinstance(asked, tuple(getattr(linear, n) for n in names))


def weighted(layer: Any) -> bool:
    """Return whether a linear layer has weights of its own."""
    return isinstance(layer, Linear) and not isinstance(layer, Unweighted)


def with_biases(rule: Rule, name: str, edit: Any) -> Switched:
    """Return a rule with another edit of the bias, wherever a denominator has one or nobody split it."""

    def changed(group: Group) -> Group:
        first, *others = group.runs
        bare = len(rule.groups) > 2 and first.bias == ZERO  # half of a denominator that was split
        return group if bare else replace(group, runs=(replace(first, bias=edit), *others))

    return grouped(rule, name, changed)


def epsilon_of(rule: Any) -> Any:
    """Return the ε of a rule's denominators, 0 where they have none."""
    return next((g.stabiliser.epsilon for g in rule.groups if g.stabiliser.kind == "add"), 0)


def shares_none(rule: Any) -> bool:
    """Return whether a rule for linear layers spreads nothing of bias and stabiliser."""
    return isinstance(rule, Rule) and not any(g.bias_share or g.stabiliser_share for g in rule.groups)
