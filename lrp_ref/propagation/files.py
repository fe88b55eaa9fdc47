"""Files of traces: every value and relevance by name, and entries beside them, as .npz with a header in JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..base.arrays import Array, to_numpy
from ..errors import ModelFormatError, ParameterError
from .differences import Side, TracedNode

FORMAT = "lrp_ref trace 1"
KINDS = ("value", "relevance")
LISTED = 6  # entries in an error


class Traced(Protocol):
    """What a file holds of a trace, as a ``Trace`` has it, which saves itself here and is therefore not imported."""

    @property
    def values(self) -> Mapping[str, Array]:
        """Name → array, in execution order."""

    @property
    def relevance(self) -> Mapping[str, Array]:
        """Name → array, in the order of the walk back."""

    @property
    def nodes(self) -> Mapping[str, TracedNode]:
        """Name → layer and rule of the nodes that are known."""


def write_npz(path: str | Path, extra: Mapping[str, Any], trace: Traced) -> Path:
    """Write a trace and further arrays as .npz: to a temporary name first, then renamed."""
    import json  # only needed here and below, and `import lrp_ref` should be quick

    target = Path(path)
    target = target if target.suffix == ".npz" else target.with_name(target.name + ".npz")
    if not target.parent.is_dir():
        raise ParameterError(f"{target}: the folder {target.parent} does not exist; create it first")
    entries: dict[str, np.ndarray[Any, Any]] = {}
    order: dict[str, list[str]] = {"value": [], "relevance": []}
    for kind, arrays in (("value", trace.values), ("relevance", trace.relevance)):
        for name, array in arrays.items():
            order[kind].append(name)
            entries[f"{kind}/{name}"] = to_numpy(array)
    header: dict[str, Any] = {"format": FORMAT, "order": order}
    if trace.nodes:
        header["nodes"] = {
            k: {"layer": n.layer, "rule": n.rule, "reads": list(n.reads)} for k, n in trace.nodes.items()
        }
    for key, value in extra.items():
        if hasattr(value, "dtype"):
            entries[key] = to_numpy(value)
        else:
            header[key] = value
    exact = [name for name, array in entries.items() if array.dtype == object]
    if exact:
        raise ParameterError(
            f"{exact[0]} holds exact numbers, which .npz cannot store: lrp.arithmetic.to_float(net) with "
            "to_float(x) can be explained and saved"
        )
    # The header is first: a damaged directory that loses entries loses arrays that it names, and is refused.
    entries = {"header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8), **entries}
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **entries)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _require_numbers(path: str | Path, arrays: Mapping[str, Any]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise ModelFormatError(f"{path}: entry '{name}' holds {array.dtype}, not numbers")


def read_entries(path: str | Path) -> tuple[dict[str, Any], Side]:
    """Read what :func:`write_npz` wrote, or another program's arrays: the extra entries, and what the trace holds.

    A file without ``header`` is a trace if all its entries are called ``value/NAME`` or ``relevance/NAME``; their order
    is that of the file.
    """
    if Path(path).is_dir():
        raise ModelFormatError(f"{path}: a folder; give one of the .npz files in it")
    if Path(path).suffix.lower() == ".npy":
        raise ModelFormatError(
            f"{path}: not a readable trace: a single array; 'lrp-ref explain --trace' writes traces (.npz)"
        )
    try:
        # Opened here, because NumPy leaves a file open that it fails to read.
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            header = _header(path, file)
            parts = {k: {n: file[f"{k}/{n}"] for n in header["order"][k]} for k in KINDS}
            known = {f"{k}/{n}" for k, names in parts.items() for n in names} | {"header"}
            extra = {k: file[k] for k in file.files if k not in known}
            _require_numbers(path, {**extra, **{f"{k}/{n}": a for k in parts for n, a in parts[k].items()}})
            nodes = {name: _node(path, name, entry) for name, entry in header.pop("nodes", {}).items()}
    except FileNotFoundError as error:
        raise ModelFormatError(f"{path}: no such file") from error
    except ModelFormatError:
        raise
    except Exception as error:
        # A damaged file fails anywhere in zipfile, zlib, NumPy's header parser or json, in as many ways.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ModelFormatError(f"{path}: not a readable trace (.npz): {reason}") from error
    extra.update({k: v for k, v in header.items() if k not in ("format", "order")})
    return extra, Side(parts["value"], parts["relevance"], nodes)


def _header(path: str | Path, file: Any) -> dict[str, Any]:
    """Return the header of a file, or what stands for it where another program wrote the arrays."""
    import json

    if "header" in file:
        header: dict[str, Any] = json.loads(file["header"].tobytes())
        if header.get("format") != FORMAT:
            raise ModelFormatError(f"{path}: expected a file of format '{FORMAT}', got '{header.get('format')}'")
        return header
    strange = [name for name in file.files if name.partition("/")[0] not in KINDS]
    if strange or not file.files:
        more = f" and {len(strange) - LISTED} more" if len(strange) > LISTED else ""
        held = f"holds {', '.join(map(repr, strange[:LISTED]))}{more}" if strange else "is empty"
        first = strange[0] if strange else ""
        advice = (
            f"; a map of names says which entry is what: lrp-ref diff OURS.npz {path} --map NAMES.json, with "
            f'{{"relevance/NODE": "{first}", ...}} in it, or lrp.peers.trace_from_npz'
        )
        raise ModelFormatError(
            f"{path}: not a trace of lrp_ref (no header entry), nor another program's: it {held}, and its entries must "
            f"be called value/NAME and relevance/NAME{advice if strange else ''}"
        )
    return {"order": {kind: [n[len(kind) + 1 :] for n in file.files if n.startswith(f"{kind}/")] for kind in KINDS}}


def _node(path: str | Path, name: str, entry: Any) -> TracedNode:
    """Return one node as the header describes it."""
    texts = [entry.get("layer", ""), entry.get("rule", ""), *entry.get("reads", ())]
    if not all(isinstance(text, str) for text in texts):
        raise ModelFormatError(f"{path}: node '{name}' in its header: layer, rule and what it reads must be texts")
    return TracedNode(texts[0], texts[1], tuple(texts[2:]))
