"""What became of one chunk of a job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What became of a chunk.

    Attributes:
        chunk: its number.
        samples: how many it has.
        refused: how many of them are not explained.
        reason: why the first is not; "" if all are.
        residual: the largest of the ledger.
        seconds: that it took.
    """

    chunk: int
    samples: int
    refused: int = 0
    reason: str = ""
    residual: float = 0.0
    seconds: float = 0.0
