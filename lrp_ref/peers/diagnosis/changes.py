"""What may have been computed in place of a rule: switches, one or two of them, and other rules altogether."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

from ... import rules
from ...errors import LrpError
from ...layers import Layer, Linear
from ...rules.edits import EXACT, Stabiliser
from ...rules.rule import AnyRule, Rule, WithBias

OTHER_RULE, FIRST_LAYER = "other-rule", "first-layer"


class AnySwitch(Protocol):
    """What a switch has: see :class:`lrp_ref.dialects.Switch`."""

    @property
    def statement(self) -> str:
        """What is computed, in a sentence."""

    @property
    def is_fault(self) -> bool:
        """Whether it is a mistake that any program may have, rather than a program's way."""

    def __call__(self, layer: Layer, rule: AnyRule | None) -> AnyRule | None:
        """Return the rule that is computed in place of ``rule``; None where it does not concern the layer."""


Switches = Mapping[str, AnySwitch]


@dataclass(frozen=True, eq=False)
class Change:
    """What is computed at a node in place of its rule.

    Attributes:
        ids: of the switches, in order.
        rule: that is computed.
        says: what it is, a part of a sentence for each id.
        numbers: parameter → number that was found in the numbers.
    """

    ids: tuple[str, ...]
    rule: Any
    says: tuple[str, ...]
    numbers: Mapping[str, float]


def switched(layer: Layer, rule: Any, ids: Iterable[str], switches: Switches) -> Change | None:
    """Return a rule under switches, one after the other; None unless each of them changes it.

    Args:
        layer: of the node.
        rule: as it was asked for.
        ids: of the switches.
        switches: all that are known.
    """
    found, says = rule, []
    for key in ids:
        try:
            changed = switches[key](layer, found)
        except LrpError:  # a switch for one form of a rule meets another, after a switch before it
            return None
        if changed is None or same(changed, found):
            return None
        found = changed
        says.append(switches[key].statement.rstrip("."))
    return Change(tuple(ids), found, tuple(says), {})


def same(one: Any, other: Any) -> bool:
    """Return whether two rules are one: equal, or made of the same groups."""
    if isinstance(one, Rule) and isinstance(other, Rule):
        return one.groups == other.groups
    return type(one) is type(other) and bool(one == other)


def concerned(layer: Layer, rule: Any, switches: Switches) -> list[str]:
    """Return the ids of the switches that change a rule."""
    return [key for key in switches if switched(layer, rule, (key,), switches) is not None]


def pairs(layer: Layer, rule: Any, switches: Switches) -> Iterator[tuple[str, str]]:
    """Yield the ordered pairs of switches of which each changes what the one before made of a rule."""
    for one in concerned(layer, rule, switches):
        first = switched(layer, rule, (one,), switches)
        assert first is not None
        for other in concerned(layer, first.rule, switches):
            if other != one:
                yield one, other


def other_rules(layer: Layer, rule: Any, elsewhere: Sequence[Any], *, first: bool = False) -> Iterator[Change]:
    """Yield rules that may have been taken for the one that was asked for, under the name ``other-rule``.

    Args:
        layer: of the node.
        rule: as it was asked for.
        elsewhere: rules of the network's other nodes.
        first: whether the node is the first with weights, and its rule that of no other node: the rule of others there
            is called ``first-layer``.
    """
    known: list[AnyRule] = [rules.Gradient(), rules.Pass()]
    if isinstance(layer, Linear):
        stabiliser = stabiliser_of(rule) or EXACT
        named: list[AnyRule] = [
            rules.LRP0(stabiliser), rules.Epsilon(1e-6), rules.ZPlus(stabiliser), rules.AlphaBeta(1, 0, stabiliser),
            rules.AlphaBeta(2, 1, stabiliser), rules.Flat(stabiliser), rules.WSquare(stabiliser),
        ]  # fmt: skip
        if isinstance(rule, rules.AlphaBeta):  # another α is found as a number
            named = [r for r in named if not isinstance(r, rules.AlphaBeta)]
        known = [*(r for r in elsewhere if isinstance(r, Rule)), *named, *known]
    else:
        known += [rules.Guided(), rules.Deconv()]
    tried: list[Any] = [rule]
    for other in known:
        if not any(same(other, r) for r in tried):
            tried.append(other)
            says = f"{other!r} in place of {called(layer, rule)}"
            if first and any(same(other, r) for r in elsewhere):
                yield Change((FIRST_LAYER,), other, (f"{says}, which does not reach the first layer",), {})
            else:
                yield Change((OTHER_RULE,), other, (says,), {})


def called(layer: Layer, rule: Any) -> str:
    """Return a rule as text; the layer's own way in words."""
    return repr(rule) if rule is not None else f"its own way ({layer.own_rule})"


# Stabilisers --------------------------------------------------------------------------------------------------------


def _has(rule: Any, name: str) -> bool:
    return is_dataclass(rule) and any(f.name == name and f.init for f in fields(rule))


def stabiliser_of(rule: Any) -> Stabiliser | None:
    """Return the first stabiliser of a rule's denominators; None of a rule without any."""
    if isinstance(rule, rules.Recurrent):
        return stabiliser_of(rule.dense)
    if isinstance(rule, Rule):
        return rule.groups[0].stabiliser
    found = getattr(rule, "stabiliser", None)
    if isinstance(found, Stabiliser):
        return found
    return Stabiliser("add", rule.epsilon) if _has(rule, "epsilon") else None


def with_epsilon(rule: Any, epsilon: float, kind: str = "") -> Any:
    """Return a rule with another ε in its denominators; None of a rule without any.

    Args:
        rule: for linear layers, recurrent ones, or with a stabiliser of its own.
        epsilon: ε.
        kind: of the stabiliser; "" for the kind that is there, which is "add" where there was none.
    """
    if isinstance(rule, rules.Recurrent):
        parts = {name: with_epsilon(getattr(rule, name), epsilon, kind) for name in ("dense", "state")}
        return None if None in parts.values() else replace(rule, **parts)
    if isinstance(rule, WithBias):
        return WithBias(with_epsilon(rule.rule, epsilon, kind), rule.policy)
    if isinstance(rule, rules.Epsilon) and kind in ("", "add"):
        return replace(rule, epsilon=epsilon)
    if _has(rule, "stabiliser") and isinstance(rule.stabiliser, Stabiliser):
        return replace(rule, stabiliser=_made(rule.stabiliser, epsilon, kind))
    if isinstance(rule, Rule):
        groups = tuple(replace(g, stabiliser=_made(g.stabiliser, epsilon, kind)) for g in rule.groups)
        return replace(rule, own_groups=groups) if _has(rule, "own_groups") else Rule(groups)
    return replace(rule, epsilon=epsilon) if _has(rule, "epsilon") else None


def _made(stabiliser: Stabiliser, epsilon: float, kind: str) -> Stabiliser:
    if stabiliser.kind == "exact" or (kind and kind != stabiliser.kind):
        return Stabiliser(kind or "add", epsilon)
    return replace(stabiliser, epsilon=epsilon)
