"""Models of signals (n, channels, time) and of sequences (n, time, features)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as f
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .kind import Kind, Net, Scale, conv, floats, lengths

SIGNAL, SEQUENCE = {"x": floats(2, 32)}, {"x": floats(9, 4)}


def signals() -> nn.Module:
    last = (nn.AvgPool1d(2), nn.Flatten(), nn.Linear(8 * 8, 3))
    return nn.Sequential(conv(1, 2, 8, 5), nn.MaxPool1d(2), conv(1, 8, 8, 3), *last)


def tcn() -> nn.Module:
    def block(i: int, o: int, dilation: int) -> nn.Module:
        def forward(x, a, b, beside):  # type: ignore[no-untyped-def]
            y = f.relu(a(f.pad(x, (2 * dilation, 0))))
            y = f.relu(b(y)[..., : -2 * dilation])
            return f.relu(y + beside(x))

        first = weight_norm(nn.Conv1d(i, o, 3, dilation=dilation))
        second = weight_norm(nn.Conv1d(o, o, 3, dilation=dilation, padding=2 * dilation))
        return Net(forward, first, second, nn.Conv1d(i, o, 1))

    return nn.Sequential(block(2, 6, 1), block(6, 6, 2), Net(lambda x, last: last(x[:, :, -1]), nn.Linear(6, 3)))


def conv_lstm() -> nn.Module:
    def forward(x, a, lstm, last):  # type: ignore[no-untyped-def]
        return last(lstm(a(x).transpose(1, 2))[0][:, -1])

    return Net(forward, conv(1, 2, 6, 3, stride=2), nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 3))


def lstm() -> nn.Module:
    return Net(lambda x, lstm, last: last(lstm(x)[1][0][-1]), nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 3))


def lstm_stacked_bidirectional() -> nn.Module:
    def forward(x, lstm, last):  # type: ignore[no-untyped-def]
        _, (h, _) = lstm(x)
        return last(torch.cat([h[-2], h[-1]], 1))

    return Net(forward, nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True, dropout=0.1), nn.Linear(10, 3))


def gru() -> nn.Module:
    gru = nn.GRU(4, 5, 2, batch_first=True, bidirectional=True)
    return Net(lambda x, gru, last: last(gru(x)[0].mean(1)), gru, nn.Linear(10, 3))


def rnn_time_first() -> nn.Module:
    return Net(lambda x, rnn, last: last(rnn(x)[0][-1]), nn.RNN(4, 6), nn.Linear(6, 3))


def packed_lengths() -> nn.Module:
    def forward(x, n, lstm, last):  # type: ignore[no-untyped-def]
        packed, (h, _) = lstm(pack_padded_sequence(x, n, batch_first=True))
        steps, _ = pad_packed_sequence(packed, batch_first=True)
        return last(torch.cat([h[-1], steps.sum(1)], 1))

    return Net(forward, nn.LSTM(4, 5, batch_first=True), nn.Linear(10, 3))


def attention_pooling() -> nn.Module:
    def forward(x, a, score, last):  # type: ignore[no-untyped-def]
        h = torch.tanh(a(x))
        return last((torch.softmax(score(h), 1) * h).sum(1))

    return Net(forward, nn.Linear(4, 6), nn.Linear(6, 1, bias=False), nn.Linear(6, 3))


def gru_attention() -> nn.Module:
    def forward(x, gru, query, last):  # type: ignore[no-untyped-def]
        h, _ = gru(x)
        weights = torch.softmax(h @ query() / 5**0.5, dim=-1)
        return last((weights.unsqueeze(1) @ h).squeeze(1))

    return Net(forward, nn.GRU(4, 5, batch_first=True), Scale(5), nn.Linear(5, 3))


def encoder_pre_norm_time_first() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 12, norm_first=True, activation="gelu")
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return Net(lambda x, a, e, last: last(e(a(x)).mean(0)), nn.Linear(4, 8), encoder, nn.Linear(8, 3))


def encoder_post_norm() -> nn.Module:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2)
    return Net(lambda x, a, e, last: last(e(a(x))[:, 0]), nn.Linear(4, 8), encoder, nn.Linear(8, 3))


KINDS = [
    *(Kind(make.__name__, make, SIGNAL) for make in (signals, tcn, conv_lstm)),
    *(
        Kind(make.__name__, make, SEQUENCE)
        for make in (
            lstm, lstm_stacked_bidirectional, gru, attention_pooling, gru_attention, encoder_post_norm,
        )
    ),
    Kind("packed_lengths", packed_lengths, {"x": floats(9, 4), "n": lengths(9)}),
    *(
        Kind(make.__name__, make, {"x": floats(9, None, 4)}, batch=1)
        for make in (rnn_time_first, encoder_pre_norm_time_first)
    ),
]  # fmt: skip
