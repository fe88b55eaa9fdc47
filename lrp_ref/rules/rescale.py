"""DeepLIFT's rescale rule: multipliers that say how a difference of inputs becomes a difference of outputs."""

from __future__ import annotations

from dataclasses import dataclass

from ..arithmetic import scalar
from ..base.arrays import Array, namespace
from ..errors import ParameterError
from .linear import at_least_zero
from .rule import AnyLayer, Redistribution, Seen, Universal
from .universal import by_definition

PRODUCTS = ("refuse", "midpoint")


@dataclass(frozen=True, eq=False, repr=False)
class Rescale(Universal):
    """m_i = m_j Δz_j/Δa_i: multipliers walk back, with Δ the difference to what a reference gives.

    The multipliers of every layer satisfy Σ_i m_i Δa_i = Σ_j m_j Δz_j, so that Σ_i m_i (x_i − b_i) = f(x) − f(b).

    ==================  ======================================================================================
    linear, routes      m_i = Σ_j w_ij m_j: their transpose
    activation          m_i = m_j Δz_i/Δa_i, its derivative where abs(Δa_i) is below the threshold
    maximum             with t = max(z, z_b): (t − z_b) m_j goes to the winner of the samples and (z − t) m_j to
                        that of the reference, and each is divided by the difference Δa_i there; a minimum likewise
    squared distance    its derivative half-way, which is Δ(a²) = Δa·(a + a_b); with matrices it is a product
    product x·y         refused unless products="midpoint": m_x = m (y + y_b)/2 and m_y = m (x + x_b)/2, which
                        close as well but are no part of the publication
    anything else       refused: softmax, norms and recurrent cells have no multipliers
    ==================  ======================================================================================

    A layer of which nothing differs from the reference hands the multipliers down as its derivative does. What the
    ledger calls ``dropped`` is the difference of the sums of multipliers, which are no relevance.

    Args:
        threshold: of abs(Δa_i), below which the quotient is no number to rely on; exact numbers have it only at 0.
        products: "refuse" or "midpoint".

    Raises:
        ParameterError: a negative threshold, another word for products, or a walk without a reference.

    Source: Shrikumar et al. 2017, §3.2 and §3.5.1 (rescale rule).

    Example:
        >>> import numpy as np
        >>> from lrp_ref.layers import ReLU
        >>> from lrp_ref.rules.rule import Seen
        >>> from lrp_ref.rules.share import Given
        >>> x, b = np.array([[3.0, -1.0]]), np.array([[-1.0, 1.0]])
        >>> given = Given(ReLU().forward(x), reference=Seen((b,), ReLU().forward(b)))
        >>> ReLU().redistribute(x, np.array([[1.0, 1.0]]), Rescale(), given=given).relevances[0]
        array([[0.75, 0.5 ]])
    """

    threshold: float = 1e-10
    products: str = "refuse"

    def __post_init__(self) -> None:
        at_least_zero(self, "threshold")
        if self.products not in PRODUCTS:
            raise ParameterError(f"Rescale: products must be 'refuse' or 'midpoint', got {self.products!r}")

    def run(self, layer: AnyLayer, xs: tuple[Array, ...], relevances: tuple[Array, ...]) -> Redistribution:
        raise ParameterError(
            "Rescale compares with a reference, and an explanation has none: "
            "lrp.attribute(net, x, 'deeplift', baseline=0) gives one"
        )

    def compared(
        self, layer: AnyLayer, here: Seen, there: Seen | None, relevances: tuple[Array, ...]
    ) -> Redistribution:
        if there is None:
            return self.run(layer, here.xs, relevances)
        seen = Seen(here.xs, layer.forward(*here.xs)) if here.z is None else here
        return by_definition(layer.multipliers(seen, there, relevances, self), relevances)

    def small(self, difference: Array) -> Array:
        """Return where a difference is too small to divide by."""
        if difference.dtype == object:
            return difference == scalar(0, difference)
        return abs(difference) < scalar(self.threshold, difference)

    def quotient(self, change: Array, difference: Array, otherwise: Array) -> Array:
        """Return change/difference, and something else where the difference is too small."""
        xp, small = namespace(change, difference), self.small(difference)
        whole = xp.where(small, scalar(1, difference), difference)
        return xp.where(small, otherwise, change / whole).astype(difference.dtype)

    def formula(self) -> str:
        """Return the formula."""
        return "m_i = m_j·Δz_j/Δa_i"
