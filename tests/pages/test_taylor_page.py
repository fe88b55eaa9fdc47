"""The Taylor expansion in a browser: its terms against those of root points, its keys and its pointer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ParameterError, ShapeError
from lrp_ref.pages import Prediction, taylor

READ = """
const numbers = (css) => [...document.querySelectorAll(css)].map((one) => Number(one.dataset.value));
return { rows: numbers(".terms [data-value]"), bars: numbers(".ledger .value"),
  root: [...document.querySelectorAll(".toolbar input")].map((one) => Number(one.value)),
  sentence: document.querySelector(".sentence").textContent };"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(page: browser.Page, path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    page.open("about:blank")
    page.said(), page.requests()
    page.open(path.as_uri())
    assert page.wait("return document.querySelector('.plot') !== null", bool, 20)


def compare(found: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_allclose(found["rows"], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found["bars"], expected, rtol=1e-6, atol=1e-6)
    assert found["rows"][0] == pytest.approx(sum(found["rows"][1:]), abs=1e-9)


def test_the_buttons_go_to_the_roots_of_the_rules(page: browser.Page, tmp_path: Path) -> None:
    layer, a = lrp.layers.Dense(np.array([[1.0], [0.5]]), np.array([-1.0])), np.array([[1.0, 2.0]])
    show(page, tmp_path / "t.html", taylor([1, 2], [1, 0.5], -1, root=[2.5, 2.5], bounds=(0, 3)).page())
    roots = [("real", {}), ("positive", {}), ("box", {"low": 0.0, "high": 3.0})]
    assert page.run("return document.querySelectorAll('.toolbar button').length") == 4
    for k, (domain, options) in enumerate(roots):
        page.run(f"document.querySelectorAll('.toolbar button')[{k + 1}].focus()")
        page.press("Enter")
        right = lrp.root_point(layer, a, 0, domain, **options)
        found = page.run(READ)
        compare(found, [float(right.z[0]), 0, *right.terms[0], 0])
        np.testing.assert_allclose(found["root"], right.point[0], rtol=1e-9)
        assert "together all of f(a) = 1" in found["sentence"]


def test_any_point(page: browser.Page, tmp_path: Path) -> None:
    """f is 0 or Σ w x + b, so that its derivative is 0 or w."""
    rng = np.random.default_rng(3)
    for size in (1, 2):
        a, w, b = np.abs(rng.normal(size=size)) + 1, np.abs(rng.normal(size=size)) + 0.5, -0.25
        show(page, tmp_path / "t.html", taylor(a, w, b).page())
        for flat in (False, True):
            x = rng.normal(size=size)
            x -= w * (w @ x + b + (0.5 if flat else -0.5)) / (w @ w)  # z(x) = ∓½
            for i, v in enumerate(x):
                page.run(
                    f"const one = document.getElementById('root-{i}'); one.value = {float(v)!r};"
                    "one.dispatchEvent(new Event('input'));"
                )
            value = max(0.0, float(w @ a) + b)
            terms = np.zeros(size) if flat else w * (a - x)
            there = 0.0 if flat else 0.5
            compare(page.run(READ), [value, there, *terms, value - there - terms.sum()])
            assert ("flat" in page.run(READ)["sentence"]) == flat
    show(page, tmp_path / "t.html", taylor([1], [-1], 0).page())
    assert "not active" in page.run(READ)["sentence"]
    assert (page.said(), page.requests()) == ([], [])


def test_arrows_and_the_pointer_move_the_point(page: browser.Page, tmp_path: Path) -> None:
    page.resize(760, 640)
    show(page, tmp_path / "t.html", taylor([1, 2], [1, 0.5], -1, root=[1, 1]).page())
    page.run("document.querySelector('.handle').focus()")
    page.press("Right", "Up", "Up", "Left", "Left")
    assert page.run(READ)["root"] == [0.9, 1.2]
    assert page.run("return document.activeElement.getAttribute('aria-valuetext')") == "x̃ = (0.9, 1.2)"
    middle = page.run("""const box = document.querySelector('.plot').getBoundingClientRect();
    return [box.left, box.top, box.width];""")
    left, top, width = middle
    page.stroke([(left + 0.3 * width, top + 0.5 * width), (left + 0.7 * width, top + 0.3 * width)])
    low, high = json.loads(page.run("return document.getElementById('header').textContent"))["span"]
    part = [(0.7 * 400 - 34) / 332, 1 - (0.3 * 400 - 34) / 332]
    assert page.run(READ)["root"] == pytest.approx([low + p * (high - low) for p in part], abs=0.03)
    page.run("document.getElementById('onto').focus()")
    page.press("Enter")
    root = page.run(READ)["root"]
    assert root[0] + 0.5 * root[1] == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 760])
def test_it_can_be_read_by_everybody(page: browser.Page, tmp_path: Path, scheme: str, width: int) -> None:
    page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.resize(width, 900)
    asked = Prediction("Where is <b>f</b> flat?", ["left", "right"], 0, "There z < 0.")
    show(page, tmp_path / "t.html", taylor([1, 2], [1, 0.5], -1, title="a <b>b</b>", predict=asked).page())
    assert "+0.8" not in page.run("return document.getElementById('taylor').innerText")
    assert page.axe() == []
    page.press("Tab", "Enter")
    assert "Yes. There z < 0." in page.run("return document.getElementById('taylor').innerText")
    assert page.axe() == []
    assert page.run("return document.querySelectorAll('#taylor b').length") == 0
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert (page.said(), page.requests()) == ([], [])


def test_what_python_says() -> None:
    with pytest.raises(ShapeError, match="3 inputs and 3 weights"):
        taylor([1, 2, 3], [1, 2, 3])
    with pytest.raises(ShapeError, match="x̃ has 1 coordinates, a has 2"):
        taylor([1, 2], [1, 2], root=[1])
    with pytest.raises(ParameterError, match="all weights are 0"):
        taylor([1, 2], [0, 0])
    with pytest.raises(ParameterError, match="a must be finite"):
        taylor([np.inf], [1])
    with pytest.raises(ParameterError, match="bounds must be"):
        taylor([1], [1], bounds=(2, 1))
    made = taylor([1, 2], [1, 0.5], -1, root=[0, 0])
    assert (made.terms.tolist(), made.value(made.a)) == ([0, 0], 1)
    assert made._repr_html_().startswith('<iframe title="Taylor expansion of one neuron"')
