"""What applications on generated data call held, and the marks that they give: known answers."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.applications import fast_forward, game, video_border, visual_questions
from lrp_ref.gallery.sources import clips
from lrp_ref.gallery.sources import questions as q


@pytest.mark.parametrize(
    ("border", "untrained", "held"),
    [
        ([0.4, 0.5], 0.2, "yes"),
        ([0.4, 0.3], 0.2, "in part"),
        ([0.24, 0.3], 0.2, "no"),
        ([0.2, 0.2], 0.12, "in part"),
    ],
)
def test_a_border_effect_is_more_than_an_even_part_or_than_the_architecture(border, untrained, held):
    assert video_border._held(np.array(border), untrained) == held


def test_erased_frames_are_those_that_were_asked_for():
    seen = []

    class Net:
        def forward(self, x):
            seen.append(x)
            return np.eye(4)[np.zeros(len(x), int)]

    x = np.full((50, 1, clips.FRAMES, 3, 3), 0.5, np.float32)
    rng = np.random.default_rng(0)
    for gone in (None, video_border.BORDER, 4):
        assert video_border._accuracy(Net(), x, np.zeros(50, int), gone, rng) == 1
    whole, ends, some = ((given != 0.5).any(axis=(1, 3, 4)) for given in seen)
    assert not whole.any()
    assert ends[:, video_border.BORDER].all()
    assert not ends[:, 2:-2].any()
    assert (some.sum(axis=1) == 4).all()
    assert some.any(axis=0).all()


def test_a_sign_test_counts_what_changed():
    assert fast_forward._sign(5, 0) == pytest.approx(1 / 32)
    assert fast_forward._sign(0, 0) == 1


def test_a_gain_of_slow_videos_alone_is_that_of_seeing_more():
    def by(slow, fast):
        return {"slow": {1: 0.7, 2: slow}, "fast": {1: 0.8, 2: fast}}

    assert fast_forward._seen(by(0.8, 0.7), 0.5, 0.75) == "yes"
    assert fast_forward._seen(by(0.8, 0.7), 0.8, 0.75) == "in part"
    assert fast_forward._seen(by(0.6, 0.7), 0.5, 0.75) == "no"


def test_attention_is_shown_if_relevant_objects_change_decisions():
    mean = {"ball": np.array([0.1, 0.5]), "paddle": np.array([0.1, 0.2]), "bricks": np.array([0.8, 0.3])}
    assert game._attention(mean, {"ball": 0.6, "paddle": 0.1, "bricks": 0.3}).held == "yes"
    assert game._attention(mean, {"ball": 0.1, "paddle": 0.6, "bricks": 0.3}).held == "no"


def test_marks_of_a_map_that_is_the_mask_are_one():
    rng = np.random.default_rng(0)
    scenes = q.scenes(rng, 6)
    about = q.questions(rng, scenes)
    masks, every = about.named(scenes), scenes.masks.any(axis=1)
    found = visual_questions._measured(np.repeat(masks[:, None], 3, axis=1) * 1.0, masks, every, np.ones(6, bool))
    assert found == {"mass": 1, "rank": 1, "among shapes": 1}
    even = visual_questions._measured(np.ones((6, 3, q.SIZE, q.SIZE)), masks, every, np.ones(6, bool))
    assert even["mass"] == pytest.approx(masks.mean())


def test_a_relation_network_answers_with_every_pair_of_cells_once():
    net = visual_questions.network(np.random.default_rng(0))
    scenes = q.scenes(np.random.default_rng(0), 2)
    about = q.questions(np.random.default_rng(0), scenes)
    assert net.forward({"picture": scenes.pictures, "question": about.words}).shape == (2, len(q.ANSWERS))
    pairs = list(zip(net["one"].layer.indices, net["other"].layer.indices, strict=True))
    assert len(set(map(frozenset, pairs))) == len(pairs) == 45
