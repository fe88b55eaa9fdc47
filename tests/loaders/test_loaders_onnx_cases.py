"""The cases that the onnx package ships for every operator, with inputs and outputs of its own.

Of each case all inputs but the first of floats are frozen: what is left is a network of one input. It agrees with the
outputs that onnx gives, or is refused for a reason that is listed here; nothing is wrong, and nothing else is raised.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import LrpError
from lrp_ref.loaders import onnx as loader

onnx = pytest.importorskip("onnx")
case_module = pytest.importorskip("onnx.backend.test.case.node")

# Operators that have cases and no layer.
UNSUPPORTED = (
    "BitCast", "CumProd", "DFT", "DeformConv", "GridSample", "Mod", "NegativeLogLikelihoodLoss", "OptionalGetElement",
    "OptionalHasElement", "STFT", "SoftmaxCrossEntropyLoss", "TensorScatter", "ai.onnx.preview.FlexAttention",
)  # fmt: skip
# Why cases are refused: patterns for the reason, each of which happens. Whatever is not listed here has to agree.
REASONS = {
    "labels and choices": ("a label, which small changes", "where its values come from depends", "holds truth values"),
    "loops": ("a loop over a sequence of states", "a loop: how often it runs is not known"),
    "random numbers": ("numbers are random",),
    "no input": ("does not depend on the input",),
    "training": ("only inference",),
    "not finite": ("values are finite", "values that are not finite", "no value to take", "nothing to add up"),
    "samples are mixed or told apart": ("is the batch", "differs between the samples", "the batch size is fixed"),
    "reductions of scattered values": ("reduction (add|mul|max|min)",),
    "a scale that is no constant": ("is computed from the input where a constant is expected", "a scale that depends"),
    "quantised by several numbers": ("for an activation; one for all of it",),
    "a definition that runtimes do not share": ("not a whole number",),
    "older than onnx converts": (r"opset \d+ is outside",),
    "what onnx cannot take apart": ("cannot be read as what it consists of",),
    "no relevance": ("a determinant has no relevance rule",),
    "sequences": ("holds a sequence of",),
    "not as the checker wants it": ("not a valid ONNX model",),
    **{kind: (rf"\b{re.escape(kind)}\b.*\(operator not supported\)",) for kind in UNSUPPORTED},
}
PATTERNS = [pattern for patterns in REASONS.values() for pattern in patterns]
# These compare with rounded outputs: four digits in the case, and none of its inputs.
ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-4}
FEWEST = 0.65  # of the cases that can be frozen have to agree


@dataclass(frozen=True)
class Result:
    """What became of one case: "right", "wrong", or "refused" with the reason."""

    name: str
    kinds: frozenset[str]
    verdict: str
    reason: str = ""


def frozen(case: Any, path: Path) -> Any:
    """Write a case with all inputs but the first of floats as constants, and return that input; None without any."""
    arrays = list(case.data_sets[0][0])
    model = onnx.ModelProto.FromString(case.model.SerializeToString())
    if any(not isinstance(a, np.ndarray) for a in arrays):
        return None
    floats = [k for k, a in enumerate(arrays) if a.dtype in (np.float32, np.float64)]
    if not floats or any(a.dtype.kind not in "fiub" for a in arrays):
        return None
    first = onnx.ValueInfoProto()
    first.CopyFrom(model.graph.input[floats[0]])
    for k, array in enumerate(arrays):
        if k != floats[0]:
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, model.graph.input[k].name))
    del model.graph.input[:]
    model.graph.input.append(first)
    path.write_bytes(model.SerializeToString())
    return arrays[floats[0]]


def judged(case: Any, path: Path) -> Result | None:
    kinds = frozenset(node.op_type for node in case.model.graph.node)
    x = frozen(case, path)
    if x is None:
        return None
    try:
        conversion = loader.convert(path)
        got = conversion.network.forward(x)
    except LrpError as error:
        return Result(case.name, kinds, "refused", str(error))
    got = got if isinstance(got, dict) else {conversion.network.outputs[0]: got}
    outputs = dict(zip((v.name for v in case.model.graph.output), case.data_sets[0][1], strict=True))
    tolerance = ROUNDED.get(case.name, 2e-5)
    for name, value in conversion.outputs:
        ours, theirs = np.asarray(got[value], dtype=float), np.asarray(outputs[name], dtype=float)
        size = max(1.0, float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0)))
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance * size):
            return Result(case.name, kinds, "wrong")
    return Result(case.name, kinds, "right")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    path = tmp_path_factory.mktemp("cases") / "case.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own case generators divide by zero on purpose
        cases = case_module.collect_testcases(None)
        found: Iterator[Result | None] = (judged(case, path) for case in cases)
        return [result for result in found if result is not None]


def test_nothing_is_wrong(results: list[Result]) -> None:
    assert [r.name for r in results if r.verdict == "wrong"] == []


def test_most_cases_agree(results: list[Result]) -> None:
    verdicts = Counter(r.verdict for r in results)
    assert verdicts["right"] >= FEWEST * len(results), verdicts
    plain = Counter(r.verdict for r in results if "_expanded" not in r.name)
    assert plain["right"] >= 450, plain


def test_what_is_refused_is_refused_for_a_listed_reason(results: list[Result]) -> None:
    unlisted = [
        f"{r.name}: {r.reason}"
        for r in results
        if r.verdict == "refused" and not any(re.search(pattern, r.reason) for pattern in PATTERNS)
    ]
    assert unlisted == []


def test_no_reason_is_listed_that_does_not_happen(results: list[Result]) -> None:
    reasons = [r.reason for r in results if r.verdict == "refused"]
    assert [pattern for pattern in PATTERNS if not any(re.search(pattern, r) for r in reasons)] == []


def test_every_operator_with_cases_agrees_in_one(results: list[Result]) -> None:
    """Where none does, other tests compare the operator with onnxruntime."""
    tried = set().union(*(r.kinds for r in results if len(r.kinds) == 1)) & set(loader.operators())
    right = set().union(*(r.kinds for r in results if r.verdict == "right" and len(r.kinds) == 1))
    assert tried - right <= ELSEWHERE


ELSEWHERE = {
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN",
    "Less", "LessOrEqual", "MatMulInteger", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "Shape", "Size",
    "SplitToSequence",
}  # fmt: skip
