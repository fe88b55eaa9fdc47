"""One layer of a described architecture while it is built: its options, checked, and its tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ModelFormatError, ParameterError
from .tensors import shown

Floats = np.ndarray[Any, Any]
LARGEST = 1 << 31
WIDEST = 1 << 16  # of strides and padding


class Weights:
    """The tensors of a file, and which of them were asked for.

    Args:
        tensors: name → array.
        prefix: in front of every name that is asked for.

    Attributes:
        taken: the names that were asked for and are there.
        missing: the names that were asked for and are not.
    """

    def __init__(self, tensors: Mapping[str, Floats], prefix: str = "") -> None:
        self.tensors, self.prefix = tensors, prefix
        self.taken: dict[str, None] = {}
        self.missing: dict[str, None] = {}

    def take(self, name: str) -> Floats | None:
        """Return a tensor, or None and note that it is missing."""
        whole = self.prefix + name
        if whole not in self.tensors:
            self.missing[whole] = None
            return None
        self.taken[whole] = None
        return self.tensors[whole]

    def leave(self, name: str) -> None:
        """Note that a tensor, if it is there, is not needed."""
        if self.prefix + name in self.tensors:
            self.taken[self.prefix + name] = None


class Missing(Exception):  # noqa: N818 - no error of its own: all that is missing is told at the end
    """A tensor that an entry needs is not in the file."""


@dataclass
class Entry:
    """One entry of ``layers``.

    Attributes:
        kind: such as "Conv2d".
        name: of its node.
        source: what stands in front of the names of its tensors, without the dot; or the name of each.
        given: its options as they are written.
        defaults: the options that the kind has.
        weights: of the file.
    """

    kind: str
    name: str
    source: str | Mapping[str, str]
    given: Mapping[str, Any]
    defaults: Mapping[str, Any]
    weights: Weights

    @property
    def axes(self) -> int:
        """The number of spatial axes in the kind's name."""
        return int(self.kind[-2])

    def __getitem__(self, key: str) -> Any:
        return self.given.get(key, self.defaults[key])

    # -- tensors ------------------------------------------------------------------------------------------------

    def tensor(self, name: str, *shape: int | None) -> Floats:
        """Return a tensor of floats.

        Args:
            name: behind the source.
            shape: its sizes, None for any; no size at all for any shape.

        Raises:
            Missing: it is not in the file.
            ModelFormatError: another shape, or integers.
        """
        array = self.weights.take(self.named(name))
        if array is None:
            raise Missing
        if array.dtype.kind != "f":
            raise ModelFormatError(f"tensor {shown(self.named(name))} is of {array.dtype}, not of floats")
        fits = len(shape) == array.ndim and all(n in (None, m) for n, m in zip(shape, array.shape, strict=True))
        if shape and not fits:
            expected = ", ".join("any" if n is None else str(n) for n in shape)
            raise ModelFormatError(
                f"tensor {shown(self.named(name))} has shape {array.shape}; {self.kind} takes ({expected})"
            )
        return array

    def look_for(self, names: Iterable[str]) -> None:
        """Ask for all tensors that the entry has by its options, so that none that is missing stays unsaid."""
        left_out = {"bias": self.given.get("bias") is False, "weight": False}
        if self.given.get("affine", self.given.get("elementwise_affine")) is False:
            left_out = {"bias": True, "weight": True}
        for name in names:
            if not left_out.get(name.partition("_")[0], False):
                self.weights.take(self.named(name))

    def named(self, name: str) -> str:
        """Return the whole name of a tensor."""
        if isinstance(self.source, str):
            return f"{self.source}.{name}" if self.source else name
        if name not in self.source:
            raise ParameterError(f"it names no tensor for {name}")
        return self.source[name]

    def bias(self, size: int) -> Floats | None:
        """Return the bias, or None where the entry says ``"bias": false``."""
        return self.tensor("bias", size) if self.flag("bias") else None

    def agrees(self, key: str, *sizes: int) -> None:
        """Raise if an option tells a size that the tensors have not."""
        told = self[key]
        if told is not None and tuple(np.ravel(told) if np.ndim(told) else (told,) * len(sizes)) != sizes:
            found = sizes[0] if len(set(sizes)) == 1 else sizes
            raise ModelFormatError(f"{key} is {shown_value(told)}, and {found} in {shown(self.named('weight'))}")

    # -- options ------------------------------------------------------------------------------------------------

    def flag(self, key: str) -> bool:
        """Return an option that is true or false."""
        value = self[key]
        if not isinstance(value, bool):
            raise ParameterError(f"{key} must be true or false, got {shown_value(value)}")
        return value

    def only(self, key: str, *allowed: Any) -> Any:
        """Return an option that has one of some values."""
        value = self[key]
        if not any(type(value) is type(one) and value == one for one in allowed):
            known = " or ".join(map(shown_value, allowed))
            raise ParameterError(f"{key} {shown_value(value)}; only {known} is supported")
        return value

    def integer(self, key: str, least: int = 0) -> int:
        """Return an option that is an integer of at least ``least``."""
        return integer(key, self[key], least)

    def number(self, key: str) -> float:
        """Return an option that is a finite number."""
        value = self[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
            raise ParameterError(f"{key} must be a number, got {shown_value(value)}")
        return value

    def sizes(self, key: str, *, least: int = 1) -> tuple[int, ...]:
        """Return an option that is an integer, or one for each spatial axis."""
        value = self[key]
        many = value if isinstance(value, list | tuple) else (value,) * self.axes
        if len(many) != self.axes or not all(_whole(n) and least <= n < WIDEST for n in many):
            raise ParameterError(
                f"{key} must be an integer of at least {least}, or {self.axes} of them, got {shown_value(value)}"
            )
        return tuple(many)

    def padding(self, key: str = "padding") -> tuple[tuple[int, int], ...]:
        """Return an option that is an integer, one for each spatial axis, or [before, after] for each."""
        value = self[key]
        many = value if isinstance(value, list | tuple) else (value,) * self.axes
        pairs = [tuple(n) if isinstance(n, list | tuple) else (n, n) for n in many]
        fits = len(pairs) == self.axes and all(len(pair) == 2 for pair in pairs)
        if not fits or not all(_whole(n) and 0 <= n < WIDEST for pair in pairs for n in pair):
            raise ParameterError(
                f"{key} must be an integer, one for each of {self.axes} axes, or [before, after] for each, "
                f"got {shown_value(value)}"
            )
        return tuple((before, after) for before, after in pairs)


def integer(key: str, value: Any, least: int = 0) -> int:
    """Return an integer of at least ``least``.

    Raises:
        ParameterError: it is none; the message begins with ``key``.
    """
    if not _whole(value) or not least <= value < LARGEST:
        raise ParameterError(f"{key} must be an integer of at least {least}, got {shown_value(value)}")
    return int(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def shown_value(value: Any) -> str:
    """Return a value out of a description as errors print it, not too long.

    Example:
        >>> shown_value([1, "same"]), shown_value("x" * 100)[-4:]
        ("[1, 'same']", 'xxx…')
    """
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
