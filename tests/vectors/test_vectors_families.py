"""The composites attnlrp, cp_lrp, mamba_lrp and relp give what the networks of their families have node by node."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from lrp_ref import vectors
from lrp_ref.propagation.composites import get
from lrp_ref.propagation.explaining import explain
from lrp_ref.vectors.own import make_network

FAMILIES = {"attnlrp": 1 / 64, "cp-lrp": 1 / 64, "mamba-lrp": 1 / 64, "relp": 0.0}  # with the ε of the cases
CASES = vectors.load(only=["networks/attention/*", "networks/gated/*", "networks/state-space/*"])


def family(case: vectors.Case) -> str:
    return case.id.rpartition("/")[2]


def differences(case: vectors.Case, preset: str) -> list[str]:
    """Names of values whose relevance under a composite leaves the tolerance of the case."""
    asked = case.question()
    composite = get(preset.replace("-", "_"), epsilon=FAMILIES[preset])
    told = explain(
        make_network(asked), asked["inputs"], composite=composite, start=asked["start"], canonize=False, trace=True
    )
    received = told.relevance if isinstance(told.relevance, Mapping) else {"input": told.relevance}
    found, eps, tiny = {**told.trace.relevance, **received}, np.finfo(float).eps, np.finfo(float).tiny
    expected = case.expected()
    assert set(expected) <= set(found)
    return [
        name
        for name, (right, scale) in expected.items()
        if not (abs(found[name] - right) <= case.ulp * eps * scale + tiny).all()
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_a_composite_is_the_table_of_rules_of_its_family(case: vectors.Case) -> None:
    assert differences(case, family(case)) == []


def test_every_family_has_a_case_that_the_others_fail() -> None:
    """A composite taken for another is seen: in each family a case differs under each of the others."""
    assert {family(case) for case in CASES} == set(FAMILIES)
    for mine in FAMILIES:
        for other in set(FAMILIES) - {mine}:
            assert any(differences(case, other) for case in CASES if family(case) == mine), (mine, other)
