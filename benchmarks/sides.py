"""Which sides there are, and how each is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import lrp_ref as lrp

from . import compiled, ours, peers
from .networks import Graph, Parameters

NUMPY = "lrp_ref"
COMPILED = "lrp_ref, compiled"
OURS = (NUMPY, COMPILED)
ZENNIT = "zennit"
PASSED = "zennit, BatchNorm passed"
CAPTUM = "captum"
UNIT = "torch forward"
GRADIENT = "torch gradient"
NO_RELEVANCE = (UNIT, GRADIENT)  # sides that compute something else, to compare times with
PACKAGES = {UNIT: "torch", GRADIENT: "torch", ZENNIT: "zennit", PASSED: "zennit", CAPTUM: "captum"}


def make(
    side: str,
    graph: Graph,
    given: Parameters,
    x: np.ndarray,
    composite: str,
    *,
    backend: str = "numpy",
    targets: Sequence[int] | None = None,
) -> Callable[[], Any]:
    """Return the call of one side, everything built and registered beforehand.

    Args:
        targets: several, each explained for itself on the one image of ``x``; None for the usual one. PyTorch's
            forward pass and captum know no several.
    """
    if side == NUMPY:
        return ours.call(graph, given, x, composite, backend=backend, targets=targets)
    if side == COMPILED:
        return compiled.call(graph, given, x, composite, targets=targets)
    device = "cuda" if backend == "cupy" else "cpu"
    if side == UNIT:
        return peers.torch_forward(graph, given, x, composite, device=device)
    if side == GRADIENT:
        return peers.torch_gradient(graph, given, x, composite, device=device, targets=targets)
    if side == CAPTUM:
        return peers.captum(graph, given, x, composite, device=device)
    return peers.zennit(graph, given, x, composite, device=device, merge=side == ZENNIT, targets=targets)


def made(
    sides: Sequence[str], graph: Graph, given: Parameters, x: np.ndarray, composite: str, **how: Any
) -> tuple[dict[str, Callable[[], Any]], dict[str, str]]:
    """Return the calls of the sides, and why one of them is not there: what the compiled side refuses is left out."""
    calls: dict[str, Callable[[], Any]] = {}
    refused: dict[str, str] = {}
    for side in sides:
        try:
            call = make(side, graph, given, x, composite, **how)
            if side == COMPILED:
                call()  # inputs and targets are refused here
        except lrp.LrpError as error:
            if side != COMPILED:
                raise
            refused[side] = str(error)
        else:
            calls[side] = call
    return calls, refused


def sides_of(network: str, composite: str, backend: str = "numpy") -> list[str]:
    """Return the installed sides that can compute this composite on this network, ours first."""
    wanted = [NUMPY, COMPILED, ZENNIT]
    if network == "resnet50" and composite == "epsilon_plus":
        wanted.append(PASSED)
    if network == "vgg16" and composite == "epsilon":
        wanted.append(CAPTUM)
    wanted += [UNIT, GRADIENT]
    return [side for side in wanted if not missing(side, backend)]


def missing(side: str, backend: str = "numpy") -> str:
    """Return why a side cannot be measured here; empty where it can."""
    if side == NUMPY:
        return ""
    if side == COMPILED:
        return "it runs on the processor alone" if backend == "cupy" else compiled.missing()
    return "" if peers.available(PACKAGES[side]) else f"{PACKAGES[side]} is not installed"
