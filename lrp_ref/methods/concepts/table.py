"""The table of concepts: how much relevance each channel of a value has, sample by sample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...arithmetic import scalar
from ...base import tables
from ...base.arrays import Array
from ...base.tables import number
from ...errors import ParameterError
from ...network.network import Network
from ..scored import joined
from .arrived import Asked
from .conditional import channel_sums, on_host

CRP = Fraction(1, 10**10)  # what zennit-crp adds to the sum that it divides by
NORMS = (None, "crp")


def normalised(sums: Array, norm: str | None) -> Array:
    """Return the relevance of channels (N, C), divided by Σ_k |R_k| + 1e-10 of its sample under the norm "crp".

    Raises:
        ParameterError: another norm.
    """
    require_norm(norm)
    return sums if norm is None else sums / (abs(sums).sum(axis=1, keepdims=True) + scalar(CRP, sums))


def require_norm(norm: str | None) -> None:
    """Raise unless the norm is one."""
    if norm not in NORMS:
        raise ParameterError(f"norm={norm!r}: give None, or 'crp', which divides by the sum of absolute relevances")


@dataclass(frozen=True, eq=False, repr=False)
class ConceptTable:
    """How much relevance each channel of a value has.

    Attributes:
        relevance: Σ over the positions of a channel (N, C), in the unit of the start; of norm "crp" a share.
        at: the value.
        norm: None, or "crp".
        output: of the network (N, ...).
    """

    relevance: Array
    at: str
    norm: str | None
    output: Array

    def strongest(self, k: int = 5) -> list[list[tuple[int, float]]]:
        """Return for each sample the ``k`` channels of most relevance by size, with it; of equal ones the first."""
        host = on_host(self.relevance)
        order = (-abs(host)).argsort(axis=1, kind="stable")[:, :k]
        return [[(int(c), float(row[c])) for c in chosen] for row, chosen in zip(host, order, strict=True)]

    def rows(self) -> list[list[str]]:
        """Return the rows of the printed table: a sample, its strongest channels and how much relevance they have."""
        return [
            [str(n), ", ".join(f"{c}: {number(value)}" for c, value in found)]
            for n, found in enumerate(self.strongest())
        ]

    def __repr__(self) -> str:
        return tables.text(("sample", f"strongest of {self.relevance.shape[1]} channels of '{self.at}'"), self.rows())

    def _repr_html_(self) -> str:
        return tables.html(("sample", f"strongest channels of '{self.at}'"), self.rows())


def concept_table(
    net: Network,
    x: Any,
    *,
    at: str,
    norm: str | None = None,
    target: Any = None,
    composite: Any = "epsilon_plus",
    start: Any = "logit",
    against: Any = None,
    output: str | None = None,
    canonize: bool = True,
    xp: Any = None,
    **parameters: Any,
) -> ConceptTable:
    """Return how much relevance each channel of a value has: R_k = Σ over its positions, sample by sample.

    Args:
        net, x, target, composite, start, against, output, canonize, xp: as of :func:`lrp_ref.explain`.
        at: name of the value; its channels are axis 1.
        norm: None for the unit of the start; "crp" divides by Σ_k |R_k| + 1e-10, as zennit-crp does.
        parameters: of the composite.

    Raises:
        ParameterError: a value that is not there or has no channels, or another norm.

    Source: Achtibat et al. 2023.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [("fc1", lrp.layers.Dense(np.array([[1.0, 2.0], [3.0, 1.0]]))), ("relu", lrp.layers.ReLU()),
        ...           ("fc2", lrp.layers.Dense(np.ones((2, 1))))]
        >>> lrp.methods.concept_table(
        ...     lrp.Network.sequential(layers), np.array([[1.0, 1.0], [0.0, 1.0]]), at="fc1", composite="lrp0")
        sample  strongest of 2 channels of 'fc1'
        ────────────────────────────────────────
        0       0: 4, 1: 3
        1       0: 3, 1: 1
    """
    arrived = Asked(composite, target, start, against, output, canonize, xp, parameters).of(net, x, (at,))
    parts = arrived.each(lambda walked: (channel_sums(walked.relevance[at]), walked.output))
    sums = normalised(joined([sums for sums, _ in parts]), norm)
    return ConceptTable(sums, at, norm, joined([out for _, out in parts]))
