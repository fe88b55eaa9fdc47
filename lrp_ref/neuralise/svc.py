"""Support vector machines, and other sums of kernels, as networks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ..base.arrays import Array, indices, like, namespace, require_finite, to_numpy
from ..errors import ParameterError, ShapeError, UnsupportedError, unknown
from ..layers import AdditiveKernel, Dense, KernelMachine, Layer
from ..layers.kernels.features import KERNELS
from ..layers.kernels.joint import JOINT
from ..network.network import Network
from .chain import chain
from .given import array
from .log_ratio import RULES, log_ratio

OUTPUTS = ("decision", "logodds", "margin", "pairs")


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel by name, and its parameters; those that it does not have are not looked at.

    Attributes:
        name: "linear", or of ``AdditiveKernel`` or ``KernelMachine``.
        gamma, degree, coef0: as in the class that has it.
    """

    name: str
    gamma: Any = None
    degree: Any = 3
    coef0: Any = 0.0

    def __post_init__(self) -> None:
        if self.name not in KERNELS and self.name not in JOINT:
            raise unknown("kernel", str(self.name), [*KERNELS, *JOINT])


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores f_q = Σ_s a_sq k(x, v_s) + b_q.

    Attributes:
        supports: v (S, D).
        coefficients: a (S, Q).
        offset: b (Q,), or None.
    """

    supports: Array
    coefficients: Array
    offset: Array | None

    def combined(self, signs: Any) -> Scores:
        """Return the scores Σ_q f_q c_qp for numbers c (Q, P), without supports that have no part in them."""
        c = like(np.asarray(signs, dtype=float), self.coefficients)
        made, xp = self.coefficients @ c, namespace(self.supports)
        kept = (to_numpy(made) != 0).any(axis=1)
        supports = self.supports
        if not kept.all() and kept.any():
            places = xp.asarray(np.flatnonzero(kept))
            supports, made = xp.take(supports, places, axis=0), xp.take(made, places, axis=0)
        return Scores(supports, made, None if self.offset is None else self.offset @ c)

    def layer(self, kernel: Kernel, towards: Array | None, way: str | None) -> Layer:
        """Return the layer that computes them."""
        if kernel.name in JOINT:
            parameters: dict[str, Any] = {name: getattr(kernel, name) for name in JOINT[kernel.name].takes}
            return KernelMachine(
                self.supports, self.coefficients, self.offset, kernel.name, reference=towards, way=way or "segment",
                **parameters,
            )  # fmt: skip
        if towards is not None or way is not None:
            given = "towards" if towards is not None else "way"
            raise ParameterError(
                f"svc: {given}= is about the roots of kernels that are no sums over features ({', '.join(JOINT)}), and "
                f"the kernel {kernel.name} is one: leave it out"
            )
        if kernel.name == "linear":
            return Dense(self.supports.T @ self.coefficients, self.offset)
        return AdditiveKernel(self.supports, self.coefficients, self.offset, kernel.name)


def svc(
    support_vectors: Array,
    coefficients: Array,
    bias: Array | float | None = None,
    *,
    kernel: str = "rbf",
    gamma: Any = None,
    degree: Any = 3,
    coef0: Any = 0.0,
    n_support: Any = None,
    output: Any = "decision",
    rule: str = "midpoint",
    intercept: bool = True,
    towards: Array | None = None,
    way: str | None = None,
) -> Network:
    """Return a support vector machine f(x) = Σ_s a_s k(x, v_s) + b as a network.

    ===============  =========  =====================================================================================
    output           shape      what it is
    ===============  =========  =====================================================================================
    decision         (N, 1)     f: of two classes + stands for the second one; for (S, Q) coefficients (N, Q)
    logodds          (N, 1)     u = log S₊ − log S₋, of the sums of |a_s| k(x, v_s) over a_s > 0 and a_s < 0
    ("pair", i, j)   (N, 1)     the machine of classes i and j alone: + stands for class i
    ("logodds", i,   (N, 1)     the same of its log ratio
    j)
    pairs            (N, P)     all pairs i < j, P = K(K − 1)/2: scikit-learn's "ovo"
    margin           (N, K)     Σ_k pair(c, k) over the k ≠ c: what class c has over all others
    ===============  =========  =====================================================================================

    By the kernel the decision is a dense layer (linear), a sum of one term for each feature (``AdditiveKernel``:
    intersection, hellinger, signed_hellinger, chi2, additive_chi2), or a ``KernelMachine`` (rbf, poly, sigmoid,
    chi2_rbf, laplacian, cosine), which is explained from where f is 0.

    "logodds" is a network of two layers, for kernels exp(−γ δ(x, v)): rbf, laplacian, chi2_rbf. Neurons
    h_s = δ(x, v_s) − γ⁻¹ log|a_s| are pooled by o± = −γ⁻¹ log Σ exp(−γ h_s), and u = γ(o₋ − o₊). With ``intercept``
    |b| is one more neuron, of kernel 1, in the pool of its sign: then u has the sign of f, f = S₋(e^u − 1). Without it
    f − b has that form. By LRP-0, with p± the shares of the neurons in their pool,

    ========  =========================================================================================================
    midpoint  R_i = γ(E_{p₋}[δ_i] − E_{p₊}[δ_i]), δ_i = (x − v)_i² of rbf. The ledger's bias is
              E_{p₊}[log|a|] − E_{p₋}[log|a|] and the entropies H(p₊) − H(p₋)
    input     rbf alone: ‖x‖² cancels, so R_i = 2γ x_i (E_{p₊}[v_i] − E_{p₋}[v_i]), and the rest is bias. It does not
              cancel against a neuron of kernel 1, whose share p_b gives ± γ p_b x_i² more
    ========  =========================================================================================================

    A vote among several classes, scikit-learn's "ovr", is no sum of kernels: "decision" of more than two is refused.

    Args:
        support_vectors: v (S, D).
        coefficients: a (S,), or (1, S) as scikit-learn's ``dual_coef_``, or (S, Q) for several outputs; with
            ``n_support`` scikit-learn's ``dual_coef_`` (K − 1, S) of K classes.
        bias: b, a number or (Q,); with ``n_support`` ``intercept_``, one for each pair of classes.
        kernel: its name.
        gamma, degree, coef0: its parameters; those that it does not have are not looked at.
        n_support: (K,) how many support vectors each of more than two classes has, in their order.
        output: as above. Of two classes "pair", "pairs" and "margin" are of 0 and 1.
        rule, intercept: of "logodds".
        towards: points (M, D) towards which a ``KernelMachine`` searches its roots; the support vectors by default.
        way: of a ``KernelMachine``: "segment" or "taylor".

    Raises:
        ShapeError: arrays that do not fit each other.
        ParameterError: an unknown kernel, output or rule, a class that does not exist, or parameters out of range; a
            pool without a neuron.
        UnsupportedError: "decision" of more than two classes, "logodds" of a kernel that has none.

    Source: Bach et al. 2015, §3 (sums over features, roots). "logodds" is not published; its pools are those of
    Kauffmann et al. 2020.

    Example:
        >>> import numpy as np
        >>> from lrp_ref.propagation.explaining import explain
        >>> v, a, x = np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([-1.0, 1.0]), np.array([[2.0, 2.0]])
        >>> svc(v, a, 0.5, kernel="intersection").forward(x)  # min(2, 2) − min(0, 2) + 1 − 1 + 0.5
        array([[2.5]])
        >>> explain(svc(v, a, 0.5, kernel="intersection"), x).relevance
        array([[2., 0.]])
        >>> explain(svc(v, a, kernel="rbf", gamma=0.5, output="logodds"), x).relevance  # ½(2² − 0²), ½(1² − 1²)
        array([[2., 0.]])
    """
    function = Kernel(kernel, gamma, degree, coef0)
    scores, classes = _scores(support_vectors, coefficients, bias, n_support)
    wanted, signs = _output(output, classes, scores.coefficients.shape[1])
    scores = scores if signs is None else scores.combined(signs)
    if towards is not None:
        array("svc: towards", towards)
    if rule not in RULES:
        raise unknown("rule of svc", str(rule), RULES)
    if wanted != "logodds" and (rule != "midpoint" or not intercept):
        given = f"rule={rule!r}" if rule != "midpoint" else "intercept=False"
        raise ParameterError(f"svc: {given} is of output='logodds', and this is output={output!r}: leave it out")
    if wanted == "logodds":
        if towards is not None or way is not None:
            raise ParameterError(
                "svc: towards= and way= are about roots, and output='logodds' has none: leave them out"
            )
        return log_ratio(
            scores.supports, scores.coefficients[:, 0], None if scores.offset is None else scores.offset[0],
            kernel=function.name, gamma=function.gamma, rule=rule, intercept=intercept,
        )  # fmt: skip
    return chain([(wanted, scores.layer(function, towards, way))], features=int(scores.supports.shape[1]))


def _scores(supports: Array, coefficients: Array, bias: Any, n_support: Any) -> tuple[Scores, int]:
    """Return the scores of two classes, several outputs, or all pairs i < j; and how many classes there are."""
    for name, given in (("support_vectors", supports), ("coefficients", coefficients)):
        array(f"svc: {name}", given)
    if supports.ndim != 2 or not supports.shape[0]:
        raise ShapeError(f"svc: support_vectors must be (S, D) with S ≥ 1, got shape {supports.shape}")
    many = supports.shape[0]
    counted = None if n_support is None else _counts(n_support, many)
    if counted is None or counted.size <= 2:
        found = _columns(coefficients, many)
        return Scores(supports, found, _offset(bias, found.shape[1], found)), 2 if found.shape[1] == 1 else 0
    counts = [int(n) for n in counted]
    k = len(counts)
    if sum(counts) != many or coefficients.shape != (k - 1, many):
        raise ShapeError(
            f"svc: n_support says {sum(counts)} support vectors of {k} classes; there are {many}, and coefficients of "
            f"shape {coefficients.shape}, expected ({k - 1}, {sum(counts)})"
        )
    xp, ends = namespace(coefficients), np.cumsum([0, *counts])
    columns = []
    for i, j in combinations(range(k), 2):
        own, other = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        column = xp.zeros((many,), dtype=coefficients.dtype)
        # Each class has a row of coefficients for every other one, in the order of the classes.
        column[own], column[other] = coefficients[j - 1, own], coefficients[i, other]
        columns.append(column)
    pairs = xp.stack(columns, axis=1)
    return Scores(supports, pairs, _offset(bias, pairs.shape[1], pairs)), k


def _counts(n_support: Any, many: int) -> Any:
    """Return how many support vectors each class has, as whole numbers (K,) on the host."""
    given = to_numpy(n_support) if hasattr(n_support, "dtype") else np.asarray(n_support)
    if given.ndim != 1 or given.dtype.kind not in "iuf":
        raise ParameterError(f"svc: n_support must be a whole number for each class, got {n_support!r}")
    return indices(given, 0, many + 1, "svc: n_support")


def _columns(coefficients: Array, many: int) -> Array:
    """Return the coefficients (S, Q)."""
    shape = coefficients.shape
    if shape == (many,):
        return coefficients.reshape(many, 1)
    if len(shape) == 2 and shape[0] == many and (shape[1] == 1 or many != 1):
        return coefficients
    if shape[:1] == (1,) and shape[1:] == (many,):
        return coefficients.reshape(many, 1)
    if len(shape) == 2 and shape[1] == many:
        raise ShapeError(
            f"svc: coefficients of shape {shape} for {many} support vectors are those of {shape[0] + 1} classes: give "
            "n_support=, how many support vectors each has"
        )
    raise ShapeError(f"svc: coefficients must be ({many},), one for each support vector, got shape {shape}")


def _offset(bias: Any, outputs: int, coefficients: Array) -> Array | None:
    """Return b (Q,) of the number system and library of the coefficients."""
    if bias is None:
        return None
    given = bias if hasattr(bias, "dtype") else np.asarray(bias, dtype=object if coefficients.dtype == object else None)
    offset = like(given, coefficients).reshape(-1)
    require_finite(offset, "svc: bias")
    if offset.shape != (outputs,):
        raise ShapeError(f"svc: bias must be ({outputs},), got shape {tuple(given.shape)}")
    return offset


def _output(output: Any, classes: int, outputs: int) -> tuple[str, Any]:
    """Return what is asked for, and how it is combined (Q, P) of the scores; None for as they are.

    Args:
        output: as in :func:`svc`.
        classes: how many there are; 0 where the outputs are none of classes.
        outputs: Q.
    """
    if isinstance(output, tuple | list):
        kind, i, j = _pair(output, classes)
        return ("logodds" if kind == "logodds" else f"pair_{i}_{j}"), _between(i, j, classes)
    if output not in OUTPUTS:
        raise unknown("output of svc", str(output), OUTPUTS)
    if classes == 0 and output != "decision":
        raise ParameterError(f"svc: output={output!r} is of classes, and {outputs} columns of coefficients are not")
    if classes > 2 and output in ("decision", "logodds"):
        kind = "pair" if output == "decision" else "logodds"
        reason = (
            "the decision of more than two classes counts votes of pairs, which is no sum of kernels"
            if output == "decision"
            else f"{classes} classes have a log ratio for each pair"
        )
        others = "" if output == "logodds" else "'margin', 'pairs' or "
        raise UnsupportedError(f"svc: {reason}: give output={others}('{kind}', i, j)")
    if output == "pairs":
        return "pairs", None if classes > 2 else _between(0, 1, 2)
    if output == "margin":
        return "margin", np.stack(
            [sum(_between(c, k, classes)[:, 0] for k in range(classes) if k != c) for c in range(classes)], axis=1
        )
    return str(output), None


def _pair(output: Any, classes: int) -> tuple[str, int, int]:
    if len(output) != 3 or output[0] not in ("pair", "logodds"):
        raise ParameterError(f"svc: output must be one of {', '.join(OUTPUTS)}, or ('pair', i, j), got {output!r}")
    if classes == 0:
        raise ParameterError(f"svc: output={output!r} is of classes, and these coefficients are not")
    for k in output[1:]:
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 0 <= k < classes:
            raise ParameterError(f"svc: there is no class {k!r}: the {classes} classes are 0 to {classes - 1}")
    if output[1] == output[2]:
        raise ParameterError(f"svc: output={output!r} compares class {output[1]} with itself")
    return output[0], int(output[1]), int(output[2])


def _between(i: int, j: int, classes: int) -> Any:
    """Return (Q, 1) numbers that make f_i − f_j of the scores: of two classes the one score is f_1 − f_0."""
    if classes == 2:
        return np.array([[float(i - j)]])
    pairs = list(combinations(range(classes), 2))
    signs = np.zeros((len(pairs), 1))
    signs[pairs.index((min(i, j), max(i, j)))] = 1 if i < j else -1
    return signs
