"""``lrp-ref vectors``: cases with exact answers, and any implementation run against them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import ParameterError
from ..peers import PEERS
from .board import board
from .options import FILE
from .output import print_table, progress

FOLDER = click.option("--vectors", "folder", type=FILE, help="Folder of vectors. Default: those of this package.")
UNUSABLE_NAMES = "write it as TOPIC=OPTION"


@click.group()
def vectors() -> None:
    """Cases with exact answers: list, export, run and check them."""


vectors.add_command(board)


@vectors.command("list")
@FOLDER
@click.option("--group", "groups", multiple=True, help="Only this group; repeatable.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only cases whose id fits; repeatable.")
@click.option("--cases", "each", is_flag=True, help="A row per case, with its note.")
@click.option("--flags", is_flag=True, help="A row per fault or dialect that the cases catch.")
def list_vectors(folder: Path | None, groups: tuple[str, ...], only: tuple[str, ...], each: bool, flags: bool) -> None:
    """List groups and files with the number of their cases."""
    from .. import vectors as package
    from ..vectors.files import by_file, by_flag

    cases = package.load(folder, groups=groups, only=only)
    if each:
        rows = [[c.id, "refuse" if c.refuse else ", ".join(c.catches), c.note] for c in cases]
        print_table(("case", "catches", "note"), rows)
    elif flags:
        print_table(("flag", "cases", "in"), by_flag(cases), right=(1,))
    else:
        print_table(("group", "file", "cases"), by_file(cases), right=(2,))
    click.echo(f"{len(cases)} cases of {cases[0].release}")


@vectors.command("export")
@click.argument("folder", metavar="DIR", type=FILE)
def export_vectors(folder: Path) -> None:
    """Copy the vectors into the new folder DIR: JSON files, their schema, description and licence."""
    from ..vectors.files import export

    click.echo(f"{export(folder)} files in {folder}")


@vectors.command("check")
@click.argument("folder", metavar="[DIR]", required=False, type=FILE)
def check_vectors(folder: Path | None) -> None:
    """Check the vectors in DIR, or of this package: digests, sizes, decimals, schema; exit status 1 if one fails."""
    from ..vectors.files import check, check_schema

    rows, wrong = check(folder)
    obstacle, against = check_schema(folder)
    print_table(("file", "cases", "bytes", ""), rows, right=(1, 2))
    for line in wrong + against:
        click.echo(f"FAILS {line}")
    if obstacle:
        click.echo(f"schema: not checked, {obstacle}")
    if wrong or against:
        click.echo(f"{len(wrong + against)} faults")
        raise click.exceptions.Exit(1)
    click.echo("all files hold")


@vectors.command("run")
@click.option("--adapter", metavar="MODULE:FUNCTION", help="Python function, also FILE.py:FUNCTION.")
@click.option("--command", metavar="'PROGRAM ARGS'", help="Program that reads and writes JSON lines.")
@click.option("--peer", metavar="NAME", help=f"Program that this package can ask: {', '.join(PEERS)}.")
@click.option("--python", type=FILE, metavar="PATH", help="Interpreter in which the peer is installed.")
@click.option("--peer-folder", type=FILE, metavar="DIR", help="Where the peer's files are, if it is no package.")
@click.option("--xfails", type=FILE, help="File of expected failures: id, glob or flag:NAME a line, reason behind #.")
@click.option("--group", "groups", multiple=True, help="Only this group; repeatable.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only cases whose id fits; repeatable.")
@click.option("--dtype", type=click.Choice(["float64", "float32"]), default="float64", show_default=True)
@click.option("--choose", multiple=True, metavar="TOPIC=OPTION", help="The option that must be met; repeatable.")
@click.option("--junit", type=FILE, help="Write JUnit XML.")
@click.option("--limit", default=20, show_default=True, help="Failures that are told in full.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True, help="Seconds."
)
@FOLDER
def run_vectors(**given: Any) -> None:
    """Ask an implementation every case and compare with the exact answers.

    Without --adapter, --command and --peer lrp_ref itself is asked. Exit status: 0 all hold, 1 a case fails or an
    expected failure passes, 2 the adapter cannot be used.
    """
    from .. import vectors as package
    from ..vectors import report as tell
    from ..vectors.xfails import fits

    _require_one(given)
    cases = package.load(given["folder"], groups=given["groups"], only=given["only"])
    xfails = package.read_xfails(given["xfails"], package.load(given["folder"])) if given["xfails"] else {}
    here = {pattern: reason for pattern, reason in xfails.items() if any(fits(pattern, c) for c in cases)}
    if given["junit"] is not None and not given["junit"].parent.is_dir():
        raise ParameterError(f"--junit {given['junit']}: there is no folder {given['junit'].parent}")
    adapter = given["adapter"]
    if given["command"] is not None:
        adapter = package.CommandAdapter(given["command"], given["timeout"])
    elif given["peer"] is not None:
        from ..peers.vector_adapter import adapter as ready

        adapter = ready(given["peer"], given["python"], given["peer_folder"], given["timeout"])
    with progress(len(cases), "cases") as step:
        report = package.run(
            adapter, cases=cases, dtype=given["dtype"], xfails=here, choose=_choices(given["choose"]),
            timeout=given["timeout"], step=step,
        )  # fmt: skip
    print_table(tell.headings(), tell.group_rows(report), right=tuple(tell.RIGHT))
    click.echo()
    print_table(tell.rule_headings(), tell.rule_rows(report), right=tuple(tell.RULE_RIGHT))
    for lines in (tell.failure_lines(report, given["limit"]), tell.summary_lines(report)):
        click.echo("\n" + "\n".join(lines) if lines else "", nl=bool(lines))
    if given["junit"] is not None:
        tell.write_junit(report, given["junit"])
    if not report.holds:
        raise click.exceptions.Exit(1)


def _require_one(given: Mapping[str, Any]) -> None:
    """Raise unless at most one program is named.

    Raises:
        ParameterError: several are, or an option of a peer stands alone.
    """
    named = [f"--{name}" for name in ("adapter", "command", "peer") if given[name] is not None]
    if len(named) > 1:
        raise ParameterError(f"give one of {', '.join(named)}, not {'both' if len(named) == 2 else 'all'}")
    for name in ("python", "peer_folder"):
        if given[name] is not None and given["peer"] is None:
            raise ParameterError(f"--{name.replace('_', '-')} belongs to --peer: give one of {', '.join(PEERS)}")


def _choices(given: tuple[str, ...]) -> dict[str, str]:
    """Return the options by topic.

    Example:
        >>> _choices(("ties=first",))
        {'ties': 'first'}
    """
    pairs = [text.partition("=") for text in given]
    for text, (topic, _, option) in zip(given, pairs, strict=True):
        if not topic or not option:
            raise ParameterError(f"--choose {text}: {UNUSABLE_NAMES}")
    return {topic: option for topic, _, option in pairs}
