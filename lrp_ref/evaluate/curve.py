"""A curve of outputs against how much of the input is removed, and the numbers that sum it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arithmetic import scalar
from ..base.arrays import Array, namespace, to_numpy
from ..base.frozen import Value
from ..base.tables import html, number, text
from ..errors import ParameterError

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 11  # points of a curve that are printed


@dataclass(frozen=True, eq=False, repr=False)
class Curve(Value):
    """The output of a network while more and more of each input is replaced.

    Attributes:
        curve: (N, K + 1), f at the points k = 0 … K, in the unit of f.
        counts: how many units are replaced at each point (K + 1), from 0.
        units: that a sample has.
        measure: how it was made, such as "pixel_flipping".
        order: "morf", the most relevant units first, or "lerf", the least.
        fill: what the units were replaced with, in words.
        softmax: whether the curve is of the probability.
        target: the measured outputs (N, T); None where there are no samples.

    Example:
        >>> made = Curve(np.array([[3.0, 1.0, 0.0]]), (0, 1, 2), 2)
        >>> made.aopc, made.auc, made.fractions
        (array([1.66666667]), array([1.25]), (0.0, 0.5, 1.0))
    """

    curve: Array
    counts: tuple[int, ...]
    units: int
    measure: str = "pixel_flipping"
    order: str = "morf"
    fill: str = "0"
    softmax: bool = False
    target: Array | None = None

    @staticmethod
    def joined(curves: Sequence[Curve]) -> Curve:
        """Return the curves of all samples of several parts of a data set, one part behind the other.

        Raises:
            ParameterError: none are given, or curves that were made in another way: other points, order or fill.

        Example:
            >>> one, two = (Curve(np.array([[top, 1.0, 0.0]]), (0, 1, 2), 2) for top in (3.0, 2.0))
            >>> Curve.joined([one, two]).aopc
            array([1.66666667, 1.        ])
        """
        if not curves:
            raise ParameterError("there are no curves to join: give at least one")
        first = curves[0]
        for name in ("counts", "units", "measure", "order", "fill", "softmax"):
            for k, other in enumerate(curves):
                if getattr(other, name) != getattr(first, name):
                    raise ParameterError(
                        f"curve {k} has {name} {getattr(other, name)!r}, and the first {getattr(first, name)!r}: "
                        "join curves that were made in the same way"
                    )
        targets = [c.target for c in curves if c.target is not None]
        xp = namespace(*(c.curve for c in curves))
        target = xp.concatenate(targets, axis=0) if targets else None
        return replace(first, curve=xp.concatenate([c.curve for c in curves], axis=0), target=target)

    @property
    def fractions(self) -> tuple[float, ...]:
        """The replaced part of all units at each point, 0 to 1."""
        return tuple(count / self.units for count in self.counts)

    @property
    def aopc(self) -> Array:
        """Area over the perturbation curve, 1/(K + 1) · Σ_k (f(x⁽⁰⁾) − f(x⁽ᵏ⁾)), per sample (N,), in the unit of f.

        Source: Samek et al. 2017, eq. 12.
        """
        f = self._wide
        return ((f[:, :1] - f).sum(axis=1) / scalar(f.shape[1], f)).astype(self.curve.dtype)

    @property
    def auc(self) -> Array:
        """Mean height, by the trapezoid rule over the replaced part on [0, 1], per sample (N,), in the unit of f."""
        f, counts = self._wide, self.counts
        area = sum((f[:, k] + f[:, k + 1]) * scalar(counts[k + 1] - counts[k], f) for k in range(len(counts) - 1))
        return (area / scalar(2 * (counts[-1] - counts[0]), f)).astype(self.curve.dtype)

    @property
    def _wide(self) -> Array:
        """The curve in numbers whose sums are numbers too: of half precision in double."""
        return self.curve.astype("float64") if self.curve.dtype == "float16" else self.curve

    def __repr__(self) -> str:
        f = to_numpy(self.curve).astype(np.float64)
        head = (
            f"Curve({self.measure}, {self.order}, fill {self.fill}{', softmax' if self.softmax else ''}: "
            f"{len(f)} sample(s), {len(self.counts) - 1} steps to {self.counts[-1]} of {self.units} units"
        )
        if not len(f):
            return head + ")"
        sums = ", ".join(f"{name} {_spread(getattr(self, name))}" for name in ("aopc", "auc"))
        return f"{head}; {sums})\n{text(*self._table(f), right=range(4))}"

    def _repr_html_(self) -> str:
        f = to_numpy(self.curve).astype(np.float64)
        return html(*self._table(f), title=repr(self).split("\n", 1)[0], right=range(4)) if len(f) else repr(self)

    def _table(self, f: Any) -> tuple[list[str], list[list[str]]]:
        shown = np.unique(np.linspace(0, len(self.counts) - 1, min(SHOWN, len(self.counts))).round().astype(int))
        low, middle, high = np.quantile(f, (0.25, 0.5, 0.75), axis=0)
        rows = [[str(self.counts[k]), number(middle[k]), number(low[k]), number(high[k])] for k in shown]
        return ["inserted" if self.measure == "insertion" else "replaced", "median f", "25 %", "75 %"], rows

    def picture(self, **arguments: Any) -> Image:
        """Draw the median and the interquartile range; arguments of :func:`lrp_ref.heatmap.curves`."""
        from ..heatmap import curves

        name = f"{self.measure} ({self.order})"
        lines = {name: to_numpy(self.curve).astype(np.float64)}
        return curves(lines, self.fractions, **{"axes": self.axes} | arguments)

    @property
    def axes(self) -> tuple[str, str]:
        """What the axes of a picture are: the part of the units, and the measured output."""
        what = "put into" if self.measure == "insertion" else "replaced by"
        return f"part {what} {self.fill}", "probability" if self.softmax else "output"


def _spread(values: Array) -> str:
    low, middle, high = np.quantile(to_numpy(values).astype(np.float64), (0.25, 0.5, 0.75))
    return f"{number(middle)} [{number(low)}, {number(high)}]"
