"""A small game: a ball, a paddle, a wall of bricks. Many games are played at once, as arrays.

The ball flies along a column or a diagonal, one cell a step. It comes back from the sides, the ceiling, a brick (which
is gone then, for one point) and the paddle, which moves by a cell a step or stays. Where the ball meets the paddle says
where it goes: from the left cell to the left, from the right one to the right, from the middle straight up. A ball that
passes the paddle ends the game, at the cost of a point; a wall that is gone is built anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 8, 10  # cells
WALL = slice(1, 4)  # rows of bricks; above them a row is free
PADDLE = HEIGHT - 1  # its row; it is three cells wide
ACTIONS = ("left", "stay", "right")
PLANES = ("ball", "ball, a step before", "paddle", "bricks")


@dataclass(frozen=True)
class Games:
    """Games, one an entry of each array (N,).

    Attributes:
        ball: row and column, (N, 2).
        before: where it was a step ago.
        flies: by how many rows and columns a step, (N, 2).
        paddle: the column of its middle.
        bricks: (N, HEIGHT, WIDTH), where bricks are.
    """

    ball: NDArray[Any]
    before: NDArray[Any]
    flies: NDArray[Any]
    paddle: NDArray[Any]
    bricks: NDArray[Any]

    def planes(self) -> NDArray[Any]:
        """Return what a network sees: (N, 4, HEIGHT, WIDTH) of 0 and 1, in float32; see :data:`PLANES`."""
        seen = np.zeros((len(self.paddle), len(PLANES), HEIGHT, WIDTH), np.float32)
        n = np.arange(len(self.paddle))
        for plane, place in enumerate((self.ball, self.before)):
            seen[n, plane, place[:, 0], place[:, 1]] = 1
        for cell in (-1, 0, 1):
            seen[n, 2, PADDLE, self.paddle + cell] = 1
        seen[:, 3] = self.bricks
        return seen


def wall() -> NDArray[Any]:
    """Return a whole wall, (HEIGHT, WIDTH)."""
    bricks = np.zeros((HEIGHT, WIDTH), bool)
    bricks[WALL] = True
    return bricks


def begun(rng: np.random.Generator, count: int) -> Games:
    """Return games at their beginning: the ball falls from below the wall, the paddle is anywhere."""
    ball = np.stack([np.full(count, WALL.stop), rng.integers(WIDTH, size=count)], axis=1)
    flies = np.stack([np.ones(count, int), rng.integers(-1, 2, count)], axis=1)
    return Games(ball, ball.copy(), flies, rng.integers(1, WIDTH - 1, count), np.repeat(wall()[None], count, axis=0))


def played(games: Games, action: NDArray[Any]) -> tuple[Games, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the games a step later, the points, whether they are lost, and whether the paddle met the ball.

    Args:
        games: before the step.
        action: 0 left, 1 stay, 2 right, (N,).
    """
    n, paddle = np.arange(len(action)), np.clip(games.paddle + action - 1, 1, WIDTH - 2)
    down, aside = games.flies.T.copy()
    row, column = games.ball.T
    aside = np.where((column + aside < 0) | (column + aside >= WIDTH), -aside, aside)
    down = np.where(row + down < 0, 1, down)
    to_row, to_column = row + down, column + aside
    broken = games.bricks[n, to_row, to_column]
    bricks = games.bricks.copy()
    bricks[n[broken], to_row[broken], to_column[broken]] = False
    at_paddle = to_row == PADDLE
    met = at_paddle & (np.abs(to_column - paddle) <= 1)
    lost = at_paddle & ~met
    aside = np.where(met, to_column - paddle, aside)
    back = broken | met
    down, to_row = np.where(back, -down, down), np.where(back, row, to_row)
    done = ~bricks.any(axis=(1, 2)) & (to_row > WALL.stop)  # not while the ball is where the wall will be
    bricks[done] = wall()
    later = Games(np.stack([to_row, to_column], axis=1), games.ball, np.stack([down, aside], axis=1), paddle, bricks)
    return later, broken.astype(np.float32) - lost, lost, met


def renewed(rng: np.random.Generator, games: Games, lost: NDArray[Any]) -> Games:
    """Return the games, with new ones in the place of those that are lost."""
    new = begun(rng, len(lost))
    names = ("ball", "before", "flies", "paddle", "bricks")
    chosen = {}
    for name in names:
        old = getattr(games, name)
        chosen[name] = np.where(lost.reshape(-1, *[1] * (old.ndim - 1)), getattr(new, name), old)
    return replace(games, **chosen)
