"""Chunks on processes of this machine or of others: Dask says who does which, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..errors import UnsupportedError
from .jobs import Job, Outcome
from .stores import Store


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
    """Do chunks on several processes, and say what became of each as soon as it is known."""
    raise UnsupportedError("not built yet")
    yield
