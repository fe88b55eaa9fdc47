"""Processes for the chunks of a job: those of a new Dask cluster on this machine, or of one that is there."""

from __future__ import annotations

import logging
import os
import signal
import uuid
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from ...errors import LrpError, ParameterError, require
from ..jobs.environment import environment, require_cores, versions
from ..jobs.job import Job
from ..stores.making import Store
from .workers import Asked, Place, hashed, look

CONNECT = 10  # seconds to find a scheduler
FULL = 0.8  # of a worker's memory: with more of it in use before the first chunk, none can be done
VARIABLES = ("PYTHONHASHSEED", "__DASK_PARENT_PID")  # that Dask sets besides those of its settings
DEATHS = 2  # of the workers of this machine that did one and the same chunk, until it is done alone
# Without pages to look at; any free port for what answers of them.
SCHEDULER = {"allowed_failures": DEATHS - 1, "dashboard": False, "dashboard_address": "127.0.0.1:0"}


def distributed() -> Any:
    """Return Dask's package, or say which extra brings it."""
    return require("distributed", extra="scale", purpose="do chunks in several processes")


@contextmanager
def local(workers: int, memory_limit: str | int | None, threads: int) -> Iterator[Any]:
    """Start worker processes on this machine, and end them.

    Args:
        workers: how many; each does one chunk at a time.
        memory_limit: of each; None for none: what a chunk needs in one process alone it may have here too.
        threads: of the BLAS in each.

    Raises:
        ParameterError: there are not so many cores, or they cannot be started.
    """
    dask_distributed = distributed()
    import dask

    require_cores(workers, threads)
    limit = _limit(memory_limit)
    # A worker holds no results that it could write to disk, and one that pauses would do so for ever. Nobody looks at
    # Dask's profile, for which a worker stops a hundred times a second.
    settings: dict[str, Any] = {f"distributed.worker.memory.{what}": False for what in ("target", "spill", "pause")}
    settings |= {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}
    with ExitStack() as open_now:
        # A worker that is missing just then, some time after one of its name has died, would never be started again.
        open_now.enter_context(dask.config.set({"distributed.deploy.lost-worker-timeout": "1000 days"}))
        open_now.enter_context(_environ({*dask.config.get("distributed.nanny.pre-spawn-environ"), *VARIABLES}))
        with _unasked(), dask.config.set(settings):
            try:
                cluster = dask_distributed.LocalCluster(
                    n_workers=workers, threads_per_worker=1, processes=True, memory_limit=limit,
                    silence_logs=logging.CRITICAL, scheduler_kwargs=SCHEDULER,
                )  # fmt: skip
            except Exception as error:
                raise ParameterError(
                    f"the workers could not be started ({type(error).__name__}: {error}); a script that starts "
                    "some does so below: if __name__ == '__main__':"
                ) from error
        open_now.enter_context(cluster)
        yield open_now.enter_context(dask_distributed.Client(cluster, set_as_default=False))


@contextmanager
def remote(address: str) -> Iterator[Any]:
    """Use the workers of a scheduler.

    Raises:
        ParameterError: there is none at this address, or it has no workers.
    """
    dask_distributed = distributed()
    from distributed.utils import silence_logging_cmgr

    with silence_logging_cmgr(logging.CRITICAL):
        try:
            _require_address(address)
            client = dask_distributed.Client(address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ParameterError(
                f"no Dask scheduler answers at '{address}' ({error}): 'dask scheduler' says at its start where it is"
            ) from error
        with client:
            if not client.nthreads():
                raise ParameterError(
                    f"the scheduler at {address} has no workers: start some, each with 'dask worker {address} "
                    "--nthreads 1'"
                )
            yield client


def _require_address(address: str) -> None:
    """Raise ValueError for what is no address: a client that is made of it would end later, with a traceback."""
    from distributed.comm.addressing import get_address_host_port

    whole_address = address if "://" in address else f"tcp://{address}"
    if not whole_address.startswith(("ucx://", "inproc://")):  # which have no host
        get_address_host_port(whole_address, strict=True)


@contextmanager
def _unasked() -> Iterator[None]:
    """Keep Ctrl-C from processes that are started meanwhile, or later by threads that are.

    A terminal sends it to all processes of a run. Signals that a thread blocks are blocked in the threads and processes
    that it starts; here the signal arrives when this thread takes it again.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # the thread that starts it takes the signal again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environ(names: Iterable[str]) -> Iterator[None]:
    """Give this process these variables back as they were: Dask sets them here, for its workers to inherit."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _limit(given: str | int | None) -> int | str:
    from dask.utils import parse_bytes

    if given is None or given == "auto":
        return given or 0
    try:
        found = int(parse_bytes(given))
    except ValueError:
        found = 0
    if found < 1:
        raise ParameterError(f"memory limit {given!r}: write a number of bytes, as in '4GB' or '500MB'")
    return found


def asked(job: Job, store: Store) -> Asked:
    """Return what is sent to the workers."""
    return Asked(job, str(Path(store.path).absolute()), hashed(store), versions(), uuid.uuid4().hex)


def check(client: Any, sent: Asked, threads: int) -> None:
    """See that every worker can take part.

    Args:
        client: of Dask.
        sent: what is asked of them.
        threads: of the BLAS for each chunk that a worker does at a time.

    Raises:
        ParameterError: a worker sees other files, has other versions or too little memory; or those of a machine are
            more than its cores.
    """
    with suppress(OSError):  # one that is gone is told of later
        try:
            client.run_on_scheduler(versions)
        except Exception as error:
            raise ParameterError(f"the scheduler {_why_not(error)}") from error
    found = client.run(look, sent, on_error="return")
    for worker, place in sorted(found.items()):
        if not isinstance(place, Place):
            raise ParameterError(f"worker {worker} {_why_not(place)}") from place
        if place.limit and place.memory > FULL * place.limit:
            raise ParameterError(
                f"worker {worker} may have {place.limit / 1e6:.0f} MB and needs {place.memory / 1e6:.0f} MB before the "
                "first chunk: give a larger memory limit"
            )
    places = list(found.values())
    _check_cores(places, threads)
    others = sorted({place.blas for place in places} - {environment()["blas"]})
    if others:
        warnings.warn(
            f"workers compute with another BLAS than this process ({', '.join(others)}): the last digits of their "
            "chunks may differ", stacklevel=2,
        )  # fmt: skip


def _why_not(error: Exception) -> str:
    """Return why a process cannot take part, in words."""
    told = f"{type(error).__name__}: {error}"
    if isinstance(error, LrpError):
        return f"cannot take part: {error}"
    if (
        "ModuleNotFoundError" in told or "AttributeError" in told
    ):  # in Dask's words, where it could not read the question
        return f"has no lrp_ref of this version ({error}): install it there"
    if "CommClosedError" in told:
        return "has ended while it looked at the job: it may need more memory"
    return f"cannot take part ({told})"


def _check_cores(places: list[Place], threads: int) -> None:
    wanted: Counter[str] = Counter()
    for place in places:
        wanted[place.host] += place.threads * threads
    for place in places:
        if wanted[place.host] > place.cores:
            raise ParameterError(
                f"the workers on {place.host} do {wanted[place.host] // threads} chunks at a time, with {threads} BLAS "
                f"thread{'s' * (threads > 1)} each, on {place.cores} cores: "
                f"{_at_most(place.cores // threads, threads)}, each with '--nthreads 1'"
            )


def _at_most(workers: int, threads: int) -> str:
    return f"at most {workers} worker{'s' * (workers > 1)}" if workers else f"fewer than {threads} BLAS threads"
