"""What a run leaves as JSON: claims, findings and numbers, from which its page is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ..errors import ModelFormatError
from ..loaders.limits import json_value
from .application import Application, Finding, Found, Held

LONGEST = 1 << 24  # bytes of a record
# What the values of a record may be, as JSON has them.
KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,), "sentence": (str,), "findings": (tuple,), "numbers": (dict,), "alt": (str,), "quick": (bool,),
    "withheld": (bool,), "seed": (int,), "seconds": (float, int), "peak_memory_mb": (int, type(None)),
    "versions": (dict,),
}  # fmt: skip


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
            ModelFormatError: not a record, or one of another name than its file.
        """
        what = f"{path}: not a result of 'lrp-ref gallery'"
        values = json_value(path.read_bytes(), what, longest=LONGEST)
        try:
            made = cls(**values | {"findings": tuple(Finding(**one) for one in values["findings"])})
        except (ValueError, TypeError, KeyError) as error:
            raise ModelFormatError(f"{what} ({error})") from error
        wrong = [name for name, kinds in KINDS.items() if type(getattr(made, name)) not in kinds]
        texts = [text for one in made.findings for text in (one.claim, one.measured, one.held)]
        if not wrong and not all(isinstance(text, str) for text in (*texts, *made.versions.values())):
            wrong.append("versions, or a text of a finding")
        if not wrong and not (made.findings and {one.held for one in made.findings} <= set(get_args(Held))):
            wrong.append("findings")
        if wrong:
            raise ModelFormatError(f"{what} (of another kind than there should be: {', '.join(wrong)})")
        if made.name != path.stem:
            raise ModelFormatError(f"{path}: the result of {made.name}, under another name")
        return made


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
