"""A Network as a Keras model: the same layers and weights, every value in the network's own order of axes.

Keras has the channels last. Before and after a layer that looks at channels stands a ``Permute``, which only moves
numbers, so that values, relevances and what a ``Flatten`` makes of them lie as they do in the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import layers as of
from ..layers.conv import pairs, per_axis
from ..layers.route import Flatten, Reshape, Squeeze, Unsqueeze
from ..network.network import Node
from .padding import frames
from .task import NoRule, Task

Maker = Callable[..., Any]
ACTIVATIONS = {
    of.ReLU: "relu",
    of.Sigmoid: "sigmoid",
    of.Tanh: "tanh",
    of.SiLU: "swish",
    of.SELU: "selu",
    of.Identity: "linear",
}


@dataclass(frozen=True, eq=False)
class KerasModel:
    """The part of a network that Keras runs.

    Attributes:
        fed: name → placeholder, of the network's inputs and of what left-out nodes make.
        tensors: name → Keras tensor, of those and of every node that is run.
        left_out: node → why Keras, or the program, has nothing for it.
        padded: nodes before which stands a layer of zeros.
    """

    fed: Mapping[str, Any]
    tensors: Mapping[str, Any]
    left_out: dict[str, str]
    padded: tuple[str, ...]


def layer_name(name: str, task: Task) -> str:
    """Return what the Keras layer of a node is called: node names may have signs that TensorFlow refuses."""
    return f"node_{[n.name for n in task.network.nodes].index(name)}"


def to_keras(task: Task, values: Mapping[str, Any], ruled: Callable[[Node], None]) -> KerasModel:
    """Return the tensors of the part above the left-out nodes.

    Args:
        task: what is asked.
        values: every value of the network, whose shapes the model is built for.
        ruled: raises ``NoRule`` for a node whose rule the program does not have.

    Raises:
        NoRule: there is nothing for the last node.
    """
    import tensorflow.keras.layers as k

    made: dict[str, Maker] = {}
    left_out: dict[str, str] = {}
    needed = {task.network.outputs[0]}
    for node in reversed(task.network.nodes):
        if node.name in needed:
            try:
                ruled(node)
                name = layer_name(node.name, task)
                made[node.name] = _maker(k, node.layer, [values[i] for i in node.inputs], values[node.name], name)
                needed |= set(node.inputs)
            except NoRule as error:
                left_out[node.name] = str(error)
    if not made:
        raise NoRule(next(iter(left_out.values())))
    fed = {
        name: k.Input(values[name].shape[1:], dtype=values[name].dtype.name)
        for name in (*task.inputs, *left_out)
        if name in needed
    }
    tensors = dict(fed)
    for node in task.network.nodes:
        if node.name in made:
            tensors[node.name] = made[node.name](*(tensors[name] for name in node.inputs))
    padded = tuple(n.name for n in task.network.nodes if n.name in made and _is_padded(n.layer, made[n.name]))
    return KerasModel(fed, tensors, left_out, padded)


def _maker(k: Any, layer: Any, xs: Sequence[Any], z: Any, name: str) -> Maker:
    """Return the function of tensors for a layer."""
    n, shape = xs[0].ndim - 2, xs[0].shape
    match layer:
        case of.Dense():
            return _one(k.Dense(layer.weight.shape[1], name=name, **_weights(layer.weight, layer.bias)))
        case of.Conv() if 1 <= n <= 3:
            return _convolution(k, layer, shape, name)
        case of.AveragePool(factor=1) | of.MaxPool() if 1 <= n <= 3 and not layer.ceil_mode:
            return _pool(k, layer, shape, name, double=xs[0].dtype == np.float64)
        case of.GlobalAveragePool(axes=None, factor=1) if 1 <= n <= 3:
            mean = getattr(k, f"GlobalAveragePooling{n}D")(name=name, keepdims=layer.keepdims)
            return _spatial(k, n, mean, ends=layer.keepdims)
        case of.Pad() if 1 <= n <= 3 and frames(layer, n + 2):
            return _spatial(k, n, *_padded(k, n, layer.amounts[1:]))
        case Flatten() | Reshape() | Squeeze() | Unsqueeze():
            return _one(k.Flatten(name=name) if z.ndim == 2 else k.Reshape(z.shape[1:], name=name))
        case of.Transpose():
            return _one(k.Permute(tuple(layer.axes[1:]), name=name))
        case of.Add(coefficients=()) if all(x.shape == z.shape for x in xs):
            return lambda *ts: k.Add(name=name)(list(ts))
        case of.Concat():
            return lambda *ts: k.Concatenate(axis=layer.axis, name=name)(list(ts))
        case of.LeakyReLU():
            return _one(k.LeakyReLU(alpha=float(layer.alpha), name=name))
        case of.Softmax():
            raise NoRule("it refuses models with a softmax")
    if type(layer) in ACTIVATIONS:
        return _one(k.Activation(ACTIVATIONS[type(layer)], name=name))
    raise NoRule(f"there is no Keras layer here for {layer!r}")


def _convolution(k: Any, layer: Any, shape: tuple[int, ...], name: str) -> Maker:
    n = len(shape) - 2
    stride, dilation = per_axis(layer.stride, n, "Conv"), per_axis(layer.dilation, n, "Conv")
    kernel = np.moveaxis(layer.weight, (0, 1), (-1, -2))
    if max(stride) > 1 and max(dilation) > 1:
        raise NoRule("Keras has no convolution with strides and gaps at once")
    reach = [(size - 1) * d + 1 for size, d in zip(kernel.shape, dilation, strict=False)]
    around = pairs(layer.padding, n, "Conv")
    same = any(map(any, around)) and around == _same(shape[2:], reach, stride)
    made = getattr(k, f"Conv{n}D")(
        kernel.shape[-1], kernel.shape[:n], strides=stride, dilation_rate=dilation, groups=layer.groups,
        padding="same" if same else "valid", name=name, **_weights(kernel, layer.bias),
    )  # fmt: skip
    return _spatial(k, n, *_padded(k, n, () if same else around), made)


def _pool(k: Any, layer: Any, shape: tuple[int, ...], name: str, *, double: bool) -> Maker:
    n, largest = len(shape) - 2, isinstance(layer, of.MaxPool)
    kernel = per_axis(layer.kernel, n, "pool")
    stride = kernel if layer.stride is None else per_axis(layer.stride, n, "pool")
    around = pairs(layer.padding, n, "pool")
    counted = not largest and layer.count_include_pad
    same = any(map(any, around)) and not counted and around == _same(shape[2:], kernel, stride)
    if n == 3 and not largest and double:
        raise NoRule("TensorFlow on a CPU has no average pool over three axes in float64")
    if set(per_axis(layer.dilation, n, "pool")) != {1} or (any(map(any, around)) and not same and not counted):
        raise NoRule(f"there is no Keras layer for {layer!r}")
    kind = f"{'MaxPooling' if largest else 'AveragePooling'}{n}D"
    made = getattr(k, kind)(kernel, strides=stride, padding="same" if same else "valid", name=name)
    return _spatial(k, n, *_padded(k, n, () if same else around), made)


def _same(sizes: Sequence[int], reach: Sequence[int], stride: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Return the zeros around that Keras calls "same": one more behind than before where they are odd."""
    whole = [max((-(-n // s) - 1) * s + r - n, 0) for n, r, s in zip(sizes, reach, stride, strict=True)]
    return tuple((w // 2, w - w // 2) for w in whole)


def _is_padded(layer: Any, maker: Maker) -> bool:
    return not isinstance(layer, of.Pad) and isinstance(maker, _Row) and maker.padded


def _padded(k: Any, n: int, around: Any) -> list[Any]:
    """Return the layer of zeros around, where there are some."""
    if not any(map(any, around)):
        return []
    return [getattr(k, f"ZeroPadding{n}D")(around[0] if n == 1 else tuple(around))]


def _spatial(k: Any, n: int, *made: Any, ends: bool = True) -> Maker:
    """Return layers between the two that turn the channels to the end, and back if the axes are still there."""
    last, first = k.Permute((*range(2, n + 2), 1)), k.Permute((n + 1, *range(1, n + 1)))
    return _Row((last, *made, *([first] if ends else [])))


class _Row:
    """Layers one after the other; the first turns the axes."""

    def __init__(self, layers: tuple[Any, ...]) -> None:
        self._layers = layers

    @property
    def padded(self) -> bool:
        """Whether one of them puts zeros around."""
        return any(type(layer).__name__.startswith("ZeroPadding") for layer in self._layers)

    def __call__(self, x: Any) -> Any:
        for layer in self._layers:
            x = layer(x)
        return x


def _one(layer: Any) -> Maker:
    return lambda x: layer(x)


def _weights(kernel: Any, bias: Any) -> dict[str, Any]:
    return {"use_bias": bias is not None, "weights": [np.asarray(kernel), *([] if bias is None else [bias])]}
