"""Operators and their attributes: generated models, each compared with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, number, weight, whole, write

from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import Elementwise
from lrp_ref.loaders import load
from lrp_ref.loaders.onnx.batches import AXES, Axes
from lrp_ref.loaders.onnx.convert import HANDLERS, operator

CONV = {"w": weight(4, 3, 3, 2), "b": weight(4)}
CASES: list[tuple[str, list[Step], tuple[int, ...], dict[str, Any], int]] = [
    # convolutions
    ("conv_plain", [("Conv", ["x", "w", "b"], {})], (2, 3, 8, 7), CONV, 11),
    ("conv_no_bias", [("Conv", ["x", "w"], {"strides": [2, 1], "pads": [1, 0, 2, 1]})], (2, 3, 8, 7), CONV, 17),
    ("conv_dilated", [("Conv", ["x", "w", "b"], {"dilations": [2, 3]})], (2, 3, 8, 9), CONV, 22),
    *[
        (
            f"conv_{mode}_{stride}_{size}",
            [("Conv", ["x", "w", "b"], {"auto_pad": mode, "strides": [stride] * 2})],
            (2, 3, size, size + 1),
            CONV,
            17,
        )
        for mode in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for stride, size in ((1, 6), (2, 7), (3, 8))
    ],
    ("conv_groups", [("Conv", ["x", "w"], {"group": 2})], (2, 4, 6, 6), {"w": weight(6, 2, 3, 3)}, 17),
    ("conv_depthwise", [("Conv", ["x", "w"], {"group": 4})], (2, 4, 6, 6), {"w": weight(8, 1, 3, 3)}, 17),
    ("conv_1d", [("Conv", ["x", "w"], {"pads": [2, 1], "strides": [2]})], (2, 3, 9), {"w": weight(4, 3, 3)}, 17),
    ("conv_3d", [("Conv", ["x", "w"], {"pads": [1, 0, 1, 0, 1, 1]})], (1, 2, 5, 4, 4), {"w": weight(3, 2, 3, 2, 2)}, 7),
    ("transposed", [("ConvTranspose", ["x", "w"], {})], (2, 4, 5, 5), CONV, 7),
    *[
        (
            f"transposed_{k}",
            [("ConvTranspose", ["x", "w", "b"], {"strides": [2, 3], **attributes})],
            (2, 4, 4, 5),
            {"w": weight(4, 3, 3, 3), "b": weight(6)},
            17,
        )
        for k, attributes in enumerate(
            (
                {"group": 2, "pads": [1, 0, 0, 1], "output_padding": [1, 2]},
                {"group": 2, "output_shape": [8, 15]},
                {"group": 2, "output_shape": [10, 17]},
                {"group": 2, "output_shape": [8, 14], "auto_pad": "SAME_UPPER"},
                {"group": 2, "dilations": [2, 1], "pads": [2, 1, 1, 2]},
                {"group": 2, "auto_pad": "SAME_UPPER"},
                {"group": 2, "auto_pad": "SAME_LOWER"},
            )
        )
    ],
    # dense
    ("gemm", [("Gemm", ["x", "w", "b"], {})], (3, 5), {"w": weight(5, 4), "b": weight(4)}, 11),
    (
        "gemm_scaled",
        [("Gemm", ["x", "w", "b"], {"alpha": 0.5, "beta": -2.0, "transB": 1})],
        (3, 5),
        {"w": weight(4, 5), "b": weight(1, 4)},
        17,
    ),
    *(
        (
            f"gemm_bias_of_the_input_{beta}",
            [
                ("ReduceSum", ["x", "last"], {"keepdims": 1}),
                ("Gemm", ["x", "w", "t0"], {"alpha": -2.0, "beta": beta, "transB": 1}),
            ],
            (3, 5),
            {"w": weight(4, 5), "last": np.array([1])},
            13,
        )
        for beta in (1.0, 0.5)
    ),
    ("gemm_scalar_bias", [("Gemm", ["x", "w", "b"], {})], (3, 5), {"w": weight(5, 4), "b": weight(1)}, 13),
    ("gemm_no_bias", [("Gemm", ["x", "w"], {})], (3, 5), {"w": weight(5, 4)}, 13),
    (
        "gemm_transposed_twice",
        [("Transpose", ["x"], {"perm": [1, 0]}), ("Gemm", ["t0", "w"], {"transA": 1})],
        (3, 5),
        {"w": weight(5, 4)},
        13,
    ),
    ("matmul", [("MatMul", ["x", "w"], {})], (3, 5), {"w": weight(5, 4)}, 13),
    ("matmul_nd", [("MatMul", ["x", "w"], {}), ("Add", ["t0", "b"], {})], (2, 6, 5),
     {"w": weight(5, 4), "b": weight(4)}, 13),
    ("matmul_left", [("MatMul", ["w", "x"], {})], (2, 3, 6, 5), {"w": weight(4, 6)}, 13),
    ("matmul_time_first", [("Transpose", ["x"], {"perm": [1, 0, 2]}), ("MatMul", ["t0", "w"], {}),
                           ("Transpose", ["t1"], {"perm": [1, 0, 2]})], (2, 6, 5), {"w": weight(5, 4)}, 13),
    # normalisation and constants
    (
        "batch_norm",
        [("BatchNormalization", ["x", "g", "b", "m", "v"], {"epsilon": 1e-3})],
        (2, 3, 4, 5),
        {"g": weight(3), "b": weight(3), "m": weight(3), "v": weight(3) ** 2},
        11,
    ),
    (
        "batch_norm_2d",
        [("BatchNormalization", ["x", "g", "b", "m", "v"], {})],
        (4, 3),
        {"g": weight(3), "b": weight(3), "m": weight(3), "v": weight(3) ** 2},
        17,
    ),
    *[
        (f"{kind.lower()}_{'x'.join(map(str, shape)) or 'scalar'}_{order}",
         [(kind, ["x", "c"] if order == "right" else ["c", "x"], {})], (2, 3, 4, 5), {"c": weight(*shape) + 3}, 14)
        for kind in ("Add", "Sub", "Mul", "Div")
        for shape in ((), (1,), (3, 1, 1), (1, 3, 1, 1), (5,), (4, 5), (1, 3, 4, 5))
        for order in ("right", "left")
        if not (kind == "Div" and order == "left")
    ],
    ("channels_are_not_the_last_axis", [("Add", ["x", "c"], {})], (2, 3, 3), {"c": weight(3)}, 14),
    ("enlarging", [("Mul", ["x", "c"], {})], (2, 3, 1, 1), {"c": weight(1, 4, 5)}, 14),
    ("sum_with_constant", [("Sum", ["x", "c", "c"], {})], (2, 3), {"c": weight(3)}, 13),
    # activations
    *[(kind.lower(), [(kind, ["x"], {})], (2, 3, 4), {}, 17)
      for kind in ("Abs", "Elu", "Exp", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Neg", "Relu", "Selu",
                   "Sigmoid", "Softplus", "Tanh", "Celu")],
    ("elu_alpha", [("Elu", ["x"], {"alpha": 0.3})], (2, 3), {}, 17),
    ("selu_other", [("Selu", ["x"], {"alpha": 0.3, "gamma": 2.0})], (2, 3), {}, 17),
    ("leaky_alpha", [("LeakyRelu", ["x"], {"alpha": 0.3})], (2, 3), {}, 17),
    ("hard_sigmoid_torch", [("HardSigmoid", ["x"], {"alpha": 1 / 6, "beta": 0.5})], (2, 3), {}, 17),
    ("prelu_channels", [("PRelu", ["x", "s"], {})], (2, 3, 4, 5), {"s": weight(3, 1, 1)}, 17),
    ("prelu_scalar", [("PRelu", ["x", "s"], {})], (2, 3, 4, 5), {"s": weight(1)}, 17),
    ("prelu_elements", [("PRelu", ["x", "s"], {})], (2, 3, 4), {"s": weight(3, 4)}, 17),
    ("gelu", [("Gelu", ["x"], {})], (2, 30), {}, 20),
    ("gelu_tanh", [("Gelu", ["x"], {"approximate": "tanh"})], (2, 30), {}, 20),
    ("clip_inputs", [("Clip", ["x", "low", "high"], {})], (2, 30), {"low": number(-0.5), "high": number(0.75)}, 17),
    ("clip_high", [("Clip", ["x", "", "high"], {})], (2, 30), {"high": number(0.75)}, 17),
    ("clip_attributes", [("Clip", ["x"], {"min": -0.5, "max": 0.75})], (2, 30), {}, 7),
    ("clip_nothing", [("Clip", ["x"], {})], (2, 30), {}, 17),
    ("max_number", [("Max", ["x", "c"], {})], (2, 30), {"c": number(0.25)}, 17),
    ("min_number", [("Min", ["c", "x"], {})], (2, 30), {"c": number(0.25)}, 17),
    ("square", [("Pow", ["x", "e"], {})], (2, 3), {"e": number(2)}, 17),
    ("cube", [("Pow", ["x", "e"], {})], (2, 3), {"e": whole(3)}, 17),
    ("root", [("Abs", ["x"], {}), ("Sqrt", ["t0"], {})], (2, 3), {}, 17),
    ("power", [("Abs", ["x"], {}), ("Pow", ["t0", "e"], {})], (2, 3), {"e": number(1.5)}, 17),
    ("log", [("Abs", ["x"], {}), ("Log", ["t0"], {})], (2, 3), {}, 17),
    ("reciprocal", [("Reciprocal", ["x"], {})], (2, 3), {}, 17),
    ("constant_over_signal", [("Div", ["c", "x"], {})], (2, 3, 4), {"c": weight(3, 1)}, 17),
    ("softmax", [("Softmax", ["x"], {})], (2, 3, 4), {}, 13),
    ("softmax_axis", [("Softmax", ["x"], {"axis": 1})], (2, 3, 4), {}, 17),
    ("softmax_coerced", [("Softmax", ["x"], {})], (2, 3, 4), {}, 11),
    ("softmax_coerced_axis", [("Softmax", ["x"], {"axis": 2})], (2, 3, 4, 5), {}, 12),
    ("softmax_coerced_single", [("Softmax", ["x"], {})], (2, 3, 1, 1), {}, 11),
    ("log_softmax", [("LogSoftmax", ["x"], {"axis": -2})], (2, 3, 4), {}, 13),
    ("log_softmax_coerced", [("LogSoftmax", ["x"], {})], (2, 3, 4), {}, 9),
    ("dropout", [("Dropout", ["x"], {}), ("Relu", ["t0"], {})], (2, 3), {}, 17),
    ("dropout_alone", [("Dropout", ["x"], {})], (2, 3), {}, 11),
    # pooling
    *[
        (f"{kind.lower()}_{k}", [(kind, ["x"], {"kernel_shape": [3, 2], **attributes})], (2, 3, 8, 9), {}, 19)
        for kind in ("MaxPool", "AveragePool")
        for k, attributes in enumerate(
            (
                {},
                {"strides": [2, 2]},
                {"strides": [2, 2], "pads": [1, 0, 2, 1]},
                {"strides": [2, 3], "ceil_mode": 1},
                {"strides": [3, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
                {"dilations": [2, 3]},
                {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
                {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
                {"strides": [2, 2], "auto_pad": "VALID"},
            )
        )
    ],
    ("average_counted", [("AveragePool", ["x"], {"kernel_shape": [3], "pads": [1, 2], "count_include_pad": 1})],
     (2, 3, 7), {}, 11),
    ("average_counted_ceil", [("AveragePool", ["x"], {"kernel_shape": [3], "pads": [1, 1], "count_include_pad": 1,
                                                     "strides": [2], "ceil_mode": 1})], (2, 3, 8), {}, 19),
    ("max_pool_3d", [("MaxPool", ["x"], {"kernel_shape": [2, 2, 2], "strides": [2, 2, 2]})], (1, 2, 4, 5, 6), {}, 11),
    ("global_average", [("GlobalAveragePool", ["x"], {})], (2, 3, 4, 5), {}, 11),
    ("global_max", [("GlobalMaxPool", ["x"], {})], (2, 3, 4, 5), {}, 11),
    ("mean_old", [("ReduceMean", ["x"], {"axes": [2, 3], "keepdims": 0})], (2, 3, 4, 5), {}, 13),
    ("mean_new", [("ReduceMean", ["x", "a"], {})], (2, 3, 4, 5), {"a": whole(-1)}, 18),
    ("mean_channels", [("ReduceMean", ["x"], {"axes": [1]})], (2, 3, 4, 5), {}, 13),
    ("sum_axis", [("ReduceSum", ["x", "a"], {"keepdims": 0})], (2, 3, 4, 5), {"a": whole(1, 3)}, 13),
    ("max_spatial", [("ReduceMax", ["x"], {"axes": [-1, 2], "keepdims": 0})], (2, 3, 4, 5), {}, 13),
    # resizing
    ("upsample_old", [("Upsample", ["x"], {"scales": [1.0, 1.0, 2.0, 3.0]})], (2, 3, 4, 5), {}, 7),
    ("upsample_9", [("Upsample", ["x", "s"], {})], (2, 3, 4, 5), {"s": np.array([1, 1, 3, 2], np.float32)}, 9),
    ("resize_10", [("Resize", ["x", "s"], {})], (2, 3, 4, 5), {"s": np.array([1, 1, 3, 2], np.float32)}, 10),
    *[
        (f"resize_{mode}_{rounding}_{factor}",
         [("Resize", ["x", "", "s"], {"coordinate_transformation_mode": mode, "nearest_mode": rounding})],
         (1, 2, 4, 5), {"s": np.array([1, 1, factor, 1], np.float32)}, 17)
        for mode, rounding, factor in (
            ("asymmetric", "floor", 2), ("asymmetric", "floor", 3), ("asymmetric", "round_prefer_floor", 2),
            ("half_pixel", "round_prefer_floor", 2), ("half_pixel", "round_prefer_floor", 3),
            ("half_pixel", "round_prefer_ceil", 4), ("pytorch_half_pixel", "round_prefer_floor", 2),
        )
    ],
    ("resize_sizes", [("Resize", ["x", "", "", "s"], {"coordinate_transformation_mode": "asymmetric",
                                                      "nearest_mode": "floor"})], (2, 3, 4, 5),
     {"s": whole(2, 3, 8, 15)}, 13),
    # routing
    ("reshape", [("Reshape", ["x", "s"], {})], (2, 3, 4), {"s": whole(2, -1)}, 13),
    ("reshape_zero", [("Reshape", ["x", "s"], {})], (2, 3, 4), {"s": whole(0, 2, 6)}, 13),
    ("reshape_minus_batch", [("Reshape", ["x", "s"], {})], (2, 3, 4), {"s": whole(-1, 12)}, 13),
    ("flatten", [("Flatten", ["x"], {})], (2, 3, 4, 5), {}, 13),
    ("flatten_negative", [("Flatten", ["x"], {"axis": -3})], (2, 3, 4, 5), {}, 13),
    ("transpose", [("Transpose", ["x"], {"perm": [0, 3, 1, 2]})], (2, 3, 4, 5), {}, 13),
    ("transpose_there_and_back", [("Transpose", ["x"], {}), ("Relu", ["t0"], {}), ("Transpose", ["t1"], {})],
     (2, 3, 4), {}, 13),
    ("squeeze_old", [("Squeeze", ["x"], {"axes": [2]})], (2, 3, 1, 5), {}, 11),
    ("squeeze_new", [("Squeeze", ["x", "a"], {})], (2, 1, 3, 1), {"a": whole(-1, 1)}, 13),
    ("squeeze_all", [("Squeeze", ["x"], {})], (2, 1, 3, 1), {}, 13),
    ("unsqueeze_old", [("Unsqueeze", ["x"], {"axes": [1, 3]})], (2, 3), {}, 11),
    ("unsqueeze_new", [("Unsqueeze", ["x", "a"], {})], (2, 3), {"a": whole(-1)}, 13),
    ("unsqueeze_before_batch", [("Unsqueeze", ["x", "a"], {}), ("Relu", ["t0"], {}), ("Squeeze", ["t1", "a"], {})],
     (2, 3), {"a": whole(0)}, 13),
    ("slice_old", [("Slice", ["x"], {"starts": [1, -3], "ends": [3, 100], "axes": [1, 2]})], (2, 4, 5), {}, 9),
    ("slice_new", [("Slice", ["x", "s", "e", "a", "d"], {})], (2, 4, 5),
     {"s": whole(-1, 0), "e": whole(-100, 4), "a": whole(2, 1), "d": whole(-2, 3)}, 13),
    ("slice_all_axes", [("Slice", ["x", "s", "e"], {})], (2, 4, 5),
     {"s": whole(0, 1, 2), "e": whole(np.iinfo(np.int64).max, 3, -1)}, 13),
    ("gather_one", [("Gather", ["x", "i"], {"axis": 1})], (2, 4, 5), {"i": np.array(-1, np.int64)}, 13),
    ("gather_some", [("Gather", ["x", "i"], {"axis": -1})], (2, 4, 5), {"i": whole(4, 0, 0)}, 13),
    *[(f"pad_{mode}", [("Pad", ["x", "p", *more], {"mode": mode})], (2, 3, 4, 5),
       {"p": whole(0, 0, 1, 2, 0, 0, 3, 0), "v": number(0.5)}, 13)
      for mode, more in (("constant", []), ("constant", ["v"]), ("reflect", []), ("edge", []))],
    ("pad_old", [("Pad", ["x"], {"pads": [0, 1, 0, 0, 0, 2], "value": -1.5})], (2, 3, 4), {}, 10),
    ("pad_negative", [("Pad", ["x", "p"], {})], (2, 3, 4), {"p": whole(0, 0, -1, 0, 1, -2)}, 13),
    ("pad_axes", [("Pad", ["x", "p", "", "a"], {})], (2, 3, 4), {"p": whole(2, 1), "a": whole(-1)}, 18),
    ("concat", [("Relu", ["x"], {}), ("Concat", ["x", "t0", "x"], {"axis": -1})], (2, 3, 4), {}, 13),
    ("split_attribute", [("Split", ["x"], {"axis": 1, "split": [1, 3], "outputs": ["p", "q"]}),
                         ("Concat", ["q", "p"], {"axis": 1})], (2, 4, 3), {}, 11),
    ("split_input", [("Split", ["x", "s"], {"axis": -1, "outputs": ["p", "q"]}),
                     ("Concat", ["q", "p"], {"axis": -1})], (2, 4, 3), {"s": whole(2, 1)}, 13),
    ("split_number", [("Split", ["x"], {"axis": 1, "num_outputs": 3, "outputs": ["p", "q", "r"]}),
                      ("Concat", ["r", "p", "q"], {"axis": 1})], (2, 5, 3), {}, 18),
    ("split_equal", [("Split", ["x"], {"axis": 1, "outputs": ["p", "q"]}), ("Sub", ["p", "q"], {})], (2, 4, 3), {}, 13),
    ("expand", [("Expand", ["x", "s"], {})], (2, 3, 1, 1), {"s": whole(1, 3, 4, 5)}, 13),
    ("expand_to_itself", [("Expand", ["x", "s"], {}), ("Relu", ["t0"], {})], (2, 3), {"s": whole(1, 1)}, 13),
    # several signals
    ("add_signals", [("Relu", ["x"], {}), ("Add", ["x", "t0"], {})], (2, 3, 4), {}, 13),
    ("subtract_signals", [("Relu", ["x"], {}), ("Sub", ["t0", "x"], {})], (2, 3, 4), {}, 13),
    ("multiply_itself", [("Mul", ["x", "x"], {})], (2, 3, 4), {}, 13),
    ("sum_signals", [("Relu", ["x"], {}), ("Tanh", ["x"], {}), ("Sum", ["x", "t0", "t1"], {})], (2, 3, 4), {}, 13),
    ("broadcast_signals", [("GlobalAveragePool", ["x"], {}), ("Sigmoid", ["t0"], {}), ("Mul", ["x", "t1"], {})],
     (2, 3, 4, 5), {}, 13),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "shape", "weights", "opset"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_operator_agrees_with_onnxruntime(
    steps: list[Step], shape: tuple[int, ...], weights: dict[str, Any], opset: int, tmp_path: Path
) -> None:
    x = np.random.default_rng(len(steps) + sum(shape)).normal(size=shape).astype(np.float32)
    x.reshape(-1)[1] = 0
    used = {n for _, reads, _ in steps for n in reads}
    given = {n: a for n, a in weights.items() if n in used}
    path = write(tmp_path / "case.onnx", steps, shape=shape, weights=given, opset=opset)
    if any(kind == "Reciprocal" or (kind == "Div" and reads[0] == "c") for kind, reads, _ in steps):
        x = np.abs(x) + 1
    if any(kind == "Log" for kind, _, _ in steps):
        x = x + np.float32(0.01)
    net = agrees(path, x)
    # The same model with a free batch gives the same network, and runs on another batch.
    free = write(tmp_path / "free.onnx", steps, shape=("N", *shape[1:]), weights=given, opset=opset)
    if any(kind in ("Reshape", "Resize") for kind, _, _ in steps) and weights["s"][0] == shape[0]:
        return  # the batch size is a number in the file
    assert [n.layer for n in load(free).nodes] == [n.layer for n in net.nodes]
    agrees(free, np.concatenate([x, x[:1]]))


# a constant with more axes than the signal, and bounds that nothing meets -------------------------------------------


@pytest.mark.parametrize(
    ("kind", "left"),
    [("Add", False), ("Sub", True), ("Mul", False), ("Div", False), ("Div", True), ("Pow", False), ("Max", False)],
)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 4), (1, 1, 1, 1)])
def test_a_constant_with_more_axes_than_the_signal_adds_axes_of_size_one(
    kind: str, left: bool, shape: tuple[int, ...], tmp_path: Path
) -> None:
    if kind in ("Pow", "Max") and shape[-1] > 1:
        pytest.skip("only one number is supported")
    c = np.full(shape, 2, np.float32) if kind == "Pow" else weight(*shape)
    # The sum behind it is over the features, which have moved behind the new axes.
    steps: list[Step] = [(kind, ["c", "x"] if left else ["x", "c"], {}), ("Softmax", ["t0"], {"axis": -1})]
    path = write(tmp_path / "m.onnx", steps, shape=("N", 4), weights={"c": c})
    net = agrees(path, weight(3, 4))
    assert net.output_axes == (len(shape) - 2,)


def test_a_bias_with_more_axes_than_the_layer_is_not_folded_into_it(tmp_path: Path) -> None:
    steps: list[Step] = [("Conv", ["x", "w"], {}), ("Add", ["t0", "c"], {})]
    weights = {"w": weight(3, 2, 2, 2), "c": weight(1, 1, 3, 1, 1)}
    agrees(write(tmp_path / "m.onnx", steps, shape=("N", 2, 4, 4), weights=weights), weight(3, 2, 4, 4))


def test_softmax_over_the_batch_behind_a_constant_with_more_axes_is_refused(tmp_path: Path) -> None:
    steps: list[Step] = [("Mul", ["x", "c"], {}), ("Softmax", ["t0"], {"axis": 1})]
    path = write(tmp_path / "m.onnx", steps, shape=("N", 4), weights={"c": weight(1, 1, 4)})
    with pytest.raises(UnsupportedError, match=r"Softmax 'y' .*the batch"):
        load(path)


@pytest.mark.parametrize(
    ("kind", "bounds"), [("Clip", ["low"]), ("Clip", ["", "high"]), ("Max", ["low"]), ("Min", ["high"])]
)
@pytest.mark.parametrize("within", [True, False])
def test_an_infinite_bound_is_left_out_only_where_every_number_is_within_it(
    kind: str, bounds: list[str], within: bool, tmp_path: Path
) -> None:
    infinity = np.float32(np.inf if within else -np.inf)
    weights = {"low": number(-infinity), "high": number(infinity)}
    path = write(tmp_path / "m.onnx", [(kind, ["x", *bounds], {})], shape=("N", 4), weights=weights)
    if within:
        agrees(path, weight(3, 4))
    else:
        with pytest.raises(UnsupportedError, match=f"{kind} 'y' .*inf as its (lower|upper) bound"):
            load(path)


# What an operator says of its axes ----------------------------------------------------------------------------------

# Activations whose axes could be followed to an input, and are not.
NOT_FOLLOWED = {"Max", "Min", "Mish", "Reciprocal"}
FIXED = "resize_sizes"  # the batch is a number in the file
ALONE = [case for case in CASES if len(case[1]) == 1 and case[1][0][1][0] == "x" and case[0] != FIXED]


def test_every_operator_says_what_it_does_with_the_axes_of_its_input() -> None:
    assert AXES.keys() == HANDLERS.keys()
    with pytest.raises(TypeError, match="axes"):
        operator("New")


@pytest.mark.parametrize("case", ALONE, ids=[c[0] for c in ALONE])
def test_what_an_operator_says_of_its_axes_holds(case: Any, tmp_path: Path) -> None:
    """The output has as many axes, and the batch, be it 2 or 3, at the same place and nowhere else."""
    _, steps, shape, weights, opset = case
    used = {n: a for n, a in weights.items() if n in steps[0][1]}
    kind, made = steps[0][0], []
    if AXES[kind] is not Axes.OTHER:
        for n in (2, 3):
            path = write(tmp_path / "case.onnx", steps, shape=(n, *shape[1:]), weights=used, opset=opset)
            net = load(path)
            made.append(net.forward(np.ones((n, *shape[1:]), np.float32)))
            assert made[-1].ndim == len(shape)
            assert made[-1].shape[0] == n
        assert made[0].shape[1:] == made[1].shape[1:]
    else:
        path = write(tmp_path / "case.onnx", steps, shape=shape, weights=used, opset=opset)
        if all(isinstance(node.layer, Elementwise) for node in load(path).nodes):
            assert kind in NOT_FOLLOWED
