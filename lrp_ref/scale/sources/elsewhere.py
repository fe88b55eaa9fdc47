"""What is no data set: why, and how one is made of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ...errors import LrpError, ModelFormatError, UnsupportedError
from ...loaders import suffixes
from ...loaders.elsewhere import EXPORTS, PICTURES, TABLES, of_tables
from ...loaders.limits import json_value
from ...network.network import Network
from .regular import fill, regular

KINDS = "an .npy file, a folder of pictures or of .npy files, a list of files (.txt), or a zarr array"
STORE = ("model_sha256", "composite", "batch", "together")  # attributes that every store of explanations has


def no_data_set(path: Path, net: Network) -> LrpError:
    """Return why a file is no data set, and how one is made of it."""
    suffix, names = path.suffix.lower(), [one.name for one in net.inputs]
    if suffix == ".npz":
        return _archive(path, names)
    if suffix in (".h5", ".hdf5"):
        return UnsupportedError(
            f"{path}: HDF5 files are not read as a data set: write the data set in it as .npy: "
            f"numpy.save('{path.stem}.npy', h5py.File('{path.name}')['NAME'])"
        )
    if suffix in TABLES:
        return UnsupportedError(f"{path}: tables are read as .npy, {of_tables(path)}")
    if suffix in PICTURES:
        return UnsupportedError(f"{path}: one picture: give the folder that it is in, or a list of pictures (.txt)")
    if suffix in (".json", ".md", ".tsv", ".jsonl"):
        return UnsupportedError(
            f"{path}: text is no data set: save what the tokenizer makes of it, one row of numbers a text, as .npy"
        )
    if suffix in (*suffixes(), *EXPORTS):
        return UnsupportedError(f"{path}: a model, not a data set: give {KINDS}")
    if suffix in (".zip", ".tar", ".gz", ".tgz"):
        return UnsupportedError(f"{path}: an archive: unpack it, and give the folder of pictures or .npy files")
    return UnsupportedError(f"{path}: no kind of file that samples are read of: give {KINDS}")


def _archive(path: Path, names: list[str]) -> LrpError:
    try:
        with zipfile.ZipFile(path) as file:
            held = [name.removesuffix(".npy") for name in file.namelist()[:100] if name.endswith(".npy")]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        return ModelFormatError(f"{path}: an .npz file, which is no data set, and damaged: {error}")
    what = "an .npz file is read whole, and a data set in parts: write it as .npy"
    if len(names) == 1:
        key = names[0] if names[0] in held else held[0] if held else "NAME"
        return UnsupportedError(f"{path}: {what}: numpy.save('{path.stem}.npy', numpy.load('{path.name}')['{key}'])")
    return UnsupportedError(
        f"{path}: {what}, each input by itself into one folder: numpy.save('FOLDER/{names[0]}.npy', "
        f"numpy.load('{path.name}')['{names[0]}']), and so {', '.join(names[1:])}"
    )


def require_no_store(path: Path, attributes: object, suffix: str = "") -> None:
    """Raise where the attributes of a folder are those of a store of explanations.

    Raises:
        ModelFormatError: they are.
    """
    if isinstance(attributes, dict) and all(key in attributes for key in STORE):
        raise ModelFormatError(
            f"{path}: a store of explanations, not a data set: the samples come first, then the store; maps in it that "
            f"are to be samples are named by themselves, such as {path.name}/relevance{suffix}"
        )


def require_no_folder_store(path: Path) -> None:
    """Raise where a folder is a store of explanations in .npy files.

    Raises:
        ModelFormatError: it is.
    """
    file = path / "attributes.json"
    if not (file.is_file() and (path / "done.npy").is_file()):
        return
    try:
        with regular(file) as (stream, size):
            text = bytearray(min(size, 10_000_000))
            fill(stream, 0, memoryview(text), file)
        require_no_store(path, json_value(text, str(file), longest=10_000_000), ".npy")
    except LrpError as error:
        if "store of explanations" in str(error):
            raise
