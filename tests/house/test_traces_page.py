"""docs/traces.md: what its programs write is right; that its blocks run is shown with those of the other pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest
from snippets import blocks

from lrp_ref.cli import main
from lrp_ref.propagation.trace import Trace

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "traces.md"
BLOCKS = [block.code for block in blocks(PAGE) if block.kind == "python"]


@pytest.fixture
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")


def run(*arguments: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.mark.usefixtures("_place")
def test_the_traces_of_the_snippets_are_compared_by_the_command_line() -> None:
    """The second step of the other program forgets the bias: only the relevance of the input departs."""
    scope: dict[str, Any] = {}
    code = next(b for b in BLOCKS if "theirs.npz" in b)
    exec(compile(code, str(PAGE), "exec"), scope)  # noqa: S102 - our own page
    scope["ours"].save("ours.npz")
    done = run("diff", "ours.npz", "theirs.npz")
    assert done.exit_code == 1
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(("value ", "relevance "))]
    assert [row[:4] for row in rows] == [["relevance", "flower", "=", "x"]]
    right = code.partition("found = ")[0].replace("epsilon(x @ w)", "epsilon(z)")
    exec(compile(right, str(PAGE), "exec"), scope)  # noqa: S102 - our own page
    assert run("diff", "ours.npz", "theirs.npz").exit_code == 0


@pytest.mark.usefixtures("_place")
def test_the_trace_of_pytorch_is_that_of_autograd() -> None:
    pytest.importorskip("torch")
    scope: dict[str, Any] = {}
    exec(compile(next(b for b in BLOCKS if "torch" in b), str(PAGE), "exec"), scope)  # noqa: S102 - our own page
    trace, model = Trace.load("torch.npz"), scope["model"]
    w0, b0, w2 = (p.detach().numpy() for p in (model[0].weight, model[0].bias, model[2].weight))
    z = trace.values["input"] @ w0.T + b0
    np.testing.assert_allclose(trace.values["0"], z, rtol=1e-5)
    np.testing.assert_allclose(trace.values["1"], np.maximum(z, 0), rtol=1e-5)
    hidden = np.where(z > 0, w2[:1], 0)
    np.testing.assert_allclose(trace.relevance["1"], w2[:1], rtol=1e-5)
    np.testing.assert_allclose(trace.relevance["0"], hidden, rtol=1e-5)
    np.testing.assert_allclose(trace.relevance["input"], hidden @ w0, rtol=1e-5)
