"""What is checked of a model: its outputs, and what every composite does with the relevance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import loaders
from ..base.arrays import Array
from ..errors import ModelFormatError
from ..network.canonization import canonize
from ..network.inputs import batch_back
from ..network.network import Network
from ..propagation.composites import Composite
from ..propagation.explaining import explain
from ..propagation.explanation import Explanation
from ..rules.rule import Rule
from .check import HOLDS, IMPOSSIBLE, OMITTED, Check, Feed, Finding, one

AGREES = 1e-4  # relative difference to onnxruntime, which computes in float32
# What rounding in between may make of that: 8 bits are steps of 1/255 of a range in every layer, half precision has 11.
ROUNDED = {"quantised": 0.1, "half": 1e-2}
CONSERVED = 1e-5  # relative difference of start and input up to which a rule is called conservative


class AgainstRuntime(Check):
    """All outputs against onnxruntime's, in float32.

    Args:
        net: as it was loaded: in the layout of its file.
        path: of the model; any but an ONNX file has nothing to be compared with.
        output: what ``lrp_ref.load`` was asked for.
        options: for the loader.
    """

    def __init__(self, net: Network, path: Path, output: str | None = None, **options: Any) -> None:
        super().__init__("output against onnxruntime (float32)", AGREES)
        self.net, self.path, self.output, self.options = net, path, output, options
        if path.suffix.lower() != ".onnx":
            self.name, self.reason, self.verdict = "output against onnxruntime", "not an ONNX file", OMITTED

    def measure(self, x: Feed) -> float:
        given = {i.name: batch_back(x[i.name], i.batch_axis) for i in self.net.inputs}
        try:
            return self._compared(given)
        except ModelFormatError:
            if size(x) == 1:
                raise
            # A file may fix its batch to one sample.
            return max(self.measure(one(x, k)) for k in range(size(x)))

    def _compared(self, given: Feed) -> float:
        found = loaders.check_against_onnxruntime(self.path, given, output=self.output, **self.options)
        rounding = found[0].rounding
        if rounding:
            self.limit = ROUNDED[rounding]
            self.name = f"output against onnxruntime, which rounds ({rounding})"
        return max(c.relative for c in found)


class NodesAgainstRuntime(AgainstRuntime):
    """The value of every node against onnxruntime's, in float32; arguments as of :class:`AgainstRuntime`.

    Attributes:
        departs: the first node, in the order of the network, that is further away than the limit, with its tensor.
    """

    def __init__(self, net: Network, path: Path, output: str | None = None, **options: Any) -> None:
        super().__init__(net, path, output, **options)
        self.name, self.departs = "every node against onnxruntime (float32)", ""

    def _compared(self, given: Feed) -> float:
        found = loaders.compare_nodes(self.path, given, output=self.output, **self.options)
        first = next((c for c in found if not c.relative <= self.limit), None)
        if first is not None and not self.departs:
            self.departs = f"{first.relative:.1e} at '{first.value}' (tensor '{first.tensor}')"
        return max((c.relative for c in found), default=0.0)

    def finding(self) -> Finding:
        found = super().finding()
        return replace(found, measured=f"{found.measured}; first {self.departs}") if self.departs else found


class Canonized(Check):
    """The output of the network before and after merging BatchNorm."""

    def __init__(self, net: Network, limit: float) -> None:
        super().__init__("canonized output unchanged", limit)
        self.net = net
        self.ready: Network | None = None

    def measure(self, x: Feed) -> float:
        ready = self.net.like_input(x)
        if self.ready is None:
            self.ready = canonize(ready, drop_softmax=False)
        return apart(ready.forward(x), self.ready.forward(x))


class OutputAlone(Check):
    """The output of each sample alone and among the others."""

    def __init__(self, net: Network, limit: float) -> None:
        super().__init__("output of a sample in a batch", limit)
        self.net = net

    def measure(self, x: Feed) -> float:
        return _alone(x, lambda some: outputs(self.net.forward(some)))


class Promises(Check):
    """What one composite does with the relevance: it must be finite and accounted for; the rest is reported.

    Attributes:
        start, arrived: of the sample of which the largest part does not arrive.
        missing: that part, relative to the start.
        least: the least relevance of an input, relative to the sample's largest.
        kept: which of the properties of Montavon et al. hold for all samples.
    """

    def __init__(self, net: Network, name: str, composite: Composite, limit: float, begin: str = "logit") -> None:
        super().__init__(f"ledger of {name}", limit)
        self.net, self.composite, self.title, self.from_ = net, composite, name, begin
        self.start, self.arrived, self.missing, self.least = 0.0, 0.0, -1.0, 0.0
        self.kept = {"conservative": True, "positive": True, "consistent": True}

    @property
    def is_lrp(self) -> bool:
        """Whether it redistributes relevance by a rule for linear layers; the others are derivatives."""
        return any(isinstance(rule, Rule) for _, rule in (*self.composite.entries, *self.composite.base))

    def measure(self, x: Feed) -> float:
        e: Explanation = explain(self.net, x, composite=self.composite, start=self.from_)
        start, arrived, parts = e.started, e.arrived, list(e.maps().values())
        missing = abs(start - arrived) / np.where(start == 0, 1.0, abs(start))
        k = int(missing.argmax())
        if missing[k] > self.missing:
            self.start, self.arrived, self.missing = float(start[k]), float(arrived[k]), float(missing[k])
        largest = np.max([abs(p.reshape(len(p), -1)).max(axis=1, initial=0.0) for p in parts], axis=0)
        least = np.min([p.reshape(len(p), -1).min(axis=1, initial=0.0) for p in parts], axis=0)
        self.least = min(self.least, float((least / np.where(largest == 0, 1.0, largest)).min()))
        found = e.checks(tolerance=CONSERVED)
        self.kept = {name: kept and found[name] for name, kept in self.kept.items()}
        return e.ledger.residual

    def cells(self) -> list[str]:
        """Return the row of the table; only for a composite that ran."""
        texts = [f"{self.start:.4g}", f"{self.arrived:.4g}"]
        texts += [f"{c:.1e}" if c else "0" for c in (self.missing, self.least, self.worst or 0.0)]
        words = ", ".join(name for name, kept in self.kept.items() if kept)
        return [self.title, *texts, words if self.finding().verdict == HOLDS else "FAILS: the ledger does not close"]


class RelevanceAlone(Check):
    """The relevance of each sample alone and among the others, by the first composite that runs.

    Args:
        net: the network.
        order: the composites; each has seen the batch before.
        limit: as in :class:`Check`.
        begin: the start relevance, by name.
    """

    def __init__(self, net: Network, order: Sequence[Promises], limit: float, begin: str = "logit") -> None:
        super().__init__("relevance of a sample in a batch", limit)
        self.net, self.order, self.from_ = net, order, begin
        self.composite: Composite | None = None

    def begin(self) -> None:
        running = [p for p in self.order if not p.reason]
        if self.composite is None and running:
            self.composite, self.name = running[0].composite, f"{self.name} ({running[0].title})"
        elif self.composite is None:
            self.reason, self.verdict = "no composite could run", IMPOSSIBLE

    def measure(self, x: Feed) -> float:
        return _alone(
            x, lambda some: outputs(explain(self.net, some, composite=self.composite, start=self.from_).relevance)
        )


def size(x: Feed) -> int:
    """Return the number of samples."""
    return len(next(iter(x.values())))


def outputs(found: Any) -> list[Array]:
    """Return the arrays of what may be one, several, or several by name."""
    if isinstance(found, list):
        return found
    return list(found.values()) if isinstance(found, Mapping) else [found]


def apart(a: Any, b: Any) -> float:
    """Return the largest difference, relative to the largest number of the first."""
    gaps = []
    for one_, other in zip(outputs(a), outputs(b), strict=True):
        largest = float(np.abs(one_).max(initial=0.0))
        gaps.append(float(np.abs(one_ - other).max(initial=0.0)) / (largest or 1.0))
    return float(np.max(gaps))


def _alone(x: Feed, compute: Callable[[Feed], list[Array]]) -> float:
    """Return how far the samples alone are from the same ones together; a lone one is put beside its mirror image."""
    together = x
    if size(x) == 1:
        together = {k: np.concatenate([a, a[..., ::-1] if a.dtype.kind == "f" else a]) for k, a in x.items()}
    all_ = compute(together)
    return max(apart(compute(one(x, k)), [a[k : k + 1] for a in all_]) for k in range(size(x)))
