"""What every method is: frozen parameters that can be compared, and a function of the score that is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..base.arrays import Array
from ..base.frozen import Value, short
from ..errors import ParameterError

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

    @property
    def label(self) -> str:
        """The name with the parameters that neither are the defaults nor follow from the others, as tables print it."""
        told = [f for f in fields(self) if f.init and not self._needless(f.name, f.default)]
        given = ", ".join(f"{f.name}={short(getattr(self, f.name))}" for f in told)
        return f"{self.name}({given})" if given else self.name

    def _needless(self, name: str, default: Any) -> bool:
        """Whether the method would be the same if a parameter were left out."""
        try:
            return bool(replace(self, **{name: default}) == self)
        except ParameterError:  # the others would not go with it
            return False

    def run(self, scored: Scored) -> Made:
        """Return what the method makes of the samples of a score."""
        raise NotImplementedError

    def with_parameters(self, **given: Any) -> Method:
        """Return the method with other parameters; those that follow from them are settled anew."""
        return replace(self, **given)

    def formula(self) -> str:
        """Return the formula."""
        raise NotImplementedError
