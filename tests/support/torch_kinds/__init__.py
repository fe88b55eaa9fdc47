"""Kinds of small PyTorch models that people export, one function each, in a file for each sort of input."""

from __future__ import annotations

from . import pictures, sequences, texts, transformers, vectors
from .kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind for part in (pictures, sequences, texts, transformers, vectors) for kind in part.KINDS
}  # fmt: skip
