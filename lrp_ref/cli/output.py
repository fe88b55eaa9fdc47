"""What the commands print: tables, numbers, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from .. import tables


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print a table: fitted to the terminal, or one line per row where the output goes elsewhere."""
    if not sys.stdout.isatty():
        click.echo(tables.text(headers, rows, right=right))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for k, header in enumerate(headers):
        table.add_column(Text(header), justify="right" if k in right else "left", no_wrap=k in right, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def percent(part: float, whole: float) -> str:
    """Return a share as text.

    Example:
        >>> percent(1.0, 8.0), percent(-1e-9, 1.0), percent(1.0, 0.0)
        ('12.5 %', '-0.0 %', '')
    """
    return f"{100 * part / whole:.1f} %" if whole else ""


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr while several things are done, if stderr is a terminal; yields the step."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # rich sends printed lines to its own console, stderr: right on a terminal, wrong for a file.
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
