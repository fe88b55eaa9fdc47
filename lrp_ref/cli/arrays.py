"""INPUT as .npy and .npz: the network's inputs by name, cut into samples."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LrpError, ModelFormatError, ShapeError
from ..loaders.elsewhere import ORDER
from ..loaders.numbers import in_machine_order
from ..network.network import Network
from .samples import Refused, Sample

# What NumPy raises for files that are not, or no longer, what it wrote.
DAMAGED = (ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError, zlib.error)


def read_arrays(path: Path, net: Network) -> dict[str, NDArray[Any]]:
    """Return the network's inputs out of an .npy or .npz file."""
    names = [i.name for i in net.inputs]
    try:
        if path.suffix.lower() == ".npy":
            # Mapped, not read: a file larger than memory is explained sample by sample.
            content = {names[0]: np.load(path, mmap_mode="r", allow_pickle=False)}
            keys = [names[0]]
        else:
            with np.load(path, allow_pickle=False) as file:
                keys = list(file.files)
                wanted = names if set(names) <= set(keys) else keys if len(keys) == 1 else []
                content = {key: file[key] for key in wanted}
                if len(names) == len(keys) == 1 and content:
                    content = {names[0]: content[keys[0]]}
    except (*DAMAGED, OSError) as error:
        # NumPy's own words advise to load it with pickle, which runs what the file says.
        objects = "pickle" in str(error) or "Python objects" in str(error)
        reason = "it is damaged or holds Python objects, which are never read" if objects else error
        raise ModelFormatError(f"{path}: not a readable {path.suffix} file: {reason}") from error
    if set(content) != set(names):
        held = ", ".join(keys[:8]) + (", ..." if len(keys) > 8 else "")
        if "header" in keys:
            raise ModelFormatError(f"{path}: a network or a trace of lrp_ref, not an input; {ORDER}")
        save = ", ".join(f"{name}=..." for name in names)
        raise ModelFormatError(
            f"{path}: the network's inputs are {', '.join(names)}; the file holds {held or 'none'}: "
            f"save them with np.savez('{path.stem}_inputs.npz', {save})"
        )
    return content


def slices(
    name: str, path: Path, arrays: dict[str, NDArray[Any]], net: Network, dtype: str
) -> Iterator[Sample | Refused]:
    """Cut arrays into samples along the batch axis of each input; one without a batch axis is one sample."""
    batches = {}
    axes = {spec.name: spec.batch_axis or 0 for spec in net.inputs}
    alone = {spec.name for spec in net.inputs if spec.batch_axis is None}  # one array of theirs is one sample
    for spec in net.inputs:
        array = arrays[spec.name]
        if array.dtype.kind == "b" and spec.name in net.tokens:
            array = array.astype(np.int64)  # a mask, saved as it is
        if array.dtype.kind not in "fiu":
            raise ModelFormatError(f"{path}: '{spec.name}' holds {array.dtype}; expected real numbers")
        rank = None if spec.shape is None else len(spec.shape) + (spec.name in alone)
        lone = rank is not None and array.ndim == rank - 1
        if rank is not None and array.ndim and array.ndim != rank - lone:
            raise ShapeError(
                f"{path}: '{spec.name}' has shape {array.shape}; the network expects {spec.expected()}, or one sample "
                "without the batch axis"
            )
        batches[spec.name] = np.expand_dims(array, axes[spec.name]) if lone else array
        if not batches[spec.name].ndim > axes[spec.name]:
            what = f"has shape {array.shape}" if array.ndim else "is a single number"
            where = f"axis {spec.batch_axis}" if spec.batch_axis else "the first axis"
            raise ShapeError(f"{path}: '{spec.name}' {what}; {where} must be the batch")
    sizes = {a.shape[axes[key]] for key, a in batches.items()}
    if len(sizes) > 1:
        raise ShapeError(f"{path}: its arrays have different batch sizes: {sorted(sizes)}")
    (count,) = sizes
    if not count:
        raise ShapeError(f"{path}: no sample in it (the batch axis has length 0)")
    digits = len(str(count - 1))
    for k in range(count):
        cut = {key: a[k] if key in alone else np.take(a, [k], axis=axes[key]) for key, a in batches.items()}
        x = {key: in_machine_order(array, dtype) for key, array in cut.items()}
        where = f"{path}, sample {k}" if count > 1 else str(path)
        try:
            net.feed(x)
        except LrpError as error:
            yield Refused(where, type(error)(f"{where}: {error}"), k, count)
            continue
        yield Sample(name if count == 1 else f"{name}_{k:0{digits}}", x, where=where, number=k, count=count)
