"""Programs as adapters: one question a line on their input, one answer a line on their output, both JSON.

Before the first question a program may be asked who it is, by the line ``{"start": {"format", "version", "tag"}}``. It
answers with a line that may have ``name``, ``version``, ``language``, ``homepage`` and ``issues``. A program that knows
nothing of that keeps working: one that passes the line over, answers it with an error, or even ends at it, in which
case it is started again without it. So that none is waited for, the first question follows at once. That line alone has
no ``id``; questions about networks have a ``start`` too, the relevance of the output.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import signal
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from .adapters import WORDS, AdapterError, Answer, short, within
from .program import Program

LINE_LIMIT = 256 << 20  # characters of one answer
GRACE = 5.0  # seconds for a program to end after its input has ended
ADVICE = "a line of JSON; what is no answer belongs on standard error"
HANGS = "; does it write a line for every line, and flush it?"


class CommandAdapter:
    """A program that answers a line of JSON with a line of JSON.

    Args:
        command: the program and its arguments, as in a shell; no shell is started.
        timeout: seconds per answer.

    Attributes:
        program: what it says of itself, see ``start``; else the first word of the command.

    Raises:
        AdapterError: the program cannot be started.
    """

    def __init__(self, command: str, timeout: float = 60.0) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise AdapterError(f"command '{command}': {error}") from error
        if not self._words:
            raise AdapterError("command: it is empty; give a program and its arguments")
        self.name, self.timeout = self._words[0], timeout
        self.program = Program(self.name)
        self._greeting = ""  # a line that has not been sent yet
        self._launch()

    def _launch(self) -> None:
        import subprocess  # not needed by who imports lrp_ref

        self._idle, self._over = threading.Event(), False  # no answer is waited for; none will be
        self._idle.set()
        pipe = subprocess.PIPE
        try:  # the words are the user's own command line; stderr stays the program's
            self._process = subprocess.Popen(  # noqa: S603
                self._words, stdin=pipe, stdout=pipe, encoding="utf-8", errors="replace", start_new_session=True
            )
        except FileNotFoundError as error:
            raise AdapterError(f"command '{self.name}': not found") from error
        except OSError as error:
            raise AdapterError(f"command '{self.name}': cannot be started: {error.strerror or error}") from error

    def start(self, release: Mapping[str, str]) -> None:
        """Ask the program who it is, together with the next question.

        Args:
            release: of the vectors: format, version and tag.
        """
        self._greeting = json.dumps({"start": dict(release)}, separators=(",", ":")) + "\n"

    def ask(self, question: dict[str, Any]) -> Answer:
        """Return the program's answer.

        Raises:
            AdapterError: it died, hangs, or its line is no answer.
        """
        where = f"command '{self.name}', on {question['id']}"
        request = json.dumps(to_json(question), allow_nan=False, separators=(",", ":")) + "\n"
        greeting, self._greeting = self._greeting, ""
        line = self._introduce(greeting, request, question["id"], where) if greeting else self._answer(request, where)
        if not line:
            raise AdapterError(f"{where}: {self._end()} instead of answering")
        if len(line) >= LINE_LIMIT and not line.endswith("\n"):
            raise AdapterError(f"{where}: it answered more than {LINE_LIMIT} characters in one line")
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise AdapterError(f"{where}: it answered {line.strip()[:80]!r}, which is not {ADVICE}") from error
        return from_json(found, question["id"], where)

    def _introduce(self, greeting: str, request: str, name: str, where: str) -> str:
        """Return the answer to the first question, and keep what the program says of itself."""
        first = self._answer(greeting + request, where)
        if _has_id(first, name):  # the greeting was passed over
            return first
        second = self._answer("", where) if first else ""
        if not second:
            self.close()
            self._launch()
            return self._answer(request, where)
        said = _loaded(first)
        if said is None and not _has_id(second, name):
            return first  # no answer of any kind: that is what has to be told
        self.program = self.program.said(said)
        return second

    def _answer(self, text: str, where: str) -> str:
        """Return the program's next line after it was sent a text; "" if there is none."""
        try:
            line: str = within(self.timeout, partial(self._exchange, text), where, HANGS)
        except (BrokenPipeError, ValueError):
            return ""
        return line

    def _exchange(self, text: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._idle.clear()
        try:
            if text:
                self._process.stdin.write(text)
                self._process.stdin.flush()
            return self._process.stdout.readline(LINE_LIMIT)
        finally:
            self._idle.set()
            if self._over:  # the program was given up in the meantime
                self._close_streams()

    def _end(self) -> str:
        import subprocess

        try:
            status = self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        return f"it was killed by signal {-status}" if status < 0 else f"it ended with status {status}"

    def close(self) -> None:
        """End the program: its input ends, and if it does not follow, it is killed with what it started."""
        import subprocess

        if self._process.poll() is None:
            if self._idle.is_set():
                threading.Thread(target=self._close_input, daemon=True).start()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE)
            if self._process.poll() is None:
                self._kill()
        self._over = True
        if self._idle.wait(GRACE):  # a thread that still reads would make closing wait; it closes when it is through
            self._close_streams()

    def _close_streams(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.close()

    def _kill(self) -> None:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()

    def _close_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()


def _loaded(line: str) -> Any:
    """Return a line's JSON; None if it is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _has_id(line: str, name: str) -> bool:
    """Return whether a line answers the question of that id."""
    found = _loaded(line)
    return isinstance(found, dict) and found.get("id") == name


def to_json(value: Any) -> Any:
    """Return a question as JSON values: arrays as shape and data; NaN and infinities, which JSON lacks, as text.

    Example:
        >>> to_json({"x": np.array([[0.5, np.nan]])})
        {'x': {'shape': [1, 2], 'data': [0.5, 'nan']}}
    """
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "data": [to_json(v) for v in value.ravel().tolist()]}
    if isinstance(value, dict):
        return {k: to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def from_json(found: Any, name: str, where: str) -> Answer:
    """Return a program's line as an answer.

    Raises:
        AdapterError: it is no answer, or one to another question.
    """
    if not isinstance(found, dict) or found.get("id") != name:
        other = found.get("id") if isinstance(found, dict) else None
        hint = ": only a line without an id asks who it is" if isinstance(found, dict) and "name" in found else ""
        raise AdapterError(f"{where}: its answer has the id {other!r}; an answer repeats the id of its question{hint}")
    relevance = found.get("relevance")
    if relevance is None:
        for key, kind in WORDS.items():
            if key in found:
                return Answer(kind, short(str(found[key])))
        raise AdapterError(f"{where}: its answer has none of relevance, {', '.join(WORDS)}")
    if isinstance(relevance, dict) and not {"shape", "data"} <= set(relevance):
        named = {str(k): _json_array(v, f"{where}: '{k}'") for k, v in relevance.items()}
        return Answer("relevance", arrays=named, named=True)
    parts = relevance if isinstance(relevance, list) else [relevance]
    return Answer(
        "relevance", arrays={str(k): None if v is None else _json_array(v, where) for k, v in enumerate(parts)}
    )


def _json_array(value: Any, where: str) -> np.ndarray[Any, Any]:
    try:
        shape, data = tuple(map(int, value["shape"])), value["data"]
        numbers = [math.nan if v is None else float(v) for v in data]  # JavaScript writes null for NaN
        if min(shape, default=0) < 0 or math.prod(shape) != len(numbers):
            raise ValueError(f"{len(numbers)} numbers for shape {list(shape)}")
        return np.array(numbers, dtype=np.float64).reshape(shape)
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise AdapterError(
            f'{where}: an array is {{"shape": [...], "data": [numbers]}}, flat in C order ({error})'
        ) from error
