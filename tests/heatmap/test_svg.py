"""Pictures as SVG: read as XML, and their numbers compared with exact rationals and with sums made here."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import heatmap
from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError
from lrp_ref.heatmap import svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    '</svg><script>alert(1)</script>', '" onload="alert(1)', "]]>&amp;<!--", "\u202egnp.exe", "\u05d0\u05d1\u200f",
    "a\x00b\x1b", "\ud800", "\ufffe", "n" * 10_000, "",
]  # fmt: skip


def read(text: str) -> ET.Element:
    """Return a picture as XML; it says what it is, is no program, and all of its text can be read."""
    root = ET.fromstring(text)  # noqa: S314 (it is ours)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text
    for part in root.iter():
        assert part.tag.removeprefix(SVG) in {"svg", "title", "line", "path", "rect", "text"}
        assert not any(name.startswith("on") or "href" in name for name in part.attrib)
        if part.tag == f"{SVG}text":
            assert float(part.get("font-size", 0)) >= 11
            assert len(part[-1].tail or "" if len(part) else part.text or "") <= 60
    assert "nan" not in text.replace("nan-", "").split("<title>")[0]
    return root


def paths(root: ET.Element) -> dict[tuple[int, int], ET.Element]:
    """Return the lines of messages by (input, output)."""
    return {tuple(int(k) for k in p.get("data-edge", "").split(",")): p for p in root.iter(f"{SVG}path")}  # type: ignore[misc]


def rects(root: ET.Element) -> list[ET.Element]:
    return list(root.iter(f"{SVG}rect"))


def words(root: ET.Element) -> list[str]:
    return [(t[-1].tail if len(t) else t.text) or "" for t in root.iter(f"{SVG}text")]


def span(bar: ET.Element) -> tuple[float, float]:
    """Return the left and the right end of a bar."""
    return float(bar.get("x", 0)), float(bar.get("x", 0)) + float(bar.get("width", 0))


def test_lines_are_as_wide_as_the_exact_messages_are_large() -> None:
    # R_i←j = a_i w_ij / z_j · R_j by hand: z = (1, 3); a·w = ((2, 1), (−1/2, 4)); b = (−1/2, −2)
    a, w = [Fraction(1), Fraction(2)], [[Fraction(2), Fraction(1)], [Fraction(-1, 4), Fraction(2)]]
    b, r = [Fraction(-1, 2), Fraction(-2)], [Fraction(1), Fraction(-3)]
    z = [sum(a[i] * w[i][j] for i in range(2)) + b[j] for j in range(2)]
    exact = [[a[i] * w[i][j] / z[j] * r[j] for j in range(2)] for i in range(2)]
    layer = lrp.layers.Dense(np.array(w), np.array(b))
    made = lrp.messages(layer, np.array([a]), np.array([r]), lrp.rules.LRP0())
    lines = paths(read(made.picture()))
    everything = [*exact, [b[j] / z[j] * r[j] for j in range(2)]]
    assert set(lines) == {(i, j) for i in range(3) for j in range(2)}
    largest = max(abs(m) for row in everything for m in row)
    for (i, j), line in lines.items():
        told = everything[i][j]
        assert float(line.get("data-message", 0)) == float(told)
        assert float(line.get("stroke-width", 0)) == pytest.approx(15 * float(abs(told) / largest), abs=0.006)
        assert (line.get("stroke-dasharray") is not None) == (told < 0)
    for j in range(2):  # what leaves an output is its relevance
        assert sum(float(lines[i, j].get("data-message", 0)) for i in range(3)) == pytest.approx(float(r[j]), rel=1e-15)


def test_the_sign_is_told_by_colour_pattern_and_sign() -> None:
    root = read(heatmap.message_graph([1, 1], [1], [[1.5], [-0.5]]))
    plus, minus = paths(root)[0, 0], paths(root)[1, 0]
    assert "#b2182b" in plus.get("stroke", "")
    assert "#2166ac" in minus.get("stroke", "")
    assert (plus.get("stroke-dasharray"), minus.get("stroke-dasharray")) == (None, "7 4")
    assert {"+1.5", "−0.5"} <= set(words(root))


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 2), (2, 2), (4, 4), (8, 2), (2, 8), (15, 1)])
def test_no_number_covers_another(inputs: int, outputs: int) -> None:
    m = np.random.default_rng(1).normal(size=(inputs, outputs))
    root = read(heatmap.message_graph(np.ones(inputs), np.ones(outputs), m))
    places = [(float(t.get("x", 0)), float(t.get("y", 0))) for t in root.iter(f"{SVG}text") if t.get("paint-order")]
    assert len(places) == m.size
    for k, (x0, y0) in enumerate(places):
        assert 12 < y0 < float(root.get("viewBox", "").split()[3])
        assert all(abs(x0 - x1) >= 60 or abs(y0 - y1) >= 14 for x1, y1 in places[:k])


def test_a_message_of_zero_and_a_graph_of_zeros_are_drawn() -> None:
    root = read(heatmap.message_graph([0, 0], [0], [[0.0], [0.0]]))
    assert [p.get("stroke-dasharray") for p in paths(root).values()] == ["1 5", "1 5"]


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (24, 24), (1, 24), (24, 1)])
def test_one_and_many_units(inputs: int, outputs: int) -> None:
    m = np.random.default_rng(0).normal(size=(inputs, outputs))
    root = read(heatmap.message_graph(np.ones(inputs), np.ones(outputs), m))
    assert len(paths(root)) == inputs * outputs
    low = float(root.get("viewBox", "").split()[3])
    assert all(float(b.get("y", 0)) >= 0 and float(b.get("y", 0)) + 42 <= low for b in rects(root))


@pytest.mark.parametrize(("inputs", "outputs"), [(0, 1), (1, 0), (25, 1), (1, 25)])
def test_none_and_too_many_units_are_refused(inputs: int, outputs: int) -> None:
    with pytest.raises(ShapeError, match=r"a picture has 1 to 24"):
        heatmap.message_graph(np.ones(inputs), np.ones(outputs), np.ones((inputs, outputs)))


@pytest.mark.parametrize("name", ["weights", "bias", "stabiliser", "dropped", "relevance_out"])
def test_shapes_that_do_not_fit_are_refused(name: str) -> None:
    wrong: dict[str, Any] = {name: np.ones((3, 3))}
    with pytest.raises(ShapeError, match=name):
        heatmap.message_graph([1, 2], [1], [[1], [1]], **wrong)
    with pytest.raises(ShapeError, match="1 names for 2 units"):
        heatmap.message_graph([1, 2], [1], [[1], [1]], input_names=["a"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(NonFiniteError):
        heatmap.message_graph([1], [1], [[value]])
    with pytest.raises(NonFiniteError):
        heatmap.waterfall([("a", "bias", value)], start=1, arrived=1)
    with pytest.raises(NonFiniteError):
        heatmap.bars([1, value])
    with pytest.raises(ParameterError):
        heatmap.waterfall([("a", "bias", "one")], start=1, arrived=1)  # type: ignore[list-item]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_and_never_markup(name: str) -> None:
    drawn = [
        heatmap.message_graph([1], [1], [[1.0]], input_names=[name], output_names=[name], title=name),
        heatmap.waterfall([(name, "bias", 0.5), (name, name, 0.25)], start=1, arrived=0.25, title=name),
        heatmap.bars([1.0], names=[name], title=name),
    ]
    for text in drawn:
        text.encode()
        root = read(text)
        if len(name) == 10_000:
            assert any(name in (t.text or "") for t in root.iter(f"{SVG}title"))
        assert not any(c in "".join(words(root)) for c in "\u202a\u202b\u202d\u202e\u2066\u2067")


def test_an_input_named_like_a_part_is_an_input() -> None:
    root = read(heatmap.message_graph([1], [1], [[1.0]], bias=[0.5], input_names=["bias"]))
    real, part = rects(root)[0], rects(root)[1]
    assert "--line" in real.get("stroke", "")
    assert "--bias" in part.get("stroke", "")


STEPS = [("fc2", "bias", 2.0), ("fc2", "stabiliser", -0.5), ("fc1", "dropped", 1.5)]


@pytest.mark.parametrize("size", [1.0, -1.0, 1e-30, 1e-310, 1e307])
def test_each_bar_begins_where_the_one_before_it_ends(size: float) -> None:
    steps = [(name, part, value * size) for name, part, value in STEPS]
    root = read(heatmap.waterfall(steps, start=10 * size, arrived=7 * size))
    bars = rects(root)
    levels = [10.0, 8.0, 8.5, 7.0]  # by hand
    zero = float(next(root.iter(f"{SVG}line")).get("x1", 0))
    assert len(bars) == 5  # no rounding: it closes
    unit = (span(bars[0])[1] - span(bars[0])[0]) / 10
    sign = 1 if size > 0 else -1
    for bar, start, end in zip(bars[1:4], levels[:-1], levels[1:], strict=True):
        ends = sorted(zero + sign * unit * level for level in (start, end))
        assert span(bar) == pytest.approx(ends, abs=0.03)
    assert span(bars[4]) == pytest.approx(sorted([zero, zero + sign * unit * 7]), abs=0.03)
    assert [b.get("data-node") for b in bars] == [None, "fc2", "fc2", "fc1", None]
    assert [b.get("data-part") for b in bars] == [None, "bias", "stabiliser", "dropped", None]


def test_a_start_of_zero_and_a_huge_cancellation() -> None:
    root = read(heatmap.waterfall([("a", "bias", 1e9), ("b", "bias", -1e9)], start=0.0, arrived=0.0))
    assert len(rects(root)) == 4
    assert "%" not in (root[0].text or "")
    root = read(heatmap.waterfall([("a", "bias", -1.5e308), ("b", "bias", -1.5e308)], start=-1e308, arrived=1e308))
    assert all(0 <= left <= right <= 720 for left, right in map(span, rects(root)))
    root = read(heatmap.waterfall([], start=0.0, arrived=0.0))
    assert "nothing was taken" in (root[0].text or "")


def test_what_is_missing_is_said_to_be_rounding() -> None:
    root = read(heatmap.waterfall([("a", "bias", 0.25)], start=1.0, arrived=0.5))
    assert "rounding is 0.25" in (root[0].text or "")
    assert float(rects(root)[2].get("data-value", 0)) == -0.25
    assert "rounding" not in heatmap.waterfall([("a", "bias", 0.1), ("b", "bias", 0.2)], start=1.0, arrived=0.7)


def test_many_nodes_are_merged_and_silent_ones_counted() -> None:
    steps = [(f"block{k}.depthwise_convolution", "stabiliser", float(k + 1)) for k in range(150)]
    silent = [(f"relu{k}", "bias", 0.0) for k in range(17)]
    root = read(heatmap.waterfall(steps + silent, start=20_000.0, arrived=20_000.0 - 150 * 151 / 2))
    shown = words(root)
    assert "17 nodes take nothing" in shown
    assert "136 others: stabiliser" in shown
    bars = rects(root)
    assert len(bars) == 14 + 3
    assert sum(-float(b.get("data-value", 0)) for b in bars[1:-1]) == 150 * 151 / 2
    assert all(word.endswith(": stabiliser") and len(word) <= 32 for word in shown[2:-5:2])


def test_fractions_are_drawn_as_their_floats() -> None:
    root = read(heatmap.waterfall([("a", "bias", Fraction(1, 3))], start=Fraction(1), arrived=Fraction(2, 3)))  # type: ignore[list-item, arg-type]
    assert [float(b.get("data-value", 0)) for b in rects(root)] == [1.0, -1 / 3, 2 / 3]


def test_bars_are_as_wide_as_numbers_are_large_and_the_rest_is_one_bar() -> None:
    v = np.array([0.5, -2.0, 1.0, 0.0])
    root = read(heatmap.bars(v, names=list("abcd")))
    bars = {int(b.get("data-index", -1)): b for b in rects(root)}
    zero = float(next(root.iter(f"{SVG}line")).get("x1", 0))
    for k, value in enumerate(v):
        left, right = span(bars[k])
        assert right - left == pytest.approx(390 / 3 * abs(value), abs=0.02)  # −2 … 1 on 390 units
        assert (right if value < 0 else left) == pytest.approx(zero, abs=0.02)
        assert (bars[k].get("stroke-dasharray") is not None) == (value < 0)
    assert words(root)[::2] == ["b", "c", "a", "d"]
    many = read(heatmap.bars(np.arange(100.0)))
    assert words(many)[-2] == "89 others"
    assert float(rects(many)[-1].get("data-value", 0)) == sum(range(89))
    assert "All 2 are 0." in (read(heatmap.bars([0.0, 0.0]))[0].text or "")


def test_bars_refuse_what_is_no_vector() -> None:
    with pytest.raises(ShapeError, match="one vector"):
        heatmap.bars(np.ones((2, 2)))
    with pytest.raises(ShapeError, match="one vector"):
        heatmap.bars([])
    with pytest.raises(ShapeError, match="1 names for 2 numbers"):
        heatmap.bars([1, 2], names=["a"])


@pytest.mark.parametrize(
    ("place", "told"),
    [((0, 0), "upper left"), ((0, 4), "upper right"), ((4, 0), "lower left"), ((4, 4), "lower right")],
)
def test_where_a_map_lies(place: tuple[int, int], told: str) -> None:
    v = np.zeros((5, 5))
    v[place] = -3
    v[2, 2] = 1  # the middle counts a quarter for each
    assert heatmap.whereabouts(v) == f"81 % of |relevance| lies in the {told} quarter."
    assert heatmap.whereabouts(np.stack([v, v])) == heatmap.whereabouts(v)


def test_where_maps_lie_that_have_no_place() -> None:
    assert heatmap.whereabouts(np.ones((4, 4))) == (
        "|Relevance| is spread over all quarters: the largest of them has 25 %."
    )
    assert heatmap.whereabouts([[1.0, 1.0], [0.0, 0.0]]) == "100 % of |relevance| lies in the upper half."
    assert heatmap.whereabouts(np.zeros((2, 2))) == "Relevance is 0 everywhere."
    assert heatmap.whereabouts([[[1.0]], [[-1.0]]]) == "The channels of every place cancel."
    with pytest.raises(ShapeError, match="map"):
        heatmap.whereabouts([1.0])
    with pytest.raises(NonFiniteError):
        heatmap.whereabouts([[np.nan]])


def test_long_names_keep_beginning_and_end() -> None:
    assert svg.shortened("abcdefgh", 8) == "abcdefgh"
    for longest in (5, 6, 7):
        short = svg.shortened("abcdefgh", longest)
        assert len(short) == longest
        assert short[0] == "a"
        assert short[-1] == "h"
