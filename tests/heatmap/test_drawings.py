"""Drawings say with widths and lengths what the numbers are, and in words what there is to see."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import NonFiniteError, ShapeError
from lrp_ref.heatmap import message_graph, svg, waterfall

HOSTILE = [
    "</svg><script>alert(1)</script>",
    '"><img src=x onerror=1>',
    "\u202egpj.exe",
    "x" * 10_000,
    "a\x00b",
    "]]>",
    "\ud800",
]
NAME = "{http://www.w3.org/2000/svg}"


def tree(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn)  # noqa: S314  our own text


def all_of(drawn: str, tag: str) -> list[ElementTree.Element]:
    return list(tree(drawn).iter(f"{NAME}{tag}"))


def words(drawn: str) -> list[str]:
    return [(element.text or "") or "".join(element.itertext()) for element in all_of(drawn, "text")]


def sentence(drawn: str) -> str:
    return str(next(tree(drawn).iter(f"{NAME}title")).text)


MESSAGES = np.array([[2.0, -1.0], [0.0, 0.5], [-4.0, 3.0]])


def graph(**given: Any) -> str:
    return message_graph([1, 2, 3], [4, 5], MESSAGES, **given)


def test_a_line_is_as_wide_as_its_message_and_dashed_where_that_is_negative() -> None:
    lines = {e.get("data-edge"): e for e in all_of(graph(), "path")}
    assert len(lines) == 6
    for (i, j), value in np.ndenumerate(MESSAGES):
        line = lines[f"{i},{j}"]
        assert float(line.get("data-message", "nan")) == value
        if value:
            assert float(line.get("stroke-width", "nan")) == pytest.approx(15 * abs(value) / 4, abs=0.01)
        assert (line.get("stroke-dasharray") == svg.DASH) == (value < 0)
        assert line.get("stroke") == svg.SIGNS[int(np.sign(value))]


def test_every_message_and_every_sum_is_written_with_its_sign() -> None:
    told = words(graph(bias=[0.25, 0], relevance_out=[-1.75, 2.5]))
    for text in ("+2", "−1", "+0.5", "−4", "+3", "+1", "+0.25", "−1.75", "+2.5", "bias"):
        assert text in told, text
    assert sentence(graph(bias=[0.25, 0], title="A layer")) == (
        "A layer. Of −1.75 at z_0 and +2.5 at z_1 go +1 to a_0, +0.5 to a_1, −1 to a_2, +0.25 to bias."
    )


def test_columns_are_lines_so_that_an_output_adds_up() -> None:
    layer = lrp.layers.Dense(lrp.arithmetic.rational([[1, 0], [-3, 2]]), lrp.arithmetic.rational([4, 0]))
    told = lrp.messages(
        layer, lrp.arithmetic.rational([[1, 1]]), lrp.arithmetic.rational([[2, 3]]), lrp.rules.Epsilon(Fraction(1, 2))
    )
    sums = np.zeros(2)
    for line in all_of(told.picture(), "path"):
        sums[int(str(line.get("data-edge")).split(",")[1])] += float(line.get("data-message", "nan"))
    assert sums == pytest.approx([2, 3])
    assert {"bias", "stabiliser"} <= set(words(told.picture()))
    assert "dropped" not in words(told.picture())


@pytest.mark.parametrize("name", HOSTILE)
def test_names_never_become_markup(name: str) -> None:
    drawings = [
        message_graph([1], [1], [[1]], input_names=[name], output_names=[name], title=name),
        waterfall([(name, "bias", 0.5)], start=1.0, arrived=0.5, title=name),
    ]
    for drawn in drawings:
        assert {e.tag.removeprefix(NAME) for e in tree(drawn).iter()} <= {
            "svg",
            "title",
            "path",
            "rect",
            "line",
            "text",
        }
        assert max(len(t) for t in words(drawn)) <= 40 + 1000


def test_sizes_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ShapeError, match="0 inputs; a picture has 1 to 24"):
        message_graph([], [1], np.zeros((0, 1)))
    with pytest.raises(ShapeError, match="25 outputs; a picture has 1 to 24"):
        message_graph([1], np.ones(25), np.ones((1, 25)))
    with pytest.raises(ShapeError, match=r"messages has shape \(2, 3\), expected \(3, 2\)"):
        message_graph([1, 2, 3], [4, 5], MESSAGES.T)
    with pytest.raises(ShapeError, match="1 names for 3 units"):
        graph(input_names=["one"])
    with pytest.raises(NonFiniteError):
        message_graph([1], [np.nan], [[1]])
    with pytest.raises(NonFiniteError):
        waterfall([("a", "bias", np.inf)], start=1.0, arrived=0.0)


def bars(drawn: str) -> list[tuple[float, float, float]]:
    """(value, where it begins, length) of every bar."""
    found = all_of(drawn, "rect")
    return [(float(e.get("data-value", "nan")), float(e.get("x", "nan")), float(e.get("width", "nan"))) for e in found]


@pytest.mark.parametrize("start", [4.0, -4.0, 0.0, 1e-30])
def test_a_waterfall_leads_from_the_start_to_what_arrived(start: float) -> None:
    size = abs(start) or 1.0
    taken = [0.25 * size, -0.5 * size, 0.125 * size]
    steps = [("a", "bias", taken[0]), ("b", "stabiliser", taken[1]), ("c", "dropped", taken[2])]
    arrived = start - sum(taken)
    drawn = waterfall(steps, start=start, arrived=arrived)
    found = bars(drawn)
    assert [value for value, _, _ in found] == pytest.approx([start, *(-t for t in taken), arrived])
    lengths = np.array([length for _, _, length in found])
    sizes = np.abs([value for value, _, _ in found])
    scale = lengths[1] / sizes[1]
    assert lengths == pytest.approx(np.maximum(sizes * scale, 1), abs=0.05)
    assert "rounding" not in " ".join(words(drawn))


def test_what_is_not_accounted_for_is_a_bar_of_its_own() -> None:
    drawn = waterfall([("a", "bias", 0.25)], start=1.0, arrived=0.5)
    assert "rounding" in words(drawn)
    assert bars(drawn)[2][0] == -0.25


def test_many_steps_are_merged_and_none_is_lost() -> None:
    rng = np.random.default_rng(0)
    taken = rng.normal(size=100)
    steps = [(f"node{k}", ("bias", "stabiliser")[k % 2], float(t)) for k, t in enumerate(taken)]
    drawn = waterfall(steps, start=0.0, arrived=float(-taken.sum()))
    found = bars(drawn)
    assert len(found) == 14 + 2 + 2
    assert sum(value for value, _, _ in found[:-1]) == pytest.approx(-taken.sum())
    assert sum(int(m[1]) for t in words(drawn) if (m := re.match(r"(\d+) others", t))) == 86


def test_nothing_was_taken_is_said() -> None:
    assert sentence(waterfall([], start=2.0, arrived=2.0)) == (
        "Of 2 that started, 2 (100 %) arrived; nothing was taken on the way."
    )


def test_a_notebook_shows_the_pictures_beside_the_tables() -> None:
    layer = lrp.layers.Dense(np.array([[1.0], [-0.25]]), np.array([0.5]))
    told = lrp.messages(layer, np.array([[1.0, 2.0]]), np.array([[1.0]]), lrp.rules.Gamma(0.25))
    assert told._repr_html_().startswith("<svg")
    assert "<table" in told._repr_html_()
    wide = lrp.messages(lrp.layers.Dense(np.ones((20, 1))), np.ones((1, 20)), np.ones((1, 1)), lrp.rules.LRP0())
    assert "<svg" not in wide._repr_html_()
    e = lrp.explain(lrp.Network.sequential([layer]), np.array([[1.0, 2.0]]), composite="lrp0")
    assert "Of 1 that started, 0.5 (50 %) arrived; bias took 0.5 (50 %)." in e._repr_html_()
    assert e.ledger.steps() == [("dense1", "bias", 0.5)]
