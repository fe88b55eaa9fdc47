"""All checks of a model over all batches, and what they add up to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..network.heads import heads
from ..network.network import Network
from ..propagation.composites import Composite
from .check import FAILS, HOLDS, IMPOSSIBLE, OMITTED, Check, Feed, Finding
from .checks import AgainstRuntime, Canonized, NodesAgainstRuntime, OutputAlone, Promises, RelevanceAlone

LIMITS = {  # relative to the largest number that is compared
    "float64": {"ledger": 1e-12, "canonize": 1e-10, "batch": 1e-9},
    "float32": {"ledger": 1e-4, "canonize": 1e-4, "batch": 1e-3},
}
SHOWN = 5  # names in the sum of all checks


@dataclass(frozen=True, eq=False)
class Report:
    """What was found.

    Attributes:
        findings: of the outputs, and of one composite's relevance in a batch.
        ran: the composites that ran on all samples.
        stopped: the others: finding by name.
        several: whether there was more than one sample.
    """

    findings: tuple[Finding, ...]
    ran: tuple[Promises, ...]
    stopped: Mapping[str, Finding]
    several: bool = False

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Every check that decides."""
        return (*self.findings, *(p.finding() for p in self.ran), *self.stopped.values())

    @property
    def holds(self) -> bool:
        """Whether no check fails, and every check was made that could be expected."""
        return not any(f.verdict in (FAILS, IMPOSSIBLE) for f in self.all_findings)

    def summary(self) -> str:
        """Return one line: how many checks hold, fail, or were not made, and which."""
        by = {v: [f.check for f in self.all_findings if f.verdict == v] for v in (HOLDS, FAILS, OMITTED, IMPOSSIBLE)}
        made, omitted = len(by[HOLDS]), by[OMITTED]
        parts = []
        if by[FAILS]:
            parts.append(f"{_plural(len(by[FAILS]), 'check fails', 'checks fail')}: {_some(by[FAILS])}")
        if by[IMPOSSIBLE]:
            count = len(by[IMPOSSIBLE])
            made_ = f"{count} could not be made" if parts else _plural(count, "check", "checks") + " could not be made"
            parts.append(f"{made_}: {_some(by[IMPOSSIBLE])}")
        if not parts:
            all_ = "all " if not omitted else ""
            parts.append(f"{all_}{_plural(made, 'check holds', 'checks hold')}")
        if omitted:
            parts.append(f"{_plural(len(omitted), 'was', 'were')} not made: {_some(omitted)}")
        return "; ".join(parts)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _plural(count: int, one_: str, many: str) -> str:
    return f"{count} {one_ if count == 1 else many}"


class Examination:
    """Every check of one model; shown all batches, it reports.

    Args:
        net: as it is in the file.
        chosen: the composites by name.
        path: of the model.
        dtype: of the inputs, "float64" or "float32".
        first: name of the composite whose relevance alone and in a batch is compared, if it can run.
        required: whether every composite was asked for, so that one that cannot run is a failure.
        left_out: composites that cannot be made, with the reason.
        output: what ``lrp_ref.load`` was asked for, so that onnxruntime is asked for the same.
        options: of the loader, likewise.
    """

    def __init__(
        self,
        net: Network,
        chosen: Mapping[str, Composite],
        *,
        path: Path,
        dtype: str,
        first: str = "",
        required: bool = False,
        left_out: Mapping[str, str] | None = None,
        output: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        limits, options = LIMITS[dtype], options or {}
        runtime: list[Check] = [AgainstRuntime(net, path, output, **options)]
        if runtime[0].verdict != OMITTED:
            runtime.append(NodesAgainstRuntime(net, path, output, **options))
        net = net.batch_first()
        if not any(i.element_type.startswith("float") or not i.element_type for i in net.inputs):
            net = net.astype(dtype)  # integers do not say in what is computed
        # An output without a logit is explained from its value.
        start = "output" if heads(net)[0].lost else "logit"
        self.promises = [Promises(net, name, composite, limits["ledger"], start) for name, composite in chosen.items()]
        self.others: list[Check] = [
            *runtime,
            Canonized(net, limits["canonize"]),
            OutputAlone(net, limits["batch"]),
            RelevanceAlone(net, sorted(self.promises, key=lambda p: p.title != first), limits["batch"], start),
        ]
        self.required, self.left_out, self.samples = required, left_out or {}, 0

    def __len__(self) -> int:
        return len(self.promises) + len(self.others)

    def see(self, x: Feed, names: Sequence[str], step: Callable[[], object] = lambda: None) -> None:
        """Make every check on one batch.

        Args:
            x: inputs (n, ...) by name, the batch in front.
            names: of the n samples.
            step: called after each check.
        """
        self.samples += len(names)
        for check in (*self.promises, *self.others):
            check.see(x, names)
            step()

    def report(self) -> Report:
        """Return what was found in all batches."""
        ran = tuple(p for p in self.promises if not p.reason)
        able = any(p.is_lrp for p in ran) or not any(p.is_lrp for p in self.promises)
        stopped = {p.title: _stopped(p, self.required or not able) for p in self.promises if p.reason}
        for name, reason in self.left_out.items():
            stopped[name] = Finding(f"ledger of {name}", reason, None, OMITTED)
        return Report(tuple(check.finding() for check in self.others), ran, stopped, self.samples > 1)


def _stopped(check: Promises, expected: bool) -> Finding:
    """Return the finding of a composite that ended: what could not be made fails where it was to be expected."""
    found = check.finding()
    if found.verdict == FAILS:
        return found
    return Finding(found.check, found.measured, None, IMPOSSIBLE if expected else OMITTED)
