"""What the bytes of a result depend on besides the question: versions, the BLAS and its threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from .. import __version__
from ..errors import ParameterError


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # needs a millisecond, and looks through all libraries

    return ThreadpoolController().select(user_api="blas")


def environment() -> dict[str, Any]:
    """Return the versions of lrp_ref and NumPy, and which BLAS works on which kind of processor.

    Example:
        >>> sorted(environment())
        ['blas', 'lrp_ref', 'numpy']
    """
    return {"lrp_ref": __version__, "numpy": np.__version__, "blas": ", ".join(map(_told, _blas().lib_controllers))}


def _told(library: Any) -> str:
    kind = getattr(library, "architecture", None)
    return f"{library.internal_api} {library.version or 'of an unknown version'}{f' on {kind}' if kind else ''}"


@contextmanager
def threads_of_blas(count: int) -> Iterator[None]:
    """Limit the BLAS of this process to ``count`` threads meanwhile, and with it the threads of the package itself.

    The limit holds in the whole process: not for two threads of one process at a time.

    Raises:
        ParameterError: the BLAS does not take so many: it was built for fewer.
    """
    with _blas().limit(limits=count):
        found = sorted({library.num_threads for library in _blas().lib_controllers})
        if found not in ([], [count]):
            raise ParameterError(
                f"the BLAS works with {', '.join(map(str, found))} threads where {count} were asked for: its results "
                "would be of other bytes; ask for fewer threads"
            )
        yield
