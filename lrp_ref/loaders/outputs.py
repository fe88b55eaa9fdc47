"""The option ``output`` of every format: which values of a network are returned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import ParameterError, unknown
from ..network.network import Network, owner


def asked_for(output: str | Sequence[str], path: Path) -> tuple[str, ...]:
    """Return the names that are asked for, of which there must be one.

    Raises:
        ParameterError: there is none.

    Example:
        >>> asked_for("relu1", Path("m.npz"))
        ('relu1',)
    """
    wanted = (output,) if isinstance(output, str) else tuple(output)
    if not wanted:
        raise ParameterError(f"{path}: no output is asked for: name one, or leave the choice out")
    return wanted


def part(network: Network, output: str | Sequence[str] | None, path: Path) -> Network:
    """Return the part of a file's network that the values of these names need; the whole for None.

    Raises:
        ParameterError: no name, or one that is no value.
    """
    if output is None:
        return network
    wanted = asked_for(output, path)
    known = [*(node.name for node in network.nodes), *network.outputs]
    for name in wanted:
        if owner(name, known) not in known:
            raise unknown(f"output of {path}", name, set(known))
    return network.until(wanted)
