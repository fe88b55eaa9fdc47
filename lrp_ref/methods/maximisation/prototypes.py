"""Prototypes from data: the samples of which each output is largest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...base.arrays import Array, namespace, to_numpy
from ...base.frozen import Value
from ...base.tables import number
from ...errors import ParameterError, UnsupportedError
from ...network.network import Network
from ...propagation.targets import indices
from ..scored import Scored


@dataclass(frozen=True, eq=False, repr=False)
class Prototypes(Value):
    """The best samples of a data set, best first.

    Attributes:
        x: the samples (T, k, ...), the best k of each of T outputs.
        score: their outputs f_t (T, k).
        index: their numbers in the data set (T, k).
        target: the outputs (T,), numbered in C order.
    """

    x: Array
    score: Array
    index: Array
    target: Array

    def __repr__(self) -> str:
        best = to_numpy(self.score)[:, 0].tolist()
        told = ", ".join(
            f"output {t}: f {number(v)}" for t, v in list(zip(self.target.tolist(), best, strict=True))[:4]
        )
        more = f", … {len(best) - 4} more" if len(best) > 4 else ""
        return f"Prototypes(best {self.score.shape[1]} of each; {told}{more})"


def prototypes(
    net: Network,
    x: Any,
    target: Any = None,
    k: int = 1,
    *,
    start: str = "logit",
    output: str | None = None,
    canonize: bool = True,
) -> Prototypes:
    """Return the k samples of a data set for which each output is largest.

    Batches are looked at one after the other, and only the best samples so far are kept: the memory is that of one
    batch and T·k samples. Of samples with the same output the earlier one is better.

    Args:
        net: the network, with one input.
        x: an array of samples, or an iterable of such arrays.
        target: an output, or several; None for all.
        k: how many of each.
        start, output, canonize: as of :func:`lrp_ref.attribute`.

    Raises:
        ParameterError: k below 1, fewer than k samples, a target that is not there.
        UnsupportedError: a network with several inputs.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[1.0, -1.0]]))])
        >>> found = lrp.methods.prototypes(net, [np.array([[3.0], [5.0]]), np.array([[-2.0]])], k=2)
        >>> found.index, found.score
        (array([[1, 0],
               [2, 0]]), array([[ 5.,  3.],
               [ 2., -3.]]))
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ParameterError(f"prototypes: k must be a whole number ≥ 1, got {k!r}")
    if len(net.inputs) != 1:
        raise UnsupportedError(f"prototypes: the network has {len(net.inputs)} inputs, and a data set is of one")
    batches: Iterable[Any] = [x] if hasattr(x, "dtype") else x
    kept: _Kept | None = None
    count = 0
    for batch in batches:
        scored = Scored.of(net, batch, start=start, output=output, canonize=canonize)
        n, shape = len(scored), scored.output.shape[1:]
        flat = scored.output.reshape(n, -1)
        if kept is None:
            wanted = range(flat.shape[1]) if target is None else np.asarray(target).reshape(-1).tolist()
            chosen = indices([list(wanted)], 1, shape)[0]
            kept = _Kept(np.asarray(chosen), k)
        kept.merge(flat, next(iter(scored.fed.values())), count)
        count += n
    if kept is None or count < k:
        raise ParameterError(
            f"prototypes: {count} samples, of which the best {k} are asked for: give more, or a lower k"
        )
    return kept.closed()


class _Kept:
    """The best samples so far: scores and numbers (T, ≤ k) on the host, and the samples by number."""

    def __init__(self, target: Any, k: int) -> None:
        self.target, self.k = target, k
        self.score: Any = None
        self.index = np.zeros((len(target), 0), dtype=int)
        self.samples: dict[int, Array] = {}
        self.like: Array | None = None

    def merge(self, out: Array, x: Array, first: int) -> None:
        """Take the samples of one batch, of which the first has the number ``first``."""
        host = to_numpy(out)[:, self.target].T
        score = host if self.score is None else np.concatenate([self.score, host], axis=1)
        numbers = np.broadcast_to(np.arange(first, first + len(x)), (len(self.target), len(x)))
        index = np.concatenate([self.index, numbers], axis=1)
        best = np.argsort(-score, axis=1, kind="stable")[:, : self.k]
        self.score, self.index = np.take_along_axis(score, best, 1), np.take_along_axis(index, best, 1)
        wanted = set(self.index.ravel().tolist())
        new = [i for i in sorted(wanted) if i >= first]
        self.samples = {i: a for i, a in self.samples.items() if i in wanted}
        # A row of a batch is a view that would keep the whole batch in memory.
        self.samples |= {i: namespace(x).concatenate([x[i - first : i - first + 1]], axis=0)[0] for i in new}
        self.like = x

    def closed(self) -> Prototypes:
        """Return what is kept."""
        assert self.like is not None
        xp = namespace(self.like)
        rows = [xp.stack([self.samples[i] for i in row]) for row in self.index.tolist()]
        return Prototypes(xp.stack(rows), xp.asarray(self.score), self.index, self.target)
