"""Stores of random numbers, of both kinds, and what is in their folders, for tests of stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lrp_ref.scale.stores.layout import Layout, spec
from lrp_ref.scale.stores.making import Store, create

KINDS = ("set.zarr", "set")
KEPT: dict[str, tuple[tuple[int, ...], str]] = {
    "relevance": ((2, 3), "float32"), "output": ((4,), "float64"), "target": ((), "int64"),
    "ledger": ((3, 5), "float64"),
}  # fmt: skip


def layout(n: int, batch: int, together: int = 1, kept: dict[str, Any] = KEPT) -> Layout:
    return Layout(tuple(spec(name, n, *one) for name, one in kept.items()), n, batch, batch * together)


def numbers(of: Layout, seed: int = 0) -> dict[str, Any]:
    """An array of every kind of the layout, with some samples that are all zero and some that are all fill value."""
    rng = np.random.default_rng(seed)
    found = {}
    for one in of.arrays:
        a = rng.normal(size=one.shape) * 100
        a[rng.random(len(a)) < 0.2] = 0
        a[rng.random(len(a)) < 0.2] = one.fill if one.dtype != "int64" else -1
        found[one.name] = a.astype(one.dtype)
    return found


def write(store: Store, arrays: dict[str, Any], chunk: int) -> None:
    store.write(store.part(chunk), {name: a[store.part(chunk)] for name, a in arrays.items()})
    store.done(chunk)


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


def made_at(path: Path) -> Store:
    """A store of 11 samples in 4 chunks, of which the third is to do."""
    store = create(path, layout(11, 3), {"composite": "epsilon", "classes": ["a", "ö"]})
    for chunk in (3, 0, 1):
        write(store, numbers(store.layout), chunk)
    return store
