"""The limit of the BLAS holds in a whole process: several threads in it at a time, and the last takes it off."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from scaled import cores
from threadpoolctl import ThreadpoolController

from lrp_ref.errors import ParameterError
from lrp_ref.scale.jobs.environment import threads_of_blas

BLAS = ThreadpoolController().select(user_api="blas")

pytestmark = pytest.mark.skipif(not BLAS.lib_controllers, reason="the threads of this BLAS cannot be told")


def threads() -> set[int]:
    return {library.num_threads for library in BLAS.lib_controllers}


# In a process of its own: some builds of OpenBLAS hear only of the thread that was the first to set a number.
WORKER = """
import threading
import numpy
from threadpoolctl import ThreadpoolController
from lrp_ref.scale.jobs.environment import threads_of_blas

BLAS = ThreadpoolController().select(user_api="blas")
threads = lambda: {library.num_threads for library in BLAS.lib_controllers}
start = threads()
assert start == {2}, start
first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
seen = []

def first():
    with threads_of_blas(1):
        first_is_in.set()
        assert second_is_in.wait(20)
    first_is_out.set()

def second():
    assert first_is_in.wait(20)
    with threads_of_blas(1):
        second_is_in.set()
        assert first_is_out.wait(20)
        seen.append(threads())
    seen.append(threads())

def third():
    with threads_of_blas(2):
        seen.append(threads())

for round in range(3):
    first_is_in.clear(), second_is_in.clear(), first_is_out.clear()
    both = [threading.Thread(target=target) for target in (first, second)]
    [thread.start() for thread in both], [thread.join() for thread in both]
    other = threading.Thread(target=third)
    other.start(), other.join()
print(seen == [{1}, start, {2}] * 3, seen)
"""


@pytest.mark.skipif(cores() < 2, reason="a BLAS has no more threads than there are cores")
def test_the_first_that_leaves_does_not_take_the_limit_off_the_second() -> None:
    count = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", WORKER], env={**os.environ, **count, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout.startswith("True"), done.stdout + done.stderr


def test_one_that_needs_another_number_waits() -> None:
    entered = threading.Event()

    def other() -> None:
        try:
            with threads_of_blas(2):
                pass
        except ParameterError:  # where this BLAS hears of one thread only, and it is not this one
            pass
        entered.set()

    with threads_of_blas(1):
        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        assert not entered.wait(0.2)
        assert threads() == {1}
    assert entered.wait(20)
    thread.join(20)


def test_a_number_that_the_blas_does_not_take_is_refused_and_nobody_waits_for_it() -> None:
    before = threads()
    with pytest.raises(ParameterError, match="100000 were asked for: its results would be of other bytes"):
        threads_of_blas(100_000).__enter__()
    assert threads() == before
    with threads_of_blas(1):
        assert threads() == {1}


def test_what_a_store_says_of_the_blas_does_not_depend_on_what_else_is_loaded() -> None:
    """SciPy brings a BLAS of its own, which nothing here computes with."""
    code = "from lrp_ref.scale.jobs.environment import environment; print(environment()['blas'])"
    told = [
        subprocess.run(
            [sys.executable, "-c", before + code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for before in ("", "import scipy.linalg; ")
    ]  # fmt: skip
    assert told[0] == told[1] != "\n"
