"""``lrp-ref relmax``: the samples of a store in which each channel of a value has most relevance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import ParameterError
from ..methods.concepts.strongest import require_file_name
from ..scale import strongest
from . import stored
from .options import FILE
from .output import progress


@click.command()
@click.argument("store", type=FILE)
@click.option("--at", required=True, metavar="NODE", help="The value: one of those whose channels the store keeps.")
@click.option("-k", default=8, show_default=True, type=click.IntRange(min=1), help="Samples for each channel.")
@click.option("--by", type=click.Choice(["sum", "max"]), default="sum", show_default=True, help="Over its positions.")
@click.option("--norm", type=click.Choice(["crp"]), help="Divide by the sum of |R| over the channels of a sample.")
@click.option("-t", "--target", help="Take the samples explained for this output: number or class name. Default: all.")
@click.option("-o", "--directory", default="relmax", show_default=True, type=FILE, help="For the results.")
def relmax(store: Path, **options: Any) -> None:
    """Find for each channel of NODE the samples of STORE in which it has most relevance.

    STORE is of 'lrp-ref explain-set', which keeps channels where it is asked for them. Prints the first channels, and
    writes all of them as zennit-crp does: RelMax_sum_unnormed/NODE_data.npy (samples), NODE_rel.npy (relevance) and
    NODE_rf.npy (where in the channel). How active channels are (ActMax) is not in a store.
    """
    require_file_name(options["at"])
    some = stored.explained(store, target=options["target"])
    if not some.store.attributes["at"]:
        raise ParameterError(f"{store} keeps no channels: make one with 'lrp-ref explain-set ... --at {options['at']}'")
    folder = stored.results(options["directory"], some.store).folder
    with progress(1, "looking through the store") as step:
        found = strongest(
            some, at=options["at"], k=options["k"], by=options["by"], norm=options["norm"],
            progress=lambda done, total: step.within("samples", done, total),
        )  # fmt: skip
    click.echo(f"{len(some)} samples of {stored.brief(some.store)}")
    click.echo(repr(found))
    made = found.save(folder)
    names = [made / f"{found.at}_{suffix}.npy" for suffix in ("data", "rel", "rf")]
    click.echo(f"\nwritten: {', '.join(map(str, names))}")
