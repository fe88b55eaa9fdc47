"""What is kept of a map: against a full stable sort, exact sums of rationals, and numbers at the edge of a type."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import few

from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError
from lrp_ref.scale.jobs.reduction import Reduction, narrowed, strongest_places
from lrp_ref.scale.stores.layout import Layout, size_text, spec

RNG = np.random.default_rng(0)
# Few different numbers, of both signs and both zeros: most are tied.
TIED = st.lists(st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 3e-320]), min_size=1, max_size=40)


def by_definition(row: Any, k: int) -> list[int]:
    """The k strongest by Python's own sort, whose order is (−|R|, place)."""
    return sorted(range(len(row)), key=lambda place: (-abs(float(row[place])), place))[:k]


@few
@given(TIED, st.integers(1, 40))
def test_the_strongest_are_those_of_a_full_sort(numbers: list[float], k: int) -> None:
    row = np.array(numbers)
    assert strongest_places(row, min(k, len(row))).tolist() == by_definition(row, min(k, len(row)))


@pytest.mark.parametrize("k", [1, 99, 1000, 150_528])
@pytest.mark.parametrize("kind", ["normal", "half zeros", "whole numbers", "all equal"])
def test_the_strongest_of_a_photograph(kind: str, k: int) -> None:
    maps = RNG.normal(size=(2, 3, 224, 224)).astype(np.float32)
    maps = {"half zeros": np.maximum(maps, 0), "whole numbers": np.rint(maps * 2), "all equal": maps * 0 - 1}.get(
        kind, maps
    )
    kept = Reduction(f"top-{k}").parts(maps, "float32")
    flat = maps.reshape(2, -1)
    order = np.argsort(-np.abs(flat), axis=1, kind="stable")[:, :k]
    assert np.array_equal(kept["place"], order)
    assert np.array_equal(kept[""], np.stack([row[o] for row, o in zip(flat, order, strict=True)]))
    assert (kept[""].dtype, kept["place"].dtype) == (np.float32, np.int64)


def test_the_strongest_of_one_sample_do_not_depend_on_its_batch() -> None:
    maps = RNG.integers(-3, 4, (6, 50)).astype(float)
    whole = Reduction("top-7").parts(maps, "float64")
    for k in range(6):
        alone = Reduction("top-7").parts(maps[k : k + 1], "float64")
        assert np.array_equal(alone["place"][0], whole["place"][k])


def test_no_sample_has_no_strongest() -> None:
    kept = Reduction("top-2").parts(np.zeros((0, 3, 4)), "float32")
    assert (kept[""].shape, kept["place"].shape) == ((0, 2), (0, 2))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_has_no_order_is_refused(bad: float) -> None:
    maps = np.ones((2, 9))
    maps[1, 4] = bad
    with pytest.raises(NonFiniteError, match="no strongest numbers"):
        Reduction("top-3").parts(maps, "float32")


@pytest.mark.parametrize("axis", [1, 3])
def test_sums_over_channels_are_exact(axis: int) -> None:
    # Numbers of very different sizes that cancel: added up in float32 they leave 0 or nonsense.
    maps = (RNG.normal(size=(3, 4, 5, 6)) * 10.0 ** RNG.integers(-4, 4, (3, 4, 5, 6))).astype(np.float32)
    first, second = np.moveaxis(maps, axis, 0)[:2]
    second[...] = -first
    found = Reduction("channels", axis).parts(maps, "float32")[""]
    moved = np.moveaxis(maps, axis, -1)
    exact = [np.float32(float(sum(map(Fraction, row.tolist())))) for row in moved.reshape(-1, moved.shape[-1])]
    assert found.ravel().tolist() == [float(n) for n in exact]
    assert found.shape == moved.shape[:-1]


@pytest.mark.parametrize("shape", [(2,), (2, 7)])
def test_what_has_no_channels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="no channels to add up"):
        Reduction("channels").parts(np.ones(shape), "float32")
    with pytest.raises(ShapeError, match="no channels to add up"):
        Reduction("channels", 3).parts(np.ones((2, 3, 4)), "float32")


def test_more_than_there_are() -> None:
    with pytest.raises(ShapeError, match=r"reduce is top-13, and a map has 12 numbers: keep fewer, or none for all"):
        Reduction("top-13").parts(np.ones((2, 3, 4)), "float32")
    assert Reduction("top-12").parts(np.ones((2, 3, 4)), "float32")["place"].tolist() == [list(range(12))] * 2


@pytest.mark.parametrize("name", ["top", "top-0", "top--1", "top-1.5", "top-١", "sum", "", "top-9999999999"])
def test_what_is_no_reduction(name: str) -> None:
    with pytest.raises(ParameterError, match=r"give none, channels \(their sum\) or top-K"):
        Reduction(name)


@pytest.mark.parametrize(
    ("dtype", "edge", "beyond"), [("float16", 65519.0, 65520.0), ("float32", 3.4028235e38, 3.5e38)]
)
def test_numbers_at_the_edge_of_a_type(dtype: str, edge: float, beyond: float) -> None:
    assert narrowed(np.array([edge, -edge]), dtype).tolist() == [
        float(np.finfo(dtype).max),
        -float(np.finfo(dtype).max),
    ]
    wider = {"float16": "float32", "float32": "float64"}[dtype]
    with pytest.raises(NonFiniteError, match=f"beyond {dtype}.*: use {wider}"):
        narrowed(np.array([1.0, -beyond]), dtype)
    assert np.isfinite(narrowed(np.array([1.0, -beyond]), wider)).all()  # the advice works


def test_small_numbers_become_zero_as_documented() -> None:
    assert narrowed(np.array([2.9e-8, 6e-8, 1.0]), "float16").tolist() == [0.0, float(np.float16(6e-8)), 1.0]
    assert np.float16(6e-8) > 0


def test_nothing_is_narrowed_silently_where_some_are_not_finite() -> None:
    with pytest.raises(NonFiniteError, match=r"7e\+04 is beyond"):
        narrowed(np.array([np.nan, 70000.0]), "float16")
    assert np.isnan(narrowed(np.array([np.nan]), "float16")).all()


def test_the_size_of_a_store_is_counted_by_hand() -> None:
    layout = Layout(
        (spec("relevance", 1000, (3, 10), "float16"), spec("output", 1000, (10,), "float32"),
         spec("target", 1000, (), "int64")), 1000, 32, 64,
    )  # fmt: skip
    assert layout.nbytes == 1000 * (30 * 2 + 10 * 4 + 8)
    assert [size_text(one.nbytes) for one in layout.arrays] == ["60 kB", "40 kB", "8 kB"]
    assert size_text(layout.nbytes) == "108 kB"
    assert layout.chunks == 16
