"""Tasks and recordings as files, for a program that runs in another interpreter: arrays and JSON, nothing that is run.

A folder holds ``network.npz`` (see ``loaders.native``), ``task.npz`` (inputs, rules and start) and, afterwards,
``recording.npz``; the last two are traces with entries beside them, see ``propagation.files``.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError, ParameterError
from ..loaders import native
from ..propagation.files import write_npz
from ..propagation.trace import Trace, read_npz
from ..rules.rule import AnyRule
from ..vectors.own import make_rule, rule_spec
from .task import Recording, Task

NETWORK, TASK, RECORDING = "network.npz", "task.npz", "recording.npz"
Arrays = dict[str, np.ndarray[Any, Any]]


class Unnamed(AnyRule):
    """A rule without a name, which no other program has, on the other side of an exchange; it says which it was."""

    def __init__(self, words: str) -> None:
        object.__setattr__(self, "words", words)

    def formula(self) -> str:
        """Return the rule in words."""
        return self.words  # type: ignore[attr-defined, no-any-return]

    def __repr__(self) -> str:
        return self.formula()


def write_task(task: Task, folder: Path) -> None:
    """Write a task into a folder.

    Raises:
        UnsupportedError: a layer or value that files do not hold, such as rational numbers.
    """
    native.save(task.network, folder / NETWORK)
    arrays: Arrays = {}
    rules = {node: _written(rule, arrays) for node, rule in task.rules.items()}
    extra = {"rules": rules, "start": task.start, "functional_add": task.functional_add, **arrays}
    write_npz(folder / TASK, extra, Trace(dict(task.inputs)))


def read_task(folder: Path) -> Task:
    """Read what :func:`write_task` wrote.

    Raises:
        ModelFormatError: files that are damaged, or others.
    """
    network = native.load(folder / NETWORK)
    extra, trace = read_npz(folder / TASK)
    rules = {node: _read(spec, extra) for node, spec in extra["rules"].items()}
    return Task(network, dict(trace.values), rules, extra["start"], bool(extra["functional_add"]))


def write_recording(recording: Recording, folder: Path) -> None:
    """Write what a program computed into a folder."""
    extra = {
        "program": recording.program,
        "version": recording.version,
        "left_out": dict(recording.left_out),
        "notes": list(recording.notes),
    }
    write_npz(folder / RECORDING, extra, recording.trace)


def read_recording(folder: Path) -> Recording:
    """Read what :func:`write_recording` wrote.

    Raises:
        ModelFormatError: no such file, a damaged one, or one that holds something else.
    """
    extra, trace = read_npz(folder / RECORDING)
    left_out, notes = extra.get("left_out"), extra.get("notes")
    texts = [extra.get("program"), extra.get("version")]
    if not (isinstance(left_out, dict) and isinstance(notes, list)):
        raise ModelFormatError(f"{folder / RECORDING}: it is no recording")
    if not all(isinstance(text, str) for text in (*texts, *left_out, *left_out.values(), *notes)):
        raise ModelFormatError(f"{folder / RECORDING}: program, version, left_out and notes must be texts")
    return Recording(trace, str(texts[0]), str(texts[1]), left_out, tuple(notes))


def _written(rule: AnyRule | None, arrays: Arrays) -> Any:
    try:
        return _json(rule_spec(rule), arrays)
    except ParameterError:
        return {"unnamed": repr(rule)}


def _json(value: Any, arrays: Arrays) -> Any:
    """Return a value as JSON has it; arrays get a name of their own."""
    if isinstance(value, np.ndarray):
        name = f"rule/{len(arrays)}"
        arrays[name] = value if value.dtype.kind in "fiub" else value.astype(np.float64)
        return {"array": name}
    if isinstance(value, dict):
        return {k: _json(v, arrays) for k, v in value.items()}
    if isinstance(value, list):
        return [_json(v, arrays) for v in value]
    if isinstance(value, numbers.Real) and not isinstance(value, bool | int | float):
        return float(value)  # another program computes with floats, whatever the number was here
    return value


def _read(spec: Any, arrays: Mapping[str, Any]) -> AnyRule | None:
    if "unnamed" in spec:
        return Unnamed(str(spec["unnamed"]))
    rule: AnyRule | None = make_rule(_value(spec, arrays))
    return rule


def _value(value: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        if set(value) == {"array"}:
            return arrays[value["array"]]
        return {k: _value(v, arrays) for k, v in value.items()}
    return [_value(v, arrays) for v in value] if isinstance(value, list) else value
