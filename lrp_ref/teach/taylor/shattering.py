"""Why one Taylor expansion fails on deep networks, measured: far roots, and gradients that shatter into noise.

Networks with random weights, as in Balduzzi et al. 2017: what is measured belongs to depth, not to a training.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...base.arrays import Array, namespace
from ...errors import ParameterError, ShapeError
from ...layers import Dense, Layer, ReLU
from ...network.network import Network
from ...propagation.composites import Composite, first
from ...propagation.explaining import explain
from ...rules import Epsilon, GeneralizedGamma, WSquare, ZPlus
from .expansion import TaylorDecomposition, decompose
from .pieces import piece, require_pieces
from .root import NoRootError

DEPTHS = (1, 2, 4, 8, 16, 32)
DEEP_TAYLOR = Composite([(first(Dense), WSquare()), (Dense, ZPlus())], name="w2 below, z+ above")
METHODS = {"deep Taylor": DEEP_TAYLOR, "LRP-γ": GeneralizedGamma(0.25), "LRP-ε": Epsilon(1e-6)}
POINTS, LAG = 101, 5


@dataclass(frozen=True)
class Measured:
    """What was measured of the networks of one depth; each number is a median over networks unless said otherwise.

    Attributes:
        depth: number of hidden layers.
        distance: |x − x̃|/|x| at the quartiles 25 %, 50 %, 75 %; infinite for networks without a root.
        without_root: share of the networks for which no root was found.
        missed: |f(x) − Σ_i R_i| / |f(x)| by method; for "Taylor", of the networks with a root.
        autocorrelation: of the relevance, or gradient, of inputs 5 % of |x| apart, by method.
        targets: |cos| of the maps of two outputs, by method: 1 if they do not tell the outputs apart.
    """

    depth: int
    distance: tuple[float, float, float]
    without_root: float
    missed: dict[str, float]
    autocorrelation: dict[str, float]
    targets: dict[str, float]


def random_network(
    depth: int, *, inputs: int = 16, width: int = 64, outputs: int = 2, bias: float = 0.1, seed: int = 0
) -> Network:
    """Return a fully connected ReLU network with weights N(0, 2/fan-in) (the last layer's: 1/fan-in).

    Args:
        depth: number of hidden layers, at least 1.
        inputs, width, outputs: numbers of units.
        bias: standard deviation of the biases.
        seed: of the weights.

    Raises:
        ParameterError: no hidden layer.

    Source: He et al. 2015 (the variance); Balduzzi et al. 2017 (the experiment).

    Example:
        >>> random_network(1, inputs=2, width=3)
        Network input → output dense2
          dense1  Dense(weight=float64[2, 3], bias=float64[3])  ← input
          relu1   ReLU()                                        ← dense1
          dense2  Dense(weight=float64[3, 2], bias=float64[2])  ← relu1
    """
    if depth < 1:
        raise ParameterError(f"a network needs at least 1 hidden layer, got depth {depth}")
    rng, size = np.random.default_rng(seed), inputs
    layers: list[Layer] = []
    for _ in range(depth):
        weight = rng.normal(size=(size, width)) * np.sqrt(2 / size)
        layers += [Dense(weight, bias * rng.normal(size=width)), ReLU()]
        size = width
    layers.append(Dense(rng.normal(size=(size, outputs)) * np.sqrt(1 / size), bias * rng.normal(size=outputs)))
    return Network.sequential(layers)


def gradient(net: Network, x: Array, target: int) -> Array:
    """Return ∂f/∂x (N, ...) of output ``target`` of a network of linear layers, routes and ReLUs.

    Example:
        >>> gradient(Network.sequential([Dense(np.array([[2.0], [-1.0]]))]), np.ones((1, 2)), 0)
        array([[ 2., -1.]])
    """
    require_pieces(net)
    return piece(net, x, 0 * x).gradient(target)


def line(seed: int, *, inputs: int = 16, points: int = POINTS) -> Array:
    """Return points (N, inputs) at even distances on a line as long as its middle's distance from 0.

    With the default of 101 points, two neighbours are 1 % of |x| apart.
    """
    rng = np.random.default_rng(1000 + seed)
    middle, along = rng.normal(size=(2, inputs))
    along *= np.linalg.norm(middle) / np.linalg.norm(along)
    found: Array = middle + np.linspace(-0.5, 0.5, points)[:, None] * along
    return found


def autocorrelation(maps: Array, lag: int) -> float:
    """Return how similar the maps of inputs ``lag`` positions apart on a path are, after their mean is taken off.

    Formula: Σ_τ ⟨c_τ, c_{τ+lag}⟩ / √(Σ_τ |c_τ|² · Σ_τ |c_{τ+lag}|²), c = maps − their mean over the path.

    Args:
        maps: (T, ...), gradients or relevances along a path.
        lag: 1 … T − 1, in positions.

    Returns:
        1 for maps that hardly change, about 0 for white noise; without unit. 0 where the maps do not change at all.

    Raises:
        ShapeError: fewer than lag + 1 maps, or a lag below 1.

    Source: Balduzzi et al. 2017 (autocorrelation of gradients).

    Example:
        >>> autocorrelation(np.array([[1.0], [-1.0], [1.0], [-1.0]]), 2)
        1.0
    """
    if not 1 <= lag < len(maps):
        raise ShapeError(f"lag {lag} does not fit {len(maps)} maps: it must be at least 1 and below their number")
    centred = maps.reshape(len(maps), -1) - maps.reshape(len(maps), -1).mean(axis=0)
    early, late = centred[:-lag], centred[lag:]
    size = namespace(maps).sqrt((early * early).sum() * (late * late).sum())
    return float((early * late).sum() / size) if size > 0 else 0.0


def nearest(net: Network, x: Array, target: int) -> TaylorDecomposition | None:
    """Return the decomposition at the nearer of the roots that Newton's steps and the gradient's line find, if any."""
    found = []
    for search in ("nearest", "gradient"):
        try:
            found.append(decompose(net, x, target, search=search))
        except NoRootError:
            continue
    return min(found, key=lambda d: float(d.distance[0]), default=None)


def study(
    depths: Sequence[int] = DEPTHS, *, networks: int = 40, report: Callable[[str], object] | None = None
) -> list[Measured]:
    """Measure roots, residuals, autocorrelation and the similarity of two outputs' maps over depth.

    Args:
        depths: numbers of hidden layers.
        networks: how many random networks of each depth, each with its own line of inputs.
        report: is told what comes next.
    """
    found = []
    for depth in depths:
        if report is not None:
            report(f"{networks} networks of {depth} hidden layers")
        found.append(_study_one(depth, networks))
    return found


def _study_one(depth: int, networks: int) -> Measured:
    """Measure the networks of one depth."""
    roots: list[TaylorDecomposition | None] = []
    missed, smooth, targets = (defaultdict[str, list[float]](list) for _ in range(3))
    for seed in range(networks):
        net, path = random_network(depth, seed=seed), line(seed)
        roots.append(nearest(net, path[POINTS // 2][None], 0))
        f = net.forward(path)[:, 0]
        for name, (own, other) in maps_of(net, path).items():
            smooth[name].append(autocorrelation(own, LAG))
            targets[name].append(_cosine(own, other))
            if name in METHODS:
                missed[name].append(float(np.median(abs(f - own.sum(axis=1)) / abs(f))))
    hits = [d for d in roots if d is not None]
    missed["Taylor"] = [float(abs(d.residual[0] / d.output[0])) for d in hits] or [float("nan")]
    far = [float("inf") if d is None else float(d.distance[0] / d.norm[0]) for d in roots]
    quartiles = _quantile(far, 0.25), _quantile(far, 0.5), _quantile(far, 0.75)
    medians = ({k: float(np.median(v)) for k, v in table.items()} for table in (missed, smooth, targets))
    return Measured(depth, quartiles, 1 - len(hits) / networks, *medians)


def maps_of(net: Network, path: Array) -> dict[str, tuple[Array, Array]]:
    """Return for each method its maps (T, ...) of the outputs 0 and 1 along a path of inputs."""
    found = {"gradient": (gradient(net, path, 0), gradient(net, path, 1))}
    for name, composite in METHODS.items():
        own, other = (explain(net, path, target=k, composite=composite).relevance for k in (0, 1))
        found[name] = (own, other)
    return found


def _cosine(a: Array, b: Array) -> float:
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return float(np.median(abs((a * b).sum(axis=1))[size > 0] / size[size > 0]))


def _quantile(values: list[float], part: float) -> float:
    """Return a quantile as one of the values, the lower of two, so that infinite ones do not spread."""
    return sorted(values)[int(part * (len(values) - 1))]
