"""Localisation: whether relevance lies where the object is, by masks or boxes that are known.

Masks are of the map's shape, or without channels (which are then summed), 1 inside and 0 outside; boxes are (N, 4), of
y0, x0, y1, x1, half-open. A sample of which nothing can be said is NaN or the value that the function declares, and
never a hit: a mask with nothing inside, a map of which all numbers are equal.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.frozen import real
from ..errors import ParameterError, unknown
from .given import Host, back, inside, quotient
from .steps import in_order

PARTS = ("positive", "signed", "absolute")


def pointing_game(relevance: Array, masks: Array, *, tolerance: float = 0) -> Array:
    """Return 1 where the largest relevance lies inside the mask, else 0, per sample (N,); the mean is the hit rate.

    Of several equal maxima all must lie inside. A constant map, such as one of zeros, and an empty mask are 0.

    Args:
        relevance: maps (N, ...), any unit.
        masks: masks or boxes, see :mod:`lrp_ref.evaluate.localise`.
        tolerance: the distance from the mask in pixels (Euclidean) up to which a maximum counts; 15 in the paper.

    Raises:
        ShapeError, ParameterError, NonFiniteError: as :func:`lrp_ref.evaluate.given.inside`; a negative tolerance.

    Source: Zhang et al. 2016, arXiv:1608.00507, §4.2.

    Example:
        >>> import numpy as np
        >>> maps, masks = np.array([[[0.0, 2.0, 1.0]], [[2.0, 2.0, 0.0]]]), np.array([[[0, 1, 1]], [[0, 1, 1]]])
        >>> pointing_game(maps, masks)
        array([1., 0.])
    """
    given = inside(relevance, masks)
    if not real("tolerance", tolerance) >= 0:
        raise ParameterError(f"tolerance is {tolerance!r}: give a distance in pixels, 0 or more")
    mask = given.mask
    if tolerance > 0:
        mask = np.stack([_widened(one.reshape(given.sizes), tolerance).ravel() for one in mask]) if len(mask) else mask
    if not given.scores.size:
        return back(np.zeros(len(mask)), relevance)
    top = given.scores == given.scores.max(axis=1, keepdims=True)
    hit = (mask | ~top.astype(bool)).all(axis=1) & _varied(given.scores)
    return back(hit.astype(np.float64), relevance)


def _widened(mask: Host, tolerance: float) -> Host:
    from scipy.ndimage import distance_transform_edt

    found: Host = distance_transform_edt(~mask) <= tolerance if mask.any() else mask
    return found


def _varied(scores: Host) -> Host:
    """Return which maps (N, P) are not constant."""
    found: Host = (scores.max(axis=1) != scores.min(axis=1)).astype(bool)
    return found


def _part(scores: Host, part: str) -> Host:
    if part not in PARTS:
        raise unknown("part", str(part), PARTS)
    if part == "signed":
        return scores
    return np.where(scores > 0, scores, scores * 0) if part == "positive" else np.abs(scores)


def relevance_mass(relevance: Array, masks: Array, *, part: str = "positive") -> Array:
    """Return the part of the relevance that lies inside the mask, Σ_in R / Σ R, per sample (N,).

    Args:
        relevance: maps (N, ...), any unit.
        masks: masks or boxes, see :mod:`lrp_ref.evaluate.localise`.
        part: of the relevance: "positive" R⁺, "absolute" |R|, both 0 to 1; or "signed" R, which is any number, also
            above 1 and below 0, as positive and negative relevance cancel in the total.

    Returns:
        0 for an empty mask; NaN where the total is 0.

    Raises:
        ShapeError, ParameterError, NonFiniteError: as :func:`lrp_ref.evaluate.given.inside`; an unknown part.

    Source: Arras et al. 2022, doi:10.1016/j.inffus.2021.11.008 (positive part).

    Example:
        >>> import numpy as np
        >>> maps, masks = np.array([[[3.0, 1.0, -2.0]]]), np.array([[[1, 0, 1]]])
        >>> [relevance_mass(maps, masks, part=part).item() for part in ("positive", "absolute", "signed")]
        [0.75, 0.8333333333333334, 0.5]
    """
    given = inside(relevance, masks)
    scores = _part(given.scores, part)
    return back(quotient(_within(scores, given.mask), scores.sum(axis=1)), relevance)


def _within(scores: Host, mask: Host) -> Host:
    """Return the sum of the scores (N, P) inside the mask."""
    found: Host = np.where(mask, scores, scores * 0).sum(axis=1)
    return found


def relevance_rank(relevance: Array, masks: Array) -> Array:
    """Return how many of the |S| most relevant units lie inside the mask S, over |S|, per sample (N,).

    Of units with one score the first comes first. NaN for an empty mask; 0 for a constant map, which ranks nothing.

    Args:
        relevance: maps (N, ...), any unit.
        masks: masks or boxes, see :mod:`lrp_ref.evaluate.localise`.

    Raises:
        ShapeError, ParameterError, NonFiniteError: as :func:`lrp_ref.evaluate.given.inside`.

    Source: Arras et al. 2022, doi:10.1016/j.inffus.2021.11.008.

    Example:
        >>> import numpy as np
        >>> relevance_rank(np.array([[[3.0, 1.0, 2.0]]]), np.array([[[1, 1, 0]]]))
        array([0.5])
    """
    given = inside(relevance, masks)
    size = given.mask.sum(axis=1)
    return back(quotient(_top_inside(given.scores, given.mask, size[:, None]), size), relevance)


def top_k_intersection(relevance: Array, masks: Array, *, k: int = 10) -> Array:
    """Return how many of the k most relevant units lie inside the mask, over k, per sample (N,).

    Of units with one score the first comes first. 0 for an empty mask, and for a constant map, which ranks nothing.

    Args:
        relevance: maps (N, ...), any unit.
        masks: masks or boxes, see :mod:`lrp_ref.evaluate.localise`.
        k: units.

    Raises:
        ShapeError, ParameterError, NonFiniteError: as :func:`lrp_ref.evaluate.given.inside`; k that a map has not.

    Source: Theiner, Müller-Budack, Ewerth 2022, arXiv:2104.14995.

    Example:
        >>> import numpy as np
        >>> top_k_intersection(np.array([[[3.0, 1.0, 2.0]]]), np.array([[[1, 1, 0]]]), k=1)
        array([1.])
    """
    given = inside(relevance, masks)
    units = given.scores.shape[1]
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= units:
        raise ParameterError(f"k is {k!r}, and a map has {units} units: give a whole number from 1 to {units}")
    return back(_top_inside(given.scores, given.mask, np.int64(k)) / float(k), relevance)


def _top_inside(scores: Host, mask: Host, many: Any) -> Host:
    """Return how many of the first ``many`` units of each map (N, P) lie inside; 0 of a constant map."""
    first = in_order(-scores)
    hits = np.take_along_axis(mask, first, axis=1) & (np.arange(scores.shape[1]) < many)
    return np.where(_varied(scores), hits.sum(axis=1), 0) if scores.size else hits.sum(axis=1)


def roc_auc(relevance: Array, masks: Array) -> Array:
    """Return the chance that a unit inside the mask has more relevance than one outside, per sample (N,).

    AUC = (Σ_in rank − n_in(n_in + 1)/2) / (n_in n_out), ties with their mean rank: a constant map has 0.5. NaN where
    the mask has nothing inside, or nothing outside.

    Args:
        relevance: maps (N, ...), any unit.
        masks: masks or boxes, see :mod:`lrp_ref.evaluate.localise`.

    Raises:
        ShapeError, ParameterError, NonFiniteError: as :func:`lrp_ref.evaluate.given.inside`.

    Source: Fawcett 2006, doi:10.1016/j.patrec.2005.10.010, §7.

    Example:
        >>> import numpy as np
        >>> roc_auc(np.array([[[3.0, 1.0, 1.0]]]), np.array([[[1, 1, 0]]]))
        array([0.75])
    """
    from scipy.stats import rankdata

    given = inside(relevance, masks)
    scores = given.scores.astype(np.float64)
    ranks = rankdata(scores, axis=1) if scores.size else scores
    inner = given.mask.sum(axis=1)
    outer = given.mask.shape[1] - inner
    return back(quotient(_within(ranks, given.mask) - inner * (inner + 1) / 2, inner * outer), relevance)


def context_ratio(relevance: Array, masks: Array, *, part: str = "positive") -> Array:
    """Return μ = mean R outside / mean R inside the object, per sample (N,): how much the context is used.

    Both sums are over their own area: 1 means that a pixel of the context has as much relevance as one of the object.

    Args:
        relevance: maps (N, ...), any unit.
        masks: masks, or boxes (N, 4), see :mod:`lrp_ref.evaluate.localise`.
        part: "positive" R⁺, "absolute" |R|, or "signed" R, whose quotient may be negative.

    Returns:
        NaN where there is nothing inside or nothing outside, or both means are 0; ±∞ where only the one inside is 0.

    Raises:
        ShapeError, ParameterError, NonFiniteError: as :func:`lrp_ref.evaluate.given.inside`; an unknown part.

    Source: Lapuschkin et al. 2016, doi:10.1109/CVPR.2016.318, §3.3.

    Example:
        >>> import numpy as np
        >>> context_ratio(np.array([[[4.0, 1.0], [2.0, -3.0]]]), np.array([[0, 0, 1, 1]]))
        array([0.25])
    """
    given = inside(relevance, masks)
    scores, mask = _part(given.scores, part), given.mask
    within, without = _within(scores, mask), _within(scores, ~mask)
    inner, outer = mask.sum(axis=1), (~mask).sum(axis=1)
    there = (inner > 0) & (outer > 0)
    found = quotient(without * inner, within * outer)
    endless = (within == 0).astype(bool) & (without != 0).astype(bool)
    size = np.where((without > 0).astype(bool), math.inf, -math.inf)
    return back(np.where(there, np.where(endless, size, found), math.nan), relevance)


class ContextUse(NamedTuple):
    """How much of the context an explanation uses, (N,) each: mean relevance outside the object over that inside.

    Attributes:
        signed: of R; its denominator may be near 0, where positive and negative relevance cancel inside the object.
        positive: of R⁺, which is ≥ 0 or NaN.
    """

    signed: Array
    positive: Array


def context_use(relevance: Array, masks: Array) -> ContextUse:
    """Return μ = mean R outside / mean R inside the object, of the signed relevance and of its positive part.

    The published measure is a quotient of signed means. Where explanations have both signs, as those of Fisher vectors
    do, its denominator may be anywhere, and 0.9 and −3 then tell nothing about the order of two images; the quotient
    of positive parts is ≥ 0, and the one to compare. Both are :func:`context_ratio`.

    Args:
        relevance: maps (N, ...), any unit.
        masks: masks, or boxes (N, 4), see :mod:`lrp_ref.evaluate.localise`; several objects are one mask.

    Raises:
        ShapeError, ParameterError, NonFiniteError: as :func:`lrp_ref.evaluate.given.inside`.

    Source: Lapuschkin et al. 2016, doi:10.1109/CVPR.2016.318, §3.3 (signed); the positive part is not published there.

    Example:
        >>> import numpy as np
        >>> used = context_use(np.array([[[4.0, 1.0], [2.0, -3.0]]]), np.array([[0, 0, 1, 1]]))
        >>> used.signed, used.positive
        (array([0.]), array([0.25]))
    """
    return ContextUse(*(context_ratio(relevance, masks, part=part) for part in ("signed", "positive")))
