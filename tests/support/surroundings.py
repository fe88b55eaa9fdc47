"""What a program could leave behind in this process: everything that other code would notice afterwards."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def surroundings() -> dict[str, Any]:
    """Return modules by name, search paths, folder, environment, warnings, NumPy's names, and numbers drawn."""
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - it is what must not move
    found: dict[str, Any] = {
        "modules": {k: id(m) for k, m in sys.modules.items()},
        "path": list(sys.path),
        "importers": set(sys.path_importer_cache),
        "meta path": [id(m) for m in sys.meta_path],
        "hooks": list(map(id, sys.path_hooks)),
        "bytecode": sys.dont_write_bytecode,
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "numpy": {name: id(value) for name, value in vars(np).items()},
        "drawn": (kind, keys.tolist(), *rest),
        "errors": np.geterr(),
        "printing": str(np.get_printoptions()),
        "recursion": sys.getrecursionlimit(),
        "output": (id(sys.stdout), id(sys.stderr)),
    }
    if "torch" in sys.modules:
        import torch

        found["torch"] = (
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_rng_state().tolist(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
        )
    return found


def differences(before: dict[str, Any], after: dict[str, Any], *, imported: bool = False) -> list[str]:
    """Return what is not as it was.

    Args:
        before, after: of :func:`surroundings`.
        imported: whether modules that were not there before are fine, as a first import brings them.
    """
    changed = [key for key in before if key != "modules" and before[key] != after[key]]
    old, new = before["modules"], after["modules"]
    changed += [f"module {k}" for k in old if new.get(k) != old[k]]
    added = sorted(k for k in new.keys() - old.keys() if k.partition(".")[0] != "lrp_ref")
    return changed + ([] if imported else [f"module {k}" for k in added])
