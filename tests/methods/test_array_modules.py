"""Occlusion, units and maps on a strict stand-in for a GPU's array library: the same numbers, nothing mixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict import STRICT, StrictArray, to_strict

import lrp_ref as lrp
from lrp_ref.layers import Conv, Dense, Flatten, GlobalAveragePool, ReLU
from lrp_ref.network import Network

RNG = np.random.default_rng(195)
LAYERS = [
    ("conv", Conv(RNG.normal(size=(3, 2, 2, 2)), RNG.normal(size=3))), ("relu", ReLU()), ("mean", GlobalAveragePool()),
    ("flat", Flatten()), ("fc", Dense(RNG.normal(size=(3, 3)), RNG.normal(size=3))),
]  # fmt: skip
NET = Network.sequential(LAYERS)
CASES: list[tuple[str, dict[str, Any]]] = [
    *(("occlusion", {"patch": 3, "stride": 2, "fill": fill}) for fill in (0.5, [1, 2], "mean", "sample_mean", "blur")),
    ("occlusion", {"patch": 3, "stride": 2, "fill": "noise"}),
    ("occlusion", {"patch": 2, "keeps": "window", "measure": "start", "overlap": "sum", "border": "wrap"}),
    ("occlusion", {"patch": 2, "measure": "score", "axis": None, "fill": np.ones((2, 5, 6))}),
    ("replace_units", {"at": "relu"}),
    ("replace_units", {"at": "relu", "by": "channel_mean"}),
    ("replace_units", {"by": np.ones((2, 5, 6))}),
    ("cam", {"at": "relu"}),
    ("cam", {"at": "relu", "upsample": None}),
    ("grad_cam", {"upsample": "corners"}),
    ("grad_cam", {"at": "relu", "upsample": "nearest"}),
    ("hirescam", {"at": "relu"}),
    ("guided_grad_cam", {"at": "relu"}),
]


@pytest.mark.parametrize(("method", "parameters"), CASES, ids=str)
def test_another_array_module(method: str, parameters: dict[str, Any]) -> None:
    x = RNG.normal(size=(3, 2, 5, 6))
    host = lrp.attribute(NET, x, method, target=[0, 1, 2], **parameters)
    there = lrp.attribute(NET.to(STRICT), to_strict(x), method, target=[0, 1, 2], **parameters)
    assert isinstance(there.relevance, StrictArray)
    assert all(isinstance(array, StrictArray) for array in there.found.values())
    back = there.to_numpy()
    assert np.abs(back.relevance - host.relevance).max() <= 1e-12
    assert all(np.abs(back.found[key] - host.found[key]).max() <= 1e-12 for key in host.found)
