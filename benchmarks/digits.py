"""Clusters of digits: how many samples leave their cluster when the pixels that put them there are replaced.

    python -m benchmarks.digits --pictures folder

k-means on scikit-learn's 1,797 digits of 8×8; a pixel is replaced by its mean over all of them. Needs scikit-learn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import lrp_ref as lrp
from lrp_ref.base import tables
from lrp_ref.neuralise.clusters import kmeans
from lrp_ref.neuralise.one_class import one_class, outlier_threshold

Floats = NDArray[np.float64]
COUNTS = (5, 10, 20)
GAMMA = 0.02  # of the one-class SVM of zeros


def stays(net: lrp.Network, x: Floats, order: Floats, counts: tuple[int, ...] = COUNTS) -> list[float]:
    """Return which share of the samples is still in its cluster after that many pixels were replaced by their means.

    Args:
        net: f (N, K) → the cluster with the largest output.
        x: samples (N, D).
        order: (N, D), the pixels with the largest numbers first; ties in their order.
        counts: of pixels.
    """
    before, mean = net.forward(x).argmax(axis=1), x.mean(axis=0)
    first, left = np.argsort(-order, axis=1, kind="stable"), []
    for many in counts:
        changed, place = x.copy(), first[:, :many]
        np.put_along_axis(changed, place, mean[place], axis=1)
        left.append(float((net.forward(changed).argmax(axis=1) == before).mean()))
    return left


def orders(net: lrp.Network, x: Floats, centers: Floats, seed: int = 0) -> dict[str, Floats]:
    """Return what orders the pixels of the samples (N, D): relevance, and what it is compared with."""
    square = ((x[:, None] - centers) ** 2).sum(axis=2)
    nearest = np.argsort(square, axis=1)
    own, other = centers[nearest[:, 0]], centers[nearest[:, 1]]
    return {
        "relevance": lrp.explain(net, x).relevance,
        "weight x pixel": 2 * (own - other) * x,
        "nearness to the centre": -((x - own) ** 2),
        "distance to the centre": (x - own) ** 2,
        "random": np.random.default_rng(seed).random(x.shape),
    }


def draw_clusters(net: lrp.Network, x: Floats, centers: Floats, classes: NDArray[Any]) -> Any:
    """Return the first digits of five classes beside what orders their pixels."""
    first = x[[int(np.flatnonzero(classes == k)[0]) for k in (0, 2, 4, 6, 7)]]
    found = orders(net, first, centers)
    names = ("relevance", "weight x pixel", "distance to the centre")
    rows = [[found[name][k].reshape(8, 8) for name in names] for k in range(5)]
    return lrp.heatmap.grid(rows, inputs=list(first.reshape(-1, 8, 8)), column_labels=names)


def draw_outliers(x: Floats, classes: NDArray[Any]) -> Any:
    """Return zeros, zeros with a mark, and other digits, beside what a one-class SVM of zeros finds strange."""
    from sklearn.svm import OneClassSVM

    zeros = x[classes == 0]
    svm = OneClassSVM(nu=0.1, gamma=GAMMA).fit(zeros[:100])
    net = one_class(svm.support_vectors_, svm.dual_coef_, GAMMA, threshold=float(svm.offset_[0]))
    limit = outlier_threshold(svm.dual_coef_, GAMMA, float(svm.offset_[0]))
    kept = zeros[100:][net.forward(zeros[100:])[:, 0] <= limit][:2]
    marked = kept.copy().reshape(2, 8, 8)
    marked[:, 3:5, 3:5] = 1
    others = np.stack([x[classes == k][0] for k in (1, 8)])
    shown = np.concatenate([kept, marked.reshape(2, -1), others])
    scores = net.forward(shown)[:, 0]
    maps = [lrp.explain(net, shown, bias=bias).relevance for bias in ("ignore", "absorb")]
    rows = [[m[k].reshape(8, 8) for m in maps] for k in range(6)]
    names = ["0", "0", "0 with a mark", "0 with a mark", "1", "8"]
    return lrp.heatmap.grid(
        rows,
        inputs=list(shown.reshape(-1, 8, 8)),
        row_labels=[f"{name}: {score:.1f}" for name, score in zip(names, scores, strict=True)],
        column_labels=['bias="ignore"', 'bias="absorb"'],
        share_limit="all",
        remark=f"outliers have scores above {limit:.1f}",
    )


@click.command()
@click.option("--clusters", type=click.IntRange(2), default=10, show_default=True)
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder for pictures of the maps.")
def main(clusters: int, pictures: Path | None) -> None:
    """Print which share of the digits stays in its cluster, for several orders of their pixels."""
    from sklearn.cluster import KMeans
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = digits.data / 16
    model = KMeans(clusters, n_init=10, random_state=0).fit(x)
    net = kmeans(model.cluster_centers_, data=x)
    headers = ["pixels replaced by", *(f"first {many}" for many in COUNTS)]
    rows = [
        [name, *(f"{v:.1%}" for v in stays(net, x, order))]
        for name, order in orders(net, x, model.cluster_centers_).items()
    ]
    click.echo(tables.text(headers, rows, title="still in their cluster", right=range(1, 4)))
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        lrp.heatmap.save(draw_clusters(net, x, model.cluster_centers_, digits.target), pictures / "clusters.png")
        lrp.heatmap.save(draw_outliers(x, digits.target), pictures / "outliers.png")


if __name__ == "__main__":
    main()
