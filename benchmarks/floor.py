"""The floor: multiply-adds that a rule needs, at the rate at which this machine multiplies matrices of these shapes.

Only products with weights are counted. z of the forward pass serves every rule that has it as a denominator; nothing
is counted for a run whose input is known to be empty (a⁻ behind a ReLU), nor for a group whose gate lets no relevance
through (the generalised γ's negative group where only a ReLU reads z: there R = 0 wherever z ≤ 0), nor for what
depends on the network alone (the bounds' part of a z^B denominator). No windows are gathered, nothing is divided or
added up: each product is one call of the library on matrices that are there. A difference of two large sums is not
taken for a product that can be computed without cancellation.

Products per layer, the forward pass included:

    rule          a ≥ 0              any a
    ε             2                  2         z; back
    z⁺, αβ(1,0)   3                  5         z; one per run; back, one per run
    αβ(2,1)       5                  9         z; one per run; back, one per run
    γ             3 (gate) or 5      5 or 9    z; one per run; back, one per run
    z^B           –                  3         z; back with w⁺ and with w⁻
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from .networks import Graph, Op


def multiply_adds(graph: Graph) -> dict[str, int]:
    """Return the multiply-adds of one sample's forward pass, by dense and convolution node."""
    shapes = graph.shapes()
    found = {}
    for op in graph.ops:
        if op.kind in ("conv", "dense"):
            found[op.name] = op.ins * op.kernel**2 * math.prod(shapes[op.name])
    return found


def products(graph: Graph, composite: str) -> dict[str, int]:
    """Return how many products of that size the composite needs, by dense and convolution node."""
    positive = _non_negative(graph)
    found, first = {}, True
    for op in graph.ops:
        if op.kind not in ("conv", "dense"):
            continue
        runs = 1 if op.inputs[0] in positive else 2
        if op.kind == "dense" or composite == "epsilon":
            count = 2
        elif composite == "epsilon_plus":
            count = 1 + 2 * runs
        elif composite == "epsilon_alpha2_beta1":
            count = 1 + 4 * runs
        elif first:
            count = 3
        else:
            count = 1 + 2 * runs * (1 if _only_relu_reads(graph, op) else 2)
        found[op.name] = count
        first = first and op.kind != "conv"
    return found


def _non_negative(graph: Graph) -> set[str]:
    """Return the values that cannot be negative."""
    found: set[str] = set()
    for op in graph.ops:
        if op.kind == "relu" or (
            op.kind in ("maxpool", "averagepool", "average", "flatten", "add", "concat")
            and all(name in found for name in op.inputs)
        ):
            found.add(op.name)
    return found


def _only_relu_reads(graph: Graph, op: Op) -> bool:
    readers = graph.readers(op.name)
    if len(readers) == 1 and readers[0].kind == "batchnorm":
        readers = graph.readers(readers[0].name)
    return bool(readers) and all(r.kind == "relu" for r in readers)


def shape_of(graph: Graph, op: Op, batch: int) -> tuple[int, int, int, int]:
    """Return the matrix product (rows, inner, columns) of a node, and how many of them a batch needs."""
    if op.kind == "dense":
        return batch, op.ins, op.outs, 1
    height, width = graph.shapes()[op.name][1:]
    return op.outs, op.ins * op.kernel**2, height * width, batch


class Machine:
    """Times matrix products on this machine, each shape once."""

    def __init__(self, *, dtype: str = "float32", backend: str = "numpy", repeats: int = 5) -> None:
        self.dtype, self.backend, self.repeats = dtype, backend, repeats
        self.known: dict[tuple[int, int, int], float] = {}

    def seconds(self, rows: int, inner: int, columns: int) -> float:
        """Return the least seconds of one product (rows × inner)·(inner × columns), into an array that is there."""
        key = (rows, inner, columns)
        if key not in self.known:
            self.known[key] = self._measure(*key)
        return self.known[key]

    def _measure(self, rows: int, inner: int, columns: int) -> float:
        from .timing import device_clock

        xp = _module(self.backend)
        a, b = (xp.full(shape, 0.5, dtype=self.dtype) for shape in ((rows, inner), (inner, columns)))
        out = xp.empty((rows, columns), dtype=self.dtype)
        xp.matmul(a, b, out=out)
        taken: list[float] = []
        begin = time.perf_counter()
        while len(taken) < self.repeats and (len(taken) < 3 or time.perf_counter() - begin < 1):
            # Small products are timed several at a time, so that the clock's grain does not matter.
            count = max(1, min(100, int(2e8 / (rows * inner * columns))))

            def run(count: int = count) -> None:
                for _ in range(count):
                    xp.matmul(a, b, out=out)

            taken.append((device_clock(run) if self.backend == "cupy" else _clock(run)) / count)
        return min(taken)  # a floor: whatever else runs here only adds to it

    def call(self, graph: Graph, composite: str, batch: int) -> Callable[[], None]:
        """Return a function that does the composite's products and nothing else, to be timed next to the sides."""
        xp, needed = _module(self.backend), products(graph, composite)
        made: dict[tuple[int, ...], tuple[Any, Any, Any]] = {}
        todo = []
        for op in graph.ops:
            if op.name in needed:
                rows, inner, columns, count = shape_of(graph, op, batch)
                if (rows, inner, columns) not in made:
                    a, b = (xp.full(shape, 0.5, dtype=self.dtype) for shape in ((rows, inner), (inner, columns)))
                    made[rows, inner, columns] = a, b, xp.empty((rows, columns), dtype=self.dtype)
                todo += [made[rows, inner, columns]] * (needed[op.name] * count)

        def run() -> None:
            for a, b, out in todo:
                xp.matmul(a, b, out=out)

        return run

    def floor(self, graph: Graph, composite: str, batch: int) -> float:
        """Return the least seconds in which the composite's products can be done."""
        needed, total = products(graph, composite), 0.0
        for op in graph.ops:
            if op.name in needed:
                *shape, count = shape_of(graph, op, batch)
                total += needed[op.name] * count * self.seconds(*shape)
        return total


def _module(backend: str) -> Any:
    import importlib

    return importlib.import_module(backend)


def _clock(run: Any) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin
