"""Answers that no file of faults explains, held against what the program's own dialect computes there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from ...dialects import Dialect
from ...errors import LrpError
from ...propagation.composites import Composite
from ...propagation.explaining import explain
from ...vectors import Case
from ...vectors.compare import FLOAT32
from ...vectors.matching import CLOSE
from ...vectors.own import make_layer, make_network, make_rule

Arrays = Mapping[str, Any]


def switches_of(case: Case, answer: Arrays, dtype: str, dialect: Dialect) -> tuple[str, ...]:
    """Return the fewest switches of a dialect whose numbers an answer has; none where all of them give others.

    Args:
        case: that was asked, and answered otherwise than it should be.
        answer: relevance of the inputs, by name.
        dtype: of the run.
        dialect: of the program.

    Example:
        >>> from lrp_ref import dialects, vectors
        >>> case = vectors.load(only=["core/small/AB-4/zplus"])[0]
        >>> switches_of(case, {"0": np.array([[2 / 3, 0.0]])}, "float64", dialects.dialect("zennit-1.0"))
        ('zplus-bias',)
    """
    for chosen in _subsets(dialect.switches):
        try:
            predicted = _relevance(case, dtype, replace(dialect, name="+".join(chosen), switches=chosen))
        except LrpError:  # the dialect has no answer here, such as numbers that are not finite
            continue
        if all(_agree(case, name, predicted[name], answer[name], dtype) for name in case.inputs):
            return chosen
    return ()


def _subsets(switches: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for size in range(1, len(switches) + 1):
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


def _agree(case: Case, name: str, predicted: Any, got: Any, dtype: str) -> bool:
    """Return whether two arrays are one answer: not finite at the same places, else within 1e-5 of the largest."""
    one, two = (np.asarray(a, dtype=np.float64) for a in (predicted, got))
    finite = np.isfinite(one)
    if one.shape != two.shape or not (finite == np.isfinite(two)).all():
        return False
    bound: Any = CLOSE * float(np.abs(one[finite]).max(initial=0.0))
    if dtype == "float32":
        bound = np.maximum(bound, FLOAT32 * case.ulp * case.expected()[name][1])[finite]
    return bool((np.abs(one - two)[finite] <= bound).all())
