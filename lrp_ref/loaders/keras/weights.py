"""Where the weights of a layer are: by number in .keras files, by name in .h5 files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import ModelFormatError
from ..notes import of_half
from .config import Spec, shown
from .hdf5 import Hdf5

Array = np.ndarray[Any, Any]
OLD_CONTAINER = "_layer_checkpoint_dependencies"  # what the first .keras files call "layers"
TOP = "model_weights"
HALF = {"<f2": "float16", ">f2": "float16"}


class Weights(ABC):
    """The weights of a model, layer by layer.

    Args:
        file: where they are.
        what: the file, as errors have it.

    Attributes:
        kinds: what was read → the type of its elements in the file.
    """

    def __init__(self, file: Hdf5, what: str) -> None:
        self.file = file
        self.what = what
        self.kinds: dict[str, str] = {}

    def of(self, spec: Spec, names: Sequence[str], inside: Sequence[str] = ()) -> list[Array]:
        """Return the weights of a layer, as many as there are names.

        Args:
            spec: the layer.
            names: what Keras calls them, in its order; "a|b" where its versions differ.
            inside: the part of the layer that they are in, as .keras files have it ("cell", "forward_layer").

        Raises:
            ModelFormatError: one is missing, or there are more of them.
        """
        places = self._places(spec, names, inside)
        self.kinds.update((place, self.file.kind(place)) for place in places)
        return [self.file.array(place) for place in places]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a network says of those of its weights that have half precision in the file."""
        return of_half([HALF.get(kind, kind) for kind in self.kinds.values()], "weights")

    @property
    def double(self) -> bool:
        """Whether the model has double precision."""
        return any(self.file.kind(name).endswith("f8") for name in self.file.names if self._counts(name))

    def _counts(self, name: str) -> bool:
        return not name.startswith("optimizer")

    @abstractmethod
    def _places(self, spec: Spec, names: Sequence[str], inside: Sequence[str]) -> list[str]:
        """Return the dataset of each weight."""


class Numbered(Weights):
    """Of .keras and .weights.h5 files: layers by class and number, their weights by number."""

    def __init__(self, file: Hdf5, what: str) -> None:
        super().__init__(file, what)
        self._names = set(file.names)
        self._old = any(name.startswith(f"{OLD_CONTAINER}/") for name in file.names)

    def _places(self, spec: Spec, names: Sequence[str], inside: Sequence[str]) -> list[str]:
        group = "/".join([spec.stored, *inside, "vars"])
        if self._old:
            group = "/".join(OLD_CONTAINER if part == "layers" else part for part in group.split("/"))
        places = [f"{group}/{k}" for k in range(len(names))]
        missing = [f"{name} ({place})" for name, place in zip(names, places, strict=True) if place not in self._names]
        if missing:
            raise ModelFormatError(f"{self.what}: layer {shown(spec.name)} has no {', '.join(missing)}")
        if f"{group}/{len(names)}" in self._names:
            raise ModelFormatError(f"{self.what}: layer {shown(spec.name)} has more weights than {', '.join(names)}")
        return places


class Named(Weights):
    """Of .h5 files: a group for each layer of the model, in which weights are called layer/kernel:0 and the like."""

    def __init__(self, file: Hdf5, what: str) -> None:
        super().__init__(file, what)
        self._top = f"{TOP}/" if any(name.startswith(f"{TOP}/") for name in file.names) else ""

    def _counts(self, name: str) -> bool:
        return name.startswith(self._top) and super()._counts(name)

    def _places(self, spec: Spec, names: Sequence[str], inside: Sequence[str]) -> list[str]:
        start = f"{self._top}{spec.names[0]}/"
        found = [name for name in self.file.names if name.startswith(start)]
        for part in inside:  # a bidirectional layer has forward_lstm and backward_lstm
            if part.endswith("_layer"):
                found = [n for n in found if any(p.startswith(part.removesuffix("layer")) for p in n.split("/"))]
        if len(spec.names) > 1:
            # In the group of a model, its layers are told apart by their names, and those by the models around them.
            inner = [n for n in found if spec.name in n[len(start) :].split("/")]
            whole = [n for n in inner if _contains(n[len(start) :].split("/"), spec.names[1:])]
            found = whole or inner
        return [self._place(spec, name, found) for name in names]

    def _place(self, spec: Spec, name: str, places: Sequence[str]) -> str:
        wanted = name.split("|")
        fitting = [place for place in places if place.rpartition("/")[2].partition(":")[0] in wanted]
        if len(fitting) != 1:
            number = f"{len(fitting)} weights" if fitting else "no weight"
            raise ModelFormatError(f"{self.what}: layer {shown(spec.name)} has {number} called {' or '.join(wanted)}")
        return fitting[0]


def _contains(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Return whether the wanted names are among the parts, in their order."""
    rest = iter(parts)
    return all(any(part == one for part in rest) for one in wanted)
