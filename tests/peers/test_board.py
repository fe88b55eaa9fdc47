"""The board: outcomes, files, counts, pages. The program on it is lrp_ref with departures that are put in by hand."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from support.board_rows import row

from lrp_ref import vectors
from lrp_ref.dialects import Dialect, dialect
from lrp_ref.errors import ModelFormatError, ParameterError
from lrp_ref.peers.board import files, known, site
from lrp_ref.peers.board.badges import badge
from lrp_ref.peers.board.counts import FAMILIES, by_family, counts, departures, family, smallest
from lrp_ref.peers.board.markdown import markdown, plain
from lrp_ref.peers.board.predicted import switches_of
from lrp_ref.peers.board.results import Outcome, Results
from lrp_ref.peers.board.words import answer, cases, question, statements
from lrp_ref.vectors.own import relevance
from lrp_ref.vectors.program import Program


@pytest.fixture(scope="module")
def departing() -> Results:
    return row()


@pytest.fixture(scope="module")
def several(departing: Results) -> list[Results]:
    return [departing, row(dtype="float32"), row(relevance, "mine", "2.0")]


# Outcomes ------------------------------------------------------------------------------------------------------------


def test_every_case_has_one_outcome_that_its_rule_and_layer_say(departing: Results) -> None:
    for o in departing.outcomes:
        body = cases()[o.id].body
        if o.status == "other" or "network" in body:
            assert o.status in ("other", "pass")
        elif body["layer"]["type"] == "LSTM":
            assert (o.status, o.reason) == ("unsupported", "no LSTM <b>here</b>")
        elif body["rule"]["name"] == "Flat":
            assert o.status == "unexplained"
            assert o.reason.startswith("refused: RuntimeError: flat & <script>")
        elif body["rule"]["name"] == "WSquare" and any(float(x) for x in body["relevance_in"][0]["decimal"]):
            assert (o.status, o.dialects) == ("unexplained", ())
        elif body["rule"]["name"] == "ZPlus":
            assert (o.status, o.names) in (("pass", ()), ("departs", ("zplus-bias",)))
        else:
            assert o.status == "pass"


def test_the_numbers_of_a_departure_are_those_that_were_answered(departing: Results) -> None:
    found = next(o for o in departing.outcomes if o.id == "core/small/AB-4/zplus")
    share = Fraction(1) / (Fraction(1) + Fraction(1, 2))  # a w⁺ / (Σ a w⁺ + b⁺), a = 1, w = 1, b = ½
    assert found.got == (pytest.approx(float(share), rel=1e-15), 0.0)
    assert (found.expected, found.where) == ((1.0, 0.0), "")


def test_of_a_long_answer_the_number_that_is_farthest_off_is_told(departing: Results) -> None:
    found = next(o for o in departing.outcomes if o.id == "core/dense/wsquare/mixed-signs")
    assert found.where.startswith("input 0 [")
    (right,), (got,) = found.expected, found.got
    assert got == pytest.approx(2 * right, rel=1e-12)
    place = tuple(int(n) for n in re.findall(r"\d+", found.where)[1:])
    assert cases()[found.id].expected()["0"][0][place] == right


def test_departures_that_no_case_tells_apart_are_told_together() -> None:
    report = vectors.run(lambda case: [0 * x for x in case["inputs"]], cases=vectors.load(only=["core/dense/*"]))
    names = {name for reason in report.verdict.reasons for name in reason.names}
    told = {
        name
        for o in row(lambda case: [0 * x for x in case["inputs"]], "zero", "1", "float64", "core/dense/*").outcomes
        for name in o.names
    }
    assert told == names


# Counts --------------------------------------------------------------------------------------------------------------


def test_counts_are_those_of_the_outcomes_and_each_case_is_in_one_family(departing: Results) -> None:
    found = by_family(departing.outcomes)
    assert list(found) == list(FAMILIES)
    assert Counter(o.id for several in found.values() for o in several) == Counter(o.id for o in departing.outcomes)
    by_hand = Counter(o.status for o in departing.outcomes)
    assert counts(departing.outcomes) == {k: by_hand[k] for k in ("pass", "departs", "unexplained", "unsupported")}
    assert by_hand["departs"] >= 15
    assert by_hand["unexplained"] > by_hand["departs"]


def test_every_rule_and_layer_of_the_vectors_has_a_family_that_names_it(departing: Results) -> None:
    for o in departing.outcomes:
        body = cases()[o.id].body
        if "network" in body:
            assert family(o) == "networks"
        elif body["layer"]["type"] in ("Dense", "Conv"):
            expected = {
                "AlphaBeta": "alpha-beta",
                "ZPlus": "z-plus",
                "WSquare": "flat",
                "Flat": "flat",
                "ZBox": "z-box",
            }
            name = body["rule"]["name"]
            assert family(o) == expected.get(name, "gamma" if "Gamma" in name else "epsilon")


def test_the_smallest_case_is_alone_in_its_cause_and_made_to_be_read(departing: Results) -> None:
    (departed,) = departures(departing.outcomes)
    assert departed.smallest.id == "core/small/AB-4/zplus"
    assert sum(departed.families.values()) == len(departed.cases)
    both = Outcome("a", "Flat", "Dense", "departs", ("x", "y"), expected=(1.0,), got=(2.0,))
    alone = Outcome("much longer", "Flat", "Dense", "departs", ("x",), expected=(1.0, 2.0), got=(2.0, 1.0))
    assert smallest([both, alone]) is alone
    assert [d.names for d in departures([both, alone])] == [("x",), ("y",)]


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_row_is_read_back_as_it_was_written(departing: Results, tmp_path: Path) -> None:
    path = files.save(tmp_path, departing)
    assert path.name == "other-1.0-float64.json"
    assert files.read(path) == departing
    assert files.dump(files.read(path)).encode() == path.read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_numbers_that_json_lacks_are_read_back(departing: Results, tmp_path: Path) -> None:
    odd = Outcome("a", "Flat", "Dense", "unexplained", expected=(0.0, 1.0), got=(math.inf, -math.inf))
    bad = Outcome("b", "Flat", "Dense", "unexplained", expected=(1e-300,), got=(math.nan,))
    path = files.save(
        tmp_path, Results(departing.program, "x", "float32", "1", "2026-01-01", 0.0, "", "", {}, (odd, bad))
    )
    json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    one, two = files.read(path).outcomes
    assert one == odd
    assert (two.expected, np.isnan(two.got).tolist()) == ((1e-300,), [True])


def broken() -> Iterator[tuple[str, str, str]]:
    def but(**changes: Any) -> str:
        good = json.loads(files.dump(row(relevance, "mine", "1", "float64", "core/small/*")))
        for key, value in changes.items():
            if value is None:
                del good[key]
            else:
                good[key] = value
        return json.dumps(good)

    def case(**changes: Any) -> str:
        return but(cases=[{"id": "a", "rule": "Flat", "layer": "Dense", "status": "pass", **changes}])

    yield "no JSON", "{", "not readable as JSON"
    yield "not text", "\xff\xfe", "not readable as JSON"
    yield "deep", "[" * 100_000, "not readable as JSON"
    yield "a list", "[]", "its format is not 'lrp-board'"
    yield "foreign", '{"format": "lrp-vectors"}', "its format is not 'lrp-board'"
    yield "newer", but(version="2.0"), "version '2.0'; this lrp_ref reads 1.x"
    yield "no version", but(version=None), "version None"
    yield "no program", but(program=None), "'program' is missing"
    yield "nameless", but(program={"version": "1"}), "no name"
    yield "no dtype", but(dtype="float16"), "dtype 'float16'"
    yield "dtype is a list", but(dtype=[]), "dtype []"
    yield "no date", but(date="yesterday"), "write it as 2026-11-29"
    yield "no time", but(seconds="soon"), "could not convert"
    yield "endless", but(seconds=1e999), "not a time"
    yield "before", but(seconds=-1), "not a time"
    yield "title", but(title=5), "title: 5 is not a text"
    yield "no cases", but(cases={}), "cases is not a list"
    yield "cases missing", but(cases=None), "'cases' is missing"
    yield "options", but(options=[1]), "options is not an object"
    yield "option", but(options={"ties": 3}), "options: 3 is not a text"
    yield "a case is a number", but(cases=[3]), "case 0 is not an object"
    yield "no id", case(id=""), "case 0 has no id"
    yield "status", case(status="fine"), "status 'fine', known: pass"
    yield "dialects", case(dialects="zplus-bias"), "dialects is not a list"
    yield "a dialect", case(dialects=[1]), "1 is not a text"
    yield "numbers", case(got=5), "not a list of at most 64"
    yield "too many", case(got=[0] * 65), "not a list of at most 64"
    yield "truth", case(got=[True]), "true or false"
    yield "a word", case(got=["x"]), "could not convert"
    yield "no float", case(got=[10**400]), "too large"
    yield "twice", but(cases=[{"id": "a", "rule": "r", "layer": "l", "status": "pass"}] * 2), "'a' is there twice"


@pytest.mark.parametrize(("text", "words"), [entry[1:] for entry in broken()], ids=[entry[0] for entry in broken()])
def test_a_file_that_is_none_is_one_line_with_its_name(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(text.encode("latin-1", errors="replace"))
    with pytest.raises(ModelFormatError) as caught:
        files.read_folder(tmp_path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.save(tmp_path, row(relevance, "mine", "1", "float64", "core/small/*"))
    monkeypatch.setattr(files, "LIMIT", 100)
    with pytest.raises(ModelFormatError, match="larger than"):
        files.read_folder(tmp_path)


def test_folders_without_results_or_with_a_program_twice_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"not a readable folder.*--save DIR makes such files"):
        files.read_folder(tmp_path / "none")
    with pytest.raises(ModelFormatError, match=r"holds no \.json files"):
        files.read_folder(tmp_path)
    mine = files.save(tmp_path, row(relevance, "mine", "1", "float64", "core/small/*"))
    (tmp_path / "z-copy.json").write_bytes(mine.read_bytes())
    with pytest.raises(ModelFormatError, match=r"z-copy\.json: mine 1 float64 is in mine-1-float64\.json too"):
        files.read_folder(tmp_path)


# Pages ---------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """A page's tags, ids, links and text; fails on tags that are not closed."""

    EMPTY: ClassVar = {"meta", "br", "input", "hr", "img"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)


@pytest.fixture(scope="module")
def pages(several: list[Results], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board") / "site"
    assert site.write_site(folder, several, {"Absent <b>": "no <i>interpreter</i>"}) == 3
    return folder


def test_pages_load_nothing_and_show_what_programs_say_as_text(pages: Path) -> None:
    for path in pages.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        page = Page(text)
        assert not page.tags & {"script", "link", "img", "iframe", "object", "form"}
        assert not {name for name in page.attributes if name.startswith("on")} | page.attributes & {"src", "srcset"}
        assert "url(" not in text
        assert "@import" not in text
    told = "".join(Page((pages / "other-1.0.html").read_text(encoding="utf-8")).words)
    assert "RuntimeError: flat & <script>alert(1)</script> | `x`" in told
    assert "no LSTM <b>here</b>" in told


def test_every_link_of_a_page_leads_somewhere(pages: Path) -> None:
    read = {path.name: Page(path.read_text(encoding="utf-8")) for path in pages.glob("*.html")}
    followed = 0
    for name, page in read.items():
        assert len(set(page.ids)) == len(page.ids)
        for address in page.links:
            if address.startswith("https://"):
                continue
            target, _, anchor = address.partition("#")
            assert (pages / (target or name)).is_file(), address
            assert not anchor or anchor in read[target or name].ids, address
            followed += bool(anchor)
    assert followed > 40


def test_cells_show_the_counts_of_the_files_and_no_percentage(pages: Path, several: list[Results]) -> None:
    text = (pages / "index.html").read_text(encoding="utf-8")
    assert "%" not in "".join(Page(text).words)
    lines = re.findall(r"<tr class=\"only-float\d\d\">.*?</tr>", text, re.DOTALL)
    assert len(lines) == len(several)
    marks = {"✓": "pass", "≠": "departs", "?": "unexplained", "–": "unsupported"}
    for line in lines:
        cells = re.findall(r"<td>(.*?)</td>", line, re.DOTALL)[1:]
        name = "other" if "Other" in line else "mine"
        dtype = "float32" if "only-float32" in line else "float64"
        path = next((pages / "data").glob(f"{name}-*-{dtype}.json"))
        told = json.loads(path.read_text(encoding="utf-8"))["cases"]
        for cell, key in zip(cells, FAMILIES, strict=True):
            by_hand = Counter(
                c["status"] for c in told if family(Outcome(c["id"], c["rule"], c["layer"], "pass")) == key
            )
            shown = {marks[mark]: int(n) for mark, n in re.findall(r">([✓≠?–]) (\d+)<", cell)}
            assert shown == {k: n for k, n in by_hand.items() if k != "other"}


def test_a_cell_opens_its_cases_with_both_numbers_and_the_departure(pages: Path) -> None:
    text = (pages / "other-1.0.html").read_text(encoding="utf-8")
    start = text.index('id="float64-cases-z-plus"')
    line = text[text.index("core/small/AB-4/zplus", start) :].partition("</tr>")[0]
    assert "<td>(1, 0)</td><td>(0.666667, 0)</td>" in line
    assert 'href="#float64-zplus-bias"' in line
    card = text[text.index('id="float64-zplus-bias"') :].partition("</article>")[0]
    assert "z⁺ with b⁺ in the denominator" in card
    assert "Dense: a = (1, 2), w = (1, −1/4), b = 1/2, R = 1" in card
    assert "Bach et al. 2015" in card


def test_a_choice_of_dtype_is_there_only_where_there_are_two(pages: Path) -> None:
    assert 'id="float32"' in (pages / "index.html").read_text(encoding="utf-8")
    assert 'id="float32"' not in (pages / "mine-2.0.html").read_text(encoding="utf-8")


def test_badges_are_what_shields_reads(pages: Path, several: list[Results]) -> None:
    found = sorted(path.name for path in (pages / "badges").iterdir())
    assert found == ["mine-2.0-float64.json", "other-1.0-float32.json", "other-1.0-float64.json"]
    told = json.loads((pages / "badges" / "other-1.0-float64.json").read_text(encoding="utf-8"))
    n = counts(several[0].outcomes)
    assert told == {
        "schemaVersion": 1,
        "label": "LRP vectors float64",
        "message": f"{n['pass']} pass · {n['departs']} named · {n['unexplained']} unexplained",
        "color": "orange",
    }
    assert json.loads(badge(several[2]))["color"] == "brightgreen"


def test_an_issue_or_homepage_that_is_no_address_makes_no_link(tmp_path: Path, departing: Results) -> None:
    text = files.dump(departing).replace("https://example.org/other/issues", "javascript:alert(1)")
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    site.write_site(tmp_path / "site", files.read_folder(tmp_path), {})
    assert "javascript:" not in (tmp_path / "site" / "other-1.0.html").read_text(encoding="utf-8")


def test_all_that_a_file_says_is_shown_as_text(tmp_path: Path, departing: Results) -> None:
    evil = '<img src=x onerror="alert(1)">'
    program = Program(f"p{evil}", f"1{evil}", f"Python{evil}")
    statuses = ("pass", "departs", "unsupported", "unexplained", "other")
    outcomes = [
        Outcome(f"{status}{evil}", f"Flat {evil}", f"Dense{evil}", status, (evil,), evil, evil, (1.0,), (2.0,), evil)
        for status in statuses
    ]
    hostile = Results(
        program, f"P{evil}", "float64", evil, "2026-01-01", 1.0, f"pip {evil}", evil, {evil: evil}, tuple(outcomes)
    )
    files.save(tmp_path, hostile)
    (read,) = files.read_folder(tmp_path)
    assert read == hostile
    site.write_site(tmp_path / "site", [read], {evil: evil})
    for path in (tmp_path / "site").glob("*.html"):
        page = Page(path.read_text(encoding="utf-8"))
        assert "img" not in page.tags, path
        assert evil in "".join(page.words)
    assert not re.search(r"(?<!\\)<img", markdown([read], {evil: evil}, "x"))


# Places --------------------------------------------------------------------------------------------------------------


def test_pages_replace_those_of_an_earlier_board_as_a_whole(several: list[Results], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "site"
    site.write_site(folder, several, {})
    site.write_site(folder, several[2:], {})
    assert sorted(path.name for path in folder.iterdir()) == [
        "badges",
        "board.json",
        "data",
        "index.html",
        "mine-2.0.html",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["site"]


def test_pages_that_cannot_be_put_in_place_leave_the_earlier_ones(
    several: list[Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    site.write_site(folder, several[2:], {})
    real = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError("no room")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no room"):
        site.write_site(folder, several, {})
    assert (folder / "mine-2.0.html").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_board_leaves_what_was_there(
    error: type[BaseException], several: list[Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"

    def interrupted(rows: Any) -> str:
        raise error

    monkeypatch.setattr(site, "program_page", interrupted)
    with pytest.raises(error):
        site.write_site(folder, several, {})
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    site.write_site(folder, several[2:], {})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(site, "program_page", interrupted)
    with pytest.raises(error):
        site.write_site(folder, several, {})
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_other_peoples_folders_and_files_are_left_alone(several: list[Results], tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ParameterError, match="holds files that are no board"):
        site.write_site(tmp_path, several, {})
    with pytest.raises(ParameterError, match="it is a file"):
        site.write_site(tmp_path / "mine.txt", several, {})
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_two_programs_with_one_page_are_told(tmp_path: Path) -> None:
    twins = [row(relevance, name, "1", "float64", "core/small/*") for name in ("a b", "a-b")]
    with pytest.raises(ParameterError, match=r"two programs would have the page a-b-1\.html"):
        site.write_site(tmp_path / "site", twins, {})
    assert not list(tmp_path.iterdir())


def test_versions_are_ordered_by_their_numbers() -> None:
    rows = [row(relevance, "p", version, "float64", "core/small/*") for version in ("0.10.1", "0.9", "1.0.0")]
    assert [several[0].program.version for several in site.grouped(rows)] == ["0.9", "0.10.1", "1.0.0"]


# What is known -------------------------------------------------------------------------------------------------------


def test_what_is_said_of_departures_is_said_of_known_ones_once() -> None:
    assert {n.dialect for n in known.NOTES} <= set(statements()), {n.dialect for n in known.NOTES} - set(statements())
    pairs = [(n.dialect, n.program) for n in known.NOTES]
    assert len(set(pairs)) == len(pairs)


def test_a_defect_is_said_of_a_program_and_its_own_paper_or_forward_pass() -> None:
    defects = [n for n in known.NOTES if n.kind == known.DEFECT]
    assert len(defects) >= 5
    for n in defects:
        assert n.program
        assert re.search("which the program.* cite|own forward pass", n.why), n
    assert known.note("ab-bias-both", "someone else").kind != known.DEFECT


def test_every_departure_that_is_told_has_a_statement() -> None:
    assert {flag for case in cases().values() for flag in case.catches} <= set(statements())


# What the files of faults do not have ---------------------------------------------------------------------------------


def test_the_fewest_switches_of_a_dialect_that_give_the_answer_are_named() -> None:
    case = cases()["core/magnitude/bias-of-zero"]  # a = z = ⅛, w = 1, b = 0, ε = ⅛, R = 1
    z = epsilon = Fraction(1, 8)
    share = z / (z + epsilon)
    autolrp = dialect("autolrp-0.2")

    def named(answer: Fraction | float, dtype: str = "float64") -> tuple[str, ...]:
        return switches_of(case, {"0": np.array([[float(answer)]])}, dtype, autolrp)

    assert share == Fraction(1, 2)
    assert named(share * share) == ("eps-twice",)
    assert named(share * share * (1 + Fraction(1, 10**7)))
    assert named(share * share * (1 + Fraction(1, 10**4))) == ()
    assert named(float("nan")) == named(share / 3) == ()


def test_numbers_do_not_agree_with_those_that_a_dialect_does_not_have() -> None:
    case = cases()["core/small/AB-3/a"]  # a = (0, 1), w = (−1, 1): no negative part, 0/0
    unguarded = Dialect("p", ("zero-division-nan",))
    right = case.expected()["0"][0]
    assert switches_of(case, {"0": np.full(right.shape, np.nan)}, "float64", unguarded) == ("zero-division-nan",)
    assert switches_of(case, {"0": np.full(right.shape, 7.0)}, "float64", unguarded) == ()


def test_a_switch_is_named_only_where_the_program_s_own_epsilon_is_not_enough() -> None:
    case = cases()["core/magnitude/bias"]  # a = (1, 1), w = (1, −½), b = −1, R = 1: z = −½
    own = Dialect("p", ("gamma-bias", "no-bias-in-denominator"), epsilon=0.5)

    def named(denominator: Fraction) -> tuple[str, ...]:
        shares = [float(z / denominator) for z in (Fraction(1), Fraction(-1, 2))]
        return switches_of(case, {"0": np.array([shares])}, "float64", own)

    assert named(Fraction(-1, 2) - Fraction(1, 2)) == ("own-epsilon",)
    assert named(Fraction(1, 2)) == named(Fraction(1, 2) + Fraction(1, 2)) == ("no-bias-in-denominator",)
    assert named(Fraction(3)) == ()


def test_a_network_is_held_against_a_dialect_too() -> None:
    name, asked = next(
        (c.id, c.question()) for c in cases().values()
        if "network" in c.body and any(r["name"] == "ZPlus" for r in c.body["rules"].values())
    )  # fmt: skip
    swapped = {
        node: {"name": "AlphaBeta", "alpha": 1.0, "beta": 0.0} if rule["name"] == "ZPlus" else rule
        for node, rule in asked["rules"].items()
    }
    case = cases()[name]
    found = relevance({**asked, "rules": swapped})
    answer_ = {k: found[k] for k in case.inputs}
    assert any(not np.allclose(answer_[k], case.expected()[k][0]) for k in case.inputs)
    exact = Dialect("without ε", ("wsquare-bias", "zplus-bias"))
    assert switches_of(case, answer_, "float64", exact) == ("zplus-bias",)
    assert switches_of(case, answer_, "float64", Dialect("other", ("wsquare-bias",))) == ()


def test_a_convention_in_which_every_option_departs_is_set_aside_unless_it_is_known() -> None:
    def answering(case: Any) -> Any:
        return [array + 1 for array in relevance(case)]

    told = row(answering, "p", "1", "float64", "alternatives/bias-policy/*")
    assert {o.status for o in told.outcomes} == {"other"}


# Markdown ------------------------------------------------------------------------------------------------------------


def test_markdown_shows_messages_as_text_and_its_tables_hold(several: list[Results]) -> None:
    text = markdown(several, {"Absent | <b>": "no [link](http://x)"}, "lrp-ref vectors board")
    assert "<script" not in text
    assert "](http://x)" not in text
    width = 0
    for line in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line))
        if line.startswith("|"):
            assert width in (0, cells), line
            width = cells
        else:
            width = 0
            assert not cells, line
    assert set(re.findall(r"<(/?\w+)", text)) <= {"br", "code", "/code"}


def test_text_for_markdown_is_one_line_without_markup() -> None:
    assert plain("a\n* b_c_ www.x.org @me") == r"a \* b\_c\_ www\.x.org \@me"


# Words ---------------------------------------------------------------------------------------------------------------


def test_questions_and_answers_are_those_of_the_files() -> None:
    assert question("core/small/G-1") == "Dense: a = (1, 2), w = (1, −1/4), b = 1/2, R = 1; γ = 1/4"
    assert answer("core/small/G-1") == "(10/11, −4/11)"
    assert question("core/conv/zplus/2d") == answer("core/conv/zplus/2d") == ""
    assert question("no such case") == answer("no such case") == ""


def test_every_case_can_be_put_in_words() -> None:
    told = [question(name) for name in cases()]
    assert 20 < sum(map(bool, told)) < len(told)
    assert not any("{" in text for text in told)


def test_a_program_without_a_title_is_called_by_its_name() -> None:
    assert Results(Program("p", "1"), "", "float64", "", "", 0.0, "", "").full_title == "p 1"
