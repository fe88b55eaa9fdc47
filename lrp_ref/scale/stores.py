"""What is known of every sample, on disk: arrays that are written a chunk at a time, and which chunks are done."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..base.files import replace_file
from ..errors import LrpError, ModelFormatError, ParameterError
from .layout import DONE, FAILED, Layout

Host = NDArray[Any]
ERRORS = "errors"
# Attributes that say what the bytes depend on besides the question; another value is told, not refused.
SURROUNDINGS = ("numpy", "blas")
NAMES = ("model", "name")  # of files, which may be called otherwise


class Store:
    """A store: a value of its path, which each process opens for itself.

    Attributes:
        path: of its folder.
        attributes: everything that is needed to make it again, and the names of its axes.
        layout: its arrays.
    """

    suffix: ClassVar[str] = ""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.attributes: dict[str, Any] = {}
        self.layout: Layout

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self.path),)

    # -- what each kind of store does in its own way ----------------------------------------------------------------

    @classmethod
    def make(cls, path: Path, layout: Layout, attributes: Mapping[str, Any]) -> None:
        """Write a store without a chunk done at ``path``, a folder that is there and empty."""
        raise NotImplementedError

    def write(self, part: slice, arrays: Mapping[str, Host]) -> None:
        """Write the rows of a chunk in every array; it is for the one who does the chunk alone."""
        raise NotImplementedError

    def mark(self, chunk: int, state: int) -> None:
        """Say what became of a chunk."""
        raise NotImplementedError

    def states(self) -> NDArray[np.uint8]:
        """Return what became of every chunk: to do, done or failed."""
        raise NotImplementedError

    def __getitem__(self, name: str) -> Any:
        """Return an array of which slices can be read."""
        raise NotImplementedError

    def sweep(self) -> None:
        """Remove what a write that was killed has left behind."""

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

    def counts(self) -> dict[str, int]:
        """Return how many chunks are done, failed, and left."""
        states = self.states()
        done, failed = int((states == DONE).sum()), int((states == FAILED).sum())
        return {"done": done, "failed": failed, "left": len(states) - done - failed}

    def fail(self, chunk: int, reasons: Mapping[str, Any]) -> None:
        """Write why a chunk failed, and mark it."""
        content = json.dumps({"chunk": chunk, **reasons}, ensure_ascii=False, indent=1) + "\n"
        replace_file(self._error(chunk), lambda stream: stream.write(content.encode()))
        self.mark(chunk, FAILED)

    def done(self, chunk: int) -> None:
        """Mark a chunk as done; why it failed before is of no use any more."""
        self.mark(chunk, DONE)
        self._error(chunk).unlink(missing_ok=True)

    def errors(self) -> dict[int, dict[str, Any]]:
        """Return why chunks failed, by their numbers."""
        found = {}
        for file in sorted((self.path / ERRORS).glob("[0-9]*.json")):
            content = json.loads(file.read_text(encoding="utf-8"))
            found[int(content["chunk"])] = content
        return found

    def _error(self, chunk: int) -> Path:
        digits = max(4, len(str(self.layout.chunks - 1)))
        return self.path / ERRORS / f"{chunk:0{digits}}.json"

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {what}" for what, n in self.counts().items())
        return f"{type(self).__name__}({str(self.path)!r}: {self.samples} samples, chunks {counts})"


def create(path: str | Path, layout: Layout, attributes: Mapping[str, Any]) -> Store:
    """Make a store, whole or not at all: zarr where its name ends in .zarr, else a folder of .npy files.

    Raises:
        ParameterError: there is something of that name already, or it cannot be written.
        MissingExtraError: zarr is not installed.
    """
    goal = Path(path)
    kind = _kind(goal)
    if not goal.absolute().parent.is_dir():
        raise ParameterError(f"cannot write {goal}: the folder {goal.parent} does not exist")
    if goal.exists():
        raise ParameterError(f"cannot write {goal}: it is there already")
    part = Path(tempfile.mkdtemp(dir=goal.absolute().parent, prefix=f".{goal.name}.", suffix=".part"))
    try:
        kind.make(part, layout, attributes)
        part.chmod(0o755)
        part.replace(goal)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return kind(goal)


def open_store(path: str | Path) -> Store:
    """Return a store that is there.

    Raises:
        ModelFormatError: there is none, or it is none that lrp_ref has made.
    """
    goal = Path(path)
    if not goal.is_dir():
        raise ModelFormatError(f"{goal}: there is no such store; 'lrp-ref explain-set' makes one")
    try:
        return _kind(goal)(goal)
    except LrpError:
        raise
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ModelFormatError(f"{goal}: not a store of explanations: {error}") from error


def _kind(path: Path) -> type[Store]:
    if path.suffix.lower() == ".zarr":
        from .zarr_store import ZarrStore

        return ZarrStore
    from .npy_store import NpyStore

    return NpyStore


def difference(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """Return in which attribute a store first differs from what is asked, in words; None where it does not.

    Example:
        >>> difference({"batch": 32, "model": "a.onnx"}, {"batch": 16, "model": "b.onnx"})
        'batch is 32 there and 16 here'
    """
    for key, value in asked.items():
        there = stored.get(key)
        if key in (*SURROUNDINGS, *NAMES) or there == value:
            continue
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            inner = difference(there, value)
            if inner is None:
                continue
            return f"of {key}, {inner}"
        return f"{key} is {there!r} there and {value!r} here"
    return None
