"""Operators for classical models, as scikit-learn's exporter writes them: scaling, linear regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...layers import Dense
from .arithmetic import affine
from .batches import Axes
from .convert import Converter, operator
from .file import Op
from .values import Refusal, Tensor


@operator("ai.onnx.ml.Scaler", axes=Axes.OTHER)
def _scaler(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """(x − offset)·scale, for each feature or for all."""
    offset, scale = (np.asarray(op.attributes.get(k, (d,)), ctx.dtype) for k, d in (("offset", 0.0), ("scale", 1.0)))
    return [affine(ctx, op, op.inputs[0], scale=scale, shift=-offset * scale)]


@operator("ai.onnx.ml.LinearRegressor", axes=Axes.OTHER)
def _linear_regressor(ctx: Converter, op: Op) -> Sequence[Tensor]:
    """x·coefficientsᵀ + intercepts, one row of coefficients for each target."""
    x, a = ctx.signal(op, op.inputs[0]), op.attributes
    if a.get("post_transform", "NONE") != "NONE":
        raise Refusal(f"post_transform {a['post_transform']}")
    if x.rank != 2 or x.batch != 0:
        raise Refusal(f"an input with {x.rank} axes and its batch at axis {x.batch}")
    rows = np.asarray(a["coefficients"], ctx.dtype).reshape(int(a.get("targets", 1)), -1)
    bias = np.asarray(a["intercepts"], ctx.dtype) if a.get("intercepts") else None
    return [ctx.emit(op, Dense(np.ascontiguousarray(rows.T), bias), [x])]
