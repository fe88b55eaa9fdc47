"""Traces: every value and relevance of a run by name, which can be saved, loaded and compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.arrays import Array, cut_of, to_numpy
from .differences import Side, TraceDiff, TracedNode, compare
from .files import read_entries, write_npz


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """Every value of a forward pass and every relevance that arrived at it, by name.

    Attributes:
        values: name → array (N, ...), network inputs included, in execution order.
        relevance: name → array of the same shape, in the order of the walk back.
        nodes: name → layer and rule of the nodes, as far as they are known; empty in older files and those of other
            programs.

    Example:
        >>> import numpy as np
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
            >>> import numpy as np
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


def read_npz(path: str | Path) -> tuple[dict[str, Any], Trace]:
    """Read what :func:`write_npz` wrote, or another program's arrays: the extra entries and the trace."""
    extra, found = read_entries(path)
    return extra, Trace(found.values, found.relevance, found.nodes)
