"""Which axes of a sample are positions, and which are channels: what windows, means and maps have to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError

CHANNELS = "channels"


@dataclass(frozen=True)
class Axes:
    """The axes of a sample.

    Attributes:
        shape: of the sample.
        channels: the axis of the channels; None where there is none.

    Example:
        >>> Axes.of((3, 8, 6)).sizes, Axes.of((12, 64), -1).sizes, Axes.of((7,)).sizes
        ((8, 6), (12,), (7,))
    """

    shape: tuple[int, ...]
    channels: int | None

    @staticmethod
    def of(shape: Sequence[int], axis: Any = CHANNELS, names: Sequence[str] = (), what: str = "axis") -> Axes:
        """Return the axes of a sample.

        Args:
            shape: of the sample.
            axis: of the channels: its number; None for none; "channels" for the one that is called so, and otherwise
                the first where a sample has two or more, as in (C, H, W).
            names: of the sample's axes, where they are known.
            what: whose axes they are, for the message.

        Raises:
            ParameterError: an axis that the sample does not have.
        """
        shape = tuple(shape)
        if axis is None:
            return Axes(shape, None)
        if isinstance(axis, str):
            named = names.index(CHANNELS) if CHANNELS in names else 0
            return Axes(shape, named if len(shape) > 1 else None)
        if not -len(shape) <= axis < len(shape):
            raise ParameterError(f"{what}={axis}: a sample of shape {shape} has {len(shape)} axes; give one of them")
        return Axes(shape, axis % len(shape))

    @property
    def positions(self) -> tuple[int, ...]:
        """The axes of the sample that are positions."""
        return tuple(k for k in range(len(self.shape)) if k != self.channels)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many positions there are along each."""
        return tuple(self.shape[k] for k in self.positions)

    def along(self, sizes: Sequence[int], channels: int = 1) -> tuple[int, ...]:
        """Return the shape of a sample with these positions and ``channels`` channels, where it has a channel axis."""
        left = iter(sizes)
        return tuple(channels if k == self.channels else next(left) for k in range(len(self.shape)))


def require_axis(axis: Any, what: str) -> None:
    """Raise unless ``axis`` is "channels", a whole number or None.

    Raises:
        ParameterError: something else.
    """
    if axis not in (CHANNELS, None) and type(axis) is not int:
        raise ParameterError(f"{what}: axis={axis!r}: give 'channels', the number of a sample's axis, or None for none")
