"""Compiled explanations of every network that is at hand: a row per network × composite.

``python tests/support/compiled_networks.py [SOURCE|FOLDER…]`` prints the median and the largest deviation of 100 inputs
× up to 10 classes from the float64 core, in brackets those of the float32 core, and the ledger's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from compiled_cells import Case, conditioned, measure, recorded

import lrp_ref as lrp
from lrp_ref.errors import LrpError
from lrp_ref.model_checks.samples import random_samples
from lrp_ref.network import Input, Network, Node
from lrp_ref.network.heads import heads
from lrp_ref.network.inputs import batch_back
from lrp_ref.network.sizes import USUAL, sample_shapes

ROOT = Path(__file__).parents[2]
MODELS, DATA = ROOT / "models", ROOT.parent / "shared" / "data"


def drawn(name: str, net: lrp.Network, count: int, *, shapes: Any = None) -> Case:
    """Return a network with random inputs, in the range that it declares."""
    sizes = sample_shapes(net, sizes=USUAL) if shapes is None else shapes
    x = random_samples(net, sizes, None, count=count, seed=1, dtype="float32")
    for one in net.inputs:
        if one.low is not None and one.high is not None and x[one.name].dtype.kind == "f":
            low, high = np.asarray(one.low, dtype="float32"), np.asarray(one.high, dtype="float32")
            if low.ndim == 1 and x[one.name].ndim > 2:
                low, high = (b.reshape(-1, *(1,) * (x[one.name].ndim - 2)) for b in (low, high))
            x[one.name] = low + (high - low) * np.random.default_rng(2).random(x[one.name].shape, dtype="float32")
    x = {k: np.asarray(a, "float32") if a.dtype.kind == "f" else a for k, a in x.items()}
    return Case(name, net, {i.name: batch_back(x[i.name], i.batch_axis) for i in net.inputs})


def shipped(count: int = 100) -> Iterator[Case]:
    """The models of the project."""
    for path in sorted([*MODELS.glob("*.onnx"), *MODELS.glob("*.npz")]):
        net = lrp.load(path)
        if path.stem != "efficientnet_lite0":
            yield drawn(path.stem, net, count)


def large(count: int = 2) -> Iterator[Case]:
    """The models that take seconds an explanation."""
    yield drawn("efficientnet_lite0", lrp.load(MODELS / "efficientnet_lite0.onnx"), count)


def varied(count: int = 100) -> Iterator[Case]:
    """The models for which starts, bias policies and dialects are gone through."""
    for name in ("digits8_cnn.npz", "digits8_mlp.npz", "iris_mlp.npz", "sequence_lstm.onnx"):
        yield drawn(name.partition(".")[0], lrp.load(MODELS / name), count)
    yield drawn("digits_cnn", lrp.load(MODELS / "digits_cnn.onnx"), 20)


def ways() -> Iterator[tuple[str, dict[str, Any]]]:
    """Composites with starts, bias policies and dialects."""
    for start in [*lrp.start.STARTS, lrp.start.Difference(1), lrp.start.Reference(0.5)]:
        for composite in ("epsilon", "epsilon_gamma_box"):
            yield composite, {"start": start}
    some = ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1", "epsilon_gamma_box")
    for composite in some:
        for bias in ("ignore", "spread", "nonzero"):
            yield composite, {"bias": bias}
    for dialect in lrp.dialects.DIALECTS:
        for composite in some:
            yield composite, {"dialect": dialect}


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
        moved = conditioned(case, composite, classes=classes, **given(case.net, composite), **how)
        try:
            exact = f"{recorded(case, composite, **given(case.net, composite), **how):.1e}"
        except Exception as error:  # of the evaluator
            exact = f"not evaluated ({error})"
        kept = cell.wrong(float(moved.max()))
        wrong = f"by its condition {moved.max():.1e}, in float64 {exact}{'  WRONG: ' if kept else ''}{kept}"
    return f"{cell} {time.perf_counter() - begun:.1f} s {wrong}"


def beside(count: int = 100) -> Iterator[Case]:
    """Models beside the project."""
    texts = {"toolbox_LeNet-5": (1, 32, 32), "toolbox_xor": (2,), "gait_MlpLinear_part0_model": (606,)}
    for name, sizes in {**texts, "gait_Cnn1DC8_part0_model": (606, 1, 1)}.items():
        net = lrp.load(DATA / f"{name}.txt")
        told = net.inputs[0].sample
        fits = told is not None and None not in told
        yield drawn(name, net, count, shapes={net.inputs[0].name: told if fits else sizes})
    for name in ("fashion_cgan_generator.h5", "fashion_dcgan_generator.h5"):
        yield drawn(name, lrp.load(DATA / name), 10)
    yield drawn("squeezenet_dc", lrp.load(DATA / "squeezenet_dc.onnx"), 2)


def layer_samples(count: int = 5) -> Iterator[Case]:
    """Every layer alone."""
    from samples import SAMPLES

    for sample in SAMPLES:
        if sample.name == "MaxPool-window-in-padding":
            continue
        xs = sample.inputs(count, "normal")
        names = [f"x{k}" for k in range(len(xs))]
        net = Network((Node("layer", sample.layer("normal"), tuple(names)),), tuple(map(Input, names)), ("layer",))
        yield Case(sample.name, net, dict(zip(names, xs, strict=True)))


def torch_kinds(count: int = 20) -> Iterator[Case]:
    """Exports of small PyTorch models."""
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
    "shipped": shipped, "large": large, "varied": varied, "beside": beside, "layers": layer_samples,
    "torch": torch_kinds, "estimators": estimators, "keras": keras_cases,
}  # fmt: skip
SOME = ("epsilon", "attnlrp", "epsilon_gamma_box")  # of models in packages
COMPOSITES = {
    "layers": ("lrp0", "epsilon", "epsilon_plus_flat", "attnlrp", "guided_backprop"),
    "torch": ("epsilon", "epsilon_gamma_box", "attnlrp", "cp_lrp", "gradient", "excitation_backprop"),
    "keras": ("epsilon", "epsilon_alpha2_beta1_flat", "attnlrp", "beta_smooth"),
    "estimators": ("epsilon", "epsilon_plus_flat", "gradient"),
}


def packaged(folder: Path, count: int = 3) -> Iterator[Case]:
    """The models in a folder and in the wheels there, as ``real_models`` loads them."""
    from real_models import OPTIONS, models

    with tempfile.TemporaryDirectory() as scratch:
        for path in models([folder], Path(scratch)):
            try:
                net = lrp.load(path, **OPTIONS.get(path.name, {}))
                yield drawn(path.stem, net.until(net.outputs[0]), count)
            except LrpError as error:
                print(f"{path.name}: {error}")


def main(arguments: list[str]) -> None:
    for source in arguments or SOURCES:
        for case in SOURCES[source]() if source in SOURCES else packaged(Path(source)):
            names = COMPOSITES.get(source, lrp.composites.names() if source in SOURCES else SOME)
            start = {"start": "output"} if heads(case.net)[0].lost else {}
            plain = [(name, start) for name in names]
            for composite, how in ways() if source == "varied" else plain:
                shown = " ".join([composite, *map(str, how.values())])
                row = told(case, composite, 3 if source == "large" else 10, **how)
                print(f"{case.name:24} {shown:44} {row}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
