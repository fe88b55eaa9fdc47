"""Ten targets of one image: what they take, next to one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from . import peers, timing
from .networks import Graph, lenet, parameters, pictures
from .options import Options, largest_difference, progress
from .report import Table
from .sides import COMPILED, GRADIENT, NO_RELEVANCE, NUMPY, ZENNIT, made, missing

TEN = tuple(range(10))
POOLS = {"maxpool": "max pools", "averagepool": "average pools"}
LEAST = 0.25  # seconds in a row: calls of a tenth of a millisecond


def targets(options: Options) -> list[Table]:
    """How long do explanations of ten targets of one image take, next to that of one?"""
    columns = [
        "network", "composite", "side", "one [s]", "ten [s]", "ten ÷ one [×]", "÷ lrp_ref [×]", "difference", "others",
    ]  # fmt: skip
    table = Table(
        "targets",
        f"Ten targets of one image, LeNet-5's size, float32, {options.threads} threads",
        columns,
        notes=[
            "one: target 3; ten: each output explained for itself, (10, 1, 28, 28); the compiled graph is given the "
            "image once, the others ten times as a batch; ÷ lrp_ref: ten targets next to ten of NumPy's; difference: "
            "of the ten, max |R − R of lrp_ref| / max |R|; every side runs as often in a row as takes "
            f"{LEAST} s; gradient: PyTorch's, the forward pass included",
        ],
    )
    sides = [side for side in (NUMPY, COMPILED, ZENNIT, GRADIENT) if not missing(side, options.backend)]
    table.notes += [f"not measured: {s}, for {missing(s)}" for s in (COMPILED, ZENNIT, GRADIENT) if s not in sides]
    for pool, label in POOLS.items():
        for composite in options.composites:
            progress(f"ten targets, {label}, {composite}")
            _rows(table, options, lenet(pool), f"LeNet, {label}", composite, sides)
    return [table]


def _rows(table: Table, options: Options, graph: Graph, label: str, composite: str, sides: list[str]) -> None:
    given, x = parameters(graph), pictures(graph, 1)
    one, refused = made(sides, graph, given, x, composite, backend=options.backend)
    ten, refused_ten = made(list(one), graph, given, x, composite, backend=options.backend, targets=TEN)
    for side, why in {**refused_ten, **refused}.items():
        table.notes.append(f"not measured: {side}, {label}, {composite}: {why}")
    calls: dict[str, Callable[[], Any]] = {}
    for side, call in ten.items():
        calls |= {f"one {side}": one[side], f"ten {side}": call}
    relevance = {side: peers.to_numpy(call()) for side, call in ten.items() if side not in NO_RELEVANCE}
    times = options.alternate(calls, clock=partial(timing.in_a_row, least=LEAST))
    for side in ten:
        first, all_ten = times[f"one {side}"], times[f"ten {side}"]
        differs = side in relevance and side != NUMPY
        table.rows.append([
            label, composite, side, first.median, all_ten.median, all_ten.over(first),
            all_ten.over(times[f"ten {NUMPY}"]),
            largest_difference(relevance[side], relevance[NUMPY]) if differs else None,
            round(all_ten.busy, 2),
        ])  # fmt: skip
