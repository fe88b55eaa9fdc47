"""Network Dissection: which concepts the units of a value detect, measured against masks of the concepts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ParameterError, ShapeError
from ..methods.upsampling import require_convention
from ..network.network import Network
from .concept_masks import ConceptMasks, Concepts
from .dissection import Dissection
from .feeding import BATCH, MEMORY, DataSet, Host, is_several, require_again, some_numbers
from .overlaps import Overlap, active_units, limits_of, overlaps_of_one
from .quantiles import Progress, exact_thresholds, require_quantile


def dissect(
    net: Network,
    images: Any,
    masks: Any,
    *,
    at: str,
    quantile: float = 0.995,
    batch: int = BATCH,
    upsample: str = "half_pixel",
    concepts: Concepts = None,
    permuted: int | Sequence[int] | None = None,
    ignore: int | Sequence[int] | None = None,
    categories: Sequence[Any] | None = None,
    threshold: Any = None,
    memory: int = MEMORY,
    canonize: bool = True,
    progress: Progress | None = None,
) -> Dissection:
    """Return how far the units of a value are detectors of concepts: IoU = Σ|M ∧ L| / Σ|M ∨ L| over the data set.

    M is where a unit's map, upsampled to the size of the masks, exceeds its threshold T, with P(a > T) = 1 − q over all
    positions of the data set; L is where the concept is. Both sums go over all images before they are divided. The data
    set is gone through twice, first for the thresholds; what is in memory is the activation of one batch, and that of
    all where it takes no more than ``memory``, which saves the second forward pass.

    Read a number of detectors beside two others. The *ceiling* of a concept is about min(1 − q, p)/max(1 − q, p) where
    it has the part p of the pixels: at q = 0.995 nothing that covers more than 12.5 % of them can reach an IoU of 0.04.
    The *control* is the same with the masks permuted over the images: what remains is where things are in pictures as a
    rule, not what is in this one.

    Args:
        net: the network.
        images: its inputs (N, ...), several by name, or an iterable of batches of them that can be gone through twice.
        masks: of the concepts, at one size: labels (N, H, W) of integers, or (N, C, H, W) of booleans.
        at: name of the value (N, U, ...). A value means what it means to :func:`lrp_ref.explain`.
        quantile: q, from 0 to 1.
        batch: images at a time, where ``images`` is an array.
        upsample: a convention of :func:`lrp_ref.methods.upsampled`.
        concepts: names: of the labels 0, 1, … (None for a label that is no concept), or label → name; of the C masks.
            By default every label is a concept, under its number.
        permuted: seed of the control, or several for as many permutations; None for no control.
        ignore: labels whose pixels do not count, neither for units nor for concepts.
        categories: of each concept, for ``iou_images_with_category``; None for: all concepts are one category.
        threshold: T of each unit (U,), instead of that of this data set; infinity for a unit that is to be silent.
        memory: bytes of activation that may be kept between the two times.
        canonize: as of :func:`lrp_ref.explain`.
        progress: is called after each batch with the images done, and how many these are in all: each counts twice,
            or once where ``threshold`` is given.

    Raises:
        ParameterError: a value or label that is not there, an iterator, fewer than two images to permute.
        ShapeError: masks that do not fit the images, or are smaller than the maps.
        NonFiniteError: NaN or infinity in an activation.

    Source: Bau, Zhou, Khosla, Oliva and Torralba 2017, "Network dissection: quantifying interpretability of deep visual
    representations", arXiv:1704.05796, §2.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([("units", lrp.layers.Conv(np.ones((1, 1, 1, 1)), None))])
        >>> images = np.zeros((2, 1, 2, 4))
        >>> images[0, 0, 0, :2] = images[1, 0, 1, 1:3] = 1.0
        >>> found = lrp.units.dissect(net, images, images > 0, at="units", quantile=0.7, concepts=["bar"])
        >>> found.iou, found.concept, found.ceiling.round(2)
        (array([[1.]]), array([0]), array([0.83]))
    """
    require_convention(upsample)
    quantile = require_quantile(quantile)
    known = ConceptMasks.given(masks, concepts, ignore, categories)
    seeds = some_numbers("permuted", permuted, 0)
    if seeds and len(known) < 2:
        raise ParameterError(f"permuted={permuted} needs the masks of two images at least; there are {len(known)}")
    rounds = 1 if threshold is not None else 2
    if rounds == 2:
        require_again(images, "thresholds come before overlaps: give a list of batches, or threshold=")
    data = DataSet(net, images, at, batch, canonize, len(known), memory if rounds == 2 else 0)

    def told(done: int, before: int) -> None:
        if progress is not None:
            progress(before + done, rounds * len(known))

    limits = limits_of(threshold) if rounds == 1 else exact_thresholds(data, quantile, lambda done: told(done, 0))
    others = [np.random.default_rng(seed).permutation(len(known)) for seed in seeds]
    own, *chance = _overlaps(data, known, limits, upsample, others, lambda done: told(done, (rounds - 1) * len(known)))
    return Dissection(
        at=at, quantile=quantile, concepts=known.names, threshold=limits, iou=own.iou,
        iou_images_with_category=own.iou_images_with_category, active=own.unit / max(own.pixels, 1),
        frequency=own.concept / max(own.pixels, 1), images=len(known),
        control=_stacked([one.iou for one in chance], is_several(permuted)), permuted=seeds,
    )  # fmt: skip


def _stacked(controls: list[Host], several: bool) -> Host | None:
    """Return the controls as one array (S, U, C), of one seed alone as (U, C)."""
    if not controls:
        return None
    return np.stack(controls) if several else controls[0]


def _overlaps(
    data: DataSet,
    known: ConceptMasks,
    limits: Host,
    upsample: str,
    others: list[Host],
    told: Callable[[int], None],
) -> list[Overlap]:
    """Return the counts with the masks of each image, and those with the masks of the others that it is given."""
    sums: list[Overlap] = []
    for first, maps in data.maps():
        if limits.shape != maps.shape[1:2]:
            raise ShapeError(f"threshold has shape {limits.shape} for the {maps.shape[1]} units of '{data.at}'")
        if maps.ndim - 2 != len(known.size):
            raise ShapeError(
                f"'{data.at}' has maps {maps.shape[2:]} and the masks are of images {known.size}: of a value without "
                "positions there is nothing to dissect"
            )
        if any(m < n for n, m in zip(maps.shape[2:], known.size, strict=True)):
            raise ShapeError(
                f"masks of {known.size} pixels are smaller than the maps {maps.shape[2:]} of '{data.at}': give masks "
                "of that size or larger"
            )
        for image, one in enumerate(maps, start=first):
            seen = [known.of(k) for k in (image, *(int(other[image]) for other in others))]
            found = overlaps_of_one(active_units(one, limits, known.size, upsample), len(one), seen)
            sums = [a + b for a, b in zip(sums, found, strict=True)] if sums else found
        told(first + len(maps))
    return sums
