"""``python -m benchmarks``: one table per question."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from . import timing

QUESTIONS = ("floor", "images", "targets", "accuracy", "lstm", "startup", "growth", "scale")
EXTRA = "pip install -e '.[bench]'"


class Words(click.ParamType):  # type: ignore[type-arg]  # click of before 8.4 has no type argument
    """Words of a known set, joined by commas."""

    name = "words"

    def __init__(self, known: tuple[str, ...] | None = None) -> None:
        self.known = known

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Any, ...]:
        """Return the words, or whole numbers where no set is known."""
        if isinstance(value, tuple):
            return value
        words = tuple(word.strip() for word in value.split(",") if word.strip())
        if self.known is None:
            try:
                numbers = tuple(int(word) for word in words)
            except ValueError:
                self.fail(f"{value!r} is no list of whole numbers such as 1,8", param, ctx)
            if not numbers or min(numbers) < 1:
                self.fail(f"{value!r} has a number below 1", param, ctx)
            return numbers
        for word in words:
            if word not in self.known:
                self.fail(f"{word!r} is none of {', '.join(self.known)}", param, ctx)
        return words


NETWORKS = ("vgg16", "resnet50", "densenet121")
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
COMPOSITES = ("epsilon", "epsilon_plus", "epsilon_gamma_box", "epsilon_alpha2_beta1")


@click.command()
@click.option("--only", type=Words(QUESTIONS), default=",".join(QUESTIONS), help="Questions to answer.")
@click.option("--floor-only", is_flag=True, help="Only the floor: no peer is needed, under a minute.")
@click.option("--repeats", type=click.IntRange(1), default=7, show_default=True, help="Rounds that count.")
@click.option("--batch", "batches", type=Words(), default="1,8", show_default=True, help="Batch sizes.")
@click.option("--networks", type=Words(NETWORKS), default="vgg16,resnet50", show_default=True)
@click.option("--composites", type=Words(COMPOSITES), default=",".join(COMPOSITES), show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="Threads of every side.")
@click.option("--backend", type=click.Choice(["numpy", "cupy"]), default="numpy", show_default=True)
@click.option("--size", type=click.IntRange(32), default=224, show_default=True, help="Input size, a multiple of 32.")
@click.option("--width", type=float, default=1.0, show_default=True, help="Factor of the numbers of channels.")
@click.option("--limit", type=float, default=60.0, show_default=True, help="Seconds per cell after three rounds.")
@click.option("--pause", type=float, default=timing.PAUSE, show_default=True, help="Seconds between two calls.")
@click.option(
    "--wait", type=float, default=0.0, show_default=True, help="Seconds to wait, in all, for others to finish."
)
@click.option("--memory/--no-memory", default=True, help="Peak memory, a process per cell.")
@click.option("--lstm-peer", type=FOLDER, help="A checkout of LRP_for_LSTM.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables as JSON.")
@click.option("--pictures", type=click.Path(file_okay=False, path_type=Path), help="Draw growth curves in this folder.")
def main(
    only: tuple[str, ...],
    floor_only: bool,
    wait: float,
    json_path: Path | None,
    pictures: Path | None,
    **given: Any,
) -> None:
    """Measure speed, memory, start-up and accuracy of lrp_ref and of the peers that are installed."""
    if given["size"] % 32:
        raise click.BadParameter(f"{given['size']} is not a multiple of 32", param_hint="--size")
    timing.set_threads(given["threads"])
    # NumPy is imported from here on: BLAS has read the number of threads.
    from . import peers, report
    from .load import Patience
    from .options import Options
    from .questions import QUESTIONS as ANSWERS

    chosen = ("floor",) if floor_only else only
    if not floor_only and set(chosen) & {"images", "targets", "accuracy", "growth"}:
        peers.set_threads(given["threads"])
        _say_what_is_missing(peers)
    about = report.machine(given["threads"])
    _say_where(about)
    options = Options(**given, patience=Patience(wait))
    tables: list[report.Table] = []
    for name in chosen:
        for table in ANSWERS[name](options):
            table.show()
            tables.append(table)
            if name == "growth" and pictures is not None:
                _draw(table, pictures)
        if json_path is not None:
            report.write(json_path.resolve(), about, tables)
    sys.stderr.write(f"load of the last minute at the end: {os.getloadavg()[0]:.2f}\n")


def _say_what_is_missing(peers: Any) -> None:
    missing = [name for name in ("torch", "zennit", "captum", "onnxruntime") if not peers.available(name)]
    if missing:
        click.echo(f"not installed, so not measured: {', '.join(missing)} ({EXTRA})", err=True)


def _say_where(about: dict[str, Any]) -> None:
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items())
    click.echo(f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, Python {about['python']}")
    click.echo(f"{about['blas']}; {versions}; load of the last minute {about['load_1min']:.2f}\n")


def _draw(table: Any, folder: Path) -> None:
    try:
        from .curves import draw

        for path in draw(table, folder):
            click.echo(f"  {path}")
    except ModuleNotFoundError as error:
        raise click.ClickException(f"pictures need {error.name}: {EXTRA}") from error


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
