"""The board as one page of Markdown, made from the files of results alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from ...vectors.compare import PASS
from ...vectors.program import is_address
from .counts import FAMILIES, TOLD, by_family, count, counts, departures
from .index_page import ABOUT, FAIR
from .known import BESIDE
from .markup import MARKS, MEANINGS
from .program_page import shown_note
from .results import UNEXPLAINED, Outcome, Results
from .site import grouped
from .words import answer, numbers, place, question, statements

SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$:@])")
SHOWN = 12  # lines about what is unexplained, per program
USAGE = """
## Make it yourself

```text
lrp-ref vectors board [--peer NAME]                          all programs that are installed here, or those named
lrp-ref vectors board --python zennit=PYTHON --save DIR      one in another interpreter; DIR keeps its results
lrp-ref vectors board --folder toolbox=FOLDER -o SITE        one that is no package; SITE gets the pages
lrp-ref vectors board --from docs/board -o SITE              pages from results, without the programs
```

The pages of `-o` are HTML without scripts: a cell of the board opens its cases. `SITE/badges` has a badge for each
row, in the format that shields.io reads from an address. The results are JSON, a file per program and dtype; a program
that cannot be run is listed with the reason, and the exit status is then 1. Calls that have to be refused (the group
`faulty`) are not on the board: lrp_ref would refuse them before any program sees them. How cases are compared:
[vectors.md](vectors.md).
"""


def markdown(rows: Sequence[Results], absent: Mapping[str, str], command: str) -> str:
    """Return the board as Markdown.

    Args:
        rows: of the board.
        absent: why a program was not run, by its title.
        command: that makes this page.
    """
    return "\n".join(_lines(grouped(rows), absent, command)) + "\n"


def _lines(programs: Sequence[Sequence[Results]], absent: Mapping[str, str], command: str) -> Iterator[str]:
    yield from (
        "# What other programs answer",
        "",
        f"`{command}` writes this page from the results; none of it is typed.",
        "",
    )
    yield from (ABOUT, "")
    for status in TOLD:
        yield f"- {MARKS[status]} {MEANINGS[status]}"
    for dtype in ("float64", "float32"):
        shown = [row for rows in programs for row in rows if row.dtype == dtype]
        if shown:
            yield from ("", f"## {dtype}", "", *_board(shown))
    if absent:
        yield from ("", "## Not run", "", *(f"- {plain(name)}: {plain(why)}" for name, why in absent.items()))
    yield from ("", "## Where they depart", "", FAIR)
    for rows in programs:
        yield from _departures(rows[0])
    yield from ("", "## How long, and how to repeat it", "")
    told = []
    for r in (row for rows in programs for row in rows):
        again = f"<code>{plain(r.reproduce)}</code>"
        told.append((plain(r.full_title), r.dtype, f"{r.seconds:.1f}", plain(r.date), plain(r.vectors), again))
    yield from _table(("program", "dtype", "seconds", "date", "vectors", "again"), told, right=(2,))
    yield USAGE.rstrip()


def _board(rows: Iterable[Results]) -> Iterator[str]:
    body = []
    for row in rows:
        families = [_counts(counts(cases)) for cases in by_family(row.outcomes).values()]
        body.append((plain(row.full_title), _counts(counts(row.outcomes)), *families))
    yield from _table(("program", "all", *FAMILIES.values()), body)


def _counts(found: Mapping[str, int]) -> str:
    return "<br>".join(f"{MARKS[status]}&nbsp;{n}" for status, n in found.items() if n)


def _departures(row: Results) -> Iterator[str]:
    """Yield a program's departures, and what is unexplained."""
    listed = departures(row.outcomes)
    open_cases = [o for o in row.outcomes if o.status == UNEXPLAINED]
    found = counts(row.outcomes)
    yield from ("", f"### {plain(row.full_title)}", "")
    if not listed and not open_cases:
        right = "Every case that it has means for has the exact answer."
        yield right if found[PASS] else "It has no means for any case."
    if listed:
        body = []
        for d in listed:
            name, how = shown_note(d, row.program.name)
            why = plain(how.why) + (f" [Upstream]({how.issue})" if is_address(how.issue) else "")
            where = ", ".join(f"{FAMILIES[f]} {n}" for f, n in d.families.items())
            small = d.smallest
            exact = (answer(small.id) if not small.where else "") or numbers(small.expected)
            case = (
                f"{plain(question(small.id) or small.id)}: exact {plain(exact)}, its answer {plain(numbers(small.got))}"
            )
            names = " or ".join(f"<code>{plain(n)}</code>" for n in d.names)
            body.append(
                (
                    names,
                    plain(statements().get(name, "")),
                    "not judged" if how.kind == "open" else how.kind,
                    why,
                    where,
                    case,
                )
            )
        yield from _table(("departure", "what it computes", "kind", "why", "cases", "smallest case"), body)
    for text, address in BESIDE.get(row.program.name, ()):
        yield from ("", f"Known upstream, and not seen by cases of one call each: {plain(text)} [Upstream]({address})")
    if open_cases:
        yield from ("", f"Unexplained ({len(open_cases)}):", "", *_unexplained(open_cases))


def _unexplained(cases: Sequence[Outcome]) -> Iterator[str]:
    """Yield a line for each rule on a kind of layer, and each thing that was raised, with its first case."""
    found: dict[tuple[str, str], list[Outcome]] = {}
    for o in cases:
        found.setdefault((place(o.rule, o.layer), o.reason), []).append(o)
    listed = sorted(found.items(), key=lambda item: -len(item[1]))
    for (where, reason), several in listed[:SHOWN]:
        o = several[0]
        numbers_ = f"exact {numbers(o.expected)}, its answer {numbers(o.got)}{f' at {o.where}' if o.where else ''}"
        said = "; ".join(text for text in (reason, numbers_ if o.expected else "") if text)
        yield f"- {plain(where)}, {count(len(several))}, such as {plain(o.id)}: {plain(said)}"
    if len(listed) > SHOWN:
        yield f"- and {sum(len(several) for _, several in listed[SHOWN:])} more cases"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---:' if k in right else '---' for k in range(len(heads)))} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def plain(text: str) -> str:
    r"""Return text that Markdown shows as it is: what a program says makes no link, table or markup.

    Example:
        >>> plain("a|b <b> [x](http://y)")
        'a\\|b &lt;b&gt; \\[x\\]\\(http\\://y\\)'
    """
    return SPECIAL.sub(r"\\\1", escape(" ".join(text.split()), quote=False)).replace("www.", r"www\.")
