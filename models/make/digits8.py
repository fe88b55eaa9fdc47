"""Make digits8_mlp.npz and digits8_cnn.npz: classifiers of 8×8 digits, small enough for exact rationals.

Data: the 1,797 digits that scikit-learn ships (UCI, Optical Recognition of Handwritten Digits), values 0 to 16. The
first 1,437 train and the last 360 are held out:

    python models/make/digits8.py
"""

from __future__ import annotations

import argparse
import hashlib

import numpy as np
import torch
from common import MODELS, SAMPLES, image_sidecar, seed_everything, write_npz, write_sidecar
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn

import lrp_ref as lrp

TRAINING = 1437
EPOCHS = 150
SOURCE = (
    "trained by models/make/digits8.py on 1,437 digits of the UCI Optical Recognition of Handwritten Digits data "
    "(Alpaydin, Kaynak 1998), as scikit-learn ships them"
)
LICENCE = "BSD-3-Clause (weights); data CC BY 4.0"


def mlp() -> nn.Sequential:
    """64-32-16-10 with ReLU."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10)
    )  # fmt: skip


def cnn() -> nn.Sequential:
    """Convolution 3×3, max pool, convolution 2×2, dense; 214 units."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 2), nn.ReLU(), nn.Flatten(), nn.Linear(24, 10)
    )


def train(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    """Train with AdamW on images with a little noise."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for pick in torch.randperm(len(images)).split(64):
            noisy = images[pick] + 0.2 * torch.randn_like(images[pick])
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(noisy), labels[pick]).backward()
            optimiser.step()
        schedule.step()


def native(model: nn.Sequential) -> lrp.Network:
    """Return the trained network as layers of lrp_ref, in float32."""
    made: list[lrp.layers.Layer] = []
    for module in model:
        if isinstance(module, nn.Linear):
            made.append(lrp.layers.Dense(module.weight.detach().numpy().T.copy(), module.bias.detach().numpy()))
        elif isinstance(module, nn.Conv2d):
            made.append(lrp.layers.Conv(module.weight.detach().numpy(), module.bias.detach().numpy()))
        elif isinstance(module, nn.MaxPool2d):
            made.append(lrp.layers.MaxPool(2))
        else:
            made.append(lrp.layers.ReLU() if isinstance(module, nn.ReLU) else lrp.layers.Flatten())
    net = lrp.Network.sequential(made, input_name="image")
    return lrp.Network(net.nodes, (lrp.Input("image", (None, 1, 8, 8)),), net.outputs)


def write(name: str, model: nn.Sequential, images: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Write network and sidecar, and print what was measured on the file."""
    path = MODELS / f"{name}.npz"
    lrp.save(native(model), path)
    sidecar = image_sidecar(
        classes=[str(d) for d in range(10)], composite="epsilon_plus", source=SOURCE, licence=LICENCE
    )
    sidecar["input"] |= {"size": [8, 8], "scale": 1 / 255}
    write_sidecar(path.with_suffix(".json"), sidecar)
    right = int((lrp.load(path).forward(images).argmax(axis=1) == labels).sum())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    share = 100 * right / len(labels)
    print(f"{path.name}: {right} of {len(labels)} right = {share:.2f} %, {path.stat().st_size} bytes, {digest}")


def main() -> None:
    """Train both, measure, and write networks, sidecars and samples."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    data = load_digits()
    images = (data.images[:, None] / 16).astype(np.float32)
    labels = data.target.astype(np.int64)
    held, held_labels = images[TRAINING:], labels[TRAINING:]
    pick = [int(np.flatnonzero(held_labels == digit)[0]) for digit in range(10)]
    write_npz(SAMPLES / "digits8_test10.npz", image=held[pick])
    for name, build in (("digits8_mlp", mlp), ("digits8_cnn", cnn)):
        seed_everything(3, threads=1)
        model = build()
        train(model, torch.from_numpy(images[:TRAINING]), torch.from_numpy(labels[:TRAINING]))
        write(name, model, held, held_labels)


if __name__ == "__main__":
    main()
