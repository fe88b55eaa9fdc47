"""Explanations of sparse samples, such as bags of words: block by block, over the columns that occur in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, require_finite
from ..errors import BackendError, ParameterError, ShapeError
from ..fast import threads
from ..network.network import Network
from ..propagation import composites
from ..propagation.explaining import Batch, explain, output_place
from ..propagation.explanation import Explanation
from ..propagation.ledger import Ledger
from ..propagation.prepare import Question, prepare
from ..propagation.start import Difference, Start, find
from ..propagation.targets import class_number, indices, is_tuple
from .columns import Columns, Front, require_rules

Matrix = Any  # a matrix or an array of scipy.sparse, (N, columns)
BLOCK = 1 << 18  # numbers of the array that a block of samples becomes


@dataclass(frozen=True, eq=False, repr=False)
class SparseExplanation:
    """What an explanation of sparse samples returns.

    Attributes:
        output: of the network, (N, K).
        relevance: (N, columns) in CSR form, with the pattern of the matrix that was given, in the unit of the start.
        ledger: where the relevance of every node went.
        target: the explained outputs, (N, T); None if the start relevance was an array.
        start: how the start relevance was chosen.
        composite: name of the composite.
        bias: its policy for biases.
        start_relevance: what started at the output, (N, K).
        notes: what has to be known to read the relevance, a sentence each.
    """

    output: NDArray[Any]
    relevance: Any
    ledger: Ledger
    target: NDArray[Any] | None
    start: str
    composite: str
    bias: str
    start_relevance: NDArray[Any]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"SparseExplanation({self.composite}, {self.start}: relevance {self.relevance.shape} with "
            f"{self.relevance.nnz} numbers, ledger residual {self.ledger.residual:.1e})"
        )


def explain_sparse(
    net: Network,
    matrix: Matrix,
    *,
    target: Any = None,
    composite: Any = None,
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    **parameters: Any,
) -> SparseExplanation:
    """Explain the outputs of a network for sparse samples, such as bags of words over a large vocabulary.

    The samples are taken in blocks. Of each block only the columns that occur in it are there: the network is
    restricted to them (rows of its first dense layer, idf of its words), and explained as :func:`lrp_ref.explain` does.
    No array of all samples and all columns is made.

    Args:
        net: takes (N, columns), and up to its first dense layers goes column by column: scales without a shift,
            activations with f(0) = 0, norms, selections.
        matrix: of ``scipy.sparse``, (N, columns), in any of its forms; float64 in, float64 out; float32 in, float32
            out; counts, which are whole numbers, are computed in the type of the network. Entries that are stored
            twice are added up first; zeros that are stored belong to its pattern.
        target, start, against, output, canonize: as of :func:`lrp_ref.explain`.
        composite: likewise; None for the network's own. Its rules give nothing to columns that are 0.
        parameters: of the composite; ``bias`` may be "absorb", "ignore" or "nonzero".

    Raises:
        ParameterError: no sparse matrix.
        ShapeError: a matrix of another number of columns than the network.
        NonFiniteError: NaN or infinity in it.
        UnsupportedError: a network, or a rule, that makes something of a column that is 0.
        LrpError: others, as of :func:`lrp_ref.explain`.

    Example:
        >>> import numpy as np
        >>> from scipy.sparse import csr_array
        >>> from lrp_ref import Network
        >>> from lrp_ref.layers import Dense
        >>> net = Network.sequential([Dense(np.array([[1.0, -1.0], [2.0, 0.0], [0.5, 3.0]]), np.array([0.5, 0.0]))])
        >>> counts = csr_array(np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 4.0]]))
        >>> e = explain_sparse(net, counts, composite="lrp0")
        >>> e.target.ravel(), e.relevance.toarray()
        (array([0, 1]), array([[ 2. ,  0. ,  0.5],
               [ 0. ,  0. , 12. ]]))
        >>> [row.bias.tolist() for row in e.ledger]
        [[0.5, 0.0]]
    """
    front = Front.of(net)
    rows = _canonical(matrix, net, front.width)
    place = output_place(net, output)
    named = net.classes if place == 0 else ()
    target, start = class_number(target, named), find(start, class_number(against, named, "against"))
    composite = composites.usual(net) if composite is None else composite
    chosen = composites.resolve(composite, parameters, caller=explain)
    question = Question(chosen, place, canonize, start)
    samples = rows.shape[0]
    if is_tuple(target) or isinstance(start, Difference):
        shape = _output_shape(front, rows, question)
        target = indices(target, samples, shape) if is_tuple(target) else target
        start = start.settled(samples, shape) if isinstance(start, Start) else start
    axis = net.output_axes[question.output] if net.output_axes else 0
    relevance = np.zeros(rows.nnz, dtype=rows.dtype)

    def explained(cut: slice) -> Explanation:
        there, columns, at = _dense(rows, cut, front.needed)
        small = front.narrowed(columns)
        fed = small.feed(there)
        prepared = prepare(small, fed, question)
        require_rules(prepared.plan, front)
        e = Batch(prepared, target, start, samples, axis, keep=False).explained(fed, cut)
        (received,) = e.relevance.values()
        relevance[rows.indptr[cut.start] : rows.indptr[cut.stop]] = received[at]
        return replace(e, relevance={}, relevance_axes=(), notes=prepared.notes(fed))

    # Each block has its own part of the relevance, so that several threads may take them.
    with threads.together(rows.data):
        parts = threads.collect(list(_blocks(rows)), explained)
    return _whole(parts, rows, relevance)


def _canonical(matrix: Matrix, net: Network, width: int | None) -> Any:
    """Return the matrix in CSR form, sorted, each entry once, as floats."""
    from scipy import sparse

    if not sparse.issparse(matrix):
        raise ParameterError(
            f"{type(matrix).__name__} is no matrix of scipy.sparse: explain_sparse is for those, and lrp.explain for "
            "arrays"
        )
    if matrix.ndim != 2:
        raise ShapeError(f"a sparse matrix of shape {matrix.shape}; expected (samples, columns)")
    if width is not None and matrix.shape[1] != width:
        raise ShapeError(
            f"the matrix has {matrix.shape[1]} columns, the network takes {width}: count the words with the "
            "vocabulary that the model was trained with"
        )
    rows = sparse.csr_array(matrix)
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    if rows.dtype.kind in "iub":
        rows = rows.astype(net.dtype or np.float64)
    if rows.dtype.kind != "f":
        raise BackendError(f"a sparse matrix of {rows.dtype}: give real numbers, matrix.astype(float)")
    require_finite(rows.data, "the matrix")
    return rows


def _blocks(rows: Any) -> Iterator[slice]:
    """Yield the samples of each block, of which the array of its columns has about ``BLOCK`` numbers at most."""
    samples, width = rows.shape
    first = 0
    while True:
        last = first + 1
        while last < samples and (last + 1 - first) * min(width, rows.indptr[last + 1] - rows.indptr[first]) <= BLOCK:
            last += 1
        yield slice(first, min(last, samples))
        if last >= samples:
            return
        first = last


def _dense(rows: Any, cut: slice, needed: Columns) -> tuple[Array, Columns, tuple[Columns, Columns]]:
    """Return a block as an array, which columns it has, and where the entries of the matrix are in it."""
    begin, end = rows.indptr[cut.start], rows.indptr[cut.stop]
    own = rows.indices[begin:end]
    columns = np.unique(np.concatenate([own, needed])).astype(np.intp)
    counts = np.diff(rows.indptr[cut.start : cut.stop + 1])
    at = np.repeat(np.arange(len(counts)), counts), np.searchsorted(columns, own)
    there = np.zeros((len(counts), len(columns)), dtype=rows.dtype)
    there[at] = rows.data[begin:end]
    return there, columns, at


def _output_shape(front: Front, rows: Any, question: Question) -> tuple[int, ...]:
    small = front.narrowed(front.needed)
    fed = small.feed(np.zeros((1, len(front.needed)), dtype=rows.dtype))
    return prepare(small, fed, question).output_shape(fed)


def _whole(parts: list[Explanation], rows: Any, relevance: NDArray[Any]) -> SparseExplanation:
    """Return the blocks' explanations as one."""
    e = parts[0].map(lambda *few: np.concatenate(few, axis=0), *parts[1:])
    matrix = type(rows)((relevance, rows.indices, rows.indptr), shape=rows.shape)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    return SparseExplanation(
        e.output, matrix, e.ledger, e.target, e.start, e.composite, e.bias, e.start_relevance, notes
    )
