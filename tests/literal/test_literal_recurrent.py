"""The textbook's GRU, simple RNN and general LSTM: forward against PyTorch, relevance by hand, accounts that close."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest

from lrp_ref.literal import gru, lstm, recurrent, rnn, rules

PRODUCTS = ("signal", "prop", "abs", "half")
LRP0 = rules.lrp0
every_product = pytest.mark.parametrize("product", PRODUCTS)


def rationals(rng: Any, *shape: int) -> Any:
    return np.vectorize(lambda n: Fraction(int(n), 4), otypes=[object])(rng.integers(-9, 10, size=shape))


def hard(z: Any) -> Any:
    return np.minimum(np.maximum(z / 4 + Fraction(1, 2), 0), 1)


def linear(z: Any) -> Any:
    return z


def gate(rng: Any, inputs: int, units: int, *, peephole: bool = False) -> recurrent.Gate:
    return recurrent.Gate(
        rationals(rng, inputs, units), rationals(rng, units, units), rationals(rng, units), rationals(rng, units),
        rationals(rng, units) if peephole else None,
    )  # fmt: skip


# Forward -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_forward_is_pytorchs(kind: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    peer = getattr(torch.nn, kind)(3, 4, dtype=torch.float64)
    x, h0 = torch.randn(5, 3, dtype=torch.float64), torch.randn(1, 4, dtype=torch.float64)
    with torch.no_grad():
        expected, _ = peer(x, h0)
        w, u, b, c = (p.numpy() for p in peer.parameters())
    rows = [slice(4 * k, 4 * k + 4) for k in range(len(w) // 4)]
    gates = [recurrent.Gate(w[s].T, u[s].T, b[s], c[s]) for s in rows]
    if kind == "GRU":
        found = gru.forward(gru.Cell(*gates), x.numpy(), h0[0].numpy()).h
    else:
        found = rnn.forward(gates[0], x.numpy(), h0[0].numpy())
    np.testing.assert_allclose(found[1:], expected.numpy(), rtol=1e-12, atol=1e-14)
    assert np.array_equal(found[0], h0[0].numpy())


def test_one_unit_forward_by_hand() -> None:
    """With σ = clip(z/4 + ½), identities for tanh, and biases in two parts."""
    one = np.array([[Fraction(1)]])

    def block(w: int, u: int, b: int, c: int, p: Any = None) -> recurrent.Gate:
        looks = None if p is None else np.array([Fraction(p)])
        return recurrent.Gate(w * one, u * one, b * one[0], c * one[0], looks)

    x, h0, c0 = one * 2, one[0] * 4, one[0] * 8
    # r = σ(2 − 4 + 1 − 1) = 0, σ(2 − 4 + 2) = ½; n = 3·2 + 1 + r·(2·4 − 4), or 6 + 1 + 2·(r·4) − 4.
    for b, r in ((0, 0), (2, Fraction(1, 2))):
        reset, update, new = block(1, -1, b, 0), block(0, 0, 0, 0), block(3, 2, 1, -4)
        for after, n in ((True, 7 + r * 4), (False, 3 + 8 * r)):
            states = gru.forward(gru.Cell(reset, update, new, after), x, h0, sigmoid=hard, tanh=linear)
            assert (states.r.item(), states.z.item(), states.n.item()) == (r, Fraction(1, 2), n)
            assert states.h[1].item() == n / 2 + 2
    assert rnn.forward(block(3, -2, 1, 5), x, h0, tanh=linear)[1].item() == 6 - 8 + 6
    # i = σ(2 − 4 + 8/8·1) = ¼, f = 1 − i, or σ(0·8 − 1) = ¼; g = 2·2; o looks at c_1: σ(c_1/2 − 2).
    i, g, o = block(1, -1, 0, 0, Fraction(1, 8)), block(2, 0, 0, 0), block(0, 0, -2, 0, Fraction(1, 2))
    for f, kept in ((None, 6), (block(0, 0, -1, 0, 0), 2)):
        told = lstm.forward(lstm.Cell(i, g, f, o), x, h0, c0, sigmoid=hard, tanh=linear, tanh_of_c=lambda c: 3 * c)
        c = 1 + kept
        assert (told.c[1].item(), told.o.item()) == (c, hard(np.array([Fraction(c, 2) - 2], object)).item())
        assert told.h[1].item() == told.o.item() * 3 * c


# Relevance ---------------------------------------------------------------------------------------------------------


@every_product
@pytest.mark.parametrize("kind", ["GRU after", "GRU before", "RNN", "LSTM", "peepholes", "coupled"])
@pytest.mark.parametrize("bias", ["absorb", "ignore", "spread", "nonzero"])
def test_accounts_close_exactly(kind: str, product: Any, bias: Any) -> None:
    rng = np.random.default_rng(len(kind))
    x, h0, c0, put, put_c = (rationals(rng, *shape) for shape in ((3, 3), (2,), (2,), (3, 2), (2,)))
    dense, state = partial(rules.epsilon, epsilon=Fraction(1, 50), bias=bias), partial(rules.epsilon, epsilon=1)
    total = put.sum()
    if kind == "RNN":
        cell = gate(rng, 3, 2)
        told: Any = rnn.relevance(cell, x, rnn.forward(cell, x, h0, tanh=linear), put, dense=dense)
    elif kind.startswith("GRU"):
        three = gru.Cell(*(gate(rng, 3, 2) for _ in range(3)), kind.endswith("after"))
        states = gru.forward(three, x, h0, sigmoid=hard, tanh=linear)
        told = gru.relevance(three, x, states, put, dense=dense, state=state, product=product)
    else:
        i, g, f, o = (gate(rng, 3, 2, peephole=kind != "LSTM" and k != 1) for k in range(4))
        four = lstm.Cell(i, g, None if kind == "coupled" else f, o)
        steps = lstm.forward(four, x, h0, c0, sigmoid=hard, tanh=linear)
        told = lstm.relevance(four, x, steps, put, put_c, epsilon=Fraction(1, 50), bias=bias, product=product)
        total = total + put_c.sum()
    assert told.total == total
    assert (bias == "absorb") == bool(told.bias.any())
    assert told.stabiliser.any()
    assert told.x.any()


@pytest.mark.parametrize(
    ("product", "x", "c0", "dropped"),
    [("signal", -2, 8, 0), ("prop", 10, 2, -1), ("abs", "19/2", 2, "-1/2"), ("half", "19/2", 2, "-1/2")],
)
def test_one_unit_of_an_lstm_by_hand(product: Any, x: Any, c0: Any, dropped: Any) -> None:
    """i = ½ (z = 0), g = −½, f = 1 (z = x + 1), c = −¼ + 1, o = ¾ (z = 3x − 2), h = ¾·¾; relevance 6, LRP-0.

    The factors of h get 3 each but for "signal"; the sum hands 3·(−¼)/¾ = −1 to i g and 4 to f c_0, of which prop
    drops the first, as i + g = 0, and the others halve both: −½ of i has no denominator either.
    """
    one, zero = np.array([[Fraction(1)]]), np.array([[Fraction(0)]])
    i, g, f, o = (
        recurrent.Gate(w * one, zero, b * one[0], zero[0]) for w, b in ((0, 0), (Fraction(-1, 2), 0), (1, 1), (3, -2))
    )
    cell = lstm.Cell(i, g, f, o)
    states = lstm.forward(cell, one, zero[0], one[0], sigmoid=hard, tanh=linear)
    assert states.h[1].item() == Fraction(9, 16)
    told = lstm.relevance(cell, one, states, 6 * one, epsilon=0, product=product)
    assert (told.x.item(), told.c0.item(), told.dropped.item()) == (Fraction(x), c0, Fraction(dropped))
    assert told.bias.item() == (0 if product == "signal" else -5)


@pytest.mark.parametrize(
    ("product", "after", "x", "h0", "dropped"),
    [
        ("signal", True, "3/2", 3, 0), ("signal", False, "3/2", 3, 0), ("half", True, "3/4", "9/8", "21/8"),
        ("half", False, "3/4", "9/8", "21/8"), ("prop", True, "6/5", "49/25", "67/50"),
        ("prop", False, "6/5", "9/5", "3/2"), ("abs", True, "6/5", "49/25", "67/50"),
    ],
)  # fmt: skip
def test_one_unit_of_a_gru_by_hand(product: Any, after: bool, x: Any, h0: Any, dropped: Any) -> None:
    """r = z = ½ (z = 0), n = 1·1 + ½·(2·1) = 2 in both conventions, h = ½·2 + ½·1 = 3/2; relevance 9/2, LRP-0.

    The sum gives 3 to (1 − z) n and 3/2 to z h_0. By prop 3·½/(½ + 2) = 3/5 of it goes to 1 − z and 12/5 to n, which
    halves them between x and q; 3/2 becomes ½ for z and 1 for h_0. q = r·2 hands 6/5·½/(5/2) = 6/25 to r and 24/25 to
    h_0, q = r·1 hands 2/5 and 4/5. What gates receive is dropped, as their z is 0.
    """
    one, zero = np.array([[Fraction(1)]]), np.array([[Fraction(0)]])
    flat = recurrent.Gate(zero, zero, zero[0], zero[0])
    cell = gru.Cell(flat, flat, recurrent.Gate(one, 2 * one, zero[0], zero[0]), after)
    states = gru.forward(cell, one, one[0], sigmoid=hard, tanh=linear)
    assert (states.n.item(), states.h[1].item()) == (2, Fraction(3, 2))
    told = gru.relevance(cell, one, states, Fraction(9, 2) * one, dense=LRP0, state=LRP0, product=product)
    assert (told.x.item(), told.h0.item(), told.dropped.item()) == (Fraction(x), Fraction(h0), Fraction(dropped))
    assert told.total == Fraction(9, 2)
