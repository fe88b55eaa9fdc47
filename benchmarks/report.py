"""Tables: printed with rich, written as JSON."""

from __future__ import annotations

import json
import os
import platform
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Cell = str | int | float | None


@dataclass
class Table:
    """The answer to one question: rows of numbers in SI units (s, B, 1), notes beneath."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self) -> None:
        """Print the table."""
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table as Drawn
        from rich.text import Text

        drawn = Drawn(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for k, column in enumerate(self.columns):
            numbers = any(isinstance(row[k], int | float) for row in self.rows)
            drawn.add_column(Text(column), justify="right" if numbers else "left", no_wrap=True)
        for row in self.rows:
            drawn.add_row(*(Text(shown(c, column)) for c, column in zip(row, self.columns, strict=True)))
        console = Console(width=None if os.isatty(1) else 200, highlight=False)
        console.print(Text(self.title))
        console.print(drawn)
        for note in self.notes:
            console.print(f"  · {note}", markup=False)
        console.print()


def shown(value: Cell, column: str) -> str:
    """Return a cell as text; bytes as MB, ratios with two decimals, everything else with three digits."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if column.endswith("[MB]"):
        return f"{value / 1e6:.0f}"
    if column.endswith("[×]"):
        return f"{value:.2f}"
    if isinstance(value, int):
        return str(value)
    return f"{value:.3g}" if value == 0 or abs(value) >= 1e-3 else f"{value:.1e}"


def machine(threads: int) -> dict[str, Any]:
    """Return what the numbers depend on: processor, threads, load by others, versions."""
    from . import peers

    names = ("lrp-ref", "numpy", "onnxruntime", "torch", "zennit", "captum", "cupy")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "blas": _blas(),
        "load_1min": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: found for name in names if (found := peers.version(name))},
    }


def _blas() -> str:
    """Return which library multiplies NumPy's matrices, and the kernels that it chose for this processor."""
    try:
        from threadpoolctl import threadpool_info
    except ModuleNotFoundError:
        return "BLAS unknown (threadpoolctl is not installed)"
    found = {f"{d['internal_api']} {d['version']} ({d.get('architecture', '?')})" for d in threadpool_info()
             if d["user_api"] == "blas" and "numpy" in d["filepath"]}  # fmt: skip
    told = os.environ.get("OPENBLAS_CORETYPE")
    return ", ".join(sorted(found) or ["BLAS unknown"]) + (f", told by OPENBLAS_CORETYPE={told}" if told else "")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def write(path: Path, about: dict[str, Any], tables: list[Table]) -> None:
    """Write everything as one JSON object: {"machine": …, "tables": [{name, title, columns, rows, notes}, …]}."""
    text = json.dumps({"machine": about, "tables": [asdict(t) for t in tables]}, indent=1, ensure_ascii=False)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".json")
    os.close(handle)
    Path(temporary).write_text(text + "\n")
    Path(temporary).replace(path)
