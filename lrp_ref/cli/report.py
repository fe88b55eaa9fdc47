"""What ``lrp-ref explain`` writes and prints for one sample."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from .. import heatmap
from ..base.files import replace_file
from ..base.tables import number
from ..errors import LrpError, ParameterError, one_line
from ..propagation.explanation import Explanation, load_relevance
from ..propagation.ledger import COLUMNS
from . import drawing
from .drawing import written
from .inputs import free
from .job import Found, Job, Result
from .output import on_terminal, percent, print_table
from .samples import Sample
from .wording import brief_remarks, headline, label, name, probabilities, probability_name, remarks, whole

if TYPE_CHECKING:
    from PIL.Image import Image

Drawn = list["Image | None"]
# The last line of a file of words: of which question it is the answer, and that it is whole.
COMMENTS = {".html": "<!-- question {} -->\n", ".tex": "% question {}\n"}


class Results:
    """The folder for results: made at the first result, no file is written twice, no input overwritten.

    Args:
        folder: where results go.
        sources: files that must stay as they are.
    """

    def __init__(self, folder: Path, sources: Iterable[Path]) -> None:
        self.folder = folder
        self.taken = {path.resolve() for path in sources}
        self.names: set[str] = set()
        self.earlier: dict[str, list[Path]] | None = None

    def named(self, sample: Sample) -> Sample:
        """Return the sample under a name that no other has in this run."""
        new = free(sample.name, self.names)
        self.names.add(new)
        return sample if new == sample.name else replace(sample, name=new)

    def path(self, file: str) -> Path:
        """Return the path of a new result.

        Raises:
            ParameterError: it is the model or one of the inputs, or has been written before in this run.
        """
        path = self.folder / file
        self.require_free(path, "folder with -o")
        self.taken.add(path.resolve())
        self.folder.mkdir(parents=True, exist_ok=True)
        return path

    def require_free(self, path: Path, other: str = "file") -> None:
        """Refuse to write over a file that must stay as it is.

        Args:
            path: what would be written.
            other: what is to be chosen instead.

        Raises:
            ParameterError: it is such a file.
        """
        if path.resolve() in self.taken:
            raise ParameterError(f"{path} is read or written by this run; choose another {other}")

    def whole(self, job: Job, sample: Sample) -> bool:
        """Whether an earlier run has left every result of this sample, whole, for the same question."""
        question = job.question(sample)
        for path in self._candidates(stem(job, sample, next(iter(job.composites)))):
            listed = _results(path, question)
            if listed and all(_is_whole(self.folder / file, question) for file in listed):
                return True
        return False

    def _candidates(self, prefix: str) -> list[Path]:
        """Return the files that may be the first result of a sample; the folder is listed once."""
        if self.earlier is None:
            self.earlier = {}
            for path in sorted(self.folder.glob("*_target*.npz")):
                self.earlier.setdefault(path.stem.rpartition("_target")[0], []).append(path)
        return [self.folder / f"{prefix}.npz", *self.earlier.get(prefix, ())]


def _results(path: Path, question: str) -> list[str]:
    """Return the names of all results of a sample, as one tells; none if it is damaged or of another question."""
    if not path.is_file():
        return []
    try:
        held = load_relevance(path)
    except LrpError:
        return []
    files = held.get("results")
    if held.get("question") != question or not isinstance(files, list):
        return []
    return [str(file) for file in files]


def _is_whole(path: Path, question: str) -> bool:
    """Whether a result can be read to its end, and is of this question."""
    if path.suffix == ".npz":
        return bool(_results(path, question))
    if path.suffix in COMMENTS:
        return path.is_file() and path.read_bytes().endswith(COMMENTS[path.suffix].format(question).encode())
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            return image.info.get("question") == question
    except (OSError, SyntaxError, ValueError):
        return False


def stem(job: Job, sample: Sample, composite: str, e: Result | None = None) -> str:
    """Return the name of a result without suffix; the explanation is needed where there are several targets."""
    found = sample.name if len(job.composites) == 1 else f"{sample.name}_{composite}"
    if e is not None and e.target is not None and job.several:
        found += "_target" + "+".join(str(int(k)) for k in e.target[0])
    return found


def _each(job: Job, sample: Sample, found: Found) -> Iterator[tuple[str, Result]]:
    """Yield every explanation of a sample with the name of its results."""
    for composite, several in found.items():
        for e in several:
            yield stem(job, sample, composite, e), e


def draw(job: Job, sample: Sample, found: Found, on: drawing.Canvas) -> Drawn:
    """Return a picture for each explanation of the only composite, or one sheet for several composites."""
    if len(found) > 1:
        return [drawing.sheet(job, sample, found, on)]
    return [drawing.picture(job, sample, e, on) for several in found.values() for e in several]


def write(job: Job, results: Results, sample: Sample, found: Found, drawn: Drawn) -> list[Path]:
    """Write the pictures and the relevances of each explanation; return their paths.

    Every file appears whole or not at all, and the relevances, which list all results of the sample, come last.
    """
    each = dict(_each(job, sample, found))
    pictures = [sample.name] if len(found) > 1 else list(each)
    files = [f"{file}.png" for file, image in zip(pictures, drawn, strict=True) if image is not None]
    texts = {f"{file}{suffix}": text for file, e in each.items() for suffix, text in written(job, sample, e).items()}
    files += texts
    files += [f"{file}.npz" for file in each]
    question, paths = job.question(sample), {file: results.path(file) for file in files}
    for file, image in zip(pictures, drawn, strict=True):
        if image is not None:
            image.info["question"] = question
            heatmap.save(image, paths[f"{file}.png"])
            if job.options["view"]:
                image.show()
    for file, text in texts.items():
        _write_text(paths[file], text + COMMENTS[paths[file].suffix].format(question))
    for file, e in each.items():
        remarks = {"question": question, "results": files, **_words(sample, e)}
        kept = {"trace": e.kept is not None} if isinstance(e, Explanation) else {}
        e.save(paths[f"{file}.npz"], remarks=remarks, **kept)
    return list(paths.values())


def _write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, whole or not at all."""
    replace_file(path, lambda stream: stream.write(text.encode()))


def _words(sample: Sample, e: Result) -> dict[str, Any]:
    """Return what the file of a result holds of a sentence."""
    if sample.fed is None:
        return {}
    (sentence,), found = sample.fed.sentences, sample.fed.words(e)
    known = {} if found.known is None else {"known": list(found.known)}
    return {
        "text": sentence.text, "tokens": list(sentence.pieces), "word_of_token": list(sentence.word_of),
        "words": list(found.texts), "special": list(found.special), "word_relevance": found.relevance, **known,
    }  # fmt: skip


def tell(job: Job, sample: Sample, found: Found, paths: list[Path], *, brief: bool) -> None:
    """Print what was predicted, where the relevance went and what was written."""
    drawn = any(path.suffix == ".png" for path in paths)
    if not brief:
        first = next(iter(found.values()))
        asked = [int(k) for e in first for part in (e.target, e.against) if part is not None for k in part.reshape(-1)]
        tell_classes(job, first[0], list(dict.fromkeys(asked)))
    for composite, several in found.items():
        for e in several:
            if brief:
                files = [p for p in paths if p.stem in (stem(job, sample, composite, e), sample.name)]
                _tell_line(job, sample, e, _note(job, e, drawn), files)
                tell_words(job, sample, e, indent="  ")
            else:
                _tell_ledger(job, e, _note(job, e, drawn), drawn)
                tell_vector(job, sample, e)
                if sample.fed is not None:
                    click.echo("")
                tell_words(job, sample, e)
            if job.options["ledger"]:
                click.echo("")
                print_table(("node", "rule", *COLUMNS), e.ledger.cells(0), right=range(2, 8))
    if not brief:
        click.echo("\nwritten: " + ", ".join(map(str, paths)))


def _note(job: Job, e: Explanation, drawn: bool) -> str:
    """Return how to read a negative start, in colours if there is a picture."""
    return e.negative(0, drawing.colours(job)) if drawn else e.negative(0)


def _tell_line(job: Job, sample: Sample, e: Explanation, note: str, paths: list[Path]) -> None:
    which = f"{e.rules}: " if len(job.composites) > 1 else ""
    note = f"{note}; " if note else ""
    click.echo(
        f"{sample.name}: {which}{headline(job, e)}; relevance {number(float(e.started[0]))}, "
        f"at the input {number(float(e.arrived[0]))}, ledger residual {e.ledger.residual:.1e}{brief_remarks(e)}; "
        f"{note}{', '.join(map(str, paths))}"
    )


def tell_classes(job: Job, e: Result, asked: list[int]) -> None:
    """Print the largest outputs, and those that are explained."""
    values, chances = e.output.reshape(-1), probabilities(job, e)
    best = list((-values).argsort(kind="stable")[:5])
    best += [k for k in asked if k not in best]
    given = [np.nan if chances is None else float(chances[k]) for k in best]
    shares = ["" if np.isnan(p) else f"{100 * p:.2f} %" for p in given]
    rows = [[str(k), name(job, e, k), number(float(values[k])), s] for k, s in zip(best, shares, strict=True)]
    headers = ("output", "class", "value", probability_name(job, e))[: None if chances is not None else 3]
    print_table(headers, [row[: len(headers)] for row in rows], right=(0, 2, 3))


def _tell_ledger(job: Job, e: Explanation, note: str, drawn: bool) -> None:
    """Print where every unit of the start relevance went: start = input + bias + stabiliser + dropped + residual."""
    start, arrived = float(e.started[0]), float(e.arrived[0])
    of = "" if e.target is None else f" of {label(job, e)}"
    click.echo(f"\nrelevance{of}, start {e.start}, composite {e.rules}, {e.output.dtype}")
    for line in (e.starts_at, *(f"note: {words}" for words in e.notes if words != e.starts_at), note):
        if line:
            click.echo(line)
    of_all = whole(e)
    rows = [["start", number(start), percent(start, of_all), ""]]
    rows.append(["to the input", number(arrived), percent(arrived, of_all), ""])
    for column, total in e.ledger.total().items():
        value = float(np.asarray(total).sum())
        most = max(e.ledger, key=lambda row: abs(float(getattr(row, column)[0])), default=None)
        part = float(getattr(most, column)[0]) if most is not None else 0.0
        where = f"{most.node} {number(part)}" if most is not None and part and column != "residual" else ""
        words = {"bias": "to biases", "stabiliser": "to stabilisers", "residual": "residual (rounding)"}
        rows.append([words.get(column, column), number(value), percent(value, of_all), where])
    print_table(("where it went", "relevance", "share", "most at"), rows, right=(1, 2))
    for remark in remarks(e, drawn=drawn):
        click.echo(remark)


def tell_words(job: Job, sample: Sample, e: Result, indent: str = "") -> None:
    """Print a sentence, each word on the colour of its relevance; special pieces in a line of their own."""
    if sample.fed is None:
        return
    words, special = sample.fed.words(e).apart()
    (sentence,) = sample.fed.sentences
    look = {"color": on_terminal(sys.stdout), **drawing.text_look(job, words, special)}
    click.echo(indent + heatmap.text_terminal(words.texts, words.relevance, known=words.known, **look))
    if special.texts:
        click.echo(f"{indent}special: {heatmap.text_terminal(special.texts, special.relevance, **look)}")
    if sentence.unknown:
        # What a file of sentences holds is not for a terminal to obey.
        click.echo(indent + one_line(f"note: the vocabulary lacks {', '.join(sentence.unknown)}: read as unknown"))
    for other, received in sample.fed.others(e).items():
        if received:
            click.echo(f"{indent}note: input '{other}' received {number(received)}, which is no word's")


def tell_vector(job: Job, sample: Sample, e: Result) -> None:
    """Print the relevance of every number of an input that is too short for a picture."""
    if len(sample.x) != 1 or drawing.canvas(job, sample).form:
        return
    relevance, x = next(iter(e.maps().values()))[0], drawing.values(job, sample)
    if x.ndim != 1:
        return
    names = (job.sidecar.feature_names if job.sidecar else ()) or [str(k) for k in range(len(x))]
    rows = [[n, number(float(a)), number(float(r))] for n, a, r in zip(names, x, relevance, strict=True)]
    click.echo("")
    print_table(("input", "value", "relevance"), rows, right=(1, 2))
