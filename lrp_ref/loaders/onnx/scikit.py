"""Operators for classical models, as scikit-learn's exporter writes them: scaling, norms, linear models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import Dense, Layer, Sigmoid, Softmax
from .arithmetic import affine
from .batches import Axes
from .convert import HANDLERS, Converter, operator
from .file import Op
from .normalization import by_its_norm
from .reasons import why_not
from .svm import features_of
from .values import Constant, Refusal, Refused, Tensor

Array = np.ndarray[Any, Any]
NORMS = {"L1": 1, "L2": 2}
AFTERWARDS: dict[str, Layer | None] = {"NONE": None, "SOFTMAX": Softmax(1), "LOGISTIC": Sigmoid()}


@operator("ai.onnx.ml.Scaler", axes=Axes.OTHER)
def _scaler(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """(x − offset)·scale, for each feature or for all."""
    offset, scale = (np.asarray(op.attributes.get(k, (d,)), ctx.dtype) for k, d in (("offset", 0.0), ("scale", 1.0)))
    return [affine(ctx, op, op.inputs[0], scale=scale, shift=-offset * scale)]


@operator("ai.onnx.ml.Normalizer", axes=Axes.OTHER)
def _normalizer(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """x divided by its norm; what a softmax gives has the sum 1 already, and stays as it is."""
    x, norm = features_of(ctx, op), op.attributes.get("norm", "MAX")
    if norm not in NORMS:
        raise Refusal(f"norm {norm}; only L1 and L2 are supported")
    made = ctx.maker(x)
    if norm == "L1" and made is not None and made.layer == Softmax(1):
        return [x]
    return [by_its_norm(ctx, op, x, NORMS[norm], 1)]


@operator("ai.onnx.ml.ArrayFeatureExtractor", axes=Axes.OTHER)
def _features_by_number(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """Some features of each sample, chosen by constant numbers."""
    features_of(ctx, op)
    numbers = ctx.named(Constant.fixed(np.array(ctx.constant(op.inputs[1]).integers())))
    chosen = replace(op, inputs=(op.inputs[0], numbers), attributes={"axis": 1})
    return HANDLERS["Gather"](ctx, chosen)


@operator("ai.onnx.ml.LinearRegressor", axes=Axes.OTHER)
def _linear_regressor(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """x·coefficientsᵀ + intercepts, one row of coefficients for each target."""
    x, a = features_of(ctx, op), op.attributes
    if a.get("post_transform", "NONE") != "NONE":
        raise Refusal(f"post_transform {a['post_transform']}")
    weight, bias = _coefficients(ctx, op, int(a.get("targets", 1)))
    return [ctx.emit(op, _dense(weight, bias), [x])]


@operator("ai.onnx.ml.LinearClassifier", axes=Axes.OTHER)
def _linear_classifier(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """A label, which has no relevance, and a score for each class: of the products, or of a function of them.

    One row of coefficients for two classes is the score s of the second one; the first has 1 − s, or, behind the
    logistic function, the score −s.
    """
    x, a = features_of(ctx, op), op.attributes
    after = str(a.get("post_transform", "NONE"))
    if after not in AFTERWARDS:
        raise Refusal(f"post_transform {after}; NONE, SOFTMAX and LOGISTIC are supported")
    classes = len(a.get("classlabels_ints") or a.get("classlabels_strings") or ())
    rows = 1 if len(a["coefficients"]) == x.size(1) and classes == 2 else classes
    weight, bias = _coefficients(ctx, op, rows)
    if rows < classes:
        if after == "SOFTMAX":
            raise Refusal("a softmax of the score of one class of two")
        first = -bias if after == "LOGISTIC" else 1 - bias
        weight, bias = np.concatenate([-weight, weight], axis=1), np.concatenate([first, bias])
    scores = replace(op, outputs=op.outputs[1:2])
    label, function = Refused(why_not("ArgMax")), AFTERWARDS[after]
    y = ctx.emit(scores, _dense(weight, bias), [x], tag="" if function is None else "scores")
    return [label, y if function is None else ctx.emit(scores, function, [y])]


def _coefficients(ctx: Converter, op: Op, rows: int) -> tuple[Array, Array]:
    """Return the weights, of shape (features, rows), and the intercepts, which are 0 where the file has none."""
    a = op.attributes
    weight = ctx.parameter(np.asarray(a["coefficients"], np.float32), "coefficients").reshape(rows, -1).T
    bias = ctx.parameter(np.asarray(a.get("intercepts") or (0.0,) * rows, np.float32), "intercepts")
    if bias.shape != (rows,):
        raise Refusal(f"{bias.size} intercepts for {rows} rows of coefficients")
    return weight, bias


def _dense(weight: Array, bias: Array) -> Dense:
    return Dense(np.ascontiguousarray(weight), bias if bias.any() else None)
