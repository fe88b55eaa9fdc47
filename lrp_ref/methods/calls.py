"""The class activation maps as functions, under the names that they are known by."""

from __future__ import annotations

from typing import Any

from ..network.network import Network
from .attributing import attribute
from .attribution import Attribution


def cam(net: Network, x: Any, *, target: Any = None, at: str | None = None, **options: Any) -> Attribution:
    """Return the class activation map of an output (:class:`lrp_ref.methods.CAM`).

    Args:
        net, x, target: as for :func:`lrp_ref.attribute`.
        at: node of the maps; None for the last before the output.
        options: ``upsample``, ``axis``, and whatever :func:`lrp_ref.attribute` takes.

    Raises:
        LrpError: as :func:`lrp_ref.attribute`.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> head = [lrp.layers.GlobalAveragePool(), lrp.layers.Flatten(), lrp.layers.Dense(np.array([[2.0], [-1.0]]))]
        >>> net = lrp.Network.sequential([lrp.layers.ReLU(), *head])
        >>> lrp.methods.cam(net, np.array([[[1.0, 3.0], [2.0, 0.0]]]), target=0, at="relu1").relevance
        array([[[0., 6.]]])
    """
    return attribute(net, x, "cam", target=target, at=at, **options)


def grad_cam(net: Network, x: Any, *, target: Any = None, at: str | None = None, **options: Any) -> Attribution:
    """Return Grad-CAM of an output (:class:`lrp_ref.methods.GradCAM`).

    Args:
        net, x, target, at: as for :func:`cam`.
        options: ``relu``, ``upsample``, ``axis``, and whatever :func:`lrp_ref.attribute` takes.

    Raises:
        LrpError: as :func:`lrp_ref.attribute`.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential(
        ...     [lrp.layers.ReLU(), lrp.layers.Flatten(), lrp.layers.Dense(np.array([[2.0], [4.0]]))]
        ... )
        >>> lrp.methods.grad_cam(net, np.array([[[1.0, 3.0]]]), target=0, at="relu1").relevance
        array([[[3., 9.]]])
    """
    return attribute(net, x, "grad_cam", target=target, at=at, **options)


def hirescam(net: Network, x: Any, *, target: Any = None, at: str | None = None, **options: Any) -> Attribution:
    """Return HiResCAM of an output (:class:`lrp_ref.methods.HiResCAM`).

    Args:
        net, x, target, at: as for :func:`cam`.
        options: ``upsample``, ``axis``, and whatever :func:`lrp_ref.attribute` takes.

    Raises:
        LrpError: as :func:`lrp_ref.attribute`.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential(
        ...     [lrp.layers.ReLU(), lrp.layers.Flatten(), lrp.layers.Dense(np.array([[2.0], [4.0]]))]
        ... )
        >>> lrp.methods.hirescam(net, np.array([[[1.0, 3.0]]]), target=0, at="relu1").relevance
        array([[[ 2., 12.]]])
    """
    return attribute(net, x, "hirescam", target=target, at=at, **options)


def guided_grad_cam(net: Network, x: Any, *, target: Any = None, at: str | None = None, **options: Any) -> Attribution:
    """Return guided Grad-CAM of an output (:class:`lrp_ref.methods.GuidedGradCAM`).

    Args:
        net, x, target, at: as for :func:`cam`.
        options: ``upsample``, ``axis``, and whatever :func:`lrp_ref.attribute` takes.

    Raises:
        LrpError: as :func:`lrp_ref.attribute`.

    Example:
        >>> import numpy as np
        >>> import lrp_ref as lrp
        >>> net = lrp.Network.sequential(
        ...     [lrp.layers.ReLU(), lrp.layers.Flatten(), lrp.layers.Dense(np.array([[2.0], [4.0]]))]
        ... )
        >>> lrp.methods.guided_grad_cam(net, np.array([[[1.0, 3.0]]]), target=0, at="relu1").relevance
        array([[[ 6., 36.]]])
    """
    return attribute(net, x, "guided_grad_cam", target=target, at=at, **options)
