"""Does an array look like the input that a model's sidecar describes, or like pixels that nobody scaled?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .sidecar import Numbers, Sidecar

APART = 0.5  # of the width of the range: how far an array may leave it without a word
WHITE = 255.0


def recipe(sidecar: Sidecar) -> str:
    """Return how pixels become the input, as text.

    Example:
        >>> recipe(Sidecar("image", "NCHW", (2, 2), "L", mean=(127.0,), scale=(0.5,)))
        '(pixel − 127)·0.5'
    """

    def shown(numbers: Numbers) -> str:
        return f"{numbers[0]:g}" if len(numbers) == 1 else f"({', '.join(f'{n:g}' for n in numbers)})"

    return f"(pixel − {shown(sidecar.mean)})·{shown(sidecar.scale)}"


def range_notice(x: NDArray[Any], sidecar: Sidecar) -> str | None:
    """Return what is strange about the range of an input, None if nothing is.

    Args:
        x: input of the network, in its units.
        sidecar: of the model; only that of an image tells a range.

    Example:
        >>> grey = Sidecar("image", "NCHW", (2, 2), "L", scale=(1 / 255,))
        >>> range_notice(np.array([0.0, 128.0, 255.0]), grey)
        'values from 0 to 255, but pictures give this model 0 to 1: it looks as if (pixel − 0)·0.00392157 was left out'
        >>> range_notice(np.array([0.0, 0.5, 1.0]), grey) is None
        True
    """
    if sidecar.kind != "image" or not x.size:
        return None
    low, high = (float(f(b)) for f, b in zip((np.min, np.max), sidecar.bounds(), strict=True))
    least, most = float(x.min()), float(x.max())
    outside = least < low - APART * (high - low) or most > high + APART * (high - low)
    faint = least >= 0 and 0 < most <= 1 and high >= WHITE / 2
    if not (outside or faint):
        return None
    told = f"values from {least:g} to {most:g}, but pictures give this model {low:g} to {high:g}"
    if faint:
        return f"{told}: it looks as if pixels were divided by 255, which the sidecar does not say"
    if least >= 0 and most <= WHITE:
        return f"{told}: it looks as if {recipe(sidecar)} was left out"
    return f"{told}: make it as the sidecar says, {recipe(sidecar)}"
