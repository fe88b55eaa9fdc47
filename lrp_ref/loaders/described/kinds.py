"""All kinds of entries: the table of ``modules``, filled."""

from __future__ import annotations

from . import normalization, recurrent, unweighted, weighted
from .modules import MODULES, REQUIRED, Module

__all__ = ["MODULES", "REQUIRED", "Module", "normalization", "recurrent", "unweighted", "weighted"]
