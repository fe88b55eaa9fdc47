"""The table of formats: every entry can be used, none hides another, and each says which extra it needs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest
import skops_nodes
import weights_files
from keras_files import entry, sequential, write_keras

from lrp_ref import loaders
from lrp_ref.errors import MissingExtraError, ModelFormatError, ParameterError
from lrp_ref.layers import Dense, ReLU
from lrp_ref.loaders import FORMATS, Format
from lrp_ref.network.inputs import Input
from lrp_ref.network.network import Network, Node

ROOT = Path(__file__).parents[2]


def native_file(path: Path) -> Network:
    net = Network.sequential([Dense(np.eye(2))])
    loaders.save(net, path)
    return net


def onnx_file(path: Path) -> Network:
    onnx = pytest.importorskip("onnx")
    weight = onnx.numpy_helper.from_array(np.eye(2, dtype=np.float32), "weight")
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 2]) for name in ("x", "y")]
    nodes = [onnx.helper.make_node("MatMul", ["x", "weight"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "graph", ends[:1], ends[1:], [weight])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    return Network((Node("y", Dense(np.eye(2, dtype=np.float32)), ("x",)),), (Input("x", (None, 2)),), ("y",))


def toolbox_file(path: Path) -> Network:
    path.write_text("Linear 2 2\n1 0 0 1\n0 0\nRect\n")
    return Network.sequential([Dense(np.eye(2), np.zeros(2)), ReLU()])


def keras_file(path: Path) -> Network:
    pytest.importorskip("h5py")
    chain = [
        entry("InputLayer", "x", batch_shape=[None, 2], dtype="float32"),
        entry("Dense", "y", units=2, use_bias=False),
    ]
    write_keras(path, sequential(*chain), {"layers/dense/vars/0": np.eye(2, dtype=np.float32)})
    layer = Dense(np.eye(2, dtype=np.float32))
    return Network((Node("y", layer, ("x",)),), (Input("x", (None, 2), element_type="float32"),), ("y",))


def beside(path: Path) -> Network:
    """Describe a dense layer in the file that belongs to weights, and return its network."""
    path.with_suffix(".architecture.json").write_text('{"layers": [{"Linear": "fc"}]}')
    return Network((Node("fc", Dense(WEIGHT.T, BIAS), ("input",)),), (Input("input"),), ("fc",))


def safetensors_file(path: Path) -> Network:
    path.write_bytes(weights_files.safetensors_of({"fc.weight": WEIGHT, "fc.bias": BIAS}))
    return beside(path)


def torch_file(path: Path) -> Network:
    weights_files.torch_file(path, {"fc.weight": WEIGHT, "fc.bias": BIAS})
    return beside(path)


def skops_file(path: Path) -> Network:
    """What skops writes of a LinearSVC, as far as it is read."""
    made = skops_nodes.estimator("LinearSVC", coef_=skops_nodes.stored("w.npy"), intercept_=skops_nodes.stored("b.npy"))
    arrays = {"w.npy": skops_nodes.npy(WEIGHT), "b.npy": skops_nodes.npy(BIAS)}
    skops_nodes.write(path, {**made, "protocol": 2}, arrays)
    return Network((Node("scores", Dense(WEIGHT.T, BIAS), ("input",)),), (Input("input"),), ("scores",))


WEIGHT, BIAS = np.array([[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]]), np.array([0.5, 0.0, -1.0])
# A small file of each format: what writes it to a path, and returns the network in it.
FILES: dict[str, Callable[[Path], Network]] = {
    "native": native_file,
    "onnx": onnx_file,
    "toolbox": toolbox_file,
    "keras": keras_file,
    "safetensors": safetensors_file,
    "torch": torch_file,
    "skops": skops_file,
}

each_format = pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.module)


@each_format
def test_every_format_has_a_function_that_takes_a_path_and_the_output(known: Format) -> None:
    parameters = list(inspect.signature(known.loader()).parameters.values())
    assert parameters[0].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert "output" in {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def test_every_suffix_is_of_one_format_and_in_small_letters() -> None:
    found = [suffix for known in FORMATS for suffix in known.suffixes]
    assert len(set(found)) == len(found)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in found)
    assert loaders.suffixes() == tuple(sorted(found))


@each_format
def test_a_format_recognises_its_own_files_alone(known: Format) -> None:
    for suffix in loaders.suffixes():
        for written in (suffix, suffix.upper()):
            assert known.recognises(Path(f"model{written}")) == (suffix in known.suffixes)
        assert not known.recognises(Path(f"model{suffix}.other"))


def test_every_module_of_a_format_is_in_the_table_and_no_other_reads_networks() -> None:
    files = (Path(loaders.__file__).parent).iterdir()
    names = {file.stem for file in files if file.stem.isidentifier() and not file.stem.startswith("_")}
    others = {"allowed", "archive", "bilstm", "described", "elsewhere", "limits", "npy", "opcodes"}
    others |= {"notes", "numbers", "outputs", "preprocess", "refusals", "shapes", "sparse", "verify"}
    assert {known.module for known in FORMATS} == names - others


def test_the_extras_are_those_of_the_package() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert {known.extra for known in FORMATS} - {None} <= set(setup["options.extras_require"])


@each_format
def test_a_missing_extra_is_named(known: Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package of an extra has its name here; a format without an extra is read where no such package is."""
    path = tmp_path / f"model{known.suffixes[0]}"
    for name in {one.extra for one in FORMATS} - {None}:
        monkeypatch.setitem(sys.modules, str(name), None)
    if known.extra is None:
        net = FILES[known.module](path)
        assert [node.layer for node in loaders.load(path).nodes] == [node.layer for node in net.nodes]
        return
    path.write_bytes(b"\x08\x08 a file that nothing can read where the package is missing")
    with pytest.raises(MissingExtraError, match=rf"pip install 'lrp-ref\[{known.extra}\]'"):
        loaders.load(path)


@each_format
def test_a_file_of_each_format_is_read(known: Format, tmp_path: Path) -> None:
    net = FILES[known.module](path := tmp_path / f"model{known.suffixes[0]}")
    read = loaders.load(path)
    assert [one.name for one in read.inputs] == [one.name for one in net.inputs]
    assert [node.layer for node in read.nodes] == [node.layer for node in net.nodes]
    assert loaders.load(path, output=net.outputs[0]) == read
    with pytest.raises(ParameterError, match="'nowhere'"):
        loaders.load(path, output="nowhere")


@each_format
@pytest.mark.parametrize("damage", [b"", b"\x08\x08 no model", b"\xff" * 64])
def test_a_damaged_file_is_one_error_that_names_it(known: Format, damage: bytes, tmp_path: Path) -> None:
    (path := tmp_path / f"model{known.suffixes[0]}").write_bytes(damage)
    with pytest.raises(ModelFormatError) as caught:
        loaders.load(path)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_importing_the_loaders_imports_no_format() -> None:
    code = "import sys, lrp_ref.loaders; print(lrp_ref.loaders.suffixes(), *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {f"lrp_ref.loaders.{known.module}" for known in FORMATS} & set(done.stdout.split())


def test_one_more_entry_is_one_more_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = Network.sequential([Dense(np.eye(3))])
    loaders.save(net, tmp_path / "net.npz")
    (tmp_path / "net.npz").rename(tmp_path / "net.weights")
    monkeypatch.setattr(loaders, "FORMATS", (*FORMATS, Format((".weights",), "native")))
    assert loaders.suffixes() == tuple(sorted([".weights", *(s for known in FORMATS for s in known.suffixes)]))
    assert loaders.load(tmp_path / "net.weights") == net


@each_format
def test_no_name_at_all_is_no_choice_of_outputs(known: Format, tmp_path: Path) -> None:
    path = tmp_path / f"model{known.suffixes[0]}"
    FILES[known.module](path)
    with pytest.raises(ParameterError, match=rf"^{re.escape(str(path))}: no output is asked for"):
        loaders.load(path, output=[])
