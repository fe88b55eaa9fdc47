"""The bidirectional LSTM: our layer, a plain loop, and LRP_for_LSTM where its checkout is given."""

from __future__ import annotations

import importlib
import pickle
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

import lrp_ref as lrp

EPSILON = 1e-3
TARGET = 1
FORWARD, REVERSE = 0, 1


@dataclass(frozen=True)
class Model:
    """Float64 parameters: weight_input (2, 4, hidden, features), weight_hidden (2, 4, hidden, hidden), bias
    (2, 4, hidden), gates in the order i, f, g, o; out (2·hidden, classes), without bias."""

    weight_input: np.ndarray
    weight_hidden: np.ndarray
    bias: np.ndarray
    out: np.ndarray

    def astype(self, dtype: str) -> Model:
        """Return the same parameters in another precision."""
        return Model(*(getattr(self, f.name).astype(dtype) for f in fields(self)))


def model(features: int = 60, hidden: int = 60, classes: int = 5, seed: int = 0) -> Model:
    """Return random parameters."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, shape[-1] ** -0.5, shape)

    bias = rng.normal(0, 0.2, (2, 4, hidden))
    return Model(draw(2, 4, hidden, features), draw(2, 4, hidden, hidden), bias, draw(classes, 2 * hidden).T)


def sentences(count: int, words: int = 50, features: int = 60, seed: int = 1) -> np.ndarray:
    """Return random embeddings (count, words, features)."""
    return np.random.default_rng(seed).standard_normal((count, words, features))


def network(weights: Model) -> lrp.Network:
    """Return LSTM and dense layer as a network of lrp_ref."""
    lstm = lrp.layers.LSTM(
        weights.weight_input, weights.weight_hidden, weights.bias, direction="bidirectional", returns="last"
    )
    return lrp.Network.sequential([lstm, lrp.layers.Dense(weights.out)])


def ours(weights: Model, x: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a call of lrp_ref on all sentences at once."""
    net = network(weights)
    composite = lrp.composites.get("epsilon", epsilon=EPSILON)
    return lambda: np.asarray(lrp.explain(net, x, composite=composite, target=TARGET).relevance)


# One word at a time ----------------------------------------------------------------------------------------------


def one_word_at_a_time(weights: Model, x: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a call of the plain loop: sentence by sentence, word by word, every message z_ij R_j/(…) in memory.

    Products with a gate go through identity matrices, as the formula for a dense layer is written; this is how the
    rule for LSTMs is usually programmed.
    """
    return lambda: np.stack([_one_sentence(weights, sentence) for sentence in x])


def _one_sentence(weights: Model, sentence: np.ndarray) -> np.ndarray:
    """Return the relevance (words, features) of one sentence."""
    runs = {FORWARD: _read(weights, FORWARD, sentence), REVERSE: _read(weights, REVERSE, sentence[::-1])}
    last = np.concatenate([runs[k][-1]["h"] for k in (FORWARD, REVERSE)])
    scores = last @ weights.out
    start = np.where(np.arange(len(scores)) == TARGET, scores, 0.0)
    both = _shares(last, weights.out, scores, start)
    hidden = len(last) // 2
    there = _back(weights, FORWARD, runs[FORWARD], both[:hidden])
    back: np.ndarray = _back(weights, REVERSE, runs[REVERSE], both[hidden:])[::-1]
    return np.asarray(there + back)


def _read(weights: Model, k: int, words: np.ndarray) -> list[dict[str, Any]]:
    hidden = weights.bias.shape[2]
    h, c, steps = np.zeros(hidden), np.zeros(hidden), []
    for word in words:
        z = [weights.weight_input[k, j] @ word + weights.weight_hidden[k, j] @ h + weights.bias[k, j] for j in range(4)]
        i, f, o = (1 / (1 + np.exp(-z[j])) for j in (0, 1, 3))
        g = np.tanh(z[2])
        before, h_before = c, h
        c = f * before + i * g
        h = o * np.tanh(c)
        steps.append({"x": word, "before": h_before, "kept": f * before, "new": i * g, "z": z[2], "c": c, "h": h})
    return steps


def _back(weights: Model, k: int, steps: list[dict[str, Any]], relevance_h: np.ndarray) -> np.ndarray:
    received, relevance_c = np.zeros((len(steps), weights.weight_input.shape[3])), np.zeros(len(relevance_h))
    identity = np.eye(len(relevance_h))
    for t in reversed(range(len(steps))):
        step = steps[t]
        relevance_c = relevance_c + relevance_h
        to_new = _shares(step["new"], identity, step["c"], relevance_c)
        relevance_c = _shares(step["kept"], identity, step["c"], relevance_c)
        received[t] = _shares(step["x"], weights.weight_input[k, 2].T, step["z"], to_new)
        relevance_h = _shares(step["before"], weights.weight_hidden[k, 2].T, step["z"], to_new)
    return received


def _shares(a: np.ndarray, w: np.ndarray, z: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """Return R_i = Σ_j a_i w_ij / (z_j + ε sgn z_j) · R_j by way of all its messages (inputs, outputs)."""
    messages = a.reshape(-1, 1) * w / (z + np.where(z >= 0, EPSILON, -EPSILON)) * relevance
    return np.asarray(messages.sum(axis=1))


# LRP_for_LSTM ----------------------------------------------------------------------------------------------------


def from_checkout(weights: Model, x: np.ndarray, checkout: Path) -> Callable[[], np.ndarray]:
    """Return a call of LRP_for_LSTM (github.com/ArrasL/LRP_for_LSTM), which the user has checked out, unmodified.

    Its class reads a model from files, which are written here with our random parameters.
    """
    loaded = _class_of(checkout)
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder), weights, x)
        net = loaded(folder + "/")
    words, count = x.shape[1], len(x)

    def run() -> np.ndarray:
        found = []
        for k in range(count):
            there, back, _ = net.lrp(list(range(k * words, (k + 1) * words)), TARGET, eps=EPSILON, bias_factor=0.0)
            found.append(there + back)
        return np.stack(found)

    return run


def _class_of(checkout: Path) -> Any:
    """Import the class; the checkout's package has the name of a module of the standard library."""
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "code"}
    sys.path.insert(0, str(checkout))
    try:
        return importlib.import_module("code.LSTM.LSTM_bidi").LSTM_bidi
    finally:
        sys.path.remove(str(checkout))
        for name in [name for name in sys.modules if name.partition(".")[0] == "code"]:
            del sys.modules[name]
        sys.modules.update(hidden)


def _write_model(folder: Path, weights: Model, x: np.ndarray) -> None:
    order = [0, 2, 1, 3]  # theirs is i, g, f, o
    arrays: dict[str, np.ndarray] = {}
    hidden = weights.bias.shape[2]
    for k, name in ((FORWARD, "Left"), (REVERSE, "Right")):
        arrays[f"Wxh_{name}"] = weights.weight_input[k, order].reshape(4 * hidden, -1)
        arrays[f"Whh_{name}"] = weights.weight_hidden[k, order].reshape(4 * hidden, -1)
        arrays[f"bxh_{name}"] = weights.bias[k, order].reshape(-1)
        arrays[f"bhh_{name}"] = np.zeros(4 * hidden)
        arrays[f"Why_{name}"] = weights.out[k * hidden : (k + 1) * hidden].T
    (folder / "model").write_bytes(pickle.dumps(arrays))
    (folder / "vocab").write_bytes(pickle.dumps([""]))
    np.save(folder / "embeddings.npy", x.reshape(-1, x.shape[2]))
