"""What a dissection finds: how far each unit is a detector of each concept, and what of that is chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base import tables
from ..base.frozen import Value
from ..base.tables import number
from ..errors import ModelFormatError, ParameterError, unknown
from . import pictures
from .feeding import Host

if TYPE_CHECKING:
    from PIL.Image import Image

LEAST = 0.04  # the IoU from which on a unit counts as a detector (Bau et al. 2017)
HEAD = ("concept", "pixels", "ceiling", "detectors", "by chance", "best IoU", "of unit")
NUMBERS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True, eq=False, repr=False)
class Dissection(Value):
    """How far each unit of a value is a detector of each concept.

    Attributes:
        at: the value.
        quantile: q of the thresholds.
        concepts: their names (C).
        threshold: T of each unit (U,), in the unit of its activation.
        iou: pixels where both the unit and the concept are over pixels where one of them is, each summed over the data
            set (U, C).
        iou_images_with_category: the same over the images that carry the concept's category (U, C).
        active: part of the pixels where a unit, upsampled, exceeds its threshold (U,).
        frequency: part of the pixels that a concept has (C,).
        images: how many.
        control: the IoU with the masks permuted over the images (U, C), or (S, U, C) of several permutations; None
            where it was not asked for.
        permuted: seeds of the permutations.
    """

    at: str
    quantile: float
    concepts: tuple[str, ...]
    threshold: Host
    iou: Host
    iou_images_with_category: Host
    active: Host
    frequency: Host
    images: int
    control: Host | None = None
    permuted: tuple[int, ...] = ()

    @property
    def concept(self) -> Host:
        """The concept of largest IoU of each unit, by its number (U,); of equal ones the first."""
        return np.asarray(self.iou.argmax(axis=1))

    @property
    def best(self) -> Host:
        """The largest IoU of each unit (U,)."""
        return np.asarray(self.iou.max(axis=1))

    @property
    def ceiling(self) -> Host:
        """The largest IoU that a unit could have with each concept (C,), about min(q, p)/max(q, p).

        A unit is active at a part 1 − q of the positions, a concept has the part p of the pixels: however well they
        agree, the smaller over the larger is all that they can have in common. Upsampling changes the first part a
        little; ``bound`` has what holds exactly.
        """
        return _ratio(np.full(self.frequency.shape, 1 - self.quantile), self.frequency)

    @property
    def bound(self) -> Host:
        """The largest IoU that each unit could have with each concept (U, C), by the pixels that both have."""
        return _ratio(self.active[:, None], self.frequency)

    @property
    def by_chance(self) -> tuple[Dissection, ...]:
        """For each permutation the same dissection with the masks of other images: what of its detectors is chance.

        Raises:
            ParameterError: it was made without.
        """
        if self.control is None:
            raise ParameterError("the masks were not permuted: dissect(…, permuted=SEED) makes the control")
        several = self.control.reshape(-1, *self.iou.shape)
        return tuple(replace(self, iou=one, iou_images_with_category=one, control=None, permuted=()) for one in several)

    def detectors(self, minimum: float = LEAST, *, concept: str | None = None) -> Host:
        """Return the units whose largest IoU is at least ``minimum``, by their numbers, of the largest IoU first.

        Args:
            minimum: the least IoU.
            concept: of these the detectors of this concept; None for all.

        Raises:
            ParameterError: no such concept.
        """
        if concept is not None and concept not in self.concepts:
            raise unknown("concept", concept, self.concepts)
        order = np.argsort(-self.best, kind="stable")
        found = order[self.best[order] >= minimum]
        return np.asarray(found if concept is None else found[self.concept[found] == self.concepts.index(concept)])

    def by_concept(self, minimum: float = LEAST) -> dict[str, int]:
        """Return how many detectors each concept has, of those that have any, most first."""
        found = Counter(self.concepts[c] for c in self.concept[self.detectors(minimum)])
        return dict(sorted(found.items(), key=lambda pair: (-pair[1], self.concepts.index(pair[0]))))

    def unique(self, minimum: float = LEAST) -> int:
        """Return the number of unique detectors: of concepts that have a detector."""
        return len(self.by_concept(minimum))

    def expected(self, minimum: float = LEAST) -> dict[str, float]:
        """Return how many detectors each concept has by chance: the mean over the permutations; {} without these."""
        counts = [one.by_concept(minimum) for one in (() if self.control is None else self.by_chance)]
        return {name: sum(c.get(name, 0) for c in counts) / len(counts) for name in self.concepts if counts}

    def above_chance(self, minimum: float = LEAST) -> tuple[str, ...]:
        """Return the concepts that have more detectors than under any of the permutations, most detectors first.

        Raises:
            ParameterError: there are no permutations.
        """
        own, chance = self.by_concept(minimum), [one.by_concept(minimum) for one in self.by_chance]
        return tuple(name for name in own if all(own[name] > other.get(name, 0) for other in chance))

    def count_by_chance(self, minimum: float = LEAST) -> Host:
        """Return the number of detectors under each permutation (S,).

        Raises:
            ParameterError: there are no permutations.
        """
        return np.array([len(one.detectors(minimum)) for one in self.by_chance])

    def rows(self, minimum: float = LEAST) -> list[tuple[str, ...]]:
        """Return the rows of the printed table, a concept each."""
        own, chance = self.by_concept(minimum), self.expected(minimum)
        units = self.iou.argmax(axis=0) if len(self.iou) else np.zeros(len(self.concepts), dtype=int)
        return [
            (
                name, f"{self.frequency[c]:.2%}", number(float(self.ceiling[c])), str(own.get(name, 0)),
                number(chance[name]) if chance else "–",
                number(float(self.iou[units[c], c])), str(units[c]),
            )
            for c, name in enumerate(self.concepts)
        ]  # fmt: skip

    def __repr__(self) -> str:
        return f"{self.summary()}\n{tables.text(HEAD, self.rows(), right=NUMBERS)}"

    def _repr_html_(self) -> str:
        return tables.html(HEAD, self.rows(), title=self.summary(), right=NUMBERS)

    def picture(self, minimum: float = LEAST) -> Image:
        """Return the detectors of each concept as bars, with those by chance in grey below, and the ceilings."""
        ceilings = dict(zip(self.concepts, self.ceiling.tolist(), strict=True))
        counted = f"{len(self.detectors(minimum))} of {len(self.iou)} units"
        title = f"Detectors of '{self.at}': {counted}, IoU {minimum:g} or more"
        return pictures.chart(self.by_concept(minimum), self.expected(minimum), ceilings, title)

    def summary(self, minimum: float = LEAST) -> str:
        """Return in one line how many detectors there are, and how many by chance."""
        said = (
            f"'{self.at}', {self.images} images, quantile {self.quantile:g}: {len(self.detectors(minimum))} of "
            f"{len(self.iou)} units have an IoU of {minimum:g} or more, for {self.unique(minimum)} concepts (best "
            f"{number(float(self.best.max(initial=0.0)))})"
        )
        if self.control is not None:
            counts = sorted(self.count_by_chance(minimum).tolist())
            span = f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else f"{counts[0]}"
            said += f"; with the masks of other images {span} (best {number(float(self.control.max(initial=0.0)))})"
        never = int((self.active == 0).sum())
        return f"{said}; {never} units exceed their threshold nowhere" if never else said

    # -- files --------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> Path:
        """Write it as an .npz file, of arrays alone; return the path.

        Example:
            >>> from tempfile import mkdtemp
            >>> one = np.array([[0.5]])
            >>> found = Dissection("conv5", 0.5, ("car",), one[0], one, one, one[0], one[0], 1)
            >>> Dissection.load(found.save(mkdtemp() + "/found.npz")) == found
            True
        """
        file = Path(path)
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays: dict[str, Any] = {name: np.asarray(value) for name, value in values.items() if value is not None}
        with file.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
        return file

    @staticmethod
    def load(path: str | Path) -> Dissection:
        """Read what :meth:`save` wrote.

        Raises:
            ModelFormatError: no such file, or not of a dissection.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            own: dict[str, Callable[[Host], Any]] = {
                "at": str,
                "quantile": float,
                "images": int,
                "permuted": lambda a: tuple(a.tolist()),
                "concepts": lambda a: tuple(a.tolist()),
            }
            found = Dissection(**{name: own.get(name, np.asarray)(value) for name, value in arrays.items()})
        except (OSError, ValueError, TypeError, KeyError, EOFError) as error:
            raise ModelFormatError(f"{path}: not a file of Dissection.save ({error})") from error
        units, concepts = len(found.threshold), len(found.concepts)
        both = [found.iou, found.iou_images_with_category, *([] if found.control is None else [found.control])]
        if any(a.shape[-2:] != (units, concepts) for a in both) or found.frequency.shape != (concepts,):
            raise ModelFormatError(f"{path}: not a file of Dissection.save (its arrays do not fit each other)")
        return found


def _ratio(a: Host, b: Host) -> Host:
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.divide(low, high, out=np.zeros(high.shape), where=high > 0)
