"""Every layer that is supported, as both of PyTorch's exporters write it: the same outputs, the same relevance.

Layers of one kind of input are exported together, each as an output of its own: one file per exporter and kind. What
is not supported is left out of the network by name, with the same operator as the reason for both exporters.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.layers import Linear, RecurrentLayer
from lrp_ref.loaders import onnx as loader
from lrp_ref.network.heads import heads

pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
nn, f = torch.nn, torch.nn.functional

OLD, NEW = "torchscript", "dynamo"
# The older exporter knows them not.
ONLY_NEW = (
    "AdaptiveAvgPool uneven", "channel_shuffle", "nearest-exact", "expm1", "RMSNorm", "local response", "sinh", "cosh",
    "asinh", "acosh", "atanh", "threshold",
)  # fmt: skip


def affine(module: Any) -> Any:
    """Return a normalisation with a scale and a shift of its own."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, 0.5)
    return module


class Call(nn.Module):  # type: ignore[misc]
    """A function of the input and of modules that it uses."""

    def __init__(self, function: Callable[..., Any], *parts: Any) -> None:
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)

    def forward(self, x: Any) -> Any:
        return self.function(x, *self.parts)


ACTIVATIONS = [
    "ReLU", "ReLU6", "LeakyReLU", "PReLU", "ELU", "SELU", "CELU",
    "GELU", "SiLU", "Mish", "Softplus", "Hardswish", "Hardsigmoid", "Hardtanh",
    "Sigmoid", "Tanh", "LogSigmoid", "Tanhshrink", "Softsign",
]  # fmt: skip


def vectors() -> tuple[tuple[int, ...], dict[str, Any]]:
    dense = nn.Linear(6, 6)
    return (2, 6), {
        **{name: getattr(nn, name)() for name in ACTIVATIONS},
        "GELU tanh": nn.GELU("tanh"),
        "Softplus beta": nn.Softplus(2.0),
        "Threshold 0": nn.Threshold(0, 0),
        "dropout": lambda x: f.dropout(x * 2, 0.5, False),
        "alpha dropout": lambda x: f.alpha_dropout(x * 2, 0.5, False),
        "Softmax": lambda x: f.softmax(x * 2, 1),
        "LogSoftmax": lambda x: f.log_softmax(x * 2, 1),
        "Softmin": lambda x: f.softmin(x * 2, 1),
        "GLU": nn.GLU(1),
        "Linear": nn.Linear(6, 3),
        "Linear without bias": nn.Linear(6, 3, bias=False),
        "BatchNorm1d": nn.BatchNorm1d(6),
        "weight_norm": torch.nn.utils.parametrizations.weight_norm(nn.Linear(6, 3)),
        "residual": Call(lambda x, d: x + f.relu(d(x)), dense),
        "concat": Call(lambda x, d: torch.cat([x, d(x)], 1), dense),
        "product": Call(lambda x, d, e: d(x) * e(x), dense, nn.Linear(6, 6)),
        "difference": Call(lambda x, d: x - d(x), dense),
        "clamp": lambda x: x.clamp(-0.5, 0.75),
        "clamp_min": lambda x: x.clamp(min=0.1),
        "abs": torch.abs,
        "sqrt": lambda x: x.abs().sqrt(),
        "rsqrt": lambda x: (x.abs() + 1).rsqrt(),
        "exp": torch.exp,
        "log": lambda x: (x.abs() + 1).log(),
        "square": torch.square,
        "power": lambda x: x.abs() ** 1.5,
        "reciprocal": lambda x: 1 / (1 + x.abs()),
        "negative": torch.neg,
        "1 - x": lambda x: 1 - x,
        "2x + 1": lambda x: 2 * x + 1,
        "quick GELU": lambda x: x * torch.sigmoid(1.702 * x),
        "expm1": torch.expm1,
        "addmm": Call(lambda x, d: torch.addmm(d.bias, x, d.weight.T), dense),
        "stack": lambda x: torch.stack([x, 2 * x], 1),
        "stack and mean": lambda x: torch.stack([x, x.relu()], 0).mean(0),
        "double": lambda x: x.double().relu().float(),
        "chunk": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
        "LayerNorm": affine(nn.LayerNorm(6)),
        "LayerNorm without parameters": nn.LayerNorm(6, elementwise_affine=False),
        "LayerNorm by hand": lambda x: (x - x.mean(1, keepdim=True)) / (x.var(1, False, keepdim=True) + 1e-5).sqrt(),
        "RMSNorm": affine(nn.RMSNorm(6, eps=1e-5)),
        "RMSNorm by hand": lambda x: x * (x.pow(2).mean(-1, keepdim=True) + 1e-5).rsqrt(),
        "normalize": lambda x: f.normalize(x, dim=1),
        "norm": lambda x: x.norm(dim=1, keepdim=True),
        "norm 1": lambda x: x.norm(1, dim=1, keepdim=True),
        "logsumexp": lambda x: x.logsumexp(1, keepdim=True),
        "product of all": lambda x: (1 + x.abs()).prod(1, keepdim=True),
        "maximum": Call(lambda x, d: torch.maximum(x, d(x)), dense),
        "minimum": Call(lambda x, d: torch.minimum(x, d(x)), dense),
        "clamp by channel": lambda x: torch.maximum(x, torch.linspace(-1, 1, 6)),
        "CELU 2": nn.CELU(2.0),
        "threshold": nn.Threshold(0.3, 0),
        "erf": torch.erf,
        "powers": lambda x: x.abs() ** torch.linspace(0.5, 3, 6),
        "2 ** x": lambda x: 2**x,
        **{
            name: getattr(torch, name)
            for name in ("sin", "cos", "tan", "atan", "sinh", "cosh", "asinh", "sign", "floor")
        },
        **{name: lambda x, n=name: getattr(torch, n)(x / 8) for name in ("asin", "acos", "atanh")},
        "acosh": lambda x: torch.acosh(1.5 + x.abs()),
        "round": torch.round,
        "quotient": Call(lambda x, d: x / (1 + d(x) ** 2), dense),
        # Not supported, and named so in both.
        "argmax": lambda x: x.argmax(1),
        "greater": lambda x: (x > 0).float() * x,
    }


def space(d: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Layers over one, two or three spatial axes."""

    def of(name: str) -> Any:
        return getattr(nn, name.replace("Nd", f"{d}d"))

    def padded(mode: str) -> Callable[[Any], Any]:
        return lambda x: f.pad(x, (1, 2) + (2, 1) * (d - 1), mode, 0.5 if mode == "constant" else None)

    conv, transposed, most, average = of("ConvNd"), of("ConvTransposeNd"), of("MaxPoolNd"), of("AvgPoolNd")
    axes = tuple(range(2, 2 + d))
    found: dict[str, Any] = {
        **{
            f"conv {mode}": conv(4, 3, 3, padding=1, padding_mode=mode)
            for mode in ("zeros", "reflect", "replicate", "circular")
        },
        **{f"pad {mode}": padded(mode) for mode in ("constant", "reflect", "replicate", "circular")},
        "conv same": conv(4, 3, 2, padding="same"),
        "conv groups": conv(4, 6, 3, groups=2, stride=2, bias=False),
        "conv dilation": conv(4, 2, 2, dilation=2),
        "transposed": transposed(4, 3, 3, 2, padding=1, output_padding=1),
        "transposed groups": transposed(4, 6, 2, groups=2, bias=False),
        "BatchNorm": of("BatchNormNd")(4),
        "max pool": most(3, 2, 1),
        "max pool ceil": most(2, 2, ceil_mode=True),
        "max pool dilation": most(2, 1, dilation=2),
        "average pool": average(3, 2, 1),
        "average pool without padding": average(3, 2, 1, count_include_pad=False),
        "average pool ceil": average(2, 2, ceil_mode=True),
        "average pool ceil padded": average(3, 2, 1, ceil_mode=True),
        "adaptive average 1": of("AdaptiveAvgPoolNd")(1),
        "adaptive max 1": of("AdaptiveMaxPoolNd")(1),
        "mean": lambda x: x.mean(axes),
        "amax": lambda x: x.amax(axes),
        "nearest": lambda x: f.interpolate(x, scale_factor=2, mode="nearest"),
        "linear": lambda x: f.interpolate(x, scale_factor=2, mode=["linear", "bilinear", "trilinear"][d - 1]),
        "dropout": lambda x: [f.dropout1d, f.dropout2d, f.dropout3d][d - 1](x * 2, 0.5, False),
        "flatten": nn.Flatten(),
        "PReLU": nn.PReLU(4),
        "channel gate": gated(d),
        "nearest of other sizes": lambda x: f.interpolate(x, size=(9, 8, 10)[:d], mode="nearest"),
    }
    size = (6, 7) if d == 2 else (7,) * d
    if d == 2:
        found |= {
            "mean kept": lambda x: x.mean(-1, keepdim=True),
            "sum": lambda x: x.sum(2),
            "flatten some": nn.Flatten(2),
            "unflatten": nn.Unflatten(1, (2, 2)),
            "linear last": nn.Linear(7, 3),
            "index": lambda x: x[:, 1],
            "slice": lambda x: x[:, :, 1:-1],
            "flip": lambda x: x.flip(2),
            "list of positions": lambda x: x[:, [0, 2, 2]],
            "narrow": lambda x: x.narrow(2, 1, 3),
            "roll": lambda x: x.roll(1, 2),
            "repeat": lambda x: x.repeat(1, 2, *(1,) * d),
            "transpose": lambda x: x.transpose(1, 2),
            "expand": lambda x: x.mean(-1, keepdim=True).expand(*(-1,) * (d + 1), 5),
            "split": lambda x: x.split([1, 3], 1)[1],
            "squeeze": lambda x: x.mean(-1, keepdim=True).squeeze(-1),
            "unsqueeze": lambda x: x.unsqueeze(1),
            "view": lambda x: x.view(x.size(0), -1),
            "movedim": lambda x: x.movedim(1, -1),
            "max of channels": lambda x: x.amax(1),
            "pixel shuffle": nn.PixelShuffle(2),
            "adaptive average 3": of("AdaptiveAvgPoolNd")((3, 7)),
            "pixel unshuffle": lambda x: f.pixel_unshuffle(x[..., :6], 2),
            "upsample": nn.Upsample(scale_factor=(2, 3)),
            "bilinear to size": lambda x: f.interpolate(x, size=(9, 5), mode="bilinear"),
            "bilinear with corners": lambda x: f.interpolate(x, size=(9, 5), mode="bilinear", align_corners=True),
            "channel_shuffle": nn.ChannelShuffle(2),
            "negative padding": lambda x: f.pad(x, (-1, 1, 0, -2)),
            "nearest-exact": lambda x: f.interpolate(x, scale_factor=2, mode="nearest-exact"),
            "LPPool": nn.LPPool2d(2, 2),
            "unfold": nn.Unfold(2),
            "InstanceNorm": nn.InstanceNorm2d(4),
            "InstanceNorm with parameters": affine(nn.InstanceNorm2d(4, affine=True)),
            "GroupNorm": affine(nn.GroupNorm(2, 4)),
            "LayerNorm of the channels": lambda x: f.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
            "local response": nn.LocalResponseNorm(3),
            "min": lambda x: x.amin((2, 3)),
        }
    if d < 3:
        found["AdaptiveAvgPool uneven"] = of("AdaptiveAvgPoolNd")(4)
    return (2, 4, *size), found


def gated(d: int) -> Call:
    axes, ones = tuple(range(2, 2 + d)), (1,) * d
    return Call(lambda x, c: x * torch.sigmoid(c(x.mean(axes))).reshape(-1, 4, *ones), nn.Linear(4, 4))


def recurrent(batch_first: bool) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Each gives all steps, the last state, and an LSTM its last cell."""

    def outputs(x: Any, lstm: Any, *before: Any) -> Any:
        sequence, (h, c) = lstm(before[0](x) if before else x)
        return sequence, h[-1], c

    def states(x: Any, cells: Any) -> Any:
        sequence, h = cells(x)
        return sequence, h[-1]

    found: dict[str, Any] = {}
    for depth in (1, 2):
        for both in (False, True):
            lstm = nn.LSTM(4, 3, num_layers=depth, bidirectional=both, batch_first=batch_first, dropout=(depth - 1) / 2)
            found[f"LSTM {depth} {'both' if both else 'one'}"] = Call(outputs, lstm)
    if batch_first:
        found["LSTM without bias"] = Call(outputs, nn.LSTM(4, 3, bias=False, batch_first=True))
    else:
        found["dense before"] = Call(outputs, nn.LSTM(3, 3), nn.Linear(4, 3))
    for depth, both in ((1, False), (2, True)):
        for kind, own in (("GRU", {}), ("RNN", {}), ("RNN", {"nonlinearity": "relu"})):
            cells = getattr(nn, kind)(4, 3, num_layers=depth, bidirectional=both, batch_first=batch_first, **own)
            found[" ".join((kind, *own.values(), str(depth)))] = Call(states, cells)
    found["GRU without bias"] = Call(states, nn.GRU(4, 3, bias=False, batch_first=batch_first))
    return ((2, 5, 4) if batch_first else (5, 2, 4)), found


GROUPS: dict[str, Callable[[], tuple[tuple[int, ...], dict[str, Any]]]] = {
    "vectors": vectors,
    "1d": lambda: space(1),
    "2d": lambda: space(2),
    "3d": lambda: space(3),
    "batch first": lambda: recurrent(True),
    "time first": lambda: recurrent(False),
}

# The new exporter writes an RNN as its steps, whose sums and shifts need the rule of the cell.
EVERYWHERE = [((Linear, RecurrentLayer), lrp.rules.LRP0())]
COMPOSITE: dict[str, Any] = {"batch first": EVERYWHERE, "time first": EVERYWHERE}

# What is not supported, and the operator that both exporters' files are refused for.
REFUSED = {
    "argmax": "ArgMax",
}


class Group(nn.Module):  # type: ignore[misc]
    """Layers side by side on one input, each an output."""

    def __init__(self, layers: dict[str, Any]) -> None:
        super().__init__()
        self.layers = layers
        self.held = nn.ModuleList(m for m in layers.values() if isinstance(m, nn.Module))

    def forward(self, x: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, layer in self.layers.items():
            out = layer(x)
            parts = out if isinstance(out, tuple) else (out,)
            found |= {name if k == 0 else f"{name} {k}": part for k, part in enumerate(parts)}
        return found


class Listed(nn.Module):  # type: ignore[misc]
    """The same with the outputs as a tuple."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Any) -> Any:
        return tuple(self.group(x).values())


def tensor(name: str) -> str:
    """Return the name of an output in the file, which no tensor inside it has."""
    return "out_" + name.replace(" ", "_")


def exported(folder: Path, group: str, exporter: str) -> tuple[Any, Any, dict[str, Any]]:
    """Return the conversion of a group's file, its input, and PyTorch's outputs by name."""
    torch.manual_seed(5)
    shape, layers = GROUPS[group]()
    if exporter == OLD:
        layers = {name: layer for name, layer in layers.items() if name not in ONLY_NEW}
    module = Group(layers).eval().requires_grad_(False)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            for p in (part.running_var, part.weight.data):
                p.uniform_(0.5, 2)
            for p in (part.running_mean, part.bias.data):
                p.normal_()
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(1))
    axis = 1 if group == "time first" else 0
    path = folder / f"{group}.{exporter}.onnx".replace(" ", "_")
    options: dict[str, Any] = {"dynamic_axes": {"x": {axis: "N"}}, "opset_version": 17}
    if exporter == NEW:
        options = {"dynamic_shapes": ({axis: torch.export.Dim("N")},), "opset_version": 20}
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")  # the exporters warn about themselves
        with torch.no_grad():
            expected = {name: y.numpy() for name, y in module(x).items()}
        torch.onnx.export(
            Listed(module), (x,), str(path), dynamo=exporter == NEW, input_names=["x"],
            output_names=[tensor(name) for name in expected], **options,
        )  # fmt: skip
    return loader.convert(path), x.numpy(), expected


@pytest.mark.parametrize("group", GROUPS)
def test_both_exporters_give_the_outputs_of_torch_and_the_same_relevance(group: str, tmp_path: Path) -> None:
    files = {exporter: exported(tmp_path, group, exporter) for exporter in (OLD, NEW)}
    relevance: dict[str, list[Any]] = {}
    for exporter, (conversion, x, expected) in files.items():
        net, left = conversion.network, dict(conversion.network.left_out)
        for name in REFUSED.keys() & expected.keys():
            assert f"{REFUSED[name]} '" in left.pop(tensor(name)), (name, exporter)
        assert left == {}, exporter
        assert [i.batch_axis for i in net.inputs] == [1 if group == "time first" else 0]
        found, values = net.forward(x), dict(conversion.outputs)
        for name in expected.keys() - REFUSED.keys():
            ours = found[values[tensor(name)]]
            assert ours.shape == expected[name].shape, (name, exporter)
            size = max(1.0, float(np.abs(expected[name]).max()))
            np.testing.assert_allclose(ours, expected[name], rtol=1e-5, atol=1e-5 * size, err_msg=name)
            one = net.until(values[tensor(name)]).astype(np.float64)
            start = "output" if heads(one)[0].lost else "logit"  # a gated output (GLU) has no logit
            e = lrp.explain(one, x.astype(np.float64), target=0, composite=COMPOSITE.get(group, "lrp0"), start=start)
            assert e.ledger.residual < 1e-12, (name, exporter)
            relevance.setdefault(name, []).append(e.relevance)
    for name, parts in relevance.items():
        assert len(parts) == (1 if name in ONLY_NEW else 2)
        assert parts[0].shape == x.shape
        np.testing.assert_allclose(parts[0], parts[-1], atol=1e-6 * float(np.abs(parts[0]).max()), err_msg=name)
