"""A description and the tensors of a file to a network: every entry built, everything that is wrong told at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from ...base.arrays import unwarned
from ...errors import GraphError, LrpError, ModelFormatError, ParameterError, UnsupportedError
from ...layers import Layer
from ...network.network import Network, Node
from ..notes import of_half
from . import own
from .description import Description, Written
from .entry import Entry, Floats, Missing, Weights
from .kinds import MODULES
from .modules import Made
from .tensors import Tensors, shown

PLACES = 64  # prefixes that are tried
ROOM = 420  # characters of a list in an error


def build(description: Description, tensors: Mapping[str, Floats], what: str) -> Network:
    """Return the network with the tensors in their places.

    Args:
        description: of the network.
        tensors: name → array.
        what: the file of the tensors, as errors have it.

    Raises:
        ModelFormatError: tensors that are missing, not used or of another shape than the description makes of them;
            an entry that makes no layer; layers that do not fit each other, where the input's sizes are declared.
        UnsupportedError: an option or a type of tensor that is not read.
    """
    weights = Weights(tensors, _prefix(description, tensors))
    nodes: list[Node] = []
    wrong: list[str] = []
    kinds: set[type[LrpError]] = set()
    previous = description.inputs[0].name
    for entry in description.entries:
        try:
            with unwarned():  # of weights that are not finite: the network says so when it meets them
                made = _made(entry, weights)
            nodes += _nodes(entry, made, previous)
        except Missing:
            pass
        except LrpError as error:
            kinds.add(type(error))
            wrong.append(f"{entry.place} ({entry.kind} {shown(entry.name)}): {error}")
        previous = entry.name
    if wrong:
        kind = UnsupportedError if kinds == {UnsupportedError} else ModelFormatError
        raise kind(f"{description.what}: {_list(wrong, '; ')}")
    if weights.missing:
        raise _names(description, weights, what)
    outputs = description.outputs or (previous,)
    try:
        network = Network(tuple(nodes), description.inputs, outputs)
    except GraphError as error:
        raise ModelFormatError(f"{description.what}: {error}") from error
    if _unused(description, weights):
        raise _names(description, weights, what)
    network = network.astype(_widest(network))
    _try(network, description.what)
    return replace(network, notes=_notes(tensors, weights))


def _made(entry: Written, weights: Weights) -> Made:
    """Return the layers of an entry."""
    if entry.own:
        made: Made = own.layer(entry.kind, entry.options, weights)
    else:
        module = MODULES[entry.kind]
        written = Entry(entry.kind, entry.name, entry.source, entry.options, module.options, weights)
        for name in module.unused:
            weights.leave(written.named(name) if isinstance(entry.source, str) else entry.source.get(name, ""))
        try:
            made = module.build(written)
        except Missing:
            written.look_for(module.tensors)
            raise
    for layer in [made] if isinstance(made, Layer) else [layer for _, layer in made]:
        own.check_window(layer)
    return made


def _nodes(entry: Written, made: Made, previous: str) -> list[Node]:
    """Return the nodes of an entry: of several layers the last has its name, each reads the one before it."""
    inputs = (previous,) if entry.inputs is None else entry.inputs
    if not entry.own:
        operands = MODULES[entry.kind].operands
        if operands is not None and len(inputs) != operands:
            raise ParameterError(f"it takes {operands} values and reads {len(inputs)}")
    if isinstance(made, Layer):
        return [Node(entry.name, made, inputs)]
    nodes = []
    for name, layer in made:
        full = f"{entry.name}.{name}" if name else entry.name
        nodes.append(Node(full, layer, inputs))
        inputs = (full,)
    return nodes


def _prefix(description: Description, tensors: Mapping[str, Floats]) -> str:
    """Return what stands in front of all names: what is said, nothing, or the only thing that fits all entries.

    A file of ``DataParallel`` has "module." there, a checkpoint "state_dict." or "model.".
    """
    if description.prefix is not None:
        return description.prefix
    heads = list(dict.fromkeys(head for entry in description.entries for head in entry.heads))
    names = sorted(tensors)
    if not heads or _all_there("", heads, names):
        return ""
    tried = dict.fromkeys(name[: k + 1] for name in names for k in _dots(name) if name.startswith(heads[0], k + 1))
    fitting = [prefix for prefix in list(tried)[:PLACES] if _all_there(prefix, heads, names)]
    if len(fitting) > 1:
        raise ModelFormatError(
            f'{description.what}: several parts of the file have all names: say which by "prefix": '
            f"{_list([shown(prefix) for prefix in fitting])}"
        )
    return fitting[0] if fitting else ""


def _dots(name: str) -> Iterable[int]:
    return (k for k, character in enumerate(name) if character == ".")


def _all_there(prefix: str, heads: list[str], names: list[str]) -> bool:
    """Return whether for every head a name begins with prefix and head (is it, if it does not end with a dot)."""
    for head in heads:
        whole = prefix + head
        k = bisect_left(names, whole)
        if k == len(names) or not (names[k].startswith(whole) if head.endswith(".") else names[k] == whole):
            return False
    return True


def _unused(description: Description, weights: Weights) -> list[str]:
    """Return the tensors that nothing asked for and that are not declared to be ignored."""
    inside = [name for name in weights.tensors if description.prefix is None or name.startswith(description.prefix)]
    return [
        name
        for name in inside
        if name not in weights.taken and not any(fnmatchcase(name, pattern) for pattern in description.ignore)
    ]


def _names(description: Description, weights: Weights, what: str) -> ModelFormatError:
    """Return the error that names the tensors that are missing, and those that are not used."""
    parts, missing, unused = [], list(weights.missing), _unused(description, weights)
    if missing:
        parts.append(f"{len(missing)} tensors are missing: {_list(map(shown, missing), room=ROOM // 2)}")
    if unused:
        parts.append(f"{len(unused)} tensors are not used: {_list(map(shown, unused), room=ROOM // 2)}")
        parts.append('describe their layers, or list them under "ignore" (patterns: "optimizer.*")')
    return ModelFormatError(f"{what} does not fit {description.what}: {'; '.join(parts)}")


def _widest(network: Network) -> Any:
    """Return the widest type of the parameters, so that they are all of one."""
    return max({p.dtype for p in network.parameters} or {np.dtype(np.float32)}, key=lambda dtype: dtype.itemsize)


def _try(network: Network, what: str) -> None:
    """Run the network on no samples, where the sizes of its inputs are declared: do the layers fit each other?"""
    shapes = {spec.name: spec.sample for spec in network.inputs}
    if any(shape is None or None in shape for shape in shapes.values()):
        return
    dtype = network.dtype or np.float32
    empty = {name: np.zeros((0, *(n or 0 for n in shape or ())), dtype) for name, shape in shapes.items()}
    try:
        network.values(empty, check=False)
    except LrpError as error:
        raise ModelFormatError(f"{what}: {error}") from error
    except (TypeError, ValueError, IndexError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFormatError(f"{what}: an option of a layer does not fit its input: {reason}") from error


def _notes(tensors: Mapping[str, Floats], weights: Weights) -> tuple[str, ...]:
    """Return the note that tensors in half precision are computed with in float32."""
    if not isinstance(tensors, Tensors):
        return ()
    return of_half([tensors.stored[name].kind for name in weights.taken], "tensors")


def _list(parts: Iterable[str], between: str = ", ", room: int = ROOM) -> str:
    """Return a list that is not longer than ``room`` characters, with the number of those that are left out."""
    found = list(parts)
    told = found[:1]
    for part in found[1:]:
        if len(between.join((*told, part))) > room:
            break
        told.append(part)
    more = len(found) - len(told)
    return between.join(told) + (f"{between}and {more} more" if more else "")
