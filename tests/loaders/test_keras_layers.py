"""Keras files without Keras: what a layer computes, by formula or by PyTorch, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_files import entry, functional, h5_bytes, hdf5, keras_bytes, sequential

import lrp_ref as lrp
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError, UnsupportedError
from lrp_ref.layers import LSTM, Affine, Conv, Dense, Transpose
from lrp_ref.loaders.keras import layers

pytest.importorskip("h5py", reason="writes HDF5")
Floats = np.ndarray[Any, Any]


def numbers(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype(np.float32)


def load(folder: Path, content: bytes, suffix: str = ".keras", **options: Any) -> lrp.Network:
    (path := folder / f"model{suffix}").write_bytes(content)
    return lrp.load(path, **options)


def one(folder: Path, shape: list[int | None], layer: dict[str, Any], *weights: Floats, **options: Any) -> lrp.Network:
    """The network of one layer, its weights in Keras's order."""
    from lrp_ref.loaders.keras.config import snake_case

    place = f"layers/{snake_case(layer['class_name'])}/vars"
    config = sequential(entry("InputLayer", "x", batch_shape=[None, *shape]), layer)
    return load(folder, keras_bytes(config, {f"{place}/{k}": w for k, w in enumerate(weights)}), **options)


KERNEL, BIAS = numbers(4, 3), numbers(3)
X = entry("InputLayer", "x", batch_shape=[None, 4])
POLICY = {"class_name": "DTypePolicy", "config": {"name": "float32"}}
DENSE = sequential(
    entry("InputLayer", "x", batch_shape=[None, 4]),
    entry("Dense", "fc", units=3, activation="relu", dtype=POLICY),
)  # fmt: skip
OLD = {"class_name": "Sequential", "config": [
    {"class_name": "Dense", "config": {"name": "fc", "units": 3, "activation": "relu", "batch_input_shape": [None, 4]}}
]}  # fmt: skip


@pytest.mark.parametrize("form", ["keras", "h5 of Keras 3", "h5 of Keras 2", "h5 of the first Keras 2", "weights"])
def test_a_dense_layer_is_read_from_every_layout(form: str, tmp_path: Path) -> None:
    by_number = {"layers/dense/vars/0": KERNEL, "layers/dense/vars/1": BIAS}
    contents = {
        "keras": keras_bytes(DENSE, by_number),
        "h5 of Keras 3": h5_bytes(DENSE, {"fc/sequential/fc/kernel": KERNEL, "fc/sequential/fc/bias": BIAS}, "3.1.0"),
        "h5 of Keras 2": h5_bytes(DENSE, {"fc/fc/kernel:0": KERNEL, "fc/fc/bias:0": BIAS}),
        "h5 of the first Keras 2": h5_bytes(OLD, {"fc/fc_1/kernel:0": KERNEL, "fc/fc_1/bias:0": BIAS}, "2.0.6"),
        "weights": hdf5(by_number),
    }
    options: dict[str, Any] = {}
    if form == "weights":
        (tmp_path / "model.json").write_text(json.dumps(DENSE))
        options = {"architecture": tmp_path / "model.json"}
    net = load(tmp_path, contents[form], ".keras" if form == "keras" else ".h5", **options)
    assert [node.name for node in net.nodes] == ["fc", "fc.relu"]
    assert net.nodes[0].layer == Dense(KERNEL, BIAS)
    x = numbers(5, 4)
    np.testing.assert_allclose(net.forward(x), np.maximum(x @ KERNEL + BIAS, 0), rtol=1e-5, atol=1e-6)
    assert load(tmp_path, contents[form], net_suffix(form), output="fc", **options).outputs == ("fc",)


def net_suffix(form: str) -> str:
    return ".keras" if form == "keras" else ".h5"


def test_weights_alone_ask_for_their_network(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"model\.to_json\(\).*architecture="):
        load(tmp_path, hdf5({"fc/fc/kernel:0": KERNEL}), ".h5")


@pytest.mark.parametrize(
    ("dtype", "found"), [("f2", "float32"), ("f4", "float32"), ("f8", "float64"), (">f4", "float32")]
)
def test_half_precision_becomes_single_and_double_stays(dtype: str, found: str, tmp_path: Path) -> None:
    weights = {"layers/dense/vars/0": KERNEL.astype(dtype), "layers/dense/vars/1": BIAS.astype(dtype)}
    net = load(tmp_path, keras_bytes(DENSE, weights))
    assert net.dtype == np.dtype(found)
    said = ("2 of 2 weights are float16 in the file; they are computed with in float32",)
    for whole in (net, load(tmp_path, keras_bytes(DENSE, weights), output="fc")):
        assert whole.notes == (said if dtype == "f2" else ())
    (dense,) = [node.layer for node in net.nodes if isinstance(node.layer, Dense)]
    np.testing.assert_array_equal(dense.weight, KERNEL.astype(dtype).astype(found))


@pytest.mark.parametrize("how", [
    {"chunks": (2, 2)}, {"chunks": (3, 3), "compression": "gzip"}, {"chunks": (4, 2), "shuffle": True},
    {"chunks": (2, 3), "compression": "gzip", "shuffle": True},
])  # fmt: skip
def test_datasets_in_compressed_parts_are_read(how: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(
        json.dumps(sequential(*DENSE["config"]["layers"][:1], entry("Dense", "fc", units=3, use_bias=False)))
    )
    net = load(tmp_path, hdf5({"fc/fc/kernel:0": KERNEL}, **how), ".h5", architecture=tmp_path / "model.json")
    assert net.nodes[0].layer == Dense(KERNEL)


# what layers compute, by PyTorch ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (5, 4, 1), (6, 2, 3)])
def test_padding_same_is_as_tensorflow_defines_it(size: int, kernel: int, stride: int, tmp_path: Path) -> None:
    """The output has ceil(size/stride) positions, and of an odd number of zeros more are at the end."""
    torch = pytest.importorskip("torch")
    weight, bias, x = numbers(kernel, kernel, 3, 2), numbers(2), numbers(2, size, size, 3)
    layer = entry("Conv2D", "c", padding="same", strides=[stride, stride], activation="linear")
    net = one(tmp_path, [size, size, 3], layer, weight, bias)
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + kernel - size)
    padded = np.pad(x, ((0, 0), *((total // 2, total - total // 2),) * 2, (0, 0)))
    moved = padded.transpose(0, 3, 1, 2)
    expected = torch.nn.functional.conv2d(
        *(torch.from_numpy(np.ascontiguousarray(a)) for a in (moved, weight.transpose(3, 2, 0, 1), bias)), stride=stride
    ).numpy()
    np.testing.assert_allclose(net.forward(x), expected.transpose(0, 2, 3, 1), rtol=1e-5, atol=1e-5)
    assert net.forward(x).shape == (2, out, out, 2)


def test_a_flattened_image_has_its_channels_last(tmp_path: Path) -> None:
    config = sequential(
        entry("InputLayer", "x", batch_shape=[None, 2, 3, 2]),
        entry("Conv2D", "c", use_bias=False),
        entry("Flatten", "f"),
    )
    net = load(tmp_path, keras_bytes(config, {"layers/conv2d/vars/0": np.eye(2, dtype=np.float32)[None, None]}))
    x = numbers(2, 2, 3, 2)
    np.testing.assert_array_equal(net.forward(x), x.reshape(2, -1))
    assert [type(node.layer).__name__ for node in net.nodes] == ["Transpose", "Conv", "Transpose", "Flatten"]


def test_a_chain_of_convolutions_has_one_transpose_in_front(tmp_path: Path) -> None:
    kinds = [
        ("Conv2D", 3, 2),
        ("BatchNormalization", 2),
        ("ReLU",),
        ("MaxPooling2D",),
        ("Conv2D", 2, 4),
        ("GlobalAveragePooling2D",),
    ]
    layers, weights = [entry("InputLayer", "x", batch_shape=[None, 9, 9, 3])], {}
    for k, (kind, *sizes) in enumerate(kinds):
        layers.append(entry(kind, f"l{k}"))
        if kind == "Conv2D":
            place = "layers/conv2d" if k == 0 else "layers/conv2d_1"
            weights |= {f"{place}/vars/0": numbers(3, 3, *sizes), f"{place}/vars/1": numbers(sizes[1])}
    weights |= {f"layers/batch_normalization/vars/{k}": np.abs(numbers(2, seed=k)) + 1 for k in range(4)}
    net = load(tmp_path, keras_bytes(sequential(*layers), weights))
    assert [type(n.layer).__name__ for n in net.nodes if isinstance(n.layer, Transpose)] == ["Transpose"]
    assert not any(isinstance(n.layer, Affine) for n in lrp.canonize(net).nodes)  # the normalisation is merged
    e = lrp.explain(net, numbers(2, 9, 9, 3).astype(np.float64), target=1)
    assert e.relevance.shape == (2, 9, 9, 3)
    assert e.checks()["ledger"]
    total = e.relevance.sum(axis=(1, 2, 3)) + sum(row.bias + row.stabiliser + row.dropped for row in e.ledger)
    np.testing.assert_allclose(total, e.output[:, 1], rtol=1e-10)


def test_the_gates_of_an_lstm_are_in_the_order_i_f_c_o(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    kernel, recurrent, bias, x = numbers(3, 8), numbers(2, 8), numbers(8), numbers(4, 5, 3)
    config = sequential(
        entry("InputLayer", "x", batch_shape=[None, 5, 3]), entry("LSTM", "l", units=2, return_sequences=True)
    )
    weights = {f"layers/lstm/cell/vars/{k}": w for k, w in enumerate((kernel, recurrent, bias))}
    net = load(tmp_path, keras_bytes(config, weights))
    lstm = torch.nn.LSTM(3, 2, batch_first=True)  # its gates are i, f, g, o as well
    with torch.no_grad():
        for name, value in (
            ("weight_ih_l0", kernel.T),
            ("weight_hh_l0", recurrent.T),
            ("bias_ih_l0", bias),
            ("bias_hh_l0", 0 * bias),
        ):
            getattr(lstm, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
        expected = lstm(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-5, atol=1e-6)
    assert isinstance(net.nodes[0].layer, LSTM)


@pytest.mark.parametrize(
    ("version", "expected"), [("2.8.0", [0.0, 0.3, 0.5, 0.9, 1.0]), ("3.1.0", [0.0, 1 / 3, 0.5, 5 / 6, 1.0])]
)
def test_a_hard_sigmoid_is_that_of_the_version(version: str, expected: list[float], tmp_path: Path) -> None:
    config = sequential(
        entry("InputLayer", "x", batch_shape=[None, 5]), entry("Activation", "a", activation="hard_sigmoid")
    )
    net = load(tmp_path, keras_bytes(config, {"unused": BIAS}, version))
    np.testing.assert_allclose(net.forward(np.array([[-4.0, -1.0, 0.0, 2.0, 4.0]])), [expected], rtol=1e-12)


def test_batch_norm_is_its_formula(tmp_path: Path) -> None:
    gamma, beta, mean, variance = numbers(4), numbers(4, seed=1), numbers(4, seed=2), np.abs(numbers(4, seed=3))
    net = one(tmp_path, [4], entry("BatchNormalization", "n", axis=-1, epsilon=0.01), gamma, beta, mean, variance)
    x = numbers(3, 4)
    np.testing.assert_allclose(
        net.forward(x), gamma * (x - mean) / np.sqrt(variance + 0.01) + beta, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", [
    "celu", "hard_shrink", "hard_tanh", "log_sigmoid", "mish", "relu6", "soft_shrink", "softsign", "tanh_shrink",
])  # fmt: skip
@pytest.mark.parametrize("kind", ["Activation", "Dense"])
def test_an_activation_is_pytorch_s_of_that_name(name: str, kind: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    theirs = {"hard_shrink": "hardshrink", "hard_tanh": "hardtanh", "log_sigmoid": "logsigmoid",
              "soft_shrink": "softshrink", "tanh_shrink": "tanhshrink"}  # fmt: skip
    x = np.array([[-30, -1.5, -0.5, -0.2, 0], [0.3, 0.5, 1, 2.5, 8]], np.float32)
    weights = () if kind == "Activation" else (np.eye(5, dtype=np.float32), np.zeros(5, np.float32))
    net = one(tmp_path, [5], entry(kind, "a", activation=name), *(weights or (BIAS,)))
    expected = getattr(torch.nn.functional, theirs.get(name, name))(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-6, atol=1e-7)
    assert net.outputs == ("a" if kind == "Activation" else f"a.{name}",)


@pytest.mark.parametrize(("shape", "axis"), [
    ((6,), -1), ((5, 6), -1), ((5, 6), [2]), ((4, 5, 6), [-1]), ((4, 5, 6), [1, 2, 3]), ((4, 5, 6), [2, 3]),
    ((4, 5, 6), 1), ((4, 5, 6), [1, 3]),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["LayerNormalization", "RMSNormalization"])
def test_a_layer_norm_is_its_formula(shape: tuple[int, ...], axis: Any, kind: str, tmp_path: Path) -> None:
    x = numbers(3, *shape) * 3 + 1
    places = [a % x.ndim for a in (axis if isinstance(axis, list) else [axis])]
    sizes, centred = [x.shape[a] for a in places], kind == "LayerNormalization"
    gamma, beta = numbers(*sizes, seed=1), numbers(*sizes, seed=2)
    options = {"axis": axis, "epsilon": 0.02}
    net = one(tmp_path, list(shape), entry(kind, "n", **options), *((gamma, beta) if centred else (gamma,)))
    fitted = [1 if k not in places else n for k, n in enumerate(x.shape)]
    mean = x.mean(axis=tuple(places), keepdims=True) if centred else 0
    expected = (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=tuple(places), keepdims=True) + 0.02)
    expected = expected * gamma.reshape(fitted) + (beta.reshape(fitted) if centred else 0)
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-5, atol=1e-5)


def test_a_layer_norm_between_convolutions_and_its_defaults(tmp_path: Path) -> None:
    config = sequential(
        entry("InputLayer", "x", batch_shape=[None, 4, 5, 3]),
        entry("Conv2D", "c", use_bias=False),
        entry("LayerNormalization", "n", center=False),
    )
    weights = {"layers/conv2d/vars/0": np.eye(3, dtype=np.float32)[None, None]}
    gamma = numbers(3)
    net = load(tmp_path, keras_bytes(config, {**weights, "layers/layer_normalization/vars/0": gamma}))
    x = numbers(2, 4, 5, 3) / 10
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3) * gamma
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "axis", "groups"), [
    ((6,), -1, 3), ((5, 6), -1, 2), ((4, 5, 6), -1, 3), ((4, 5, 6), 3, -1), ((6, 4, 5), 1, 2),
])  # fmt: skip
def test_a_group_norm_is_pytorch_s(shape: tuple[int, ...], axis: int, groups: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    x, gamma, beta = numbers(3, *shape) * 3 + 1, numbers(6, seed=1), numbers(6, seed=2)
    layer = entry("GroupNormalization", "n", groups=groups, axis=axis)
    net = one(tmp_path, list(shape), layer, gamma, beta)
    first = np.ascontiguousarray(np.moveaxis(x, axis, 1))
    given = (torch.from_numpy(a) for a in (gamma, beta))
    theirs = torch.nn.functional.group_norm(torch.from_numpy(first), 6 if groups == -1 else groups, *given, eps=1e-3)
    np.testing.assert_allclose(net.forward(x), np.moveaxis(theirs.numpy(), 1, axis), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("after", [True, False])
def test_a_gru_is_its_formula_with_the_gates_z_r_h(after: bool, tmp_path: Path) -> None:
    kernel, recurrent, x = numbers(3, 6), numbers(2, 6), numbers(4, 5, 3)
    bias = numbers(2, 6) if after else numbers(6)
    layer = entry("GRU", "g", units=2, reset_after=after)
    weights = {f"layers/gru/cell/vars/{k}": w for k, w in enumerate((kernel, recurrent, bias))}
    net = load(tmp_path, keras_bytes(sequential(entry("InputLayer", "x", batch_shape=[None, 5, 3]), layer), weights))
    outer, inner = bias if after else (bias, np.zeros(6))
    h = np.zeros((4, 2))
    for t in range(5):
        both = x[:, t] @ kernel[:, :4] + h @ recurrent[:, :4] + outer[:4] + inner[:4]
        z, r = np.split(1 / (1 + np.exp(-both)), 2, axis=1)
        new = h @ recurrent[:, 4:] + inner[4:]
        new = r * new if after else (r * h) @ recurrent[:, 4:]
        h = z * h + (1 - z) * np.tanh(x[:, t] @ kernel[:, 4:] + outer[4:] + new)
    np.testing.assert_allclose(net.forward(x), h, rtol=1e-4, atol=1e-5)


def masked(*layers: dict[str, Any]) -> dict[str, Any]:
    return sequential(entry("InputLayer", "x", batch_shape=[None, 5]), entry("Embedding", "e", mask_zero=True), *layers)


def masked_weights() -> dict[str, Floats]:
    weights = {"layers/embedding/vars/0": numbers(6, 3)}
    return weights | {f"layers/lstm/cell/vars/{k}": w for k, w in enumerate((numbers(3, 8), numbers(2, 8), numbers(8)))}


def test_masked_steps_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    """Wherever they are: at the end, in front, between others, everywhere."""
    tokens = np.array([[1, 2, 3, 0, 0], [0, 0, 1, 2, 3], [1, 0, 2, 0, 3], [0, 0, 0, 0, 0], [5, 4, 0, 1, 2]])
    net = load(tmp_path, keras_bytes(masked(entry("LSTM", "l", units=2)), masked_weights()))
    found = net.forward(tokens)
    np.testing.assert_allclose(found[1:3], found[[0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(found[3], [0, 0])
    first, lstm = entry("InputLayer", "x", batch_shape=[None, 4]), entry("LSTM", "l", units=2)
    unmasked = load(tmp_path, keras_bytes(sequential(first, entry("Embedding", "e"), lstm), masked_weights()))
    np.testing.assert_allclose(found[4:], unmasked.forward(np.array([[5, 4, 1, 2]])), rtol=1e-6)
    e = lrp.explain(net.astype(np.float64), tokens, target=1, composite=lrp.Composite([(LSTM, lrp.rules.Recurrent())]))
    assert not e.relevance[tokens == 0].any()
    np.testing.assert_allclose(e.relevance[2][[0, 2, 4]], e.relevance[0][:3], rtol=1e-9)
    assert e.relevance[0][:3].all()
    assert e.checks()["ledger"]


# graphs --------------------------------------------------------------------------------------------------------------


def test_a_layer_that_is_used_twice_and_a_model_inside_a_model(tmp_path: Path) -> None:
    inner = {**sequential(entry("InputLayer", "i", batch_shape=[None, 4]), entry("Dense", "fc", units=3), name="inner")}
    model = {**inner, "name": "inner", "inbound_nodes": entry("x", "x", reads=["a", "b"])["inbound_nodes"]}
    config = functional(
        ["a", "b"], ["sub"],
        entry("InputLayer", "a", batch_shape=[None, 4]), entry("InputLayer", "b", batch_shape=[None, 4]),
        model, entry("Subtract", "sub", reads=[["inner", "inner:1"]]),
    )  # fmt: skip
    weights = {"layers/sequential/layers/dense/vars/0": KERNEL, "layers/sequential/layers/dense/vars/1": BIAS}
    net = load(tmp_path, keras_bytes(config, weights))
    assert [node.name for node in net.nodes] == ["inner.fc", "inner.2.fc", "sub"]
    a, b = numbers(2, 4), numbers(2, 4, seed=5)
    np.testing.assert_allclose(net.forward({"a": a, "b": b}), (a - b) @ KERNEL, rtol=1e-4, atol=1e-5)


def test_keras_2_counts_the_calls_of_a_model_inside_from_one(tmp_path: Path) -> None:
    inner = {
        **sequential(entry("InputLayer", "i", batch_input_shape=[None, 4]), entry("Dense", "fc"), name="inner"),
        "name": "inner",
    }
    config = functional(
        ["a"], ["f"],
        entry("InputLayer", "a", batch_input_shape=[None, 4]),
        {**inner, "inbound_nodes": [[["a", 0, 0, {}]]]},
        {"class_name": "Flatten", "config": {"name": "f"}, "name": "f", "inbound_nodes": [[["inner", 1, 0, {}]]]},
    )  # fmt: skip
    net = load(tmp_path, h5_bytes(config, {"inner/fc/kernel:0": KERNEL, "inner/fc/bias:0": BIAS}), ".h5")
    x = numbers(2, 4)
    np.testing.assert_allclose(net.forward(x), x @ KERNEL + BIAS, rtol=1e-5, atol=1e-6)


MERGES = {
    "Add": lambda a, b, c: a + b + c,
    "Average": lambda a, b, c: (a + b + c) / 3,
    "Multiply": lambda a, b, c: a * b * c,
    "Maximum": lambda a, b, c: np.maximum(np.maximum(a, b), c),
    "Minimum": lambda a, b, c: np.minimum(np.minimum(a, b), c),
    "Concatenate": lambda a, b, c: np.concatenate([a, b, c], axis=-1),
}


@pytest.mark.parametrize("shape", [[3], [None, 3], [4, 5, 3]])
@pytest.mark.parametrize("kind", MERGES)
def test_what_is_made_of_three_inputs(kind: str, shape: list[int | None], tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    ends = [entry("InputLayer", name, batch_shape=[None, *shape]) for name in names]
    net = load(tmp_path, keras_bytes(functional(names, ["y"], *ends, entry(kind, "y", reads=[names])), {}))
    for n in (0, 1, 4):
        given = {name: numbers(n, *(size or 6 for size in shape), seed=k) for k, name in enumerate(names)}
        given["b"][..., 0] = given["a"][..., 0]  # a tie
        expected = MERGES[kind](*given.values())
        np.testing.assert_allclose(net.forward(given), expected, rtol=1e-6, atol=1e-6)
        if kind in ("Maximum", "Minimum"):
            relevance = numbers(*expected.shape, seed=9)
            found = lrp.explain(net, given, start=relevance, composite="epsilon").relevance
            first = np.argmax([value == expected for value in given.values()], axis=0)
            for k, name in enumerate(names):
                np.testing.assert_array_equal(found[name], np.where(first == k, relevance, 0))


def test_free_sizes_stay_free_or_are_given(tmp_path: Path) -> None:
    layer = entry("Conv2D", "c", padding="same", strides=[2, 2], use_bias=False)
    with pytest.raises(UnsupportedError, match="shapes="):
        one(tmp_path, [None, None, 3], layer, numbers(3, 3, 3, 2))
    net = one(tmp_path, [None, None, 3], layer, numbers(3, 3, 3, 2), shapes={"x": (None, 6, 7, 3)})
    assert net.inputs[0].shape == (None, 6, 7, 3)
    free = one(tmp_path, [None, None, 3], {**layer, "config": {"name": "c", "use_bias": False}}, numbers(3, 3, 3, 2))
    assert free.forward(numbers(1, 5, 9, 3)).shape == (1, 3, 7, 2)
    with pytest.raises(ParameterError, match="'y'"):
        one(tmp_path, [6, 6, 3], layer, numbers(3, 3, 3, 2), shapes={"y": (None, 6, 6, 3)})


# what is refused -----------------------------------------------------------------------------------------------------


def refused(folder: Path, config: Any, weights: Any = None, kind: type[LrpError] = UnsupportedError) -> str:
    with pytest.raises(kind) as caught:
        load(folder, keras_bytes(config, weights or {"unused": BIAS}))
    message = str(caught.value)
    assert "model.keras" in message
    assert "\n" not in message
    assert len(message) <= 600 + len(str(folder))
    return message


def test_all_layers_that_are_not_known_are_named_and_nothing_is_imported(tmp_path: Path) -> None:
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'done')!r}, 'w')")
    named = {"module": "evil", "class_name": "Evil", "config": {}, "name": "evil"}
    chain = sequential(
        entry("InputLayer", "x", batch_shape=[None, 4]),
        {**entry("Lambda", "first", function={"class_name": "__lambda__", "config": {"code": "4wEA"}}), "module": "os"},
        entry("Dense", "fc", units=3),
        {**named, "config": {"name": "evil"}, "registered_name": "os>system"},
        entry("Lambda", "last"),
    )
    message = refused(tmp_path, chain, {"layers/dense/vars/0": KERNEL, "layers/dense/vars/1": BIAS})
    assert "3 unsupported layers: Lambda 'first', 'last' (not supported); Evil 'evil' (not supported)" in message
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize(("layer", "reason"), [
    (entry("Dense", "l", activation="sparsemax"), "the activation 'sparsemax'"),
    (entry("Dense", "l", activation={"class_name": "function", "module": "os", "config": "system"}), "on 'system'"),
    (entry("Dense", "l", activation={"class_name": "Evil", "module": "os", "config": {}}), "the activation 'Evil'"),
    (entry("Dense", "l", use_bias="no"), "use_bias is 'no'"),
    (entry("TimeDistributed", "l", layer={"class_name": "Lambda", "config": {}}), "'Lambda' at every step"),
    (entry("RepeatVector", "l", n=1 << 40), "repetitions"),
    (entry("Reshape", "l", target_shape="x"), "target_shape is 'x'"),
    (entry("BatchNormalization", "l", axis=0), "axis 0 is the batch"),
    (entry("BatchNormalization", "l", axis=7), "axis 7"),
    (entry("Softmax", "l", axis=True), "axis True"),
    (entry("LayerNormalization", "l", axis=0), "axis 0 is the batch"),
    (entry("LayerNormalization", "l", axis=[1, 1]), "not in order"),
    (entry("LayerNormalization", "l", axis=[]), "none or not"),
    (entry("LayerNormalization", "l", axis="x"), "axis 'x'"),
    (entry("GroupNormalization", "l", axis=[1, 0]), "axis 0 is the batch"),
    (entry("LayerNormalization", "l", axis=7), "axis 7"),
    (entry("LayerNormalization", "l", rms_scaling=True), "rms_scaling"),
    (entry("GroupNormalization", "l", axis=0), "axis 0 is the batch"),
    (entry("GroupNormalization", "l", groups=3), "3 groups of 4 channels"),
    (entry("GroupNormalization", "l", groups=-2), "-2 groups"),
    (entry("ReLU", "l", threshold=1.0), "threshold 1.0"),
    (entry("LSTM", "l"), "2 axes"),
    (entry("Conv2D", "l"), "an input with 2 axes"),
    (entry("Add", "l"), "1 inputs"),
    (entry("Rescaling", "l", scale="x"), "scale is 'x'"),
    (entry("Rescaling", "l", scale=float("inf")), "scale is inf"),
    (entry("TFOpLambda", "l", function="os.system"), "the function 'os.system'"),
])  # fmt: skip
def test_a_layer_says_why_it_is_refused(layer: dict[str, Any], reason: str, tmp_path: Path) -> None:
    place = {"Dense": "dense", "BatchNormalization": "batch_normalization"}.get(layer["class_name"], "x")
    values = [KERNEL, BIAS] if place == "dense" else [np.ones(4, np.float32)] * 4
    weights = {f"layers/{place}/vars/{k}": w for k, w in enumerate(values)}
    message = refused(tmp_path, sequential(entry("InputLayer", "x", batch_shape=[None, 4]), layer), weights)
    assert reason in message
    assert layer["class_name"] in message


def test_a_mean_of_steps_that_keras_would_skip_is_refused(tmp_path: Path) -> None:
    assert "mask_zero" in refused(tmp_path, masked(entry("GlobalAveragePooling1D", "g")), masked_weights())
    between = (entry("MaxPooling1D", "p"), entry("LSTM", "l", units=2))
    assert "hides which" in refused(tmp_path, masked(*between), masked_weights())
    long = sequential(
        entry("InputLayer", "x", batch_shape=[None, 5000]), entry("Embedding", "e", mask_zero=True), between[1]
    )
    assert "5000 steps" in refused(tmp_path, long, masked_weights())  # each sample would have a matrix of 5000²
    net = load(tmp_path, keras_bytes(masked(entry("Flatten", "f")), masked_weights()))
    assert [node.name for node in net.nodes] == ["e", "f"]


@pytest.mark.parametrize(("config", "reason"), [
    ([], "not an object"),
    ({"class_name": "Lambda", "config": {}}, "not of a model"),
    (sequential(), "without layers"),
    (sequential(X, entry("Dense", "x")), "called 'x'"),
    (functional(["x"], ["y"], X), "made by no layer"),
    (functional(["x"], ["a"], X, *(entry("Dropout", a, reads=[b]) for a, b in ("ab", "ba"))), "reads itself"),
    (functional(["x"], ["a"], X, entry("Dropout", "a", reads=["z"])), "made by no layer"),
    (functional(["x"], ["x"], entry("InputLayer", "x", batch_shape=[None, "n"])), "not an integer"),
    (functional(["x"], ["x"], entry("InputLayer", "x", batch_shape=[None, -1])), "-1"),
    (functional(["x"], ["a"], X, entry("Dense", "a", reads=["x"])), "has no kernel"),
])  # fmt: skip
def test_a_config_that_does_not_fit_together_is_damaged(config: Any, reason: str, tmp_path: Path) -> None:
    assert reason in refused(tmp_path, config, kind=ModelFormatError)


def test_more_weights_than_a_layer_has_are_refused(tmp_path: Path) -> None:
    """A Dense layer with LoRA has two more, and computes something else."""
    weights = {f"layers/dense/vars/{k}": w for k, w in enumerate((KERNEL, BIAS, numbers(4, 2), numbers(2, 3)))}
    assert "more weights" in refused(tmp_path, DENSE, weights, ModelFormatError)


def test_names_are_printed_with_escapes(tmp_path: Path) -> None:
    message = refused(
        tmp_path, sequential(entry("InputLayer", "x", batch_shape=[None, 4]), entry("L\x1b[31m\n", "\x00\n"))
    )
    assert message.isprintable()


def test_a_convolution_keeps_its_groups_and_dilation(tmp_path: Path) -> None:
    layer = entry("Conv2D", "c", groups=2, dilation_rate=[1, 2], use_bias=False)
    net = one(tmp_path, [5, 6, 4], layer, numbers(2, 2, 2, 6))
    (conv,) = [node.layer for node in net.nodes if isinstance(node.layer, Conv)]
    assert (conv.groups, conv.dilation, conv.weight.shape) == (2, (1, 2), (6, 2, 2, 2))


def test_the_page_names_every_layer() -> None:
    """Those of one, two and three dimensions stand there as "Conv1D to 3D", or each by itself."""
    page = (Path(__file__).parents[2] / "docs" / "export" / "keras.md").read_text(encoding="utf-8")
    table = page[page.index("| dense |") : page.index("| models |")]
    named = set(re.findall(r"\w+", table))
    for base in re.findall(r"(\w+)1D to 3D", table):
        named |= {f"{base}{n}D" for n in (1, 2, 3)}
    known = {
        kind
        for kind in layers()
        if not kind.startswith(("ops.", "TFOp")) and not kind.endswith(("Pool1D", "Pool2D", "Pool3D"))
    }
    assert known <= named
