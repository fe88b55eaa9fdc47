"""What a worker process of a cluster does: it says whether it can take part, and does chunks."""

from __future__ import annotations

import hashlib
import json
import socket
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ...errors import ParameterError
from ..jobs.environment import cores, environment, versions
from ..jobs.job import Job, Labels, Outcome
from ..stores.layout import DONE
from ..stores.making import Store, open_store


@dataclass(frozen=True)
class Asked:
    """What a run asks of its workers: a small value, which each of them opens once.

    Attributes:
        job: the question.
        store: the path of the store, with all folders: a worker may stand in another one.
        attributes: a hash of what that store says of itself.
        versions: that every process must have alike.
        run: a name that no other run has.
    """

    job: Job
    store: str
    attributes: str
    versions: dict[str, str]
    run: str


@dataclass(frozen=True)
class Place:
    """What a worker says of itself.

    Attributes:
        host: the name of its machine.
        cores: that this machine, or the part of it that the worker may use, has.
        threads: chunks that the worker does at a time.
        blas: which BLAS works there.
        memory: bytes that it needs with the model loaded.
        limit: bytes that it may have; 0 for any number.
    """

    host: str
    cores: int
    threads: int
    blas: str
    memory: int
    limit: int


_OPEN: dict[str, Store] = {}


def hashed(store: Store) -> str:
    """Return a hash of what a store says of itself."""
    return hashlib.sha256(json.dumps(dict(store.attributes), sort_keys=True).encode()).hexdigest()


def _opened(asked: Asked) -> Store:
    """Return the store of a run, which a process opens once, not for every chunk.

    Raises:
        LrpError: this process would write other bytes, or does not see the same files.
    """
    found = _OPEN.get(asked.run)
    if found is not None:
        return found
    for name, version in versions().items():
        if version != asked.versions[name]:
            raise ParameterError(f"{name} is {version} there and {asked.versions[name]} here: install the same version")
    store = open_store(asked.store)
    if hashed(store) != asked.attributes:
        raise ParameterError(f"{Path(asked.store).name} is another store there: workers must see the same folders")
    _OPEN.clear()  # of runs before
    _OPEN[asked.run] = store
    return store


def look(asked: Asked, dask_worker: Any) -> Place:
    """Return what this worker is, once it has seen the model, the samples and the store.

    Raises:
        LrpError: what it cannot see, or why its bytes would be others.
    """
    _opened(asked)
    job = asked.job
    job.model.load()
    job.source.read(0, min(1, job.source.samples))
    if isinstance(job.target, Labels):
        job.target.load()
    limit = dask_worker.memory_manager.memory_limit or 0
    resident = int(dask_worker.monitor.get_process_memory())
    return Place(socket.gethostname(), cores(), dask_worker.state.nthreads, environment()["blas"], resident, int(limit))


def _done_before(i: int, store: Store) -> Outcome:
    """Return the outcome of a chunk whose worker died before anybody had heard of it.

    Its residual is measured against the sums of relevance, as those of its absolute values are not in the store: it may
    be told as larger than it was.
    """
    part = store.part(i)
    terms = np.asarray(store["ledger"][part]) * SIGNS
    residual, scale = np.abs(terms.sum(axis=2)).max(axis=1), np.abs(terms[:, :, 0]).max(axis=1)
    return Outcome(i, part.stop - part.start, residual=float((residual / np.where(scale, scale, 1)).max()))


SIGNS = np.array([1, -1, -1, -1, -1])  # of the ledger's columns in a residual
_STOPPED: set[str] = set()
_ONE = Lock()


def stop(run: str) -> None:
    """Begin no further chunk of a run in this process; those that are being done are finished."""
    _STOPPED.add(run)


def chunk(asked: Asked, i: int) -> Outcome | None:
    """Do a chunk that is not done, and return what became of it; None if the run was stopped before it began."""
    if asked.run in _STOPPED:
        return None
    store = _opened(asked)
    if store.state(i) == DONE:
        return _done_before(i, store)
    # With one thread each, the BLAS is the same for all; more than one it has from time to time only, as the package
    # divides work itself in between.
    with _ONE if asked.job.threads > 1 else nullcontext():
        return asked.job.run_chunk(i, store)
