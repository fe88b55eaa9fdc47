"""Every application of the gallery: its form, a quick run, and what the documentation says of its whole run."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import get_args

import gallery_runs
import pytest
from PIL import Image

from lrp_ref import gallery
from lrp_ref.gallery import pages
from lrp_ref.gallery.application import MODELS, Held

PAGES = Path(__file__).parents[2] / "docs" / "gallery"
every_application = pytest.mark.parametrize("name", gallery.names())


@every_application
def test_a_file_tells_all_that_its_page_says(name: str) -> None:
    application = gallery.find(name)
    assert application.name == name
    assert application.wing in pages.WINGS
    assert len(application.story) > 300
    assert not re.search(r"^#", application.story, re.M), "the page has the headings"
    assert re.search(r"\b(19|20)\d\d\b", application.source), "a year"
    for sentence in (application.data, application.model):
        assert sentence.endswith("."), sentence
        assert not sentence[0].islower(), sentence
    told = f"{application.story} {application.data} {application.model}"
    assert not re.search(r"\d\s%", told), "as numbers print: 5%"
    for need in application.needs:
        assert (MODELS / need.file).exists() or (MODELS / "gallery" / need.file).exists() or not need.shipped, need
    assert len(inspect.getsource(sys.modules[application.module]).splitlines()) <= 240


@every_application
def test_a_quick_run_works(name: str) -> None:
    found, record = gallery_runs.result(name)
    assert record.quick
    assert 20 < len(record.sentence) <= 160
    assert record.findings
    assert {f.held for f in record.findings} <= set(get_args(Held))
    assert all(f.claim.endswith(".") and f.measured for f in record.findings)
    assert not any(re.search(r"\d\s%", f"{f.claim} {f.measured}") for f in record.findings), "as numbers print: 5%"
    assert record.numbers
    assert found.picture.width == 1200
    assert 500 <= found.picture.height <= 1000
    assert len(record.alt) > 30


@every_application
def test_a_record_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    _, record = gallery_runs.result(name)
    (tmp_path / f"{name}.json").write_text(record.text(), encoding="utf-8")
    assert gallery.Record.read(tmp_path / f"{name}.json") == record


@every_application
def test_the_page_is_made_of_the_numbers_of_a_whole_run(name: str) -> None:
    record = gallery.Record.read(PAGES / f"{name}.json")
    assert not record.quick
    assert record.text() == (PAGES / f"{name}.json").read_text(encoding="utf-8")
    assert (PAGES / f"{name}.md").read_text(encoding="utf-8") == pages.page(gallery.find(name), record)
    with Image.open(PAGES / f"{name}.png") as picture:
        assert picture.width == 1200
    assert record.seconds <= 600
    assert (PAGES / f"{name}.png").stat().st_size < 400_000


def test_the_front_page_shows_every_application_and_no_other() -> None:
    records = [gallery.Record.read(PAGES / f"{name}.json") for name in gallery.names()]
    applications = [gallery.find(name) for name in gallery.names()]
    assert (PAGES / "README.md").read_text(encoding="utf-8") == pages.wall(applications, records)
    assert {p.stem for p in PAGES.iterdir()} == {"README", *gallery.names()}
    assert len(applications) >= 24
