"""``lrp-ref diff``: two traces, the first node at which they depart, and the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import ModelFormatError, ParameterError
from ..loaders.preprocess import declare, load_sidecar
from ..peers.foreign import KINDS, read_names, reason, trace_from_npz
from ..propagation.composites import PRESETS
from ..propagation.differences import TraceDiff
from ..propagation.explanation import load_relevance
from ..propagation.trace import Trace, read_npz
from .options import (
    FILE,
    architecture_option,
    composite_options,
    dialect_option,
    load_network,
    make_composite,
    one_composite,
    output_option,
    rule_option,
    tolerance_option,
)
from .output import print_table

MOST = 20
SHOWN = 5  # names in a line
MAP_HELP = (
    'Name A of A.npz is B in B.npz; repeatable. FILE.json has many, {"A": "B"}, and of a B.npz whose entries have '
    'names of their own says which is what: {"relevance/A": "entry", "value/*": "layer/*/out"}.'
)
ROUNDING = 0.1  # relative difference of relevances up to which float32 alone may be the reason


@click.command()
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@tolerance_option
@click.option("--map", "names", metavar="A=B|FILE.json", multiple=True, help=MAP_HELP)
@click.option("--common", is_flag=True, help="Names that only one file has do not count as a difference.")
@click.option("--all", "everything", is_flag=True, help="Print every array, not only those that depart.")
@click.option("--model", type=FILE, help="The network of A.npz: the reason is named, by what other programs compute.")
@one_composite
@composite_options
@dialect_option
@rule_option
@output_option
@architecture_option
@click.option("--sidecar", type=FILE, help="JSON file that describes the model's input. Default: beside the model.")
def diff(
    a: Path, b: Path, tolerance: float | None, names: tuple[str, ...], common: bool, everything: bool, **options: Any
) -> None:
    """Compare two traces, A.npz and B.npz, as 'explain --trace' or another program writes them.

    Prints the first node that departs, its layer and rule, and by how much; exit status 1 if they differ. Names that
    only one file has are paired by order, shape and values, and it is said which. Explanations that were saved without
    a trace are compared by output and relevance of the input. docs/traces.md shows how another program writes a trace.

    With --model the reason of the first difference is named: the network's layer there is computed as other programs
    do under the same name. The composite is that of A.npz, or --composite with its parameters.
    """
    _refuse_without_model(options)
    pairs, entries = _names(names)
    first = File(a, *read_npz(a))
    files = [first, File(b, {}, trace_from_npz(b, entries)) if entries else File(b, *read_npz(b))]
    one, two = _traces(*files)
    found = one.diff(two, tolerance=tolerance, mapping=_mapping(pairs, one, two))
    click.echo(found.verdict)
    if options["model"] is not None and found.first is not None:
        click.echo(_reason(options, first, two, found))
    _tell_rounding(found)
    if files[0].setting != files[1].setting:
        click.echo("\n".join(f"{side}: {f.setting or 'a trace alone'}" for side, f in zip("ab", files, strict=True)))
    if found.aligned:
        paired = _some([f"{m} = {n}" for m, n in found.aligned.items()])
        click.echo(f"paired by order, shape and values, as the names differ: {paired}")
    for path, alone in ((a, found.only_a), (b, found.only_b)):
        if alone:
            click.echo(f"only in {path}: {_some(alone)}")
    if found.only_a and found.only_b:
        click.echo("--map A=B compares a name of the first file with one of the second; --map FILE.json has many")
    _tell_rows(found, everything)
    if options["model"] is None and found.first is not None and found.first.kind == "relevance" and first.traced:
        click.echo("--model MODEL names the reason, where it is one that is known of another program")
    if found.first is not None or not found.rows or not (common or found.equal):
        raise click.exceptions.Exit(1)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _tell_rounding(found: TraceDiff) -> None:
    first = found.first
    rounded = first is not None and first.dtype == "float32" and first.relative <= ROUNDING
    if rounded and first is not None and first.kind == "relevance" and found.tolerance is None:
        click.echo(
            "in float32 rounding alone may do that where a denominator is near 0: compare traces of 'explain --float64'"
        )


def _tell_rows(found: TraceDiff, everything: bool) -> None:
    """Print the arrays that depart, or all."""
    departing = [cells for cells, row in zip(found.cells(), found.rows, strict=True) if row.departs]
    rows = found.cells() if everything else departing[:MOST]
    if rows:
        print_table(found.headers, rows, right=(2, 3))
    if not everything and len(departing) > MOST:
        click.echo(f"and {len(departing) - MOST} more; --all prints every array")


def _refuse_without_model(options: dict[str, Any]) -> None:
    """Raise for options that say how a network was explained, where no network is given."""
    given = [key for key, value in options.items() if key != "model" and value not in (None, ())]
    if given and options["model"] is None:
        name = {"rules": "rule", "output_name": "output", "spoken": "dialect"}.get(given[0], given[0])
        raise ParameterError(f"--{name} says how a network was explained: give the network too, with --model MODEL")


def _reason(options: dict[str, Any], a: File, theirs: Trace, found: TraceDiff) -> str:
    """Return why the traces depart, in a sentence."""
    sidecar = load_sidecar(options["model"], options["sidecar"])
    net = declare(load_network(options["model"], options["output_name"], options["architecture"]), sidecar)
    saved, _, spoken = str(a.extra.get("composite", "")).partition(" as ")  # as Composite.spoken names it
    name = options["composite"] or (saved if saved in PRESETS else None)
    bias = options["bias"] or a.extra.get("bias")
    given = {**options, "bias": None if bias == "absorb" else bias, "spoken": options["spoken"] or spoken or None}
    composite = make_composite(name, net, sidecar, given)
    return str(reason(net, a.trace, theirs, found, composite=composite, tolerance=found.tolerance))


def _names(given: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the pairs A=B of all ``--map``, files among them, and which entry of the second file is what."""
    pairs, entries = list[str](), dict[str, str]()
    for text in given:
        if "=" in text or not text.endswith(".json"):
            pairs.append(text)
            continue
        for ours, theirs in read_names(text).items():
            if ours.partition("/")[0] in KINDS and "/" in ours:
                entries[ours] = theirs
            else:
                pairs.append(f"{ours}={theirs}")
    return tuple(pairs), entries


def _mapping(given: tuple[str, ...], one: Trace, two: Trace) -> dict[str, str]:
    """Return the names of the first trace and those of the second that were given as A=B.

    Raises:
        ParameterError: no =, or a name that is given twice.
    """
    first, second = ({*t.values, *t.relevance} for t in (one, two))
    found: dict[str, str] = {}
    for text in given:
        parts = text.split("=")
        if len(parts) < 2:
            raise ParameterError(f"--map {text}: write A=B, a name of the first file and one of the second")
        # A name may itself hold an equals sign.
        splits = [("=".join(parts[:k]), "=".join(parts[k:])) for k in range(1, len(parts))]
        name, other = next(((m, n) for m, n in splits if m in first and n in second), splits[0])
        if name in found:
            raise ParameterError(f"--map {text}: '{name}' is given twice, before as {name}={found[name]}")
        found[name] = other
    return found


@dataclass(frozen=True)
class File:
    """What one of the two files holds.

    Attributes:
        path: of the file.
        extra: what an explanation holds beside its trace.
        trace: values and relevances; empty where it was not kept.
    """

    path: Path
    extra: Mapping[str, Any]
    trace: Trace

    @property
    def traced(self) -> bool:
        """Whether the trace was kept."""
        return bool(self.trace.values or self.trace.relevance)

    @property
    def setting(self) -> str:
        """How the explanation was made; "" for a trace alone."""
        target = self.extra.get("target")
        parts = [str(self.extra[key]) for key in ("composite", "start") if key in self.extra]
        return ", ".join(parts + ([] if target is None else [f"target {target.reshape(-1).tolist()}"]))

    def ends(self) -> Trace:
        """Return output and relevance of the input, as a small trace."""
        saved = load_relevance(self.path)
        relevance = saved["relevance"]
        return Trace({"output": saved["output"]}, relevance if isinstance(relevance, dict) else {"input": relevance})


def _traces(a: File, b: File) -> tuple[Trace, Trace]:
    """Return both traces, or output and relevance of the input where one was not kept.

    Raises:
        ParameterError: one has no trace, and the other nothing else.
    """
    if a.traced and b.traced:
        return _numbers(a.path, a.trace), _numbers(b.path, b.trace)
    for bare, other in ((a, b), (b, a)):
        if not bare.traced and "inputs" not in other.extra:
            raise ParameterError(
                f"{bare.path}: saved without its trace, and {other.path} is a trace alone: write the first one with "
                "'lrp-ref explain --trace'"
            )
    click.echo("without the traces of both, only output and relevance of the input are compared", err=True)
    return _numbers(a.path, a.ends()), _numbers(b.path, b.ends())


def _numbers(path: Path, trace: Trace) -> Trace:
    """Return the trace, if all its arrays hold real numbers.

    Raises:
        ModelFormatError: an array that holds others.
    """
    for name, array in (*trace.values.items(), *trace.relevance.items()):
        if array.dtype.kind not in "fiub":
            raise ModelFormatError(f"{path}: '{name}' holds {array.dtype}; expected real numbers")
    return trace
