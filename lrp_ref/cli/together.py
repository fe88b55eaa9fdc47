"""A data set as one batch: its samples, and what it says of them besides: labels, masks, boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LrpError, ModelFormatError, ParameterError, ShapeError, UnsupportedError
from ..layers import Transpose
from ..loaders.numbers import pixels, require_floats
from ..loaders.preprocess import Sidecar
from ..network.inputs import batch_first
from ..network.network import Network, Node
from . import inputs
from .arrays import DAMAGED, slices
from .samples import Refused, Sample

LABELS = ("labels", "label", "y", "target", "targets")  # what the classes of a data set may be called
OBJECTS = ("masks", "boxes")


@dataclass(frozen=True, eq=False)
class Together:
    """Samples of one shape.

    Attributes:
        net: whose samples they are, with the batch in front, and the channels of a picture before its rows.
        x: the samples (N, ...), laid out as ``net`` takes them.
        samples: as they were read.
        beside: what was given for each of them, by name: "labels", "masks", "boxes" (N, ...).
        places: of each among all that were given, of which some may have been refused.
        given: how many were given.
        whole: whether all were read, and none left for a limit.
        refused: what cannot be read.
    """

    net: Network
    x: NDArray[Any]
    samples: tuple[Sample, ...]
    beside: dict[str, NDArray[Any]] = field(default_factory=dict)
    places: tuple[int, ...] = ()
    given: int = 0
    whole: bool = True
    refused: tuple[Refused, ...] = ()


def read(
    given: Sequence[Path], net: Network, sidecar: Sidecar | None, model: Path, dtype: str, most: int | None = None
) -> Together:
    """Return the samples of all inputs as one batch.

    Args:
        given: pictures, folders of them, .npy and .npz files; an .npz file may hold labels, masks and boxes too.
        net: of one input.
        sidecar: of the model.
        model: its file, for messages.
        dtype: of what is computed.
        most: take this many samples; None for all.

    Raises:
        ShapeError: several inputs, or samples of different shapes.
        LrpError: what is wrong with the only input.
    """
    if len(net.inputs) != 1:
        raise ShapeError(
            f"{model} has {len(net.inputs)} inputs: measures replace parts of one array; choose an output that depends "
            "on one input, or explain it with 'lrp-ref attribute'"
        )
    files, refused = inputs.found(given, typed=False)
    samples: list[Sample] = []
    places: list[int] = []
    parts: dict[str, list[NDArray[Any]]] = {}
    total, whole = len(refused), True
    for name, path in files.items():
        assert isinstance(path, Path), "sentences are no files"
        if most is not None and len(samples) >= most:
            whole = False
            break
        beside: dict[str, NDArray[Any]] = {}
        for item in _items(name, path, net, sidecar, model, dtype, beside):
            if most is not None and len(samples) >= most:
                whole = False
                break
            total += 1
            if isinstance(item, Refused):
                refused.append(item)
                continue
            places.append(total - 1)
            samples.append(item)
            for key, array in beside.items():
                parts.setdefault(key, []).append(array[item.number])
    if not samples:
        if len(refused) == 1:
            raise refused[0].error
        first = f"; the first: {refused[0].error}" if refused else ""
        raise ParameterError(f"none of {len(refused)} inputs can be read{first}")
    shapes = {inputs.kind(sample) for sample in samples}
    if len(shapes) > 1:
        told = ", ".join(sorted({f"{a.shape} {a.dtype}" for s in samples for a in s.x.values()}))
        raise ShapeError(f"the inputs have different shapes or dtypes ({told}): take those of one at a time")
    spec = net.inputs[0]
    rows = [batch_first(sample.x[spec.name], spec.batch_axis) for sample in samples]
    if rows[0].dtype.kind != "f":
        raise UnsupportedError(
            f"{model} takes integers ({rows[0].dtype}), and measures put numbers between them in their place: "
            "'lrp-ref attribute' and 'explain' show what each receives"
        )
    turned, x = laid(net.batch_first(), np.concatenate(rows), sidecar)
    told_of_all = {key: np.stack(found) for key, found in parts.items() if len(found) == len(samples)}
    return Together(turned, x, tuple(samples), told_of_all, tuple(places), total, whole, tuple(refused))


def laid(net: Network, x: NDArray[Any], sidecar: Sidecar | None) -> tuple[Network, NDArray[Any]]:
    """Return pictures with their channels in front of rows and columns, as measures take them, and the network so."""
    spec = net.inputs[0]
    told = sidecar is not None and sidecar.kind == "image" and sidecar.layout == "NHWC"
    if x.ndim != 4 or not (told or spec.axes[-1:] == ("channels",)):
        return net, x
    names = {spec.name, *(n.name for n in net.nodes)}
    turned = next(name for k in range(len(names) + 1) if (name := f"channels_last{k or ''}") not in names)
    nodes = [replace(n, inputs=tuple(turned if i == spec.name else i for i in n.inputs)) for n in net.nodes]
    order = (0, 3, 1, 2)
    shape = None if spec.shape is None else tuple(spec.shape[k] for k in order)
    axes = tuple(spec.axes[k] for k in order) if spec.axes else ()
    first = replace(spec, shape=shape, axes=axes)
    before = Node(turned, Transpose((0, 2, 3, 1)), (spec.name,))
    return replace(net, nodes=(before, *nodes), inputs=(first,)), np.ascontiguousarray(x.transpose(order))


def _items(
    name: str,
    path: Path,
    net: Network,
    sidecar: Sidecar | None,
    model: Path,
    dtype: str,
    beside: dict[str, NDArray[Any]],
) -> Iterator[Sample | Refused]:
    """Read the samples of a file; what an .npz file holds besides is put into ``beside``."""
    if path.suffix.lower() != ".npz":
        yield from inputs.attempt(name, path, net, sidecar, model, dtype)
        return
    try:
        array, others = _entries(path, net)
        if array.dtype == np.uint8 and sidecar is not None and sidecar.kind == "image":
            array = pixels(path, array, sidecar, dtype)
        spec = net.inputs[0]
        array = _with_channel(array, spec.shape) if spec.batch_axis == 0 else array
        if not net.receives(spec.name, array):
            require_floats(path, {spec.name: array}, sidecar)
        made = slices(name, path, {spec.name: array}, net, dtype)
        first = next(made)  # of a file without samples the error says so
        for key, held in others.items():
            if held.shape[:1] != (first.count,):
                raise ShapeError(f"{path}: '{key}' has shape {held.shape} for {first.count} samples")
        beside.update(others)
        yield first
        yield from made
    except LrpError as error:
        yield Refused(str(path), error)


def _entries(path: Path, net: Network) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Return the input in an .npz file, and what stands beside it."""
    name = net.inputs[0].name
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            keys = list(file.files)
            labels = next((key for key in LABELS if key in keys and key != name), None)
            rest = [key for key in keys if key not in (*LABELS, *OBJECTS)]
            chosen = name if name in keys else rest[0] if len(rest) == 1 else None
            if chosen is None or "header" in keys:
                raise ModelFormatError(
                    f"{path}: holds {', '.join(keys[:8]) or 'nothing'}; which is the input? Save it as '{name}': "
                    f"np.savez('{path.stem}_inputs.npz', {name}=..., labels=...)"
                )
            others = {key: file[key] for key in OBJECTS if key in keys and key != chosen}
            if labels is not None:
                others["labels"] = file[labels]
            return file[chosen], others
    except (*DAMAGED, OSError) as error:
        if isinstance(error, LrpError):
            raise
        objects = "pickle" in str(error) or "Python objects" in str(error)
        reason = "it is damaged or holds Python objects, which are never read" if objects else error
        raise ModelFormatError(f"{path}: not a readable .npz file: {reason}") from error


def _with_channel(array: NDArray[Any], shape: Sequence[int | None] | None) -> NDArray[Any]:
    """Return pictures of one channel with the axis of the channels, which a data set may lack."""
    if shape is None or len(shape) != 4 or array.ndim != 3:
        return array
    for axis in (1, 3):
        rest = [n for k, n in enumerate(shape) if k not in (0, axis)]
        if shape[axis] == 1 and list(array.shape[1:]) == rest:
            return np.expand_dims(array, axis)
    return array
