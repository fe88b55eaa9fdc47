"""docs/operators.md is what onnx's cases show of the loader: ``python tests/support/operators_page.py`` writes it."""

from __future__ import annotations

import re

import pytest

onnx = pytest.importorskip("onnx")

from operators_page import PAGE, page, rule  # noqa: E402  it imports onnx

from lrp_ref import layers  # noqa: E402
from lrp_ref.loaders.onnx import operators  # noqa: E402


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text(encoding="utf-8")
    (version,) = re.findall(r"how many of onnx ([\d.]+)'s own cases", text)
    if version != onnx.__version__:
        pytest.skip(f"the page counts the cases of onnx {version}, and this is {onnx.__version__}")
    assert text == page(), "run: python tests/support/operators_page.py"


def test_every_operator_has_a_row() -> None:
    rows = [line.split(" | ")[0][2:] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert rows[2:] == sorted(operators(), key=str.lower)


def test_rules_are_told_by_their_layers() -> None:
    found = [rule(kind) for kind in (layers.Conv, layers.Mean, layers.ReLU, layers.Reshape)]
    assert found == [
        "linear", "LRP-0: in proportion to the inputs", "R_i = R_j", "relevance goes where the value came from",
    ]  # fmt: skip
