"""Integer inputs: rows of a table that they look up (tokens, positions, categories), and the numbers that they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base.arrays import Array, indices, namespace
from ..errors import ShapeError
from ..rules.rule import Redistribution
from .base import OwnWay


@dataclass(frozen=True, eq=False, repr=False)
class Embedding(OwnWay):
    """Look up a row of a table for each integer: y_{…d} = table[x_…, d].

    The relevance of a token is that of its vector, R_t = Σ_d R_td. The output does not change with small changes of an
    integer, so the derivative is 0.

    Args:
        table: (rows, features).

    Inputs are integers (N, ...), or whole numbers of another type; a number below 0 counts from the last row.

    Raises:
        ShapeError: a table that has not two axes.
        ParameterError: an integer that is no row, or numbers that are not whole.

    Source: Arras et al. 2016, "What is relevant in a text document?", §2.

    Example:
        >>> import numpy as np
        >>> words = Embedding(np.array([[0.0, 1.0], [2.0, 3.0]]))
        >>> words.forward(np.array([[1, 0]]))
        array([[[2., 3.],
                [0., 1.]]])
        >>> words.relevance_backward(np.array([[1, 0]]), np.array([[[0.5, 1.0], [0.0, -1.0]]]))
        array([[ 1.5, -1. ]])
    """

    own_rule: ClassVar[str | None] = "the relevance of a token is the sum over its dimensions"
    tokens: ClassVar[bool] = True

    table: Array

    def __post_init__(self) -> None:
        if self.table.ndim != 2:
            raise ShapeError(f"Embedding: table must be (rows, features), got shape {self.table.shape}")

    def forward(self, *xs: Array) -> Array:
        """Return the rows (..., features)."""
        (x,) = xs
        rows = self.table.shape[0]
        return namespace(x, self.table).take(self.table, indices(x, -rows, rows, "Embedding: the inputs"), axis=0)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return 0."""
        (x,) = xs
        return (namespace(g).zeros(x.shape, dtype=g.dtype),)

    def own(self, xs: tuple[Array, ...], relevance: Array) -> Redistribution:
        return Redistribution.routed((relevance.sum(axis=-1),), relevance)


@dataclass(frozen=True, eq=False, repr=False)
class Number(OwnWay):
    """Integers as numbers of the network's own kind: masks, counts, pixels. Relevance passes unchanged.

    Args:
        unit: the number 1, (1,): its dtype is the output's.

    Example:
        >>> import numpy as np
        >>> Number(np.ones(1, dtype="float32")).forward(np.array([[1, 0]]))
        array([[1., 0.]], dtype=float32)
    """

    own_rule: ClassVar[str | None] = "R_i = R_j"
    tokens: ClassVar[bool] = True

    unit: Array

    def forward(self, *xs: Array) -> Array:
        """Return the same numbers in the dtype of the unit."""
        (x,) = xs
        namespace(x, self.unit)
        return (x * self.unit.reshape((1,) * x.ndim)).astype(self.unit.dtype)

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return g."""
        return (g,)

    def own(self, xs: tuple[Array, ...], relevance: Array) -> Redistribution:
        return Redistribution.routed((relevance,), relevance)
