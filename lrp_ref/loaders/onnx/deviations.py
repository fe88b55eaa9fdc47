"""Normalisations and softmaxes that exporters write as several nodes, found from the graph.

Facts follow the values: this one is the mean of that one over these axes, that one less its mean, a mean square, a root
of one. A value divided by its own deviation is one Normalize, an exponential divided by its sum one Softmax.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...layers import Layer, Normalize, Softmax
from .values import Signal, Sizes

Axes = tuple[int, ...]


@dataclass(frozen=True)
class Over:
    """Something that was made of a signal along axes of it (of the network, which stay with size 1)."""

    signal: Signal
    axes: Axes


@dataclass(frozen=True)
class Spread:
    """(mean square of a signal, less its mean if ``centred``, + epsilon)^power."""

    over: Over
    centred: bool
    epsilon: float = 0.0
    power: float = 1.0


@dataclass(frozen=True)
class Found:
    """The layer that several nodes are, and the signal that it reads."""

    layer: Layer
    source: Signal


class Deviations:
    """The facts known about means and deviations of one graph, by the name of the value."""

    def __init__(self) -> None:
        self._means: dict[str, Over] = {}
        self._kept: dict[str, Signal] = {}
        self._largest: dict[str, Over] = {}
        self._centred: dict[str, Over] = {}
        self._shifted: dict[str, Over] = {}
        self._squares: dict[str, Signal] = {}
        self._spreads: dict[str, Spread] = {}
        self._exponentials: dict[str, Signal] = {}
        self._sums: dict[str, Over] = {}

    def note_reduced(self, result: Signal, x: Signal, axes: Axes, *, mean: bool) -> None:
        """Note that ``result`` is the mean, or the sum, of ``x`` along axes that stay."""
        if not mean:
            self._sums[result.value] = Over(x, axes)
            return
        self._means[result.value] = Over(x, axes)
        base = self._squares.get(x.value)
        if base is not None:
            # The mean square of what is left of a mean over the same axes is a variance.
            centred = self._centred.get(base.value)
            variance = centred is not None and centred.axes == axes
            over = centred if centred is not None and variance else Over(base, axes)
            self._spreads[result.value] = Spread(over, centred=variance)

    def note_kept(self, result: Signal, kept: Signal) -> None:
        """Note that ``kept`` is the mean ``result`` with the reduced axes still there."""
        self._kept[result.value] = kept

    def with_axes(self, x: Signal, sizes: tuple[Sizes, ...]) -> Signal | None:
        """Return the mean x with the reduced axes still there, if its samples then have these sizes in each probe."""
        kept = self._kept.get(x.value)
        return kept if kept is not None and kept.sizes == sizes else None

    def note_largest(self, result: Signal, x: Signal, axes: Axes) -> None:
        """Note that ``result`` is the largest of ``x`` along axes that stay."""
        self._largest[result.value] = Over(x, axes)

    def note_difference(self, result: Signal, a: Signal, b: Signal) -> None:
        """Note result = a − b: what is left of a mean or maximum, or E x² − (E x)², which is a variance as well."""
        mean, largest = self._means.get(b.value), self._largest.get(b.value)
        if mean is not None and mean.signal == a:
            self._centred[result.value] = mean
        if largest is not None and largest.signal == a:
            self._shifted[result.value] = largest
        spread, squared = self._spreads.get(a.value), self._squares.get(b.value)
        mean = None if squared is None else self._means.get(squared.value)
        if spread is not None and spread == Spread(spread.over, centred=False) and spread.over == mean:
            self._spreads[result.value] = replace(spread, centred=True)

    def note_affine(self, result: Signal, x: Signal, scale: float, shift: float) -> None:
        """Note result = scale·x + shift."""
        spread = self._spreads.get(x.value)
        if spread is not None and spread.power == scale == 1 and shift >= 0:
            self._spreads[result.value] = replace(spread, epsilon=spread.epsilon + shift)

    def note_power(self, result: Signal, x: Signal, exponent: float) -> None:
        """Note result = x^exponent."""
        spread = self._spreads.get(x.value)
        if exponent == 2:
            self._squares[result.value] = x
        elif spread is not None:
            self._spreads[result.value] = replace(spread, power=spread.power * exponent)

    def note_exponential(self, result: Signal, x: Signal) -> None:
        """Note result = exp(x)."""
        self._exponentials[result.value] = x

    def quotient(self, a: Signal, b: Signal) -> Found | None:
        """Return the layer that a/b is, if b is the deviation of a, or the sum of the exponentials that a are."""
        spread, total = self._spreads.get(b.value), self._sums.get(b.value)
        if spread is not None and spread.power == 0.5:
            return self._normalized(a, spread)
        x = self._exponentials.get(a.value)
        if x is None or total is None or total.signal != a or len(total.axes) != 1:
            return None
        shifted = self._shifted.get(x.value)
        source = shifted.signal if shifted is not None and shifted.axes == total.axes else x
        return Found(Softmax(total.axes[0]), source)

    def product(self, a: Signal, b: Signal) -> Found | None:
        """Return the layer that a·b is, if one of them is the inverse deviation of the other."""
        for one, other in ((a, b), (b, a)):
            spread = self._spreads.get(other.value)
            if spread is not None and spread.power == -0.5:
                found = self._normalized(one, spread)
                if found is not None:
                    return found
        return None

    def _normalized(self, a: Signal, spread: Spread) -> Found | None:
        over = spread.over
        divided = self._centred.get(a.value) if spread.centred else Over(a, over.axes)
        if divided != over:
            return None
        return Found(Normalize(over.axes, spread.epsilon, spread.centred), over.signal)
