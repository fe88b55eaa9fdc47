"""Teaching examples: consistent or not, they show what a decomposition may look like."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, sample_sum
from ..errors import ParameterError
from .linear import LRP0
from .rule import AnyLayer, Redistribution, Universal
from .universal import nothing


class Uniform(Universal):
    """Uniform decomposition of the teaching slides: every one of d inputs receives Σ_j R_j / d."""

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        whole, xp = sum(sample_sum(r) for r in relevances), namespace(*xs)
        size = sum(math.prod(x.shape[1:]) for x in xs)
        each = whole / scalar(max(size, 1), whole)
        received = [xp.zeros(x.shape, dtype=each.dtype) + each.reshape(x.shape[:1] + (1,) * (x.ndim - 1)) for x in xs]
        return Redistribution.routed(received, relevances[0], dropped=None if size else whole)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = Σ_j R_j / d"


@dataclass(frozen=True, eq=False, repr=False)
class AllToOne(Universal):
    """All relevance to one input of the first operand: the teaching slides' degenerate decomposition.

    Args:
        index: position in a flattened sample (C order).

    Raises:
        ParameterError: no whole number, or one that a sample does not have.
    """

    index: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.index, bool) or not isinstance(self.index, int):
            raise ParameterError(f"AllToOne: index must be a whole number, got {self.index!r}")

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        size = math.prod(xs[0].shape[1:])
        if not -size <= self.index < size:
            raise ParameterError(f"AllToOne: index {self.index} does not exist in a sample of shape {xs[0].shape[1:]}")
        first, *others = nothing(xs, relevances)
        flat = first.reshape(first.shape[0], size)
        flat[:, self.index] = sum(sample_sum(r) for r in relevances)
        return Redistribution.routed([flat.reshape(first.shape), *others], relevances[0])

    def formula(self) -> str:
        """Return the formula."""
        return f"R_i = [i = {self.index}]·Σ_j R_j"


class Natural(LRP0):
    """Natural decomposition of an additive function f = Σ_p f_p(x_p): R_p = f_p(x_p).

    On the layer that sums the parts (Sum, Add, Dense without bias) it is LRP-0, and with R = f exactly the parts.
    """
