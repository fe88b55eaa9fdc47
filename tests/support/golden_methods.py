"""Numbers that the literal formulas and other programs gave for the methods around LRP, on three small networks.

The stored numbers are not part of the project; tests that need them are skipped where they are absent.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.layers import AveragePool, Conv, Dense, Flatten, MaxPool, ReLU

FOLDER = Path(__file__).parents[3] / "shared" / "golden-methods"
MODELS = ("A", "B", "D")
needed = pytest.mark.skipif(not FOLDER.is_dir(), reason="the stored numbers of other programs are not here")


def arrays(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of ``name``.npz."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def about(name: str) -> dict[str, Any]:
    """Return what ``name``.json tells."""
    told: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return told


class Golden:
    """One of the three networks with its input, and what was stored of it."""

    def __init__(self, model: str) -> None:
        self.arrays = arrays(f"{model}__methods") | arrays(f"{model}__deeplift")
        self.about = about(f"{model}__methods")
        self.x, self.target = self.arrays["input"], self.arrays["target"]
        self.net = lrp.Network.sequential([(n, self._layer(n, kind, c)) for n, kind, c in self.layers])

    def __getitem__(self, key: str) -> np.ndarray:
        """Return a stored array; one that equals another bit for bit was stored once."""
        return self.arrays[self.about["equal_bit_for_bit"].get(key, key)]

    def __contains__(self, key: str) -> bool:
        return key in self.arrays or key in self.about["equal_bit_for_bit"]

    @property
    def layers(self) -> list[tuple[str, str, dict[str, int]]]:
        return [tuple(entry) for entry in self.about["architecture"]["layers"]]

    def _layer(self, name: str, kind: str, c: dict[str, int]) -> Any:
        weights = [self.arrays.get(f"param/{name}.{part}") for part in ("weight", "bias")]
        if kind == "linear":
            return Dense(weights[0].T.copy(), weights[1])
        if kind.startswith("conv"):
            return Conv(*weights, stride=c.get("stride", 1), padding=c.get("pad", 0))
        pools = {"avgpool": AveragePool, "maxpool": MaxPool}
        for prefix, pool in pools.items():
            if kind.startswith(prefix):
                return pool(c["k"], stride=c.get("stride", c["k"]))
        return {"relu": ReLU, "flatten": Flatten}[kind]()
