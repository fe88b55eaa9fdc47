"""Generated scenes: things of a shape, a colour and a texture on grey ground, with the exact pixels of each concept.

The network that is trained to say what can be seen, and the cards of its units, are here as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import layers
from ...errors import ParameterError, unknown
from ...network import Network
from ...units import activated
from .. import training

SHAPES = ("disc", "square", "triangle", "cross", "ring", "flower")
COLOURS = {"red": (0.9, 0.2, 0.15), "green": (0.2, 0.75, 0.25), "blue": (0.2, 0.35, 0.95), "yellow": (0.95, 0.85, 0.2),
           "violet": (0.65, 0.25, 0.8), "cyan": (0.25, 0.85, 0.85)}  # fmt: skip
TEXTURES = ("plain", "striped", "dotted", "chequered")
KINDS = {"shape": SHAPES, "colour": tuple(COLOURS), "texture": TEXTURES}
CONCEPTS = tuple(name for names in KINDS.values() for name in names)
CATEGORIES = tuple(kind for kind, names in KINDS.items() for _ in names)
SEEN = 12  # pixels of a thing from which on it counts as present
DARK = 0.45  # of a texture's dark parts, relative to its bright ones
PERIOD = 5.0  # of a texture, in pixels
MIDDLE = 0.4  # what is taken from images
UNITS = "relu4"  # of the network
NOISE = 0.04  # its standard deviation
AT_ONCE = 128  # scenes


@dataclass(frozen=True, eq=False)
class Scenes:
    """Images with what is in them.

    Attributes:
        images: (N, 3, S, S), from 0 to 1.
        top: which thing each pixel shows (N, S, S), −1 for the ground.
        kinds: of each thing, by number: shape, colour and texture (3, N, T).
    """

    images: NDArray[np.float32]
    top: NDArray[np.int8]
    kinds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def x(self) -> NDArray[np.float32]:
        """The images as the network takes them, about 0."""
        return self.images - np.float32(MIDDLE)

    @property
    def masks(self) -> NDArray[np.bool_]:
        """Where each of ``CONCEPTS`` is (N, C, S, S)."""
        found = []
        for own, names in zip(self.kinds, KINDS.values(), strict=True):
            shown = np.take_along_axis(own, np.maximum(self.top, 0).reshape(len(own), -1), axis=1)
            shown = np.where(self.top < 0, -1, shown.reshape(self.top.shape))
            found.append(shown[:, None] == np.arange(len(names))[:, None, None])
        return np.concatenate(found, axis=1)

    def present(self, kind: str) -> NDArray[np.float32]:
        """Return which shapes, colours or textures can be seen, 1 or 0 (N, K): "shape", "colour" or "texture".

        Raises:
            ParameterError: another kind.
        """
        if kind not in KINDS:
            raise unknown("kind of concept", kind, KINDS)
        own, count = self.kinds[list(KINDS).index(kind)], len(KINDS[kind])
        pixels = (self.top[:, None] == np.arange(own.shape[1])[:, None, None]).sum(axis=(2, 3))
        found = np.zeros((len(self), count), np.float32)
        sample, thing = np.nonzero(pixels >= SEEN)
        found[sample, own[sample, thing]] = 1
        return found


def detector(rng: np.random.Generator, outputs: int) -> Network:
    """Return an untrained network that says what can be seen: four convolutions, the largest over space, a dense layer.

    Its units are those of ``UNITS``, 48 maps of a quarter of the scene's size.
    """
    conv, pool = training.conv, layers.MaxPool(2)
    parts = [
        ("conv1", conv(rng, 3, 16, 3, 3, padding=1)), ("relu1", layers.ReLU()), ("pool1", pool),
        ("conv2", conv(rng, 16, 32, 3, 3, padding=1)), ("relu2", layers.ReLU()), ("pool2", pool),
        ("conv3", conv(rng, 32, 48, 3, 3, padding=1)), ("relu3", layers.ReLU()),
        ("conv4", conv(rng, 48, 48, 3, 3, padding=1)), (UNITS, layers.ReLU()),
        ("pool4", layers.GlobalMaxPool()), ("flatten", layers.Flatten()), ("dense5", training.dense(rng, 48, outputs)),
    ]  # fmt: skip
    return Network.sequential(parts, input_name="scene")


def right(net: Network, given: Scenes, kind: str) -> float:
    """Return for which part of all questions "is there a …?" a network gives the right answer."""
    return float(((net.forward(given.x) > 0.5) == (given.present(kind) > 0.5)).mean())


def lit(images: NDArray[Any], where: NDArray[Any]) -> NDArray[Any]:
    """Return images (N, 3, S, S) for the eye (N, S, S, 3), grey and dark where a unit is not active (N, S, S)."""
    seen = images.transpose(0, 2, 3, 1)
    return np.asarray(np.where(where[..., None], seen, 0.55 * seen.mean(axis=3, keepdims=True)))


def card(net: Network, given: Scenes, unit: int, threshold: float, count: int) -> NDArray[Any]:
    """Return the scenes in which a unit is most active, where it is so (count, S, S, 3)."""
    maps = net.until(UNITS).forward(given.x)[:, unit : unit + 1]
    top = np.argsort(-maps.max(axis=(1, 2, 3)), kind="stable")[:count]
    where = activated(maps[top], np.array([threshold]), given.top.shape[1:])
    return lit(given.images[top], where[:, 0])


def scenes(rng: np.random.Generator, count: int, *, size: int = 40, things: int = 2) -> Scenes:
    """Return generated scenes; a later thing may hide parts of an earlier one.

    Args:
        rng: draws everything; the same state makes the same scenes.
        count: N.
        size: S, in pixels.
        things: in each scene.

    Raises:
        ParameterError: fewer than 24 pixels, or no thing.

    Example:
        >>> made = scenes(np.random.default_rng(0), 2)
        >>> made.images.shape, made.masks.shape, made.present("shape").shape
        ((2, 3, 40, 40), (2, 16, 40, 40), (2, 6))
    """
    if size < 24 or things < 1:
        raise ParameterError(f"scenes of {size} pixels with {things} things: give at least 24 pixels and one thing")
    kinds = np.stack([rng.integers(0, len(names), (count, things)) for names in KINDS.values()])
    paint = np.array(list(COLOURS.values()), np.float32)[kinds[1]] * rng.uniform(0.85, 1.0, (count, things, 1))
    images, top = np.empty((count, 3, size, size), np.float32), np.empty((count, size, size), np.int8)
    for first in range(0, count, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        covers, bright = _covers(rng, kinds[0, part], size), _textured(rng, kinds[2, part], size)
        top[part] = np.where(covers, np.arange(things, dtype=np.int8)[:, None, None], -1).max(axis=1)
        shown = np.maximum(top[part], 0).astype(np.int64)
        light = np.take_along_axis(bright, shown[:, None], axis=1)
        colour = paint[part][np.arange(len(shown))[:, None, None], shown].transpose(0, 3, 1, 2) * light
        ground = rng.uniform(0.15, 0.5, (len(shown), 1, 1, 1))
        noise = NOISE * rng.standard_normal(colour.shape, dtype=np.float32)
        images[part] = np.clip(np.where(top[part, None] < 0, ground, colour) + noise, 0, 1)
    return Scenes(images, top, kinds)


def _covers(rng: np.random.Generator, shape: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Return which pixels each thing covers (N, T, S, S), of drawn sizes, at drawn places."""
    radius = rng.uniform(0.18, 0.28, shape.shape) * size
    centre = rng.uniform(0.2, 0.8, (2, *shape.shape)) * size
    return drawn(shape, radius, centre, rng.uniform(-0.35, 0.35, shape.shape), size)


def drawn(
    shape: NDArray[np.int64], radius: NDArray[np.float64], centre: NDArray[np.float64], turned: NDArray[np.float64],
    size: int,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return which pixels things cover (N, T, S, S): of shapes by number, of radius r, about (x, y), turned.

    Args:
        shape: (N, T).
        radius: in pixels (N, T).
        centre: in pixels (2, N, T).
        turned: in radians (N, T).
        size: S.
    """
    found = np.zeros((*shape.shape, size, size), dtype=bool)
    places = np.arange(size) + 0.5
    for number, inside in enumerate(_INSIDE):
        own = shape == number
        x, y = ((places - c[own][:, None]) / radius[own][:, None] for c in centre)
        cos, sin = (a[own][:, None, None] for a in (np.cos(turned), np.sin(turned)))
        u, v = cos * x[:, None] + sin * y[..., None], cos * y[..., None] - sin * x[:, None]
        found[own] = inside(u, v)
    return found


# Whether the point (u, v) is inside of each shape of SHAPES, of radius 1 about the origin; v points down.
_INSIDE: tuple[Callable[[Any, Any], Any], ...] = (
    lambda u, v: np.hypot(u, v) <= 0.95,
    lambda u, v: np.maximum(abs(u), abs(v)) <= 0.85,
    lambda u, v: (v <= 0.6) & (1.6 * abs(u) - v <= 1.0),
    lambda u, v: (np.maximum(abs(u), abs(v)) <= 1.0) & (np.minimum(abs(u), abs(v)) <= 0.32),
    lambda u, v: (np.hypot(u, v) <= 1.0) & (np.hypot(u, v) >= 0.55),
    lambda u, v: np.hypot(u, v) <= 0.68 + 0.32 * np.cos(5 * np.arctan2(u, -v)),
)


def _textured(rng: np.random.Generator, texture: NDArray[np.int64], size: int) -> NDArray[np.float32]:
    """Return how bright the paint of each thing is at each pixel (N, T, S, S)."""
    angle, phase = rng.uniform(0, np.pi, texture.shape), rng.uniform(0, 2 * np.pi, (2, *texture.shape))
    found = np.ones((*texture.shape, size, size), np.float32)
    places = (np.arange(size) * 2 * np.pi / PERIOD).astype(np.float32)
    for number, is_bright in _BRIGHT.items():
        own = texture == number
        cos, sin, a, b = (v[own].astype(np.float32)[:, None, None] for v in (np.cos(angle), np.sin(angle), *phase))
        along, across = cos * places + sin * places[:, None], cos * places[:, None] - sin * places
        found[own] = np.where(is_bright(np.sin(along + a), np.sin(across + b)), 1.0, DARK)
    return found


# Where textures are bright, by their number in TEXTURES, of two waves at right angles.
_BRIGHT: dict[int, Callable[[Any, Any], Any]] = {
    1: lambda first, second: first > 0,
    2: lambda first, second: first + second < 0.7,
    3: lambda first, second: first * second > 0,
}
