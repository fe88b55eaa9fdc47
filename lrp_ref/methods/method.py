"""What every method is: frozen parameters that can be compared, and a function of the score that is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.arrays import Array
from ..base.frozen import Value

if TYPE_CHECKING:
    from .scored import Scored


@dataclass(frozen=True, eq=False)
class Made:
    """What a method makes of N samples; all arrays have the batch in front.

    Attributes:
        relevance: by name of the input (N, ...), or of one value inside the network.
        explained: what the relevance of each sample should sum to (N,); None where the method promises no sum.
        found: what else it found, per sample (N, ...), by name: a root, its distance.
        notes: what has to be known to read the relevance, a sentence each.
    """

    relevance: Mapping[str, Array]
    explained: Array | None = None
    found: Mapping[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Method(Value):
    """Base of the methods: a frozen dataclass of the parameters, whose repr says which they are.

    Class attributes:
        name: under which :func:`lrp_ref.attribute` knows it.
    """

    shows_defaults: ClassVar[bool] = True
    name: ClassVar[str] = ""

    def run(self, scored: Scored) -> Made:
        """Return what the method makes of the samples of a score."""
        raise NotImplementedError

    def with_parameters(self, **given: Any) -> Method:
        """Return the method with other parameters; those that follow from them are settled anew."""
        return replace(self, **given)

    def formula(self) -> str:
        """Return the formula."""
        raise NotImplementedError
