"""Programs that are folders of Python files: imported for as long as they run, and nothing of them stays behind."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from .task import PeerError


@contextmanager
def package(
    folder: Path, name: str, *, hidden: tuple[str, ...] = (), given: Mapping[str, ModuleType] | None = None
) -> Iterator[Callable[[str], Any]]:
    """Import a package, or a single file, from a folder, whatever else has its name, and take it away again.

    Nothing is written beside the files, and ``sys.path`` is not touched. Modules of other packages that the program
    imports stay, as after any import.

    Args:
        folder: the folder that holds the package.
        name: of the package.
        hidden: packages that the program shall not find.
        given: modules of other names that it shall find in place of those that have them.

    Yields:
        A function that imports a module of the package, "" for the package itself.

    Raises:
        PeerError: there is no such package in the folder.
    """
    first, below = folder / name / "__init__.py", [str(folder / name)]
    if not first.is_file():
        first, below = folder / f"{name}.py", []
    spec = importlib.util.spec_from_file_location(name, first, submodule_search_locations=below or None)
    if not first.is_file() or spec is None or spec.loader is None:
        raise PeerError(f"{folder} holds no '{name}', which is the program: name the folder that has it")
    stands_in: dict[str, Any] = {**dict.fromkeys(hidden), **(given or {})}  # None: Python says that there is none
    ours = (name, *stands_in)
    held = {k: module for k, module in sys.modules.items() if k.partition(".")[0] in ours}
    writes, searched = sys.dont_write_bytecode, dict(sys.path_importer_cache)
    sys.dont_write_bytecode = True
    for key in held:
        del sys.modules[key]
    try:
        sys.modules.update(stands_in)
        sys.modules[name] = whole = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(whole)
        yield lambda part: whole if not part else importlib.import_module(f"{name}.{part}")
    finally:
        for key in [k for k in sys.modules if k.partition(".")[0] in ours]:
            del sys.modules[key]
        sys.modules.update(held)
        sys.dont_write_bytecode = writes
        for key in sys.path_importer_cache.keys() - searched.keys():
            if str(key).startswith(str(first.parent)):
                del sys.path_importer_cache[key]


class Provided:
    """A module as a program knows it: with names that it has lost since, without giving them to anybody else.

    Args:
        module: the module.
        names: what it is to have besides, or instead.
    """

    def __init__(self, module: ModuleType, **names: Any) -> None:
        self.__dict__.update(names)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)
