"""``lrp-ref diff``: two traces, and the first node at which they depart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ModelFormatError
from ..explanation import load_relevance
from ..trace import Trace, read_npz
from .options import FILE
from .output import print_table

MOST = 20


@click.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option(
    "--tolerance", default=1e-9, show_default=True, type=click.FloatRange(min=0), help="Of max |a − b| / max |a|."
)
@click.option("--all", "everything", is_flag=True, help="Print every array, not only those that depart.")
def diff(a: Path, b: Path, tolerance: float, everything: bool) -> None:
    """Compare two traces, A.npz and B.npz, as 'explain --trace' writes them.

    Prints the first node that departs and by how much; exit status 1 if they differ. Explanations that were saved
    without a trace are compared by output and relevance of the input.
    """
    one, two = _load(a), _load(b)
    if not (one.values and two.values):
        click.echo("without the traces of both, only output and relevance of the input are compared", err=True)
        one, two = _ends(a), _ends(b)
    found = one.diff(two, tolerance=tolerance)
    click.echo(f"{repr(found).split('; only in')[0]}")
    for side, names in ((a, found.only_a), (b, found.only_b)):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            click.echo(f"only in {side}: {', '.join(names[:5])}{more}")
    departing = [row for row, d in zip(found.cells(), found.rows, strict=True) if not d.relative <= tolerance]
    rows = found.cells() if everything else departing[:MOST]
    if rows:
        print_table(("kind", "name", "max |a − b|", "relative", ""), rows, right=(2, 3))
    if not everything and len(departing) > MOST:
        click.echo(f"and {len(departing) - MOST} more; --all prints every array")
    if not found.equal:
        raise click.exceptions.Exit(1)


def _load(path: Path) -> Trace:
    return _numbers(path, read_npz(path)[1])


def _ends(path: Path) -> Trace:
    """Return output and relevance of the input of a saved explanation or trace, as a small trace."""
    saved = load_relevance(path)
    relevance = saved["relevance"]
    parts = relevance if isinstance(relevance, dict) else {"input": relevance}
    return _numbers(path, Trace({"output": saved["output"]}, parts))


def _numbers(path: Path, trace: Trace) -> Trace:
    """Return the trace with indices as floats, so that differences have a sign.

    Raises:
        ModelFormatError: an array that holds no real numbers.
    """

    def real(name: str, array: Any) -> Any:
        if array.dtype.kind not in "fiub":
            raise ModelFormatError(f"{path}: '{name}' holds {array.dtype}; expected real numbers")
        return array if array.dtype.kind == "f" else array.astype(float)

    return Trace({k: real(k, v) for k, v in trace.values.items()}, {k: real(k, v) for k, v in trace.relevance.items()})
