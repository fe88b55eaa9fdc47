"""What a convolution takes beside its result: one strip of unrolled windows that fills the budget, and no more."""

from __future__ import annotations

import gc
import math
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lrp_ref.fast import convolution as kernels


class Recorder:
    """An array module that is NumPy and notes how many bytes it is asked for, results of matmul included."""

    def __init__(self, name: str = "numpy") -> None:
        self.asked: list[int] = []
        self.module = SimpleNamespace(**{**vars(np), "__name__": name, "empty": self.empty, "matmul": self.matmul})

    def empty(self, shape: Any, dtype: Any) -> Any:
        self.asked.append(math.prod(shape) * np.dtype(dtype).itemsize)
        return np.empty(shape, dtype)

    def matmul(self, a: Any, b: Any, out: Any = None) -> Any:
        if out is None:
            self.asked.append(
                math.prod(np.broadcast_shapes(a.shape[:-2], b.shape[:-2])) * a.shape[-2] * b.shape[-1] * 8
            )
        return np.matmul(a, b, out=out)


class Shapes(Recorder):
    """The same without numbers: every element of an array is one place in memory, so that size costs nothing."""

    def empty(self, shape: Any, dtype: Any) -> Any:
        self.asked.append(math.prod(shape) * np.dtype(dtype).itemsize)
        return hollow(*shape)

    def matmul(self, a: Any, b: Any) -> Any:
        return hollow(*a.shape[:-1], b.shape[-1])


def hollow(*shape: int) -> Any:
    return np.lib.stride_tricks.as_strided(np.zeros(1), shape, (0,) * len(shape))


def asked(
    images: tuple[int, ...],
    bank: tuple[int, ...],
    recorder: type[Recorder] = Recorder,
    name: str = "numpy",
    groups: int = 1,
) -> tuple[list[int], list[int]]:
    """Return what a convolution asks for beside its result, and what its transpose does."""
    axes, found = len(images) - 2, []
    lies = kernels.Geometry((1,) * axes, ((0, 0),) * axes, (1,) * axes, groups)
    make = hollow if recorder is Shapes else lambda *shape: np.ones(shape)
    out = tuple(n - k + 1 for n, k in zip(images[2:], bank[2:], strict=True))
    for size, work in (
        (images[0] * bank[0] * math.prod(out), lambda xp: kernels.convolve(make(*images), make(*bank), lies, xp)),
        (math.prod(images), lambda xp: kernels.convolve_adjoint(
            make(images[0], bank[0], *out), make(*bank), lies, images[2:], xp)),
    ):  # fmt: skip
        record = recorder(name)
        work(record.module)
        if size * 8 in record.asked:
            record.asked.remove(size * 8)
        found.append(record.asked)
    return found[0], found[1]


# name, images, kernel bank (more outputs than inputs: the transpose unrolls the inputs too), groups, bytes of one row
# of windows (or of all windows of a sample, where several fit)
STRIPS = [
    ("rows", (1, 3, 60, 18), (4, 3, 3, 3), 1, 3 * 9 * 16 * 8),
    ("rows of groups", (1, 15, 60, 18), (18, 5, 3, 3), 3, 15 * 9 * 16 * 8),
    ("rows of samples", (3, 2, 50, 18), (3, 2, 3, 3), 1, 2 * 9 * 16 * 8),
    ("samples", (80, 2, 5, 6), (3, 2, 2, 2), 1, 2 * 4 * 4 * 5 * 8),
    ("rows of little", (1, 3, 60, 5), (4, 3, 3, 3), 1, 3 * 9 * 3 * 8),
    ("lines", (3, 4, 90), (6, 2, 3), 2, 4 * 3 * 8),
]  # fmt: skip
strips = pytest.mark.parametrize(
    ("images", "bank", "groups", "step"), [s[1:] for s in STRIPS], ids=[s[0] for s in STRIPS]
)


@strips
@pytest.mark.parametrize("whole", [1, 2, 7])
def test_a_strip_fills_its_budget(
    images: tuple[int, ...], bank: tuple[int, ...], groups: int, step: int, whole: int, monkeypatch: Any
) -> None:
    """As many rows or samples as fit: neither more than the budget, nor less than it by a whole row or sample."""
    monkeypatch.setattr(kernels, "DEVICE_STRIP_BYTES", 1)
    for budget in (whole * step, (whole + 1) * step - 1):
        monkeypatch.setattr(kernels, "STRIP_BYTES", budget)
        for buffers in asked(images, bank, groups=groups):
            assert max(buffers) == whole * step
            if images[0] == 1:
                assert sum(buffers) < 2 * max(buffers), "one buffer for all strips, and one for the rest"


@pytest.mark.parametrize("bytes_", [1, 0])
def test_a_strip_is_at_least_a_row(bytes_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "STRIP_BYTES", bytes_)
    forward, back = asked((3, 4, 5, 6), (5, 4, 3, 3))
    assert forward == [4 * 9 * 4 * 8, 4 * 3 * 6 * 8], "for every row of every sample the same: windows, what they read"
    assert back == [4 * 9 * 4 * 8]
    forward, back = asked((3, 4, 1, 6), (5, 4, 1, 3))
    assert forward == [4 * 3 * 4 * 8, 4 * 6 * 8]
    assert back == [4 * 3 * 4 * 8]


def test_few_and_small_windows_are_one_strip() -> None:
    forward, back = asked((3, 4, 5, 6), (5, 4, 3, 3))
    assert forward == [3 * 4 * 9 * 3 * 4 * 8, 3 * 4 * 5 * 6 * 8]
    assert back == [3 * 4 * 9 * 3 * 4 * 8]


def test_a_strip_stays_in_the_cache() -> None:
    """4 MiB on a CPU, 256 MiB on a GPU, where a launch costs more than memory; all strips have about as many rows."""
    for rows, most in ((64, 64), (65, 33), (73, 37), (128, 64), (129, 43)):
        for buffers in asked((1, 16, rows + 1, 129), (17, 16, 2, 2)):  # a row of windows is 64 KiB
            assert max(buffers) == most << 16
    for rows, most in ((256, 256), (257, 129)):
        for buffers in asked((1, 32, rows + 1, 1025), (33, 32, 2, 2), Shapes, "device"):  # 1 MiB
            assert max(buffers) == most << 20


# What needs no unrolled windows -----------------------------------------------------------------------------------


def test_a_pointwise_convolution_is_a_matrix_product_in_place() -> None:
    forward, _ = asked((2, 8, 6, 6), (4, 8, 1, 1))
    assert forward == []


@pytest.mark.parametrize(("outs", "inner", "fewer"), [(2, 8, 2), (3, 3, 3), (8, 2, 2), (1, 8, 1), (1, 1, 1), (4, 7, 4)])
def test_the_transpose_unrolls_the_side_with_fewer_channels(outs: int, inner: int, fewer: int) -> None:
    _, back = asked((2, inner, 8, 8), (outs, inner, 3, 3))
    assert len(back) == (2 if outs <= inner else 1)
    assert sum(back[1:]) in {0, 2 * fewer * 10 * 10 * 8}, "the positions that windows over the output read"
    assert back[0] in {2 * fewer * 9 * 6 * 6 * 8, 2 * fewer * 9 * 8 * 8 * 8}, (
        "windows over the output, or over the input"
    )
    _, back = asked((2, 3 * inner, 8, 8), (3 * outs, inner, 3, 3), groups=3)
    assert back[0] in {6 * fewer * 9 * 6 * 6 * 8, 6 * fewer * 9 * 8 * 8 * 8}


def test_positions_of_all_samples_count() -> None:
    _, back = asked((16, 32, 8, 8), (16, 32, 3, 3))
    assert back == [16 * 16 * 9 * 8 * 8 * 8, 16 * 16 * 10 * 10 * 8]


def beside(work: Callable[[], Any]) -> float:
    """Return how much memory ``work`` holds at most beside its result, in units of its result."""
    work()
    gc.collect()
    tracemalloc.start()
    try:
        result = work()
        return tracemalloc.get_traced_memory()[1] / int(result.nbytes) - 1
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("outs", [1, 2, 3])
@pytest.mark.parametrize("inner", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 4])
def test_the_blas_gets_weights_that_run_forwards(
    outs: int, inner: int, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flipped kernel with one channel per group would be a view with steps backwards, of which NumPy makes a loop."""
    weights: list[np.ndarray] = []
    original = kernels.matmul_into
    monkeypatch.setattr(kernels, "matmul_into", lambda a, *rest: (weights.append(a), original(a, *rest)))
    weight = np.arange(groups * outs * inner * 6.0).reshape(groups * outs, inner, 2, 3)
    lies = kernels.Geometry((1, 1), ((0, 0),) * 2, (1, 1), groups)
    y = kernels.convolve_adjoint(np.ones((2, groups * outs, 6, 6)), weight, lies, (7, 8), np)
    assert y[1, :, 3, 4].tolist() == weight.reshape(groups, outs, inner, 6).sum(axis=(1, 3)).reshape(-1).tolist()
    assert all(step > 0 for a in weights for step in a.strides)


def test_a_product_over_one_channel_is_the_outer_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy's matmul makes a slow loop of it."""
    monkeypatch.setattr(np, "matmul", None)
    out = np.empty((2, 1, 3, 2))
    kernels.matmul_into(np.array([[[2.0], [3.0], [5.0]]]), np.array([[[[7.0, 11.0]]], [[[0.0, 1.0]]]]), out, np)
    assert out.tolist() == [[[[14, 22], [21, 33], [35, 55]]], [[[0, 2], [0, 3], [0, 5]]]]


def test_weights_are_not_copied_for_few_positions() -> None:
    """Turning the kernel round copies it, which is worth it only where it meets many windows."""
    weight, g = np.ones((64, 64, 3, 3)), np.ones((1, 64, 1, 1))
    lies = kernels.Geometry((1, 1), ((0, 0),) * 2, (1, 1))
    work = lambda: kernels.convolve_adjoint(g, weight, lies, (3, 3), np)  # noqa: E731
    assert beside(work) * 64 * 9 * 8 < weight.nbytes / 4


# How strips and pieces are cut -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "most", "members", "size"),
    [(12, 12, 1, 12), (12, 11, 1, 6), (12, 4, 1, 4), (13, 4, 1, 4), (13, 12, 1, 7), (12, 12, 2, 6), (12, 4, 2, 3),
     (12, 12, 3, 4), (13, 5, 3, 5), (2, 9, 3, 1), (1, 1, 1, 1), (1, 1, 4, 1)],
)  # fmt: skip
def test_pieces_are_about_as_large_and_there_is_one_for_everybody(
    total: int, most: int, members: int, size: int
) -> None:
    assert kernels._evenly(total, most, members) == size


def cut(n: int, out: tuple[int, ...], numbers: int, members: int) -> list[tuple[int, int, int, int]]:
    strips = kernels._strips(n, out, numbers, 8, np, members=members)
    return [(samples.start, samples.stop, rows.start, rows.stop) for rows, samples in strips]


def test_threads_take_samples_or_the_rows_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "STRIP_BYTES", 8 * 24)  # 24 numbers: with two for a position, 12 positions
    assert cut(1, (4, 3), 2, 1) == [(0, 1, 0, 4)]
    assert cut(1, (4, 3), 2, 2) == [(0, 1, 0, 2), (0, 1, 2, 4)]
    assert cut(1, (5, 3), 2, 1) == [(0, 1, 0, 3), (0, 1, 3, 5)]
    assert cut(2, (2, 3), 2, 1) == [(0, 2, 0, 2)]
    assert cut(2, (2, 3), 2, 2) == [(0, 1, 0, 2), (1, 2, 0, 2)]
    assert cut(2, (2, 3), 2, 3) == [(0, 2, 0, 1), (0, 2, 1, 2)]
    assert cut(3, (2, 3), 2, 2) == [(0, 2, 0, 2), (2, 3, 0, 2)]
    assert cut(2, (8, 3), 2, 2) == [(0, 1, 0, 4), (0, 1, 4, 8), (1, 2, 0, 4), (1, 2, 4, 8)]
    assert cut(4, (2, 3), 1, 3) == [(0, 2, 0, 2), (2, 4, 0, 2)]
    assert cut(1, (2, 1), 12, 1) == [(0, 1, 0, 2)]
    assert cut(1, (2, 1), 13, 1) == [(0, 1, 0, 1), (0, 1, 1, 2)]
    monkeypatch.setattr(kernels, "STRIP_BYTES", 1)
    assert kernels._strips(3, (2, 1), 1, 1, np, members=1) == [
        (slice(row, row + 1), slice(k, k + 1)) for k in range(3) for row in range(2)
    ]
    monkeypatch.setattr(kernels, "STRIP_BYTES", 5)
    assert kernels._strips(7, (1, 1), 1, 1, np, members=1) == [(slice(0, 1), slice(0, 4)), (slice(0, 1), slice(4, 7))]
    assert kernels._strips(1, (7, 1), 1, 1, np, members=1) == [(slice(0, 4), slice(0, 1)), (slice(4, 7), slice(0, 1))]


@pytest.mark.parametrize(
    ("inner", "taps", "parts"),
    [(0, 9, [0]), (1, 9, [1]), (2, 9, [2]), (3, 9, [2, 1]), (4, 9, [2, 2]), (5, 9, [2, 2, 1]), (18, 1, [18]),
     (19, 1, [10, 9]), (36, 1, [18, 18]), (40, 1, [14, 14, 12]), (3, 18, [1, 1, 1]), (3, 19, [1, 1, 1]),
     (2, 49, [1, 1])],
)  # fmt: skip
def test_channels_whose_products_are_added_up_at_once(inner: int, taps: int, parts: list[int]) -> None:
    pieces = kernels._pieces(inner, taps, 18, np.dtype(float), np)
    assert [p.stop - p.start for p in pieces] == parts
    assert [p.start for p in pieces] == [sum(parts[:k]) for k in range(len(parts))]
    for dtype, xp in ((np.dtype(object), np), (np.dtype(float), SimpleNamespace(__name__="device"))):
        assert kernels._pieces(inner, taps, 18, dtype, xp) == [slice(0, inner)]


def test_96_products_are_added_up_at_once() -> None:
    for inner, taps, pieces in ((10, 9, 1), (11, 9, 2), (96, 1, 1), (97, 1, 2)):
        assert len(kernels._pieces(inner, taps, kernels.SUMMANDS, np.dtype("float32"), np)) == pieces


def test_sums_on_the_way_back_are_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """288 products at once where a convolution with the flipped kernel is the way back; 96 on the way forward."""
    asked: list[int] = []
    pieces = kernels._pieces
    monkeypatch.setattr(kernels, "_pieces", lambda *args: asked.append(args[2]) or pieces(*args))
    geometry = kernels.Geometry((1, 1), ((1, 1),) * 2, (1, 1))
    x, weight = np.ones((1, 4, 8, 8)), np.ones((4, 4, 3, 3))
    z = kernels.convolve(x, weight, geometry, np)
    assert z[0, :, 1:-1, 1:-1].min() == z.max() == 36
    assert asked == [96]
    found = kernels.convolve_adjoint(z, weight, geometry, (8, 8), np)
    assert found[0, 0, 4, 4] == 36 * 36
    assert asked == [96, 288]


@pytest.mark.parametrize(("summands", "numbers"), [(1000, 2 * 7 * 9), (27, 2 * 3 * 9 + 2 * 4), (36, 2 * 4 * 9 + 2 * 4)])
def test_what_a_position_of_a_strip_takes(summands: int, numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The windows of one piece, and of several pieces the sum and its next part too."""
    monkeypatch.setattr(kernels, "SUMMANDS", summands)
    asked_for, strips = [], kernels._strips
    monkeypatch.setattr(kernels, "_strips", lambda *a, **k: asked_for.append(a[2]) or strips(*a, **k))
    x, weight = np.ones((1, 14, 4, 4)), np.ones((4, 7, 3, 3))
    geometry = kernels.Geometry((1, 1), ((0, 0),) * 2, (1, 1), groups=2)
    assert (kernels.convolve(x, weight, geometry, np) == 63).all()
    assert asked_for == [numbers]
