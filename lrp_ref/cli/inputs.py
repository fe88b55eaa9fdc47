"""INPUT on the command line: pictures, folders of them, .npy and .npz, read one sample at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LrpError, ModelFormatError, ParameterError, ShapeError, UnsupportedError
from ..loaders import suffixes
from ..loaders.elsewhere import EXPORTS, ORDER, PICTURES
from ..loaders.preprocess import EXAMPLE, Sidecar, range_notice, read_image, recipe
from ..network.network import Network
from .output import warn

ARRAYS = (".npy", ".npz")
TEXTS = (".txt", ".csv", ".tsv", ".json", ".md")


@dataclass(frozen=True, eq=False)
class Sample:
    """One sample to explain.

    Attributes:
        name: of its results, without suffix.
        x: the network's inputs by name, one sample each, with the batch axis where the network has it.
        shown: the picture as the network sees it, (H, W, 3) or (H, W) uint8; None for arrays.
        where: its file, and which sample of several.
        number: of the sample in its file, from 0.
        count: of the samples in its file.
    """

    name: str
    x: dict[str, NDArray[Any]]
    shown: NDArray[np.uint8] | None = None
    where: str = ""
    number: int = 0
    count: int = 1

    @property
    def several(self) -> bool:
        """Whether its file holds more samples."""
        return self.count > 1


@dataclass(frozen=True, eq=False)
class Refused:
    """An input that cannot be explained.

    Attributes:
        where: its file, and which sample of several.
        error: what is wrong with it.
        number: of the sample in its file, from 0.
        count: of the samples in its file, as far as it could be read.
    """

    where: str
    error: LrpError
    number: int = 0
    count: int = 1

    @property
    def reason(self) -> str:
        """What is wrong, in one line without the name of the file."""
        return " ".join(str(self.error).removeprefix(f"{self.where}: ").split())


def places(refused: Sequence[Refused]) -> list[str]:
    """Return where inputs are that are refused alike, a run of samples of one file as one place.

    Example:
        >>> error = LrpError("not finite")
        >>> places([Refused(f"x.npy, sample {k}", error, k, 9) for k in (0, 1, 2, 5)])
        ['x.npy, samples 0 to 2', 'x.npy, sample 5']
    """
    found: list[str] = []
    first = 0  # of the run that is the last place
    for before, one in zip((None, *refused), refused, strict=False):
        file = one.where.removesuffix(f", sample {one.number}")
        follows = before is not None and before.where == f"{file}, sample {one.number - 1}"
        if follows and file != one.where:
            found[-1] = f"{file}, samples {first} to {one.number}"
        else:
            first = one.number
            found.append(one.where)
    return found


def found(given: Sequence[Path]) -> tuple[dict[str, Path], list[Refused]]:
    """Return the files by the name of their results, of a folder its pictures (if it has none, its arrays) in the order
    of their names, and what is no file.
    """
    files: list[Path] = []
    refused: list[Refused] = []
    for path in given:
        try:
            files += _inside(path) if path.is_dir() else [_file(path)]
        except LrpError as error:
            refused.append(Refused(str(path), error))
        except OSError as error:
            refused.append(Refused(str(path), ModelFormatError(f"{path}: {error.strerror or error}")))
    named: dict[str, Path] = {}
    for file in files:
        named[free(file.stem, named)] = file
    return named, refused


def free(name: str, taken: Container[str]) -> str:
    """Return the name, with a number behind it where it is taken.

    Example:
        >>> free("a", {"a", "a_2"})
        'a_3'
    """
    new, number = name, 1
    while new in taken:
        number += 1
        new = f"{name}_{number}"
    return new


def _inside(folder: Path) -> list[Path]:
    files = sorted(f for f in folder.iterdir() if f.is_file())
    pictures, arrays = ([f for f in files if f.suffix.lower() in kind] for kind in (PICTURES, ARRAYS))
    if not pictures and not arrays:
        raise ParameterError(f"{folder}: a folder without pictures, .npy or .npz files")
    if pictures and arrays:
        warn(f"{folder}: its {len(arrays)} array files are left out beside its pictures; name them to explain them")
    return pictures or arrays


def _file(path: Path) -> Path:
    if not path.is_file():
        raise ModelFormatError(f"{path}: there is no such file")
    return path


def expand(given: Sequence[Path]) -> dict[str, Path]:
    """Return the files by the name of their results, as :func:`found`.

    Raises:
        ModelFormatError: a path that does not exist.
        ParameterError: a folder with nothing to read.
    """
    named, refused = found(given)
    if refused:
        raise refused[0].error
    return named


def read(name: str, path: Path, net: Network, sidecar: Sidecar | None, model: Path, dtype: str) -> Iterator[Sample]:
    """Read the samples of one file.

    Args:
        name: of the results.
        path: the file.
        net: whose input it is to be.
        sidecar: of the model.
        model: its file, for messages.
        dtype: "float32" or "float64" for pictures, and "float64" also for arrays; arrays of other floats stay.

    Raises:
        LrpError: what is wrong with the file, with its name.
    """
    for sample in attempt(name, path, net, sidecar, model, dtype):
        if isinstance(sample, Refused):
            raise sample.error
        yield sample


def attempt(
    name: str, path: Path, net: Network, sidecar: Sidecar | None, model: Path, dtype: str
) -> Iterator[Sample | Refused]:
    """Read the samples of one file and go on behind one that cannot be read; arguments as of :func:`read`."""
    try:
        if path.suffix.lower() in ARRAYS:
            arrays = _arrays(path, net)
            if not any(net.receives(key, array) for key, array in arrays.items()):
                _require_floats(path, arrays, sidecar)
            yield from _noticed(path, _slices(name, path, arrays, net, dtype), sidecar)
        else:
            yield _picture(name, path, net, sidecar, model, dtype)
    except LrpError as error:
        yield Refused(str(path), error)


def _picture(name: str, path: Path, net: Network, sidecar: Sidecar | None, model: Path, dtype: str) -> Sample:
    """Read a picture as the sidecar says."""
    if path.suffix.lower() in (*suffixes(), *EXPORTS) and path.suffix.lower() not in TEXTS:
        raise UnsupportedError(f"{path}: a model, not an input; {ORDER}")
    if path.suffix.lower() in TEXTS:
        raise UnsupportedError(
            f"{path}: text is no input of this version; pictures ({', '.join(PICTURES)}), .npy and .npz files are"
        )
    if sidecar is None:
        raise ModelFormatError(
            f"{path}: to read pictures, the model needs a sidecar that says how: write {model.with_suffix('.json')} "
            f"with, for example, {EXAMPLE}"
        )
    if len(net.inputs) > 1:
        raise ShapeError(f"{path}: the network has {len(net.inputs)} inputs; give them by name in an .npz file")
    x, shown = read_image(path, sidecar, dtype=dtype)
    return Sample(name, {net.inputs[0].name: x}, shown, where=str(path))


def _arrays(path: Path, net: Network) -> dict[str, NDArray[Any]]:
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
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
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


def _require_floats(path: Path, arrays: dict[str, NDArray[Any]], sidecar: Sidecar | None) -> None:
    """Refuse integers where nothing else is given: relevance is given to real numbers, and pixels are to be scaled."""
    if any(a.dtype.kind not in "iu" for a in arrays.values()):
        return  # floats, or what is refused later
    name, array = next(iter(arrays.items()))
    first = array[:1]
    told = f"{path}: '{name}' holds {array.dtype}" + (f" from {first.min()} to {first.max()}" if first.size else "")
    if sidecar is not None and sidecar.kind == "image":
        raise ModelFormatError(
            f"{told}; this model takes floats, {recipe(sidecar)}: save x.astype('float32') so scaled, or give the "
            "picture file"
        )
    if array.dtype == np.uint8:
        raise ModelFormatError(
            f"{told}; the network takes floats: save x.astype('float32') / 255 if it was trained on 0 to 1, "
            "x.astype('float32') if on 0 to 255, or give the picture file and a sidecar"
        )
    raise ModelFormatError(f"{told}; the network takes floats: save x.astype('float32')")


def _noticed(path: Path, samples: Iterator[Sample | Refused], sidecar: Sidecar | None) -> Iterator[Sample | Refused]:
    """Pass samples on; the first whose range is not that of the model's pictures is told on stderr."""
    quiet = sidecar is None
    for sample in samples:
        if not quiet and sidecar is not None and isinstance(sample, Sample):
            notice = range_notice(next(iter(sample.x.values())), sidecar)
            if notice is not None:
                warn(f"notice: {path}{f', {sample.name}' if sample.several else ''}: {notice}")
                quiet = True
        yield sample


def _slices(
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
        x = {key: _floats(array, dtype) for key, array in cut.items()}
        where = f"{path}, sample {k}" if count > 1 else str(path)
        try:
            net.feed(x)
        except LrpError as error:
            yield Refused(where, type(error)(f"{where}: {error}"), k, count)
            continue
        yield Sample(name if count == 1 else f"{name}_{k:0{digits}}", x, where=where, number=k, count=count)


def _floats(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Return floats as float32 or float64 in the machine's byte order; indices as they are."""
    if array.dtype.kind != "f":
        return array.astype(array.dtype.newbyteorder("="))
    keep = "float32" if array.dtype.itemsize <= 4 else "float64"
    return array.astype("float64" if dtype == "float64" else keep)


def batches(samples: Iterator[Sample], size: Callable[[Sample], int]) -> Iterator[list[Sample]]:
    """Group neighbours of the same shapes and dtypes, at most ``size(sample)`` at a time."""
    group: list[Sample] = []
    for sample in samples:
        if group and kind(sample) != kind(group[0]):
            yield group
            group = []
        group.append(sample)
        if len(group) >= size(group[0]):
            yield group
            group = []
    if group:
        yield group


def kind(sample: Sample) -> tuple[Any, ...]:
    """Return what samples of one batch have in common."""
    return tuple((key, a.shape, a.dtype) for key, a in sample.x.items())
