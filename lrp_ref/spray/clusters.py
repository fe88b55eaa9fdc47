"""Spectral Relevance Analysis: groups of explanations that rest on the same, found without being told of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array
from ..base.frozen import Value, whole
from ..base.tables import number
from ..errors import ParameterError, require, unknown
from .graphs import eigengap, neighbour_graph, spectrum
from .maps import Floats, Size, prepare

if TYPE_CHECKING:
    from PIL.Image import Image

EMBEDDINGS = ("tsne", "spectral")
KEPT = 32  # eigenvalues
PERPLEXITY = 30.0
SEEDS = (1 << 32) - 1  # the largest that scikit-learn takes


@dataclass(frozen=True, eq=False, repr=False)
class Clusters(Value):
    """Groups of relevance maps, and what says that there are so many.

    Attributes:
        labels: the cluster of each map (N,), 0 for the largest.
        eigenvalues: the smallest of the graph's Laplacian, ascending; as many zeros as the graph has parts.
        vectors: their eigenvectors (N, m).
        embedding: of each map, in a plane (N, 2).
        means: the mean of the prepared maps of each cluster (k, h, w), or (k, F) of vectors.
        chosen: how many clusters the largest gap of eigenvalues says; not what was asked for, if that was given.
        gap: the largest, λ_{chosen+1} − λ_chosen.
        graph, neighbours, normalise, shown, most, seed: what it was made with; ``shown`` is how it was embedded.
    """

    labels: NDArray[np.int64]
    eigenvalues: Floats
    vectors: Floats = field(repr=False)
    embedding: Floats = field(repr=False)
    means: Floats
    chosen: int
    gap: float
    graph: str = "union"
    neighbours: int = 10
    normalise: str = "l1"
    shown: str = "tsne"
    most: int = 10
    seed: int = 0

    @property
    def k(self) -> int:
        """The number of clusters."""
        return len(self.means)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many maps are in each cluster, the largest first."""
        return tuple(int(n) for n in np.bincount(self.labels, minlength=self.k))

    @property
    def split(self) -> float:
        """The largest gap that says two clusters or more, max_k≥2 λ_{k+1} − λ_k; :func:`rank` goes by it."""
        gaps = np.diff(self.eigenvalues)[1 : max(self.most, int((self.eigenvalues == 0).sum()))]
        return float(gaps.max(initial=0.0))

    @property
    def second(self) -> float:
        """λ₂, the second eigenvalue: 0 where the graph is in two parts, and near it where it nearly is."""
        return float(self.eigenvalues[1])

    def members(self, cluster: int) -> NDArray[np.int64]:
        """Return which maps are in a cluster, as their numbers."""
        return np.flatnonzero(self.labels == cluster)

    def __repr__(self) -> str:
        sizes = " + ".join(str(n) for n in self.sizes)
        asked = "" if self.k == self.chosen else f", where the largest gap says {self.chosen}"
        first = ", ".join(number(float(v)) for v in self.eigenvalues[: self.chosen + 1])
        gap = f"gap {number(self.gap)} behind eigenvalue {self.chosen} ({first}, …)"
        return (
            f"Clusters({len(self.labels)} maps: {sizes}{asked}; {gap}; {self.graph} of {self.neighbours} neighbours, "
            f"seed {self.seed})"
        )

    def picture(self, *, title: str = "") -> Image:
        """Return the maps in a plane, the smallest eigenvalues, and the mean map of each cluster."""
        from .drawing import picture

        axes = ("t-SNE", "t-SNE") if self.shown == "tsne" else ("eigenvector 2", "eigenvector 3")
        return picture(self.embedding, self.labels, self.eigenvalues, self.means, chosen=self.chosen, axes=axes,
                       title=title)  # fmt: skip

    def _repr_html_(self) -> str:
        from html import escape  # only needed here, and `import lrp_ref` should be quick

        from ..heatmap import to_data_uri

        words = escape(repr(self))
        return f'<p>{words}</p><img alt="{words}" src="{to_data_uri(self.picture())}">'


def cluster(
    relevance: Array | Iterable[Array],
    *,
    neighbours: int = 10,
    graph: str = "union",
    clusters: int | None = None,
    most: int = 10,
    size: Size = 100,
    normalise: str = "l1",
    embedding: str = "tsne",
    seed: int = 0,
) -> Clusters:
    """Return groups of relevance maps, such as those of all samples of one class: its strategies, as far as maps tell.

    Maps are prepared (:func:`prepare`), each is joined to its nearest ones (:func:`neighbour_graph`), and the smallest
    eigenvalues of L = I − D^−½AD^−½ are looked at (:func:`spectrum`): the largest gap among the first says how many
    clusters there are (:func:`eigengap`), and k-means on the rows of the first eigenvectors, each of length 1, which.

    It is exact: N² distances are computed, in blocks. 10,000 maps of 28 × 28 take about a minute on one core, and
    memory beside the maps of three copies of them in float64 and 100 MB, 300 MB in all; t-SNE takes its time on top.

    Args:
        relevance: (N, C, H, W), (N, H, W), or vectors (N, F); or what gives such arrays of some maps one after the
            other, as :func:`prepare` takes them: in memory are then the prepared maps, and the result is the same.
        neighbours: of each map.
        graph: "union", as Lapuschkin et al. have it, or "average", as corelay.
        clusters: how many; None for what the largest gap says.
        most: the largest number of clusters that the gap may say.
        size, normalise: as of :func:`prepare`.
        embedding: "tsne" of the prepared maps, or "spectral", the eigenvectors 2 and 3.
        seed: of k-means and t-SNE.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        ShapeError, NonFiniteError, ParameterError: as of :func:`prepare` and :func:`neighbour_graph`: no maps, NaN,
            maps that are 0 everywhere, fewer maps than neighbours + 1; more clusters than maps.

    Source: Lapuschkin et al. 2019, doi:10.1038/s41467-019-08987-4; von Luxburg 2007 (the eigengap); Ng, Jordan, Weiss
        2001 (the rows).

    Example:
        >>> rng = np.random.default_rng(0)
        >>> maps = rng.normal(size=(40, 6, 6)) * 0.1
        >>> maps[:30, 0, 0] += 3  # 30 rest on one corner, 10 on the other
        >>> maps[30:, 5, 5] += 3
        >>> cluster(maps, neighbours=5)
        Clusters(40 maps: 30 + 10; gap 0.2624 behind eigenvalue 2 (0, 0, 0.2624, …); union of 5 neighbours, seed 0)
    """
    sklearn = require("sklearn.cluster", extra="sklearn", purpose="cluster explanations")
    if embedding not in EMBEDDINGS:
        raise unknown("embedding", str(embedding), EMBEDDINGS)
    maps = prepare(relevance, size=size, normalise=normalise)
    points = maps.reshape(len(maps), -1)
    joined = neighbour_graph(points, neighbours, graph)
    if isinstance(most, bool) or not isinstance(most, int | np.integer) or most < 1:
        raise ParameterError(f"most is {most!r}; give a whole number of clusters, 1 or more")
    if clusters is not None and not 1 <= whole("clusters", clusters) <= len(maps):
        raise ParameterError(f"clusters is {clusters!r}; give a number from 1 to that of the maps, {len(maps)}")
    seed = whole("seed", seed, 0, SEEDS)
    values, vectors = _enough(joined, max(KEPT, most + 1, (clusters or 0) + 1))
    chosen, gap = eigengap(values, most)
    k = chosen if clusters is None else int(clusters)
    rows = vectors[:, : max(k, int((values == 0).sum()))]
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    labels = np.zeros(len(maps), dtype=np.int64)
    if k > 1:
        labels = _by_size(sklearn.KMeans(k, n_init=10, random_state=seed).fit_predict(rows), k)
    means = np.stack([maps[labels == c].mean(axis=0) for c in range(int(labels.max()) + 1)])
    plane = _tsne(points, seed) if embedding == "tsne" else _plane(vectors)
    return Clusters(labels, values, vectors, plane, means, chosen, gap, graph, int(neighbours), normalise, embedding,
                    int(most), int(seed))  # fmt: skip


def _enough(joined: Any, many: int) -> tuple[Floats, Floats]:
    """Return eigenvalues until one is not 0, or all of them."""
    values, vectors = spectrum(joined, many)
    while values[-1] == 0 and len(values) < joined.shape[0]:
        many *= 2
        values, vectors = spectrum(joined, many)
    return values, vectors


def _by_size(labels: NDArray[Any], k: int) -> NDArray[np.int64]:
    """Return labels of which 0 is the largest cluster; of equal ones that of the first map."""
    first = [int(np.argmax(labels == c)) if (labels == c).any() else len(labels) for c in range(k)]
    order = sorted(range(k), key=lambda c: (-int((labels == c).sum()), first[c]))
    place = np.empty(k, dtype=np.int64)
    place[order] = np.arange(k)
    return np.asarray(place[labels])


def _tsne(points: Floats, seed: int) -> Floats:
    """Return t-SNE in the plane, from the principal components, with a perplexity that so many points allow."""
    manifold = require("sklearn.manifold", extra="sklearn", purpose="embed explanations")
    if len(points) < 4 or not np.ptp(points, axis=0).any():  # too few for neighbours, or all the same
        return _plane(points)
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    scaled = points / np.abs(points).max()
    start = "pca" if min(points.shape) > 1 else "random"
    made = manifold.TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(scaled)
    return np.asarray(made, dtype=np.float64)


def _plane(vectors: Floats) -> Floats:
    """Return the second and third column, 0 where there is none."""
    chosen = vectors[:, 1:3]
    return np.pad(chosen, ((0, 0), (0, 2 - chosen.shape[1])))
