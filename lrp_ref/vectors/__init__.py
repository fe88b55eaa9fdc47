"""Conformance vectors: cases with exact answers, and the runner that asks any implementation.

    from lrp_ref import vectors
    report = vectors.run("my_adapter:relevance")
    report.holds, report.reasons

The format is described in ``v1/README.md``; ``lrp-ref vectors`` is the same on the command line.
"""

from .adapters import AdapterError, PythonAdapter, Unsupported
from .cases import Case, load
from .compare import Result
from .jsonlines import CommandAdapter
from .reasons import Reason
from .runner import Report, read_xfails, run

__all__ = [
    "AdapterError", "Case", "CommandAdapter", "PythonAdapter", "Reason", "Report", "Result", "Unsupported", "load",
    "read_xfails", "run",
]  # fmt: skip
