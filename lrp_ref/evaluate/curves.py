"""Faithfulness by perturbation: the output falls fast where the most relevant parts of an input are removed first.

Every function takes f, from a batch to its outputs (N, K), such as ``net.forward``, and measures what f returns: there
is no softmax unless ``softmax=True`` asks for one. f is called on micro-batches, which it must neither write into nor
keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..base.arrays import Array, namespace, to_numpy
from ..base.frozen import is_array
from ..errors import ParameterError, ShapeError
from .curve import Curve
from .fills import filling
from .given import Host, Output, Progress, Units, ranked, require_input
from .steps import Regions, counts_of, removed_at
from .stream import batch_size, measured, replaced

F = Callable[[Array], Array]


def pixel_flipping(
    f: F,
    x: Array,
    relevance: Array,
    target: Any = None,
    *,
    fill: Any = 0.0,
    order: str = "morf",
    steps: int | Sequence[int] | None = None,
    per: str | None = None,
    softmax: bool = False,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Curve:
    """Return the output while units are replaced in the order of their relevance: f(x⁽ᵏ⁾), k = 0 … K.

    Args:
        f: from a batch to outputs (N, K).
        x: (N, C, ...), floats or exact numbers.
        relevance: (N, C, ...), (N, 1, ...) or (N, ...) without channels, any unit.
        target: as of :func:`lrp_ref.explain`: one index, one per sample, or (N, T) whose outputs are summed; None for
            each sample's largest output on x as it is given.
        fill: what a replaced unit becomes: a number, (C,), an array like x, "mean", "noise" or "blur", see
            :func:`lrp_ref.evaluate.fills.filling`.
        order: "morf", the most relevant first, or "lerf", the least; of equal ones the first, in C order.
        steps: K equal steps to the end, or rising counts of replaced units; None for one unit a step, at most 100
            steps.
        per: "pixel", all channels of a place together, ordered by their sum; "number", each by itself; None for
            pixels where x has two spatial axes or more, else numbers.
        softmax: measure the probability of the target and not f's output.
        seed: of fill="noise".
        batch: rows that f is given at once; None for as many as have 2²⁰ numbers, at most 256.
        progress: called with (done, total) rows after each micro-batch.

    Returns:
        A Curve: ``curve`` (N, K + 1) in the unit of f, ``aopc`` and ``auc`` (N,).

    Raises:
        ShapeError: arrays that do not fit each other.
        ParameterError: an argument out of its range, a target that is not there.
        NonFiniteError: NaN or infinity in x, the relevance, or what f returns.
        BackendError: arrays of two libraries.

    Source: Bach et al. 2015 (flipping); Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820 (MoRF, LeRF, AOPC).

    Example:
        >>> import numpy as np
        >>> x, w = np.array([[1.0, 2.0, 3.0]]), np.array([[2.0], [-1.0], [1.0]])
        >>> made = pixel_flipping(lambda x: x @ w, x, x * w.T, 0)
        >>> made.curve, made.aopc
        (array([[ 3.,  0., -2.,  0.]]), array([2.75]))
    """
    return _replacing(
        "pixel_flipping", f, x, relevance, target, fill, order, steps, per, softmax, seed, batch, progress
    )


def deletion(
    f: F, x: Array, relevance: Array, target: Any = None, *, fill: Any = 0.0, steps: int | Sequence[int] | None = None,
    per: str | None = None, softmax: bool = False, seed: int = 0, batch: int | None = None,
    progress: Progress | None = None,
) -> Curve:  # fmt: skip
    """Return the output while the most relevant units are deleted; ``auc`` is the measure, and small is good.

    It is the curve of :func:`pixel_flipping` in the order "morf". In the paper it is the probability: ``softmax=True``.

    Args:
        f, x, relevance, target, fill, steps, per, softmax, seed, batch, progress: as in :func:`pixel_flipping`.

    Raises:
        LrpError: as :func:`pixel_flipping`.

    Source: Petsiuk, Das, Saenko 2018 (RISE), arXiv:1806.07421.

    Example:
        >>> import numpy as np
        >>> x, w = np.array([[1.0, 2.0, 3.0]]), np.array([[2.0], [-1.0], [1.0]])
        >>> deletion(lambda x: x @ w, x, x * w.T, 0).auc
        array([-0.16666667])
    """
    return _replacing("deletion", f, x, relevance, target, fill, "morf", steps, per, softmax, seed, batch, progress)


def insertion(
    f: F, x: Array, relevance: Array, target: Any = None, *, fill: Any = 0.0, steps: int | Sequence[int] | None = None,
    per: str | None = None, softmax: bool = False, seed: int = 0, batch: int | None = None,
    progress: Progress | None = None,
) -> Curve:  # fmt: skip
    """Return the output while the most relevant units are put into the filling; ``auc`` is the measure, large is good.

    The curve begins at f of the filling alone and ends, with all units, at f(x). In the paper it is the probability,
    and the filling a blurred input: ``softmax=True, fill="blur"``.

    Args:
        f, x, relevance, target, fill, steps, per, softmax, seed, batch, progress: as in :func:`pixel_flipping`; of a
            target None the prediction is that on x.

    Raises:
        LrpError: as :func:`pixel_flipping`.

    Source: Petsiuk, Das, Saenko 2018 (RISE), arXiv:1806.07421.

    Example:
        >>> import numpy as np
        >>> x, w = np.array([[1.0, 2.0, 3.0]]), np.array([[2.0], [-1.0], [1.0]])
        >>> insertion(lambda x: x @ w, x, x * w.T, 0).curve
        array([[0., 3., 5., 3.]])
    """
    return _replacing("insertion", f, x, relevance, target, fill, "morf", steps, per, softmax, seed, batch, progress)


def region_perturbation(
    f: F,
    x: Array,
    relevance: Array,
    target: Any = None,
    *,
    size: int | Sequence[int] = 9,
    fill: Any = 0.0,
    order: str = "morf",
    steps: int | Sequence[int] | None = None,
    draws: int = 1,
    softmax: bool = False,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Curve:
    """Return the output while regions of r × r pixels are replaced, in the order of their summed relevance.

    In the paper r = 9, the first 100 regions go, and 10 draws of uniform noise take their place:
    ``fill="noise", draws=10``.

    Args:
        size: r, or one number per spatial axis. Regions begin at the first corner; those at the last borders are cut.
        steps: K, for the first K regions one after another, or rising counts; None for all, at most 100.
        draws: of fill="noise", whose curves are averaged.
        f, x, relevance, target, fill, order, softmax, seed, batch, progress: as in :func:`pixel_flipping`; the
            channels of a pixel go together.

    Raises:
        LrpError: as :func:`pixel_flipping`; x needs spatial axes.

    Source: Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[[1.0, 2.0, 3.0, 4.0]]]])
        >>> region_perturbation(lambda x: x.reshape(1 * len(x), -1).sum(axis=1), x, x, 0, size=(1, 2)).curve
        array([[10.,  3.,  0.]])
    """
    require_input(x)
    if x.ndim < 3:
        raise ShapeError(f"x has shape {tuple(x.shape)}: regions need spatial axes, as in (N, C, H, W)")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise ParameterError(f"draws is {draws!r}: give how many, 1 or more")
    if draws > 1 and not (isinstance(fill, str) and fill == "noise"):
        raise ParameterError(f"draws={draws} averages over noise: give fill='noise', or leave draws out")
    regions = Regions(size, tuple(x.shape[2:]))
    if isinstance(steps, int) and not isinstance(steps, bool) and 1 <= steps <= regions.count:
        steps = range(1, steps + 1)
    elif steps is None:
        steps = range(1, min(100, regions.count) + 1)
    curves = [
        _replacing(
            "region_perturbation", f, x, relevance, target, fill, order, steps, "pixel", softmax,
            seed if draws == 1 else (seed, draw), batch, _part(progress, draw, draws), regions,
        )
        for draw in range(draws)
    ]  # fmt: skip
    first = curves[0]
    mean = sum(made.curve for made in curves) / len(curves) if draws > 1 else first.curve
    return Curve(mean, first.counts, first.units, first.measure, order, first.fill, softmax, first.target)


def abpc(
    f: F, x: Array, relevance: Array, target: Any = None, *, fill: Any = 0.0, steps: int | Sequence[int] | None = None,
    per: str | None = None, softmax: bool = False, seed: int = 0, batch: int | None = None,
    progress: Progress | None = None, order: None = None,
) -> Array:  # fmt: skip
    """Return the area between the curves, 1/(K + 1) · Σ_k (f(x⁽ᵏ⁾_LeRF) − f(x⁽ᵏ⁾_MoRF)), per sample (N,), in f's unit.

    Large is good; a random order has 0 in the mean.

    Args:
        f, x, relevance, target, fill, steps, per, softmax, seed, batch, progress: of :func:`pixel_flipping`.
        order: None: it is between the two.

    Raises:
        LrpError: as :func:`pixel_flipping`.

    Source: the difference of the two areas in Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820.

    Example:
        >>> import numpy as np
        >>> x, w = np.array([[1.0, 2.0, 3.0]]), np.array([[2.0], [-1.0], [1.0]])
        >>> abpc(lambda x: x @ w, x, x * w.T, 0)
        array([2.5])
    """
    if order is not None:
        raise ParameterError("abpc is between the orders 'lerf' and 'morf': leave order out")
    # The last of the two has the first's draw, prediction and steps: their difference is of the order alone.
    morf, lerf = (
        pixel_flipping(
            f, x, relevance, target, fill=fill, order=order, steps=steps, per=per, softmax=softmax, seed=seed,
            batch=batch, progress=_part(progress, k, 2),
        )
        for k, order in enumerate(("morf", "lerf"))
    )  # fmt: skip
    return morf.aopc - lerf.aopc


def _part(progress: Progress | None, k: int, parts: int) -> Progress | None:
    """Return what tells the progress of the k-th of several equal parts."""
    if progress is None:
        return None
    return lambda done, total: progress(k * total + done, parts * total)


def _replacing(
    measure: str, f: F, x: Array, relevance: Array, target: Any, fill: Any, order: str, steps: Any, per: str | None,
    softmax: bool, seed: Any, batch: int | None, progress: Progress | None, regions: Regions | None = None,
) -> Curve:  # fmt: skip
    require_input(x)
    namespace(x, relevance)
    scores, units = ranked(relevance, tuple(x.shape), per)
    counts = counts_of(steps, regions.count if regions else units.total)
    steps_of = removal(scores, units, counts, order, x, regions)
    rows, output = batch_size(batch, x), Output(f, target, len(x), softmax)
    inputs = replaced(x, len(counts), rows, steps_of, filling(fill, x, seed), insert=measure == "insertion")
    curve = measured(output, x, len(counts), rows, inputs, progress)
    found = output.chosen
    return Curve(
        curve, counts, regions.count if regions else units.total, measure, order, told(fill), softmax, found
    )  # fmt: skip


def removal(
    scores: Host, units: Units, counts: Sequence[int], order: str, x: Array, regions: Regions | None = None
) -> Callable[[slice], Host]:
    """Return the function from some samples to the step at which each number goes, broadcasting to these samples."""

    def steps_of(cut: slice) -> Host:
        some = scores[cut]
        if regions is None:
            steps = removed_at(some, counts, order)
        else:
            steps = removed_at(regions.sums(some), counts, order)[:, regions.of_units]
        channels = (1,) if units.per == "pixel" else ()
        return steps.reshape(len(some), *channels, *units.sizes)

    removed_at(scores[:0], counts, order)  # the order is checked before f is called
    return steps_of


def told(fill: Any) -> str:
    """Return a filling in words."""
    if isinstance(fill, str):
        return fill
    if is_array(fill) and to_numpy(fill).ndim:
        return f"array {tuple(fill.shape)}"
    return f"{fill:g}" if isinstance(fill, float) else str(fill)
