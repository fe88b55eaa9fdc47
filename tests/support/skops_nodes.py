"""The nodes of a skops file, made by hand, and files of them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Node = dict[str, Any]


def node(loader: str, name: str, module: str = "builtins", **more: Any) -> Node:
    return {"__loader__": f"{loader}Node", "__class__": name, "__module__": module, **more}


def plain(value: Any) -> Node:
    return node("Json", "str", content=json.dumps(value), is_json=True)


def many(*items: Node) -> Node:
    return node("List", "list", content=list(items))


def table(content: dict[str, Node], *kinds: str) -> Node:
    types = [node("Type", kind) for kind in (kinds or ["str"] * len(content))]
    return node("Dict", "dict", content=content, key_types=many(*types))


def stored(name: str) -> Node:
    return node("NdArray", "ndarray", "numpy", type="numpy", file=name)


def estimator(kind: str, module: str = "sklearn.svm._classes", **attributes: Node) -> Node:
    return node("Object", kind, module, content=table(attributes))


def npy(array: Any, *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


def write(path: Path, schema: Any, entries: Mapping[str, bytes | None]) -> Path:
    """Write a file of a schema, as JSON or as bytes, and of other entries, of which None leaves one out."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in entries.items():
            if data is not None:
                made.writestr(name, data)
        made.writestr("schema.json", schema if isinstance(schema, bytes) else json.dumps(schema))
    return path
