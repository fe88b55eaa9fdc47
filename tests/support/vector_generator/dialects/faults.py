"""Faults that any program may have on a linear layer."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.literal import stabilisers
from lrp_ref.literal.matrices import Matrix
from lrp_ref.literal.scalars import positive

from .. import formulas
from ..formulas import Part
from ..layers import Layer, matrix_of
from ..values import zeros
from .base import Sample, by_zero, linear, spoiled, total

# Any linear layer ------------------------------------------------------------------------------------------------

BIASED = ("LRP0", "Epsilon", "Gamma", "GeneralizedGamma")


@linear("no-bias-in-denominator", *BIASED)
def _no_bias(s: Sample) -> Any:
    return total([replace(part, b=part.b * 0) for part in s.parts])


@linear("bias-to-inputs", *BIASED, "AlphaBeta")
def _bias_to_inputs(s: Sample) -> Any:
    """What belongs to the bias is spread evenly over the inputs of the unit."""
    taps = s.matrix.taps.astype(int)
    even = np.array(
        [[Fraction(int(t), max(int(n), 1)) for t, n in zip(row, taps.sum(axis=0), strict=True)] for row in taps]
    )
    found = [replace(p, q=p.q + p.b * even, b=p.b * 0) for p in s.parts]
    return None if s.rule.get("bias_share") else total(found)


@linear("zero-division-nan")
def _zero_division(s: Sample) -> Any:
    return spoiled(formulas.relevance(s.rule, s.matrix, s.a, s.R, s.shape), s.parts, s.matrix.taps)


@linear("dead-unit-kept")
def _dead_unit_kept(s: Sample) -> Any:
    """A unit whose denominator is 0 hands its relevance to its inputs in equal parts."""
    taps, received = s.matrix.taps.astype(int), formulas.relevance(s.rule, s.matrix, s.a, s.R, s.shape)
    each = np.array([Fraction(1, max(int(n), 1)) for n in taps.sum(axis=0)], dtype=object)
    for part in s.parts:
        received = received + (taps * (each * part.R * by_zero(part))).sum(axis=1)
    return received


@linear("transpose-forgotten", "LRP0", "Epsilon", "Gamma")
def _transpose_forgotten(s: Sample) -> Any:
    """The messages go back through the weights of the forward direction: a_i sum_j w_ji R_j / st_j."""
    if s.call.layer["type"] != "Dense" or s.matrix.weight.shape[0] != s.matrix.weight.shape[1]:
        return None
    part = s.parts[0]
    d, w = part.stabiliser(part.q.sum(axis=0) + part.b), s.matrix.weight
    if s.call.name == "Gamma":
        w = w + s.rule["gamma"] * positive(w)
    return np.asarray(s.a * (w.T @ np.array([0 if x == 0 else r / x for r, x in zip(s.R, d, strict=True)])))


@linear("kernel-not-flipped", "LRP0", "Epsilon")
def _kernel_not_flipped(s: Sample) -> Any:
    """The pull-back of a convolution with the mirrored kernel."""
    layer = s.call.layer
    if layer["type"] not in ("Conv", "ConvTranspose"):
        return None
    mirrored = layer["weight"][(slice(None), slice(None), *(slice(None, None, -1),) * (layer["weight"].ndim - 2))]
    other = matrix_of({**layer, "weight": mirrored}, [s.shape])
    part = s.parts[0]
    d = part.stabiliser(part.q.sum(axis=0) + part.b)
    factor = np.array([0 if x == 0 else r / x for r, x in zip(s.R, d, strict=True)])
    return np.asarray(((s.a[:, None] * other.weight) * factor).sum(axis=1))


def _other_layer(s: Sample, layer: Layer) -> Any:
    """Relevance of another layer in place of the right one, whose first outputs are those that exist."""
    right, wrong = s.matrix.output_shape, matrix_of(layer, [s.shape])
    index = np.arange(wrong.weight.shape[1]).reshape(wrong.output_shape)
    if any(n < m for n, m in zip(wrong.output_shape, right, strict=True)):
        return None
    kept = index[tuple(slice(0, n) for n in right)].reshape(-1)
    cut = Matrix(wrong.weight[:, kept], wrong.bias[kept], wrong.taps[:, kept], right)
    return formulas.relevance(s.rule, cut, s.a, s.R, s.shape)


@linear("dilation-ignored")
def _dilation_ignored(s: Sample) -> Any:
    layer = s.call.layer
    if layer["type"] != "Conv" or set(layer["dilation"]) == {1}:
        return None
    return _other_layer(s, {**layer, "dilation": [1] * len(layer["dilation"])})


@linear("stride-ignored")
def _stride_ignored(s: Sample) -> Any:
    layer = s.call.layer
    if layer["type"] != "Conv" or set(layer["stride"]) == {1}:
        return None
    return _other_layer(s, {**layer, "stride": [1] * len(layer["stride"])})


@linear("padding-shifted")
def _padding_shifted(s: Sample) -> Any:
    """Padding before and after are exchanged."""
    layer = s.call.layer
    if layer["type"] not in ("Conv", "ConvTranspose", "AveragePool", "SumPool") or "padding" not in layer:
        return None
    if all(a == b for a, b in layer["padding"]):
        return None
    return _other_layer(s, {**layer, "padding": [[b, a] for a, b in layer["padding"]]})


@linear("groups-ignored")
def _groups_ignored(s: Sample) -> Any:
    """Every output channel of a grouped convolution reads the channels of the first group."""
    layer = s.call.layer
    if layer["type"] != "Conv" or layer["groups"] == 1:
        return None
    per_group = layer["weight"].shape[1]
    first = matrix_of({**layer, "groups": 1}, [(per_group, *s.shape[1:])])
    w, taps = zeros(s.matrix.weight.shape), np.zeros(s.matrix.taps.shape, dtype=bool)
    w[: len(first.weight)], taps[: len(first.weight)] = first.weight, first.taps
    return formulas.relevance(s.rule, Matrix(w, s.matrix.bias, taps, s.matrix.output_shape), s.a, s.R, s.shape)


@linear("batch-mixed")
def _batch_mixed(s: Sample) -> Any:
    """Every sample is explained with the activations of the first one, times its own inputs."""
    if s.number == 0:
        return formulas.relevance(s.rule, s.matrix, s.a, s.R, s.shape)
    first = np.concatenate([x[0].reshape(-1) for x in s.call.inputs])
    return formulas.relevance(s.rule, s.matrix, first, s.R, s.shape)


@linear("gradient")
def _gradient(s: Sample) -> Any:
    return np.asarray(s.matrix.weight @ s.R)


@linear("gradient-times-input")
def _gradient_times_input(s: Sample) -> Any:
    """Not divided by the denominator: a_i sum_j w_ij R_j."""
    return np.asarray(s.a * (s.matrix.weight @ s.R))


@linear("input-factor-missing", "LRP0", "Epsilon")
def _input_factor_missing(s: Sample) -> Any:
    return total(
        [replace(p, q=s.matrix.weight, b=p.q.sum(axis=0) + p.b - s.matrix.weight.sum(axis=0)) for p in s.parts]
    )


@linear("absolute")
def _absolute(s: Sample) -> Any:
    """In proportion to |z_ij|."""
    z = abs(s.a[:, None] * s.matrix.weight)
    return total([Part(z, zeros(len(s.R)), s.R, stabilisers.exact, z)])
