"""Many inputs: read, left out, explained in batches; what cannot be explained does not take its neighbours along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import click
import numpy as np

from ..base.arrays import Array
from ..errors import LrpError
from . import drawing, report
from .inputs import Source, attempt, batches
from .job import Found, Job
from .output import Progress, warn
from .samples import Refused, Sample, grouped

UNUSABLE = 2
Result = tuple[Sample, Found, drawing.Canvas, report.Drawn]


@dataclass
class Tally:
    """What became of the inputs of a run.

    Attributes:
        strict: whether the first input that is refused ends the run.
        explained, skipped: how many.
        refused: which, and why.
    """

    strict: bool = False
    explained: int = 0
    skipped: int = 0
    refused: list[Refused] = field(default_factory=list)

    def refuse(self, one: Refused) -> None:
        """Note an input that cannot be explained.

        Raises:
            LrpError: what is wrong with it, if the run is strict.
        """
        if self.strict:
            raise one.error
        self.refused.append(one)

    def fail_if_none(self) -> None:
        """End the command with exit status 2 if there is no result at all.

        Raises:
            LrpError: what is wrong with the only input.
            Exit: there are several; why each is refused has been printed.
        """
        if self.explained or self.skipped or not self.refused:
            return
        if len(self.refused) == 1:
            raise self.refused[0].error
        self._list(f"error: all {len(self.refused)} inputs are refused")
        raise click.exceptions.Exit(UNUSABLE)

    def finish(self) -> None:
        """Say what was left out and what was refused; exit status 1 if anything was refused."""
        if self.skipped:
            warn(f"{self.explained} explained, {self.skipped} left out, whose results are there")
        if self.refused:
            total = self.explained + self.skipped + len(self.refused)
            self._list(f"{len(self.refused)} of {total} inputs {'is' if len(self.refused) == 1 else 'are'} refused")
            raise click.exceptions.Exit(1)

    def interrupted(self, *, ledgers: bool = False) -> None:
        """Say how to go on with what was begun; ``ledgers``: with --ledger-file, which needs all inputs in one run."""
        done = self.explained + self.skipped
        if done:
            have, change = "input has its" if done == 1 else "inputs have their", " and without --ledger-file"
            warn(
                f"interrupted; {done} {have} results: the same command with --skip-existing{change if ledgers else ''} "
                "goes on"
            )

    def _list(self, head: str) -> None:
        """Print what is refused, one line for each reason."""
        warn(head)
        for line in grouped(self.refused):
            click.echo(f"  {line}", err=True)


def explained(
    job: Job, files: dict[str, Source], results: report.Results, tally: Tally, step: Progress
) -> Iterator[Result]:
    """Yield every sample with its explanations and their pictures, in the order of the inputs.

    Args:
        job: what is the same for all.
        files: the inputs by the name of their results.
        results: of this run and, where those are left out, of an earlier one.
        tally: where what is left out or refused is noted.
        step: counts the inputs.

    Raises:
        LrpError: what is wrong with the question, not with one input.
    """
    read = _readable(job, files, results, tally, step)
    for batch in batches(read, job.batch):
        for sample, found in _together(job, batch, tally, step):
            on = drawing.canvas(job, sample)
            try:
                drawn = report.draw(job, sample, found, on)
            except LrpError as error:
                _refuse(tally, sample, error)
            else:
                yield sample, found, on, drawn
                tally.explained += 1  # now that its results are written
            step()
    if tally.strict and tally.refused:
        raise tally.refused[0].error


def _readable(
    job: Job, files: dict[str, Source], results: report.Results, tally: Tally, step: Progress
) -> Iterator[Sample]:
    """Yield the samples that are to be explained."""
    for name, path in files.items():
        for item in attempt(name, path, job.net, job.sidecar, job.model, job.dtype, job.reader):
            if item.number == 0 or (isinstance(item, Refused) and item.count == 1):
                step.more(item.count - 1)
            if isinstance(item, Refused):
                tally.refused.append(item)
                step(worked=False)
                if tally.strict:
                    return  # what was read before it is explained first
                continue
            sample = results.named(item)
            if job.options["skip_existing"] and results.whole(job, sample):
                tally.skipped += 1
                step(worked=False)
                continue
            yield sample


def _refuse(tally: Tally, sample: Sample, error: LrpError) -> None:
    tally.refuse(Refused(sample.where, error, sample.number, sample.count))


def _together(job: Job, batch: list[Sample], tally: Tally, step: Progress) -> Iterator[tuple[Sample, Found]]:
    """Yield the explanations of a batch; where it fails as a whole, each sample is explained by itself."""
    if len(batch) > 1 and any(i.batch_axis is None for i in job.net.inputs):  # one array is one sample
        for sample in batch:
            yield from _together(job, [sample], tally, step)
        return
    try:
        found = job.explain_all({i.name: joined([s.x[i.name] for s in batch], i.batch_axis) for i in job.net.inputs})
    except (LrpError, MemoryError) as error:
        if len(batch) > 1:
            for sample in batch:
                yield from _together(job, [sample], tally, step)
            return
        if isinstance(error, MemoryError):
            raise
        _refuse(tally, batch[0], error)
        step(worked=False)
        return
    for k, sample in enumerate(batch):
        yield sample, {name: [e.sample(k) for e in several] for name, several in found.items()}


def joined(arrays: list[Array], axis: int | None) -> Array:
    """Return the arrays of several samples as one, along the axis that counts samples; None where one is a sample."""
    return arrays[0] if len(arrays) == 1 or axis is None else np.concatenate(arrays, axis=axis)
