"""Cards of units: the samples in which a unit is most active, cut out where it looks, and where it is active there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import tables
from ..base.arrays import require_finite
from ..base.frozen import Value, real_array, whole, wholes
from ..base.tables import number
from ..errors import GraphError, ParameterError, ShapeError
from ..heatmap.output import to_data_uri
from ..layers import Identity
from ..methods.concepts.receptive import Box, receptive_field
from ..methods.concepts.search import actmax
from ..methods.concepts.strongest import Strongest
from ..network.network import Network
from . import pictures
from .dissection import Dissection
from .feeding import BATCH, Host, batches, is_whole, maps_of, named
from .overlaps import activated, limits_of
from .quantiles import thresholds

if TYPE_CHECKING:
    from PIL.Image import Image

CROPS = 5


def top_samples(
    net: Network,
    x: Any,
    *,
    at: str,
    k: int = CROPS,
    batch: int = BATCH,
    canonize: bool = True,
    progress: Callable[[int], object] | None = None,
) -> Strongest:
    """Return for each unit of a value the samples in which its largest activation is largest: max over positions.

    This is :func:`lrp_ref.methods.actmax` with ``by="max"``, a few samples at a time.

    Args:
        net, at, canonize: as of :func:`lrp_ref.units.thresholds`.
        x: the data set (N, ...), several arrays by name, or batches of it.
        k: samples for each unit.
        batch: samples at a time, where ``x`` is an array.
        progress: is called after each batch with how many samples are done.

    Raises:
        ParameterError: no such value, or no samples.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([("units", lrp.layers.Conv(np.ones((1, 1, 1, 1)), None))])
        >>> top_samples(net, np.array([[[[1.0, 2.0]]], [[[5.0, 0.0]]]]), at="units", k=1)
        activation of 'units' by max: 1 samples for each of 1 channels
        channel  strongest samples
        ──────────────────────────
        0        1: 5
    """
    net = named(net, at)
    if at in {i.name for i in net.inputs}:  # maps that were computed before
        given: Iterable[Any] = (_of_input(few, at) for few in batches(x, batch))
        return actmax(_alone(at), given, at=at, k=k, by="max", progress=progress)
    return actmax(net, batches(x, batch), at=at, k=k, by="max", canonize=canonize, progress=progress)


def _alone(at: str) -> Network:
    """Return the network of one value that is its input as well."""
    return Network.sequential([(at, Identity())], input_name=f"{at} given")


def _of_input(few: Any, at: str) -> Any:
    """Return the numbers of an input out of a batch, whole numbers as floats, for they are activations here."""
    maps = few.get(at) if isinstance(few, Mapping) else few
    if maps is None:
        raise GraphError(f"a batch has no input '{at}', only {', '.join(map(str, few)) or 'none'}")
    return maps.astype(float) if getattr(maps, "dtype", np.dtype(float)).kind in "biu" else maps


@dataclass(frozen=True, eq=False, repr=False)
class UnitCard(Value):
    """A unit and the samples in which it is most active.

    Attributes:
        at: the value.
        unit: its number.
        threshold: T, from which on it counts as active.
        samples: their numbers, the most active first (k,).
        values: the unit's largest activation in each (k,).
        crops: cut-outs of what was shown, each (..., h, w) or (h, w, 3).
        masks: where the unit is active in each cut-out (h, w).
        boxes: where each cut-out lies: a slice for each axis of the sample.
        concept: of largest IoU, where there is a dissection.
        iou: with it.
    """

    at: str
    unit: int
    threshold: float
    samples: Host
    values: Host
    crops: tuple[Host, ...]
    masks: tuple[Host, ...]
    boxes: tuple[Box, ...]
    concept: str | None = None
    iou: float | None = None

    @property
    def title(self) -> str:
        """The unit, and its concept with the IoU where that is known."""
        said = f"unit {self.unit} of {self.at}"
        return said if self.concept is None or self.iou is None else f"{said}: {self.concept}, IoU {number(self.iou)}"

    def picture(self, *, size: int = 112) -> Image:
        """Return the card as a picture: the cut-outs side by side, pale where the unit is not active.

        Raises:
            ParameterError: a size that is no whole number of pixels, or cut-outs of other things than finite numbers.
        """
        whole("size", size, 1)
        captions = [f"#{s}: {number(float(v))}" for s, v in zip(self.samples, self.values, strict=True)]
        return pictures.card(self.crops, self.masks, captions, self.title, size)

    def rows(self) -> list[tuple[str, ...]]:
        """Return the rows of the printed table, a sample each."""
        return [
            (str(s), number(float(v)), " × ".join(f"{b.start}…{b.stop}" for b in box), f"{mask.mean():.0%}")
            for s, v, box, mask in zip(self.samples, self.values, self.boxes, self.masks, strict=True)
        ]

    def __repr__(self) -> str:
        return tables.text(
            ("sample", "activation", "cut-out", "active"), self.rows(), title=self.title, right=(0, 1, 3)
        )

    def _repr_html_(self) -> str:
        from html import escape  # only needed here

        return f'<img alt="{escape(self.title)}" src="{to_data_uri(self.picture())}">'


def unit_cards(
    net: Network,
    x: Any,
    units: Iterable[int],
    *,
    at: str,
    k: int = CROPS,
    threshold: Any = None,
    dissection: Dissection | None = None,
    shown: Any = None,
    whole: bool = False,
    upsample: str = "half_pixel",
    batch: int = BATCH,
    canonize: bool = True,
) -> tuple[UnitCard, ...]:
    """Return for each of some units a card: the k samples in which it is most active, with where it looks and fires.

    A cut-out is the receptive field of the position where the unit's activation is largest, as far as it lies within
    the sample; the mask on it is where the unit's upsampled map exceeds its threshold.

    Args:
        net, at, canonize: as of :func:`lrp_ref.units.thresholds`.
        x: the data set (N, C, H, W), in one array.
        units: their numbers.
        k: samples for each.
        threshold: T of each unit of the value (U,); None for that of ``dissection``, or else of these samples, with
            q = 0.995.
        dissection: of the value, which brings thresholds, concepts and IoU.
        shown: what is cut out instead of ``x``: its pictures (N, H, W, 3), (N, C, H, W) or (N, H, W).
        whole: the whole sample instead of a cut-out; what is shown may then have another size than ``x``.
        upsample: a convention of :func:`lrp_ref.methods.upsampled`.
        batch: samples at a time.

    Raises:
        ParameterError: a unit that is not there, a data set in batches, or a dissection of another value.
        ShapeError: pictures that do not fit the samples.

    Source: Zhou et al. 2015, "Object detectors emerge in deep scene CNNs"; Bau et al. 2017.

    Example:
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([("units", lrp.layers.Conv(np.ones((1, 1, 1, 1)), None))])
        >>> images = np.zeros((2, 1, 2, 3))
        >>> images[1, 0, 1, 2] = 5.0
        >>> unit_cards(net, images, [0], at="units", k=1)[0]
        unit 0 of units
        sample  activation  cut-out    active
        ─────────────────────────────────────
             1           5  1…2 × 2…3    100%
    """
    if not is_whole(x) or not hasattr(x, "shape"):
        raise ParameterError("cards are cut out of one array of samples (N, C, H, W), not of batches or several inputs")
    net, units = named(net, at), wholes("units", units)
    if dissection is not None and dissection.at != at:
        raise ParameterError(f"the dissection is of '{dissection.at}', and the cards are of '{at}'")
    if shown is None and len(x.shape) != 4:
        raise ShapeError(f"cards are cut out of samples (N, C, H, W), and these are {tuple(x.shape)}: give shown=")
    seen = _pictures(x if shown is None else shown)
    size, axes = _plane(seen)
    if len(seen) != len(x) or not (whole or size == tuple(x.shape[2:])):
        raise ShapeError(f"shown is {seen.shape} for samples {tuple(x.shape)}: give a picture of its size for each")
    best = top_samples(net, x, at=at, k=k, batch=batch, canonize=canonize)
    odd = [unit for unit in units if not 0 <= unit < best.samples.shape[1]]
    if odd:
        raise ParameterError(f"'{at}' has no unit {odd[0]}; it has {best.samples.shape[1]}, from 0")
    if threshold is not None:
        limits = limits_of(threshold)
    elif dissection is not None:
        limits = dissection.threshold
    else:
        limits = thresholds(net, x, at=at, batch=batch, canonize=canonize)
    if limits.shape != best.samples.shape[1:]:
        raise ShapeError(f"thresholds of shape {limits.shape} for the {best.samples.shape[1]} units of '{at}'")
    if not units:
        return ()
    chosen = np.unique(best.samples[:, list(units)])
    parts = [chosen[first : first + batch] for first in range(0, len(chosen), batch)]
    maps = {int(s): one for part in parts for s, one in zip(part, maps_of(net, x[part], at, canonize), strict=True)}
    everything = tuple(slice(0, n) for n in size)
    boxes = {} if whole else _boxes(net, at, best, units, x.shape[1:])
    cards = []
    for unit in units:
        samples, places = best.samples[:, unit], best.positions[:, unit]
        own = tuple(boxes.get(int(place), everything) for place in places)
        active = [activated(maps[int(s)][None, [unit]], limits[[unit]], size, upsample=upsample)[0, 0] for s in samples]
        cards.append(UnitCard(
            at, unit, float(limits[unit]), samples, best.values[:, unit],
            tuple(seen[(int(s), *axes(box))] for s, box in zip(samples, own, strict=True)),
            tuple(one[box] for one, box in zip(active, own, strict=True)), own,
            None if dissection is None else dissection.concepts[int(dissection.concept[unit])],
            None if dissection is None else float(dissection.best[unit]),
        ))  # fmt: skip
    return tuple(cards)


def _pictures(shown: Any) -> Host:
    """Return pictures as an array of finite numbers."""
    seen = real_array("shown", shown)
    require_finite(seen, "shown")
    return seen


def _plane(seen: Host) -> tuple[tuple[int, ...], Callable[[Box], tuple[Any, ...]]]:
    """Return the size of pictures, and how a box is written as an index of one: colours may be first or last."""
    if seen.ndim == 4 and seen.shape[3] == 3 and seen.shape[1] not in (1, 3):
        return tuple(seen.shape[1:3]), lambda box: (*box, slice(None))
    if seen.ndim == 4:
        return tuple(seen.shape[2:]), lambda box: (slice(None), *box)
    if seen.ndim == 3:
        return tuple(seen.shape[1:]), lambda box: tuple(box)
    raise ShapeError(f"pictures are (N, H, W), (N, C, H, W) or (N, H, W, 3); these are {seen.shape}")


def _boxes(net: Network, at: str, best: Strongest, units: Sequence[int], shape: Sequence[int]) -> dict[int, Box]:
    """Return the receptive field of each position that any of the cards is about."""
    places = np.unique(best.positions[:, list(units)]).tolist()
    if at in {i.name for i in net.inputs}:
        net = _alone(at)
    return dict(zip(places, receptive_field(net, at, places, shape), strict=True))
