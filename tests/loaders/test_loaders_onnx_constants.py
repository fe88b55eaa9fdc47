"""Inputs that are the same for every sample: the caller says their value, and they are no inputs of the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphs
import pytest
from onnx_graphs import run_ort, weight, write

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, UnsupportedError

INT, FLOAT = onnx_graphs.onnx.TensorProto.INT64, onnx_graphs.onnx.TensorProto.FLOAT


def rated(path: Path) -> Path:
    """Write a network whose input is multiplied with a sampling rate."""
    return write(
        path,
        [
            ("Cast", ["rate"], {"to": FLOAT}),
            ("Div", ["t0", "unit"], {}),
            ("Mul", ["x", "t1"], {}),
            ("Relu", ["t2"], {}),
        ],
        shape=("N", 3),
        weights={"unit": np.array(8000, np.float32)},
        inputs={"rate": (INT, ())},
    )


@pytest.mark.parametrize("rate", [16000, 8000])
def test_an_input_of_one_value_is_a_constant(rate: int, tmp_path: Path) -> None:
    path, x = rated(tmp_path / "rate.onnx"), weight(2, 3)
    net = lrp.load(path, constants={"rate": rate})
    assert [i.name for i in net.inputs] == ["x"]
    (theirs,) = run_ort(path, {"x": x, "rate": np.array(rate)})
    np.testing.assert_allclose(net.forward(x), theirs, rtol=1e-6)
    (found,) = lrp.loaders.check_against_onnxruntime(path, x, constants={"rate": rate})
    assert found.relative < 1e-6


def test_without_its_value_the_error_says_how_to_give_it(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"load\(\.\.\., constants=\{'rate': value\}\)"):
        lrp.load(rated(tmp_path / "rate.onnx"))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"speed": 1}, "speed"),
        ({"rate": 0.5}, "is int64, which 0.5 is not"),
        ({"rate": [1, 2]}, r"has shape \(\), the"),
    ],
)
def test_values_that_do_not_fit_are_refused(given: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=reason):
        lrp.load(rated(tmp_path / "rate.onnx"), constants=given)
