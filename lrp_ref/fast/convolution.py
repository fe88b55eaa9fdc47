"""The few heavy primitives, written once for every array module: convolution and its adjoint.

Nothing loops over pixels or units: the loops run over pieces of the channels and strips of the output that keep the
unrolled windows small, so memory grows with the activations and not with windows x activations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..base.arrays import Array, Namespace
from ..errors import ShapeError
from . import buffers, threads
from .own import kernels
from .windows import Columns, Pads, Windows, output_size

STRIP_BYTES = 4 << 20  # unrolled windows of one strip on the CPU: they should stay in the cache
SUMMANDS = 96  # of one product on the CPU: rounding errors no larger than those of other libraries
BACK_SUMMANDS = 288  # of one by the flipped kernel: nothing is divided by sums of relevance, so their errors count once
DIVIDED_BYTES = 1 << 20  # matrices from this size on are multiplied by several threads
DIVIDED_PRODUCTS = 32 << 20  # multiplications from which on smaller ones are too: some 0.3 ms, and a piece costs 0.1
WINDOW_PRODUCTS = 8 << 20  # of a convolution, from which on threads divide it: some 0.2 ms
DEVICE_STRIP_BYTES = 256 << 20  # on a GPU: few launches count more


@dataclass(frozen=True)
class Geometry:
    """How the windows of a convolution lie on its input: per spatial axis, and how many groups its channels are."""

    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int = 1

    def output(self, spatial: Sequence[int], kernel: Sequence[int]) -> tuple[int, ...]:
        """Return the number of windows per axis.

        Raises:
            ShapeError: the (padded) input is smaller than the kernel.
        """
        out = tuple(map(output_size, spatial, kernel, self.stride, self.pads, self.dilation))
        if 0 in out and 0 not in spatial:
            raise ShapeError(
                f"input of spatial size {tuple(spatial)} with padding {self.pads} is smaller than the kernel "
                f"{tuple(kernel)} with dilation {self.dilation}"
            )
        return out

    def windows(self, spatial: Sequence[int], out: Sequence[int], kernel: Sequence[int]) -> Windows:
        """Return where the taps of a kernel meet an input."""
        return Windows(spatial, out, kernel, self.stride, self.pads, self.dilation)


@dataclass(frozen=True, eq=False)
class Ending:
    """What is done to a part of a result while it is still in the cache.

    Attributes:
        bias: (O,), added first.
        finish: called on every part of the result, once; it may write into it.
    """

    bias: Array | None = None
    finish: Callable[[Array], object] | None = None

    def __call__(self, z: Array, *grouped: int) -> None:
        """End a part (N, O, ...), or one whose channels are divided into ``grouped`` axes."""
        if self.bias is not None:
            bias = self.bias.reshape(grouped or self.bias.shape)
            z += bias.reshape(bias.shape + (1,) * (z.ndim - 1 - bias.ndim))
        if self.finish is not None:
            self.finish(z)


def convolve(
    x: Array, weight: Array, geometry: Geometry, xp: Namespace, ending: Ending = Ending(), summands: int | None = None
) -> Array:
    """Correlate (N, C, *spatial) with a kernel bank (O, C/groups, *kernel) to (N, O, *out).

    Formula: z[n, o, p] = sum over c, k of x[n, c, p stride + k dilation - pad] w[o, c, k], plus bias[o].

    Args:
        x, weight: as above.
        geometry: of the windows.
        xp: the array module of x and weight.
        ending: the bias, and what finishes each part of the result.
        summands: of one product on the CPU; None for ``SUMMANDS``.

    Raises:
        ShapeError: the (padded) input is smaller than the kernel.
    """
    own = kernels(xp)
    if own is not None and (whole := own.convolve(x, weight, geometry)) is not None:
        ending(whole)
        return whole
    kernel, spatial, groups = weight.shape[2:], x.shape[2:], geometry.groups
    out = geometry.output(spatial, kernel)
    n, outs, inner = x.shape[0], weight.shape[0], weight.shape[1]
    z = buffers.empty((n, outs, *out), x.dtype, xp)
    if z.size == 0:
        return z
    taps = math.prod(kernel)
    bank = _Bank(weight.reshape(groups, outs // groups, inner * taps), geometry.windows(spatial, out, kernel), xp)
    grouped = x.reshape(n, groups, inner, *spatial)
    pieces = _pieces(inner, taps, summands or SUMMANDS, x.dtype, xp)
    numbers = groups * pieces[0].stop * taps + (2 * outs if len(pieces) > 1 else 0)
    parts = _parts(pieces, numbers * math.prod(out) * x.dtype.itemsize)
    many = _members(weight.size * n * math.prod(out))
    sums = [z, *(buffers.empty(z.shape, z.dtype, xp) for _ in parts[1:])]
    strips = _strips(n, out, numbers, x.dtype.itemsize, xp, members=-(-many // len(parts)))
    row = math.prod(out[1:])

    def work(tasks: Iterator[tuple[int, tuple[slice, slice]]]) -> None:
        rooms: dict[Any, Any] = {}
        for k, (rows, samples) in tasks:
            target = sums[k].reshape(n, groups, outs // groups, -1)[samples, :, :, rows.start * row : rows.stop * row]
            strip = target  # added up where its rows lie side by side: in the midst of z that takes 10 % longer
            if len(parts[k]) > 1 and rows.stop - rows.start < out[0]:
                strip = _room(rooms, "strip", target.shape, x.dtype, xp)
            bank.correlate(grouped[samples], parts[k], rows, strip, rooms)
            if len(parts) == 1:
                ending(strip, groups, outs // groups)
            if strip is not target:
                target[...] = strip

    tasks = [(k, strip) for k in range(len(parts)) for strip in strips]
    threads.each(tasks, work) if many > 1 else work(iter(tasks))
    if len(parts) > 1:
        z += sums[1]
        ending(z)
    return z


@dataclass(frozen=True, eq=False)
class _Bank:
    """Weights, and where they meet the input.

    Attributes:
        matrix: the weights (groups, O/groups, C/groups·taps).
        meets: the windows.
        xp: the array module.
    """

    matrix: Array
    meets: Windows
    xp: Namespace

    def correlate(self, x: Array, pieces: list[slice], rows: slice, target: Array, rooms: dict[Any, Any]) -> None:
        """Write the products of a strip's windows into ``target`` (N, groups, O/groups, positions), summed over pieces.

        Args:
            x: (N, groups, C/groups, *spatial).
            pieces: of the channels.
            rows: of the output that are the strip.
            target: as above.
            rooms: work memory of the calling thread, by purpose and shape.
        """
        meets, xp = self.meets, self.xp
        taps = math.prod(meets.kernel)
        strip = None
        if not (meets.pointwise and meets.out == meets.spatial):
            shape = (*x.shape[:2], pieces[0].stop - pieces[0].start)  # the first piece is the largest
            key = (shape, rows.stop - rows.start)
            if key not in rooms:
                rooms[key] = Columns(meets, shape, key[1], x.dtype, xp)
            strip = rooms[key]
            strip.begin(rows)
        for channels in pieces:
            piece = x[:, :, channels]
            columns = strip.of(piece) if strip else piece[:, :, :, rows].reshape(*piece.shape[:3], target.shape[3])
            weights = self.matrix[:, :, channels.start * taps : channels.stop * taps]
            if channels is pieces[0]:
                matmul_into(weights, columns, target, xp)
                continue
            part = _room(rooms, "part", target.shape, x.dtype, xp)
            matmul_into(weights, columns, part, xp)
            target += part


def _members(products: int) -> int:
    """Return how many threads divide a convolution of so many multiplications: one, unless it is worth waking them."""
    return threads.members() if products >= WINDOW_PRODUCTS else 1


def _room(rooms: dict[Any, Any], purpose: str, shape: tuple[int, ...], dtype: Any, xp: Namespace) -> Array:
    """Return work memory of this shape, the same at every call."""
    if (purpose, shape) not in rooms:
        rooms[purpose, shape] = buffers.empty(shape, dtype, xp)
    return rooms[purpose, shape]


def _parts(pieces: list[slice], size: int) -> list[list[slice]]:
    """Return the pieces that are added up apart from the others: two halves where a sample's map is one strip.

    Threads that divide it by rows would have narrow matrices each; and sums of fewer have smaller rounding errors.
    """
    half = -(-len(pieces) // 2)
    return [pieces[:half], pieces[half:]] if len(pieces) > 1 and size <= STRIP_BYTES else [pieces]


def _pieces(inner: int, taps: int, summands: int, dtype: Any, xp: Namespace) -> list[slice]:
    """Return the channels whose windows are unrolled and multiplied together, all of them except for floats of NumPy.

    The windows of a few channels stay in the cache, and sums of a few products have smaller rounding errors: those of
    n random terms grow with √n.
    """
    most = max(1, summands // taps) if xp.__name__ == "numpy" and dtype.kind == "f" else inner
    if inner <= most:
        return [slice(0, inner)]
    size = -(-inner // -(-inner // most))
    return [slice(first, min(first + size, inner)) for first in range(0, inner, size)]


def matmul_into(a: Array, b: Array, out: Array, xp: Namespace) -> None:
    """Write the matrix product into ``out`` (a view with contiguous rows), if possible without a temporary."""
    if a.shape[-1] == 1:  # NumPy hands no such product to the BLAS
        xp.multiply(a, b, out=out)
    elif xp.__name__ == "numpy":
        xp.matmul(a, b, out=out)
    else:
        out[...] = xp.matmul(a, b)


def convolve_adjoint(g: Array, weight: Array, geometry: Geometry, spatial: Sequence[int], xp: Namespace) -> Array:
    """Apply the transpose of :func:`convolve`: (N, O, *out) to (N, C, *spatial).

    Formula: y[n, c, q] = sum over o, p, k with q = p stride + k dilation - pad of g[n, o, p] w[o, c, k].

    Products are summed ``BACK_SUMMANDS`` at a time, in the forward pass of a transposed convolution too.
    """
    own = kernels(xp)
    if own is not None and (whole := own.convolve_adjoint(g, weight, geometry, spatial)) is not None:
        return whole
    kernel, inner = weight.shape[2:], weight.shape[1]
    n, outs, out, groups = g.shape[0], weight.shape[0], g.shape[2:], geometry.groups
    reach = tuple(d * (k - 1) for d, k in zip(geometry.dilation, kernel, strict=True))
    if _flips(weight, geometry.stride, groups, n * math.prod(out)):
        turned = xp.moveaxis(weight.reshape(groups, outs // groups, *weight.shape[1:]), 1, 2)
        turned = turned[(..., *(slice(None, None, -1),) * len(kernel))]
        flipped = xp.ascontiguousarray(turned)  # the BLAS takes no steps backwards
        flipped = flipped.reshape(groups * inner, outs // groups, *kernel)
        around = tuple((r - a, n - m + a) for r, (a, _), n, m in zip(reach, geometry.pads, spatial, out, strict=True))
        return convolve(g, flipped, replace(geometry, pads=around), xp, summands=BACK_SUMMANDS)
    meets = geometry.windows(spatial, out, kernel)
    if g.size and meets.pointwise and meets.out == meets.spatial:
        return _pointwise(g, weight, groups, xp)
    y = buffers.zeros((n, groups * inner, *spatial), g.dtype, xp)
    if g.size:
        _scatter(g, weight, y.reshape(n, groups, inner, *spatial), groups, meets, xp)
    return y


def _flips(weight: Array, stride: Sequence[int], groups: int, positions: int) -> bool:
    """Whether the adjoint is cheaper as a convolution with the flipped kernel; only a stride of 1 allows it.

    Gathering the windows of g costs one write per tap and output channel, scattering back one read and one write per
    tap and input channel; flipping costs one strided copy of the weights.
    """
    outs, inner = weight.shape[0] // groups, weight.shape[1]
    return all(s == 1 for s in stride) and outs <= inner and positions >= 4 * outs


def _pointwise(g: Array, weight: Array, groups: int, xp: Namespace) -> Array:
    """Return W^T g where a window is one position, and every position is a window: nothing has to be scattered."""
    n, outs, inner, positions = g.shape[0], weight.shape[0], weight.shape[1], math.prod(g.shape[2:])
    y = buffers.empty((n, groups * inner, *g.shape[2:]), g.dtype, xp)
    matrix = xp.moveaxis(weight.reshape(groups, outs // groups, inner), 1, 2)
    source, target = g.reshape(n, groups, outs // groups, positions), y.reshape(n, groups, inner, positions)

    def work(parts: Iterator[slice]) -> None:
        for channels in parts:
            matmul_into(matrix[:, channels], source, target[:, :, channels], xp)

    many = _members(weight.size * n * positions)
    threads.each(_portions(inner), work) if many > 1 else work(iter([slice(0, inner)]))
    return y


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

    many = _members(weight.size * n * math.prod(out))
    threads.each(_portions(inner), work) if many > 1 else work(iter([slice(0, inner)]))


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
    """Return the product of (..., in) and a matrix (in, out); several threads divide the columns of a large one."""
    small = b.nbytes < DIVIDED_BYTES and a.size * b.shape[1] < DIVIDED_PRODUCTS
    if threads.members() == 1 or xp.__name__ != "numpy" or small:
        return xp.matmul(a, b)
    z = xp.empty((*a.shape[:-1], b.shape[1]), dtype=a.dtype)

    def work(parts: Iterator[slice]) -> None:
        for part in parts:
            matmul_into(a, b[:, part], z[..., part], xp)

    threads.each(_portions(b.shape[1]), work)
    return z


def _portions(total: int) -> list[slice]:
    """Return one piece of ``total`` for each thread."""
    part = max(1, -(-total // threads.members()))
    return [slice(first, min(first + part, total)) for first in range(0, total, part)]
