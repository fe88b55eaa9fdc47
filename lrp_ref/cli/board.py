"""``lrp-ref vectors board``: all programs against the vectors, as results kept in files and pages made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import LrpError, ParameterError
from .options import FILE
from .output import print_table, progress

if TYPE_CHECKING:
    from ..peers.board.results import Results
    from ..peers.board.running import Asked


@click.command("board")
@click.option(
    "--peer", "peers", multiple=True, metavar="NAME", help="Run this program; repeatable. lrp_ref is one too."
)
@click.option("--python", "pythons", multiple=True, metavar="NAME=PATH", help="Run it in this interpreter; repeatable.")
@click.option(
    "--folder", "folders", multiple=True, metavar="NAME=PATH", help="Where a program's files are; repeatable."
)
@click.option("--from", "source", type=FILE, help="Folder of results of earlier runs.")
@click.option("--save", type=FILE, help="Folder for the results of this run, a file per program and dtype.")
@click.option("-o", "--output", type=FILE, help="Folder for the pages; one of an earlier board is replaced.")
@click.option("--markdown", "page", type=FILE, help="Write the board as one page of Markdown.")
@click.option("--dtype", "dtypes", multiple=True, type=click.Choice(["float64", "float32"]), help="Default: both.")
@click.option("--only", multiple=True, metavar="GLOB", help="Only cases whose id fits; repeatable.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=600.0, show_default=True, help="Seconds."
)
def board(**given: Any) -> None:
    """Ask other programs every case, and show who departs where and why.

    Runs the programs that are named; without a name and without --from all that are installed here. Exit status: 0,
    or 1 if a program that is named or installed cannot be run.
    """
    from ..peers.board import site
    from ..peers.board.files import read_folder
    from ..peers.board.running import select

    rows = {row.key: row for row in read_folder(given["source"])} if given["source"] is not None else {}
    asked, absent = _asked(given)
    dtypes = given["dtypes"] or ("float64", "float32")
    select(given["only"])
    if given["output"] is not None:
        site.require_place(given["output"])
    if given["page"] is not None and not given["page"].parent.is_dir():
        raise ParameterError(f"--markdown {given['page']}: there is no folder {given['page'].parent}")
    fresh, failed = _run(asked, dtypes, given)
    rows |= {row.key: row for row in fresh}
    absent |= failed
    _print(list(rows.values()), absent)
    _write(list(rows.values()), absent, given)
    if failed:
        raise click.exceptions.Exit(1)


def _asked(given: Mapping[str, Any]) -> tuple[list[Asked], dict[str, str]]:
    """Return the programs to run, and why others are not."""
    from ..peers.board.running import Asked, known_name, pair, programs_here

    pythons = [pair(text, "--python") for text in given["pythons"]]
    folders = dict(pair(text, "--folder") for text in given["folders"])
    named = list(dict.fromkeys([*map(known_name, given["peers"]), *(name for name, _ in pythons), *folders]))
    if not named:
        return programs_here() if given["source"] is None else ([], {})
    asked = []
    for name in named:
        interpreters = [path for other, path in pythons if other == name]
        asked += [Asked(name, path, folders.get(name)) for path in interpreters or (None,)]
    return asked, {}


def _run(
    asked: Sequence[Asked], dtypes: Sequence[str], given: Mapping[str, Any]
) -> tuple[list[Results], dict[str, str]]:
    """Return the rows of the programs that run, and why others do not; each row is saved as soon as it is there."""
    from ..peers.board.files import save
    from ..peers.board.running import run_program, select

    rows, failed = list[Any](), dict[str, str]()
    cases = len(select(given["only"])) if asked else 0
    with progress(cases * len(asked) * len(dtypes), "cases") as step:
        for program in asked:
            for dtype in dtypes:
                try:
                    row = run_program(program, dtype, only=given["only"], timeout=given["timeout"], step=step)
                except (LrpError, ImportError) as error:
                    failed[program.title] = f"not run: {error}"
                    break
                rows.append(row)
                if given["save"] is not None:
                    save(given["save"], row)
    return rows, failed


def _print(rows: Sequence[Results], absent: Mapping[str, str]) -> None:
    """Print a line per row, the departures, and what was not run."""
    from ..peers.board.counts import counts, departures
    from ..peers.board.site import grouped

    ordered = [row for several in grouped(rows) for row in several]
    if ordered:
        heads = ("program", "dtype", "pass", "departs", "unexplained", "unsupported", "seconds", "departures")
        body = [
            [
                row.full_title, row.dtype, *(str(n) if n else "" for n in counts(row.outcomes).values()),
                f"{row.seconds:.1f}", ", ".join(" or ".join(d.names) for d in departures(row.outcomes)),
            ]
            for row in ordered
        ]  # fmt: skip
        print_table(heads, body, right=range(2, 7))
    for title, why in absent.items():
        click.echo(f"{title}: {why}")


def _write(rows: Sequence[Results], absent: Mapping[str, str], given: Mapping[str, Any]) -> None:
    """Write what was asked for."""
    if not rows and (given["output"] is not None or given["page"] is not None):
        raise ParameterError("no program was run, so there is nothing to show; name one (--peer, --python, --folder)")
    from ..base.files import replace_file
    from ..peers.board.markdown import markdown
    from ..peers.board.site import write_site

    if given["output"] is not None:
        click.echo(f"{write_site(given['output'], rows, absent)} pages in {given['output']}")
    if given["page"] is not None:
        source = given["source"] or given["save"] or "DIR"
        text = markdown(rows, absent, f"lrp-ref vectors board --from {source} --markdown {given['page']}")
        replace_file(given["page"], lambda stream: stream.write(text.encode()))
        click.echo(f"wrote {given['page']}")
