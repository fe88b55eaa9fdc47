"""Units replaced one at a time, against forward passes written out; names that canonizing took away."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Add, Affine, Concat, Conv, Dense, Embedding, Flatten, MaxPool, ReLU, Softmax, Split
from lrp_ref.methods import ReplaceUnits
from lrp_ref.methods.inside import around
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.golden_methods import MODELS, Golden

RNG = np.random.default_rng(192)


def quarters(*shape: int) -> np.ndarray:
    return RNG.integers(-8, 9, size=shape) / 4


def residual() -> Network:
    """A block that is added to its input; units inside it reach the output beside a path around them."""
    nodes = (
        Node("conv1", Conv(quarters(2, 1, 2, 2), quarters(2)), ("x",)),
        Node("relu1", ReLU(), ("conv1",)),
        Node("conv2", Conv(quarters(2, 2, 3, 3), quarters(2), padding=1), ("relu1",)),
        Node("relu2", ReLU(), ("conv2",)),
        Node("add", Add(), ("relu2", "relu1")),
        Node("pool", MaxPool(2), ("add",)),
        Node("flat", Flatten(), ("pool",)),
        Node("fc", Dense(quarters(8, 3), quarters(3)), ("flat",)),
    )
    return Network(nodes, (Input("x"),), ("fc",))


def literal(net: Network, value: Any, at: str, x: Any, target: int, stands: Any) -> Any:
    """One forward pass a unit: the whole network, with the node's output written over by a constant."""
    score = net.forward(x)[:, target]
    found = np.empty_like(value)
    for unit in np.ndindex(*value.shape[1:]):
        for k in range(len(x)):
            changed = value[k : k + 1].copy()
            changed[(0, *unit)] = np.broadcast_to(stands, value.shape)[(k, *unit)]
            at_value = {**_values(net, x[k : k + 1]), at: changed}
            for node in net.nodes:
                if node.name != at:
                    at_value[node.name] = node.layer.forward(*(at_value[name] for name in node.inputs))
            found[(k, *unit)] = score[k] - at_value[net.outputs[0]][0, target]
    return found


def _values(net: Network, x: Any) -> dict[str, Any]:
    return net.values({net.inputs[0].name: x})


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("at", ["input", "relu1"])
def test_stored_numbers(model: str, at: str) -> None:
    golden = Golden(model)
    a = lrp.attribute(golden.net, golden.x, "replace_units", target=golden.target, at=at)
    assert np.abs(a.relevance - golden[f"ref/unit_to_layer_mean/{at}"]).max() <= 1e-12


@pytest.mark.parametrize("at", ["conv1", "relu1", "conv2", "relu2", "add", "pool", "flat"])
def test_a_forward_pass_for_every_unit_exactly(at: str) -> None:
    net, x = rational(residual()), rational(quarters(2, 1, 5, 5))
    value = _values(net, x)[at]
    axes = tuple(range(1, value.ndim))
    mean = value.sum(axis=axes, keepdims=True) / Fraction(int(np.prod(value.shape[1:])))
    for by, stands in (("sample_mean", mean), (Fraction(1, 2), Fraction(1, 2))):
        a = lrp.attribute(net, x, "replace_units", target=1, at=at, by=by)
        assert (a.relevance == literal(net, value, at, x, 1, stands)).all()
    if value.ndim > 2:
        mean = value.sum(axis=(2, 3), keepdims=True) / Fraction(int(np.prod(value.shape[2:])))
        a = lrp.attribute(net, x, "replace_units", target=1, at=at, by="channel_mean")
        assert (a.relevance == literal(net, value, at, x, 1, mean)).all()


def test_the_mean_of_a_data_set() -> None:
    net, x = residual(), RNG.normal(size=(3, 1, 5, 5))
    value = _values(net, x)["relu1"]
    for by in (value.mean(axis=0), value.mean(axis=0, keepdims=True), np.broadcast_to(value.mean(axis=0), value.shape)):
        a = lrp.attribute(net, x, "replace_units", target=0, at="relu1", by=by)
        assert np.abs(a.relevance - literal(net, value, "relu1", x, 0, value.mean(axis=0))).max() <= 1e-12


def test_row_alone_is_row_in_a_batch_and_float32_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = residual().astype(np.float32), RNG.normal(size=(4, 1, 5, 5)).astype(np.float32)
    for by in ("sample_mean", "channel_mean", 0.25):
        whole = lrp.attribute(net, x, "replace_units", target=[0, 1, 2, 0], at="relu2", by=by)
        alone = lrp.attribute(net, x[2:3], "replace_units", target=2, at="relu2", by=by)
        assert whole.relevance.dtype == np.float32
        assert np.abs(whole.relevance[2] - alone.relevance[0]).max() <= 1e-4
    assert lrp.attribute(net, x[:0], "replace_units", at="relu2").relevance.shape == (0, 2, 4, 4)
    monkeypatch.setattr("lrp_ref.methods.scored.DIVIDED_BYTES", 1)
    monkeypatch.setattr("lrp_ref.methods.scored.WORKING_BYTES", 1)
    parts = lrp.attribute(net, x, "replace_units", target=[0, 1, 2, 0], at="relu2", by=0.25)
    assert np.abs(parts.relevance - whole.relevance).max() <= 1e-4


def test_what_is_below_and_beside_the_layer_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = residual(), RNG.normal(size=(2, 1, 5, 5))
    lrp.attribute(net, x, "replace_units", at="relu2")  # whatever making ready takes
    calls: list[int] = []
    forward = Conv.forward
    monkeypatch.setattr(Conv, "forward", lambda self, *xs: calls.append(len(xs[0])) or forward(self, *xs))
    monkeypatch.setattr(Conv, "forward_then", lambda self, finish, *xs: super(Conv, self).forward_then(finish, *xs))
    lrp.attribute(net, x, "replace_units", at="relu2")
    assert 0 < sum(calls) <= 10  # twice two samples through two convolutions, none of 32 variants
    assert around(net, "relu2") == ("relu1",)


def test_inputs_of_several_and_the_batch_as_another_axis() -> None:
    nodes = (
        Node("both", Concat(axis=1), ("a", "b")),
        Node("fc", Dense(quarters(5, 2), quarters(2)), ("both",)),
    )
    net = Network(nodes, (Input("a", (2, None), batch_axis=1), Input("b")), ("fc",))
    x = {"a": quarters(2, 3), "b": quarters(3, 3)}
    weight = net["fc"].layer.weight
    by = lrp.attribute(net, x, "replace_units", target=0, by=0)
    assert np.abs(by.relevance["a"] - x["a"] * weight[:2, :1]).max() <= 1e-12
    assert np.abs(by.relevance["b"] - x["b"] * weight[2:, 0]).max() <= 1e-12
    one = lrp.attribute(net, x, "replace_units", target=0, by=0, at="b")
    assert list(one.relevance) == ["b"]
    inside = lrp.attribute(net, x, "replace_units", target=0, by=0, at="both")
    assert inside.relevance.shape == (3, 5)


def test_one_of_several_outputs_of_a_node() -> None:
    nodes = (
        Node("split", Split((2, 3), axis=1), ("x",)),
        Node("a", Dense(quarters(2, 2)), ("split",)),
        Node("b", Dense(quarters(3, 2)), ("split:1",)),
        Node("sum", Add(), ("a", "b")),
    )
    net, x = Network(nodes, (Input("x"),), ("sum",)), quarters(2, 5)
    a = lrp.attribute(net, x, "replace_units", target=1, at="split:1", by=0)
    assert np.abs(a.relevance - x[:, 2:] * net["b"].layer.weight[:, 1]).max() <= 1e-12
    halves = (Node("split", Split((2, 2), axis=1), ("x",)), Node("sum", Add(), ("split", "split:1")))
    with pytest.raises(UnsupportedError, match="at='split:1' is one of several outputs of a node"):
        lrp.attribute(Network(halves, (Input("x"),), ("sum",)), x[:, :4], "replace_units", at="split:1")


def normed() -> Network:
    layers = [
        ("conv", Conv(quarters(2, 1, 2, 2), quarters(2))), ("bn", Affine(quarters(2), quarters(2))), ("relu", ReLU()),
        ("flat", Flatten()), ("fc", Dense(quarters(8, 3), quarters(3))), ("soft", Softmax()),
    ]  # fmt: skip
    return Network.sequential(layers)


def test_names_that_canonizing_took_away_are_told() -> None:
    net, x = normed(), quarters(2, 1, 3, 3)
    with pytest.raises(ParameterError, match=r"at='bn' is no value .*: name 'conv', or give canonize=False") as error:
        lrp.attribute(net, x, "replace_units", at="bn")
    assert "BatchNorm is merged" in str(error.value)
    merged = lrp.attribute(net, x, "replace_units", at="conv", target=0).relevance
    kept = lrp.attribute(net, x, "replace_units", at="bn", target=0, canonize=False, start="logit")
    assert merged.shape == kept.relevance.shape  # the advice works; without canonizing the score is the probability
    with pytest.raises(ParameterError, match="name 'fc', or"):
        lrp.attribute(net, x, "replace_units", at="soft")


@pytest.mark.parametrize(
    ("parameters", "kind", "message"),
    [
        ({"at": "relu3"}, ParameterError, "did you mean 'relu"),
        ({"at": "fc"}, ParameterError, "no node between it and output 'fc'"),
        ({"by": "mean"}, ParameterError, "known: channel_mean, sample_mean"),
        ({"by": None}, ParameterError, "give a finite number, or 'sample_mean'"),
        ({"by": float("nan")}, ParameterError, "give a finite number"),
        ({"by": [[1.0], [1.0, 2.0]]}, ParameterError, "give a finite number"),
        ({"at": "flat", "by": "channel_mean"}, ShapeError, "channels without positions"),
        ({"at": "relu1", "by": np.ones(3)}, ShapeError, r"by of shape \(3,\) does not fit 'relu1' of shape"),
    ],
)
def test_parameters_out_of_range(parameters: dict[str, Any], kind: type[LrpError], message: str) -> None:
    with pytest.raises(kind, match=message):
        lrp.attribute(residual(), quarters(1, 1, 5, 5), "replace_units", **parameters)


def test_tokens_are_refused_and_their_vectors_are_not() -> None:
    net = Network.sequential(
        [("words", Embedding(quarters(9, 4))), ("flat", Flatten()), ("fc", Dense(quarters(12, 2)))]
    )
    x = np.array([[1, 2, 3]])
    with pytest.raises(UnsupportedError, match="holds tokens"):
        lrp.attribute(net, x, "replace_units")
    with pytest.raises(UnsupportedError, match="'input' holds integers"):
        lrp.attribute(net, x, "replace_units", at="input")
    assert lrp.attribute(net, x, "replace_units", at="words").relevance.shape == (1, 3, 4)


def test_it_is_a_value() -> None:
    assert ReplaceUnits("relu1") == ReplaceUnits(at="relu1", by="sample_mean") != ReplaceUnits("relu1", 0)
    assert "unit u by sample_mean" in ReplaceUnits("relu1").formula()
