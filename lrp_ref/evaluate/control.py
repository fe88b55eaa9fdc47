"""The control of every report: a map drawn at random, which a measure must not prefer."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from ..base.arrays import Array, like, to_numpy


def random_map(x: Array, seed: int = 0) -> Array:
    """Return a map like x of independent standard normal numbers.

    Each sample is drawn from the seed and its own numbers (CRC-32 of them in float64), so that its map depends neither
    on the batch nor on its place there; two equal samples have equal maps.

    Args:
        x: (N, ...), floats or exact numbers.
        seed: 0 or more.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> bool((random_map(x)[1:] == random_map(x[1:])).all())
        True
    """
    host = to_numpy(x).astype(np.float64)
    keys = [(seed, zlib.crc32(np.ascontiguousarray(one).tobytes())) for one in host]
    drawn = [np.random.default_rng(key).standard_normal(host.shape[1:]) for key in keys]
    made = np.stack(drawn) if drawn else np.zeros(host.shape)
    return like(made, x)


class RandomExplainer:
    """An explainer whose maps are :func:`random_map`, whatever the network."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, net: Any, x: Array, target: Any = None) -> Array:
        """Return the random map of x."""
        return random_map(x, self.seed)
