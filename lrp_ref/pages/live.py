"""The live page: a digit is drawn, and a network and its explanation run in the browser while it is."""

from __future__ import annotations

import contextlib
import re
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import ModelFormatError, ParameterError, UnsupportedError
from ..export.exporting import export_onnx
from ..layers import Dense
from ..loaders import load
from ..loaders.preprocess import Sidecar, declare, load_sidecar
from ..network.network import Network
from ..propagation.explaining import explain
from ..propagation.explanation import Explanation
from ..propagation.ledger import COLUMNS
from . import assembling
from .assembling import asset, document, little_endian
from .drawn import BOX, LOOP, PEN, SAMPLES, SIDE, SMALLEST, picture, smooth
from .layer_json import layer_json
from .rule_json import rule_json

PROGRAM, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
COMPOSITE = "epsilon_gamma_box"
EPSILON, GAMMA = 1e-6, 0.25
FIRST = "3"  # the sample that the page shows before the network is ready
STYLES = ("page.css", "unit.css", "live.css")
MOST_CLASSES = 16
FEW = 16  # numbers that stand in the header
ENDS = 4096  # bytes at the end of the runtime's program, in which it says what it exports


@dataclass(frozen=True)
class Runtime:
    """The two files of onnxruntime-web that a page holds, and what it says of them."""

    program: bytes
    wasm: bytes
    version: str
    paths: tuple[Path, ...] = ()

    @classmethod
    def of(cls, folder: str | Path) -> Runtime:
        """Read a folder ``onnxruntime-web/dist``.

        Raises:
            ParameterError: the folder or one of the files is not there, is something else, or not whole.
        """
        folder = Path(folder)
        want = f"the folder 'dist' of the npm package onnxruntime-web, with {PROGRAM} and {WASM}"
        if not folder.is_dir():
            raise ParameterError(
                f"runtime {folder}: there is no such folder; give {want} (npm install onnxruntime-web)"
            )
        missing = [name for name in (PROGRAM, WASM) if not (folder / name).is_file()]
        if missing:
            raise ParameterError(f"runtime {folder}: it has no {' and no '.join(missing)}; give {want}")
        program, wasm = ((folder / name).read_bytes() for name in (PROGRAM, WASM))
        said = re.search(rb"ONNX Runtime Web v([\w.+-]+)", program[:1000])
        if said is None:
            raise ParameterError(f"runtime {folder}: {PROGRAM} is not that of onnxruntime-web; give {want}")
        if wasm[:4] != b"\0asm":
            raise ParameterError(f"runtime {folder}: {WASM} is no WebAssembly; give {want}")
        cut = [name for name, whole in ((PROGRAM, b"export" in program[-ENDS:]), (WASM, _whole(wasm))) if not whole]
        if cut:
            raise ParameterError(f"runtime {folder}: {' and '.join(cut)} ends too early; install the package again")
        return cls(program, wasm, said[1].decode(), tuple(folder / name for name in (PROGRAM, WASM)))


def _whole(wasm: bytes) -> bool:
    """Return whether the sections of a WebAssembly module, each of which says how long it is, end where the file does.

    Example:
        >>> head = b"\\0asm\\1\\0\\0\\0"
        >>> _whole(head), _whole(head + b"\\0\\2ab"), _whole(head + b"\\0\\3ab")
        (True, True, False)
    """
    at, end = 8, len(wasm)
    while at < end:
        at, size, shift, more = at + 1, 0, 0, True
        while more and at < end:
            size |= (wasm[at] & 127) << shift
            more, shift, at = wasm[at] > 127, shift + 7, at + 1
        at += size + more
    return at == end


def write(path: str | Path, *, runtime: str | Path, model: str | Path | None = None) -> Path:
    """Write the live page as one HTML file, which asks the network for nothing and opens from a folder.

    Args:
        path: of the file.
        runtime: the folder ``dist`` of the npm package onnxruntime-web (MIT), two files of which the page holds.
        model: a network that tells up to 16 classes of drawings apart, with one input of 28×28 numbers and its
            sidecar; None for the digits of MNIST that come with the package.

    Returns:
        The path.

    Raises:
        ParameterError: a runtime that is not one, or a path that is none for a page.
        ModelFormatError, UnsupportedError: a network that is none of drawings, or cannot be written as a graph.
        MissingExtraError: onnx is not installed.
    """
    files = Runtime.of(runtime)
    if model is None:
        with resources.as_file(resources.files("lrp_ref") / "data") as folder:
            return _written(path, files, folder / "digits_cnn.npz", own=True)
    return _written(path, files, Path(model), own=False)


def _written(path: str | Path, files: Runtime, model: Path, *, own: bool) -> Path:
    net, sidecar = read(model)
    page = assembled(net, sidecar, exported(net), files, own)
    return assembling.write(path, page, reads=(*files.paths, model, model.with_suffix(".json")))


def read(model: Path) -> tuple[Network, Sidecar]:
    """Return a network of drawings and its sidecar.

    Raises:
        ModelFormatError: no sidecar of images of 28×28 grey pixels, or another input or output.
    """
    if not model.exists():
        raise ModelFormatError(f"{model}: there is no such file")
    sidecar = load_sidecar(model)
    if sidecar is None or sidecar.kind != "image" or sidecar.shape() != (1, 1, SIDE, SIDE):
        beside = model.with_suffix(".json")
        raise ModelFormatError(f"{model}: the page draws pictures of {SIDE}×{SIDE} grey pixels; {beside} says of none")
    net = declare(load(model), sidecar)
    if len(net.inputs) != 1 or len(net.outputs) != 1:
        raise ModelFormatError(f"{model}: the page has one picture and one output; the network has more")
    shape = np.shape(net.forward(np.zeros((1, 1, SIDE, SIDE))))
    if len(shape) != 2 or not 2 <= shape[1] <= MOST_CLASSES:
        raise ModelFormatError(f"{model}: the page has room for 2 to {MOST_CLASSES} classes; the output is {shape[1:]}")
    return net, sidecar


def exported(net: Network) -> bytes:
    """Return the graph that the page runs: the explanation of every class with 1 in place of its output.

    Relevance is linear in what starts, so that a page makes every start of these.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "live.onnx"
        for adjustable in (("epsilon", "gamma"), ("epsilon",)):
            try:
                export_onnx(net, COMPOSITE, path, targets="input", start="one_hot", shapes=(1, SIDE, SIDE),
                            adjustable=adjustable, trace=True)  # fmt: skip
                return path.read_bytes()
            except ParameterError as error:  # a network without convolutions has no γ
                reason = error
        raise UnsupportedError(f"the page has no slider for this network: {reason}") from reason


def assembled(net: Network, sidecar: Sidecar, graph: bytes, files: Runtime, own: bool = False) -> str:
    """Return the page; ``own`` is whether the network is the package's, for which the tour is written."""
    lines = {name: [smooth(line) for line in sample] for name, sample in SAMPLES.items()}
    drawing = picture(lines[FIRST])
    first = first_view(net, sidecar, drawing)
    classes = first.output.shape[1]
    names = list(sidecar.classes or net.classes) or [str(k) for k in range(classes)]
    header = {
        "version": __version__,
        "runtime": files.version,
        "model": {"source": sidecar.source, "licence": sidecar.licence},
        "classes": names,
        "composite": str(first.rules),
        "input": {"name": net.inputs[0].name, "mean": sidecar.mean[0], "scale": sidecar.scale[0]},
        "pen": {"side": SIDE, "box": BOX, "pen": PEN, "smallest": SMALLEST},
        "epsilon": EPSILON,
        "gamma": GAMMA,
        "columns": list(COLUMNS),
        "ledger": [row.node for row in first.ledger],
        "nodes": nodes(first, graph),
        "first": FIRST,
        "digits": names == list("0123456789"),
        "tour": own,
        "samples": lines,
        "loop": smooth(LOOP),
    }
    ledger = np.stack([np.stack([getattr(row, c) for c in COLUMNS], axis=-1) for row in first.ledger], axis=1)
    values = (first.output[:1], first.relevance, ledger)
    blocks = {
        "runtime": files.program,
        "wasm": files.wasm,
        "graph": graph,
        "first": b"".join(little_endian(part) for part in values),
    }
    body = asset("live.html")
    return document(
        title="Draw a digit", body=body, start="live.js", header=header, blocks=blocks, styles=STYLES, wasm=True
    )


def first_view(net: Network, sidecar: Sidecar, drawing: Any) -> Explanation:
    """Return what the page shows first, in float64: the explanation of every class with 1 in place of its output."""
    x = (255 * np.asarray(drawing, dtype=np.float64) - sidecar.mean[0]) * sidecar.scale[0]
    classes = np.shape(net.forward(x[None, None]))[1]
    batch = np.repeat(x[None, None], classes, axis=0)
    return explain(net, batch, target=np.arange(classes), composite=COMPOSITE, start="one_hot", epsilon=EPSILON,
                   gamma=GAMMA, trace=True)  # fmt: skip


def nodes(first: Explanation, graph: bytes) -> list[dict[str, Any]]:
    """Return what the page says of each node and, where it can look at a unit, what that needs.

    Weights are not in the page a second time: it is said where the graph has them.
    """
    values, traced = first.trace.values, first.trace.nodes
    found = []
    for planned in first.plan:
        name, layer = planned.node, planned.layer
        reads, made = traced[name].reads, values[name].shape[1:]
        said: dict[str, Any] = {"name": name, "layer": type(layer).__name__, "rule": planned.label}
        said |= {"reads": list(reads), "shape": list(made)}
        if len(reads) == 1 and not layer.moves:
            read = values[reads[0]].shape[1:]
            with contextlib.suppress(UnsupportedError):
                described, arrays = layer_json(layer, read, made)
                said["share"] = settable(rule_json(planned.rule, layer, read), dense=isinstance(layer, Dense))
                said["unit"] = described | {key: _place(array, graph) for key, array in arrays.items()}
        found.append(said)
    return found


def settable(rule: Any, *, dense: bool = False) -> Any:
    """Return a rule's JSON with "gamma" and, of dense layers, "epsilon" in place of the numbers that sliders set.

    Example:
        >>> settable({"weights": {"boost": GAMMA, "part": "pos"}, "stabiliser": {"kind": "add", "epsilon": 1}})
        {'weights': {'boost': 'gamma', 'part': 'pos'}, 'stabiliser': {'kind': 'add', 'epsilon': 1}}
    """
    names = {"boost": "gamma"} | ({"epsilon": "epsilon"} if dense else {})
    if isinstance(rule, dict):
        return {k: names[k] if k in names else settable(v, dense=dense) for k, v in rule.items()}
    return [settable(part, dense=dense) for part in rule] if isinstance(rule, list) else rule


def _place(array: Any, graph: bytes) -> Any:
    """Return an array as [place in the graph, how many numbers], or as a list where the graph does not have it."""
    data = little_endian(array)
    at = graph.find(data) if array.size > FEW else -1
    return [at, array.size] if at >= 0 else {"numbers": np.asarray(array, dtype=np.float64).tolist()}
