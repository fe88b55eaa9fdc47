"""What layers and rules refuse: at least one error sample for each, with its class and words of its message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from samples import SAMPLES, first

from lrp_ref import layers, rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import BackendError, GraphError, LrpError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import LAYERS
from lrp_ref.network import Input, Network, Node
from lrp_ref.rules import RULES, edits

Refusal = tuple[Callable[[], Any], type[LrpError], str]


def ones(*shape: int) -> Any:
    return np.ones(shape)


def conv(**options: Any) -> Any:
    return layers.Conv(ones(4, 2, 3), ones(4), **options)


def distance(*options: Any) -> layers.SquaredDistance:
    """Of two centres, three features."""
    return layers.SquaredDistance(ones(2, 3), *options)


def lstm(**options: Any) -> Any:
    return layers.LSTM(ones(1, 4, 2, 3), ones(1, 4, 2, 2), ones(1, 4, 2), **options)


def cell(kind: str, gates: int, **options: Any) -> Any:
    return getattr(layers, kind)(ones(1, gates, 2, 3), ones(1, gates, 2, 2), ones(1, gates, 2), **options)


def scan(**options: Any) -> layers.SelectiveScan:
    return layers.SelectiveScan(-ones(2, 3), **options)


def scanned(n: int, steps: int) -> tuple[Any, ...]:
    """Operands of :func:`scan`."""
    return ones(n, steps, 2), ones(n, steps, 2), ones(n, steps, 3), ones(n, steps, 3)


LAYER_REFUSALS: list[tuple[str, Callable[[], Any], type[LrpError], str]] = [
    ("Dense", lambda: layers.Dense(ones(3)), ShapeError, r"weight must be (in, out), got shape (3,)"),
    ("Dense", lambda: layers.Dense(ones(3, 2), ones(3)), ShapeError, "bias must be (2,), got shape (3,)"),
    ("Dense", lambda: layers.Dense(ones(3, 2)).forward(ones(1, 4)), ShapeError, "does not end in 3 features"),
    ("Dense", lambda: layers.Dense(ones(3, 2)).forward(ones(3)), ShapeError, "does not end in 3 features"),
    ("Dense", lambda: layers.Dense(ones(3, 2)).forward(np.ones((1, 3), "f4")), BackendError, "float32"),
    ("Dense", lambda: layers.Dense(ones(3, 2)).forward(np.ones((1, 3), int)), BackendError, "int64"),
    ("Conv", lambda: layers.Conv(ones(4, 2)), ShapeError, "at least one kernel axis"),
    ("Conv", lambda: conv(groups=3), ShapeError, "4 first-axis channels do not split into 3 groups"),
    ("Conv", lambda: conv(stride=(1, 2)), ShapeError, "one number for each of 1 spatial axes"),
    ("Conv", lambda: conv(stride=0), ParameterError, "stride must be at least 1"),
    ("Conv", lambda: conv(dilation=0), ParameterError, "dilation must be at least 1"),
    ("Conv", lambda: conv(padding=-1), ParameterError, "padding must not be negative"),
    ("Conv", lambda: layers.Conv(ones(4, 2, 3), ones(3)), ShapeError, "does not fit 4 output channels"),
    ("Conv", lambda: conv().forward(ones(1, 3, 5)), ShapeError, "input of shape (1, 3, 5) is not (N, 2, size)"),
    ("Conv", lambda: conv().forward(ones(1, 2, 5, 5)), ShapeError, "is not (N, 2, size)"),
    ("Conv", lambda: conv().forward(ones(1, 2, 2)), ShapeError, "smaller than the kernel (3,)"),
    ("ConvTranspose", lambda: layers.ConvTranspose(ones(2, 3)), ShapeError, "at least one kernel axis"),
    ("ConvTranspose", lambda: layers.ConvTranspose(ones(2, 3, 2)).forward(ones(1, 3, 2)), ShapeError, "is not (N, 2"),
    (
        "ConvTranspose",
        lambda: layers.ConvTranspose(ones(2, 3, 2), padding=2).forward(ones(1, 2, 2)),
        ShapeError,
        "crops the whole output",
    ),
    ("SumPool", lambda: layers.SumPool(2).forward(ones(1, 4)), ShapeError, "has no spatial axis"),
    ("SumPool", lambda: layers.SumPool(0).forward(ones(1, 1, 4)), ParameterError, "must be at least 1"),
    ("SumPool", lambda: layers.SumPool(5).forward(ones(1, 1, 4)), ShapeError, "is smaller than the kernel (5,)"),
    ("AveragePool", lambda: layers.AveragePool(2, padding=2).forward(ones(1, 1, 4)), ParameterError, "smaller than"),
    ("AveragePool", lambda: layers.AveragePool((2, 2)).forward(ones(1, 1, 4)), ShapeError, "1 spatial axes"),
    ("MaxPool", lambda: layers.MaxPool(2, ties="last"), ParameterError, "ties must be 'first' or 'share', got 'last'"),
    ("MaxPool", lambda: layers.MaxPool(2).forward(ones(1, 1, 1)), ShapeError, "smaller than the kernel"),
    ("GlobalMaxPool", lambda: layers.GlobalMaxPool(ties="all"), ParameterError, "got 'all'"),
    ("GlobalMaxPool", lambda: layers.GlobalMaxPool().forward(ones(1, 3)), ShapeError, "has no spatial axis"),
    ("GlobalAveragePool", lambda: layers.GlobalAveragePool().forward(ones(1, 3)), ShapeError, "must exist"),
    ("Sum", lambda: layers.Sum(axes=(0,)).forward(ones(1, 3)), ShapeError, "not be the batch"),
    ("Sum", lambda: layers.Sum(axes=(4,)).forward(ones(1, 3, 2)), ShapeError, "axes (4,) of shape (1, 3, 2)"),
    ("Sum", lambda: layers.Sum(axes=(1, -1)).forward(ones(1, 3)), ShapeError, "differ"),
    ("Mean", lambda: layers.Mean(axes=(-2,)).forward(ones(1, 3)), ShapeError, "not be the batch"),
    ("Affine", lambda: layers.Affine(), ShapeError, "give a scale, a shift or both"),
    ("Affine", lambda: layers.Affine(ones(2)).forward(ones(1, 3, 3)), ShapeError, "does not fit an input"),
    ("Affine", lambda: layers.Affine(ones(1, 2, 3)).forward(ones(1, 2, 3)), ShapeError, "more axes than a sample"),
    ("Affine", lambda: layers.Affine(ones(2)).forward(np.ones((1, 2), "f4")), BackendError, "float32"),
    ("SquaredDistance", lambda: layers.SquaredDistance(ones(3)), ShapeError, "centers must be (K, D), got shape (3,)"),
    ("SquaredDistance", lambda: distance(ones(2)), ShapeError, "precision of shape (2,) for 2 centres of 3 features"),
    ("SquaredDistance", lambda: distance(ones(3, 3)), ShapeError, "give diagonals (2, 3) or matrices (2, 3, 3)"),
    ("SquaredDistance", lambda: distance(ones(2, 3, 2)), ShapeError, "precision of shape (2, 3, 2)"),
    ("SquaredDistance", lambda: distance(None, ones(3)), ShapeError, "offset must be (2,), got shape (3,)"),
    ("SquaredDistance", lambda: distance(None, None, np.inf), ParameterError, "factor must be a finite real number"),
    ("SquaredDistance", lambda: distance().forward(ones(1, 2)), ShapeError, "shape (1, 2); expected (N, 3)"),
    ("SquaredDistance", lambda: distance().forward(ones(3)), ShapeError, "shape (3,); expected (N, 3)"),
    ("SquaredDistance", lambda: distance().forward(np.ones((1, 3), "f4")), BackendError, "float32"),
    ("SquaredDistance", lambda: distance().relevance_backward(ones(1, 3), ones(1, 3)), ShapeError, "has shape (1, 2)"),
    *(
        (
            "SquaredDistance",
            lambda r=rule: distance().relevance_backward(ones(1, 3), ones(1, 2), r),
            UnsupportedError,
            "compares inputs with constants, which SquaredDistance has no terms for",
        )
        for rule in (rules.ZBox(-1, 1), rules.Reference(0.5))
    ),
    (
        "SquaredDistance",
        lambda: distance().relevance_backward(ones(1, 3), ones(1, 2), rules.Product("half")),
        UnsupportedError,
        "its own way is LRP-0: in proportion to the terms",
    ),
    ("Distance", lambda: layers.Distance(ones(3)), ShapeError, "Distance: centers must be (K, D), got shape (3,)"),
    ("Distance", lambda: layers.Distance(ones(2, 3), ones(3)), ShapeError, "offset must be (2,), got shape (3,)"),
    ("Distance", lambda: layers.Distance(ones(2, 3)).forward(ones(1, 2)), ShapeError, "expected (N, 3)"),
    ("FeatureDistance", lambda: layers.FeatureDistance(ones(3)), ShapeError, "centers must be (K, D), got shape (3,)"),
    (
        "AdditiveKernel",
        lambda: layers.AdditiveKernel(ones(2, 3), ones(3, 1)),
        ShapeError,
        "coefficients must be (2, K), a row for each support, got shape (3, 1)",
    ),
    (
        "KernelMachine",
        lambda: layers.KernelMachine(ones(2, 3), ones(2, 1)),
        ParameterError,
        "the rbf kernel needs gamma=",
    ),
    ("UnitNorm", lambda: layers.UnitNorm("l3"), ParameterError, "unknown norm 'l3'"),
    ("UnitNorm", lambda: layers.UnitNorm().forward(ones(3)), ShapeError, "has no features; expected (N, ..., D)"),
    ("PairDifference", lambda: layers.PairDifference().forward(ones(1, 1)), ShapeError, "shape (1, 1) has 1"),
    ("PairDifference", lambda: layers.PairDifference().forward(ones(1, 2, 2)), ShapeError, "expected (N, K)"),
    ("PairDifference", lambda: layers.PairDifference().vjp(ones(1, 3), ones(1, 3, 3)), ShapeError, "shape (1, 3, 2)"),
    ("SoftMin", lambda: layers.SoftMin(0), ParameterError, "SoftMin: gamma must be > 0, got 0"),
    ("SoftMin", lambda: layers.SoftMin(-np.inf), ParameterError, "gamma must be a finite real number, got -inf"),
    ("SoftMin", lambda: layers.SoftMin(np.nan), ParameterError, "SoftMin: gamma must be > 0, got nan"),
    ("SoftMin", lambda: layers.SoftMin("1"), ParameterError, "SoftMin: gamma must be a finite real number, got '1'"),
    ("SoftMin", lambda: layers.SoftMin(share="moost"), ParameterError, "did you mean 'most'"),
    ("SoftMin", lambda: layers.SoftMin().forward(ones(3)), ShapeError, "no number to take the smallest of"),
    ("SoftMin", lambda: layers.SoftMin(hard=True).forward(ones(3, 0)), ShapeError, "no number to take the smallest of"),
    (
        "SoftMin",
        lambda: layers.SoftMin().relevance_backward(ones(1, 3), ones(1, 1), rules.Product("half")),
        UnsupportedError,
        "its own way is R_k = p_k·R",
    ),
    ("SoftMin", lambda: layers.SoftMin().relevance_backward(ones(2, 3), ones(2, 3)), ShapeError, "has shape (2, 1)"),
    ("Centred", lambda: layers.Centred(ones(2)).forward(ones(1, 3)), ShapeError, "does not fit an input of shape"),
    ("Centred", lambda: layers.Centred(ones(3), ones(2)).forward(ones(1, 3)), ShapeError, "does not fit an input of"),
    ("Centred", lambda: layers.Centred(ones(2, 2, 2)).forward(ones(1, 2, 2)), ShapeError, "does not fit an input of"),
    ("Centred", lambda: layers.Centred(ones(2)).forward(np.ones((1, 2), "f4")), BackendError, "float32"),
    ("Add", lambda: layers.Add((1, -1)).forward(ones(1, 2)), ShapeError, "2 coefficients for 1 operands"),
    ("Add", lambda: layers.Add().forward(ones(1, 2), ones(1, 3)), ShapeError, "do not broadcast"),
    ("Multiply", lambda: layers.Multiply(gate=2), ParameterError, "gate must be 0, 1 or None"),
    ("Multiply", lambda: layers.Multiply().forward(ones(1, 2), ones(1, 3)), ShapeError, "do not broadcast"),
    ("Multiply", lambda: layers.Multiply().vjp(ones(1, 2), ones(1, 2)), ShapeError, "takes 2 inputs, got 1"),
    ("Concat", lambda: layers.Concat(0).forward(ones(1, 2)), ShapeError, "is the batch"),
    ("Concat", lambda: layers.Concat(2).forward(ones(1, 2)), ShapeError, "does not exist"),
    ("Concat", lambda: layers.Concat().forward(ones(1, 2, 2), ones(1, 2, 3)), ShapeError, "differ outside axis 1"),
    ("GELU", lambda: layers.GELU("sigmoid"), ParameterError, "must be 'none' or 'tanh', got 'sigmoid'"),
    ("Clip", lambda: layers.Clip(2, 1), ParameterError, "low 2 is above high 1"),
    ("Flatten", lambda: layers.Flatten(0).forward(ones(1, 2, 3)), ShapeError, "is the batch"),
    ("Reshape", lambda: layers.Reshape((4,)).forward(ones(1, 2, 3)), ShapeError, "does not fit into (4,)"),
    ("Reshape", lambda: layers.Reshape((-1, -1)).forward(ones(1, 6)), ShapeError, "does not fit"),
    ("Reshape", lambda: layers.Reshape((-1, 4)).forward(ones(1, 6)), ShapeError, "does not fit"),
    ("Squeeze", lambda: layers.Squeeze((1,)).forward(ones(1, 2)), ShapeError, "not all of size 1"),
    ("Squeeze", lambda: layers.Squeeze((0,)).forward(ones(1, 2)), ShapeError, "is the batch"),
    ("Unsqueeze", lambda: layers.Unsqueeze((0,)).forward(ones(1, 2)), ShapeError, "is the batch"),
    ("Transpose", lambda: layers.Transpose((1, 0)), ParameterError, "keeps the batch first"),
    ("Transpose", lambda: layers.Transpose((0, 2, 1)).forward(ones(1, 2)), ShapeError, "does not have the 3 axes"),
    ("Slice", lambda: layers.Slice((0,), (0,), (1,)).forward(ones(1, 2)), ShapeError, "is the batch"),
    ("Slice", lambda: layers.Slice((1,), (0,)), ParameterError, "one start, stop and step for each axis"),
    ("Slice", lambda: layers.Slice((1,), (0,), (1,), (0,)), ParameterError, "steps must not be 0"),
    ("Split", lambda: layers.Split((1, 2)).forward(ones(1, 4)), ShapeError, "do not add up to axis 1"),
    ("Split", lambda: layers.Split((1,), axis=0).forward(ones(1, 4)), ShapeError, "is the batch"),
    ("Gather", lambda: layers.Gather((0, 4)).forward(ones(1, 4)), ShapeError, "do not fit axis 1"),
    ("Gather", lambda: layers.Gather(0, axis=0).forward(ones(1, 4)), ShapeError, "is the batch"),
    ("Pad", lambda: layers.Pad(((0, 1),), mode="wrap"), ParameterError, "must be constant, reflect or edge"),
    ("Pad", lambda: layers.Pad(((0, 1),)).forward(ones(1, 2, 3)), ShapeError, "1 pairs for an input of shape"),
    ("Pad", lambda: layers.Pad(((2, 0),), mode="reflect").forward(ones(1, 2)), ShapeError, "more than the 2 values"),
    ("Pad", lambda: layers.Pad(((-2, -1),)).forward(ones(1, 2)), ShapeError, "crop more than"),
    ("Upsample", lambda: layers.Upsample((2,)).forward(ones(1, 2, 3, 3)), ShapeError, "do not fit the spatial axes"),
    ("Upsample", lambda: layers.Upsample((0,)).forward(ones(1, 2, 3)), ShapeError, "do not fit the spatial axes"),
    ("MatMul", lambda: layers.MatMul(gate=2), ParameterError, "MatMul: gate must be 0, 1 or None, got 2"),
    ("MatMul", lambda: layers.MatMul().forward(ones(1, 2, 3), ones(1, 2, 3)), ShapeError, "(N, ..., inner, columns)"),
    ("MatMul", lambda: layers.MatMul().forward(ones(1, 3), ones(1, 3, 3)), ShapeError, "(1, 3) and (1, 3, 3) are not"),
    ("MatMul", lambda: layers.MatMul().forward(ones(1, 2, 3, 3), ones(1, 3, 3, 3)), ShapeError, "do not broadcast"),
    (
        "MatMul",
        lambda: layers.MatMul().relevance_backward((ones(1, 2, 2),) * 2, ones(1, 2, 2), rules.Product("abs")),
        UnsupportedError,
        "is not a rule for MatMul",
    ),
    ("Compare", lambda: layers.Compare("above"), ParameterError, "less, less_equal, got 'above'"),
    ("Compare", lambda: layers.Compare("equal").forward(ones(1, 2)), ShapeError, "1 inputs without a bound"),
    ("Compare", lambda: layers.Compare("equal").forward(ones(1, 2), ones(1, 3)), ShapeError, "do not broadcast"),
    ("Compare", lambda: layers.Compare("equal", ones(2, 2)).forward(ones(1, 2)), ShapeError, "has more axes than"),
    ("Compare", lambda: layers.Compare("equal", ones(1)).forward(np.ones((1, 2), int)), BackendError, "int64"),
    ("Where", lambda: layers.Where().forward(ones(1, 2), ones(1, 3), ones(1, 3)), ShapeError, "do not broadcast"),
    ("Where", lambda: layers.Where().forward(*(ones(1, 2),) * 2, np.ones((1, 2), "f4")), BackendError, "float32"),
    (
        "Number",
        lambda: layers.Number(ones(1)).relevance_backward(ones(1, 2), ones(1, 3)),
        ShapeError,
        "Number: the output has shape (1, 2), its relevance has shape (1, 3)",
    ),
    (
        "Constant",
        lambda: layers.Constant(ones(2)).relevance_backward(ones(1, 3), ones(1, 3)),
        ShapeError,
        "Constant: the output has shape (1, 2), its relevance has shape (1, 3)",
    ),
    ("Embedding", lambda: layers.Embedding(ones(3)), ShapeError, "table must be (rows, features), got shape (3,)"),
    (
        "Embedding",
        lambda: layers.Embedding(ones(3, 2)).forward(np.array([[3]])),
        ParameterError,
        "inputs must be -3 to 2, got 3",
    ),
    (
        "Embedding",
        lambda: layers.Embedding(ones(3, 2)).forward(np.array([[0.5]])),
        ParameterError,
        "must be whole numbers, got 0.5",
    ),
    (
        "FisherVector",
        lambda: layers.FisherVector(ones(2), ones(2, 3), ones(2, 3, 3)),
        ShapeError,
        "variances (2, 3, 3); expected (K,), (K, D), (K, D): a mixture with one variance per dimension",
    ),
    ("FisherVector", lambda: layers.FisherVector(ones(3), ones(2, 3), ones(2, 3)), ShapeError, "weights (3,), means"),
    ("FisherVector", lambda: layers.FisherVector(ones(0), ones(0, 3), ones(0, 3)), ShapeError, "means (0, 3)"),
    (
        "FisherVector",
        lambda: layers.FisherVector(ones(2), ones(2, 3), ones(2, 3) * 0),
        ParameterError,
        "all variances must be > 0",
    ),
    (
        "FisherVector",
        lambda: layers.FisherVector(np.array([1.0, np.nan]), ones(2, 3), ones(2, 3)),
        ParameterError,
        "all weights must be > 0; leave out components that have none",
    ),
    (
        "FisherVector",
        lambda: layers.FisherVector(ones(2), ones(2, 3), ones(2, 3), "scikit"),
        ParameterError,
        "unknown convention 'scikit': known: perronnin, skimage",
    ),
    (
        "FisherVector",
        lambda: layers.FisherVector(ones(2), ones(2, 3), ones(2, 3)).forward(ones(5, 3)),
        ShapeError,
        "FisherVector: input of shape (5, 3); expected the descriptors of each image, (N, T, 3)",
    ),
    (
        "FisherVector",
        lambda: layers.FisherVector(ones(2), ones(2, 3), ones(2, 3)).forward(rational(ones(1, 5, 3))),
        BackendError,
        "FisherVector: the input is object",
    ),
    (
        "FisherVector",
        lambda: rational(layers.FisherVector(ones(2), ones(2, 3), ones(2, 3))).forward(rational(ones(1, 5, 3))),
        UnsupportedError,
        "exp",
    ),
    (
        "SoftAssign",
        lambda: layers.SoftAssign(ones(2, 3)).relevance_backward(ones(1, 4, 3), ones(1, 2), rules.ZBox(0.0, 1.0)),
        UnsupportedError,
        "is not a rule for SoftAssign: its terms are no products with inputs that have bounds",
    ),
    (
        "SoftAssign",
        lambda: layers.SoftAssign(ones(2, 3)).relevance_backward(ones(1, 4, 3), ones(1, 2), rules.Product()),
        UnsupportedError,
        "is not a rule for SoftAssign: its own way is LRP-0 over the terms",
    ),
    (
        "SoftAssign",
        lambda: layers.SoftAssign(ones(2, 3)).relevance_backward(ones(1, 4, 3), ones(1, 3)),
        ShapeError,
        "SoftAssign: the output has shape (1, 2), its relevance has shape (1, 3)",
    ),
    (
        "SoftAssign",
        lambda: layers.SoftAssign(ones(2, 0)),
        ShapeError,
        "codebook of shape (2, 0); expected words (W, D)",
    ),
    ("SoftAssign", lambda: layers.SoftAssign(ones(2, 3), -1.0), ParameterError, "beta must be ≥ 0, got -1.0"),
    ("SoftAssign", lambda: layers.SoftAssign(ones(2, 3), "1"), ParameterError, "beta must be a finite real number"),
    ("SoftAssign", lambda: layers.SoftAssign(ones(2, 3)).forward(ones(1, 4, 2)), ShapeError, "each image, (N, T, 3)"),
    ("Softmax", lambda: layers.Softmax(axis=0).forward(ones(2, 3)), ShapeError, "is the batch"),
    ("Softmax", lambda: layers.Softmax(axis=2).forward(ones(2, 3)), ShapeError, "does not exist"),
    ("Max", lambda: layers.Max(ties="last"), ParameterError, "Max: ties must be 'first' or 'share', got 'last'"),
    ("Max", lambda: layers.Max((0,)).forward(ones(1, 2)), ShapeError, "not be the batch"),
    ("Max", lambda: layers.Max((1,)).forward(ones(1, 0)), ShapeError, "no value to take the largest of"),
    ("Prod", lambda: layers.Prod((2,)).forward(ones(1, 2)), ShapeError, "axes (2,) of shape (1, 2) must exist"),
    ("LogSumExp", lambda: layers.LogSumExp((1, -1)).forward(ones(1, 2)), ShapeError, "differ"),
    ("LogSumExp", lambda: layers.LogSumExp((1,)).forward(ones(1, 0)), ShapeError, "has nothing to add up"),
    ("Normalize", lambda: layers.Normalize(epsilon=-1.0), ParameterError, "epsilon must be ≥ 0, got -1.0"),
    ("Normalize", lambda: layers.Normalize(groups=2), ParameterError, "2 groups of axis 1 in axes (-1,)"),
    ("Normalize", lambda: layers.Normalize((1,), groups=0), ParameterError, "0 groups"),
    ("Normalize", lambda: layers.Normalize((1,), groups=2).forward(ones(1, 3)), ShapeError, "do not divide into 2"),
    ("Normalize", lambda: layers.Normalize((0,)).forward(ones(1, 3)), ShapeError, "not be the batch"),
    (
        "Normalize",
        lambda: layers.Normalize().relevance_backward(ones(1, 2), ones(1, 2), rules.Product()),
        UnsupportedError,
        "its own way is LRP-0 with the deviation as a constant",
    ),
    ("LocalResponseNorm", lambda: layers.LocalResponseNorm(0), ParameterError, "size must be at least 1, got 0"),
    ("LocalResponseNorm", lambda: layers.LocalResponseNorm(2).forward(ones(3)), ShapeError, "has no channels"),
    (
        "LocalResponseNorm",
        lambda: layers.LocalResponseNorm(2).relevance_backward(ones(1, 2), ones(1, 2), rules.Epsilon(0.1)),
        UnsupportedError,
        "its own way is taylor: R_i = ",
    ),
    (
        "LocalResponseNorm",
        lambda: layers.LocalResponseNorm(2, window="caffe"),
        ParameterError,
        "window must be one of onnx, torch, got 'caffe'",
    ),
    (
        "LocalResponseNorm",
        lambda: layers.LocalResponseNorm(2, beta=0.5).forward(np.ones((1, 2), object)),
        UnsupportedError,
        "the power -0.5 has no exact value on rationals",
    ),
    (
        "SelectiveScan",
        lambda: layers.SelectiveScan(ones(2)),
        ShapeError,
        "a must be (channels, states), got shape (2,)",
    ),
    ("SelectiveScan", lambda: layers.SelectiveScan(ones(2, 3), ones(3)), ShapeError, "skip must be (2,), got (3,)"),
    ("SelectiveScan", lambda: scan(decay="euler"), ParameterError, "decay must be one of exp, linear, got 'euler'"),
    (
        "SelectiveScan",
        lambda: scan().forward(ones(1, 4, 2)),
        ShapeError,
        "SelectiveScan takes 4 inputs (x, delta, b, c), got 1",
    ),
    (
        "SelectiveScan",
        lambda: scan(state=True).forward(*scanned(1, 4)),
        ShapeError,
        "SelectiveScan takes 5 inputs (x, delta, b, c, state), got 4",
    ),
    (
        "SelectiveScan",
        lambda: scan().forward(ones(1, 4, 3), *scanned(1, 4)[1:]),
        ShapeError,
        "x of shape (1, 4, 3) is not (N, time, 2)",
    ),
    (
        "SelectiveScan",
        lambda: scan().forward(*scanned(1, 4)[:3], ones(1, 5, 3)),
        ShapeError,
        "c of shape (1, 5, 3) is not (1, 4, 3), as a and x make it",
    ),
    (
        "SelectiveScan",
        lambda: scan(state=True).forward(*scanned(1, 4), ones(2, 2, 3)),
        ShapeError,
        "state of shape (2, 2, 3) is not (1, 2, 3), as a and x make it",
    ),
    (
        "SelectiveScan",
        lambda: scan().forward(*(v.astype(np.float32) for v in scanned(1, 4))),
        BackendError,
        "the input is float32, the parameters are float64",
    ),
    (
        "SelectiveScan",
        lambda: scan().relevance_backward(scanned(1, 4), ones(1, 4, 2), rules.Product("half")),
        UnsupportedError,
        "its own way is Selection('signal')",
    ),
    (
        "SelectiveScan",
        lambda: scan().relevance_backward(scanned(1, 4), ones(1, 4, 3)),
        ShapeError,
        "the output has shape (1, 4, 2), its relevance has shape (1, 4, 3)",
    ),
    ("Bounds", lambda: layers.Bounds(ones(3)).forward(ones(1, 2)), ShapeError, "bound of shape (3,) does not fit"),
    ("CELU", lambda: layers.CELU(0.0), ParameterError, "alpha must be > 0, got 0.0"),
    ("Shrink", lambda: layers.Shrink(-1), ParameterError, "threshold must be ≥ 0, got -1"),
    ("Function", lambda: layers.Function("sine"), ParameterError, "unknown function 'sine': did you mean 'sin'?"),
    ("LSTM", lambda: lstm(direction="up"), ParameterError, "direction must be one of forward"),
    ("LSTM", lambda: lstm(returns="first"), ParameterError, "returns must be one of sequence"),
    ("LSTM", lambda: lstm(direction="bidirectional"), ShapeError, "must be (2, 4, hidden, features)"),
    ("LSTM", lambda: layers.LSTM(ones(1, 4, 2, 3), ones(1, 4, 2, 3), ones(1, 4, 2)), ShapeError, "do not fit"),
    ("LSTM", lambda: lstm().forward(ones(1, 4, 2)), ShapeError, "is not (N, time, 3)"),
    ("LSTM", lambda: lstm().forward(ones(1, 3)), ShapeError, "is not (N, time, 3)"),
    ("LSTM", lambda: lstm(state=True).forward(ones(1, 4, 3)), ShapeError, "expects 3 inputs"),
    ("LSTM", lambda: lstm(lengths=True).forward(ones(2, 4, 3), np.ones(3, int)), ShapeError, "lengths of shape (3,)"),
    ("LSTM", lambda: lstm().forward(np.ones((1, 4, 3), "f4")), BackendError, "float32"),
    ("RNN", lambda: cell("RNN", 2), ShapeError, "RNN: weight_input must be (1, 1, hidden, features)"),
    ("RNN", lambda: cell("RNN", 1, activation="cube"), ParameterError, "activation must be one of elu, gelu"),
    ("RNN", lambda: cell("RNN", 1, activation=("relu", 1)), ParameterError, "relu does not take the parameters (1,)"),
    ("RNN", lambda: cell("RNN", 1, activation=("elu", "a")), ParameterError, "a parameter of elu must be a finite"),
    ("RNN", lambda: cell("RNN", 1, clip=0), ParameterError, "RNN: clip must be above 0, got 0"),
    ("RNN", lambda: cell("RNN", 1, state=True).forward(ones(1, 4, 3)), ShapeError, "expects 2 inputs"),
    ("GRU", lambda: cell("GRU", 4), ShapeError, "GRU: weight_input must be (1, 3, hidden, features)"),
    ("GRU", lambda: cell("GRU", 3, bias_hidden=ones(2)), ShapeError, "GRU: bias_hidden must be (1, 2), got (2,)"),
    (
        "GRU",
        lambda: cell("GRU", 3, bias_hidden=ones(1, 2), reset_after=False),
        ParameterError,
        "GRU: with the reset gate before the product, add bias_hidden to the bias of n",
    ),
    ("GRU", lambda: cell("GRU", 3, gate="step"), ParameterError, "GRU: activation must be one of"),
    ("GeneralLSTM", lambda: cell("GeneralLSTM", 3), ShapeError, "must be (1, 4, hidden, features)"),
    (
        "GeneralLSTM",
        lambda: cell("GeneralLSTM", 4, peephole=ones(1, 2, 2)),
        ShapeError,
        "GeneralLSTM: peephole must be (1, 3, 2), got (1, 2, 2)",
    ),
    ("GeneralLSTM", lambda: cell("GeneralLSTM", 4, clip=-1.0), ParameterError, "clip must be above 0, got -1.0"),
]

ELEMENTWISE = sorted({s.kind for s in SAMPLES if isinstance(s.layer(), layers.Elementwise)})

RULE_REFUSALS: list[tuple[str, Callable[[], Any], type[LrpError], str]] = [
    ("Epsilon", lambda: rules.Epsilon(-1), ParameterError, "epsilon must be ≥ 0, got -1"),
    ("Epsilon", lambda: rules.Epsilon(float("nan")), ParameterError, "epsilon must be ≥ 0, got nan"),
    ("Epsilon", lambda: rules.Epsilon(0.1, 1.5), ParameterError, "bias_share must be in [0, 1], got 1.5"),
    ("Epsilon", lambda: rules.Epsilon(0.1, 0, -1), ParameterError, "stabiliser_share must be in [0, 1]"),
    ("Gamma", lambda: rules.Gamma(-0.5), ParameterError, "gamma must be ≥ 0"),
    ("GeneralizedGamma", lambda: rules.GeneralizedGamma(-0.5), ParameterError, "gamma must be ≥ 0"),
    ("AlphaBeta", lambda: rules.AlphaBeta(2, 0), ParameterError, "α − β must be 1 and β ≥ 0, got α=2, β=0"),
    ("AlphaBeta", lambda: rules.AlphaBeta(0.5, -0.5), ParameterError, "β ≥ 0"),
    ("ZBox", lambda: rules.ZBox(1, 0), ParameterError, "low must be ≤ high everywhere"),
    ("ZBox", lambda: rules.ZBox(np.array([0.0, 2.0]), 1), ParameterError, "low must be ≤ high everywhere"),
    ("ZBox", lambda: rules.ZBox(ones(2), ones(3)), ShapeError, "do not fit each other"),
    (
        "ZBox",
        lambda: conv().relevance_backward(ones(1, 2, 4), ones(1, 4, 2), rules.ZBox(ones(3), 2)),
        ShapeError,
        "does not fit inputs of shape (1, 2, 4)",
    ),
    ("ZBox", lambda: rules.ZBox("0", 1), ParameterError, "ZBox: bounds must be real numbers, got '0'"),
    ("ZBox", lambda: rules.ZBox(0, 1j), ParameterError, "ZBox: bounds must be real numbers"),
    ("ZBox", lambda: rules.ZBox([None], 1), ParameterError, "ZBox: bounds must be real numbers"),
    ("ZBox", lambda: rules.ZBox({}, 1), ParameterError, "ZBox: bounds must be real numbers, got {}"),
    ("ZBox", lambda: rules.ZBox(-np.inf, 1), ParameterError, "ZBox: bounds must be finite, got low=-inf, high=1"),
    ("ZBox", lambda: rules.ZBox(ones(2), np.full(2, np.inf)), ParameterError, "ZBox: bounds must be finite"),
    ("Reference", lambda: rules.Reference("0"), ParameterError, "Reference: x0 must be real numbers, got '0'"),
    ("Reference", lambda: rules.Reference(None), ParameterError, "Reference: x0 must be real numbers, got None"),
    ("Reference", lambda: rules.Reference([1, 1j]), ParameterError, "Reference: x0 must be real numbers"),
    ("Reference", lambda: rules.Reference([[1, 2], [3]]), ParameterError, "Reference: x0 must be real numbers"),
    ("Reference", lambda: rules.Reference({}), ParameterError, "Reference: x0 must be real numbers, got {}"),
    ("Reference", lambda: rules.Reference(np.array(["a"])), ParameterError, "Reference: x0 must be real numbers"),
    ("Reference", lambda: rules.Reference(np.nan), ParameterError, "Reference: x0 must be finite, got nan"),
    ("Reference", lambda: rules.Reference(np.full(2, np.inf)), ParameterError, "x0 must be finite, got float64[2]"),
    (
        "Reference",
        lambda: conv().relevance_backward(ones(1, 2, 4), ones(1, 4, 2), rules.Reference(ones(3))),
        ShapeError,
        "x0_i of shape (1, 3, 1) does not fit inputs of shape (1, 2, 4): give a number, one per channel, or an array",
    ),
    ("LRP0", lambda: rules.LRP0(edits.add(-1)), ParameterError, "epsilon must be ≥ 0, got -1"),
    ("ZPlus", lambda: rules.ZPlus(edits.Stabiliser("sub")), ParameterError, "'sub' is not known"),
    (
        "Natural",
        lambda: layers.Add().relevance_backward((np.ones((1, 1), object),), np.ones((1, 1), object),
                                                rules.Natural(edits.relative(1))),
        UnsupportedError,
        "has no exact value on rationals",
    ),
    ("BetaSmooth", lambda: rules.BetaSmooth(0), ParameterError, "beta must be > 0"),
    ("AllToOne", lambda: rules.AllToOne("abc"), ParameterError, "index must be a whole number, got 'abc'"),
    (
        "AllToOne",
        lambda: layers.ReLU().relevance_backward(ones(1, 2), ones(1, 2), rules.AllToOne(2)),
        ParameterError,
        "index 2 does not exist",
    ),
    ("Selection", lambda: rules.Selection("prop"), ParameterError, "product must be one of signal, half, got 'prop'"),
    ("Selection", lambda: rules.Selection(epsilon=-1), ParameterError, "epsilon must be ≥ 0, got -1"),
    ("ResponseNorm", lambda: rules.ResponseNorm("caffe"), ParameterError,
     "kind must be one of taylor, path, toolbox, got 'caffe'"),
    ("Product", lambda: rules.Product("all"), ParameterError, "must be one of signal, prop, abs, half, got 'all'"),
    (
        "Recurrent",
        lambda: layers.Dense(ones(1, 1)).relevance_backward(ones(1, 1), ones(1, 1), rules.Recurrent()),
        UnsupportedError,
        "is not a rule for Dense",
    ),
]  # fmt: skip
NO_NUMBERS: tuple[Any, ...] = ("0.1", [0.1], None, 1j, float("inf"), np.array([0.1, 0.2]), {})
for _make, _what in (
    (rules.Epsilon, "Epsilon: epsilon"), (lambda v: rules.Epsilon(0.1, v), "Epsilon: bias_share"),
    (rules.Gamma, "Gamma: gamma"), (rules.GeneralizedGamma, "GeneralizedGamma: gamma"),
    (lambda v: rules.AlphaBeta(v, 1), "AlphaBeta: alpha"), (lambda v: rules.AlphaBeta(2, v), "AlphaBeta: beta"),
    (rules.BetaSmooth, "BetaSmooth: beta"), (lambda v: rules.LRP0(edits.add(v)), "stabiliser add: epsilon"),
):  # fmt: skip
    for _value in NO_NUMBERS:
        RULE_REFUSALS.append(
            (
                "LRP0" if _what.startswith("stabiliser") else _what.partition(":")[0],
                lambda m=_make, v=_value: m(v),
                ParameterError,
                f"{_what} must be a finite real number, got {_value!r}",
            )
        )
for _rule in (rules.Pass(), rules.Deconv(), rules.Guided(), rules.BetaSmooth()):
    RULE_REFUSALS.append(
        (
            type(_rule).__name__,
            lambda r=_rule: layers.Dense(ones(2, 1)).relevance_backward(ones(1, 2), ones(1, 1), r),
            ShapeError,
            "on Dense: input and output shapes differ",
        )
    )


def refuse(call: Callable[[], Any], error: type[LrpError], words: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_layer_and_rule_has_error_samples() -> None:
    """Activations without parameters share one: what every elementwise layer refuses."""
    assert {name for name, *_ in LAYER_REFUSALS} | set(ELEMENTWISE) == set(LAYERS)
    free = {"Flat", "WSquare", "Gradient", "Taylor", "Zero", "Uniform"}  # nothing to refuse: no parameters, any layer
    assert {name for name, *_ in RULE_REFUSALS} | free == set(RULES)


@pytest.mark.parametrize("case", LAYER_REFUSALS, ids=lambda c: f"{c[0]}: {c[3]}")
def test_layers_refuse(case: Any) -> None:
    refuse(*case[1:])


@pytest.mark.parametrize("case", RULE_REFUSALS, ids=lambda c: f"{c[0]}: {c[3]}")
def test_rules_refuse(case: Any) -> None:
    refuse(*case[1:])


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_no_layer_takes_operands_it_does_not_use(kind: str) -> None:
    sample = next(s for s in SAMPLES if s.kind == kind)
    layer, xs, rs = sample.layer(), sample.inputs(1), sample.relevances(1)
    recurrent = isinstance(layer, layers.RecurrentLayer)
    if layer.operands is None and not recurrent:
        return
    more = (*xs, xs[0])
    out = layer.forward(*xs)
    with pytest.raises(ShapeError, match=r"takes \d inputs, got|expects \d inputs"):
        layer.vjp(more, rs if isinstance(out, tuple) else first(rs))
    if not recurrent:
        names = tuple(f"x{k}" for k in range(len(more)))
        with pytest.raises(GraphError, match=rf"'node' \({kind}\) takes {len(xs)} inputs, it reads {len(more)}"):
            Network((Node("node", layer, names),), tuple(Input(n) for n in names), ("node",))


@pytest.mark.parametrize("kind", sorted(LAYERS))
def test_lists_and_foreign_arrays_are_refused(kind: str) -> None:
    sample = next(s for s in SAMPLES if s.kind == kind)
    layer, rs = sample.layer(), sample.relevances(1)
    with pytest.raises(BackendError, match="is not a NumPy or CuPy array: convert it first"):
        layer.redistribute(tuple(x.tolist() for x in sample.inputs(1)), rs)


@pytest.mark.parametrize("name", ["GlobalAveragePool", "ReLU", "Concat", "Flatten", "Add", "MaxPool"])
def test_own_rules_need_no_name_and_take_no_other(name: str) -> None:
    sample = next(s for s in SAMPLES if s.kind == name)
    layer, xs, rs = sample.layer(), sample.inputs(1), sample.relevances(1)
    layer.redistribute(xs, rs)
    with pytest.raises(UnsupportedError, match=r"its own way is .*; Pass\(\), Zero\(\) and Gradient\(\) run on"):
        layer.redistribute(xs, rs, rules.Product("half"))
