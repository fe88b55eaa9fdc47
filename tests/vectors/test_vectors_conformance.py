"""The decorator that makes a pytest test of every case, as another project uses it: pytest runs a file of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from vector_set import FILES, write

from lrp_ref import vectors
from lrp_ref.errors import LrpError, MissingExtraError, ParameterError
from lrp_ref.vectors import conformance
from lrp_ref.vectors.conformance import ANY, items_of
from lrp_ref.vectors.xfails import fits

TOPIC = "alternatives/maxpool-ties"
IDS = [case["id"] for cases in FILES.values() for case in cases]
TESTS = [*dict.fromkeys(TOPIC if name.startswith("alternatives/") else name for name in IDS), ANY]
NO_BIAS = "if case.get('layer', {}).get('bias') is not None: case['layer']['bias'] = None"

pytest_plugins = ["pytester"]
HEAD = """
import asyncio, numpy as np, pytest, unittest
from lrp_ref.vectors import Skip, Unsupported, conformance, read_xfails
from lrp_ref.vectors.own import relevance as right
HERE = {folder!r}
"""


@dataclass(frozen=True)
class Ran:
    """What became of the tests: outcome and message by name, and what pytest printed."""

    tests: dict[str, tuple[str, str]]
    status: int
    out: str

    def named(self, outcome: str) -> set[str]:
        return {name for name, (found, _) in self.tests.items() if found == outcome}

    def counts(self) -> dict[str, int]:
        return {k: n for k in ("passed", "failed", "skipped", "xfailed") if (n := len(self.named(k)))}

    def message(self, name: str) -> str:
        (found,) = (message for test, (_, message) in self.tests.items() if f"[{name}]" in test)
        return found


@pytest.fixture
def ran(pytester: pytest.Pytester) -> Callable[..., Ran]:
    """Write a test file of another project and run pytest on it, with its settings and not with this project's."""
    folder = write(pytester.path / "small")
    pytester.makeini("[pytest]\n")

    def run(body: str, *options: str, apart: bool = False) -> Ran:
        (pytester.path / "test_theirs.py").write_text(HEAD.format(folder=str(folder)) + body)
        found = pytester.path / "found.xml"
        found.unlink(missing_ok=True)
        options = ("-p", "no:cacheprovider", f"--junitxml={found}", *options)
        done = pytester.runpytest_subprocess(*options) if apart else pytester.runpytest_inprocess(*options)
        tests = {}
        for test in ElementTree.parse(found).iter("testcase") if found.exists() else ():  # noqa: S314 - our own file
            below = next((e for e in test if e.tag in ("failure", "error", "skipped")), None)
            outcome, message = "passed", ""
            if below is not None:
                message = f"{below.get('message', '')}\n{below.text or ''}"
                outcome = "failed" if below.tag != "skipped" else "skipped"
                outcome = "xfailed" if below.get("type") == "pytest.xfail" else outcome
            tests[f"{test.get('classname')}.{test.get('name')}"] = outcome, message
        return Ran(tests, int(done.ret), f"{done.stdout}\n{done.stderr}")

    return run


def test_every_case_is_a_test_a_topic_is_one_and_ids_are_shown(ran: Callable[..., Ran]) -> None:
    done = ran("@conformance(folder=HERE)\ndef test_lrp(case):\n    return right(case)\n", "-v")
    assert (done.status, done.counts()) == (0, {"passed": len(TESTS)})
    assert list(done.tests) == [f"test_theirs.test_lrp[{name}]" for name in TESTS]
    assert "test_theirs.py::test_lrp[core/dense/plain] PASSED" in done.out


def test_a_failure_says_what_the_runner_says(ran: Callable[..., Ran]) -> None:
    done = ran(
        f"@conformance(folder=HERE, groups=['core'])\ndef test_lrp(case):\n    {NO_BIAS}\n    return right(case)\n"
    )
    assert done.named("failed") == {f"test_theirs.test_lrp[core/dense/{name}]" for name in ("bias", "third")}
    said = done.message("core/dense/third")
    times = f"{(1 / 6) / (8 * 2.0**-52 * 16):.3g}"
    assert f"input 0 [0, 0]: expected 0.333333333, got 0.5; difference / tolerance = {times}\n" in said
    assert "\nworked out by hand\nlrp-vectors 1.0.0, float64" in said
    assert "hidden" not in done.out
    assert "conformance.py" not in done.out  # no traceback of this package where numbers are wrong
    assert re.search(r"FAILED .*third\] - Failed: input 0 ", done.out)


def test_a_named_fault_is_named(ran: Callable[..., Ran]) -> None:
    """On the vectors of the package, which know what faults answer: γ with b in place of b + γb⁺."""
    body = (
        "from lrp_ref.vectors.own import make_layer, make_rule\n"
        "@conformance(only=['core/small/G-1'])\n"
        "def test_lrp(case):\n"
        "    return np.array([[1, -0.4]])  # the answer of gamma-bias, by hand\n"
    )
    assert "\nthe numbers of gamma-bias" in ran(body).message("core/small/G-1")


def test_an_exception_fails_with_its_traceback_and_passes_a_faulty_case(ran: Callable[..., Ran]) -> None:
    done = ran("@conformance(folder=HERE)\ndef test_lrp(case):\n    raise KeyError('no such weight')  # here\n")
    assert done.counts() == {"failed": len(TESTS) - 2, "passed": 2}
    assert done.named("passed") == {f"test_theirs.test_lrp[{n}]" for n in ("faulty/rules/negative-epsilon", ANY)}
    said = done.message("core/add/plain")
    assert "refused: KeyError: 'no such weight'" in said
    assert "raise KeyError('no such weight')  # here" in said


def test_a_faulty_case_that_is_answered_fails(ran: Callable[..., Ran]) -> None:
    done = ran("@conformance(folder=HERE, groups=['faulty'])\ndef test_lrp(case):\n    return case['inputs']\n")
    assert "answered instead of refusing" in done.message("faulty/rules/negative-epsilon")


@pytest.mark.parametrize("answer", ["None", "'text'", "{'relevance': object()}", "exit(3)"])
def test_what_can_be_no_answer_fails_even_where_a_failure_is_expected(ran: Callable[..., Ran], answer: str) -> None:
    body = (
        f"@conformance(folder=HERE, xfails={{'*': 'all'}}, groups=['core'])\ndef test_lrp(case):\n    return {answer}\n"
    )
    done = ran(body)
    assert done.counts() == {"failed": 6}
    assert "the test's function, on core/dense/plain" in done.message("core/dense/plain")


# Expected failures, strict both ways -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "xfails",
    [
        {"core/dense/bias": "known", "core/dense/third": "known"},
        {"core/dense/[bt]*": "known"},
        {"flag:no-bias": "known"},
    ],
)
def test_listed_failures_are_expected(ran: Callable[..., Ran], xfails: dict[str, str]) -> None:
    head = f"@conformance(folder=HERE, groups=['core'], xfails={xfails})\n"
    done = ran(f"{head}def test_lrp(case):\n    {NO_BIAS}\n    return right(case)\n")
    assert (done.status, done.counts()) == (0, {"passed": 4, "xfailed": 2})
    assert "known" in done.message("core/dense/third")
    assert ran(f"{head}def test_lrp(case):\n    {NO_BIAS}\n    return right(case)\n", "--runxfail").counts() == {
        "passed": 4, "failed": 2,
    }  # fmt: skip
    now = ran(f"{head}def test_lrp(case):\n    return right(case)\n")
    assert now.counts() == {"passed": 4, "failed": 2}
    assert f"it passes, but '{next(iter(xfails))}' lists it as an expected failure" in now.message("core/dense/bias")


def test_of_overlapping_patterns_the_first_gives_the_reason_and_all_are_named(ran: Callable[..., Ran]) -> None:
    head = "@conformance(folder=HERE, groups=['core'], xfails={'*/bias': 'first', 'core/dense/bias': 'second'})\n"
    wrong = ran(f"{head}def test_lrp(case):\n    return [x + 1 for x in right(case)]\n", "-k", "bias")
    assert "first" in wrong.message("core/dense/bias")
    assert "second" not in wrong.message("core/dense/bias")
    right = ran(f"{head}def test_lrp(case):\n    return right(case)\n", "-k", "bias")
    assert "it passes, but '*/bias' and 'core/dense/bias' list it" in right.message("core/dense/bias")


def test_a_list_may_be_longer_than_the_groups_and_be_read_from_a_file(
    ran: Callable[..., Ran], pytester: pytest.Pytester
) -> None:
    (pytester.path / "xfails.txt").write_text("networks/*  # of another test\nflag:no-bias  # left out\n")
    done = ran(
        "import lrp_ref.vectors as v\n"
        "known = read_xfails('xfails.txt', v.load(HERE))\n"
        f"@conformance(folder=HERE, groups=['core'], xfails=known)\ndef test_lrp(case):\n    {NO_BIAS}\n"
        "    return right(case)\n"
    )
    assert done.counts() == {"passed": 4, "xfailed": 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"xfails": {"core/dens/*": ""}}, "xfails: no case fits 'core/dens/*': did you mean 'core/dense/"),
        ({"xfails": {"flag:no-bia": ""}}, "no case fits 'flag:no-bia': did you mean 'flag:no-bias'?"),
        ({"xfails": {"[": ""}}, "no case fits '['"),
        ({"xfails": ["core/*"]}, "xfails: give a dict, pattern: reason"),
        ({"groups": ["cor"]}, "unknown group 'cor': did you mean 'core'?"),
        ({"only": ["nothing"]}, "no case fits 'nothing'"),
        ({"groups": ["core"], "only": ["networks/*"]}, "no case fits 'networks/*'"),
        ({"dtype": "float16"}, "unknown dtype 'float16'"),
        ({"choose": {"ties": "first"}}, "unknown topic 'ties'"),
        ({"choose": {"maxpool-ties": "last"}}, "unknown option of maxpool-ties 'last'"),
    ],
)
def test_what_fits_nothing_is_refused_where_it_stands(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError) as error:
        conformance(folder=write(tmp_path / "small"), **options)
    assert said in str(error.value)


def test_a_pattern_that_fits_no_case_fails_the_run(ran: Callable[..., Ran]) -> None:
    done = ran("@conformance(folder=HERE, xfails={'core/x': ''})\ndef test_lrp(case):\n    return right(case)\n")
    assert done.status not in (0, 5)
    assert "no case fits 'core/x'" in done.out


# Unsupported and left out ----------------------------------------------------------------------------------------


def test_what_is_not_there_is_skipped_with_its_reason(ran: Callable[..., Ran]) -> None:
    done = ran(
        "@conformance(folder=HERE, xfails={'core/add/*': 'listed'})\n"
        "def test_lrp(case):\n"
        "    if case['group'] == 'networks': raise Unsupported('no networks')\n"
        "    if case['id'] == 'core/add/plain': raise Skip('https://example.org/issues/7')\n"
        "    if case['group'] == 'alternatives': pytest.skip('by pytest')\n"
        "    return right(case)\n"
    )
    assert done.counts() == {"passed": len(TESTS) - 3, "skipped": 3}
    assert "unsupported: no networks" in done.message("networks/chain/relu")
    assert "skip: https://example.org/issues/7" in done.message("core/add/plain")
    assert "skip: by pytest" in done.message(TOPIC)


def test_where_no_case_is_answered_one_test_fails(ran: Callable[..., Ran]) -> None:
    done = ran("@conformance(folder=HERE)\ndef test_lrp(case):\n    raise Unsupported('nothing')\n")
    assert done.counts() == {"failed": 1, "skipped": len(TESTS) - 1}
    assert f"none of the {len(IDS)} cases is answered" in done.message(ANY)
    # Who skips by pytest's own means, such as importorskip, has said so to pytest.
    done = ran("@conformance(folder=HERE)\ndef test_lrp(case):\n    pytest.importorskip('no_such_module')\n")
    assert done.counts() == {"skipped": len(TESTS)}


# Alternatives ----------------------------------------------------------------------------------------------------

SHARE = "    if case['rule'].get('ties'): case['rule']['ties'] = 'share'\n"


def test_one_option_of_a_topic_has_to_be_met(ran: Callable[..., Ran]) -> None:
    head = "@conformance(folder=HERE, groups=['alternatives'])\ndef test_lrp(case):\n"
    assert ran(f"{head}{SHARE}    return right(case)\n").counts() == {"passed": 2}
    wrong = "    if case['id'].endswith('-none'): return [0 * x for x in case['inputs']]\n"
    done = ran(f"{head}{SHARE}{wrong}    return right(case)\n")
    assert done.counts() == {"failed": 1, "passed": 1}
    said = done.message(TOPIC)
    assert "no option of maxpool-ties is met in all its cases; compared with share:" in said
    assert "alternatives/ties/share-none: input 0 [0, 0, 1]: expected 1, got 0" in said
    assert "alternatives/ties/first" not in said


def test_a_demanded_option_has_to_be_met(ran: Callable[..., Ran]) -> None:
    def body(option: str) -> str:
        return (f"@conformance(folder=HERE, groups=['alternatives'], choose={{'maxpool-ties': {option!r}}})\n"
                f"def test_lrp(case):\n{SHARE}    return right(case)\n")  # fmt: skip

    assert ran(body("share")).counts() == {"passed": 2}
    done = ran(body("first"))
    assert "alternatives/ties/first: input 0 [0, 0, 1]: expected 1, got 0.5" in done.message(TOPIC)


def test_expected_failures_of_a_topic_are_those_of_the_option_that_is_nearest(ran: Callable[..., Ran]) -> None:
    """As in the runner: an option that is not met is set aside, listed or not; of the nearest the list is strict."""
    head = "@conformance(folder=HERE, groups=['alternatives'], xfails={'alternatives/ties/share-none': 'known'})\n"
    wrong = "    if case['id'].endswith('-none'): return [0 * x for x in case['inputs']]\n"
    assert ran(f"{head}def test_lrp(case):\n{SHARE}{wrong}    return right(case)\n").counts() == {
        "xfailed": 1,
        "passed": 1,
    }
    assert ran(f"{head}def test_lrp(case):\n{SHARE}    return right(case)\n").counts() == {"failed": 1, "passed": 1}


def test_a_listed_failure_does_not_hide_another_one_of_its_topic(ran: Callable[..., Ran]) -> None:
    head = "@conformance(folder=HERE, groups=['alternatives'], xfails={'alternatives/ties/share-none': 'known'})\n"
    body = f"{head}def test_lrp(case):\n    return [0 * x for x in case['inputs']]\n"
    choose = body.replace("xfails=", "choose={'maxpool-ties': 'share'}, xfails=")
    done = ran(choose)
    assert done.counts() == {"failed": 1, "passed": 1}
    said = done.message(TOPIC)
    assert "alternatives/ties/share: input 0 [0, 0, 1]: expected 0.5, got 0" in said
    assert "share-none" not in said


def test_an_id_with_brackets_is_meant_by_itself() -> None:
    case = replace(vectors.load(only=["core/small/G-1"])[0], id="core/x[1]")
    assert fits("core/x[1]", case)
    assert fits("core/x[[]1]", case)
    assert not fits("core/x[2]", case)


def test_the_tests_say_what_the_runner_says_of_every_case(ran: Callable[..., Ran]) -> None:
    """On all vectors of the package, of a program with a fault in places: the same cases fail, by both."""
    body = (
        "def wrong(case):\n"
        "    if 'network' in case: raise Unsupported('networks')\n"
        "    if case['layer']['type'] == 'Conv' and case['rule'].get('epsilon'): case['rule']['epsilon'] = 0.0\n"
        "    return right(case)\n\n"
    )
    done = ran(f"{body}@conformance\ndef test_lrp(case):\n    return wrong(case)\n")
    space: dict[str, Any] = {}
    exec(HEAD.format(folder="") + body, space)  # noqa: S102 - the same text
    report = vectors.run(space["wrong"])
    topics = {f"alternatives/{r.case.topic}" for r in report.failures if r.case.topic}
    expected = {r.case.id for r in report.failures if not r.case.topic} | topics
    assert len(expected) > 5
    assert done.named("failed") == {f"test_theirs.test_lrp[{name}]" for name in expected}
    left = {r.case.id for r in report.results if r.status == "unsupported"}
    assert done.named("skipped") == {f"test_theirs.test_lrp[{name}]" for name in left}


# How it lives with the rest of pytest ------------------------------------------------------------------------------


def test_methods_fixtures_parameters_and_two_functions_in_one_file(ran: Callable[..., Ran]) -> None:
    done = ran(
        "@pytest.fixture\ndef device(): yield 'cpu'\n\n"
        "class TestTheirs:\n"
        "    @conformance(folder=HERE, groups=['core'], dtype='float32')\n"
        "    def test_one(self, device, case, tmp_path):\n"
        "        assert (device, case['dtype'], tmp_path.is_dir()) == ('cpu', 'float32', True)\n"
        "        return right(case)\n\n"
        "    @staticmethod\n    @conformance(folder=HERE, groups=['faulty'])\n"
        "    def test_static(case):\n        return right(case)\n\n"
        "@pytest.mark.parametrize('factor', [1, 2])\n@conformance(folder=HERE, groups=['core'])\n"
        "def test_two(case, factor):\n    return [factor * x for x in right(case)]\n"
    )
    failed, passed = done.named("failed"), done.named("passed")
    assert {re.sub(r"\[.*", "", name) for name in passed} == {
        "test_theirs.TestTheirs.test_one", "test_theirs.TestTheirs.test_static", "test_theirs.test_two",
    }  # fmt: skip
    assert len(failed) == 5
    assert all("2" in name.rpartition("[")[2] for name in failed)


def test_it_runs_in_several_processes(ran: Callable[..., Ran]) -> None:
    pytest.importorskip("xdist")
    body = f"@conformance(folder=HERE)\ndef test_lrp(case):\n    {NO_BIAS}\n    return right(case)\n"
    alone, spread = ran(body), ran(body, "-n", "2", apart=True)
    assert alone.tests.keys() == spread.tests.keys()
    assert {k: v[0] for k, v in alone.tests.items()} == {k: v[0] for k, v in spread.tests.items()}
    assert alone.counts()["failed"] == 2


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("core/dense", 4),
        ("core/dense/plain", 1),
        ("plain and not add", 1),
        ("test_lrp[core/dense/plain]", 1),
        ("alternatives", 1),
    ],
)
def test_some_are_chosen_by_words(ran: Callable[..., Ran], words: str, count: int) -> None:
    done = ran("@conformance(folder=HERE)\ndef test_lrp(case):\n    return right(case)\n", "-k", words)
    assert done.counts() == {"passed": count}


def test_one_is_chosen_by_its_name(ran: Callable[..., Ran]) -> None:
    body = "@conformance(folder=HERE)\ndef test_lrp(case):\n    return right(case)\n"
    assert ran(body, "test_theirs.py::test_lrp[core/dense/third]").counts() == {"passed": 1}


def test_what_one_test_does_to_a_case_the_next_does_not_see(ran: Callable[..., Ran]) -> None:
    body = "@conformance(folder=HERE, groups=['core'])\ndef test_{0}(case):\n    found = right(case)\n"
    spoil = "    case['inputs'][0][:] = 7\n    case.clear()\n    return found\n"
    assert ran((body + spoil).format("a") + (body + spoil).format("b")).counts() == {"passed": 12}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("@conformance(folder=HERE)\nclass TestIt: ...\n", "the class TestIt: decorate its methods"),
        ("@conformance(folder=HERE)\ndef test_lrp(question): ...\n", "test_lrp has no parameter 'case'"),
        ("@conformance(folder=HERE)\nasync def test_lrp(case): ...\n", "the coroutine test_lrp: answer in a function"),
        ("class TestIt:\n    @conformance(folder=HERE)\n    @staticmethod\n    def test_lrp(case): ...\n",
         "a staticmethod: put it below @staticmethod"),
        ("@conformance('core')\ndef test_lrp(case): ...\n", "decorates a function or a method, not a str"),
        ("class TestIt(unittest.TestCase):\n    @conformance(folder=HERE)\n    def test_lrp(self, case): ...\n",
         "only pytest calls it, and not as a method of unittest.TestCase"),
    ],
)  # fmt: skip
def test_what_cannot_be_decorated_is_told(ran: Callable[..., Ran], body: str, said: str) -> None:
    done = ran(body)
    assert done.status not in (0, 5)
    assert said in done.out


def test_called_without_pytest_it_says_so(tmp_path: Path) -> None:
    @conformance(folder=write(tmp_path / "small"))
    def answers(case: dict[str, Any]) -> Any:
        return case

    with pytest.raises(LrpError, match="only pytest calls it"):
        answers({"id": "a"})
    with pytest.raises(LrpError, match="only pytest calls it"):
        answers(case={"id": "a"})


def test_pytest_is_needed_where_it_is_used_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "small")
    monkeypatch.setitem(sys.modules, "pytest", None)
    with pytest.raises(MissingExtraError, match="pytest is needed to make tests of the cases"):
        conformance(folder=folder)(lambda case: case)
    code = "import sys, lrp_ref.vectors; assert 'pytest' not in sys.modules and '_pytest' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_items_keep_the_order_of_the_files() -> None:
    cases = vectors.load()
    items = items_of(cases)
    assert sum(len(item.cases) for item in items[:-1]) == len(cases)
    assert [item.id for item in items[:3]] == [case.id for case in cases[:3]]
    assert len({item.id for item in items}) == len(items)
    assert sum(len(item.cases) > 1 for item in items[:-1]) == len({case.topic for case in cases if case.topic})
