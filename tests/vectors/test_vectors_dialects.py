"""Every planted dialect fails exactly the cases that are flagged with its id; the right one passes all.

Flags are computed by the generator, in rationals, from the textbook's formulas; the implementations here are
plain NumPy on matrices of their own. Each is the other's check.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import dialects_layers
import numpy as np
import pytest
from dialects_layers import DIALECTS, answer

from lrp_ref import vectors

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "shared" / "dialects.md"
CASES = tuple(case for case in vectors.load() if not case.refuse)
FLAGS = sorted({flag for case in CASES for flag in case.catches})

NOT_SHOWN = {
    "start": "where the walk starts is an input of every case",
    "softmax-out": "where the walk starts is an input of every case",
    "attn-qkv-factor": "½ per product by other factors of the gradients: the same numbers where ε is 0",
    "first-layer": "a preset's choice of rules: every case names its rules",
    "preset-eps": "a preset's choice of rules: every case names its rules",
}

# Differences below 1e-4 of the largest relevance, which float64 sees and a flag does not promise.
FAINT = {
    ("lstm-eps-share", "core/lstm/epsilon-small/last"),
    ("lstm-eps-share", "core/lstm/epsilon-small/sequence-state"),
    ("lstm-eps-share", "core/lstm/epsilon-small/step-state"),
}


@cache
def question(case: vectors.Case) -> dict[str, Any]:
    return case.question()


@cache
def expected(case: vectors.Case) -> dict[str, tuple[Any, Any]]:
    return case.expected()


def outside(case: vectors.Case, name: str, dtype: str = "float64", visible: float = 0.0) -> bool | None:
    """Whether an adapter leaves the tolerance of dtype, by more than a part of the largest relevance.

    None for a case that it has no means for.
    """
    try:
        got = answer(question(case) if dtype == "float64" else case.question(dtype), name)
    except vectors.Unsupported:
        return None
    named = got if isinstance(got, dict) else {str(k): r for k, r in enumerate(got)}
    right, limits = {key: expected(case)[key] for key in named}, np.finfo(dtype)
    largest = max(abs(value).max(initial=0) for value, _ in right.values())
    for key, (value, scale) in right.items():
        bound = np.maximum(case.ulp * limits.eps * scale + limits.tiny, visible * largest)
        if not (abs(named[key] - value) <= bound).all():  # not a number is outside
            return True
    return False


@cache
def failing(name: str) -> frozenset[str]:
    return frozenset(case.id for case in CASES if outside(case, name))


@cache
def supported() -> frozenset[str]:
    return frozenset(case.id for case in CASES if outside(case, "") is not None)


def test_the_right_implementation_passes_every_case() -> None:
    assert failing("") == frozenset()
    assert supported() == frozenset(case.id for case in CASES)


def test_every_flag_has_an_adapter_and_every_adapter_a_flag() -> None:
    assert sorted(DIALECTS) == FLAGS


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_dialect_fails_exactly_the_cases_with_its_flag(name: str) -> None:
    flagged = {case.id for case in CASES if name in case.catches} & supported()
    faint = {case for dialect, case in FAINT if dialect == name}
    assert failing(name) == flagged | faint
    assert not flagged & faint
    assert not [case.id for case in CASES if case.id in faint and outside(case, name, "float32", visible=1e-4)]


def test_no_core_case_passes_every_wrong_adapter() -> None:
    caught = frozenset().union(*map(failing, DIALECTS))
    passing = [case.id for case in CASES if case.group == "core" and case.id in supported() - caught]
    assert not passing


@pytest.mark.parametrize("name", ["unsplit", "batch-mixed", "zero-division-nan"])
def test_the_runner_finds_the_same_failures_and_names_the_dialect(name: str) -> None:
    cases = [case for case in CASES if case.group == "core"]
    report = vectors.run(DIALECTS[name], cases=cases)
    assert {r.case.id for r in report.failures} == failing(name) & {case.id for case in cases}
    assert any(name in reason.names for reason in report.reasons)


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_dialect_is_found_in_float32_too(name: str) -> None:
    """In single precision a flagged case fails as well: flags are set only where the difference is visible."""
    flagged = [case for case in CASES if name in case.catches and case.id in supported()]
    assert not [case.id for case in flagged if not outside(case, name, "float32")]


def test_the_right_implementation_passes_in_float32_too() -> None:
    assert not [case.id for case in CASES if outside(case, "", "float32")]


def ids_of_the_page() -> list[str]:
    table = PAGE.read_text(encoding="utf-8").partition("## Small cases")[0]
    return [m for m in re.findall(r"^\| ([a-z0-9-]+) \|", table, re.M) if m not in ("id", "---")]


@pytest.mark.skipif(not PAGE.exists(), reason="the page of dialects is not part of the project")
def test_every_known_dialect_has_an_adapter_or_a_reason() -> None:
    ids = ids_of_the_page()
    assert len(ids) > 20
    assert not set(ids) - set(DIALECTS) - set(NOT_SHOWN)
    assert not set(DIALECTS) & set(NOT_SHOWN)


def test_the_adapters_use_nothing_of_the_package_but_its_word_for_unsupported() -> None:
    for path in sorted(HERE.glob("dialects_*.py")):
        names = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.ImportFrom)]
        taken = [(n.module, a.name) for n in names for a in n.names if (n.module or "").startswith("lrp_ref")]
        assert set(taken) <= {("lrp_ref.vectors", "Unsupported")}, path
    assert dialects_layers.answer is answer
