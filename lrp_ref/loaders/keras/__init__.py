"""Keras files (.keras, .h5) to networks, without Keras: what their config names is converted by a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ...errors import ModelFormatError, UnsupportedError
from ...network.network import Network
from . import activations, conv, dense, merge, normalization, pooling, recurrent, routing  # noqa: F401  they register
from .build import HANDLERS, Builder, Refusal
from .config import Model, Reader
from .convert import Converter, clean
from .files import opened


def load(
    path: Path,
    *,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    architecture: str | Path | None = None,
    output: str | Sequence[str] | None = None,
) -> Network:
    """Read a Keras file as a network.

    The network takes and returns the arrays that Keras takes and returns, channels last where the model has them so;
    a transpose stands where its layers want them first. Nodes are called as Keras's layers, those of a model inside
    behind its name ("encoder.conv1"), the activation of a layer behind that of the layer ("dense.softmax").

    Args:
        path: a ``.keras`` file of Keras 3, or an HDF5 file of Keras 2 or 3.
        shapes: input → its shape as Keras has it, with the batch, to fix sizes that the model leaves free.
        architecture: what ``model.to_json()`` wrote, for a file that has the weights alone.
        output: the values to return, by name; None for the model's outputs.

    Returns:
        The network; parameters are float32, or float64 if the file's are. Half precision becomes float32.

    Raises:
        ModelFormatError: damaged, neither of the two formats, or it points to other files.
        UnsupportedError: with every layer that is not supported and why.
        ParameterError: ``shapes`` names no input, or ``output`` no node.
    """
    with opened(path, None if architecture is None else Path(architecture)) as file:
        model = Reader(str(path)).model(file.config)
        dtype = np.dtype("float64" if file.weights.double else "float32")
        builder = Builder(file.weights, dtype, file.version, frozenset(_names(model, "")))
        try:
            return Converter(builder, dict(shapes or {})).network(model, path, output)
        except Refusal as refusal:
            raise UnsupportedError(f"{path}: {refusal}") from refusal
        except RecursionError as error:
            raise ModelFormatError(f"{path}: models are nested too deep") from error


def layers() -> tuple[str, ...]:
    """Return the classes of Keras that are converted.

    Example:
        >>> len(layers()) > 60
        True
    """
    return tuple(sorted(HANDLERS))


def _names(model: Model, above: str) -> Iterator[str]:
    """Yield the names that the layers of a model give to nodes."""
    for spec in model.layers:
        yield f"{above}{clean(spec.name)}"
        if spec.model is not None:
            yield from _names(spec.model, f"{above}{clean(spec.name)}.")
