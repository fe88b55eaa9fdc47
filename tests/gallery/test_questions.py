"""Generated pictures and questions: their masks, and that every answer is right."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.sources import questions as q


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    scenes = q.scenes(rng, 60)
    return scenes, q.questions(rng, scenes)


def test_masks_are_where_the_colours_are(made):
    scenes, _ = made
    there = scenes.shape >= 0
    assert ((there.sum(axis=1) >= 3) & (there.sum(axis=1) <= 4)).all()
    assert (scenes.masks.any(axis=(2, 3)) == there).all()
    assert scenes.masks.sum(axis=1).max() == 1, "no two overlap"
    for k, colour in enumerate(q.COLOURS.values()):
        seen = (np.abs(scenes.pictures - np.reshape(colour, (3, 1, 1))) < 1e-6).all(axis=1)
        assert (seen == scenes.masks[:, k]).all()


def test_shapes_are_told_by_how_much_of_their_box_they_fill(made):
    scenes, _ = made
    filled = {k: [] for k in range(3)}
    for mask, shape in zip(scenes.masks.reshape(-1, q.SIZE, q.SIZE), scenes.shape.ravel(), strict=True):
        if shape >= 0:
            rows, columns = mask.any(axis=1).sum(), mask.any(axis=0).sum()
            filled[shape].append(mask.sum() / (rows * columns))
    cross, square, triangle = (np.mean(filled[k]) for k in range(3))
    assert square == 1
    assert 0.4 < cross < 0.85
    assert 0.4 < triangle < 0.75


def test_answers_are_read_from_the_masks(made):
    scenes, asked = made
    at = np.arange(q.SIZE)
    for n in range(60):
        answer = q.ANSWERS[asked.answer[n]]
        first = scenes.masks[n, asked.first[n]]
        assert first.any()
        if asked.second[n] < 0:
            assert answer == q.SHAPES[scenes.shape[n, asked.first[n]]]
            assert asked.text(n).startswith("what shape is the ")
        else:
            second = scenes.masks[n, asked.second[n]]
            assert second.any()
            left = [(m.sum(axis=0) * at).sum() / m.sum() for m in (first, second)]
            if abs(left[0] - left[1]) > 1:
                assert (answer == "yes") == (left[0] < left[1])
            assert "left of" in asked.text(n)


def test_a_question_is_given_as_its_kind_and_its_colours(made):
    _, asked = made
    assert asked.words.shape == (60, q.WORDS)
    related = asked.second >= 0
    assert (asked.words.sum(axis=1) == np.where(related, 3, 2)).all()
    assert (asked.words[:, 2:6].argmax(axis=1) == asked.first).all()
    assert (asked.words[related][:, 6:].argmax(axis=1) == asked.second[related]).all()


def test_the_named_shapes_are_those_of_the_question(made):
    scenes, asked = made
    named = asked.named(scenes)
    for n in (int(np.flatnonzero(asked.second < 0)[0]), int(np.flatnonzero(asked.second >= 0)[0])):
        colours = [k for k in (asked.first[n], asked.second[n]) if k >= 0]
        assert (named[n] == scenes.masks[n, colours].any(axis=0)).all()
