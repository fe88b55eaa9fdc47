"""A case of the vectors as a folder of its own, which the runner and the check of the vectors take."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ParameterError
from ...vectors.cases import FORMAT, HERE, read_manifest


def write(case: Mapping[str, Any], folder: str | Path) -> Path:
    """Write a case as a folder of vectors, all or nothing.

    Args:
        case: as :attr:`.Diagnosis.case` has it.
        folder: that does not exist yet, or is empty.

    Raises:
        ParameterError: something stands there.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        kind = "holds files already" if folder.is_dir() else "is a file"
        raise ParameterError(f"{folder} {kind}: give a folder that does not exist yet")
    group, version = str(case["id"]).partition("/")[0], read_manifest(HERE)["version"]
    head = {"format": FORMAT, "version": version, "group": group, "cases": [case]}
    text = json.dumps(head, ensure_ascii=False, indent=1) + "\n"
    name = f"{group}/reproducer.json"
    listed = {name: {"sha256": hashlib.sha256(text.encode()).hexdigest(), "cases": 1}}
    manifest = {"format": FORMAT, "version": version, "files": listed}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        made = Path(temporary) / folder.name
        (made / group).mkdir(parents=True)
        (made / name).write_text(text, encoding="utf-8")
        (made / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        made.rename(folder)
    return folder
