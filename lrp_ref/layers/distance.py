"""Distances to centres: what mixtures, clusters, density estimates and radial kernels are made of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import scalar
from ..base.arrays import Array, namespace
from ..base.frozen import real
from ..base.functions import length
from ..errors import ShapeError, UnsupportedError
from ..rules.rescale import Rescale
from ..rules.rule import Seen
from .additive import ToCenters
from .promises import Promises


@dataclass(frozen=True, eq=False, repr=False)
class SquaredDistance(ToCenters):
    """Squared distances to K centres, each with a number of its own added.

    Formula: h_k = Σ_i t_ki + b_k, t_ki = s (x − μ_k)_i [P_k (x − μ_k)]_i. Its rules share among the terms:
    R_i = Σ_k t_ki/h_k·R_k, what b_k takes is in the ledger as bias, and with bias="ignore" the distance takes all. A
    sample on the centre itself has no distance, and its relevance is dropped where no b_k takes it.

    Terms are ≥ 0 for the identity and diagonal P with s > 0; off a diagonal there are negative ones among them.

    Args:
        centers: μ (K, D).
        precision: P: None for the identity; its diagonals (K, D), or (1, D) for all centres alike, (K, 1) for one
            number each; or matrices (K, D, D), (1, D, D).
        offset: b (K,), or None.
        factor: s.

    Raises:
        ParameterError: a factor that is no finite number.
        ShapeError: parameters that do not fit each other, or an input that is not (N, D).

    Source: Kauffmann, Müller, Montavon 2020 (one-class), Kauffmann et al. 2022 (clusters), for the identity.

    Example:
        >>> import numpy as np
        >>> layer, x = SquaredDistance(np.array([[0.0, 0.0], [3.0, 0.0]])), np.array([[1.0, 2.0]])
        >>> layer.forward(x)
        array([[5., 8.]])
        >>> layer.relevance_backward(x, np.array([[5.0, 8.0]]))
        array([[5., 8.]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True, tells_sign=True)

    centers: Array
    precision: Array | None = None
    offset: Array | None = None
    factor: Any = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", real("SquaredDistance: factor", self.factor))
        self._require_fit()
        k, d = self.centers.shape
        if self.precision is not None:
            shape = self.precision.shape
            diagonal = len(shape) == 2 and shape[0] in (1, k) and shape[1] in (1, d)
            if not diagonal and not (len(shape) == 3 and shape[0] in (1, k) and shape[1:] == (d, d)):
                raise ShapeError(
                    f"SquaredDistance: precision of shape {shape} for {k} centres of {d} features: give diagonals "
                    f"({k}, {d}) or matrices ({k}, {d}, {d}); 1 in front holds for all centres"
                )

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return self.precision is None and self.offset is None and self.factor >= 0

    @property
    def _matrices(self) -> bool:
        return self.precision is not None and self.precision.ndim == 3

    def products(self, read: tuple[int, ...], made: tuple[int, ...]) -> tuple[int, int] | None:
        if self.precision is None or not self._matrices:
            return None
        return math.prod(self.precision.shape), self.size // max(len(self.precision), 1)

    def multipliers(self, here: Seen, there: Seen, gs: tuple[Array, ...], rule: Rescale) -> tuple[Array, ...]:
        """Return the derivative half-way: that of a square, (x − μ)² − (b − μ)² = (x − b)(x + b − 2μ).

        Matrices multiply different inputs with each other, and have multipliers only under products="midpoint".
        """
        (x,), (b,) = here.xs, there.xs
        if self._matrices and rule.products == "refuse" and bool((x != b).any()):
            raise UnsupportedError(
                "SquaredDistance: its matrices multiply different inputs with each other, and the rescale rule has no "
                "multipliers for a product; give products='midpoint', its derivative half-way, which closes as well"
            )
        return self.pull(((x + b) / scalar(2, x),), gs[0])

    def _apart(self, x: Array, part: slice) -> Array:
        """Return x − μ_k (N, k, D)."""
        return x.reshape(len(x), 1, self.features) - self.centers[part]

    def _weight(self, part: slice) -> Array | None:
        """Return the precision of some centres."""
        if self.precision is None or len(self.precision) == 1:
            return self.precision
        return self.precision[part]

    def _times(self, apart: Array, weight: Array | None, *, turned: bool = False) -> Array:
        """Return P_k (x − μ_k) (N, k, D), or P_kᵀ (x − μ_k) if it is ``turned``."""
        if weight is None:
            return apart
        if weight.ndim == 2:
            return apart * weight
        xp = namespace(apart, weight)
        matrix = weight if turned else xp.moveaxis(weight, 1, 2)
        return xp.moveaxis(xp.matmul(xp.moveaxis(apart, 0, 1), matrix), 0, 1)

    def _scaled(self, terms: Array) -> Array:
        return terms if self.factor == 1 else terms * scalar(self.factor, terms)

    def terms(self, x: Array, part: slice) -> Array:
        """Return s (x − μ_k)_i [P_k (x − μ_k)]_i (N, k, D)."""
        apart = self._apart(x, part)
        return self._scaled(apart * self._times(apart, self._weight(part)))

    def slopes(self, x: Array, part: slice) -> Array:
        """Return s [(P_k + P_kᵀ)(x − μ_k)]_i (N, k, D)."""
        apart, weight = self._apart(x, part), self._weight(part)
        return self._scaled(self._times(apart, weight) + self._times(apart, weight, turned=True))


@dataclass(frozen=True, eq=False, repr=False)
class Distance(ToCenters):
    """Euclidean distances to K centres, each with a number of its own added.

    Formula: h_k = s ‖x − μ_k‖ + b_k = Σ_i t_ki + b_k, t_ki = s (x − μ_k)_i² / ‖x − μ_k‖: the inputs share a distance
    as they share its square. A sample on the centre has no distance, and its relevance is dropped where no b_k takes
    it; there the derivative is taken as 0.

    Args:
        centers: μ (K, D).
        offset: b (K,), or None.
        factor: s.

    Raises:
        ShapeError: parameters that do not fit each other, or an input that is not (N, D).

    Source: Kauffmann, Müller, Montavon 2020 (shares of the squared distance).

    Example:
        >>> import numpy as np
        >>> layer, x = Distance(np.array([[0.0, 0.0]]), offset=np.array([1.0])), np.array([[3.0, 4.0]])
        >>> layer.forward(x)
        array([[6.]])
        >>> layer.relevance_backward(x, np.array([[6.0]]))  # (9/5, 16/5), and 1 to the bias
        array([[1.8, 3.2]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True, tells_sign=True)

    centers: Array
    offset: Array | None = None
    factor: Any = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", real("Distance: factor", self.factor))
        self._require_fit()

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return self.offset is None and self.factor >= 0

    def _unit(self, x: Array, part: slice) -> tuple[Array, Array]:
        """Return x − μ_k (N, k, D), and the same divided by its length, 0 on the centre."""
        apart = x.reshape(len(x), 1, self.features) - self.centers[part]
        _, unit = length(apart)
        return apart, unit if self.factor == 1 else unit * scalar(self.factor, unit)

    def terms(self, x: Array, part: slice) -> Array:
        """Return s (x − μ_k)_i² / ‖x − μ_k‖ (N, k, D)."""
        apart, unit = self._unit(x, part)
        return apart * unit

    def slopes(self, x: Array, part: slice) -> Array:
        """Return s (x − μ_k)_i / ‖x − μ_k‖ (N, k, D)."""
        return self._unit(x, part)[1]
