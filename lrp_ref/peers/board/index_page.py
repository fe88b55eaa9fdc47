"""The first page: every program in a row, families of rules in columns; then who computes what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from ...vectors.compare import UNSUPPORTED
from . import markup
from .counts import FAMILIES, Departed, by_family, counts, departures
from .files import slug
from .program_page import STRONGEST, shown_note
from .results import Results
from .words import answer, numbers, question, statements

TITLE = "LRP conformance board"
ABOUT = (
    "Programs that compute Layer-wise Relevance Propagation, asked the same cases: the same weights, the same rule by "
    "its name, an exact answer. Where a program answers otherwise, the board says what it computes."
)
FAIR = (
    "An alternative is a convention that a paper allows, or that no paper speaks of. A defect contradicts the paper "
    "that the program itself cites for the rule, or its own forward pass. Counts are of cases, and cases are not "
    "equally important: they do not rank programs."
)


def index_page(programs: Sequence[Sequence[Results]], absent: Mapping[str, str]) -> str:
    """Return the first page.

    Args:
        programs: rows of one version of a program each.
        absent: why a program was not run, by its title.
    """
    return markup.page(TITLE, _parts(programs, absent))


def _parts(programs: Sequence[Sequence[Results]], absent: Mapping[str, str]) -> Iterator[str]:
    rows = [row for rows in programs for row in rows]
    dtypes = [row.dtype for row in rows]
    yield f"<h1>{TITLE}</h1><p>{escape(ABOUT)}</p>" + markup.key() + markup.dtype_filter(dtypes)
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in ("program", "all", *FAMILIES.values()))
    body = "".join(_row(row, dtypes) for row in rows)
    yield f'<div class="wide board"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    yield '<p class="small soft">A cell opens its cases: what was asked, the exact answer, and the program\'s.</p>'
    if absent:
        items = "".join(f"<li><b>{escape(name)}</b>: {escape(why)}</li>" for name, why in absent.items())
        yield f'<h2>Not run</h2><ul class="reasons">{items}</ul>'
    yield from _who(programs, dtypes)
    yield from _times(rows)


def _row(row: Results, dtypes: Sequence[str]) -> str:
    found, page = by_family(row.outcomes), f"{slug(row)}.html"
    dtype = row.dtype if len(set(dtypes)) > 1 else ""
    more = " · ".join(text for text in (row.program.language, dtype) if text)
    cells = "".join(_cell(counts(cases), f"{page}#{row.dtype}-cases-{name}") for name, cases in found.items())
    return (
        f'<tr class="{markup.only(row.dtype, dtypes)}"><th scope="row"><a href="{page}">{escape(row.full_title)}</a>'
        f'<br><span class="soft small">{escape(more)}</span></th>{_cell(counts(row.outcomes), page)}{cells}</tr>'
    )


def _cell(found: Mapping[str, int], address: str) -> str:
    """Return a cell: a bar and the counts; one that has nothing but unsupported cases stays quiet."""
    total = sum(found.values())
    if not total:
        return "<td></td>"
    if total == found[UNSUPPORTED]:
        return f'<td><a href="{escape(address)}">{markup.tally(found)}</a></td>'
    return f'<td><a href="{escape(address)}">{markup.bar(found)}{markup.tally(found)}</a></td>'


def _who(programs: Sequence[Sequence[Results]], dtypes: Sequence[str]) -> Iterator[str]:
    """Yield the table of departures: what each computes, who has it, how it is to be taken."""
    found: dict[str, list[tuple[Results, Departed]]] = {}
    for rows in programs:
        for departed in departures(rows[0].outcomes):  # float64, where there is one
            found.setdefault(" or ".join(departed.names), []).append((rows[0], departed))
    if not found:
        return
    yield f"<h2>Who computes what</h2><p>{escape(FAIR)}</p>"
    head = "".join(f"<th>{text}</th>" for text in ("departure", "what it computes", "who", "smallest case"))
    order = sorted(found.items(), key=lambda item: (-sum(len(d.cases) for _, d in item[1]), item[0]))
    body = "".join(_departure(name, who) for name, who in order)
    yield f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    if len(set(dtypes)) > 1:
        yield '<p class="small soft">Of each program its float64 run, where there is one.</p>'


def _departure(name: str, who: Sequence[tuple[Results, Departed]]) -> str:
    told = min((shown_note(d, r.program.name) for r, d in who), key=lambda t: STRONGEST.index(t[1].kind))[0]
    chips = "<br>".join(_chip(row, departed) for row, departed in who)
    small = who[0][1].smallest
    exact = (answer(small.id) if not small.where else "") or numbers(small.expected)
    text = f"{small.id}: exact {exact}, {who[0][0].full_title} {numbers(small.got)}"
    asked = question(small.id)
    return (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(statements().get(told, ''))}</td>"
        f'<td class="who">{chips}</td>'
        f"<td class=small>{escape(text)}"
        + (f'<br><span class="soft">{escape(asked)}</span>' if asked else "")
        + "</td></tr>"
    )


def _chip(row: Results, departed: Departed) -> str:
    how = shown_note(departed, row.program.name)[1]
    address = f"{slug(row)}.html#{row.dtype}-{departed.names[0]}"
    return (
        f'<a href="{escape(address)}" title="{escape(how.why)}">{escape(row.full_title)}</a> '
        f'<span class="soft small">{len(departed.cases)}</span> {markup.kind_chip(how.kind)}'
        + (f' <span class="small">{markup.link(how.issue, "upstream")}</span>' if how.issue else "")
    )


def _times(rows: Sequence[Results]) -> Iterator[str]:
    yield "<h2>How it was made</h2>"
    head = "".join(f"<th>{text}</th>" for text in ("program", "dtype", "vectors", "date", "seconds", "reproduce"))
    body = "".join(
        f"<tr><td>{escape(r.full_title)}</td><td>{r.dtype}</td><td>{escape(r.vectors)}</td><td>{escape(r.date)}</td>"
        f"<td>{r.seconds:.1f}</td><td><code>{escape(r.reproduce)}</code></td></tr>"
        for r in rows
    )
    yield f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
