"""A network learns to play a game, from points alone. What does it look at, and when did it begin to?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers import Flatten, ReLU
from ...network import Network
from .. import breakout, training
from ..breakout import ACTIONS, HEIGHT, PLANES, WIDTH
from ..running import Run

LATER = 0.92  # what a point is worth a step later
GAMES, STEPS, KEPT = 256, 40, 60_000
ROUNDS = 60


def network(rng: np.random.Generator) -> Network:
    """Return an untrained network from what is seen to what each action is worth."""
    return Network.sequential([
        training.conv(rng, len(PLANES), 24, 3, 3, stride=2, padding=1), ReLU(), Flatten(),
        training.dense(rng, 24 * (HEIGHT // 2) * (WIDTH // 2), 96), ReLU(),
        training.dense(rng, 96, len(ACTIONS)),
    ])  # fmt: skip


def learned(at: Run, rounds: int) -> list[Network]:
    """Return the network at first and after each round of fitted Q iteration."""
    rng = at.rng
    net = network(rng)
    nets, games, memory = [net], breakout.begun(rng, GAMES), []
    for k in range(rounds):
        bold = max(0.1, 1 - 2 * k / rounds)
        for _ in range(STEPS):
            seen = games.planes()
            action = net.forward(seen).argmax(axis=1)
            action = np.where(rng.random(GAMES) < bold, rng.integers(len(ACTIONS), size=GAMES), action)
            games, points, lost, _ = breakout.played(games, action)
            memory.append((seen.astype(bool), action, points, games.planes().astype(bool), lost))
            games = breakout.renewed(rng, games, lost)
        memory = memory[-(KEPT // GAMES) :]
        seen, action, points, then, lost = (np.concatenate(part) for part in zip(*memory, strict=True))
        chosen = rng.choice(len(seen), min(len(seen), 20_000), replace=False)
        worth = points[chosen] + LATER * ~lost[chosen] * net.forward(then[chosen].astype(np.float32)).max(axis=1)
        target = np.full((len(chosen), len(ACTIONS)), np.nan, np.float32)
        target[np.arange(len(chosen)), action[chosen]] = worth
        net = training.fit(
            net, seen[chosen].astype(np.float32), target, epochs=1, batch=128, rate=2e-3, decay=1e-4, seed=k
        )
        nets.append(net)
        at.tell(f"round {k + 1}", k + 1, rounds)
    return nets


def scores(rng: np.random.Generator, act: Callable[[NDArray[Any]], NDArray[Any]], count: int = 200, most: int = 400):
    """Return points until the ball is lost and bricks for each time that the paddle met the ball, of each game."""
    games, alive = breakout.begun(rng, count), np.ones(count, bool)
    bricks, met, where = np.zeros(count), np.zeros(count), []
    for _ in range(most):
        seen = games.planes()
        where.append(seen[alive])
        games, points, lost, hit = breakout.played(games, act(seen))
        bricks += alive * (points > 0)
        met += alive * hit
        alive &= ~lost
    return bricks, met, alive, where
