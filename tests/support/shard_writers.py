"""Four processes that write one sharded store at the same time: whole shards, and halves of shards, which lose data.

    python tests/support/shard_writers.py 100

prints in how many of 100 runs something was lost: of whole shards, as a store has them written, in none; where two
processes write halves of one shard, in many, for who writes a part reads the whole file and writes it again.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from lrp_ref.scale.stores.layout import DONE, Layout, spec
from lrp_ref.scale.stores.making import create, open_store

BATCH, TOGETHER, SHARDS, WRITERS = 2, 4, 8, 4
SAMPLES = BATCH * TOGETHER * SHARDS - 3  # the last shard has fewer
ARRAYS = (spec("relevance", SAMPLES, (3, 4), "float32"), spec("target", SAMPLES, (), "int64"))
LAYOUT = Layout(ARRAYS, SAMPLES, BATCH, BATCH * TOGETHER)
TIMEOUT = 120  # seconds


def rows(start: int, stop: int) -> dict[str, Any]:
    """What is to be in the rows from ``start`` to before ``stop``, which numbers them."""
    numbers = np.arange(start, stop)
    return {"relevance": np.repeat(numbers, 12).reshape(-1, 3, 4).astype(np.float32), "target": numbers}


def write_whole(folder: str, first: int, runs: int, barrier: Any) -> None:
    """Write every fourth shard of each store, all writers beginning each store together."""
    for run in range(runs):
        store = open_store(f"{folder}/{run}.zarr")
        barrier.wait(TIMEOUT)
        for chunk in range(first, SHARDS, WRITERS):
            part = store.part(chunk)
            store.write(part, rows(part.start, part.stop))
            store.done(chunk)


def write_halves(folder: str, first: int, runs: int, barrier: Any) -> None:
    """Write halves of shards: two writers have the two halves of each."""
    for run in range(runs):
        group = zarr.open_group(f"{folder}/{run}.zarr", mode="r+")  # Store.write refuses it
        barrier.wait(TIMEOUT)
        half = LAYOUT.chunk // 2
        for start in range(first * half, SAMPLES, WRITERS * half):
            stop = min(start + half, SAMPLES)
            for name, array in rows(start, stop).items():
                group[name][start:stop] = array


def lost(folder: Path, runs: int, write: Any) -> list[int]:
    """Return how many rows of each store are not what was written, after four processes have written."""
    for run in range(runs):
        create(folder / f"{run}.zarr", LAYOUT, {})
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WRITERS)
    writers = [context.Process(target=write, args=(str(folder), k, runs, barrier)) for k in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(TIMEOUT + runs)
    codes = [writer.exitcode for writer in writers]
    if any(codes) or None in codes:
        raise RuntimeError(f"a writer failed: {codes}")
    found = []
    expected = rows(0, SAMPLES)
    for run in range(runs):
        store = open_store(folder / f"{run}.zarr", writable=False)
        wrong = np.zeros(SAMPLES, dtype=bool)
        for name, array in expected.items():
            wrong |= (np.asarray(store[name][:]) != array).reshape(SAMPLES, -1).any(axis=1)
        if write is write_whole and not (store.states() == DONE).all():
            wrong[:] = True
        found.append(int(wrong.sum()))
    return found


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for title, chosen in (("whole shards", write_whole), ("halves of shards", write_halves)):
        with tempfile.TemporaryDirectory() as place:
            numbers = lost(Path(place), asked, chosen)
        print(
            f"{title}: in {sum(map(bool, numbers))} of {asked} runs something was lost, of {sum(numbers)} of "
            f"{asked * SAMPLES} samples"
        )
