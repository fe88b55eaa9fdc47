"""What a measure is given: which numbers a map ranks, what lies inside a mask, and which output is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Array, convert, is_float, namespace, require_finite, to_numpy
from ..errors import BackendError, ParameterError, ShapeError, unknown
from ..layers.softmax import Softmax
from ..propagation.targets import indices

Host = NDArray[Any]  # an array of NumPy's
Progress = Callable[[int, int], Any]  # is told what is done, and of how much
PER = ("pixel", "number")


class Units(NamedTuple):
    """What is ranked: pixels, all of whose channels go together, or single numbers.

    Attributes:
        per: "pixel" or "number".
        channels: numbers of x that one unit has.
        sizes: of the axes of the units, such as (H, W).
    """

    per: str
    channels: int
    sizes: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many units a sample has."""
        return math.prod(self.sizes)


def require_input(x: Array) -> None:
    """Raise unless ``x`` is a batch (N, ...) of finite floats or exact numbers.

    Raises:
        BackendError: what is no array.
        ParameterError: numbers of another kind.
        ShapeError: no axis behind that of the samples.
        NonFiniteError: NaN or infinity.
    """
    namespace(x)
    if not is_float(x):
        raise ParameterError(
            f"x is {x.dtype}: parts of it are replaced by other numbers; cast it (x.astype('float64'))"
        )
    if x.ndim < 2:
        raise ShapeError(f"x has shape {tuple(x.shape)}: a batch is (N, ...), with an axis behind that of the samples")
    require_finite(x, "x")


def ranked(relevance: Array, shape: Sequence[int], per: str | None = None) -> tuple[Host, Units]:
    """Return the scores (N, units) by which a map ranks the parts of an input, on the host.

    Args:
        relevance: (N, C, ...) as the input, (N, 1, ...) or (N, ...) without channels.
        shape: of the input, (N, C, ...).
        per: "pixel": channels are summed, and a pixel is one unit; "number": every number is one. None for pixels where
            the input has two spatial axes or more, or the map has fewer channels than the input; else for numbers.

    Raises:
        ShapeError: shapes that do not fit each other.
        ParameterError: another ``per``, or "number" where the map has no channels.
        NonFiniteError: NaN or infinity in the map.

    Example:
        >>> scores, units = ranked(np.ones((1, 3, 2, 2)), (1, 3, 2, 2))
        >>> scores.tolist(), units
        ([[3.0, 3.0, 3.0, 3.0]], Units(per='pixel', channels=3, sizes=(2, 2)))
    """
    scores, full = host_map(relevance), tuple(shape)
    single, bare = (*full[:1], 1, *full[2:]), (*full[:1], *full[2:])
    same = scores.shape == full
    if not same and (len(full) < 3 or scores.shape not in (single, bare)):
        wanted = f"{full}" if len(full) < 3 else f"{full}, {single} or {bare}"
        raise ShapeError(f"relevance has shape {scores.shape}, and x {full}: expected {wanted}")
    if per is None:
        per = "pixel" if len(full) > 3 or not same else "number"
    if per not in PER:
        raise unknown("per", str(per), PER)
    if per == "number":
        if not same:
            raise ParameterError(
                f"per='number' ranks every number, and relevance {scores.shape} has none for each channel of x {full}: "
                "give per='pixel'"
            )
        return scores.reshape(len(scores), math.prod(full[1:])), Units("number", 1, full[1:])
    if len(full) < 3:
        raise ParameterError(f"per='pixel': x {full} has no spatial axes; give per='number'")
    summed = scores.sum(axis=1) if same else scores.reshape(bare)
    return summed.reshape(len(scores), math.prod(full[2:])), Units("pixel", full[1], full[2:])


def host_map(relevance: Array) -> Host:
    """Return a map on the host, as floats or exact numbers, refusing NaN."""
    namespace(relevance)
    host = to_numpy(relevance)
    if host.dtype.kind in "bui":
        host = host.astype(np.float64)
    if host.dtype.kind not in "fO":
        raise ParameterError(f"relevance is {host.dtype}: a map has real numbers")
    if host.ndim < 2:
        raise ShapeError(f"relevance has shape {host.shape}: a batch of maps is (N, ...)")
    require_finite(host, "relevance")
    # Sums of many numbers, or of large ones, are beyond what half and single precision can say.
    return host.astype(np.float64) if host.dtype.kind == "f" else host


def values(relevance: Array, per: str | None = None) -> Host:
    """Return a batch of maps as (N, units) on the host, where there is no input to compare with.

    Args:
        relevance: (N, C, H, W) and longer are pixels, whose channels are summed, unless ``per`` is "number"; every
            number of a shorter one is a unit, unless ``per`` is "pixel".
        per: as in :func:`ranked`.
    """
    return ranked(relevance, tuple(relevance.shape), per)[0]


class Inside(NamedTuple):
    """Maps and masks brought together.

    Attributes:
        scores: (N, units).
        mask: (N, units), true inside.
        sizes: of the axes of the units.
    """

    scores: Host
    mask: NDArray[np.bool_]
    sizes: tuple[int, ...]


def inside(relevance: Array, masks: Array) -> Inside:
    """Return what of each map lies inside its mask.

    Args:
        relevance: (N, ...).
        masks: of the map's shape: each number is inside or not. (N, 1, ...) or (N, ...) without channels: those of the
            map are summed first. (N, 4), for maps (N, H, W) and (N, C, H, W): boxes y0, x0, y1, x1, half-open.

    Raises:
        ShapeError: masks that fit neither.
        ParameterError: masks that are not 0 and 1, or no boxes of whole numbers.
        NonFiniteError: NaN or infinity in a map.
    """
    scores = host_map(relevance)
    namespace(relevance, masks)
    given, full = to_numpy(masks), scores.shape
    if given.shape == (full[0], 4) and len(full) in (3, 4):
        scores = scores.sum(axis=1) if len(full) == 4 else scores
        return Inside(_flat(scores), _flat(box_masks(given, full[-2:])), full[-2:])
    if given.ndim == len(full) + 1 and given.shape[:2] == (full[0], 1):
        given = given[:, 0]
    whole, single, bare = full, (*full[:1], 1, *full[2:]), (*full[:1], *full[2:])
    if given.shape == whole:
        sizes = full[2:] if len(full) > 3 and full[1] == 1 else full[1:]
    elif len(full) > 2 and given.shape in (single, bare):
        scores, sizes = scores.sum(axis=1), full[2:]
    else:
        expected = f"{whole}" if len(full) < 3 else f"{whole}, {single} or {bare}"
        boxes = f", or boxes {(full[0], 4)}" if len(full) in (3, 4) else ""
        raise ShapeError(f"masks have shape {given.shape} for maps of shape {full}: expected {expected}{boxes}")
    if given.dtype.kind not in "biufO" or not bool(((given == 0) | (given == 1)).all()):
        raise ParameterError("a mask has 0 (outside) and 1 (inside), or False and True, and nothing else")
    return Inside(_flat(scores), _flat(given != 0), sizes)


def _flat(array: Host) -> Host:
    return array.reshape(len(array), math.prod(array.shape[1:]))


def whole_boxes(boxes: Array, what: str = "boxes") -> NDArray[np.int64]:
    """Return boxes (N, 4) as integers on the host.

    Raises:
        ShapeError: another shape.
        ParameterError: what is no whole number, or an end before its beginning.
    """
    host = to_numpy(boxes)
    if host.ndim != 2 or host.shape[1] != 4:
        raise ShapeError(f"{what} have shape {host.shape}: expected (N, 4), of y0, x0, y1, x1")
    if host.dtype.kind not in "iuf" or not bool((np.isfinite(host) & (host == np.floor(host))).all()):
        raise ParameterError(f"{what} are whole numbers y0, x0, y1, x1, got {host.dtype} that are not")
    ints = host.astype(np.int64)
    wrong = (ints[:, 2:] < ints[:, :2]).any(axis=1) | (ints < 0).any(axis=1)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise ParameterError(
            f"{what}[{first}] is {ints[first].tolist()}: y0, x0, y1, x1 are half-open, with 0 ≤ y0 ≤ y1 and 0 ≤ x0 ≤ x1"
        )
    return ints


def box_masks(boxes: Array, sizes: Sequence[int]) -> NDArray[np.bool_]:
    """Return masks (N, H, W) of boxes (N, 4): true where y0 ≤ y < y1 and x0 ≤ x < x1.

    Raises:
        ShapeError, ParameterError: what are no boxes, or boxes that reach out of (H, W).
    """
    ints, (high, wide) = whole_boxes(boxes), sizes
    out = (ints[:, 2] > high) | (ints[:, 3] > wide)
    if out.any():
        first = int(np.flatnonzero(out)[0])
        raise ParameterError(
            f"boxes[{first}] is {ints[first].tolist()} (y0, x0, y1, x1), and the map has {high} × {wide}"
        )
    y, x = np.arange(high)[None, :, None], np.arange(wide)[None, None, :]
    y0, x0, y1, x1 = (ints[:, k, None, None] for k in range(4))
    found: NDArray[np.bool_] = (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
    return found


def back(result: Host, like: Array) -> Array:
    """Return a result per sample as an array of the library of ``like``; floats as wide as its floats."""
    kind = like.dtype if like.dtype.kind == "f" else None
    host = result.astype(kind) if kind is not None and result.dtype.kind == "f" else result
    return convert(host, namespace(like))


def quotient(above: Host, below: Host) -> Host:
    """Return above/below of every element, NaN where ``below`` is 0."""
    none = (below == 0).astype(bool)
    found: Host = np.where(none, math.nan, above / np.where(none, 1, below))
    return found


class Output:
    """Which number of f's output is measured, found once f has answered for the first time.

    Args:
        f: from a batch to its outputs (N, K), (N, ...) or (N,).
        target: one index for all samples, one per sample (N,), or (N, T) whose outputs are summed.
        samples: N.
        softmax: whether the probability is measured, the softmax of the outputs (N, K).
    """

    def __init__(self, f: Callable[[Array], Array], target: Any, samples: int, softmax: bool) -> None:
        self.f, self.target, self.samples, self.softmax = f, target, samples, softmax
        self.chosen: Host | None = None

    def rows(self, x: Array) -> Array:
        """Return f(x) as (n, K), checked."""
        given = _array(self.f(x))
        namespace(x, given)
        if not given.ndim or given.shape[0] != x.shape[0]:
            raise ShapeError(f"f returned shape {tuple(given.shape)} for x of shape {tuple(x.shape)}: expected (N, K)")
        if not is_float(given):
            raise ParameterError(f"f returned {given.dtype}: a measure needs its outputs as floats, not as decisions")
        if self.softmax:
            if given.ndim != 2:
                raise ShapeError(f"softmax=True is of outputs (N, K), and f returned shape {tuple(given.shape)}")
            given = Softmax(axis=1).forward(given)
        shape = tuple(given.shape[1:]) or (1,)
        if self.chosen is None and self.target is not None:
            chosen = np.asarray(indices(self.target, self.samples, shape))
            self.chosen = np.ascontiguousarray(np.broadcast_to(chosen, (self.samples, chosen.shape[1])))
        return given.reshape(given.shape[0], math.prod(shape))

    def predict(self, x: Array, batch: int, told: Callable[[int], None]) -> None:
        """Find each sample's largest output, the first of several."""
        found = []
        for start in range(0, self.samples, batch):
            output = self.rows(x[start : start + batch])
            require_finite(output, "the output of f")
            found.append(to_numpy(output).argmax(axis=1))
            told(len(found[-1]))
        self.chosen = np.concatenate(found)[:, None]

    def of(self, x: Array, which: Host) -> Array:
        """Return the measured number (n,) of each row of x, which is made of the sample ``which`` (n,)."""
        output = self.rows(x)
        assert self.chosen is not None
        xp, size = namespace(output), output.shape[1]
        flat = self.chosen[which] + np.arange(0, len(which) * size, size)[:, None]
        found = xp.take(output.reshape(-1), convert(flat, xp))
        return found.sum(axis=1) if flat.shape[1] > 1 else found.reshape(len(which))


def _array(value: Any) -> Any:
    if not hasattr(value, "dtype") or not hasattr(value, "shape"):
        raise BackendError(
            f"f returned a {type(value).__name__}, not an array (N, K): choose one output of the network"
        )
    return value
