"""A job: one question about every sample of a data set, cut into chunks that can be done anywhere, in any order."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base.frozen import whole
from ..errors import LrpError, ModelFormatError, ParameterError, ShapeError, unknown
from ..exact import file_hash
from ..network.network import Network
from ..propagation import composites
from ..propagation.composites import Composite
from ..propagation.targets import class_number
from .environment import threads_of_blas
from .explaining import Question, Rows
from .layout import FAILED, LEDGER, TO_DO, ArraySpec, Layout, spec
from .models import ModelFile
from .reduction import DTYPES, Reduction
from .sources import Source, source
from .stores import Store

FORMAT = 1
BATCH = 32


@dataclass(frozen=True)
class Labels:
    """The target of each sample, in an .npy file.

    Attributes:
        path: of the file, one whole number for each sample.
        sha256: of its bytes.
    """

    path: str
    sha256: str

    @staticmethod
    def of(path: str | Path) -> Labels:
        """Return a file of targets.

        Raises:
            ModelFormatError: there is no such file.
        """
        return Labels(str(path), file_hash(path))

    def load(self) -> NDArray[np.int64]:
        """Return the targets (N,).

        Raises:
            ModelFormatError: another file than the job is about, or no whole numbers.
        """
        return _labels(self)


@lru_cache(maxsize=2)
def _labels(labels: Labels) -> NDArray[np.int64]:
    if file_hash(labels.path) != labels.sha256:
        raise ModelFormatError(f"{labels.path}: the targets have changed since the job was made")
    try:
        found = np.load(labels.path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ModelFormatError(f"{labels.path}: not a readable .npy file of targets") from error
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype.kind not in "iu":
        raise ModelFormatError(f"{labels.path}: targets are one whole number for each sample, in an .npy file")
    return found.astype(np.int64)


@dataclass(frozen=True)
class Outcome:
    """What became of a chunk.

    Attributes:
        chunk: its number.
        samples: how many it has.
        refused: how many of them are not explained.
        reason: why the first is not; "" if all are.
        residual: the largest of the ledger.
        seconds: that it took.
    """

    chunk: int
    samples: int
    refused: int = 0
    reason: str = ""
    residual: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class Job:
    """One question about every sample of a data set.

    It is a small value: a worker gets it whole, loads the model from its path once, and does any of its chunks.

    Attributes:
        model: the file and its hash.
        source: the samples.
        composite: the rules.
        target: what is explained of every sample: None for its largest output, an output, or :class:`Labels`.
        start, against: as of :func:`lrp_ref.explain`.
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
    """

    model: ModelFile
    source: Source
    composite: Composite
    target: Any = None
    start: Any = "logit"
    against: int | None = None
    batch: int = BATCH
    together: int = 1
    dtype: str = "float32"
    compute: str = "float32"
    reduce: str = "none"
    at: tuple[str, ...] = ()
    threads: int = 1
    xp: str = "numpy"
    canonize: bool = True

    # -- chunks ---------------------------------------------------------------------------------------------------

    @property
    def chunk(self) -> int:
        """Samples of a chunk; the last may have fewer."""
        return self.batch * self.together

    def chunks(self) -> range:
        """Return the numbers of all chunks.

        Example:
            >>> import tempfile, lrp_ref as lrp
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     place = Path(folder)
            ...     lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 2)))]), place / "net.npz")
            ...     np.save(place / "x.npy", np.ones((10, 3)))
            ...     made = job(place / "net.npz", place / "x.npy", composite="epsilon", batch=4)
            ...     list(made.chunks()), made.part(2)
            ([0, 1, 2], slice(8, 10, None))
        """
        return range(-(-self.source.samples // self.chunk))

    def part(self, i: int) -> slice:
        """Return which samples a chunk has.

        Raises:
            ParameterError: there is no such chunk.
        """
        if i not in self.chunks():
            raise ParameterError(f"chunk {i}: the job has {len(self.chunks())}, from 0")
        return slice(i * self.chunk, min((i + 1) * self.chunk, self.source.samples))

    def todo(self, store: Store, *, retry_failed: bool = False) -> list[int]:
        """Return the chunks of a store that are to do: neither done nor, unless they are tried again, failed."""
        states = store.states()
        again = (states == FAILED) & retry_failed
        return [int(i) for i in np.flatnonzero((states == TO_DO) | again)]

    def run_chunk(self, i: int, store: Store) -> Outcome:
        """Read a chunk's samples, explain them, write their rows, and mark the chunk last of all.

        It may be run again, or twice at once: equal bytes are written. A sample that cannot be read or explained leaves
        its rows empty; the chunk then counts as failed, with the reasons.

        Raises:
            ModelFormatError: the model is another than the job is about.
            ParameterError: this process computes other bytes: other versions, or threads.
        """
        begun = time.perf_counter()
        part = self.part(i)
        net = self.model.load()
        with threads_of_blas(self.threads):
            try:
                rows = self._rows(net, store.layout, part)
            except (LrpError, MemoryError, OSError) as error:
                reason = str(error) or type(error).__name__
                return self.fail(i, store, dict.fromkeys(range(part.start, part.stop), reason), begun)
        store.write(part, rows.arrays)
        if rows.refused:
            return self.fail(i, store, rows.refused, begun, rows.residual)
        store.done(i)
        return Outcome(i, part.stop - part.start, residual=rows.residual, seconds=time.perf_counter() - begun)

    def _rows(self, net: Network, layout: Layout, part: slice) -> Rows:
        """Return what a store keeps of the samples of a chunk."""
        rows = Rows(layout, part.start, part.stop)
        labels = self.target.load() if isinstance(self.target, Labels) else None
        question = self._question(net)
        for start in range(part.start, part.stop, self.batch):
            stop = min(start + self.batch, part.stop)
            read = self.source.read(start, stop)
            rows.refused |= read.refused
            which = np.array([k for k in range(start, stop) if k not in read.refused], dtype=np.int64)
            x = {name: _floats(array, self.compute) for name, array in read.x.items()}
            rows.explain(question, net, x, which, None if labels is None else labels[which])
        return rows

    def fail(self, i: int, store: Store, refused: dict[int, str], begun: float, residual: float = 0.0) -> Outcome:
        """Mark a chunk as failed, with the reason of each sample that is not explained."""
        part = self.part(i)
        store.fail(i, {"samples": {str(k): reason for k, reason in sorted(refused.items())}})
        first = min(refused)
        reason = f"sample {first}: {refused[first]}"
        seconds = time.perf_counter() - begun
        return Outcome(i, part.stop - part.start, len(refused), reason, residual, seconds)

    # -- what a store is made of ----------------------------------------------------------------------------------

    def _question(self, net: Network) -> Question:
        axes = net.inputs[0].axes
        channel = axes.index("channels") if "channels" in axes[1:] else 1
        target = None if isinstance(self.target, Labels) else self.target
        return Question(self.composite, target, self.start, self.against, self.canonize, self.xp, self.at,
                        Reduction(self.reduce, channel), self.dtype)  # fmt: skip

    def probe(self) -> tuple[Layout, dict[str, Any]]:
        """Return the arrays of a store, and what their axes are called, by explaining a sample of zeros.

        Raises:
            LrpError: what is wrong with the question, for every sample.
        """
        net = self.model.load()
        zeros = {name: _floats(a, self.compute) for name, a in self.source.zeros().items()}
        n = self.source.samples
        targets = None
        if isinstance(self.target, Labels):
            labels = self.target.load()
            if len(labels) != n:
                raise ShapeError(f"{self.target.path} has {len(labels)} targets for {n} samples")
            targets = labels[:1]
        kept, ledger, shapes = self._question(net).shapes(net, zeros, targets)
        nodes, rules = [node for node, _ in ledger], [rule for _, rule in ledger]
        arrays: tuple[ArraySpec, ...] = tuple(spec(name, n, a.shape[1:], str(a.dtype)) for name, a in kept.items())
        sidecar = self.model.read_sidecar()
        classes = (sidecar.classes if sidecar else ()) or net.classes
        names: dict[str, Any] = {"nodes": nodes, "node_rules": rules, "ledger": list(LEDGER), "classes": list(classes)}
        names |= {"inputs": list(shapes), "shapes": list(shapes.values())}
        return Layout(arrays, n, self.batch, self.chunk), names

    def attributes(self) -> dict[str, Any]:
        """Return everything that is needed to do the same again, as JSON can hold it; no path with folders."""
        start = self.start if isinstance(self.start, str) else repr(self.start)
        target = "largest" if self.target is None else self.target
        if isinstance(self.target, Labels):
            target = {"labels_sha256": self.target.sha256}
        return {
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
            "start": start,
            "against": self.against,
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


def told(composite: Composite) -> str:
    """Return the rules of a composite as text, with all their numbers."""
    whole_numbers = composite.map_arrays(lambda array: tuple(np.asarray(array).ravel().tolist()))
    return repr(whole_numbers)


def _floats(array: NDArray[Any], compute: str) -> NDArray[Any]:
    """Return floats in the type of the computation, integers as they are."""
    return array.astype(compute) if array.dtype.kind == "f" else array


def job(
    model: str | Path | ModelFile,
    data: str | Path | Source,
    *,
    composite: Any = None,
    target: Any = None,
    start: Any = "logit",
    against: Any = None,
    batch: int = BATCH,
    together: int = 1,
    dtype: str | None = None,
    reduce: str = "none",
    at: tuple[str, ...] = (),
    threads: int = 1,
    xp: str = "numpy",
    canonize: bool = True,
    **parameters: Any,
) -> Job:
    """Return a job: the question that is asked of every sample of ``data``; docstring to be completed."""
    file = model if isinstance(model, ModelFile) else ModelFile.of(model)
    net = file.load()
    given = data if not isinstance(data, str | Path) else source(data, net, file.read_sidecar())
    chosen = composites.resolve(composites.usual(net) if composite is None else composite, parameters, caller=job)
    if dtype is not None and dtype not in DTYPES:
        raise unknown("dtype", str(dtype), DTYPES)
    wide = str(net.dtype) == "float64" or any(a.dtype == np.float64 for a in given.zeros().values())
    compute = "float64" if dtype == "float64" or (dtype is None and wide) else "float32"
    return Job(
        file, given, chosen, class_number(target, net.classes), start, class_number(against, net.classes, "against"),
        whole("batch", batch, 1), whole("together", together, 1), dtype or compute, compute, reduce, tuple(at),
        whole("threads", threads, 1), xp, canonize,
    )  # fmt: skip
