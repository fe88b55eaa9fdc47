"""A network learns to play a game, from points alone. What does it look at, and when did it begin to?

Lapuschkin and colleagues let LRP explain agents that play Atari games: the action that is chosen is handed back to the
pixels. In Breakout they saw relevance on the ball and the paddle, saw during training what the network took notice of
first and what later, and saw a strategy come up that nobody had taught it.

The game here is a small Breakout: a wall of bricks, a ball that flies along columns and diagonals, a paddle of three
cells. Where the ball meets the paddle says where it flies, so that who wants more than to keep the ball has to aim. The
network sees four planes (the ball, the ball a step before, the paddle, the bricks) and says what each of three actions
is worth. It is trained by fitted Q iteration: many games are played at once, mostly by what the network thinks best,
and after every round it is fitted to *points now, and what the next situation is worth*; of actions that were not
taken, nothing is known, and nothing is asked. Beside it stands an agent that moves by chance.

Explained is the decision: the worth of the action that is chosen less that of the worst one, as worth alone tells how
well the game stands, in which actions hardly matter. The relevance of a plane is the sum of its |R|. The situations are
the same for all rounds: they come from the games of the trained agent.

Do not read it as attention before you have seen the check: an object is hidden from the network, and it is counted how
often it decides otherwise. A situation without ball, paddle or wall is one that it has never seen, though.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers import Flatten, ReLU
from ...network import Network
from ...propagation.explaining import explain
from .. import breakout, figures, training
from ..application import Application, Finding, Found, Held
from ..breakout import ACTIONS, HEIGHT, PLANES, WALL, WIDTH
from ..running import Run

ROUNDS, GAMES, STEPS = 60, 256, 40  # of training; games at once, and steps of each in a round
KEPT, SEEN = 60_000, 20_000  # steps that are remembered, and those of them that the network is fitted to in a round
LATER = 0.92  # what a point is worth a step later
EVERY = 6  # rounds between two explanations
LONG = 300  # steps after which a test game ends
SAFE = 0.9  # part of the test games in which an agent that keeps the ball still has it at their end
OBJECTS = {"ball": [0, 1], "paddle": [2], "bricks": [3]}  # planes of each


def run(at: Run) -> Found:
    """Train an agent, and explain its decisions in the same situations as they were along the way."""
    nets = _learned(at)
    rounds = list(range(0, len(nets), at.few(EVERY, 1)))
    played = [_played(at, _best(nets[k])) for k in rounds]
    by_chance = _played(
        at, lambda seen, rng=np.random.default_rng(at.seed + 1): rng.integers(len(ACTIONS), size=len(seen))
    )
    seen = played[-1]["seen"]
    situations = seen[at.rng.choice(len(seen), min(len(seen), at.few(600, 20)), replace=False)]
    maps = [_decision(nets[k], situations) for k in rounds]
    parts = np.array([_parts(heat) for heat in maps])  # (rounds, situations, objects)
    hidden = {name: _otherwise(nets[-1], situations, planes) for name, planes in OBJECTS.items()}
    games = {name: [float(one[name]) for one in played] for name in ("bricks", "kept", "bricks a return")}
    safe = next((k for k, kept in enumerate(games["kept"]) if kept >= SAFE), len(rounds) - 1)
    mean = dict(zip(OBJECTS, parts.mean(axis=1).T, strict=True))
    at_wall = float(mean["bricks"][0])
    aims = games["bricks a return"]
    more_ball = float((parts[-1, :, 0] > parts[safe, :, 0]).mean())
    told = "; ".join(f"{name} {m[0]:.0%}, {m[safe]:.0%}, {m[-1]:.0%}" for name, m in mean.items())
    return Found(
        sentence=f"Trained, the agent breaks {games['bricks'][-1]:.1f} bricks a game (by chance {by_chance['bricks']:.1f}); "
        f"relevance went from the wall to ball and paddle.",
        findings=(
            Finding("An agent learns from points alone to play the game.",
                    f"{games['bricks'][-1]:.1f} bricks a game of at most {LONG} steps, untrained {games['bricks'][0]:.1f}, "
                    f"by chance {by_chance['bricks']:.1f}; it keeps the ball to the end in {games['kept'][-1]:.0%} of games",
                    "yes" if games["bricks"][-1] > 3 * max(by_chance["bricks"], games["bricks"][0]) else "no"),
            Finding("Relevance shows what the agent attends to: the ball and the paddle.",
                    f"untrained, round {rounds[safe]}, round {rounds[-1]}: {told} of |R|. Hidden, the decision of the last is "
                    "another: " + ", ".join(f"{name} {part:.0%}" for name, part in hidden.items()),
                    _attends(mean, hidden)),
            Finding("A strategy emerges in training, and what is relevant moves with it.",
                    f"from round {rounds[safe]} on it keeps the ball, with {aims[safe]:.2f} bricks a return; in the end "
                    f"{aims[-1]:.2f}. From the one to the other the ball gains relevance in {more_ball:.0%} of situations",
                    "yes" if aims[-1] > 2 * aims[safe] and more_ball > 0.6 else "in part" if aims[-1] > 2 * aims[safe] else "no"),
        ),
        numbers={"rounds": rounds, "situations": len(situations), **games, "bricks_by_chance": by_chance["bricks"],
                 "relevance": mean, "untrained_on_bricks": at_wall, "otherwise_if_hidden": hidden,
                 "first_round_that_keeps_the_ball": rounds[safe], "ball_gains_in": more_ball},
        picture=_picture(nets[-1], situations, maps[-1], rounds, mean, games, by_chance["bricks"]),
        alt="Situations of a small Breakout with maps of the agent's decisions; how relevance is divided between ball, "
        "paddle and bricks in the course of training; and bricks a game, and a return, in its course.",
    )  # fmt: skip


def network(rng: np.random.Generator) -> Network:
    """Return an untrained network from what is seen to what each action is worth."""
    return Network.sequential([
        training.conv(rng, len(PLANES), 24, 3, 3, stride=2, padding=1), ReLU(), Flatten(),
        training.dense(rng, 24 * (HEIGHT // 2) * (WIDTH // 2), 96), ReLU(),
        training.dense(rng, 96, len(ACTIONS)),
    ])  # fmt: skip


def _best(net: Network) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return the agent that does what a network thinks best."""
    return lambda seen: np.asarray(net.forward(seen).argmax(axis=1))


def _learned(at: Run) -> list[Network]:
    """Return the network at first and after each round of fitted Q iteration."""
    rng, rounds = at.rng, at.few(ROUNDS, 2)
    games, memory, nets = breakout.begun(rng, at.few(GAMES, 16)), [], [network(rng)]  # type: ignore[var-annotated]
    for k in range(rounds):
        net, bold, count = nets[-1], max(0.1, 1 - 2 * k / rounds), len(games.paddle)
        for _ in range(STEPS):
            seen = games.planes()
            action = np.where(rng.random(count) < bold, rng.integers(len(ACTIONS), size=count), _best(net)(seen))
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


def _played(at: Run, act: Callable[[NDArray[Any]], NDArray[Any]]) -> dict[str, Any]:
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


def _decision(net: Network, seen: NDArray[Any]) -> NDArray[Any]:
    """Return the relevance for the chosen action's worth less that of the worst."""
    worth = net.forward(seen)
    best, worst = worth.argmax(axis=1), worth.argmin(axis=1)
    return np.asarray(
        explain(net, seen, start="difference", target=best, against=worst, composite="epsilon_plus").relevance
    )


def _parts(heat: NDArray[Any]) -> NDArray[Any]:
    """Return which part of |R| lies on each of the objects, (N, objects)."""
    each = np.stack([np.abs(heat[:, planes]).sum(axis=(1, 2, 3)) for planes in OBJECTS.values()], axis=1)
    return np.asarray(each / np.maximum(each.sum(axis=1, keepdims=True), 1e-30))


def _otherwise(net: Network, seen: NDArray[Any], planes: list[int]) -> float:
    """Return in which part of the situations another action is chosen if some planes are empty."""
    without = seen.copy()
    without[:, planes] = 0
    return float((_best(net)(seen) != _best(net)(without)).mean())


def _attends(mean: dict[str, NDArray[Any]], hidden: dict[str, float]) -> Held:
    """Return whether ball and paddle gained relevance, have most of it, and matter more than the wall if hidden."""
    gained = mean["bricks"][-1] < mean["bricks"][0]
    most = mean["bricks"][-1] < 0.5 and hidden["bricks"] < min(hidden["ball"], hidden["paddle"])
    return "yes" if gained and most else "in part" if gained else "no"


def _shown(net: Network, seen: NDArray[Any]) -> list[int]:
    """Return situations of several kinds: the ball falls, near the paddle and far; it rises; it is behind the wall."""
    row, before = (seen[:, plane].any(axis=2).argmax(axis=1) for plane in (0, 1))
    action = net.forward(seen).argmax(axis=1)
    low, falls = row >= HEIGHT - 4, row > before
    kinds = [low & falls & (action == 0), low & falls & (action == 2), ~low & falls & (row >= WALL.stop),
             ~falls & (row >= WALL.stop), row < WALL.start, (row < WALL.stop) & (row >= WALL.start)]  # fmt: skip
    return [int(np.append(np.flatnonzero(kind), 0)[0]) for kind in kinds]


def _board(planes: NDArray[Any]) -> NDArray[Any]:
    """Return a situation as a picture (HEIGHT, WIDTH, 3)."""
    picture = np.ones((HEIGHT, WIDTH, 3))
    for plane, hue in (
        (3, (0.80, 0.62, 0.42)),
        (2, (0.25, 0.25, 0.25)),
        (1, (0.82, 0.82, 0.82)),
        (0, (0.0, 0.45, 0.7)),
    ):
        picture[planes[plane] > 0] = hue
    return picture


def _picture(net: Network, situations: NDArray[Any], heat: NDArray[Any], rounds: list[int], mean: dict[str, NDArray[Any]],
             games: dict[str, list[float]], by_chance: float) -> Any:  # fmt: skip
    with figures.sheet(height=880, title="What an agent looks at, and when it began to") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(1.45, 1))
        shown = _shown(net, situations)
        for k, (axes, n) in enumerate(zip(above.subplots(2, len(shown)).T, shown, strict=True)):
            figures.show_image(axes[0], _board(situations[n]))
            figures.show_map(axes[1], heat[n])
            axes[0].set_title(f"chooses: {ACTIONS[int(net.forward(situations[n : n + 1]).argmax())]}")
            if k == 0:
                axes[0].set_ylabel("ball blue, a step\nbefore: grey")
                axes[1].set_ylabel("relevance")
        what, score, aim = below.subplots(1, 3, width_ratios=(1.5, 1, 1))
        for name, values in mean.items():
            what.plot(rounds, 100 * values, label=name)
        what.set(xlabel="round of training", ylabel="% of |R|", ylim=(0, None))
        what.legend(ncols=3, loc="upper right")
        score.plot(rounds, games["bricks"], label="agent")
        score.axhline(by_chance, color=figures.PALE, linestyle="--", label="by chance")
        score.set(xlabel="round of training", ylabel="bricks a game")
        score.legend()
        aim.plot(rounds, games["bricks a return"], label="bricks a return")
        aim.plot(rounds, games["kept"], label="games without loss")
        aim.set(xlabel="round of training", ylim=(0, 1.35))
        aim.legend(loc="upper left")
        return figures.finish(figure)


APPLICATION = Application(
    title="What an agent looks at in a game",
    source="Lapuschkin, Wäldchen, Binder, Montavon, Samek, Müller 2019, Nature Communications 10:1096",
    data="600 situations of a small Breakout of 8 × 10 cells, from the games of the trained agent.",
    model="one convolution and two dense layers that say what three actions are worth, trained here by fitted Q iteration.",
    wing="strategies",
    run=run,
    extras=("torch",),
)
