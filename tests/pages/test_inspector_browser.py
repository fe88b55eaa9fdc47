"""The inspector in a browser, from a file: what it shows equals Python, by mouse and keys, and it asks for nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
from numpy.typing import NDArray

import lrp_ref as lrp
from lrp_ref.layers import Conv, Dense, Embedding, Flatten, MaxPool, Mean, ReLU
from lrp_ref.network import Network
from lrp_ref.pages import inspecting
from lrp_ref.pages.shown import Shown, Words

HOSTILE = "</script><img src=x onerror=alert(1)>\u202egnp.\x00\"'&`"
READY = "return document.documentElement.dataset.ready"
RELEVANCE = "return document.querySelector('.readout').dataset.relevance"
NOTE = "return document.getElementById('notice').textContent"
HASH = "return location.hash"
LEDGER = "return [...document.querySelectorAll('.account tbody tr')].map(r => [r.dataset.node, r.dataset.numbers])"
PIXELS = """
const c = document.querySelector('.pixels');
return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)
"""
MESSAGES = """
const cells = (s) => [...document.querySelectorAll(`[data-unit-view] ${s}`)];
const message = (row) => [row.querySelector('bdi').textContent, +row.querySelector('.message').dataset.value];
return [cells('tbody tr').map(message), cells('tfoot td[data-value]').map((cell) => +cell.dataset.value)];
"""
MARKED = """
const c = document.querySelector('.marks');
const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
return d.reduce((sum, v, k) => sum + (k % 4 === 3 && v > 0), 0);
"""
CLICK = "document.querySelector(`{}`).dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
CHANGE = "const s = document.getElementById('{}'); s.value = {}; s.dispatchEvent(new Event('{}', {{bubbles: true}}))"
FIGURES = "return [...document.querySelectorAll('.map')].filter(m => m.offsetParent).length"


def draw(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(sum(shape)).normal(size=shape)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.chromium(tmp_path_factory.mktemp("profile")) as opened:
        opened.resize(1280, 900)
        yield opened


class Made:
    """The explanations that the tests look at, and their pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        layers = [Conv(draw(4, 2, 3, 3), draw(4)), ReLU(), MaxPool(2), Flatten(), Dense(draw(64, 3), draw(3))]
        net = Network.sequential(layers)
        x = draw(1, 2, 10, 10)
        self.image = lrp.explain(net, x, composite="epsilon")
        self.plus = lrp.explain(net, x, composite="epsilon_plus")
        self.vector = lrp.explain(Network.sequential([Dense(draw(5, 4)), ReLU(), Dense(draw(4, 2))]), draw(1, 5))
        self.series = lrp.explain(
            Network.sequential([Conv(draw(3, 2, 3)), Flatten(), Dense(draw(36, 2))]), draw(1, 2, 14)
        )
        text = Network.sequential([Embedding(draw(5, 3)), Mean((1,), keepdims=False), Dense(draw(3, 2))])
        self.text = lrp.explain(text, np.array([[1, 2, 4]]))
        self.texts = lrp.explain(text, np.array([[1, 2, 4]]), composite="epsilon", epsilon=0.5)
        spelled = [Words(("not", "<b>", "good"), e.relevance[0]) for e in (self.text, self.texts)]
        pair = [Shown(e, e.rules, words=w) for e, w in zip((self.text, self.texts), spelled, strict=True)]
        inspecting.write(folder / "texts.html", inspecting.assembled(pair, title="two", compare=True))
        named = [(HOSTILE, Dense(abs(draw(4, 3)))), ("x" * 10_000, ReLU()), ("#node=1&a", Dense(draw(3, 2)))]
        self.hostile = lrp.explain(Network.sequential(named, input_name=f"<b>{HOSTILE}"), abs(draw(1, 4)))
        grey = np.random.default_rng(5).integers(0, 255, size=(6, 9), dtype=np.uint8)
        photo = Network.sequential([Conv(draw(2, 1, 3, 3)), Flatten(), Dense(draw(56, 2))])
        self.photo = lrp.explain(photo, (grey[None, None] / 4 - 3).astype(float))
        self.write("photo", self.photo, image=grey)
        self.write("image", self.image)
        self.write("pair", self.image, against=self.plus)
        self.write("vector", self.vector, features=["a", "b", "c", "d", "e"])
        self.write("series", self.series)
        self.write("text", self.text, words=Words(("not", "<b>", "good"), self.text.relevance[0]))
        self.write("hostile", self.hostile, classes=[HOSTILE, "c" * 10_000], title=HOSTILE, features=[HOSTILE] * 4)

    def write(self, name: str, e: lrp.Explanation, **options: Any) -> None:
        inspecting.write(self.folder / f"{name}.html", inspecting.page(e, **options))

    def url(self, name: str, fragment: str = "") -> str:
        return (self.folder / f"{name}.html").as_uri() + (f"#{fragment}" if fragment else "")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("pages"))


def show(page: browser.Page, url: str) -> None:
    page.open("about:blank")  # an address that differs by its fragment alone would not be loaded anew
    page.open(url)
    assert page.wait(READY, bool) == "yes"


READ = """
const stage = [...document.querySelectorAll(".stage")].find((s) => s.offsetParent);
const box = stage.getBoundingClientRect();
return PLACES.map(([y, x]) => {
  const [clientX, clientY] = [box.left + (x + .5) * box.width / WIDE, box.top + (y + .5) * box.height / HIGH];
  stage.dispatchEvent(new MouseEvent("mousemove", {clientX, clientY, bubbles: true}));
  return {...document.querySelector(".readout").dataset};
});
"""


def read(page: browser.Page, places: list[list[int]], high: int, wide: int) -> list[dict[str, str]]:
    """Return what the read-out holds for each place (y, x) of the map that is shown."""
    code = READ.replace("PLACES", json.dumps(places)).replace("WIDE", str(wide)).replace("HIGH", str(high))
    found: list[dict[str, str]] = page.run(code)
    return found


STATES = {
    "image": ["node=conv1&channel=0&marks=1&wrong=1", "node=dense1&unit=0&palette=purple-orange"],
    "pair": ["node=maxpool1"],
    "vector": [""],
    "series": [""],
    "texts": [""],
    "hostile": ["node=%401"],
}  # fmt: skip


@pytest.mark.parametrize("name", STATES)
def test_every_page_is_quiet_asks_for_nothing_and_is_accessible(page: browser.Page, made: Made, name: str) -> None:
    target = int(np.asarray(made.image.target)[0, 0])
    page.requests()
    page.said()
    for fragment in STATES[name]:
        show(page, made.url(name, fragment.replace("unit=0", f"unit={target}")))
        assert page.axe() == [], fragment
        assert page.said() == []
        assert page.requests() == []


def test_fifty_read_outs_are_the_relevance_and_the_input(page: browser.Page, made: Made) -> None:
    show(page, made.url("image"))
    places = np.random.default_rng(0).integers(0, 10, size=(50, 2)).tolist()
    relevance, x = made.image.relevance[0].sum(axis=0), made.image.trace.values["input"][0]
    for (y, x_), told in zip(places, read(page, places, 10, 10), strict=True):
        assert (int(told["y"]), int(told["x"])) == (y, x_)
        np.testing.assert_allclose(float(told["relevance"]), relevance[y, x_], rtol=1e-6)
        np.testing.assert_allclose([float(v) for v in told["input"].split()], x[:, y, x_], rtol=1e-6)


def test_the_read_outs_of_a_picture_are_the_numbers_behind_its_bytes(page: browser.Page, made: Made) -> None:
    show(page, made.url("photo"))
    places = [[y, x] for y in range(6) for x in (0, 4, 8)]
    x_ = made.photo.trace.values["input"][0, 0]
    for (y, x), told in zip(places, read(page, places, 6, 9), strict=True):
        np.testing.assert_allclose(float(told["relevance"]), made.photo.relevance[0, 0, y, x], rtol=1e-6)
        assert float(told["input"]) == x_[y, x]


def test_the_read_outs_of_a_layer_and_of_a_channel(page: browser.Page, made: Made) -> None:
    places = [[y, x] for y in range(0, 8, 3) for x in range(0, 8, 2)]
    relevance = made.image.trace.relevance["conv1"][0]
    for fragment, expected in (("node=conv1", relevance.sum(axis=0)), ("node=conv1&channel=2", relevance[2])):
        show(page, made.url("image", fragment))
        for (y, x), told in zip(places, read(page, places, 8, 8), strict=True):
            np.testing.assert_allclose(float(told["relevance"]), expected[y, x], rtol=1e-6, atol=1e-12)


def test_the_rows_of_the_ledger_are_python_s_and_the_waterfall_ends_at_what_arrived(
    page: browser.Page, made: Made
) -> None:
    show(page, made.url("image"))
    rows = page.run(LEDGER)
    for row, (node, numbers) in zip(made.image.ledger, rows, strict=True):
        columns = (row.relevance_out, row.relevance_in, row.bias, row.stabiliser, row.dropped, row.residual)
        assert node == row.node
        np.testing.assert_allclose(json.loads(numbers), [float(c[0]) for c in columns], rtol=1e-6, atol=1e-15)
    bars = page.run("return [...document.querySelectorAll('.waterfall rect')].map(r => +r.dataset.value)")
    np.testing.assert_allclose(bars[-1], made.image.arrived[0], rtol=1e-9)
    np.testing.assert_allclose(sum(bars[:-1]), made.image.arrived[0], rtol=1e-9)
    page.run(CLICK.format(".waterfall [data-node=dense1]"))
    assert "node=dense1" in page.run(HASH)


def test_messages_of_a_unit_add_up_to_its_relevance_and_are_those_of_the_layer(page: browser.Page, made: Made) -> None:
    e = made.image
    for node in ("conv1", "dense1"):
        planned = next(p for p in e.plan if p.node == node)
        reads = e.trace.values[e.trace.nodes[node].reads[0]]
        show(page, made.url("image", f"node={node}"))
        for place in page.run("return [...document.querySelectorAll('[data-unit]')].map(b => b.dataset.unit)")[:3]:
            page.click(f"[data-unit='{place}']")
            at = (0, *map(int, place.split(",")))
            alone = np.zeros_like(e.trace.relevance[node])
            alone[at] = e.trace.relevance[node][at]
            told = planned.layer.redistribute(reads, alone, planned.rule)
            shown = page.run(MESSAGES)
            flat = told.relevances[0]
            for name, message in shown[0]:
                spot = tuple(map(int, name.rpartition("[")[2].rstrip("]").split(",")))
                np.testing.assert_allclose(message, flat[(0, *spot)], rtol=1e-6)
            others = shown[1][:1] if len(shown[1]) == 6 else []
            total, bias, stabiliser, dropped, whole = shown[1][len(others) :]
            np.testing.assert_allclose(sum(m for _, m in shown[0]) + sum(others), total, rtol=1e-6)
            np.testing.assert_allclose(total + bias + stabiliser + dropped, whole, rtol=1e-6)
            np.testing.assert_allclose(whole, alone[at], rtol=1e-9)
            np.testing.assert_allclose(bias, told.bias[0], rtol=1e-9, atol=1e-15)
            assert page.run("return document.querySelector('[data-unit-view] .fraction') !== null")  # with its numbers


def test_an_address_shows_the_same_and_back_goes_back(page: browser.Page, made: Made) -> None:
    show(page, made.url("image", "node=conv1&channel=1&pixel=3,4&sign=plus&clip=95&marks=1&palette=purple-orange"))
    state = (
        "return [document.querySelector('.layer[aria-selected=true]').dataset.node,"
        "document.querySelector('[data-channel][aria-pressed=true]')?.dataset.channel,"
        "document.querySelector('.readout').dataset.y + ',' + document.querySelector('.readout').dataset.x,"
        "document.querySelector('[data-sign][aria-pressed=true]').dataset.sign,"
        "document.getElementById('clip').value, document.getElementById('marks').checked,"
        "document.getElementById('palette').value]"
    )
    assert page.run(state) == ["conv1", "1", "3,4", "plus", "95", True, "purple-orange"]
    page.click(".layer[data-node=dense1]")
    address = page.run(HASH)
    assert "node=dense1" in address
    page.run("history.back()")
    assert page.wait(state, lambda found: found[0] == "conv1")[:3] == ["conv1", "1", "3,4"]
    page.run("history.forward()")
    assert page.wait(state, lambda found: found[0] == "dense1")[0] == "dense1"
    assert page.run(HASH) == address
    assert page.run(NOTE) == ""


@pytest.mark.parametrize(
    "wrong",
    ["node=no%20such", "pixel=99,0", "channel=77", "unit=1,2", "view=4", "sign=red", "clip=NaN", "%E0%A4%A=1", "a&b"],
)
def test_a_wrong_address_is_ignored_with_a_note(page: browser.Page, made: Made, wrong: str) -> None:
    page.run(f"location.hash = {json.dumps(wrong)}") if page.run(READY) else show(page, made.url("image", wrong))
    note = page.wait(NOTE, bool)
    assert note.startswith("The address asks for ")
    assert note.endswith(" Ignored.")
    assert page.run("return document.querySelectorAll('.layer[aria-selected=true]').length") == 1
    assert page.said() == []


def test_everything_can_be_reached_by_keys(page: browser.Page, made: Made) -> None:
    show(page, made.url("image"))
    page.run("document.querySelector('.stage').focus()")
    page.press("Home", "Right", "Right", "Down")
    told = page.run("return {...document.querySelector('.readout').dataset}")
    assert (told["y"], told["x"]) == ("1", "2")
    page.press("End")
    assert page.run("return document.querySelector('.readout').dataset.y") == "9"
    page.press("]")
    assert page.run(HASH) == "#node=conv1"
    page.press("[")
    page.run("document.querySelector('.layer[tabindex=\"0\"]').focus()")
    page.press("Down", "Down", "Down")
    focused = "return document.activeElement.dataset.node"
    assert page.run(focused) == "maxpool1"
    page.press("?")
    assert page.run("return document.getElementById('help').open") is True
    page.press("Escape")
    show(page, made.url("image", "node=dense1"))
    target = int(np.asarray(made.image.target)[0, 0])
    page.run(f"document.querySelector('.bar-row[data-place=\"{target}\"]').focus()")
    page.press("Enter")
    assert page.run("return document.querySelector('[data-unit-view]').dataset.unitView") == str(target)
    reached, seen = "return [document.activeElement.tagName, document.activeElement.className]", []
    show(page, made.url("image", "node=conv1"))
    for _ in range(16):
        page.press("Tab")
        seen.append(page.run(reached))
    for wanted in (["DIV", "stage"], ["DIV", "layer"], ["INPUT", ""], ["SELECT", ""], ["BUTTON", "tile"]):
        assert wanted in seen


def test_0_is_neutral_and_colours_are_symmetric_and_monotone(page: browser.Page, made: Made) -> None:
    """The canvas read back: of each map cell the colour, in the order of its relevance."""
    show(page, made.url("image", "node=maxpool1"))
    pixels = page.run(PIXELS)
    colours = np.array(pixels).reshape(-1, 4)[:, :3]
    relevance = made.image.trace.relevance["maxpool1"][0].sum(axis=0).reshape(-1)
    limit = abs(relevance).max()
    expected = lrp.heatmap.colorize(relevance.reshape(1, -1), limit=float(limit))[0].astype(int)
    assert abs(colours - expected).max() <= 1
    warm = colours[:, 0] - colours[:, 2]
    assert (np.diff(warm[np.argsort(relevance)]) >= 0).all()
    assert (warm[relevance > 0.01 * limit] > 0).all()
    assert (warm[relevance < -0.01 * limit] < 0).all()
    show(page, made.url("image", "node=relu1&channel=0"))
    pixels = page.run(PIXELS)
    zero = made.image.trace.relevance["relu1"][0, 0].reshape(-1) == 0
    assert zero.any()
    assert (np.array(pixels).reshape(-1, 4)[zero] == 255).all()


def test_one_sign_alone_and_where_colours_end(page: browser.Page, made: Made) -> None:
    show(page, made.url("image", "sign=plus"))
    told = np.array(page.run(PIXELS)).reshape(-1, 4)
    negative = made.image.relevance[0].sum(axis=0).reshape(-1) < 0
    assert (told[negative] == 255).all()
    assert (told[~negative][:, 2] < 255).any()
    ends = "return [...document.querySelectorAll('.scale span')].slice(0, 3).map(s => s.textContent)"
    assert page.run(ends)[0].startswith("+")
    before = page.run(ends)
    page.run(CHANGE.format("clip", 80, "input"))
    after = page.run(ends)
    limit = np.percentile(abs(made.image.relevance[0].sum(axis=0)), 80)
    assert before != after
    np.testing.assert_allclose(float(after[0]), limit, rtol=1e-3)
    assert after[0][1:] == after[2][1:]
    assert "clip=80" in page.run(HASH)


def test_the_sign_does_not_depend_on_colour(page: browser.Page, made: Made) -> None:
    show(page, made.url("image"))
    seen = "return getComputedStyle(document.querySelector('.marks')).visibility"
    assert page.run(seen) == "hidden"
    page.command("Emulation.setEmulatedMedia", media="print")
    assert page.run(seen) == "visible"
    page.command("Emulation.setEmulatedMedia", media="")
    page.click("#marks")
    assert page.run(seen) == "visible"
    drawn = page.run(MARKED)
    assert drawn > 100
    texts = page.run(
        "return [...document.querySelectorAll('.tile .plus, .tile .minus, .layer-sum')].map(e => e.textContent)"
    )
    assert all(text[0] in "+−0" for text in texts)


def test_two_explanations_have_one_scale_one_cursor_and_their_difference(page: browser.Page, made: Made) -> None:
    show(page, made.url("pair"))
    assert page.run(FIGURES) == 3
    ends = page.run("return [...document.querySelectorAll('.scale div')].map(d => d.textContent)")
    assert len(set(ends)) == 1
    places = [[1, 2], [7, 7], [9, 0]]
    one, two = (e.relevance[0].sum(axis=0) for e in (made.image, made.plus))
    for (y, x), told in zip(places, read(page, places, 10, 10), strict=True):
        np.testing.assert_allclose(float(told["difference"]), one[y, x] - two[y, x], rtol=1e-5, atol=1e-6)
    cursors = page.run("return [...document.querySelectorAll('.cursor')].map(c => c.style.top + c.style.left)")
    assert cursors == ["90%0%"] * 3
    page.run(CHANGE.format("against", -1, "change"))
    assert page.run(FIGURES) == 1


def test_bars_words_and_lines(page: browser.Page, made: Made) -> None:
    show(page, made.url("vector"))
    told = page.run("return [...document.querySelectorAll('.bar-row')].map(r => r.textContent)")
    assert [text[0] for text in told] == list("abcde")
    page.click(".bar-row[data-place='2']")
    shown = float(page.run(RELEVANCE))
    np.testing.assert_allclose(shown, made.vector.relevance[0, 2], rtol=1e-6)
    show(page, made.url("text"))
    assert page.run("return [...document.querySelectorAll('.word bdi')].map(w => w.textContent)") == [
        "not",
        "<b>",
        "good",
    ]
    page.run("document.querySelector('.word').focus()")
    page.press("Right")
    np.testing.assert_allclose(
        float(page.run(RELEVANCE)),
        made.text.relevance[0, 1],
        rtol=1e-6,
    )
    show(page, made.url("texts"))
    assert page.run("return document.querySelectorAll('.words').length") == 3
    page.click(".words:last-of-type .word:last-of-type")
    told = page.run("return document.querySelector('.readout').dataset.difference")
    np.testing.assert_allclose(
        float(told), made.text.relevance[0, 2] - made.texts.relevance[0, 2], rtol=1e-6, atol=1e-9
    )
    show(page, made.url("series"))
    assert page.run("return document.querySelectorAll('.lines .line').length") == 2
    for (y, x), told in zip([[0, 3], [1, 13]], read(page, [[0, 3], [1, 13]], 2, 14), strict=True):
        np.testing.assert_allclose(float(told["relevance"]), made.series.relevance[0, y, x], rtol=1e-6)
        np.testing.assert_allclose(float(told["input"]), made.series.trace.values["input"][0, y, x], rtol=1e-6)


def test_hostile_names_are_texts(page: browser.Page, made: Made) -> None:
    show(page, made.url("hostile"))
    assert page.run("return document.images.length + document.querySelectorAll('main b').length") == 0
    assert page.run("return document.querySelector('h1').textContent") == HOSTILE.replace(
        "\x00", ""
    )  # HTML has no such letter
    page.click(".layer:nth-child(3)")
    assert page.run(HASH) == "#node=%402"
    page.click(".layer:nth-child(2)")
    address = page.run(HASH)
    show(page, made.url("hostile", address.removeprefix("#")))
    assert page.run("return [...document.querySelectorAll('.layer')].findIndex(l => l.ariaSelected === 'true')") == 1
    assert page.run(NOTE) == ""
    assert page.said() == []
