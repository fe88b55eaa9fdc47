"""Programs that do not run in this interpreter: asked in another one that the user names.

The other interpreter gets this package, no other of this one's, and a folder with the task; see ``exchange``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..errors import LrpError, UnsupportedError, one_line
from ..vectors.adapters import AdapterError, within
from .exchange import read_recording, write_task
from .peer import find
from .task import NoRule, PeerError, Recording, Task
from .worker import NO_RULE, OURS, RAISED

OLDEST = (3, 11)
LONGEST = 1 << 16  # characters of an answer, which is one short line
PROBE = "import sys; print('python %d.%d.%d' % sys.version_info[:3])"
PROBE_SECONDS = 60.0
GRACE = 5.0
# What of this interpreter's own must not reach another one.
OWN_SETTINGS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONDEVMODE", "__PYVENV_LAUNCHER__")
PACKAGE = Path(__file__).parents[1]


class ProgramError(PeerError):
    """What a program itself raised when it was asked, as its own last line has it.

    Attributes:
        said: that line: the name of the exception, and its message.
    """

    def __init__(self, who: str, said: str) -> None:
        super().__init__(f"{who}: {said}")
        self.said = said


def run(
    peer: str, task: Task, python: str | Path, folder: str | Path | None = None, timeout: float = 600.0
) -> Recording:
    """Return what a program computes in another interpreter.

    Args:
        peer: name of the program, see ``PEERS``.
        task: what it is asked.
        python: the interpreter: a path, or a command.
        folder: where the program's files are, of programs that are no packages.
        timeout: seconds until it is given up, and ended with all that it started.

    Raises:
        NoRule: it has no rule for anything of the task.
        PeerError: there is no such interpreter, it is too old, the program is not installed there, crashes or hangs.
    """
    with Interpreter(peer, python, folder, timeout) as other:
        return other.ask(task)


class Interpreter:
    """Another interpreter that has a program, started once for many tasks; a context manager that ends it.

    Args:
        peer, python, folder, timeout: as in :func:`run`; the time is that of each task.

    Raises:
        PeerError: there is no such interpreter, or it is too old.
        ParameterError: no such program.
    """

    def __init__(self, peer: str, python: str | Path, folder: str | Path | None = None, timeout: float = 600.0) -> None:
        self.peer, self.timeout = find(peer), timeout
        self.python = _executable(python)
        self._folder = None if folder is None else Path(folder).absolute()
        self._own = tempfile.TemporaryDirectory(prefix="lrp_ref-")
        self._place = Path(self._own.name)
        self._process: subprocess.Popen[str] | None = None
        try:
            _show_package(self._place)
            self._require_version()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Interpreter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, task: Task) -> Recording:
        """Return what the program computes; after an error of it the next task finds it started anew.

        Raises:
            NoRule, PeerError: as in :func:`run`.
            UnsupportedError: a network that no file can hold, or inputs that lrp_ref refuses before the program.
        """
        with tempfile.TemporaryDirectory(dir=self._place) as folder:
            write_task(task, Path(folder))
            try:
                found = self._answer(folder)
            except BaseException:
                self._end()
                raise
            if found.get("done") is True:
                try:
                    return read_recording(Path(folder))
                except LrpError as error:
                    raise PeerError(
                        f"{self._who}: it says that it is done; its recording is missing or damaged"
                    ) from error
        message = str(found.get("message"))
        if found.get("error") == NO_RULE:
            raise NoRule(message)
        if found.get("error") == OURS:
            raise UnsupportedError(message)
        if found.get("error") == RAISED:
            raise ProgramError(self._who, message)
        raise PeerError(message)

    def close(self) -> None:
        """End the interpreter and what it started; remove what was written for it."""
        self._end()
        self._own.cleanup()

    @property
    def _who(self) -> str:
        return f"{self.peer.title} in {self.python}"

    def _answer(self, folder: str) -> dict[str, Any]:
        if self._process is None:
            words = ["-m", "lrp_ref.peers.worker", self.peer.name]
            self._process = self._start([*words, *([] if self._folder is None else [str(self._folder)])])
        line = self._exchange(self._process, f"{folder}\n", self.timeout)
        if not line:
            raise PeerError(self._last_words(self._process))
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or not {"done", "error"} & set(found):
            raise PeerError(f"{self._who}: it answered {line.strip()[:80]!r}, which is no answer")
        return found

    def _start(self, words: list[str]) -> subprocess.Popen[str]:
        kept = {k: v for k, v in os.environ.items() if k not in OWN_SETTINGS}
        own = {"PYTHONPATH": str(self._place), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
        with (self._place / "errors").open("wb") as errors:
            try:  # the user's own command; no shell is started
                return subprocess.Popen(  # noqa: S603
                    [self.python, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                    encoding="utf-8", errors="replace", cwd=self._place, env={**kept, **own}, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise PeerError(f"{self.python} cannot be started: {error.strerror or error}") from error

    def _exchange(self, process: subprocess.Popen[str], request: str, seconds: float) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            return str(within(seconds, partial(_converse, process.stdin, process.stdout, request), self._who))
        except AdapterError as error:
            raise PeerError(f"{error}{_said(self._said())}") from error

    def _last_words(self, process: subprocess.Popen[str]) -> str:
        """Return what became of an interpreter that closed its output, and the last line that it wrote."""
        try:
            status = process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return f"{self._who}: it closed its output without an answer{_said(self._said())}"
        said = self._said()
        lacking = re.fullmatch(r"ModuleNotFoundError: No module named '(\w+)[\w.]*'", said)
        if lacking:  # this package's own need, before the program is looked for
            return f"{self._who}: {said}; run: {shlex.quote(self.python)} -m pip install {lacking.group(1)}"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"{self._who}: it was killed by {signal.Signals(-status).name}{_said(said)}"
        return f"{self._who}: it ended with status {status}{_said(said)}"

    def _said(self) -> str:
        """Return the last line that the interpreter wrote on its standard error."""
        with (self._place / "errors").open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - LONGEST))
            lines = stream.read().decode(errors="replace").split("\n")
        return one_line(next((line.strip() for line in reversed(lines) if line.strip()), ""), 300)

    def _require_version(self) -> None:
        process = self._process = self._start(["-c", PROBE])
        line = self._exchange(process, "", min(self.timeout, PROBE_SECONDS))
        if not line:
            raise PeerError(f"{self.python} is no Python interpreter: {self._last_words(process)}")
        self._end()
        found = re.fullmatch(r"python (\d+)\.(\d+)\.(\d+)", line.strip())
        if found is None:
            raise PeerError(
                f"{self.python} is no Python interpreter: asked for its version it says {line.strip()[:80]!r}"
            )
        version = tuple(map(int, found.groups()))
        words = ".".join(found.groups())
        if version < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise PeerError(f"{self.python} is Python {words}; lrp_ref runs in {oldest} or newer: name another one")
        self.version = version

    def _end(self) -> None:
        """End the interpreter, with all that it started and that still runs."""
        process, self._process = self._process, None
        if process is None:
            return
        if hasattr(os, "killpg"):  # its group is its own, see ``start_new_session``
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()


def _converse(to: IO[str], back: IO[str], request: str) -> str:
    """Return the line that answers a request; "" where there is nobody to answer."""
    with contextlib.suppress(BrokenPipeError):
        to.write(request)
        to.flush()
    return back.readline(LONGEST)


def _said(line: str) -> str:
    return f"; its last line: {line}" if line else ""


def _executable(python: str | Path) -> str:
    """Return the path of an interpreter.

    Raises:
        PeerError: there is none, or it cannot be executed.
    """
    found = shutil.which(str(python))
    if found is None:
        path = Path(python)
        kind = "is a folder" if path.is_dir() else "cannot be executed" if path.exists() else "is not there"
        raise PeerError(f"python '{python}' {kind}: name an interpreter, such as a virtual environment's bin/python")
    return str(Path(found).absolute())


def _show_package(folder: Path) -> None:
    """Put this package into a folder, alone: beside it may lie packages that only fit this interpreter."""
    try:
        (folder / PACKAGE.name).symlink_to(PACKAGE, target_is_directory=True)
    except OSError:  # a file system or a system that has no links
        shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
