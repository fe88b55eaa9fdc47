"""AttnLRP and CP-LRP on an exported encoder block, against what lxt 2.1 computed on the same weights (golden/)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lrp_ref as lrp

pytest.importorskip("onnx")
GOLDEN = Path(__file__).parent / "golden"
NODES = {"input": "x", "v": "v", "probs": "Softmax", "scores": "Div"}  # lxt's places by our names


@pytest.mark.parametrize("block", ["post_gelu_mean", "pre_gelu_causal"])
@pytest.mark.parametrize("start", ["target", "several"])
@pytest.mark.parametrize(("composite", "places"), [("attnlrp", tuple(NODES)), ("cp_lrp", ("input", "v"))])
def test_a_composite_is_what_lxt_computes(block: str, start: str, composite: str, places: tuple[str, ...]) -> None:
    net, golden = lrp.load(GOLDEN / f"lxt_{block}.onnx"), np.load(GOLDEN / f"lxt_{block}.npz")
    np.testing.assert_allclose(net.forward(golden["x"]), golden["logits"], rtol=0, atol=1e-12)
    begin = golden[f"start_{start}"]
    e = lrp.explain(net, golden["x"], start=begin, composite=composite, epsilon=0.0, trace=True)
    for place in places:
        wanted = golden[f"{composite}/{start}/{place}"]
        off = np.abs(e.trace.relevance[NODES[place]] - wanted).max() / np.abs(wanted).max()
        assert off <= 1e-11, (place, off)
    assert e.ledger.residual <= 1e-10


@pytest.mark.parametrize("block", ["post_gelu_mean", "pre_gelu_causal"])
def test_the_two_are_not_the_same(block: str) -> None:
    """So that neither test above could hold for the other composite."""
    golden = np.load(GOLDEN / f"lxt_{block}.npz")
    ours, other = golden["attnlrp/target/input"], golden["cp_lrp/target/input"]
    assert np.abs(ours - other).max() > 0.1 * np.abs(ours).max()
