"""Generated scenes: things of a shape, a colour and a texture on grey ground, with the exact pixels of each concept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ParameterError, unknown

SHAPES = ("disc", "square", "triangle", "cross", "ring", "flower")
COLOURS = {"red": (0.9, 0.2, 0.15), "green": (0.2, 0.75, 0.25), "blue": (0.2, 0.35, 0.95), "yellow": (0.95, 0.85, 0.2),
           "violet": (0.65, 0.25, 0.8), "cyan": (0.25, 0.85, 0.85)}  # fmt: skip
TEXTURES = ("plain", "striped", "dotted", "chequered")
KINDS = {"shape": SHAPES, "colour": tuple(COLOURS), "texture": TEXTURES}
CONCEPTS = tuple(name for names in KINDS.values() for name in names)
CATEGORIES = tuple(kind for kind, names in KINDS.items() for _ in names)
SEEN = 12  # pixels of a thing from which on it counts as present
DARK = 0.35  # of a texture's dark parts, relative to its bright ones
PERIOD = 5.0  # of a texture, in pixels


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


def scenes(rng: np.random.Generator, count: int, *, size: int = 48, things: int = 2) -> Scenes:
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
        ((2, 3, 48, 48), (2, 16, 48, 48), (2, 6))
    """
    if size < 24 or things < 1:
        raise ParameterError(f"scenes of {size} pixels with {things} things: give at least 24 pixels and one thing")
    kinds = np.stack([rng.integers(0, len(names), (count, things)) for names in KINDS.values()])
    radius = rng.uniform(0.16, 0.26, (count, things)) * size
    centre = rng.uniform(0.2, 0.8, (2, count, things)) * size
    turned = rng.uniform(-0.35, 0.35, (count, things))
    covers = _covers(kinds[0], radius, centre, turned, size)
    number = np.where(covers, np.arange(things)[:, None, None], -1)
    top = number.max(axis=1).astype(np.int8)
    paint = np.array(list(COLOURS.values()), np.float32)[kinds[1]] * rng.uniform(0.85, 1.0, (count, things, 1))
    bright = _textured(rng, kinds[2], size)
    shown = np.maximum(top, 0)[:, None].astype(np.int64)
    light = np.take_along_axis(bright, shown, axis=1)
    samples = np.arange(count)[:, None, None]
    colour = paint[samples, shown[:, 0]].transpose(0, 3, 1, 2) * light
    ground = np.broadcast_to(rng.uniform(0.15, 0.5, (count, 1, 1, 1)), colour.shape)
    images = np.where(top[:, None] < 0, ground, colour) + 0.04 * rng.standard_normal(colour.shape)
    return Scenes(np.clip(images, 0, 1).astype(np.float32), top, kinds)


def _covers(
    shape: NDArray[np.int64], radius: NDArray[np.float64], centre: NDArray[np.float64], turned: NDArray[np.float64],
    size: int,
) -> NDArray[np.bool_]:  # fmt: skip
    """Return which pixels each thing covers (N, T, S, S)."""
    places = np.arange(size) + 0.5
    x, y = (places - centre[0, ..., None])[..., None, :], (places - centre[1, ..., None])[..., None]
    cos, sin, r = (a[..., None, None] for a in (np.cos(turned), np.sin(turned), radius))
    u, v = (cos * x + sin * y) / r, (cos * y - sin * x) / r
    far, near, out = np.maximum(abs(u), abs(v)), np.minimum(abs(u), abs(v)), np.hypot(u, v)
    inside = (
        out <= 0.95,
        far <= 0.85,
        (v <= 0.6) & (1.6 * abs(u) - v <= 1.0),
        (far <= 1.0) & (near <= 0.32),
        (out <= 1.0) & (out >= 0.55),
        out <= 0.68 + 0.32 * np.cos(5 * np.arctan2(u, -v)),
    )
    found: NDArray[np.bool_] = np.choose(shape[..., None, None], inside).astype(bool)
    return found


def _textured(rng: np.random.Generator, texture: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return how bright the paint of each thing is at each pixel (N, T, S, S)."""
    angle = rng.uniform(0, np.pi, texture.shape)[..., None, None]
    phase = rng.uniform(0, 2 * np.pi, (2, *texture.shape))[..., None, None]
    y, x = np.mgrid[:size, :size] * 2 * np.pi / PERIOD
    along, across = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    first, second = np.sin(along + phase[0]), np.sin(across + phase[1])
    bright = (np.ones_like(first, dtype=bool), first > 0, first + second < 0.7, first * second > 0)
    return np.where(np.choose(texture[..., None, None], bright), 1.0, DARK)
