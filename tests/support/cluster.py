"""A Dask cluster whose scheduler and workers are processes of their own, as on several machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START = 60  # seconds
# More threads of the BLAS than a chunk may have, whatever the tests themselves run with.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Cluster:
    """The processes, and where the scheduler is."""

    folder: Path
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> int:
        """Start ``dask ...`` and return its process id."""
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                env={**os.environ, **dict.fromkeys(THREADS, "2"), "PYTHONPATH": os.pathsep.join(sys.path)},
            )  # fmt: skip
        self.processes.append(process)
        return process.pid

    def worker(self, *arguments: str) -> int:
        """Start a worker that does chunks in its own process, and is not started again when it ends."""
        usual = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder))
        return self.start("worker", self.address, *usual, *arguments)

    def wait(self, workers: int) -> None:
        """Wait until the scheduler has just so many workers."""
        from distributed import Client

        with Client(self.address, timeout=START, set_as_default=False) as client:
            end = time.monotonic() + START
            while len(client.nthreads()) != workers:
                if time.monotonic() > end:
                    raise TimeoutError(f"not {workers} workers after {START} s: {self.told()}")
                time.sleep(0.05)

    def told(self) -> str:
        """Return what the processes have printed."""
        return "\n".join(log.read_text(errors="replace") for log in sorted(self.folder.glob("*.log")))


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """Start a scheduler and workers, wait until they know each other, and end them."""
    folder.mkdir(exist_ok=True)
    made, file = Cluster(folder), folder / "scheduler.json"
    try:
        made.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        end = time.monotonic() + START
        while not file.exists() and time.monotonic() < end:
            time.sleep(0.05)
        made.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            made.worker()
        made.wait(workers)
        yield made
    finally:
        for process in made.processes:
            process.kill()
            process.wait()
