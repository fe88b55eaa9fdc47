"""Generated scenes: what is drawn is where the masks say, and the seed says all."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.errors import ParameterError
from lrp_ref.gallery.sources import scenes as made
from lrp_ref.gallery.sources.scenes import CATEGORIES, COLOURS, CONCEPTS, KINDS, SHAPES, TEXTURES, scenes

SCENES = scenes(np.random.default_rng(1), 40, size=40, things=3)


def test_a_seed_makes_the_same_scenes_and_another_others() -> None:
    again, other = (scenes(np.random.default_rng(seed), 40, size=40, things=3) for seed in (1, 2))
    np.testing.assert_array_equal(again.images, SCENES.images)
    np.testing.assert_array_equal(again.masks, SCENES.masks)
    assert (other.images != SCENES.images).any()
    assert SCENES.images.dtype == np.float32
    assert SCENES.images.min() >= 0
    assert SCENES.images.max() <= 1


def test_each_pixel_of_a_thing_has_one_concept_of_each_kind_and_the_ground_none() -> None:
    for kind, names in KINDS.items():
        chosen = [k for k, category in enumerate(CATEGORIES) if category == kind]
        assert tuple(CONCEPTS[k] for k in chosen) == names
        np.testing.assert_array_equal(SCENES.masks[:, chosen].sum(axis=1), SCENES.top >= 0)


def test_masks_are_those_of_the_things_pixel_by_pixel() -> None:
    masks, concepts = SCENES.masks, list(CONCEPTS)
    for n, y, x in np.random.default_rng(2).integers(0, 40, (300, 3)):
        thing = SCENES.top[n, y, x]
        shape, colour, texture = SCENES.kinds[:, n, thing]
        names = {SHAPES[shape], list(COLOURS)[colour], TEXTURES[texture]} if thing >= 0 else set()
        assert {concepts[c] for c in np.flatnonzero(masks[n, :, y, x])} == names


def test_pixels_have_their_colour_and_plain_things_one_brightness() -> None:
    images, masks = SCENES.images, SCENES.masks
    plain = masks[:, CONCEPTS.index("plain")]
    for name, paint in COLOURS.items():
        where = masks[:, CONCEPTS.index(name)]
        mean = np.array([images[:, k][where].mean() for k in range(3)])
        assert np.corrcoef(mean, paint)[0, 1] > 0.98
        at = images.transpose(0, 2, 3, 1)[where & plain]
        assert np.abs(at - np.array(paint)).max() < 0.15 + 5 * made.NOISE  # of the least brightness, and of noise
    ground = images.transpose(0, 2, 3, 1)[SCENES.top < 0]
    assert np.abs(ground - ground.mean(axis=1, keepdims=True)).max() < 0.25


@pytest.mark.parametrize(("texture", "low", "high"), [(1, 0.4, 0.6), (2, 0.65, 0.9), (3, 0.4, 0.6)])
def test_textures_have_bright_and_dark_parts(texture: int, low: float, high: float) -> None:
    bright = made._textured(np.random.default_rng(3), np.full((20, 1), texture), 48)
    assert set(np.unique(bright)) == {np.float32(made.DARK), 1.0}
    assert low < (bright == 1).mean() < high
    assert (made._textured(np.random.default_rng(3), np.zeros((2, 1), int), 48) == 1).all()


def area(shape: str) -> float:
    """The area of a thing of radius 100, not turned, in pixels."""
    one = np.full((1, 1), SHAPES.index(shape))
    return float(made.drawn(one, one * 0 + 100.0, np.full((2, 1, 1), 128.0), one * 0.0, 256).sum())


@pytest.mark.parametrize(
    ("shape", "expected"),  # in units of r²: of the formulas of geometry
    [("disc", np.pi * 0.95**2), ("square", 1.7**2), ("triangle", 1.6**2 / 1.6), ("ring", np.pi * (1 - 0.55**2)),
     ("cross", 2 * 2 * 0.64 - 0.64**2), ("flower", np.pi * (0.68**2 + 0.32**2 / 2))],
)  # fmt: skip
def test_shapes_have_their_area(shape: str, expected: float) -> None:
    assert area(shape) / 100**2 == pytest.approx(expected, rel=0.02)


def test_what_is_present_can_be_seen() -> None:
    for kind, names in KINDS.items():
        present = SCENES.present(kind)
        assert present.shape == (40, len(names))
        pixels = SCENES.masks[:, [CATEGORIES[k] == kind for k in range(len(CONCEPTS))]].sum(axis=(2, 3))
        assert (pixels[present == 1] >= made.SEEN).all()
        assert (pixels[present == 0] < 3 * made.SEEN).all()
    with pytest.raises(ParameterError, match="did you mean 'texture'"):
        SCENES.present("textures")
    with pytest.raises(ParameterError, match="at least 24 pixels"):
        scenes(np.random.default_rng(0), 1, size=8)
