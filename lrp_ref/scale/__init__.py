"""Data sets larger than memory: a job in chunks, a store of the answers, and who does which chunk."""

from .jobs import Job, Labels, Outcome, job
from .models import ModelFile
from .running import Summary, run, serial
from .stores import Store, create, open_store

__all__ = [
    "Job", "Labels", "ModelFile", "Outcome", "Store", "Summary", "create", "job", "open_store", "run", "serial",
]  # fmt: skip
