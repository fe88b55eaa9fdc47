"""Class activation maps: where in the maps of a layer the evidence for an output lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..base.arrays import Array, like, namespace, sample_sum, to_numpy
from ..errors import ParameterError
from .gradient import backward
from .maps import Maps, require_mean_then_linear
from .method import Made, Method
from .positions import CHANNELS, require_axis
from .scored import Scored, joined
from .upsampling import require_convention


@dataclass(frozen=True, eq=False, repr=False)
class _OfMaps(Method):
    """What the methods on maps have in common: the node, and how its map is brought to the size of the input."""

    at: str | None = None
    upsample: str | None = "half_pixel"
    axis: int | str | None = CHANNELS

    def __post_init__(self) -> None:
        if self.at is not None and not isinstance(self.at, str):
            raise ParameterError(f"{self.name}: at={self.at!r}: give the name of a node, or None for the last map")
        if self.upsample is not None:
            require_convention(self.upsample)
        require_axis(self.axis, self.name)

    def _maps(self, scored: Scored) -> Maps:
        return Maps.of(scored, self.at, self.name, onto=self.upsample is not None, axis=self.axis)


@dataclass(frozen=True, eq=False, repr=False)
class CAM(_OfMaps):
    """Class activation map M(p) = Σ_k w_k A_k(p), where f = Σ_k w_k mean_p A_k(p) + b.

    It needs that head: a mean over the positions, then linear layers. Then Σ_p M(p) = n·(f − b) for n positions, which
    ``completeness`` says of the map at its own size (upsample=None); M is n times Grad-CAM without ReLU, and n times
    the LRP-0 of the maps, summed over channels. ``found`` has "map" (N, 1, *grid), "weights" w (N, K), "bias" b (N,).

    Args:
        at: the node of the maps A, (K, *grid) of a sample; None for the last before the output, which notes name.
        upsample: how the map is brought to the positions of the input, (N, 1, *positions): "half_pixel", "corners" or
            "nearest" (:func:`lrp_ref.methods.upsampled`); None leaves it at its size.
        axis: of the channels of the input's samples: "channels" for the one it declares, otherwise the first; a number.

    Raises:
        ParameterError: an unknown name, or another head: which node is none.
        ShapeError: a node that is no map, or one that no input has the positions of.

    Source: Zhou et al. 2016, §2.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> fc = lrp.layers.Dense(np.array([[2.0], [-1.0]]), np.array([0.5]))
        >>> head = [lrp.layers.GlobalAveragePool(), lrp.layers.Flatten(), fc]
        >>> net = lrp.Network.sequential([lrp.layers.ReLU(), *head])
        >>> a = lrp.attribute(net, np.array([[[1.0, 3.0], [2.0, 0.0]]]), "cam", at="relu1", upsample=None)
        >>> a.relevance, a.completeness
        (array([[[0., 6.]]]), array([0.]))
    """

    name: ClassVar[str] = "cam"

    def run(self, scored: Scored) -> Made:
        maps = self._maps(scored)
        above, value = maps.inside.above, maps.inside.value
        require_mean_then_linear(maps.inside)
        weights = _over_positions(backward(above)[maps.inside.at])
        found = _combined(weights, value)
        bias = _without(maps)
        name, relevance = maps.brought(found, self.upsample)
        explained = None if self.upsample is not None else (above.score - bias) * maps.count
        return Made({name: relevance}, explained, {"map": found, "weights": weights, "bias": bias}, maps.notes)

    def formula(self) -> str:
        return "M(p) = Σ_k w_k·A_k(p)"


@dataclass(frozen=True, eq=False, repr=False)
class GradCAM(_OfMaps):
    """Grad-CAM: M(p) = ReLU(Σ_k α_k A_k(p)) with α_k = mean_p ∂f/∂A_k(p); no share of f.

    Nothing is scaled: maps of two samples can be compared. Where Σ_k α_k A_k is nowhere positive, the map is 0; the sum
    itself is ``found["map"]`` (N, 1, *grid), and α is ``found["weights"]`` (N, K).

    Args:
        at, upsample, axis: as for :class:`CAM`.
        relu: whether what speaks against the output is left out, before the map is upsampled.

    Raises:
        ParameterError: an unknown name.
        ShapeError: a node that is no map, or one that no input has the positions of.

    Source: Selvaraju et al. 2017, §3.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential(
        ...     [lrp.layers.ReLU(), lrp.layers.Flatten(), lrp.layers.Dense(np.array([[2.0], [-4.0]]))]
        ... )
        >>> a = lrp.attribute(net, np.array([[[1.0, 3.0]]]), "grad_cam", at="relu1", relu=False, upsample=None)
        >>> a.relevance, a.found["weights"]
        (array([[[-1., -3.]]]), array([[-1.]]))
    """

    name: ClassVar[str] = "grad_cam"

    relu: bool = True

    def run(self, scored: Scored) -> Made:
        maps = self._maps(scored)
        name, relevance, found = _grad_cam(maps, self.upsample, relu=self.relu)
        return Made({name: relevance}, None, found, (*maps.notes, *(_empty(found["map"]) if self.relu else ())))

    def formula(self) -> str:
        return f"M(p) = {'ReLU(Σ_k α_k·A_k(p))' if self.relu else 'Σ_k α_k·A_k(p)'}, α_k = mean_p ∂f/∂A_k(p)"


@dataclass(frozen=True, eq=False, repr=False)
class HiResCAM(_OfMaps):
    """HiResCAM: M(p) = Σ_k ∂f/∂A_k(p)·A_k(p); no mean over positions stands between the map and the gradient.

    Under linear layers Σ_p M(p) = f − b. ``found`` has "map" (N, 1, *grid) and "weights" ∂f/∂A (N, K, *grid).

    Args:
        at, upsample, axis: as for :class:`CAM`.

    Raises:
        ParameterError, ShapeError: as for :class:`GradCAM`.

    Source: Draelos & Carin 2020.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential(
        ...     [lrp.layers.ReLU(), lrp.layers.Flatten(), lrp.layers.Dense(np.array([[2.0], [-4.0]]))]
        ... )
        >>> lrp.attribute(net, np.array([[[1.0, 3.0]]]), "hirescam", at="relu1", upsample=None).relevance
        array([[[  2., -12.]]])
    """

    name: ClassVar[str] = "hirescam"

    def run(self, scored: Scored) -> Made:
        maps = self._maps(scored)
        weights = backward(maps.inside.above)[maps.inside.at]
        found = (weights * maps.inside.value).sum(axis=1, keepdims=True)
        name, relevance = maps.brought(found, self.upsample)
        return Made({name: relevance}, None, {"map": found, "weights": weights}, maps.notes)

    def formula(self) -> str:
        return "M(p) = Σ_k ∂f/∂A_k(p)·A_k(p)"


@dataclass(frozen=True, eq=False, repr=False)
class GuidedGradCAM(_OfMaps):
    """Guided Grad-CAM: R = guided backpropagation (N, ...) times the upsampled Grad-CAM; no share of f.

    ``found["map"]`` (N, 1, *grid) is the map before ReLU and upsampling.

    Args:
        at, axis: as for :class:`CAM`.
        upsample: as for :class:`CAM`, but None for no map of the input's size is refused.

    Raises:
        ParameterError, ShapeError: as for :class:`GradCAM`.

    Source: Selvaraju et al. 2017, §3.2.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential(
        ...     [lrp.layers.ReLU(), lrp.layers.Flatten(), lrp.layers.Dense(np.array([[2.0], [4.0]]))]
        ... )
        >>> lrp.attribute(net, np.array([[[1.0, 3.0]]]), "guided_grad_cam", at="relu1").relevance
        array([[[ 6., 36.]]])
    """

    name: ClassVar[str] = "guided_grad_cam"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.upsample is None:
            raise ParameterError(
                "guided_grad_cam: upsample=None: the map must have the input's size; name a convention"
            )

    def run(self, scored: Scored) -> Made:
        maps = self._maps(scored)
        name, large, found = _grad_cam(maps, self.upsample, relu=True)
        guided = backward(scored, "guided_backprop")[name]
        return Made({name: guided * large}, None, found, (*maps.notes, *_empty(found["map"])))

    def formula(self) -> str:
        return "R = guided backpropagation · upsampled Grad-CAM"


def _grad_cam(maps: Maps, upsample: str | None, *, relu: bool) -> tuple[str, Array, dict[str, Array]]:
    """Return the name of what Grad-CAM is laid over, the map at its size, and what else was found."""
    weights = _over_positions(backward(maps.inside.above)[maps.inside.at]) / max(maps.count, 1)
    found = _combined(weights, maps.inside.value)
    name, relevance = maps.brought(namespace(found).maximum(found, 0) if relu else found, upsample)
    return name, relevance, {"map": found, "weights": weights}


def _empty(found: Array) -> tuple[str, ...]:
    """Return a note of samples whose map is nowhere positive, so that ReLU leaves nothing of it."""
    count = int((to_numpy(sample_sum(found > 0)) == 0).sum())
    return (f"the map of {count} of {len(found)} samples is nowhere positive, and 0 after ReLU",) if count else ()


def _over_positions(gradient: Array) -> Array:
    """Return the sum over the positions (N, K) of an array (N, K, *grid)."""
    return gradient.sum(axis=tuple(range(2, gradient.ndim)))


def _combined(weights: Array, value: Array) -> Array:
    """Return Σ_k w_k A_k (N, 1, *grid)."""
    wide = weights.reshape(*weights.shape, *(1,) * (value.ndim - 2))
    return (wide * value).sum(axis=1, keepdims=True)


def _without(maps: Maps) -> Array:
    """Return the score where the maps are 0 (N,)."""
    above, value = maps.inside.above, maps.inside.value
    nothing = like(0, value)
    xp, parts = namespace(value), []
    for block in above.blocks(1, back=False):
        zeros = xp.broadcast_to(nothing, (*block.shape, *value.shape[1:]))
        parts.append(above.values({maps.inside.at: zeros}, block).reshape(-1))
    return joined(parts)
