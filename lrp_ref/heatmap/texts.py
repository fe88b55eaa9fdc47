"""Relevance of words: HTML spans, LaTeX boxes, and coloured text in the terminal."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from .canvas import SOFT, number
from .colours import DEFAULT, Floats, Pixels, control_points, floats, ink_on, paint, positions, resolve_limit
from .words import given

# Spaces within tokens stay visible, and letters that turn the direction of writing end with their token.
_SPAN = "padding:0.15em 0.25em;border-radius:0.25em;white-space:pre-wrap;unicode-bidi:isolate"

FAINT = (138, 142, 150)  # the grey of a terminal, which is to be read on black and on white


def text_html(
    tokens: Sequence[str],
    relevances: NDArray[Any] | Sequence[float],
    *,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    separator: str = " ",
    legend: bool = True,
    known: Sequence[bool] | None = None,
) -> str:
    """Return tokens as HTML, each on the colour of its relevance.

    Each token is an escaped <span> with the background map(R / limit), black or white letters, whichever are
    easier to read on it (WCAG contrast 4.5 or more), and the number as its tooltip. It needs no style sheet.

    Args:
        tokens: T strings.
        relevances: T real numbers, any unit; a NumPy array or a list.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`.
        separator: text between tokens, such as "" for tokens that bring their spaces.
        legend: whether a colour bar with numbers and Σ R follows.
        known: which tokens the model knows; the others are grey, without colour or number. None: all.

    Returns:
        One <div> element.

    Raises:
        ShapeError: relevances are not T numbers.
        NonFiniteError: values that are not finite.
        ParameterError: an unknown map, a limit that is no limit.

    Example:
        >>> print(text_html(["a<b"], [2.0], legend=False).replace("><", ">\\n<"))  # doctest: +ELLIPSIS
        <div class="lrp-text" style="line-height:2;font-family:sans-serif">
        <span title="+2" style="background-color:#ff0000;color:#000000;...">a&lt;b</span>
        </div>
    """
    values = _matched(tokens, relevances)
    found = resolve_limit(values, limit)
    spans = [
        f'<span title="{number(float(value), sign=True)}" style="background-color:{_hex(colour)};'
        f'color:{_hex(ink_on(colour))};{_SPAN}">{html.escape(token)}</span>'
        if there
        else f'<span style="color:{_hex(SOFT)};{_SPAN}">{html.escape(token)}</span>'
        for token, value, colour, there in _each(tokens, values, found, cmap, known)
    ]
    body = html.escape(separator).join(spans)
    key = _legend(cmap, found, float(values.sum())) if legend else ""
    return f'<div class="lrp-text" style="line-height:2;font-family:sans-serif">{body}{key}</div>'


def text_page(
    tokens: Sequence[str],
    relevances: NDArray[Any] | Sequence[float],
    *,
    apart: tuple[Sequence[str], NDArray[Any] | Sequence[float]] | None = None,
    title: str = "",
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    known: Sequence[bool] | None = None,
) -> str:
    """Return tokens as a whole HTML page, which needs no other file.

    Args:
        tokens, relevances, cmap, limit, known: as of `text_html`.
        apart: further tokens with their relevances, which stand below, on the same scale: special ones.
        title: of the page, and its first line.

    Raises:
        ShapeError, NonFiniteError, ParameterError: as of `text_html`.

    Example:
        >>> text_page(["bad"], [-1.0], title="a < b").splitlines()[1]
        '<title>a &lt; b</title>'
    """
    values, more = _matched(tokens, relevances), _matched(*(apart or ((), ())))
    scale = resolve_limit(np.concatenate([values, more]), limit) or None
    parts = [text_html(tokens, values, cmap=cmap, limit=scale, legend=not len(more), known=known)]
    if len(more):
        parts.append(text_html((apart or ((),))[0], more, cmap=cmap, limit=scale, legend=False))
        total = float(values.sum() + more.sum())
        parts.append(_legend(cmap, scale or 0.0, total))
    head = f'<!doctype html>\n<title>{html.escape(title)}</title>\n<meta charset="utf-8">\n'
    line = f'<p style="font-family:sans-serif">{html.escape(title)}</p>\n' if title else ""
    return head + line + "\n".join(parts) + "\n"


def text_terminal(
    tokens: Sequence[str],
    relevances: NDArray[Any] | Sequence[float],
    *,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    color: bool = True,
    separator: str = " ",
    known: Sequence[bool] | None = None,
) -> str:
    """Return tokens for a terminal: on 24-bit colours, or with signed numbers where colour is not wanted.

    Control characters in tokens become visible escapes, so that a token cannot steer the terminal.

    Args:
        tokens: T strings.
        relevances: T real numbers, any unit; a NumPy array or a list.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`.
        color: False for plain text, token(+R).
        separator: text between tokens.
        known: which tokens the model knows; the others are grey, without colour or number. None: all.

    Returns:
        Text without a line break of its own.

    Raises:
        ShapeError: relevances are not T numbers.
        NonFiniteError: values that are not finite.
        ParameterError: an unknown map, a limit that is no limit.

    Example:
        >>> text_terminal(["not", "bad", "."], [-1.5, 2.0, 0.0], color=False)
        'not(-1.5) bad(+2) .(0)'
        >>> text_terminal(["bad"], [2.0])
        '\\x1b[48;2;255;0;0m\\x1b[38;2;0;0;0mbad\\x1b[0m'
    """
    values = _matched(tokens, relevances)
    shown = ["".join(c if c.isprintable() else repr(c)[1:-1] for c in token) for token in tokens]
    each = _each(shown, values, resolve_limit(values, limit), cmap, known)
    if not color:
        return separator.join(f"{t}({number(float(v), sign=True)})" if there else t for t, v, _, there in each)
    return separator.join(
        f"\x1b[48;2;{_semicolons(colour)}m\x1b[38;2;{_semicolons(ink_on(colour))}m{token}\x1b[0m"
        if there
        else f"\x1b[38;2;{_semicolons(FAINT)}m{token}\x1b[0m"
        for token, _, colour, there in each
    )


# LaTeX's own letters, as commands that print them in every font encoding.
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", "-": "{-}",
    ",": "{,}", "!": "{!}", "?": "{?}", "[": "{[}", "]": "{]}", " ": r"\ ", "=": "{=}", "*": "{*}",
}  # fmt: skip
# Two engines read every letter; the third, pdflatex, those of Western Europe only, and prints the number of another.
_PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{textcomp}
\usepackage{xcolor}
\pagestyle{empty}
\begin{document}
"""
_LETTER = r"\providecommand{\lrpletter}[2]{\ifdefined\Umathcode #1\else\texttt{#2}\fi}%"


def text_latex(
    tokens: Sequence[str],
    relevances: NDArray[Any] | Sequence[float],
    *,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    standalone: bool = True,
    known: Sequence[bool] | None = None,
) -> str:
    """Return tokens as LaTeX, each in a \\colorbox of its relevance.

    Letters are black or white, whichever are easier to read; all that LaTeX takes for a command is escaped, so that a
    token prints as it is and does nothing. It needs the package xcolor (and T1 with textcomp, for quotes).

    Args:
        tokens: T strings.
        relevances: T real numbers, any unit; a NumPy array or a list.
        cmap: a name out of `colormaps()`.
        limit: the |R| at which colours end, see `resolve_limit`.
        standalone: whether it is a document that compiles as it is; False for the lines to put into one of your own.
        known: which tokens the model knows; the others are grey, without colour or number. None: all.

    Returns:
        Lines of LaTeX, which end in a line break.

    Raises:
        ShapeError: relevances are not T numbers.
        NonFiniteError: values that are not finite.
        ParameterError: an unknown map, a limit that is no limit.

    Example:
        >>> print(text_latex(["5_%"], [2.0], standalone=False))
        \\begingroup\\setlength{\\fboxsep}{1.5pt}%
        \\providecommand{\\lrpletter}[2]{\\ifdefined\\Umathcode #1\\else\\texttt{#2}\\fi}%
        \\colorbox[HTML]{FF0000}{\\textcolor[HTML]{000000}{\\strut 5\\_\\%}}
        \\endgroup
        <BLANKLINE>
    """
    values = _matched(tokens, relevances)
    boxes = [
        rf"\colorbox[HTML]{{{_hex(colour)[1:].upper()}}}{{\textcolor[HTML]{{{_hex(ink_on(colour))[1:].upper()}}}"
        rf"{{\strut {''.join(map(_latex, token))}}}}}"
        if there
        else rf"\textcolor[HTML]{{{_hex(SOFT)[1:].upper()}}}{{\strut {''.join(map(_latex, token))}}}"
        for token, _, colour, there in _each(tokens, values, resolve_limit(values, limit), cmap, known)
    ]
    body = "\n".join([r"\begingroup\setlength{\fboxsep}{1.5pt}%", _LETTER, *boxes, r"\endgroup", ""])
    return rf"{_PREAMBLE}\noindent{body}\end{{document}}" + "\n" if standalone else body


def _latex(letter: str) -> str:
    if letter in _LATEX:
        return _LATEX[letter]
    if letter.isascii() and letter.isprintable():
        return letter
    if not letter.isprintable():
        return rf"\texttt{{U+{ord(letter):04X}}}"
    # The letters of Latin-1 are in every T1 font; of its signs some are not.
    if letter.isalpha() and ord(letter) <= 0xFF and letter not in "ªº":
        return letter
    return rf"\lrpletter{{{letter}}}{{U+{ord(letter):04X}}}"


def _matched(tokens: Sequence[str], relevances: Any) -> Floats:
    if isinstance(tokens, str):
        raise ShapeError(f"tokens is one string of {len(tokens)} letters; give a list of tokens")
    values = floats("relevances", relevances)
    if values.shape != (len(tokens),):
        raise ShapeError(f"{len(tokens)} token(s), but relevances of shape {values.shape}")
    return values


def _each(
    tokens: Sequence[str], values: Floats, limit: float, cmap: str, known: Sequence[bool] | None
) -> Iterator[tuple[str, Any, Any, bool]]:
    """Return the tokens, each with its number, its colour, and whether the model knows it."""
    return zip(tokens, values, paint(positions(values, limit), cmap), given(tokens, known), strict=True)


def _hex(colour: Pixels | tuple[int, int, int]) -> str:
    return "#" + bytes(int(part) for part in colour).hex()


def _semicolons(colour: Pixels | tuple[int, int, int]) -> str:
    return ";".join(str(int(part)) for part in colour)


def _legend(cmap: str, limit: float, total: float) -> str:
    stops = ",".join(_hex(np.rint(point).astype(np.uint8)) for point in control_points(cmap))
    bar = (
        f'<span style="display:inline-block;width:8em;height:0.8em;border:1px solid #c4c7cc;'
        f'background:linear-gradient(to right,{stops});vertical-align:middle;margin:0 0.5em"></span>'
    )
    ends = (number(-limit), number(limit, sign=True)) if limit else ("", "all 0")
    return (
        f'<div style="font-size:0.8em;color:#696d74">{ends[0]}{bar}{ends[1]} '
        f"&nbsp; sum of relevance {number(total, sign=True)}</div>"
    )
