"""A job and its store: made or taken up again, locked, and done chunk by chunk in this process."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ParameterError
from .environment import environment
from .jobs import Job, Outcome
from .stores import Store, create, difference, open_store


@dataclass(frozen=True)
class Summary:
    """What became of a run.

    Attributes:
        store: with the answers.
        done, failed, left: chunks of the store.
        before: chunks that were done before.
        samples: that this run has explained.
        seconds: that it took.
        residual: the largest of the ledger, of this run's samples.
        stopped: whether it was asked to stop.
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
    """Explain every sample of a job that its store does not have yet; docstring to be completed.

    Args:
        job: the question.
        out: the store; it is made where there is none.
        workers: processes on this machine; None for this process alone.
        scheduler: address of a Dask scheduler whose workers do the chunks.
        memory_limit: of each worker on this machine.
        retry_failed: also chunks that failed.
        stopped: is asked again and again whether to stop: chunks that run are finished.
        begun: is called with the store and the chunks to do, before the first.
        progress: is called with what became of each chunk.
    """
    first = time.perf_counter()
    with locked(out):
        store = store_of(job, out)
        store.sweep()
        before = store.counts()["done"]
        chunks = job.todo(store, retry_failed=retry_failed)
        if begun is not None:
            begun(store, chunks)
        samples, residual = 0, 0.0
        with closing(_outcomes(job, store, chunks, stopped, workers, scheduler, memory_limit)) as outcomes:
            for outcome in outcomes:
                samples += outcome.samples - outcome.refused
                residual = max(residual, outcome.residual)
                if progress is not None:
                    progress(outcome)
        counts = store.counts()
    seconds = time.perf_counter() - first
    return Summary(
        store, **counts, before=before, samples=samples, seconds=seconds, residual=residual, stopped=stopped()
    )


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
    from .placing import placed  # the core does the job without Dask

    yield from placed(job, store, chunks, stopped, workers=workers, scheduler=scheduler, memory_limit=memory_limit)


def store_of(job: Job, path: str | Path) -> Store:
    """Return the store of a job: a new one, or the one that is there if it is of the same job.

    Raises:
        ParameterError: the store is of another job; says in what it first differs.
    """
    goal = Path(path)
    asked = job.attributes() | {"lrp_ref": environment()["lrp_ref"]}
    if goal.exists():
        store = open_store(goal)
        found = difference(store.attributes, asked)
        if found is not None:
            raise ParameterError(f"{goal} is of another job: {found}; give another name, or ask the same")
        return store
    layout, names = job.probe()
    return create(goal, layout, job.attributes() | environment() | names)


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold the lock of a store meanwhile; the system frees it when the process ends, however it ends.

    Raises:
        ParameterError: another process holds it.
    """
    from filelock import FileLock, Timeout

    goal = Path(path).absolute()
    file = goal.parent / f".{goal.name}.lock"
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = ""
        with suppress(OSError, ValueError, KeyError):
            told = json.loads(file.read_text(encoding="utf-8"))
            who = f" (process {told['pid']} on {told['host']})"
        raise ParameterError(f"{path}: another run is at work on it{who}: wait for it, or end it") from None
    try:
        file.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            file.unlink()  # while it is held: who waits for it looks whether it is still there
        lock.release()


def serial(
    job: Job, store: Store, chunks: Sequence[int], stopped: Callable[[], bool] = lambda: False
) -> Iterator[Outcome]:
    """Do chunks one after the other in this process: the whole program, which all others must equal.

    Args:
        job: the question.
        store: where the answers go.
        chunks: which.
        stopped: is asked before each chunk whether to go on.
    """
    for i in chunks:
        if stopped():
            return
        yield job.run_chunk(i, store)
