"""A rule's formula, as the package prints it, in LaTeX."""

from __future__ import annotations

import re

RAISED = {"⁺": "+", "⁻": "-", "²": "2"}
NAMED = {"Σ": r"\sum", "Δ": r"\Delta ", "σ": r"\sigma", "∂": r"\partial ", "·": r" \cdot ", "−": "-", "⊙": r"\odot "}
WORDS = re.compile(r"[A-Za-z]{3,}")
KNOWN = {"sgn"}
DERIVATIVE = re.compile(r"([∂Δ]\w+)/([∂Δ]\w+)")


def latex(text: str) -> str | None:
    """Return a formula in LaTeX, or None where it says something in words.

    Example:
        >>> latex("R_i = Σ_j a_i·w_ij⁺ / (Σ_i a_i·w_ij⁺)·R_j")
        'R_{i} = \\\\sum_{j} \\\\frac{a_{i} \\\\cdot w_{ij}^{+}}{\\\\sum_{i} a_{i} \\\\cdot w_{ij}^{+}} \\\\cdot R_{j}'
    """
    if " = " not in text or set(WORDS.findall(text)) - KNOWN or re.search(r"[:;,']", text):
        return None
    return _symbols(_fractions(text))


def _fractions(text: str) -> str:
    """Return a formula in which every quotient with a denominator in brackets is a fraction."""
    at = text.find(" / (")
    if at < 0:
        at = text.find("/(")
        if at < 0:
            return text
        start, end = at + 1, _closing(text, at + 1)
    else:
        start, end = at + 3, _closing(text, at + 3)
    first = _beginning(text, at)
    top, bottom = text[first:at], text[start + 1 : end]
    if top.startswith("(") and _closing(top, 0) == len(top) - 1:
        top = top[1:-1]
    return f"{text[:first]}\\frac{{{top}}}{{{_fractions(bottom)}}}{_fractions(text[end + 1 :])}"


def _closing(text: str, start: int) -> int:
    """Return where the bracket that opens at ``start`` closes."""
    depth = 0
    for k in range(start, len(text)):
        depth += (text[k] == "(") - (text[k] == ")")
        if not depth:
            return k
    raise ValueError(f"no bracket closes in {text}")


def _beginning(text: str, end: int) -> int:
    """Return where the product begins that ends at ``end``: brackets belong to it, a space outside of them does not."""
    depth = 0
    for k in range(end - 1, -1, -1):
        depth += (text[k] == ")") - (text[k] == "(")
        if depth < 0 or (not depth and text[k] == " "):
            return k + 1
    return 0


def _symbols(text: str) -> str:
    text = DERIVATIVE.sub(r"\\frac{\1}{\2}", text)
    text = re.sub(r"(?<![\w\\])(\w+_\w+|R) / (\w)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"(?<![\w\\])(R)/(\w)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"x0_(\w+)", r"x_{0,\1}", text)
    text = re.sub(r"_([^\W_²]+)", r"_{\1}", text)
    text = re.sub(r"([⁺⁻²])", lambda found: f"^{{{RAISED[found[1]]}}}", text)
    text = text.replace("sgn", r"\operatorname{sgn}")
    if text.endswith(")·R_{j}") and "Σ_{j} (" in text:  # brackets around fractions
        text = text.replace("Σ_{j} (", r"Σ_{j} \Bigl(").removesuffix(")·R_{j}") + r"\Bigr)·R_{j}"
    return "".join(NAMED.get(c, c) for c in text)
