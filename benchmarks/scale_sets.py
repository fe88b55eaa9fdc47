"""What the questions about data sets are asked of: networks in files, and inputs of any number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import lrp_ref as lrp
from lrp_ref.loaders.preprocess import load_sidecar, read_image

from . import timing

MODELS = timing.ROOT / "models"
PHOTOS = ("chelsea.png", "astronaut.jpg", "coffee.jpg", "rocket.jpg")
SIDE, BLOCK = 512, 64  # pixels of a sample of the sparse input, of 1 MiB, and of the averages that are taken of it


def trivial(folder: Path, samples: int) -> tuple[str, str]:
    """Return a network of one layer and its input, whose explanation takes next to no time."""
    model, data = folder / "trivial.npz", folder / f"trivial_{samples}.npy"
    lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.ones((4, 2), np.float32))]), model)
    np.save(data, np.random.default_rng(0).random((samples, 4), dtype=np.float32))
    return str(model), str(data)


def shipped(folder: Path, network: str, samples: int) -> tuple[str, str]:
    """Return a network of models/, and its samples there, as often as it takes to have as many."""
    path, data = MODELS / f"{network}.onnx", folder / f"{network}_{samples}.npy"
    if not data.exists():
        if network == "fashion_cnn":
            with np.load(MODELS / "samples" / "fashion_test200.npz") as content:
                x = (content["images"][:, None] / 255).astype(np.float32)
        else:
            sidecar = load_sidecar(path)
            assert sidecar is not None  # it lies beside the model
            pictures = [read_image(MODELS / "samples" / photo, sidecar, dtype="float32")[0] for photo in PHOTOS]
            x = np.concatenate(pictures)
        np.save(data, np.resize(x, (samples, *x.shape[1:])))
    return str(path), str(data)


@contextmanager
def sparse(folder: Path, size: int) -> Iterator[tuple[str, str]]:
    """Make a network that looks at averages, and an input of ``size`` bytes that takes no room on the disk."""
    model, data = folder / "averages.npz", folder / "sparse.npy"
    weight = np.ones(((SIDE // BLOCK) ** 2, 2), np.float32)
    lrp.save(
        lrp.Network.sequential([lrp.layers.AveragePool(BLOCK), lrp.layers.Flatten(), lrp.layers.Dense(weight)]), model
    )
    shape = (max(1, size // (4 * SIDE * SIDE)), 1, SIDE, SIDE)
    np.lib.format.open_memmap(data, mode="w+", dtype=np.float32, shape=shape)
    try:
        yield str(model), str(data)
    finally:
        data.unlink()
