"""The examples of the reference: one for every rule and layer, with columns that close, in the textbook's numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "_ext"))
from reference import examples, worked
from reference.latex import latex

sys.path.pop(0)
NO_RULE = {"RULES", "AnyRule", "Rule", "Universal"}  # the registry and the bases
ALL = [("layer", name) for name in examples.LAYERS] + [("rule", name) for name in examples.RULES]


def example(kind: str, name: str) -> Any:
    return (examples.LAYERS if kind == "layer" else examples.RULES)[name]


def test_every_registered_layer_and_rule_has_an_example() -> None:
    assert set(examples.LAYERS) == set(lrp.layers.LAYERS)
    assert set(examples.RULES) == set(lrp.rules.__all__) - NO_RULE


@pytest.mark.parametrize(("kind", "name"), ALL, ids=[f"{kind}-{name}" for kind, name in ALL])
def test_an_example_closes_and_its_code_gives_its_numbers(kind: str, name: str) -> None:
    done = worked.work(example(kind, name))
    table = done.table
    total = table.messages.sum(axis=0) + table.bias + table.stabiliser + table.dropped
    told: dict[str, Any] = {}
    body, _, last = done.code.rpartition("\n")
    exec(f"{body}\nfound = {last}", told)  # noqa: S102  the code of the page
    if done.exact:
        assert (total == table.relevance_out).all()
        for mine, shown in zip(told["found"].relevances, done.relevances, strict=True):
            assert (mine == shown).all()
    else:
        assert np.allclose(total.astype(float), table.relevance_out.astype(float), rtol=0, atol=1e-9)
        for mine, shown in zip(told["found"].relevances, done.relevances, strict=True):
            assert np.array_equal(mine, shown)


# The rules for dense layers of which lrp.messages has the textbook's form.
BOOK = ["AlphaBeta", "Epsilon", "Flat", "Gamma", "GeneralizedGamma", "LRP0", "Reference", "WSquare", "ZBox", "ZPlus"]


@pytest.mark.parametrize("name", BOOK)
def test_the_messages_are_the_textbook_s(name: str) -> None:
    done = worked.work(examples.RULES[name])
    layer = eval(f"lrp.layers.{examples.RULES[name].layer}", dict(worked.NAMES))  # noqa: S307
    (source,) = examples.RULES[name].inputs
    x = eval(source, dict(worked.NAMES))  # noqa: S307
    book = lrp.messages(layer, x, lrp.arithmetic.rational(np.ones((1, 2))), done.rule)
    assert (book.messages == done.table.messages).all()
    assert (book.bias == done.table.bias).all()
    assert (book.stabiliser == done.table.stabiliser).all()


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("R_i = R_j⁺", "R_{i} = R_{j}^{+}"),
        ("R_i = Σ_j a_i·w_ij² / (Σ_i a_i·w_ij²)·R_j",
         r"R_{i} = \sum_{j} \frac{a_{i} \cdot w_{ij}^{2}}{\sum_{i} a_{i} \cdot w_{ij}^{2}} \cdot R_{j}"),
        ("m_i = m_j·Δz_j/Δa_i", r"m_{i} = m_{j} \cdot \frac{\Delta z_{j}}{\Delta a_{i}}"),
        ("relevance goes where the value came from", None),
        ("cell: R_i = R_j", None),
    ],
)  # fmt: skip
def test_formulas_in_latex(text: str, drawn: str | None) -> None:
    assert latex(text) == drawn


def test_numbers_are_shown_as_they_are() -> None:
    assert worked.shown(lrp.arithmetic.rational([[0.5, 2]])) == "[[1/2, 2]]"
    assert worked.shown(np.array([0.123456, 0.0, -2.0])) == "[0.1235, 0, -2]"
