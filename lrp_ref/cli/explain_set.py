"""``lrp-ref explain-set``: a data set larger than memory, explained chunk by chunk into a store, and gone on with."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from ..errors import LrpError, ParameterError
from ..scale import Job, Labels, ModelFile, Outcome, Store, Summary, job, run
from ..scale.jobs.environment import require_devices
from ..scale.jobs.reduction import DTYPES
from ..scale.running import samples_of, surroundings
from ..scale.stores.layout import size_text
from ..scale.stores.making import ERRORS
from .options import (
    FILE,
    STARTS,
    architecture_option,
    class_names,
    composite_options,
    dialect_option,
    find_outputs,
    make_composite,
    make_start,
    one_composite,
    output_option,
    rule_option,
    tell_notes,
    warn_unused_rules,
    warn_unused_target,
)
from .output import Progress, warn
from .samples import Refused, grouped

EVERY = 30.0  # seconds between two lines where there is no terminal
MOST = 12  # reasons that are listed; the store has all of them
INTERRUPTED = 130
CLEAR = b"\r\x1b[K"  # what stands in the line
AGAIN = "the same command goes on"
MODEL_HELP = "The network: a file that 'lrp-ref explain' takes."
LABELS_HELP = "Explain this output of each sample: whole numbers (N,), .npy."
TOGETHER_HELP = "Batches of a chunk, the unit of work, so that one takes half a second or more."
THREADS_HELP = "Of the BLAS in each process; workers × threads are at most the cores."
WORKERS_HELP = "Processes on this machine; needs lrp-ref[scale]. Default: this process alone."
GPUS_HELP = "Compute with CuPy: 1 in this process, N in as many processes, each on the device of its number."
SCHEDULER_HELP = "Dask scheduler whose workers do the chunks, such as tcp://10.0.0.1:8786."
REDUCE_HELP = "What is kept of a map: none for all of it, channels for their sum, top-K for its K strongest numbers."
DTYPE_HELP = "Of the relevance that is kept. Default: float64 where samples or network are, else float32."
AT_HELP = "Keep what arrives at the channels of this value: sum, largest number and its place; repeatable."
COUNT = click.IntRange(min=1)


@click.command("explain-set")
@click.argument("given", metavar="IN", nargs=-1, required=True, type=FILE)
@click.argument("out", type=FILE)
@click.option("-m", "--model", required=True, type=FILE, help=MODEL_HELP)
@one_composite
@composite_options
@dialect_option
@rule_option
@click.option("-t", "--target", help="Output to explain: number, class name, c,h,w or a sum A+B. Default: the largest.")
@click.option("--labels", type=FILE, help=LABELS_HELP)
@click.option("--against", help="Explain the difference of the target and this output.")
@click.option("--start", help=f"Start relevance: {STARTS}. Default: logit.")
@output_option
@architecture_option
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
@click.option("-b", "--batch", default=32, show_default=True, type=COUNT, help="Samples that are explained together.")
@click.option("--together", default=1, show_default=True, type=COUNT, help=TOGETHER_HELP)
@click.option("--threads", default=1, show_default=True, type=COUNT, help=THREADS_HELP)
@click.option("--workers", type=COUNT, help=WORKERS_HELP)
@click.option("--gpus", type=COUNT, help=GPUS_HELP)
@click.option("--scheduler", metavar="ADDRESS", help=SCHEDULER_HELP)
@click.option("--memory-limit", metavar="SIZE", help="Of each worker on this machine, such as 4GB: it is ended above.")
@click.option("--reduce", default="none", show_default=True, metavar="[none|channels|top-K]", help=REDUCE_HELP)
@click.option("--dtype", type=click.Choice(DTYPES), help=DTYPE_HELP)
@click.option("--at", multiple=True, metavar="NODE", help=AT_HELP)
@click.option("--no-canonize", is_flag=True, help="Keep BatchNorm, sigmoid and softmax as they are in the file.")
@click.option("--retry-failed", is_flag=True, help="Do chunks again in which samples could not be explained.")
def explain_set(given: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Explain every sample of IN, and keep what is found in the store OUT.

    IN is an .npy file, a zarr array, a folder of pictures or arrays, or a .txt file with the name of one file a line;
    the samples are on axis 0, whatever the layout of the model. OUT is zarr where it ends in .zarr (needs
    lrp-ref[scale]), else a folder of .npy files: relevance, output, target, ledger. 'evaluate --explained', 'spray',
    'relmax' and 'export-set' read it.

    The run can be ended at any moment: the same command goes on where it was. Ctrl-C finishes the chunks that are
    being done. Exit status: 0 all is explained, 1 some samples cannot be, 2 unusable, 130 interrupted.
    """
    if len(given) > 1:
        raise ParameterError(
            f"{len(given)} IN are given, and a data set is one: give their folder, or a .txt file with the name of one "
            "file a line"
        )
    workers = _workers(options)
    asked = _job(given[0], options)
    try:
        with ExitStack() as stack, warnings.catch_warnings():
            warnings.showwarning = lambda message, *of: warn(str(message))  # such as of workers with another BLAS
            shown = _Shown(asked, given[0].name, stack)
            summary = run(
                asked, out, workers=workers, scheduler=options["scheduler"], memory_limit=options["memory_limit"],
                retry_failed=options["retry_failed"], stopped=stack.enter_context(_stopping()), begun=shown.begun,
                progress=shown,
            )  # fmt: skip
    except KeyboardInterrupt:
        warn(f"interrupted; what is done is kept, and {AGAIN}")
        raise
    _finish(given[0].name, summary)


def _workers(options: dict[str, Any]) -> int | None:
    """Return how many processes are asked for; None for none, or those of a scheduler.

    Raises:
        ParameterError: options that exclude each other, or no such devices.
        MissingExtraError: CuPy is asked for and not installed.
    """
    ways = [f"--{key}" for key in ("workers", "gpus", "scheduler") if options[key] is not None]
    if len(ways) > 1:
        raise ParameterError(f"{' and '.join(ways)} exclude each other: each says who does the chunks")
    workers: int | None = options["workers"]
    if options["gpus"] is not None:
        require_devices(options["gpus"])
        workers = options["gpus"] if options["gpus"] > 1 else None
    if options["memory_limit"] is not None and workers is None:
        raise ParameterError("--memory-limit is of each worker on this machine: add --workers N, or leave it out")
    return workers


def _job(given: Path, options: dict[str, Any]) -> Job:
    """Return the question of a command line.

    Raises:
        LrpError: what is wrong with it.
    """
    if options["labels"] is not None and options["target"] is not None:
        raise ParameterError("--target and --labels exclude each other: one output for all samples, or one for each")
    file = ModelFile.of(
        options["model"],
        output=options["output_name"],
        architecture=options["architecture"],
        sidecar=options["sidecar"],
    )
    net, sidecar = file.load(), file.read_sidecar()
    tell_notes(net, options["model"])
    warn_unused_rules(net, options["rules"], canonized=not options["no_canonize"])
    classes = class_names(net, sidecar)
    target, against = (None if options[key] is None else find_outputs(options[key], classes)
                       for key in ("target", "against"))  # fmt: skip
    begin = make_start(options["start"], against)
    for key in ("target", "labels"):
        if options[key] is not None:
            warn_unused_target(begin, f"--{key}")
    return job(
        file, given, composite=make_composite(options["composite"], net, sidecar, options),
        target=target if options["labels"] is None else Labels.of(options["labels"]), start=begin,
        batch=options["batch"], together=options["together"], dtype=options["dtype"], reduce=options["reduce"],
        at=options["at"], threads=options["threads"], xp="numpy" if options["gpus"] is None else "cupy",
        canonize=not options["no_canonize"],
    )  # fmt: skip


class _Shown:
    """What is printed of a run: what is asked, and how far it is.

    Args:
        asked: the job.
        name: of the samples.
        stack: what closes the bar.
    """

    def __init__(self, asked: Job, name: str, stack: ExitStack) -> None:
        self.asked, self.name, self.stack = asked, name, stack
        self.step: Progress | None = None

    def begun(self, store: Store, chunks: list[int]) -> None:
        """Print what is asked and how large the store is, before the first chunk."""
        n, of = self.asked.source.samples, store.attributes
        target = "labels" if isinstance(self.asked.target, Labels) else of["target"]
        against = "" if of["against"] is None else f" against {of['against']}"
        click.echo(
            f"{of['model']} on {_many(n, 'sample')} of {self.name}: composite {of['composite']}, start {of['start']}, "
            f"target {target}{against}"
        )
        total = store.layout.chunks
        part = "" if len(chunks) == total else f"; {len(chunks)} of them to do"
        click.echo(
            f"{store.path}: {size_text(store.layout.nbytes)} uncompressed in {_many(total, 'chunk')} of "
            f"{_many(self.asked.chunk, 'sample')}{part}"
        )
        if len(chunks) == total:
            arrays = ", ".join(f"{a.name} {a.dtype} {_sizes(a.shape[1:])}" for a in store.layout.arrays)
            click.echo(f"for each sample: {arrays}")
        left = samples_of(self.asked, chunks)
        needed, free = store.layout.nbytes * left // max(n, 1), shutil.disk_usage(store.path).free
        if needed > free:
            warn(f"the disk of {store.path} has {size_text(free)} free, and what is to do is {size_text(needed)} "
                 "uncompressed: --reduce or --dtype float16 keep less")  # fmt: skip
        for words in surroundings(store) if chunks else ():
            warn(words)
        if chunks:
            self.step = Progress(n, "explaining", self.stack, done=n - left, every=EVERY)

    def __call__(self, outcome: Outcome) -> None:
        """Count the samples of a chunk."""
        if self.step is not None:
            self.step(outcome.samples)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _sizes(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "1"


@contextmanager
def _stopping() -> Iterator[Callable[[], bool]]:
    """Have the first Ctrl-C stop the run when the running chunks are finished; yields what says whether there was one.

    The second ends at once. Only the main thread hears of it, and whoever started the run may have it hear nothing.
    """
    asked = threading.Event()
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or usual is signal.SIG_IGN:
        yield asked.is_set
        return

    def first(number: int, frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, usual)
        # Not by way of sys.stderr, in the midst of whose writing this may be; on a terminal in the place of the bar.
        os.write(2, CLEAR * os.isatty(2) + b"lrp-ref: stopping after the running chunks; again: at once\n")

    signal.signal(signal.SIGINT, first)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, usual)


def _finish(name: str, summary: Summary) -> None:
    """Print what became of the data set; exit status 1 if samples are refused, 130 if the run was interrupted."""
    refused = summary.refused()
    n, left = summary.store.samples, summary.left_samples
    click.echo(
        f"chunks: {summary.done} done, {summary.failed} failed, {summary.left} left; "
        f"samples: {n - left - len(refused)} explained, {len(refused)} refused, {left} left"
    )
    if summary.samples:
        rate = summary.samples / max(summary.seconds, 1e-9)
        click.echo(
            f"this run: {_many(summary.samples, 'sample')} in {summary.seconds:.1f} s, {rate:.3g} a second; largest "
            f"residual of the ledger {summary.residual:.1e}"
        )
    else:
        click.echo("this run: nothing to do" if not summary.stopped else "this run: nothing is done")
    if refused:
        one = len(refused) == 1
        warn(f"{len(refused)} of {_many(n, 'sample')} {'is' if one else 'are'} refused; --retry-failed tries "
             f"{'it' if one else 'them'} again, of the same data")  # fmt: skip
        several = [Refused(f"{name}, sample {k}" if n > 1 else name, LrpError(why), k, n) for k, why in refused.items()]
        lines = grouped(several)
        for line in lines[:MOST]:
            click.echo(f"  {line}", err=True)
        if len(lines) > MOST:
            click.echo(f"  and {len(lines) - MOST} more reasons, in {summary.store.path / ERRORS}", err=True)
    if summary.left:
        warn(f"{_many(summary.left, 'chunk')} {'is' if summary.left == 1 else 'are'} left: {AGAIN}")
        raise click.exceptions.Exit(INTERRUPTED if summary.stopped else 1)
    if refused:
        raise click.exceptions.Exit(1)
