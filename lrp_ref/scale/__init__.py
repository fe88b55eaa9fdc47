"""Data sets larger than memory: a job in chunks, a store of the answers, who does which chunk, and what reads them."""

from .jobs.asking import job
from .jobs.job import Job, Labels, Outcome
from .jobs.models import ModelFile
from .reading.explained import Answers, Explained
from .reading.exporting import to_crp, to_npy, to_virelay
from .reading.measuring import evaluated, strongest
from .reading.rows import maps
from .running import Summary, run, serial
from .stores.making import Store, create, open_store

__all__ = [
    "Answers", "Explained", "Job", "Labels", "ModelFile", "Outcome", "Store", "Summary", "create", "evaluated", "job",
    "maps", "open_store", "run", "serial", "strongest", "to_crp", "to_npy", "to_virelay",
]  # fmt: skip
