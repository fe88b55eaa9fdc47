"""A run over a data set in a process of its own, its clock and its memory: ``python -m benchmarks.scale_run JSON``."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import timing

EVERY = 0.05  # seconds between two looks at the memory of the processes; their high-water mark only rises


@dataclass(frozen=True)
class Cell:
    """A run.

    Attributes:
        model, data, out: files, and the store.
        question: what :func:`lrp_ref.scale.job` takes besides.
        workers: processes; None for the one process alone.
        memory_limit: of each of them, in bytes.
    """

    model: str
    data: str
    out: str
    question: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None
    memory_limit: int | None = None


@dataclass(frozen=True)
class Measured:
    """What a run took.

    Attributes:
        chunks, samples: that it did.
        seconds: from the first line of the run to the last, processes started and ended.
        each: seconds a chunk once all processes are at work: after as many chunks as there are processes.
        first: seconds until the first chunk was done.
        peak: bytes resident at the most, in this process.
        workers: the same of each other process that did chunks.
        base: bytes resident in this process when the model was loaded, before the run.
    """

    chunks: int
    samples: int
    seconds: float
    each: float
    first: float
    peak: int
    workers: tuple[int, ...]
    base: int


def measured(cells: Sequence[Cell]) -> list[Measured]:
    """Do runs at the same time, each in a process of its own.

    Raises:
        RuntimeError: one of them failed; with the end of what it said.
    """
    command = [sys.executable, "-m", "benchmarks.scale_run"]
    begun = [
        subprocess.Popen([*command, json.dumps(asdict(c))], cwd=timing.ROOT, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for c in cells
    ]  # fmt: skip
    found = []
    for process, cell in zip(begun, cells, strict=True):
        out, err = process.communicate()
        if process.returncode:
            raise RuntimeError(f"the run {cell} could not be measured: {err.strip()[-500:]}")
        content = json.loads(out.splitlines()[-1])
        found.append(Measured(**{**content, "workers": tuple(content["workers"])}))
    return found


def main() -> None:
    """Do one run, print what it took."""
    cell = Cell(**json.loads(sys.argv[1]))
    timing.set_threads(1)
    from lrp_ref.scale import job, run

    made = job(cell.model, cell.data, **cell.question)
    made.model.load()
    base, _ = timing.resident()
    moments: list[float] = []
    with high_water() as marks:
        begin = time.perf_counter()
        summary = run(
            made, cell.out, workers=cell.workers, memory_limit=cell.memory_limit,
            progress=lambda outcome: moments.append(time.perf_counter()),
        )  # fmt: skip
        seconds = time.perf_counter() - begin
    if summary.failed or summary.left:
        raise RuntimeError(f"{summary.failed} chunks failed and {summary.left} are left")
    skipped = cell.workers or 1
    each = (moments[-1] - moments[skipped - 1]) / (len(moments) - skipped) if len(moments) > skipped else 0.0
    first = moments[0] - begin if moments else 0.0
    peaks = sorted(marks.values(), reverse=True)
    told = Measured(
        len(moments),
        summary.samples,
        seconds,
        each,
        first,
        timing.resident()[1],
        tuple(peaks[: cell.workers or 0]),
        base,
    )
    sys.stdout.write(json.dumps(asdict(told)) + "\n")


@contextmanager
def high_water() -> Iterator[dict[int, int]]:
    """Look at the high-water marks of all processes below this one meanwhile (Linux): bytes by their ids."""
    marks: dict[int, int] = {}
    done = threading.Event()

    def look() -> None:
        while not done.wait(EVERY):
            for pid in below():
                marks[pid] = max(marks.get(pid, 0), mark(pid))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield marks
    finally:
        done.set()
        thread.join()


def below() -> list[int]:
    """Return the ids of all processes that this one started, and of those that they started."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
        children.setdefault(parent, []).append(int(folder.name))
    found, ahead = [], [int(Path("/proc/self").resolve().name)]
    while ahead:
        ahead = [child for parent in ahead for child in children.get(parent, [])]
        found += ahead
    return found


def mark(pid: int) -> int:
    """Return the most bytes that a process has had resident; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main()
