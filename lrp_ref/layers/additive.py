"""Layers whose outputs are sums of one term for each input, so that every rule for linear layers runs on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

from ..base.arrays import Array, namespace, require_dtype
from ..errors import ShapeError, UnsupportedError
from ..fast.blocks import tiles
from ..rules.edits import KEEP, ONES, ZERO, Const, Edit, Less
from ..rules.linear import LRP0
from ..rules.rule import AnyRule, Redistribution, Rule
from ..rules.share import Given, share
from .base import Layer, Linear, same_shape


class Additive(Layer):
    """Base of layers y_k = Σ_i t_ki(x) + b_k: curved in x, but a sum in which every input has a term of its own.

    The terms take the place of a_i w_ij, and rules for linear layers share among them; LRP-0 is their own:
    R_i = Σ_k t_ki/y_k·R_k. Runs that edit weights edit the terms, runs that edit inputs see the number 1 in place of
    every input.

    A subclass has the bias as a field ``offset`` and says with :meth:`size` how many outputs it has, with
    :meth:`terms` what they are sums of, and with :meth:`slopes` the derivatives.
    """

    own_rule: ClassVar[str | None] = "LRP-0: in proportion to the terms"

    offset: Array | None

    @property
    def features(self) -> int:
        """How many numbers a sample has."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """How many outputs there are."""
        raise NotImplementedError

    def terms(self, x: Array, part: slice) -> Array:
        """Return the terms t_ki (N, k, D) of some outputs, for an input (N, D)."""
        raise NotImplementedError

    def slopes(self, x: Array, part: slice) -> Array:
        """Return the derivatives ∂y_k/∂x_i (N, k, D) of some outputs."""
        raise NotImplementedError

    def groups(self, x: Array) -> Iterator[tuple[slice, list[slice]]]:
        """Yield samples, and with them the outputs a few at a time, so that the terms of both are found in the cache.

        How the outputs are cut does not depend on the number of samples, so that sums over them do not either.
        """
        cells = tiles(len(x), self.size, x.dtype.itemsize * self.features, namespace(x))
        for rows, some in groupby(cells, key=lambda cell: cell[0]):
            yield rows, [part for _, part in some]

    def _required(self, x: Array) -> None:
        if x.ndim != 2 or x.shape[1] != self.features:
            raise ShapeError(f"{type(self).__name__}: input of shape {x.shape}; expected (N, {self.features})")
        for parameter in self.arrays():
            require_dtype(x, parameter, type(self).__name__)

    def forward(self, *xs: Array) -> Array:
        """Return y (N, K) for an input (N, D)."""
        (x,) = xs
        self._required(x)
        xp = namespace(x, *self.arrays())
        y = xp.zeros((len(x), self.size), dtype=x.dtype)
        for rows, parts in self.groups(x):
            for part in parts:
                y[rows, part] = self.terms(x[rows], part).sum(axis=2)
        return y if self.offset is None else y + self.offset

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return Σ_k ∂y_k/∂x_i g_k."""
        (x,) = xs
        return (_weighted(self, x, g, self.slopes),)

    def held(self, x: Array) -> Linear:
        """Return the linear map from ones that has the terms at x for its weights."""
        return _Terms(self, x)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        rule = LRP0() if rule is None else rule
        if not isinstance(rule, Rule):
            raise self._refuse(rule)
        if any(isinstance(run.inputs, Const | Less) for group in rule.groups for run in group.runs):
            raise UnsupportedError(
                f"{rule!r} compares inputs with constants, which {type(self).__name__} has no terms for: give LRP0, "
                "Epsilon, AlphaBeta or Flat"
            )
        self._expect(relevances, 1)
        (x,), (relevance,) = xs, relevances
        self._required(x)
        z = self.forward(x) if z is None else z
        same_shape(self, relevance, z)
        return share(self.held(x), (ONES(x),), relevance, rule, Given(z=z))


class ToCenters(Additive):
    """Base of distances to K centres, one output for each."""

    centers: Array

    @property
    def features(self) -> int:
        """D."""
        return int(self.centers.shape[1])

    @property
    def size(self) -> int:
        """K."""
        return int(self.centers.shape[0])

    def _require_fit(self) -> None:
        """Raise unless the centres are (K, D), and the offset, if there is one, (K,)."""
        name, shape = type(self).__name__, self.centers.shape
        if len(shape) != 2:
            raise ShapeError(f"{name}: centers must be (K, D), got shape {shape}")
        if self.offset is not None and self.offset.shape != shape[:1]:
            raise ShapeError(f"{name}: offset must be ({shape[0]},), got shape {self.offset.shape}")


def _weighted(layer: Additive, x: Array, g: Array, terms: Callable[[Array, slice], Array]) -> Array:
    """Return Σ_k t_ki g_k (N, D) for a function from samples and outputs to terms (n, k, D)."""
    xp = namespace(x, g)
    total = xp.zeros(x.shape, dtype=g.dtype)
    for rows, parts in layer.groups(x):
        for part in parts:
            some = terms(x[rows], part)
            weights = g[rows, part].reshape(len(some), 1, some.shape[1])
            total[rows] = total[rows] + xp.matmul(weights, some)[:, 0]
    return total


@dataclass(frozen=True, eq=False, repr=False)
class _Terms(Linear):
    """z_k = Σ_i t_ki·1 + b_k: the terms of an additive layer at x as weights of inputs that are 1.

    Args:
        layer: the additive layer.
        x: its input (N, D).
        weights, bias: edits of the terms, and of the offset.
    """

    layer: Additive
    x: Array
    weights: Edit = KEEP
    bias: Edit = KEEP

    def _terms(self, x: Array, part: slice) -> Array:
        return self.weights(self.layer.terms(x, part))

    def forward(self, *xs: Array) -> Array:
        """Return z (N, K) for edited ones (N, D)."""
        (ones,) = xs
        z = namespace(ones).zeros((len(ones), self.layer.size), dtype=ones.dtype)
        for rows, parts in self.layer.groups(self.x):
            some = ones[rows].reshape(-1, 1, self.layer.features)
            for part in parts:
                z[rows, part] = (self._terms(self.x[rows], part) * some).sum(axis=2)
        bias = self.bias_map(z)
        return z if bias is None else z + bias

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return Σ_k t_ki g_k."""
        return (_weighted(self.layer, self.x, g, self._terms),)

    def present(self, xs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Return x itself in place of the ones."""
        return (self.x,)

    def edited(self, weights: Edit, bias: Edit) -> Linear:
        """Return the map with edited terms and offset."""
        return _Terms(self.layer, self.x, weights, bias)

    def bias_map(self, z: Array) -> Array | None:
        """Return the edited offset (K,)."""
        offset = self.layer.offset
        return None if offset is None or self.bias == ZERO else self.bias(offset)
