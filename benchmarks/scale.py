"""Data sets: what a chunk costs beside its samples, what a second process gains, what stays in memory, what is kept."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import lrp_ref as lrp

from . import timing
from .options import Options, largest_difference, progress
from .peers import available
from .report import Cell as Number
from .report import Table
from .scale_run import Cell, Measured, measured
from .scale_sets import shipped, sparse, trivial

ROUNDS = 3  # at the most, in turn; the least counts, for others only add to it
TRIVIAL = 1000  # chunks, of one sample each
DONE = 4000  # chunks of a store in which nothing is left to do
LIMIT = 256_000_000  # bytes of memory of a worker
TIMES = 100  # as many bytes has the input that is read through it
ALLOWED = 200_000_000  # bytes, beside the model and four chunks
STORES = {"zarr": "store.zarr", "npy": "store"}  # kind → name
CHUNKS = (16, 64)  # samples of 1 MiB
COMPOSITES = {"fashion_cnn": "epsilon_plus_flat", "efficientnet_lite0": "epsilon_plus"}
COUNTS = {"fashion_cnn": 1600, "efficientnet_lite0": 64}  # samples
BATCHES = {"fashion_cnn": 32, "efficientnet_lite0": 4}
COMPARED = (1, 8, 32)  # batches
KEPT = [("none", "float32"), ("none", "float16"), ("channels", "float32"), ("channels", "float16"),
        ("top-100", "float32"), ("top-100", "float16")]  # fmt: skip


def scale(options: Options) -> list[Table]:
    """What do data sets cost that are explained chunk by chunk?"""
    missing = [name for name in ("zarr", "distributed", "onnx") if not available(name)]
    if missing:
        progress(f"scale: not measured, for {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed")
        return []
    found = []
    for question in (overhead, second_process, memory, resume, batches, sizes):
        if question is memory and not options.memory:
            continue
        progress(f"scale: {question.__name__.replace('_', ' ')}")
        with tempfile.TemporaryDirectory() as folder:
            found.append(question(Path(folder), min(options.repeats, ROUNDS)))
    return found


def in_turn(ways: Sequence[Sequence[Cell]], rounds: int) -> list[list[list[Measured]]]:
    """Do runs, those of one way at the same time, one way after another, and return of each way its rounds."""
    found: list[list[list[Measured]]] = [[] for _ in ways]
    for _ in range(rounds):
        for cells, rounds_of in zip(ways, found, strict=True):
            rounds_of.append(measured(cells))
            for cell in cells:
                shutil.rmtree(cell.out)
    return found


def by(workers: int | None) -> str:
    return "one process, no worker" if workers is None else f"{workers} worker{'s' * (workers > 1)}"


def overhead(folder: Path, rounds: int) -> Table:
    """What does a chunk cost beside the explanation of its samples?"""
    table = Table(
        "scale overhead",
        f"A chunk beside its samples: {TRIVIAL} chunks of one sample, a network of one layer",
        ["store", "by", "a chunk [ms]", "explaining alone [ms]", "first chunk after [s]", "whole run [s]"],
        notes=[f"the least of {rounds} rounds in turn; asked for: a chunk takes at most 5 ms more than to explain it"],
    )
    model, data = trivial(folder, TRIVIAL)
    net, x = lrp.load(model), np.ones((1, 4), np.float32)
    alone = min(timing.in_a_row(lambda: lrp.explain(net, x, composite="epsilon"), 0.2) for _ in range(rounds))
    ways = [(kind, workers) for kind in STORES for workers in (None, 2)]
    question = {"composite": "epsilon", "batch": 1}
    cells = [[Cell(model, data, str(folder / STORES[kind]), question, workers)] for kind, workers in ways]
    for (kind, workers), found in zip(ways, in_turn(cells, rounds), strict=True):
        least = min((m for (m,) in found), key=lambda m: m.each)
        table.rows.append([f".{kind}", by(workers), 1e3 * least.each, 1e3 * alone, least.first, least.seconds])
    return table


def second_process(folder: Path, rounds: int) -> Table:
    """What does a second process gain?"""
    table = Table(
        "scale workers",
        "Samples a second, one thread of the BLAS in each process, once all of them are at work",
        ["network", "batch", "by", "samples/s", "÷ one worker [×]", "first chunk after [s]", "whole run [s]"],
        notes=[
            f"the best of {rounds} rounds in turn; asked for: 2 workers at least 1.7 times one",
            "two runs apart: each does half of the set, with nobody between them: what this machine has to give",
        ],
    )
    for network, count in COUNTS.items():
        batch, question = BATCHES[network], {"composite": COMPOSITES[network], "batch": BATCHES[network]}
        model, data = shipped(folder, network, count)
        _, half = shipped(folder, network, count // 2)
        workers = (None, 1, 2)
        ways = [[Cell(model, data, str(folder / f"{w}.zarr"), question, w)] for w in workers]
        ways.append([Cell(model, half, str(folder / f"half_{k}.zarr"), question) for k in range(2)])
        rates = [
            max(
                (sum(batch / m.each for m in side), max(m.first for m in side), max(m.seconds for m in side))
                for side in of
            )
            for of in in_turn(ways, rounds)
        ]
        for way, (rate, *seconds) in zip([*map(by, workers), "two runs apart"], rates, strict=True):
            table.rows.append([network, batch, way, rate, rate / rates[1][0], *seconds])
    return table


def memory(folder: Path, rounds: int) -> Table:
    """How much is in memory while an input is read that is a hundred times as large?"""
    table = Table(
        "scale memory",
        f"Peak memory: an input {TIMES} times as large as the {LIMIT / 1e6:.0f} MB that a worker may have",
        [
            "by",
            "input [MB]",
            "chunk [MB]",
            "before [MB]",
            "this process [MB]",
            "workers [MB]",
            "allowed [MB]",
            "whole run [s]",
        ],
        notes=[
            f"allowed: what is resident with the model loaded and nothing explained, 4 chunks, {ALLOWED / 1e6:.0f} MB",
            "workers: the largest of them; the input is a sparse file, of 1 MiB a sample; one round",
        ],
    )
    for workers, batch, part in [(None, CHUNKS[0], 1), (2, CHUNKS[0], 1), (None, CHUNKS[1], 10)]:
        size, chunk = TIMES * LIMIT // part, batch << 20
        with sparse(folder, size) as (model, data):
            limit = None if workers is None else LIMIT
            cell = Cell(
                model, data, str(folder / "store.zarr"), {"composite": "epsilon", "batch": batch}, workers, limit
            )
            (m,) = measured([cell])
            shutil.rmtree(cell.out)
        most = max(m.workers, default=None)
        allowed = m.base + 4 * chunk + ALLOWED
        table.rows.append([by(workers), size, chunk, m.base, m.peak, most, allowed, m.seconds])
    return table


def resume(folder: Path, rounds: int) -> Table:
    """How long does it take to find that nothing is left to do?"""
    table = Table(
        "scale resume",
        f"A store of {DONE} chunks, all of them done: the same run again",
        ["store", "chunks done again", "the run [s]", "with its process [s]"],
        notes=[f"the least of {rounds} rounds; asked for: no chunk, at most 2 s"],
    )
    model, data = trivial(folder, DONE)
    for kind in STORES:
        cell = Cell(model, data, str(folder / STORES[kind]), {"composite": "epsilon", "batch": 1})
        measured([cell])
        taken = []
        for _ in range(rounds):
            begin = time.perf_counter()
            (m,) = measured([cell])
            taken.append((m.seconds, time.perf_counter() - begin, m.chunks))
        table.rows.append([f".{kind}", max(t[2] for t in taken), min(t[0] for t in taken), min(t[1] for t in taken)])
    return table


def batches(folder: Path, rounds: int) -> Table:
    """Is a sample's relevance the same whatever batch it is in, and which batch is the fastest?"""
    table = Table(
        "scale batches",
        "The same samples in batches of another size",
        ["network", "dtype", "batch", "samples/s", "÷ batch 1 [×]", "difference", "allowed", "peak [MB]"],
        notes=[
            "difference from batch 1: max |R − R₁| of a sample ÷ its max |R₁|, the largest of all samples",
            f"the best of {rounds} rounds in turn, one process, one thread",
        ],
    )
    for network, count in COUNTS.items():
        count = min(count, 64)
        model, data = shipped(folder, network, count)
        for dtype, allowed in (("float32", 1e-5), ("float64", 1e-13)):
            question = {"composite": COMPOSITES[network], "dtype": dtype}
            cells = [Cell(model, data, str(folder / f"{k}"), {**question, "batch": k}) for k in COMPARED]
            found: list[list[Measured]] = [[] for _ in cells]
            relevance: list[np.ndarray] = []
            for done in range(rounds):
                for cell, of in zip(cells, found, strict=True):
                    of += measured([cell])
                    if not done:
                        relevance.append(np.load(Path(cell.out) / "relevance.npy"))
                    shutil.rmtree(cell.out)
            rates = [max(count / m.seconds for m in of) for of in found]
            for k, rate, r, of in zip(COMPARED, rates, relevance, found, strict=True):
                worst = max(largest_difference(a, b) for a, b in zip(r, relevance[0], strict=True))
                peak = min(m.peak for m in of)
                table.rows.append([network, dtype, k, rate, rate / rates[0], worst, allowed, peak])
    return table


def sizes(folder: Path, rounds: int) -> Table:
    """How many bytes of a sample are kept?"""
    table = Table(
        "scale sizes",
        "Bytes on disk for each sample (zarr, zstd): all arrays, and the relevance alone",
        ["network", "reduce", "dtype", "bytes a sample", "relevance", "not compressed"],
        notes=["200 pictures of clothing; the four photographs of models/samples"],
    )
    for network, count in (("fashion_cnn", 200), ("efficientnet_lite0", 4)):
        model, data = shipped(folder, network, count)
        for reduce, dtype in KEPT:
            question = {"composite": COMPOSITES[network], "batch": 4, "reduce": reduce, "dtype": dtype}
            cell = Cell(model, data, str(folder / "store.zarr"), question)
            measured([cell])
            store = lrp.scale.open_store(cell.out)
            held = [one for one in store.layout.arrays if one.name.startswith("relevance")]
            row: list[Number] = [network, reduce, dtype, round(_bytes(Path(cell.out)) / count)]
            row.append(round(sum(_bytes(Path(cell.out) / one.name) for one in held) / count))
            table.rows.append([*row, round(sum(one.nbytes for one in held) / count)])
            shutil.rmtree(cell.out)
    return table


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
