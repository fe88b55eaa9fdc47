"""The rules of the small game, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.sources import breakout
from lrp_ref.gallery.sources.breakout import HEIGHT, PADDLE, WALL, WIDTH, Games

STAY = np.array([1])


def _game(ball, flies, paddle=4, bricks=None):
    bricks = breakout.wall() if bricks is None else bricks
    return Games(np.array([ball]), np.array([ball]), np.array([flies]), np.array([paddle]), bricks[None].copy())


def test_a_game_begins_with_a_whole_wall_and_a_falling_ball():
    games = breakout.begun(np.random.default_rng(0), 50)
    assert games.bricks.sum() == 50 * WIDTH * (WALL.stop - WALL.start)
    assert (games.flies[:, 0] == 1).all()
    planes = games.planes()
    assert planes.sum(axis=(2, 3)).tolist() == [[1, 1, 3, 24]] * 50


def test_a_brick_that_is_hit_is_gone_and_the_ball_comes_back():
    later, points, lost, met = breakout.played(_game((4, 2), (-1, 1)), STAY)
    assert points.tolist() == [1]
    assert not lost.any()
    assert not met.any()
    assert not later.bricks[0, 3, 3]
    assert later.bricks.sum() == 23
    assert later.ball.tolist() == [[4, 3]]
    assert later.flies.tolist() == [[1, 1]]


@pytest.mark.parametrize("cell", [-1, 0, 1])
def test_the_cell_of_the_paddle_says_where_the_ball_goes(cell):
    later, points, lost, met = breakout.played(_game((PADDLE - 1, 4 + cell), (1, 0)), STAY)
    assert met.all()
    assert not lost.any()
    assert points.tolist() == [0]
    assert later.flies.tolist() == [[-1, cell]]


def test_a_ball_beside_the_paddle_is_lost():
    _, points, lost, met = breakout.played(_game((PADDLE - 1, 6), (1, 0)), STAY)
    assert points.tolist() == [-1]
    assert lost.all()
    assert not met.any()


def test_the_paddle_moves_before_the_ball_and_stops_at_the_sides():
    _, _, lost, _ = breakout.played(_game((PADDLE - 1, 6), (1, 0)), np.array([2]))
    assert not lost.any()
    later, *_ = breakout.played(_game((5, 0), (1, 0), paddle=1), np.array([0]))
    assert later.paddle.tolist() == [1]


def test_sides_and_ceiling_throw_the_ball_back():
    empty = np.zeros((HEIGHT, WIDTH), bool)
    empty[WALL.stop - 1, 7] = True
    later, *_ = breakout.played(_game((5, 0), (1, -1)), STAY)
    assert later.ball.tolist() == [[6, 1]]
    later, *_ = breakout.played(_game((0, 3), (-1, 0), bricks=empty), STAY)
    assert later.ball.tolist() == [[1, 3]]


def test_a_wall_that_is_gone_is_built_anew_when_the_ball_is_below_it():
    one = np.zeros((HEIGHT, WIDTH), bool)
    one[3, 2] = True
    later, points, *_ = breakout.played(_game((4, 2), (-1, 0), bricks=one), STAY)
    assert points.tolist() == [1]
    assert not later.bricks.any()
    later, *_ = breakout.played(later, STAY)
    assert later.bricks[0].sum() == 24


def test_lost_games_begin_again_and_others_go_on():
    games = breakout.begun(np.random.default_rng(0), 3)
    later, *_ = breakout.played(games, np.array([1, 1, 1]))
    renewed = breakout.renewed(np.random.default_rng(1), later, np.array([True, False, True]))
    assert renewed.ball[1].tolist() == later.ball[1].tolist()
    assert (renewed.ball[[0, 2], 0] == WALL.stop).all()
