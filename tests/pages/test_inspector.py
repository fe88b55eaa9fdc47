"""The inspector's page: what is in it equals what NumPy and the core say, within a budget, for inputs of every kind."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inspected import Inspected
from numpy.typing import NDArray

import lrp_ref as lrp
from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError
from lrp_ref.layers import LSTM, Add, Conv, Dense, Embedding, Flatten, MaxPool, Mean, ReLU, Transpose
from lrp_ref.loaders.preprocess import load_sidecar, read_image
from lrp_ref.network import Input, Network, Node
from lrp_ref.pages import inspecting
from lrp_ref.pages.layout import channel_axes
from lrp_ref.pages.shown import Shown, Words

MODELS = Path(__file__).parents[2] / "models"
HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp.\x00\"'&`"


def draw(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def small(*, classes: int = 3) -> Network:
    return Network.sequential(
        [Conv(draw(4, 2, 3, 3), draw(4)), ReLU(), MaxPool(2), Flatten(), Dense(draw(36, classes))]
    )


@pytest.fixture(scope="module")
def digit() -> tuple[Network, Any, Any, Any]:
    sidecar = load_sidecar(MODELS / "digits_cnn.onnx", None)
    assert sidecar is not None
    x, shown = read_image(MODELS / "samples" / "digit_3.png", sidecar, dtype="float32")
    return lrp.load(MODELS / "digits_cnn.onnx"), sidecar, x, shown


# What is in the page ------------------------------------------------------------------------------------------------


def test_maps_sums_and_ledger_are_those_of_the_walk() -> None:
    x = draw(1, 2, 8, 8)
    e = lrp.explain(small(), x, composite="epsilon")
    held = Inspected(e.to_html())
    assert [n["name"] for n in held.views[0]["nodes"]] == ["input", "conv1", "relu1", "maxpool1", "flatten1", "dense1"]
    for node in held.views[0]["nodes"]:
        relevance = e.trace.relevance[node["name"]][0]
        assert node["sum"] == relevance.sum()
        expected = relevance.sum(axis=0) if relevance.ndim == 3 else relevance[None]
        np.testing.assert_array_equal(held.map(node), expected.astype(np.float32))
        for channel, total, *_ in node["channels"]:
            np.testing.assert_allclose(total, relevance[channel].sum(), rtol=1e-12)
    for row, told in zip(e.ledger, held.views[0]["ledger"], strict=True):
        columns = (row.relevance_out, row.relevance_in, row.bias, row.stabiliser, row.dropped, row.residual)
        assert told == [row.node, row.rule, *(float(c[0]) for c in columns)]
    assert (held.views[0]["started"], held.views[0]["arrived"]) == (float(e.started[0]), float(e.arrived[0]))


def test_channels_have_their_relevance_and_their_values() -> None:
    e = lrp.explain(small(), draw(1, 2, 8, 8), composite="epsilon")
    held = Inspected(e.to_html())
    conv = held.node("conv1")
    assert len(conv["channels"]) == 4
    strength = abs(e.trace.relevance["conv1"][0]).sum(axis=(1, 2))
    assert [row[0] for row in conv["channels"]] == np.argsort(-strength).tolist()
    for channel, _, _, values in conv["channels"]:
        np.testing.assert_array_equal(held.map(conv, channel), e.trace.relevance["conv1"][0, channel].astype("f4"))
        there = held.numbers[values : values + 36].reshape(6, 6)
        np.testing.assert_array_equal(there, e.trace.values["conv1"][0, channel].astype("f4"))


CONVOLUTIONS = {
    "plain": Conv(draw(4, 2, 3, 3), draw(4)),
    "padded": Conv(draw(4, 2, 3, 3), draw(4), padding=((2, 1), (1, 2))),
    "strided": Conv(draw(4, 2, 3, 3), draw(4), stride=2, padding=1),
    "dilated": Conv(draw(4, 2, 2, 2), draw(4), dilation=(2, 3), padding=2),
    "in groups": Conv(draw(4, 1, 3, 3), draw(4), groups=2, padding=1),
    "bias map": Conv(draw(4, 2, 3, 3), draw(4, 6, 6)),
}


@pytest.mark.parametrize("composite", ["epsilon", "epsilon_plus_flat", "epsilon_alpha2_beta1"])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_messages_are_what_the_layer_makes_of_one_unit_alone(composite: str, kind: str) -> None:
    """A convolution's unit is looked at in its window alone; the whole layer, redistributed, says the same."""
    conv = CONVOLUTIONS[kind]
    size = conv.forward(draw(1, 2, 8, 8))[0].size
    net = Network.sequential([conv, ReLU(), MaxPool(1), Flatten(), Dense(draw(size, 3))])
    e = lrp.explain(net, draw(1, 2, 8, 8), composite=composite)
    held = Inspected(e.to_html(budget=400_000))
    rules, seen = {p.node: p for p in e.plan}, 0
    for node in held.views[0]["nodes"]:
        for unit in node["units"]:
            planned, at = rules[node["name"]], (0, *unit["at"])
            arrived = np.zeros_like(e.trace.relevance[node["name"]])
            arrived[at] = e.trace.relevance[node["name"]][at]
            reads = e.trace.values[node["reads"][0]]
            told = planned.layer.redistribute(reads, arrived, planned.rule)
            places, values, weights, messages = held.messages(unit)
            expected = told.relevances[0].reshape(-1)
            np.testing.assert_allclose(
                messages, expected[places.astype(int)], rtol=1e-5, atol=1e-7 * abs(arrived).max()
            )
            np.testing.assert_array_equal(values, reads.reshape(-1)[places.astype(int)].astype("f4"))
            elsewhere = unit["bias"] + unit["stabiliser"] + unit["dropped"] + unit["rest"]
            np.testing.assert_allclose(messages.sum() + elsewhere, unit["relevance"], rtol=1e-5)
            for column in ("bias", "stabiliser", "dropped"):
                np.testing.assert_allclose(unit[column], getattr(told, column)[0], rtol=1e-9, atol=1e-12)
            if unit["weighted"] and unit["others"] == 0 and node["layer"] != "MaxPool":
                z = (values.astype(float) * weights).sum() + (unit["b"] or 0)
                np.testing.assert_allclose(z, unit["value"], rtol=1e-4, atol=1e-5)
            seen += 1
    assert seen >= 8


def test_the_strongest_units_come_from_different_channels() -> None:
    held = Inspected(lrp.explain(small(), draw(1, 2, 8, 8), composite="epsilon").to_html())
    channels = [unit["at"][0] for unit in held.node("conv1")["units"]]
    assert len(channels) == len(set(channels)) == 4


def test_a_map_that_comes_twice_is_written_once() -> None:
    held = Inspected(lrp.explain(small(), draw(1, 2, 8, 8), composite="epsilon").to_html())
    assert held.node("conv1")["map"] == held.node("relu1")["map"]  # an activation passes its relevance


# Inputs -------------------------------------------------------------------------------------------------------------


def test_pixels_and_numbers_of_a_picture_are_one_table(digit: tuple[Network, Any, Any, Any]) -> None:
    net, sidecar, x, shown = digit
    held = Inspected(lrp.explain(net, x).to_html(image=shown, classes=sidecar.classes))
    told = held.node("image")["input"]
    offset, high, wide, depth = told["picture"]
    pixels = held.pixels[offset : offset + high * wide * depth].reshape(high, wide, depth)
    np.testing.assert_array_equal(pixels[:, :, 0], shown)
    np.testing.assert_array_equal(np.array(told["tables"][0], np.float32)[pixels[:, :, 0]], x[0, 0])


def test_numbers_that_no_picture_tells_are_written() -> None:
    x = draw(1, 3, 6, 6)
    net = Network.sequential([Conv(draw(2, 3, 3, 3)), Flatten(), Dense(draw(32, 2))])
    held = Inspected(lrp.explain(net, x).to_html())
    told = held.node("input")["input"]
    assert told["picture"][1:] == [6, 6, 3]
    at = told["values"]
    np.testing.assert_array_equal(held.numbers[at : at + 108].reshape(3, 6, 6), x[0].astype("f4"))


def test_a_picture_of_another_size_is_refused() -> None:
    e = lrp.explain(small(), draw(1, 2, 8, 8))
    with pytest.raises(ShapeError, match=r"image is 4 x 8 \(height x width\), the input has shape \(2, 8, 8\)"):
        e.to_html(image=np.zeros((4, 8), np.uint8))
    with pytest.raises(ShapeError, match="dtype float64; give uint8"):
        e.to_html(image=np.zeros((8, 8)))


def lstm(features: int) -> LSTM:
    return LSTM(draw(1, 4, 5, features), draw(1, 4, 5, 5), draw(1, 4, 5))


KINDS: dict[str, tuple[list[Any], tuple[int, ...], str, int]] = {
    "vector": ([Dense(draw(4, 2))], (1, 4), "vector", 0),
    "series": ([Conv(draw(3, 2, 3)), Flatten(), Dense(draw(24, 2))], (1, 2, 10), "series", 0),
    "time first": ([lstm(3), Mean((1,), keepdims=False), Dense(draw(5, 2))], (1, 7, 3), "series", 1),
    "turned": ([Transpose((0, 2, 1)), Conv(draw(3, 2, 3)), Flatten(), Dense(draw(24, 2))], (1, 10, 2), "series", 1),
    "five channels": ([Conv(draw(3, 5, 3, 3)), Flatten(), Dense(draw(48, 2))], (1, 5, 6, 6), "image", 0),
    "colours last": (
        [Transpose((0, 3, 1, 2)), Conv(draw(3, 3, 3, 3)), Flatten(), Dense(draw(48, 2))], (1, 6, 6, 3), "image", 2,
    ),
    "one pixel": ([Conv(draw(3, 2, 1, 1)), Flatten(), Dense(draw(3, 2))], (1, 2, 1, 1), "vector", 0),
    "volume": ([Conv(draw(2, 1, 2, 2, 2)), Flatten(), Dense(draw(54, 2))], (1, 1, 4, 4, 4), "array", 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_has_a_map_with_the_sum_of_its_relevance(kind: str) -> None:
    layers, shape, named, axis = KINDS[kind]
    e = lrp.explain(Network.sequential(layers), draw(*shape), composite="epsilon")
    node = Inspected(e.to_html()).node("input")
    held = Inspected(e.to_html())
    assert (node["kind"], node["axis"]) == (named, axis)
    assert channel_axes(e, e.trace)["input"] == axis
    np.testing.assert_allclose(held.map(node).sum(dtype=float), e.relevance.sum(), rtol=1e-4, atol=1e-6)


def test_a_short_series_has_its_channels_as_rows() -> None:
    layers, shape, *_ = KINDS["time first"]
    e = lrp.explain(Network.sequential(layers), draw(*shape), composite="epsilon")
    held = Inspected(e.to_html(features=["a", "b", "c"]))
    np.testing.assert_array_equal(held.map(held.node("input")), e.relevance[0].T.astype("f4"))
    assert held.node("input")["input"]["features"] == ["a", "b", "c"]


def test_several_inputs_are_rows_of_their_own() -> None:
    nodes = (Node("d", Dense(draw(4, 3)), ("a",)), Node("e", Dense(draw(2, 3)), ("b",)), Node("add", Add(), ("d", "e")))
    net = Network(nodes, (Input("a"), Input("b")), ("add",))
    held = Inspected(lrp.explain(net, {"a": draw(1, 4), "b": draw(1, 2)}).to_html())
    assert [n["name"] for n in held.views[0]["nodes"]] == ["a", "b", "d", "e", "add"]


def test_words_are_told_with_their_relevance() -> None:
    net = Network.sequential([Embedding(draw(5, 3)), Mean((1,), keepdims=False), Dense(draw(3, 2))])
    e = lrp.explain(net, np.array([[1, 2, 4]]))
    words = Words(("not", HOSTILE, "[SEP]"), e.relevance[0], (False, False, True))
    held = Inspected(inspecting.page(e, words=words))
    told = held.node("input")["input"]["words"]
    assert [w[0] for w in told] == ["not", HOSTILE, "[SEP]"]
    assert [w[1] for w in told] == e.relevance[0].tolist()
    assert [w[2] for w in told] == [False, False, True]


def test_exact_numbers_are_shown_as_floats_which_is_said() -> None:
    net = lrp.arithmetic.rational(Network.sequential([Dense(draw(4, 3).round(2)), ReLU(), Dense(draw(3, 2).round(2))]))
    e = lrp.explain(net, lrp.arithmetic.rational(draw(1, 4).round(2)), composite="lrp0")
    held = Inspected(e.to_html())
    assert any("exact" in note for note in held.views[0]["notes"])
    np.testing.assert_array_equal(held.map(held.node("input"))[0], e.relevance[0].astype(np.float32))
    assert held.node("dense2")["units"]


def test_half_precision_a_trace_and_a_free_batch_axis() -> None:
    e = lrp.explain(small(), draw(1, 2, 8, 8), trace=True)
    assert Inspected(e.to_html()).node("conv1")["units"]
    half = e.map(lambda a: a.astype(np.float16) if a.dtype.kind == "f" else a)
    assert Inspected(half.to_html()).views[0]["dtype"] == "float16"
    net = Network(
        (
            Node("lstm", lstm(3), ("x",)),
            Node("mean", Mean((1,), keepdims=False), ("lstm",)),
            Node("out", Dense(draw(5, 2)), ("mean",)),
        ),
        (Input("x", shape=(None, None, 3), batch_axis=1),), ("out",),
    )  # fmt: skip
    x = draw(7, 2, 3)
    e = lrp.explain(net, x)
    held = Inspected(e.to_html())
    assert len(held.views) == 2
    for k, v in enumerate(held.views):
        np.testing.assert_allclose(v["nodes"][0]["sum"], e.relevance[:, k].sum(), rtol=1e-12)


def test_compiled_explanations_without_ledger_or_trace() -> None:
    pytest.importorskip("onnxruntime")
    compiled = lrp.compile(small(), "epsilon", shapes=(2, 8, 8))
    e = compiled(draw(1, 2, 8, 8))
    held = Inspected(e.to_html())
    assert not held.views[0]["ledgerMade"]
    assert held.node("conv1")["units"]


def test_an_explanation_that_cannot_be_asked_again_shows_its_input_alone() -> None:
    e = replace(lrp.explain(small(), draw(1, 2, 8, 8)), again=None)
    held = Inspected(e.to_html())
    assert [n["name"] for n in held.views[0]["nodes"]] == ["input"]


def test_conditions_and_a_map_as_output() -> None:
    net = Network.sequential([("a", Conv(draw(4, 3, 3, 3))), ("b", ReLU()), ("c", Conv(draw(2, 4, 3, 3)))])
    e = lrp.explain(net, draw(1, 3, 8, 8), target=(1, 2, 3), conditions={"b": [1]})
    held = Inspected(e.to_html())
    assert "only" in held.views[0]["composite"]
    assert held.views[0]["asked"] == "output (1, 2, 3)"
    assert [row[0] for row in held.node("b")["channels"] if row[1]] == [1]


# Budgets ------------------------------------------------------------------------------------------------------------


def test_a_digit_takes_at_most_300_kb(digit: tuple[Network, Any, Any, Any]) -> None:
    net, sidecar, x, shown = digit
    text = lrp.explain(net, x, composite=sidecar.composite).to_html(image=shown, classes=sidecar.classes)
    assert 200_000 < len(text.encode()) <= 300_000


def test_a_photograph_takes_at_most_2_mb() -> None:
    sidecar = load_sidecar(MODELS / "efficientnet_lite0.onnx", None)
    assert sidecar is not None
    x, shown = read_image(MODELS / "samples" / "chelsea.png", sidecar, dtype="float32")
    e = lrp.explain(lrp.load(MODELS / "efficientnet_lite0.onnx"), x, composite=sidecar.composite)
    text = e.to_html(image=shown, classes=sidecar.classes)
    held = Inspected(text)
    assert 1_500_000 < len(text.encode()) <= 2_000_000
    assert all(n["map"] for n in held.views[0]["nodes"])
    for n in held.views[0]["nodes"]:  # at true resolution
        relevance = e.trace.relevance[n["name"]][0].astype(float)
        expected = relevance.sum(axis=0) if relevance.ndim == 3 and relevance[0].size > 1 else relevance.reshape(1, -1)
        np.testing.assert_allclose(held.map(n), expected, rtol=1e-6, atol=1e-9 * abs(expected).max())
        np.testing.assert_allclose(n["sum"], relevance.sum(), rtol=1e-12)
    assert sum(len(n["units"]) for n in held.views[0]["nodes"]) > 100


def test_a_network_like_vgg_fits() -> None:
    plan = [8, 8, "M", 16, 16, "M", 32, 32, "M"]
    layers: list[Any] = []
    channels = 3
    for width in plan:
        layers += (
            [MaxPool(2)] if width == "M" else [Conv(draw(int(width), channels, 3, 3).astype("f4"), padding=1), ReLU()]
        )
        channels = channels if width == "M" else int(width)
    net = Network.sequential([*layers, Flatten(), Dense(draw(32 * 28 * 28, 5).astype("f4"))])
    text = lrp.explain(net, draw(1, 3, 224, 224).astype("f4"), composite="epsilon_plus").to_html()
    assert len(text.encode()) <= 2_000_000
    assert all(n["map"] for n in Inspected(text).views[0]["nodes"])


def test_less_room_leaves_out_channels_first_and_says_so() -> None:
    net = Network.sequential([Conv(draw(16, 2, 3, 3)), ReLU(), Flatten(), Dense(draw(16 * 38 * 38, 3))])
    e = lrp.explain(net, draw(1, 2, 40, 40))
    held = Inspected(e.to_html(budget=260_000))
    assert len(held.text.encode()) <= 260_000
    assert all(n["map"] for n in held.views[0]["nodes"])
    assert any(row[2] is None for row in held.node("conv1")["channels"])
    assert any("channels among the strongest" in text for text in held.views[0]["left"])
    whole = Inspected(e.to_html(budget=3_000_000))
    assert all(row[2] is not None for row in whole.node("conv1")["channels"])


def test_large_maps_that_do_not_fit_are_left_out_with_their_sums() -> None:
    net = Network.sequential(
        [Conv(draw(2, 1, 3, 3), padding=1), Conv(draw(1, 2, 1, 1)), MaxPool(8), Flatten(), Dense(draw(625, 2))]
    )
    e = lrp.explain(net, draw(1, 1, 200, 200), composite="epsilon")
    held = Inspected(e.to_html(budget=500_000))
    assert held.node("input")["map"] is not None
    assert held.node("conv1")["map"] is None
    assert held.node("conv1")["sum"] == e.trace.relevance["conv1"].sum()
    assert any("maps of" in text for text in held.views[0]["left"])


def test_a_budget_that_is_too_small_is_refused_with_the_least() -> None:
    with pytest.raises(
        ParameterError, match=r"budget 1000: the page takes at least \d+ bytes; give that many, or None"
    ):
        lrp.explain(small(), draw(1, 2, 8, 8)).to_html(budget=1000)


def test_a_map_of_16_million_pixels_is_added_up_in_squares_and_says_so() -> None:
    pixels = np.random.default_rng(0).normal(size=(1, 1, 4000, 4000))
    e = replace(lrp.explain(Network.sequential([Dense(draw(4, 2))]), draw(1, 4)), relevance=pixels, again=None)
    held = Inspected(e.to_html())
    assert len(held.text.encode()) < 2_000_000
    *_, by = held.node("input")["map"]
    assert by == 8
    np.testing.assert_allclose(
        held.map(held.node("input"))[0, 0], e.relevance[0, 0, :8, :8].sum(), rtol=1e-5, atol=1e-9
    )
    assert any("each square is the sum of several" in text for text in held.views[0]["left"])


# Names, refusals, files ---------------------------------------------------------------------------------------------


def hostile() -> tuple[lrp.Explanation, list[str]]:
    layers = [(HOSTILE, Dense(draw(4, 3))), ("x" * 10_000, ReLU()), ("#node=1&a", Dense(draw(3, 2)))]
    net = Network.sequential(layers, input_name=f"<b>{HOSTILE}")
    return lrp.explain(net, abs(draw(1, 4))), [HOSTILE, "c" * 10_000]


def test_names_are_never_markup() -> None:
    e, classes = hostile()
    text = e.to_html(classes=classes, title=HOSTILE, features=[HOSTILE] * 4)
    assert "<img" not in text
    assert "<b>" not in text
    assert text.count("</script") == text.count("<script")
    held = Inspected(text)
    assert held.node(HOSTILE)["layer"] == "Dense"
    assert held.views[0]["outputs"][0]["name"] in classes


def test_half_a_letter_in_a_name_can_be_written(tmp_path: Path) -> None:
    net = Network.sequential([("half \ud800", Dense(draw(4, 3)))])
    e = lrp.explain(net, draw(1, 4))
    text = e.to_html(tmp_path / "page.html", title="\udfff", classes=["\ud800"] * 3)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == text


def test_nothing_of_the_page_asks_the_network() -> None:
    text = lrp.explain(small(), draw(1, 2, 8, 8)).to_html()
    assert set(re.findall(r"(?:src|href)=\"(\w+):", text)) <= {"data"}
    assert "connect-src data: blob:" in text


def test_relevance_that_is_not_finite_is_refused() -> None:
    e = lrp.explain(small(), draw(1, 2, 8, 8))
    wrong = e.relevance.copy()
    wrong[0, 1, 2, 3] = np.nan
    with pytest.raises(NonFiniteError, match=r"relevance of the input .* the first at \(0, 1, 2, 3\): nan"):
        replace(e, relevance=wrong).to_html()
    e.trace.relevance["maxpool1"][0, 0, 0, 0] = np.inf  # type: ignore[index]
    with pytest.raises(NonFiniteError, match="the relevance of 'maxpool1'"):
        e.to_html()


def test_no_samples_and_other_samples_are_refused() -> None:
    net = Network.sequential([Dense(draw(4, 3))])
    with pytest.raises(ParameterError, match="no samples has nothing to show"):
        lrp.explain(net, np.zeros((0, 4))).to_html()
    with pytest.raises(ParameterError, match="against explains 2 samples, the explanation 1"):
        lrp.explain(net, draw(1, 4)).to_html(against=lrp.explain(net, draw(2, 4)))


def test_many_samples_are_a_choice_and_the_rest_is_said() -> None:
    net = Network.sequential([Dense(draw(6, 3)), ReLU(), Dense(draw(3, 3))])
    held = Inspected(lrp.explain(net, draw(30, 6)).to_html())
    assert len(held.views) == inspecting.MOST_VIEWS
    assert f"{30 - inspecting.MOST_VIEWS} further samples" in held.views[0]["left"]
    assert [v["sample"] for v in held.views[:3]] == ["0", "1", "2"]


def test_two_explanations_are_compared() -> None:
    net, x = small(), draw(2, 2, 8, 8)
    pair = [lrp.explain(net, x, composite=c) for c in ("epsilon", "epsilon_plus")]
    held = Inspected(pair[0].to_html(against=pair[1]))
    assert held.header["compare"] == 1
    assert [(v["sample"], v["composite"]) for v in held.views] == [
        ("0", "epsilon"), ("0", "epsilon_plus"), ("1", "epsilon"), ("1", "epsilon_plus"),
    ]  # fmt: skip
    assert Inspected(pair[0].to_html()).header["compare"] is None


def test_a_file_is_written_whole_and_twice_alike(tmp_path: Path) -> None:
    e = lrp.explain(small(), draw(1, 2, 8, 8), composite="epsilon")
    text = e.to_html(tmp_path / "one.html")
    again = lrp.explain(small(), draw(1, 2, 8, 8), composite="epsilon").to_html(tmp_path / "two.html")
    assert text == again
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes() == text.encode()


def test_the_page_says_where_it_comes_from() -> None:
    net, x = small(), draw(1, 2, 8, 8)
    rows = dict(Inspected(lrp.explain(net, x, target=2, composite="epsilon").to_html()).header["provenance"])
    assert rows["made again by"] == (
        'lrp.explain(net, x, target=2, composite="epsilon", start="Logit()").to_html("page.html")'
    )
    assert rows["lrp_ref"] == lrp.__version__
    assert rows["network (SHA-256)"] == lrp.certificate.network_hash(net)
    assert rows["input 'input' (SHA-256)"] == lrp.certificate.array_hash(x)


def test_without_javascript_there_are_a_picture_and_the_ledger() -> None:
    text = lrp.explain(small(), draw(1, 2, 8, 8), composite="epsilon").to_html()
    still = text.partition("<noscript>")[2].partition("</noscript>")[0]
    assert still.count("data:image/png") == 1
    assert still.count("<tr>") == 1 + 5
    assert 'class="waterfall"' in text.partition("</noscript>")[2]


def test_the_colours_are_those_of_the_pictures_and_0_is_the_middle() -> None:
    held = Inspected(lrp.explain(small(), draw(1, 2, 8, 8)).to_html())
    for name, table in held.header["palettes"].items():
        colours = np.frombuffer(bytes.fromhex(table), np.uint8).reshape(-1, 3)
        places = np.linspace(-1, 1, len(colours))[None]
        np.testing.assert_array_equal(colours, lrp.heatmap.colorize(places, name, limit=1.0)[0])
        assert colours[len(colours) // 2].tolist() == [255, 255, 255]
        assert "green" not in held.header["signs"][name]


def test_a_notebook_has_the_page_in_a_frame() -> None:
    text = lrp.pages.inspector(lrp.explain(small(), draw(1, 2, 8, 8)), height=500)
    assert text.startswith('<iframe title="output ')
    assert "height:500px" in text


def test_an_explanation_may_stand_alone_on_its_page() -> None:
    e = lrp.explain(small(), draw(1, 2, 8, 8))
    held = Inspected(inspecting.assembled([Shown(e)], title="one"))
    assert len(held.views) == 1
