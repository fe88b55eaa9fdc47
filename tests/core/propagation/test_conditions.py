"""Conditions: what other channels receive is dropped where it arrives, as in two parts of the network by hand."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from exact_numbers import rationals

import lrp_ref as lrp
from lrp_ref import layers
from lrp_ref.arithmetic import rational
from lrp_ref.errors import GraphError, LrpError, ParameterError, ShapeError
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(23)
ZERO = Fraction(0)
COMPOSITES = ("lrp0", "epsilon_plus", "epsilon_alpha2_beta1")


def drawn(*shape: int) -> Any:
    return rationals(RNG, *shape)


def node(name: str, layer: Any, *inputs: str) -> Node:
    return Node(name, layer, inputs)


def convolutions() -> Network:
    return Network(
        (
            node("conv1", layers.Conv(drawn(3, 2, 2, 2), drawn(3)), "x"),
            node("relu1", layers.ReLU(), "conv1"),
            node("max", layers.MaxPool(2, stride=1), "relu1"),
            node("conv2", layers.Conv(drawn(4, 3, 2, 2), drawn(4)), "max"),
            node("relu2", layers.ReLU(), "conv2"),
            node("mean", layers.AveragePool((2, 1)), "relu2"),
            node("flat", layers.Flatten(), "mean"),
            node("dense1", layers.Dense(drawn(8, 5), drawn(5)), "flat"),
            node("relu3", layers.ReLU(), "dense1"),
            node("dense2", layers.Dense(drawn(5, 3), drawn(3)), "relu3"),
        ),
        (Input("x", (None, 2, 5, 5)),),
        ("dense2",),
    )


def residual() -> Network:
    """A value that two nodes read, and a sum that all paths cross."""
    return Network(
        (
            node("conv1", layers.Conv(drawn(3, 2, 3, 3), drawn(3), padding=1), "x"),
            node("relu1", layers.ReLU(), "conv1"),
            node("conv2", layers.Conv(drawn(3, 3, 3, 3), drawn(3), padding=1), "relu1"),
            node("sum", layers.Add(), "conv2", "relu1"),
            node("relu2", layers.ReLU(), "sum"),
            node("flat", layers.Flatten(), "relu2"),
            node("dense", layers.Dense(drawn(27, 3), drawn(3)), "flat"),
        ),
        (Input("x", (None, 2, 3, 3)),),
        ("dense",),
    )


CONVOLUTIONS, RESIDUAL = convolutions(), residual()
X = {"convolutions": drawn(3, 2, 5, 5), "residual": drawn(3, 2, 3, 3)}
NETS = {"convolutions": CONVOLUTIONS, "residual": RESIDUAL}
KINDS = [
    *(("convolutions", at) for at in ("conv1", "relu1", "max", "conv2", "mean", "flat", "dense1", "dense2")),
    *(("residual", at) for at in ("conv1", "relu1", "sum")),
]


def broken(net: Network, x: Any, at: str, mask: Any, composite: str, target: Any) -> tuple[Any, Any]:
    """Break the network in two at a value that all paths cross, and mask by hand what the lower part starts with."""
    value = net.until(at).forward(x)
    arrived = value
    if at == net.outputs[0]:
        arrived = np.full(value.shape, ZERO)
        for row, t in enumerate(np.broadcast_to(target, len(x))):
            arrived[row, t] = value[row, t]
    else:
        arrived = lrp.explain(net.since(at), value, target=target, composite=composite).relevance
    masked = np.where(mask, arrived, ZERO)
    return lrp.explain(net.until(at), x, start=masked, composite=composite).relevance, (arrived, masked)


def total(array: Any) -> Any:
    return array.reshape(len(array), -1).sum(axis=1)


@pytest.mark.parametrize("composite", COMPOSITES)
@pytest.mark.parametrize(("name", "at"), KINDS)
def test_of_every_kind_of_value_exactly(name: str, at: str, composite: str) -> None:
    net, x = NETS[name], X[name]
    if composite == "epsilon_alpha2_beta1" and name == "residual":
        composite = "epsilon"
    shape = net.until(at).forward(x).shape
    channels = [0, shape[1] - 1]
    mask = np.zeros((1, shape[1], *(1,) * (len(shape) - 2)), dtype=bool)
    mask[0, channels] = True
    e = lrp.explain(net, x, target=[0, 2, 1], composite=composite, conditions={at: channels}, trace=True)
    below, (arrived, masked) = broken(net, x, at, mask, composite, [0, 2, 1])
    assert (e.relevance == below).all()
    assert (e.relevance != 0).any()
    assert (e.trace.relevance[at] == masked).all()
    assert e.ledger.residual == 0
    rows = {row.node: row for row in e.ledger}
    whole = {r.node: r for r in lrp.explain(net, x, target=[0, 2, 1], composite=composite).ledger}
    assert (rows[at].relevance_out == total(arrived)).all()
    assert (rows[at].relevance_out == whole[at].relevance_out).all()
    own = lrp.explain(net.until(at), x, start=masked, composite=composite).ledger
    dropped = {r.node: r for r in own}[at].dropped
    assert (rows[at].dropped == dropped + total(arrived) - total(masked)).all()


def test_a_way_around_the_value_is_not_touched() -> None:
    """Of a value in a residual branch only its own part is masked: both parts of the network below, added up."""
    mask = np.array([False, True, False]).reshape(1, 3, 1, 1)
    x = X["residual"]
    e = lrp.explain(RESIDUAL, x, target=1, composite="epsilon_plus", conditions={"conv2": [1]})
    top = RESIDUAL.since(["conv2", "relu1"])
    values = {n: RESIDUAL.until(n).forward(x) for n in ("conv2", "relu1")}
    arrived = lrp.explain(top, values, target=1, composite="epsilon_plus").relevance
    expected = ZERO
    for name, start in (("conv2", np.where(mask, arrived["conv2"], ZERO)), ("relu1", arrived["relu1"])):
        expected = expected + lrp.explain(RESIDUAL.until(name), x, start=start, composite="epsilon_plus").relevance
    assert (e.relevance == expected).all()
    assert e.ledger.residual == 0


def test_conditions_on_several_values_all_hold() -> None:
    x = X["convolutions"]
    both = lrp.explain(CONVOLUTIONS, x, target=0, composite="epsilon_plus", conditions={"conv1": [2], "conv2": [1, 3]})
    m1, m2 = (np.isin(np.arange(c), keep).reshape(1, c, 1, 1) for c, keep in ((3, [2]), (4, [1, 3])))
    between = CONVOLUTIONS.until("conv2").since("conv1")
    value = CONVOLUTIONS.until("conv1").forward(x)
    _, (_, upper) = broken(CONVOLUTIONS, x, "conv2", m2, "epsilon_plus", 0)
    lower = np.where(m1, lrp.explain(between, value, start=upper, composite="epsilon_plus").relevance, ZERO)
    expected = lrp.explain(CONVOLUTIONS.until("conv1"), x, start=lower, composite="epsilon_plus").relevance
    assert (both.relevance == expected).all()
    assert (expected != 0).any()
    assert both.ledger.residual == 0


@pytest.mark.parametrize("at", ["conv2", "relu2", "mean", "dense1"])
def test_the_maps_of_all_channels_add_up_to_the_map(at: str) -> None:
    x = X["convolutions"]
    c = CONVOLUTIONS.until(at).forward(x).shape[1]
    maps = [
        lrp.explain(CONVOLUTIONS, x, target=2, composite="epsilon_plus", conditions={at: [k]}).relevance
        for k in range(c)
    ]
    assert (sum(maps) == lrp.explain(CONVOLUTIONS, x, target=2, composite="epsilon_plus").relevance).all()


def test_booleans_of_channels_samples_and_positions() -> None:
    x, n = X["convolutions"], 3
    shape = CONVOLUTIONS.until("conv2").forward(x).shape
    single = {"composite": "epsilon_plus", "target": 1}
    for mask in (
        RNG.random(shape[1]) < 0.5,
        RNG.random((n, shape[1])) < 0.5,
        RNG.random((1, shape[1])) < 0.5,
        RNG.random(shape) < 0.5,
        RNG.random((1, *shape[1:])) < 0.5,
        RNG.random((n, 1, *shape[2:])) < 0.5,
    ):
        full = (
            np.broadcast_to(mask.reshape(*mask.shape, 1, 1) if mask.ndim == 2 else mask, shape)
            if (mask.ndim > 1)
            else np.broadcast_to(mask.reshape(1, -1, 1, 1), shape)
        )
        e = lrp.explain(CONVOLUTIONS, x, conditions={"conv2": mask}, **single)
        assert (e.relevance == broken(CONVOLUTIONS, x, "conv2", full, "epsilon_plus", 1)[0]).all()
    numbers = lrp.explain(CONVOLUTIONS, x, conditions={"conv2": [1, 3]}, **single)
    booleans = lrp.explain(CONVOLUTIONS, x, conditions={"conv2": np.array([False, True, False, True])}, **single)
    assert (numbers.relevance == booleans.relevance).all()
    one = lrp.explain(CONVOLUTIONS, x, conditions={"conv2": 3}, **single)
    assert (one.relevance == lrp.explain(CONVOLUTIONS, x, conditions={"conv2": [3]}, **single).relevance).all()


def test_no_channel_leaves_nothing_and_no_condition_leaves_everything() -> None:
    x = X["convolutions"]
    e = lrp.explain(CONVOLUTIONS, x, target=1, composite="epsilon_plus", conditions={"conv2": []})
    assert (e.relevance == 0).all()
    assert e.ledger.residual == 0
    assert "only conv2: none" in repr(e)
    whole = lrp.explain(CONVOLUTIONS, x, target=1, composite="epsilon_plus")
    for nothing in (None, {}):
        same = lrp.explain(CONVOLUTIONS, x, target=1, composite="epsilon_plus", conditions=nothing)
        assert (same.relevance == whole.relevance).all()
        assert same.conditions == ""


def floats(net: Network) -> Network:
    return net.astype("float64")


@pytest.mark.parametrize("name", NETS)
def test_a_sample_alone_is_what_it_is_in_a_batch(name: str) -> None:
    net, x = floats(NETS[name]), X[name].astype(float)
    mask = RNG.random((3, 3)) < 0.6
    whole = lrp.explain(net, x, composite="epsilon_plus", conditions={"conv1": mask})
    for k in range(3):
        few = slice(k, k + 1)
        alone = lrp.explain(net, x[few], composite="epsilon_plus", conditions={"conv1": mask[few]})
        assert np.abs(alone.relevance - whole.relevance[few]).max() <= 1e-14
        picked = whole.sample(k)
        assert (picked.relevance == whole.relevance[few]).all()
        assert np.abs(picked.trace.relevance["conv1"] - alone.trace.relevance["conv1"]).max() <= 1e-14
    none = lrp.explain(net, x[:0], composite="epsilon_plus", conditions={"conv1": mask[:0]})
    assert none.relevance.shape == (0, *x.shape[1:])


def test_a_batch_that_is_cut_cuts_the_masks_of_its_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large batches are walked a few samples at a time: each part has the masks of its own samples."""
    net, x = floats(CONVOLUTIONS), RNG.normal(size=(7, 2, 5, 5))
    mask = RNG.random((7, 4)) < 0.5
    whole = lrp.explain(net, x, composite="epsilon_plus", conditions={"conv2": mask}, trace=True)  # all at once
    cuts = []

    def two_at_a_time(self: Any, fed: Any, threads: int, walks: int = 1) -> int:
        cuts.append(walks)
        return 2

    monkeypatch.setattr("lrp_ref.propagation.prepare.PreparedNetwork.samples", two_at_a_time)
    cut = lrp.explain(net, x, composite="epsilon_plus", conditions={"conv2": mask})
    assert cuts
    assert np.abs(cut.relevance - whole.relevance).max() <= 1e-14
    assert [np.abs(a.dropped - b.dropped).max() <= 1e-14 for a, b in zip(cut.ledger, whole.ledger, strict=True)]


def test_the_trace_that_is_made_later_has_the_conditions() -> None:
    net, x = floats(CONVOLUTIONS), X["convolutions"].astype(float)
    given = {"conv2": RNG.random((3, 4)) < 0.5, "conv1": [0]}
    at_once = lrp.explain(net, x, composite="epsilon_plus", conditions=given, trace=True)
    later = lrp.explain(net, x, composite="epsilon_plus", conditions=given)
    assert at_once.trace.relevance.keys() == later.trace.relevance.keys()
    for name, relevance in at_once.trace.relevance.items():
        assert np.abs(relevance - later.trace.relevance[name]).max() <= 1e-15
    assert (later.trace.relevance["conv1"][:, 1:] == 0).all()


def test_they_are_said(tmp_path: Any) -> None:
    net, x = floats(CONVOLUTIONS), X["convolutions"].astype(float)
    e = lrp.explain(net, x, composite="epsilon_plus", conditions={"conv2": [1, 3], "conv1": np.array([True] * 3)})
    said = "conv2: 1, 3, conv1: a mask"
    assert e.conditions == said
    assert f"only {said}" in repr(e)
    assert repr(e.plan).endswith(f"only {said}")
    e.save(tmp_path / "e.npz")
    assert str(lrp.load_relevance(tmp_path / "e.npz")["conditions"]) == said
    assert "conditions" not in lrp.load_relevance(lrp.explain(net, x).save(tmp_path / "whole.npz"))


def test_the_network_is_made_ready_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrp_ref.propagation import prepare

    made = []
    original = prepare._made
    monkeypatch.setattr(prepare, "_made", lambda *a: made.append(1) or original(*a))
    net, x = floats(CONVOLUTIONS), X["convolutions"].astype(float)
    for k in range(4):
        lrp.explain(net, x, composite="epsilon_plus", conditions={"conv2": [k]})
    assert len(made) == 1


def test_single_precision_stays() -> None:
    net, x = CONVOLUTIONS.astype("float32"), X["convolutions"].astype(np.float32)
    e = lrp.explain(net, x, composite="epsilon_plus", conditions={"conv2": [0]})
    assert e.relevance.dtype == np.float32
    assert {row.dropped.dtype for row in e.ledger} == {np.dtype(np.float32)}


def test_of_sequences_the_second_axis_is_the_time_and_a_mask_of_one_row_is_of_features() -> None:
    """What an LSTM makes is (N, T, C): numbers are of steps, booleans (1, 1, C) of features."""
    h = 4
    cell = layers.LSTM(RNG.normal(size=(1, 4, h, 3)), RNG.normal(size=(1, 4, h, h)), RNG.normal(size=(1, 4, h)))
    nodes = (
        node("lstm", cell, "x"),
        node("flat", layers.Flatten(), "lstm"),
        node("dense", layers.Dense(RNG.normal(size=(5 * h, 2)), RNG.normal(size=2)), "flat"),
    )
    net, x = Network(nodes, (Input("x", (None, 5, 3)),), ("dense",)), RNG.normal(size=(2, 5, 3))
    upper = lrp.explain(net.since("lstm"), net.until("lstm").forward(x), target=1, composite="epsilon").relevance
    feature = np.array([False, True, False, True]).reshape(1, 1, h)
    step = (np.arange(5) == 2).reshape(1, 5, 1)
    for given, mask in (([2], step), (feature, feature)):
        e = lrp.explain(net, x, target=1, composite="epsilon", conditions={"lstm": given}, trace=True)
        start = np.where(mask, upper, 0.0)
        expected = lrp.explain(net.until("lstm"), x, start=start, composite="epsilon").relevance
        assert np.abs(e.relevance - expected).max() <= 1e-14
        assert np.abs(e.trace.relevance["lstm"] - start).max() <= 1e-15


def test_outputs_of_a_node_of_several_each_for_itself() -> None:
    nodes = (
        node("split", layers.Split((2, 3), axis=1), "x"),
        node("left", layers.Dense(drawn(2, 2), drawn(2)), "split"),
        node("right", layers.Dense(drawn(3, 2), drawn(2)), "split:1"),
        node("sum", layers.Add(), "left", "right"),
    )
    net, x = Network(nodes, (Input("x", (None, 5)),), ("sum",)), drawn(3, 5)
    whole = lrp.explain(net, x, target=0, composite="lrp0").relevance
    for given, kept in (
        ({"split:1": [0, 2]}, [True, True, True, False, True]),
        ({"split": [1]}, [False, True, True, True, True]),
        ({"split:1": [0, 2], "split": [1]}, [False, True, True, False, True]),
    ):
        e = lrp.explain(net, x, target=0, composite="lrp0", conditions=given)
        assert (e.relevance == np.where(kept, whole, ZERO)).all()
        assert e.ledger.residual == 0


# Errors ------------------------------------------------------------------------------------------------------------


def merged() -> Network:
    return Network(
        (
            node("conv", layers.Conv(RNG.normal(size=(3, 2, 2, 2))), "x"),
            node("bn", layers.Affine(RNG.random(3) + 0.5, RNG.normal(size=3)), "conv"),
            node("relu", layers.ReLU(), "bn"),
            node("flat", layers.Flatten(), "relu"),
            node("dense", layers.Dense(RNG.normal(size=(12, 2))), "flat"),
            node("softmax", layers.Softmax(), "dense"),
            node("aside", layers.Dense(RNG.normal(size=(12, 2))), "flat"),
        ),
        (Input("x", (None, 2, 3, 3)),),
        ("softmax", "aside"),
    )


PIXELS = RNG.normal(size=(2, 2, 3, 3))
WRONG: list[tuple[Any, type[LrpError], str]] = [
    ({"conv9": [0]}, ParameterError, "unknown node in conditions 'conv9': did you mean 'conv'?"),
    ({"bn": [0]}, GraphError, "node 'bn' of conditions is not in the network as it is explained, without merged and "
     "left out nodes: name 'conv' instead, or give canonize=False"),
    ({"softmax": [0]}, GraphError, "name 'dense' instead, or give canonize=False"),
    ({"aside": [0]}, GraphError, "node 'aside' of conditions is not on the way to the output 'softmax': leave it out"),
    ({"x": [0]}, GraphError, "conditions on the input 'x': relevance ends there, choose from e.relevance instead"),
    ({"conv": [3]}, ParameterError, "conditions on 'conv': there is no channel 3; it has 3, from 0"),
    ({"conv": [-1]}, ParameterError, "conditions on 'conv': there is no channel -1; it has 3, from 0"),
    ({"conv": [0.5]}, ParameterError, "conditions on 'conv': give numbers of channels, or booleans; got [0.5]"),
    ({"conv": [[0], [1]]}, ParameterError, "conditions on 'conv': give numbers of channels, or booleans"),
    ({"conv": "0"}, ParameterError, "conditions on 'conv': give numbers of channels, or booleans; got '0'"),
    ({"conv": np.ones(4, bool)}, ShapeError, "conditions on 'conv': booleans of shape (4,) do not fit its shape "
     "(2, 3, 2, 2): give (3,), (2, 3) or the whole shape"),
    ({"conv": np.ones((3, 3), bool)}, ShapeError, "booleans of shape (3, 3) do not fit"),
    ({"conv": np.ones((2, 3, 2, 3), bool)}, ShapeError, "booleans of shape (2, 3, 2, 3) do not fit"),
    ([0], ParameterError, "conditions=[0]: give the channels by the name of their value, {'conv4': [7, 12]}"),
    (np.array([True, False]), ParameterError, "give the channels by the name of their value"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "kind", "text"), WRONG)
def test_errors_say_what_to_do(given: Any, kind: type[LrpError], text: str) -> None:
    with pytest.raises(kind) as caught:
        lrp.explain(merged(), PIXELS, composite="epsilon_plus", conditions=given)
    assert text in str(caught.value)


def test_what_was_merged_is_named_by_what_is_left_or_not_merged() -> None:
    """Without a bias of its own, a convolution merged with its BatchNorm is exactly both under LRP-0."""
    net, x = rational(merged()), rational(PIXELS)
    exact = lrp.Composite([((layers.Conv, layers.Affine, layers.Dense), lrp.rules.LRP0())])
    instead = lrp.explain(net, x, composite=exact, target=0, conditions={"conv": [1]})
    kept = lrp.explain(net.until("dense"), x, composite=exact, target=0, conditions={"bn": [1]}, canonize=False)
    assert kept.conditions == "bn: 1"
    assert (instead.relevance == kept.relevance).all()
    assert (instead.relevance != 0).any()


def test_a_value_of_one_number_has_no_channels() -> None:
    single = Network((node("sum", layers.Sum(axes=(1,), keepdims=False), "x"),), (Input("x", (None, 3)),), ("sum",))
    with pytest.raises(ShapeError, match="it is one number for each sample and has no channels"):
        lrp.explain(single, np.ones((2, 3)), conditions={"sum": [0]})
