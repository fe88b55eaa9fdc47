"""Zeros that stand around a layer's input because the program's own layer cannot put them there."""

from __future__ import annotations

from collections.abc import Sequence

from ..layers import Pad


def frames(layer: Pad, axes: int) -> bool:
    """Return whether a layer puts zeros around the positions of an image, and does nothing else.

    Args:
        layer: the layer.
        axes: of what it reads, samples and channels included.

    Example:
        >>> frames(Pad(((0, 0), (1, 1))), 3), frames(Pad(((0, 0), (-1, 1))), 3), frames(Pad(((1, 0), (1, 1))), 3)
        (True, False, False)
    """
    zeros = layer.mode == "constant" and isinstance(layer.value, int | float) and layer.value == 0
    fits = len(layer.amounts) == axes - 1 and tuple(layer.amounts[0]) == (0, 0)
    return zeros and fits and all(min(pair) >= 0 for pair in layer.amounts)


def padding_note(nodes: Sequence[str]) -> tuple[str, ...]:
    """Return the sentence about nodes whose padding is a layer of its own, if there are some.

    Example:
        >>> padding_note(["conv1"])
        ("zeros around the input of 'conv1' are a layer of their own, as its own has none: they count as inputs",)
        >>> padding_note([])
        ()
    """
    if not nodes:
        return ()
    named = ", ".join(f"'{node}'" for node in nodes)
    return (f"zeros around the input of {named} are a layer of their own, as its own has none: they count as inputs",)
