"""EfficientNet-Lite0 as a described architecture, for the tensor names of ``efficientnet-lite0-57934424.pth``.

A network of blocks is described by a loop that writes the entries. Padding is TensorFlow's SAME: where the stride is 2,
one row more at the bottom and one column more on the right.

    python tests/support/lite0.py > efficientnet-lite0-57934424.architecture.json
"""

from __future__ import annotations

import json
from typing import Any

# kernel, blocks, stride of the first block, expansion, output channels (Tan and Le 2019, table 1)
STAGES = ((3, 1, 1, 1, 16), (3, 2, 2, 6, 24), (5, 2, 2, 6, 40), (3, 3, 2, 6, 80), (5, 3, 1, 6, 112), (5, 4, 2, 6, 192),
          (3, 1, 1, 6, 320))  # fmt: skip
EPS = 1e-3


def conv(source: str, kernel: int = 1, *, stride: int = 1, groups: int = 1) -> dict[str, Any]:
    total = kernel - stride
    pair = [total // 2, total - total // 2]
    sizes = {"kernel_size": kernel, "stride": stride, "padding": [pair, pair], "groups": groups}
    return {"Conv2d": source, "bias": False, **sizes}


def norm(source: str) -> dict[str, Any]:
    return {"BatchNorm2d": source, "eps": EPS}


def description() -> dict[str, Any]:
    layers: list[Any] = [conv("_conv_stem", 3, stride=2), norm("_bn0"), {"ReLU6": {}, "name": "stem"}]
    before, channels, block = "stem", 32, 0
    for kernel, blocks, first, expansion, out in STAGES:
        for k in range(blocks):
            name, stride, wide = f"_blocks.{block}", first if k == 0 else 1, channels * expansion
            if expansion > 1:
                layers += [conv(f"{name}._expand_conv"), norm(f"{name}._bn0"), "ReLU6"]
            layers += [conv(f"{name}._depthwise_conv", kernel, stride=stride, groups=wide)]
            layers += [norm(f"{name}._bn1"), "ReLU6"]
            layers += [conv(f"{name}._project_conv"), norm(f"{name}._bn2")]
            after = f"{name}._bn2"
            if stride == 1 and channels == out:
                layers.append({"Add": [before, after], "name": name})
                after = name
            before, channels, block = after, out, block + 1
    layers += [conv("_conv_head"), norm("_bn1"), "ReLU6", "AdaptiveAvgPool2d", "Flatten", {"Linear": "_fc"}]
    return {"input": {"name": "image", "shape": [3, 224, 224]}, "layers": layers}


if __name__ == "__main__":
    print(json.dumps(description(), indent=1))
