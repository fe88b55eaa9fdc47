"""Generated videos: a bright shape runs along a path that is longer than a clip; the path is the class.

A turn of a path takes :data:`PERIOD` frames or other numbers that are asked for, and mostly more than a clip of
:data:`FRAMES` has, so that a clip shows only a part of it. How far the shape gets within the clip is what tells a line
from an arc, and an arc from the side of a square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers import Flatten, ReLU
from ...network import Network
from .. import training
from ..application import Tell

PATHS = ("line", "circle", "eight", "square")
FRAMES, SIZE = 16, 24  # of a clip, and the sides of a frame in pixels
LENGTH = 64  # frames of a video
PERIOD = (16.0, 96.0)  # frames that one turn of the path takes
NOISE = 0.1  # standard deviation of each pixel, of a shape of brightness 1


def path(kind: NDArray[Any], phase: NDArray[Any]) -> NDArray[Any]:
    """Return the places x, y in −1…1 on paths by number in :data:`PATHS`, at phases in radians, (..., 2).

    Example:
        >>> path(np.array([1, 3]), np.array([0.0, np.pi / 4])).round(2).tolist()
        [[1.0, 0.0], [1.0, 1.0]]
    """
    c, s = np.cos(phase), np.sin(phase)
    reach = np.maximum(np.abs(c), np.abs(s))
    choices = [(c, 0 * s), (c, s), (c, np.sin(2 * phase) / 2), (c / reach, s / reach)]
    return np.stack([np.choose(kind, axis) for axis in zip(*choices, strict=True)], axis=-1)


@dataclass(frozen=True)
class Videos:
    """Generated videos.

    Attributes:
        frames: (N, T, SIZE, SIZE), 0…1, float32.
        kind: the path of each, by its number in :data:`PATHS`.
        period: frames that one turn takes, of each.
    """

    frames: NDArray[Any]
    kind: NDArray[Any]
    period: NDArray[Any]


def videos(
    rng: np.random.Generator, count: int, length: int = LENGTH, *, period: tuple[float, float] = PERIOD
) -> Videos:
    """Return videos of ``length`` frames, of which one turn takes so many as ``period`` has between its numbers.

    Centre, radius, orientation, sense, speed and beginning of the path are drawn for each video, and so are the size
    of the shape and whether it is a disc or a square.
    """
    kind, column = rng.integers(len(PATHS), size=count), (count, 1)
    shortest, longest = np.log(period)
    takes = np.exp(rng.uniform(shortest, longest, count))
    speed = 2 * np.pi / takes[:, None] * rng.choice([-1, 1], size=column)
    places = path(kind[:, None], rng.uniform(0, 2 * np.pi, column) + speed * np.arange(length))
    angle = rng.uniform(0, 2 * np.pi, count)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    radius, centre = rng.uniform(5, 7, (count, 1, 1)), SIZE / 2 - 0.5 + rng.uniform(-2, 2, (count, 1, 2))
    turned = (np.einsum("ijn,ntj->nti", turn, places) * radius + centre).astype(np.float32)
    off = np.abs(np.arange(SIZE, dtype=np.float32) - turned[..., None])
    wide, high = off[:, :, 0, None, :], off[:, :, 1, :, None]
    disc, size = rng.random((count, 1, 1, 1)) < 0.5, rng.uniform(1.6, 2.4, (count, 1, 1, 1)).astype(np.float32)
    shown = np.clip(size + np.float32(0.5) - np.where(disc, np.hypot(wide, high), np.maximum(wide, high)), 0, 1)
    return Videos(np.clip(shown + blank(rng, shown.shape), 0, 1), kind, takes)


def blank(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the noise of frames on which nothing is, before it is cut to 0…1."""
    return np.float32(NOISE) * rng.standard_normal(shape, dtype=np.float32)


def clips(frames: NDArray[Any], step: int = 1) -> NDArray[Any]:
    """Return the first clip of each video, every ``step``-th frame of it, as a network takes it: (N, 1, FRAMES, H, W).

    Example:
        >>> clips(np.zeros((2, 64, 24, 24)), step=4).shape
        (2, 1, 16, 24, 24)
    """
    return frames[:, None, : FRAMES * step : step]


def network(rng: np.random.Generator, *, padded: bool = True) -> Network:
    """Return an untrained network of clips: two convolutions over time and space, two dense layers.

    Args:
        rng: draws the weights.
        padded: whether zeros are put before the first frame and behind the last, as C3D does; else the convolutions
            are 'valid' in time.
    """
    pads = ((1, 1) if padded else (0, 0), (1, 1), (1, 1))
    frames = FRAMES // 2 if padded else FRAMES // 2 - 2
    return Network.sequential([
        training.conv(rng, 1, 8, 3, 3, 3, stride=(1, 2, 2), padding=pads), ReLU(),
        training.conv(rng, 8, 16, 4, 3, 3, stride=2, padding=pads), ReLU(), Flatten(),
        training.dense(rng, 16 * frames * (SIZE // 4) ** 2, 48), ReLU(),
        training.dense(rng, 48, len(PATHS)),
    ])  # fmt: skip


def trained(
    rng: np.random.Generator,
    count: int,
    *,
    epochs: int,
    padded: bool = True,
    period: tuple[float, float] = PERIOD,
    tell: Tell,
) -> Network:
    """Return a network trained on the first clips of new videos, half of each batch mirrored, and half backwards."""
    taken, net = videos(rng, count, FRAMES, period=period), network(rng, padded=padded)
    return training.fit(net, clips(taken.frames), taken.kind, epochs=epochs, augment=mirrored, tell=tell)


def mirrored(rng: np.random.Generator, batch: NDArray[Any]) -> NDArray[Any]:
    """Return clips turned by a right angle, mirrored and played backwards, by chance: their paths keep their names."""
    for axes in ((2,), (3,), (4,)):
        batch = np.where(rng.random((len(batch), 1, 1, 1, 1)) < 0.5, np.flip(batch, axes), batch)
    return np.where(rng.random((len(batch), 1, 1, 1, 1)) < 0.5, np.swapaxes(batch, 3, 4), batch)


def part_of_frames(relevance: NDArray[Any]) -> NDArray[Any]:
    """Return which part of the positive relevance of each clip lies on each frame: (N, 1, T, H, W) to (N, T).

    Example:
        >>> part_of_frames(np.array([3.0, 1.0, -2.0]).reshape(1, 1, 3, 1, 1)).tolist()
        [[0.75, 0.25, 0.0]]
    """
    positive = np.maximum(relevance, 0).sum(axis=(1, 3, 4))
    return np.asarray(positive / np.maximum(positive.sum(axis=1, keepdims=True), 1e-30))
