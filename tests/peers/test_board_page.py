"""docs/board.md and the results that it is made of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lrp_ref.peers import PEERS
from lrp_ref.peers.board.files import dump, file_name, read_folder
from lrp_ref.peers.board.markdown import markdown
from lrp_ref.peers.board.results import Results
from lrp_ref.peers.board.running import OWN, select
from lrp_ref.peers.board.words import statements
from lrp_ref.vectors.cases import HERE, read_manifest
from lrp_ref.vectors.places import place_of

DOCS = Path(__file__).parents[2] / "docs"
COMMAND = "lrp-ref vectors board --from docs/board --markdown docs/board.md"


@pytest.fixture(scope="module")
def rows() -> list[Results]:
    return read_folder(DOCS / "board")


def test_the_page_is_what_its_results_say(rows: list[Results]) -> None:
    assert (DOCS / "board.md").read_text(encoding="utf-8") == markdown(rows, {}, COMMAND)


def test_the_files_are_as_the_tool_writes_them(rows: list[Results]) -> None:
    assert {p.name: p.read_text(encoding="utf-8") for p in (DOCS / "board").iterdir()} == {
        file_name(row): dump(row) for row in rows
    }


def test_every_row_is_a_run_of_all_cases_of_its_version(rows: list[Results]) -> None:
    """A later version adds cases, for which nobody has to run all programs again."""
    cases = {case.id: (place_of(case).rule, place_of(case).kind) for case in select()}
    added = {name: json.loads((HERE / name).read_text())["version"] for name in read_manifest(HERE)["files"]}
    for row in rows:
        assert row.program.name == OWN or row.program.homepage == PEERS[row.program.name].homepage
        told = {o.id: (o.rule, o.layer) for o in row.outcomes}
        assert told.items() <= cases.items(), row.full_title
        before = {case.id for case in select() if numbered(added[case.file]) < numbered(row.vectors)}
        assert before <= set(told)
        assert len(before) > 600
        assert {name for o in row.outcomes for name in o.names} <= set(statements())


def numbered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(",")[0].split("."))


def test_programs_are_many_and_this_one_has_every_exact_answer(rows: list[Results]) -> None:
    assert len({row.program.name for row in rows} - {OWN}) >= 8
    own = [row for row in rows if row.program.name == OWN]
    assert own
    assert {o.status for row in own for o in row.outcomes} <= {"pass", "other"}  # options of its own conventions
