"""Layers that only move values, and those that do nothing in inference."""

from __future__ import annotations

from collections.abc import Sequence

from ...layers import Flatten, Gather, Reshape, Transpose, Unsqueeze
from .build import Refusal, Signal, Site, integers, layer
from .config import shown
from .conv import FORMATS

REPEATS = 1 << 20


@layer(
    "ActivityRegularization", "AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Identity",
    "RandomBrightness", "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom",
    "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D",
)  # fmt: skip
def _nothing(site: Site) -> Sequence[Signal]:
    """Noise is added in training alone."""
    return [site.only]


@layer("Flatten")
def _flatten(site: Site) -> Sequence[Signal]:
    x = site.last(site.only)
    if site.text("data_format", FORMATS[0], FORMATS) == FORMATS[1] and x.rank > 3:
        x = site.emit(Transpose((0, *range(2, x.rank), 1)), [x], "transpose")  # Keras flattens with the channels last
    return [site.emit(Flatten(), [x])]


@layer("Reshape")
def _reshape(site: Site) -> Sequence[Signal]:
    x = site.last(site.only)
    given = site.setting("target_shape")
    if not isinstance(given, list):
        raise Refusal(f"target_shape is {shown(given)}")
    shape = integers(given, len(given), "target_shape")
    if not shape:
        raise Refusal("a shape without axes")
    return [site.emit(Reshape(shape), [x])]


@layer("Permute")
def _permute(site: Site) -> Sequence[Signal]:
    x = site.last(site.only)
    dims = site.integers("dims", x.rank - 1)
    return [site.emit(Transpose((0, *dims)), [x])]


@layer("RepeatVector")
def _repeat(site: Site) -> Sequence[Signal]:
    times = site.integer("n")
    if not 0 < times <= REPEATS:
        raise Refusal(f"{times} repetitions; 1 to {REPEATS} are supported")
    row = site.emit(Unsqueeze((1,)), [site.only], "unsqueeze")
    return [site.emit(Gather((0,) * times, 1), [row])]
