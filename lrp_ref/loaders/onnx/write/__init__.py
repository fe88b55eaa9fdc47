"""Networks to ONNX files of standard operators: one table says how each layer is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ....base.files import replace_file
from ....errors import ParameterError, UnsupportedError, require
from ....network.network import Network
from . import (  # noqa: F401  they enter layers into the table
    activations,
    choices,
    distances,
    linear,
    normalization,
    pooling,
    recurrent,
    reductions,
    routes,
)
from .model import model
from .part import NOT_WRITTEN, WRITERS

__all__ = ["NOT_WRITTEN", "WRITERS", "save"]

OPSETS = range(17, 22)
LARGEST = (1 << 31) - (1 << 20)  # bytes: an ONNX file is one protobuf message of less than 2 GiB


def save(
    network: Network,
    path: Path,
    *,
    opset: int = 20,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
) -> None:
    """Write ``network`` to an ONNX file: first under a temporary name, then renamed.

    The file takes and returns what the network does: inputs and outputs keep their names, the order of their axes and
    the types of their elements; the batch is free and called "batch".

    Args:
        network: its parameters must be NumPy arrays of float32, or of float64.
        path: the file.
        opset: version of ONNX's operators, 17 to 21; below 20 a GELU is written out.
        shapes: input name → shape of one sample, None for a free size, for inputs that do not declare theirs.

    Raises:
        UnsupportedError: with every node that standard operators cannot express, and why.
        ShapeError: an input whose sizes neither it, nor ``shapes``, nor the layers tell.
        ParameterError: another opset, or shapes for an input that is not there.
        MissingExtraError: the onnx package is not installed.
    """
    onnx = require("onnx", extra="onnx", purpose="write ONNX files")
    if opset not in OPSETS:
        raise ParameterError(f"opset {opset}: {OPSETS[0]} to {OPSETS[-1]} are written")
    size = sum(int(p.nbytes) for p in network.parameters)
    if size > LARGEST:
        raise UnsupportedError(f"{path}: {size} bytes of parameters; an ONNX file holds less than 2 GiB: save as .npz")
    made: Any = model(network, path, onnx, opset, {k: tuple(v) for k, v in (shapes or {}).items()})
    content = made.SerializeToString(deterministic=True)
    replace_file(path, lambda stream: stream.write(content))
