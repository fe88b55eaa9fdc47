"""Activations point by point: value and slope from the formulas, on both sides of every kink."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lrp_ref import arithmetic, layers
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Abs,
    Bounds,
    Clip,
    Exp,
    Function,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    LeakyReLU,
    Log,
    LogCount,
    Power,
    ReLU,
    Shrink,
    Sigmoid,
    SignedRoot,
    SiLU,
    Softmax,
    Softplus,
    Step,
    Swish,
    Tanh,
    ThresholdedReLU,
)
from lrp_ref.layers.base import Layer
from lrp_ref.layers.functions import FUNCTIONS

F = Fraction

# (layer, x, value, slope) by hand; a kink has the slope of the lower side for ReLU and its kin, else that of the docs.
POINTS: list[tuple[Any, Any, Any, Any]] = [
    (Step(), -0.5, 0, 0), (Step(), 0, 0, 0), (Step(), 0.25, 1, 0), (Step(2), 2, 0, 0), (Step(2), 2.25, 1, 0),
    (Identity(), -2, -2, 1), (Identity(), 0, 0, 1), (Identity(), 3, 3, 1),
    (ReLU(), -2, 0, 0), (ReLU(), 0, 0, 0), (ReLU(), 0.25, 0.25, 1), (ReLU(), 3, 3, 1),
    (LeakyReLU(0.25), -2, -0.5, 0.25), (LeakyReLU(0.25), -0.5, -0.125, 0.25), (LeakyReLU(0.25), 0, 0, 0.25),
    (LeakyReLU(0.25), 0.5, 0.5, 1),
    (Clip(-1, 2), -3, -1, 0), (Clip(-1, 2), -1, -1, 0), (Clip(-1, 2), -0.75, -0.75, 1), (Clip(-1, 2), 1.75, 1.75, 1),
    (Clip(-1, 2), 2, 2, 0), (Clip(-1, 2), 2.5, 2, 0), (Clip(-1, 2), 0, 0, 1),
    (Clip(low=-1), -1.5, -1, 0), (Clip(low=-1), -1, -1, 0), (Clip(low=-1), 9, 9, 1),
    (Clip(high=1), -9, -9, 1), (Clip(high=1), 1, 1, 0), (Clip(high=1), 1.5, 1, 0),
    (Clip(), -9, -9, 1), (Clip(), 9, 9, 1), (Clip(2, 2), 1, 2, 0), (Clip(2, 2), 2, 2, 0), (Clip(2, 2), 3, 2, 0),
    (HardTanh(), -1.25, -1, 0), (HardTanh(), -1, -1, 0), (HardTanh(), -0.75, -0.75, 1), (HardTanh(), 0, 0, 1),
    (HardTanh(), 0.75, 0.75, 1), (HardTanh(), 1, 1, 0), (HardTanh(), 1.25, 1, 0),
    (HardSigmoid(0.25, 0.5), -4, 0, 0), (HardSigmoid(0.25, 0.5), -2, 0, 0), (HardSigmoid(0.25, 0.5), -1, 0.25, 0.25),
    (HardSigmoid(0.25, 0.5), 0, 0.5, 0.25), (HardSigmoid(0.25, 0.5), 1, 0.75, 0.25), (HardSigmoid(0.25, 0.5), 2, 1, 0),
    (HardSigmoid(0.25, 0.5), 4, 1, 0), (HardSigmoid(0.25, 0.5), -3.5, 0, 0),
    (HardSwish(), -9, 0, 0), (HardSwish(), -4.5, 0, 0), (HardSwish(), -3, 0, 0), (HardSwish(), -1.5, -0.375, 0),
    (HardSwish(), 0, 0, 0.5), (HardSwish(), 1.5, 1.125, 1), (HardSwish(), 3, 3, 1), (HardSwish(), 4.5, 4.5, 1),
    (Abs(), -2, 2, -1), (Abs(), -0.25, 0.25, -1), (Abs(), 0, 0, 0), (Abs(), 0.25, 0.25, 1), (Abs(), 3, 3, 1),
    (Power(), -3, 9, -6), (Power(), 0.5, 0.25, 1), (Power(2), 3, 9, 6),
    (Function("negative"), -2, 2, -1), (Function("negative"), 0, 0, -1),
    (Function("sign"), -2, -1, 0), (Function("sign"), 0, 0, 0), (Function("sign"), 0.25, 1, 0),
    (Function("softsign"), -3, -0.75, 0.0625), (Function("softsign"), 0, 0, 1), (Function("softsign"), 1, 0.5, 0.25),
    (Shrink(), -0.75, -0.75, 1), (Shrink(), -0.5, 0, 0), (Shrink(), 0.25, 0, 0), (Shrink(), 0.5, 0, 0),
    (Shrink(), 2, 2, 1), (Shrink(1, 0.25), -3, -2.75, 1), (Shrink(1, 0.25), 1, 0, 0), (Shrink(1, 0.25), 1.5, 1.25, 1),
    (Shrink(0, 1), 0, 0, 0), (Shrink(0, 1), -0.5, 0.5, 1), (Shrink(0, 1), 0.25, -0.75, 1),
    (ThresholdedReLU(), 0.75, 0, 0), (ThresholdedReLU(), 1, 0, 0), (ThresholdedReLU(), 1.5, 1.5, 1),
    (ThresholdedReLU(-1), -0.5, -0.5, 1), (ThresholdedReLU(-1), -1, 0, 0), (ThresholdedReLU(-1), -2, 0, 0),
]  # fmt: skip
ROOTS: list[tuple[Any, Any, Any, Any]] = [
    (SignedRoot(), -4, -2, 0.25), (SignedRoot(), 0, 0, 0), (SignedRoot(), 0.25, 0.5, 1), (SignedRoot(), 16, 4, 0.125),
]  # fmt: skip
SYSTEMS = {"float64": np.float64, "float32": np.float32, "rational": object}


@pytest.mark.parametrize("system", SYSTEMS)
def test_exact_values_and_slopes(system: str) -> None:
    """All of these are dyadic and small, but for the sixth of HardSwish, whose points are multiples of 3/2."""
    dtype = SYSTEMS[system]
    points = POINTS if dtype is object else [*POINTS, *ROOTS]  # of which rationals have none
    for layer, x, value, slope in points:
        given = arithmetic.rational([[x]]) if dtype is object else np.array([[x]], dtype=dtype)
        out, at = layer.forward(given), layer.slope(given)
        assert (out.dtype, at.dtype, out.shape, at.shape) == (dtype, dtype, (1, 1), (1, 1)), layer
        assert (out[0, 0], at[0, 0]) == (F(value), F(slope)), (layer, x)
        if dtype is object:
            assert isinstance(out[0, 0], F), layer


def test_hard_sigmoids_default_is_pytorchs() -> None:
    """relu6(x + 3)/6; a sixth is rounded, so the kinks themselves are left out."""
    for x, value, slope in ((-5, 0, 0), (-1.5, 0.25, 1 / 6), (0, 0.5, 1 / 6), (1.5, 0.75, 1 / 6), (5, 1, 0)):
        given = np.array([[float(x)]])
        assert HardSigmoid().forward(given)[0, 0] == pytest.approx(value, rel=1e-15)
        assert HardSigmoid().slope(given)[0, 0] == pytest.approx(slope, rel=1e-15)


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def phi(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def elu(alpha: float, scale: float) -> tuple[Any, Any]:
    return (
        lambda x: scale * (x if x > 0 else alpha * (math.exp(x) - 1)),
        lambda x: scale * (1 if x > 0 else alpha * math.exp(x)),
    )


# (layer, f, f'), typed from the docstrings; SELU's constants are those of Klambauer et al. 2017.
SMOOTH: list[tuple[Any, Any, Any]] = [
    (ELU(), *elu(1, 1)),
    (ELU(0.5, 2.0), *elu(0.5, 2)),
    (SELU(), *elu(1.6732632423543772848170429916717, 1.0507009873554804934193349852946)),
    (Sigmoid(), sigma, lambda x: sigma(x) * sigma(-x)),
    (SiLU(), lambda x: x * sigma(x), lambda x: sigma(x) * (1 + x * sigma(-x))),
    (Tanh(), math.tanh, lambda x: 1 / math.cosh(x) ** 2),
    (Softplus(), lambda x: math.log(1 + math.exp(x)), sigma),
    (Softplus(3.0), lambda x: math.log(1 + math.exp(3 * x)) / 3, lambda x: sigma(3 * x)),
    (GELU(), lambda x: x * (1 + math.erf(x / 2**0.5)) / 2, lambda x: (1 + math.erf(x / 2**0.5)) / 2 + x * phi(x)),
    (Exp(), math.exp, math.exp),
    (CELU(), *elu(1, 1)),
    (CELU(0.5), lambda x: x if x > 0 else (math.exp(2 * x) - 1) / 2, lambda x: 1 if x > 0 else math.exp(2 * x)),
    (Swish(), lambda x: x * sigma(x), lambda x: sigma(x) * (1 + x * sigma(-x))),
    (Swish(2.0), lambda x: x * sigma(2 * x), lambda x: sigma(2 * x) * (1 + 2 * x * sigma(-2 * x))),
    (Function("sin"), math.sin, math.cos),
    (Function("cos"), math.cos, lambda x: -math.sin(x)),
    (Function("tan"), math.tan, lambda x: 1 / math.cos(x) ** 2),
    (Function("atan"), math.atan, lambda x: 1 / (1 + x * x)),
    (Function("sinh"), math.sinh, math.cosh),
    (Function("cosh"), math.cosh, math.sinh),
    (Function("asinh"), math.asinh, lambda x: 1 / math.sqrt(1 + x * x)),
    (Function("erf"), math.erf, lambda x: 2 / math.sqrt(math.pi) * math.exp(-x * x)),
    (Function("floor"), math.floor, lambda x: 0),
    (Function("ceil"), math.ceil, lambda x: 0),
    (Function("round"), round, lambda x: 0),
]  # fmt: skip
POSITIVE: list[tuple[Any, Any, Any]] = [
    (Log(), math.log, lambda x: 1 / x),
    (LogCount(), lambda x: 1 + math.log(x), lambda x: 1 / x),
    (Power(0.5), math.sqrt, lambda x: 0.5 / math.sqrt(x)),
    (Power(0.25), lambda x: math.sqrt(math.sqrt(x)), lambda x: 0.25 * x ** (-0.75)),
    (Power(1.5), lambda x: x * math.sqrt(x), lambda x: 1.5 * math.sqrt(x)),
    (Power(-0.5), lambda x: 1 / math.sqrt(x), lambda x: -0.5 / (x * math.sqrt(x))),
    (Power(3), lambda x: x * x * x, lambda x: 3 * x * x),
    (Power(1), lambda x: x, lambda x: 1.0),
    (Power(-1.0), lambda x: 1 / x, lambda x: -1 / (x * x)),
]
NARROW: list[tuple[Any, Any, Any, Any]] = [  # the last is a place in the domain
    (Function("asin"), math.asin, lambda x: 1 / math.sqrt(1 - x * x), -0.375),
    (Function("acos"), math.acos, lambda x: -1 / math.sqrt(1 - x * x), 0.75),
    (Function("acosh"), math.acosh, lambda x: 1 / math.sqrt(x * x - 1), 1.25),
    (Function("atanh"), math.atanh, lambda x: 1 / (1 - x * x), -0.375),
]


@pytest.mark.parametrize(("layer", "f", "slope", "x"), NARROW, ids=lambda v: repr(v) if isinstance(v, Layer) else "")
def test_functions_that_are_not_defined_everywhere(layer: Any, f: Any, slope: Any, x: float) -> None:
    assert layer.forward(np.array([[x]]))[0, 0] == pytest.approx(f(x), rel=1e-14)
    assert layer.slope(np.array([[x]]))[0, 0] == pytest.approx(slope(x), rel=1e-14)


def test_halves_are_rounded_to_even_numbers() -> None:
    x = np.array([[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]])
    assert Function("round").forward(x).tolist() == [[-2.0, -2.0, 0.0, 0.0, 2.0, 2.0]]


def test_every_function_is_here() -> None:
    tried = {layer.name for layer, *_ in (*POINTS, *SMOOTH, *NARROW) if isinstance(layer, Function)}
    assert tried == set(FUNCTIONS)


ANYWHERE = (-3.5, -2.0, -1.0, -0.375, 0.0, 0.25, 1.0, 2.5, 4.0)


@pytest.mark.parametrize(
    ("layer", "f", "slope"), SMOOTH + POSITIVE, ids=lambda v: repr(v) if isinstance(v, Layer) else ""
)
def test_smooth_values_and_slopes(layer: Any, f: Any, slope: Any) -> None:
    at = [x for x in ANYWHERE if x > 0 or not any(layer is p[0] for p in POSITIVE)]
    for dtype, rtol in ((np.float64, 1e-13), (np.float32, 1e-5)):
        x = np.array([at], dtype=dtype)
        for found, expected in ((layer.forward(x), f), (layer.slope(x), slope)):
            assert found.dtype == dtype
            np.testing.assert_allclose(found[0], [expected(v) for v in at], rtol=rtol, atol=rtol / 10)


def test_the_approximate_gelu() -> None:
    """y = x (1 + tanh u)/2, u = √(2/π) (x + 0.044715 x³); y' = (1 + tanh u)/2 + x u'/(2 cosh² u)."""
    for x in ANYWHERE:
        u, inner = (2 / math.pi) ** 0.5 * (x + 0.044715 * x**3), (2 / math.pi) ** 0.5 * (1 + 0.134145 * x * x)
        given = np.array([[x]])
        assert GELU("tanh").forward(given)[0, 0] == pytest.approx(x * (1 + math.tanh(u)) / 2, rel=1e-13)
        slope = (1 + math.tanh(u)) / 2 + x * inner / 2 / math.cosh(u) ** 2
        assert GELU("tanh").slope(given)[0, 0] == pytest.approx(slope, rel=1e-12, abs=1e-15)
    assert GELU("tanh").slope(np.array([[1.0]], dtype=np.float32)).dtype == np.float32


def test_far_from_zero() -> None:
    """No overflow (warnings are errors), and the limits."""
    x = np.array([[-800.0, 800.0]])
    for layer, value, slope in (
        (Sigmoid(), [0, 1], [0, 0]), (SiLU(), [0, 800], [0, 1]), (Softplus(2.0), [0, 800], [0, 1]),
        (ELU(3.0, 2.0), [-6, 1600], [0, 2]), (Tanh(), [-1, 1], [0, 0]), (GELU(), [0, 800], [0, 1]),
        (GELU("tanh"), [0, 800], [0, 1]),
    ):  # fmt: skip
        np.testing.assert_array_equal(layer.forward(x)[0], value, err_msg=repr(layer))
        np.testing.assert_array_equal(layer.slope(x)[0], slope, err_msg=repr(layer))


def test_a_root_is_computed_as_one() -> None:
    """0.5 is computed as a square root, which number systems know: on balls x**0.5 does not exist."""
    balls = arithmetic.ball([[4.0, 2.25]])
    low_and_high = Power(0.5).forward(balls)
    np.testing.assert_allclose(arithmetic.to_float(low_and_high), [[2.0, 1.5]], rtol=1e-15)


# Which numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (ELU(), "exp"), (SELU(), "exp"), (GELU(), "erf"), (GELU("tanh"), "tanh"), (Sigmoid(), "sigmoid"),
        (SiLU(), "sigmoid"), (Tanh(), "tanh"), (Softplus(), "log"), (Exp(), "exp"), (Log(), "log"),
        (CELU(), "exp"), (Swish(), "sigmoid"), (Function("sin"), "sin"), (Function("floor"), "floor"),
        (Power(3), "a power"), (Power(0.5), "a power"), (Softmax(), "exp"), (Softmax(log=True), "exp"),
    ],
    ids=repr,
)  # fmt: skip
def test_rationals_have_no_value(layer: Any, function: str) -> None:
    with pytest.raises(UnsupportedError, match=f"^{function} has no exact value on rationals"):
        layer.forward(arithmetic.rational([[1.0, 2.0]]))


@pytest.mark.parametrize("layer", [ELU(), Power(3), Power(0.5), Tanh(), Exp()], ids=repr)
def test_their_slopes_have_none(layer: Any) -> None:
    with pytest.raises(UnsupportedError, match="has no exact value on rationals"):
        layer.slope(arithmetic.rational([[1.0, 2.0]]))


# What can be built ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(2, 1), (0.5, 0.25), (-1, -2), (0, -1)])
def test_bounds_that_cross(low: float, high: float) -> None:
    with pytest.raises(ParameterError, match=f"Clip: low {low} is above high {high}"):
        Clip(low, high)


@pytest.mark.parametrize(("low", "high"), [(1, 1), (None, -1), (1, None), (None, None), (-2, 5)])
def test_bounds_that_do_not(low: Any, high: Any) -> None:
    assert (Clip(low, high).low, Clip(low, high).high) == (low, high)


def test_gelus_that_exist() -> None:
    assert GELU().approximate == GELU("none").approximate == "none"
    for wrong in ("erf", "", None, True):
        with pytest.raises(ParameterError, match="approximate must be 'none' or 'tanh'"):
            GELU(wrong)  # type: ignore[arg-type]


DEFAULTS: list[tuple[type[Layer], dict[str, Any]]] = [
    (SignedRoot, {}), (LogCount, {}), (Step, {"threshold": 0}),
    (LeakyReLU, {"alpha": 0.01}), (ELU, {"alpha": 1.0, "scale": 1.0}),
    (SELU, {"alpha": 1.6732632423543772, "scale": 1.0507009873554805}), (Softplus, {"beta": 1.0}),
    (Clip, {"low": None, "high": None}), (HardTanh, {"low": -1, "high": 1}),
    (HardSigmoid, {"alpha": 1 / 6, "beta": 0.5}),
    (CELU, {"alpha": 1.0}), (Swish, {"alpha": 1.0}), (Shrink, {"threshold": 0.5, "bias": 0}),
    (ThresholdedReLU, {"alpha": 1}), (Bounds, {"low": None, "high": None}), (Function, {"name": "sin"}),
    (Power, {"exponent": 2}), (GELU, {"approximate": "none"}), (Softmax, {"axis": 1, "log": False}),
    (Identity, {}), (ReLU, {}), (Sigmoid, {}), (SiLU, {}), (Tanh, {}), (HardSwish, {}), (Abs, {}), (Exp, {}), (Log, {}),
]  # fmt: skip


@pytest.mark.parametrize(("cls", "fields"), DEFAULTS, ids=lambda v: getattr(v, "__name__", ""))
def test_fields_and_defaults(cls: type[Layer], fields: dict[str, Any]) -> None:
    """What a layer is made without, and that nobody can change it afterwards."""
    layer = cls()
    assert {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer)} == fields
    assert repr(layer) == f"{cls.__name__}()"
    for name in (*fields, "another"):
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot assign to .*'{name}'"):
            setattr(layer, name, 1)
        with pytest.raises(dataclasses.FrozenInstanceError, match=f"cannot delete .*'{name}'"):
            delattr(layer, name)


def test_a_layer_without_fields_says_that_it_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"^cannot assign to 'slope': ReLU is frozen$"):
        layers.ReLU().slope = 1  # type: ignore[misc, assignment]
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"^cannot delete 'slope': ReLU is frozen$"):
        del layers.ReLU().slope


def test_every_activation_is_here() -> None:
    kinds = {c for c in layers.LAYERS.values() if issubclass(c, layers.base.Elementwise)}
    kinds.remove(layers.Centred)  # of which every element has a reference of its own: it is in test_forward
    assert kinds | {Softmax} == {cls for cls, _ in DEFAULTS}
    tried = {type(layer) for layer, *_ in (*POINTS, *ROOTS, *SMOOTH, *POSITIVE)}
    assert kinds == tried | {Bounds}  # whose bounds are of each element: they are in test_forward


# Softmax -------------------------------------------------------------------------------------------------------


def test_softmax_and_its_jacobian_by_hand() -> None:
    """exp(x) = (1, 3, 4): y = (1, 3, 4)/8, ∂y_i/∂x_k = y_i (δ_ik − y_k), ∂log y_i/∂x_k = δ_ik − y_k."""
    powers, g = np.array([[1.0, 3.0, 4.0], [5.0, 2.0, 1.0]]), np.array([[2.0, -1.0, 5.0], [1.0, 4.0, -3.0]])
    y = powers / 8
    plain = np.stack([gn @ (np.diag(yn) - np.outer(yn, yn)) for yn, gn in zip(y, g, strict=True)])
    logs = np.stack([gn @ (np.eye(3) - yn[None, :]) for yn, gn in zip(y, g, strict=True)])
    for shape, axis in (((2, 3), 1), ((2, 3), -1), ((2, 1, 3), 2), ((2, 3, 1), 1), ((2, 3, 1), -2)):
        x, given = np.log(powers).reshape(shape), g.reshape(shape)
        for layer, out, pulled in ((Softmax(axis), y, plain), (Softmax(axis, log=True), np.log(y), logs)):
            np.testing.assert_allclose(layer.forward(x).reshape(2, 3), out, rtol=1e-14)
            np.testing.assert_allclose(layer.vjp(x, given).reshape(2, 3), pulled, rtol=1e-13)


def test_softmax_is_shifted_by_the_largest() -> None:
    """No overflow, also where every number is far from 0 (warnings are errors), and none of the accuracy lost."""
    half = np.array([[0.5, 0.5]])
    for far in (-1e4, 1e4):
        x = np.array([[far, far]])
        np.testing.assert_array_equal(Softmax().forward(x), half)
        np.testing.assert_allclose(Softmax(log=True).forward(x), np.log(half), rtol=1e-15)
    wide = np.array([[-1e4, 1e4]])
    np.testing.assert_array_equal(Softmax().forward(wide), [[0.0, 1.0]])
    np.testing.assert_array_equal(Softmax(log=True).forward(wide), [[-2e4, 0.0]])


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_axes_of_softmax(ndim: int) -> None:
    x = np.arange(float(2**ndim)).reshape((2,) * ndim)
    for axis in range(-ndim - 2, ndim + 3):
        if -ndim < axis < ndim and axis != 0:
            np.testing.assert_allclose(Softmax(axis).forward(x).sum(axis=axis), np.ones((2,) * (ndim - 1)), rtol=1e-14)
        else:
            with pytest.raises(ShapeError, match=rf"Softmax: axis {axis} of shape .* is the batch, or does not exist"):
                Softmax(axis).forward(x)
