"""One-class SVMs and kernel densities as networks: distances to all points, of which the smallest count most."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ..arithmetic import scalar
from ..base.arrays import Array, like, namespace, to_numpy, unwarned
from ..base.frozen import real
from ..errors import ParameterError, ShapeError, unknown
from ..layers import Distance, SoftMin, SquaredDistance
from ..network.network import Network
from .chain import chain
from .given import array, positive

KERNELS = ("gaussian", "exponential")
BOUNDED = ("tophat", "epanechnikov", "linear", "cosine")


def one_class(support_vectors: Array, coefficients: Array, gamma: float, *, threshold: float | None = None) -> Network:
    """Return a one-class SVM with a Gaussian kernel as a network whose output says how far out a sample is.

    Formula: h_j = ‖x − u_j‖² − γ⁻¹ log α_j with α_j = a_j/Σa, o = −γ⁻¹ log Σ_j exp(−γ h_j) ≥ 0. The SVM's own score
    is Σa·exp(−γ o) (:func:`score_samples`), so that o rises where the score falls, and a sample is an outlier where o
    is above o_ρ = −γ⁻¹ log(ρ/Σa) (:func:`outlier_threshold`). Relevance: R_j = p_j R, p = softmax(−γ h), then
    R_i = Σ_j (x − u_j)_i²/h_j·R_j.

    What −γ⁻¹ log α_j takes is in the ledger as bias: four fifths of the score of digits at γ = 0.1. With bias="ignore"
    x takes it all, R_i = Σ_j (x − u_j)_i²/‖x − u_j‖²·R_j, which is what was published; these R_i are ≥ 0. Where a
    sample is equal to a support vector that one has nothing to point at, and its share is dropped.

    Args:
        support_vectors: u (S, D).
        coefficients: a (S,), ≥ 0, as they are (libsvm's sum to ν·n); also (1, S), as scikit-learn has them. Those
            that are 0 are left out.
        gamma: γ > 0 of the kernel exp(−γ ‖x − u‖²).
        threshold: ρ, the score below which a sample is an outlier; where it is given, a note of the network has o_ρ.

    Returns:
        A network (N, D) → (N, 1) of nodes "distances" and "pool".

    Raises:
        ShapeError: arrays that do not fit each other.
        ParameterError: a coefficient below 0, or none above; γ that is not > 0.

    Source: Kauffmann, Müller, Montavon 2020.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.propagation.explaining import explain
        >>> net = one_class(np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([1.0, 1.0]), 0.5)
        >>> explain(net, np.array([[0.0, 3.0]]), bias="ignore").relevance.round(2)
        array([[ 0.  , 10.38]])
    """
    points, weights = _weighted_points("support_vectors", support_vectors, "coefficients", coefficients)
    gamma = positive("gamma", gamma)
    total = float(weights.sum())
    notes = [f"the output o is an outlier score: that of the SVM itself is {total:.6g}·exp(−{gamma:.6g}·o)"]
    if threshold is not None:
        notes.append(_outside(coefficients, gamma, threshold))
    distances = SquaredDistance(points, offset=_offset(weights, gamma, points, f"gamma {gamma:.6g}"))
    return _pooled(distances, gamma, notes)


def density(points: Array, bandwidth: float, *, weights: Array | None = None, kernel: str = "gaussian") -> Network:
    """Return a kernel density estimate as a network whose output grows as the density falls.

    ===========  ===============================================  ================================
    gaussian     h_j = ‖x − u_j‖² − γ⁻¹ log α_j, γ = 1/(2 b²)     log density = −γ o + constant
    exponential  h_j = ‖x − u_j‖/b − log α_j, γ = 1               log density = −o + constant
    ===========  ===============================================  ================================

    with α = weights/Σ weights and o = −γ⁻¹ log Σ_j exp(−γ h_j); :func:`log_density` adds the constant. Relevance is
    that of :func:`one_class`, also what the bias takes; it is ≥ 0 with bias="ignore".

    Args:
        points: u (S, D).
        bandwidth: b > 0.
        weights: (S,), ≥ 0; None for one each.
        kernel: "gaussian" or "exponential"; the others are 0 from some distance on, where the density has no
            logarithm, and with it no outlier score.

    Returns:
        A network (N, D) → (N, 1) of nodes "distances" and "pool".

    Raises:
        ShapeError: arrays that do not fit each other.
        ParameterError: a weight below 0, or none above; a bandwidth that is not > 0; another kernel.

    Source: Kauffmann, Müller, Montavon 2020. That the inputs share a distance as they share its square, in the
    exponential kernel, is our reading of it.

    Example:
        >>> import numpy as np
        >>> net = density(np.array([[0.0], [2.0]]), 1.0)
        >>> log_density(net.forward(np.array([[0.0]])), 1.0, 1).round(4)  # log((φ(0) + φ(2))/2)
        array([[-1.4852]])
    """
    _known(kernel)
    bandwidth = positive("bandwidth", bandwidth)
    many = len(points) if hasattr(points, "ndim") and points.ndim else 0
    given = np.ones(many) if weights is None else weights
    points, alpha = _weighted_points("points", points, "weights", given)
    gamma = _gamma(bandwidth) if kernel == "gaussian" else 1.0
    offset = _offset(alpha, gamma, points, f"bandwidth {bandwidth:.6g}")
    constant = float(log_density(np.zeros(1), bandwidth, points.shape[1], kernel=kernel)[0])
    notes = [f"the output o is an outlier score: the log density is {constant:.6g} − {gamma:.6g}·o"]
    if kernel == "gaussian":
        return _pooled(SquaredDistance(points, offset=offset), gamma, notes)
    return _pooled(Distance(points, offset=offset, factor=_inverse(bandwidth)), gamma, notes)


def score_samples(outlier: Array, coefficients: Array, gamma: float) -> Array:
    """Return the score Σ_j a_j exp(−γ ‖x − u_j‖²) of a one-class SVM, of the output of its network.

    Formula: Σa·exp(−γ o).

    Args:
        outlier: o, of any shape.
        coefficients, gamma: as in :func:`one_class`.

    Example:
        >>> import numpy as np
        >>> net = one_class(np.array([[0.0], [1.0]]), np.array([3.0, 1.0]), 0.5)
        >>> score_samples(net.forward(np.array([[0.0]])), np.array([3.0, 1.0]), 0.5).round(4)  # 3 + exp(−0.5)
        array([[3.6065]])
    """
    xp, gamma = namespace(outlier), positive("gamma", gamma)
    return scalar(_total(coefficients), outlier) * xp.exp(scalar(-gamma, outlier) * outlier)


def decision(outlier: Array, coefficients: Array, gamma: float, threshold: float) -> Array:
    """Return the decision function of a one-class SVM, negative at outliers, of the output of its network.

    Formula: Σa·exp(−γ o) − ρ.

    Args:
        outlier: o, of any shape.
        coefficients, gamma, threshold: as in :func:`one_class`.

    Example:
        >>> import numpy as np
        >>> decision(np.array([0.0, 100.0]), np.array([3.0, 1.0]), 0.5, 1.0)
        array([ 3., -1.])
    """
    return score_samples(outlier, coefficients, gamma) - scalar(real("threshold", threshold), outlier)


def outlier_threshold(coefficients: Array, gamma: float, threshold: float) -> float:
    """Return o_ρ, above which the output of a one-class SVM's network is that of an outlier.

    Formula: o_ρ = −γ⁻¹ log(ρ/Σa). With ρ ≤ 0 nothing is an outlier, and o_ρ is infinite.

    Args:
        coefficients, gamma, threshold: as in :func:`one_class`.

    Example:
        >>> import numpy as np
        >>> round(outlier_threshold(np.array([3.0, 1.0]), 0.5, 1.0), 4)  # 2 log 4
        2.7726
    """
    gamma, rho = positive("gamma", gamma), float(real("threshold", threshold))
    if math.isnan(rho):
        raise ParameterError("threshold must be a finite real number, got nan")
    return math.inf if rho <= 0 else -math.log(rho / _total(coefficients)) / gamma


def log_density(outlier: Array, bandwidth: float, features: int, *, kernel: str = "gaussian") -> Array:
    """Return the logarithm of a kernel density, of the output of its network.

    Formula: gaussian −o/(2 b²) − D/2 log 2π − D log b; exponential −o − log S − log Γ(D) − D log b, where
    S = 2 π^(D/2)/Γ(D/2) is the area of the unit sphere.

    Args:
        outlier: o, of any shape.
        bandwidth, kernel: as in :func:`density`.
        features: D.

    Example:
        >>> import numpy as np
        >>> log_density(np.array([0.0]), 1.0, 2).round(4)  # −log 2π
        array([-1.8379])
    """
    _known(kernel)
    b, d = positive("bandwidth", bandwidth), int(features)
    if kernel == "gaussian":
        constant, gamma = -d / 2 * math.log(2 * math.pi), _gamma(b)
    else:
        sphere = math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
        constant, gamma = -sphere - math.lgamma(d), 1.0
    return scalar(-gamma, outlier) * outlier + scalar(constant - d * math.log(b), outlier)


def _known(kernel: str) -> None:
    """Raise unless a density with this kernel has a logarithm everywhere."""
    if kernel in BOUNDED:
        raise ParameterError(
            f"kernel '{kernel}' is 0 from some distance on, where a density has no logarithm to explain: "
            f"give {' or '.join(KERNELS)}"
        )
    if kernel not in KERNELS:
        raise unknown("kernel of a density", str(kernel), KERNELS)


def _pooled(distances: SquaredDistance | Distance, gamma: float, notes: Sequence[str]) -> Network:
    return chain([("distances", distances), ("pool", SoftMin(gamma))], features=distances.features, notes=notes)


def _outside(coefficients: Array, gamma: float, threshold: float) -> str:
    limit = outlier_threshold(coefficients, gamma, threshold)
    return "no sample is an outlier" if limit == math.inf else f"outliers are samples with an output above {limit:.6g}"


def _total(coefficients: Array) -> float:
    return float(to_numpy(coefficients).astype(float).sum())


def _offset(weights: Any, gamma: float, points: Array, what: str) -> Array:
    """Return −γ⁻¹ log(w_j/Σw) (S,), in the number system of the points."""
    largest = weights.max()
    logs = np.log(largest) - np.log(weights) + np.log((weights / largest).sum())
    with unwarned():
        offset = like(logs / gamma, points)
    if offset.dtype.kind == "f" and not bool(namespace(offset).isfinite(offset).all()):
        raise ParameterError(f"{what}: the logarithms of the weights over it are no {offset.dtype}")
    return offset


def _gamma(bandwidth: float) -> float:
    """Return 1/(2 b²)."""
    return _inverse(bandwidth) ** 2 / 2 if 1e-150 < bandwidth < 1e150 else _refused(bandwidth)


def _inverse(bandwidth: float) -> float:
    return 1 / bandwidth if bandwidth > 1e-300 else _refused(bandwidth)


def _refused(bandwidth: float) -> NoReturn:
    raise ParameterError(f"bandwidth {bandwidth} is no size of distances between floats: scale the points, and it")


def _weighted_points(what: str, points: Array, which: str, weights: Array) -> tuple[Array, Any]:
    """Return the points (S, D) that have a weight, and the weights (S,) on the host, in double precision."""
    array(what, points)
    if not hasattr(weights, "dtype"):
        raise ParameterError(f"{which} must be an array, got {type(weights).__name__}")
    if points.ndim != 2:
        raise ShapeError(f"{what} must be floats (S, D), got {points.dtype} of shape {points.shape}")
    given = to_numpy(weights).astype(float)
    given = given.reshape(-1) if given.ndim == 2 and len(given) == 1 else given
    if given.shape != points.shape[:1]:
        raise ShapeError(f"{which} must be ({len(points)},), one for each of {what}, got shape {given.shape}")
    if not np.isfinite(given).all() or (given < 0).any():
        wrong = given[~(given >= 0) | ~np.isfinite(given)][0]
        raise ParameterError(f"{which} must be finite and ≥ 0, got {wrong}")
    if not (given > 0).any():
        raise ParameterError(f"{which}: none of {len(given)} is above 0, so there is no point to compare with")
    with unwarned():
        if not np.isfinite(given.sum()):
            raise ParameterError(f"{which}: their sum is no float: divide them by the largest, {given.max()}")
    kept = given > 0
    if kept.all():
        return points, given
    return namespace(points).take(points, like_index(kept, points), axis=0), given[kept]


def like_index(kept: Any, points: Array) -> Array:
    """Return the places where ``kept`` holds, in the array library of ``points``."""
    return namespace(points).asarray(np.flatnonzero(kept))
