"""The agent of the small game: what it does, how it is tested, and what a round of training leaves."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref import Network, gallery, layers
from lrp_ref.gallery.applications import game as application
from lrp_ref.gallery.learners import agent

ASKED = gallery.Run(gallery.find("game"), quick=True)


def _follows(seen):
    """Move towards the column of the ball."""
    ball, paddle = (seen[:, plane].any(axis=1) for plane in (0, 2))
    middle = (paddle * np.arange(paddle.shape[1])).sum(axis=1) / 3
    return 1 + np.sign(ball.argmax(axis=1) - middle).astype(int)


def test_the_best_action_is_that_of_the_most_worth():
    weight = np.zeros((320, 3), np.float32)
    weight[5, 2] = weight[6, 0] = 1
    net = Network.sequential([layers.Flatten(), layers.Dense(weight)])
    seen = np.zeros((2, 4, 10, 8), np.float32)
    seen[0, 0, 0, 5] = seen[1, 0, 0, 6] = 1
    assert agent.best(net)(seen).tolist() == [2, 0]


def test_who_follows_the_ball_keeps_it_and_who_stays_in_a_corner_does_not():
    follows, stays = (agent.tested(ASKED, act) for act in (_follows, lambda seen: np.zeros(len(seen), int)))
    assert follows["kept"] > stays["kept"]
    assert follows["kept"] == 1
    assert follows["bricks"] > 1
    assert follows["seen"].shape == (8 * 20, 4, 10, 8)
    assert len(stays["seen"]) < 8 * 20


def test_parts_are_of_all_that_is_relevant_whatever_its_sign():
    heat = np.zeros((1, 4, 10, 8))
    heat[0, 0, 0, 0], heat[0, 1, 0, 0], heat[0, 2, 9, 0], heat[0, 3, 1] = 1, -2, 3, 0.25
    assert application._parts(heat).tolist() == [[0.375, 0.375, 0.25]]


def test_every_round_leaves_a_network():
    pytest.importorskip("torch")
    nets = agent.learned(ASKED)
    assert len(nets) == 3
    first, last = (net.nodes[0].layer.weight for net in (nets[0], nets[-1]))
    assert not np.array_equal(first, last)
