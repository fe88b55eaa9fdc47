"""What an application of the gallery is, what it needs, what it is given in a run, and what it finds."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import loaders
from ..errors import ParameterError
from ..loaders.preprocess import Sidecar, load_sidecar
from ..network import Network

if TYPE_CHECKING:
    from PIL.Image import Image

Tell = Callable[[str, int, int], None]  # what is done, how far it is, of how much
MODELS = Path(__file__).parents[2] / "models"  # in a clone of the project
SYSTEM = Path("/usr/share/datasets")  # where Debian's packages of data sets put theirs
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
        showable: whether its licence lets samples of it, or what a model of it makes, stand in a published picture.
    """

    file: str
    what: str
    where: str
    licence: str
    shipped: bool = False
    showable: bool = True


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


def _silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Run:
    """What an application is given.

    Attributes:
        application: which one.
        data: folders to look for data in, the first first.
        models: the folder ``models`` of a clone of the project.
        quick: a small run that shows that it works, and whose numbers say nothing.
        publish: leave out of the picture what may not be handed on.
        seed: of every random number.
        tell: is told what is done, and how far that is.
    """

    application: Application
    data: tuple[Path, ...] = ()
    models: Path = MODELS
    quick: bool = False
    publish: bool = False
    seed: int = 0
    tell: Tell = field(default=_silent, compare=False)

    @property
    def rng(self) -> np.random.Generator:
        """A new generator of random numbers, from the seed."""
        return np.random.default_rng(self.seed)

    @property
    def withheld(self) -> bool:
        """Whether samples are to be left out of the picture: it is to be published, and their licence forbids that."""
        return self.publish and not all(need.showable for need in self.application.needs)

    def file(self, name: str) -> Path:
        """Return the path of a file that the application needs.

        Raises:
            ParameterError: it is in none of the folders, or is no file; says what it is and where it can be had.
        """
        (need,) = (need for need in self.application.needs if need.file == name)
        for folder in (*self.data, self.models, self.models / "gallery", SYSTEM):
            place = folder / name
            if place.is_file():
                return place
            if os.path.lexists(place):  # another one elsewhere is not what was meant
                raise ParameterError(f"{place}: no file that can be read, which {self.application.name} needs there")
        looked = f" (looked in: {', '.join(map(str, self.data))})" if self.data else ""
        advice = (
            "--models FOLDER says where 'models' of a clone is"
            if need.shipped
            else "once you have it, --data FOLDER says where it is"
        )
        raise ParameterError(
            f"{self.application.name} needs {name} ({need.what}; from {need.where}; {need.licence}), which is not "
            f"there{looked}: {advice}"
        )

    def network(self, name: str) -> Network:
        """Return a network that the application needs, read from its file."""
        return loaders.load(self.file(name))

    def sidecar(self, name: str) -> Sidecar:
        """Return what lies beside a network that the application needs: how its input is made, what its outputs are.

        Raises:
            ParameterError: there is none.
        """
        found = load_sidecar(self.file(name))
        if found is None:
            raise ParameterError(f"{self.file(name)} has no sidecar beside it: take the .json file of a clone as well")
        return found

    def few(self, usual: int, quick: int) -> int:
        """Return how much to take: ``quick`` of it in a quick run, else ``usual``."""
        return quick if self.quick else usual
