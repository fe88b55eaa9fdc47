"""The command line in this process, and the small models, sidecars and arrays that its tests give it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click.testing
import numpy as np

from lrp_ref import Network, layers, loaders
from lrp_ref.cli import main

WEIGHT = np.array([[1.0, 0.5, -1.0]] * 4)
PHOTO = {
    "kind": "image", "size": [2, 2], "channels": "L", "layout": "NCHW", "mean": 0, "scale": 0.25, "resize": "stretch",
}  # fmt: skip
CATS = ["Egyptian cat", "tiger cat", "catamaran"]


def run(*arguments: object) -> click.testing.Result:
    """Run a command in this process; anything but an exit is a failure of the test."""
    return click.testing.CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def array(path: Path, values: Any) -> Path:
    """Write an array and return its path."""
    np.save(path, np.asarray(values))
    return path


def dense_model(folder: Path) -> Path:
    """Write z = (x₁ + 2x₂ + ½, −x₁ + 3x₂ − 1) and return its path."""
    layer = layers.Dense(np.array([[1.0, -1.0], [2.0, 3.0]]), np.array([0.5, -1.0]))
    loaders.save(Network.sequential([("fc", layer)]), folder / "dense.npz")
    return folder / "dense.npz"


def pixel_model(folder: Path, **sidecar: Any) -> Path:
    """Write a network of four pixels, z = (Σx, Σx/2, −Σx), and a sidecar, which has these keys too; return its path."""
    loaders.save(Network.sequential([layers.Flatten(), layers.Dense(WEIGHT)]), folder / "four.npz")
    (folder / "four.json").write_text(json.dumps({"input": PHOTO, "composite": "lrp0", **sidecar}))
    return folder / "four.npz"
