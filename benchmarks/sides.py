"""Which sides there are, and how each is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import ours, peers
from .networks import Graph, Parameters

UNIT = "torch forward"
PACKAGES = {UNIT: "torch", "zennit": "zennit", "zennit, BatchNorm passed": "zennit", "captum": "captum"}


def make(
    side: str, graph: Graph, given: Parameters, x: np.ndarray, composite: str, *, backend: str = "numpy"
) -> Callable[[], Any]:
    """Return the call of one side, everything built and registered beforehand."""
    if side == "lrp_ref":
        return ours.call(graph, given, x, composite, backend=backend)
    device = "cuda" if backend == "cupy" else "cpu"
    if side == UNIT:
        return peers.torch_forward(graph, given, x, composite, device=device)
    if side == "captum":
        return peers.captum(graph, given, x, composite, device=device)
    return peers.zennit(graph, given, x, composite, device=device, merge=side == "zennit")


def sides_of(network: str, composite: str) -> list[str]:
    """Return the installed sides that can compute this composite on this network, ours first."""
    wanted = ["lrp_ref", "zennit"]
    if network == "resnet50" and composite == "epsilon_plus":
        wanted.append("zennit, BatchNorm passed")
    if network == "vgg16" and composite == "epsilon":
        wanted.append("captum")
    wanted.append(UNIT)
    return [side for side in wanted if side == "lrp_ref" or peers.available(PACKAGES[side])]
