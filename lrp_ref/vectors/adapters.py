"""Adapters: how an implementation is asked. Here: a Python function; ``jsonlines`` has the programs."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ..errors import LrpError
from .program import Program, program_of

Function = Callable[[dict[str, Any]], Any]
LONG = 200  # characters of a message
WORDS = {"unsupported": "unsupported", "refused": "refused", "error": "refused", "skip": "skip"}  # key → kind
FORMS = "return an array, a list of arrays or a dict of arrays by name"


class Unsupported(LrpError):  # noqa: N818 - no error: the implementation says what it is not
    """Raised by an adapter for a case that its implementation has no means for.

    Example:
        >>> raise Unsupported("no LSTM")
        Traceback (most recent call last):
        lrp_ref.vectors.adapters.Unsupported: no LSTM
    """


class Skip(LrpError):  # noqa: N818 - no error: the implementation says what it leaves out
    """Raised by an adapter for a case that is left out for now, with the reason or an issue's address.

    Example:
        >>> raise Skip("crashes: https://example.org/issues/12")
        Traceback (most recent call last):
        lrp_ref.vectors.adapters.Skip: crashes: https://example.org/issues/12
    """


class AdapterError(LrpError):
    """An adapter that cannot be used: it is not there, dies, hangs, or answers what no answer can be."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What an implementation says to a question.

    Attributes:
        kind: "relevance", "unsupported", "skip" or "refused".
        reason: in words, where there is no relevance.
        arrays: by operand number ("0", "1", ...) or by the network's names.
        named: whether the names are the network's.
        error: name of the exception that was raised, else "".
        cause: that exception.
    """

    kind: str
    reason: str = ""
    arrays: Mapping[str, np.ndarray[Any, Any] | None] | None = None
    named: bool = False
    error: str = ""
    cause: Exception | None = field(default=None, repr=False)


@runtime_checkable
class Adapter(Protocol):
    """Something that answers questions."""

    def ask(self, question: dict[str, Any]) -> Answer:
        """Return the answer to the question of one case."""

    def close(self) -> None:
        """End what was started."""


def within(seconds: float, work: Callable[[], Any], what: str, hint: str = "") -> Any:
    """Return ``work()``, done in a thread of its own; ``hint`` follows the message of one that takes too long.

    Raises:
        AdapterError: it took longer than ``seconds``.
    """
    done: list[tuple[bool, Any]] = []
    context = contextvars.copy_context()  # NumPy's error state goes along

    def target() -> None:
        try:
            done.append((True, context.run(work)))
        except BaseException as error:
            done.append((False, error))

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise AdapterError(f"{what}: no answer within {seconds:g} s (--timeout){hint}")
    holds, value = done[0]
    if not holds:
        raise value
    return value


@dataclass(frozen=True, eq=False)
class PythonAdapter:
    """A function of one case.

    Attributes:
        function: called with the question.
        timeout: seconds per answer.
        name: what it is called in reports, unless it says so itself (see ``program_of``).
    """

    function: Function
    timeout: float = 60.0
    name: str = ""

    @property
    def program(self) -> Program:
        """What is asked."""
        return program_of(self.function, self.name)

    def ask(self, question: dict[str, Any]) -> Answer:
        """Return the function's answer; an exception is a refusal.

        Raises:
            AdapterError: it hangs, ends the program, or returns what no answer can be.
        """
        where = f"the adapter, on {question['id']}"
        found: Answer = within(self.timeout, functools.partial(answer_of, self.function, question, where), where)
        return found

    def close(self) -> None:
        """Nothing was started."""


def answer_of(function: Function, question: dict[str, Any], where: str) -> Answer:
    """Return a function's answer; an exception is a refusal.

    Raises:
        AdapterError: it ends the program, or returns what no answer can be.

    Example:
        >>> answer_of(lambda case: {"skip": "too slow"}, {"id": "a"}, "x").reason
        'too slow'
    """
    try:
        raw = function(question)
    except (Unsupported, Skip) as error:
        return Answer("skip" if isinstance(error, Skip) else "unsupported", short(str(error)))
    except AdapterError:
        raise
    except Exception as error:
        name = type(error).__name__
        return Answer("refused", short(f"{name}: {error}"), error=name, cause=error)
    except SystemExit as error:
        raise AdapterError(f"{where}: it ended the program (SystemExit: {error})") from None
    return read_answer(raw, where)


def short(text: str) -> str:
    """Return a message as one line of at most 200 characters.

    Example:
        >>> short("two\\nlines")
        'two lines'
    """
    line = " ".join(text.split())
    return line if len(line) <= LONG else f"{line[:LONG]}…"


def read_answer(raw: Any, where: str) -> Answer:
    """Return what a Python adapter returned as an answer.

    Raises:
        AdapterError: it is no answer.

    Example:
        >>> read_answer({"refused": "negative epsilon"}, "x")
        Answer(kind='refused', reason='negative epsilon', arrays=None, named=False, error='')
    """
    if isinstance(raw, Mapping):
        for key, kind in WORDS.items():
            if isinstance(raw.get(key), str):
                return Answer(kind, short(raw[key]))
        return Answer("relevance", arrays={str(k): _array(v, f"{where}: '{k}'") for k, v in raw.items()}, named=True)
    if isinstance(raw, list | tuple):  # None stands for an operand without relevance, such as indices
        parts = {str(k): None if v is None else _array(v, where) for k, v in enumerate(raw)}
        return Answer("relevance", arrays=parts)
    return Answer("relevance", arrays={"0": _array(raw, where)})


def _array(value: Any, where: str) -> np.ndarray[Any, Any]:
    try:
        if value is None:
            raise ValueError("nothing was returned; raise Unsupported for what there is not")
        array = np.asarray(value)
        if array.dtype.kind not in "fiubO":
            raise ValueError(f"it holds {array.dtype}, not real numbers")
        return array.astype(np.float64)
    except Exception as error:  # arrays of other libraries raise what they like
        raise AdapterError(f"{where}: its answer is a {type(value).__name__}: {FORMS} ({error})") from error


def load_function(name: str) -> Function:
    """Import ``module:function`` or ``file.py:function``.

    Modules of the working directory are found, and those beside a file while it is loaded and while its function runs.

    Raises:
        AdapterError: no such module or function, or an import that fails.

    Example:
        >>> load_function("math:fsum")([0.5, 0.25])
        0.75
    """
    module, colon, attribute = name.rpartition(":")
    if not colon or not module or not attribute:
        raise AdapterError(f"adapter '{name}': write module:function or file.py:function")
    folder = Path(module).absolute().parent if module.endswith(".py") else None
    try:
        with on_path(folder):
            found = _import(module) if folder is None else _import_file(Path(module))
    except (Exception, SystemExit) as error:
        if isinstance(error, AdapterError):
            raise
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            raise AdapterError(f"adapter '{name}': no module '{error.name}' here or installed") from error
        raise AdapterError(f"adapter '{name}': its import fails: {type(error).__name__}: {error}") from error
    try:
        function = attrgetter(attribute)(found)
    except AttributeError as error:
        raise AdapterError(f"adapter '{name}': '{module}' has no '{attribute}'") from error
    if not callable(function):
        raise AdapterError(f"adapter '{name}': it is a {type(function).__name__}, not a function")
    return function if folder is None else _beside(function, folder)


def _beside(function: Function, folder: Path) -> Function:
    """Return a function that finds the modules of a folder while it runs."""

    @functools.wraps(function, updated=())
    def run(case: dict[str, Any]) -> Any:
        with on_path(folder):
            return function(case)

    return run


@contextlib.contextmanager
def on_path(folder: Path | None) -> Iterator[None]:
    """Let modules of a folder be found, and no longer afterwards.

    Example:
        >>> with on_path(Path("/my/folder")):
        ...     sys.path[0]
        '/my/folder'
        >>> "/my/folder" in sys.path
        False
    """
    if folder is None:
        yield
        return
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # who runs here may have changed the list
            sys.path.remove(entry)


def _import(module: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:  # a console script does not look where it is called
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    return importlib.import_module(module)


def _import_file(path: Path) -> Any:
    from importlib.util import module_from_spec, spec_from_file_location

    if not path.is_file():
        raise AdapterError(f"adapter '{path}': there is no such file")
    spec = spec_from_file_location(f"lrp_ref adapter {path.absolute()}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there for the module of a class
    spec.loader.exec_module(module)
    return module
