"""Traces and ledgers: values by name that can be saved, loaded and compared."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np

from . import tables
from .arithmetic import largest
from .arrays import Array, to_numpy, unwarned
from .errors import ModelFormatError, ParameterError

COLUMNS = ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped", "residual")
FORMAT = "lrp_ref trace 1"


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

        def host(row: Row) -> Row:
            columns: dict[str, Any] = {c: to_numpy(getattr(row, c)) for c in COLUMNS}
            return Row(row.node, row.rule, **columns, size=None if row.size is None else to_numpy(row.size))

        return Ledger(map(host, self._rows))

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


@dataclass(frozen=True)
class Difference:
    """One name at which two traces were compared.

    Attributes:
        kind: "value" (forward) or "relevance" (backward).
        name: of the value.
        absolute: max abs(a − b).
        relative: the same divided by max abs(a); infinite if a is 0 and b is not, or the shapes differ.
        note: what cannot be compared, if anything.
    """

    kind: str
    name: str
    absolute: float
    relative: float
    note: str = ""


@dataclass(frozen=True, repr=False)
class TraceDiff:
    """The comparison of two traces, in the order of execution: forward values, then relevances backward.

    Attributes:
        rows: one per common name.
        only_a, only_b: names that one trace has and the other has not.
        tolerance: relative difference from which on two arrays depart.
    """

    rows: tuple[Difference, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    tolerance: float

    @property
    def first(self) -> Difference | None:
        """The first comparison that departs, or None."""
        return next((r for r in self.rows if not r.relative <= self.tolerance), None)

    @property
    def equal(self) -> bool:
        """Whether every common name agrees and no name is missing on either side."""
        return self.first is None and not self.only_a and not self.only_b

    def __repr__(self) -> str:
        if self.first is None:
            verdict = f"no difference above {self.tolerance:g} in {len(self.rows)} arrays"
        else:
            verdict = (
                f"first departs at {self.first.kind} '{self.first.name}': max |a − b| = {self.first.absolute:.4g}, "
                f"relative {self.first.relative:.4g}{' (' + self.first.note + ')' if self.first.note else ''}"
            )
        missing = "".join(
            f"; only in {side}: {', '.join(names)}" for side, names in (("a", self.only_a), ("b", self.only_b)) if names
        )
        return verdict + missing

    def cells(self) -> list[list[str]]:
        """Return the table's cells."""
        return [
            [r.kind, r.name, tables.number(r.absolute), tables.number(r.relative), r.note or self._mark(r)]
            for r in self.rows
        ]

    def _mark(self, row: Difference) -> str:
        return "" if row.relative <= self.tolerance else "departs"

    def table(self) -> str:
        """Return the comparison as text."""
        return tables.text(("kind", "name", "max |a − b|", "relative", ""), self.cells(), right=(2, 3))

    def _repr_html_(self) -> str:
        return tables.html(
            ("kind", "name", "max |a − b|", "relative", ""), self.cells(), title=repr(self), right=(2, 3)
        )


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """Every value of a forward pass and every relevance that arrived at it, by name.

    Attributes:
        values: name → array (N, ...), network inputs included, in execution order.
        relevance: name → array of the same shape, in the order of the walk back.

    Example:
        >>> a = Trace({"fc": np.ones((1, 2))}, {})
        >>> b = Trace({"fc": np.array([[1.0, 1.5]])}, {})
        >>> a.diff(b)
        first departs at value 'fc': max |a − b| = 0.5, relative 0.5
    """

    values: Mapping[str, Array] = field(default_factory=dict)
    relevance: Mapping[str, Array] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Trace({len(self.values)} values, {len(self.relevance)} relevances)"

    def to_numpy(self) -> Trace:
        """Return the trace with all arrays on the host."""
        return Trace(
            {k: to_numpy(v) for k, v in self.values.items()}, {k: to_numpy(v) for k, v in self.relevance.items()}
        )

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

    def diff(self, other: Trace, *, tolerance: float = 1e-9) -> TraceDiff:
        """Compare two traces name by name: forward values first, then relevances in the order of the walk back.

        Args:
            other: the other trace.
            tolerance: relative difference (max abs(a − b) / max abs(a)) from which on two arrays depart.
        """
        rows, only_a, only_b = [], [], []
        for kind, a, b in (("value", self.values, other.values), ("relevance", self.relevance, other.relevance)):
            rows += [_compare(kind, name, to_numpy(a[name]), to_numpy(b[name])) for name in a if name in b]
            only_a += [f"{kind} {n}" for n in a if n not in b]
            only_b += [f"{kind} {n}" for n in b if n not in a]
        return TraceDiff(tuple(rows), tuple(only_a), tuple(only_b), tolerance)


def _compare(kind: str, name: str, a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> Difference:
    if a.shape != b.shape:
        return Difference(kind, name, float("inf"), float("inf"), f"shapes {a.shape} and {b.shape}")
    if not a.size:
        return Difference(kind, name, 0.0, 0.0)
    # Unsigned integers and booleans would wrap around, or have no difference.
    a, b = (v.astype(np.float64) if v.dtype.kind in "iub" else v for v in (a, b))
    with unwarned():
        absolute = float(np.abs(a - b).max())
        scale = float(np.abs(a).max())
        relative = 0.0 if absolute == 0 else (absolute / scale if scale else float("inf"))
    if not (math.isfinite(absolute) and math.isfinite(scale)):
        # NaN and infinity depart even where both have them: nothing agrees that is not a number.
        return Difference(kind, name, absolute, float("inf"), "not finite")
    return Difference(kind, name, absolute, relative)


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
    entries["header"] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
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
    """Read what :func:`write_npz` wrote: the extra entries and the trace."""
    import json

    try:
        # Opened here, because NumPy leaves a file open that it fails to read.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            if "header" not in file:
                raise ModelFormatError(f"{path}: not a trace of lrp_ref (no header entry)")
            header = json.loads(file["header"].tobytes())
            if header.get("format") != FORMAT:
                raise ModelFormatError(f"{path}: expected a file of format '{FORMAT}', got '{header.get('format')}'")
            parts = {k: {n: file[f"{k}/{n}"] for n in header["order"][k]} for k in ("value", "relevance")}
            known = {f"{k}/{n}" for k, names in parts.items() for n in names} | {"header"}
            extra = {k: file[k] for k in file.files if k not in known}
            _require_numbers(path, {**extra, **{f"{k}/{n}": a for k in parts for n, a in parts[k].items()}})
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path}: no such file") from error
    except ModelFormatError:
        raise
    except Exception as error:
        # A damaged file fails anywhere in zipfile, zlib, NumPy's header parser or json, in as many ways.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelFormatError(f"{path}: not a readable trace (.npz): {reason}") from error
    extra.update({k: v for k, v in header.items() if k not in ("format", "order")})
    return extra, Trace(parts["value"], parts["relevance"])
