"""Relevance of words: HTML spans, and coloured text in the terminal."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError
from .canvas import number
from .colours import DEFAULT, Floats, Pixels, control_points, floats, ink_on, paint, positions, resolve_limit

# Spaces within tokens stay visible, and letters that turn the direction of writing end with their token.
_SPAN = "padding:0.15em 0.25em;border-radius:0.25em;white-space:pre-wrap;unicode-bidi:isolate"


def text_html(
    tokens: Sequence[str],
    relevances: NDArray[Any] | Sequence[float],
    *,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    separator: str = " ",
    legend: bool = True,
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
        for token, value, colour in zip(tokens, values, paint(positions(values, found), cmap), strict=True)
    ]
    body = html.escape(separator).join(spans)
    key = _legend(cmap, found, float(values.sum())) if legend else ""
    return f'<div class="lrp-text" style="line-height:2;font-family:sans-serif">{body}{key}</div>'


def text_terminal(
    tokens: Sequence[str],
    relevances: NDArray[Any] | Sequence[float],
    *,
    cmap: str = DEFAULT,
    limit: float | str | None = None,
    color: bool = True,
    separator: str = " ",
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
    colours = paint(positions(values, resolve_limit(values, limit)), cmap)
    shown = ["".join(c if c.isprintable() else repr(c)[1:-1] for c in token) for token in tokens]
    if not color:
        return separator.join(f"{t}({number(float(v), sign=True)})" for t, v in zip(shown, values, strict=True))
    return separator.join(
        f"\x1b[48;2;{_semicolons(colour)}m\x1b[38;2;{_semicolons(ink_on(colour))}m{token}\x1b[0m"
        for token, colour in zip(shown, colours, strict=True)
    )


def _matched(tokens: Sequence[str], relevances: Any) -> Floats:
    if isinstance(tokens, str):
        raise ShapeError(f"tokens is one string of {len(tokens)} letters; give a list of tokens")
    values = floats("relevances", relevances)
    if values.shape != (len(tokens),):
        raise ShapeError(f"{len(tokens)} token(s), but relevances of shape {values.shape}")
    return values


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
