"""Traces of programs that this package does not know: arrays under names of their own, and a map of names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelFormatError, ParameterError, unknown
from ..loaders.archive import Archive
from ..loaders.npy import npy
from ..network.network import Network
from ..propagation import composites
from ..propagation.differences import TraceDiff
from ..propagation.explaining import at_the_door, output_place
from ..propagation.prepare import PreparedNetwork, Question, prepare
from ..propagation.trace import Trace

if TYPE_CHECKING:
    from .diagnosis import Diagnosis

KINDS = ("value", "relevance")
LISTED = 12  # names in an error
LARGEST_MAP = 16 << 20  # bytes of a file of names


def trace_from_npz(path: str | Path, names: Mapping[str, str] | str | Path | None = None) -> Trace:
    """Read a trace that any program wrote as .npz, by a map of names.

    Args:
        path: of the .npz file.
        names: which entry is what, or a JSON file with the same: ``"value/NAME"`` (a forward value) or
            ``"relevance/NAME"`` (the relevance that arrived at it) → name of the entry. One ``*`` on both sides stands
            for any text, so that one line names a whole network: ``{"relevance/*": "layer/*/R_out"}``. ``"NAME"``
            alone renames both kinds of a file whose entries are called value/… and relevance/…. None: all entries
            are called so, as ``Trace.save`` and other programs write them.

    Raises:
        ModelFormatError: no such file, not an .npz file of numbers, or a file of names that is no JSON object of texts.
        ParameterError: an entry that is not there (all are listed), or one that nothing says the kind of.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     entries = {"layer/fc/out": np.ones((1, 2)), "layer/fc/R_out": np.array([[0.25, 0.75]])}
        ...     np.savez(Path(folder) / "theirs.npz", **entries)
        ...     found = trace_from_npz(
        ...         Path(folder) / "theirs.npz", {"value/*": "layer/*/out", "relevance/*": "layer/*/R_out"}
        ...     )
        >>> found, found.relevance["fc"]
        (Trace(1 values, 1 relevances), array([[0.25, 0.75]]))
    """
    if names is None:
        return Trace.load(path)
    return chosen(path, names if isinstance(names, Mapping) else read_names(names))


def read_names(path: str | Path) -> dict[str, str]:
    """Return a map of names from a JSON file: an object of texts, ours → theirs.

    Raises:
        ModelFormatError: no such file, or no such object.
    """
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST_MAP:
            raise ModelFormatError(f"{path}: more than {LARGEST_MAP} bytes, no map of names")
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path}: no such file") from error
    except OSError as error:
        raise ModelFormatError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{path}: no JSON: {error or 'nested too deep'}") from error
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ModelFormatError(f'{path}: a map of names is a JSON object of texts: {{"ours": "theirs", ...}}')
    return found


def chosen(path: str | Path, names: Mapping[str, str]) -> Trace:
    """Return the trace of a file's entries by a map of names; arguments and errors as of :func:`trace_from_npz`."""
    with Archive(Path(path)) as archive:
        entries = {key.removesuffix(".npy"): key for key in archive.sizes}
        wanted = dict(_wanted(path, names, list(entries)))
        arrays = {
            ours: npy(archive.read(entries[theirs]), f"{path}: entry '{theirs}'") for ours, theirs in wanted.items()
        }
    parts = {kind: {key[1]: array for key, array in arrays.items() if key[0] == kind} for kind in KINDS}
    return Trace(parts["value"], parts["relevance"])


def _wanted(path: str | Path, names: Mapping[str, str], entries: list[str]) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield (kind, name) and the entry for each, in the order of the file's entries where ``*`` stands for them."""
    for ours, theirs in names.items():
        kind, sign, name = ours.partition("/")
        if kind in KINDS and sign:
            pairs = [(name, theirs)] if "*" not in ours + theirs else list(_filled(ours, name, theirs, entries))
            if not pairs or any(entry not in entries for _, entry in pairs):
                raise _missing(path, theirs, entries)
            yield from (((kind, one), entry) for one, entry in pairs)
            continue
        held = [k for k in KINDS if f"{k}/{theirs}" in entries]
        if theirs in entries:
            raise ParameterError(
                f"{path}: is entry '{theirs}' a value or a relevance? Name it 'value/{ours}' or 'relevance/{ours}'"
            )
        if not held:
            raise _missing(path, theirs, entries)
        yield from (((k, ours), f"{k}/{theirs}") for k in held)
    renamed = {theirs for ours, theirs in names.items() if ours.partition("/")[0] not in KINDS}
    if renamed:  # what a file of value/… and relevance/… holds besides keeps its name
        for entry in entries:
            kind, sign, name = entry.partition("/")
            if kind in KINDS and sign and name not in renamed and name not in names:
                yield (kind, name), entry


def _filled(ours: str, name: str, theirs: str, entries: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the names and entries that a pattern stands for."""
    if name.count("*") != 1 or theirs.count("*") != 1:
        raise ParameterError(
            f"names '{ours}' and '{theirs}': one * on both sides stands for any text, or none on either"
        )
    before, _, after = theirs.partition("*")
    for entry in entries:
        if len(entry) >= len(before) + len(after) and entry.startswith(before) and entry.endswith(after):
            yield name.replace("*", entry[len(before) : len(entry) - len(after)]), entry


def _missing(path: str | Path, theirs: str, entries: list[str]) -> ParameterError:
    return unknown(f"entry of {path}", theirs, entries[:LISTED] + ["..."] * (len(entries) > LISTED))


# The reason -----------------------------------------------------------------------------------------------------------


def reason(
    net: Network,
    ours: Trace,
    theirs: Trace,
    found: TraceDiff,
    *,
    composite: Any = None,
    output: str | None = None,
    tolerance: float | None = None,
    **parameters: Any,
) -> Diagnosis:
    """Return why two traces of one network depart; see :mod:`.diagnosis`.

    Args:
        net: the network, as it was loaded.
        ours: this package's trace of it.
        theirs: the other one.
        found: their comparison, which says what is called what.
        composite, output: with which ``ours`` was made; None for the network's own.
        tolerance: as of ``Trace.diff``.
        parameters: of the preset that ``composite`` names.

    Raises:
        ParameterError: ``ours`` is no trace of this network, or was made with other rules.
    """
    from .diagnosis import diagnose

    given = composites.resolve(composites.usual(net) if composite is None else composite, parameters)
    ready = _ready(net, ours, given, output)
    rules = {planned.node: planned.rule for planned in ready.plan}
    for planned in ready.plan:
        said = ours.nodes.get(planned.node)
        if said is not None and said.rule != planned.label:
            raise ParameterError(
                f"node '{planned.node}' was explained by {said.rule} and has {planned.label} in composite "
                f"'{given.name}': give the composite of the first trace, --composite and its parameters"
            )
    return diagnose(ready.net, rules, ours, renamed(theirs, found), tolerance=tolerance)


def _ready(net: Network, ours: Trace, composite: Any, output: str | None) -> PreparedNetwork:
    """Return the network as it was explained, canonized or not, whichever has the nodes of the trace."""
    missing = [spec.name for spec in net.inputs if spec.name not in ours.values]
    if missing:
        raise ParameterError(
            f"the first trace has no value of the network's input '{missing[0]}': is it of this model?"
        )
    net = net.batch_first()
    net, fed = at_the_door(net, {spec.name: np.asarray(ours.values[spec.name]) for spec in net.inputs}, "numpy")
    strange = ""
    for canonize in (True, False):
        ready = prepare(net, fed, Question(composite, output_place(net, output), canonize))
        known = {node.name for node in ready.net.nodes}
        strange = next((name for name in ours.nodes or ours.relevance if name not in {*known, *fed}), "")
        if not strange:
            return ready
    raise ParameterError(f"the first trace has a node '{strange}', which the network has not: is it of this model?")


def renamed(theirs: Trace, found: TraceDiff) -> Trace:
    """Return the second trace under the names of the first, as far as they were paired."""
    kinds = {kind: {row.other or row.name: row.name for row in found.rows if row.kind == kind} for kind in KINDS}
    parts = [
        {kinds[kind][name]: array for name, array in part.items() if name in kinds[kind]}
        for kind, part in zip(KINDS, (theirs.values, theirs.relevance), strict=True)
    ]
    return Trace(*parts)
