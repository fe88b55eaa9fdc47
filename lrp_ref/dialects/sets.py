"""Dialects: named sets of switches, so that a program's numbers are computed here on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from ..base.frozen import Value
from ..errors import ParameterError, unknown
from ..layers import Layer, Unweighted
from ..rules.edits import EXACT, Stabiliser, add
from ..rules.linear import Epsilon
from ..rules.rule import AnyRule, Rule, WithBias
from .foreign import Switched, grouped
from .switches import SWITCHES


@dataclass(frozen=True, eq=False, repr=False)
class Dialect(Value):
    """What a program computes where a rule is asked for: a set of switches, and its ε.

    Args:
        name: "captum-0.9"; for a set without a name, the ids of its switches joined by +.
        switches: ids of ``SWITCHES``, in the order in which they act.
        epsilon: what the program adds to denominators that the rule leaves as they are; None for nothing.
        pool: ε of pools and sums that no rule was asked for; None for that of this package, 1e-6; 0 for none.
        statement: what is worth knowing beside the switches.

    Raises:
        ParameterError: a switch that is not known.

    Example:
        >>> from lrp_ref.rules import ZPlus
        >>> from lrp_ref.layers import Dense
        >>> import numpy as np
        >>> DIALECTS["zennit-1.0"].rule(Dense(np.eye(2)), ZPlus())
        AlphaBeta(alpha=1, beta=0, stabiliser=add(1e-06))
    """

    name: str
    switches: tuple[str, ...] = ()
    epsilon: Any = None
    pool: Any = None
    statement: str = ""

    def __post_init__(self) -> None:
        for name in self.switches:
            if name not in SWITCHES:
                raise unknown("switch", name, SWITCHES)

    @staticmethod
    def of(*switches: str) -> Dialect:
        """Return the set of some switches, called by their ids.

        Example:
            >>> Dialect.of("gamma-bias", "maxpool-zero")
            Dialect('gamma-bias+maxpool-zero')
        """
        return Dialect("+".join(switches), tuple(switches))

    def __repr__(self) -> str:
        return f"Dialect({self.name!r})"

    def rule(self, layer: Layer, rule: AnyRule | None, *, asked: bool = True) -> AnyRule | None:
        """Return the rule that the program computes at a layer.

        Args:
            layer: the layer.
            rule: the rule there; None for the layer's own way.
            asked: whether somebody asked for it, so that it is not this package's rule for layers that nobody named.
        """
        if not asked and self.pool is not None and isinstance(layer, Unweighted):
            rule = Epsilon(self.pool)
        for name in self.switches:
            changed = SWITCHES[name](layer, rule)
            rule = rule if changed is None else changed
        return self._stabilised(layer, rule)

    def _stabilised(self, layer: Layer, rule: AnyRule | None) -> AnyRule | None:
        """Return a rule whose exact denominators have the program's ε."""
        if self.epsilon is None:
            return rule
        if isinstance(rule, WithBias):
            inner = self._stabilised(layer, rule.rule)
            return inner.with_bias(rule.policy) if isinstance(inner, Rule) else inner
        strength = add(self.epsilon)
        own = getattr(rule, "stabiliser", None)
        if isinstance(own, Stabiliser):
            if own == EXACT:
                return cast(AnyRule, replace(cast(Any, rule), stabiliser=strength))
            return rule
        if isinstance(rule, Switched) and any(g.stabiliser == EXACT for g in rule.groups):
            return grouped(rule, "", lambda g: replace(g, stabiliser=strength) if g.stabiliser == EXACT else g)
        return rule


_AUTOLRP = ("gamma-small-as-epsilon", "bias-by-magnitude", "eps-twice", "add-by-magnitude", "avgpool-gradient")

DIALECTS: Mapping[str, Dialect] = {
    d.name: d
    for d in (
        Dialect(
            "zennit-1.0", ("zplus-bias", "wsquare-bias", "gamma-generalised"), epsilon=1e-6, pool=1e-6,
            statement="ε = 1e-6 in every denominator, average pools and sums ε, BatchNorm pass",
        ),
        Dialect(
            "zennit-0.5", ("zplus-bias", "wsquare-bias", "gamma-generalised"), epsilon=1e-6, pool=1e-6,
            statement="as zennit-1.0; a merged BatchNorm keeps its eps, which moves outputs by 5e-6",
        ),
        Dialect(
            "captum-0.9", ("ab-bias-full", "unsplit", "gamma-plain", "gamma-bias", "maxpool-zero"), 1e-9, 1e-9,
            statement="ε = 1e-9 in every denominator, max pools by the ε-rule",
        ),
        Dialect(
            "innvestigate-2.1", ("ab-bias-both",), pool=0,
            statement="only denominators of exactly 0 are replaced; pools and sums LRP-0",
        ),
        Dialect("innvestigate-2.1:deep-taylor", ("deep-taylor-input", "avgpool-gradient"), pool=0),
        Dialect(
            "toolbox-1.3", ("maxpool-ties", "sumpool-scale"),
            statement="a pool's stabiliser belongs to the sum over the window; equal winners of a max pool share",
        ),
        Dialect("toolbox-1.3:flat", ("maxpool-flat",), statement="flat and w² reach max pools"),
        Dialect("lxt-2.1", ("eps-unsigned",), statement="ε without sign in every denominator"),
        Dialect("autolrp-0.2", _AUTOLRP, statement="one ε for all denominators"),
        Dialect("hilrp-0.2", ("eps-no-sign0",)),
        Dialect("lrp-for-lstm-2020", ("lstm-eps-share",)),
        Dialect("torchlrp-2021", ("ab-no-bias", "gamma-square", "avgpool-gradient", "eps-sign0")),
        Dialect(
            "pytorch-lrp-2020", ("ab-no-bias", "no-bias-in-denominator", "eps-no-sign0"), epsilon=1e-6,
            statement="ε and αβ without any bias; where windows of a max pool overlap, relevance is lost",
        ),
        Dialect(
            "relevance-propagation-2022", ("unsplit", "eps-unsigned"), epsilon=1e-5,
            statement="weights clamped, inputs not split; ε without sign; a max pool as the mean over 2 × 2",
        ),
        Dialect("paper:bach2015", statement="ε and αβ as stated there: every rule as this package has it"),
        Dialect("paper:montavon2019", statement="γ with the bias as a weight: every rule as this package has it"),
    )
}  # fmt: skip


def dialect(name: str | Dialect) -> Dialect:
    """Return a dialect by its name: a program with its version, a paper, or ids of switches joined by +.

    Args:
        name: of ``DIALECTS``, or "gamma-bias+maxpool-zero".

    Raises:
        ParameterError: a name or a switch that is not known.

    Example:
        >>> dialect("captum-0.9").switches
        ('ab-bias-full', 'unsplit', 'gamma-plain', 'gamma-bias', 'maxpool-zero')
    """
    if isinstance(name, Dialect):
        return name
    if not isinstance(name, str):
        raise ParameterError(f"{name!r} is no dialect: give a name, such as 'captum-0.9'")
    if name in DIALECTS:
        return DIALECTS[name]
    parts = name.split("+")
    if all(part in SWITCHES for part in parts):
        return Dialect.of(*parts)
    raise unknown("dialect", name, [*DIALECTS, *SWITCHES])
