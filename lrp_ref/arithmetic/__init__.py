"""Number systems for NumPy object arrays: the same layers and rules on exact numbers.

A float is a rational number, so a network cast to rationals has exactly the values of its floats.

==============  ======================================================================================
``rational``    exact; for networks of up to a few hundred units
``modular``     exact identities for larger networks: residues modulo primes, signs from balls
``ball``        rigorous bounds, also of tanh, exp, ...; a comparison that is not certain raises
``symbols``     formulas
``to_float``    back to floats
==============  ======================================================================================
"""

from .adjustable import Adjustable
from .balls import Ball, ball, largest, precision, settled
from .casts import cast_like, no_exact_value, number_of, scalar, to_float
from .modular import PRIMES, Modular, error_probability, modular, random_primes
from .numbers import Number
from .rationals import Rational, rational
from .symbols import Symbol, symbols

__all__ = [
    "PRIMES",
    "Adjustable",
    "Ball",
    "Modular",
    "Number",
    "Rational",
    "Symbol",
    "ball",
    "cast_like",
    "error_probability",
    "largest",
    "modular",
    "no_exact_value",
    "number_of",
    "precision",
    "random_primes",
    "rational",
    "scalar",
    "settled",
    "symbols",
    "to_float",
]  # fmt: skip
