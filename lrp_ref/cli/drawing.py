"""The picture of one input: its relevance, or several in one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import heatmap
from ..base.arrays import Array
from ..base.tables import number
from ..layers import Conv, RecurrentLayer, Transpose
from ..network.inputs import batch_first
from ..network.network import Network
from ..text import Words
from .job import Found, Job, Result
from .samples import Sample
from .wording import headline, label, predicted

if TYPE_CHECKING:
    from PIL.Image import Image

SHORTEST = 16  # numbers of a vector that is drawn as a signal; a shorter one is a row of a table
FAINT = 0.1  # of the largest |R| of a sheet, below which the colours of a composite are hardly seen
MOST_WORDS = 2000  # of a document in its picture
MOST_CHANNELS = 48  # of a signal that is drawn as lines; more are drawn as a map


@dataclass(frozen=True, eq=False)
class Canvas:
    """How the inputs of a kind are drawn.

    Attributes:
        form: "photo", "map", "series" or "text"; "" where there is no picture.
        why: what the input is, where there is no picture.
        turned: whether the last axis of the input are its channels.
    """

    form: str
    why: str = ""
    turned: bool = False

    def laid(self, array: Array) -> Array:
        """Return one sample's array with its channels first."""
        return np.moveaxis(array, -1, 0) if self.turned else array


def _map(e: Result) -> Array:
    """Return the relevance of the only input of one sample, without the axis of the batch."""
    return next(iter(e.maps().values()))[0]


def values(job: Job, sample: Sample) -> Array:
    """Return the only input of one sample, without the axis of the batch."""
    spec = job.net.inputs[0]
    return batch_first(sample.x[spec.name], spec.batch_axis)[0]


def canvas(job: Job, sample: Sample) -> Canvas:
    """Return how a sample is drawn: as the sidecar says, else by the number of its axes."""
    if sample.fed is not None:
        return Canvas("text")
    if len(sample.x) > 1:
        return Canvas("", f"the network has {len(sample.x)} inputs")
    shape = values(job, sample).shape
    sidecar = job.sidecar
    if sidecar is not None and sidecar.kind == "series" and len(shape) == 2:
        return Canvas("series", turned=sidecar.layout == "NTC")
    if len(shape) == 3:
        turned = sidecar is not None and sidecar.kind == "image" and sidecar.layout == "NHWC"
        channels = shape[-1] if turned else shape[0]
        return Canvas("photo" if sample.shown is not None or channels in (1, 3) else "map", turned=turned)
    if len(shape) == 2:
        turned = _channels_last(job.net)
        channels = shape[-1] if turned else shape[0]
        return Canvas("series" if channels <= MOST_CHANNELS else "map", turned=turned)
    if len(shape) == 1 and shape[0] >= SHORTEST:
        return Canvas("series")
    if len(shape) == 1:
        return Canvas("", f"a vector of {shape[0]} numbers")
    return Canvas("", f"an array of {len(shape)} axes")


def _channels_last(net: Network) -> bool:
    """Whether an input (N, ., .) has its channels last: a recurrent layer reads it, not a convolution."""
    name, turned = net.inputs[0].name, False
    while True:
        readers = net.consumers(name)
        if not readers:
            return turned
        node = readers[0]
        if isinstance(node.layer, RecurrentLayer):
            return not turned
        if isinstance(node.layer, Conv):
            return turned
        turned ^= isinstance(node.layer, Transpose)
        name = node.name


def unused(job: Job, on: Canvas) -> str:
    """Return the sentence about options of pictures that have no effect on this kind of input; empty if all have."""
    given = [
        f"--{key}"
        for key, given in (
            ("cmap", job.options["cmap"]),
            ("limit", job.options["limit"]),
            ("smooth", job.options["smooth"]),
            ("size", job.options["size"]),
            ("show", job.options["view"]),
        )
        if given and (not on.form or (on.form in ("series", "text") and key in ("smooth", "size")))
    ]
    if not given:
        return ""
    verb = "has" if len(given) == 1 else "have"
    kinds = {"series": "a signal is drawn in a size of its own, step by step", "text": "words are drawn in lines"}
    reason = kinds[on.form] if on.form else f"{on.why} has no picture"
    reason = reason if not on.why.startswith("the network") else f"{on.why}, and only one alone has a picture"
    return f"{', '.join(given)} {verb} no effect: {reason}"


def check_look(job: Job) -> None:
    """Raise if an option of pictures is not one.

    Raises:
        ParameterError: an unknown colour map, a limit that is none.
    """
    colours(job)
    heatmap.resolve_limit(np.ones(1), limit(job))


def limit(job: Job) -> float | str | None:
    """Return where colours end: as asked for, or as the sidecar says."""
    text = job.options["limit"]
    if text is None:
        return job.sidecar.limit if job.sidecar else None
    try:
        return float(text)
    except ValueError:
        return str(text)


def colours(job: Job) -> tuple[str, str]:
    """Return in words what negative and positive relevance look like in the pictures."""
    return heatmap.sign_colours(job.options["cmap"]) if job.options["cmap"] else heatmap.sign_colours()


def _look(job: Job, on: Canvas) -> dict[str, Any]:
    """Return the arguments that all pictures of this kind take."""
    look: dict[str, Any] = {"limit": limit(job)}
    if job.options["cmap"]:
        look["cmap"] = job.options["cmap"]
    if on.form == "text":
        return look
    if on.form != "series":
        smooth = "bicubic" if job.options["smooth"] else "nearest"
        return look | {"size": job.options["size"], "interpolation": smooth}
    if job.sidecar is None and all(len(one.shape or ()) == 2 for one in job.net.inputs):  # numbers that have no time
        return look | {"axis": "feature"}
    sidecar = job.sidecar
    return look | {"axis": sidecar.step if sidecar is not None and sidecar.step else "sample"}


def _names(job: Job, x: Array) -> Sequence[str] | None:
    """Return the names of a signal's channels; None where there is only one without a name."""
    if job.sidecar is not None and job.sidecar.channel_names:
        return job.sidecar.channel_names
    return None if x.ndim == 1 or len(x) == 1 else [f"channel {k}" for k in range(len(x))]


def picture(job: Job, sample: Sample, e: Result, on: Canvas) -> Image | None:
    """Return an explanation as a picture; None for inputs that are neither an image nor a signal."""
    if not on.form:
        return None
    if sample.fed is not None:
        return _text(job, sample, [e], None, f"{headline(job, e)} · {e.rules}", [e.negative(0, colours(job))])
    relevance, x = on.laid(_map(e)), on.laid(values(job, sample))
    look, words, remark = _look(job, on), headline(job, e), e.negative(0, colours(job))
    if on.form == "series":
        title = f"{words} · {e.rules} · sum of relevance {number(float(relevance.sum()))}"
        return heatmap.series(x, relevance, channel_names=_names(job, x), title=title, remark=remark, **look)
    if on.form == "map":
        return heatmap.image(relevance, title=f"{words} · {e.rules}", remark=remark, **look)
    usual = e.start in ("Logit()", "logit") or e.against is not None
    note = None if usual else f"start {e.start}"
    shown = x if sample.shown is None else sample.shown
    return heatmap.panel(
        relevance, shown, prediction=words, composite=e.rules, note=note, remark=remark, **look
    )  # fmt: skip


def sheet(job: Job, sample: Sample, found: Found, on: Canvas) -> Image | None:
    """Return all explanations of a sample in one picture with one colour scale: targets × composites."""
    if not on.form:
        return None
    several = list(found.values())
    firsts = several[0]
    alone = len(firsts) == 1
    notes = [(label(job, e), e.negative(0, colours(job))) for e in firsts]
    told = [*(words if alone else f"{name}: {words}" for name, words in notes if words)]
    title = headline(job, firsts[0]) if alone else f"predicted: {predicted(job, firsts[0])}"
    if sample.fed is not None:
        every = [e for row in zip(*several, strict=True) for e in row]
        labels = [e.rules if alone else f"{label(job, e)} · {e.rules}" for e in every]
        lines = [[sample.fed.words(e).relevance for e in row] for row in zip(*several, strict=True)]
        return _text(job, sample, every, labels, title, [*told, *_faint(job, found, lines, on)])
    rows = [[on.laid(_map(e)) for e in row] for row in zip(*several, strict=True)]
    x = on.laid(values(job, sample))
    faint = _faint(job, found, rows, on)
    look: dict[str, Any] = _look(job, on) | {
        "column_labels": [row[0].rules for row in several],
        "row_labels": None if alone else [label(job, e) for e in firsts],
        "title": title,
        "remark": "\n".join([*told, *faint]),
    }
    if on.form == "series":
        return heatmap.series_grid(x, rows, channel_names=_names(job, x), **look)
    photo = x if sample.shown is None else sample.shown
    share: Any = "all" if job.one_scale else "each"
    return heatmap.grid(rows, inputs=[photo] * len(rows) if on.form == "photo" else None, share_limit=share, **look)


def _text(
    job: Job, sample: Sample, several: list[Result], labels: list[str] | None, title: str, remarks: list[str]
) -> Image:
    """Return the words of a sentence in the colours of one explanation, or of several below each other."""
    assert sample.fed is not None, "checked by the caller"
    both = [sample.fed.words(e).apart() for e in several]
    words, special = both[0]
    count = len(words.texts)
    if count > MOST_WORDS:
        remarks = [*remarks, f"the first {MOST_WORDS} of {count} words; the .html has all of them"]
    look = _look(job, Canvas("text"))
    if labels is None:
        title = f"{title} · sum of relevance {number(float(both[0][0].relevance.sum() + both[0][1].relevance.sum()))}"
    return heatmap.text_image(
        words.texts[:MOST_WORDS], np.stack([w.relevance[:MOST_WORDS] for w, _ in both]),
        apart=(special.texts, np.stack([s.relevance for _, s in both])),
        labels=labels, title=title, remark="\n".join(r for r in remarks if r),
        known=None if words.known is None else words.known[:MOST_WORDS], **look,
    )  # fmt: skip


def text_look(job: Job, *parts: Words) -> dict[str, Any]:
    """Return the colours of words on one scale for all parts, as arguments of the functions that colour text."""
    look = _look(job, Canvas("text"))
    ends = heatmap.resolve_limit(np.concatenate([part.relevance for part in parts]), look["limit"])
    return look | {"limit": ends or None}


def written(job: Job, sample: Sample, e: Result) -> dict[str, str]:
    """Return the words of a sentence as files: by suffix, a page and, where it is asked for, LaTeX."""
    if sample.fed is None:
        return {}
    words, special = sample.fed.words(e).apart()
    look = text_look(job, words, special)
    title = f"{headline(job, e)} · {e.rules}"
    apart = (special.texts, special.relevance)
    look["known"] = words.known
    found = {".html": heatmap.text_page(words.texts, words.relevance, apart=apart, title=title, **look)}
    if job.options["latex"]:
        found[".tex"] = heatmap.text_latex(words.texts, words.relevance, **look)
    return found


def _faint(job: Job, found: Found, rows: list[list[Array]], on: Canvas) -> list[str]:
    """Return the sentence that names the composites whose relevance is hardly to be seen on the common scale."""
    asked = limit(job)
    if not job.one_scale or job.options["limit"] is not None or isinstance(asked, float):
        return []
    drawn = [
        [one if on.form in ("series", "text") or one.ndim == 2 else one.sum(axis=0) for one in row] for row in rows
    ]
    own = {name: heatmap.resolve_limit(np.stack([row[k] for row in drawn]), asked) for k, name in enumerate(found)}
    most = max(own, key=lambda name: own[name])
    faint = {name: value for name, value in own.items() if value < FAINT * own[most]}
    shown = f"{max(faint.values(), default=0.0):.2g}"
    if float(shown) == 0:
        return []
    verb, them = ("is", "it") if len(faint) == 1 else ("are", "them")
    return [f"{', '.join(faint)} {verb} faint beside {most} on one scale: --limit {shown} shows {them}"]
