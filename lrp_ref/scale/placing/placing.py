"""Chunks on processes of this machine or of others: Dask says who does which, and nothing else."""

from __future__ import annotations

import time
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from queue import Empty, Queue
from typing import Any

from ...base.frozen import whole
from ...errors import LrpError, ParameterError
from ..jobs.job import Job, Outcome
from ..stores.making import Store
from .clusters import asked, check, distributed, local, remote
from .workers import Asked, chunk, stop

AHEAD = 4  # chunks that are handed out for each that can be done at a time
POLL = 0.1  # seconds after which somebody is asked whether to stop
AGAIN = 2.0  # seconds after which the workers are counted, or told again to stop
ALONE = 300.0  # seconds without a worker after which nobody waits any more


def placed(
    job: Job,
    store: Store,
    chunks: Sequence[int],
    stopped: Callable[[], bool] = lambda: False,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    memory_limit: str | int | None = None,
) -> Iterator[Outcome]:
    """Do chunks on several processes, and say what became of each as soon as it is known.

    A chunk whose worker dies is done again by another; one whose workers die again and again is done alone, when no
    other chunk is, and failed if its worker dies then too. When it is asked to stop, chunks that are being done are
    finished and no other is begun.

    Args:
        job: the question.
        store: where the answers go; every worker sees it, the model and the samples under the same path.
        chunks: which.
        stopped: is asked again and again whether to go on.
        workers: processes that are started on this machine.
        scheduler: address of a Dask scheduler, whose workers do the chunks, instead.
        memory_limit: of each process on this machine, as in "4GB": one that needs more is ended. None for no limit.

    Raises:
        ParameterError: there are no such workers, they are more than the cores, or they compute other bytes.
        LrpError: as of :meth:`Job.run_chunk`.
        MissingExtraError: Dask is not installed.

    Example:
        >>> list(placed(None, None, [], scheduler="tcp://127.0.0.1:1", memory_limit="1GB"))
        Traceback (most recent call last):
        lrp_ref.errors.ParameterError: a memory limit is of workers on this machine: those of a scheduler have their own
    """
    if (workers is None) == (scheduler is None):
        raise ParameterError("say either how many workers or where the scheduler is")
    if scheduler is not None and memory_limit is not None:
        raise ParameterError("a memory limit is of workers on this machine: those of a scheduler have their own")
    with ExitStack() as stack:
        broken = stack.enter_context(_swept(store))
        client = stack.enter_context(
            local(whole("workers", workers, 1), memory_limit, job.threads) if scheduler is None else remote(scheduler)
        )
        sent = asked(job, store)
        check(client, sent, job.threads)
        desk = _Desk(client, sent, stopped)
        stack.callback(desk.close)
        yield from _in_turn(job, store, deque(chunks), desk)
        if not desk.lost():
            broken.clear()


@contextmanager
def _swept(store: Store) -> Iterator[list[str]]:
    """Remove what writes that were broken off have left; nothing if the list that it yields is emptied."""
    broken = ["perhaps"]
    try:
        yield broken
    finally:
        if broken:
            store.sweep()


def _in_turn(job: Job, store: Store, rest: deque[int], desk: _Desk) -> Iterator[Outcome]:
    """Do chunks in a window, and those that are suspected of killing their workers one at a time."""
    while rest and not desk.stopping:
        suspects: list[tuple[int, int]] = []
        for i, found in desk.flow(rest):
            if isinstance(found, Outcome):
                yield found
            else:
                suspects.append((i, found))
        for i, before in suspects:
            if desk.stopping:
                return
            begun = time.perf_counter()
            for _, found in desk.flow(deque([i])):
                if isinstance(found, Outcome):
                    yield found
                    continue
                reason = (
                    f"its worker died, {before + found} times: out of memory? give the workers more of it, and try "
                    "chunks that failed again"
                )
                part = job.part(i)
                yield job.fail(i, store, dict.fromkeys(range(part.start, part.stop), reason), begun)


class _Desk:
    """Chunks that were handed to Dask and have not come back.

    Attributes:
        stopping: whether somebody has asked to stop.
    """

    def __init__(self, client: Any, sent: Asked, stopped: Callable[[], bool]) -> None:
        self.client, self.sent, self.stopped = client, sent, stopped
        self.stopping = False
        self.out: dict[Any, int] = {}
        self.back: Queue[tuple[Any, Any]] = Queue()
        self.submitted, self.first = 0, set(client.nthreads())
        self.threads, self.counted, self.seen = 1, 0.0, time.monotonic()

    def flow(self, rest: deque[int]) -> Iterator[tuple[int, Outcome | int]]:
        """Take chunks from ``rest`` and return what became of them, until none is left or a chunk has killed workers.

        Returns:
            Each chunk with its outcome, or with how many workers died.
        """
        ahead = True
        while True:
            self._look_round()
            while ahead and not self.stopping and rest and len(self.out) < AHEAD * self.threads:
                self._submit(rest.popleft())
            if not self.out:
                return
            try:
                future, result = self.back.get(timeout=POLL)
            except Empty:
                continue
            i = self.out.pop(future, None)
            if i is None:
                continue
            future.release()  # Dask would do a chunk again whose outcome is lost with its worker
            found = _read(result)
            if isinstance(found, int):
                ahead = False
            if found is not None:
                yield i, found

    def _submit(self, i: int) -> None:
        self.submitted += 1
        key = f"lrp_ref-{self.sent.run}-{i}-{self.submitted}"  # what no other run asks for, nor this one before
        future = self.client.submit(chunk, self.sent, i, key=key, pure=False)
        self.out[future] = i
        self.client.loop.add_callback(self._fetch, future)

    async def _fetch(self, future: Any) -> None:
        """Wait for a chunk and bring back what became of it, or the error.

        It is fetched at once: what is still with a worker that dies is lost, and done again.
        """
        try:
            (found,) = await self.client.gather([future], asynchronous=True)
        except (Exception, CancelledError) as error:
            found = error
        self.back.put((future, found))

    def _look_round(self) -> None:
        """See whether to stop, and how many workers there are."""
        if not self.stopping and self.stopped():
            self.stopping, self.counted = True, 0.0
        now = time.monotonic()
        if now - self.counted < AGAIN:
            return
        self.counted = now
        try:
            threads = sum(self.client.nthreads().values())
            if self.stopping and threads:
                self.client.run(stop, self.sent.run, on_error="ignore")
        except (OSError, LrpError):
            return  # what was handed out comes back as cancelled
        if threads:
            self.threads, self.seen = threads, now
        elif self.stopping:
            self.close()
        elif now - self.seen > ALONE:
            raise ParameterError(
                f"the scheduler has had no workers for {ALONE:.0f} seconds: what is done is in the store; start "
                "workers, and ask the same again to go on"
            )

    def lost(self) -> bool:
        """Return whether the workers are others than at the beginning."""
        return set(self.client.nthreads()) != self.first

    def close(self) -> None:
        """Leave nothing at the scheduler."""
        futures = list(self.out)
        self.out.clear()
        if futures and self.client.status == "running":
            self.client.cancel(futures)


def _read(result: Any) -> Outcome | int | None:
    """Return the outcome of a chunk, how many workers it has killed, or None if it was not begun.

    Raises:
        LrpError: why no chunk can be done.
    """
    if not isinstance(result, BaseException):
        outcome: Outcome | None = result
        return outcome
    dask = distributed()
    if isinstance(result, dask.KilledWorker):
        return int(result.allowed_failures) + 1
    # The last is an OSError, as that of a full disk is.
    if isinstance(result, CancelledError | dask.CancelledError) or type(result).__name__ == "CommClosedError":
        raise ParameterError(
            "the Dask scheduler is gone: what is done is in the store; ask the same again to go on"
        ) from result
    if isinstance(result, ImportError | AttributeError):
        raise ParameterError(f"a worker has no lrp_ref of this version ({result}): install it there") from result
    raise result
