"""TorchLRP, Pytorch-LRP and PyTorchRelevancePropagation, run live: what their sources say, number by number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from peer_places import folder_of

pytest.importorskip("torch", reason="PyTorch is not installed")

import lrp_ref as lrp
from lrp_ref import rules
from lrp_ref.layers import Add, AveragePool, Conv, Dense, Flatten, MaxPool, ReLU
from lrp_ref.peers import Recording, Task, find

RNG = np.random.default_rng(11)
WEIGHT, BIAS = RNG.normal(size=(4, 3)), RNG.normal(size=3)
X = np.vstack([RNG.normal(size=(2, 4)), np.zeros((1, 4))])  # the last row meets denominators of the bias alone
START = RNG.normal(size=(3, 3))
EPSILON = 0.125  # float32 has it too, in which TorchLRP adds it

Weights = Callable[[float], float]


def by_unit(z_of: Callable[[int, int], float], message: Callable[[int, int, int], float]) -> np.ndarray:
    """Return Σ_j message / denominator · R_j for every sample and input; nothing where a denominator is 0."""
    received = np.zeros_like(X)
    for k, i, j in np.ndindex(*X.shape, WEIGHT.shape[1]):
        if z_of(k, j) != 0:
            received[k, i] += message(k, i, j) / z_of(k, j) * START[k, j]
    return received


def linear(weights: Weights, sign: Callable[[float], float], epsilon: float, *, bias: Weights | None) -> np.ndarray:
    """Return the relevance under changed weights and bias, with ε times a sign in the denominator."""

    def z_of(k: int, j: int) -> float:
        z = sum(X[k, i] * weights(WEIGHT[i, j]) for i in range(4)) + (0.0 if bias is None else bias(BIAS[j]))
        return z + epsilon * sign(z)

    return by_unit(z_of, lambda k, i, j: X[k, i] * weights(WEIGHT[i, j]))


def alpha_beta(alpha: float, beta: float, epsilon: float = 0.0, *, rare: bool = False) -> np.ndarray:
    """Return αβ without a bias.

    Args:
        alpha, beta: of the rule.
        epsilon: with the sign of each part's sum.
        rare: whether a unit with one of the parts alone gives it factor 1, by a denominator times α or -β.
    """
    received = np.zeros_like(X)
    for k, j in np.ndindex(3, 3):
        terms = [X[k, i] * WEIGHT[i, j] for i in range(4)]
        sums = {part: sum(part(t, 0.0) for t in terms) for part in (max, min)}
        alone = rare and 0.0 in sums.values()
        for factor, (part, z) in zip((alpha, -beta), sums.items(), strict=True):
            if z:
                z = z * factor if alone else z
                received[k] += [factor * part(t, 0.0) / (z + epsilon * np.sign(z)) * START[k, j] for t in terms]
    return received


def same(value: float) -> float:
    return value


def up(z: float) -> float:
    return 1.0 if z >= 0 else -1.0


def squared(w: float) -> float:
    return w + 0.25 * max(w, 0.0) ** 2


CASES: list[tuple[str, Any, Callable[[], np.ndarray]]] = [
    ("torchlrp", rules.Epsilon(EPSILON), lambda: linear(same, lambda z: 1.0 if z > 0 else -1.0, EPSILON, bias=same)),
    ("torchlrp", rules.LRP0(), lambda: linear(same, up, 0.0, bias=same)),
    ("torchlrp", rules.Gamma(0.25), lambda: linear(squared, lambda z: 1.0 if z > 0 else -1.0, 1e-10, bias=squared)),
    ("torchlrp", rules.AlphaBeta(1, 0), lambda: alpha_beta(1, 0)),
    ("torchlrp", rules.AlphaBeta(2, 1), lambda: alpha_beta(2, 1)),
    ("pytorch_lrp", rules.Epsilon(EPSILON), lambda: linear(same, np.sign, EPSILON, bias=None)),
    ("pytorch_lrp", rules.LRP0(), lambda: linear(same, np.sign, 1e-6, bias=None)),
    ("pytorch_lrp", rules.AlphaBeta(2, 1), lambda: alpha_beta(2, 1, 1e-6, rare=True)),
    ("relevance_propagation", rules.Epsilon(EPSILON), lambda: linear(same, lambda z: 1.0, EPSILON, bias=same)),
    ("relevance_propagation", rules.LRP0(), lambda: linear(same, lambda z: 1.0, 1e-5, bias=same)),
    ("relevance_propagation", rules.ZPlus(), lambda: linear(lambda w: max(w, 0.0), lambda z: 1.0, 1e-5, bias=None)),
]


def record(peer: str, net: lrp.Network, x: Any, rule: Any, start: Any) -> Recording:
    asked = {node.name: rule for node in net.nodes if isinstance(node.layer, Dense | Conv)}
    return find(peer).load().record(Task(net, {"input": x}, asked, start), folder_of(peer))


@pytest.mark.parametrize(
    ("peer", "rule", "expected"), CASES, ids=lambda value: value if isinstance(value, str) else None
)
def test_a_dense_layer_gets_what_the_source_says(peer: str, rule: Any, expected: Callable[[], np.ndarray]) -> None:
    net = lrp.Network.sequential([("fc", Dense(WEIGHT, BIAS))])
    found = record(peer, net, X, rule, START)
    np.testing.assert_allclose(found.trace.relevance["input"], expected(), rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(found.trace.relevance["fc"], START)


@pytest.mark.parametrize(("peer", "rule"), [(peer, rule) for peer, rule, _ in CASES])
def test_a_convolution_gets_what_its_matrix_gets(peer: str, rule: Any) -> None:
    """Padded by 1 around a kernel of 3, with stride 1, which all three of them have."""
    rng = np.random.default_rng(3)
    kernel, bias = rng.normal(size=(2, 2, 3, 3)), rng.normal(size=2)
    conv, x = Conv(kernel, bias, padding=1), rng.normal(size=(2, 2, 3, 4))
    start = rng.normal(size=(2, 2, 3, 4))
    basis = np.eye(24).reshape(24, 2, 3, 4)
    matrix = Conv(kernel, padding=1).forward(basis).reshape(24, 24)
    dense = lrp.Network.sequential([("fc", Dense(matrix, np.repeat(bias, 12)))])
    found = record(peer, lrp.Network.sequential([("conv", conv)]), x, rule, start)
    one = record(peer, dense, x.reshape(2, 24), rule, start.reshape(2, 24))
    np.testing.assert_allclose(
        found.trace.relevance["input"].reshape(2, 24), one.trace.relevance["input"], rtol=1e-9, atol=1e-12
    )


def test_what_raises_is_left_out_and_what_is_above_shown() -> None:
    """TorchLRP's way back assumes a stride of 1 and a padding of 1."""
    rng = np.random.default_rng(4)
    layers = [("conv", Conv(rng.normal(size=(2, 1, 3, 3)), stride=2, padding=1)), ("relu", ReLU()), ("flat", Flatten())]
    net = lrp.Network.sequential([*layers, ("fc", Dense(rng.normal(size=(18, 3)), np.ones(3)))])
    found = record("torchlrp", net, rng.normal(size=(2, 1, 5, 5)), rules.Epsilon(EPSILON), rng.normal(size=(2, 3)))
    assert list(found.left_out) == ["conv"]
    assert found.left_out["conv"].startswith(("it raises RuntimeError: ", "what it hands down has another shape"))
    assert set(found.trace.relevance) == {"fc", "flat", "relu", "conv"}


@pytest.mark.parametrize(("peer", "layer"), [("pytorch_lrp", AveragePool(2)), ("relevance_propagation", Add())])
def test_a_layer_that_a_program_has_not_is_named(peer: str, layer: Any) -> None:
    rng = np.random.default_rng(5)
    nodes = (
        lrp.Node("odd", layer, ("input",) * (2 if isinstance(layer, Add) else 1)),
        lrp.Node("f", Flatten(), ("odd",)),
    )
    x = rng.normal(size=(2, 1, 4, 4))
    size = layer.forward(x, x)[0].size if isinstance(layer, Add) else 4
    net = lrp.Network((*nodes, lrp.Node("fc", Dense(np.ones((size, 2))), ("f",))), (lrp.Input("input"),), ("fc",))
    found = record(peer, net, x, rules.Epsilon(EPSILON), rng.normal(size=(2, 2)))
    assert list(found.left_out) == ["odd"]
    assert "input" not in found.trace.relevance


def test_a_max_pool_is_a_mean_for_one_and_a_winner_for_another() -> None:
    x, start = np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.array([[[[2.0]]]])
    net = lrp.Network.sequential([("pool", MaxPool(2))])
    means = record("relevance_propagation", net, x, None, start).trace.relevance["input"]
    np.testing.assert_allclose(means.ravel(), [2 * v / 10.00004 for v in (1, 2, 3, 4)], rtol=1e-12)
    winner = record("pytorch_lrp", net, x, None, start).trace.relevance["input"]
    np.testing.assert_array_equal(winner.ravel(), [0, 0, 0, 2])


@pytest.mark.parametrize("peer", ["torchlrp", "pytorch_lrp", "relevance_propagation"])
def test_float32_stays_float32(peer: str) -> None:
    net = lrp.Network.sequential([("fc", Dense(WEIGHT.astype(np.float32), BIAS.astype(np.float32)))])
    found = record(peer, net, X.astype(np.float32), rules.Epsilon(EPSILON), START.astype(np.float32))
    assert {array.dtype for array in found.trace.relevance.values()} == {np.dtype(np.float32)}
