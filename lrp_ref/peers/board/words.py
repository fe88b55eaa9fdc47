"""Cases and departures in words: what is asked, and what a departure computes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from ...dialects import SWITCHES
from ...vectors import Case, load
from ...vectors.cases import HERE
from ...vectors.places import NETWORKS
from .predicted import OWN_EPSILON

EPSILON = "an ε of the program's own in denominators that the rule leaves as they are"
FEW = 12  # numbers of an array that are written out
NAMES = {"alpha": "α", "beta": "β", "gamma": "γ", "epsilon": "ε"}  # of a rule's parameters
SIGNS = {"weight": "w", "bias": "b", "low": "l", "high": "h"}
ROW = re.compile(r"\| `([a-z0-9-]+)` \| (.+) \|$", re.MULTILINE)


@cache
def cases() -> Mapping[str, Case]:
    """Return the cases of this package by id."""
    return {case.id: case for case in load()}


@cache
def statements() -> Mapping[str, str]:
    """Return what each known departure computes, by id.

    Those of the vectors are said in their description, the others by their switch.

    Example:
        >>> statements()["zplus-bias"]
        'z⁺ with b⁺ in the denominator'
    """
    text = (HERE / "README.md").read_text(encoding="utf-8")
    flags = text[text.index("## Flags") :]
    described = {name: words.replace("\\|", "|") for name, words in ROW.findall(flags)}
    return {**{name: switch.statement for name, switch in SWITCHES.items()}, **described, OWN_EPSILON: EPSILON}


def question(name: str) -> str:
    """Return what a case asks, on one line; "" where this package does not have it, or it is too large to read.

    Example:
        >>> question("core/small/AB-4/zplus")
        'Dense: a = (1, 2), w = (1, −1/4), b = 1/2, R = 1'
        >>> question("core/small/AB-1/alpha2-beta1")
        'Dense: a = (1, 1), w = (1, −1), b = −1, R = −1; α = 2, β = 1'
    """
    case = cases().get(name)
    if case is None or "network" in case.body:
        return ""
    layer, parts = case.body["layer"], list[str]()
    given = case.body["inputs"]
    for k, array in enumerate(given):
        parts.append(f"a{k + 1 if len(given) > 1 else ''} = {_array(array)}")
    for key, value in layer.items():
        if key == "type" or value is None:
            continue
        parts.append(f"{SIGNS.get(key, key)} = {_array(value)}")
    parts.append(f"R = {_array(case.body['relevance_out'])}")
    if any("…" in part for part in parts):
        return ""
    rule = {k: v for k, v in (case.body.get("rule") or {}).items() if k != "name"}
    more = ", ".join(f"{NAMES.get(k, SIGNS.get(k, k))} = {_array(v)}" for k, v in rule.items())
    return f"{layer['type']}: {', '.join(parts)}" + (f"; {more}" if more else "")


def answer(name: str) -> str:
    """Return the exact answer of a case, on one line; "" where this package does not have it or it is too long.

    Example:
        >>> answer("core/small/AB-4/zplus"), answer("core/small/G-1")
        ('(1, 0)', '(10/11, −4/11)')
    """
    case = cases().get(name)
    if case is None or "network" in case.body or case.refuse:
        return ""
    told = [_array(value) for value in case.body["relevance_in"] if value is not None]
    return "" if any("…" in text for text in told) else ", ".join(told)


def place(rule: str, layer: str) -> str:
    """Return a rule and its layer in words.

    Example:
        >>> place("ZPlus", "Dense"), place("LRP0, ZPlus", "networks")
        ('ZPlus on Dense', 'network with LRP0, ZPlus')
    """
    return f"network with {rule}" if layer == NETWORKS else f"{rule} on {layer}"


def numbers(values: Sequence[float]) -> str:
    """Return numbers in six digits.

    Example:
        >>> numbers([2 / 3, -0.0]), numbers([float("nan")]), numbers([1e-300])
        ('(0.666667, 0)', 'NaN', '1e−300')
    """
    return _listed([_decimal(v) for v in values])


def _decimal(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    return f"{value + 0.0:.6g}".replace("-", "−") if value else "0"


def _array(value: Any) -> str:
    if isinstance(value, Mapping) and "decimal" in value:
        exact, decimal = value.get("exact"), value["decimal"]
        if "shape" not in value:
            return str(exact or decimal).replace("-", "−")
        if len(decimal) > FEW:
            return "…"
        return _listed([str(text).replace("-", "−") for text in (exact or [f"{float(d):.6g}" for d in decimal])])
    if isinstance(value, Mapping):
        return " ".join(_array(v) for v in value.values())
    if isinstance(value, list):
        return _listed([_array(v) for v in value])
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
