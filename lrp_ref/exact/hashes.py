"""SHA-256 of files, arrays and networks: what a certificate is about."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import to_numpy
from ..errors import ModelFormatError, ParameterError
from ..network.network import Network


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        ModelFormatError: there is no such file.
    """
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path}: there is no such file") from error


def array_hash(array: Any) -> str:
    """Return the SHA-256 of an array: dtype and shape as text, then its bytes, little-endian, in C order.

    Raises:
        ParameterError: exact numbers, which have no bytes.

    Example:
        >>> array_hash(np.array([1.0, 2.0])) == array_hash(np.array([1.0, 2.0], dtype=">f8"))
        True
        >>> array_hash(np.array([0.0])) == array_hash(np.array([-0.0]))
        False
    """
    digest = hashlib.sha256()
    _add(digest, array)
    return digest.hexdigest()


def network_hash(net: Network) -> str:
    """Return the SHA-256 over names, layers, edges and parameters of a network in memory.

    Example:
        >>> from ..layers import Dense
        >>> one, other = (Network.sequential([Dense(np.array([[w]]))]) for w in (1.0, 2.0))
        >>> network_hash(one) == network_hash(one), network_hash(one) == network_hash(other)
        (True, False)
    """
    digest = hashlib.sha256()
    _text(digest, repr(([i.name for i in net.inputs], net.outputs)))
    for node in net.nodes:
        _text(digest, repr((node.name, node.layer, node.inputs)))
        for array in node.layer.arrays():
            _add(digest, array)
    return digest.hexdigest()


def _text(digest: Any, text: str) -> None:
    """Add text so that two texts never read like one."""
    raw = text.encode()
    digest.update(len(raw).to_bytes(8, "little") + raw)


def _add(digest: Any, array: Any) -> None:
    host = to_numpy(array)
    if host.dtype.kind not in "fiub":
        raise ParameterError(f"an array of {host.dtype} has no bytes to hash: lrp.arithmetic.to_float first")
    little = np.ascontiguousarray(host).astype(host.dtype.newbyteorder("<"), copy=False)
    _text(digest, f"{little.dtype.str} {host.shape}")
    digest.update(little.tobytes())
