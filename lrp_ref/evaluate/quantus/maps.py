"""What Quantus returns of maps and masks alone."""

from __future__ import annotations

import math

import numpy as np

from ...base.arrays import Array, to_numpy
from ...errors import ParameterError, ShapeError
from ..given import Host


def normalised(relevance: Array, *, absolute: bool = False) -> Host:
    """Return maps divided by the largest |R| of the whole batch, so that what is near 0 depends on the neighbours.

    Args:
        relevance: (N, ...).
        absolute: |R|.

    Returns:
        Floats (N, ...); a batch of zeros as it is.

    Example:
        >>> normalised(np.array([[1.0, -2.0], [4.0, 0.0]])).tolist()
        [[0.25, -0.5], [1.0, 0.0]]
    """
    host = np.array(to_numpy(relevance), dtype=float)
    most = abs(host).max(initial=0)
    host = host / most if most else host
    return abs(host) if absolute else host


def pointing_game(relevance: Array, masks: Array) -> Host:
    """Return as 0 or 1 whether any of the largest numbers lies in the mask (N,).

    Instead of :func:`lrp_ref.evaluate.pointing_game`: of tied numbers any may hit, so that a map of zeros does, and an
    empty mask is a hit, as the NaN that is meant is written into booleans.

    Args:
        relevance: (N, ...).
        masks: of the same shape, true inside.

    Example:
        >>> pointing_game(np.zeros((2, 4)), np.array([[0, 0, 0, 1], [0, 0, 0, 0]]))
        array([1., 1.])
    """
    scores, inside = _pair(relevance, masks)
    hit = (inside & (scores == scores.max(axis=1, keepdims=True))).any(axis=1)
    return np.asarray((hit | ~inside.any(axis=1)).astype(float))


def relevance_mass(relevance: Array, masks: Array, *, absolute: bool = False) -> Host:
    """Return Σ_in R/ΣR (N,) with the signs of R, so that it is not a part: it may be −15 or 3. NaN for an empty mask.

    Instead of :func:`lrp_ref.evaluate.relevance_mass`, which takes the positive part.

    Args:
        relevance: (N, ...).
        masks: of the same shape, true inside.
        absolute: of |R|.

    Example:
        >>> relevance_mass(np.array([[3.0, -2.0]]), np.array([[1, 0]]))
        array([3.])
    """
    scores, inside = _pair(normalised(relevance, absolute=absolute), masks)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = (scores * inside).sum(axis=1) / scores.sum(axis=1)
    return np.where(inside.any(axis=1), part, math.nan)


def top_k_intersection(relevance: Array, masks: Array, *, k: int = 1000, concept_influence: bool = False) -> Host:
    """Return the part of the k largest numbers that lies in the mask (N,), perhaps times n/|S|: then above 1 as well.

    Instead of :func:`lrp_ref.evaluate.top_k_intersection`: k is 1,000 unless it is given, which Quantus refuses for
    maps of 1,000 pixels or fewer, and ties are in the order of an unstable sort. NaN for an empty mask.

    Args:
        relevance: (N, ...).
        masks: of the same shape, true inside.
        k: how many numbers, fewer than there are pixels.
        concept_influence: divide by the part of the mask in the picture.

    Raises:
        ParameterError: k that is not below the number of pixels.
        ShapeError: masks of another shape.

    Example:
        >>> top_k_intersection(np.array([[4.0, 3.0, 2.0, 1.0]]), np.array([[1, 0, 0, 0]]), k=1, concept_influence=True)
        array([4.])
    """
    scores, inside = _pair(normalised(relevance), masks)
    pixels = math.prod(relevance.shape[2:]) if relevance.ndim > 2 else scores.shape[1]
    if not 1 <= k < pixels:
        raise ParameterError(
            f"k is {k!r}, and Quantus takes from 1 to {pixels - 1}, fewer than the {pixels} pixels of a map"
        )
    first = np.argsort(-scores, axis=1)[:, :k]
    part, size = np.take_along_axis(inside, first, axis=1).mean(axis=1), inside.sum(axis=1)
    if concept_influence:
        part = part * (scores.shape[1] / np.where(size > 0, size, 1))
    return np.where(size > 0, part, math.nan)


def attribution_localisation(relevance: Array, masks: Array, *, weighted: bool = False) -> Host:
    """Return Σ_in |R|/(Σ|R| + 10⁻⁹) (N,), perhaps times |S|/n, with an n that counts the samples from the third on.

    The weight is meant to be the mask's part of the picture. Its denominator is the size of x[2:], all samples of the
    batch but two: for one or two samples it is 0 and the result ∞ (NaN where the share is 0); for six it is four
    pictures. NaN for an empty mask.

    Args:
        relevance: (N, ...).
        masks: of the same shape, true inside; x has that shape too.
        weighted: times the part of the mask.

    Example:
        >>> r, s = np.ones((1, 4)), np.array([[1, 0, 0, 0]])
        >>> attribution_localisation(r, s).round(6), attribution_localisation(r, s, weighted=True)
        (array([0.25]), array([inf]))
    """
    scores, inside = _pair(normalised(relevance, absolute=True), masks)
    size = inside.sum(axis=1)
    share = (scores * inside).sum(axis=1) / (scores.sum(axis=1) + 1e-9)
    share = np.where((size == 0) | (share > 1), math.nan, share)
    if not weighted:
        return share
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(share * (size / np.float64(scores[2:].size)))


def sparseness(relevance: Array) -> Host:
    """Return the Gini index (N,) of |R|/max|R| + 10⁻⁷, with the maximum of the whole batch; 0 for a map of zeros.

    Instead of :func:`lrp_ref.evaluate.gini`: what is added keeps the sum from being 0, and moves the index of a map
    that is small beside its neighbours.

    Args:
        relevance: (N, ...).

    Example:
        >>> sparseness(np.array([[1.0, 0.0], [0.0, 0.0]])).round(6)
        array([0.5, 0. ])
    """
    scores = normalised(relevance, absolute=True)
    size = np.sort(scores.reshape(len(scores), -1) + 1e-7, axis=1)
    count = size.shape[1]
    return np.asarray(size @ (2 * np.arange(1, count + 1) - count - 1.0) / (count * size.sum(axis=1)))


def complexity(relevance: Array) -> Host:
    """Return the entropy −Σ p ln(p + 10⁻¹²) of p = |R|/Σ|R| (N,); NaN for a map of zeros.

    Instead of :func:`lrp_ref.evaluate.entropy`, which says 0 of it, and needs no 10⁻¹².

    Args:
        relevance: (N, ...).

    Example:
        >>> complexity(np.array([[1.0, 1.0], [0.0, 0.0]])).round(4)
        array([0.6931,    nan])
    """
    scores = normalised(relevance, absolute=True).reshape(len(relevance), -1)
    total = scores.sum(axis=1, keepdims=True)
    part = scores / np.where(total > 0, total, 1)
    found = -(part * np.log(part + 1e-12)).sum(axis=1)
    return np.where(total[:, 0] > 0, found, math.nan)


def effective_complexity(relevance: Array, *, epsilon: float = 1e-5) -> Host:
    """Return how many |R|/max|R| exceed ε (N,), with the maximum of the whole batch.

    Instead of :func:`lrp_ref.evaluate.effective_complexity`: a sample's number depends on who else is in the batch.

    Args:
        relevance: (N, ...).
        epsilon: absolute, of the numbers after the division.

    Example:
        >>> effective_complexity(np.array([[1e-3, 1e-3]])), effective_complexity(np.array([[1e-3, 1e-3], [1e3, 0.0]]))
        (array([2]), array([0, 1]))
    """
    scores = normalised(relevance, absolute=True)
    return np.asarray((scores.reshape(len(scores), -1) > epsilon).sum(axis=1))


def _pair(relevance: Array, masks: Array) -> tuple[Host, Host]:
    """Return maps and masks as (N, n), the masks as booleans."""
    scores, inside = to_numpy(relevance), to_numpy(masks)
    if scores.shape != inside.shape:
        raise ShapeError(f"masks have shape {inside.shape} for maps of shape {scores.shape}: here they have one shape")
    shape = (len(scores), math.prod(scores.shape[1:]))
    return scores.reshape(shape), inside.reshape(shape).astype(bool)
