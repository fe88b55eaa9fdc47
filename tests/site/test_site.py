"""The site, built once: every page opens from a file without a request, and every link leads somewhere.

Where the variable LRP_REF_SITE names a folder, the site that lies there is looked at, and none is built.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import browser
import pytest
import site_build

import lrp_ref as lrp

DOCS = site_build.ROOT / "docs"
GENERATED = {"node_modules", "_build", "reference"}
# One page of each kind, and all lessons.
LOOKED_AT = [
    "index.html", "vectors.html", "formulas.html", "reference/rules/Epsilon.html", "reference/layers/Conv.html",
    "reference/methods/occlusion.html", "reference/api/lrp_ref.html", "reference/vectors/core-dense.html",
    "reference/rules/index.html", "draw-a-digit.html", "inspector-digit.html",
]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "LRP_REF_SITE" in os.environ:
        return Path(os.environ["LRP_REF_SITE"])
    site_build.require()
    target = tmp_path_factory.mktemp("built") / "site"
    done = site_build.build(DOCS, target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(scope="module")
def page(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    with browser.chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def pages(site: Path) -> list[str]:
    return sorted(p.relative_to(site).as_posix() for p in site.rglob("*.html") if "_static" not in p.parts)


class Links(HTMLParser):
    """The targets and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value is not None:
                self.targets.add(value)
            elif name in ("id", "name") and value is not None:
                self.anchors.add(value)


def test_every_link_leads_to_a_page_and_an_anchor(site: Path) -> None:
    read = {name: Links((site / name).read_text(encoding="utf-8")) for name in pages(site)}
    lost, outside = [], set()
    for name, links in read.items():
        for target in links.targets:
            if re.match(r"(data|mailto|blob|javascript):", target):
                continue
            if re.match(r"[a-z]+:", target):
                outside.add(target)
                continue
            path, _, anchor = target.partition("#")
            file = (site / name).parent / unquote(path.partition("?")[0]) if path else site / name
            key = Path(file).resolve().relative_to(site.resolve()).as_posix() if file.exists() else ""
            if not file.exists() or (anchor and key in read and unquote(anchor) not in read[key].anchors):
                lost.append(f"{name}: {target}")
    assert lost == []
    assert not [target for target in outside if "lrp" in target.lower() and "github" not in target]


def test_every_page_of_docs_is_in_the_navigation_once(site: Path) -> None:
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.M | re.S)
    entries = [re.sub(r".*<(.*)>", r"\1", line) for tree in trees for line in tree.splitlines() if line[:1] not in ":"]
    listed = [entry for entry in entries if entry and not entry.startswith("reference/") and "*" not in entry]
    written = {
        p.relative_to(DOCS).with_suffix("").as_posix() for p in DOCS.rglob("*.md") if not GENERATED & set(p.parts)
    }
    apart = {name for name in written if re.match(r"index$|course/|gallery/(?!README)", name)}
    assert {"course/*", "gallery/*"} <= set(entries)
    assert sorted(listed) == sorted(written - apart)
    shown = (site / "index.html").read_text(encoding="utf-8").split('class="sidebar-tree"')[1].split("</aside>")[0]
    links = re.findall(r'href="([^"#]+)\.html"', shown)
    assert sorted(links) == sorted(set(links))
    assert written - {"index"} <= set(links)


def test_every_public_name_is_on_a_page_of_the_api(site: Path) -> None:
    packed = (site / "objects.inv").read_bytes().split(b"zlib.\n", 1)[1]
    names = {line.split()[0] for line in zlib.decompress(packed).decode("utf-8").splitlines() if line}
    public = {f"lrp_ref.{name}" for name in lrp.__all__}
    for module in (lrp.rules, lrp.layers, lrp.methods, lrp.errors, lrp.heatmap, lrp.evaluate, lrp.text):
        own = module.__name__.removeprefix("lrp_ref.")
        for name in getattr(module, "__all__", ()):
            if not {f"lrp_ref.{name}", f"lrp_ref.{own}.{name}"} & names:
                public.add(f"lrp_ref.{own}.{name}")
    assert public - names == set()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("rules", [n for n in lrp.rules.__all__ if n not in ("RULES", "AnyRule", "Rule", "Universal")]),
        ("layers", list(lrp.layers.LAYERS)),
        ("methods", list(lrp.methods.METHODS)),
    ],
)
def test_every_rule_layer_and_method_has_a_page_with_numbers_and_proof(site: Path, kind: str, names: list[str]) -> None:
    for name in names:
        text = (site / "reference" / kind / f"{name}.html").read_text(encoding="utf-8")
        for heading in ("worked-numbers", "what-proves-it", "in-code"):
            assert f'id="{heading}"' in text, (name, heading)
        assert "Tests that name it: <code" in text, name


def test_every_vector_is_on_the_page_of_its_rule_and_shown_with_its_answer(site: Path) -> None:
    for case in lrp.vectors.load():
        shown = case.file.removesuffix(".json").replace("/", "-")
        anchor = re.sub(r"[^\w-]", "-", case.id)
        assert f'id="{anchor}"' in cached(site / f"reference/vectors/{shown}.html")
        rule = (case.body.get("rule") or {}).get("name")
        if rule in lrp.rules.RULES:
            assert f"{shown}.html#{anchor}" in cached(site / f"reference/rules/{rule}.html"), case.id


READ: dict[Path, str] = {}


def cached(path: Path) -> str:
    return READ.setdefault(path, path.read_text(encoding="utf-8"))


def test_formulas_are_drawn_when_the_site_is_built(site: Path) -> None:
    """HTML with MathML of KaTeX, no program that draws them later, and the fonts beside the pages."""
    for name in ("concepts.html", "formulas.html", "reference/rules/Gamma.html"):
        text = (site / name).read_text(encoding="utf-8")
        assert 'class="katex"' in text
        assert "<math " in text
        assert "katex.min.js" not in text
    fonts = {p.suffix for p in (site / "_static/katex/fonts").iterdir()}
    assert fonts == {".woff2"}


def test_every_page_opens_from_a_file_without_a_request_or_an_error(site: Path, page: browser.Page) -> None:
    for name in pages(site):
        page.open((site / name).as_uri())
        assert page.requests() == [], name
        assert page.said() == [], name


def test_fonts_of_formulas_are_there(site: Path, page: browser.Page) -> None:
    page.open((site / "formulas.html").as_uri())
    found = page.run("return document.fonts.ready.then(() => document.fonts.check('16px KaTeX_Math'))")
    assert found is True


IN_DARK = [*LOOKED_AT, "course/06-rules.html"]  # lessons have the same colours


def kinds(site: Path) -> list[str]:
    return LOOKED_AT + sorted(p.relative_to(site).as_posix() for p in (site / "course").glob("*.html"))


CONTRAST = "return axe.run({preload: false, runOnly: ['color-contrast']}).then(r => r.violations.map(v => v.help))"


def test_pages_are_accessible_in_light_and_dark(site: Path, page: browser.Page) -> None:
    """Everything in light; in dark, which has other colours and nothing else, the contrast."""
    found = {}
    for name in kinds(site):
        page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "light"}])
        page.open((site / name).as_uri())
        light = page.axe()
        page.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        dark = page.run(CONTRAST) if name in IN_DARK else []
        if light or dark:
            found[name] = (light, dark)
    page.command("Emulation.setEmulatedMedia", features=[])
    assert found == {}


def test_an_accessible_page_is_not_taken_for_granted(site: Path, page: browser.Page) -> None:
    page.open((site / "index.html").as_uri())
    page.run("document.querySelector('article img').removeAttribute('alt')")
    assert any(line.startswith("image-alt") for line in page.axe())


def test_a_wide_block_is_reached_by_the_keyboard(site: Path, page: browser.Page) -> None:
    page.resize(500, 800)
    page.open((site / "formulas.html").as_uri())
    wide = "[...document.querySelectorAll('pre')].filter(b => b.scrollWidth > b.clientWidth)"
    assert page.run(f"return {wide}.length") > 0
    assert page.run(f"return {wide}.every(b => b.tabIndex === 0)") is True
    page.resize(1300, 900)


LESSON = """\
---
file_format: mystnb
kernelspec:
  name: python3
---

# 1. A lesson

```{code-cell}
:tags: [hide-cell]
assert 1 + 1 == 3, "planted"
```
"""


def test_a_wrong_assertion_fails_the_build_and_names_the_lesson(tmp_path: Path) -> None:
    site_build.require()
    (tmp_path / "source" / "course").mkdir(parents=True)
    (tmp_path / "source" / "course" / "01-why.md").write_text(LESSON, encoding="utf-8")
    (tmp_path / "source" / "index.md").write_text("# x\n\n```{toctree}\ncourse/01-why\n```\n", encoding="utf-8")
    asked = ("-c", str(DOCS), "-D", "extensions=myst_nb,sphinx_design,formulas")
    done = site_build.build(tmp_path / "source", tmp_path / "site", *asked)
    assert done.returncode != 0
    assert "01-why.md: WARNING: Executing notebook failed" in done.stderr
    assert "planted" in done.stderr
    right = LESSON.replace("== 3", "== 2")
    (tmp_path / "source" / "course" / "01-why.md").write_text(right, encoding="utf-8")
    assert site_build.build(tmp_path / "source", tmp_path / "site", *asked).returncode == 0
