"""Ledgers: where the relevance of every node went, as columns that add up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np

from ..arithmetic import largest
from ..base import tables
from ..base.arrays import Array, cut_of, to_numpy
from ..rules.rule import Redistribution
from .plan import Planned

COLUMNS = ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped", "residual")


@dataclass(frozen=True, eq=False)
class Row:
    """Where the relevance of one node's outputs went; every column per sample (N,), in the unit of the start.

    relevance_out = relevance_in + bias + stabiliser + dropped + residual; the residual is rounding alone.

    Attributes:
        node: its name.
        rule: the rule as text.
        relevance_out: what arrived at the node's outputs.
        relevance_in: what the node handed to its inputs.
        bias, stabiliser, dropped: what the rule assigned elsewhere.
        residual: what is left.
        size: the sum of the absolute relevances that arrived, which is what rounding is measured against; None
            stands for abs(relevance_out).
    """

    node: str
    rule: str
    relevance_out: Array
    relevance_in: Array
    bias: Array
    stabiliser: Array
    dropped: Array
    residual: Array
    size: Array | None = None

    @staticmethod
    def of(planned: Planned, out: Array, received: Array, shared: Redistribution, size: Array | None = None) -> Row:
        """Return the row of one node, whose residual closes it.

        Args:
            planned: the node and its rule.
            out, received: the sums (N,) of what arrived at its outputs, and of what its inputs received.
            shared: what its layer made of it.
            size: the sum of the absolute relevances that arrived.
        """
        residual = out - received - shared.bias - shared.stabiliser - shared.dropped
        columns = (out, received, shared.bias, shared.stabiliser, shared.dropped, residual)
        return Row(planned.node, planned.label, *columns, size)

    def map(self, function: Callable[..., Array], *others: Row) -> Row:
        """Return the row with ``function`` of every column in the column's place.

        Args:
            function: takes a column of this row and the same column of each of ``others``.
            others: rows of the same node.
        """
        rows = (self, *others)
        columns: dict[str, Any] = {c: function(*(getattr(r, c) for r in rows)) for c in COLUMNS}
        size = None if self.size is None else function(*(r.size for r in rows))
        return Row(self.node, self.rule, **columns, size=size)


class Ledger(Sequence[Row]):
    """One :class:`Row` per node, in the order of the walk back; prints as a table of sums over the batch.

    Example:
        >>> one = np.ones(1)
        >>> Ledger([Row("fc", "Epsilon(0)", one, 0.75 * one, 0.25 * one, 0 * one, 0 * one, 0 * one)])
        node  rule        relevance_out  relevance_in  bias  stabiliser  dropped  residual
        ──────────────────────────────────────────────────────────────────────────────────
        fc    Epsilon(0)              1          0.75  0.25           0        0         0
    """

    made: ClassVar[bool] = True  # False where an explanation was computed without its ledger

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Ledger: ...
    def __getitem__(self, index: int | slice) -> Row | Ledger:
        return Ledger(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    @property
    def residual(self) -> float:
        """The largest abs(residual) / max abs(relevance_out), the maximum taken over each sample's rows.

        What started counts by its absolute values, because a contrastive start adds up to zero. Of balls, the
        largest value that they may have counts.
        """
        if not self._rows or not len(self._rows[0].residual):
            return 0.0
        residual = np.stack([largest(to_numpy(r.residual)) for r in self._rows]).max(axis=0)
        first = self._rows[0]
        sizes = [r.relevance_out for r in self._rows] + ([] if first.size is None else [first.size])
        scale = np.stack([largest(to_numpy(s)) for s in sizes]).max(axis=0)
        return max(float(a / s) if s else (float("inf") if a else 0.0) for a, s in zip(residual, scale, strict=True))

    def to_numpy(self) -> Ledger:
        """Return the ledger with all columns on the host."""
        return self.map(to_numpy)

    def map(self, function: Callable[..., Array], *others: Ledger) -> Ledger:
        """Return the ledger with ``function`` of every column in the column's place; arguments as in :class:`Row`."""
        same = zip(self, *others, strict=True)
        return Ledger(row.map(function, *more) for row, *more in same)

    def sample(self, k: int | slice) -> Ledger:
        """Return the ledger of the k-th sample alone, or of a slice of samples; columns keep their axis.

        Raises:
            IndexError: there is no such sample.

        Example:
            >>> column = np.array([1.0, 2.0])
            >>> Ledger([Row("fc", "Pass()", column, column, 0 * column, 0 * column, 0 * column, 0 * column)]).sample(1)
            node  rule    relevance_out  relevance_in  bias  stabiliser  dropped  residual
            ──────────────────────────────────────────────────────────────────────────────
            fc    Pass()              2             2     0           0        0         0
        """
        return self.map(lambda column: column[cut_of(k, len(column))])

    def total(self) -> dict[str, Array]:
        """Return the sum over all nodes of each absorbing column (bias, stabiliser, dropped, residual), (N,) each."""
        return {c: sum(getattr(r, c) for r in self._rows) for c in COLUMNS[2:]}

    def steps(self, sample: int | None = None) -> list[tuple[str, str, float]]:
        """Return (node, column, amount) of all that bias, stabiliser and dropped took, in the order of the walk back.

        Args:
            sample: whose; None for sums over the batch.

        Example:
            >>> one = np.ones(1)
            >>> Ledger([Row("fc", "Epsilon(0)", one, 0.75 * one, 0.25 * one, 0 * one, 0 * one, 0 * one)]).steps()
            [('fc', 'bias', 0.25)]
        """
        every = [(r.node, c, to_numpy(getattr(r, c))) for r in self._rows for c in ("bias", "stabiliser", "dropped")]
        amounts = [(n, c, float(values.sum() if sample is None else values[sample])) for n, c, values in every]
        return [step for step in amounts if step[2] != 0]

    def cells(self, sample: int | None = None) -> list[list[str]]:
        """Return the table's cells: sums over the batch, or one sample's numbers."""

        def cell(column: Array) -> str:
            values = to_numpy(column)
            return tables.number(float(values.sum() if sample is None else values[sample]))

        return [[r.node, r.rule, *(cell(getattr(r, c)) for c in COLUMNS)] for r in self._rows]

    def table(self, sample: int | None = None) -> str:
        """Return the ledger as text: sums over the batch, or one sample's numbers."""
        return tables.text(("node", "rule", *COLUMNS), self.cells(sample), right=range(2, 8))

    def __repr__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return tables.html(("node", "rule", *COLUMNS), self.cells(), right=range(2, 8))
