"""Make sequence_lstm.onnx: a bidirectional LSTM that tells nine speakers apart by one vowel (JapaneseVowels).

Data: 270 training and 370 test utterances of /ae/, 12 LPC cepstrum coefficients a frame, 7 to 29 frames
(Kudo, Toyama, Shimbo 1999, Pattern Recognition Letters 20), in the wheel of sktime (`pip download --no-deps
sktime==1.2.0`, BSD-3-Clause). Each utterance stands at the end of 29 frames; those before it are zero:

    python models/make/sequence.py sktime-1.2.0-py3-none-any.whl
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from common import (
    MODELS,
    SAMPLES,
    Float32,
    Int64,
    drop_unused,
    export,
    fit,
    report,
    seed_everything,
    write_npz,
    write_sidecar,
)
from torch import Tensor, nn

FRAMES, CHANNELS, SPEAKERS, HIDDEN = 29, 12, 9, 32
FOLDER = "sktime/datasets/data/JapaneseVowels"


class Speaker(nn.Module):
    """Bidirectional LSTM; the last state of each direction, side by side, goes to one dense layer."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.lstm = nn.LSTM(CHANNELS, HIDDEN, batch_first=True, bidirectional=True)
        self.flatten = nn.Flatten()
        self.drop = nn.Dropout(0.4)
        self.dense = nn.Linear(2 * HIDDEN, SPEAKERS)

    def forward(self, series: Tensor) -> Tensor:
        """Logits (N, 9) of series (N, T, 12)."""
        _, (last, _) = self.lstm(series)
        out: Tensor = self.dense(self.drop(self.flatten(last.transpose(0, 1))))
        return out


def read(wheel: Path, part: str) -> tuple[Float32, Int64]:
    """Read the series (n, 29, 12), zeros in front, and the speakers (n,), 0 to 8, of `TRAIN` or `TEST`.

    After `@data` each line is an utterance: its channels and the speaker (1 to 9) between colons, frames
    between commas.
    """
    text = zipfile.ZipFile(wheel).read(f"{FOLDER}/JapaneseVowels_{part}.ts").decode()
    lines = text.split("@data\n", 1)[1].split()
    series = np.zeros((len(lines), FRAMES, CHANNELS), dtype=np.float32)
    labels = np.zeros(len(lines), dtype=np.int64)
    for i, line in enumerate(lines):
        *channels, speaker = line.split(":")
        values = np.array([channel.split(",") for channel in channels], dtype=np.float32).T
        series[i, FRAMES - len(values) :] = values
        labels[i] = int(speaker) - 1
    return series, labels


def augment(series: Tensor) -> Tensor:
    """Blank up to four first frames of each utterance, scale it by up to 5 %, add noise of σ = 0.03."""
    spoken = (series != 0).any(dim=2)
    frames = spoken.sum(dim=1)
    first = FRAMES - frames + (torch.rand(len(series)) * torch.clamp(frames - 7, 0, 4)).round().long()
    kept = (torch.arange(FRAMES) >= first[:, None])[:, :, None]
    louder = 1 + 0.05 * (2 * torch.rand(len(series), 1, 1) - 1)
    return kept * (series * louder + 0.03 * torch.randn_like(series))


def tidy(model: onnx.ModelProto) -> None:
    """Name the LSTM's weights and leave out its initial states, which are zero, the default.

    The exporter makes them of shape arithmetic and numbers the weights by the order of its work.
    """
    names: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "LSTM":
            names.update(zip(node.input[1:4], ("lstm.W", "lstm.R", "lstm.B"), strict=True))
            node.input[:] = [node.input[0], *names.values()]
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    drop_unused(model)


def write_samples(series: Float32, labels: Int64) -> None:
    """Write an utterance each of three speakers as .npy, and ten of each speaker as one array file."""
    for speaker in (0, 3, 8):
        first = series[labels == speaker][:1]
        np.save(SAMPLES / f"vowel_speaker{speaker + 1}.npy", first, allow_pickle=False)
    pick = np.concatenate([np.flatnonzero(labels == speaker)[:10] for speaker in range(SPEAKERS)])
    write_npz(SAMPLES / "vowels_test90.npz", series=series[pick], labels=labels[pick].astype(np.uint8))


def main() -> None:
    """Train, export, measure, and write sidecar and samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="wheel of sktime")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    series, labels = read(args.data, "TRAIN")
    held_out, held_out_labels = read(args.data, "TEST")
    write_samples(held_out, held_out_labels)
    seed_everything(1, threads=args.threads)
    model = Speaker()
    fit(
        model,
        torch.from_numpy(series),
        torch.from_numpy(labels),
        augment=augment,
        epochs=200,
        batch=30,
        peak=6e-3,
        decay=2e-2,
        smoothing=0.05,
    )
    path = MODELS / "sequence_lstm.onnx"
    export(model, torch.from_numpy(series[:2]), path, input_name="series", tidy=tidy)
    names = [f"LPC cepstrum {i + 1}" for i in range(CHANNELS)]
    write_sidecar(
        path.with_suffix(".json"),
        {
            "input": {"kind": "series", "layout": "NTC", "length": FRAMES, "step": "frame", "channel_names": names},
            "classes": [f"speaker {i + 1}" for i in range(SPEAKERS)],
            "composite": "epsilon",
            "source": "trained by models/make/sequence.py on JapaneseVowels (Kudo, Toyama, Shimbo 1999) from "
            "PyPI package sktime 1.2.0; shorter utterances have zeros in front",
            "licence": "BSD-3-Clause (weights); sktime: BSD-3-Clause",
        },
    )
    report(path, model, held_out, held_out_labels)


if __name__ == "__main__":
    main()
