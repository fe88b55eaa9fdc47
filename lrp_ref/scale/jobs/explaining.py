"""The samples of one chunk explained, batch by batch; one that cannot be explained does not take the others along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import LrpError, ShapeError, one_line, unknown
from ...network.network import Network
from ...propagation.explaining import explain
from ...propagation.explanation import Explanation
from ..stores.layout import LEDGER, Layout
from .reduction import Reduction

Host = NDArray[Any]


@dataclass(frozen=True)
class Shapes:
    """What is kept of one sample.

    Attributes:
        kept: by the names of the arrays, (1, ...).
        nodes, rules: of the rows of the ledger.
        maps: shapes of whole maps, by the names of the inputs that receive relevance, in the order of their arrays.
    """

    kept: dict[str, Host]
    nodes: tuple[str, ...]
    rules: tuple[str, ...]
    maps: dict[str, list[int]]

    @property
    def outputs(self) -> int:
        """How many numbers the output of a sample has."""
        return int(self.kept["output"].size)


@dataclass(frozen=True)
class Question:
    """What is asked of every sample.

    Attributes:
        composite, target, start, canonize, xp: as of :func:`lrp_ref.explain`; a target for each sample is one of the
            samples that are explained.
        at: values whose channels are kept.
        reduction: what is kept of a map.
        dtype: of the numbers that are kept of a map.
    """

    composite: Any
    target: Any
    start: Any
    canonize: bool
    xp: str
    at: tuple[str, ...]
    reduction: Reduction
    dtype: str

    def of(self, net: Network, x: Mapping[str, Host], targets: Host | None) -> tuple[dict[str, Host], float]:
        """Return what is kept of the explanations of a batch, by the names of the arrays, and the largest residual.

        Raises:
            LrpError: a sample that cannot be explained.
        """
        e = self._explained(net, x, targets)
        return self._kept(e), e.ledger.residual

    def _explained(self, net: Network, x: Mapping[str, Host], targets: Host | None) -> Explanation:
        return explain(
            net, dict(x) if len(net.inputs) > 1 else next(iter(x.values())),
            target=self.target if targets is None else targets, composite=self.composite, start=self.start,
            canonize=self.canonize, xp=self.xp, trace=bool(self.at),
        ).to_numpy()  # fmt: skip

    def shapes(self, net: Network, one: Mapping[str, Host], targets: Host | None) -> Shapes:
        """Return what is kept of one sample, for its shapes.

        Raises:
            LrpError: what is wrong with the question.
        """
        e = self._explained(net, one, targets)
        for name in self.at:
            if name not in e.trace.relevance:
                raise unknown("value", name, e.trace.relevance)
            if e.trace.relevance[name].ndim < 2:
                raise ShapeError(f"'{name}' is one number for each sample and has no channels")
        names = [i.name for i in net.inputs] if len(net.inputs) == 1 else list(e.maps())
        maps = {name: [int(n) for n in part.shape[1:]] for name, part in zip(names, e.maps().values(), strict=True)}
        return Shapes(self._kept(e), tuple(row.node for row in e.ledger), tuple(row.rule for row in e.ledger), maps)

    def _kept(self, e: Explanation) -> dict[str, Host]:
        """Return what is kept of explanations, by the names of the arrays."""
        kept: dict[str, Host] = {}
        maps = list(e.maps().values())
        for name, part in zip(relevance_names(len(maps)), maps, strict=True):
            for what, numbers in self.reduction.parts(part, self.dtype).items():
                kept[f"{name}_{what}" if what else name] = numbers
        kept["output"] = e.output
        kept["target"] = _single(e.target)
        columns = [np.stack([getattr(row, column) for row in e.ledger], axis=1) for column in LEDGER]
        kept["ledger"] = np.stack(columns, axis=2).astype(np.float64)
        for k, name in enumerate(self.at):
            kept |= {f"channels_{k}_{what}": a for what, a in channels(e.trace.relevance[name]).items()}
        return kept


def _single(target: Any) -> Host:
    """Return the explained outputs (n,), or (n, T) where sums of several are."""
    found = np.asarray(target).astype(np.int64)
    return found[:, 0] if found.shape[1] == 1 else found


def relevance_names(inputs: int) -> list[str]:
    """Return the names of the arrays with the relevance of each input.

    Example:
        >>> relevance_names(1), relevance_names(2)
        (['relevance'], ['relevance_0', 'relevance_1'])
    """
    return ["relevance"] if inputs == 1 else [f"relevance_{k}" for k in range(inputs)]


def channels(relevance: Host) -> dict[str, Host]:
    """Return of each channel (n, C) the sum of a value's relevance, the largest number, and its position.

    Args:
        relevance: (n, C, ...).
    """
    n, c = relevance.shape[:2]
    flat = relevance.reshape(n, c, -1)
    places = flat.argmax(axis=2)
    return {
        "sum": flat.sum(axis=2),
        "max": np.take_along_axis(flat, places[:, :, None], axis=2)[:, :, 0],
        "position": places.astype(np.int64),
    }


@dataclass
class Rows:
    """The rows of a chunk in every array of a store; those of samples that are not explained keep what was there.

    Attributes:
        layout: of the store.
        start, stop: of the chunk's samples.
        arrays: by name.
        refused: samples that are not explained, by their numbers in the whole set, and why.
        residual: the largest of the ledger.
    """

    layout: Layout
    start: int
    stop: int
    arrays: dict[str, Host] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    residual: float = 0.0

    def __post_init__(self) -> None:
        for one in self.layout.arrays:
            self.arrays[one.name] = np.full((self.stop - self.start, *one.shape[1:]), one.fill, dtype=one.dtype)

    def explain(self, question: Question, net: Network, x: Mapping[str, Host], which: Host, targets: Any) -> None:
        """Put the explanations of a batch in their rows; where it fails as a whole, those of each sample alone.

        Args:
            question: what is asked.
            net: the network.
            x: inputs by name, only of samples that could be read.
            which: their numbers in the whole set.
            targets: of these samples; None where one holds for all.
        """
        if not len(which):
            return
        try:
            kept, residual = question.of(net, x, targets)
        except MemoryError as error:  # a smaller batch would be of other bytes: it is for the user to ask for one
            told = f"not enough memory to explain {len(which)} samples together, a smaller batch takes less ({error})"
            self.refuse(which, told)
            return
        except Exception as error:  # whatever it is, the other samples are to be explained, and it is told in the store
            if len(which) == 1:
                self.refuse(which, reason(error))
                return
            for k in range(len(which)):
                one = {name: array[k : k + 1] for name, array in x.items()}
                chosen = None if targets is None else targets[k : k + 1]
                self.explain(question, net, one, which[k : k + 1], chosen)
            return
        self.residual = max(self.residual, residual)
        for name, numbers in kept.items():
            self.arrays[name][which - self.start] = numbers

    def refuse(self, which: Iterable[int], why: str) -> None:
        """Note samples that are not explained, by their numbers in the whole set."""
        self.refused |= dict.fromkeys(map(int, which), one_line(why))


def reason(error: BaseException) -> str:
    """Return an error as the reason why a sample is not explained: in one line, with its kind where it is not ours.

    Example:
        >>> reason(ShapeError("3 channels")), reason(ZeroDivisionError("division by zero"))
        ('3 channels', 'ZeroDivisionError: division by zero')
    """
    if isinstance(error, LrpError):
        return str(error)
    return one_line(f"{type(error).__name__}: {error}")


def floats(array: Host, compute: str) -> Host:
    """Return floats in the type of the computation, integers as they are."""
    return array.astype(compute, copy=False) if array.dtype.kind == "f" else array
