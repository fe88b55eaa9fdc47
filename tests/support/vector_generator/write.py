"""Write the files: one case a line, so that a difference between two versions can be read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from . import (
    alternatives,
    attention_cases,
    attention_networks,
    core,
    faulty,
    layer_cases,
    networks,
    recurrent,
    sequence_cases,
    window_cases,
)  # fmt: skip

FORMAT, VERSION = "lrp-vectors", "1.2.0"
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
}
NEW = (*attention_cases.GROUPS, *sequence_cases.GROUPS, *attention_networks.GROUPS, "faulty/sequences.json")
ADDED = {  # files that a minor version added; the others never change
    "alternatives/bias-policy.json": "1.1.0",
    **dict.fromkeys(NEW, "1.2.0"),
}


def text_of(name: str) -> tuple[str, int]:
    """Return the text of one file and its number of cases."""
    cases = list(FILES[name]())
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    version = ADDED.get(name, "1.0.0")
    head = json.dumps({"format": FORMAT, "version": version, "group": name.partition("/")[0]})[:-1]
    return f'{head}, "cases": [\n{lines}\n]}}\n', len(cases)


def put(path: Path, text: str) -> None:
    """Write a file under a temporary name, then move it to its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def generate(directory: Path) -> dict[str, int]:
    """Write all case files and manifest.json into a directory; return the number of cases of each file.

    Nothing is written before all cases are there.
    """
    texts = {name: text_of(name) for name in FILES}
    listed = {
        name: {"sha256": hashlib.sha256(text.encode()).hexdigest(), "cases": count}
        for name, (text, count) in texts.items()
    }
    for name, (text, _) in texts.items():
        put(directory / name, text)
    manifest = {"format": FORMAT, "version": VERSION, "files": listed}
    put(directory / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return {name: count for name, (_, count) in texts.items()}
