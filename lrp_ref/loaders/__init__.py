"""Bytes on disk to a :class:`Network`: one module per format; third-party imports stay inside the functions.

A module of this package that has ``SUFFIXES`` and ``load(path, **options)`` is a loader; nothing else registers it.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ModelFormatError, UnsupportedError
from ..network import Network
from . import elsewhere
from .verify import Comparison, check_against_onnxruntime

__all__ = ["Comparison", "check_against_onnxruntime", "load", "save", "suffixes"]


@cache
def _modules() -> dict[str, ModuleType]:
    """Return the loader module of every known suffix."""
    import pkgutil  # only needed here, and `import lrp_ref` should be quick

    found = {}
    for info in pkgutil.iter_modules(__path__, f"{__name__}."):
        module = importlib.import_module(info.name)
        found.update(dict.fromkeys(getattr(module, "SUFFIXES", ()), module))
    return found


def suffixes() -> tuple[str, ...]:
    """Return the file suffixes that :func:`load` knows.

    Example:
        >>> suffixes()
        ('.npz', '.onnx')
    """
    return tuple(sorted(_modules()))


def load(path: str | Path, **options: Any) -> Network:
    """Read a model file; its suffix says which loader reads it.

    Args:
        path: an ``.onnx`` file, or an ``.npz`` file written by :func:`save`.
        options: for the loader: see :func:`lrp_ref.loaders.onnx.load`. The ``.npz`` loader has none.

    Returns:
        The network, parameters as float32 or float64 as in the file.

    Raises:
        ModelFormatError: there is no such file, or it is damaged.
        UnsupportedError: the suffix is not known (it is said how other programs export to ONNX), or the file uses
            what lrp_ref does not implement.
        MissingExtraError: the package that reads this format is not installed.
    """
    file = Path(path)
    module = _modules().get(file.suffix.lower())
    if not file.exists():
        raise ModelFormatError(f"{file}: there is no such file")
    if module is None:
        raise UnsupportedError(elsewhere.told(file, ", ".join(suffixes())))
    if not file.is_file():
        raise ModelFormatError(f"{file}: not a file")
    network: Network = module.load(file, **options)
    return network


def save(network: Network, path: str | Path) -> None:
    """Write a network to an ``.npz`` file that :func:`load` reads back exactly.

    Args:
        network: its parameters must be NumPy arrays of numbers.
        path: ends in ``.npz``; an existing file is replaced in one step.

    Raises:
        UnsupportedError: another suffix, or a value that the format does not hold (exact numbers).

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> from lrp_ref.layers import Dense
        >>> net = Network.sequential([Dense(np.eye(2))])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(net, pathlib.Path(folder) / "net.npz")
        ...     load(pathlib.Path(folder) / "net.npz") == net
        True
    """
    from . import native

    native.save(network, Path(path))
