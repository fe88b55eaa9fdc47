"""The frozen vectors against answers computed by hand, and the dialects against what the known programs answer."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from test_vectors_files import CASES, per_sample
from vector_generator import dialects
from vector_generator.values import array

# By hand ---------------------------------------------------------------------------------------------------------

ANSWERS = {  # id: relevance of the inputs, dropped
    "core/small/AB-1/alpha1-beta0": (["-1", "0"], "0"),
    "core/small/AB-1/alpha2-beta1": (["-2", "1/2"], "0"),
    "core/small/AB-2": (["-1/3", "0"], "0"),
    "core/small/AB-3/a": (["0", "2"], "-1"),
    "core/small/AB-3/b": (["-1", "0"], "2"),
    "core/small/AB-3/c": (["-1", "2"], "0"),
    "core/small/AB-4/zplus": (["1", "0"], "0"),
    "core/small/AB-4/alpha1-beta0": (["2/3", "0"], "0"),
    "core/small/G-1": (["10/11", "-4/11"], "0"),
    "alternatives/gamma/G-2/plain": (["2", "-2"], "0"),
    "alternatives/gamma/G-2/generalized": (["10/7", "-8/7"], "0"),
    "core/small/W-1": (["1/5", "4/5"], "0"),
    "alternatives/batch-norm/BN-1/z-rule": (["3/4"], "0"),
    "alternatives/batch-norm/BN-1/pass": (["1"], "0"),
    "core/small/E-1/plus-epsilon": (["1/2"], "0"),
    "core/small/E-1/minus-epsilon": (["1/2"], "0"),
    "alternatives/zero-sign/E-1/plus": (["4", "-4"], "0"),
    "alternatives/zero-sign/E-1/minus": (["-4", "4"], "0"),
    "alternatives/zero-sign/E-1/dropped": (["0", "0"], "1"),
    "core/small/E-2": (["1024", "-1023"], "0"),
    "core/magnitude/bias": (["-2", "1"], "0"),
    "core/magnitude/bias-of-zero": (["1/2"], "0"),
    "core/magnitude/add-lrp0": (["3/2", "2"], "0"),
    "core/magnitude/mean-lrp0": (["3/2", "-1/2", "1", "3"], "0"),
    "core/magnitude/small-gamma": (["258/259", "-128/259"], "0"),
    "core/pool/alpha2-beta1/sum-negative": (["2/3", "4/3", "-2", "2"], "0"),
    "alternatives/bias/one-unit/shared": (["9/2", "-3/2"], "0"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_by_hand(name: str) -> None:
    answer, dropped = ANSWERS[name]
    assert CASES[name]["relevance_in"][0]["exact"] == answer
    assert CASES[name]["ledger"]["dropped"]["exact"] == [dropped]


def test_max_pool_ties_by_hand() -> None:
    first = CASES["alternatives/max-pool-ties/overlap/first"]["relevance_in"][0]["exact"]
    share = CASES["alternatives/max-pool-ties/overlap/share"]["relevance_in"][0]["exact"]
    assert first == ["2", "1", "0", "2", "0", "1", "2", "0", "2", "0"]
    assert share == ["1", "2", "0", "-1/2", "5/2", "1/2", "3/2", "1", "2", "0"]


def test_reuse_1_by_hand() -> None:
    """z¹ = (1, 3), z² = (1, 4), R = (0, 4): relu gets (1, 3), x_1 gets 1 + 3·1/3, x_2 gets 3·2/3."""
    case = CASES["networks/branch/REUSE-1"]
    assert case["relevance"]["relu"]["exact"] == ["1", "3"]
    assert case["relevance"]["input"]["exact"] == ["2", "2"]


def test_res_1_is_conservative() -> None:
    case = CASES["networks/branch/RES-1/lrp0"]
    assert per_sample(case["relevance"]["input"]) == per_sample(case["values"]["o"])


def test_every_sample_of_a_batch_stands_alone() -> None:
    """BATCH-1 by z_ij in Fractions, sample by sample, without the generator."""
    case = CASES["core/batch/epsilon/BATCH-1"]
    w = np.array([Fraction(v) for v in case["layer"]["weight"]["exact"]]).reshape(3, 2)
    b = [Fraction(v) for v in case["layer"]["bias"]["exact"]]
    x = np.array([Fraction(v) for v in case["inputs"][0]["exact"]]).reshape(8, 3)
    r = np.array([Fraction(v) for v in case["relevance_out"]["exact"]]).reshape(8, 2)
    expected = []
    for n in range(8):
        z = [sum(x[n, i] * w[i, j] for i in range(3)) + b[j] for j in range(2)]
        st = [v + (Fraction(1, 4) if v >= 0 else -Fraction(1, 4)) for v in z]
        expected += [str(sum(x[n, i] * w[i, j] * r[n, j] / st[j] for j in range(2))) for i in range(3)]
    assert case["relevance_in"][0]["exact"] == expected


# The dialects: what the known programs answer to the same cases -----------------------------------------------------


def unit(a: list[Any], w: list[Any], b: Any, r: Any, rule: dict[str, Any]) -> dialects.Call:
    layer = {"type": "Dense", "weight": array([[v] for v in w]), "bias": array([b])}
    return dialects.Call(layer, rule, [array([a])], array([[r]]))


AB10 = {"name": "AlphaBeta", "alpha": Fraction(1), "beta": Fraction(0)}
GAMMA = {"name": "Gamma", "gamma": Fraction(1, 4)}
BN = {"type": "BatchNorm", "gamma": array([2]), "beta": array([1]), "mean": array(["1/2"]), "variance": array([4])}
SUM = {"type": "SumPool", "kernel": [2, 2], "stride": [2, 2], "padding": [[0, 0], [0, 0]], "ceil_mode": False}
AB21 = {"name": "AlphaBeta", "alpha": Fraction(2), "beta": Fraction(1)}
THEIRS = [
    ("ab-bias-full", unit([1, -2], [1, 1], "1/2", "-1/2", AB10), ["1", "-2"]),
    ("zplus-bias", unit([1, 2], [1, "-1/4"], "1/2", 1, {"name": "ZPlus"}), ["2/3", "0"]),
    ("gamma-bias", unit([1, 2], [1, "-1/4"], "1/2", 1, GAMMA), ["1", "-2/5"]),
    ("gamma-bias", unit([1, -1], [1, 1], "1/2", 1, GAMMA), ["5/2", "-5/2"]),
    ("gamma-generalised", unit([1, -1], [1, 1], "1/2", 1, GAMMA), ["10/7", "-8/7"]),
    ("wsquare-bias", unit([1, 1], [1, 2], 1, 1, {"name": "WSquare"}), ["1/6", "2/3"]),
    (
        "bn-fused",
        dialects.Call({**BN, "epsilon": Fraction(0)}, {"name": "LRP0"}, [array([["3/2"]])], array([[1]])),
        ["6/13"],
    ),
    (
        "toolbox-sumpool-ab",
        dialects.Call(SUM, AB21, [array([[[[1, 2], [-1, 3]]]])], array([[[[2]]]])),
        ["2/3", "4/3", "-4", "2"],
    ),
]


@pytest.mark.parametrize(("name", "call", "answer"), THEIRS, ids=lambda v: v if isinstance(v, str) else "")
def test_dialects_answer_as_the_programs_do(name: str, call: dialects.Call, answer: list[str]) -> None:
    (found,) = dialects.DIALECTS[name](call)
    assert [str(v) for v in found.reshape(-1)] == answer


def test_a_division_by_zero_is_not_finite() -> None:
    call = unit(["1/4"], [-1], 0, 1, {"name": "Epsilon", "epsilon": Fraction(1, 4)})
    assert dialects.nonfinite(dialects.DIALECTS["eps-unsigned"](call))


def test_a_dialect_is_caught_only_where_it_differs() -> None:
    """With a ≥ 0, z > 0 and no negative bias the two forms of γ agree."""
    assert "gamma-generalised" not in CASES["core/small/G-1"]["catches"]
    assert "gamma-generalised" in CASES["alternatives/gamma/G-2/plain"]["catches"]
    assert "zplus-bias" in CASES["core/small/AB-4/zplus"]["catches"]
    assert "zplus-bias" not in CASES["core/dense/zplus/no-bias"]["catches"]
    assert "residual-forgotten" in CASES["networks/branch/RES-1/lrp0"]["catches"]
