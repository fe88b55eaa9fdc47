"""The project's own lossless format: an .npz of the arrays and a JSON header that describes the nodes.

The entry ``header`` holds UTF-8 JSON; every array is an entry of its own. Values are written as JSON types, tuples
as ``{"tuple": [...]}``, arrays as ``{"array": entry}``, edits of weights as ``{"edit": name}``. No pickle, no code.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..base.files import replace_file
from ..base.frozen import is_array
from ..errors import LrpError, ModelFormatError, ParameterError, UnsupportedError
from ..layers import LAYERS
from ..network.inputs import Input
from ..network.network import Network, Node
from ..propagation.presets import PRESETS
from ..rules import edits
from . import bilstm, outputs
from .archive import Archive
from .elsewhere import ORDER
from .limits import json_value
from .npy import npy

FORMAT = "lrp_ref network"
VERSIONS = (1, 2)  # a network whose batch is not the first axis is written as 2, which older readers refuse
HEADER_LIMIT = 64 << 20  # bytes of the JSON
# Fields that layers got since files were first written: a file without one means what the layer was then, its default.
LATER = {
    "Affine": {"cut"},
    "Constant": {"cut"},
    "LocalResponseNorm": {"window"},
    "MatMul": {"held"},
    "Multiply": {"held"},
}
# What Python and the layers raise on values of another kind than a header has.
DAMAGED = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)

_NO_NETWORK = f"an .npz file, but not one that lrp_ref.save wrote; {ORDER}"
_EDITS = {e.name: e for e in vars(edits).values() if isinstance(e, edits.Edit)}


def save(network: Network, path: Path) -> None:
    """Write ``network`` to ``path``: first under a temporary name, then renamed.

    Raises:
        UnsupportedError: a layer or value that the format does not hold.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    nodes = []
    for node in network.nodes:
        kind = type(node.layer).__name__
        if LAYERS.get(kind) is not type(node.layer):
            raise UnsupportedError(f"node '{node.name}': a {kind} is not a registered layer and cannot be saved")
        fields = {
            f.name: _encode(getattr(node.layer, f.name), f"node '{node.name}': {f.name}", arrays)
            for f in dataclasses.fields(node.layer)
        }
        nodes.append({"name": node.name, "layer": kind, "inputs": list(node.inputs), "fields": fields})
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": 2 if network.batch_first() is not network else 1,
        "inputs": [_declared(i, arrays) for i in network.inputs],
        "outputs": list(network.outputs),
        "nodes": nodes,
    }
    if network.output_axes:
        header["output_axes"] = list(network.output_axes)
    if network.left_out:
        header["left_out"] = [list(entry) for entry in network.left_out]
    if network.notes:
        header["notes"] = list(network.notes)
    if network.composite:
        header["composite"] = network.composite
    if network.classes:
        header["classes"] = list(network.classes)
    text = json.dumps(header, ensure_ascii=False, allow_nan=True).encode()
    entries: dict[str, Any] = {"header": np.frombuffer(text, dtype=np.uint8), **arrays}
    replace_file(path, lambda stream: np.savez(stream, **entries))  # kinds are checked: nothing to pickle


def _encode(value: Any, where: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if is_array(value) and isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiub":
            raise UnsupportedError(f"{where} is an array of {value.dtype}: only real numbers can be saved")
        key = f"a{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return {"tuple": [_encode(v, where, arrays) for v in value]}
    if isinstance(value, edits.Edit) and _EDITS.get(value.name) == value:
        return {"edit": value.name}
    raise UnsupportedError(
        f"{where} is a {type(value).__module__}.{type(value).__name__}: only numbers, texts, tuples and NumPy arrays "
        "can be saved"
    )


def load(path: Path, *, output: str | Sequence[str] | None = None, embedded: bool = False) -> Network:
    """Read a file that :func:`save` wrote, or the arrays of a bidirectional LSTM in the layout of LRP_for_LSTM.

    Args:
        path: the file.
        output: the values to return, by name; None for the outputs that were saved.
        embedded: of such an LSTM: whether it takes vectors, where the file has the table that integers look up.

    Raises:
        ModelFormatError: not such a file, damaged, or of another version; the message names file and node.
        ParameterError: no value is called as ``output`` says, or ``embedded`` for another network.
    """
    return outputs.part(_read(path, embedded), output, path)


def _read(path: Path, embedded: bool) -> Network:
    with Archive(path) as archive:
        if bilstm.recognises(names := {name.removesuffix(".npy") for name in archive.sizes}):
            held = [name for name in (*bilstm.NEEDED, *bilstm.OPTIONAL) if name in names]
            parts = {name: npy(archive.read(f"{name}.npy"), f"{path}: entry '{name}.npy'") for name in held}
            return bilstm.network(parts, path, embedded=embedded)
        if "header.npy" not in archive.sizes:
            raise ModelFormatError(f"{path}: {_NO_NETWORK}")
        if embedded:
            raise ParameterError(f"{path}: embedded=True is for LSTMs in the layout of LRP_for_LSTM")
        text = npy(archive.read("header.npy", HEADER_LIMIT), f"{path}: entry 'header.npy'").tobytes()
        header = json_value(text, f"{path}: not a readable network file: its header", longest=HEADER_LIMIT)
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ModelFormatError(f"{path}: {_NO_NETWORK}")
        if header.get("version") not in VERSIONS:
            known = ", ".join(map(str, VERSIONS))
            raise ModelFormatError(f"{path}: format version {header.get('version')!r}; this lrp_ref reads {known}")
        arrays = {
            name.removesuffix(".npy"): npy(archive.read(name), f"{path}: entry '{name}'")
            for name in archive.sizes
            if name != "header.npy"
        }
    try:
        return _network(header, arrays, path)
    except ModelFormatError:
        raise
    except LrpError as error:
        raise ModelFormatError(f"{path}: {error}") from error
    except DAMAGED as error:
        raise ModelFormatError(f"{path}: the header is damaged ({type(error).__name__}: {error})") from error


def _network(header: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]], path: Path) -> Network:
    nodes = []
    for entry in header["nodes"]:
        name = str(entry["name"])
        try:
            nodes.append(Node(name, _layer(entry, arrays), tuple(map(str, entry["inputs"]))))
        except (LrpError, *DAMAGED) as error:
            reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
            raise ModelFormatError(f"{path}: node '{name}': {reason}") from error
    inputs = []
    for entry in header["inputs"]:
        try:
            inputs.append(_input(entry, arrays))
        except LrpError as error:
            raise ModelFormatError(f"{path}: input '{entry['name']}': {error}") from error
    axes = tuple(_axis(k) for k in header.get("output_axes", ()))
    left = tuple((str(name), str(reason)) for name, reason in header.get("left_out", ()))
    notes = tuple(map(str, header.get("notes", ())))
    composite = str(header.get("composite", ""))
    if composite and composite not in PRESETS:
        raise ModelFormatError(f"{path}: it is to be explained with '{composite}', which is no composite")
    outputs_ = tuple(map(str, header["outputs"]))
    classes = tuple(map(str, header.get("classes", ())))
    return Network(tuple(nodes), tuple(inputs), outputs_, axes, left, notes, composite, classes)


def _declared(spec: Input, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    """Return an input as the header has it: fields with their defaults are not written, as in older files."""
    entry: dict[str, Any] = {"name": spec.name, "shape": None if spec.shape is None else list(spec.shape)}
    if spec.batch_axis != 0:
        entry["batch_axis"] = spec.batch_axis
    if spec.axes:
        entry["axes"] = list(spec.axes)
    if spec.element_type:
        entry["element_type"] = spec.element_type
    for key, bound in (("low", spec.low), ("high", spec.high)):
        if bound is not None:
            entry[key] = _encode(bound, f"input '{spec.name}': {key}", arrays)
    return entry


def _input(entry: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Input:
    axes = tuple(map(str, entry.get("axes", ())))
    kind = str(entry.get("element_type", ""))
    bounds = (_decode(entry.get(key), arrays) for key in ("low", "high"))
    return Input(str(entry["name"]), _shape(entry["shape"]), _axis(entry.get("batch_axis", 0)), axes, kind, *bounds)


def _axis(value: Any) -> int | None:
    return None if value is None else int(value)


def _shape(value: Any) -> tuple[int | None, ...] | None:
    if value is None:
        return None
    if not all(n is None or (isinstance(n, int) and n >= 0) for n in value):
        raise ValueError(f"input shape {value} is not a list of sizes")
    return tuple(value)


def _layer(entry: dict[str, Any], arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    kind, fields = entry["layer"], entry["fields"]
    if kind not in LAYERS:
        raise ModelFormatError(f"the layer '{kind}' is not known")
    known = {f.name for f in dataclasses.fields(LAYERS[kind])}
    wrong = (set(fields) ^ known) - (LATER.get(kind, set()) - set(fields))
    if wrong:
        raise ModelFormatError(f"the fields of {kind} do not fit (missing or not known: {', '.join(sorted(wrong))})")
    return LAYERS[kind](**{name: _decode(value, arrays) for name, value in fields.items()})


def _decode(value: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ModelFormatError("a bare list is no value of this format")
        return value
    if len(value) != 1:
        raise ModelFormatError(f"{sorted(value)} is no value of this format")
    ((tag, content),) = value.items()
    if tag == "array" and content in arrays:
        return arrays[content]
    if tag == "tuple":
        return tuple(_decode(v, arrays) for v in content)
    if tag == "edit" and content in _EDITS:
        return _EDITS[content]
    raise ModelFormatError(f"{tag} {content!r} is not in the file")
