"""``lrp-ref explain --html FILE``: all explanations of a run on one page, or on several where there are many."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ParameterError
from ..pages import assembling, inspecting
from ..pages.shown import Shown, Words
from .job import Found, Job
from .report import Results
from .reproduce import command_line
from .samples import Sample
from .wording import headline, label, probabilities, probability_name


class Pages:
    """The explanations of a run until their page is written: FILE, and NAME-2.html, ... for what does not fit there.

    Args:
        path: of the first page.
        job: what is the same for every input.
        results: of the run, none of whose files is written over.

    Raises:
        ParameterError: the path is a folder, or a file of the run.
    """

    def __init__(self, path: Path, job: Job, results: Results) -> None:
        if path.is_dir():
            raise ParameterError(f"--html {path}: a folder; give the name of a file")
        self.path, self.job, self.results = path, job, results
        self.waiting: list[Shown] = []
        self.titles: list[str] = []
        self.written: list[Path] = []
        self._take(path)
        self.command = command_line(click.get_current_context())

    def add(self, sample: Sample, found: Found) -> None:
        """Put the explanations of one sample on the page; a page that is full is written first."""
        every = [e for several in found.values() for e in several]
        if self.waiting and len(self.waiting) + len(every) > inspecting.MOST_VIEWS:
            self._write()
        job, sidecar = self.job, self.job.sidecar
        features = () if sidecar is None else sidecar.feature_names or sidecar.channel_names
        self.titles.append(f"{sample.name}: {headline(job, every[0])}")
        for e in every:
            words = None
            if sample.fed is not None:
                told = sample.fed.words(e)
                words = Words(told.texts, told.relevance, told.special)
            name = " · ".join((sample.name, label(job, e), *((e.rules,) if len(found) > 1 else ())))
            self.waiting.append(
                Shown(
                    e, name, job.classes, sample.shown, features, words, sample=sample.name,
                    chances=probabilities(job, e), chance_name=probability_name(job, e),
                )
            )  # fmt: skip

    def finish(self) -> list[Path]:
        """Write the last page, and return the paths of all."""
        if self.waiting:
            self._write()
        return self.written

    def _write(self) -> None:
        number = len(self.written) + 1
        path = self.path if number == 1 else self.path.with_name(f"{self.path.stem}-{number}{self.path.suffix}")
        if number > 1:
            self._take(path)
        title = self.titles[0] if len(self.titles) == 1 else f"{len(self.titles)} inputs"
        compare = len(self.job.composites) == 2 and not self.job.several
        text = inspecting.assembled(self.waiting, title=title, command=self.command, compare=compare)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.written.append(assembling.write(path, text))
        self.waiting, self.titles = [], []

    def _take(self, path: Path) -> None:
        self.results.require_free(path)
        self.results.taken.add(path.resolve())
