"""A job that writes down when each chunk begins and ends, in whichever process; some chunks kill theirs."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lrp_ref.scale import Job, Outcome, Store


@dataclass(frozen=True, repr=False)
class Watched(Job):
    """A job with a journal, a file of one line for each beginning and each end.

    Attributes:
        journal: its path.
        seconds: that each chunk takes longer.
        deadly: chunks that end their process.
        hungry: chunks that take all memory that they get, up to 512 MB.
        recovering: (chunk, n): chunks that end their process the first n times.
    """

    journal: str = ""
    seconds: float = 0.0
    deadly: tuple[int, ...] = ()
    hungry: tuple[int, ...] = ()
    recovering: tuple[tuple[int, int], ...] = ()

    def run_chunk(self, i: int, store: Store) -> Outcome:
        self._write("begin", i)
        if i in self.deadly or counted(Path(self.journal), "begin")[i] <= dict(self.recovering).get(i, 0):
            os._exit(1)
        if i in self.hungry:
            taken = np.ones(1 << 26)
            time.sleep(30)  # the nanny looks from time to time
            assert taken.any()
        time.sleep(self.seconds)
        outcome = super().run_chunk(i, store)
        self._write("end", i)
        return outcome

    def _write(self, what: str, i: int) -> None:
        # One short write at the end of a file is not torn by those of other processes.
        file = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(file, f"{what} {i}\n".encode())
        finally:
            os.close(file)


def watched(job: Job, journal: Path, **watch: Any) -> Watched:
    """Return a job that is watched; arguments as of :class:`Watched`."""
    return Watched(**vars(job), journal=str(journal), **watch)


def counted(journal: Path, what: str) -> Counter[int]:
    """Return how often each chunk began or ended."""
    if not journal.exists():
        return Counter()
    lines = (line.split() for line in journal.read_text().splitlines())
    return Counter(int(chunk) for kind, chunk in lines if kind == what)
