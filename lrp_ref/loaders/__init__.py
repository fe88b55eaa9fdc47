"""Bytes on disk to a :class:`Network`: one module per format; third-party imports stay inside the functions.

A module of this package that has ``SUFFIXES`` and ``load(path, **options)`` is a loader; nothing else registers it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ModelFormatError, UnsupportedError
from ..network.network import Network
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


def load(path: str | Path, *, output: str | Sequence[str] | None = None, **options: Any) -> Network:
    """Read a model file; its suffix says which loader reads it.

    Args:
        path: an ``.onnx`` file, or an ``.npz`` file written by :func:`save`.
        output: the values to return, by name, also inside the network: only what they need is loaded. None for all
            outputs of the file.
        options: for the loader: see :func:`lrp_ref.loaders.onnx.load`. The ``.npz`` loader has none.

    Returns:
        The network, parameters as float32 or float64 as in the file. Its input declares the range of the pixels
        (``Input.low`` and ``high``) where the file says it, or a sidecar beside it (see ``loaders.preprocess``).

    Raises:
        ModelFormatError: there is no such file, or it is damaged.
        ParameterError: nothing in the file is called as ``output`` says.
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
    network: Network = module.load(file, output=output, **options)
    return _with_range(network, file)


def _with_range(network: Network, file: Path) -> Network:
    """Return the network with the range that a sidecar beside its file tells, if neither it nor the file says another.

    The range is a convenience: another JSON file of that name does not keep the model from being loaded. The command
    line, which needs the sidecar for more, says what is wrong with it.
    """
    known = any(i.low is not None or i.high is not None for i in network.inputs)
    if known or not file.with_suffix(".json").is_file():
        return network
    from .preprocess import declare, load_sidecar  # only needed here, and loading should be quick

    try:
        return declare(network, load_sidecar(file))
    except ModelFormatError:
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
