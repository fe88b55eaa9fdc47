"""What a run leaves as JSON: claims, findings and numbers, from which its page is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from .application import Application, Finding, Found


@dataclass(frozen=True)
class Record:
    """The result of a run, without its picture.

    Attributes:
        name: of the application.
        sentence: the finding.
        findings: claims and what came of them.
        numbers: by name.
        alt: what the picture shows.
        quick: whether it was a quick run, whose numbers say nothing.
        withheld: whether its picture leaves out samples that may not be handed on.
        seed: of every random number.
        seconds: that the run took.
        peak_memory_mb: the most memory that the process held.
        versions: of the packages that it depends on.
    """

    name: str
    sentence: str
    findings: tuple[Finding, ...]
    numbers: Mapping[str, Any]
    alt: str
    quick: bool
    withheld: bool
    seed: int
    seconds: float
    peak_memory_mb: int | None
    versions: Mapping[str, str]

    @classmethod
    def of(cls, application: Application, found: Found, **about: Any) -> Record:
        """Return the record of what an application found."""
        numbers = {name: plain(value) for name, value in found.numbers.items()}
        return cls(application.name, found.sentence, found.findings, numbers, found.alt, **about)

    def text(self) -> str:
        """Return it as JSON, of the same bytes for the same record."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Record:
        """Return the record in a file.

        Raises:
            ModelFormatError: not a record.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**values | {"findings": tuple(Finding(**one) for one in values["findings"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ModelFormatError(f"{path}: not a result of 'lrp-ref gallery' ({error})") from error


def plain(value: Any) -> Any:
    """Return a number, text or list as JSON has it, floats to six digits; what is not finite is None.

    Example:
        >>> plain({"a": [1.23456789, float("nan")], "n": 3})
        {'a': [1.23457, None], 'n': 3}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
