"""The parts of a rule: runs, and groups of runs with one denominator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..arithmetic import scalar
from ..base.arrays import Array, only
from ..errors import ParameterError, unknown
from .edits import EXACT, KEEP, ZERO, Const, Edit, Less, Stabiliser

BIAS_POLICIES = ("absorb", "ignore", "spread", "nonzero")  # what becomes of a bias' relevance, see ``Rule.with_bias``
ALIASES = {"column": "absorb", "uniform": "spread"}  # the names that papers on bags of words have for two of them


def require_bias_policy(policy: Any) -> str:
    """Return the name of a bias policy, or raise for what is none.

    Raises:
        ParameterError: another name.
    """
    policy = ALIASES.get(policy, policy) if isinstance(policy, str) else policy
    if not isinstance(policy, str) or policy not in BIAS_POLICIES:
        raise unknown("bias policy", str(policy), BIAS_POLICIES)
    return str(policy)


@dataclass(frozen=True)
class Run:
    """One pass through the layer with edited inputs, weights and bias.

    Raises:
        ParameterError: the sign is neither 1 nor -1.
    """

    inputs: Edit | Const | Less = KEEP
    weights: Edit = KEEP
    bias: Edit = KEEP
    sign: int = 1

    def __post_init__(self) -> None:
        if self.sign not in (1, -1):
            raise ParameterError(f"Run: sign must be 1 or -1, got {self.sign}")

    def signed(self, array: Array) -> Array:
        """Return the array with the sign of this run."""
        return array if self.sign > 0 else -array

    def formula(self) -> str:
        """Return the product a_i·w_ij of this run with its edits."""
        return f"{self.inputs.symbol('a_i')}·{self.weights.symbol('w_ij')}"


@dataclass(frozen=True)
class Group:
    """Runs that share one denominator.

    Attributes:
        runs: the passes whose signed sum is the denominator.
        weight: factor of the group in the rule (1, α or -β).
        gate: None, or the sign of the unedited z_j ("positive", "negative") for which the group holds.
        stabiliser: of the denominator.
        bias_share: δ_b, the part of the bias' relevance that is spread evenly over the inputs of the unit.
        stabiliser_share: δ_ε, the same for the stabiliser's relevance.
        present: whether these parts are spread only over the inputs that are not 0.

    Raises:
        ParameterError: no runs, or a gate of another name.
    """

    runs: tuple[Run, ...]
    weight: Any = 1
    gate: str | None = None
    stabiliser: Stabiliser = EXACT
    bias_share: Any = 0
    stabiliser_share: Any = 0
    present: bool = False

    def __post_init__(self) -> None:
        if not self.runs:
            raise ParameterError("Group: give at least one run; without any there is no denominator")
        if self.gate not in (None, "positive", "negative"):
            raise ParameterError(f"Group: gate must be None, 'positive' or 'negative', got {self.gate!r}")

    def covered(self, relevance: Array, z: Array) -> Array:
        """Return weight gate_j R_j: what of the relevance the group covers, given the unedited z."""
        mass = scalar(self.weight, relevance) * relevance
        if self.gate is None:
            return mass
        return only(mass, z > 0 if self.gate == "positive" else z < 0)

    def with_bias(self, policy: str) -> Group:
        """Return the group under a bias policy, see :meth:`.rule.Rule.with_bias`; itself if nothing changes."""
        bare = all(run.bias == ZERO for run in self.runs)
        if policy == "absorb" or bare or (policy == "spread" and self.bias_share == 1 and not self.present):
            return self
        if policy in ("spread", "nonzero"):
            return replace(self, bias_share=1, present=policy == "nonzero")
        return replace(self, runs=tuple(replace(run, bias=ZERO) for run in self.runs), bias_share=0)

    def formula(self) -> str:
        """Return the group's quotient, as text."""
        plus = {1: " + ", -1: " − "}
        top = "".join(plus[r.sign] + r.formula() for r in self.runs).removeprefix(" + ").lstrip()
        many = len(self.runs) > 1
        inner = f"({top})" if many else top
        bias = "".join(plus[r.sign] + r.bias.symbol("b_j") for r in self.runs if r.bias != ZERO)
        bottom = self.stabiliser.formula(f"Σ_i {inner}{bias}")
        spread = self._spread(bias)
        if spread:
            top = f"{inner} + {'[a_i ≠ 0] ' * self.present}{spread}/N_j"
            many = True
        text = f"{f'({top})' if many else top} / ({bottom})"
        gate = {None: "", "positive": "[z_j > 0] ", "negative": "[z_j < 0] "}[self.gate]
        weight = "" if self.weight == 1 else f"{self.weight}·"
        return f"{weight}{gate}{text}"

    def _spread(self, bias: str) -> str:
        """Return what is spread over the inputs, as text: the ``bias`` of the denominator, ε_j, or both, if any."""
        bias = bias.removeprefix(" + ").lstrip()
        bias = f"({bias})" if bias.startswith("−") or sum(run.bias != ZERO for run in self.runs) > 1 else bias
        of_bias = self.bias_share if bias else 0
        if not self.stabiliser_share:
            return "" if not of_bias else bias if of_bias == 1 else f"{of_bias}·{bias}"
        if not of_bias:
            return f"{self.stabiliser_share}·ε_j"
        return f"({of_bias}·{bias} + {self.stabiliser_share}·ε_j)"
