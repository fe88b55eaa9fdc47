"""Small networks, samples and sources of the tests of jobs, and what independent explanations say of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import lrp_ref as lrp
from lrp_ref.scale.sources import Read

COLUMNS = ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped")


def network() -> lrp.Network:
    """Return a convolution, ReLU and a dense layer: (2, 4, 4) → 3, in float32."""
    rng = np.random.default_rng(1)
    return lrp.Network.sequential([
        ("conv", lrp.layers.Conv(rng.normal(size=(3, 2, 3, 3)).astype("f4"), rng.normal(size=3).astype("f4"))),
        ("relu", lrp.layers.ReLU()),
        ("flat", lrp.layers.Flatten()),
        ("fc", lrp.layers.Dense(rng.normal(size=(12, 3)).astype("f4"), rng.normal(size=3).astype("f4"))),
    ])  # fmt: skip


def samples(n: int, dtype: str = "float32") -> Any:
    """Return n inputs of :func:`network`."""
    return np.random.default_rng(2).normal(size=(n, 2, 4, 4)).astype(dtype)


def files(folder: Path, net: lrp.Network, x: Any) -> tuple[Path, Path]:
    """Write a network and its samples, and return their paths."""
    lrp.save(net, folder / "net.npz")
    np.save(folder / "x.npy", x)
    return folder / "net.npz", folder / "x.npy"


def explained(net: lrp.Network, x: Any, **asked: Any) -> dict[str, Any]:
    """Return what a store must have of samples that are explained together."""
    with threadpool_limits(1), np.errstate(all="ignore"):
        e = lrp.explain(net, x, **asked)
    rows = np.array([[getattr(row, column) for column in COLUMNS] for row in e.ledger])
    return {
        "relevance": e.relevance,
        "output": e.output,
        "target": np.asarray(e.target)[:, 0],
        "ledger": rows.transpose(2, 0, 1).astype(np.float64),
    }


def in_batches(net: lrp.Network, x: Any, batch: int, **asked: Any) -> dict[str, Any]:
    """Return the same of samples that are explained ``batch`` at a time."""
    parts = [explained(net, x[k : k + batch], **asked) for k in range(0, len(x), batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, by its place."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@dataclass(frozen=True)
class Given:
    """Samples in memory, some of which cannot be read, as a source; ``broken`` batches raise an error.

    Attributes:
        x: by the names of the inputs.
        refused: samples, and why.
        broken: samples at which reading ends in an error that nobody foresaw.
    """

    x: dict[str, Any] = field(hash=False, compare=False)
    refused: dict[int, str] = field(default_factory=dict, hash=False)
    broken: tuple[int, ...] = ()

    @property
    def samples(self) -> int:
        return len(next(iter(self.x.values())))

    def read(self, start: int, stop: int) -> Read:
        if any(start <= k < stop for k in self.broken):
            raise ZeroDivisionError("a codec that is\nbroken")
        refused = {k: why for k, why in self.refused.items() if start <= k < stop}
        kept = [k for k in range(start, stop) if k not in refused]
        return Read({name: array[kept] for name, array in self.x.items()}, refused)

    def zeros(self) -> dict[str, Any]:
        return {name: np.zeros((1, *array.shape[1:]), array.dtype) for name, array in self.x.items()}

    def attributes(self) -> dict[str, Any]:
        return {"name": "given", "kind": "memory"}
