"""Networks that samples are read for, data sets that are wrong in one way, and a limit on waiting."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrp_ref import layers
from lrp_ref.loaders.preprocess import Sidecar, parse_sidecar
from lrp_ref.network.inputs import Input
from lrp_ref.network.network import Network, Node

X: NDArray[Any] = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
PIXELS: NDArray[Any] = np.random.default_rng(1).integers(0, 256, (7, 4, 5, 3)).astype(np.uint8)


def rows(name: str = "x", width: int | None = 3) -> Network:
    """A network of three numbers a sample."""
    dense = layers.Dense(np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]], dtype=np.float32))
    return Network((Node("fc", dense, (name,)),), (Input(name, (None, width)),), ("fc",))


def anything() -> Network:
    """A network that does not say what it takes."""
    return Network.sequential([layers.Dense(np.ones((3, 2), dtype=np.float32))])


def two() -> Network:
    """A network of two inputs of three numbers each."""
    return Network((Node("add", layers.Add(), ("a", "b")),), (Input("a", (None, 3)), Input("b", (None, 3))), ("add",))


def words() -> Network:
    """A network of tokens, four a sample."""
    table = layers.Embedding(np.arange(12.0, dtype=np.float32).reshape(6, 2))
    return Network((Node("words", table, ("ids",)),), (Input("ids", (None, 4)),), ("words",))


def photos(channels: int = 3, layout: str = "NCHW") -> Network:
    """A network of pictures of 4 × 5 pixels."""
    shape = (None, channels, 4, 5) if layout == "NCHW" else (None, 4, 5, channels)
    flat = [("flat", layers.Flatten()), ("fc", layers.Dense(np.ones((20 * channels, 2), dtype=np.float32)))]
    nodes = (Node("flat", flat[0][1], ("x",)), Node("fc", flat[1][1], ("flat",)))
    return Network(nodes, (Input("x", shape),), ("fc",))


def sidecar(channels: str = "RGB", layout: str = "NCHW") -> Sidecar:
    """How pictures become the input of :func:`photos`."""
    mean = [100.0, 110.0, 120.0] if len(channels) == 3 else 100.0
    inner = {"kind": "image", "size": [4, 5], "channels": channels, "layout": layout, "mean": mean, "scale": 0.25}
    return parse_sidecar({"input": {**inner, "resize": "stretch"}})


def npy(path: Path, array: Any) -> Path:
    """Write an array and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
    return path


@contextmanager
def without_waiting(seconds: int = 20) -> Iterator[None]:
    """Fail where something waits for what will never come."""

    def late(*_: Any) -> None:
        raise AssertionError(f"it still waits after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
