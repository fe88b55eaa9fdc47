"""What a certificate says about one node, and about the decisions that were made there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..base.tables import number

Unit = tuple[int, ...]


@dataclass(frozen=True)
class NodeReport:
    """Bounds on the float64 errors at one value of the network, over all samples.

    Attributes:
        node: name of the value.
        rule: of the node, as text; "" for an input.
        value_error: upper bound of abs(float − true) of the forward value, in its unit.
        value_ulp: the same in ulp of the largest abs(value) of its sample.
        relevance_error, relevance_ulp: the same for the relevance that arrived.
        own_ulp: the largest error of a relevance in ulp of itself; infinite if a true 0 is missed.
        unit: index (sample, ...) of the relevance with the largest error.
        condition: largest (Σ_i abs(z_ij) + abs(b_j)) / abs(z_j) of a linear layer's units, in float64; None for others.
        condition_unit: its index.
    """

    node: str
    rule: str
    value_error: float
    value_ulp: float
    relevance_error: float
    relevance_ulp: float
    own_ulp: float
    unit: Unit
    condition: float | None = None
    condition_unit: Unit = ()

    def cells(self) -> list[str]:
        """Return the row of the table."""
        worst = "" if self.condition is None else number(self.condition)
        where = "" if self.condition is None else at(self.condition_unit)
        return [
            self.node, self.rule, number(self.value_ulp), number(self.relevance_ulp), number(self.own_ulp),
            number(self.relevance_error), at(self.unit), worst, where,
        ]  # fmt: skip


HEADERS = (
    "node", "rule", "value, ulp", "relevance, ulp", "own ulp", "|error| ≤", "at", "condition", "at"
)  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """Comparisons at one node that rounding might turn, or that are exact ties.

    Attributes:
        node: its name.
        kind: "kink" of an activation, "winner" of a max pool, "denominator" of a rule, "target" among the outputs.
        total: how many comparisons there are.
        close: how many are not ties and closer than the error bound of the float values there.
        ties: how many are exact ties whose relevance is not 0.
        margin: the least distance that is no tie, in the unit of the value.
        unit: index (sample, ...) of the first tie, else of the least distance.
    """

    node: str
    kind: str
    total: int
    close: int
    ties: int
    margin: float
    unit: Unit

    def cells(self) -> list[str]:
        """Return the row of the table."""
        return [self.node, self.kind, *(str(n) for n in (self.total, self.close, self.ties)),
                number(self.margin), at(self.unit)]  # fmt: skip


DECISION_HEADERS = ("node", "decision", "number", "closer than rounding", "ties", "least margin", "at")


def at(unit: Unit) -> str:
    """Return an index as text."""
    return ", ".join(map(str, unit))


def packed(row: Any) -> dict[str, Any]:
    """Return a row as JSON: infinities as text, as JSON has none."""
    return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(row).items()}


def node_report(content: Mapping[str, Any]) -> NodeReport:
    """Return the row of a file; a KeyError, TypeError or ValueError says that it is none."""
    c = dict(content)
    return NodeReport(
        node=str(c["node"]),
        rule=str(c["rule"]),
        value_error=float(c["value_error"]),
        value_ulp=float(c["value_ulp"]),
        relevance_error=float(c["relevance_error"]),
        relevance_ulp=float(c["relevance_ulp"]),
        own_ulp=float(c["own_ulp"]),
        unit=tuple(int(i) for i in c["unit"]),
        condition=None if c["condition"] is None else float(c["condition"]),
        condition_unit=tuple(int(i) for i in c["condition_unit"]),
    )


def decision(content: Mapping[str, Any]) -> Decision:
    """Return the row of a file; errors as in :func:`node_report`."""
    c = dict(content)
    counts = {k: int(c[k]) for k in ("total", "close", "ties")}
    unit = tuple(int(i) for i in c["unit"])
    return Decision(str(c["node"]), str(c["kind"]), **counts, margin=float(c["margin"]), unit=unit)
