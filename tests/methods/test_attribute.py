"""One call for every method: the gradient family against stored numbers, autograd and exact sums; its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import LrpError, ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Add, Affine, Conv, Dense, Embedding, Flatten, MaxPool, ReLU, Sigmoid, Softmax
from lrp_ref.methods import METHODS, Gradient, Scored, Sensitivity
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.golden_methods import MODELS, Golden

RNG = np.random.default_rng(19)

STORED = {
    "ref/gradient": ("gradient", {}),
    "ref/sensitivity_square": ("sensitivity", {}),
    "ref/sensitivity_abs": ("sensitivity", {"power": 1}),
    "ref/gradient_x_input": ("gradient_x_input", {}),
    "zennit/guided_backprop": ("guided_backprop", {}),
    "captum/guided_backprop": ("guided_backprop", {}),
    "zennit/deconvnet": ("deconvnet", {}),
    "captum/deconvnet": ("deconvnet", {}),
}
FAMILY = ("gradient", "sensitivity", "gradient_x_input", "guided_backprop", "deconvnet")


def small(*, bias: bool = True, dtype: Any = np.float64) -> Network:
    """A convolution with a max pool, and two dense layers."""
    shift = [RNG.normal(size=k).astype(dtype) if bias else None for k in (3, 5, 4)]
    layers = [
        Conv(RNG.normal(size=(3, 2, 2, 2)).astype(dtype), shift[0]), ReLU(), MaxPool(2), Flatten(),
        Dense(RNG.normal(size=(12, 5)).astype(dtype), shift[1]), ReLU(),
        Dense(RNG.normal(size=(5, 4)).astype(dtype), shift[2]),
    ]  # fmt: skip
    return Network.sequential(layers)


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("key", STORED)
def test_stored_numbers(model: str, key: str) -> None:
    golden = Golden(model)
    method, parameters = STORED[key]
    a = lrp.attribute(golden.net, golden.x, method, target=golden.target, **parameters)
    assert np.abs(a.output - golden["output"]).max() <= 1e-12
    assert np.abs(a.relevance - golden[key]).max() <= 1e-12


def test_gradient_times_input_is_lrp0_without_biases_exactly() -> None:
    net, x = rational(small(bias=False)), rational(RNG.integers(-8, 9, size=(3, 2, 5, 5)) / 4)
    product = lrp.attribute(net, x, "gradient_x_input", target=2)
    assert (product.relevance == lrp.explain(net, x, target=2, composite="lrp0").relevance).all()
    assert (product.completeness == 0).all()


def test_with_biases_gradient_times_input_misses_their_part_exactly() -> None:
    """Σ R = f − Σ b ∂f/∂b: the derivative by the biases is that of a network that reads them as an input."""
    w, b, v, c = (RNG.integers(-8, 9, size=shape) / 4 for shape in ((3, 4), (4,), (4, 2), (2,)))
    net, x = Network.sequential([Dense(w, b), ReLU(), Dense(v, c)]), RNG.integers(-8, 9, size=(5, 3)) / 4
    a = lrp.attribute(rational(net), rational(x), "gradient_x_input", target=1)
    open_ = (x @ w + b) > 0
    assert [float(m) for m in a.completeness] == list(-(open_ * v[:, 1]) @ b - c[1])


def test_lrp_is_a_method_too() -> None:
    net, x = small(), RNG.normal(size=(3, 2, 5, 5))
    a, e = lrp.attribute(net, x, "epsilon", epsilon=0.1), lrp.explain(net, x, composite="epsilon", epsilon=0.1)
    assert (a.relevance == e.relevance).all()
    assert (a.completeness == e.arrived - e.started).all()
    contrast = lrp.attribute(net, x, lrp.rules.LRP0(), target=1, start="difference", against=2)
    assert np.abs(contrast.explained - (contrast.output[:, 1] - contrast.output[:, 2])).max() <= 1e-12


@pytest.mark.parametrize("method", FAMILY)
def test_a_sample_alone_is_what_it_is_in_a_batch(method: str) -> None:
    net, x = small(), RNG.normal(size=(4, 2, 5, 5))
    whole = lrp.attribute(net, x, method)
    for k in range(4):
        alone = lrp.attribute(net, x[k : k + 1], method)
        assert np.abs(alone.relevance - whole.relevance[k : k + 1]).max() <= 1e-14
        assert (whole.sample(k).relevance == whole.relevance[k : k + 1]).all()
        assert whole.sample(k).target.tolist() == alone.target.tolist()


@pytest.mark.parametrize("method", FAMILY)
def test_of_no_samples_there_is_an_empty_map(method: str) -> None:
    a = lrp.attribute(small(), np.zeros((0, 2, 5, 5)), method)
    assert a.relevance.shape == (0, 2, 5, 5)
    assert a.completeness.shape == (0,)


def test_floats_stay_what_they_are() -> None:
    a = lrp.attribute(small(dtype=np.float32), RNG.normal(size=(2, 2, 5, 5)).astype(np.float32), "sensitivity")
    assert (a.relevance.dtype, a.output.dtype, a.explained.dtype) == (np.float32,) * 3


def test_the_score_is_the_logit_unless_it_is_asked_otherwise() -> None:
    w, x = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3))
    net = Network.sequential([Dense(w), Softmax()])
    assert np.abs(lrp.attribute(net, x, "gradient", target=1).relevance - w[:, 1]).max() <= 1e-14
    p = np.exp(x @ w) / np.exp(x @ w).sum(axis=1, keepdims=True)
    expected = p[:, 1:2] * (w[:, 1] - p @ w.T)
    found = lrp.attribute(net, x, "gradient", target=1, start="output")
    assert np.abs(found.relevance - expected).max() <= 1e-14
    assert found.start == "output"
    assert "below softmax" in repr(lrp.attribute(net, x, "gradient", target=1))


def test_the_difference_of_two_outputs() -> None:
    w, x = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3))
    a = lrp.attribute(Network.sequential([Dense(w)]), x, "gradient", target=[0, 1], against=[3, 2])
    assert np.abs(a.relevance - np.stack([w[:, 0] - w[:, 3], w[:, 1] - w[:, 2]])).max() <= 1e-15
    assert a.asked(1) == "1 against 2"


def two_inputs() -> Network:
    nodes = (
        Node("left", Dense(np.array([[1.0, 2.0]])), ("x",)),
        Node("right", Dense(np.array([[3.0, -1.0], [0.5, 2.0]])), ("y",)),
        Node("sum", Add(), ("left", "right")),
    )
    return Network(nodes, (Input("x"), Input("y", (2, None), batch_axis=1)), ("sum",))


def test_several_inputs_each_in_its_own_layout() -> None:
    fed = {"x": np.ones((3, 1)), "y": np.ones((2, 3))}
    a = lrp.attribute(two_inputs(), fed, "gradient_x_input", target=1)
    assert a.relevance["x"].tolist() == [[2.0]] * 3
    assert a.relevance["y"].tolist() == [[-1.0] * 3, [2.0] * 3]
    assert (a.completeness == 0).all()
    assert a.sample(1).relevance["y"].tolist() == [[-1.0], [2.0]]


def test_blocks_go_through_every_variant_once_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrp_ref.methods.scored.DIVIDED_BYTES", 2_000)
    told: list[tuple[int, int]] = []
    scored = Scored.of(small(), RNG.normal(size=(3, 2, 5, 5)), progress=lambda done, total: told.append((done, total)))
    seen = np.zeros((3, 7), dtype=int)
    for block in scored.blocks(7):
        seen[block.rows, block.steps] += 1
    assert (seen == 1).all()
    assert len(told) > 1
    assert told[-1] == (21, 21)


def test_more_samples_than_fit_are_taken_in_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = small(), RNG.normal(size=(9, 2, 5, 5))
    whole = lrp.attribute(net, x, "gradient").relevance
    monkeypatch.setattr("lrp_ref.methods.scored.WORKING_BYTES", 2_000)
    scored = Scored.of(net, x)
    assert len(list(scored.blocks(1))) > 1
    assert np.abs(lrp.attribute(net, x, "gradient").relevance - whole).max() <= 1e-14


def test_it_is_saved_and_read_again(tmp_path: Path) -> None:
    a = lrp.attribute(small(), RNG.normal(size=(2, 2, 5, 5)), "sensitivity", power=1, target=[1, 2])
    read = lrp.load_relevance(a.save(tmp_path / "a"))
    assert (read["relevance"] == a.relevance).all()
    assert read["target"].tolist() == [[1], [2]]
    assert read["method"] == "Sensitivity(power=1)"


def test_methods_are_values_and_print_what_they_are() -> None:
    assert Sensitivity(1) == Sensitivity(power=1) != Sensitivity()
    assert repr(Sensitivity()) == "Sensitivity(power=2)"
    assert "<img" in lrp.attribute(small(), RNG.normal(size=(1, 2, 5, 5)), Gradient())._repr_html_()
    assert all(kind.name == name for name, kind in METHODS.items())


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"method": "gradeint"}, ParameterError, "did you mean 'gradient'"),
        ({"method": "sensitivity", "power": 3}, ParameterError, "power=3"),
        ({"method": "sensitivity", "pwoer": 2}, ParameterError, "did you mean 'power'"),
        ({"method": Gradient(), "power": 2}, ParameterError, "write it there"),
        ({"method": 3}, ParameterError, "is no method"),
        ({"start": "contrastive"}, ParameterError, "only LRP takes others"),
        ({"start": "logits"}, ParameterError, "did you mean 'logit'"),
        ({"target": 7}, ParameterError, "7"),
        ({"target": 1, "against": 1}, ParameterError, "output 1 is the target"),
        ({"output": "nothing"}, LrpError, "nothing"),
    ],
)  # fmt: skip
def test_errors(given: dict[str, Any], error: type[LrpError], text: str) -> None:
    with pytest.raises(error, match=text):
        lrp.attribute(small(), RNG.normal(size=(2, 2, 5, 5)), **given)


def test_a_network_without_logits_is_refused_with_the_way_out() -> None:
    nodes = (
        Node("a", Sigmoid(), ("x",)),
        Node("b", Sigmoid(), ("y",)),
        Node("sum", Add(), ("a", "b")),
    )
    net, fed = Network(nodes, (Input("x"), Input("y")), ("sum",)), {"x": np.ones((1, 2)), "y": np.ones((1, 2))}
    with pytest.raises(ParameterError, match="start='output'"):
        lrp.attribute(net, fed, "gradient")
    assert set(lrp.attribute(net, fed, "gradient", start="output").relevance) == {"x", "y"}


def test_tokens_have_no_values_between() -> None:
    net = Network.sequential([("embed", Embedding(np.eye(4))), Flatten(), Dense(np.ones((8, 2)))], input_name="ids")
    ids = np.array([[1, 2]])
    with pytest.raises(UnsupportedError, match="above their embedding"):
        lrp.attribute(net, ids, "gradient_x_input")
    above = net.since("embed")
    assert lrp.attribute(above, net.until("embed").forward(ids), "gradient_x_input").relevance.shape == (1, 2, 4)


def test_a_parameter_of_another_shape_is_refused() -> None:
    scored = Scored.of(small(), np.zeros((2, 2, 5, 5)))
    with pytest.raises(ShapeError, match="baseline of shape"):
        scored.like_x(np.zeros((2, 5)), "baseline")
    assert scored.like_x(1, "baseline")["input"].shape == (2, 2, 5, 5)


def test_batch_norm_is_merged_or_not_the_gradient_is_one() -> None:
    net = Network.sequential([Dense(RNG.normal(size=(3, 4))), Affine(RNG.normal(size=4), RNG.normal(size=4)), ReLU(),
                              Dense(RNG.normal(size=(4, 2)))])  # fmt: skip
    x = RNG.normal(size=(2, 3))
    found = [lrp.attribute(net, x, "gradient", canonize=c).relevance for c in (True, False)]
    assert np.abs(found[0] - found[1]).max() <= 1e-14


@pytest.mark.parametrize("baseline", ["mean", [[1], [2, 3]], 1j, np.ones((2, 2, 5, 5)) * 1j, np.array(["a"])])
@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift"])
def test_a_baseline_that_is_no_number_is_refused(method: str, baseline: Any) -> None:
    with pytest.raises(ParameterError, match="give a number, or an array of real numbers"):
        lrp.attribute(small(), np.zeros((2, 2, 5, 5)), method, baseline=baseline)
