"""Growth curves as pictures, one per axis, both axes logarithmic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .report import Table


def draw(table: Table, folder: Path) -> list[Path]:
    """Draw the growth table with matplotlib; return the paths of the pictures."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    found = []
    for axis in dict.fromkeys(row["axis"] for row in rows):
        figure, axes = pyplot.subplots(figsize=(6, 4), constrained_layout=True)
        axes.set(xscale="log", yscale="log", xlabel=str(axis), ylabel="seconds (median; band: min to max)")
        _curves(axes, [row for row in rows if row["axis"] == axis])
        axes.legend()
        axes.grid(visible=True, which="both", alpha=0.3)
        path = folder / f"growth_{axis}.png"
        figure.savefig(path.with_suffix(".part.png"), dpi=150)
        path.with_suffix(".part.png").replace(path)
        pyplot.close(figure)
        found.append(path)
    return found


def _curves(axes: Any, rows: list[dict[str, Any]]) -> None:
    values = sorted({row["value"] for row in rows})
    for side in dict.fromkeys(row["side"] for row in rows):
        mine = sorted((row for row in rows if row["side"] == side), key=lambda row: row["value"])
        (line,) = axes.plot(values, [row["median [s]"] for row in mine], marker="o", label=side)
        low, high = ([row[f"{name} [s]"] for row in mine] for name in ("min", "max"))
        axes.fill_between(values, low, high, color=line.get_color(), alpha=0.2)
    axes.set_xticks(values, [str(v) for v in values])
    axes.set_xticks([], minor=True)
