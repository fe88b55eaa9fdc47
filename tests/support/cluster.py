"""A Dask cluster whose scheduler and workers are processes of their own, as on several machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

START = 60  # seconds


@dataclass
class Cluster:
    """The processes, and where the scheduler is."""

    folder: Path
    address: str = ""
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
        """Start ``dask ...`` and return its process id."""
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(env or {})}, cwd=cwd or self.folder, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process.pid

    def worker(self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
        """Start a worker, by default without a nanny: a process that does chunks itself, and is not started again."""
        usual = ("--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder))
        chosen = ("--no-nanny",) if "--nanny" not in arguments else ()
        return self.start("worker", self.address, *usual, *chosen, *arguments, env=env, cwd=cwd)

    def told(self) -> str:
        """Return what the processes have printed."""
        return "\n".join(log.read_text(errors="replace") for log in sorted(self.folder.glob("*.log")))


@contextmanager
def cluster(folder: Path, workers: int = 2, *options: str) -> Iterator[Cluster]:
    """Start a scheduler and workers, wait until they know each other, and end them."""
    from distributed import Client

    folder.mkdir(exist_ok=True)
    made, file = Cluster(folder), folder / "scheduler.json"
    try:
        made.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        until = time.monotonic() + START
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.05)
        made.address = json.loads(file.read_text())["address"]
        for _ in range(workers):
            made.worker(*options)
        with Client(made.address, timeout=START, set_as_default=False) as client:
            if workers:
                client.wait_for_workers(workers, timeout=START)
        yield made
    finally:
        for process in made.processes:
            process.terminate()
        for process in made.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
