"""Clusters to look at: the maps as points in a plane, eigenvalues as bars, the mean map of each cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import heatmap
from ..heatmap import canvas
from ..heatmap.colours import HUES

if TYPE_CHECKING:
    from PIL.Image import Image

    from .clusters import Clusters

PLANE = 420  # pixels a side
BARS = 12  # eigenvalues
SHOWN = 8  # clusters whose mean map is drawn


def picture(found: Clusters, title: str = "") -> Image:
    """Return the picture of clusters: see the head of this file."""
    names = [f"cluster {c}: {n} maps" for c, n in enumerate(found.sizes)]
    axes = ("t-SNE", "t-SNE") if found.shown == "tsne" else ("eigenvector 2", "eigenvector 3")
    points = heatmap.scatter(found.embedding, found.labels.tolist(), names=names[:SHOWN] + names[SHOWN:], size=PLANE,
                             axes=axes)  # fmt: skip
    right = [_eigenvalues(found, PLANE)]
    if found.means.ndim == 3:
        right.append(_means(found))
    beside = canvas.stack(right, canvas.GAP)
    top = [canvas.label(title, size=canvas.LARGE, width=points.width + PLANE)] if title else []
    wide = points.width + canvas.GAP + beside.width
    body = canvas.blank(wide, max(points.height, beside.height + canvas.MARGIN))
    canvas.place(body, points, 0, 0)
    canvas.place(body, beside, points.width + canvas.GAP, canvas.MARGIN)
    return canvas.stack([*top, body], canvas.GAP)


def _eigenvalues(found: Clusters, width: int) -> Image:
    """Return the smallest eigenvalues as bars, in the ink of clusters up to the largest gap."""
    from PIL import ImageDraw

    values = found.eigenvalues[: max(BARS, found.chosen + 1)]
    head = canvas.label("smallest eigenvalues of the Laplacian", width=width)
    height, line = 150, canvas.line_height(canvas.SMALL)
    sheet = canvas.blank(width, height + 2 * line + 4)
    draw = ImageDraw.Draw(sheet)
    step, unit = width / len(values), (height - line) / max(float(values.max()), 1e-300)
    for k, value in enumerate(values):
        left, right = round(k * step) + 4, round((k + 1) * step) - 4
        # An eigenvalue of 0 stays visible as a line.
        top = height - max(2, round(float(value) * unit))
        draw.rectangle((left, top, right, height), fill=HUES[0] if k < found.chosen else canvas.LINE)
        middle = (left + right) / 2
        if k in (0, found.chosen - 1, found.chosen, len(values) - 1):
            text = canvas.number(round(float(value), 3))
            place = middle - canvas.font(canvas.SMALL).getlength(text) / 2
            draw.text(
                (max(0, min(place, width - 30)), top - line), text, font=canvas.font(canvas.SMALL), fill=canvas.INK
            )
        draw.text((middle - 4, height + 3), str(k + 1), font=canvas.font(canvas.SMALL), fill=canvas.SOFT)
    said = f"largest gap {canvas.number(found.gap)}, behind eigenvalue {found.chosen}"
    foot = canvas.label(said, size=canvas.SMALL, ink=canvas.SOFT, width=width)
    canvas.place(sheet, foot, 0, height + line + 4)
    return canvas.stack([head, sheet], 6)


def _means(found: Clusters) -> Image:
    """Return the mean map of each cluster, red where its maps are positive, all of one limit."""
    shown = found.means[:SHOWN]
    rows: list[list[Any]] = [list(shown[k : k + 4]) for k in range(0, len(shown), 4)]
    blank = np.zeros_like(shown[0])
    rows[-1] += [blank] * (len(rows[0]) - len(rows[-1]))
    blocks = []
    for first, row in enumerate(rows):
        numbers = range(4 * first, 4 * first + len(row))
        labels = [f"cluster {c}" if c < len(shown) else "" for c in numbers]
        blocks.append(heatmap.grid([row], column_labels=labels, share_limit="row", size=92))
    return canvas.stack([canvas.label("mean map of each cluster"), *blocks], 2)
