"""Vectors of documents: word vectors added up by their relevance, and a plane to look at many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import require_finite
from ..errors import ParameterError, ShapeError


def document_vectors(
    vectors: NDArray[Any] | Sequence[NDArray[Any]], relevances: Any | Sequence[NDArray[Any]] | None = None
) -> NDArray[Any]:
    """Return a vector for each document: the vectors of its words, added up by what the network made of them.

    d = Σ_t R_t·v_t with a relevance for each word; d_j = Σ_t R_tj·v_tj with one for each dimension of each word; and
    the plain mean d = Σ_t v_t / T without any.

    Of bags of words d = Σ_i R_i·v_i over the words of the vocabulary: with a sparse matrix of relevance, that of
    ``explain_sparse``. With the counts in its place it is the sum of the words' vectors, with tf-idf their weighted
    sum: what relevance is compared with.

    Args:
        vectors: of each document the vectors of its T words, (T, D); T may differ. They are what an ``Embedding``
            returns: ``e.trace.values["embedding"]``. Of bags of words one array (V, D) for all documents.
        relevances: of each document (T,) or (T, D), any unit; None for the mean. Those of each dimension are
            ``e.trace.relevance["embedding"]``. Of bags of words a ``scipy.sparse`` matrix (N, V).

    Returns:
        (N, D).

    Raises:
        ParameterError: no document.
        ShapeError: shapes that do not fit each other, or documents without words or of different D.

    Source: Arras et al. 2016, "Explaining predictions of non-linear classifiers in NLP", eq. 4–6 (arXiv:1606.07298);
    Arras et al. 2017, "What is relevant in a text document?", PLOS ONE 12(8).

    Example:
        >>> words, relevance = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([3.0, -1.0])
        >>> document_vectors([words], [relevance])
        array([[ 3., -2.]])
        >>> document_vectors([words], [np.array([[1.0, 5.0], [7.0, 0.5]])])
        array([[1., 1.]])
        >>> document_vectors([words])
        array([[0.5, 1. ]])
        >>> from scipy.sparse import csr_array
        >>> document_vectors(words, csr_array([[0.5, 0.0], [1.0, -2.0]]))
        array([[ 0.5,  0. ],
               [ 1. , -4. ]])
    """
    if type(relevances).__module__.startswith("scipy.sparse"):
        return _of_bags(np.asarray(vectors), relevances)
    if not len(vectors):
        raise ParameterError("no document is given")
    if relevances is not None and len(relevances) != len(vectors):
        raise ShapeError(f"{len(vectors)} document(s), and relevances of {len(relevances)}")
    found = [_vector(v, None if relevances is None else relevances[k], k) for k, v in enumerate(vectors)]
    if len({len(v) for v in found}) > 1:
        raise ShapeError(f"word vectors of different length: {sorted({len(v) for v in found})}")
    return np.stack(found)


def _of_bags(vectors: NDArray[Any], weights: Any) -> NDArray[Any]:
    """Return the vectors of words (V, D) added up by the weights (N, V) that documents give them."""
    if vectors.ndim != 2 or weights.ndim != 2 or weights.shape[1] != len(vectors):
        raise ShapeError(
            f"word vectors of shape {vectors.shape}, and relevance of shape {weights.shape}; expected (words, "
            "dimensions) and (documents, words)"
        )
    return np.asarray(weights @ vectors)


def _vector(vectors: Any, relevance: Any, k: int) -> NDArray[Any]:
    v = np.asarray(vectors)
    if v.ndim != 2 or not len(v):
        raise ShapeError(f"document {k}: its word vectors have shape {v.shape}; expected (words, dimensions)")
    if relevance is None:
        return np.asarray(v.sum(axis=0) / len(v))
    r = np.asarray(relevance)
    if r.shape not in (v.shape, v.shape[:1]):
        raise ShapeError(f"document {k}: relevance has shape {r.shape}; {v.shape[:1]} or {v.shape} fits its words")
    return np.asarray(((r[:, None] if r.ndim == 1 else r) * v).sum(axis=0))


@dataclass(frozen=True, eq=False)
class Components:
    """Documents in the directions in which they differ most.

    Attributes:
        points: (N, K), one row a document.
        explained: (K,), the part of the variance of each direction.
        directions: (K, D), of length 1; the largest number of each is positive.
        centre: (D,), the mean of the documents.
    """

    points: NDArray[Any]
    explained: NDArray[Any]
    directions: NDArray[Any]
    centre: NDArray[Any]


def principal_components(vectors: NDArray[Any], count: int = 2) -> Components:
    """Return the principal components of documents: the directions of largest variance around their mean.

    Args:
        vectors: real array (N, D), N ≥ 2.
        count: K of the directions, at most min(N, D).

    Raises:
        ShapeError: not such an array.
        ParameterError: more directions than there are, or numbers that are not real.
        NonFiniteError: NaN or infinity among them.

    Example:
        >>> found = principal_components(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]), 1)
        >>> found.points.ravel().round(6), found.explained.round(6)
        (array([-2.,  0.,  2.]), array([1.]))
    """
    given = np.asarray(vectors)
    if given.dtype.kind not in "fiubO":  # O for exact numbers
        raise ParameterError(f"vectors has numbers of the type {given.dtype}; real ones have directions")
    d = given.astype(np.float64)
    if d.ndim != 2 or len(d) < 2:
        raise ShapeError(f"vectors has shape {d.shape}; expected (documents, dimensions), two documents or more")
    require_finite(d, "vectors")
    if not isinstance(count, int | np.integer) or not 1 <= count <= min(d.shape):
        raise ParameterError(f"{count} components of {d.shape[0]} documents in {d.shape[1]} dimensions")
    centre = d.mean(axis=0)
    _, sizes, directions = np.linalg.svd(d - centre, full_matrices=False)
    # A direction and its opposite are the same component: the sign is chosen so that a repeated run draws the same.
    signs = np.sign(directions[np.arange(len(directions)), abs(directions).argmax(axis=1)])
    directions = (directions * np.where(signs == 0, 1, signs)[:, None])[:count]
    variance = sizes**2
    part = variance[:count] / variance.sum() if variance.sum() > 0 else np.zeros(count)
    return Components((d - centre) @ directions.T, part, directions, centre)
