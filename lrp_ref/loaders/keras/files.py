"""The two kinds of Keras files, opened: a config and where the weights are."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ModelFormatError
from ..archive import Archive
from ..limits import json_value
from .hdf5 import Hdf5
from .weights import Named, Numbered, Weights

CONFIG = 10 << 20  # bytes of a config
METADATA = 1 << 20
WEIGHTS = "model.weights.h5"


@dataclass(frozen=True)
class Opened:
    """A Keras file.

    Attributes:
        config: of the model, as Keras wrote it.
        weights: to be read while the file is open.
        version: of the Keras that wrote it, the first number; 3 where it does not say.
    """

    config: Any
    weights: Weights
    version: int


@contextmanager
def opened(path: Path, architecture: Path | None) -> Iterator[Opened]:
    """Open a Keras file by what it is, whatever its suffix.

    Raises:
        ModelFormatError: neither a zip file nor HDF5, or damaged.
    """
    if zipfile.is_zipfile(path):
        with Archive(path) as archive:
            config = json_value(archive.read("config.json", CONFIG), f"{path}: config.json", longest=CONFIG)
            metadata = archive.read("metadata.json", METADATA) if "metadata.json" in archive.sizes else b"{}"
            told = json_value(metadata, f"{path}: metadata.json", longest=METADATA)
            weights = archive.read(WEIGHTS)
            size = archive.size
        with Hdf5(weights, f"{path}: {WEIGHTS}", size) as file:
            version = told.get("keras_version") if isinstance(told, dict) else None
            yield Opened(config, Numbered(file, str(path)), _major(version))
        return
    with Hdf5(path, str(path), path.stat().st_size) as file:
        text = file.text("model_config", CONFIG)
        if architecture is not None:
            text = _read(architecture)
        if text is None:
            raise ModelFormatError(
                f"{path}: weights without their network: write model.to_json() into a file where the model is, and "
                "load(..., architecture=that file); or model.save() instead of save_weights()"
            )
        config = json_value(text.encode(), f"{architecture or path}: the config", longest=CONFIG)
        version = file.text("keras_version", 64) or _version_inside(file)
        numbered = any(name.endswith("vars/0") for name in file.names)
        yield Opened(config, (Numbered if numbered else Named)(file, str(path)), _major(version))


def _version_inside(file: Hdf5) -> str | None:
    """Return the version where it stands with the weights."""
    inside = any(name.startswith("model_weights/") for name in file.names)
    return file.text("keras_version", 64, "model_weights") if inside else None


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > CONFIG:
            raise ModelFormatError(f"{path}: more than {CONFIG} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(f"{path}: cannot be read as text: {error}") from error


def _major(version: Any) -> int:
    head = version.partition(".")[0] if isinstance(version, str) else ""
    return int(head) if head.isascii() and head.isdigit() and len(head) < 4 else 3
