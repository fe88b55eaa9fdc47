"""Described architectures: PyTorch is the oracle of every kind, the rest is worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weights_files

from lrp_ref import layers, loaders
from lrp_ref.errors import ModelFormatError, ParameterError, UnsupportedError
from lrp_ref.loaders import described
from lrp_ref.loaders.described.kinds import MODULES
from lrp_ref.network import Network

HERE = Path("w.safetensors")
RNG = np.random.default_rng(7)


def built(description: Any, tensors: Mapping[str, Any], **options: Any) -> Network:
    return described.load(HERE, tensors, architecture=description, **options)


def array(*shape: int) -> Any:
    return RNG.normal(size=shape)


def refused(description: Any, tensors: Mapping[str, Any] | None = None, kind: type = ModelFormatError) -> str:
    with pytest.raises(kind) as caught:
        built(description, {} if tensors is None else tensors)
    assert type(caught.value) is kind
    assert len(str(caught.value)) <= 600
    return str(caught.value)


# -- PyTorch as the oracle --------------------------------------------------------------------------------------------


def cases() -> list[Any]:
    """(modules, their entries, the shape of a sample) of every kind that PyTorch has."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    image, row, line, cube = (3, 9, 8), (6,), (4, 11), (2, 6, 5, 4)
    weighted = [
        ([nn.Linear(6, 4)], [{"Linear": "0", "in_features": 6, "out_features": 4}], row),
        ([nn.Linear(6, 4, bias=False)], [{"Linear": "0", "bias": False}], row),
        ([nn.Conv2d(3, 4, 3)], [{"Conv2d": "0", "kernel_size": 3, "in_channels": 3, "out_channels": 4}], image),
        ([nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=3)],
         [{"Conv2d": "0", "stride": [2, 1], "padding": [1, 2], "dilation": [1, 2], "groups": 3, "in_channels": 3,
           "kernel_size": [3, 2]}], image),
        ([nn.Conv2d(3, 3, (4, 3), padding="same", bias=False)],
         [{"Conv2d": "0", "padding": "same", "bias": False}], image),
        ([nn.Conv2d(3, 3, 3, padding="valid")], [{"Conv2d": "0", "padding": "valid"}], image),
        ([nn.Conv1d(4, 2, 3, padding=1)], [{"Conv1d": "0", "padding": 1}], line),
        ([nn.Conv3d(2, 3, 2, stride=2)], [{"Conv3d": "0", "stride": 2}], cube),
        ([nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1, dilation=(1, 2))],
         [{"ConvTranspose2d": "0", "stride": 2, "padding": 1, "output_padding": 1, "dilation": [1, 2]}], image),
        ([nn.ConvTranspose1d(4, 6, 3, groups=2)], [{"ConvTranspose1d": "0", "groups": 2, "out_channels": 6}], line),
        ([nn.ConvTranspose3d(2, 1, 2, bias=False)], [{"ConvTranspose3d": "0", "bias": False}], cube),
        ([nn.BatchNorm2d(3, eps=1e-2)], [{"BatchNorm2d": "0", "eps": 1e-2, "num_features": 3}], image),
        ([nn.BatchNorm1d(6, affine=False)], [{"BatchNorm1d": "0", "affine": False}], row),
        ([nn.BatchNorm1d(4)], [{"BatchNorm1d": "0"}], line),
        ([nn.BatchNorm3d(2)], [{"BatchNorm3d": "0"}], cube),
        ([nn.PReLU(3)], [{"PReLU": "0"}], image),
        ([nn.LayerNorm(11, eps=0.1)], [{"LayerNorm": "0", "eps": 0.1, "normalized_shape": 11}], line),
        ([nn.LayerNorm(6, bias=False)], [{"LayerNorm": "0", "axes": 1, "bias": False}], row),
        ([nn.LayerNorm((9, 8))], [{"LayerNorm": "0", "axes": 3, "normalized_shape": [9, 8]}], image),
        ([nn.LayerNorm(8)], [{"LayerNorm": "0"}], image),
        ([nn.LayerNorm(6, elementwise_affine=False)],
         [{"LayerNorm": "0", "normalized_shape": 6, "elementwise_affine": False}], row),
        ([nn.RMSNorm(11)], [{"RMSNorm": "0"}], line),
        ([nn.RMSNorm((4, 11), eps=0.2)], [{"RMSNorm": "0", "eps": 0.2}], line),
        ([nn.GroupNorm(2, 4, eps=0.1)], [{"GroupNorm": "0", "num_groups": 2, "axes": 2, "eps": 0.1}], line),
        ([nn.GroupNorm(3, 3, affine=False)],
         [{"GroupNorm": "0", "num_groups": 3, "axes": 3, "affine": False}], image),
        ([nn.GroupNorm(2, 6)], [{"GroupNorm": "0", "num_groups": 2, "axes": 1, "num_channels": 6}], row),
        ([nn.InstanceNorm1d(4)], [{"InstanceNorm1d": "0"}], line),
        ([nn.InstanceNorm2d(3, eps=0.1, affine=True)],
         [{"InstanceNorm2d": "0", "eps": 0.1, "affine": True, "num_features": 3}], image),
        ([nn.InstanceNorm3d(2)], [{"InstanceNorm3d": "0"}], cube),
        ([nn.LocalResponseNorm(3)], [{"LocalResponseNorm": 3}], image),
        ([nn.LocalResponseNorm(4, 0.5, 0.6, 2)], [{"LocalResponseNorm": 4, "alpha": 0.5, "beta": 0.6, "k": 2}],
         (7, 3, 2)),
        ([nn.LocalResponseNorm(2, 0.5)], [{"LocalResponseNorm": {}, "size": 2, "alpha": 0.5}], line),
        ([nn.PReLU()], [{"PReLU": "0"}], image),
    ]  # fmt: skip
    plain = [
        (nn.ReLU(), "ReLU", row), (nn.ReLU6(), "ReLU6", row), (nn.LeakyReLU(), "LeakyReLU", row),
        (nn.LeakyReLU(0.3), {"LeakyReLU": 0.3}, row), (nn.ELU(), "ELU", row),
        (nn.ELU(0.7), {"ELU": {}, "alpha": 0.7}, row), (nn.SELU(), "SELU", row), (nn.GELU(), "GELU", row),
        (nn.GELU("tanh"), {"GELU": "tanh"}, row), (nn.SiLU(), "SiLU", row), (nn.Sigmoid(), "Sigmoid", row),
        (nn.Tanh(), "Tanh", row), (nn.Softplus(), "Softplus", row), (nn.Softplus(2), {"Softplus": 2}, row),
        (nn.Hardtanh(), "Hardtanh", row), (nn.Hardtanh(-0.5, 2), {"Hardtanh": {}, "min_val": -0.5, "max_val": 2}, row),
        (nn.Hardswish(), "Hardswish", row), (nn.Hardsigmoid(), "Hardsigmoid", row),
        (nn.CELU(), "CELU", row), (nn.CELU(0.4), {"CELU": 0.4}, row), (nn.Softsign(), "Softsign", row),
        (nn.LogSigmoid(), "LogSigmoid", row), (nn.Hardshrink(), "Hardshrink", row),
        (nn.Hardshrink(1.5), {"Hardshrink": 1.5}, row), (nn.Softshrink(0.7), {"Softshrink": 0.7}, row),
        (nn.Softmax(1), {"Softmax": 1}, row), (nn.Softmax(-1), {"Softmax": -1}, image),
        (nn.LogSoftmax(1), {"LogSoftmax": {}, "dim": 1}, image),
        (nn.Identity(), "Identity", row), (nn.Dropout(), "Dropout", row),
        (nn.Dropout2d(0.1), {"Dropout2d": 0.1}, image),
        (nn.MaxPool2d(2), {"MaxPool2d": 2}, image),
        (nn.MaxPool1d(3, 1, 1), {"MaxPool1d": 3, "stride": 1, "padding": 1}, line),
        (nn.MaxPool2d((3, 2), 2, (1, 0), ceil_mode=True),
         {"MaxPool2d": [3, 2], "stride": 2, "padding": [1, 0], "ceil_mode": True}, image),
        (nn.MaxPool3d(2, dilation=2), {"MaxPool3d": {}, "kernel_size": 2, "dilation": 2}, cube),
        (nn.AvgPool2d(3, 2, 1), {"AvgPool2d": 3, "stride": 2, "padding": 1}, image),
        (nn.AvgPool2d(3, 2, 1, True, False),
         {"AvgPool2d": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False}, image),
        (nn.AvgPool1d(2), {"AvgPool1d": 2}, line), (nn.AvgPool3d(2), {"AvgPool3d": 2}, cube),
        (nn.AdaptiveAvgPool2d(1), "AdaptiveAvgPool2d", image),
        (nn.AdaptiveAvgPool1d(1), {"AdaptiveAvgPool1d": 1}, line),
        (nn.AdaptiveAvgPool3d(1), {"AdaptiveAvgPool3d": [1, 1, 1]}, cube),
        (nn.AdaptiveMaxPool2d(1), "AdaptiveMaxPool2d", image), (nn.AdaptiveMaxPool1d(1), "AdaptiveMaxPool1d", line),
        (nn.ZeroPad2d((1, 2, 3, 0)), {"ZeroPad2d": [1, 2, 3, 0]}, image), (nn.ZeroPad2d(2), {"ZeroPad2d": 2}, image),
        (nn.ReflectionPad2d((1, 2, 3, 0)), {"ReflectionPad2d": [1, 2, 3, 0]}, image),
        (nn.ReplicationPad1d((3, 1)), {"ReplicationPad1d": [3, 1]}, line),
        (nn.ReplicationPad3d((1, 0, 2, 1, 0, 3)), {"ReplicationPad3d": [1, 0, 2, 1, 0, 3]}, cube),
        (nn.Upsample(scale_factor=2), {"Upsample": [2, 2]}, image),
        (nn.Flatten(), "Flatten", image), (nn.Flatten(2), {"Flatten": 2}, image),
    ]  # fmt: skip
    return weighted + [([module], [entry], shape) for module, entry, shape in plain]


def seeded(module: Any) -> Any:
    """The module with random statistics and parameters, for inference."""
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                value.uniform_(0.3, 2.0) if name.endswith("var") else value.normal_(0, 0.6)
    return module.eval().double()


def arrays(module: Any) -> dict[str, Any]:
    return {name: value.numpy() for name, value in module.state_dict().items()}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_every_kind_is_pytorch_s() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    met = set()
    for modules, entries, shape in cases():
        module = seeded(torch.nn.Sequential(*modules))
        net = built({"input": list(shape), "layers": entries}, arrays(module))
        for n in (1, 3):
            x = 3 * torch.randn(n, *shape, dtype=torch.float64)
            expected = module(x).detach().numpy()
            np.testing.assert_allclose(net.forward(x.numpy()), expected, rtol=1e-9, atol=1e-9, err_msg=str(entries))
        met |= {key for entry in entries for key in ([entry] if isinstance(entry, str) else entry) if key[0].isupper()}
    others = {"Add", "Concat", "Multiply", "Embedding", "LSTM", "GRU", "RNN"}  # below
    others |= {"AlphaDropout", "Dropout1d", "Dropout3d", "AdaptiveMaxPool3d", "ZeroPad1d", "ZeroPad3d"}
    others |= {"ReflectionPad1d", "ReflectionPad3d", "ReplicationPad2d"}
    assert set(MODULES) - met == others


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "RNN relu"])
@pytest.mark.parametrize("layers_", [1, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_recurrent_module_is_pytorch_s(kind: str, layers_: int, both: bool, bias: bool) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    kind, _, function = kind.partition(" ")
    more = {"nonlinearity": function} if function else {}
    module = getattr(torch.nn, kind)(3, 4, layers_, bias=bias, batch_first=True, bidirectional=both, **more)
    seeded(module)
    entry = {kind: "", "num_layers": layers_, "bidirectional": both, "bias": bias, "input_size": 3, **more}
    x = torch.randn(2, 5, 3, dtype=torch.float64)
    sequence, h = module(x)
    h = h[0] if kind == "LSTM" else h
    net = built({"input": ["any", 3], "layers": [{**entry, "hidden_size": 4}]}, arrays(module))
    np.testing.assert_allclose(net.forward(x.numpy()), sequence.detach().numpy(), rtol=1e-9, atol=1e-12)
    net = built({"layers": [{**entry, "returns": "last"}]}, arrays(module))
    last = torch.cat([h[-2], h[-1]], 1) if both else h[-1]
    np.testing.assert_allclose(net.forward(x.numpy()), last.detach().numpy(), rtol=1e-9, atol=1e-12)


def test_a_look_up_is_pytorch_s() -> None:
    torch = pytest.importorskip("torch")
    module = seeded(torch.nn.Embedding(7, 3, padding_idx=0))
    entry = {"Embedding": "", "num_embeddings": 7, "embedding_dim": 3, "padding_idx": 0}
    net = built({"input": {"shape": [4], "dtype": "int64", "name": "words"}, "layers": [entry]}, arrays(module))
    x = np.array([[0, 6, 2, 2]])
    np.testing.assert_array_equal(net.forward(x), module(torch.from_numpy(x)).detach().numpy())
    assert net.inputs[0].name == "words"
    assert net.inputs[0].element_type == "int64"


def test_a_residual_network_with_depthwise_convolutions_is_pytorch_s(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(2)

    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(2, 4, 3, stride=2, padding=1)
            self.block = nn.ModuleDict(
                {"wide": nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), "norm": nn.BatchNorm2d(4)}
            )
            self.gate = nn.Conv2d(4, 4, 1)
            self.fc = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            stem = self.stem(x).relu()
            y = stem + self.block["norm"](self.block["wide"](stem))
            y = torch.cat([y * self.gate(y).sigmoid(), stem], 1)
            return self.fc(y.mean((2, 3)))

    module = seeded(Net())
    text = """
        # what the layers are
        input = {name = "image", shape = [2, "any", "any"], low = [-1.0, -1.0], high = [1.0, 1.0]}
        layers = [
            {Conv2d = "stem", stride = 2, padding = 1},
            {ReLU = {}, name = "low"},
            {Conv2d = "block.wide", padding = 1, groups = 4, bias = false},
            {BatchNorm2d = "block.norm"},
            {Add = ["low", "block.norm"], name = "sum"},
            {Conv2d = "gate"},
            {Sigmoid = {}, name = "open"},
            {Multiply = ["sum", "open"], name = "gated"},
            {Concat = ["gated", "low"]},
            "AdaptiveAvgPool2d",
            "Flatten",
            {Linear = "fc"},
        ]
        output = "fc"
    """
    (tmp_path / "net.toml").write_text(text)
    net = built(tmp_path / "net.toml", arrays(module))
    x = torch.randn(2, 2, 7, 8, dtype=torch.float64)
    np.testing.assert_allclose(net.forward(x.numpy()), module(x).detach().numpy(), rtol=1e-9, atol=1e-12)
    assert [node.name for node in net.nodes][-4:] == ["concat1", "adaptiveavgpool1", "flatten1", "fc"]
    assert net.inputs[0].low == (-1.0, -1.0)


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_a_layer_of_this_package_takes_its_fields_and_changed_tensors() -> None:
    w, b, c = array(3, 2), array(2), array(2)
    entry = {"layer": "Dense", "weight": {"tensor": "w"}, "bias": {"sum": [{"tensor": "b"}, {"tensor": "c"}]}}
    assert built({"layers": [entry]}, {"w": w, "b": b, "c": c}).nodes[0].layer == layers.Dense(w, b + c)
    image = array(5, 4, 3, 2)
    conv = {"layer": "Conv", "weight": {"tensor": "k", "transpose": [3, 2, 0, 1]}, "stride": [2, 1], "name": "c"}
    made = built({"layers": [conv]}, {"k": image}).nodes[0]
    assert made.name == "c"
    assert made.layer == layers.Conv(image.transpose(3, 2, 0, 1), stride=(2, 1))
    turned = {"layer": "Dense", "weight": {"tensor": "w", "transpose": True, "slice": [0, 1, 2], "reshape": [3, 1]}}
    assert built({"layers": [turned]}, {"w": w}).nodes[0].layer == layers.Dense(w[:, 1:2])
    taken = {"layer": "Affine", "shift": {"tensor": "b", "take": [0, [1, 0]]}}
    assert built({"layers": [taken]}, {"b": b}).nodes[0].layer == layers.Affine(None, b[::-1])
    mean = {"layer": "Mean", "axes": [1], "keepdims": False}
    assert built({"layers": [mean]}, {}).nodes[0].layer == layers.Mean((1,), keepdims=False)


def test_keras_recurrent_weights_fit_by_reshape_take_and_transpose() -> None:
    """Kernel (features, 4·hidden), gates i, f, c, o, one bias; values by the formula of the layer."""
    kernel, recurrent, bias = array(3, 8), array(2, 8), array(8)
    entry = {
        "layer": "LSTM",
        "weight_input": {"tensor": "k", "reshape": [3, 1, 4, 2], "transpose": [1, 2, 3, 0]},
        "weight_hidden": {"tensor": "r", "reshape": [2, 1, 4, 2], "transpose": [1, 2, 3, 0]},
        "bias": {"stack": [{"tensor": "b", "reshape": [4, 2]}]},
        "returns": "last",
    }
    net = built({"layers": [entry]}, {"k": kernel, "r": recurrent, "b": bias})
    x, h, c = array(1, 4, 3), np.zeros(2), np.zeros(2)
    for step in x[0]:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    np.testing.assert_allclose(net.forward(x)[0], h, rtol=1e-12)


def test_tensors_of_other_names_are_told_one_by_one() -> None:
    w, b = array(2, 3), array(2)
    net = built({"layers": [{"Linear": {"weight": "kernel:0", "bias": "offset"}}]}, {"kernel:0": w, "offset": b})
    assert net.nodes[0].name == "linear1"
    assert net.nodes[0].layer == layers.Dense(w.T, b)


FC = {"layers": [{"Linear": "fc"}]}


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.", "state_dict.module.", "model.net."])
def test_what_stands_in_front_of_all_names_is_found(prefix: str) -> None:
    assert len(built(FC, {f"{prefix}fc.weight": array(2, 3), f"{prefix}fc.bias": array(2)})) == 1


def test_of_two_parts_of_a_file_that_fit_one_has_to_be_named() -> None:
    w = array(2, 3)
    both = {f"{part}.fc.{name}": v for part in ("ema", "model") for name, v in (("weight", w), ("bias", w[:, 0]))}
    assert "say which by \"prefix\": 'ema.', 'model.'" in refused(FC, both)
    assert len(built({**FC, "prefix": "ema."}, both)) == 1
    assert "'other.fc.weight', 'other.fc.bias'" in refused({**FC, "prefix": "other."}, both)
    checkpoint = {"state_dict.fc.weight": w, "state_dict.fc.bias": w[:, 0], "optimizer.state.0.exp_avg": w}
    assert "not used: 'optimizer.state.0.exp_avg'" in refused(FC, checkpoint)
    assert len(built({**FC, "ignore": ["optimizer.*"]}, checkpoint)) == 1
    assert len(built({**FC, "prefix": "state_dict."}, checkpoint)) == 1


def test_all_tensors_that_are_missing_or_not_used_are_named() -> None:
    described_ = {"layers": [{"Conv2d": "a"}, {"BatchNorm2d": "n"}, {"Linear": "b", "bias": False}]}
    told = refused(described_, {"a.weight": array(2, 3, 1, 1), "c.weight": array(1), "d": array(1)})
    assert (
        "6 tensors are missing: 'a.bias', 'n.running_mean', 'n.weight', 'n.bias', 'n.running_var', 'b.weight'" in told
    )
    assert "2 tensors are not used: 'c.weight', 'd'" in told
    assert "n more" not in told
    assert "more" in refused(FC, {f"a_rather_long_name_{k}": array(1) for k in range(1000)})
    assert "num_batches" not in refused(
        {"layers": [{"BatchNorm1d": "n"}]}, {"n.num_batches_tracked": np.array(3), "other": array(1)}
    )


@pytest.mark.parametrize(
    ("entry", "shape", "message"),
    [
        ({"Linear": "fc"}, (2, 3, 4), "tensor 'fc.weight' has shape (2, 3, 4); Linear takes (any, any)"),
        ({"Linear": "fc", "out_features": 4}, (2, 3), "out_features is 4, and 2 in 'fc.weight'"),
        ({"Conv2d": "fc", "kernel_size": 5}, (2, 3, 3, 3), "kernel_size is 5, and 3 in 'fc.weight'"),
        ({"Conv2d": "fc", "in_channels": 3, "groups": 2}, (2, 3, 1, 1), "in_channels is 3, and 6 in"),
        ({"Conv1d": "fc"}, (2, 3, 3, 3), "Conv1d takes (any, any, any)"),
        ({"Linear": "fc"}, (4, 3), "tensor 'fc.bias' has shape (2,); Linear takes (4)"),
        ({"LayerNorm": "fc"}, (3,), "tensor 'fc.bias' has shape (2,); LayerNorm takes (3)"),
        ({"LayerNorm": "fc", "normalized_shape": 3}, (2,), "normalized_shape is 3, and (2,) in its weight"),
        ({"LayerNorm": "fc", "axes": 1}, (3, 2), "tensor 'fc.bias' has shape (2,); LayerNorm takes (3, 2)"),
        ({"LayerNorm": "fc", "elementwise_affine": False}, (2,), "normalized_shape [] of samples with 2 axes"),
        ({"LayerNorm": "fc", "normalized_shape": -1}, (2,), "normalized_shape must be an integer of at least 1"),
        ({"RMSNorm": "fc", "axes": 1}, (3, 2), "normalized_shape [3, 2] of samples with 1 axes"),
        ({"RMSNorm": "fc", "axes": 9}, (3, 2), "samples with 9 axes"),
        ({"GroupNorm": "fc", "axes": 3}, (2,), "GroupNorm needs num_groups"),
        ({"GroupNorm": "fc", "num_groups": 2}, (2,), "GroupNorm needs axes"),
        ({"GroupNorm": "fc", "num_groups": 2, "axes": 9}, (2,), "samples with 9 axes"),
        ({"GroupNorm": "fc", "num_groups": 3, "axes": 3}, (2,), "3 groups of 2 channels"),
        ({"GroupNorm": "fc", "num_groups": 1, "axes": 3, "num_channels": 5}, (2,), "num_channels is 5, and 2 in"),
        ({"InstanceNorm2d": "fc", "affine": True, "num_features": 5}, (2,), "num_features is 5, and 2 in weight"),
        ({"InstanceNorm2d": "fc", "track_running_stats": True}, (2,), "track_running_stats True; only False"),
    ],
)
def test_a_shape_that_does_not_fit_is_named(entry: Any, shape: tuple[int, ...], message: str) -> None:
    told = refused({"layers": [entry]}, {"fc.weight": array(*shape), "fc.bias": array(2)})
    assert message in told
    assert "layers[0]" in told


def test_layers_that_do_not_fit_each_other_are_found_without_an_input() -> None:
    two = {"input": [3], "layers": [{"Linear": "a"}, {"Linear": "b"}]}
    tensors = {"a.weight": array(4, 3), "a.bias": array(4), "b.weight": array(2, 5), "b.bias": array(2)}
    assert "node 'b': Dense: input of shape (0, 4) does not end in 5 features" in refused(two, tensors)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ([], "an object with the key layers"),
        ({}, "layers must be a list"),
        ({"layers": []}, "layers must be a list"),
        ({"layers": "ReLU"}, "layers must be a list"),
        ({"layers": [3]}, "layers[0] is neither a kind nor an object: 3"),
        ({"layers": [{}]}, "layers[0] names 0 kinds"),
        ({"layers": [{"ReLU": {}, "Tanh": {}}]}, "names 2 kinds"),
        ({"layer": ["ReLU"]}, "unknown key 'layer': did you mean 'layers'?"),
        ({"layers": ["ReLU"], "input": 3}, "shape has the sizes of one sample"),
        ({"layers": ["ReLU"], "input": [-3]}, "shape has the sizes of one sample"),
        ({"layers": ["ReLU"], "input": {"size": [3]}}, "unknown key of an input 'size'"),
        ({"layers": ["ReLU"], "input": {"name": 3}}, "name must be a text"),
        ({"layers": ["ReLU"], "input": {"low": "a"}}, "low of an input must be a number"),
        ({"layers": ["ReLU"], "input": {"low": 2, "high": 1}}, "low"),
        ({"layers": ["ReLU"], "inputs": []}, "inputs must be a list"),
        ({"layers": ["ReLU"], "inputs": [{}], "input": [3]}, "not both"),
        ({"layers": ["ReLU"], "output": "x", "outputs": ["x"]}, "not both"),
        ({"layers": ["ReLU"], "output": 3}, "outputs must be a name"),
        ({"layers": ["ReLU"], "output": "x"}, "output 'x' is provided by no node"),
        ({"layers": ["ReLU"], "ignore": [3]}, "ignore must be a name or a list of names"),
        ({"layers": ["ReLU"], "prefix": 3}, "prefix must be a text"),
        ({"layers": [{"ReLU": {}, "inputs": ["x"]}]}, "reads 'x', which no earlier node or input provides"),
        ({"layers": [{"ReLU": {}, "inputs": ["input", "input"]}]}, "it takes 1 values and reads 2"),
        ({"layers": [{"ReLU": {}, "name": "input"}]}, "the name 'input' is used twice"),
        ({"layers": [{"ReLU": {}, "name": "a"}, {"ReLU": {}, "name": "a"}]}, "the name 'a' is used twice"),
        ({"layers": [{"ReLU": 3}]}, "ReLU takes no value here"),
        ({"layers": ["Linear"]}, "say where its tensors are"),
        ({"layers": [{"Linear": 3}]}, "say where its tensors are"),
        ({"layers": [{"Linear": {"weight": "w"}}]}, "it names no tensor for bias"),
        ({"layers": ["MaxPool2d"]}, "MaxPool2d needs kernel_size"),
        ({"layers": [{"Softmax": 0}]}, "other than the batch"),
        ({"layers": [{"MaxPool2d": [2, 2, 2]}]}, "kernel_size must be an integer of at least 1, or 2 of them"),
        ({"layers": [{"MaxPool2d": 0}]}, "kernel_size must be"),
        ({"layers": [{"MaxPool2d": 1.5}]}, "kernel_size must be"),
        ({"layers": [{"MaxPool2d": True, "kernel_size": True}]}, "kernel_size must be"),
        ({"layers": [{"MaxPool2d": 60000}]}, "a window of 3600000000 positions"),
        ({"layers": [{"MaxPool2d": 2, "padding": [[1, 2, 3], 1]}]}, "padding must be an integer"),
        ({"layers": [{"MaxPool2d": 2, "stride": "2"}]}, "stride must be"),
        ({"layers": [{"MaxPool2d": 2, "ceil_mode": 1}]}, "ceil_mode must be true or false"),
        ({"layers": [{"AvgPool2d": 2, "divisor_override": 3}]}, "only None is supported"),
        ({"layers": [{"AdaptiveAvgPool2d": 7}]}, "output_size 7; only 1 is supported"),
        ({"layers": [{"Upsample": 2}]}, "one integer for each spatial axis"),
        ({"layers": [{"Upsample": [2, 2], "mode": "bilinear"}]}, "only 'nearest' is supported"),
        ({"layers": [{"ZeroPad2d": [1, 2, 3]}]}, "padding must be one number or 4"),
        ({"layers": [{"LeakyReLU": "0.1"}]}, "negative_slope must be a number"),
        ({"layers": [{"ELU": float("nan")}]}, "alpha must be a number"),
        ({"layers": [{"Softplus": 1, "threshold": 5}]}, "threshold below 20"),
        ({"layers": [{"Softplus": -1}]}, "beta must be above 0"),
        ({"layers": [{"Flatten": 1, "end_dim": 2}]}, "only -1 is supported"),
        ({"layers": [{"layer": "Dens"}]}, "did you mean 'Dense'?"),
        ({"layers": [{"layer": 3}]}, "layer must be a text"),
        ({"layers": [{"layer": "Dense", "weights": 3}]}, "unknown field of Dense 'weights'"),
        ({"layers": [{"layer": "Dense", "weight": 3}]}, "weight must be Array, got 3"),
        ({"layers": [{"layer": "Dense"}]}, "do not make a Dense"),
        ({"layers": [{"layer": "Flatten", "start": "a"}]}, "start must be int, got 'a'"),
        ({"layers": [{"layer": "MaxPool", "kernel": "a"}]}, "kernel must be Any"),
        ({"layers": [{"layer": "MaxPool", "kernel": [1 << 20]}]}, "a window of 1048576 positions"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": 3}}]}, "a tensor's name is a text"),
        ({"layers": [{"layer": "Dense", "weight": {"tensors": "w"}}]}, "an array is written with one of"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": "w", "flip": 1}}]}, "unknown change of a tensor 'flip'"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": "w", "reshape": [5]}}]}, "does not fit an array of shape"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": "w", "reshape": "ab"}}]}, "reshape 'ab' does not fit"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": "w", "transpose": [0, 0]}}]}, "transpose [0, 0]"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": "w", "take": [0, [0, 0]]}}]}, "take [0, [0, 0]]"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": "w", "slice": [0, 0, 9]}}]}, "slice [0, 0, 9]"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": "w", "slice": 3}}]}, "slice 3"),
        ({"layers": [{"layer": "Dense", "weight": {"sum": []}}]}, "sum is a list of arrays"),
        ({"layers": [{"layer": "Dense", "weight": {"sum": [{"tensor": "w"}, {"tensor": "v"}]}}]}, "different shapes"),
        ({"layers": [{"layer": "Dense", "weight": {"tensor": "n"}}]}, "tensor 'n' is of int64, not of floats"),
        ({"layers": [{"Linear": "i"}]}, "tensor 'i.weight' is of int64, not of floats"),
        ({"layers": [{"LSTM": "r", "batch_first": False}]}, "batch_first must be true"),
        ({"layers": [{"LSTM": "r"}]}, "has 6 rows, which are not 4 gates"),
        ({"layers": [{"Embedding": "v", "max_norm": 1.0}]}, "only None is supported"),
        ({"layers": [{"BatchNorm1d": "b", "track_running_stats": False}]}, "only True is supported"),
        ({"layers": [{"BatchNorm1d": "b"}]}, "running_var + eps is not above 0"),
        ({"layers": [{"Conv2d": "c", "padding": "same", "stride": 2}]}, "padding 'same' is for stride 1"),
        ({"layers": [{"Conv2d": "c", "padding_mode": "circular"}]}, "only 'zeros' is supported"),
        ({"layers": [{"Conv2d": "c", "groups": 3}]}, "do not split into 3 groups"),
    ],
)  # fmt: skip
def test_a_description_that_is_none_is_refused_with_its_place(description: Any, message: str) -> None:
    tensors = {
        "w": array(3, 2), "v": array(2), "n": np.arange(6).reshape(3, 2), "i.weight": np.arange(6).reshape(3, 2),
        "r.weight_ih_l0": array(6, 3), "b.running_mean": array(3), "b.running_var": np.full(3, -1.0),
        "b.weight": array(3), "b.bias": array(3), "c.weight": array(2, 1, 3, 3), "c.bias": array(2),
    }  # fmt: skip
    told = refused(description, tensors)
    assert message in told
    assert told.startswith("the architecture: ") or "does not fit the architecture" in told


def test_an_unknown_kind_is_not_supported_and_all_that_is_wrong_is_told() -> None:
    assert "layers[1]: unknown kind 'MaxPol2d': did you mean 'MaxPool2d'?" in refused(
        {"layers": ["ReLU", "MaxPol2d"]}, kind=UnsupportedError
    )
    told = refused({"layers": [{"MaxPool2d": 0}, "ReLU", {"AvgPool2d": -1, "name": "last"}]})
    assert "layers[0] (MaxPool2d 'maxpool1'): kernel_size" in told
    assert "layers[2] (AvgPool2d 'last'): kernel_size" in told


def test_an_output_is_chosen_and_several_are_returned() -> None:
    description = {"layers": ["ReLU", "Tanh"], "outputs": ["relu1", "tanh1"]}
    assert built(description, {}).outputs == ("relu1", "tanh1")
    assert built(description, {}, output="relu1").nodes[-1].name == "relu1"
    with pytest.raises(ParameterError, match="'nowhere'"):
        built(description, {}, output="nowhere")


def test_parameters_of_different_widths_become_the_widest() -> None:
    net = built(FC, {"fc.weight": array(2, 3).astype(np.float32), "fc.bias": array(2)})
    assert {p.dtype for p in net.parameters} == {np.dtype(np.float64)}


# -- where the description is ------------------------------------------------------------------------------------------


def test_the_description_beside_the_weights_is_found(tmp_path: Path) -> None:
    w = {"fc.weight": array(2, 3), "fc.bias": array(2)}
    path = tmp_path / "net.safetensors"
    with pytest.raises(UnsupportedError, match=r"describe it in net\.architecture\.json") as caught:
        described.load(path, w)
    assert "torch.onnx.export" in str(caught.value)
    (tmp_path / "net.architecture.json").write_text(json.dumps(FC))
    assert len(described.load(path, w)) == 1
    (tmp_path / "net.architecture.toml").write_text('layers = [{Linear = "fc"}]')
    with pytest.raises(ModelFormatError, match="two descriptions lie beside it"):
        described.load(path, w)
    (tmp_path / "net.architecture.json").unlink()
    assert len(described.load(path, w)) == 1
    assert len(described.load(path, w, architecture=str(tmp_path / "net.architecture.toml"))) == 1


@pytest.mark.parametrize("name", ["a.json", "a.toml"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"layers": 1, "layers": 2}', b"layers = 1\nlayers = 2", b"null"],
)
def test_a_description_that_cannot_be_read_is_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFormatError, match=name) as caught:
        built(tmp_path / name, {})
    assert "\n" not in str(caught.value)


def test_a_description_that_is_not_there_or_too_long_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, Path("a\0b.json")):
        with pytest.raises(ModelFormatError):
            built(path, {})
    for name in ("a.json", "a.toml"):
        (tmp_path / name).write_bytes(b" " * 10_000_001)
        with pytest.raises(ModelFormatError, match="10000000"):
            built(tmp_path / name, {})


def test_an_architecture_is_for_weights_alone(tmp_path: Path) -> None:
    loaders.save(Network.sequential([layers.ReLU()]), tmp_path / "net.npz")
    with pytest.raises(ParameterError, match="its architecture is in the file"):
        loaders.load(tmp_path / "net.npz", architecture=FC)


def test_half_precision_is_noted_with_the_number_of_tensors_that_are_used(tmp_path: Path) -> None:
    arrays = {"fc.weight": array(2, 3).astype(np.float16), "fc.bias": array(2), "other": array(2).astype(np.float16)}
    (path := tmp_path / "w.safetensors").write_bytes(weights_files.safetensors_of(arrays))
    net = loaders.load(path, architecture={**FC, "ignore": ["other"]})
    assert net.notes == ("1 of 2 tensors are float16 in the file; they are computed with in float32",)
    assert built(FC, {"fc.weight": array(2, 3), "fc.bias": array(2)}).notes == ()
