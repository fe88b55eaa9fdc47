"""Small networks, and what makes a compiled explanation the core's: for the tests of its interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as runtime
from samples import Draw

import lrp_ref as lrp
from lrp_ref import layers as L  # noqa: N812
from lrp_ref.network import Input, Network, Node

EQUAL = 2e-6  # of the largest number


def D(*shape: int) -> Any:  # noqa: N802
    """Return the same numbers for a shape whatever was drawn before, in whichever order and process tests run."""
    return Draw(f"interface {shape}", "normal")(*shape)


X = D(5, 4)


def mlp(name: str = "input", *more: Node, outputs: int = 3, **how: Any) -> Network:
    draw = Draw("mlp", "normal")
    nodes = (
        Node("a", L.Dense(draw(4, 5), draw(5)), (name,)), Node("r", L.ReLU(), ("a",)),
        Node("b", L.Dense(draw(5, outputs), draw(outputs)), ("r",)), *more,
    )  # fmt: skip
    return Network(nodes, (Input(name, (None, 4), **how),), (nodes[-1].name,))


def conv() -> Network:
    draw = Draw("conv", "normal")
    return Network.sequential([
        L.Conv(draw(4, 2, 3, 3), draw(4), padding=1), L.ReLU(), L.MaxPool(2), L.Flatten(),
        L.Dense(draw(64, 3), draw(3)),
    ])  # fmt: skip


def deep() -> Network:
    draw = Draw("deep", "normal")
    return Network.sequential([
        L.Conv(draw(4, 2, 3, 3), draw(4)), L.ReLU(), L.Conv(draw(3, 4, 3, 3), draw(3)), L.ReLU(), L.Flatten(),
        L.Dense(draw(48, 3), draw(3)),
    ])  # fmt: skip


IMAGES = Draw("images", "normal")(5, 2, 8, 8)
SIZES = {"shapes": (2, 8, 8)}


def close(found: Any, wanted: Any, size: float = 0.0) -> None:
    """Assert that numbers are equal to rounding, measured by the largest of them, or by ``size`` where it is larger."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    size = max(float(np.abs(wanted).max(initial=0)), size) or 1.0
    assert float(np.abs(found - wanted).max(initial=0)) <= EQUAL * size


def planned(e: lrp.Explanation) -> list[Any]:
    return [e.plan.note, *((p.node, p.layer, p.rule, p.why) for p in e.plan)]


def same(e: lrp.Explanation, wanted: lrp.Explanation) -> None:
    """Assert that a compiled explanation is what the core returns, in every part."""
    assert e.maps().keys() == wanted.maps().keys()
    for name, part in wanted.maps().items():
        close(e.maps()[name], part)
    close(e.output, wanted.output)
    # What starts is one of the outputs, and rounded as they are: by the terms that they all are sums of.
    close(e.start_relevance, wanted.start_relevance, float(np.abs(wanted.output).max(initial=0)))
    assert (e.probability is None) == (wanted.probability is None)
    if e.probability is not None:
        close(e.probability, wanted.probability)
    assert np.asarray(e.target).tolist() == np.asarray(wanted.target).tolist()
    for key in ("start", "composite", "bias", "head", "output_axis", "relevance_axes"):
        assert getattr(e, key) == getattr(wanted, key)
    assert planned(e) == planned(wanted)
    assert [(r.node, r.rule) for r in e.ledger] == [(r.node, r.rule) for r in wanted.ledger]
    size = max(float(np.abs(r.relevance_out).max(initial=0)) for r in wanted.ledger) or 1.0
    for a, b in zip(e.ledger, wanted.ledger, strict=True):
        for column in ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped", "residual"):
            assert getattr(a, column).shape == getattr(b, column).shape
            assert np.abs(getattr(a, column) - getattr(b, column)).max(initial=0) <= 1e-5 * size


def agrees(net: Network, x: Any, target: Any = None, composite: Any = "epsilon", **how: Any) -> None:
    """Assert that a compiled explanation is the core's, with and without its check."""
    compiled = lrp.compile(net, composite, ledger=True, **how)
    how.pop("shapes", None)
    same(compiled(x, target=target), lrp.explain(net, x, target=target, composite=composite, **how))


def run(path: Path, feeds: dict[str, Any]) -> dict[str, Any]:
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def single(x: Any) -> Any:
    return np.asarray(x, dtype=np.float32)
