"""The board's files: one JSON per program, version and dtype. They may come from anybody: everything is checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ...base.files import replace_file
from ...errors import ModelFormatError, one_line
from ...vectors.cases import DTYPES
from ...vectors.program import Program
from .results import LONGEST, STATUSES, Outcome, Results

FORMAT, MAJOR, VERSION = "lrp-board", "1", "1.0"
LIMIT = 32 << 20  # bytes of one file
MOST = 1000  # files of a folder
CASES, NUMBERS = 100_000, 64  # of one file; of one answer
HOW = "lrp-ref vectors board --save DIR makes such files"
TEXTS = ("title", "vectors", "date", "reproduce", "made")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def file_name(results: Results) -> str:
    """Return the name of a row's file.

    Example:
        >>> row = Results(Program("LRP toolbox", "1.3/1"), "", "float64", "", "", 0.0, "", "")
        >>> file_name(row)
        'lrp-toolbox-1.3-1-float64.json'
    """
    return f"{slug(results)}-{results.dtype}.json"


def slug(results: Results) -> str:
    """Return a program and its version as a part of file names and addresses."""
    text = f"{results.program.name}-{results.program.version}".lower()
    return re.sub(r"[^a-z0-9.]+", "-", text).strip("-.") or "program"


def dump(results: Results) -> str:
    """Return a row as JSON, one case a line, so that a difference of two files shows what changed.

    Numbers that JSON lacks are texts.
    """
    head = {
        "format": FORMAT, "version": VERSION, "program": asdict(results.program), "title": results.title,
        "dtype": results.dtype, "vectors": results.vectors, "date": results.date,
        "seconds": round(results.seconds, 1), "reproduce": results.reproduce, "made": results.made,
        "options": dict(results.options),
    }  # fmt: skip
    lines = [json.dumps(_case(o), ensure_ascii=False, allow_nan=False) for o in results.outcomes]
    body = json.dumps(head, ensure_ascii=False, indent=1)[:-2]
    return body + ',\n "cases": [\n' + ",\n".join(lines) + "\n]}\n"


def _case(outcome: Outcome) -> dict[str, Any]:
    told = {f.name: getattr(outcome, f.name) for f in fields(outcome)}
    for name in ("expected", "got"):
        told[name] = [v if math.isfinite(v) else str(v) for v in told[name]]
    return {key: list(v) if isinstance(v, tuple) else v for key, v in told.items() if v not in ("", (), [])}


def save(folder: Path, results: Results) -> Path:
    """Write a row's file: under another name first, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(results)
    text = dump(results)
    replace_file(path, lambda stream: stream.write(text.encode()))
    return path


def read_folder(folder: Path) -> list[Results]:
    """Read all files of a folder.

    Raises:
        ModelFormatError: there is none, one is damaged or of a newer format, or two are of the same program.
    """
    try:
        paths = sorted(p for p in folder.iterdir() if p.suffix == ".json")
    except OSError as error:
        raise ModelFormatError(f"{folder}: not a readable folder ({error.strerror}); {HOW}") from error
    if not paths:
        raise ModelFormatError(f"{folder}: it holds no .json files; {HOW}")
    if len(paths) > MOST:
        raise ModelFormatError(f"{folder}: {len(paths)} files; a board has at most {MOST}")
    found: dict[tuple[str, str, str], Path] = {}
    rows = []
    for path in paths:
        row = read(path)
        other = found.setdefault(row.key, path)
        if other != path:
            raise ModelFormatError(
                f"{path}: {' '.join(row.key)} is in {other.name} too; keep the newer one (dates: {row.date} here)"
            )
        rows.append(row)
    return rows


def read(path: Path) -> Results:
    """Read one file.

    Raises:
        ModelFormatError: not such a file, damaged, or of a newer format.
    """
    try:
        if path.stat().st_size > LIMIT:
            raise ModelFormatError(f"{path}: larger than {LIMIT >> 20} MiB; refused")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path}: not readable as JSON ({error}); {HOW}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ModelFormatError(f"{path}: not a file of the board (its format is not '{FORMAT}'); {HOW}")
    if str(found.get("version", "")).partition(".")[0] != MAJOR:
        raise ModelFormatError(f"{path}: version {found.get('version')!r}; this lrp_ref reads {MAJOR}.x")
    try:
        return _results(found)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        words = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else error
        raise ModelFormatError(f"{path}: {words}") from error


def _results(found: dict[str, Any]) -> Results:
    program = Program().said(found["program"])
    if not program.name or not program.version:
        raise ValueError("the program has no name or no version")
    if found["dtype"] not in DTYPES:
        raise ValueError(f"dtype {found['dtype']!r}: one of {', '.join(DTYPES)}")
    seconds, cases, options = float(found["seconds"]), found["cases"], found.get("options", {})
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds {seconds}: not a time")
    if not isinstance(cases, list) or not isinstance(options, dict):
        raise TypeError("cases is not a list, or options is not an object")
    if len(cases) > CASES:
        raise ValueError(f"{len(cases)} cases; at most {CASES}")
    texts = {name: _text(found[name], name, 4 * LONGEST) for name in TEXTS}
    if not DATE.fullmatch(texts["date"]):
        raise ValueError(f"date {texts['date']!r}: write it as 2026-11-29")
    outcomes = tuple(_outcome(case, k) for k, case in enumerate(cases))
    _require_once(o.id for o in outcomes)
    options = {_text(k, "options"): _text(v, "options") for k, v in options.items()}
    return Results(program, dtype=found["dtype"], seconds=seconds, options=options, outcomes=outcomes, **texts)


def _require_once(ids: Iterable[str]) -> None:
    seen = set[str]()
    for name in ids:
        if name in seen:
            raise ValueError(f"the case '{name}' is there twice")
        seen.add(name)


def _outcome(found: Any, k: int) -> Outcome:
    if not isinstance(found, dict):
        raise TypeError(f"case {k} is not an object")
    where = f"case {k}"
    told: dict[str, Any] = {}
    for f in fields(Outcome):
        value = found.get(f.name)
        if f.name in ("id", "rule", "layer", "status") and not value:
            raise ValueError(f"{where} has no {f.name}")
        if value is None:
            continue
        if f.name in ("expected", "got"):
            told[f.name] = _numbers(value, where)
        elif f.name == "dialects":
            if not isinstance(value, list) or len(value) > NUMBERS:
                raise TypeError(f"{where}: dialects is not a list of ids")
            told[f.name] = tuple(_text(v, where) for v in value)
        else:
            told[f.name] = _text(value, where)
    if told["status"] not in STATUSES:
        raise ValueError(f"{where}: status {told['status']!r}, known: {', '.join(STATUSES)}")
    return Outcome(**told)


def _numbers(value: Any, where: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) > NUMBERS:
        raise TypeError(f"{where}: its numbers are not a list of at most {NUMBERS}")
    if any(isinstance(v, bool) for v in value):
        raise TypeError(f"{where}: a number is true or false")
    return tuple(float(v) for v in value)


def _text(value: Any, where: str, longest: int = LONGEST) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{where}: {value!r} is not a text"[:LONGEST])
    return one_line(value, longest)
