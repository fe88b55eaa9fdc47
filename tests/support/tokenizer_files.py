"""Tokenizer files and small word models, made here: nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import lrp_ref as lrp
from lrp_ref.layers import Dense, Embedding, Mean

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "not", "good", "bad", "like", "##able", "##d", "film", "a", ".", "'", "t")


def wordpiece(**changes: Any) -> dict[str, Any]:
    """A BERT-like tokenizer: small letters, punctuation apart, [CLS] in front and [SEP] behind."""
    number = {piece: k for k, piece in enumerate(PIECES)}
    special = [{"id": number[n], "content": n, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False} for n in PIECES[:4]]  # fmt: skip
    around = {"type": "TemplateProcessing", "single": [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {n: {"id": n, "ids": [number[n]], "tokens": [n]} for n in ("[CLS]", "[SEP]")}}  # fmt: skip
    normal = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
              "lowercase": True}  # fmt: skip
    return {
        "version": "1.0",
        "truncation": {"max_length": 3, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": special, "normalizer": normal, "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": around, "decoder": None,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": number},
    } | changes  # fmt: skip


def write(path: Path, content: Any) -> Path:
    """Write JSON and return its path."""
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def word_model(path: Path, rows: int = len(PIECES), seed: int = 0) -> Path:
    """Write a network that looks words up, takes their mean, and has two outputs; return its path."""
    draw = np.random.default_rng(seed)
    net = lrp.Network.sequential([
        ("words", Embedding(draw.normal(size=(rows, 3)))), Mean((1,), keepdims=False),
        Dense(draw.normal(size=(3, 2)), draw.normal(size=2)),
    ])  # fmt: skip
    lrp.save(net, path)
    return path
