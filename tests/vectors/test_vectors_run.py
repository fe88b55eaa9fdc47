"""The conformance vectors as their users run them: adapters, programs, expected failures, named reasons, JUnit."""

import inspect
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click.testing
import numpy as np
import pytest
from vector_set import FILES, dense, numbers, write

import lrp_ref
from lrp_ref import vectors
from lrp_ref.cli import main
from lrp_ref.errors import LrpError, ModelFormatError, ParameterError
from lrp_ref.vectors import files
from lrp_ref.vectors.adapters import read_answer

COUNT = sum(len(cases) for cases in FILES.values())


def run(*arguments: object) -> click.testing.Result:
    """Run a command in this process; anything but an exit is a failure of the test."""
    return click.testing.CliRunner().invoke(main, ["vectors", *map(str, arguments)], catch_exceptions=False)


def one_line(done: click.testing.Result) -> str:
    """Return the one line of an error with exit status 2."""
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("lrp-ref: error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("lrp-ref: error: ").strip()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "small")


@pytest.fixture
def adapter(tmp_path: Path) -> Callable[..., str]:
    """Write a Python adapter around lrp_ref's own answer; returns its name for --adapter."""

    def make(body: str) -> str:
        path = tmp_path / "their.py"
        path.write_text(
            "import time, numpy as np\nfrom lrp_ref.vectors import Unsupported\nfrom lrp_ref.vectors.own import "
            f"relevance as right\n\ndef answer(case):\n    {body}\n    return right(case)\n"
        )
        return f"{path}:answer"

    return make


NO_BIAS = "if case.get('layer', {}).get('bias') is not None: case['layer']['bias'] = None"


# Reading ---------------------------------------------------------------------------------------------------------


def test_cases_are_read_with_their_group_flags_and_choice(small: Path) -> None:
    cases = {c.id: c for c in vectors.load(small)}
    assert len(cases) == COUNT
    assert cases["core/dense/bias"].catches == ("absolute", "no-bias")
    assert (cases["alternatives/ties/share"].topic, cases["alternatives/ties/share"].option) == (
        "maxpool-ties",
        "share",
    )
    assert cases["faulty/rules/negative-epsilon"].refuse
    assert [c.id for c in vectors.load(small, groups=["core"], only=["*/plain"])] == [
        "core/dense/plain",
        "core/add/plain",
    ]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_question_holds_arrays_of_the_dtype_and_nothing_that_is_expected(small: Path, dtype: str) -> None:
    secret = {"output", "relevance_in", "relevance", "values", "ledger", "tolerance", "catches", "expect", "note"}
    for case in vectors.load(small):
        question = case.question(dtype)
        assert not secret & set(question)
        assert question["dtype"] == dtype
        inputs = question["inputs"]
        assert all(a.dtype == dtype for a in (inputs.values() if isinstance(inputs, dict) else inputs))
    epsilon = vectors.load(small, only=["core/dense/epsilon"])[0].question(dtype)["rule"]["epsilon"]
    assert (type(epsilon), epsilon) == (float, 0.25)


def test_what_one_adapter_does_to_a_question_the_next_does_not_see(small: Path) -> None:
    case = vectors.load(small, only=["core/dense/bias"])[0]
    case.question()["inputs"][0][:] = 7
    assert case.question()["inputs"][0].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c["inputs"][0].update(shape=[1, 3]), "2 numbers for shape [1, 3]"),
        (lambda c: c["inputs"][0].update(shape=[-1, -2]), "not a list of sizes"),
        (lambda c: c["inputs"][0].update(decimal=["1", "x"]), "could not convert"),
        (lambda c: c.pop("tolerance"), "'scale' is missing"),
        (lambda c: c["tolerance"].update(scale=[]), "1 relevances with 0 tolerance scales"),
        (lambda c: c["tolerance"].update(scale=[numbers((1,), [1])]), "different shapes"),
        (lambda c: c.update(choice=[1]), "core/dense/plain"),
        (lambda c: c.pop("id"), "case 0 has no id"),
    ],
)
def test_a_damaged_case_is_refused_with_its_name(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], Any], message: str
) -> None:
    case = dense("core/dense/plain", [1, 3], [[1], [1]], None, [1], 0)
    spoil(case)
    folder = write(tmp_path / "damaged", {"core/dense.json": [case]})
    said = one_line(run("run", "--vectors", folder))
    assert message in said
    assert "core/dense" in said


def test_damaged_files_are_refused(tmp_path: Path, small: Path) -> None:
    with pytest.raises(ModelFormatError, match=r"no such file; a folder of vectors has a manifest"):
        vectors.load(tmp_path)
    manifest = json.loads((small / "manifest.json").read_text())
    for change, message in (
        ({"format": "other"}, "not a file of conformance vectors"),
        ({"version": "2.0.0"}, "version '2.0.0'"),
        ({"files": {"../../secret.json": {}}}, "not an entry of a file below"),
        ({"files": {"core/none.json": {}}}, "no such file"),
        ({"files": {}}, "lists no files"),
    ):
        (small / "manifest.json").write_text(json.dumps({**manifest, **change}))
        with pytest.raises(ModelFormatError, match=message):
            vectors.load(small)
    (small / "manifest.json").write_text("{")
    with pytest.raises(ModelFormatError, match="not readable as JSON"):
        vectors.load(small)


def test_an_id_that_is_used_twice_is_refused(tmp_path: Path) -> None:
    twice = [dense("core/dense/a", [1, 3], [[1], [1]], None, [1], 0)] * 2
    with pytest.raises(ModelFormatError, match="'core/dense/a' is used twice"):
        vectors.load(write(tmp_path / "twice", {"core/dense.json": twice}))


# Running ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lrp_ref_meets_the_cases_worked_out_by_hand(small: Path, dtype: str) -> None:
    report = vectors.run(cases=vectors.load(small), dtype=dtype)
    assert report.holds, [r.difference for r in report.failures]
    assert report.counts["pass"] == COUNT
    assert report.options == {"maxpool-ties": "first and share"}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lrp_ref_meets_every_vector(dtype: str) -> None:
    report = vectors.run(dtype=dtype)
    assert not report.failures, [f"{r.case.id}: {r.difference}" for r in report.failures]
    others = [r for r in report.results if r.status != "pass"]
    assert all(r.status == "other" and r.case.topic in report.options for r in others)
    assert {r.case.group for r in report.results} == {"core", "alternatives", "networks", "faulty"}


def test_a_run_prints_a_table_per_group_and_exits_with_0(small: Path) -> None:
    done = run("run", "--vectors", small, "--dtype", "float32")
    assert (done.exit_code, done.stderr) == (0, "")
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert rows["core"] == ["5", "5"]
    assert rows["all"] == [str(COUNT), str(COUNT)]
    assert done.stdout.splitlines()[-1].startswith(f"{COUNT} cases in float32: {COUNT} pass; largest difference 0")


def test_a_fault_is_measured_placed_and_named(small: Path, adapter: Callable[..., str]) -> None:
    """Without its bias the third unit has z = 2 instead of 3: R = 1/2 instead of 1/3, tolerance 8·2⁻⁵²·16."""
    done = run("run", "--vectors", small, "--adapter", adapter(NO_BIAS))
    assert done.exit_code == 1
    assert (
        "FAIL core/dense/third\n  input 0 [0, 0]: expected 0.333333333, got 0.5; difference / tolerance ="
        in done.stdout
    )
    assert f"{(1 / 6) / (8 * 2.0**-52 * 16):.3g}\n  the numbers of no-bias\n" in done.stdout
    assert "reason: no-bias: 2 of 2 failing cases of Epsilon on Dense\n" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{COUNT} cases in float64: 2 fail"


def test_two_faults_get_two_reasons_and_a_flag_of_which_some_cases_pass_gets_none(
    small: Path, adapter: Callable[..., str]
) -> None:
    body = f"{NO_BIAS}\n    if 'epsilon' in case['rule']: case['rule']['epsilon'] = 0.0"
    report = vectors.run(adapter(body), cases=vectors.load(small, groups=["core"]))
    assert [str(r) for r in report.reasons] == [
        "no-bias: 2 of 3 failing cases of Epsilon on Dense",
        "epsilon-ignored: 1 of 3 failing cases of Epsilon on Dense",
    ]


def test_where_everything_fails_no_reason_is_named(small: Path) -> None:
    report = vectors.run(lambda case: [x + 1 for x in case["inputs"]], cases=vectors.load(small, groups=["core"]))
    assert report.counts["fail"] == 5
    assert report.reasons == ()


def test_a_difference_just_above_the_tolerance_fails_and_one_just_below_passes(small: Path) -> None:
    (case,) = vectors.load(small, only=["core/dense/plain"])
    exact, bound = np.array([[0.25, 0.75]]), 8 * 2.0**-52 * 16
    for off, status in ((0.9, "pass"), (1.1, "fail"), (-1.1, "fail")):
        answer = exact + np.array([[0.0, off * bound]])
        (result,) = vectors.run(lambda _, a=answer: a, cases=[case]).results
        assert result.status == status
        assert result.times == pytest.approx(abs(off), rel=0.05)
    assert vectors.run(lambda _: exact + 1e-5, cases=[case], dtype="float32").holds  # 8·2⁻²³·16 = 1.5e-5
    assert not vectors.run(lambda _: exact + 1e-5, cases=[case]).holds


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return np.zeros((1, 3))", "input 0: expected shape (1, 2), got (1, 3)"),
        ("return [np.zeros((1, 2))] * 2", "2 arrays for 1 operands"),
        ("return np.full((1, 2), np.nan)", "expected 0.25, got nan; difference / tolerance = inf"),
        ("return {'refused': 'no such rule'}", "refused: no such rule"),
        ("raise ValueError('weights\\nmissing')", "refused: ValueError: weights"),
    ],
)
def test_answers_that_do_not_fit_are_failures(small: Path, adapter: Callable[..., str], body: str, said: str) -> None:
    done = run("run", "--vectors", small, "--only", "core/dense/plain", "--adapter", adapter(body))
    assert done.exit_code == 1
    assert said in done.stdout


def test_a_network_is_compared_by_name_and_the_first_departure_is_told(
    small: Path, adapter: Callable[..., str]
) -> None:
    only = ["--vectors", small, "--group", "networks", "--adapter"]
    wrong = (
        "found = right(case); found['relu1'] = found['relu1'] + 1; found['input'] = found['input'] + 9; return found"
    )
    done = run("run", *only, adapter(wrong))
    assert "'relu1' [0, 0]: expected 4, got 5" in done.stdout
    assert run("run", *only, adapter("return {'input': right(case)['input']}")).exit_code == 0
    assert run("run", *only, adapter("return right(case)['input']")).exit_code == 0
    assert (
        "no relevance for input input; answered: fc1" in run("run", *only, adapter("return {'fc1': [[4, 0]]}")).stdout
    )


def test_a_faulty_case_must_be_refused(small: Path, adapter: Callable[..., str]) -> None:
    only = ["--vectors", small, "--group", "faulty", "--adapter"]
    done = run("run", *only, adapter("return case['inputs']"))
    assert done.exit_code == 1
    assert "answered instead of refusing" in done.stdout
    assert run("run", *only, adapter("raise ValueError('negative')")).exit_code == 0
    assert run("run", *only, adapter("return {'refused': 'negative'}")).exit_code == 0


def test_unsupported_is_told_and_counts_neither_way(small: Path, adapter: Callable[..., str]) -> None:
    body = "if case['group'] != 'core': raise Unsupported('no ' + case['group'])"
    done = run("run", "--vectors", small, "--adapter", adapter(body))
    assert done.exit_code == 0
    assert "unsupported: no alternatives (4)\n" in done.stdout
    assert f"{COUNT} cases in float64: 5 pass, 6 unsupported" in done.stdout
    nothing = run("run", "--vectors", small, "--adapter", adapter("raise Unsupported('nothing')"))
    assert nothing.exit_code == 1
    assert "nothing was checked, every case is unsupported" in nothing.stdout


# Alternatives ----------------------------------------------------------------------------------------------------


def test_one_option_per_topic_has_to_be_met(small: Path, adapter: Callable[..., str]) -> None:
    only = ["--vectors", small, "--group", "alternatives", "--adapter"]
    share = "case['rule']['ties'] = 'share'"
    done = run("run", *only, adapter(share))
    assert done.exit_code == 0
    assert "alternatives: maxpool-ties is share\n" in done.stdout
    assert "2 pass, 2 other option" in done.stdout
    assert run("run", *only, adapter(share), "--choose", "maxpool-ties=share").exit_code == 0
    wanted = run("run", *only, adapter(share), "--choose", "maxpool-ties=first")
    assert wanted.exit_code == 1
    assert "FAIL alternatives/ties/first\n" in wanted.stdout
    mixed = (
        "case['rule']['ties'] = 'share'; return [0 * x for x in right(case)] if case['id'][-1] == 'e' else right(case)"
    )
    assert run("run", *only, adapter(mixed)).exit_code == 1


def test_a_choice_that_does_not_exist_is_refused(small: Path) -> None:
    assert "unknown topic 'ties'" in one_line(run("run", "--vectors", small, "--choose", "ties=first"))
    said = one_line(run("run", "--vectors", small, "--choose", "maxpool-ties=last"))
    assert (
        said == "unknown option of maxpool-ties 'last': did you mean 'first'? known: first, share"
        or "known: first" in said
    )
    assert "TOPIC=OPTION" in one_line(run("run", "--vectors", small, "--choose", "first"))


# Expected failures -----------------------------------------------------------------------------------------------


def test_expected_failures_are_strict(small: Path, tmp_path: Path, adapter: Callable[..., str]) -> None:
    listed = tmp_path / "xfails.txt"
    listed.write_text("# of version 3\n\ncore/dense/bias  # the bias is left out\ncore/dense/th*\n")
    arguments = ["--vectors", small, "--xfails", listed]
    done = run("run", *arguments, "--adapter", adapter(NO_BIAS))
    assert done.exit_code == 0, done.stdout
    assert f"{COUNT - 2} pass, 2 xfail" in done.stdout
    assert "reason: no-bias: 2 of 2 failing cases of Epsilon on Dense\n" in done.stdout
    done = run("run", *arguments)
    assert done.exit_code == 1
    assert "XPASS core/dense/third\n  it passes, but 'core/dense/th*' lists it as an expected failure" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{COUNT} cases in float64: 2 pass unexpectedly"


def test_a_list_of_a_run_fits_its_cases_and_a_file_s_may_be_longer(small: Path, tmp_path: Path) -> None:
    cases = vectors.load(small, groups=["core"])
    with pytest.raises(ParameterError, match=r"xfails: no case fits 'networks/\*'"):
        vectors.run(cases=cases, xfails=["networks/*"])
    (tmp_path / "xfails.txt").write_text("networks/*  # of another run\n")
    assert run("run", "--vectors", small, "--group", "core", "--xfails", tmp_path / "xfails.txt").exit_code == 0


def test_a_line_that_names_no_case_is_refused(small: Path, tmp_path: Path) -> None:
    listed = tmp_path / "xfails.txt"
    listed.write_text("core/dense/bias\ncore/dens/*\n")
    said = one_line(run("run", "--vectors", small, "--xfails", listed))
    assert "line 2: no case fits 'core/dens/*'" in said
    assert "not readable as text" in one_line(run("run", "--vectors", small, "--xfails", tmp_path / "none.txt"))


# Adapters that cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "nowhere_at_all:relevance",
            "adapter 'nowhere_at_all:relevance': no module 'nowhere_at_all' here or installed",
        ),
        ("json:nothing", "adapter 'json:nothing': 'json' has no 'nothing'"),
        ("math:pi", "adapter 'math:pi': it is a float, not a function"),
        ("math", "adapter 'math': write module:function or file.py:function"),
        ("absent.py:answer", "adapter 'absent.py': there is no such file"),
    ],
)
def test_an_adapter_that_is_not_there_is_one_line(small: Path, name: str, said: str) -> None:
    assert one_line(run("run", "--vectors", small, "--adapter", name)) == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 'nonsense'", "its answer is a str: return an array"),
        ("return None", "its answer is a NoneType: return an array"),
        ("return np.zeros((1, 2), dtype=complex)", "complex128, not real numbers"),
        ("time.sleep(30)", "no answer within 0.2 s (--timeout)"),
        ("raise SystemExit(3)", "it ended the program (SystemExit: 3)"),
    ],
)
def test_an_adapter_that_answers_nonsense_or_hangs_is_one_line(
    small: Path, adapter: Callable[..., str], body: str, said: str
) -> None:
    begin = time.perf_counter()
    assert said in one_line(run("run", "--vectors", small, "--timeout", "0.2", "--adapter", adapter(body)))
    assert time.perf_counter() - begin < 4


def test_an_adapter_whose_import_fails_is_one_line(small: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import a_package_that_is_not_there\n")
    said = one_line(run("run", "--vectors", small, "--adapter", f"{tmp_path / 'broken.py'}:answer"))
    assert "its import fails: ModuleNotFoundError: No module named 'a_package_that_is_not_there'" in said


def test_modules_of_the_working_directory_are_found(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "found_here.py").write_text("from lrp_ref.vectors.own import relevance\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert run("run", "--vectors", small, "--adapter", "found_here:relevance").exit_code == 0


def test_an_adapter_finds_its_neighbours_while_it_loads_and_runs(small: Path, tmp_path: Path) -> None:
    """At its import, inside its function, and no longer afterwards: not even where its import fails."""
    folder = tmp_path / "adapters"
    folder.mkdir()
    (folder / "neighbour_at_import.py").write_text("from lrp_ref.vectors.own import relevance\n")
    (folder / "neighbour_in_the_function.py").write_text("SEEN = 1\n")
    lines = ["from __future__ import annotations", "from dataclasses import dataclass", "import neighbour_at_import"]
    lines += ["@dataclass", "class Kept:", "    case: dict", "def answer(case):"]
    lines += ["    import neighbour_in_the_function", "    return neighbour_at_import.relevance(Kept(case).case)"]
    (folder / "their.py").write_text("\n".join(lines))
    before = list(sys.path)
    assert run("run", "--vectors", small, "--adapter", f"{folder / 'their.py'}:answer").exit_code == 0
    assert sys.path == before
    (folder / "broken.py").write_text("import neighbour_at_import\nimport a_package_that_is_not_there\n")
    assert "its import fails" in one_line(run("run", "--vectors", small, "--adapter", f"{folder / 'broken.py'}:answer"))
    assert sys.path == before


def test_a_table_per_rule_tells_what_is_refused_and_with_what(small: Path, adapter: Callable[..., str]) -> None:
    body = f"""{NO_BIAS}
    if case['id'] == 'core/dense/plain': raise KeyError('weights')
    if case['id'] == 'core/dense/epsilon': return {{'refused': 'no ε'}}
    if case['id'].startswith('alternatives/ties/share'): raise Unsupported('no ties')"""
    done = run("run", "--vectors", small, "--adapter", adapter(body))
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert rows["rule"] == [
        "cases",
        "pass",
        "fail",
        "refused",
        "unsupported",
        "skip",
        "other",
        "option",
        "refused",
        "with",
    ]
    assert rows["Epsilon"] == ["4", "2", "2", "KeyError", "1,", "refused", "1"]  # two wrong, two refused
    assert rows["LRP0"] == ["1", "1"]
    assert rows["own"] == ["4", "2", "2"]
    assert rows["networks"] == ["1", "1"]
    assert "refused: 1 case with KeyError\n" in done.stdout


def test_adapter_and_command_exclude_each_other(small: Path) -> None:
    assert "not both" in one_line(run("run", "--vectors", small, "--adapter", "a:b", "--command", "c"))


# Programs ----------------------------------------------------------------------------------------------------------

PROGRAM = """import json, sys
for line in sys.stdin:
    case = json.loads(line, parse_constant=lambda name: sys.exit(9))
    answer = {"unsupported": "only Dense"}
    if case.get("layer", {}).get("type") == "Dense":
        (x,), w, b = case["inputs"], case["layer"]["weight"], case["layer"].get("bias")
        eps, out = case["rule"]["epsilon"], case["relevance_out"]["data"]
        I, J = w["shape"]
        z = [sum(x["data"][i] * w["data"][i * J + j] for i in range(I)) + (b["data"][j] if b else 0) for j in range(J)]
        s = [r / (v + (eps if v >= 0 else -eps)) for r, v in zip(out, z)]
        R = [sum(x["data"][i] * w["data"][i * J + j] * s[j] for j in range(J)) for i in range(I)]
        answer = {"relevance": [{"shape": x["shape"], "data": R}]} if eps >= 0 else {"refused": "negative"}
    CHANGE
    print(json.dumps({"id": case["id"], **answer}), flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., str]:
    def make(change: str = "pass") -> str:
        (tmp_path / "program.py").write_text(PROGRAM.replace("CHANGE", change))
        return f"'{sys.executable}' '{tmp_path / 'program.py'}'"

    return make


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_program_without_numpy_answers_lines_of_json(small: Path, program: Callable[..., str], dtype: str) -> None:
    done = run("run", "--vectors", small, "--command", program(), "--dtype", dtype)
    assert done.exit_code == 0, done.stdout
    assert "5 pass, 6 unsupported" in done.stdout
    assert "unsupported: only Dense (6)" in done.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sys.exit(7)", "on core/dense/plain: it ended with status 7 instead of answering"),
        ("import os; os.kill(os.getpid(), 9)", "it was killed by signal 9"),
        ("print('hello', flush=True); continue", "it answered 'hello', which is not a line of JSON"),
        ("case['id'] = 'another'", "its answer has the id 'another'; an answer repeats the id"),
        ("answer = {}", "has none of relevance, unsupported, refused, error"),
        ("answer = {'relevance': [[1, 2]]}", 'an array is {"shape": [...], "data": [numbers]}'),
        ("answer = {'relevance': [{'shape': [3], 'data': [1]}]}", "1 numbers for shape [3]"),
        ("import time; time.sleep(30)", "no answer within 0.5 s (--timeout)"),
        ("import os, time; os.close(1); time.sleep(30)", "instead of answering"),
    ],
)
def test_a_program_that_dies_hangs_or_answers_nonsense_is_one_line(
    small: Path, program: Callable[..., str], change: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrp_ref.vectors.jsonlines.GRACE", 0.5)
    wait = "0.5" if "within" in said else "20"
    assert said in one_line(run("run", "--vectors", small, "--timeout", wait, "--command", program(change)))


def test_a_program_that_was_given_up_leaves_no_open_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one whose output somebody else keeps open for a while after it was killed."""
    from lrp_ref.vectors import jsonlines

    monkeypatch.setattr(jsonlines, "GRACE", 0.2)
    script = tmp_path / "hangs.py"
    other = "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(2)'], start_new_session=True)"
    script.write_text(f"import subprocess, sys, time\n{other}\ntime.sleep(30)\n")
    adapter = jsonlines.CommandAdapter(f"{sys.executable} {script}", timeout=0.7)
    with pytest.raises(jsonlines.AdapterError, match="no answer within"):
        adapter.ask({"id": "any"})
    adapter.close()
    streams = [stream for stream in (adapter._process.stdin, adapter._process.stdout) if stream is not None]
    end = time.monotonic() + 20
    while not all(stream.closed for stream in streams) and time.monotonic() < end:
        time.sleep(0.02)
    assert [stream.closed for stream in streams] == [True, True]


def test_a_program_that_is_not_there_is_one_line(small: Path, tmp_path: Path) -> None:
    only = ["run", "--vectors", small, "--command"]
    assert one_line(run(*only, "no-such-program --flag")) == "command 'no-such-program': not found"
    assert "cannot be started" in one_line(run(*only, str(tmp_path)))
    assert "it is empty" in one_line(run(*only, " "))
    assert "No closing quotation" in one_line(run(*only, "'open"))


def test_an_error_of_a_program_fails_the_case_and_null_is_nan(small: Path, program: Callable[..., str]) -> None:
    only = ["run", "--vectors", small, "--only", "core/dense/plain", "--command"]
    assert "refused: out of luck" in run(*only, program("answer = {'error': 'out of luck'}")).stdout
    null = "answer['relevance'][0]['data'][1] = None"
    assert "input 0 [0, 1]: expected 0.75, got nan" in run(*only, program(null)).stdout


def test_numbers_that_json_lacks_travel_as_text() -> None:
    from lrp_ref.vectors.jsonlines import from_json, to_json

    sent = to_json({"x": np.array([np.nan, np.inf, -np.inf, 1.0], dtype=np.float32)})
    assert json.loads(json.dumps(sent, allow_nan=False)) == {"x": {"shape": [4], "data": ["nan", "inf", "-inf", 1.0]}}
    back = from_json({"id": "a", "relevance": [sent["x"]]}, "a", "x").arrays
    assert back is not None
    assert repr(back["0"]) == "array([ nan,  inf, -inf,   1.])"


def test_arrays_of_other_libraries_are_read() -> None:
    torch = pytest.importorskip("torch")
    arrays = read_answer([torch.ones(2), [1, 2]], "x").arrays
    assert arrays is not None
    assert [a.tolist() for a in arrays.values() if a is not None] == [[1, 1], [1, 2]]
    with pytest.raises(LrpError, match="its answer is a Tensor: return an array"):
        read_answer(torch.ones(2, requires_grad=True), "x")


# JUnit, list, export, check ----------------------------------------------------------------------------------------


def test_junit_has_a_suite_per_group_and_says_what_failed(
    small: Path, tmp_path: Path, adapter: Callable[..., str]
) -> None:
    (tmp_path / "xfails.txt").write_text("core/dense/bias # known\n")
    body = f"{NO_BIAS}\n    if 'network' in case: raise Unsupported('no \\x00 networks')"
    target = tmp_path / "found.xml"
    arguments = ["--xfails", tmp_path / "xfails.txt", "--adapter", adapter(body), "--junit", target]
    assert run("run", "--vectors", small, *arguments).exit_code == 1
    root = ElementTree.parse(target).getroot()  # noqa: S314 - our own file
    suites = {s.get("name"): s for s in root}
    assert list(suites) == ["core", "alternatives", "networks", "faulty"]
    core = suites["core"].attrib
    assert (core["tests"], core["failures"], core["errors"], core["skipped"]) == ("5", "1", "0", "1")
    tests = {t.get("name"): t for t in root.iter("testcase")}
    assert len(tests) == COUNT
    failure = tests["core/dense/third"].find("failure")
    assert failure is not None
    assert "expected 0.333333333, got 0.5" in failure.attrib["message"]
    assert failure.text is not None
    assert failure.text.splitlines() == ["worked out by hand", failure.attrib["message"], "the numbers of no-bias"]
    skipped = tests["core/dense/bias"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "xfail: known"
    assert tests["core/dense/bias"].attrib["classname"] == "lrp-vectors.core.dense"
    unsupported = tests["networks/chain/relu"].find("skipped")
    assert unsupported is not None
    assert unsupported.attrib["message"] == r"unsupported: no \x00 networks"
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix in (".xml", ".part")) == ["found.xml"]


def test_a_place_for_junit_that_does_not_exist_is_told_before_the_run(small: Path, tmp_path: Path) -> None:
    said = one_line(run("run", "--vectors", small, "--junit", tmp_path / "none" / "a.xml"))
    assert said.endswith(f"there is no folder {tmp_path / 'none'}")


def test_list_counts_cases_flags_and_shows_notes(small: Path) -> None:
    listed = run("list", "--vectors", small).stdout
    assert "core          core/dense.json             4\n" in listed
    assert listed.endswith(f"{COUNT} cases of lrp-vectors 1.0.0\n")
    flags = run("list", "--vectors", small, "--flags").stdout.splitlines()
    assert flags[2].split() == ["absolute", "3", "core,", "networks"]
    each = run("list", "--vectors", small, "--cases", "--only", "core/add/*").stdout
    assert "core/add/plain  residual-forgotten  two operands" in each
    assert "no case fits 'nothing'" in one_line(run("list", "--only", "nothing", "--vectors", small))
    assert "unknown group 'cor': did you mean 'core'?" in one_line(run("list", "--group", "cor", "--vectors", small))


def test_export_copies_everything_and_refuses_a_folder_in_use(tmp_path: Path) -> None:
    target = tmp_path / "new" / "vectors"
    assert run("export", target).exit_code == 0
    source = Path(vectors.__file__).parent / "v1"
    names = {p.relative_to(source) for p in source.rglob("*.*") if p.is_file()}
    assert names <= {p.relative_to(target) for p in target.rglob("*")}
    assert all((source / n).read_bytes() == (target / n).read_bytes() for n in names)
    assert [p.name for p in target.parent.iterdir()] == ["vectors"]
    assert run("check", target).exit_code == 0
    assert one_line(run("export", target)).endswith("holds files already: give a folder that does not exist yet")
    (tmp_path / "file").touch()
    assert "is a file" in one_line(run("export", tmp_path / "file"))
    (tmp_path / "empty").mkdir()
    assert run("export", tmp_path / "empty").exit_code == 0


def test_check_finds_what_was_changed(small: Path) -> None:
    rows, wrong = files.check(small)
    assert (len(rows), wrong) == (len(FILES) + 1, [])  # and what faults answer
    path = small / "core" / "dense.json"
    text = path.read_text()
    path.write_text(text.replace('"0.25"', '"0.26"', 1))
    rows, wrong = files.check(small)
    assert [row[0] for row in rows if row[-1] == "FAILS"] == ["core/dense.json"]
    assert "its SHA-256 is" in wrong[0]
    assert "0.26 is not 1/4 in 20 digits" in wrong[1]
    path.write_text(text)
    (small / "core" / "extra.json").write_text("{}")
    (small / "faulty" / "rules.json").unlink()
    _, wrong = files.check(small)
    assert wrong == ["faulty/rules.json: missing", "core/extra.json: not listed in manifest.json"]
    done = run("check", small)
    assert done.exit_code == 1
    assert "FAILS faulty/rules.json: missing\n" in done.stdout


def test_the_vectors_of_the_package_hold() -> None:
    done = run("check")
    assert done.exit_code == 0, done.stdout
    assert done.stdout.endswith("all files hold\n")


def test_names_that_do_not_exist_are_refused_in_python(small: Path) -> None:
    with pytest.raises(ParameterError, match="unknown dtype 'float16'"):
        vectors.run(cases=vectors.load(small), dtype="float16")


def test_the_schema_is_checked_where_jsonschema_is_installed(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jsonschema")
    assert "schema: not checked, there is no" in run("check", small).stdout
    wants = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["cases"]}
    (small / "schema.json").write_text(json.dumps(wants))
    assert run("check", small).stdout.endswith("\nall files hold\n")
    (small / "schema.json").write_text(json.dumps({**wants, "properties": {"group": {"enum": ["core"]}}}))
    done = run("check", small)
    assert done.exit_code == 1
    assert "FAILS networks/chain.json: group: 'networks' is not one of ['core']\n" in done.stdout
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    assert "schema: not checked, jsonschema is not installed\n" in run("check", small).stdout


# Faults that are planted, and the guide ----------------------------------------------------------------------------

PLANTED = {
    "gamma-bias": """
        if case["group"] == "networks" or case["rule"]["name"] == "GeneralizedGamma": raise Unsupported("left out")
        bias = "shift" if case["layer"]["type"] == "Affine" else "bias"
        if case["rule"]["name"] == "Gamma" and case["layer"].get(bias) is not None:  # b' + γ b'⁺ = b
            b = case["layer"][bias]
            case["layer"][bias] = np.where(b > 0, b / (1 + case["rule"]["gamma"]), b)
    """,
    "no-bias-in-denominator": """
        if case["group"] == "networks" or case["rule"]["name"] == "GeneralizedGamma": raise Unsupported("left out")
        if case["rule"]["name"] == "Gamma":
            rule, layer = make_rule(case["rule"]).with_bias("ignore"), make_layer(case["layer"])
            return list(layer.relevance_backward(tuple(case["inputs"]), case["relevance_out"], rule))
    """,
    "epsilon-ignored": """
        for rule in [case["rule"]] if "rule" in case else case["rules"].values():
            for part in (rule, rule.get("dense", {}), rule.get("state", {})):  # of a cell
                if part.get("epsilon", 0) > 0: part["epsilon"] = 0.0
    """,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("flag", PLANTED)
def test_a_planted_fault_is_named_by_the_vectors(tmp_path: Path, flag: str, dtype: str) -> None:
    head = "import numpy as np\nfrom lrp_ref.vectors import Unsupported\n"
    head += "from lrp_ref.vectors.own import make_layer, make_rule, relevance\n"
    body = inspect.cleandoc(PLANTED[flag]).replace("\n", "\n    ")
    (tmp_path / "planted.py").write_text(f"{head}\ndef answer(case):\n    {body}\n    return relevance(case)\n")
    with np.errstate(all="ignore"):
        report = vectors.run(f"{tmp_path / 'planted.py'}:answer", dtype=dtype)
    (reason,) = report.reasons
    assert reason.exact
    assert reason.names == (flag,)
    assert reason.failing > 10
    assert not report.unexplained


def test_a_case_that_passes_refutes_a_fault(small: Path, adapter: Callable[..., str]) -> None:
    """Of the two cases that would show a forgotten bias one has the right numbers."""
    body = "if case['id'] == 'core/dense/third': case['layer']['bias'] = None"
    done = run("run", "--vectors", small, "--adapter", adapter(body))
    assert "reason" not in done.stdout
    assert "unexplained: none of the faults known explains 1 case: Epsilon on Dense (1)\n" in done.stdout
    assert "  the first is core/dense/third\n" in done.stdout
    assert "got 0.5; difference / tolerance = 5.86e+12\n  none of the faults known\n" in done.stdout


GUIDE = (Path(__file__).parents[2] / "docs" / "vectors.md").read_text()


def block(file: str) -> str:
    (found,) = re.findall(rf"```python {re.escape(file)}\n(.*?)```", GUIDE, re.S)
    assert len(found.splitlines()) <= 40
    return str(found)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_guide_s_adapter_for_pytorch(tmp_path: Path, dtype: str) -> None:
    pytest.importorskip("torch")
    (tmp_path / "guide_torch.py").write_text(block("torch_adapter.py"))
    done = run("run", "--adapter", f"{tmp_path / 'guide_torch.py'}:relevance", "--dtype", dtype)
    assert done.exit_code == 0, done.stdout
    counts = dict(zip(["group", "cases", "pass"], done.stdout.splitlines()[2].split(), strict=False))
    assert counts["group"] == "core"
    assert int(counts["pass"]) > 30


def test_the_guide_s_adapter_in_plain_python(tmp_path: Path) -> None:
    code = block("plain_adapter.py")
    assert set(re.findall(r"^(?:import|from) (\w+)", code, re.M)) == {"json", "sys"}
    (tmp_path / "guide_plain.py").write_text(code)
    done = run("run", "--command", f"'{sys.executable}' '{tmp_path / 'guide_plain.py'}'")
    assert done.exit_code == 0, done.stdout
    assert int(done.stdout.splitlines()[2].split()[2]) > 15


def test_importing_lrp_ref_does_not_import_the_vectors() -> None:
    loaded = "any(m.startswith('lrp_ref.vectors') for m in sys.modules)"
    code = f"import sys, lrp_ref; assert not {loaded}; lrp_ref.vectors.load; assert {loaded}"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="has no attribute 'vektors'"):
        _ = lrp_ref.vektors
