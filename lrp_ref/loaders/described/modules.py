"""The table of PyTorch's modules: for each its tensors, its options with their defaults, and what makes its layer.

An entry is written like PyTorch's constructor and has its defaults. The tensors of ``{"Linear": "fc1"}`` are
``fc1.weight`` and ``fc1.bias``, in the shapes that PyTorch gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...layers import Layer
from .entry import Entry

# A layer, or several one after the other, of which all but the last have a name.
Made = Layer | list[tuple[str, Layer]]


@dataclass(frozen=True)
class Module:
    """One kind of entry.

    Attributes:
        kinds: its names; those of one, two and three dimensions together.
        build: makes its layers.
        tensors: the last parts of the names of its tensors.
        unused: tensors that it may have and that inference does not need.
        options: name → default; those of PyTorch, and a few that are said to be ours.
        main: the option whose value may stand behind the kind: ``{"MaxPool2d": 2}``; "" for none.
        operands: how many values it reads; None for any number.
    """

    kinds: tuple[str, ...]
    build: Callable[[Entry], Made]
    tensors: tuple[str, ...]
    unused: tuple[str, ...]
    options: Mapping[str, Any]
    main: str
    operands: int | None

    @property
    def optional(self) -> bool:
        """Whether the entry may be written as its name alone."""
        return not self.tensors and (not self.main or self.options[self.main] is not REQUIRED)


REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "required"})()
MODULES: dict[str, Module] = {}


def module(
    *kinds: str, tensors: str = "", unused: str = "", main: str = "", operands: int | None = 1, **options: Any
) -> Callable[[Callable[[Entry], Made]], Callable[[Entry], Made]]:
    """Enter a function into the table, which makes the layers of an entry; parameters as in :class:`Module`."""

    def enter(build: Callable[[Entry], Made]) -> Callable[[Entry], Made]:
        made = Module(kinds, build, tuple(tensors.split()), tuple(unused.split()), options, main, operands)
        MODULES.update(dict.fromkeys(kinds, made))
        return build

    return enter
