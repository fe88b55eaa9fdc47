"""Weights onto a described architecture: a small JSON or TOML file, and a mapping name → array of any program.

A description is a list of layers, written like PyTorch's modules; each reads what the one before it makes, unless it
names its ``inputs``. docs/export/pytorch.md has every key and every kind.

    {"input": [1, 28, 28],
     "layers": [{"Conv2d": "conv1", "padding": 1}, "ReLU", {"MaxPool2d": 2}, "Flatten", {"Linear": "fc"}]}

Nothing in it is executed, and no name in it is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...network.network import Network
from .. import outputs
from .build import build
from .description import find
from .entry import Floats

__all__ = ["load"]


def load(
    path: Path,
    tensors: Mapping[str, Floats],
    *,
    output: str | Sequence[str] | None = None,
    architecture: Any = None,
) -> Network:
    """Return the network that a description makes of the tensors of a file.

    Args:
        path: the file of the tensors.
        tensors: name → array.
        output: the values to return, by name; None for the outputs of the description.
        architecture: path of the description, or what such a file has in it; None for NAME.architecture.json or
            NAME.architecture.toml beside NAME.safetensors (.pth, ...).

    Raises:
        UnsupportedError: no description; a kind of layer or an option that is not read.
        ModelFormatError: a description that is none; tensors that are missing, not used, or of another shape.
        ParameterError: no value is called as ``output`` says.

    Example:
        >>> import numpy as np
        >>> tensors = {"fc.weight": np.array([[1.0, -2.0]]), "fc.bias": np.array([0.5])}
        >>> load(Path("w.safetensors"), tensors, architecture={"layers": [{"Linear": "fc"}, "ReLU"]})
        Network input → output relu1
          fc     Dense(weight=float64[2, 1], bias=float64[1])  ← input
          relu1  ReLU()                                        ← fc
    """
    description = find(path, architecture)
    return outputs.part(build(description, tensors, str(path)), output, path)
