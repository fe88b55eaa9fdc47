"""Images: every side on the same inputs and weights, one row per side, and one row per cell."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import peers, timing
from .cells import Cells
from .floor import Machine
from .networks import Graph, Parameters, parameters, pictures
from .options import SECONDS, Options, largest_difference, progress
from .report import Cell, Table
from .sides import COMPILED, NO_RELEVANCE, NUMPY, UNIT, ZENNIT, made, missing, sides_of

FLOOR = "floor"

AGREEMENT = (
    "zennit's z⁺ has b⁺ in its denominator; lrp_ref is run (and timed) with αβ(1, 0), which is the same rule, instead "
    "of its own z⁺, so that all sides compute the same numbers"
)
SETUP = (
    "the same He-scaled random weights on every side, biases not zero; target 3; everything is built, canonized, "
    "compiled and registered before the clock starts; torch forward: inference mode, BatchNorm not merged; torch "
    "gradient: of the target's output with respect to the input, the forward pass included, of the same module"
)
MERGED = (
    "ResNet-50: lrp_ref merges BatchNorm (canonize), zennit too (SequentialMergeBatchNorm) except in the row that says "
    "'passed', whose numbers are others; additions are zennit's Sum; BatchNorm's eps is 0 on every side"
)
COLUMNS = (
    "÷: the median of the rounds' ratios. ÷ lrp_ref above 1: slower than lrp_ref; below 1: faster. floor: the matrix "
    "products that the rule needs, and nothing else, in turn with the sides. peak: bytes of the first call beyond "
    "those resident before it, each in a process of its own. difference: max |R − R of lrp_ref| / max |R| in float32 "
    "as timed. others: cores that other processes used in the median of the runs"
)


def images(options: Options) -> list[Table]:
    """How long does an explanation of an image take, next to the peers, the forward pass and the floor?"""
    tables = []
    for label in tensor_float_modes(options.backend):
        columns = [
            "network", "batch", "composite", "side", *SECONDS, "÷ forward [×]",
            "÷ lrp_ref [×]", "÷ floor [×]", "peak [MB]", "difference", "others",
        ]  # fmt: skip
        suffix = label.replace(" ", "_")
        where = f"{options.threads} threads" if options.backend == "numpy" else f"{options.backend}, {label}"
        table = Table("images" + suffix, f"Images, float32, {where}", columns)
        cells = Cells(f"{where}, {versions()}")
        without = [f"not measured: {s}, for {why}" for s in (COMPILED, ZENNIT) if (why := missing(s, options.backend))]
        table.notes += [SETUP, AGREEMENT, MERGED, COLUMNS, *without]
        cells.notes += without
        computer = Machine(backend=options.backend)
        for name in options.networks:
            _network_rows(table, cells, options, name, computer)
        tables += [table, *cells.tables(suffix)]
    return tables


def versions() -> str:
    """Return the programs that are compared."""
    found = {name: peers.version(name) for name in ("numpy", "onnxruntime", "zennit", "captum", "torch")}
    return ", ".join(f"{name} {version}" for name, version in found.items() if version)


def tensor_float_modes(backend: str) -> Iterator[str]:
    """Set TF32 off, then on, for CuPy and PyTorch; on the CPU there is one mode."""
    if backend != "cupy":
        yield ""
        return
    import cupy
    import torch

    for on in (False, True):
        kind = cupy._core.COMPUTE_TYPE_TF32 if on else cupy._core.COMPUTE_TYPE_FP32
        cupy._core.set_compute_type(np.float32, kind)
        torch.backends.cuda.matmul.allow_tf32 = on
        torch.backends.cudnn.allow_tf32 = on
        yield f"TF32 {'on' if on else 'off'}"


def _network_rows(table: Table, cells: Cells, options: Options, name: str, computer: Machine) -> None:
    graph = options.graph(name)
    given = parameters(graph)
    for batch in options.batches:
        x = pictures(graph, batch)
        for composite in options.composites:
            progress(f"{name}, batch {batch}, {composite}")
            _cell_rows(table, cells, options, graph, given, x, composite, computer)
            gc.collect()  # modules and hooks hold each other; with them goes what they hold: gigabytes


def _cell_rows(
    table: Table,
    cells: Cells,
    options: Options,
    graph: Graph,
    given: Parameters,
    x: np.ndarray,
    composite: str,
    computer: Machine,
) -> None:
    name, batch = graph.name, len(x)
    sides = sides_of(name, composite, options.backend)
    calls, refused = made(sides, graph, given, x, composite, backend=options.backend)
    without = [f"not measured: {side}, {name}, batch {batch}, {composite}: {why}" for side, why in refused.items()]
    table.notes += without
    cells.notes += without
    relevance = {side: peers.to_numpy(call()) for side, call in calls.items() if side not in NO_RELEVANCE}
    calls[FLOOR] = computer.call(graph, composite, batch)
    times = options.time(calls)
    progress("  " + ", ".join(f"{side} {taken.median:.3g} s" for side, taken in times.items()))
    cells.add(name, batch, composite, times, relevance)
    for side, taken in times.items():
        row: list[Cell] = [name, batch, composite, side, taken.median, *taken.spread]
        row.append(taken.over(times[UNIT]) if UNIT in times else None)
        row.append(taken.over(times[NUMPY]))
        row.append(None if side in NO_RELEVANCE else taken.over(times[FLOOR]))
        row.append(None if side == FLOOR else _peak(options, name, batch, composite, side, calls[side]))
        differs = side in relevance and side != NUMPY
        row.append(largest_difference(relevance[side], relevance[NUMPY]) if differs else None)
        row.append(round(taken.busy, 2))
        table.rows.append(row)


def _peak(options: Options, network: str, batch: int, composite: str, side: str, call: Callable[[], Any]) -> int | None:
    if not options.memory:
        return None
    if options.backend == "cupy":
        return _device_peak(side, call)
    cell = {"network": network, "batch": batch, "composite": composite, "side": side}
    return timing.peak_of_cell({**cell, "size": options.size, "width": options.width, "threads": options.threads})


def _device_peak(side: str, call: Callable[[], Any]) -> int:
    """Return the most bytes that the library's pool holds in a call, less those held before."""
    if side != NUMPY:
        import torch

        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return int(torch.cuda.max_memory_allocated() - before)
    import cupy

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.total_bytes()
    call()
    return int(pool.total_bytes() - before)
