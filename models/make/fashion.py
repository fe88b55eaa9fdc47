"""Make fashion_dense.onnx and fashion_cnn.onnx: classifiers of Fashion-MNIST (28×28 grey, ten classes).

Data: the four *-ubyte.gz files of Fashion-MNIST (MIT, Zalando SE), complete in Debian's package
`dataset-fashion-mnist` under /usr/share/datasets/fashion-mnist:

    python models/make/fashion.py /usr/share/datasets/fashion-mnist
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from common import (
    MODELS,
    SAMPLES,
    UInt8,
    export,
    fit,
    image_sidecar,
    read_idx,
    report,
    seed_everything,
    shift,
    write_npz,
    write_png,
    write_sidecar,
)
from torch import Tensor, nn

CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
SOURCE = (
    "trained by models/make/fashion.py on the 60,000 training images of Fashion-MNIST "
    "(Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747)"
)
DROPOUT = 0.2
LICENCE = "BSD-3-Clause (weights); Fashion-MNIST: MIT, Zalando SE"


def dense() -> nn.Sequential:
    """Dense 784-384-192-10 with batch normalisation, ReLU and dropout."""
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            flatten=nn.Flatten(),
            dense1=nn.Linear(784, 384),
            norm1=nn.BatchNorm1d(384),
            relu1=nn.ReLU(),
            drop1=nn.Dropout(DROPOUT),
            dense2=nn.Linear(384, 192),
            norm2=nn.BatchNorm1d(192),
            relu2=nn.ReLU(),
            drop2=nn.Dropout(DROPOUT),
            dense3=nn.Linear(192, 10),
        )
    )


def cnn() -> nn.Sequential:
    """Four 3×3 convolutions with batch normalisation and ReLU, two max pools, two dense layers."""
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(1, 24, 3, padding=1),
            norm1=nn.BatchNorm2d(24),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(24, 48, 3, padding=1),
            norm2=nn.BatchNorm2d(48),
            relu2=nn.ReLU(),
            conv3=nn.Conv2d(48, 48, 3, padding=1),
            norm3=nn.BatchNorm2d(48),
            relu3=nn.ReLU(),
            pool3=nn.MaxPool2d(2),
            conv4=nn.Conv2d(48, 64, 3, padding=1),
            norm4=nn.BatchNorm2d(64),
            relu4=nn.ReLU(),
            flatten=nn.Flatten(),
            drop4=nn.Dropout(DROPOUT),
            dense5=nn.Linear(64 * 7 * 7, 64),
            relu5=nn.ReLU(),
            drop5=nn.Dropout(DROPOUT),
            dense6=nn.Linear(64, 10),
        )
    )


@dataclass(frozen=True)
class Plan:
    """How one of the networks is trained, and which composite explains it."""

    build: Callable[[], nn.Sequential]
    reach: int
    epochs: int
    decay: float
    composite: str


PLANS = {
    "dense": Plan(dense, reach=0, epochs=40, decay=0.2, composite="epsilon"),
    "cnn": Plan(cnn, reach=1, epochs=16, decay=0.05, composite="epsilon_plus_flat"),
}


def augment(images: Tensor, *, reach: int) -> Tensor:
    """Mirror half of the images left to right and move each by up to `reach` pixels."""
    mirrored = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)
    return shift(mirrored, reach=reach) if reach else mirrored


def write_samples(images: UInt8, labels: UInt8) -> None:
    """Write the first test image of each class as PNG, and the first 20 of each class as one array file."""
    for c, name in enumerate(CLASSES):
        first = int(np.flatnonzero(labels == c)[0])
        file = name.lower().replace("/", "_").replace(" ", "_").replace("-", "_")
        write_png(SAMPLES / f"fashion_{file}.png", images[first])
    pick = np.sort(np.concatenate([np.flatnonzero(labels == c)[:20] for c in range(10)]))
    write_npz(SAMPLES / "fashion_test200.npz", images=images[pick], labels=labels[pick])


def read(folder: Path, part: str) -> tuple[UInt8, UInt8]:
    """Read the images (n, 28, 28) and labels (n,) of `train` or `t10k`."""
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    return images, read_idx(folder / f"{part}-labels-idx1-ubyte.gz")


def main() -> None:
    """Train, export, measure, and write sidecars and samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the four *-ubyte.gz files")
    parser.add_argument("--only", choices=sorted(PLANS), help="make one of the two")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    train, test = read(args.data, "train"), read(args.data, "t10k")
    write_samples(*test)
    images = torch.from_numpy(train[0]).float().div(255)[:, None]
    labels = torch.from_numpy(train[1]).long()
    held_out = (test[0][:, None] / 255).astype(np.float32)
    for name in [args.only] if args.only else PLANS:
        plan = PLANS[name]
        seed_everything(1, threads=args.threads)
        model = plan.build()
        fit(
            model,
            images,
            labels,
            augment=partial(augment, reach=plan.reach),
            epochs=plan.epochs,
            batch=256,
            peak=4e-3,
            decay=plan.decay,
            smoothing=0.05,
        )
        path = MODELS / f"fashion_{name}.onnx"
        export(model, images[:2], path, input_name="image")
        write_sidecar(
            path.with_suffix(".json"),
            image_sidecar(classes=CLASSES, composite=plan.composite, source=SOURCE, licence=LICENCE),
        )
        report(path, model, held_out, test[1].astype(np.int64))


if __name__ == "__main__":
    main()
