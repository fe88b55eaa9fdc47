"""A network says that this is a 3. What would it take to be a 9?

The difference of two outputs is an output like any other: LRP hands the logit of the 3 minus the logit of the 9 back to
the pixels. Red pixels speak for the 3 and against the 9, blue ones the other way round. It is often told that what
speaks most is the gap at the upper left of the 3: closed, it would be the loop of a 9. A rule that multiplies by the
input cannot say so, for blank paper is 0; the box rule (zᴮ) of the first layer can.

Here the gap is found in each digit: between the tips of the upper arm and the middle arm, where the line of ink turns
back. Three questions are asked of it. Does it have more relevance than its area? What do the two logits do when a pen
closes it, by a stroke from tip to tip? And is that more than a stroke of as much new ink does elsewhere in the digit's
bounding box, or in the lower gap? Then the lower arm, which a 9 has not, is taken away as well.

How to read the picture: above, the digit and its maps on one scale, for the logit of the 3, for that of the 9, and for
their difference. Below, the same digits after the pen, with what the network now says. A trap: a 3 with its gap closed
need not be a 9. With its lower arm it may as well be read as a 5 or an 8, and that a logit rises does not say that
it wins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluate import spearman
from ...propagation import composites
from ...propagation.explaining import explain
from .. import figures
from ..analysis.pen import INK, LOWER, MIDDLE, UPPER, gap, in_box, stroke, tips, without_arm
from ..analysis.signs import often
from ..application import Application, Finding, Found, Held, Run
from ..sources import given, shipped

THREE, NINE = 3, 9
ELSEWHERE = 20  # strokes a digit
SHOWN = 5  # digits in the picture


def run(at: Run) -> Found:
    """Explain 3 against 9, then close gaps and take the lower arm away."""
    net = at.network("digits_cnn.onnx")
    held_out = given.pictures(at.file("samples/digits_test200.npz"))
    x = (held_out["images"][held_out["labels"] == THREE][: at.few(20, 6)] / 255).astype(np.float32)
    rules = composites.get("epsilon_gamma_box", low=0.0, high=1.0)
    maps = {f"for the {t}": explain(net, x[:, None], target=t, composite=rules).relevance[:, 0] for t in (THREE, NINE)}
    maps["3 against 9"] = explain(
        net, x[:, None], start="difference", target=THREE, against=NINE, composite=rules
    ).relevance[:, 0]
    at.tell("explained", 1, 3)
    ends = [tips(one) for one in x]
    gaps = np.stack([gap(one, tip[UPPER], tip[MIDDLE]) for one, tip in zip(x, ends, strict=True)])
    closed = np.stack([np.maximum(one, stroke(t[UPPER], t[MIDDLE])) for one, t in zip(x, ends, strict=True)])
    armless = np.stack([without_arm(one, tip) for one, tip in zip(x, ends, strict=True)])
    drawn = {
        "as it is": x,
        "lower gap closed": np.stack(
            [np.maximum(o, stroke(t[MIDDLE], t[LOWER])) for o, t in zip(x, ends, strict=True)]
        ),
        "upper gap closed": closed,
        "lower arm away": armless,
        "both": np.minimum(closed, np.where(armless < x, 0, 1)).astype(np.float32),
    }
    logits = {name: net.forward(images[:, None]) for name, images in drawn.items()}
    at.tell("drawn", 2, 3)
    others = np.stack([elsewhere(at.rng, o, (c - o).sum()) for o, c in zip(x, closed, strict=True)])
    by_chance = net.forward(others.reshape(-1, 1, 28, 28)).reshape(len(x), ELSEWHERE, -1)
    at.tell("drawn elsewhere", 3, 3)
    logits["as much ink elsewhere"] = by_chance.mean(axis=1)
    lead = {name: one[:, THREE] - one[:, NINE] for name, one in logits.items()}
    told = {name: one.argmax(axis=1) for name, one in logits.items()}
    turned = {name: float((said == NINE).mean()) for name, said in told.items() if "else" not in name}
    up = int((logits["upper gap closed"][:, NINE] > logits["as it is"][:, NINE]).sum())
    more = int((lead["upper gap closed"] < lead["as much ink elsewhere"]).sum())
    means = {name: [float(one[:, t].mean()) for t in (THREE, NINE)] for name, one in logits.items()}
    # The map where the gap is, against the blank paper of the bounding box.
    blank = np.stack([in_box(one) & (one <= INK) for one in x])
    some = gaps.sum(axis=(1, 2)) > 2
    dense = _density(maps["3 against 9"], gaps)[some] / _density(maps["3 against 9"], blank)[some]
    part = float((maps["3 against 9"] * gaps).sum() / maps["3 against 9"].sum())
    against = int(((maps["for the 9"] * gaps).sum(axis=(1, 2)) < 0)[some].sum())
    under = ((others - x[:, None]) * maps["3 against 9"][:, None]).sum(axis=(2, 3))
    cost = lead["as it is"][:, None] - (by_chance[:, :, THREE] - by_chance[:, :, NINE])
    foretold = spearman(under, cost)
    fives = float((told["upper gap closed"] == 5).mean())
    n = len(x)
    return Found(
        sentence=f"Closing the gap of a 3 takes its lead over the 9 from {lead['as it is'].mean():.0f} to "
        f"{lead['upper gap closed'].mean():.1f} logits; {turned['both']:.0%} are 9s once the lower arm goes too.",
        findings=(
            Finding("The upper left gap of a 3 is evidence against the 9, and LRP shows it there.",
                    f"the gap has {part:.1%} of the relevance of 3 against 9 on {gaps.mean():.1%} of the image, "
                    f"{np.median(dense):.1f} times the density of blank paper in the bounding box (median; more in "
                    f"{(dense > 1).sum()} of {some.sum()} digits); for the 9 its relevance is negative in {against}",
                    _held(int((dense > 1).sum()), int(some.sum()), against > some.sum() / 2)),
            Finding("Closing that gap speaks for the 9, more than the same ink elsewhere.",
                    f"the logit of the 9 goes from {means['as it is'][1]:.1f} to {means['upper gap closed'][1]:.1f} "
                    f"(up in {up} of {n}); the lead of the 3 falls below its mean after strokes elsewhere "
                    f"({lead['as much ink elsewhere'].mean():.1f}) in {more} of {n}; lower gap closed: "
                    f"{lead['lower gap closed'].mean():.1f}", _held(more, n, up > n / 2)),
            Finding("A 3 with its upper gap closed is a 9.",
                    f"{turned['upper gap closed']:.0%} become 9 and {fives:.0%} become 5; lower arm taken away alone "
                    f"{turned['lower arm away']:.0%}, both {turned['both']:.0%}",
                    "yes" if turned["upper gap closed"] > 0.5 else "in part" if turned["both"] > 0.5 else "no"),
            Finding("The map foretells which strokes cost the 3 its lead.",
                    f"Spearman of relevance under a stroke and what it costs, over {ELSEWHERE} strokes: mean "
                    f"{foretold.mean():.2f}, above 0 in {(foretold > 0).sum()} of {n} digits",
                    _held(int((foretold > 0).sum()), n, foretold.mean() > 0.5)),
        ),
        numbers={"digits": n, "logits_of_3_and_9": means, "become_9": turned, "become_5_upper_gap_closed": fives,
                 "gap_part_of_relevance": part, "gap_part_of_area": float(gaps.mean()),
                 "gap_density_against_blank": float(np.median(dense)), "digits_with_gap": int(some.sum()),
                 "nine_up": up, "more_than_elsewhere": more, "spearman_strokes": foretold},
        picture=_picture(maps, drawn, told, means),
        alt="Handwritten 3s with maps for the 3, for the 9 and for 3 against 9; the same digits with the gap closed "
        "and the lower arm taken away, with what the network reads; and bars of both logits after each change.",
    )  # fmt: skip


def elsewhere(rng: np.random.Generator, image: NDArray[Any], new: float) -> NDArray[Any]:
    """Return the digit with ELSEWHERE strokes in its bounding box, each of as much new ink as given, to a tenth."""
    inside, made = np.argwhere(in_box(image)), list[NDArray[Any]]()
    while len(made) < ELSEWHERE:
        more = np.maximum(image, stroke(*rng.choice(inside, 2)))
        if abs((more - image).sum() - new) <= 0.1 * new:
            made.append(more)
    return np.stack(made)


def _density(maps: NDArray[Any], where: NDArray[Any]) -> NDArray[Any]:
    return np.asarray((maps * where).sum(axis=(1, 2)) / np.maximum(1, where.sum(axis=(1, 2))))


def _held(times: int, of: int, also: bool) -> Held:
    """Return yes where it is so in more digits than chance and something else is too, in part where one of them is."""
    return "yes" if often(times, of) and also else "in part" if often(times, of) or also else "no"


def _picture(maps: dict[str, Any], drawn: dict[str, Any], told: dict[str, Any], means: dict[str, Any]) -> Any:
    limit = max(float(np.abs(heats[:SHOWN]).max()) for heats in maps.values()) * 0.8
    with figures.sheet(860, title="What makes a 3 not a 9: maps, and a pen") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
        rows = left.subplots(6, SHOWN)
        edited = ("upper gap closed", "both")
        names = ("a 3", *maps, "gap closed", "gap closed,\nlower arm away")
        for row, name in zip(rows, names, strict=True):
            row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=12)
        for k in range(SHOWN):
            figures.show_image(rows[0, k], 1 - drawn["as it is"][k])
            for axes, heats in zip(rows[1:4, k], maps.values(), strict=True):
                figures.show_map(axes, heats[k], limit=limit)
            for axes, name in zip(rows[4:, k], edited, strict=True):
                figures.show_image(axes, 1 - drawn[name][k])
                axes.set_title(f"read as {told[name][k]}", loc="center", fontsize=11, pad=2)
        axes = right.subplots()
        order = ("both", "lower arm away", "upper gap closed", "lower gap closed", "as much ink elsewhere", "as it is")
        for t, (digit, colour) in enumerate(((THREE, figures.POSITIVE), (NINE, figures.NEGATIVE))):
            axes.barh(np.arange(6) + 0.2 - 0.4 * t, [means[name][t] for name in order], 0.38, color=colour,
                      label=f"logit of the {digit}, mean")  # fmt: skip
        axes.set_yticks(range(6), [name.replace("much ink ", "much ink\n") for name in order])
        axes.axvline(0, color=figures.INK, linewidth=1)
        axes.set_xlabel("logit")
        axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=1)
        return figures.finish(figure)


APPLICATION = Application(
    title="What makes a 3 not a 9",
    source="the tutorials of Samek, Montavon and Müller; Bach et al. 2015, PLOS ONE 10(7)",
    data="20 handwritten 3s that the network was not trained on (MNIST).",
    model="`digits_cnn.onnx`, three convolutions, right on 98.70% of held-out digits.",
    wing="images",
    run=run,
    needs=(
        shipped.DIGITS_CNN,
        shipped.DIGITS,
    ),
)
