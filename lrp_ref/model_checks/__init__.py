"""Does a loaded network compute what its file says, and do the rules keep their promises on it? Batch by batch.

A check looks at every batch that it is shown and keeps the worst that it saw. What it could not do, it says: a check
that was not made does not hold.
"""

from .check import Feed, Finding
from .report import Examination, Report

__all__ = ["Examination", "Feed", "Finding", "Report"]
