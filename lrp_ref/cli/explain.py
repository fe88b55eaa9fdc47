"""``lrp-ref explain``: pictures, relevances and the ledger of predictions."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..errors import ParameterError, UnsupportedError
from ..heatmap import colormaps
from ..loaders.preprocess import declare, load_sidecar
from ..text import load_tokenizer, sizes
from . import drawing, inputs, report, stream
from .html import Pages
from .job import Job
from .ledgers import LedgerFile
from .options import (
    COMPOSITES,
    FILE,
    STARTS,
    architecture_option,
    class_names,
    composite_options,
    dialect_option,
    find_outputs,
    load_network,
    make_composites,
    make_start,
    output_option,
    rule_option,
    warn_unused_rules,
    warn_unused_target,
)
from .output import print_table, progress, warn
from .samples import Refused
from .sentences import BagReader, Reader, exists, has_text, reader_of

COMPOSITE_HELP = f"Which rules; repeatable: several make one sheet. Default: the sidecar's, or epsilon. {COMPOSITES}."
TARGET_HELP = "Output to explain: number, class name, c,h,w of a map, or a sum A+B; repeatable. Default: the largest."
ENGINE_HELP = "What computes: NumPy (default), or onnxruntime in float32, faster for many inputs of one size."


@click.command()
@click.argument("model", type=FILE)
@click.argument("inputs_", metavar="INPUT...", nargs=-1, required=True)
@click.option("-t", "--target", "targets", multiple=True, help=TARGET_HELP)
@click.option("--against", help="Explain the difference of the target and this output: one picture, '3 against 9'.")
@click.option("--top", default=1, type=click.IntRange(min=1), help="Explain this many of the largest outputs.")
@click.option("-c", "--composite", "names", multiple=True, help=COMPOSITE_HELP)
@composite_options
@dialect_option
@rule_option
@click.option("--start", help=f"Start relevance: {STARTS}. Default: logit.")
@output_option
@architecture_option
@click.option("-o", "--directory", default="explanations", show_default=True, type=FILE, help="For the results.")
@click.option("--cmap", help=f"Colour map of the pictures: {', '.join(colormaps())}.")
@click.option("--limit", help="|R| where colours end: a number or a percentile such as 99%.")
@click.option("--smooth", is_flag=True, help="Smooth pictures between pixels.")
@click.option("--size", type=click.IntRange(1, 8192), help="Least length of a map's longer side in pixels.")
@click.option("--sidecar", type=FILE, help="JSON file that describes input and classes. Default: beside the model.")
@click.option("--tokenizer", type=FILE, help="Of text: tokenizer.json, a list of words (.txt). Default: the model's.")
@click.option("--length", type=click.IntRange(min=1), help="Of text, in pieces, where the model leaves it free.")
@click.option("--latex", is_flag=True, help="Write the words of text also as LaTeX, NAME.tex.")
@click.option("--float64", is_flag=True, help="Compute in float64.")
@click.option("--no-canonize", is_flag=True, help="Keep BatchNorm, sigmoid and softmax as they are in the file.")
@click.option("--xp", type=click.Choice(["numpy", "cupy"]), help="Array library to compute with.")
@click.option("--engine", type=click.Choice(["numpy", "onnxruntime"]), default="numpy", help=ENGINE_HELP)
@click.option("--batch-size", type=click.IntRange(min=1), help="Samples at a time. Default: what fits into memory.")
@click.option("--strict", is_flag=True, help="Stop at the first input that cannot be explained.")
@click.option("--skip-existing", is_flag=True, help="Leave inputs out whose results an earlier run has written whole.")
@click.option("--trace", is_flag=True, help="Keep the values and relevances of all nodes in the .npz, for 'diff'.")
@click.option("--ledger", is_flag=True, help="Print the ledger node by node.")
@click.option("--ledger-file", type=FILE, help="Write all ledgers as .csv or .json.")
@click.option("--html", type=FILE, metavar="FILE", help="Write all explanations as one page to explore: FILE.html.")
@click.option("--plan", is_flag=True, help="Print which rule every node gets, and why.")
@click.option("--show", "view", is_flag=True, help="Open the pictures.")
def explain(model: Path, inputs_: tuple[str, ...], targets: tuple[str, ...], **options: Any) -> None:
    """Explain the outputs of MODEL for each INPUT.

    INPUT is a picture, a folder of pictures, or an .npy or .npz file with the network's inputs, as the model file
    declares them ('lrp-ref show' says which axis is the batch). Writes NAME.png (input, relevance, relevance on input;
    or a signal over its relevance) and NAME.npz (relevance, output, target).

    With a tokenizer INPUT is also a sentence in quotes, or a .txt file with one a line: words are coloured in the
    terminal, in NAME.png and in NAME.html. Of a model of bags of words a .txt file is one document.

    Inputs that cannot be explained are listed at the end (exit status 1, or 2 if they are all).
    """
    names = options.pop("names")
    _check_options(targets, options)
    sidecar = load_sidecar(model, options["sidecar"])
    read = has_text(inputs_)  # a length is one of sentences; what stands in an array file says itself how long it is
    if read and options["length"] is None and sidecar is not None and sidecar.kind == "text":
        options["length"] = sidecar.length
    fixed = sizes(model, options["length"] if read else None)
    net = declare(load_network(model, options["output_name"], options["architecture"], **fixed), sidecar)
    if options["float64"] and net.tokens >= {i.name for i in net.inputs}:
        net = net.astype("float64")  # integers do not say in which precision to compute
    warn_unused_rules(net, options["rules"], canonized=not options["no_canonize"])
    classes = class_names(net, sidecar)
    chosen = tuple(dict.fromkeys(find_outputs(t, classes) for t in targets))
    if options["engine"] == "onnxruntime":
        for text, target in zip(targets, (find_outputs(t, classes) for t in targets), strict=True):
            if isinstance(target, tuple) and isinstance(target[0], tuple):
                raise ParameterError(f"--target {text}: --engine onnxruntime adds no outputs up: leave --engine out")
    against = None if options["against"] is None else find_outputs(options["against"], classes)
    if against in chosen:
        raise ParameterError(f"--target and --against are both {options['against']}: give two different outputs")
    start = make_start(options["start"], against)
    if targets or options["top"] > 1:
        warn_unused_target(start, "--target" if targets else "--top")
    job = Job(
        model, net, sidecar, make_composites(names, net, sidecar, options), chosen, options["top"], start, options
    )
    job = replace(job, reader=_reader(job, inputs_))
    drawing.check_look(job)
    files, refused = inputs.found(inputs_, text=job.reader is not None)
    tally = stream.Tally(strict=options["strict"])
    try:
        _run(job, files, refused, tally)
    except KeyboardInterrupt:
        tally.interrupted(ledgers=options["ledger_file"] is not None)
        raise
    tally.finish()


def _reader(job: Job, given: tuple[str, ...]) -> Reader | BagReader | None:
    """Return what reads the text among the inputs; None where there is none, or nothing that could read it."""
    text, options = has_text(given), job.options
    if not text:
        unused = [f"--{key}" for key in ("tokenizer", "latex", "length") if options[key]]
        if unused and all(exists(Path(one)) for one in given):  # otherwise the error of what is not there tells more
            warn(f"{', '.join(unused)} without effect: no INPUT is text")
        return None
    path = options["tokenizer"]
    tokenizer = None if path is None else load_tokenizer(path)
    try:
        found = reader_of(job.net, job.model, job.sidecar, tokenizer, options["length"], job.dtype)
    except UnsupportedError as error:
        if not job.net.left_out or options["length"]:
            raise
        raise error.adding("; outputs are left out, which a fixed length may bring: add --length 64") from error
    if isinstance(found, BagReader) and options["length"]:
        warn("--length without effect: the model takes counts of words, whatever the length of a document")
    return found


def _run(job: Job, files: dict[str, inputs.Source], refused: list[Refused], tally: stream.Tally) -> None:
    """Explain all inputs; write and print the results of each as soon as they are there."""
    options, noted = job.options, set[str]()
    tokenizer = None if job.reader is None else job.reader.path
    sidecar = job.model.with_suffix(".json") if options["sidecar"] is None else options["sidecar"]
    given = (*files.values(), job.model, sidecar, tokenizer)
    results = report.Results(options["directory"], [f for f in given if isinstance(f, Path)])
    if options["ledger_file"]:
        results.require_free(options["ledger_file"])
    pages = None if options["html"] is None else Pages(options["html"], job, results)
    with ExitStack() as stack:
        ledgers = stack.enter_context(LedgerFile(options["ledger_file"])) if options["ledger_file"] else None
        step = stack.enter_context(progress(len(files), "explaining"))
        for one in refused:
            tally.refuse(one)
        for number, (sample, found, on, drawn) in enumerate(stream.explained(job, files, results, tally, step)):
            if number == 0 and options["plan"]:
                _print_plans(found)
            note = drawing.unused(job, on)
            if note and note not in noted:
                noted.add(note)
                warn(note)
            paths = report.write(job, results, sample, found, drawn)
            report.tell(job, sample, found, paths, brief=len(files) > 1 or sample.several)
            if ledgers is not None:
                ledgers.add(sample.name, found)
            if pages is not None:
                pages.add(sample, found)
        if pages is not None and (made := pages.finish()):
            click.echo(f"page: {', '.join(map(str, made))}")
        tally.fail_if_none()


def _check_options(targets: tuple[str, ...], options: dict[str, Any]) -> None:
    """Raise if two options exclude each other."""
    if targets and options["top"] > 1:
        raise ParameterError("--target and --top exclude each other: give one of them")
    if options["against"] is not None and options["top"] > 1:
        raise ParameterError("--against and --top exclude each other: give the targets with --target")
    if options["engine"] == "onnxruntime":
        for key in ("xp", "float64", "trace"):
            if options[key]:
                raise ParameterError(f"--engine onnxruntime and --{key} exclude each other: leave one of them out")
    if options["html"] and options["skip_existing"]:
        raise ParameterError("--html and --skip-existing exclude each other: what is left out would not be on the page")
    if options["ledger_file"] and options["skip_existing"]:
        raise ParameterError(
            "--ledger-file and --skip-existing exclude each other: the ledgers of inputs that are left out are not kept"
        )


def _print_plans(found: Any) -> None:
    for composite, (e, *_) in found.items():
        if len(found) > 1:
            click.echo(f"{composite}:")
        print_table(e.plan.headers, e.plan.rows())
        if e.plan.note:
            click.echo(e.plan.note)
        click.echo("")
