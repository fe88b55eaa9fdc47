"""A real GRU: the letters of a word to its phonemes, as g2p-en 2.1.0 does it (Park and Kim 2019).

The weights come with that package; installed, or unpacked in the folder that LRP_REF_G2P names, it is not imported.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrp_ref as lrp
from lrp_ref.layers import GRU, Dense
from lrp_ref.network import Input, Network, Node

# What the package's own predict() answers, with the phonemes as it numbers them.
ANSWERS = {
    "activationist": [9, 45, 60, 38, 69, 33, 59, 10, 48, 38, 58, 60],
    "relevance": [57, 27, 46, 10, 69, 10, 48, 58],
    "propagation": [56, 57, 6, 56, 10, 36, 33, 59, 10, 48],
    "layerwise": [46, 33, 29, 70, 21, 58],
    "heatmaps": [37, 42, 60, 47, 9, 56, 58],
    "gru": [36, 57, 67],
    "a": [5],
}
START, END, LETTERS = 2, 3, "abcdefghijklmnopqrstuvwxyz"


def weights() -> dict[str, Any]:
    found = importlib.util.find_spec("g2p_en")
    folders = [*(found.submodule_search_locations or ())] if found else []
    folders.append(os.environ.get("LRP_REF_G2P", ""))
    for folder in filter(None, folders):
        if (path := Path(folder) / "checkpoint20.npz").exists():
            with np.load(path, allow_pickle=False) as stored:
                return {key: stored[key].astype(np.float64) for key in stored.files}
    pytest.skip("g2p-en 2.1.0 is not installed, and LRP_REF_G2P does not name its folder")


def gru(stored: dict[str, Any], part: str, **options: Any) -> GRU:
    """Return a GRU of the file, whose gates are r, z, n and whose biases are two."""
    w, u, b, c = (stored[f"{part}_{key}"] for key in ("w_ih", "w_hh", "b_ih", "b_hh"))
    hidden = len(b) // 3
    w, u, b, c = (a.reshape(1, 3, hidden, *a.shape[1:]) for a in (w, u, b, c))
    bias = np.concatenate((b[:, :2] + c[:, :2], b[:, 2:]), axis=1)
    return GRU(w, u, bias, bias_hidden=c[:, 2], **options)


def letters(stored: dict[str, Any], word: str) -> Any:
    """Return the embedded letters and the end (1, letters + 1, 64)."""
    return stored["enc_emb"][[*(3 + LETTERS.index(letter) for letter in word), 2]][None]


def test_the_phonemes_are_those_of_the_package() -> None:
    stored = weights()
    encoder, decoder = gru(stored, "enc", returns="last"), gru(stored, "dec", returns="last", state=True)
    head = Dense(stored["fc_w"].T, stored["fc_b"])
    for word, expected in ANSWERS.items():
        h, said, found = encoder.forward(letters(stored, word)), START, []
        while said != END and len(found) < 20:
            h = decoder.forward(stored["dec_emb"][[said]][None], h[:, None])
            said = int(head.forward(h)[0].argmax())
            found.append(said)
        assert found[:-1] == expected, word


def test_the_relevance_of_the_letters_is_conserved() -> None:
    """The first phoneme of a word, through decoder and encoder: every column of the ledger is known."""
    stored = weights()
    nodes = (
        Node("letters read", gru(stored, "enc", returns="all"), ("letters",)),
        Node("said", gru(stored, "dec", returns="last", state=True), ("before", "letters read:1")),
        Node("phonemes", Dense(stored["fc_w"].T, stored["fc_b"]), ("said",)),
    )
    net = Network(nodes, (Input("letters"), Input("before")), ("phonemes",))
    fed = {"letters": letters(stored, "relevance"), "before": stored["dec_emb"][[START]][None]}
    found = lrp.explain(net, fed)
    assert found.target.ravel().tolist() == [ANSWERS["relevance"][0]]
    assert found.ledger.residual < 1e-12
    of_letters = found.relevance["letters"].sum(axis=2)[0]
    assert of_letters.shape == (10,)
    assert np.abs(of_letters).max() > 0
