"""Parts of recorded arrays, read and written: NumPy says what every view of an array holds afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from graphs import Sheet
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_functions import same

from lrp_ref.errors import UnsupportedError
from lrp_ref.export.recorded import Recorder
from lrp_ref.export.values import INT, Value, free

RNG = np.random.default_rng(41)
X = RNG.normal(size=(4, 5, 3))
S = slice

# Parts ---------------------------------------------------------------------------------------------------------------

KEYS: list[Any] = [
    0, -1, S(1, 3), S(None, None, 2), S(None, None, -1), S(3, 0, -2), S(-1, None, -3), S(2, 2), S(5, 9), S(None),
    Ellipsis, None, (0, 1, 2), (S(None), -2), (..., 1), (..., S(0, 2), 0), (None, 0),
    (S(1, 2), None, S(None, None, -2)), (0, ..., None), (S(None, None, -1), S(4, None, -1), S(None, None, -1)),
    (S(3, 1), 0),
    (S(0, 4, 3), S(1, 5, 2), S(2, None)),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_parts(key: Any) -> None:
    same(lambda xp, given: given[0][key], X)
    same(lambda xp, given: (given[0] * 2.0)[key] + 1.0, X)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_parts_of_what_is_broadcast(key: Any) -> None:
    for x in (X[:1, :, :1], X[0, 0], X[:, :1, :1], np.array(2.5)):
        same(lambda xp, given: xp.broadcast_to(given[0], (4, 5, 3))[key], x)


@pytest.mark.parametrize(
    "key", [k for k in KEYS if k is not None and not (isinstance(k, tuple) and None in k)], ids=str
)
@pytest.mark.parametrize("how", ["number", "array", "row", "add", "repeated", "blank"])
def test_parts_are_written(key: Any, how: str) -> None:
    def call(xp: Any, given: Any) -> Any:
        array = given[0] + 0.5 if how != "blank" else xp.ones((4, 5, 3), dtype=float)
        if how == "repeated":
            array = (
                np.array(np.broadcast_to(given[0][:, :1], array.shape))
                if xp is np
                else xp.broadcast_to(given[0][:, :1], array.shape)
            )
        part = array[key]
        if how == "number":
            array[key] = 2.0
        elif how == "add":
            array[key] += part
        elif how == "row" and part.ndim:
            array[key] = given[1][0, 0, : part.shape[-1]] if part.shape[-1] <= 3 else 1.5
        else:
            array[key] = part * 3.0
        return array

    same(call, X, X[:, :1])


INDICES: list[tuple[Any, ...]] = [
    (np.array([2, 0, -1]),), (S(None), np.array([[4, -5], [0, 1]])), (..., np.array([2, 2])),
    (np.array([0, 3]), np.array([1, -1])), (S(None), np.array([[0], [4]]), np.array([[0, 1, -3]])),
    (np.array([1]), np.array([[2], [0]]), np.array([0, 1])), (S(None, None, -1), np.array([1, 3])),
    (S(1, 3), S(None), np.array([0, 2])),
    (np.array(2),),
]  # fmt: skip


@pytest.mark.parametrize("key", INDICES, ids=str)
def test_parts_that_indices_pick(key: tuple[Any, ...]) -> None:
    same(lambda xp, given: given[0][tuple(given[1])], X, list(key))
    for x in (X[:1, :, :1], X[0, 0]):
        same(lambda xp, given: xp.broadcast_to(given[0], (4, 5, 3))[tuple(given[1])], x, list(key))


def test_what_indices_pick_is_a_copy() -> None:
    def call(xp: Any, given: Any) -> Any:
        array = given[0] + 0.0
        picked = array[:, given[1]]
        array += 1.0
        first = picked + 0.0
        picked += 10.0
        return xp.stack((first.sum(), picked.sum(), array.sum()))

    same(call, X, np.array([1, 0]))


@pytest.mark.parametrize(
    "key", [(0, np.array([1])), (np.array([1]), S(None), np.array([0])), (np.array([1]), None)], ids=str
)
def test_indices_that_cannot_be_written_are_refused(key: tuple[Any, ...]) -> None:
    xp = Recorder()
    with pytest.raises(UnsupportedError, match=r"an index of arrays .* cannot be written"):
        xp.input("x", (4, 5, 3))[tuple(xp.asarray(k) if isinstance(k, np.ndarray) else k for k in key)]


def test_a_part_that_indices_pick_cannot_be_written() -> None:
    xp = Recorder()
    array = xp.input("x", (4, 3)) + 1.0
    for key in (xp.asarray(np.array([1])), (slice(None), None)):
        with pytest.raises(UnsupportedError, match="only a part that slices and numbers name can be written"):
            array[key] = 0.0


# Views ---------------------------------------------------------------------------------------------------------------


def test_a_view_of_a_view_writes_through() -> None:
    def call(xp: Any, given: Any) -> Any:
        array = xp.zeros((4, 5, 3), dtype=float)
        array[...] = given[0]
        view = array[1:, ::2]
        deeper = view.transpose(2, 0, 1)[0]
        beside = array.reshape(20, 3)
        before = beside[7] + 0.0
        deeper *= 0.0
        beside[3:5] = -1.0
        view[0] += given[0][0, :3]
        return xp.concatenate([a.reshape(-1) for a in (array, view, deeper, beside, before)])

    same(call, X)


def test_what_is_computed_before_a_write_stays() -> None:
    def call(xp: Any, given: Any) -> Any:
        array = given[0] + 0.0
        before = array * 2.0
        copy = array.astype(float)
        none = array.astype(float, copy=False)
        array[0] = 0.0
        return xp.stack((before, copy, none, array))

    same(call, X)


Pair = tuple[np.ndarray[Any, Any], Any]


def _viewed(draw: Any, pair: Pair) -> Pair | None:
    """Return a view of an array, and the recorded one; None where NumPy would copy."""
    host, array = pair
    kind = draw(st.sampled_from(["part", "axes", "shape"])) if host.ndim else "shape"
    if kind == "axes":
        order = draw(st.permutations(range(host.ndim)))
        return host.transpose(order), array.transpose(*order)
    if kind == "part":
        key = []
        for size, known in zip(host.shape, array.shape, strict=True):
            whole = st.just(S(None))
            some = st.builds(
                S, st.none() | st.integers(-5, 5), st.none() | st.integers(-5, 5), st.sampled_from([None, 1, 2, -1, -2])
            )
            at = st.integers(-size, size - 1) if size else whole
            key.append(draw(whole if free(known) else whole | some | at))
        return host[(*key, ...)], array[(*key, ...)]
    if array.shape and free(array.shape[0]):
        shape: tuple[int, ...] = (host.shape[0], -1) if host.size else host.shape
    elif any(map(free, array.shape)):
        return None
    else:
        sizes = [(-1,), (1, *host.shape), (*host.shape, 1)]
        sizes += [(2, host.size // 2), (host.size // 3, 3)] if host.size and host.size % 6 == 0 else []
        shape = draw(st.sampled_from(sizes)) if host.size else (1, *host.shape)
    view = host.reshape(shape)
    if not np.shares_memory(view, host):
        return None
    lead = array.shape[:1] if array.shape and free(array.shape[0]) else shape[:1]
    return view, array.reshape(*lead, *shape[1:])


def _written(draw: Any, pair: Pair, pairs: list[Pair]) -> None:
    """Write a number, or another array of the same shape, into an array: assigned, or in place."""
    host, array = pair
    alike = [p for p in pairs if p[0].shape == host.shape and p[1].shape == array.shape]
    how = draw(st.sampled_from(["number", "in place", "assigned", "added", "product"]))
    if how == "number":
        host[...], array[...] = 2.5, 2.5
    elif how == "in place":
        host *= -0.5
        array *= -0.5
    else:
        other, its = draw(st.sampled_from(alike))
        if how == "assigned":
            host[...], array[...] = other.copy(), its
        elif how == "added":
            host += other
            array += its
        else:
            made, its = other * 0.25, its * 0.25
            host -= made
            array -= its


STARTS: list[Callable[[Any, Any], Any]] = [
    lambda xp, x: x + 0.0 if xp is np else x * 1.0,
    lambda xp, x: xp.ones((4, 3, 2), dtype=float),
    lambda xp, x: np.array(np.broadcast_to(x[:, :1], x.shape)) if xp is np else xp.broadcast_to(x[:, :1], x.shape),
    lambda xp, x: x * 0.5,
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
@pytest.mark.parametrize("samples", [False, True])
def test_views_and_writes_in_any_order(samples: bool, data: st.DataObject) -> None:
    x = np.arange(24.0).reshape(4, 3, 2) / 8 - 1
    start = data.draw(st.sampled_from([0, 2, 3] if samples else [0, 1, 2, 3]))
    sheet = Sheet(dtype=np.float64)
    there = sheet.feed(x, samples=samples)
    pairs: list[Pair] = [(STARTS[start](np, x), STARTS[start](sheet.xp, there))]
    for _ in range(data.draw(st.integers(3, 9))):
        pair = data.draw(st.sampled_from(pairs))
        if data.draw(st.booleans()):
            view = _viewed(data.draw, pair)
            if view is not None:
                pairs.append(view)
        else:
            _written(data.draw, pair, pairs)
    assume(len(pairs) > 1)
    names = [sheet.show(array) for _, array in pairs]
    found = sheet.run()
    for name, (host, _) in zip(names, pairs, strict=True):
        assert found[name].shape == host.shape
        np.testing.assert_allclose(found[name], host, rtol=1e-12, atol=1e-15)


# Samples -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [1, 3])
def test_the_first_and_the_last_sample(samples: int) -> None:
    sheet = Sheet(dtype=np.float64)
    x = sheet.feed(X)
    names = {sheet.show(made): key for key in (0, -1, S(0, 1), S(-1, None), S(None, None, -1)) for made in (x[key],)}
    names |= {sheet.show(made): (key, 1) for key in (0, -1) for made in (x[key, 1],)}
    found = sheet.run({"in0": X[:samples]})
    for name, key in names.items():
        assert np.array_equal(found[name], X[:samples][key]), key


@pytest.mark.parametrize("samples", [1, 3])
def test_values_with_and_without_samples_meet(samples: int) -> None:
    """Constants, values of one sample, and those of every sample in one array."""

    def call(xp: Any, x: Any, row: Any) -> dict[str, Any]:
        n = x.shape[0]
        blank, ones = xp.zeros((n, 2, 3), dtype=float), xp.ones((n, 5), dtype=int)
        wide = xp.broadcast_to(row, (n, 5, 3))
        blank[:, 0] = x[:, 1]
        return {
            "behind each other": xp.concatenate((x, wide, blank, xp.ones((n, 1, 3), dtype=float)), axis=1),
            "stacked": xp.stack((x, wide, x * 0.0, wide * 2.0), axis=-1),
            "constants": xp.concatenate((wide, xp.zeros((n, 1, 3), dtype=float)), axis=1),
            "numbered": xp.take(x.reshape(n * 5, 3), xp.arange(n) * 5 + 2, axis=0),
            "chosen": x[xp.arange(n), (ones.sum(axis=1) - 2), :],
            "counted": xp.arange(n, dtype=float)[:, None] * xp.ones((n, 2), dtype=float),
            "summed": wide.sum(axis=2),
            "over samples": x.sum(axis=0),
            "gram": x.reshape(n, 15).T @ x.reshape(n, 15),
            "gram of a row": wide.reshape(n, 15).T @ x.reshape(n, 15),
            "largest": (x.reshape(-1)).max().reshape(1),
            "doubled": xp.concatenate((x, wide)),
            "turned": x.transpose(1, 0, 2)[2] + row,
            "folded": (wide + 1.0).reshape(n, -1)[:, 4:9],
        }

    sheet = Sheet(dtype=np.float64)
    row = RNG.normal(size=(1, 1, 3))
    x, theirs = sheet.feed(X), sheet.xp.asarray(row)
    names = {key: sheet.show(made) for key, made in call(sheet.xp, x, theirs).items()}
    found = sheet.run({"in0": X[:samples]})
    for key, expected in call(np, X[:samples], row).items():
        assert found[names[key]].shape == expected.shape, key
        np.testing.assert_allclose(found[names[key]], expected, rtol=1e-12, atol=1e-15, err_msg=key)


def test_one_sample_with_several_targets() -> None:
    """What one sample made broadcasts to the number of targets, which only the way back knows."""
    sheet = Sheet(dtype=np.float64)
    xp = sheet.xp
    x = sheet.feed(X[:1])
    x = xp.wrapped(replace(x.value, tensor=(1, *x.value.tensor[1:])))
    hidden = x * 2.0 + 1.0
    target = xp.input("target", (), samples=True, dtype=int)
    value = Value(sheet.graph, target.shape, INT, "target", None, target.shape, "target")
    sheet.graph.batch = sheet.graph.start = "target"
    target = xp.wrapped(value)
    sheet.fed.append(("target", np.dtype(np.int64), ["M"]))
    chosen = (target.reshape(-1, 1) == xp.arange(5)).astype(float)
    start = chosen[:, :, None] * hidden
    names = [sheet.show(a) for a in (start, start.sum(axis=(1, 2)), xp.concatenate((hidden, start), axis=1))]
    sheet.shown = [(name, value, dtype, ["M", *shape[1:]]) for name, value, dtype, shape in sheet.shown]
    which = np.array([3, 0, 4, 3])
    found = sheet.run({"in0": X[:1], "target": which})
    h = X[:1] * 2 + 1
    expected = np.eye(5)[which][:, :, None] * h
    wide = np.broadcast_to(h, expected.shape)
    wanted = (expected, expected.sum(axis=(1, 2)), np.concatenate((wide, expected), axis=1))
    for name, each in zip(names, wanted, strict=True):
        np.testing.assert_allclose(found[name], each, rtol=1e-12)
