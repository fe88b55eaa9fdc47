"""Work buffers and blocks: used again, bounded, and invisible in the numbers."""

import functools
import os
import threading
from typing import Any

import numpy as np
import pytest
from samples import BY_NAME

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.arithmetic import rational
from lrp_ref.base import arrays
from lrp_ref.fast import blocks, buffers
from lrp_ref.fast import convolution as kernels

LARGE = (3, buffers.LARGE_BYTES // 8)


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A small region of the test's own."""
    monkeypatch.setattr(buffers, "REGION_BYTES", 64 * buffers.LARGE_BYTES)
    own = buffers._Region()
    monkeypatch.setattr(buffers, "_REGION", own)
    return own


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def places(region: Any) -> list[tuple[float, float]]:
    """Free intervals in units of a large array."""
    return [(start / buffers.LARGE_BYTES, stop / buffers.LARGE_BYTES) for start, stop in region.free]


def large(count: float) -> np.ndarray:
    return buffers.empty((int(count * buffers.LARGE_BYTES / 8),), np.float64, np)


def test_a_place_is_used_again_when_its_last_view_is_gone(region: Any) -> None:
    first = buffers.empty(LARGE, np.float64, np)
    where, view = address(first), first[1:, ::2]
    del first
    assert places(region) == [(3, 64)]
    second = large(3)
    assert address(second) == where + 3 * buffers.LARGE_BYTES
    del view
    assert places(region) == [(0, 3), (6, 64)]
    assert address(large(2)) == where


def test_free_places_that_touch_are_one(region: Any) -> None:
    arrays_ = [large(1) for _ in range(6)]
    assert places(region) == [(6, 64)]
    expected = {
        1: [(1, 2), (6, 64)], 3: [(1, 2), (3, 4), (6, 64)], 2: [(1, 4), (6, 64)], 0: [(0, 4), (6, 64)],
        5: [(0, 4), (5, 64)], 4: [(0, 64)],
    }  # fmt: skip
    for k, free in expected.items():
        arrays_[k] = np.empty(0)
        assert places(region) == free


def test_the_lowest_place_that_is_large_enough_is_taken(region: Any) -> None:
    arrays_ = [large(n) for n in (2, 1, 4, 1, 56)]
    assert places(region) == []
    start = address(arrays_[0])
    arrays_[0] = arrays_[2] = np.empty(0)
    assert address(large(3)) == start + 3 * buffers.LARGE_BYTES
    assert address(large(2)) == start
    assert address(large(1.5)) == start


def test_what_does_not_fit_comes_from_the_allocator(region: Any) -> None:
    kept = large(60)
    assert large(5).flags.owndata
    assert not large(4).flags.owndata
    del kept
    assert large(65).flags.owndata
    assert not large(64).flags.owndata
    assert places(region) == [(0, 64)]


def test_what_is_in_use_is_never_handed_out_twice() -> None:
    rng = np.random.default_rng(0)
    alive: list[tuple[float, np.ndarray]] = []
    for k in range(300):
        array = buffers.empty((rng.integers(2, 5) * buffers.LARGE_BYTES // 8 + rng.integers(9),), np.float64, np)
        array[...] = k
        alive.append((k, array))
        if rng.random() < 0.7:
            alive.pop(rng.integers(len(alive)))
        assert all((a == v).all() for v, a in alive)


def test_an_array_is_an_ordinary_one() -> None:
    array = buffers.zeros(LARGE, np.float32, np)
    assert type(array) is np.ndarray
    assert array.dtype == np.float32
    assert array.shape == LARGE
    assert array.flags.writeable
    assert array.flags.c_contiguous
    assert not array.any()
    array[...] = 7
    del array
    assert not buffers.zeros(LARGE, np.float32, np).any()  # in the same place


def test_only_touched_memory_is_there() -> None:
    """A region is made with the first large array, and takes up what is written to."""
    assert buffers._Region().memory is None


def test_small_arrays_and_exact_numbers_have_memory_of_their_own() -> None:
    assert buffers.empty((buffers.LARGE_BYTES // 8 - 1,), np.float64, np).flags.owndata
    assert not buffers.empty((buffers.LARGE_BYTES // 8,), np.float64, np).flags.owndata
    assert buffers.empty((buffers.LARGE_BYTES // 8,), object, np).flags.owndata


def test_threads_share_the_buffers() -> None:
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(50):
            array = buffers.empty(LARGE, np.float64, np)
            array[...] = k
            if not (array == k).all():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_a_fork_does_not_wait_for_a_lock_of_its_parent() -> None:
    original = buffers._REGION
    os.register_at_fork(after_in_child=original.after_fork)  # as the module does for its own
    held = threading.Event()
    done = threading.Event()

    def hold() -> None:
        with original.lock:
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    pid = os.fork()
    if not pid:
        buffers.empty(LARGE, np.float64, np)
        os._exit(0)
    done.set()
    thread.join()
    assert os.waitpid(pid, 0)[1] == 0


def test_what_is_computed_stands_in_used_memory(region: Any) -> None:
    x, y = np.full(LARGE, 6.0), np.full(LARGE, 3.0)
    for other in (y, 3, 3.0, np.float64(3), np.full((LARGE[1],), 3.0)):
        found = buffers.computed(np.divide, x, other)
        assert (found.shape, found.dtype, found[0, 0], found[-1, -1]) == (LARGE, np.float64, 2, 2)
        used = not isinstance(other, np.ndarray) or other.shape == LARGE
        assert (places(region) == [(3, 64)]) == used
        del found
        assert places(region) == [(0, 64)]
    assert x[0, 0] == 6


def test_what_is_computed_has_the_type_and_shape_that_numpy_gives_it() -> None:
    x = np.ones(LARGE, dtype=np.float32)
    assert buffers.computed(np.add, x, np.ones(LARGE)).dtype == np.float64
    assert buffers.computed(np.add, x, np.float64(1)).dtype == np.float64
    assert buffers.computed(np.add, np.ones(LARGE, dtype=int), 1).dtype == int
    assert buffers.computed(np.add, x[:1], x).shape == LARGE
    exact = buffers.computed(np.add, rational([1, 2]), rational([3, 4]))
    assert exact.tolist() == [4, 6]


def test_what_is_computed_stands_where_it_is_asked_to(region: Any) -> None:
    x, place = np.full(LARGE, 6.0), np.empty(LARGE)
    assert buffers.computed(np.divide, x, 3, out=place) is place
    assert (place == 2).all()
    assert places(region) == [(0, 64)]


# Elementwise passes ------------------------------------------------------------------------------------------------


def test_a_product_takes_the_place_of_what_nobody_reads_again() -> None:
    x, g, other = np.array([[2.0, 3.0]]), np.array([[5.0, 7.0]]), np.zeros((1, 2))
    product = functools.partial(blocks.add_product, into=None, sign=1)
    assert product(x, g, keep=g)[0] is not g
    assert g.tolist() == [[5, 7]]
    assert product(x, g[:, ::-1], keep=g)[0].tolist() == [[14, 15]]
    assert g.tolist() == [[5, 7]]
    assert product(x, g, keep=other)[0] is g
    assert g.tolist() == [[10, 21]]
    for kept in (np.broadcast_to(np.float64(2), (1, 2)), np.float32([[2, 2]]), np.array([2.0, 2.0])):
        before = kept.copy()
        assert product(x, kept, keep=other)[0].tolist() == [[4, 6]]
        assert np.array_equal(kept, before)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 8), (1, 24), (2, 3, 2, 2), (4, 6, 1)], ids=str)
@pytest.mark.parametrize("bytes_", [8, 40, 191, 192])
def test_products_are_added_block_by_block(
    sign: int, first: bool, shape: tuple[int, ...], bytes_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Integers: all sums are exact. 192 bytes hold the whole, which is then no work for blocks."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", bytes_)
    rng = np.random.default_rng(5)
    x, g, kept = (rng.integers(-5, 6, shape).astype(float) for _ in range(3))
    before = g.copy()
    into = None if first else kept.copy()
    found, total = blocks.add_product(x, g, into, sign=sign, keep=np.zeros(1))
    expected = sign * x * before + (0 if first else kept)
    assert np.array_equal(found, expected)
    whole = bytes_ >= g.nbytes
    assert (total is None) == whole
    if total is not None:
        assert total.tolist() == expected.reshape(shape[0], -1).sum(axis=1).tolist()
        assert found is (g if first else into), "no memory of its own"


def test_products_of_other_orders_and_kinds_are_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8)
    x = np.arange(12.0).reshape(3, 4)
    for a, b, c in (
        (x.T, np.ones((4, 3)), None), (x, np.ones((4, 3)).T, None), (x, np.ones((3, 4)), np.ones((4, 3)).T),
        (rational(x), rational(np.ones((3, 4))), None), (x.astype(np.float32), np.ones((3, 4)), None),
        (x, np.broadcast_to(1.0, (3, 4)), None),
    ):  # fmt: skip
        found, total = blocks.add_product(a, b, c, sign=-1, keep=np.zeros(1))
        assert np.array_equal(found, -a if c is None else 1 - a)
        assert total is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_masks_and_signs(dtype: Any) -> None:
    x = np.array([3, -4, 0, -0.0, np.inf, -np.inf], dtype=dtype)
    assert arrays.with_sign(0.25, x).tolist() == [0.25, -0.25, 0.25, 0.25, 0.25, -0.25]
    assert arrays.with_sign(0.25, x).dtype == dtype
    kept = arrays.only(x[:4], np.array([True, False, True, False]))
    assert kept.tolist() == [3, 0, 0, 0]
    assert not np.signbit(kept).any()
    assert kept.dtype == dtype


@pytest.mark.parametrize("bytes_", [1, 64, 200, 1 << 20])
def test_blocks_cover_everything_once(bytes_: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", bytes_)
    for rows, row in ((1, 800), (7, 24), (3, 64), (0, 40), (2, 8), (5, 0)):
        seen = np.zeros(rows, dtype=int)
        for block in blocks.blocks(rows, row, np):
            assert len(seen[block]) == 1 or len(seen[block]) * row <= bytes_
            seen[block] += 1
        assert (seen == 1).all()


RULES = {
    "epsilon": rules.Epsilon(1e-2),
    "exact": rules.LRP0(),
    "clip": rules.LRP0(lrp.edits.clip(0.3)),
    "relative": rules.LRP0(lrp.edits.relative(0.1)),
    "gates": rules.GeneralizedGamma(0.25),
    "alphabeta": rules.AlphaBeta(2, 1),
    "shares": rules.Epsilon(1e-2, bias_share=1),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("name", ["Conv-2d", "Dense", "AveragePool-valid-padding"])
def test_blocks_do_not_change_a_redistribution(name: str, rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = BY_NAME[name]
    layer, xs = sample.layer(), sample.inputs(3)
    layer, xs = layer.map_arrays(lambda a: a.astype(float)), tuple(x.astype(float) for x in xs)
    relevance = np.random.default_rng(1).standard_normal(layer.forward(*xs).shape)
    whole = layer.redistribute(xs[0], relevance, rule)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    monkeypatch.setattr(buffers, "LARGE_BYTES", 64)
    apart = layer.redistribute(xs[0], relevance, rule)
    for a, b in zip(whole.relevances, apart.relevances, strict=True):
        np.testing.assert_array_equal(a, b)  # unit by unit the same operations
    for column in ("bias", "stabiliser", "dropped"):
        np.testing.assert_allclose(getattr(apart, column), getattr(whole, column), rtol=0, atol=1e-13)


@pytest.mark.parametrize("ties", ["first", "share"])
def test_blocks_do_not_change_a_maximum(ties: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    x, g = rng.integers(-1, 2, (2, 5, 8, 6)).astype(float), rng.standard_normal((2, 5, 4, 3))
    layer = layers.MaxPool(2, ties=ties)
    whole = layer.redistribute(x, g)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3 * 48 * 8)
    monkeypatch.setattr(buffers, "LARGE_BYTES", 64)
    np.testing.assert_array_equal(layer.redistribute(x, g).relevances[0], whole.relevances[0])
    np.testing.assert_array_equal(layer.forward(x), x.reshape(2, 5, 4, 2, 3, 2).max(axis=(3, 5)))


def test_an_explanation_with_used_buffers_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a buffer held before shows nowhere: every buffer is full of NaN."""
    rng = np.random.default_rng(3)
    net = lrp.Network.sequential([
        layers.Conv(rng.standard_normal((4, 3, 3, 3)), rng.standard_normal(4), padding=1), layers.ReLU(),
        layers.MaxPool(2), layers.Conv(rng.standard_normal((4, 4, 2, 2)), None, stride=2, padding=1), layers.ReLU(),
        layers.Flatten(), layers.Dense(rng.standard_normal((36, 2)), rng.standard_normal(2)),
    ])  # fmt: skip
    x = rng.standard_normal((2, 3, 8, 8))
    expected = [lrp.explain(net, x, composite=c, target=1).relevance for c in ("epsilon", "epsilon_alpha2_beta1")]
    monkeypatch.setattr(buffers, "LARGE_BYTES", 8)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 128)
    monkeypatch.setattr(kernels, "STRIP_BYTES", 2048)
    view = buffers._Region.view

    def dirty(self: Any, start: int, size: int) -> np.ndarray:
        place = view(self, start, size)
        place[...] = 255  # NaN in every float format
        return place

    monkeypatch.setattr(buffers._Region, "view", dirty)
    for composite, right in zip(("epsilon", "epsilon_alpha2_beta1"), expected, strict=True):
        found = lrp.explain(net, x, composite=composite, target=1).relevance
        np.testing.assert_allclose(found, right, rtol=0, atol=1e-12 * abs(right).max())
