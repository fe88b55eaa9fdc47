"""The parts of a rule: runs, and groups of runs with one denominator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .arrays import Array
from .edits import EXACT, KEEP, ZERO, Const, Edit, Stabiliser
from .errors import ParameterError


@dataclass(frozen=True)
class Run:
    """One pass through the layer with edited inputs, weights and bias.

    Raises:
        ParameterError: the sign is neither 1 nor -1.
    """

    inputs: Edit | Const = KEEP
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

    Raises:
        ParameterError: no runs, or a gate of another name.
    """

    runs: tuple[Run, ...]
    weight: Any = 1
    gate: str | None = None
    stabiliser: Stabiliser = EXACT
    bias_share: Any = 0
    stabiliser_share: Any = 0

    def __post_init__(self) -> None:
        if not self.runs:
            raise ParameterError("Group: give at least one run; without any there is no denominator")
        if self.gate not in (None, "positive", "negative"):
            raise ParameterError(f"Group: gate must be None, 'positive' or 'negative', got {self.gate!r}")

    def formula(self) -> str:
        """Return the group's quotient, as text."""
        plus = {1: " + ", -1: " − "}
        top = "".join(plus[r.sign] + r.formula() for r in self.runs).removeprefix(" + ").lstrip()
        many = len(self.runs) > 1
        inner = f"({top})" if many else top
        bias = "".join(plus[r.sign] + r.bias.symbol("b_j") for r in self.runs if r.bias != ZERO)
        bottom = self.stabiliser.formula(f"Σ_i {inner}{bias}")
        if self.bias_share or self.stabiliser_share:
            top = f"{inner} + ({self.bias_share}·b_j + {self.stabiliser_share}·ε_j)/N_j"
            many = True
        text = f"{f'({top})' if many else top} / ({bottom})"
        gate = {None: "", "positive": "[z_j > 0] ", "negative": "[z_j < 0] "}[self.gate]
        weight = "" if self.weight == 1 else f"{self.weight}·"
        return f"{weight}{gate}{text}"
