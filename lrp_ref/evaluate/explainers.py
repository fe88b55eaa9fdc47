"""Explanations asked for again: of other inputs, by other networks, a micro-batch of variants at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import Array, like, namespace, require_finite, to_numpy
from ..base.frozen import real
from ..errors import ParameterError, ShapeError, UnsupportedError
from ..network.network import Network
from ..propagation.targets import indices
from .given import Host, Progress, require_input
from .stream import batch_size

Explainer = Callable[[Network, Array, Any], Array]  # (net, x, target (N,) or (N, T)) → maps, one of each row of x


@dataclass(frozen=True, eq=False)
class Asking:
    """An explainer, with its network, samples and targets.

    Attributes:
        net: the network, of one input and one output (N, K).
        explain: (net, x, target) → a map of each row of x.
        x: (N, ...).
        targets: (N, T) on the host; the explainer is given (N,) where T is 1.
    """

    net: Network
    explain: Explainer
    x: Array
    targets: Host

    @staticmethod
    def of(net: Network, explain: Explainer, x: Array, target: Any) -> Asking:
        """Return the question; None as target is each sample's largest output.

        Raises:
            ParameterError: x that holds no floats, or a target that is not there.
            UnsupportedError: a network of several inputs or outputs.
        """
        require_input(x)
        if len(net.inputs) != 1 or len(net.outputs) != 1:
            raise UnsupportedError(
                f"measures that explain again are of networks with one input and one output; this has "
                f"{len(net.inputs)} and {len(net.outputs)}"
            )
        out = net.forward(x)
        if target is None:
            flat = to_numpy(out).reshape(len(x), math.prod(out.shape[1:]))
            chosen = flat.argmax(axis=1).reshape(-1, 1)
        else:
            found = np.asarray(indices(target, len(x), out.shape[1:]))
            chosen = np.broadcast_to(found, (len(x), found.shape[1]))
        return Asking(net, explain, x, np.ascontiguousarray(chosen))

    def maps(self, x: Array | None = None, rows: Any = None, net: Network | None = None) -> Array:
        """Return the maps of inputs (n, ...), variants of the samples ``rows`` (n,), by this or another network."""
        given = self.x if x is None else x
        targets = self.targets if rows is None else self.targets[rows]
        if targets.shape[1] == 1:
            targets = targets[:, 0]
        found = self.explain(self.net if net is None else net, given, targets)
        shape = getattr(found, "shape", None)
        if shape is None or len(shape) < 2 or shape[0] != len(given):
            raise ShapeError(
                f"the explainer returned {type(found).__name__ if shape is None else f'shape {tuple(shape)}'} for x of "
                f"shape {tuple(given.shape)}: it returns a map of each row, as "
                "lambda net, x, target: lrp.attribute(net, x, 'gradient', target=target).relevance does"
            )
        namespace(given, found)
        require_finite(found, "the map of the explainer")
        return found

    def variants(
        self, draws: int, make: Callable[[slice, slice], Array], batch: int | None, progress: Progress | None
    ) -> Iterator[tuple[slice, slice, Array, Array]]:
        """Go through ``draws`` variants of every sample; yield rows, draws, the variants and their maps (n, d, ...).

        Args:
            draws: how many variants of each.
            make: from which samples and which draws to the variants (n, d, ...).
            batch: how many inputs to explain at a time.
            progress: is called with how many are done, and of how many.
        """
        n, size = len(self.x), batch_size(batch, self.x)
        rows = max(1, min(n, size))
        each, done = max(1, size // rows), 0
        for first in range(0, n, rows):
            cut = slice(first, min(first + rows, n))
            for begin in range(0, draws, each):
                some = slice(begin, min(begin + each, draws))
                made = make(cut, some)
                count, d = made.shape[:2]
                which = np.arange(cut.start, cut.stop).repeat(d)
                maps = self.maps(made.reshape(count * d, *made.shape[2:]), which)
                yield cut, some, made, maps.reshape(count, d, *maps.shape[1:])
                done += count * d
                if progress is not None:
                    progress(done, n * draws)


def draws_like(x: Array, draws: int, seed: int, kind: str, noise: Array | None = None) -> Array:
    """Return draws (d, *sample) for all samples alike, so that a sample's do not depend on the others.

    Args:
        x: (N, ...).
        draws: d, from 1 on.
        seed: of the draws.
        kind: "normal" (σ = 1) or "uniform" (−1 to 1).
        noise: the draws themselves instead.

    Raises:
        ParameterError: no draws, or uniform ones beyond ±1.
        ShapeError: noise of another shape.
    """
    if noise is None:
        if draws < 1:
            raise ParameterError(f"draws={draws}: draw at least once")
        rng, shape = np.random.default_rng(seed), (draws, *x.shape[1:])
        return like(rng.standard_normal(shape) if kind == "normal" else rng.uniform(-1, 1, shape), x)
    namespace(noise)
    if not len(noise) or tuple(noise.shape[1:]) != tuple(x.shape[1:]):
        raise ShapeError(f"noise has shape {tuple(noise.shape)}: give (draws, {', '.join(map(str, x.shape[1:]))})")
    require_finite(noise, "noise")
    if kind == "uniform" and bool((abs(to_numpy(noise)) > 1).any()):
        raise ParameterError("noise lies within ±1, as it is multiplied by the radius; divide it by its largest number")
    return like(noise, x)


def norms(array: Array, axes: int) -> Host:
    """Return Euclidean norms over all axes but the first ``axes``, on the host in float64."""
    host = to_numpy(array).astype(float)
    host = host.reshape(*host.shape[:axes], math.prod(host.shape[axes:]))
    # The squares of what is divided by its largest number are neither 0 nor infinite.
    most = abs(host).max(axis=-1, initial=0)
    scaled = host / np.where(most == 0, 1, most)[..., None]
    return np.asarray(most * np.sqrt((scaled**2).sum(axis=-1)))


def smoothed(explain: Explainer, *, draws: int = 50, sigma: float = 0.1, seed: int = 0) -> Explainer:
    """Return an explainer whose maps are the means over noisy inputs x + σ (max x − min x) ξ, as of SmoothGrad.

    Args:
        explain: (net, x, target) → a map like x.
        draws: how many noisy inputs.
        sigma: σ ≥ 0, relative to the range of each sample.
        seed: of the noise, which is the same for all samples.

    Raises:
        ParameterError: no draws, or a negative σ.

    Source: Smilkov et al. 2017; Hedström et al. 2023 (for smooth parameter randomisation).

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net = Network.sequential([Dense(np.array([[2.0], [3.0]]))])
        >>> smoothed(lambda net, x, target: 2 * x, sigma=0.0)(net, np.array([[1.0, 2.0]]), 0)
        array([[2., 4.]])
    """
    if draws < 1:
        raise ParameterError(f"draws={draws}: draw at least once")
    if not real("sigma", sigma) >= 0:
        raise ParameterError(f"sigma must be ≥ 0, got {sigma!r}")

    def mean(net: Network, x: Array, target: Any) -> Array:
        asking = Asking.of(net, explain, x, target)
        noise, spans = draws_like(x, draws, seed, "normal"), like(sigma, x) * spread(x)

        def noisy(cut: slice, some: slice) -> Array:
            return x[cut][:, None] + spans[cut][:, None] * noise[some][None]

        if not len(x):
            return asking.maps()
        totals: dict[int, Array] = {}
        for cut, _, _, maps in asking.variants(draws, noisy, None, None):
            # One draw after the other, as the sum of a sample is then the same in a batch of any size.
            for d in range(maps.shape[1]):
                totals[cut.start] = totals[cut.start] + maps[:, d] if cut.start in totals else maps[:, d]
        return namespace(x).concatenate(list(totals.values()), axis=0) / draws

    return mean


def spread(x: Array) -> Array:
    """Return max − min of each sample, so that it broadcasts against x (N, ...)."""
    flat = x.reshape(len(x), math.prod(x.shape[1:]))
    return (flat.max(axis=1) - flat.min(axis=1)).reshape(len(x), *(1,) * (x.ndim - 1)) if flat.shape[1] else x
