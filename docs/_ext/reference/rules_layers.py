"""A page for every rule and every layer: docstring, formula, worked numbers, and what proves it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import lrp_ref as lrp
from lrp_ref.rules.rule import Rule, Universal
from lrp_ref.vectors import Case

from . import examples
from .parts import documented, first_sentence, formula, index, proof, worked
from .worked import work

RULES = {
    name: getattr(lrp.rules, name)
    for name in lrp.rules.__all__
    if name not in ("RULES", "AnyRule", "Rule", "Universal")
}


def rule_pages(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    """Yield name and text of every rule's page, and of their table."""
    rows = []
    for name, kind in sorted(RULES.items(), key=lambda item: item[0].lower()):
        done = work(_example(examples.RULES, "rule", name))
        proving = [c for c in cases if name in _rules_of(c)]
        runs_on = (
            "every linear layer" if issubclass(kind, Rule)
            else "any layer" if issubclass(kind, Universal) else "its own kind of layer"
        )  # fmt: skip
        yield name, "\n\n".join([
            f"# {name}\n\n{first_sentence(kind)}",
            f"## Formula\n\nAs the example below has it; it runs on {runs_on}.",
            formula(done.table.formula),
            f"## Worked numbers\n\n{worked(done)}",
            f"## In code\n\n{documented(f'lrp_ref.rules.{name}')}",
            f"## What proves it\n\n{proof(proving, [name])}",
        ])  # fmt: skip
        rows.append((f"[{name}]({name}.md)", first_sentence(kind), runs_on, str(len(proving))))
    yield "index", index("Rules", "rule", ("rule", "what", "runs on", "vectors"), rows)


def layer_pages(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    """Yield name and text of every layer's page, and of their table."""
    rows = []
    for name, kind in sorted(lrp.layers.LAYERS.items(), key=lambda item: item[0].lower()):
        done = work(_example(examples.LAYERS, "layer", name))
        proving = [c for c in cases if name in _layers_of(c)]
        own = kind.own_rule if isinstance(kind.own_rule, str) else ""
        linear = issubclass(kind, lrp.layers.Linear)
        way = f"Its own way back: {own}." if own else "It has no way back of its own: a composite names its rule."
        ways = f"{way} It is linear, so that every rule for linear layers runs on it." if linear else way
        yield name, "\n\n".join([
            f"# {name}\n\n{first_sentence(kind)}",
            f"## Back\n\n{ways} The example below takes:",
            formula(done.table.formula),
            f"## Worked numbers\n\n{worked(done)}",
            f"## In code\n\n{documented(f'lrp_ref.layers.{name}')}",
            f"## What proves it\n\n{proof(proving, [name])}",
        ])  # fmt: skip
        rows.append((f"[{name}]({name}.md)", first_sentence(kind), own or "a rule is named", str(len(proving))))
    yield "index", index("Layers", "layer", ("layer", "what", "own way back", "vectors"), rows)


def _example(known: dict[str, examples.Example], kind: str, name: str) -> examples.Example:
    if name not in known:
        raise KeyError(f"the reference has no example of {kind} {name}: add one to docs/_ext/reference/examples.py")
    return known[name]


def _rules_of(case: Case) -> set[str]:
    """Return the rules of a case, also those that a rule of recurrent cells contains."""
    found: set[str] = set()

    def note(rule: Any) -> None:
        if isinstance(rule, dict):
            found.add(str(rule.get("name", "")))
            for value in rule.values():
                note(value)

    for rule in (case.body.get("rule"), *case.body.get("rules", {}).values()):
        note(rule)
    return found


def _layers_of(case: Case) -> set[str]:
    layers = [case.body.get("layer"), *(n["layer"] for n in case.body.get("network", {}).get("nodes", ()))]
    found = {str(layer["type"]) for layer in layers if layer}
    return found | {"Affine"} if "BatchNorm" in found else found
