"""Clocks, alternating runs, medians and spread; peak memory in a process of its own."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .load import QUIET, Patience, Watch

ROOT = Path(__file__).parent.parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# OpenBLAS' threads keep spinning for about 0.1 s after a product; on two cores that halves the speed of what follows.
PAUSE = 0.3

# A call that takes less runs twice after each pause, and the second counts: the first one finds the caches full of
# the other side's numbers, and cores that sleep.
WARM = 1.0


def set_threads(threads: int) -> None:
    """Fix the number of threads of every library; BLAS reads it when NumPy is imported, so call this before."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(threads)


@dataclass(frozen=True)
class Times:
    """Seconds of every run, in the order in which they were taken, and the cores that others used meanwhile."""

    seconds: tuple[float, ...]
    others: tuple[float, ...] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.seconds), max(self.seconds)

    def over(self, other: Times) -> float:
        """Return how many times as long this takes: the median over the rounds, in each of which both ran."""
        return statistics.median(a / b for a, b in zip(self.seconds, other.seconds, strict=True))

    @property
    def busy(self) -> float:
        """Cores that others used in the median of the runs."""
        return statistics.median(self.others) if self.others else 0.0


def cpu_clock(call: Callable[[], Any]) -> float:
    """Return the seconds that one call takes."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def in_a_row(call: Callable[[], Any], least: float = 1.0) -> float:
    """Return the seconds of one call, from as many in a row as take ``least`` seconds.

    A side that takes longer for one call than another for ten would find its caches, threads and cores awake, the
    other would not.
    """
    begin, count = time.perf_counter(), 0
    while True:
        call()
        count += 1
        taken = time.perf_counter() - begin
        if taken >= least:
            return taken / count


def device_clock(call: Callable[[], Any]) -> float:
    """Return the seconds between two events on the null stream, on which CuPy and PyTorch both work by default."""
    import cupy

    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    cupy.cuda.runtime.deviceSynchronize()
    begin.record(cupy.cuda.Stream.null)
    call()
    end.record(cupy.cuda.Stream.null)
    end.synchronize()
    return float(cupy.cuda.get_elapsed_time(begin, end)) / 1000


def alternate(
    calls: Mapping[str, Callable[[], Any]],
    *,
    repeats: int,
    clock: Callable[[Callable[[], Any]], float] = cpu_clock,
    limit: float = 60.0,
    pause: float = PAUSE,
    patience: Patience | None = None,
) -> dict[str, Times]:
    """Run all calls in turn, A B C A B C …, after one round that does not count; short ones warm, see ``WARM``.

    Args:
        repeats: rounds that count.
        limit: seconds after which no further round begins, once three rounds are done.
        pause: seconds between two calls.
        patience: while it lasts, wait for other processes, and repeat a run that they disturbed.
    """
    patience = patience or Patience(0)
    warm = {name: clock(call) < WARM for name, call in calls.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    spent = 0.0
    for done in range(repeats):
        if done >= 3 and spent > limit:
            break
        for name, call in calls.items():
            taken[name].append(_undisturbed(call, clock, pause, patience, warm=warm[name]))
            spent += taken[name][-1][0]
    return {name: Times(*map(tuple, zip(*runs, strict=True))) for name, runs in taken.items()}


def _undisturbed(
    call: Callable[[], Any],
    clock: Callable[[Callable[[], Any]], float],
    pause: float,
    patience: Patience,
    *,
    warm: bool,
) -> tuple[float, float]:
    """Return the seconds of one run, and the cores that others used meanwhile and just before."""
    while True:
        patience.wait()
        watch = Watch()
        time.sleep(pause)
        if warm:
            call()
        seconds, others = clock(call), watch.others()
        if others < QUIET or not patience.left:
            return seconds, others
        patience.seconds -= seconds


def peak_of_cell(cell: Mapping[str, Any]) -> int:
    """Return the bytes that a first call needs beyond what was resident before it, measured in a new process."""
    command = [sys.executable, "-m", "benchmarks.cell", json.dumps(dict(cell))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the memory of {dict(cell)} could not be measured: {done.stderr.strip()[-500:]}")
    return int(json.loads(done.stdout.splitlines()[-1])["peak_bytes"])


def resident() -> tuple[int, int]:
    """Return bytes resident now, and at the most since the last ``forget_peak`` (Linux)."""
    found = {}
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key in ("VmRSS", "VmHWM"):
            found[key] = 1024 * int(value.split()[0])
    return found["VmRSS"], found["VmHWM"]


def forget_peak() -> None:
    """Set the high-water mark of this process to what is resident now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
