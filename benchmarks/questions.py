"""The questions, each answered by one table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

import lrp_ref as lrp

from . import peers, timing
from .floor import Machine, multiply_adds, products, shape_of
from .images import AGREEMENT, images
from .networks import NETWORKS, Graph, Parameters, cast, parameters, pictures
from .options import SECONDS, Options, largest_difference, progress
from .report import Cell, Table
from .scale import scale
from .sides import COMPILED, GRADIENT, NO_RELEVANCE, NUMPY, OURS, PASSED, make, sides_of
from .targets import targets

# Floor -----------------------------------------------------------------------------------------------------------


def floor(options: Options) -> list[Table]:
    """How fast does this machine multiply the matrices of these layers, and what do the rules need of it?"""
    computer = Machine(backend=options.backend)
    shapes = Table(
        "gemm",
        f"Rate of float32 matrix products at the networks' shapes ({options.backend})",
        ["network", "layer", "count", "rows", "inner", "columns", "multiply-adds", "seconds [s]", "GFLOP/s"],
        notes=["convolution: (outs) × (ins·kernel²) · (positions) per sample; dense: (batch) × (ins) · (outs)"],
    )
    totals = Table(
        "floor",
        "Floor: multiply-adds that the rules need ÷ that rate",
        ["network", "batch", "composite", "forward multiply-adds", "needed", "floor [s]", "GFLOP/s"],
        notes=["how many products per layer each rule needs is written at the top of benchmarks/floor.py"],
    )
    for name in options.networks:
        graph = options.graph(name)
        _shape_rows(shapes, graph, computer)
        macs = multiply_adds(graph)
        for batch in options.batches:
            for composite in options.composites:
                needed = batch * sum(macs[k] * n for k, n in products(graph, composite).items())
                seconds = computer.floor(graph, composite, batch)
                totals.rows.append(
                    [name, batch, composite, batch * sum(macs.values()), needed, seconds, 2e-9 * needed / seconds]
                )
    return [shapes, totals]


def _shape_rows(table: Table, graph: Graph, computer: Machine) -> None:
    found: dict[tuple[int, int, int], list[str]] = {}
    for op in graph.ops:
        if op.kind in ("conv", "dense"):
            *shape, _ = shape_of(graph, op, 1)
            found.setdefault((shape[0], shape[1], shape[2]), []).append(op.name)
    for (rows, inner, columns), names in found.items():
        seconds, work = computer.seconds(rows, inner, columns), rows * inner * columns
        table.rows.append(
            [graph.name, names[0], len(names), rows, inner, columns, work, seconds, 2e-9 * work / seconds]
        )


# Accuracy --------------------------------------------------------------------------------------------------------


IMAGES = 12


def accuracy(options: Options) -> list[Table]:
    """How far is a float32 relevance from the float64 one?"""
    table = Table(
        "accuracy",
        f"Accuracy: float32 relevance against float64, {IMAGES} images",
        ["network", "composite", "side", "max error", "L1 error", "worse in", "float64 difference"],
        notes=[
            "max error: max |R32 − R64| / max |R64|; L1 error: Σ |R32 − R64| / Σ |R64|, the geometric means over the "
            "images; R64 is the side's own run, of the compiled side lrp_ref's",
            "worse in: images in which lrp_ref's largest error exceeds that side's (over single images, a winner of "
            "max-pooling that changes in single precision decides)",
            "float64 difference: max |R64 − R64 of lrp_ref| / max |R64|: whether the sides compute the same thing",
            AGREEMENT,
        ],
    )
    for name in options.networks:
        graph = options.graph(name)
        single = parameters(graph)
        double = cast(single, "float64")
        for composite in options.composites:
            progress(f"{name}, {composite}, float64")
            reference = ours = np.zeros(0)
            for side in sides_of(name, composite):
                if side in (*NO_RELEVANCE, PASSED):
                    continue
                try:
                    r32 = _relevance(side, graph, single, composite, "float32")
                except lrp.LrpError as refused:
                    if side != COMPILED:
                        raise
                    table.notes.append(f"not measured: {side}, {name}, {composite}: {refused}")
                    continue
                if side != COMPILED:  # which has single precision alone
                    r64 = _relevance(side, graph, double, composite, "float64")
                    reference = r64 if side == NUMPY else reference
                else:
                    r64 = reference
                error, size = np.abs(r32 - r64), np.abs(r64)
                largest = error.max(axis=(1, 2, 3)) / size.max(axis=(1, 2, 3))
                mean = error.sum(axis=(1, 2, 3)) / size.sum(axis=(1, 2, 3))
                ours = largest if side == NUMPY else ours
                row: list[Cell] = [name, composite, side, _geometric_mean(largest), _geometric_mean(mean)]
                worse = None if side == NUMPY else f"{(ours > largest).sum()} of {IMAGES}"
                table.rows.append([*row, worse, None if side in OURS else largest_difference(r64, reference)])
    return [table]


def _geometric_mean(numbers: np.ndarray) -> float:
    return float(np.exp(np.log(numbers).mean()))


def _relevance(side: str, graph: Graph, given: Parameters, composite: str, dtype: str) -> np.ndarray:
    """Return the relevance of the images, one at a time: in double precision some sides take gigabytes for each.

    One call reads all of them from the same place: what a peer's hooks hold of a call goes only with the next one.
    """
    images, found = pictures(graph, IMAGES, dtype), []
    place = images[:1].copy()
    call = make(side, graph, given, place, composite)
    for image in images:
        place[0] = image
        found.append(peers.to_numpy(call()).copy())
    return np.concatenate(found)


# Sentences -------------------------------------------------------------------------------------------------------


def lstm(options: Options) -> list[Table]:
    """How long does an explanation of a sentence take, next to a loop over words?"""
    from . import sentences

    weights = sentences.model()
    table = Table(
        "lstm",
        "Sentences of 50 words, bidirectional LSTM, 60 embeddings, 60 hidden units, float64",
        ["sentences", "side", *SECONDS, "÷ lrp_ref [×]", "÷ float32 [×]", "difference", "others"],
        notes=[
            "one word at a time: our own plain NumPy loop, identity matrices and messages in memory "
            "(benchmarks/sentences.py); LRP_for_LSTM: its own class, unmodified, from --lstm-peer; in float64",
            "÷ float32: next to lrp_ref in float32; difference: max |R − R of lrp_ref| / max |R|",
            "every side runs as often in a row as takes 1 s",
        ],
    )
    for count in (1, 64):
        progress(f"lstm, batch {count}")
        x = sentences.sentences(count)
        calls = {
            "lrp_ref": sentences.ours(weights, x),
            "lrp_ref, float32": sentences.ours(weights.astype("float32"), x.astype("float32")),
            "one word at a time": sentences.one_word_at_a_time(weights, x),
        }
        if options.lstm_peer is not None:
            calls["LRP_for_LSTM"] = sentences.from_checkout(weights, x, options.lstm_peer)
        relevance = {side: call() for side, call in calls.items()}
        times = options.alternate(calls, clock=timing.in_a_row)
        for side, taken in times.items():
            difference = None if side == "lrp_ref" else largest_difference(relevance[side], relevance["lrp_ref"])
            ratios = [taken.over(times[other]) for other in ("lrp_ref", "lrp_ref, float32")]
            table.rows.append([count, side, taken.median, *taken.spread, *ratios, difference, round(taken.busy, 2)])
    return [table]


# Start-up --------------------------------------------------------------------------------------------------------


def startup(options: Options) -> list[Table]:
    """How long do the import and the command's help take, next to NumPy's import?"""
    import subprocess

    statements = {
        "import numpy": "import numpy",
        "import lrp_ref": "import lrp_ref",
        "… and what explain needs": "from lrp_ref import explain",
        "lrp-ref --help": "import sys; from lrp_ref.cli import main; sys.argv = ['lrp-ref', '--help']; main()",
    }
    if peers.available("torch"):
        statements["import torch"] = "import torch"

    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}  # as after an installation

    def started(statement: str) -> Callable[[], Any]:
        command = [sys.executable, "-c", statement]
        return lambda: subprocess.run(command, cwd=timing.ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)

    table = Table(
        "startup",
        "Start-up: wall time of new processes, in turn",
        ["process", *SECONDS, "÷ import numpy [×]"],
    )
    times = options.alternate({k: started(v) for k, v in statements.items()}, repeats=2 * options.repeats, pause=0)
    for name, taken in times.items():
        table.rows.append([name, taken.median, *taken.spread, taken.over(times["import numpy"])])
    return [table]


# Growth ----------------------------------------------------------------------------------------------------------

AXES: dict[str, tuple[int, ...]] = {
    "batch": (1, 2, 4, 8, 16, 32),
    "depth": (2, 4, 8, 16, 32),
    "size": (32, 64, 128, 256),
}
MIDDLE = {"batch": 2, "depth": 8, "size": 64}


def growth(options: Options) -> list[Table]:
    """How do the times grow with batch, depth and input size?"""
    table = Table(
        "growth",
        "Growth: a chain of 3×3 convolutions with 32 channels, epsilon_plus, float32",
        ["axis", "value", "side", *SECONDS, "÷ lrp_ref [×]"],
        notes=["what is not on the axis: " + ", ".join(f"{k} {v}" for k, v in MIDDLE.items()), AGREEMENT],
    )
    for axis, values in AXES.items():
        for value in values:
            progress(f"{axis} {value}")
            at = {**MIDDLE, axis: value}
            graph = NETWORKS["chain"](depth=at["depth"], size=at["size"], width=options.width)
            given, x = parameters(graph), pictures(graph, at["batch"])
            calls = {
                side: make(side, graph, given, x, "epsilon_plus", backend=options.backend)
                for side in sides_of("chain", "epsilon_plus", options.backend)
                if side != GRADIENT
            }
            times = options.time(calls)
            for side, taken in times.items():
                ratio = taken.over(times["lrp_ref"])
                table.rows.append([axis, value, side, taken.median, *taken.spread, ratio])
    return [table]


QUESTIONS: dict[str, Callable[[Options], list[Table]]] = {
    "floor": floor,
    "images": images,
    "targets": targets,
    "accuracy": accuracy,
    "lstm": lstm,
    "startup": startup,
    "growth": growth,
    "scale": scale,
}
