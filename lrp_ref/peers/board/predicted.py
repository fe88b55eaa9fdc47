"""Answers that no file of faults explains, held against what the program's own dialect computes there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np

from ...dialects import SWITCHES, Dialect
from ...errors import LrpError
from ...propagation.composites import Composite
from ...propagation.explaining import explain
from ...vectors import Case
from ...vectors.compare import FLOAT32
from ...vectors.matching import CLOSE
from ...vectors.own import make_layer, make_network, make_rule

Arrays = Mapping[str, Any]


UNGUARDED = "zero-division-nan"
OWN_EPSILON = "own-epsilon"  # no switch: a dialect's ε
MOST = 3  # switches that are told together


def candidates(dialect: Dialect, title: str) -> tuple[str, ...]:
    """Return the switches that a program may have: those of its dialect, and all that are said of it.

    Args:
        dialect: of the program.
        title: as its authors write it.

    Example:
        >>> from lrp_ref import dialects
        >>> "unsplit" in candidates(dialects.dialect("captum-0.9"), "Captum")
        True
    """
    said = [name for name, switch in SWITCHES.items() if title and title in switch.who]
    return tuple(dict.fromkeys([*dialect.switches, *said, UNGUARDED]))


def switches_of(
    case: Case, answer: Arrays, dtype: str, dialect: Dialect, among: tuple[str, ...] = (), *, close: bool = False
) -> tuple[str, ...]:
    """Return the fewest switches whose numbers an answer has; none where no few of them give it.

    The program's own ε is tried in the denominators that a rule leaves as they are, and none as well.

    Args:
        case: that was asked, and answered otherwise than it should be.
        answer: relevance of the inputs, by name.
        dtype: of the run.
        dialect: of the program.
        among: the switches to try; none for those of the dialect.
        close: whether the answer is so near the exact one that the case's own tolerance is to tell them apart.

    Example:
        >>> from lrp_ref import dialects, vectors
        >>> case = vectors.load(only=["core/small/AB-4/zplus"])[0]
        >>> switches_of(case, {"0": np.array([[2 / 3, 0.0]])}, "float64", dialects.dialect("zennit-1.0"))
        ('zplus-bias',)
    """
    for chosen, epsilon in product(_subsets(among or dialect.switches), dict.fromkeys((None, dialect.epsilon))):
        tried = replace(dialect, name="+".join(chosen), switches=chosen, epsilon=epsilon)
        try:
            predicted = _relevance(case, dtype, tried)
        except LrpError:  # it has no answer here
            continue
        if all(_agree(case, name, predicted[name], answer[name], dtype, close) for name in case.inputs):
            return chosen or (OWN_EPSILON,)
    return ()


def _subsets(switches: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(min(len(switches), MOST) + 1):  # without any its ε is left
        yield from combinations(switches, size)


def _relevance(case: Case, dtype: str, dialect: Dialect) -> Arrays:
    """Return the relevance of the inputs that a dialect computes."""
    asked = case.question(dtype)
    if "network" in asked:
        rules = {name: make_rule(rule) for name, rule in asked["rules"].items()}
        composite = Composite([(name, rule) for name, rule in rules.items() if rule is not None])
        fed = {name: asked["inputs"][name] for name in case.inputs}
        e = explain(
            make_network(asked), fed, composite=composite, start=asked["start"], canonize=False, dialect=dialect
        )
        return e.relevance if isinstance(e.relevance, Mapping) else {case.inputs[0]: e.relevance}
    layer, rule = make_layer(asked["layer"], asked.get("rule")), make_rule(asked.get("rule"))
    with np.errstate(all="ignore"):
        found = layer.relevance_backward(tuple(asked["inputs"]), asked["relevance_out"], dialect.rule(layer, rule))
    return {str(k): array for k, array in enumerate(found)}


def _agree(case: Case, name: str, predicted: Any, got: Any, dtype: str, close: bool) -> bool:
    """Return whether two arrays are one answer: not finite at the same places, else within 1e-5 of the largest."""
    one, two = (np.asarray(a, dtype=np.float64) for a in (predicted, got))
    finite = np.isfinite(one)
    if one.shape != two.shape or not (finite == np.isfinite(two)).all():
        return False
    scale = case.ulp * case.expected()[name][1][finite]
    if close:
        bound: Any = float(np.finfo(dtype).eps) * scale
    else:
        bound = np.maximum(CLOSE * float(np.abs(one[finite]).max(initial=0.0)), FLOAT32 * scale * (dtype == "float32"))
    return bool((np.abs(one - two)[finite] <= bound).all())
