"""What others read of a store: its samples some at a time, each with the whole map, whatever is kept of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...base.frozen import Value, whole
from ...errors import ParameterError
from ...propagation.targets import class_number
from ..stores.layout import FAILED, NO_TARGET, TO_DO
from ..stores.making import Store
from .rows import Host, map_of, maps, rows


@dataclass(frozen=True, eq=False, repr=False)
class Answers(Value):
    """Some samples of a store.

    Attributes:
        numbers: of the samples in the data set (n,).
        relevance: their maps (n, ...), in the unit of the start; float32, or float64 where the store has that.
        output: of the network (n, classes).
        target: which output is explained (n,), or (n, T) where sums of T outputs are.
    """

    numbers: NDArray[np.int64]
    relevance: Host
    output: Host
    target: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)


class Explained:
    """The explained samples of a store, which can be gone through again and again, some at a time.

    In memory are those that were asked for last, and 8 bytes for each sample of the data set. Chunks that are not done
    are left out, and so are samples that could not be explained; :attr:`notes` says how many. What is left out is
    settled here, so that two passes give the same, also while a run goes on.

    Args:
        store: with the answers.
        target: take the samples that are explained for this output: its number, or the name of a class; None for all.
        of: the input whose maps they are, where the network has several.
        limit: take the first samples, at most so many.
        batch: samples at a time; None for a batch of the store.

    Attributes:
        numbers: of these samples in the data set (N,), rising.
        notes: what is left out, a sentence each.

    Raises:
        ParameterError: nothing is done yet, no sample has that target, or the store has no such input.

    Example:
        >>> import tempfile, lrp_ref as lrp
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place = Path(folder)
        ...     lrp.save(lrp.Network.sequential([lrp.layers.Dense(np.eye(3))]), place / "net.npz")
        ...     np.save(place / "x.npy", np.eye(3)[[0, 1, 0, 2, 0]])
        ...     asked = lrp.scale.job(place / "net.npz", place / "x.npy", composite="lrp0", batch=2)
        ...     store = lrp.scale.run(asked, place / "out").store
        ...     for some in lrp.scale.Explained(store, target=0):
        ...         print(some.numbers, some.relevance.tolist())
        [0 2] [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
        [4] [[1.0, 0.0, 0.0]]
    """

    def __init__(
        self,
        store: Store,
        *,
        target: int | str | None = None,
        of: str | None = None,
        limit: int | None = None,
        batch: int | None = None,
    ) -> None:
        self.store, self.of = store, of
        map_of(store, of)  # refused at once, not at the first sample
        self.batch = store.layout.batch if batch is None else whole("batch", batch, 1)
        found = self._done()
        if target is not None:
            found = _of_target(store, found, target)
        self.numbers: NDArray[np.int64] = found if limit is None else found[: whole("limit", limit, 1)]

    @staticmethod
    def given(store: Store | Explained) -> Explained:
        """Return what is explained in a store; some of its samples as they are."""
        return store if isinstance(store, Explained) else Explained(store)

    def by(self, batch: int) -> Explained:
        """Return the same samples, so many at a time."""
        other = copy(self)
        other.batch = whole("batch", batch, 1)
        return other

    def __len__(self) -> int:
        return len(self.numbers)

    def parts(self) -> Iterator[NDArray[np.int64]]:
        """Go through the numbers of the samples, some at a time."""
        for first in range(0, len(self.numbers), self.batch):
            yield self.numbers[first : first + self.batch]

    def __iter__(self) -> Iterator[Answers]:
        for numbers in self.parts():
            output, target = rows(self.store, "output", numbers), rows(self.store, "target", numbers)
            yield Answers(numbers, maps(self.store, numbers, of=self.of), output, target)

    def _done(self) -> NDArray[np.int64]:
        """Return the numbers of all samples that are explained, and note the others."""
        store, states = self.store, self.store.states()
        left = int((states == TO_DO).sum())
        if left == len(states):
            raise ParameterError(f"{store.path}: none of its {left} chunks is done: let 'lrp-ref explain-set' go on")
        reasons = store.errors() if (states == FAILED).any() else {}
        kept: list[NDArray[np.int64]] = []
        refused = 0
        for chunk in np.flatnonzero(states != TO_DO).tolist():
            part = store.part(chunk)
            target = np.asarray(store["target"][part])
            fine = (target.reshape(len(target), -1) != NO_TARGET).all(axis=1)
            if states[chunk] == FAILED:
                named = reasons.get(chunk, {}).get("samples")
                # A chunk whose reasons are lost, or that failed as a whole, has no row that could be relied on.
                fine &= [named is not None and str(k) not in named for k in range(part.start, part.stop)]
            refused += int((~fine).sum())
            kept.append(np.arange(part.start, part.stop, dtype=np.int64)[fine])
        self.notes = [*_left_out(left, "chunk", "to do", len(states)), *_left_out(refused, "sample", "not explained")]
        found = np.concatenate(kept)
        if not len(found):
            first = next((reason for one in reasons.values() for reason in one.get("samples", {}).values()), "")
            raise ParameterError(
                f"{store.path}: none of its samples is explained{f'; the first: {first}' if first else ''}"
            )
        return found


def _left_out(count: int, what: str, state: str, among: int | None = None) -> list[str]:
    """Return a sentence on what is left out, if anything is."""
    if not count:
        return []
    of = "" if among is None else f" of {among}"
    many = what if (among or count) == 1 else f"{what}s"
    are, left = ("is", "it is") if count == 1 else ("are", "they are")
    return [f"{count}{of} {many} {are} {state}: {left} left out"]


def _of_target(store: Store, numbers: NDArray[np.int64], target: int | str) -> NDArray[np.int64]:
    """Return which of these samples are explained for one output."""
    wanted = whole("target", class_number(target, store.attributes["classes"]))
    outputs = math.prod(store.layout["output"].shape[1:])
    if not 0 <= wanted < outputs:
        raise ParameterError(f"target {wanted} is out of range: the output has {outputs} classes, 0 to {outputs - 1}")
    if len(store.layout["target"].shape) > 1:
        raise ParameterError(f"{store.path}: sums of outputs are explained in it: leave the target out")
    step = store.layout.chunk
    targets = np.concatenate([rows(store, "target", numbers[k : k + step]) for k in range(0, len(numbers), step)])
    found: NDArray[np.int64] = numbers[targets == wanted]
    if not len(found):
        there = ", ".join(map(str, np.unique(targets)[:20].tolist()))
        raise ParameterError(
            f"{store.path}: none of its {len(numbers)} explained samples is explained for output {wanted}; for "
            f"{there}{' and more' if len(np.unique(targets)) > 20 else ''} there are some"
        )
    return found
