"""Groups of maps whose strategies are known, the ranking of classes, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
import sys

import golden_methods
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import MissingExtraError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.spray import cluster, rank

adjusted_rand = pytest.importorskip("sklearn.metrics").adjusted_rand_score


def strategies(*counts: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Maps (N, 8, 8) with relevance in one of four corners, in mixed order, and which."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    maps = 0.2 * rng.normal(size=(len(kinds), 8, 8))
    for corner in range(len(counts)):
        y, x = divmod(corner, 2)
        maps[kinds == corner, 5 * y : 5 * y + 3, 5 * x : 5 * x + 3] += 1
    return maps, kinds


@golden_methods.needed
@pytest.mark.parametrize("graph", ["union", "average"])
def test_the_stored_maps_have_three_strategies(graph: str) -> None:
    found = cluster(golden_methods.arrays("extra")["spray/maps"], graph=graph, embedding="spectral")
    assert (found.k, found.sizes) == (3, (25, 20, 15))
    assert adjusted_rand(np.repeat([0, 1, 2], (25, 20, 15)), found.labels) == 1


@pytest.mark.parametrize("graph", ["union", "average"])
@pytest.mark.parametrize("counts", [(40,), (30, 20), (30, 20, 15), (25, 20, 15, 12)])
def test_planted_strategies_are_found(counts: tuple[int, ...], graph: str) -> None:
    maps, kinds = strategies(*counts)
    found = cluster(maps, neighbours=8, graph=graph, embedding="spectral")
    assert found.k == found.chosen == len(counts)
    assert found.sizes == counts  # the largest is 0
    assert adjusted_rand(kinds, found.labels) == 1
    assert np.array_equal(found.members(0), np.flatnonzero(kinds == 0))
    assert found.means.shape == (len(counts), 8, 8)
    for c in range(found.k):
        prepared = maps / np.abs(maps).sum(axis=(1, 2), keepdims=True)
        assert np.allclose(found.means[c], prepared[kinds == c].mean(axis=0))


def test_more_strategies_than_asked_for_are_found_where_the_graph_is_in_as_many_parts() -> None:
    maps, kinds = strategies(12, 12, 12, 12)
    found = cluster(maps, neighbours=4, most=2, embedding="spectral")
    assert (found.k, adjusted_rand(kinds, found.labels)) == (4, 1)


def test_a_number_of_clusters_that_is_asked_for() -> None:
    maps, kinds = strategies(30, 20)
    found = cluster(maps, neighbours=6, clusters=3, embedding="spectral")
    assert (found.k, found.chosen) == (3, 2)
    assert "where the largest gap says 2" in repr(found)
    for c in range(3):  # each lies within one strategy
        assert len(set(kinds[found.members(c)])) == 1
    assert cluster(maps, neighbours=6, clusters=1, embedding="spectral").sizes == (50,)


def test_the_same_seed_gives_the_same_clusters_and_any_scale_too() -> None:
    maps, _ = strategies(20, 15)
    found = cluster(maps, neighbours=5, seed=3)
    assert found == cluster(maps, neighbours=5, seed=3)
    assert found.embedding.shape == (35, 2)
    assert np.isfinite(found.embedding).all()
    scaled = cluster(maps * np.linspace(0.1, 50, 35)[:, None, None], neighbours=5, embedding="spectral")
    assert np.array_equal(found.labels, scaled.labels)
    channels = np.stack([maps * 0.25, maps * 0.75], axis=1)
    assert np.array_equal(cluster(channels, neighbours=5, embedding="spectral").labels, found.labels)


def test_the_order_of_the_maps_does_not_change_the_groups() -> None:
    maps, kinds = strategies(20, 15)
    order = np.random.default_rng(0).permutation(35)
    found = cluster(maps[order], neighbours=5, embedding="spectral")
    assert adjusted_rand(kinds[order], found.labels) == 1


def test_vectors_and_duplicates() -> None:
    rows = np.repeat(np.eye(3), (14, 13, 12), axis=0)  # three vectors, each many times
    found = cluster(rows, neighbours=4, embedding="spectral")
    assert (found.k, found.sizes) == (3, (14, 13, 12))
    assert np.array_equal(found.means, np.eye(3))
    assert np.isfinite(cluster(rows, neighbours=4).embedding).all()
    same = cluster(np.ones((6, 4)), neighbours=2)  # nothing to tell apart
    assert same.embedding.shape == (6, 2)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_few_maps(count: int) -> None:
    maps = np.random.default_rng(count).normal(size=(count, 4, 4))
    found = cluster(maps, neighbours=1)
    assert len(found.labels) == count
    assert found.embedding.shape == (count, 2)
    assert len(found.eigenvalues) == count


def test_what_is_no_set_of_maps() -> None:
    maps, _ = strategies(12)
    with pytest.raises(ShapeError, match="shape"):
        cluster(maps[:0])
    with pytest.raises(ParameterError, match="1 map cannot have 10 neighbours each"):
        cluster(maps[:1])
    with pytest.raises(ParameterError, match="10 maps cannot have 10 neighbours each: give 11 maps or more, or fewer"):
        cluster(maps[:10])
    with pytest.raises(NonFiniteError, match="relevance has 1 values"):
        cluster(np.where(maps == maps.max(), np.nan, maps))
    with pytest.raises(ParameterError, match="3 of 12 maps are 0 everywhere, the first is number 0"):
        cluster(maps * (np.arange(12) > 2)[:, None, None])
    with pytest.raises(ParameterError, match="clusters is 13"):
        cluster(maps, clusters=13)
    with pytest.raises(ParameterError, match="most is 0"):
        cluster(maps, most=0)
    with pytest.raises(ParameterError, match="unknown embedding 'umap'"):
        cluster(maps, embedding="umap")


def test_without_scikit_learn_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lrp-ref\[sklearn\]'") as caught:
        cluster(np.ones((3, 2, 2)))
    assert "\n" not in str(caught.value)


def test_a_value_that_can_be_shown_and_kept() -> None:
    maps, _ = strategies(20, 15)
    found = cluster(maps, neighbours=5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.seed = 1  # type: ignore[misc]
    assert copy.deepcopy(found) == found
    assert found != cluster(maps, neighbours=5, seed=1)
    assert repr(found).startswith("Clusters(35 maps: 20 + 15; gap ")
    picture = found.picture(title="corners")
    assert picture.width > 700
    assert len(picture.getcolors(1 << 20)) > 20
    page = found._repr_html_()
    assert page.startswith("<p>Clusters(")
    assert 'src="data:image/png;base64,' in page


def test_pictures_of_vectors_of_one_group_and_of_many() -> None:
    rng = np.random.default_rng(0)
    assert cluster(rng.normal(size=(12, 5)), neighbours=3, embedding="spectral").picture().width > 700
    maps, _ = strategies(12, 12, 12, 12)
    assert cluster(maps, neighbours=3, clusters=10, embedding="spectral").picture().height > 400


def test_classes_in_the_order_of_their_gaps() -> None:
    maps, kinds = strategies(60, 40)
    one, two = maps[kinds == 0], np.concatenate([maps[kinds == 0][:20], maps[kinds == 1][:20]])
    given = np.concatenate([one[20:60], two])
    labels = np.repeat([0, 1], 40)
    for by in ("gap", "second"):
        ranked = rank(given, labels, by=by, names=["one", "two"], neighbours=6)
        assert ranked.classes == ("two", "one")
        assert ranked["two"].chosen == 2
        assert ranked["one"].chosen == 1
        assert ranked["two"].second == 0 < ranked["one"].second
        assert ranked["two"].split > ranked["one"].split
    assert "second eigenvalue" in repr(ranked)
    assert "<table" in ranked._repr_html_()
    assert np.array_equal(ranked["two"].labels, cluster(two, neighbours=6, embedding="spectral").labels)


def test_what_a_ranking_refuses() -> None:
    maps, _ = strategies(20)
    labels = np.repeat([0, 1], 10)
    told: list[tuple[int, int]] = []
    assert len(rank(maps, labels, neighbours=3, progress=lambda *done: told.append(done)).classes) == 2
    assert told == [(1, 2), (2, 2)]
    with pytest.raises(ShapeError, match=r"labels of shape \(19,\) for 20 maps"):
        rank(maps, labels[:19])
    with pytest.raises(ParameterError, match="class 0: 10 maps cannot have 10 neighbours each"):
        rank(maps, labels)
    with pytest.raises(ParameterError, match="unknown order of classes 'gaps': did you mean 'gap'"):
        rank(maps, labels, by="gaps")
    with pytest.raises(ParameterError, match="no class 5; ranked are"):
        rank(maps, labels, neighbours=3)[5]


def test_the_wing_has_its_name() -> None:
    assert lrp.spray.cluster is cluster
