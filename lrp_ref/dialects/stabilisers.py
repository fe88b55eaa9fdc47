"""Stabilisers that other programs have: what they add to a denominator, and how they treat 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..arithmetic import no_exact_value, scalar
from ..base.arrays import Array, namespace, with_sign
from ..rules.edits import Stabiliser


@dataclass(frozen=True, repr=False)
class Unsigned(Stabiliser):
    """z + ε whatever the sign of z: a denominator −ε becomes 0, and one between −ε and 0 changes its sign.

    Example:
        >>> import numpy as np
        >>> Unsigned("add", 0.5)(np.array([[1.0, -1.0]]))
        array([[ 1.5, -0.5]])
    """

    def never_zero(self, z: Array) -> bool:
        """Whether a stabilised denominator cannot be 0: never certain."""
        return False

    def offset(self, z: Array) -> Array | None:
        """Return ε for every z."""
        return namespace(z).zeros(z.shape, dtype=z.dtype) + scalar(self.epsilon, z)

    def constant(self, z: Array) -> Any:
        """Return ε, for floats."""
        return z.dtype.type(self.epsilon) if z.dtype.kind == "f" else None

    def formula(self, z: str) -> str:
        """Return how the stabilised ``z`` prints."""
        return f"{z} + {self.epsilon}"

    def __repr__(self) -> str:
        return f"unsigned({self.epsilon!r})"


@dataclass(frozen=True, repr=False)
class AtZero(Stabiliser):
    """z + ε sgn(z), but at z = 0 another denominator.

    Args:
        kind: "add".
        epsilon: ε.
        denominator: at z = 0: −ε ("minus"), 1 ("undivided": the message is R_j itself), or 0 ("zero": sgn 0 = 0).

    Example:
        >>> import numpy as np
        >>> AtZero("add", 0.5, "minus")(np.array([[1.0, 0.0]]))
        array([[ 1.5, -0.5]])
    """

    denominator: str = "minus"

    def offset(self, z: Array) -> Array | None:
        """Return what is added to every z."""
        at_zero = {"minus": -self.epsilon, "undivided": 1, "zero": 0}[self.denominator]
        return namespace(z).where(z == 0, scalar(at_zero, z), with_sign(scalar(self.epsilon, z), z)).astype(z.dtype)

    def never_zero(self, z: Array) -> bool:
        """Whether a stabilised denominator cannot be 0."""
        return self.denominator != "zero" and super().never_zero(z)

    def constant(self, z: Array) -> Any:
        """Return None: it depends on z."""
        return None

    def formula(self, z: str) -> str:
        """Return how the stabilised ``z`` prints."""
        at_zero = {"minus": -self.epsilon, "undivided": 1, "zero": 0}[self.denominator]
        return f"{super().formula(z)} ({at_zero} where z_j = 0)"

    def __repr__(self) -> str:
        return f"add({self.epsilon!r}, at_zero={self.denominator!r})"


@dataclass(frozen=True, repr=False)
class OfBatch(Stabiliser):
    """z + ε sgn(z) RMS(z), the root mean square taken over all samples together: they influence each other.

    Example:
        >>> import numpy as np
        >>> OfBatch("relative", 0.25)(np.array([[2.0], [-2.0]]))
        array([[ 2.5],
               [-2.5]])
    """

    def offset(self, z: Array) -> Array | None:
        """Return what is added to every z."""
        no_exact_value(z, "the root mean square")
        xp = namespace(z)
        size = scalar(self.epsilon, z) * xp.sqrt((z * z).sum() / max(z.size, 1))
        return xp.where(z < 0, -size, size).astype(z.dtype)

    def __repr__(self) -> str:
        return f"of_batch({self.epsilon!r})"
