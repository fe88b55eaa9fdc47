"""Garments with a mark beside them: scenes of which one knows how much the context tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import layers
from ...network import Network
from .. import training

CLASSES = 10
HIGH, WIDE, GARMENT, MARK = 28, 44, 28, 12  # pixels


@dataclass(frozen=True, eq=False)
class Scenes:
    """Garments at the left or right end of a scene, and a mark somewhere in the rest.

    Attributes:
        x: the scenes, 0…1, float32 (N, 1, 28, 44).
        boxes: of the garments (N, 4), of y0, x0, y1, x1, half-open.
        marks: which of the ten marks each has (N,).
    """

    x: NDArray[np.float32]
    boxes: NDArray[np.int64]
    marks: NDArray[np.int64]

    @classmethod
    def made(cls, rng: np.random.Generator, images: NDArray[Any], labels: NDArray[Any], p: float) -> Scenes:
        """Return scenes of garments (N, 28, 28), 0…255, whose mark is that of the class with a chance p, else any."""
        count, known = len(images), marks()
        which = np.where(rng.random(count) < p, labels, rng.integers(0, CLASSES, count))
        left, top = rng.integers(0, 2, count) == 0, rng.integers(0, HIGH - MARK + 1, count)
        aside = rng.integers(0, WIDE - GARMENT - MARK + 1, count)
        x, boxes = np.zeros((count, 1, HIGH, WIDE), np.float32), np.zeros((count, 4), np.int64)
        for k in range(count):
            at, other = (0, GARMENT + aside[k]) if left[k] else (WIDE - GARMENT, aside[k])
            x[k, 0, :, at : at + GARMENT] = images[k] / 255
            x[k, 0, top[k] : top[k] + MARK, other : other + MARK] = known[which[k]]
            boxes[k] = 0, at, HIGH, at + GARMENT
        return cls(x, boxes, which.astype(np.int64))


def marks() -> NDArray[Any]:
    """Return the ten marks (10, 12, 12): random squares of 4 × 4 cells, always the same ones."""
    return np.kron(np.random.default_rng(7).integers(0, 2, (CLASSES, 4, 4)), np.ones((1, MARK // 4, MARK // 4)))


def network(rng: np.random.Generator, width: int) -> Network:
    """Return an untrained network of the scenes: three convolutions of stride 2, the first of ``width`` channels."""
    conv, step, wide = training.conv, {"stride": 2, "padding": 1}, 2 * width
    convolutions = [
        conv(rng, 1, width, 5, 5, stride=2, padding=2), conv(rng, width, wide, 3, 3, **step),
        conv(rng, wide, wide, 3, 3, **step),
    ]  # fmt: skip
    rest = [layer for one in convolutions for layer in (one, layers.ReLU())]
    return Network.sequential([*rest, layers.Flatten(), training.dense(rng, wide * 4 * 6, CLASSES)])
