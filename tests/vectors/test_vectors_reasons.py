"""The reasons that a run names: right programs with planted faults are told theirs, unknown faults are told none.

The planted faults are the small implementations of ``tests/support``, which the stored answers were not made with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import dialects_layers
import numpy as np
import pytest
from dialects_base import Array, Sample, UnknownError, groups_of, up
from dialects_layers import CALLS, DIALECTS, SAMPLES, chosen, network
from dialects_right import Call, relevance, right, total

from lrp_ref import vectors
from lrp_ref.vectors.matching import Numbers
from lrp_ref.vectors.places import Place, place_of
from lrp_ref.vectors.reasons import told

CASES = vectors.load(groups=["core", "alternatives", "networks"])
Where = Callable[[Call], bool]
Step = Callable[..., list[Array]]


def anywhere(c: Call) -> bool:
    return True


def of(rules: str = "", kinds: str = "") -> Where:
    """Whether a call is of some rules, and on some kinds of layers."""
    return lambda c: (not rules or c.name in rules.split()) and (not kinds or c.kind in kinds.split())


def program(*faults: tuple[str, Where], names: Mapping[str, Any] = CALLS, samples: Mapping[str, Any] = SAMPLES) -> Any:
    """An adapter that is right but for planted faults: at each call the first that applies is at work."""

    def layer(spec: Any, rule: Any, xs: list[Array], R: Array) -> list[Array]:  # noqa: N803
        c = Call(spec, rule or {"name": "own"}, xs, R)
        there = [name for name, where in faults if where(c)]
        for name in there:
            wrong = names[name](c) if name in names else None
            if wrong is not None:
                return list(wrong)
        planted = [samples[name] for name in there if name in samples]
        if planted and (c.kind != "LSTM" or c.name != "Epsilon"):

            def first(s: Sample) -> Array | None:
                return next((found for fault in planted if (found := fault(s)) is not None), None)

            return right(c, first)
        return dialects_layers.layer(spec, rule, xs, R, "")

    def answer(case: Mapping[str, Any]) -> Any:
        if (case.get("choice") or {}).get("topic") == "bias-policy":
            raise vectors.Unsupported("no flags are set there")
        try:
            with np.errstate(all="ignore"):
                if "network" in case:
                    return network(case, layer, "")
                return layer(*chosen(case), list(case["inputs"]), case["relevance_out"])
        except UnknownError as error:
            raise vectors.Unsupported(str(error)) from error

    return answer


def same_numbers(name: str, other: str, places: tuple[Place, ...]) -> bool:
    """Whether two faults answer the same in all cases of some places that show one of them."""
    for case in CASES:
        if place_of(case) in places and {name, other} & set(case.faults) and not case.topic:
            pair = [case.faults[n].values if n in case.faults else Numbers(case).right for n in (name, other)]
            known = ~np.isnan(pair[0] + pair[1])
            size = np.abs(pair[0][known]).max(initial=1e-30)
            if (np.abs(pair[0] - pair[1])[known] > 1e-4 * size).any():
                return False
    return True


# What is planted: (fault, where), and the reasons that have to be told.
PROGRAMS: dict[str, tuple[tuple[str, Where], ...]] = {
    "w² with its bias": (("wsquare-bias", anywhere),),
    "z⁺ and w² with their biases": (("wsquare-bias", anywhere), ("zplus-bias", anywhere)),
    "z⁺ with its bias in convolutions alone": (("zplus-bias", of(kinds="Conv")),),
    "α1β0 with the whole bias": (("ab-bias-full", anywhere),),
    "γ without γb⁺, α1β0 with the whole bias": (("gamma-bias", of("Gamma")), ("ab-bias-full", anywhere)),
    "inputs not split": (("unsplit", anywhere),),
    "the bias by its size": (("bias-by-magnitude", anywhere),),
    "the bias and sums by their size": (
        ("eps-twice", anywhere),
        ("bias-by-magnitude", anywhere),
        ("add-by-magnitude", of(kinds="Add")),
    ),
    "ε without a sign": (("eps-unsigned", of("Epsilon")),),
    "ε twice in dense layers": (("eps-twice", of("Epsilon", "Dense")),),
    "0/0": (("zero-division-nan", of("ZPlus AlphaBeta LRP0", "Dense Conv")),),
    "0/0 where β is 0": (("beta-zero-nan", of(kinds="Dense Conv")),),
    "a small γ": (("gamma-small-as-epsilon", anywhere),),
    "residual forgotten, w² with its bias": (("residual-forgotten", of(kinds="Add")), ("wsquare-bias", anywhere)),
    "means shared by size": (("mean-by-magnitude", of(kinds="AveragePool GlobalAveragePool SumPool")),),
    "the border of flat": (("flat-border", of("Flat")),),
    "groups and dilation of convolutions": (("groups-ignored", of("Epsilon")), ("dilation-ignored", of("LRP0"))),
    "a softmax over another axis": (("softmax-last-axis", anywhere),),
    "the ε of a product of matrices": (("matmul-half-epsilon", anywhere),),
    "max pools shared by value": (("maxpool-proportional", anywhere),),
}


SINGLE = (
    "w² with its bias",
    "the bias and sums by their size",
    "0/0",
    "half of everything",
    "twice the ε",
    "half precision",
)


def in_both(names: Mapping[str, Any]) -> list[tuple[str, str]]:
    """All in double precision, some in single."""
    return [(name, dtype) for name in names for dtype in ("float64", "float32") if dtype == "float64" or name in SINGLE]


@pytest.mark.parametrize(("name", "dtype"), in_both(PROGRAMS))
def test_planted_faults_are_named_and_no_other(name: str, dtype: str) -> None:
    faults = PROGRAMS[name]
    report = vectors.run(program(*faults), cases=CASES, dtype=dtype)
    names = {n for reason in report.reasons for n in reason.names}
    planted = {fault for fault, _ in faults}
    assert planted <= names
    for reason in report.reasons:
        for other in set(reason.names) - planted:
            assert any(same_numbers(other, fault, reason.places) for fault in planted), (other, told(reason.places))
        assert len(reason.cases) + len(reason.together) <= reason.failing
    assert not report.unexplained


def test_two_faults_at_one_place_are_told_apart() -> None:
    faults = (("groups-ignored", of("Epsilon")), ("dilation-ignored", of("Epsilon")))
    report = vectors.run(program(*faults), cases=CASES)
    assert {reason.names for reason in report.reasons} == {(name,) for name, _ in faults}
    assert {reason.places for reason in report.reasons} == {(Place("Epsilon", "Conv"),)}
    assert all(len(reason.cases) < reason.failing for reason in report.reasons)
    assert not report.unexplained


def test_a_network_with_several_faults_has_the_numbers_of_its_layers_reasons() -> None:
    faults = (("wsquare-bias", of(kinds="Conv")), ("zplus-bias", of(kinds="Dense")), ("add-by-magnitude", anywhere))
    report = vectors.run(program(*faults, ("eps-unsigned", of("Epsilon", "Dense"))), cases=CASES)
    assert not report.unexplained
    assert not report.verdict.follow
    assert len(report.verdict.predicted) > 5
    assert {r.case.group for r in report.verdict.predicted} == {"networks"}


def test_a_network_with_something_unknown_beside_is_not_said_to_be_predicted() -> None:
    wrong = {**SAMPLES, "unknown": lambda s: relevance(s) / 2}
    faults = (("wsquare-bias", anywhere), ("unknown", of("Epsilon")))
    report = vectors.run(program(*faults, samples=wrong), cases=CASES)
    assert [reason.names for reason in report.reasons] == [("wsquare-bias",)]
    assert not report.verdict.predicted
    assert report.verdict.follow


def test_a_pair_of_ways_is_found_where_no_single_one_is() -> None:
    """z⁺ with the whole bias: αβ(1, 0) is computed in its place, and that with the whole bias."""
    whole = {"whole": lambda s: total([replace(g, b=s.m.b) for g in groups_of(s)])}
    report = vectors.run(program(("whole", of("ZPlus", "Dense Conv")), samples=whole), cases=CASES)
    (reason,) = report.reasons
    assert {frozenset(name.split("+")) for name in reason.names} >= {frozenset({"zplus-bias", "ab-bias-both"})}
    assert reason.exact
    assert {place.kind for place in reason.places} == {"Dense", "Conv"}
    assert {place.rule for place in reason.places} == {"ZPlus"}


# Faults that no flag knows ---------------------------------------------------------------------------------------


def with_rule(**change: Any) -> Callable[[Sample], Array]:
    return lambda s: relevance(replace(s, rule={**s.rule, **{k: f(s.rule[k]) for k, f in change.items()}}))


def half_precision(s: Sample) -> Array:
    return relevance(s).astype(np.float16).astype(np.float64)


def normalised(s: Sample) -> Array:
    found = relevance(s)
    return found * s.R.sum() / found.sum() if found.sum() else found


def weights_by_size(s: Sample) -> Array:
    return total([replace(g, runs=[(np.ones_like(s.a), abs(s.m.W))]) for g in groups_of(s)])


UNKNOWN: dict[str, tuple[Callable[[Sample], Any], Where]] = {
    "half of everything": (lambda s: relevance(s) / 2, anywhere),
    "twice the ε": (with_rule(epsilon=lambda e: 2 * e), of("Epsilon")),
    "ε of 0.01": (with_rule(epsilon=lambda e: 0.01), of("Epsilon")),
    "ε of the other sign": (with_rule(epsilon=lambda e: -e), of("Epsilon")),
    "twice the γ": (with_rule(gamma=lambda g: 2 * g), of("Gamma GeneralizedGamma")),
    "α and β exchanged": (lambda s: relevance(replace(s, rule={**s.rule, "alpha": 1, "beta": 2})), of("AlphaBeta")),
    "twice the bias": (lambda s: relevance(replace(s, m=replace(s.m, b=2 * s.m.b))), anywhere),
    "the bias with the other sign": (lambda s: relevance(replace(s, m=replace(s.m, b=-s.m.b))), anywhere),
    "made to sum to R": (normalised, anywhere),
    "negative inputs as 0": (lambda s: relevance(replace(s, a=up(s.a))), anywhere),
    "w² by |w|": (weights_by_size, of("WSquare")),
    "bounds of z^B both 0": (with_rule(low=lambda v: 0.0, high=lambda v: 0.0), of("ZBox")),
    "half precision": (half_precision, anywhere),
    "of its neighbour": (lambda s: np.roll(relevance(s), 1), anywhere),
    "the largest alone": (lambda s: np.where(abs(relevance(s)) < abs(relevance(s)).max(), 0, relevance(s)), anywhere),
    "nothing": (lambda s: 0 * relevance(s), anywhere),
    "all of it NaN": (lambda s: np.nan * relevance(s), anywhere),
    "NaN where z is below 0": (
        lambda s: relevance(s) * np.where(((s.a @ s.m.W + s.m.b) < 0).any(), np.nan, 1.0),
        of("LRP0 Epsilon"),
    ),
    "the relevance of the first unit alone": (
        lambda s: relevance(replace(s, R=s.R * (np.arange(len(s.R)) == 0))),
        anywhere,
    ),
    "the size of the relevance": (lambda s: relevance(replace(s, R=abs(s.R))), anywhere),
}


@pytest.mark.parametrize(("name", "dtype"), in_both(UNKNOWN))
def test_an_unknown_fault_is_not_given_a_name(name: str, dtype: str) -> None:
    wrong, where = UNKNOWN[name]
    asked = program((name, where), samples={name: wrong})
    report = vectors.run(asked, cases=CASES, dtype=dtype)
    assert report.counts["fail"] > 10
    assert report.reasons == ()
    assert len(report.unexplained) > 10


def test_a_known_fault_is_named_beside_an_unknown_one() -> None:
    """w² has its bias; α and β are exchanged, which no flag knows."""
    wrong, where = UNKNOWN["α and β exchanged"]
    faults = (("unknown", where), ("wsquare-bias", anywhere))
    report = vectors.run(program(*faults, samples={**SAMPLES, "unknown": wrong}), cases=CASES)
    assert [reason.names for reason in report.reasons] == [("wsquare-bias",)]
    assert all("AlphaBeta" in place_of(r.case).rule for r in report.unexplained)


def test_a_place_whose_reason_is_dropped_is_looked_at_again() -> None:
    """Pools by their derivative, beside what no flag knows: "gradient" would show there, the pools' own switch not."""
    wrong = {"derivative": lambda s: s.m.W @ s.R, "unknown": lambda s: relevance(s) / 2}
    faults = (("derivative", of("LRP0 Epsilon", "AveragePool")), ("unknown", of("LRP0 Epsilon", "Dense Conv")))
    report = vectors.run(program(*faults, samples=wrong), cases=CASES)
    assert [reason.names for reason in report.reasons] == [("avgpool-gradient",)]
    assert {place.kind for place in report.reasons[0].places} == {"AveragePool"}
    assert all(place_of(r.case).kind != "AveragePool" for r in report.unexplained)


# The stored answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_stored_answer_is_that_of_the_second_implementation(dtype: str) -> None:
    """All of them: an adapter with the fault has the numbers that are stored for it."""
    compared = 0
    for case in CASES:
        numbers = Numbers(case)
        for name in case.faults:
            got = DIALECTS[name](case.question(dtype))
            named = got if isinstance(got, dict) else {str(k): v for k, v in enumerate(got)}
            assert any(name in m.names for m in numbers.matches({k: named[k] for k in case.inputs}, dtype)), (
                name,
                case.id,
            )
            compared += 1
    assert compared > 6000


def test_numbers_a_little_off_are_nobody_s() -> None:
    (case,) = [c for c in CASES if c.id == "core/dense/wsquare/mixed-signs"]
    numbers, values = Numbers(case), case.faults["wsquare-bias"].values
    shape = case.expected()["0"][0].shape
    for factor, names in ((1.0, {"wsquare-bias"}), (1 + 1e-4, set()), (1 - 1e-4, set())):
        matches = numbers.matches({"0": (values * factor).reshape(shape)}, "float64")
        assert {n for m in matches for n in m.names} == names


def test_two_runs_of_the_verdict_are_one() -> None:
    report = vectors.run(program(("wsquare-bias", anywhere)), cases=CASES)
    assert report.verdict is report.verdict
    (reason,) = report.reasons
    assert str(reason) == f"wsquare-bias: {reason.failing} of {reason.failing} failing cases of {told(reason.places)}"
    assert reason.exact
