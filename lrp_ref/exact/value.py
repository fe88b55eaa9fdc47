"""The certificate as a value: printed, saved as JSON, loaded again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..base import tables
from ..errors import ModelFormatError, ParameterError
from .enclosure import Enclosure
from .exact import Identities
from .rows import DECISION_HEADERS, HEADERS, Decision, NodeReport, decision, node_report, packed

FORMAT = "lrp-certificate 1"
ROOM = 4.0  # another order of summation rounds otherwise; it may be off by so many times the measured error
LEAST = 8.0  # ulp that are always allowed


@dataclass(frozen=True)
class Hashes:
    """What a certificate is about, as SHA-256.

    Attributes:
        model: of the file's bytes, or of names, layers and parameters of a network in memory.
        inputs: of each input array by name, as float64.
        result: of the float64 relevance of each input that has one; another machine may round otherwise.
        truth: of the true relevance rounded to float64, 0 where it cannot be told from 0.
    """

    model: str
    inputs: Mapping[str, str]
    result: Mapping[str, str]
    truth: Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """The question: the arguments of ``explain``, and which files they came from.

    Attributes:
        composite: a preset's name; for any other composite its repr, which cannot be built from a file.
        parameters: of the preset; of any other composite its ``bias``, if that was given.
        preset: whether ``composite`` is a preset's name.
        target: the explained outputs of each sample; None if the start relevance was an array.
        chosen: whether the target was the largest output rather than given.
        start, output, canonize: as in ``explain``.
        model, input: paths, if there are any.
        sample: which sample of the input file; None for its only one.
    """

    composite: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    preset: bool = True
    target: Any = None
    chosen: bool = True
    start: str = "logit"
    output: str | None = None
    canonize: bool = True
    model: str | None = None
    input: str | None = None
    sample: int | None = None


@dataclass(frozen=True, repr=False)
class Certificate:
    """Rigorous bounds on the error of one float64 explanation.

    Attributes:
        verdict: "certified", "certified with ties", or "not certified: " and why.
        request: what was asked.
        hashes: what it is about.
        bits: precision of the balls; 0 where none was enough.
        nodes: the bounds, from the output to the inputs.
        decisions: comparisons, in the order of execution.
        residual: upper bound of abs(residual) over the ledger's rows, computed with balls; it holds 0.
        identities: the same exactly.
        notes: what was done about ties, and what is not covered.
        truth: enclosures of the inputs' relevance; not saved.
    """

    verdict: str
    request: Request
    hashes: Hashes
    bits: int = 0
    nodes: tuple[NodeReport, ...] = ()
    decisions: tuple[Decision, ...] = ()
    residual: float = 0.0
    identities: Identities = field(default_factory=lambda: Identities("none", 0))
    notes: tuple[str, ...] = ()
    truth: Mapping[str, Enclosure] | None = field(default=None, compare=False)

    @property
    def certified(self) -> bool:
        """Whether the bounds hold."""
        return self.verdict in ("certified", "certified with ties")

    @property
    def worst(self) -> NodeReport | None:
        """The row with the largest relevance error in ulp."""
        return max(self.nodes, key=lambda n: n.relevance_ulp, default=None)

    def allowed(self, name: str) -> float:
        """Return how many ulp of the largest abs(R) a heatmap of the input ``name`` may be off by default."""
        measured = next((n.relevance_ulp for n in self.nodes if n.node == name), 0.0)
        return max(LEAST, ROOM * measured)

    def __repr__(self) -> str:
        worst = self.worst
        if worst is None:
            return f"Certificate({self.verdict})"
        return (
            f"Certificate({self.verdict}: {self.request.composite}, {self.bits} bits, largest error of a relevance "
            f"{worst.relevance_ulp:.3g} ulp at '{worst.node}'; {self.identities})"
        )

    def table(self) -> str:
        """Return bounds and decisions as text."""
        parts = [repr(self), "", tables.text(HEADERS, [n.cells() for n in self.nodes], right=(2, 3, 4, 5, 7))]
        if self.decisions:
            parts += ["", tables.text(DECISION_HEADERS, [d.cells() for d in self.decisions], right=(2, 3, 4, 5))]
        return "\n".join([*parts, *(f"note: {n}" for n in self.notes)])

    def _repr_html_(self) -> str:
        nodes = tables.html(HEADERS, [n.cells() for n in self.nodes], title=repr(self), right=(2, 3, 4, 5, 7))
        return nodes + tables.html(DECISION_HEADERS, [d.cells() for d in self.decisions], right=(2, 3, 4, 5))

    def save(self, path: str | Path) -> Path:
        """Write the certificate as JSON, first under a temporary name, and return the path.

        Raises:
            ParameterError: the folder does not exist.
        """
        target = Path(path)
        if not target.parent.is_dir():
            raise ParameterError(f"{target}: the folder {target.parent} does not exist; create it first")
        content = {
            "format": FORMAT,
            "verdict": self.verdict,
            "request": asdict(self.request),
            "sha256": asdict(self.hashes),
            "bits": self.bits,
            "nodes": [packed(n) for n in self.nodes],
            "decisions": [packed(d) for d in self.decisions],
            "residual": repr(self.residual),
            "identities": asdict(self.identities),
            "notes": list(self.notes),
        }
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target

    @staticmethod
    def load(path: str | Path) -> Certificate:
        """Read a certificate.

        Raises:
            ModelFormatError: no such file, or no certificate of this format.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ModelFormatError(f"{path}: there is no such file") from error
        except (ValueError, RecursionError) as error:
            raise ModelFormatError(f"{path}: not a certificate: {error}") from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise ModelFormatError(f"{path}: expected a file of format '{FORMAT}', got {found!r}")
        try:
            return _read(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFormatError(f"{path}: a damaged certificate: {type(error).__name__}: {error}") from error


def _read(c: Mapping[str, Any]) -> Certificate:
    named = {k: {str(n): str(h) for n, h in c["sha256"][k].items()} for k in ("inputs", "result", "truth")}
    proof = dict(c["identities"])
    proof |= {"nonzero": tuple(proof["nonzero"]), "primes": tuple(int(p) for p in proof["primes"])}
    return Certificate(
        verdict=str(c["verdict"]),
        request=Request(**c["request"]),
        hashes=Hashes(str(c["sha256"]["model"]), **named),
        bits=int(c["bits"]),
        nodes=tuple(map(node_report, c["nodes"])),
        decisions=tuple(map(decision, c["decisions"])),
        residual=float(c["residual"]),
        identities=Identities(**proof),
        notes=tuple(map(str, c["notes"])),
    )
