"""What mutation testing found: the score of each file, every survivor with its reason, and the page about it."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from mutants import Mutant
from rich.console import Console
from rich.table import Table

REASONS = Path("tests/mutation/surviving")  # one file for each file of the package
PAGE = Path("docs/mutation.md")
BEGIN, END = "<!-- measured -->", "<!-- end -->"

Key = tuple[str, str, str]


def reasons(paths: Iterable[Path]) -> dict[Key, str]:
    """Return the reason of every listed survivor by its key: file and text of the change."""
    return {
        (str(path), change["was"], now): change["reason"]
        for path in paths
        if (file := REASONS / f"{'.'.join(path.with_suffix('').parts[1:])}.toml").exists()
        for change in tomllib.loads(file.read_text())["change"]
        for now in change["now"]
    }


def report(verdicts: Mapping[Mutant, bool], known: Mapping[Key, str], console: Console) -> list[Mutant]:
    """Print the score of each file and every survivor, and return the survivors without a reason."""
    table = Table(*HEADINGS, title="Mutation score")
    for row in scores(verdicts, known):
        table.add_row(*row)
    console.print(table)
    for m in survivors(verdicts):
        console.print(f"{m.path}:{m.line} {m.operator}\n  - {m.was}\n  + {m.now}", markup=False, highlight=False)
        console.print(f"  {known.get(m.key, NO_REASON)}", markup=False, highlight=False)
    return [m for m in survivors(verdicts) if m.key not in known]


HEADINGS = ("file", "mutants", "killed", "equivalent", "cost only", "open", "killed / not equivalent")
NO_REASON = "no reason known: a gap in the tests?"


def scores(verdicts: Mapping[Mutant, bool], known: Mapping[Key, str]) -> list[list[str]]:
    """Return one row of texts per file, and one for all."""
    by_file: dict[str, list[str]] = defaultdict(list)
    for mutant, killed in verdicts.items():
        reason = known.get(mutant.key)
        kind = "killed" if killed else "open" if reason is None else "cost" if reason.startswith("cost") else "same"
        by_file[str(mutant.path)].append(kind)
        by_file["~all"].append(kind)
    rows = []
    for name, kinds in sorted(by_file.items()):
        killed, same, cost, left = (kinds.count(kind) for kind in ("killed", "same", "cost", "open"))
        share = f"{100 * killed / max(len(kinds) - same, 1):.1f} %"
        rows.append([name.removeprefix("~"), *map(str, (len(kinds), killed, same, cost, left)), share])
    return rows


def survivors(verdicts: Mapping[Mutant, bool]) -> list[Mutant]:
    """Return the mutants that no test killed, in the order of the files."""
    return sorted((m for m, killed in verdicts.items() if not killed), key=lambda m: (str(m.path), m.line, m.now))


def write_page(verdicts: Mapping[Mutant, bool], known: Mapping[Key, str]) -> None:
    """Put the table and every survivor between the two marks of the page."""
    text = PAGE.read_text()
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    lines = [BEGIN, "", f"| {' | '.join(HEADINGS)} |", f"| --- |{' ---: |' * (len(HEADINGS) - 1)}"]
    for name, *cells in scores(verdicts, known):
        lines.append(f"| {name if name == 'all' else f'`{name}`'} | {' | '.join(cells)} |")
    lines += ["", "## Every survivor", ""]
    for path, own in groupby(survivors(verdicts), key=lambda m: str(m.path)):
        lines += [f"### `{path}`", ""]
        for (was, reason), same in groupby(own, key=lambda m: (m.was, known.get(m.key, NO_REASON))):
            lines += [f"- {reason}", "", f"      - {was}", *(f"      + {m.now}" for m in same), ""]
    PAGE.write_text(head + "\n".join([*lines, END]) + tail)
