"""Encodings of an image's local descriptors as one vector: Fisher vectors and histograms of visual words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, namespace
from ..base.frozen import real
from ..errors import ParameterError, ShapeError, unknown
from ..fast.quotient import divide
from .base import Elementwise
from .descriptors import DescriptorSum
from .promises import Promises
from .softmax import Softmax

CONVENTIONS = ("perronnin", "skimage")


SOFTMAX = Softmax(axis=-1)  # of the components or words for one descriptor


@dataclass(frozen=True, eq=False, repr=False)
class FisherVector(DescriptorSum):
    """The gradient of a Gaussian mixture's log-likelihood of an image's descriptors, in units of its deviation.

    With the posteriors q_lk of descriptor l and component k, and u_lk = (x_l − μ_k)/σ_k, the terms are

    ===========  ==============================  =========
    block        term m_l                        size
    ===========  ==============================  =========
    weights      (q_lk − π_k)/(T √π_k)           K
    means        q_lk u_lk/(T √π_k)              K D
    deviations   q_lk (u_lk² − 1)/(T √(2 π_k))   K D
    ===========  ==============================  =========

    and z = Σ_l m_l (N, K(1 + 2D)), the blocks in this order, components before dimensions. It is what stands before
    the signed root and the division by the norm: ``lrp.neuralise.fisher_vector`` builds the whole classifier.

    Relevance is shared by the terms, see :class:`.descriptors.DescriptorSum`. They have both signs and may cancel, so
    that Σ_l \\|R_l\\| can be many times what is shared: ``Epsilon`` damps it, and the ledger says what it takes.

    All images of a batch have the same number T of descriptors; others go one at a time, as (1, T, D). An image without
    any is encoded as zeros, and its relevance is dropped.

    Args:
        weights: π (K,), positive, of sum 1.
        means: μ (K, D).
        variances: σ² (K, D), positive.
        convention: "perronnin", as above; "skimage": the deviations with the opposite sign, as
            ``skimage.feature.fisher_vector`` has them.

    Raises:
        ShapeError: parameters that do not fit each other, or an input that is not (N, T, D).
        ParameterError: a weight or a variance that is not positive, or another convention.
        UnsupportedError: rationals, which have no exponential function.

    Source: Perronnin, Sánchez, Mensink 2010, §2; Sánchez et al. 2013, eqs. 16–18; the relevance: Bach et al. 2015;
    Lapuschkin et al. 2016, doi:10.1109/CVPR.2016.318.

    Example:
        >>> import numpy as np
        >>> layer = FisherVector(np.array([0.5, 0.5]), np.array([[-1.0], [1.0]]), np.ones((2, 1)))
        >>> x = np.array([[[-1.0], [2.0], [0.5]]])
        >>> layer.forward(x).round(3)
        array([[-0.157,  0.157,  0.216,  0.178, -0.134, -0.064]])
        >>> r = layer.relevance_backward(x, np.array([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]))
        >>> r.sum(axis=-1).round(3)  # only the second descriptor is to the right of the mean 1, and pulls it there
        array([[-0.631,  2.597, -0.967]])
    """

    weights: Array
    means: Array
    variances: Array
    convention: str = "perronnin"

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            raise unknown("convention", str(self.convention), CONVENTIONS)
        shapes = self.weights.shape, self.means.shape, self.variances.shape
        if self.means.ndim != 2 or 0 in self.means.shape or shapes[2] != shapes[1] or shapes[0] != shapes[1][:1]:
            raise ShapeError(
                f"FisherVector: weights {shapes[0]}, means {shapes[1]}, variances {shapes[2]}; expected (K,), (K, D), "
                "(K, D): a mixture with one variance per dimension"
            )
        for name, array in (("weights", self.weights), ("variances", self.variances)):
            if not bool((array > 0).all()):
                raise ParameterError(f"FisherVector: all {name} must be > 0; leave out components that have none")

    @property
    def _parameter(self) -> Array:
        return self.means

    @property
    def _size(self) -> int:
        return self.means.shape[0] * (1 + 2 * self.means.shape[1])  # type: ignore[no-any-return]

    def _seen(self, x: Array) -> tuple[Array, Array, Array]:
        """Return the posteriors q (n, t, K), the standardised descriptors u (n, t, K, D), and the deviations."""
        no_exact_value(x, "exp")
        xp, deviations = namespace(x, self.means), namespace(x).sqrt(self.variances)
        u = (x.reshape(*x.shape[:2], 1, x.shape[2]) - self.means) / deviations
        scores = xp.log(self.weights) - xp.log(deviations).sum(axis=1) - (u * u).sum(axis=3) / scalar(2, x)
        return SOFTMAX.forward(scores), u, deviations

    def _scales(self, x: Array, count: int) -> tuple[Array, Array]:
        """Return T √π (K,), by which the first two blocks are divided, and T √(2π) with the sign of the third."""
        xp, number = namespace(x), scalar(max(count, 1), x)
        second = xp.sqrt(self.weights * scalar(2, x)) * number
        return xp.sqrt(self.weights) * number, second if self.convention == "perronnin" else -second

    def _terms(self, x: Array, count: int) -> Array:
        q, u, _ = self._seen(x)
        first, second = self._scales(x, count)
        n, t, k, d = u.shape
        means = (q / first).reshape(n, t, k, 1) * u
        deviations = (q / second).reshape(n, t, k, 1) * (u * u - scalar(1, x))
        blocks = ((q - self.weights) / first, means.reshape(n, t, k * d), deviations.reshape(n, t, k * d))
        return namespace(x).concatenate(blocks, axis=2)

    def _slopes(self, x: Array, g: Array, count: int) -> Array:
        q, u, deviations = self._seen(x)
        first, second = (scale.reshape(-1, 1) for scale in self._scales(x, count))
        n, _, k, d = u.shape
        one, two = scalar(1, x), scalar(2, x)
        of_weights = g[:, :k].reshape(n, 1, k) / first.reshape(-1)
        of_means = g[:, k : k + k * d].reshape(n, 1, k, d) / first
        of_deviations = g[:, k + k * d :].reshape(n, 1, k, d) / second
        by_scores = of_weights + (of_means * u + of_deviations * (u * u - one)).sum(axis=3)
        (by_posterior,) = SOFTMAX.pull_at((), q, by_scores)
        through = q.reshape(*q.shape, 1) * (of_means + two * of_deviations * u)
        return ((through - by_posterior.reshape(*q.shape, 1) * u) / deviations).sum(axis=2)


@dataclass(frozen=True, eq=False, repr=False)
class SoftAssign(DescriptorSum):
    """The histogram of visual words in an image: the mean over its descriptors of what each is assigned to.

    Formula: h_w = (1/T) Σ_l a_lw, a_l = softmax_w(−β ‖x_l − c_w‖²); ``hard`` is the limit β → ∞: a descriptor counts
    for its nearest word, the first of several as near.

    Relevance is shared by the terms a_lw/T, see :class:`.descriptors.DescriptorSum`; none of them is negative. The
    derivative of the hard assignment is 0.

    All images of a batch have the same number T of descriptors; others go one at a time, as (1, T, D). An image without
    any has a histogram of zeros, and its relevance is dropped.

    Args:
        codebook: the words c (W, D).
        beta: β ≥ 0, in the unit of 1/‖x‖².
        hard: whether each descriptor goes to one word; β is then not looked at.

    Raises:
        ShapeError: a codebook that is not (W, D), or an input that is not (N, T, D).
        ParameterError: a negative β.
        UnsupportedError: rationals, unless hard.

    Source: Sivic & Zisserman 2003 (hard); van Gemert et al. 2010 (soft); the relevance: Bach et al. 2015.

    Example:
        >>> import numpy as np
        >>> layer, x = SoftAssign(np.array([[0.0], [1.0]]), hard=True), np.array([[[0.1], [0.9], [1.2], [0.7]]])
        >>> layer.forward(x)
        array([[0.25, 0.75]])
        >>> layer.relevance_backward(x, np.array([[1.0, 6.0]]))[..., 0]
        array([[1., 2., 2., 2.]])
    """

    promises: ClassVar[Promises] = Promises(tells_sign=True)

    codebook: Array
    beta: Any = 1.0
    hard: bool = False

    def __post_init__(self) -> None:
        if self.codebook.ndim != 2 or 0 in self.codebook.shape:
            raise ShapeError(f"SoftAssign: codebook of shape {self.codebook.shape}; expected words (W, D)")
        if not real("SoftAssign: beta", self.beta) >= 0:
            raise ParameterError(f"SoftAssign: beta must be ≥ 0, got {self.beta}")

    @property
    def _parameter(self) -> Array:
        return self.codebook

    @property
    def _size(self) -> int:
        return self.codebook.shape[0]  # type: ignore[no-any-return]

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return True

    def _assigned(self, x: Array) -> tuple[Array, Array]:
        """Return the assignments (n, t, W), and the differences x − c (n, t, W, D)."""
        apart = x.reshape(*x.shape[:2], 1, x.shape[2]) - self.codebook
        near = -(apart * apart).sum(axis=3)
        if not self.hard:
            no_exact_value(x, "exp")
            return SOFTMAX.forward(scalar(self.beta, x) * near), apart
        xp, zero, one = namespace(x), scalar(0, x), scalar(1, x)
        nearest = near.argmax(axis=2).reshape(*x.shape[:2], 1) == xp.arange(near.shape[2])
        return xp.where(nearest, one, zero).astype(x.dtype), apart

    def _terms(self, x: Array, count: int) -> Array:
        return self._assigned(x)[0] / scalar(max(count, 1), x)

    def _slopes(self, x: Array, g: Array, count: int) -> Array:
        xp = namespace(x)
        if self.hard:
            return xp.zeros(x.shape, dtype=x.dtype)
        assigned, apart = self._assigned(x)
        by_word = g.reshape(g.shape[0], 1, g.shape[1]) / scalar(max(count, 1), x)
        (by_score,) = SOFTMAX.pull_at((), assigned, by_word)
        return (by_score.reshape(*by_score.shape, 1) * apart).sum(axis=2) * scalar(-2 * self.beta, x)


@dataclass(frozen=True, eq=False, repr=False)
class SignedRoot(Elementwise):
    """y = sgn(x) √\\|x\\|, the power normalisation of Fisher vectors; its own rule passes the relevance: R_i = R_j.

    Of y = 0 the derivative is taken as 0, since there is none.

    Raises:
        UnsupportedError: rationals, which have no roots.

    Source: Perronnin, Sánchez, Mensink 2010, §3.2.

    Example:
        >>> import numpy as np
        >>> SignedRoot().forward(np.array([[4.0, -9.0, 0.0]]))
        array([[ 2., -3.,  0.]])
    """

    promises: ClassVar[Promises] = Promises(tells_sign=True)

    def nonnegative(self, inputs: tuple[bool, ...]) -> bool:
        return all(inputs)

    def forward(self, *xs: Array) -> Array:
        """Return y, same shape."""
        (x,) = xs
        no_exact_value(x, "a root")
        xp = namespace(x)
        root = xp.sqrt(xp.abs(x))
        return xp.where(x < 0, -root, root)

    def slope(self, x: Array) -> Array:
        """Return 1/(2 √|x|), and 0 where x is 0."""
        no_exact_value(x, "a root")
        xp = namespace(x)
        slope, _ = divide(scalar(1, x) / scalar(2, x), xp.sqrt(xp.abs(x)), xp)
        return slope
