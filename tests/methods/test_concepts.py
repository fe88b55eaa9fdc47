"""Concept relevance: against stored numbers, parts of a network by hand, and sums that close exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import GraphError, LrpError, ParameterError
from lrp_ref.layers import LSTM, Add, Affine, AveragePool, Conv, Dense, Flatten, MaxPool, ReLU
from lrp_ref.methods import concept_table, conditional_maps, stream_conditional_maps
from lrp_ref.network import Input, Network, Node
from lrp_ref.rules.edits import add
from tests.support import golden_methods
from tests.support.golden_methods import Golden, arrays

RNG = np.random.default_rng(190)
ZENNIT = lrp.Composite(
    [  # EpsilonPlus of zennit 1.0, whose z⁺-rule has b⁺ in the denominator
        (Conv, lrp.rules.AlphaBeta(1, 0, add(1e-6))),
        ((Dense, AveragePool), lrp.rules.Epsilon(1e-6)),
    ]
)
PLUS: dict[str, Any] = {"composite": "epsilon_plus"}


def small() -> Network:
    layers = [
        ("conv1", Conv(RNG.normal(size=(3, 2, 2, 2)), RNG.normal(size=3))), ("relu1", ReLU()),
        ("max", MaxPool(2, stride=1)),
        ("conv2", Conv(RNG.normal(size=(4, 3, 2, 2)), RNG.normal(size=4))), ("relu2", ReLU()),
        ("mean", AveragePool((2, 1))), ("flat", Flatten()),
        ("dense1", Dense(RNG.normal(size=(8, 5)), RNG.normal(size=5))), ("relu3", ReLU()),
        ("dense2", Dense(RNG.normal(size=(5, 3)), RNG.normal(size=3))),
    ]  # fmt: skip
    return Network.sequential(layers)


def residual() -> Network:
    nodes = (
        Node("conv1", Conv(RNG.normal(size=(3, 2, 3, 3)), RNG.normal(size=3), padding=1), ("x",)),
        Node("relu1", ReLU(), ("conv1",)),
        Node("conv2", Conv(RNG.normal(size=(3, 3, 3, 3)), RNG.normal(size=3), padding=1), ("relu1",)),
        Node("sum", Add(), ("conv2", "relu1")),
        Node("flat", Flatten(), ("sum",)),
        Node("dense", Dense(RNG.normal(size=(27, 3)), RNG.normal(size=3)), ("flat",)),
    )
    return Network(nodes, (Input("x", (None, 2, 3, 3)),), ("dense",))


SMALL, X = small(), RNG.normal(size=(3, 2, 5, 5))
VALUES = ("conv1", "relu1", "max", "conv2", "relu2", "mean", "flat", "dense1", "relu3", "dense2")


# Stored numbers ----------------------------------------------------------------------------------------------------


@golden_methods.needed
@pytest.mark.parametrize("channel", [0, 2])
@pytest.mark.parametrize("model", ["B", "D"])
def test_stored_numbers_of_conditional_maps(model: str, channel: int) -> None:
    """The relevance at the layer is what the mask leaves: so is that of our trace."""
    golden, key = Golden(model), f"crp/EpsilonPlus_conv2_channel{channel}"
    asked: dict[str, Any] = {"target": golden.target, "composite": ZENNIT}
    e = lrp.concept_relevance(golden.net, golden.x, conditions={"conv2": [channel]}, trace=True, **asked)
    assert np.abs(e.relevance - golden[key]).max() <= 1e-12
    assert np.abs(e.relevance.sum(axis=1) - golden[f"{key}_heatmap_sum_channels"]).max() <= 1e-12
    assert np.abs(e.trace.relevance["conv2"] - golden[f"{key}_relevance_at_layer"]).max() <= 1e-12
    maps = conditional_maps(golden.net, golden.x, at="conv2", **asked)
    assert np.abs(maps.relevance[:, channel] - golden[key]).max() <= 1e-12


def as_relevance(channels: int, positions: int) -> Network:
    """f = Σ x: under LRP-0 the relevance at "value" is the input, whatever it is."""
    layers = [
        ("value", Affine(np.ones(channels), np.zeros(channels))), ("flat", Flatten()),
        ("f", Dense(np.ones((channels * positions, 1)))),
    ]  # fmt: skip
    return Network.sequential(layers)


@golden_methods.needed
def test_stored_numbers_of_a_table() -> None:
    stored = arrays("extra")
    x = stored["crp/relevance"]
    table = concept_table(as_relevance(4, 9), x, at="value", norm="crp", composite="lrp0")
    assert np.abs(table.relevance - stored["crp/concept_relevance_abs_norm"]).max() <= 1e-12
    plain = concept_table(as_relevance(4, 9), x, at="value", composite="lrp0")
    assert np.abs(plain.relevance - x.sum(axis=(2, 3))).max() <= 1e-12


# Conditional maps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", VALUES)
def test_a_map_of_a_channel_is_the_explanation_under_its_condition(at: str) -> None:
    """The maps go back from the value alone, over values that every walk reads: not one is written over."""
    maps = conditional_maps(SMALL, X, at=at, target=[0, 2, 1], **PLUS)
    assert maps.channels == tuple(range(SMALL.until(at).forward(X).shape[1]))
    for k in maps.channels:
        e = lrp.explain(SMALL, X, target=[0, 2, 1], conditions={at: [k]}, trace=True, **PLUS)
        assert np.abs(maps.relevance[:, k] - e.relevance).max() <= 1e-15
        total = e.trace.relevance[at].reshape(3, -1).sum(axis=1)
        assert np.abs(maps.concepts[:, k] - total).max() <= 1e-14
        assert np.abs(maps.output - e.output).max() <= 1e-15
    whole = lrp.explain(SMALL, X, target=[0, 2, 1], **PLUS).relevance
    assert np.abs(maps.relevance.sum(axis=1) - whole).max() <= 1e-14


@pytest.mark.parametrize("at", ["conv1", "relu2", "mean", "dense1"])
@pytest.mark.parametrize("composite", ["lrp0", "epsilon_plus"])
def test_the_maps_add_up_exactly(at: str, composite: str) -> None:
    net, x = rational(SMALL), rational(X[:2])
    maps = conditional_maps(net, x, at=at, target=1, composite=composite)
    e = lrp.explain(net, x, target=1, composite=composite, trace=True)
    assert (maps.relevance.sum(axis=1) == e.relevance).all()
    table = concept_table(net, x, at=at, target=1, composite=composite)
    arrived = e.trace.relevance[at]
    assert (table.relevance == arrived.reshape(*arrived.shape[:2], -1).sum(axis=2)).all()
    assert (table.relevance == maps.concepts).all()


def test_around_a_residual_branch_some_relevance_is_in_no_map_and_said() -> None:
    net, x = residual(), RNG.normal(size=(2, 2, 3, 3))
    maps = conditional_maps(net, x, at="conv2", target=1, **PLUS)
    assert "relevance that goes around 'conv2' to x is in no map" in repr(maps)
    whole = lrp.explain(net, x, target=1, **PLUS).relevance
    none = lrp.explain(net, x, target=1, conditions={"conv2": []}, **PLUS).relevance
    assert np.abs(none).max() > 1e-3
    assert np.abs(maps.relevance.sum(axis=1) + none - whole).max() <= 1e-14
    crossed = conditional_maps(net, x, at="sum", target=1, **PLUS)
    assert crossed.notes == ()
    assert np.abs(crossed.relevance.sum(axis=1) - whole).max() <= 1e-14


def test_what_a_recurrent_layer_leaves_for_one_way_back_is_made_again() -> None:
    h = 3
    cell = LSTM(RNG.normal(size=(1, 4, h, 2)), RNG.normal(size=(1, 4, h, h)), RNG.normal(size=(1, 4, h)))
    nodes = (
        Node("lstm", cell, ("x",)),
        Node("flat", Flatten(), ("lstm",)),
        Node("dense", Dense(RNG.normal(size=(4 * h, 5)), RNG.normal(size=5)), ("flat",)),
        Node("out", Dense(RNG.normal(size=(5, 2))), ("dense",)),
    )
    net, x = Network(nodes, (Input("x", (None, 4, 2)),), ("out",)), RNG.normal(size=(3, 4, 2))
    for at in ("lstm", "dense"):
        maps = conditional_maps(net, x, at=at, target=0, composite="epsilon")
        for k in maps.channels:
            e = lrp.explain(net, x, target=0, composite="epsilon", conditions={at: [k]})
            assert np.abs(maps.relevance[:, k] - e.relevance).max() <= 1e-14


@pytest.mark.parametrize("rows", [1, 2, 5, 64])
def test_however_many_channels_go_back_at_a_time(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = conditional_maps(SMALL, X, at="conv2", **PLUS)
    monkeypatch.setattr("lrp_ref.propagation.prepare.PreparedNetwork.batch", lambda *a, **k: rows)
    told: list[tuple[int, int]] = []
    some = conditional_maps(SMALL, X, at="conv2", progress=lambda *done: told.append(done), **PLUS)
    assert np.abs(some.relevance - whole.relevance).max() <= 1e-15
    assert told[-1] == (12, 12)
    assert len(told) == -(-4 // max(rows // 3, 1))


def test_parts_of_a_batch_that_threads_take(monkeypatch: pytest.MonkeyPatch) -> None:
    x = RNG.normal(size=(7, 2, 5, 5))
    whole, table = conditional_maps(SMALL, x, at="conv2", **PLUS), concept_table(SMALL, x, at="conv2", **PLUS)
    monkeypatch.setattr("lrp_ref.propagation.workload.DIVIDED_BYTES", 1)
    monkeypatch.setattr("lrp_ref.propagation.prepare.PreparedNetwork.samples", lambda *a, **k: 2)
    target = whole.output.argmax(axis=1)
    told: list[tuple[int, int]] = []
    parts = conditional_maps(SMALL, x, at="conv2", target=target, progress=lambda *d: told.append(d), **PLUS)
    assert np.abs(parts.relevance - whole.relevance).max() <= 1e-14
    assert told[-1] == (28, 28)
    assert np.abs(concept_table(SMALL, x, at="conv2", **PLUS).relevance - table.relevance).max() <= 1e-14


def test_a_sample_alone_is_what_it_is_in_a_batch() -> None:
    whole, table = (
        conditional_maps(SMALL, X, at="conv2", **PLUS),
        concept_table(SMALL, X, at="conv2", norm="crp", **PLUS),
    )
    for k in range(3):
        few = slice(k, k + 1)
        assert (
            np.abs(conditional_maps(SMALL, X[few], at="conv2", **PLUS).relevance - whole.relevance[few]).max() <= 1e-14
        )
        alone = concept_table(SMALL, X[few], at="conv2", norm="crp", **PLUS)
        assert np.abs(alone.relevance - table.relevance[few]).max() <= 1e-14
    none = conditional_maps(SMALL, X[:0], at="conv2", **PLUS)
    assert none.relevance.shape == (0, 4, 2, 5, 5)
    assert concept_table(SMALL, X[:0], at="conv2", **PLUS).relevance.shape == (0, 4)


def test_single_precision_stays() -> None:
    net, x = SMALL.astype(np.float32), X.astype(np.float32)
    maps, table = conditional_maps(net, x, at="conv2", **PLUS), concept_table(net, x, at="conv2", norm="crp", **PLUS)
    assert (maps.relevance.dtype, maps.concepts.dtype, table.relevance.dtype) == (np.float32,) * 3


def test_chosen_channels_in_their_order() -> None:
    whole = conditional_maps(SMALL, X, at="conv2", **PLUS)
    some = conditional_maps(SMALL, X, at="conv2", channels=[3, 0, 3], **PLUS)
    assert some.channels == (3, 0, 3)
    assert np.abs(some.relevance - whole.relevance[:, [3, 0, 3]]).max() <= 1e-15
    assert (some.concepts == whole.concepts[:, [3, 0, 3]]).all()
    assert conditional_maps(SMALL, X, at="conv2", channels=2, **PLUS).channels == (2,)
    assert conditional_maps(SMALL, X, at="conv2", channels=[], **PLUS).relevance.shape == (3, 0, 2, 5, 5)


def test_a_stream_is_the_maps_in_pieces() -> None:
    whole = conditional_maps(SMALL, X, at="conv2", target=1, composite="epsilon", epsilon=0.1)
    asked: dict[str, Any] = {"target": 1, "composite": "epsilon", "epsilon": 0.1}
    told: list[tuple[int, int]] = []
    memory = 3 * 50 * 8 * 3  # bytes of the maps of three channels
    pieces = list(
        stream_conditional_maps(SMALL, X, at="conv2", memory=memory, progress=lambda *d: told.append(d), **asked)
    )
    assert [p.channels for p in pieces] == [(0, 1, 2), (3,)]
    assert np.abs(np.concatenate([p.relevance for p in pieces], axis=1) - whole.relevance).max() <= 1e-15
    assert told[-1] == (12, 12)
    assert [p.channels for p in stream_conditional_maps(SMALL, X, at="conv2", memory=1, **asked)] == [
        (0,),
        (1,),
        (2,),
        (3,),
    ]


def test_several_inputs_and_layouts() -> None:
    nodes = (
        Node("left", Dense(RNG.normal(size=(1, 2))), ("x",)),
        Node("right", Dense(RNG.normal(size=(2, 2))), ("y",)),
        Node("sum", Add(), ("left", "right")),
        Node("out", Dense(RNG.normal(size=(2, 2))), ("sum",)),
    )
    net = Network(nodes, (Input("x"), Input("y", (2, None), batch_axis=1)), ("out",))
    fed = {"x": RNG.normal(size=(3, 1)), "y": RNG.normal(size=(2, 3))}
    maps = conditional_maps(net, fed, at="sum", target=0, composite="epsilon")
    whole = lrp.explain(net, fed, target=0, composite="epsilon").relevance
    assert np.abs(maps.relevance["x"].sum(axis=1) - whole["x"]).max() <= 1e-14
    assert np.abs(maps.relevance["y"].sum(axis=1) - whole["y"].T).max() <= 1e-14
    left = conditional_maps(net, fed, at="left", target=0, composite="epsilon")
    assert (left.relevance["y"] == 0).all()
    assert left.notes == ("relevance that goes around 'left' to y is in no map",)


def test_starts_and_targets_as_of_explain() -> None:
    start = RNG.normal(size=(3, 3))
    for asked in (
        {"start": start}, {"start": "difference", "target": 1, "against": [0, 2, 0]},
        {"target": [[0, 1], [1, 2], [0, 2]]}, {"target": (2,)},
    ):  # fmt: skip
        maps = conditional_maps(SMALL, X, at="conv2", **asked, **PLUS)
        e = lrp.explain(SMALL, X, **asked, **PLUS)
        assert np.abs(maps.relevance.sum(axis=1) - e.relevance).max() <= 1e-14


# The table ---------------------------------------------------------------------------------------------------------


def test_the_strongest_of_equal_ones_is_the_first() -> None:
    x = np.array([[[1.0, 1.0], [2.0, -4.0], [2.0, 0.0], [0.0, 0.0]]])  # sums 2, −2, 2, 0
    table = concept_table(as_relevance(4, 2), x, at="value", composite="lrp0")
    assert table.strongest(3) == [[(0, 2.0), (1, -2.0), (2, 2.0)]]
    assert "0: 2, 1: -2, 2: 2, 3: 0" in repr(table)
    assert "<table" in table._repr_html_()


def test_the_norm_of_a_sample_without_relevance_is_no_division_by_zero() -> None:
    x = np.array([[[0.0], [0.0]], [[3.0], [-1.0]]])
    table = concept_table(as_relevance(2, 1), x, at="value", norm="crp", composite="lrp0")
    assert table.relevance[0].tolist() == [0.0, 0.0]
    assert np.abs(table.relevance[1] - np.array([3.0, -1.0]) / (4 + 1e-10)).max() <= 1e-15


# Errors ------------------------------------------------------------------------------------------------------------

WRONG: list[tuple[Any, type[LrpError], str]] = [
    (lambda: conditional_maps(SMALL, X, at="conv3"), ParameterError, "unknown node 'conv3': did you mean 'conv"),
    (lambda: conditional_maps(SMALL, X, at="input"), GraphError, "'input' is an input"),
    (lambda: conditional_maps(SMALL, X, at="conv2", channels=[4]), ParameterError, "'conv2' has no channel 4; it has"),
    (lambda: conditional_maps(SMALL, X, at="conv2", channels=[0.5]), ParameterError, "give the numbers of channels of"),
    (lambda: conditional_maps(SMALL, X, at="conv2", memory=4799), ParameterError, "the maps of 4 channels of 3 samples "
     "take 4,800 bytes, more than memory=4,799: give fewer channels= or samples at a time, or memory=4800, or go "
     "through lrp.methods.stream_conditional_maps"),
    (lambda: conditional_maps(SMALL, X, at="conv2", epsilom=1), ParameterError, "epsilom"),
    (lambda: list(stream_conditional_maps(SMALL, X, at="conv2", epsilom=1)), ParameterError, "epsilom"),
    (lambda: concept_table(SMALL, X, at="conv2", norm="abs"), ParameterError, "norm='abs': give None, or 'crp'"),
    (lambda: lrp.concept_relevance(SMALL, X, conditions={}), ParameterError, "concept_relevance needs conditions="),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), WRONG)
def test_errors_say_what_to_do(call: Any, kind: type[LrpError], text: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)


def test_the_advice_on_memory_works() -> None:
    assert conditional_maps(SMALL, X, at="conv2", memory=4800).relevance.nbytes == 4800


def test_nothing_is_kept_of_all_samples_but_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of many samples takes the memory of the parts that it goes through, not of all values of all samples."""
    import tracemalloc

    monkeypatch.setattr("lrp_ref.propagation.workload.WORKING_BYTES", 1 << 18)
    n = 6000
    x = RNG.normal(size=(n, 2, 5, 5))
    kept = [name for name in VALUES if name not in ("relu1", "relu2", "relu3")]
    one = sum(SMALL.until(name).forward(x[:1]).nbytes for name in kept)
    concept_table(SMALL, x[:10], at="dense1", target=0, **PLUS)
    tracemalloc.start()
    concept_table(SMALL, x, at="dense1", target=0, **PLUS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * n * one
