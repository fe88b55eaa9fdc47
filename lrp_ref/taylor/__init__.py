"""Taylor decomposition: the root point that makes a rule, and why one root for a whole network is not enough.

``root_point`` finds the root of one neuron; ``decompose`` expands a whole small network at a root of its own.
"""

from .domains import DOMAINS, Box, Domain, GammaDirection, Positive, Real, domain
from .root import NoRootError, RootPoint, root_point

__all__ = [
    "DOMAINS",
    "Box",
    "Domain",
    "GammaDirection",
    "NoRootError",
    "Positive",
    "Real",
    "RootPoint",
    "domain",
    "root_point",
]
