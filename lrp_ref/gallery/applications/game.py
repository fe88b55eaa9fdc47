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

What is explained is the decision: the worth of the action that is chosen less that of the worst one, as worth alone
tells how well the game stands, in which actions hardly matter. The relevance of a plane is the sum of its |R|. The
situations are the same for all rounds: they come from the games of the trained agent.

Do not read it as attention before you have seen the check: an object is hidden from the network, and it is counted how
often it decides otherwise. A situation without ball, paddle or wall is one that it has never seen, though.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...network import Network
from ...propagation.explaining import explain
from .. import figures
from ..application import Application, Finding, Found, Held, Run
from ..learners.agent import LONG, best, learned, tested
from ..sources.breakout import ACTIONS, HEIGHT, WALL, WIDTH

EVERY = 6  # rounds between two explanations
SAFE = 0.9  # part of the test games in which an agent that keeps the ball still has it at their end
OBJECTS = {"ball": [0, 1], "paddle": [2], "bricks": [3]}  # planes of each


def run(at: Run) -> Found:
    """Train an agent, and explain its decisions in the same situations as they were along the way."""
    nets = learned(at)
    rounds = list(range(0, len(nets), at.few(EVERY, 1)))
    played = [tested(at, best(nets[k])) for k in rounds]
    drawn = np.random.default_rng(at.seed + 1)
    by_chance = tested(at, lambda seen: drawn.integers(len(ACTIONS), size=len(seen)))["bricks"]
    seen = played[-1]["seen"]
    situations = seen[at.rng.choice(len(seen), min(len(seen), at.few(600, 20)), replace=False)]
    maps = [_decision(nets[k], situations) for k in rounds]
    parts = np.array([_parts(heat) for heat in maps])  # (rounds, situations, objects)
    mean = dict(zip(OBJECTS, parts.mean(axis=1).T, strict=True))
    hidden = {name: _otherwise(nets[-1], situations, planes) for name, planes in OBJECTS.items()}
    games = {name: [float(one[name]) for one in played] for name in ("bricks", "kept", "bricks a return")}
    safe = next((k for k, kept in enumerate(games["kept"]) if kept >= SAFE), len(rounds) - 1)
    gains = float((parts[-1, :, 0] > parts[safe, :, 0]).mean())
    bricks, wall = games["bricks"], mean["bricks"]
    return Found(
        sentence=f"Trained, an agent breaks {bricks[-1]:.1f} bricks a game (by chance {by_chance:.1f}); the wall's "
        f"part of relevance fell from {wall[0]:.0%} to {wall[-1]:.0%}.",
        findings=(
            Finding("An agent learns from points alone to play the game.",
                    f"{bricks[-1]:.1f} bricks a game of at most {LONG} steps, untrained {bricks[0]:.1f}, by chance "
                    f"{by_chance:.1f}; it keeps the ball to the end in {games['kept'][-1]:.0%} of games",
                    "yes" if bricks[-1] > 3 * max(by_chance, bricks[0]) else "no"),
            _attention(mean, hidden),
            _strategy(rounds, safe, mean, games["bricks a return"], gains),
        ),
        numbers={"rounds": rounds, "situations": len(situations), **games, "bricks_by_chance": by_chance,
                 "relevance": mean, "otherwise_if_hidden": hidden, "first_round_that_keeps_the_ball": rounds[safe],
                 "ball_gains_in": gains},
        picture=_picture(nets[-1], situations, maps[-1], rounds, mean, games, by_chance),
        alt="Situations of a small Breakout with maps of the agent's decisions; how relevance is divided between ball, "
        "paddle and bricks in the course of training; and bricks a game, and a return, in its course.",
    )  # fmt: skip


def _attention(mean: dict[str, NDArray[Any]], hidden: dict[str, float]) -> Finding:
    """Return whether objects of more relevance change more decisions when they are hidden."""
    relevant = {name: float(values[-1]) for name, values in mean.items()}
    same = sorted(relevant, key=relevant.__getitem__) == sorted(hidden, key=hidden.__getitem__)
    parts, changed = (", ".join(f"{name} {v:.0%}" for name, v in given.items()) for given in (relevant, hidden))
    measured = f"of |R|: {parts}; another action is chosen if it is hidden: {changed}"
    return Finding("Relevance shows what the agent attends to.", measured, "yes" if same else "no")


def _strategy(
    rounds: list[int], safe: int, mean: dict[str, NDArray[Any]], a_return: list[float], gains: float
) -> Finding:
    """Return whether the agent learns to aim after it has learned to keep the ball, and relevance moves with it."""
    told = "; ".join(f"{name} {m[0]:.0%}, {m[safe]:.0%}, {m[-1]:.0%}" for name, m in mean.items())
    measured = (
        f"it keeps the ball from round {rounds[safe]} on, with {a_return[safe]:.2f} bricks a return, and learns to "
        f"aim: {a_return[-1]:.2f} in round {rounds[-1]}. Untrained, round {rounds[safe]}, {rounds[-1]}: {told} of |R|; "
        f"the ball gains between the latter two in {gains:.0%} of situations"
    )
    aims, moves = a_return[-1] > 2 * a_return[safe], gains > 0.6
    held: Held = "yes" if aims and moves else "in part" if aims else "no"
    return Finding("A strategy emerges in training, and what is relevant moves with it.", measured, held)


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
    return float((best(net)(seen) != best(net)(without)).mean())


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


def _picture(net: Network, situations: NDArray[Any], heat: NDArray[Any], rounds: list[int],
             mean: dict[str, NDArray[Any]], games: dict[str, list[float]], by_chance: float) -> Any:  # fmt: skip
    with figures.sheet(height=880, title="What an agent looks at, and when it began to") as figure:
        above, below = figure.subfigures(2, 1, height_ratios=(1.45, 1))
        shown = _shown(net, situations)
        for k, (axes, n) in enumerate(zip(above.subplots(2, len(shown)).T, shown, strict=True)):
            figures.show_image(axes[0], _board(situations[n]))
            figures.show_map(axes[1], heat[n])
            axes[0].set_title(f"chooses: {ACTIONS[int(net.forward(situations[n : n + 1]).argmax())]}")
            if k == 0:
                axes[0].set_ylabel("ball: blue\n(a step before: grey)")
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
    model="One convolution and two dense layers that say what three actions are worth, trained here by fitted Q "
    "iteration.",
    wing="strategies",
    run=run,
    extras=("torch",),
)
