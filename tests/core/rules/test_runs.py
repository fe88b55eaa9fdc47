"""One run at a time, by hand in rationals: every single edit, either sign, z known or not, shares of bias and ε."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exact_numbers import F, exact

from lrp_ref import rules
from lrp_ref.errors import ParameterError
from lrp_ref.layers import Conv, Dense
from lrp_ref.rules import edits
from lrp_ref.rules.edits import KEEP, NEG, ONES, POS, SQUARE, ZERO
from lrp_ref.rules.rule import Group, Rule, Run
from lrp_ref.rules.share import Given, share

A = [[F(2), F(-1), F(3)], [F(-1), F(4), F(1, 2)]]
W = [[F(1), F(-2)], [F(3), F(1)], [F(-1, 3), F(5)]]
B = [F(1, 2), F(-7)]
R = [[F(3), F(-5)], [F(7), F(2)]]
SINGLE_EDITS = (POS, NEG, ONES, SQUARE)
EDITED = {
    KEEP: lambda v: v,
    POS: lambda v: v if v > 0 else F(0),
    NEG: lambda v: v if v < 0 else F(0),
    ZERO: lambda v: F(0),
    ONES: lambda v: F(1),
    SQUARE: lambda v: v**2,
}


def by_hand(run: Run) -> tuple[list[list[F]], list[F]]:
    """R_i = Σ_j ã_i w̃_ij R_j / (Σ_i ã_i w̃_ij + b̃_j) and what b̃_j receives; the sign cancels."""
    a, w, b = EDITED[run.inputs], EDITED[run.weights], EDITED[run.bias]
    inputs, bias = [], []
    for x, r in zip(A, R, strict=True):
        total = [sum(a(x[i]) * w(W[i][j]) for i in range(3)) + b(B[j]) for j in range(2)]
        m = [r[j] / total[j] if total[j] else F(0) for j in range(2)]
        inputs.append([sum(a(x[i]) * w(W[i][j]) * m[j] for j in range(2)) for i in range(3)])
        bias.append(sum(b(B[j]) * m[j] for j in range(2)))
    return inputs, bias


SINGLE = [Run(), *(Run(inputs=e) for e in SINGLE_EDITS), *(Run(weights=e) for e in SINGLE_EDITS),
          *(Run(bias=e) for e in (ZERO, *SINGLE_EDITS)), Run(POS, SQUARE, NEG)]  # fmt: skip


@pytest.mark.parametrize("known", [False, True], ids=["z unknown", "z known"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("run", SINGLE, ids=Run.formula)
def test_a_run_with_one_edit_of_either_sign(run: Run, sign: int, known: bool) -> None:
    layer, a = Dense(exact(*W), exact(*B)), exact(*A)
    rule = Rule((Group((Run(run.inputs, run.weights, run.bias, sign),)),))
    found = share(layer, (a,), exact(*R), rule, given=Given(z=layer.forward(a)) if known else Given())
    inputs, bias = by_hand(run)
    assert found.relevances[0].tolist() == inputs
    assert found.bias.tolist() == bias


def test_the_bias_of_a_second_run_counts_with_its_sign() -> None:
    """z·2 − z = z: relevances of (2 runs of +z, 1 of −z) are LRP-0, the bias' too."""
    layer, a = Dense(exact(*W), exact(*B)), exact(*A)
    for signs in ((1, 1, -1), (-1, 1, 1), (1, -1, 1)):
        found = share(layer, (a,), exact(*R), Rule((Group(tuple(Run(sign=s) for s in signs)),)))
        inputs, bias = by_hand(Run())
        assert (found.relevances[0].tolist(), found.bias.tolist()) == (inputs, bias)


@pytest.mark.parametrize("known", [False, True], ids=["z unknown", "z known"])
@pytest.mark.parametrize(("gate", "keeps"), [("positive", lambda z: z > 0), ("negative", lambda z: z < 0)])
def test_a_gate_sees_the_unedited_output(gate: str, keeps: Any, known: bool) -> None:
    """w² with a gate: R_i = Σ_j [z_j ≷ 0] w_ij²/Σ_i w_ij² R_j, the rest is dropped; z_j = 0 belongs to neither gate."""
    layer = Dense(exact([1, -2, 3], [3, 1, -1]), exact(1, -3, 0))
    a, r = exact([1, 3]), exact([2, 3, 5])  # z = (11, −2, 0)
    rule = Rule((Group((Run(ONES, SQUARE, ZERO),), gate=gate),))
    found = share(layer, (a,), r, rule, given=Given(z=layer.forward(a)) if known else Given())
    z, w = [11, -2, 0], [[1, -2, 3], [3, 1, -1]]
    message = [F([2, 3, 5][j], w[0][j] ** 2 + w[1][j] ** 2) if keeps(z[j]) else F(0) for j in range(3)]
    assert found.relevances[0].tolist() == [[sum(w[i][j] ** 2 * message[j] for j in range(3)) for i in range(2)]]
    assert found.dropped.tolist() == [sum(v for v, zj in zip([2, 3, 5], z, strict=True) if not keeps(zj))]


@pytest.mark.parametrize("delta", [F(0), F(1, 3), F(1)])
@pytest.mark.parametrize("taken", [F(0), F(1, 4), F(1)])
def test_shares_of_bias_and_stabiliser_by_hand(delta: F, taken: F) -> None:
    """R_i = Σ_j (a_i w_ij + (δ_b b_j + δ_ε ε sgn z_j)/N) / (z_j + ε sgn z_j) R_j, what is not spread stays."""
    layer, a, epsilon = Dense(exact(*W), exact(*B)), exact(*A), F(1, 8)
    found = share(layer, (a,), exact(*R), rules.Epsilon(epsilon, bias_share=delta, stabiliser_share=taken))
    for n, (x, r) in enumerate(zip(A, R, strict=True)):
        z = [sum(x[i] * W[i][j] for i in range(3)) + B[j] for j in range(2)]
        e = [epsilon if v >= 0 else -epsilon for v in z]
        m = [r[j] / (z[j] + e[j]) for j in range(2)]
        assert found.relevances[0][n].tolist() == [
            sum((x[i] * W[i][j] + (delta * B[j] + taken * e[j]) / 3) * m[j] for j in range(2)) for i in range(3)
        ]
        assert found.bias[n] == sum((1 - delta) * B[j] * m[j] for j in range(2))
        assert found.stabiliser[n] == sum((1 - taken) * e[j] * m[j] for j in range(2))
        assert found.dropped[n] == 0


@pytest.mark.parametrize("shape", [(2, 2), (1, 4)], ids=["as many channels as samples", "one sample"])
def test_the_bias_of_a_convolution_per_sample(shape: tuple[int, int]) -> None:
    """Σ_j b_o R_j/z_j per sample of a 1x1 convolution, with as many channels as samples or positions."""
    samples, size = shape
    a = np.array([F(k + 1) for k in range(samples * size)]).reshape(samples, 1, size)
    w, b = [F(2), F(-3)], [F(1, 3), F(5)]
    layer = Conv(exact([[2]], [[-3]]), exact(*b), stride=(1,), padding=((0, 0),), dilation=(1,), groups=1)
    r = np.array([F(k - 2) for k in range(samples * 2 * size)]).reshape(samples, 2, size)
    found = share(layer, (a,), r, rules.LRP0())
    for n in range(samples):
        units = [(o, p) for o in range(2) for p in range(size)]
        assert found.bias[n] == sum(b[o] * r[n, o, p] / (w[o] * a[n, 0, p] + b[o]) for o, p in units)


# Small points ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edit", list(EDITED), ids=repr)
@pytest.mark.parametrize("value", [F(-3, 2), F(0), F(5, 3)])
def test_the_edit_of_a_number_is_that_of_an_array(edit: edits.Edit, value: F) -> None:
    assert edit.number(value) == EDITED[edit](value)
    assert edit(exact([value])).tolist() == [[EDITED[edit](value)]]


def test_shares_are_printed() -> None:
    assert rules.Epsilon(0.25, bias_share=1).formula() == (
        "R_i = Σ_j (a_i·w_ij + (1·b_j + 1·ε_j)/N_j) / (Σ_i a_i·w_ij + b_j + 0.25·sgn(z_j))·R_j"
    )


def test_a_stabiliser_of_strength_zero_prints_as_none() -> None:
    assert [s(0).formula("z") for s in (edits.add, edits.clip, edits.relative)] == ["z", "z", "z"]
    assert edits.relative(0.5).formula("z") == "z + 0.5·RMS(z)·sgn(z_j)"


def test_only_add_and_clip_of_a_visible_strength_are_never_zero() -> None:
    z = np.zeros((1, 2), dtype=np.float32)
    assert edits.add(0.5).never_zero(z)
    assert edits.clip(0.5).never_zero(z)
    assert not edits.add(1e-60).never_zero(z)
    assert not edits.relative(0.5).never_zero(z)
    assert not edits.EXACT.never_zero(z)


def test_the_groups_of_rules_with_signs() -> None:
    assert [run.sign for run in rules.ZBox(-1, 2).groups[0].runs] == [1, -1, -1]
    assert len(rules.AlphaBeta(1, 0).groups) == 1


def test_parameters_beyond_the_border_are_refused() -> None:
    with pytest.raises(ParameterError, match="beta must be > 0"):
        rules.BetaSmooth(-1.0)
    for index in (3, 4, -4, -5):
        with pytest.raises(ParameterError, match="does not exist"):
            rules.AllToOne(index).run(Dense(np.eye(3)), (np.ones((1, 3)),), (np.ones((1, 3)),))
