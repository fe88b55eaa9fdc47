"""Several threads, each with pieces of the work and the BLAS on one thread.

A BLAS with several threads speeds up its products only; between them (windows, quotients, sums) the other cores wait,
and keep busy while they do: small products take twice the processor time, and many times as long where another program
runs beside it. Inside :func:`together` the BLAS takes one thread, and :func:`each` and :func:`collect` as many as the
BLAS had: a limit that somebody set (``OMP_NUM_THREADS``, ``threadpool_limits``) holds here too. Outside, and where the
BLAS cannot be told, they work in the calling thread alone.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Piece = TypeVar("Piece")
Result = TypeVar("Result")
MOST = 16  # threads: waking one takes some 20 µs


class _Team:
    """The threads, and the limit of the BLAS, that all callers inside :func:`together` have in common."""

    def __init__(self) -> None:
        self.lock, self.inside, self.members = threading.Lock(), 0, 1
        self.blas: Any = None
        self.limit: Any = None
        self.pool: ThreadPoolExecutor | None = None

    def enter(self, *, several: bool) -> int:
        """Limit the BLAS to one thread, and return how many threads may work instead of it: one, or as many as it had.

        Args:
            several: whether they may be several.
        """
        with self.lock:
            if self.blas is None:
                from threadpoolctl import ThreadpoolController

                self.blas = ThreadpoolController().select(user_api="blas")
            if self.inside == 0:
                found = min((library.num_threads for library in self.blas.lib_controllers), default=1)
                self.members = min(found, MOST)
                self.limit = self.blas.limit(limits=1)
            if several and self.members > 1 and self.pool is None:
                from concurrent.futures import ThreadPoolExecutor

                self.pool = ThreadPoolExecutor(MOST - 1, thread_name_prefix="lrp_ref")
            self.inside += 1
            return self.members if several else 1

    def leave(self) -> None:
        """Give the BLAS its threads back when the last caller leaves."""
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limit.restore_original_limits()


class _Here(threading.local):
    members = 1  # threads that may divide the work of the calling one


_TEAM, _HERE = _Team(), _Here()


def _after_fork() -> None:
    global _TEAM
    _TEAM = _Team()  # the parent's threads are not here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextlib.contextmanager
def together(*arrays: Any, several: bool = True) -> Iterator[None]:
    """Keep the BLAS to one thread, and let several divide the work on these arrays instead of it.

    Args:
        arrays: what the work is on; if they are not numbers of NumPy's own, nothing changes.
        several: whether the work is worth more than one thread.
    """
    if _HERE.members > 1 or not all(isinstance(a, np.ndarray) and a.dtype != object for a in arrays):
        yield
        return
    team = _TEAM
    _HERE.members = team.enter(several=several)
    try:
        yield
    finally:
        _HERE.members = 1
        team.leave()


def members() -> int:
    """Return how many threads divide the work here."""
    return _HERE.members


def each(pieces: Iterable[Piece], work: Callable[[Iterator[Piece]], None]) -> None:
    """Call ``work`` in every thread with an iterator that hands each piece to one of them; return when all is done.

    Args:
        pieces: of the work, begun in this order; none of them writes where another reads or writes.
        work: takes pieces until none are left. Its own calls of this function are not divided any further.
    """
    many = _HERE.members
    if many == 1:
        work(iter(pieces))
        return
    todo = list(pieces)
    pieces_left = iter(todo)
    pool = _TEAM.pool
    assert pool is not None
    # A copy of the context takes the caller's np.errstate along.
    helpers = [pool.submit(contextvars.copy_context().run, work, pieces_left) for _ in range(min(many, len(todo)) - 1)]
    _HERE.members = 1
    try:
        work(pieces_left)
    finally:
        _HERE.members = many
        for _ in pieces_left:  # after an error nobody begins another piece
            pass
        running = [helper for helper in helpers if not helper.cancel()]
        failed = [error for helper in running if (error := helper.exception()) is not None]
    if failed:
        raise failed[0]


def collect(pieces: Sequence[Piece], function: Callable[[Piece], Result]) -> list[Result]:
    """Return ``function(piece)`` of every piece, in order, or raise the error of the first that fails.

    A single piece is not work for several threads: ``function`` may divide its own.
    """
    if _HERE.members == 1 or len(pieces) == 1:
        return [function(piece) for piece in pieces]
    results: dict[int, Result] = {}
    errors: dict[int, Exception] = {}

    def work(numbers: Iterator[int]) -> None:
        for k in numbers:
            try:
                results[k] = function(pieces[k])
            except Exception as error:
                errors[k] = error
                return

    each(range(len(pieces)), work)
    if errors:
        raise errors[min(errors)]
    return [results[k] for k in range(len(pieces))]
