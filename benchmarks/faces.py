"""A one-class SVM that has seen faces alone: what it finds strange, and where in the picture.

    python -m benchmarks.faces --pictures folder

The pictures are scikit-image's ``lfw_subset``, 100 faces and 100 other cut-outs of 25×25; they are not part of the
project. Half of the faces are for training. Needs scikit-image and scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

import lrp_ref as lrp
from lrp_ref.base import tables
from lrp_ref.neuralise.one_class import one_class, outlier_threshold

Floats = NDArray[np.float64]
PATCH = (slice(3, 10), slice(3, 11))  # 56 of 625 pixels
GAMMAS = (0.001, 0.005, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Found:
    """What was measured at one γ.

    Attributes:
        gamma: of the kernel.
        supports: the number of support vectors.
        auc: area under the ROC curve, other cut-outs against faces that were not trained on.
        kept, caught: share of the faces below the threshold, and of the others above it.
        before, after: mean score of these faces without and with a white patch.
        patch: share of the relevance in the patch, median over the faces (bias="ignore").
        area: share of the pixels in it.
        constant: what the bias takes of the score otherwise (bias="absorb"), mean.
        net: the network.
        patched: the faces with their patch (50, 25, 25).
    """

    gamma: float
    supports: int
    auc: float
    kept: float
    caught: float
    before: float
    after: float
    patch: float
    area: float
    constant: float
    net: lrp.Network
    patched: Floats

    def row(self) -> list[str]:
        """Return the cells of the table."""
        numbers = (self.auc, self.kept, self.caught)
        score = f"{self.before:.1f} → {self.after:.1f}"
        shares = f"{self.patch:.1%} of {self.area:.1%}", f"{self.constant:.0%}"
        return [f"{self.gamma:g}", str(self.supports), *(f"{v:.3f}" for v in numbers), score, *shares]


def ranked(inside: Floats, outside: Floats) -> float:
    """Return the share of pairs in which the score outside is the higher one; a tie counts half.

    Example:
        >>> ranked(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
        0.875
    """
    apart = outside[:, None] - inside
    return float((apart > 0).mean() + (apart == 0).mean() / 2)


def measure(pictures: Floats, gamma: float, nu: float = 0.1) -> Found:
    """Fit to the first 50 of 100 faces (200, 25, 25), and measure on the other 50 and on 100 other cut-outs."""
    from sklearn.svm import OneClassSVM

    flat = pictures.reshape(len(pictures), -1)
    svm = OneClassSVM(nu=nu, gamma=gamma).fit(flat[:50])
    net = one_class(svm.support_vectors_, svm.dual_coef_, gamma, threshold=float(svm.offset_[0]))
    scores, limit = net.forward(flat[50:])[:, 0], outlier_threshold(svm.dual_coef_, gamma, float(svm.offset_[0]))
    patched = pictures[50:100].copy()
    patched[:, *PATCH] = 1
    absorbed = lrp.explain(net, patched.reshape(50, -1), bias="ignore")
    column = lrp.explain(net, patched.reshape(50, -1))
    maps = absorbed.relevance.reshape(patched.shape)
    inside = maps[:, *PATCH].sum(axis=(1, 2)) / maps.sum(axis=(1, 2))
    constant = sum(row.bias for row in column.ledger) / column.output[:, 0]
    return Found(
        gamma, len(svm.support_vectors_), ranked(scores[:50], scores[50:]), float((scores[:50] <= limit).mean()),
        float((scores[50:] > limit).mean()), float(scores[:50].mean()), float(absorbed.output.mean()),
        float(np.median(inside)), patched[0][PATCH].size / patched[0].size, float(np.mean(constant)), net, patched,
    )  # fmt: skip


def draw(found: Found, pictures: Floats) -> Any:
    """Return two faces, the same with a patch, and two other cut-outs, beside what is strange about them."""
    shown = np.concatenate([pictures[50:52], found.patched[:2], pictures[100:102]])
    maps = [lrp.explain(found.net, shown.reshape(6, -1), bias=bias).relevance for bias in ("ignore", "absorb")]
    rows = [[m[k].reshape(25, 25) for m in maps] for k in range(6)]
    return lrp.heatmap.grid(
        rows,
        inputs=list(shown),
        row_labels=["face", "face", "with a patch", "with a patch", "no face", "no face"],
        column_labels=['bias="ignore"', 'bias="absorb"'],
        share_limit="all",
    )


HEADERS = ("γ", "supports", "AUC", "kept", "caught", "score with a patch", "relevance in it", "constant")


@click.command()
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder for a picture of the maps.")
def main(pictures: Path | None) -> None:
    """Print what a one-class SVM of faces finds, for several γ."""
    from skimage.data import lfw_subset

    faces = lfw_subset().astype(float)
    found = [measure(faces, gamma) for gamma in GAMMAS]
    click.echo(tables.text(HEADERS, [f.row() for f in found], right=range(len(HEADERS))))
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        lrp.heatmap.save(draw(next(f for f in found if f.gamma == 0.02), faces), pictures / "faces.png")


if __name__ == "__main__":
    main()
