"""All pages of the board in a folder: made beside it, then put in its place in one step."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import ParameterError
from .badges import badge, badge_name
from .files import dump, file_name, slug
from .index_page import index_page
from .program_page import program_page
from .results import Results

MARKER, FORMAT = "board.json", "lrp-board-site"


def grouped(rows: Iterable[Results]) -> list[list[Results]]:
    """Return the rows of each version of a program together, by title and version; float64 before float32."""
    found: dict[tuple[str, str], list[Results]] = {}
    for row in sorted(rows, key=lambda r: (r.title.lower(), _version(r.program.version), r.dtype != "float64")):
        found.setdefault(row.key[:2], []).append(row)
    return list(found.values())


def _version(text: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(p), "") if p.isascii() and p.isdigit() else (-1, p) for p in text.split("."))


def require_place(folder: Path) -> None:
    """Raise unless pages can be put there.

    Raises:
        ParameterError: it is a file, or a folder with other things than a board.
    """
    if folder.is_dir() and any(folder.iterdir()) and not _is_board(folder):
        raise ParameterError(f"{folder}: it holds files that are no board; give a folder that does not exist yet")
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder}: it is a file; give a folder that does not exist yet")


def _is_board(folder: Path) -> bool:
    try:
        found = json.loads((folder / MARKER).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("format") == FORMAT


def write_site(folder: Path, rows: Sequence[Results], absent: Mapping[str, str]) -> int:
    """Write all pages; what is there before is replaced whole, and left as it is after an error.

    Args:
        folder: a new one, or one of an earlier board.
        rows: of the board.
        absent: why a program was not run, by its title.

    Returns:
        The number of pages.

    Raises:
        ParameterError: see :func:`require_place`.
    """
    require_place(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new, old = Path(temporary) / "new", Path(temporary) / "old"
        pages = _write(new, grouped(rows), absent)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
        if old.exists():
            shutil.rmtree(old)
    return pages


def _write(folder: Path, programs: Sequence[Sequence[Results]], absent: Mapping[str, str]) -> int:
    for part in (folder, folder / "data", folder / "badges"):
        part.mkdir()
    files = {"index.html": index_page(programs, absent)}
    for rows in programs:
        name = f"{slug(rows[0])}.html"
        if name in files:
            raise ParameterError(f"two programs would have the page {name}: rename one of them in its file")
        files[name] = program_page(rows)
        for row in rows:
            files[f"data/{file_name(row)}"] = dump(row)
            files[f"badges/{badge_name(row, slug(row))}"] = badge(row)
    files[MARKER] = json.dumps({"format": FORMAT, "files": sorted(files)}, indent=1) + "\n"
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return sum(name.endswith(".html") for name in files)
