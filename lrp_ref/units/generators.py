"""GAN dissection: what a generator's pictures lose without some units, and gain where these are set to a high value.

A unit is a channel, axis 1, of a named value (N, C, ...). That it is active where a concept is, as :func:`dissect` of
the generated pictures says, is an agreement; what changes with it is an effect. Source: Bau et al. 2019, "GAN
Dissection", §3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..base.arrays import Array, is_float, like, namespace, require_finite, to_numpy
from ..base.frozen import Value, real, real_array, short, whole, wholes
from ..base.tables import number
from ..errors import LrpError, ParameterError, ShapeError, UnsupportedError, unknown
from ..layers import Affine
from ..layers.base import Layer
from ..network.network import Network, Node, owner
from ..network.sizes import none_of, sample_shapes
from .dissecting import dissect
from .dissection import Dissection
from .feeding import Host, batches, cut, length, named, require_again

Measure = Callable[[Any], Any]
DRAWS = 30
BATCH = 256


def agreement(
    net: Network,
    x: Any,
    segment: Callable[[Any], Any],
    *,
    at: str,
    concepts: Sequence[str],
    quantile: float = 0.995,
    permuted: int | Sequence[int] | None = None,
    batch: int = BATCH,
    **options: Any,
) -> Dissection:
    """Return how far units of a generator are active where concepts are in what it makes: :func:`dissect` of G(z).

    Args:
        net: the generator G.
        x: the codes z (N, ...), several inputs by name.
        segment: takes what is generated (n, ...) and returns where the concepts are (n, C, *S), True and False.
        at: name of the value whose channels are the units.
        concepts: names of the C concepts.
        quantile, permuted: as of :func:`dissect`.
        batch: samples at a time.
        options: others of :func:`dissect`.

    Raises:
        ParameterError: a value that is not there.
        ShapeError: another number of masks than of samples, or one smaller than the value's grid.

    Example:
        >>> import lrp_ref as lrp
        >>> layers = [("units", lrp.layers.ReLU()), ("paint", lrp.layers.Affine(np.array([1.0, 0.0]), None))]
        >>> net, z = lrp.Network.sequential(layers), np.array([[[9.0, 0.0, 0.0], [0.0, 0.0, 9.0]]])
        >>> found = agreement(net, z, lambda y: y[:, :1] > 5, at="units", concepts=["bright"], quantile=0.6)
        >>> found.iou
        array([[1.],
               [0.]])
    """
    net = named(net, at)
    require_again(x, "what is generated comes before what its units do: give an array, or a list of batches")
    made = [to_numpy(segment(net.forward(few))) for few in batches(x, batch) if length(few)]
    if not made:
        raise ParameterError("there are no samples: give codes x (N, ...), one at least")
    if len({(one.dtype.kind, one.shape[1:]) for one in made}) > 1 or not made[0].ndim:
        raise ShapeError(f"segment returns masks of different kinds, such as {short(made[0])} and {short(made[-1])}")
    masks = np.concatenate(made)
    return dissect(net, x, masks, at=at, concepts=concepts, quantile=quantile, permuted=permuted, **options)


def ablate(net: Network, at: str, units: Iterable[int]) -> Network:
    """Return the network in which units of a value are 0 everywhere: one more node behind the value, which all read.

    Args:
        net: the network.
        at: name of the value (N, C, ...), of a node or an input.
        units: channels of it.

    Raises:
        ParameterError: a value that is not there, no unit, or one that is not there or named twice.
        ShapeError: a value without channels.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.eye(2)), lrp.layers.Dense(np.array([[1.0], [10.0]]))])
        >>> ablate(net, "dense1", [1]).forward(np.array([[3.0, 4.0]]))
        array([[3.]])
    """
    return insert(net, at, units, 0.0)


def insert(net: Network, at: str, units: Iterable[int], values: Any, where: Any = None) -> Network:
    """Return the network in which units of a value have other numbers: x ← (1 − w)·x + w·v.

    Args:
        net: the network.
        at: name of the value (N, C, ...).
        units: channels of it.
        values: v, one number for all units or one for each; such as their .995 quantile over many samples.
        where: w at each position of a channel, of the value's grid (...), True and False or 0 to 1; None for 1.

    Raises:
        ParameterError: a value that is not there, no unit, or one that is not there or named twice.
        ShapeError: a value without channels, or numbers or places that do not fit.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Conv(np.ones((2, 1, 1))), lrp.layers.Flatten()])
        >>> insert(net, "conv1", [1], 9.0, [1, 0, 0]).forward(np.ones((1, 1, 3)))
        array([[1., 1., 1., 9., 1., 1.]])
    """
    _require_value(net, at)
    module = namespace(*net.parameters) if net.parameters else np
    shape = _shape_of(net, at)
    chosen = _units(at, units, shape)
    places = np.ones(()) if where is None else _places(at, where, [(None,) * (len(shape) - 1)])
    weight = np.zeros((shape[0], *places.shape), dtype=net.dtype or float)
    weight[list(chosen)] = places
    stands = np.zeros((shape[0], *(1,) * places.ndim), dtype=weight.dtype)
    stands[list(chosen)] = _values(values, (len(chosen),), f"{len(chosen)} units").reshape(-1, *(1,) * places.ndim)
    if weight.dtype == object:  # exact numbers stay exact
        weight, stands = (like(a, net.parameters[0]) for a in (weight, stands))
    return _behind(net, at, Affine(module.asarray(1 - weight), module.asarray(weight * stands)))


@dataclass(frozen=True, eq=False, repr=False)
class CausalEffect(Value):
    """What a measure of the output changes by, with the first units of a list set, and with as many random ones.

    Attributes:
        at: name of the value.
        units: its channels, first those that are set first.
        counts: how many of them are set (K,).
        effect: of each sample (K, N), in the unit of the measure.
        chance: of random units in their place, for each draw (D, K, N).
    """

    at: str
    units: tuple[int, ...]
    counts: tuple[int, ...]
    effect: Host
    chance: Host

    def __repr__(self) -> str:
        rows = ", ".join(
            f"{n}: {number(m)} ± {number(c)}, random {number(r)}"
            for n, m, c, r in zip(self.counts, self.mean, self.confidence(), self.mean_by_chance, strict=True)
        )
        return f"CausalEffect('{self.at}', by units set {rows})"

    @property
    def mean(self) -> Host:
        """The average causal effect, over samples (K,)."""
        return np.asarray(self.effect.mean(axis=1))

    @property
    def mean_by_chance(self) -> Host:
        """That of random units, over samples and draws (K,)."""
        return np.asarray(self.chance.mean(axis=(0, 2)))

    def confidence(self, level: float = 0.95) -> Host:
        """Return the half width of the mean's interval, from its standard error over samples (K,); NaN of one sample.

        Raises:
            ParameterError: a level that is not between 0 and 1.
        """
        from statistics import NormalDist

        if not 0 < real("level", level) < 1:
            raise ParameterError(f"level is {level!r}: give a part of the cases between 0 and 1, such as 0.95")
        spread = self.effect.std(axis=1, ddof=1) if self.effect.shape[1] > 1 else np.full(len(self.counts), np.nan)
        return np.asarray(NormalDist().inv_cdf(0.5 + level / 2) * spread / math.sqrt(self.effect.shape[1]))

    @property
    def p_over_samples(self) -> Host:
        """One-sided sign test over samples (K,): that the effect is no larger than that of random units, their mean."""
        return np.array([sign_test(d) for d in self.effect - self.chance.mean(axis=0)])

    @property
    def p_over_draws(self) -> Host:
        """(1 + draws of random units with no smaller mean effect) / (1 + draws) (K,), a permutation test."""
        return np.asarray((1 + (self.chance.mean(axis=2) >= self.mean).sum(axis=0)) / (1 + len(self.chance)))


def causal_effect(
    net: Network,
    x: Any,
    measure: Measure,
    *,
    at: str,
    units: Iterable[int],
    values: Any = None,
    where: Any = None,
    counts: Sequence[int] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    batch: int = BATCH,
    tell: Callable[[int, int], object] | None = None,
) -> CausalEffect:
    """Return by how much units matter: m(G(z) with the units at ``values``) − m(G(z) with the units at 0), per sample.

    Both are set at the same places. What is below the value is computed once, what is above it for each set of units.

    Args:
        net: G, such as a generator.
        x: the samples z, as :meth:`Network.forward` takes them, the batch in front.
        measure: takes outputs (n, ...) and returns n numbers, such as the fraction of pixels of a concept.
        at: name of the value (N, C, ...), of a node or an input.
        units: channels of it, the first first.
        values: what the units are set to in the insertion, one number or one for each channel of the value (C,): random
            units have other numbers. None leaves them as they are, so that the effect is that of ablation.
        where: places, of the value's grid (...) or for each sample (N, ...); None for all.
        counts: of how many units, from the first on, the effect is measured; None for all of them together.
        draws: of random units from all of the value, as many each.
        seed: of the draws.
        batch: samples at a time.
        tell: is told how many sets of units are done, and of how many.

    Raises:
        ParameterError: a value that is not there, no unit, or one that is not there or named twice, or a count.
        ShapeError: a value without channels, numbers or places that do not fit, or a measure that returns others.
        GraphError: nothing above the value.
        UnsupportedError: a value of integers.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.ReLU(), lrp.layers.Dense(np.array([[1.0], [0.0], [5.0]]))])
        >>> found = causal_effect(net, np.ones((4, 3)), lambda y: y[:, 0], at="relu1", units=[2, 0], counts=[1, 2])
        >>> found.mean
        array([5., 6.])
    """
    value, above, fed = _cut(net, x, at)
    shape = tuple(value.shape[1:])
    order = _units(at, units, shape)
    counts = (len(order),) if counts is None else wholes("counts", counts)
    if not len(value):
        raise ParameterError("there are no samples: give x (N, ...), one at least")
    if whole("batch", batch) < 1:
        raise ParameterError(f"batch={batch}: take at least one sample at a time")
    if not counts or min(counts) < 1 or max(counts) > len(order):
        raise ParameterError(f"counts={list(counts)}: from 1 to {len(order)}, the number of units")
    if whole("draws", draws) < 1:
        raise ParameterError(f"draws={draws}: compare with at least one draw of random units")
    high = None
    if values is not None:
        high = np.broadcast_to(_values(values, (shape[0],), f"the {shape[0]} channels of '{at}'"), (shape[0],))
    weight = None if where is None else _places(at, where, [shape[1:], (len(value), *shape[1:])])
    rng = np.random.default_rng(whole("seed", seed, 0))
    orders = [order, *(tuple(rng.permutation(shape[0])[: len(order)].tolist()) for _ in range(draws))]
    found = np.zeros((len(orders), len(counts), len(value)))
    total, plain = found.shape[0] * found.shape[1], None
    if high is None:
        plain = _measured(above, at, fed, value, measure, batch)
    for d, chosen in enumerate(orders):
        for k, count in enumerate(counts):
            some = list(chosen[:count])
            without = _measured(above, at, fed, _set(value, some, 0.0, weight), measure, batch)
            if high is not None:
                plain = _measured(above, at, fed, _set(value, some, high[some], weight), measure, batch)
            found[d, k] = plain - without
            if tell is not None:
                tell(d * len(counts) + k + 1, total)
    return CausalEffect(at, order, counts, found[0], found[1:])


def sign_test(differences: Any) -> float:
    """Return P(as many or more of n are positive), each with ½, one-sided; differences of 0 are left out.

    Raises:
        ParameterError: what are no real numbers, or NaN, which is neither positive nor negative.

    Example:
        >>> sign_test([0.2, 0.1, 3.0, 0.5, -0.1, 0.0])
        0.1875
    """
    host = real_array("differences", differences)
    if np.isnan(host).any():
        raise ParameterError("differences: NaN among them, which are neither positive nor negative")
    positive, count = int((host > 0).sum()), int((host != 0).sum())
    return float(sum(math.comb(count, k) for k in range(positive, count + 1)) / 2**count)


def _require_value(net: Network, at: str) -> None:
    names = {i.name for i in net.inputs} | {n.name for n in net.nodes}
    named(net, at)
    if owner(at, names) not in names:
        raise unknown("value", at, names)


def _shape_of(net: Network, at: str) -> tuple[int, ...]:
    """Return the shape of a value of one sample; sizes of its grid that the network leaves open are some that fit."""
    first = net.batch_first()
    try:
        fed = none_of(first, sample_shapes(first))
        value = fed[at] if at in fed else first.until(at).values(_only(first.until(at), fed), check=False)[at]
    except LrpError as error:
        raise ShapeError(
            f"the channels of '{at}' cannot be counted, as the network does not say what its input looks like "
            f"({error}): give it an Input with a shape"
        ) from error
    return tuple(value.shape[1:])


def _behind(net: Network, at: str, layer: Layer) -> Network:
    """Return the network with a layer behind a value, read by all that read the value."""
    inputs = {i.name for i in net.inputs}
    taken = inputs | {n.name for n in net.nodes}
    name = next(n for n in (f"{at.replace(':', '_')}_set{k or ''}" for k in range(len(taken) + 1)) if n not in taken)
    below = next((k for k, n in enumerate(net.nodes, start=1) if n.name == owner(at, taken)), 0)
    reads = [
        replace(n, inputs=tuple(name if i == at else i for i in n.inputs)) if k >= below else n
        for k, n in enumerate(net.nodes)
    ]
    outputs = tuple(name if o == at else o for o in net.outputs)
    return replace(net, nodes=(*reads[:below], Node(name, layer, (at,)), *reads[below:]), outputs=outputs)


def _cut(net: Network, x: Any, at: str) -> tuple[Array, Network, dict[str, Array]]:
    """Return a value of the samples, the network above it, and what else that reads."""
    net = net.batch_first()
    _require_value(net, at)
    fed = net.feed(x)
    net = net.like_input(fed)
    above = net.since(at)
    inputs = {i.name for i in net.inputs}
    value = fed[at] if at in inputs else net.until(at).values(_only(net.until(at), fed), keep=lambda name: False)[at]
    if not is_float(value):
        raise UnsupportedError(f"value '{at}' holds integers: name one of real numbers, above it")
    return value, above, {i.name: fed[i.name] for i in above.inputs if i.name != at}


def _only(net: Network, fed: dict[str, Array]) -> dict[str, Array]:
    return {i.name: fed[i.name] for i in net.inputs}


def _units(at: str, units: Iterable[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Return the units, checked against the value's channels."""
    if not shape:
        raise ShapeError(f"value '{at}' has no channels: name one of shape (N, C, ...)")
    chosen = wholes(f"units of '{at}'", units)
    if not chosen:
        raise ParameterError(f"no unit of '{at}' is named: give at least one of its {shape[0]}")
    wrong = next((u for u in chosen if not 0 <= u < shape[0]), None)
    if wrong is not None:
        raise ParameterError(f"'{at}' has no unit {wrong}: its {shape[0]} channels are 0 to {shape[0] - 1}")
    if len(set(chosen)) < len(chosen):
        raise ParameterError(f"units of '{at}': one is named twice: {', '.join(map(str, chosen[:20]))}")
    return chosen


def _values(values: Any, shape: tuple[int, ...], whose: str) -> Host:
    """Return what units are set to, one number or one for each; exact numbers stay exact."""
    host = real_array("values", values)
    if host.shape not in ((), shape):
        raise ShapeError(f"values of shape {host.shape} for {whose}: give one number, or one for each")
    require_finite(host, "values")
    exact = to_numpy(values if hasattr(values, "dtype") else np.asarray(values))
    return exact if exact.dtype == object else host


def _places(at: str, where: Any, shapes: Sequence[tuple[int | None, ...]]) -> Host:
    """Return places as numbers, of one of the shapes, in which None stands for any size."""
    host = real_array("where", where).astype(float)
    if not any(len(s) == host.ndim and all(n in (None, m) for n, m in zip(s, host.shape, strict=True)) for s in shapes):
        asked = " or ".join(str(s).replace("None", "any") for s in shapes)
        raise ShapeError(f"where of shape {host.shape} does not fit '{at}': give {asked}")
    if not ((host >= 0) & (host <= 1)).all():
        raise ParameterError("where: give True and False, or numbers from 0 to 1")
    return host


def _set(value: Array, units: list[int], to: Any, where: Host | None) -> Array:
    """Return a value (N, C, ...) with units at other numbers at some places."""
    changed = value + 0
    stands = like(np.reshape(to, (-1, *(1,) * (value.ndim - 2))), value)
    weight = 1 if where is None else like(where[:, None] if where.ndim == value.ndim - 1 else where, value)
    changed[:, units] = value[:, units] * (1 - weight) + stands * weight
    return changed


def _measured(above: Network, at: str, fed: dict[str, Array], value: Array, measure: Measure, batch: int) -> Host:
    """Return the measure of the output of every sample (N,)."""
    found = np.zeros(len(value))
    for first in range(0, len(value), batch):
        rows = slice(first, first + batch)
        made = above.forward(cut({at: value, **fed}, rows))
        numbers = measure(made)
        host = real_array("what the measure returns", numbers)
        if host.shape != found[rows].shape:
            raise ShapeError(f"the measure returns numbers of shape {host.shape} for {len(found[rows])} samples")
        require_finite(host, "what the measure returns")
        found[rows] = host
    return found
