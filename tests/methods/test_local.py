"""Windows that share what lies outside their reach give what whole forward passes give, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.layers import (
    Add,
    AveragePool,
    Conv,
    Dense,
    Flatten,
    GlobalAveragePool,
    LeakyReLU,
    MaxPool,
    ReLU,
    SumPool,
    Tanh,
)  # fmt: skip
from lrp_ref.methods import Scored
from lrp_ref.methods.local import Local
from lrp_ref.methods.windows import Windows
from lrp_ref.network import Input, Network, Node

RNG = np.random.default_rng(196)


def quarters(*shape: int) -> np.ndarray:
    return RNG.integers(-8, 9, size=shape) / 4


def ended(layers: list[Any], channels: int) -> Network:
    """Layers on maps, their mean and a dense layer of three outputs."""
    head = [GlobalAveragePool(), Flatten(), Dense(quarters(channels, 3), quarters(3))]
    return Network.sequential([*layers, *head])


PARTS: dict[str, tuple[Any, tuple[int, ...], list[Any], int]] = {
    "padded": (2, (9, 8), [Conv(quarters(3, 2, 3, 3), quarters(3), padding=1), ReLU()], 3),
    "one side": (1, (9, 8), [Conv(quarters(3, 1, 3, 2), padding=((2, 0), (0, 1))), Conv(quarters(2, 3, 2, 2))], 2),
    "strides": (2, (11, 10), [Conv(quarters(3, 2, 3, 3), quarters(3), stride=(2, 3), padding=1), LeakyReLU(0.5)], 3),
    "dilated": (1, (12, 9), [Conv(quarters(2, 1, 2, 2), quarters(2), dilation=(3, 2), padding=2), ReLU()], 2),
    "groups": (4, (8, 8), [Conv(quarters(4, 1, 3, 3), quarters(4), groups=4), ReLU(), Conv(quarters(2, 4, 1, 1))], 2),
    "pools": (1, (13, 12), [Conv(quarters(2, 1, 3, 3)), MaxPool(2), AveragePool(2, stride=1), SumPool((2, 1))], 2),
    "overlapping": (2, (12, 11), [MaxPool(3, stride=2), Conv(quarters(3, 2, 2, 2), quarters(3))], 3),
    "signal": (2, (23,), [Conv(quarters(3, 2, 4), quarters(3), stride=2, padding=2), ReLU(), MaxPool(2)], 3),
    "volume": (1, (6, 5, 7), [Conv(quarters(2, 1, 2, 2, 2), quarters(2), padding=1), ReLU()], 2),
}  # fmt: skip
FLOATS: dict[str, tuple[Any, tuple[int, ...], list[Any], int]] = {
    "padded max": (2, (12, 11), [Conv(quarters(3, 2, 3, 3), quarters(3)), MaxPool(3, stride=2, padding=1), Tanh()], 3),
}


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Have boxes computed wherever their layers are known, and count the calls."""
    calls: list[int] = []
    values = Local.values
    monkeypatch.setattr("lrp_ref.methods.local.MOVED", 0)
    monkeypatch.setattr(Local, "values", lambda self, *given: calls.append(len(self.stages)) or values(self, *given))
    return calls


def whole(net: Network, x: Any, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as context:
        context.setattr(Local, "of", lambda *given: None)
        return lrp.attribute(net, x, "occlusion", target=1, **parameters).relevance


@pytest.mark.parametrize(("patch", "stride"), [(2, 2), (3, 2)])
@pytest.mark.parametrize("name", PARTS)
def test_boxes_give_what_maps_give_exactly(
    name: str, patch: int, stride: int, always: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    channels, sizes, layers, made = PARTS[name]
    net, x = rational(ended(layers, made)), rational(quarters(2, channels, *sizes))
    parameters = {"patch": patch, "stride": stride, "fill": rational(quarters(channels, *sizes))}
    a = lrp.attribute(net, x, "occlusion", target=1, **parameters)
    assert sum(always) > 0
    assert (a.relevance == whole(net, x, parameters, monkeypatch)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [*PARTS, *FLOATS])
def test_boxes_of_floats(name: str, dtype: Any, always: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    channels, sizes, layers, made = (PARTS | FLOATS)[name]
    net, x = ended(layers, made).astype(dtype), RNG.normal(size=(3, channels, *sizes)).astype(dtype)
    for parameters in ({"patch": 2, "stride": 1}, {"patch": (3,) * len(sizes), "stride": 2, "fill": "mean"}):
        a = lrp.attribute(net, x, "occlusion", target=1, **parameters)
        expected = whole(net, x, parameters, monkeypatch)
        assert a.relevance.dtype == dtype
        assert np.abs(a.relevance - expected).max() <= 1e-12 * (1 if dtype == np.float64 else 1e8)
    assert sum(always) > 0
    assert lrp.attribute(net, x[:0], "occlusion", patch=2).relevance.shape == (0, channels, *sizes)


def test_a_few_samples_and_windows_at_a_time(always: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    channels, sizes, layers, made = PARTS["pools"]
    net, x = ended(layers, made), RNG.normal(size=(5, channels, *sizes))
    expected = whole(net, x, {"patch": 2}, monkeypatch)
    for size in (1, 9_000, 40_000):
        monkeypatch.setattr("lrp_ref.methods.scored.DIVIDED_BYTES", size)
        monkeypatch.setattr("lrp_ref.methods.scored.WORKING_BYTES", size)
        a = lrp.attribute(net, x, "occlusion", target=1, patch=2)
        assert np.abs(a.relevance - expected).max() <= 1e-12


def test_boxes_below_a_residual_block_and_beside_another_input(
    always: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = (
        Node("conv", Conv(quarters(2, 1, 3, 3), quarters(2), padding=1), ("x",)),
        Node("relu", ReLU(), ("conv",)),
        Node("inner", Conv(quarters(2, 2, 3, 3), quarters(2), padding=1), ("relu",)),
        Node("add", Add(), ("inner", "relu")),
        Node("mean", GlobalAveragePool(), ("add",)),
        Node("flat", Flatten(), ("mean",)),
        Node("both", Add(), ("flat", "y")),
    )
    net = Network(nodes, (Input("x"), Input("y")), ("both",))
    x = {"x": quarters(2, 1, 8, 8), "y": quarters(2, 2)}
    a = lrp.attribute(net, x, "occlusion", target=1, patch=2)
    assert always == [2]  # conv and relu: two read the relu
    for key, expected in whole(net, x, {"patch": 2}, monkeypatch).items():
        assert np.abs(a.relevance[key] - expected).max() <= 1e-12


def test_boxes_are_taken_where_they_are_small_only() -> None:
    layers = [
        Conv(quarters(16, 3, 3, 3), quarters(16), padding=1),
        ReLU(),
        Conv(quarters(16, 16, 3, 3)),
        ReLU(),
        MaxPool(2),
    ]
    net, x = ended(layers, 16), quarters(1, 3, 48, 48)
    scored = Scored.of(net, x, target=0)
    assert Local.of(scored, "input", Windows.of((48, 48), 4, 4)) is not None
    assert Local.of(scored, "input", Windows.of((48, 48), 47, 1)) is None
    dense = Scored.of(Network.sequential([Flatten(), Dense(quarters(12, 2))]), quarters(1, 3, 2, 2))
    assert Local.of(dense, "input", Windows.of((2, 2), 1, 1)) is None
