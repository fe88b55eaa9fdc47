"""Estimators with a centre for each cluster or class: which arrays of theirs make which network."""

from __future__ import annotations

import numpy as np

from ...base.arrays import Array
from ...errors import ParameterError, UnsupportedError
from ...network.network import Network
from ..chain import behind
from ..clusters import compared, kmeans
from ..fitted import Fitted
from ..scores import Output, asked, of_classes
from ..trees import margins_down_a_tree
from .densities import dense
from .table import estimator

UNSCALED = "predict goes by distances that are not scaled, and may differ from these scores: see output='margin'"


@estimator("AffinityPropagation", "KMeans", "MeanShift", "MiniBatchKMeans")
def nearest_center(
    fitted: Fitted, output: Output = None, *, beta: float | None = None, data: Array | None = None
) -> Network:
    """Return what assigns a sample to the nearest of its ``cluster_centers_`` as :func:`.clusters.kmeans` makes it.

    That is KMeans, MiniBatchKMeans, MeanShift and AffinityPropagation.

    Args:
        fitted: the estimator.
        output: "margin", or ("pair", i, j).
        beta, data: as of :func:`.clusters.kmeans`; the estimator has not kept the data that it was fitted to.

    Raises:
        ParameterError: it is not fitted, has one cluster, or another output.

    Example:
        >>> nearest_center(Fitted("KMeans", {"cluster_centers_": np.array([[0.0], [2.0]])})).forward(np.array([[0.5]]))
        array([[ 2., -2.]])
    """
    if fitted.kind == "AffinityPropagation" and "cluster_centers_" not in fitted and "labels_" in fitted:
        raise UnsupportedError(
            "AffinityPropagation with a precomputed affinity has kept no centers: give those points to "
            "lrp.neuralise.kmeans"
        )
    centers = dense(fitted, "cluster_centers_")
    if not len(centers):
        raise ParameterError(f"{fitted.kind}: its fit found no cluster, so there is nothing to explain")
    output = asked(output, ("margin",), fitted.kind, classes=len(centers))
    return kmeans(centers, beta=beta, data=data, output=output)


@estimator("BisectingKMeans")
def bisecting_kmeans(
    fitted: Fitted, output: Output = None, *, beta: float | None = None, data: Array | None = None
) -> Network:
    """Return a BisectingKMeans as :func:`.trees.margins_down_a_tree` makes it.

    A sample goes down a tree, at each node to the nearer of two centres, and may end in a cluster whose centre is not
    the nearest of all.

    Args:
        fitted: the estimator.
        output: "margin".
        beta, data: as of :func:`.trees.margins_down_a_tree`.

    Raises:
        ParameterError: it is not fitted, has one cluster, or another output.

    Example:
        >>> leaves = [Fitted("_BisectingTree", {"center": np.array([v]), "left": None, "label": k})
        ...           for k, v in enumerate((0.0, 2.0))]
        >>> tree = Fitted("_BisectingTree", {"left": leaves[0], "right": leaves[1]})
        >>> bisecting_kmeans(Fitted("BisectingKMeans", {"_bisecting_tree": tree})).forward(np.array([[0.5]]))
        array([[ 2., -2.]])
    """
    asked(output, ("margin",), fitted.kind)
    root, mean = fitted["_bisecting_tree"], fitted.get("_X_mean", 0.0)
    centers: list[Array] = []
    paths: dict[int, list[int]] = {}
    waiting: list[tuple[Fitted, list[int]]] = [(root, [])]
    while waiting:
        node, path = waiting.pop()
        if not isinstance(node, Fitted):
            raise ParameterError(f"BisectingKMeans: a node of its tree is a {type(node).__name__}")
        if node.get("left") is None:
            paths[int(node["label"])] = path
            continue
        for side in ("left", "right"):  # they stand side by side: 2t and 2t + 1
            waiting.append((node[side], [*path, len(centers)]))
            centers.append(np.asarray(node[side]["center"]) + mean)
    if sorted(paths) != list(range(len(paths))):
        raise ParameterError(f"BisectingKMeans: the leaves of its tree are labelled {sorted(paths)}")
    if len(paths) < 2:
        raise ParameterError("BisectingKMeans: it has one cluster, and nothing to compare it with")
    return margins_down_a_tree(np.stack(centers), [paths[k] for k in range(len(paths))], beta=beta, data=data)


@estimator("NearestCentroid")
def nearest_centroid(
    fitted: Fitted, output: Output = None, *, beta: float | None = None, data: Array | None = None
) -> Network:
    """Return a NearestCentroid with metric "euclidean" as a network.

    ==============  ======================================================================================
    decision        its ``decision_function``: −‖(x − μ_k)/s‖² + 2 log π_k with the deviations s within the
                    classes; of two classes one column, the second minus the first
    logodds         the same compared, so that σ of it is ``predict_proba``
    ("pair", i, j)  the same of two classes
    margin          ‖x − μ_k‖² compared as in k-means, unscaled: where priors are equal, ``predict`` goes by that
    ==============  ======================================================================================

    Args:
        fitted: the estimator.
        output: as above, the first by default.
        beta, data: of "margin", see :func:`.clusters.kmeans`.

    Raises:
        ParameterError: it is not fitted, another output, or a class of prior 0.
        UnsupportedError: another metric.

    Example:
        >>> found = {"centroids_": np.array([[0.0], [2.0]]), "within_class_std_dev_": np.ones(1)}
        >>> found |= {"class_prior_": np.array([0.5, 0.5])}
        >>> nearest_centroid(Fitted("NearestCentroid", found)).forward(np.array([[0.5]]))  # 0.5² − 1.5²
        array([[-2.]])
    """
    metric = fitted.get("metric", "euclidean")
    if metric != "euclidean":
        raise UnsupportedError(
            f"NearestCentroid with metric {metric!r}: the network has distances with metric 'euclidean'"
        )
    centers, classes = dense(fitted, "centroids_"), fitted.get("classes_")
    output = asked(output, ("decision", "logodds", "margin"), fitted.kind, classes=len(centers))
    if output == "margin":
        return of_classes(kmeans(centers, beta=beta, data=data), classes)
    deviation, prior = dense(fitted, "within_class_std_dev_"), dense(fitted, "class_prior_")
    if not (prior > 0).all():
        raise ParameterError("NearestCentroid: a class of prior 0 has no score: its logarithm is not finite")
    scale = np.where(deviation == 0, 1, deviation).astype(centers.dtype)
    column = output == "decision" and len(centers) == 2
    scores = 2 * np.log(prior)
    net = compared(centers, (1 / scale**2).reshape(1, -1), scores, 1, ("pair", 1, 0) if column else output)
    if isinstance(output, tuple):
        return net
    # Where the priors are equal, scikit-learn predicts the nearest centre without the deviations that scores have.
    other = (UNSCALED,) if np.allclose(prior, 1 / len(prior)) else ()
    return behind([], of_classes(net, classes, single=column), notes=other)
