"""The textbook's matrices, pools, products and LSTM against PyTorch, exact answers and another program."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact, rationals

from lrp_ref.literal import Matrix, lstm, matrices, nonlinear, rules, stabilisers

PEERS = Path(__file__).resolve().parents[3] / "shared" / "peer-vectors"


# --- layers that are not linear -------------------------------------------------------------------


def test_max_pool_ties_overlap_and_padding() -> None:
    x, relevance = exact([2, 2, 1, 1]), exact([1, 4, 16])
    pool: dict[str, Any] = {"kernel": 2, "stride": 1}
    assert nonlinear.max_pool(x, relevance, **pool).inputs[0].tolist() == [[1, 4, 16, 0]]
    assert nonlinear.max_pool(x, relevance, ties="share", **pool).inputs[0].tolist() == [[F(1, 2), F(9, 2), 8, 8]]
    square = nonlinear.max_pool(exact([[0, 3], [3, 1]]), exact([[6]]), 2)
    assert square.inputs[0].tolist() == [[[0, 6], [0, 0]]]
    below = nonlinear.max_pool(exact([-3, -2]), exact([5, 7]), 2, padding=1)
    assert below.inputs[0].tolist() == [[5, 7]]
    assert nonlinear.max_pool_forward(exact([-3, -2]), 2, padding=1).tolist() == [[-3, -2]]
    empty = nonlinear.max_pool(exact([1, 2]), exact([5, 7, 9]), 1, stride=2, padding=[(2, 1)])
    assert empty.dropped.tolist() == [[5, 0, 9]]
    assert empty.inputs[0].tolist() == [[7, 0]]


@pytest.mark.parametrize(
    ("rule", "expected"), [("signal", (0, 6)), ("prop", (-3, 9)), ("abs", ("3/2", "9/2")), ("half", (3, 3))]
)
def test_products(rule: Any, expected: Any) -> None:
    told = nonlinear.product(exact(1), exact(-3), exact(6), rule)
    assert [share[0] for share in told.inputs] == exact(*expected).tolist()
    assert told.dropped[0] == 0
    dead = nonlinear.product(exact(0), exact(0), exact(6), rule)
    assert dead.dropped[0] + dead.inputs[0][0] + dead.inputs[1][0] == 6
    assert (dead.dropped[0] == 6) == (rule in ("prop", "abs"))


def test_add_is_lrp0_on_its_matrix() -> None:
    rng = np.random.default_rng(8)
    operands, relevance = [rationals(rng, 2, 3) for _ in range(3)], rationals(rng, 2, 3)
    told = nonlinear.add(operands, relevance, stabilisers.add(F(1, 7)))
    same = rules.epsilon(
        np.concatenate([x.reshape(-1) for x in operands]),
        matrices.add(3, (2, 3), dtype=object),
        relevance,
        F(1, 7),
    )
    assert np.array(told.inputs).reshape(-1).tolist() == same.relevance.tolist()
    assert told.stabiliser.reshape(-1).tolist() == same.stabiliser.tolist()
    assert nonlinear.add([exact(1), exact(3)], exact(8)).inputs[1].tolist() == [6]


# --- matrices and states against PyTorch ----------------------------------------------------------

CONVS: list[dict[str, Any]] = [
    {
        "shape": (2, 7),
        "weight": (4, 2, 3),
        "stride": (2,),
        "padding": [(1, 2)],
        "dilation": (2,),
        "groups": 1,
    },
    {
        "shape": (4, 5, 6),
        "weight": (6, 2, 3, 2),
        "stride": (2, 1),
        "padding": [(0, 2), (1, 0)],
        "dilation": (1, 2),
        "groups": 2,
    },
    {
        "shape": (3, 4, 4),
        "weight": (6, 1, 2, 2),
        "stride": (1, 3),
        "padding": [(0, 0), (1, 1)],
        "dilation": (1, 1),
        "groups": 3,
    },
    {
        "shape": (2, 3, 4, 3),
        "weight": (2, 2, 2, 3, 1),
        "stride": (1, 2, 2),
        "padding": [(1, 0), (1, 1), (0, 1)],
        "dilation": (2, 1, 1),
        "groups": 1,
    },
]


def agree(matrix: Matrix, function: Callable[[Any], Any], shape: tuple[int, ...]) -> None:
    """Probe a PyTorch function (N, *shape) -> (N, ...) with zero and every unit vector."""
    torch = pytest.importorskip("torch")
    inputs = len(matrix.weight)
    probes = torch.cat([torch.zeros(1, inputs, dtype=torch.float64), torch.eye(inputs, dtype=torch.float64)])
    answers = function(probes.reshape(-1, *shape))
    assert matrix.output_shape == tuple(answers.shape[1:])
    rows = answers.reshape(inputs + 1, -1).numpy()
    np.testing.assert_allclose(matrix.bias, rows[0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(matrix.weight, rows[1:] - rows[0], rtol=0, atol=1e-14)
    x = np.random.default_rng(1).normal(size=shape)
    expected = function(torch.from_numpy(x[np.newaxis])).reshape(-1).numpy()
    np.testing.assert_allclose(matrix.forward(x), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", range(len(CONVS)))
@pytest.mark.parametrize("ones", [False, True])
def test_convolutions_are_pytorchs(case: int, ones: bool) -> None:
    torch = pytest.importorskip("torch")
    c, rng = CONVS[case], np.random.default_rng(case)
    axes = len(c["shape"]) - 1
    weight = np.ones(c["weight"]) if ones else rng.normal(size=c["weight"]) * (rng.random(c["weight"]) < 0.7)
    settings = {"stride": c["stride"], "dilation": c["dilation"], "groups": c["groups"]}
    bias = rng.normal(size=c["weight"][0])
    edges = [n for pair in reversed(c["padding"]) for n in pair]

    def conv(x: Any) -> Any:
        padded = torch.nn.functional.pad(x, edges)
        function = getattr(torch.nn.functional, f"conv{axes}d")
        return function(padded, torch.from_numpy(weight), torch.from_numpy(bias), **settings)

    matrix = matrices.conv(weight, bias, input_shape=c["shape"], padding=c["padding"], **settings)
    agree(matrix, conv, c["shape"])
    if ones:  # every tap shows in the weights of a layer of ones, which a layer with zeros must also have
        zeros = matrices.conv(weight * 0, bias, input_shape=c["shape"], padding=c["padding"], **settings)
        assert (zeros.taps == (matrix.weight != 0)).all()


@pytest.mark.parametrize("case", range(len(CONVS)))
@pytest.mark.parametrize("ones", [False, True])
def test_transposed_convolutions_are_pytorchs(case: int, ones: bool) -> None:
    torch = pytest.importorskip("torch")
    c, rng = CONVS[case], np.random.default_rng(case)
    axes, groups = len(c["shape"]) - 1, c["groups"]
    shape = (c["weight"][0], *c["shape"][1:])
    weight = np.ones(c["weight"]) if ones else rng.normal(size=c["weight"])
    bias = rng.normal(size=c["weight"][1] * groups)
    settings = {"stride": c["stride"], "dilation": c["dilation"], "groups": groups}
    extra = tuple(max(s, d) - 1 for s, d in zip(c["stride"], c["dilation"], strict=True))
    # PyTorch's padding is symmetric: crop its uncropped output by hand
    cut = tuple(slice(before, -after if after else None) for before, after in c["padding"])

    def conv_transpose(x: Any) -> Any:
        function = getattr(torch.nn.functional, f"conv_transpose{axes}d")
        y = function(x, torch.from_numpy(weight), torch.from_numpy(bias), output_padding=extra, **settings)
        return y[(slice(None), slice(None), *cut)]

    matrix = matrices.conv_transpose(
        weight, bias, input_shape=shape, padding=c["padding"], output_padding=extra, **settings
    )
    agree(matrix, conv_transpose, shape)
    assert not ones or (matrix.taps == (matrix.weight != 0)).all()


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("count_include_pad", [False, True])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding"),
    [
        ((2, 7), (3,), (2,), (1,)),
        ((1, 5), (2,), (3,), (1,)),
        ((2, 6, 5), (3, 2), (2, 3), (1, 0)),
        ((1, 4, 5, 3), (2, 3, 2), (3, 2, 2), (1, 1, 0)),
        ((1, 3, 8), (3, 4), (4, 3), (1, 2)),
    ],
)
def test_pools_are_pytorchs(
    shape: Any, kernel: Any, stride: Any, padding: Any, count_include_pad: bool, ceil_mode: bool
) -> None:
    torch = pytest.importorskip("torch")
    f, axes = torch.nn.functional, len(kernel)
    settings = {"stride": stride, "ceil_mode": ceil_mode}
    pairs = [(p, p) for p in padding]
    average = matrices.average_pool(shape, kernel, padding=pairs, count_include_pad=count_include_pad, **settings)
    agree(
        average,
        lambda x: getattr(f, f"avg_pool{axes}d")(
            x, kernel, padding=padding, **settings, count_include_pad=count_include_pad
        ),
        shape,
    )
    assert (average.taps == (average.weight != 0)).all()
    summed = matrices.sum_pool(shape, kernel, padding=pairs, **settings)
    assert (summed.weight == average.taps).all()
    assert (summed.taps == average.taps).all()
    x = np.random.default_rng(2).integers(-3, 4, shape).astype(float)  # small integers: many ties
    leaf = torch.from_numpy(x[np.newaxis]).requires_grad_()
    y = getattr(f, f"max_pool{axes}d")(leaf, kernel, padding=padding, **settings)
    relevance = np.random.default_rng(3).normal(size=tuple(y.shape[1:]))
    y.backward(torch.from_numpy(relevance[np.newaxis]))
    assert (nonlinear.max_pool_forward(x, kernel, padding=pairs, **settings) == y.detach().numpy()[0]).all()
    told = nonlinear.max_pool(x, relevance, kernel, padding=pairs, **settings)
    np.testing.assert_allclose(told.inputs[0], leaf.grad.numpy()[0], rtol=1e-14, atol=1e-14)


def test_global_average_pool_is_the_mean() -> None:
    x = rationals(np.random.default_rng(4), 3, 2, 5)
    pool = matrices.global_average_pool(x.shape, dtype=object)
    assert pool.output_shape == (3, 1, 1)
    assert pool.forward(x).tolist() == [sum(c.flat) / F(10) for c in x]


def test_affine_and_multiply_broadcast_as_declared() -> None:
    x = rationals(np.random.default_rng(6), 2, 3, 2)
    per_channel, full, shift = exact(2, 3), rationals(np.random.default_rng(7), 1, 3, 1), exact(5, "1/2")
    both = matrices.affine(per_channel, shift, input_shape=x.shape)
    assert both.forward(x).tolist() == (x * per_channel[:, None, None] + shift[:, None, None]).reshape(-1).tolist()
    assert matrices.multiply(full, input_shape=x.shape).forward(x).tolist() == (x * full).reshape(-1).tolist()
    assert both.taps.sum() == 12
    assert (both.taps == np.eye(12, dtype=bool)).all()


# --- LSTM -----------------------------------------------------------------------------------------


def test_lstm_forward_is_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    peer = torch.nn.LSTM(3, 4, dtype=torch.float64)
    x, h0, c0 = (torch.randn(*shape, dtype=torch.float64) for shape in ((5, 3), (1, 4), (1, 4)))
    with torch.no_grad():
        expected, (_, c) = peer(x, (h0, c0))
        w, u, b, d = (p.numpy() for p in peer.parameters())
        cell = lstm.split_gates(w, u, b, d, order="ifgo")
    states = lstm.forward(cell, x.numpy(), h0[0].numpy(), c0[0].numpy())
    np.testing.assert_allclose(states.h[1:], expected.numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(states.c[-1], c.numpy()[0], rtol=1e-12)


def soft(x: Any) -> Any:
    """Return a rational stand-in for tanh."""
    return x / (1 + abs(x))


@pytest.mark.parametrize("share", [0, 1, F(2, 5)])
@pytest.mark.parametrize("cell_inputs", ["all", "own"])
def test_lstm_ledger_closes_exactly_and_gate_order_does_not_matter(share: Any, cell_inputs: Any) -> None:
    rng = np.random.default_rng(11)
    blocks = {
        name: (rationals(rng, 2, 3), rationals(rng, 2, 2), rationals(rng, 2), rationals(rng, 2)) for name in "ifgo"
    }
    x, h0, c0 = rationals(rng, 3, 3), rationals(rng, 2), rationals(rng, 2)
    put_h, put_c = rationals(rng, 3, 2), rationals(rng, 2)
    results = []
    for order, one_bias in itertools.product(("igfo", "ifgo", "iofg"), (False, True)):
        w, u, b, d = (np.concatenate([blocks[name][k] for name in order]) for k in range(4))
        cell = lstm.split_gates(w, u, b + d if one_bias else b, None if one_bias else d, order=order)
        states = lstm.forward(cell, x, h0, c0, sigmoid=lambda z: (1 + soft(z)) / 2, tanh=soft)
        told = lstm.relevance(
            cell, x, states, put_h, put_c, epsilon=F(1, 50), bias_share=share, cell_inputs=cell_inputs
        )
        assert told.total == put_h.sum() + put_c.sum()
        results.append((told.x.tolist(), told.h0.tolist(), told.c0.tolist(), told.bias.tolist()))
        if share == 1:
            assert not told.bias.any()
            assert not told.stabiliser.any()
    assert all(result == results[0] for result in results)
    assert any(map(any, results[0][0]))


def test_lstm_shares_epsilon_among_the_declared_cell_inputs() -> None:
    zero, one = exact([0, 0]), exact([0, 0], [0, 0])
    gate = lstm.Gate(zero, one, exact(0, 0), exact(0, 0))
    cell = lstm.Cell(gate, gate, gate, gate)
    states = lstm.forward(cell, exact([1]), c0=exact(4, -4), sigmoid=lambda z: (1 + soft(z)) / 2, tanh=soft)
    assert states.c[1].tolist() == [2, -2]  # f = 1/2, g = 0
    told = {
        connected: lstm.relevance(
            cell, exact([1]), states, exact([3, 6]), epsilon=1, bias_share=1, cell_inputs=connected
        )
        for connected in ("all", "own")
    }
    # unit 1: (2, +1 shared) / 3 * 3; unit 2: (-2, -1 shared) / -3 * 6 = (4, 2 shared)
    assert told["own"].c0.tolist() == [2 + F(1, 2), 4 + 1]
    assert told["own"].g[0].tolist() == [F(1, 2), 1]
    assert told["all"].c0.tolist() == [2 + F(3, 4), 4 + F(3, 4)]
    assert told["all"].g[0].tolist() == [F(3, 4)] * 2


@pytest.mark.skipif(not PEERS.is_dir(), reason="relevances computed by other programs are not at hand")
@pytest.mark.parametrize("path", sorted(PEERS.glob("G__*.npz")), ids=lambda p: p.stem)
def test_lstm_is_that_of_its_authors(path: Path) -> None:
    peer, said = np.load(path), json.loads(path.with_suffix(".json").read_text())
    parameters = {"epsilon": said["parameters"]["eps"], "bias_share": said["parameters"]["bias_factor"]}
    x, cells, states = peer["forward/x"], {}, {}
    for side, words in (("Left", x), ("Right", x[::-1])):
        w, u, b, d = (peer[f"param/{name}_{side}"] for name in ("Wxh", "Whh", "bxh", "bhh"))
        cells[side] = lstm.split_gates(w, u, b, d, order="igfo")
        states[side] = lstm.forward(cells[side], words)
        np.testing.assert_allclose(states[side].h[1:], peer[f"forward/h_{side}"][:-1], rtol=0, atol=1e-13)
    top = np.concatenate([peer["param/Why_Left"], peer["param/Why_Right"]], axis=1).T
    hidden = np.concatenate([states["Left"].h[-1], states["Right"].h[-1]])
    output = rules.epsilon(hidden, matrices.dense(top), peer["start_relevance"][0], **parameters)
    rest = 0.0
    for side, words, reversed_by in (("Left", x, 1), ("Right", x[::-1], -1)):
        start = np.zeros((6, 4))
        start[-1] = np.split(output.relevance, 2)[0 if side == "Left" else 1]
        told = lstm.relevance(cells[side], words, states[side], start, **parameters)
        np.testing.assert_allclose(told.x[::reversed_by], peer[f"Rx_{side.lower()}"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(told.c[1:], peer[f"local/Rc_{side}"][:-1], rtol=0, atol=1e-12)
        np.testing.assert_allclose(told.g, peer[f"local/Rg_{side}"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(told.total, start.sum(), rtol=1e-12)
        rest += told.h0.sum() + told.c0.sum()
    assert abs(rest - said["residual_relevance"]) < 1e-12
