"""Clusters to look at: the maps as points in a plane, eigenvalues as bars, the mean map of each cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import heatmap
from ..heatmap import canvas
from ..heatmap.colours import HUES

if TYPE_CHECKING:
    from PIL.Image import Image

PLANE = 420  # pixels a side
BARS = 12  # eigenvalues
SHOWN = 8  # clusters whose mean map is drawn


def picture(
    plane: NDArray[Any],
    labels: NDArray[Any],
    eigenvalues: NDArray[Any],
    means: NDArray[Any],
    *,
    chosen: int,
    axes: tuple[str, str],
    title: str = "",
) -> Image:
    """Return the picture of clusters.

    Args:
        plane: of each map a point (N, 2).
        labels: of each its cluster (N,).
        eigenvalues: the smallest, ascending.
        means: the mean map of each cluster (k, h, w); vectors (k, F) are not drawn.
        chosen: how many clusters the largest gap says.
        axes: what the horizontal and the vertical axis of the plane are.
        title: a line above.
    """
    names = [f"cluster {c}: {int((labels == c).sum())} maps" for c in range(len(means))]
    points = heatmap.scatter(plane, labels.tolist(), names=names, size=PLANE, axes=axes)
    right = [_eigenvalues(eigenvalues, chosen, PLANE)]
    if means.ndim == 3:
        right.append(_means(means))
    beside = canvas.stack(right, canvas.GAP)
    wide = points.width + canvas.GAP + beside.width
    head = canvas.label(title, size=canvas.LARGE, width=wide - 2 * canvas.MARGIN) if title else canvas.blank(1, 1)
    down = head.height + canvas.GAP if title else 0
    sheet = canvas.blank(wide, down + max(points.height, beside.height + 2 * canvas.MARGIN))
    canvas.place(sheet, head, canvas.MARGIN, down and canvas.MARGIN)
    canvas.place(sheet, points, 0, down)
    canvas.place(sheet, beside, points.width + canvas.GAP, down + canvas.MARGIN)
    return sheet


def _eigenvalues(eigenvalues: NDArray[Any], chosen: int, width: int) -> Image:
    """Return the smallest eigenvalues as bars, in the ink of clusters up to the largest gap."""
    from PIL import ImageDraw

    values = eigenvalues[: max(BARS, chosen + 1)]
    head = canvas.label("smallest eigenvalues of the Laplacian", width=width)
    height, line = 150, canvas.line_height(canvas.SMALL)
    sheet = canvas.blank(width, height + 2 * line + 4)
    draw = ImageDraw.Draw(sheet)
    step, unit = width / len(values), (height - line) / max(float(values.max()), 1e-300)
    for k, value in enumerate(values):
        left, right = round(k * step) + 4, round((k + 1) * step) - 4
        # An eigenvalue of 0 stays visible as a line.
        top = height - max(2, round(float(value) * unit))
        draw.rectangle((left, top, right, height), fill=HUES[0] if k < chosen else canvas.LINE)
        middle = (left + right) / 2
        if k in (0, chosen - 1, chosen, len(values) - 1):
            text = canvas.number(round(float(value), 3))
            place = middle - canvas.font(canvas.SMALL).getlength(text) / 2
            draw.text(
                (max(0, min(place, width - 30)), top - line), text, font=canvas.font(canvas.SMALL), fill=canvas.INK
            )
        draw.text((middle - 4, height + 3), str(k + 1), font=canvas.font(canvas.SMALL), fill=canvas.SOFT)
    said = f"largest gap {canvas.number(eigenvalues[chosen] - eigenvalues[chosen - 1])}, behind eigenvalue {chosen}"
    foot = canvas.label(said, size=canvas.SMALL, ink=canvas.SOFT, width=width)
    canvas.place(sheet, foot, 0, height + line + 4)
    return canvas.stack([head, sheet], 6)


def _means(means: NDArray[Any]) -> Image:
    """Return the mean map of each cluster, red where its maps are positive, all of one limit."""
    shown = means[:SHOWN]
    rows: list[list[Any]] = [list(shown[k : k + 4]) for k in range(0, len(shown), 4)]
    blank = np.zeros_like(shown[0])
    rows[-1] += [blank] * (len(rows[0]) - len(rows[-1]))
    blocks = []
    for first, row in enumerate(rows):
        numbers = range(4 * first, 4 * first + len(row))
        labels = [f"cluster {c}" if c < len(shown) else "" for c in numbers]
        blocks.append(heatmap.grid([row], column_labels=labels, limit="99%", share_limit="row", size=92))
    return canvas.stack([canvas.label("mean map of each cluster"), *blocks], 2)
