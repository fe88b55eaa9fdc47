"""A rule is data: groups of runs. One function, ``sharing.share``, executes every rule on every linear layer.

run    = (edit of inputs, edit of weights, edit of bias, sign)
group  = runs with one common denominator, weight (α, -β), gate (sign of z_j), stabiliser
rule   = groups
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from .arrays import Array, namespace
from .edits import ZERO, Edit
from .errors import ParameterError
from .groups import Group as Group
from .groups import Run as Run
from .values import Value


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


@dataclass(frozen=True, eq=False, repr=False)
class Rule(Value):
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

    shows_defaults: ClassVar[bool] = True  # a rule's parameters are always visible

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

    def without_bias(self) -> Rule:
        """Return the same rule with the bias left out of every denominator (the gate still sees it)."""
        groups = tuple(replace(g, runs=tuple(replace(r, bias=ZERO) for r in g.runs)) for g in self.groups)
        return Rule(groups)
