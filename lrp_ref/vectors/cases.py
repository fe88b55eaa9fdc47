"""Read the conformance vectors: files, numbers, cases. A file is untrusted input: names and sizes are checked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..errors import ModelFormatError, ParameterError, unknown
from . import faults
from .faults import Fault

HERE = Path(__file__).parent / "v1"
FORMAT, MAJOR = "lrp-vectors", "1"
DTYPES = ("float64", "float32")
LIMIT = 256 << 20  # bytes of one file
ASKED = ("layer", "inputs", "rule", "relevance_out", "network", "rules", "start", "choice")  # never what is expected


@dataclass(frozen=True)
class Release:
    """Which vectors: the version and the calendar tag of a manifest.

    Attributes:
        version: semantic: a changed answer is a new first number, added cases and flags a new second one.
        tag: year and month of the version; "" where the manifest has none.

    Example:
        >>> str(Release("1.3.0", "2026.11"))
        'lrp-vectors 1.3.0 (2026.11)'
    """

    version: str = ""
    tag: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (FORMAT, self.version, self.tag and f"({self.tag})") if part)


@dataclass(frozen=True, eq=False)
class Case:
    """One conformance case: a question, and the exact answer.

    Attributes:
        id: unique name, such as ``core/dense/epsilon/mixed-signs``.
        group: core, alternatives, networks or faulty.
        file: where it stands, relative to the folder of the vectors.
        catches: ids of the known faults and dialects whose result differs here: those of its file, and of ``faults``.
        topic, option: of a case with several accepted answers, else "".
        refuse: whether the right answer is a refusal.
        note: what is special about it, in one sentence.
        body: the case as the file has it.
        faults: what known faults and dialects answer here, by id.
        release: of the vectors that it belongs to.
    """

    id: str
    group: str
    file: str
    catches: tuple[str, ...]
    topic: str
    option: str
    refuse: bool
    note: str
    body: Mapping[str, Any] = field(repr=False)
    faults: Mapping[str, Fault] = field(default_factory=dict, repr=False)
    release: Release = Release()

    def question(self, dtype: str = "float64") -> dict[str, Any]:
        """Return what an adapter is given: arrays of ``dtype``, numbers as Python floats, nothing that is expected.

        Raises:
            ModelFormatError: numbers that do not fit their shape.

        Example:
            >>> from lrp_ref import vectors
            >>> sorted(vectors.load(groups=["core"])[0].question())
            ['dtype', 'group', 'id', 'inputs', 'layer', 'relevance_out', 'rule']
        """
        asked = {k: decode(self.body[k], dtype, self.id) for k in ASKED if self.body.get(k) is not None}
        return {"id": self.id, "group": self.group, "dtype": dtype, **asked}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs whose relevance has to be answered: operand numbers, or a network's inputs."""
        if "network" in self.body:
            return tuple(self.body["network"]["inputs"])
        expected = self.body.get("relevance_in", [])
        return tuple(str(k) for k, value in enumerate(expected) if value is not None)

    def expected(self) -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Return relevance and tolerance scale (float64, same shape) by name, in the order of the walk back.

        Raises:
            ModelFormatError: numbers that do not fit their shape, or a missing tolerance.
        """
        if self.refuse:
            return {}
        scales = _entry(self.body.get("tolerance"), "scale", f"{self.id}: tolerance")
        if "network" in self.body:
            known = _entry(self.body, "relevance", self.id)
            nodes = [str(n["name"]) for n in reversed(self.body["network"]["nodes"])]
            names = [n for n in (*nodes, *self.inputs) if n in known]
            return {n: self._pair(known[n], _entry(scales, n, f"{self.id}: scale"), n) for n in names}
        known = _entry(self.body, "relevance_in", self.id)
        if len(known) != len(scales):
            raise ModelFormatError(f"{self.id}: {len(known)} relevances with {len(scales)} tolerance scales")
        return {k: self._pair(known[int(k)], scales[int(k)], k) for k in self.inputs}

    @property
    def ulp(self) -> float:
        """The tolerance in units of eps(dtype)·scale."""
        return float(_entry(self.body["tolerance"], "ulp", f"{self.id}: tolerance"))

    def _pair(self, value: Any, scale: Any, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        a, b = (decode(v, "float64", f"{self.id}: relevance '{name}'") for v in (value, scale))
        if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or a.shape != b.shape:
            raise ModelFormatError(f"{self.id}: relevance '{name}' and its tolerance scale have different shapes")
        return a, b


def decode(value: Any, dtype: str, where: str) -> Any:
    """Return JSON with its numbers made usable: arrays of ``dtype``, Python floats; the rest as it is.

    Args:
        value: of a vector file.
        dtype: float64 or float32.
        where: for messages.

    Raises:
        ModelFormatError: as many numbers as the shape asks for are not there, or they are no numbers.

    Example:
        >>> decode({"shape": [2], "decimal": ["0.5", "-1"], "exact": ["1/2", "-1"]}, "float64", "x")
        array([ 0.5, -1. ])
        >>> decode({"decimal": "0.25", "exact": "1/4"}, "float64", "x")
        0.25
    """
    if isinstance(value, list):
        return [decode(v, dtype, where) for v in value]
    if not isinstance(value, dict):
        return value
    if "decimal" not in value:
        return {k: decode(v, dtype, where) for k, v in value.items()}
    digits = value["decimal"]
    try:
        if "shape" not in value:
            return float(digits)
        shape = tuple(value["shape"])
        if not all(isinstance(n, int) and n >= 0 for n in shape) or not isinstance(digits, list):
            raise ValueError("its shape is not a list of sizes, or its decimals are not a list")
        if math.prod(shape) != len(digits):
            raise ValueError(f"{len(digits)} numbers for shape {list(shape)}")
        return np.array([float(d) for d in digits], dtype=dtype).reshape(shape)
    except (ValueError, TypeError) as error:
        raise ModelFormatError(f"{where}: {error}") from error


def load(folder: str | Path | None = None, *, groups: Iterable[str] = (), only: Iterable[str] = ()) -> tuple[Case, ...]:
    """Read the cases.

    Args:
        folder: with manifest.json; None for the vectors of this package.
        groups: which groups; none for all.
        only: globs of case ids; none for all.

    Raises:
        ModelFormatError: a file that is missing, damaged or of another version.
        ParameterError: a group that is not there, or a glob that no case of the groups fits.

    Example:
        >>> from lrp_ref import vectors
        >>> vectors.load(only=["core/dense/*"])[0].group
        'core'
    """
    from fnmatch import fnmatchcase

    folder = HERE if folder is None else Path(folder)
    cases: list[Case] = []
    manifest = read_manifest(folder)
    release = Release(str(manifest["version"]), str(manifest.get("tag", "")))
    for name in manifest["files"]:
        cases += (replace(case, release=release) for case in read_file(folder, name))
    told: dict[str, dict[str, Fault]] = {}
    for name in manifest.get("faults", ()):
        told |= read_faults(folder, name)
    cases = [_with_faults(case, told.get(case.id, {})) for case in cases]
    twice = {c.id for c in cases} if len({c.id for c in cases}) < len(cases) else set()
    for case in cases if twice else ():
        if case.id not in twice:
            raise ModelFormatError(f"{folder / case.file}: the id '{case.id}' is used twice")
        twice.discard(case.id)
    wanted, patterns = list(groups), list(only)
    for group in wanted:
        if group not in {c.group for c in cases}:
            raise unknown("group", group, {c.group for c in cases})
    cases = [c for c in cases if not wanted or c.group in wanted]
    for pattern in patterns:
        if not any(fnmatchcase(c.id, pattern) for c in cases):
            raise ParameterError(f"no case fits '{pattern}': see lrp-ref vectors list for what there is")
    return tuple(c for c in cases if not patterns or any(fnmatchcase(c.id, p) for p in patterns))


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return manifest.json.

    Raises:
        ModelFormatError: no manifest, another format or version, or a name that leads out of the folder.
    """
    path = folder / "manifest.json"
    found = _read(path)
    _check_head(found, path)
    files, more = found.get("files"), found.get("faults", {})
    if not isinstance(files, dict) or not files or not isinstance(more, dict):
        raise ModelFormatError(f"{path}: it lists no files")
    for name, entry in (*files.items(), *more.items()):
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/") or "\\" in name or not isinstance(entry, dict):
            raise ModelFormatError(f"{path}: '{name}' is not an entry of a file below the folder")
    return dict(found)


def read_file(folder: Path, name: str) -> list[Case]:
    """Return the cases of one file.

    Raises:
        ModelFormatError: a file that is missing, damaged or of another version; the message names the case.
    """
    path = folder / name
    found = _read(path)
    _check_head(found, path)
    group, cases = found.get("group"), found.get("cases")
    if not isinstance(group, str) or not isinstance(cases, list):
        raise ModelFormatError(f"{path}: it has no group or no list of cases")
    return [_case(body, group, name, f"{path}: case {k}") for k, body in enumerate(cases)]


def read_faults(folder: Path, name: str) -> dict[str, dict[str, Fault]]:
    """Return what known faults answer, by case and id, of one file.

    Raises:
        ModelFormatError: a file that is missing, damaged or of another version.
    """
    found = _read(folder / name)
    _check_head(found, folder / name, faults.FORMAT)
    return faults.read(found, str(folder / name))


def _with_faults(case: Case, told: dict[str, Fault]) -> Case:
    if not told:
        return case
    return replace(case, catches=tuple(sorted({*case.catches, *told})), faults=told)


def _case(body: Any, group: str, file: str, where: str) -> Case:
    if not isinstance(body, dict) or not isinstance(body.get("id"), str):
        raise ModelFormatError(f"{where} has no id")
    choice = body.get("choice") or {}
    try:
        return Case(
            id=body["id"],
            group=group,
            file=file,
            catches=tuple(map(str, body.get("catches") or ())),
            topic=str(choice.get("topic", "")),
            option=str(choice.get("option", "")),
            refuse=body.get("expect") == "refuse",
            note=str(body.get("note", "")),
            body=body,
        )
    except (AttributeError, TypeError) as error:
        raise ModelFormatError(f"{where} ({body['id']}): {error}") from error


def _entry(found: Any, key: str, where: str) -> Any:
    if not isinstance(found, dict) or key not in found:
        raise ModelFormatError(f"{where}: '{key}' is missing")
    return found[key]


def _check_head(found: Any, path: Path, form: str = FORMAT) -> None:
    if not isinstance(found, dict) or found.get("format") != form:
        raise ModelFormatError(f"{path}: not a file of conformance vectors (its format is not '{form}')")
    if str(found.get("version", "")).partition(".")[0] != MAJOR:
        raise ModelFormatError(f"{path}: version {found.get('version')!r}; this lrp_ref reads {MAJOR}.x")


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > LIMIT:
            raise ModelFormatError(f"{path}: larger than {LIMIT >> 20} MiB; refused")
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path}: there is no such file; a folder of vectors has a manifest.json") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path}: not readable as JSON ({error})") from error
