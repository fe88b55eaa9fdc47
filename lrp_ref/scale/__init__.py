"""Data sets larger than memory: a job in chunks, a store of the answers, who does which chunk, and what reads them."""

from .asking import job
from .exporting import to_crp, to_npy, to_virelay
from .jobs import Job, Labels, Outcome
from .measuring import evaluated, strongest
from .models import ModelFile
from .reading import Answers, Explained
from .rows import maps
from .running import Summary, run, serial
from .stores import Store, create, open_store

__all__ = [
    "Answers", "Explained", "Job", "Labels", "ModelFile", "Outcome", "Store", "Summary", "create", "evaluated", "job",
    "maps", "open_store", "run", "serial", "strongest", "to_crp", "to_npy", "to_virelay",
]  # fmt: skip
