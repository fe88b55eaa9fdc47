"""Multilayer perceptrons, which are neural networks already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import ParameterError, ShapeError, unknown
from ...layers import Dense, Layer, ReLU, Sigmoid, Tanh
from ...network.network import Network
from ..chain import Named, chain
from ..fitted import Fitted
from ..scores import Output, asked, of_classes, told
from .table import estimator

ACTIVATIONS: dict[str, type[Layer] | None] = {"identity": None, "logistic": Sigmoid, "relu": ReLU, "tanh": Tanh}


@estimator("MLPClassifier", "MLPRegressor")
def perceptron(fitted: Fitted, output: Output) -> Network:
    """Return a multilayer perceptron: "decision" are its outputs without a final softmax or logistic function.

    It is explained as other neural networks are, by "epsilon" unless another composite is asked for.
    """
    weights, biases = (tuple(np.asarray(a) for a in fitted[name]) for name in ("coefs_", "intercepts_"))
    if not weights or len(weights) != len(biases):
        raise ShapeError(f"{fitted.kind}: {len(weights)} weights and {len(biases)} biases")
    name = str(fitted.get("activation", "relu"))
    if name not in ACTIVATIONS:
        raise unknown(f"activation of {fitted.kind}", name, ACTIVATIONS)
    activation = ACTIVATIONS[name]
    layers: list[Named] = []
    for k, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        final = k == len(weights) - 1
        layers.append(("scores" if final else f"dense{k + 1}", Dense(weight, bias)))
        if not final and activation is not None:
            layers.append((f"{name}{k + 1}", activation()))
    net = chain(layers, features=len(weights[0]))
    squash = str(fitted["out_activation_"])
    if fitted.kind == "MLPRegressor":
        if squash != "identity":
            raise ParameterError(f"MLPRegressor: its outputs go through {squash!r}; only 'identity' is supported")
        asked(output, ("decision",), fitted.kind)
        return replace(net, composite="")
    columns = weights[-1].shape[1]
    several = squash == "logistic" and columns > 1  # labels of which several may hold
    if several:
        asked(output, ("decision",), fitted.kind)
    made = told(net, output, fitted.kind, columns=columns, single=columns == 1)
    if not several and output in (None, "decision", "logodds"):
        binarizer = fitted.get("_label_binarizer")
        classes = fitted.get("classes_", binarizer.get("classes_") if isinstance(binarizer, Fitted) else None)
        made = of_classes(made, classes, single=columns == 1 and output != "logodds")
    return replace(made, composite="")
