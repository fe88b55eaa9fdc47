"""Exports of the kinds of PyTorch models in ``torch_kinds``, and what becomes of them: a table of both exporters.

``python tests/support/torch_models.py [NAME…] [--only torchscript-dynamic]`` prints for each kind and export whether it
loads, equals onnxruntime and is explained with a closing ledger, or the reason why not.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import itertools
import logging
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime
import torch
from torch_kinds import KINDS
from torch_kinds.kind import Kind, Net

import lrp_ref as lrp
from lrp_ref.errors import LrpError
from lrp_ref.loaders import onnx as loader
from lrp_ref.network.heads import heads

EXPORTS = ("torchscript-fixed", "torchscript-dynamic", "dynamo-fixed", "dynamo-dynamic", "dynamo-dynamic-23")
SAMPLES, OTHERS = 2, 3  # of the export, and of another batch where the file leaves its size free
LONGEST = 16  # steps of a sequence
EQUAL, CLOSED = 1e-5, 1e-9  # relative to the largest output, in float32; relative residual of the ledger, in float64


@dataclass(frozen=True)
class Result:
    """What became of one export, as far as it got.

    exported, loads, ledger: "" where it did, else the reason. equal: largest relative difference to onnxruntime.
    ledger: None where nothing was explained.
    """

    exported: str = ""
    loads: str = ""
    difference: float = float("nan")
    residual: float = float("nan")
    explained: str = ""

    @property
    def equal(self) -> bool:
        return self.difference <= EQUAL

    @property
    def closes(self) -> bool:
        return self.residual <= CLOSED

    def told(self) -> str:
        if self.exported or self.loads:
            return f"not exported: {self.exported}" if self.exported else f"refused: {self.loads}"
        same = f"equal ({self.difference:.0e})" if self.equal else f"WRONG ({self.difference:.1e})"
        if self.explained:
            return f"{same}, not explained: {self.explained}"
        return (
            f"{same}, ledger closes ({self.residual:.0e})" if self.closes else f"{same}, LEDGER ({self.residual:.0e})"
        )


@contextlib.contextmanager
def one_registry() -> Iterator[None]:
    """Let the newer exporter make the list of its operators once for all exports, which takes half of the time."""
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:  # another version of torch, which takes its time
        yield
        return
    made = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
    with mock.patch.object(ONNXRegistry, "from_torchlib", made):
        yield


def export(kind: Kind, how: str, folder: Path) -> Path:
    """Write a kind as ONNX by the exporter that ``how`` names, batch and time free or fixed, in an opset if one is."""
    exporter, batch, *opset = how.split("-")
    module, xs = kind.module(), kind.samples(SAMPLES)
    free = batch == "dynamic"
    axes = kind.free(exporter)
    options: dict[str, Any] = {"dynamic_axes": axes if free else None}
    if exporter == "dynamo":
        named = {name: torch.export.Dim(name) for name in ("batch", "time")}
        if kind.times:  # as far as tables of positions reach
            named["time"] = torch.export.Dim("time", min=2, max=LONGEST)
        sizes: Any = tuple({axis: named[name] for axis, name in of.items()} for of in axes.values())
        sizes = (sizes,) if isinstance(module, Net) else sizes  # what a Net takes are the elements of one *xs
        options = {"dynamic_shapes": sizes if free else None}
    if opset:
        options["opset_version"] = int(opset[0])
    path = folder / f"{kind.name}.{how}.onnx"
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        # The exporters warn about themselves, in both ways.
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        torch.onnx.export(
            module, tuple(xs.values()), str(path), dynamo=exporter == "dynamo", input_names=list(xs), **options
        )
        logging.disable(logging.NOTSET)
    return path


def session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def measure(kind: Kind, how: str, path: Path) -> Result:
    """Load an export, compare it with onnxruntime on every output, and explain its first one."""
    axes = dict.fromkeys(kind.inputs, kind.batch) if kind.batch else None
    try:
        conversion = loader.convert(path, batch_axes=axes)
    except LrpError as error:
        return Result(loads=" ".join(str(error).removeprefix(f"{path}: ").split()))
    net = conversion.network
    if net.left_out and kind.name != "heads":
        return Result(loads=str(net.left_out))
    runtime, worst = session(path), 0.0
    free = "dynamic" in how
    times = kind.times if free and how.partition("-")[0] in kind.follow_time else kind.times[:1]
    for n, time in itertools.product((SAMPLES, OTHERS) if free else (SAMPLES,), times or (None,)):
        xs = {name: x.numpy() for name, x in kind.samples(n, seed=n, time=time).items()}
        asked = {i.name for i in runtime.get_inputs()}
        try:
            theirs = runtime.run([name for name, _ in conversion.outputs], {k: x for k, x in xs.items() if k in asked})
        except Exception as error:  # whatever onnxruntime raises on a file that an exporter wrote
            return Result(exported=f"onnxruntime: {' '.join(str(error).split())[:100]}")
        try:
            found = net.forward({name: xs[tensor] for name, tensor in conversion.inputs.items()})
        except LrpError as error:
            return Result(loads=f"forward: {error}")
        ours = found if isinstance(found, dict) else {net.outputs[0]: found}
        for (_, value), expected in zip(conversion.outputs, theirs, strict=True):
            worst = max(worst, apart(ours[value], expected))
    return explained(net, {name: xs[tensor] for name, tensor in conversion.inputs.items()}, worst)


def apart(ours: Any, theirs: Any) -> float:
    """The largest difference, relative to the largest expected number; infinite where the shapes differ."""
    if ours.shape != theirs.shape or not np.isfinite(ours).all():
        return float("inf")
    size = float(np.abs(theirs).max(initial=0)) or 1.0
    return float(np.abs(ours.astype(float) - theirs.astype(float)).max(initial=0)) / size


def explained(net: Any, x: dict[str, Any], difference: float) -> Result:
    """Explain the first output in float64 with ε."""
    xs = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in x.items()}
    try:
        one = net.until(net.outputs[0]).astype(np.float64)
        used = {name: a for name, a in xs.items() if name in {i.name for i in one.inputs}}
        start = "output" if heads(one)[0].lost else "logit"
        e = lrp.explain(one, used, target=0, composite="epsilon", start=start)
    except LrpError as error:
        return Result(difference=difference, explained=" ".join(str(error).split()))
    return Result(difference=difference, residual=e.ledger.residual)


def outcome(kind: Kind, how: str, folder: Path) -> Result:
    """Export and measure."""
    try:
        path = export(kind, how, folder)
    except Exception as error:  # whatever an exporter raises is a word about the exporter
        return Result(exported=f"{type(error).__name__}: {' '.join(str(error).split())[:100]}")
    return measure(kind, how, path)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--only", choices=EXPORTS, action="append")
    given = parser.parse_args(arguments)
    count: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, one_registry():
        for name in given.names or KINDS:
            for how in given.only or EXPORTS:
                found = outcome(KINDS[name], how, Path(folder))
                print(f"{name:28} {how:20} {found.told()}", flush=True)
                count["exports"] += 1
                count["exported"] += not found.exported
                count["equal"] += found.equal
                count["closing ledger"] += found.closes
                count["WRONG"] += not (found.exported or found.loads or found.equal)
    print(", ".join(f"{n} {what}" for what, n in count.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
