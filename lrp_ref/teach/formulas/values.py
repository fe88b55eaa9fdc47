"""The formulas of a walk as values: conditions, steps, and all of them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .printing import Letter, Line

RELATIONS = {("order", 1): ">", ("order", -1): "<", ("order", 0): "=", ("equal", 1): "≠", ("equal", -1): "≠"}
SIGNS = {">": 1, "<": -1, "=": 0}


@dataclass(frozen=True)
class Condition:
    """One comparison that decided something: difference ⋛ 0.

    Attributes:
        difference: SymPy expression.
        relation: ">", "<", "=" or "≠".
    """

    difference: Any
    relation: str

    def holds(self, value: Fraction) -> bool:
        """Return whether a value of the difference stands in this relation to 0."""
        return {">": value > 0, "<": value < 0, "=": value == 0, "≠": value != 0}[self.relation]


@dataclass(frozen=True, eq=False)
class Step:
    """The formulas of one node.

    Attributes:
        node: its name.
        layer: the class of its layer.
        rule: the rule's formula, or the layer's own way in words.
        forward: definitions of its outputs.
        gathered: where several nodes read its output: the sum of what they sent.
        denominators: definitions of the long denominators.
        relevances: of its inputs, by the names that :attr:`gathered` adds up.
        bias, stabiliser, dropped: the ledger's columns as formulas.
        identities: for each output relevance R_j that arrived: R_j, and the summands of
            1 − (inputs) − (bias) − (stabiliser) − (dropped), each per unit of R_j.
        residual: what is left of ΣR_out − ΣR_in − bias − stabiliser − dropped after simplification; 0 or a bug.
        forward_region, region: the comparisons that were made forward and back.
        local: the symbols whose short names this step uses.
    """

    node: str
    layer: str
    rule: str
    forward: tuple[Line, ...]
    gathered: tuple[Line, ...]
    denominators: tuple[Line, ...]
    relevances: tuple[Line, ...]
    bias: Line
    stabiliser: Line
    dropped: Line
    identities: tuple[tuple[Any, tuple[Any, ...]], ...]
    residual: Any
    forward_region: tuple[Condition, ...]
    region: tuple[Condition, ...]
    local: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Content:
    """What :class:`Formulas` holds; its attributes are described there."""

    steps: tuple[Step, ...]
    start: tuple[Line, ...]
    gathered: tuple[Line, ...]
    inputs: dict[str, Any]
    letters: dict[Any, Letter]
    constraints: dict[Any, Any]
    target: int
    residual: Any
    numbers: bool
    refill: Callable[[Any, Any], dict[Any, Fraction]]
