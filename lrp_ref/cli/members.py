"""The samples of clusters as a sheet: a row for each cluster, and the map over every sample that is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import heatmap
from ..errors import ParameterError
from ..heatmap import canvas
from ..scale import Store, maps
from ..scale.reading.measuring import samples
from ..scale.reading.rows import channels_in_front
from ..scale.sources import Source
from ..spray import Clusters

if TYPE_CHECKING:
    from PIL.Image import Image

CLUSTERS, EACH = 8, 8  # rows, and samples of each
SIZE = 96  # of a sample, in pixels


def require_pictures(source: Source, store: Store) -> None:
    """Raise unless the samples are pictures that can be drawn.

    Raises:
        ParameterError: several inputs, or samples of another shape than (C, H, W) with one or three channels.
    """
    zeros = list(source.zeros().values())
    shape = channels_in_front(store, zeros[0]).shape[1:] if len(zeros) == 1 else ()
    if len(shape) != 3 or shape[0] not in (1, 3):
        told = ", ".join(str(one.shape[1:]) for one in zeros)
        raise ParameterError(f"--data draws samples that are pictures, and these have the shape {told}: leave it out")


def sheet(store: Store, source: Source, found: Clusters, numbers: Any, *, of: str | None, title: str) -> Image:
    """Return the first samples of each cluster, with their maps over them.

    Args:
        store: with the maps.
        source: the samples.
        found: the clusters.
        numbers: of the samples that were clustered, in the data set.
        of: the input whose maps they are.
        title: a line above.
    """
    rows = []
    for c, size in enumerate(found.sizes[:CLUSTERS]):
        chosen = numbers[found.members(c)][:EACH]
        relevance = channels_in_front(store, maps(store, chosen, of=of))
        pictures = channels_in_front(store, samples(store, source, chosen))
        tiles = []
        for k, one, picture in zip(chosen.tolist(), relevance, pictures, strict=True):
            drawn = heatmap.image(one, input=picture, size=SIZE, colorbar=False)
            tiles.append(canvas.stack([drawn, canvas.label(f"sample {k}", size=canvas.SMALL)], 2, "center"))
        rows.append(canvas.label(f"cluster {c}: {size} maps"))
        rows.append(_beside(tiles))
    width = max(row.width for row in rows)
    whole = canvas.stack([canvas.label(title, size=canvas.LARGE, width=width), *rows], canvas.GAP)
    framed = canvas.blank(whole.width + 2 * canvas.MARGIN, whole.height + 2 * canvas.MARGIN)
    canvas.place(framed, whole, canvas.MARGIN, canvas.MARGIN)
    return framed


def _beside(tiles: list[Image]) -> Image:
    """Return pictures side by side."""
    row = canvas.blank(sum(t.width + canvas.GAP for t in tiles) - canvas.GAP, max(t.height for t in tiles))
    left = 0
    for tile in tiles:
        canvas.place(row, tile, left, 0)
        left += tile.width + canvas.GAP
    return row
