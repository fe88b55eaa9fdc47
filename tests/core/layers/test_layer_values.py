"""What a layer class promises apart from its numbers: it is a frozen value, and says where its output is ≥ 0."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import numpy as np
import pytest
from samples import SAMPLES, Sample

from lrp_ref import layers
from lrp_ref.layers import (
    ELU,
    Abs,
    Add,
    AveragePool,
    Clip,
    Concat,
    Dense,
    Exp,
    Gather,
    GlobalAveragePool,
    GlobalMaxPool,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    LeakyReLU,
    MaxPool,
    Mean,
    Multiply,
    Pad,
    Power,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Sum,
    SumPool,
    Tanh,
)
from lrp_ref.layers.base import Layer

battery = pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)


# Values ------------------------------------------------------------------------------------------------------


@battery
def test_layers_are_equal_by_their_arrays_and_frozen(sample: Sample) -> None:
    layer, again = sample.layer(), sample.layer()
    assert layer == again
    assert layer != Identity() or isinstance(layer, Identity)
    assert repr(layer).startswith(f"{type(layer).__name__}(")
    assert "array(" not in repr(layer), "arrays print as dtype and shape"
    for field in dataclasses.fields(layer):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(layer, field.name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer.note = 1  # type: ignore[attr-defined]


@battery
def test_layers_with_other_numbers_differ(sample: Sample) -> None:
    layer = sample.layer()
    changed = layer.map_arrays(lambda a: a + 1 if a.dtype.kind == "f" else a)
    has_floats: list[bool] = []
    layer.map_arrays(lambda a: has_floats.append(a.dtype.kind == "f" and a.size > 0) or a)
    assert (layer != changed) == any(has_floats)


# Typed from the documentation of PyTorch and ONNX, whose layers these are.
DEFAULTS: dict[str, dict[str, Any]] = {
    "Abs": {}, "Clip": {"low": None, "high": None}, "HardTanh": {"low": -1, "high": 1}, "LeakyReLU": {"alpha": 0.01},
    "ELU": {"alpha": 1.0}, "Power": {"exponent": 2}, "Concat": {"axis": 1}, "Add": {"coefficients": ()},
    "Conv": {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1},
    "ConvTranspose": {"bias": None, "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1},
    "Dense": {"bias": None}, "Gather": {"indices": (), "axis": 1}, "Flatten": {"start": 1}, "Reshape": {"shape": (-1,)},
    "Pad": {"amounts": (), "mode": "constant", "value": 0}, "Transpose": {"axes": (0, 2, 1)},
    "Split": {"sizes": (), "axis": 1}, "Squeeze": {"axes": ()}, "Unsqueeze": {"axes": ()}, "Upsample": {"factors": ()},
    "Slice": {"axes": (), "starts": (), "stops": (), "steps": ()}, "Multiply": {"gate": None},
    "Sum": {"axes": None, "keepdims": True, "factor": 1}, "Mean": {"axes": None, "keepdims": True, "factor": 1},
    "GlobalAveragePool": {"axes": None, "keepdims": True}, "GlobalMaxPool": {"keepdims": True, "ties": "first"},
    "Max": {"axes": None, "keepdims": True, "ties": "first"}, "Prod": {"axes": None, "keepdims": True},
    "LogSumExp": {"axes": None, "keepdims": True},
    "Normalize": {"axes": (-1,), "epsilon": 1e-5, "centre": True, "groups": 1},
    "Distance": {"offset": None, "factor": 1}, "UnitNorm": {"norm": "l2"}, "Step": {"threshold": 0},
    "SquaredDistance": {"precision": None, "offset": None, "factor": 1}, "PairDifference": {"plus": 1, "minus": -1},
    "SoftMin": {"gamma": 1.0, "hard": False, "share": "most"}, "Centred": {"scale": None},
    "LocalResponseNorm": {"alpha": 1e-4, "beta": 0.75, "bias": 1.0, "window": "onnx"},
    "MaxPool": {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, "ties": "first"},
    "AveragePool": {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, "count_include_pad": True},
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults(name: str) -> None:
    given = {k: p.default for k, p in inspect.signature(layers.LAYERS[name]).parameters.items()}
    for key, value in DEFAULTS[name].items():
        assert given[key] == value, key
        assert type(given[key]) is type(value), key


# Where the output is ≥ 0 -------------------------------------------------------------------------------------

YES, NO = True, False
# (layer, whether its output is ≥ 0 for inputs ≥ 0, and for any inputs), by the layers' formulas.
PROMISES: list[tuple[Layer, bool, bool]] = [
    (Identity(), YES, NO),
    (layers.SignedRoot(), YES, NO),
    (layers.LogCount(), NO, NO),
    (layers.Step(), YES, YES),
    (layers.Step(-0.5), YES, YES),
    (layers.UnitNorm(), YES, NO),
    (layers.UnitNorm("max"), YES, NO),
    (layers.Distance(np.ones((2, 2))), YES, YES),
    (layers.Distance(np.ones((2, 2)), factor=-1), NO, NO),
    (layers.Distance(np.ones((2, 2)), np.ones(2)), NO, NO),
    (ReLU(), YES, YES),
    (Sigmoid(), YES, YES),
    (HardSigmoid(), YES, YES),
    (Softplus(), YES, YES),
    (Exp(), YES, YES),
    (Abs(), YES, YES),
    (Clip(0, 6), YES, YES),
    (Clip(0.5, None), YES, YES),
    (Clip(2, 3), YES, YES),
    (Clip(None, 6), YES, NO),
    (Clip(None, 0), YES, NO),
    (Clip(-1, 1), YES, NO),
    (Clip(-1, None), YES, NO),
    (Clip(None, -1), NO, NO),
    (Clip(-3, -1), NO, NO),
    (HardTanh(), YES, NO),
    (Power(2), YES, YES),
    (Power(0.5), YES, YES),
    (Power(3), NO, NO),
    (Power(1), NO, NO),
    (Power(-0.5), NO, NO),
    (Softmax(), YES, YES),
    (Softmax(log=True), NO, NO),
    (MaxPool(2), YES, NO),
    (AveragePool(2), YES, NO),
    (SumPool(2), YES, NO),
    (SumPool(2, factor=0.5), YES, NO),
    (SumPool(2, factor=0), YES, NO),
    (SumPool(2, factor=-0.5), NO, NO),
    (GlobalAveragePool(), YES, NO),
    (GlobalMaxPool(), YES, NO),
    (Sum(), YES, NO),
    (Mean(), YES, NO),
    (Pad(((0, 0), (1, 1))), YES, NO),
    (Pad(((0, 0), (1, 1)), value=2), YES, NO),
    (Pad(((0, 0), (1, 1)), value=0.5), YES, NO),
    (Pad(((0, 0), (1, 1)), value=-0.5), NO, NO),
    (Pad(((0, 0), (1, 1)), mode="reflect"), YES, NO),
    (Dense(np.ones((2, 2))), NO, NO),
    (layers.Max((1,)), YES, NO),
    (layers.Prod((1,)), YES, NO),
    (layers.LogSumExp((1,)), YES, NO),
    (layers.Shrink(), YES, NO),
    (layers.Shrink(0.5, 0.5), YES, NO),
    (layers.Shrink(0.5, 0.75), NO, NO),
    (layers.ThresholdedReLU(0.5), YES, YES),
    (layers.ThresholdedReLU(0), YES, YES),
    (layers.ThresholdedReLU(-0.5), YES, NO),
    (layers.Step(), YES, YES),
    (layers.Step(-1), YES, YES),
    (layers.UnitNorm(), YES, NO),
    (layers.LocalResponseNorm(3), YES, NO),
    (layers.LocalResponseNorm(3, alpha=0.0), YES, NO),
    (layers.LocalResponseNorm(3, alpha=-1.0), NO, NO),
    (layers.LocalResponseNorm(3, bias=0.0), NO, NO),
    (Power(np.array([2.0])), NO, NO),
    (layers.Centred(np.ones(2)), NO, NO),
    (layers.SoftMin(), NO, NO),
    (layers.SoftMin(hard=True), YES, NO),
    (layers.SoftMin(np.inf), YES, NO),
    (layers.PairDifference(), NO, NO),
    (layers.SquaredDistance(np.ones((2, 2))), YES, YES),
    (layers.SquaredDistance(np.ones((2, 2)), factor=0.5), YES, YES),
    (layers.SquaredDistance(np.ones((2, 2)), factor=-1), NO, NO),
    (layers.SquaredDistance(np.ones((2, 2)), offset=np.ones(2)), NO, NO),
    (layers.SquaredDistance(np.ones((2, 2)), np.ones((2, 2))), NO, NO),
]


@pytest.mark.parametrize(("layer", "positive", "always"), PROMISES, ids=repr)
def test_one_operand(layer: Layer, positive: bool, always: bool) -> None:
    assert layer.nonnegative((True,)) is positive
    assert layer.nonnegative((False,)) is always
    assert layer.promises.tells_sign or not positive, "nobody would ask"


def test_every_activation_that_tells_the_sign_is_among_them() -> None:
    telling = {c for c in layers.LAYERS.values() if issubclass(c, layers.Elementwise) and c.promises.tells_sign}
    assert telling <= {type(layer) for layer, *_ in PROMISES}


@pytest.mark.parametrize(
    ("layer", "both"),
    [
        (Add(), YES), (Add((1, 2)), YES), (Add((0.5, 0)), YES), (Add((1, -1)), NO), (Add((1, -0.5)), NO),
        (Multiply(), YES), (Concat(), YES),
    ],
    ids=repr,
)  # fmt: skip
def test_two_operands(layer: Layer, both: bool) -> None:
    assert layer.nonnegative((True, True)) is both
    assert layer.nonnegative((True, False)) is False
    assert layer.nonnegative((False, False)) is False


@battery
def test_no_promise_is_broken(sample: Sample) -> None:
    """Whatever a layer promises holds on random inputs, with zeros, of the sign that it assumes."""
    layer = sample.layer("normal")
    for size, inputs in ((1, sample.inputs(4, "normal")), (0, sample.inputs(4, "normal"))):
        xs = tuple(np.abs(x) if size and x.dtype.kind == "f" else x for x in inputs)
        if layer.nonnegative(tuple(bool(size) for _ in xs)):
            out = layer.forward(*xs)
            for array in out if isinstance(out, tuple) else (out,):
                assert (array >= 0).all() or sample.name == "MaxPool-window-in-padding"


# Activations at and beyond their kinks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "x", "value", "slope"),
    [
        (HardSwish(), -9.0, 0.0, 0.0), (HardSwish(), -4.0, 0.0, 0.0), (HardSwish(), -1.5, -0.375, 0.0),
        (HardSwish(), 0.0, 0.0, 0.5), (HardSwish(), 1.5, 1.125, 1.0), (HardSwish(), 4.0, 4.0, 1.0),
        (HardSwish(), 9.0, 9.0, 1.0),
        (HardTanh(), -0.5, -0.5, 1.0), (HardTanh(), -2.0, -1.0, 0.0), (HardTanh(), 2.0, 1.0, 0.0),
        (ReLU(), 0.0, 0.0, 0.0), (LeakyReLU(0.25), 0.0, 0.0, 0.25), (LeakyReLU(0.25), -2.0, -0.5, 0.25),
        (Abs(), 0.0, 0.0, 0.0), (Abs(), -2.0, 2.0, -1.0),
        (Power(3), -2.0, -8.0, 12.0), (Power(2), -2.0, 4.0, -4.0),
        (ELU(1.0), 0.0, 0.0, 1.0), (ELU(2.0), 3.0, 3.0, 1.0), (Tanh(), 0.0, 0.0, 1.0),
    ],
    ids=repr,
)  # fmt: skip
def test_value_and_slope(layer: Layer, x: float, value: float, slope: float) -> None:
    given = np.array([[x]])
    assert layer.forward(given)[0, 0] == value
    assert layer.vjp(given, np.array([[1.0]]))[0, 0] == slope


def test_gather_takes_single_positions_and_lists() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    assert np.array_equal(Gather(0).forward(x), x[:, 0])
    assert np.array_equal(Gather(-3).forward(x), x[:, 0])
    assert np.array_equal(Gather((2, 0), axis=2).forward(x), x[:, :, [2, 0]])
