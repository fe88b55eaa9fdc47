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
    without = [name for name in ("onnx", "onnxruntime") if not peers.available(name)]
    return f"{without[0]} is not installed" if without else ""


def call(
    graph: Graph, given: Parameters, x: np.ndarray, name: str, *, targets: Sequence[int] | None = None
) -> Callable[[], Any]:
    """Return a function of no arguments that explains ``x`` and returns the relevance.

    It is compiled beforehand, without its own check on one sample: the tables say how far it is from the others, and
    with random weights a winner of max-pooling that changes in single precision can decide there.

    Args:
        targets: several, each explained for itself on the one image of ``x``; None for the usual one.
    """
    explain = lrp.compile(ours.network(graph, given), ours.composite(name), example=x, check=False)
    target = ours.TARGET if targets is None else list(targets)
    return lambda: explain(x, target=target).relevance
