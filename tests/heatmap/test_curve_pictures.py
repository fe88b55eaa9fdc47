"""Pictures of curves and of tables of scores: what is drawn stands where its numbers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref.errors import LrpError, NonFiniteError, ParameterError, ShapeError
from lrp_ref.heatmap import comparison, curves, scores
from lrp_ref.heatmap.colours import HUES

RNG = np.random.default_rng(0)


def pixels(picture: Any) -> Any:
    left, top, right, bottom = picture.info["box"]
    return np.asarray(picture)[top:bottom, left:right].astype(int)


def rows_of(plot: Any, hue: tuple[int, int, int]) -> dict[int, float]:
    """The middle row of a hue in each column that has it."""
    like = np.abs(plot - np.array(hue)).sum(axis=2) < 40
    return {x: float(np.flatnonzero(like[:, x]).mean()) for x in range(plot.shape[1]) if like[:, x].any()}


def test_a_line_is_the_median_of_its_samples() -> None:
    values = np.array([[0.0, 4.0, 8.0], [2.0, 4.0, 10.0], [-9.0, 4.0, 90.0]])
    plot = pixels(curves({"a": values}, [0, 0.25, 1], width=301, height=201, spread=False))
    found = rows_of(plot, HUES[0])
    low, high = 0 - 0.6, 10 + 0.6  # the medians are 0, 4, 10, with 6 % of room
    expected = np.interp(np.arange(301), [0, 75, 300], [0.0, 4.0, 10.0])
    for x in (3, 75, 150, 296):
        assert found[x] == pytest.approx((high - expected[x]) / (high - low) * 200, abs=2)


def test_the_band_is_the_middle_half() -> None:
    values = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]])
    plot = pixels(curves({"a": values}, [0, 1], width=101, height=201))
    column = plot[:, 50]
    grey, own = np.abs(column - 255).sum(axis=1), np.abs(column - HUES[0]).sum(axis=1)
    tinted = np.flatnonzero((grey > 20) & (own > 100))
    low, high = 1 - 0.12, 3 + 0.12
    for row, value in ((tinted.min(), 3.0), (tinted.max(), 1.0)):
        assert row == pytest.approx((high - value) / (high - low) * 200, abs=3)
    bare = pixels(curves({"a": values}, [0, 1], width=101, height=201, spread=False))
    assert (np.abs(bare[20, 50] - 255) < 5).all()


def test_every_name_has_its_hue_and_its_entry() -> None:
    lines = {f"n{k}": RNG.normal(size=(4, 5)) for k in range(9)}
    one = curves({"n0": lines["n0"]}, range(5))
    made = curves(lines, range(5), title="t", remark="r", axes=("a", "b"))
    assert made.size[1] > one.size[1] + 8 * 15
    below = np.asarray(made)[made.info["box"][3] :]
    for hue in HUES:
        assert (below == hue).all(axis=2).any()


def test_a_flat_curve_and_one_sample_are_drawn() -> None:
    plot = pixels(curves({"a": np.zeros((1, 3))}, [0, 1, 2], width=100, height=100))
    assert rows_of(plot, HUES[0])[50] == pytest.approx(49.5, abs=1.5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: curves({}, [0, 1]), ShapeError, "no curves"),
        (lambda: curves({"a": np.zeros(3)}, [0, 1, 2]), ShapeError, r"lines\['a'\] has shape \(3,\); expected"),
        (lambda: curves({"a": np.zeros((0, 3))}, [0, 1, 2]), ShapeError, "with a sample or more"),
        (lambda: curves({"a": np.zeros((1, 3))}, [0, 1]), ShapeError, r"expected \(N, 2\)"),
        (lambda: curves({"a": np.full((1, 2), np.nan)}, [0, 1]), NonFiniteError, "non-finite"),
        (lambda: curves({"a": np.zeros((1, 2))}, [1, 0]), ParameterError, "above the one before"),
        (lambda: curves({"a": np.zeros((1, 2))}, [0, 1], width=10), ParameterError, "width is 10"),
        (lambda: scores(np.zeros((1, 1)), row_labels=["a"], column_labels=["b", "c"], better=["larger"]), ShapeError,
         "1 rows and 2 columns"),
        (lambda: scores(np.zeros((1, 1)), row_labels=["a"], column_labels=["b"], better=[]), ShapeError, "0 entries"),
        (lambda: scores(np.zeros((1, 1)), row_labels=["a"], column_labels=["b"], better=["more"]), ParameterError,
         "unknown better 'more'"),
        (lambda: scores(np.zeros((1, 1)), row_labels="a", column_labels="b", better=["larger"], best=np.ones((1, 1))),
         ParameterError, "give bool"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(call: Any, error: type[LrpError], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def colour(made: Any, row: int, column: int) -> Any:
    left, top, _, _ = made.info["cell_boxes"][row][column]
    return np.array(made.getpixel((left + 5, top + 5)))


def test_a_cell_is_the_bluer_the_better() -> None:
    table = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, 3.0, np.nan]])
    made = scores(table, row_labels="abc", column_labels="xyz", better=["larger", "smaller", "neither"])
    full, none = (255 + np.array(HUES[0])) / 2, np.array([255, 255, 255])
    for column, expected in enumerate(([none, None, full], [full, None, none], [none, none, none])):
        for row, shade in enumerate(expected):
            shade = (full + none) / 2 if shade is None else shade
            np.testing.assert_allclose(colour(made, row, column), shade, atol=1)


def test_the_best_have_a_frame() -> None:
    best = np.array([[True], [False]])
    made = scores(np.array([[2.0], [1.0]]), row_labels="ab", column_labels="x", better=["larger"], best=best)
    for row, framed in enumerate((True, False)):
        left, top, right, _ = made.info["cell_boxes"][row][0]
        assert (sum(made.getpixel(((left + right) // 2, top + 2))) < 150) is framed


def test_equal_and_endless_values_are_drawn() -> None:
    made = scores(np.array([[1.0, np.inf], [1.0, 2.0]]), row_labels="ab", column_labels="xy", better=["larger"] * 2)
    np.testing.assert_array_equal(colour(made, 0, 0), 255)
    assert (colour(made, 0, 1) < colour(made, 1, 1)).any()


RAMP = np.linspace(-1.0, 1.0, 6).reshape(2, 3)


def compared(maps: Any, **changes: Any) -> Any:
    usual: dict[str, Any] = {
        "values": np.array([[1.0], [3.0]]), "row_labels": "ab", "column_labels": ["m"], "better": ["larger"],
    }  # fmt: skip
    return comparison(maps, **usual | changes)


def test_maps_stand_beside_their_numbers_each_on_its_own_scale() -> None:
    made = compared([[RAMP, -RAMP], [5 * RAMP, np.zeros((2, 3))]], scale=10)
    assert made.info["relevance_limits"] == ((1.0, 1.0), (5.0, 0.0))
    for row, line in enumerate(made.info["picture_boxes"]):
        assert len(line) == 2
        cell = made.info["cell_boxes"][row][0]
        for _, top, right, bottom in line:
            assert right < cell[0]
            assert cell[1] <= top < bottom <= cell[3] + 1
    (left, top, _, _), (other, _, _, _) = made.info["picture_boxes"][0]
    assert other > left + 30
    # Within the frame of one pixel, the corners of a ramp are the ends of the colour map, blue and red.
    assert made.getpixel((left + 2, top + 2)) == (0, 0, 255)
    assert made.getpixel((left + 29, top + 19)) == (255, 0, 0)
    assert made.getpixel((other + 2, top + 2)) == (255, 0, 0)
    blank = made.info["picture_boxes"][1][1]
    assert made.getpixel((blank[0] + 2, blank[1] + 2)) == (255, 255, 255)
    np.testing.assert_array_equal(colour(made, 0, 0), 255)
    assert colour(made, 1, 0)[0] < 200


def test_inputs_stand_above_their_maps() -> None:
    black, white = np.zeros((2, 3)), np.ones((2, 3))
    made = compared([[RAMP, RAMP], [RAMP, RAMP]], scale=10, inputs=[black, white], input_labels=["first", "second"])
    bare = compared([[RAMP, RAMP], [RAMP, RAMP]], scale=10)
    assert made.height > bare.height + 20
    for column, shade in enumerate((0, 255)):
        left, top, _, _ = made.info["picture_boxes"][0][column]
        assert made.getpixel((left + 10, top - 16)) == (shade,) * 3


def test_scores_without_pictures_are_what_they_were() -> None:
    made = scores(np.array([[1.0]]), row_labels=["a"], column_labels=["b"], better=["larger"])
    assert made.info["picture_boxes"] == ((),)
    beside = compared([[RAMP], [RAMP]], scale=10, row_labels="aa")
    assert beside.width == made.width + 3 * 10 + 2 + 8


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compared([[RAMP], [RAMP.T]]), "one height and width"),
        (lambda: compared([[RAMP], []]), r"pictures has rows of \[0, 1\]"),
        (lambda: compared([[RAMP]]), "for 1 rows; expected 2 rows"),
        (lambda: compared([[], []]), "at least one"),
        (lambda: compared([[RAMP], [RAMP]], inputs=[]), "inputs has 0 entries for 1 columns"),
        (lambda: compared([[RAMP], [RAMP]], input_labels=["a", "b"]), "input_labels has 2 entries for 1 columns"),
        (lambda: scores(np.ones((1, 1)), row_labels="a", column_labels="b", better=["larger"], picture_heads=[None]),
         "picture_heads has 1 entries for 0 columns"),
    ],
)  # fmt: skip
def test_maps_that_do_not_fit_are_refused(call: Any, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        call()
