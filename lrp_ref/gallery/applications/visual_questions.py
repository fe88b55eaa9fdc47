"""A network answers questions on a picture. Does it look at the object that the question is about?

"What shape is the red one?" "Is the red one left of the blue one?" The network is a relation network: convolutions make
nine cells of the picture; every pair of cells, together with the question, goes through one small network; what all
pairs say is summed, and a last network answers. Nobody tells it which object matters; but the pictures are generated,
so that it is known to the pixel, and a map can be marked: Arras and colleagues made a benchmark of that idea.

Two marks, both of 1 at best. *Mass*: which part of the positive relevance lies on the shapes that the question names.
*Rank*: of as many most relevant pixels as these shapes have, which part lies on them. A map that favours nothing has,
in both, the part of the picture that they cover. Only right answers count, as a wrong one may well be about something
else.

Shapes stand out from paper, and any map that favours edges finds them; so it is told apart whether a map finds
*shapes*, or *the ones asked for*. Of the relevance on all shapes, it is counted how much is on those that are named;
and the same picture is given with a question about another of its shapes.

LRP here is γ on convolutions, ε on dense layers, and zᴮ on the first convolution, where pixels of 0 to 1 enter.
Relevance that goes to the question's words, or to the numbers that tell a cell where it is, is none of the picture's.
Another set of rules is shown beside it, z⁺ everywhere: what makes the network deaf to other shapes may be negative
terms (of a word that does not fit a shape's colour), and a rule without them may not know which shape was asked for.
The rules were chosen on another network of the kind, and then kept.
"""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import layers
from ...evaluate import relevance_mass, relevance_rank
from ...layers import Concat, Constant, Conv, Dense, Gather, ReLU, Reshape, Sum, Transpose
from ...methods import attribute
from ...network import Network, Node
from ...network.inputs import Input
from ...propagation.plan import Composite, first
from ...rules import Epsilon, GeneralizedGamma, ZBox, ZPlus
from .. import figures, training
from ..application import Application, Finding, Found, Held, Run
from ..sources.questions import ANSWERS, SIZE, WORDS, Questions, Scenes, questions, scenes

CELLS = (SIZE // 8) ** 2  # places of the convolutions' output, of which pairs are made
EPOCHS, ASKED = 10, 3  # of training; questions on each picture
BOX = ZBox(0.0, 1.0)
LRP, PLUS = "LRP: box, γ, ε", "LRP: z⁺ everywhere"
METHODS: dict[str, Any] = {
    LRP: Composite([(first(Conv), BOX), (Conv, GeneralizedGamma(0.25)), (Dense, Epsilon(1e-6))], name="box_gamma"),
    PLUS: Composite([(first(Conv), BOX), ((Conv, Dense), ZPlus())], name="box_plus"),
    "gradient × input": "gradient_x_input", "gradient²": "sensitivity", "guided backprop": "guided_backprop",
}  # fmt: skip
SHOWN_MAPS = (LRP, PLUS, "gradient²")
PLACE = 4  # learned numbers that tell a cell where it is


def network(rng: np.random.Generator) -> Network:
    """Return an untrained relation network: what every pair of cells says to the question is summed."""
    one, other = np.triu_indices(CELLS)  # each pair once, and each cell with itself
    place = rng.standard_normal((CELLS, PLACE)).astype(np.float32)
    width = 2 * (32 + PLACE) + WORDS
    chain: list[tuple[str, layers.Layer, tuple[str, ...]]] = [
        ("conv1", training.conv(rng, 3, 16, 3, 3, stride=2, padding=1), ("picture",)), ("relu1", ReLU(), ("conv1",)),
        ("conv2", training.conv(rng, 16, 32, 3, 3, stride=2, padding=1), ("relu1",)), ("relu2", ReLU(), ("conv2",)),
        ("conv3", training.conv(rng, 32, 32, 3, 3, stride=2, padding=1), ("relu2",)), ("relu3", ReLU(), ("conv3",)),
        ("rows", Reshape((32, CELLS)), ("relu3",)), ("seen", Transpose((0, 2, 1)), ("rows",)),
        ("place", Constant(place), ("seen",)), ("cells", Concat(2), ("seen", "place")),
        ("one", Gather(tuple(map(int, one))), ("cells",)), ("other", Gather(tuple(map(int, other))), ("cells",)),
        ("asked", Reshape((1, WORDS)), ("question",)), ("to_all", Gather((0,) * len(one)), ("asked",)),
        ("pairs", Concat(2), ("one", "other", "to_all")),
        ("g1", training.dense(rng, width, 64), ("pairs",)), ("g1_relu", ReLU(), ("g1",)),
        ("g2", training.dense(rng, 64, 64), ("g1_relu",)), ("g2_relu", ReLU(), ("g2",)),
        ("sum", Sum((1,), keepdims=False, factor=1 / CELLS), ("g2_relu",)),
        ("f1", training.dense(rng, 64, 64), ("sum",)), ("f1_relu", ReLU(), ("f1",)),
        ("f2", training.dense(rng, 64, len(ANSWERS)), ("f1_relu",)),
    ]  # fmt: skip
    given = (Input("picture", (None, 3, SIZE, SIZE)), Input("question", (None, WORDS)))
    return Network(tuple(Node(*one) for one in chain), given, ("f2",))


def run(at: Run) -> Found:
    """Train on questions, then see whether relevance lies on the shapes that a question names."""
    drawn, test = scenes(at.rng, at.few(6000, 40)), scenes(np.random.default_rng(at.seed + 1), at.few(600, 24))
    asked = [questions(np.random.default_rng((at.seed, k)), drawn) for k in range(ASKED)]
    given = {"picture": np.concatenate([drawn.pictures] * ASKED), "question": np.concatenate([q.words for q in asked])}
    answers = np.concatenate([q.answer for q in asked])
    net = training.fit(network(at.rng), given, answers, epochs=at.few(EPOCHS, 1), rate=3e-3, tell=at.tell)
    about = questions(np.random.default_rng((at.seed, ASKED)), test)
    x = {"picture": test.pictures, "question": about.words}
    said = net.forward(x).argmax(axis=1)
    right, alone = said == about.answer, about.second < 0
    accuracy = {"shape": float(right[alone].mean()), "left of": float(right[~alone].mean())}
    maps = {name: _map(net, x, said, name) for name in METHODS}
    at.tell("explained", 1, 2)
    masks, every = about.named(test), np.asarray(test.masks.any(axis=1))
    measured = {name: _measured(heat, masks, every, right) for name, heat in maps.items()}
    area, among = float(masks[right].mean()), (masks.sum(axis=(1, 2)) / every.sum(axis=(1, 2)))[right]
    measured["chance"] = {"mass": area, "rank": area, "among shapes": float(among.mean())}
    moved = {name: _moved(net, test, name, at) for name in (LRP, PLUS)}
    lrp, plus, chance = measured[LRP], measured[PLUS], measured["chance"]
    rivals = [measured[name] for name in METHODS if name not in (LRP, PLUS)]
    told = "; ".join(f"{name} {one['mass']:.0%}, {one['rank']:.0%}" for name, one in measured.items())
    better = all(lrp[mark] > max(one[mark] for one in rivals) for mark in ("mass", "rank"))
    return Found(
        sentence=f"{lrp['mass']:.0%} of positive relevance lies on the shapes that the question names; "
        f"they cover {chance['mass']:.0%} of the picture.",
        findings=(
            Finding("LRP finds the objects that the question is about, better than gradients do.",
                    f"mass, rank: {told}; {int(right.sum())} right answers of {len(right)}",
                    "yes" if better else "in part" if lrp["mass"] > 2 * chance["mass"] else "no"),
            Finding("The map follows the question, and is not one of all objects.",
                    f"{lrp['among shapes']:.0%} of the relevance on shapes is on those named (area: "
                    f"{chance['among shapes']:.0%}). On one shape is {moved[LRP]['asked']:.0%} if asked about it, "
                    f"{moved[LRP]['other']:.0%} if asked about another of the same picture",
                    _follows(moved[LRP])),
            Finding("With z⁺ in all layers, which has no negative parts, the map follows the question too.",
                    f"{plus['among shapes']:.0%} of the relevance on shapes is on those named; on one shape "
                    f"{moved[PLUS]['asked']:.0%} if asked about it, {moved[PLUS]['other']:.0%} if about another",
                    _follows(moved[PLUS])),
        ),
        numbers={"questions": len(right), "right": int(right.sum()), "accuracy": accuracy, "measured": measured,
                 "asked_for_another": moved, "chance_of_answer": {"shape": 1 / 3, "left of": 1 / 2}},
        picture=_picture(test.pictures, about, maps, said, measured),
        alt="Pictures of coloured shapes with a question each, and maps of the answer by LRP and by gradients; "
        "bars of the relevance on these shapes for LRP, gradients and chance.",
    )  # fmt: skip


def _measured(heat: NDArray[Any], masks: NDArray[Any], every: NDArray[Any], right: NDArray[Any]) -> dict[str, float]:
    """Return mass and rank accuracy on the shapes that are named, and the former within all shapes."""
    within = relevance_mass(heat * every[:, None], masks)
    found = {"mass": relevance_mass(heat, masks), "rank": relevance_rank(heat, masks), "among shapes": within}
    return {name: float(np.nanmean(values[right])) for name, values in found.items()}


def _follows(moved: dict[str, float]) -> Held:
    """Return whether a shape has far more relevance when it is asked about, or at least more."""
    if moved["asked"] > 3 * moved["other"]:
        return "yes"
    return "in part" if moved["asked"] > moved["other"] else "no"


def _moved(net: Network, test: Scenes, name: str, at: Run) -> dict[str, float]:
    """Return the part of relevance on a shape, for a question about it, and for one about another shape."""
    pair = [questions(np.random.default_rng((at.seed, ASKED + 1, k)), test, two=0) for k in range(2)]
    differ = pair[0].first != pair[1].first
    found = {}
    for case, about in zip(("asked", "other"), pair, strict=True):
        x = {"picture": test.pictures[differ], "question": about.words[differ]}
        heat = _map(net, x, net.forward(x).argmax(axis=1), name)
        found[case] = float(np.nanmean(relevance_mass(heat, pair[0].named(test)[differ])))
    return found


def _map(net: Network, x: dict[str, NDArray[Any]], target: NDArray[Any], name: str) -> NDArray[Any]:
    """Return the relevance of the pictures, (N, 3, SIZE, SIZE)."""
    return np.asarray(attribute(net, x, METHODS[name], target=target).relevance["picture"])


def _picture(x: Any, about: Questions, maps: dict[str, NDArray[Any]], said: NDArray[Any],
             measured: dict[str, dict[str, float]]) -> Any:  # fmt: skip
    right = said == about.answer
    shown = [*np.flatnonzero(right & (about.second < 0))[:2], *np.flatnonzero(right & (about.second >= 0))[:2]]
    with figures.sheet(height=900, title="Which object is the question about?") as figure:
        left, side = figure.subfigures(1, 2, width_ratios=(2.1, 1))
        rows = left.subplots(len(SHOWN_MAPS) + 1, len(shown), squeeze=False)
        for column, n in zip(rows.T, shown, strict=True):
            figures.show_image(column[0], x[n])
            words = textwrap.fill(about.text(int(n)), 22)
            column[0].set_title(f"{words}\n→ {ANSWERS[said[n]]}", fontsize=11)
            for axes, name in zip(column[1:], SHOWN_MAPS, strict=True):
                figures.show_map(axes, maps[name][n], limit="99.5%")
        for axes, name in zip(rows[1:, 0], SHOWN_MAPS, strict=True):
            axes.set_ylabel(name)
        marks = {"mass": "mass (%)", "rank": "rank (%)", "among shapes": "named, of all shapes (%)"}
        for axes, (mark, title) in zip(side.subplots(len(marks), 1), marks.items(), strict=True):
            names = list(measured)[::-1]
            colours = [figures.POSITIVE if name == LRP else figures.PALE for name in names]
            axes.barh(names, [100 * measured[name][mark] for name in names], color=colours)
            axes.set_xlim(0, 100)
            axes.set_title(title)
        return figures.finish(figure)


APPLICATION = Application(
    title="Which object is the question about?",
    source="Arras, Osman, Samek 2022, 'CLEVR-XAI', Information Fusion 81, doi:10.1016/j.inffus.2021.11.008; "
    "relation networks: Santoro et al. 2017",
    data="Generated pictures of three or four coloured shapes with exact masks, and questions on them.",
    model="A relation network of three convolutions and two small networks, trained here on 18,000 questions.",
    wing="images",
    run=run,
    extras=("torch",),
)
