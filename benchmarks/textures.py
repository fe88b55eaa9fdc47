"""A photograph pasted together of two textures, and which part a classifier of Fisher vectors looks at.

    python -m benchmarks.textures docs/descriptors.png

Grass and gravel are photographs that scikit-image carries (CC0). The classifier is fitted to squares of the left half
of each; what is explained is a square of grass with a disc of gravel in it, both of the right halves. So the place of
what speaks for gravel is known, which it is not for photographs of animals (``benchmarks.photographs``).
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

import lrp_ref as lrp

from .photographs import Classifier, Floats, Photograph, Settings, described, fitted

SETTINGS = Settings(step=4, radius=10, dimensions=16, components=12)
SIDE = 128
KINDS = ["grass", "gravel"]


def textures() -> list[Floats]:
    """Return grass and gravel, (512, 512) each, with one mean and one deviation."""
    from skimage import data

    found = [np.asarray(image(), dtype=np.float64) for image in (data.grass, data.gravel)]
    return [np.clip(0.5 + 0.18 * (image - image.mean()) / image.std(), 0, 1) for image in found]


def square(grey: Floats, kind: int, inside: Floats | None = None) -> Photograph:
    mask = np.full(grey.shape, bool(kind)) if inside is None else inside.astype(bool)
    return Photograph(KINDS[kind], kind, grey, mask, *described(grey, SETTINGS))


def squares(half: int, step: int) -> list[Photograph]:
    """Return squares of the left (0) or right (1) half of both textures."""
    places = [(y, 256 * half + x) for y in range(0, 513 - SIDE, step) for x in range(0, 257 - SIDE, step)]
    return [square(grey[y : y + SIDE, x : x + SIDE], kind) for kind, grey in enumerate(textures()) for y, x in places]


def pasted(seed: int) -> Photograph:
    """Return a square of grass with a disc of gravel, both of the right halves."""
    rng = np.random.default_rng(seed)
    parts = [grey[y : y + SIDE, 256 + x : 256 + x + SIDE]
             for grey, (y, x) in zip(textures(), rng.integers(0, 257 - SIDE, size=(2, 2)), strict=True)]  # fmt: skip
    y, x = np.mgrid[:SIDE, :SIDE]
    centre, radius = rng.integers(45, SIDE - 45, size=2), 36
    disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
    return square(np.where(disc, parts[1], parts[0]), 1, disc)


def measured(classifier: Classifier, many: int) -> Floats:
    """Return for some pasted squares (N, 4): score, share of R⁺ in the disc, share of its area, context use."""
    rows = []
    for seed in range(many):
        photograph = pasted(seed)
        found, e = classifier.relevance(photograph)
        mask = photograph.inside[None]
        mass = lrp.evaluate.relevance_mass(found[None], mask)
        use = lrp.evaluate.context_use(found[None], mask).positive
        rows.append([float(e.output[0, 0]), float(mass[0]), float(mask.mean()), float(use[0])])
    return np.array(rows)


@click.command(help="Grass with a disc of gravel: which part a classifier of Fisher vectors looks at.")
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
def main(picture: Path) -> None:
    train, test = squares(0, 32), squares(1, 64)
    classifier = fitted(train, SETTINGS)
    right = np.mean([(classifier.score(p) > 0) == bool(p.kind) for p in test])
    click.echo(f"{len(train)} squares for training, {len(test)} for test: accuracy {right:.1%}")
    rows = measured(classifier, 20)
    called, mass, area, use = np.mean(rows[:, 0] > 0), rows[:, 1].mean(), rows[:, 2].mean(), np.median(rows[:, 3])
    click.echo(
        f"{len(rows)} pasted squares: {called:.0%} called gravel; {mass:.0%} of R⁺ lies in the disc, {area:.0%} "
        f"of the area; context use {use:.2f} (median)"
    )
    photograph = pasted(0)
    found, e = classifier.relevance(photograph)
    score = float(e.output[0, 0])
    lrp.heatmap.save(
        lrp.heatmap.panel(
            found, photograph.grey, size=256, prediction=f"{KINDS[score > 0]}, score {score:+.2f}", composite="lrp0",
            note="red speaks for gravel", titles=("gravel in grass", "what speaks for gravel", "both"),
        ),
        picture,
    )  # fmt: skip


if __name__ == "__main__":
    main()
