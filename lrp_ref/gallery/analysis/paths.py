"""Straight paths through the space of inputs, how steadily maps change along them, and the way to a root."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ...methods import attribute
from ...network import Network


def path(start: NDArray[Any], end: NDArray[Any], points: int) -> NDArray[Any]:
    """Return points (T, ...) from one input to another."""
    return np.asarray(start + np.multiply.outer(np.linspace(0, 1, points, dtype=start.dtype), end - start))


def autocorrelation(maps: NDArray[Any], lag: int) -> NDArray[Any]:
    """Return how well maps along paths (N, T, d) foretell those ``lag`` points on, (N,); of constant maps 1."""
    apart = maps - maps.mean(axis=1, keepdims=True)
    variance = (apart**2).mean(axis=(1, 2))
    together = (apart[:, lag:] * apart[:, :-lag]).mean(axis=(1, 2))
    constant = variance <= 1e-10 * (maps**2).mean(axis=(1, 2))
    return np.asarray(np.where(constant, 1.0, together / np.where(constant, 1.0, variance)))


def roots(net: Network, x: NDArray[Any]) -> NDArray[Any]:
    """Return what is told of the root of the largest output near each input (N, d) of 0…1.

    Returns:
        (4, N): whether Newton's steps found it, its distance as a part of ‖x‖, what simple Taylor decomposition there
        leaves unexplained as a part of the output, and the part of its numbers that are not in 0…1; NaN without a root.
    """
    try:
        made = attribute(net, x, "simple_taylor", search="descent")
    except ParameterError:  # no input has one
        return np.array([np.zeros(len(x)), *[np.full(len(x), np.nan)] * 3])
    points, there = made.found["root"], made.found["exists"]
    outside = np.where(there, ((points < -0.01) | (points > 1.01)).mean(axis=1), np.nan)
    far = made.found["distance"] / np.linalg.norm(x, axis=1)
    return np.stack([there, far, np.abs(made.found["remainder"] / made.explained), outside])
