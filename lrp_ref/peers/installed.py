"""What to do where a program is not there: the line that installs it, or another interpreter that has it."""

from __future__ import annotations

import importlib.util
import platform
import re
import shlex
import sys
from pathlib import Path

from .peer import Peer
from .task import PeerError

OTHER = "another interpreter that has it is named by python= (--python PATH)"


def require(peer: Peer, folder: Path | None = None) -> None:
    """Raise unless a program can be imported here, or its folder is there.

    Raises:
        PeerError: it is not installed in this interpreter; the message has the line that installs it into this one, and
            says so where this one is too old or too new for that.
    """
    if peer.folder:
        folder_of(peer, folder)
        return
    if importlib.util.find_spec(peer.module) is None:
        raise missing(peer)


def folder_of(peer: Peer, folder: Path | None) -> Path:
    """Return the folder of a program that is no package.

    Raises:
        PeerError: none is named, or it is not there.
    """
    if folder is None or not folder.is_dir():
        found = "" if folder is None else f" ({folder} is none)"
        made = peer.install.rpartition("/")[2]
        raise PeerError(
            f"{peer.title} is read from a folder{found}: run: {peer.install}; then name the folder {made} by folder= "
            "(--folder; --peer-folder of vectors run)"
        )
    return folder


def missing(peer: Peer, reason: str = "") -> PeerError:
    """Return the error for a program that cannot be imported here.

    Args:
        peer: the program.
        reason: what Python said, where something that the program needs is missing.
    """
    lacks = re.search(r"No module named '(\w+)", reason)
    if lacks and lacks.group(1) != peer.module:  # the program is there, and imports what is not
        return PeerError(
            f"{peer.title} needs {lacks.group(1)}, which is not installed in {sys.executable}: run: "
            f"{shlex.quote(sys.executable)} -m pip install {lacks.group(1)}; {OTHER}"
        )
    version = platform.python_version()
    said = f" ({reason})" if reason else ""
    head = f"{peer.title} is not installed in {sys.executable}{said}"
    unfit = unfitting(peer, sys.version_info[:3])
    if unfit:
        return PeerError(f"{head}: {unfit}, and this is Python {version}; {OTHER}")
    return PeerError(f"{head}: run: {install_line(peer, sys.executable)}; {OTHER}")


def install_line(peer: Peer, python: str) -> str:
    """Return the command that installs a program into an interpreter.

    Example:
        >>> from lrp_ref.peers import find
        >>> install_line(find("captum"), "/opt/my python")
        "'/opt/my python' -m pip install captum==0.9.0"
    """
    return f"{shlex.quote(python)} -m {peer.install}"


def unfitting(peer: Peer, version: tuple[int, ...]) -> str:
    """Return which Pythons a program needs, if a version is none of them; else "".

    Example:
        >>> from lrp_ref.peers import find
        >>> unfitting(find("zennit"), (3, 11, 7)), unfitting(find("zennit"), (3, 12, 1))
        ('zennit==1.0.0 needs Python ≥ 3.11.11', '')
    """
    if peer.oldest <= version and (not peer.newest or version[: len(peer.newest)] <= peer.newest):
        return ""
    oldest, newest = (".".join(map(str, v)) for v in (peer.oldest, peer.newest))
    which = oldest if newest == oldest else f"≥ {oldest}" + (f" and ≤ {newest}" if newest else "")
    return f"{peer.install.split()[-1]} needs Python {which}"
