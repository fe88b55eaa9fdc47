"""Whole data sets out of a store: measures of all maps, and the samples in which each channel is strongest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.frozen import whole
from ...errors import ModelFormatError, ParameterError, ShapeError, UnsupportedError, unknown
from ...evaluate import Measure, Report, report
from ...evaluate.measures import find
from ...evaluate.reporting import USUAL, USUAL_MASKED
from ...evaluate.reports import RANDOM
from ...evaluate.stream import TOGETHER, batch_size
from ...methods.concepts.search import MOST
from ...methods.concepts.strongest import BY, Strongest
from ...methods.concepts.table import normalised, require_norm
from ...network.network import Network
from ..sources import Source
from ..stores.making import Store, difference
from .explained import Explained
from .rows import rows

Host = NDArray[Any]
Progress = Callable[[int, int], object]


def evaluated(
    store: Store | Explained,
    source: Source,
    net: Network,
    *,
    measures: Sequence[str | Measure] | None = None,
    masks: Any = None,
    order: Sequence[int] | None = None,
    dtype: str | None = None,
    name: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Return the report on all maps of a store beside a random map, some samples at a time.

    It is that of :func:`lrp_ref.evaluate.report` on all samples at once, number by number; what is kept of the data set
    are these numbers and the curves.

    Args:
        store: with the maps, or some of its samples, ``Explained(store, target=3, limit=1000)``.
        source: the samples that they are of.
        net: whose output is measured as it is: for the logit give the network without its softmax.
        measures: as of :func:`lrp_ref.evaluate.report`; none that explains again.
        masks: of the objects, of all samples of the source (N, ...); also an array of a file, which is read in parts.
        order: of the axes of samples and maps, as ``net`` takes them: (0, 3, 1, 2) where it was given photos with their
            channels in front and the store has them behind.
        dtype: of the samples; None for that of the store's computation.
        name: of the maps in the report; None for the composite.
        seed: of the random map and of what measures draw.
        progress: called with (done, total) samples after each part.

    Raises:
        ParameterError: other data than the store is of, nothing done yet, or a measure that explains again.
        ModelFormatError: a sample that cannot be read any more.
        LrpError: what a measure raises.

    Example:
        >>> import tempfile, lrp_ref as lrp
        >>> from pathlib import Path
        >>> made = lrp.evaluate.known.patch(samples=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder)
        ...     lrp.save(made.net, place / "net.npz")
        ...     np.save(place / "x.npy", made.x)
        ...     asked = lrp.scale.job(place / "net.npz", place / "x.npy", composite="lrp0", batch=3)
        ...     store = lrp.scale.run(asked, place / "out").store
        ...     found = evaluated(store, asked.source, made.net, measures=["pixel_flipping"])
        >>> relevance = lrp.explain(made.net, made.x, composite="lrp0").relevance
        >>> found == lrp.evaluate.report(made.net, made.x, {"lrp0": relevance}, measures=["pixel_flipping"])
        True
    """
    explained = Explained.given(store)
    store = explained.store
    require_source(store, source)
    usual = (*USUAL, *(USUAL_MASKED if masks is not None else ()))
    chosen = [find(m) for m in (usual if measures is None else measures)]
    for measure in chosen:
        if "explain" in measure.fields.values():
            raise ParameterError(
                f"measure '{measure.name}' explains again, and a store has maps alone: leave it out, or measure methods"
            )
    if masks is not None and len(masks) != store.samples:
        raise ShapeError(f"masks have shape {np.shape(masks)} for {store.samples} samples: give one for each")
    zeros = next(iter(source.zeros().values()))
    if zeros.dtype.kind != "f":
        raise UnsupportedError(f"the samples are integers ({zeros.dtype}), and measures put numbers between them there")
    # Measures go through 32 samples together at most: with parts of as many, BLAS is asked the same questions.
    together = min(TOGETHER, batch_size(None, zeros))
    batch = -(-store.layout.batch // together) * together
    label = name or called(store)
    found = []
    done = 0
    for some in explained.by(batch):
        x = _turned(samples(store, source, some.numbers, dtype), order)
        relevance = _turned(some.relevance, order)
        objects = None if masks is None else np.asarray(masks[some.numbers])
        found.append(report(net, x, {label: relevance}, measures=chosen, target=some.target, masks=objects, seed=seed))
        done += len(some)
        if progress is not None:
            progress(done, len(explained))
    return Report.joined(found)


def called(store: Store) -> str:
    """Return the composite's name, by which a report calls the maps of a store; "stored" where it could be mistaken."""
    name = str(store.attributes["composite"])
    return "stored" if name in ("", RANDOM) else name


def require_source(store: Store, source: Source) -> None:
    """Raise unless a store is of these data: their hash is compared, not their name.

    Raises:
        ParameterError: it is of others; says in what they first differ.
    """
    found = difference(store.attributes["input"], source.attributes())
    if found is not None or source.samples != store.samples:
        told = found or f"{store.samples} samples there and {source.samples} here"
        raise ParameterError(f"{store.path} is of other data: of its input, {told}; give the data that it was made of")


def samples(store: Store, source: Source, numbers: NDArray[np.int64], dtype: str | None = None) -> Host:
    """Return samples of the only input (n, ...), in the order of their numbers; floats in the dtype of the computation.

    Raises:
        ShapeError: a data set of several inputs.
        ModelFormatError: a sample that cannot be read any more.
    """
    batch = store.layout.batch
    parts = []
    for block in np.unique(numbers // batch).tolist():
        wanted = numbers[numbers // batch == block]
        first, stop = int(wanted.min()), int(wanted.max()) + 1
        read = source.read(first, stop)
        lost = next((int(k) for k in wanted if int(k) in read.refused), None)
        if lost is not None:
            raise ModelFormatError(f"sample {lost} was explained, and cannot be read any more: {read.refused[lost]}")
        if len(read.x) != 1:
            raise ShapeError(
                f"the data set has {len(read.x)} inputs, {', '.join(read.x)}: measures replace parts of one"
            )
        there = np.array([k for k in range(first, stop) if k not in read.refused])
        parts.append(next(iter(read.x.values()))[np.searchsorted(there, wanted)])
    found = np.concatenate(parts)
    return found.astype(dtype or store.attributes["compute"]) if found.dtype.kind == "f" else found


def _turned(array: Host, order: Sequence[int] | None) -> Host:
    """Return an array with its axes in another order; a map without channels has the same in both."""
    if order is None or array.ndim != len(order):
        return array
    return np.ascontiguousarray(array.transpose(order))


def strongest(
    store: Store | Explained,
    *,
    at: str,
    k: int = MOST,
    by: str = "sum",
    norm: str | None = None,
    progress: Progress | None = None,
) -> Strongest:
    """Return for each channel of a value the samples in which it has most relevance, of a store that keeps channels.

    It is what :func:`lrp_ref.methods.relmax` finds in all samples at once; the k best so far are in memory. How active
    a channel is (actmax) is not in a store.

    Args:
        store: of a job with ``at=(NODE, ...)``, or some of its samples, ``Explained(store, target=3)``.
        at: one of these values.
        k, by, norm: as of :func:`lrp_ref.methods.relmax`.
        progress: called with (done, total) samples after each part.

    Raises:
        ParameterError: a value that the store does not keep, nothing done yet, or another choice of ``by`` or ``norm``.

    Example:
        >>> import tempfile, lrp_ref as lrp
        >>> from pathlib import Path
        >>> layers = [("fc1", lrp.layers.Dense(np.eye(2))), ("fc2", lrp.layers.Dense(np.ones((2, 1))))]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder)
        ...     lrp.save(lrp.Network.sequential(layers), place / "net.npz")
        ...     np.save(place / "x.npy", np.array([[1.0, 1.0], [0.0, 1.0], [2.0, 0.0]]))
        ...     asked = lrp.scale.job(place / "net.npz", place / "x.npy", composite="lrp0", at=("fc1",))
        ...     strongest(lrp.scale.run(asked, place / "out").store, at="fc1", k=2)
        relevance of 'fc1' by sum: 2 samples for each of 2 channels
        channel  strongest samples
        ──────────────────────────
        0        2: 2, 0: 1
        1        0: 1, 1: 1
    """
    explained = Explained.given(store)
    store = explained.store
    kept = [str(name) for name in store.attributes["at"]]
    if not kept:
        raise ParameterError(f"{store.path} keeps no channels: a job keeps those of the values that its 'at' names")
    if at not in kept:
        raise unknown("value of the store", at, kept)
    require_norm(norm)
    if by not in BY:
        raise ParameterError(f"by={by!r}: give 'sum' or 'max' over the positions of a channel")
    k = whole("k", k, 1)
    place = kept.index(at)
    best: Strongest | None = None
    done = 0
    for numbers in explained.parts():
        values = normalised(rows(store, f"channels_{place}_{by}", numbers), norm)
        positions = rows(store, f"channels_{place}_position", numbers)
        which = np.broadcast_to(numbers[:, None], values.shape)
        one = Strongest(at, "relevance", by, norm, which, values, positions).of(which, values, positions, k)
        best = one if best is None else best.merged(one, k)
        done += len(numbers)
        if progress is not None:
            progress(done, len(explained))
    assert best is not None  # there is at least one explained sample
    return best
