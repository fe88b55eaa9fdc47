"""Clusters and Gaussian mixtures as networks: each score is a distance to a centre, and scores are compared."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base.arrays import Array, like, namespace, to_numpy
from ..errors import ParameterError, ShapeError, unknown
from ..layers import Gather, PairDifference, SoftMin, SquaredDistance
from ..network.network import Network
from .chain import Named, chain
from .given import array, positive
from .scores import Output

COVARIANCES = ("full", "tied", "diag", "spherical")
ROUNDED = 1e-3  # of the largest number: by more an inverse that was rounded does not differ from its transpose


def kmeans(
    centers: Array, *, beta: float | None = None, data: Array | None = None, output: Output = "margin"
) -> Network:
    """Return the assignment to the nearest of K centres as a network with an output for each cluster.

    Formula: h_ck = ‖x − μ_k‖² − ‖x − μ_c‖², f_c = min_{k≠c} h_ck, which is > 0 for the cluster of x alone: how much
    farther the next centre is. R_k = p_k f_c with p = softmax(−β h_c), and
    R_i = Σ_k [(x − μ_k)_i² − (x − μ_c)_i²]/h_ck·R_k. As h_ck is linear in x, w·x + b, that is w_i (x − m)_i with the
    midpoint m of the two centres: nothing is left for the bias. Relevance has both signs. On a border, h_ck = 0, there
    is nothing to share, and what arrives is dropped.

    Args:
        centers: μ (K, D), K ≥ 2.
        beta: β > 0: the larger, the more of the relevance is about the nearest other cluster; None for one over the
            mean of max_c f_c over the data.
        data: samples (N, D) for that mean; None for the centres themselves.
        output: "margin", f; or ("pair", c, k), h_ck alone.

    Returns:
        A network (N, D) → (N, K) of nodes "scores" (−‖x − μ_k‖²), "differences" and "pool"; for a pair (N, 1).

    Raises:
        ShapeError: centres that are not (K, D), or data that is not (N, D).
        ParameterError: fewer than two centres; β that is not > 0, or that cannot be chosen as no margin is > 0; a
            cluster that does not exist.

    Source: Kauffmann et al. 2022, where the mean is over the data. That the centres stand for it is ours.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.propagation.explaining import explain
        >>> net, x = kmeans(np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 9.0]])), np.array([[1.0, 1.0]])
        >>> net.forward(x)
        array([[  8.,  -8., -63.]])
        >>> explain(net, x).relevance.round(2)  # to the second along the first axis
        array([[6.49, 1.51]])
    """
    require_centers("centers", centers)
    many, distance = len(centers), SquaredDistance(centers, factor=-1)
    if isinstance(output, tuple | list):
        i, j = _pair(output, many)
        return _chain(SquaredDistance(_rows(centers, (i, j)), factor=-1), *_PAIR)
    if output != "margin":
        raise unknown("output of k-means", str(output), ("margin", '("pair", i, j)'))
    if many < 2:
        raise ParameterError(f"k-means compares each cluster with the others: give at least 2 centers, got {many}")
    if data is not None and (array("data", data).ndim != 2 or data.shape[1] != centers.shape[1]):
        raise ShapeError(
            f"data of shape {data.shape} for centers of shape {centers.shape}: expected (N, {centers.shape[1]})"
        )
    if beta is None:
        sharp = sharpness(_margins(distance, centers if data is None else data))
        where = f"1/mean margin of the {'centers' if data is None else 'data'}"
    else:
        sharp, where = positive("beta", beta), "as given"
    pool = ("pool", SoftMin(sharp, hard=True))
    return _chain(distance, ("differences", PairDifference()), pool, notes=(shares(sharp, where),))


def mixture(
    weights: Array, means: Array, precisions: Array, *, covariance: str | None = None, output: Output = "logodds"
) -> Network:
    """Return a Gaussian mixture, or Gaussian classes with their priors, as a network.

    Formula: l_k = log π_k + ½ log|P_k| − D/2 log 2π − ½ q_k, q_ki = (x − μ_k)_i [P_k (x − μ_k)]_i.

    ==============  =====================================================================================
    logodds         (N, K): o_c = log r_c/(1 − r_c) = −log Σ_{k≠c} e^{−(l_c − l_k)}, r the responsibilities;
                    R_k = p_k o_c, R_i = Σ_k R_k/(l_c − l_k)·½(q_ki − q_ci), constants to the bias
    outlier         (N, 1): −log density; R_i = ½ Σ_k r_k q_ki, constants and the entropy of r to the bias
    decision        (N, K): l itself, the joint log likelihood
    ("pair", i, j)  (N, 1): l_i − l_j
    ==============  =====================================================================================

    With diagonal precisions q_ki ≥ 0, and with them the relevance of an outlier score. With full ones terms of both
    signs make up a distance, and the relevance of an outlier score has negative parts as well.

    Args:
        weights: π (K,), > 0.
        means: μ (K, D).
        precisions: P, inverse covariances: "full" (K, D, D), "tied" (D, D), "diag" (K, D), "spherical" (K,).
        covariance: which of these; None where the shape tells. It does not for (D, D) with K = D.
        output: as above.

    Returns:
        A network of the node "scores", and "differences" and "pool" where scores are compared or pooled.

    Raises:
        ShapeError: arrays that do not fit each other.
        ParameterError: weights that are not > 0, precisions that are not positive definite, one component with
            nothing to compare it with, another output, a component that does not exist.

    Source: our derivation; the log-odds are those of Montavon et al. 2019, §10.4.

    Example:
        >>> import numpy as np
        >>> net = mixture(np.array([0.5, 0.5]), np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]]))
        >>> net.forward(np.array([[0.0]]))  # ½ 2²
        array([[ 2., -2.]])
    """
    require_centers("means", means)
    given = to_numpy(weights).astype(float)
    if given.shape != (len(means),):
        raise ShapeError(f"weights must be ({len(means)},), one for each of the means, got shape {given.shape}")
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise ParameterError(f"weights must be > 0, got {given[~(given > 0) | ~np.isfinite(given)][0]}")
    return gaussians(np.log(given), means, precisions, covariance=covariance, output=output)


def gaussians(
    logs: Any, means: Array, precisions: Array, *, covariance: str | None = None, output: Output = "logodds"
) -> Network:
    """Return the network of :func:`mixture` for weights that are known by their logarithms (K,), of any sum."""
    kind = _covariance(means, array("precisions", precisions), covariance)
    precision, determinant = _precision(kind, means, precisions)
    constants = np.asarray(logs, dtype=float) + determinant / 2 - means.shape[1] / 2 * math.log(2 * math.pi)
    return compared(means, precision, constants, 0.5, output)


def compared(centers: Array, precision: Array | None, constants: Any, factor: float, output: Output) -> Network:
    """Return scores l_k = c_k − s Σ_i (x − μ_k)_i [P_k (x − μ_k)]_i, or what is asked for of them, as a network.

    Args:
        centers, precision: μ and P as :class:`SquaredDistance` takes them.
        constants: c (K,).
        factor: s > 0.
        output: "decision" (l), "logodds", "outlier" (−log Σ exp l) or ("pair", i, j).
    """
    many, offset = len(centers), like(np.asarray(constants), centers)
    if isinstance(output, tuple | list):
        i, j = _pair(output, many)
        own = precision if precision is None or len(precision) == 1 else _rows(precision, (i, j))
        return _chain(SquaredDistance(_rows(centers, (i, j)), own, _rows(offset, (i, j)), -factor), *_PAIR)
    if output == "outlier":
        distance = SquaredDistance(centers, precision, -offset, factor)
        notes = ("the output is −log density: the higher it is, the less likely is the sample",)
        return _chain(distance, ("pool", SoftMin(share="mean")), notes=notes)
    scores = SquaredDistance(centers, precision, offset, -factor)
    if output == "decision":
        return _chain(scores)
    if output != "logodds":
        raise unknown("output", str(output), ("decision", "logodds", "outlier", '("pair", i, j)'))
    if many < 2:
        raise ParameterError(
            f"output 'logodds' compares each component with the others, and there is {many}: ask for output='outlier'"
        )
    return _chain(scores, ("differences", PairDifference()), ("pool", SoftMin()))


def sharpness(margins: Array) -> float:
    """Return β = 1/mean of the margins of samples.

    Raises:
        ParameterError: their mean is not > 0.
    """
    found = to_numpy(margins).astype(float)
    mean = float(found.mean()) if found.size else 0.0
    if not (mean > 0 and math.isfinite(1 / mean)):
        raise ParameterError(
            f"beta is 1/mean margin, and the mean margin of {found.size} samples is {mean}: give beta, or data that "
            "does not lie on the borders between clusters"
        )
    return 1 / mean


_PAIR: tuple[Named, ...] = (("differences", PairDifference()), ("pair", Gather(0)))


def _chain(scores: SquaredDistance, *above: Named, notes: Sequence[str] = ()) -> Network:
    return chain([("scores", scores), *above], features=scores.features, notes=notes)


def shares(beta: float, where: str) -> str:
    """Return the note that says which β weights the shares, and where it comes from."""
    return f"each other cluster has a share of softmax(−β h), β = {beta:.6g}, {where}"


def _rows(array: Array, rows: Sequence[int]) -> Array:
    xp = namespace(array)
    return xp.take(array, xp.asarray(rows), axis=0)


def require_centers(what: str, centers: Array) -> None:
    """Raise unless centers are floats (K, D)."""
    array(what, centers)
    if centers.ndim != 2 or not len(centers):
        raise ShapeError(f"{what} must be floats (K, D), got {centers.dtype} of shape {centers.shape}")


def _pair(output: Sequence[Any], many: int) -> tuple[int, int]:
    """Return i and j of an output ("pair", i, j), checked."""
    whole = all(isinstance(k, int | np.integer) and not isinstance(k, bool) for k in output[1:])
    if len(output) != 3 or output[0] != "pair" or not whole:
        raise ParameterError(f'an output of two classes is ("pair", i, j) with their numbers, got {output!r}')
    i, j = int(output[1]), int(output[2])
    if not (0 <= i < many and 0 <= j < many) or i == j:
        raise ParameterError(f"output {output!r}: give two different numbers, each 0 to {many - 1}")
    return i, j


def _margins(distance: SquaredDistance, data: Array) -> Any:
    """Return how much farther the second nearest centre is than the nearest (N,), on the host."""
    nearest = np.partition(-to_numpy(distance.forward(data)), 1, axis=1)
    return nearest[:, 1] - nearest[:, 0]


def _covariance(means: Array, precisions: Array, covariance: str | None) -> str:
    """Return which of COVARIANCES it is, by name or by shape."""
    if covariance is not None and covariance not in COVARIANCES:
        raise unknown("covariance", str(covariance), COVARIANCES)
    (k, d), shape = means.shape, tuple(precisions.shape)
    shapes = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}
    fit = [name for name, one in shapes.items() if one == shape]
    if covariance is not None and covariance not in fit:
        raise ShapeError(f"precisions of shape {shape} are not '{covariance}', which is {shapes[covariance]} here")
    if not fit:
        told = ", ".join(f"{name} {one}" for name, one in shapes.items())
        raise ShapeError(f"precisions of shape {shape} for means of shape {(k, d)}: expected one of {told}")
    if covariance is None and len(fit) > 1:
        raise ParameterError(f"precisions of shape {shape} may be {' or '.join(fit)}: say which, covariance='{fit[0]}'")
    return covariance or fit[0]


def _precision(kind: str, means: Array, precisions: Array) -> tuple[Array, Any]:
    """Return P as :class:`SquaredDistance` takes it, and log|P_k|, (K,) or (1,)."""
    host, features = to_numpy(precisions).astype(float), means.shape[1]
    what = "precisions must be positive definite: invert the covariances, not their roots"
    if kind in ("diag", "spherical"):
        if not (host > 0).all():
            raise ParameterError(f"{what}; there is {host[~(host > 0)][0]} among them")
        logs = np.log(host)
        return precisions.reshape(len(host), -1), logs.sum(axis=1) if kind == "diag" else features * logs
    matrices = host.reshape(-1, features, features)
    turned = np.moveaxis(matrices, 1, 2)
    if matrices.size and abs(matrices - turned).max() > ROUNDED * abs(matrices).max():
        raise ParameterError(f"{what}; one of the matrices is not symmetric")
    try:
        roots = np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError as error:
        raise ParameterError(f"{what}; one of the matrices is not") from error
    return precisions.reshape(matrices.shape), 2 * np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
