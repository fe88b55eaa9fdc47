"""lrp_ref's compiled side: the explanation as one graph, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lrp_ref as lrp

from . import ours, peers
from .networks import Graph, Parameters


def missing() -> str:
    """Return why nothing can be compiled here; empty where it can."""
    if not peers.available("onnxruntime"):
        return "onnxruntime is not installed"
    return "" if hasattr(lrp, "compile") else "this lrp_ref has no lrp.compile"


def call(
    graph: Graph, given: Parameters, x: np.ndarray, name: str, *, targets: Sequence[int] | None = None
) -> Callable[[], Any]:
    """Return a function of no arguments that explains ``x`` and returns the relevance; all is compiled beforehand.

    Args:
        targets: several, each explained for itself on the one image of ``x``; None for the usual one.
    """
    explain: Any = getattr(lrp, "compile")(ours.network(graph, given), ours.composite(name))  # noqa: B009  # may be missing
    target = ours.TARGET if targets is None else list(targets)
    return lambda: explain(x, target=target).relevance
