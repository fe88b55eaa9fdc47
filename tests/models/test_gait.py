"""Two linear classifiers of human gait: the relevances that the LRP toolbox computed for 105 test recordings.

The data set is not part of the project; without it these tests are skipped.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp

GOLDEN = Path(__file__).parents[3] / "shared" / "data" / "gait_golden.npz"
MODELS = ("MlpLinear", "SvmLinearL2C1em1")

pytestmark = pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is absent: the gait data is not distributed")


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    with np.load(GOLDEN) as stored:
        return dict(stored)


def recordings(golden: dict[str, Any], split: str) -> np.ndarray:
    """Return the recordings (N, 606) of a split, flattened time-major."""
    return golden["X"].reshape(len(golden["X"]), -1)[golden[split]]


def network(golden: dict[str, Any], model: str) -> lrp.Network:
    return lrp.Network.sequential([lrp.layers.Dense(golden[f"{model}_W"], golden[f"{model}_b"])])


def targets(golden: dict[str, Any], model: str, start: str) -> np.ndarray:
    """Return the class that is explained: the recorded subject's ("act") or the predicted one ("dom")."""
    return golden["Y"][golden["split0"]].argmax(axis=1) if start == "act" else golden[f"{model}_y_pred"].argmax(axis=1)


def rule(golden: dict[str, Any], name: str) -> lrp.Rule:
    if name == "epsilon":
        return lrp.rules.Epsilon(1e-5)
    train = recordings(golden, "split_train")
    return lrp.rules.ZBox(train.min(axis=0), train.max(axis=0))


@pytest.mark.parametrize("model", MODELS)
def test_outputs(golden: dict[str, Any], model: str) -> None:
    found = network(golden, model).forward(recordings(golden, "split0"))
    assert np.abs(found - golden[f"{model}_y_pred"]).max() <= 1e-12


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("start", ["act", "dom"])
@pytest.mark.parametrize("name", ["epsilon", "epsilon_zb"])
def test_relevances_are_the_toolbox_s(golden: dict[str, Any], model: str, start: str, name: str) -> None:
    expected = golden[f"{model}_R_pred_{start}_{name}"].reshape(105, 606)
    explained = lrp.explain(
        network(golden, model),
        recordings(golden, "split0"),
        target=targets(golden, model, start),
        composite=rule(golden, name),
    )
    assert explained.relevance.dtype == np.float64
    assert np.abs(expected).max() > 0.01  # what 1e-12 is compared with
    assert np.abs(explained.relevance - expected).max() <= 1e-12
    assert explained.ledger.residual <= 1e-12


@pytest.mark.parametrize("model", MODELS)
def test_epsilon_against_exactly_rounded_sums(golden: dict[str, Any], model: str) -> None:
    """The literal formula with ``math.fsum``: no choice of summation order takes part in it."""
    x, weight, bias = recordings(golden, "split0"), golden[f"{model}_W"], golden[f"{model}_b"]
    target = targets(golden, model, "dom")
    found = lrp.explain(network(golden, model), x, target=target, composite=lrp.rules.Epsilon(1e-5)).relevance
    for sample, j, relevance in zip(x, target, found, strict=True):
        terms = sample * weight[:, j]
        z = math.fsum([*terms, bias[j]])
        expected = terms / (z + math.copysign(1e-5, z)) * z
        assert np.abs(relevance - expected).max() <= 1e-12 * np.abs(expected).max()


def test_the_bounds_are_those_of_the_training_split(golden: dict[str, Any]) -> None:
    """z^B with the bounds of the test recordings themselves is visibly another rule: the comparison can fail."""
    x = recordings(golden, "split0")
    explained = lrp.explain(
        network(golden, "MlpLinear"),
        x,
        target=targets(golden, "MlpLinear", "dom"),
        composite=lrp.rules.ZBox(x.min(axis=0), x.max(axis=0)),
    )
    assert np.abs(explained.relevance - golden["MlpLinear_R_pred_dom_epsilon_zb"].reshape(105, 606)).max() > 1e-4
