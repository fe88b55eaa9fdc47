"""Pages in a browser at their edges: damaged addresses, numbers without room, narrow windows, inputs of nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.layers import Conv, Dense, Flatten
from lrp_ref.pages import neuron, taylor
from lrp_ref.pages.assembling import write

NOTE = "return document.getElementById('notice').textContent"
WIDTHS = "return [document.documentElement.scrollWidth, innerWidth]"
SET = """
for (const field of document.querySelectorAll("input[type=number]")) {
  field.value = VALUE;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
const odd = (element) => [...element.attributes].some((a) => /NaN|Inf/.test(a.value));
const broken = [...document.querySelectorAll("svg *")].filter(odd);
return [broken.length, /NaN|Infinity/.test(document.body.innerText)];
"""


def draw(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(page: browser.Page, path: Path, text: str, fragment: str = "") -> None:
    page.open("about:blank")
    page.said()
    page.open(write(path, text).as_uri() + fragment)


def ready(page: browser.Page) -> None:
    page.wait("return document.documentElement.dataset.ready", bool)


def test_a_damaged_address_is_told_of_and_changes_nothing(page: browser.Page, tmp_path: Path) -> None:
    net = lrp.Network.sequential([Conv(draw(2, 1, 2, 2)), Flatten(), Dense(draw(18, 2))])
    text = lrp.explain(net, draw(1, 1, 4, 4), composite="epsilon").to_html()
    for wrong in (
        "constructor=1", "__proto__=1", "toString=1", "opacity=%zz", "opacity=0x1", "opacity=%20", "clip=%E0",
        "a" * 100_000,
    ):  # fmt: skip
        page.resize(1000, 800)
        show(page, tmp_path / "p.html", text, f"#{wrong}")
        ready(page)
        note = page.run(NOTE)
        assert note.startswith(f"The address asks for {wrong.partition('=')[0][:60]} “"), wrong[:40]
        assert len(note) < 400
        assert page.run("return document.getElementById('opacity').value") == "1"
        wide, window = page.run(WIDTHS)
        assert wide <= window
        assert page.said() == []


def test_a_narrow_window_needs_no_scrolling_sideways(page: browser.Page, tmp_path: Path) -> None:
    page.resize(320, 800)
    for x in (draw(1, 3), 1e30 * draw(1, 3)):
        e = lrp.explain(lrp.Network.sequential([Dense(draw(3, 2), draw(2))]), x, composite="epsilon")
        show(page, tmp_path / "p.html", e.to_html())
        ready(page)
        wide, window = page.run(WIDTHS)
        assert wide <= window == 320
    assert page.axe() == []


def test_an_input_of_no_numbers_and_relevance_next_to_nothing(page: browser.Page, tmp_path: Path) -> None:
    page.resize(1000, 800)
    nothing = lrp.Network.sequential([Dense(np.zeros((0, 2)), np.ones(2))])
    channels = [Conv(draw(2, 0, 1, 1), np.ones(2)), Flatten(), Dense(draw(2, 2))]
    for net, x in (
        (nothing, np.zeros((1, 0))),
        (lrp.Network.sequential(channels), np.zeros((1, 0, 1, 1))),
        (lrp.Network.sequential([Dense(draw(3, 2))]), np.full((1, 3), 1e-320)),
    ):
        show(page, tmp_path / "p.html", lrp.explain(net, x, composite="epsilon").to_html())
        ready(page)
        assert page.said() == []
        assert page.run("return document.querySelectorAll('.layer').length") > 1


def test_numbers_beyond_sums_of_products_are_not_taken(page: browser.Page, tmp_path: Path) -> None:
    page.resize(1000, 800)
    show(page, tmp_path / "n.html", neuron([1e60, -1e60], [1e60, 1e-60], 1e60).page())
    for rule in page.run("return [...document.getElementById('rule').options].map(o => o.value)"):
        page.run(f"document.getElementById('rule').value = {json.dumps(rule)}")
        page.run("document.getElementById('rule').dispatchEvent(new Event('change', { bubbles: true }))")
        for value in ("1e308", "-1e308", "1e-320", "1e60", "1e-60", "0"):
            assert page.run(SET.replace("VALUE", json.dumps(value))) == [0, False], (rule, value)
        page.run("document.getElementById('reset').click()")
    assert page.said() == []


def test_a_picture_of_large_numbers_has_few_ticks(page: browser.Page, tmp_path: Path) -> None:
    show(page, tmp_path / "t.html", taylor([1e10], [1e10], -1e10).page())
    ticks = page.wait("return document.querySelectorAll('.axes text').length", bool)
    assert 0 < ticks <= 40
    assert page.axe() == []
    assert page.said() == []
