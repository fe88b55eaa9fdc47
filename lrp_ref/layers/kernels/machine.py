"""Machines of kernels that are no sums over features: explained from a root of their own, where the function is 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ...arithmetic import scalar
from ...base.arrays import Array, namespace, require_dtype, require_none_negative
from ...base.frozen import real
from ...base.functions import same_side
from ...base.quadrature import points, polynomial
from ...errors import ParameterError, ShapeError, UnsupportedError, unknown
from ...fast.blocks import blocks
from ...fast.quotient import divide
from ...rules.rule import AnyRule, Redistribution, Rule
from ...rules.universal import by_definition
from ..base import OwnWay
from ..promises import Promises
from .additive import fitting
from .joint import JOINT, Joint, squared_distances

WAYS = ("segment", "taylor")
HALVINGS = 60  # of a segment: after them nothing lies between two doubles
LISTED = 8


@dataclass(frozen=True, eq=False)
class KernelRoots:
    """Where near N samples the K outputs of a kernel machine are 0.

    Attributes:
        point: the roots x̃ (N, K, D).
        score: f there (N, K), 0 but for rounding.
        reference: which reference point lies at the other end of the segment (N, K).
        exists: whether any reference point has another sign than the sample (N, K); where none has, x̃ is the sample.
    """

    point: Array
    score: Array
    reference: Array
    exists: Array


@dataclass(frozen=True, eq=False, repr=False)
class KernelMachine(OwnWay):
    """A kernel machine whose kernel is no sum over features, explained from where it is 0.

    Formula: f_c = Σ_s a_sc k(x, v_s) + b_c. Each output has its own root x̃, f_c(x̃) = 0: the segment from the sample
    to the nearest reference point at which f_c has another sign is halved 60 times. With it

    =======  =======================================================================================================
    segment  r_i = (x − x̃)_i ∫₀¹ ∂f_c/∂x_i(x̃ + t (x − x̃)) dt, by ``steps`` Gauss-Legendre nodes (on exact numbers by
             a sum that misses nothing). It sums to f_c(x) − f_c(x̃). Not published
    taylor   r_i = (x − x̃)_i ∂f_c/∂x_i(x̃), the linear terms of the Taylor series at the root
    =======  =======================================================================================================

    R_i = Σ_c r_ci/f_c·R_c. What the r_i do not amount to is in the ledger as dropped: the remainder of the Taylor
    series, which may be larger than f; of the segment the error of the sum over nodes. The offset b_c takes nothing:
    it says where the root is. An output that is 0 is its own root and drops its relevance.

    =========  =====================================  ==========================
    kernel     k(x, v)                                takes
    =========  =====================================  ==========================
    rbf        exp(−γ‖x − v‖²)                        gamma
    poly       (γ x·v + c₀)^d                         gamma, degree, coef0
    sigmoid    tanh(γ x·v + c₀)                       gamma, coef0
    chi2_rbf   exp(−γ Σ_i (x − v)_i²/(x + v)_i)       gamma; x, v ≥ 0
    laplacian  exp(−γ Σ_i |x − v|_i)                  gamma; few nodes see its kinks: look at the ledger
    cosine     x·v/(‖x‖‖v‖)
    =========  =====================================  ==========================

    Other roots and other ways are those of the methods: ``lrp.attribute(net, x, "simple_taylor", search="descent")``,
    "integrated_gradients", "gradient".

    Args:
        supports: v (S, D).
        coefficients: a (S, K), a column for each output.
        offset: b (K,), or None.
        kernel: its name.
        gamma: γ > 0, which most kernels need.
        degree: d ≥ 0.
        coef0: c₀.
        reference: points (M, D) towards which roots are searched; the supports by default.
        way: "segment" or "taylor".
        steps: nodes of the integral.

    Raises:
        ShapeError: parameters that do not fit each other, or an input that is not (N, D).
        ParameterError: an unknown kernel or way, a parameter out of its range, negative numbers where a kernel takes
            none; on the way back, an output with relevance for which no reference point has another sign (on a device,
            where nobody waits for that, the relevance is NaN).
        UnsupportedError: a kernel that has no exact value on rationals, and the segment of all but whole powers.

    Source: Bach et al. 2015, §2.3 and §3 (Taylor-type decomposition at a root).

    Example:
        >>> import numpy as np
        >>> supports, coefficients = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[1.0], [-1.0]])
        >>> layer, x = KernelMachine(supports, coefficients, kernel="rbf", gamma=0.5), np.array([[1.0, 0.5]])
        >>> f = layer.forward(x)
        >>> f.round(4), layer.roots(x).point
        (array([[0.7631]]), array([[[0.  , 0.25]]]))
        >>> layer.relevance_backward(x, f).round(4)
        array([[ 0.8114, -0.0484]])
    """

    promises: ClassVar[Promises] = Promises(makes_new=True)

    supports: Array
    coefficients: Array
    offset: Array | None = None
    kernel: str = "rbf"
    gamma: Any = None
    degree: Any = 3
    coef0: Any = 0.0
    reference: Array | None = None
    way: str = "segment"
    steps: int = 32

    def __post_init__(self) -> None:
        if self.kernel not in JOINT:
            raise unknown("kernel of KernelMachine", str(self.kernel), JOINT)
        if self.way not in WAYS:
            raise unknown("way of KernelMachine", str(self.way), WAYS)
        fitting("KernelMachine", self.supports, self.coefficients, self.offset)
        takes, d = JOINT[self.kernel].takes, self.supports.shape[1]
        if "gamma" in takes and self.gamma is None:
            raise ParameterError(f"KernelMachine: the {self.kernel} kernel needs gamma=")
        if "gamma" in takes and not real("KernelMachine: gamma", self.gamma) > 0:
            raise ParameterError(f"KernelMachine: gamma must be > 0, got {self.gamma}")
        if "degree" in takes and not real("KernelMachine: degree", self.degree) >= 0:
            raise ParameterError(f"KernelMachine: degree must be ≥ 0, got {self.degree}")
        if (coef0 := real("KernelMachine: coef0", self.coef0)) != coef0:  # NaN
            raise ParameterError(f"KernelMachine: coef0 must be a finite real number, got {coef0}")
        if not isinstance(self.steps, int) or self.steps < 1:
            raise ParameterError(f"KernelMachine: steps must be a whole number above 0, got {self.steps!r}")
        if self.reference is not None:
            shape = self.reference.shape
            if len(shape) != 2 or shape[1] != d or not shape[0]:
                raise ShapeError(f"KernelMachine: reference must be (M, {d}) with M ≥ 1, got shape {shape}")
        if JOINT[self.kernel].positive:
            for name in ("supports", "reference"):
                if (given := getattr(self, name)) is not None:
                    require_none_negative(given, f"KernelMachine: {name} of the {self.kernel} kernel")

    @property
    def own_rule(self) -> str:  # type: ignore[override]  # which of the two is the layer's own is its field
        """Which of the two ways it is."""
        if self.way == "segment":
            return "R_i = (x − x̃)_i·∫₀¹ ∂f/∂x_i dt / f·R from a root x̃ to x"
        return "R_i = (x − x̃)_i·∂f/∂x_i(x̃) / f·R at a root x̃; the remainder is dropped"

    def _refuse(self, rule: AnyRule | None, suggested: str = "Gradient") -> ParameterError | UnsupportedError:
        if not isinstance(rule, Rule):
            return super()._refuse(rule, suggested)
        return UnsupportedError(
            f"{rule!r} shares among terms of a sum over inputs, and the kernel {JOINT[self.kernel].formula} is none: "
            f"KernelMachine's own way is {self.own_rule}; Gradient() and Taylor() run on it, and a kernel that is such "
            "a sum is lrp.layers.AdditiveKernel"
        )

    @property
    def _function(self) -> Joint:
        return JOINT[self.kernel](self.gamma, self.degree, self.coef0)

    def _required(self, x: Array) -> None:
        if x.ndim != 2 or x.shape[1] != self.supports.shape[1]:
            raise ShapeError(f"KernelMachine: input of shape {x.shape}; expected (N, {self.supports.shape[1]})")
        for parameter in self.arrays():
            require_dtype(x, parameter, "KernelMachine")
        if JOINT[self.kernel].positive:
            require_none_negative(x, f"KernelMachine: inputs of the {self.kernel} kernel")

    def products(self, read: tuple[int, ...], made: tuple[int, ...]) -> tuple[int, int] | None:
        """Every support meets one column of each sample."""
        return math.prod(self.supports.shape), 1

    def _rows(self, x: Array, times: int = 1) -> list[slice]:
        """Return rows that have room for ``times`` numbers for each support."""
        return list(blocks(len(x), x.dtype.itemsize * len(self.supports) * times, namespace(x)))

    def forward(self, *xs: Array) -> Array:
        """Return f (N, K) for an input (N, D)."""
        (x,) = xs
        self._required(x)
        xp, function = namespace(x, *self.arrays()), self._function
        f = xp.zeros((len(x), self.coefficients.shape[1]), dtype=x.dtype)
        for rows in self._rows(x):
            f[rows] = function.values(x[rows], self.supports) @ self.coefficients
        return f if self.offset is None else f + self.offset

    def pull(self, xs: tuple[Array, ...], g: Array) -> tuple[Array, ...]:
        """Return Σ_c ∂f_c/∂x_i g_c."""
        (x,) = xs
        return (self._gradient(x, g @ self.coefficients.T),)

    def _gradient(self, x: Array, weights: Array) -> Array:
        """Return Σ_s w_ns ∂k(x_n, v_s)/∂x_n (n, D) for weights (n, S)."""
        total = namespace(x, weights).zeros(x.shape, dtype=x.dtype)
        for rows in self._rows(x):
            total[rows] = self._function.gradient(x[rows], self.supports, weights[rows])
        return total

    def _scores(self, x: Array, weights: Array, offset: Any) -> Array:
        """Return Σ_s w_ns k(x_n, v_s) + b_n (n,) for weights (n, S): one output of each point."""
        total = namespace(x, weights).zeros((len(x),), dtype=x.dtype)
        for rows in self._rows(x):
            total[rows] = (self._function.values(x[rows], self.supports) * weights[rows]).sum(axis=1)
        return total + offset

    # -- roots --------------------------------------------------------------------------------------------------

    def roots(self, x: Array) -> KernelRoots:
        """Return the root of each output that is searched for a sample, whether there is one or not.

        Args:
            x: (N, D).
        """
        f, xp = self.forward(x), namespace(x)
        reference, exists = self._nearest(x, f)
        point = xp.zeros((*f.shape, x.shape[1]), dtype=x.dtype)
        score = xp.zeros(f.shape, dtype=f.dtype)
        for rows in self._rows(x, f.shape[1]):
            point[rows], score[rows] = self._halved(x[rows], f[rows], reference[rows], exists[rows])
        return KernelRoots(point, score, reference, exists)

    def _nearest(self, x: Array, f: Array) -> tuple[Array, Array]:
        """Return the nearest reference point that is not on the side of each output (N, K), and whether one is."""
        xp, points = namespace(x), self.supports if self.reference is None else self.reference
        many = len(points)
        there = xp.moveaxis(self.forward(points), 0, 1)  # (K, M)
        nearest = xp.zeros(f.shape, dtype=int)
        exists = xp.zeros(f.shape, dtype=bool)
        for rows in blocks(len(x), x.dtype.itemsize * many * max(f.shape[1], 1), xp):
            far = squared_distances(x[rows], points).reshape(-1, 1, many)
            other = ~same_side(there.reshape(1, *there.shape), f[rows].reshape(*f[rows].shape, 1))
            far = xp.where(other, far, float("inf"))
            first = xp.where(far == far.min(axis=2, keepdims=True), xp.arange(many), many - 1)
            nearest[rows], exists[rows] = first.min(axis=2), other.any(axis=2)
        return nearest, exists

    def _single(self, x: Array, f: Array) -> tuple[Array, Array, Any]:
        """Return every sample K times (n·K, D), and the weights (n·K, S) and offset of one output for each."""
        xp, (n, k) = namespace(x), f.shape
        again = xp.broadcast_to(x.reshape(n, 1, x.shape[1]), (n, k, x.shape[1])).reshape(n * k, x.shape[1])
        turned, many = self.coefficients.T, len(self.supports)
        weights = xp.broadcast_to(turned.reshape(1, k, many), (n, k, many)).reshape(n * k, many)
        offset = scalar(0, x) if self.offset is None else xp.broadcast_to(self.offset, (n, k)).reshape(n * k)
        return again, weights, offset

    def _halved(self, x: Array, f: Array, reference: Array, exists: Array) -> tuple[Array, Array]:
        """Return the roots (n, K, D) on the segments to the reference points, and f there (n, K)."""
        xp, (n, k) = namespace(x), f.shape
        points = self.supports if self.reference is None else self.reference
        here, weights, offset = self._single(x, f)
        start, goes = f.reshape(-1), exists.reshape(-1) & (f.reshape(-1) != scalar(0, f))
        way = xp.take(points, reference.reshape(-1), axis=0) - here
        way = xp.where(goes.reshape(-1, 1), way, scalar(0, x)).astype(x.dtype)
        near = xp.zeros(start.shape, dtype=f.dtype) + scalar(0, f)
        far, before, beyond = near + scalar(1, f), start, self._scores(here + way, weights, offset)
        for _ in range(HALVINGS):
            middle = (near + far) / scalar(2, f)
            new = self._scores(here + middle.reshape(-1, 1) * way, weights, offset)
            same = same_side(new, start)
            near, before = (xp.where(same, a, b).astype(f.dtype) for a, b in ((middle, near), (new, before)))
            far, beyond = (xp.where(same, b, a).astype(f.dtype) for a, b in ((middle, far), (new, beyond)))
        # The end of what is left of the segment at which f is nearer to 0.
        nearer = abs(beyond) < abs(before)
        t = xp.where(nearer, far, near).astype(f.dtype)
        score = xp.where(nearer, beyond, before).astype(f.dtype)
        return (here + t.reshape(-1, 1) * way).reshape(n, k, x.shape[1]), score.reshape(n, k)

    # -- the way back -------------------------------------------------------------------------------------------

    def own(self, xs: tuple[Array, ...], relevance: Array) -> Redistribution:
        """Return Σ_c r_ci/f_c·R_c; see the class."""
        (x,) = xs
        xp, f = namespace(x, relevance), self.forward(x)
        message, _ = divide(relevance, f, xp)
        found = self.roots(x)
        without = ~found.exists & (relevance != scalar(0, relevance))
        if xp.__name__ == "numpy":
            self._require(f, without)
        else:  # nobody waits for a device to know it, but who looks at the relevance will see it
            message = xp.where(without, float("nan"), message).astype(message.dtype)
        received = xp.zeros(x.shape, dtype=x.dtype)
        for rows in self._rows(x, f.shape[1]):
            terms = self._terms(x[rows], f[rows], found.point[rows])
            received[rows] = (terms * message[rows].reshape(*message[rows].shape, 1)).sum(axis=1)
        return by_definition((received,), (relevance,))

    def _terms(self, x: Array, f: Array, root: Array) -> Array:
        """Return r_ci (n, K, D)."""
        here, weights, _ = self._single(x, f)
        root = root.reshape(here.shape)
        way = here - root
        if self.way == "taylor":
            return (way * self._gradient(root, weights)).reshape(*f.shape, x.shape[1])
        total = namespace(x).zeros(way.shape, dtype=x.dtype)
        for at, weight in self._nodes(exact=way.dtype == object):
            total = total + scalar(weight, x) * self._gradient(root + scalar(at, x) * way, weights)
        return (way * total).reshape(*f.shape, x.shape[1])

    def _nodes(self, *, exact: bool) -> list[tuple[Any, Any]]:
        """Return positions and weights of the integral; on exact numbers the gradient has to be a polynomial."""
        if not exact:
            return list(zip(*points("gauss", self.steps), strict=True))
        if self.kernel != "poly":
            raise UnsupportedError(
                f"KernelMachine: the integral of the {self.kernel} kernel's gradient along the segment has no exact "
                "value: give way='taylor', or float64"
            )
        return list(zip(*polynomial(max(int(self.degree) - 1, 0)), strict=True))

    def _require(self, f: Array, without: Array) -> None:
        """Raise if there are outputs with relevance that have no root."""
        if not bool(without.any()):
            return
        rows, outputs = without.nonzero()
        sample, output = int(rows[0]), int(outputs[0])
        many = sorted(set(rows.tolist()))
        some = ", ".join(map(str, many[:LISTED])) + (f" and {len(many) - LISTED} more" if len(many) > LISTED else "")
        kind = "support vector" if self.reference is None else "reference point"
        raise ParameterError(
            f"KernelMachine: no {kind} has another sign of output {output} than sample {sample}, where it is "
            f"{float(f[sample, output]):.3g}, so there is no root between (samples {some}): give points on the other "
            "side (reference=, of an estimator towards=), the rule Gradient() or Taylor(), or explain against a "
            "baseline with lrp.attribute(net, x, 'integrated_gradients')"
        )
