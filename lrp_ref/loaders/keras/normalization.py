"""Normalisation of a sample by its own mean and deviation."""

from __future__ import annotations

from collections.abc import Sequence

from ...layers import Affine, Normalize
from .build import Array, Refusal, Signal, Site, layer
from .config import shown
from .dense import along

EPSILON = 1e-3  # Keras's, but for RMSNormalization


@layer("LayerNormalization")
def _layer_norm(site: Site) -> Sequence[Signal]:
    if site.flag("rms_scaling"):
        raise Refusal("rms_scaling, which divides by the deviation and takes no mean away")
    return [_over(site, _axes(site), Normalize(epsilon=site.number("epsilon", EPSILON)), *_scale_and_shift(site))]


@layer("RMSNormalization")
def _rms_norm(site: Site) -> Sequence[Signal]:
    norm = Normalize(epsilon=site.number("epsilon", 1e-6), centre=False)
    (scale,) = site.weights("scale|gamma")
    return [_over(site, _axes(site), norm, scale, None)]


@layer("GroupNormalization")
def _group_norm(site: Site) -> Sequence[Signal]:
    (axis, *others) = _axes(site)
    if others:
        raise Refusal("groups along several axes")
    x = site.only
    x = site.first(x) if axis in (-1, x.rank - 1) else site.last(x)
    if x.axis(axis) != 1:
        raise Refusal(f"groups along axis {axis}; the first behind the batch and the last are supported")
    channels, groups = x.size(axis), site.integer("groups", 32)
    groups = channels if groups == -1 and channels else groups
    if not channels or groups < 1 or channels % groups:
        raise Refusal(f"{groups} groups of {channels} channels")
    norm = Normalize(tuple(range(1, x.rank)), site.number("epsilon", EPSILON), groups=groups)
    scale, shift = _scale_and_shift(site)
    if scale is None and shift is None:
        return [site.emit(norm, [x])]
    return [site.emit(along(site, x, axis, scale, shift), [site.emit(norm, [x], "normalize")])]


def _axes(site: Site) -> list[int]:
    """Return the axes of Keras's array that are normalised, or along which the groups lie."""
    given = site.setting("axis", -1)
    axes = given if isinstance(given, list) else [given]
    for axis in axes:
        site.only.axis(axis)  # it exists, and is not the batch
    places = [axis % site.only.rank for axis in axes]
    if not places or places != sorted(set(places)):
        raise Refusal(f"axes {shown(given)}, which are none or not in order")
    return places


def _scale_and_shift(site: Site) -> tuple[Array | None, Array | None]:
    names = [name for name, key in (("gamma", "scale"), ("beta", "center")) if site.flag(key, True)]
    found = dict(zip(names, site.weights(*names) if names else [], strict=True))
    return found.get("gamma"), found.get("beta")


def _over(site: Site, axes: list[int], norm: Normalize, scale: Array | None, shift: Array | None) -> Signal:
    """Return a signal normalised over some axes, with a scale and a shift for each position along these."""
    x = site.only if len(axes) == 1 else site.last(site.only)
    norm = Normalize(tuple(sorted(x.axis(axis) for axis in axes)), norm.epsilon, norm.centre)
    if scale is None and shift is None:
        return site.emit(norm, [x])
    y = site.emit(norm, [x], "normalize")
    if len(axes) == 1:
        return site.emit(along(site, x, axes[0], scale, shift), [y])
    expected = [x.size(axis) for axis in axes]
    if any(p is not None and list(p.shape) != expected for p in (scale, shift)):
        raise Refusal(f"parameters that do not fit axes of sizes {expected}")
    shape = [x.size(axis) or 0 if axis in axes else 1 for axis in range(1, x.rank)]
    return site.emit(Affine(*(None if p is None else p.reshape(shape) for p in (scale, shift))), [y])
