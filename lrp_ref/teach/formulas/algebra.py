"""Rational functions put in order: quotients with one denominator each, what vanishes, which conditions follow."""

from __future__ import annotations

from typing import Any

from ...arithmetic.symbols import sympy
from .printing import Letter
from .values import SIGNS, Condition

RULE = "εγαβδη"  # letters of the parameters of rules


def arranged(coefficient: Any) -> list[tuple[Any, Any]]:
    """Return a rational expression as quotients (numerator, denominator), one per sum that it is divided by.

    Example:
        >>> import sympy
        >>> x, y, z = sympy.symbols("x y z")
        >>> arranged(x * (y / (x + z) + 2 / y + z / (x + z)))
        [(2*x, y), (x*(y + z), x + z)]
    """
    s = sympy()
    bases: dict[Any, Any] = {}
    for power in sorted(coefficient.atoms(s.Pow), key=s.default_sort_key):  # the order of a set is that of its hashes
        if power.exp == -1 and power.base.is_Add:
            bases.setdefault(power, s.Dummy())
    flat = s.expand(coefficient.xreplace(bases))
    sums: dict[Any, Any] = {}
    for term in s.Add.make_args(flat):
        top, bottom = s.fraction(term)
        divisors = [x for x in bases.values() if top.has(x)]
        for x in divisors:
            top, bottom = top / x, bottom * x
        number, _ = bottom.as_coeff_Mul()
        top, bottom = top / number, bottom / number
        sums[bottom] = sums.get(bottom, 0) + top
    back = {mark: power.base for power, mark in bases.items()}
    found = [(s.factor(top), bottom.xreplace(back)) for bottom, top in sums.items() if top != 0]
    return sorted(found, key=lambda pair: s.default_sort_key(pair[1]))


def grouped(total: Any, letters: dict[Any, Letter]) -> Any:
    """Return a sum with the terms of one input and one weight taken together, as in a·w·(1 + γ).

    Args:
        total: a polynomial.
        letters: of its symbols; the parameters of rules are what is put into the bracket.
    """
    s = sympy()
    groups: dict[Any, Any] = {}
    for term in s.Add.make_args(s.expand(total)):
        rest = {x for x in term.free_symbols if x in letters and (letters[x].field or letters[x].letter not in RULE)}
        field = {x for x in rest if letters[x].field}
        key = tuple(sorted(field or rest, key=str))
        groups[key] = groups.get(key, 0) + term
    return s.Add(*(s.factor(e) for e in groups.values()))


def vanishes(expr: Any, constraints: dict[Any, Any]) -> Any:
    """Return 0 if a rational expression is identically 0 under the constraints, else the expression in lowest terms."""
    s = sympy()
    top, bottom = s.fraction(s.together(expr.xreplace(constraints)))
    top = s.expand(top.xreplace(constraints))
    return s.S.Zero if top == 0 else s.cancel(top / bottom)


def conditions(found: list[Condition], known: dict[Any, int]) -> tuple[Condition, ...]:
    """Leave out conditions that follow from the signs of single symbols.

    Args:
        found: all conditions.
        known: signs of symbols that hold anyway.
    """
    turned = {"<": ">", ">": "<"}
    single = dict(known)
    plain = []
    for c in found:
        if (-c.difference).is_Symbol:
            c = Condition(-c.difference, turned.get(c.relation, c.relation))
        if c.difference.is_Symbol and c.relation in SIGNS:
            single[c.difference] = SIGNS[c.relation]
        if c not in plain:
            plain.append(c)
    return tuple(c for c in plain if c.difference.is_Symbol or not _follows(c, single))


def _follows(condition: Condition, single: dict[Any, int]) -> bool:
    """Whether every term of the sum has a known sign, and they agree."""
    s = sympy()
    seen = set()
    for term in s.Add.make_args(s.expand(condition.difference)):
        number, rest = term.as_coeff_Mul()
        sign = 1 if number > 0 else -1
        for factor in s.Mul.make_args(rest):
            base, exponent = factor.as_base_exp()
            if base != 1 and base not in single:
                return False
            sign *= 1 if base == 1 or exponent % 2 == 0 else single[base]
        seen.add(sign)
    seen.discard(0)
    if len(seen) > 1:
        return False
    sign = seen.pop() if seen else 0
    return {">": sign > 0, "<": sign < 0, "=": sign == 0, "≠": sign != 0}[condition.relation]
