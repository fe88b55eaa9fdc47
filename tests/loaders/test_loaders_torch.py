"""Modules that PyTorch's two exporters write here and now: forward and relevance-relevant structure."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref import layers
from lrp_ref.loaders import load
from lrp_ref.network import Network

pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
nn = torch.nn


def export(module: Any, x: Any, path: Path, *, dynamo: bool, opset: int = 18, free: bool = True) -> Path:
    """Write a module as ONNX with a free batch."""
    batch = {"x": {0: "N"}}
    if dynamo:
        options: dict[str, Any] = {"dynamic_shapes": {"x": {0: torch.export.Dim("N")}} if free else None}
    else:
        options = {"dynamic_axes": batch if free else None}
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")  # the exporters warn about themselves (deprecations of the older one)
        torch.onnx.export(
            module.eval(), (x,), str(path), dynamo=dynamo, opset_version=opset, input_names=["x"], **options
        )
    return path


def same(net: Network, module: Any, x: Any, tolerance: float) -> None:
    with torch.no_grad():
        expected = module.eval()(x).numpy()
    got = net.forward(x.numpy())
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


class Pictures(nn.Module):  # type: ignore[misc]
    """Two dimensions: groups, batch normalisation, residual, gates, every kind of activation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.deep = nn.Conv2d(8, 8, 3, padding="same", groups=8, bias=False)
        self.down = nn.Conv2d(8, 4, 1)
        self.up = nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.squeeze = nn.Linear(6, 6)
        self.head = nn.Linear(6 * 9, 5)
        for p in (self.norm.running_mean, self.norm.running_var):
            p.data.uniform_(0.5, 1.5)

    def forward(self, x: Any) -> Any:
        f = nn.functional
        x = f.silu(self.norm(self.stem(x)))
        x = x + f.gelu(self.deep(x))
        x = f.hardswish(self.up(f.leaky_relu(self.down(x), 0.2)))
        gate = torch.sigmoid(self.squeeze(x.mean(dim=(2, 3))))
        x = x * gate[:, :, None, None]
        x = f.adaptive_avg_pool2d(f.interpolate(x, scale_factor=2, mode="nearest"), (3, 3))
        x = f.relu6(torch.cat([x[:, :3], x[:, 3:] * 2 - 1], dim=1))
        return f.log_softmax(self.head(f.dropout(x.flatten(1), 0.5, self.training)), dim=-1)


class Sounds(nn.Module):  # type: ignore[misc]
    """One dimension and three: pools with padding, chunks, padding, pooling to one position."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(2, 6, 5, stride=2, dilation=2, padding=3)
        self.slope = nn.PReLU(6, init=0.3)
        self.volume = nn.Conv3d(3, 4, (2, 3, 2), padding=(0, 1, 0))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        f = nn.functional
        x = f.pad(x, (3, 2), mode="reflect")
        x = f.max_pool1d(self.slope(self.first(x)), 3, stride=2, padding=1, ceil_mode=True)
        a, b = x.chunk(2, dim=1)
        x = a * torch.sigmoid(b)
        x = f.avg_pool1d(x, 3, stride=1, padding=1, count_include_pad=False)
        x = x.reshape(x.shape[0], 3, 2, 3, -1)
        x = f.elu(self.volume(x))
        return self.head(f.adaptive_max_pool3d(x, 1).flatten(1))


class Words(nn.Module):  # type: ignore[misc]
    """Two stacked bidirectional LSTMs over (N, time, features); "last" reads the states, else the last step."""

    def __init__(self, reads: str, batch_first: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=batch_first)
        self.head = nn.Linear(6, 2)
        self.reads = reads

    def forward(self, x: Any) -> Any:
        sequence, (h, _) = self.lstm(x)
        if self.reads == "states":
            return self.head(torch.cat([h[-2], h[-1]], dim=1))
        if self.reads == "step":
            return self.head(torch.tanh(sequence[:, -1]))
        return self.head(sequence)


EXPORTERS = pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])


@EXPORTERS
@pytest.mark.parametrize(("kind", "shape"), [(Pictures, (3, 3, 12, 12)), (Sounds, (3, 2, 41))])
def test_convolutional_modules(kind: Any, shape: tuple[int, ...], dynamo: bool, tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, x = kind(), torch.randn(*shape)
    net = load(export(module, x, tmp_path / "m.onnx", dynamo=dynamo))
    same(net, module, x, 1e-4)
    same(net, module, torch.cat([x, x.flip(0)]), 1e-4)
    doubled = load(export(module.double(), x.double(), tmp_path / "d.onnx", dynamo=dynamo))
    # Attributes of nodes are single precision in ONNX: the slope 0.2 and the epsilon 1e-5 are not exactly these.
    same(doubled, module, x.double(), 1e-9)
    assert doubled.dtype == np.float64
    if kind is Pictures:
        found = {type(n.layer) for n in net.nodes}
        assert {layers.SiLU, layers.GELU, layers.HardSwish, layers.Affine, layers.Upsample} <= found
        (gated,) = [n.layer for n in net.nodes if isinstance(n.layer, layers.Multiply)]
        assert gated.gate == 1


@EXPORTERS
@pytest.mark.parametrize("reads", ["states", "step", "sequence"])
def test_lstm_modules(reads: str, dynamo: bool, tmp_path: Path) -> None:
    torch.manual_seed(2)
    module, x = Words(reads), torch.randn(3, 7, 4)
    net = load(export(module, x, tmp_path / "m.onnx", dynamo=dynamo))
    same(net, module, x, 1e-5)
    same(net, module, torch.randn(5, 7, 4), 1e-5)
    lstms = [n.layer for n in net.nodes if isinstance(n.layer, layers.LSTM)]
    assert [n.direction for n in lstms] == ["bidirectional"] * 2
    assert not any(n.state or n.lengths for n in lstms)


def test_an_lstm_with_time_first_takes_the_array_that_the_module_takes(tmp_path: Path) -> None:
    torch.manual_seed(3)
    module, x = Words("sequence", batch_first=False), torch.randn(7, 3, 4)
    path = export(module, x, tmp_path / "m.onnx", dynamo=False, free=False)
    net = load(path)
    assert (net.inputs[0].shape, net.inputs[0].batch_axis, net.output_axes) == ((7, None, 4), 1, (1,))
    same(net, module, x, 1e-5)
    assert load(path, batch_axes={"x": 1}) == net


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
def test_opsets(opset: int, tmp_path: Path) -> None:
    torch.manual_seed(4)
    f = nn.functional

    class Small(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 4, 3)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            a, b = f.gelu(self.conv(f.pad(x, (1, 0, 2, 1)))).split([1, 3], dim=1)
            x = torch.cat([b.clamp(-0.5, 0.75), a], dim=1)
            return f.softmax(self.head(x.mean(dim=3).sum(dim=2).unsqueeze(1).squeeze(1)), dim=1)

    module, x = Small(), torch.randn(2, 2, 5, 6)
    net = load(export(module, x, tmp_path / "m.onnx", dynamo=False, opset=opset))
    same(net, module, x, 1e-5)
    assert layers.GELU() in [n.layer for n in net.nodes]
