"""The page of an application and the front page of the gallery, as Markdown, made from records alone."""

from __future__ import annotations

from collections.abc import Sequence

from .application import Application
from .record import Record

WITHHELD = (
    "*The picture leaves out samples whose licence does not say that they may be shown here; the command draws them "
    "where they are grey.*"
)
QUICK = "*A quick run, which shows that it works: its numbers and what held say nothing.*"
ACROSS = 3  # pictures in a row of the wall
WINGS = {
    "method": "The method itself",
    "images": "Images",
    "strategies": "Strategies",
    "text": "Text",
    "signals": "Signals, sound and video",
    "units": "Units, concepts and generators",
}


def page(application: Application, record: Record) -> str:
    """Return the page of an application: picture, finding, claims, its story, how to run it, numbers."""
    claims = [(f.claim, f.measured, f"**{f.held}**") for f in record.findings]
    needs = [f"- `{n.file}`: {n.what}; {n.where}; licence: {n.licence}." for n in application.needs]
    took = f"{record.seconds:.0f} s" + (f" and {record.peak_memory_mb} MB" if record.peak_memory_mb else "")
    given = " --data DATA" if any(not n.shipped for n in application.needs) else ""
    return "\n".join([
        f"# {application.title}", "",
        *([QUICK, ""] if record.quick else []),
        f"**{record.sentence}**", "",
        f"![{record.alt}]({record.name}.png)", "",
        *([WITHHELD, ""] if record.withheld else []),
        application.story, "",
        "## Claims", "",
        *table(("claim", "measured", "held?"), claims), "",
        f"Known from: {application.source}.", "",
        "## Run it", "",
        "```text", f"lrp-ref gallery {record.name} -o FOLDER{given}", "```", "",
        f"Data: {application.data} Model: {application.model}", "",
        *([*needs, ""] if needs else []),
        f"The run took {took}, with seed {record.seed} and "
        f"{', '.join(f'{name} {version}' for name, version in record.versions.items())}.", "",
        f"Every number: [{record.name}.json]({record.name}.json). Code: `lrp_ref/gallery/applications/"
        f"{application.module.rpartition('.')[2]}.py`.", "",
    ])  # fmt: skip


def wall(applications: Sequence[Application], records: Sequence[Record]) -> str:
    """Return the front page: a wall of the pictures, and the table of what of the claims held."""
    by_name = {record.name: record for record in records}
    shown = [a for a in applications if a.name in by_name]
    findings = [(a, f) for a in shown for f in by_name[a.name].findings]
    counts = {held: sum(f.held == held for _, f in findings) for held in ("yes", "in part", "no", "not tested")}
    told = ", ".join(f"{count} {held}" for held, count in counts.items() if count)
    lines = [
        "# Gallery", "",
        f"{len(shown)} applications that Layer-wise Relevance Propagation is known for, each run by one command on "
        f"data that one can have. Of {len(findings)} claims, held here: {told}. A picture that shows samples of a data "
        "set is under the licence of that set, which its page names.", "",
        "```text", "pip install -e '.[gallery]'      # in a clone of the project, which has the networks",
        "lrp-ref gallery [--data DATA]    # what there is, and what is missing to run it",
        "lrp-ref gallery NAME -o FOLDER   # one of them: a picture, its numbers, its page", "```", "",
    ]  # fmt: skip
    for wing, title in WINGS.items():
        here = [a for a in shown if a.wing == wing]
        if here:
            lines += [f"## {title}", "", *_pictures(here, by_name), ""]
    rows = [(f"[{a.title}]({a.name}.md)", f.claim, f.measured, f"**{f.held}**") for a, f in findings]
    return "\n".join([*lines, "## Claims", "", *table(("application", "claim", "measured", "held?"), rows), ""])


def _pictures(applications: Sequence[Application], records: dict[str, Record]) -> list[str]:
    """Return a table of pictures, each above its title and its finding."""
    cells = []
    for a in applications:
        record = records[a.name]
        cells.append(
            f"[![{record.alt}]({a.name}.png)]({a.name}.md)<br>**[{a.title}]({a.name}.md)**<br>{record.sentence}"
        )
    cells += [""] * (-len(cells) % ACROSS)
    rows = [cells[k : k + ACROSS] for k in range(0, len(cells), ACROSS)]
    return table(("",) * ACROSS, rows)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [headers, ["---"] * len(headers), *([_cell(c) for c in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(text: str) -> str:
    """Return a text as it may stand in a cell."""
    return " ".join(text.replace("|", "\\|").split())
