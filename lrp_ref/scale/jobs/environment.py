"""What the bytes of a result depend on besides the question: versions, the BLAS and its threads; and the devices."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...base.arrays import by_name
from ...errors import BackendError, ParameterError


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # needs a millisecond, and looks through all libraries

    return ThreadpoolController().select(user_api="blas")


def versions() -> dict[str, str]:
    """Return the versions that every process of a job must have alike.

    Example:
        >>> sorted(versions())
        ['lrp_ref', 'numpy']
    """
    return {"lrp_ref": __version__, "numpy": np.__version__}


def environment() -> dict[str, Any]:
    """Return the versions of lrp_ref and NumPy, and which BLAS works on which kind of processor.

    Example:
        >>> sorted(environment())
        ['blas', 'lrp_ref', 'numpy']
    """
    return {**versions(), "blas": ", ".join(map(_told, _numpys()))}


def _numpys() -> list[Any]:
    """Return the BLAS that NumPy brings along or, where it brings none, all: that of SciPy may be loaded or not."""
    place = Path(np.__file__).parent
    folders = {place, place.with_name("numpy.libs")}
    found = list(_blas().lib_controllers)
    return [one for one in found if folders & set(Path(one.filepath).parents)] or found


def _told(library: Any) -> str:
    kind = getattr(library, "architecture", None)
    return f"{library.internal_api} {library.version or 'of an unknown version'}{f' on {kind}' if kind else ''}"


class _Limit:
    """The limit of the BLAS, which all threads of this process have in common: the last that leaves takes it off.

    Some builds of OpenBLAS hear only of the thread that was the first to set a number. That is the main thread where it
    explains; in a worker, whose threads come and go, it is one that does nothing else.
    """

    def __init__(self) -> None:
        self.changed, self.inside, self.count = threading.Condition(), 0, 0
        self.limiter: Any = None
        self.setting: ThreadPoolExecutor | None = None
        self.apart = False  # whether the limit was set by the other thread

    def enter(self, count: int) -> None:
        """Limit the BLAS to ``count`` threads; wait for those who need another number of them."""
        with self.changed:
            self.changed.wait_for(lambda: self.inside == 0 or self.count == count)
            if self.inside == 0:
                self._set(count)
            self.inside += 1

    def _set(self, count: int) -> None:
        first = threading.current_thread() is not threading.main_thread()
        found: list[int] = []
        for apart in (first, not first):
            self.apart, self.count = apart, count
            self.limiter = self._call(lambda: _blas().limit(limits=count))
            found = sorted({library.num_threads for library in _blas().lib_controllers})
            if found in ([], [count]):
                return
            self._call(self.limiter.restore_original_limits)
        raise ParameterError(
            f"the BLAS works with {', '.join(map(str, found))} threads where {count} were asked for: its results would "
            "be of other bytes; ask for fewer threads, and for data sets in the main thread"
        )

    def _call(self, function: Callable[[], Any]) -> Any:
        if not self.apart:
            return function()
        if self.setting is None:
            self.setting = ThreadPoolExecutor(1, thread_name_prefix="lrp_ref_blas")
        return self.setting.submit(function).result()

    def leave(self) -> None:
        """Give the BLAS its threads back if nobody else is inside."""
        with self.changed:
            self.inside -= 1
            if self.inside == 0:
                self._call(self.limiter.restore_original_limits)
                self.changed.notify_all()


_LIMIT = _Limit()


@contextmanager
def threads_of_blas(count: int) -> Iterator[None]:
    """Limit the BLAS of this process to ``count`` threads meanwhile, and with it the threads of the package itself.

    The limit holds in the whole process: several threads of it may be inside at a time, as long as they ask for the
    same number; one that asks for another waits until they have left.

    Raises:
        ParameterError: the BLAS does not take so many: it was built for fewer.
    """
    _LIMIT.enter(count)
    try:
        yield
    finally:
        _LIMIT.leave()


def cores() -> int:
    """Return how many cores this process may use.

    Example:
        >>> cores() >= 1
        True
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_cores(workers: int, threads: int) -> None:
    """Raise if processes have more threads together than this machine has cores, which would slow all of them down.

    Raises:
        ParameterError: too many, or no number of workers.

    Example:
        >>> require_cores(1, 1)
        >>> require_cores(1000, 100)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        lrp_ref.errors.ParameterError: 1000 workers of 100 threads each need 100000 cores, and this machine lends ...
    """
    if workers < 1:
        raise ParameterError(f"workers is {workers}: give the number of processes, 1 or more")
    if workers * threads <= cores():
        return
    who = f"{threads} threads" if workers == 1 else f"{workers} workers of {threads} thread{'s' * (threads > 1)} each"
    raise ParameterError(
        f"{who} need {workers * threads} cores, and this machine lends {cores()}: ask for fewer workers or threads"
    )


def require_devices(count: int) -> None:
    """Raise unless CuPy is there and finds as many devices.

    Raises:
        MissingExtraError: CuPy is not installed.
        ParameterError: fewer devices.
    """
    cupy = by_name("cupy")
    try:
        found = int(cupy.cuda.runtime.getDeviceCount())
    except Exception as error:  # of CUDA, whose class is CuPy's
        raise ParameterError(f"CuPy finds no device ({error}): compute without a GPU") from error
    if found < count:
        raise ParameterError(f"{count} devices are asked for, and CuPy finds {found}: ask for as many as there are")


def on_device(xp: str) -> Any:
    """Return a context in which a worker computes on its own device; elsewhere on the present one.

    The workers of this machine are numbered from 0, and each takes the device of its number. Where dask-cuda has
    started them, each sees its own device first already.
    """
    number = _place() if xp == "cupy" else None
    if number is None:
        return nullcontext()
    cupy = by_name("cupy")
    return cupy.cuda.Device(number % max(1, int(cupy.cuda.runtime.getDeviceCount())))


def _place() -> int | None:
    """Return the number of this worker; None outside one, or where it was not numbered by us."""
    if "distributed" not in sys.modules or "dask_cuda" in sys.modules:
        return None
    try:
        name = sys.modules["distributed"].get_worker().name
    except ValueError:  # no worker
        return None
    return name if isinstance(name, int) else None


def require_known(xp: str) -> None:
    """Raise unless the array library is one that a job can compute on.

    Raises:
        BackendError: another one.
    """
    if xp not in ("numpy", "cupy"):
        raise BackendError(f"array module '{xp}' is not known: use 'numpy' or 'cupy'")
