"""Stores are made and opened: what is known of every sample, on disk, in zarr or in .npy files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ModelFormatError, ParameterError
from .appearing import appearing
from .layout import Layout
from .npy_store import NpyStore
from .stated import FORMAT, Stated, require_few
from .stated import NAMES as NAMES
from .stated import SURROUNDINGS as SURROUNDINGS
from .stated import difference as difference
from .store import ERRORS as ERRORS
from .store import Store as Store

OF_FILES = (
    ".npy",
    ".npz",
    ".txt",
    ".csv",
    ".json",
    ".h5",
    ".hdf5",
    ".onnx",
    ".zip",
    ".png",
    ".jpg",
)  # names of no folder


def create(path: str | Path, layout: Layout, attributes: Mapping[str, Any]) -> Store:
    """Make a store, whole or not at all: zarr where its name ends in .zarr, else a folder of .npy files.

    Args:
        path: of the store; nothing may be there.
        layout: its arrays.
        attributes: all that is needed to make it again, as JSON can hold it; of the layout they say nothing else.

    Raises:
        ParameterError: there is something of that name already, it is the name of a file, or cannot be written.
        ModelFormatError: more chunks than a store can have.
        MissingExtraError: zarr is not installed.

    Example:
        >>> import tempfile, numpy as np
        >>> from lrp_ref.scale.stores.layout import spec
        >>> layout = Layout((spec("output", 5, (3,), "float32"),), 5, 2, 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = create(Path(folder) / "set", layout, {"composite": "epsilon"})
        ...     store.write(store.part(2), {"output": np.ones((1, 3), np.float32)})
        ...     store.done(2)
        ...     store.counts(), store["output"][4].tolist()
        ({'done': 1, 'failed': 0, 'left': 2}, [1.0, 1.0, 1.0])
    """
    goal = Path(path)
    if goal.suffix.lower() in OF_FILES:
        raise ParameterError(
            f"cannot write {goal}: a store is a folder, and this is called as a file: NAME.zarr or NAME"
        )
    kind = _kind(goal)
    together = layout.chunk // layout.batch
    usual = {"format": FORMAT, "samples": layout.samples, "batch": layout.batch, "together": together}
    held = {**attributes, **{key: value for key, value in usual.items() if key not in attributes}}
    held["arrays"] = [one.name for one in layout.arrays]
    require_few(goal, layout)
    stated = Stated.of(goal, held)  # a store that could not be opened again is not made
    stated.layout([(one.name, one.shape, one.dtype, one.fill) for one in layout.arrays], (layout.chunks,))
    with appearing(goal) as part:
        kind.make(part, layout, held)
    return kind(goal)


def open_store(path: str | Path, *, writable: bool = True) -> Store:
    """Return a store that is there.

    Args:
        path: of its folder.
        writable: whether it may be written. To read, no right to write is needed in either case.

    Raises:
        ModelFormatError: there is none, or it is none that lrp_ref has made.
        MissingExtraError: zarr is not installed.

    Example:
        >>> open_store("nowhere.zarr")
        Traceback (most recent call last):
        lrp_ref.errors.ModelFormatError: nowhere.zarr: there is no such store; 'lrp-ref explain-set' makes one
    """
    goal = Path(path)
    try:
        there, folder = goal.exists(), goal.is_dir()
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"{goal} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not there:
        raise ModelFormatError(f"{goal}: there is no such store; 'lrp-ref explain-set' makes one")
    if not folder:
        raise ModelFormatError(f"{goal}: a file; a store of explanations is a folder")
    return _kind(goal)(goal, writable=writable)


def _kind(path: Path) -> type[Store]:
    if path.suffix.lower() == ".zarr":
        from .zarr_store import ZarrStore  # it loads asyncio, which the other kind does without

        return ZarrStore
    return NpyStore
