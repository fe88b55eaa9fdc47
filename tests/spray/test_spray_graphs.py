"""Neighbours, eigenvalues and their gap, against the definitions written out, and stored numbers."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import golden_methods
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.spray import eigengap, graphs, laplacian, neighbour_graph, prepare, spectrum

pytest.importorskip("sklearn")


def written_out(points: np.ndarray, k: int, graph: str) -> np.ndarray:
    """The graph by the definition: sort the distances of each point to all others."""
    n = len(points)
    a = np.zeros((n, n))
    for i in range(n):
        others = [j for j in range(n) if j != i]
        others.sort(key=lambda j: (float(((points[i] - points[j]) ** 2).sum()), j))
        a[i, others[:k]] = 1
    return np.maximum(a, a.T) if graph == "union" else (a + a.T) / 2


def dense(graph: np.ndarray) -> np.ndarray:
    """All eigenvalues of I − D^−½AD^−½, by NumPy."""
    degree = graph.sum(axis=1)
    return np.linalg.eigvalsh(np.eye(len(graph)) - graph / np.sqrt(np.outer(degree, degree)))


@pytest.mark.parametrize("graph", ["union", "average"])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_the_graph_is_that_of_the_definition(graph: str, k: int) -> None:
    points = np.random.default_rng(k).integers(0, 4, (30, 3)).astype(float)  # with many ties and duplicates
    made = neighbour_graph(points, k, graph)
    assert np.array_equal(made.toarray(), written_out(points, k, graph))
    assert not made.diagonal().any()


def test_blocks_of_distances_do_not_change_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).normal(size=(23, 4))
    whole = neighbour_graph(points, 3).toarray()
    monkeypatch.setattr(graphs, "BLOCK", 50)
    assert np.array_equal(neighbour_graph(points, 3).toarray(), whole)


def test_duplicates_are_neighbours_of_each_other() -> None:
    """The nearest in a sorted list need not be the point itself: of three equal ones two are."""
    points = np.array([[0.0], [5.0], [0.0], [0.0], [5.5], [6.0]])
    made = neighbour_graph(points, 2, "average").toarray()
    assert made[0, 2] == made[0, 3] == made[2, 3] == 1
    assert not made[[0, 2, 3]][:, [1, 4, 5]].any()
    assert np.array_equal(spectrum(neighbour_graph(points, 2))[0][:2], [0.0, 0.0])


@golden_methods.needed
@pytest.mark.parametrize("graph", ["union", "average"])
def test_stored_eigenvalues(graph: str) -> None:
    stored = golden_methods.arrays("extra")
    points = prepare(stored["spray/maps"]).reshape(60, -1)
    made = neighbour_graph(points, 10, graph)
    if graph == "average":
        assert np.array_equal(made.toarray(), stored["spray/affinity_average"])
    values, _ = spectrum(made, 60)
    assert np.abs(values - stored[f"spray/eigenvalues_{graph}"]).max() <= 1e-12
    told = golden_methods.about("extra")[f"spray {graph}"]
    k, gap = eigengap(values)
    assert k == told["eigengap_k"] == 3
    assert abs(gap - (told["first"][3] - told["first"][2])) < 1e-12


def parts(*sizes: int, seed: int = 0) -> np.ndarray:
    """Points in clouds so far apart that the graph falls into as many parts."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(size=(n, 3)) + 1000 * k for k, n in enumerate(sizes)])


@pytest.mark.parametrize("limit", [1500, 0])
@pytest.mark.parametrize("sizes", [(40,), (20, 30), (9, 9, 50), (12, 12, 12, 12)])
def test_the_smallest_eigenvalues_also_of_graphs_in_parts(
    sizes: tuple[int, ...], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dense and by Lanczos steps; 2·many points or fewer are always dense."""
    monkeypatch.setattr(graphs, "DENSE", limit)
    made = neighbour_graph(parts(*sizes), 4)
    values, vectors = spectrum(made, 6)
    assert np.abs(values - dense(made.toarray())[:6]).max() < 1e-9
    assert (values[: len(sizes)] == 0).all()
    assert values[len(sizes)] > 1e-4
    assert (np.diff(values) >= 0).all()
    assert np.abs(laplacian(made) @ vectors - vectors * values).max() < 1e-7
    assert np.abs(vectors.T @ vectors - np.eye(6)).max() < 1e-7


def test_a_large_part_by_lanczos_steps() -> None:
    points = np.random.default_rng(1).normal(size=(1600, 2))
    made = neighbour_graph(points, 8)
    assert np.abs(spectrum(made, 10)[0] - dense(made.toarray())[:10]).max() < 1e-9


def test_all_eigenvalues_of_few_points() -> None:
    values, vectors = spectrum(neighbour_graph(np.array([[0.0], [1.0], [3.0]]), 2), 32)
    assert np.abs(values - [0, 1.5, 1.5]).max() < 1e-12  # the complete graph of three: n/(n − 1) twice
    assert vectors.shape == (3, 3)


def test_the_gap_counts_clusters() -> None:
    assert eigengap(np.array([0.0, 0.5, 0.6, 0.7])) == (1, 0.5)
    assert eigengap(np.array([0.0, 0.0, 0.1, 0.9]))[0] == 3
    assert eigengap(np.array([0.0, 0.0, 0.1, 0.9]), most=2)[0] == 2
    zeros = np.array([0.0] * 5 + [0.4])
    assert eigengap(zeros, most=2) == (5, 0.4)  # as many clusters as parts


def refused(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_what_a_graph_is_not_made_of() -> None:
    points = np.zeros((5, 2))
    refused(lambda: neighbour_graph(points, 5), ParameterError, "5 maps cannot have 5 neighbours each: give 6 maps")
    refused(lambda: neighbour_graph(points[:1], 1), ParameterError, "1 map cannot have 1 neighbours")
    refused(lambda: neighbour_graph(points, 0), ParameterError, "neighbours is 0")
    refused(lambda: neighbour_graph(points, True), ParameterError, "neighbours is True")
    refused(lambda: neighbour_graph(points, 2, "unoin"), ParameterError, "unknown graph 'unoin': did you mean 'union'")
    refused(lambda: neighbour_graph(points[0], 1), ShapeError, r"shape \(2,\)")
    refused(lambda: eigengap(np.zeros(1)), ParameterError, "1 eigenvalues")


def test_maps_are_summed_and_made_smaller() -> None:
    maps = np.arange(36.0).reshape(1, 1, 6, 6)
    small = prepare(maps, size=(3, 2), normalise="none")[0]
    assert np.array_equal(small, maps[0, 0].reshape(3, 2, 2, 3).sum(axis=(1, 3)))
    both = prepare(np.concatenate([maps, 2 * maps], axis=1), size=4, normalise="none")
    assert np.isclose(both.sum(), 3 * maps.sum())  # sides that do not divide: the sum stays
    assert np.array_equal(prepare(maps, size=None, normalise="none")[0], maps[0, 0])
    assert np.array_equal(prepare(maps, size=100, normalise="none")[0], maps[0, 0])  # none is made larger


def test_a_border_between_blocks_is_divided_in_proportion() -> None:
    assert np.allclose(prepare(np.array([[[1.0, 10.0, 100.0]]]), size=2, normalise="none"), [[[6, 105]]])


@pytest.mark.parametrize(("way", "size"), [("l1", 7.0), ("l2", 5.0), ("max", 4.0)])
def test_ways_to_normalise(way: str, size: float) -> None:
    for scale in (1.0, 1e-200, 1e200):
        assert np.allclose(prepare(scale * np.array([[3.0, -4.0]]), normalise=way), np.array([[3, -4]]) / size)


def test_what_no_map_is() -> None:
    maps = np.ones((4, 2, 2))
    refused(lambda: prepare(maps[:0]), ShapeError, r"shape \(0, 2, 2\)")
    refused(lambda: prepare(np.ones(3)), ShapeError, r"shape \(3,\)")
    refused(lambda: prepare(maps * [[np.nan, 1]]), lrp.errors.NonFiniteError, "8 values that are not finite")
    refused(lambda: prepare(maps * np.array([1, 0, 1, 0])[:, None, None]), ParameterError, "2 of 4 maps .* number 1")
    refused(lambda: prepare(np.array([[[[1.0]], [[-1.0]]]])), ParameterError, "1 of 1 maps are 0 everywhere")
    refused(lambda: prepare(maps, size=0), ParameterError, "size is 0")
    refused(lambda: prepare(maps, size=(1, 2, 3)), ParameterError, "size is")  # type: ignore[arg-type]
    refused(lambda: prepare(maps, normalise="l3"), ParameterError, "unknown way to normalise maps 'l3'")
    refused(lambda: prepare(maps.astype(complex)), ParameterError, "dtype complex128")


def test_the_pairs_of_two_clouds_are_joined_within_them_only() -> None:
    made = neighbour_graph(parts(8, 8), 3).toarray()
    assert not any(made[i, j] for i, j in combinations(range(16), 2) if (i < 8) != (j < 8))
