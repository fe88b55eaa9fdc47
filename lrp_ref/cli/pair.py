"""``lrp-ref pair``: which pairs of features make a network find two inputs similar."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from click.core import ParameterSource

from .. import heatmap
from ..base.tables import number
from ..bilrp import MEMORY, Features, PairExplanation, explain_pair
from ..bilrp.features import CHANNELS
from ..bilrp.pair_explanation import require_fit
from ..errors import ParameterError
from ..loaders.preprocess import Sidecar, declare, load_sidecar
from ..network.inputs import Input, batch_first
from ..network.network import Network
from . import inputs
from .options import (
    FILE,
    architecture_option,
    composite_options,
    load_network,
    make_composite,
    one_composite,
    output_option,
    rule_option,
    warn_unused_rules,
)
from .output import print_table, warn
from .report import Results
from .samples import Sample

LISTED = 5  # pairs in the table
MOST = 32  # features along a side of a picture, unless a pool is given
POOL_HELP = f"Pixels along a feature's side. Default: as many as leave {MOST} features along a side of the picture."


@click.command()
@click.argument("model", type=FILE)
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@one_composite
@composite_options
@rule_option
@output_option
@architecture_option
@click.option("--cosine", is_flag=True, help="Divide both embeddings by their norms: s is the cosine of their angle.")
@click.option("--at", metavar="NAME", help="Input whose features are paired, where several receive relevance.")
@click.option("--pool", type=click.IntRange(min=1), help=POOL_HELP)
@click.option("--strongest", default=40, show_default=True, type=click.IntRange(min=1), help="Pairs that are drawn.")
@click.option("--limit", help="|R| where colours end: a number or a percentile such as 99%.")
@click.option("--float64", is_flag=True, help="Compute in float64.")
@click.option("-o", "--directory", default="explanations", show_default=True, type=FILE, help="For the results.")
def pair(model: Path, a: Path, b: Path, **options: Any) -> None:
    """Explain why A and B are similar to MODEL, by pairs of their features (BiLRP).

    The similarity is the scalar product of two embeddings, which are the values of --output: a node inside the network,
    such as that before its last layer. A and B are pictures, or .npy or .npz files with one sample each. Writes
    A_B.npz (the pairs) and, of two pictures, A_B.png (the strongest pairs as lines).
    """
    sidecar = load_sidecar(model)
    net = declare(load_network(model, options["output_name"], options["architecture"]), sidecar)
    warn_unused_rules(net, options["rules"])
    samples = [_one(path, net, sidecar, model, options["float64"]) for path in (a, b)]
    composite = make_composite(options["composite"], net, sidecar, options)
    reduce = _features(_paired(net, samples[0], options["at"]), sidecar, samples, options["pool"])
    e = explain_pair(
        net, *(s.x for s in samples), composite=composite, normalised=options["cosine"], at=options["at"]
    )  # fmt: skip
    results, stem = Results(options["directory"], (model, a, b)), f"{a.stem}_{b.stem}"
    drawn = _picture(e, reduce, samples, (a.stem, b.stem), options)
    paths = [results.path(f"{stem}{suffix}") for suffix in ((".npz",) if drawn is None else (".png", ".npz"))]
    e.save(paths[-1], reduce)
    if drawn is not None:
        heatmap.save(drawn, paths[0])
    else:
        _tell_unused()
    _tell(e, reduce, (a.stem, b.stem))
    click.echo(f"written: {', '.join(map(str, paths))}")


def _one(path: Path, net: Network, sidecar: Sidecar | None, model: Path, double: bool) -> Sample:
    """Return the only sample of a file."""
    samples = list(inputs.read(path.stem, path, net, sidecar, model, "float64" if double else "float32"))
    if len(samples) != 1:
        raise ParameterError(f"{path}: {len(samples)} samples; a pair is one of each file: save x[:1]")
    return samples[0]


def _paired(net: Network, sample: Sample, at: str | None) -> Input:
    """Return the input whose features are paired; which one it can be is told when it is explained."""
    receiving = [i for i in net.inputs if net.receives(i.name, sample.x[i.name])]
    named = [i for i in receiving if i.name == at] if at is not None else receiving
    if len(named) != 1:
        there = ", ".join(i.name for i in receiving) or "none"
        raise ParameterError(
            f"--at {at}: no input that receives relevance; there are: {there}" if at is not None else
            f"inputs that receive relevance: {there}; name the one whose features are paired with --at"
        )  # fmt: skip
    return named[0]


def _tell_unused() -> None:
    """Tell which options of the picture were given, where there is none."""
    context = click.get_current_context()
    given = [f"--{name}" for name in ("strongest", "limit")
             if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]  # fmt: skip
    if given:
        warn(f"{', '.join(given)} without effect: a picture is drawn of two pictures only")


def _features(spec: Input, sidecar: Sidecar | None, samples: Sequence[Sample], pool: int | None) -> Features:
    """Return the features that are paired, if all pairs fit into memory, which is known before they are made."""
    arrays = [batch_first(s.x[spec.name], spec.batch_axis) for s in samples]
    axis: Any = -1 if sidecar is not None and sidecar.layout in ("NTC", "NHWC") else CHANNELS
    grids = [Features(axis).grid(array.shape[1:]) for array in arrays]
    picture = all(len(grid) == 2 for grid in grids)
    found = Features(axis, pool or (-(-max(max(grid) for grid in grids) // MOST) if picture else 1))
    first, second = (found.grid(array.shape[1:]) for array in arrays)
    require_fit((first, second), 1, arrays[0].dtype.itemsize, MEMORY)
    return found


def _picture(
    e: PairExplanation, reduce: Features, samples: Sequence[Sample], names: tuple[str, str], options: Any
) -> Any:
    """Return the strongest pairs as lines between two pictures; None where the inputs are none."""
    grids: Any = e.grids(reduce)
    shown: Any = tuple(s.shown for s in samples)
    if any(len(grid) != 2 for grid in grids) or any(one is None for one in shown):
        return None
    kind = "cosine" if e.normalised else "similarity"
    remark = f"{kind} {number(float(e.similarity[0]))} · {e.composite}"
    limit: Any = options["limit"]
    with contextlib.suppress(TypeError, ValueError):  # none, a percentile, or what the picture refuses
        limit = float(limit)
    return heatmap.pairs(
        e.matrix(reduce)[0], shown, grids, strongest=options["strongest"], titles=names, limit=limit, remark=remark
    )  # fmt: skip


def _tell(e: PairExplanation, reduce: Features, names: tuple[str, str]) -> None:
    """Print the similarity with its account, and the strongest pairs by the places of their features."""
    kind = f"{'cosine' if e.normalised else 'similarity'} {number(float(e.similarity[0]))}"
    for note in e.notes:
        warn(f"note: {note}")
    click.echo(f"{kind} of {' and '.join(names)}, {e.x.embedding.shape[1]} units, {e.composite}")
    rows = e.account.rows()
    kept = [(what, part) for what, part in rows.items() if float(part[0]) or what in ("similarity", "pairs")]
    print_table(("part", "sum"), [[what, number(float(part[0]))] for what, part in kept], right=(1,))
    places = [np.unravel_index(range(int(np.prod(grid))), grid) for grid in e.grids(reduce)]

    def place(side: int, feature: int) -> str:
        return ", ".join(str(int(axis[feature])) for axis in places[side])

    strongest = [[place(0, i), place(1, j), number(r)] for i, j, r in e.strongest(LISTED, reduce)]
    print_table((f"in {names[0]}", f"in {names[1]}", "relevance"), strongest, right=(2,))
