"""How formulas print: SymPy's text and LaTeX printers with names and an order of terms for readers.

SymPy sorts by its own order; a reader wants the inputs in the order of their numbers, the bias behind them and ε at
the end. Names carry the node's name (``z_1^(dense1)``) only where they would be ambiguous.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from ...arithmetic.symbols import indexed, sympy

GREEK = {"ε": r"\varepsilon", "γ": r"\gamma", "α": r"\alpha", "β": r"\beta", "δ": r"\delta", "η": r"\eta"}


@dataclass(frozen=True)
class Letter:
    """What one symbol stands for.

    Attributes:
        letter: x, w, b, z, a, R, n, ε, …
        index: of the element, counted from 0, without the batch axis.
        owner: the node (or value) that it belongs to; "" for parameters that all nodes share.
        value: its witness.
        rank: its place in sums and products.
        field: of the layer, for parameters of the network, else "".
    """

    letter: str
    index: tuple[int, ...]
    owner: str
    value: Fraction
    rank: int
    field: str = ""

    def text(self, *, short: bool) -> str:
        """Return the name as text, with the owner unless ``short``."""
        name = indexed(self.letter, self.index)
        return name if short or not self.owner else f"{name}^({self.owner})"

    def latex(self, *, short: bool) -> str:
        """Return the name in LaTeX, with the owner unless ``short``."""
        _, _, digits = indexed(self.letter, self.index).partition("_")
        name = GREEK.get(self.letter, self.letter) + (f"_{{{digits}}}" if digits else "")
        if short or not self.owner:
            return name
        arrow = r"} \leftarrow \mathrm{".join(part.replace("_", r"\_") for part in self.owner.split("←"))
        return rf"{name}^{{(\mathrm{{{arrow}}})}}"


@dataclass(frozen=True)
class Line:
    """One formula: symbol = Σ coefficient · factor.

    Attributes:
        symbol: the left side, or None for a sum without a name (a column of the ledger).
        terms: (coefficients, factor): the coefficients are quotients that are added, the factor is the relevance of
            an output, or None.
    """

    symbol: Any
    terms: tuple[tuple[tuple[Any, ...], Any], ...]

    @property
    def expr(self) -> Any:
        """The right side as one SymPy expression."""
        s = sympy()
        return s.Add(*(s.Add(*parts) * (1 if factor is None else factor) for parts, factor in self.terms))


class _Ordered:
    """What both printers have: order, names and the parts of a product; the rest is SymPy's."""

    letters: dict[Any, Letter]
    shown: dict[Any, str]

    def _key(self, expr: Any) -> Any:
        ranks = sorted(self.letters[x].rank for x in expr.free_symbols if x in self.letters)
        return ranks, sympy().default_sort_key(expr)

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> Any:
        return sorted(sympy().Add.make_args(expr), key=self._key)

    def _print_Symbol(self, expr: Any, *args: Any, **options: Any) -> str:  # noqa: N802
        return self.shown[expr] if expr in self.shown else str(expr.name)

    def _parts(self, expr: Any) -> tuple[str, list[str], str]:
        """Return sign, factors of the numerator and the denominator of a product."""
        s = sympy()
        number, rest = expr.as_coeff_Mul()
        top, bottom = s.fraction(rest)
        factors = [f for f in sorted(s.Mul.make_args(top), key=self._key) if f != 1]
        bottoms = [f for f in sorted(s.Mul.make_args(bottom), key=self._key) if f != 1]
        size = abs(number)
        tops = [self._factor(f) for f in factors]
        if size.p != 1 or not tops:
            tops.insert(0, str(size.p))
        return ("-" if number < 0 else ""), tops, self._bottom(size.q, bottoms)

    def _factor(self, expr: Any) -> str:
        from sympy.printing.precedence import PRECEDENCE  # only where SymPy is used at all

        text: str = self.parenthesize(expr, PRECEDENCE["Mul"])  # type: ignore[attr-defined]
        # A number that stands for a symbol may have a sign or be a quotient.
        return self.bracket(text) if expr.is_Symbol else text  # type: ignore[attr-defined]

    def _bottom(self, number: Any, factors: list[Any]) -> str:
        alone = len(factors) == 1 and number == 1
        parts = [self._print(f) if alone else self._factor(f) for f in factors]  # type: ignore[attr-defined]
        times: str = self.times  # type: ignore[attr-defined]
        return times.join(([str(number)] if number != 1 else []) + parts)


@lru_cache(maxsize=1)
def _printers() -> tuple[Any, Any]:
    """Return the classes of the text and the LaTeX printer, whose bases are SymPy's, which is imported when used."""
    sympy()  # or the error that says how it is installed
    from sympy.printing.latex import LatexPrinter
    from sympy.printing.precedence import PRECEDENCE
    from sympy.printing.str import StrPrinter

    class Text(_Ordered, StrPrinter):  # type: ignore[misc]
        times = "·"
        bracket = staticmethod(lambda text: f"({text})" if text.startswith("-") or "/" in text else text)

        def _print_Mul(self, expr: Any) -> str:  # noqa: N802
            sign, tops, bottom = self._parts(expr)
            simple = re.fullmatch(r"[^\s·/]+", bottom)
            return sign + "·".join(tops) + (f"/{bottom if simple else f'({bottom})'}" if bottom else "")

        def _print_Pow(self, expr: Any, rational: bool = False) -> str:  # noqa: N802
            if expr.exp.is_negative:
                return self._print_Mul(expr)
            return f"{self.parenthesize(expr.base, PRECEDENCE['Pow'])}^{self._print(expr.exp)}"

    class Latex(_Ordered, LatexPrinter):  # type: ignore[misc]
        times = r" \, "
        bracket = staticmethod(lambda text: f"({text})" if text.startswith("-") else text)

        def _print_Add(self, expr: Any, order: Any = None) -> str:  # noqa: N802
            return re.sub(r"\+ -\s*", "- ", super()._print_Add(expr, order=order))

        def _print_Mul(self, expr: Any) -> str:  # noqa: N802
            sign, tops, bottom = self._parts(expr)
            top = self.times.join(tops)
            return f"{sign} {top}".strip() if not bottom else rf"{sign} \frac{{{top}}}{{{bottom}}}".strip()

        def _print_Pow(self, expr: Any) -> str:  # noqa: N802
            if expr.exp.is_negative:
                return self._print_Mul(expr)
            return f"{self.parenthesize(expr.base, PRECEDENCE['Pow'])}^{{{self._print(expr.exp)}}}"

    return Text, Latex


class Writer:
    """Prints the expressions of one step.

    Args:
        letters: of every symbol.
        local: symbols whose owner is clear from where they stand; those whose short names would be ambiguous, and all
            relevances, keep it.
        latex: LaTeX instead of text.
    """

    def __init__(self, letters: dict[Any, Letter], local: Iterable[Any], *, latex: bool) -> None:
        chosen = dict.fromkeys(local)
        taken = Counter(letters[x].text(short=True) for x in chosen)
        short = {x for x in chosen if letters[x].letter != "R" and taken[letters[x].text(short=True)] == 1}
        self.letters, self.latex = letters, latex
        names = {
            x: (one.latex(short=x in short) if latex else one.text(short=x in short)) for x, one in letters.items()
        }
        self.names = _printer(letters, names, latex)
        self.values = _printer(letters, {x: _number(one.value, latex) for x, one in letters.items()}, latex)
        if latex:
            self.values.times = r" \cdot "
        self.witness = {x: sympy().Rational(one.value.numerator, one.value.denominator) for x, one in letters.items()}

    def expr(self, expr: Any, *, printer: Any = None) -> str:
        """Return one expression."""
        text: str = (printer or self.names).doprint(expr)
        return text if self.latex else _minus(text)

    def terms(self, line: Line, *, printer: Any = None) -> str:
        """Return Σ coefficient · factor."""
        written = ""
        for parts, factor in line.terms:
            text = self._term(parts, factor, printer)
            negative = text.startswith(("-", "−"))
            if not written:
                written = text
            else:
                written += (" - " if self.latex else " − ") + text[1:].lstrip() if negative else f" + {text}"
        return written or "0"

    def _term(self, parts: tuple[Any, ...], factor: Any, printer: Any) -> str:
        if factor is None:
            return " + ".join(self.expr(p, printer=printer) for p in parts)
        name: str = (printer or self.names).doprint(factor)
        if len(parts) == 1 and parts[0] in (1, -1):
            text = name if parts[0] == 1 else f"-{self.names.bracket(name)}"
            return text if self.latex else _minus(text)
        name = self.names.bracket(name)
        name = name if self.latex else _minus(name)
        inner = " + ".join(self.expr(p, printer=printer) for p in parts)
        brackets = len(parts) > 1 or parts[0].is_Add
        if self.latex:
            times: str = (printer or self.names).times
            return (rf"\left({inner}\right)" if brackets else inner) + times + name
        return (f"({inner})" if brackets else inner) + "·" + name

    def signed(self, top: Any, bottom: Any) -> str:
        """Return " + top/bottom" or " − top/bottom", a sum in the numerator in brackets."""
        s = sympy()
        terms = s.Add.make_args(top)
        negative = 2 * sum(bool(t.as_coeff_Mul()[0] < 0) for t in terms) >= len(terms)
        text = self.expr((-top if negative else top) / bottom if bottom.is_Symbol or not top.is_Add else top)
        if top.is_Add:
            inner, below = self.expr(-top if negative else top), self.expr(bottom)
            text = self._over(inner, below, bottom)
        sign = ("-" if self.latex else "−") if negative else "+"
        return f" {sign} {text}"

    def _over(self, top: str, below: str, bottom: Any) -> str:
        if bottom == 1:
            return rf"\left({top}\right)" if self.latex else f"({top})"
        if self.latex:
            return rf"\frac{{{top}}}{{{below}}}"
        return f"({top})/" + (below if bottom.is_Symbol or bottom.is_Number else f"({below})")

    def bracketed(self, expr: Any) -> str:
        """Return a sum in brackets."""
        text = self.expr(expr)
        if not expr.is_Add:
            return text
        return rf"\left({text}\right)" if self.latex else f"({text})"

    def line(self, line: Line, *, label: str = "", numbers: bool = False) -> str:
        """Return symbol = terms, with numbers also = the numbers inserted = the value."""
        left = label if line.symbol is None else self.expr(line.symbol)
        text = f"{left} {'&' if self.latex else ''}= {self.terms(line)}"
        if numbers:
            inserted = self.terms(line, printer=self.values)
            value = _number(_fraction(line.expr.xreplace(self.witness)), self.latex)
            value = value if self.latex else _minus(value)
            text += f" = {value}" if inserted == value else f" = {inserted} = {value}"
        return text


def _printer(letters: dict[Any, Letter], shown: dict[Any, str], latex: bool) -> Any:
    printer = _printers()[latex]()
    printer.letters, printer.shown = letters, shown
    return printer


def _fraction(value: Any) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _number(value: Fraction, latex: bool) -> str:
    """Return a number as a short fraction, else with six digits."""
    size = abs(value)
    if value.denominator > 1000 or abs(value.numerator) > 1_000_000:
        text = f"{float(size):.6g}"
    elif latex and value.denominator > 1:
        text = rf"\tfrac{{{size.numerator}}}{{{size.denominator}}}"
    else:
        text = str(size)
    return f"-{text}" if value < 0 else text


def _minus(text: str) -> str:
    """Return text with − for the minus signs, not for hyphens in names."""
    return re.sub(r"(?<=\s)-(?=\s)|(?:(?<=^)|(?<=\())-", "−", text)
