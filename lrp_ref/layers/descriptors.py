"""Sums over the local descriptors of an image: what one term per descriptor and output hands down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, Namespace, namespace, only, require_dtype, sample_sum
from ..errors import ShapeError, UnsupportedError
from ..fast.own import kernels
from ..rules.edits import Const, Edit
from ..rules.linear import LRP0
from ..rules.rule import AnyRule, Redistribution, Rule
from ..rules.share import Given, share
from .base import Layer, Linear, same_shape

NUMBERS = 1 << 18  # of one array that is made for a block of descriptors; on a device NUMBERS << 6


class DescriptorSum(Layer):
    """A layer z_d = Σ_l m_ld(x_l) from the descriptors (N, T, D) of images to one vector (N, F) each.

    Every descriptor l adds a term m_ld to every output d, and relevance is shared in proportion to the terms, as a
    linear layer shares it in proportion to a_i w_ij: every rule for linear layers runs on the terms, but for those that
    need bounds of the input. Its own is LRP-0, R_l = Σ_d m_ld/z_d·R_d, in which outputs z_d = 0 give R_d/T to each
    descriptor, so that nothing is lost. Of other rules what z_d = 0 receives is in the ledger, as they say.

    The relevance has the input's shape: R_l is spread evenly over the D numbers of descriptor l, since the terms say
    nothing of single numbers; ``relevance.sum(axis=-1)`` is R_l.

    The terms are made block by block, so that memory does not grow with N T F; the blocks of descriptors do not depend
    on N, and so neither do the sums of one image.
    """

    own_rule: ClassVar[str | None] = "LRP-0 over the terms of the descriptors, R_l = Σ_d m_ld/z_d·R_d; z_d = 0: R_d/T"

    @property
    def _parameter(self) -> Array:
        """The array (K, D) of means, words, ..., which says what descriptors are."""
        raise NotImplementedError

    @property
    def _size(self) -> int:
        """F, how many outputs there are."""
        raise NotImplementedError

    def _terms(self, x: Array, count: int) -> Array:
        """Return m (n, t, F) of some descriptors (n, t, D) of images that have ``count`` of them."""
        raise NotImplementedError

    def _slopes(self, x: Array, g: Array, count: int) -> Array:
        """Return Σ_d g_d ∂m_ld/∂x_l (n, t, D) for the same descriptors and g (n, F)."""
        raise NotImplementedError

    def _require(self, x: Array) -> None:
        name, dimensions = type(self).__name__, self._parameter.shape[1]
        if x.ndim != 3 or x.shape[2] != dimensions:
            raise ShapeError(
                f"{name}: input of shape {x.shape}; expected the descriptors of each image, (N, T, {dimensions})"
            )
        require_dtype(x, self._parameter, name)

    def _blocks(self, x: Array) -> Iterator[tuple[slice, list[slice]]]:
        """Yield slices of the samples, each with slices of the descriptors, whose terms are made at once."""
        n, count, width = x.shape[0], x.shape[1], self._parameter.shape[0] * self._parameter.shape[1]
        if kernels(namespace(x)) is not None:  # it divides work in a way of its own
            yield slice(0, n), [slice(0, count)] if count else []
            return
        numbers = NUMBERS if namespace(x).__name__ == "numpy" else NUMBERS << 6
        some = max(1, min(count, numbers // max(width, 1)))
        images = max(1, numbers // (max(width, 1) * some))
        for first in range(0, n, images):
            yield slice(first, first + images), [slice(k, k + some) for k in range(0, count, some)]

    def contributions(self, x: Array) -> Array:
        """Return the terms m (N, T, F) of all descriptors at once; z is their sum over T.

        Args:
            x: the descriptors (N, T, D).
        """
        self._require(x)
        return self._terms(x, x.shape[1])

    def forward(self, *xs: Array) -> Array:
        """Return z (N, F); zeros for an image without descriptors."""
        (x,) = xs
        self._require(x)
        return _Terms(self, x).forward()

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return Σ_d g_d ∂z_d/∂x (N, T, D)."""
        (x,) = xs
        self._require(x)
        xp, rows = namespace(x, g), []
        for images, parts in self._blocks(x):
            made = [self._slopes(x[images, part], g[images], x.shape[1]) for part in parts]
            rows.append(xp.concatenate(made, axis=1) if made else x[images])
        return (xp.concatenate(rows, axis=0) if rows else xp.zeros(x.shape, dtype=x.dtype),)

    def _redistribute(
        self, xs: tuple[Array, ...], relevances: tuple[Array, ...], rule: AnyRule | None, z: Any
    ) -> Redistribution:
        own = LRP0()
        rule = own if rule is None else rule
        if not isinstance(rule, Rule):
            raise self._refuse(rule)
        if any(isinstance(run.inputs, Const) for group in rule.groups for run in group.runs):
            raise UnsupportedError(
                f"{rule!r} is not a rule for {type(self).__name__}: its terms are no products with inputs that have "
                "bounds; rules.LRP0(), rules.Epsilon(...), rules.AlphaBeta(...) run on it"
            )
        self._expect(relevances, 1)
        (x,), (relevance,), xp = xs, relevances, namespace(*xs, *relevances)
        self._require(x)
        z = self.forward(x) if z is None else z
        same_shape(self, relevance, z)
        count, dimensions = x.shape[1], x.shape[2]
        dead = z == 0
        evenly = rule == own and count > 0
        given = only(relevance, ~dead) if evenly else relevance
        done = share(_Terms(self, x), (_ones(xp, x),), given, rule, Given(z=z))
        (received,) = done.relevances
        if evenly:
            left = sample_sum(only(relevance, dead)) / scalar(count, x)
            received = received + left.reshape(-1, 1)
        each = (received / scalar(dimensions, x)).reshape(*received.shape, 1)
        return replace(done, relevances=(each + xp.zeros(x.shape, dtype=x.dtype),), totals=())


def _ones(xp: Namespace, x: Array) -> Array:
    """Return a one (N, T) for each descriptor, of the number system of x."""
    ones = xp.ones(x.shape[:2], dtype=x.dtype)
    return ones * scalar(1, x) if x.dtype == object else ones


@dataclass(frozen=True, eq=False, repr=False)
class _Terms(Linear):
    """What a sum over descriptors is to a rule: a linear layer of one input, a_l = 1, and a weight m_ld per descriptor.

    Args:
        layer: makes the terms.
        x: of these descriptors (N, T, D).
        edits: of the terms, in their order.
    """

    layer: DescriptorSum
    x: Array
    edits: tuple[Edit, ...] = ()

    def _made(self, images: slice, part: slice) -> Array:
        terms = self.layer._terms(self.x[images, part], self.x.shape[1])
        for edit in self.edits:
            terms = edit(terms)
        return terms

    def forward(self, *xs: Array) -> Array:
        """Return Σ_l a_l m_ld (N, F); of ones where no a is given."""
        xp, rows = namespace(self.x), []
        for images, parts in self.layer._blocks(self.x):
            total = xp.zeros((self.x[images].shape[0], self.layer._size), dtype=self.x.dtype)
            for part in parts:
                terms = self._made(images, part)
                total = total + (xs[0][images, part].reshape(*terms.shape[:2], 1) * terms if xs else terms).sum(axis=1)
            rows.append(total)
        return xp.concatenate(rows, axis=0) if rows else xp.zeros((0, self.layer._size), dtype=self.x.dtype)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return Σ_d m_ld g_d (N, T)."""
        xp, rows = namespace(self.x, g), []
        for images, parts in self.layer._blocks(self.x):
            column = g[images].reshape(-1, self.layer._size, 1)
            made = [xp.matmul(self._made(images, part), column)[..., 0] for part in parts]
            rows.append(xp.concatenate(made, axis=1) if made else self.x[images].sum(axis=2))
        return (xp.concatenate(rows, axis=0) if rows else self.x.sum(axis=2),)

    def edited(self, weights: Edit, bias: Edit) -> Linear:
        """Return the same with edited terms."""
        return replace(self, edits=(*self.edits, weights))
