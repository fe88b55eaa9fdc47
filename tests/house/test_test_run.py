"""How the tests themselves run: everything in several processes, named files in one, the cores divided among them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import conftest
import pytest

HERE = Path(__file__)


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [(["tests", "lrp_ref"], None), ([str(HERE.parent)], None), ([str(HERE)], 0), ([f"{HERE}::test_x[a-1]"], 0),
     ([str(HERE.parent), f"{HERE}::test_x"], 0)],
)  # fmt: skip
def test_named_files_run_in_this_process(arguments: list[str], workers: int | None) -> None:
    config: Any = SimpleNamespace(args=arguments)
    assert conftest.pytest_xdist_auto_num_workers(config) == workers


@pytest.mark.parametrize(("workers", "cores", "threads"), [(2, 2, "1"), (2, 8, "4"), (3, 8, "2"), (8, 2, "1")])
def test_processes_divide_the_cores(monkeypatch: pytest.MonkeyPatch, workers: int, cores: int, threads: str) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "7"})  # what somebody asked for stays
    config: Any = SimpleNamespace(getoption=lambda name, default: workers)
    conftest.pytest_configure(config)
    assert os.environ == {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": threads}


@pytest.mark.parametrize("workers", [None, 0])
def test_one_process_keeps_all_cores(monkeypatch: pytest.MonkeyPatch, workers: int | None) -> None:
    monkeypatch.setattr(os, "environ", {})
    config: Any = SimpleNamespace(getoption=lambda name, default: workers)
    conftest.pytest_configure(config)
    assert os.environ == {}
