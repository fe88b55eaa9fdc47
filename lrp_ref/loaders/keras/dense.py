"""Dense layers and embeddings, and what scales and shifts: normalisation by fixed numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...layers import Affine, Dense, Embedding
from .activations import activated
from .build import Array, Refusal, Signal, Site, integers, layer, number
from .config import Spec, shown


@layer("Dense")
def _dense(site: Site) -> Sequence[Signal]:
    return [dense(site, site.only)]


def dense(site: Site, x: Signal, inside: Sequence[str] = ()) -> Signal:
    """Return a dense layer over the last axis, with its activation."""
    biased = site.flag("use_bias", True)
    weights = site.weights("kernel", *(["bias"] if biased else []), inside=inside)
    y = site.emit(Dense(weights[0], weights[1] if biased else None), [site.last(x)])
    return activated(site, y, site.setting("activation"))


@layer("TimeDistributed")
def _time_distributed(site: Site) -> Sequence[Signal]:
    """A dense layer at every step is a dense layer over the last axis."""
    inner = site.setting("layer", {})
    kind, settings = (inner.get("class_name"), inner.get("config")) if isinstance(inner, dict) else (None, None)
    if kind != "Dense" or not isinstance(settings, dict):
        raise Refusal(f"{shown(kind)} at every step; only Dense is supported")
    s = site.spec
    within = replace(site, spec=Spec(str(kind), s.name, settings, s.names, s.stored, s.calls))
    return [dense(within, site.only, inside=("layer",))]


@layer("Embedding")
def _embedding(site: Site) -> Sequence[Signal]:
    (table,) = site.weights("embeddings")
    tokens = site.last(site.only)
    y = site.emit(Embedding(table), [tokens])
    if not site.flag("mask_zero"):
        return [y]
    site.builder.rows[tokens.value] = table.shape[0]
    return [replace(y, masked=tokens)]


@layer("BatchNormalization")
def _batch_norm(site: Site) -> Sequence[Signal]:
    scaled, shifted = site.flag("scale", True), site.flag("center", True)
    names = [*(["gamma"] if scaled else []), *(["beta"] if shifted else []), "moving_mean", "moving_variance"]
    *given, mean, variance = (w.astype(np.float64) for w in site.weights(*names))
    gamma = given[0] if scaled else np.ones_like(mean)
    beta = given[-1] if shifted else np.zeros_like(mean)
    epsilon = site.number("epsilon", 1e-3)
    if len({p.shape for p in (gamma, beta, mean, variance)}) != 1 or mean.ndim != 1:
        raise Refusal(f"parameters of shapes {[p.shape for p in (gamma, beta, mean, variance)]}")
    if not (variance + epsilon > 0).all():
        raise Refusal(f"a variance of {variance.min():g}, which is not positive with epsilon {epsilon:g}")
    x = site.only
    axes = site.setting("axis", -1)
    (axis,) = integers(axes, 1, "axis") if isinstance(axes, list) else (axes,)
    if x.rank > 3 and axis in (-1, x.rank - 1):
        x = site.first(x)  # where a convolution follows, the two can become one
    norm = Affine.batch_norm(gamma, beta, mean, variance, epsilon=epsilon)  # in double precision, rounded once
    return [site.emit(along(site, x, axis, norm.scale, norm.shift), [x])]


def along(site: Site, x: Signal, axis: Any, scale: Array | None, shift: Array | None) -> Affine:
    """Return y = scale·x + shift with one number of each for every position of an axis of Keras's array."""
    place = x.axis(axis)
    sizes = {None if p is None else p.shape[0] for p in (scale, shift)} - {None}
    if sizes != {x.size(axis)}:
        raise Refusal(f"parameters for {sizes} positions of an axis of size {x.size(axis)}")

    def fitted(values: Array | None) -> Array | None:
        if values is None:
            return None
        shape = [1] * (x.rank - 1)
        shape[place - 1] = -1
        return site.parameter(values if place == 1 else values.reshape(shape))

    return Affine(fitted(scale), fitted(shift))


@layer("Rescaling")
def _rescaling(site: Site) -> Sequence[Signal]:
    x = site.only
    values = [_numbers(site.setting(key, default), key) for key, default in (("scale", 1.0), ("offset", 0.0))]
    if any(v.size > 1 for v in values):
        size = x.channels
        scale, offset = (np.broadcast_to(v, (size,)) if v.size in (1, size) else v for v in values)
        return [site.emit(along(site, x, -1, scale, offset), [x])]
    scale, offset = (site.parameter(v) for v in values)
    return [site.emit(Affine(scale, offset if offset.any() else None), [x])]


def _numbers(value: Any, what: str) -> Array:
    entries = value if isinstance(value, list) else [value]
    return np.array([number(v, what) for v in entries], np.float64)


SMALLEST = 1e-7  # Keras divides by no standard deviation below


@layer("Normalization")
def _normalization(site: Site) -> Sequence[Signal]:
    """(x − mean) / standard deviation along some axes; the other way round if inverted."""
    x = site.only
    axes = site.setting("axis", -1)
    mean, variance = _moments(site)
    deviation = np.maximum(np.sqrt(variance), SMALLEST)
    if site.flag("invert"):
        scale, shift = deviation, mean
    else:
        scale, shift = 1 / deviation, -mean / deviation
    if mean.size == 1:
        return [site.emit(Affine(site.parameter(scale.reshape(1)), site.parameter(shift.reshape(1))), [x])]
    if isinstance(axes, list) and len(axes) == 1:
        (axes,) = axes
    if isinstance(axes, list):
        raise Refusal(f"means along axes {shown(axes)}; one axis is supported")
    return [site.emit(along(site, x, axes, scale.reshape(-1), shift.reshape(-1)), [x])]


def _moments(site: Site) -> tuple[Array, Array]:
    """Return mean and variance, given in the config or adapted to data."""
    mean, variance = site.setting("mean"), site.setting("variance")
    if mean is not None and variance is not None:
        found = [np.array(_flat(v)) for v in (mean, variance)]
    else:
        found = [w.astype(np.float64).reshape(-1) for w in site.weights("mean", "variance", "count")[:2]]
    if found[0].shape != found[1].shape or not (found[1] >= 0).all():
        raise Refusal("a mean and a variance that do not fit each other, or a variance below 0")
    return found[0], found[1]


def _flat(value: Any) -> list[float]:
    if isinstance(value, list):
        return [n for v in value for n in _flat(v)]
    return [number(value, "mean or variance")]
