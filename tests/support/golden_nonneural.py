"""Stored numbers of models that are no networks: parameters, outputs and relevances by the literal formulas.

They are not part of the project; tests that need them are skipped where they are absent.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "shared" / "golden-nonneural"
needed = pytest.mark.skipif(not FOLDER.is_dir(), reason="../shared/golden-nonneural is not there")


class Golden:
    """One case: arrays by name, and what its text file tells."""

    def __init__(self, case: str) -> None:
        with np.load(FOLDER / f"{case}.npz") as file:
            self.arrays = {name: file[name] for name in file.files}
        self.about = json.loads((FOLDER / f"{case}.json").read_text())

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def agrees(self, found: np.ndarray, name: str) -> None:
        """Check an array against the stored one, at the case's tolerance relative to its largest number."""
        expected = self[name]
        assert found.shape == expected.shape
        assert found.dtype == np.float64
        assert np.abs(found - expected).max() <= self.about["tolerance"] * np.abs(expected).max()
