"""ROAD: what is removed is filled in from its neighbours, so that the holes themselves tell the network nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..base.arrays import Array, convert, namespace, to_numpy
from ..base.frozen import real
from ..errors import ParameterError, ShapeError, UnsupportedError
from .curve import Curve
from .curves import F, removal
from .given import Host, Output, Progress, ranked, require_input
from .steps import counts_of
from .stream import Rows, batch_size, blocks, measured

NOISE = 0.01  # standard deviation, in the unit of x


def road(
    f: F,
    x: Array,
    relevance: Array,
    target: Any = None,
    *,
    order: str = "morf",
    steps: int | Sequence[int] | None = None,
    noise: float = NOISE,
    softmax: bool = False,
    seed: int = 0,
    batch: int | None = None,
    progress: Progress | None = None,
) -> Curve:
    """Return the output while pixels are replaced by noisy linear imputation, in the order of their relevance.

    All removed pixels of a channel solve Σ_j w_ij (x_i − x_j) = 0 together, over the neighbours j of i (kept ones as
    they are), with w = 1 for neighbours along an axis and 1/2, 1/3, … across two, three, … axes; then noise is added.
    Where nothing is kept, every pixel is the mean of its channel. The systems are solved on the host (scipy.sparse).

    Args:
        f, x, relevance, target, order, softmax, batch, progress: as in :func:`lrp_ref.evaluate.pixel_flipping`; x needs
            spatial axes, and the channels of a pixel go together.
        steps: K equal steps to the end, or rising counts of removed pixels; None for 10 %, 20 %, … 90 %.
        noise: standard deviation of the Gaussian noise, in the unit of x.
        seed: of the noise; the draw is the same for every sample, so that none depends on the batch.

    Returns:
        A Curve. The measure of the paper, accuracy, is the mean over samples of whether f still predicts the target;
        this is f itself, whose ``aopc`` is large for a faithful map (``order="lerf"``: small).

    Raises:
        LrpError: as :func:`lrp_ref.evaluate.pixel_flipping`.
        UnsupportedError: exact numbers.

    Source: Rong et al. 2022, arXiv:2202.00449, §4.

    Example:
        >>> import numpy as np
        >>> x = np.array([[[0.0, 1.0, 5.0, 3.0]]])  # the pixel of 5 becomes the mean of its neighbours, 2
        >>> road(lambda x: x.reshape(len(x), -1).sum(axis=1), x, x, 0, steps=[1], noise=0.0).curve
        array([[9., 6.]])
    """
    require_input(x)
    namespace(x, relevance)
    if x.ndim < 3:
        raise ShapeError(f"x has shape {tuple(x.shape)}: neighbours need spatial axes, as in (N, C, H, W)")
    if x.dtype == object:
        raise UnsupportedError("road draws noise and solves in floats: cast x (lrp.arithmetic.to_float)")
    if not real("noise", noise) >= 0:
        raise ParameterError(f"noise is {noise!r}: a standard deviation is 0 or more")
    scores, units = ranked(relevance, tuple(x.shape), "pixel")
    if steps is None:
        steps = sorted({units.total * k // 10 for k in range(1, 10)} - {0})
    counts = counts_of(steps, units.total)
    steps_of = removal(scores, units, counts, order, x)
    drawn = np.random.default_rng(seed).standard_normal(tuple(x.shape[1:])) * float(noise)
    rows, output = batch_size(batch, x), Output(f, target, len(x), softmax)
    inputs = _imputed(x, len(counts), rows, steps_of, drawn)
    curve = measured(output, x, len(counts), rows, inputs, progress)
    return Curve(curve, counts, units.total, "road", order, "noisy linear imputation", softmax, output.chosen)


def _imputed(x: Array, points: int, batch: int, steps_of: Callable[[slice], Host], noise: Host) -> Iterator[Rows]:
    graph = neighbours(x.shape[2:])
    for cut, parts in blocks(len(x), points, batch):
        some = to_numpy(x[cut])
        steps = steps_of(cut).reshape(len(some), -1)
        for part in parts:
            made = [
                impute(sample, when <= k, graph, noise)
                for sample, when in zip(some, steps, strict=True)
                for k in range(part.start, part.stop)
            ]
            yield Rows(convert(np.stack(made), namespace(x)), cut, part)


def neighbours(sizes: Sequence[int]) -> Any:
    """Return the weights of neighbouring pixels as a sparse matrix (P, P), symmetric.

    Example:
        >>> neighbours((1, 3)).toarray().tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    from scipy.sparse import coo_matrix

    count = math.prod(sizes)
    place = np.arange(count).reshape(tuple(sizes))
    rows, columns, weights = [], [], []
    for way in itertools.product((-1, 0, 1), repeat=len(sizes)):
        if not any(way):
            continue
        here = place[tuple(slice(max(0, -w), n - max(0, w)) for w, n in zip(way, sizes, strict=True))].ravel()
        there = place[tuple(slice(max(0, w), n - max(0, -w)) for w, n in zip(way, sizes, strict=True))].ravel()
        rows.append(here)
        columns.append(there)
        weights.append(np.full(len(here), 1 / sum(map(abs, way))))
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
    return coo_matrix(entries, shape=(count, count)).tocsr()


def impute(sample: Host, removed: Host, graph: Any, noise: Host) -> Host:
    """Return a sample (C, ...) whose removed pixels (P,) are filled in from the others, with noise (C, ...) on them."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import spsolve

    if not removed.any():
        return sample
    flat = sample.reshape(len(sample), -1).astype(np.float64)
    if removed.all():
        filled = np.broadcast_to(flat.mean(axis=1, keepdims=True), flat.shape)
    else:
        of_removed = graph[removed]
        total = np.asarray(of_removed.sum(axis=1)).ravel()
        system = (diags(total) - of_removed[:, removed]).tocsc()
        solved = spsolve(system, of_removed[:, ~removed] @ flat[:, ~removed].T)
        filled = flat.copy()
        filled[:, removed] = solved.reshape(int(removed.sum()), len(flat)).T
    found = np.where(removed, filled + noise.reshape(flat.shape), flat)
    return found.reshape(sample.shape).astype(sample.dtype)
