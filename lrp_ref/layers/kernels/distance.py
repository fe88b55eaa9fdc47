"""Distances that are sums over features: what the Laplacian and the exponential χ² kernel are powers of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ...base.arrays import Array, require_none_negative
from ...errors import unknown
from ..additive import ToCenters
from ..promises import Promises
from .features import DISTANCES, Paired


@dataclass(frozen=True, eq=False, repr=False)
class FeatureDistance(ToCenters):
    """Distances to K centres that are sums over features, each with a number of its own added.

    Formula: h_k = Σ_i δ(x_i, v_ki) + b_k with δ = |x − v| ("absolute") or (x − v)²/(x + v), 0/0 := 0 ("chi2", of
    numbers ≥ 0). What :class:`SquaredDistance` is to the rbf kernel these are to the Laplacian and the exponential χ²
    kernel. Terms are ≥ 0.

    Args:
        centers: v (K, D).
        distance: "absolute" or "chi2".
        offset: b (K,), or None.

    Raises:
        ShapeError: parameters that do not fit each other, or an input that is not (N, D).
        ParameterError: an unknown distance, or negative numbers where it takes none.

    Example:
        >>> import numpy as np
        >>> layer = FeatureDistance(np.array([[1.0, 3.0]]), "chi2")
        >>> layer.forward(np.array([[3.0, 3.0]]))
        array([[1.]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True, tells_sign=True)

    centers: Array
    distance: str = "absolute"
    offset: Array | None = None

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise unknown("distance of FeatureDistance", str(self.distance), DISTANCES)
        self._require_fit()
        if self._delta.positive:
            require_none_negative(self.centers, f"FeatureDistance: centers of the {self.distance} distance")

    @property
    def _delta(self) -> Paired:
        return DISTANCES[self.distance]

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return self.offset is None and (all(inputs) or not self._delta.positive)

    def _required(self, x: Array) -> None:
        super()._required(x)
        if self._delta.positive:
            require_none_negative(x, f"FeatureDistance: inputs of the {self.distance} distance")

    def terms(self, x: Array, part: slice) -> Array:
        """Return δ(x_i, v_ki) (N, k, D)."""
        return self._delta.value(x.reshape(len(x), 1, x.shape[1]), self.centers[part].reshape(1, -1, self.features))

    def slopes(self, x: Array, part: slice) -> Array:
        """Return ∂δ/∂x_i (N, k, D)."""
        return self._delta.slope(x.reshape(len(x), 1, x.shape[1]), self.centers[part].reshape(1, -1, self.features))
