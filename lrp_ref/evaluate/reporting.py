"""Methods × measures on the same samples, always with a random map beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, namespace
from ..errors import ParameterError, ShapeError
from ..network.network import Network
from .control import RandomExplainer
from .detection import mask_boxes
from .given import Output, Progress, require_input
from .measures import Given, Measure, find
from .reports import RANDOM, Report
from .stream import batch_size

USUAL = ("pixel_flipping", "insertion", "deletion", "gini", "entropy")
USUAL_MASKED = ("pointing_game", "relevance_mass", "relevance_rank", "context_ratio")
Explainer = Callable[[Any, Array, Any], Array]


def report(
    f_or_net: Network | Callable[[Array], Array],
    x: Array,
    maps: Mapping[str, Array] | None = None,
    *,
    measures: Sequence[str | Measure] | None = None,
    target: Any = None,
    masks: Array | None = None,
    boxes: Array | None = None,
    explainers: Mapping[str, Explainer] | None = None,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare maps of the same samples under measures, with a random map as the control.

    Args:
        f_or_net: a network, or a function from a batch to outputs (N, K). What it returns is measured: of a network
            that ends in a softmax the probability.
        x: (N, ...).
        maps: name → relevance, as measures take it; not "random".
        measures: names of ``lrp.evaluate.MEASURES``, or these ``with_options(...)``; None for pixel_flipping,
            insertion, deletion, gini and entropy, and with masks pointing_game, relevance_mass, relevance_rank and
            context_ratio.
        target: the explained output, as in :func:`lrp_ref.explain`; None for each sample's largest output.
        masks: of the objects, see :mod:`lrp_ref.evaluate.localise`.
        boxes: of the objects (N, 4); None for the tightest around each mask.
        explainers: name → function from (net, x, target) to maps, for measures that explain again, and for names that
            are not in ``maps``.
        seed: of the random map, and of what measures draw.
        batch: rows that f is given at once.
        progress: called with (done, total) after each map under each measure.

    Returns:
        A Report; it prints as a table.

    Raises:
        ParameterError: an unknown measure, a name "random", or what a measure needs and has not been given.
        LrpError: what a measure raises.

    Example:
        >>> from lrp_ref.evaluate import known
        >>> made = known.patch(samples=20)
        >>> found = report(made.net, made.x, {"right": made.relevance}, masks=made.masks, target=0,
        ...                measures=["pixel_flipping", "pointing_game"])
        >>> found
        map           pixel_flipping ↑    pointing_game ↑
        ─────────────────────────────────────────────────
        right   10.74 [10.42, 11.91] *                1 *
        random    5.863 [5.628, 6.638]                0.1
        20 samples: median [25 %, 75 %], of hits the mean
        * the best, or not distinguishable from it (paired Wilcoxon test, p ≥ 0.05, not corrected)
    """
    require_input(x)
    net = f_or_net if isinstance(f_or_net, Network) else None
    f = net.forward if net is not None else f_or_net
    if not callable(f):
        raise ParameterError(f"f_or_net is a {type(f_or_net).__name__}: give a network, or a function like net.forward")
    if target is None and len(x):
        output = Output(f, None, len(x), softmax=False)
        output.predict(x, batch_size(batch, x), lambda done: None)
        assert output.chosen is not None
        target = output.chosen[:, 0]
    ways = dict(explainers or {})
    rows = _rows(dict(maps or {}), ways, net, x, target)
    rows[RANDOM] = RandomExplainer(seed)(net, x, target)
    ways[RANDOM] = RandomExplainer(seed)
    masks, boxes = _objects(x, masks, boxes)
    chosen = [find(m) for m in (_usual(x, masks) if measures is None else measures)]
    if not chosen:
        raise ParameterError("measures is empty: give at least one, or None for the usual ones")
    _require_ways(chosen, list(rows), ways)
    values = np.full((len(rows), len(chosen), len(x)), np.nan)
    curves = []
    for r, (name, relevance) in enumerate(rows.items()):
        given = Given(f, x, relevance, target, masks, boxes, net, ways.get(name), seed, batch)
        for k, measure in enumerate(chosen):
            if name in ways or "explain" not in measure.fields.values():
                values[r, k], curve = measure(given)
                curves += [(name, measure.name, curve)] if curve is not None else []
            if progress is not None:
                progress(r * len(chosen) + k + 1, len(rows) * len(chosen))
    return Report(tuple(rows), tuple(chosen), values, tuple(curves), seed)


def _rows(maps: dict[str, Array], ways: Mapping[str, Explainer], net: Any, x: Array, target: Any) -> dict[str, Array]:
    """Return the map of every name, those that are not given by their explainers."""
    if RANDOM in maps or RANDOM in ways:
        raise ParameterError(f"the name '{RANDOM}' is that of the control, which every report has: give another name")
    if not maps and not ways:
        raise ParameterError("there are no maps to compare: give maps={'name': relevance}, or explainers=")
    for name, relevance in maps.items():
        namespace(x, relevance)
        if relevance.shape[:1] != x.shape[:1]:
            raise ShapeError(f"maps['{name}'] has shape {tuple(relevance.shape)}, and x {tuple(x.shape)}")
    missing = [name for name in ways if name not in maps]
    if missing and net is None:
        raise ParameterError(f"to explain by '{missing[0]}' the network is needed: give it in place of f, or the map")
    return maps | {name: ways[name](net, x, target) for name in missing}


def _usual(x: Array, masks: Array | None) -> tuple[str, ...]:
    return USUAL + (USUAL_MASKED if masks is not None else ())


def _objects(x: Array, masks: Array | None, boxes: Array | None) -> tuple[Array | None, Array | None]:
    """Return masks and boxes, each from the other where one is missing and x is (N, C, H, W)."""
    if masks is not None and boxes is None and x.ndim == 4:
        if tuple(masks.shape) == (len(x), 4):
            return masks, masks
        return masks, convert(mask_boxes(masks), namespace(x))
    return (boxes, boxes) if masks is None and boxes is not None else (masks, boxes)


def _require_ways(chosen: Sequence[Measure], names: Sequence[str], ways: Mapping[str, Explainer]) -> None:
    for measure in chosen:
        if "explain" in measure.fields.values() and not set(ways) & set(names[:-1]):
            raise ParameterError(
                f"measure '{measure.name}' explains again: give explainers={{name: function of (net, x, target)}}"
            )
