"""The interactive neuron in a browser: its numbers against the textbook's, its keys, its question, and its manners."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.pages import Prediction, neuron
from lrp_ref.pages.assembling import framed

CLOSE = 1e-6
RULES = {
    "LRP0": lambda p: lrp.rules.LRP0(),
    "Epsilon": lambda p: lrp.rules.Epsilon(p["epsilon"]),
    "Gamma": lambda p: lrp.rules.Gamma(p["gamma"]),
    "GeneralizedGamma": lambda p: lrp.rules.GeneralizedGamma(p["gamma"]),
    "AlphaBeta": lambda p: lrp.rules.AlphaBeta(p["alpha"], p["alpha"] - 1),
    "ZPlus": lambda p: lrp.rules.ZPlus(),
    "WSquare": lambda p: lrp.rules.WSquare(),
    "Flat": lambda p: lrp.rules.Flat(),
    "ZBox": lambda p: lrp.rules.ZBox(p["low"], p["high"]),
}
PARAMETERS = {
    "Epsilon": {"epsilon": (0, 2)}, "Gamma": {"gamma": (0, 4)}, "GeneralizedGamma": {"gamma": (0, 4)},
    "AlphaBeta": {"alpha": (1, 4)}, "ZBox": {"low": (-4, -2), "high": (2, 4)},
}  # fmt: skip
READ = """
const numbers = (css) => [...document.querySelectorAll(css)].map((one) => Number(one.dataset.value));
return {
  edges: numbers(".graph .label text"), received: numbers(".graph .in .value"),
  kept: numbers(".graph .sink .value"), arrived: numbers(".graph .out .value"),
  rows: numbers(".messages tbody .message"), sums: numbers(".messages tfoot [data-value]"),
  ledger: numbers(".ledger .value"), sentence: document.querySelector(".sentence").textContent,
  result: document.querySelector(".formula .line:last-child .factor")?.firstChild.textContent ?? "",
};"""
SET = """
const set = (id, value, kind) => {
  const input = document.getElementById(id);
  input.value = value;
  input.dispatchEvent(new Event(kind ?? "input", { bubbles: true }));
  return Number(input.value);
};
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(page: browser.Page, path: Path, text: str, css: str = ".graph") -> None:
    """Open a page, forget what was said before, and wait until it shows something."""
    path.write_text(text, encoding="utf-8")
    page.open("about:blank")
    page.said(), page.requests()
    page.open(path.as_uri())
    assert page.wait(f"return document.querySelector({json.dumps(css)}) !== null", bool, 20)


def settle(page: browser.Page, values: dict[str, float], rule: str, policy: str) -> None:
    """Choose a rule and write numbers into the inputs of these ids; those that end in -slider are dragged."""
    lines = "".join(f"set({json.dumps(k)}, {v!r});" for k, v in values.items())
    page.run(f"{SET} set('rule', '{rule}', 'change'); set('policy', '{policy}', 'change'); {lines}")


def expected(a: Any, w: Any, b: Any, r: Any, rule: Any) -> Any:
    return lrp.messages(lrp.layers.Dense(w, b), a[None], r[None], rule)


def compare(found: dict[str, Any], table: Any, j: int) -> None:
    """See that the picture, the table and the ledger have a table's numbers; unit j is shown."""
    rest = np.stack([table.bias, table.stabiliser, table.dropped])
    close = {"rtol": CLOSE, "atol": CLOSE * max(1, abs(table.messages).max())}
    np.testing.assert_allclose(found["edges"], np.concatenate([table.messages, rest]).reshape(-1), **close)
    np.testing.assert_allclose(found["received"], table.relevance, **close)
    np.testing.assert_allclose(found["kept"], rest.sum(axis=1), **close)
    np.testing.assert_allclose(found["arrived"], table.relevance_out, **close)
    np.testing.assert_allclose(found["rows"], table.messages[:, j], **close)
    column = [table.messages[:, j].sum(), *rest[:, j], table.relevance_out[j]]
    np.testing.assert_allclose(found["sums"], column, **close)
    np.testing.assert_allclose(found["ledger"], [column[-1], *column[:-1]], **close)
    assert sum(found["rows"]) + sum(found["ledger"][2:]) == pytest.approx(found["ledger"][0], abs=close["atol"])


def test_random_settings_have_the_numbers_of_the_textbook(page: browser.Page, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    compared = 0
    for inputs, outputs in ((2, 1), (4, 2), (6, 3)):
        made = neuron(rng.normal(size=inputs), rng.normal(size=(inputs, outputs)), rng.normal(size=outputs))
        show(page, tmp_path / "neuron.html", made.page())
        compare(page.run(READ), made.table, 0)
        for rule, policy in itertools.product(RULES, ("absorb", "ignore", "spread")):
            a, w = rng.normal(size=inputs) * 2, rng.normal(size=(inputs, outputs))
            b, r = rng.normal(size=outputs), rng.normal(size=outputs)
            a[rng.integers(inputs)] = 0
            values = {f"a-{i}": x for i, x in enumerate(a)} | {f"b-{j}": x for j, x in enumerate(b)}
            values |= {f"w-{i}-{j}": w[i, j] for i in range(inputs) for j in range(outputs)}
            values |= {f"r-{j}": x for j, x in enumerate(r)}
            chosen = {k: rng.uniform(*span) for k, span in PARAMETERS.get(rule, {}).items()}
            values |= {f"{rule}-{k}": x for k, x in chosen.items()}
            settle(page, {k: float(v) for k, v in values.items()}, rule, policy)
            table = expected(a, w, b, r, RULES[rule](chosen).with_bias(policy))
            compare(page.run(READ), table, 0)
            compared += 1
    assert compared == 81
    assert page.said() == []
    assert page.requests() == []


def test_sliders_keys_and_reset(page: browser.Page, tmp_path: Path) -> None:
    made = neuron([1, 2], [1, -0.25], 0.5, relevance=1, rule=lrp.rules.Gamma(0.25))
    show(page, tmp_path / "neuron.html", made.page())
    focused = "return document.activeElement.id"
    for _ in range(30):  # Tab alone reaches the slider of the first input
        if page.run(focused) == "a-0-slider":
            break
        page.press("Tab")
    assert page.run(focused) == "a-0-slider"
    page.press("Right", "Right", "Up", "Up")
    assert page.run(focused) == "a-0-slider", "what has the focus keeps it"
    assert page.run("return Number(document.getElementById('a-0').value)") == pytest.approx(1.2)
    layer = np.array([[1.0], [-0.25]]), np.array([0.5])
    compare(page.run(READ), expected(np.array([1.2, 2.0]), *layer, np.array([1.0]), lrp.rules.Gamma(0.25)), 0)
    page.run("document.getElementById('w-1-0').select()")
    page.press("-", "1", ".", "5")
    assert page.run(focused) == "w-1-0"
    compare(
        page.run(READ),
        expected(np.array([1.2, 2.0]), np.array([[1.0], [-1.5]]), layer[1], np.array([1.0]), made.rule),
        0,
    )
    page.run("document.getElementById('rule').focus()")
    page.press("Down")
    assert page.run("return document.getElementById('rule').value") == "GeneralizedGamma"
    page.run("document.getElementById('reset').focus()")
    page.press("Enter")
    compare(page.run(READ), made.table, 0)


def test_what_is_no_number_is_not_taken(page: browser.Page, tmp_path: Path) -> None:
    made = neuron([1, 2], [1, -0.25], 0.5, relevance=1, rule=lrp.rules.Epsilon(0.25))
    show(page, tmp_path / "neuron.html", made.page())
    settle(page, {}, "Epsilon", "absorb")
    for key, value in (("Epsilon-epsilon", "-1"), ("a-0", "")):
        page.run(f"{SET} set({key!r}, {value!r})")
        assert page.run(f"return document.getElementById({key!r}).getAttribute('aria-invalid')") == "true"
        compare(page.run(READ), made.table, 0)
    page.run(f"{SET} set('a-0', '', 'change')")  # leaving the field writes what holds
    assert page.run("return document.getElementById('a-0').value") == "1"


def test_relevance_is_the_output_as_long_as_it_is_tied_to_it(page: browser.Page, tmp_path: Path) -> None:
    made = neuron([1, 2], [1, -0.25], 0.5)
    show(page, tmp_path / "neuron.html", made.page())
    page.run(f"{SET} set('a-0', 3)")
    assert page.run(READ)["arrived"] == [3]
    page.run("document.getElementById('tied').focus()")
    page.press("Space")
    page.run(f"{SET} set('a-0', 4)")
    assert page.run(READ)["arrived"] == [3]


def test_the_formula_has_the_numbers_and_links_what_belongs_together(page: browser.Page, tmp_path: Path) -> None:
    show(page, tmp_path / "n.html", neuron([1, 2], [1, -0.25], 0.5, relevance=1, rule=lrp.rules.Gamma(0.25)).page())
    read = """const seen = (one) => [...one.childNodes].filter((n) => n.className !== "hidden-text");
    const text = (one) => seen(one).map((n) => n.textContent);
    return [...document.querySelectorAll(".formula .line")]
      .map((line) => [...line.querySelectorAll(".factor")].map((one) => text(one).join("").trim()))"""
    symbols, numbers, result = page.run(read)
    assert symbols == ["a₁·(w₁ + 0.25·w₁⁺)", "Σi ai·(wij + 0.25·wij⁺) + (bj + 0.25·bj⁺)", "Rj"]
    assert numbers == ["1·1.25", "1.25", "− 0.5", "+ 0.625", "1"]
    assert result == ["+0.9091"]
    page.run("document.querySelector('.messages tbody tr:nth-child(2) button').focus()")
    page.press("Enter")
    assert page.run(read)[1:] == [["2·(−0.25)", "1.25", "− 0.5", "+ 0.625", "1"], ["−0.3636"]]
    assert page.run("return document.activeElement.textContent") == "a₂", "the button keeps the focus"
    page.press("Tab")  # into the formula, where the arrows go from factor to factor
    linked = """return [...document.querySelectorAll(".linked")].map((one) => one.dataset.link)"""
    assert page.run("return document.activeElement.className").startswith("factor")
    assert all("e-1-0" in one for one in page.run(linked))
    kinds = page.run("return [...document.querySelectorAll('.linked')].map((one) => one.tagName.toLowerCase())")
    assert {"button", "g", "tr", "td"} <= set(kinds), "factor, edge, row and the weight's field"
    page.press("End", "Left", "Left")
    assert "+ 0.625, the bias" in page.run("return document.activeElement.textContent")
    page.run("document.activeElement.blur()")
    assert page.run(linked) == []


def test_a_denominator_of_zero_is_dropped_and_said(page: browser.Page, tmp_path: Path) -> None:
    show(page, tmp_path / "n.html", neuron([1, 1], [1, -1], relevance=2, rule=lrp.rules.LRP0()).page())
    found = page.run(READ)
    assert found["kept"] == [0, 0, 2]
    assert "dropped" in page.run("return document.querySelector('.formula').textContent")
    assert found["sentence"] == "Of R = 2, 2 inputs get 0. Dropped is +2."


def test_a_question_comes_first(page: browser.Page, tmp_path: Path) -> None:
    made = neuron([1, 2], [1, -0.25], 0.5, relevance=1, rule=lrp.rules.Epsilon(0.25), predict=2)
    assert made.predict is not None
    assert made.predict.options[made.predict.answer] == "negative"
    show(page, tmp_path / "n.html", made.page())
    shown = "return document.getElementById('neuron').innerText"
    assert "0.4" not in page.run(shown)
    assert (
        page.run("return [...document.querySelectorAll('.graph .label text')].map((t) => t.textContent).join('')")
        == "?????"
    )
    page.press("Tab", "Enter")  # positive
    assert "No: negative." in page.run(shown)
    assert page.run("return document.activeElement.className") == "told"
    compare(page.run(READ), made.table, 0)
    assert page.axe() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760, 1100])
def test_it_can_be_read_by_everybody(page: browser.Page, tmp_path: Path, scheme: str, width: int) -> None:
    name = "<img src=x onerror=alert(1)>"
    made = neuron([1, -2, 0.5], [[1, -0.5], [0.25, 1], [-1, 0.75]], [0.5, -0.25], rule=lrp.rules.AlphaBeta(2, 1),
                  title=f"a {name} title", input_names=[name, "b", "c"], output_names=["<b>u</b>", "v"])  # fmt: skip
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.resize(width, 900)
    show(page, tmp_path / "n.html", made.page())
    assert page.axe() == []
    page.run("document.querySelector('.formula .factor').focus()")
    assert page.axe() == []
    assert page.run("return document.querySelectorAll('img, .neuron b').length") == 0
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert (page.said(), page.requests()) == ([], [])


def test_in_a_frame_it_is_as_high_as_what_it_shows(page: browser.Page, tmp_path: Path) -> None:
    text = neuron([1, 2], [1, -0.25], 0.5, title='in "a" frame')._repr_html_()
    assert text.startswith('<iframe title="in &quot;a&quot; frame"')
    show(page, tmp_path / "frame.html", f"<!doctype html><title>x</title>{text}", "iframe")
    inner = "document.querySelector('iframe').contentDocument"
    assert page.wait(f"return {inner}?.querySelector('.graph') != null", bool, 20)
    high = page.wait(f"return {inner}.querySelector('main').getBoundingClientRect().height", lambda h: h > 300, 10)
    assert high <= page.run("return document.querySelector('iframe').clientHeight") <= high + 60


def test_rules_that_have_no_name_here_are_shown_as_they_are_given(page: browser.Page, tmp_path: Path) -> None:
    for rule in (
        lrp.rules.Epsilon(0.25, bias_share=0.5),
        lrp.rules.LRP0(stabiliser=lrp.rules.edits.relative(0.25)).with_bias("nonzero"),
        lrp.rules.Reference([0.5, -1.0]),
        lrp.rules.ZBox([-1.0, -2.0], 3.0),
    ):
        made = neuron([1, 2], [[1, 0.5], [-0.25, 1]], [0.5, 0], rule=rule)
        show(page, tmp_path / "n.html", made.page())
        compare(page.run(READ), made.table, 0)
        assert page.run("return document.getElementById('rule').value") == "given"


def test_what_python_says() -> None:
    with pytest.raises(ShapeError, match=r"at most 6 and 3"):
        neuron(np.ones(7), np.ones(7))
    with pytest.raises(ShapeError, match=r"inputs of shape \(2,\) and weights of shape \(3, 1\)"):
        neuron([1, 2], [1, 2, 3])
    with pytest.raises(ShapeError, match="the bias has 2 numbers for 1 units"):
        neuron([1, 2], [1, 2], [1, 2])
    with pytest.raises(ShapeError, match="1 names of inputs and 1 of units for 2 and 1"):
        neuron([1, 2], [1, 2], input_names=["x"])
    with pytest.raises(ParameterError, match="inputs must be finite"):
        neuron([1, np.nan], [1, 2])
    with pytest.raises(ParameterError, match="predict=3, there are inputs 1 to 2"):
        neuron([1, 2], [1, 2], predict=3)
    with pytest.raises(ParameterError, match="the answer 2 is none of 2 options"):
        Prediction("Yes?", ["yes", "no"], 2)
    assert 'srcdoc="' in framed(neuron([1], [1]).page(), title="x", height=10)
