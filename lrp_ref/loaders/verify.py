"""Is the network that was loaded the model in the file? A comparison with onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError, require
from ..network.inputs import batch_back
from ..network.network import Network, owner

HIDDEN = float(np.finfo(np.float32).min / 8)  # below it is what a mask hides
CANCELLED = 0.01  # part of the largest number that a node reads: differences are relative to no less than that


@dataclass(frozen=True)
class Comparison:
    """How far one output is from onnxruntime's.

    Attributes:
        output: the tensor's name in the file.
        value: name of the network's value.
        shape: of both, as in the file.
        difference: largest absolute difference.
        relative: that divided by the largest absolute value of onnxruntime's output.
        top1: whether the largest entry along the last axis is the same in every row.
        precision: the dtype in which both ran.
        cast: whether the file was float64 and was compared in float32, for which onnxruntime has all kernels.
        rounding: "quantised" or "half" where onnxruntime rounds values in between and this package does not; else "".
    """

    output: str
    value: str
    shape: tuple[int, ...]
    difference: float
    relative: float
    top1: bool
    precision: str
    cast: bool
    rounding: str = ""


@dataclass(frozen=True)
class NodeComparison:
    """How far one value inside the network is from onnxruntime's.

    Attributes:
        value: name of the network's value.
        tensor: its name in the file.
        relative: largest absolute difference, divided by the largest absolute value of onnxruntime's tensor; or, where
            larger numbers than 100 times that cancelled out in it, by a hundredth of the largest that the node reads.
    """

    value: str
    tensor: str
    relative: float


def compare_nodes(path: str | Path, x: Any, **options: Any) -> tuple[NodeComparison, ...]:
    """Run an ONNX file here and in onnxruntime with the same arrays, and compare every value that both have.

    A value that the file has not, such as the sum that an exporter wrote out and lrp_ref reads as one layer, or that it
    has inside a function or a branch, is not compared. Nothing is written: the file that onnxruntime runs, with every
    tensor as an output, is in memory.

    Args:
        path: an ONNX file.
        x: the input as the file declares it, or a dict name → array for several inputs.
        options: for :func:`lrp_ref.loaders.onnx.load`.

    Returns:
        One comparison for each value, in the order of the network.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelFormatError: onnxruntime cannot run the file, or not for this batch size.
    """
    conversion, network, fed, cast = _ready(Path(path), x, options)
    ours = network.values(network.feed(fed), check=False)
    order = {node.name: k for k, node in enumerate(network.nodes)}
    there = _made(Path(path))
    compared = [value for value, (tensor, _) in conversion.values.items() if tensor in there]
    names = sorted(compared, key=lambda value: order[owner(value, order)])
    theirs = _run(Path(path), conversion, fed, cast, [conversion.values[name][0] for name in names]) if names else []
    found = []
    for name, other in zip(names, theirs, strict=True):
        tensor, axis = conversion.values[name]
        read = [ours[value] for value in network[owner(name, order)].inputs]
        found.append(NodeComparison(name, tensor, _apart(batch_back(ours[name], axis), np.asarray(other), read)))
    return tuple(found)


def _apart(ours: Any, theirs: Any, read: Sequence[Any]) -> float:
    """Return the relative difference; infinite where the shapes differ, or numbers are finite in one only."""
    if ours.shape != theirs.shape:
        return float("inf")
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    differs = ours != theirs
    differs &= ~(np.isnan(ours) & np.isnan(theirs))
    differs &= ~(np.isneginf(theirs) & (ours < HIDDEN))  # in place of −∞ a mask has a number here
    if not differs.any():
        return 0.0
    ours_there, theirs_there = ours[differs], theirs[differs]
    if not (np.isfinite(ours_there).all() and np.isfinite(theirs_there).all()):
        return float("inf")
    beside = max((_largest(a) for a in read if a.dtype.kind == "f"), default=0.0)
    size = max(_largest(theirs), CANCELLED * beside) or 1.0
    return float(np.abs(ours_there - theirs_there).max()) / size


def _largest(array: Any) -> float:
    return float(np.abs(array[np.isfinite(array) & (array > HIDDEN)]).max(initial=0))


def check_against_onnxruntime(path: str | Path, x: Any, **options: Any) -> tuple[Comparison, ...]:
    """Run an ONNX file here and in onnxruntime with the same arrays, and compare every output that is loaded.

    A float64 file is compared in float32: onnxruntime has no float64 Conv, LSTM or Erf.

    Args:
        path: an ONNX file.
        x: the input as the file declares it, or a dict name → array for several inputs.
        options: for :func:`lrp_ref.loaders.onnx.load`.

    Returns:
        One comparison for each output that is loaded.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ModelFormatError: onnxruntime cannot run the file, or not for this batch size.
    """
    conversion, network, fed, cast = _ready(Path(path), x, options)
    ours = network.forward(fed)
    ours = ours if isinstance(ours, dict) else {network.outputs[0]: ours}
    theirs = _run(Path(path), conversion, fed, cast, [name for name, _ in conversion.outputs])
    return tuple(
        replace(_compare(name, value, ours[value], reference, cast), rounding=conversion.rounding)
        for (name, value), reference in zip(conversion.outputs, theirs, strict=True)
    )


def _ready(path: Path, x: Any, options: Mapping[str, Any]) -> tuple[Any, Network, dict[str, Any], bool]:
    """Return the conversion, the network and its inputs in the precision of the comparison, and whether that is not the
    file's."""
    require("onnxruntime", extra="runtime", purpose="compare with onnxruntime")
    from . import onnx as loader

    conversion = loader.convert(path, **options)
    network, cast = conversion.network, conversion.network.dtype == np.float64
    if cast:
        network = network.astype(np.float32)
    fed = dict(x) if isinstance(x, Mapping) else {network.inputs[0].name: x}
    fed = {k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in fed.items()}
    return conversion, network, fed, cast


def _run(path: Path, conversion: Any, fed: Mapping[str, Any], cast: bool, tensors: list[str]) -> list[Any]:
    """Return these tensors as onnxruntime computes them."""
    runtime = require("onnxruntime", extra="runtime", purpose="compare with onnxruntime")
    try:
        source = _source(path, cast, [*conversion.inputs.values(), *conversion.constants], tensors)
        session = runtime.InferenceSession(source, _options(runtime), ["CPUExecutionProvider"])
        feeds = {name: array for name, array in conversion.constants.items() if name in _names(session)}
        for name, array in fed.items():
            tensor = conversion.inputs[name]
            feeds[tensor] = np.ascontiguousarray(array).astype(_dtype(session, tensor))
        found: list[Any] = session.run(tensors, feeds)
    except Exception as error:  # onnxruntime's errors share no base class that it exports
        text = " ".join(str(error).split())[:200]
        raise ModelFormatError(f"{path}: onnxruntime cannot run it: {text}") from error
    return found


def _names(session: Any) -> set[str]:
    return {spec.name for spec in session.get_inputs()}


def _options(runtime: Any) -> Any:
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # warnings about the file's initialisers are not about the comparison
    return options


def _dtype(session: Any, tensor: str) -> Any:
    (kind,) = (i.type for i in session.get_inputs() if i.name == tensor)
    name = kind.removeprefix("tensor(").removesuffix(")")
    return np.dtype({"float": "float32", "double": "float64"}.get(name, name))


def _source(path: Path, cast: bool, inputs: list[str], outputs: list[str]) -> str | bytes:
    """Return what onnxruntime runs: the file, or a model that computes only these outputs, or in single precision."""
    onnx = require("onnx", extra="onnx", purpose="read ONNX files")
    model = onnx.load(path, load_external_data=False)
    whole = (
        [v.name for v in model.graph.output] == outputs
        and {v.name for v in model.graph.input} - {t.name for t in model.graph.initializer} == set(inputs)
    )  # fmt: skip
    whole = not _without_probabilities(model.graph) and whole
    if whole and not cast:
        return str(path)
    onnx.load_external_data_for_model(model, str(path.parent))
    if not whole:
        _prune(model.graph, inputs, outputs, onnx)
    if cast:
        _single_precision(model, onnx)
    content: bytes = model.SerializeToString()
    return content


def _without_probabilities(graph: Any) -> bool:
    """Leave out what makes probabilities of a machine's scores, which the network has; return whether there was any."""
    there = False
    for node in graph.node:
        if node.op_type == "SVMClassifier":
            there |= any(a.name in ("prob_a", "prob_b") for a in node.attribute)
            _keep(node.attribute, lambda _, a: a.name not in ("prob_a", "prob_b"))
    return there


def _made(path: Path) -> set[str]:
    """Return the tensors that the nodes of the file's graph make, without those inside branches and functions."""
    onnx = require("onnx", extra="onnx", purpose="read ONNX files")
    graph = onnx.load(path, load_external_data=False).graph
    return {name for node in graph.node for name in node.output}


def _prune(graph: Any, inputs: list[str], outputs: list[str], onnx: Any) -> None:
    """Leave only the nodes that the outputs need, which may be tensors inside the graph."""
    from .onnx.captured import inside

    needed, kept = set(outputs), set()
    for k in reversed(range(len(graph.node))):
        if needed.intersection(graph.node[k].output):
            kept.add(k)
            needed.update(graph.node[k].input, inside(graph.node[k]))
    weights = {t.name for t in graph.initializer}
    known = {v.name: v for v in (*graph.output, *graph.value_info)}
    returned = [known.get(name) or onnx.helper.make_empty_tensor_value_info(name) for name in outputs]
    returned = [onnx.ValueInfoProto.FromString(v.SerializeToString()) for v in returned]
    del graph.output[:]
    graph.output.extend(returned)
    _keep(graph.node, lambda k, node: k in kept)
    _keep(graph.input, lambda k, value: value.name in needed and (value.name in weights or value.name in inputs))
    _keep(graph.initializer, lambda k, tensor: tensor.name in needed)


def _keep(field: Any, wanted: Callable[[int, Any], bool]) -> None:
    for k in reversed(range(len(field))):
        if not wanted(k, field[k]):
            del field[k]


def _single_precision(model: Any, onnx: Any) -> None:
    """Make every float64 tensor, constant and cast of the model float32."""
    single, double = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE

    def convert(tensor: Any) -> None:
        if tensor.data_type == double:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))

    for tensor in model.graph.initializer:
        convert(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                convert(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == double:
                attribute.i = single
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type == double:
            value.type.tensor_type.elem_type = single
    del model.graph.value_info[:]


def _compare(name: str, value: str, ours: Any, theirs: Any, cast: bool) -> Comparison:
    if ours.shape != theirs.shape:
        raise ModelFormatError(f"output '{name}' has shape {ours.shape} here and {theirs.shape} in onnxruntime")
    dtype = str(ours.dtype)
    # Truth values have no difference, and that of unsigned integers is never below 0.
    ours, theirs = (a if a.dtype.kind == "f" else a.astype(np.float64) for a in (ours, theirs))
    difference = float(np.abs(ours - theirs).max(initial=0))
    size = float(np.abs(theirs).max(initial=0))
    same = bool((ours.argmax(axis=-1) == theirs.argmax(axis=-1)).all()) if ours.ndim > 1 else True
    relative = difference / size if size else difference
    return Comparison(name, value, tuple(ours.shape), difference, relative, same, dtype, cast)
