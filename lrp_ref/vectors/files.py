"""The vectors as files: are they what the manifest says, and a copy of them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LrpError, ParameterError
from .cases import HERE, Case, decode, load, read_faults, read_file, read_manifest
from .matching import Numbers

DIGITS = Fraction(1, 10**19)  # 20 digits: half a unit of the last, and some room for their rounding


def export(folder: str | Path) -> int:
    """Copy the vectors into a new folder, all or nothing; return the number of files.

    Args:
        folder: must not exist, or be empty.

    Raises:
        ParameterError: it is there and holds something, or is no folder.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        kind = "holds files already" if folder.is_dir() else "is a file"
        raise ParameterError(f"{folder} {kind}: give a folder that does not exist yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        copy = Path(temporary) / folder.name
        shutil.copytree(HERE, copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        if folder.exists():
            folder.rmdir()
        copy.rename(folder)
    return sum(1 for path in folder.rglob("*") if path.is_file())


def check(folder: str | Path | None = None) -> tuple[list[list[str]], list[str]]:
    """Check files against the manifest, the schema and themselves.

    Args:
        folder: with manifest.json; None for the vectors of this package.

    Returns:
        One row per file (name, cases, bytes, verdict), and what is wrong, a line each.

    Raises:
        ModelFormatError: no readable manifest.
    """
    folder = HERE if folder is None else Path(folder)
    manifest, rows, wrong = read_manifest(folder), [], []
    for name, entry in (*manifest["files"].items(), *manifest.get("faults", {}).items()):
        found = list(_faults(folder, name, entry) if name in manifest["files"] else _answers(folder, name, entry))
        wrong += [f"{name}: {fault}" for fault in found]
        path = folder / name
        size = path.stat().st_size if path.is_file() else 0
        rows.append([name, str(entry.get("cases", "")), str(size), "FAILS" if found else "holds"])
    names = [*manifest["files"], *manifest.get("faults", ())]
    groups = {Path(name).parts[0] for name in names}
    listed = {folder / name for name in names}
    for path in sorted(p for group in groups for p in (folder / group).rglob("*.json") if p not in listed):
        wrong.append(f"{path.relative_to(folder).as_posix()}: not listed in manifest.json")
    if not wrong:
        try:
            cases = load(folder)
        except LrpError as error:
            wrong.append(str(error))
        else:
            wrong += _misfits(
                cases, {case for name in manifest.get("faults", ()) for case in read_faults(folder, name)}
            )
    return rows, wrong


def _faults(folder: Path, name: str, entry: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one file."""
    yield from _altered(folder / name, entry)
    if not (folder / name).is_file():
        return
    try:
        cases = read_file(folder, name)
        if len(cases) != entry.get("cases"):
            yield f"it has {len(cases)} cases, the manifest says {entry.get('cases')}"
        for case in cases:
            decode(case.body, "float64", case.id)
            case.expected()
            yield from _not_exact(case.body, case.id)
    except LrpError as error:
        yield str(error)


def _altered(path: Path, entry: dict[str, Any]) -> Iterator[str]:
    """Yield whether a file is missing, or another one than the manifest says."""
    if not path.is_file():
        yield "missing"
        return
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != entry.get("sha256"):
        yield f"its SHA-256 is {digest[:12]}…, the manifest says {str(entry.get('sha256'))[:12]}…"


def _answers(folder: Path, name: str, entry: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with one file of what faults answer."""
    yield from _altered(folder / name, entry)
    if not (folder / name).is_file():
        return
    try:
        found = read_faults(folder, name)
    except LrpError as error:
        yield str(error)
        return
    if len(found) != entry.get("cases"):
        yield f"it has {len(found)} cases, the manifest says {entry.get('cases')}"


def _misfits(cases: Iterable[Case], told: set[str]) -> Iterator[str]:
    """Yield where a fault answers to no case, or with another number of numbers than is expected."""
    for case in cases:
        told.discard(case.id)
        right = Numbers(case).right if case.faults else np.zeros(0)
        for name, fault in case.faults.items():
            if fault.values.shape != right.shape:
                yield f"{case.id}: {name} answers {fault.values.size} numbers, {right.size} are expected"
    yield from (f"{name}: faults answer to it, and there is no such case" for name in sorted(told))


def _not_exact(value: Any, where: str) -> Iterator[str]:
    """Yield where decimals are not their exact number in 20 digits."""
    if isinstance(value, list):
        for entry in value:
            yield from _not_exact(entry, where)
    elif isinstance(value, dict) and value.get("exact") is not None and "decimal" in value:
        pairs = [(value["decimal"], value["exact"])] if isinstance(value["decimal"], str) else None
        for decimal, exact in pairs or zip(value["decimal"], value["exact"], strict=True):
            try:
                a, b = Fraction(decimal), Fraction(exact)
            except (ValueError, TypeError):
                if decimal != exact:  # NaN and infinities are written alike
                    yield f"{where}: {decimal!r} and {exact!r} are not one number"
                continue
            if abs(a - b) > abs(b) * DIGITS:
                yield f"{where}: {decimal} is not {exact} in 20 digits"
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from _not_exact(entry, f"{where}: {key}")


def check_schema(folder: str | Path | None = None) -> tuple[str, list[str]]:
    """Check every file against schema.json.

    Args:
        folder: with manifest.json; None for the vectors of this package.

    Returns:
        Why that is not possible, or "", and what is wrong, a line each.
    """
    import importlib
    import json

    folder = HERE if folder is None else Path(folder)
    try:
        jsonschema: Any = importlib.import_module("jsonschema")
    except ImportError:
        return "jsonschema is not installed", []
    manifest, wrong = read_manifest(folder), list[str]()
    for schema, names in (("schema.json", manifest["files"]), ("schema-faults.json", manifest.get("faults", ()))):
        if not (folder / schema).is_file():
            if names:
                return f"there is no {folder / schema}", wrong
            continue
        checker = jsonschema.Draft202012Validator(json.loads((folder / schema).read_bytes()))
        for name in names:
            if (folder / name).is_file():
                found = next(checker.iter_errors(json.loads((folder / name).read_bytes())), None)
                if found is not None:
                    wrong.append(f"{name}: {'/'.join(map(str, found.absolute_path))}: {found.message[:200]}")
    return "", wrong


def by_file(cases: Iterable[Case]) -> list[list[str]]:
    """Return the rows of a table: group, file, number of cases."""
    return [[group, file, str(count)] for (group, file), count in Counter((c.group, c.file) for c in cases).items()]


def by_flag(cases: Iterable[Case]) -> list[list[str]]:
    """Return the rows of a table: flag, number of cases that catch it, their groups; the commonest flag first."""
    flags: dict[str, Counter[str]] = {}
    for case in cases:
        for flag in case.catches:
            flags.setdefault(flag, Counter())[case.group] += 1
    rows = [[flag, str(groups.total()), ", ".join(groups)] for flag, groups in flags.items()]
    return sorted(rows, key=lambda row: (-int(row[1]), row[0]))
