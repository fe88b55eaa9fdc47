"""The page of one program: where it departs, then every case by family of rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape

from ...vectors.compare import PASS, UNSUPPORTED
from . import markup
from .badges import markdown_badge
from .counts import FAMILIES, Departed, by_family, count, counts, departures, set_aside, verdict
from .files import file_name, slug
from .known import BESIDE, DEFECT, Note, note
from .results import DEPARTS, UNEXPLAINED, Outcome, Results
from .words import answer, numbers, place, question, statements

STRONGEST = (DEFECT, "alternative", "open")


def program_page(rows: Sequence[Results]) -> str:
    """Return the page of one version of a program.

    Args:
        rows: its results, one per dtype.
    """
    row = rows[0]
    return markup.page(f"{row.full_title} — LRP conformance", _parts(rows))


def _parts(rows: Sequence[Results]) -> Iterator[str]:
    row, dtypes = rows[0], [r.dtype for r in rows]
    addresses = [
        markup.link(address, text)
        for address, text in ((row.program.homepage, "homepage"), (row.program.issues, "issue tracker"))
        if address
    ]
    about = " · ".join([*([escape(row.program.language)] if row.program.language else []), *addresses])
    yield f'<p class="small"><a href="index.html">← all programs</a></p><h1>{escape(row.full_title)}</h1>'
    yield f'<p class="soft">{about}</p>' + markup.key() + markup.dtype_filter(dtypes)
    for r in rows:
        yield f'<section class="{markup.only(r.dtype, dtypes)}">'
        yield from _dtype(r, len(rows) > 1)
        yield "</section>"


def _dtype(row: Results, several: bool) -> Iterator[str]:
    found = counts(row.outcomes)
    heading = f"<h2>{row.dtype}</h2>" if several else ""
    yield f"{heading}<p><b>{escape(verdict(row.outcomes))}</b></p>{markup.bar(found)}"
    listed = departures(row.outcomes)
    if listed:
        yield f'<h2>Where it departs</h2><div class="cards">{"".join(_card(d, row) for d in listed)}</div>'
    beside = BESIDE.get(row.program.name, ())
    if beside:
        items = "".join(f"<li>{escape(text)} {markup.link(address, 'upstream')}</li>" for text, address in beside)
        yield f'<p>Known upstream, and not seen by cases of one call each:</p><ul class="reasons">{items}</ul>'
    yield "<h2>Every case</h2>"
    for name, cases in by_family(row.outcomes).items():
        if cases:
            yield _family(name, cases, row)
    yield from _conventions(row)
    yield from _made(row)


def shown_note(departed: Departed, program: str) -> tuple[str, Note]:
    """Return which of a departure's ids is told, and how it is to be taken: the one that is said of the program."""
    notes = [note(name, program) for name in departed.names]
    best = min(notes, key=lambda n: (n.program != program, STRONGEST.index(n.kind)))
    return best.dialect, best


def _card(departed: Departed, row: Results) -> str:
    name, how = shown_note(departed, row.program.name)
    title = " or ".join(departed.names)
    where = ", ".join(f"{FAMILIES[f]} {n}" for f, n in departed.families.items())
    upstream = f"<p class=small>{markup.link(how.issue, 'Reported upstream')}</p>" if how.issue else ""
    small = departed.smallest
    return (
        f'<article class="card {how.kind}" id="{_anchor(row, departed.names[0])}"><header>'
        f"<h3><code>{escape(title)}</code></h3>{markup.kind_chip(how.kind)}"
        f'<span class="soft small">{count(len(departed.cases))}: {escape(where)}</span></header>'
        f'<p>{escape(_computes(name))}</p><p class="soft small">{escape(how.why)}</p>{upstream}'
        f"{_example(small)}</article>"
    )


def _computes(name: str) -> str:
    told = statements().get(name, "")
    return f"It computes: {told}." if told else "It is not described in this version of lrp_ref."


def _example(outcome: Outcome) -> str:
    """Return the smallest case as terms and numbers."""
    asked = question(outcome.id)
    rows = [("smallest case", f"{outcome.id} ({place(outcome.rule, outcome.layer)})")]
    rows += [("asked", asked)] if asked else []
    exact = answer(outcome.id) if not outcome.where else ""
    rows += [("exact", exact or _at(outcome, outcome.expected)), ("its answer", _at(outcome, outcome.got))]
    body = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in rows if text)
    return f"<dl>{body}</dl>"


def _at(outcome: Outcome, values: Sequence[float]) -> str:
    if not values:
        return ""
    return f"{numbers(values)} at {outcome.where}" if outcome.where else numbers(values)


def _anchor(row: Results, name: str) -> str:
    return escape(f"{row.dtype}-{name}".replace(" ", "-"))


def _family(name: str, cases: Sequence[Outcome], row: Results) -> str:
    """Return a family's cases: what is not explained first, then departures, then the rest folded away."""
    found = counts(cases)
    parts = []
    off = [o for status in (UNEXPLAINED, DEPARTS) for o in cases if o.status == status]
    if off:
        head = "".join(f"<th>{text}</th>" for text in ("", "case", "exact", "answer", "departure"))
        body = "".join(_case(o, row) for o in off)
        parts.append(
            f'<div class="wide plain"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        )
    missing = [o for o in cases if o.status == UNSUPPORTED]
    if missing:
        reasons = Counter(o.reason or "no reason given" for o in missing).most_common()
        items = "".join(f"<li>{escape(reason)} <span class=soft>({n})</span></li>" for reason, n in reasons)
        ids = _ids(missing)
        parts.append(
            f"<details><summary>{len(missing)} unsupported</summary><ul class=reasons>{items}</ul>{ids}</details>"
        )
    right = [o for o in cases if o.status == PASS]
    if right:
        parts.append(f"<details><summary>{len(right)} pass</summary>{_ids(right)}</details>")
    return (
        f"<details><summary><b>{escape(FAMILIES[name])}</b>{markup.tally(found)}</summary>"
        f'<div class="in" id="{_anchor(row, f"cases-{name}")}">{"".join(parts)}</div></details>'
    )


def _ids(cases: Sequence[Outcome]) -> str:
    return f'<ul class="ids">{"".join(f"<li>{escape(o.id)}</li>" for o in cases)}</ul>'


def _case(outcome: Outcome, row: Results) -> str:
    causes = [
        f'<a href="#{_anchor(row, told.split(" or ")[0])}"><code>{escape(told)}</code></a>' for told in outcome.dialects
    ]
    said = " + ".join(causes) or escape(outcome.reason)
    where = f'<br><span class="soft small">at {escape(outcome.where)}</span>' if outcome.where else ""
    asked = question(outcome.id)
    note_ = f'<br><span class="soft small">{escape(asked)}</span>' if asked and len(asked) < 90 else ""
    exact = escape((answer(outcome.id) if not outcome.where and outcome.expected else "") or numbers(outcome.expected))
    got = escape(numbers(outcome.got))
    return (
        f'<tr><td class="mark {outcome.status}">{markup.MARKS[outcome.status]}</td>'
        f"<td>{escape(outcome.id)}{note_}</td><td>{exact}{where}</td><td>{got}</td><td>{said}</td></tr>"
    )


def _conventions(row: Results) -> Iterator[str]:
    if row.options:
        items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in row.options.items())
        aside = f"<p class=small>{count(set_aside(row))} of other options not counted.</p>" if set_aside(row) else ""
        yield f"<h2>Conventions that it has</h2><dl>{items}</dl>{aside}"


def _made(row: Results) -> Iterator[str]:
    answers = f'<a href="data/{escape(file_name(row))}">the answers as JSON</a>'
    made = f"lrp-vectors {row.vectors}, lrp_ref {row.made}, {row.date}, {row.seconds:.1f} s with the program's start"
    yield f"<h2>Reproduce this row</h2><pre>{escape(row.reproduce)}</pre>"
    yield f'<p class="small soft">{escape(made)} · {answers}</p>'
    yield f'<p class="small">Badge:</p><pre>{escape(markdown_badge(row, slug(row)))}</pre>'
