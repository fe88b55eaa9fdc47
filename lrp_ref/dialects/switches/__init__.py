"""Switches: each is one thing that programs compute otherwise under a rule's name, by the id that it is told by.

A switch is a function of a layer and the rule that was asked for there; it returns the rule that is computed in its
place, or None where it does not concern them. What is published, and who differs, stands in ``statement``. One file a
subject; importing them fills the table.
"""

from . import biases, denominators, first_layers, mistakes, pools, signs
from .switch import SWITCHES as SWITCHES
from .switch import Switch as Switch

__all__ = ["SWITCHES", "Switch", "biases", "denominators", "first_layers", "mistakes", "pools", "signs"]
