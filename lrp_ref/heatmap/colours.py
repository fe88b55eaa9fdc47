"""Numbers to colours: maps centred on zero, the limit at which colours end, the checks on what comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BackendError, NonFiniteError, ParameterError, ShapeError, unknown

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

# Evenly spaced control points from -limit to +limit. The number is odd, so the middle one is the colour of 0.
_POINTS: dict[str, str] = {
    "bwr": "0000ff ffffff ff0000",
    "seismic": "00005a 1f3fe0 ffffff e02a1f 5a0000",
    "soft": "123a7a 2f6fb8 7fb2dc d5e6f2 ffffff fbdccf f0977a cf4238 7a0f22",
    "coldnhot": "00ffff 0050ff 000000 ff2800 ffff00",
    "berlin": "a6c8ff 4f9fdb 1f5578 10242f 0c0a09 331207 7a2a17 d0705a ffb3a8",
    "purple-green": "45106b 7d4f9f b99bcb e6dbec ffffff d9eed3 98d08f 3f9a52 0b4a1e",
    "purple-orange": "34105c 62459c a79cce dedcec ffffff fde2bd f6b35a cf7411 7d3a05",
    "gray": "000000 ffffff 000000",
}
DEFAULT = "bwr"
# Eight hues that stay apart for colour-blind readers (Okabe and Ito 2008); a ninth class or line takes the first again.
HUES = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (0, 0, 0),
        (160, 140, 20))  # fmt: skip
# What negative and positive relevance look like; gray shows neither.
_SIGNS: dict[str, tuple[str, str]] = {
    "bwr": ("blue", "red"),
    "seismic": ("blue", "red"),
    "soft": ("blue", "red"),
    "coldnhot": ("blue", "red"),
    "berlin": ("blue", "red"),
    "purple-green": ("purple", "green"),
    "purple-orange": ("purple", "orange"),
}


def colormaps() -> tuple[str, ...]:
    """Return the names of the colour maps.

    Each goes from −limit over 0 to +limit. White centre: bwr, seismic, soft, and, for colour-blind readers,
    purple-green and purple-orange. Black centre: coldnhot, berlin. gray shows |R| alone: white at 0, black at
    the limit.

    Example:
        >>> colormaps()
        ('bwr', 'seismic', 'soft', 'coldnhot', 'berlin', 'purple-green', 'purple-orange', 'gray')
    """
    return tuple(_POINTS)


def sign_colours(cmap: str = DEFAULT) -> tuple[str, str]:
    """Return in words what negative and positive relevance look like on the colour map `cmap`.

    Example:
        >>> sign_colours("purple-green"), sign_colours("gray")
        (('purple', 'green'), ('negative relevance', 'positive relevance'))
    """
    control_points(cmap)
    return _SIGNS.get(cmap, ("negative relevance", "positive relevance"))


def control_points(cmap: str) -> Floats:
    """Return the control points of the colour map `cmap`, shape (P, 3), 0…255, evenly spaced from −1 to 1."""
    if not isinstance(cmap, str) or cmap not in _POINTS:
        raise unknown("colour map", str(cmap), colormaps())
    return np.array([tuple(bytes.fromhex(point)) for point in _POINTS[cmap].split()], dtype=np.float64)


def floats(name: str, values: Any) -> Floats:
    """Return `values` (a NumPy array, a list or a number) as finite float64 numbers.

    Raises:
        BackendError: an array of another library.
        ParameterError: values that are not real numbers.
        NonFiniteError: values that are not finite; says how many, and the index of the first.
    """
    if not isinstance(values, (np.ndarray, np.generic, list, tuple, int, float)):
        kind = f"{type(values).__module__}.{type(values).__qualname__}"
        raise BackendError(f"{name} is a {kind}; pictures are made from NumPy arrays: convert it first")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ParameterError(f"{name} is no array: its rows have different lengths") from error
    if array.dtype.kind not in "fiubO":
        raise ParameterError(f"{name} has dtype {array.dtype}; a picture needs real numbers")
    try:
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ParameterError(f"{name} holds something that is not a real number: {error}") from error
    wrong = ~np.isfinite(array)
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise NonFiniteError(
            f"{name} of shape {array.shape} has {int(wrong.sum())} non-finite value(s), "
            f"the first at {where}: {array[where]}"
        )
    return array


def flat_map(name: str, relevance: Any) -> Floats:
    """Return `relevance` of shape (H, W) or (C, H, W) as one map (H, W): channels are summed.

    Raises:
        ShapeError: another number of axes, or an empty array.
        NonFiniteError: values or sums that are not finite.
    """
    array = floats(name, relevance)
    if array.ndim not in (2, 3):
        hint = f"; a batch is drawn one sample at a time: {name}[0]" if array.ndim == 4 else ""
        raise ShapeError(f"{name} has shape {array.shape}; a map is (H, W) or (C, H, W){hint}")
    if array.size == 0:
        raise ShapeError(f"{name} has shape {array.shape}: nothing to draw")
    if array.ndim == 2:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        return floats(f"the sum of {name} over channels", array.sum(axis=0))


def resolve_limit(relevance: Any, limit: float | str | None = None) -> float:
    """Return the |R| at which colours end.

    limit = max |R| for None, the given number, or for a string such as "99%" that percentile of |R|.

    Args:
        relevance: array of any shape, any unit.
        limit: None, a positive number in the relevance's unit, or "p%" with 0 < p ≤ 100.

    Returns:
        The limit in the relevance's unit; 0 only where every R is 0 and no number was given.

    Raises:
        ParameterError: a limit that is none of these, or a percentile that is 0 although some R is not.
        NonFiniteError: values that are not finite.

    Example:
        >>> resolve_limit(np.array([-4.0, 1.0, 2.0]))
        4.0
        >>> resolve_limit(np.arange(101.0), "90%")
        90.0
    """
    magnitude = np.abs(floats("relevance", relevance))
    largest = float(magnitude.max(initial=0.0))
    if limit is None:
        return largest
    if isinstance(limit, str):
        percent = _percent(limit)
        value = float(np.percentile(magnitude, percent)) if magnitude.size else 0.0
        if value == 0.0 and largest > 0.0:
            raise ParameterError(
                f"limit {limit!r}: that percentile of |R| is 0 although the largest is {largest:.3g}; "
                "take a higher percentile or None"
            )
        return value
    if isinstance(limit, bool) or not isinstance(limit, (int, float, np.integer, np.floating)):
        raise ParameterError(f"limit is {limit!r}; give None, a positive number or a percentile such as '99%'")
    if not (np.isfinite(limit) and limit > 0):
        raise ParameterError(f"limit is {limit!r}; a limit is a positive finite number")
    return float(limit)


def _percent(limit: str) -> float:
    try:
        percent = float(limit.removesuffix("%")) if limit.endswith("%") else np.nan
    except ValueError:
        percent = np.nan
    if not 0 < percent <= 100:
        raise ParameterError(f"limit is {limit!r}; a percentile is written like '99%', above 0 and at most 100")
    return float(percent)


def positions(relevance: Floats, limit: float) -> Floats:
    """Return the place of each R on the colour map, clip(R, ±limit) / limit; all 0 where limit is 0."""
    if limit == 0:
        return np.zeros_like(relevance)
    # A plain quotient would overflow where the limit given is far below the largest |R|.
    return np.clip(relevance, -limit, limit) / limit


def paint(place: Floats, cmap: str) -> Pixels:
    """Return the colours at `place` (any shape, −1…1) on the colour map, uint8, shape (…, 3)."""
    points = control_points(cmap)
    grid = np.linspace(-1.0, 1.0, len(points))
    channels = [np.interp(place, grid, points[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def colorize(relevance: NDArray[Any], cmap: str = DEFAULT, limit: float | str | None = None) -> Pixels:
    """Return the colours of a relevance map.

    colour = map(clip(R, ±limit) / limit): R = 0 has the map's exact middle colour, R = ±limit its exact ends.

    Args:
        relevance: real NumPy array (H, W), any unit.
        cmap: a name out of `colormaps()`; red is positive and blue negative in the default.
        limit: the |R| at which colours end; `resolve_limit` takes the same and returns the number.

    Returns:
        uint8 (H, W, 3).

    Raises:
        ShapeError: another number of axes.
        NonFiniteError: values that are not finite.
        ParameterError: an unknown map, a limit that is no limit.

    Example:
        >>> colorize(np.array([[-2.0, 0.0, 1.0, 2.0]])).tolist()
        [[[0, 0, 255], [255, 255, 255], [255, 128, 128], [255, 0, 0]]]
    """
    values = floats("relevance", relevance)
    if values.ndim != 2:
        raise ShapeError(f"relevance has shape {values.shape}; colorize takes one map (H, W)")
    return paint(positions(values, resolve_limit(values, limit)), cmap)


def luminance(colour: NDArray[Any]) -> Floats:
    """Return the relative luminance of sRGB colours, shape (…, 3) in 0…255 → (…), 0 black, 1 white.

    Source: WCAG 2.1, definition of relative luminance.
    """
    part = np.asarray(colour, dtype=np.float64) / 255.0
    linear = np.where(part <= 0.03928, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]), dtype=np.float64)


def ink_on(colour: NDArray[Any]) -> tuple[int, int, int]:
    """Return black or white, whichever has the higher contrast (L₁ + 0.05) / (L₂ + 0.05) on `colour` (3,)."""
    light = float(luminance(colour))
    return (255, 255, 255) if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else (0, 0, 0)
