"""ONNX files to networks: convolutional, dense and LSTM networks as PyTorch, tf2onnx and Keras write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...network.network import Network
from . import (  # noqa: F401  they register operators
    arithmetic,
    attention,
    branches,
    choice,
    dynamic,
    einsum,
    elementary,
    elementwise,
    extrema,
    fixed,
    grids,
    linear,
    lp_pooling,
    normalization,
    places,
    pooling,
    products,
    quantised,
    recurrent,
    reductions,
    resize,
    routing,
    scikit,
    sequences,
    svm,
)
from .batches import Choices
from .build import Conversion
from .convert import HANDLERS
from .file import read
from .select import convert_outputs
from .starts import fixed_input


def load(
    path: Path,
    *,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    batch_axes: Mapping[str, int | None] | None = None,
    constants: Mapping[str, Any] | None = None,
    output: str | Sequence[str] | None = None,
) -> Network:
    """Read an ONNX file as a network.

    The network takes and returns the arrays that onnxruntime takes and returns: an LSTM exported with (time, N,
    features) takes that here too. ``Input.batch_axis``, ``Network.output_axes`` and ``lrp-ref show`` say where the
    batch is: where a recurrent layer, a convolution or a dense layer that reads the input has it, or an axis is called
    "batch"; otherwise it is the first. A batch size fixed in the file is free here, unless the file mixes what would be
    its samples, or adds other numbers to each: then it has no batch, and the whole array is one sample
    (``Input.batch_axis`` is None).

    Nodes that no output needs are not looked at. Without ``output``, outputs that cannot be computed (labels,
    detections after a non-maximum suppression) are left out, if others are there; ``Network.left_out`` says which and
    why. Of scikit-learn's ZipMap the numbers are taken.

    Dropout, identities and casts between float32 and float64 become no layer; an Add of a constant after a product
    or convolution without bias becomes its bias; BatchNormalization and constants become ``Affine``; x·sigmoid(x)
    and the like become one activation, a value divided by its own deviation one ``Normalize``. A product's gate is the
    operand that comes from a sigmoid or softmax, that of a quotient its divisor.

    Args:
        path: the file.
        shapes: input name in the file → shape as in the file, to fix sizes that the file leaves free (None: free).
        batch_axes: input name in the file → its batch axis, where it is not the one above; None: the whole array is
            one sample.
        constants: input name in the file → the value that it has for every sample (a sampling rate, a switch); it is no
            input of the network then.
        output: the outputs to load: tensors of the file, also inside it, or nodes as ``lrp-ref show`` lists them; None
            for all outputs.

    Returns:
        The network; parameters are float32, or float64 if an input or a weight of the file is.

    Raises:
        ModelFormatError: damaged, not ONNX, or it points outside its folder.
        UnsupportedError: with every node that is not supported and why.
        ParameterError: ``shapes`` or ``batch_axes`` name an input that does not exist, or ``output`` no tensor or node.
        MissingExtraError: the onnx package is not installed.
    """
    return convert(path, shapes=shapes, batch_axes=batch_axes, constants=constants, output=output).network


def convert(
    path: Path,
    *,
    shapes: Mapping[str, Sequence[int | None]] | None = None,
    batch_axes: Mapping[str, int | None] | None = None,
    constants: Mapping[str, Any] | None = None,
    output: str | Sequence[str] | None = None,
) -> Conversion:
    """Read an ONNX file as :func:`load` does, and also say which of its tensors the network's values are."""
    graph = read(path)
    given = {name: fixed_input(graph, name, value) for name, value in (constants or {}).items()}
    left = tuple(spec for spec in graph.inputs if spec.name not in given)
    choices = Choices({k: tuple(v) for k, v in (shapes or {}).items()}, dict(batch_axes or {}))
    part = replace(graph, inputs=left, constants={**graph.constants, **given})
    return replace(convert_outputs(part, choices, output), constants=given)


def operators() -> tuple[str, ...]:
    """Return the operators that are converted to layers.

    Example:
        >>> len(operators()) > 60
        True
    """
    return tuple(sorted(HANDLERS))
