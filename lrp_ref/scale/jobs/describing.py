"""A question about every sample of a data set, what a store says of it, and which arrays it has."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LrpError, ModelFormatError, NonFiniteError, ParameterError
from ...network.network import Network
from ...propagation.composites import Composite
from ...propagation.start import STARTS, Difference, Start
from ..sources import Source
from ..stores.layout import LEDGER, ArraySpec, Layout, spec
from ..stores.stated import FORMAT
from .environment import on_device, threads_of_blas, versions
from .explaining import Question, Shapes, floats
from .labels import Labels
from .models import ModelFile
from .reduction import Reduction

BATCH = 32
CHANNELS = ("channels", "features")  # what the axis of the channels is called, of a picture and of a series


@dataclass(frozen=True, repr=False)
class Described:
    """One question about every sample of a data set, and what a store says of it.

    Attributes:
        model: the file and its hash.
        source: the samples.
        composite: the rules.
        target: what is explained of every sample: None for its largest output, an output, or :class:`Labels`.
        start: the start relevance, a value of ``lrp.start``.
        batch: samples that are explained together. Their number changes the last digits, so that it is a part of the
            question.
        together: batches of a chunk, the unit of work; in a zarr store a chunk of several is one shard.
        dtype: of the relevance that is kept: float16, float32 or float64.
        compute: of the computation: float32 or float64.
        reduce: what is kept of a map: "none", "channels" or "top-K".
        at: values whose channels' relevance is kept: its sum, its largest number and where that is.
        threads: of the BLAS in each process.
        xp: "numpy" or "cupy".
        canonize: as of :func:`lrp_ref.explain`.
        made_with: versions of what the process that made the job computes with; no other does its chunks.
    """

    model: ModelFile
    source: Source
    composite: Composite
    target: Any = None
    start: Any = STARTS["logit"]
    batch: int = BATCH
    together: int = 1
    dtype: str = "float32"
    compute: str = "float32"
    reduce: str = "none"
    at: tuple[str, ...] = ()
    threads: int = 1
    xp: str = "numpy"
    canonize: bool = True
    made_with: tuple[tuple[str, str], ...] = field(default_factory=lambda: tuple(versions().items()), compare=False)

    def __repr__(self) -> str:
        asked = self.attributes()
        shown = {key: asked[key] for key in ("target", "start", "dtype", "reduce", "at") if asked[key]}
        told = ", ".join(f"{key} {value}" for key, value in shown.items())
        return (
            f"Job({self.model.name}, {self.source.samples} samples of {asked['input'].get('name', 'a source')} in "
            f"{len(self.chunks())} chunks of {self.chunk}, composite {self.composite.name}, {told})"
        )

    @property
    def chunk(self) -> int:
        """Samples of a chunk; the last may have fewer."""
        return self.batch * self.together

    def chunks(self) -> range:
        """Return the numbers of all chunks.

        Example:
            >>> import tempfile, pathlib, lrp_ref as lrp
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     place = pathlib.Path(folder)
            ...     lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 2)))]), place / "net.npz")
            ...     np.save(place / "x.npy", np.ones((10, 3)))
            ...     made = lrp.scale.job(place / "net.npz", place / "x.npy", composite="epsilon", batch=4)
            ...     list(made.chunks()), made.part(2)
            ([0, 1, 2], slice(8, 10, None))
        """
        return range(-(-self.source.samples // self.chunk))

    def network(self) -> Network:
        """Return the network, in the type of the computation where its inputs do not say it."""
        net = self.model.load()
        return self.model.load_as(self.compute) if net.tokens >= {i.name for i in net.inputs} else net

    def question(self, net: Network) -> Question:
        """Return what is asked of a batch."""
        axes = net.inputs[0].axes
        channel = next((axes.index(name) for name in CHANNELS if name in axes[1:]), 1)
        target = None if isinstance(self.target, Labels) else self.target
        return Question(self.composite, target, self.start, self.canonize, self.xp, self.at,
                        Reduction(self.reduce, channel), self.dtype)  # fmt: skip

    def probe(self) -> tuple[Layout, dict[str, Any]]:
        """Return the arrays of a store, and what their axes are called, by explaining a sample of zeros.

        Raises:
            LrpError: what is wrong with the question, for every sample.
        """
        n, labels = self.source.samples, self.target if isinstance(self.target, Labels) else None
        with threads_of_blas(self.threads), on_device(self.xp), np.errstate(all="ignore"):
            found = self._shapes(None if labels is None else labels.load()[:1])
        if labels is not None:
            labels.check(n, found.outputs)
        sidecar, net = self.model.read_sidecar(), self.model.load()
        classes = list((sidecar.classes if sidecar else ()) or net.classes)
        if classes and len(classes) != found.outputs:
            raise ModelFormatError(
                f"{len(classes)} classes of {self.model.name} are named, and the output has {found.outputs} numbers: "
                "give it a sidecar without 'classes'"
            )
        arrays: tuple[ArraySpec, ...] = tuple(spec(k, n, a.shape[1:], str(a.dtype)) for k, a in found.kept.items())
        names = {"nodes": list(found.nodes), "node_rules": list(found.rules), "ledger": list(LEDGER)}
        return Layout(arrays, n, self.batch, self.chunk), names | {
            "classes": classes, "inputs": list(found.maps), "shapes": list(found.maps.values()),
            "channel_axis": self.question(net).reduction.channel,
        }  # fmt: skip

    def _shapes(self, targets: NDArray[np.int64] | None) -> Shapes:
        """Explain zeros or, of a network that cannot take them, the first sample that it can."""
        net = self.network()
        question = self.question(net)

        def shapes(x: dict[str, NDArray[Any]]) -> Shapes:
            x = {k: floats(a, self.compute) for k, a in x.items()}
            try:
                return question.shapes(net, x, targets)
            except ParameterError as error:
                other = None if self.target is not None and targets is None else _apart(self.start)
                if other is None:
                    raise
                with suppress(LrpError):  # only of this sample is the target what it is set against
                    return replace(question, target=other).shapes(net, x, None)
                raise error

        try:
            return shapes(self.source.zeros())
        except NonFiniteError:
            for k in range(min(self.source.samples, self.batch)):
                try:
                    read = self.source.read(k, k + 1)
                    if not read.refused:
                        return shapes(read.x)
                except LrpError:
                    continue
            raise

    def attributes(self) -> dict[str, Any]:
        """Return everything that is needed to do the same again, as JSON can hold it; no path with folders."""
        target = "largest" if self.target is None else self.target
        if isinstance(self.target, Labels):
            target = {"labels_sha256": self.target.sha256}
        found = {
            "format": FORMAT,
            "model": self.model.name,
            "model_sha256": self.model.sha256,
            "network_sha256": self.model.network,
            "model_output": self.model.output or "the first",
            "input": self.source.attributes(),
            "samples": self.source.samples,
            "composite": self.composite.name,
            "rules": told(self.composite),
            "target": target,
            "start": start_name(self.start),
            "against": self.start.against if isinstance(self.start, Difference) else None,
            "canonize": self.canonize,
            "batch": self.batch,
            "together": self.together,
            "dtype": self.dtype,
            "compute": self.compute,
            "reduce": self.reduce,
            "at": list(self.at),
            "threads": self.threads,
            "xp": self.xp,
        }
        plain: dict[str, Any] = json.loads(json.dumps(found))  # a tuple is a list, as in a store that is read
        return plain


def _apart(start: Start) -> Any:
    """Return an output that is not the one that a start sets against; None where there is no other start."""
    if not isinstance(start, Difference):
        return None
    against = start.against
    if not isinstance(against, tuple):
        return int(not against)
    return (*against[:-1], int(not against[-1])) if len(against) > 1 else None


def told(composite: Composite) -> str:
    """Return the rules of a composite as text, with all their numbers."""
    whole_numbers = composite.map_arrays(lambda array: tuple(np.asarray(array).ravel().tolist()))
    return repr(whole_numbers)


def start_name(start: Start) -> str:
    """Return the name of a start, or all of it where it has a value.

    Example:
        >>> from lrp_ref.propagation.start import Reference
        >>> start_name(STARTS["logit"]), start_name(Difference(3)), start_name(Reference(2.5))
        ('logit', 'difference', 'Reference(value=2.5)')
    """
    if isinstance(start, Difference):
        return "difference"
    return next((name for name, one in STARTS.items() if one == start), repr(start))
