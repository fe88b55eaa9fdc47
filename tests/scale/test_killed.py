"""Workers and clients that are killed or interrupted at any moment: no chunk is lost, done twice or broken off."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scaled import cores, files, small_job

pytest.importorskip("distributed")
pytest.importorskip("zarr")
if not Path("/proc/self/stat").exists():
    pytest.skip("processes are found under /proc", allow_module_level=True)
if cores() < 2:
    pytest.skip("two workers need two cores", allow_module_level=True)

from benchmarks import killed
from benchmarks.watched import counted
from lrp_ref.scale import run


def test_workers_and_clients_that_are_killed_leave_the_store_of_an_undisturbed_run(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", killed.samples(240))
    run(killed.question(tmp_path / "x.npy", 8), tmp_path / "whole.zarr")
    whole = files(tmp_path / "whole.zarr")
    folder = tmp_path / "round"
    folder.mkdir()
    np.save(folder / "x.npy", killed.samples(240))
    found = killed.one_round(folder, whole, 8, random.Random(time.time_ns()), "", [])
    assert found.equal
    assert not found.stray
    assert found.ended_twice == 0, "what was done was done again"
    assert found.orphans < 10


DRIVER = """
import signal, sys, threading
from pathlib import Path
from scaled import small_job
from benchmarks.watched import watched
from lrp_ref.scale import run

asked, folder = threading.Event(), Path(sys.argv[1])
signal.signal(signal.SIGINT, lambda number, frame: asked.set())
summary = run(
    watched(small_job(folder), folder / "journal", seconds=0.5), folder / "out.zarr", workers=2, stopped=asked.is_set,
    begun=lambda store, chunks: print("begun", flush=True), progress=lambda outcome: print(outcome.chunk, flush=True),
)
print(summary.done, summary.left, summary.stopped)
"""


@pytest.mark.parametrize("moment", ["while workers start", "while chunks are done"])
def test_the_interrupt_of_a_terminal_finishes_the_running_chunks(tmp_path: Path, moment: str) -> None:
    small_job(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)], start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    lines = []
    if moment == "while chunks are done":
        lines.append(process.stdout.readline())
    else:
        time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes, the workers among them
    # communicate() would not see the lines that came together with one that has been read.
    assert process.stderr is not None
    with process.stdout, process.stderr:
        out, errors = process.stdout.read(), process.stderr.read()
    assert (process.wait(timeout=60), errors) == (0, "")
    *came, last = "".join([*lines, out]).splitlines()
    assert counted(tmp_path / "journal", "begin") == counted(tmp_path / "journal", "end") == Counter(map(int, came))
    assert last == f"{len(came)} {12 - len(came)} True"
    assert len(came) <= 4
