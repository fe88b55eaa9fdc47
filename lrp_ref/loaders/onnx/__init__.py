"""ONNX files to networks: convolutional, dense and LSTM networks as PyTorch, tf2onnx and Keras write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...network import Network
from . import arithmetic, elementwise, linear, pooling, recurrent, routing  # noqa: F401  they register operators
from .batches import Choices
from .build import Conversion
from .convert import HANDLERS, Converter
from .file import read

SUFFIXES = (".onnx",)


def load(
    path: Path,
    *,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    batch_axes: Mapping[str, int] | None = None,
) -> Network:
    """Read an ONNX file as a network.

    The network has the batch first everywhere, also where the file has it elsewhere: an LSTM exported with
    (time, N, features) takes and returns (N, time, ...) here. A batch size fixed in the file is free here.
    Dropout, identities and casts between float32 and float64 become no layer; an Add of a constant after a product
    or convolution without bias becomes its bias; BatchNormalization and constants become ``Affine``; x·sigmoid(x)
    and the like become one activation. A product's gate is the operand that comes from a sigmoid or softmax.

    Args:
        path: the file.
        shapes: input name in the file → shape as in the file, to fix sizes that the file leaves free (None: free).
        batch_axes: input name in the file → its batch axis, where it is not 0 and no LSTM shows it.

    Returns:
        The network; parameters are float32, or float64 if an input or a weight of the file is.

    Raises:
        ModelFormatError: damaged, not ONNX, or it points outside its folder.
        UnsupportedError: with every node that is not supported and why.
        ParameterError: ``shapes`` or ``batch_axes`` name an input that does not exist.
        MissingExtraError: the onnx package is not installed.
    """
    return convert(path, shapes=shapes, batch_axes=batch_axes).network


def convert(
    path: Path,
    *,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    batch_axes: Mapping[str, int] | None = None,
) -> Conversion:
    """Read an ONNX file as :func:`load` does, and also say where its tensors have their batch."""
    choices = Choices({k: tuple(v) for k, v in (shapes or {}).items()}, dict(batch_axes or {}))
    return Converter(read(path), choices).run()


def operators() -> tuple[str, ...]:
    """Return the operators that are converted to layers.

    Example:
        >>> len(operators()) > 60
        True
    """
    return tuple(sorted(HANDLERS))
