"""Make iris_mlp.npz: a classifier of 4-3-3 units, small enough that every relevance is a formula one can read.

Data: Fisher's 150 irises as scikit-learn ships them, four lengths in cm. Of each species the first 40 train and the
last 10 are held out. Training is NumPy alone; the trained weights are rounded to sixteenths, so that float32, float64
and fractions hold the same numbers, and the file comes out the same byte for byte. The second layer has no bias:

    python models/make/iris.py
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_iris

import lrp_ref as lrp

MODELS = Path(__file__).resolve().parent.parent
SAMPLES = MODELS / "samples"
HIDDEN, STEPS, RATE, SEED = 3, 3000, 0.03, 2
DECAY, BIAS_DECAY = 3e-3, 3e-2  # the larger one keeps the biases, and their share of the relevance, small
STEP = 1 / 16  # of the weights
FEATURES = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]
SPECIES = ["setosa", "versicolor", "virginica"]

Array = NDArray[np.float64]


def gradients(weights: list[Array], x: Array, wanted: Array) -> list[Array]:
    """Return the derivatives of cross-entropy + DECAY/2·(|W|² + |V|²) + BIAS_DECAY/2·|b|² by W, b and V."""
    first, bias, second = weights
    z = x @ first + bias
    hidden = np.maximum(z, 0)
    scores = hidden @ second
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    g = (chances - wanted) / len(x)
    back = (g @ second.T) * (z > 0)
    return [x.T @ back + DECAY * first, back.sum(axis=0) + BIAS_DECAY * bias, hidden.T @ g + DECAY * second]


def train(x: Array, labels: NDArray[np.int64]) -> list[Array]:
    """Train with Adam on inputs divided by their deviation; return the weights for inputs in cm, in sixteenths."""
    rng, deviation = np.random.default_rng(SEED), x.std(axis=0)
    weights = [rng.normal(0, 1 / 2, (4, HIDDEN)), np.zeros(HIDDEN), rng.normal(0, HIDDEN**-0.5, (HIDDEN, 3))]
    moments = [[np.zeros_like(w), np.zeros_like(w)] for w in weights]
    for t in range(1, STEPS + 1):
        for k, g in enumerate(gradients(weights, x / deviation, np.eye(3)[labels])):
            moments[k] = [0.9 * moments[k][0] + 0.1 * g, 0.999 * moments[k][1] + 0.001 * g**2]
            first, second = moments[k][0] / (1 - 0.9**t), moments[k][1] / (1 - 0.999**t)
            weights[k] = weights[k] - RATE * first / (np.sqrt(second) + 1e-8)
    weights[0] = weights[0] / deviation[:, None]
    return [np.round(w / STEP) * STEP for w in weights]


def write(path: Path, data: bytes) -> None:
    """Write bytes under a temporary name first, so that no half-written file is ever seen."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write one array as .npy, or several by name as .npz."""
    buffer = io.BytesIO()
    if path.suffix == ".npy":
        np.save(buffer, *arrays.values(), allow_pickle=False)
    else:
        np.savez(buffer, allow_pickle=False, **arrays)
    write(path, buffer.getvalue())


def main() -> None:
    """Train, measure, and write network, sidecar and samples."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    data = load_iris()
    x, labels = data.data.astype(np.float64), data.target.astype(np.int64)
    held = np.arange(150) % 50 >= 40
    made = train(x[~held], labels[~held])
    layers = [lrp.layers.Dense(*made[:2]), lrp.layers.ReLU(), lrp.layers.Dense(made[2])]
    chain = lrp.Network.sequential(layers, input_name="flower")
    path = MODELS / "iris_mlp.npz"
    lrp.save(lrp.Network(chain.nodes, (lrp.Input("flower", (None, 4)),), chain.outputs), path)
    sidecar = {
        "input": {"kind": "vector", "feature_names": FEATURES},
        "classes": SPECIES,
        "composite": "epsilon",
        "source": "trained by models/make/iris.py on 120 of Fisher's irises (1936), as scikit-learn ships them",
        "licence": "BSD-3-Clause (weights); data CC BY 4.0",
    }
    write(path.with_suffix(".json"), (json.dumps(sidecar, indent=2) + "\n").encode())
    write_arrays(SAMPLES / "iris_test30.npz", flower=x[held], labels=labels[held].astype(np.uint8))
    for species, name in enumerate(SPECIES):
        write_arrays(SAMPLES / f"iris_{name}.npy", flower=x[held][10 * species : 10 * species + 1])
    answers = lrp.load(path).forward(x).argmax(axis=1)
    for which, part in (("held-out", held), ("training", ~held)):
        right = int((answers == labels)[part].sum())
        print(f"{which}: {right} of {part.sum()} right = {100 * right / part.sum():.2f} %")
    print(f"{path.name}: {path.stat().st_size} bytes, {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
