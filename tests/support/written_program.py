"""A program in a folder, written by a test: it has the file of LRP_for_LSTM that holds its function for one layer.

The function is the ε-rule in NumPy; what a test adds runs before it, such as a crash, a hang, or much printing.
"""

from __future__ import annotations

from pathlib import Path

PEER = "lrp_for_lstm"
RULE = """
import numpy as np


def lrp_linear(hin, w, b, hout, Rout, bias_nb_units, eps, bias_factor=0.0, debug=False):
    {first}
    sign = np.where(hout >= 0, 1.0, -1.0)
    return (hin[:, None] * w / (hout + eps * sign) * Rout).sum(axis=1)
"""


def write(folder: Path, first: str = "pass", top: str = "") -> Path:
    """Write the program and return its folder.

    Args:
        folder: where.
        first: a line of Python that the function starts with.
        top: a line of Python that runs when the file is imported.
    """
    (folder / "code" / "LSTM").mkdir(parents=True)
    for name in ("code", "code/LSTM"):
        (folder / name / "__init__.py").write_text("")
    (folder / "code" / "LSTM" / "LRP_linear_layer.py").write_text(f"{top}\n{RULE.format(first=first)}")
    return folder
