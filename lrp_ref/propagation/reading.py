"""How a result is read: what a negative start does to its colours, and its page in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..base.arrays import to_numpy
from ..base.tables import number

ROUNDING = 1e-6  # of the sum of absolute start relevances: what a contrastive start adds up to
SHOWN = 4  # samples that a notebook draws


def negative_start(begin: Any, target: Any, colours: tuple[str, str]) -> str:
    """Return the sentence that says how to read the map of a sample whose start is negative; empty for others.

    Every relevance is a share of what started. Shares of a negative value are negative, so that a map may be blue all
    over although every pixel speaks for the value. Of a start that adds up to 0 (contrastive) the target's part counts.

    Args:
        begin: the sample's start relevance, of any shape.
        target: (T,), the explained outputs, or None.
        colours: what negative and positive relevance look like.
    """
    flat = begin.reshape(-1)
    value = float(flat.sum())
    if target is not None and abs(value) <= ROUNDING * float(abs(flat).sum()):
        value = float(flat[target].sum())
    if value >= 0:
        return ""
    low, high = colours
    return f"the start itself is negative ({number(value)}): {low} pulls the output down, {high} pulls it up"


def page(e: Any) -> str:
    """Return an explanation as HTML: what it is, pictures of its first samples, where it went, and the ledger."""
    from html import escape  # only needed here, and `import lrp_ref` should be quick

    from .. import heatmap

    colours = heatmap.sign_colours()
    maps = e.maps()
    drawn = pictures(maps, e.asked, lambda k: e.negative(k, colours))
    note = "" if drawn else "".join(f"<p>{escape(words)}</p>" for words in _notes(e))
    return f"<p>{escape(repr(e))}</p>{drawn}{note}{_vectors(maps, e.asked)}{_where_it_went(e)}{e.ledger._repr_html_()}"


def _vectors(maps: Mapping[str, Any], asked: Callable[[int], str]) -> str:
    """Return bars for the first samples of maps that are vectors (N, F) of finite floats."""
    from .. import heatmap

    drawn = ""
    for name, part in maps.items():
        host = to_numpy(part)
        if host.dtype.kind != "f" or host.ndim != 2 or not host.shape[1]:
            continue
        alone = "relevance" if name == "relevance" else f"relevance of {name}"
        for k, sample in enumerate(host[:SHOWN]):
            drawn += heatmap.bars(sample, title=f"{asked(k)}: {alone}") if np.isfinite(sample).all() else ""
    return drawn


def _where_it_went(e: Any) -> str:
    """Return what each node took of the start relevance as a picture, summed over the samples.

    "" without a ledger, and of numbers that are not finite floats.
    """
    from .. import heatmap

    host = [to_numpy(sums) for sums in (e.started, e.arrived)]
    if not e.ledger.made or not e.samples or any(sums.dtype.kind not in "f" for sums in host):
        return ""
    start, arrived = (float(sums.sum()) for sums in host)
    steps = [*e.ledger.steps(), *((row.node, "", 0.0) for row in e.ledger)]  # nodes that take nothing are counted
    if not np.isfinite([start, arrived, *(step[2] for step in steps)]).all():
        return ""
    return heatmap.waterfall(steps, start=start, arrived=arrived, title="Where the relevance went")


def pictures(maps: Mapping[str, Any], asked: Callable[[int], str], remark: Callable[[int], str] = lambda k: "") -> str:
    """Return the pictures of the first samples as HTML; nothing of maps that are no pictures.

    Args:
        maps: by name (N, C, H, W).
        asked: what is explained of the k-th sample, in words.
        remark: how its picture is read, in words.
    """
    from html import escape

    from .. import heatmap

    drawn = ""
    for name, part in maps.items():
        host = to_numpy(part)
        if host.dtype.kind != "f" or host.ndim != 4 or not host.size:
            continue
        for k, sample in enumerate(host[:SHOWN]):
            alone = {"relevance": "relevance"}.get(name, f"relevance of {name}")
            words = ". ".join(w for w in (f"{asked(k)}: {alone}", remark(k), heatmap.whereabouts(sample)) if w)
            uri = heatmap.to_data_uri(heatmap.image(sample))
            drawn += f'<figure><img src="{uri}" alt="relevance"><figcaption>{escape(words)}</figcaption></figure>'
    return drawn


def _notes(e: Any) -> list[str]:
    """Return how to read the first samples whose start is negative."""
    count = min(e.samples, SHOWN)
    found = [(k, e.negative(k)) for k in range(count)]
    return [f"sample {k}: {words}" if e.samples > 1 else words for k, words in found if words]
