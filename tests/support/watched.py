"""An array that writes down which functions of NumPy are called on it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np


class Watched(np.ndarray):
    """An array whose calls, and those on what is made of it, are written down by name."""

    calls: ClassVar[list[str]] = []

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        self.calls.append(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}")
        options = {k: tuple(map(bare, v)) if k == "out" else v for k, v in options.items()}
        made = getattr(ufunc, method)(*map(bare, inputs), **options)
        return np.asarray(made).view(Watched)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        self.calls.append(function.__name__)
        made = function(*map(bare, args), **{k: bare(v) for k, v in kwargs.items()})
        return made.view(Watched) if isinstance(made, np.ndarray) else made


def bare(value: Any) -> Any:
    """Return arrays, also those in lists and tuples, as NumPy's own."""
    if isinstance(value, list | tuple):
        return type(value)(map(bare, value))
    return value.view(np.ndarray) if isinstance(value, Watched) else value
