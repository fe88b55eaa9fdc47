"""Fisher vectors of photographs: how well they tell two animals apart, and how much of that is the surroundings.

    python -m benchmarks.photographs kangaroo.tar raccoon.tar --pictures folder

Each archive has photographs (.jpg) and for each an annotation in Pascal VOC's XML with the boxes of its animals, under
the same name in another folder. The photographs are not part of the project. Needs scikit-image and scikit-learn.

DAISY descriptors on a grid, a PCA, a Gaussian mixture with diagonal covariances, Fisher vectors with signed root and l2
norm, a linear support vector machine; every second photograph of each kind is kept for the test. The score of a
photograph's own kind is explained down to pixels, and the relevance outside the boxes is set against that inside.
"""

from __future__ import annotations

import io
import re
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import lrp_ref as lrp
from lrp_ref.network import Network
from lrp_ref.neuralise import fisher_vector, pixels

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        side: of a photograph in pixels, the longer one.
        step, radius: pixels between descriptors, and how far each reaches.
        dimensions: of a descriptor after the PCA.
        components: of the mixture.
        cost: C of the support vector machine.
        seed: of the mixture, and of the descriptors that it is fitted to.
    """

    side: int = 160
    step: int = 4
    radius: int = 10
    dimensions: int = 24
    components: int = 24
    cost: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Photograph:
    """A photograph with what is known about it.

    Attributes:
        name: of the file.
        kind: number of its archive.
        grey: (H, W), 0 to 1.
        inside: (H, W), where the animals' boxes are.
        descriptors: (T, D).
        boxes: (T, 4), where each descriptor looks, y0, x0, y1, x1.
    """

    name: str
    kind: int
    grey: Floats
    inside: NDArray[np.bool_]
    descriptors: Floats
    boxes: NDArray[np.int64]


def read(archive: Path, kind: int, settings: Settings) -> list[Photograph]:
    """Return the photographs of an archive that have an annotation, in the order of their names."""
    from PIL import Image, ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = True  # some of these files lack their last rows
    with tarfile.open(archive) as file:
        members = {PurePosixPath(m.name): m for m in file if m.isfile()}
        notes = {path.stem: m for path, m in members.items() if path.suffix == ".xml"}
        found = []
        for path in sorted(p for p in members if p.suffix == ".jpg" and p.stem in notes):
            bytes_of = [file.extractfile(m) for m in (members[path], notes[path.stem])]
            photo, note = (stream.read() for stream in bytes_of if stream is not None)
            picture = Image.open(io.BytesIO(photo)).convert("L")
            factor = settings.side / max(picture.size)
            small = picture.resize(
                (round(picture.width * factor), round(picture.height * factor)), Image.Resampling.BOX
            )
            grey = np.asarray(small, dtype=np.float64) / 255
            inside = _boxes(note.decode(), factor, grey.shape)
            found.append(Photograph(path.name, kind, grey, inside, *described(grey, settings)))
    return found


def _boxes(note: str, factor: float, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    inside = np.zeros(shape, dtype=bool)
    for box in re.findall(r"<bndbox>(.*?)</bndbox>", note, re.S):
        x0, y0, x1, y1 = (
            float(re.findall(rf"<{edge}>\s*([\d.]+)\s*<", box)[0]) * factor for edge in ("xmin", "ymin", "xmax", "ymax")
        )
        inside[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    return inside


def described(grey: Floats, settings: Settings) -> tuple[Floats, NDArray[np.int64]]:
    """Return the DAISY descriptors of a picture, and the squares that they look at."""
    from skimage.feature import daisy

    step, radius = settings.step, settings.radius
    found = daisy(grey, step=step, radius=radius, rings=2, histograms=6, orientations=8)
    y, x = np.meshgrid(*(np.arange(n) * step for n in found.shape[:2]), indexing="ij")
    corners = np.stack([y.ravel(), x.ravel()], axis=1)  # the first centre lies ``radius`` from the border
    return found.reshape(-1, found.shape[2]), np.concatenate([corners, corners + 2 * radius + 1], axis=1)


@dataclass(frozen=True)
class Classifier:
    """A classifier of photographs: + stands for the second kind.

    Attributes:
        pca: of the descriptors.
        net: from descriptors (N, T, D) to the score (N, 1).
    """

    pca: Any
    net: Network

    def descriptors(self, photograph: Photograph) -> Floats:
        found: Floats = self.pca.transform(photograph.descriptors)[None]
        return found

    def score(self, photograph: Photograph) -> float:
        return float(self.net.forward(self.descriptors(photograph))[0, 0])

    def relevance(self, photograph: Photograph, composite: Any = None) -> tuple[Floats, Any]:
        """Return the map of what speaks for the photograph's own kind, and the explanation."""
        sign = 1.0 if photograph.kind else -1.0
        e = lrp.explain(self.net, self.descriptors(photograph), composite=composite)
        found: Floats = pixels(sign * e.relevance, photograph.boxes, photograph.grey.shape)[0]
        return found, e


def fitted(photographs: list[Photograph], settings: Settings) -> Classifier:
    """Return the classifier that is fitted to some photographs."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture
    from sklearn.svm import LinearSVC

    rng = np.random.default_rng(settings.seed)
    drawn = np.concatenate([p.descriptors[rng.permutation(len(p.descriptors))[:150]] for p in photographs])
    pca = PCA(settings.dimensions, random_state=settings.seed).fit(drawn)
    mixture = GaussianMixture(
        settings.components, covariance_type="diag", random_state=settings.seed, max_iter=100, reg_covar=1e-5
    ).fit(pca.transform(drawn))
    parts = mixture.weights_, mixture.means_, mixture.covariances_
    size = settings.components * (1 + 2 * settings.dimensions)
    bare = fisher_vector(*parts, np.zeros((size, 1))).until("norm")
    encoded = np.concatenate([bare.forward(pca.transform(p.descriptors)[None]) for p in photographs])
    machine = LinearSVC(C=settings.cost, random_state=settings.seed).fit(encoded, [p.kind for p in photographs])
    return Classifier(pca, fisher_vector(*parts, machine.coef_.T, machine.intercept_))


def accuracy(classifier: Classifier, photographs: list[Photograph]) -> float:
    return float(np.mean([(classifier.score(p) > 0) == bool(p.kind) for p in photographs]))


def context(classifier: Classifier, photographs: list[Photograph], composite: Any = None) -> Floats:
    """Return the context use of the photographs, (N, 2): signed and positive; NaN where a box fills the photograph."""
    used = []
    for photograph in photographs:
        found = classifier.relevance(photograph, composite)[0]
        both = lrp.evaluate.context_use(found[None], photograph.inside[None])
        used.append([float(both.signed[0]), float(both.positive[0])])
    return np.array(used)


def table(classifier: Classifier, photographs: list[Photograph], kinds: list[str], composite: Any = None) -> list[str]:
    """Return the lines of the table of context use."""
    used = context(classifier, photographs, composite)
    kind = np.array([p.kind for p in photographs])
    lines = [f"{'':<14}{'n':>5}{'μ⁺ median':>11}{'μ⁺ mean':>9}{'μ⁺ < 1':>8}{'μ signed, quartiles':>26}"]
    for name, chosen in [*((n, kind == k) for k, n in enumerate(kinds)), ("all", kind >= 0)]:
        signed, positive = used[chosen & np.isfinite(used).all(axis=1)].T
        low, middle, high = np.percentile(signed, [25, 50, 75])
        lines.append(
            f"{name:<14}{len(positive):>5}{np.median(positive):>11.2f}{positive.mean():>9.2f}"
            f"{100 * (positive < 1).mean():>7.0f}%{f'{low:.2f} … {middle:.2f} … {high:.2f}':>26}"
        )
    return lines


def _drawn(classifier: Classifier, photograph: Photograph, kinds: list[str], use: float) -> Any:
    """Return the photograph with its boxes' outline, and the map over it."""
    found, e = classifier.relevance(photograph)
    inside = photograph.inside
    inner = inside.copy()
    for axis in (0, 1):
        inner &= np.roll(inside, 1, axis) & np.roll(inside, -1, axis)
    outlined = np.where(inside & ~inner, 1.0, photograph.grey)
    own = float(e.output[0, 0]) * (1 if photograph.kind else -1)
    return lrp.heatmap.image(
        found, input=outlined, scale=2, title=f"{photograph.name}: {kinds[photograph.kind]} {own:+.2f}",
        remark=f"context use of the positive part {use:.2f}; red speaks for {kinds[photograph.kind]}",
    )  # fmt: skip


@click.command(help="Fisher vectors of photographs: accuracy, and the use of context.")
@click.argument("first", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("second", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--pictures", type=click.Path(file_okay=False, path_type=Path), help="Folder for pictures.")
@click.option("--seed", default=0, show_default=True, help="Of the mixture and of the descriptors it is fitted to.")
@click.option("--epsilon", default=0.0, show_default=True, help="Of the ε-rule at the encoding; 0 for LRP-0.")
def main(first: Path, second: Path, pictures: Path | None, seed: int, epsilon: float) -> None:
    settings, kinds, begun = Settings(seed=seed), [first.stem, second.stem], time.perf_counter()
    photographs = [p for kind, path in enumerate((first, second)) for p in read(path, kind, settings)]
    train, test = photographs[::2], photographs[1::2]
    described = time.perf_counter()
    classifier = fitted(train, settings)
    click.echo(f"{len(photographs)} photographs described in {described - begun:.1f} s", nl=False)
    click.echo(f", classifier fitted in {time.perf_counter() - described:.1f} s")
    for name, part in (("training", train), ("test", test)):
        rate = [accuracy(classifier, [p for p in part if p.kind in those]) for those in ((0, 1), (0,), (1,))]
        click.echo(f"{name} accuracy {rate[0]:.1%} ({kinds[0]} {rate[1]:.1%}, {kinds[1]} {rate[2]:.1%})")
    composite: Any = [(lrp.layers.Dense, lrp.rules.LRP0())]
    if epsilon:
        composite.append((lrp.layers.FisherVector, lrp.rules.Epsilon(epsilon)))
    explained = [classifier.relevance(p, composite) for p in test]
    spread = np.median([abs(e.relevance.sum(axis=-1)).sum() / abs(float(e.output[0, 0])) for _, e in explained])
    residual = max(e.ledger.residual for _, e in explained)
    click.echo(f"Σ_l |R_l| is {spread:.1f} times |f| (median); residual of the ledger {residual:.0e}")
    click.echo("\n".join(table(classifier, test, kinds, composite)))
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        used = context(classifier, test)[:, 1]
        for photograph, use in zip(test, used, strict=True):
            right = (classifier.score(photograph) > 0) == bool(photograph.kind)
            mark = f"{kinds[photograph.kind]}_{use:05.2f}_{'right' if right else 'wrong'}_{Path(photograph.name).stem}"
            lrp.heatmap.save(_drawn(classifier, photograph, kinds, float(use)), pictures / f"{mark}.png")


if __name__ == "__main__":
    main()
