"""Small jobs on data sets, and what their stores hold."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref.scale import Job, job

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)] if str(ROOT) not in sys.path else []

SAMPLES, INPUTS = 46, 6  # the last chunk has fewer


def small_job(folder: Path, samples: int = SAMPLES, **asked: Any) -> Job:
    """Write a network and samples, and return the question; all numbers are drawn from one seed."""
    rng = np.random.default_rng(5)
    folder.mkdir(exist_ok=True)
    dense, relu = lrp.layers.Dense, lrp.layers.ReLU()
    net = lrp.Network.sequential([dense(rng.normal(size=(INPUTS, 5))), relu, dense(rng.normal(size=(5, 3)))])
    lrp.save(net, folder / "net.npz")
    np.save(folder / "x.npy", rng.normal(size=(samples, INPUTS)))
    return job(folder / "net.npz", folder / "x.npy", **{"composite": "epsilon", "batch": 4, **asked})


def files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, also those whose names begin with a dot."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def alive(process: int) -> bool:
    """Return whether a process is there; not one that has ended and whose parent has not asked (Linux)."""
    try:
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(processes: Iterable[int], seconds: float = 20.0) -> list[int]:
    """Wait until processes have ended, and return those that have not."""
    end = time.monotonic() + seconds
    left = list(processes)
    while left and time.monotonic() < end:
        time.sleep(0.05)
        left = [process for process in left if alive(process)]
    return left


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
