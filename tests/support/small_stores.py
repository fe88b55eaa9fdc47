"""A small network, samples, and stores of their explanations, for tests of what reads a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref import scale
from lrp_ref.scale.running import store_of

RNG = np.random.default_rng(5)
SAMPLES = 21
NET = lrp.Network.sequential([
    ("conv", lrp.layers.Conv(RNG.normal(size=(5, 2, 3, 3)), RNG.normal(size=5) * 0.1)), ("relu", lrp.layers.ReLU()),
    ("flat", lrp.layers.Flatten()), ("fc", lrp.layers.Dense(RNG.normal(size=(5 * 16, 3)))),
    ("soft", lrp.layers.Softmax()),
])  # fmt: skip
X = RNG.normal(size=(SAMPLES, 2, 6, 6))
LOGITS = NET.until("fc")


def asked(folder: Path, x: Any = X, net: lrp.Network = NET, **options: Any) -> scale.Job:
    """Write a network and samples into a folder, and return the job of explaining them."""
    if not (folder / "net.npz").exists():
        lrp.save(net, folder / "net.npz")
    np.save(folder / "x.npy", x)
    given = {"composite": "epsilon_plus", "batch": 4} | options
    return scale.job(folder / "net.npz", folder / "x.npy", **given)


def made(folder: Path, x: Any = X, *, name: str = "out", net: lrp.Network = NET, **options: Any) -> scale.Store:
    """Return a store with all samples explained."""
    return scale.run(asked(folder, x, net, **options), folder / name).store


def half(job: scale.Job, out: Path, chunks: list[int]) -> scale.Store:
    """Return a store with some of its chunks done."""
    store = store_of(job, out)
    for chunk in chunks:
        job.run_chunk(chunk, store)
    return store


def explained(x: Any = X, net: lrp.Network = NET, **options: Any) -> Any:
    """Return what all samples at once are explained by."""
    return lrp.explain(net, x, **({"composite": "epsilon_plus"} | options))
