"""What stands in a window that is taken away: a number, means of the sample, a blurred sample, noise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic import no_exact_value
from ..base.arrays import Array, like, namespace, to_numpy
from ..base.frozen import frozen, is_array, real
from ..errors import ParameterError, ShapeError, unknown
from .positions import Axes
from .windows import Windows

if TYPE_CHECKING:
    from .scored import Scored

FILLS = ("channel_mean", "sample_mean", "blur", "noise")


def settled_fill(fill: Any, what: str) -> Any:
    """Return a fill as a value that nobody can change: a dict as pairs, "mean" by the name of which mean it is.

    Raises:
        ParameterError: a name that is not known, or no number.
    """
    if isinstance(fill, dict):
        return tuple((name, settled_fill(value, what)) for name, value in fill.items())
    if isinstance(fill, str):
        if fill == "mean":
            return "channel_mean"
        if fill not in FILLS:
            raise unknown(f"{what} fill", fill, FILLS)
        return fill
    return numbers_of(f"{what}: fill", fill, ", ".join(("one per channel", "an array like x", *map(repr, FILLS))))


def numbers_of(what: str, given: Any, others: str) -> Any:
    """Return finite numbers that nobody can write into: a number, a list or an array.

    Args:
        what: they are, for the message.
        given: the numbers.
        others: what may be given instead of a number.

    Raises:
        ParameterError: something else, NaN or infinity.
    """
    value = frozen(given)
    try:
        numbers = to_numpy(value) if is_array(value) else np.asarray(value)
        exact = numbers.dtype == object and all(real(what, number) is not None for number in numbers.flat)
        finite = exact or (numbers.dtype.kind in "biuf" and bool(np.isfinite(numbers).all()))
    except ValueError:  # a list of lists of several lengths is no array
        finite = False
    if not finite:
        raise ParameterError(f"{what}={given!r}: give a finite number, or {others}")
    return value


def filled(scored: Scored, name: str, fill: Any, axes: Axes, patch: Any, seed: int) -> Array:
    """Return what stands in for the values of an input (N, ...), in its shape.

    Args:
        scored: the samples.
        name: of the input.
        fill: as :func:`settled_fill` returns it.
        axes: of the input's samples.
        patch: of the windows, for a blur of twice their reach.
        seed: of the noise, which is one draw that all samples share.

    Raises:
        ShapeError: an array that does not fit.
        UnsupportedError: noise on exact numbers.
    """
    x = scored.fed[name]
    if isinstance(fill, tuple) and fill and isinstance(fill[0], tuple) and isinstance(fill[0][0], str):
        named = dict(fill)
        scored.like_x(dict.fromkeys(named, 0), "fill")  # raises where there is no such input
        fill = named.get(name, 0)
    if isinstance(fill, str):
        made = {"channel_mean": channel_mean, "sample_mean": sample_mean}
        if fill in made:
            return namespace(x).broadcast_to(made[fill](x, axes), x.shape)
        return blurred(x, axes, patch) if fill == "blur" else noise(x, axes, seed)
    if np.ndim(fill) == 1 and len(x.shape) > 2:
        return _per_channel(fill, x, axes, name)
    return scored.like_x({name: fill}, "fill")[name]


def sample_mean(x: Array, axes: Axes) -> Array:
    """Return the mean of all numbers of each sample (N, 1, ...)."""
    return _mean(x, tuple(range(1, x.ndim)))


def channel_mean(x: Array, axes: Axes) -> Array:
    """Return the mean of each channel of each sample over its positions (N, C, 1, ...)."""
    return _mean(x, tuple(k + 1 for k in axes.positions))


def blurred(x: Array, axes: Axes, patch: Any) -> Array:
    """Return at each position the mean over the positions up to one patch away along each axis, cut at the border."""
    if x.size == 0:
        return x
    xp, reach = namespace(x), Windows.of(axes.sizes, patch)
    found = x
    for axis, size, p in zip(axes.positions, axes.sizes, reach.patch, strict=True):
        place = xp.arange(size)
        near = like(xp.where(abs(place - place.reshape(-1, 1)) <= p, 1, 0), x)
        found = xp.moveaxis(xp.matmul(xp.moveaxis(found, axis + 1, -1), near) / near.sum(axis=0), -1, axis + 1)
    return found


def noise(x: Array, axes: Axes, seed: int) -> Array:
    """Return Gaussian noise with mean and standard deviation of each channel of each sample.

    All samples have the same standard normal draw (*sample), so that none depends on what else is in the batch.
    """
    no_exact_value(x, "Gaussian noise")
    xp, mean = namespace(x), channel_mean(x, axes)
    spread = xp.sqrt(_mean((x - mean) * (x - mean), tuple(k + 1 for k in axes.positions)))
    drawn = np.random.default_rng(seed).standard_normal(x.shape[1:])
    return mean + spread * like(drawn, x)


def _mean(x: Array, axes: tuple[int, ...]) -> Array:
    return x.sum(axis=axes, keepdims=True) / max(math.prod(x.shape[k] for k in axes), 1)


def _per_channel(fill: Any, x: Array, axes: Axes, name: str) -> Array:
    """Return one number per channel as an array of the input's shape."""
    count = 0 if axes.channels is None else x.shape[axes.channels + 1]
    if len(fill) != count:
        raise ShapeError(
            f"fill has {len(fill)} numbers, and input '{name}' of shape {x.shape} has {count} channels: give one "
            "number, or one per channel"
        )
    shape = tuple(count if k == axes.channels else 1 for k in range(len(axes.shape)))
    return namespace(x).broadcast_to(like(fill, x).reshape(1, *shape), x.shape)
