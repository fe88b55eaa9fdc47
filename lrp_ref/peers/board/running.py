"""One program asked all cases, live: a row of the board."""

from __future__ import annotations

import importlib.util
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ... import vectors
from ...dialects import DIALECTS
from ...errors import ParameterError
from ...vectors import Case
from ...vectors.cases import HERE, read_manifest
from ...vectors.program import Program
from .. import vector_adapter
from ..peer import PEERS, Peer, find
from ..task import NoRule, PeerError
from .results import Results, outcomes_of

OWN = "lrp_ref"
GROUPS = ("core", "alternatives", "networks")  # the faulty calls would be refused here, before any program sees them
PROBES = ("core/small/E-1/plus-epsilon", "core/lstm/epsilon/*")  # something that every program has means for


@dataclass(frozen=True)
class Asked:
    """A program, and where it is.

    Attributes:
        name: among the peers, or "lrp_ref".
        python: the interpreter that it is installed in; None for this one.
        folder: where its files are, of programs that are no packages.
    """

    name: str
    python: Path | None = None
    folder: Path | None = None

    @property
    def title(self) -> str:
        """What it is called, with its interpreter where that is another."""
        title = OWN if self.name == OWN else find(self.name).title
        return f"{title} in {self.python}" if self.python is not None else title


def known_name(name: str) -> str:
    """Return the name of a program that can be asked.

    Raises:
        ParameterError: another name.
    """
    return name if name == OWN else find(name).name


def is_here(peer: Peer) -> bool:
    """Return whether a program is installed in this interpreter."""
    return bool(peer.module) and importlib.util.find_spec(peer.module) is not None


def programs_here() -> tuple[list[Asked], dict[str, str]]:
    """Return all programs that are installed here, and why the others are not asked, by title."""
    here, absent = list[Asked](), dict[str, str]()
    for peer in PEERS.values():
        if is_here(peer):
            here.append(Asked(peer.name))
        elif peer.folder:
            absent[peer.title] = f"no package: {peer.install}, then --folder {peer.name}=FOLDER"
        else:
            absent[peer.title] = f"not installed here: {peer.install}, or --python {peer.name}=INTERPRETER"
    return here, absent


def select(only: Sequence[str] = ()) -> tuple[Case, ...]:
    """Return the cases of the board.

    Raises:
        ParameterError: a glob that fits none of them.
    """
    return vectors.load(groups=GROUPS, only=only)


def run_program(
    asked: Asked,
    dtype: str,
    *,
    only: Sequence[str] = (),
    timeout: float = 600.0,
    step: Callable[[], None] = lambda: None,
) -> Results:
    """Ask a program the cases, and return its row.

    Args:
        asked: the program.
        dtype: of the arrays and of the tolerance.
        only: globs of case ids; none for all.
        timeout: seconds per answer.
        step: called after every case.

    Raises:
        PeerError: it cannot be asked.
        AdapterError: it hangs.

    Example:
        >>> row = run_program(Asked("lrp_ref"), "float64", only=["core/small/*"])
        >>> row.program.name, {o.status for o in row.outcomes}
        ('lrp_ref', {'pass'})
    """
    cases, begin = select(only), time.perf_counter()
    adapter, title, program = _adapter(asked, dtype, timeout)
    report = vectors.run(adapter, cases=cases, dtype=dtype, timeout=timeout, step=step)  # it closes the adapter
    seconds = time.perf_counter() - begin
    from ... import __version__

    dialect = None if asked.name == OWN else DIALECTS.get(find(asked.name).dialect)
    return Results(
        program, title, dtype, _vectors(), datetime.now(UTC).date().isoformat(), seconds,
        reproduce(asked, program.version, dtype, only), __version__, dict(report.options),
        outcomes_of(report, dialect, title),
    )  # fmt: skip


def _vectors() -> str:
    """Return version and calendar tag of the cases."""
    manifest = read_manifest(HERE)
    return ", ".join(str(manifest[key]) for key in ("version", "tag") if key in manifest)


def _adapter(asked: Asked, dtype: str, timeout: float) -> tuple[Any, str, Program]:
    """Return what is asked the cases, the program's title, and what it is."""
    if asked.name == OWN:
        from ... import __version__
        from ...vectors.own import relevance

        return relevance, OWN, Program(OWN, __version__, "Python")
    peer = find(asked.name)
    made = vector_adapter.adapter(peer.name, asked.python, asked.folder, timeout)
    try:
        version = _version(made, dtype)
    except BaseException:
        made.close()
        raise
    return made, peer.title, Program(peer.name, version, "Python", peer.homepage, peer.issues)


def _version(asked: vector_adapter.PeerAdapter, dtype: str) -> str:
    """Return the program's version, as its first answer tells it."""
    for case in vectors.load(only=PROBES):
        task = vector_adapter.task_of(case.question(dtype))
        try:
            found = asked.peer.load().record(task, asked.folder) if asked.other is None else asked.other.ask(task)
        except NoRule:
            continue
        return found.version
    raise PeerError(f"{asked.peer.title}: it has no rule for a dense layer and none for an LSTM")


def reproduce(asked: Asked, version: str, dtype: str, only: Sequence[str] = ()) -> str:
    """Return the commands that make a row again; what a user has to name stands in capitals.

    Example:
        >>> reproduce(Asked("zennit"), "0.5.1", "float32")
        'pip install zennit==0.5.1 && lrp-ref vectors board --peer zennit --dtype float32'
    """
    words = ["lrp-ref vectors board"]
    if asked.name == OWN:
        install = f"pip install lrp-ref=={version}"
        words.append(f"--peer {OWN}")
    else:
        peer = find(asked.name)
        install = re.sub(rf"\b{re.escape(peer.module)}==\S+", f"{peer.module}=={version}", peer.install)
        if asked.python is not None:
            install = f"PYTHON -m {install}" if install.startswith("pip ") else install
            words.append(f"--python {peer.name}=PYTHON")
        if asked.folder is not None:
            words.append(f"--folder {peer.name}={asked.folder.name}")
        if asked.python is None and asked.folder is None:
            words.append(f"--peer {peer.name}")
    words += [f"--only '{glob}'" for glob in only]
    return f"{install} && {' '.join(words)} --dtype {dtype}"


def pair(text: str, option: str) -> tuple[str, Path]:
    """Return the program and the path of an option NAME=PATH; that of an interpreter may be a command.

    Raises:
        ParameterError: no such pair, another name, or nothing at that path.

    Example:
        >>> pair("toolbox=.", "--folder")
        ('toolbox', PosixPath('.'))
    """
    name, _, path = text.partition("=")
    if not name or not path:
        raise ParameterError(f"{option} {text}: write it as NAME=PATH, such as {option} zennit=PATH")
    if shutil.which(path) is None if option == "--python" else not Path(path).is_dir():
        kind = "interpreter" if option == "--python" else "folder"
        raise ParameterError(f"{option} {text}: there is no {kind} {path}")
    return known_name(name), Path(path)
