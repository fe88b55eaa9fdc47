"""What the questions have in common: what is measured and how often, how two relevances are compared."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import ours, timing
from .load import Patience
from .networks import NETWORKS, Graph

SECONDS = ("median [s]", "min [s]", "max [s]")  # columns


@dataclass(frozen=True)
class Options:
    """What is measured and how often."""

    repeats: int = 7
    batches: tuple[int, ...] = (1, 8)
    networks: tuple[str, ...] = ("vgg16", "resnet50")
    composites: tuple[str, ...] = ours.COMPOSITES
    threads: int = 2
    backend: str = "numpy"
    size: int = 224
    width: float = 1.0
    limit: float = 60.0
    pause: float = timing.PAUSE
    memory: bool = True
    lstm_peer: Path | None = None
    patience: Patience = field(default_factory=lambda: Patience(0))

    @property
    def clock(self) -> Callable[[Callable[[], Any]], float]:
        return timing.device_clock if self.backend == "cupy" else timing.cpu_clock

    def graph(self, name: str) -> Graph:
        return NETWORKS[name](size=self.size, width=self.width)

    def time(self, calls: dict[str, Callable[[], Any]]) -> dict[str, timing.Times]:
        return self.alternate(calls, clock=self.clock)

    def alternate(self, calls: dict[str, Callable[[], Any]], **changes: Any) -> dict[str, timing.Times]:
        given = {"repeats": self.repeats, "limit": self.limit, "pause": self.pause, "patience": self.patience}
        return timing.alternate(calls, **{**given, **changes})


def largest_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return max |a − b| / max |b| of two arrays of the same shape."""
    if a.shape != b.shape:
        raise ValueError(f"relevances of the shapes {a.shape} and {b.shape} cannot be compared")
    return float(np.abs(a - b).max() / np.abs(b).max())


def progress(text: str) -> None:
    sys.stderr.write(f"  {text}\n")
