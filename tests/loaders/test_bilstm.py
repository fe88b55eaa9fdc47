"""Bidirectional LSTMs in the layout of LRP_for_LSTM: recognised by the names of their arrays."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.errors import ModelFormatError, ParameterError

DATA = Path(__file__).parents[3] / "shared" / "data"
FEATURES, HIDDEN, CLASSES, WORDS = 3, 2, 4, 6


def arrays(dtype: str = "f8", **changes: Any) -> dict[str, Any]:
    draw = np.random.default_rng(7)
    shapes = {"Wxh": (4 * HIDDEN, FEATURES), "Whh": (4 * HIDDEN, HIDDEN), "Why": (CLASSES, HIDDEN)}
    shapes |= {"bxh": (4 * HIDDEN,), "bhh": (4 * HIDDEN,)}
    found = {f"{k}_{side}": draw.normal(size=s) for k, s in shapes.items() for side in ("Left", "Right")}
    found = {name: a.astype(dtype) for name, a in (found | {"E": draw.normal(size=(WORDS, FEATURES))}).items()}
    found |= {"vocab": np.array(["a", "b"])} | changes
    return {name: a for name, a in found.items() if a is not None}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def literal(a: dict[str, Any], x: Any) -> Any:
    """Return the scores of one text (T, features) as the paper's program has them, step by step."""
    scores = 0.0
    for side, steps in (("Left", x), ("Right", x[::-1])):
        h, c = np.zeros(HIDDEN), np.zeros(HIDDEN)
        for step in steps:
            z = a[f"Wxh_{side}"] @ step + a[f"Whh_{side}"] @ h
            z = z + a.get(f"bxh_{side}", 0) + a.get(f"bhh_{side}", 0)
            i, g, f, o = np.split(z, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        scores = scores + a[f"Why_{side}"] @ h
    return scores


@pytest.mark.parametrize("without", [(), ("bhh_Left", "bhh_Right"), ("bxh_Left",)])
def test_it_computes_what_the_arrays_say(without: tuple[str, ...], tmp_path: Path) -> None:
    a = arrays(**dict.fromkeys(without))
    np.savez(path := tmp_path / "net.npz", **a)
    net = lrp.load(path)
    tokens = np.array([[0, 5, 2, 2], [3, 1, 4, 0]])
    expected = np.array([literal(a, a["E"][text]) for text in tokens])
    assert np.abs(net.forward(tokens) - expected).max() <= 1e-14
    assert net.inputs[0].element_type == "int64"
    vectors = lrp.load(path, embedded=True)
    assert np.array_equal(vectors.forward(a["E"][tokens]), net.forward(tokens))
    assert vectors.inputs[0].shape == (None, None, FEATURES)
    np.savez(path, **arrays(E=None))
    assert lrp.load(path).inputs[0].shape == (None, None, FEATURES)


def test_the_relevance_of_a_token_is_that_of_its_vector(tmp_path: Path) -> None:
    a = arrays()
    np.savez_compressed(path := tmp_path / "net.npz", **a)
    tokens = np.array([[0, 5, 2]])
    whole = lrp.explain(lrp.load(path), tokens, target=1, composite="epsilon")
    inner = lrp.explain(lrp.load(path, embedded=True), a["E"][tokens], target=1, composite="epsilon")
    assert whole.relevance.shape == (1, 3)
    assert np.abs(whole.relevance - inner.relevance.sum(axis=-1)).max() <= 1e-14
    assert whole.ledger.residual <= 1e-12


def test_outputs_and_options(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "net.npz", **arrays("f4"))
    assert lrp.load(path).dtype == np.float32
    assert lrp.load(path, output="lstm").forward(np.array([[1, 2]])).shape == (1, 2 * HIDDEN)
    with pytest.raises(ParameterError, match="'nowhere'"):
        lrp.load(path, output="nowhere")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"Wxh_Right": np.ones((8, 4))}, ["'Wxh_Right' has shape (8, 4); (8, 3) fits the others"]),
        ({"Whh_Left": np.ones((8, 3))}, ["fits the others"]),
        ({"Whh_Left": np.ones(8)}, ["no matrices"]),
        ({"Why_Right": np.ones((3, 2))}, ["'Why_Right' has shape (3, 2)"]),
        ({"bhh_Left": np.ones(4)}, ["'bhh_Left' has shape (4,); (8,)"]),
        ({"E": np.ones((6, 2))}, ["'E' has shape (6, 2); (6, 3)"]),
        ({"E": np.ones(())}, ["'E' has shape ()"]),
        ({"Why_Left": np.ones((4, 2), int)}, ["'Why_Left' is no array of finite float32 or float64"]),
        ({"Why_Left": np.full((4, 2), np.inf)}, ["'Why_Left' is no array of finite"]),
        ({"Why_Left": np.array([["x"]])}, ["Why_Left"]),
        ({"Why_Left": None}, ["not one that lrp_ref.save wrote"]),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit(changes: Any, parts: list[str], tmp_path: Path) -> None:
    np.savez(path := tmp_path / "net.npz", **arrays(**changes))
    with pytest.raises(ModelFormatError) as caught:
        lrp.load(path)
    assert "\n" not in str(caught.value)
    for part in (str(path), *parts):
        assert part in str(caught.value)


def test_the_sentiment_network_is_right_as_often_as_its_file_says() -> None:
    """83.4 % of the development part of SST-2; words that it does not know are <unk>."""
    model, sentences = DATA / "sst2_bilstm_h60.npz", DATA / "sst2.tar.xz"
    if not (model.exists() and sentences.exists()):
        pytest.skip(f"{model} is absent: the sentences are not distributed")
    with np.load(model) as stored:
        number = {str(word): k for k, word in enumerate(stored["vocab"])}
    with tarfile.open(sentences) as archive:
        member = archive.extractfile("SST2/dev.tsv")
        assert member is not None
        rows = list(csv.DictReader(io.TextIOWrapper(member, "utf-8"), delimiter="\t", quoting=csv.QUOTE_NONE))
    net, right = lrp.load(model), 0
    for row in rows:
        text = [number.get(word, number["<unk>"]) for word in row["sentence"].split()]
        right += int(net.forward(np.array([text])).argmax() == int(row["label"]))
    assert len(rows) == 872
    assert round(100 * right / len(rows), 1) == 83.4
