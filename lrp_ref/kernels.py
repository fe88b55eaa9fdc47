"""The few heavy primitives, written once for every array module: windows, convolution and its adjoint.

Nothing loops over pixels or units: the loops run over kernel taps and over strips of the output that keep the
unrolled windows small, so memory grows with the activations and not with windows x activations.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from . import buffers, threads
from .arrays import Array, Namespace
from .errors import ShapeError

Pads = tuple[tuple[int, int], ...]
STRIP_BYTES = 4 << 20  # unrolled windows of one strip on the CPU: they should stay in the cache
SUMMANDS = 144  # of one product on the CPU: rounding errors no larger than those of other libraries, 5 % of the time
SHARED_BYTES = 1 << 20  # matrices from this size on are multiplied by several threads
DEVICE_STRIP_BYTES = 256 << 20  # on a GPU: few launches count more


def output_size(size: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int, ceil: bool = False) -> int:
    """Number of window positions along one axis.

    Formula: floor or ceil of (size + pads - dilation (kernel - 1) - 1) / stride, plus 1. In ceil mode a last
    window that would start in the padding after the input does not count.
    """
    span = size + sum(pads) - dilation * (kernel - 1) - 1
    if span < 0:
        return 0
    count = (-(-span // stride) if ceil else span // stride) + 1
    if ceil and (count - 1) * stride >= size + pads[0]:
        count -= 1
    return count


def pad_spatial(x: Array, pads: Pads, value: object, xp: Namespace) -> Array:
    """Return ``x`` (N, C, *spatial) with ``value`` around its spatial axes; negative amounts crop."""
    if not any(before or after for before, after in pads):
        return x
    shape = x.shape[:2] + tuple(n + a + b for n, (a, b) in zip(x.shape[2:], pads, strict=True))
    padded = buffers.zeros(shape, x.dtype, xp)
    if value != 0:
        padded[...] = value
    inner = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape[2:], pads, strict=True))
    source = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape[2:], pads, strict=True))
    padded[(slice(None), slice(None), *inner)] = x[(slice(None), slice(None), *source)]
    return padded


def windows(
    kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], out: Sequence[int]
) -> Iterator[tuple[slice, ...]]:
    """Yield, tap by tap in row-major order, the slices of a padded input that the tap meets in every window."""
    for tap in itertools.product(*(range(k) for k in kernel)):
        yield tuple(
            slice(t * d, t * d + s * (n - 1) + 1, s) for t, d, s, n in zip(tap, dilation, stride, out, strict=True)
        )


class Windows:
    """Where the taps of a kernel meet an input: per tap, output positions and the input positions that they read.

    Positions in the padding are left out, so nothing has to be padded.
    """

    def __init__(
        self, spatial: Sequence[int], out: Sequence[int], kernel: Sequence[int], stride: Sequence[int], pads: Pads,
        dilation: Sequence[int],
    ) -> None:  # fmt: skip
        self.axes = [
            (size, s, [t * d - before for t in range(k)])
            for size, s, d, k, (before, _) in zip(spatial, stride, dilation, kernel, pads, strict=True)
        ]
        self.others = list(
            itertools.product(*(_meetings(axis, 0, n) for axis, n in zip(self.axes[1:], out[1:], strict=True)))
        )

    def taps(self, rows: slice) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
        """Yield per tap, row-major, the slices of the output ``rows`` (counted from their start) and of the input."""
        for first in _meetings(self.axes[0], rows.start, rows.stop):
            for others in self.others:
                out, source = zip(first, *others, strict=True)
                yield out, source


def _meetings(axis: tuple[int, int, list[int]], start: int, stop: int) -> list[tuple[slice, slice]]:
    """Return, per tap of one axis, the positions in [start, stop) that meet the input, and where."""
    size, stride, shifts = axis
    found = []
    for shift in shifts:
        low, high = max(start, -(shift // stride)), min(stop, (size - 1 - shift) // stride + 1)
        if low < high:
            source = slice(low * stride + shift, (high - 1) * stride + shift + 1, stride)
            found.append((slice(low - start, high - start), source))
        else:
            found.append((slice(0, 0), slice(0, 0)))
    return found


def convolve(
    x: Array,
    weight: Array,
    *,
    stride: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: int,
    xp: Namespace,
    bias: Array | None = None,
) -> Array:
    """Correlate (N, C, *spatial) with a kernel bank (O, C/groups, *kernel) to (N, O, *out).

    Formula: z[n, o, p] = sum over c, k of x[n, c, p stride + k dilation - pad] w[o, c, k], plus bias[o].

    Args:
        x, weight: as above.
        stride, pads, dilation, groups: the geometry, per spatial axis.
        xp: the array module of x and weight.
        bias: (O,), added while a strip is still in the cache.

    Raises:
        ShapeError: the (padded) input is smaller than the kernel.
    """
    kernel, spatial = weight.shape[2:], x.shape[2:]
    out = _output_sizes(spatial, kernel, stride, pads, dilation)
    n, outs, inner = x.shape[0], weight.shape[0], weight.shape[1]
    z = buffers.empty((n, outs, *out), x.dtype, xp)
    if z.size == 0:
        return z
    meets = Windows(spatial, out, kernel, stride, pads, dilation)
    if inner == 1:
        _depthwise(x, weight, z, groups, meets)
        return z if bias is None else _add_bias(z, bias)
    taps = math.prod(kernel)
    matrix = weight.reshape(groups, outs // groups, inner * taps)
    direct = taps == 1 and out == spatial and not any(map(any, pads))
    grouped = x.reshape(n, groups, inner, *spatial)
    result = z.reshape(n, groups, outs // groups, -1)
    shift = None if bias is None else bias.reshape(groups, outs // groups, 1)
    row, pieces = math.prod(out[1:]), _pieces(inner, taps, x.dtype, xp)

    def work(strips: Iterator[tuple[slice, slice]]) -> None:
        rooms: dict[tuple[int, ...], Array] = {}
        for rows, samples in strips:
            target = result[samples, :, :, rows.start * row : rows.stop * row]
            for channels in pieces:
                unrolled = grouped[samples, :, channels]
                if direct:
                    unrolled = unrolled[:, :, :, rows]
                else:
                    shape = (*unrolled.shape[:3], taps, rows.stop - rows.start, *out[1:])
                    if shape not in rooms:
                        rooms[shape] = buffers.empty(shape, x.dtype, xp)
                        _clear(rooms[shape], meets, rows)
                    _gather(unrolled, meets, rows, rooms[shape])
                    unrolled = rooms[shape]
                terms = slice(channels.start * taps, channels.stop * taps)
                unrolled = unrolled.reshape(*unrolled.shape[:2], terms.stop - terms.start, target.shape[3])
                if channels.start == 0:
                    matmul_into(matrix[:, :, terms], unrolled, target, xp)
                    continue
                if target.shape not in rooms:
                    rooms[target.shape] = buffers.empty(target.shape, x.dtype, xp)
                matmul_into(matrix[:, :, terms], unrolled, rooms[target.shape], xp)
                target += rooms[target.shape]
            if shift is not None:
                target += shift

    numbers = groups * pieces[0].stop * taps + (2 * outs if len(pieces) > 1 else 0)
    threads.each(_strips(n, out, numbers, x.dtype.itemsize, xp, members=threads.members()), work)
    return z


def _pieces(inner: int, taps: int, dtype: Any, xp: Namespace) -> list[slice]:
    """Return the channels whose windows are unrolled and multiplied together, all of them except for floats of NumPy.

    The windows of a few channels stay in the cache, and sums of a few products have smaller rounding errors: those of
    n random terms grow with √n.
    """
    most = max(1, SUMMANDS // taps) if xp.__name__ == "numpy" and dtype.kind == "f" else inner
    if inner <= most:
        return [slice(0, inner)]
    size = -(-inner // -(-inner // most))
    return [slice(first, min(first + size, inner)) for first in range(0, inner, size)]


def _gather(x: Array, meets: Windows, rows: slice, columns: Array) -> None:
    """Write the windows of the output ``rows`` into ``columns`` (N, groups, C/groups, taps, *strip).

    What lies in the padding stays 0 there: other strips of the same size write the same columns; only rows differ.
    """
    for k, (out, source) in enumerate(meets.taps(rows)):
        column = columns[:, :, :, k]
        column[(..., *out)] = x[(..., *source)]
        column[(slice(None),) * 3 + (slice(0, out[0].start),)] = 0
        column[(slice(None),) * 3 + (slice(out[0].stop, None),)] = 0


def _clear(columns: Array, meets: Windows, rows: slice) -> None:
    """Write 0 where taps lie in the padding of any axis but the first, which is so in all rows alike."""
    for k, (out, _) in enumerate(meets.taps(rows)):
        column = columns[:, :, :, k]
        for axis, inside in enumerate(out[1:], start=4):
            before = (slice(None),) * axis
            column[(*before, slice(0, inside.start))] = 0
            column[(*before, slice(inside.stop, None))] = 0


def matmul_into(a: Array, b: Array, out: Array, xp: Namespace) -> None:
    """Write the matrix product into ``out`` (a view with contiguous rows), if possible without a temporary."""
    if xp.__name__ == "numpy":
        xp.matmul(a, b, out=out)
    else:
        out[...] = xp.matmul(a, b)


def _add_bias(z: Array, bias: Array) -> Array:
    z += bias.reshape((-1,) + (1,) * (z.ndim - 2))
    return z


def convolve_adjoint(
    g: Array,
    weight: Array,
    *,
    spatial: Sequence[int],
    stride: Sequence[int],
    pads: Pads,
    dilation: Sequence[int],
    groups: int,
    xp: Namespace,
) -> Array:
    """Apply the transpose of :func:`convolve`: (N, O, *out) to (N, C, *spatial).

    Formula: y[n, c, q] = sum over o, p, k with q = p stride + k dilation - pad of g[n, o, p] w[o, c, k].
    """
    kernel, inner = weight.shape[2:], weight.shape[1]
    n, outs, out = g.shape[0], weight.shape[0], g.shape[2:]
    reach = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    if _flips(weight, stride, groups, n * math.prod(out)):
        flipped = xp.moveaxis(weight.reshape(groups, outs // groups, *weight.shape[1:]), 1, 2)
        flipped = flipped[(..., *(slice(None, None, -1),) * len(kernel))].reshape(-1, outs // groups, *kernel)
        around = tuple((r - a, n - m + a) for r, (a, _), n, m in zip(reach, pads, spatial, out, strict=True))
        return convolve(g, flipped, stride=stride, pads=around, dilation=dilation, groups=groups, xp=xp)
    y = buffers.zeros((n, groups * inner, *spatial), g.dtype, xp)
    meets = Windows(spatial, out, kernel, stride, pads, dilation)
    if g.size and inner == 1:
        _depthwise_adjoint(g, weight, y, groups, meets, xp)
    elif g.size:
        _scatter(g, weight, y.reshape(n, groups, inner, *spatial), groups, meets, xp)
    return y


def _flips(weight: Array, stride: Sequence[int], groups: int, positions: int) -> bool:
    """Whether the adjoint is cheaper as a convolution with the flipped kernel; only a stride of 1 allows it.

    Gathering the windows of g costs one write per tap and output channel, scattering back one read and one write per
    tap and input channel; flipping costs one strided copy of the weights.
    """
    outs, inner = weight.shape[0] // groups, weight.shape[1]
    return all(s == 1 for s in stride) and 1 < outs <= inner and positions >= 4 * outs


def _scatter(g: Array, weight: Array, y: Array, groups: int, meets: Windows, xp: Namespace) -> None:
    """Add the unrolled products W^T g of each strip to its windows of y (N, groups, C/groups, *spatial)."""
    kernel, inner = weight.shape[2:], weight.shape[1]
    n, outs, out, taps = g.shape[0], weight.shape[0], g.shape[2:], math.prod(kernel)
    matrix = xp.moveaxis(weight.reshape(groups, outs // groups, inner * taps), 1, 2)
    source = g.reshape(n, groups, outs // groups, -1)
    row = math.prod(out[1:])

    def work(parts: Iterator[slice]) -> None:
        for channels in parts:  # nobody else adds to them
            many = channels.stop - channels.start
            rows_of = matrix[:, channels.start * taps : channels.stop * taps]
            columns = None
            for rows, samples in _strips(n, out, groups * many * taps, g.dtype.itemsize, xp, members=1):
                part = source[samples, :, :, rows.start * row : rows.stop * row]
                shape = (part.shape[0], groups, many * taps, part.shape[3])
                if columns is None or columns.shape != shape:
                    columns = buffers.empty(shape, g.dtype, xp)
                matmul_into(rows_of, part, columns, xp)
                unrolled = columns.reshape(part.shape[0], groups, many, taps, rows.stop - rows.start, *out[1:])
                block = y[samples, :, channels]
                for k, (there, here) in enumerate(meets.taps(rows)):
                    block[(..., *here)] += unrolled[(slice(None),) * 3 + (k, *there)]

    threads.each(_portions(inner), work)


def _output_sizes(
    spatial: Sequence[int], kernel: Sequence[int], stride: Sequence[int], pads: Pads, dilation: Sequence[int]
) -> tuple[int, ...]:
    out = tuple(map(output_size, spatial, kernel, stride, pads, dilation))
    if 0 in out and 0 not in spatial:
        raise ShapeError(
            f"input of spatial size {tuple(spatial)} with padding {pads} is smaller than the kernel {tuple(kernel)} "
            f"with dilation {tuple(dilation)}"
        )
    return out


def _strips(
    n: int, out: Sequence[int], unrolled: int, itemsize: int, xp: Namespace, *, members: int
) -> list[tuple[slice, slice]]:
    """Return (output rows, samples) so that the unrolled windows of one strip stay small, and all have some to do."""
    budget = STRIP_BYTES if xp.__name__ == "numpy" else DEVICE_STRIP_BYTES
    most = max(1, budget // max(unrolled * math.prod(out) * itemsize, 1))  # samples
    samples = _evenly(n, most, members if n >= members else 1)
    fit = max(1, budget // max(unrolled * math.prod(out[1:]) * itemsize, 1))  # rows
    rows = _evenly(out[0], fit, 1 if n >= members else members)
    return [
        (slice(top, min(top + rows, out[0])), slice(first, min(first + samples, n)))
        for first in range(0, n, samples)
        for top in range(0, out[0], rows)
    ]


def _evenly(total: int, most: int, members: int) -> int:
    """Return the size of pieces of ``total``: at most ``most``, and equally many for all members."""
    pieces = -(-total // most)
    return -(-total // (-(-pieces // members) * members))


def product(a: Array, b: Array, xp: Namespace) -> Array:
    """Return the product of (..., in) and a matrix (in, out); several threads share the columns of a large one."""
    if threads.members() == 1 or xp.__name__ != "numpy" or b.nbytes < SHARED_BYTES:
        return xp.matmul(a, b)
    z = xp.empty((*a.shape[:-1], b.shape[1]), dtype=a.dtype)

    def work(parts: Iterator[slice]) -> None:
        for part in parts:
            matmul_into(a, b[:, part], z[..., part], xp)

    threads.each(_portions(b.shape[1]), work)
    return z


def _portions(total: int) -> list[slice]:
    """Return one piece of ``total`` for each thread."""
    share = max(1, -(-total // threads.members()))
    return [slice(first, min(first + share, total)) for first in range(0, total, share)]


def _depthwise(x: Array, weight: Array, z: Array, groups: int, meets: Windows) -> None:
    """One input channel per group: a weighted sum of shifted views, no matrix product."""
    n, out = z.shape[0], z.shape[2:]
    many = weight.shape[0] // groups
    result = z.reshape(n, groups, many, *out)
    result[...] = 0
    factors = weight.reshape(groups, many, -1)
    ones = (1,) * len(out)
    for k, (here, there) in enumerate(meets.taps(slice(0, out[0]))):
        view = x[(slice(None), slice(None), None, *there)]
        result[(..., *here)] += view * factors[:, :, k].reshape(groups, many, *ones)


def _depthwise_adjoint(g: Array, weight: Array, y: Array, groups: int, meets: Windows, xp: Namespace) -> None:
    n, out = g.shape[0], g.shape[2:]
    many = weight.shape[0] // groups
    source = g.reshape(n, groups, many, *out)
    factors = weight.reshape(groups, many, -1)
    ones = (1,) * len(out)
    for k, (here, there) in enumerate(meets.taps(slice(0, out[0]))):
        part = source[(..., *here)] * factors[:, :, k].reshape(groups, many, *ones)
        y[(slice(None), slice(None), *there)] += xp.sum(part, axis=2)
