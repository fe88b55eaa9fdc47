"""docs/export/pytorch.md: its blocks run, its descriptions are read, its table is the code's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from snippets import ROOT, Block, arrows, blocks, matches, paste

from lrp_ref.layers import Conv, Dense, Mean, Transpose
from lrp_ref.loaders.described import load
from lrp_ref.loaders.described.description import parse
from lrp_ref.loaders.described.pages import table

PAGE = ROOT / "docs" / "export" / "pytorch.md"
DESCRIPTIONS = [json.loads(block.code) for block in blocks(PAGE) if block.kind == "json"]


@pytest.mark.parametrize("block", [b for b in blocks(PAGE) if b.kind == "python"], ids=str)
def test_a_block_runs_and_prints_what_is_shown(block: Block, tmp_path: Path) -> None:
    for package in ("torch", "onnx", "onnxscript", "safetensors"):
        pytest.importorskip(package)
    status, printed, said = paste(block, tmp_path)
    assert status == 0, said
    expected = block.printed or "\n".join(["…", *arrows(block.code)])
    assert not expected.strip("… \n") or matches(printed, expected), printed


def test_the_table_of_kinds_is_the_code_s() -> None:
    """``python -m lrp_ref.loaders.described.pages`` writes it."""
    assert f"<!-- kinds -->\n\n{table()}\n\n<!-- end of kinds -->" in PAGE.read_text()


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=len)
def test_a_description_is_one(description: dict[str, object]) -> None:
    assert parse(description, "page").entries


def test_the_weights_of_another_program_fit_as_the_page_says() -> None:
    rng = np.random.default_rng(0)
    sizes = {"conv/kernel": (3, 3, 2, 4), "conv/bias": (4,), "dense/kernel": (4, 5), "dense/bias": (5,)}
    arrays = {name: rng.normal(size=shape) for name, shape in sizes.items()}
    net = load(Path("w.h5"), arrays, architecture=DESCRIPTIONS[-1])
    assert [node.layer for node in net.nodes] == [
        Transpose((0, 3, 1, 2)),
        Conv(arrays["conv/kernel"].transpose(3, 2, 0, 1), arrays["conv/bias"]),
        Mean((2, 3), keepdims=False),
        Dense(arrays["dense/kernel"], arrays["dense/bias"]),
    ]
