"""LRP as one method among the others, so that they can be asked for and compared alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..network.network import Network
from ..propagation import composites
from ..propagation.composites import Composite
from ..propagation.explanation import Explanation
from .attribution import Attribution
from .method import Method


@dataclass(frozen=True, eq=False, repr=False)
class LRP(Method):
    """Layer-wise relevance propagation by the rules of a composite, :func:`lrp_ref.explain`.

    Args:
        composite: a preset's name, a ``Composite``, or a rule; None for the network's own, "epsilon" where it has none.
        parameters: of the preset, as pairs of their names and values.

    Source: Bach et al. 2015.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[2.0], [-1.0]]), np.array([0.5]))])
        >>> a = lrp.attribute(net, np.array([[3.0, 1.0]]), "lrp0")
        >>> a.method, a.relevance, a.completeness
        (LRP(composite='lrp0', parameters=()), array([[ 6., -1.]]), array([-0.5]))
    """

    name: ClassVar[str] = "lrp"

    composite: Any = None
    parameters: tuple[tuple[str, Any], ...] = ()

    def resolved(self, net: Network) -> Composite:
        """Return the composite with its parameters, as it is for a network."""
        chosen = composites.usual(net) if self.composite is None else self.composite
        return composites.resolve(chosen, dict(self.parameters))

    @property
    def label(self) -> str:
        own = self.name if self.composite is None else self.composite
        name = own if isinstance(own, str) else getattr(own, "name", "")
        given = ", ".join(f"{key}={value}" for key, value in self.parameters)
        return f"{name or repr(self.composite)}({given})" if given else name or repr(self.composite)

    def attribution(self, e: Explanation) -> Attribution:
        """Return an explanation as what the method makes: the relevance should sum to what started."""
        return Attribution(
            e.output, e.relevance, self, e.started, e.target, e.against, e.start, {}, e.head, e.notes, e.probability,
            e.output_axis, e.relevance_axes,
        )  # fmt: skip

    def formula(self) -> str:
        return "by the rules of the composite, from the output to the input"
