"""Programs that are asked by JSON lines: what they say of themselves, what they leave out, and what goes wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import click.testing
import pytest
from vector_set import FILES, write

from lrp_ref import vectors
from lrp_ref.cli import main
from lrp_ref.vectors import jsonlines
from lrp_ref.vectors.adapters import AdapterError
from lrp_ref.vectors.program import Program, program_of

COUNT = sum(len(cases) for cases in FILES.values())
ABOUT = {
    "name": "theirs", "version": "3.2", "language": "Julia", "homepage": "https://example.org/theirs",
    "issues": "https://example.org/theirs/issues",
}  # fmt: skip
OLD = "case['id']  # a program that knows questions alone: KeyError"
Run = Callable[..., click.testing.Result]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder: Path = write(tmp_path / "small")
    return folder


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    """Write a program that answers by lrp_ref itself, and count how often it was started; returns its command."""

    def make(start: str = "continue", each: str = "", before: str = "") -> str:
        path = tmp_path / "theirs.py"
        path.write_text(
            "import json, sys, time\n"
            "from lrp_ref.vectors.jsonlines import to_json\nfrom lrp_ref.vectors.own import relevance\n"
            "import numpy as np\n"
            f"open({str(tmp_path / 'starts')!r}, 'a').write('x')\n"
            "def arrays(v):\n"
            "    if isinstance(v, dict) and 'shape' in v:\n"
            "        return np.array(v['data'], dtype=float).reshape(v['shape'])\n"
            "    if isinstance(v, dict): return {k: arrays(e) for k, e in v.items()}\n"
            "    return [arrays(e) for e in v] if isinstance(v, list) and v and isinstance(v[0], dict) else v\n"
            f"{before}\n"
            "for line in sys.stdin:\n"
            "    case = json.loads(line)\n"
            "    if 'id' not in case:\n"
            f"        {start}\n"
            "    try:\n"
            "        answer = {'id': case['id'], 'relevance': to_json(relevance(arrays(case)))}\n"
            "    except Exception as error:\n"
            "        answer = {'id': case['id'], 'refused': str(error)}\n"
            f"    {each}\n"
            "    print(json.dumps(answer), flush=True)\n"
        )
        return f"'{sys.executable}' '{path}'"

    return make


@pytest.fixture
def starts(tmp_path: Path) -> Callable[[], int]:
    return lambda: len((tmp_path / "starts").read_text())


def say(value: Any) -> str:
    return f"print(json.dumps({value!r}), flush=True); continue"


def ask(command: str, folder: Path, timeout: float = 20.0, **options: Any) -> vectors.Report:
    return vectors.run(vectors.CommandAdapter(command, timeout), cases=vectors.load(folder), **options)


def run(*arguments: object) -> click.testing.Result:
    return click.testing.CliRunner().invoke(main, ["vectors", *map(str, arguments)], catch_exceptions=False)


# Who is asked ------------------------------------------------------------------------------------------------------


def test_a_program_says_who_it_is_and_the_report_names_it(
    small: Path, program: Callable[..., str], tmp_path: Path
) -> None:
    done = run("run", "--vectors", small, "--command", program(say(ABOUT)), "--junit", tmp_path / "found.xml")
    assert done.exit_code == 0, done.stdout
    assert "asked: theirs 3.2 (Julia), issues: https://example.org/theirs/issues; lrp-vectors 1.0.0\n" in done.stdout
    root = ElementTree.parse(tmp_path / "found.xml").getroot()  # noqa: S314 - our own file
    assert root.get("name") == "lrp-vectors 1.0.0 float64: theirs 3.2 (Julia)"
    for suite in root:
        told = {p.get("name"): p.get("value") for p in suite.iterfind("properties/property")}
        assert told == {**{f"program.{k}": v for k, v in ABOUT.items()}, "vectors.version": "1.0.0", "dtype": "float64"}
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))


def test_the_program_is_told_which_vectors_come(small: Path, program: Callable[..., str], tmp_path: Path) -> None:
    keep = f"open({str(tmp_path / 'told')!r}, 'w').write(line); {say(ABOUT)}"
    ask(program(keep), small)
    assert (tmp_path / "told").read_text() == '{"start":{"format":"lrp-vectors","version":"1.0.0","tag":""}}\n'


@pytest.mark.parametrize(
    ("start", "count"),
    [
        ("continue", 1),  # it passes the line over
        (say({"id": None, "error": "KeyError: 'id'"}), 1),
        (say([1, 2]), 1),
        (say(None), 1),
        ("print('unknown line', flush=True); continue", 1),
        (OLD, 2),  # it ends, and is started again without the line
        ("sys.exit(0)", 2),
        ("print(json.dumps({'error': 'no id'}), flush=True); sys.exit(1)", 2),
        ("import os; os.close(1); os._exit(3)", 2),
    ],
)
def test_programs_that_know_no_start_keep_working(
    small: Path, program: Callable[..., str], starts: Callable[[], int], start: str, count: int
) -> None:
    report = ask(program(start), small)
    assert (report.counts["pass"], starts()) == (COUNT, count)
    assert report.program == Program(sys.executable)


def test_what_a_program_leaves_out_or_gets_wrong_of_itself_is_empty(small: Path, program: Callable[..., str]) -> None:
    odd = {"name": 7, "version": None, "language": ["C"], "homepage": "javascript:alert(1)", "issues": "x y", "q": 1}
    assert ask(program(say(odd)), small).program == Program("7")


def test_names_cannot_write_to_the_terminal_or_spoil_the_xml(
    small: Path, program: Callable[..., str], tmp_path: Path
) -> None:
    rude = {"name": "\x1b[2J<b>&\n\x00" + "a" * 999, "homepage": "https://a.b/\"onload='x"}
    done = run("run", "--vectors", small, "--command", program(say(rude)), "--junit", tmp_path / "found.xml")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("asked: "))
    assert len(line) < 300
    name = ask(program(say(rude)), small).program.name
    assert name.isprintable()
    assert len(name) <= 200
    root = ElementTree.parse(tmp_path / "found.xml").getroot()  # noqa: S314 - our own file
    assert "<b>&" in str(root.get("name"))
    assert "program.homepage" not in {p.get("name") for p in root.iter("property")}


# What is left out ------------------------------------------------------------------------------------------------


def test_a_case_that_is_left_out_says_why(small: Path, program: Callable[..., str], tmp_path: Path) -> None:
    address = "https://example.org/theirs/issues/12"
    each = (
        "answer = {'id': case['id'], 'skip': '" + address + "'} if case['id'] == 'core/dense/bias' else answer\n"
        "    if case['id'].startswith('networks'): answer = {'id': case['id'], 'skip': 'takes\\nan hour'}"
    )
    done = run("run", "--vectors", small, "--command", program(say(ABOUT), each), "--junit", tmp_path / "found.xml")
    assert done.exit_code == 0, done.stdout
    assert f"skip: {address} (1)\n" in done.stdout
    assert "skip: takes an hour (1)\n" in done.stdout
    assert f"{COUNT - 2} pass, 2 skip" in done.stdout
    tests = {t.get("name"): t for t in ElementTree.parse(tmp_path / "found.xml").iter("testcase")}  # noqa: S314
    skipped = tests["core/dense/bias"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == f"skip: {address}"
    assert [(p.get("name"), p.get("value")) for p in tests["core/dense/bias"].iter("property")] == [("issue", address)]
    assert not list(tests["networks/chain/relu"].iter("property"))


def test_skip_and_about_in_python(small: Path) -> None:
    def theirs(case: dict[str, Any]) -> Any:
        if case["group"] == "core":
            raise vectors.Skip("https://example.org/1")
        return {"skip": "not now"}

    report = vectors.run(theirs, cases=vectors.load(small))
    assert report.counts["skip"] == COUNT
    assert {r.reason for r in report.results} == {"https://example.org/1", "not now"}
    assert not report.holds
    assert report.program == Program(f"{__name__}:{theirs.__qualname__}", language="Python")
    theirs.about = ABOUT  # type: ignore[attr-defined]
    assert vectors.run(theirs, cases=vectors.load(small)).program == Program(**ABOUT)


def test_left_out_options_of_a_topic_are_no_failure(small: Path) -> None:
    """The other option holds, or nothing of the topic is answered."""
    from lrp_ref.vectors.own import relevance

    def first(case: dict[str, Any]) -> Any:
        return {"skip": "later"} if case["choice"]["option"] == "share" else relevance(case)

    cases = vectors.load(small, groups=["alternatives"])
    report = vectors.run(first, cases=cases)
    assert (report.options, report.counts["pass"], report.counts["skip"]) == ({"maxpool-ties": "first"}, 2, 2)
    assert vectors.run(lambda _: {"skip": "later"}, cases=cases).counts["skip"] == 4


def test_a_module_or_an_object_says_who_it_is(small: Path, tmp_path: Path) -> None:
    path = tmp_path / "their_module.py"
    path.write_text("about = {'name': 'mine', 'version': '0.1'}\ndef answer(case): raise NotImplementedError\n")
    report = vectors.run(f"{path}:answer", cases=vectors.load(small, groups=["faulty"]))
    assert str(report.program) == "mine 0.1 (Python)"
    assert str(vectors.PythonAdapter(len, name="x").program) == "x (Python)"

    class Theirs:
        about: ClassVar = {"name": "an object"}

        def method(self, case: dict[str, Any]) -> None: ...

        def __call__(self, case: dict[str, Any]) -> None: ...

    assert program_of(Theirs()).name == "an object"
    assert program_of(Theirs().method).name == f"{__name__}:{Theirs.method.__qualname__}"


def test_lrp_ref_itself_is_named(small: Path) -> None:
    import lrp_ref

    assert str(vectors.run(cases=vectors.load(small)).program) == f"lrp_ref {lrp_ref.__version__} (Python)"


# What goes wrong ---------------------------------------------------------------------------------------------------

SECOND = "if case['id'] == 'core/dense/bias': "


NO_JSON = "which is not a line of JSON; what is no answer belongs on standard error"
SWAP = "last = globals().get('last', answer); last, answer = answer, last"
HUGE = "answer = {'id': case['id'], 'relevance': [{'shape': [10**12], 'data': [1]}]}"
AGAIN = "if 'start' in case: answer = {'name': 'theirs'}  # as if a network asked who it is"


@pytest.mark.parametrize(
    ("start", "each", "before", "said"),
    [
        (
            say(ABOUT),
            "",
            "print('Loading the model', flush=True)",
            f"plain: it answered 'Loading the model', {NO_JSON}",
        ),
        (say(ABOUT), SECOND + "print('debug', flush=True)", "", f"bias: it answered 'debug', {NO_JSON}"),
        (say(ABOUT), "print(json.dumps(answer), flush=True)", "", "its answer has the id 'core/dense/plain'"),
        (say(ABOUT), SECOND + "answer['id'] = 'core/add/plain'", "", "its answer has the id 'core/add/plain'"),
        (say(ABOUT), SWAP, "", "on core/dense/bias: its answer has the id 'core/dense/plain'"),
        (say(ABOUT), SECOND + "sys.exit(3)", "", "on core/dense/bias: it ended with status 3 instead of answering"),
        (say(ABOUT), SECOND + "answer = 'text'", "", "its answer has the id None"),
        (say(ABOUT), AGAIN, "", "an answer repeats the id of its question: only a line without an id asks who it is"),
        (say(ABOUT), "answer['relevance'] = 'x' * 5000", "", "more than 4000 characters in one line"),
        (say(ABOUT), "print('[' * 3000, flush=True); continue", "", NO_JSON),
        (say(ABOUT), HUGE, "", "1 numbers for shape"),
    ],
)
def test_nonsense_is_one_line(
    small: Path, program: Callable[..., str], start: str, each: str, before: str, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(jsonlines, "LINE_LIMIT", 4000)
    done = run("run", "--vectors", small, "--command", program(start, each, before), "--timeout", "60")
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_program_that_hangs_is_given_up_once_with_a_hint(
    small: Path, program: Callable[..., str], starts: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonlines, "GRACE", 0.3)
    begin = time.monotonic()
    with pytest.raises(AdapterError, match=r"plain: no answer within 4 s \(--timeout\); does it .* flush it\?"):
        ask(program("sys.stdin.read()"), small, timeout=4.0)
    assert time.monotonic() - begin < 7.5
    assert starts() == 1


def test_a_banner_before_the_answers_is_passed_over_where_who_it_is_is_not_known(
    small: Path, program: Callable[..., str]
) -> None:
    """It stands where the answer to the line may stand that the program does not know."""
    assert ask(program("continue", "", "print('Loading', flush=True)"), small).counts["pass"] == COUNT


def test_null_is_nan_and_fails_like_it(small: Path, program: Callable[..., str]) -> None:
    report = ask(program(say(ABOUT), SECOND + "answer['relevance'][0]['data'][0] = None"), small)
    (failure,) = report.failures
    assert "got nan" in failure.difference


def test_an_adapter_with_no_more_than_ask_and_close_is_enough(small: Path) -> None:
    class Bare:
        def ask(self, question: dict[str, Any]) -> vectors.adapters.Answer:
            return vectors.adapters.Answer("unsupported", "everything")

        def close(self) -> None: ...

    report = vectors.run(Bare(), cases=vectors.load(small))
    assert (report.counts["unsupported"], report.program.name) == (COUNT, "Bare")
