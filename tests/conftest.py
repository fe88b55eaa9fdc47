"""How the tests run: in several processes, without the mutation command, which has an extra of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

collect_ignore = ["mutation", "support"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run files that are named in this process, where output and debuggers work as ever; all others in several."""
    named = any(Path(argument.partition("::")[0]).is_file() for argument in config.args)
    return 0 if named else None


# Files that take a minute or more go first, so that no process is left alone with one of them at the end.
FIRST = ("site/test_site.py", "pages/test_live_page.py", "house/test_contributing.py", "site/test_lessons.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of long files first; the others keep their order."""
    places = {name: k for k, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(FIRST)))


def pytest_configure(config: pytest.Config) -> None:
    """Divide the cores among the processes: each has its own BLAS, whose threads would wait for each other's cores."""
    workers = config.getoption("numprocesses", None)
    if workers:
        threads = str(max(1, (os.cpu_count() or 1) // int(workers)))
        for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(library, threads)
    # Whoever starts the processes tells them the width of a terminal, which tables would be fitted to.
    os.environ.pop("COLUMNS", None)
