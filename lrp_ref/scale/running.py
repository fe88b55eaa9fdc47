"""A job and its store: made or taken up again, locked, and done chunk by chunk in this process or in others."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LrpError, ParameterError, require
from .jobs.environment import environment, require_cores
from .jobs.job import Job, Outcome, todo
from .locking import locked as locked
from .stores.layout import DONE, FAILED, TO_DO
from .stores.making import SURROUNDINGS, Store, create, difference, open_store

MENDED = "; files that were mended since are other data: write them into a list (.txt), and explain that"
LOST = "its chunk failed, and the file that says why is lost"


@dataclass(frozen=True)
class Summary:
    """What became of a run.

    Attributes:
        store: with the answers.
        done, failed, left: chunks of the store.
        before: chunks that were done before.
        samples: that this run has explained.
        seconds: that its chunks took, from the first to the last.
        residual: the largest of the ledger, of this run's samples.
        stopped: whether it was asked to stop.
        left_samples: of the chunks that are left.
    """

    store: Store
    done: int
    failed: int
    left: int
    before: int
    samples: int
    seconds: float
    residual: float
    stopped: bool
    left_samples: int = 0

    def refused(self) -> dict[int, str]:
        """Return why samples of the store are not explained, by their numbers.

        Of a chunk whose reasons are lost that is every sample: which of them are explained is not known.
        """
        if not self.failed:
            return {}
        found: dict[int, str] = {}
        errors = self.store.errors()
        # What is told of a chunk that is done by now was left by a process that was killed.
        for chunk in np.flatnonzero(self.store.states() == FAILED).tolist():
            part = self.store.part(chunk)
            told = errors.get(chunk, {}).get("samples") or dict.fromkeys(range(part.start, part.stop), LOST)
            found |= {int(k): why for k, why in told.items()}
        return found


def run(
    job: Job,
    out: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    memory_limit: str | int | None = None,
    retry_failed: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    begun: Callable[[Store, list[int]], Any] | None = None,
    progress: Callable[[Outcome], Any] | None = None,
) -> Summary:
    """Explain every sample of a job that its store does not have yet.

    It can be ended at any moment, and called again: what is done stays done. A sample that cannot be explained is told
    in the store, and does not end the run.

    Args:
        job: the question.
        out: the store, zarr where its name ends in .zarr, else a folder of .npy files; it is made where there is none.
        workers: processes on this machine; None for this process alone.
        scheduler: address of a Dask scheduler whose workers do the chunks.
        memory_limit: of each worker on this machine.
        retry_failed: also chunks that failed.
        stopped: is asked again and again whether to stop: chunks that run are finished.
        begun: is called with the store and the chunks to do, before the first.
        progress: is called with what became of each chunk.

    Raises:
        ParameterError: the store is of another job, or another run is at work on it; more threads than cores.
        MissingExtraError: Dask or zarr is asked for and not installed.
        LrpError: what is wrong with the question as a whole; no store is made then.

    Example:
        >>> import tempfile, lrp_ref as lrp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder)
        ...     lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.ones((3, 2)))]), place / "net.npz")
        ...     np.save(place / "x.npy", np.ones((10, 3)))
        ...     asked = lrp.scale.job(place / "net.npz", place / "x.npy", batch=4)
        ...     first, again = run(asked, place / "out"), run(asked, place / "out")
        ...     (first.done, first.samples), (again.done, again.before, again.samples)
        ((3, 10), (3, 3, 0))
    """
    _check_workers(job, workers, scheduler, memory_limit)
    goal = Path(out)
    _require_outside(job, goal)
    with locked(goal):
        fresh = not goal.exists()
        if fresh and (workers is not None or scheduler is not None):
            require("distributed", extra="scale", purpose="explain in several processes")
        store = store_of(job, goal)
        store.sweep()
        states = store.states().copy()
        _take_back(store, states)
        before = int((states == DONE).sum())
        chunks = todo(states, retry_failed)
        if begun is not None:
            begun(store, chunks)
        first = time.perf_counter()
        samples, residual = 0, 0.0
        try:
            with closing(_outcomes(job, store, chunks, stopped, workers, scheduler, memory_limit)) as outcomes:
                for outcome in outcomes:
                    states[outcome.chunk] = FAILED if outcome.refused else DONE
                    samples += outcome.samples - outcome.refused
                    residual = max(residual, outcome.residual)
                    if progress is not None:
                        progress(outcome)
        except (LrpError, MemoryError):
            if fresh and not store.states().any():  # nobody could do anything: it leaves no trace
                shutil.rmtree(goal)
            raise
    seconds = time.perf_counter() - first
    return Summary(store, **_counts(states), before=before, samples=samples, seconds=seconds, residual=residual,
                   stopped=stopped(), left_samples=samples_of(job, todo(states, False)))  # fmt: skip


def _require_outside(job: Job, goal: Path) -> None:
    """Raise where a store would be a part of the zarr array or group that it is about: the data would be others then.

    Raises:
        ParameterError: it would.
    """
    if getattr(job.source, "kind", None) != "zarr":
        return
    data, place = (os.path.realpath(path) for path in (getattr(job.source, "path", ""), goal))
    if place != data and os.path.commonpath([data, place]) == data:
        raise ParameterError(f"{goal} is inside the data set {data}, all of whose files count: give a place outside it")


def _take_back(store: Store, states: NDArray[np.uint8]) -> None:
    """Have done chunks whose files are lost done again: a copy that was broken off, or power that failed."""
    lost = store.lost(states)
    for chunk in lost:
        store.mark(chunk, TO_DO)
        states[chunk] = TO_DO
    if lost:
        many = "a chunk that was done has" if len(lost) == 1 else f"{len(lost)} chunks that were done have"
        again = "it is" if len(lost) == 1 else "they are"
        warnings.warn(f"{store.path}: {many} lost files, the first is {lost[0]}: {again} done again", stacklevel=3)


def _check_workers(job: Job, workers: int | None, scheduler: str | None, memory_limit: str | int | None) -> None:
    """Raise if the chunks cannot be done where it was asked for."""
    if workers is not None and scheduler is not None:
        raise ParameterError(f"{workers} workers of this machine, and those of {scheduler}: ask for one of the two")
    if memory_limit is not None and workers is None:
        raise ParameterError("a memory limit is of each worker on this machine: say how many workers")
    if scheduler is None:
        require_cores(1 if workers is None else workers, job.threads)


def _counts(states: NDArray[np.uint8]) -> dict[str, int]:
    named = {"done": DONE, "failed": FAILED, "left": TO_DO}
    return {name: int((states == state).sum()) for name, state in named.items()}


def samples_of(job: Job, chunks: Sequence[int]) -> int:
    """Return how many samples chunks have together."""
    return sum(part.stop - part.start for part in map(job.part, chunks))


def _outcomes(
    job: Job,
    store: Store,
    chunks: Sequence[int],
    stopped: Callable[[], bool],
    workers: int | None,
    scheduler: str | None,
    memory_limit: str | int | None,
) -> Generator[Outcome, None, None]:
    """Do the chunks where it was asked for."""
    if not chunks:
        return
    if workers is None and scheduler is None:
        yield from serial(job, store, chunks, stopped)
        return
    from .placing.placing import placed  # the core does the job without Dask

    yield from placed(job, store, chunks, stopped, workers=workers, scheduler=scheduler, memory_limit=memory_limit)


def store_of(job: Job, path: str | Path) -> Store:
    """Return the store of a job: a new one, or the one that is there if it is of the same job.

    Raises:
        ParameterError: the store is of another job; says in what it first differs.
        LrpError: what is wrong with the question as a whole.
    """
    goal = Path(path)
    asked = job.attributes() | {"lrp_ref": environment()["lrp_ref"]}
    if goal.exists():
        store = open_store(goal)
        found = difference(store.attributes, asked)
        if found is not None:
            raise ParameterError(
                f"{goal} is of another job: {found}; to go on with it ask for the same, else give another name"
                f"{MENDED if 'fingerprint' in found else ''}"
            )
        return store
    layout, names = job.probe()
    return create(goal, layout, job.attributes() | environment() | names)


def surroundings(store: Store) -> list[str]:
    """Return in what this process differs from the one that began a store, and which changes the last digits.

    Example:
        >>> class Begun:
        ...     attributes = {"numpy": "1.0", "blas": environment()["blas"]}
        >>> surroundings(Begun())  # doctest: +ELLIPSIS
        ['numpy is ... here and 1.0 where the store was begun: the last digits of its parts may differ']
    """
    here = environment()
    return [
        f"{name} is {here[name]} here and {store.attributes.get(name)} where the store was begun: the last digits of "
        "its parts may differ"
        for name in SURROUNDINGS
        if store.attributes.get(name) != here[name]
    ]


def serial(
    job: Job, store: Store, chunks: Sequence[int], stopped: Callable[[], bool] = lambda: False
) -> Iterator[Outcome]:
    """Do chunks one after the other in this process: the whole program, which all others must equal.

    Args:
        job: the question.
        store: where the answers go.
        chunks: which.
        stopped: is asked before each chunk whether to go on.

    Raises:
        LrpError: as of :meth:`lrp_ref.scale.Job.run_chunk`.
    """
    for i in chunks:
        if stopped():
            return
        yield job.run_chunk(i, store)
