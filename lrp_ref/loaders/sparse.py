"""SciPy's files of one sparse matrix, inside another file from anywhere: no index may point beside the matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from .archive import Archive
from .limits import Budget, size_of
from .npy import npy

FORMAT = 4096  # bytes of the entries that hold no numbers of the matrix
KINDS = {b"csr", b"csc"}  # by rows and by columns; what estimators keep is one of them


def sparse(data: bytes | bytearray, path: Path, what: str, budget: Budget) -> Any:
    """Return the matrix in the bytes of ``scipy.sparse.save_npz`` as a ``csr_array``; None for another layout.

    Args:
        data: the whole file.
        path: the file that it lies in.
        what: that file and the place in it, as errors have it.
        budget: takes the bytes of the arrays.

    Raises:
        ModelFormatError: no such file or damaged; numbers that are no matrix of the shape that is declared.

    Example:
        >>> import io, scipy.sparse
        >>> file = io.BytesIO()
        >>> scipy.sparse.save_npz(file, scipy.sparse.csr_array([[0.0, 2.0], [1.0, 0.0]]))
        >>> sparse(file.getvalue(), Path("m.skops"), "m.skops: support_vectors_", Budget(1000, "m.skops")).toarray()
        array([[0., 2.],
               [1., 0.]])
    """
    with Archive(path, data, what) as archive:

        def entry(name: str, limit: int | None = None, kinds: str = "") -> np.ndarray[Any, Any]:
            file = f"{name}.npy"
            budget.take(archive.sizes.get(file, 0), f"entry '{file}'")
            return npy(archive.read(file, limit), f"{what}: entry '{file}'", kinds=kinds)

        layout = entry("format", FORMAT, "S")
        if layout.shape != () or layout.item() not in KINDS:
            return None
        shape = entry("shape", FORMAT)
        if shape.shape != (2,) or shape.dtype.kind != "i":
            raise ModelFormatError(f"{what} has no shape of two integers")
        rows, columns = shape.tolist()
        size_of((rows, columns), 1, what)
        values, indices, starts = (entry(name) for name in ("data", "indices", "indptr"))
    lines, width = (rows, columns) if layout.item() == b"csr" else (columns, rows)
    _check(values, indices, starts, lines, width, what)
    from scipy.sparse import csc_array, csr_array

    if layout.item() == b"csr":
        return csr_array((values, indices, starts), shape=(rows, columns))
    return csr_array(csc_array((values, indices, starts), shape=(rows, columns)))


def _check(values: Any, indices: Any, starts: Any, lines: int, width: int, what: str) -> None:
    """Refuse what SciPy's compiled code, which trusts its indices, would read beside the arrays."""
    fit = (
        values.ndim == indices.ndim == starts.ndim == 1
        and indices.dtype.kind == starts.dtype.kind == "i"
        and len(values) == len(indices)
        and len(starts) == lines + 1
    )
    if not fit:
        raise ModelFormatError(f"{what}: data, indices and indptr are no sparse matrix of {lines} lines")
    if starts[0] != 0 or starts[-1] != len(indices) or (starts[1:] < starts[:-1]).any():
        raise ModelFormatError(f"{what}: its indptr does not rise from 0 to {len(indices)}")
    if len(indices) and not (indices.min() >= 0 and indices.max() < width):
        raise ModelFormatError(f"{what}: its indices are not from 0 to {width - 1}")
