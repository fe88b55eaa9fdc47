"""Words as LaTeX, as a page and as a picture; documents as points."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrp_ref import heatmap
from lrp_ref.errors import NonFiniteError, ParameterError, ShapeError

NASTY = ["a\\b{c}", "5 %", "$x_1^2$", "#&~", "<b>|\"'`", "--", "?`", "!`", ",,", "[x]", "=*", "\\end{document}",
         "\\input{x}", "%", "é ß", "中文", "α", "“", "ª", "a\nb", "\x1b[2J", "\u202e", ""]  # fmt: skip
COMMANDS = {
    "textbackslash": "\\", "textasciicircum": "^", "textasciitilde": "~", "textless": "<", "textgreater": ">",
    "textbar": "|", "textquotedbl": '"', "textquotesingle": "'", "textasciigrave": "`",
}  # fmt: skip


def printed(latex: str) -> str:
    """What LaTeX prints of the inside of a box, read by a small reader of its own; fails on what it does not know."""
    out, rest = "", latex
    while rest:
        for pattern in (
            r"\\lrpletter\{(.)\}\{U\+[0-9A-F]{4,6}\}", r"\\texttt\{U\+([0-9A-F]{4,6})\}", r"\\([a-z]+)\{\}",
            r"\\([{}$&#%_ ])", r"\{([-,!?\[\]=*])\}", r"([^\\{}$&#%_^~<>|\"'`\n-])",
        ):  # fmt: skip
            found = re.match(pattern, rest, re.S)
            if found:
                text = found[1]
                if "texttt" in pattern:
                    text = chr(int(text, 16))
                out += COMMANDS[text] if "[a-z]+" in pattern else text
                rest = rest[found.end() :]
                break
        else:
            raise AssertionError(f"LaTeX would not print this as it is: {rest!r}")
    return out


def test_latex_prints_every_token_as_it_is_and_obeys_none() -> None:
    lines = heatmap.text_latex(NASTY, np.arange(len(NASTY)) - 3.0, standalone=False).splitlines()
    boxes = [line for line in lines if line.startswith("\\colorbox")]
    assert len(boxes) == len(NASTY)
    for box, token in zip(boxes, NASTY, strict=True):
        found = re.fullmatch(
            r"\\colorbox\[HTML\]\{[0-9A-F]{6}\}\{\\textcolor\[HTML\]\{[0-9A-F]{6}\}\{\\strut (.*)\}\}", box
        )
        assert found, box
        assert printed(found[1]) == token


def test_latex_has_the_colours_of_html() -> None:
    tokens, values = ["not", "bad", "film"], [-1.0, 2.0, 0.5]
    latex = re.findall(r"colorbox\[HTML\]\{(\w+)\}", heatmap.text_latex(tokens, values))
    page = re.findall(r"background-color:#(\w+)", heatmap.text_html(tokens, values))
    assert [c.lower() for c in latex] == page
    assert latex[1] == "FF0000"


def test_latex_is_a_whole_document_with_balanced_braces() -> None:
    text = heatmap.text_latex(NASTY, np.ones(len(NASTY)))
    bare = re.sub(r"\\[{}\\]", "", text)
    assert bare.count("{") == bare.count("}")
    assert text.startswith("\\documentclass{article}")
    assert text.endswith("\\end{document}\n")
    assert text.count("\\begingroup") == text.count("\\endgroup") == 1


def test_latex_compiles(tmp_path: Path) -> None:
    program = shutil.which("pdflatex") or shutil.which("xelatex") or shutil.which("tectonic")
    if program is None:
        pytest.skip("no LaTeX is installed")
    (tmp_path / "words.tex").write_text(heatmap.text_latex(NASTY, np.ones(len(NASTY))), encoding="utf-8")
    options = [] if program.endswith("tectonic") else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([program, *options, "words.tex"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_a_page_escapes_and_has_one_scale() -> None:
    page = heatmap.text_page(["<b>", "x"], [1.0, -2.0], apart=(["[CLS]"], [4.0]), title="a < b")
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert re.findall(r"background-color:#(\w+)", page) == ["ffbfbf", "8080ff", "ff0000"]
    assert page.count("sum of relevance +3") == 1
    alone = heatmap.text_page(["x"], [0.0])
    assert "all 0" in alone


def colours(image: Any) -> set[tuple[int, ...]]:
    return {tuple(c) for c in np.asarray(image).reshape(-1, 3).tolist()}


def test_a_picture_has_the_colours_of_its_words() -> None:
    image = heatmap.text_image(["not", "bad"], [-2.0, 1.0], colorbar=False)
    assert {(0, 0, 255), (255, 128, 128)} <= colours(image)
    assert image.info["relevance_limit"] == "2.0"
    both = heatmap.text_image(["not", "bad"], [[-2.0, 1.0], [4.0, 0.0]], labels=["a", "b"], colorbar=False)
    assert {(128, 128, 255), (255, 191, 191), (255, 0, 0)} <= colours(both)
    apart = heatmap.text_image(["bad"], [1.0], apart=(["[CLS]"], [-4.0]), colorbar=False)
    assert {(255, 191, 191), (0, 0, 255)} <= colours(apart)


def test_words_go_on_in_the_next_line_and_stay_within_the_width() -> None:
    one, many = (heatmap.text_image(["film"] * n, np.ones(n), width=200, colorbar=False) for n in (1, 30))
    assert many.width == one.width
    assert many.height > 3 * one.height / 2
    long = np.asarray(heatmap.text_image(["x" * 500], [1.0], width=100, colorbar=False))
    assert (long[:, -16:] == 255).all()  # the margin


@pytest.mark.parametrize(
    ("tokens", "values", "options", "error", "reason"),
    [
        (["a"], [1.0, 2.0], {}, ShapeError, r"1 token\(s\), but relevances of shape \(2,\)"),
        ("ab", [1.0, 2.0], {}, ShapeError, "one string"),
        ([], [], {}, ShapeError, "no token"),
        (["a"], [np.nan], {}, NonFiniteError, "relevances"),
        (["a"], [1.0], {"apart": (["b"], [1.0, 2.0])}, ShapeError, "apart of shape"),
        (["a"], [[1.0], [2.0]], {"labels": ["x"]}, ShapeError, r"2 row\(s\)"),
        (["a"], [[1.0], [2.0]], {"apart": (["b"], [1.0])}, ShapeError, r"2 row\(s\), apart of 1"),
        (["a"], [1.0], {"width": 10}, ParameterError, "width is 10"),
    ],
)
def test_pictures_that_cannot_be_drawn(
    tokens: Any, values: Any, options: Any, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        heatmap.text_image(tokens, values, **options)


def test_points_stand_where_they_are() -> None:
    """Four corners of a square twice as wide as high, in a colour for each class."""
    points = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0], [4.0, 2.0]])
    image = np.asarray(heatmap.scatter(points, [0, 1, 0, 1], size=200)).astype(int)
    for colour, side in (((0, 114, 178), 0), ((213, 94, 0), 1)):
        down, across = np.nonzero((abs(image - colour) < 3).all(axis=2))
        assert len(down) > 20
        assert ((across > image.shape[1] / 2) == bool(side)).all()
        middle = (down.min() + down.max()) / 2
        apart = down[down > middle].mean() - down[down < middle].mean()
        assert abs(apart - (200 - 2 * 14) / 2 * 198 / 200) < 1  # half as high as wide, within a frame of one pixel


@pytest.mark.parametrize(
    ("points", "classes", "options", "error", "reason"),
    [
        (np.ones((2, 3)), [0, 1], {}, ShapeError, r"shape \(2, 3\)"),
        (np.ones((2, 2)), [0], {}, ShapeError, "for 1 classes"),
        (np.ones((0, 2)), [], {}, ShapeError, "not empty"),
        (np.full((1, 2), np.inf), [0], {}, NonFiniteError, "points"),
        (np.ones((1, 2)), [2], {"names": ["a", "b"]}, ParameterError, "there are 2 names"),
        (np.ones((1, 2)), [-1], {}, ParameterError, "from -1 to -1"),
        (np.ones((1, 2)), [0], {"size": 5}, ParameterError, "size is 5"),
    ],
)
def test_points_that_cannot_be_drawn(
    points: Any, classes: Any, options: Any, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        heatmap.scatter(points, classes, **options)
