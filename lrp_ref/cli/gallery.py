"""``lrp-ref gallery``: what LRP is known for, on real data, one command each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from .. import heatmap
from ..base.files import replace_file
from ..errors import LrpError, ParameterError
from ..gallery import Record, Run, find, missing, names, pages, run
from ..gallery.application import MODELS
from .options import FILE
from .output import Progress, print_table, progress, warn

SEEDS = (1 << 31) - 1  # all that draws random numbers takes so many, and some more


@click.command()
@click.argument("wanted", metavar="[NAME...]", nargs=-1)
@click.option(
    "-o", "--directory", default="gallery", show_default=True, type=FILE, metavar="FOLDER", help="For the results."
)
@click.option(
    "--data",
    multiple=True,
    type=FILE,
    metavar="FOLDER",
    help="Has files that a clone of the project lacks; repeatable.",
)
@click.option("--models", type=FILE, metavar="FOLDER", help="The folder 'models' of a clone of the project.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, SEEDS), help="Of every random number.")
@click.option("--quick", is_flag=True, help="A small run that shows that it works; its numbers say nothing.")
@click.option("--publish", is_flag=True, help="Leave samples out of pictures whose licence does not let them be shown.")
@click.option("--wall", is_flag=True, help="Write the front page, README.md, of the results in the folder of -o.")
def gallery(wanted: tuple[str, ...], directory: Path, wall: bool, **options: object) -> None:
    """List the applications, or run those that are named; 'all' is every one.

    Each writes NAME.png, NAME.json with its numbers, and NAME.md, its page. Some need data that may not be handed on:
    the list says which file, running one says where it can be had, and --data where you have put it.
    """
    if wall:
        if wanted:
            raise ParameterError("--wall makes the front page of what has been run: give it no NAME")
        click.echo(f"written: {_wall(directory)}")
        return
    chosen = tuple(dict.fromkeys(name for one in wanted for name in (names() if one == "all" else (one,))))
    runs = [_asked(name, options) for name in (chosen or names())]
    if not chosen:
        _list(runs)
        return
    _require_place(directory, chosen)
    refused = []
    with progress(len(runs), "running") as step:
        for one in runs:
            try:
                _run(one, directory, step)
            except (LrpError, OSError, MemoryError) as error:
                if len(runs) == 1 or isinstance(error, BrokenPipeError):
                    raise
                refused.append(one.application.name)
                warn(f"{one.application.name}: {error or 'not enough memory'}")
            step()
    if refused:
        warn(f"{len(refused)} of {len(runs)} could not be run: {', '.join(refused)}")
        raise SystemExit(1)


def _asked(name: str, options: dict[str, object]) -> Run:
    """Return the run that the options ask for."""
    data, models = options["data"], options["models"]
    assert isinstance(data, tuple)
    for folder in (*data, models):
        if isinstance(folder, Path) and not folder.is_dir():
            raise ParameterError(f"{folder}: {'is no folder' if folder.exists() else 'there is no such folder'}")
    return Run(
        find(name), data, models if isinstance(models, Path) else MODELS, quick=bool(options["quick"]),
        publish=bool(options["publish"]), seed=int(str(options["seed"])),
    )  # fmt: skip


def _list(runs: list[Run]) -> None:
    """Print what there is, and what is missing to run it."""
    rows = [(one.application.name, one.application.title, ", ".join(missing(one)) or "nothing") for one in runs]
    print_table(("name", "what", "missing here"), rows)
    click.echo(f"\n{len(rows)} applications; 'lrp-ref gallery NAME' runs one, or says where its data are")


def _paths(directory: Path, name: str) -> tuple[Path, ...]:
    """Return the picture, the numbers and the page of an application."""
    return tuple(directory / f"{name}{ending}" for ending in (".png", ".json", ".md"))


def _require_place(directory: Path, chosen: Sequence[str]) -> None:
    """Require, before anything is run for minutes, that results can be written to a folder."""
    there = next(place for place in (directory, *directory.absolute().parents) if os.path.lexists(place))
    if not there.is_dir():
        raise ParameterError(f"{there}: is no folder; -o FOLDER says where the results go")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ParameterError(f"{there}: nothing may be written there; -o FOLDER says where the results go")
    for path in (path for name in chosen for path in _paths(directory, name)):
        if os.path.lexists(path) and not path.is_file():
            raise ParameterError(f"{path}: is no file that could be replaced; -o FOLDER says where the results go")


def _run(asked: Run, directory: Path, step: Progress) -> None:
    """Run one application, tell what it found, and write its picture, numbers and page."""
    name = asked.application.name
    found, record = run(replace(asked, tell=lambda what, done, total: step.within(f"{name}: {what}", done, total)))
    directory.mkdir(parents=True, exist_ok=True)
    paths, numbers, page = _paths(directory, name), record.text(), pages.page(asked.application, record)
    heatmap.save(found.picture, paths[0])
    replace_file(paths[1], lambda stream: stream.write(numbers.encode()))
    replace_file(paths[2], lambda stream: stream.write(page.encode()))
    click.echo(f"{asked.application.title}: {record.sentence}\n")
    if record.quick:
        click.echo("a quick run, which shows that it works: its numbers and what held say nothing\n")
    print_table(("claim", "measured", "held?"), [(f.claim, f.measured, f.held) for f in record.findings])
    click.echo(f"\n{record.seconds:.1f} s; written: {', '.join(map(str, paths))}")


def _wall(directory: Path) -> Path:
    """Write the front page of the results in a folder."""
    records = {path.stem: Record.read(path) for path in sorted(directory.glob("*.json"))}
    known = [find(name) for name in names() if name in records]
    if not known:
        raise ParameterError(
            f"{directory}: no results of 'lrp-ref gallery' in it; run 'lrp-ref gallery NAME -o {directory}'"
        )
    unknown = sorted(records.keys() - set(names()))
    if unknown:
        raise ParameterError(f"{directory}: results of applications that there are not here: {', '.join(unknown)}")
    lacking = [path.name for one in known for path in _paths(directory, one.name) if not path.is_file()]
    if lacking:
        raise ParameterError(f"{directory}: {', '.join(lacking)} missing beside the numbers; run the application again")
    quick = [record.name for record in records.values() if record.quick]
    if quick:
        raise ParameterError(f"{directory}: results of quick runs, whose numbers say nothing: {', '.join(quick)}")
    path = directory / "README.md"
    replace_file(path, lambda stream: stream.write(pages.wall(known, [records[a.name] for a in known]).encode()))
    return path
