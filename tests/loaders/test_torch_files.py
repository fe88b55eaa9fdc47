"""Files of ``torch.save``: what PyTorch writes in every form is what is read, and whole models are refused."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weights_files as w

from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import load
from lrp_ref.loaders.torch import read

FORMS: list[dict[str, Any]] = [
    {},
    {"_use_new_zipfile_serialization": False},
    {"pickle_protocol": 3},
    {"pickle_protocol": 4},
    {"pickle_protocol": 5},
]
each_form = pytest.mark.parametrize("form", FORMS, ids=["zip", "older", "protocol 3", "protocol 4", "protocol 5"])


@each_form
def test_every_form_and_type_is_read(form: dict[str, Any], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    base = torch.randn(4, 5)
    kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
             torch.int8, torch.uint8, torch.bool)  # fmt: skip
    content = {
        "kinds": {str(kind).removeprefix("torch."): (10 * base).to(kind) for kind in kinds},
        "views": [base.t(), base[1:, ::2], base[2], base[:, 3], base.expand(3, 4, 5), base[0, 0]],
        "ordered": OrderedDict(a=torch.zeros(0, 3), b=torch.nn.Parameter(base)),
        "epoch": 3, "rate": 1e-3, "name": "ü", "none": None, "flag": True, "list": [1, (2.5, "x")], "large": 1 << 40,
        7: {"x": base},
    }  # fmt: skip
    torch.save(content, tmp_path / "w.pt", **form)
    found = read(tmp_path / "w.pt")
    expected = {f"kinds.{name}": value for name, value in content["kinds"].items()}  # type: ignore[attr-defined]
    expected |= {f"views.{k}": value for k, value in enumerate(content["views"])}  # type: ignore[arg-type]
    expected |= {"ordered.a": torch.zeros(0, 3), "ordered.b": base, "7.x": base}
    assert list(found) == list(expected)
    for name, value in expected.items():
        whole = value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
        np.testing.assert_array_equal(found[name], whole.numpy())
        assert found[name].dtype == whole.numpy().dtype
        assert found[name].flags.c_contiguous
        assert found[name].flags.writeable


@each_form
@pytest.mark.parametrize("parallel", [False, True])
def test_a_checkpoint_of_a_network_is_loaded(form: dict[str, Any], parallel: bool, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 3))
    module(torch.randn(8, 1, 5, 5))  # the statistics are others than at first
    module.eval()
    state = {f"module.{k}": v for k, v in module.state_dict().items()} if parallel else module.state_dict()
    torch.save({"state_dict": state, "epoch": 3, "best": 0.5}, tmp_path / "w.bin", **form)
    entries = [{"Conv2d": "0"}, {"BatchNorm2d": "1"}, "ReLU", "Flatten", {"Linear": "4"}]
    net = load(tmp_path / "w.bin", architecture={"input": [1, 5, 5], "layers": entries})
    x = torch.randn(2, 1, 5, 5)
    np.testing.assert_allclose(net.forward(x.numpy()), module(x).detach().numpy(), rtol=1e-5, atol=1e-6)


@each_form
def test_whole_models_and_other_objects_are_refused(form: dict[str, Any], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "w.pth"
    for content, name in (
        (torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear"),
        ({"a": np.float64(3)}, "numpy"),
        ({"a": Path("x")}, "pathlib"),
        ({"a": torch.device("cpu")}, "torch.device"),
        ({"a": {1, 2}}, "set"),
        (torch.zeros(2, dtype=torch.complex64), "ComplexFloatStorage"),
        (torch.eye(2).to_sparse(), "_rebuild_sparse_tensor"),
    ):
        torch.save(content, path, **form)
        with pytest.raises(
            (UnsupportedError, ValueError), match=r"torch\.save\(model\.state_dict\(\), FILE\)"
        ) as caught:
            load(path)
        assert name in str(caught.value) or "EMPTY_SET" in str(caught.value)


def test_programs_of_torchscript_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(str(tmp_path / "w.pt"))
    with pytest.raises(UnsupportedError, match="TorchScript"):
        load(tmp_path / "w.pt")


def test_files_written_by_hand_are_read_without_pytorch(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False]), "c": np.ones((0, 2))}
    for write in (w.torch_file, w.older_torch_file):
        write(tmp_path / "w.pth", arrays)
        for name, array in read(tmp_path / "w.pth").items():
            np.testing.assert_array_equal(array, arrays[name])


def test_files_written_by_hand_are_pytorch_s(tmp_path: Path) -> None:
    """So that what the hostile ones are made of is what PyTorch reads."""
    torch = pytest.importorskip("torch")
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1.5, 2.5])}
    for write in (w.torch_file, w.older_torch_file):
        write(tmp_path / "w.pth", arrays)
        for name, tensor in torch.load(tmp_path / "w.pth", weights_only=True).items():
            np.testing.assert_array_equal(tensor.numpy(), arrays[name])
