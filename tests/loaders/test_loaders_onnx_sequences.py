"""Sequences of tensors whose length the file fixes, compared with onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_graphs import Step, agrees, weight, whole, write

from lrp_ref.errors import UnsupportedError
from lrp_ref.loaders import load

ONE = {"i": np.array(1, np.int64), "l": np.array(-1, np.int64)}
CASES: dict[str, tuple[list[Step], dict[str, Any]]] = {
    "one value each": (
        [
            ("SplitToSequence", ["x"], {"axis": 1, "keepdims": 0}),
            ("SequenceAt", ["t0", "i"], {}),
            ("SequenceAt", ["t0", "l"], {}),
            ("Sub", ["t1", "t2"], {}),
        ],
        ONE,
    ),
    "one value each, with their axis": (
        [("SplitToSequence", ["x"], {"axis": 1}), ("SequenceAt", ["t0", "i"], {}), ("Add", ["t1", "x"], {})],
        ONE,
    ),
    "parts of a size": (
        [("SplitToSequence", ["x", "i"], {"axis": -1}), ("ConcatFromSequence", ["t0"], {"axis": 1})],
        {"i": np.array(2, np.int64)},
    ),
    "parts of sizes": (
        [("SplitToSequence", ["x", "s"], {"axis": 2}), ("SequenceAt", ["t0", "l"], {})],
        {"s": whole(1, 3), **ONE},
    ),
    "side by side and along a new axis": (
        [
            ("Relu", ["x"], {}),
            ("SequenceConstruct", ["x", "t0"], {}),
            ("SequenceInsert", ["t1", "t0", "i"], {}),
            ("SequenceErase", ["t2", "l"], {}),
            ("ConcatFromSequence", ["t3"], {"axis": 1, "new_axis": 1}),
        ],
        ONE,
    ),
    "its length": (
        [
            ("SplitToSequence", ["x"], {"axis": 1}),
            ("SequenceLength", ["t0"], {}),
            ("Cast", ["t1"], {"to": 1}),
            ("Mul", ["x", "t2"], {}),
        ],
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_sequence_is_taken_apart(name: str, tmp_path: Path) -> None:
    steps, weights = CASES[name]
    used = {n: a for n, a in weights.items() if any(n in reads for _, reads, _ in steps)}
    agrees(write(tmp_path / "m.onnx", steps, shape=("N", 3, 4), weights=used), weight(2, 3, 4))


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([("SplitToSequence", ["x"], {"axis": 1})], "output 'y' holds a sequence of 3 tensors"),
        ([("SplitToSequence", ["x"], {"axis": 0})], "is the batch"),
        ([("SplitToSequence", ["x"], {"axis": 1}), ("SequenceAt", ["t0", "n"], {})], "position 7 of a sequence of 3"),
    ],
)
def test_a_sequence_that_is_refused(steps: list[Step], reason: str, tmp_path: Path) -> None:
    weights = {"n": np.array(7, np.int64)} if len(steps) > 1 else {}
    with pytest.raises(UnsupportedError, match=reason):
        load(write(tmp_path / "m.onnx", steps, shape=("N", 3, 4), weights=weights))
