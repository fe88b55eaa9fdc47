"""Words on colours: where lines break, and that what is drawn is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from lrp_ref.gallery.analysis.coloured import BETWEEN, PAD, layout

pytest.importorskip("matplotlib")


def test_words_follow_each_other_until_the_line_is_full() -> None:
    gap = 2 * PAD + BETWEEN
    assert layout([10, 20, 30], 1000) == [(0, 0), (0, 10 + gap), (0, 30 + 2 * gap)]
    assert layout([60, 60, 10], 100) == [(0, 0), (1, 0), (1, 60 + gap)]
    assert layout([500], 100) == [(0, 0)], "a word that is longer than a line has one of its own"
    assert layout([], 100) == []


def test_each_word_is_on_its_colour_and_lines_go_down() -> None:
    from lrp_ref.gallery import figures
    from lrp_ref.gallery.analysis.coloured import show_words

    with figures.sheet(200) as figure:
        axes = figure.subplots()
        one = show_words(axes, ["good", "bad", "$5"], np.array([1.0, -1.0, 0.0]), limit=1.0, width=500)
        two = show_words(axes, ["good"] * 40, np.zeros(40), limit=1.0, width=500, top=one, lines=2, label="more")
    texts = [t.get_text() for t in axes.texts]
    assert texts[:3] == ["good", "bad", "$5"]
    assert texts[-1] == "…"
    colours = [t.get_bbox_patch().get_facecolor()[:3] for t in axes.texts[:3]]
    assert colours == [(1, 0, 0), (0, 0, 1), (1, 1, 1)]
    assert two - one == pytest.approx(2 * one + (11 - 12) * 100 / 72 + one), "a label and two lines"
