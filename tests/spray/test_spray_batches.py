"""Maps that come some at a time are clustered as all at once are."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError
from lrp_ref.spray import cluster, prepare

pytest.importorskip("sklearn")
RNG = np.random.default_rng(4)


def parts(maps: Any, size: int) -> Iterator[Any]:
    """Go through maps once."""
    for first in range(0, len(maps), size):
        yield maps[first : first + size]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(23, 3, 9, 8), (23, 9, 8), (23, 7), (23, 5, 1, 1)])
def test_maps_are_prepared_to_the_same_bits(shape: tuple[int, ...], dtype: str) -> None:
    maps = RNG.normal(size=shape).astype(dtype)
    for normalise in ("l1", "l2", "max", "none"):
        for size in (None, 4, (3, 5)):
            expected = prepare(maps, size=size, normalise=normalise)
            for few in (1, 2, 7, 23, 40):
                found = prepare(parts(maps, few), size=size, normalise=normalise)
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("embedding", ["tsne", "spectral"])
def test_clusters_are_the_same_value(embedding: str) -> None:
    maps = 0.2 * RNG.normal(size=(16, 2, 8, 8))
    maps[:10, :, :3, :3] += 1
    maps[10:, :, 5:, 5:] += 1
    expected = cluster(maps, neighbours=3, size=4, embedding=embedding)
    assert expected.sizes == (10, 6)
    assert cluster(parts(maps, 6), neighbours=3, size=4, embedding=embedding) == expected
    assert cluster(iter([maps[:1], maps[1:]]), neighbours=3, size=4, embedding=embedding) == expected


def test_a_list_is_one_array_as_before() -> None:
    maps = RNG.normal(size=(3, 2, 4, 4))
    np.testing.assert_array_equal(prepare(list(maps)), prepare(maps))
    np.testing.assert_array_equal(prepare(maps.tolist()), prepare(maps))


def test_in_memory_are_the_prepared_maps() -> None:
    """20 MB of maps become 40 kB."""

    def drawn() -> Iterator[Any]:
        for _ in range(20):
            yield np.ones((10, 100, 100)) * np.arange(1.0, 11.0)[:, None, None]

    tracemalloc.start()
    found = prepare(drawn(), size=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == (200, 5, 5)
    assert peak < 8e6  # a part of 1 MB, and copies of it


def test_what_is_refused_says_which_map() -> None:
    maps = RNG.normal(size=(12, 4, 4))
    empty = maps.copy()
    empty[9] = 0
    with pytest.raises(ParameterError, match="1 of 4 maps are 0 everywhere, the first is number 9:"):
        prepare(parts(empty, 4))
    empty[9, 0, 0] = np.nan
    with pytest.raises(NonFiniteError, match="relevance, of the maps from number 8 on, has 1 "):
        prepare(parts(empty, 4))
    with pytest.raises(
        ShapeError, match=r"maps from number 4 on are prepared to \(3, 4\), and those before to \(4, 4\)"
    ):
        prepare(iter([maps[:4], maps[4:, :3]]))
    with pytest.raises(ShapeError, match="there are no maps: what was to give them gives nothing"):
        prepare(iter([]))
    once = parts(maps, 4)
    prepare(once)
    with pytest.raises(ShapeError, match="was gone through before"):
        cluster(once, neighbours=3)
    with pytest.raises(ShapeError, match="expected maps"):
        prepare(iter(maps[0, 0]))
