"""A rule is data: groups of runs. One function, ``rules.share.share``, executes every rule on every linear layer.

run    = (edit of inputs, edit of weights, edit of bias, sign)
group  = runs with one common denominator, weight (α, -β), gate (sign of z_j), stabiliser
rule   = groups
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

from ..base.arrays import Array, namespace, sample_sum
from ..base.frozen import Value
from ..errors import ParameterError
from .edits import Edit
from .groups import Group as Group
from .groups import Run as Run
from .groups import require_bias_policy


@dataclass(frozen=True, eq=False)
class Seen:
    """What a node reads and makes: of the samples, or of the reference that they are compared with.

    Attributes:
        xs: its operands, (N, ...) each.
        z: its output, a tuple for several.
    """

    xs: tuple[Array, ...]
    z: Any


class AnyLayer(Protocol):
    """What a layer needs so that a rule for any layer can run on it."""

    @property
    def open_between(self) -> tuple[Any, Any]:
        """The bounds between which a rectifier hands its input on, None for a side without one."""

    def forward(self, *xs: Array) -> Any:
        """Return the output, or a tuple of several."""

    def pull(self, xs: tuple[Array, ...], g: Any) -> tuple[Array, ...]:
        """Return the transposed Jacobian at ``xs`` applied to ``g``, one array per operand."""

    def pull_at(self, xs: tuple[Array, ...], z: Any, g: Any) -> tuple[Array, ...]:
        """Return the same where the output z is at hand."""

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Any) -> tuple[Array, ...]:
        """Return what the rescale rule makes of multipliers of the outputs, one array per operand."""


class LinearMap(Protocol):
    """What a layer needs so that :func:`share` can execute a rule on it."""

    def forward(self, *xs: Array) -> Array:
        """z_j = Σ_i a_i w_ij + b_j."""

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Transpose: Σ_j w_ij g_j for each operand."""

    def edited(self, weights: Edit, bias: Edit) -> LinearMap:
        """The same layer with edited weights and bias."""

    def bias_map(self, z: Array) -> Array | None:
        """The bias, broadcastable to z, or None."""

    def present(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        """The numbers of the operands that say, by being 0, that an input is not there."""

    def evenly(self) -> LinearMap:
        """The map with weight 1 on every connection over which shares of bias and stabiliser are spread."""


@dataclass(frozen=True, eq=False)
class Redistribution:
    """Where the relevance of one layer's outputs went.

    Attributes:
        relevances: of each operand, with the operand's shape (N, ...), in the unit of the start relevance.
        bias: what the rule assigned to the bias, per sample (N,).
        stabiliser: what the stabiliser took, per sample (N,).
        dropped: units with denominator 0, groups without contributor, cropped borders, ..., per sample (N,).
        totals: the sums (N,) of the relevances that were formed on the way, else None; () where none was.
    """

    relevances: tuple[Array, ...]
    bias: Array
    stabiliser: Array
    dropped: Array
    totals: tuple[Array | None, ...] = ()

    @staticmethod
    def routed(relevances: Sequence[Array], out: Array, *, dropped: Array | None = None) -> Redistribution:
        """Return the redistribution of a layer that only routes ``out``: nothing to bias or stabiliser."""
        zero = namespace(out).zeros(out.shape[0], dtype=out.dtype)
        return Redistribution(tuple(relevances), zero, zero, zero if dropped is None else dropped)

    def only(self, takes: Sequence[bool]) -> Redistribution:
        """Return the same where some operands take no relevance: theirs is dropped."""
        if all(takes):
            return self
        pairs = list(zip(self.relevances, takes, strict=True))
        lost = sum(sample_sum(r) for r, taken in pairs if not taken)
        kept = tuple(r if taken else namespace(r).zeros(r.shape, dtype=r.dtype) for r, taken in pairs)
        return replace(self, relevances=kept, dropped=self.dropped + lost, totals=())


class AnyRule(Value):
    """Base of every rule: a frozen value that prints its formula."""

    shows_defaults: ClassVar[bool] = True  # a rule's parameters are always visible

    def formula(self) -> str:
        """Return the rule's formula as text."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        from html import escape  # only needed here, and `import lrp_ref` should be quick

        return f"<p><code>{escape(repr(self))}</code></p><p>{escape(self.formula())}</p>"


class Universal(AnyRule):
    """Base of rules that run on any layer (pass, zero, gradient, ...): they bring their own redistribution."""

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        """Redistribute ``relevances`` of the layer's outputs over its operands ``xs``."""
        raise NotImplementedError

    def from_output(
        self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...], z: Any
    ) -> Redistribution:
        """Redistribute as :meth:`run` does, where the output z is at hand; for rules that would make it again."""
        return self.run(layer, xs, relevances)

    def compared(
        self, layer: AnyLayer, here: Seen, there: Seen | None, relevances: tuple[Array, ...]
    ) -> Redistribution:
        """Redistribute where the walk knows a reference; for rules that look at what the layer makes of it.

        Args:
            layer: the layer.
            here: what it reads and makes of the samples; the output is None where nobody has it.
            there: the same of the reference, None where there is none.
            relevances: of its outputs.
        """
        if here.z is None:
            return self.run(layer, here.xs, relevances)
        return self.from_output(layer, here.xs, relevances, here.z)


@dataclass(frozen=True, eq=False, repr=False)
class Rule(AnyRule):
    """A propagation rule for linear layers, as data.

    Formula: R_i = Σ_groups Σ_j (Σ_runs ± a_i w_ij) / stabilise(Σ_runs ± (Σ_i a_i w_ij + b_j)) weight gate_j R_j.

    Args:
        own_groups: the groups; the named rules derive them from their parameters instead.

    Raises:
        ParameterError: no groups (``rules.Zero()`` drops all relevance).

    Example:
        >>> Rule((Group((Run(),)),)).formula()
        'R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij + b_j)·R_j'
    """

    own_groups: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        if not self.groups:
            raise ParameterError("Rule: give at least one group; rules.Zero() drops all relevance")

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups that :func:`share` executes."""
        return self.own_groups

    def formula(self) -> str:
        """Return the rule's formula as text, printed from its groups."""
        text = " + ".join(g.formula() for g in self.groups).replace("+ -", "− ")
        return f"R_i = Σ_j {f'({text})' if len(self.groups) > 1 else text}·R_j"

    def with_bias(self, policy: str) -> Rule:
        """Return the same rule under another policy for the biases b_j of its denominators.

        =======  =========================================================================================
        absorb   the rule as it is stated: b_j stands in the denominator, and what it takes is in the ledger
        ignore   b_j is left out of every denominator, so that the inputs share all relevance; a gate (the
                 sign of z_j in the generalised γ-rule) still sees it
        spread   what b_j takes goes evenly to the N_j inputs of unit j that exist, whatever their values; a
                 unit without any input (a window in the padding) keeps it in the ledger
        nonzero  the same, but only to those inputs that are not 0: the words of a document, in a bag of all
                 words; where all are 0, the ledger keeps it
        =======  =========================================================================================

        "column" is another name of absorb, "uniform" one of spread.

        Each group of a rule shares its own, edited bias: αβ spreads b_j⁺ with the positive part and b_j⁻ with
        the negative one. A rule without bias (z⁺, w², flat, z^B, reference) stays what it is under every policy.

        Args:
            policy: "absorb", "ignore", "spread" or "nonzero"; the last one that is given holds.

        Raises:
            ParameterError: another policy.

        Source: Bach et al. 2015, Montavon et al. 2019 (absorb); Anders et al. 2021, zennit's zero_params="bias"
        (ignore); Bach et al. 2015, Arras et al. 2017 (spread); Arras et al. 2017, of text (nonzero).

        Example:
            >>> rule = Rule((Group((Run(),)),))
            >>> rule.with_bias("ignore").formula()
            'R_i = Σ_j a_i·w_ij / (Σ_i a_i·w_ij)·R_j'
            >>> rule.with_bias("spread").formula()
            'R_i = Σ_j (a_i·w_ij + b_j/N_j) / (Σ_i a_i·w_ij + b_j)·R_j'
        """
        policy = require_bias_policy(policy)
        changed = any(group.with_bias(policy) is not group for group in self.groups)
        return WithBias(self, policy) if changed else self


@dataclass(frozen=True, eq=False, repr=False)
class WithBias(Rule):
    """A rule under another bias policy than its own; :meth:`Rule.with_bias` makes it.

    Args:
        rule: the rule as it is stated.
        policy: "ignore", "spread" or "nonzero".

    Raises:
        ParameterError: another policy.
    """

    own_groups: tuple[Group, ...] = field(default=(), init=False, repr=False)
    rule: Rule
    policy: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", require_bias_policy(self.policy))

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups of the rule under the policy."""
        return tuple(group.with_bias(self.policy) for group in self.rule.groups)

    def with_bias(self, policy: str) -> Rule:
        """Return the stated rule under another policy."""
        return self.rule.with_bias(policy)

    def __repr__(self) -> str:
        return f"{self.rule!r}.with_bias({self.policy!r})"
