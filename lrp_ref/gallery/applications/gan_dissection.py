"""Which units of a generator draw a garment, and what happens without them?

A conditional GAN makes pictures of garments from random numbers and a label. Its units are the 128 channels of a 7×7
map. Where a unit is among its largest activations, and where a garment is, are two masks; their overlap over 1,000
generated pictures (intersection over union, IoU) says how far the two *agree*. Where a garment is, a classifier says
that has never seen a generated picture: the inked pixels of all pictures that it calls a dress are "dress". One concept
more is a part, by its position: ink left and right in what it calls pullover or coat is "sleeve".

To agree is not to cause. So units are set to 0 in new pictures, the best by IoU first, and the classifier is asked
again: how much less sure is it of the garment? Beside it the same number of units drawn by chance, many times over.
Then the other way round: the units of sleeves are set to a high value (their 0.995 quantile) at both sides of dresses.
The effect there is insertion minus ablation at the same places.

**Read the picture:** above, each row is a unit, with the pictures in which it is most active; what is dark is where it
is not. Below, dresses, and the same dresses with units of sleeves, and with units by chance, set high at both sides. In
the chart, what the classifier loses of its probability when units are ablated.

**Traps.** IoU is small by construction where maps are coarse: the ceiling and the control with permuted masks stand
beside it. Many ablated units hurt whatever they do, so that only the difference to chance says something. And agreement
need not lead to effects: the table below asks the later map of 14×14 as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import units
from ...network import Network
from .. import figures
from ..application import Application, Finding, Found, Held, Run
from ..sources.garments import GENERATOR, JUDGE, LABEL, NAMES, Codes, codes, probability, some

UNITS, LATER = "sequential.conv2d_transpose.transpose", "sequential.leaky_re_lu_1"  # 128 of 7×7, 64 of 14×14
PULLOVER, DRESS, COAT = 2, 3, 4
CONCEPTS, SLEEVE = (*NAMES, "sleeve"), 10
QUANTILE, HIGH = 0.98, 0.995  # above which a unit is active; to which it is set
COUNTS, SLEEVES = (1, 3, 10, 20, 30), (3, 10, 20)  # units that are ablated, and inserted
SIDES = np.zeros((28, 28), dtype=bool)
SIDES[8:24, :8] = SIDES[8:24, 20:] = True
SHOWN = 6


def run(at: Run) -> Found:
    """Find the units of each garment, ablate them, and insert those of sleeves."""
    generator, judge = at.network("fashion_cgan_generator.h5"), at.network("fashion_cnn.onnx")
    seen = codes(at.rng, at.few(1000, 60))
    found = {
        layer: units.agreement(generator, seen, lambda made: _concepts(judge, made), at=layer, concepts=CONCEPTS,
                              quantile=QUANTILE, permuted=(0, 1, 2))
        for layer in (UNITS, LATER)
    }  # fmt: skip
    best = {layer: np.argsort(-dissection.iou, axis=0, kind="stable") for layer, dissection in found.items()}
    fresh = _recognised(generator, judge, codes(np.random.default_rng(at.seed + 1), at.few(600, 60)), at.few(40, 2))
    draws, counts = at.few(20, 1), COUNTS if not at.quick else COUNTS[-1:]
    effect = _ablation(at, generator, judge, fresh, best[UNITS], UNITS, counts, draws)
    later = _ablation(at, generator, judge, fresh, best[LATER], LATER, counts[-1:], draws)
    own, others = _spilled(generator, judge, fresh, best[UNITS][: COUNTS[-1]])
    high = units.thresholds(generator, seen, at=UNITS, quantile=HIGH)
    sleeves, where = best[UNITS][:, SLEEVE], SIDES.reshape(7, 4, 7, 4).all(axis=(1, 3))
    inserted = units.causal_effect(generator, fresh[DRESS], lambda made: (made[..., 0] > 0.5)[:, SIDES].mean(axis=1),
                                   at=UNITS, units=sleeves[: SLEEVES[-1]], values=high, where=where, counts=SLEEVES,
                                   draws=draws)  # fmt: skip
    at.tell("inserted", 1, 1)
    rows = [("dresses", generator)]
    for what, some_units in (("of sleeves", sleeves), ("by chance", at.rng.permutation(len(high)))):
        few = some_units[: SLEEVES[1]]
        rows.append(
            (f"{len(few)} units {what}, set high at both sides", units.insert(generator, UNITS, few, high[few], where))
        )
    cards = _cards(generator, seen, found[UNITS])
    cards += [(title, net.forward(some(fresh[DRESS], slice(SHOWN)))[..., 0]) for title, net in rows]
    gained, beaten = float(effect.mean[-1]), float(effect.mean_by_chance[-1])
    return Found(
        sentence=f"Without the {COUNTS[-1]} units that agree best with it, a garment loses {gained:.2f} of its "
        f"probability; without {COUNTS[-1]} by chance {beaten:.2f}.",
        findings=_findings(found, effect, later, own, others, inserted),
        numbers={"pictures": found[UNITS].images, "best_iou": _by_name(found[UNITS].iou.max(axis=0)),
                 "ceiling": _by_name(found[UNITS].ceiling), "units_ablated": effect.counts, "lost": effect.mean,
                 "interval": effect.confidence(), "lost_by_chance": effect.mean_by_chance, "draws": draws,
                 "p_over_pictures": effect.p_over_samples, "p_over_draws": effect.p_over_draws,
                 "lost_by_garment": own, "lost_by_others": others, "units_inserted": SLEEVES, "ink": inserted.mean,
                 "ink_by_chance": inserted.mean_by_chance, "p_ink": inserted.p_over_samples,
                 "later_lost": later.mean, "later_by_chance": later.mean_by_chance},
        picture=_picture([] if at.withheld else cards, effect, inserted, own, others),
        alt="Generated garments with the places where single units are active; dresses that grow sleeves when units of "
        "sleeves are set high; and curves of the probability that is lost with the number of ablated units.",
    )  # fmt: skip


def _by_name(values: NDArray[Any]) -> dict[str, float]:
    return dict(zip(CONCEPTS, values, strict=True))


def _findings(
    found: dict[str, units.Dissection], effect: units.CausalEffect, later: units.CausalEffect, own: NDArray[Any],
    others: NDArray[Any], inserted: units.CausalEffect,
) -> tuple[Finding, ...]:  # fmt: skip
    main, most = found[UNITS], COUNTS[-1]
    detectors, by_chance = len(main.detectors()), max(len(one.detectors()) for one in main.by_chance)
    p, worse = effect.p_over_samples[-1], float((effect.chance.mean(axis=2) < effect.mean).mean(axis=0)[-1])
    p_spilled, p_ink, p_later = units.sign_test(own - others), inserted.p_over_samples[1], later.p_over_samples[-1]
    spared: Held = "no" if p_spilled >= 0.05 else "yes" if others.mean() < own.mean() / 4 else "in part"
    lost = ", ".join(f"{m:.3f} with {n}" for n, m in zip(effect.counts, effect.mean, strict=True))
    return (
        Finding("Units of a middle layer of a generator agree with concepts.",
                f"{detectors} of {len(main.iou)} units have an IoU of 0.04 or more, for {main.unique()} of "
                f"{len(CONCEPTS)} concepts (best {main.best.max():.3f}); with permuted masks at most {by_chance}; in "
                f"the 14×14 map {len(found[LATER].detectors())} of 64", "yes" if detectors > 3 * by_chance else "no"),
        Finding("Ablating the units that agree best with a concept removes it more than ablating random units.",
                f"probability −{effect.mean[-1]:.3f} ± {effect.confidence()[-1]:.3f} against "
                f"−{effect.mean_by_chance[-1]:.3f} with {most} units, {effect.effect.shape[1]} pictures: sign test "
                f"p = {p:.1e}; more than {worse:.0%} of {len(effect.chance)} draws of units",
                "yes" if p < 0.01 else "no"),
        Finding("The more of its units are ablated, the more of a concept is gone.", f"probability lost: {lost}",
                "yes" if (np.diff(effect.mean) > 0).all() else "no"),
        Finding("Ablation removes the concept and leaves others alone.",
                f"its {most} units cost a garment {own.mean():.2f}, and the others {others.mean():.2f}; it "
                f"loses more than these do for {(own > others).sum()} of 10 (sign test p = {p_spilled:.2f})", spared),
        Finding("Units of a concept that are set high make it appear where it was not.",
                f"{SLEEVES[1]} units of sleeves ink {inserted.mean[1]:.0%} of the sides of dresses, units by chance "
                f"{inserted.mean_by_chance[1]:.0%} (sign test p = {p_ink:.1e})", "yes" if p_ink < 0.01 else "no"),
        Finding("What agrees best causes most one layer later, too.",
                f"in the 14×14 map the {most} best units cost {later.mean[-1]:.2f} and random ones "
                f"{later.mean_by_chance[-1]:.2f} (sign test p = {p_later:.2g})", "yes" if p_later < 0.01 else "no"),
    )  # fmt: skip


def _concepts(judge: Network, made: NDArray[Any]) -> NDArray[Any]:
    """Return where in generated pictures the garments are, and sleeves (N, 11, 28, 28)."""
    said, ink = probability(judge, made).argmax(axis=1), made[..., 0] > 0.5
    garments = (said[:, None] == np.arange(10))[..., None, None] & ink[:, None]
    return np.concatenate([garments, (garments[:, PULLOVER] | garments[:, COAT])[:, None] & SIDES], axis=1)


def _recognised(generator: Network, judge: Network, given: Codes, most: int) -> list[Codes]:
    """Return for each garment the codes of pictures of it that the judge calls so."""
    said, asked = probability(judge, generator.forward(given)).argmax(axis=1), given[LABEL][:, 0]
    return [some(given, np.flatnonzero((said == asked) & (asked == c))[:most]) for c in range(10)]


def _ablation(at: Run, generator: Network, judge: Network, given: list[Codes], best: NDArray[Any], layer: str,
              counts: tuple[int, ...], draws: int) -> units.CausalEffect:  # fmt: skip
    """Return what pictures of all garments lose of their garment's probability."""

    def sure(c: int) -> units.Measure:
        return lambda made: probability(judge, made)[:, c]

    found = []
    for c, own in enumerate(given):
        at.tell(f"units ablated for {NAMES[c]}", c, 10)
        found.append(units.causal_effect(generator, own, sure(c), at=layer, units=best[: counts[-1], c], counts=counts,
                                         draws=draws, seed=at.seed))  # fmt: skip
    effects, chances = [one.effect for one in found], [one.chance for one in found]
    return replace(found[0], effect=np.concatenate(effects, axis=1), chance=np.concatenate(chances, axis=2))


def _spilled(generator: Network, judge: Network, given: list[Codes], best: NDArray[Any]) -> tuple[Any, Any]:
    """Return what a garment loses without its units (10,), and what the others lose of theirs, their mean (10,)."""
    whole = np.array([probability(judge, generator.forward(own))[:, d].mean() for d, own in enumerate(given)])
    left = np.array([[probability(judge, units.ablate(generator, UNITS, best[:, c]).forward(own))[:, d].mean()
                      for d, own in enumerate(given)] for c in range(10)])  # fmt: skip
    lost = whole - left
    return np.diag(lost), (lost.sum(axis=1) - np.diag(lost)) / 9


def _cards(generator: Network, given: Codes, found: units.Dissection) -> list[tuple[str, NDArray[Any]]]:
    """Return the best units of four concepts: their names, and pictures that are dark where the unit is not active."""
    maps, best = generator.until(UNITS).forward(given), found.iou.argmax(axis=0)
    order = [c for c in np.argsort(-found.iou.max(axis=0), kind="stable") if c != SLEEVE]
    cards = []
    for concept in order[:4]:
        unit = best[concept]
        top = np.argsort(-maps[:, unit].max(axis=(1, 2)), kind="stable")[:SHOWN]
        where = units.activated(maps[top, unit : unit + 1], found.threshold[unit : unit + 1], (28, 28))[:, 0]
        made = generator.forward(some(given, top))[..., 0]
        colour = np.stack([made, np.where(where, made, made * 0.35), np.where(where, made * 0.4, made * 0.35)], axis=-1)
        colour = np.where(where[..., None], 0.25 * np.array([1.0, 0.75, 0.0]) + 0.75 * colour, 0.45 * made[..., None])
        cards.append((f"unit {unit}: {found.concepts[concept]}, IoU {found.iou[unit, concept]:.3f}", colour))
    return cards


def _picture(cards: list[tuple[str, NDArray[Any]]], effect: units.CausalEffect, inserted: units.CausalEffect,
             own: NDArray[Any], others: NDArray[Any]) -> Any:  # fmt: skip
    """Draw what units cause, beside pictures of the generator; without these, bars of two further effects."""
    with figures.sheet(900, title="Units of a generator: where they are active, and what they cause") as figure:
        left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
        if cards:
            for row, (title, pictures) in zip(left.subfigures(len(cards), 1), cards, strict=True):
                row.suptitle(title, x=0.01, ha="left", fontsize=12)
                for place, picture in zip(row.subplots(1, SHOWN), pictures, strict=False):
                    figures.show_image(place, picture)
        else:
            lost, ink = left.subplots(2, 1)
            figures.show_pairs(lost, NAMES, own, others, ("without its own units", "without those of another garment"))
            lost.set(ylabel="loss of probability", title=f"what a garment loses without {COUNTS[-1]} units")
            sleeves = [f"{count} units" for count in SLEEVES]
            figures.show_pairs(ink, sleeves, inserted.mean, inserted.mean_by_chance, ("of sleeves", "by chance"))
            ink.set(ylabel="part of the sides, ink", title="dresses with units set high at both sides")
        chart = right.subplots()
        for mean, label in ((effect.mean, "best by IoU"), (effect.mean_by_chance, "by chance")):
            chart.plot(effect.counts, mean, marker="o", label=label)
        low, high = effect.mean - effect.confidence(), effect.mean + effect.confidence()
        chart.fill_between(effect.counts, low, high, alpha=0.2, linewidth=0)
        spread = effect.chance.mean(axis=2)
        chart.fill_between(effect.counts, spread.min(axis=0), spread.max(axis=0), alpha=0.2, linewidth=0)
        chart.set(xlabel="units of the 7×7 map that are ablated", ylabel="loss of the garment's probability")
        chart.legend(loc="upper left")
        return figures.finish(figure)


APPLICATION = Application(
    title="Which units draw a garment",
    source="Bau, Zhu, Strobelt, Zhou, Tenenbaum, Freeman and Torralba 2019, GAN Dissection, arXiv:1811.10597",
    data="1,000 pictures that a generator makes, and others for the effects.",
    model="A conditional generator of garments by other authors (Keras); `fashion_cnn.onnx` of the project judges.",
    wing="units",
    run=run,
    needs=(GENERATOR, JUDGE),
    extras=("h5py",),
)  # fmt: skip
