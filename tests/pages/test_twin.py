"""The rules in JavaScript against the frozen vectors, which were computed in rational numbers by neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import javascript
import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref import vectors
from lrp_ref.errors import UnsupportedError
from lrp_ref.layers import Layer
from lrp_ref.pages.layer_json import layer_json
from lrp_ref.pages.rule_json import rule_json
from lrp_ref.vectors.cases import decode
from lrp_ref.vectors.own import layer_question, make_layer, make_rule

PROGRAM = (Path(__file__).parent / "twin.mjs").read_text(encoding="utf-8")
EPS, TINY = 2.0**-52, float(np.finfo(np.float64).tiny)
CLOSE = 1e-12  # of the largest number of a case, where its condition allows
# What a page does not execute: it has the messages of these as they were computed.
OTHERS = {
    "Concat", "ConvTranspose", "GRU", "GeneralLSTM", "LSTM", "LocalResponseNorm", "MatMul", "Multiply", "Normalize",
    "Pad", "RNN", "SelectiveScan", "Slice", "Softmax", "Transpose", "Upsample", "Constant",
}  # fmt: skip
OTHER_WAYS = {  # options of the topics that neither lrp_ref nor a page has
    ("sign-of-zero", "minus"), ("sign-of-zero", "dropped"), ("bias", "ignored"), ("max-pool-padding", "zero"),
}  # fmt: skip
Asked = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Question:
    """One layer of a case for one sample, and the columns of the case's ledger for it."""

    case: str
    asked: Asked
    sample: int
    columns: Mapping[str, float] | None


def asked(layer: Layer, rule: Any, xs: tuple[Any, ...], relevance: Any, sample: int) -> Asked:
    """Return what twin.mjs is given for one sample of a layer."""
    read, made = xs[0].shape[1:], relevance.shape[1:]
    described, arrays = layer_json(layer, read, made, len(xs))
    return {
        "layer": described | {name: array.astype(float).tolist() for name, array in arrays.items()},
        "rule": rule_json(rule, layer, read),
        "inputs": [x[sample].reshape(-1).tolist() for x in xs],
        "relevance": relevance[sample].reshape(-1).tolist(),
    }


def covered(case: vectors.Case) -> bool:
    return case.body["layer"]["type"] not in OTHERS and (case.topic, case.option) not in OTHER_WAYS


@cache
def cases() -> tuple[vectors.Case, ...]:
    """All cases of one layer that a page executes."""
    return tuple(c for c in vectors.load(groups=["core", "alternatives"]) if not c.refuse and covered(c))


def questions() -> Iterator[Question]:
    for case in cases():
        layer, rule, xs, relevance = layer_question(case.question())
        ledger = decode(case.body.get("ledger"), "float64", case.id)
        for n in range(len(relevance)):
            columns = None if ledger is None else {k: float(v[n]) for k, v in ledger.items()}
            yield Question(case.id, asked(layer, rule, xs, relevance, n), n, columns)


@cache
def answered() -> list[tuple[Question, Any]]:
    found = list(questions())
    return list(zip(found, javascript.run(PROGRAM, [q.asked for q in found]), strict=True))


def test_the_twin_covers_hundreds_of_cases_and_none_is_left_out_unsaid(capsys: pytest.CaptureFixture[str]) -> None:
    found, units = {q.case for q, _ in answered()}, sum(len(q.asked["relevance"]) for q, _ in answered())
    assert found == {c.id for c in cases() if decode(c.body["relevance_out"], "float64", c.id).size}
    rules = {c.body["rule"]["name"] for c in cases()}
    assert rules >= {"LRP0", "Epsilon", "Gamma", "GeneralizedGamma", "AlphaBeta", "ZPlus", "WSquare", "Flat", "ZBox"}
    with capsys.disabled():
        print(f"\n{len(found)} cases, {units} units by the rules of pages in node")
    assert len(found) >= 400


def test_the_relevances_are_those_of_the_vectors() -> None:
    by_case: dict[str, list[list[np.ndarray[Any, Any]]]] = {}
    for question, answer in answered():
        by_case.setdefault(question.case, []).append([np.array(r) for r in answer["received"]])
    worst = 0.0
    for case in cases():
        for k, (expected, scale) in case.expected().items():
            got = np.array([sample[int(k)] for sample in by_case.get(case.id, [])]).reshape(expected.shape)
            off = abs(got - expected)
            assert (off <= case.ulp * EPS * scale + TINY).all(), f"{case.id}: {got} for {expected}"
            well = scale <= 100 * max(abs(expected).max(initial=0), TINY)  # no sum that nearly cancels
            worst = max(worst, float((off / abs(expected).max(initial=TINY))[well].max(initial=0)))
    assert worst <= CLOSE


def test_the_columns_of_the_ledger_are_those_of_the_vectors() -> None:
    seen = 0
    for question, answer in answered():
        if question.columns is None:
            continue
        size = max(map(abs, [*question.asked["relevance"], *answer["received"][0]]), default=0)
        for name, expected in question.columns.items():
            seen += 1
            allowed = 64 * CLOSE * max(size, abs(expected))
            assert abs(answer["columns"][name] - expected) <= allowed, (question.case, name)
    assert seen >= 1200


def test_what_a_unit_sends_and_keeps_is_what_arrived_at_it() -> None:
    assert max(answer["gap"] for _, answer in answered()) <= CLOSE


def test_nodes_of_the_networks() -> None:
    """Every node with the relevance of its output in the vectors; what a value receives is the sum over its uses."""
    compared = 0
    for case in vectors.load(groups=["networks"]):
        question, body = case.question(), case.body
        values = {n: decode(v, "float64", case.id) for n, v in body["values"].items()}
        values |= {n: question["inputs"][n] for n in body["network"]["inputs"]}
        expected = case.expected()
        asks, uses = [], dict[str, list[tuple[int, int, int]]]()
        left: set[str] = set()
        for node in question["network"]["nodes"]:
            name, sources = node["name"], node["inputs"]
            if node["layer"]["type"] in OTHERS:
                left |= set(sources)
                continue
            spec = question["rules"].get(name)
            layer, rule = make_layer(node["layer"], spec), make_rule(spec)
            xs = tuple(values[s] for s in sources)
            above = expected[name][0]
            for n in range(len(above)):
                for k, source in enumerate(sources):
                    uses.setdefault(source, []).append((len(asks), k, n))
                asks.append(asked(layer, rule, xs, above, n))
        answers = javascript.run(PROGRAM, asks)
        for source, places in uses.items():
            if source in left or source not in expected:
                continue
            right, scale = expected[source]
            got = np.zeros(right.shape).reshape(len(right), -1)
            for ask, k, n in places:
                got[n] += answers[ask]["received"][k]
            off = abs(got.reshape(right.shape) - right)
            assert (off <= case.ulp * EPS * scale + TINY).all(), (case.id, source)
            compared += 1
    assert compared >= 60


@pytest.mark.parametrize("rule", [
    lrp.rules.LRP0(stabiliser=lrp.rules.edits.relative(0.25)),
    lrp.rules.AlphaBeta(2, 1, stabiliser=lrp.rules.edits.clip(0.5)),
    lrp.rules.GeneralizedGamma(0.5, stabiliser=lrp.rules.edits.relative(0.125)).with_bias("spread"),
    lrp.rules.Epsilon(0.25, bias_share=0.5, stabiliser_share=1).with_bias("nonzero"),
    lrp.rules.Reference(np.arange(12.0).reshape(3, 2, 2) / 8),
    lrp.rules.Reference([0.5, 0.25, -1.0]),
    lrp.rules.ZBox(np.array([-1.0, -2.0, -0.5]), 2.0),
    lrp.rules.ZBox(np.full((1, 2, 2), -1.0), np.arange(4.0).reshape(2, 2)),
], ids=repr)  # fmt: skip
def test_what_the_vectors_do_not_have_against_the_textbook(rule: Any) -> None:
    rng = np.random.default_rng(7)
    layer = lrp.layers.Conv(rng.normal(size=(2, 3, 2, 2)), rng.normal(size=(2, 3, 3)), padding=1)  # a bias per place
    x, relevance = rng.normal(size=(1, 3, 2, 2)), rng.normal(size=(1, 2, 3, 3))
    x[0, 0, 0, 0] = 0
    table = lrp.messages(layer, x, relevance, rule)
    (told,) = javascript.run(PROGRAM, [asked(layer, rule, (x,), relevance, 0)])
    np.testing.assert_allclose(told["received"][0], table.relevance, rtol=1e-11, atol=1e-12)
    for name in ("bias", "stabiliser", "dropped"):
        assert told["columns"][name] == pytest.approx(float(getattr(table, name).sum()), rel=1e-11, abs=1e-11)


def test_named_rules_are_those_of_python_and_print_the_same_formulas() -> None:
    rules, named = lrp.rules, []
    for policy in ("absorb", "ignore", "spread"):
        for rule, parameters in (
            (rules.LRP0(), {}), (rules.Epsilon(0.25), {"epsilon": 0.25}), (rules.Gamma(0.5), {"gamma": 0.5}),
            (rules.GeneralizedGamma(0.5), {"gamma": 0.5}), (rules.AlphaBeta(2, 1), {"alpha": 2}),
            (rules.AlphaBeta(1, 0), {"alpha": 1}), (rules.ZPlus(), {}), (rules.WSquare(), {}), (rules.Flat(), {}),
            (rules.ZBox(-0.5, 1.5), {"low": -0.5, "high": 1.5}),
        ):  # fmt: skip
            named.append((rule.with_bias(policy), [type(rule).__name__, parameters, policy]))
    program = """import { ruleFormula, ruleOf } from "lrp/named.js";
    export default ([asked, others]) => [asked.map((one) => ruleOf(...one)), others.map(ruleFormula)];"""
    others = [
        rules.Epsilon(0.25, bias_share=0.5), rules.Epsilon(0.5, bias_share=0, stabiliser_share=1),
        rules.LRP0(stabiliser=rules.edits.relative(0.25)).with_bias("nonzero"), rules.Reference(0.5),
        rules.Gamma(0.25, stabiliser=rules.edits.clip(0.5)), rules.GeneralizedGamma(0.25).with_bias("spread"),
    ]  # fmt: skip
    groups = [rule_json(rule)["groups"] for rule in others]
    told, formulas = javascript.run(program, [[asked for _, asked in named], groups])
    for (rule, _), got in zip(named, told, strict=True):
        right = rule_json(rule)
        assert (got["groups"], got["formula"]) == (right["groups"], right["formula"])
    assert formulas == [rule.formula() for rule in others]


def test_what_a_page_does_not_execute_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="a page knows no connections"):
        layer_json(lrp.layers.Softmax(axis=1), (3,), (3,))
    with pytest.raises(UnsupportedError, match="as they were computed"):
        rule_json(lrp.rules.Gradient())
    with pytest.raises(UnsupportedError, match="l_i is not known"):
        rule_json(lrp.rules.ZBox())
    program = """import { connections } from "lrp/connections.js";
    import { edited, offset, redistribute } from "lrp/rules.js";
    export default () => [() => connections({ kind: "softmax", type: "Softmax" }, 0), () => edited("cube", 1),
      () => offset({ kind: "relative", epsilon: 1 }, 1), () => redistribute({ kind: "pass" }, { a: [1, 2], r: 1 })]
      .map((f) => { try { f(); return "answered"; } catch (e) { return e.message; } });"""
    told = javascript.run(program, None)
    assert [one.split(":")[0][:15] for one in told] == [
        "no connections ",
        "no such edit",
        "no such stabili",
        "no such rule fo",
    ]
