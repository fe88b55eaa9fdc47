"""Pictures of the gallery: one look for all, 1,200 pixels wide; maps and charts on Matplotlib's axes.

Positive relevance is red and negative blue in every map, and white is none; lines and bars take the eight hues of
:mod:`lrp_ref.heatmap`, in order.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import require
from ..heatmap import colours

WIDTH = 1200  # pixels
DPI = 100
HUES = tuple("#{:02x}{:02x}{:02x}".format(*hue) for hue in colours.HUES)
POSITIVE, NEGATIVE, INK, PALE = "#c62f2f", "#2b5fb8", "#222222", "#8a8a8a"
LOOK = {
    "font.family": "DejaVu Sans", "font.size": 11, "axes.titlesize": 12, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": PALE, "axes.labelcolor": INK,
    "xtick.color": INK, "ytick.color": INK, "text.color": INK, "axes.grid": False, "legend.frameon": False,
    "figure.facecolor": "white", "axes.facecolor": "white", "lines.linewidth": 2.0,
}  # fmt: skip


@contextmanager
def sheet(height: int = 800, *, title: str = "") -> Iterator[Any]:
    """Yield an empty Matplotlib figure of 1,200 × ``height`` pixels, which lays its axes out by itself.

    The figure is made without pyplot, so that nothing of it is left in the process, and no window is opened.
    """
    matplotlib = require("matplotlib", extra="gallery", purpose="draw the pictures of the gallery")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"axes.prop_cycle": matplotlib.cycler(color=HUES), **LOOK}):
        figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=15, fontweight="bold")
        yield figure


def finish(figure: Any) -> Image.Image:
    """Return a figure as a picture of at most 256 colours, which keeps files small."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    picture = Image.open(stream).convert("RGB")
    return picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def show_map(axes: Any, relevance: NDArray[Any], *, limit: float | str | None = None, title: str = "") -> None:
    """Draw a map of relevance, (H, W) or (C, H, W) summed over channels: red positive, blue negative, white none.

    Args:
        axes: where.
        relevance: in the unit of the output.
        limit: |R| at which colours end: None the largest, a number, or a percentile such as "99%".
        title: above it.
    """
    values = np.asarray(relevance, dtype=np.float64)
    flat = values.sum(axis=0) if values.ndim == 3 else values
    show_image(axes, colours.colorize(flat, limit=limit), title=title)


def show_image(axes: Any, image: NDArray[Any], *, title: str = "", withheld: bool = False) -> None:
    """Draw an image: grey (H, W) or colour (H, W, 3) or (3, H, W), bytes or 0…1, without ticks.

    Args:
        axes: where.
        image: what is drawn.
        title: above it.
        withheld: draw a grey field of its size in its place.
    """
    values = np.asarray(image)
    if values.ndim == 3 and values.shape[0] in (1, 3) and values.shape[2] not in (3, 4):
        values = values.transpose(1, 2, 0)
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if withheld:
        values = np.full((*values.shape[:2], 3), 225, np.uint8)
    axes.imshow(values, cmap="gray", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(True)
    if title:
        axes.set_title(title)


def show_box(axes: Any, box: NDArray[Any], colour: str) -> None:
    """Draw the outline of a box y0, x0, y1, x1, in pixels of the image below; nothing of an empty one."""
    y0, x0, y1, x1 = np.asarray(box) - 0.5
    if y0 < y1 and x0 < x1:
        axes.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color=colour, linewidth=2)


def show_pairs(
    axes: Any, names: Sequence[str], first: NDArray[Any], second: NDArray[Any], labels: tuple[str, str]
) -> None:
    """Draw two bars for each name, side by side, with a legend.

    Args:
        axes: where.
        names: below the bars.
        first, second: how high they are, one number a name.
        labels: of the two.
    """
    place = np.arange(len(names))
    for shift, values, label in ((-0.2, first, labels[0]), (0.2, second, labels[1])):
        axes.bar(place + shift, values, 0.4, label=label)
    axes.set_xticks(place, names)
    axes.margins(y=0.3)  # the legend stands above the bars
    axes.legend(loc="upper right")
