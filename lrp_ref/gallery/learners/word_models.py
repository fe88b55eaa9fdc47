"""Two models of postings as rows of word numbers: one that counts words, and one that reads them in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ... import neuralise
from ...layers import Affine, Embedding, Flatten, GlobalMaxPool, ReLU, Transpose
from ...network import Network, Node
from ...propagation.explaining import explain
from ..application import Tell
from ..sources import newsgroups
from ..training import conv, dense, fit

BLOCK = 128  # postings at a time


class Model(Protocol):
    """A model of rows of word numbers (N, length), of which the number ``size`` is a filling."""

    @property
    def size(self) -> int:
        """Of the vocabulary."""

    def scores(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the score of each group, (N, groups)."""

    def relevance(self, rows: NDArray[Any], groups: NDArray[Any]) -> NDArray[Any]:
        """Return the relevance of each word for the score of a group, (N, length)."""


@dataclass(frozen=True)
class Counting:
    """tf-idf and a linear classifier: takes counts of words.

    Attributes:
        net: what :func:`lrp_ref.neuralise.from_sklearn` makes of it.
        size: of the vocabulary.
    """

    net: Network
    size: int

    @classmethod
    def trained(cls, rows: NDArray[Any], groups: NDArray[Any], size: int) -> Counting:
        """Return a linear support vector machine on tf-idf."""
        from sklearn.feature_extraction.text import TfidfTransformer
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import LinearSVC

        pipeline = make_pipeline(TfidfTransformer(), LinearSVC(random_state=0))
        return cls(neuralise.from_sklearn(pipeline.fit(newsgroups.counts(rows, size), groups)), size)

    def scores(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.explained(rows).output)

    def relevance(self, rows: NDArray[Any], groups: NDArray[Any]) -> NDArray[Any]:
        """Return it with what a word has divided among its occurrences."""
        e = self.explained(rows, groups)
        each = e.relevance.multiply(newsgroups.counts(rows, self.size).power(-1)).tocsr()
        place = np.arange(len(rows))[:, None]
        return np.where(rows < self.size, each[place, np.minimum(rows, self.size - 1)].toarray(), 0.0)

    def tfidf(self, rows: NDArray[Any]) -> Any:
        """Return the tf-idf of words, of length 1 for each posting, a sparse matrix (N, V)."""
        (idf,) = (node.layer.scale for node in self.net.nodes if isinstance(node.layer, Affine))
        weights = newsgroups.counts(rows, self.size).multiply(np.asarray(idf)[None]).tocsr()
        length = np.sqrt(weights.power(2).sum(axis=1))
        return weights.multiply(1 / np.where(length == 0, 1, length)[:, None]).tocsr()

    def explained(self, rows: NDArray[Any], groups: NDArray[Any] | None = None) -> neuralise.SparseExplanation:
        """Return the explanation of counts, of the largest score for None."""
        return neuralise.explain_sparse(self.net, newsgroups.counts(rows, self.size), target=groups)


@dataclass(frozen=True)
class Reading:
    """Word vectors, a convolution over neighbouring words, the maximum over the text, and a dense layer.

    Attributes:
        net: the network.
        size: of the vocabulary.
    """

    net: Network
    size: int

    @classmethod
    def trained(
        cls, rows: NDArray[Any], groups: NDArray[Any], vectors: NDArray[Any], *, filters: int, width: int, epochs: int,
        away: float, rng: np.random.Generator, tell: Tell,
    ) -> Reading:  # fmt: skip
        """Return a network whose word vectors are trained with the rest.

        Args:
            rows: (N, length).
            groups: (N,).
            vectors: of the words, to begin with, (size, D).
            filters: of the convolution.
            width: of the convolution, in words.
            epochs: how often all postings are seen.
            away: which part of the words is left out, others in every epoch.
            rng: of the other weights to begin with.
            tell: is told how far it is.
        """
        size, dimensions = vectors.shape
        table = np.concatenate([vectors, np.zeros((1, dimensions))]).astype(np.float32)
        last = dense(rng, filters, int(groups.max()) + 1)
        net = Network.sequential([
            ("words", Embedding(table)), ("turned", Transpose((0, 2, 1))),
            ("pairs", conv(rng, dimensions, filters, width)), ("relu", ReLU()), ("maximum", GlobalMaxPool()),
            ("flat", Flatten()), ("scores", last),
        ])  # fmt: skip

        def some_away(rng: np.random.Generator, batch: NDArray[Any]) -> NDArray[Any]:
            return np.where(rng.random(batch.shape) < away, size, batch)

        return cls(unfilled(fit(net, rows, groups, epochs=epochs, rate=3e-3, augment=some_away, tell=tell)), size)

    def scores(self, rows: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([self.net.forward(rows[k : k + BLOCK]) for k in range(0, len(rows), BLOCK)])

    def relevance(self, rows: NDArray[Any], groups: NDArray[Any]) -> NDArray[Any]:
        found = []
        for k in range(0, len(rows), BLOCK):
            e = explain(self.net, rows[k : k + BLOCK], target=groups[k : k + BLOCK], composite="epsilon")
            found.append(e.relevance)
        return np.concatenate(found)


def unfilled(net: Network) -> Network:
    """Return a network whose filling, the last word, has the vector 0, so that it can get no relevance."""
    first, *others = net.nodes
    assert isinstance(first.layer, Embedding)
    table = first.layer.table.copy()
    table[-1] = 0
    return replace(net, nodes=(Node(first.name, Embedding(table), first.inputs), *others))


def right_without(
    model: Model, rows: NDArray[Any], groups: NDArray[Any], order: NDArray[Any], deleted: Sequence[int]
) -> list[float]:
    """Return how many of the postings that are right stay so without their first k words, in all occurrences.

    Args:
        model: is asked.
        rows: (N, length).
        groups: the right ones, (N,).
        order: of occurrences, (N, length), such as relevance; that of a word is the sum.
        deleted: the numbers k of words.
    """
    right = model.scores(rows).argmax(axis=1) == groups
    kept, wanted = rows[right], groups[right]
    sums = newsgroups.counts(kept, model.size, order[right])
    stay = []
    for k in deleted:
        left = kept.copy()
        for row, begin, end in zip(left, sums.indptr, sums.indptr[1:], strict=False):
            first = np.argsort(-sums.data[begin:end], kind="stable")[:k]
            row[np.isin(row, sums.indices[begin:end][first])] = model.size
        stay.append(float((model.scores(left).argmax(axis=1) == wanted).mean()))
    return stay


def singular_vectors(counts: Any, dimensions: int) -> NDArray[np.float64]:
    """Return word vectors of length 1, (V, D): those of the singular value decomposition of tf-idf (N, V)."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    weighted = TfidfTransformer(sublinear_tf=True).fit_transform(counts)
    vectors = TruncatedSVD(dimensions, random_state=0).fit(weighted).components_.T
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length == 0, 1, length))
