"""Reproducers: a departure cut out of a trace as a case of the vectors, which runs and is answered exactly."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import planted
import pytest
from dialects_layers import answer
from planted import Net, Plant, named, trace
from plants import DIALECTS, RESIDUAL, UNKNOWN, L, diagnosed, times

import lrp_ref as lrp
from lrp_ref import vectors
from lrp_ref.errors import ParameterError
from lrp_ref.peers.diagnosis import Diagnosis, diagnose
from lrp_ref.vectors.cases import HERE
from lrp_ref.vectors.files import check

SCHEMA = jsonschema.Draft202012Validator(json.loads((HERE / "schema.json").read_text()))


def saved(found: Diagnosis, folder: Path) -> vectors.Case:
    """The case, read again from its folder; the folder is checked."""
    assert found.save_case(folder) == folder
    rows, wrong = check(folder)
    assert wrong == []
    assert [row[1] for row in rows] == ["1"]
    (path,) = folder.glob("*/*.json")
    assert list(SCHEMA.iter_errors(json.loads(path.read_text()))) == []
    (case,) = vectors.load(folder)
    return case


def array(told: Any) -> Any:
    return np.array([float(v) for v in told["decimal"]]).reshape(told["shape"])


@pytest.mark.parametrize("name", [*UNKNOWN, "zplus-bias-conv", "ab-no-bias", "maxpool-ties", "mean-by-magnitude"])
def test_a_case_is_answered_by_an_independent_implementation(name: str, tmp_path: Path) -> None:
    """Expected are exact fractions; the other program's numbers are another answer, of the trace's own sample."""
    if name in UNKNOWN:
        net, node, wrong = UNKNOWN[name]
    else:
        net, node, wrong = DIALECTS[name].net, DIALECTS[name].node, DIALECTS[name].wrong
    found = diagnosed(net, Plant(steps={node: wrong}))
    case = saved(found, tmp_path / "case")
    assert case.body["catches"] == (["unexplained"] if name in UNKNOWN else sorted(found.switches))
    assert case.id == f"core/reproducer/{node}"
    question = case.question()
    for told, (expected, scale) in zip(answer(question), case.expected().values(), strict=True):
        assert np.abs(told - expected).max() <= case.ulp * 2.0**-52 * scale.max()
    exact = [[Fraction(v) for v in told["exact"]] for told in case.body["relevance_in"]]
    columns = [Fraction(case.body["ledger"][c]["exact"][0]) for c in ("bias", "stabiliser", "dropped")]
    above = sum(Fraction(v) for v in case.body["relevance_out"]["exact"])
    assert above == sum(map(sum, exact)) + sum(columns)
    got, expected = (case.body[key] for key in ("got", "relevance_in"))
    pairs = [(array(g), array(e)) for g, e in zip(got, expected, strict=True) if g is not None]
    assert max(np.abs(g - e).max() / np.abs(e).max() for g, e in pairs) > 1e-9
    theirs = trace(net, Plant(steps={node: wrong})).relevance
    inputs = next(i for n, _, i in net.nodes if n == node)
    for source, (g, _) in zip(inputs, pairs, strict=False):
        if sum(source in i for _, _, i in net.nodes) == 1:
            assert {*g.reshape(-1)} <= {*theirs[source].reshape(-1)}  # no number of it was made here


@pytest.mark.parametrize("name", ["factor", "kernel-not-flipped", "operands-swapped"])
def test_a_case_runs_and_only_the_faulty_program_fails(name: str, tmp_path: Path) -> None:
    net, node, wrong = UNKNOWN[name]
    case = saved(diagnosed(net, Plant(steps={node: wrong})), tmp_path / "case")
    for adapter, passes in ((None, True), (lambda c: [a * 1.1 for a in answer(c)], False)):
        report = vectors.run(adapter, cases=[case])
        assert [r.status for r in report.results] == ["pass" if passes else "fail"], case


def test_a_dense_layer_is_cut_to_the_units_that_have_a_part() -> None:
    """Of five inputs and five outputs those that are 0 and receive nothing, and those that nothing arrives at, go."""
    found = diagnosed(L, Plant(steps={"d2": times(1.1)}))
    case = found.case
    assert case is not None
    inputs, above = case["inputs"][0], case["relevance_out"]
    assert (len(inputs["decimal"]), len(above["decimal"])) == (3, 2)
    assert case["layer"]["weight"]["shape"] == [3, 2]
    assert "0" not in inputs["decimal"] + above["decimal"]
    whole = diagnosed(L.ruled(d2={"name": "Flat"}), Plant(steps={"d2": times(1.1)})).case
    assert whole is not None
    assert whole["layer"]["weight"]["shape"][0] == 5  # flat hands relevance to inputs of 0, which stay


def test_of_a_value_that_is_read_twice_the_part_of_one_reader_is_told() -> None:
    theirs = Plant(steps={"a": times(1.25)})
    case = diagnosed(RESIDUAL, theirs).case
    assert case is not None
    assert case["id"] == "core/reproducer/a"
    got, expected = array(case["got"][0]), array(case["relevance_in"][0])
    assert got == pytest.approx(1.25 * expected, rel=1e-9)


def test_the_first_step_that_nothing_explains_makes_the_case() -> None:
    net = L.ruled(d3={"name": "ZPlus"})
    found = diagnosed(net, Plant(steps={"d3": named("zplus-bias"), "d1": times(3.0)}))
    assert [s.name for s in found.steps] == ["zplus-bias", "unexplained"]
    assert found.case is not None
    assert found.case["id"] == "core/reproducer/d1"


def test_a_rule_without_bias_is_a_case_of_the_alternatives(tmp_path: Path) -> None:
    asked = {name: rule.with_bias("ignore") for name, rule in L.asked.items()}
    composite = lrp.Composite(list(asked.items()))
    own = lrp.explain(L.network, L.x, composite=composite, start=L.start, canonize=False).trace
    found = diagnose(L.network, asked, own, trace(L))
    case = saved(found, tmp_path / "case")
    assert (case.topic, case.option, case.group) == ("bias-policy", "ignore", "alternatives")
    assert vectors.run(cases=[case], choose={"bias-policy": "ignore"}).results[0].status == "pass"


def test_numbers_that_are_not_finite_are_told_as_they_are(tmp_path: Path) -> None:
    found = diagnosed(L, Plant(steps={"d1": lambda c: [np.where(r > 0, np.nan, r) for r in times(1)(c)]}))
    case = saved(found, tmp_path / "case")
    assert "NaN" in case.body["got"][0]["decimal"]
    assert found.unexplained == ("d1",)


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    found = diagnosed(L, Plant(steps={"d2": times(1.1)}))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("")
    with pytest.raises(ParameterError, match=r"holds files already: give a folder that does not exist yet"):
        found.save_case(tmp_path / "there")
    assert list(tmp_path.rglob("*.json")) == []
    with pytest.raises(ParameterError, match="there is no case to save"):
        diagnosed(L, Plant()).save_case(tmp_path / "none")


def test_a_diagnosis_is_shown_and_pickled() -> None:
    found = diagnosed(L.ruled(d2={"name": "ZPlus"}), Plant(steps={"d2": named("zplus-bias")}))
    again = pickle.loads(pickle.dumps(found))  # noqa: S301 - its own
    assert (again.statement, again.case) == (found.statement, found.case)
    assert repr(found) == str(found) == found.statement
    assert "node 'd2' (Dense, ZPlus(stabiliser=exact))" in found.statement
    assert "zplus-bias" in found.table()
    assert "zplus-bias" in found._repr_html_()


def test_neither_trace_nor_network_is_changed() -> None:
    net: Net = planted.image()
    own, theirs = (
        lrp.explain(net.network, net.x, composite="epsilon").trace,
        trace(net, Plant(steps={"c1": times(2.0)})),
    )
    before = pickle.dumps((net.network, own, theirs))
    diagnose(net.network, net.asked, own, theirs)
    assert pickle.dumps((net.network, own, theirs)) == before


def test_a_layer_that_no_case_can_hold_has_none() -> None:
    class Other(lrp.layers.ReLU):
        """A layer of a user's own."""

    nodes = tuple(lrp.Node(n.name, Other() if n.name == "r2" else n.layer, n.inputs) for n in L.network.nodes)
    net = lrp.Network(nodes, L.network.inputs, L.network.outputs)
    asked = L.ruled(d2={"name": "Flat"}, d3={"name": "Flat"}).asked
    own = lrp.explain(net, L.x, composite=lrp.Composite(list(asked.items())), start=L.start).trace
    theirs = lrp.Trace(own.values, {**own.relevance, "d2": own.relevance["d2"] * 1.5})
    found = diagnose(net, asked, own, theirs)
    assert (found.node, found.case) == ("r2", None)
