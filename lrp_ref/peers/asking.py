"""Ask another program: here or in another interpreter, its forward pass first."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..errors import LrpError, one_line
from ..vectors.adapters import AdapterError, within
from .forward_pass import departure
from .installed import missing, require
from .interpreter import run
from .peer import Peer, find
from .task import NoRule, PeerError, Recording, Task


def ask(
    peer: str, task: Task, *, python: str | Path | None = None, folder: str | Path | None = None, timeout: float = 600.0
) -> Recording:
    """Return what a program computes on a task, after its forward pass was found to be that of the network.

    Args:
        peer: name of the program, see ``PEERS``.
        task: what it is asked.
        python: an interpreter that has the program; None for this one.
        folder: where the program's files are, of programs that are no packages.
        timeout: seconds that it may take.

    Raises:
        ParameterError: no such program.
        NoRule: it has no rule for anything of the task.
        PeerError: it is not installed (the message has the line that installs it), it raises, ends or hangs, or its
            forward pass differs; the first node that differs is named.
    """
    found, where = find(peer), None if folder is None else Path(folder)
    if python is None:
        require(found, where)
        recording = _here(found, task, where, timeout)
    else:
        recording = run(peer, task, python, where, timeout)
    require_same_values(task, recording)
    if not recording.trace.relevance or set(recording.trace.relevance) <= set(task.network.outputs):
        raise NoRule(_nothing(recording))
    return recording


def _here(peer: Peer, task: Task, folder: Path | None, timeout: float) -> Recording:
    """Record in this interpreter; what the program raises is one line, with its name."""
    try:
        done: Recording = within(timeout, partial(peer.load().record, task, folder), peer.title)
    except AdapterError as error:
        raise PeerError(str(error)) from error
    except LrpError:
        raise
    except ImportError as error:
        raise missing(peer, str(error)) from error
    except (Exception, SystemExit) as error:
        raise PeerError(f"{peer.title}: {one_line(f'{type(error).__name__}: {error}', 300)}") from error
    return done


def require_same_values(task: Task, recording: Recording) -> None:
    """Raise at the first node, in the order of execution, whose value the program has otherwise.

    Raises:
        PeerError: with the node and both numbers where they differ most.
    """
    found = departure(task.network.values(dict(task.inputs)), recording.trace.values)
    if found is not None:
        raise PeerError(f"{recording.program} {recording.version}: {found.words}")


def _nothing(recording: Recording) -> str:
    reasons = "; ".join(f"node '{node}': {why}" for node, why in recording.left_out.items())
    return f"{recording.program} {recording.version} shows no relevance" + (f": {reasons}" if reasons else "")
