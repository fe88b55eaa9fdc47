"""What a store says of itself, checked before it is believed: it may be damaged, or made by anybody."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ModelFormatError
from .layout import ArraySpec, Layout

FORMAT = 1
LARGEST = 1 << 26  # bytes of a file of JSON
MOST = 100_000_000  # chunks, whose states are in memory, a byte each
DTYPES = ("float16", "float32", "float64", "int64")
# Attributes that say what the bytes depend on besides the question; another value is told, not refused.
SURROUNDINGS = ("numpy", "blas")
NAMES = ("model", "name")  # of files, which may be called otherwise
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
NUMBERS = 1 << 28  # of one map, of which several are in memory at a time
# Kinds of attributes that a reader relies on, where they are there; their absence is told when they are asked for.
TEXTS = ("model", "model_sha256", "network_sha256", "composite", "rules", "dtype", "compute", "reduce", "lrp_ref")
LISTS = ("inputs", "at", "classes", "nodes", "node_rules", "ledger")
_MORE = "open it with the version of lrp_ref that made it, or make it again"


def read_json(file: Path, store: Path) -> dict[str, Any]:
    """Return the object in a file of JSON.

    Args:
        file: which.
        store: that it is a part of, as errors have it.

    Raises:
        ModelFormatError: no such file, no object, or one that is too large.
    """
    where = f"{store}: {file.relative_to(store)}"
    try:
        size = file.stat().st_size
        data = file.read_bytes() if size <= LARGEST else b""
    except FileNotFoundError as error:
        raise ModelFormatError(f"{where} is missing: not a store of explanations, or one that is damaged") from error
    except OSError as error:
        raise ModelFormatError(f"{where} cannot be read: {error.strerror or error}") from error
    if size > LARGEST:
        raise ModelFormatError(f"{where} has {size:,} bytes; {LARGEST:,} are allowed")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"{where} is damaged: no JSON") from error
    if not isinstance(content, dict):
        raise ModelFormatError(f"{where} is damaged: no object of JSON")
    return content


class Attributes(dict[str, Any]):
    """What a store says of itself, by name.

    Example:
        >>> Attributes(batch=32)["inputs"]
        Traceback (most recent call last):
        lrp_ref.errors.ModelFormatError: the store lacks the attribute 'inputs': it is damaged, or was not made by a job
    """

    def __missing__(self, key: str) -> Any:
        raise ModelFormatError(f"the store lacks the attribute '{key}': it is damaged, or was not made by a job")


@dataclass(frozen=True)
class Stated:
    """What attributes say of the arrays.

    Attributes:
        path: of the store.
        names: of the arrays.
        samples, batch, together: as of the job.
    """

    path: Path
    names: tuple[str, ...]
    samples: int
    batch: int
    together: int

    @staticmethod
    def of(path: Path, attributes: Any) -> Stated:
        """Return what the attributes of a store say.

        Raises:
            ModelFormatError: they are not of a store, of another format, or of no sense.
        """
        if not isinstance(attributes, Mapping) or "format" not in attributes or "arrays" not in attributes:
            raise ModelFormatError(f"{path}: not a store of explanations: 'lrp-ref explain-set' makes such")
        found = attributes["format"]
        if found != FORMAT or isinstance(found, bool):
            raise ModelFormatError(f"{path}: a store of format {found!r}, and this version reads {FORMAT}: {_MORE}")
        names = attributes["arrays"]
        if not isinstance(names, list) or not names or not all(map(_is_name, names)):
            raise ModelFormatError(f"{path}: damaged: the attribute 'arrays' is no list of names")
        if len(set(names)) < len(names):
            raise ModelFormatError(f"{path}: damaged: the attribute 'arrays' names one twice")
        _require_kinds(path, attributes)
        return Stated(path, tuple(names), *(_count(path, attributes, key) for key in ("samples", "batch", "together")))

    def layout(self, arrays: Iterable[tuple[str, tuple[int, ...], str, float]], done: tuple[int, ...]) -> Layout:
        """Return the layout of arrays, which have to be as the attributes say.

        Args:
            arrays: name, shape, dtype and what stands where nothing is written.
            done: the shape of the states.

        Raises:
            ModelFormatError: an array of another length or type.
        """
        specs = tuple(ArraySpec(*one) for one in arrays)
        for one in specs:
            if one.shape[:1] != (self.samples,) or one.dtype not in DTYPES:
                raise ModelFormatError(
                    f"{self.path}: damaged: '{one.name}' is {one.dtype} {one.shape}; expected an entry for each of "
                    f"{self.samples} samples, of {', '.join(DTYPES)}"
                )
        made = Layout(specs, self.samples, self.batch, self.batch * self.together)
        require_few(self.path, made)
        if done != (made.chunks,):
            raise ModelFormatError(f"{self.path}: damaged: states {done} of {made.chunks} chunks")
        return made


def _require_kinds(path: Path, attributes: Mapping[str, Any]) -> None:
    """Raise where an attribute is of another kind than its readers expect."""
    texts = {key: isinstance(attributes[key], str) for key in TEXTS if key in attributes}
    lists = {key: _list_of(str, attributes[key]) for key in LISTS if key in attributes}
    shapes = attributes.get("shapes", [])
    fine = isinstance(shapes, list) and all(_list_of(int, shape) and 0 < _product(shape) <= NUMBERS for shape in shapes)
    kinds = texts | lists | {"shapes": fine, "input": isinstance(attributes.get("input", {}), dict)}
    if kinds["shapes"] and "shapes" in attributes and len(shapes) != len(attributes.get("inputs", [])):
        kinds["shapes"] = False
    wrong = next((key for key, right in kinds.items() if not right), None)
    if wrong is not None:
        raise ModelFormatError(f"{path}: damaged: the attribute '{wrong}' is {attributes[wrong]!r}")


def _list_of(kind: type, found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(one, kind) and not isinstance(one, bool) for one in found)


def _product(shape: list[int]) -> int:
    return math.prod(shape) if all(n > 0 for n in shape) else 0


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _count(path: Path, attributes: Mapping[str, Any], key: str) -> int:
    found = attributes.get(key)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ModelFormatError(f"{path}: damaged: the attribute '{key}' is {found!r}; expected a whole number from 1")
    return found


def require_few(path: Path, layout: Layout) -> None:
    """Raise unless the states of all chunks fit into memory with ease.

    Raises:
        ModelFormatError: more than 10⁸ chunks.
    """
    if layout.chunks > MOST:
        raise ModelFormatError(
            f"{path}: {layout.chunks:,} chunks; at most {MOST:,} are possible: put more samples into a chunk"
        )


def difference(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """Return in which attribute a store first differs from what is asked, in words; None where it does not.

    Example:
        >>> difference({"batch": 32, "model": "a.onnx"}, {"batch": 16, "model": "b.onnx"})
        'batch is 32 there and 16 here'
    """
    for key, value in asked.items():
        there = stored.get(key)
        if key in (*SURROUNDINGS, *NAMES) or there == value:
            continue
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            inner = difference(there, value)
            if inner is None:
                continue
            return f"of {key}, {inner}"
        return f"{key} is {_short(there)} there and {_short(value)} here"
    return None


def _short(value: Any) -> str:
    """Return a value as its repr, of a hash as much as tells it from others."""
    is_hash = isinstance(value, str) and re.fullmatch(r"[0-9a-f]{40,}", value)
    return f"{value[:12]}…" if is_hash else repr(value)
