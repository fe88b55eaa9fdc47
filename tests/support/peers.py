"""Every stored case of every other program against this package, and the table of it.

``PYTHONPATH=tests python -m peers`` prints the table; with a file's name (docs/peers.md) it is written as Markdown.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peer_cases import Case, lstm_network, names, network, read
from peer_recipes import DIALECTS, Recipe, recipe

import lrp_ref as lrp

PROGRAMS = {
    "LRP_for_LSTM": "LRP_for_LSTM (2020)",
    "captum": "captum 0.9.0",
    "innvestigate": "iNNvestigate 2.1.2",
    "lrp_toolbox": "LRP toolbox 1.3.1",
    "zennit": "zennit 1.0.0",
}


def difference(found: np.ndarray, stored: np.ndarray) -> float:
    """Return the largest abs(found − stored) of a sample over its largest abs(stored); absolute where that is 0."""
    assert found.shape == stored.shape, (found.shape, stored.shape)
    axes = tuple(range(1, stored.ndim))
    scale = np.abs(stored).max(axis=axes)
    return float((np.abs(found - stored).max(axis=axes) / np.where(scale == 0, 1, scale)).max())


def compare(case: Case, chosen: Recipe, *, paper: bool = False) -> dict[str, float]:
    """Return the differences of the output ("output"), the input's relevance ("input") and every layer's.

    Args:
        case: with the stored numbers.
        chosen: how it is reproduced.
        paper: whether the papers' rule is used instead.
    """
    net = lstm_network(case) if case.model == "G" else network(case, **chosen.options)
    x, start = case.arrays["input"], case.arrays["start_relevance"]
    start = {"stored": start, "one": (start != 0) * 1.0, "positive": np.maximum(start, 0)}[chosen.start]
    explained = lrp.explain(net, x, start=start, composite=chosen.paper if paper else chosen.composite)
    received = explained.relevance * x if chosen.times_input else explained.relevance
    differences = {
        "output": difference(explained.output, case.arrays["output"]),
        "input": difference(received, case.arrays["relevance"]),
    }
    for name, stored in case.relevances().items():
        differences[name] = difference(explained.trace.relevance[name], stored)
    if case.model == "G":
        left_over = sum(row.dropped for row in explained.ledger if row.node in ("Left", "Right"))
        differences["initial states"] = difference(left_over, np.array([case.about["residual_relevance"]]))
    return differences


@dataclass(frozen=True)
class Row:
    """One line of the table: the cases of one rule of one program that have one status.

    Attributes:
        peer, rule, models, status, dialects: what and how.
        difference: the largest of all outputs and relevances.
        from_paper: by how much the papers' rule is off, the smallest of the cases; None where it is the one used.
    """

    peer: str
    rule: str
    models: str
    status: str
    dialects: tuple[str, ...]
    difference: float
    from_paper: float | None

    def cells(self) -> tuple[str, ...]:
        paper = "" if self.from_paper is None else f"{self.from_paper:.0e}"
        return (
            PROGRAMS[self.peer], self.rule, self.models, self.status, ", ".join(self.dialects),
            f"{self.difference:.0e}", paper,
        )  # fmt: skip


HEADERS = ("program", "rule", "models", "status", "dialects", "largest difference", "papers' rule is off by")


def table() -> list[Row]:
    """Reproduce every case and return the rows, sorted by program and rule."""
    rows: dict[tuple[str, str, tuple[str, ...]], Row] = {}
    for name in names():
        case = read(name)
        chosen = recipe(case)
        found = max(compare(case, chosen).values())
        off = max(compare(case, chosen, paper=True).values()) if chosen.dialects else None
        key = (case.peer, case.rule, chosen.dialects)
        before = rows.get(key)
        if before is not None:
            found = max(found, before.difference)
            off = None if off is None or before.from_paper is None else min(off, before.from_paper)
        models = (before.models if before else "") + case.model
        rows[key] = Row(case.peer, case.rule, models, chosen.status, chosen.dialects, found, off)
    return [rows[key] for key in sorted(rows)]


def markdown(rows: list[Row]) -> str:
    """Return the page of the documentation."""
    paper, dialect = (sum(len(r.models) for r in rows if r.status == s) for s in ("paper", "dialect"))
    lines = [
        "# Other programs' relevances, reproduced",
        "",
        "`PYTHONPATH=tests python -m peers docs/peers.md` writes this page; every number is measured.",
        "",
        f"{paper + dialect} computations of other programs on small float64 networks: {paper} are reproduced by the "
        f"papers' rules, {dialect} by",
        "a departure from them that has a name below. Given are the program's stabiliser, pooling and start relevance.",
        "",
        "A difference is the largest over output, input relevance and the relevance at every layer that the program",
        "shows, relative to the sample's largest value. The last column says by how much the papers' rule is off",
        "there: it is what the departure changes.",
        "",
        "Models: A 8-12-10-4 ReLU; B convolution, average pool, convolution, max pool, dense; D the same in one",
        "dimension without the average pool; G bidirectional LSTM. deep_taylor on B has negative targets only, and so",
        "relevance 0 everywhere: nothing is shown there.",
        "",
        "| " + " | ".join(HEADERS) + " |",
        "|" + " --- |" * len(HEADERS),
        *("| " + " | ".join(row.cells()) + " |" for row in rows),
        "",
        "| dialect | what is computed there |",
        "| --- | --- |",
        *(f"| {key} | {text} |" for key, text in sorted(DIALECTS.items())),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    rows = table()
    if len(sys.argv) > 1:
        target = Path(sys.argv[1])
        fresh = target.with_name(target.name + ".new")
        fresh.write_text(markdown(rows), encoding="utf-8")
        fresh.replace(target)
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(*HEADERS)
    for row in rows:
        shown.add_row(*row.cells())
    Console(width=150).print(shown)


if __name__ == "__main__":
    main()
