"""The conformance vectors asked of another program: what is a refusal, what is none, and who said so."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import fake_peers
import numpy as np
import pytest

from lrp_ref import vectors
from lrp_ref.errors import ParameterError
from lrp_ref.peers import NoRule, Recording, Task
from lrp_ref.peers.vector_adapter import NEVER_ASKED, adapter, task_of
from lrp_ref.propagation.trace import Trace
from lrp_ref.vectors import Unsupported
from lrp_ref.vectors.adapters import AdapterError
from lrp_ref.vectors.own import relevance as own


def answered(task: Task, folder: Path | None = None) -> Recording:
    """Answer dense layers and chains of them by the formulas of ``fake_peers``."""
    layers = [type(node.layer).__name__ for node in task.network.nodes]
    if not set(layers) <= {"Dense", "ReLU"}:
        raise NoRule(f"only dense layers, no {layers[0]}")
    if any(type(rule).__name__ not in ("Epsilon", "ZPlus", "NoneType", "Pass") for rule in task.rules.values()):
        raise NoRule("only two rules")
    return fake_peers.numpy_program(task, folder)


def cases(*globs: str) -> tuple[vectors.Case, ...]:
    return vectors.load(only=globs)


def test_a_program_that_is_right_passes_and_the_rest_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_peers.add(monkeypatch, answered)
    report = vectors.run(adapter("fake"), cases=cases("core/dense/epsilon/*", "core/conv/*", "networks/dense/epsilon"))
    assert report.counts["pass"] > 5
    assert report.counts["fail"] == 0
    found = {r.case.body["layer"]["type"]: r.status for r in report.results if "layer" in r.case.body}
    assert found == {"Dense": "pass", "Conv": "unsupported"}


def test_the_answer_is_the_programs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(task: Task, folder: Path | None = None) -> Recording:
        found = answered(task).trace
        return Recording(Trace(found.values, {n: 2 * r for n, r in found.relevance.items()}), "Fake", "1")

    fake_peers.add(monkeypatch, doubled)
    (case,) = cases("core/dense/epsilon/mixed-signs")
    (got,) = adapter("fake")(case.question())
    np.testing.assert_array_equal(got, 2 * own(case.question())[0])


def test_what_lrp_ref_refuses_to_build_is_never_taken_for_the_programs_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(task: Task, folder: Path | None = None) -> Recording:
        raise AssertionError("it was asked")

    fake_peers.add(monkeypatch, never)
    report = vectors.run(adapter("fake"), cases=cases("faulty/rule/epsilon-negative", "faulty/conv/stride-zero"))
    assert {r.status for r in report.results} == {"unsupported"}
    assert all(r.reason.startswith(NEVER_ASKED) for r in report.results)


def test_wrong_shapes_reach_the_program_and_what_it_raises_is_its_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(task: Task, folder: Path | None = None) -> Recording:
        raise RuntimeError("sizes 4 and 3 do not fit")

    fake_peers.add(monkeypatch, raises)
    (result,) = vectors.run(adapter("fake"), cases=cases("faulty/dense/input-units")).results
    assert result.status == "pass"
    (result,) = vectors.run(adapter("fake"), cases=cases("core/small/W-1")).results
    assert result.status == "fail"
    assert "RuntimeError: sizes 4 and 3 do not fit" in result.reason


def test_an_error_of_lrp_ref_on_the_way_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def ours(task: Task, folder: Path | None = None) -> Recording:
        task.network.values(dict(task.inputs))  # refuses four units for three
        raise AssertionError("it went through")

    fake_peers.add(monkeypatch, ours)
    (result,) = vectors.run(adapter("fake"), cases=cases("faulty/dense/input-units")).results
    assert result.status == "unsupported"


def test_a_program_whose_forward_pass_differs_is_not_charged_with_its_relevance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def departs(task: Task, folder: Path | None = None) -> Recording:
        return fake_peers.numpy_program(task, folder, forward=1e-3)

    fake_peers.add(monkeypatch, departs)
    (result,) = vectors.run(adapter("fake"), cases=cases("networks/dense/epsilon")).results
    assert result.status == "unsupported"
    first = result.case.body["network"]["nodes"][0]["name"]
    assert f"forward pass departs at '{first}'" in result.reason


def test_a_layer_without_a_rule_inside_a_network_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(task: Task, folder: Path | None = None) -> Recording:
        return fake_peers.numpy_program(task, folder, without=task.network.nodes[0].name)

    fake_peers.add(monkeypatch, without)
    (case,) = cases("networks/dense/epsilon")
    with pytest.raises(Unsupported, match=case.body["network"]["nodes"][0]["name"]):
        adapter("fake")(case.question())


def test_programs_that_are_not_there_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_peers.add(monkeypatch, answered, module="no_such_module_at_all")
    with pytest.raises(AdapterError, match=r"pip install fake==1\.0"):
        adapter("fake")
    with pytest.raises(ParameterError, match="did you mean 'zennit'"):
        adapter("zenit")
    with pytest.raises(AdapterError, match="is not there"):
        adapter("captum", python="/no/such/python")


def test_a_case_becomes_a_task_with_all_that_it_states() -> None:
    (case,) = cases("networks/branch/gate")
    task, question = task_of(case.question()), case.question()
    assert [n.name for n in task.network.nodes] == [n["name"] for n in question["network"]["nodes"]]
    assert set(task.rules) == set(question["rules"])
    np.testing.assert_array_equal(task.start, question["start"])


def test_a_program_of_torch_answers_the_same_here_and_in_another_interpreter() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("lxt")
    some = cases(
        "core/dense/*/mixed-signs", "core/matmul/*/matrices", "core/softmax/*", "networks/attention/*", "faulty/*"
    )
    here, there = (vectors.run(adapter("lxt", python), cases=some) for python in (None, sys.executable))
    assert [(r.case.id, r.status, r.got) for r in here.results] == [(r.case.id, r.status, r.got) for r in there.results]
    found: dict[str, Counter[str]] = {}
    for result in here.results:
        kind = "faulty" if result.case.refuse else rule_of(result.case)
        found.setdefault(kind, Counter())[result.status] += 1
    assert set(found["LRP0"]) == {"pass", "fail", "unsupported"}  # exact; z + ε without sign; a clipping stabiliser
    assert set(found["Epsilon"]) == {"fail"}  # its ε has no sign
    assert set(found["WSquare"]) == {"unsupported"}
    assert found["faulty"]["pass"] > 10  # torch's own refusals
    assert found["faulty"]["fail"] == 7  # numbers that are not finite are answered, and a softmax over the batch


def rule_of(case: vectors.Case) -> str:
    return str((case.body.get("rule") or {"name": "network"})["name"])


def test_another_interpreter_ends_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("lxt")
    made = adapter("lxt", sys.executable)
    first: Any = made.other
    vectors.run(made, cases=cases("core/dense/epsilon/mixed-signs", "core/dense/lrp0/mixed-signs"))
    assert first._process is None
    assert not first._place.exists()
