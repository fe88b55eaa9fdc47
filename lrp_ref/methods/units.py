"""Units one at a time: what the score loses when one unit of a layer has the mean of the layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.arrays import Array, like, namespace
from ..errors import ShapeError, unknown
from .fills import channel_mean, numbers_of, sample_mean
from .inside import Inside
from .method import Made, Method
from .positions import Axes
from .scored import Scored

MEANS = ("sample_mean", "channel_mean")


@dataclass(frozen=True, eq=False, repr=False)
class ReplaceUnits(Method):
    """R_u = f(x) − f(x with unit u of a layer replaced); no share of f.

    Every unit costs one forward pass of what is above the layer; what is below it is computed once. The relevance is
    that of the layer's units (N, *layer).

    Args:
        at: name of the layer's value, of a node or an input; None for all inputs.
        by: what stands for the unit: "sample_mean", the mean of all units of the layer in that sample;
            "channel_mean", the mean of its channel in that sample, over the positions (the first axis of a layer
            (C, ...) counts the channels); a number; or an array like the layer of one sample, or of all, such as the
            mean of the units over a data set.

    Raises:
        ParameterError: another name, or a value that the network does not have (the nearest is suggested).
        ShapeError: an array that does not fit, or channels without positions.
        UnsupportedError: a value of integers.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2)), lrp.layers.ReLU(), lrp.layers.Dense(np.array([[2.0], [-1.0]]))]
        >>> net, x = lrp.Network.sequential(layers), np.array([[3.0, 1.0]])
        >>> lrp.attribute(net, x, "replace_units", at="relu1").relevance
        array([[2., 1.]])
        >>> lrp.attribute(net, x, "replace_units", at="relu1", by=0).relevance
        array([[ 6., -1.]])
    """

    name: ClassVar[str] = "replace_units"

    at: str | None = None
    by: Any = "sample_mean"

    def __post_init__(self) -> None:
        if isinstance(self.by, str):
            if self.by not in MEANS:
                raise unknown("by of replace_units", self.by, MEANS)
            return
        others = "'sample_mean', 'channel_mean', or an array like the layer"
        object.__setattr__(self, "by", numbers_of("replace_units: by", self.by, others))

    def run(self, scored: Scored) -> Made:
        names = list(scored.movable) if self.at is None else [self.at]
        return Made({name: self._replaced(Inside.of(scored, name)) for name in names})

    def formula(self) -> str:
        return f"R_u = f(x) − f(x with unit u by {self.by if isinstance(self.by, str) else 'the value given'})"

    def _replaced(self, inside: Inside) -> Array:
        """Return what the score loses by each unit (N, *layer)."""
        above, value = inside.above, inside.value
        xp, shape, count = namespace(value), value.shape[1:], math.prod(value.shape[1:])
        stands, score = self._stands(inside), above.score
        found = xp.zeros((len(value), count), dtype=above.output.dtype)
        for block in above.blocks(count, back=False):
            unit = xp.arange(block.steps.start, block.steps.stop).reshape(-1, 1) == xp.arange(count)
            taken = unit.reshape(1, block.shape[1], *shape)
            variants = xp.where(taken, stands[block.rows][:, None], value[block.rows][:, None])
            found[block.rows, block.steps] = score[block.rows].reshape(-1, 1) - above.values(
                {inside.at: variants}, block
            )
        return found.reshape(value.shape)

    def _stands(self, inside: Inside) -> Array:
        """Return what stands for each unit (N, *layer)."""
        value, xp = inside.value, namespace(inside.value)
        axes = Axes.of(value.shape[1:])
        if isinstance(self.by, str):
            if self.by == "channel_mean" and axes.channels is None:
                raise ShapeError(
                    f"replace_units: the units of '{inside.at}', of shape {value.shape}, are channels without "
                    "positions, each of which is its own mean: give by='sample_mean'"
                )
            made = sample_mean if self.by == "sample_mean" else channel_mean
            return xp.broadcast_to(made(value, axes), value.shape)
        given = like(self.by, value)
        if given.shape not in ((), value.shape[1:], value.shape, (1, *value.shape[1:])):
            raise ShapeError(
                f"replace_units: by of shape {given.shape} does not fit '{inside.at}' of shape {value.shape}: give a "
                f"number, or an array {value.shape[1:]} or {value.shape}"
            )
        return xp.broadcast_to(given, value.shape)
