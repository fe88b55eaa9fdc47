"""Rules of the vectors: the literal messages that are expected, and the parts that tolerance and dialects need."""

# ruff: noqa: N803  (R is the letter of the papers, for the relevance that comes from above)

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from lrp_ref.literal import rules, stabilisers
from lrp_ref.literal.matrices import Matrix
from lrp_ref.literal.rules import Messages
from lrp_ref.literal.scalars import negative, positive
from lrp_ref.literal.stabilisers import Stabiliser

from .values import Array, zeros

Rule = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Part:
    """What shares one denominator: q_ij (I, J), bias b_j, relevance R_j with its weight, st, sum of |terms| of q_ij."""

    q: Array
    b: Array
    R: Array
    stabiliser: Stabiliser
    size: Array


def stabiliser_of(rule: Rule) -> Stabiliser:
    """Return the stabiliser that a rule names."""
    told = rule.get("stabiliser", {"kind": "exact"})
    if told["kind"] == "exact":
        return stabilisers.exact
    return {"add": stabilisers.add, "clip": stabilisers.clip}[told["kind"]](told["epsilon"])


def other_sign_of_zero(rule: Rule) -> Stabiliser:
    """Return d + ε sgn d with sgn 0 = −1 ("minus") or 0 ("dropped")."""
    zero = -1 if rule["_zero"] == "minus" else 0

    def stabilise(d: Array) -> Array:
        return np.asarray(
            d + rule["epsilon"] * ((d > 0).astype(int) - (d < 0).astype(int) + zero * (d == 0).astype(int))
        )

    return stabilise


def bound(value: Any, shape: tuple[int, ...]) -> Array:
    """Return a bound of z^B, a number or one per channel, for every input of a sample in C order."""
    value = np.asarray(value, dtype=object)
    if value.ndim == 1:
        value = value.reshape(-1, *(1 for _ in shape[1:]))
    return np.broadcast_to(value, shape).reshape(-1)


def messages(rule: Rule, matrix: Matrix, a: Array, R: Array, shape: tuple[int, ...]) -> Messages:
    """Return the literal messages of a rule on one sample; shape is that of the first operand without batch."""
    name, bias = rule["name"], rule.get("_bias", "absorb")
    if name == "Epsilon" and rule.get("_zero", "plus") != "plus":
        return rules.lrp0(a, matrix, R, other_sign_of_zero(rule))
    if name == "Epsilon":
        share = rule.get("bias_share", 0)
        return rules.epsilon(a, matrix, R, rule["epsilon"], share, rule.get("stabiliser_share", share), bias)
    if name == "Pass":
        return rules.pass_on(a, matrix, R)
    st = stabiliser_of(rule)
    if name == "LRP0":
        return rules.lrp0(a, matrix, R, st, bias)
    if name == "Gamma":
        return rules.gamma(a, matrix, R, rule["gamma"], st, bias)
    if name == "GeneralizedGamma":
        return rules.generalized_gamma(a, matrix, R, rule["gamma"], st, bias)
    if name == "AlphaBeta":
        return rules.alpha_beta(a, matrix, R, rule["alpha"], rule["beta"], st, bias)
    if name == "ZBox":
        return rules.zbox(a, matrix, R, bound(rule["low"], shape), bound(rule["high"], shape), st)
    return {"ZPlus": rules.zplus, "WSquare": rules.wsquare, "Flat": rules.flat}[name](a, matrix, R, st)


def parts(rule: Rule, matrix: Matrix, a: Array, R: Array, shape: tuple[int, ...]) -> list[Part]:
    """Return the parts of a rule on one sample, written a second time, independent of the literal messages."""
    found = _stated(rule, matrix, a, R, shape)
    return [replace(part, b=part.b * 0) for part in found] if rule.get("_bias") == "ignore" else found


def _stated(rule: Rule, matrix: Matrix, a: Array, R: Array, shape: tuple[int, ...]) -> list[Part]:
    """Return the parts of a rule with their biases."""
    name, st, none = rule["name"], stabiliser_of(rule), zeros(matrix.bias.shape)
    w, b = matrix.weight, matrix.bias
    z = a[:, None] * w
    if name in ("LRP0", "Epsilon"):
        if name == "Epsilon":
            plus = rule.get("_zero", "plus") == "plus"
            st = stabilisers.add(rule["epsilon"]) if plus else other_sign_of_zero(rule)
        return [Part(z, b, R, st, abs(z))]
    if name == "Gamma":
        q = z + rule["gamma"] * a[:, None] * positive(w)
        return [Part(q, b + rule["gamma"] * positive(b), R, st, abs(q))]
    if name == "GeneralizedGamma":
        total, gamma = z.sum(axis=0) + b, rule["gamma"]
        up, down = z + gamma * positive(z), z + gamma * negative(z)
        return [
            Part(up, b + gamma * positive(b), R * (total > 0), st, abs(up)),
            Part(down, b + gamma * negative(b), R * (total < 0), st, abs(down)),
        ]
    if name == "AlphaBeta":
        plus, minus = positive(z), negative(z)
        first = Part(plus, positive(b), rule["alpha"] * R, st, plus)
        return [first] if rule["beta"] == 0 else [first, Part(minus, negative(b), -rule["beta"] * R, st, -minus)]
    if name == "ZPlus":
        return [Part(positive(z), none, R, st, positive(z))]
    if name in ("WSquare", "Flat"):
        q = w * w if name == "WSquare" else zeros(w.shape) + matrix.taps.astype(int)
        return [Part(q, none, R, st, q)]
    if name == "ZBox":
        low, high = bound(rule["low"], shape)[:, None], bound(rule["high"], shape)[:, None]
        below, above = low * positive(w), high * negative(w)
        return [Part(z - below - above, none, R, st, abs(z) + abs(below) + abs(above))]
    raise ValueError(f"rule {name} has no parts")


def spread(part: Part) -> Array:
    """Return the relevance (I,) that a part hands to the inputs: sum_j q_ij R_j / st(d_j), with 0/0 = 0."""
    d = part.q.sum(axis=0) + part.b
    factor = zeros(d.shape)
    for j, (r, s) in enumerate(zip(part.R, part.stabiliser(d), strict=True)):
        factor[j] = Fraction(0) if s == 0 else Fraction(r) / s
    return np.asarray((part.q * factor).sum(axis=1))


def spread_biases(rule: Rule, matrix: Matrix, a: Array, R: Array, shape: tuple[int, ...]) -> Array:
    """Return the (I, J) messages in which the parts' biases are spread over the inputs of their unit, if they are."""
    extra = zeros(matrix.weight.shape)
    if rule.get("_bias") != "spread":
        return extra
    for part in parts(rule, matrix, a, R, shape):
        d = part.stabiliser(part.q.sum(axis=0) + part.b)
        for j in np.flatnonzero((d != 0) & matrix.taps.any(axis=0)):
            inputs = np.flatnonzero(matrix.taps[:, j])
            extra[inputs, j] = extra[inputs, j] + Fraction(part.b[j]) / len(inputs) * part.R[j] / d[j]
    return extra


def shares_of_bias(rule: Rule, matrix: Matrix, a: Array, R: Array) -> Array:
    """Return the (I, J) messages that the epsilon rule adds where it shares the bias or epsilon itself."""
    share = rule.get("bias_share", 0)
    if not share and not rule.get("stabiliser_share"):
        return zeros(matrix.weight.shape)
    extra, b = zeros(matrix.weight.shape), matrix.bias
    d = (a[:, None] * matrix.weight).sum(axis=0) + b
    for j in range(len(R)):
        added = rule["epsilon"] if d[j] >= 0 else -rule["epsilon"]
        connected = int(matrix.taps[:, j].sum())
        whole = share * b[j] + rule.get("stabiliser_share", share) * added
        for i in np.flatnonzero(matrix.taps[:, j]):
            extra[i, j] = Fraction(whole) / connected * R[j] / (d[j] + added)
    return extra


def relevance(rule: Rule, matrix: Matrix, a: Array, R: Array, shape: tuple[int, ...]) -> Array:
    """Return the relevance of the inputs (I,) from the parts: the check of the literal messages."""
    if rule["name"] == "Pass":
        return zeros(R.shape) + R
    total = zeros(a.shape)
    for part in parts(rule, matrix, a, R, shape):
        total = total + spread(part)
    total += spread_biases(rule, matrix, a, R, shape).sum(axis=1)
    if rule["name"] == "Epsilon":
        total = total + shares_of_bias(rule, matrix, a, R).sum(axis=1)
    return total


def scale(rule: Rule, matrix: Matrix, a: Array, R: Array, shape: tuple[int, ...]) -> Array:
    """Return the scale of the rounding error of every input (I,).

    sum over parts and j of |R_j| s_ij / |st_j| (1 + (sum_k s_kj + |b_j|) / |st_j|), where s_ij is the sum of the
    absolute values of the terms of q_ij and R_j includes the weight of the part.
    """
    if rule["name"] == "Pass":
        return np.asarray(abs(R))
    total = zeros(a.shape)
    for part in parts(rule, matrix, a, R, shape):
        d = part.q.sum(axis=0) + part.b
        stabilised = part.stabiliser(d)
        for j in np.flatnonzero(stabilised != 0):
            whole = part.size[:, j].sum() + abs(part.b[j])
            total = total + part.size[:, j] * abs(part.R[j]) / abs(stabilised[j]) * (1 + whole / abs(stabilised[j]))
    total += abs(spread_biases(rule, matrix, a, R, shape)).sum(axis=1)
    if rule["name"] == "Epsilon":
        total = total + abs(shares_of_bias(rule, matrix, a, R)).sum(axis=1)
    return total
