"""Pictures as SVG text: elements whose texts and attributes are escaped, and the look that all of them have."""

from __future__ import annotations

from html import escape
from typing import Any

WIDTH = 720  # of a picture in its own units; it is drawn as wide as its place allows
LONGEST = 22  # characters of a name in a picture; a title says the whole name
# The variables are those of a page's style; where there is none, as in a notebook, the second value holds.
INK, QUIET, LINE = "var(--ink, #1a1a1a)", "var(--quiet, #555555)", "var(--line, #c9c9c9)"
PAPER, PANEL = "var(--paper, #ffffff)", "var(--panel, #f5f5f3)"
SIGNS = {1: "var(--plus, #b2182b)", -1: "var(--minus, #2166ac)", 0: QUIET}
PARTS = {
    "bias": "var(--bias, #7a5c00)",
    "stabiliser": "var(--stabiliser, #5b4a8a)",
    "dropped": "var(--dropped, #5a5a5a)",
}
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the direction of writing
DASH = "7 4"  # of a line that stands for a negative number: its second sign besides the colour


def element(tag: str, *children: str, **attributes: Any) -> str:
    """Return an element as text.

    Args:
        tag: its name.
        children: elements or escaped texts, see :func:`text_of`.
        attributes: by name, ``_`` standing for ``-`` (``class_`` for class); those that are None are left out.

    Example:
        >>> element("rect", width=3, stroke_width=0.5, class_="a<b")
        '<rect width="3" stroke-width="0.5" class="a&lt;b"/>'
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_readable(_value(value)))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{given}>{''.join(children)}</{tag}>" if children else f"<{tag}{given}/>"


def text_of(words: str) -> str:
    """Return a text so that it may stand in an element; characters that turn the direction of writing are replaced.

    Example:
        >>> text_of("a<b" + chr(0x202E) + "c")
        'a&lt;b\ufffdc'
    """
    return escape("".join("\ufffd" if c in TURNING else c for c in _readable(words)))


def shortened(name: str, longest: int) -> str:
    """Return a name of at most that many characters: beginning and end, for names often differ in their ends.

    Example:
        >>> shortened("block15.depthwise", 12)
        'block1…hwise'
    """
    head = longest // 2
    return name if len(name) <= longest else f"{name[:head]}…{name[head + 1 - longest :]}"


def label(
    words: str, x: float, y: float, *, anchor: str = "start", size: int = 13, longest: int = LONGEST, **attributes: Any
) -> str:
    """Return words at a place; a name that is too long is shortened, and its title says the whole of it."""
    shown = shortened(words, longest)
    whole = () if shown == words else (element("title", text_of(words)),)
    look: dict[str, Any] = {"fill": INK, "font_size": size, "text_anchor": anchor} | attributes
    return element("text", *whole, text_of(shown), x=_round(x), y=_round(y), **look)


def picture(
    parts: list[str], *, height: float, title: str, sentence: str, width: int = WIDTH, class_: str | None = None
) -> str:
    """Return a picture of parts, with the title and the sentence that say it to those who do not see it.

    Args:
        parts: elements.
        height: in the picture's units.
        title: a few words.
        sentence: what there is to see.
        width: in the picture's units.
        class_: of the element.
    """
    style = f"max-width:{width}px;width:100%;height:auto;font-family:system-ui,sans-serif;background:{PAPER}"
    return element(
        "svg", element("title", text_of(f"{title}. {sentence}" if title else sentence)), *parts,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {_round(height)}", role="img", style=style,
        class_=class_,
    )  # fmt: skip


def sign_of(value: float) -> int:
    """Return 1, −1 or 0."""
    return (value > 0) - (value < 0)


def signed(words: str, value: float) -> str:
    """Return a number's text with its sign: "+0.5", "−0.5", "0"."""
    return f"+{words}" if value > 0 else words.replace("-", "−", 1) if value < 0 else words


def _readable(words: str) -> str:
    """Return a text in which each character that XML does not know, such as half a surrogate, is replaced."""
    return "".join(
        c if c in "\t\n" or (" " <= c < "\ud800") or "\ue000" <= c < "\ufffe" or c > "\uffff" else "\ufffd"
        for c in words
    )


def _value(value: Any) -> str:
    return f"{_round(value)}" if isinstance(value, float) else str(value)


def _round(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
