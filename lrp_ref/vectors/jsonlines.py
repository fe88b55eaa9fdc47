"""Programs as adapters: one question a line on their input, one answer a line on their output, both JSON."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import signal
import threading
from functools import partial
from typing import Any

import numpy as np

from .adapters import AdapterError, Answer, short, within

LINE_LIMIT = 256 << 20  # characters of one answer
GRACE = 5.0  # seconds for a program to end after its input has ended


class CommandAdapter:
    """A program that answers a line of JSON with a line of JSON.

    Args:
        command: the program and its arguments, as in a shell; no shell is started.
        timeout: seconds per answer.

    Raises:
        AdapterError: the program cannot be started.
    """

    def __init__(self, command: str, timeout: float = 60.0) -> None:
        import subprocess  # not needed by who imports lrp_ref

        try:
            words = shlex.split(command)
        except ValueError as error:
            raise AdapterError(f"command '{command}': {error}") from error
        if not words:
            raise AdapterError("command: it is empty; give a program and its arguments")
        self.name, self.timeout = words[0], timeout
        self._idle, self._over = threading.Event(), False  # no answer is waited for; none will be
        self._idle.set()
        pipe = subprocess.PIPE
        try:  # the words are the user's own command line; stderr stays the program's
            self._process = subprocess.Popen(  # noqa: S603
                words, stdin=pipe, stdout=pipe, encoding="utf-8", errors="replace", start_new_session=True
            )
        except FileNotFoundError as error:
            raise AdapterError(f"command '{self.name}': not found") from error
        except OSError as error:
            raise AdapterError(f"command '{self.name}': cannot be started: {error.strerror or error}") from error

    def ask(self, question: dict[str, Any]) -> Answer:
        """Return the program's answer.

        Raises:
            AdapterError: it died, hangs, or its line is no answer.
        """
        where = f"command '{self.name}', on {question['id']}"
        request = json.dumps(to_json(question), allow_nan=False, separators=(",", ":"))
        try:
            line = within(self.timeout, partial(self._exchange, request), where)
        except (BrokenPipeError, ValueError):
            line = ""
        if not line:
            raise AdapterError(f"{where}: {self._end()} instead of answering")
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise AdapterError(f"{where}: it answered {line.strip()[:80]!r}, which is not a line of JSON") from error
        return from_json(found, question["id"], where)

    def _exchange(self, request: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._idle.clear()
        try:
            self._process.stdin.write(request + "\n")
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
        raise AdapterError(f"{where}: its answer has the id {other!r}; an answer repeats the id of its question")
    relevance = found.get("relevance")
    if relevance is None:
        for kind, key in (("unsupported", "unsupported"), ("refused", "refused"), ("refused", "error")):
            if key in found:
                return Answer(kind, short(str(found[key])))
        raise AdapterError(f"{where}: its answer has none of relevance, unsupported, refused, error")
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
