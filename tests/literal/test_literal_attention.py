"""The textbook's products of matrices, softmax and norms: by hand, against PyTorch, and their ledgers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact, rationals

from lrp_ref.literal import attention, rules, stabilisers

A, B = exact([1, 2], [0, -1]), exact([3], [1])  # y = (5, −1)


@pytest.mark.parametrize(
    ("how", "gate", "of_a", "of_b"),
    [
        ("signal", 0, [[0, 0], [0, 0]], [[6], [8]]),  # 10 goes 3 : 2 to the terms of 5, and 4 to the one term of −1
        ("signal", 1, [[6, 4], [0, 4]], [[0], [0]]),
        ("half", None, [[3, 2], [0, 2]], [[3], [4]]),
    ],
)
def test_products_of_matrices_by_hand(how: Any, gate: int | None, of_a: list[Any], of_b: list[Any]) -> None:
    assert attention.matmul(A, B).tolist() == [[5], [-1]]
    told = attention.matmul_relevance(A, B, exact([10], [4]), how, gate)
    assert [part.tolist() for part in told.inputs] == [of_a, of_b]
    assert told.stabiliser.tolist() == told.dropped.tolist() == [[0], [0]]


def test_a_stabiliser_takes_its_part_and_sums_of_zero_are_dropped() -> None:
    told = attention.matmul_relevance(A, B, exact([10], [4]), "signal", 0, stabilisers.add(F(5)))
    assert told.stabiliser.tolist() == [[5], [F(10, 3)]]  # 5 of 10, 5 of 6
    assert told.inputs[1].tolist() == [[3], [F(8, 3)]]
    cancelling = attention.matmul_relevance(exact([1, 1]), exact([2], [-2]), exact([7]), "half")
    assert (cancelling.dropped.tolist(), cancelling.inputs[0].tolist()) == ([[7]], [[0, 0]])


@pytest.mark.parametrize("stabiliser", [stabilisers.exact, stabilisers.add(F(1, 8))], ids=["exact", "add"])
@pytest.mark.parametrize("how", ["signal", "half"])
def test_the_ledger_closes_over_heads_that_share_a_matrix(how: Any, stabiliser: Any) -> None:
    rng = np.random.default_rng(5)
    a, b, relevance = (rationals(rng, *shape) for shape in ((2, 3, 2), (1, 2, 3), (2, 3, 3)))
    assert attention.matmul(a, b).tolist() == (a @ b).tolist()
    told = attention.matmul_relevance(a, b, relevance, how, 1, stabiliser)
    arrived = sum(part.sum() for part in told.inputs)
    assert arrived + told.stabiliser.sum() + told.dropped.sum() == relevance.sum()
    assert [part.shape for part in told.inputs] == [a.shape, b.shape]
    assert (told.inputs[1] == 0).all() == (how == "signal")


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        attention.matmul(A, exact([1, 2, 3]))
    for how, gate in (("signal", None), ("prop", 0)):
        with pytest.raises(ValueError, match="product must be"):
            attention.matmul_relevance(A, B, exact([1], [1]), how, gate)  # type: ignore[arg-type]


def test_softmax_and_its_taylor_terms_against_automatic_differentiation() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    x, relevance = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    given = torch.tensor(x, requires_grad=True)
    y = torch.softmax(given, dim=-1)
    (y * (torch.tensor(relevance) / y).detach()).sum().backward()
    np.testing.assert_allclose(attention.softmax(x), y.detach().numpy(), rtol=1e-13)
    told = attention.softmax_relevance(x, relevance)
    np.testing.assert_allclose(told.inputs[0], (given.grad * given).detach().numpy(), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(told.dropped.sum(), relevance.sum() - told.inputs[0].sum(), rtol=1e-12)


@pytest.mark.parametrize("centre", [True, False])
def test_a_norm_as_a_matrix_against_automatic_differentiation(centre: bool) -> None:
    """The matrix is the Jacobian with the deviation detached, and gives the norm's value."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(7).normal(size=6)
    members = [[0, 2, 4], [1, 3, 5]]

    def normal(v: Any) -> Any:
        y = torch.zeros(6, dtype=torch.float64)
        for group in members:
            part = v[group]
            part = part - part.mean() if centre else part
            y[group] = part / (part.pow(2).mean() + 0.25).sqrt().detach()
        return y

    matrix = attention.norm(x, members, 0.25, centre)
    jacobian = torch.autograd.functional.jacobian(normal, torch.tensor(x))
    np.testing.assert_allclose(matrix.weight.T, jacobian.numpy(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(matrix.forward(x), normal(torch.tensor(x)).numpy(), rtol=1e-12, atol=1e-15)
    assert (matrix.taps == (matrix.weight != 0)).all()


def test_a_norm_on_rationals_conserves_what_is_not_dropped() -> None:
    x = exact(1, 3, 5, 7)
    matrix = attention.norm(x, [[0, 1, 2, 3]], F(4), root=lambda square: {F(9): F(3)}[square])
    assert matrix.forward(x).tolist() == [-1, F(-1, 3), F(1, 3), 1]
    told = rules.lrp0(x, matrix, exact(0, 0, 0, 6))
    assert told.relevance.tolist() == [F(-1, 2), F(-3, 2), F(-5, 2), F(21, 2)]
