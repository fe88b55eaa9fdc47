"""One check: shown batch after batch, it keeps the worst that it saw; what it could not do, it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..base.arrays import Array
from ..errors import LrpError, MissingExtraError, NonFiniteError

Feed = Mapping[str, Array]

HOLDS, FAILS, OMITTED, IMPOSSIBLE = "holds", "FAILS", "not made", "COULD NOT BE MADE"


@dataclass(frozen=True)
class Finding:
    """The result of one check over all samples.

    Attributes:
        check: what was checked.
        measured: the number, or why there is none.
        limit: what it must not exceed; None where there is no number.
        verdict: HOLDS, FAILS, OMITTED (nobody could expect it to be made) or IMPOSSIBLE (it should have been).
    """

    check: str
    measured: str
    limit: float | None
    verdict: str

    def cells(self) -> list[str]:
        """Return the row of the table."""
        return [self.check, self.measured, "" if self.limit is None else f"≤ {self.limit:.0e}", self.verdict]


class Check:
    """One check: shown batch after batch, asked for its finding at the end.

    Args:
        name: what is checked.
        limit: what the worst number must not exceed.
    """

    def __init__(self, name: str, limit: float) -> None:
        self.name, self.limit = name, limit
        self.worst: float | None = None
        self.reason = ""  # why it failed without a number, or could not be made
        self.verdict = HOLDS

    def see(self, x: Feed, names: Sequence[str]) -> None:
        """Look at one batch, unless the check has ended.

        Args:
            x: inputs (n, ...) by name.
            names: of the n samples.
        """
        self.begin()
        if self.reason:
            return
        try:
            found = self.measure(x)
        except NonFiniteError as error:
            self.reason, self.verdict = self._where(x, names, error), FAILS
        except MissingExtraError as error:
            self.reason, self.verdict = str(error), OMITTED
        except LrpError as error:
            self.reason, self.verdict = str(error), IMPOSSIBLE
        else:
            # NaN is no number that holds.
            self.worst = found if self.worst is None or not found <= self.worst else self.worst

    def begin(self) -> None:
        """Be ready for a batch, or set the reason why it cannot be looked at."""

    def measure(self, x: Feed) -> float:
        """Return the number of one batch."""
        raise NotImplementedError

    def _where(self, x: Feed, names: Sequence[str], error: LrpError) -> str:
        """Return the error of the first sample that makes it alone, with the sample's name."""
        for k, name in enumerate(names):
            try:
                self.measure(one(x, k))
            except LrpError as alone:
                return f"{name}: {alone}"
        return str(error)

    def finding(self) -> Finding:
        """Return the result over all batches."""
        if self.reason:
            return Finding(self.name, self.reason, self.limit if self.verdict == FAILS else None, self.verdict)
        if self.worst is None:
            return Finding(self.name, "no sample", None, IMPOSSIBLE)
        return Finding(self.name, f"{self.worst:.1e}", self.limit, HOLDS if self.worst <= self.limit else FAILS)


def one(x: Feed, k: int) -> dict[str, Array]:
    """Return the k-th sample (1, ...)."""
    return {name: a[k : k + 1] for name, a in x.items()}
