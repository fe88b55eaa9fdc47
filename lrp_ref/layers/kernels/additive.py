"""Machines of kernels that are sums over features: every input has a term, as in a linear model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from ...base.arrays import Array, namespace, require_none_negative
from ...errors import ShapeError, unknown
from ...fast.blocks import blocks, tiles
from ..additive import Additive
from ..promises import Promises
from .features import KERNELS, Mapped

TERMS = 64  # blocks' worth of terms are made at once: the kernel is evaluated again for every part of the outputs


def fitting(layer: str, supports: Array, coefficients: Array, offset: Array | None) -> None:
    """Raise unless supports (S, D), coefficients (S, K) and offset (K,) fit each other."""
    if supports.ndim != 2 or not supports.shape[0]:
        raise ShapeError(f"{layer}: supports must be (S, D) with S ≥ 1, got shape {supports.shape}")
    if coefficients.ndim != 2 or coefficients.shape[0] != supports.shape[0]:
        raise ShapeError(
            f"{layer}: coefficients must be ({supports.shape[0]}, K), a row for each support, got shape "
            f"{coefficients.shape}"
        )
    if offset is not None and offset.shape != coefficients.shape[1:]:
        raise ShapeError(f"{layer}: offset must be ({coefficients.shape[1]},), got shape {offset.shape}")


@dataclass(frozen=True, eq=False, repr=False)
class AdditiveKernel(Additive):
    """A kernel machine whose kernel is a sum over features, so that every input has a term of its own.

    Formula: f_c = Σ_i t_ci + b_c, t_ci = Σ_s a_sc k_i(x_i, v_si). Its rules share among the terms; LRP-0 is
    R_i = Σ_c t_ci/f_c·R_c, with b_c in the ledger. Memory does not grow with N·S·D.

    ================  ======================================  ====================================================
    kernel            k_i(x, v)
    ================  ======================================  ====================================================
    linear            x v                                     a dense layer of weights Σ_s a_s v_s
    intersection      min(x, v)                               of histograms, x, v ≥ 0
    hellinger         √(x v)                                  linear on √x; x, v ≥ 0
    signed_hellinger  sgn(x v)·√|x v|                         linear on sgn(x)√|x|
    chi2              2xv/(x + v), 0/0 := 0                   x, v ≥ 0
    additive_chi2     −(x − v)²/(x + v), 0/0 := 0             scikit-learn's ``additive_chi2_kernel``; x, v ≥ 0
    ================  ======================================  ====================================================

    On rationals all but the two Hellinger kernels are exact. Where the derivative is not defined (x = v of the
    intersection) it is the mean of those on either side, and 0 where it is infinite (Hellinger at 0).

    Args:
        supports: v (S, D).
        coefficients: a (S, K), a column for each output.
        offset: b (K,), or None.
        kernel: its name.

    Raises:
        ShapeError: parameters that do not fit each other, or an input that is not (N, D).
        ParameterError: an unknown kernel, or negative numbers where it takes none.
        UnsupportedError: the Hellinger kernels on rationals.

    Source: Bach et al. 2015, §3 (sum-decomposable kernels).

    Example:
        >>> import numpy as np
        >>> supports, coefficients = np.array([[1.0, 3.0], [4.0, 0.0]]), np.array([[2.0], [-1.0]])
        >>> layer, x = AdditiveKernel(supports, coefficients, kernel="intersection"), np.array([[2.0, 5.0]])
        >>> layer.forward(x)
        array([[6.]])
        >>> layer.relevance_backward(x, np.array([[6.0]]))
        array([[0., 6.]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True)

    supports: Array
    coefficients: Array
    offset: Array | None = None
    kernel: str = "linear"

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise unknown("kernel of AdditiveKernel", str(self.kernel), KERNELS)
        fitting("AdditiveKernel", self.supports, self.coefficients, self.offset)
        if KERNELS[self.kernel].positive:
            require_none_negative(self.supports, f"AdditiveKernel: supports of the {self.kernel} kernel")

    @property
    def features(self) -> int:
        """D."""
        return int(self.supports.shape[1])

    @property
    def size(self) -> int:
        """K."""
        return int(self.coefficients.shape[1])

    def _required(self, x: Array) -> None:
        super()._required(x)
        if KERNELS[self.kernel].positive:
            require_none_negative(x, f"AdditiveKernel: inputs of the {self.kernel} kernel")

    def products(self, read: tuple[int, ...], made: tuple[int, ...]) -> tuple[int, int] | None:
        """Every support meets one column of each sample."""
        return math.prod(self.supports.shape), 1

    def groups(self, x: Array) -> Iterator[tuple[slice, list[slice]]]:
        """Yield all samples, and the outputs, as many at a time as there is room for terms of: the supports are cut."""
        yield slice(0, len(x)), list(blocks(self.size, -(-x.nbytes // TERMS), namespace(x)))

    def _mapped(self, kernel: Mapped, part: slice) -> Array:
        """Return the weights Σ_s a_sc φ(v_s) (k, D) of some outputs."""
        weights: Array = self.coefficients[:, part].T @ kernel.map(self.supports)
        return weights

    def _pairs(self, x: Array) -> Iterator[tuple[slice, slice, Array, Array]]:
        """Yield rows and supports, and their numbers (n, 1, D) and (1, s, D), a few at a time."""
        for rows, some in tiles(len(x), len(self.supports), x.dtype.itemsize * self.features, namespace(x)):
            here, there = x[rows], self.supports[some]
            yield rows, some, here.reshape(len(here), 1, x.shape[1]), there.reshape(1, len(there), x.shape[1])

    def forward(self, *xs: Array) -> Array:
        """Return f (N, K) for an input (N, D)."""
        (x,) = xs
        self._required(x)
        kernel, xp = KERNELS[self.kernel], namespace(x, *self.arrays())
        if isinstance(kernel, Mapped):
            f = kernel.map(x) @ self._mapped(kernel, slice(None)).T
        else:
            f = xp.zeros((len(x), self.size), dtype=x.dtype)
            for rows, some, here, there in self._pairs(x):
                f[rows] = f[rows] + kernel.value(here, there).sum(axis=2) @ self.coefficients[some]
        return f if self.offset is None else f + self.offset

    def terms(self, x: Array, part: slice) -> Array:
        """Return t_ci (N, k, D) of some outputs."""
        kernel = KERNELS[self.kernel]
        if isinstance(kernel, Mapped):
            return kernel.map(x).reshape(len(x), 1, self.features) * self._mapped(kernel, part)
        return self._sums(x, kernel.value, part)

    def slopes(self, x: Array, part: slice) -> Array:
        """Return ∂t_ci/∂x_i (N, k, D) of some outputs."""
        kernel = KERNELS[self.kernel]
        if isinstance(kernel, Mapped):
            return kernel.slope(x).reshape(len(x), 1, self.features) * self._mapped(kernel, part)
        return self._sums(x, kernel.slope, part)

    def _sums(self, x: Array, function: Callable[[Array, Array], Array], part: slice) -> Array:
        """Return Σ_s a_sc function(x_i, v_si) (N, k, D)."""
        coefficients = self.coefficients[:, part].T
        found = namespace(x).zeros((len(x), len(coefficients), self.features), dtype=x.dtype)
        for rows, some, here, there in self._pairs(x):
            found[rows] = found[rows] + coefficients[:, some] @ function(here, there)
        return found
