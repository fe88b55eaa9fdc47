"""Steps back in time of an LSTM, unit by unit from the formulas, with units that have no denominator."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from samples import Draw

from lrp_ref import layers, rules
from lrp_ref.layers.recurrent import back as stepback
from lrp_ref.layers.recurrent import shared
from lrp_ref.layers.recurrent import steps as recurrence
from lrp_ref.rules import edits
from lrp_ref.rules.edits import KEEP, NEG, POS, SQUARE, ZERO
from lrp_ref.rules.rule import Group, Rule, Run
from lrp_ref.rules.share import share

# The formulas, in loops -----------------------------------------------------------------------------------------

FEATURES, HIDDEN, STEPS, SAMPLES = 2, 5, 4, 3


@dataclass(frozen=True)
class Part:
    """A rule z + ε sgn(z), or ε times the root mean square, with its parts of bias and stabiliser spread evenly."""

    epsilon: float = 0.0
    bias: float = 0.0
    stabiliser: float = 0.0
    relative: bool = False
    ignored: bool = False  # the bias, of every denominator

    def rule(self) -> Rule:
        kind = "relative" if self.relative else "add" if self.epsilon else "exact"
        given = edits.Stabiliser(kind, self.epsilon)
        run = Run(bias=ZERO) if self.ignored else Run()
        return Rule((Group((run,), stabiliser=given, bias_share=self.bias, stabiliser_share=self.stabiliser),))


@dataclass
class Told:
    x: Any
    h: Any
    c: Any
    bias: float = 0.0
    stabiliser: float = 0.0
    dropped: float = 0.0


def dense_back(inputs: Any, weights: Any, bias: Any, mass: Any, part: Part, told: Told) -> Any:
    """Return what each input gets from the units z_j = Σ_i inputs_i w_ij + b_j; all inputs share what is even."""
    bias = 0 * bias if part.ignored else bias
    zs = [(inputs * weights[:, j]).sum() + bias[j] for j in range(len(bias))]
    size = math.sqrt(sum(z * z for z in zs) / len(zs)) if part.relative else 1.0
    got = np.zeros(len(inputs))
    for j, z in enumerate(zs):
        added = (-1 if z < 0 else 1) * part.epsilon * size
        if z + added == 0:
            told.dropped += mass[j]
            continue
        quotient = mass[j] / (z + added)
        even = part.bias * bias[j] * quotient + part.stabiliser * added * quotient
        got += inputs * weights[:, j] * quotient + even / len(inputs)
        told.bias += (1 - part.bias) * bias[j] * quotient
        told.stabiliser += (1 - part.stabiliser) * added * quotient
    return got


@dataclass
class Case:
    """One direction, one sample: weights as matrices (inputs, hidden) by gate, and what arrives."""

    layer: Any
    k: int
    xs: Any
    h0: Any
    c0: Any
    rs: Any
    last_h: Any
    last_c: Any
    states: list[Any] = field(default_factory=list)

    def forward(self) -> None:
        joint = np.concatenate((self.layer.weight_input[self.k], self.layer.weight_hidden[self.k]), axis=2)
        h, c = self.h0, self.c0
        for x in self.xs:
            below = np.concatenate((x, h))
            i, f, g, o = (joint[gate] @ below + self.layer.bias[self.k, gate] for gate in range(4))
            i, f, g, o = (*(1 / (1 + np.exp(-z)) for z in (i, f)), np.tanh(g), 1 / (1 + np.exp(-o)))
            self.states.append((below, i * g, f * c))
            c = i * g + f * c
            h = o * np.tanh(c)

    def back(self, dense: Part, state: Part) -> Told:
        self.forward()
        told = Told(np.zeros((STEPS, FEATURES)), self.last_h, self.last_c)
        joint = np.concatenate((self.layer.weight_input[self.k, 2], self.layer.weight_hidden[self.k, 2]), axis=1).T
        ones = np.concatenate((np.eye(HIDDEN), np.eye(HIDDEN)))
        for t in reversed(range(STEPS)):
            below, new, kept = self.states[t]
            mass = told.h + self.rs[t] + told.c
            cell = dense_back(np.concatenate((new, kept)), ones, np.zeros(HIDDEN), mass, state, told)
            got = dense_back(below, joint, self.layer.bias[self.k, 2], cell[:HIDDEN], dense, told)
            told.x[t], told.h, told.c = got[:FEATURES], got[FEATURES:], cell[HIDDEN:]
        return told


def layer_and_inputs(kind: str) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    draw = Draw(f"steps {kind}", "normal")
    w, u, b = draw(2, 4, HIDDEN, FEATURES), draw(2, 4, HIDDEN, HIDDEN), draw(2, 4, HIDDEN)
    x, h, c = draw(SAMPLES, STEPS, FEATURES), draw(SAMPLES, 2, HIDDEN), draw(SAMPLES, 2, HIDDEN)
    if kind == "z is its bias":  # without it unit 1 has no denominator, and its cell input g is not 0
        w[:, 2, 1], u[:, 2, 1] = 0, 0
    elif kind != "plain":  # z of unit 1's cell input is 0: it has no denominator
        w[:, 2, 1], u[:, 2, 1], b[:, 2, 1] = 0, 0, 0
    if kind == "all z are 0":
        w[:, 2], u[:, 2], b[:, 2] = 0, 0, 0
    if kind == "c is 0 too":
        c[:, :, 1] = 0
    if kind == "the two parts of c cancel":  # i = f = ½ at the first step of unit 0: c = (tanh b + c_0)/2
        w[:, :3, 0], u[:, :3, 0], b[:, :2, 0] = 0, 0, 0
        c[:, :, 0] = -np.tanh(b[:, 2, 0])
    layer = layers.LSTM(w, u, b, "bidirectional", "all", state=True)
    rs = (draw(SAMPLES, STEPS, 2 * HIDDEN), draw(SAMPLES, 2, HIDDEN), draw(SAMPLES, 2, HIDDEN))
    return layer, (x, h, c), rs


KINDS = ["plain", "z is its bias", "z is 0", "all z are 0", "c is 0 too", "the two parts of c cancel"]
PARTS = {
    "exact": Part(), "add": Part(0.125), "bias": Part(0.0, 0.75), "even": Part(0.0, 0.0, 0.5),
    "add even": Part(0.25, 0.0, 0.5), "add bias": Part(0.25, 0.5), "all": Part(0.25, 0.25, 0.75),
    "relative": Part(0.25, 0.5, 0.25, relative=True),
    "ignored": Part(ignored=True), "ignored, even": Part(0.25, 0.0, 0.5, relative=True, ignored=True),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "way"), [*((k, "plain") for k in KINDS), *((k, "shared") for k in (KINDS[0], KINDS[1], KINDS[5]))]
)
@pytest.mark.parametrize(("dense", "state"), list(itertools.product(PARTS, PARTS)))
def test_every_unit_gets_its_share(
    kind: str, way: str, dense: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, xs, rs = layer_and_inputs(kind)
    if way == "shared":
        monkeypatch.setattr(stepback, "plain", lambda rule: None)
    monkeypatch.setattr(recurrence, "BLOCK", 2 * 2 * SAMPLES * HIDDEN)  # two blocks of two steps
    parts = PARTS[dense], PARTS[state]
    shared = layer.redistribute(xs, rs, rules.Recurrent(*(p.rule() for p in parts)))
    for n in range(SAMPLES):
        x_said, account = np.zeros((STEPS, FEATURES)), np.zeros(3)
        for k, turn in enumerate((slice(None), slice(None, None, -1))):
            units = slice(k * HIDDEN, (k + 1) * HIDDEN)
            given = xs[0][n, turn], xs[1][n, k], xs[2][n, k], rs[0][n, turn, units], rs[1][n, k], rs[2][n, k]
            told = Case(layer, k, *given).back(*parts)
            x_said += told.x[turn]
            account += [told.bias, told.stabiliser, told.dropped]
            close(shared.relevances[1][n, k], told.h)
            close(shared.relevances[2][n, k], told.c)
        close(shared.relevances[0][n], x_said)
        close(np.array([shared.bias[n], shared.stabiliser[n], shared.dropped[n]]), account)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * max(1.0, np.abs(expected).max()))


# Which rules are multiplied by quotients known beforehand -------------------------------------------------------

PLAIN = [
    rules.LRP0(),
    rules.Epsilon(0.25),
    rules.Epsilon(0.25, 1),
    rules.LRP0(edits.relative(0.5)),
    Part(0.5, 1, 1).rule(),
    Part(0.5, ignored=True).rule(),
    rules.LRP0().with_bias("ignore"),
]
OTHER = [
    rules.ZPlus(), rules.AlphaBeta(2, 1), rules.Gamma(0.25), rules.Flat(),
    Rule((Group((Run(),)), Group((Run(),)))), Rule((Group((Run(), Run())),)),
    *(Rule((Group((run,)),)) for run in (Run(POS), Run(NEG), Run(KEEP, SQUARE), Run(KEEP, KEEP, POS), Run(sign=-1))),
    *(Rule((Group((Run(),), weight),)) for weight in (2, 0.5, -1, 0)),
    *(Rule((Group((Run(),), gate=gate),)) for gate in ("positive", "negative")),
]  # fmt: skip


@pytest.mark.parametrize("rule", PLAIN, ids=repr)
def test_plain_rules(rule: Rule) -> None:
    assert stepback.plain(rule) is not None
    assert stepback.plain(rule) == rule.groups[0]


@pytest.mark.parametrize("rule", OTHER, ids=repr)
def test_other_rules(rule: Rule) -> None:
    assert stepback.plain(rule) is None


def test_two_plain_rules_make_no_layer_for_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only they do: any other rule is executed by ``share``, for the cell and for its input at every step."""
    layer, xs, rs = layer_and_inputs("plain")
    calls = []

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(1)
        return share(*args, **options)

    monkeypatch.setattr(shared, "share", counted)
    for dense, state, expected in (
        (rules.Epsilon(0.25), rules.LRP0(), 0),
        (rules.Gamma(0.25), rules.LRP0(), 2 * 2 * STEPS),
        (rules.LRP0(), rules.Gamma(0.25), 2 * 2 * STEPS),
        (rules.ZPlus(), rules.Gamma(0.25), 2 * 2 * STEPS),
    ):
        calls.clear()
        layer.redistribute(xs, rs, rules.Recurrent(dense, state))
        assert len(calls) == expected


def test_the_general_way_hands_on_what_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """c_t is known from the forward pass: the cell's sum is not formed again for an unedited denominator."""
    layer, xs, rs = layer_and_inputs("plain")

    def forbidden(self: Any, *xs: Any) -> Any:
        raise AssertionError("the sum was formed again")

    monkeypatch.setattr(shared.CellSum, "forward", forbidden)
    layer.redistribute(xs, rs, rules.Recurrent(rules.Gamma(0.25), rules.Epsilon(0.25)))


# The derivative -------------------------------------------------------------------------------------------------


def outputs(layer: Any, xs: Any, gs: Any) -> float:
    return float(sum((o * g).sum() for o, g in zip(layer.forward(*xs), gs, strict=True)))


def test_the_derivative_is_the_slope() -> None:
    """Central differences in every input, in blocks of steps and with three units, two features, two directions."""
    layer, xs, gs = layer_and_inputs("plain")
    layer = replace(layer, weight_input=layer.weight_input / 2, weight_hidden=layer.weight_hidden / 2)
    found = layer.vjp(xs, gs)
    h = 1e-5
    for which, x in enumerate(xs):
        for place in np.ndindex(*x.shape):
            step = np.zeros(x.shape)
            step[place] = h
            moved = [outputs(layer, (*xs[:which], x + s * step, *xs[which + 1 :]), gs) for s in (1, -1)]
            assert found[which][place] == pytest.approx((moved[0] - moved[1]) / (2 * h), rel=1e-6, abs=1e-8)
