"""Files that are replaced in one step: whoever reads finds the old one or the new one, never a part."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

PART = ".part"  # how the name of a temporary file ends


def replace_file(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    """Call ``write`` with a temporary file beside ``path``, which then takes its place; none is left after an error.

    A link stays one: what it names is replaced. Devices and pipes are no files that could be; they are written to. An
    error names ``path``, never the temporary file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     replace_file(Path(folder) / "numbers", lambda stream: stream.write(b"123"))
        ...     [(file.name, file.read_bytes()) for file in Path(folder).iterdir()]
        [('numbers', b'123')]
    """
    asked, path = path, path.resolve() if path.is_symlink() else path
    try:
        _replace(path, write)
    except OSError as error:
        if error.errno is None or (error.filename is not None and not str(error.filename).endswith(PART)):
            raise
        raise OSError(error.errno, error.strerror, str(asked)) from error


def _replace(path: Path, write: Callable[[IO[bytes]], Any]) -> None:
    import tempfile  # it loads a tenth of what the whole package takes

    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as stream:
            write(stream)
        return
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
