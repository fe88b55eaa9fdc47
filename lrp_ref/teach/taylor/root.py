"""The root point of one neuron, at which a rule of Deep Taylor is a first-order Taylor term."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arithmetic import scalar
from ...base.arrays import Array, like, namespace, sample_dot, to_numpy
from ...base.frozen import Value
from ...errors import LrpError, ParameterError, UnsupportedError
from ...layers.base import Linear
from .domains import Domain
from .domains import domain as named_domain


class NoRootError(LrpError, ArithmeticError):
    """A line, or a search, on which the function has no root."""


@dataclass(frozen=True, eq=False, repr=False)
class RootPoint(Value):
    """The root x̃ = a − t·v of one neuron, for each sample of a batch.

    Attributes:
        point: x̃ (N, ...), with z_j(x̃) = 0, in the unit of a.
        t: the step (N,), without unit; in [0, 1] the root lies between a and the end a − v of the segment.
        direction: v (N, ...).
        weight: w_i = ∂z_j/∂a_i (N, ...), 0 where no connection is.
        z: z_j(a) (N,), bias included.
        shares: w_i v_i / Σ_i w_i v_i (N, ...); they add up to 1, or are all 0 where nothing contributes (and z_j = 0).
        inside: whether x̃ is in the domain (N,), border included; in floats this is as exact as the point is.
        domain: which one.
        unit: index j of the neuron in the flattened output.
    """

    point: Array
    t: Array
    direction: Array
    weight: Array
    z: Array
    shares: Array
    inside: Array
    domain: Domain
    unit: int

    @property
    def terms(self) -> Array:
        """First-order terms ∂z_j/∂a_i·(a_i − x̃_i) = z_j·shares_i (N, ...); their sum is z_j."""
        return self.weight * (_each(self.t, self.direction) * self.direction)

    @property
    def squared_distance(self) -> Array:
        """Σ_i (a_i − x̃_i)² (N,), which is exact on exact numbers."""
        return self.t * self.t * sample_dot(self.direction, self.direction)

    def messages(self, relevance: Array) -> Array:
        """Return R_{i←j} = shares_i·R_j (N, ...) for the neuron's relevance R_j (N,): the terms scaled to R_j."""
        return self.shares * _each(relevance, self.shares)


def root_point(
    layer: Linear, a: Array, j: int | Sequence[int], domain: str | Domain = "real", **parameters: Any
) -> RootPoint:
    """Return the root of neuron j on the line from a in the direction of a domain.

    Formula: x̃ = a − t·v with t = z_j(a) / Σ_i w_ij v_i, where z_j(a) = Σ_i a_i w_ij + b_j includes the bias.
    The first-order terms there, w_ij (a_i − x̃_i), are z_j in the proportions w_ij v_i / Σ_i w_ij v_i; scaled to R_j
    they are the messages of the domain's rule: w², z⁺, z^B exactly, γ exactly but for the relevance of its bias.

    Args:
        layer: a linear layer of one operand, such as Dense, Conv, a sum pool.
        a: its inputs (N, ...), in the domain; floats, or exact rationals, for which everything here is exact.
        j: index in the flattened output of a sample, or a tuple of indices into its shape.
        domain: "real", "positive", "box" (low=, high=), "gamma" (gamma=), or a value of ``lrp.taylor``: ``Real()``,
            ``Positive()``, ``Box(low, high)``, ``GammaDirection(gamma)``.
        **parameters: of a domain given by name.

    Raises:
        NoRootError: z_j ≠ 0 is constant on the line, since no input contributes in this direction.
        ParameterError: a unit that does not exist, an input outside of the domain, or a domain that is not known.
        UnsupportedError: the layer is not linear, or has several operands.

    Source: Montavon et al. 2017, §4; Montavon et al. 2019, §10.3.

    Example:
        >>> import lrp_ref as lrp
        >>> layer = lrp.layers.Dense(np.array([[2.0], [-1.0]]), np.array([-1.0]))
        >>> root = root_point(layer, np.array([[1.0, 0.5]]), 0, "real")
        >>> root.point, root.t, bool(root.inside[0])
        (array([[0.8, 0.6]]), array([0.1]), True)
        >>> root.terms, root.messages(np.array([5.0]))
        (array([[0.4, 0.1]]), array([[4., 1.]]))
    """
    if not isinstance(layer, Linear) or isinstance(a, tuple):
        raise UnsupportedError(f"a root point needs a linear layer of one operand (Dense, Conv, a pool), got {layer!r}")
    chosen = named_domain(domain, **parameters)
    z = layer.forward(a)
    n, xp = a.shape[0], namespace(a, z)
    unit = _index(j, z.shape[1:])
    one = np.zeros((n, math.prod(z.shape[1:])))
    one[:, unit] = 1
    weight = layer.vjp(a, like(one, z).reshape(z.shape))
    chosen.require(a)
    z_j = z.reshape(n, -1)[:, unit] * scalar(1, z)  # exact integers become rationals, whose quotients are exact
    v = chosen.direction(a, weight)
    slope = sample_dot(weight, v)
    _require_root(slope, z_j, unit, chosen)
    none = scalar(0, z_j)
    inverse = xp.where(slope != 0, scalar(1, z_j) / xp.where(slope != 0, slope, scalar(1, z_j)), none)
    t = z_j * inverse
    point = a - _each(t, v) * v
    shares = weight * v * _each(inverse, v)
    return RootPoint(point, t, v, weight, z_j, shares, chosen.contains(point), chosen, unit)


def _each(values: Array, target: Array) -> Array:
    """Shape one number per sample (N,) so that it broadcasts against (N, ...)."""
    return values.reshape((-1,) + (1,) * (target.ndim - 1))


def _index(j: int | Sequence[int], shape: tuple[int, ...]) -> int:
    """Return the index in the flattened output."""
    try:
        if isinstance(j, int | np.integer):
            return range(math.prod(shape))[int(j)]
        return int(np.ravel_multi_index(tuple(range(n)[k] for k, n in zip(j, shape, strict=True)), shape))
    except (IndexError, ValueError) as error:
        raise ParameterError(f"there is no output unit {j}: the output of a sample has shape {shape}") from error


def _require_root(slope: Array, z: Array, unit: int, chosen: Domain) -> None:
    lost = to_numpy((slope == 0) & (z != 0))
    if lost.any():
        k = int(lost.argmax())
        raise NoRootError(
            f"sample {k}, unit {unit}: no root on the line of {chosen!r}, along which z_j = {z[k]} is constant: "
            "no input contributes in this direction"
        )
