"""The pieces of a line along which a piecewise linear network is linear, found in one sweep over its nodes.

At first a line has two known points, its ends. A node at which values bend adds the points where they do; all values
that are still read are linear between two points, so that those at the new ones are means of their neighbours'. After
the last node that bends, every value of the network is linear between two neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arithmetic import scalar, settled
from ..base.arrays import Array, convert, like, namespace, require_finite, to_numpy, unwarned
from ..errors import LrpError, ParameterError
from ..layers import Constant
from ..network.network import Network, Node, owner, value_name
from ..propagation.workload import WORKING_BYTES
from .bends import bends, bends_between
from .scored import Scored


@dataclass(frozen=True, eq=False)
class Points:
    """Points of lines in their order, with the values that are still read.

    Attributes:
        lines: which line each is on (M,), on the host.
        at: where, from 0 to 1 (M,), on the host.
        values: by name (M, ...).
    """

    lines: Any
    at: Any
    values: dict[str, Array]

    @property
    def left(self) -> Any:
        """The points that have a neighbour to the right on their line."""
        return np.nonzero(self.lines[1:] == self.lines[:-1])[0]

    def chosen(self, left: Any, t: Any, at: Any, moving: frozenset[str]) -> Points:
        """Return other points: each at a fraction t of the interval that begins at point ``left``."""
        xp, right = namespace(*self.values.values()), np.minimum(left + 1, len(self.lines) - 1)
        far, values = convert(t, xp), {}
        for name, a in self.values.items():
            values[name] = here = a[left]
            if name in moving:
                values[name] = here + far.reshape(-1, *(1,) * (a.ndim - 1)) * (a[right] - here)
        return Points(self.lines[left], at, values)


@dataclass(frozen=True, eq=False)
class Sweep:
    """What the sweep over the nodes knows.

    Attributes:
        net: up to the score.
        bending: of the nodes, whether their values may bend where those below do not.
        moving: names of the values that change along the lines.
        most: pieces that a line may have.
        fit: points that are looked at together.
        found: pieces of every line so far, which is written into.
    """

    net: Network
    bending: tuple[bool, ...]
    moving: frozenset[str]
    most: int
    fit: int
    found: Any

    def pieces(self, points: Points, first: int = 0) -> Iterator[Points]:
        """Yield all points of the lines, without values, some at a time: the last of some may be the first of others.

        Args:
            points: with the values that are read by the nodes from ``first`` on.
            first: place of a node.
        """
        last = {name: k for k, node in enumerate(self.net.nodes) for name in node.inputs}
        end = max((k for k, bends_here in enumerate(self.bending) if bends_here), default=-1)
        for k in range(first, end + 1):
            node = self.net.nodes[k]
            if self.bending[k]:
                left, t, at = self._refined(points, node)
                if len(left) > self.fit:
                    for cut in _chunks(points.lines[left], self.fit):
                        few = points.chosen(left[cut], t[cut], at[cut], self.moving)
                        yield from replace(self, bending=self._without(k)).pieces(few, k)
                    return
                if len(left) > len(points.lines):
                    points = points.chosen(left, t, at, self.moving)
            if k < end:
                values = dict(points.values)
                self._run(node, values)
                kept = {name: a for name, a in values.items() if last.get(name, -1) > k}
                points = replace(points, values=kept)
        yield replace(points, values={})

    def _without(self, k: int) -> tuple[bool, ...]:
        """Return the nodes that bend but for the k-th, of which all bends are known now."""
        return (*self.bending[:k], False, *self.bending[k + 1 :])

    def _refined(self, points: Points, node: Node) -> tuple[Any, Any, Any]:
        """Return the points with those where a node bends: left neighbour, fraction of the way to the next, place."""
        left = points.left
        place, t = bends_between(node.layer, points.values[node.inputs[0]], left)
        place = left[place]
        at = points.at[place] + t * (points.at[place + 1] - points.at[place])
        order = _sorted(place, at)
        place, t, at = place[order], t[order], at[order]
        inside = (at > points.at[place]) & (at < points.at[place + 1])  # a rounding may have put one on an end
        new = np.ones(len(place), dtype=bool)
        new[1:] = (place[1:] != place[:-1]) | (at[1:] != at[:-1])
        place, t, at = (a[inside & new] for a in (place, t, at))
        np.add.at(self.found, points.lines[place], 1)
        if (self.found > self.most).any():
            k = int(self.found.argmax())
            raise ParameterError(
                f"integrated_gradients: the line to sample {k} has {self.found[k]} pieces and more at this node: give "
                f"pieces= more than the {self.most}, or take rule='midpoint' with steps="
            ).at(node.name)
        here = np.arange(len(points.lines))
        order = np.argsort(np.concatenate([here, place]), kind="stable")
        known = np.broadcast_to(points.at[:1] * 0, points.at.shape)
        parts = ((here, place), (known, t), (points.at, at))
        left, t, at = (np.concatenate(pair)[order] for pair in parts)
        return left, t, at

    def _run(self, node: Node, values: dict[str, Array]) -> None:
        """Add what a node makes of the values."""
        try:
            with unwarned():
                out = node.layer.forward(*(values[name] for name in node.inputs))
            for j, array in enumerate(out if isinstance(out, tuple) else (out,)):
                values[value_name(node.name, j)] = array
                require_finite(array, "the output")
        except LrpError as error:
            raise error.at(node.name) from error


def pieces_between(scored: Scored, b: Mapping[str, Array], most: int) -> tuple[Array, Array]:
    """Return the midpoints and lengths of the pieces of the lines from b to the samples, as fractions (N, P).

    Lines with fewer pieces than others have some of length 0 besides.

    Args:
        scored: the score of N samples.
        b: by name of the input that moves (N, ...).
        most: pieces that a line may have.

    Raises:
        UnsupportedError: a node that is not piecewise linear.
        ParameterError: a line of more pieces.
    """
    net, n, x = scored.prepared.net, len(scored), scored.movable
    bending, moving = _looked_through(net, set(x))
    like_x = next(iter(x.values()))
    one = scored.prepared.extent(scored.fed).numbers * like_x.dtype.itemsize
    sweep = Sweep(net, bending, moving, most, max(2, WORKING_BYTES // max(one, 1)), np.ones(n, dtype=int))
    lines, values = np.repeat(np.arange(n), 2), {i.name: scored.fed[i.name].repeat(2, axis=0) for i in net.inputs}
    ends = np.tile(to_numpy(like([0, 1], like_x)), n)
    for name in x:
        if name in values:
            values[name][::2] = b[name]
    done: list[Points] = []
    for cut in _chunks(lines, sweep.fit):
        few = {name: a[cut] for name, a in values.items()}
        with settled(*few.values()):
            done.extend(sweep.pieces(Points(lines[cut], ends[cut], few)))
    return _table(done, n, like_x)


def _looked_through(net: Network, inputs: set[str]) -> tuple[tuple[bool, ...], frozenset[str]]:
    """Return which nodes bend, and the names of the values that change where the named inputs do."""
    known = {i.name for i in net.inputs} | {n.name for n in net.nodes}
    moving, bending = set(inputs), []
    for node in net.nodes:
        which = [owner(name, known) in moving for name in node.inputs]
        moves = any(which) and not isinstance(node.layer, Constant)
        bending.append(moves and bends(node, which))
        if moves:
            moving.add(node.name)
    read = {name for node in net.nodes for name in node.inputs if owner(name, known) in moving}
    return tuple(bending), frozenset(moving | read)


def _chunks(lines: Any, fit: int) -> Iterator[slice]:
    """Go through points ``fit`` at a time; neighbours of one line that are parted stand in both parts."""
    start = 0
    while start < len(lines):
        stop = min(start + fit, len(lines))
        yield slice(start, stop)
        start = stop - 1 if stop < len(lines) and lines[stop] == lines[stop - 1] else stop


def _sorted(place: Any, at: Any) -> Any:
    """Return the order by interval, and in an interval by place."""
    if at.dtype == object:
        return np.array(sorted(range(len(at)), key=lambda k: (place[k], at[k])), dtype=int)
    return np.lexsort((at, place))


def _table(done: Sequence[Points], n: int, x: Array) -> tuple[Array, Array]:
    """Return the midpoints and lengths of all intervals, a row for each line, in the numbers of x."""
    lines = np.concatenate([p.lines[p.left] for p in done]) if done else np.zeros(0, dtype=int)
    low = [p.at[p.left] for p in done]
    high = [p.at[p.left + 1] for p in done]
    counts = np.bincount(lines, minlength=n)
    shape = (n, int(counts.max(initial=1)))
    zero, half = scalar(0, x), scalar(0.5, x)
    table = [np.full(shape, zero, dtype=x.dtype) for _ in range(2)]
    if done:
        a, b = np.concatenate(low), np.concatenate(high)
        column = np.arange(len(lines)) - (np.cumsum(counts) - counts)[lines]
        table[0][lines, column], table[1][lines, column] = (a + b) * half, b - a
    xp = namespace(x)
    return convert(table[0], xp), convert(table[1], xp)
