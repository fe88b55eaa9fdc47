"""How far a map moves when its input moves a little."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..base.arrays import Array, like
from ..base.frozen import real
from ..errors import ParameterError
from ..network.network import Network
from .explainers import Asking, Explainer, draws_like, norms
from .given import Host, Progress, quotient


def max_sensitivity(
    net: Network,
    explain: Explainer,
    x: Array,
    target: Any = None,
    *,
    radius: float = 0.02,
    draws: int = 10,
    seed: int = 0,
    noise: Array | None = None,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Host:
    """Return max over δ, ‖δ‖∞ ≤ r, of ‖R(x + δ) − R(x)‖/‖R(x)‖ (N,), over draws; 0 where the map does not move.

    The target stays that of x. NaN where R(x) is 0 throughout. The literature draws with r = 0.02 and 0.2: the number
    means nothing without it.

    Args:
        net: the network.
        explain: (net, x, target) → a map like x.
        x: (N, ...).
        target: as of :func:`lrp_ref.explain`; None for each sample's largest output.
        radius: r > 0, in the unit of x.
        draws: how many δ, uniform, the same for all samples.
        seed: of the draws.
        noise: the draws themselves (draws, *sample) instead, within ±1; r times them is added.
        batch: inputs that are explained at once.
        progress: called with (done, total) inputs.

    Raises:
        ParameterError: a radius that is not positive, no draws, or noise beyond ±1.
        ShapeError: noise of another shape.

    Source: Yeh et al. 2019.

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net, x = Network.sequential([Dense(np.array([[2.0], [3.0]]))]), np.array([[1.0, 2.0]])
        >>> max_sensitivity(net, lambda net, x, target: x * 0 + 2.0, x, 0)
        array([0.])
    """
    if not real("radius", radius) > 0:
        raise ParameterError(f"max_sensitivity: radius must be > 0, got {radius!r}")
    asking = Asking.of(net, explain, x, target)
    deltas = like(radius, x) * draws_like(x, draws, seed, "uniform", noise)
    still, moved = asking.maps(), np.zeros(len(x))
    for cut, _, _, maps in asking.variants(
        len(deltas), lambda cut, some: x[cut][:, None] + deltas[some][None], batch, progress
    ):
        moved[cut] = np.maximum(moved[cut], norms(maps - still[cut][:, None], 2).max(axis=1))
    return quotient(moved, norms(still, 1))


def local_lipschitz(
    net: Network,
    explain: Explainer,
    x: Array,
    target: Any = None,
    *,
    sigma: float = 0.1,
    draws: int = 10,
    seed: int = 0,
    noise: Array | None = None,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Host:
    """Return the local Lipschitz estimate max ‖R(x) − R(x')‖/‖x − x'‖ (N,) over x' = x + σ ξ, ξ normal.

    Maps and inputs are compared as they are, not each divided by its own largest number. The target stays that of x.
    NaN where no draw moves the input.

    Args:
        net, explain, x, target, draws, seed, batch, progress: as of :func:`max_sensitivity`.
        sigma: σ > 0, in the unit of x.
        noise: the draws ξ themselves (draws, *sample).

    Raises:
        ParameterError: a σ that is not positive, or no draws.
        ShapeError: noise of another shape.

    Source: Alvarez-Melis & Jaakkola 2018.

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net, x = Network.sequential([Dense(np.array([[2.0], [3.0]]))]), np.array([[1.0, 2.0]])
        >>> local_lipschitz(net, lambda net, x, target: 2 * x, x, 0).round(6)
        array([2.])
    """
    if not real("sigma", sigma) > 0:
        raise ParameterError(f"local_lipschitz: sigma must be > 0, got {sigma!r}")
    asking = Asking.of(net, explain, x, target)
    steps = like(sigma, x) * draws_like(x, draws, seed, "normal", noise)
    still, found = asking.maps(), np.full(len(x), math.nan)
    for cut, _, made, maps in asking.variants(
        len(steps), lambda cut, some: x[cut][:, None] + steps[some][None], batch, progress
    ):
        ratio = quotient(norms(maps - still[cut][:, None], 2), norms(made - x[cut][:, None], 2))
        found[cut] = np.fmax(found[cut], np.fmax.reduce(ratio, axis=1))
    return found
