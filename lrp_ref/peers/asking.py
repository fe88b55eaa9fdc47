"""Ask another program, here or in another interpreter, and see first that both compute the same forward pass."""

from __future__ import annotations

import traceback
from functools import partial
from pathlib import Path

from ..base.arrays import to_numpy
from ..errors import LrpError, one_line
from ..network.network import Network, owner
from ..propagation.trace import Trace
from ..vectors.adapters import AdapterError, within
from .installed import missing, require
from .interpreter import run
from .peer import Peer, find
from .task import PeerError, Recording, Task


def ask(
    peer: str,
    task: Task,
    *,
    python: str | Path | None = None,
    folder: str | Path | None = None,
    timeout: float = 600.0,
) -> Recording:
    """Return what a program computes, after its forward pass was found to be that of the network.

    Args:
        peer: name of the program, one of ``PEERS``.
        task: what it is asked.
        python: interpreter in which it is installed; None for this one.
        folder: where the program's files are, of programs that are no packages.
        timeout: seconds that it may take.

    Raises:
        NoRule: it has no rule for anything of the task.
        PeerError: it is not installed (the message says how), crashes, takes too long, or its forward pass differs.
    """
    found = find(peer)
    if python is None:
        recording = _here(found, task, None if folder is None else Path(folder), timeout)
    else:
        recording = run(peer, task, python, folder, timeout)
    require_forward(task, recording)
    return recording


def _here(peer: Peer, task: Task, folder: Path | None, timeout: float) -> Recording:
    """Return what a program computes in this interpreter."""
    require(peer, folder)
    try:
        return within(timeout, partial(peer.load().record, task, folder), peer.title)  # type: ignore[no-any-return]
    except AdapterError as error:
        raise PeerError(str(error)) from error
    except LrpError:
        raise
    except ImportError as error:
        raise missing(peer, one_line(str(error))) from error
    except Exception as error:  # whatever the program raises, it is the program's
        said = traceback.format_exception_only(error)[-1].strip()
        raise PeerError(f"{peer.title}: {one_line(said, 300)}") from error


def require_forward(task: Task, recording: Recording) -> None:
    """Raise unless every value that a program shows is that of the network, to rounding.

    Raises:
        PeerError: with the first node, in the order of execution, that makes another value.
    """
    known = {spec.name for spec in task.network.inputs} | {node.name for node in task.network.nodes}
    shown = {name: array for name, array in recording.trace.values.items() if owner(name, known) in known}
    values = task.network.values(dict(task.inputs), check=False)
    ours = Trace({name: to_numpy(values[name]) for name in values if name in shown})
    first = ours.diff(Trace(shown), mapping={name: name for name in ours.values}).first
    if first is None:
        return
    node = owner(first.name, known)
    raise PeerError(
        f"{recording.program} {recording.version} computes another forward pass: the first node that differs is "
        f"'{node}' ({_kind(task.network, node)}), by {first.note or f'{first.relative:.2g} of its largest value'}; "
        "nothing else is compared, for the relevance would be that of another network"
    )


def _kind(network: Network, name: str) -> str:
    return next((type(node.layer).__name__ for node in network.nodes if node.name == name), "input")
