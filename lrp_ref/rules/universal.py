"""The rules for any layer: they bring their own way to redistribute, whatever the layer computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, sample_sum, unwarned
from ..base.functions import sigmoid
from ..errors import ParameterError, ShapeError
from ..fast.quotient import divide
from .edits import EXACT, POS, Stabiliser
from .linear import settle
from .rule import AnyLayer, Redistribution, Universal


class Pass(Universal):
    """R_i = R_j: relevance passes unchanged through a layer whose input and output have one shape."""

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        _, r = one_shape(self, layer, xs, relevances)
        return Redistribution.routed((r,), r)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = R_j"


def one_shape(
    rule: Universal, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]
) -> tuple[Array, Array]:
    """Return the layer's only input and its relevance; raise unless they are one each, and of one shape."""
    shapes = [x.shape for x in xs], [r.shape for r in relevances]
    if len(xs) != 1 or shapes[0] != shapes[1]:
        raise ShapeError(
            f"{type(rule).__name__} on {type(layer).__name__}: input and output shapes differ: {shapes[0]}, {shapes[1]}"
        )
    (x,), (r,) = xs, relevances
    return x, r


def nothing(xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> list[Array]:
    """Return zeros for every input, of the relevances' dtype."""
    return [namespace(*relevances).zeros(x.shape, dtype=relevances[0].dtype) for x in xs]


class Zero(Universal):
    """R_i = 0: all relevance is dropped, and counted."""

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        dropped = sum(sample_sum(r) for r in relevances)
        return Redistribution.routed(nothing(xs, relevances), relevances[0], dropped=dropped)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = 0"


class Gradient(Universal):
    """R_i = Σ_j ∂z_j/∂a_i R_j: the derivative. Not conservative; the difference is in the ledger as dropped.

    Source: Simonyan et al. 2014 (as a saliency map of the start relevance 1).
    """

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        received = layer.pull(xs, relevances if len(relevances) > 1 else relevances[0])
        return by_definition(received, relevances)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = Σ_j ∂z_j/∂a_i·R_j"


@dataclass(frozen=True, eq=False, repr=False)
class Taylor(Universal):
    """R_i = a_i Σ_j ∂z_j/∂a_i R_j/z_j: the layer linearised at its input, whose terms share without the constant one.

    On a softmax y of x this is R_i = x_i (R_i − y_i Σ_j R_j), the rule of AttnLRP. What the terms do not amount to (the
    constant term) is in the ledger as dropped, and so is the relevance of z_j = 0. On a linear layer it
    is LRP-0, whose bias is then dropped.

    Args:
        stabiliser: of the denominators z_j.

    Source: Bach et al. 2015, §2.3 (Taylor-type decomposition); Achtibat et al. 2024, Proposition 3.1 (softmax).

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import Softmax
        >>> x, relevance = np.log(np.array([[2.0, 3.0]])), np.array([[0.0, 1.0]])
        >>> Softmax().relevance_backward(x, relevance, Taylor()).round(4)
        array([[-0.2773,  0.4394]])
    """

    stabiliser: Stabiliser = EXACT

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        return self.from_output(layer, xs, relevances, layer.forward(*xs))

    def from_output(
        self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...], z: Any
    ) -> Redistribution:
        zs, xp = z if isinstance(z, tuple) else (z,), namespace(*relevances)
        sent = [divide(r, self.stabiliser(z), xp)[0] for r, z in zip(relevances, zs, strict=True)]
        pulled = layer.pull_at(xs, z, tuple(sent) if len(sent) > 1 else sent[0])
        with unwarned():  # a masked score is −∞: nothing depends on it, and ∞·0 would be no number
            received = [xp.where(g == 0, scalar(0, g), x * g).astype(g.dtype) for x, g in zip(xs, pulled, strict=True)]
        return by_definition(tuple(received), relevances)

    def formula(self) -> str:
        """Return the formula."""
        return f"R_i = Σ_j a_i·∂z_j/∂a_i / ({self.stabiliser.formula('z_j')})·R_j"


def by_definition(received: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
    """Return the redistribution of a rule that conserves nothing: what is missing was dropped by its definition."""
    lost = sum(sample_sum(r) for r in relevances) - sum(sample_sum(r) for r in received)
    return Redistribution.routed(received, relevances[0], dropped=lost)


class Deconv(Universal):
    """ReLU, or ReLU6, in a deconvolution network: R_i = R_j⁺. Source: Zeiler & Fergus 2014."""

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        _, r = one_shape(self, layer, xs, relevances)
        return by_definition((POS(r),), relevances)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = R_j⁺"


class Guided(Universal):
    """ReLU in guided backpropagation: R_i = [a_i > 0] R_j⁺; a clip (ReLU6) is open between its bounds.

    Source: Springenberg et al. 2015.
    """

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        x, r = one_shape(self, layer, xs, relevances)
        low, high = layer.open_between
        received, xp = POS(r), namespace(r)
        if low is not None:
            received = xp.where(x > scalar(low, x), received, scalar(0, r))
        if high is not None:
            received = xp.where(x < scalar(high, x), received, scalar(0, r))
        return by_definition((received,), relevances)

    def formula(self) -> str:
        """Return the formula."""
        return "R_i = [a_i > 0]·R_j⁺"


@dataclass(frozen=True, eq=False, repr=False)
class BetaSmooth(Universal):
    """ReLU with the derivative of a softplus: R_i = σ(β a_i) R_j; a clip has one softplus at each bound (ReLU6).

    Args:
        beta: sharpness β > 0.

    Source: Dombrowski et al. 2019.
    """

    beta: float = 10.0

    def __post_init__(self) -> None:
        settle(self, "beta")
        if not self.beta > 0:
            raise ParameterError(f"BetaSmooth: beta must be > 0, got {self.beta}")

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        x, r = one_shape(self, layer, xs, relevances)
        low, high = layer.open_between
        slope: Any = 1 if low is None else sigmoid(self.beta * (x - low))
        if high is not None:
            slope = slope - sigmoid(self.beta * (x - high))
        return by_definition((r * slope,), relevances)

    def formula(self) -> str:
        """Return the formula."""
        return f"R_i = σ({self.beta}·a_i)·R_j"
