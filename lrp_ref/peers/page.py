"""The page of a comparison: one HTML file with verdict, reason, pictures, every node, and how to repeat it."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import tables
from ..base.files import replace_file
from ..errors import ParameterError
from .rows import RIGHT, Compared

if TYPE_CHECKING:
    from .crosscheck import Crosscheck

SHOWN = 4  # samples with a picture
BARS = 24  # numbers of a vector that are drawn
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em; color: #1c1c1c; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin: 1.6em 0 .4em; }
.agrees, .departs { padding: .6em .9em; border-left: .35em solid; margin: .8em 0; }
.agrees { border-color: #2e7d32; background: #eef6ee; } .departs { border-color: #b3261e; background: #fbeeec; }
figure { display: inline-block; margin: .4em 1.2em .4em 0; vertical-align: top; }
figcaption { font-size: .88em; color: #555; max-width: 36em; }
img { max-width: 100%; image-rendering: pixelated; }
table { border-collapse: collapse; font-size: .88em; }
th, td { padding: .22em .6em; border-bottom: 1px solid #ddd; text-align: left; font-variant-numeric: tabular-nums; }
td.n { text-align: right; white-space: nowrap; } tr.off td { background: #fbeeec; } tr.out td { color: #777; }
td.bar { width: 11em; padding: 0 .4em; }
.bar span { display: block; height: .62em; margin: .1em 0; } .pos { background: #d33; } .neg { background: #36c; }
.half { display: grid; grid-template-columns: 1fr 1fr; }
.half .neg { justify-self: end; } .half .pos { grid-column: 2; }
.wide { overflow-x: auto; } pre { background: #f4f4f4; padding: .7em; overflow-x: auto; white-space: pre-wrap; }
"""


def write(path: str | Path, several: Sequence[Crosscheck]) -> Path:
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


def page(several: Sequence[Crosscheck]) -> str:
    """Return the page as HTML."""
    title = " and ".join(dict.fromkeys(c.program for c in several)) + " against lrp_ref"
    parts = [section(c) for c in several]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>\n" + "\n<hr>\n".join(parts) + "\n</body></html>\n"
    )


def section(c: Crosscheck) -> str:
    """Return one comparison as HTML: verdict and reason, pictures, nodes, facts."""
    heading = f"<h2>{escape(', '.join(c.titles))}</h2>" if c.titles else ""
    kind = "agrees" if c.equal else "departs"
    told = f"<p><b>{escape(c.verdict)}.</b></p>" + (f"<p>{escape(c.reason)}</p>" if c.reason else "")
    remarks = "".join(f"<li>{escape(words)}</li>" for words in c.remarks)
    return (
        f'{heading}<div class="{kind}">{told}</div>'
        + (f"<ul>{remarks}</ul>" if remarks else "")
        + "".join(_pictures(c))
        + f"<h2>Nodes, from the output back</h2>{_table(c)}"
        + f"<p>{escape(LEGEND)}</p><h2>How it was made</h2>{_facts(c)}"
    )


LEGEND = (
    "relative: max |a − b| / max |a| of the relevance that arrived at the node's output, a of lrp_ref, b of the other "
    "program; ulp: max |a − b| in units of the distance between max |a| and the next number of the dtype. A node whose "
    "rule differs shows in the rows of the values it reads, below it."
)


def _table(c: Crosscheck) -> str:
    """Return the rows as HTML; those that depart are coloured, those without a rule grey."""
    head = "".join(f"<th>{escape(name)}</th>" for name in c.headers)
    body = ""
    for row in c.rows:
        cells = "".join(
            f"<td{' class=n' if k in RIGHT else ''}>{escape(text)}</td>" for k, text in enumerate(row.cells())
        )
        mark = "off" if row.departs else "out" if row.relevance is None else ""
        body += f'<tr class="{mark}">{cells}</tr>' if mark else f"<tr>{cells}</tr>"
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(c: Crosscheck) -> dict[str, str]:
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


def _facts(c: Crosscheck) -> str:
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(text)}</td></tr>" for key, text in facts(c).items())
    again = f"<p>To repeat it:</p><pre>{escape(c.reproduce)}</pre>" if c.reproduce else ""
    return f"<table>{rows}</table>{again}"


def summary(c: Crosscheck) -> str:
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


# Pictures ------------------------------------------------------------------------------------------------------------


def _pictures(c: Crosscheck) -> Iterator[str]:
    """Yield the relevance of both programs and their difference, for the first samples of each input.

    Where the other program shows none of an input, the last value of the walk back that both have stands for it.
    """
    compared = [
        row for row in c.rows if row.relevance is not None and row.relevance.name in c.recording.trace.relevance
    ]
    inputs = [row for row in compared if row.node in c.task.inputs]
    for row in inputs or compared[-1:]:
        yield f"<h2>Relevance of {'input ' if inputs else ''}'{escape(row.node)}'</h2>"
        ours, theirs = (t.relevance[row.node] for t in (c.explanation.trace, c.recording.trace))
        if ours.shape != theirs.shape:
            yield f"<p>shapes {ours.shape} and {theirs.shape}</p>"
            continue
        for k in range(min(len(ours), SHOWN)):
            yield _sample(c, row, k, np.asarray(ours[k]), np.asarray(theirs[k]))
        if len(ours) > SHOWN:
            yield f"<p>the first {SHOWN} of {len(ours)} samples</p>"


def _sample(c: Crosscheck, row: Compared, k: int, ours: Any, theirs: Any) -> str:
    """Return the pictures of one sample, or what there is in their place."""
    name = f"sample {k}: {c.explanation.asked(k)}" if c.explanation.samples > 1 else c.explanation.asked(k)
    wrong = int((~np.isfinite(theirs)).sum())
    if wrong:
        return f"<p>{escape(name)}: the relevance of {escape(c.program)} is not finite at {wrong} of {theirs.size}</p>"
    shown = c.task.inputs.get(row.node)
    photo = None if shown is None else np.asarray(shown[k])
    if ours.ndim in (2, 3) and ours.size:
        return _maps(c, ours, theirs, photo, name)
    return f"<p>{escape(name)}</p>{_bars(c, ours, theirs)}"


def _maps(c: Crosscheck, ours: Any, theirs: Any, photo: Any, name: str) -> str:
    """Return both maps on one scale, with the input where it is a picture, and their difference on its own."""
    from .. import heatmap

    ours, theirs = (_channels_first(array).astype(np.float64) for array in (ours, theirs))
    flat = [array.sum(axis=0) if array.ndim == 3 else array for array in (ours, theirs)]
    photo = None if photo is None else _channels_first(photo)
    seen = photo is not None and photo.ndim == 3 and photo.shape[0] in (1, 3) and bool(np.isfinite(photo).all())
    both = heatmap.grid(
        [flat], column_labels=["lrp_ref", c.program], share_limit="all", inputs=[photo] if seen else None, size=224
    )
    apart = flat[1] - flat[0]
    off = heatmap.image(apart, size=224, title="difference")
    where = f"largest difference {np.abs(apart).max():.2g} of {np.abs(flat[0]).max():.2g}"
    if seen:
        name = f"input, lrp_ref, {c.program}; {name}"
    figures = ((both, f"{name}; one scale for both"), (off, f"{c.program} − lrp_ref, on a scale of its own; {where}"))
    return "".join(
        f'<figure><img src="{heatmap.to_data_uri(drawn)}" alt="relevance"><figcaption>{escape(words)}</figcaption>'
        "</figure>"
        for drawn, words in figures
    )


def _channels_first(array: Any) -> Any:
    """Return a picture with its channels first, where they are last, as in networks from Keras."""
    last = array.ndim == 3 and array.shape[-1] in (1, 3) and array.shape[0] not in (1, 3)
    return np.moveaxis(array, -1, 0) if last else array


def _bars(c: Crosscheck, ours: Any, theirs: Any) -> str:
    """Return numbers side by side with bars; of many those that differ most, then the largest."""
    flat, other = ours.reshape(-1).astype(np.float64), theirs.reshape(-1).astype(np.float64)
    off, size = np.abs(other - flat), np.abs(flat)
    order = np.lexsort((-size, -off))[:BARS] if flat.size > BARS else np.arange(flat.size)
    largest = float(max(size.max(initial=0.0), np.abs(other).max(initial=0.0))) or 1.0
    rows = ""
    for j in sorted(order.tolist()):
        place = ", ".join(str(int(i)) for i in np.unravel_index(j, ours.shape)) if ours.ndim > 1 else str(j)
        bars = "".join(_bar(value / largest) for value in (flat[j], other[j]))
        mark = ' class="off"' if off[j] > c.found.rows[-1].tolerance * size.max(initial=0.0) else ""
        numbers = "".join(
            f"<td class=n>{tables.number(float(v))}</td>" for v in (flat[j], other[j], other[j] - flat[j])
        )
        rows += f'<tr{mark}><td class=n>{place}</td><td class="bar">{bars}</td>{numbers}</tr>'
    head = "".join(f"<th>{escape(name)}</th>" for name in ("place", "both", "lrp_ref", c.program, "difference"))
    more = f"<p>{BARS} of {flat.size} numbers: those that differ most</p>" if flat.size > BARS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{more}"


def _bar(part: float) -> str:
    """Return a bar to the right of the middle for a positive number, to the left for a negative one."""
    kind = "pos" if part >= 0 else "neg"
    return f'<div class="half"><span class="{kind}" style="width:{100 * abs(part):.4g}%"></span></div>'
