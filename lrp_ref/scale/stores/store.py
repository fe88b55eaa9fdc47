"""One store: arrays that are written a chunk at a time, and which chunks are done; what both kinds of it do alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...base.files import PART, replace_file
from ...errors import LrpError, ModelFormatError, ParameterError, ShapeError
from .appearing import sweep_beside
from .layout import DONE, FAILED, TO_DO, Layout
from .stated import read_json

Host = NDArray[Any]
ERRORS = "errors"
_NUMBER = re.compile(r"[0-9]{1,18}")
# What NumPy and zarr raise for files that are not, or no longer, what they wrote.
DAMAGED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, RuntimeError, EOFError,
           SyntaxError, MemoryError)  # fmt: skip


class Store:
    """A store: a value of its path, which each process opens for itself.

    Args:
        path: of its folder.
        writable: whether it may be written; to read, no right to write is needed in either case.

    Attributes:
        path, writable: as above.
        attributes: everything that is needed to make it again, and the names of its axes.
        layout: its arrays.
        answers: the job that was last found to be the one that it is of, so that this is not asked for every chunk.

    Raises:
        ModelFormatError: it is none, is damaged, or of another format.
    """

    suffix: ClassVar[str] = ""

    def __init__(self, path: str | Path, *, writable: bool = True) -> None:
        self.path = Path(path)
        self.writable = writable
        self.attributes: dict[str, Any] = {}
        self.layout: Layout
        self.answers: Any = None
        try:
            self._read()
        except LrpError:
            raise
        except DAMAGED as error:
            reason = str(error) or type(error).__name__
            raise ModelFormatError(f"{self.path}: not a readable store of explanations: {reason}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (type(self), str(self.path), self.writable)

    # -- what each kind of store does in its own way ----------------------------------------------------------------

    def _read(self) -> None:
        """Read ``attributes`` and ``layout``, and hold them against the files."""
        raise NotImplementedError

    @classmethod
    def make(cls, path: Path, layout: Layout, attributes: Mapping[str, Any]) -> None:
        """Write a store without a chunk done at ``path``, a folder that is there and empty."""
        raise NotImplementedError

    def _write(self, part: slice, arrays: Mapping[str, Host]) -> None:
        raise NotImplementedError

    def _mark(self, chunk: int, state: int) -> None:
        raise NotImplementedError

    def states(self) -> NDArray[np.uint8]:
        """Return what became of every chunk: to do, done or failed.

        Raises:
            ModelFormatError: a state that cannot be read, or is none.
        """
        raise NotImplementedError

    def state(self, chunk: int) -> int:
        """Return what became of one chunk."""
        return int(self.states()[chunk])

    def __getitem__(self, name: str) -> Any:
        """Return an array of which slices can be read."""
        raise NotImplementedError

    def sweep(self) -> None:
        """Remove what processes that were killed have left behind; it is for the one who holds the store's lock."""
        for file in (self.path / ERRORS).glob(f".*{PART}"):
            file.unlink(missing_ok=True)
        sweep_beside(self.path)

    def lost(self, states: NDArray[np.uint8]) -> list[int]:
        """Return chunks that are done, by their states, and of whose files some are missing or empty.

        Of .npy files, which have all chunks, that is none.
        """
        return []

    # -- what all of them do alike ----------------------------------------------------------------------------------

    @property
    def samples(self) -> int:
        """N."""
        return self.layout.samples

    def __len__(self) -> int:
        return self.samples

    def part(self, chunk: int) -> slice:
        """Return which samples a chunk has."""
        size = self.layout.chunk
        return slice(chunk * size, min((chunk + 1) * size, self.samples))

    def write(self, part: slice, arrays: Mapping[str, Host]) -> None:
        """Write the rows of a chunk in every array; it is for the one who does the chunk alone.

        Args:
            part: the samples of a chunk, or of several. Who writes less would lose what others write at the same time:
                files have the rows of whole chunks.
            arrays: by name, (rows, ...), of the types of the layout.

        Raises:
            ParameterError: less than a chunk, or it cannot be written.
            ShapeError: an array that is not in the store, or of another shape or type.
        """
        size = self.layout.chunk
        if part.start % size or not (part.stop % size == 0 or part.stop == self.samples) or part.step is not None:
            raise ParameterError(f"samples {part.start} to {part.stop} are no whole chunks of {size}")
        for name, array in arrays.items():
            one = self.layout[name] if name in {spec.name for spec in self.layout.arrays} else None
            expected = None if one is None else (part.stop - part.start, *one.shape[1:])
            if one is None or array.shape != expected or array.dtype != one.dtype:
                wanted = "no such array" if one is None else f"{one.dtype} {expected}"
                raise ShapeError(f"{self.path}: '{name}' is {array.dtype} {array.shape}; expected {wanted}")
        self._changing(lambda: self._write(part, arrays))

    def mark(self, chunk: int, state: int) -> None:
        """Say what became of a chunk.

        Raises:
            ParameterError: no such chunk or state, or it cannot be written.
        """
        if not 0 <= chunk < self.layout.chunks or state not in (TO_DO, DONE, FAILED):
            raise ParameterError(f"chunk {chunk}, state {state}: {self.path} has {self.layout.chunks} chunks, from 0")
        self._changing(lambda: self._mark(chunk, state))

    def fail(self, chunk: int, reasons: Mapping[str, Any]) -> None:
        """Write why a chunk failed, and mark it.

        Raises:
            ParameterError: it cannot be written.
        """
        content = json.dumps({"chunk": chunk, **reasons}, ensure_ascii=False, indent=1) + "\n"
        data = content.encode("utf-8", "backslashreplace")

        def change() -> None:
            self._error(chunk).parent.mkdir(exist_ok=True)  # who copies a store may leave empty folders out
            replace_file(self._error(chunk), lambda stream: stream.write(data))

        self._changing(change)
        self.mark(chunk, FAILED)

    def done(self, chunk: int) -> None:
        """Mark a chunk as done; why it failed before is of no use any more.

        Raises:
            ParameterError: it cannot be written.
        """
        self.mark(chunk, DONE)
        self._changing(lambda: self._error(chunk).unlink(missing_ok=True))

    def _changing(self, change: Callable[[], Any]) -> None:
        """Do what changes files."""
        if not self.writable:
            raise ParameterError(f"{self.path} was opened to be read only")
        try:
            change()
        except OSError as error:
            raise ParameterError(f"cannot write {self.path}: {error.strerror or error}") from error

    def counts(self) -> dict[str, int]:
        """Return how many chunks are done, failed, and left."""
        states = self.states()
        done, failed = int((states == DONE).sum()), int((states == FAILED).sum())
        return {"done": done, "failed": failed, "left": len(states) - done - failed}

    def errors(self) -> dict[int, dict[str, Any]]:
        """Return why chunks failed, by their numbers.

        Raises:
            ModelFormatError: a damaged file of them.
        """
        found = {}
        for file in sorted((self.path / ERRORS).glob("[0-9]*.json")):
            if not _NUMBER.fullmatch(file.stem):  # a copy that somebody made
                continue
            chunk, content = int(file.stem), read_json(file, self.path)
            if content.get("chunk") != chunk or isinstance(content["chunk"], bool):
                raise ModelFormatError(f"{self.path}: {ERRORS}/{file.name} is damaged: not of chunk {file.stem}")
            part = self.part(chunk)
            if "samples" in content and not _reasons(content["samples"], range(part.start, part.stop)):
                raise ModelFormatError(f"{self.path}: {ERRORS}/{file.name} is damaged: no reasons of its samples")
            found[chunk] = content
        return found

    def _error(self, chunk: int) -> Path:
        digits = max(4, len(str(self.layout.chunks - 1)))
        return self.path / ERRORS / f"{chunk:0{digits}}.json"

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {what}" for what, n in self.counts().items())
        return f"{type(self).__name__}({str(self.path)!r}: {self.samples} samples, chunks {counts})"


def _reasons(found: Any, samples: range) -> bool:
    """Return whether this is why some of these samples are not explained: a text for each number."""
    return isinstance(found, dict) and all(
        isinstance(why, str) and _NUMBER.fullmatch(k) and int(k) in samples for k, why in found.items()
    )


def _opened(kind: type[Store], path: str, writable: bool) -> Store:
    return kind(path, writable=writable)
