"""What the making scripts share: reading data, training, export to ONNX, sidecars, measuring."""

from __future__ import annotations

import gzip
import io
import json
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

MODELS = Path(__file__).resolve().parent.parent
SAMPLES = MODELS / "samples"
OPSET = 17

UInt8 = NDArray[np.uint8]
Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]


def seed_everything(seed: int, *, threads: int) -> None:
    """Fix the random numbers and the number of threads, so that a run on the same machine repeats."""
    torch.manual_seed(seed)
    torch.set_num_threads(threads)


def read_idx(path: Path) -> UInt8:
    """Read a gzipped IDX file: bytes 0, 0, 8 (uint8), rank, one big-endian int32 per axis, then the data."""
    raw = gzip.decompress(path.read_bytes())
    if raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: not an IDX file of unsigned bytes (starts with {raw[:4]!r})")
    rank = raw[3]
    shape = np.frombuffer(raw, dtype=">i4", count=rank, offset=4)
    return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * rank).reshape(shape).copy()


def replace_file(path: Path, data: bytes) -> None:
    """Write bytes under a temporary name first, so that no half-written file is ever seen."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def write_png(path: Path, pixels: UInt8) -> None:
    """Write a greyscale image (H, W)."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    replace_file(path, buffer.getvalue())


def write_npz(path: Path, **arrays: NDArray[Any]) -> None:
    """Write named arrays as one compressed file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    replace_file(path, buffer.getvalue())


def write_sidecar(path: Path, sidecar: dict[str, Any]) -> None:
    """Write the JSON file that says how to turn a photo or a series into the network's input."""
    replace_file(path, (json.dumps(sidecar, indent=2, ensure_ascii=False) + "\n").encode())


def image_sidecar(*, classes: list[str], composite: str, source: str, licence: str) -> dict[str, Any]:
    """Return the sidecar of a 28×28 greyscale classifier whose input is pixel / 255."""
    picture = {
        "kind": "image",
        "size": [28, 28],
        "channels": "L",
        "layout": "NCHW",
        "mean": 0,
        "scale": 1 / 255,
        "resize": "stretch",
    }
    return {"input": picture, "classes": classes, "composite": composite, "source": source, "licence": licence}


def export(
    model: nn.Module,
    example: Tensor,
    path: Path,
    *,
    input_name: str,
    tidy: Callable[[onnx.ModelProto], None] | None = None,
) -> None:
    """Write a model in evaluation mode as one self-contained ONNX file: batch axis N, output `logits`.

    `TrainingMode.PRESERVE` keeps BatchNormalization nodes apart from the convolutions; the model itself stays
    in evaluation mode, so that dropout vanishes and the running statistics are used.
    """
    model.eval()
    temporary = path.with_name(path.name + ".tmp")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that its newer exporter exists
        torch.onnx.export(
            model,
            (example,),
            str(temporary),
            input_names=[input_name],
            output_names=["logits"],
            dynamic_axes={input_name: {0: "N"}, "logits": {0: "N"}},
            opset_version=OPSET,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=True,
        )
    graph = onnx.load(temporary)
    temporary.unlink()
    if tidy is not None:
        tidy(graph)
    name_nodes(graph)
    onnx.checker.check_model(graph, full_check=True)
    replace_file(path, graph.SerializeToString())


def drop_unused(model: onnx.ModelProto) -> None:
    """Remove every node from which no graph output can be reached."""
    graph = model.graph
    needed = {value.name for value in graph.output}
    for node in reversed(graph.node):  # nodes stand in execution order
        if needed.intersection(node.output):
            needed.update(node.input)
    kept = [node for node in graph.node if needed.intersection(node.output)]
    del graph.node[:]
    graph.node.extend(kept)


def name_nodes(model: onnx.ModelProto) -> None:
    """Name each node, and the value it makes, after its module: `/block1/conv/Conv` → `block1.conv`."""
    graph = model.graph
    model.doc_string = ""
    del graph.value_info[:]  # inferred again by whoever wants them
    kept = {value.name for value in [*graph.input, *graph.output]}
    modules = [node.name.strip("/").rpartition("/")[0] for node in graph.node]
    steps = Counter(m for node, m in zip(graph.node, modules, strict=True) if node.op_type != "Constant")
    renamed: dict[str, str] = {}
    for node, module in zip(graph.node, modules, strict=True):
        kind = node.name.rpartition("/")[2].lower()
        base = module.replace("/", ".")
        main = node.op_type != "Constant" and (steps[module] == 1 or base.endswith(kind))
        node.name = base if base and main else f"{base}.{kind}".lstrip(".")
        node.doc_string = ""  # the exporter may leave source paths here
        for i, output in enumerate(node.output):
            if output and output not in kept:
                renamed[output] = node.name if i == 0 else f"{node.name}.{i}"
    for node in graph.node:
        node.input[:] = [renamed.get(value, value) for value in node.input]
        node.output[:] = [renamed.get(value, value) for value in node.output]


def logits(path: Path, inputs: Float32, *, batch: int = 500) -> Float32:
    """The outputs of an ONNX file for all inputs (N, …), by onnxruntime, batch after batch."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: inputs[i : i + batch]})[0] for i in range(0, len(inputs), batch)]
    return np.concatenate(parts).astype(np.float32)


def report(path: Path, model: nn.Module, inputs: Float32, labels: Int64) -> float:
    """Print and return the test accuracy of the ONNX file; fail where it departs from the PyTorch model."""
    out = logits(path, inputs)
    with torch.no_grad():
        mine = model(torch.from_numpy(inputs[:500])).numpy()
    gap = float(np.abs(out[:500] - mine).max())
    if gap > 1e-3 * max(1.0, float(np.abs(mine).max())):
        raise RuntimeError(f"{path.name}: onnxruntime and PyTorch differ by {gap:g}")
    right = int((out.argmax(axis=1) == labels).sum())
    print(
        f"{path.name}: {right} of {len(labels)} right = {100 * right / len(labels):.2f} %, "
        f"{path.stat().st_size} bytes, largest difference from PyTorch {gap:.1e}"
    )
    return right / len(labels)


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    augment: Callable[[Tensor], Tensor],
    epochs: int,
    batch: int,
    peak: float,
    decay: float,
    smoothing: float = 0.0,
) -> None:
    """Train with AdamW under a one-cycle learning rate; `augment` maps a batch to a changed copy."""
    steps = epochs * (len(images) // batch)
    optimiser = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=peak, total_steps=steps)
    lossfn = nn.CrossEntropyLoss(label_smoothing=smoothing)
    model.train()
    for epoch in range(epochs):
        started, total = time.monotonic(), 0.0
        order = torch.randperm(len(images))
        for i in range(0, len(images) - batch + 1, batch):
            pick = order[i : i + batch]
            optimiser.zero_grad()
            loss = lossfn(model(augment(images[pick])), labels[pick])
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(
            f"epoch {epoch + 1}/{epochs}: loss {total / (len(images) // batch):.4f}, "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )


def shift(images: Tensor, *, reach: int) -> Tensor:
    """Move each image (N, 1, H, W) by up to `reach` pixels each way, filling with zeros."""
    padded = nn.functional.pad(images, [reach] * 4)
    height, width = images.shape[2:]
    rows = torch.randint(0, 2 * reach + 1, (len(images), 1)) + torch.arange(height)
    columns = torch.randint(0, 2 * reach + 1, (len(images), 1)) + torch.arange(width)
    sample = torch.arange(len(images))[:, None, None]
    return padded[sample, 0, rows[:, :, None], columns[:, None, :]][:, None]
