"""Activation maximisation: inputs that make a score large, made by steps, by a generator, or found in data."""

from .maximised import Maximised
from .maximising import Maximisation, maximise
from .penalties import L2, Penalty, TotalVariation
from .prototypes import Prototypes, prototypes

__all__ = ["L2", "Maximisation", "Maximised", "Penalty", "Prototypes", "TotalVariation", "maximise", "prototypes"]
