"""INPUT on the command line: pictures, folders of them, .npy and .npz, sentences, read one sample at a time."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import LrpError, ModelFormatError, ParameterError, ShapeError, UnsupportedError
from ..loaders import suffixes
from ..loaders.elsewhere import EXPORTS, ORDER, PICTURES, TABLES, of_tables
from ..loaders.numbers import require_floats
from ..loaders.preprocess import EXAMPLE, Sidecar, range_notice, read_image
from ..network.network import Network
from .arrays import read_arrays, slices
from .output import warn
from .samples import Refused, Sample
from .sentences import LINES, BagReader, Reader, Typed, is_sentence, slug

ARRAYS = (".npy", ".npz")
TEXTS = (".txt", ".csv", ".tsv", ".json", ".md")
TOKENIZER = "; a sentence needs --tokenizer FILE"
ELSEWHERE = "; sentences are read by 'lrp-ref explain' alone"
Source = Path | Typed


def found(
    given: Sequence[str | Path], *, text: bool = False, typed: bool = True
) -> tuple[dict[str, Source], list[Refused]]:
    """Return the files by the name of their results, of a folder its pictures (if it has none, its arrays) in the order
    of their names, and what is no file.

    Args:
        given: as on the command line.
        text: whether what is no file, and is not called like one, is a sentence.
        typed: whether it would be one with a tokenizer.
    """
    files: list[Source] = []
    refused: list[Refused] = []
    for one in given:
        path = Path(one)
        try:
            if not str(one).strip():
                if not text:
                    raise ParameterError("an INPUT is empty: give a file, or a sentence with --tokenizer FILE")
                files.append(Typed(str(one)))
            elif path.is_dir():
                files += _inside(path)
            elif path.is_file() or not (text and is_sentence(str(one))):
                files.append(_file(path, TOKENIZER if typed else ELSEWHERE))
            else:
                files.append(Typed(str(one)))
        except LrpError as error:
            refused.append(Refused(str(path), error))
        except (OSError, ValueError) as error:  # a name that is too long, or with a zero byte
            if text and is_sentence(str(one)):
                files.append(Typed(str(one)))
                continue
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            refused.append(Refused(str(path), ModelFormatError(f"{path}: {reason}")))
    named: dict[str, Source] = {}
    for file in files:
        named[free(slug(file.text) if isinstance(file, Typed) else file.stem, named)] = file
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


def _file(path: Path, of_sentences: str) -> Path:
    if not path.is_file():
        way = of_sentences if is_sentence(str(path)) and " " in str(path) else ""
        raise ModelFormatError(f"{path}: there is no such file{way}")
    return path


def expand(given: Sequence[Path]) -> dict[str, Path]:
    """Return the files by the name of their results, as :func:`found`.

    Raises:
        ModelFormatError: a path that does not exist.
        ParameterError: a folder with nothing to read.
    """
    named, refused = found(given, typed=False)
    if refused:
        raise refused[0].error
    return {name: file for name, file in named.items() if isinstance(file, Path)}


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
    name: str,
    path: Source,
    net: Network,
    sidecar: Sidecar | None,
    model: Path,
    dtype: str,
    reader: Reader | BagReader | None = None,
) -> Iterator[Sample | Refused]:
    """Read the samples of one file and go on behind one that cannot be read; arguments as of :func:`read`.

    ``reader`` is there where text is read: a sentence or a document, or a file with it, sentences one a line.
    """
    try:
        if reader is not None and (isinstance(path, Typed) or path.suffix.lower() == LINES):
            yield from _sentences(name, path, reader)
            return
        assert isinstance(path, Path), "a sentence without a reader is no INPUT"
        if path.suffix.lower() in ARRAYS:
            arrays = read_arrays(path, net)
            if not any(net.receives(key, array) for key, array in arrays.items()):
                require_floats(path, arrays, sidecar)
            yield from _noticed(path, slices(name, path, arrays, net, dtype), sidecar)
        else:
            yield _picture(name, path, net, sidecar, model, dtype)
    except LrpError as error:
        yield Refused(str(path), error)


def _sentences(name: str, source: Source, reader: Reader | BagReader) -> Iterator[Sample | Refused]:
    """Read a text of the command line, or all texts of a file; those that cannot be read are passed over."""
    given = [(0, 1, source.text)] if isinstance(source, Typed) else reader.texts(source)
    for number, count, text in given:
        whole = isinstance(source, Typed) or isinstance(reader, BagReader)
        where = str(source) if whole else f"{source}, line {number + 1}"
        called = name if count == 1 else f"{name}_{number + 1:0{len(str(count))}}"
        try:
            if isinstance(text, LrpError):
                raise text
            fed = reader.read(text)
        except LrpError as error:
            yield Refused(where, type(error)(f"{where}: {error}"), number, count)
            continue
        yield Sample(called, fed.x, where=where, number=number, count=count, fed=fed)


def _picture(name: str, path: Path, net: Network, sidecar: Sidecar | None, model: Path, dtype: str) -> Sample:
    """Read a picture as the sidecar says."""
    if path.suffix.lower() in (*suffixes(), *EXPORTS) and path.suffix.lower() not in TEXTS:
        raise UnsupportedError(f"{path}: a model, not an input; {ORDER}")
    if path.suffix.lower() in TABLES:
        raise UnsupportedError(f"{path}: tables are read as .npy, {of_tables(path)}")
    if path.suffix.lower() in TEXTS:
        raise UnsupportedError(
            f"{path}: text needs a tokenizer: 'lrp-ref explain' takes --tokenizer FILE and reads {LINES}, one "
            f"sentence a line; other inputs are pictures ({', '.join(PICTURES)}), .npy and .npz files"
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
