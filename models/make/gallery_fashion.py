"""Make gallery/fashion_6000.npz: the first 5,000 training and the first 1,000 test images of Fashion-MNIST.

apt-get install dataset-fashion-mnist
python models/make/gallery_fashion.py /usr/share/datasets/fashion-mnist
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import MODELS, read_idx, write_npz

TRAIN, TEST = 5000, 1000


def main() -> None:
    """Read the four files of the set, and write one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the four *-ubyte.gz files")
    folder = parser.parse_args().data
    arrays = {}
    for part, name, count in (("train", "train", TRAIN), ("t10k", "test", TEST)):
        for kind, rank in (("images", 3), ("labels", 1)):
            arrays[f"{name}_{kind}"] = read_idx(folder / f"{part}-{kind}-idx{rank}-ubyte.gz")[:count]
    path = MODELS / "gallery" / "fashion_6000.npz"
    write_npz(path, **arrays)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
