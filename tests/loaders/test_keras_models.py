"""Models that Keras itself writes here, in both formats: its answers are reproduced. Needs Keras, with a backend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_models import CASES, randomised, samples

import lrp_ref as lrp
from lrp_ref.layers import Embedding

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # Keras's own
keras = pytest.importorskip("keras", reason="writes models with Keras: pip install keras tensorflow-cpu")


def answers(model: Any, arrays: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    single = arrays[0] if len(arrays) == 1 else arrays
    found = model({"a": single} if model.name == "by_name" else single, training=False)
    found = list(found.values()) if isinstance(found, dict) else found
    return [np.asarray(y) for y in (found if isinstance(found, list | tuple) else [found])]


def close(ours: Any, theirs: np.ndarray[Any, Any]) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6 * max(1.0, float(np.abs(theirs).max(initial=0))))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("case", CASES)
def test_the_answers_of_keras_are_reproduced(case: str, suffix: str, tmp_path: Path) -> None:
    if (case, suffix) == ("functions", ".h5"):
        pytest.skip("Keras 3 writes functions into .h5 files so that it cannot read them itself")
    keras.utils.set_random_seed(3)
    model = randomised(CASES[case](keras))
    model.save(path := tmp_path / f"model{suffix}")
    net = lrp.load(path)
    assert len(net.inputs) == len(model.inputs)
    for n in (3, 1):
        arrays = samples(model, n)
        ours = net.forward(dict(zip((i.name for i in net.inputs), arrays, strict=True)))
        theirs = answers(model, arrays)
        ours = list(ours.values()) if isinstance(ours, dict) else [ours]
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            close(a, b)
    if len(net.outputs) == 1 and not any(isinstance(node.layer, Embedding) for node in net.nodes):
        empty = net.forward({i.name: x[:0] for i, x in zip(net.inputs, samples(model), strict=True)})
        assert empty.shape == (0, *theirs[0].shape[1:])
