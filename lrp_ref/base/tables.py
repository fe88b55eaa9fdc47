"""Tables as text (rich draws them) and as HTML for notebooks."""

from __future__ import annotations

import io
from collections.abc import Sequence

GAP = 2  # characters between two columns
LEAST = 8  # characters that a column of texts keeps, however narrow the table


def text(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    right: Sequence[int] = (),
    width: int | None = None,
) -> str:
    """Return a plain-text table.

    Args:
        headers: of the columns.
        rows: of cells, as many per row as there are headers.
        title: printed above, if any.
        right: indices of columns with numbers, aligned to the right; numbers are never cut.
        width: of the table in characters, within which texts are folded; None for one line per row.

    Example:
        >>> print(text(["what", "R"], [["a rather long name", "1.25"]], right=[1], width=16))
        what           R
        ────────────────
        a rather    1.25
        long name
    """
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=title or None,
        title_justify="left",
        title_style="",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
    )
    longest = [max(cell_len(cell) for cell in column) for column in zip(headers, *rows, strict=True)]
    fits = width is None or sum(longest) + GAP * len(longest) <= width
    least = 0
    for k, header in enumerate(headers):
        numbers = k in right
        cells = max((len(row[k]) for row in rows), default=0)
        words = _folded(header, cells) if numbers and not fits else header
        table.add_column(Text(words), justify="right" if numbers else "left", no_wrap=fits or numbers, overflow="fold")
        least += GAP + (max(cells, *map(len, words.split("\n"))) if numbers else min(longest[k], LEAST))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    buffer = io.StringIO()
    wide = 10_000 if fits or width is None else max(width, least)
    # In a notebook, rich would show the table beneath the cell and leave the text empty.
    console = Console(file=buffer, width=wide, color_system=None, legacy_windows=False, force_jupyter=False)
    console.print(table)
    return _whole("\n".join(line.rstrip() for line in buffer.getvalue().splitlines() if line.strip()))


def _whole(made: str) -> str:
    """Return a text that can be printed: half a letter, which a name from a file may have, becomes "?"."""
    return made.encode("utf-8", "replace").decode("utf-8")


def _folded(header: str, width: int) -> str:
    """Return a header in lines of whole words, which are as long as its column's cells where that can be."""
    import textwrap

    return "\n".join(textwrap.wrap(header, max(width, *map(len, header.split()), 1), break_long_words=False))


def html(headers: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[int] = ()) -> str:
    """Return the table as HTML, every cell escaped, half letters as "?"; arguments as in :func:`text`.

    Example:
        >>> html(["a"], [["<1>"]])
        '<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>&lt;1&gt;</td></tr></tbody></table>'
    """
    from html import escape  # only needed here, and `import lrp_ref` should be quick

    style = ' style="text-align:right"'
    head = "".join(f"<th>{escape(h)}</th>" for h in headers)
    body = "".join(
        "<tr>" + "".join(f"<td{style if k in right else ''}>{escape(c)}</td>" for k, c in enumerate(row)) + "</tr>"
        for row in rows
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    return _whole(f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")


def number(value: float) -> str:
    """Return a number with four significant digits, short enough for a column.

    Example:
        >>> number(12.34567), number(0.0), number(-1.5e-9)
        ('12.35', '0', '-1.500e-09')
    """
    if value == 0:
        return "0"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.3e}"
