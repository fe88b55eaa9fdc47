"""All kinds of entries: the table of ``modules``, filled."""

from __future__ import annotations

from . import recurrent, unweighted, weighted
from .modules import MODULES, REQUIRED, Module

__all__ = ["MODULES", "REQUIRED", "Module", "recurrent", "unweighted", "weighted"]
