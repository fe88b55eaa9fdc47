"""Compiled explanations of the shipped networks equal the float64 core's, for every composite, start and dialect.

The graph itself is compared in float64, where nothing but a wrong graph makes a difference; in float32 the deviation is
held against that of the float32 core. ``python tests/support/compiled_networks.py`` does the latter for all networks.
"""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from compiled_cells import Case, conditioned, measure, recorded
from compiled_networks import MODELS, drawn, given, ways

import lrp_ref as lrp
from lrp_ref.export import functions

SMALL = ("digits8_cnn.npz", "iris_mlp.npz")
OTHERS = (
    "digits8_mlp.npz", "digits_cnn.onnx", "fashion_cnn.onnx", "fashion_dense.onnx", "minilm_sentiment_head.npz",
    "sequence_lstm.onnx",
)  # fmt: skip
CONVOLUTIONAL = ("digits_cnn.onnx", "fashion_cnn.onnx")
CASES = [(name, composite) for name in OTHERS for composite in ("epsilon", "epsilon_gamma_box")]
CASES += [(name, composite) for name in CONVOLUTIONAL for composite in ("epsilon_plus_flat", "epsilon_alpha2_beta1")]
WAYS = [pytest.param(c, how, id=" ".join([c, *map(str, how.values())])) for c, how in ways()]
EXACT = 1e-11  # of the largest relevance, in float64


def case(name: str, count: int = 10) -> Case:
    return drawn(name.partition(".")[0], lrp.load(MODELS / name), count)


def holds(one: Case, composite: str, classes: int, **how: Any) -> str:
    """Return what does not hold of a compiled explanation, or ""."""
    how = {**given(one.net, composite), **how}
    cell = measure(one, composite, classes=classes, **how)
    if not cell.wrong():
        return ""
    return cell.wrong(float(conditioned(one, composite, classes=classes, **how).max()))


@pytest.mark.parametrize("composite", lrp.composites.names())
@pytest.mark.parametrize("name", SMALL)
def test_small_networks_and_every_composite(name: str, composite: str) -> None:
    one = case(name, 20)
    assert not holds(one, composite, 10)
    assert recorded(one, composite, **given(one.net, composite)) <= EXACT


@pytest.mark.parametrize(("name", "composite"), CASES)
def test_the_other_networks(name: str, composite: str) -> None:
    one = case(name, 3)
    assert not holds(one, composite, 2)
    assert recorded(one, composite, few=1, **given(one.net, composite)) <= EXACT


@pytest.mark.parametrize(("composite", "how"), WAYS)
def test_starts_bias_policies_and_dialects(composite: str, how: dict[str, Any]) -> None:
    one = case("digits8_cnn.npz")
    how = {**given(one.net, composite), **how}
    assert recorded(one, composite, target=2, **how) <= EXACT


def test_a_wrong_graph_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    true = functions.FUNCTIONS["multiply"]

    def slightly(graph: Any, a: Any, b: Any) -> Any:
        return true(graph, true(graph, a, b), 1 + 1e-5)

    monkeypatch.setitem(functions.FUNCTIONS, "multiply", slightly)
    one = case("digits8_cnn.npz")
    assert holds(one, "epsilon", 2)
    assert recorded(one, "epsilon") > EXACT
