"""``python -m lrp_ref.teach.taylor docs/deep_taylor.png``: measure random networks over depth, and draw them."""

from __future__ import annotations

from pathlib import Path

import click

from ...base import tables
from ...heatmap import save
from .figure import figure
from .shattering import DEPTHS, Measured, study

QUARTILES = ("25 %", "50 %", "75 %")


def table(measured: list[Measured]) -> str:
    """Return what was measured as a table, one depth a column."""
    rows = [[f"|x − root|/|x|, {q}", *(f"{m.distance[k]:.3f}" for m in measured)] for k, q in enumerate(QUARTILES)]
    rows.append(["no root found", *(f"{m.without_root:.0%}" for m in measured)])
    for title, name in (
        ("missed of f", "missed"),
        ("autocorrelation", "autocorrelation"),
        ("|cos| of outputs", "targets"),
    ):
        for method in getattr(measured[0], name):
            rows.append([f"{title}, {method}", *(f"{getattr(m, name)[method]:.2g}" for m in measured)])
    return tables.text(["hidden layers", *(str(m.depth) for m in measured)], rows, right=range(1, len(measured) + 1))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--networks", default=40, show_default=True, help="Random networks of each depth.")
@click.option("--depths", default=DEPTHS, multiple=True, show_default=True, help="Hidden layers; may be repeated.")
def main(path: Path, networks: int, depths: tuple[int, ...]) -> None:
    """Measure why a Taylor expansion fails on deep networks; write the figure to PATH and print the numbers."""
    measured = study(depths, networks=networks, report=lambda text: click.echo(text, err=True))
    save(figure(measured), path)
    click.echo(table(measured))


if __name__ == "__main__":
    main()
