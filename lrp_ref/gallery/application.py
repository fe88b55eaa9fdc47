"""What an application of the gallery is, what it needs, and what it finds."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

    from .running import Run

Held = Literal["yes", "no", "in part", "not tested"]


@dataclass(frozen=True)
class Need:
    """A file that an application reads.

    Attributes:
        file: its name in the folder of the data, or in ``models/`` of a clone of the project.
        what: it is, in a few words: "164 photos of kangaroos with boxes".
        where: it can be had: an address, a package; what the line of a missing file says.
        licence: of the file.
        shipped: whether a clone of the project has it in ``models/``.
    """

    file: str
    what: str
    where: str
    licence: str
    shipped: bool = False


@dataclass(frozen=True)
class Finding:
    """One claim of the literature, and what came of it here.

    Attributes:
        claim: what is said, in one sentence.
        measured: what was found here, with its numbers and their units.
        held: whether the claim held here.
    """

    claim: str
    measured: str
    held: Held


@dataclass(frozen=True)
class Found:
    """What a run of an application found.

    Attributes:
        sentence: the finding in one sentence, with its number: it stands below the picture on the wall.
        findings: claims of the literature and what came of them; at least one.
        numbers: every number that a text of the page states, by name: numbers, texts, lists and mappings of these.
        picture: 1,200 pixels wide, as :mod:`lrp_ref.gallery.figures` makes it.
        alt: what the picture shows, for who does not see it.
    """

    sentence: str
    findings: tuple[Finding, ...]
    numbers: Mapping[str, Any]
    picture: Image
    alt: str


@dataclass(frozen=True)
class Application:
    """One application of LRP: a question, its data, a model, and what answers it.

    Attributes:
        title: of its page.
        source: who is known for it: authors, year, where.
        data: what it is shown on, in one sentence.
        model: what is explained, in one sentence, and how it was trained.
        run: answers the question.
        needs: files that it reads.
        extras: packages beside the usual ones, by the names to import.
        wing: for the front page: "images", "text", "signals", "strategies", "units", "method".
    """

    title: str
    source: str
    data: str
    model: str
    run: Callable[[Run], Found]
    wing: str
    needs: tuple[Need, ...] = ()
    extras: tuple[str, ...] = ()
    module: str = field(default_factory=lambda: _caller(), repr=False)

    @property
    def name(self) -> str:
        """The name to call it by: that of its file, with hyphens."""
        return self.module.rpartition(".")[2].replace("_", "-")

    @property
    def story(self) -> str:
        """What its file says of it: the question, how it is answered, how to read the picture; Markdown."""
        return inspect.cleandoc(sys.modules[self.module].__doc__ or "")


def _caller() -> str:
    """Return the name of the module that makes an application."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals["__name__"] in (__name__, "dataclasses"):
        frame = frame.f_back
    return str(frame.f_globals["__name__"]) if frame is not None else ""
