"""The live page in a browser: drawn on with the mouse, driven by keys, and its numbers compared with float64."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("onnx")

import lrp_ref as lrp
from lrp_ref.pages import drawn, live

SETS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "strokes.json").read_text(encoding="utf-8"))
CLOSE = 1e-5  # of the largest relevance: float32 in WebAssembly against float64
MOST = 5_500_000  # bytes
LIST = "const list = (a) => Array.from(a);"
NET = live.read(Path(lrp.__file__).parent / "data" / "digits_cnn.npz")[0]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = browser.node_modules() / "onnxruntime-web" / "dist"
    if not folder.is_dir():
        pytest.skip("onnxruntime-web is not installed (npm ci --prefix docs)")
    return live.write(tmp_path_factory.mktemp("live") / "live.html", runtime=folder)


@pytest.fixture(scope="module")
def driven(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.chromium(tmp_path_factory.mktemp("profile")) as page:
        page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
        page.resize(1280, 1000)
        yield page


@pytest.fixture(scope="module")
def opened(driven: browser.Page, file: Path) -> browser.Page:
    driven.open(file.as_uri())
    ready(driven)
    return driven


@pytest.fixture
def page(opened: browser.Page) -> browser.Page:
    """The page as it was when it was opened: opening it takes a second."""
    opened.run(
        "live.guide.close(); document.activeElement.blur(); document.querySelector('#table').open = false;"
        "live.draw.set(live.first); scrollTo(0, 0);"
        "live.set({kind: 'logit', against: 9, chosen: 3, sign: 'both', epsilon: 1e-6, gamma: 0.25});"
    )
    settled(opened)
    opened.run("return live.request()")
    return opened


@pytest.fixture(autouse=True)
def nothing_is_said(driven: browser.Page) -> Iterator[None]:
    yield
    assert driven.said() == []


def ready(page: browser.Page) -> None:
    assert page.wait("return document.documentElement.dataset.ready && globalThis.live?.idle()", bool), page.said()


def settled(page: browser.Page) -> None:
    """Wait until what was asked is shown."""
    assert page.wait("return live.idle()", bool)


def text(page: browser.Page, selector: str) -> str:
    found = page.run(f"return document.querySelector({json.dumps(selector)}).textContent")
    assert isinstance(found, str)
    return found


def explained(
    image: NDArray[Any], start: Any = "one_hot", dtype: str = "float64", **parameters: Any
) -> lrp.Explanation:
    batch = np.repeat(image.reshape(1, 1, 28, 28).astype(dtype), 10, axis=0)
    return lrp.explain(
        NET, batch, target=np.arange(10), composite=live.COMPOSITE, start=start, trace=True, **parameters
    )


def test_the_page_is_one_file_that_asks_for_nothing(driven: browser.Page, file: Path) -> None:
    assert file.stat().st_size <= MOST
    driven.said()
    driven.requests()
    driven.open(file.as_uri())
    ready(driven)
    assert driven.requests() == []
    assert driven.said() == []
    assert "MIT License" in text(driven, "#about")
    first, then = driven.run("const d = document.documentElement.dataset; return [d.first, d.ready].map(Number)")
    print(f"\nfirst view after {first} ms, ready after {then} ms, {file.stat().st_size:,} bytes")
    assert first < then  # numbers stand on the page before the network is there


def test_the_first_view_is_what_the_network_then_says(page: browser.Page) -> None:
    three = drawn.picture([drawn.smooth(line) for line in drawn.SAMPLES["3"]])
    e = explained(three, start="logit")
    shown = np.array(page.run(f"{LIST} return live.shown.maps.map(list)"))
    assert abs(shown - e.relevance.reshape(10, -1)).max() <= CLOSE * abs(e.relevance).max()
    values = page.run("return [...document.querySelectorAll('#cards .n')].map((n) => n.textContent)")
    assert [float(v.replace("−", "-")) for v in values] == pytest.approx(e.output[0].tolist(), abs=0.006)


@pytest.mark.parametrize(("epsilon", "gamma"), [(1e-6, 0.25), (1e-6, 0.0), (2.0, 1.5)])
def test_webassembly_says_what_float64_says(page: browser.Page, epsilon: float, gamma: float) -> None:
    worst = 0.0
    for k in (0, 5, 11, 20, 27, 34):
        image = drawn.picture(SETS[k]["lines"])
        asked = json.dumps({"image": image.reshape(-1).tolist(), "epsilon": epsilon, "gamma": gamma})
        found = page.run(
            f"{LIST} const asked = {asked}; asked.image = Float32Array.from(asked.image);"
            "return live.run(asked).then((r) => ['output', 'relevance', 'ledger'].map((n) => list(r[n])))"
        )
        output, relevance, ledger = (np.array(part) for part in found)
        e = explained(image, epsilon=epsilon, gamma=gamma)
        scale = abs(e.relevance).max(axis=(1, 2, 3))
        off = abs(relevance.reshape(10, -1) - e.relevance.reshape(10, -1)).max(axis=1) / scale
        worst = max(worst, float(off.max()))
        single = explained(image, epsilon=epsilon, gamma=gamma, dtype="float32")  # γ = 0 amplifies rounding
        core = (abs(single.relevance.astype(float) - e.relevance).max(axis=(1, 2, 3)) / scale).max()
        allowed = max(CLOSE, 2 * float(core))
        assert off.max() <= allowed
        assert abs(output - e.output[0]).max() <= CLOSE * abs(e.output).max()
        rows = np.stack([np.stack([getattr(r, c) for c in live.COLUMNS], axis=-1) for r in e.ledger], axis=1)
        assert abs(ledger.reshape(rows.shape) - rows).max() <= 2 * allowed * abs(rows).max()
    print(f"\nε = {epsilon}, γ = {gamma}: {worst:.1e} of the largest relevance")
    assert worst <= CLOSE or gamma == 0


def draw(page: browser.Page, lines: list[list[tuple[float, float]]]) -> None:
    page.run("live.draw.set([]); document.querySelector('#pad').scrollIntoView({block: 'center'})")
    x, y, size = page.run(
        "const b = document.querySelector('#pad').getBoundingClientRect(); return [b.x, b.y, b.width]"
    )
    for line in lines:
        points = [*line[::6], line[-1]]
        page.stroke([(x + a * size, y + b * size) for a, b in points])
    settled(page)


def test_the_stored_drawings_are_read_when_they_are_drawn_with_the_mouse(page: browser.Page) -> None:
    right, times = [], []
    for one in SETS[:20] + SETS[20::4]:  # the others are read in Python
        page.run("live.times.length = 0")
        draw(page, one["lines"])
        said = page.run("return live.shown.output.indexOf(Math.max(...live.shown.output))")
        right.append((one["digit"], said == one["digit"]))
        times += page.run("return live.times")
    assert sum(ok for digit, ok in right if digit == 3) >= 19
    assert sum(ok for digit, ok in right if digit != 3) >= 4
    print(f"\n{len(times)} updates while drawing: median {np.median(times):.1f} ms for ten classes")
    assert len(times) > 3 * len(right)  # it explains during a stroke, not only after it


def test_a_frame_that_is_late_is_dropped_and_the_last_one_shown(page: browser.Page) -> None:
    before, after, last = page.run(
        "const before = live.shown.frame; const lines = live.draw.lines();"
        "for (let k = 0; k < 50; k++) live.draw.set([...lines, [[0.3 + k / 100, 0.9]]]);"
        "const image = live.state.image;"
        "const after = () => [before, live.shown.frame, live.state.image === image];"
        "return new Promise((done) => setTimeout(() => done(after()), 600))"
    )
    assert last
    assert 1 <= after - before <= 5
    e = explained(np.array(page.run(f"{LIST} return list(live.state.image)")))
    assert page.run(f"{LIST} return list(live.shown.output)") == pytest.approx(e.output[0].tolist(), abs=1e-3)


# Starts, sliders, the account ----------------------------------------------------------------------------------------


def choose(page: browser.Page, selector: str, value: str) -> None:
    page.run(
        f"const one = document.querySelector('{selector}'); one.value = '{value}';"
        "one.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    settled(page)


def test_three_against_nine_is_the_explanation_of_the_difference(page: browser.Page) -> None:
    page.click("#three-nine")
    image = np.array(page.run(f"{LIST} return list(live.state.image)"))
    e = lrp.explain(NET, image.reshape(1, 1, 28, 28), target=3, composite=live.COMPOSITE, start="difference", against=9)
    shown = np.array(page.run(f"{LIST} return list(live.shown.maps[3])"))
    assert abs(shown - e.relevance.reshape(-1)).max() <= CLOSE * abs(e.relevance).max()
    assert text(page, "#map-title") == "Class 3 against 9"
    assert not any(page.run(f"{LIST} return list(live.shown.maps[9])"))  # 9 against itself


def test_the_account_closes_for_every_class_start_and_slider(page: browser.Page) -> None:
    largest = max(map(abs, page.run(f"{LIST} return list(live.shown.output)")))
    for kind in ("logit", "probability", "contrastive", "log_odds", "difference"):
        choose(page, "#kind", kind)
        for gamma, epsilon in ((0, -6), (2, 1)):
            choose(page, "#gamma", str(gamma))
            choose(page, "#epsilon", str(epsilon))
            state = page.run("return [live.state.gamma, live.state.epsilon]")
            assert state == pytest.approx([gamma, 10.0**epsilon])
            for account in page.run("return live.shown.accounts"):
                parts = [account[n] for n in ("arrived", "bias", "stabiliser", "dropped", "rounding")]
                assert account["from"] == pytest.approx(sum(parts), abs=1e-9)
                assert abs(account["rounding"]) <= CLOSE * largest


def test_a_large_epsilon_stays_in_the_stabiliser(page: browser.Page) -> None:
    choose(page, "#epsilon", "1")
    account = page.run("return live.shown.accounts[3]")
    assert account["stabiliser"] == pytest.approx(account["from"] * 10 / (account["from"] + 10), rel=2e-3)


# Through the network to one unit -------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", ["conv1", "pool1", "conv2", "pool2", "conv3", "dense4"])
def test_the_messages_of_units_are_those_of_the_layer(page: browser.Page, node: str) -> None:
    page.run(f"live.set({{chosen: 5, gamma: 0.5, epsilon: 0.1}}); live.layers.choose('{node}')")
    settled(page)
    page.run("return live.request()")
    units = page.run(f"{LIST} const r = live.layers.now().layers['{node}'].relevance;"
                     "return list(r.keys()).sort((a, b) => Math.abs(r[b]) - Math.abs(r[a]))")  # fmt: skip
    image = np.array(page.run(f"{LIST} return list(live.state.image)"))
    e = lrp.explain(
        NET, image.reshape(1, 1, 28, 28), target=5, composite=live.COMPOSITE, gamma=0.5, epsilon=0.1, trace=True
    )
    planned = next(p for p in e.plan if p.node == node)
    source = e.trace.nodes[node].reads[0]
    x, arrived = e.trace.values[source], e.trace.relevance[node]
    for unit in [units[0], units[len(units) // 40], 0]:
        told = page.run(f"{LIST} const t = live.layers.handed('{node}', {unit}, live.state);"
                        "return {...t, at: list(t.index), messages: list(t.messages)}")  # fmt: skip
        alone = np.zeros_like(arrived)
        alone.reshape(-1)[unit] = arrived.reshape(-1)[unit]
        handed = planned.layer.redistribute(x, alone, planned.rule)
        wanted = handed.relevances[0].reshape(-1)
        got = np.zeros(wanted.size)
        got[told["at"]] = told["messages"]
        scale = max(abs(wanted).max(), abs(arrived).max())
        assert abs(got - wanted).max() <= CLOSE * scale
        for column in ("bias", "stabiliser", "dropped"):
            assert told[column] == pytest.approx(float(getattr(handed, column)[0]), abs=CLOSE * scale)


def test_the_strip_has_the_sums_of_the_ledger_and_opens_units(page: browser.Page) -> None:
    three = drawn.picture([drawn.smooth(line) for line in drawn.SAMPLES["3"]])
    e = lrp.explain(NET, three[None, None].astype(float), target=3, composite=live.COMPOSITE, trace=True)
    shown = page.run(
        "const said = (node) => [1, 2].map((k) => node.children[k].textContent);"
        "return [...document.querySelectorAll('#strip > *')].map(said)"
    )
    names = ["image", *(n.name for n in NET.nodes)]
    assert [name for name, _ in shown] == names
    for name, told in shown:
        arrived = float(e.trace.relevance[NET.inputs[0].name if name == "image" else name].sum())
        assert float(told.replace("Σ ", "").replace("−", "-").replace("+", "")) == pytest.approx(arrived, abs=1e-3)
    page.run("document.querySelectorAll('#strip button')[1].click()")
    assert text(page, "#unit h3").startswith("pool1[")
    page.run("document.querySelector('#map').focus()")
    page.press("Up", "Enter")
    assert text(page, "#unit h3").startswith("conv1[")
    assert text(page, "#readout").startswith("Row 13, column 14: R = ")


# Keys, eyes, words ---------------------------------------------------------------------------------------------------


def test_everything_works_with_keys_alone(page: browser.Page) -> None:
    page.run("live.draw.set([]); document.querySelector('#pad').focus()")
    page.press("Space", "Down", "Down", "Down", "Down", "Down", "Down", "Space", "Up", "Right")
    settled(page)
    lines = page.run("return live.draw.lines()")
    assert [len(line) for line in lines] == [7]
    assert lines[0][0] == [0.5, 0.5]
    assert lines[0][-1] == pytest.approx([0.5, 0.68])
    page.press("Tab", "Enter")  # undo
    assert page.run("return live.draw.lines()") == []
    page.press("Tab", "Tab", "Tab", "Tab", "Enter")
    assert page.run("return document.activeElement.textContent") == "2"
    settled(page)
    assert page.run("return live.shown.output.indexOf(Math.max(...live.shown.output))") == 2
    reached = set()
    for _ in range(80):
        page.press("Tab")
        reached.add(page.run("const a = document.activeElement; return a.id || a.textContent.slice(0, 30)"))
    assert {"map", "kind", "three-nine", "gamma", "epsilon", "reset", "position"} <= reached
    assert {f"Class {k} score " for k in range(10)} <= {name[: len("Class 0 score ")] for name in reached}


def test_the_tour_runs_with_keys_and_its_answers_are_right(page: browser.Page) -> None:
    page.run("document.querySelector('#start-tour').focus()")
    page.press("Enter")
    titles, asked = [], {}
    while not page.run("return document.querySelector('#tour').hidden"):
        settled(page)
        titles.append(text(page, "#tour h2"))
        assert page.run("return document.activeElement.id") == "tour"
        assert page.run("return document.querySelectorAll('.pointed').length") == 1
        if page.run("return document.querySelectorAll('#tour .question').length"):
            page.press("Tab", "Enter")  # the first answer
            settled(page)
            asked[titles[-1]] = (
                text(page, "#tour .verdict"),
                page.run("return [live.state.chosen, live.shown.output, live.shown.accounts[3]]"),
            )
            page.run("document.querySelector('#tour').focus()")
        page.press("Right")
    assert len(titles) == len(set(titles)) == 10
    assert page.run("return document.activeElement.id") == "start-tour"
    verdicts = [said for said, _ in asked.values()]
    assert [said.startswith("Yes. ") for said in verdicts] == [True, False, False]
    blue, line, large = (found for _, found in asked.values())
    assert blue[0] == 9
    assert int(np.argmax(line[1])) == 9
    assert large[2]["arrived"] == pytest.approx(13, abs=0.3)
    assert large[2]["from"] == pytest.approx(20.4, abs=0.1)


def test_what_the_tour_says_of_the_map_of_nine_is_so() -> None:
    three = drawn.picture([drawn.smooth(line) for line in drawn.SAMPLES["3"]])
    e = explained(three, start="logit")
    against = -np.minimum(e.relevance[9, 0], 0).reshape(2, 14, 2, 14).sum(axis=(1, 3))
    assert e.output[0, 9] < 0
    assert against[0, 0] > 2 * max(against[0, 1], against[1, 0], against[1, 1])
    assert e.arrived[3] == pytest.approx(19.5, abs=0.1)


def test_escape_leaves_the_tour_and_back_goes_back(page: browser.Page) -> None:
    page.click("#start-tour")
    page.press("Right", "Right", "Left")
    assert text(page, "#tour [data-part='count']") == "Step 2 of 10"
    page.press("Escape")
    assert page.run("return document.querySelector('#tour').hidden && !document.querySelector('.pointed')")


def test_axe_finds_nothing_in_any_state(page: browser.Page) -> None:
    assert page.axe() == []
    page.click("#three-nine")
    page.click("#start-tour")
    for _ in range(3):
        page.press("Right")
    page.run("document.querySelector('#tour [data-part=questions] button').click()")
    page.run("document.querySelector('#table').open = true")
    assert page.axe() == []
    page.command(
        "Emulation.setEmulatedMedia",
        features=[
            {"name": "prefers-color-scheme", "value": "dark"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ],
    )
    assert page.axe() == []
    page.command(
        "Emulation.setEmulatedMedia",
        features=[
            {"name": "prefers-color-scheme", "value": "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ],
    )


def test_nothing_is_cut_off_at_twice_the_size(page: browser.Page) -> None:
    page.resize(640, 500)
    wide = page.run("return [document.documentElement.scrollWidth, innerWidth]")
    page.resize(1280, 1000)
    assert wide[0] <= wide[1]


def test_the_sign_is_coded_twice(page: browser.Page) -> None:
    """Pixels of the large map: the sign's colour and, where it is strong, a bar or a cross in another one."""
    page.run("live.set({chosen: 9})")
    values = np.array(page.run(f"{LIST} return list(live.shown.maps[9])")).reshape(28, 28)
    limit = page.run("return live.shown.limit")
    read = "document.querySelector('#map').getContext('2d').getImageData(0, 0, 420, 420).data"
    pixels = np.array(page.run(f"{LIST} return list({read})")).reshape(28, 15, 28, 15, 4)
    inked = drawn.picture([drawn.smooth(line) for line in drawn.SAMPLES["3"]])
    for sign, marks in ((1, "cross"), (-1, "bar")):
        spots = [
            (r, c) for r, c in np.argwhere(sign * values > 0.2 * limit) if not inked[r - 1 : r + 2, c - 1 : c + 2].any()
        ]
        spots = spots or [tuple(np.argwhere(sign * values > 0.2 * limit)[0])]
        row, column = spots[0]
        cell = pixels[row, :, column, :, :3]
        red, blue = cell[2, 2, 0], cell[2, 2, 2]
        assert (red > blue) == (sign > 0)
        upright = abs(cell[4, 7] - cell[2, 2]).sum() > 0  # the upright stroke of a cross
        level = abs(cell[7, 4] - cell[2, 2]).sum() > 0
        assert level, marks
        assert upright == (sign > 0), marks
    smaller = page.run(
        "return [...document.querySelectorAll('canvas')].filter((c) => c.clientWidth && c.clientWidth < c.width"
        " && getComputedStyle(c).imageRendering === 'pixelated').map((c) => c.id)"
    )
    assert smaller == ["seen"]  # whole lines of pixels would be left out, and with them the marks


def test_a_sentence_says_what_is_seen_once_it_stays(page: browser.Page) -> None:
    asked = "return document.querySelector('#says').textContent"
    said = page.wait(asked, lambda t: "Class 3:" in t, 5)
    assert said.startswith("The network says 3 (100.0 %). Class 3: +19.49 arrives at the pixels; ")
    page.run("live.draw.set([])")
    assert "empty" in page.wait(asked, lambda t: "empty" in t, 5)
    rows = page.run("return document.querySelectorAll('#table tr').length")
    assert rows == 11


def test_a_network_that_does_not_start_is_said(driven: browser.Page, file: Path, tmp_path: Path) -> None:
    whole = file.read_text()
    start = whole.index('id="block-graph">') + len('id="block-graph">')
    other = tmp_path / "broken.html"
    junk = base64.b64encode(gzip.compress(b"no graph")).decode()
    other.write_text(whole[:start] + junk + whole[whole.index("</script>", start) :])
    driven.open(other.as_uri())
    told = driven.wait("return document.querySelector('#state').textContent", lambda t: "did not start" in t, 20)
    assert told.startswith("The network did not start: ")
    assert (
        driven.run("return document.querySelectorAll('#cards .n')[3].textContent") == "+20.44"
    )  # the first view stays
    driven.said()
