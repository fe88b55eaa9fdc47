"""Message tables: their sums are the fast rule, for every named rule; columns add up; errors."""

from __future__ import annotations

import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import messages, rules
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import (
    LSTM,
    Affine,
    AveragePool,
    Conv,
    ConvTranspose,
    Dense,
    GlobalAveragePool,
    Layer,
    MaxPool,
    ReLU,
    Sum,
    SumPool,
)
from lrp_ref.rules.edits import add, clip, relative
from lrp_ref.rules.rule import Rule
from lrp_ref.teach.message_tables import LARGEST, matrix_of

RNG = np.random.default_rng(2)


@pytest.fixture(autouse=True)
def _seed(request: pytest.FixtureRequest) -> None:
    """Every test draws its own numbers, whichever tests run before it."""
    RNG.bit_generator.state = np.random.default_rng(zlib.crc32(request.node.name.encode())).bit_generator.state


def draw(*shape: int) -> Any:
    """Multiples of 1/4 of both signs, some of them 0."""
    return RNG.integers(-8, 9, size=shape) / 4


LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (lambda: Dense(draw(4, 3), draw(3)), (4,)),
    "dense-no-bias": (lambda: Dense(draw(4, 3)), (4,)),
    "conv": (lambda: Conv(draw(2, 2, 2, 2), draw(2), padding=1, stride=2), (2, 3, 3)),
    "conv-grouped": (lambda: Conv(draw(2, 1, 3), draw(2), groups=2), (2, 5)),
    "transposed": (lambda: ConvTranspose(draw(2, 2, 2), draw(2), stride=2), (2, 3)),
    "average": (lambda: AveragePool(2, padding=1), (1, 4)),
    "sum": (lambda: SumPool(2, stride=1), (2, 3)),
    "global": (lambda: GlobalAveragePool(), (2, 2, 2)),
    "whole": (lambda: Sum(axes=(1,), keepdims=False), (3, 2)),
    "affine": (lambda: Affine(draw(2), draw(2)), (2, 3)),
}
EXACT = [
    rules.LRP0(), rules.LRP0(add(0.25)), rules.LRP0(clip(0.5)), rules.Epsilon(0.25), rules.Epsilon(0),
    rules.Epsilon(0.25, bias_share=1), rules.Epsilon(0.25, bias_share=0.5, stabiliser_share=1), rules.Gamma(0.25),
    rules.Gamma(0.5, add(0.25)), rules.GeneralizedGamma(0.25), rules.AlphaBeta(2, 1), rules.AlphaBeta(1, 0),
    rules.AlphaBeta(1.5, 0.5, add(0.125)), rules.ZPlus(), rules.WSquare(), rules.WSquare(add(0.25)), rules.Flat(),
    rules.ZBox(-2, 2), rules.ZBox(-2, 2, add(0.25)), rules.Natural(),
    rules.Reference(0.75), rules.Reference(-2, add(0.25)),
]  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rule", EXACT, ids=repr)
def test_sums_of_messages_are_the_fast_rule_exactly(name: str, rule: Any) -> None:
    build, shape = LAYERS[name]
    layer, x = rational(build()), rational(draw(2, *shape))
    r = rational(draw(*layer.forward(x).shape))
    shared = layer.redistribute(x, r, rule)
    for n in range(2):
        table = messages(layer, x, r, rule, sample=n)
        assert (table.relevance == shared.relevances[0][n].ravel()).all()
        assert table.bias.sum() == shared.bias[n]
        assert table.stabiliser.sum() == shared.stabiliser[n]
        assert table.dropped.sum() == shared.dropped[n]
        columns = table.messages.sum(axis=0) + table.bias + table.stabiliser + table.dropped
        assert (columns == table.relevance_out).all(), "each column adds up to R_j"
        assert (table.inputs == x[n].ravel()).all()
        assert (table.outputs == layer.forward(x)[n].ravel()).all()
        assert (table.relevance_out == r[n].ravel()).all()


@pytest.mark.parametrize("name", ["dense", "conv"])
@pytest.mark.parametrize("rule", [*EXACT, rules.LRP0(relative(0.25)), rules.ZPlus(relative(0.5))], ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_messages_are_the_fast_rule_on_floats(name: str, rule: Any, dtype: Any) -> None:
    build, shape = LAYERS[name]
    layer, x = build().map_arrays(lambda a: a.astype(dtype)), draw(2, *shape).astype(dtype)
    r = draw(*layer.forward(x).shape).astype(dtype)
    table = messages(layer, x, r, rule, sample=1)
    expected = layer.relevance_backward(x, r, rule)[1].ravel()
    assert table.messages.dtype == dtype
    size = np.abs(table.messages).sum() + 1
    np.testing.assert_allclose(table.relevance, expected, rtol=0, atol=200 * np.finfo(dtype).eps * size)


def test_pass_and_zero() -> None:
    layer, x, r = Affine(draw(3), draw(3)), draw(1, 3), draw(1, 3)
    assert np.array_equal(messages(layer, x, r, rules.Pass()).messages, np.diag(r[0]))
    told = messages(layer, x, r, rules.Zero())
    assert not told.messages.any()
    assert np.array_equal(told.dropped, r[0])


def test_bounds_per_channel_and_per_pixel() -> None:
    layer, x = rational(Conv(draw(2, 3, 2, 2), draw(2), padding=1)), rational(draw(1, 3, 2, 2))
    r = rational(draw(*layer.forward(x).shape))
    low, high = np.array([-2.0, -1.5, -3.0]), np.array([2.0, 2.5, 0.25])
    pixels = np.broadcast_to(low[:, None, None], (3, 2, 2))
    for bounds in ((low, high), (pixels, high[:, None, None]), (list(low), 2.0)):
        rule = rules.ZBox(*bounds)
        table = messages(layer, x, r, rule)
        assert (table.relevance == layer.relevance_backward(x, r, rule).ravel()).all()
        # By hand: channel c of input pixel i has the bounds of its channel.
        m = matrix_of(layer, x)
        lows = np.repeat(rational(low), 4)
        highs = np.repeat(rational(high), 4) if np.ndim(bounds[1]) else rational([2.0] * 12)
        q = x.reshape(-1)[:, None] * m.weight - lows[:, None] * np.maximum(m.weight, 0)
        q = q - highs[:, None] * np.minimum(m.weight, 0)
        total = q.sum(axis=0)
        safe = np.where(total == 0, 1, total)
        expected = (q * np.where(total == 0, 0, r.reshape(-1) / safe)).sum(axis=1)
        assert (table.relevance == expected).all()


def test_the_matrix_is_found_by_probing() -> None:
    layer, x = Conv(np.array([[[1.0, 0.0]]]), np.array([0.5]), padding=((1, 0),)), np.zeros((1, 1, 3))
    m = matrix_of(layer, x)
    assert m.weight.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
    assert m.taps.astype(int).tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 1]], "a tap exists where its weight is 0"
    assert m.bias.tolist() == [0.5, 0.5, 0.5]


def test_the_table_of_the_small_cases() -> None:
    """AB-1 and AB-2: the messages can be read off."""
    one = messages(
        rational(Dense(np.array([[1.0], [-1.0]]), np.array([-1.0]))), rational([[1, 1]]), rational([[-1]]),
        rules.AlphaBeta(2, 1),
    )  # fmt: skip
    assert one.messages[:, 0].tolist() == [-2, Fraction(1, 2)]
    assert one.bias.tolist() == [Fraction(1, 2)]
    two = messages(
        rational(Dense(np.array([[1.0], [1.0]]), np.array([0.5]))), rational([[1, -2]]), rational([["-1/2"]]),
        rules.AlphaBeta(1, 0),
    )  # fmt: skip
    assert two.messages[:, 0].tolist() == [Fraction(-1, 3), 0]
    assert repr(two).splitlines() == [
        rules.AlphaBeta(1, 0).formula(),
        "R_i←j       a_i  j=0 (z=-1/2)   sum",
        "───────────────────────────────────",
        "i=0           1          -1/3  -1/3",
        "i=1          -2             0     0",
        "bias                     -1/6  -1/6",
        "stabiliser                  0     0",
        "dropped                     0     0",
        "R_j                      -1/2  -1/2",
    ]


def test_html() -> None:
    layer = Dense(np.array([[1.0], [2.0]]))
    html = messages(layer, np.ones((1, 2)), np.ones((1, 1)), rules.LRP0())._repr_html_()
    assert "<caption>R_i = Σ_j" in html
    assert '<td style="text-align:right">0.6667</td>' in html


def test_html_draws_what_can_be_drawn() -> None:
    def html(inputs: int, outputs: int, a: float = 1.0) -> str:
        layer = Dense(np.ones((inputs, outputs)))
        return messages(layer, np.full((1, inputs), a), np.ones((1, outputs)), rules.LRP0())._repr_html_()

    assert html(2, 1).count("<svg") == html(12, 12).count("<svg") == 1
    assert html(12, 12).count("<path") == 144
    assert "<svg" not in html(13, 1)
    assert "<svg" not in html(1, 13)
    assert "<svg" not in html(2, 1, np.nan)
    assert "<table" in html(2, 1, np.nan)


def test_another_array_module() -> None:
    from strict import to_strict

    layer, x, r = Conv(draw(2, 1, 2), draw(2)), draw(2, 1, 4), draw(2, 2, 3)
    there = messages(to_strict(layer), to_strict(x), to_strict(r), rules.Gamma(0.25))
    here = messages(layer, x, r, rules.Gamma(0.25))
    assert type(there.messages) is np.ndarray
    assert np.array_equal(there.messages, here.messages)


def test_an_explanation_can_be_read_message_by_message() -> None:
    net = lrp.Network.sequential([Dense(draw(3, 3), draw(3)), ReLU(), Dense(draw(3, 2), draw(2))])
    e = lrp.explain(net, draw(1, 3), composite=rules.Epsilon(0.25))
    table = messages(net["dense2"].layer, e.trace.values["relu1"], e.trace.relevance["dense2"], rules.Epsilon(0.25))
    np.testing.assert_allclose(table.relevance, e.trace.relevance["relu1"][0], rtol=1e-14, atol=1e-15)


DENSE = Dense(np.ones((2, 1)))


@pytest.mark.parametrize(
    ("layer", "x", "r", "rule", "kind", "message"),
    [
        (ReLU(), (1, 2), (1, 2), rules.LRP0(), UnsupportedError, r"messages need a linear layer .* got ReLU\(\)"),
        (MaxPool(2), (1, 1, 2), (1, 1, 1), rules.LRP0(), UnsupportedError, "messages need a linear layer"),
        (DENSE, (1, 2), (1, 2), rules.LRP0(), ShapeError, r"its relevance has shape \(1, 2\)"),
        (DENSE, (1, 3), (1, 1), rules.LRP0(), ShapeError, "does not end in 2 features"),
        (DENSE, (1, 2), (1, 1), rules.Gradient(), UnsupportedError, r"Gradient\(\) has no textbook form here"),
        (DENSE, (1, 2), (1, 1), Rule(rules.LRP0().groups), UnsupportedError, "has no textbook form here"),
        (DENSE, (1, 2), (1, 1), None, UnsupportedError, "None has no textbook form here"),
        (Dense(np.ones((1001, 1000))), (1, 1001), (1, 1000), rules.LRP0(), ShapeError, "1001 × 1000 messages is"),
    ],
)
def test_errors(layer: Layer, x: Any, r: Any, rule: Any, kind: type[LrpError], message: str) -> None:
    assert LARGEST == 1_000_000
    with pytest.raises(kind, match=message):
        messages(layer, np.ones(x), np.ones(r), rule)


@pytest.mark.parametrize("sample", [1, -1, 7])
def test_a_sample_that_is_not_there(sample: int) -> None:
    with pytest.raises(ParameterError, match=rf"^sample {sample} is out of range: the batch has 1$"):
        messages(DENSE, np.ones((1, 2)), np.ones((1, 1)), rules.LRP0(), sample=sample)


def test_recurrent_layers_are_refused() -> None:
    lstm = LSTM(draw(1, 4, 1, 1), draw(1, 4, 1, 1), draw(1, 4, 1))
    with pytest.raises(UnsupportedError, match="messages need a linear layer"):
        messages(lstm, np.ones((1, 1, 1)), np.ones((1, 1, 1)), rules.Epsilon())  # type: ignore[arg-type]
