"""Occlusion: what the score loses when a window of the input is filled with something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.arrays import Array, namespace, sample_sum
from ..errors import ParameterError, unknown
from .fills import filled, settled_fill
from .local import Local
from .method import Made, Method
from .positions import CHANNELS, Axes, require_axis
from .scored import Block, Scored
from .windows import BORDERS, Windows

KEPT = ("rest", "window")
MEASURES = ("difference", "score", "start")
OVERLAPS = ("mean", "sum")
PATCH = 8  # positions of an image or a signal; a feature of a table is a window of its own


@dataclass(frozen=True, eq=False, repr=False)
class Occlusion(Method):
    """R_p = mean over the windows W that p is in of f(x) − f(x with W filled); no share of f.

    A window goes through all channels. Along an axis of n positions there are ⌈(n − patch)/stride⌉ + 1 windows, of
    which the last is cut at the border. Every window costs one forward pass of the sample; ``found["effect"]`` has
    what each gave, by its place (N, *windows), of input "name" of several as ``"effect/name"``. Each input is occluded
    by itself.

    The last four parameters reproduce what other programs compute under this name (``lrp.methods.DIALECTS``).

    Args:
        patch: positions that a window is wide: one number, or one per axis; None for 8, and for 1 in samples of one
            axis, whose features stand alone.
        stride: from one window to the next, likewise; None for that of the patch: windows beside each other.
        fill: what is put into a window: a number; one per channel; an array like x or like a sample; a dict of such by
            name of the input; or made of the sample: "channel_mean" (also "mean"), of each channel over its positions;
            "sample_mean", of all its numbers; "blur", the mean over the positions up to one patch away; "noise",
            Gaussian with each channel's mean and standard deviation, of the same draw for every sample.
        axis: of a sample that holds its channels: "channels" for the one that its input declares, and otherwise the
            first of several, as in (C, H, W); a number, such as −1 for (H, W, C); None for windows over all axes.
        seed: of the noise.
        keeps: "rest" fills the window; "window" fills everything else.
        measure: "difference", f(x) − f(variant); "score", f(variant) itself; "start", the sum of the factors c_k of the
            score, whatever the network gives.
        overlap: "mean" or "sum" over the windows of a position.
        border: "cut"; "wrap" lets a window go on at the other end, and starts one at every stride.

    Raises:
        ParameterError: a parameter out of its range; a stride that leaves positions without a window.
        ShapeError: a fill that does not fit the input.
        UnsupportedError: an input of tokens, or noise on exact numbers.

    Source: Zeiler & Fergus 2014, §4.2 (grey square).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.ones((5, 1)))])
        >>> x = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])
        >>> lrp.attribute(net, x, "occlusion", patch=2).relevance
        array([[3., 3., 7., 7., 5.]])
        >>> lrp.attribute(net, x, "occlusion", patch=3, stride=1).found["effect"]
        array([[ 6.,  9., 12.]])
    """

    name: ClassVar[str] = "occlusion"

    patch: int | tuple[int, ...] | None = None
    stride: int | tuple[int, ...] | None = None
    fill: Any = 0
    axis: int | str | None = CHANNELS
    seed: int = 0
    keeps: str = "rest"
    measure: str = "difference"
    overlap: str = "mean"
    border: str = "cut"

    def __post_init__(self) -> None:
        for what in ("patch", "stride"):
            given = getattr(self, what)
            given = tuple(given) if isinstance(given, list | tuple) else given
            object.__setattr__(self, what, given)
            each = given if isinstance(given, tuple) else () if given is None else (given,)
            if any(type(n) is not int or n < 1 for n in each) or given == ():
                raise ParameterError(
                    f"occlusion: {what}={given!r}: give a whole number of 1 or more, or a tuple of one for each axis"
                )
        for what, known in (("keeps", KEPT), ("measure", MEASURES), ("overlap", OVERLAPS), ("border", BORDERS)):
            if getattr(self, what) not in known:
                raise unknown(f"{what} of occlusion", str(getattr(self, what)), known)
        require_axis(self.axis, "occlusion")
        object.__setattr__(self, "fill", settled_fill(self.fill, "occlusion"))

    def run(self, scored: Scored) -> Made:
        inputs = {name: self._input(scored, name) for name in scored.movable}
        effects = self._effects(scored, inputs)
        several = len(inputs) > 1
        relevance, found = {}, {}
        for name, one in inputs.items():
            x, effect = scored.fed[name], effects[name]
            spread = one.windows.spread(effect, mean=self.overlap == "mean")
            wide = spread.reshape(len(x), *one.axes.along(one.windows.sizes))
            xp = namespace(x)
            relevance[name] = xp.ascontiguousarray(xp.broadcast_to(wide, x.shape))
            found[f"effect/{name}" if several else "effect"] = effect.reshape(len(x), *one.windows.counts)
        return Made(relevance, found=found)

    def formula(self) -> str:
        what = "x with W filled" if self.keeps == "rest" else "x with all but W filled"
        effect = {"difference": f"f(x) − f({what})", "score": f"f({what})", "start": "Σ_k c_k"}[self.measure]
        return f"R_p = {self.overlap} over windows W∋p of {effect}"

    def _input(self, scored: Scored, name: str) -> _Input:
        """Return the windows over one input and what fills them."""
        x = scored.fed[name]
        spec = next(i for i in scored.net.inputs if i.name == name)
        axes = Axes.of(x.shape[1:], self.axis, spec.axes[1:], "occlusion: axis")
        patch = self.patch if self.patch is not None else PATCH if len(axes.shape) > 1 else 1
        windows = Windows.of(axes.sizes, patch, self.stride, self.border, f"input '{name}'")
        if self.overlap == "mean" and not windows.covering:
            raise ParameterError(
                f"occlusion: stride={self.stride!r} is larger than patch={patch!r}, and leaves positions of input "
                f"'{name}' that no window covers: give stride ≤ patch"
            )
        return _Input(x, axes, windows, filled(scored, name, self.fill, axes, patch, self.seed))

    def _effects(self, scored: Scored, inputs: dict[str, _Input]) -> dict[str, Array]:
        """Return what each window gives (N, windows), by name of the input."""
        total, xp, n = sum(len(one.windows) for one in inputs.values()), namespace(scored.output), len(scored)
        found = {name: xp.zeros((n, len(one.windows)), dtype=scored.output.dtype) for name, one in inputs.items()}
        if self.measure == "start":
            start = sample_sum(scored.coefficients).reshape(n, 1)
            return {name: xp.broadcast_to(start, array.shape) for name, array in found.items()}
        score, local = scored.score, dict[str, Local | None]()
        rows = slice(0, 0)
        for block in scored.blocks(total, back=False):
            if block.rows != rows:
                rows = block.rows
                local = {name: self._local(scored.some(rows), name, one) for name, one in inputs.items()}
            for name, part in _parts(block, inputs):
                shared = local.get(name)
                if shared is None:
                    values = scored.values({name: inputs[name].variants(part, self.keeps)}, part)
                else:
                    values = shared.values(inputs[name].fill[rows], Block(slice(0, part.shape[0]), part.steps))
                if self.measure == "difference":
                    values = score[part.rows].reshape(-1, 1) - values
                found[name][part.rows, part.steps] = values
        return found

    def _local(self, some: Scored, name: str, one: _Input) -> Local | None:
        """Return what lets the windows share the work outside their reach; None where they cannot."""
        boxes = self.keeps == "rest" and self.border == "cut" and one.axes.channels == 0 and len(some) > 0
        return Local.of(some, name, one.windows) if boxes else None


@dataclass(frozen=True, eq=False)
class _Input:
    """One input that is occluded.

    Attributes:
        x: its samples (N, ...).
        axes: which of their axes are positions.
        windows: over these.
        fill: what stands in for x (N, ...).
    """

    x: Array
    axes: Axes
    windows: Windows
    fill: Array

    def variants(self, part: Block, keeps: str) -> Array:
        """Return the samples (n, s, ...) with some of the windows filled, or with everything else."""
        xp, (_, s) = namespace(self.x), part.shape
        inside = self.windows.masks(part.steps, xp).reshape(1, s, *self.axes.along(self.windows.sizes))
        x, fill = self.x[part.rows][:, None], self.fill[part.rows][:, None]
        return xp.where(inside, fill, x) if keeps == "rest" else xp.where(inside, x, fill)


def _parts(block: Block, inputs: dict[str, _Input]) -> Iterator[tuple[str, Block]]:
    """Go through the parts of a block of windows, which are counted on from input to input, that lie in one input."""
    first = 0
    for name, one in inputs.items():
        begin, end = max(block.steps.start - first, 0), min(block.steps.stop - first, len(one.windows))
        if begin < end:
            yield name, Block(block.rows, slice(begin, end))
        first += len(one.windows)
