"""Where cases belong: the rule and the kind of layer that a program computes by one piece of code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .cases import Case

NETWORKS = "networks"


@dataclass(frozen=True, order=True)
class Place:
    """A rule on a kind of layer.

    Attributes:
        rule: its name, with what makes it another rule in most programs, such as ``AlphaBeta (β = 0)``; of a network
            all its rules.
        kind: of the layer, or "networks".
    """

    rule: str
    kind: str


def place_of(case: Case) -> Place:
    """Return where a case belongs.

    Example:
        >>> from lrp_ref import vectors
        >>> place_of(vectors.load(only=["core/small/AB-2"])[0])
        Place(rule='AlphaBeta (β = 0)', kind='Dense')
    """
    if "network" in case.body:
        rules = {name_of(rule) for rule in case.body["rules"].values() if rule["name"] not in ("own", "Pass")}
        return Place(", ".join(sorted(rules)) or "own", NETWORKS)
    return Place(name_of(case.body.get("rule") or {"name": "own"}), str(case.body["layer"]["type"]))


def layers_of(case: Case) -> list[Place]:
    """Return the places of a network's layers; none of a layer."""
    if "network" not in case.body:
        return []
    rules = case.body["rules"]
    nodes = ((rules.get(n["name"]) or {"name": "own"}, n["layer"]) for n in case.body["network"]["nodes"])
    return [Place(name_of(rule), str(layer["type"])) for rule, layer in nodes]


def rule_of(case: Case) -> str:
    """Return the name of a case's rule alone, or "networks"."""
    return NETWORKS if "network" in case.body else str((case.body.get("rule") or {"name": "own"})["name"])


def name_of(rule: Mapping[str, Any]) -> str:
    """Return a rule's name, with a few words where its parameters make it another rule.

    Example:
        >>> name_of({"name": "LRP0", "stabiliser": {"kind": "clip"}})
        'LRP0 (clip)'
    """
    words = []
    if rule["name"] == "AlphaBeta" and float(rule["beta"]["decimal"]) == 0:
        words.append("β = 0")
    if any(float(rule.get(key, {"decimal": "0"})["decimal"]) for key in ("bias_share", "stabiliser_share")):
        words.append("shares")
    kind = (rule.get("stabiliser") or {}).get("kind", "exact")
    words += [kind] if kind != "exact" else []
    words += [str(rule[key]) for key in ("product", "kind") if isinstance(rule.get(key), str)]
    return f"{rule['name']} ({', '.join(words)})" if words else str(rule["name"])
