"""Files that are missing, damaged, hostile or not supported: one line that says what and where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import LrpError, MissingExtraError, ModelFormatError, ParameterError, UnsupportedError
from lrp_ref.loaders import check_against_onnxruntime, load, suffixes

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT


def model(
    nodes: list[Any], shape: tuple[Any, ...] = ("N", 3), tensors: list[Any] | None = None, opset: int = 17
) -> Any:
    graph = helper.make_graph(
        nodes,
        "case",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info("y", FLOAT, ("N", None))],
        tensors or [],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def dense() -> Any:
    w = onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2), "w")
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], tensors=[w])


def refused(path: Path, kind: type[LrpError], *parts: str, **options: Any) -> str:
    """Assert that loading fails with one line of this kind that has the path and these parts in it."""
    with pytest.raises(kind) as caught:
        load(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    for part in (str(path), *parts):
        assert part in text
    return text


def test_importing_the_loaders_imports_no_optional_package() -> None:
    code = "import sys, lrp_ref.loaders, lrp_ref.loaders.onnx, lrp_ref.loaders.native; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"onnx", "onnxruntime", "google.protobuf"} & set(run.stdout.split())


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "model.xyz").touch()
    refused(tmp_path / "model.xyz", UnsupportedError, "'.xyz'", *suffixes())


@pytest.mark.parametrize("suffix", [".onnx", ".npz"])
def test_a_missing_file_is_named(suffix: str, tmp_path: Path) -> None:
    refused(tmp_path / f"model{suffix}", ModelFormatError, "there is no such file")


def test_a_suffix_in_capitals_is_the_same_format(tmp_path: Path) -> None:
    path = tmp_path / "MODEL.ONNX"
    path.write_bytes(dense().SerializeToString())
    assert len(load(str(path))) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"This is a text file, with a longer line in it than any header.\n" * 4, "not an ONNX file"),
        (b"PK\x03\x04" + bytes(100), "not an ONNX file"),
        (bytes(64), "not an ONNX file"),
    ],
)
def test_files_that_are_not_onnx(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    refused(path, ModelFormatError, reason)


def outcome(path: Path) -> Any:
    """Return the network, or the error that lrp_ref raises on purpose; any other error is the test's failure."""
    try:
        return load(path)
    except LrpError as error:
        return error


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path) -> None:
    content, path = dense().SerializeToString(), tmp_path / "model.onnx"
    path.write_bytes(content)
    whole = load(path)
    for end in range(1, len(content)):
        path.write_bytes(content[:end])
        found = outcome(path)
        # Only what follows the graph in the file may be missing unseen.
        assert found == whole or isinstance(found, ModelFormatError | UnsupportedError)
        assert "\n" not in str(found) or found == whole


def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    content, path = dense().SerializeToString(), tmp_path / "model.onnx"
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), size=3):
            damaged[place] = int(rng.integers(0, 256))
        path.write_bytes(bytes(damaged))
        found = outcome(path)
        assert "\n" not in str(found) or not isinstance(found, LrpError)


def test_every_unsupported_node_is_listed_with_its_reason(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Bernoulli", ["x"], ["a"], name="dice"),
        helper.make_node("Relu", ["a"], ["b"], name="after"),
        helper.make_node("Det", ["b"], ["c"]),
        helper.make_node("Softmax", ["x"], ["d"], axis=0, name="over_batch"),
        helper.make_node("Attend", ["x"], ["e"], domain="com.example", name="custom"),
        helper.make_node("Sum", ["c", "d", "e"], ["y"], name="total"),
    ]
    path = tmp_path / "model.onnx"
    content = model(nodes)
    path.write_bytes(content.SerializeToString())
    text = refused(
        path, UnsupportedError, "4 unsupported nodes", "Bernoulli 'dice' (its numbers are random)", "Det 'c'"
    )
    assert "Softmax 'over_batch' (axis 0 is the batch" in text
    assert "com.example.Attend 'custom'" in text
    assert "after" not in text
    assert "total" not in text


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    w = onnx.numpy_helper.from_array(np.full((3, 2), np.nan, np.float32), "w")
    path = tmp_path / "model.onnx"
    path.write_bytes(model([helper.make_node("MatMul", ["x", "w"], ["y"])], tensors=[w]).SerializeToString())
    refused(path, UnsupportedError, "'w' has values that are not finite")


@pytest.mark.parametrize("opset", [0, 99])
def test_an_opset_out_of_range_is_named(opset: int, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    content = dense()
    content.opset_import[0].version = opset
    path.write_bytes(content.SerializeToString())
    refused(path, UnsupportedError, f"opset {opset}")


def test_a_reshape_that_merges_samples_is_refused(tmp_path: Path) -> None:
    shape = onnx.numpy_helper.from_array(np.array([-1], np.int64), "s")
    path = tmp_path / "model.onnx"
    path.write_bytes(
        model([helper.make_node("Reshape", ["x", "s"], ["y"], name="flat")], tensors=[shape]).SerializeToString()
    )
    refused(path, UnsupportedError, "Reshape 'flat'", "merges the batch")


def test_an_input_without_a_shape_can_be_given_one(tmp_path: Path) -> None:
    content, path = dense(), tmp_path / "model.onnx"
    content.graph.input[0].type.tensor_type.ClearField("shape")
    path.write_bytes(content.SerializeToString())
    refused(path, UnsupportedError, "input 'x' has no declared shape", "shapes=")
    assert load(path, shapes={"x": (None, 3)}).inputs[0].shape == (None, 3)


def test_options_for_inputs_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(dense().SerializeToString())
    refused(path, ParameterError, "no input is called 'image'", "x", shapes={"image": (None, 3)})
    refused(path, ParameterError, "has no axis 2", batch_axes={"x": 2})


# Data outside the file -----------------------------------------------------------------------------------------------


def external(path: Path, location: str, **entries: str) -> None:
    content = dense()
    tensor = content.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(content.SerializeToString())


def test_weights_in_the_models_folder_are_read(tmp_path: Path) -> None:
    weights = np.arange(8, dtype=np.float32)
    (tmp_path / "weights.bin").write_bytes(weights.tobytes())
    external(tmp_path / "model.onnx", "weights.bin", offset="8", length="24")
    np.testing.assert_array_equal(load(tmp_path / "model.onnx").nodes[0].layer.weight, weights[2:].reshape(3, 2))


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "inner/../../secret.bin", "link.bin", ""])
def test_weights_outside_the_models_folder_are_refused(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    external(folder / "model.onnx", location)
    refused(folder / "model.onnx", ModelFormatError, "tensor 'w'", "outside the model's folder")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "needs 24 bytes at 0"),
        ({"offset": "-8"}, "needs 24 bytes at -8"),
        ({"length": "16"}, "needs 24 bytes"),
        ({"offset": "many"}, "no integers"),
    ],
)
def test_external_sizes_that_lie_are_refused(entries: dict[str, str], reason: str, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(16))
    external(tmp_path / "model.onnx", "weights.bin", **entries)
    refused(tmp_path / "model.onnx", ModelFormatError, reason)


def test_an_external_length_that_is_not_the_tensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(64))
    external(tmp_path / "model.onnx", "weights.bin", length="16")
    refused(tmp_path / "model.onnx", ModelFormatError, "needs 24 bytes")


def test_a_missing_external_file_is_named(tmp_path: Path) -> None:
    external(tmp_path / "model.onnx", "weights.bin")
    refused(tmp_path / "model.onnx", ModelFormatError, "'weights.bin'", "not in the model's folder")


# Sizes that would fill the memory ------------------------------------------------------------------------------------


def test_a_huge_declared_weight_is_refused_without_allocating(tmp_path: Path) -> None:
    content = dense()
    content.graph.initializer[0].dims[:] = [10**9, 10**9]
    path = tmp_path / "model.onnx"
    path.write_bytes(content.SerializeToString())
    refused(path, ModelFormatError, "w")


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile"])
def test_a_huge_folded_constant_is_refused_without_allocating(kind: str, tmp_path: Path) -> None:
    sizes = onnx.numpy_helper.from_array(np.array([10**6, 10**6], np.int64), "s")
    one = onnx.numpy_helper.from_array(np.ones((1, 1), np.float32), "one")
    reads = ["s"] if kind == "ConstantOfShape" else ["one", "s"]
    nodes = [helper.make_node(kind, reads, ["c"], name="bomb"), helper.make_node("Add", ["x", "c"], ["y"])]
    path = tmp_path / "model.onnx"
    path.write_bytes(model(nodes, tensors=[sizes, one]).SerializeToString())
    refused(path, UnsupportedError, f"{kind} 'bomb'", "1000000000000 elements")


# Without the optional packages ---------------------------------------------------------------------------------------


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(dense().SerializeToString())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lrp-ref\[runtime\]'"):
        check_against_onnxruntime(path, np.ones((1, 3), np.float32))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lrp-ref\[onnx\]'"):
        load(path)


def test_local_functions_are_inlined(tmp_path: Path) -> None:
    body = [helper.make_node("MatMul", ["a", "b"], ["p"]), helper.make_node("Relu", ["p"], ["r"])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    function = helper.make_function("local", "Layer", ["a", "b"], ["r"], body, opsets)
    w = onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2) - 2, "w")
    content = model([helper.make_node("Layer", ["x", "w"], ["y"], domain="local", name="first")], tensors=[w])
    content.opset_import.append(helper.make_opsetid("local", 1))
    content.functions.append(function)
    path = tmp_path / "model.onnx"
    path.write_bytes(content.SerializeToString())
    net = load(path)
    assert [type(n.layer).__name__ for n in net.nodes] == ["Dense", "ReLU"]
    x = np.array([[1, -1, 2]], np.float32)
    np.testing.assert_array_equal(net.forward(x), np.maximum(x @ (np.arange(6).reshape(3, 2) - 2), 0))


@pytest.mark.parametrize("location", ["a\0b", "x" * 300])
def test_external_names_that_no_file_can_have_are_refused(location: str, tmp_path: Path) -> None:
    external(tmp_path / "model.onnx", location)
    refused(tmp_path / "model.onnx", ModelFormatError, "tensor 'w'", "cannot be a file")


# Nodes whose numbers make no sense, also where onnx's checker stops at an operator that it does not know -------------


STRANGE = helper.make_node("Strange", ["x"], ["unused"])


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([("Relu", ["b"], ["a"]), ("Relu", ["a"], ["b"]), ("Gemm", ["b", "w"], ["y"])], "before any node makes it"),
        ([("Relu", ["x"], ["y"]), ("Tanh", ["x"], ["y"])], "which is there already"),
        ([("Relu", ["x"], ["x"]), ("Tanh", ["x"], ["y"])], "which is there already"),
    ],
)
def test_cycles_and_tensors_made_twice_are_refused_behind_an_unknown_operator(
    nodes: list[tuple[str, list[str], list[str]]], reason: str, tmp_path: Path
) -> None:
    w = onnx.numpy_helper.from_array(np.ones((3, 2), np.float32), "w")
    content = model([STRANGE, *(helper.make_node(*node) for node in nodes)], tensors=[w])
    (tmp_path / "model.onnx").write_bytes(content.SerializeToString())
    refused(tmp_path / "model.onnx", ModelFormatError, reason)


@pytest.mark.parametrize("kind", ["Gemm", "Conv", "LSTM", "Relu", "Add"])
def test_nodes_without_inputs_are_refused_behind_an_unknown_operator(kind: str, tmp_path: Path) -> None:
    content = model([STRANGE, helper.make_node(kind, [], ["y"])])
    (tmp_path / "model.onnx").write_bytes(content.SerializeToString())
    refused(tmp_path / "model.onnx", UnsupportedError, f"{kind} 'y'")


HUGE = 1 << 62
SENSELESS: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[Any, ...]]] = {
    "too few amounts": ("Pad", {"p": [0, 1]}, {}, ("N", 3)),
    "amounts beyond memory": ("Pad", {"p": [0, HUGE, 0, HUGE]}, {}, ("N", 3)),
    "an axis twice": ("Unsqueeze", {"a": [1, 1]}, {}, ("N", 3)),
    "an axis that is not there": ("Unsqueeze", {"a": [9]}, {}, ("N", 3)),
    "an order that is none": ("Transpose", {}, {"perm": [-1, 0]}, ("N", 3)),
    "an axis to slice that is not there": ("Slice", {"s": [0], "e": [2], "a": [7]}, {}, ("N", 3)),
    "more starts than ends": ("Slice", {"s": [0, 1], "e": [2], "a": [1]}, {}, ("N", 3)),
    "no scale": ("Mul", {"c": np.zeros(0, np.float32)}, {}, ("N", 3)),
    "slopes that do not fit": ("PRelu", {"c": np.ones(5, np.float32)}, {}, ("N", 3)),
    "a factor that is no number": ("Resize", {"": [], "c": np.array([1, 1, np.nan, 1], "f4")}, {}, ("N", 4, 5, 5)),
    "an infinite factor": ("Resize", {"": [], "c": np.array([1, 1, np.inf, 1], "f4")}, {}, ("N", 4, 5, 5)),
    "too few factors": ("Resize", {"": [], "c": np.array([2, 2], "f4")}, {}, ("N", 4, 5, 5)),
    "blocks of 0": ("DepthToSpace", {}, {"blocksize": 0}, ("N", 4, 5, 5)),
    "negative sizes": ("Expand", {"s": [-1, 1, 3]}, {}, ("N", 3)),
    "repeated beyond memory": ("Tile", {"r": [1, 1 << 40]}, {}, ("N", 3)),
    "repeated −1 times": ("Tile", {"r": [1, -1]}, {}, ("N", 3)),
    "pads for one axis of two": (
        "Conv", {"w": np.ones((1, 2, 3, 3), "f4")}, {"pads": [1, 1]}, ("N", 2, 5, 5),
    ),
    "an input beyond memory": ("Relu", {}, {}, ("N", HUGE)),
    "more parts than outputs": ("Split", {"s": [1, 1, 1]}, {"axis": 1}, ("N", 3)),
    "a negative variance": ("BatchNormalization", {k: -np.ones(3, "f4") for k in "gbmv"}, {}, ("N", 3)),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", SENSELESS)
def test_nodes_whose_numbers_do_not_fit_are_named(case: str, tmp_path: Path) -> None:
    kind, constants, attributes, shape = SENSELESS[case]
    arrays = {k: v if isinstance(v, np.ndarray) else np.array(v, np.int64) for k, v in constants.items()}
    tensors = [onnx.numpy_helper.from_array(v, k) for k, v in arrays.items() if k]
    node = helper.make_node(kind, ["x", *constants], ["y"], **attributes)
    (tmp_path / "model.onnx").write_bytes(model([node], shape, tensors).SerializeToString())
    refused(tmp_path / "model.onnx", UnsupportedError, f"{kind} 'y' (")


def test_an_output_that_is_an_input_beyond_memory_is_refused(tmp_path: Path) -> None:
    content = model([helper.make_node("Relu", ["x"], ["y"])], ("N", HUGE))
    content.graph.output[0].name = "x"
    (tmp_path / "model.onnx").write_bytes(content.SerializeToString())
    refused(tmp_path / "model.onnx", UnsupportedError, "input 'x' of shape", "larger than any memory")
