"""Vectors of documents: the formulas, another program's answer, and their principal components."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError
from lrp_ref.layers import Dense, Embedding, Sum
from lrp_ref.text import document_vectors, principal_components

GOLDEN = Path(__file__).parents[3] / "shared" / "golden-nonneural" / "document_vector.npz"
F = Fraction


def exact(values: Any) -> Any:
    return np.array([[F(v) for v in row] for row in values], dtype=object)


def test_the_formulas_on_rationals() -> None:
    v, r = exact([[1, 2], [-3, "1/2"], [0, 5]]), np.array([F(1, 3), F(-2), F(7)], dtype=object)
    (weighted,) = document_vectors([v], [r])
    assert list(weighted) == [F(1, 3) + 6, F(2, 3) - 1 + 35]
    each = exact([[1, -1], [2, "1/3"], [5, 0]])
    (elementwise,) = document_vectors([v], [each])
    assert list(elementwise) == [1 - 6 + 0, -2 + F(1, 6) + 0]
    assert list(document_vectors([v])[0]) == [F(-2, 3), F(15, 6)]


def test_documents_of_different_length() -> None:
    draw = np.random.default_rng(0)
    vectors = [draw.normal(size=(n, 4)) for n in (1, 5, 3)]
    relevances = [draw.normal(size=n) for n in (1, 5, 3)]
    found = document_vectors(vectors, relevances)
    by_hand = [
        [sum(r[t] * v[t, j] for t in range(len(v))) for j in range(4)] for v, r in zip(vectors, relevances, strict=True)
    ]
    np.testing.assert_allclose(found, by_hand, rtol=1e-12)


def test_another_program_s_answer() -> None:
    if not GOLDEN.exists():
        pytest.skip(f"{GOLDEN} is absent")
    with np.load(GOLDEN, allow_pickle=False) as held:
        (plain,) = document_vectors([held["embeddings"]], [held["relevance"]])
        (each,) = document_vectors([held["embeddings"]], [held["relevance_elementwise"]])
        np.testing.assert_allclose(plain, held["vector"], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(each, held["vector_elementwise"], rtol=1e-12, atol=1e-12)


def test_from_an_explanation() -> None:
    """The trace has the word vectors and the relevance of each of their dimensions, whose sum is the word's."""
    draw = np.random.default_rng(3)
    net = lrp.Network.sequential(
        [("embedding", Embedding(draw.normal(size=(6, 3)))), Sum((1,), keepdims=False), Dense(draw.normal(size=(3, 2)))]
    )
    e = lrp.explain(net, np.array([[1, 5, 0, 2]]), target=1, trace=True)
    v, r = e.trace.values["embedding"][0], e.trace.relevance["embedding"][0]
    np.testing.assert_allclose(r.sum(axis=1), e.relevance[0], rtol=1e-12)
    (weighted,), (each,) = document_vectors([v], [e.relevance[0]]), document_vectors([v], [r])
    np.testing.assert_allclose(weighted, e.relevance[0] @ v, rtol=1e-12)
    np.testing.assert_allclose(each, (r * v).sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    ("vectors", "relevances", "reason"),
    [
        ([np.ones((2, 3))], [np.ones(3)], r"document 0: relevance has shape \(3,\); \(2,\) or \(2, 3\) fits"),
        ([np.ones((2, 3))], [np.ones(2), np.ones(2)], "1 document"),
        ([np.ones((2, 3)), np.ones((2, 4))], None, r"different length: \[3, 4\]"),
        ([np.ones((0, 3))], None, "document 0: its word vectors"),
        ([np.ones(3)], None, "document 0: its word vectors"),
    ],
)
def test_shapes_that_do_not_fit(vectors: Any, relevances: Any, reason: str) -> None:
    with pytest.raises(ShapeError, match=reason):
        document_vectors(vectors, relevances)


def test_no_document() -> None:
    with pytest.raises(ParameterError, match="no document"):
        document_vectors([])


def test_components_are_eigenvectors_of_the_covariance() -> None:
    d = np.random.default_rng(1).normal(size=(30, 5)) * [3, 1, 0.5, 2, 0.1]
    found = principal_components(d, 3)
    values, directions = np.linalg.eigh(np.cov(d.T))
    for k in range(3):
        expected = directions[:, -1 - k] * np.sign(directions[abs(directions[:, -1 - k]).argmax(), -1 - k])
        np.testing.assert_allclose(found.directions[k], expected, atol=1e-10)
        np.testing.assert_allclose(found.explained[k], values[-1 - k] / values.sum(), rtol=1e-10)
    np.testing.assert_allclose(found.points, (d - d.mean(axis=0)) @ found.directions.T, atol=1e-12)


def test_documents_that_are_all_the_same() -> None:
    found = principal_components(np.ones((3, 2)))
    assert (found.points == 0).all()
    assert (found.explained == 0).all()


def test_components_that_are_not_there() -> None:
    with pytest.raises(ParameterError, match="4 components of 3 documents in 5 dimensions"):
        principal_components(np.ones((3, 5)), 4)
    with pytest.raises(ShapeError, match="two documents or more"):
        principal_components(np.ones((1, 5)))


def test_numbers_without_directions() -> None:
    found = principal_components(exact([[0, 1], [2, 1], [4, 1]]), 1)
    np.testing.assert_allclose(found.points, [[-2.0], [0.0], [2.0]], atol=1e-15)
    for wrong in (np.nan, np.inf):
        with pytest.raises(NonFiniteError, match=r"vectors has 1 values that are not finite; .* at \(1, 0\)"):
            principal_components(np.array([[0.0, 1.0], [wrong, 1.0]]))
    for strange in (np.array([["a"], ["b"]]), np.array([[1j], [2j]])):
        with pytest.raises(ParameterError, match="real ones have directions"):
            principal_components(strange)
    with pytest.raises(ParameterError, match=r"1\.5 components of 3"):
        principal_components(np.eye(3), 1.5)  # type: ignore[arg-type]
