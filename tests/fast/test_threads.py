"""Several threads: the same numbers as one, the first error, nothing left behind, and no more than the BLAS had."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from exact_numbers import exact
from threadpoolctl import ThreadpoolController

import lrp_ref as lrp
from lrp_ref import layers, rules
from lrp_ref.errors import NonFiniteError, ParameterError
from lrp_ref.fast import convolution as kernels
from lrp_ref.fast import threads
from lrp_ref.network import Network
from lrp_ref.propagation import workload


@dataclass
class Blas:
    """Stands for the BLAS: it says how many threads it has, and keeps the limits that were set."""

    threads: tuple[int, ...] = (3,)
    told: list[Any] = field(default_factory=list)

    @property
    def lib_controllers(self) -> list[Any]:
        return [SimpleNamespace(num_threads=n) for n in self.threads]

    def limit(self, *, limits: int) -> Any:
        self.told.append(limits)
        return SimpleNamespace(restore_original_limits=lambda: self.told.append("as before"))


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> Iterator[Blas]:
    team, made = threads._Team(), Blas()
    team.blas = made
    monkeypatch.setattr(threads, "_TEAM", team)
    yield made
    if team.pool is not None:
        team.pool.shutdown()


FLOATS = np.zeros(1)


def test_outside_and_with_other_numbers_the_caller_works_alone(blas: Blas) -> None:
    for arrays in ([], [exact([1])], [FLOATS, exact([1])], [[1.0]]):
        if arrays:
            with threads.together(*arrays):
                assert threads.members() == 1
        assert threads.members() == 1
        where: list[Any] = []
        threads.each([1, 2], lambda pieces: where.extend((threading.get_ident(), p) for p in pieces))  # noqa: B023
        assert where == [(threading.get_ident(), 1), (threading.get_ident(), 2)]
    assert not blas.told
    assert threads._TEAM.pool is None


@pytest.mark.parametrize("available", [(), (1,), (1, 8), (2,), (2, 3), (64,)])
def test_as_many_threads_as_the_blas_had(blas: Blas, available: tuple[int, ...]) -> None:
    blas.threads = available
    with threads.together(FLOATS):
        assert threads.members() == min(threads.MOST, *available) if available else threads.members() == 1
        assert blas.told == [1]
        with threads.together(FLOATS):
            assert blas.told == [1]
    assert blas.told == [1, "as before"]
    assert threads.members() == 1


def test_the_blas_has_its_threads_back_after_the_last_caller(blas: Blas) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with threads.together(FLOATS):
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with threads.together(FLOATS):
        thread.start()
        assert inside.wait(10)
    assert blas.told == [1]
    blas.threads = (1,)  # what the limit makes of it
    with threads.together(FLOATS):
        assert threads.members() == 3
    leave.set()
    thread.join()
    assert blas.told == [1, "as before"]


def test_the_blas_has_its_threads_back_after_an_error(blas: Blas) -> None:
    with pytest.raises(ZeroDivisionError), threads.together(FLOATS):
        raise ZeroDivisionError
    assert blas.told == [1, "as before"]
    assert threads.members() == 1


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("allowed", [1, 2])
def test_numpys_own_blas_is_limited_inside_only(allowed: int, several: bool) -> None:
    controller = ThreadpoolController().select(user_api="blas")
    with controller.limit(limits=allowed):
        before = [library.num_threads for library in controller.lib_controllers]
        with threads.together(FLOATS, several=several):
            assert all(library.num_threads == 1 for library in controller.lib_controllers)
            assert threads.members() == (min(before, default=1) if several else 1)
        assert [library.num_threads for library in controller.lib_controllers] == before


def test_one_thread_needs_no_others(blas: Blas) -> None:
    with threads.together(FLOATS, several=False):
        assert blas.told == [1]
        assert threads.members() == 1
        assert threads._TEAM.pool is None
        with threads.together(FLOATS):  # work inside may be worth several
            assert threads.members() == 3
            assert threads.collect([1, 2, 3], lambda p: 2 * p) == [2, 4, 6]
        assert threads.members() == 1
        assert blas.told == [1]
    assert blas.told == [1, "as before"]


def test_each_piece_is_taken_once_and_by_several_threads(blas: Blas) -> None:
    taken, together = [], threading.Barrier(3, timeout=10)

    def work(pieces: Iterator[int]) -> None:
        together.wait()  # three threads are at work at the same time
        assert threads.members() == 1  # pieces are not divided any further
        for piece in pieces:
            taken.append(piece)

    with threads.together(FLOATS):
        threads.each(range(100), work)
        assert threads.members() == 3
    assert sorted(taken) == list(range(100))


def test_there_are_no_more_threads_than_pieces(blas: Blas) -> None:
    calls: list[list[int]] = []
    with threads.together(FLOATS):
        for count in (0, 1, 2):
            calls.clear()
            threads.each(range(count), lambda pieces: calls.append(list(pieces)))
            assert 1 <= len(calls) <= max(count, 1)
            assert sorted(piece for call in calls for piece in call) == list(range(count))


def test_the_callers_error_state_holds_in_all_threads(blas: Blas) -> None:
    states, together = [], threading.Barrier(3, timeout=10)

    def work(pieces: Iterator[int]) -> None:
        together.wait()
        states.append(np.geterr()["divide"])

    with threads.together(FLOATS), np.errstate(divide="raise"):
        threads.each(range(3), work)
    assert states == ["raise"] * 3


def test_the_error_of_a_helper_arrives_after_all_have_stopped(blas: Blas) -> None:
    main, together, stopped = threading.get_ident(), threading.Barrier(3, timeout=10), []

    def work(pieces: Iterator[int]) -> None:
        together.wait()
        if threading.get_ident() != main:
            time.sleep(0.05)
            stopped.append(1)
            raise ZeroDivisionError

    with threads.together(FLOATS), pytest.raises(ZeroDivisionError):
        threads.each(range(3), work)
    assert len(stopped) == 2


def test_after_an_error_of_the_caller_nobody_begins_another_piece(blas: Blas) -> None:
    main, together, taken = threading.get_ident(), threading.Barrier(3, timeout=10), []

    def work(pieces: Iterator[int]) -> None:
        together.wait()
        if threading.get_ident() == main:
            raise KeyboardInterrupt
        for piece in pieces:
            taken.append(piece)
            time.sleep(0.01)

    with threads.together(FLOATS), pytest.raises(KeyboardInterrupt):
        threads.each(range(1000), work)
    assert len(taken) < 100
    with threads.together(FLOATS):
        assert threads.collect([1, 2], lambda p: p) == [1, 2]


def test_results_come_in_order(blas: Blas) -> None:
    def slow(piece: int) -> int:
        time.sleep(0.01 * (piece == 0))
        return piece * piece

    with threads.together(FLOATS):
        assert threads.collect(range(20), slow) == [k * k for k in range(20)]
        assert threads.collect([], slow) == []
        assert threads.collect([7], lambda piece: (piece, threads.members())) == [(7, 3)]


def test_the_first_error_is_raised_however_late_it_comes(blas: Blas) -> None:
    def fail(piece: int) -> None:
        time.sleep(0.05 * (piece == 0))
        raise ValueError(piece)

    with threads.together(FLOATS), pytest.raises(ValueError, match=r"^0$"):
        threads.collect(range(6), fail)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_makes_threads_of_its_own(blas: Blas) -> None:
    with threads.together(FLOATS):
        threads.each(range(3), lambda pieces: [None for _ in pieces])
    threads._after_fork()  # what the system calls in the child; the fixture puts the team back
    assert threads._TEAM.pool is None
    with threads.together(FLOATS):
        assert threads.collect([1, 2, 3], lambda p: 2 * p) == [2, 4, 6]


# -- what the kernels share ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize(
    ("geometry", "channels"),
    [({"padding": 1}, (4, 5)), ({"padding": 1}, (5, 4)), ({"stride": 2}, (4, 6)), ({"groups": 2}, (4, 6)),
     ({"dilation": 2, "padding": 2}, (3, 3)), ({}, (4, 2))],
)  # fmt: skip
@pytest.mark.parametrize("strip", [0, 2048, 4 << 20])
def test_shared_convolutions_are_those_of_one_thread(
    blas: Blas, monkeypatch: pytest.MonkeyPatch, geometry: dict[str, Any], channels: tuple[int, int], n: int, strip: int
) -> None:
    monkeypatch.setattr(kernels, "STRIP_BYTES", strip)
    random = np.random.default_rng(n)
    ins, outs = channels
    weight = random.integers(-3, 4, size=(outs, ins // geometry.get("groups", 1), 3, 3)).astype(float)
    layer = layers.Conv(weight, random.integers(-3, 4, size=outs).astype(float), **geometry)
    x = random.integers(-3, 4, size=(n, ins, 7, 9)).astype(float)
    z = layer.forward(x)
    g = random.integers(-3, 4, size=z.shape).astype(float)
    (back,) = layer.pull((x,), g)
    with threads.together(x):
        assert np.array_equal(layer.forward(x), z)  # sums of integers are exact in every order
        assert np.array_equal(layer.pull((x,), g)[0], back)


@pytest.mark.parametrize("shape", [(1, 6), (3, 6), (2, 4, 6), (0, 6)])
@pytest.mark.parametrize("outs", [1, 2, 3, 7])
def test_shared_dense_layers_are_those_of_one_thread(
    blas: Blas, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], outs: int
) -> None:
    monkeypatch.setattr(kernels, "DIVIDED_BYTES", 1)
    random = np.random.default_rng(outs)
    layer = layers.Dense(random.integers(-3, 4, size=(6, outs)).astype(float), np.arange(float(outs)))
    x = random.integers(-3, 4, size=shape).astype(float)
    z = layer.forward(x)
    g = random.integers(-3, 4, size=z.shape).astype(float)
    (back,) = layer.pull((x,), g)
    with threads.together(x):
        assert np.array_equal(layer.forward(x), z)
        assert np.array_equal(layer.pull((x,), g)[0], back)


@pytest.mark.parametrize(
    ("total", "parts"),
    [(0, []), (1, [(0, 1)]), (2, [(0, 1), (1, 2)]), (3, [(0, 1), (1, 2), (2, 3)]), (4, [(0, 2), (2, 4)]),
     (7, [(0, 3), (3, 6), (6, 7)]), (9, [(0, 3), (3, 6), (6, 9)])],
)  # fmt: skip
def test_a_portion_for_each_thread(blas: Blas, total: int, parts: list[tuple[int, int]]) -> None:
    assert [(p.start, p.stop) for p in kernels._portions(total)] == [(0, total)] * bool(total)
    with threads.together(FLOATS):
        assert [(p.start, p.stop) for p in kernels._portions(total)] == parts


def test_large_matrices_are_shared_on_the_cpu(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[Any] = []
    matmul = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, **how: shapes.append((*b.shape, *how)) or matmul(a, b, **how))
    device = SimpleNamespace(__name__="device", matmul=np.matmul, empty=np.empty)
    a, b = np.ones((1, 2)), np.ones((2, 6))
    for xp, nbytes, members, expected in (
        (np, 96, 3, [(2, 2, "out")] * 3), (np, 95, 3, [(2, 2, "out")] * 3), (np, 97, 3, [(2, 6)]),
        (np, 96, 2, [(2, 3, "out")] * 2), (np, 96, 1, [(2, 6)]),
        (device, 96, 3, [(2, 6)]), (device, 96, 1, [(2, 6)]),
    ):  # fmt: skip
        blas.threads = (members,)
        monkeypatch.setattr(kernels, "DIVIDED_BYTES", nbytes)
        shapes.clear()
        with threads.together(a):
            found = kernels.product(a, b, xp)
        assert shapes == expected
        assert found.tolist() == [[2.0] * 6]


def test_matrices_of_a_mebibyte_are_large(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    matmul = np.matmul
    monkeypatch.setattr(np, "matmul", lambda a, b, **how: calls.append(1) or matmul(a, b, **how))
    with threads.together(FLOATS):
        for columns, many in ((1 << 16, 3), ((1 << 16) - 1, 1)):
            calls.clear()
            kernels.product(np.ones((1, 2)), np.ones((2, columns)), np)
            assert len(calls) == many


GEOMETRIES = {
    "pointwise, back at once": ((5, 4, 1, 1), 1, 0),
    "scattered back": ((5, 4, 2, 2), 2, 0),
    "flipped back": ((1, 4, 3, 3), 1, 1),
}


@pytest.mark.parametrize(("shape", "stride", "padding"), GEOMETRIES.values(), ids=GEOMETRIES)
def test_threads_divide_a_convolution_that_is_worth_it(
    shape: tuple[int, ...], stride: int, padding: int, blas: Blas, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward and back, of one product fewer than are worth it: one thread, and the same numbers (all integers)."""
    random = np.random.default_rng(4)
    layer = layers.Conv(random.integers(-3, 4, shape).astype(float), stride=stride, padding=padding)
    x = random.integers(-3, 4, (2, 4, 6, 6)).astype(float)
    z = layer.forward(x)
    back = layer.pull((x,), z)[0]
    products = layer.weight.size * z.size // z.shape[1]
    calls: list[int] = []
    each = threads.each
    monkeypatch.setattr(threads, "each", lambda pieces, work: calls.append(1) or each(pieces, work))
    for needed, expected in ((products, 2), (products + 1, 0)):
        monkeypatch.setattr(kernels, "WINDOW_PRODUCTS", needed)
        calls.clear()
        with threads.together(FLOATS):
            assert np.array_equal(layer.forward(x), z)
            assert np.array_equal(layer.pull((x,), z)[0], back)
        assert len(calls) == expected


# -- what an explanation shares -----------------------------------------------------------------------------------


def small_net() -> Network:
    random = np.random.default_rng(0)
    return Network.sequential([
        layers.Conv(random.normal(size=(4, 2, 3, 3)), random.normal(size=4), padding=1),
        layers.ReLU(),
        layers.MaxPool(2),
        layers.Flatten(),
        layers.Dense(random.normal(size=(36, 3)), random.normal(size=3)),
    ])  # fmt: skip


def sharers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return a list that will hold, of every part of an explanation, its samples and who may share its work."""
    seen: list[tuple[int, int]] = []
    before = Network.values

    def values(net: Network, x: Any, **how: Any) -> Any:
        if how.get("check", True):
            seen.append((len(next(iter(x.values()))), threads.members()))
        return before(net, x, **how)

    monkeypatch.setattr(Network, "values", values)
    return seen


@pytest.mark.parametrize(
    ("n", "parts"), [(2, [1, 1]), (3, [1, 1, 1]), (4, [2, 2]), (7, [3, 3, 1]), (9, [3, 3, 3]), (10, [4, 4, 2])]
)
def test_threads_explain_samples_of_their_own(
    blas: Blas, monkeypatch: pytest.MonkeyPatch, n: int, parts: list[int]
) -> None:
    net, x = small_net(), np.random.default_rng(1).normal(size=(n, 2, 6, 6))
    asked = [{}, {"target": 2}, {"target": np.arange(n) % 3}, {"start": np.ones((n, 3))}]
    alone = [lrp.explain(net, x, composite="epsilon_plus", **how) for how in asked]
    monkeypatch.setattr(workload, "DIVIDED_BYTES", 1)
    seen = sharers(monkeypatch)
    for how, expected in zip(asked, alone, strict=True):
        seen.clear()
        e = lrp.explain(net, x, composite="epsilon_plus", **how)
        assert sorted(seen, reverse=True) == [(few, 1) for few in parts]
        np.testing.assert_allclose(e.relevance, expected.relevance, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(e.output, expected.output, rtol=1e-12)
        assert e.ledger.residual < 1e-13
    assert set(blas.told) == {1, "as before"}


def test_few_numbers_are_not_shared_and_the_blas_takes_one_thread(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    net, seen = small_net(), sharers(monkeypatch)
    lrp.explain(net, np.ones((5, 2, 6, 6)))
    lrp.explain(net, np.ones((1, 2, 6, 6)))
    lrp.explain(net, np.ones((0, 2, 6, 6)))
    lrp.explain(net, np.ones((2, 2, 6, 6)), trace=True)
    monkeypatch.setattr(workload, "DIVIDED_BYTES", 1)
    monkeypatch.setattr(workload, "DIVIDED_PRODUCTS", 1)
    lrp.explain(net, np.ones((0, 2, 6, 6)))
    assert [members for _, members in seen] == [1] * 5
    assert blas.told == [1, "as before"] * 5
    assert threads._TEAM.pool is None


def test_the_layers_of_what_is_walked_at_once_are_divided(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    net, seen = small_net(), sharers(monkeypatch)
    columns = workload.FEWEST_COLUMNS
    for n, trace in ((1, False), (2, False), (2, True)):
        mean = (4 * 2 * 9 * 36 * n + 36 * 3 * columns) // 2  # weights times positions; a small matrix has to be read
        for needed, expected in ((mean, 3), (mean + 1, 1)):
            monkeypatch.setattr(workload, "DIVIDED_PRODUCTS", needed)
            seen.clear()
            lrp.explain(net, np.ones((n, 2, 6, 6)), trace=trace)
            assert seen == [(n, expected)]


def test_samples_of_their_own_go_before_shared_layers(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "DIVIDED_BYTES", 1)
    monkeypatch.setattr(workload, "DIVIDED_PRODUCTS", 1)
    seen = sharers(monkeypatch)
    lrp.explain(small_net(), np.ones((3, 2, 6, 6)))
    lrp.explain(small_net(), np.ones((3, 2, 6, 6)), trace=True)
    assert seen == [(1, 1)] * 3 + [(3, 3)]


def test_shared_layers_are_those_of_one_thread(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = small_net(), np.random.default_rng(2).normal(size=(4, 2, 6, 6))
    for composite in ("epsilon_plus", "epsilon"):
        alone = lrp.explain(net, x, composite=composite)
        monkeypatch.setattr(workload, "DIVIDED_PRODUCTS", 1)
        monkeypatch.setattr(kernels, "WINDOW_PRODUCTS", 0)
        shared = lrp.explain(net, x, composite=composite)
        monkeypatch.undo()
        np.testing.assert_allclose(shared.relevance, alone.relevance, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("hidden", "told"), [(2, [1, "as before"]), (3, [])])
def test_the_blas_keeps_its_threads_beside_a_large_lstm(
    blas: Blas, monkeypatch: pytest.MonkeyPatch, hidden: int, told: list[Any]
) -> None:
    """Its weights take 8·4·hidden (2 inputs + hidden + 1 bias) bytes: 320 or 576."""
    random = np.random.default_rng(3)
    shapes = ((1, 4, hidden, 2), (1, 4, hidden, hidden), (1, 4, hidden))
    lstm = layers.LSTM(*(random.normal(size=shape) for shape in shapes), returns="last")
    net = Network.sequential([lstm, layers.Dense(random.normal(size=(hidden, 2)))])
    monkeypatch.setattr(workload, "RECURRENT_BYTES", 576)
    lrp.explain(net, random.normal(size=(1, 4, 2)))
    lrp.explain(net, random.normal(size=(0, 4, 2)))
    assert blas.told == told * 2
    monkeypatch.setattr(workload, "DIVIDED_BYTES", 1)  # samples of their own are quicker still
    blas.told.clear()
    lrp.explain(net, random.normal(size=(3, 4, 2)))
    assert blas.told == [1, "as before"]


def test_all_threads_together_keep_to_the_memory_of_one(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "DIVIDED_BYTES", 1)
    net, seen = small_net(), sharers(monkeypatch)
    kept = 8 * (2 * 36 + 4 * 36 + 4 * 9 + 3)  # the input, z of the convolution, the pool, the output
    for room, most in ((3 * kept, 1), (6 * kept, 2), (9 * kept - 1, 2), (300 * kept, 4)):
        monkeypatch.setattr(workload, "WORKING_BYTES", room)
        seen.clear()
        lrp.explain(net, np.ones((12, 2, 6, 6)))
        assert {few for few, _ in seen} == {most}


def test_the_first_samples_error_is_the_one_that_is_raised(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "DIVIDED_BYTES", 1)
    x = np.ones((4, 2, 6, 6))
    with pytest.raises(ParameterError, match="3 targets for 4 samples"):
        lrp.explain(small_net(), x, target=[0, 1, 2])
    x[1:] = 1e308
    with np.errstate(over="raise"), pytest.raises(NonFiniteError, match="conv1"):
        lrp.explain(small_net(), x)
    assert blas.told == [1, "as before"] * 2


def test_exact_numbers_stay_in_one_thread(blas: Blas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "DIVIDED_BYTES", 1)
    net = Network.sequential([layers.Dense(exact([1, 2], [3, 4]))])
    e = lrp.explain(net, exact([1, 2], [3, 4], [5, 6]), composite=rules.LRP0(), target=0)
    assert e.relevance.tolist() == [[1, 6], [3, 12], [5, 18]]
    assert not blas.told
