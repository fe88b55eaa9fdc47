"""Occlusion against a loop over windows written out, stored numbers, exact sums; what fills a window; its errors."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.arithmetic import rational
from lrp_ref.errors import ParameterError, ShapeError, UnsupportedError
from lrp_ref.layers import Add, Conv, Dense, Embedding, Flatten, MaxPool, Multiply, ReLU
from lrp_ref.methods import DIALECTS, METHODS, Occlusion
from lrp_ref.network import Input, Network, Node
from tests.support import golden_methods
from tests.support.golden_methods import MODELS, Golden

RNG = np.random.default_rng(191)


def over(sample: Sequence[int], *, dtype: Any = np.float64) -> Network:
    """A network of two layers with biases on samples of any shape: nothing of it is symmetric."""
    size = int(np.prod(sample))
    w, b, v, c = (RNG.integers(-8, 9, size=s) / 4 for s in ((size, 6), (6,), (6, 3), (3,)))
    return Network.sequential([Flatten(), Dense(w, b), ReLU(), Dense(v, c)]).astype(dtype)


def spans(n: int, patch: int, stride: int) -> list[range]:
    """The windows along an axis, from the first until one reaches the end."""
    found = [range(0, min(patch, n))]
    while found[-1].stop < n:
        begin = found[-1].start + stride
        found.append(range(begin, min(begin + patch, n)))
    return found


def literal(net: Network, x: Any, target: int, patch: Sequence[int], stride: Sequence[int], fill: Any) -> Any:
    """The mean over the windows of a position, one forward pass of one sample a window; windows over all axes."""
    rows = []
    for k in range(len(x)):
        sums, counts = np.zeros(x.shape[1:], dtype=x.dtype), np.zeros(x.shape[1:], dtype=int)
        score = net.forward(x[k : k + 1])[0, target]
        for window in itertools.product(*map(spans, x.shape[1:], patch, stride)):
            variant, place = x[k : k + 1].copy(), np.ix_(*window)
            variant[0][place] = np.broadcast_to(fill, x.shape)[k][place]
            sums[place] += score - net.forward(variant)[0, target]
            counts[place] += 1
        rows.append(sums / counts)
    return np.stack(rows)


CASES = [  # sample, patch, stride, axis, and the same as windows over all axes
    ((7,), 3, 2, "channels", (3,), (2,)),
    ((7,), 3, 3, "channels", (3,), (3,)),
    ((5,), 9, None, "channels", (5,), (5,)),
    ((6,), None, None, "channels", (1,), (1,)),
    ((2, 7), 3, 2, "channels", (2, 3), (2, 2)),
    ((1, 5, 6), 2, 1, "channels", (1, 2, 2), (1, 1, 1)),
    ((2, 5, 6), (2, 3), (2, 1), "channels", (2, 2, 3), (2, 2, 1)),
    ((2, 5, 6), (9, 1), 1, "channels", (2, 5, 1), (2, 1, 1)),
    ((5, 6, 2), 2, 2, -1, (2, 2, 2), (2, 2, 2)),
    ((2, 3, 4), (1, 2, 3), (1, 2, 2), None, (1, 2, 3), (1, 2, 2)),
    ((2, 3, 2, 4), 2, 1, "channels", (2, 2, 2, 2), (2, 1, 1, 1)),
]


@pytest.mark.parametrize(("sample", "patch", "stride", "axis", "widths", "steps"), CASES, ids=str)
def test_the_loop_over_windows_written_out(
    sample: Any, patch: Any, stride: Any, axis: Any, widths: Any, steps: Any
) -> None:
    net, x = over(sample), RNG.integers(-8, 9, size=(3, *sample)) / 4
    a = lrp.attribute(net, x, "occlusion", target=1, patch=patch, stride=stride, axis=axis, fill=0.5)
    expected = literal(net, x, 1, widths, steps, 0.5)
    assert a.relevance.shape == x.shape
    assert np.abs(a.relevance - expected).max() <= 1e-12
    exact = lrp.attribute(rational(net), rational(x), "occlusion", target=1, patch=patch, stride=stride, axis=axis)
    assert (exact.relevance == literal(rational(net), rational(x), 1, widths, steps, Fraction(0))).all()


@golden_methods.needed
@pytest.mark.parametrize("model", MODELS)
def test_stored_numbers(model: str) -> None:
    golden = Golden(model)
    a = lrp.attribute(golden.net, golden.x, "occlusion", target=golden.target, patch=3, stride=2)
    assert np.abs(a.relevance - golden["ref/occlusion_w3_s2_mean_over_windows"]).max() <= 1e-12
    captum = _dialect("captum-0.9", patch=3, stride=2)
    b = lrp.attribute(golden.net, golden.x, captum, target=golden.target)
    assert np.abs(b.relevance - golden["captum/occlusion_w3_s2"]).max() <= 1e-7
    zennit = _dialect("zennit-1.0", patch=2, stride=2)
    c = lrp.attribute(golden.net, golden.x, zennit, target=golden.target)
    assert np.abs(c.relevance - golden["zennit/occlusion_w2_s2_default_keeps_only_the_window"]).max() <= 1e-12


def _dialect(name: str, **parameters: Any) -> Occlusion:
    found = dataclasses.replace(DIALECTS[name]["occlusion"], **parameters)
    assert isinstance(found, Occlusion)
    return found


def test_zennit_on_a_sum_of_five() -> None:
    """Windows 12, 34, 5(1) of 1 2 3 4 5 keep 3, 7 and 6; position 1 is in the first and the last."""
    net, x = Network.sequential([Dense(np.ones((5, 1)))]), np.arange(1.0, 6.0).reshape(1, 5)
    zennit = _dialect("zennit-1.0", patch=2, stride=2)
    counted = lrp.attribute(net, x, zennit).relevance
    assert counted.tolist() == [[2.0, 1.0, 1.0, 1.0, 1.0]]  # whatever the network gives
    kept = lrp.attribute(net, x, _dialect("zennit-1.0", patch=2, stride=2, measure="score"))
    assert kept.relevance.tolist() == [[9.0, 3.0, 7.0, 7.0, 6.0]]
    assert lrp.attribute(net, x, "occlusion", patch=2, stride=2).relevance.tolist() == [[3.0, 3.0, 7.0, 7.0, 5.0]]


@pytest.mark.parametrize(("keeps", "measure"), [("rest", "score"), ("window", "difference"), ("window", "score")])
@pytest.mark.parametrize("overlap", ["mean", "sum"])
@pytest.mark.parametrize(("patch", "stride"), [(2, 2), (3, 1), (9, 9)])
def test_every_switch_written_out(keeps: str, measure: str, overlap: str, patch: int, stride: int) -> None:
    net, x = over((2, 5)), RNG.normal(size=(2, 2, 5))
    a = lrp.attribute(
        net, x, "occlusion", target=0, patch=patch, stride=stride, keeps=keeps, measure=measure, overlap=overlap,
        border="wrap", fill=0.25,
    )  # fmt: skip
    sums, counts = np.zeros_like(x), np.zeros_like(x)
    for begin in range(0, 5, min(stride, 5)):
        place = [p % 5 for p in range(begin, begin + min(patch, 5))]
        inside = np.isin(np.arange(5), place)
        variant = np.where(inside if keeps == "rest" else ~inside, 0.25, x)
        effect = net.forward(variant)[:, 0]
        effect = net.forward(x)[:, 0] - effect if measure == "difference" else effect
        sums += inside * effect.reshape(2, 1, 1)
        counts += inside
    assert np.abs(a.relevance - (sums / counts if overlap == "mean" else sums)).max() <= 1e-12


def test_effects_of_the_windows_by_their_place() -> None:
    net, x = over((1, 5, 7)), RNG.normal(size=(2, 1, 5, 7))
    a = lrp.attribute(net, x, "occlusion", target=2, patch=(2, 3), stride=(2, 3))
    assert a.found["effect"].shape == (2, 3, 3)
    variant = x.copy()
    variant[:, :, 2:4, 6:] = 0
    gone = net.forward(x)[:, 2] - net.forward(variant)[:, 2]
    assert np.abs(a.found["effect"][:, 1, 2] - gone).max() <= 1e-12
    assert np.isnan(a.explained).all()


def test_of_a_linear_network_windows_beside_each_other_close() -> None:
    """f(x) − f(x with W 0) = Σ_{i in W} w_i x_i, so that one position of each window adds up to f(x) − f(0)."""
    w, x = RNG.integers(-8, 9, size=(7, 2)) / 4, RNG.integers(-8, 9, size=(3, 7)) / 4
    net = Network.sequential([Dense(w, np.array([0.5, -2.0]))])
    a = lrp.attribute(rational(net), rational(x), "occlusion", target=0)
    assert [[float(r) for r in row] for row in a.relevance] == (x * w[:, 0]).tolist()


@pytest.mark.parametrize(("sample", "axis", "over_axes"), [((2, 5, 4), "channels", (2, 3)), ((5, 4, 2), -1, (1, 2))])
def test_means_fill_per_sample(sample: Any, axis: Any, over_axes: Any) -> None:
    net, x = over(sample), RNG.normal(size=(3, *sample))
    for name, axes in {"sample_mean": (1, 2, 3), "channel_mean": over_axes, "mean": over_axes}.items():
        mean = np.broadcast_to(x.mean(axis=axes, keepdims=True), x.shape)
        a = lrp.attribute(net, x, "occlusion", target=1, patch=2, axis=axis, fill=name)
        assert np.abs(a.relevance - literal(net, x, 1, (2, 2, 2), (2, 2, 2), mean)).max() <= 1e-12
    assert repr(Occlusion(fill="mean")) == repr(Occlusion(fill="channel_mean"))


def test_features_without_channels_have_the_mean_of_all() -> None:
    net, x = over((6,)), RNG.normal(size=(3, 6))
    expected = literal(net, x, 1, (1,), (1,), x.mean(axis=1, keepdims=True))
    for name in ("mean", "sample_mean"):
        assert np.abs(lrp.attribute(net, x, "occlusion", target=1, fill=name).relevance - expected).max() <= 1e-12


def test_a_blur_is_the_mean_up_to_one_patch_away() -> None:
    net, x = over((2, 5, 7)), RNG.normal(size=(2, 2, 5, 7))
    blurred = np.empty_like(x)
    for i, j in itertools.product(range(5), range(7)):
        near = x[:, :, max(i - 2, 0) : i + 3, max(j - 2, 0) : j + 3]
        blurred[:, :, i, j] = near.mean(axis=(2, 3))
    a = lrp.attribute(net, x, "occlusion", target=0, patch=2, stride=1, fill="blur")
    assert np.abs(a.relevance - literal(net, x, 0, (2, 2, 2), (2, 1, 1), blurred)).max() <= 1e-12


def test_noise_has_mean_and_deviation_of_each_channel_and_one_draw_for_all_samples() -> None:
    net, x = over((2, 3, 4)), RNG.normal(size=(3, 2, 3, 4)) * 5 + 2
    a = lrp.attribute(net, x, "occlusion", target=0, patch=2, fill="noise", seed=5)
    drawn = np.random.default_rng(5).standard_normal((2, 3, 4))
    fill = x.mean(axis=(2, 3), keepdims=True) + x.std(axis=(2, 3), keepdims=True) * drawn
    assert np.abs(a.relevance - literal(net, x, 0, (2, 2, 2), (2, 2, 2), fill)).max() <= 1e-12
    assert (a.relevance != lrp.attribute(net, x, "occlusion", target=0, patch=2, fill="noise", seed=6).relevance).any()
    with pytest.raises(UnsupportedError, match="Gaussian noise has no exact value"):
        lrp.attribute(rational(net), rational(x), "occlusion", fill="noise")


def test_fills_per_channel_and_like_a_sample() -> None:
    net, x = over((2, 3, 4)), RNG.normal(size=(3, 2, 3, 4))
    wide = np.broadcast_to(np.array([0.5, -1.0]).reshape(1, 2, 1, 1), x.shape)
    expected = literal(net, x, 1, (2, 2, 2), (2, 1, 1), wide)
    for fill in ([0.5, -1.0], np.array([0.5, -1.0]), wide[0], wide):
        a = lrp.attribute(net, x, "occlusion", target=1, patch=2, stride=1, fill=fill)
        assert np.abs(a.relevance - expected).max() <= 1e-12


def test_row_alone_is_row_in_a_batch_in_every_fill_and_dtype() -> None:
    for dtype, close in ((np.float64, 1e-12), (np.float32, 1e-4)):
        net, x = over((2, 5, 6), dtype=dtype), RNG.normal(size=(4, 2, 5, 6)).astype(dtype)
        for fill in (0, "mean", "sample_mean", "blur", "noise"):
            whole = lrp.attribute(net, x, "occlusion", target=[0, 1, 2, 0], patch=3, stride=2, fill=fill)
            alone = lrp.attribute(net, x[2:3], "occlusion", target=2, patch=3, stride=2, fill=fill)
            assert whole.relevance.dtype == whole.found["effect"].dtype == dtype
            assert np.abs(whole.relevance[2] - alone.relevance[0]).max() <= close
            none = lrp.attribute(net, x[:0], "occlusion", patch=3, stride=2, fill=fill)
            assert none.relevance.shape == (0, 2, 5, 6)
            assert none.found["effect"].shape == (0, 2, 3)


def test_against_another_output_and_several_targets() -> None:
    net, x = over((2, 4)), RNG.normal(size=(2, 2, 4))
    by = [lrp.attribute(net, x, "occlusion", target=k, patch=2).relevance for k in range(3)]
    contrast = lrp.attribute(net, x, "occlusion", target=2, against=0, patch=2).relevance
    assert np.abs(contrast - (by[2] - by[0])).max() <= 1e-12
    both = lrp.attribute(net, x, "occlusion", target=[[0, 1], [1, 2]], patch=2).relevance
    assert np.abs(both - np.stack([by[0][0] + by[1][0], by[1][1] + by[2][1]])).max() <= 1e-12


def two_inputs() -> Network:
    nodes = (
        Node("flat", Flatten(), ("image",)),
        Node("left", Dense(RNG.integers(-8, 9, size=(12, 3)) / 4), ("flat",)),
        Node("right", Dense(RNG.integers(-8, 9, size=(5, 3)) / 4), ("table",)),
        Node("both", Multiply(), ("left", "right")),
    )
    return Network(nodes, (Input("image"), Input("table")), ("both",))


def test_several_inputs_are_occluded_one_at_a_time() -> None:
    net, image, table = two_inputs(), RNG.normal(size=(2, 1, 3, 4)), RNG.normal(size=(2, 5))
    steps: list[tuple[int, int]] = []
    a = lrp.attribute(
        net, {"image": image, "table": table}, "occlusion", target=1, patch=2, fill={"table": 1.0},
        progress=lambda done, of: steps.append((done, of)),
    )  # fmt: skip
    score = net.forward({"image": image, "table": table})[:, 1]
    for begin in (0, 2, 4):
        changed = table.copy()
        changed[:, begin : begin + 2] = 1.0
        gone = score - net.forward({"image": image, "table": changed})[:, 1]
        assert np.abs(a.relevance["table"][:, begin] - gone).max() <= 1e-12
    changed = image.copy()
    changed[:, :, 2:, :2] = 0
    gone = score - net.forward({"image": changed, "table": table})[:, 1]
    assert np.abs(a.relevance["image"][:, 0, 2, 1] - gone).max() <= 1e-12
    assert a.found["effect/image"].shape == (2, 2, 2)
    assert steps[-1] == (2 * 7, 2 * 7)


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net = two_inputs()
    x = {"image": RNG.normal(size=(3, 1, 3, 4)), "table": RNG.normal(size=(3, 5))}
    whole = lrp.attribute(net, x, "occlusion", target=1, patch=1)
    for size in (1, 600, 2000):
        monkeypatch.setattr("lrp_ref.methods.scored.DIVIDED_BYTES", size)
        monkeypatch.setattr("lrp_ref.methods.scored.WORKING_BYTES", size)
        parts = lrp.attribute(net, x, "occlusion", target=1, patch=1)
        for name in x:
            assert np.abs(parts.relevance[name] - whole.relevance[name]).max() <= 1e-12


def test_the_batch_may_be_another_axis() -> None:
    dense = Dense(RNG.normal(size=(3, 2)), RNG.normal(size=2))
    nodes = (Node("dense", dense, ("x",)), Node("sum", lrp.layers.Sum(axes=(1,), keepdims=False), ("dense",)))
    net = Network(nodes, (Input("x", (4, None, 3), batch_axis=1),), ("sum",))
    x = RNG.normal(size=(4, 2, 3))
    a = lrp.attribute(net, x, "occlusion", target=0, patch=1, axis=None)
    assert np.abs(a.relevance - x * dense.weight[:, 0]).max() <= 1e-12  # of a linear network: w x


def test_channels_that_the_input_declares_are_the_channels() -> None:
    net = over((3, 4, 2))
    spec = Input("input", (None, 3, 4, 2), axes=("batch", "height", "width", "channels"))
    told = Network(net.nodes, (spec,), net.outputs)
    x = RNG.normal(size=(2, 3, 4, 2))
    by_name = lrp.attribute(told, x, "occlusion", target=0, patch=2).relevance
    assert (by_name == lrp.attribute(net, x, "occlusion", target=0, patch=2, axis=-1).relevance).all()
    assert (by_name != lrp.attribute(net, x, "occlusion", target=0, patch=2).relevance).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"patch": 0}, r"patch=0: give a whole number of 1 or more"),
        ({"patch": 2.0}, r"patch=2.0"),
        ({"patch": True}, r"patch=True"),
        ({"stride": (1, -1)}, r"stride=\(1, -1\)"),
        ({"patch": ()}, r"patch=\(\)"),
        ({"fill": "blurr"}, "did you mean 'blur'"),
        ({"fill": None}, "give a finite number, or one per channel"),
        ({"keeps": "windows"}, "did you mean 'window'"),
        ({"border": "wrapped"}, "did you mean 'wrap'"),
        ({"axis": "height"}, "give 'channels'"),
        ({"patch": 2, "stride": 3}, "stride=3 is larger than patch=2"),
        ({"patch": (2, 2, 2)}, r"has 3 numbers, and input 'input' has 2 axes of positions, \(4, 5\)"),
        ({"axis": 3}, r"a sample of shape \(2, 4, 5\) has 3 axes"),
        ({"window": 3}, "unknown parameter of method 'occlusion' 'window'"),
    ],
)
def test_parameters_out_of_range(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        lrp.attribute(over((2, 4, 5)), np.ones((1, 2, 4, 5)), "occlusion", **parameters)


def test_a_stride_larger_than_the_patch_may_be_summed() -> None:
    net, x = Network.sequential([Dense(np.ones((5, 1)))]), np.arange(1.0, 6.0).reshape(1, 5)
    a = lrp.attribute(net, x, "occlusion", patch=1, stride=2, overlap="sum")
    assert a.relevance.tolist() == [[1.0, 0.0, 3.0, 0.0, 5.0]]


def test_fills_that_do_not_fit() -> None:
    net, x = over((2, 4, 5)), np.ones((1, 2, 4, 5))
    with pytest.raises(ShapeError, match=r"fill has 3 numbers, and input 'input' of shape .* has 2 channels"):
        lrp.attribute(net, x, "occlusion", fill=[1, 2, 3])
    with pytest.raises(ShapeError, match=r"fill of shape \(4, 5\) does not fit input 'input'"):
        lrp.attribute(net, x, "occlusion", fill=np.ones((4, 5)))
    with pytest.raises(ParameterError, match="unknown input of fill 'inptu': did you mean 'input'"):
        lrp.attribute(net, x, "occlusion", fill={"inptu": 1})


def test_tokens_are_refused() -> None:
    table = Embedding(RNG.normal(size=(9, 4)))
    net = Network.sequential([table, Flatten(), Dense(RNG.normal(size=(12, 2)))])
    with pytest.raises(UnsupportedError, match="holds tokens"):
        lrp.attribute(net, np.array([[1, 2, 3]]), "occlusion")


def test_it_is_a_value() -> None:
    assert METHODS["occlusion"] is Occlusion
    assert Occlusion(3, 2) == Occlusion(patch=3, stride=2) != Occlusion(3, 1)
    assert hash(Occlusion(3, fill={"x": 1})) == hash(Occlusion(3, fill={"x": 1}))
    assert Occlusion(fill=np.ones(3)) == Occlusion(fill=np.ones(3)) != Occlusion(fill=np.zeros(3))
    assert "f(x) − f(x with W filled)" in Occlusion().formula()
    assert DIALECTS["zennit-1.0"]["occlusion"].formula() == "R_p = sum over windows W∋p of Σ_k c_k"


def test_residual_networks_and_convolutions() -> None:
    w = RNG.integers(-4, 5, size=(2, 2, 3, 3)) / 4
    nodes = (
        Node("conv", Conv(w, np.array([0.5, -0.25]), padding=1), ("x",)),
        Node("relu", ReLU(), ("conv",)),
        Node("add", Add(), ("relu", "x")),
        Node("pool", MaxPool(2), ("add",)),
        Node("flat", Flatten(), ("pool",)),
        Node("fc", Dense(RNG.integers(-4, 5, size=(8, 2)) / 4), ("flat",)),
    )
    net, x = Network(nodes, (Input("x"),), ("fc",)), RNG.integers(-8, 9, size=(2, 2, 4, 4)) / 4
    a = lrp.attribute(rational(net), rational(x), "occlusion", target=1, patch=3, stride=2)
    assert (a.relevance == literal(rational(net), rational(x), 1, (2, 3, 3), (2, 2, 2), Fraction(0))).all()
