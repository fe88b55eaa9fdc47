"""Rows of the board for tests: lrp_ref with departures put in, asked as another program would be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lrp_ref import vectors
from lrp_ref.peers.board.results import Results, outcomes_of
from lrp_ref.vectors.own import relevance
from lrp_ref.vectors.program import Program

Function = Callable[[Mapping[str, Any]], Any]


def departing(case: Mapping[str, Any]) -> Any:
    """Answer z⁺ with its bias, w² twice as large, crash on flat, and have no LSTM."""
    if "network" in case:
        return relevance(case)
    name, layer = case.get("rule", {}).get("name"), case["layer"]["type"]
    if layer == "LSTM":
        raise vectors.Unsupported("no LSTM <b>here</b>")
    if name == "Flat":
        raise RuntimeError("flat & <script>alert(1)</script> | `x`")
    if name == "ZPlus":
        return relevance({**case, "rule": {"name": "AlphaBeta", "alpha": 1.0, "beta": 0.0, **_stabiliser(case)}})
    found = relevance(case)
    return [2 * array for array in found] if name == "WSquare" else found


def _stabiliser(case: Mapping[str, Any]) -> dict[str, Any]:
    return {"stabiliser": case["rule"]["stabiliser"]} if "stabiliser" in case["rule"] else {}


def row(
    function: Function = departing, name: str = "other", version: str = "1.0", dtype: str = "float64", *only: str
) -> Results:
    """Return a row of the cases that fit, of core, alternatives and networks."""
    cases = vectors.load(groups=["core", "alternatives", "networks"], only=only)
    report = vectors.run(function, cases=cases, dtype=dtype)
    program = Program(name, version, "Python", "https://example.org/other", "https://example.org/other/issues")
    return Results(
        program, name.title(), dtype, "1.3.0", "2026-11-29", 1.5, f"pip install {name}=={version}", "0.0",
        dict(report.options), outcomes_of(report),
    )  # fmt: skip
