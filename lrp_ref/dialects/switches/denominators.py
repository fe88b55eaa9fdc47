"""How a denominator is kept away from 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...layers import Linear
from ...rules.cells import Recurrent
from ...rules.edits import EXACT, Stabiliser, add
from ...rules.rule import Rule
from ..foreign import Unguarded, grouped
from ..stabilisers import AtZero, OfBatch, Unsigned
from .switch import Change, switch


def _restabilised(name: str, change: Callable[[Stabiliser], Stabiliser | None]) -> Change:
    """Return the change that gives every stabiliser of a rule another form."""

    def new(rule: Any) -> Any:
        if isinstance(rule, Recurrent):
            dense, state = new(rule.dense), new(rule.state)
            return (
                None if dense is state is None else replace(rule, dense=dense or rule.dense, state=state or rule.state)
            )
        if isinstance(rule, Rule):
            if all(change(g.stabiliser) is None for g in rule.groups):
                return None
            return grouped(rule, name, lambda g: replace(g, stabiliser=change(g.stabiliser) or g.stabiliser))
        own = getattr(rule, "stabiliser", None) if "stabiliser" in getattr(rule, "__dataclass_fields__", ()) else None
        other = change(own) if isinstance(own, Stabiliser) else None
        return None if other is None else replace(rule, stabiliser=other)

    return lambda layer, rule: new(rule)


def _added(make: Callable[[Any], Stabiliser]) -> Callable[[Stabiliser], Stabiliser | None]:
    return lambda s: make(s.epsilon) if type(s) is Stabiliser and s.kind == "add" and s.epsilon else None


switch(
    "eps-unsigned",
    "z + ε whatever the sign of z; Bach et al. 2015: z + ε sgn z (Achtibat et al. 2024 write z + ε)",
    "lxt, the heatmapping.org tutorial, kaifishr",
)(_restabilised("eps-unsigned", _added(lambda e: Unsigned("add", e))))
switch("eps-sign0", "sgn 0 = −1; Bach et al. 2015: +1", "TorchLRP")(
    _restabilised("eps-sign0", _added(lambda e: AtZero("add", e, "minus")))
)
switch("eps-no-sign0", "sgn 0 = 0, so that ε does not stabilise z = 0; Bach et al. 2015: sgn 0 = +1", "hilrp")(
    _restabilised("eps-no-sign0", _added(lambda e: AtZero("add", e, "zero")))
)
switch("eps-undivided", "at z = 0 nothing is divided; Bach et al. 2015 divide by +ε", "the toolbox for Caffe")(
    _restabilised("eps-undivided", _added(lambda e: AtZero("add", e, "undivided")))
)
switch("eps-rms", "ε is a quarter of the root mean square of z over the whole batch", "the heatmapping.org tutorial")(
    _restabilised("eps-rms", lambda s: OfBatch("relative", 0.25) if s.kind == "add" else None)
)
switch("eps-default", "ε = 0.1, the program's default, in place of the given one", "TorchLRP")(
    _restabilised("eps-default", _added(lambda e: add(0.1)))
)
switch("epsilon-ignored", "ε = 0")(_restabilised("epsilon-ignored", _added(lambda e: EXACT)))


@switch(
    "zero-division-nan", "nothing guards a quotient: 0/0 is NaN", "zennit and autoLRP at ε = 0, LRP toolbox (slow αβ)"
)
def _zero_division_nan(layer: Any, rule: Any) -> Any:
    return Unguarded(rule) if isinstance(rule, Rule) and isinstance(layer, Linear) else None
