"""Maps of a layer: literal formulas on autograd's gradients, stored numbers, exact identities on rationals, errors."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError
from lrp_ref.layers import (
    Add,
    Affine,
    AveragePool,
    Concat,
    Conv,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePool,
    GlobalMaxPool,
    Linear,
    Mean,
    ReLU,
    Softmax,
    Sum,
    Transpose,
)
from lrp_ref.methods import CAM, DIALECTS, GradCAM, GuidedGradCAM, HiResCAM, upsampled
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.golden_methods import Golden

RNG = np.random.default_rng(194)
NAMES = ("cam", "grad_cam", "hirescam", "guided_grad_cam")


def quarters(*shape: int) -> np.ndarray:
    return RNG.integers(-8, 9, size=shape) / 4


def averaged(axes: int = 2, *tail: Any, bias: bool = True, channels: int = 2) -> Network:
    """Two convolutions, the mean over all positions, and a dense layer: the head that CAM needs."""
    k = (2,) * axes
    shift = [quarters(n) if bias else None for n in (3, 4, 3)]
    layers = [
        ("conv1", Conv(quarters(3, channels, *k), shift[0])), ("relu1", ReLU()),
        ("conv2", Conv(quarters(4, 3, *k), shift[1])), ("relu2", ReLU()),
        *(tail or [("mean", GlobalAveragePool()), ("flat", Flatten())]), ("fc", Dense(quarters(4, 3), shift[2])),
    ]  # fmt: skip
    return Network.sequential(layers)


def dense_headed() -> Network:
    """Two dense layers on the maps: no mean over positions, so that no weight belongs to a channel alone."""
    layers = [
        ("conv", Conv(quarters(3, 2, 2, 2), quarters(3), padding=1)), ("relu", ReLU()), ("flat", Flatten()),
        ("fc1", Dense(quarters(90, 5), quarters(5))), ("relu1", ReLU()), ("fc2", Dense(quarters(5, 3), quarters(3))),
    ]  # fmt: skip
    return Network.sequential(layers)


@golden_methods.needed
@pytest.mark.parametrize("model", ["B", "D"])
def test_stored_numbers(model: str) -> None:
    golden = Golden(model)
    net, x, target = golden.net, golden.x, golden.target
    found = {
        "ref/gradcam_no_relu": lrp.methods.grad_cam(net, x, target=target, at="relu2", relu=False, upsample=None),
        "ref/gradcam_relu_upsampled_half_pixel": lrp.methods.grad_cam(net, x, target=target, at="relu2"),
        "ref/hirescam": lrp.methods.hirescam(net, x, target=target, at="relu2", upsample=None),
        "captum/gradcam_relu": lrp.methods.grad_cam(net, x, target=target, at="relu2", upsample=None),
        "captum/guided_gradcam_nearest": lrp.methods.guided_grad_cam(
            net, x, target=target, at="relu2", upsample="nearest"
        ),
    }
    for key, a in found.items():
        assert a.relevance.shape == golden[key].shape
        assert np.abs(a.relevance - golden[key]).max() <= 1e-12, key
    assert np.abs(found["ref/hirescam"].found["weights"] - golden["gradient/last_conv"]).max() <= 1e-12


@golden_methods.needed
@pytest.mark.parametrize("model", ["B", "D"])
def test_captum_as_a_dialect(model: str) -> None:
    import dataclasses

    golden = Golden(model)
    for name, key in (("grad_cam", "captum/gradcam_no_relu"), ("guided_grad_cam", "captum/guided_gradcam_nearest")):
        method = dataclasses.replace(DIALECTS["captum-0.9"][name], at="relu2")
        a = lrp.attribute(golden.net, golden.x, method, target=golden.target)
        assert np.abs(a.relevance - golden[key]).max() <= 1e-12


def torch_gradient(net: Network, value: np.ndarray, target: int, torch: Any) -> np.ndarray:
    """The gradient of a score by the maps under ``dense_headed``, by autograd."""
    a = torch.tensor(value, requires_grad=True)
    w = {n: (torch.tensor(net[n].layer.weight), torch.tensor(net[n].layer.bias)) for n in ("fc1", "fc2")}
    out = torch.relu(a.flatten(1) @ w["fc1"][0] + w["fc1"][1]) @ w["fc2"][0] + w["fc2"][1]
    (found,) = torch.autograd.grad(out[:, target].sum(), a)
    return np.asarray(found.numpy())


def test_literal_formulas_on_gradients_of_autograd() -> None:
    torch = pytest.importorskip("torch")
    net, x = dense_headed(), RNG.normal(size=(3, 2, 5, 4))
    value = net.until("relu").forward(x)
    gradient = torch_gradient(net, value, 2, torch)
    plain = np.zeros((3, 1, *value.shape[2:]))
    pixel = np.zeros_like(plain)
    for n, k in np.ndindex(*value.shape[:2]):
        plain[n, 0] += gradient[n, k].mean() * value[n, k]
        pixel[n, 0] += gradient[n, k] * value[n, k]
    for relu in (True, False):
        a = lrp.methods.grad_cam(net, x, target=2, at="relu", relu=relu, upsample=None)
        assert np.abs(a.relevance - (np.maximum(plain, 0) if relu else plain)).max() <= 1e-12
        assert np.abs(a.found["map"] - plain).max() <= 1e-12
        assert np.abs(a.found["weights"] - gradient.mean(axis=(2, 3))).max() <= 1e-12
    a = lrp.methods.hirescam(net, x, target=2, at="relu", upsample=None)
    assert np.abs(a.relevance - pixel).max() <= 1e-12


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_cam_by_the_weights_of_the_last_layer_exactly(axes: int) -> None:
    """M = Σ_k w_k A_k; Σ M/n + bias = logit; M = n·Grad-CAM = n·LRP-0 of the maps: all of it exactly."""
    net, x = rational(averaged(axes)), rational(quarters(2, 2, *(5, 4, 6)[:axes]))
    value, out = net.until("relu2").forward(x), net.forward(x)
    n = int(np.prod(value.shape[2:]))
    for target in range(3):  # logits of both signs
        w, b = net["fc"].layer.weight[:, target], net["fc"].layer.bias[target]
        expected = sum(w[k] * value[:, k : k + 1] for k in range(4))
        a = lrp.methods.cam(net, x, target=target, at="relu2", upsample=None)
        assert (a.relevance == expected).all()
        assert (a.found["weights"] == w).all()
        assert (a.found["bias"] == b).all()
        assert (expected.reshape(2, -1).sum(axis=1) / Fraction(n) + b == out[:, target]).all()
        assert (a.completeness == 0).all()
        grad = lrp.methods.grad_cam(net, x, target=target, at="relu2", relu=False, upsample=None)
        assert (grad.relevance * n == expected).all()
        # The preset "lrp0" has ε at means of maps.
        e = lrp.explain(net, x, target=target, composite=[(Linear, lrp.rules.LRP0())], trace=True)
        assert (e.trace.relevance["relu2"].sum(axis=1, keepdims=True) * n == expected).all()
        pixel = lrp.methods.hirescam(net, x, target=target, at="relu2", upsample=None)
        assert (pixel.relevance * n == expected).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("convention", ["half_pixel", "corners", "nearest"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_maps_are_laid_over_the_input(name: str, convention: str, axes: int) -> None:
    net, x = averaged(axes), RNG.normal(size=(2, 2, *(6, 5, 4)[:axes]))
    a = lrp.attribute(net, x, name, target=1, at="relu2", upsample=convention)
    small = a.found["map"]
    assert small.shape == (2, 1, *(n - 2 for n in x.shape[2:]))
    if name == "guided_grad_cam":
        guided = lrp.attribute(net, x, "guided_backprop", target=1).relevance
        expected = guided * upsampled(np.maximum(small, 0), x.shape[2:], convention)
        assert a.relevance.shape == x.shape
    else:
        kept = np.maximum(small, 0) if name == "grad_cam" else small  # first ReLU, then between the positions
        expected = upsampled(kept, x.shape[2:], convention)
    assert np.abs(a.relevance - expected).max() <= 1e-12
    assert np.isnan(a.explained).all()


def test_a_map_against_another_output_is_the_difference() -> None:
    net, x = averaged(), RNG.normal(size=(2, 2, 5, 5))
    by = [lrp.methods.cam(net, x, target=k, at="relu2").relevance for k in range(3)]
    contrast = lrp.methods.cam(net, x, target=2, against=0, at="relu2")
    assert np.abs(contrast.relevance - (by[2] - by[0])).max() <= 1e-12


HEADS: dict[str, list[tuple[str, Any]]] = {
    "pool": [("mean", AveragePool((3, 3))), ("flat", Flatten())],
    "mean": [("mean", Mean(axes=(2, 3), keepdims=False))],
    "moved": [("mean", Mean(axes=(-1, -2), keepdims=True)), ("flat", Flatten())],
    "affine": [
        ("mean", GlobalAveragePool()),
        ("bn", Affine(np.array([1.0, 2.0, -1.0, 0.5]), np.ones(4))),
        ("f", Flatten()),
    ],
    "1x1": [("mean", GlobalAveragePool()), ("conv", Conv(quarters(4, 4, 1, 1), quarters(4))), ("f", Flatten())],
}


@pytest.mark.parametrize("head", HEADS)
def test_heads_of_a_mean_and_linear_layers_have_a_cam(head: str) -> None:
    net, x = averaged(2, *HEADS[head]), quarters(2, 2, 5, 5)
    a = lrp.methods.cam(rational(net), rational(x), target=1, at="relu2", upsample=None)
    assert (a.completeness == 0).all()
    n = 9
    arrived = a.relevance.reshape(2, -1).sum(axis=1) / Fraction(n) + a.found["bias"]
    assert (arrived == rational(net).forward(rational(x))[:, 1]).all()


def test_the_last_map_may_be_the_logits_before_their_mean() -> None:
    layers = [("conv", Conv(quarters(3, 2, 2, 2), quarters(3))), ("mean", GlobalAveragePool()), ("flat", Flatten())]
    net, x = Network.sequential(layers), quarters(2, 2, 4, 4)
    a = lrp.methods.cam(net, x, target=2, upsample=None)
    assert "at='conv'" in a.notes[0]
    assert np.abs(a.relevance[:, 0] - net.until("conv").forward(x)[:, 2]).max() <= 1e-12


OTHER_HEADS: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "max": ([("max", GlobalMaxPool()), ("flat", Flatten())], r"'max' \(GlobalMaxPool\) is no mean over all positions"),
    "sum": ([("sum", Sum()), ("flat", Flatten())], r"'sum' \(Sum\) is no mean"),
    "part": ([("mean", AveragePool((3, 2), stride=1)), ("m", GlobalAveragePool()), ("f", Flatten())], "'mean'"),
    "padded": ([("mean", AveragePool((3, 3), padding=1, stride=5)), ("f", Flatten())], "'mean'"),
    "row": ([("mean", Mean(axes=(2,))), ("m", Mean(axes=(3,))), ("f", Flatten())], "'mean'"),
    "relu": ([("mean", GlobalAveragePool()), ("act", ReLU()), ("f", Flatten())], r"'act' \(ReLU\) is not linear"),
}  # fmt: skip


@pytest.mark.parametrize("head", OTHER_HEADS)
def test_other_heads_have_none_and_say_which_node(head: str) -> None:
    layers, reason = OTHER_HEADS[head]
    with pytest.raises(ParameterError, match=reason) as error:
        lrp.methods.cam(averaged(2, *layers), quarters(2, 2, 5, 5), at="relu2")
    assert "take grad_cam" in str(error.value)
    assert lrp.methods.grad_cam(averaged(2, *layers), quarters(2, 2, 5, 5), at="relu2").relevance.shape == (2, 1, 5, 5)


def test_a_softmax_is_left_out_and_not_linear_if_it_is_looked_at() -> None:
    net, x = averaged(), quarters(2, 2, 5, 5)
    soft = Network((*net.nodes, Node("soft", Softmax(), ("fc",))), net.inputs, ("soft",))
    a = lrp.methods.cam(soft, x, target=0, at="relu2")
    assert np.abs(a.relevance - lrp.methods.cam(net, x, target=0, at="relu2").relevance).max() <= 1e-12
    with pytest.raises(ParameterError, match=r"'soft' \(Softmax\) is not linear"):
        lrp.methods.cam(soft, x, target=0, at="relu2", start="output")


def test_a_path_around_the_map_is_told() -> None:
    nodes = (
        Node("conv", Conv(quarters(2, 2, 1, 1)), ("x",)),
        Node("mean", GlobalAveragePool(), ("conv",)),
        Node("other", GlobalAveragePool(), ("x",)),
        Node("both", Concat(axis=1), ("mean", "other")),
        Node("flat", Flatten(), ("both",)),
        Node("fc", Dense(quarters(4, 2)), ("flat",)),
    )
    net = Network(nodes, (Input("x"),), ("fc",))
    with pytest.raises(ParameterError, match="another path leads around it"):
        lrp.methods.cam(net, quarters(1, 2, 3, 3), at="conv")
    with pytest.raises(ParameterError, match="several maps lead to output 'fc' beside each other: name one"):
        lrp.methods.grad_cam(net, quarters(1, 2, 3, 3))


def test_the_last_map_is_named_in_the_notes() -> None:
    net, x = averaged(), RNG.normal(size=(2, 2, 5, 5))
    for name in NAMES:
        chosen, told = lrp.attribute(net, x, name, target=0), lrp.attribute(net, x, name, target=0, at="relu2")
        assert chosen.notes[0] == "at='relu2', the last map before the output"
        assert (chosen.relevance == told.relevance).all()


def test_a_map_that_is_nowhere_positive_is_told() -> None:
    """One channel of ones with the weight −1: Σ α A < 0 everywhere."""
    layers = [("relu", ReLU()), ("mean", GlobalAveragePool()), ("flat", Flatten()), ("fc", Dense(np.array([[-1.0]])))]
    net = Network.sequential(layers)
    x = np.ones((2, 1, 2, 2))
    for name in ("grad_cam", "guided_grad_cam"):
        a = lrp.attribute(net, x, name, at="relu")
        assert (a.relevance == 0).all()
        assert "the map of 2 of 2 samples is nowhere positive" in a.notes[-1]
        assert (a.found["map"] == -0.25).all()
    shown = lrp.methods.grad_cam(net, x, at="relu", relu=False)
    assert (shown.relevance == -0.25).all()
    assert shown.notes == ()


@pytest.mark.parametrize("name", NAMES)
def test_row_alone_is_row_in_a_batch_float32_stays_and_none(name: str) -> None:
    for dtype, close in ((np.float64, 1e-12), (np.float32, 1e-3)):
        net, x = averaged().astype(dtype), RNG.normal(size=(4, 2, 5, 6)).astype(dtype)
        whole = lrp.attribute(net, x, name, target=[0, 1, 2, 0], at="relu2")
        alone = lrp.attribute(net, x[2:3], name, target=2, at="relu2")
        assert whole.relevance.dtype == dtype
        assert {a.dtype for a in whole.found.values()} == {np.dtype(dtype)}
        assert np.abs(whole.relevance[2] - alone.relevance[0]).max() <= close
        one = whole.sample(2)
        assert all(np.abs(one.found[key] - alone.found[key]).max() <= close for key in alone.found)
        none = lrp.attribute(net, x[:0], name, at="relu2")
        assert none.relevance.shape == (0, *whole.relevance.shape[1:])


def test_channels_in_front_or_behind_in_the_input() -> None:
    net, x = averaged(), RNG.normal(size=(2, 2, 5, 6))
    turned = Network(
        (
            Node("turn", Transpose((0, 3, 1, 2)), ("image",)),
            Node("conv1", net["conv1"].layer, ("turn",)),
            *net.nodes[1:],
        ),
        (Input("image"),),
        net.outputs,
    )
    behind = np.moveaxis(x, 1, -1)
    for name in NAMES:
        a = lrp.attribute(net, x, name, target=1, at="relu2").relevance
        b = lrp.attribute(turned, behind, name, target=1, at="relu2", axis=-1).relevance
        assert b.shape == (2, 5, 6, a.shape[1])
        assert np.abs(np.moveaxis(b, -1, 1) - a).max() <= 1e-12


def test_a_map_of_one_of_several_inputs() -> None:
    nodes = (
        Node("conv", Conv(quarters(3, 2, 2, 2), quarters(3)), ("image",)),
        Node("mean", GlobalAveragePool(), ("conv",)),
        Node("flat", Flatten(), ("mean",)),
        Node("left", Dense(quarters(3, 2)), ("flat",)),
        Node("right", Dense(quarters(5, 2)), ("table",)),
        Node("sum", Add(), ("left", "right")),
    )
    net = Network(nodes, (Input("image"), Input("table")), ("sum",))
    x = {"image": quarters(2, 2, 4, 4), "table": quarters(2, 5)}
    a = lrp.methods.grad_cam(net, x, target=1, at="conv", relu=False)
    assert list(a.relevance) == ["image"]
    assert a.relevance["image"].shape == (2, 1, 4, 4)
    bare = lrp.methods.grad_cam(net, x, target=1, at="conv", relu=False, upsample=None)
    assert bare.relevance.shape == (2, 1, 3, 3)
    assert np.abs(bare.relevance[:, 0].sum(axis=(1, 2)) - net["conv"].layer.forward(x["image"]).mean(axis=(2, 3)) @ (
        net["left"].layer.weight[:, 1]
    )).max() <= 1e-12  # fmt: skip


def test_maps_of_words_stay_at_their_size() -> None:
    layers = [
        ("words", Embedding(quarters(9, 4))), ("turn", Transpose((0, 2, 1))),
        ("conv", Conv(quarters(3, 4, 2), quarters(3))), ("relu", ReLU()), ("mean", GlobalAveragePool()),
        ("flat", Flatten()), ("fc", Dense(quarters(3, 2))),
    ]  # fmt: skip
    net, x = Network.sequential(layers), np.array([[1, 2, 3, 4, 5]])
    with pytest.raises(ShapeError, match="give upsample=None"):
        lrp.methods.grad_cam(net, x, at="relu")
    assert lrp.methods.cam(net, x, at="relu", upsample=None).relevance.shape == (1, 1, 4)
    with pytest.raises(LrpError):
        lrp.attribute(net, x, "guided_grad_cam", at="relu")


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        ({"at": "relu3"}, ParameterError, "did you mean 'relu"),
        ({"at": 3}, ParameterError, "give the name of a node"),
        ({"at": "flat"}, ShapeError, r"'flat' is no map, its samples have the shape \(4,\).*'relu2' \(4, 4, 4\)"),
        ({"at": "fc"}, ParameterError, "no node between it and output"),
        ({"upsample": "bilinear"}, ParameterError, "unknown upsampling 'bilinear'"),
        ({"axis": "rows"}, ParameterError, "give 'channels'"),
        ({"axis": 3}, ParameterError, r"a sample of shape \(2, 6, 6\) has 3 axes"),
        ({"layer": "relu2"}, ParameterError, "unknown parameter of method"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_parameters_out_of_range(name: str, parameters: dict[str, Any], kind: type[LrpError], message: str) -> None:
    with pytest.raises(kind, match=message):
        lrp.attribute(averaged(), np.ones((1, 2, 6, 6)), name, **parameters)


def test_what_has_no_map_of_the_size_of_the_input() -> None:
    with pytest.raises(ParameterError, match="upsample=None: the map must have the input's size"):
        GuidedGradCAM(upsample=None)
    with pytest.raises(ParameterError, match="no node below output 'dense1' is a map"):
        lrp.methods.grad_cam(Network.sequential([Dense(quarters(3, 2))]), quarters(1, 3))
    larger = Network.sequential(
        [("conv", Conv(quarters(2, 1, 2, 2), padding=2)), ("f", Flatten()), ("fc", Dense(quarters(128, 2)))]
    )
    with pytest.raises(ShapeError, match=r"a map \(8, 8\) cannot be upsampled to \(5, 5\)"):
        lrp.methods.grad_cam(larger, quarters(1, 1, 5, 5), at="conv")
    assert lrp.methods.grad_cam(larger, quarters(1, 1, 5, 5), at="conv", upsample=None).relevance.shape == (1, 1, 8, 8)


def test_they_are_values() -> None:
    assert GradCAM("relu2") == GradCAM(at="relu2", relu=True) != GradCAM("relu2", relu=False)
    assert CAM("relu2", "corners") != HiResCAM("relu2", "corners")
    for kind in (CAM, GradCAM, HiResCAM, GuidedGradCAM):
        assert kind().formula()
        assert "upsample='half_pixel'" in repr(kind())
    assert "ReLU" in GradCAM().formula()
    assert "ReLU" not in GradCAM(relu=False).formula()


def test_saved_and_read_again(tmp_path: Any) -> None:
    net, x = averaged(), quarters(2, 2, 5, 5)
    a = lrp.methods.cam(net, x, target=1, at="relu2")
    read = lrp.load_relevance(a.save(tmp_path / "a"))
    assert (read["relevance"] == a.relevance).all()
    with np.load(tmp_path / "a.npz") as file:  # what else was found is there too
        assert (file["found/map"] == a.found["map"]).all()
