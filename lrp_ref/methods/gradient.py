"""The gradient and what is made of it: sensitivity, gradient × input, guided backpropagation, deconvolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.arrays import Array
from ..errors import ParameterError
from .method import Made, Method
from .scored import Scored, joined


def backward(scored: Scored, composite: Any = "gradient") -> dict[str, Array]:
    """Return what a backward pass of a composite makes of the samples as they are, by name of the input (N, ...)."""
    names = scored.receivers
    found: dict[str, list[Array]] = {name: [] for name in names}
    for block in scored.blocks(1):
        few = {name: a[block.rows].reshape(*block.shape, *a.shape[1:]) for name, a in names.items()}
        for name, part in scored.gradients(few, block, composite).items():
            found[name].append(part.reshape(-1, *part.shape[2:]))
    return {name: joined(parts) for name, parts in found.items()}


class Gradient(Method):
    """R_i = ∂f/∂x_i: how f changes with each number of the input; no share of f.

    Source: Simonyan et al. 2014.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[2.0], [-1.0]]), np.array([0.5]))])
        >>> lrp.attribute(net, np.array([[3.0, 1.0]]), "gradient").relevance
        array([[ 2., -1.]])
    """

    name: ClassVar[str] = "gradient"

    def run(self, scored: Scored) -> Made:
        return Made(backward(scored))

    def formula(self) -> str:
        return "R_i = ∂f/∂x_i"


@dataclass(frozen=True, eq=False, repr=False)
class Sensitivity(Method):
    """R_i = |∂f/∂x_i|^p: how much f changes, whatever its sign; p = 2 sums to ‖∇f‖².

    Args:
        power: p, 1 or 2.

    Raises:
        ParameterError: another power.

    Source: Simonyan et al. 2014 (p = 1); Montavon et al. 2017, 2018 (p = 2).

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[2.0], [-1.0]]), np.array([0.5]))])
        >>> lrp.attribute(net, np.array([[3.0, 1.0]]), "sensitivity").relevance
        array([[4., 1.]])
    """

    name: ClassVar[str] = "sensitivity"

    power: int = 2

    def __post_init__(self) -> None:
        if self.power not in (1, 2):
            raise ParameterError(f"sensitivity: power={self.power!r}: give 1 for |∂f/∂x_i| or 2 for its square")

    def run(self, scored: Scored) -> Made:
        gradient = backward(scored)
        return Made({name: abs(g) if self.power == 1 else g * g for name, g in gradient.items()})

    def formula(self) -> str:
        return "R_i = |∂f/∂x_i|" if self.power == 1 else "R_i = (∂f/∂x_i)²"


class GradientTimesInput(Method):
    """R_i = x_i ∂f/∂x_i; of a network of ReLUs without biases it is LRP-0, and sums to f.

    With biases Σ_i R_i = f − Σ b ∂f/∂b, which ``completeness`` says.

    Source: Shrikumar et al. 2016.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential([lrp.layers.Dense(np.array([[2.0], [-1.0]]), np.array([0.5]))])
        >>> a = lrp.attribute(net, np.array([[3.0, 1.0]]), "gradient_x_input")
        >>> a.relevance, a.completeness
        (array([[ 6., -1.]]), array([-0.5]))
    """

    name: ClassVar[str] = "gradient_x_input"

    def run(self, scored: Scored) -> Made:
        x = scored.movable
        return Made({name: g * x[name] for name, g in backward(scored).items()}, scored.score)

    def formula(self) -> str:
        return "R_i = x_i·∂f/∂x_i"


class GuidedBackprop(Method):
    """The gradient, but a ReLU hands down R_i = [a_i > 0] R_j⁺ (:class:`lrp_ref.rules.Guided`); no share of f.

    Source: Springenberg et al. 2015.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2)), lrp.layers.ReLU(), lrp.layers.Dense(np.array([[2.0], [-1.0]]))]
        >>> lrp.attribute(lrp.Network.sequential(layers), np.array([[3.0, 1.0]]), "guided_backprop").relevance
        array([[2., 0.]])
    """

    name: ClassVar[str] = "guided_backprop"

    def run(self, scored: Scored) -> Made:
        return Made(backward(scored, "guided_backprop"))

    def formula(self) -> str:
        return "as the gradient; at a ReLU R_i = [a_i > 0]·R_j⁺"


class Deconvnet(Method):
    """The gradient, but a ReLU hands down R_i = R_j⁺, whatever its input (:class:`lrp_ref.rules.Deconv`).

    Max pools keep their switches.

    Source: Zeiler & Fergus 2014.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> layers = [lrp.layers.Dense(np.eye(2)), lrp.layers.ReLU(), lrp.layers.Dense(np.array([[2.0], [-1.0]]))]
        >>> lrp.attribute(lrp.Network.sequential(layers), np.array([[-3.0, 1.0]]), "deconvnet").relevance
        array([[2., 0.]])
    """

    name: ClassVar[str] = "deconvnet"

    def run(self, scored: Scored) -> Made:
        return Made(backward(scored, "deconvnet"))

    def formula(self) -> str:
        return "as the gradient; at a ReLU R_i = R_j⁺"
