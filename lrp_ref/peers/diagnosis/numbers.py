"""Numbers that a rule may have in place of those asked for, found from the other program's numbers themselves.

Each is accepted only where the numbers that depart are more than the equations that it takes to find it, and then all
of them agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ... import rules
from ...base.arrays import unwarned
from ...errors import LrpError
from ...layers import Layer, Linear
from ...rules.edits import Stabiliser
from ...rules.groups import Group
from ...rules.rule import Rule, WithBias
from .agreement import gaps, rows, scale
from .changes import Change, Switches, same, stabiliser_of, switched, with_epsilon

Array = np.ndarray[Any, Any]
Predict = Callable[[Any], "Array | None"]  # of a rule; None where it cannot run

EPSILON, GAMMA, WEIGHTS, SHARE = "eps-default", "gamma-value", "ab-weights", "bias-share"
# The ε that programs have by default, and those that people write.
USUAL = (0.0, 1e-16, 1e-15, 1e-12, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.25, 1.0)
KINDS = ("", "clip", "relative")
GRID = np.arange(-12.0, 2.01, 0.5)  # of log10, where a search begins
GAMMAS = (0.0, 0.01, 0.1, 0.25, 0.5, 1.0, 2.0, 10.0, 100.0)
PROMISING = 0.7  # of the difference at the smallest number, below which a search goes on
SPARE = 2  # equations beyond the numbers that are found


def usual_epsilons(layer: Layer, rule: Any, ids: tuple[str, ...], switches: Switches) -> Iterator[Change]:
    """Yield a rule under switches with the ε that programs have by default."""
    for kind in KINDS[: 1 if ids else None]:
        for value in USUAL:
            yield from changes_with_epsilon(layer, rule, ids, switches, value, kind)


def changes_with_epsilon(
    layer: Layer, rule: Any, ids: tuple[str, ...], switches: Switches, value: float, kind: str
) -> Iterator[Change]:
    """Yield what a rule becomes with an ε before the switches, and with one after them."""
    asked = stabiliser_of(rule)
    before = None if rule is None else _tried(lambda: with_epsilon(rule, value, kind))
    made = [None if before is None else switched(layer, before, ids, switches)]
    if ids:
        after = switched(layer, rule, ids, switches)
        later = None if after is None else _tried(lambda: with_epsilon(after.rule, value, kind))
        made.append(None if after is None or later is None else replace(after, rule=later))
    # Where no denominator was asked for, its ε belongs to what the switch computes, and is no departure of its own.
    more = () if asked is None and ids else (EPSILON,)
    seen: list[Any] = [rule]
    for change in made:
        if change is None or any(same(change.rule, s) for s in seen):
            continue
        seen.append(change.rule)
        yield replace(
            change,
            ids=tuple(dict.fromkeys((*change.ids, *more))),
            says=(*change.says, _epsilon_says(value, kind, asked, own=not more)),
            numbers={**change.numbers, "epsilon": value},
        )


def _tried(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except LrpError:
        return None


def _epsilon_says(value: float, kind: str, asked: Stabiliser | None, *, own: bool) -> str:
    size = {"clip": ", by which denominators are clipped", "relative": " times the root mean square of z"}.get(kind, "")
    if own:
        return f"with ε = {value:.6g}{size}"
    old = 0 if asked is None or asked.kind == "exact" else asked.epsilon
    return f"ε = {value:.6g}{size} in place of {f'{old:.6g}' if old else 'none'}"


def fitted_epsilon(
    layer: Layer, rule: Any, ids: tuple[str, ...], switches: Switches, predict: Predict, got: Array
) -> Iterator[Change]:
    """Yield a rule under switches with the ε that comes nearest to the numbers."""
    for kind in KINDS[: 1 if ids else None]:
        for place in range(2 if ids else 1):

            def changed(value: float, kind: str = kind, place: int = place) -> Change | None:
                made = list(changes_with_epsilon(layer, rule, ids, switches, value, kind))
                return made[place] if place < len(made) else None

            value = nearest(lambda v, c=changed: _predicted(predict, c(v)), got, GRID, promising=bool(ids))  # type: ignore[misc]
            change = None if value is None else changed(value)
            if change is not None:
                yield change


def fitted_gamma(
    layer: Layer, rule: Any, ids: tuple[str, ...], switches: Switches, predict: Predict, got: Array
) -> Iterator[Change]:
    """Yield a γ-rule under switches with usual γ, and with the one that comes nearest to the numbers."""
    inner: Any = rule.rule if isinstance(rule, WithBias) else rule
    if not isinstance(inner, rules.Gamma | rules.GeneralizedGamma):
        return

    def changed(value: float) -> Change | None:
        other: Any = replace(inner, gamma=value)
        change = switched(layer, WithBias(other, rule.policy) if isinstance(rule, WithBias) else other, ids, switches)
        if change is None:
            return None
        says = (*change.says, f"γ = {value:.6g} in place of {inner.gamma:.6g}")
        return replace(change, ids=(*change.ids, GAMMA), says=says, numbers={"gamma": value})

    yield from (c for value in GAMMAS if value != inner.gamma and (c := changed(value)) is not None)
    value = nearest(lambda v: _predicted(predict, changed(v)), got, GRID, promising=bool(ids))
    change = None if value is None else changed(value)
    if change is not None:
        yield change


def fitted_weights(
    layer: Layer, rule: Any, ids: tuple[str, ...], switches: Switches, predict: Predict, got: Array
) -> Iterator[Change]:
    """Yield an αβ-rule with the α and β = α − 1 that come nearest to the numbers."""
    inner = rule.rule if isinstance(rule, WithBias) else rule
    if not isinstance(inner, rules.AlphaBeta) or not isinstance(layer, Linear):
        return
    both: Any = rules.AlphaBeta(2, 1, inner.stabiliser)
    both = WithBias(both, rule.policy) if isinstance(rule, WithBias) else both
    change = switched(layer, both, ids, switches)
    if change is None or not isinstance(change.rule, Rule) or len(change.rule.groups) != 2:
        return
    units: list[Group] = [replace(g, weight=w) for g, w in zip(change.rule.groups, (1, -1), strict=True)]
    parts = [predict(Rule((group,))) for group in units]
    nothing = predict(rules.Zero())
    if nothing is None or parts[0] is None or parts[1] is None:
        return
    found = combined(got, nothing, [parts[0] - nothing, parts[1] - nothing])
    if found is None or abs(found[0] - found[1] - 1) > 1e-6:
        return
    alpha, beta = (snapped(float(v)) for v in found)
    groups = tuple(replace(g, weight=w) for g, w in zip(units, (alpha, -beta), strict=True))
    says = f"α = {alpha:.6g}, β = {beta:.6g} in place of α = {inner.alpha:.6g}, β = {inner.beta:.6g}"
    numbers = {"alpha": alpha, "beta": beta}
    yield Change((*change.ids, WEIGHTS), Rule(groups), (*change.says, says), numbers)


def fitted_shares(layer: Layer, rule: Any, predict: Predict, got: Array) -> Iterator[Change]:
    """Yield an ε-rule with the shares of bias and stabiliser that come nearest to the numbers."""
    inner = rule.dense if isinstance(rule, rules.Recurrent) else rule
    if not isinstance(inner, rules.Epsilon):
        return

    def shared(bias: float, stabiliser: float) -> Any:
        other = replace(inner, bias_share=bias, stabiliser_share=stabiliser)
        if not isinstance(rule, rules.Recurrent):
            return other
        state: Any = replace(rule.state, bias_share=bias, stabiliser_share=stabiliser)  # type: ignore[call-arg]
        return replace(rule, dense=other, state=state)

    ends = [predict(shared(*shares)) for shares in ((0, 0), (1, 0), (0, 1))]
    none, bias, stabiliser = ends
    if none is None or bias is None or stabiliser is None:
        return
    found = combined(got, none, [bias - none, stabiliser - none])
    if found is None:
        return
    one, other = (min(max(snapped(float(v)), 0.0), 1.0) for v in found)
    says = f"shares {one:.6g} of the bias and {other:.6g} of ε in place of {inner.bias_share:.6g}"
    yield Change((SHARE,), shared(one, other), (says,), {"bias_share": one, "stabiliser_share": other})


def _predicted(predict: Predict, change: Change | None) -> Array | None:
    return None if change is None else predict(change.rule)


def _residual(predicted: Array | None, got: Array) -> Array | None:
    """Return the differences relative to each sample's largest number, as a vector of bounded numbers."""
    if predicted is None or predicted.shape != got.shape:
        return None
    size = np.abs(rows(got)).max(axis=1, keepdims=True, initial=0.0)
    with unwarned():
        found = gaps(predicted, got) * np.where(rows(predicted) < rows(got), -1.0, 1.0)
        found = found / np.where(size > 0, size, 1.0)
    return np.asarray(np.nan_to_num(found, nan=1e3, posinf=1e3, neginf=-1e3)).reshape(-1)


def nearest(
    predict: Callable[[float], Array | None], got: Array, grid: Array, *, promising: bool = False
) -> float | None:
    """Return the number > 0 whose prediction comes nearest; None where none can be predicted.

    Args:
        predict: of a number.
        got: the other program's numbers.
        grid: of log10 where the search begins.
        promising: whether to search on only where one of the grid comes nearer than its smallest. Of numbers whose
            effect grows with them, one within half a step of the right one leaves half of the difference at most.
    """
    from scipy.optimize import least_squares

    def cost(residual: Array | None) -> float:
        return float("inf") if residual is None else float(np.minimum(np.abs(residual), 1e3).sum())

    costs = [cost(_residual(predict(10.0**t), got)) for t in grid]
    best = int(np.argmin(costs))
    if not np.isfinite(costs[best]) or (promising and not costs[best] < PROMISING * costs[0]):
        return None

    def residual(t: Array) -> Array:
        found = _residual(predict(10.0 ** float(t[0])), got)
        return np.full(got.size, 1e3) if found is None else found

    start = [float(grid[best])]
    found = least_squares(residual, start, bounds=(grid[0] - 4, grid[-1] + 4), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    return snapped(float(10.0 ** found.x[0]))


def snapped(value: float) -> float:
    """Return a number that was found as people write it, where its digits after the sixth are those of rounding."""
    short = float(f"{value:.6g}")
    return short if abs(value - short) <= 1e-8 * abs(short) else value


def combined(got: Array, base: Array, parts: list[Array]) -> Array | None:
    """Return the factors of ``parts`` that, added to ``base``, come nearest to the numbers; None if they are not told.

    Args:
        got, base: arrays of one shape.
        parts: arrays of that shape.
    """
    if not np.isfinite(got).all() or any(not np.isfinite(p).all() for p in (base, *parts)):
        return None
    size = scale(base, got)
    weight = np.where(size > 0, 1 / np.where(size > 0, size, 1.0), 0.0)
    matrix = np.stack([(rows(p) * weight).reshape(-1) for p in parts], axis=1)
    if np.linalg.matrix_rank(matrix, tol=1e-9) < len(parts):
        return None
    found: Array = np.linalg.lstsq(matrix, (rows(got - base) * weight).reshape(-1), rcond=None)[0]
    return found
