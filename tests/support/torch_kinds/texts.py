"""Models of words: indices (n, time) of rows of an embedding."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as f

from .kind import Kind, Net, ones, tokens

ROWS, TIME = 11, 7
WORDS = {"x": tokens(ROWS, TIME)}


def lstm_embedding() -> nn.Module:
    def forward(x, words, lstm, last):  # type: ignore[no-untyped-def]
        return last(lstm(words(x))[0][:, -1])

    words = nn.Embedding(ROWS, 4, padding_idx=0)
    return Net(forward, words, nn.LSTM(4, 5, batch_first=True, bidirectional=True), nn.Linear(10, 3))


def text_cnn() -> nn.Module:
    def forward(x, words, last, *convolutions):  # type: ignore[no-untyped-def]
        x = words(x).transpose(1, 2)
        return last(torch.cat([f.relu(c(x)).amax(2) for c in convolutions], 1))

    return Net(forward, nn.Embedding(ROWS, 6), nn.Linear(12, 3), *(nn.Conv1d(6, 4, k) for k in (2, 3, 4)))


def global_max_over_time() -> nn.Module:
    def forward(x, words, a, last):  # type: ignore[no-untyped-def]
        x = f.relu(a(words(x).unsqueeze(1))).squeeze(3)
        return last(f.max_pool1d(x, x.shape[2]).squeeze(2))

    return Net(forward, nn.Embedding(ROWS, 6), nn.Conv2d(1, 5, (3, 6)), nn.Linear(5, 3))


def masked_mean() -> nn.Module:
    def forward(x, mask, words, a, last):  # type: ignore[no-untyped-def]
        mask = mask.unsqueeze(-1).float()
        x = torch.tanh(a(words(x))) * mask
        return last(x.sum(1) / mask.sum(1).clamp(min=1e-9))

    return Net(forward, nn.Embedding(ROWS, 6), nn.Linear(6, 6), nn.Linear(6, 3))


def embedding_bag() -> nn.Module:
    return Net(lambda x, bag, last: last(bag(x)), nn.EmbeddingBag(ROWS, 6, mode="mean"), nn.Linear(6, 3))


def encoder_masked() -> nn.Module:
    def forward(x, mask, words, places, norm, encoder, last):  # type: ignore[no-untyped-def]
        x = norm(words(x) + places(torch.arange(x.shape[1])))
        x = encoder(x, src_key_padding_mask=mask == 0)
        weights = mask.unsqueeze(-1).to(x.dtype)
        return last((x * weights).sum(1) / weights.sum(1))

    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, activation="gelu")
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    parts = nn.Embedding(ROWS, 8), nn.Embedding(TIME, 8), nn.LayerNorm(8), encoder, nn.Linear(8, 3)
    return Net(forward, *parts)


KINDS = [
    *(Kind(make.__name__, make, WORDS) for make in (lstm_embedding, text_cnn, global_max_over_time, embedding_bag)),
    *(Kind(make.__name__, make, WORDS | {"mask": ones(TIME)}) for make in (masked_mean, encoder_masked)),
]
