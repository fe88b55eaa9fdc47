"""What is done with an input between two looks at the score: steps, rolls, blurs."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from ...arithmetic import scalar
from ...base.arrays import Array, namespace
from ...errors import ParameterError

FADE = 0.9, 0.999  # of the means of Adam
LEAST = 1e-8  # beside the root of its second mean


class Optimiser(Protocol):
    """Moves inputs along gradients, one call a step."""

    def __call__(self, name: str, x: Array, gradient: Array) -> Array:
        """Return the input after a step; the name tells several inputs apart."""


class Ascent:
    """x ← x + η g."""

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def __call__(self, name: str, x: Array, gradient: Array) -> Array:
        return x + scalar(self.rate, x) * gradient


class Adam:
    """x ← x + η m̂/(√v̂ + 1e-8), with m and v the fading means of g and g². Source: Kingma & Ba 2015."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.means: dict[str, tuple[int, Array, Array]] = {}

    def __call__(self, name: str, x: Array, gradient: Array) -> Array:
        if x.dtype.kind != "f":
            raise ParameterError("optimiser 'adam' takes square roots, which exact numbers have not: use 'ascent'")
        xp = namespace(x)
        none = xp.zeros(x.shape, dtype=x.dtype)
        count, first, second = self.means.get(name, (0, none, none))
        a, b = (scalar(fade, x) for fade in FADE)
        count, first = count + 1, a * first + scalar(1 - FADE[0], x) * gradient
        second = b * second + scalar(1 - FADE[1], x) * gradient * gradient
        self.means[name] = count, first, second
        mean, spread = first / scalar(1 - FADE[0] ** count, x), second / scalar(1 - FADE[1] ** count, x)
        return x + scalar(self.rate, x) * mean / (xp.sqrt(spread) + scalar(LEAST, x))


OPTIMISERS: dict[str, Any] = {"ascent": Ascent, "adam": Adam}


def shifts(jitter: int, axes: int, seed: int, step: int) -> tuple[int, ...]:
    """Return by how much an input is rolled along each spatial axis at a step: for all samples alike."""
    drawn = np.random.default_rng([seed, step]).integers(-jitter, jitter + 1, size=axes)
    return tuple(map(int, drawn))


def rolled(x: Array, by: tuple[int, ...]) -> Array:
    """Return x (N, C, *spatial) rolled along its spatial axes; what leaves at one side comes in at the other.

    Example:
        >>> rolled(np.array([[[1, 2, 3]]]), (1,))
        array([[[3, 1, 2]]])
    """
    xp = namespace(x)
    for axis, shift in enumerate(by, start=2):
        size = x.shape[axis]
        x = xp.take(x, (xp.arange(size) - shift) % size, axis=axis) if size else x
    return x


def blurred(x: Array, sigma: float) -> Array:
    """Return x (N, C, *spatial) under a Gaussian of so many positions along each spatial axis, cut at 3σ.

    Beyond a border stands what is at the border.

    Example:
        >>> blurred(np.array([[[0.0, 0.0, 1.0, 0.0, 0.0]]]), 0.5).round(3)
        array([[[0.   , 0.106, 0.787, 0.106, 0.   ]]])
    """
    xp, reach = namespace(x), math.ceil(3 * sigma)
    sizes = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-reach, reach + 1)]
    for axis in range(2, x.ndim):
        places, total = xp.arange(x.shape[axis]), None
        for k, size in zip(range(-reach, reach + 1), sizes, strict=True):
            inside = xp.minimum(xp.maximum(places + k, 0), x.shape[axis] - 1)
            part = scalar(size / sum(sizes), x) * xp.take(x, inside, axis=axis)
            total = part if total is None else total + part
        x = total
    return x


def bounded(x: Array, bounds: tuple[Any, Any] | None) -> Array:
    """Return x between two bounds: numbers, or arrays that broadcast to a sample."""
    if bounds is None:
        return x
    xp = namespace(x)
    low, high = (xp.asarray(b, dtype=x.dtype) if x.dtype.kind == "f" else scalar(b, x) for b in bounds)
    return xp.minimum(xp.maximum(x, low), high)
