"""Weakly supervised localisation: the box around a map's largest region, and whether it is the object's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, convert, namespace, to_numpy
from ..base.frozen import real
from ..errors import ParameterError, ShapeError
from .given import Host, back, host_map, quotient, whole_boxes

Boxes = NDArray[np.int64]


def boxes(relevance: Array, *, threshold: float = 0.2) -> Array:
    """Return the tightest box around the largest connected region of M > τ · max M, as integers (N, 4).

    Pixels are connected by their sides; of regions of one size the first in C order is taken. A map without a positive
    number has the empty box (0, 0, 0, 0). Found on the host (scipy.ndimage).

    Args:
        relevance: maps (N, H, W), or (N, C, H, W) whose channels are summed, any unit.
        threshold: τ, from 0 to below 1; 0.2 in the paper.

    Returns:
        y0, x0, y1, x1 in pixels, half-open.

    Raises:
        ShapeError: maps without two spatial axes.
        ParameterError: a threshold out of its range.
        NonFiniteError: NaN or infinity in a map.

    Source: Zhou et al. 2016 (CAM), arXiv:1512.04150, §3.2.

    Example:
        >>> import numpy as np
        >>> boxes(np.array([[[0.0, 5.0, 4.0, 0.1], [3.0, 0.0, 6.0, 0.2]]]))
        array([[0, 1, 2, 3]])
    """
    if not 0 <= real("threshold", threshold) < 1:
        raise ParameterError(f"threshold is {threshold!r}: give a part of the maximum, from 0 to below 1")
    maps = flat_maps(relevance)
    found = np.zeros((len(maps), 4), dtype=np.int64)
    for k, one in enumerate(maps):
        top = one.max(initial=0.0)
        if top > 0:
            found[k] = _largest(one > threshold * top)
    return convert(found, namespace(relevance))


def flat_maps(relevance: Array) -> Host:
    """Return maps (N, H, W) as floats on the host, of (N, C, H, W) the sum over channels."""
    host = host_map(relevance)
    if host.ndim not in (3, 4):
        raise ShapeError(f"relevance has shape {host.shape}: boxes are of maps (N, H, W) or (N, C, H, W)")
    return (host.sum(axis=1) if host.ndim == 4 else host).astype(np.float64)


def _largest(mask: Host) -> tuple[int, int, int, int]:
    from scipy.ndimage import label

    labels, _ = label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0  # the background
    return tightest(labels == int(sizes.argmax()))


def tightest(mask: Host) -> tuple[int, int, int, int]:
    """Return the box y0, x0, y1, x1 around a mask (H, W); (0, 0, 0, 0) around nothing.

    Example:
        >>> tightest(np.array([[False, True, False], [False, True, True]]))
        (0, 1, 2, 3)
    """
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (int(y[0]), int(x[0]), int(y[-1]) + 1, int(x[-1]) + 1) if len(y) else (0, 0, 0, 0)


def mask_boxes(masks: Array) -> Boxes:
    """Return the tightest boxes (N, 4) around masks (N, H, W) or (N, C, H, W), on the host."""
    maps = flat_maps(masks)
    return np.array([tightest(one != 0) for one in maps], dtype=np.int64).reshape(len(maps), 4)


def iou(a: Array, b: Array) -> Array:
    """Return the area that two boxes have in common over the area of both, per sample (N,); NaN of two empty ones.

    Args:
        a, b: boxes (N, 4), of y0, x0, y1, x1 in pixels, half-open.

    Raises:
        ShapeError: other shapes, or of different length.
        ParameterError: what are no boxes.

    Example:
        >>> import numpy as np
        >>> iou(np.array([[0, 0, 2, 2]]), np.array([[0, 1, 2, 3]]))
        array([0.33333333])
    """
    namespace(a, b)
    first, second = whole_boxes(a, "boxes a"), whole_boxes(b, "boxes b")
    if len(first) != len(second):
        raise ShapeError(f"{len(first)} boxes a and {len(second)} boxes b: give one of each per sample")
    both = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    common = np.maximum(both, 0).prod(axis=1)
    area = sum((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (first, second)) - common
    return convert(quotient(common, area), namespace(a))


def localisation_accuracy(relevance: Array, boxes: Array, *, iou: float = 0.5, threshold: float = 0.2) -> Array:
    """Return 1 where the map's box (:func:`boxes`) overlaps the object's by IoU ≥ 0.5, else 0, per sample (N,).

    The mean is the localisation accuracy. An empty box, of the map or of the object, is 0. Where a sample has several
    objects, it is enough that the map's box is that of one.

    Args:
        relevance: maps (N, H, W), or (N, C, H, W) whose channels are summed, any unit.
        boxes: of the objects (N, 4), of y0, x0, y1, x1 in pixels, half-open; or (N, K, 4) of up to K objects of each
            sample, filled up with empty boxes (0, 0, 0, 0).
        iou: the least overlap, above 0 and at most 1.
        threshold: τ of the map's box.

    Raises:
        ShapeError, ParameterError, NonFiniteError: as :func:`boxes` and :func:`iou`; an overlap out of its range.

    Source: Russakovsky et al. 2015 (ILSVRC), arXiv:1409.0575, §4.2; Zhou et al. 2016, §3.2.

    Example:
        >>> import numpy as np
        >>> maps = np.array([[[0.0, 5.0, 4.0, 0.1], [3.0, 0.0, 6.0, 0.2]]])
        >>> localisation_accuracy(maps, np.array([[0, 0, 2, 3]]))
        array([1.])
    """
    if not 0 < real("iou", iou) <= 1:
        raise ParameterError(f"iou is {iou!r}: give the least overlap of a hit, above 0 and at most 1")
    found = overlap(relevance, boxes, threshold=threshold)
    return back((found >= iou).astype(np.float64), relevance)


def overlap(relevance: Array, boxes: Array, *, threshold: float = 0.2) -> Host:
    """Return the IoU of the map's box and the best object's, per sample (N,), on the host; 0 of empty boxes."""
    if len(boxes) != len(relevance):
        raise ShapeError(f"{len(boxes)} boxes for {len(relevance)} maps: give one per sample, (N, 4)")
    found, objects = _boxes(relevance, threshold=threshold), boxes if boxes.ndim == 3 else boxes[:, None]
    each = [to_numpy(_iou(found, objects[:, k])) for k in range(objects.shape[1])]
    best: Host = np.max([np.where(one >= 0, one, 0.0) for one in each], axis=0, initial=0.0)
    return best


_boxes, _iou = boxes, iou  # which arguments of other functions hide
