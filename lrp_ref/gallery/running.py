"""One run of an application: where its files are, how far it is, what it found and how long that took."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from .. import loaders
from ..errors import ParameterError, require
from ..loaders.preprocess import Sidecar, load_sidecar
from ..network import Network
from .application import Application, Found
from .record import Record

Tell = Callable[[str, int, int], None]  # what is done, how far it is, of how much
MODELS = Path(__file__).parents[2] / "models"  # in a clone of the project
SYSTEM = Path("/usr/share/datasets")  # where Debian's packages of data sets put theirs


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
        seed: of every random number.
        tell: is told what is done, and how far that is.
    """

    application: Application
    data: tuple[Path, ...] = ()
    models: Path = MODELS
    quick: bool = False
    seed: int = 0
    tell: Tell = field(default=_silent, compare=False)

    @property
    def rng(self) -> np.random.Generator:
        """A new generator of random numbers, from the seed."""
        return np.random.default_rng(self.seed)

    def file(self, name: str) -> Path:
        """Return the path of a file that the application needs.

        Raises:
            ParameterError: it is in none of the folders; says what it is and where it can be had.
        """
        (need,) = (need for need in self.application.needs if need.file == name)
        for folder in (*self.data, self.models, self.models / "gallery", SYSTEM):
            if (folder / name).exists():
                return folder / name
        looked = ", ".join(str(folder) for folder in self.data) or "no folder given"
        advice = (
            "--models FOLDER says where 'models' of a clone is" if need.shipped else "--data FOLDER says where it is"
        )
        raise ParameterError(
            f"{self.application.name} needs {name} ({need.what}; from {need.where}; {need.licence}), which is not "
            f"there (looked in: {looked}): {advice}"
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


def missing(run: Run) -> list[str]:
    """Return the files and packages that an application needs and this machine lacks."""
    lacking = []
    for need in run.application.needs:
        try:
            run.file(need.file)
        except ParameterError:
            lacking.append(need.file)
    for package in (*run.application.extras, "matplotlib"):
        try:
            require(package, extra="gallery", purpose="run")
        except ImportError:
            lacking.append(package)
    return lacking


def run(asked: Run) -> tuple[Found, Record]:
    """Run an application, and return what it found, with a record of it.

    Raises:
        LrpError: a file or a package that is missing; says which, and where it can be had.
    """
    for package in (*asked.application.extras, "matplotlib"):
        require(package, extra="gallery", purpose=f"run {asked.application.name}")
    for need in asked.application.needs:
        asked.file(need.file)
    begun = time.perf_counter()
    found = asked.application.run(asked)
    seconds = time.perf_counter() - begun
    return found, Record.of(asked.application, found, quick=asked.quick, seed=asked.seed, seconds=round(seconds, 1),
                            peak_memory_mb=peak_memory(), versions=versions(asked.application.extras))  # fmt: skip


def peak_memory() -> int | None:
    """Return the most memory that this process has held, in MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(size / (1e6 if platform.system() == "Darwin" else 1e3))


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of what a result depends on, by name."""
    names = {"sklearn": "scikit-learn", "skimage": "scikit-image"}
    found = {"python": platform.python_version()}
    for package in ("lrp-ref", "numpy", "scipy", *(names.get(p, p) for p in packages)):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
