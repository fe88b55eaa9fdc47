"""What several methods ask of their parameters."""

from __future__ import annotations

from typing import Any

from ..errors import ParameterError


def count(method: str, what: str, value: Any, fewest: int = 1) -> int:
    """Return a parameter that is a number of things.

    Raises:
        ParameterError: it is no whole number, or is below ``fewest``.

    Example:
        >>> count("smoothgrad", "draws", 20)
        20
    """
    whole = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if not isinstance(whole, int) or isinstance(whole, bool) or whole < fewest:
        raise ParameterError(f"{method}: {what} must be a whole number of at least {fewest}, got {value!r}")
    return whole
