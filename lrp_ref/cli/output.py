"""What the commands print: tables, numbers, progress."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from ..base import tables


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """Print a table fitted to the terminal, or to COLUMNS where the output goes elsewhere; else one line per row."""
    width = shutil.get_terminal_size().columns if on_terminal(sys.stdout) else _columns()
    click.echo(tables.text(headers, rows, right=right, width=width))


def _columns() -> int | None:
    """Return COLUMNS of the environment, if it is a width."""
    text = os.environ.get("COLUMNS", "")
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None


def on_terminal(stream: Any) -> bool:
    """Return whether somebody sees what is written; a stream that was closed before the start is None."""
    return stream is not None and bool(stream.isatty())


def warn(words: str) -> None:
    """Say on stderr what the results do not say."""
    click.echo(f"lrp-ref: {words}", err=True)


def percent(part: float, whole: float) -> str:
    """Return a share as text, short enough for a column.

    Example:
        >>> percent(1.0, 8.0), percent(-1e-9, 1.0), percent(1.0, 0.0), percent(2e24, -1.0)
        ('12.5 %', '-0.0 %', '', '-2.000e+26 %')
    """
    if not whole:
        return ""
    share = 100 * part / whole if part else 0.0
    return f"{share:.1f} %" if abs(share) < 1e6 else f"{share:.3e} %"


class Progress:
    """How far a run is, on stderr: a bar on a terminal, elsewhere a line now and then; nothing for a single step.

    Args:
        total: of the steps, as far as they are known.
        what: is done.
        stack: what closes the bar.
        done: of the steps, by an earlier run.
        every: so many seconds there is a line at most.
    """

    EVERY = 20.0

    def __init__(self, total: int, what: str, stack: ExitStack, *, done: int = 0, every: float | None = None) -> None:
        self.total, self.what, self.stack = 0, what, stack
        self.done, self.worked = done, 0
        self.every = self.EVERY if every is None else every
        self.begun = self.told = time.monotonic()
        self.bar: Any = None
        self.task: Any = None
        self.more(total)

    def more(self, steps: int) -> None:
        """Count further steps, which were not known before."""
        self.total += steps
        if self.bar is None and self.total > 1 and on_terminal(sys.stderr):
            self.bar = self.stack.enter_context(_bar())
            self.task = self.bar.add_task(self.what, total=self.total, completed=self.done)
        elif self.bar is not None:
            self.bar.update(self.task, total=self.total)

    def within(self, what: str, done: int, total: int) -> None:
        """Say how far the work on the present step is: ``done`` of ``total`` parts of ``what``."""
        if total <= 1:
            return
        if self.bar is None and on_terminal(sys.stderr):
            self.bar = self.stack.enter_context(_bar())
            self.task = self.bar.add_task(self.what, total=self.total, completed=self.done)
        if self.bar is not None:
            part = f"{what} {done} of {total}" if done < total else self.what
            self.bar.update(self.task, description=part, completed=self.done + done / total)
            return
        now = time.monotonic()
        if now - self.told >= self.every and done < total:
            self.told = now
            warn(f"{self.what}: {what}, {done} of {total}")

    def __call__(self, steps: int = 1, *, worked: bool = True) -> None:
        """Count steps, or one; ``worked`` says whether they tell how long the others will take."""
        self.done += steps
        self.worked += steps * worked
        if self.bar is not None:
            self.bar.update(self.task, description=self.what, completed=self.done)
            return
        now = time.monotonic()
        if now - self.told >= self.every and self.done < self.total:
            self.told = now
            left = (now - self.begun) / self.worked * (self.total - self.done) if self.worked else 0.0
            warn(f"{self.what}: {self.done} of {self.total}{f', {_minutes(left)} left' if left else ''}")


def _bar() -> Any:
    """Return a bar that counts steps and says how much time is left."""
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"), rich.BarColumn(), rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(), rich.TextColumn("left"),
    )  # fmt: skip
    # rich sends printed lines to its own console, stderr: right on a terminal, wrong for a file.
    console = Console(stderr=True)
    return rich.Progress(*columns, console=console, transient=True, redirect_stdout=on_terminal(sys.stdout))


def _minutes(seconds: float) -> str:
    """Return a time as text.

    Example:
        >>> _minutes(40.2), _minutes(150), _minutes(9000)
        ('40 s', '2.5 min', '2.5 h')
    """
    if seconds < 60:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.3g} min" if seconds < 3600 else f"{seconds / 3600:.3g} h"


@contextmanager
def progress(total: int, what: str, *, done: int = 0, every: float | None = None) -> Iterator[Progress]:
    """Show how far a run of ``total`` steps is, and how long the rest may take; yields what counts a step."""
    with ExitStack() as stack:
        yield Progress(total, what, stack, done=done, every=every)
