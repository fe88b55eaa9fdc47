"""A job: one question about every sample of a data set, cut into chunks that can be done anywhere, in any order."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import ParameterError
from ...network.network import Network
from ..stores.layout import FAILED, TO_DO, Layout
from ..stores.making import Store, difference
from .describing import Described
from .environment import on_device, threads_of_blas, versions
from .explaining import Rows, floats, reason
from .labels import Labels as Labels
from .outcomes import Outcome as Outcome


@dataclass(frozen=True, repr=False)
class Job(Described):
    """One question about every sample of a data set, cut into chunks; :func:`lrp_ref.scale.job` makes one.

    It is a small value: a worker gets it whole, loads the model from its path once, and does any of its chunks. Its
    attributes are those of :class:`lrp_ref.scale.jobs.describing.Described`.
    """

    def part(self, i: int) -> slice:
        """Return which samples a chunk has.

        Raises:
            ParameterError: there is no such chunk.
        """
        if i not in self.chunks():
            raise ParameterError(f"chunk {i}: the job has {len(self.chunks())}, numbered from 0")
        return slice(i * self.chunk, min((i + 1) * self.chunk, self.source.samples))

    def todo(self, store: Store, *, retry_failed: bool = False) -> list[int]:
        """Return the chunks of a store that are to do: neither done nor, unless they are tried again, failed."""
        return todo(store.states(), retry_failed)

    def run_chunk(self, i: int, store: Store) -> Outcome:
        """Read a chunk's samples, explain them, write their rows, and mark the chunk last of all.

        It may be run again, or twice at once: equal bytes are written. A sample that cannot be read or explained leaves
        its rows empty; the chunk then counts as failed, with the reasons. Such a sample's neighbours in its batch are
        explained one by one.

        Raises:
            ModelFormatError: the model is another than the job is about.
            ParameterError: the store is of another job; or this process computes other bytes: other versions than the
                one that made the job, or other threads.

        Example:
            >>> import tempfile, pathlib, lrp_ref as lrp
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     place = pathlib.Path(folder)
            ...     lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 2)))]), place / "net.npz")
            ...     np.save(place / "x.npy", np.ones((10, 3)))
            ...     made = lrp.scale.job(place / "net.npz", place / "x.npy", composite="lrp0", batch=4)
            ...     store = lrp.scale.run(made, place / "out", stopped=lambda: True).store  # made, and nothing done
            ...     outcome = made.run_chunk(1, store)
            ...     (outcome.samples, outcome.refused), made.todo(store), store["relevance"][4:8].sum()
            ((4, 0), [0, 2], np.float64(12.0))
        """
        begun = time.perf_counter()
        part = self.part(i)
        self._check(store)
        net = self.network()
        with threads_of_blas(self.threads), on_device(self.xp), np.errstate(all="ignore"):
            rows = self._rows(net, store.layout, part)
        store.write(part, rows.arrays)
        if rows.refused:
            return self.fail(i, store, rows.refused, begun, rows.residual)
        store.done(i)
        return Outcome(i, part.stop - part.start, residual=rows.residual, seconds=time.perf_counter() - begun)

    def _check(self, store: Store) -> None:
        """Raise unless this process answers the question of the store, with the bytes of all others."""
        for name, version in self.made_with:
            if versions()[name] != version:
                raise ParameterError(
                    f"this process has {name} {versions()[name]}, and the job was made with {version}: install one "
                    "version in all of them"
                )
        if store.answers == self:
            return
        found = difference(store.attributes, self.attributes())
        if found is not None:
            raise ParameterError(f"{store.path} is of another job: {found}")
        store.answers = self

    def _rows(self, net: Network, layout: Layout, part: slice) -> Rows:
        """Return what a store keeps of the samples of a chunk."""
        rows = Rows(layout, part.start, part.stop)
        labels = self.target.load() if isinstance(self.target, Labels) else None
        question = self.question(net)
        for start in range(part.start, part.stop, self.batch):
            stop = min(start + self.batch, part.stop)
            try:
                read = self.source.read(start, stop)
            except Exception as error:  # damaged or lost data: told in the store, while the others go on
                rows.refuse(range(start, stop), reason(error))
                continue
            rows.refused |= read.refused
            which = np.array([k for k in range(start, stop) if k not in read.refused], dtype=np.int64)
            x = {name: floats(array, self.compute) for name, array in read.x.items()}
            rows.explain(question, net, x, which, None if labels is None else labels[which])
        return rows

    def fail(self, i: int, store: Store, refused: dict[int, str], begun: float, residual: float = 0.0) -> Outcome:
        """Mark a chunk as failed, with the reason of each sample that is not explained."""
        part = self.part(i)
        store.fail(i, {"samples": {str(k): why for k, why in sorted(refused.items())}})
        first = min(refused)
        told = f"sample {first}: {refused[first]}"
        return Outcome(i, part.stop - part.start, len(refused), told, residual, time.perf_counter() - begun)


def todo(states: NDArray[np.uint8], retry_failed: bool) -> list[int]:
    """Return which chunks are to do, of what became of all of them.

    Example:
        >>> todo(np.array([1, 0, 2, 0], np.uint8), False), todo(np.array([1, 0, 2, 0], np.uint8), True)
        ([1, 3], [1, 2, 3])
    """
    again = (states == FAILED) & retry_failed
    return [int(i) for i in np.flatnonzero((states == TO_DO) | again)]
