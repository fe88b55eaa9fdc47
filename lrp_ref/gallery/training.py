"""Training of small networks: lrp_ref's own layers, whose weights PyTorch moves.

An application writes its network in the words of this package, asks for it to be trained, and gets the same network
with other weights. PyTorch is what computes gradients and steps; no model of it is made, kept or read.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import layers
from ..errors import UnsupportedError, require
from ..network import Network, Node
from .application import Tell

Arrays = Mapping[str, NDArray[Any]]
Augment = Callable[[np.random.Generator, NDArray[Any]], NDArray[Any]]


def conv(rng: np.random.Generator, inputs: int, outputs: int, *kernel: int, **options: Any) -> layers.Conv:
    """Return a convolution with weights of variance 2 / fan-in (He et al. 2015) and bias 0, in float32."""
    weight = _drawn(rng, (outputs, inputs // options.get("groups", 1), *kernel), inputs * math.prod(kernel))
    return layers.Conv(weight, np.zeros(outputs, np.float32), **options)


def dense(rng: np.random.Generator, inputs: int, outputs: int) -> layers.Dense:
    """Return a dense layer with weights of variance 2 / fan-in (He et al. 2015) and bias 0, in float32."""
    return layers.Dense(_drawn(rng, (inputs, outputs), inputs), np.zeros(outputs, np.float32))


def lstm(rng: np.random.Generator, features: int, hidden: int, **options: Any) -> layers.LSTM:
    """Return an LSTM with weights uniform in ±1/√hidden and forget biases of 1, in float32."""
    ways, reach = 2 if options.get("direction") == "bidirectional" else 1, hidden**-0.5
    weights = [rng.uniform(-reach, reach, (ways, 4, hidden, n)).astype(np.float32) for n in (features, hidden)]
    bias = np.zeros((ways, 4, hidden), np.float32)
    bias[:, 1] = 1
    return layers.LSTM(weights[0], weights[1], bias, **options)


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], reads: int) -> NDArray[Any]:
    return (rng.standard_normal(shape) * math.sqrt(2 / reads)).astype(np.float32)


def fit(
    net: Network,
    x: NDArray[Any] | Arrays,
    y: NDArray[Any],
    *,
    epochs: int,
    batch: int = 64,
    rate: float = 2e-3,
    decay: float = 1e-2,
    seed: int = 0,
    augment: Augment | None = None,
    held: Container[str] = (),
    tell: Tell | None = None,
) -> Network:
    """Return a network with trained weights; see :func:`epochs_of`, of which this is the last."""
    seen = epochs_of(
        net, x, y, epochs=epochs, batch=batch, rate=rate, decay=decay, seed=seed, augment=augment, held=held, tell=tell
    )
    return deque(seen, maxlen=1).pop() if epochs else net


def epochs_of(
    net: Network,
    x: NDArray[Any] | Arrays,
    y: NDArray[Any],
    *,
    epochs: int,
    batch: int = 64,
    rate: float = 2e-3,
    decay: float = 1e-2,
    seed: int = 0,
    augment: Augment | None = None,
    held: Container[str] = (),
    tell: Tell | None = None,
) -> Iterator[Network]:
    """Yield the network as it is after each epoch of training by AdamW, the rate going down along half a cosine.

    Args:
        net: layers with float32 weights to start from.
        x: the inputs (N, …), by name where the network has several.
        y: classes (N,), whole numbers, for the cross-entropy of the logits; or values like the output, (N, K) floats,
            for the mean square of the difference, of which NaN is left out.
        epochs: how often all samples are seen.
        batch: samples a step.
        rate: of the first step.
        decay: of the weights, decoupled (Loshchilov and Hutter 2019).
        seed: of the order of the samples and of ``augment``.
        augment: takes a generator and a batch (n, …) of the only input, and returns what is trained on in its place.
        held: names of nodes whose weights stay as they are.
        tell: is told how far it is.

    Raises:
        MissingExtraError: PyTorch is not installed.
        UnsupportedError: a layer that has no way to be trained here.
    """
    torch = require("torch", extra="gallery", purpose="train networks")
    weights = {node.name: {} if node.name in held else _tensors(torch, node.layer) for node in net.nodes}
    given = dict(x) if isinstance(x, Mapping) else {net.inputs[0].name: x}
    answers = torch.from_numpy(np.ascontiguousarray(y))
    moved = [t for named in weights.values() for t in named.values()]
    optimiser = torch.optim.AdamW(moved, lr=rate, weight_decay=decay)
    count, rng = len(y), np.random.default_rng(seed)
    steps = max(1, epochs * math.ceil(count / batch))
    fall = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda k: 0.5 * (1 + math.cos(math.pi * min(k / steps, 1))))
    for epoch in range(epochs):
        order = rng.permutation(count)
        for start in range(0, count, batch):
            chosen = order[start : start + batch]
            part = {name: values[chosen] for name, values in given.items()}
            if augment is not None:
                (name,) = part
                part[name] = augment(rng, part[name])
            values = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in part.items()}
            loss = _loss(torch, _forward(torch, net, weights, values), answers[torch.from_numpy(chosen)])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            fall.step()
            if tell is not None:
                tell(f"epoch {epoch + 1} of {epochs}", epoch * count + min(start + batch, count), epochs * count)
        yield _with_weights(net, weights)


def _loss(torch: Any, output: Any, answers: Any) -> Any:
    """Return the cross-entropy of classes, or the mean square of what is given of an output."""
    if not answers.is_floating_point():
        return torch.nn.functional.cross_entropy(output, answers.long())
    given = ~torch.isnan(answers)
    return ((output - torch.where(given, answers, 0.0)) ** 2)[given].mean()


def _tensors(torch: Any, layer: layers.base.Layer) -> dict[str, Any]:
    """Return copies of a layer's arrays of floating-point numbers, which training moves."""
    arrays = {f.name: getattr(layer, f.name) for f in fields(layer)}
    floats = {k: a for k, a in arrays.items() if isinstance(a, np.ndarray) and a.dtype.kind == "f"}
    return {k: torch.tensor(a, requires_grad=True) for k, a in floats.items()}


def _with_weights(net: Network, weights: Mapping[str, Mapping[str, Any]]) -> Network:
    """Return a network with the present weights."""
    nodes = []
    for node in net.nodes:
        arrays = {k: t.detach().numpy().copy() for k, t in weights[node.name].items()}
        nodes.append(Node(node.name, replace(node.layer, **arrays), node.inputs))
    return replace(net, nodes=tuple(nodes))


def _forward(torch: Any, net: Network, weights: Mapping[str, Mapping[str, Any]], values: dict[str, Any]) -> Any:
    """Return the first output, by PyTorch's functions."""
    for node in net.nodes:
        way = _WAYS.get(type(node.layer).__name__)
        if way is None:
            known = ", ".join(sorted(_WAYS))
            raise UnsupportedError(
                f"node '{node.name}': a {type(node.layer).__name__} cannot be trained here; known: {known}"
            )
        fixed = {f.name: getattr(node.layer, f.name) for f in fields(node.layer)}
        own = {k: torch.from_numpy(a) if isinstance(a, np.ndarray) else a for k, a in fixed.items()}
        values[node.name] = way(torch, own | dict(weights[node.name]), *(values[name] for name in node.inputs))
    return values[net.outputs[0]]


def _dense(torch: Any, own: dict[str, Any], x: Any) -> Any:
    z = x @ own["weight"]
    return z if own["bias"] is None else z + own["bias"]


def _conv(torch: Any, own: dict[str, Any], x: Any) -> Any:
    axes = x.ndim - 2
    run = getattr(torch.nn.functional, f"conv{axes}d")
    pads = [n for before_after in reversed(own["padding"]) for n in before_after]
    padded = torch.nn.functional.pad(x, pads) if any(pads) else x
    return run(padded, own["weight"], own["bias"], stride=own["stride"], dilation=own["dilation"], groups=own["groups"])


def _max_pool(torch: Any, own: dict[str, Any], x: Any) -> Any:
    run = getattr(torch.nn.functional, f"max_pool{x.ndim - 2}d")
    return run(x, own["kernel"], own["stride"], _even(own["padding"]), own["dilation"], own["ceil_mode"])


def _average_pool(torch: Any, own: dict[str, Any], x: Any) -> Any:
    run = getattr(torch.nn.functional, f"avg_pool{x.ndim - 2}d")
    return run(x, own["kernel"], own["stride"], _even(own["padding"]), own["ceil_mode"], own["count_include_pad"])


def _even(padding: Any) -> Any:
    """Return the padding as PyTorch's pools take it: as much before as after."""
    pairs = [(p, p) if isinstance(p, int) else tuple(p) for p in ([padding] if isinstance(padding, int) else padding)]
    if any(before != after for before, after in pairs):
        raise UnsupportedError(f"a pool with padding {padding}: training needs as much before as after")
    return pairs[0][0] if isinstance(padding, int) else tuple(before for before, _ in pairs)


def _lstm(torch: Any, own: dict[str, Any], x: Any) -> Any:
    ways, gates, hidden, features = own["weight_input"].shape
    if own["lengths"] or own["state"] or own["direction"] == "reverse" or own["returns"] == "all":
        raise UnsupportedError("an LSTM with lengths, given states, direction 'reverse' or returns 'all'")
    flat = []
    for d in range(ways):
        flat += [own["weight_input"][d].reshape(gates * hidden, features)]
        flat += [own["weight_hidden"][d].reshape(gates * hidden, hidden)]
        flat += [own["bias"][d].reshape(-1), torch.zeros(gates * hidden)]
    start = torch.zeros(ways, len(x), hidden)
    sequence, last, _ = torch.lstm(x, (start, start), flat, True, 1, 0.0, False, ways == 2, True)
    return sequence if own["returns"] == "sequence" else last.permute(1, 0, 2).reshape(len(x), -1)


def _add(torch: Any, own: dict[str, Any], *xs: Any) -> Any:
    factors = own["coefficients"] or (1,) * len(xs)
    return sum(c * x for c, x in zip(factors, xs, strict=True))


def _axes(own: dict[str, Any], x: Any) -> tuple[int, ...]:
    return tuple(range(2, x.ndim)) if own["axes"] is None else tuple(own["axes"])


def _gather(torch: Any, own: dict[str, Any], x: Any) -> Any:
    if isinstance(own["indices"], int):
        return x.select(own["axis"], own["indices"])
    return x.index_select(own["axis"], torch.tensor([k % x.shape[own["axis"]] for k in own["indices"]]))


# How PyTorch computes each layer: the layer's own fields, of which those that are trained are tensors, and its inputs.
_WAYS: dict[str, Callable[..., Any]] = {
    "Dense": _dense,
    "Conv": _conv,
    "ReLU": lambda torch, own, x: torch.relu(x),
    "Tanh": lambda torch, own, x: torch.tanh(x),
    "Sigmoid": lambda torch, own, x: torch.sigmoid(x),
    "Identity": lambda torch, own, x: x,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda torch, own, x: x.mean(_axes(own, x), keepdim=own["keepdims"]),
    "Mean": lambda torch, own, x: x.mean(_axes(own, x), keepdim=own["keepdims"]),
    "Sum": lambda torch, own, x: x.sum(_axes(own, x), keepdim=own["keepdims"]) * own["factor"],
    "GlobalMaxPool": lambda torch, own, x: x.amax(tuple(range(2, x.ndim)), keepdim=own.get("keepdims", True)),
    "Flatten": lambda torch, own, x: x.flatten(own["start"]),
    "Reshape": lambda torch, own, x: x.reshape(len(x), *own["shape"]),
    "Transpose": lambda torch, own, x: x.permute(*own["axes"]),
    "Add": _add,
    "Gather": _gather,
    "Constant": lambda torch, own, x: own["value"].expand(len(x), *own["value"].shape),
    "Concat": lambda torch, own, *xs: torch.cat(xs, own["axis"]),
    "LSTM": _lstm,
    "Embedding": lambda torch, own, x: torch.nn.functional.embedding(x.long(), own["table"]),
}
