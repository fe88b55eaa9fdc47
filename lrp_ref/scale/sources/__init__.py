"""The samples of a job, read a slice at a time: an .npy file, pictures or arrays of a folder or a list, zarr arrays."""

from __future__ import annotations

from pathlib import Path

from ...errors import ModelFormatError, ShapeError
from ...loaders.preprocess import Sidecar
from ...network.network import Network
from .arrays import Rows, array_source
from .batching import Batches, batches
from .elsewhere import no_data_set, require_no_folder_store, require_no_store
from .files import file_source
from .given import Read, Source
from .npy_rows import NpyRows
from .regular import kind_of, require_file
from .wanted import Wanted
from .zarr_rows import METADATA, ZarrRows, is_group, metadata

__all__ = ["Batches", "Read", "Source", "batches", "source"]


def source(path: str | Path, net: Network, sidecar: Sidecar | None, *, dtype: str | None = None) -> Source:
    """Return the samples of a data set on disk, of which any slice can be read; none of them is kept in memory.

    Their first axis is N, wherever the model's own arrays have the batch. Floats become float32, or float64 where they
    are wider than 4 bytes. A data set is one of

    - an .npy file (N, ...) of floats, of integers where they are tokens, or of bytes that are pixels, (N, H, W, 3) or
      (N, H, W), for a model whose sidecar says how these are scaled;
    - a folder of pictures, read as the sidecar says, or of .npy files with one or more samples each, in the order of
      their names; other files in it do not count. Where the network has several inputs, NAME.npy for each;
    - a list, LIST.txt: one path a line, relative to its folder or absolute; lines that begin with # do not count;
    - a zarr array (N, ...) of format 2 or 3, or a group with an array for each input. The chunks of a slice are read
      whole each time, so that chunks of a batch, or a part of it, are quick.

    Which data they are is told by a hash that is quick, the same wherever they lie, and does not see everything:
    :func:`lrp_ref.scale.sources.fingerprints.fingerprint`.

    Args:
        path: of the file or folder.
        net: whose inputs they are to be.
        sidecar: of its model.
        dtype: of what pixels become, "float32" or "float64"; None for that of the network.

    Raises:
        ModelFormatError: there is none, it is damaged, or holds other numbers than the network takes.
        ParameterError: a folder or list without samples, or with two kinds of them.
        ShapeError: samples of another shape than the network takes.
        UnsupportedError: another kind of file; says how a data set is made of it.
        MissingExtraError: zarr is not installed.

    Example:
        >>> import tempfile, numpy as np, lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 2)))])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "x.npy", np.arange(12.0).reshape(4, 3))
        ...     found = source(Path(folder) / "x.npy", net, None)
        ...     found.samples, found.read(1, 2)
        (4, Read(x={'input': array([[3., 4., 5.]])}, refused={}))
    """
    path = Path(path)
    wanted = Wanted.of(net, sidecar, dtype)
    kind = kind_of(path)
    if kind == "folder":
        return _of_folder(path, net, wanted)
    require_file(kind, path)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        _require_one(path, wanted)
        return array_source(path, "npy", {wanted[0].name: NpyRows.of(path)}, wanted)
    if suffix == ".txt":
        _require_one(path, wanted)
        return file_source(path, wanted[0])
    raise no_data_set(path, net)


def _of_folder(path: Path, net: Network, wanted: tuple[Wanted, ...]) -> Source:
    if path.suffix.lower() == ".zarr" or any((path / name).exists() for name in METADATA):
        return array_source(path, "zarr", _of_zarr(path, wanted), wanted)
    require_no_folder_store(path)
    if len(wanted) == 1:
        return file_source(path, wanted[0])
    held = sorted(file.stem for file in path.iterdir() if file.suffix.lower() == ".npy" and not file.is_dir())
    names = sorted(one.name for one in wanted)
    if held != names:
        _require_one(path, wanted, f"; the folder holds {_few(held)}")
    return array_source(path, "npy", {name: NpyRows.of(path / f"{name}.npy") for name in names}, wanted)


def _of_zarr(path: Path, wanted: tuple[Wanted, ...]) -> dict[str, Rows]:
    """Return the array of each input in a zarr array or group."""
    name, content = metadata(path, str(path))
    if not is_group(name, content):
        require_no_store(path, content.get("attributes"))
        _require_one(path, wanted)
        return {wanted[0].name: ZarrRows.of(path)}
    require_no_store(path, content.get("attributes"))
    held = sorted(inside.name for inside in path.iterdir() if any((inside / file).exists() for file in METADATA))
    names = [one.name for one in wanted]
    if len(held) == len(names) == 1:
        return {names[0]: ZarrRows.of(path / held[0])}
    if not set(names) <= set(held):
        raise ModelFormatError(
            f"{path}: the network's inputs are {_few(names)}; the zarr group holds {_few(held)}: call its arrays so"
        )
    return {one: ZarrRows.of(path / one) for one in names}


def _require_one(path: Path, wanted: tuple[Wanted, ...], more: str = "") -> None:
    """Raise where one array is given to a network of several inputs."""
    names = [one.name for one in wanted]
    if len(names) > 1:
        files_ = ", ".join(f"{name}.npy" for name in names[:8])
        raise ShapeError(
            f"{path}: the network's inputs are {_few(names)}{more}: give a folder with {files_}, or a zarr group with "
            "an array of each name"
        )


def _few(names: list[str]) -> str:
    return (", ".join(names[:8]) or "none") + (", ..." if len(names) > 8 else "")
