"""What a caller of ``share`` may have already, made in one line."""

from __future__ import annotations

from typing import Any

from lrp_ref.propagation.prepare import PreparedNetwork, Question, prepare
from lrp_ref.rules.prepared import Facts, PreparedRule
from lrp_ref.rules.share import Given


def known(layer: Any, rule: Any, *, z: Any = None, edited: Any = None, constants: Any = None, **facts: bool) -> Given:
    """Return the rule made ready for the layer with these facts, edited layers and constants, and z."""
    return Given(z=z, ready=PreparedRule(layer, rule, Facts(**facts), edited or {}, constants or {}))


def ready(net: Any, fed: Any, composite: Any, *, canonize: bool = True) -> PreparedNetwork:
    """Return a network made ready for a composite."""
    return prepare(net, fed, Question(composite, canonize=canonize))


def stand_ins(prepared: PreparedNetwork) -> dict[str, str]:
    """Return which output stands for which on the way back."""
    return {step.node.name: step.stand_in for step in prepared.steps if step.stand_in}
