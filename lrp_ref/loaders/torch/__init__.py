"""Weights that PyTorch saved (``.pth``, ``.pt``, ``.bin``), onto a described architecture.

``torch.save`` writes a pickle, which is a program. Here it is not run: :mod:`lrp_ref.loaders.opcodes` makes numbers,
texts, lists and dictionaries of it, by the table of ``description`` also tensors, and refuses everything else. No
class is looked up, no function is called, and neither Python's module for such files nor PyTorch is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...network.network import Network
from .. import described
from ..described.tensors import Tensors
from .files import read_tensors

__all__ = ["load", "read"]


def load(path: Path, *, output: str | Sequence[str] | None = None, architecture: Any = None) -> Network:
    """Read the weights of a file onto an architecture; see :func:`lrp_ref.loaders.described.load`."""
    return described.load(path, read(path), output=output, architecture=architecture)


def read(path: str | Path) -> Tensors:
    """Return the tensors of a file by name; those of nested dictionaries have their path as name, with dots between.

    Args:
        path: a file of ``torch.save``, of any version: of a state dict, or of dictionaries and lists around it.

    Raises:
        ModelFormatError: not such a file, or damaged.
        UnsupportedError: it holds what is no tensor, number, text, list or dictionary, such as a whole model.
    """
    return read_tensors(Path(path))
