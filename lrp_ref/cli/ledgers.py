"""``--ledger-file``: the ledgers of all inputs as one table."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import ParameterError
from ..propagation.explanation import Explanation
from ..propagation.ledger import COLUMNS
from .job import Found


def _target(e: Explanation) -> int | str:
    """Return the target as a number; as words where it is a sum, or set against another."""
    if e.target is None:
        return ""
    return int(e.target[0, 0]) if e.target.shape[1] == 1 and e.against is None else e.asked(0)


class LedgerFile:
    """All ledgers as one table, .csv or .json: written under a temporary name, renamed at the end.

    Args:
        path: of the file; its suffix says the format.
    """

    FIELDS = ("input", "composite", "target", "node", "rule", *COLUMNS)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.csv = path.suffix.lower() == ".csv"
        if not self.csv and path.suffix.lower() != ".json":
            raise ParameterError(f"{path}: a ledger is written as .csv or .json")
        if not path.parent.is_dir():
            raise ParameterError(f"{path}: the folder {path.parent} does not exist")
        self.part = path.with_name(f".{path.name}.{os.getpid()}.part")
        self.rows = 0

    def __enter__(self) -> LedgerFile:
        self.file = self.part.open("w", encoding="utf-8", newline="")
        if self.csv:
            csv.writer(self.file).writerow(self.FIELDS)
        return self

    def add(self, sample: str, found: Found) -> None:
        """Append the ledgers of one sample."""
        for composite, e in ((name, e) for name, several in found.items() for e in several):
            for row in e.ledger:
                numbers = [float(getattr(row, c)[0]) for c in COLUMNS]
                cells = [sample, composite, _target(e), row.node, row.rule, *numbers]
                if self.csv:
                    csv.writer(self.file).writerow(cells)
                else:
                    line = json.dumps(dict(zip(self.FIELDS, cells, strict=True)), ensure_ascii=False)
                    self.file.write((",\n" if self.rows else "[\n") + line)
                self.rows += 1

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        try:
            if not self.csv:
                self.file.write("\n]\n" if self.rows else "[]\n")
            self.file.close()
            if kind is None:
                self.part.replace(self.path)
        finally:
            self.part.unlink(missing_ok=True)
