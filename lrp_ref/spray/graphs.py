"""Which maps are neighbours: the graph, its Laplacian, and the smallest eigenvalues of that."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import require_finite
from ..base.frozen import real_array, whole
from ..errors import ParameterError, ShapeError, unknown

Floats = NDArray[np.float64]
Sparse = Any  # scipy.sparse.csr_array
GRAPHS = ("union", "average")
BLOCK = 1 << 22  # distances that are held at once
DENSE = 1500  # nodes of a connected part whose eigenvalues are computed as a dense matrix


def neighbour_graph(points: Floats, neighbours: int = 10, graph: str = "union") -> Sparse:
    """Return the graph that joins each point to its nearest ones, as a symmetric sparse matrix (N, N).

    With A_ij = 1 where j is one of the ``neighbours`` nearest of i: "union" is max(A, Aᵀ), which joins two if one has
    the other among its nearest; "average" is (A + Aᵀ)/2, in which two that have each other count 1, and one side
    alone ½. A point is never its own neighbour, and its duplicates are its neighbours like all others: of points at
    the same distance the first are taken. Distances are Euclidean.

    Args:
        points: (N, F), finite.
        neighbours: of each point.
        graph: "union" or "average".

    Raises:
        ShapeError: points that are not (N, F).
        NonFiniteError: NaN or infinity.
        ParameterError: no real numbers, fewer points than neighbours + 1, or another graph.

    Example:
        >>> neighbour_graph(np.array([[0.0], [1.0], [3.0]]), 1, "average").toarray()
        array([[0. , 1. , 0. ],
               [1. , 0. , 0.5],
               [0. , 0.5, 0. ]])
    """
    from scipy.sparse import csr_array
    from scipy.spatial.distance import cdist

    if graph not in GRAPHS:
        raise unknown("graph", str(graph), GRAPHS)
    points = real_array("points", points).astype(np.float64)
    if points.ndim != 2 or not points.shape[1]:
        raise ShapeError(f"neighbour_graph: points of shape {points.shape}; expected (N, F)")
    require_finite(points, "points")
    if isinstance(neighbours, bool) or not isinstance(neighbours, int | np.integer) or neighbours < 1:
        raise ParameterError(f"neighbours is {neighbours!r}; give a whole number, 1 or more")
    count = len(points)
    if count <= neighbours:
        raise ParameterError(
            f"{count} map{'' if count == 1 else 's'} cannot have {neighbours} neighbours each: "
            f"give {neighbours + 1} maps or more, or fewer neighbours"
        )
    points = _within_reach(points)
    nearest = np.empty((count, neighbours), dtype=np.int64)
    rows = max(1, BLOCK // count)
    for first in range(0, count, rows):
        far = cdist(points[first : first + rows], points)
        own = np.arange(len(far))
        far[own, own + first] = np.inf
        nearest[first : first + rows] = _smallest(far, neighbours)
    ones = np.ones(nearest.size)
    a = csr_array((ones, (np.repeat(np.arange(count), neighbours), nearest.ravel())), shape=(count, count))
    return a.maximum(a.T).tocsr() if graph == "union" else ((a + a.T) / 2).tocsr()


def _within_reach(points: Floats) -> Floats:
    """Return points whose squared distances neither overflow nor vanish: times a power of 2, which rounds nothing."""
    largest = np.abs(points).max()
    return points if largest == 0 or 1e-100 < largest < 1e100 else np.ldexp(points, -int(np.frexp(largest)[1]))


def _smallest(far: Floats, k: int) -> NDArray[np.int64]:
    """Return where the k smallest numbers of each row are, the first of equal ones first, (rows, k)."""
    last = np.partition(far, k - 1, axis=1)[:, k - 1 : k]
    nearer, level = far < last, far == last
    chosen = nearer | (level & (level.cumsum(axis=1) <= k - nearer.sum(axis=1, keepdims=True)))
    return np.nonzero(chosen)[1].reshape(len(far), k)


def laplacian(graph: Sparse) -> Sparse:
    """Return L = I − D^−½ A D^−½ of a graph whose points all have a neighbour, as a sparse matrix (N, N).

    Raises:
        ShapeError: no matrix (N, N).
        ParameterError: a point without a neighbour, weights below 0 or NaN, or a matrix that is not symmetric.

    Example:
        >>> from scipy.sparse import csr_array
        >>> laplacian(csr_array(np.array([[0.0, 1.0], [1.0, 0.0]]))).toarray()
        array([[ 1., -1.],
               [-1.,  1.]])
    """
    from scipy.sparse import diags_array, eye_array

    graph = _graph(graph)
    root = diags_array(1 / np.sqrt(np.asarray(graph.sum(axis=1)).ravel()))
    return (eye_array(graph.shape[0]) - root @ graph @ root).tocsr()


def _graph(graph: Any) -> Sparse:
    """Return a graph as a sparse matrix in rows.

    Raises:
        ShapeError: no matrix (N, N).
        ParameterError: as of :func:`laplacian`.
    """
    from scipy.sparse import csr_array, issparse

    found = csr_array(graph if issparse(graph) else np.atleast_2d(real_array("graph", graph)))
    if found.ndim != 2 or found.shape[0] != found.shape[1] or not found.shape[0]:
        raise ShapeError(f"a graph of shape {found.shape}; expected a matrix (N, N)")
    if not (found.data >= 0).all() or not np.isfinite(found.data).all() or (found != found.T).nnz:
        raise ParameterError("a graph is a symmetric matrix of finite weights, 0 or more")
    alone = np.flatnonzero(np.asarray(found.sum(axis=1)).ravel() == 0)
    if len(alone):
        raise ParameterError(f"{len(alone)} points of the graph have no neighbour, the first is number {alone[0]}")
    return found


def spectrum(graph: Sparse, many: int = 32) -> tuple[Floats, Floats]:
    """Return the smallest eigenvalues of the graph's Laplacian, ascending, with their eigenvectors as columns.

    The graph is taken apart first: each connected part has the eigenvalue 0 once, with the eigenvector √degree, and
    the spectrum of all is that of the parts together. So the zeros are as many as the parts, whatever a solver makes
    of eigenvalues that are equal. Parts of more than 1,500 points are solved by Lanczos steps (ARPACK, from a fixed
    start), others as dense matrices.

    Args:
        graph: symmetric, (N, N), each point with a neighbour.
        many: of them, 1 or more; all where there are not more.

    Raises:
        ShapeError, ParameterError: as of :func:`laplacian`.

    Returns:
        Eigenvalues (m,) in 0 … 2, and eigenvectors (N, m), m = min(many, N): of length 1, the largest entry > 0.

    Example:
        >>> from scipy.sparse import csr_array
        >>> pair = np.array([[0.0, 1.0], [1.0, 0.0]])
        >>> spectrum(csr_array(np.kron(np.eye(2), pair)), 3)[0]
        array([0., 0., 2.])
    """
    from scipy.sparse.csgraph import connected_components

    graph, many = _graph(graph), whole("many", many, 1)
    parts, which = connected_components(graph, directed=False)
    values: list[Floats] = []
    vectors: list[Floats] = []
    for part in range(parts):
        members = np.flatnonzero(which == part)
        found, columns = _of_part(graph[members][:, members], min(many, len(members)))
        spread = np.zeros((graph.shape[0], len(found)))
        spread[members] = columns
        values.append(found)
        vectors.append(spread)
    together = np.concatenate(values)
    order = np.argsort(together, kind="stable")[:many]
    columns = np.concatenate(vectors, axis=1)[:, order]
    largest = columns[np.abs(columns).argmax(axis=0), np.arange(columns.shape[1])]
    return together[order], columns * np.sign(largest)


def _of_part(graph: Sparse, many: int) -> tuple[Floats, Floats]:
    """Return the smallest eigenvalues of a connected graph; the first is 0 exactly."""
    from scipy.linalg import eigh
    from scipy.sparse.linalg import eigsh

    count = graph.shape[0]
    if count <= max(DENSE, 2 * many):
        values, vectors = eigh(laplacian(graph).toarray(), subset_by_index=(0, many - 1))
    else:  # the largest of 2 − L, which is where Lanczos steps converge
        from scipy.sparse import eye_array

        turned = 2 * eye_array(count) - laplacian(graph)
        start = np.random.default_rng(0).standard_normal(count)
        values, vectors = eigsh(turned, k=many, which="LA", v0=start, ncv=min(count, max(4 * many, 64)))
        order = np.argsort(-values, kind="stable")
        values, vectors = 2 - values[order], vectors[:, order]
    values = np.maximum(values, 0.0)
    values[0] = 0.0
    root = np.sqrt(np.asarray(graph.sum(axis=1)).ravel())
    vectors[:, 0] = root / np.linalg.norm(root)
    return values, vectors


def eigengap(eigenvalues: Floats, most: int = 10) -> tuple[int, float]:
    """Return the number of clusters that the largest gap says, and the gap: λ_{k+1} − λ_k, k = 1 … ``most``.

    k = 1 says that there are no clusters apart from each other. A graph in more than ``most`` parts has at least as
    many clusters as parts, and their gap is looked at as well.

    Args:
        eigenvalues: ascending, two or more.
        most: clusters.

    Raises:
        ParameterError: fewer than two eigenvalues, or NaN or a descent among them, or ``most`` below 1.

    Example:
        >>> eigengap(np.array([0.0, 0.01, 0.6, 0.7]))
        (2, 0.59)
    """
    eigenvalues, most = real_array("eigenvalues", eigenvalues).astype(float), whole("most", most)
    if eigenvalues.ndim != 1 or not (np.diff(eigenvalues) >= 0).all():
        raise ParameterError(f"eigenvalues of shape {eigenvalues.shape} are no ascending list of numbers")
    if len(eigenvalues) < 2 or most < 1:
        raise ParameterError(
            f"{len(eigenvalues)} eigenvalues and most={most}: a gap is between two of them, and most is 1 or more"
        )
    parts = int((eigenvalues == 0).sum())
    gaps = np.diff(eigenvalues)[: max(most, parts)]
    k = int(gaps.argmax()) + 1
    return k, float(gaps[k - 1])
