"""RelMax and ActMax: the samples of a data set in which a channel has most relevance, or is most active."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base import tables
from ...base.arrays import Array, to_numpy
from ...base.tables import number
from ...errors import ModelFormatError, ParameterError, ShapeError
from ...network.network import Network
from ..scored import joined
from .arrived import Asked
from .conditional import channel_sums, chosen_channels, on_host
from .receptive import Box, receptive_field
from .table import normalised

BY = ("sum", "max")
MOST = 40
FILES = {"samples": "data", "positions": "rf", "values": "rel"}  # as zennit-crp calls them
Host = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Strongest:
    """For each channel of a value, the samples of a data set in which it is strongest.

    Attributes:
        at: the value.
        kind: "relevance" or "activation".
        by: "sum" over the positions of a channel, or their "max".
        norm: of relevance, None or "crp".
        samples: their numbers in the data set (k, C), strongest first.
        values: how strong (k, C).
        positions: where in the channel the largest number is (k, C), counted over all positions in C order.
        shape: of the positions.
    """

    at: str
    kind: str
    by: str
    norm: str | None
    samples: Host
    values: Host
    positions: Host
    shape: tuple[int, ...] = ()

    def __repr__(self) -> str:
        k, channels = self.samples.shape
        rows = [
            [str(c), ", ".join(f"{self.samples[j, c]}: {number(float(self.values[j, c]))}" for j in range(min(k, 4)))]
            for c in range(min(channels, 8))
        ]
        norm = f", norm {self.norm}" if self.norm else ""
        head = f"{self.kind} of '{self.at}' by {self.by}{norm}: {k} samples for each of {channels} channels"
        return f"{head}\n{tables.text(('channel', 'strongest samples'), rows)}"

    def merged(self, other: Strongest, k: int) -> Strongest:
        """Return the k strongest of both; of equal ones the sample of the lower number comes first."""
        samples, values, positions = (
            np.concatenate([getattr(self, name), getattr(other, name)]) for name in ("samples", "values", "positions")
        )
        return replace(self, **_first(samples, values, positions, k))

    def boxes(self, net: Network, shape: Any, channel: int) -> list[Box]:
        """Return the receptive fields of a channel's strongest positions, as boxes of the input.

        Args:
            net: the network.
            shape: of one sample of the input (C, ...).
            channel: which.
        """
        if not self.shape:
            raise ParameterError(f"'{self.at}' has no positions: all of the input is read")
        places = [np.unravel_index(int(p), self.shape) for p in self.positions[:, channel]]
        return receptive_field(net, self.at, [[int(axis) for axis in place] for place in places], shape)

    # -- files --------------------------------------------------------------------------------------------------

    @property
    def folder(self) -> str:
        """The name of the folder in which zennit-crp keeps such results."""
        kind = {"relevance": "RelMax", "activation": "ActMax"}[self.kind]
        return f"{kind}_{self.by}_{'unnormed' if self.norm is None else 'normed'}"

    def save(self, path: str | Path) -> Path:
        """Write the arrays as zennit-crp does, FOLDER/NAME_data.npy, NAME_rel.npy and NAME_rf.npy; return the folder.

        Args:
            path: the folder in which ``folder`` is made.

        Raises:
            ParameterError: the name of the value cannot be a file's.
        """
        if not re.fullmatch(r"[\w.:-]+", self.at) or self.at.startswith("."):
            raise ParameterError(f"'{self.at}' cannot be the name of a file: rename the node")
        into = Path(path) / self.folder
        into.mkdir(parents=True, exist_ok=True)
        for name, suffix in FILES.items():
            np.save(into / f"{self.at}_{suffix}.npy", getattr(self, name), allow_pickle=False)
        return into

    @staticmethod
    def load(path: str | Path, at: str) -> Strongest:
        """Read what :meth:`save`, or zennit-crp, wrote of a value.

        Args:
            path: the folder RelMax_... or ActMax_....
            at: the value.

        Raises:
            ModelFormatError: no such folder or files, or arrays of other kinds or shapes.
        """
        folder = Path(path)
        found = re.fullmatch(r"(Rel|Act)Max_(sum|max)_(normed|unnormed)", folder.name)
        if found is None:
            raise ModelFormatError(f"{folder}: give a folder called RelMax_sum_normed or like that")
        arrays = {}
        for name, suffix in FILES.items():
            file = folder / f"{at}_{suffix}.npy"
            try:
                arrays[name] = np.load(file, allow_pickle=False)
            except FileNotFoundError as error:
                raise ModelFormatError(f"{file}: no such file") from error
            except (ValueError, OSError, EOFError) as error:
                raise ModelFormatError(f"{file}: not a readable array: {' '.join(str(error).split())}") from error
        shapes = {a.shape for a in arrays.values()}
        kinds = "".join(arrays[name].dtype.kind for name in ("samples", "positions"))
        if (
            len(shapes) != 1
            or len(next(iter(shapes))) != 2
            or set(kinds) - set("iu")
            or arrays["values"].dtype.kind != "f"
        ):
            told = ", ".join(f"{name} {a.dtype}{a.shape}" for name, a in arrays.items())
            raise ModelFormatError(f"{folder}: the arrays of '{at}' are no table (k, C): {told}")
        kind = {"Rel": "relevance", "Act": "activation"}[found[1]]
        return Strongest(at, kind, found[2], "crp" if found[3] == "normed" else None, **arrays)


def relmax(
    net: Network,
    x: Any,
    *,
    at: str,
    k: int = MOST,
    by: str = "sum",
    norm: str | None = None,
    target: Any = None,
    composite: Any = "epsilon_plus",
    start: Any = "logit",
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    progress: Callable[[int], object] | None = None,
    **parameters: Any,
) -> Strongest:
    """Return for each channel of a value the samples in which it has most relevance.

    Args:
        net, composite, start, output, canonize, xp: as of :func:`lrp_ref.explain`.
        x: the data set (N, ...), or an iterable of batches of it, of which one at a time is in memory.
        at: name of the value; its channels are axis 1.
        k: how many samples to keep for each channel.
        by: "sum" over the positions of a channel, or the "max" of them.
        norm: None, or "crp" to divide by Σ_k |R_k| + 1e-10 of each sample.
        target: what is explained: None for each sample's largest output, one index for all, or one per sample of the
            data set, such as its labels.
        progress: is called after each batch with how many samples are done.
        parameters: of the composite.

    Raises:
        ParameterError: a value that is not there, or another choice of ``by`` or ``norm``.

    Source: Achtibat et al. 2023 (RelMax).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [("fc1", lrp.layers.Dense(np.array([[1.0, 2.0], [3.0, 1.0]]))), ("relu", lrp.layers.ReLU()),
        ...           ("fc2", lrp.layers.Dense(np.ones((2, 1))))]
        >>> x = np.array([[1.0, 1.0], [0.0, 1.0], [2.0, 0.0]])
        >>> lrp.methods.relmax(lrp.Network.sequential(layers), x, at="fc1", k=2, composite="lrp0")
        relevance of 'fc1' by sum: 2 samples for each of 2 channels
        channel  strongest samples
        ──────────────────────────
        0        0: 4, 1: 3
        1        2: 4, 0: 3
    """
    targets = None if target is None or np.ndim(target) == 0 else np.asarray(target)

    def measured(few: Any, first: int, count: int) -> tuple[Array, tuple[int, ...]]:
        chosen = target if targets is None else targets[first : first + count]
        arrived = Asked(composite, chosen, start, None, output, canonize, xp, parameters).of(net, few, (at,))
        chosen_channels(at, (), arrived.shapes[at])
        return joined([part.relevance[at] for part in arrived.walked()]), arrived.shapes[at][1:]

    return _search(net, x, measured, Strongest(at, "relevance", by, norm, *_nothing()), k, targets, progress)


def actmax(
    net: Network,
    x: Any,
    *,
    at: str,
    k: int = MOST,
    by: str = "sum",
    progress: Callable[[int], object] | None = None,
) -> Strongest:
    """Return for each channel of a value the samples in which it is most active.

    Args:
        net, x, at, k, by, progress: as of :func:`relmax`.

    Raises:
        ParameterError: another choice of ``by``.
        GraphError: a value that is not there.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([("fc1", lrp.layers.Dense(np.array([[1.0, 2.0], [3.0, 1.0]])))])
        >>> lrp.methods.actmax(net, np.array([[1.0, 1.0], [0.0, 1.0]]), at="fc1", k=1).samples
        array([[0, 0]])
    """
    below = net.batch_first().until(at)

    def measured(few: Any, first: int, count: int) -> tuple[Array, tuple[int, ...]]:
        found = below.forward(few)
        chosen_channels(at, (), found.shape[1:])
        return found, tuple(found.shape[2:])

    return _search(net, x, measured, Strongest(at, "activation", by, None, *_nothing()), k, None, progress)


def _nothing() -> tuple[Host, Host, Host]:
    return np.zeros((0, 0), dtype=int), np.zeros((0, 0)), np.zeros((0, 0), dtype=int)


def _search(
    net: Network,
    x: Any,
    measured: Callable[[Any, int, int], tuple[Array, tuple[int, ...]]],
    asked: Strongest,
    k: int,
    targets: Host | None,
    progress: Callable[[int], object] | None,
) -> Strongest:
    """Return the strongest samples of all batches, of which the k best so far are kept."""
    if asked.by not in BY:
        raise ParameterError(f"by={asked.by!r}: give 'sum' or 'max' over the positions of a channel")
    if k < 1:
        raise ParameterError(f"k={k}: keep at least one sample")
    found: Strongest | None = None
    first = 0
    for few, count in _batches(net, x):
        if targets is not None and first + count > len(targets):
            raise ShapeError(f"target has {len(targets)} entries and the data set more samples: give one per sample")
        array, shape = measured(few, first, count)
        one = replace(asked, shape=shape, **_first(*_values(array, asked, first), k))
        found = one if found is None else found.merged(one, k)
        first += count
        if progress is not None:
            progress(first)
    if found is None:
        raise ParameterError("the data set has no batches")
    if targets is not None and first != len(targets):
        raise ShapeError(f"target has {len(targets)} entries and the data set {first} samples: give one per sample")
    return found


def _batches(net: Network, x: Any) -> Iterator[tuple[Any, int]]:
    """Go through the batches of a data set, each with its number of samples."""
    whole = hasattr(x, "shape") or isinstance(x, dict)
    given: Iterable[Any] = [x] if whole else x
    for few in given:
        arrays = net.feed(few)
        yield few, len(next(iter(arrays.values())))


def _values(array: Array, asked: Strongest, first: int) -> tuple[Host, Host, Host]:
    """Return numbers, strengths and positions (n, C) of the samples of a batch."""
    n, c = array.shape[:2]
    host = on_host(array).reshape(n, c, -1)
    positions = host.argmax(axis=2) if host.shape[2] else np.zeros((n, c), dtype=int)
    sums = on_host(channel_sums(array))
    strength = sums if asked.by == "sum" else host.max(axis=2, initial=-np.inf)
    if asked.norm is not None:
        strength = to_numpy(normalised(strength, asked.norm))
    return np.broadcast_to(np.arange(first, first + n)[:, None], (n, c)), strength, positions


def _first(samples: Host, values: Host, positions: Host, k: int) -> dict[str, Any]:
    """Return the k strongest of each column; of equal ones the sample of the lower number comes first."""
    order = np.lexsort((samples, -values), axis=0)[:k]
    named = {"samples": samples, "values": values, "positions": positions}
    return {name: np.take_along_axis(array, order, axis=0) for name, array in named.items()}
