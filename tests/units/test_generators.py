"""Effects of a generator's units: a hand-set generator, the literal loop, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import GraphError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.units.generators import CausalEffect, ablate, agreement, causal_effect, insert, sign_test


def painter() -> lrp.Network:
    """Four units on a 2×2 grid, of codes (3,): 0 paints red, 1 green, 2 nothing, 3 both, faintly."""
    rng = np.random.default_rng(3)
    dense = lrp.layers.Dense(rng.standard_normal((3, 16)))
    colours = np.array([[1.0, 0.0, 0.0, 0.25], [0.0, 1.0, 0.0, 0.25]]).reshape(2, 4, 1, 1)
    return lrp.Network.sequential([dense, lrp.layers.Reshape((4, 2, 2)), lrp.layers.ReLU(), lrp.layers.Conv(colours)])


CODES = np.random.default_rng(4).standard_normal((6, 3))


def red(pictures: Any) -> Any:
    return pictures[:, 0].mean(axis=(1, 2))


def units_of(net: lrp.Network, z: Any) -> Any:
    return net.until("relu1").forward(z)


def test_ablated_units_paint_nothing() -> None:
    net = painter()
    before, after = net.forward(CODES), ablate(net, "relu1", [0, 3]).forward(CODES)
    assert (after[:, 0] == 0).all()
    np.testing.assert_allclose(after[:, 1], units_of(net, CODES)[:, 1], rtol=0, atol=1e-15)
    assert (before[:, 0] > 0).any()
    assert net == painter()  # as it was


def test_inserted_units_have_their_value_at_their_places_only() -> None:
    net, where = painter(), np.array([[1, 0], [0.5, 0]])
    values = units_of(insert(net, "reshape1", [1, 2], [7.0, 9.0], where), CODES)
    plain = net.until("reshape1").forward(CODES)
    for n, y, x in np.ndindex(6, 2, 2):
        for unit, high in ((1, 7.0), (2, 9.0)):
            expected = (1 - where[y, x]) * plain[n, unit, y, x] + where[y, x] * high
            assert values[n, unit, y, x] == pytest.approx(max(expected, 0), abs=1e-15)
    np.testing.assert_array_equal(values[:, [0, 3]], units_of(net, CODES)[:, [0, 3]])


def test_a_changed_network_is_explained_and_a_value_that_is_read_twice_or_put_out_is_changed_everywhere() -> None:
    net = ablate(painter(), "relu1", [0])
    assert lrp.explain(net, CODES, target=(0, 0, 0)).ledger.residual < 1e-12
    relu, add = lrp.layers.ReLU(), lrp.layers.Add()
    twice = lrp.Network(
        (lrp.Node("relu", relu, ("x",)), lrp.Node("sum", add, ("relu", "relu"))),
        (lrp.Input("x", (None, 2)),),
        ("sum", "relu"),
    )
    out = ablate(twice, "relu", [1]).forward(np.ones((1, 2)))
    assert {name: a.tolist() for name, a in out.items()} == {"sum": [[2.0, 0.0]], "relu_set": [[1.0, 0.0]]}
    assert ablate(twice, "x", [0]).forward(np.ones((1, 2)))["sum"].tolist() == [[0.0, 2.0]]


def literal(net: lrp.Network, at: str, some: list[int], high: Any, where: Any) -> list[float]:
    """m(insertion) − m(ablation) for each sample, by one forward pass of a changed value each."""
    found = []
    for n in range(len(CODES)):
        value = net.until(at).forward(CODES[n : n + 1])
        measured = []
        for insertion in (True, False):
            changed = value.copy()
            for u in some:
                for y, x in np.ndindex(2, 2):
                    to = (value[0, u, y, x] if high is None else high[u]) if insertion else 0.0
                    place = 1.0 if where is None else where[n, y, x]
                    changed[0, u, y, x] = (1 - place) * value[0, u, y, x] + place * to
            measured.append(red(net.since(at).forward(changed))[0])
        found.append(measured[0] - measured[1])
    return found


@pytest.mark.parametrize("places", [False, True])
@pytest.mark.parametrize("high", [None, [5.0, 4.0, 3.0, 2.0]])
def test_effects_are_those_of_the_literal_loop(places: bool, high: list[float] | None) -> None:
    net = painter()
    where = np.random.default_rng(5).random((6, 2, 2)).round() if places else None
    e = causal_effect(
        net, CODES, red, at="relu1", units=[3, 0, 1], counts=[1, 3], values=high, where=where, draws=4, batch=4
    )
    for k, count in enumerate(e.counts):
        np.testing.assert_allclose(e.effect[k], literal(net, "relu1", [3, 0, 1][:count], high, where), atol=1e-14)
    rng = np.random.default_rng(0)
    for d in range(4):
        order = rng.permutation(4)[:3].tolist()
        np.testing.assert_allclose(e.chance[d, 1], literal(net, "relu1", order, high, where), atol=1e-14)


def test_the_units_that_paint_red_are_found_causal_and_those_that_paint_nothing_not() -> None:
    net = painter()
    told: list[tuple[int, int]] = []
    e = causal_effect(
        net, CODES, red, at="relu1", units=[0, 3], counts=[1, 2], draws=40, tell=lambda *a: told.append(a)
    )
    values = units_of(net, CODES).mean(axis=(2, 3))
    np.testing.assert_allclose(e.effect[0], values[:, 0], atol=1e-15)
    np.testing.assert_allclose(e.effect[1], values[:, 0] + values[:, 3] / 4, atol=1e-15)
    assert e.mean[1] > e.mean_by_chance[1]
    assert e.p_over_samples[1] < 0.05
    none = causal_effect(net, CODES, red, at="relu1", units=[1, 2], draws=10)
    assert (none.effect == 0).all()
    assert none.p_over_draws[0] == 1
    assert told[-1] == (82, 82)


def test_confidence_and_the_two_tests_by_hand() -> None:
    e = CausalEffect("at", (0,), (1,), np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[[0.0, 0, 0, 9]], [[2.0, 2, 3, 3]]]))
    assert e.confidence()[0] == pytest.approx(1.959963985 * np.std([1, 2, 3, 4], ddof=1) / 2)
    assert e.p_over_samples[0] == 0.5  # differences 0, 1, 1.5, −2: two of three are positive
    assert e.p_over_draws[0] == 2 / 3  # draws of mean 2.25 and 2.5, against 2.5
    assert e.mean_by_chance[0] == 2.375
    assert repr(e).startswith("CausalEffect('at', by units set 1: 2.5 ± 1.265, random 2.375")


def test_the_units_that_agree_with_a_concept_are_those_that_paint_it() -> None:
    net, codes = painter(), np.random.default_rng(6).standard_normal((40, 3))
    found = agreement(
        net, codes, lambda y: y > 1.5, at="relu1", concepts=["red", "green"], quantile=0.8, batch=16, permuted=0
    )
    values, made = units_of(net, codes), net.forward(codes)
    for u, c in np.ndindex(4, 2):
        active = values[:, u] > np.quantile(values[:, u], 0.8)
        concept = made[:, c] > 1.5
        assert found.iou[u, c] == pytest.approx((active & concept).sum() / (active | concept).sum())
    assert found.iou.argmax(axis=0).tolist() == [0, 1]
    with pytest.raises(ShapeError, match="masks"):
        agreement(net, codes, lambda y: y[:1] > 1, at="relu1", concepts=["red", "green"])


@pytest.mark.parametrize(("positive", "negative", "p"), [(5, 0, 1 / 32), (0, 4, 1.0), (1, 1, 0.75), (0, 0, 1.0)])
def test_the_sign_test(positive: int, negative: int, p: float) -> None:
    assert sign_test([1.0] * positive + [-1.0] * negative + [0.0] * 3) == p


def test_float32_stays_and_a_second_input_is_held() -> None:
    embedding = lrp.layers.Embedding(np.array([[1.0, 0.0], [0.0, 2.0]], dtype=np.float32))
    nodes = (
        lrp.Node("embedding", embedding, ("label",)),
        lrp.Node("multiply", lrp.layers.Multiply(), ("z", "embedding")),
        lrp.Node("relu", lrp.layers.ReLU(), ("multiply",)),
    )
    inputs = (lrp.Input("z", (None, 2)), lrp.Input("label", (None,), element_type="int64"))
    net = lrp.Network(nodes, inputs, ("relu",))
    x = {"z": np.ones((2, 2), np.float32), "label": np.array([0, 1])}
    assert ablate(net, "multiply", [1]).forward(x).tolist() == [[1.0, 0.0], [0.0, 0.0]]
    assert ablate(net, "multiply", [1]).forward(x).dtype == np.float32
    e = causal_effect(net, x, lambda y: y.sum(axis=1), at="z", units=[1], draws=1)
    assert e.effect.tolist() == [[0.0, 2.0]]
    with pytest.raises(UnsupportedError, match="'label' holds integers"):
        causal_effect(net, x, lambda y: y.sum(axis=1), at="label", units=[0], draws=1)


@pytest.mark.parametrize(
    ("at", "units", "values", "where", "error", "message"),
    [
        ("relu9", [0], 0.0, None, ParameterError, "did you mean 'relu1'"),
        ("relu1", [], 0.0, None, ParameterError, "no unit of 'relu1'"),
        ("relu1", [4], 0.0, None, ParameterError, "'relu1' has no unit 4: its 4 channels are 0 to 3"),
        ("relu1", [1, 1], 0.0, None, ParameterError, "named twice"),
        ("relu1", [0, 1], [1.0, 2.0, 3.0], None, ShapeError, r"values of shape \(3,\)"),
        ("relu1", [0], 1.0, np.ones(4), ShapeError, r"where of shape \(4,\)"),
        ("relu1", [0], 1.0, np.full((2, 2), 2.0), ParameterError, "0 to 1"),
    ],
)
def test_what_insert_and_causal_effect_refuse(
    at: str, units: list[int], values: Any, where: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        insert(painter(), at, units, values, where)
    with pytest.raises(error, match=message):
        causal_effect(painter(), CODES, red, at=at, units=units, values=values, where=where)


def test_what_else_is_refused() -> None:
    net = painter()
    for counts in ([0], [3], []):
        with pytest.raises(ParameterError, match="from 1 to 2"):
            causal_effect(net, CODES, red, at="relu1", units=[0, 1], counts=counts)
    with pytest.raises(ParameterError, match="draws=0"):
        causal_effect(net, CODES, red, at="relu1", units=[0], draws=0)
    with pytest.raises(ShapeError, match=r"the measure returns numbers of shape \(6, 2\) for 6 samples"):
        causal_effect(net, CODES, lambda y: y.mean(axis=(2, 3)), at="relu1", units=[0])
    with pytest.raises(GraphError, match="above 'conv1'"):
        causal_effect(net, CODES, red, at="conv1", units=[0])
    with pytest.raises(ShapeError, match="channels of 'relu1' cannot be counted"):
        ablate(lrp.Network.sequential([lrp.layers.ReLU(), lrp.layers.Flatten()]), "relu1", [0])
