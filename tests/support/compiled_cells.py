"""How far a compiled explanation is from the float64 core, beside the float32 core on the same inputs.

``python tests/support/compiled_cells.py [NAME…]`` measures every network that is at hand × every composite, start, bias
policy and dialect, and prints a row per network × composite: the median and the largest deviation of 100 inputs × up to
10 classes, those of the float32 core, and the ledger's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref.errors import LrpError
from lrp_ref.model_checks.samples import random_samples
from lrp_ref.network.inputs import batch_back
from lrp_ref.network.sizes import USUAL, sample_shapes
from lrp_ref.propagation.ledger import COLUMNS

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "models"
MEDIAN, TIMES, LEDGER = 2e-6, 2.0, 1e-5  # what must hold: of the median, times the float32 core's largest, of the sums
FEW = 1e-6  # deviations below this are a few roundings of float32, of which no ratio speaks


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
        sums, core_sums: of the ledger's columns, as shares of the largest sum of absolute relevances in a sample's ledger:
            of the terms that cancel.
    """

    compiled: np.ndarray[Any, Any]
    core: np.ndarray[Any, Any]
    sums: float
    core_sums: float

    def wrong(self) -> str:
        """Return what does not hold, or ""."""
        said = []
        median, worst, own = float(np.median(self.compiled)), float(self.compiled.max()), float(self.core.max())
        if median > max(MEDIAN, TIMES * float(np.median(self.core))):
            said.append(f"median {median:.1e}, of the core {np.median(self.core):.1e}")
        if worst > max(TIMES * own, FEW):
            said.append(f"largest {worst:.1e}, of the core {own:.1e}")
        if self.sums > max(LEDGER, TIMES * self.core_sums):
            said.append(f"ledger {self.sums:.1e}, of the core {self.core_sums:.1e}")
        return "; ".join(said)

    def __str__(self) -> str:
        return (
            f"median {np.median(self.compiled):.1e} ({np.median(self.core):.1e}) largest {self.compiled.max():.1e} "
            f"({self.core.max():.1e}) ledger {self.sums:.1e} ({self.core_sums:.1e})"
        )


def _maps(e: Any, samples: int) -> np.ndarray[Any, Any]:
    """Return the relevance of all inputs, a row per sample."""
    parts = []
    for (_, relevance), axis in zip(e.maps().items(), e.relevance_axes, strict=True):
        whole = np.asarray(relevance)[None] if axis is None else np.moveaxis(np.asarray(relevance), axis, 0)
        parts.append(whole.reshape(samples, -1))
    return np.concatenate(parts, axis=1)


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


def cast(x: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    return {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in x.items()}


def measure(case: Case, composite: Any, *, classes: int = 10, **how: Any) -> Cell:
    """Measure an explanation for each of the first ``classes`` outputs."""
    shapes = {i.name: np.moveaxis(case.x[i.name], i.batch_axis, 0).shape[1:] if i.batch_axis is not None
              else case.x[i.name].shape for i in case.net.inputs}  # fmt: skip
    compiled = lrp.compile(case.net, composite, ledger=True, check=False, shapes=shapes, **how)
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


def recorded(case: Case, composite: Any, *, few: int = 3, target: int = 0, **how: Any) -> float:
    """Return the deviation of the graph in float64, which the reference evaluator of the onnx package computes.

    It is rounding of float64, whatever the condition of the explanation, unless the graph is another one.
    """
    import tempfile

    from onnx.reference import ReferenceEvaluator

    x = {
        i.name: np.asarray(case.x[i.name]).take(range(few), axis=i.batch_axis) if i.batch_axis is not None
        else case.x[i.name] for i in case.net.inputs
    }  # fmt: skip
    x, net = cast(x, "float64"), case.net.astype("float64")
    fed = net.feed(x)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "e.onnx"
        lrp.export_onnx(
            net, composite, path, targets="input", dtype="float64", shapes={k: a.shape[1:] for k, a in fed.items()}, **how
        )
        graph = ReferenceEvaluator(str(path))
    names = list(graph.output_names)
    n = len(next(iter(fed.values())))
    feeds = {k: np.asarray(a, "float64" if a.dtype.kind == "f" else "int64") for k, a in fed.items()}
    found = dict(zip(names, graph.run(None, {**feeds, "target": np.full(n, target)}), strict=True))
    exact = lrp.explain(net, x, target=target, composite=composite, **how)
    maps = np.concatenate([found[k].reshape(n, -1) for k in names if k.startswith("relevance")], axis=1)
    truth = _maps(exact, n)
    sums = _ledgers_apart(found["ledger"], _sums(exact), np.abs(truth).sum(axis=1))
    return max(float(_apart(maps, truth).max()), sums)


# Networks ------------------------------------------------------------------------------------------------------------


def drawn(name: str, net: lrp.Network, count: int, *, shapes: Any = None, low: Any = None, high: Any = None) -> Case:
    """Return a network with random inputs, in the range that it declares."""
    sizes = sample_shapes(net, sizes=USUAL) if shapes is None else shapes
    x = random_samples(net, sizes, None, count=count, seed=1, dtype="float32")
    for one in net.inputs:
        if one.low is not None and one.high is not None and x[one.name].dtype.kind == "f":
            low, high = np.asarray(one.low, dtype="float32"), np.asarray(one.high, dtype="float32")
            if low.ndim == 1 and x[one.name].ndim > 2:
                low, high = (b.reshape(-1, *(1,) * (x[one.name].ndim - 2)) for b in (low, high))
            drawn = np.random.default_rng(2).random(x[one.name].shape, dtype="float32")
            x[one.name] = low + (high - low) * drawn
    x = {k: np.asarray(a, "float32") if a.dtype.kind == "f" else a for k, a in x.items()}
    return Case(name, net, {i.name: batch_back(x[i.name], i.batch_axis) for i in net.inputs})


def shipped(count: int = 100) -> Iterator[Case]:
    """The models of the project."""
    for path in sorted([*MODELS.glob("*.onnx"), *MODELS.glob("*.npz")]):
        net = lrp.load(path)
        many = 4 if path.stem.startswith("efficientnet") else count
        yield drawn(path.stem, net, many)


def composites(net: lrp.Network) -> list[str]:
    return lrp.composites.names()


def given(net: lrp.Network, composite: str) -> dict[str, Any]:
    """Return the bounds that a composite needs and the network does not declare."""
    takes = lrp.composites.takes(composite)
    known = all(i.low is not None for i in net.inputs)
    return {"low": -3.0, "high": 3.0} if "low" in takes and not known else {}


def told(case: Case, composite: str, classes: int, **how: Any) -> str:
    begun = time.perf_counter()
    try:
        cell = measure(case, composite, classes=classes, **given(case.net, composite), **how)
    except LrpError as error:
        return f"not compiled: {type(error).__name__}: {error}"
    wrong = cell.wrong()
    if wrong:
        try:
            wrong += f"; in float64 {recorded(case, composite, **given(case.net, composite), **how):.1e}"
        except Exception as error:  # of the evaluator
            wrong += f"; {type(error).__name__}: {error}"
    return f"{cell} {time.perf_counter() - begun:.1f} s" + (f"  WRONG: {wrong}" if wrong else "")


def beside(count: int = 100) -> Iterator[Case]:
    """Models beside the project."""
    data = ROOT.parent / "shared" / "data"
    data = data if data.exists() else Path("/work/shared/data")
    for name in ("toolbox_LeNet-5.txt", "toolbox_xor.txt", "gait_MlpLinear_part0_model.txt", "gait_Cnn1DC8_part0_model.txt"):
        net = lrp.load(data / name)
        try:
            yield drawn(name, net, count)
        except LrpError as error:
            sizes = {"toolbox_LeNet-5.txt": (1, 32, 32), "gait_Cnn1DC8_part0_model.txt": (606, 1, 1)}.get(name)
            if sizes is None:
                print(name, error)
                continue
            yield drawn(name, net, count, shapes={net.inputs[0].name: sizes})
    for name in ("fashion_cgan_generator.h5", "fashion_dcgan_generator.h5"):
        yield drawn(name, lrp.load(data / name), 10)
    yield drawn("squeezenet_dc", lrp.load(data / "squeezenet_dc.onnx"), 2)


def layer_samples(count: int = 5) -> Iterator[Case]:
    """Every layer alone."""
    from samples import SAMPLES

    from lrp_ref.network import Input, Network, Node

    for sample in SAMPLES:
        if sample.name == "MaxPool-window-in-padding":
            continue
        xs = sample.inputs(count, "normal")
        names = [f"x{k}" for k in range(len(xs))]
        net = Network((Node("layer", sample.layer("normal"), tuple(names)),), tuple(map(Input, names)), ("layer",))
        yield Case(sample.name, net, dict(zip(names, xs, strict=True)))


def torch_kinds(count: int = 20) -> Iterator[Case]:
    """Exports of small PyTorch models."""
    import tempfile

    import torch_models
    from torch_kinds import KINDS

    with tempfile.TemporaryDirectory() as folder, torch_models.one_registry():
        for name, kind in KINDS.items():
            for how in ("dynamo-dynamic", "torchscript-dynamic"):
                try:
                    path = torch_models.export(kind, how, Path(folder))
                    axes = dict.fromkeys(kind.inputs, kind.batch) if kind.batch else None
                    made = torch_models.loader.convert(path, batch_axes=axes)
                except Exception as error:
                    print(f"{name} {how}: {str(error)[:150]!r}")
                    continue
                net = made.network.until(made.network.outputs[0])
                drawn = {k: x.numpy() for k, x in kind.samples(count, seed=3).items()}
                x = {n: drawn[t] for n, t in made.inputs.items() if n in {i.name for i in net.inputs}}
                yield Case(f"{name} {how[:6]}", net, x)
                break


def estimators(count: int = 50) -> Iterator[Case]:
    """scikit-learn's models."""
    import sklearn_files

    for name, (estimator, _, _) in sklearn_files.estimators().items():
        try:
            net = lrp.neuralise.from_sklearn(estimator)
        except LrpError as error:
            print(f"{name}: {error}")
            continue
        x = np.random.default_rng(3).normal(size=(count, 3)).astype("float32") + 1
        yield Case(name, net, {net.inputs[0].name: x})


def keras_cases(count: int = 20) -> Iterator[Case]:
    """Models that Keras writes."""
    import os
    import tempfile

    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    from keras_models import CASES, randomised, samples

    with tempfile.TemporaryDirectory() as folder:
        for name, build in CASES.items():
            try:
                model = randomised(build(keras))
                model.save(path := Path(folder) / "model.keras")
                net = lrp.load(path)
            except Exception as error:
                print(f"{name}: {str(error)[:150]!r}")
                continue
            arrays = samples(model, count)
            net = net.until(net.outputs[0])
            x = dict(zip((i.name for i in lrp.load(path).inputs), arrays, strict=True))
            yield Case(name, net, {i.name: x[i.name] for i in net.inputs})


SOURCES: dict[str, Callable[..., Iterator[Case]]] = {
    "shipped": shipped, "beside": beside, "layers": layer_samples, "torch": torch_kinds, "estimators": estimators,
    "keras": keras_cases,
}  # fmt: skip
COMPOSITES = {"layers": ("lrp0", "epsilon", "epsilon_plus_flat", "attnlrp", "guided_backprop"),
              "torch": ("epsilon", "epsilon_gamma_box", "attnlrp", "cp_lrp", "gradient", "excitation_backprop"),
              "keras": ("epsilon", "epsilon_alpha2_beta1_flat", "attnlrp", "beta_smooth"),
              "estimators": ("epsilon", "epsilon_plus_flat", "gradient")}


def main(arguments: list[str]) -> None:
    for source in arguments or SOURCES:
        for case in SOURCES[source]():
            for composite in COMPOSITES.get(source) or composites(case.net):
                print(f"{case.name:24} {composite:28} {told(case, composite, 10)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
