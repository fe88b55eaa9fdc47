"""Models that are not neural networks, rewritten as networks."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from ..network.network import Network
from .fitted import Fitted

__all__ = ["Fitted", "from_fitted"]


def from_fitted(fitted: Fitted, output: Any = None, **options: Any) -> Network:
    """Return an estimator as a network."""
    raise UnsupportedError(f"{fitted.kind}: no converter")
