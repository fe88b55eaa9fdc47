"""Traces and ledgers: values by name that can be saved, loaded and compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np

from ..arithmetic import largest
from ..base import tables
from ..base.arrays import Array, cut_of, to_numpy
from ..errors import ModelFormatError, ParameterError
from .differences import Difference, Side, TraceDiff, TracedNode, compare

__all__ = ["Difference", "Ledger", "Row", "Trace", "TraceDiff", "TracedNode", "read_npz", "write_npz"]

COLUMNS = ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped", "residual")
FORMAT = "lrp_ref trace 1"
KINDS = ("value", "relevance")


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


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """Every value of a forward pass and every relevance that arrived at it, by name.

    Attributes:
        values: name → array (N, ...), network inputs included, in execution order.
        relevance: name → array of the same shape, in the order of the walk back.
        nodes: name → layer and rule of the nodes, as far as they are known; empty in older files and those of other
            programs.

    Example:
        >>> a = Trace({"fc": np.ones((1, 2))}, {})
        >>> b = Trace({"fc": np.array([[1.0, 1.5]])}, {})
        >>> a.diff(b)
        first departs at value 'fc': max |a − b| = 0.5, relative 0.5
    """

    values: Mapping[str, Array] = field(default_factory=dict)
    relevance: Mapping[str, Array] = field(default_factory=dict)
    nodes: Mapping[str, TracedNode] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Trace({len(self.values)} values, {len(self.relevance)} relevances)"

    def map(self, function: Callable[[Array], Array]) -> Trace:
        """Return the trace with ``function`` of every array in the array's place."""
        values, relevance = ({k: function(v) for k, v in part.items()} for part in (self.values, self.relevance))
        return Trace(values, relevance, self.nodes)

    def to_numpy(self) -> Trace:
        """Return the trace with all arrays on the host."""
        return self.map(to_numpy)

    def sample(self, k: int | slice) -> Trace:
        """Return the trace of the k-th sample alone, or of a slice of samples; arrays keep their batch axis.

        Raises:
            IndexError: there is no such sample.
        """
        return self.map(lambda array: array[cut_of(k, len(array))])

    def save(self, path: str | Path) -> Path:
        """Write the trace as .npz and return the path.

        Raises:
            ParameterError: exact numbers, which .npz cannot hold without pickle.
        """
        return write_npz(path, {}, self)

    @staticmethod
    def load(path: str | Path) -> Trace:
        """Read a trace (or the trace inside a saved explanation).

        Raises:
            ModelFormatError: no such file, or not a trace.
        """
        return read_npz(path)[1]

    def diff(
        self, other: Trace, *, tolerance: float | None = None, mapping: Mapping[str, str] | None = None
    ) -> TraceDiff:
        """Compare two traces: forward values first, then relevances in the order of the walk back.

        Names that only one side has are paired by order, shape and values, as two exporters call the same node
        differently; ``TraceDiff.aligned`` says which. Where layer and rule are known, the departing node's are named.

        Args:
            other: the other trace.
            tolerance: relative difference (max abs(a − b) / max abs(a)) from which on two arrays depart; None for
                that of the less precise dtype of each pair: 1e-9 for float64, 1e-4 for float32, 5e-2 for float16.
            mapping: names of this trace → names of the other, where they differ.

        Raises:
            ParameterError: a name in ``mapping`` that is not there (the nearest is named), or one that is used twice.

        Example:
            >>> a = Trace({"x": np.ones((1, 2)), "conv1": np.array([[3.0, -1.0]])})
            >>> b = Trace({"image": np.ones((1, 2)), "features.0": np.array([[3.0, -2.0]])})
            >>> found = a.diff(b)
            >>> found.aligned
            {'x': 'image', 'conv1': 'features.0'}
            >>> found
            first departs at value 'conv1 = features.0': max |a − b| = 1, relative 0.3333
        """
        sides = [Side(t.values, t.relevance, t.nodes) for t in (self.to_numpy(), other.to_numpy())]
        return compare(*sides, tolerance=tolerance, mapping=mapping or {})


def write_npz(path: str | Path, extra: Mapping[str, Any], trace: Trace) -> Path:
    """Write a trace and further arrays as .npz: to a temporary name first, then renamed."""
    import json  # only needed here and below, and `import lrp_ref` should be quick

    target = Path(path)
    target = target if target.suffix == ".npz" else target.with_name(target.name + ".npz")
    if not target.parent.is_dir():
        raise ParameterError(f"{target}: the folder {target.parent} does not exist; create it first")
    entries: dict[str, np.ndarray[Any, Any]] = {}
    order: dict[str, list[str]] = {"value": [], "relevance": []}
    for kind, arrays in (("value", trace.values), ("relevance", trace.relevance)):
        for name, array in arrays.items():
            order[kind].append(name)
            entries[f"{kind}/{name}"] = to_numpy(array)
    header: dict[str, Any] = {"format": FORMAT, "order": order}
    if trace.nodes:
        header["nodes"] = {
            k: {"layer": n.layer, "rule": n.rule, "reads": list(n.reads)} for k, n in trace.nodes.items()
        }
    for key, value in extra.items():
        if hasattr(value, "dtype"):
            entries[key] = to_numpy(value)
        else:
            header[key] = value
    exact = [name for name, array in entries.items() if array.dtype == object]
    if exact:
        raise ParameterError(
            f"{exact[0]} holds exact numbers, which .npz cannot store: lrp.arithmetic.to_float(net) with "
            "to_float(x) can be explained and saved"
        )
    # The header is first: a damaged directory that loses entries loses arrays that it names, and is refused.
    entries = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **entries}
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **entries)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _require_numbers(path: str | Path, arrays: Mapping[str, Any]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise ModelFormatError(f"{path}: entry '{name}' holds {array.dtype}, not numbers")


def read_npz(path: str | Path) -> tuple[dict[str, Any], Trace]:
    """Read what :func:`write_npz` wrote, or another program's arrays: the extra entries and the trace.

    A file without ``header`` is a trace if all its entries are called ``value/NAME`` or ``relevance/NAME``; their order
    is that of the file.
    """
    if Path(path).is_dir():
        raise ModelFormatError(f"{path}: a folder; give one of the .npz files in it")
    if Path(path).suffix.lower() == ".npy":
        raise ModelFormatError(
            f"{path}: not a readable trace: a single array; 'lrp-ref explain --trace' writes traces (.npz)"
        )
    try:
        # Opened here, because NumPy leaves a file open that it fails to read.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            header = _header(path, file)
            parts = {k: {n: file[f"{k}/{n}"] for n in header["order"][k]} for k in KINDS}
            known = {f"{k}/{n}" for k, names in parts.items() for n in names} | {"header"}
            extra = {k: file[k] for k in file.files if k not in known}
            _require_numbers(path, {**extra, **{f"{k}/{n}": a for k in parts for n, a in parts[k].items()}})
            nodes = {name: _node(path, name, entry) for name, entry in header.pop("nodes", {}).items()}
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path}: no such file") from error
    except ModelFormatError:
        raise
    except Exception as error:
        # A damaged file fails anywhere in zipfile, zlib, NumPy's header parser or json, in as many ways.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelFormatError(f"{path}: not a readable trace (.npz): {reason}") from error
    extra.update({k: v for k, v in header.items() if k not in ("format", "order")})
    return extra, Trace(parts["value"], parts["relevance"], nodes)


def _header(path: str | Path, file: Any) -> dict[str, Any]:
    """Return the header of a file, or what stands for it where another program wrote the arrays."""
    import json

    if "header" in file:
        header: dict[str, Any] = json.loads(file["header"].tobytes())
        if header.get("format") != FORMAT:
            raise ModelFormatError(f"{path}: expected a file of format '{FORMAT}', got '{header.get('format')}'")
        return header
    strange = [name for name in file.files if name.partition("/")[0] not in KINDS]
    if strange or not file.files:
        held = f"holds '{strange[0]}'" if strange else "is empty"
        raise ModelFormatError(
            f"{path}: not a trace of lrp_ref (no header entry), nor another program's: it {held}, and its entries must "
            "be called value/NAME and relevance/NAME"
        )
    return {"order": {kind: [n[len(kind) + 1 :] for n in file.files if n.startswith(f"{kind}/")] for kind in KINDS}}


def _node(path: str | Path, name: str, entry: Any) -> TracedNode:
    """Return one node as the header describes it."""
    texts = [entry.get("layer", ""), entry.get("rule", ""), *entry.get("reads", ())]
    if not all(isinstance(text, str) for text in texts):
        raise ModelFormatError(f"{path}: node '{name}' in its header: layer, rule and what it reads must be texts")
    return TracedNode(texts[0], texts[1], tuple(texts[2:]))
