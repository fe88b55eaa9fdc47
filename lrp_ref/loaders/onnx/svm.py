"""Support vector machines of the domain for classical models: SVMClassifier and SVMRegressor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from ...errors import one_line
from ...layers import Dense, Layer
from ...neuralise.svc import svc
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .reasons import why_not
from .values import Refusal, Refused, Signal, Tensor

Array = np.ndarray[Any, Any]
KERNELS = {"LINEAR": "linear", "POLY": "poly", "RBF": "rbf", "SIGMOID": "sigmoid"}
SHOWN = 6  # pairs of classes that a note lists


@dataclass(frozen=True, eq=False)
class Machine:
    """The attributes that both operators have, checked: f = Σ_s a_s k(x, v_s) + ρ.

    Attributes:
        supports: v (S, D); S = 0 where the coefficients are weights of the inputs.
        coefficients: a, as they lie in the file.
        rho: ρ, which is added, one for each pair of classes.
        kernel: gamma, coef0 and degree, and the kernel's name, as :func:`lrp_ref.neuralise.svc` takes them.
    """

    supports: Array
    coefficients: Array
    rho: Array
    kernel: dict[str, Any]

    @staticmethod
    def of(ctx: Converter, op: Op, features: int, supports: int) -> Machine:
        """Read the attributes of a node.

        Args:
            ctx: the conversion.
            op: the node.
            features: D, how many numbers the node reads of each sample.
            supports: S, by the node's own count.

        Raises:
            Refusal: attributes that do not fit each other, or a kernel that is not known.
        """
        a = op.attributes
        kind = str(a.get("kernel_type", "LINEAR"))
        if kind not in KERNELS:
            raise Refusal(f"kernel_type {kind}; {', '.join(KERNELS)} are supported")
        if a.get("post_transform", "NONE") != "NONE":
            raise Refusal(f"post_transform {a['post_transform']}; NONE alone is supported, the scores as they are")
        numbers = [float(v) for v in a.get("kernel_params") or ()]
        if kind != "LINEAR" and len(numbers) != 3:
            raise Refusal(f"{len(numbers)} kernel_params of the kernel {kind}: gamma, coef0 and degree are expected")
        there = len(a.get("support_vectors") or ())
        if supports < 0 or there != supports * features:
            raise Refusal(f"{there} numbers of support vectors for {supports} vectors of {features} features")
        if not supports and kind != "LINEAR":
            raise Refusal(f"no support vectors beside the kernel {kind}")
        vectors, coefficients, rho = (
            ctx.parameter(np.asarray(a.get(name) or (), np.float32), name).astype(np.float64)
            for name in ("support_vectors", "coefficients", "rho")
        )
        gamma, coef0, degree = numbers if len(numbers) == 3 else (None, 0.0, 3)
        kernel = {"kernel": KERNELS[kind], "gamma": gamma, "coef0": coef0, "degree": degree}
        return Machine(vectors.reshape(supports, features), coefficients, rho, kernel)

    def require(self, coefficients: int, rho: int) -> None:
        """Raise unless there are so many coefficients and constants."""
        for name, here, expected in (
            ("coefficients", self.coefficients.size, coefficients), ("numbers rho", self.rho.size, rho),
        ):  # fmt: skip
            if here != expected:
                raise Refusal(f"{here} {name} where {expected} are expected")


@operator("ai.onnx.ml.SVMRegressor", axes=Axes.OTHER)
def _svm_regressor(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Σ_s a_s k(x, v_s) + ρ: support vector regression, and the decision of a one-class machine."""
    x, features = _table(ctx, op)
    if op.attributes.get("one_class", 0):
        raise Refusal(f"one_class gives 1 or −1, {why_not('ArgMax')}: write the file without it for the decision")
    machine = Machine.of(ctx, op, features, int(op.attributes.get("n_supports", 0)))
    machine.require(len(machine.supports) or features, 1)
    return [ctx.emit(op, _scores(ctx, machine), [x])]


@operator("ai.onnx.ml.SVMClassifier", axes=Axes.OTHER)
def _svm_classifier(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """A label, which has no relevance, and scores: −s and s of two classes, of more one for each pair of classes.

    A score above 0 votes for the first class of its pair, also s. Without support vectors each class has weights.
    Probabilities are not computed: the scores stand in their place.
    """
    (x, features), a = _table(ctx, op), op.attributes
    classes = [str(c) for c in a.get("classlabels_ints") or a.get("classlabels_strings") or ()]
    if len(classes) < 2:
        raise Refusal(f"{len(classes)} classes; two or more are expected")
    counts = [int(n) for n in a.get("vectors_per_class") or ()]
    machine = Machine.of(ctx, op, features, sum(counts))
    label = Refused(why_not("ArgMax"))
    scores = replace(op, outputs=op.outputs[1:2])
    if not len(machine.supports):
        machine.require(len(classes) * features, 1)
        weight = machine.coefficients.reshape(len(classes), -1).T
        return [label, ctx.emit(scores, _cast(ctx, Dense(weight, np.full(len(classes), machine.rho[0]))), [x])]
    if len(counts) != len(classes):
        raise Refusal(f"vectors_per_class has {len(counts)} counts for {len(classes)} classes")
    if min(counts) < 0:
        raise Refusal(f"vectors_per_class has {min(counts)} support vectors of a class")
    pairs = len(classes) * (len(classes) - 1) // 2
    machine.require((len(classes) - 1) * len(machine.supports), pairs)
    ctx.allowance.take(len(machine.supports) * pairs, "the coefficients of all pairs of classes")
    if a.get("prob_a") or a.get("prob_b"):
        ctx.note(
            f"SVMClassifier '{op.label}': its probabilities are not computed, they are the limit of an iteration; its "
            "scores stand in their place"
        )
    if len(classes) > 2:
        ctx.note(f"SVMClassifier '{op.label}': {_of_pairs(classes)}")
        return [label, ctx.emit(scores, _scores(ctx, machine, counts), [x])]
    first, second = (one_line(c, 40) for c in classes)
    ctx.note(
        f"SVMClassifier '{op.label}': its two numbers are −s and s, and s above 0 votes for the first class, "
        f"'{first}': the second number speaks against '{second}'"
    )
    s = ctx.emit(scores, _scores(ctx, machine), [x], tag="score")
    return [label, ctx.emit(scores, _cast(ctx, Dense(np.array([[-1.0, 1.0]]))), [s])]


def _scores(ctx: Converter, machine: Machine, counts: Sequence[int] | None = None) -> Layer:
    """Return the layer of the scores (N, 1), or (N, P) of all pairs of classes with so many support vectors each."""
    coefficients, output = machine.coefficients, "decision"
    if not len(machine.supports):
        return _cast(ctx, Dense(coefficients.reshape(-1, 1), machine.rho))
    if counts is not None:
        coefficients, output = coefficients.reshape(len(counts) - 1, -1), "pairs"
    net = svc(machine.supports, coefficients, machine.rho, **machine.kernel, n_support=counts, output=output)
    (node,) = net.nodes
    return _cast(ctx, node.layer)


def _cast(ctx: Converter, layer: Layer) -> Layer:
    return layer.map_arrays(lambda array: np.ascontiguousarray(array, ctx.dtype))


def _of_pairs(classes: Sequence[str]) -> str:
    """Return what the scores of more than two classes are."""
    found = [f"'{one_line(a, 20)}' against '{one_line(b, 20)}'" for a, b in combinations(classes[:SHOWN], 2)]
    total = len(classes) * (len(classes) - 1) // 2
    more = f", … ({total} in all)" if total > len(found[:SHOWN]) else ""
    return f"its scores are of pairs of classes, above 0 for the first one: {', '.join(found[:SHOWN])}{more}"


def _table(ctx: Converter, op: Op) -> tuple[Signal, int]:
    """Return the operand, and how many features it has."""
    x = features_of(ctx, op)
    size = x.size(1)
    if size is None:
        raise Refusal("the number of features of its input is free")
    return x, size


def features_of(ctx: Converter, op: Op) -> Signal:
    """Return the operand, which has a row of features for each sample."""
    x = ctx.signal(op, op.inputs[0])
    if x.rank != 2 or x.batch != 0:
        raise Refusal(f"an input with {x.rank} axes and its batch at axis {x.batch}")
    return x
