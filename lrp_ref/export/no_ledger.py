"""The ledger of an explanation that was made without one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..base.arrays import Array
from ..errors import UnsupportedError
from ..propagation.ledger import Ledger


class NoLedger(Ledger):
    """The ledger of an explanation that was compiled without one: it says so to whoever looks into it."""

    made = False

    def __init__(self) -> None:
        super().__init__(())

    def _refuse(self) -> Any:
        raise UnsupportedError("this explanation was compiled without its ledger: lrp.compile(..., ledger=True)")

    def __getitem__(self, index: Any) -> Any:
        self._refuse()

    def __iter__(self) -> Any:
        self._refuse()

    def __len__(self) -> int:
        return int(self._refuse())

    @property
    def residual(self) -> float:
        """NaN: nobody knows."""
        return math.nan

    def map(self, function: Callable[..., Array], *others: Ledger) -> Ledger:
        """Return itself: there are no columns."""
        return self

    def sample(self, k: int | slice) -> Ledger:
        """Return itself."""
        return self

    def to_numpy(self) -> Ledger:
        """Return itself."""
        return self

    def __repr__(self) -> str:
        return "no ledger: compiled without one; lrp.compile(..., ledger=True) makes it"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>"
