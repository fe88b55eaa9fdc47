"""Exercises: solutions pass, stubs and every known mistake fail and are named, and no broken function passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ParameterError
from lrp_ref.teach.exercises.checking import Result

EXERCISES = lrp.exercises.sheet().exercises
NAMES = [e.name for e in EXERCISES]


def in_proportion(q: Any, r: Any) -> Any:
    total = q.sum(axis=0)
    return (q / np.where(total == 0, 1, total)) @ r  # where nothing contributes, q is 0


def epsilon(a: Any, w: Any, b: Any, r: Any, eps: float) -> Any:
    z = a @ w + b
    return a * (w @ (r / (z + eps * np.where(z >= 0, 1, -1))))


def proportions(q: Any, r: float) -> Any:
    return q / q.sum() * r if q.sum() != 0 else 0 * q


def gamma(a: Any, w: Any, b: Any, r: Any, g: float) -> Any:
    w, b = w + g * np.maximum(w, 0), b + g * np.maximum(b, 0)
    return a * (w @ (r / (a @ w + b)))


def alpha_beta(a: Any, w: Any, b: Any, r: Any, alpha: float, beta: float) -> Any:
    found = np.zeros(len(a))
    for j in range(len(r)):
        z = a * w[:, j]
        for factor, side, c in ((alpha, z * (z > 0), max(b[j], 0)), (-beta, z * (z < 0), min(b[j], 0))):
            if side.sum() + c != 0:
                found += factor * side / (side.sum() + c) * r[j]
    return found


def two_layers(a: Any, w1: Any, b1: Any, w2: Any, b2: Any, r: Any, eps: float) -> Any:
    return epsilon(a, w1, b1, epsilon(np.maximum(a @ w1 + b1, 0), w2, b2, r, eps), eps)


def max_pool(a: Any, r: Any) -> Any:
    return np.concatenate([[r_j, 0] if x >= y else [0, r_j] for (x, y), r_j in zip(a.reshape(-1, 2), r, strict=True)])


def merge_batch_norm(w: Any, b: Any, mean: Any, var: Any, scale: Any, shift: Any, eps: float) -> Any:
    factor = scale / np.sqrt(var + eps)
    return np.vstack([w * factor, (b - mean) * factor + shift])


def residual(x: Any, branch: Any, r: Any) -> Any:
    total = x + branch
    return np.stack([x, branch]) * np.where(total == 0, 0, r / np.where(total == 0, 1, total))


def difference(logits: Any, target: int, against: int) -> Any:
    start = np.zeros(len(logits))
    start[target], start[against] = logits[target], -logits[against]
    return start


def log_odds(logits: Any, target: int) -> Any:
    others = np.delete(logits, target)
    return logits[target] - others.max() - np.log(np.exp(others - others.max()).sum())


SOLUTIONS: dict[str, Callable[..., Any]] = {
    "contributions": lambda x, w, c: x * w[:, c],
    "contrast": lambda x, w, c, d: x * (w[:, c] - w[:, d]),
    "proportions": proportions,
    "conservation": lambda r, m, b, s, d: r - m.sum(axis=0) - b - s - d,
    "lrp0": lambda a, w, b, r: a * (w @ (r / (a @ w + b))),
    "messages": lambda a, w, b, r: a[:, None] * w / (a @ w + b) * r,
    "epsilon": epsilon,
    "taylor_terms": lambda w, x, root: w * (x - root),
    "nearest_root": lambda x, w, b: x - (w @ x + b) / (w @ w) * w,
    "root_on_line": lambda a, w, b, v: a - (w @ a + b) / (w @ v) * v,
    "zplus": lambda a, w, r: in_proportion(np.maximum(a[:, None] * w, 0), r),
    "wsquare": lambda w, r: in_proportion(w**2, r),
    "zbox": lambda a, w, r, low, high: in_proportion(
        a[:, None] * w - low * np.maximum(w, 0) - high * np.minimum(w, 0), r
    ),
    "gamma": gamma,
    "alpha_beta": alpha_beta,
    "two_layers": two_layers,
    "max_pool": max_pool,
    "merge_batch_norm": merge_batch_norm,
    "residual": residual,
    "difference": difference,
    "log_odds": log_odds,
}
MISTAKES = [(e.name, sentence) for e in EXERCISES for sentence in e.wrong]


@pytest.mark.parametrize("name", [n for n in NAMES if n in SOLUTIONS])
def test_the_solution_passes_every_case(name: str) -> None:
    result = lrp.exercises.check(name, SOLUTIONS[name])
    assert result, result
    assert result.passed == result.of >= 11
    assert result.failure is None


def test_every_exercise_of_lessons_1_to_9_has_a_solution() -> None:
    assert set(SOLUTIONS) == {e.name for e in EXERCISES if e.lesson <= 9}


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_fails_and_hears_that_it_returns_nothing(name: str) -> None:
    result = lrp.exercises.check(name, lambda *_: None)
    assert not result
    assert result.passed == 0
    assert "returns nothing" in repr(result)


@pytest.mark.parametrize(("name", "sentence"), MISTAKES)
def test_every_known_mistake_fails_and_is_named(name: str, sentence: str) -> None:
    mistake = lrp.exercises.exercise(name).wrong[sentence]
    result = lrp.exercises.check(name, mistake)
    assert not result, sentence
    assert result.failure is not None
    assert result.failure.case.name in repr(result)
    assert result.failure.hint == sentence


def broken(kind: str) -> Callable[..., Any]:
    """A solution of lrp0 with one fault that is no wrong number."""

    def function(a: Any, w: Any, b: Any, r: Any) -> Any:
        if kind == "raises":
            raise ValueError("that <b>went</b> wrong")
        told = SOLUTIONS["lrp0"](a, w, b, r)
        if kind == "mutates":
            r /= 2
        told[0] = {"nan": np.nan, "infinite": np.inf}.get(kind, told[0])
        return {"text": "R", "complex": told * 1j, "shape": told[None], "list": [list(told), [1.0]]}.get(kind, told)

    return function


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("raises", "it raises ValueError: that <b>went</b> wrong"),
        ("mutates", "it changes its argument R"),
        ("nan", "NaN or infinity"),
        ("infinite", "NaN or infinity"),
        ("text", "not an array of real numbers"),
        ("complex", "not an array of real numbers"),
        ("shape", "it returns the shape (1,"),
        ("list", "not an array of real numbers"),
    ],
)
def test_a_broken_function_never_passes(kind: str, words: str) -> None:
    result = lrp.exercises.check("lrp0", broken(kind))
    assert not result
    assert result.passed == 0
    assert words in result.line


def test_one_wrong_case_is_enough_and_is_told_with_its_numbers() -> None:
    def only_here(a: Any, w: Any, b: Any, r: Any) -> Any:
        told = SOLUTIONS["lrp0"](a, w, b, r)
        return told * (1 + 1e-2) if len(a) == 2 and w[1, 0] == -0.9990234375 else told

    result = lrp.exercises.check("lrp0", only_here)
    assert not result
    assert result.passed == result.of - 1
    assert result.failure is not None
    assert result.failure.case.name == "core/small/E-2, sample 0"
    assert "1024" in repr(result)
    assert "[1024, -1023]" in result._repr_html_()


def test_hints_of_no_mistake_in_particular() -> None:
    twice = lrp.exercises.check("lrp0", lambda *given: 2 * SOLUTIONS["lrp0"](*given))
    assert "2 times the right one" in repr(twice)
    reversed_ = lrp.exercises.check("lrp0", lambda *given: -SOLUTIONS["lrp0"](*given))
    assert "all signs are reversed" in repr(reversed_)


def test_a_learner_sees_text_and_never_markup() -> None:
    page = lrp.exercises.check("lrp0", broken("raises"))._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_quiet_is_one_line() -> None:
    result = lrp.exercises.check("lrp0", lambda a, w, b, r: a, quiet=True)
    assert "\n" not in repr(result)
    assert "<table>" not in result._repr_html_()


def test_a_result_without_cases_is_no_pass() -> None:
    assert not Result("empty", 0, 0)


def test_unknown_names_and_things_that_are_no_function() -> None:
    with pytest.raises(ParameterError, match="did you mean 'epsilon'"):
        lrp.exercises.check("epsilonn", SOLUTIONS["epsilon"])
    with pytest.raises(TypeError, match="needs a function lrp0"):
        lrp.exercises.check("lrp0", 3)  # type: ignore[arg-type]


def test_the_sheet_names_lessons_signatures_and_what_is_asked() -> None:
    assert "epsilon(a, w, b, R, eps)" in repr(lrp.exercises.sheet())
    assert [e.lesson for e in EXERCISES] == sorted(e.lesson for e in EXERCISES)
    assert "<td>lrp0(a, w, b, R)</td>" in lrp.exercises.sheet(3)._repr_html_()
    assert "zplus" not in repr(lrp.exercises.sheet(3))
