"""What ``lrp-ref explain`` computes: one job for all inputs, explanations on the host."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import composites
from ..arrays import Array, to_numpy
from ..errors import ParameterError
from ..explanation import Explanation
from ..explanation import explain as explain_network
from ..inputs import batch_first
from ..network import Network
from ..preprocess import Sidecar
from ..trace import Ledger, Row
from .options import make_start


@dataclass(frozen=True)
class Job:
    """What is the same for every input.

    Attributes:
        model: the file.
        net: as it is in the file.
        sidecar: of the model, if there is one.
        composite: the rules.
        targets: outputs to explain; empty for the largest.
        top: how many of the largest outputs to explain.
        options: of the command line.
    """

    model: Path
    net: Network
    sidecar: Sidecar | None
    composite: composites.Composite
    targets: tuple[int, ...]
    top: int
    options: dict[str, Any]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs, as far as they are known."""
        return self.sidecar.classes if self.sidecar else ()

    @property
    def dtype(self) -> str:
        """The dtype in which pictures are explained."""
        return "float64" if self.options["float64"] else str(self.net.dtype or "float32")

    def explain(self, x: dict[str, Array], target: Any) -> Explanation:
        """Return one explanation of a batch, on the host."""
        return explain_network(
            self.net,
            x,
            target=target,
            composite=self.composite,
            start=make_start(self.options["start"]),
            canonize=not self.options["no_canonize"],
            xp=self.options["xp"],
            trace=self.options["trace"],
        ).to_numpy()

    def explain_all(self, x: dict[str, Array]) -> list[Explanation]:
        """Return the explanations of a batch, one per target."""
        if self.targets:
            return [self.explain(x, target) for target in self.targets]
        first = self.explain(x, None)
        outputs = batch_first(to_numpy(first.output), first.output_axis)
        outputs = outputs.reshape(len(outputs), -1)
        if self.top > outputs.shape[1]:
            raise ParameterError(f"--top {self.top}: the network has {outputs.shape[1]} outputs")
        # A stable sort, so that of equal outputs the lower index comes first, as in argmax.
        order = (-outputs).argsort(axis=1, kind="stable")
        return [first, *(self.explain(x, order[:, k]) for k in range(1, self.top))]


def single(e: Explanation, k: int) -> Explanation:
    """Return the explanation of the k-th sample of a batch."""
    if e.output.shape[e.output_axis] == 1:
        return e
    cut = slice(k, k + 1)

    def part(array: Array, axis: int) -> Array:
        return array[(slice(None),) * axis + (cut,)]

    names = list(e.relevance) if isinstance(e.relevance, dict) else []
    parts = [
        part(e.relevance[n] if names else e.relevance, axis)
        for n, axis in zip(names or [""], e.relevance_axes, strict=True)
    ]
    columns = ("relevance_out", "relevance_in", "bias", "stabiliser", "dropped", "residual")
    return replace(
        e,
        output=part(e.output, e.output_axis),
        relevance=dict(zip(names, parts, strict=True)) if names else parts[0],
        ledger=Ledger(Row(r.node, r.rule, **{c: getattr(r, c)[cut] for c in columns}) for r in e.ledger),
        kept=None if e.kept is None else e.kept.map(lambda a: a[cut]),
        again=None,
        target=None if e.target is None else e.target[cut],
        start_relevance=part(e.start_relevance, e.output_axis),
        probability=None if e.probability is None else part(e.probability, e.output_axis),
    )
