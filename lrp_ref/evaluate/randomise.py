"""Sanity checks: a map of a network whose parameters are random, or of another class, should not be the same map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..base import tables
from ..base.arrays import Array, convert, is_float, namespace, to_numpy
from ..base.tables import number
from ..errors import ParameterError, ShapeError, unknown
from ..layers.base import Layer
from ..network.network import Network
from .explainers import Asking, Explainer, smoothed
from .given import Host, Progress, host_map, quotient
from .similarity import find_similarity

ORDERS = ("top_down", "bottom_up", "independent")
DRAWN = ("normal", "permute")
BINS = 100


@dataclass(frozen=True, eq=False, repr=False)
class Randomised:
    """How alike the maps of a network and of one with random parameters are, layer by layer.

    Attributes:
        names: the nodes, in the order in which their parameters became random.
        similarity: of the maps after each step (layers, N).
        order: "top_down", "bottom_up" (each with all before it), or "independent" (each alone).
        measured: which similarity.
    """

    names: tuple[str, ...]
    similarity: Host
    order: str
    measured: str

    @property
    def last(self) -> Host:
        """The similarity after the last step (N,); of cascades, when all parameters are random."""
        return np.asarray(self.similarity[-1])

    @property
    def remains(self) -> Host:
        """The size of :attr:`last` (N,): how much of the map does not depend on what the network has learnt."""
        return np.asarray(abs(self.last))

    def __getitem__(self, name: str) -> Host:
        """Return the similarity (N,) after the step in which the parameters of that node became random."""
        if name not in self.names:
            raise unknown("node", str(name), self.names)
        return np.asarray(self.similarity[self.names.index(name)])

    def rows(self) -> list[list[str]]:
        """Return the rows of the printed table: medians over the samples, with the quartiles."""
        found = []
        for name, row in zip(self.names, self.similarity, strict=True):
            known = row[~np.isnan(row)]
            parts = np.quantile(known, (0.5, 0.25, 0.75)) if len(known) else [math.nan] * 3
            found.append([name, *(number(float(part)) for part in parts)])
        return found

    def __repr__(self) -> str:
        headers = ("random", f"median {self.measured}", "lower quartile", "upper quartile")
        return f"{self.order}, {self.similarity.shape[1]} samples\n{tables.text(headers, self.rows(), right=(1, 2, 3))}"

    def _repr_html_(self) -> str:
        headers = ("random", f"median {self.measured}", "lower quartile", "upper quartile")
        return tables.html(headers, self.rows(), title=self.order, right=(1, 2, 3))


def parameter_randomisation(
    net: Network,
    explain: Explainer,
    x: Array,
    target: Any = None,
    *,
    order: str = "top_down",
    by: str = "normal",
    at: Sequence[str] | None = None,
    drawn: Mapping[str, Layer] | None = None,
    similarity: str = "spearman_absolute",
    per: str | None = None,
    smooth: int = 0,
    sigma: float = 0.1,
    seed: int = 0,
    progress: Progress | None = None,
) -> Randomised:
    """Return how alike maps stay while the parameters of one layer after the other become random.

    A map that says what the network has learnt is another one then: its similarity falls to 0.

    Args:
        net: the network.
        explain: (net, x, target) → a map like x.
        x: (N, ...).
        target: as of :func:`lrp_ref.explain`; None for each sample's largest output under the network as it is.
        order: "top_down" from the output on, each layer staying random, "bottom_up", or "independent", one at a time.
        by: "normal" draws each array from N(0, σ²), with σ² the mean of its squares; "permute" shuffles it.
        at: names of the nodes whose parameters become random; None for all that have any. What a node multiplies or
            adds counts as parameters, also where it was never learnt, such as a table of positions.
        drawn: layers to put in the place of nodes, instead of drawing. They go in the given order for "top_down" and
            "bottom_up", which then only name it.
        similarity: "spearman_absolute", "spearman", "pearson" or "ssim".
        per: "pixel" or "number", as of :func:`lrp_ref.evaluate.similarity.pearson`.
        smooth: noisy inputs over which each map is averaged; 0 for none (smooth randomisation).
        sigma: of that noise, relative to the range of each sample.
        seed: of every draw; each node has draws of its own.
        progress: called with (done, total) networks.

    Raises:
        ParameterError: another order or way, a similarity that is not known, or a network without parameters.
        GraphError: a node that is not there.
        ShapeError: a layer in ``drawn`` whose parameters have other shapes than those of the node.

    Source: Adebayo et al. 2018, "Sanity checks for saliency maps", arXiv:1810.03292; Hedström et al. 2023,
        arXiv:2401.06465 (smooth).

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net, x = Network.sequential([Dense(np.array([[2.0], [3.0], [1.0]]))]), np.ones((1, 3))
        >>> weights = lambda net, x, target: net.nodes[0].layer.weight.T
        >>> parameter_randomisation(net, weights, x, 0, drawn={"dense1": Dense(np.array([[3.0], [2.0], [1.0]]))})
        top_down, 1 samples
        random  median spearman_absolute  lower quartile  upper quartile
        ────────────────────────────────────────────────────────────────
        dense1                       0.5             0.5             0.5
    """
    if order not in ORDERS:
        raise unknown("order", str(order), ORDERS)
    compare = find_similarity(similarity)
    asked = smoothed(explain, draws=smooth, sigma=sigma, seed=seed) if smooth else explain
    changes = _given(net, drawn) if drawn is not None else randomised_layers(net, by=by, seed=seed, at=at)
    names = list(changes)
    if drawn is None and order == "top_down":
        names.reverse()
    asking = Asking.of(net, asked, x, target)
    still, found = asking.maps(), []
    for k in range(len(names)):
        some = names[k : k + 1] if order == "independent" else names[: k + 1]
        moved = asking.maps(net=net.replaced({n: changes[n] for n in some}))
        found.append(compare(still, moved, per=per))
        if progress is not None:
            progress(k + 1, len(names))
    return Randomised(tuple(names), np.stack(found), order, similarity)


def efficient_randomisation(
    net: Network,
    explain: Explainer,
    x: Array,
    target: Any = None,
    *,
    bins: int = BINS,
    by: str = "normal",
    at: Sequence[str] | None = None,
    drawn: Mapping[str, Layer] | None = None,
    seed: int = 0,
) -> Host:
    """Return (H_random − H)/H (N,): how much the entropy of a map's histogram rises when all parameters are random.

    H = −Σ_b p_b log p_b over ``bins`` equal bins from the smallest to the largest number of a map. NaN where H is 0.

    Args:
        net, explain, x, target, by, at, drawn, seed: as of :func:`parameter_randomisation`.
        bins: of the histogram.

    Raises:
        ParameterError: no bins, another way, or a network without parameters.
        GraphError, ShapeError: as of :func:`parameter_randomisation`.

    Source: Hedström et al. 2023, "Sanity checks revisited", arXiv:2401.06465 (efficient randomisation).

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net, x = Network.sequential([Dense(np.array([[2.0], [3.0], [1.0]]))]), np.ones((1, 3))
        >>> efficient_randomisation(net, lambda net, x, target: x * np.array([[1.0, 2.0, 3.0]]), x, 0)
        array([0.])
    """
    asking = Asking.of(net, explain, x, target)
    changes = _given(net, drawn) if drawn is not None else randomised_layers(net, by=by, seed=seed, at=at)
    random = asking.maps(net=net.replaced(changes))
    before, after = (histogram_entropy(m, bins) for m in (asking.maps(), random))
    return quotient(after - before, before)


def histogram_entropy(relevance: Array, bins: int = BINS) -> Host:
    """Return the entropy in nats of the histogram of each map (N,); 0 of a constant one.

    Args:
        relevance: maps (N, ...).
        bins: equal ones, from the smallest to the largest number of a map.

    Raises:
        ParameterError: no bins.

    Example:
        >>> histogram_entropy(np.array([[0.0, 1.0, 1.0, 0.0]]), bins=2).round(4)
        array([0.6931])
    """
    if bins < 1:
        raise ParameterError(f"bins={bins}: a histogram has at least one")
    host = host_map(relevance).astype(float)
    flat = host.reshape(len(host), math.prod(host.shape[1:]))
    if not flat.size:
        return np.zeros(len(flat))
    # Brought to ±1 by powers of two, exactly: the range of numbers of both signs may otherwise not be finite.
    flat = np.ldexp(flat, -np.frexp(abs(flat).max(axis=1, keepdims=True))[1])
    low = flat.min(axis=1, keepdims=True)
    span = flat.max(axis=1, keepdims=True) - low
    place = (flat - low) / np.where(span > 0, span, 1)
    bin_of = np.minimum(np.floor(place * bins).astype(int), bins - 1)
    counts = np.bincount((bin_of + bins * np.arange(len(flat))[:, None]).reshape(-1), minlength=bins * len(flat))
    p = counts.reshape(len(flat), bins) / flat.shape[1]
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1) + 0.0)


def random_logit(
    net: Network,
    explain: Explainer,
    x: Array,
    target: Any = None,
    *,
    others: Any = None,
    similarity: str = "spearman_absolute",
    per: str | None = None,
    seed: int = 0,
) -> Host:
    """Return how alike the maps of the target and of another output are (N,): near 1, the map does not see the class.

    Args:
        net, explain, x, target, similarity, per: as of :func:`parameter_randomisation`.
        others: the other outputs (N,), or one for all; None draws how far on from the target it is, the same for all
            samples.
        seed: of the draw.

    Raises:
        ParameterError: a network of one output, or another output that is the target.

    Source: Sixt, Granz, Landgraf 2020, "When explanations lie", arXiv:1912.09818.

    Example:
        >>> from lrp_ref.layers import Dense
        >>> net, x = Network.sequential([Dense(np.array([[2.0, 1.0], [3.0, 5.0], [1.0, 7.0]]))]), np.ones((1, 3))
        >>> random_logit(net, lambda net, x, target: net.nodes[0].layer.weight.T[target], x, 0)
        array([-0.5])
    """
    compare, asking = find_similarity(similarity), Asking.of(net, explain, x, target)
    if asking.targets.shape[1] != 1:
        raise ParameterError("random_logit sets one target against another output; several were given")
    chosen, count = asking.targets[:, 0], math.prod(net.forward(x[:1]).shape[1:])
    if count < 2:
        raise ParameterError("random_logit needs another output than the target; the network has one")
    if others is None:
        # One number for all samples, counted on from each target: it does not depend on who else is in the batch.
        other = (chosen + 1 + np.random.default_rng(seed).integers(count - 1)) % count
    else:
        given = np.asarray(others)
        if given.dtype.kind not in "iu" or given.shape not in ((), chosen.shape):
            raise ParameterError(f"others of shape {given.shape}: give one number of an output, or one per sample")
        other = np.broadcast_to(given, chosen.shape)
        if ((other < 0) | (other >= count) | (other == chosen)).any():
            raise ParameterError(f"others={others!r}: give outputs from 0 to {count - 1} that are not the target")
    moved = replace(asking, targets=np.ascontiguousarray(other[:, None]))
    return compare(asking.maps(), moved.maps(), per=per)


def randomised_layers(
    net: Network, *, by: str = "normal", seed: int = 0, at: Sequence[str] | None = None
) -> dict[str, Layer]:
    """Return for every node with parameters a layer whose parameters are random, in execution order.

    Args:
        net: the network.
        by: "normal" draws each array from N(0, σ²) with σ² the mean of its squares, "permute" shuffles.
        seed: of the draws; each node has draws of its own, which do not depend on ``at``.
        at: names of nodes; None for all that have parameters.

    Raises:
        ParameterError: another way, or nodes without parameters.
        GraphError: a node that is not there.

    Example:
        >>> from lrp_ref.layers import Dense, ReLU
        >>> net = Network.sequential([Dense(np.array([[1.0, -1.0]])), ReLU(), Dense(np.array([[2.0], [-2.0]]))])
        >>> list(randomised_layers(net))
        ['dense1', 'dense2']
    """
    if by not in DRAWN:
        raise unknown("by", str(by), DRAWN)
    if isinstance(at, str):
        at = (at,)
    for name in at or ():
        if not any(is_float(a) for a in net[name].layer.arrays()):
            raise ParameterError(
                f"node '{name}' ({type(net[name].layer).__name__}) has no parameters that can be drawn"
            )
    found = {}
    for place, node in enumerate(net.nodes):
        if (at is None or node.name in at) and any(is_float(a) for a in node.layer.arrays()):
            rng = np.random.default_rng([seed, place])
            found[node.name] = node.layer.map_arrays(partial(_drawn, by=by, rng=rng))
    if not found:
        raise ParameterError("there are no parameters that could be random, in the network or at the named nodes")
    return found


def _given(net: Network, drawn: Mapping[str, Layer]) -> dict[str, Layer]:
    """Return given layers, whose parameters have the shapes of those that they replace."""
    if not drawn:
        raise ParameterError("drawn is empty: give a layer for a node, or None to draw")
    for name, layer in drawn.items():
        before, after = ([tuple(a.shape) for a in value.arrays()] for value in (net[name].layer, layer))
        if before != after:
            raise ShapeError(f"drawn['{name}'] has parameters of shapes {after}, and node '{name}' of shapes {before}")
    return dict(drawn)


def _drawn(array: Array, by: str, rng: np.random.Generator) -> Array:
    """Return a random array in the place of a parameter; indices stay what they are."""
    if not is_float(array):
        return array
    host = to_numpy(array)
    if host.dtype == object:
        raise ShapeError("parameters of exact numbers cannot be drawn: lrp.arithmetic.to_float(net)")
    if by == "permute":
        new = rng.permutation(host.reshape(-1)).reshape(host.shape)
    else:
        new = (np.sqrt((host.astype(float) ** 2).mean()) * rng.standard_normal(host.shape)).astype(host.dtype)
    return convert(new, namespace(array))
