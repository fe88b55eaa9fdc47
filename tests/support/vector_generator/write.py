"""Write the files: one case a line, so that a difference between two versions can be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

from . import (
    alternatives,
    attention_cases,
    attention_networks,
    core,
    faulty,
    layer_cases,
    magnitude_cases,
    networks,
    recurrent,
    sequence_cases,
    window_cases,
)  # fmt: skip
from .dialects import SINCE, Seen
from .values import decimal

FORMAT, VERSION, TAG = "lrp-vectors", "1.3.0", "2026.11"  # the tag is the month of the version
FAULTS = "lrp-faults"
FILES: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
    **core.GROUPS,
    **window_cases.GROUPS,
    **layer_cases.GROUPS,
    **recurrent.GROUPS,
    **alternatives.GROUPS,
    **networks.GROUPS,
    **faulty.GROUPS,
    **attention_cases.GROUPS,
    **sequence_cases.GROUPS,
    **attention_networks.GROUPS,
    **magnitude_cases.GROUPS,
}
NEW = (*attention_cases.GROUPS, *sequence_cases.GROUPS, *attention_networks.GROUPS, "faulty/sequences.json")
ADDED = {  # files that a minor version added; the others never change
    "alternatives/bias-policy.json": "1.1.0",
    **dict.fromkeys(magnitude_cases.GROUPS, "1.3.0"),
    **dict.fromkeys(NEW, "1.2.0"),
}


def cases_of(name: str) -> list[dict[str, Any]]:
    """Return the cases of one file: ``catches`` has what each fault answers, by its id."""
    return list(FILES[name]())


def text_of(name: str, cases: list[dict[str, Any]]) -> str:
    """Return the text of one file; its flags are those that there were when it was added."""
    version = ADDED.get(name, "1.0.0")
    told = [{**case, "catches": flags(case, version)} if "catches" in case else case for case in cases]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in told)
    head = json.dumps({"format": FORMAT, "version": version, "group": name.partition("/")[0]})[:-1]
    return f'{head}, "cases": [\n{lines}\n]}}\n'


def flags(case: dict[str, Any], version: str) -> list[str]:
    """Return the ids of a case's faults that a version of the vectors knew."""
    return [name for name in case["catches"] if SINCE.get(name, "1.0.0") <= version]


def faults_of(cases: list[dict[str, Any]]) -> str:
    """Return the text of a file of what the known faults answer to these cases: a line per case."""
    lines = []
    for case in cases:
        told: dict[str, Seen] = case.get("catches", {})
        answers = ",".join(f'"{name}":{list_of(seen.numbers)}' for name, seen in told.items())
        zero = json.dumps({name: seen.zero for name, seen in told.items() if seen.zero}, separators=(",", ":"))
        if answers:
            lines.append(f'"{case["id"]}":{{"answers":{{{answers}}},"zero":{zero}}}')
    head = json.dumps({"format": FAULTS, "version": VERSION})[:-1]
    body = ",\n".join(lines)
    return f'{head}, "cases": {{\n{body}\n}}}}\n'


def list_of(values: list[Any]) -> str:
    """Return numbers as JSON in six digits, null for what depends on how a division by 0 is guarded."""
    return f"[{','.join('null' if v is None else decimal(Fraction(v), 6) for v in values)}]"


def put(path: Path, text: str) -> None:
    """Write a file under a temporary name, then move it to its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def generate(directory: Path) -> dict[str, int]:
    """Write all case files, what faults answer and manifest.json; return the number of cases of each file.

    Nothing is written before all cases are there.
    """
    cases = {name: cases_of(name) for name in FILES}
    texts = {name: text_of(name, found) for name, found in cases.items()}
    listed = {name: entry(text, len(cases[name])) for name, text in texts.items()}
    grouped: dict[str, list[dict[str, Any]]] = {}
    for name, found in cases.items():
        grouped.setdefault(f"faults/{name.partition('/')[0]}.json", []).extend(c for c in found if c.get("catches"))
    answers = {name: faults_of(found) for name, found in grouped.items() if found}
    faults = {name: entry(text, len(grouped[name])) for name, text in answers.items()}
    for name, text in {**texts, **answers}.items():
        put(directory / name, text)
    manifest = {"format": FORMAT, "version": VERSION, "tag": TAG, "files": listed, "faults": faults}
    put(directory / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return {name: len(found) for name, found in cases.items()}


def entry(text: str, count: int) -> dict[str, Any]:
    """Return the entry of a file in the manifest."""
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "cases": count}
