"""What ``lrp-ref explain`` computes: one job for all inputs, explanations on the host."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..base.arrays import Array
from ..errors import ModelFormatError, NonFiniteError, ParameterError, ShapeError
from ..exact import array_hash, network_hash
from ..loaders.preprocess import Sidecar
from ..methods import Attribution
from ..network.inputs import batch_first
from ..network.network import Network
from ..propagation.composites import Composite
from ..propagation.explaining import explain as explain_network
from ..propagation.explanation import Explanation
from ..propagation.outlook import outlook
from .inputs import kind
from .options import class_names
from .samples import Sample
from .sentences import BagReader, Reader

Result = Explanation | Attribution
Found = dict[str, list[Any]]  # results by the name of the composite or method, one for each target
# Options that say where results go and what is printed, not what they are.
ELSEWHERE = (
    "directory", "batch_size", "html", "ledger", "ledger_file", "plan", "sidecar", "skip_existing", "strict", "view",
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """What is the same for every input.

    Attributes:
        model: the file.
        net: as it is in the file.
        sidecar: of the model, if there is one.
        composites: the rules by name; in other commands the methods.
        targets: outputs to explain; empty for the largest.
        top: how many of the largest outputs to explain.
        start: the start relevance.
        options: of the command line.
        reader: of sentences or documents, where any INPUT is text.
        batches: how many samples of each kind to explain at a time, found at the first.
        compiled: explanations as onnxruntime computes them, by composite and sizes.
    """

    model: Path
    net: Network
    sidecar: Sidecar | None
    composites: Mapping[str, Any]
    targets: tuple[Any, ...]
    top: int
    start: Any
    options: dict[str, Any]
    reader: Reader | BagReader | None = None
    batches: dict[Any, int] = field(default_factory=dict)
    compiled: dict[Any, Any] = field(default_factory=dict)

    @property
    def one_scale(self) -> bool:
        """Whether all maps of a sheet are in one unit, so that one scale of colours holds for them."""
        return True

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs, as far as they are known."""
        return class_names(self.net, self.sidecar)

    @property
    def several(self) -> bool:
        """Whether each input is explained for several targets."""
        return len(self.targets) > 1 or self.top > 1

    @property
    def dtype(self) -> str:
        """The dtype in which pictures are explained."""
        return "float64" if self.options["float64"] else str(self.net.dtype or "float32")

    def _asked(self, composite: Composite, target: Any) -> dict[str, Any]:
        """Return the arguments of an explanation."""
        return {
            "target": target,
            "composite": composite,
            "start": self.start,
            "canonize": not self.options["no_canonize"],
            "xp": self.options["xp"],
            "trace": self.options["trace"],
        }

    def _compiled(self, x: dict[str, Array], composite: Composite) -> Any:
        """Return the explanation of inputs of these sizes as onnxruntime computes it, compiled at the first."""
        from ..export.compiling import compile as compiled

        key = (composite, tuple((name, a.shape[1:]) for name, a in self.net.feed(x).items()))
        if key not in self.compiled:
            canonize = not self.options["no_canonize"]
            self.compiled[key] = compiled(
                self.net, composite, start=self.start, canonize=canonize, ledger=True, example=x
            )
        return self.compiled[key]

    def explain(self, x: dict[str, Array], composite: Any, target: Any) -> Result:
        """Return one explanation of a batch, on the host."""
        if self.options.get("engine") == "onnxruntime":
            found: Explanation = self._compiled(x, composite)(x, target=target)
            return found
        return explain_network(self.net, x, **self._asked(composite, target)).to_numpy()

    def explain_all(self, x: dict[str, Array]) -> Found:
        """Return the explanations of a batch, for every composite one per target."""
        found: Found = {}
        targets: list[Any] = list(self.targets)
        for name, composite in self.composites.items():
            found[name] = [] if targets else [self.explain(x, composite, None)]
            if not targets:
                outputs = batch_first(found[name][0].output, found[name][0].output_axis)
                # A stable sort, so that of equal outputs the lower index comes first, as in argmax.
                order = (-outputs.reshape(len(outputs), -1)).argsort(axis=1, kind="stable")
                targets = [order[:, k] for k in range(self.top)]
            for target in targets[len(found[name]) :]:
                e = self.explain(x, composite, target)
                if all(np.any(e.target != other.target) for other in found[name]):  # not two names of one output
                    found[name].append(e)
        return found

    def batch(self, sample: Sample) -> int:
        """Return how many samples of this kind to explain at a time.

        Raises:
            LrpError: what is wrong with the question, for every sample of this kind.
        """
        of = kind(sample)
        if of not in self.batches:
            try:
                self.batches[of] = self._view(sample)
            except (ShapeError, NonFiniteError):
                self.batches[of] = 1  # the network cannot take such a sample, but perhaps another; explaining says why
        return self.batches[of]

    def _view(self, sample: Sample) -> int:
        targets = self.targets or (None,)
        views = [
            outlook(self.net, sample.x, **self._asked(composite, target))
            for composite in self.composites.values()
            for target in targets
        ]
        self._check_outputs(views[0].output)
        return int(self.options["batch_size"] or min(view.batch for view in views))

    def _check_outputs(self, shape: tuple[int, ...]) -> None:
        count = math.prod(shape)
        if self.top > count:
            raise ParameterError(f"--top {self.top}: the network has {count} outputs")
        if self.classes and len(self.classes) != count:
            whose = "the sidecar of" if self.sidecar and self.sidecar.classes else "the file"
            way = ": give it a --sidecar without 'classes'" if self.options["output_name"] else ""
            raise ModelFormatError(
                f"{whose} {self.model} names {len(self.classes)} classes; the output has {count} numbers{way}"
            )

    @cached_property
    def _fixed(self) -> str:
        """What the results of every input depend on: the network, the sidecar, the options, the version."""
        asked = {key: str(v) for key, v in sorted(self.options.items()) if key not in ELSEWHERE}
        asked |= {"network": network_hash(self.net), "sidecar": repr(self.sidecar), "version": __version__}
        asked |= {"composites": ", ".join(self.composites), "targets": repr(self.targets), "top": str(self.top)}
        return json.dumps(asked)

    def question(self, sample: Sample) -> str:
        """Return a hash of everything that the results of a sample depend on."""
        values = {name: array_hash(array) for name, array in sample.x.items()}
        if sample.fed is not None:  # words that the vocabulary lacks are the same to the network, not in the results
            values["text"] = sample.fed.sentences[0].text
        return hashlib.sha256((self._fixed + json.dumps(values)).encode()).hexdigest()
