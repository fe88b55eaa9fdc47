"""Certificates: rigorous bounds on the error of a float64 explanation, saved with the hashes of what they are about.

==============  ==============================================================================================
``certify``     float64 and balls side by side: bounds in ulp, condition numbers, decisions closer than rounding
``identities``  the ledger's residual on rationals or in a prime field, where it must be exactly 0
``verify``      compute a certificate anew, and accept or refuse it and somebody's heatmap
==============  ==============================================================================================
"""

from .checking import Verification, verify
from .exact import Identities, identities
from .hashes import array_hash, file_hash, network_hash
from .make import certify
from .rows import Decision, NodeReport
from .value import Certificate

__all__ = [
    "Certificate", "Decision", "Identities", "NodeReport", "Verification", "array_hash", "certify", "file_hash",
    "identities", "network_hash", "verify",
]  # fmt: skip
