"""LRP as one method among the others, so that they can be asked for and compared alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..propagation import composites
from ..propagation.composites import Composite
from ..propagation.explanation import Explanation
from .attribution import Attribution
from .method import Method


@dataclass(frozen=True, eq=False, repr=False)
class LRP(Method):
    """Layer-wise relevance propagation by the rules of a composite, :func:`lrp_ref.explain`.

    Args:
        composite: a preset's name, a ``Composite``, or a rule.
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

    composite: Any = "epsilon"
    parameters: tuple[tuple[str, Any], ...] = ()

    @property
    def resolved(self) -> Composite:
        """The composite with its parameters."""
        return composites.resolve(self.composite, dict(self.parameters))

    @property
    def label(self) -> str:
        name = self.composite if isinstance(self.composite, str) else getattr(self.composite, "name", "")
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
