"""The limit of the BLAS holds in a whole process: several threads in it at a time, and the last takes it off."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from scaled import small_job
from threadpoolctl import ThreadpoolController

from lrp_ref.errors import ParameterError
from lrp_ref.scale import environment
from lrp_ref.scale.environment import threads_of_blas
from lrp_ref.scale.running import store_of

BLAS = ThreadpoolController().select(user_api="blas")
WAIT = 20  # seconds

pytestmark = pytest.mark.skipif(not BLAS.lib_controllers, reason="the threads of this BLAS cannot be told")


def threads() -> set[int]:
    return {library.num_threads for library in BLAS.lib_controllers}


def in_a_thread(function: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_the_first_that_leaves_does_not_take_the_limit_off_the_second() -> None:
    with BLAS.limit(limits=3):  # what the process has otherwise, whatever the machine is
        first_is_in, second_is_in = threading.Event(), threading.Event()

        def first() -> None:
            with threads_of_blas(1):
                first_is_in.set()
                assert second_is_in.wait(WAIT)

        thread = in_a_thread(first)
        assert first_is_in.wait(WAIT)
        with threads_of_blas(1):
            second_is_in.set()
            thread.join(WAIT)
            assert threads() == {1}
        assert threads() == {3}


def test_one_that_needs_another_number_waits() -> None:
    entered = threading.Event()

    def other() -> None:
        with threads_of_blas(2):
            assert threads() == {2}
            entered.set()

    with threads_of_blas(1):
        thread = in_a_thread(other)
        assert not entered.wait(0.2)
        assert threads() == {1}
    assert entered.wait(WAIT)
    thread.join(WAIT)


def test_a_number_that_the_blas_does_not_take_is_refused_and_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = threads()
    with pytest.raises(ParameterError, match="100000 were asked for: its results would be of other bytes"):
        with threads_of_blas(100_000):
            pass
    assert threads() == before
    with threads_of_blas(1):
        assert threads() == {1}
    made = small_job(tmp_path)
    monkeypatch.setattr(environment._LIMIT, "enter", lambda count: pytest.fail("unlimited") if count != 1 else None)
    monkeypatch.setattr(environment._LIMIT, "leave", lambda: None)
    assert made.run_chunk(0, store_of(made, tmp_path / "out")).refused == 0
