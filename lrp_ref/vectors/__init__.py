"""Conformance vectors: cases with exact answers, and the runner that asks any implementation.

    from lrp_ref import vectors
    report = vectors.run("my_adapter:relevance")
    report.holds, report.reasons

The format is described in ``v1/README.md``; ``lrp-ref vectors`` is the same on the command line.
"""

from .adapters import AdapterError, PythonAdapter, Skip, Unsupported
from .cases import Case, Release, load
from .compare import Result
from .conformance import conformance
from .jsonlines import CommandAdapter
from .program import Program
from .reasons import Reason
from .runner import Report, run
from .xfails import read_xfails

__all__ = [
    "AdapterError", "Case", "CommandAdapter", "Program", "PythonAdapter", "Reason", "Release", "Report", "Result",
    "Skip", "Unsupported", "conformance", "load", "read_xfails", "run",
]  # fmt: skip
