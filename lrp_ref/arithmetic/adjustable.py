"""Numbers that stay adjustable: floats with a name, which an exported graph has as inputs."""

from __future__ import annotations

from typing import Any


class Adjustable(float):
    """A float with a name: a number everywhere, and an input of the graph where an explanation is exported.

    Args:
        value: the number; a graph is fed one, and has this one in its metadata.
        name: of the graph's input.

    Example:
        >>> epsilon = Adjustable(0.25, "epsilon")
        >>> epsilon, epsilon + 1, epsilon == 0.25
        (Adjustable(0.25, 'epsilon'), 1.25, True)
    """

    name: str

    def __new__(cls, value: Any, name: str) -> Adjustable:
        made = super().__new__(cls, value)
        made.name = name
        return made

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        """Count among NumPy's arrays as the plain number, which leaves float32 as it is."""
        return getattr(ufunc, method)(*(float(x) if type(x) is Adjustable else x for x in inputs), **keywords)

    def __repr__(self) -> str:
        return f"Adjustable({float(self)!r}, {self.name!r})"

    def __getnewargs__(self) -> tuple[float, str]:  # type: ignore[override]
        return float(self), self.name
