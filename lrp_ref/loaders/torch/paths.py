"""The tensors that lie somewhere among dictionaries and lists, by their path."""

from __future__ import annotations

from typing import Any

from ...errors import ModelFormatError
from ..described.tensors import LONGEST_NAME, shown
from ..limits import DEEPEST
from .description import View

VALUES = 1_000_000  # that are looked through for tensors
INNER = 100_000  # tensors, lists and dictionaries among them
CHARACTERS = 1 << 24  # of all paths together


def tensors(made: Any, what: str) -> dict[str, View]:
    """Return the tensors among plain values by their path, such as ``state_dict.conv1.weight``.

    Args:
        made: what a file's program made.
        what: the file, as errors have it.

    Raises:
        ModelFormatError: two tensors of one path; more values than ``VALUES``, as one list may stand in another a
            thousand times, and that in a third; nested deeper than ``DEEPEST``, as it may stand in itself.

    Example:
        >>> from lrp_ref.loaders.torch.description import Storage
        >>> w = View(Storage("0", "float32", 4), 0, (4,), (1,))
        >>> list(tensors({"state_dict": {"fc": w}, "epoch": 3, "more": [w]}, "w.pth"))
        ['state_dict.fc', 'more.0']
    """
    found: dict[str, View] = {}
    values = entered = characters = 0
    waiting: list[tuple[str, Any, int]] = [("", made, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if isinstance(value, View):
            if path in found:
                raise ModelFormatError(f"{what}: two tensors are called {shown(path)}")
            found[path] = value
            continue
        values += len(value) if isinstance(value, _INSIDE) else 0
        within = _inside(value) if values <= VALUES else []
        entered += len(within)
        if values > VALUES or entered > INNER or depth > DEEPEST:
            raise ModelFormatError(
                f"{what}: more than {VALUES} values or {INNER} lists and tensors, or nested more than {DEEPEST} deep"
            )
        for key, inner in reversed(within):
            if len(path) + len(str(key)) > LONGEST_NAME:
                raise ModelFormatError(f"{what}: a path of more than {LONGEST_NAME} characters")
            waiting.append((f"{path}.{key}" if path else str(key), inner, depth + 1))
            characters += len(waiting[-1][0])
            if characters > CHARACTERS:
                raise ModelFormatError(f"{what}: the names of its tensors have more than {CHARACTERS} characters")
    return found


_INSIDE = (dict, list, tuple)


def _inside(value: Any) -> list[tuple[Any, Any]]:
    """Return key and value of what lies in a dictionary or list and is or may have tensors."""
    entries = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, _INSIDE) else ())
    return [(key, inner) for key, inner in entries if isinstance(inner, (View, *_INSIDE))]
