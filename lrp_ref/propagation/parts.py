"""Work on the samples of a batch in parts that fit into memory, and that threads may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TypeVar

from ..arithmetic import settled
from ..base.arrays import Array
from ..fast import threads
from .prepare import PreparedNetwork
from .workload import Divided

Result = TypeVar("Result")


def in_parts(
    prepared: PreparedNetwork,
    fed: Mapping[str, Array],
    work: Callable[[dict[str, Array], slice], Result],
    *,
    whole: bool = False,
    walks: int = 1,
) -> list[Result]:
    """Return what ``work`` makes of all samples, a few at a time, in their order; at least one result.

    Args:
        prepared: the network made ready.
        fed: its inputs by name (N, ...).
        work: takes the inputs of some samples, and which they are.
        whole: whether all samples have to be worked on together.
        walks: how many forward passes the work keeps at a time.
    """

    def some(cut: slice) -> Result:
        few = {name: a[cut] for name, a in fed.items()}
        with settled(*few.values()):
            return work(few, cut)

    n = max(len(next(iter(fed.values()))), 1)
    divided = prepared.divided(fed, whole=whole)
    several = divided in (Divided.SAMPLES, Divided.LAYERS)
    with nullcontext() if divided is Divided.PRODUCTS else threads.together(*fed.values(), several=several):
        members = threads.members() if divided is Divided.SAMPLES else 1
        count = n if whole else prepared.samples(fed, members, walks)
        return threads.collect([slice(first, first + count) for first in range(0, n, count)], some)
