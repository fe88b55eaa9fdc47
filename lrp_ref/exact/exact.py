"""The ledger's identities on exact numbers: rationals where the network is small, a prime field where it is not."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arithmetic import error_probability, modular, precision, random_primes, rational
from ..base.arrays import Array, is_float
from ..errors import ParameterError, UndecidedError, UnsupportedError
from ..network.network import Network
from ..propagation.explaining import explain
from ..propagation.explanation import Explanation

SMALL = 500  # units up to which the digits of rationals stay few enough
SYSTEMS = ("auto", "rational", "field", "none")
FORWARD_BITS = 4096  # no denominator of a rule has more: it is a sum of products of floats over few layers
GROUPS = 4  # denominators that one unit may bring: α, β and the two gates of the generalised γ-rule
BITS = 256  # of the balls that decide signs in the prime field


@dataclass(frozen=True)
class Identities:
    """Whether relevance_out = relevance_in + bias + stabiliser + dropped holds exactly at every node.

    Attributes:
        system: "rational", "field", or "none".
        rows: how many rows of the ledger were looked at.
        nonzero: nodes whose residual is not 0; there must be none.
        primes: of the field.
        probability: bound of the probability that a residual that is not 0 vanishes modulo all primes.
        refused: why there is no exact value, if so.
    """

    system: str
    rows: int
    nonzero: tuple[str, ...] = ()
    primes: tuple[int, ...] = ()
    probability: float = 0.0
    refused: str = ""

    @property
    def hold(self) -> bool:
        """Whether every residual is exactly 0; False where nothing was looked at."""
        return self.rows > 0 and not self.nonzero and not self.refused

    def __str__(self) -> str:
        if self.refused or self.system == "none":
            return "residual has no exact value" if self.refused else "residual not looked at on exact numbers"
        where = "on rationals" if self.system == "rational" else "in a prime field"
        chance = "" if not self.probability else f" (wrong with probability < {self.probability:.0e})"
        if self.nonzero:
            return f"residual not 0 {where} at {', '.join(self.nonzero)}"
        return f"residual exactly 0 {where} at all {self.rows} nodes{chance}"


def identities(
    net: Network, x: Any, *, target: Any = None, composite: Any = None, start: Any = "logit",
    output: str | None = None, canonize: bool = True, system: str = "auto", primes: tuple[int, ...] = (),
) -> Identities:  # fmt: skip
    """Return whether the ledger closes exactly, on rationals or modulo two random 61-bit primes.

    Formula: per node, relevance_out − relevance_in − bias − stabiliser − dropped = 0.

    Args:
        net, x, target, composite, start, output, canonize: as in :func:`lrp_ref.explain`.
        system: "auto" (rationals up to 500 units, else the field), "rational" or "field".
        primes: of the field; by default drawn at random.

    Raises:
        ParameterError: a system that is not known.
        MissingExtraError: python-flint is not installed.

    Example:
        >>> import numpy as np
        >>> from ..layers import Dense, ReLU
        >>> net = Network.sequential([Dense(np.array([[0.1, -0.3], [0.7, 0.2]]), np.array([0.1, 0.0])), ReLU()])
        >>> print(identities(net, np.array([[0.3, 0.4]])))
        residual exactly 0 on rationals at all 2 nodes
    """
    if system not in SYSTEMS:
        raise ParameterError(f"system '{system}' is not known: use {', '.join(SYSTEMS)}")
    if system == "none":
        return Identities("none", 0)
    net, fed = net.batch_first(), net.feed(x)
    units = count_units(net, fed)
    chosen = ("rational" if units <= SMALL else "field") if system == "auto" else system
    question = {"target": target, "composite": composite, "start": start, "output": output, "canonize": canonize}
    try:
        if chosen == "rational":
            e = _explained(net, fed, lambda a: rational(a, library="flint"), question)
            return Identities("rational", len(e.ledger), nonzero(e))
        primes = primes or random_primes(secrets.randbits(128))
        with precision(BITS):
            e = _explained(net, fed, lambda a: modular(a, bits=BITS, primes=primes), question)
        chance = len(e.ledger) * error_probability(GROUPS * units * FORWARD_BITS, len(primes))
        return Identities("field", len(e.ledger), nonzero(e), tuple(primes), chance)
    except (UnsupportedError, UndecidedError) as error:
        return Identities(chosen, 0, refused=" ".join(str(error).split()))


def count_units(net: Network, fed: Mapping[str, Array]) -> int:
    """Return the number of values of one sample at all nodes."""
    values = net.like_input(fed).values({k: a[:1] for k, a in fed.items()}, check=False)
    return sum(math.prod(v.shape[1:]) for k, v in values.items() if k not in fed)


def cast_inputs(fed: Mapping[str, Array], cast: Any) -> dict[str, Array]:
    """Return the inputs with ``cast`` applied to floats; indices stay."""
    return {k: cast(a) if is_float(a) else a for k, a in fed.items()}


def _explained(net: Network, fed: Mapping[str, Array], cast: Any, question: Mapping[str, Any]) -> Explanation:
    return explain(cast(net), cast_inputs(fed, cast), trace=False, **question)


def nonzero(e: Explanation) -> tuple[str, ...]:
    """Return the nodes whose residual is not 0 for some sample."""
    return tuple(r.node for r in e.ledger if any(bool(v != 0) for v in np.asarray(r.residual).flat))
