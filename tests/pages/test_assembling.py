"""A page is one file: what it imports comes along, its data cannot become markup, and two builds are equal."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from lrp_ref.pages import assembling

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "a\u2028b\u2029c",
    "\u202egnp.exe",
    "\"&'",
    "x" * 10_000,
]


class Elements(HTMLParser):
    """Every element with its attributes, and the text of scripts by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._id = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._id = str(dict(attrs).get("id", "")) if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._id:
            self.texts[self._id] = self.texts.get(self._id, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._id = ""


@pytest.fixture
def page() -> str:
    blocks = {"r": assembling.little_endian(np.array([[1.5, -2.0]])), "none": b""}
    return assembling.document(
        title="</title><script>", body="<main></main>", start="blocks.js", header={"names": HOSTILE}, blocks=blocks
    )


def test_data_come_out_as_they_went_in_and_never_as_markup(page: str) -> None:
    elements = Elements(page)
    assert json.loads(elements.texts["header"]) == {"names": HOSTILE}
    numbers = gzip.decompress(base64.b64decode(elements.texts["block-r"]))
    assert np.frombuffer(numbers, "<f4").tolist() == [1.5, -2.0]
    assert gzip.decompress(base64.b64decode(elements.texts["block-none"])) == b""
    assert "img" not in {tag for tag, _ in elements.found}
    assert [tag for tag, _ in elements.found].count("script") == 5


def policy(page: str) -> str:
    return next(str(a["content"]) for tag, a in Elements(page).found if tag == "meta" and "http-equiv" in a)


def test_a_page_names_no_address_and_forbids_every_load(page: str) -> None:
    assert policy(page).startswith("default-src 'none'; ")
    assert not re.search(r"https?:|wasm", policy(page))
    assert not [a for _, a in Elements(page).found if {"src", "href"} & a.keys()]
    assert "'wasm-unsafe-eval'" in policy(assembling.document(title="", body="", start="blocks.js", wasm=True))


def test_two_builds_are_equal(page: str) -> None:
    blocks = {"r": assembling.little_endian(np.array([[1.5, -2.0]])), "none": b""}
    again = assembling.document(
        title="</title><script>", body="<main></main>", start="blocks.js", header={"names": HOSTILE}, blocks=blocks
    )
    assert again == page


def test_every_module_imports_what_is_there() -> None:
    names = {p.name for p in assembling.ASSETS.iterdir() if p.name.endswith(".js")}
    for name in names:
        assert set(assembling.modules(name)) <= names
        text = assembling.asset(name)
        asked = re.findall(r'from\s+"([^"]+)"|import\(\s*"([^"]+)"|^import\s+"([^"]+)"', text, re.M)
        assert all(next(filter(None, a)).startswith("lrp/") for a in asked), name
        assert len(asked) == len(assembling.IMPORT.findall(text)), f"{name}: an import that the page would not find"


def test_a_number_that_json_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        assembling.document(title="", body="", start="blocks.js", header={"r": float("nan")})


def test_a_framed_page_is_an_attribute(page: str) -> None:
    elements = Elements(assembling.framed(page, title='"><b>', height=90))
    assert [(tag, a["srcdoc"] == page, a["title"]) for tag, a in elements.found] == [("iframe", True, '"><b>')]
