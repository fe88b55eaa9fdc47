"""Networks written as ONNX: onnx's checker accepts the file, it loads with the same outputs, onnxruntime agrees."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import BY_NAME, SAMPLES, Sample

import lrp_ref as lrp
from lrp_ref import arithmetic, layers
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.network import Input, Network, Node
from lrp_ref.network.inputs import batch_back
from lrp_ref.network.sizes import sample_shapes

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
from lrp_ref.loaders.onnx.write import NOT_WRITTEN, WRITERS  # noqa: E402  it needs no onnx, its tests do

MODELS = sorted((Path(__file__).parents[2] / "models").glob("*.onnx")) + sorted(
    (Path(__file__).parents[2] / "models").glob("*.npz")
)
# What the loader does not read as an output of a file, but inside a network; there onnxruntime alone runs it.
NOT_READ = ("Compare", "Constant", "Number")
# ONNX has no such thing: each is one error.
CANNOT = (
    "Pad-value-per-channel", "LocalResponseNorm-torch", "SquaredDistance-full", "SquaredDistance-full-tied",
)  # fmt: skip
# A product with 1/β in place of a division by β when it is read again: one rounding.
ROUNDED = ("Softplus-1",)
# onnxruntime refuses such sizes.
NO_RUNTIME = ("MaxPool-window-in-padding", "ConvTranspose-output-padding-dilation", "LocalResponseNorm-even")


def of_type(value: Any, dtype: Any) -> Any:
    return value.astype(dtype) if value.dtype.kind == "f" else value


def alone(sample: Sample, dtype: Any) -> tuple[Network, dict[str, Any]]:
    """Return a network of the sample's layer, and inputs of three samples."""
    layer = sample.layer("normal").map_arrays(lambda a: of_type(a, dtype))
    xs = [of_type(x, dtype) for x in sample.inputs(3, "normal")]
    inputs = tuple(
        Input(f"in{k}", (None, *x.shape[1:]), axes=("batch",) + ("",) * (x.ndim - 1), element_type=x.dtype.name)
        for k, x in enumerate(xs)
    )
    out = layer.forward(*xs)
    outputs = tuple("only" if k == 0 else f"only:{k}" for k in range(len(out) if isinstance(out, tuple) else 1))
    net = Network((Node("only", layer, tuple(i.name for i in inputs)),), inputs, outputs)
    return net, dict(zip([i.name for i in inputs], xs, strict=True))


def by_name(net: Network, out: Any) -> dict[str, Any]:
    return out if isinstance(out, dict) else {net.outputs[0]: out}


def checked(path: Path) -> Any:
    """Return the model after onnx's checker, with the inference of shapes, has accepted the file."""
    onnx.checker.check_model(str(path), full_check=True)
    return onnx.load(path)


def session(path: Path) -> Any:
    """Return the file in onnxruntime, or None where it has no kernel for one of its operators in double precision."""
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:
        if "NOT_IMPLEMENTED" in str(error) and "Could not find an implementation" in str(error):
            return None
        raise


def runtime_agrees(path: Path, net: Network, x: dict[str, Any], tolerance: float = 1e-5) -> bool:
    """Compare every output with onnxruntime's; return whether it could run the file."""
    found = session(path)
    if found is None:
        assert net.dtype == np.float64 or any(a.dtype == np.float64 for a in x.values())
        return False
    assert [i.name for i in found.get_inputs()] == [i.name for i in net.inputs]
    assert [o.name for o in found.get_outputs()] == list(net.outputs)
    ours = by_name(net, net.forward(x))
    try:
        answers = found.run(None, x)
    except Exception as error:
        assert "operator does not support double yet" in str(error)  # noqa: PT017
        return False
    for name, theirs in zip(net.outputs, answers, strict=True):
        assert theirs.shape == ours[name].shape
        assert np.abs(theirs - ours[name]).max(initial=0) <= tolerance * max(np.abs(ours[name]).max(initial=0), 1e-30)
    return True


def test_every_layer_is_here_or_among_those_that_cannot_be_written() -> None:
    missing = [name for name, layer in layers.LAYERS.items() if layer not in WRITERS and layer not in NOT_WRITTEN]
    assert not missing, (
        f"{', '.join(missing)}: enter a function into the table with @writes in lrp_ref/loaders/onnx/write/, or the "
        "reason in NOT_WRITTEN of its part.py"
    )
    assert not set(WRITERS) & set(NOT_WRITTEN)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s.name)
def test_every_layer_is_written_read_and_run(sample: Sample, dtype: Any, tmp_path: Path) -> None:
    (net, x), path = alone(sample, dtype), tmp_path / "net.onnx"
    if sample.name in CANNOT or type(net.nodes[0].layer) in NOT_WRITTEN:
        with pytest.raises(UnsupportedError, match=rf"1 node that ONNX cannot hold: {sample.kind} 'only' \("):
            lrp.save(net, path)
        assert not list(tmp_path.iterdir())
        return
    lrp.save(net, path)
    checked(path)
    # Windows without any value give −∞, which nothing reads on.
    if sample.kind not in NOT_READ and sample.name != "MaxPool-window-in-padding":
        back = lrp.load(path)
        assert [(i.name, i.shape, i.batch_axis, i.element_type) for i in back.inputs] == [
            (i.name, i.shape, i.batch_axis, i.element_type) for i in net.inputs
        ]
        for n in (0, 1, 3):
            part = {name: a[:n] for name, a in x.items()}
            ours = by_name(net, net.forward(part)).values()
            for a, b in zip(by_name(back, back.forward(part)).values(), ours, strict=True):
                assert (a.dtype, a.shape) == (b.dtype, b.shape)
                if sample.name in ROUNDED:
                    assert np.abs(a - b).max(initial=0) <= 2 * np.finfo(dtype).eps
                else:
                    assert np.array_equal(a, b)
    if sample.name not in NO_RUNTIME:
        if sample.name.endswith("-everything"):
            # onnxruntime returns 0, not the initial state, for a sample without any step.
            x = {name: a[x["in1"] > 0] for name, a in x.items()}
        ran = runtime_agrees(path, net, x)
        assert ran or dtype == np.float64


LAYER_EQUAL = [
    "Dense", "Dense-no-bias", "Dense-one-unit", "Conv-2d", "Conv-asymmetric", "Conv-depthwise", "ConvTranspose-2d",
    "ConvTranspose-output-padding", "Affine-channels", "Affine-features", "Affine-scale", "Affine-shift", "Add-two",
    "Add-three", "Add-subtract", "Multiply-no-gate", "Concat-channels", "ReLU-0", "LeakyReLU-0", "LeakyReLU-1",
    "LeakyReLU-channels", "ELU-0", "ELU-1", "SELU-0", "GELU-0", "GELU-1", "SiLU-0", "HardSwish-0", "HardSigmoid-0",
    "HardSigmoid-1", "Clip-0", "Clip-1", "Clip-2", "Power-root", "Power-cube", "Power-square", "Softmax-classes",
    "Softmax-log", "Flatten-all", "Reshape-known", "Transpose-image", "Slice-one", "Split-three", "Gather-repeated",
    "Gather-one", "Pad-value", "Pad-reflect", "Pad-edge", "Pad-crop", "Upsample-2d", "GlobalAveragePool-2d",
    "GlobalMaxPool-first", "Sum-channels", "Mean-features", "LSTM-sequence", "LSTM-last", "LSTM-both-ways-all-state",
    "LSTM-everything", "Shrink-0", "Shrink-1", "ThresholdedReLU-0", "ThresholdedReLU-1", "Bounds-elements",
    "Bounds-low", "Power-channels", "Max-channels", "Prod-channels", "LogSumExp-channels",
    *(f"Function-{name}" for name in ("1", "2", "sin", "acosh", "erf", "round")),
    *(s.name for s in SAMPLES if s.kind in ("GRU", "RNN", "GeneralLSTM")),
    "Normalize-spatial",
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYER_EQUAL)
def test_a_layer_with_an_operator_of_its_own_comes_back_itself(name: str, dtype: Any, tmp_path: Path) -> None:
    net, _ = alone(BY_NAME[name], dtype)
    lrp.save(net, path := tmp_path / "net.onnx")
    assert lrp.load(path).nodes == net.nodes


@pytest.mark.parametrize("opset", range(17, 22))
@pytest.mark.parametrize(
    "name",
    [
        "Dense-time", "Conv-2d", "AveragePool-ceil-padding", "MaxPool-ceil", "SumPool-factor", "GlobalAveragePool-flat",
        "GlobalMaxPool-share", "Mean-last", "Sum-all", "GELU-0", "GELU-1", "Split-three", "Pad-reflect", "Upsample-1d",
        "LSTM-both-ways-all-state", "Affine-channels", "Clip-0", "Max-channels", "Prod-all", "LogSumExp-channels",
        "Normalize-last", "Normalize-spatial", "Normalize-channels", "Normalize-groups", "GRU-reverse-lengths",
    ],
)  # fmt: skip
def test_the_operators_of_every_version(name: str, opset: int, tmp_path: Path) -> None:
    (net, x), path = alone(BY_NAME[name], np.float32), tmp_path / "net.onnx"
    lrp.save(net, path, opset=opset)
    assert [(o.domain, o.version) for o in checked(path).opset_import] == [("", opset)]
    assert runtime_agrees(path, net, x)
    back = lrp.load(path)
    for a, b in zip(by_name(back, back.forward(x)).values(), by_name(net, net.forward(x)).values(), strict=True):
        assert np.array_equal(a, b)


def test_what_an_older_version_has_not_is_refused(tmp_path: Path) -> None:
    net, _ = alone(BY_NAME["AveragePool-dilation"], np.float32)
    with pytest.raises(UnsupportedError, match=r"AveragePool 'only' \(its dilation, which opset 19 brought: save"):
        lrp.save(net, tmp_path / "net.onnx", opset=18)
    for opset in (16, 22):
        with pytest.raises(ParameterError, match=f"opset {opset}: 17 to 21 are written"):
            lrp.save(net, tmp_path / "net.onnx", opset=opset)
    with pytest.raises(ParameterError, match=r"an \.npz file has no option opset"):
        lrp.save(net, tmp_path / "net.npz", opset=18)


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_shipped_models_come_back_equal(path: Path, dtype: Any, tmp_path: Path) -> None:
    net = lrp.load(path).astype(dtype)
    net = dataclasses.replace(net, inputs=tuple(dataclasses.replace(i, element_type="") for i in net.inputs))
    lrp.save(net, written := tmp_path / "net.onnx")
    checked(written)
    back, draw = lrp.load(written), np.random.default_rng(0)
    assert [n.name for n in back.nodes] == [n.name for n in net.nodes]
    assert [type(n.layer) for n in back.nodes] == [type(n.layer) for n in net.nodes]
    if path.suffix == ".onnx":  # in the others one number stands for one of each axis
        assert back.nodes == net.nodes
    assert (back.outputs, back.output_axes) == (net.outputs, net.output_axes)
    shapes = sample_shapes(net)
    x = {
        i.name: batch_back(draw.normal(size=(2, *shapes[i.name])).astype(dtype), i.batch_axis or 0) for i in net.inputs
    }
    for a, b in zip(by_name(back, back.forward(x)).values(), by_name(net, net.forward(x)).values(), strict=True):
        assert a.dtype == dtype
        assert np.array_equal(a, b)
    assert runtime_agrees(written, net, x) or dtype == np.float64
    lrp.save(back, again := tmp_path / "again.onnx")
    assert again.read_bytes() == written.read_bytes() or path.suffix == ".npz"


def test_a_loaded_network_comes_back_as_it_is(tmp_path: Path) -> None:
    net = lrp.load(next(p for p in MODELS if p.name == "sequence_lstm.onnx"))
    lrp.save(net, path := tmp_path / "net.onnx")
    assert lrp.load(path) == net


@pytest.mark.parametrize("comparison", ["greater", "less_equal", "not_equal"])
def test_masks_tokens_and_look_ups_inside_a_network(comparison: str, tmp_path: Path) -> None:
    """Rows of a table, a class token in front, those that a mask leaves out made 0, their sum."""
    draw, path = np.random.default_rng(8), tmp_path / "net.onnx"
    inputs = (
        Input("words", (None, 4), axes=("batch", ""), element_type="int64"),
        Input("mask", (None, 5), axes=("batch", ""), element_type="int64"),
    )
    nodes = (
        Node("table", layers.Embedding(draw.normal(size=(9, 3)).astype("f4")), ("words",)),
        Node("token", layers.Constant(draw.normal(size=(1, 3)).astype("f4")), ("table",)),
        Node("all", layers.Concat(), ("token", "table")),
        Node("number", layers.Number(np.ones(1, "f4")), ("mask",)),
        Node("chosen", layers.Compare(comparison, np.zeros(1, "f4")), ("number",)),
        Node("columns", layers.Unsqueeze((2,)), ("chosen",)),
        Node("product", layers.Multiply(), ("all", "columns")),
        Node("transposed", layers.Transpose((0, 2, 1)), ("product",)),
        Node("squares", layers.MatMul(), ("product", "transposed")),
        Node("picked", layers.Where(), ("columns", "squares", "squares")),
        Node("sum", layers.Sum(axes=(1,), keepdims=False), ("picked",)),
    )
    net = Network(nodes, inputs, ("sum",))
    lrp.save(net, path)
    checked(path)
    back = lrp.load(path)
    for n in (1, 3):
        x = {"words": draw.integers(0, 9, size=(n, 4)), "mask": draw.integers(-1, 2, size=(n, 5))}
        assert np.abs(net.forward(x)).max() > 0
        assert np.array_equal(back.forward(x), net.forward(x))
        assert runtime_agrees(path, net, x)


def several() -> Network:
    """Two inputs with their batch at different axes, two outputs, one of them inside, likewise."""
    draw = np.random.default_rng(2)
    image = Input("image", (3, 4, None), batch_axis=2, axes=("rows", "columns", "batch"), element_type="float32")
    extra = Input("extra", (None, 2), axes=("batch", ""), element_type="float32")
    nodes = (
        Node(
            "dense", layers.Dense(draw.normal(size=(4, 5)).astype("f4"), draw.normal(size=5).astype("f4")), ("image",)
        ),
        Node("relu", layers.ReLU(), ("dense",)),
        Node("flat", layers.Flatten(), ("relu",)),
        Node("both", layers.Concat(), ("flat", "extra")),
        Node("out", layers.Dense(draw.normal(size=(17, 3)).astype("f4")), ("both",)),
    )
    return Network(nodes, (image, extra), ("out", "relu"), output_axes=(0, 2))


def test_several_inputs_and_outputs_with_the_batch_elsewhere(tmp_path: Path) -> None:
    net, path, draw = several(), tmp_path / "net.onnx", np.random.default_rng(3)
    lrp.save(net, path)
    model = checked(path)
    shapes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"image": [3, 4, "batch"], "extra": ["batch", 2], "out": ["batch", 3], "relu": [3, 5, "batch"]}
    back = lrp.load(path)
    assert [(i.name, i.shape, i.batch_axis) for i in back.inputs] == [
        (i.name, i.shape, i.batch_axis) for i in net.inputs
    ]
    assert back.nodes == net.nodes
    assert (back.outputs, back.output_axes) == (net.outputs, net.output_axes)
    for n in (1, 4):
        x = {"image": draw.normal(size=(3, 4, n)).astype("f4"), "extra": draw.normal(size=(n, 2)).astype("f4")}
        for name, value in net.forward(x).items():
            assert np.array_equal(back.forward(x)[name], value)
        assert runtime_agrees(path, net, x)


def test_an_array_that_is_one_sample(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    spec = Input("x", (3, 4), batch_axis=None, element_type="float32")
    nodes = (
        Node("flat", layers.Flatten(), ("x",)),
        Node("dense", layers.Dense(draw.normal(size=(12, 2)).astype("f4")), ("flat",)),
    )
    net = Network(nodes, (spec,), ("dense",), output_axes=(None,))
    lrp.save(net, path := tmp_path / "net.onnx")
    checked(path)
    x = {"x": draw.normal(size=(3, 4)).astype("f4")}
    assert net.forward(x).shape == (2,)
    assert runtime_agrees(path, net, x)
    back = lrp.load(path)
    assert back == net
    assert np.array_equal(back.forward(x), net.forward(x))
    lrp.save(back, again := tmp_path / "again.onnx")
    assert np.array_equal(lrp.load(again).forward(x), net.forward(x))
    assert runtime_agrees(again, back, x)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.shapes], ids=lambda s: s.name)
def test_every_layer_in_a_network_whose_input_is_one_sample(sample: Sample, tmp_path: Path) -> None:
    (alike, xs), path = alone(sample, np.float32), tmp_path / "net.onnx"
    if sample.name in CANNOT or sample.kind in NOT_READ or type(alike.nodes[0].layer) in NOT_WRITTEN:
        return
    inputs = tuple(dataclasses.replace(i, shape=(i.shape or ())[1:], batch_axis=None, axes=()) for i in alike.inputs)
    net = dataclasses.replace(alike, inputs=inputs, output_axes=(None,) * len(alike.outputs))
    x = {name: np.asarray(a[2]) for name, a in xs.items()}
    lrp.save(net, path)
    checked(path)
    if sample.name not in NO_RUNTIME:
        assert runtime_agrees(path, net, x)
    if sample.name == "MaxPool-window-in-padding":
        return
    back = lrp.load(path, batch_axes=dict.fromkeys(x))
    assert [(i.name, i.shape, i.batch_axis) for i in back.inputs] == [(i.name, i.shape, None) for i in net.inputs]
    assert back.output_axes == net.output_axes
    assert not [n.name for n in back.nodes if n.name.endswith((".batched", ".returned"))]  # no axis put in front stays
    ours, theirs = (by_name(n, n.forward(x)).values() for n in (net, back))
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert np.array_equal(a, b) or (sample.name in ROUNDED and np.abs(a - b).max() <= 2 * np.finfo("f4").eps)


def test_free_sizes_stay_free(tmp_path: Path) -> None:
    draw, path = np.random.default_rng(5), tmp_path / "net.onnx"
    net = Network.sequential(
        [
            layers.Conv(draw.normal(size=(4, 2, 3, 3)).astype("f4"), stride=2, padding=1),
            layers.SumPool(2, stride=1),
            layers.Affine(draw.normal(size=4).astype("f4"), draw.normal(size=4).astype("f4")),
            layers.GlobalAveragePool(keepdims=False),
        ]
    )
    lrp.save(net, path)
    dims = checked(path).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["batch", 2, 0, 0]
    back = lrp.load(path)
    for size in ((9, 12), (20, 7)):
        x = {"input": draw.normal(size=(2, 2, *size)).astype("f4")}
        assert np.array_equal(back.forward(x), net.forward(x))
        assert runtime_agrees(path, net, x)
    named = dataclasses.replace(
        net, inputs=(Input("input", (None, 2, None, None), axes=("batch", "channels", "height", "width")),)
    )
    lrp.save(named, path)
    dims = checked(path).graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["batch", 2, "height", "width"]


def test_shapes_are_asked_for_where_nothing_tells_them(tmp_path: Path) -> None:
    net, path = Network.sequential([layers.ReLU(), layers.Flatten()]), tmp_path / "net.onnx"
    with pytest.raises(ShapeError, match=r"net\.onnx: the size of input 'input' is not fixed: say the shape of one"):
        lrp.save(net, path)
    lrp.save(net, path, shapes={"input": (2, 3)})
    assert lrp.load(path).inputs[0].shape == (None, 2, 3)
    with pytest.raises(ParameterError, match=r"unknown input of .*'image'.*known: input"):
        lrp.save(net, path, shapes={"image": (2, 3)})
    fixed = dataclasses.replace(net, inputs=(Input("input", (None, 2, None)),))
    lrp.save(fixed, path, shapes={"input": (2, 5)})
    assert lrp.load(path).inputs[0].shape == (None, 2, 5)
    with pytest.raises(ShapeError, match=r"input 'input' is any × 2 × any; shapes=.* does not fit"):
        lrp.save(fixed, path, shapes={"input": (3, 5)})


def test_integers_are_cast_where_floats_are_read(tmp_path: Path) -> None:
    spec, path = Input("bytes", (None, 4), element_type="uint8"), tmp_path / "net.onnx"
    nodes = (
        Node("halves", layers.Split((2, 2)), ("bytes",)),
        Node("dense", layers.Dense(np.ones((2, 1), np.float32)), ("halves:1",)),
        Node("other", layers.Dense(np.ones((2, 1), np.float32)), ("halves:1",)),
        Node("sum", layers.Add(), ("dense", "other")),
    )
    net = Network(nodes, (spec,), ("sum",))
    lrp.save(net, path)
    assert [n.op_type for n in checked(path).graph.node].count("Cast") == 1
    x = {"bytes": np.array([[1, 2, 250, 250]], np.uint8)}
    assert session(path).run(None, x)[0].tolist() == [[1000.0]]


def test_an_output_that_is_an_input_and_one_of_each_split(tmp_path: Path) -> None:
    spec, path = Input("x", (None, 3), element_type="float32"), tmp_path / "net.onnx"
    net = Network((Node("split", layers.Split((1, 2)), ("x",)),), (spec,), ("split:1", "x"))
    lrp.save(net, path)
    assert [o.name for o in checked(path).graph.output] == ["split:1", "x/out"]
    x = np.array([[1, 2, 3]], np.float32)
    assert [a.tolist() for a in session(path).run(None, {"x": x})] == [[[2.0, 3.0]], [[1.0, 2.0, 3.0]]]


def test_a_name_that_a_helper_has_too_is_refused(tmp_path: Path) -> None:
    net = Network.sequential([("a", layers.Dense(np.ones((2, 2)), np.ones(2))), ("a/weight", layers.ReLU())])
    with pytest.raises(UnsupportedError, match=r"net\.onnx: the name 'a/weight' would be there twice: rename the node"):
        lrp.save(net, tmp_path / "net.onnx")


def test_all_nodes_that_cannot_be_written_are_named_and_nothing_is(tmp_path: Path) -> None:
    class Private(layers.ReLU):
        """A layer that nobody knows."""

    (path := tmp_path / "net.onnx").write_bytes(b"old")
    pad = layers.Pad(((0, 0), (1, 2)), value=np.ones(2, np.float32))
    pool = layers.AveragePool(2, factor=0.5)
    net = Network.sequential([("a", pad), ("b", Private()), ("c", pool), ("d", layers.ReLU())])
    with pytest.raises(UnsupportedError) as caught:
        lrp.save(net, path, shapes={"input": (2, 6)})
    assert str(caught.value) == (
        f"{path}: 3 nodes that ONNX cannot hold: Pad 'a' (a value of its own for each channel: ONNX pads with one "
        "number); Private 'b' (a layer that is not in the table of lrp_ref.loaders.onnx.write); AveragePool 'c' (its "
        "factor 0.5: ONNX has none); .npz holds all"
    )
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_numbers_that_single_precision_would_round_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for layer in (layers.ELU(alpha=0.1), layers.HardSigmoid(alpha=0.3), layers.ELU(alpha=1.0, scale=0.7)):
        net = dataclasses.replace(
            Network.sequential([layers.Affine(np.ones(2)), layer]), inputs=(Input("input", (None, 2)),)
        )
        with pytest.raises(
            UnsupportedError, match="is no number of single precision, which is all that ONNX has there"
        ):
            lrp.save(net, path)
        lrp.save(net.astype(np.float32), path)
        x = np.array([[-1.5, 0.25]], np.float32)
        assert np.array_equal(lrp.load(path).forward(x), net.astype(np.float32).forward(x))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"activation": "gelu"}, "its activation GELU"),
        ({"activation": "selu"}, "its activation SELU"),
        ({"gate": ("softplus", 2.0)}, "its activation Softplus"),
        ({"activation": ("elu", 1.0, 0.5)}, "its activation ELU"),
        ({"gate": "hardsigmoid"}, "its alpha of HardSigmoid 0.16666666666666666 is no number of single precision"),
        ({"clip": 0.1}, "its clip 0.1 is no number of single precision"),
    ],
)
def test_cells_that_onnx_does_not_have(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    weights = np.ones((1, 3, 2, 3)), np.ones((1, 3, 2, 2)), np.zeros((1, 3, 2))
    net = Network.sequential([layers.GRU(*weights, **options)])
    with pytest.raises(UnsupportedError, match=rf"GRU '\w+' \({reason}"):
        lrp.save(net, tmp_path / "net.onnx", shapes={"input": (4, 3)})


@pytest.mark.parametrize(
    "activation", ["linear", "relu", "softplus", "elu", ("elu", 0.5), ("leakyrelu", 0.25), "leakyrelu", "hardsigmoid"]
)
def test_the_functions_of_a_cell(activation: Any, tmp_path: Path) -> None:
    """Beside a gate with parameters, of both directions: each function takes those that are its own."""
    draw, path = np.random.default_rng(6), tmp_path / "net.onnx"
    weights = (draw.normal(size=shape).astype("f4") / 2 for shape in ((2, 4, 2, 3), (2, 4, 2, 2), (2, 4, 2)))
    layer = layers.GeneralLSTM(
        *weights, "bidirectional", gate=("hardsigmoid", 0.25, 0.5), output_activation=activation, clip=2.0
    )
    net = dataclasses.replace(Network.sequential([("only", layer)]), inputs=(Input("input", (None, 4, 3)),))
    lrp.save(net, path)
    x = {"input": draw.normal(size=(3, 4, 3)).astype("f4")}
    checked(path)
    assert np.array_equal(lrp.load(path).forward(x), net.forward(x))
    assert runtime_agrees(path, net, x)


def test_a_steep_swish_and_a_celu_in_double_precision(tmp_path: Path) -> None:
    """What the written parts make together; α·elu(x/α) rounds once more where 1/α is no binary fraction."""
    path, x = tmp_path / "net.onnx", {"input": np.random.default_rng(7).normal(size=(5, 4)) * 3}
    net = Network.sequential([layers.Affine(np.ones(4)), layers.Swish(-1.5), layers.CELU(0.3)])
    lrp.save(net, path, shapes={"input": (4,)})
    assert [n.op_type for n in checked(path).graph.node] == ["Mul", "Mul", "Sigmoid", "Mul", "Div", "Elu", "Mul"]
    there = lrp.load(path).forward(x)
    assert np.abs(there - net.forward(x)).max() <= 4 * np.finfo(np.float64).eps
    assert runtime_agrees(path, net, x) or session(path) is None


def test_group_normalization_is_written_as_such_where_it_has_a_scale_for_each_channel(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    for name, opset, kind in (("groups", 21, "GroupNormalization"), ("groups", 20, "Div"), ("spatial", 20, "Instance")):
        net, _ = alone(BY_NAME[f"Normalize-{name}"], np.float32)
        lrp.save(net, path, opset=opset)
        assert any(n.op_type.startswith(kind) for n in checked(path).graph.node)


def test_sizes_that_stay_free_beside_a_normalisation(tmp_path: Path) -> None:
    draw, path = np.random.default_rng(9), tmp_path / "net.onnx"
    steps = [
        layers.Conv(draw.normal(size=(4, 2, 1)).astype("f4")),
        layers.Normalize((1, 2), groups=2, epsilon=0.25),
        layers.LocalResponseNorm(3, alpha=1.0),
        layers.Normalize((2,), centre=False, epsilon=0.25),
        layers.Normalize((1, 2)),
        layers.LogSumExp(keepdims=False),
    ]
    net = Network.sequential(steps)
    lrp.save(net, path)
    checked(path)
    back = lrp.load(path)
    for size in (5, 9):
        x = {"input": draw.normal(size=(3, 2, size)).astype("f4")}
        assert np.array_equal(back.forward(x), net.forward(x))
        assert runtime_agrees(path, net, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_of_samples_without_axes(dtype: Any, tmp_path: Path) -> None:
    path, one = tmp_path / "net.onnx", np.ones(1, dtype)
    steps = [
        layers.Sum((1,), keepdims=False),
        layers.Affine(one * 2, one * 0.5),
        layers.Affine(shift=one * -1),
        layers.LeakyReLU(one * 0.25),
        layers.Bounds(one * -0.5, one * 3),
        layers.Affine(scale=one * -0.75),
    ]
    net = dataclasses.replace(Network.sequential(steps), inputs=(Input("input", (None, 3)),))
    lrp.save(net, path)
    checked(path)
    back = lrp.load(path)
    for n in (0, 1, 4):
        x = {"input": np.random.default_rng(n).normal(size=(n, 3)).astype(dtype)}
        assert np.array_equal(back.forward(x), net.forward(x))
        assert back.forward(x).shape == (n,)
        assert runtime_agrees(path, net, x) or dtype == np.float64


def test_parameters_that_onnx_does_not_hold(tmp_path: Path) -> None:
    path, dense = tmp_path / "net.onnx", layers.Dense(np.ones((2, 2)))
    with pytest.raises(UnsupportedError, match="parameters of object; networks of float32 or float64 are written"):
        lrp.save(arithmetic.rational(Network.sequential([dense])), path)
    with pytest.raises(UnsupportedError, match="parameters of float16; networks"):
        lrp.save(Network.sequential([dense]).astype(np.float16), path)
    mixed = Network.sequential([dense, layers.Dense(np.ones((2, 2), np.float32))])
    with pytest.raises(UnsupportedError, match="parameters of float32, float64; networks"):
        lrp.save(mixed, path)


def test_more_than_a_file_of_onnx_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lrp_ref.loaders.onnx import write

    monkeypatch.setattr(write, "LARGEST", 31)
    with pytest.raises(UnsupportedError, match=r"32 bytes of parameters; an ONNX file holds less than 2 GiB: save as"):
        lrp.save(Network.sequential([layers.Dense(np.ones((2, 2)))]), tmp_path / "net.onnx")
