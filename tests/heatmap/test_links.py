"""Pictures of pairs: which lines are drawn, from where to where, in which colour; squares with words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrp_ref import heatmap
from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError

pytest.importorskip("PIL")
WHITE = np.ones((6, 4))
GRIDS = ((3, 2), (2, 2))


def inks(picture: Any) -> Any:
    """Where a picture is red, and where it is blue, as (2, H, W)."""
    pixels = np.asarray(picture, dtype=int)
    return np.stack([pixels[..., 0] - pixels[..., 2] > 60, pixels[..., 2] - pixels[..., 0] > 60])


def middle(box: Any, grid: tuple[int, int], k: int) -> tuple[float, float]:
    left, top, right, bottom = box
    return left + (k % grid[1] + 0.5) * (right - left) / grid[1], top + (k // grid[1] + 0.5) * (bottom - top) / grid[0]


@pytest.mark.parametrize(("i", "j", "sign"), [(0, 3, 1.0), (5, 0, -1.0), (2, 2, 1.0)])
def test_a_line_goes_from_feature_to_feature_in_the_colour_of_its_sign(i: int, j: int, sign: float) -> None:
    relevance = np.zeros((6, 4))
    relevance[i, j] = sign
    picture = heatmap.pairs(relevance, (WHITE, WHITE), GRIDS)
    assert picture.info["pairs"] == ((i, j),)
    first, second = picture.info["boxes"]
    (x0, y0), (x1, y1) = middle(first, GRIDS[0], i), middle(second, GRIDS[1], j)
    found = inks(picture.crop((0, 0, second[2] + 1, second[3] + 1)))
    mine, other = found if sign > 0 else found[::-1]
    assert not other.any()
    rows, columns = np.nonzero(mine)
    assert abs(columns.min() - x0) < 5
    assert abs(columns.max() - x1) < 5
    # All of it lies on the straight line between the two middles, which is drawn without a hole.
    on = y0 + (columns + 0.5 - x0) / (x1 - x0) * (y1 - y0)
    assert abs(on - rows - 0.5).max() < 6
    assert len(set(columns)) == columns.max() - columns.min() + 1


def test_the_strongest_are_drawn_and_the_rest_is_told() -> None:
    relevance = np.array([[3.0, -1.0], [0.0, -5.0]])
    grids, photos = ((1, 2), (2, 1)), (np.zeros((4, 8)), np.zeros((3, 8, 4)))
    picture = heatmap.pairs(relevance, photos, grids, strongest=2)
    assert picture.info["pairs"] == ((1, 1), (0, 0))
    assert heatmap.pairs(relevance, photos, grids).info["pairs"] == ((1, 1), (0, 0), (0, 1)), "a 0 is no line"
    assert heatmap.pairs(relevance, photos, grids, limit=2.0).info["relevance_limit"] == "2.0"
    (a, b, c, d), (e, f, g, h) = picture.info["boxes"]
    assert (d - b, h - f) == (280, 280)
    assert (c - a, g - e) == (560, 140)


def test_nothing_to_draw() -> None:
    assert heatmap.pairs(np.zeros((6, 4)), (WHITE, WHITE), GRIDS).info["pairs"] == ()


def test_words_stand_at_the_squares_of_their_relevance() -> None:
    relevance = np.array([[1.0, -1.0, 0.0], [0.0, 0.5, -0.5]])
    picture = heatmap.pair_matrix(relevance, ["a", "longer word"], ["x", "y", "z"], title="t", remark="r")
    left, top, right, bottom = picture.info["map_box"]
    side = (right - left) // 3
    assert (bottom - top) // 2 == side
    cells = [
        [picture.getpixel((left + side * c + side // 2, top + side * r + side // 2)) for c in range(3)]
        for r in range(2)
    ]
    red, blue, white = (255, 0, 0), (0, 0, 255), (255, 255, 255)
    assert cells == [[red, blue, white], [white, (255, 128, 128), (128, 128, 255)]]
    ink = np.asarray(picture, dtype=int).sum(axis=2) < 300
    for row in range(2):  # a word before each row, and one above each column
        assert ink[top + side * row : top + side * (row + 1), : left - 2].any()
    for column in range(3):
        assert ink[: top - 2, left + side * column : left + side * (column + 1)].any()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: heatmap.pairs(np.ones((6, 4)), (WHITE, WHITE), ((3, 2), (3, 2))), ShapeError,
            "relevance has shape (6, 4); grids ((3, 2), (3, 2)) have 6 and 6",
        ),
        (
            lambda: heatmap.pairs(np.ones((1, 6, 4)), (WHITE, WHITE), GRIDS), ShapeError,
            "relevance has shape (1, 6, 4); of pairs it is (I, J); a batch is drawn one sample at a time: relevance[0]",
        ),
        (
            lambda: heatmap.pairs(np.ones((6, 4)), (WHITE, WHITE), GRIDS, strongest=0), ParameterError,
            "strongest is 0; give a whole number, 1 or more",
        ),
        (
            lambda: heatmap.pairs(np.ones((6, 4)), (WHITE, np.ones(3)), GRIDS), ShapeError,
            "input has shape (3,); a photo is (H, W), (1|3, H, W) or (H, W, 1|3|4)",
        ),
        (lambda: heatmap.pairs(np.full((6, 4), np.nan), (WHITE, WHITE), GRIDS), NonFiniteError, "24 non-finite"),
        (
            lambda: heatmap.pair_matrix(np.ones((2, 1)), ["a", "b"], ["c", "d"]), ShapeError,
            "relevance has shape (2, 1); given are 2 and 2 words",
        ),
        (lambda: heatmap.pair_matrix(np.ones((2, 1)), "ab", ["c"]), ShapeError, "given are 2 and 1 words"),
    ],
)  # fmt: skip
def test_refusals(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as error:
        call()
    assert message in str(error.value)
