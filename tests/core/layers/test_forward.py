"""Forward passes and derivatives against independent computations: matrices, definitions, PyTorch."""

from __future__ import annotations

import itertools
import math
from typing import Any

import checks
import numpy as np
import pytest
from samples import BY_NAME, LINEAR, SAMPLES, Draw, Sample, exactly

from lrp_ref import layers
from lrp_ref.fast import convolution as kernels
from lrp_ref.layers.base import Elementwise
from lrp_ref.literal import nonlinear

# Forward against an independent computation ------------------------------------------------------------------


@pytest.mark.parametrize("sample", LINEAR, ids=lambda s: s.name)
@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
def test_linear_layers_are_their_matrices(sample: Sample, exact: bool) -> None:
    layer, xs = sample.layer(), sample.inputs(2)
    layer, xs = (exactly(layer), exactly(xs)) if exact else (layer, xs)
    matrix, z = sample.matrix(layer, exact=exact), layer.forward(*xs)
    assert z.shape[1:] == matrix.output_shape
    for n in range(2):
        expected = matrix.forward(np.concatenate([x[n].ravel() for x in xs]))
        checks.close(z[n : n + 1].ravel(), expected, rtol=1e-14, what=sample.name)


@pytest.mark.parametrize("sample", [s for s in LINEAR if "Conv" in s.kind], ids=lambda s: s.name)
@pytest.mark.parametrize("bytes_", [8, 300])
def test_strips_do_not_change_a_convolution(sample: Sample, bytes_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, xs, (r,) = sample.layer(), sample.inputs(5), sample.relevances(5)
    whole = layer.forward(*xs), layer.vjp(xs, r)[0]
    monkeypatch.setattr(kernels, "STRIP_BYTES", bytes_)
    assert np.array_equal(layer.forward(*xs), whole[0])
    assert np.array_equal(layer.vjp(xs, r)[0], whole[1])


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.kind == "MaxPool"], ids=lambda s: s.name)
@pytest.mark.parametrize("exact", [False, True], ids=["float", "exact"])
def test_max_pool_is_the_textbooks(sample: Sample, exact: bool) -> None:
    layer, (x,), (r,) = sample.layer(), sample.inputs(), sample.relevances()
    if exact:
        x, r = exactly(x), exactly(r)
    options = {k: getattr(layer, k) for k in ("kernel", "stride", "padding", "dilation", "ceil_mode")}
    shared, z = layer.redistribute(x, r), layer.forward(x)
    for n in range(len(x)):
        said = nonlinear.max_pool(x[n], r[n], ties=layer.ties, **options)
        checks.close(shared.relevances[0][n], said.inputs[0], rtol=1e-15)
        assert shared.dropped[n] == said.dropped.sum()
        if not said.dropped.any():
            checks.close(z[n], nonlinear.max_pool_forward(x[n], **options), rtol=0)


@pytest.mark.parametrize("ties", ["first", "share"])
def test_global_max_pool_is_a_max_pool_over_everything(ties: str) -> None:
    x, r = Draw("x")(4, 3, 2, 3), Draw("r")(4, 3, 1, 1)
    x[0] = 1.5
    for n in range(4):
        said = nonlinear.max_pool(x[n], r[n], (2, 3), ties=ties)
        checks.close(layers.GlobalMaxPool(ties=ties).relevance_backward(x, r)[n], said.inputs[0], rtol=1e-15)
    assert np.array_equal(layers.GlobalMaxPool(keepdims=False).forward(x), [[c.max() for c in sample] for sample in x])


FUNCTIONS = {
    **{name: getattr(math, name) for name in ("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh",
                                              "acosh", "atanh", "erf", "floor", "ceil")},
    "round": round, "negative": lambda x: -x, "sign": lambda x: (x > 0) - (x < 0),
    "softsign": lambda x: x / (1 + abs(x)),
}  # fmt: skip
DEFINITIONS = {
    "Identity": lambda x: x,
    "LogCount": lambda x: 1 + math.log(x) if x else 0.0,
    "Step": lambda x, threshold=0: 1.0 if x > threshold else 0.0,
    "SignedRoot": lambda x: math.copysign(math.sqrt(abs(x)), x),
    "ReLU": lambda x: x if x > 0 else 0.0,
    "LeakyReLU": lambda x, alpha=0.01: x if x > 0 else alpha * x,
    "ELU": lambda x, alpha=1.0, scale=1.0: scale * (x if x > 0 else alpha * math.expm1(x)),
    "SELU": lambda x: 1.0507009873554804934193349852946 * (x if x > 0 else 1.6732632423543772848170429916717
                                                            * math.expm1(x)),
    "Sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "SiLU": lambda x: x / (1 + math.exp(-x)),
    "Tanh": math.tanh,
    "Softplus": lambda x, beta=1.0: math.log(1 + math.exp(beta * x)) / beta,
    "Clip": lambda x, low=-math.inf, high=math.inf: min(max(x, low), high),
    "HardTanh": lambda x: min(max(x, -1), 1),
    "HardSigmoid": lambda x, alpha=1 / 6, beta=0.5: min(max(alpha * x + beta, 0), 1),
    "HardSwish": lambda x: x * min(max(x / 6 + 0.5, 0), 1),
    "Abs": abs,
    "Power": lambda x, exponent=2: x**exponent,
    "Exp": math.exp,
    "Log": math.log,
    "CELU": lambda x, alpha=1.0: max(0.0, x) + min(0.0, alpha * math.expm1(x / alpha)),
    "Swish": lambda x, alpha=1.0: x / (1 + math.exp(-alpha * x)),
    "Shrink": lambda x, threshold=0.5, bias=0: x + bias if x < -threshold else x - bias if x > threshold else 0.0,
    "ThresholdedReLU": lambda x, alpha=1: x if x > alpha else 0.0,
    "Function": lambda x, name="sin": FUNCTIONS[name](x),
}  # fmt: skip


def gelu(x: float, approximate: str = "none") -> float:
    if approximate == "none":
        return x * (1 + math.erf(x / math.sqrt(2))) / 2
    return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


SEVERAL = {"LeakyReLU-channels", "LeakyReLU-features", "Power-channels"}  # parameters that are not one number
ELEMENTWISE = [
    s
    for s in SAMPLES
    if isinstance(s.layer(), Elementwise) and s.kind not in ("Bounds", "Centred") and s.name not in SEVERAL
]


@pytest.mark.parametrize("sample", ELEMENTWISE, ids=lambda s: s.name)
def test_activations_are_their_definitions(sample: Sample) -> None:
    layer, (x,) = sample.layer(), sample.inputs(4)
    defaults = type(layer)()
    options = {k: v for k, v in vars(layer).items() if sample.kind != "SELU" and v != vars(defaults)[k]}
    function = gelu if sample.kind == "GELU" else DEFINITIONS[sample.kind]
    expected = np.array([float(function(float(v), **options)) for v in x.ravel()]).reshape(x.shape)
    checks.close(layer.forward(x), expected, rtol=1e-14)


def test_prelu_has_one_slope_per_channel() -> None:
    alpha = np.array([0.5, -1.0])
    x = np.array([[[-2.0, 4.0], [-2.0, 4.0]]])
    assert layers.LeakyReLU(alpha).forward(x).tolist() == [[[-1.0, 4.0], [2.0, 4.0]]]
    assert layers.LeakyReLU(alpha).forward(x[:, :, 0]).tolist() == [[-1.0, 2.0]]


def test_bounds_and_exponents_of_each_channel_or_element() -> None:
    x = np.array([[[-2.0, 4.0], [-2.0, 4.0]]])
    low, high = np.array([-1.0, 0.5]), np.array([[3.0, -3.0], [0.5, 9.0]])
    bounds = layers.Bounds(low, high)
    assert bounds.forward(x).tolist() == [[[-1.0, -3.0], [0.5, 4.0]]]
    assert bounds.slope(x).tolist() == [[[0.0, 0.0], [0.0, 1.0]]]
    assert bounds.kinks == (-3.0, -1.0, 0.5, 3.0, 9.0)
    assert layers.Power(np.array([2.0, 3.0])).forward(x).tolist() == [[[4.0, 16.0], [-8.0, 64.0]]]
    assert layers.Power(np.array([[2.0, 3.0]])).slope(x).tolist() == [[[-4.0, 48.0], [-4.0, 48.0]]]


def test_a_scaler_with_a_reference_for_each_channel_or_element() -> None:
    x = np.array([[[-2.0, 4.0], [-2.0, 4.0]]])
    one = layers.Centred(np.array([1.0, 2.0]), np.array([0.5, -3.0]))
    assert one.forward(x).tolist() == [[[-1.5, 1.5], [12.0, -6.0]]]
    assert one.slope(x).tolist() == [[[0.5, 0.5], [-3.0, -3.0]]]
    assert one.forward(x[:, :, 0]).tolist() == [[-1.5, 12.0]]
    each = layers.Centred(np.array([[1.0, 2.0]]))
    assert each.forward(x).tolist() == [[[-3.0, 2.0], [-3.0, 2.0]]]
    assert each.slope(x).tolist() == [[[1.0, 1.0], [1.0, 1.0]]]


@pytest.mark.parametrize("far", [-1000.0, 1000.0])
@pytest.mark.parametrize(
    "kind", ["CELU", "Swish", "Sigmoid", "SiLU", "Softplus", "ELU", "SELU", "GELU", "Tanh", "HardSwish"]
)
def test_activations_do_not_overflow(kind: str, far: float) -> None:
    layer, x = getattr(layers, kind)(), np.array([[far]])
    assert np.isfinite(layer.forward(x)).all()
    assert np.isfinite(layer.slope(x)).all()


def test_derivatives_at_the_kinks() -> None:
    at = np.array([[0.0]])
    for layer, slope in ((layers.ReLU(), 0), (layers.LeakyReLU(0.25), 0.25), (layers.Abs(), 0), (layers.Clip(0, 1), 0)):
        assert layer.vjp(at, at + 1)[0, 0] == slope


def test_softmax_is_its_definition() -> None:
    x = Draw("softmax")(2, 3, 2)
    for axis, log in itertools.product((1, 2, -1), (False, True)):
        powers = np.exp(x)
        expected = powers / powers.sum(axis=axis, keepdims=True)
        checks.close(layers.Softmax(axis, log).forward(x), np.log(expected) if log else expected, rtol=1e-13)
    assert np.isfinite(layers.Softmax().forward(np.array([[1e4, -1e4]]))).all()


@pytest.mark.parametrize("gamma", [1e-3, 1.0, 1e6])
def test_a_soft_minimum_does_not_overflow(gamma: float) -> None:
    h = np.array([[1e4, 1e4 + 1, 3e4], [-1e4, 0.0, 1e4], [1e300, -1e300, 0.0]])
    layer = layers.SoftMin(gamma)
    o, told = layer.forward(h)[:, 0], layer.redistribute(h, np.array([[2.0], [-3.0], [5.0]]))
    least = h.min(axis=1)
    assert np.isfinite(o).all()
    assert (o <= least).all()
    assert (o >= least - np.log(3) / gamma - 1e-8).all()
    np.testing.assert_allclose(told.relevances[0].sum(axis=1), [2.0, -3.0, 5.0], rtol=1e-14)
    assert told.relevances[0][2].tolist() == [0.0, 5.0, 0.0]


@pytest.mark.parametrize("gamma", [0.25, 1.0, 3.0])
def test_a_soft_minimum_is_pytorchs(gamma: float) -> None:
    torch = pytest.importorskip("torch")
    h, g = Draw("soft minimum", "normal")(4, 3, 5), Draw("soft minimum g", "normal")(4, 3)
    there = torch.tensor(h, requires_grad=True)
    o = -torch.logsumexp(-gamma * there, -1) / gamma
    o.backward(torch.tensor(g))
    checks.close(layers.SoftMin(gamma).forward(h), o.detach().numpy(), rtol=1e-13)
    checks.close(layers.SoftMin(gamma).vjp(h, g), there.grad.numpy(), rtol=1e-12)


ROUTES: dict[str, Any] = {
    "Flatten-all": lambda x: x.reshape(len(x), -1),
    "Flatten-from-two": lambda x: x.reshape(*x.shape[:2], -1),
    "Flatten-features": lambda x: x,
    "Reshape-known": lambda x: x.reshape(-1, 3, 4),
    "Reshape-open": lambda x: x.reshape(len(x), 4, 3),
    "Squeeze-two": lambda x: x[:, 0, :, 0],
    "Unsqueeze-two": lambda x: x[:, None, :, :, None],
    "Transpose-image": lambda x: np.einsum("nabc->ncab", x),
    "Transpose-default": lambda x: np.einsum("nab->nba", x),
    "Slice-one": lambda x: x[:, 1:4:2],
    "Slice-backwards": lambda x: x[:, :1, ::-2],
    "Gather-repeated": lambda x: np.stack([x[:, 2], x[:, 0], x[:, 2], x[:, 3]], 1),
    "Gather-one": lambda x: x[:, :, 2],
    "Pad-constant": lambda x: np.pad(x, ((0, 0), (0, 0), (2, 1))),
    "Pad-value": lambda x: np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=0.5),
    "Pad-channels": lambda x: np.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=-1.5),
    "Pad-crop": lambda x: np.pad(x, ((0, 0), (0, 0), (0, 2), (1, 0)))[:, :, 1:, :-2],
    "Pad-reflect": lambda x: np.pad(x, ((0, 0), (0, 0), (2, 1), (0, 3)), mode="reflect"),
    "Pad-reflect-crop": lambda x: np.pad(x, ((0, 0), (0, 0), (0, 2)), mode="reflect")[:, :, 1:],
    "Pad-edge": lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2), (3, 0)), mode="edge"),
    "Pad-edge-crop": lambda x: np.pad(x, ((0, 0), (0, 0), (2, 0)), mode="edge")[:, :, :-2],
    "Upsample-1d": lambda x: np.repeat(x, 2, 2),
    "Upsample-2d": lambda x: np.repeat(np.repeat(x, 3, 2), 2, 3),
}


@pytest.mark.parametrize("name", ROUTES)
def test_routes_are_numpys(name: str) -> None:
    (x,) = BY_NAME[name].inputs()
    assert np.array_equal(BY_NAME[name].layer().forward(x), ROUTES[name](x))


def test_routes_with_several_inputs_or_outputs() -> None:
    a, b = Draw("a")(2, 2, 3), Draw("b")(2, 1, 3)
    assert np.array_equal(layers.Concat().forward(a, b), np.hstack([a, b]))
    one, two = layers.Split((1, 2), axis=2).forward(a)
    assert np.array_equal(one, a[:, :, :1])
    assert np.array_equal(two, a[:, :, 1:])
    padded = layers.Pad(((0, 0), (1, 0)), value=np.array([7.0, 8.0])).forward(a)
    assert np.array_equal(padded[:, 0, 0], [7.0, 7.0])
    assert np.array_equal(padded[:, 1, 0], [8.0, 8.0])
    assert np.array_equal(layers.Multiply().forward(a, b), np.einsum("nct,nt->nct", a, b[:, 0]))


ROUTED = [s for s in SAMPLES if s.name in {*ROUTES, "Pad-value-per-channel"}]


@pytest.mark.parametrize("sample", ROUTED, ids=lambda s: s.name)
def test_route_relevance_is_where_each_number_came_from(sample: Sample) -> None:
    """Number the positions, route the numbers, and add each output's relevance up at its source by hand."""
    layer, (x,), (r,) = sample.layer(), sample.inputs(1), sample.relevances(1)
    positions = np.arange(1.0, x.size + 1).reshape(x.shape) * 100
    came_from = np.rint(layer.forward(positions) / 100)
    expected, dropped = np.zeros(x.size), 0.0
    for source, relevance in zip(came_from.ravel(), r.ravel(), strict=True):
        if source >= 1:
            expected[int(source) - 1] += relevance
        else:
            dropped += relevance
    shared = layer.redistribute(x, r)
    checks.close(shared.relevances[0].ravel(), expected, rtol=1e-15)
    np.testing.assert_allclose(shared.dropped, [dropped], atol=1e-13)


# Against PyTorch ---------------------------------------------------------------------------------------------


def torch_twin(torch: Any, layer: Any) -> Any:
    """Return PyTorch's function of tensors for a layer, or None where it has none."""
    f = torch.nn.functional
    simple = {
        "ReLU": f.relu, "SELU": f.selu, "Sigmoid": torch.sigmoid, "SiLU": f.silu, "Tanh": torch.tanh, "Abs": torch.abs,
        "CELU": lambda x: f.celu(x, layer.alpha),
        "HardTanh": f.hardtanh, "HardSwish": f.hardswish, "Exp": torch.exp, "Log": torch.log,
    }  # fmt: skip
    name = type(layer).__name__
    if name in simple:
        return simple[name]
    if name == "ELU" and layer.scale == 1:
        return lambda x: f.elu(x, layer.alpha)
    if name == "GELU":
        return lambda x: f.gelu(x, approximate=layer.approximate)
    if name == "Softplus":
        return lambda x: f.softplus(x, layer.beta)
    if name == "HardSigmoid" and layer.alpha == 1 / 6:
        return f.hardsigmoid
    if name == "LeakyReLU":
        alpha = layer.alpha
        return (
            (lambda x: f.prelu(x, torch.tensor(alpha))) if hasattr(alpha, "shape") else lambda x: f.leaky_relu(x, alpha)
        )
    if name == "Function":
        return f.softsign if layer.name == "softsign" else getattr(torch, layer.name)
    if name == "Shrink":
        kinds = {0: f.hardshrink, layer.threshold: f.softshrink}
        return None if layer.bias not in kinds else lambda x: kinds[layer.bias](x, layer.threshold)
    if name == "ThresholdedReLU":
        return lambda x: f.threshold(x, layer.alpha, 0)
    if name == "Normalize":
        return (
            None
            if layer.groups > 1 or not layer.centre or layer.axes != (-1,)
            else (lambda x: f.layer_norm(x, x.shape[-1:], eps=layer.epsilon))
        )
    if name == "LocalResponseNorm" and layer.size > 1:  # of an even window it has one more before
        twin = lambda x: f.local_response_norm(x, layer.size, layer.alpha, layer.beta, layer.bias)  # noqa: E731
        return twin if layer.size % 2 or layer.window == "torch" else lambda x: twin(x.flip(1)).flip(1)
    if name == "Prod" and len(layer.axes or (2, 3)) == 1:
        return lambda x: torch.prod(x, layer.axes[0], keepdim=layer.keepdims)
    if name == "LogSumExp":
        return lambda x: torch.logsumexp(x, layer.axes or (2, 3), keepdim=layer.keepdims)
    if name == "Max" and layer.ties == "share":
        return lambda x: torch.amax(x, layer.axes, keepdim=layer.keepdims)
    if name == "Softmax":
        return lambda x: (f.log_softmax if layer.log else f.softmax)(x, layer.axis)
    return None


TWINS = ("ReLU", "SELU", "Sigmoid", "SiLU", "Tanh", "Abs", "HardTanh", "HardSwish", "Exp", "Log", "ELU", "GELU",
         "Softplus", "HardSigmoid", "LeakyReLU", "Softmax", "CELU", "Function", "Shrink", "ThresholdedReLU",
         "Normalize", "LocalResponseNorm", "Prod", "LogSumExp", "Max")  # fmt: skip


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.kind in TWINS], ids=lambda s: s.name)
def test_values_and_derivatives_are_pytorchs(sample: Sample) -> None:
    torch = pytest.importorskip("torch")
    layer, (x,), (g,) = sample.layer("normal"), sample.inputs(4, "normal"), sample.relevances(4, "normal")
    twin = torch_twin(torch, layer)
    if twin is None:
        return
    there = torch.tensor(x, requires_grad=True)
    y = twin(there)
    y.backward(torch.tensor(g))
    checks.close(layer.forward(x), y.detach().numpy(), rtol=1e-13)
    # PyTorch keeps hardsigmoid's slope 1/6 as a float32 constant, also for float64.
    checks.close(layer.vjp(x, g), there.grad.numpy(), rtol=1e-7 if sample.kind == "HardSigmoid" else 1e-12)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.kind in ("MaxPool", "AveragePool")], ids=lambda s: s.name)
def test_pools_are_pytorchs(sample: Sample) -> None:
    torch = pytest.importorskip("torch")
    layer, (x,), (g,) = sample.layer(), sample.inputs(), sample.relevances()
    padding, dim = layer.padding, x.ndim - 2
    if not isinstance(padding, int) or (sample.kind == "AveragePool" and layer.dilation != 1):
        return
    if "window-in-padding" in sample.name or getattr(layer, "ties", "first") == "share":
        return
    own = {"dilation": layer.dilation} if sample.kind == "MaxPool" else {"count_include_pad": layer.count_include_pad}
    if dim == 1 and sample.kind == "AveragePool":
        assert layer.count_include_pad
    name = f"{'max' if sample.kind == 'MaxPool' else 'avg'}_pool{dim}d"
    there = torch.tensor(x, requires_grad=True)
    y = getattr(torch.nn.functional, name)(
        there, layer.kernel, stride=layer.stride, padding=padding, ceil_mode=layer.ceil_mode, **own
    )
    y.backward(torch.tensor(g))
    checks.close(layer.forward(x), y.detach().numpy(), rtol=1e-14)
    checks.close(layer.vjp(x, g), there.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.kind in ("Conv", "ConvTranspose")], ids=lambda s: s.name)
def test_convolutions_are_pytorchs(sample: Sample) -> None:
    torch = pytest.importorskip("torch")
    layer, (x,), (g,) = sample.layer("normal"), sample.inputs(3, "normal"), sample.relevances(3, "normal")
    dim, transposed = x.ndim - 2, sample.kind == "ConvTranspose"
    there = torch.tensor(x, requires_grad=True)
    options: dict[str, Any] = {"stride": layer.stride, "dilation": layer.dilation, "groups": layer.groups}
    padded, crop = there, [slice(None)] * x.ndim
    if transposed:
        options["output_padding"] = layer.output_padding
        # PyTorch crops both ends alike: crop by hand.
        crop[2:] = [slice(a, -b if b else None) for a, b in layer.padding]
    else:
        padded = torch.nn.functional.pad(there, [n for pair in reversed(layer.padding) for n in pair])
    name = f"conv{'_transpose' if transposed else ''}{dim}d"
    y = getattr(torch.nn.functional, name)(padded, torch.tensor(layer.weight), None, **options)[tuple(crop)]
    if layer.bias is not None:
        y = y + torch.tensor(layer.bias.reshape(-1, *(layer.bias.shape[1:] or (1,) * dim)))
    y.backward(torch.tensor(g))
    checks.close(layer.forward(x), y.detach().numpy(), rtol=1e-12)
    checks.close(layer.vjp(x, g), there.grad.numpy(), rtol=1e-12)
