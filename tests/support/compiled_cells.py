"""How far a compiled explanation is from the float64 core, beside the float32 core on the same inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref.errors import LrpError
from lrp_ref.propagation.ledger import COLUMNS

MEDIAN, TIMES, LEDGER = 2e-6, 2.0, 1e-5  # what must hold: of the median, times the float32 core's largest, of the sums
FEW = 1e-6  # deviations below this are a few roundings of float32, of which no ratio speaks
MOVED = 2.0**-22  # of a number: what a sum of some dozens of terms loses in float32


@dataclass(frozen=True)
class Case:
    """A network with inputs: arrays in the layout of its file, by name."""

    name: str
    net: lrp.Network
    x: Mapping[str, Any]

    @property
    def samples(self) -> int:
        spec = next(i for i in self.net.inputs if i.batch_axis is not None)
        return int(self.x[spec.name].shape[spec.batch_axis or 0])


@dataclass(frozen=True)
class Cell:
    """Deviations of one explanation, as shares of each map's largest relevance.

    Attributes:
        compiled, core: of the compiled explanation and of the core in float32, one per sample and class.
        sums, core_sums: of the ledger's columns, as shares of a sample's largest sum of absolute relevances: of the
            terms that cancel.
    """

    compiled: np.ndarray[Any, Any]
    core: np.ndarray[Any, Any]
    sums: float
    core_sums: float

    def wrong(self, condition: float = 0.0) -> str:
        """Return what does not hold, or "".

        Args:
            condition: what the explanation moves by when its numbers move by ``MOVED``, see :func:`conditioned`.
        """
        said = []
        median, worst = float(np.median(self.compiled)), float(self.compiled.max(initial=0))
        if median > max(MEDIAN, TIMES * float(np.median(self.core))):
            said.append(f"median {median:.1e}, of the core {np.median(self.core):.1e}")
        if worst > max(TIMES * max(float(self.core.max(initial=0)), condition), FEW):
            said.append(f"largest {worst:.1e}, of the core {self.core.max():.1e}, by its condition {condition:.1e}")
        if self.sums > max(LEDGER, TIMES * max(self.core_sums, condition)):
            said.append(f"ledger {self.sums:.1e}, of the core {self.core_sums:.1e}")
        return "; ".join(said)

    def __str__(self) -> str:
        return (
            f"median {np.median(self.compiled):.1e} ({np.median(self.core):.1e}) largest {self.compiled.max():.1e} "
            f"({self.core.max():.1e}) ledger {self.sums:.1e} ({self.core_sums:.1e})"
        )


def _maps(e: Any, samples: int) -> np.ndarray[Any, Any]:
    """Return the relevance of all inputs, a row per sample."""
    return np.concatenate([np.asarray(part).reshape(samples, -1) for part in e.maps().values()], axis=1)


def _sums(e: Any) -> np.ndarray[Any, Any]:
    """Return the ledger as one array (N, nodes, columns)."""
    return np.stack([np.stack([np.asarray(getattr(row, c)).reshape(-1) for c in COLUMNS], 1) for row in e.ledger], 1)


def _apart(found: np.ndarray[Any, Any], exact: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    size = np.abs(exact).max(axis=1)
    return np.abs(found - exact).max(axis=1) / np.where(size > 0, size, 1.0)


def _terms(e: Any, samples: int) -> np.ndarray[Any, Any]:
    """Return the largest sum of absolute relevances of each sample."""
    sums = [np.abs(np.asarray(e.start_relevance)).reshape(samples, -1).sum(axis=1)]
    for value in e.trace.relevance.values():
        if len(value) == samples:
            sums.append(np.abs(np.asarray(value)).reshape(samples, -1).sum(axis=1))
    return np.max(sums, axis=0)


def _ledgers_apart(found: np.ndarray[Any, Any], exact: np.ndarray[Any, Any], size: np.ndarray[Any, Any]) -> float:
    size = np.maximum(size, np.abs(exact).max(axis=(1, 2)))
    return float((np.abs(found - exact).max(axis=(1, 2)) / np.where(size > 0, size, 1.0)).max(initial=0.0))


def sizes(case: Case) -> dict[str, tuple[int, ...]]:
    """Return the shape of one sample of every input."""
    fed = case.net.feed(dict(case.x))
    return {name: array.shape[1:] for name, array in fed.items()}


def cast(x: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    return {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in x.items()}


def measure(case: Case, composite: Any, *, classes: int = 10, **how: Any) -> Cell:
    """Measure an explanation for each of the first ``classes`` outputs."""
    compiled = lrp.compile(case.net, composite, ledger=True, check=False, shapes=sizes(case), **how)
    n = case.samples
    found: list[list[Any]] = [[], [], [], []]
    wide, narrow = case.net.astype("float64"), case.net.astype("float32")
    outputs = int(np.prod(compiled._program.recording.output.shape[1:]))
    for target in range(min(classes, outputs)):
        got = compiled(case.x, target=target)
        exact = lrp.explain(wide, cast(case.x, "float64"), target=target, composite=composite, trace=True, **how)
        core = lrp.explain(narrow, cast(case.x, "float32"), target=target, composite=composite, **how)
        assert got.target.tolist() == exact.target.tolist()
        truth, sums = _maps(exact, n), _sums(exact)
        for k, e in enumerate((got, core)):
            found[k].append(_apart(_maps(e, n), truth))
            found[2 + k].append(_ledgers_apart(_sums(e), sums, _terms(exact, n)))
    return Cell(*map(np.concatenate, found[:2]), *map(max, found[2:]))  # type: ignore[arg-type, call-overload]


def _exact_erf() -> Any:
    """Return the operator Erf without the rounding to float32 that the evaluator's own has."""
    from onnx.reference.op_run import OpRun
    from scipy.special import erf

    class Erf(OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(self, x: Any) -> Any:
            return (erf(x),)

    return Erf


def conditioned(case: Case, composite: Any, *, classes: int = 10, draws: int = 2, **how: Any) -> np.ndarray[Any, Any]:
    """Return how far the float64 core moves, per sample and class, when inputs and weights move by up to ``MOVED``.

    No computation in float32 can be held to less, in whatever order it adds.
    """
    rng, n = np.random.default_rng(5), case.samples

    def moved(a: Any) -> Any:
        if a.dtype.kind != "f" or a.size == 1:  # a number alone is exact, such as what masks
            return a
        return a * (1 + MOVED * rng.uniform(-1, 1, a.shape))

    wide, x, found = case.net.astype("float64"), cast(case.x, "float64"), []
    for target in range(classes):
        try:
            truth = _maps(lrp.explain(wide, x, target=target, composite=composite, **how), n)
        except LrpError:
            break
        parts = []
        for _ in range(draws):
            net = wide.replaced({node.name: node.layer.map_arrays(moved) for node in wide.nodes})
            near = lrp.explain(net, {k: moved(a) for k, a in x.items()}, target=target, composite=composite, **how)
            parts.append(_apart(_maps(near, n), truth))
        found.append(np.max(parts, axis=0))
    return np.concatenate(found)


def recorded(case: Case, composite: Any, *, few: int = 3, target: int = 0, **how: Any) -> float:
    """Return the deviation of the graph in float64, which the reference evaluator of the onnx package computes.

    It is rounding of float64, whatever the condition of the explanation, unless the graph is another one.
    """
    from onnx.reference import ReferenceEvaluator

    x = {
        i.name: np.asarray(case.x[i.name]).take(range(few), axis=i.batch_axis) if i.batch_axis is not None
        else case.x[i.name] for i in case.net.inputs
    }  # fmt: skip
    x, net = cast(x, "float64"), case.net.astype("float64")
    fed = net.feed(x)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "e.onnx"
        lrp.export_onnx(net, composite, path, targets="input", dtype="float64", shapes=sizes(case), **how)
        graph = ReferenceEvaluator(str(path), new_ops=[_exact_erf()])
    names = list(graph.output_names)
    n = len(next(iter(fed.values())))
    kinds = {"f": "float64", "i": "int64", "u": "int64", "b": "bool"}
    feeds = {k: np.ascontiguousarray(a, kinds[a.dtype.kind]) for k, a in fed.items()}
    found = dict(zip(names, graph.run(None, {**feeds, "target": np.full(n, target)}), strict=True))
    exact = lrp.explain(net, x, target=target, composite=composite, **how)
    maps = np.concatenate([found[k].reshape(n, -1) for k in names if k.startswith("relevance")], axis=1)
    truth = _maps(exact, n)
    sums = _ledgers_apart(found["ledger"], _sums(exact), np.abs(truth).sum(axis=1))
    return max(float(_apart(maps, truth).max()), sums)
