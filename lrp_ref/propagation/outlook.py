"""What an explanation will be, before it is made: for programs that explain many inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..base.arrays import namespace
from ..network.network import Network
from . import composites
from .explaining import at_the_door, output_place
from .prepare import Question, prepare
from .start import Start, find, start_relevance
from .targets import indices, is_tuple


@dataclass(frozen=True)
class Outlook:
    """What is known of an explanation from the shapes of its inputs alone.

    Attributes:
        output: the shape of one sample's output.
        batch: how many samples to explain at a time, so that they fill the working memory.
    """

    output: tuple[int, ...]
    batch: int


def outlook(
    net: Network,
    x: Any,
    *,
    target: Any = None,
    composite: Any = None,
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    trace: bool = False,
) -> Outlook:
    """Return what :func:`lrp_ref.explain` will make of inputs like ``x``, without their values.

    Whatever is wrong with the question itself (an unknown start, a target out of range, a composite that does not suit
    the network) is raised here, before an input is explained: what ``explain`` raises later is wrong with an input.

    Args:
        net, x, target, composite, start, against, output, canonize, xp, trace: as in :func:`lrp_ref.explain`; targets
            that hold for all samples.

    Raises:
        LrpError: as :func:`lrp_ref.explain`.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.ones((2, 3)))])
        >>> outlook(net, np.ones((1, 2)))
        Outlook(output=(3,), batch=64)
    """
    begin = find(start, against)
    place = output_place(net, output)
    net, fed = at_the_door(net, x, xp)
    chosen = composites.usual(net) if composite is None else composite
    prepared = prepare(net, fed, Question(chosen, place, canonize, begin))
    shape = prepared.output_shape(fed)
    like = net.like(fed)
    target = indices(target, 1, shape) if is_tuple(target) else target
    begin = begin.settled(1, shape) if isinstance(begin, Start) else begin
    none = namespace(like).zeros((0, *shape), dtype=like.dtype)
    start_relevance(none, target, begin)
    return Outlook(shape, prepared.batch(fed, whole=trace))
