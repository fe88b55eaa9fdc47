"""Where concepts are in the images of a data set: label maps, or a mask for each concept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.arrays import to_numpy
from ..base.frozen import short, whole
from ..errors import ParameterError, ShapeError
from .feeding import Host, some_numbers
from .overlaps import Seen

Concepts = Sequence[str | None] | Mapping[int, str] | None


@dataclass(frozen=True, eq=False)
class ConceptMasks:
    """Label maps or masks, with the names of their concepts.

    Attributes:
        array: labels (N, *S), or masks (N, C, *S) of booleans.
        names: of the concepts (C).
        labels: of label maps, the label of each concept (C).
        ignore: labels of pixels that do not count.
        category: the number of the category that each concept belongs to (C,).
    """

    array: Host
    names: tuple[str, ...]
    labels: tuple[int, ...]
    ignore: tuple[int, ...]
    category: Host

    @staticmethod
    def given(masks: Any, concepts: Concepts, ignore: Any, categories: Sequence[Any] | None) -> ConceptMasks:
        """Return masks out of a function's arguments.

        Raises:
            ShapeError: masks of another kind, or another number of names than of concepts.
            ParameterError: labels that no name stands for, or no concept at all.
        """
        array = to_numpy(masks)
        if array.dtype.kind not in "biu" or array.ndim < (3 if array.dtype.kind == "b" else 2):
            raise ShapeError(
                f"masks are {array.dtype} {array.shape}: give labels (N, H, W) of integers, or a mask for "
                "each concept, (N, C, H, W) of booleans"
            )
        if not len(array):
            raise ParameterError("there are masks of no image: a data set has one at least")
        left_out = some_numbers("ignore", ignore)
        if concepts is not None and not isinstance(concepts, Mapping):
            concepts = _listed("concepts", concepts)
        categories = None if categories is None else _listed("categories", categories)
        named = _of_masks if array.dtype.kind == "b" else _of_labels
        labels, names = named(array, concepts, left_out)
        if not names:
            raise ParameterError("there is no concept: every label is ignored, or none has a name")
        if categories is not None and len(categories) != len(names):
            raise ShapeError(f"{len(categories)} categories for the {len(names)} concepts {', '.join(names)}")
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise ParameterError(f"concepts: '{twice[0]}' is the name of several; give each a name of its own")
        kinds = list(dict.fromkeys(categories or ("all",)))
        category = np.array([kinds.index(one) for one in categories or ("all",) * len(names)])
        return ConceptMasks(array, names, labels, left_out, category)

    def __len__(self) -> int:
        return len(self.array)

    @property
    def size(self) -> tuple[int, ...]:
        """The pixels along each axis of an image."""
        return tuple(self.array.shape[2 if self.array.dtype.kind == "b" else 1 :])

    def of(self, image: int) -> Seen:
        """Return what is in an image: where each concept is, which pixels count, and whose category is there."""
        one = self.array[image]
        if self.array.dtype.kind == "b":
            where, valid = one, np.ones(self.size, dtype=bool)
        else:
            where = one[None] == np.array(self.labels).reshape(-1, *(1,) * one.ndim)
            valid = ~np.isin(one, self.ignore)
        there = self.category[where.reshape(len(where), -1).any(axis=1)]
        return Seen(where, valid, np.isin(self.category, there))


def _listed(what: str, values: Any) -> tuple[Any, ...]:
    """Return names as a tuple, of an iterable that may be read once only."""
    try:
        return tuple(values)
    except TypeError:
        raise ParameterError(f"{what}: {short(values)} given; expected names, such as a list of them") from None


def _of_masks(array: Host, concepts: Concepts, ignore: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    count = array.shape[1]
    if ignore:
        raise ParameterError("ignore= is for label maps: masks of booleans have no labels")
    if isinstance(concepts, Mapping):
        raise ParameterError("concepts={label: name} is for label maps: give masks of booleans a list of names")
    names = tuple(str(name) for name in (range(count) if concepts is None else concepts))
    if len(names) != count:
        raise ShapeError(f"{len(names)} names for the {count} concepts of masks {array.shape}")
    if concepts is not None and None in concepts:
        raise ParameterError("concepts: a mask of booleans without a name, None: give it one, or leave out the mask")
    return tuple(range(count)), names


def _of_labels(array: Host, concepts: Concepts, ignore: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    if concepts is None or isinstance(concepts, Mapping):
        found = concepts if concepts is not None else {int(label): str(int(label)) for label in _labels_in(array)}
        found = {whole("a label in concepts", label): name for label, name in found.items()}
        kept = {label: str(name) for label, name in found.items() if name is not None and label not in ignore}
        return tuple(kept), tuple(kept.values())
    odd = sorted(set(_labels_in(array)) - set(range(len(concepts))) - set(ignore))
    if odd:
        raise ParameterError(
            f"masks have labels {odd[:8]} that none of the {len(concepts)} names stands for: names are of the labels "
            "0, 1, …; give more names, or leave labels out (ignore=LABEL, --ignore LABEL)"
        )
    pairs = [(label, str(name)) for label, name in enumerate(concepts) if name is not None and label not in ignore]
    return tuple(label for label, _ in pairs), tuple(name for _, name in pairs)


def _labels_in(array: Host) -> list[int]:
    """Return the labels that occur, in order; a file that is mapped is gone through image by image."""
    return sorted({label for one in array for label in np.unique(one).tolist()})
