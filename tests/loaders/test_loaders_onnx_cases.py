"""The cases that the onnx package ships for every operator, with inputs and outputs of its own.

Every case of an operator that the loader knows either agrees, or is refused for the reason listed here.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import onnx as loader

onnx = pytest.importorskip("onnx")
case_module = pytest.importorskip("onnx.backend.test.case.node")

LEFT_OUT_OPERATORS = {"And", "Cast", "CastLike", "Equal", "If", "Not", "Or", "Shape", "Size", "Upsample", "Xor"}
# Operators on integers and on sequences, of which inputs or outputs are no floats, are compared in files of their own.
ELSEWHERE = re.compile(
    r"com\.microsoft\..*|.*QuantizeLinear|DequantizeLinear|QLinear.*|.*Integer|(Sequence|SplitTo|ConcatFrom).*"
)
OPERATORS = [k for k in loader.operators() if k not in LEFT_OUT_OPERATORS and not ELSEWHERE.fullmatch(k)]
# Cast: mostly half and quarter precision, and single numbers without a batch; Shape, Size: integers without a network.
TYPES = re.compile(r"int8|int16|uint32|uint64|float16|int32|int64|_bool")
SIGNALS = {
    "Add", "Concat", "Div", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mul", "Pow",
    "Sub", "Sum", "Where",
}  # fmt: skip

# Cases that are refused: a pattern for their names, and a part of the reason.
REFUSED = [
    # The batch is axis 0; what moves, mixes or reduces it is not a network over samples.
    (r"(concat|split|softmax|logsoftmax|slice|gather|squeeze)(_.*)?", "is the batch"),
    (r"reshape_allowzero_reordered", "the batch size is fixed"),
    (r"tri[lu].*", "integer input|samples would be mixed|free size"),
    (r"scatter(nd|_elements)_.*", "reduction"),
    # Training.
    (r"batchnorm_.*_training_mode|training_dropout.*|dropout_default_mask.*", "inference|training|mask"),
    # Not implemented.
    (r"pow.*", "a power of two signals|a single number, without a batch"),
    (r"gather_2d_indices", "indices with 2 axes"),
    (r"resize_.*_align_corners", "whole number"),
    (r"(greater|less).*", "holds truth values"),
    (r"clip_min_greater_than_max", "is above high"),
    (r"identity_(sequence|opt)", "no declared shape"),
    (r"reduce_sum_square_.*_expanded", "'axes' is computed from the input"),  # made of Mul, whose inputs are signals
]
# Cases that are left out, with the reason.
LEFT_OUT = {
    **{
        f"test_reduce_{kind}": "its result is infinite, which a network refuses to return"
        for kind in ("log_sum_empty_set", "log_sum_empty_set_expanded", "log_sum_exp_empty_set", "max_empty_set",
                     "min_empty_set")
    },
    "test_edge_pad": "pads integers",
    "test_wrap_pad": "pads integers",
    "test_reflect_pad": "pads integers",
}  # fmt: skip
ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-4}  # its outputs have four digits


@functools.cache
def cases() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own case generators divide by zero on purpose
        found: list[Any] = case_module.collect_testcases(None)
    return [c for c in found if not TYPES.search(c.name) and c.name not in LEFT_OUT]


def of_operator(kind: str) -> Iterator[Any]:
    for case in cases():
        kinds = {node.op_type for node in case.model.graph.node}
        if kind in kinds and kinds <= set(OPERATORS) and not case.model.graph.sparse_initializer:
            yield case


def written(case: Any, path: Path) -> list[Any]:
    """Write the case's model; what is not a signal becomes an initialiser. Return the inputs that are left."""
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    arrays = list(case.data_sets[0][0])
    if not {node.op_type for node in model.graph.node} & SIGNALS:
        for spec, array in list(zip(model.graph.input, arrays, strict=True))[1:]:
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), spec.name))
        del model.graph.input[1:]
    path.write_bytes(model.SerializeToString())
    return arrays


def run(case: Any, path: Path) -> None:
    arrays = written(case, path)
    conversion = loader.convert(path)
    given = dict(zip((v.name for v in case.model.graph.input), arrays, strict=True))
    fed = {name: given[tensor] for name, tensor in conversion.inputs.items()}
    got = conversion.network.forward(fed)
    got = got if isinstance(got, dict) else {conversion.network.outputs[0]: got}
    outputs = dict(zip((v.name for v in case.model.graph.output), case.data_sets[0][1], strict=True))
    tolerance = ROUNDED.get(case.name, 1e-5)
    for name, value in conversion.outputs:
        ours, theirs = got[value], outputs[name]
        assert ours.shape == theirs.shape, case.name
        size = max(1.0, float(np.abs(theirs).max(initial=0)))
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * size, err_msg=case.name)


@pytest.mark.parametrize("kind", OPERATORS)
def test_the_cases_of_an_operator(kind: str, tmp_path: Path) -> None:
    agreed = []
    for case in of_operator(kind):
        name = case.name.removeprefix("test_")
        reasons = [reason for pattern, reason in REFUSED if re.fullmatch(pattern, name)]
        try:
            run(case, tmp_path / "case.onnx")
        except UnsupportedError as error:
            assert any(re.search(reason, str(error)) for reason in reasons), f"{case.name}: {error}"  # noqa: PT017
        else:
            agreed.append(case.name)
    assert agreed or kind in NONE_AGREES, f"no case of {kind} was compared"


# No case of these is batch first and of the supported kind; other tests of ONNX files compare them with onnxruntime.
NONE_AGREES = {
    "ai.onnx.ml.LinearRegressor", "ai.onnx.ml.Scaler", "GatherND", "Greater", "GreaterOrEqual", "LessOrEqual",
    "Pow", "SimplifiedLayerNormalization",
    *(kind for kind in OPERATORS if kind.startswith("com.microsoft.")),
}  # fmt: skip


def test_no_refusal_is_listed_that_does_not_happen(tmp_path: Path) -> None:
    happened = set()
    for case in {c.name: c for kind in OPERATORS for c in of_operator(kind)}.values():
        try:
            written(case, tmp_path / "case.onnx")
            loader.convert(tmp_path / "case.onnx")
        except UnsupportedError as error:
            name = case.name.removeprefix("test_")
            happened |= {p for p, reason in REFUSED if re.fullmatch(p, name) and re.search(reason, str(error))}
    assert happened == {pattern for pattern, _ in REFUSED}
