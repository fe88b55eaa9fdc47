"""What applications on garments are made of: codes, probabilities, concepts of generated pictures, likeness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref.gallery.applications import activation_maximisation, gan_dissection
from lrp_ref.gallery.sources import garments


class Judge:
    """Sees in a picture the class whose number is the ink of its first pixel, times twenty."""

    def forward(self, x: Any) -> Any:
        assert x.shape[1:] == (1, 28, 28)
        wanted = (20 * x[:, 0, 0, 0]).round().astype(int)
        return 3.0 * (wanted[:, None] == np.arange(10))


def made(*labels: int) -> Any:
    """Pictures of whose rows 4 to 11 all pixels are inked, for the judge above."""
    pictures = np.zeros((len(labels), 28, 28, 1))
    pictures[:, 4:12] = 0.9
    pictures[:, 0, 0, 0] = np.array(labels) / 20  # too faint to be ink
    return pictures


def test_codes_are_drawn_for_all_garments_in_turn() -> None:
    drawn = garments.codes(np.random.default_rng(0), 25)
    assert drawn[garments.NOISE].shape == (25, garments.CODE)
    assert drawn[garments.NOISE].dtype == np.float32
    assert drawn[garments.LABEL][:, 0].tolist() == [k % 10 for k in range(25)]
    few = garments.some(drawn, slice(3, 5))
    assert few[garments.LABEL].tolist() == [[3], [4]]
    np.testing.assert_array_equal(few[garments.NOISE], drawn[garments.NOISE][3:5])


def test_probabilities_are_the_softmax_of_the_logits() -> None:
    found = garments.probability(Judge(), made(4, 0))  # type: ignore[arg-type]
    assert found[0, 4] == pytest.approx(np.exp(3) / (np.exp(3) + 9))
    assert found[1, 0] == found[0, 4]
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_concept_is_the_ink_of_what_the_judge_calls_so_and_sleeves_are_at_its_sides() -> None:
    found = gan_dissection._concepts(Judge(), made(gan_dissection.COAT, 8, gan_dissection.PULLOVER))  # type: ignore[arg-type]
    ink = np.zeros((28, 28), dtype=bool)
    ink[4:12] = True
    for n, label in enumerate((4, 8, 2)):
        for c in range(10):
            np.testing.assert_array_equal(found[n, c], ink if c == label else np.zeros_like(ink))
        sides = np.zeros_like(ink)
        if label != 8:
            sides[8:12, :8] = sides[8:12, 20:] = True
        np.testing.assert_array_equal(found[n, gan_dissection.SLEEVE], sides)


def test_places_of_the_sides_are_those_of_the_map_of_7_by_7() -> None:
    where = gan_dissection.SIDES.reshape(7, 4, 7, 4)
    np.testing.assert_array_equal(where.all(axis=(1, 3)), where.any(axis=(1, 3)))


def test_likeness_is_the_correlation_with_the_nearest_picture() -> None:
    rng = np.random.default_rng(1)
    x, real = rng.random((4, 1, 28, 28)), rng.random((9, 1, 28, 28))
    real[3] = 0.5 * x[2] + 0.25  # of another contrast, and yet the same
    found = activation_maximisation._likeness(x, real)
    expected = [max(np.corrcoef(a.ravel(), b.ravel())[0, 1] for b in real) for a in x]
    np.testing.assert_allclose(found, expected)
    assert found[2] == pytest.approx(1)


def test_how_alike_the_pictures_of_a_class_are() -> None:
    x = np.random.default_rng(2).random((30, 1, 28, 28))
    pairs = [np.corrcoef(x[c + 10 * a].ravel(), x[c + 10 * b].ravel())[0, 1] for c in range(10) for a, b in
             ((0, 1), (0, 2), (1, 2))]  # fmt: skip
    assert activation_maximisation._alike(x) == pytest.approx(np.mean(pairs))
    assert np.isnan(activation_maximisation._alike(x[:10]))


def test_first_pictures_of_each_class_stand_in_turn() -> None:
    labels = np.random.default_rng(3).permutation(np.repeat(np.arange(10), 5))
    data = {"train_labels": labels, "train_images": np.arange(50)[:, None, None] * np.ones((28, 28))}
    numbers = (activation_maximisation._some_of_each(data, 2)[:, 0, 0, 0] * 255).round().astype(int)
    assert labels[numbers].tolist() == [*range(10), *range(10)]
    assert [numbers[c] for c in range(10)] == [int(np.flatnonzero(labels == c)[0]) for c in range(10)]
