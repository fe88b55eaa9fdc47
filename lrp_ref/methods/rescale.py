"""DeepLIFT by its rescale rule: shares of the difference to a reference, which sum to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.arrays import Array
from ..errors import ParameterError, UnsupportedError
from ..layers import Elementwise, Layer, MaxPool
from ..network.network import Network
from ..propagation.plan import Composite
from ..rules import Gradient, Rescale
from .method import Made, Method
from .parameters import comparable
from .scored import Scored, joined

STACKED = ("rescale", "derivative")
NONLINEAR = (Elementwise, MaxPool)


@dataclass(frozen=True, eq=False, repr=False)
class DeepLift(Method):
    """R_i = m_i (x_i − b_i), with multipliers m by the rescale rule: Σ_i R_i = f(x) − f(b), whatever the steps between.

    The multipliers walk back from the score as a gradient does, but an activation multiplies by Δout/Δin, the quotient
    of its differences to the reference b, in place of its derivative: :class:`lrp_ref.rules.Rescale` has the formula
    of each kind of layer, and which are refused. On rationals of a piecewise linear network the sum is exact.

    Args:
        baseline: the reference b: a number, or an array of a sample's shape or of the samples', or a dict by input.
        threshold: of abs(Δin) below which an activation has its derivative.
        products: of two signals: "refuse", as the publication has no multipliers for them, or "midpoint".
        stacked: "rescale", or "derivative" at an activation or max pool that directly reads another one: then it hands
            down its derivative and the sum misses f(x) − f(b), as in captum 0.9, whose hook on the lower of the two
            runs before the upper one has put its multipliers there. A max pool as the lower one is refused.

    Raises:
        ParameterError: a negative threshold, another word.
        ShapeError: a baseline that does not fit.
        UnsupportedError: a softmax, norm, recurrent cell or product below the score.

    Source: Shrikumar et al. 2017.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2), np.array([-1.0, 0.0])), lrp.layers.ReLU()]
        >>> net = lrp.Network.sequential([*layers, lrp.layers.Dense(np.array([[2.0], [-1.0]]))])
        >>> a = lrp.attribute(net, np.array([[4.0, 1.0]]), "deeplift", baseline=0)
        >>> a.relevance, a.completeness
        (array([[ 6., -1.]]), array([0.]))
    """

    name: ClassVar[str] = "deeplift"

    baseline: Any = 0
    threshold: float = 1e-10
    products: str = "refuse"
    stacked: str = "rescale"

    def __post_init__(self) -> None:
        object.__setattr__(self, "baseline", comparable(self.baseline))
        self.rule()
        if self.stacked not in STACKED:
            raise ParameterError(f"deeplift: stacked must be 'rescale' or 'derivative', got {self.stacked!r}")

    def rule(self) -> Rescale:
        """Return the rule of all layers."""
        return Rescale(self.threshold, self.products)

    def composite(self, net: Network) -> Composite:
        """Return the rules of a network made ready."""
        curved = {n.name: n.inputs[0] for n in net.nodes if isinstance(n.layer, NONLINEAR)}
        upper = [name for name, read in curved.items() if read in curved and self.stacked == "derivative"]
        for name in upper:
            if isinstance(net[curved[name]].layer, MaxPool):
                raise UnsupportedError(
                    f"deeplift: stacked='derivative' does not say what max pool '{curved[name]}' below '{name}' does: "
                    "captum hands it one derivative of the samples and another of the reference"
                )
        return Composite([*((name, Gradient()) for name in upper), (Layer, self.rule())], name=self.name)

    def run(self, scored: Scored) -> Made:
        x, b = scored.movable, scored.like_x(self.baseline, "baseline")
        composite = self.composite(scored.prepared.net)
        shares: dict[str, list[Array]] = {name: [] for name in x}
        at_b = []
        for block in scored.blocks(1):
            here, there = (
                {name: a[block.rows].reshape(*block.shape, *a.shape[1:]) for name, a in arrays.items()}
                for arrays in (x, b)
            )
            found = scored.explained(here, block, composite, reference=there).relevance
            for name in x:
                shares[name].append(found[name] * (x[name] - b[name])[block.rows])
            at_b.append(scored.values(there, block).reshape(-1))
        return Made({name: joined(parts) for name, parts in shares.items()}, scored.score - joined(at_b))

    def formula(self) -> str:
        return "R_i = m_i·(x_i − b_i), m_i = Σ_j ∂z_j/∂a_i·m_j for linear layers, m_j·Δz_j/Δa_i for activations"
