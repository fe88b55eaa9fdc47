"""Tables as text (rich draws them) and as HTML for notebooks."""

from __future__ import annotations

import io
from collections.abc import Sequence


def text(headers: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[int] = ()) -> str:
    """Return a plain-text table.

    Args:
        headers: of the columns.
        rows: of cells, as many per row as there are headers.
        title: printed above, if any.
        right: indices of columns with numbers, aligned to the right.
    """
    from rich.box import SIMPLE_HEAD
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
    for k, header in enumerate(headers):
        table.add_column(Text(header), justify="right" if k in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    buffer = io.StringIO()
    Console(file=buffer, width=10_000, color_system=None, legacy_windows=False).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines() if line.strip())


def html(headers: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[int] = ()) -> str:
    """Return the table as HTML, every cell escaped; arguments as in :func:`text`.

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
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def number(value: float) -> str:
    """Return a number with four significant digits, short enough for a column.

    Example:
        >>> number(12.34567), number(0.0), number(-1.5e-9)
        ('12.35', '0', '-1.500e-09')
    """
    if value == 0:
        return "0"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.3e}"
