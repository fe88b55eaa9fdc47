"""The page of a comparison: one HTML file with verdict, reason, pictures, every node, and how to repeat it."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ..base.files import replace_file
from ..errors import ParameterError
from .pictures import SHOWN, pictures
from .rows import RIGHT, Comparison

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; color: #1c1c1c; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin: 1.6em 0 .4em; }
.agrees, .departs { padding: .6em .9em; border-left: .35em solid; margin: .8em 0; }
.agrees { border-color: #2e7d32; background: #eef6ee; } .departs { border-color: #b3261e; background: #fbeeec; }
figure { display: inline-table; margin: .4em 1.2em .4em 0; vertical-align: top; }
figcaption { display: table-caption; caption-side: bottom; font-size: .88em; color: #555; }
img { max-width: 100%; image-rendering: pixelated; }
table { border-collapse: collapse; font-size: .88em; }
th, td { padding: .22em .6em; border-bottom: 1px solid #ddd; text-align: left; font-variant-numeric: tabular-nums; }
td.n, th.n { text-align: right; } td.n { white-space: nowrap; }
tr.off td { background: #fbeeec; } tr.out td { color: #777; }
td.bar { width: 11em; padding: 0 .4em; }
.bar span { display: block; height: .62em; margin: .1em 0; } .pos { background: #d33; } .neg { background: #36c; }
.half { display: grid; grid-template-columns: 1fr 1fr; }
.half .neg { justify-self: end; } .half .pos { grid-column: 2; }
.wide { overflow-x: auto; } pre { background: #f4f4f4; padding: .7em; overflow-x: auto; white-space: pre-wrap; }
"""


def write(path: str | Path, several: Sequence[Comparison]) -> Path:
    """Write one self-contained page of one comparison or several; the file is there whole or not at all.

    Raises:
        ParameterError: the folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ParameterError(f"{target}: the folder {target.parent} does not exist; create it first")
    text = page(several)
    replace_file(target, lambda stream: stream.write(text.encode()))
    return target


def page(several: Sequence[Comparison]) -> str:
    """Return the page as HTML."""
    title = " and ".join(dict.fromkeys(c.program for c in several)) + " against lrp_ref"
    parts = [section(c) for c in several]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>\n" + "\n<hr>\n".join(parts) + "\n</body></html>\n"
    )


def section(c: Comparison) -> str:
    """Return one comparison as HTML: verdict and reason, pictures, nodes, facts."""
    heading = f"<h2>{escape(', '.join(c.titles))}</h2>" if c.titles else ""
    kind = "agrees" if c.equal else "departs"
    told = f"<p><b>{escape(c.verdict)}.</b></p>" + (f"<p>{escape(c.reason)}</p>" if c.reason else "")
    remarks = "".join(f"<li>{escape(words)}</li>" for words in c.remarks)
    return (
        f'{heading}<div class="{kind}">{told}</div>'
        + (f"<ul>{remarks}</ul>" if remarks else "")
        + "".join(pictures(c))
        + f"<h2>Nodes, from the output back</h2>{_table(c)}"
        + f"<p>{escape(LEGEND)}</p><h2>How it was made</h2>{_facts(c)}"
    )


LEGEND = (
    "Δ: max |a − b| / max |a| of the relevance that arrived at the node's output, a of lrp_ref, b of the other "
    "program; ulp: max |a − b| in units of the distance between max |a| and the next number of the dtype. What "
    "a node hands back shows in the rows of the values that it reads, below it."
)


def _table(c: Comparison) -> str:
    """Return the rows as HTML; those that depart are coloured, those without a rule grey."""
    numbers = dict.fromkeys(RIGHT, " class=n")
    head = "".join(f"<th{numbers.get(k, '')}>{escape(name)}</th>" for k, name in enumerate(c.headers))
    body = ""
    for row in c.rows:
        cells = "".join(f"<td{numbers.get(k, '')}>{escape(text)}</td>" for k, text in enumerate(row.cells()))
        mark = "off" if row.departs else "out" if row.relevance is None else ""
        body += f'<tr class="{mark}">{cells}</tr>' if mark else f"<tr>{cells}</tr>"
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(c: Comparison) -> dict[str, str]:
    """Return versions, what was asked, and how long it took, as text."""
    from .. import __version__

    e = c.explanation
    inputs = ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in c.task.inputs.items())
    return {
        "programs": f"lrp_ref {__version__}, {c.program}",
        "composite": e.rules,
        "start": f"{e.start}, {', '.join(dict.fromkeys(e.asked(k) for k in range(min(e.samples, SHOWN))))}",
        "inputs": inputs,
        "departs from": f"relative {c.found.limits} on",
        "seconds": f"lrp_ref {c.seconds[0]:.2g}, {c.program} {c.seconds[1]:.2g} with its start",
        "made with": f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.system()}",
    }


def _facts(c: Comparison) -> str:
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(text)}</td></tr>" for key, text in facts(c).items())
    again = f"<p>To repeat it:</p><pre>{escape(c.reproduce)}</pre>" if c.reproduce else ""
    return f"<table>{rows}</table>{again}"


def summary(c: Comparison) -> str:
    """Return verdict, reason and rows as JSON."""
    rows = [
        {
            "node": row.node, "layer": row.layer, "rule": row.rule, "departs": row.departs, "left_out": row.left_out,
            "relevance": _numbers(row.relevance), "value": _numbers(row.value),
        }
        for row in c.rows
    ]  # fmt: skip
    told = {
        "verdict": c.verdict, "equal": c.equal, "first": c.first, "reason": c.reason, "remarks": list(c.remarks),
        **facts(c), "reproduce": c.reproduce, "rows": rows,
    }  # fmt: skip
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _numbers(found: Any) -> dict[str, Any] | None:
    """Return a difference for JSON, which has no number for infinity."""
    if found is None:
        return None
    numbers = {"absolute": found.absolute, "relative": found.relative, "ulp": found.ulps}
    return {key: n if np.isfinite(n) else str(n) for key, n in numbers.items()}
