"""What maxima hand down where they are compared with a reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..arithmetic import scalar
from ..base.arrays import Array, namespace
from ..rules.rescale import Rescale
from ..rules.rule import Seen

if TYPE_CHECKING:
    from .base import Layer


def multipliers(
    layer: Layer, here: Seen, there: Seen, g: Array, rule: Rescale, *, least: bool = False
) -> tuple[Array, ...]:
    """Return the multipliers of a layer whose every output is the largest of some inputs, or the ``least``.

    With t = max(z, z_b) the way from z_b to z leads over t: the winner of the samples has raised it by t − z_b, that of
    the reference has lowered it by t − z. Each of the two differs from the reference by at least as much. Of the least
    the same holds with t = min(z, z_b).

    Args:
        layer: hands g to the winners by its ``pull``.
        here, there: what it reads and makes of the samples and of the reference.
        g: multipliers of its output.
        rule: with its threshold.
        least: whether the output is the smallest of the inputs.
    """
    (x,), (b,), xp = here.xs, there.xs, namespace(g)
    none = here.z == (math.inf if least else -math.inf)  # a window in the padding, which has no winner
    z, z_b = (xp.where(none, scalar(0, g), a).astype(g.dtype) for a in (here.z, there.z))
    top = xp.minimum(z, z_b) if least else xp.maximum(z, z_b)
    (risen,), (fallen,) = layer.pull((x,), (top - z_b) * g), layer.pull((b,), (z - top) * g)
    (derivative,) = layer.pull((x,), g)
    return (rule.quotient(risen + fallen, x - b, derivative),)
