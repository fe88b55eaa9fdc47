"""An agent that learns the small game of :mod:`lrp_ref.gallery.sources.breakout`, by fitted Q iteration.

Many games are played at once; after each round a network is fitted to what an action brought: the points now, and what
the situation after it is worth by the network of the round before (Ernst, Geurts, Wehenkel 2005; Riedmiller 2005).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers import Flatten, ReLU
from ...network import Network
from .. import training
from ..application import Run
from ..sources import breakout
from ..sources.breakout import ACTIONS, HEIGHT, PLANES, WIDTH

Agent = Callable[[NDArray[Any]], NDArray[Any]]  # from what is seen, (N, 4, HEIGHT, WIDTH), to actions, (N,)

ROUNDS, GAMES, STEPS = 60, 256, 40  # of training; games at once, and steps of each in a round
KEPT, SEEN = 60_000, 20_000  # steps that are held, and those of them that the network is fitted to in a round
LATER = 0.92  # what a point is worth a step later
LONG = 300  # steps after which a test game ends


def network(rng: np.random.Generator) -> Network:
    """Return an untrained network from what is seen to what each action is worth."""
    return Network.sequential([
        training.conv(rng, len(PLANES), 24, 3, 3, stride=2, padding=1), ReLU(), Flatten(),
        training.dense(rng, 24 * (HEIGHT // 2) * (WIDTH // 2), 96), ReLU(),
        training.dense(rng, 96, len(ACTIONS)),
    ])  # fmt: skip


def best(net: Network) -> Agent:
    """Return the agent that does what a network thinks best."""
    return lambda seen: np.asarray(net.forward(seen).argmax(axis=1))


def learned(at: Run) -> list[Network]:
    """Return the network at first and after each round of fitted Q iteration."""
    rng, rounds = at.rng, at.few(ROUNDS, 2)
    games, memory, nets = breakout.begun(rng, at.few(GAMES, 16)), [], [network(rng)]
    for k in range(rounds):
        net, bold, count = nets[-1], max(0.1, 1 - 2 * k / rounds), len(games.paddle)
        for _ in range(STEPS):
            seen = games.planes()
            action = np.where(rng.random(count) < bold, rng.integers(len(ACTIONS), size=count), best(net)(seen))
            games, points, lost, _ = breakout.played(games, action)
            memory.append((seen.astype(bool), action, points, games.planes().astype(bool), lost))
            games = breakout.renewed(rng, games, lost)
        memory = memory[-(KEPT // GAMES) :]
        chosen = rng.choice(len(memory) * count, min(len(memory) * count, SEEN), replace=False)
        before, action, points, then, lost = (np.concatenate(part)[chosen] for part in zip(*memory, strict=True))
        worth = points + LATER * ~lost * net.forward(then.astype(np.float32)).max(axis=1)
        target = np.full((len(chosen), len(ACTIONS)), np.nan, np.float32)
        target[np.arange(len(chosen)), action] = worth
        nets.append(training.fit(net, before.astype(np.float32), target, epochs=1, batch=128, decay=1e-4, seed=k))
        at.tell("playing and learning", k + 1, rounds)
    return nets


def tested(at: Run, act: Agent) -> dict[str, Any]:
    """Return bricks a game until the ball is lost, bricks a return, games that end with the ball, and what was seen."""
    rng, count = np.random.default_rng(at.seed + 2), at.few(128, 8)
    games, alive, bricks, met, seen = breakout.begun(rng, count), np.ones(count, bool), 0, 0, []
    for _ in range(at.few(LONG, 20)):
        planes = games.planes()
        seen.append(planes[alive])
        games, points, lost, hit = breakout.played(games, act(planes))
        bricks, met = bricks + int((alive & (points > 0)).sum()), met + int((alive & hit).sum())
        alive = alive & ~lost
        games = breakout.renewed(rng, games, lost)
    return {"bricks": bricks / count, "bricks a return": bricks / max(met, 1), "kept": alive.mean(),
            "seen": np.concatenate(seen)}  # fmt: skip
