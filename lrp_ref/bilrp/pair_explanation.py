"""What an explanation of pairs returns: the factors, the matrix of pairs, and where the rest of the similarity is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..arithmetic import largest, to_float
from ..base import tables
from ..base.arrays import Array, cut_of, namespace, sample_dot, sample_sum, to_numpy
from ..base.frozen import Value
from ..errors import ModelFormatError, ParameterError
from ..propagation.files import write_npz
from ..propagation.trace import Trace, read_npz
from .features import Features, features_of

COLUMNS = ("bias", "stabiliser", "dropped", "elsewhere")


@dataclass(frozen=True, eq=False, repr=False)
class Side(Value):
    """One side of a pair: an embedding φ (N, M), and the relevance of the input for each of its units.

    embedding = Σ relevance + bias + stabiliser + dropped + elsewhere, per sample and unit, up to rounding.

    Attributes:
        embedding: φ_m of every unit (N, M), what the explanation of unit m starts with.
        relevance: of the input's numbers, for each unit: (N, M, *shape of a sample).
        bias, stabiliser, dropped: the ledger's totals over all nodes, for each unit (N, M).
        elsewhere: what arrived at other inputs of the network (N, M).
        input: the name of the input.
    """

    embedding: Array
    relevance: Array
    bias: Array
    stabiliser: Array
    dropped: Array
    elsewhere: Array
    input: str = "input"

    @cached_property
    def arrived(self) -> Array:
        """The sum of the relevance that arrived at the input, for each unit (N, M)."""
        n, m = self.embedding.shape
        return sample_sum(self.relevance.reshape(n * m, *self.relevance.shape[2:])).reshape(n, m)

    @property
    def lost(self) -> Array:
        """What did not arrive at the input, for each unit (N, M)."""
        return self.bias + self.stabiliser + self.dropped + self.elsewhere

    def marginal(self, weight: Array) -> Array:
        """Return Σ_m weight_m R^m, (N, *shape of a sample), for weights (N, M)."""
        (n, m), shape = self.relevance.shape[:2], tuple(self.relevance.shape[2:])
        flat = self.relevance.reshape(n, m, math.prod(shape))
        return namespace(weight).matmul(weight.reshape(n, 1, m), flat).reshape(n, *shape)


@dataclass(frozen=True, eq=False, repr=False)
class PairAccount:
    """Where the similarity went, per sample; it prints as a table of sums over the batch.

    With φ_m = A_m + L_m, which arrived and which was lost, of x, and with a dash of y:
    Σ_m φ_m φ'_m = Σ_m A_m A'_m + Σ_m L_m A'_m + Σ_m A_m L'_m + Σ_m L_m L'_m + residual.

    Attributes:
        similarity: Σ_m φ_m φ'_m (N,).
        pairs: Σ_ij R_ij = Σ_m A_m A'_m (N,).
        x, y: of each column of the ledger, Σ_m L_m A'_m, and Σ_m A_m L'_m (N,).
        both: Σ_m L_m L'_m (N,).
        difference: what is left (N,): rounding alone, and 0 in exact arithmetic.
        size: Σ_m |φ_m φ'_m| (N,), which rounding is measured against.
    """

    similarity: Array
    pairs: Array
    x: dict[str, Array]
    y: dict[str, Array]
    both: Array
    difference: Array
    size: Array

    @staticmethod
    def of(x: Side, y: Side) -> PairAccount:
        """Return the account of two sides."""
        similarity, pairs = sample_dot(x.embedding, y.embedding), sample_dot(x.arrived, y.arrived)
        of_x = {column: sample_dot(getattr(x, column), y.arrived) for column in COLUMNS}
        of_y = {column: sample_dot(x.arrived, getattr(y, column)) for column in COLUMNS}
        both = sample_dot(x.lost, y.lost)
        difference = similarity - pairs - both
        for part in (*of_x.values(), *of_y.values()):
            difference = difference - part
        return PairAccount(similarity, pairs, of_x, of_y, both, difference, sample_sum(abs(x.embedding * y.embedding)))

    @property
    def residual(self) -> float:
        """The largest abs(difference) / size of all samples; 0 for none."""
        parts = zip(*(largest(to_numpy(part)) for part in (self.difference, self.size)), strict=True)
        return max((float(a / s) if s else (float("inf") if a else 0.0) for a, s in parts), default=0.0)

    def rows(self) -> dict[str, Array]:
        """Return every part of the similarity by what it is, (N,) each; but for the first they add up to it."""
        lost = {f"{column} of {side}": part for side in "xy" for column, part in getattr(self, side).items()}
        return {"similarity": self.similarity, "pairs": self.pairs, **lost, "lost by both": self.both,
                "residual": self.difference}  # fmt: skip

    def __repr__(self) -> str:
        cells = [[what, tables.number(float(to_numpy(part).sum()))] for what, part in self.rows().items()]
        return tables.text(("part", "sum"), cells, right=(1,))


@dataclass(frozen=True, eq=False, repr=False)
class PairExplanation:
    """Which pairs of features, one of x and one of y, make their embeddings similar.

    R_ij = Σ_m R_i^m(x) R_j^m(y). The two factors are kept and the pairs formed when they are asked for: all pairs of
    two photos' pixels would be 2.5 · 10⁹ numbers.

    Attributes:
        similarity: ⟨φ(x), φ(y)⟩ (N,), or the cosine of the angle between the two embeddings.
        x, y: the two sides.
        composite: name of the composite, with its bias policy where that is not "absorb".
        normalised: whether the similarity is the cosine.
        memory: bytes that a matrix of pairs may take.
        notes: what has to be known to read the relevance, a sentence each.

    Source: Eberle et al. 2020, "Building and interpreting deep similarity models" (BiLRP).
    """

    similarity: Array
    x: Side
    y: Side
    composite: str
    normalised: bool
    memory: int
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return (
            f"PairExplanation({self.composite}: {'cosine' if self.normalised else 'similarity'} "
            f"{tables.number(_total(self.similarity))}, pairs {tables.number(_total(self.account.pairs))}, "
            f"{self.x.embedding.shape[1]} units, {tuple(self.x.relevance.shape[2:])} × "
            f"{tuple(self.y.relevance.shape[2:])} numbers, residual {self.account.residual:.1e}"
            f"{''.join(f'; {note}' for note in self.notes)})"
        )

    @property
    def factors(self) -> tuple[Array, Array]:
        """The relevance of each side for each unit: (N, M, *shape of x) and (N, M, *shape of y)."""
        return self.x.relevance, self.y.relevance

    @cached_property
    def account(self) -> PairAccount:
        """Where the similarity went."""
        return PairAccount.of(self.x, self.y)

    @property
    def left(self) -> Array:
        """Σ_j R_ij: the relevance of x's numbers in all pairs, with the shape of x."""
        return self.x.marginal(self.y.arrived)

    @property
    def right(self) -> Array:
        """Σ_i R_ij: the relevance of y's numbers in all pairs, with the shape of y."""
        return self.y.marginal(self.x.arrived)

    def grids(self, reduce: Any = Features()) -> tuple[tuple[int, ...], tuple[int, ...]]:  # noqa: B008 - frozen
        """Return how many features of x and of y there are along each axis; arguments as of :meth:`matrix`."""
        sides = zip(features_of(reduce), self.factors, strict=True)
        first, second = (features.grid(factor.shape[2:]) for features, factor in sides)
        return first, second

    def matrix(self, reduce: Any = Features(), *, memory: int | None = None) -> Array:  # noqa: B008 - frozen
        """Return the relevance of pairs R_ij (N, I, J), i a feature of x and j one of y, in C order of their grids.

        It is one product of two matrices per sample; its size is looked at before.

        Args:
            reduce: a :class:`Features`, the width of a pool (channels are summed), or a pair of these for x and y.
            memory: bytes that the matrix may take; None for what :func:`explain_pair` was given.

        Raises:
            ParameterError: the matrix takes more than that.

        Example:
            >>> import numpy as np
            >>> import lrp_ref as lrp
            >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0, 0.0], [2.0, 1.0]]))])
            >>> e = lrp.explain_pair(net, np.array([[1.0, 1.0]]), np.array([[2.0, 0.0]]), composite="lrp0")
            >>> e.matrix()
            array([[[2., 0.],
                    [4., 0.]]])
        """
        factor = self.x.relevance
        most = self.memory if memory is None else memory
        require_fit(self.grids(reduce), len(factor), factor.dtype.itemsize, most)
        sides = zip(features_of(reduce), self.factors, strict=True)
        left, right = (features.of(factor) for features, factor in sides)
        xp = namespace(left, right)
        return xp.matmul(xp.moveaxis(left, 1, 2), right)

    def strongest(self, count: int, reduce: Any = Features(), k: int = 0) -> list[tuple[int, int, float]]:  # noqa: B008
        """Return the pairs with the largest |R_ij| of the k-th sample: feature of x, feature of y, and R_ij.

        Args:
            count: of pairs, as far as there are so many.
            reduce: as of :meth:`matrix`.
            k: the sample.
        """
        matrix = to_numpy(self.sample(k).matrix(reduce))[0]
        flat, columns = to_float(matrix).reshape(-1), matrix.shape[1]
        order = np.argsort(-abs(flat), kind="stable")[:count]
        return [(*divmod(int(place), columns), float(flat[place])) for place in order]

    def save(self, path: str | Path, reduce: Any = Features()) -> Path:  # noqa: B008 - frozen
        """Write similarity, matrix, grids, marginals and the account as .npz; return the path.

        ``lrp.bilrp.load_pairs`` reads it. The file is there whole or not at all.

        Args:
            path: of the file.
            reduce: as of :meth:`matrix`.

        Raises:
            ParameterError: exact numbers, which .npz cannot hold, or a matrix that takes more than ``memory``.
        """
        extra: dict[str, Any] = {"pairs": self.matrix(reduce), "left": self.left, "right": self.right}
        extra |= {"similarity": self.similarity, "embedding/x": self.x.embedding, "embedding/y": self.y.embedding}
        extra |= {f"account/{what}": part for what, part in self.account.rows().items()}
        header = {
            "composite": self.composite,
            "normalised": self.normalised,
            "grids": list(map(list, self.grids(reduce))),
        }
        return write_npz(path, {**header, **extra}, Trace())

    def map(self, function: Callable[[Array], Array]) -> PairExplanation:
        """Return the explanation with ``function`` of every array, whose first axis is the batch, in its place."""
        x, y = (side.map_arrays(function) for side in (self.x, self.y))
        return replace(self, similarity=function(self.similarity), x=x, y=y)

    def sample(self, k: int | slice) -> PairExplanation:
        """Return the k-th pair alone, or a slice of pairs; arrays keep their batch axis.

        Raises:
            IndexError: there is no such pair.
        """
        return self.map(lambda array: array[cut_of(k, len(array))])

    def to_numpy(self) -> PairExplanation:
        """Return the explanation with all its arrays on the host."""
        return self.map(to_numpy)


def require_fit(grids: tuple[tuple[int, ...], tuple[int, ...]], samples: int, itemsize: int, memory: int) -> None:
    """Raise unless all pairs of the features of two grids fit into memory.

    Raises:
        ParameterError: they do not.
    """
    rows, columns = map(math.prod, grids)
    size = samples * rows * columns * itemsize
    if size > memory:
        raise ParameterError(
            f"the pairs of {rows} features with {columns}, of {samples} samples, take {size:,} bytes, more than memory="
            f"{memory:,}: pool them, matrix(8) or --pool 8 takes 8 × 8 pixels together, take e.sample(k), or give "
            "memory="
        )


def load_pairs(path: str | Path) -> dict[str, Any]:
    """Read saved pairs: pairs (N, I, J), grids, left, right, similarity, embedding/x, account/bias of x, composite, ...

    Raises:
        ModelFormatError: no such file, or not saved pairs.
    """
    extra, _ = read_npz(path)
    if "pairs" not in extra or "grids" not in extra:
        raise ModelFormatError(f"{path}: a trace or an explanation, not saved pairs (lrp.explain_pair(...).save(path))")
    return {**extra, "grids": tuple(tuple(grid) for grid in extra["grids"])}


def _total(array: Array) -> float:
    return float(to_numpy(array).sum())
