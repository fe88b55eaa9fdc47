"""Pictures of relevance: colours against hand-computed values, pixels against the arrays they show."""

from __future__ import annotations

import base64
import io
import itertools
import os
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lrp_ref import heatmap
from lrp_ref.errors import BackendError, NonFiniteError, ParameterError, ShapeError

BLUE, WHITE, RED = (0, 0, 255), (255, 255, 255), (255, 0, 0)
# What each map has at −limit, 0 and +limit.
ENDS = {
    "bwr": (BLUE, WHITE, RED),
    "seismic": ((0, 0, 90), WHITE, (90, 0, 0)),
    "soft": ((18, 58, 122), WHITE, (122, 15, 34)),
    "coldnhot": ((0, 255, 255), (0, 0, 0), (255, 255, 0)),
    "berlin": ((166, 200, 255), (12, 10, 9), (255, 179, 168)),
    "purple-green": ((69, 16, 107), WHITE, (11, 74, 30)),
    "purple-orange": ((52, 16, 92), WHITE, (125, 58, 5)),
    "gray": ((0, 0, 0), WHITE, (0, 0, 0)),
}


def random_map(*shape: int, seed: int = 7) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(shape)
    values.flat[0] = 0.0
    return values


def pixels(picture: Image.Image, box: tuple[int, int, int, int] | None = None) -> np.ndarray:
    return np.asarray(picture.crop(box) if box else picture).astype(int)


def test_every_map_is_listed_here() -> None:
    assert heatmap.colormaps() == tuple(ENDS)


@pytest.mark.parametrize("cmap", ENDS)
def test_colours_at_zero_and_at_the_limit(cmap: str) -> None:
    colours = heatmap.colorize(np.array([[-3.0, 0.0, 3.0], [-0.0, 9.0, -9.0]]), cmap, limit=3.0)
    low, middle, high = ENDS[cmap]
    assert colours.dtype == np.uint8
    assert [tuple(c) for c in colours.reshape(-1, 3).tolist()] == [low, middle, high, middle, high, low]


def test_colours_between_are_linear() -> None:
    # Hand-computed: 255·(1 − |R|/4), to the nearest whole number.
    colours = heatmap.colorize(np.array([[-4.0, -3.0, -1.0, 1.0, 2.0, 4.0]]))
    assert colours[0].tolist() == [
        [0, 0, 255],
        [64, 64, 255],
        [191, 191, 255],
        [255, 191, 191],
        [255, 128, 128],
        [255, 0, 0],
    ]


def test_negated_relevance_mirrors_red_and_blue() -> None:
    values = random_map(5, 6)
    assert np.array_equal(heatmap.colorize(-values), heatmap.colorize(values)[:, :, ::-1])
    assert np.array_equal(heatmap.colorize(-values, "gray"), heatmap.colorize(values, "gray"))


@pytest.mark.parametrize("cmap", [name for name in ENDS if name != "gray"])
def test_no_two_places_of_a_map_have_the_sign_confused(cmap: str) -> None:
    ramp = np.linspace(-1, 1, 2001)[None, :]
    colours = [tuple(c) for c in heatmap.colorize(ramp, cmap)[0].tolist()]
    assert not (set(colours[:900]) & set(colours[-900:]))


@pytest.mark.parametrize("cmap", ENDS)
def test_all_zero_is_neutral(cmap: str) -> None:
    assert np.array_equal(
        heatmap.colorize(np.zeros((3, 4)), cmap),
        np.broadcast_to(np.array(ENDS[cmap][1], dtype=np.uint8), (3, 4, 3)),
    )
    assert heatmap.image(np.zeros((3, 4)), cmap=cmap).info["relevance_limit"] == "0.0"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, bool, object])
def test_dtypes_have_the_same_colours(dtype: Any) -> None:
    values = np.array([[0, 1, 1], [1, 0, 0]])
    given = np.array([[Fraction(int(v)) for v in row] for row in values]) if dtype is object else values.astype(dtype)
    assert given.dtype == np.dtype(dtype)
    assert np.array_equal(heatmap.colorize(given), heatmap.colorize(values.astype(float)))


def test_extreme_numbers_neither_overflow_nor_vanish() -> None:
    assert heatmap.colorize(np.array([[1e308, -1e308, 5e-324]]), limit=1e-300)[0].tolist() == [
        list(RED),
        list(BLUE),
        list(WHITE),
    ]
    assert tuple(heatmap.colorize(np.array([[5e-324, 0.0]]))[0, 0]) == RED
    smooth = heatmap.image(random_map(4, 4) * 1e200, interpolation="bicubic", colorbar=False, scale=4)
    assert np.array_equal(
        pixels(smooth),
        pixels(heatmap.image(random_map(4, 4), interpolation="bicubic", colorbar=False, scale=4)),
    )


def test_limits() -> None:
    values = np.array([[-8.0, 0.0], [2.0, 4.0]])
    assert heatmap.resolve_limit(values) == 8.0
    assert heatmap.resolve_limit(values, 5) == 5.0
    # |R| sorted: 0, 2, 4, 8; half way between the middle two.
    assert heatmap.resolve_limit(values, "50%") == 3.0
    assert heatmap.resolve_limit(values, "100%") == 8.0
    assert tuple(heatmap.colorize(values, limit="50%")[1, 1]) == RED
    assert tuple(heatmap.colorize(values)[1, 1]) == (255, 128, 128)


@pytest.mark.parametrize("limit", [0, -1.0, float("nan"), float("inf"), "99", "0%", "101%", "x%", "nan%", True, [1]])
def test_limits_refused(limit: Any) -> None:
    with pytest.raises(ParameterError, match="limit is"):
        heatmap.colorize(random_map(2, 2), limit=limit)


def test_a_percentile_of_zero_is_refused() -> None:
    values = np.zeros((10, 10))
    values[3, 4] = 2.0
    with pytest.raises(ParameterError, match=r"90%.*is 0 although the largest is 2"):
        heatmap.image(values, limit="90%")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_says_where(bad: float) -> None:
    values = random_map(3, 4, 5)
    values[1, 2, 3] = bad
    for call in (heatmap.image, lambda v: heatmap.series(v[1], v[1]), lambda v: heatmap.grid([[v]])):
        with pytest.raises(NonFiniteError, match=r"\(1, 2, 3\)|\(2, 3\)"):
            call(values)


def test_a_sum_that_overflows_is_not_drawn() -> None:
    with pytest.raises(NonFiniteError, match=r"sum of relevance over channels.*\(0, 1\)"):
        heatmap.image(np.array([[[0.0, 1.5e308]], [[0.0, 1.5e308]]]))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: heatmap.colorize(np.ones((2, 2)), "coldnhott"), "coldnhot"),
        (lambda: heatmap.image(np.ones((2, 2)), cmap="purple_green"), "purple-green"),
        (lambda: heatmap.image(np.ones((2, 2)), interpolation="bicubik"), "bicubic"),  # type: ignore[arg-type]
        (lambda: heatmap.grid([[np.ones((2, 2))]], share_limit="rows"), "row"),  # type: ignore[arg-type]
        (lambda: heatmap.save(Image.new("RGB", (2, 2)), "a.pngg"), ".png"),
    ],
)
def test_unknown_names_suggest_the_nearest(call: Any, word: str) -> None:
    with pytest.raises(ParameterError, match=f"did you mean '{re.escape(word)}'"):
        call()


def test_other_array_libraries_and_strange_values_are_refused() -> None:
    class Tensor:
        pass

    with pytest.raises(BackendError, match="Tensor"):
        heatmap.image(Tensor())  # type: ignore[arg-type]
    for bad in (np.ones((2, 2)) * 1j, np.array([["a"]]), np.array([[None, "x"]], dtype=object)):
        with pytest.raises(ParameterError, match="real number"):
            heatmap.colorize(bad)


@pytest.mark.parametrize("shape", [(3,), (1, 3, 4, 4), (0, 3), (3, 0, 4), ()])
def test_shapes_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=re.escape(str(shape))):
        heatmap.image(np.ones(shape))


def test_channels_are_summed() -> None:
    values = random_map(3, 4, 5)
    whole = heatmap.image(values, scale=1, colorbar=False)
    assert np.array_equal(pixels(whole), heatmap.colorize(values[0] + values[1] + values[2]))
    assert not np.array_equal(pixels(whole), heatmap.colorize(values[0]))


@pytest.mark.parametrize(
    ("shape", "scale"), [((28, 28), 8), ((3, 28, 14), 8), ((5, 7), 32), ((224, 100), 1), ((300, 2), 1)]
)
def test_nearest_is_exact_and_reaches_224(shape: tuple[int, ...], scale: int) -> None:
    values = random_map(*shape)
    picture = heatmap.image(values, colorbar=False)
    flat = values.sum(axis=0) if values.ndim == 3 else values
    assert picture.size == (flat.shape[1] * scale, flat.shape[0] * scale)
    small = heatmap.colorize(flat)
    rows, columns = np.indices(picture.size[::-1]) // scale
    assert np.array_equal(pixels(picture), small[rows, columns])


def test_scale_and_size() -> None:
    values = random_map(10, 20)
    assert heatmap.image(values, scale=3, colorbar=False).size == (60, 30)
    assert heatmap.image(values, size=41, colorbar=False).size == (60, 30)
    assert heatmap.image(values, size=40, colorbar=False).size == (40, 20)
    for wrong in ({"scale": 0}, {"scale": 1.5}, {"size": -1}, {"scale": True}, {"scale": 2, "size": 9}):
        with pytest.raises(ParameterError, match=r"scale|size"):
            heatmap.image(values, **wrong)


def test_bicubic_keeps_the_map_of_a_constant_and_stays_on_the_palette() -> None:
    assert np.unique(
        pixels(heatmap.image(np.full((4, 4), 2.0), interpolation="bicubic", colorbar=False)), axis=None
    ).tolist() == [0, 255]
    picture = pixels(heatmap.image(random_map(6, 6), interpolation="bicubic", colorbar=False, scale=9))
    # Every colour of bwr has red or blue at 255 and its two smaller parts equal.
    assert np.all(picture.max(axis=2) == 255)
    assert np.all(np.sort(picture, axis=2)[:, :, 0] == np.sort(picture, axis=2)[:, :, 1])


@pytest.mark.parametrize("cmap", ENDS)
@pytest.mark.parametrize("limit", [None, 0.5, "90%"])
def test_colour_bar_title_and_note_leave_the_map_alone(cmap: str, limit: Any) -> None:
    values = random_map(3, 9, 11)
    bare = heatmap.image(values, cmap=cmap, limit=limit, colorbar=False)
    full = heatmap.image(values, cmap=cmap, limit=limit, title="a title")
    assert bare.info["map_box"] == (0, 0, *bare.size)
    assert np.array_equal(pixels(full, full.info["map_box"]), pixels(bare))
    assert full.width > bare.width
    assert full.height > bare.height


def test_colour_bar_has_zero_in_its_middle_and_the_limits_at_its_ends() -> None:
    picture = heatmap.image(random_map(5, 5))
    _, top, right, bottom = picture.info["map_box"]
    column = pixels(picture, (right + 22, top, right + 23, bottom))[:, 0]
    assert tuple(column[0]) == RED
    assert tuple(column[-1]) == BLUE
    middle = column[len(column) // 2 - 2 : len(column) // 2 + 2]
    assert np.all(middle >= 250)
    assert np.array_equal(column[::-1], column[:, ::-1])


def test_a_clipped_limit_is_said_and_an_unclipped_one_is_not() -> None:
    values = random_map(6, 6)
    plain, above = heatmap.image(values), heatmap.image(values, limit=100.0)
    clipped, robust = heatmap.image(values, limit=0.5), heatmap.image(values, limit="90%")
    assert plain.height == above.height < min(clipped.height, robust.height)
    assert float(robust.info["relevance_limit"]) == np.percentile(np.abs(values), 90)
    assert clipped.info["relevance_limit"] == "0.5"


def test_overlay_is_grey_at_zero_and_the_map_at_the_limit() -> None:
    values = np.array([[0.0, 1.0], [-1.0, 0.25]])
    photo = np.array([[40, 90], [160, 200]], dtype=np.uint8)
    picture = pixels(heatmap.image(values, input=photo, overlay=1.0, scale=1, colorbar=False))
    # At 0.25: opacity 0.5, colour at 0.7 + 0.3·0.25 = 0.775 of the way from white to red, over grey 200.
    pale = round(0.5 * 200 + 0.5 * round(255 * 0.225))
    assert picture.tolist() == [
        [[40, 40, 40], list(RED)],
        [list(BLUE), [round(0.5 * 200 + 0.5 * 255), pale, pale]],
    ]
    none = pixels(heatmap.image(values, input=photo, overlay=0.0, scale=1, colorbar=False))
    assert np.array_equal(none, np.repeat(photo[:, :, None], 3, axis=2))
    default = pixels(heatmap.image(values, input=photo, scale=1, colorbar=False))
    assert default[0, 1].tolist() == [round(0.1 * 90 + 0.9 * 255), 9, 9]


def test_overlay_of_a_smoothed_map_does_not_wrap_around() -> None:
    # Bicubic interpolation of a step overshoots beside it; opacity and colour end at 1 all the same.
    step = np.repeat(np.array([[0.0, 0.0, 0.0, 1.0, 1.0, 1.0]]), 6, axis=0)
    picture = heatmap.image(
        step,
        input=np.zeros((6, 6), dtype=np.uint8),
        overlay=1.0,
        interpolation="bicubic",
        scale=8,
        colorbar=False,
    )
    assert np.all(pixels(picture)[:, 28:, 0] > 200)


def test_overlay_refused() -> None:
    values = random_map(4, 4)
    with pytest.raises(ParameterError, match="without an input"):
        heatmap.image(values, overlay=0.5)
    for bad in (-0.1, 1.1, float("nan"), "x"):
        with pytest.raises(ParameterError, match="between 0 and 1"):
            heatmap.image(values, input=values, overlay=bad)  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="aspect"):
        heatmap.image(values, input=np.ones((4, 8)))
    for shape in ((2, 4, 5), (4, 4, 2), (1, 1, 4, 4), (4,), (0, 4)):
        with pytest.raises(ShapeError, match="a photo is"):
            heatmap.image(values, input=np.ones(shape))


@pytest.mark.parametrize("layout", ["chw", "hwc", "float", "stretched", "alpha", "integers"])
def test_panel_shows_the_photo_as_it_is(layout: str) -> None:
    rng = np.random.default_rng(3)
    photo = rng.integers(0, 256, (8, 10, 3), dtype=np.uint8)
    photo[0, 0], photo[0, 1] = 0, 255
    layouts: dict[str, np.ndarray] = {
        "chw": photo.transpose(2, 0, 1),
        "hwc": photo,
        "float": photo.transpose(2, 0, 1) / 255.0,
        "stretched": photo.transpose(2, 0, 1) * 0.5 - 60.0,
        "alpha": np.concatenate([photo, np.full((8, 10, 1), 9, dtype=np.uint8)], axis=2),
        "integers": photo.astype(np.int32) - 128,
    }
    given, values = layouts[layout], random_map(8, 10)
    picture = heatmap.panel(values, given, scale=2, prediction="p", composite="c", note="n")
    first, second, third = picture.info["boxes"]
    assert np.array_equal(pixels(picture, first), photo.repeat(2, axis=0).repeat(2, axis=1))
    assert np.array_equal(pixels(picture, second), pixels(heatmap.image(values, scale=2, colorbar=False)))
    assert np.array_equal(pixels(picture, third), pixels(heatmap.image(values, scale=2, colorbar=False, input=given)))
    assert picture.info["relevance_limit"] == repr(float(np.abs(values).max()))


def test_panel_caption_only_adds_below() -> None:
    values = random_map(8, 8)
    short = heatmap.panel(values, values)
    long = heatmap.panel(values, values, prediction="a cat, perhaps", limit="90%")
    assert long.height > short.height
    assert np.array_equal(pixels(long, long.info["boxes"][0]), pixels(short, short.info["boxes"][0]))


def test_a_flat_photo_is_drawn() -> None:
    picture = heatmap.panel(random_map(3, 3), np.full((3, 3), -7.0), scale=1)
    assert np.all(pixels(picture, picture.info["boxes"][0]) == 0)


@pytest.mark.parametrize("share", ["each", "row", "all"])
def test_grid_shares_limits_as_asked(share: Any) -> None:
    rows = [[k * random_map(3, 4, 5, seed=10 * row + k) for k in (1, 2, 3)] for row in (0, 1)]
    flat = [[one.sum(axis=0) for one in row] for row in rows]
    most = [[float(np.abs(one).max()) for one in row] for row in flat]
    expected = {
        "each": most,
        "row": [[max(row)] * 3 for row in most],
        "all": [[max(itertools.chain(*most))] * 3] * 2,
    }[share]
    picture = heatmap.grid(
        rows,
        row_labels=["one", "two"],
        column_labels=["epsilon", "gamma", "a_long_name_of_a_rule"],
        inputs=[np.eye(4, 5)] * 2,
        share_limit=share,
        scale=7,
        title="all",
    )
    assert [list(row) for row in picture.info["relevance_limits"]] == expected
    for row, column in itertools.product(range(2), range(3)):
        small = heatmap.colorize(flat[row][column], limit=expected[row][column])
        shown = pixels(picture, picture.info["cell_boxes"][row][column])
        assert np.array_equal(shown, small.repeat(7, axis=0).repeat(7, axis=1))


def test_grid_of_zeros_and_of_tiny_cells() -> None:
    for share in ("each", "row", "all"):
        picture = heatmap.grid([[np.zeros((2, 2))], [np.zeros((2, 2))]], scale=1, share_limit=share)
        boxes = [box for row in picture.info["cell_boxes"] for box in row]
        assert all((box[2] - box[0], box[3] - box[1]) == (2, 2) and box[3] < picture.height for box in boxes)
        assert np.all(np.concatenate([pixels(picture, box) for box in boxes]) == 255)


def test_grid_refused() -> None:
    one = random_map(3, 3)
    with pytest.raises(ShapeError, match="one length"):
        heatmap.grid([[one], [one, one]])
    with pytest.raises(ShapeError, match="one length"):
        heatmap.grid([])
    with pytest.raises(ShapeError, match=r"\(3, 3\), \(4, 3\)"):
        heatmap.grid([[one, random_map(4, 3)]])
    with pytest.raises(ShapeError, match=r"rows\[0\]\[1\]"):
        heatmap.grid([[one, random_map(3)]])
    for name, given in {"row_labels": ["a", "b"], "column_labels": [], "inputs": [one, one]}.items():
        with pytest.raises(ShapeError, match=name):
            heatmap.grid([[one]], **{name: given})  # type: ignore[arg-type]


def test_series_columns_follow_the_relevance() -> None:
    signal, relevance = np.zeros((2, 4)), np.array([[1.0, 0.0, -1.0, 0.5], [0.0, 2.0, 0.0, 0.0]])
    picture = heatmap.series(signal, relevance, width=80, height=40, channel_names=["a", "b"])
    for box, row in zip(picture.info["boxes"], relevance, strict=True):
        top = pixels(picture, box)[0]  # the line of a constant signal runs through the middle
        assert np.array_equal(top, heatmap.colorize(row[None], limit=2.0)[0].repeat(20, axis=0))
    assert picture.info["relevance_limit"] == "2.0"


def test_series_line_runs_through_the_signal() -> None:
    signal = np.array([0.0, 0.0, 10.0, 10.0])
    picture = heatmap.series(signal, np.zeros(4), width=80, height=50)
    dark = pixels(picture, picture.info["boxes"][0]).sum(axis=2) < 300
    # 8 % of room above and below: 10 is at 0.8/11.6 of the height from the top, 0 as far from the bottom.
    rows = np.flatnonzero(dark[:, 60])
    assert abs(rows.mean() - 49 * 0.8 / 11.6) <= 1
    assert abs(np.flatnonzero(dark[:, 20]).mean() - 49 * (1 - 0.8 / 11.6)) <= 1


def test_series_longer_than_the_picture_keeps_every_peak() -> None:
    relevance = np.zeros(10_000)
    relevance[[1234, 1260, 7777]] = 1.0, -0.5, -3.0
    picture = heatmap.series(np.zeros(10_000), relevance, width=100)
    top = pixels(picture, picture.info["boxes"][0])[0]
    assert [tuple(c) for c in top[[12, 77]]] == [(255, 170, 170), BLUE]
    assert np.flatnonzero((top != 255).any(axis=1)).tolist() == [12, 77]


@pytest.mark.parametrize("signal", [[5.0], [1e-9, 1e-9], [1e9, 1e9 + 1e-6], [0.0, 0.0], [0.0, 5e-324], [1e12, -3e12]])
def test_series_of_strange_spans(signal: list[float]) -> None:
    picture = heatmap.series(np.array(signal), np.ones(len(signal)), sample_rate=250.0, title="t", cmap="berlin")
    assert np.any(pixels(picture, picture.info["boxes"][0]) != np.array(ENDS["berlin"][2]))


def test_series_refused() -> None:
    one = random_map(6)
    with pytest.raises(ShapeError, match=r"signal has shape \(6,\), but relevance \(5,\)"):
        heatmap.series(one, one[:5])
    with pytest.raises(ShapeError, match=r"\(1, 6\)"):
        heatmap.series(one, one[None])
    with pytest.raises(ShapeError, match="channel_names"):
        heatmap.series(one, one, channel_names=["a", "b"])
    with pytest.raises(ShapeError, match="series is"):
        heatmap.series(random_map(1, 2, 3), random_map(1, 2, 3))
    for wrong in ({"width": 3}, {"height": 2.5}, {"sample_rate": 0.0}, {"sample_rate": float("nan")}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            heatmap.series(one, one, **wrong)


def test_html_is_escaped_and_carries_the_numbers() -> None:
    page = heatmap.text_html(['<script>alert("x")</script>', "a&b", "'"], [1.0, -0.25, 0.0], separator=" < ")
    assert "<script" not in page
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in page
    assert "a&amp;b" in page
    assert "&#x27;" in page
    assert " &lt; " in page
    assert re.findall(r'title="([^"]*)"', page) == ["+1", "-0.25", "0"]
    assert re.findall(r"background-color:(#\w{6})", page) == ["#ff0000", "#bfbfff", "#ffffff"]
    assert "sum of relevance +0.75" in page
    assert "sum of" not in heatmap.text_html(["a"], [1.0], legend=False)


@pytest.mark.parametrize("cmap", ENDS)
def test_letters_are_readable_on_every_colour(cmap: str) -> None:
    ramp = np.linspace(-1, 1, 401)
    page = heatmap.text_html(["x"] * 401, ramp, cmap=cmap, legend=False)
    pairs = re.findall(r"background-color:#(\w{6});color:#(\w{6})", page)
    assert len(pairs) == 401

    def light(code: str) -> float:  # WCAG 2.1, relative luminance
        parts = [int(code[k : k + 2], 16) / 255 for k in (0, 2, 4)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for pair in pairs:
        dark, bright = sorted(map(light, pair))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5


def test_terminal_colours_and_plain_numbers() -> None:
    text = heatmap.text_terminal(["bad", "ok"], np.array([-2.0, 0.0])).split(" ")
    assert text == [
        "\x1b[48;2;0;0;255m\x1b[38;2;255;255;255mbad\x1b[0m",
        "\x1b[48;2;255;255;255m\x1b[38;2;0;0;0mok\x1b[0m",
    ]
    assert heatmap.text_terminal(["bad", "ok"], [-2.0, 0.5], color=False, separator="|") == "bad(-2)|ok(+0.5)"


def test_a_token_cannot_steer_the_terminal() -> None:
    text = heatmap.text_terminal(["\x1b[2Jx\n", "\u202e", "中"], [1.0, 0.0, 1.0], color=False)
    assert text == "\\x1b[2Jx\\n(+1) \\u202e(0) 中(+1)"
    assert heatmap.text_terminal(["\x1b[2J"], [1.0]).count("\x1b") == 3


@pytest.mark.parametrize("call", [heatmap.text_html, heatmap.text_terminal])
def test_texts_refuse_what_does_not_match(call: Any) -> None:
    with pytest.raises(ShapeError, match=r"2 token\(s\), but relevances of shape \(3,\)"):
        call(["a", "b"], [1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match=r"\(1, 2\)"):
        call(["a", "b"], np.ones((1, 2)))
    with pytest.raises(ShapeError, match="one string"):
        call("ab", [1.0, 2.0])
    with pytest.raises(NonFiniteError, match=r"relevances.*\(1,\): nan"):
        call(["a", "b"], [1.0, float("nan")])
    assert isinstance(call([], []), str)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".webp", ".bmp", ".tif", ".gif"])
def test_saved_pictures_come_back(tmp_path: Path, suffix: str) -> None:
    picture = heatmap.image(random_map(5, 5), limit=2.5)
    path = heatmap.save(picture, tmp_path / f"map{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == [f"map{suffix}"]
    with Image.open(path) as read:
        if suffix != ".gif":  # 256 colours
            assert np.array_equal(pixels(read.convert("RGB")), pixels(picture))
        if suffix.lower() == ".png":
            assert read.info["relevance_limit"] == "2.5"


def test_save_takes_text_paths_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "map.jpg"
    path.write_bytes(b"old")
    assert heatmap.save(heatmap.image(random_map(5, 5)), os.fspath(path)) == path
    with Image.open(path) as read:
        assert read.format == "JPEG"


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "map.jpg"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="RGBA"):
        heatmap.save(Image.new("RGBA", (4, 4)), path)
    assert [p.name for p in tmp_path.iterdir()] == ["map.jpg"]
    assert path.read_bytes() == b"old"
    with pytest.raises(OSError, match="RGBA"):
        heatmap.save(Image.new("RGBA", (4, 4)), tmp_path / "new.jpg")
    assert [p.name for p in tmp_path.iterdir()] == ["map.jpg"]


def test_save_refuses_unknown_suffixes_and_missing_folders(tmp_path: Path) -> None:
    picture = heatmap.image(random_map(5, 5))
    for name in ("map", "map.npz", "map.svg"):
        with pytest.raises(ParameterError, match="unknown picture suffix"):
            heatmap.save(picture, tmp_path / name)
    with pytest.raises(ParameterError, match="does not exist"):
        heatmap.save(picture, tmp_path / "none" / "map.png")
    assert list(tmp_path.iterdir()) == []


def test_data_uri_is_the_picture() -> None:
    picture = heatmap.image(random_map(5, 5))
    uri = heatmap.to_data_uri(picture)
    head, code = uri.split(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(code, validate=True))) as read:
        assert np.array_equal(pixels(read), pixels(picture))


def test_inputs_are_not_changed() -> None:
    values, photo = random_map(3, 6, 6), random_map(3, 6, 6, seed=8)
    for array in (values, photo):
        array.setflags(write=False)
    heatmap.panel(values, photo, limit="90%")
    heatmap.grid([[values]], inputs=[photo])
    heatmap.series(values[0], values[1])


@pytest.mark.parametrize("title", ["γ-rule, −1 · Zürich", "中文", "x" * 200, "two\nlines", "tab\there"])
def test_any_title_can_be_written(title: str) -> None:
    picture = heatmap.image(random_map(2, 2), title=title, scale=1)
    assert picture.height > heatmap.image(random_map(2, 2), scale=1).height


def test_pictures_load_pillow_only_when_drawn() -> None:
    code = "import sys, lrp_ref.heatmap; sys.exit('PIL' in sys.modules)"
    root = Path(heatmap.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


# Sheets of series, remarks and axes ----------------------------------------------------------------------------------


def test_a_sheet_of_series_has_one_scale() -> None:
    """The largest |R| of all is 4, so that −4 is blue, and 2 half as red as 4."""
    signal = np.zeros(10)
    rows = [[np.full(10, -4.0), np.full(10, 2.0)], [np.zeros(10), np.full(10, 4.0)]]
    sheet = heatmap.series_grid(signal, rows, row_labels=["one", "two"], column_labels=["a", "b"], title="t")
    assert sheet.info["relevance_limit"] == "4.0"
    counts = {colour: n for n, colour in sheet.getcolors(1 << 24)}
    assert all(counts.get(colour, 0) > 10_000 for colour in (BLUE, (255, 128, 128), RED))
    assert heatmap.series_grid(signal, rows, limit=8.0).info["relevance_limit"] == "8.0"
    assert heatmap.series_grid(signal, [[0 * signal]]).info["relevance_limit"] == "0.0"


@pytest.mark.parametrize("columns", [1, 2, 10])
@pytest.mark.parametrize("channels", [0, 3])
def test_sheets_of_series_of_every_size(columns: int, channels: int) -> None:
    shape = (channels, 40) if channels else (40,)
    rows = [[random_map(*shape, seed=k) for k in range(columns)] for _ in range(2)]
    names = [f"a composite of a long name {k}" for k in range(columns)]
    channel_names = [f"channel {k}" for k in range(channels)] or None
    small = heatmap.series_grid(random_map(*shape), rows, column_labels=names, channel_names=channel_names)
    large = heatmap.series_grid(
        random_map(*shape), rows, column_labels=names, channel_names=channel_names, title="t", remark="r", limit=0.5
    )
    assert large.width == small.width
    assert large.height > small.height
    margin = pixels(small)[:, -4:]
    assert (margin == 255).all()


def test_sheets_of_series_refused() -> None:
    one = random_map(9)
    for rows in ([], [[]], [[one], [one, one]]):
        with pytest.raises(ShapeError, match="rows of one length"):
            heatmap.series_grid(one, rows)
    with pytest.raises(ShapeError, match="row_labels has 2 entries for 1 rows"):
        heatmap.series_grid(one, [[one]], row_labels=["a", "b"])
    with pytest.raises(ShapeError, match="signal has shape"):
        heatmap.series_grid(one, [[one[:4]]])


def test_remarks_only_add_below() -> None:
    values = random_map(4, 4)
    for draw in (
        heatmap.image,
        lambda v, **k: heatmap.panel(v, v, **k),
        lambda v, **k: heatmap.grid([[v]], **k),
        lambda v, **k: heatmap.series(v, v, **k),
    ):
        plain, remarked = draw(values), draw(values, remark="the start itself is negative")
        assert remarked.width == plain.width
        assert remarked.height > plain.height
        top = plain.height - 20
        assert np.array_equal(pixels(remarked)[:top], pixels(plain)[:top])


def test_the_axis_of_a_series_is_named() -> None:
    signal = random_map(30)
    drawn = {axis: pixels(heatmap.series(signal, signal, axis=axis)) for axis in ("sample", "frame", "time step")}
    assert np.array_equal(drawn["sample"], pixels(heatmap.series(signal, signal)))
    height = drawn["sample"].shape[0]
    for axis in ("frame", "time step"):
        differs = np.flatnonzero((drawn[axis] != drawn["sample"]).any(axis=(1, 2)))
        assert differs.size
        assert differs.min() > height - 40, "only in the name below the axis"


def test_long_titles_of_series_are_folded() -> None:
    signal = random_map(30)
    short, long = (heatmap.series(signal, signal, title=t, width=200) for t in ("a", "a rather long class name " * 4))
    assert long.width == short.width
    assert long.height > short.height


@pytest.mark.parametrize("cmap", ENDS)
def test_colours_have_the_names_of_their_signs(cmap: str) -> None:
    """Red is named where the red part is the largest of the colour half way to the limit, and so on."""
    words = heatmap.sign_colours(cmap)
    if cmap == "gray":
        assert words == ("negative relevance", "positive relevance")
        return
    half = heatmap.colorize(np.array([[-0.75, 0.75]]), cmap, limit=1.0)[0].astype(int)
    for word, colour in zip(words, half, strict=True):
        strongest = {"red": 0, "orange": 0, "green": 1, "blue": 2, "purple": 2}[word]
        assert int(np.argmax(colour)) == strongest, (word, colour)
