"""Taylor decomposition: the root point that makes a rule, and why one root for a whole network is not enough.

``root_point`` finds the root of one neuron; ``decompose`` expands a whole small network at a root of its own.
"""

from .domains import DOMAINS, Box, Domain, GammaDirection, Positive, Real, domain
from .expansion import TaylorDecomposition, decompose, newton_root
from .root import NoRootError, RootPoint, root_point
from .shattering import Measured, autocorrelation, gradient, line, random_network, study

__all__ = [
    "DOMAINS",
    "Box",
    "Domain",
    "GammaDirection",
    "Measured",
    "NoRootError",
    "Positive",
    "Real",
    "RootPoint",
    "TaylorDecomposition",
    "autocorrelation",
    "decompose",
    "domain",
    "gradient",
    "line",
    "newton_root",
    "random_network",
    "root_point",
    "study",
]
